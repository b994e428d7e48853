//! Typed reading of one table: legal keys, defaults, ranges, and a mistake for each thing that does not fit.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use super::ProfileErrors;
use super::error::Mistakes;
use super::keys;
use super::place::{At, Text, quoted};
use super::tree::{Entry, Node, Table, Value};
use crate::plan::grammar::{did_you_mean, nearest};
use crate::plan::{Choice, Rate, Share, Size, Span};

/// Shared by all sections: the texts, the mistakes, and where each key of the plan was written.
#[derive(Debug)]
pub(super) struct Reader {
    texts: Vec<Text>,
    syntax: Mistakes,
    mistakes: Mistakes,
    places: BTreeMap<String, At>,
    broken: BTreeSet<String>,
}

impl Reader {
    /// A reader of a file and the overrides laid over it.
    pub(super) fn new(name: &str, text: &str, sets: &[String]) -> Self {
        let file = std::iter::once(Text::new(name, text));
        let texts = file.chain(sets.iter().map(|set| Text::new("--set", set))).collect();
        let (syntax, mistakes) = (Mistakes::default(), Mistakes::default());
        Self { texts, syntax, mistakes, places: BTreeMap::new(), broken: BTreeSet::new() }
    }

    /// One of the texts.
    pub(super) fn text(&self, index: usize) -> &str {
        self.texts.get(index).map_or("", |text| &text.content)
    }

    /// Notes a mistake against TOML itself.
    pub(super) fn syntax(&mut self, at: At, message: impl FnOnce() -> String) {
        self.syntax.add(at, message);
    }

    /// Notes a mistake.
    pub(super) fn wrong(&mut self, at: At, message: impl FnOnce() -> String) {
        self.mistakes.add(at, message);
    }

    /// Records a mistake in the value of the plan's key, and that the key cannot be relied on.
    pub(super) fn wrong_key(&mut self, path: &str, at: At, message: impl FnOnce() -> String) {
        self.broken.insert(path.to_owned());
        self.wrong(at, message);
    }

    /// Notes that something is missing. After a mistake against TOML it may well be there, so that is silent then.
    pub(super) fn missing(&mut self, path: &str, at: At, message: impl FnOnce() -> String) {
        self.broken.insert(path.to_owned());
        if self.syntax.is_empty() {
            self.wrong(at, message);
        }
    }

    /// Notes where a key of the plan stands.
    pub(super) fn place(&mut self, path: &str, at: At) {
        self.places.insert(path.to_owned(), at);
    }

    /// Where a key of the plan stands, or else the table that it would stand in.
    pub(super) fn at(&self, path: &str) -> At {
        let mut path = path;
        loop {
            if let Some(at) = self.places.get(path) {
                return *at;
            }
            match path.rsplit_once('.') {
                Some((parent, _)) => path = parent,
                None => return At::NOWHERE,
            }
        }
    }

    /// Was a key of the plan written, rather than left to its default?
    pub(super) fn written(&self, path: &str) -> bool {
        self.places.contains_key(path)
    }

    /// Are these keys read without a mistake (and no syntax in the way), so that they can be checked against others?
    pub(super) fn sound(&self, paths: &[&str]) -> bool {
        let broken = |path: &str| {
            let inside = |key: &String| {
                key.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            };
            self.broken.iter().any(inside)
        };
        self.syntax.is_empty() && !paths.iter().any(|path| broken(path))
    }

    /// A part of the text at a place: `range` counts in `word`, which stands there, with or without quotes.
    pub(super) fn within(&self, at: At, word: &str, range: &std::ops::Range<usize>) -> At {
        let Some(there) = self.text(at.text).get(at.start..at.end) else { return at };
        let quotes = match there.strip_prefix(['"', '\'']).and_then(|inner| inner.strip_suffix(['"', '\''])) {
            Some(inner) if inner == word => 1,
            _ if there == word => 0,
            _ => return at,
        };
        let start = at.start + quotes + range.start;
        // Where something is missing at the end, the caret stands just behind the word.
        At { text: at.text, start, end: (at.start + quotes + range.end).max(start) }
    }

    /// The value read, or the mistakes. A mistake on a line that is not TOML would only repeat it.
    pub(super) fn finish<T>(self, read: T) -> Result<T, ProfileErrors> {
        let Self { texts, mut syntax, mut mistakes, .. } = self;
        if syntax.is_empty() && mistakes.is_empty() {
            return Ok(read);
        }
        let line = |at: At| (at.text, texts.get(at.text).map_or(0, |text| text.line(at.start)));
        let bad_lines: BTreeSet<_> = syntax.kept.iter().map(|mistake| line(mistake.at)).collect();
        mistakes.kept.retain(|mistake| !bad_lines.contains(&line(mistake.at)));
        syntax.kept.append(&mut mistakes.kept);
        syntax.beyond += mistakes.beyond;
        Err(syntax.show(&texts))
    }
}

/// One table of a profile while it is read; an absent table reads as its defaults.
pub(super) struct Section<'a> {
    table: Option<&'a Table>,
    path: String,
    pub(super) reader: &'a mut Reader,
}

