//! The summary of a run for a terminal: objectives, ledger, latency, health and the verdict, in 80 columns.

use std::fmt::Write as _;

use super::{faults, rates, reasons, replays, sections, show, words};
use crate::num;
use crate::record::{Audit, Effect, End, Group, Latency, Process, Record, ScopeFigures, StepGroup, Verdict};
use crate::verdict::claims;

/// Options of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Use ANSI colours.
    pub colour: bool,
}

const WIDTH: usize = 80;
/// Maximum number of faults and of scopes listed.
const FAULTS: usize = 12;

impl Style {
    /// The verdict in capitals.
    pub(crate) fn verdict(self, verdict: Verdict) -> String {
        let (word, code) = match verdict {
            Verdict::Pass => ("PASS", "1;32"),
            Verdict::Inconclusive => ("INCONCLUSIVE", "1;33"),
            Verdict::Fail => ("FAIL", "1;31"),
        };
        if self.colour { format!("\u{1b}[{code}m{word}\u{1b}[0m") } else { word.to_owned() }
    }

    /// The verdict for a table's first column, four characters wide.
    fn sign(self, verdict: Verdict) -> String {
        let (word, code) = match verdict {
            Verdict::Pass => ("pass", "32"),
            Verdict::Inconclusive => ("????", "33"),
            Verdict::Fail => ("FAIL", "31"),
        };
        if self.colour { format!("\u{1b}[{code}m{word}\u{1b}[0m") } else { word.to_owned() }
    }
}

/// Renders the summary, ending with the verdict.
#[must_use]
pub fn summary(record: &Record, style: Style) -> String {
    let mut out = String::new();
    head(&mut out, record);
    objectives(&mut out, record, style);
    rates(&mut out, record);
    steps(&mut out, record, style);
    injected(&mut out, record);
    replayed(&mut out, record);
    ledger(&mut out, record);
    latencies(&mut out, record);
    resources(&mut out, record);
    health(&mut out, record);
    verdict(&mut out, record, style);
    out
}

fn push(out: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{line}");
}

macro_rules! line {
    ($out:expr) => { $out.push('\n') };
    ($out:expr, $($arg:tt)*) => { push($out, format_args!($($arg)*)) };
}

fn head(out: &mut String, record: &Record) {
    let broker = &record.broker;
    if let Some(banner) = words::banner(record) {
        line!(out, "{}", show::wrap(banner, WIDTH, ""));
    }
    let head = format!(
        "{} on {} {} ({}), run {}",
        record.plan.name,
        broker.product,
        broker.versions(),
        broker.mode,
        record.run.id
    );
    line!(out, "{}", show::wrap(&head, WIDTH, ""));
    line!(out, "{}", show::wrap(&format!("target: {}", words::target(record)), WIDTH, ""));
    line!(out, "{}", show::wrap(&format!("an acknowledgement means: {}", broker.durability), WIDTH, ""));
    if let Some(tags) = words::tags(&record.run) {
        line!(out, "{}", show::wrap(&format!("tags: {tags}"), WIDTH, ""));
    }
    line!(out);
}

fn objectives(out: &mut String, record: &Record, style: Style) {
    if record.objectives.is_empty() {
        let why = match record.plan.dropped.len() {
            0 => "no objectives: nothing to judge",
            _ => "no objectives left: nothing to judge",
        };
        line!(out, "{why}\n");
        return;
    }
    line!(out, "     {:<31} {:<14} {:>13} {:>14}", "objective", "limit", "observed", "margin");
    for objective in &record.objectives {
        line!(
            out,
            "{} {:<31} {:<14} {:>13} {:>14}",
            style.sign(objective.verdict),
            show::fit(&objective.name, 31),
            show::fit(&words::short_limit(objective), 14),
            show::fit(objective.observed.as_deref().unwrap_or("no data"), 13),
            objective.margin.map_or_else(String::new, show::margin),
        );
        if objective.means.is_some() {
            line!(out, "       {}", show::fit(&words::limit(objective), WIDTH - 7));
        }
    }
    line!(out);
}

