//! Short measurements of this machine, and what they mean for latency limits.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use hdrhistogram::Histogram;

use super::clock::Clock;
use super::hiccup::{HiccupMeter, Hiccups};
use super::resources::{Filesystem, filesystem};
use super::sleep::Sleeper;
use super::{HostError, Times};
use crate::num::{self, show};
use crate::plan::{Ns, Pacing, Span};
use crate::verdict::{self, HICCUP_SHARE, SEND_LAG_SHARE};

/// Fewest cores at which broker, generator and members do not compete for them.
const ENOUGH_CORES: f64 = 4.0;

/// The measurements of the doctor.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkup {
    /// Lateness of an absolute sleep; the lower bound of the send lag.
    pub timer: Times,
    /// The hiccup meter's percentiles.
    pub hiccups: Times,
    /// The disk of the store, if it could be measured.
    pub disk: Option<Disk>,
    /// Cores that this process may use.
    pub cores: f64,
    /// Share of the CPU time stolen by the hypervisor during the measurements, 0 to 1.
    pub steal_share: f64,
}

/// Speed of synchronous 4 kB writes to a disk.
#[derive(Debug, Clone, PartialEq)]
pub struct Disk {
    /// The measured directory.
    pub path: PathBuf,
    /// Its file system.
    pub filesystem: Filesystem,
    /// Writes of 4 kB with `fdatasync`, one after the other, per second.
    pub syncs_per_second: f64,
    /// Times of these writes.
    pub sync: Times,
}

/// Severity of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Gravity {
    /// Fit.
    Good,
    /// Fit, with a restriction.
    Caution,
    /// Unfit: figures will be inconclusive or misleading.
    Bad,
}

/// A finding with advice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advice {
    /// Its severity.
    pub gravity: Gravity,
    /// One or two sentences.
    pub text: String,
}

/// Measures the lateness of absolute sleeps of 1 ms, for `length`.
#[must_use]
pub fn timer_lateness(clock: Clock, length: Duration) -> Times {
    let sleeper = Sleeper::new(clock, Pacing::Sleep);
    let end = clock.now().saturating_add(num::nanoseconds(length));
    let mut late = histogram();
    let mut due = clock.now();
    while due < end {
        due += 1_000_000;
        let woke = sleeper.sleep_until(due);
        late.saturating_record(woke - due);
        due = due.max(woke);
    }
    Times::of(&late)
}

/// Runs the hiccup meter for `length`.
///
/// # Errors
/// When no thread can be started.
pub fn hiccups(clock: Clock, length: Duration) -> io::Result<Times> {
    let meter = HiccupMeter::start(clock)?;
    std::thread::sleep(length);
    let mut all = Hiccups::none();
    all.add(&meter.stop());
    Ok(all.times())
}

/// Writes 4 kB with `fdatasync` repeatedly for `length`, in a temporary file in `directory`.
///
/// # Errors
/// When the directory cannot be written to.
pub fn disk(clock: Clock, directory: &Path, length: Duration) -> Result<Disk, HostError> {
    let path = directory.join(format!(".tickgate-doctor-{}", std::process::id()));
    let filesystem = filesystem(directory)?;
    let mut file = fs::File::create_new(&path).map_err(HostError::io(&path))?;
    let mut syncs = histogram();
    let start = clock.now();
    let mut end = start;
    let tried = loop {
        let written = file.write_all(&[0x5a; 4096]).and_then(|()| file.sync_data());
        let now = clock.now();
        syncs.saturating_record(now - end);
        end = now;
        if written.is_err() || end - start >= num::nanoseconds(length) {
            break written;
        }
    };
    let removed = fs::remove_file(&path);
    tried.and(removed).map_err(HostError::io(&path))?;
    let syncs_per_second = num::f64_of(syncs.len()) * 1e9 / num::f64_of(end - start).max(1.0);
    Ok(Disk { path: directory.to_owned(), filesystem, syncs_per_second, sync: Times::of(&syncs) })
}

/// The lowest latency limit that can be judged if the machine stays as measured.
#[must_use]
pub fn lowest_limit_ns(checkup: &Checkup) -> Ns {
    verdict::lowest_limit_ns(checkup.timer.p99_ns, checkup.hiccups.p99_9_ns)
}

/// Interprets the measurements; `limit` is the tightest latency limit of the profile, if there is one.
#[must_use]
pub fn advice(checkup: &Checkup, limit: Option<Ns>) -> Vec<Advice> {
    let mut all = vec![of_latency(checkup, limit)];
    all.extend(checkup.disk.iter().map(of_disk));
    if checkup.cores < ENOUGH_CORES {
        all.push(Advice {
            gravity: Gravity::Caution,
            text: format!(
                "{} cores are shared by broker, generators and members: above some 10,000 events/s the tail \
                 measures their competition for cores; use {ENOUGH_CORES} or more, or a broker on another machine",
                checkup.cores
            ),
        });
    }
    if checkup.steal_share > 0.01 {
        all.push(Advice {
            gravity: Gravity::Caution,
            text: format!(
                "the hypervisor gave {:.1} % of the CPU time to other guests: expect different figures at other \
                 times of day",
                checkup.steal_share * 100.0
            ),
        });
    }
    all
}

