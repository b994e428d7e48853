//! Reads `topology` and `[mix]`: the topics, and the share of each in the load.

use std::collections::{BTreeMap, BTreeSet};

use super::keys;
use super::place::{At, quoted};
use super::section::{Legible, Reader, Section};
use super::tree::{Table, Value};
use super::wiring::{is_token, is_topic};
use crate::market::MAX_TOPICS;
use crate::num;
use crate::plan::grammar::{did_you_mean, nearest};
use crate::plan::{Group, Topology};
use crate::topology::adr;

const DEFAULT: &str = "adr-002";
/// The topic that is the whole of the load where the profile has no mix.
const QUOTES: &str = "market.quote.received";

/// `topology = "NAME"` or `[topology]`, with the groups that the named one brings.
pub(super) fn topology(root: &Table, reader: &mut Reader) -> (Topology, Vec<Group>) {
    let entry = root.get("topology");
    if let Some(Value::Text(name)) = entry.map(|entry| &entry.node.value) {
        let at = entry.map_or(At::NOWHERE, |entry| entry.node.at);
        reader.place("topology", at);
        return named(reader, "topology", name, at);
    }
    let mut section = Section::inner(entry, "topology".to_owned(), keys::TOPOLOGY, reader);
    let base = section.text("base", DEFAULT);
    let at = section.reader.at("topology.base");
    let (base, groups) = named(section.reader, "topology.base", &base, at);
    let topics = topics(&mut section);
    let own = if topics.is_some() { "custom" } else { &base.name };
    let topology = Topology {
        name: section.text("name", own),
        prefix: section.checked(
            "prefix",
            base.prefix,
            "one token of letters, digits, `-` and `_`",
            |prefix| prefix.len() <= 64 && is_token(prefix),
        ),
        topics: topics.unwrap_or(base.topics),
        symbol_in_subject: section.value("symbol_in_subject", base.symbol_in_subject),
    };
    (topology, groups)
}

fn named(reader: &mut Reader, path: &str, name: &str, at: At) -> (Topology, Vec<Group>) {
    adr::named(name).unwrap_or_else(|| {
        reader.wrong_key(path, at, || {
            let near = did_you_mean(nearest(name, adr::NAMES));
            format!(
                "no topology {}; expected {}, or a table [topology] with `topics`{near}",
                quoted(name),
                keys::list(adr::NAMES)
            )
        });
        let nothing = Topology {
            name: String::new(),
            prefix: String::new(),
            topics: Vec::new(),
            symbol_in_subject: false,
        };
        adr::named(DEFAULT).unwrap_or((nothing, Vec::new()))
    })
}

fn topics(section: &mut Section<'_>) -> Option<Vec<String>> {
    let written = section.texts("topics", MAX_TOPICS)?;
    let mut seen = BTreeSet::new();
    for (topic, at) in &written {
        if !is_topic(topic) {
            let expected = "tokens of letters, digits, `-` and `_` with dots between them, such as `market.quote.received`";
            section.wrong("topics", *at, |_| {
                format!("{} is not a valid topic; expected {expected}", quoted(topic))
            });
        } else if !seen.insert(topic) {
            section.wrong("topics", *at, |_| {
                format!("the topic {} stands here twice; expected it once", quoted(topic))
            });
        }
    }
    Some(written.into_iter().map(|(topic, _)| topic).collect())
}

/// `[mix]`: weights, which need not add up to 1, to shares in the order of the topics.
pub(super) fn mix(root: &Table, reader: &mut Reader, topology: &Topology) -> Vec<(String, f64)> {
    let Some(entry) = root.get("mix") else { return default_mix(topology) };
    reader.place("mix", entry.node.at);
    let Value::Table(table) = &entry.node.value else {
        reader.wrong_key("mix", entry.node.at, || {
            format!("`mix` is {}; expected a table of topics to weights", entry.node.describe())
        });
        return default_mix(topology);
    };
    let topics_known = reader.sound(&["topology"]);
    let mut weights: BTreeMap<&str, f64> = BTreeMap::new();
    for entry in &table.entries {
        let key = entry.key.as_str();
        if topics_known && !topology.topics.contains(&entry.key) {
            reader.wrong_key("mix", entry.key_at, || unknown_topic(key, topology));
            continue;
        }
        match f64::read(&entry.node).map(|weight| (weight, (0.0..=1e9).contains(&weight))) {
            Ok((weight, true)) => {
                if weights.insert(key, weight).is_some() {
                    reader.wrong_key("mix", entry.key_at, || {
                        format!("the topic {} stands here twice", quoted(key))
                    });
                }
            }
            _ => reader.wrong_key("mix", entry.node.at, || {
                format!(
                    "the weight of {} is {}; expected a number from 0 to 1e9",
                    quoted(key),
                    entry.node.describe()
                )
            }),
        }
    }
    let sum: f64 = weights.values().sum();
    if sum <= 0.0 {
        if reader.sound(&["mix"]) {
            reader.wrong_key("mix", entry.key_at, || {
                format!(
                    "the mix is empty; expected a topic with a weight above 0, such as `\"{}\" = 1`",
                    example(topology)
                )
            });
        }
        return default_mix(topology);
    }
    // Shares that a tool wrote add up to 1 but for rounding; dividing again would only change their last digits.
    let scale = if (sum - 1.0).abs() < 1e-9 { 1.0 } else { sum };
    let share = |topic: &String| weights.get(topic.as_str()).map(|weight| (topic.clone(), weight / scale));
    topology.topics.iter().filter_map(share).filter(|(_, share)| *share > 0.0).collect()
}

fn unknown_topic(key: &str, topology: &Topology) -> String {
    let topics: Vec<&str> = topology.topics.iter().map(String::as_str).collect();
    let without_prefix = key.strip_prefix(&topology.prefix).and_then(|rest| rest.strip_prefix('.'));
    let near =
        without_prefix.filter(|rest| topics.contains(rest)).or_else(|| nearest(key, topics.iter().copied()));
    format!(
        "the topology `{}` has no topic {}; expected one of {}{}",
        topology.name,
        quoted(key),
        keys::list(&topics),
        did_you_mean(near)
    )
}

fn example(topology: &Topology) -> &str {
    topology.topics.first().map_or(QUOTES, String::as_str)
}

/// Quotes alone, where the topology has them; else all topics alike.
fn default_mix(topology: &Topology) -> Vec<(String, f64)> {
    if topology.topics.iter().any(|topic| topic == QUOTES) {
        return vec![(QUOTES.to_owned(), 1.0)];
    }
    let share = 1.0 / num::f64_of(num::count(topology.topics.len()));
    topology.topics.iter().map(|topic| (topic.clone(), share)).collect()
}
