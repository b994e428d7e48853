//! `--set KEY=VALUE`: lays single values over a profile before it is read, so that they are checked like the rest.

use toml::de::{DeTable, DeValue};

use super::faults;
use super::keys;
use super::place::{At, quoted};
use super::replay;
use super::section::Reader;
use super::tree::{Entry, Node, Table, Value};
use crate::plan::grammar::{did_you_mean, nearest};

/// A step of a key, and where it stands.
type Step = (String, At);

/// Applies every override in turn; later ones win.
pub(super) fn apply(root: &mut Table, sets: &[String], reader: &mut Reader) {
    for (index, set) in sets.iter().enumerate() {
        let text = index + 1;
        let whole = At { text, start: 0, end: set.len() };
        let Some(equals) = unquoted_equals(set) else {
            reader.wrong(whole, || {
                format!("{} has no `=`; expected KEY=VALUE, such as `load.rate=20k/s`", quoted(set))
            });
            continue;
        };
        let Some(path) = steps(&set[..equals], text) else {
            let at = At { end: equals, ..whole };
            reader.wrong(at, || {
                format!(
                    "{} is not a valid key; expected dot-separated words, such as `load.rate`",
                    quoted(&set[..equals])
                )
            });
            continue;
        };
        let node = value(set, equals + 1, text);
        set_path(root, &path, node, reader);
    }
}

/// The key of `KEY=VALUE`, without quotes and spaces around its steps; `None` if it is not a valid one.
#[must_use]
pub fn key_of(set: &str) -> Option<String> {
    let path = steps(&set[..unquoted_equals(set)?], 0)?;
    Some(path.into_iter().map(|(step, _)| step).collect::<Vec<_>>().join("."))
}

/// The first `=` that stands outside quotes.
fn unquoted_equals(set: &str) -> Option<usize> {
    let mut quote = None;
    for (at, c) in set.char_indices() {
        match (quote, c) {
            (None, '=') => return Some(at),
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), _) if open == c => quote = None,
            _ => {}
        }
    }
    None
}

/// The steps of a key, by TOML's own rules.
fn steps(key: &str, text: usize) -> Option<Vec<Step>> {
    if key.contains(['\n', '\r', '#']) {
        return None;
    }
    let document = format!("{key} = 0");
    let parsed = DeTable::parse(&document).ok()?;
    let mut table = Some(parsed.get_ref());
    let mut steps = Vec::new();
    while let Some(current) = table {
        let (step, value) = current.iter().next()?;
        steps.push((step.get_ref().to_string(), At::new(text, &step.span())));
        table = value.get_ref().as_table();
    }
    Some(steps)
}

/// A TOML value where it is one, else the text as it stands.
fn value(set: &str, from: usize, text: usize) -> Node {
    let raw = &set[from..];
    let start = from + (raw.len() - raw.trim_start().len());
    let raw = raw.trim();
    let parsed = if raw.is_empty() { None } else { DeValue::parse(raw).ok() };
    match parsed {
        Some(value) => Node::new(&value, text, start),
        None => Node { at: At { text, start, end: start + raw.len() }, value: Value::Text(raw.to_owned()) },
    }
}

fn set_path(root: &mut Table, path: &[Step], node: Node, reader: &mut Reader) {
    if let [(key, _), (name, at), rest @ ..] = path
        && let Some(list) = LISTS.iter().find(|list| list.key == key)
        && matches!(root.get(key).map(|entry| &entry.node.value), Some(Value::Array(_)))
    {
        return set_listed(root, list, (name, *at), rest, node, reader);
    }
    match path {
        [(first, at), rest @ ..] if !rest.is_empty() && (first == "objectives" || first == "mix") => {
            let key = rest.iter().map(|(step, _)| step.as_str()).collect::<Vec<_>>().join(".");
            let ends = rest.first().zip(rest.last());
            let key_at = ends.map_or(*at, |((_, first), (_, last))| first.to(*last));
            let Some(table) = table_at(root, first, *at, reader) else { return };
            if first == "objectives" && matches!(&node.value, Value::Text(text) if text == "none") {
                remove_objective(table, &key, key_at, reader);
            } else {
                table.set(Entry { key, key_at, node });
            }
        }
        [(topology, _), _, ..] if topology == "topology" => {
            // A topology given by name is the base of the changes to it.
            if let Some(entry) = root.get_mut("topology")
                && matches!(entry.node.value, Value::Text(_))
            {
                let base = Entry { key: "base".to_owned(), key_at: entry.key_at, node: entry.node.clone() };
                entry.node.value = Value::Table(Table { entries: vec![base] });
            }
            descend(root, path, node, reader);
        }
        _ => descend(root, path, node, reader),
    }
    for key in ["objectives", "mix"] {
        if let Some(Entry { node: Node { value: Value::Table(table), .. }, .. }) = root.get_mut(key) {
            table.flatten();
        }
    }
}

