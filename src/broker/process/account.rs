//! Resource use of a server over its restarts: each start is another process.

use std::sync::{Arc, Mutex, PoisonError};

use crate::host::resources::{Meter, Process, ProcessUse};

/// CPU time and memory of a server, of all its processes so far.
#[derive(Debug, Clone, Default)]
pub(in crate::broker) struct Account(Arc<Mutex<Uses>>);

#[derive(Debug, Default)]
struct Uses {
    process: Option<Process>,
    /// CPU time of the processes that have ended.
    ended: ProcessUse,
    /// The last reading of the current process.
    last: ProcessUse,
    peak_rss_bytes: u64,
}

impl Account {
    /// Starts to count a new process. The CPU time of the one before it counts up to its last reading.
    pub(in crate::broker) fn begin(&self, process: Process) {
        self.with(|uses| {
            uses.ended.user_ns += uses.last.user_ns;
            uses.ended.system_ns += uses.last.system_ns;
            uses.last = ProcessUse::default();
            uses.process = Some(process);
        });
    }

    /// Reads the use of the current process, before it is gone.
    pub(in crate::broker) fn read(&self) -> Option<ProcessUse> {
        self.with(|uses| {
            let now = uses.process?.usage().ok();
            uses.enter(now);
            Some(uses.total(now))
        })
    }

    /// Returns a meter that stays valid over restarts.
    pub(in crate::broker) fn meter(&self) -> Meter {
        let account = self.clone();
        Box::new(move || account.read())
    }

    fn with<T>(&self, work: impl FnOnce(&mut Uses) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Uses {
    fn enter(&mut self, now: Option<ProcessUse>) {
        // A process that exits is seen without its memory, and one that is gone not at all.
        if let Some(now) = now {
            self.last = now;
            self.peak_rss_bytes = self.peak_rss_bytes.max(now.peak_rss_bytes);
        }
    }

    /// The use of all processes; memory only while one runs.
    fn total(&self, now: Option<ProcessUse>) -> ProcessUse {
        ProcessUse {
            user_ns: self.ended.user_ns + self.last.user_ns,
            system_ns: self.ended.system_ns + self.last.system_ns,
            rss_bytes: now.map_or(0, |now| now.rss_bytes),
            peak_rss_bytes: self.peak_rss_bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_adds_up_over_restarts_and_the_peak_stays() {
        let used = |user_ns, rss_bytes, peak_rss_bytes| ProcessUse {
            user_ns,
            system_ns: 1,
            rss_bytes,
            peak_rss_bytes,
        };
        let account = Account::default();
        assert_eq!(account.read(), None, "nothing was started");
        let process = Process::own().unwrap();
        account.begin(process);
        account.with(|uses| uses.enter(Some(used(100, 30, 50))));
        // It is gone: CPU time stays, and no memory is in use.
        account.with(|uses| {
            uses.enter(None);
            assert_eq!(uses.total(None), used(100, 0, 50));
        });
        account.begin(process);
        account.with(|uses| {
            let now = Some(used(7, 20, 20));
            uses.enter(now);
            assert_eq!(uses.total(now), ProcessUse { system_ns: 2, ..used(107, 20, 50) });
        });
        let meter = account.meter();
        assert!(meter().unwrap().peak_rss_bytes > 50, "it reads this process");
    }
}
