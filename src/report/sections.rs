//! The sections of a report as text and tables, for the page and the summary.

use super::show;
use super::table::Table;
use super::words;
use crate::num;
use crate::plan::Content;
use crate::record::{
    Audit, Brief, Broker, End, Environment, Group, Hiccups, JetStreamUse, Latency, Load, Process, Record,
    Replica, Resources, StoreBytes,
};

/// Pairs of name and value.
pub(crate) type Facts = Vec<(String, String)>;

/// Maximum number of lost ranges listed.
const LOST: usize = 50;
/// Maximum number of marks listed.
const MARKS: usize = 100;

/// The line below the title: broker, acknowledgement, time and run id.
pub(crate) fn under(record: &Record) -> String {
    let broker = &record.broker;
    show::plain(&format!(
        "{} {} ({}), acknowledgement: {} · {} · run {}",
        broker.product,
        broker.versions(),
        broker.mode,
        broker.durability,
        record.run.started,
        record.run.id
    ))
}

/// The key figures.
pub(crate) fn key(record: &Record) -> Vec<(&'static str, String)> {
    let slowest = record.groups.iter().filter(|g| g.latency.count > 0).max_by_key(|g| g.latency.p99_ns);
    let time = |of: fn(&Latency) -> u64| slowest.map_or_else(|| "–".into(), |g| show::time(of(&g.latency)));
    let sum = |of: fn(&Group) -> u64| show::count(num::sum(record.groups.iter().map(of)));
    vec![
        ("p50, slowest group", time(|l| l.p50_ns)),
        ("p99, slowest group", time(|l| l.p99_ns)),
        ("p99.9, slowest group", time(|l| l.p99_9_ns)),
        ("confirmed", show::rate(record.load.acked_rate)),
        ("lost", sum(|g| g.lost)),
        ("reordered", sum(|g| g.reordered)),
    ]
}

/// A path of events through the run, as stages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Flow {
    pub(crate) name: String,
    pub(crate) stages: Vec<Stage>,
}

impl Flow {
    /// Did every event pass all stages, without anything to note?
    pub(crate) fn whole(&self) -> bool {
        self.stages
            .iter()
            .all(|s| s.leaks.is_empty() && s.notes.is_empty() && s.count == self.stages[0].count)
    }
}

/// A stage: how many events reached it, and how many were lost before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stage {
    pub(crate) name: &'static str,
    pub(crate) count: String,
    /// Percent of the first stage.
    pub(crate) share: String,
    pub(crate) leaks: Vec<String>,
    pub(crate) notes: Vec<String>,
}

fn stage(name: &'static str, n: u64, of: u64, leaks: &[(&str, u64)], notes: &[(&str, u64)]) -> Stage {
    let said = |all: &[(&str, u64)]| {
        let some = all.iter().filter(|(_, n)| *n > 0);
        some.map(|(what, n)| format!("{} {what}", show::count(*n))).collect::<Vec<_>>()
    };
    let share = if of == 0 { 0.0 } else { (num::share(n, of) * 100.0).min(100.0) };
    Stage {
        name,
        count: show::count(n),
        share: format!("{share:.2}"),
        leaks: said(leaks),
        notes: said(notes),
    }
}

/// Why the broker refused events; what never left the client is said apart.
pub(crate) fn why_refused(load: &Load) -> Option<String> {
    let by_broker = load.refusals.iter().filter(|refusal| refusal.reason != Load::NOT_SENT).cloned();
    let by_broker = Load { refusals: by_broker.collect(), ..Load::default() };
    by_broker.why_refused().map(|why| show::plain(&why))
}

