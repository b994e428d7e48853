//! A matrix as Markdown for a CI job, the verdict first.

use super::sections;
use crate::matrix::Matrix;
use crate::record::Verdict;
use crate::report::markdown::{escaped, table};

/// Renders `matrix.md`.
#[must_use]
pub fn markdown(m: &Matrix) -> String {
    let mut out = String::new();
    let mut say = |text: &str| {
        out.push_str(text);
        out.push_str("\n\n");
    };
    let sign = match m.verdict {
        Verdict::Fail => "❌",
        Verdict::Inconclusive => "❔",
        Verdict::Pass => "✅",
    };
    say(&format!("## {sign} {}: {}", sections::word(m.verdict), escaped(&m.about.name)));
    for sentence in sections::sentences(m) {
        say(&escaped(&sentence));
    }
    say(&escaped(&sections::under(m)));
    say(&table(&sections::grid(m)));
    say(&escaped(sections::LEGEND));
    for note in sections::notes(m) {
        say(&escaped(&note));
    }
    say("<details><summary>Every cell</summary>");
    say(&table(&sections::details(m)));
    say("</details>");
    say("<details><summary>Every run</summary>");
    say(&table(&sections::trials(m)));
    say("</details>");
    say(&escaped(&sections::design(m)));
    out
}
