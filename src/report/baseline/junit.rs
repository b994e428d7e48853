//! A check as `JUnit` XML: a test case for each deciding metric, and one for the check.

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use crate::baseline::{Answer, Finding, MetricFinding};
use crate::report::{junit, show};

/// Renders the answer. A metric that is worse is a failure; one that was not judged to the end is skipped. The case of the check is an
/// error where the check has no finding, as an inconclusive objective of a run is.
pub(super) fn xml(answer: &Answer) -> String {
    let mut suite = TestSuite::new(show::plain(&format!("baseline {}", answer.baseline)));
    let mut add = |name: &str, value: &str| {
        suite.add_property((show::plain(name), show::plain(value)));
    };
    if let Some(made) = &answer.made {
        add("check", &made.id);
        add("broker", &made.subject.broker);
    }
    add("epoch", &answer.epoch.to_string());
    add("tickgate", &answer.tickgate);
    for (key, value) in &answer.tags {
        add(key, value);
    }
    let class = show::plain(&format!("tickgate.baseline.{}", answer.baseline));
    for metric in &answer.metrics {
        let message = super::metric(metric);
        let status = match metric.finding {
            MetricFinding::Worse => not(NonSuccessKind::Failure, "worse", &message, ""),
            MetricFinding::NotWorse => TestCaseStatus::success(),
            MetricFinding::Open => skipped(&message),
        };
        suite.add_test_case(case(&metric.metric, &class, status, &message));
    }
    let (why, next) = (&answer.decision.why, answer.decision.next.as_deref().unwrap_or_default());
    let status = match answer.decision.finding {
        Finding::Unknown => not(NonSuccessKind::Error, "inconclusive", why, next),
        Finding::NoSign | Finding::NotConfirmed | Finding::Worse => TestCaseStatus::success(),
    };
    suite.add_test_case(case("the check", &class, status, why));
    let mut report = Report::new("tickgate");
    report.add_test_suite(suite);
    junit::text(&report)
}

fn case(name: &str, class: &str, status: TestCaseStatus, said: &str) -> TestCase {
    let mut case = TestCase::new(show::plain(name), status);
    case.set_classname(class);
    case.set_system_out(show::plain(said));
    case
}

fn not(kind: NonSuccessKind, word: &str, message: &str, details: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(kind);
    status.set_message(show::plain(message)).set_type(word);
    if !details.is_empty() {
        status.set_description(show::plain(details));
    }
    status
}

fn skipped(message: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::skipped();
    status.set_message(show::plain(message));
    status
}
