//! A check as Markdown for a CI job, the result first.

use crate::baseline::{Answer, Finding, FirstStage, Making, MetricAnswer, MetricFinding};
use crate::report::markdown::{escaped, table};
use crate::report::show;
use crate::report::table::Table;

/// Renders `check.md`.
#[must_use]
pub fn markdown(answer: &Answer) -> String {
    let decision = &answer.decision;
    let (sign, word) = match decision.finding {
        Finding::NoSign | Finding::NotConfirmed => ("✅", "PASS"),
        Finding::Worse => ("❌", "WORSE"),
        Finding::Unknown => ("❔", "INCONCLUSIVE"),
    };
    let name = escaped(&answer.baseline);
    let mut out = format!("## {sign} {word}: baseline {name}: {}\n\n", super::finding(decision.finding));
    let mut say = |text: &str| {
        out.push_str(&escaped(text));
        out.push_str("\n\n");
    };
    say(&decision.why);
    if let Some(next) = &decision.next {
        say(&format!("Next: {next}"));
    }
    if answer.earlier {
        say("This was decided earlier, and nothing ran now.");
    }
    say(&under(answer));
    if !answer.metrics.is_empty() {
        out.push_str(&table(&metrics(&answer.metrics)));
    }
    out
}

/// What was checked, against what, by how many runs.
fn under(answer: &Answer) -> String {
    let sessions = show::several(u64::from(answer.sessions), "session");
    let against = format!("epoch {} of profile {} with {sessions}", answer.epoch, answer.profile);
    let Some(made) = &answer.made else { return format!("Against {against}; no run was compared.") };
    let Making { subject, design, fresh, pairs, unusable, .. } = made;
    let commit = subject.git.as_ref().map_or_else(String::new, |git| format!(", commit {git}"));
    format!(
        "{}{commit} against {against}: {} and {} count, {unusable} do not; false alarms {} in all, changes of {} and more count.",
        subject.broker,
        show::several(u64::from(*fresh), "fresh run"),
        show::several(u64::from(*pairs), "pair"),
        show::percent(design.total),
        show::percent(design.min_effect)
    )
}

fn metrics(all: &[MetricAnswer]) -> Table {
    let mut table = Table::new(["metric", "finding", "beside the sessions", "pairs, new over old"]);
    for metric in all {
        let first = metric.first.map_or_else(|| "–".to_owned(), |first| beside(&first));
        let looks: Vec<String> = metric.looks.iter().map(super::look).collect();
        let looks = if looks.is_empty() { "–".to_owned() } else { looks.join("; ") };
        let finding = match metric.finding {
            MetricFinding::Worse => "worse",
            MetricFinding::NotWorse => "not worse",
            MetricFinding::Open => "not judged to the end",
        };
        table.row([metric.metric.clone(), finding.to_owned(), first, looks]);
    }
    table
}

fn beside(first: &FirstStage) -> String {
    let suspicious = if first.suspicious { ", suspicious" } else { "" };
    format!("{:.3} times (p {:.3}{suspicious})", first.ratio, first.p)
}
