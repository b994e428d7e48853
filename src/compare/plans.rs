//! Differences between two plans, in the load or in durability.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::plan::Plan;

/// A key whose values differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Difference {
    /// `load.rate`.
    pub key: String,
    /// Value in A; `–` if it is not set.
    pub a: String,
    /// Value in B.
    pub b: String,
}

/// Keys that are not part of the load: settings of the harness, the seed, which differs in each pair, and the configuration
/// of a side (members and delivery of a group, the symbol in the subject, the bus).
const CONFIGURATION: [&str; 4] =
    ["load.generators", "load.pacing", "topology.symbol_in_subject", "market.seed"];
/// Keys with text for people.
const NAMES: [&str; 5] = ["name", "description", "topology.name", "payload.name", "payload.samples"];

/// Differences in the load: rate, phases, arrival, market, mix, topics, subscriptions, and faults.
#[must_use]
pub fn workload_differences(a: &Plan, b: &Plan) -> Vec<Difference> {
    differences(a, b).into_iter().filter(|difference| is_workload(&difference.key)).collect()
}

/// Differences in the durability of a confirmed event, as far as two plans for the same kind of bus show them.
#[must_use]
pub fn durability_differences(a: &Plan, b: &Plan) -> Vec<Difference> {
    if a.bus.kind != b.bus.kind {
        return vec![];
    }
    let decides = |key: &str| {
        ["bus.storage", "bus.sync", "bus.replicas"].contains(&key)
            || [".persist", ".discard"].iter().any(|end| key.ends_with(end))
    };
    differences(a, b).into_iter().filter(|difference| decides(&difference.key)).collect()
}

fn is_workload(key: &str) -> bool {
    let of_group = key.starts_with("groups.") && key.ends_with(".subscribe");
    let of_load = ["load.", "market.", "payload.", "mix.", "topology.", "faults."]
        .iter()
        .any(|part| key.starts_with(part));
    of_group || (of_load && !CONFIGURATION.contains(&key))
}

/// Every key that differs.
pub(super) fn differences(a: &Plan, b: &Plan) -> Vec<Difference> {
    let (a, b) = (flat(a), flat(b));
    let keys: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
    let of = |map: &BTreeMap<String, String>, key: &str| map.get(key).cloned().unwrap_or_else(|| "–".into());
    keys.into_iter()
        .filter(|key| a.get(*key) != b.get(*key))
        .map(|key| Difference { key: key.clone(), a: of(&a, key), b: of(&b, key) })
        .collect()
}

/// Flattens a plan to dotted keys and values; groups and faults are keyed by name.
pub(super) fn flat(plan: &Plan) -> BTreeMap<String, String> {
    let mut out = BTreeMap::new();
    // A plan always serialises to a JSON object.
    let Ok(Value::Object(mut top)) = serde_json::to_value(plan) else { return out };
    for list in ["groups", "faults"] {
        let Some(Value::Array(items)) = top.remove(list) else { continue };
        for item in items {
            let name = item.get("name").and_then(Value::as_str).unwrap_or("?").to_owned();
            let Value::Object(mut keys) = item else { continue };
            keys.remove("name");
            flatten(&format!("{list}.{name}"), &Value::Object(keys), &mut out);
        }
    }
    flatten("", &Value::Object(top), &mut out);
    // A plan does not mention a single server.
    out.entry("cluster.nodes".to_owned()).or_insert_with(|| plan.cluster.nodes.to_string());
    out.retain(|key, _| !NAMES.contains(&key.as_str()));
    out
}

fn flatten(path: &str, value: &Value, out: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(keys) => {
            for (key, value) in keys {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                flatten(&path, value, out);
            }
        }
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(word).collect();
            out.insert(path.to_owned(), items.join(", "));
        }
        value => {
            out.insert(path.to_owned(), word(value));
        }
    }
}

fn word(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::{Source, read};

    #[test]
    fn other_faults_are_another_load() {
        let plan = |sets: &[&str]| {
            let sets: Vec<String> = sets.iter().map(ToString::to_string).collect();
            read(&Source::find("failover").expect("shipped"), &sets).expect("a plan")
        };
        let keys = |sets: &[&str]| -> Vec<String> {
            workload_differences(&plan(&[]), &plan(sets)).into_iter().map(|one| one.key).collect()
        };
        assert_eq!(keys(&[]), [""; 0]);
        assert_eq!(keys(&["market.seed=9"]), [""; 0], "the seed differs in each pair");
        assert_eq!(keys(&["faults.leader.for=5s"]), ["faults.leader.for"]);
        assert!(
            keys(&[
                "objectives.before.latency.p99=none",
                "objectives.after.latency.p99=none",
                "objectives.recovery.time=none",
                "faults=[]"
            ])
            .contains(&"faults.leader.do".to_owned())
        );
    }
}
