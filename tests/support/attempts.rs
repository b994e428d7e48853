//! Figures of a run behind a fault, beside what they must be: a tight one has three attempts, and a run that saw the
//! machine pause is none, so that a wrong figure fails them all.

#![allow(dead_code, unreachable_pub, reason = "each test binary uses its part of it")]
#![allow(clippy::expect_used, clippy::panic, reason = "for tests")]
#![allow(clippy::print_stderr, reason = "what was seen is of interest when it holds, too")]

use tickgate::measure::decode;
use tickgate::num;
use tickgate::record::Latency;

/// Why an attempt shows nothing.
pub enum Miss {
    /// A figure is not the computed one.
    Wrong(String),
    /// Nor can it be: the machine paused for longer than is tolerated.
    Busy(String),
}

/// Measures until a figure holds; three wrong ones are a finding, and so is a machine that never lets one be seen.
#[track_caller]
pub fn within_three_attempts(mut attempt: impl FnMut() -> Result<(), Miss>) {
    let (mut wrong, mut said) = (0, Vec::new());
    while wrong < 3 && said.len() < 6 {
        match attempt() {
            Ok(()) => return,
            Err(Miss::Busy(why)) => said.push(why),
            Err(Miss::Wrong(why)) => {
                wrong += 1;
                said.push(why);
            }
        }
    }
    panic!("not once:\n{}", said.join("\n"));
}

/// A quantile in seconds.
pub fn quantile(of: &Latency, q: f64) -> f64 {
    let histogram = decode(&of.histogram).expect("a histogram");
    num::f64_of(histogram.value_at_quantile(q)) / 1e9
}

/// What was measured, what was computed and what was seen, in seconds.
pub type Figure = (String, f64, f64);

/// Says which figures are further from what was computed than is tolerated.
pub fn compare(figures: &[Figure], tolerated: f64) -> Result<(), Miss> {
    let shown = figures.iter().map(|(what, computed, seen)| {
        let line = format!("{what}: computed {:.2} ms, seen {:.2} ms", computed * 1e3, seen * 1e3);
        eprintln!("{line}");
        ((computed - seen).abs() > tolerated, line)
    });
    let far: Vec<_> = shown.filter(|(far, _)| *far).map(|(_, line)| line).collect();
    if far.is_empty() { Ok(()) } else { Err(Miss::Wrong(far.join("\n"))) }
}
