//! Holds poison events and dead letters against the plan.

use crate::plan::grammar::list;
use crate::plan::{AckMode, Action, Fault, Plan, Refuse, Span, Target};
use crate::profile::section::Reader;
use crate::topology::dead_letter_topic;

/// How late a busy server may deliver again, and its advisories may be read.
const SLACK: Span = Span::seconds(5);

/// Checks what a plan says of events that a group cannot process.
pub(super) fn check(plan: &Plan, reader: &mut Reader) {
    settings(plan, reader);
    for fault in plan.faults.iter().filter(|fault| fault.action == Action::Poison) {
        if reader.sound(&["faults", "groups"]) {
            poison(fault, plan, reader);
        }
    }
    overlaps(plan, reader);
}

/// The settings of `[bus.nats]` that limit deliveries.
fn settings(plan: &Plan, reader: &mut Reader) {
    let nats = &plan.bus.nats;
    let limited = nats.most_deliveries().is_some();
    for (key, set) in [("max_deliver", limited), ("dead_letter", nats.dead_letter)] {
        let path = format!("bus.nats.{key}");
        let at = reader.at(&path);
        if !set || !reader.sound(&[&path, "bus.nats.like", "bus.nats.attach", "bus.ack"]) {
            continue;
        }
        if nats.like.is_some() || nats.attach.is_some() {
            reader.wrong(at, || {
                format!("`{path}` is for consumers of the run's own, and those of a model keep their settings; expected no `{key}`, or neither `like` nor `attach`")
            });
        } else if plan.bus.ack != AckMode::Explicit {
            reader.wrong(at, || {
                format!("`{path}` counts deliveries without an acknowledgement of their own; expected `ack = \"explicit\"` in [bus]")
            });
        }
    }
}

/// What a fault `poison` needs of the plan.
fn poison(fault: &Fault, plan: &Plan, reader: &mut Reader) {
    let (Some(Target::Group(group, _)), Some(poison)) = (&fault.target, fault.poison) else { return };
    let nats = &plan.bus.nats;
    let at = reader.at(&format!("faults.{}.do", fault.name));
    if plan.bus.ack != AckMode::Explicit && reader.sound(&["bus.ack"]) {
        reader.wrong(at, || {
            "a member refuses single events, which needs an acknowledgement for each; expected `ack = \"explicit\"` in [bus]"
                .to_owned()
        });
        return;
    }
    if poison.how != Refuse::Term
        && nats.most_deliveries().is_none()
        && reader.sound(&["bus.nats.max_deliver"])
    {
        reader.wrong(at, || {
            format!(
                "`{}` delivers poison events to `{group}` without end; expected `max_deliver` of 1 or more in [bus.nats], such as \
                 `max_deliver = 5`, or `how = \"term\"`",
                fault.name
            )
        });
    }
    let topic = dead_letter_topic(group);
    if nats.dead_letter && !plan.topology.topics.contains(&topic) && reader.sound(&["topology"]) {
        let at = reader.at(&format!("faults.{}.target", fault.name));
        reader.wrong(at, || {
            let with: Vec<&str> = plan
                .groups
                .iter()
                .map(|group| group.name.as_str())
                .filter(|group| plan.topology.topics.contains(&dead_letter_topic(group)))
                .collect();
            let or = if with.is_empty() { String::new() } else { format!(", or one of the groups {}", list(with)) };
            format!("the topology has no topic `{topic}` for the dead letters of `{group}`; expected it in `topics` of [topology]{or}")
        });
    }
    if poison.how == Refuse::Silent && reader.sound(&["bus.nats", "load"]) {
        in_time(fault, plan, reader);
    }
}

/// The last silent event is given up before the end of the drain.
fn in_time(fault: &Fault, plan: &Plan, reader: &mut Reader) {
    let (nats, load) = (&plan.bus.nats, &plan.load);
    let Some(most) = nats.most_deliveries() else { return };
    let given_up = Span { ns: nats.ack_wait.ns.saturating_mul(most) };
    let needed =
        fault.undo_at().saturating_add(given_up.ns).saturating_add(SLACK.ns).saturating_sub(load.duration.ns);
    if needed <= load.drain.ns {
        return;
    }
    let at = reader.at(&format!("faults.{}.how", fault.name));
    reader.wrong(at, || {
        format!(
            "the last event of `{}` is given up {given_up} after its first delivery (`ack_wait` {} × `max_deliver` {most}), and the drain \
             ends before; expected `drain` of at least {} in [load], or a shorter `ack_wait`",
            fault.name,
            nats.ack_wait,
            Span { ns: needed.div_ceil(1_000_000_000).saturating_mul(1_000_000_000) }
        )
    });
}

/// No two of them make events of one group poison at the same time: it would not be known which one an event was of.
fn overlaps(plan: &Plan, reader: &mut Reader) {
    let all: Vec<&Fault> = plan.faults.iter().filter(|fault| fault.action == Action::Poison).collect();
    for (number, fault) in all.iter().enumerate() {
        let same = |other: &&&Fault| other.target == fault.target && other.undo_at() > fault.at.ns;
        let Some(before) = all.iter().take(number).find(same) else { continue };
        let at = reader.at(&format!("faults.{}.at", fault.name));
        reader.wrong(at, || {
            format!(
                "`{}` begins at {} while `{}` still makes events of the same group poison; expected `at` of at least {}",
                fault.name,
                fault.at,
                before.name,
                Span { ns: before.undo_at() }
            )
        });
    }
}

