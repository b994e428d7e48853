//! The faults of a run, and the parts of the measure phase that they make, as tables and sentences.

use super::dead_letters;
use super::show;
use super::table::Table;
use crate::num;
use crate::plan::Ns;
use crate::record::{Effect, Fault, Injection, Latency, Outage, Record, Recovery, ScopeFigures};

const DASH: &str = "–";

/// The name of a fault in tables and charts: `F1`.
pub(crate) fn number(at: usize) -> String {
    format!("F{}", at + 1)
}

/// A time since the load began, as on the axes of the charts.
pub(crate) fn since_load(record: &Record, at: Ns) -> String {
    let start = record.timeline.first().map_or(0, |row| row.at_ns);
    format!("{:.2}s", num::f64_of_signed(num::difference(at, start)) / 1e9)
}

/// How the injection went, with the reason.
pub(crate) fn outcome(fault: &Fault) -> String {
    let word = match fault.outcome {
        Injection::Done => "done",
        Injection::Late => "late",
        Injection::Skipped => "skipped",
        Injection::Failed => "failed halfway",
        Injection::NotUndone => "not undone",
        Injection::Dropped => "not begun: the run ended before",
    };
    let reason = fault.reason.as_deref().filter(|reason| !reason.is_empty());
    show::plain(&reason.map_or_else(|| word.to_owned(), |reason| format!("{word}: {reason}")))
}

/// After how long all was normal again.
pub(crate) fn recovered(fault: &Fault) -> String {
    match fault.recovery() {
        Recovery::Reached(after) => show::time(after),
        Recovery::NotReached(observed) => format!("> {}", show::time(observed)),
        Recovery::Unknown if fault.happened() => "not known".into(),
        Recovery::Unknown => DASH.into(),
    }
}

/// How long it lasted.
pub(crate) fn lasted(fault: &Fault) -> String {
    match fault.lasted_ns() {
        Some(0) => "an instant".into(),
        Some(lasted) => show::time(lasted),
        None if fault.outcome == Injection::NotUndone => "not undone".into(),
        None => DASH.into(),
    }
}

/// A count, with its share of the due events where it is not zero.
fn of_due(n: u64, effect: &Effect) -> String {
    if n == 0 { "0".into() } else { format!("{} ({})", show::count(n), show::small_part(n, effect.due)) }
}

/// A row for each fault; no rows for a run without.
pub(crate) fn faults(record: &Record) -> Table {
    let mut table = Table::new([
        "fault",
        "what",
        "at",
        "lasted",
        "unavailable for publishing",
        "longest",
        "worst group",
        "recovered after",
        "after its undo",
        "refused",
        "not confirmed",
        "not sent",
        "resent",
        "leader",
        "outcome",
    ]);
    for (at, fault) in record.faults.injected.iter().enumerate() {
        table.row(row(record, at, fault));
    }
    table
}

fn row(record: &Record, at: usize, fault: &Fault) -> Vec<String> {
    let effect = fault.felt();
    let of = |write: fn(&Effect) -> String| effect.map_or_else(|| DASH.into(), write);
    let begun = if fault.happened() {
        since_load(record, fault.begun())
    } else {
        since_load(record, fault.planned_ns)
    };
    vec![
        show::plain(&format!("{} {}", number(at), fault.name)),
        show::plain(&in_words(record, fault)),
        begun,
        lasted(fault),
        of(|e| show::time(e.publishing.unavailable_ns)),
        of(|e| show::time(e.publishing.longest_ns)),
        of(|e| {
            e.worst_group().map_or_else(
                || DASH.into(),
                |group| show::plain(&format!("{} {}", show::time(group.outage.unavailable_ns), group.name)),
            )
        }),
        recovered(fault),
        of(|e| e.after_undo_ns.map_or_else(|| DASH.into(), show::time)),
        of(|e| of_due(e.refused, e)),
        of(|e| of_due(e.unconfirmed, e)),
        of(|e| of_due(e.unsent, e)),
        of(|e| show::count(e.resent)),
        leaders(fault),
        outcome(fault),
    ]
}

/// What was done to whom; with an upgrade, from which versions to which.
fn in_words(record: &Record, fault: &Fault) -> String {
    let nodes = record.faults.nodes.iter().filter(|node| fault.resolved.contains(&node.name));
    let versions = nodes.filter_map(|node| {
        let ((_, first), (_, last)) = (node.versions.first()?, node.versions.last()?);
        Some((first.as_str(), last.as_str()))
    });
    let (mut before, mut after): (Vec<&str>, Vec<&str>) = versions.unzip();
    before.dedup();
    after.dedup();
    let files = fault.files.map_or_else(String::new, |files| format!(", {}", files.in_words()));
    let taken = fault.takeover.as_ref().map_or_else(String::new, |taken| format!(": {}", taken.in_words()));
    let said = format!("{}{files}{taken}", fault.in_words());
    if before == after {
        return said;
    }
    format!("{said} from {} to {}", before.join(", "), after.join(", "))
}

