//! Reads values: strings, numbers, lists, maps and variables.

use super::cursor::{is_blank, is_line_end};
use super::number::{Numeric, numeric};
use super::read::{INCLUDES, Problem, Read, Reader, VALUES, Within, read_at};
use super::{Item, Map, Place, Value};

impl Reader<'_, '_, '_> {
    pub(super) fn value(&mut self) -> Read<Item> {
        self.cursor.skip(is_blank);
        let place = self.cursor.place();
        self.world.values += 1;
        if self.world.values > VALUES {
            return self.wrong(format!("more than {VALUES} values"));
        }
        let start = self.cursor.mark();
        let of = |value| Item { value, place, written: None, by_variable: false };
        match self.cursor.peek() {
            Some('[') => self.list().map(of),
            Some('{') => self.map().map(of),
            Some('\'') => {
                self.cursor.next();
                self.until('\'').map(|text| of(Value::Text(text)))
            }
            Some('"') => {
                self.cursor.next();
                self.quoted().map(|text| of(Value::Text(text)))
            }
            Some('(') => self.text_block().map(|text| of(Value::Text(text))),
            Some('.') => self.expected("a digit before the `.` of a number"),
            Some(c) if is_line_end(c) => self.expected("a value"),
            Some(c) if c.is_ascii_digit() || c == '-' => match numeric(&mut self.cursor) {
                Ok(Numeric::Value(value)) => {
                    let written = Some(self.cursor.since(start).to_owned());
                    Ok(Item { written, ..of(value) })
                }
                Ok(Numeric::Text) => {
                    let begun = self.cursor.since(start).to_owned();
                    self.bare(begun).map(|(text, _)| of(Value::Text(text)))
                }
                Err(text) => Err(Problem { place, text }),
            },
            _ => self.word(place),
        }
    }

    /// A bare string, a boolean or a variable.
    fn word(&mut self, place: Place) -> Read<Item> {
        let (text, plain) = self.bare(String::new())?;
        let of = |value| Item { value, place, written: None, by_variable: false };
        if plain {
            match text.to_lowercase().as_str() {
                "true" | "yes" | "on" => return Ok(of(Value::Bool(true))),
                "false" | "no" | "off" => return Ok(of(Value::Bool(false))),
                _ => {}
            }
            if let Some(name) = text.strip_prefix('$') {
                return self.variable(name, place);
            }
        }
        Ok(of(Value::Text(text)))
    }

    /// Reads a bare string on; returns with it whether it may be a boolean or a variable.
    fn bare(&mut self, mut text: String) -> Read<(String, bool)> {
        let mut plain = text.is_empty();
        loop {
            match self.cursor.peek() {
                Some('\\') => {
                    self.cursor.next();
                    text.push(self.escape()?);
                    plain = false;
                }
                Some('\'') => {
                    self.cursor.next();
                    return Ok((text, false));
                }
                Some(c) if !is_line_end(c) && !is_blank(c) && !matches!(c, ';' | ',' | ']' | '}') => {
                    self.cursor.next();
                    text.push(c);
                }
                _ => return Ok((text, plain)),
            }
        }
    }

    fn quoted(&mut self) -> Read<String> {
        let mut text = String::new();
        loop {
            match self.cursor.next() {
                Some('"') => return Ok(text),
                Some('\\') => text.push(self.escape()?),
                Some(c) => text.push(c),
                None => return self.expected("the closing quote"),
            }
        }
    }

    fn escape(&mut self) -> Read<char> {
        let hex = |c: Option<char>| c.and_then(|c| c.to_digit(16)).and_then(|digit| u8::try_from(digit).ok());
        match self.cursor.next() {
            Some('t') => Ok('\t'),
            Some('n') => Ok('\n'),
            Some('r') => Ok('\r'),
            Some(c @ ('"' | '\\')) => Ok(c),
            Some('x') => match (hex(self.cursor.next()), hex(self.cursor.next())) {
                (Some(high), Some(low)) => Ok(char::from(high * 16 + low)),
                _ => self.wrong("expected two hexadecimal digits after `\\x`"),
            },
            _ => self.wrong("`\\` begins an escape: \\t, \\n, \\r, \\\", \\\\ or \\xXX"),
        }
    }

    /// Text from `(` to a `)` on a line of its own.
    fn text_block(&mut self) -> Read<String> {
        self.cursor.next();
        let start = self.cursor.mark();
        let mut before = '(';
        loop {
            let end = self.cursor.mark();
            match self.cursor.next() {
                None => return self.expected("a line `)` that closes the block"),
                Some(')') if before == '\n' && matches!(self.cursor.peek(), None | Some('\n')) => {
                    let text = self.cursor.since(start);
                    return Ok(text.get(..end - start).unwrap_or_default().to_owned());
                }
                Some(c) => before = c,
            }
        }
    }

    fn list(&mut self) -> Read<Value> {
        self.cursor.next();
        self.deeper()?;
        let mut items = vec![];
        loop {
            self.cursor.skip(char::is_whitespace);
            if self.cursor.comment() {
                continue;
            }
            match self.cursor.peek() {
                Some(']') => break,
                None | Some(',' | '/') => return self.expected("a value or `]`"),
                Some(_) => items.push(self.value()?),
            }
            if !self.list_goes_on()? {
                break;
            }
        }
        self.cursor.next();
        self.depth -= 1;
        Ok(Value::List(items))
    }

    /// Skips what follows a value in a list; returns whether another may follow.
    fn list_goes_on(&mut self) -> Read<bool> {
        loop {
            self.cursor.skip(is_blank);
            if self.cursor.comment() {
                continue;
            }
            return match self.cursor.peek() {
                Some(']') => Ok(false),
                Some(c) if is_line_end(c) || matches!(c, ',' | '/') => {
                    self.cursor.next();
                    Ok(true)
                }
                _ => self.expected("`,`, `]` or the end of the line after a value"),
            };
        }
    }

    fn map(&mut self) -> Read<Value> {
        self.cursor.next();
        self.deeper()?;
        self.scopes.push(Map::default());
        loop {
            self.cursor.skip(char::is_whitespace);
            if self.cursor.comment() {
                continue;
            }
            match self.cursor.peek() {
                Some('}') => break,
                None | Some(']') => return self.expected("a key or `}`"),
                // A single slash before a key is dropped.
                Some('/') => {
                    self.cursor.next();
                    self.entry(Within::Map)?;
                }
                Some(_) => {
                    self.entry(Within::Map)?;
                }
            }
            if !self.map_goes_on()? {
                break;
            }
        }
        self.cursor.next();
        self.depth -= 1;
        Ok(Value::Map(self.scopes.pop().unwrap_or_default()))
    }

    /// Skips what follows a value in a map; returns whether another key may follow.
    fn map_goes_on(&mut self) -> Read<bool> {
        loop {
            self.cursor.skip(is_blank);
            if self.cursor.comment() {
                continue;
            }
            return match self.cursor.peek() {
                Some('}') => Ok(false),
                Some(c) if is_line_end(c) || matches!(c, ',' | ';' | '/') => {
                    self.cursor.next();
                    Ok(true)
                }
                _ => self.expected("`,`, `}` or the end of the line after a value"),
            };
        }
    }

    // --- Variables.

    /// The value of a variable: of a key above in this map or in one around it, else of the environment.
    fn variable(&mut self, name: &str, place: Place) -> Read<Item> {
        // A hashed password begins like a variable.
        if name.starts_with("2a$") {
            let value = Value::Text(format!("${name}"));
            return Ok(Item { value, place, written: None, by_variable: false });
        }
        let found = self.scopes.iter_mut().rev().find_map(|scope| scope.exact(name));
        let item = if let Some(entry) = found {
            entry.referred = true;
            entry.item.clone()
        } else {
            self.environment(name, place)?
        };
        self.world.values += item.weight();
        if self.world.values > VALUES {
            return self.wrong(format!("more than {VALUES} values"));
        }
        Ok(Item { place, by_variable: true, ..item })
    }

    fn environment(&mut self, name: &str, place: Place) -> Read<Item> {
        let problem = |text: String| Problem { place, text };
        let missing = || {
            problem(format!(
                "the variable ${name} is not defined: no key `{name}` above it, and no such environment variable; a string \
                 that begins with `$` needs quotes"
            ))
        };
        if self.includes >= INCLUDES || !self.world.open.insert(name.to_owned()) {
            return Err(problem(format!("the variable ${name} refers to itself")));
        }
        let text = (self.world.variable)(name).ok_or_else(missing)?;
        let read = read_at(&format!("${name}"), &format!("pk={text}"), self.world, self.includes + 1);
        self.world.open.remove(name);
        let mut map = read.map_err(|inner| problem(format!("the variable ${name}: {}", inner.text)))?;
        map.exact("pk").map(|entry| entry.item.clone()).ok_or_else(missing)
    }
}
