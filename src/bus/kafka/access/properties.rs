//! The grammar of `java.util.Properties`: parses a file's bytes into keys and values.
//!
//! It reads a file as `Properties.load(InputStream)` does, which is how Kafka's own tools load a `client.properties`:
//! in ISO-8859-1, with continued lines, three kinds of separators, escapes and `\uXXXX`.

/// One entry, in file order. A key may occur more than once; the last one counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The key, without escapes.
    pub key: String,
    /// The value, without escapes.
    pub value: String,
    /// The line on which it begins, from 1.
    pub line: usize,
}

/// Why a file cannot be read as properties.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// `\u` without four hexadecimal digits.
    #[error("line {line}: `\\u` needs four hexadecimal digits (a backslash itself is written as `\\\\`)")]
    Escape {
        /// The line on which the entry begins.
        line: usize,
    },
    /// The byte order mark that some editors write before the first character.
    #[error(
        "the file begins with a byte order mark, which Java takes as a part of the first key; save it without the mark"
    )]
    ByteOrderMark,
}

/// Returns all entries of a file.
///
/// # Errors
/// When Java would refuse the file, or would read a first key that differs from the written one.
pub fn parse(bytes: &[u8]) -> Result<Vec<Entry>, Malformed> {
    if bytes.starts_with(b"\xef\xbb\xbf") {
        return Err(Malformed::ByteOrderMark);
    }
    let mut lines = Lines { bytes, at: 0, line: 1 };
    let mut entries = Vec::new();
    while let Some((text, line)) = lines.next() {
        let (key, value) = split(&text);
        let malformed = Malformed::Escape { line };
        let key = unescaped(key).ok_or(malformed)?;
        let value = unescaped(value).ok_or(malformed)?;
        entries.push(Entry { key, value, line });
    }
    Ok(entries)
}

const fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\x0c')
}

const fn ends_a_line(byte: u8) -> bool {
    matches!(byte, b'\r' | b'\n')
}

/// Reads logical lines: comments and empty lines are left out, continued lines are joined.
struct Lines<'a> {
    bytes: &'a [u8],
    at: usize,
    line: usize,
}

impl Lines<'_> {
    /// Takes the next byte; `\r\n` counts as one line.
    fn take(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        let first_of_two = byte == b'\r' && self.bytes.get(self.at) == Some(&b'\n');
        if ends_a_line(byte) && !first_of_two {
            self.line += 1;
        }
        Some(byte)
    }

    /// Returns the next logical line, and the line on which it begins.
    fn next(&mut self) -> Option<(Vec<u8>, usize)> {
        let mut text = Vec::new();
        let mut begins = self.line;
        let (mut skips, mut continued, mut escaped) = (true, false, false);
        loop {
            let line = self.line;
            let Some(byte) = self.take() else {
                // A backslash at the end of the file escapes nothing.
                if escaped {
                    text.pop();
                    return Some((text, begins));
                }
                return (!text.is_empty()).then_some((text, begins));
            };
            if skips {
                if is_blank(byte) || !continued && ends_a_line(byte) {
                    continue;
                }
                (skips, continued) = (false, false);
            }
            if text.is_empty() {
                begins = line;
                if matches!(byte, b'#' | b'!') {
                    while self.take().is_some_and(|byte| !ends_a_line(byte)) {}
                    skips = true;
                    continue;
                }
            }
            if !ends_a_line(byte) {
                text.push(byte);
                escaped = byte == b'\\' && !escaped;
            } else if text.is_empty() {
                skips = true;
            } else if escaped {
                text.pop();
                // A continued line at the end of the file ends there, even if it is empty.
                if self.at == self.bytes.len() {
                    return Some((text, begins));
                }
                (skips, continued, escaped) = (true, true, false);
                if byte == b'\r' && self.bytes.get(self.at) == Some(&b'\n') {
                    self.take();
                }
            } else {
                return Some((text, begins));
            }
        }
    }
}

