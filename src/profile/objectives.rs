//! Reads `[objectives]` and holds each against the plan: an objective that the plan cannot meet or measure is a
//! mistake now, not a surprise after the load.

use super::load;
use super::place::{At, quoted};
use super::section::Reader;
use super::tree::{Entry, Table, Value};
use super::wiring::receives;
use crate::load::{any_due, planned_rate};
use crate::plan::grammar::{self, Side, did_you_mean, nearest};
use crate::plan::{Metric, Objective, Op, Plan, Rate, Span, Throughput, Value as Limit};
use crate::verdict::compare;

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
        let at = reader.within(entry.key_at, &entry.key, &(0..group.len()));
        let names: Vec<&str> = plan.groups.iter().map(|group| group.name.as_str()).collect();
        let near = did_you_mean(nearest(group, names.iter().copied()));
        reader.wrong(at, || {
            format!("no group {}; expected {}{near}", quoted(group), super::keys::list(&names))
        });
    }
    if objective.metric.of_the_audit() && !plan.bus.audit && reader.sound(&["bus.audit"]) {
        reader.wrong(entry.key_at, || {
            format!(
                "`{}` comes from the audit; expected `audit = true` in [bus], or no such objective",
                objective.metric
            )
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
    let planned = planned_rate(plan, plan.load.duration, received);
    let whom = group.map_or_else(String::new, |group| format!(" to `{}`", group.name));
    let closed = plan.load.is_closed();
    let op = if closed && objective.op == Op::Equal { Op::AtLeast } else { objective.op };
    let upper = matches!(op, Op::Below | Op::AtMost);
    let reached = match objective.limit {
        Limit::Rate(limit) => closed && upper || compare(planned, op, limit.per_second),
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
