//! Figures of rounds, their medians, and what tickgate's are of the raw client's.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::looking::Cost;

/// What one run shows: p50, p90 and p99 in nanoseconds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Figures {
    pub(crate) events: u64,
    pub(crate) lag: [u64; 3],
    pub(crate) ack: [u64; 3],
    pub(crate) latency: [u64; 3],
    pub(crate) from_unix_ns: u64,
    pub(crate) until_unix_ns: u64,
    pub(crate) cost: Option<Cost>,
}

/// p50, p90 and p99: the least value that this share does not exceed.
pub(crate) fn quantiles(mut times: Vec<u64>) -> [u64; 3] {
    times.sort_unstable();
    [50, 90, 99].map(|q| times.get((times.len() * q).div_ceil(100).saturating_sub(1)).copied().unwrap_or(0))
}

/// One load, in all its rounds.
pub(crate) struct Row {
    rate: u64,
    arrival: String,
    pub(crate) raw: Vec<Figures>,
    pub(crate) tickgate: Vec<Figures>,
}

type Figure = (&'static str, fn(&Figures) -> f64);

const US: f64 = 1_000.0;
const FIGURES: [Figure; 10] = [
    ("end to end p50, µs", |f| f.latency[0] as f64 / US),
    ("end to end p90, µs", |f| f.latency[1] as f64 / US),
    ("end to end p99, µs", |f| f.latency[2] as f64 / US),
    ("acknowledged p50, µs", |f| f.ack[0] as f64 / US),
    ("acknowledged p99, µs", |f| f.ack[2] as f64 / US),
    ("send lag p50, µs", |f| f.lag[0] as f64 / US),
    ("send lag p90, µs", |f| f.lag[1] as f64 / US),
    ("send lag p99, µs", |f| f.lag[2] as f64 / US),
    ("CPU an event, µs", |f| f.cost.as_ref().map_or(f64::NAN, |cost| cost.cpu_us)),
    ("context switches an event", |f| f.cost.as_ref().map_or(f64::NAN, |cost| cost.switches)),
];

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { f64::midpoint(values[middle - 1], values[middle]) }
}

fn shown(value: f64) -> String {
    if value >= 100.0 {
        format!("{value:.0}")
    } else if value >= 10.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.2}")
    }
}

impl Row {
    pub(crate) fn new(rate: u64, arrival: &str) -> Self {
        Self { rate, arrival: arrival.to_owned(), raw: Vec::new(), tickgate: Vec::new() }
    }

    fn of(runs: &[Figures], figure: fn(&Figures) -> f64) -> (f64, String) {
        let values: Vec<f64> = runs.iter().map(figure).collect();
        let (low, high) = values.iter().fold((f64::MAX, f64::MIN), |(l, h), v| (l.min(*v), h.max(*v)));
        let middle = median(values);
        (middle, format!("{} ({}–{})", shown(middle), shown(low), shown(high)))
    }

    /// The load's table: medians, their ranges, and ratios of the medians.
    pub(crate) fn written(&self) -> String {
        let mut text = format!(
            "\n**{}/s, {}**\n\n| figure | raw client | tickgate | ratio |\n|---|---|---|---|\n",
            self.rate, self.arrival
        );
        for (name, figure) in FIGURES {
            let ((raw, low), (ours, high)) = (Self::of(&self.raw, figure), Self::of(&self.tickgate, figure));
            let _ = writeln!(text, "| {name} | {low} | {high} | {:.2} |", ours / raw);
        }
        let _ = writeln!(text, "\nBy thread, µs of CPU and context switches an event:\n");
        for (name, runs) in [("raw client", &self.raw), ("tickgate", &self.tickgate)] {
            let names: BTreeSet<&String> =
                runs.iter().filter_map(|f| f.cost.as_ref()).flat_map(|cost| cost.threads.keys()).collect();
            let threads: Vec<String> = names
                .into_iter()
                .map(|thread| {
                    let of = |part: fn(&(f64, f64)) -> f64| {
                        median(
                            runs.iter()
                                .filter_map(|f| Some(part(f.cost.as_ref()?.threads.get(thread)?)))
                                .collect(),
                        )
                    };
                    format!("{thread} {} and {}", shown(of(|t| t.0)), shown(of(|t| t.1)))
                })
                .collect();
            let _ = writeln!(text, "- {name}: {}", threads.join("; "));
        }
        text
    }
}

/// All loads.
pub(crate) fn written(rows: &[Row], bus: &str, rounds: usize, seconds: u64) -> String {
    let head = format!(
        "One broker ({bus}), {} B events, {rounds} rounds of {seconds} s in turn; medians (lowest–highest).\n",
        super::SIZE
    );
    rows.iter().fold(head, |text, row| text + &row.written())
}
