//! The machine: clock, hiccups, resources and facts.

pub mod addresses;
pub mod build;
pub mod cgroup;
pub mod clock;
pub mod disk;
pub mod docker;
pub mod doctor;
pub mod facts;
pub mod hiccup;
pub mod machine;
pub mod memory;
pub mod placement;
pub mod probe;
pub mod resources;
#[cfg(test)]
mod scratch;
pub mod signal;
pub mod sleep;

use std::io;
use std::path::PathBuf;

/// Errors of reading figures of the machine.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// A file or directory cannot be read or written.
    #[error("cannot read or write {}: {source}", path.display())]
    Io {
        /// Which one.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// The process has ended; its number may belong to another process by now.
    #[error("process {pid} has ended")]
    Gone {
        /// Its number.
        pid: u32,
    },
    /// A file of the kernel has an unexpected format.
    #[error("{} is not as this kernel's documentation has it", path.display())]
    Malformed {
        /// Which one.
        path: PathBuf,
    },
}

impl HostError {
    fn io(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }
}

/// Percentiles of a set of times, in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Times {
    /// Number of times.
    pub count: u64,
    /// Median.
    pub p50_ns: u64,
    /// 99th percentile.
    pub p99_ns: u64,
    /// 99.9th percentile.
    pub p99_9_ns: u64,
    /// Largest.
    pub max_ns: u64,
}

impl Times {
    /// The percentiles of a histogram of nanoseconds; all 0 if it is empty.
    #[must_use]
    pub fn of(histogram: &hdrhistogram::Histogram<u64>) -> Self {
        Self {
            count: histogram.len(),
            p50_ns: histogram.value_at_quantile(0.5),
            p99_ns: histogram.value_at_quantile(0.99),
            p99_9_ns: histogram.value_at_quantile(0.999),
            max_ns: histogram.max(),
        }
    }
}
