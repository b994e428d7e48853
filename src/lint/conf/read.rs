//! Reads a file and the files that it includes.

use std::collections::BTreeSet;

use super::cursor::{Cursor, is_blank, is_line_end, is_separator};
use super::{Entry, Map, Place};

/// Maximum size of a file, bytes.
const LARGEST: usize = 1 << 20;
/// Maximum depth of nested maps and lists.
const DEEPEST: usize = 64;
/// Maximum depth of nested includes and variables.
pub(super) const INCLUDES: usize = 8;
/// Maximum number of files and variables.
const FILES: usize = 64;
/// Maximum number of values, those that variables repeat included.
pub(super) const VALUES: usize = 200_000;

/// Why a file cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub place: Place,
    /// What is wrong.
    pub text: String,
}

/// What a file refers to, and the names of the files that were read.
pub struct World<'a> {
    include: &'a Load<'a>,
    pub(super) variable: &'a dyn Fn(&str) -> Option<String>,
    /// Names of the files, by [`Place::file`].
    pub files: Vec<String>,
    /// Variables that are being read.
    pub(super) open: BTreeSet<String>,
    pub(super) values: usize,
}

/// Returns name and text of an included file, from the including file's name and the path as written.
pub type Load<'a> = dyn Fn(&str, &str) -> Result<(String, String), String> + 'a;

impl<'a> World<'a> {
    /// Takes how to load an included file and how to look up an environment variable.
    #[must_use]
    pub fn new(include: &'a Load<'a>, variable: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self { include, variable, files: vec![], open: BTreeSet::new(), values: 0 }
    }
}

/// Reads a configuration; `name` is the file's.
///
/// # Errors
/// When the server's parser would refuse the text, or when it is beyond the limits of size and depth.
pub fn read(name: &str, text: &str, world: &mut World<'_>) -> Result<Map, Problem> {
    read_at(name, text, world, 0)
}

pub(super) fn read_at(
    name: &str,
    text: &str,
    world: &mut World<'_>,
    includes: usize,
) -> Result<Map, Problem> {
    let file = world.files.len();
    world.files.push(name.to_owned());
    let at = |text: String| Problem { place: Place { file, line: 1, column: 1 }, text };
    if text.len() > LARGEST {
        return Err(at("the file is larger than 1 MiB".into()));
    }
    if text.contains('\0') {
        return Err(at("the file has a NUL byte in it; is it text?".into()));
    }
    if world.files.len() > FILES {
        return Err(at(format!("more than {FILES} files and variables are included")));
    }
    let cursor = Cursor::new(text, file);
    let mut reader = Reader { cursor, world, scopes: vec![Map::default()], depth: 0, includes };
    reader.top()?;
    Ok(reader.scopes.swap_remove(0))
}

/// Where a key is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Within {
    /// At the top, or in braces around the whole file.
    Top,
    Map,
}

/// How a block at the top goes on.
pub(super) enum Flow {
    Closed,
    /// The text has ended, which closes all blocks.
    End,
}

/// A key, or an included file, which is done.
enum Key {
    Of(String, Place),
    Included,
}

pub(super) struct Reader<'a, 'w, 'f> {
    pub(super) cursor: Cursor<'a>,
    pub(super) world: &'w mut World<'f>,
    /// The maps that are open, the outermost first.
    pub(super) scopes: Vec<Map>,
    pub(super) depth: usize,
    pub(super) includes: usize,
}

pub(super) type Read<T> = Result<T, Problem>;

