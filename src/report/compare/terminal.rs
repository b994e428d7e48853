//! The comparison as text for a terminal, in 80 columns.

use super::{figure, finding_word, interval, ratio, sections, side_name};
use crate::compare::{Comparison, Finding, Side};
use crate::report::show;
use crate::report::terminal::Style;

const WIDTH: usize = 80;
/// Maximum number of settings listed; the HTML page has all.
const SETTINGS: usize = 24;

/// Renders the comparison, ending with the verdict.
#[must_use]
pub fn terminal(c: &Comparison, style: Style) -> String {
    let wrapped = |text: &str| show::wrap(text, WIDTH, "");
    let mut lines: Vec<String> = sections::banners(c).iter().map(|banner| wrapped(banner)).collect();
    lines.push(wrapped(&format!("{}: {}", c.about.name, sections::under(c))));
    lines.push(String::new());
    lines.extend(settings(c));
    lines.push(String::new());
    lines.extend(metrics(c));
    lines.push(String::new());
    lines.extend([("A", &c.sides.a), ("B", &c.sides.b)].map(|(letter, side)| wrapped(&runs(letter, side))));
    lines.extend(c.cost.iter().map(|cost| wrapped(&sections::cost(cost).1)));
    let claims = c.claims.iter();
    lines.extend(
        claims.map(|claim| wrapped(&format!("{}: {} ({})", claim.says, claim.measured, claim.support))),
    );
    lines.extend(c.verdict.remarks.iter().map(|remark| wrapped(remark)));
    for reason in &c.verdict.reasons {
        lines.push(wrapped(&reason.what));
        lines.push(show::wrap(&format!("next: {}", reason.next), WIDTH, "  "));
    }
    lines.push(String::new());
    lines.push(wrapped(&c.verdict.sentence));
    lines.push(format!("verdict: {}", coloured(c.verdict.finding, style)));
    lines.join("\n") + "\n"
}

fn settings(c: &Comparison) -> Vec<String> {
    let line = |name: &str, a: &str, b: &str| {
        format!("{:<30} {:<24} {:<24}", show::fit(name, 30), show::fit(a, 24), show::fit(b, 24))
    };
    let table = sections::fairness(c, sections::Rows::Differing);
    let head = line("", &side_name("A", &c.sides.a), &side_name("B", &c.sides.b));
    let rows = table.rows.iter().take(SETTINGS).map(|row| line(&row[0], &row[1], &row[2]));
    let alone = sections::fairness(c, sections::Rows::OneSided).rows.len();
    let more = (alone > 0).then(|| format!("settings of one side only: {alone}, in the report"));
    std::iter::once(head).chain(rows).chain(more).collect()
}

fn metrics(c: &Comparison) -> Vec<String> {
    let head =
        format!("{:<20} {:>8} {:>8} {:>6} {:>13} {:>6} finding", "", "A", "B", "B / A", "interval", "p adj");
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

fn coloured(finding: Finding, style: Style) -> String {
    let word = sections::word(finding);
    let code = match finding {
        Finding::Worse => "1;31",
        Finding::Inconclusive => "1;33",
        Finding::Better | Finding::Equivalent | Finding::NoDifferenceShown => "1;32",
    };
    if style.colour { format!("\u{1b}[{code}m{word}\u{1b}[0m") } else { word.to_owned() }
}
