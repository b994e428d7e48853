//! Figures of a run behind a fault, against their expected values. A wrong figure is a failure at once. A run that was
//! disturbed, by its own observation of the machine, is inconclusive: this is reported, and it is measured again.

#![allow(clippy::print_stderr, reason = "the observed figures matter when they hold, too")]

use tickgate::measure::decode;
use tickgate::num;
use tickgate::record::{Latency, Record};

/// Why an attempt shows nothing.
pub enum Miss {
    /// A figure is not the computed one.
    Wrong(String),
    /// Inconclusive: the machine itself was late.
    Disturbed(String),
}

/// Maximum attempts at a disturbed measurement.
const ATTEMPTS: usize = 6;

/// Measures until a run is fit to show the figures; the first one that is wrong fails.
#[track_caller]
pub fn measured(mut attempt: impl FnMut() -> Result<(), Miss>) {
    let mut said = Vec::new();
    while said.len() < ATTEMPTS {
        match attempt() {
            Ok(()) => return,
            Err(Miss::Wrong(why)) => panic!("{why}"),
            Err(Miss::Disturbed(why)) => {
                eprintln!("disturbed, so measured again: {why}");
                said.push(why);
            }
        }
    }
    panic!("disturbed in each of {ATTEMPTS} runs, so nothing was shown:\n{}", said.join("\n"));
}

/// How late the machine woke a thread while a run measured, in seconds.
#[derive(Debug, Clone, Copy)]
pub struct Lateness {
    pub median: f64,
    pub p99: f64,
    pub max: f64,
}

impl Lateness {
    pub fn of(record: &Record) -> Self {
        let hiccups = &record.health.hiccups;
        let [median, p99, max] =
            [hiccups.p50_ns, hiccups.p99_ns, hiccups.max_ns].map(|ns| num::f64_of(ns) / 1e9);
        Self { median, p99, max }
    }

    /// The worse of two runs.
    pub fn or(self, other: Self) -> Self {
        let (median, p99) = (self.median.max(other.median), self.p99.max(other.p99));
        Self { median, p99, max: self.max.max(other.max) }
    }
}

/// A quantile in seconds.
pub fn quantile(of: &Latency, q: f64) -> f64 {
    let histogram = decode(&of.histogram).expect("a histogram");
    num::f64_of(histogram.value_at_quantile(q)) / 1e9
}

/// The measured figure, its computed value and the observed one, in seconds.
pub type Figure = (String, f64, f64);

/// Lists the figures that differ from the computed value by more than the tolerance, below and above.
pub fn far(figures: &[Figure], below: f64, above: f64) -> Result<(), String> {
    let shown = figures.iter().map(|(what, computed, seen)| {
        let line = format!("{what}: computed {:.2} ms, seen {:.2} ms", computed * 1e3, seen * 1e3);
        eprintln!("{line}");
        (seen < &(computed - below) || seen > &(computed + above), line)
    });
    let far: Vec<_> = shown.filter(|(far, _)| *far).map(|(_, line)| line).collect();
    if far.is_empty() { Ok(()) } else { Err(far.join("\n")) }
}

/// Thread wake-ups that an event needs from the generator to the receiver, through a proxy and a server.
pub const WAKE_UPS: f64 = 6.0;
