//! Parses a template, JSON text with `{{placeholders}}`, into pieces or a list of all its mistakes.

use std::ops::Range;

use super::fields::{FIELDS, Field};
use crate::plan::grammar::{did_you_mean, list, nearest};

/// A mistake in a template or a sample, with its position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Byte range in the text.
    pub at: Range<usize>,
    /// The mistake, and what was expected.
    pub message: String,
}

impl Fault {
    pub(super) fn new(at: Range<usize>, message: impl Into<String>) -> Self {
        Self { at, message: message.into() }
    }
}

/// A part of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    /// Text that is the same in every event.
    Text(Box<[u8]>),
    /// A value that changes with the event.
    Value { field: Field, quoted: bool },
}

/// A placeholder at its position in the template.
struct Found {
    at: Range<usize>,
    field: Option<Field>,
    in_string: bool,
}

/// Splits a template into pieces.
pub(super) fn pieces(text: &str) -> Result<Vec<Piece>, Vec<Fault>> {
    let mut faults = Vec::new();
    let found = placeholders(text, &mut faults);
    once(&found, &mut faults);
    if let Some(fault) = syntax(text, &found) {
        faults.push(fault);
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    let mut pieces = Vec::new();
    let mut from = 0;
    for Found { at, field, in_string } in &found {
        pieces.extend(literal(&text[from..at.start]));
        if let Some(field) = *field {
            pieces.push(Piece::Value { field, quoted: field.is_text() && !in_string });
        }
        from = at.end;
    }
    pieces.extend(literal(&text[from..]));
    Ok(pieces)
}

pub(super) fn literal(text: &str) -> Option<Piece> {
    (!text.is_empty()).then(|| Piece::Text(text.as_bytes().into()))
}

/// Finds all placeholders, including those with an unknown name.
fn placeholders(text: &str, faults: &mut Vec<Fault>) -> Vec<Found> {
    let (mut found, mut at) = (Vec::new(), 0);
    let (mut in_string, mut escaped) = (false, false);
    while let Some(byte) = text.as_bytes().get(at) {
        if text[at..].starts_with("{{") && (in_string || !is_nested_object(text, at)) {
            let (end, field) = placeholder(text, at, faults);
            found.push(Found { at: at..end, field, in_string });
            at = end;
            continue;
        }
        in_string = if *byte == b'"' && !escaped { !in_string } else { in_string };
        escaped = in_string && *byte == b'\\' && !escaped;
        at += 1;
        while !text.is_char_boundary(at) {
            at += 1;
        }
    }
    found
}

/// Returns whether two braces outside a string are not followed by a name: a JSON mistake, which the parser describes.
fn is_nested_object(text: &str, at: usize) -> bool {
    !text[at + 2..].trim_start_matches(' ').starts_with(|c: char| c.is_ascii_alphanumeric())
}

/// Parses the placeholder that starts here; returns its end and its field.
fn placeholder(text: &str, at: usize, faults: &mut Vec<Fault>) -> (usize, Option<Field>) {
    let inner = &text[at + 2..];
    let spaces = inner.len() - inner.trim_start_matches(' ').len();
    let start = at + 2 + spaces;
    let rest = &text[start..];
    let length = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
    let name = &rest[..length];
    let end = rest[length..].trim_start_matches(' ').strip_prefix("}}").map(|after| text.len() - after.len());
    let Some(end) = end.filter(|_| !name.is_empty()) else {
        faults.push(Fault::new(
            at..start + length,
            "`{{` begins a placeholder, and no `name}}` follows; braces that are part of a text are written `\\u007b\\u007b`",
        ));
        return (start + length, None);
    };
    let field = FIELDS.iter().find(|(known, _)| *known == name).map(|(_, field)| *field);
    if field.is_none() {
        let names: Vec<&str> = FIELDS.iter().map(|(name, _)| *name).collect();
        let near = nearest(name, names.iter().copied());
        let message = format!(
            "`{{{{{name}}}}}` is not a placeholder; expected one of {}{}",
            list(&names),
            did_you_mean(near)
        );
        faults.push(Fault::new(at..end, message));
    }
    (end, field)
}

/// Checks that an event contains the probe exactly once and the padding at most once.
fn once(found: &[Found], faults: &mut Vec<Fault>) {
    for (name, field) in [("eventId", Field::EventId), ("padding", Field::Padding)] {
        for again in found.iter().filter(|one| one.field == Some(field)).skip(1) {
            let message = format!("`{{{{{name}}}}}` stands here a second time; expected once");
            faults.push(Fault::new(again.at.clone(), message));
        }
    }
    if !found.iter().any(|one| one.field == Some(Field::EventId)) {
        let message = "the template has no `{{eventId}}`; expected it once, in a field whose text tickgate may choose: \
                       by it an event is known again";
        faults.push(Fault::new(0..0, message));
    }
}

/// Returns the JSON parser's error for the template. A number replaces each placeholder outside a string.
fn syntax(text: &str, found: &[Found]) -> Option<Fault> {
    let mut json = text.to_owned();
    for Found { at, .. } in found.iter().filter(|one| !one.in_string) {
        json.replace_range(at.clone(), &format!("{:<1$}", "0", at.len()));
    }
    wrong(&json)
}

/// Returns the mistake in a JSON text, if any.
pub(super) fn wrong(json: &str) -> Option<Fault> {
    let error = serde_json::from_str::<serde_json::Value>(json).err()?;
    let message = error.to_string();
    let message = message.rsplit_once(" at line ").map_or(message.as_str(), |(message, _)| message);
    let line: usize = json.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
    let mut at = (line + error.column().saturating_sub(1)).min(json.len());
    while !json.is_char_boundary(at) {
        at -= 1;
    }
    Some(Fault::new(at..at, format!("this is not JSON: {message}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(field: Field, quoted: bool) -> Piece {
        Piece::Value { field, quoted }
    }

    #[test]
    fn a_template_becomes_pieces() {
        let text = r#"{"id":"{{eventId}}","s":{{ symbol }},"t":"p={{price}}","p":{{price}},"x":{"y":{}}}"#;
        let expected = [
            literal(r#"{"id":""#).unwrap(),
            value(Field::EventId, false),
            literal(r#"","s":"#).unwrap(),
            value(Field::Symbol, true),
            literal(r#","t":"p="#).unwrap(),
            value(Field::Price, false),
            literal(r#"","p":"#).unwrap(),
            value(Field::Price, false),
            literal(r#","x":{"y":{}}}"#).unwrap(),
        ];
        assert_eq!(pieces(text).unwrap(), expected);
    }

    fn faults(text: &str) -> Vec<(String, String)> {
        let faults = pieces(text).unwrap_err();
        faults.into_iter().map(|fault| (text[fault.at].to_owned(), fault.message)).collect()
    }

    #[test]
    fn every_mistake_has_its_place() {
        for (text, at, said) in [
            (r#"{"a":"{{eventId}}","b":{{prize}}}"#, "{{prize}}", "did you mean `price`?"),
            (r#"{"a":"{{eventId}}","b":{{prize}}}"#, "{{prize}}", "`orderId`"),
            (r#"{"a":"{{eventId}}","b":"{{ eventId }}"}"#, "{{ eventId }}", "a second time"),
            (r#"{"a":"{{padding}}{{padding}}","b":{{eventId}}}"#, "{{padding}}", "a second time"),
            (r#"{"a":1}"#, "", "has no `{{eventId}}`"),
            (r#"{"a":"{{eventId}}","b":"{{ -- }}"}"#, "{{ ", "u007b"),
            (r#"{"a":"{{eventId}}","b":"{{price"}"#, "{{price", "u007b"),
            (r#"{"a":"{{eventId}}","b":{{price}}"#, "", "not JSON: EOF"),
            (r#"{"a":"{{eventId}}" "b":1}"#, "", "not JSON: expected"),
            ("{{\"a\":\"{{eventId}}\"}}", "", "not JSON: key must be a string"),
            ("", "", "not JSON: EOF"),
        ] {
            let faults = faults(text);
            let found = faults.iter().any(|(place, message)| place == at && message.contains(said));
            assert!(found, "{text}: {faults:?}");
        }
        assert_eq!(faults(r#"{"a":{{x}},"b":{{y}}}"#).len(), 3, "two unknown ones, and no id");
    }

    #[test]
    fn a_mistake_of_json_is_found_in_its_line() {
        let text = "{\n  \"a\": \"{{eventId}}\",\n  \"µ\": {{price}} {{ask}}\n}";
        let fault = &pieces(text).unwrap_err()[0];
        assert!(text[fault.at.start..].starts_with("{{ask}}"), "{fault:?}");
    }
}
