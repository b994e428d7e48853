//! The errors of a profile: collected while it is read, sorted by place, shown as a compiler shows them.

use std::fmt;

use super::place::{At, Text, harmless};

/// How many errors are shown; the others are counted.
const SHOWN: usize = 50;
/// How many errors are kept to choose these from; beyond it they are only counted.
const KEPT: usize = 1_000;

/// One mistake, and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProfileError {
    /// The file, or `--set`.
    pub source: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// The problem, what was expected and, where one is close, the legal word.
    pub message: String,
    excerpt: String,
    caret: (usize, usize),
}

/// Every mistake of a profile, in the order of their places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProfileErrors {
    /// The first ones, at most 50.
    pub errors: Vec<ProfileError>,
    /// How many more there are.
    pub more: usize,
}

/// A mistake while it is collected.
#[derive(Debug, Clone)]
pub(super) struct Mistake {
    pub(super) at: At,
    pub(super) message: String,
}

/// The collection.
#[derive(Debug, Default)]
pub(super) struct Mistakes {
    pub(super) kept: Vec<Mistake>,
    pub(super) beyond: usize,
}

impl Mistakes {
    /// Adds a mistake; the message is only made if there is room for it.
    pub(super) fn add(&mut self, at: At, message: impl FnOnce() -> String) {
        if self.kept.len() < KEPT {
            self.kept.push(Mistake { at, message: message() });
        } else {
            self.beyond += 1;
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// Sorts them by place and shows them.
    pub(super) fn show(mut self, texts: &[Text]) -> ProfileErrors {
        self.kept.sort_by_key(|mistake| (mistake.at.text, mistake.at.start));
        self.kept.dedup_by(|a, b| a.at == b.at && a.message == b.message);
        let more = self.beyond + self.kept.len().saturating_sub(SHOWN);
        let shown = self.kept.into_iter().take(SHOWN);
        let errors = shown
            .filter_map(|mistake| {
                texts.get(mistake.at.text).map(|text| ProfileError::new(text, mistake.at, &mistake.message))
            })
            .collect();
        ProfileErrors { errors, more }
    }
}

impl ProfileError {
    fn new(text: &Text, at: At, message: &str) -> Self {
        let shown = text.show(at);
        Self {
            source: text.name.clone(),
            line: shown.line,
            column: shown.column,
            message: harmless(message),
            excerpt: shown.excerpt,
            caret: shown.caret,
        }
    }
}

impl ProfileErrors {
    /// A single error at a byte of a text.
    pub(super) fn one(name: &str, text: &str, byte: usize, message: &str) -> Self {
        let at = At { text: 0, start: byte, end: byte };
        Self { errors: vec![ProfileError::new(&Text::new(name, text), at, message)], more: 0 }
    }
}

impl fmt::Display for ProfileError {
    /// `file:line:column: message`, and below it the line with a caret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { source, line, column, message, excerpt, caret: (before, length) } = self;
        let (gutter, prompt) = if source == "--set" {
            writeln!(f, "--set, column {column}: {message}")?;
            (String::new(), "--set ")
        } else {
            writeln!(f, "{source}:{line}:{column}: {message}")?;
            (line.to_string(), "")
        };
        let margin = " ".repeat(gutter.len());
        writeln!(f, "{margin} |\n{gutter} | {prompt}{}", excerpt.trim_end())?;
        write!(f, "{margin} | {}{}", " ".repeat(before + prompt.len()), "^".repeat(*length))
    }
}

impl fmt::Display for ProfileErrors {
    /// The errors, a blank line between them, and how many more there are.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.errors.iter().enumerate() {
            write!(f, "{}{error}", if index == 0 { "" } else { "\n\n" })?;
        }
        if self.more > 0 { write!(f, "\n\nand {} more", self.more) } else { Ok(()) }
    }
}

impl std::error::Error for ProfileError {}
impl std::error::Error for ProfileErrors {}