impl<'a> Section<'a> {
    /// The keys outside any table.
    pub(super) fn root(table: &'a Table, reader: &'a mut Reader) -> Self {
        let mut section = Self { table: Some(table), path: String::new(), reader };
        section.check_keys(keys::TOP);
        section
    }

    /// The table at a key of another one. Reports a key that is none of `legal`.
    pub(super) fn open(parent: &'a Table, key: &str, legal: &[&str], reader: &'a mut Reader) -> Self {
        Self::inner(parent.get(key), key.to_owned(), legal, reader)
    }

    /// The table that an entry holds.
    pub(super) fn inner(
        entry: Option<&'a Entry>,
        path: String,
        legal: &[&str],
        reader: &'a mut Reader,
    ) -> Self {
        let table = entry.and_then(|entry| {
            if let Value::Table(table) = &entry.node.value {
                reader.place(&path, entry.node.at);
                Some(table)
            } else {
                reader.wrong_key(&path, entry.node.at, || {
                    let name = if path == "topology" { "the name of one, or " } else { "" };
                    format!("`{path}` is {}; expected {name}a table, `[{path}]`", entry.node.describe())
                });
                None
            }
        });
        let mut section = Self { table, path, reader };
        section.check_keys(legal);
        section
    }

    /// A table that is not the value of a key, such as an item of a list.
    pub(super) fn item(
        table: &'a Table,
        at: At,
        path: String,
        legal: &[&str],
        reader: &'a mut Reader,
    ) -> Self {
        reader.place(&path, at);
        let mut section = Self { table: Some(table), path, reader };
        section.check_keys(legal);
        section
    }

    fn check_keys(&mut self, legal: &[&str]) {
        // What follows a broken header lands in the wrong table.
        let top = self.path.is_empty();
        if top && !self.reader.syntax.is_empty() {
            return;
        }
        let entries = self.table.map(|table| table.entries.as_slice()).unwrap_or_default();
        for entry in entries.iter().filter(|entry| !legal.contains(&entry.key.as_str())) {
            let place =
                if top { "at the top of a profile".to_owned() } else { format!("in [{}]", self.path) };
            self.reader.wrong(entry.key_at, || {
                let near = nearest(&entry.key, legal.iter().copied());
                let elsewhere = near.is_none().then(|| keys::table_of(&entry.key)).flatten();
                let hint = match elsewhere {
                    Some(table) => format!("; `{}` belongs into [{table}]", entry.key),
                    None => did_you_mean(near),
                };
                format!(
                    "unknown key {} {place}; expected one of {}{hint}",
                    quoted(&entry.key),
                    keys::list(legal)
                )
            });
        }
    }

    /// The full name of a key, `load.rate`.
    pub(super) fn path(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// Is there such a table at all?
    pub(super) fn is_there(&self) -> bool {
        self.table.is_some()
    }

    /// The entry of a key, its place noted.
    pub(super) fn entry(&mut self, key: &str) -> Option<&'a Entry> {
        let entry = self.table?.get(key)?;
        let path = self.path(key);
        self.reader.place(&path, entry.node.at);
        Some(entry)
    }

    /// Notes that a key's value is wrong.
    pub(super) fn wrong(&mut self, key: &str, at: At, message: impl FnOnce(&str) -> String) {
        let path = self.path(key);
        self.reader.wrong_key(&path, at, || message(&path));
    }

    /// A value, if it is written and right.
    pub(super) fn get<T: Legible>(&mut self, key: &str) -> Option<T> {
        let entry = self.entry(key)?;
        match T::read(&entry.node) {
            Ok(value) => Some(value),
            Err(expected) => {
                self.wrong(key, entry.node.at, |path| {
                    format!("`{path}` is {}; expected {expected}", entry.node.describe())
                });
                None
            }
        }
    }

    /// A value that meets a condition, or its default.
    pub(super) fn checked<T: Legible + Display>(
        &mut self,
        key: &str,
        default: T,
        expected: &str,
        legal: impl Fn(&T) -> bool,
    ) -> T {
        match self.get(key) {
            None => default,
            Some(value) if legal(&value) => value,
            Some(value) => {
                let at = self.reader.at(&self.path(key));
                self.wrong(key, at, |path| {
                    format!("`{path}` is {}; expected {expected}", quoted(&value.to_string()))
                });
                default
            }
        }
    }

    /// A value, or its default.
    pub(super) fn value<T: Legible>(&mut self, key: &str, default: T) -> T {
        self.get(key).unwrap_or(default)
    }

    /// A text, or its default; a line without control characters.
    pub(super) fn text(&mut self, key: &str, default: &str) -> String {
        let plain = |text: &String| !text.contains(char::is_control);
        self.checked(key, default.to_owned(), "a single line of text", plain)
    }

    /// The name of a stream or a consumer, if it is written.
    pub(super) fn name(&mut self, key: &str) -> Option<String> {
        let legal = |name: &String| {
            !name.is_empty()
                && name.len() <= 255
                && !name.contains(|c: char| c.is_whitespace() || c.is_control() || ".*>/\\".contains(c))
        };
        let none = String::new();
        let expected = "the name of a stream or consumer: without white space and `.`, `*`, `>`, `/`, `\\`";
        let name = self.checked(key, none, expected, legal);
        (!name.is_empty()).then_some(name)
    }

