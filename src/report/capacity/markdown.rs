//! A search as Markdown for a CI job, the result first.

use super::sections;
use super::words::{caveat, verdict_word};
use crate::capacity::Capacity;
use crate::record::Verdict;
use crate::report::markdown::{escaped, table};
use crate::report::sections::Facts;
use crate::report::table::Table;

pub(super) const fn sign(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "✅",
        Verdict::Inconclusive => "❔",
        Verdict::Fail => "❌",
    }
}

/// Renders `capacity.md`.
#[must_use]
pub fn markdown(capacity: &Capacity) -> String {
    let c = capacity;
    let mut out = String::new();
    let mut say = |text: &str| {
        out.push_str(text);
        out.push('\n');
    };
    say(&format!("## {} {}: {}\n", sign(c.verdict), verdict_word(c.verdict), escaped(&sections::title(c))));
    if let Some(banner) = sections::banner(c) {
        say(&format!("> **{}**\n", escaped(banner)));
    }
    say(&format!("{}\n", escaped(&c.sentence)));
    let reasons = sections::reasons(c);
    if !reasons.is_empty() {
        let list: Vec<String> = reasons.iter().map(|why| format!("- {}\n", escaped(why))).collect();
        say(&list.concat());
    }
    say(&format!("{}\n", escaped(&sections::under(c))));
    if let Some(tags) = sections::tags(c) {
        say(&format!("{}\n", escaped(&tags)));
    }
    say(&table(&sections::bounds(c)));
    let coverage = sections::coverage(c);
    let texts = coverage.into_iter().chain([sections::objectives(c)]).chain(sections::left_out(c));
    for text in texts {
        say(&format!("{}\n", escaped(&text)));
    }
    say(&table(&sections::targets(c)));
    if let Some(why) = caveat(&c.answer) {
        say(&format!("{}\n", escaped(&why)));
    }
    if let Some(text) = sections::growth(c) {
        say(&format!("{}\n", escaped(&text)));
    }
    if let Some((bill, text)) = sections::cost(c) {
        say(&table(&bill));
        say(&format!("{}\n", escaped(&text)));
    }
    for text in sections::machines(c).into_iter().chain([sections::first(c)]) {
        say(&format!("{}\n", escaped(&text)));
    }
    say(&folded("Use of resources by rate", &table(&sections::resources(c))));
    say(&folded("Every trial", &table(&sections::trials(c))));
    say(&folded(
        "Bus and machine",
        &(table(&facts(sections::broker(c))) + "\n" + &table(&facts(sections::machine(c)))),
    ));
    say(&format!("{}\n", escaped(&sections::design(c))));
    out
}

fn facts(facts: Facts) -> Table {
    let mut table = Table::new(["", "value"]);
    for (name, value) in facts {
        table.row([name, value]);
    }
    table
}

fn folded(title: &str, text: &str) -> String {
    format!("<details><summary>{title}</summary>\n\n{text}\n</details>\n")
}
