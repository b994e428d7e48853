//! The comparison as text for a terminal, in 80 columns.

use super::first::{first, tag};
use super::{both, faults, figure, finding_word, interval, ratio, sections, side_name, side_names};
use crate::compare::{Comparison, Finding, Side};
use crate::report::show;
use crate::report::terminal::Style;

const WIDTH: usize = 80;
/// Width of a setting's value.
const VALUE: usize = 24;
/// Maximum number of settings listed; the HTML page has all.
const SETTINGS: usize = 24;

/// Renders the comparison: the first screen, each side against the reference, and the verdict at the end.
#[must_use]
pub fn terminal(c: &Comparison, style: Style) -> String {
    let contrasts = c.contrasts();
    let mut lines: Vec<String> = sections::banners(c).iter().map(|banner| wrapped(banner)).collect();
    lines.push(wrapped(&format!("{}: {}", c.about.name, sections::under(c))));
    lines.push(String::new());
    lines.extend(first_screen(c));
    for contrast in &contrasts {
        lines.push(String::new());
        if contrasts.len() > 1 {
            let [a, b] = sections::names(contrast);
            lines.push(wrapped(&format!("== {b} against {a}")));
        }
        lines.extend(details(contrast));
    }
    lines.push(String::new());
    lines.extend(contrasts.iter().map(|contrast| wrapped(&contrast.verdict.sentence)));
    lines.push(format!("verdict: {}", coloured(&sections::word(c), c.finding(), style)));
    lines.join("\n") + "\n"
}

fn wrapped(text: &str) -> String {
    show::wrap(text, WIDTH, "")
}

fn first_screen(c: &Comparison) -> Vec<String> {
    let first = first(c);
    let mut lines = Vec::new();
    for answer in &first.answers {
        lines.push(wrapped(&format!("{}: {}", answer.title, tag(answer.finding))));
        lines.extend(answer.lines.iter().map(|line| show::wrap(line, WIDTH, "  ")));
    }
    lines.push(wrapped(&first.note));
    lines
}

/// One contrast in full.
fn details(c: &Comparison) -> Vec<String> {
    let mut lines = settings(c);
    lines.push(String::new());
    lines.extend(metrics(c));
    let struck = faults::sentences(c);
    if !struck.is_empty() {
        lines.push(String::new());
        lines.extend(struck.iter().map(|said| wrapped(said)));
    }
    lines.push(String::new());
    lines.extend(c.sides.lettered().map(|(letter, side)| wrapped(&runs(letter, side))));
    lines.extend(sections::cost(c).iter().map(|(_, said)| wrapped(said)));
    let claims = c.claims.iter();
    lines.extend(
        claims.map(|claim| wrapped(&format!("{}: {} ({})", claim.says, claim.measured, claim.support))),
    );
    lines.extend(c.verdict.remarks.iter().map(|remark| wrapped(remark)));
    for reason in &c.verdict.reasons {
        lines.push(wrapped(&reason.what));
        lines.push(show::wrap(&format!("next: {}", reason.next), WIDTH, "  "));
    }
    lines
}

fn settings(c: &Comparison) -> Vec<String> {
    // What differs stands beside each other, so it is not cut there.
    let line = |name: &str, a: &str, b: &str| {
        let [a, b] = both(a, b, VALUE);
        format!("{:<30} {a:<VALUE$} {b:<VALUE$}", show::fit(name, 30))
    };
    let table = sections::fairness(c, sections::Rows::Differing);
    let [a, b] = side_names(&c.sides, VALUE);
    let head = line("", &a, &b);
    let rows = table.rows.iter().take(SETTINGS).map(|row| line(&row[0], &row[1], &row[2]));
    let alone = sections::fairness(c, sections::Rows::OneSided).rows.len();
    let more = (alone > 0).then(|| format!("settings of one side only: {alone}, in the report"));
    std::iter::once(head).chain(rows).chain(more).collect()
}

fn metrics(c: &Comparison) -> Vec<String> {
    let contrast = c.sides.contrast;
    let [a, b] = contrast.letters();
    let head =
        format!("{:<20} {a:>8} {b:>8} {:>6} {:>13} {:>6} finding", "", contrast.ratio(), "interval", "p adj");
    let row = c.metrics.iter().map(|m| {
        let of = |v: Option<f64>| v.map_or_else(|| "–".into(), |v| figure(m.unit, v));
        format!(
            "{:<20} {:>8} {:>8} {:>6} {:>13} {:>6} {}",
            show::plain(&m.title),
            of(m.a),
            of(m.b),
            m.ratio.map_or_else(|| "–".into(), ratio),
            interval(m.interval),
            m.p_adjusted.map_or_else(|| "–".into(), |p| format!("{p:.3}")),
            finding_word(m.finding),
        )
    });
    std::iter::once(head).chain(row).collect()
}

fn runs(letter: &str, side: &Side) -> String {
    let l = &side.ledger;
    let [lost, corrupt, duplicate, reordered] =
        [l.lost, l.corrupt, l.duplicate, l.reordered].map(show::count);
    let carried = side.load.map_or_else(String::new, |load| {
        format!("; {} due, {} carried", show::count(load.due), show::count(load.carried))
    });
    format!(
        "{}: {} measured, {} unfit, {} failed{carried}; {lost} lost, {corrupt} corrupt, {duplicate} duplicate, {reordered} reordered",
        side_name(letter, side),
        side.measured,
        side.unfit,
        side.failed,
    )
}

fn coloured(word: &str, finding: Finding, style: Style) -> String {
    let code = match finding {
        Finding::Worse => "1;31",
        Finding::Inconclusive => "1;33",
        Finding::Better | Finding::Equivalent | Finding::NoDifferenceShown => "1;32",
    };
    if style.colour { format!("\u{1b}[{code}m{word}\u{1b}[0m") } else { word.to_owned() }
}