#[cfg(test)]
mod tests {
    use crate::plan::{Plan, PoisonEvents, Refuse};
    use crate::profile::{ProfileErrors, Source, read, to_toml};

    const LIMIT: &str = "bus.nats.max_deliver=3";
    const DEAD: &str = "bus.nats.dead_letter=true";

    fn poison(how: &str, more: &str) -> String {
        format!(
            "{{do=\"poison\",target=\"trading-engine\",at=\"1s\",for=\"2s\",settle=\"1s\",share=\"0.1%\",how=\"{how}\"{more}}}"
        )
    }

    fn with(faults: &[String], sets: &[&str]) -> Result<Plan, ProfileErrors> {
        let faults = format!("faults=[{}]", faults.join(","));
        let sets: Vec<String> = sets.iter().map(|set| (*set).to_owned()).chain([faults]).collect();
        read(&Source::find("quick").unwrap(), &sets)
    }

    #[test]
    fn a_plan_with_poison_is_read_and_written_back() {
        let plan = with(&[poison("silent", "")], &[LIMIT, DEAD, "bus.nats.ack_wait=2s"]).unwrap();
        let fault = &plan.faults[0];
        assert_eq!((fault.name.as_str(), plan.bus.nats.max_deliver), ("poison-trading-engine", 3));
        let drawn = fault.poison.unwrap();
        assert_eq!((drawn.share.to_string().as_str(), drawn.how), ("0.1%", Refuse::Silent));
        assert_eq!(PoisonEvents::of(&plan).len(), 1);
        let written = to_toml(&plan);
        assert!(
            written.contains("how = \"silent\"\n") && written.contains("dead_letter = true\n"),
            "{written}"
        );
        assert_eq!(read(&Source::new("again", written.as_str()), &[]).unwrap(), plan);
        assert!(with(&[poison("term", "")], &[]).is_ok(), "it is given up at once");
    }

    #[test]
    fn what_could_not_be_carried_out_is_refused() {
        let nak = || vec![poison("nak", "")];
        let overlapping = vec![poison("nak", ""), poison("term", ",name=\"two\"")];
        for (faults, sets, said) in [
            (nak(), &[][..], "expected `max_deliver` of 1 or more in [bus.nats]"),
            (nak(), &[LIMIT, "bus.ack=all"], "expected `ack = \"explicit\"` in [bus]"),
            (nak(), &[LIMIT, "bus.kind=kafka"], "its brokers count no deliveries"),
            (nak(), &["bus.nats.max_deliver=0"], "expected 1 to 1000, or -1 for no limit"),
            (
                nak(),
                &[LIMIT, "bus.nats.like=ORDERS"],
                "expected no `max_deliver`, or neither `like` nor `attach`",
            ),
            (nak(), &[LIMIT, DEAD, "topology=adr-002-as-written"], "no topic `trading-engine.dlq`"),
            (
                vec![poison("silent", "")],
                &[LIMIT, "load.drain=20s"],
                "given up 90s after its first delivery (`ack_wait` 30s × `max_deliver` 3)",
            ),
            (
                overlapping,
                &[LIMIT],
                "still makes events of the same group poison; expected `at` of at least 3s",
            ),
            (vec![poison("cut", "")], &[LIMIT], "expected `nak`, `silent` or `term`"),
            (vec![poison("nak", ",delay=\"1s\"")], &[LIMIT], "belongs to `do = \"slow\"`"),
            (
                vec![],
                &["objectives.dead_letter.missing=== 0"],
                "expected `dead_letter = true` beside `ack_wait`",
            ),
            (
                vec![],
                &[DEAD, "bus.audit=false", "objectives.dead_letter.missing=== 0"],
                "comes from the audit",
            ),
        ] {
            let errors = with(&faults, sets).unwrap_err().to_string();
            assert!(errors.contains(said), "{sets:?}: {errors}");
        }
        let share = poison("nak", "").replace("0.1%", "0%");
        let errors = with(&[share], &[LIMIT]).unwrap_err().to_string();
        assert!(errors.contains("more than 0% and at most 100%"), "{errors}");
        let member = poison("nak", "").replace("trading-engine", "trading-engine/1");
        let errors = with(&[member], &[LIMIT]).unwrap_err().to_string();
        assert!(errors.contains("refused by all members of a group"), "{errors}");
    }

    #[test]
    fn poison_events_may_come_while_the_bus_is_broken() {
        let kill = "{do=\"restart\",target=\"all\",expect=\"outage\",at=\"2s\",settle=\"4s\"}".to_owned();
        let plan = with(&[poison("nak", ""), kill], &[LIMIT, DEAD]).unwrap();
        assert_eq!(plan.faults.len(), 2);
    }
}
