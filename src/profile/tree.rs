//! A profile as a tree in which every key and value knows its place.
//!
//! The parser goes on after a mistake, so that one missing quote does not hide the errors behind it.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::place::{At, quoted};
use super::section::Reader;

/// A table, in the order of its keys.
#[derive(Debug, Clone, Default)]
pub(super) struct Table {
    pub(super) entries: Vec<Entry>,
}

/// A key and its value.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) key_at: At,
    pub(super) node: Node,
}

/// A value.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) at: At,
    pub(super) value: Value,
}

/// The kind of a value.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Text(String),
    /// `None` where it does not fit 64 bits.
    Integer(Option<i64>),
    Float(f64),
    Boolean(bool),
    Date(String),
    Array(Vec<Node>),
    Table(Table),
}

impl Table {
    pub(super) fn get(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    pub(super) fn get_mut(&mut self, key: &str) -> Option<&mut Entry> {
        self.entries.iter_mut().find(|entry| entry.key == key)
    }

    /// Sets a key, in its old place if it has one.
    pub(super) fn set(&mut self, entry: Entry) {
        match self.get_mut(&entry.key) {
            Some(old) => *old = entry,
            None => self.entries.push(entry),
        }
    }

    /// Tables in this table become keys with dots: `latency.p99 = …` and `"latency.p99" = …` are the same.
    pub(super) fn flatten(&mut self) {
        let entries = std::mem::take(&mut self.entries);
        self.entries = entries.into_iter().flat_map(Entry::flatten).collect();
    }
}

impl Entry {
    fn flatten(self) -> Vec<Self> {
        let Self { key, key_at, node } = self;
        match node.value {
            Value::Table(table) if !table.entries.is_empty() => {
                let inner = table.entries.into_iter().flat_map(Self::flatten);
                inner
                    .map(|entry| Self {
                        key: format!("{key}.{}", entry.key),
                        key_at: if key_at.start < entry.key_at.start {
                            key_at.to(entry.key_at)
                        } else {
                            entry.key_at
                        },
                        node: entry.node,
                    })
                    .collect()
            }
            value => vec![Self { key, key_at, node: Node { at: node.at, value } }],
        }
    }
}

impl Node {
    /// Its description in messages: `the integer 5`, `a table`.
    pub(super) fn describe(&self) -> String {
        match &self.value {
            Value::Text(text) => format!("the text {}", quoted(text)),
            Value::Integer(Some(n)) => format!("the integer {n}"),
            Value::Integer(None) => "an integer that does not fit 64 bits".to_owned(),
            Value::Float(x) => format!("the number {x}"),
            Value::Boolean(b) => format!("`{b}`"),
            Value::Date(date) => format!("the date {}", quoted(date)),
            Value::Array(_) => "a list".to_owned(),
            Value::Table(_) => "a table".to_owned(),
        }
    }

    /// From the parser's tree; spans are moved by `offset`.
    pub(super) fn new(value: &Spanned<DeValue<'_>>, text: usize, offset: usize) -> Self {
        let span = value.span();
        let at = At::new(text, &(span.start + offset..span.end + offset));
        let value = match value.get_ref() {
            DeValue::String(text) => Value::Text(text.to_string()),
            DeValue::Integer(n) => Value::Integer(i64::from_str_radix(n.as_str(), n.radix()).ok()),
            DeValue::Float(x) => Value::Float(x.as_str().parse().unwrap_or(f64::NAN)),
            DeValue::Boolean(b) => Value::Boolean(*b),
            DeValue::Datetime(date) => Value::Date(date.to_string()),
            DeValue::Array(items) => {
                Value::Array(items.iter().map(|item| Self::new(item, text, offset)).collect())
            }
            DeValue::Table(table) => Value::Table(Table::new(table, text, offset)),
        };
        Self { at, value }
    }
}

impl Table {
    fn new(table: &DeTable<'_>, text: usize, offset: usize) -> Self {
        let entries = table.iter().map(|(key, value)| {
            let span = key.span();
            Entry {
                key: key.get_ref().to_string(),
                key_at: At::new(text, &(span.start + offset..span.end + offset)),
                node: Node::new(value, text, offset),
            }
        });
        Self { entries: entries.collect() }
    }
}

/// Parses the file; mistakes against TOML go to the reader.
pub(super) fn parse(reader: &mut Reader) -> Table {
    let text = reader.text(0).to_owned();
    let (document, errors) = DeTable::parse_recoverable(&text);
    for error in errors {
        let span = error.span().unwrap_or_default();
        let at = At::new(0, &span);
        reader.syntax(at, || syntax_message(error.message(), text.get(span).unwrap_or_default()));
    }
    let mut root = Table::new(document.get_ref(), 0, 0);
    for key in ["objectives", "mix"] {
        if let Some(Entry { node: Node { value: Value::Table(table), .. }, .. }) = root.get_mut(key) {
            table.flatten();
        }
    }
    root
}

/// The parser's message, and what to do about the commonest mistakes.
pub(super) fn syntax_message(message: &str, found: &str) -> String {
    let hint =
        if message.starts_with("string values must be quoted") && !found.is_empty() && !found.contains('"') {
            format!("; write \"{}\"", quoted(found).trim_matches('`'))
        } else if message.starts_with("cannot extend value") {
            "; put a key that holds dots in quotes".to_owned()
        } else {
            String::new()
        };
    format!("no valid TOML: {message}{hint}")
}
