//! Settings for starting a container.

use std::path::PathBuf;

use super::super::entry::Entry;
use super::Image;
use crate::plan::{Storage, Sync};

/// Settings for starting a container.
#[derive(Debug, Clone)]
pub struct ContainerConfig {
    /// Image to start.
    pub image: Image,
    /// Log of the broker in the container: created or appended to. The only thing that remains afterwards.
    pub log: PathBuf,
    /// Program that calls [`super::reap()`] when started as `PROGRAM reap-container NAME`: tickgate.
    pub reaper: PathBuf,
    /// Storage of this run's streams: decides whether a store in memory matters.
    pub storage: Storage,
    /// When the store is forced to the disk.
    pub sync: Sync,
    /// Maximum size of file streams (NATS), bytes.
    pub max_file_store: u64,
    /// Heap of the Java process (Kafka), bytes.
    pub heap_bytes: u64,
    /// Port for clients on the host's loopback; a free one if `None`.
    pub port: Option<u16>,
    /// Memory limit of the container, bytes; no limit if `None`.
    pub memory_bytes: Option<u64>,
    /// Maximum number of cores that the container may use; all if `None`.
    pub cores: Option<f64>,
    /// Who may use the broker.
    pub entry: Entry,
    /// Additional configuration in the broker's syntax (NATS).
    pub extra: String,
}

impl ContainerConfig {
    /// Returns a configuration without limits: file streams of at most 10 GiB, the default sync, a heap of 1 GiB.
    #[must_use]
    pub fn new(image: Image, log: impl Into<PathBuf>, reaper: impl Into<PathBuf>, entry: Entry) -> Self {
        Self {
            image,
            log: log.into(),
            reaper: reaper.into(),
            storage: Storage::File,
            sync: Sync::Default,
            max_file_store: 10 << 30,
            heap_bytes: 1 << 30,
            port: None,
            memory_bytes: None,
            cores: None,
            entry,
            extra: String::new(),
        }
    }
}
