//! How a container is started.

use std::path::PathBuf;

use super::super::entry::Entry;
use super::Image;
use crate::plan::{Storage, Sync};

/// How to start a container.
#[derive(Debug, Clone)]
pub struct ContainerConfig {
    /// What to start.
    pub image: Image,
    /// The log of what is in it: created or appended to. The only thing that stays.
    pub log: PathBuf,
    /// A program that calls [`super::reap()`] when it is started as `PROGRAM reap-container NAME`: tickgate.
    pub reaper: PathBuf,
    /// Where the streams of this run will be: decides whether a store in memory matters.
    pub storage: Storage,
    /// When the store is forced to the disk.
    pub sync: Sync,
    /// Bytes that file streams may take (NATS).
    pub max_file_store: u64,
    /// Heap of the Java process (Kafka), bytes.
    pub heap_bytes: u64,
    /// The clients' port on our loopback; a free one where it is `None`.
    pub port: Option<u16>,
    /// Memory that all in it may take, bytes; as much as there is where it is `None`.
    pub memory_bytes: Option<u64>,
    /// Cores that all in it may use; all of them where it is `None`.
    pub cores: Option<f64>,
    /// Who may use it.
    pub entry: Entry,
    /// More configuration, in the broker's own language (NATS).
    pub extra: String,
}

impl ContainerConfig {
    /// A container without limits, file streams of 10 GiB at the most, the default sync and a heap of 1 GiB.
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