/// The leaders of the run's stream before and after it.
fn leaders(fault: &Fault) -> String {
    let name = |leader: &Option<String>| leader.clone().filter(|name| !name.is_empty());
    show::plain(&match (name(&fault.leader_before), name(&fault.leader_after)) {
        (None, None) => DASH.to_owned(),
        (Some(before), Some(after)) if before == after => format!("{before}, unchanged"),
        (before, after) => {
            let known = |name: Option<String>| name.unwrap_or_else(|| "not known".into());
            format!("{} → {}", known(before), known(after))
        }
    })
}

/// What the times of the table count from, and what the run has lost in all.
pub(crate) fn note(record: &Record) -> String {
    let limit = match record.faults.availability.within_ns {
        0 => String::new(),
        within => format!(
            " Unavailable is the time in which no due event was confirmed, or delivered to the group, within {}; refused and other shares are of the events due from the fault's planned start until it had to be settled.",
            show::time(within)
        ),
    };
    let power = record
        .broker
        .power
        .as_ref()
        .map_or_else(String::new, |power| format!(" A loss of power is emulated: {}.", power.in_words()));
    format!("{} Times are since the load began, as in the charts.{limit}{power}", lost(record))
}

/// How many of the confirmed events the whole run has lost, as far as that is known.
pub(crate) fn lost(record: &Record) -> String {
    match crate::verdict::claims::loss(record) {
        Some(loss) => format!("In the whole run {loss}."),
        None => "How many confirmed events were lost is not known.".into(),
    }
}

/// The figures of each scope: a row for the acknowledgements, and one for each group; no rows without scopes.
pub(crate) fn scopes(record: &Record) -> Table {
    let mut table = Table::new([
        "scope",
        "of",
        "length",
        "due",
        "confirmed or in time",
        "p50",
        "p99",
        "largest",
        "unavailable",
    ]);
    for scope in &record.faults.scopes {
        let (figures, available) = (&scope.figures, &scope.availability);
        let name = show::plain(&scope.name);
        let length = show::time(length_ns(scope));
        let shown = |of: &str, due: u64, met: u64, latency: Option<&Latency>, outage: Option<&Outage>| {
            let share = if due == 0 { DASH.into() } else { show::part(met, due) };
            let [p50, p99, max] = times(latency);
            let outage = outage.map_or_else(|| DASH.into(), |outage| show::time(outage.unavailable_ns));
            [name.clone(), show::plain(of), length.clone(), show::count(due), share, p50, p99, max, outage]
        };
        let publishing = Some(&available.publishing);
        table.row(shown("acknowledgement", figures.due, figures.acked, scope.ack(), publishing));
        for group in &figures.groups {
            let outage = available.groups.iter().find(|of| of.name == group.name).map(|of| &of.outage);
            table.row(shown(&group.name, group.due, group.in_time, Some(&group.latency), outage));
        }
    }
    table
}

/// Median, 99 % quantile and largest; dashes without samples.
pub(crate) fn times(latency: Option<&Latency>) -> [String; 3] {
    match latency.filter(|latency| latency.count > 0) {
        Some(latency) => {
            [latency.p50_ns, latency.p99_ns, u64::try_from(latency.max_ns).unwrap_or(0)].map(show::time)
        }
        None => [DASH, DASH, DASH].map(str::to_owned),
    }
}

/// The ranges of a scope together.
fn length_ns(scope: &ScopeFigures) -> u64 {
    num::sum(scope.ranges.iter().map(|(from, until)| until.saturating_sub(*from)))
}

/// What a fault did besides the columns of a narrow table, for a terminal.
pub(crate) fn details(record: &Record, fault: &Fault) -> String {
    let mut parts = vec![in_words(record, fault), outcome(fault)];
    parts.extend(dead_letters::of_fault(record, fault));
    if let Some(effect) = fault.felt() {
        if let Some(group) = effect.worst_group() {
            let (name, down) = (&group.name, show::time(group.outage.unavailable_ns));
            parts.push(format!("worst group {name} unavailable for {down}"));
        }
        if effect.publishing.longest_ns < effect.publishing.unavailable_ns {
            parts.push(format!("longest for publishing {}", show::time(effect.publishing.longest_ns)));
        }
        if let Some(after) = effect.after_undo_ns {
            parts.push(format!("recovered {} after its undo", show::time(after)));
        }
        if effect.refused > 0 {
            parts.push(format!("{} of the due events refused", show::small_part(effect.refused, effect.due)));
        }
        let rest = [
            (effect.unconfirmed, "not confirmed"),
            (effect.unsent, "not sent"),
            (effect.resent, "sent more than once"),
        ];
        parts.extend(
            rest.into_iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{} {what}", show::count(n))),
        );
    }
    if fault.leader_before.is_some() || fault.leader_after.is_some() {
        parts.push(format!("leader {}", leaders(fault)));
    }
    show::plain(&parts.join("; "))
}
