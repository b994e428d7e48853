//! What servers of our own share: the process and its store, which programs may be started, ports, logs, and that nothing
//! stays behind.

pub(super) mod child;
pub(super) mod guard;
pub(super) mod log;
mod places;
pub(super) mod ports;
pub(super) mod trust;

pub(super) use places::{brokers_directories, project_of};
