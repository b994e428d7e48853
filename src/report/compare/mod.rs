//! Renderers of a comparison: they turn a [`Comparison`] into files and text.

mod faults;
mod first;
mod html;
mod looks;
mod markdown;
mod sections;
mod terminal;

pub use markdown::markdown;
pub use terminal::terminal;

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::chart;
use super::labels::distinct;
use super::show;
pub(crate) use crate::compare::ratio;
use crate::compare::{Comparison, Family, Finding, Interval, Outcome, Side, Sides, Trial, Unit, Verdict};
use crate::num;

/// Every file of a comparison's report except `compare.json`; the same comparison gives the same bytes.
#[must_use]
pub fn files(c: &Comparison) -> Vec<(String, Vec<u8>)> {
    let contrasts = c.contrasts();
    let charts: Vec<Vec<chart::Chart>> = contrasts.iter().map(chart::of_comparison).collect();
    let under = sections::under(c);
    let mut files = vec![("compare.html".to_owned(), html::page(c, &contrasts, &charts).into_bytes())];
    files.extend(
        charts
            .iter()
            .flatten()
            .map(|chart| (format!("charts/{}.svg", chart.id), chart.file(&under).into_bytes())),
    );
    files.push(("compare.md".into(), markdown(c).into_bytes()));
    files.push(("compare.junit.xml".into(), junit(c).into_bytes()));
    files
}

/// Runs next to each other in time: a pair of two sides, or a round of more.
#[must_use]
pub const fn noun(sides: usize) -> &'static str {
    if sides > 2 { "round" } else { "pair" }
}

/// A progress line about a run that has ended, in a pair or a round.
#[must_use]
pub fn progress(trial: &Trial, noun: &str, number: u32, of: u32) -> String {
    let what = match trial.outcome {
        Outcome::Measured => {
            let figure =
                |name: &str| trial.figures.get(name).map_or_else(|| "–".into(), |v| figure(Unit::Time, *v));
            format!("p50 {}, p99 {}", figure("latency.p50"), figure("latency.p99"))
        }
        Outcome::Unfit => "unfit to measure".into(),
        Outcome::Failed => "failed".into(),
        Outcome::NotRun => "not run".into(),
    };
    let lost = if trial.ledger.lost > 0 {
        format!(", {} lost", show::count(trial.ledger.lost))
    } else {
        String::new()
    };
    let carried = trial.load.filter(|load| load.carried < load.due).map_or_else(String::new, |load| {
        format!(", {} of {} carried", show::count(load.carried), show::count(load.due))
    });
    let why = trial.reason.as_ref().map_or_else(String::new, |why| format!(": {}", show::fit(why, 200)));
    format!("{noun} {number} of {of}, {}: {what}{lost}{carried}{why}", trial.folder)
}

/// Formats a figure with its unit.
pub(crate) fn figure(unit: Unit, value: f64) -> String {
    match unit {
        Unit::Time => show::time(num::u64_of(value)),
        Unit::Events => show::count(num::u64_of(value)),
        Unit::Cores => format!("{value:.3}"),
        Unit::Bytes => show::size(num::u64_of(value)),
    }
}

/// `0.80–0.85`.
pub(crate) fn interval(interval: Option<Interval>) -> String {
    interval.map_or_else(|| "–".into(), |i| format!("{}–{}", ratio(i.low), ratio(i.high)))
}

/// A short form of a finding.
pub(crate) const fn finding_word(finding: Finding) -> &'static str {
    match finding {
        Finding::NoDifferenceShown => "not shown",
        other => other.as_str(),
    }
}

/// `A (file)`.
pub(crate) fn side_name(letter: &str, side: &Side) -> String {
    if side.label.is_empty() { letter.to_owned() } else { show::plain(&format!("{letter} ({})", side.label)) }
}

/// The names of both sides in at most `width` characters each, which differ as their labels do.
pub(crate) fn side_names(sides: &Sides, width: usize) -> [String; 2] {
    // Letter, space and brackets.
    let [a, b] = both(&sides.a.label, &sides.b.label, width.saturating_sub(4));
    let [letter_a, letter_b] = sides.contrast.letters();
    let name = |letter: &str, label: String| {
        if label.is_empty() { letter.to_owned() } else { format!("{letter} ({label})") }
    };
    [name(letter_a, a), name(letter_b, b)]
}

/// Two texts beside each other, in at most `width` characters each: what they have in common is cut, not what differs.
pub(crate) fn both(a: &str, b: &str, width: usize) -> [String; 2] {
    let mut short = distinct(&[a.to_owned(), b.to_owned()], width).into_iter();
    [short.next().unwrap_or_default(), short.next().unwrap_or_default()]
}

/// `JUnit` XML: a test case for each deciding metric of each side, and one for the comparison of the side.
fn junit(c: &Comparison) -> String {
    let mut suite = TestSuite::new(show::plain(&c.about.name));
    suite.add_property(("comparison".to_owned(), show::plain(&c.about.id)));
    suite.add_property(("seed".to_owned(), c.design.seed.to_string()));
    let class = show::plain(&format!("tickgate.compare.{}", c.about.name));
    let case = |name: &str, finding: Finding, message: &str| {
        let failure = |kind, word: &str| {
            let mut status = TestCaseStatus::non_success(kind);
            status.set_message(show::plain(message)).set_type(word);
            status
        };
        let status = match finding {
            Finding::Worse => failure(NonSuccessKind::Failure, "worse"),
            Finding::Inconclusive => failure(NonSuccessKind::Error, "inconclusive"),
            Finding::NoDifferenceShown if c.design.equivalence_asked => {
                failure(NonSuccessKind::Error, "equivalence not shown")
            }
            _ => TestCaseStatus::success(),
        };
        let mut case = TestCase::new(show::plain(name), status);
        case.set_classname(class.clone());
        case.set_system_out(show::plain(message));
        case
    };
    for contrast in c.contrasts() {
        // The names of two sides have no letters.
        let side =
            if c.others.is_empty() { String::new() } else { format!("{}: ", sections::names(&contrast)[1]) };
        for m in contrast.metrics.iter().filter(|m| m.family == Family::Deciding) {
            suite.add_test_case(case(&format!("{side}{}", m.title), m.finding, &m.why));
        }
        let Verdict { finding, sentence, .. } = &contrast.verdict;
        suite.add_test_case(case(&format!("{side}the comparison"), *finding, sentence));
    }
    let mut report = Report::new("tickgate");
    report.add_test_suite(suite);
    super::junit::text(&report)
}
