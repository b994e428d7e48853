//! Reads `groups`: the consumer groups and their subscriptions, as a complete list or as a table that adjusts the topology's.

use std::collections::BTreeSet;

use super::keys;
use super::place::{At, quoted};
use super::section::{Reader, Section};
use super::setting;
use super::tree::{Table, Value};
use super::wiring::{is_pattern, is_token, overlap, receives};
use crate::plan::grammar::{did_you_mean, nearest};
use crate::plan::{Delivery, Group, Topology};
use crate::topology::is_of_dead_letters;

const MAX_GROUPS: usize = 64;
const MAX_PATTERNS: usize = 64;
const MAX_NAME: usize = 64;
/// Words before a metric that are not the name of a group.
const RESERVED: [&str; 6] = ["windows", "before", "during", "recovery", "after", "fault"];

/// What decides whether a group receives anything.
struct Feed<'a> {
    topology: &'a Topology,
    mix: &'a [(String, f64)],
    /// Do events that a group has given up come to topics of their own?
    dead_letters: bool,
    /// Are topology and mix right, so that groups can be held against them?
    sound: bool,
}

impl Feed<'_> {
    fn reaches(&self, pattern: &str) -> bool {
        let dead = self.topology.topics.iter().filter(|topic| self.dead_letters && is_of_dead_letters(topic));
        self.mix.iter().map(|(topic, _)| topic).chain(dead).any(|topic| receives(pattern, topic))
    }

    fn feeds(&self, group: &Group) -> bool {
        group.subscribe.iter().any(|pattern| self.reaches(pattern))
    }
}

/// The groups of a plan. `base` are those of the named topology: they give a group of the same name its
/// patterns, and where the profile lists none they listen themselves, as far as the mix reaches them.
pub(super) fn read(
    root: &Table,
    reader: &mut Reader,
    base: Vec<Group>,
    topology: &Topology,
    mix: &[(String, f64)],
) -> Vec<Group> {
    let dead_letters = setting::dead_letters(root);
    let feed = Feed { topology, mix, dead_letters, sound: reader.sound(&["topology", "mix"]) };
    let entry = root.get("groups");
    let at = entry.map_or(At::NOWHERE, |entry| entry.key_at);
    reader.place("groups", at);
    let groups = match entry.map(|entry| &entry.node.value) {
        None => base.into_iter().filter(|group| feed.feeds(group)).collect(),
        Some(Value::Array(items)) => {
            let mut groups = Vec::new();
            for (index, item) in items.iter().enumerate().take(MAX_GROUPS + 1) {
                match &item.value {
                    Value::Table(table) => groups.extend(listed(table, item.at, index, reader, &base)),
                    _ => reader.wrong_key("groups", item.at, || {
                        format!("`groups` holds {}; expected a table, `[[groups]]`", item.describe())
                    }),
                }
            }
            groups
        }
        Some(Value::Table(table)) => adjusted(table, reader, base, &feed),
        Some(_) => {
            let found = entry.map(|entry| entry.node.describe()).unwrap_or_default();
            reader.wrong_key("groups", at, || format!("`groups` is {found}; expected `[[groups]]` tables"));
            Vec::new()
        }
    };
    for group in &groups {
        if reader.written(&format!("groups.{}", group.name)) {
            check_feed(group, &feed, reader);
        }
    }
    let none_wanted =
        matches!(entry.map(|entry| &entry.node.value), Some(Value::Array(items)) if items.is_empty());
    check_number(&groups, none_wanted, at, &feed, reader);
    groups
}

fn check_number(groups: &[Group], none_wanted: bool, at: At, feed: &Feed<'_>, reader: &mut Reader) {
    if groups.is_empty() && !none_wanted && feed.sound && reader.sound(&["groups"]) {
        let message = "no group receives anything of the mix; expected `[[groups]]` with `name` and `subscribe`, or `groups = []` to publish only";
        reader.missing("groups", at, || message.to_owned());
    }
    if groups.len() > MAX_GROUPS {
        reader.wrong_key("groups", at, || format!("too many groups; expected at most {MAX_GROUPS}"));
    }
    let mut seen = BTreeSet::new();
    for group in groups {
        if !seen.insert(&group.name) {
            let at = reader.at(&format!("groups.{}", group.name));
            reader.wrong(at, || {
                format!("two groups are called {}; expected one of each name", quoted(&group.name))
            });
        }
    }
}

/// A `[[groups]]` table.
fn listed(table: &Table, at: At, index: usize, reader: &mut Reader, base: &[Group]) -> Option<Group> {
    let name = match table.get("name").map(|entry| (&entry.node.value, entry)) {
        Some((Value::Text(name), entry)) => {
            check_name(name, entry.node.at, reader);
            name.clone()
        }
        Some((_, entry)) => {
            reader.wrong_key("groups", entry.node.at, || {
                format!("the name of a group is {}; expected a text, in quotes", entry.node.describe())
            });
            return None;
        }
        None => {
            reader.missing(&format!("groups.{index}"), at, || {
                "a group has no name; expected `name = \"…\"` in [[groups]]".to_owned()
            });
            return None;
        }
    };
    let known = base.iter().find(|group| group.name == name);
    Some(group(table, at, &name, known, reader))
}

