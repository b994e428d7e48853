//! The verdict as `JUnit` XML for CI systems: a test case for each objective, for each fault and for each replay.

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::{faults, replays, show, words};
use crate::record::{Fault, Injection, ObjectiveResult, Record, Replay, ReplayEnd, Verdict};

/// Renders the verdict. A missed objective is a failure with observed value and limit; an inconclusive one is an error
/// with its reason, so that CI shows it red but distinct from a miss. A run that cannot be judged has its own test case.
///
/// The suite is named by the profile and the run's folder: several runs of a profile in one job are several suites, and a run with
/// a folder of a fixed name has the same suite in every pipeline.
pub(crate) fn xml(record: &Record, folder: &str) -> String {
    let name = &record.plan.name;
    let name = if folder.is_empty() { name.clone() } else { format!("{name} ({folder})") };
    let mut suite = TestSuite::new(show::plain(&name));
    suite.add_property(("run".to_owned(), show::plain(&record.run.id)));
    suite.add_property((
        "broker".to_owned(),
        show::plain(&format!("{} {}", record.broker.product, record.broker.versions())),
    ));
    suite.add_property(("durability".to_owned(), show::plain(&record.broker.durability)));
    suite.add_property(("tickgate".to_owned(), words::built(&record.run)));
    for (key, value) in &record.run.tags {
        suite.add_property((show::plain(key), show::plain(value)));
    }
    if let Some(why) = record.load.why_refused() {
        let refused = format!("{}: {why}", show::count(record.load.refused));
        suite.add_property(("refused".to_owned(), show::plain(&refused)));
    }
    let class = show::plain(&format!("tickgate.{}", record.plan.name));
    suite.add_test_cases(record.objectives.iter().map(|o| case(o, &class)));
    suite.add_test_cases(record.faults.injected.iter().map(|fault| of_fault(record, fault, &class)));
    suite.add_test_cases(record.replays.iter().map(|replay| of_replay(replay, &class)));
    let worst = record.objectives.iter().map(|o| o.verdict).max();
    if worst != Some(record.verdict) {
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
        status.set_message(words::verdict(record)).set_type("inconclusive");
        let mut case = TestCase::new(
            "the run",
            if record.verdict == Verdict::Pass { TestCaseStatus::success() } else { status },
        );
        case.set_classname(class);
        suite.add_test_case(case);
    }
    let mut report = Report::new("tickgate");
    report.add_test_suite(suite);
    text(&report)
}

/// Serialises the document. Jenkins's schema has no `skipped` attribute on the root element, so it is removed there; quotes in
/// texts are escaped, so the first match is that attribute.
pub(crate) fn text(report: &Report) -> String {
    const ATTRIBUTE: &str = " skipped=\"";
    // Writing to memory does not fail.
    let text = report.to_string().unwrap_or_default();
    let Some((before, rest)) = text.split_once(ATTRIBUTE) else { return text };
    let Some((_, after)) = rest.split_once('"') else { return text };
    format!("{before}{after}")
}

/// The case of a fault. It passes if the fault went as planned, whatever became of the objectives on its scope: each of them has its
/// own case. What was not injected is skipped. Its name is the same in every run of a plan.
fn of_fault(record: &Record, fault: &Fault, class: &str) -> TestCase {
    let error = |kind: &str| {
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
        status.set_message(faults::outcome(fault)).set_type(kind);
        status.set_description(faults::details(record, fault));
        status
    };
    let status = match fault.outcome {
        Injection::Skipped | Injection::Dropped => {
            let mut status = TestCaseStatus::skipped();
            status.set_message(faults::outcome(fault));
            status
        }
        Injection::Late | Injection::Failed | Injection::NotUndone => error(fault.outcome.as_str()),
        Injection::Done => TestCaseStatus::success(),
    };
    let passed = matches!(status, TestCaseStatus::Success { .. });
    let name = format!("fault {} ({} of {})", fault.name, fault.action, fault.target);
    let mut case = TestCase::new(show::plain(&name), status);
    case.set_classname(class);
    if passed {
        case.set_system_out(faults::details(record, fault));
    }
    case
}

/// The case of a replay. It passes if it was read to its end, whatever came: the objectives on it have their own cases.
fn of_replay(replay: &Replay, class: &str) -> TestCase {
    let status = match replay.end {
        ReplayEnd::Complete => TestCaseStatus::success(),
        ReplayEnd::NotBegun => {
            let mut status = TestCaseStatus::skipped();
            status.set_message(replays::outcome(replay));
            status
        }
        ReplayEnd::Incomplete => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
            status.set_message(replays::outcome(replay)).set_type("incomplete");
            status.set_description(replays::details(replay));
            status
        }
    };
    let name =
        format!("replay {} (from {}, at {}, {} speed)", replay.name, replay.from, replay.at, replay.speed);
    let mut case = TestCase::new(show::plain(&name), status);
    case.set_classname(class);
    if replay.end == ReplayEnd::Complete {
        case.set_system_out(replays::details(replay));
    }
    case
}

fn case(o: &ObjectiveResult, class: &str) -> TestCase {
    let observed = o.observed.as_deref().unwrap_or("no data");
    let status = match o.verdict {
        Verdict::Pass => TestCaseStatus::success(),
        Verdict::Fail => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            let message = format!("{}: {observed} observed, limit {}", o.name, o.limit);
            status.set_message(show::plain(&message)).set_type("missed");
            status.set_description(details(o));
            status
        }
        Verdict::Inconclusive => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
            let why = o.reason.as_deref().unwrap_or("no reason is given");
            status
                .set_message(show::plain(&format!("{} cannot be judged: {why}", o.name)))
                .set_type("inconclusive");
            status.set_description(details(o));
            status
        }
    };
    let mut case = TestCase::new(show::plain(&format!("{} {}", o.name, o.limit)), status);
    case.set_classname(class);
    if o.verdict == Verdict::Pass {
        case.set_system_out(show::plain(&format!("observed {observed}, {} samples", o.samples)));
    }
    case
}

fn details(o: &ObjectiveResult) -> String {
    let line = |name: &str, value: Option<&str>| value.map(|v| format!("{name}: {}", show::plain(v)));
    let samples = o.samples.to_string();
    let lines = [
        line("limit", Some(&o.limit)),
        line("observed", o.observed.as_deref()),
        line("samples", Some(&samples)),
        line("reason", o.reason.as_deref()),
        line("next", o.next.as_deref()),
    ];
    lines.into_iter().flatten().collect::<Vec<_>>().join("\n")
}
