//! Shows findings: as text for people, and as a JSON document.

use std::fmt::Write as _;

use schemars::JsonSchema;
use serde::Serialize;

use super::{At, Finding, Level};
use crate::num::{self, show};
use crate::report::outside;
use crate::report::show::wrap;

/// Width of a line of text.
const WIDTH: usize = 100;

impl Level {
    /// Returns the words for people.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Fail => "will fail",
            Self::Bite => "will bite",
            Self::Note => "note",
        }
    }
}

/// The form of a document of findings.
pub const SCHEMA: &str = "tickgate.lint/1";

/// The findings of one lint, as a document.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Document<'a> {
    /// Name and version of the form.
    schema: &'static str,
    /// Files or servers that were linted.
    linted: &'a [String],
    /// Number of findings that will fail.
    fail: u64,
    /// Number of findings that will bite.
    bite: u64,
    /// Number of notes.
    note: u64,
    /// The findings, the most serious ones first.
    findings: &'a [Finding],
}

fn count(findings: &[Finding], level: Level) -> u64 {
    num::count(findings.iter().filter(|finding| finding.level == level).count())
}

/// Shows findings as a JSON document.
#[must_use]
pub fn json(linted: &[String], findings: &[Finding]) -> String {
    let of = |level| count(findings, level);
    let (fail, bite, note) = (of(Level::Fail), of(Level::Bite), of(Level::Note));
    let document = Document { schema: SCHEMA, linted, fail, bite, note, findings };
    let json = serde_json::to_string_pretty(&document).unwrap_or_default();
    outside::json(&json) + "\n"
}

/// Shows findings as text, with a line that counts them.
#[must_use]
pub fn text(linted: &[String], findings: &[Finding]) -> String {
    let mut out = String::new();
    for finding in findings {
        let at = match (&finding.at, &finding.node) {
            (Some(At { file, line, column }), _) => format!("{file}:{line}:{column}: "),
            (None, Some(node)) => format!("{node}: "),
            (None, None) => String::new(),
        };
        let head = format!("{at}{} [{}]", finding.level.words(), finding.code);
        let _ = writeln!(out, "{}", outside::plain(&outside::masked(&head)));
        let mut part = |name: &str, text: &str| {
            let text = wrap(&outside::masked(text), WIDTH, "           ");
            let first = format!("  {name:<9}");
            let _ = writeln!(out, "{first}{}", text.get(first.len()..).unwrap_or_default());
        };
        part("what", &finding.what);
        part("why", &finding.why);
        part("instead", &finding.instead);
        if let Some(claim) = finding.claim {
            part("breaks", &format!("ADR-002, {claim}"));
        }
        out.push('\n');
    }
    out + &summary(linted, findings)
}

fn summary(linted: &[String], findings: &[Finding]) -> String {
    let (fail, bite) = (count(findings, Level::Fail), count(findings, Level::Bite));
    let notes = show::several(count(findings, Level::Note), "note");
    let names: Vec<String> = linted.iter().map(|name| outside::plain(name)).collect();
    let names = names.join(", ");
    match (fail, bite) {
        (0, 0) => format!("{names}: nothing will fail or bite; {notes}\n"),
        _ => format!("{names}: {fail} will fail, {bite} will bite; {notes}\n"),
    }
}