impl Reader<'_, '_, '_> {
    pub(super) fn wrong<T>(&self, text: impl Into<String>) -> Read<T> {
        Err(Problem { place: self.cursor.place(), text: text.into() })
    }

    pub(super) fn expected<T>(&self, what: &str) -> Read<T> {
        match self.cursor.peek() {
            Some(c) if is_line_end(c) => self.wrong(format!("expected {what}, found the end of the line")),
            Some(c) => self.wrong(format!("expected {what}, found `{}`", c.escape_default())),
            None => self.wrong(format!("expected {what}, found the end of the file")),
        }
    }

    pub(super) fn deeper(&mut self) -> Read<()> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return self.wrong(format!("maps and lists are nested more than {DEEPEST} deep"));
        }
        Ok(())
    }

    // --- The top, and braces around it.

    fn top(&mut self) -> Read<()> {
        loop {
            self.cursor.skip(char::is_whitespace);
            if self.cursor.comment() {
                continue;
            }
            match self.cursor.peek() {
                None => return Ok(()),
                Some('{') => {
                    self.cursor.next();
                    if matches!(self.block()?, Flow::End) {
                        return Ok(());
                    }
                }
                Some('/') => return self.expected("a key"),
                Some(_) => {
                    if matches!(self.entry(Within::Top)?, Flow::End) {
                        return Ok(());
                    }
                    self.end_of_top_value()?;
                }
            }
        }
    }

    fn end_of_top_value(&mut self) -> Read<()> {
        loop {
            if self.cursor.comment() {
                return Ok(());
            }
            match self.cursor.peek() {
                None => return Ok(()),
                Some(c) if is_line_end(c) || matches!(c, ';' | ',' | '}') => {
                    self.cursor.next();
                    return Ok(());
                }
                Some(c) if is_blank(c) || c == '/' => {
                    self.cursor.next();
                }
                Some(_) => return self.expected("the end of the line after a value"),
            }
        }
    }

    /// Braces around entries at the top, as in JSON: they hold the same map.
    fn block(&mut self) -> Read<Flow> {
        self.deeper()?;
        loop {
            self.cursor.skip(char::is_whitespace);
            if self.cursor.comment() {
                continue;
            }
            match self.cursor.peek() {
                None => return Ok(Flow::End),
                Some('}') => {
                    self.cursor.next();
                    self.depth -= 1;
                    return Ok(Flow::Closed);
                }
                Some('/') => return self.expected("a key"),
                Some('{') => {
                    self.cursor.next();
                    if matches!(self.block()?, Flow::End) {
                        return Ok(Flow::End);
                    }
                }
                Some(_) => {
                    if matches!(self.entry(Within::Top)?, Flow::End) {
                        return Ok(Flow::End);
                    }
                }
            }
            if self.end_of_block_value()? {
                self.depth -= 1;
                return Ok(Flow::Closed);
            }
        }
    }

    /// Returns whether the block is closed.
    fn end_of_block_value(&mut self) -> Read<bool> {
        loop {
            if self.cursor.comment() {
                continue;
            }
            match self.cursor.peek() {
                Some('}') => {
                    self.cursor.next();
                    return Ok(true);
                }
                Some(c) if is_line_end(c) || matches!(c, ';' | ',') => {
                    self.cursor.next();
                    return Ok(false);
                }
                Some(c) if is_blank(c) || c == '/' => {
                    self.cursor.next();
                }
                _ => return self.expected("the end of the line or `}` after a value"),
            }
        }
    }

    // --- Keys.

    /// Reads a key with its value into the innermost map.
    pub(super) fn entry(&mut self, within: Within) -> Read<Flow> {
        let (key, place) = match self.key(within)? {
            Key::Included => return Ok(Flow::Closed),
            Key::Of(key, place) => (key, place),
        };
        self.cursor.skip(char::is_whitespace);
        match self.cursor.peek() {
            Some(c) if is_separator(c) => {
                self.cursor.next();
                if within == Within::Map {
                    self.cursor.skip(char::is_whitespace);
                }
            }
            None if within == Within::Top => {
                // A brace too many at the end is ignored.
                return if key == "}" { Ok(Flow::End) } else { self.expected("a value") };
            }
            _ => {}
        }
        if within == Within::Map && matches!(self.cursor.peek(), Some(',' | '}')) {
            return self.wrong(format!("the key `{key}` has no value"));
        }
        let item = self.value()?;
        if let Some(scope) = self.scopes.last_mut() {
            scope.entries.push(Entry { key, place, item, referred: false });
        }
        Ok(Flow::Closed)
    }

    fn key(&mut self, within: Within) -> Read<Key> {
        let place = self.cursor.place();
        match self.cursor.peek() {
            Some(c) if is_separator(c) => return self.expected("a key"),
            Some(quote @ ('"' | '\'')) => {
                self.cursor.next();
                let key = self.until(quote)?;
                return Ok(Key::Of(key, place));
            }
            _ => {}
        }
        let start = self.cursor.mark();
        self.cursor.next();
        self.cursor.skip(|c| !c.is_whitespace() && !is_separator(c));
        let key = self.cursor.since(start);
        match self.cursor.peek() {
            Some(c) if c.is_whitespace() && key.eq_ignore_ascii_case("include") => {
                self.include()?;
                Ok(Key::Included)
            }
            None if within == Within::Map => self.expected("`:` or a value after the key"),
            _ => Ok(Key::Of(key.to_owned(), place)),
        }
    }

    pub(super) fn until(&mut self, quote: char) -> Read<String> {
        let start = self.cursor.mark();
        self.cursor.skip(|c| c != quote);
        let text = self.cursor.since(start).to_owned();
        match self.cursor.next() {
            Some(_) => Ok(text),
            None => self.expected("the closing quote"),
        }
    }

    fn include(&mut self) -> Read<()> {
        self.cursor.skip(is_blank);
        let place = self.cursor.place();
        let path = match self.cursor.peek() {
            Some(quote @ ('"' | '\'')) => {
                self.cursor.next();
                self.until(quote)?
            }
            Some(c) if c.is_ascii_digit() || is_line_end(c) || "[{(-\\".contains(c) => {
                return self.expected("a path after `include`");
            }
            _ => {
                let start = self.cursor.mark();
                self.cursor.skip(|c| !is_line_end(c) && !is_blank(c) && !matches!(c, ';' | '}' | '\''));
                let path = self.cursor.since(start).to_owned();
                if self.cursor.peek() == Some('\'') {
                    self.cursor.next();
                }
                path
            }
        };
        let problem = |text: String| Problem { place, text };
        if self.includes >= INCLUDES {
            return Err(problem(format!(
                "includes are nested more than {INCLUDES} deep; does a file include itself?"
            )));
        }
        let from = self.world.files.get(place.file).cloned().unwrap_or_default();
        let (name, text) = (self.world.include)(&from, &path).map_err(problem)?;
        let included = read_at(&name, &text, self.world, self.includes + 1)?;
        if let Some(scope) = self.scopes.last_mut() {
            scope.entries.extend(included.entries);
        }
        Ok(())
    }
}
