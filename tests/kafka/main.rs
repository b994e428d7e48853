//! The Kafka driver and the program on a real Kafka, and brokers in containers.

#[cfg(feature = "kafka")]
mod campaign;
#[cfg(feature = "containers")]
mod containers;
#[cfg(feature = "kafka")]
mod cluster;
mod contract;
#[cfg(feature = "kafka")]
mod driver;
#[cfg(feature = "kafka")]
mod faults;
#[cfg(feature = "kafka")]
mod gate;
#[cfg(feature = "kafka")]
mod login;
#[cfg(feature = "kafka")]
mod own_topic;
#[cfg(feature = "kafka")]
mod permissions;
#[cfg(feature = "kafka")]
mod properties;
#[cfg(feature = "kafka")]
mod replay;
#[path = "../support/mod.rs"]
mod support;
