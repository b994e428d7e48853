//! Renderers of a comparison: they turn a [`Comparison`] into files and text.

mod html;
mod markdown;
mod sections;
mod terminal;

pub use markdown::markdown;
pub use terminal::terminal;

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::chart;
use super::show;
pub(crate) use crate::compare::ratio;
use crate::compare::{Comparison, Family, Finding, Interval, Outcome, Side, Trial, Unit};
use crate::num;

/// Every file of a comparison's report except `compare.json`; the same comparison gives the same bytes.
#[must_use]
pub fn files(c: &Comparison) -> Vec<(String, Vec<u8>)> {
    let charts = chart::of_comparison(c);
    let under = sections::under(c);
    let mut files = vec![("compare.html".to_owned(), html::page(c, &charts).into_bytes())];
    files.extend(
        charts.iter().map(|chart| (format!("charts/{}.svg", chart.id), chart.file(&under).into_bytes())),
    );
    files.push(("compare.md".into(), markdown(c).into_bytes()));
    files.push(("compare.junit.xml".into(), junit(c).into_bytes()));
    files
}

/// A progress line about a run that has ended.
#[must_use]
pub fn progress(trial: &Trial, pair: u32, pairs: u32) -> String {
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
    format!("pair {pair} of {pairs}, {}: {what}{lost}{carried}{why}", trial.folder)
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

/// `JUnit` XML: a test case for each deciding metric, one for delivery faults, and one for the whole comparison.
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
    for m in c.metrics.iter().filter(|m| m.family == Family::Deciding) {
        suite.add_test_case(case(&m.title, m.finding, &m.why));
    }
    suite.add_test_case(case("the comparison", c.verdict.finding, &c.verdict.sentence));
    let mut report = Report::new("tickgate");
    report.add_test_suite(suite);
    super::junit::text(&report)
}
