//! The timeline as CSV (RFC 4180): one line per second. The scopes that faults make of the measure phase: a line for the publishing
//! side of each, and one for each group.

use super::show;
use crate::num;
use crate::record::{Brief, Latency, Outage, Record, Row, ScopeFigures};

/// Renders the timeline. Times are in nanoseconds, counts per second, memory in bytes; an unknown value is empty.
pub(crate) fn timeline(record: &Record) -> String {
    let mut names: Vec<String> = [
        "second",
        "at_ns",
        "phase",
        "intended",
        "sent",
        "acked",
        "refused",
        "unsent",
        "unconfirmed",
        "in_flight",
        "hiccup_max_ns",
        "harness_cpu_cores",
        "harness_memory_bytes",
        "broker_cpu_cores",
        "broker_memory_bytes",
        "store_bytes",
    ]
    .map(String::from)
    .to_vec();
    for brief in ["send_lag", "ack"] {
        names.extend(brief_names(brief));
    }
    for group in &record.groups {
        let name = show::plain(&group.name);
        let counts = ["delivered", "redelivered", "duplicate", "reordered", "corrupt", "foreign", "backlog"];
        names.extend(counts.map(|count| format!("{name}.{count}")));
        names.extend(brief_names(&format!("{name}.latency")));
    }
    let mut out = line(&names);
    for (second, row) in record.timeline.iter().enumerate() {
        out.push_str(&line(&fields(second, row, record.groups.len())));
    }
    out
}

/// Renders the scopes; `None` for a run without. Times are in nanoseconds; an unknown value is empty.
pub(crate) fn scopes(record: &Record) -> Option<String> {
    if record.faults.scopes.is_empty() {
        return None;
    }
    let names = ["scope", "group", "length_ns", "due", "served", "unavailable_ns", "longest_unavailable_ns"];
    let names: Vec<String> = names.map(String::from).into_iter().chain(latency_names()).collect();
    Some(
        record.faults.scopes.iter().flat_map(of_scope).fold(line(&names), |all, fields| all + &line(&fields)),
    )
}

/// The lines of a scope: the first is that of the publishing side, with an empty group and the times of acknowledgements.
fn of_scope(scope: &ScopeFigures) -> Vec<Vec<String>> {
    let (figures, available) = (&scope.figures, &scope.availability);
    let length = num::sum(scope.ranges.iter().map(|(from, until)| until.saturating_sub(*from)));
    let fields = |group: &str, [due, served]: [u64; 2], outage: Option<&Outage>, times: Option<&Latency>| {
        let known = |of: fn(&Outage) -> u64| outage.map_or_else(String::new, |outage| of(outage).to_string());
        let mut all = vec![show::plain(&scope.name), show::plain(group), length.to_string()];
        all.extend([due.to_string(), served.to_string()]);
        all.extend([known(|outage| outage.unavailable_ns), known(|outage| outage.longest_ns)]);
        all.extend(latency(times));
        all
    };
    let publishing = [figures.due, figures.acked];
    let mut lines = vec![fields("", publishing, Some(&available.publishing), figures.ack.as_ref())];
    for group in &figures.groups {
        let outage = available.groups.iter().find(|of| of.name == group.name).map(|of| &of.outage);
        lines.push(fields(&group.name, [group.due, group.in_time], outage, Some(&group.latency)));
    }
    lines
}

fn latency_names() -> [String; 6] {
    ["count", "p50_ns", "p90_ns", "p99_ns", "p99_9_ns", "max_ns"].map(|name| format!("time.{name}"))
}

fn latency(times: Option<&Latency>) -> [String; 6] {
    match times {
        Some(l) if l.count > 0 => [
            l.count.to_string(),
            l.p50_ns.to_string(),
            l.p90_ns.to_string(),
            l.p99_ns.to_string(),
            l.p99_9_ns.to_string(),
            l.max_ns.to_string(),
        ],
        Some(_) => ["0", "", "", "", "", ""].map(String::from),
        None => Default::default(),
    }
}

fn brief_names(of: &str) -> [String; 5] {
    ["count", "p50_ns", "p99_ns", "p99_9_ns", "max_ns"].map(|name| format!("{of}.{name}"))
}

fn brief(b: &Brief) -> [String; 5] {
    // Without samples the field is empty: a zero would be a figure.
    let time = |ns: u64| if b.count == 0 { String::new() } else { ns.to_string() };
    [b.count.to_string(), time(b.p50_ns), time(b.p99_ns), time(b.p99_9_ns), time(b.max_ns)]
}

fn fields(second: usize, row: &Row, groups: usize) -> Vec<String> {
    let known = |n: Option<u64>| n.map_or_else(String::new, |n| n.to_string());
    let mut all = vec![second.to_string(), row.at_ns.to_string(), row.phase.as_str().to_owned()];
    let counts = [
        row.intended,
        row.sent,
        row.acked,
        row.refused,
        row.unsent,
        row.unconfirmed,
        row.in_flight,
        row.hiccup_max_ns,
    ];
    all.extend(counts.map(|n| n.to_string()));
    all.push(format!("{:.3}", row.harness_cpu));
    all.push(row.harness_memory_bytes.to_string());
    all.push(row.broker_cpu.map_or_else(String::new, |cores| format!("{cores:.3}")));
    all.push(known(row.broker_memory_bytes));
    all.push(known(row.store_bytes));
    all.extend(brief(&row.send_lag));
    all.extend(brief(&row.ack));
    for g in row.groups.iter().take(groups) {
        let counts = [g.delivered, g.redelivered, g.duplicate, g.reordered, g.corrupt, g.foreign, g.backlog];
        all.extend(counts.map(|n| n.to_string()));
        all.extend(brief(&g.latency));
    }
    all
}

fn line(fields: &[String]) -> String {
    let fields: Vec<String> = fields.iter().map(|field| quoted(field)).collect();
    fields.join(",") + "\r\n"
}

/// Quotes a field if necessary, and escapes text that a spreadsheet would run as a formula.
fn quoted(field: &str) -> String {
    let field =
        if field.starts_with(['=', '+', '@']) || (field.starts_with('-') && field.parse::<f64>().is_err()) {
            format!("'{field}")
        } else {
            field.to_owned()
        };
    if field.contains(['"', ',', '\n', '\r']) { format!("\"{}\"", field.replace('"', "\"\"")) } else { field }
}