fn of_latency(checkup: &Checkup, limit: Option<Ns>) -> Advice {
    let (lowest, hiccups, late) = (lowest_limit_ns(checkup), checkup.hiccups.p99_9_ns, checkup.timer.p99_ns);
    let by_lag = verdict::lowest_limit_ns(late, 0) > verdict::lowest_limit_ns(0, hiccups);
    let reason = if by_lag {
        format!(
            "sends will be {} late at p99, which exceeds {} of the limit",
            show::time(late),
            show::percent(SEND_LAG_SHARE)
        )
    } else {
        format!("the hiccup p99.9 of {} exceeds {} of it", show::time(hiccups), show::percent(HICCUP_SHARE))
    };
    match limit {
        Some(limit) if limit < lowest => Advice {
            gravity: Gravity::Bad,
            text: format!(
                "the limit of {} cannot be judged here, nor can any below {}: {reason}; stop other work on this \
                 machine or use a dedicated one",
                Span { ns: limit },
                show::time_at_least(lowest)
            ),
        },
        Some(limit) => Advice {
            gravity: Gravity::Good,
            text: format!(
                "the limit of {} can be judged here, and any other down to {}",
                Span { ns: limit },
                show::time_at_least(lowest)
            ),
        },
        None => Advice {
            gravity: Gravity::Good,
            text: format!(
                "a latency limit below {} cannot be judged here: {reason}",
                show::time_at_least(lowest)
            ),
        },
    }
}

fn of_disk(disk: &Disk) -> Advice {
    let at = disk.path.display();
    if disk.filesystem.in_memory {
        return Advice {
            gravity: Gravity::Bad,
            text: format!(
                "{at} is {}, which is in memory: a store there is never durable and its figures are not those of a disk; \
                 name a directory on a disk",
                disk.filesystem.name
            ),
        };
    }
    Advice {
        gravity: Gravity::Good,
        text: format!(
            "{at} ({}) does {:.0} synchronous writes/s, {} each at the median: about the maximum of a stream with \
             `sync = \"always\"` and one event per write",
            disk.filesystem.name,
            disk.syncs_per_second,
            show::time(disk.sync.p50_ns)
        ),
    }
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 3_600_000_000_000, 3).unwrap_or_else(|_| unreachable!("constant bounds"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkup() -> Checkup {
        let times = |p99_ns, p99_9_ns| Times { count: 2000, p50_ns: 1, p99_ns, p99_9_ns, max_ns: p99_9_ns };
        Checkup {
            timer: times(200_000, 900_000),
            hiccups: times(1_000_000, 4_000_000),
            disk: None,
            cores: 8.0,
            steal_share: 0.0,
        }
    }

    #[test]
    fn the_lowest_limit_follows_the_rules_of_validity() {
        assert_eq!(lowest_limit_ns(&checkup()), 20_000_000);
        let late = Checkup { timer: Times { p99_ns: 3_000_000, ..checkup().timer }, ..checkup() };
        assert_eq!(lowest_limit_ns(&late), 30_000_000);
        assert!(advice(&late, Some(5_000_000))[0].text.contains("sends will be 3.00ms late at p99"));
    }

    #[test]
    fn a_limit_that_cannot_be_judged_says_why_and_what_to_do() {
        assert_eq!(
            advice(&checkup(), Some(10_000_000)),
            [Advice {
                gravity: Gravity::Bad,
                text:
                    "the limit of 10ms cannot be judged here, nor can any below 20.0ms: the hiccup p99.9 of 4.00ms \
                       exceeds 20 % of it; stop other work on this machine or use a dedicated one"
                        .into()
            }]
        );
        assert_eq!(advice(&checkup(), Some(100_000_000))[0].gravity, Gravity::Good);
        assert_eq!(
            advice(&checkup(), None)[0].text,
            "a latency limit below 20.0ms cannot be judged here: the hiccup p99.9 of 4.00ms exceeds 20 % of it"
        );
    }

    #[test]
    fn memory_few_cores_and_a_busy_host_are_named() {
        let disk = |in_memory| Disk {
            path: "/store".into(),
            filesystem: Filesystem { name: if in_memory { "tmpfs" } else { "ext4" }.into(), in_memory },
            syncs_per_second: 4321.0,
            sync: Times { p50_ns: 230_000, ..Times::default() },
        };
        let poor = Checkup { disk: Some(disk(true)), cores: 2.0, steal_share: 0.05, ..checkup() };
        let found: Vec<_> = advice(&poor, None).iter().map(|advice| advice.gravity).collect();
        assert_eq!(found, [Gravity::Good, Gravity::Bad, Gravity::Caution, Gravity::Caution]);
        let fine = Checkup { disk: Some(disk(false)), ..checkup() };
        assert!(advice(&fine, None)[1].text.contains("4321 synchronous writes/s, 230µs each"));
    }

    #[test]
    fn the_measurements_measure() {
        let clock = Clock::start();
        let timer = timer_lateness(clock, Duration::from_millis(20));
        assert!(timer.count > 0 && timer.max_ns > 0);
        assert!(hiccups(clock, Duration::from_millis(20)).unwrap().count > 0);
        let folder = tempfile::tempdir().unwrap();
        let disk = disk(clock, folder.path(), Duration::from_millis(5)).unwrap();
        assert!(disk.sync.count > 0 && disk.syncs_per_second > 0.0);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "the file is gone");
        assert!(super::disk(clock, &folder.path().join("nothing"), Duration::ZERO).is_err());
    }
}
