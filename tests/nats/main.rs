//! The NATS driver and the local nats-server, on a real server; and the simulated bus, which keeps the same contract.

mod auth;
mod cluster;
mod contract;
mod copies;
mod driver;
mod faults;
mod foreign_links;
mod local_broker;
mod member_faults;
mod monitor;
mod retry;
#[path = "../support/mod.rs"]
mod support;
