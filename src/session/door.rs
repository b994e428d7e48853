//! The output filter for terminal, CI log and files: it sanitises external text and removes every secret.
//!
//! The rules for text are in `report::outside`. This module handles the secrets that this process was given and
//! searches for them directly: a broker's error may quote a password without a URL around it.

use std::sync::{Mutex, PoisonError};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::bus::secret::{Secret, decode};
use crate::plan::{BusKind, Plan};
use crate::record::Record;
use crate::report::outside::{lines, masked, plain};

/// Minimum length of a secret: removing a shorter text would damage unrelated text.
const SHORTEST: usize = 4;

/// Secrets that this process was given, longest first.
static KNOWN: Mutex<Vec<Secret>> = Mutex::new(Vec::new());

/// Removes a secret from all later output.
pub(crate) fn keep_out(secret: &Secret) {
    if secret.expose().chars().count() < SHORTEST {
        return;
    }
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if !known.contains(secret) {
        known.push(secret.clone());
        known.sort_by_key(|secret| std::cmp::Reverse(secret.expose().len()));
    }
}

/// Registers the passwords and tokens in command line URLs as secrets, both as written and decoded.
pub(crate) fn keep_out_arguments(arguments: impl Iterator<Item = String>) {
    let image = |argument: &String| argument.contains("container:") && !argument.contains("://");
    for argument in arguments.filter(|argument| !image(argument)) {
        let rest = argument.split_once("://").map_or(argument.as_str(), |(_, rest)| rest);
        let Some((user, _)) = rest.rsplit_once('@') else { continue };
        let secret = user.split_once(':').map_or(user, |(_, password)| password);
        keep_out(&Secret::new(secret));
        keep_out(&Secret::new(decode(secret)));
    }
}

/// Removes all known secrets from a text.
fn scrubbed(mut text: String) -> String {
    for secret in KNOWN.lock().unwrap_or_else(PoisonError::into_inner).iter() {
        if text.contains(secret.expose()) {
            text = text.replace(secret.expose(), "***");
        }
    }
    text
}

/// Returns a text that is safe to print; it may have several lines.
pub(crate) fn shown(text: &str) -> String {
    lines(&masked(&scrubbed(text.to_owned())))
}

/// Cleans a text of a document; `free` marks text that the user did not write.
fn clean_text(text: String, free: bool) -> String {
    let text = if text.contains("://") { masked(&text) } else { text };
    if !free {
        return text;
    }
    // A text without a space is usually a keyword, a number or a histogram.
    let text = if text.contains(char::is_whitespace) { scrubbed(text) } else { text };
    if text.bytes().all(|byte| byte.is_ascii_graphic()) && !text.contains("##") { text } else { plain(&text) }
}

/// Cleans all texts of a document. Texts below `plan` are the user's and may have several lines.
fn clean_value(value: &mut Value, free: bool) {
    match value {
        Value::String(text) => *text = clean_text(std::mem::take(text), free),
        Value::Array(all) => all.iter_mut().for_each(|value| clean_value(value, free)),
        Value::Object(all) => {
            for (key, value) in all.iter_mut() {
                clean_value(value, free && key != "plan");
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Returns a document that is safe to write and show.
///
/// # Errors
/// Never, for a type that serialises and deserialises.
pub(crate) fn clean<T: Serialize + DeserializeOwned>(document: &T) -> serde_json::Result<T> {
    cleaned(document, true)
}

/// Like [`clean`], for a plan, whose texts may have several lines.
pub(crate) fn clean_plan(plan: &Plan) -> serde_json::Result<Plan> {
    let mut clean: Plan = cleaned(plan, false)?;
    // Samples are sent but never shown.
    clean.payload.lines = plan.payload.lines.clone();
    Ok(clean)
}

fn cleaned<T: Serialize + DeserializeOwned>(document: &T, free: bool) -> serde_json::Result<T> {
    let mut value = serde_json::to_value(document)?;
    clean_value(&mut value, free);
    serde_json::from_value(value)
}

/// Like [`clean`], for a record, whose long timeline contains no text.
pub(crate) fn clean_record(mut record: Record) -> serde_json::Result<Record> {
    let (timeline, kind) = (std::mem::take(&mut record.timeline), record.plan.bus.kind);
    // Cleaning deserialises the document, which would fail for the name of a custom product.
    [record.plan.bus.kind, ..] = BusKind::ALL;
    let mut record = Record { timeline, ..clean(&record)? };
    record.plan.bus.kind = kind;
    Ok(record)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_out_is_not_shown() {
        keep_out_arguments(
            ["broker=nats://u:dr%40wn/#?s3cret x@h", "label=y", "container:nats@sha256:0"]
                .map(str::to_owned)
                .into_iter(),
        );
        keep_out(&Secret::new("abc"));
        for text in ["quotes dr%40wn/#?s3cret x", "quotes dr@wn/#?s3cret x", "abc\n::error::x"] {
            let shown = shown(text);
            assert!(!shown.contains("s3cret") && !shown.contains("\n::"), "{shown}");
        }
        assert_eq!(shown("abc of nats"), "abc of nats", "too short to be one, and no secret");
    }

    #[test]
    fn a_document_is_cleaned_in_every_text_but_the_plans_keep_their_lines() {
        keep_out(&Secret::new("kept out of it"));
        let document = serde_json::json!({
            "plan": {"description": "two\nlines"},
            "marks": [{"kind": "x", "detail": "it is kept out of it\n::error::y \u{1b}[2J"}],
            "at": "nats://u:pw@h",
        });
        assert_eq!(
            clean(&document).unwrap(),
            serde_json::json!({
                "plan": {"description": "two\nlines"},
                "marks": [{"kind": "x", "detail": "it is *** ::error::y \u{fffd}[2J"}],
                "at": "nats://***@h",
            })
        );
    }
}
