//! The comparison as Markdown for a CI job, the verdict first.

use super::faults::faults;
use super::first::{first, tag};
use super::looks::looks;
use super::sections;
use crate::compare::{Comparison, Finding};
use crate::report::markdown::{escaped, table};

/// Renders `compare.md`.
#[must_use]
pub fn markdown(c: &Comparison) -> String {
    let mut out = String::new();
    let mut say = |text: &str| {
        out.push_str(text);
        out.push('\n');
    };
    let sign = match c.finding() {
        Finding::Worse => "❌",
        Finding::Inconclusive => "❔",
        Finding::Better | Finding::Equivalent | Finding::NoDifferenceShown => "✅",
    };
    say(&format!("## {sign} {}: {}\n", sections::word(c), escaped(&c.about.name)));
    for banner in sections::banners(c) {
        say(&format!("> **{}**\n", escaped(&banner)));
    }
    let first = first(c);
    for answer in &first.answers {
        say(&format!("**{}: {}**\n", escaped(&answer.title), tag(answer.finding)));
        for line in &answer.lines {
            say(&format!("- {}", escaped(line)));
        }
        say("");
    }
    say(&format!("{}\n", escaped(&first.note)));
    say(&format!("{}\n", escaped(&sections::under(c))));
    let contrasts = c.contrasts();
    for contrast in &contrasts {
        if contrasts.len() > 1 {
            let [a, b] = sections::names(contrast);
            say(&format!("### {}\n", escaped(&format!("{b} against {a}"))));
        }
        say(&details(contrast));
    }
    say(&escaped(&sections::design(c)));
    out
}

/// One contrast in full.
fn details(c: &Comparison) -> String {
    let mut out = String::new();
    let mut say = |text: &str| {
        out.push_str(text);
        out.push('\n');
    };
    say(&format!("**{}**\n", escaped(&c.verdict.sentence)));
    say(&table(&sections::fairness(c, sections::Rows::Important)));
    let one_sided = sections::one_sided(c);
    if !one_sided.rows.is_empty() {
        say("<details><summary>Settings of one side only</summary>\n");
        say(&table(&one_sided));
        say("</details>\n");
    }
    say(&table(&sections::metrics(c)));
    let taken = looks(c);
    if !taken.rows.is_empty() {
        say("Looks before the last pair:\n");
        say(&table(&taken));
    }
    if !c.groups.is_empty() {
        say("<details><summary>By group; these figures do not affect the verdict</summary>\n");
        say(&table(&sections::groups(c)));
        say("</details>\n");
    }
    let struck = faults(c);
    if !struck.rows.is_empty() {
        say("Under faults; medians of the runs with their range, which do not affect the verdict:\n");
        say(&table(&struck));
    }
    for remark in &c.verdict.remarks {
        say(&format!("- {}", escaped(remark)));
    }
    for reason in &c.verdict.reasons {
        say(&format!("- **{}** *Next:* {}", escaped(&reason.what), escaped(&reason.next)));
    }
    say("");
    say(&table(&sections::ledger(c)));
    if let Some((bill, said)) = sections::cost(c) {
        say(&table(&bill));
        say(&format!("{}\n", escaped(&said)));
    }
    for claim in &c.claims {
        say(&format!("- {} → {} (**{}**)", escaped(&claim.says), escaped(&claim.measured), claim.support));
    }
    say("\n<details><summary>Every pair</summary>\n");
    say(&table(&sections::pairs(c)));
    say("</details>\n");
    out
}