/// The path of the publishers, then that of each group.
pub(crate) fn flows(record: &Record) -> Vec<Flow> {
    let load = &record.load;
    let why = why_refused(load).map_or_else(String::new, |why| format!(" ({why})"));
    let refused = format!("refused by the broker{why}");
    let of_client = [
        ("refused by the client", load.unsent.saturating_sub(load.too_large())),
        ("larger than the broker allows", load.too_large()),
    ];
    let mut stages = vec![
        stage("intended", load.intended, load.intended, &[], &[]),
        stage("sent", load.sent, load.intended, &of_client, &[]),
        stage(
            "acknowledged",
            load.acked,
            load.intended,
            &[
                (refused.as_str(), load.refused.saturating_sub(load.not_sent())),
                ("never left the client", load.not_sent()),
                ("without an answer", load.unconfirmed.saturating_sub(load.unconfirmed_disconnected)),
                ("sent on a connection that was lost", load.unconfirmed_disconnected),
                ("not answered yet", load.open),
            ],
            &[
                ("already known to the broker", load.acked_duplicate),
                ("copies sent again", load.resent.unwrap_or(0)),
                ("given up after the time for sending again", load.gave_up.unwrap_or(0)),
            ],
        ),
    ];
    if let Some(audit) = &record.audit {
        // Events that were not read may be stored.
        let missing = if audit.settles_loss() { audit.missing } else { 0 };
        let leaks =
            [("not stored", missing), ("out of order", audit.out_of_order), ("corrupt", audit.corrupt)];
        let notes = [
            ("extra copies", audit.stored_twice),
            ("stored without acknowledgement", audit.unconfirmed_stored),
            ("positions at which copies differ", audit.diverged.unwrap_or(0)),
        ];
        let name = if audit.complete { "stored, read back" } else { "read back, incomplete" };
        stages.push(stage(name, audit.stored_once, load.intended, &leaks, &notes));
    }
    let mut flows = vec![Flow { name: "Published".into(), stages }];
    flows.extend(record.groups.iter().map(|group| group_flow(record, group)));
    flows
}

/// What the numbers of the ledger do not say by themselves: what was sent again, and what share of the events was refused
/// where none of the confirmed ones is lost.
pub(crate) fn ledger_notes(record: &Record) -> Vec<String> {
    let load = &record.load;
    let again = load.resent.map(|resent| {
        let (copies, gave_up) = (show::count(resent), show::several(load.gave_up.unwrap_or(0), "event"));
        format!("Copies sent again: {copies}; {gave_up} given up after {}.", record.plan.bus.retry)
    });
    let none_lost = record.run.end == End::Completed
        && record.groups.iter().any(|group| group.expected > 0)
        && record.groups.iter().all(|group| group.lost == 0);
    let both = (load.refused > 0 && none_lost).then(|| {
        let small = load.refused < load.intended / 100;
        let share = if small { show::small_part } else { show::part }(load.refused, load.intended);
        format!("0 lost of those confirmed; {share} of the due events were refused.")
    });
    again.into_iter().chain(both).collect()
}

/// The copies of the store, and where they differ; `None` for a single log: `copies nats-1 7,060, nats-2 7,060 events, 0 positions
/// differ`.
pub(crate) fn copies(audit: &Audit) -> Option<String> {
    let diverged = audit.diverged?;
    let of = |replica: &Replica| {
        let events = show::count(replica.events);
        let (node, why) = (show::plain(&replica.node), replica.why.as_deref().map(show::plain));
        match (replica.read, why) {
            (false, why) => format!("{node} not read ({})", why.unwrap_or_default()),
            (true, None) => format!("{node} {events} events"),
            (true, Some(why)) => format!("{node} {events} events ({why})"),
        }
    };
    let all: Vec<String> = audit.replicas.iter().map(of).collect();
    Some(format!("copies: {}; they differ at {}", all.join(", "), show::several(diverged, "position")))
}

fn group_flow(record: &Record, group: &Group) -> Flow {
    let audited = record.audit.as_ref().is_some_and(Audit::settles_loss);
    let mut stages = vec![stage("acknowledged for it", group.expected, group.expected, &[], &[])];
    if audited {
        let stored = group.expected.saturating_sub(group.lost_not_stored);
        stages.push(stage("stored", stored, group.expected, &[("not stored", group.lost_not_stored)], &[]));
    }
    let delivered = group.delivered.saturating_sub(group.recovered.saturating_add(group.unexpected));
    let located = group.lost_not_stored.saturating_add(group.lost_not_delivered);
    let unlocated = match record.run.end {
        End::Completed => "lost, place unknown",
        _ => "missing when the run ended",
    };
    let leaks = [
        ("stored, not delivered", group.lost_not_delivered),
        ("still to come when the drain ended", group.pending),
        (unlocated, group.lost.saturating_sub(located)),
        ("corrupt", group.corrupt),
        ("unexpected", group.unexpected),
    ];
    let notes = [
        ("recovered", group.recovered),
        ("redelivered", group.redelivered),
        ("duplicate", group.duplicate),
        ("reordered", group.reordered),
    ];
    stages.push(stage("delivered", delivered, group.expected, &leaks, &notes));
    let members = show::several(u64::from(group.members), "member");
    Flow { name: show::plain(&format!("{} ({members}, {})", group.name, group.delivery)), stages }
}

