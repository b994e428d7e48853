//! The progress of a run: one line per second. On a terminal it fits the width, and its less important parts are left out first.

use std::fmt::Write as _;

use super::show;
use crate::num;
use crate::plan::Plan;
use crate::record::{Mark, Row};
use crate::verdict::so_far::State;

/// Formats the last second: phase and time, rates, latency, backlog, faults.
#[must_use]
pub fn line(row: &Row, elapsed_s: u64, of_s: u64) -> String {
    let (p50, p99) = latency(row);
    let latency = p50.zip(p99).map_or_else(
        || "nothing delivered".to_owned(),
        |(p50, p99)| format!("p50 {} p99 {}", show::time(p50), show::time(p99)),
    );
    let mut line = format!(
        "{:<8} {elapsed_s:>3}/{of_s}s  sent {:>8}  delivered {:>8}  {latency}",
        row.phase.as_str(),
        show::rate(num::f64_of(row.sent)),
        show::rate(num::f64_of(delivered(row))),
    );
    for (name, n) in troubles(row) {
        let _ = write!(line, "  {name} {}", show::count(n));
    }
    line
}

fn delivered(row: &Row) -> u64 {
    row.groups.iter().map(|g| g.delivered).sum()
}

/// Median and 99 % quantile of the slowest group that received something.
fn latency(row: &Row) -> (Option<u64>, Option<u64>) {
    let heard = row.groups.iter().filter(|g| g.latency.count > 0);
    let slowest = heard.max_by_key(|g| g.latency.p99_ns);
    (slowest.map(|g| g.latency.p50_ns), slowest.map(|g| g.latency.p99_ns))
}

/// What should not happen, if it did.
fn troubles(row: &Row) -> impl Iterator<Item = (&'static str, u64)> {
    [
        ("backlog", row.groups.iter().map(|g| g.backlog).max().unwrap_or(0)),
        ("unsent", row.unsent),
        ("refused", row.refused),
        ("unconfirmed", row.unconfirmed),
        ("reordered", row.groups.iter().map(|g| g.reordered).sum()),
        ("duplicate", row.groups.iter().map(|g| g.duplicate).sum()),
        ("redelivered", row.groups.iter().map(|g| g.redelivered).sum()),
        ("corrupt", row.groups.iter().map(|g| g.corrupt).sum()),
    ]
    .into_iter()
    .filter(|(_, n)| *n > 0)
}

/// Formats a mark as a line that stays. The detail of a mark of a fault begins with the fault's name.
#[must_use]
pub fn mark(mark: &Mark) -> String {
    let word = match mark.kind.as_str() {
        "fault-begun" => "begins",
        "fault-undone" => "is undone",
        "fault-healthy" => "nodes are healthy",
        "fault-skipped" => "is skipped",
        "fault-late" => "is off its plan",
        _ => return show::plain(&format!("{}: {}", mark.kind, mark.detail)),
    };
    show::plain(&match named(mark) {
        (name, "") => format!("fault {name} {word}"),
        (name, detail) => format!("fault {name} {word}: {detail}"),
    })
}

/// The name of a fault's mark, and its detail.
fn named(mark: &Mark) -> (&str, &str) {
    mark.detail.split_once(": ").unwrap_or((&mark.detail, ""))
}

/// The faults that last at the moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lasting {
    /// Those of the plan that last until they are undone.
    with_undo: Vec<String>,
    now: Vec<String>,
}

impl Lasting {
    /// Before the first fault of a plan.
    #[must_use]
    pub fn of(plan: &Plan) -> Self {
        let with_undo = plan.faults.iter().filter(|fault| !fault.length.is_zero());
        Self { with_undo: with_undo.map(|fault| fault.name.clone()).collect(), now: Vec::new() }
    }

    /// Enters a mark.
    pub fn note(&mut self, mark: &Mark) {
        let (name, _) = named(mark);
        match mark.kind.as_str() {
            "fault-begun" if self.with_undo.iter().any(|known| known == name) => {
                self.now.push(name.to_owned());
            }
            "fault-undone" | "fault-healthy" | "fault-skipped" => self.now.retain(|known| known != name),
            _ => {}
        }
    }

