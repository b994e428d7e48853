//! Holds every key and value against what the server knows.

use super::conf::{Entry, Item, Map, Value};
use super::duration;
use super::keys::{Key, Kind, TOP};
use super::settings::{address, route, size};
use super::{Finding, Level, Lint};
use crate::num::show;
use crate::plan::grammar::nearest;

const REFUSED: &str = "nats-server refuses to start with this file";

pub(super) fn check(lint: &mut Lint<'_>) {
    block(lint, lint.settings.root(), "", TOP);
}

fn block(lint: &mut Lint<'_>, map: &Map, path: &str, keys: &[Key]) {
    repeated(lint, map, path, keys);
    for (at, entry) in map.entries.iter().enumerate() {
        let later = map.entries.iter().skip(at + 1).any(|other| other.key == entry.key);
        let known = keys.iter().find(|key| key.names.iter().any(|name| entry.key.eq_ignore_ascii_case(name)));
        match known {
            _ if later => {}
            Some(key) => value(lint, entry, &named(path, &entry.key), key.kind),
            // A key that a variable refers to may have any name.
            None if entry.referred => {}
            None => unknown(lint, entry, path, keys),
        }
    }
}

fn named(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

fn unknown(lint: &mut Lint<'_>, entry: &Entry, path: &str, keys: &[Key]) {
    let names = keys.iter().flat_map(|key| key.names.iter().copied());
    let here = nearest(&entry.key, names).map(|name| format!("write `{name}`"));
    let belongs = || {
        let deeper = TOP.iter().filter_map(|key| match key.kind {
            Kind::Block(keys) | Kind::Switch(keys) => Some((key.names.first()?, keys)),
            _ => None,
        });
        let has = |keys: &[Key]| {
            keys.iter().any(|key| key.names.iter().any(|name| entry.key.eq_ignore_ascii_case(name)))
        };
        if !path.is_empty() && has(TOP) {
            return Some(format!("`{}` belongs at the top of the file, outside `{path}`", entry.key));
        }
        let mut deeper = deeper.filter(|(name, keys)| **name != path && has(keys));
        deeper.next().map(|(name, _)| format!("`{}` belongs in the block `{name}`", entry.key))
    };
    let instead = belongs().or(here).unwrap_or_else(|| "remove it".to_owned());
    let within = if path.is_empty() { String::new() } else { format!(" in `{path}`") };
    let what = format!("nats-server knows no key `{}`{within}", entry.key);
    lint.add(Some(entry.place), Finding::new(Level::Fail, "unknown-key", what, REFUSED, instead));
}

/// Names a setting that a block has twice, be it by two of its names.
fn repeated(lint: &mut Lint<'_>, map: &Map, path: &str, keys: &[Key]) {
    for key in keys {
        let of = |entry: &&Entry| key.names.iter().any(|name| entry.key.eq_ignore_ascii_case(name));
        let all: Vec<&Entry> = map.entries.iter().filter(of).collect();
        let [first, .., last] = &all[..] else { continue };
        let same = all.iter().all(|entry| entry.key == first.key);
        let earlier = lint.conf.at(first.place).line;
        let what =
            format!("`{}` is set {} times, first in line {earlier}", named(path, &last.key), all.len());
        let why = if same {
            "the last one counts, and nothing warns of the others"
        } else {
            "the names mean the same setting, and which value counts is decided by chance at each start"
        };
        let finding = Finding::new(Level::Bite, "repeated-key", what, why, "keep one of them");
        lint.add(Some(last.place), finding);
    }
}

fn kind_of(item: &Item) -> &'static str {
    match item.value {
        Value::Text(_) => "a string",
        Value::Bool(_) => "a boolean",
        Value::Whole(_) => "a whole number",
        Value::Fraction(_) => "a number with a fraction",
        Value::Date(_) => "a date",
        Value::List(_) => "a list",
        Value::Map(_) => "a block",
    }
}

