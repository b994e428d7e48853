//! Reads `[objectives]` and holds each against the plan: an objective that the plan cannot meet or measure is a
//! mistake now, not a surprise after the load.

use super::load;
use super::place::{At, quoted};
use super::section::Reader;
use super::tree::{Entry, Table, Value};
use super::wiring::receives;
use crate::load::{any_due, peak_rate, planned_rate};
use crate::plan::grammar::{self, Side, did_you_mean, nearest};
use crate::plan::{
    Fault, Metric, Objective, Op, Outcome, Plan, Rate, Recovery, ReplayFigure, Span, Speed, Throughput,
    Value as Limit, When,
};
use crate::verdict::compare;

mod takeovers;

const MAX_OBJECTIVES: usize = 200;

/// The objectives, checked against the rest of the plan.
pub(super) fn read(root: &Table, reader: &mut Reader, plan: &Plan) -> Vec<Objective> {
    let Some(entry) = root.get("objectives") else { return Vec::new() };
    let Value::Table(table) = &entry.node.value else {
        reader.wrong_key("objectives", entry.node.at, || {
            format!("`objectives` is {}; expected a table of metrics to limits", entry.node.describe())
        });
        return Vec::new();
    };
    if table.entries.len() > MAX_OBJECTIVES {
        let found = table.entries.len();
        reader.wrong_key("objectives", entry.key_at, || {
            format!("{found} objectives; expected at most {MAX_OBJECTIVES}")
        });
    }
    let mut objectives: Vec<Objective> = Vec::new();
    for entry in table.entries.iter().take(MAX_OBJECTIVES) {
        let Some(objective) = objective(entry, reader) else { continue };
        let name = objective.name();
        if objectives.iter().any(|other| other.name() == name) {
            reader.wrong(entry.key_at, || {
                format!("the objective {} stands here twice; expected it once", quoted(&name))
            });
        } else {
            check(&objective, entry, reader, plan);
            objectives.push(objective);
        }
    }
    objectives
}

fn objective(entry: &Entry, reader: &mut Reader) -> Option<Objective> {
    let Value::Text(requirement) = &entry.node.value else {
        reader.wrong(entry.node.at, || {
            let found = entry.node.describe();
            format!("the limit of {} is {found}; expected a text such as \"< 100ms\"", quoted(&entry.key))
        });
        return None;
    };
    match grammar::parse(&entry.key, requirement) {
        Ok(objective) => Some(objective),
        Err(error) => {
            let (at, word) = if error.side == Side::Name {
                (entry.key_at, &entry.key)
            } else {
                (entry.node.at, requirement)
            };
            let at = reader.within(at, word, &error.at);
            reader.wrong(at, || error.to_string());
            None
        }
    }
}

/// Can the plan produce this figure, and can the figure meet the limit?
fn check(objective: &Objective, entry: &Entry, reader: &mut Reader, plan: &Plan) {
    if let Some(group) = &objective.scope.group
        && reader.sound(&["groups"])
        && !plan.groups.iter().any(|known| known.name == *group)
    {
        let from = objective.scope.when.prefix().len();
        let at = reader.within(entry.key_at, &entry.key, &(from..from + group.len()));
        let names: Vec<&str> = plan.groups.iter().map(|group| group.name.as_str()).collect();
        // A mistyped part of the measure phase is read as a group.
        let parts: &[&str] =
            if plan.faults.is_empty() || from > 0 { &[] } else { &["before", "during", "recovery", "after"] };
        let near = did_you_mean(nearest(group, names.iter().chain(parts).copied()));
        reader.wrong(at, || {
            format!("no group {}; expected {}{near}", quoted(group), super::keys::list(&names))
        });
    }
    check_part(objective, entry, reader, plan);
    check_recovery(objective, entry, reader, plan);
    check_replay(objective, entry, reader, plan);
    takeovers::check(objective, entry, reader, plan);
    if objective.metric.of_the_audit() && !plan.bus.audit && reader.sound(&["bus.audit"]) {
        reader.wrong(entry.key_at, || {
            format!(
                "`{}` comes from the audit; expected `audit = true` in [bus], or no such objective",
                objective.metric
            )
        });
    }
    if objective.metric.of_dead_letters() && !plan.dead_letters() && reader.sound(&["bus"]) {
        reader.wrong(entry.key_at, || {
            format!(
                "`{}` counts copies of events that a group has given up; expected `dead_letter = true` beside `ack_wait`, or no such objective",
                objective.metric
            )
        });
    }
    let of_copies = matches!(objective.metric, Metric::Count(Outcome::GaveUp | Outcome::Resent));
    if of_copies && !plan.bus.counts_copies() && reader.sound(&["bus.retry", "bus.kind"]) {
        reader.wrong(entry.key_at, || {
            let name = objective.metric;
            if plan.bus.retries() {
                format!("`{name}` is not known: the client of this bus sends again by itself; expected no such objective")
            } else {
                format!("`{name}` counts what is sent again; expected `retry` in [bus], or no such objective")
            }
        });
    }
    if objective.scope.windows && plan.load.duration < Span::seconds(1) && reader.sound(&["load.duration"]) {
        reader.wrong(entry.key_at, || {
            format!(
                "a measure phase of {} has no whole window of 1s; expected a longer `load.duration`",
                plan.load.duration
            )
        });
    }
    check_throughput(objective, entry.node.at, reader, plan);
}

