//! The verdict in words: one sentence that names the objective which decided it.

use super::show;
use crate::record::{End, Node, ObjectiveResult, Process, Record, Verdict};

/// The objective that decided the verdict: the worst one, and among equals the one with the smallest margin.
#[must_use]
pub fn decisive(record: &Record) -> Option<&ObjectiveResult> {
    let margin = |o: &ObjectiveResult| o.margin.unwrap_or(f64::INFINITY);
    let worst = record.objectives.iter().filter(|o| o.verdict == record.verdict);
    worst.min_by(|a, b| margin(a).total_cmp(&margin(b)))
}

/// One sentence: what was found and what decided it.
#[must_use]
pub fn verdict(record: &Record) -> String {
    let end = match record.run.end {
        End::Completed => "",
        End::Interrupted => " The run was interrupted.",
        End::BrokerFailed => " The broker failed.",
        End::HarnessFailed => " A part of tickgate failed.",
        End::Recovered => " The run was recovered from its journal.",
    };
    let total = record.objectives.len();
    let said = match (record.verdict, decisive(record)) {
        (Verdict::Pass, Some(o)) => {
            let closest = o.margin.map_or_else(String::new, |margin| {
                format!("; the closest is {} with {}", o.name, show::margin(margin))
            });
            let all = if total == 1 {
                "The one objective holds".into()
            } else {
                format!("All {total} objectives hold")
            };
            format!("{all}{closest}.")
        }
        (Verdict::Pass, None) => "No objective was set.".into(),
        (Verdict::Fail, decisive) => {
            let failed = record.objectives.iter().filter(|o| o.verdict == Verdict::Fail).count();
            let what = decisive.map_or_else(String::new, |o| {
                let margin = o.margin.map_or_else(String::new, |m| format!(" ({})", show::margin(m)));
                format!(
                    "{} is {}, and the limit is {}{margin}. ",
                    o.name,
                    o.observed.as_deref().unwrap_or("without data"),
                    o.limit
                )
            });
            format!("{what}{failed} of {total} objectives {}.", if failed == 1 { "fails" } else { "fail" })
        }
        (Verdict::Inconclusive, Some(o)) => {
            let why = o.reason.as_deref().unwrap_or("no reason is given");
            format!("{} cannot be judged: {}.", o.name, why.trim_end_matches('.'))
        }
        (Verdict::Inconclusive, None) if total == 0 => {
            "No objective was set, so there is nothing to judge.".into()
        }
        (Verdict::Inconclusive, None) => {
            let why = record.run.reason.as_deref().unwrap_or("the run did not complete");
            format!("{}.", why.trim_end_matches('.'))
        }
    };
    show::plain(&format!("{said}{end}"))
}

/// What follows from whose figures those of the watched nodes are.
pub const NODES: &str = "Figures of the whole servers, by their monitoring endpoints: other clients' traffic is in them. CPU \
    is the sum of one sample a second.";

/// Why the CPU and memory of a broker that tickgate did not start are not known, and how to know them.
#[must_use]
pub fn unknown_use(record: &Record) -> Option<String> {
    if record.broker.is_own() || !record.resources.brokers.is_empty() {
        return None;
    }
    let words = &record.plan.bus.kind.product().words;
    Some(format!("{}; {}", words.unseen, words.to_see))
}

/// The CPU use of a process.
#[must_use]
pub fn cpu(process: &Process) -> String {
    if process.cpu_unknown { "CPU not known".to_owned() } else { format!("{:.2} cores", process.cpu_cores) }
}

/// The parts that a node has in a run: leader of the meta group, leader of the run's stream.
#[must_use]
pub fn leads(record: &Record, node: &Node) -> String {
    let own = |leader: Option<&String>| leader.is_some_and(|leader| *leader == node.name);
    // Each node reports its own view: the newest is that of a node that answers.
    let meta = record.broker.nodes.iter().min_by_key(|node| node.unseen_ns);
    let parts = [
        ("the meta group", own(meta.and_then(|node| node.meta_leader.as_ref()))),
        ("the run's stream", own(record.broker.stream_leader.as_ref())),
    ];
    parts.iter().filter(|(_, leads)| *leads).map(|(what, _)| *what).collect::<Vec<_>>().join(", ")
}

/// How often a node forces what it stores to the disk.
#[must_use]
pub fn sync(node: &Node) -> String {
    node.jetstream.as_ref().map_or_else(
        || "no JetStream".to_owned(),
        |jetstream| {
            if jetstream.sync_always {
                "each write".to_owned()
            } else {
                show::time(jetstream.sync_interval_ns)
            }
        },
    )
}

/// What the sums over the watched nodes leave out.
#[must_use]
pub fn unwatched(record: &Record) -> Option<String> {
    let left = record.broker.unwatched();
    (left > 0).then(|| {
        format!(
            "{} of the cluster not monitored: no sum over the cluster is known.",
            show::several(left, "server")
        )
    })
}

/// What cannot be trusted about the bus itself, for the head of every report.
#[must_use]
pub fn banner(record: &Record) -> Option<&'static str> {
    match record.broker.mode.as_str() {
        "sim" => Some("Simulated bus: no figure here says anything about a real broker."),
        mode if mode.contains("emulat") => {
            Some("Emulated bus: it speaks the protocol, and its figures are not those of the real product.")
        }
        _ if record.plan.load.is_closed() => Some(
            "Closed load: the window set the pace, so that rates are what the bus can carry, and times are not what it shows to independent sources.",
        ),
        _ => None,
    }
}

/// Who used the machine, in a line.
pub(crate) fn machine(machine: &crate::record::Machine) -> String {
    let mut parts =
        vec![format!("{:.2} of {:.1} usable cores busy", machine.busy_cores, machine.usable_cores)];
    match machine.others_cores {
        Some(others) => parts.push(format!("{others:.2} by others ({:.2} stolen)", machine.stolen_cores)),
        None => parts.push(format!("others not known, {:.2} stolen", machine.stolen_cores)),
    }
    if machine.throttled_ns > 0 {
        parts.push(format!("held back by a quota for {}", super::show::time(machine.throttled_ns)));
    }
    if let Some(thread) = machine.busiest_thread.as_ref().filter(|thread| thread.cores >= 0.5) {
        parts.push(format!("busiest thread {} {:.2}", super::show::plain(&thread.name), thread.cores));
    }
    parts.join(", ")
}