/// A table of groups by their names, laid over those of the topology.
fn adjusted(table: &Table, reader: &mut Reader, base: Vec<Group>, feed: &Feed<'_>) -> Vec<Group> {
    let written = |group: &Group| table.get(&group.name).is_some();
    let mut groups: Vec<Group> =
        base.into_iter().filter(|group| written(group) || feed.feeds(group)).collect();
    for entry in table.entries.iter().take(MAX_GROUPS + 1) {
        let Value::Table(inner) = &entry.node.value else {
            reader.wrong_key("groups", entry.node.at, || {
                format!("the group {} is {}; expected a table", quoted(&entry.key), entry.node.describe())
            });
            continue;
        };
        check_name(&entry.key, entry.key_at, reader);
        let known = groups.iter().position(|group| group.name == entry.key);
        let known_group = known.and_then(|index| groups.get(index).cloned());
        if known_group.is_none() && inner.get("subscribe").is_none() {
            let near = did_you_mean(nearest(&entry.key, groups.iter().map(|group| group.name.as_str())));
            let names: Vec<&str> = groups.iter().map(|group| group.name.as_str()).collect();
            reader.wrong_key("groups", entry.key_at, || {
                format!(
                    "no group {}; expected {}, or a new one with `subscribe`{near}",
                    quoted(&entry.key),
                    keys::list(&names)
                )
            });
            continue;
        }
        let at = entry.key_at;
        if let Some(entry) = inner.get("name") {
            reader.wrong_key("groups", entry.key_at, || {
                "the group has its name from the table; expected no `name`".to_owned()
            });
        }
        let group = group(inner, at, &entry.key, known_group.as_ref(), reader);
        match known.and_then(|index| groups.get_mut(index)) {
            Some(known) => *known = group,
            None => groups.push(group),
        }
    }
    groups
}

fn check_name(name: &str, at: At, reader: &mut Reader) {
    if name.len() > MAX_NAME || !is_token(name) || RESERVED.contains(&name) {
        reader.wrong_key("groups", at, || {
            let reserved = keys::list(RESERVED);
            let expected = format!(
                "1 to 64 letters, digits, `-` and `_`, and not {reserved}, which objectives begin with"
            );
            format!(
                "{} cannot be the name of a group (the broker makes a consumer of it); expected {expected}",
                quoted(name)
            )
        });
    }
}

fn group(table: &Table, at: At, name: &str, known: Option<&Group>, reader: &mut Reader) -> Group {
    let mut section = Section::item(table, at, format!("groups.{name}"), keys::GROUP, reader);
    if section.entry("subscribe").is_none() && known.is_none() {
        section.missing("subscribe", "the patterns to listen to", "[\"market.quote.>\"]");
    }
    let subscribe = match section.texts("subscribe", MAX_PATTERNS) {
        None => known.map(|group| group.subscribe.clone()).unwrap_or_default(),
        Some(patterns) => {
            check_patterns(&patterns, &mut section);
            patterns.into_iter().map(|(pattern, _)| pattern).collect()
        }
    };
    Group {
        name: name.to_owned(),
        subscribe,
        members: section
            .checked("members", known.map_or(1, |group| group.members), "1 to 64", |n| (1..=64).contains(n)),
        delivery: section.word("delivery", known.map_or(Delivery::Shared, |group| group.delivery)),
        consumer: section.name("consumer"),
    }
}

fn check_patterns(patterns: &[(String, At)], section: &mut Section<'_>) {
    for (index, (pattern, at)) in patterns.iter().enumerate() {
        if !is_pattern(pattern) {
            let expected =
                "tokens with dots between them, where `*` is one token and a last `>` is all the rest";
            section.wrong("subscribe", *at, |_| {
                format!("{} is not a valid pattern; expected {expected}", quoted(pattern))
            });
            continue;
        }
        let before =
            patterns.iter().take(index).find(|(other, _)| is_pattern(other) && overlap(other, pattern));
        if let Some((other, _)) = before {
            section.wrong("subscribe", *at, |_| {
                format!(
                    "{} overlaps {}, which the broker refuses in one group; expected patterns without a common subject",
                    quoted(pattern),
                    quoted(other)
                )
            });
        }
    }
}

/// A group that can receive nothing is a mistake, most often a wildcard that is too short.
fn check_feed(group: &Group, feed: &Feed<'_>, reader: &mut Reader) {
    let path = format!("groups.{}.subscribe", group.name);
    if !feed.sound || feed.feeds(group) || !reader.sound(&[&path]) {
        return;
    }
    let prefix = format!("{}.", feed.topology.prefix);
    let longer = |pattern: &str| {
        let bare = pattern.strip_prefix(&prefix).unwrap_or(pattern);
        let shorter = bare.strip_suffix(".*").unwrap_or(bare);
        let open = format!("{}.>", bare.trim_end_matches(".*").trim_end_matches(".>"));
        [bare.to_owned(), shorter.to_owned(), open].into_iter().find(|candidate| feed.reaches(candidate))
    };
    let near = group.subscribe.iter().find_map(|pattern| longer(pattern));
    let mut topics: Vec<String> = feed.mix.iter().take(6).map(|(topic, _)| format!("`{topic}`")).collect();
    if feed.mix.len() > topics.len() {
        topics.push(format!("and {} more", feed.mix.len() - topics.len()));
    }
    let at = reader.at(&path);
    reader.wrong_key(&path, at, || {
        let patterns: Vec<&str> = group.subscribe.iter().map(String::as_str).collect();
        let symbol = if feed.topology.symbol_in_subject { ", without the symbol, which is allowed for by itself" } else { "" };
        format!(
            "the group `{}` can receive nothing: {} matches no topic of the mix; expected a pattern for {}{symbol}{}",
            group.name,
            keys::list(&patterns),
            topics.join(", "),
            did_you_mean(near.as_deref())
        )
    });
}
