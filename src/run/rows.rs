//! Assembles the seconds of a run from the reports of its workers, late reports included.

use std::collections::BTreeMap;

use crate::measure::{Backlog, Counted, Counters, GeneratorInterval, GroupInterval, Latency, Limits, Reach};
use crate::num;
use crate::plan::Ns;
use crate::record::{Brief, GroupRow, Measured, PhaseName, Row, Rows, heat_bucket};

use super::generator::GeneratorReport;
use super::receiver::GroupReport;

/// The sampler's figures at the end of a second.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sample {
    pub(super) hiccup_max_ns: u64,
    pub(super) machine_cpu: Option<f64>,
    pub(super) others_cpu: Option<f64>,
    pub(super) harness_cpu: f64,
    pub(super) harness_memory_bytes: u64,
    pub(super) broker_cpu: Option<f64>,
    pub(super) broker_memory_bytes: Option<u64>,
    pub(super) store_bytes: Option<u64>,
}

/// A worker's report of one second, numbered from the start of the load.
#[derive(Debug)]
pub(super) enum Report {
    Generator { generator: usize, second: u64, report: Box<GeneratorReport> },
    Group { second: u64, group: usize, report: Box<GroupReport> },
    Sample { second: u64, sample: Sample },
}

impl Report {
    const fn second(&self) -> u64 {
        match self {
            Self::Generator { second, .. } | Self::Group { second, .. } | Self::Sample { second, .. } => {
                *second
            }
        }
    }
}

/// The incomplete seconds, and the state carried from one second to the next.
pub(super) struct RowMaker {
    load_start: Ns,
    groups: usize,
    open: BTreeMap<u64, Open>,
    next_second: u64,
    backlog: Backlog,
    /// The last counters of each group, and of each generator.
    counted: (Vec<Counted>, BTreeMap<usize, [Counted; 3]>),
    /// How far they go.
    until: (Vec<Ns>, BTreeMap<usize, Ns>),
}

/// The backlogs of a run's groups.
#[derive(Debug, Default)]
pub(super) struct Backlogs {
    /// The highest of each group.
    pub(super) max: Vec<u64>,
    /// The highest of each group in each window of the measure phase; only of a plan whose availability is watched.
    pub(super) by_window: Vec<Vec<u32>>,
}

#[derive(Default)]
struct Open {
    generators: Vec<GeneratorReport>,
    groups: Vec<Option<Box<GroupInterval>>>,
    sample: Sample,
}

impl RowMaker {
    pub(super) fn new(load_start: Ns, backlog: Backlog) -> Self {
        let groups = backlog.groups();
        let counted = (vec![Counted::default(); groups], BTreeMap::new());
        let until = (vec![0; groups], BTreeMap::new());
        Self { load_start, groups, open: BTreeMap::new(), next_second: 0, backlog, counted, until }
    }

    /// The counters of the run so far.
    pub(super) fn counters(&self) -> Counters {
        let (groups, generators) = &self.counted;
        let sum = |at: usize| Counted::sum(generators.values().map(|counted| &counted[at]));
        Counters { latency: groups.clone(), ack: sum(0), service: sum(1), send_lag: sum(2) }
    }

    /// How far the counters go.
    pub(super) fn reach(&self) -> Reach {
        let since_start = |until: &Ns| until.saturating_sub(self.load_start);
        let (groups, generators) = &self.until;
        Reach {
            groups: groups.iter().map(since_start).collect(),
            generators: generators.values().map(since_start).collect(),
        }
    }

    /// Enters a report. A report for a second whose row is already complete counts in the next one, so that
    /// nothing is dropped.
    pub(super) fn enter(&mut self, report: Report) {
        let second = report.second().max(self.next_second);
        let open = self.open.entry(second).or_default();
        open.groups.resize_with(self.groups, || None);
        match report {
            Report::Generator { generator, mut report, .. } => {
                self.until.1.insert(generator, report.until);
                self.backlog.generator(generator, std::mem::take(&mut report.steps), report.until);
                self.counted.1.insert(generator, std::mem::take(&mut report.so_far));
                open.generators.push(*report);
            }
            Report::Group { group, report, .. } => {
                let GroupReport { interval, steps, until, latency } = *report;
                if let Some(counted) = self.counted.0.get_mut(group) {
                    *counted = latency;
                }
                if let Some(so_far) = self.until.0.get_mut(group) {
                    *so_far = until;
                }
                self.backlog.group(group, steps, until);
                match &mut open.groups[group] {
                    Some(so_far) => so_far.add_later(&interval),
                    empty => *empty = Some(Box::new(interval)),
                }
            }
            Report::Sample { sample, .. } => {
                let hiccup_max_ns = sample.hiccup_max_ns.max(open.sample.hiccup_max_ns);
                open.sample = Sample { hiccup_max_ns, ..sample };
            }
        }
    }

