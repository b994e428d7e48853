//! A search as `JUnit` XML: a test case for each target that was asked for, and one for the search.

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::sections;
use super::words::caveat;
use crate::capacity::{Capacity, Target};
use crate::record::Verdict;
use crate::report::show;

/// Renders the verdict. A target that is not held is a failure, one that is open an error, as an inconclusive objective of a
/// run is. The case of the search is red if no other case says why the verdict is not `pass`.
pub(super) fn xml(c: &Capacity) -> String {
    let mut suite = TestSuite::new(show::plain(&format!("capacity of {}", c.about.profile)));
    suite.add_property(("search".to_owned(), show::plain(&c.about.id)));
    if let Some(broker) = &c.broker {
        let product = format!("{} {}", broker.product, broker.version);
        suite.add_property(("broker".to_owned(), show::plain(&product)));
        suite.add_property(("durability".to_owned(), show::plain(&broker.durability)));
    }
    suite.add_property(("tickgate".to_owned(), show::plain(&c.about.tickgate)));
    for (key, value) in &c.about.tags {
        suite.add_property((show::plain(key), show::plain(value)));
    }
    let asked = || c.targets.iter().filter(|target| target.asked);
    for target in asked() {
        suite.add_test_case(case(
            c,
            &format!("holds {}", show::short_rate(target.rate)),
            target.verdict,
            &said(c, target),
            "",
        ));
    }
    let worst = asked().map(|target| target.verdict).max();
    let of_search = if worst == Some(c.verdict) { Verdict::Pass } else { c.verdict };
    suite.add_test_case(case(c, "the search", of_search, &c.sentence, &sections::reasons(c).join("\n")));
    let mut report = Report::new("tickgate");
    report.add_test_suite(suite);
    crate::report::junit::text(&report)
}

/// The floor and the ceiling beside a target.
fn said(c: &Capacity, target: &Target) -> String {
    let of = |name: &str, bound: Option<crate::capacity::Bound>| {
        bound.map_or_else(|| format!("no {name}"), |bound| format!("{name} {}", show::short_rate(bound.rate)))
    };
    let text = format!(
        "target {}: {}, {}",
        show::short_rate(target.rate),
        of("floor", c.answer.floor),
        of("ceiling", c.answer.ceiling)
    );
    caveat(&c.answer).map_or_else(|| text.clone(), |why| format!("{text}. {why}"))
}

fn case(c: &Capacity, name: &str, verdict: Verdict, message: &str, details: &str) -> TestCase {
    let not = |kind, word: &str| {
        let mut status = TestCaseStatus::non_success(kind);
        status.set_message(show::plain(message)).set_type(word);
        if !details.is_empty() {
            status.set_description(details);
        }
        status
    };
    let status = match verdict {
        Verdict::Pass => TestCaseStatus::success(),
        Verdict::Fail => not(NonSuccessKind::Failure, "missed"),
        Verdict::Inconclusive => not(NonSuccessKind::Error, "inconclusive"),
    };
    let mut case = TestCase::new(show::plain(name), status);
    case.set_classname(show::plain(&format!("tickgate.capacity.{}", c.about.profile)));
    case.set_system_out(show::plain(message));
    case
}
