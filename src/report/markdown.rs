//! The summary of a run as Markdown for a CI job: the verdict first, well under 1 MiB.

use std::fmt::Write as _;

use super::table::Table;
use super::{dead_letters, faults, rates, replays, sections, show, words};
use crate::record::{Record, Verdict};
use crate::verdict::claims;

/// Maximum number of objectives, reasons and groups listed; CI systems truncate at 1 MiB.
const LISTED: usize = 200;

/// Renders the summary in the Markdown of GitHub and GitLab.
pub(crate) fn summary(record: &Record) -> String {
    let mut out = String::new();
    let mut say = |text: String| {
        out.push_str(&text);
        out.push('\n');
    };
    let word = record.verdict.as_str().to_uppercase();
    say(format!("## {} {word}: {}\n", sign(record.verdict), escaped(&record.plan.name)));
    if let Some(banner) = words::banner(record) {
        say(format!("> **{banner}**\n"));
    }
    say(format!("**{}**\n", escaped(&words::verdict(record))));
    say(format!("Target: {}\n", escaped(&words::target(record))));
    say(format!("{}\n", escaped(&sections::under(record))));
    if let Some(tags) = words::tags(&record.run) {
        say(format!("Tags: {}\n", escaped(&tags)));
    }
    let mut objectives = Table::new(["", "objective", "limit", "observed", "margin", "samples"]);
    for o in record.objectives.iter().take(LISTED) {
        let margin = o.margin.map_or_else(String::new, show::margin);
        let observed = o.observed.clone().unwrap_or_else(|| "no data".into());
        let verdict = format!("{} {}", sign(o.verdict), o.verdict.as_str());
        objectives.row([verdict, o.name.clone(), words::limit(o), observed, margin, show::count(o.samples)]);
    }
    if !objectives.rows.is_empty() {
        say(table(&objectives));
    }
    if let Some(reasons) = reasons(record) {
        say(reasons);
    }
    for (title, of) in [("Rates", rates::rates(record)), ("Steps", rates::steps(record))] {
        if !of.rows.is_empty() {
            say(format!("### {title}\n"));
            say(table(&of));
        }
    }
    of_faults(record).into_iter().chain(of_replays(record)).for_each(&mut say);
    say("### Latency\n".into());
    say(table(&sections::times(record)));
    say("### Ledger\n".into());
    let published = sections::flows(record);
    for flow in published.iter().take(1) {
        let stages = flow.stages.iter().map(|s| {
            let leaks = s.leaks.iter().map(|leak| format!(" (− {leak})")).collect::<Vec<_>>().concat();
            format!("{} {}{leaks}", s.count, s.name)
        });
        say(format!("{}\n", escaped(&stages.collect::<Vec<_>>().join(" → "))));
    }
    for note in sections::ledger_notes(record) {
        say(format!("{}\n", escaped(&note)));
    }
    say(table(&sections::ledger(record)));
    if let Some(claims) = claims_of_the_adr(record) {
        say(claims);
    }
    say("<details><summary>Machine and broker</summary>\n".into());
    let mut facts = Table::new(["", ""]);
    for (name, value) in sections::machine(record).into_iter().chain(sections::broker(record)).take(LISTED) {
        facts.row([name, value]);
    }
    say(table(&facts));
    say(format!("{}</details>", nodes(record)));
    out
}

/// Why something did not pass, and the next steps.
fn reasons(record: &Record) -> Option<String> {
    let reasons = super::reasons::reasons(record);
    let mut out = "### Why, and what to do next\n\n".to_owned();
    for reason in reasons.iter().take(LISTED) {
        let next = if reason.next.is_empty() {
            String::new()
        } else {
            format!(" *Next:* {}", escaped(&reason.next))
        };
        let _ = writeln!(
            out,
            "- **{}**: {}.{next}",
            escaped(&reason.what),
            escaped(reason.why.trim_end_matches('.'))
        );
    }
    (!reasons.is_empty()).then_some(out)
}

/// The faults and the scopes that they make.
fn of_faults(record: &Record) -> Option<String> {
    let injected = faults::faults(record);
    let mut out = String::new();
    if !injected.rows.is_empty() {
        let _ = write!(out, "### Faults\n\n{}\n\n{}", escaped(&faults::note(record)), table(&injected));
    }
    let scopes = faults::scopes(record);
    if !scopes.rows.is_empty() {
        let _ = write!(out, "\n### Before, during and after the faults\n\n{}", table(&scopes));
    }
    let dead = dead_letters::dead_letters(record);
    if !dead.rows.is_empty() {
        let _ = write!(out, "\n### Dead letters\n\n{}\n\n{}", escaped(dead_letters::NOTE), table(&dead));
    }
    (!out.is_empty()).then_some(out)
}

/// The replays, compared with what was published.
fn of_replays(record: &Record) -> Option<String> {
    let replayed = replays::replays(record);
    let text = || format!("### Replays\n\n{}\n\n{}", escaped(replays::NOTE), table(&replayed));
    (!replayed.rows.is_empty()).then(text)
}

/// What the ADR claims, where the run has its topology.
fn claims_of_the_adr(record: &Record) -> Option<String> {
    let claims = claims::of_run(record);
    let mut adr = Table::new(["ADR-002 claims", "measured", "result"]);
    for claim in claims {
        adr.row([claim.says, claim.measured, claim.support.to_string()]);
    }
    let head = "<details><summary>ADR claims and measurements</summary>\n";
    (!adr.rows.is_empty()).then(|| format!("{head}\n{}\n</details>\n", table(&adr)))
}

/// The watched nodes; empty where none is.
fn nodes(record: &Record) -> String {
    let (nodes, note) = sections::nodes(record);
    if nodes.rows.is_empty() { String::new() } else { format!("{}\n\n{}\n", escaped(&note), table(&nodes)) }
}

const fn sign(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "✅",
        Verdict::Inconclusive => "❔",
        Verdict::Fail => "❌",
    }
}

pub(crate) fn table(table: &Table) -> String {
    let line = |cells: &[String]| {
        let cells: Vec<String> = cells.iter().map(|c| escaped(&show::fit(c, 300))).collect();
        format!("| {} |\n", cells.join(" | "))
    };
    let mut out = line(&table.head);
    let _ = writeln!(out, "|{}", " --- |".repeat(table.head.len()));
    table.rows.iter().take(LISTED).for_each(|row| out.push_str(&line(row)));
    out
}

/// Escapes a text so that Markdown shows it unchanged.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in show::plain(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            // `@` would mention people, `#` refer to an issue.
            '@' => out.push_str("&#64;"),
            '#' => out.push_str("&#35;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '!' | '$' => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    // A bare address would become a link.
    out.replace("://", ":&#47;&#47;")
}