fn wrong(lint: &mut Lint<'_>, entry: &Entry, path: &str, expected: &str) {
    let what = format!("`{path}` takes {expected}, and this is {}", kind_of(&entry.item));
    let instead = format!("write {expected}");
    lint.add(Some(entry.place), Finding::new(Level::Fail, "wrong-type", what, REFUSED, instead));
}

fn value(lint: &mut Lint<'_>, entry: &Entry, path: &str, kind: Kind) {
    let item = &entry.item;
    match (kind, &item.value) {
        (Kind::Any, _)
        | (Kind::Text, Value::Text(_))
        | (Kind::Bool | Kind::Switch(_), Value::Bool(_))
        | (Kind::Whole, Value::Whole(_))
        | (Kind::List | Kind::Accounts(_), Value::List(_)) => {}
        (Kind::Name, Value::Text(text)) => name(lint, entry, path, text),
        (Kind::Whole32, Value::Whole(number)) => {
            if *number > i64::from(i32::MAX) {
                let what = format!("`{path}` is {number}, and {} is the most", i32::MAX);
                let finding = Finding::new(Level::Fail, "too-large", what, REFUSED, "write a smaller number");
                lint.add(Some(entry.place), finding);
            }
        }
        (Kind::Size, Value::Whole(_) | Value::Text(_)) => sized(lint, entry, path),
        (Kind::Sync, Value::Text(text)) if text.eq_ignore_ascii_case("always") => {}
        (Kind::Duration | Kind::Sync, Value::Text(text)) => lasting(lint, entry, path, text, 0),
        (Kind::AtLeast(seconds), Value::Text(text)) => lasting(lint, entry, path, text, seconds),
        (Kind::Duration | Kind::Sync, Value::Whole(seconds)) => seconds_of(lint, entry, path, *seconds),
        (Kind::Listen, Value::Whole(_) | Value::Text(_)) => {
            if address(item).is_err() {
                let what = format!("`{path}` is neither a port nor host:port");
                let instead = "write for example \"0.0.0.0:4222\", or \"[::1]:4222\" for an IPv6 address";
                lint.add(
                    Some(entry.place),
                    Finding::new(Level::Fail, "wrong-address", what, REFUSED, instead),
                );
            }
        }
        (Kind::Switch(_), Value::Text(text)) => {
            if !["enabled", "enable", "disabled", "disable"].contains(&text.to_ascii_lowercase().as_str()) {
                wrong(lint, entry, path, "`enabled`, `disabled`, a boolean or a block");
            }
        }
        (Kind::Switch(keys) | Kind::Block(keys), Value::Map(map)) => block(lint, map, path, keys),
        (Kind::Routes, Value::List(items)) => items.iter().for_each(|item| url(lint, item)),
        (Kind::Blocks(keys), Value::List(items)) => {
            for item in items {
                match &item.value {
                    Value::Map(map) => block(lint, map, path, keys),
                    _ => wrong(
                        lint,
                        &Entry { item: item.clone(), place: item.place, ..entry.clone() },
                        path,
                        "blocks",
                    ),
                }
            }
        }
        (Kind::Accounts(keys), Value::Map(map)) => {
            for account in map.entries.iter().filter(|account| !account.referred) {
                let path = named(path, &account.key);
                match &account.item.value {
                    Value::Map(map) => block(lint, map, &path, keys),
                    _ => wrong(lint, account, &path, "a block"),
                }
            }
        }
        (kind, _) => wrong(lint, entry, path, expected(kind)),
    }
}