/// Does the plan have this part of the measure phase, and is it longer than no time?
fn check_part(objective: &Objective, entry: &Entry, reader: &mut Reader, plan: &Plan) {
    let when = &objective.scope.when;
    if *when == When::Whole || !reader.sound(&["faults", "load.duration"]) {
        return;
    }
    let known: Vec<&str> = plan.faults.iter().map(|fault| fault.name.as_str()).collect();
    let word = when.to_string();
    if let When::Fault(name) = when
        && !known.is_empty()
        && !known.contains(&name.as_str())
    {
        let at = reader.within(entry.key_at, &entry.key, &(word.len() - name.len()..word.len()));
        let near = did_you_mean(nearest(name, known.iter().copied()));
        reader
            .wrong(at, || format!("no fault {}; expected {}{near}", quoted(name), super::keys::list(&known)));
        return;
    }
    let why = match when {
        _ if known.is_empty() => format!(
            "{} is a part of a measure phase with faults, and the profile has none; expected [[faults]], or `{}`",
            quoted(&word),
            objective.metric
        ),
        when if !when.length(plan).is_zero() => return,
        When::Before => "`before` is empty, since a fault begins with the measure phase; expected a later `at`".to_owned(),
        When::During => {
            "`during` is empty, since every fault of the profile ends by itself; expected `recovery`, or `fault.NAME`".to_owned()
        }
        _ => format!(
            "`{word}` is empty, since the last fault is settled at the end of the measure phase; expected a longer `load.duration`, or \
             a shorter `settle`"
        ),
    };
    let at = reader.within(entry.key_at, &entry.key, &(0..word.len()));
    reader.wrong(at, || why);
}

/// A recovery is one from a fault of the plan, and after an undo if the fault has one.
fn check_recovery(objective: &Objective, entry: &Entry, reader: &mut Reader, plan: &Plan) {
    let Metric::Recovery(recovery) = objective.metric else { return };
    let when = &objective.scope.when;
    let concerned = |fault: &&Fault| matches!(when, When::Whole) || *when == When::Fault(fault.name.clone());
    let mut faults = plan.faults.iter().filter(concerned).peekable();
    if !reader.sound(&["faults"]) || (plan.faults.is_empty() && *when != When::Whole) {
        return;
    }
    if plan.faults.is_empty() {
        reader.wrong(entry.key_at, || {
            format!(
                "`{}` counts from a fault, and the profile has none; expected [[faults]], or no such objective",
                objective.metric
            )
        });
    } else if recovery == Recovery::AfterUndo
        && faults.peek().is_some()
        && faults.all(|fault| fault.length.is_zero())
    {
        reader.wrong(entry.key_at, || {
            format!(
                "`{}` counts from an undo, and no such fault has one; expected `recovery.time`",
                objective.name()
            )
        });
    }
}

