//! The configuration format of nats-server: text in, values with their places out.
//!
//! The reader accepts what the server's parser accepts, its surprises included (`2m` without quotes is the number
//! 2,000,000), since a lint has to see a file as the server does. Files and environment variables come in by closures.

mod cursor;
mod number;
mod read;
mod value;

pub use read::{Load, Problem, World, read};

/// A place in a file that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Place {
    /// Index of the file in [`World::files`].
    pub file: usize,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A string, quoted or bare.
    Text(String),
    /// `true`, `yes`, `on` and their opposites, unquoted.
    Bool(bool),
    /// A whole number, its suffix applied.
    Whole(i64),
    /// A number with a fraction.
    Fraction(f64),
    /// A date and time, as written.
    Date(String),
    /// A list.
    List(Vec<Item>),
    /// A map.
    Map(Map),
}

/// A value at its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// The value.
    pub value: Value,
    /// Where it is written.
    pub place: Place,
    /// The value as written, where it is a number.
    pub written: Option<String>,
    /// Whether it comes from a variable.
    pub by_variable: bool,
}

impl Item {
    /// Returns the text, if it is one.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        if let Value::Text(text) = &self.value { Some(text) } else { None }
    }

    /// Returns the map, if it is one.
    #[must_use]
    pub const fn map(&self) -> Option<&Map> {
        if let Value::Map(map) = &self.value { Some(map) } else { None }
    }

    /// Returns the items of a list; empty if it is none.
    #[must_use]
    pub fn list(&self) -> &[Item] {
        if let Value::List(items) = &self.value { items } else { &[] }
    }

    /// Returns how many values it holds, itself included.
    fn weight(&self) -> usize {
        let below = match &self.value {
            Value::List(items) => items.iter().map(Self::weight).sum(),
            Value::Map(map) => map.entries.iter().map(|entry| entry.item.weight()).sum(),
            _ => 0,
        };
        below + 1
    }
}

/// A key and its value.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The key, as written.
    pub key: String,
    /// Where the key is written.
    pub place: Place,
    /// The value.
    pub item: Item,
    /// Whether a `$KEY` refers to it, so that the server accepts it under any name.
    pub referred: bool,
}

/// The entries of a map in the order of the file.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Map {
    /// All entries. Of several with the same key the last one counts.
    pub entries: Vec<Entry>,
}

impl Map {
    /// Returns the entry that counts, by any of a key's names in any case.
    #[must_use]
    pub fn get(&self, names: &[&str]) -> Option<&Entry> {
        self.entries.iter().rev().find(|entry| names.iter().any(|name| entry.key.eq_ignore_ascii_case(name)))
    }

    /// Returns the entry with exactly this key.
    fn exact(&mut self, key: &str) -> Option<&mut Entry> {
        self.entries.iter_mut().rev().find(|entry| entry.key == key)
    }
}

#[cfg(test)]
mod tests;
