//! A matrix as `JUnit` XML: a test case for each cell.

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::sections;
use crate::matrix::{Cell, Judgement, Matrix, State};
use crate::record::Verdict;
use crate::report::show;

/// Renders the verdict. A cell whose expectation is broken is a failure, one that is open an error, and one that was not tested is
/// skipped: it never passes.
pub(super) fn xml(m: &Matrix) -> String {
    let mut suite = TestSuite::new(show::plain(&format!("matrix {}", m.about.name)));
    suite.add_property(("matrix".to_owned(), show::plain(&m.about.id)));
    suite.add_property(("seed".to_owned(), m.design.seed.to_string()));
    suite.add_property(("tickgate".to_owned(), show::plain(&m.about.tickgate)));
    for (key, value) in &m.about.tags {
        suite.add_property((show::plain(key), show::plain(value)));
    }
    let class = show::plain(&format!("tickgate.matrix.{}", m.about.name));
    suite.add_test_cases(m.cells.iter().map(|cell| case(cell, &class)));
    // A matrix of which nothing was tested is red, too.
    let worst = m.cells.iter().any(|cell| cell.judgement == Judgement::Inconclusive);
    if m.verdict == Verdict::Inconclusive && !worst {
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
        status.set_message("no cell was tested").set_type("inconclusive");
        let mut case = TestCase::new("the matrix", status);
        case.set_classname(class);
        suite.add_test_case(case);
    }
    let mut report = Report::new("tickgate");
    report.add_test_suite(suite);
    crate::report::junit::text(&report)
}

fn case(cell: &Cell, class: &str) -> TestCase {
    let message = format!(
        "{}; {}; promised: {}",
        sections::figures(cell),
        sections::judged(cell),
        sections::promise(cell)
    );
    let not = |kind, word: &str| {
        let mut status = TestCaseStatus::non_success(kind);
        status.set_message(show::plain(&message)).set_type(word);
        if let Some(why) = &cell.reason {
            status.set_description(show::plain(why));
        }
        status
    };
    let status = match (cell.judgement, cell.state) {
        (Judgement::Broken, _) => not(NonSuccessKind::Failure, "broken"),
        (Judgement::Inconclusive, _) => not(NonSuccessKind::Error, "inconclusive"),
        (_, State::NotTested) => {
            let mut status = TestCaseStatus::skipped();
            status.set_message(show::plain(cell.reason.as_deref().unwrap_or("not tested")));
            status
        }
        (Judgement::Holds | Judgement::NotJudged, _) => TestCaseStatus::success(),
    };
    let mut case = TestCase::new(sections::name(cell), status);
    case.set_classname(class.to_owned());
    case.set_system_out(show::plain(&message));
    case
}
