//! Shared parts of the servers that tickgate starts: the process and its store, trust in programs, ports, logs, and
//! cleanup.

mod account;
pub(super) mod child;
pub(super) mod guard;
pub(super) mod log;
mod places;
pub(super) mod ports;
pub(super) mod trust;

pub(super) use places::{brokers_directories, project_of};
