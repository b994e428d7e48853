//! The comparison for a terminal, in 80 columns.

use std::fmt::Write as _;

use super::{figure, finding_word, interval, ratio, sections, side_name};
use crate::compare::{Comparison, Finding};
use crate::report::show;
use crate::report::terminal::Style;

const WIDTH: usize = 80;

/// The whole, ending in the verdict.
#[must_use]
pub fn terminal(c: &Comparison, style: Style) -> String {
    let mut out = String::new();
    let mut line = |text: String| {
        out.push_str(&text);
        out.push('\n');
    };
    for banner in sections::banners(c) {
        line(show::wrap(&banner, WIDTH, ""));
    }
    line(show::wrap(&format!("{}: {}", c.about.name, sections::under(c)), WIDTH, ""));
    line(String::new());
    line(format!(
        "{:<30} {:<24} {:<24}",
        "",
        show::fit(&side_name("A", &c.sides.a), 24),
        show::fit(&side_name("B", &c.sides.b), 24)
    ));
    for row in
        c.fairness.iter().enumerate().filter(|(at, row)| row.differs || *at < 3).map(|(_, row)| row).take(24)
    {
        line(format!(
            "{:<30} {:<24} {:<24}",
            show::fit(&row.name, 30),
            show::fit(&row.a, 24),
            show::fit(&row.b, 24)
        ));
    }
    line(String::new());
    line(format!(
        "{:<20} {:>8} {:>8} {:>6} {:>13} {:>6} {}",
        "", "A", "B", "B / A", "interval", "p adj", "finding"
    ));
    for m in &c.metrics {
        let of = |v: Option<f64>| v.map_or_else(|| "–".into(), |v| figure(m.unit, v));
        line(format!(
            "{:<20} {:>8} {:>8} {:>6} {:>13} {:>6} {}",
            m.title,
            of(m.a),
            of(m.b),
            m.ratio.map_or_else(|| "–".into(), ratio),
            interval(m.interval),
            m.p_adjusted.map_or_else(|| "–".into(), |p| format!("{p:.3}")),
            finding_word(m.finding),
        ));
    }
    line(String::new());
    for (letter, side) in [("A", &c.sides.a), ("B", &c.sides.b)] {
        let l = &side.ledger;
        line(show::wrap(
            &format!(
                "{}: {} measured, {} unfit, {} failed; {} lost, {} corrupt, {} duplicate, {} reordered",
                side_name(letter, side),
                side.measured,
                side.unfit,
                side.failed,
                show::count(l.lost),
                show::count(l.corrupt),
                show::count(l.duplicate),
                show::count(l.reordered)
            ),
            WIDTH,
            "",
        ));
    }
    if let Some(cost) = &c.cost {
        line(show::wrap(&sections::cost(cost).1, WIDTH, ""));
    }
    for claim in &c.claims {
        line(show::wrap(&format!("{}: {} ({})", claim.says, claim.measured, claim.borne), WIDTH, ""));
    }
    for remark in &c.verdict.remarks {
        line(show::wrap(remark, WIDTH, ""));
    }
    for reason in &c.verdict.reasons {
        line(show::wrap(&reason.what, WIDTH, ""));
        line(show::wrap(&format!("next: {}", reason.next), WIDTH, "  "));
    }
    line(String::new());
    line(show::wrap(&c.verdict.sentence, WIDTH, ""));
    let _ = writeln!(out, "verdict: {}", coloured(c.verdict.finding, style));
    out
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
