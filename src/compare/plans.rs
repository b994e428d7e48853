//! Two plans side by side: what differs, and whether both sides carry the same load.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::plan::Plan;

/// A key that two plans differ in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Difference {
    /// `load.rate`.
    pub key: String,
    /// In A; `–` where it has none.
    pub a: String,
    /// In B.
    pub b: String,
}

/// No part of the load: how the harness works, the seed, which is another in each pair, and how a side is made up
/// (members and delivery of a group, the symbol in the subject, everything of the bus).
const CONFIGURATION: [&str; 4] =
    ["load.generators", "load.pacing", "topology.symbol_in_subject", "market.seed"];
/// Text for people.
const NAMES: [&str; 5] = ["name", "description", "topology.name", "payload.name", "payload.samples"];

/// What differs in the load that both sides carry: rate, phases, arrival, market, mix, topics, and who listens to what.
#[must_use]
pub fn workload_differences(a: &Plan, b: &Plan) -> Vec<Difference> {
    differences(a, b).into_iter().filter(|difference| is_workload(&difference.key)).collect()
}

/// What differs in how safe an event is once it is confirmed, as far as two plans for the same kind of bus tell.
#[must_use]
pub fn durability_differences(a: &Plan, b: &Plan) -> Vec<Difference> {
    if a.bus.kind != b.bus.kind {
        return vec![];
    }
    let decides = |key: &str| ["bus.storage", "bus.sync", "bus.replicas"].contains(&key);
    differences(a, b).into_iter().filter(|difference| decides(&difference.key)).collect()
}

fn is_workload(key: &str) -> bool {
    let of_group = key.starts_with("groups.") && key.ends_with(".subscribe");
    let of_load =
        ["load.", "market.", "payload.", "mix.", "topology."].iter().any(|part| key.starts_with(part));
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

/// A plan as full keys and values; groups by their names.
pub(super) fn flat(plan: &Plan) -> BTreeMap<String, String> {
    let mut out = BTreeMap::new();
    // A plan is made of what JSON can say.
    let Ok(Value::Object(mut top)) = serde_json::to_value(plan) else { return out };
    if let Some(Value::Array(groups)) = top.remove("groups") {
        for group in groups {
            let name = group.get("name").and_then(Value::as_str).unwrap_or("?").to_owned();
            let Value::Object(mut keys) = group else { continue };
            keys.remove("name");
            flatten(&format!("groups.{name}"), &Value::Object(keys), &mut out);
        }
    }
    flatten("", &Value::Object(top), &mut out);
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