/// What was offered, sent, confirmed and delivered a second.
fn rates(out: &mut String, record: &Record) {
    let rates = rates::rates(record);
    if rates.rows.is_empty() {
        return;
    }
    line!(out, "{:<27} {:>12} {:>16} {:>10}", "rates", "a second", "events", "of due");
    for row in &rates.rows {
        let [name, rate, events, share] = &row[..] else { continue };
        line!(out, "  {:<25} {:>12} {:>16} {:>10}", show::fit(name, 25), rate, events, share);
    }
    line!(out);
}

/// A line for each step of a load of steps.
fn steps(out: &mut String, record: &Record, style: Style) {
    let table = rates::steps(record);
    let cells = |row: &[String], indent: &str| {
        let [step, planned, sent, in_time, p50, p99, over, _] = row else { return String::new() };
        let step = format!("{indent}{step}");
        format!("{step:<11} {planned:>10} {sent:>10} {in_time:>10} {p50:>7} {p99:>7} {over:>11}")
    };
    if table.rows.is_empty() {
        return;
    }
    line!(out, "{}  verdict", cells(&table.head, ""));
    for (row, step) in table.rows.iter().zip(&record.steps) {
        let sign = step.verdict.map_or_else(|| "–".to_owned(), |verdict| style.sign(verdict));
        line!(out, "{}  {sign}", cells(row, "  "));
        let missed = rates::missed(step);
        if !missed.is_empty() {
            line!(out, "{}", show::wrap(&missed, WIDTH, "      "));
        }
    }
    line!(out);
}

/// Two lines for each fault, a line for each scope, and what the faults show of the claims of the ADR.
fn injected(out: &mut String, record: &Record) {
    let all = &record.faults.injected;
    if all.is_empty() {
        return;
    }
    let cells = |row: [&str; 6]| {
        let [name, at, lasted, down, recovered, refused] = row;
        format!("{name:<25} {at:>9} {lasted:>10} {down:>11} {recovered:>10} {refused:>10}")
    };
    line!(out, "{}", cells(["faults", "at", "lasted", "unavailable", "recovered", "refused"]));
    for (at, fault) in all.iter().enumerate().take(FAULTS) {
        let effect = fault.felt();
        let of = |write: fn(&Effect) -> String| effect.map_or_else(|| "–".to_owned(), write);
        let name = format!("  {}", show::fit(&format!("{} {}", faults::number(at), fault.name), 23));
        let begun = if fault.happened() { fault.begun() } else { fault.planned_ns };
        let row = [
            name,
            faults::since_load(record, begun),
            faults::lasted(fault),
            of(|e| show::time(e.publishing.unavailable_ns)),
            faults::recovered(fault),
            of(|e| show::count(e.refused)),
        ];
        line!(out, "{}", within(&cells(row.each_ref().map(String::as_str))));
        line!(out, "{}", show::wrap(&faults::details(record, fault), WIDTH, "     "));
    }
    if all.len() > FAULTS {
        line!(out, "  and {} more in record.json", all.len() - FAULTS);
    }
    line!(out, "{}\n", show::wrap(&faults::lost(record), WIDTH, "  "));
    scopes(out, record);
    for claim in claims::of_faults(record) {
        let said = format!("{}: {} ({})", claim.says, claim.measured, claim.support);
        line!(out, "{}", show::wrap(&said, WIDTH, ""));
    }
    line!(out);
}

