//! The verdict as a sentence that names the deciding objective.

use std::collections::BTreeMap;

use super::reasons::Reason;
use super::show;
use crate::record::{CURTAILED, End, Node, ObjectiveResult, Process, Record, Run, Verdict};

/// The objective that decided the verdict: the worst one, and among equals the one with the smallest margin.
#[must_use]
pub fn decisive(record: &Record) -> Option<&ObjectiveResult> {
    let margin = |o: &ObjectiveResult| o.margin.unwrap_or(f64::INFINITY);
    let worst = record.objectives.iter().filter(|o| o.verdict == record.verdict);
    worst.min_by(|a, b| margin(a).total_cmp(&margin(b)))
}

/// The limit as people read it: where it is a share of the planned rate, with the rate that it means, `≥ 99.9 % of 10,000/s = 9,990/s`.
#[must_use]
pub fn limit(objective: &ObjectiveResult) -> String {
    let Some(means) = &objective.means else { return objective.limit.clone() };
    let sign = match comparison(objective) {
        ">=" => "≥",
        "<=" => "≤",
        "==" => "=",
        other => other,
    };
    format!("{sign} {means}")
}

/// The limit in a few letters: of a share of the planned rate only the rate, `>= 9,990/s`.
#[must_use]
pub fn short_limit(objective: &ObjectiveResult) -> String {
    match objective.means.as_ref().and_then(|means| means.split_once(" = ")) {
        Some((_, rate)) => format!("{} {rate}", comparison(objective)),
        None => objective.limit.clone(),
    }
}

fn comparison(objective: &ObjectiveResult) -> &str {
    objective.limit.split_whitespace().next().unwrap_or_default()
}

/// What the plan leaves out of its profile, and why.
pub(crate) fn left_out(record: &Record) -> impl Iterator<Item = Reason> {
    let with = if record.plan.load.is_closed() { "with load.rate = \"max\"" } else { "of this trial" };
    record.plan.dropped.iter().map(move |dropped| {
        let what = show::plain(&format!("Left out {with}: {}", dropped.what));
        Reason::new("note", what, &dropped.why, "")
    })
}

/// Why a record has no objectives.
#[must_use]
pub fn no_objectives(record: &Record) -> &'static str {
    if record.plan.dropped.is_empty() {
        "No objective was set, so there is nothing to judge."
    } else {
        "No objective is left that a load closed by the window can be judged by, so there is nothing to judge."
    }
}

/// One sentence with the verdict and the deciding objective.
#[must_use]
pub fn verdict(record: &Record) -> String {
    let end = match record.run.end {
        End::Completed if record.marks.iter().any(|mark| mark.kind == CURTAILED) => {
            " It was ended early, since it could not pass any more."
        }
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
                    limit(o)
                )
            });
            format!("{what}{failed} of {total} objectives {}.", if failed == 1 { "fails" } else { "fail" })
        }
        (Verdict::Inconclusive, Some(o)) => {
            let why = o.reason.as_deref().unwrap_or("no reason is given");
            format!("{} cannot be judged: {}.", o.name, why.trim_end_matches('.'))
        }
        (Verdict::Inconclusive, None) if total == 0 => no_objectives(record).into(),
        (Verdict::Inconclusive, None) => {
            let why = record.run.reason.as_deref().unwrap_or("the run did not complete");
            format!("{}.", why.trim_end_matches('.'))
        }
    };
    show::plain(&format!("{said}{end}"))
}

/// Where the events went, for the head of every report.
#[must_use]
pub fn target(record: &Record) -> String {
    let broker = &record.broker;
    let said = match broker.mode.as_str() {
        "local" => {
            let servers = record.plan.cluster.in_words();
            format!("{servers} of tickgate's own, started on this machine for this run")
        }
        "container" => {
            let image = broker.settings.get("container.image").map(|image| format!(" of {image}"));
            format!("a server of tickgate's own, in a container{}", image.unwrap_or_default())
        }
        "sim" => "the simulated bus".to_owned(),
        _ => {
            let by = broker.named_by.as_ref().map(|by| format!(", named by {by}")).unwrap_or_default();
            format!("{}{}{by}", broker.address, names(&broker.settings))
        }
    };
    show::plain(&said)
}