/// The ledger as a table, with a row per group.
pub(crate) fn ledger(record: &Record) -> Table {
    let mut table = Table::new([
        "group",
        "acked for it",
        "delivered",
        "lost",
        "pending",
        "not stored",
        "not delivered",
        "recovered",
        "redelivered",
        "duplicate",
        "reordered",
        "corrupt",
        "foreign",
        "unverified",
    ]);
    for g in &record.groups {
        let counts = [
            g.expected,
            g.delivered,
            g.lost,
            g.pending,
            g.lost_not_stored,
            g.lost_not_delivered,
            g.recovered,
            g.redelivered,
            g.duplicate,
            g.reordered,
            g.corrupt,
            g.foreign,
            g.unverified,
        ];
        table.row(std::iter::once(show::plain(&g.name)).chain(counts.map(show::count)));
    }
    table
}

/// Lost ranges, and a sentence on ranges left out.
pub(crate) fn lost(record: &Record) -> (Table, String) {
    let mut table = Table::new(["group", "topic", "symbol", "sequences", "in the stream"]);
    let mut left_out = num::sum(record.groups.iter().map(|g| g.lost_ranges_left_out));
    for group in &record.groups {
        for range in &group.lost_ranges {
            if table.rows.len() >= LOST {
                left_out = left_out.saturating_add(1);
                continue;
            }
            let stored = match range.stored {
                Some(true) => "yes",
                Some(false) => "no",
                None => "not known",
            };
            let sequences = if range.first == range.last {
                range.first.to_string()
            } else {
                format!("{}–{}", range.first, range.last)
            };
            let names = [&group.name, &range.topic, &range.symbol].map(|name| show::plain(name));
            table.row(names.into_iter().chain([sequences, stored.into()]));
        }
    }
    let more = if left_out == 0 {
        String::new()
    } else {
        format!("{} more ranges are not listed.", show::count(left_out))
    };
    (table, more)
}

/// Marks, numbered as in the charts, and a sentence on marks left out.
pub(crate) fn marks(record: &Record) -> (Vec<(usize, String, String)>, String) {
    let start = record.timeline.first().map_or(0, |row| row.at_ns);
    let shown = record.marks.iter().take(MARKS).enumerate().map(|(n, mark)| {
        let at = format!("{:.3} s", num::f64_of_signed(num::difference(mark.at_ns, start)) / 1e9);
        (n + 1, at, show::plain(&format!("{}: {}", mark.kind, mark.detail)))
    });
    let more = record.marks.len().saturating_sub(MARKS);
    (
        shown.collect(),
        if more == 0 { String::new() } else { format!("{more} more marks are in record.json.") },
    )
}

/// States whether the harness was fit to measure.
pub(crate) fn health_sentence(record: &Record) -> String {
    if record.health.valid {
        "tickgate was fit to measure: it sent on time, the machine did not pause for long, and no clock or worker failed.".into()
    } else {
        let rules: Vec<&str> = record.health.reasons.iter().map(|r| r.rule.as_str()).collect();
        format!(
            "tickgate itself caused a material part of the times ({}): they are upper bounds for the bus. An objective that is met nevertheless counts as met; one that is missed is judged without that part. Loss, corruption and order are valid as measured.",
            show::plain(&rules.join(", "))
        )
    }
}

fn latency_row(table: &mut Table, name: &str, l: &Latency) {
    if l.count == 0 {
        table.row(std::iter::once(show::plain(name)).chain(["0".into()]).chain(vec!["–".to_owned(); 7]));
        return;
    }
    let mean = show::time(num::u64_of(l.mean_ns));
    let max = show::time(u64::try_from(l.max_ns).unwrap_or(0));
    let [p50, p90, p99, p99_9, p99_99] =
        [l.p50_ns, l.p90_ns, l.p99_ns, l.p99_9_ns, l.p99_99_ns].map(show::time);
    table.row([show::plain(name), show::count(l.count), mean, p50, p90, p99, p99_9, p99_99, max]);
}