const fn expected(kind: Kind) -> &'static str {
    match kind {
        Kind::Text | Kind::Name => "a string",
        Kind::Bool => "true or false",
        Kind::Whole | Kind::Whole32 => "a whole number without quotes",
        Kind::Size => "a size such as 100GB, without quotes",
        Kind::Duration | Kind::AtLeast(_) => "a duration in quotes, such as \"2m\"",
        Kind::Sync => "\"always\" or a duration in quotes, such as \"2m\"",
        Kind::Listen => "a port or \"host:port\"",
        Kind::Switch(_) => "`enabled`, `disabled`, a boolean or a block",
        Kind::Block(_) => "a block in braces",
        Kind::List => "a list in brackets",
        Kind::Routes => "a list of URLs in brackets",
        Kind::Blocks(_) => "a list of blocks",
        Kind::Accounts(_) => "a block of accounts",
        Kind::Any => "a value",
    }
}

fn name(lint: &mut Lint<'_>, entry: &Entry, path: &str, text: &str) {
    if text.contains(' ') {
        let what = format!("`{path}` has a space in it");
        let instead = "write a name without spaces";
        lint.add(Some(entry.place), Finding::new(Level::Fail, "name-with-space", what, REFUSED, instead));
    }
}

fn sized(lint: &mut Lint<'_>, entry: &Entry, path: &str) {
    if size(&entry.item).is_none() {
        let what =
            format!("`{path}` is a string that does not end in one of K, M, G, T after a whole number");
        let instead = "write the number without quotes, such as 100GB, or a string such as \"100G\"";
        lint.add(Some(entry.place), Finding::new(Level::Fail, "wrong-size", what, REFUSED, instead));
    }
}

fn lasting(lint: &mut Lint<'_>, entry: &Entry, path: &str, text: &str, least_s: u64) {
    let negative = text.strip_prefix('-').and_then(duration::parse).is_some();
    match duration::parse(text) {
        Some(ns) if ns < least_s.saturating_mul(1_000_000_000) => {
            let what = format!("`{path}` is shorter than {least_s} s");
            let why = format!("nats-server refuses to start: {least_s} s is its minimum");
            let instead = format!("write \"{least_s}s\" or more");
            lint.add(Some(entry.place), Finding::new(Level::Fail, "lame-duck-short", what, why, instead));
        }
        None if !negative || least_s > 0 || path.ends_with("grace_period") => {
            let what = format!("`{path}` is not a duration");
            let instead = "write a number with a unit of ns, us, ms, s, m or h, such as \"2m\" or \"500ms\"";
            lint.add(Some(entry.place), Finding::new(Level::Fail, "wrong-duration", what, REFUSED, instead));
        }
        _ => {}
    }
}

/// A number where a duration is expected.
fn seconds_of(lint: &mut Lint<'_>, entry: &Entry, path: &str, seconds: i64) {
    let written = entry.item.written.clone().unwrap_or_else(|| seconds.to_string());
    let days = u64::try_from(seconds).unwrap_or_default() / 86_400;
    let long = if days > 0 { format!(", {} days", show::count(days)) } else { String::new() };
    let what = format!("`{path}` is a number, {written}: the server takes it as {seconds} seconds{long}");
    let why = if written.ends_with(['m', 'M']) {
        "without quotes `m` stands for million, not for minutes; the server starts with a warning, and `nats-server -t` \
         refuses the file"
    } else {
        "the server starts with a warning that it should be a duration, and `nats-server -t` refuses the file"
    };
    let instead = format!("write the duration with its unit in quotes, such as \"{}\"", {
        if written.ends_with(['m', 'M']) { written.to_ascii_lowercase() } else { format!("{seconds}s") }
    });
    lint.add(Some(entry.place), Finding::new(Level::Bite, "number-as-duration", what, why, instead));
}

fn url(lint: &mut Lint<'_>, item: &Item) {
    let problem = match route(item) {
        Err(problem) => problem,
        Ok(route) if route.port.is_none() => "the URL of a route has no port, so the server never reaches it",
        Ok(_) => return,
    };
    let instead = "write nats://HOST:PORT with the port that the other server's `cluster` block listens on";
    lint.add(
        Some(item.place),
        Finding::new(Level::Fail, "wrong-route", problem, "the route is never made", instead),
    );
}
