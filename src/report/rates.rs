//! The rates of a run, and the figures of each step of a load of steps, as tables.

use super::show;
use super::table::Table;
use crate::num;
use crate::record::{Record, Step, StepGroup, Verdict};
use crate::verdict::tightest_limit_ns;

/// What was offered, sent, confirmed and delivered in the measure phase; no rows where nothing was due.
pub(crate) fn rates(record: &Record) -> Table {
    let mut table = Table::new(["rate", "a second", "events", "of those due"]);
    let (load, seconds) = (&record.load, record.measured_seconds());
    if load.measured_intended == 0 || seconds <= 0.0 {
        return table;
    }
    let mut row = |name: String, rate: f64, events: u64, due: u64| {
        table.row([name, show::fine_rate(rate), show::count(events), show::part(events, due)]);
    };
    let due = load.measured_intended;
    row("offered".into(), load.offered_rate, due, due);
    row("sent".into(), load.sent_rate, load.measured_sent, due);
    row("confirmed".into(), load.acked_rate, load.measured_acked, due);
    for group in record.groups.iter().filter(|group| group.measured_intended > 0) {
        let rate = num::f64_of(group.measured_in_time) / seconds;
        row(
            show::plain(&format!("in time to {}", group.name)),
            rate,
            group.measured_in_time,
            group.measured_intended,
        );
    }
    table
}

/// The limit whose exceedances the steps are shown with: the tightest on a tail, or else on any latency.
fn limit_ns(record: &Record) -> Option<u64> {
    let tightest = tightest_limit_ns(&record.plan);
    let counted =
        record.steps.iter().flat_map(|step| &step.groups).flat_map(|group| &group.latency.over_limit);
    let counted: Vec<u64> = counted.map(|limit| limit.limit_ns).collect();
    if counted.contains(&tightest) { Some(tightest) } else { counted.into_iter().min() }
}

/// A line for each step; no rows for another load. Times are those of the slowest group, shares those of the group with the
/// smallest.
pub(crate) fn steps(record: &Record) -> Table {
    let limit = limit_ns(record);
    let over = limit.map_or_else(|| "over limit".to_owned(), |ns| format!("over {}", show::time(ns)));
    let mut table =
        Table::new(["step", "planned", "sent", "in time", "p50", "p99", over.as_str(), "verdict"]);
    for step in &record.steps {
        table.row(row(step, limit, num::count(record.steps.len())));
    }
    table
}

fn row(step: &Step, limit: Option<u64>, of: u64) -> [String; 8] {
    let seconds = step.seconds();
    let a_second = |events: u64| {
        if seconds > 0.0 { show::fine_rate(num::f64_of(events) / seconds) } else { "–".into() }
    };
    let owed = || step.groups.iter().filter(|group| group.due > 0);
    let share = |group: &&StepGroup| num::share(group.in_time, group.due);
    let worst = owed().min_by(|a, b| share(a).total_cmp(&share(b)));
    let slowest = owed().filter(|group| group.latency.count > 0).max_by_key(|group| group.latency.p99_ns);
    let dash = || "–".to_owned();
    let over = limit.and_then(|limit| {
        let over = owed().map(|group| Some((group.over(limit)?, group.due)));
        let over: Option<Vec<_>> = over.collect();
        over?.into_iter().max_by(|a, b| num::share(a.0, a.1).total_cmp(&num::share(b.0, b.1)))
    });
    [
        format!("{} of {of}", step.number),
        show::fine_rate(step.planned_rate),
        a_second(step.sent),
        worst.map_or_else(dash, |group| a_second(group.in_time)),
        slowest.map_or_else(dash, |group| show::time(group.latency.p50_ns)),
        slowest.map_or_else(dash, |group| show::time(group.latency.p99_ns)),
        over.map_or_else(dash, |(over, due)| show::small_part(over, due)),
        verdict(step),
    ]
}

/// The verdict, with what did not pass.
fn verdict(step: &Step) -> String {
    let Some(verdict) = step.verdict else { return "–".into() };
    let names = missed(step);
    if names.is_empty() { verdict.as_str().into() } else { format!("{}: {names}", verdict.as_str()) }
}

/// The objectives that did not pass in a step, with what was observed.
pub(crate) fn missed(step: &Step) -> String {
    let missed = step.objectives.iter().filter(|o| o.verdict != Verdict::Pass);
    let said = missed.map(|o| {
        let observed = o.observed.as_deref().unwrap_or("no data");
        show::plain(&format!("{} {observed}", o.name))
    });
    said.collect::<Vec<_>>().join(", ")
}