/// Every distribution, with a row each.
pub(crate) fn times(record: &Record) -> Table {
    let mut table =
        Table::new(["time", "samples", "mean", "p50", "p90", "p99", "p99.9", "p99.99", "largest"]);
    for group in &record.groups {
        latency_row(&mut table, &format!("latency {}", group.name), &group.latency);
    }
    latency_row(&mut table, "ack", &record.load.ack);
    latency_row(&mut table, "service", &record.load.service);
    latency_row(&mut table, "send lag of tickgate", &record.load.send_lag);
    let Hiccups { count, p50_ns, p99_ns, p99_9_ns, max_ns } = record.health.hiccups;
    let dash = || "–".to_owned();
    let t = show::time;
    table.row([
        "hiccups of the machine".into(),
        show::count(count),
        dash(),
        t(p50_ns),
        dash(),
        t(p99_ns),
        t(p99_9_ns),
        dash(),
        t(max_ns),
    ]);
    table
}

/// Further facts on the health of the measurement.
pub(crate) fn health(record: &Record) -> Facts {
    let h = &record.health;
    let sum = |of: fn(&Latency) -> u64| {
        let load = num::sum([&record.load.send_lag, &record.load.ack, &record.load.service].map(of));
        show::count(load.saturating_add(num::sum(record.groups.iter().map(|g| of(&g.latency)))))
    };
    let worst = |of: fn(&Brief) -> u64| {
        show::time(record.timeline.iter().map(|row| of(&row.send_lag)).max().unwrap_or(0))
    };
    let dead =
        if h.dead_workers.is_empty() { "none".into() } else { show::plain(&h.dead_workers.join(", ")) };
    let paused: u64 = record.timeline.iter().filter_map(|row| row.paused_ns).sum();
    let unknown = || "not known".to_owned();
    facts([
        ("machine", h.machine.as_ref().map_or_else(unknown, words::machine)),
        ("pauses of 1 ms or more, total", show::time(paused)),
        (
            "least offered",
            record.load.least_offered.as_ref().map_or_else(unknown, |least| {
                format!(
                    "{} of {} events of {} in time",
                    show::count(least.offered),
                    show::count(least.due),
                    least.part
                )
            }),
        ),
        ("unsent, not due to the bus", show::count(record.load.unsent_own)),
        ("clock error bound", show::time(h.clock_error_ns)),
        (
            "wall clock drift",
            format!(
                "{}{}",
                if h.wall_drift_ns < 0 { "−" } else { "" },
                show::time(h.wall_drift_ns.unsigned_abs())
            ),
        ),
        ("lateness of the last slot", show::time(record.load.finished_late_ns)),
        ("worst second's send lag p99", worst(|b| b.p99_ns)),
        ("samples below zero", sum(|l| l.negative)),
        ("samples above 1 h", sum(|l| l.overflow)),
        ("workers that died", dead),
    ])
}