    /// Their names; empty while there is no fault.
    #[must_use]
    pub fn names(&self) -> String {
        if self.now.is_empty() {
            String::new()
        } else {
            show::plain(&format!("fault {}", self.now.join(", ")))
        }
    }
}

/// Where a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The load goes on: seconds so far, and of the whole load.
    Load {
        /// Since the load began.
        elapsed_s: u64,
        /// Warm-up and measure phase.
        of_s: u64,
    },
    /// The load is over: the most that the drain still takes.
    Drain {
        /// Seconds to its deadline.
        left_s: u64,
    },
}

/// A part of the line, and how early it is left out: parts of the highest rank first.
struct Part {
    rank: u8,
    text: String,
}

/// The line that is overwritten each second, of at most `width` characters: stage and time left, the objectives so far, the faults
/// that last, rates and latency of the last second, and what should not happen.
#[must_use]
pub fn live(
    row: &Row,
    stage: Stage,
    objectives: &[(String, State)],
    lasting: &Lasting,
    width: usize,
) -> String {
    let mut parts = vec![Part { rank: 0, text: time_left(row, stage) }];
    let mut add = |rank, text: String| {
        if !text.is_empty() {
            parts.push(Part { rank, text });
        }
    };
    add(1, states(objectives));
    add(2, lasting.names());
    let (p50, p99) = latency(row);
    add(7, p50.map_or_else(String::new, |p50| format!("p50 {}", show::time(p50))));
    add(3, p99.map_or_else(|| "nothing delivered".to_owned(), |p99| format!("p99 {}", show::time(p99))));
    add(6, format!("sent {}", show::rate(num::f64_of(row.sent))));
    add(4, format!("delivered {}", show::rate(num::f64_of(delivered(row)))));
    let troubles: Vec<String> = troubles(row).map(|(name, n)| format!("{name} {}", show::count(n))).collect();
    add(5, troubles.join(" "));
    let missed = objectives.iter().filter(|(_, state)| *state == State::Missed);
    let missed: Vec<String> = missed.map(|(name, _)| show::plain(name)).collect();
    add(8, if missed.is_empty() { String::new() } else { format!("missed so far: {}", missed.join(", ")) });
    let length = |parts: &[Part]| {
        parts.iter().map(|part| part.text.chars().count() + 2).sum::<usize>().saturating_sub(2)
    };
    while parts.len() > 1 && length(&parts) > width {
        let last = parts.iter().map(|part| part.rank).max();
        parts.retain(|part| Some(part.rank) != last);
    }
    let line: Vec<String> = parts.into_iter().map(|part| part.text).collect();
    show_within(&line.join("  "), width)
}

/// Cut to the width; two spaces between parts stay.
fn show_within(line: &str, width: usize) -> String {
    if line.chars().count() <= width { line.to_owned() } else { show::fit(line, width) }
}

fn time_left(row: &Row, stage: Stage) -> String {
    match stage {
        Stage::Load { elapsed_s, of_s } => {
            let left = of_s.saturating_sub(elapsed_s);
            format!("{} {elapsed_s}/{of_s}s, {} left", row.phase.as_str(), short(left))
        }
        Stage::Drain { left_s } => format!("drain, at most {} left", short(left_s)),
    }
}

/// A time as `48s`, `5m20s` or `3h05m`.
fn short(seconds: u64) -> String {
    match seconds {
        0..100 => format!("{seconds}s"),
        100..6_000 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h{:02}m", seconds / 3_600, seconds / 60 % 60),
    }
}