/// Splits a logical line into key and value, still escaped. The key ends at the first unescaped separator; blanks
/// around one `=` or `:` belong to neither.
fn split(text: &[u8]) -> (&[u8], &[u8]) {
    let mut escaped = false;
    let end = text.iter().position(|&byte| {
        let separates = (matches!(byte, b'=' | b':') || is_blank(byte)) && !escaped;
        escaped = byte == b'\\' && !escaped;
        separates
    });
    let (key, rest) = text.split_at(end.unwrap_or(text.len()));
    let mut separated = false;
    let begins = rest.iter().position(|&byte| {
        let first = matches!(byte, b'=' | b':') && !separated;
        separated |= first;
        !first && !is_blank(byte)
    });
    (key, &rest[begins.unwrap_or(rest.len())..])
}

/// Returns the text without its escapes. Java uses UTF-16, so two `\u` may form one character.
fn unescaped(text: &[u8]) -> Option<String> {
    let mut units = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(&byte) = rest.next() {
        if byte != b'\\' {
            units.push(u16::from(byte));
            continue;
        }
        match rest.next() {
            Some(b'u') => {
                let digits = rest.as_slice().get(..4)?;
                let value = digits
                    .iter()
                    .try_fold(0, |value, &digit| Some(value << 4 | char::from(digit).to_digit(16)?))?;
                units.push(u16::try_from(value).ok()?);
                rest = rest.as_slice()[4..].iter();
            }
            Some(b't') => units.push(9),
            Some(b'n') => units.push(10),
            Some(b'f') => units.push(12),
            Some(b'r') => units.push(13),
            Some(&other) => units.push(u16::from(other)),
            None => {}
        }
    }
    Some(String::from_utf16_lossy(&units))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(String, String)> {
        let entries = parse(text.as_bytes()).unwrap();
        entries.into_iter().map(|Entry { key, value, .. }| (key, value)).collect()
    }

    #[test]
    fn every_form_of_a_line_is_read_as_java_reads_it() {
        for (text, key, value) in [
            ("a=b", "a", "b"),
            ("a = b ", "a", "b "),
            ("a:b", "a", "b"),
            ("a b", "a", "b"),
            ("  a \t = \x0c b", "a", "b"),
            ("a==b", "a", "=b"),
            ("a : = b", "a", "= b"),
            ("a", "a", ""),
            ("=b", "", "b"),
            ("a\\=b\\:c\\ d=e", "a=b:c d", "e"),
            ("a=b\\\n   c", "a", "bc"),
            ("a=b\\\r\n\tc\\\rd", "a", "bcd"),
            ("a=b \\\n # c", "a", "b # c"),
            ("a=b\\\\\n", "a", "b\\"),
            ("a=b\\\\\\\nc", "a", "b\\c"),
            ("a=b\\", "a", "b"),
            ("a=b\\\n\n", "a", "b"),
            ("# c\\\n! d\n\n \r\na=b", "a", "b"),
            ("a=\\t\\n\\r\\f\\x\\\"\\'", "a", "\t\n\r\x0cx\"'"),
            ("a=\\u0041\\u00e4\\ud83d\\ude00\\u20AC", "a", "A\u{e4}\u{1f600}\u{20ac}"),
            ("a=# no comment", "a", "# no comment"),
        ] {
            assert_eq!(read(text), [(key.to_owned(), value.to_owned())], "{text:?}");
        }
        assert_eq!(read("\\"), [(String::new(), String::new())]);
        assert_eq!(read("# only\n\n"), []);
        assert_eq!(parse(b"a=\xe4\xff").unwrap()[0].value, "\u{e4}\u{ff}", "ISO-8859-1");
        assert_eq!(parse("a=\u{e4}".as_bytes()).unwrap()[0].value, "\u{c3}\u{a4}", "in UTF-8 too");
    }

    #[test]
    fn lines_are_counted_and_what_java_refuses_is_refused() {
        let entries = parse(b"# x\r\n\r\na=1\\\r\n2\nb=3\n\n!\nc").unwrap();
        let lines: Vec<_> = entries.iter().map(|entry| (entry.key.as_str(), entry.line)).collect();
        assert_eq!(lines, [("a", 3), ("b", 5), ("c", 8)]);
        for bad in ["a=1\nb=\\u12", "a=1\nb=C:\\users", "a=1\n\\uxxxx=2"] {
            assert_eq!(parse(bad.as_bytes()), Err(Malformed::Escape { line: 2 }), "{bad}");
        }
        assert_eq!(parse(b"\xef\xbb\xbfa=1"), Err(Malformed::ByteOrderMark));
    }
}
