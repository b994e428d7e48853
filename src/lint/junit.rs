//! The findings of a lint as `JUnit` XML: a test case for each rule that was looked for.

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::rules::{RULES, Rule, Subject};
use super::{At, Finding, Level};
use crate::report::{junit, outside};

/// Renders findings. A rule whose findings will fail or bite is a failure of that type; notes are the output of a case that
/// passes.
#[must_use]
pub fn xml(linted: &[String], subject: Subject, findings: &[Finding]) -> String {
    let mut suite = TestSuite::new("tickgate lint");
    suite.add_property(("linted".to_owned(), shown(&linted.join(", "))));
    for rule in RULES.iter().filter(|rule| rule.applies(subject) || of(rule, findings).next().is_some()) {
        suite.add_test_case(case(rule, findings));
    }
    let mut report = Report::new("tickgate");
    report.add_test_suite(suite);
    junit::text(&report)
}

fn of<'a>(rule: &Rule, findings: &'a [Finding]) -> impl Iterator<Item = &'a Finding> + Clone {
    let code = rule.code;
    findings.iter().filter(move |finding| finding.code == code)
}

fn case(rule: &Rule, findings: &[Finding]) -> TestCase {
    let details: Vec<String> = of(rule, findings).map(details).collect();
    let details = details.join("\n\n");
    let serious = of(rule, findings).filter(|finding| finding.level > Level::Note);
    let status = match serious.clone().map(|finding| finding.level).max() {
        None => TestCaseStatus::success(),
        Some(level) => {
            let messages: Vec<String> = serious.map(|finding| shown(&head(finding))).collect();
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status.set_message(messages.join("; ")).set_type(level.words()).set_description(details.clone());
            status
        }
    };
    let passed = matches!(status, TestCaseStatus::Success { .. });
    let mut case = TestCase::new(shown(&format!("{}: {}", rule.code, rule.found_when)), status);
    case.set_classname("tickgate.lint");
    if passed && !details.is_empty() {
        case.set_system_out(details);
    }
    case
}

fn head(finding: &Finding) -> String {
    match (&finding.at, &finding.node) {
        (Some(At { file, line, column }), _) => format!("{file}:{line}:{column}: {}", finding.what),
        (None, Some(node)) => format!("{node}: {}", finding.what),
        (None, None) => finding.what.clone(),
    }
}

fn details(finding: &Finding) -> String {
    let lines = [
        format!("{} ({})", head(finding), finding.level.words()),
        format!("why: {}", finding.why),
        format!("instead: {}", finding.instead),
    ];
    let claim = finding.claim.map(|claim| format!("breaks: ADR-002, {claim}"));
    lines.iter().chain(&claim).map(|line| shown(line)).collect::<Vec<_>>().join("\n")
}

/// Text from a file or a server, on one line.
fn shown(text: &str) -> String {
    outside::plain(&outside::masked(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(level: Level, code: &'static str, what: &str) -> Finding {
        let at = At { file: "n1.conf".into(), line: 3, column: 1 };
        Finding { at: Some(at), ..Finding::new(level, code, what, "it hurts", "write it") }
    }

    fn part<'a>(xml: &'a str, code: &str) -> &'a str {
        let rest = xml.split_once(&format!("<testcase name=\"{code}: ")).unwrap().1;
        rest.split("<testcase").next().unwrap()
    }

    #[test]
    fn each_rule_is_a_case_that_fails_by_its_findings() {
        let all = [
            finding(Level::Fail, "same-address", "a & b"),
            finding(Level::Fail, "same-address", "c"),
            finding(Level::Bite, "no-tls", "open"),
            finding(Level::Note, "sync-always", "slow"),
        ];
        let linted = ["n1.conf".to_owned(), "n2.conf".to_owned()];
        let xml = xml(&linted, Subject::Files(2), &all);
        let cases = RULES.iter().filter(|rule| rule.applies(Subject::Files(2))).count();
        assert_eq!(xml.matches("<testcase ").count(), cases);
        assert_eq!((xml.matches("<failure ").count(), xml.matches("<error").count()), (2, 0));
        let same = part(&xml, "same-address");
        assert!(
            same.contains("message=\"n1.conf:3:1: a &amp; b; n1.conf:3:1: c\" type=\"will fail\""),
            "{same}"
        );
        assert!(part(&xml, "no-tls").contains("type=\"will bite\""));
        let note = part(&xml, "sync-always");
        assert!(
            note.contains("<system-out>n1.conf:3:1: slow (note)\nwhy: it hurts\ninstead: write it"),
            "{note}"
        );
        assert!(!part(&xml, "syntax").contains("<failure"));
    }

    #[test]
    fn what_is_not_looked_for_has_no_case() {
        let of = |subject| xml(&[], subject, &[]);
        assert!(
            of(Subject::Servers).contains("\"isolated: ") && !of(Subject::Servers).contains("\"syntax: ")
        );
        assert!(!of(Subject::Files(1)).contains("\"same-address: "));
    }
}
