//! The processes and containers whose CPU time and memory a run watches: tickgate and the brokers it started.

use crate::host::resources::{Meter, Process, ProcessUse};
use crate::num;
use crate::record::{self, Resources};
use crate::run::job::Broker;

/// A source of CPU and memory figures.
pub(super) enum UsageSource {
    Own(Process),
    Broker(Meter),
}

impl UsageSource {
    pub(super) fn usage(&self) -> Option<ProcessUse> {
        match self {
            Self::Own(process) => process.usage().ok(),
            Self::Broker(meter) => meter(),
        }
    }
}

/// A watched process or container; tickgate itself has no name.
pub(super) struct Watched {
    pub(super) name: Option<String>,
    /// A node that reports its own use. It may be on another machine, so it is no part of this one's use.
    pub(super) apart: bool,
    pub(super) source: UsageSource,
    pub(super) at_measure_start: Option<ProcessUse>,
    pub(super) at_measure_end: Option<ProcessUse>,
    pub(super) last: ProcessUse,
    pub(super) peak_bytes: u64,
}

/// tickgate and the visible parts of the broker; takes the broker's meters.
pub(super) fn all(broker: &mut Broker) -> Vec<Watched> {
    let own = Process::own().ok().map(|process| (None, false, UsageSource::Own(process)));
    let metered = |apart| move |(name, meter)| (Some(name), apart, UsageSource::Broker(meter));
    let brokers = std::mem::take(&mut broker.meters).into_iter().map(metered(false));
    let nodes = broker.nodes.meters().into_iter().map(metered(true));
    own.into_iter()
        .chain(brokers)
        .chain(nodes)
        .map(|(name, apart, source)| Watched {
            name,
            apart,
            last: source.usage().unwrap_or_default(),
            source,
            at_measure_start: None,
            at_measure_end: None,
            peak_bytes: 0,
        })
        .collect()
}

/// Reads the use of each, and passes it to `keep`.
pub(super) fn read(all: &mut [Watched], mut keep: impl FnMut(&mut Watched, ProcessUse)) {
    for watched in all {
        if let Some(used) = watched.source.usage() {
            watched.peak_bytes = watched.peak_bytes.max(used.peak_rss_bytes);
            keep(watched, used);
        }
    }
}

/// Enters the use of each over a measure phase of `seconds`, and returns the cores of this machine used by all
/// together.
pub(super) fn note(all: &[Watched], seconds: f64, resources: &mut Resources) -> f64 {
    let mut ours = 0.0;
    for watched in all {
        // One that died in the phase keeps its last figures; one that was not read at the start has none.
        let end = watched.at_measure_end.unwrap_or(watched.last);
        let spent = watched
            .at_measure_start
            .map(|start| num::f64_of(cpu_ns(&end).saturating_sub(cpu_ns(&start))) / 1e9);
        let cpu_seconds = spent.unwrap_or(0.0);
        let process = record::Process {
            cpu_seconds,
            cpu_cores: if seconds > 0.0 { cpu_seconds / seconds } else { 0.0 },
            peak_memory_bytes: watched.peak_bytes,
            cpu_unknown: spent.is_none(),
        };
        if !watched.apart {
            ours += process.cpu_cores;
        }
        match &watched.name {
            None => resources.harness = process,
            Some(name) => {
                resources.brokers.insert(name.clone(), process);
            }
        }
    }
    ours
}

/// Largest memory of all that is on this machine, together.
pub(super) fn peak(all: &[Watched]) -> u64 {
    num::sum(all.iter().filter(|watched| !watched.apart).map(|watched| watched.peak_bytes))
}

pub(super) const fn cpu_ns(used: &ProcessUse) -> u64 {
    used.user_ns + used.system_ns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_that_was_not_read_at_the_start_is_unknown_and_not_zero() {
        let used = |user_ns| ProcessUse { user_ns, ..ProcessUse::default() };
        let watched = |name: &str, start: Option<u64>, end: Option<u64>| Watched {
            name: Some(name.into()),
            apart: name == "apart",
            source: UsageSource::Broker(Box::new(|| None)),
            at_measure_start: start.map(used),
            at_measure_end: end.map(used),
            last: used(3_000_000_000),
            peak_bytes: 7,
        };
        let all = [
            watched("seen", Some(0), Some(1_000_000_000)),
            watched("late", None, Some(9)),
            watched("died", Some(0), None),
            watched("apart", Some(0), Some(4_000_000_000)),
        ];
        let mut resources = Resources::default();
        let ours = note(&all, 2.0, &mut resources);
        assert!((ours - 2.0).abs() < 1e-9, "{ours}");
        assert_eq!(peak(&all), 21);
        let known = |name: &str| (!resources.brokers[name].cpu_unknown, resources.brokers[name].cpu_seconds);
        let known = ["seen", "late", "died", "apart"].map(known);
        assert_eq!(known, [(true, 1.0), (false, 0.0), (true, 3.0), (true, 4.0)]);
    }
}