fn facts<const N: usize>(all: [(&str, String); N]) -> Facts {
    all.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn with_map(mut facts: Facts, map: &std::collections::BTreeMap<String, String>) -> Facts {
    facts.extend(map.iter().map(|(name, value)| (show::plain(&name.replace('_', " ")), show::plain(value))));
    facts
}

/// The machine.
pub(crate) fn machine(record: &Record) -> Facts {
    of_machine(&record.environment)
}

/// A machine.
pub(crate) fn of_machine(e: &Environment) -> Facts {
    with_map(facts([("cores", e.cores.to_string()), ("memory", show::size(e.memory_bytes))]), &e.facts)
}

/// The bus, its configuration and its durability.
pub(crate) fn broker(record: &Record) -> Facts {
    of_broker(&record.broker)
}

/// A bus, its configuration and its durability.
pub(crate) fn of_broker(b: &Broker) -> Facts {
    let head = facts([
        ("product", show::plain(&format!("{} {}", b.product, b.version))),
        ("mode", show::plain(&b.mode)),
        ("address", show::plain(&b.address)),
        ("durability", show::plain(&b.durability)),
    ]);
    let by = b.named_by.as_ref().map(|by| ("named by".to_owned(), show::plain(by)));
    with_map(head.into_iter().chain(by).collect(), &b.settings)
}

/// CPU, memory and store.
pub(crate) fn resources(record: &Record) -> Facts {
    let r = &record.resources;
    let process = |p: &Process| {
        let seconds = if p.cpu_unknown { String::new() } else { format!(" ({:.1} CPU s)", p.cpu_seconds) };
        format!("{}{seconds}, {} peak memory", words::cpu(p), show::size(p.peak_memory_bytes))
    };
    let mut all = facts([("tickgate", process(&r.harness))]);
    all.extend(r.brokers.iter().map(|(name, p)| (show::plain(name), process(p))));
    all.extend(words::unknown_use(record).map(|why| ("broker".to_owned(), why)));
    let unknown = || "not known".to_owned();
    all.push(("stored".into(), stored(r).unwrap_or_else(unknown)));
    all.push(("events stored".into(), r.store_events.map_or_else(unknown, show::count)));
    all.push(("sent".into(), show::size(record.load.bytes)));
    let shares = [
        ("window full", record.load.window_full, "of the measure phase"),
        ("disk of the store busy", r.disk_busy, "of the measure phase"),
        ("memory of the machine", r.memory_used, "used by tickgate and the broker"),
    ];
    let some = |(what, share, of): (&str, Option<f64>, &str)| {
        let share = share.filter(|share| *share >= 0.001)?;
        Some((what.to_owned(), format!("{} {of}", show::percent(share))))
    };
    all.extend(shares.into_iter().filter_map(some));
    all
}

/// The format and mean size of events, where that is not the ADR's envelope.
fn payload(record: &Record) -> Option<String> {
    let payload = &record.plan.payload;
    if payload.content() == Content::Envelope {
        return None;
    }
    let mean = record.load.bytes.checked_div(record.load.sent);
    let size = mean.map_or_else(String::new, |bytes| format!(", {} B", show::count(bytes)));
    Some(show::plain(&format!("{}{size}", payload.describe())))
}

/// Bytes in the store, with the words that say what they count.
fn stored(r: &Resources) -> Option<String> {
    let (bytes, are) = r.stored()?;
    let words = |are: Option<StoreBytes>| are.map_or_else(String::new, |are| format!(" {}", are.words()));
    let logical = r.store_bytes.filter(|_| r.store_bytes_are == Some(StoreBytes::Logical));
    let beside = logical.filter(|_| r.disk_bytes.is_some());
    let beside = beside.map_or_else(String::new, |bytes| {
        format!(", of {} {}", show::size(bytes), StoreBytes::Logical.words())
    });
    Some(format!("{}{}{beside}", show::size(bytes), words(are)))
}

/// The watched nodes, and what their figures are; no rows where none is watched.
pub(crate) fn nodes(record: &Record) -> (Table, String) {
    let mut table = Table::new([
        "node",
        "version",
        "leads",
        "CPU",
        "peak memory",
        "connections",
        "JetStream store",
        "JetStream memory",
        "sync interval",
        "max payload",
        "cluster",
        "started",
        "unseen",
    ]);
    for node in &record.broker.nodes {
        let used = record.resources.brokers.get(&node.name);
        let stored = |of: fn(&JetStreamUse) -> (u64, u64)| {
            node.jetstream.as_ref().map(of).map_or_else(
                || "–".to_owned(),
                |(used, most)| format!("{} of {}", show::size(used), show::size(most)),
            )
        };
        table.row([
            show::plain(&node.name),
            show::plain(&node.version),
            words::leads(record, node),
            used.map_or_else(|| "not known".to_owned(), words::cpu),
            show::size(node.memory_bytes),
            show::count(node.connections),
            stored(|js| (js.store_bytes, js.max_store_bytes)),
            stored(|js| (js.memory_bytes, js.max_memory_bytes)),
            words::sync(node),
            show::size(node.max_payload),
            show::plain(node.cluster.as_deref().unwrap_or("–")),
            show::plain(&node.started),
            show::time(node.unseen_ns),
        ]);
    }
    let note = words::unwatched(record).map_or_else(String::new, |left| format!(" {left}"));
    (table, format!("{}{note}", words::nodes(record)))
}

/// Which run, when and how it ended.
pub(crate) fn run(record: &Record) -> Facts {
    let run = &record.run;
    let mut all = facts([
        ("id", show::plain(&run.id)),
        ("profile", show::plain(&run.profile)),
        ("started", show::plain(&run.started)),
        ("ended", show::plain(&run.ended)),
        ("end", run.end.to_string()),
        ("tickgate", words::built(run)),
    ]);
    if let Some(tags) = words::tags(run) {
        all.push(("tags".into(), tags));
    }
    if let Some(payload) = payload(record) {
        all.push(("payload".into(), payload));
    }
    for phase in &record.phases {
        let took = show::time(phase.end_ns.saturating_sub(phase.start_ns));
        all.push((phase.name.as_str().to_owned(), took));
    }
    all
}
