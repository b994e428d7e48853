//! `load.rate = "max"`: leaves out what contradicts it, and says what and why.
//!
//! The window sets the pace of such a load, so it has no shape, no times of independent sources and no planned rate. A key
//! of the profile gives way to `--set load.rate=max`; two that stand in the same text remain a mistake of that text.

use super::tree::{Entry, Table, Value};
use crate::plan::{Dropped, Metric, Plan, Value as Limit};

/// The keys of `[load]` that shape a load, with the value that says nothing else than `rate = "max"`.
const SHAPE: [(&str, &str); 5] =
    [("arrival", "closed"), ("spacing", "constant"), ("ramp", ""), ("burst", ""), ("steps", "")];

/// Takes the keys away that shape the profile's own load, if `--set` makes its rate `"max"`.
pub(super) fn keys(root: &mut Table) -> Vec<Dropped> {
    let Some(Entry { node, .. }) = root.get_mut("load") else { return Vec::new() };
    let Value::Table(load) = &mut node.value else { return Vec::new() };
    let by_flag = |entry: &Entry| entry.node.at.text > 0;
    let is_max = |entry: &Entry| matches!(&entry.node.value, Value::Text(text) if text == "max");
    if !load.get("rate").is_some_and(|rate| is_max(rate) && by_flag(rate)) {
        return Vec::new();
    }
    let mut dropped = Vec::new();
    load.entries.retain(|entry| {
        let shape = SHAPE.iter().find(|(key, _)| *key == entry.key);
        let Some((key, same)) = shape.filter(|_| !by_flag(entry)) else { return true };
        let what = match &entry.node.value {
            Value::Text(text) if text == same => return true,
            Value::Text(text) => format!("load.{key} = \"{text}\""),
            _ => format!("[load.{key}]"),
        };
        let why = "the window sets the pace, so the load has no shape of its own".to_owned();
        dropped.push(Dropped { what, why });
        false
    });
    dropped
}

/// Takes the objectives away that a closed load cannot be judged by.
pub(super) fn objectives(plan: &mut Plan) {
    if !plan.load.is_closed() {
        return;
    }
    let (kept, dropped): (Vec<_>, Vec<_>) =
        plan.objectives.drain(..).partition(crate::plan::Objective::of_closed_load);
    plan.objectives = kept;
    plan.dropped.extend(dropped.into_iter().map(|objective| {
        let why = match (objective.metric, objective.limit) {
            (_, Limit::OfOffered(_)) => "there is no planned rate to take a share of",
            (Metric::Time(..), _) => {
                "a stalling bus is offered less load, so its times look better than independent sources would see them"
            }
            _ => "a closed load cannot be judged by it",
        };
        Dropped {
            what: format!("{} {}", objective.name(), objective.requirement()),
            why: why.to_owned(),
        }
    }));
}

const WITH: &str = "load.rate = \"max\"";

/// What a plan leaves out of its profile, a line each.
#[must_use]
pub fn left_out(plan: &Plan) -> Vec<String> {
    let line = |dropped: &Dropped| format!("left out with {WITH}: {}: {}", dropped.what, dropped.why);
    plan.dropped.iter().map(line).collect()
}

/// The same for a run, whose verdict follows from the objectives that are left.
#[must_use]
pub fn notes(plan: &Plan) -> Vec<String> {
    let mut notes = left_out(plan);
    if plan.objectives.is_empty() && !notes.is_empty() {
        notes.push(format!(
            "no objective is left that a load with {WITH} can be judged by: the run ends inconclusive (exit code 3)"
        ));
    }
    notes
}