/// A figure of a replay is one of a replay that the plan has, and that has it.
fn check_replay(objective: &Objective, entry: &Entry, reader: &mut Reader, plan: &Plan) {
    let (Metric::Replay(figure), Some(name)) = (objective.metric, &objective.scope.replay) else { return };
    if !reader.sound(&["replay"]) {
        return;
    }
    let known: Vec<&str> = plan.replays.iter().map(|replay| replay.name.as_str()).collect();
    match plan.replay(name) {
        None if known.is_empty() => reader.wrong(entry.key_at, || {
            format!(
                "{} is a figure of a replay, and the profile has no [[replay]]; expected one",
                quoted(&objective.name())
            )
        }),
        None => {
            let near = did_you_mean(nearest(name, known.iter().copied()));
            let from = ReplayFigure::REPLAY.len() + 1;
            let at = reader.within(entry.key_at, &entry.key, &(from..from + name.len()));
            reader.wrong(at, || {
                format!("no replay {}; expected {}{near}", quoted(name), super::keys::list(&known))
            });
        }
        Some(replay) if figure == ReplayFigure::Drift && replay.speed == Speed::Max => {
            reader.wrong(entry.key_at, || {
                format!(
                    "the replay {} is as fast as possible and has no pauses to keep; expected `speed = \"original\"` for it, or no \
                     such objective",
                    quoted(name)
                )
            });
        }
        Some(_) => {}
    }
}

/// What a bus that delivers everything in time reaches is the planned rate (see [`crate::verdict`]): a limit that this
/// misses is missed by every run. A closed load has no rate except the highest that a plan may request.
fn check_throughput(objective: &Objective, at: At, reader: &mut Reader, plan: &Plan) {
    let Metric::Throughput(throughput) = objective.metric else { return };
    if !reader.sound(&load::VOLUME) || !reader.sound(&["mix", "topology", "groups"]) {
        return;
    }
    let group =
        objective.scope.group.as_ref().and_then(|name| plan.groups.iter().find(|group| group.name == *name));
    let group = group.filter(|_| throughput == Throughput::Delivered);
    let received = |topic: &str| {
        group.is_none_or(|group| group.subscribe.iter().any(|pattern| receives(pattern, topic)))
    };
    // A part of the measure phase has at most its highest rate.
    let whole = objective.scope.when == When::Whole;
    let rate = planned_rate(plan, plan.load.duration, received);
    let planned = if whole { rate } else { peak_rate(&plan.load).per_second };
    let whom = group.map_or_else(String::new, |group| format!(" to `{}`", group.name));
    let closed = plan.load.is_closed();
    let op = if (closed || !whole) && objective.op == Op::Equal { Op::AtLeast } else { objective.op };
    let upper = matches!(op, Op::Below | Op::AtMost);
    let reached = match objective.limit {
        Limit::Rate(limit) => (closed || !whole) && upper || compare(planned, op, limit.per_second),
        Limit::OfOffered(share) => closed || compare(1.0, op, share),
        _ => true,
    };
    if !reached {
        reader.wrong(at, || out_of_reach(objective, planned, &whom));
    } else if !closed && !any_due(plan, received) {
        reader.wrong(at, || {
            format!(
                "the schedule of this plan has no event{whom} in the measure phase; expected a longer `load.duration`, \
                 a higher `load.rate` or another `market.seed`"
            )
        });
    }
}

/// The text for a limit that a bus misses which carries everything.
fn out_of_reach(objective: &Objective, planned: f64, whom: &str) -> String {
    let (op, limit) = (objective.op, objective.limit);
    if let Limit::OfOffered(_) = limit {
        return format!(
            "`{op} {limit}` is out of reach of a bus that carries all of it; expected `>=` and a share"
        );
    }
    let most = Rate::per_second((planned * 10.0).round() / 10.0);
    let (other, relative) = match op {
        Op::Below | Op::AtMost => ("a higher limit or a lower `load.rate`", None),
        Op::Equal => ("a lower limit or a higher `load.rate`", Some("== 100% of offered")),
        Op::AtLeast | Op::Above => ("a lower limit or a higher `load.rate`", Some(">= 99.9% of offered")),
    };
    let relative = relative
        .filter(|_| objective.metric != Metric::Throughput(Throughput::Offered))
        .map_or_else(String::new, |limit| format!(", or a limit that follows the load, such as `{limit}`"));
    format!("`{op} {limit}` is out of reach, for the load offers {most}{whom}; expected {other}{relative}")
}