/// The tickgate that made a run: its version, and its commit where that is known.
#[must_use]
pub fn built(run: &Run) -> String {
    let commit =
        run.tickgate_commit.as_ref().map_or_else(String::new, |commit| format!(" (commit {commit})"));
    show::plain(&format!("{}{commit}", run.tickgate))
}

/// The tags of a run, `commit=1a2b, branch=main`; `None` if it has none.
#[must_use]
pub fn tags(run: &Run) -> Option<String> {
    let all: Vec<String> = run.tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
    (!all.is_empty()).then(|| show::plain(&all.join(", ")))
}

/// What a bus calls itself: its cluster and its server, in brackets.
#[must_use]
pub fn names(settings: &BTreeMap<String, String>) -> String {
    // A server without a name has an id of 56 letters in its place.
    let is_id = |name: &String| {
        name.len() >= 56 && name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
    };
    let all = [("cluster", "cluster"), ("cluster_id", "cluster"), ("server_name", "server")];
    let given = all.iter().filter_map(|(key, word)| Some((word, settings.get(*key)?)));
    let given: Vec<String> =
        given.filter(|(_, name)| !is_id(name)).map(|(word, name)| format!("{word} {name}")).collect();
    if given.is_empty() { String::new() } else { format!(" ({})", given.join(", ")) }
}

/// What follows from whose figures those of the watched nodes are.
#[must_use]
pub fn nodes(record: &Record) -> String {
    let by = if record.broker.is_seen_by_system_account() {
        "the system account"
    } else {
        "their monitoring endpoints"
    };
    format!(
        "Figures of the whole servers, by {by}: other clients' traffic is in them. CPU is the sum of one sample a second."
    )
}

/// Version of the rules since which a record's report names an unknown use of a broker.
const SAYS_UNKNOWN: u32 = 2;

/// Why the CPU and memory of a broker that tickgate did not start are not known, and how to know them.
#[must_use]
pub fn unknown_use(record: &Record) -> Option<String> {
    // A record made before says nothing about it, and is shown as it was.
    if record.rules < SAYS_UNKNOWN || record.broker.is_own() || !record.resources.brokers.is_empty() {
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
            Some("Emulated bus: it speaks the protocol, but its figures are not those of the real product.")
        }
        _ if record.plan.load.is_closed() => Some(
            "Closed load: the window set the pace, so rates show the capacity of the bus, but times are not those of independent sources.",
        ),
        _ => None,
    }
}

/// Use of the machine, in a line.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_the_load_is_shown_with_its_rate() {
        let of = |limit: &str, means: Option<&str>| {
            let objective = ObjectiveResult {
                name: "throughput.delivered".into(),
                limit: limit.into(),
                means: means.map(Into::into),
                observed: None,
                observed_value: None,
                limit_value: 0.0,
                samples: 0,
                margin: None,
                verdict: Verdict::Pass,
                reason: None,
                next: None,
            };
            [super::limit(&objective), short_limit(&objective)]
        };
        assert_eq!(
            of(">= 99.9% of offered", Some("99.9 % of 10,000/s = 9,990/s")),
            ["≥ 99.9 % of 10,000/s = 9,990/s", ">= 9,990/s"]
        );
        assert_eq!(of(">= 10k/s", None), [">= 10k/s", ">= 10k/s"]);
    }

    #[test]
    fn a_bus_is_called_what_it_calls_itself() {
        let of = |all: &[(&str, &str)]| {
            names(&all.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
        };
        assert_eq!(of(&[]), "");
        assert_eq!(of(&[("server_name", "n1"), ("cluster", "C1")]), " (cluster C1, server n1)");
        assert_eq!(of(&[("cluster_id", "5L6g3nShT-eMCtK--X86sw")]), " (cluster 5L6g3nShT-eMCtK--X86sw)");
        assert_eq!(of(&[("server_name", &"N".repeat(56))]), "", "it has no name");
    }
}