/// Two lines for each replay.
fn replayed(out: &mut String, record: &Record) {
    if record.replays.is_empty() {
        return;
    }
    let cells = |row: [&str; 6]| {
        let [name, events, expected, equal, rate, took] = row;
        format!("{name:<25} {events:>12} {expected:>12} {equal:>9} {rate:>10} {took:>7}")
    };
    line!(out, "{}", cells(["replays", "events", "expected", "equal", "rate", "took"]));
    for replay in &record.replays {
        let row = [
            format!("  {}", show::fit(&replay.name, 23)),
            show::count(replay.events),
            show::count(replay.expected),
            replays::equal(replay),
            replays::rate(replay),
            replays::took(replay),
        ];
        line!(out, "{}", within(&cells(row.each_ref().map(String::as_str))));
        line!(out, "{}", show::wrap(&replays::details(replay), WIDTH, "     "));
    }
    line!(out);
}

/// A line of sanitised cells, cut to the width.
fn within(line: &str) -> String {
    line.chars().take(WIDTH).collect()
}

fn scopes(out: &mut String, record: &Record) {
    let all = &record.faults.scopes;
    if all.is_empty() {
        return;
    }
    let cells = |row: [&str; 6]| {
        let [name, due, acked, ack, p99, max] = row;
        format!("{name:<25} {due:>12} {acked:>10} {ack:>9} {p99:>10} {max:>9}")
    };
    line!(out, "{}", cells(["scopes", "due", "confirmed", "ack p99", "p99", "largest"]));
    for scope in all.iter().take(FAULTS) {
        let [_, p99, max] = faults::times(slowest(scope).map(|group| &group.latency));
        let [_, ack, _] = faults::times(scope.ack());
        let due = scope.figures.due;
        let acked = if due == 0 { "–".into() } else { show::part(scope.figures.acked, due) };
        let name = format!("  {}", show::fit(&scope.name, 23));
        let row = [name, show::count(due), acked, ack, p99, max];
        line!(out, "{}", within(&cells(row.each_ref().map(String::as_str))));
    }
    if all.len() > FAULTS {
        line!(out, "  and {} more in record.json", all.len() - FAULTS);
    }
    line!(out);
}

/// The group with the largest p99 in a scope.
fn slowest(scope: &ScopeFigures) -> Option<&StepGroup> {
    let received = scope.figures.groups.iter().filter(|group| group.latency.count > 0);
    received.max_by_key(|group| group.latency.p99_ns)
}

fn ledger(out: &mut String, record: &Record) {
    let load = &record.load;
    let n = show::count;
    line!(out, "ledger");
    let mut published = format!("published {} intended = {} acked", n(load.intended), n(load.acked));
    let lost = load.unconfirmed_disconnected;
    let on_lost = (lost > 0).then(|| format!("{} on a connection that was lost", n(lost)));
    let too_large =
        (load.too_large() > 0).then(|| format!("{} larger than the broker allows", n(load.too_large())));
    let parts = [
        ("refused", load.refused, load.why_refused()),
        ("unconfirmed", load.unconfirmed, on_lost),
        ("unsent", load.unsent, too_large),
        ("open", load.open, None),
    ];
    for (what, events, why) in parts.into_iter().filter(|(_, events, _)| *events > 0) {
        let _ = write!(published, " + {} {what}", n(events));
        if let Some(why) = why {
            let _ = write!(published, " ({})", show::plain(&why));
        }
    }
    line!(out, "{}", show::wrap(&published, WIDTH, "  "));
    for note in sections::ledger_notes(record) {
        line!(out, "{}", show::wrap(note.trim_end_matches('.'), WIDTH, "  "));
    }
    if let Some(audit) = &record.audit {
        line!(out, "{}", show::wrap(&stored(audit), WIDTH, "  "));
        if let Some(copies) = sections::copies(audit) {
            line!(out, "{}", show::wrap(&copies, WIDTH, "  "));
        }
    }
    for group in &record.groups {
        line!(
            out,
            "  {:<16} {} of {} delivered",
            show::fit(&group.name, 16),
            n(group.delivered.saturating_sub(group.recovered.saturating_add(group.unexpected))),
            n(group.expected),
        );
        let lost = if group.lost == 0 || record.run.end == End::Completed {
            "lost"
        } else {
            "missing when it ended"
        };
        let pending =
            if group.pending == 0 { String::new() } else { format!(" {} still to come,", n(group.pending)) };
        line!(
            out,
            "  {:<16} {} {lost},{pending} {} duplicate, {} reordered",
            "",
            n(group.lost),
            n(group.duplicate),
            n(group.reordered)
        );
        let rest = rest(group);
        if !rest.is_empty() {
            line!(out, "{}", show::wrap(&rest, WIDTH, &" ".repeat(19)));
        }
    }
    line!(out);
}