/// Takes an objective away; one that is not there is a typing error.
fn remove_objective(table: &mut Table, key: &str, key_at: At, reader: &mut Reader) {
    let before = table.entries.len();
    table.entries.retain(|entry| entry.key != key);
    if table.entries.len() == before {
        let names: Vec<&str> = table.entries.iter().take(20).map(|entry| entry.key.as_str()).collect();
        let near = did_you_mean(nearest(key, names.iter().copied()));
        let expected =
            if names.is_empty() { "no `=none`, for there is none".to_owned() } else { keys::list(&names) };
        reader.wrong(key_at, || {
            format!("the profile has no objective {}; expected {expected}{near}", quoted(key))
        });
    }
}

/// A list of tables, of which each has a name.
struct List {
    key: &'static str,
    one: &'static str,
    example: &'static str,
    name_of: fn(&Node) -> Option<String>,
}

const LISTS: [List; 3] = [
    List { key: "groups", one: "group", example: "members", name_of: name_of_group },
    List { key: "faults", one: "fault", example: "for", name_of: faults::name_of },
    List { key: "replay", one: "replay", example: "from", name_of: replay::name_of },
];

fn name_of_group(item: &Node) -> Option<String> {
    let Value::Table(table) = &item.value else { return None };
    match table.get("name").map(|entry| &entry.node.value) {
        Some(Value::Text(name)) => Some(name.clone()),
        _ => None,
    }
}

/// `groups.NAME.KEY` in a profile that lists its groups.
fn set_listed(
    root: &mut Table,
    list: &List,
    (name, at): (&str, At),
    rest: &[Step],
    node: Node,
    reader: &mut Reader,
) {
    let List { key, one, example, name_of } = list;
    let Some(Entry { node: Node { value: Value::Array(items), .. }, .. }) = root.get_mut(key) else {
        return;
    };
    let names: Vec<String> = items.iter().take(64).filter_map(name_of).collect();
    let found = items.iter_mut().find(|item| name_of(item).as_deref() == Some(name));
    match found.map(|item| &mut item.value) {
        Some(Value::Table(table)) if !rest.is_empty() => descend(table, rest, node, reader),
        Some(_) => reader.wrong(at, || {
            format!("a whole {one} cannot be set; expected a key, such as `{key}.{name}.{example}`")
        }),
        None => reader.wrong(at, || {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let near = did_you_mean(nearest(name, names.iter().copied()));
            let expected = if names.is_empty() { format!("`[[{key}]]` tables") } else { keys::list(&names) };
            format!("the profile lists no {one} {}; expected {expected}{near}", quoted(name))
        }),
    }
}

/// Walks down tables, making those that are missing, and sets the last step.
fn descend(table: &mut Table, path: &[Step], node: Node, reader: &mut Reader) {
    match path {
        [] => {}
        [(key, key_at)] => table.set(Entry { key: key.clone(), key_at: *key_at, node }),
        [(key, key_at), rest @ ..] => {
            if let Some(inner) = table_at(table, key, *key_at, reader) {
                descend(inner, rest, node, reader);
            }
        }
    }
}

/// The table at a key, made if it is missing.
fn table_at<'t>(parent: &'t mut Table, key: &str, key_at: At, reader: &mut Reader) -> Option<&'t mut Table> {
    if parent.get(key).is_none() {
        let node = Node { at: key_at, value: Value::Table(Table::default()) };
        parent.set(Entry { key: key.to_owned(), key_at, node });
    }
    if let Some(Entry { node: Node { value: Value::Table(table), .. }, .. }) = parent.get_mut(key) {
        return Some(table);
    }
    reader.wrong(key_at, || {
        format!("{} is not a table in the profile, so nothing can be set in it", quoted(key))
    });
    None
}