/// How many objectives are in each state.
fn states(objectives: &[(String, State)]) -> String {
    let of = |state| objectives.iter().filter(|(_, of)| *of == state).count();
    let all = [(State::Met, "met"), (State::Missed, "MISSED"), (State::Open, "open")];
    let some = all.into_iter().map(|(state, word)| (of(state), word)).filter(|(n, _)| *n > 0);
    let some: Vec<String> = some.map(|(n, word)| format!("{n} {word}")).collect();
    if some.is_empty() { String::new() } else { format!("objectives {}", some.join(" ")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Brief, GroupRow, PhaseName};

    fn row() -> Row {
        let latency =
            Brief { count: 9, p50_ns: 210_000, p99_ns: 1_200_000, p99_9_ns: 3_000_000, max_ns: 3_000_000 };
        Row {
            at_ns: 0,
            phase: PhaseName::Measure,
            intended: 10_000,
            sent: 10_000,
            acked: 10_000,
            refused: 0,
            unsent: 0,
            unconfirmed: 0,
            in_flight: 0,
            send_lag: Brief::default(),
            ack: Brief::default(),
            groups: vec![GroupRow { delivered: 10_000, backlog: 3, latency, ..GroupRow::default() }],
            heat: vec![],
            hiccup_max_ns: 0,
            paused_ns: None,
            machine_cpu: None,
            others_cpu: None,
            harness_cpu: 0.0,
            harness_memory_bytes: 0,
            broker_cpu: None,
            broker_memory_bytes: None,
            store_bytes: None,
        }
    }

    fn objectives() -> Vec<(String, State)> {
        [("latency.p99", State::Missed), ("delivery.duplicate", State::Met), ("delivery.lost", State::Open)]
            .map(|(name, state)| (name.to_owned(), state))
            .into()
    }

    #[test]
    fn the_line_fits_and_drops_the_least_important_part_first() {
        let stage = Stage::Load { elapsed_s: 12, of_s: 60 };
        let at = |width| live(&row(), stage, &objectives(), &Lasting::default(), width);
        let parts = [
            "measure 12/60s, 48s left",
            "objectives 1 met 1 MISSED 1 open",
            "p99 ",
            "delivered ",
            "backlog 3",
        ];
        let rest = ["sent ", "p50 ", "missed so far: latency.p99"];
        for (width, present) in [(24, 1), (60, 2), (80, 3), (100, 4), (110, 5)] {
            let line = at(width);
            let has = |part: &&str| line.contains(*part);
            assert!(parts[..present].iter().all(has), "{width}: {line}");
        }
        assert_eq!(at(24), parts[0]);
        assert!(parts.iter().chain(&rest).all(|part| at(200).contains(part)), "{}", at(200));
        assert!(!rest.iter().any(|part| at(80).contains(part)), "{}", at(80));
        for width in 1..200 {
            let line = at(width);
            assert!(line.chars().count() <= width, "{width}: {line}");
        }
    }

    #[test]
    fn the_line_says_how_much_time_is_left() {
        let of = |stage| live(&row(), stage, &[], &Lasting::default(), 40);
        assert!(of(Stage::Load { elapsed_s: 61, of_s: 60 }).starts_with("measure 61/60s, 0s left"));
        assert!(of(Stage::Load { elapsed_s: 1, of_s: 400 }).starts_with("measure 1/400s, 6m39s left"));
        assert!(of(Stage::Load { elapsed_s: 0, of_s: 86_400 }).starts_with("measure 0/86400s, 24h00m left"));
        assert!(of(Stage::Drain { left_s: 9 }).starts_with("drain, at most 9s left"));
    }

    #[test]
    fn a_fault_is_in_the_line_from_its_start_to_its_undo() {
        let mut lasting = Lasting { with_undo: vec!["leader".into()], now: vec![] };
        let mut after = |kind: &str, detail: &str| {
            let of = Mark { at_ns: 0, kind: kind.into(), detail: detail.into() };
            lasting.note(&of);
            let line = live(&row(), Stage::Load { elapsed_s: 12, of_s: 60 }, &[], &lasting, 80);
            (mark(&of), line.contains("  fault leader  "))
        };
        assert_eq!(
            after("fault-begun", "leader: kill of nats-2"),
            ("fault leader begins: kill of nats-2".into(), true)
        );
        assert_eq!(after("fault-begun", "election"), ("fault election begins".into(), true), "an instant");
        assert_eq!(after("fault-late", "leader: by 0.3 s").0, "fault leader is off its plan: by 0.3 s");
        assert_eq!(after("fault-undone", "leader"), ("fault leader is undone".into(), false));
        assert_eq!(after("disconnected", "a: b").0, "disconnected: a: b");
    }
}