/// What the audit found of the confirmed events.
fn stored(audit: &Audit) -> String {
    let n = show::count;
    let (once, acked, twice) = (n(audit.stored_once), n(audit.acked), n(audit.stored_twice));
    let missing = n(audit.missing);
    if audit.settles_loss() {
        let discarded = if audit.discarded == 0 {
            String::new()
        } else {
            format!("; the stream has discarded its first {} at its limit", n(audit.discarded))
        };
        format!(
            "stored {once} of {acked} acked exactly once, {missing} missing, {twice} extra copies{discarded}"
        )
    } else if audit.complete {
        format!("stored {once} of {acked} acked exactly once, {missing} not in the copies that were read")
    } else {
        format!("not read to the end: so far {once} of {acked} acked exactly once, {twice} extra copies")
    }
}

/// The rarer outcomes of a group, if they happened.
fn rest(group: &Group) -> String {
    [
        ("recovered", group.recovered),
        ("unexpected", group.unexpected),
        ("redelivered", group.redelivered),
        ("corrupt", group.corrupt),
        ("foreign", group.foreign),
        ("re-serialised", group.unverified),
    ]
    .into_iter()
    .filter(|(_, n)| *n > 0)
    .map(|(name, n)| format!("{} {name}", show::count(n)))
    .collect::<Vec<_>>()
    .join(", ")
}

fn latencies(out: &mut String, record: &Record) {
    line!(out, "{:<27} {:>8} {:>8} {:>8} {:>8} {:>8}", "end to end", "p50", "p90", "p99", "p99.9", "max");
    for group in &record.groups {
        row(out, "  ", &group.name, &group.latency);
    }
    row(out, "", "acknowledged", &record.load.ack);
    row(out, "", "send lag of tickgate", &record.load.send_lag);
    let p99 = |row: &crate::record::Row| {
        row.groups
            .iter()
            .filter(|g| g.latency.count > 0)
            .map(|g| num::f64_of(g.latency.p99_ns))
            .reduce(f64::max)
    };
    let spark = show::sparkline(&record.timeline.iter().map(p99).collect::<Vec<_>>(), 40);
    let sent: Vec<_> = record.timeline.iter().map(|row| Some(num::f64_of(row.sent))).collect();
    if record.timeline.len() > 1 {
        line!(out, "  p99 by second  {spark}");
        line!(out, "  sent by second {}", show::sparkline(&sent, 40));
    }
    line!(out);
}

fn row(out: &mut String, indent: &str, name: &str, latency: &Latency) {
    let name = format!("{indent}{}", show::fit(name, 27 - indent.len()));
    if latency.count == 0 {
        line!(out, "{:<27} {:>8}", name, "no data");
        return;
    }
    let t = show::time;
    line!(
        out,
        "{:<27} {:>8} {:>8} {:>8} {:>8} {:>8}",
        name,
        t(latency.p50_ns),
        t(latency.p90_ns),
        t(latency.p99_ns),
        t(latency.p99_9_ns),
        t(u64::try_from(latency.max_ns).unwrap_or(0))
    );
    if latency.negative > 0 {
        line!(out, "    {} samples below zero: the clocks disagree", show::count(latency.negative));
    }
}

