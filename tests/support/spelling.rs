//! Ways to write a properties file: every pair of a key and a value can be spelled in many, and Java reads one.

use std::fmt::Write as _;

use super::draw::Draw;

const SEPARATORS: [&str; 8] = ["=", ":", " ", " = ", "\t:\t", "=  ", "\x0c", "  :"];
const ENDS: [&str; 3] = ["\n", "\r\n", "\r"];
const BETWEEN: [&str; 6] = ["# a=b \\", "! \u{e9}", "", " \t", "\x0c", "   # \\u12"];

/// Writes pairs as a file, in this order, each in a drawn spelling. Values may be continued on lines of their own.
pub fn file(draw: &mut Draw, pairs: &[(String, String)]) -> String {
    let mut text = String::new();
    for (key, value) in pairs {
        while draw.one_in(4) {
            text.push_str(draw.of(&BETWEEN));
            text.push_str(draw.of(&ENDS));
        }
        text.push_str(draw.of(&["", "", " ", "\t", " \x0c"]));
        spell(draw, &mut text, key, true);
        text.push_str(draw.of(&SEPARATORS));
        spell(draw, &mut text, value, false);
        text.push_str(draw.of(&ENDS));
    }
    if draw.one_in(4) {
        // The end of a file ends a line, too.
        text.truncate(text.trim_end_matches(['\r', '\n']).len());
    }
    text
}

fn spell(draw: &mut Draw, text: &mut String, word: &str, is_key: bool) {
    // What could be taken for a part of the separator, or for a comment.
    let mut first = true;
    for c in word.chars() {
        if !first && draw.one_in(24) {
            text.push('\\');
            text.push_str(draw.of(&ENDS));
            text.push_str(draw.of(&["", "  ", "\t", " \x0c "]));
            first = true;
        }
        let begins = first && (matches!(c, ' ' | '=' | ':') || is_key && matches!(c, '#' | '!'));
        match c {
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            c if draw.one_in(16) || !c.is_ascii() => utf16(draw, text, c),
            ' ' | '=' | ':' if is_key => text.extend(['\\', c]),
            c if begins => text.extend(['\\', c]),
            '"' | '\'' | '-' | '.' | ';' if draw.one_in(4) => text.extend(['\\', c]),
            c => text.push(c),
        }
        first = false;
    }
}

fn utf16(draw: &mut Draw, text: &mut String, c: char) {
    let upper = draw.one_in(2);
    for unit in c.encode_utf16(&mut [0; 2]) {
        let digits = if upper { format!("{unit:04X}") } else { format!("{unit:04x}") };
        text.push_str("\\u");
        text.push_str(&digits);
    }
}

/// Writes a value as a login's options have it: in one of two kinds of quotes, some characters escaped.
pub fn quoted(draw: &mut Draw, value: &str) -> String {
    let quote = draw.of(&['"', '\'']);
    let mut text = String::from(quote);
    for c in value.chars() {
        match c {
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            c if c == quote => text.extend(['\\', c]),
            c if c.is_ascii_graphic() && draw.one_in(16) => write!(text, "\\{:03o}", u32::from(c)).unwrap(),
            c => text.push(c),
        }
    }
    text.push(quote);
    text
}

/// Writes a login: module, flag and options, with blanks and comments between.
pub fn login(draw: &mut Draw, module: &str, options: &[(String, String)]) -> String {
    let mut text = format!("{module} {}", draw.of(&["required", "REQUIRED", "optional", "Sufficient"]));
    for (key, value) in options {
        text.push_str(draw.of(&[" ", "  ", "\n", " /* x=\"y\"; */ ", "\t// it's\n"]));
        text.push_str(key);
        text.push_str(draw.of(&["=", " = ", "= "]));
        text.push_str(&quoted(draw, value));
    }
    text + draw.of(&[";", " ;", " ; // end", "\n;\n"])
}