    /// The next row, if its second lies before `until`.
    pub(super) fn next_before(&mut self, until: u64, phase: impl Fn(Ns) -> PhaseName) -> Option<Rows> {
        if self.next_second >= until {
            return None;
        }
        let open = self.open.remove(&self.next_second).unwrap_or_default();
        let at_ns = self.load_start + self.next_second * 1_000_000_000;
        self.next_second += 1;
        Some(self.row(open, at_ns, phase(at_ns)))
    }

    /// The number of seconds that have reports but no row yet.
    pub(super) fn last_second(&self) -> u64 {
        self.open.keys().next_back().map_or(self.next_second, |second| second + 1)
    }

    fn row(&mut self, open: Open, at_ns: Ns, phase: PhaseName) -> Rows {
        let mut load = GeneratorInterval::new(&Limits::default());
        let mut in_flight = 0;
        for report in &open.generators {
            load.add_generator(&report.counts);
            in_flight += report.in_flight;
        }
        let backlog = self.backlog.settle();
        let mut all: Option<Latency> = None;
        let mut groups = Vec::with_capacity(self.groups);
        let mut histograms = Vec::with_capacity(self.groups);
        for (group, interval) in
            open.groups.into_iter().chain(std::iter::repeat_with(|| None)).take(self.groups).enumerate()
        {
            let interval = interval.unwrap_or_else(|| Box::new(GroupInterval::new(&Limits::default())));
            groups.push(group_row(&interval, backlog.get(group).copied().unwrap_or(0)));
            histograms.push(encoded(interval.latency.measured()));
            match &mut all {
                Some(all) => all.merge(&interval.latency.all()),
                None => all = Some(interval.latency.all().into_owned()),
            }
        }
        let row = Row {
            at_ns,
            phase,
            intended: load.intended,
            sent: load.sent,
            acked: load.acked,
            refused: load.refused,
            unsent: load.unsent,
            unconfirmed: load.unconfirmed,
            in_flight,
            send_lag: brief(&load.send_lag.all()),
            ack: brief(&load.ack.all()),
            groups,
            heat: all.map_or_else(Vec::new, |all| heat(&all)),
            hiccup_max_ns: open.sample.hiccup_max_ns,
            paused_ns: None,
            machine_cpu: open.sample.machine_cpu,
            others_cpu: open.sample.others_cpu,
            harness_cpu: open.sample.harness_cpu,
            harness_memory_bytes: open.sample.harness_memory_bytes,
            broker_cpu: open.sample.broker_cpu,
            broker_memory_bytes: open.sample.broker_memory_bytes,
            store_bytes: open.sample.store_bytes,
        };
        let (send_lag, ack) = (load.send_lag.measured(), load.ack.measured());
        Rows {
            row,
            load: [send_lag, ack, &load.service].map(encoded).into(),
            groups: histograms,
            measured: Some(Measured {
                intended: load.measured_intended,
                sent: send_lag.count(),
                acked: ack.count(),
            }),
        }
    }

    /// The highest backlog of each group, including seconds without a row.
    pub(super) fn backlogs(&mut self) -> Backlogs {
        let max = self.backlog.finish();
        Backlogs { max, by_window: self.backlog.take_levels() }
    }
}

fn group_row(interval: &GroupInterval, backlog: u64) -> GroupRow {
    GroupRow {
        delivered: interval.delivered,
        redelivered: interval.redelivered,
        duplicate: interval.duplicate,
        reordered: interval.reordered,
        corrupt: interval.corrupt,
        foreign: interval.foreign,
        backlog,
        latency: brief(&interval.latency.all()),
    }
}

fn brief(latency: &Latency) -> Brief {
    Brief {
        count: latency.count(),
        p50_ns: latency.quantile(0.5).unwrap_or(0),
        p99_ns: latency.quantile(0.99).unwrap_or(0),
        p99_9_ns: latency.quantile(0.999).unwrap_or(0),
        max_ns: latency.max().and_then(|max| u64::try_from(max).ok()).unwrap_or(0),
    }
}

fn encoded(latency: &Latency) -> String {
    if latency.count() == 0 { String::new() } else { latency.to_base64_v2().unwrap_or_default() }
}

/// The density of a distribution over logarithmic buckets, without the empty ones.
fn heat(latency: &Latency) -> Vec<(u16, u64)> {
    let mut buckets: BTreeMap<u16, u64> = BTreeMap::new();
    for step in latency.histogram().iter_recorded() {
        *buckets.entry(heat_bucket(step.value_iterated_to())).or_insert(0) += step.count_at_value();
    }
    buckets.into_iter().collect()
}

/// The second that contains a time, numbered from the start of the load.
pub(super) fn second_of(now: Ns, load_start: Ns) -> u64 {
    now.saturating_sub(load_start) / 1_000_000_000
}

/// The start of the second after `now`.
pub(super) fn next_second_start(now: Ns, load_start: Ns) -> Ns {
    load_start + (second_of(now, load_start) + 1) * num::count(1_000_000_000)
}