fn resources(out: &mut String, record: &Record) {
    let mut parts = vec![("tickgate", record.resources.harness)];
    parts.extend(record.resources.brokers.iter().map(|(name, process)| (name.as_str(), *process)));
    for (name, process) in parts {
        line!(
            out,
            "{:<27} {}, {} peak memory",
            show::fit(name, 27),
            words::cpu(&process),
            show::size(process.peak_memory_bytes)
        );
    }
    if let Some(why) = words::unknown_use(record) {
        line!(out, "{}", show::wrap(&format!("broker: {why}"), WIDTH, "  "));
    }
    if let Some(machine) = &record.health.machine {
        line!(out, "{}", show::wrap(&format!("machine: {}", words::machine(machine)), WIDTH, "  "));
    }
    nodes(out, record);
    line!(out);
}

fn nodes(out: &mut String, record: &Record) {
    if record.broker.nodes.is_empty() {
        return;
    }
    if let Some(sum) = total(record) {
        line!(
            out,
            "{:<27} {}, {} peak memory",
            "all servers",
            words::cpu(&sum),
            show::size(sum.peak_memory_bytes)
        );
    }
    for node in &record.broker.nodes {
        let leads = words::leads(record, node);
        let leads = if leads.is_empty() { leads } else { format!(", leads {leads}") };
        let store = node.jetstream.as_ref().map_or(0, |jetstream| jetstream.store_bytes);
        let text = format!(
            "{}: {}, {}, store {}, sync {}{leads}",
            node.name,
            node.version,
            show::several(node.connections, "connection"),
            show::size(store),
            words::sync(node)
        );
        line!(out, "{}", show::wrap(&text, WIDTH, "  "));
    }
    line!(out, "{}", show::wrap(&words::nodes(record), WIDTH, ""));
    if let Some(left) = words::unwatched(record) {
        line!(out, "{}", show::wrap(&left, WIDTH, ""));
    }
}

/// The sum over several nodes, where it is that of the cluster.
fn total(record: &Record) -> Option<Process> {
    let all = &record.resources.brokers;
    (all.len() > 1 && record.broker.unwatched() == 0).then(|| Process {
        cpu_seconds: all.values().map(|process| process.cpu_seconds).sum(),
        cpu_cores: all.values().map(|process| process.cpu_cores).sum(),
        peak_memory_bytes: num::sum(all.values().map(|process| process.peak_memory_bytes)),
        cpu_unknown: all.values().any(|process| process.cpu_unknown),
    })
}

fn health(out: &mut String, record: &Record) {
    for advice in reasons::advice(record) {
        for reason in advice.reasons {
            line!(out, "{}", show::wrap(&reason, WIDTH, ""));
        }
        if !advice.next.is_empty() {
            line!(out, "{}", show::wrap(&format!("next: {}", advice.next), WIDTH, "  "));
        }
    }
    let abnormal = !record.marks.is_empty();
    if abnormal {
        line!(out, "marks");
        for mark in record.marks.iter().take(12) {
            let at = num::f64_of(mark.at_ns) / 1e9;
            let detail = reasons::mark_detail(record, &mark.detail);
            let detail = detail.map_or_else(String::new, |detail| format!(": {detail}"));
            line!(out, "{}", show::wrap(&format!("{at:.3}s {}{detail}", mark.kind), WIDTH, "  "));
        }
        if record.marks.len() > 12 {
            line!(out, "  and {} more in record.json", record.marks.len() - 12);
        }
    }
}

fn verdict(out: &mut String, record: &Record, style: Style) {
    let of = |verdict| record.objectives.iter().filter(|o| o.verdict == verdict).count();
    let end = match record.run.end {
        End::Completed => String::new(),
        End::Interrupted => ", interrupted".to_owned(),
        End::BrokerFailed => ", the broker failed".to_owned(),
        End::HarnessFailed => ", a part of tickgate failed".to_owned(),
        End::Recovered => ", recovered from the journal".to_owned(),
    };
    line!(
        out,
        "verdict: {} ({} passed, {} failed, {} inconclusive{end})",
        style.verdict(record.verdict),
        of(Verdict::Pass),
        of(Verdict::Fail),
        of(Verdict::Inconclusive),
    );
}
