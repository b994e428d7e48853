//! The progress of a run: one line per second.

use std::fmt::Write as _;

use super::show;
use crate::record::Row;

/// Formats the last second: phase and time, rates, latency, backlog, faults.
#[must_use]
pub fn line(row: &Row, elapsed_s: u64, of_s: u64) -> String {
    let delivered: u64 = row.groups.iter().map(|g| g.delivered).sum();
    let backlog: u64 = row.groups.iter().map(|g| g.backlog).max().unwrap_or(0);
    let slowest = row.groups.iter().filter(|g| g.latency.count > 0).max_by_key(|g| g.latency.p99_ns);
    let latency = slowest.map_or_else(
        || "nothing delivered".to_owned(),
        |g| format!("p50 {} p99 {}", show::time(g.latency.p50_ns), show::time(g.latency.p99_ns)),
    );
    let mut line = format!(
        "{:<8} {elapsed_s:>3}/{of_s}s  sent {:>8}  delivered {:>8}  {latency}",
        row.phase.as_str(),
        show::rate(crate::num::f64_of(row.sent)),
        show::rate(crate::num::f64_of(delivered)),
    );
    let trouble = [
        ("backlog", backlog),
        ("unsent", row.unsent),
        ("refused", row.refused),
        ("unconfirmed", row.unconfirmed),
        ("reordered", row.groups.iter().map(|g| g.reordered).sum()),
        ("duplicate", row.groups.iter().map(|g| g.duplicate).sum()),
        ("redelivered", row.groups.iter().map(|g| g.redelivered).sum()),
        ("corrupt", row.groups.iter().map(|g| g.corrupt).sum()),
    ];
    for (name, n) in trouble.into_iter().filter(|(_, n)| *n > 0) {
        let _ = write!(line, "  {name} {}", show::count(n));
    }
    line
}