    /// A choice by its word, or the default.
    pub(super) fn word<T: Choice>(&mut self, key: &str, default: T) -> T {
        let Some(text) = self.get::<String>(key) else { return default };
        if let Some(value) = T::of_word(&text) {
            return value;
        }
        let at = self.reader.at(&self.path(key));
        let legal: Vec<String> = T::ALL.iter().map(ToString::to_string).collect();
        self.wrong(key, at, |path| {
            let near = nearest(&text, legal.iter().map(String::as_str));
            format!("`{path}` is {}; expected {}{}", quoted(&text), keys::list(&legal), did_you_mean(near))
        });
        default
    }

    /// A list of texts with their places, if it is written.
    pub(super) fn texts(&mut self, key: &str, longest: usize) -> Option<Vec<(String, At)>> {
        let entry = self.entry(key)?;
        let Value::Array(items) = &entry.node.value else {
            self.wrong(key, entry.node.at, |path| {
                format!("`{path}` is {}; expected a list of texts, `[\"…\", \"…\"]`", entry.node.describe())
            });
            return None;
        };
        if items.is_empty() || items.len() > longest {
            let found = items.len();
            self.wrong(key, entry.node.at, |path| {
                format!("`{path}` holds {found} texts; expected 1 to {longest}")
            });
            return None;
        }
        let mut texts = Vec::new();
        for item in items {
            match &item.value {
                Value::Text(text) => texts.push((text.clone(), item.at)),
                _ => self.wrong(key, item.at, |path| {
                    format!("`{path}` holds {}; expected a text", item.describe())
                }),
            }
        }
        Some(texts)
    }

    /// Notes a missing key, at the table's header.
    pub(super) fn missing(&mut self, key: &str, what: &str, example: &str) {
        let path = self.path(key);
        let at = self.reader.at(&self.path);
        self.reader.missing(&path, at, || {
            format!(
                "`{path}` is missing; expected {what}, such as `{key} = {example}` in [{}]",
                path_of_table(&path)
            )
        });
    }
}

fn path_of_table(path: &str) -> &str {
    path.rsplit_once('.').map_or("", |(table, _)| table)
}

/// A type that can be read from a value; `Err` names what was expected.
pub(super) trait Legible: Sized {
    fn read(node: &Node) -> Result<Self, String>;
}

macro_rules! legible_quantity {
    ($type:ty, $example:literal) => {
        impl Legible for $type {
            fn read(node: &Node) -> Result<Self, String> {
                let Value::Text(text) = &node.value else {
                    return Err(concat!($example, ", in quotes").to_owned());
                };
                let refused = |error: crate::plan::UnitError| match text.trim().strip_prefix('-') {
                    Some(rest) if rest.parse::<Self>().is_ok() => "no negative value".to_owned(),
                    _ => error.expected.to_owned(),
                };
                text.parse().map_err(refused)
            }
        }
    };
}

legible_quantity!(Rate, "a rate such as \"10k/s\"");
legible_quantity!(Span, "a duration such as \"100ms\"");
legible_quantity!(Size, "a size such as \"64MiB\"");
legible_quantity!(Share, "a share such as \"0.1%\"");

impl Legible for u64 {
    fn read(node: &Node) -> Result<Self, String> {
        match node.value {
            Value::Integer(Some(n)) => {
                Self::try_from(n).map_err(|_| "a number that is not negative".to_owned())
            }
            Value::Integer(None) => Err("at most 2^63 − 1".to_owned()),
            _ => Err("a whole number".to_owned()),
        }
    }
}

impl Legible for i64 {
    fn read(node: &Node) -> Result<Self, String> {
        match node.value {
            Value::Integer(Some(n)) => Ok(n),
            Value::Integer(None) => Err("at most 2^63 − 1".to_owned()),
            _ => Err("a whole number".to_owned()),
        }
    }
}

impl Legible for u32 {
    fn read(node: &Node) -> Result<Self, String> {
        Self::try_from(u64::read(node)?).map_err(|_| "less than 2^32".to_owned())
    }
}

impl Legible for f64 {
    fn read(node: &Node) -> Result<Self, String> {
        match node.value {
            Value::Float(x) if x.is_finite() => Ok(x),
            Value::Integer(Some(n)) => Ok(crate::num::f64_of_signed(n)),
            _ => Err("a number".to_owned()),
        }
    }
}

impl Legible for bool {
    fn read(node: &Node) -> Result<Self, String> {
        match node.value {
            Value::Boolean(b) => Ok(b),
            _ => Err("`true` or `false`".to_owned()),
        }
    }
}

impl Legible for String {
    fn read(node: &Node) -> Result<Self, String> {
        match &node.value {
            Value::Text(text) => Ok(text.clone()),
            _ => Err("a text, in quotes".to_owned()),
        }
    }
}
