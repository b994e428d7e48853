//! Everything that shows the faults of a run: tables, sentences, charts, cases and gauges.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may fail")]

use proptest::prelude::*;
use tickgate::plan::{Objective, Scope, When};
use tickgate::record::{Fault, Faults, Fine, Injection, Record, Recovered, Replica, Verdict};
use tickgate::report::terminal::{Style, summary};
use tickgate::report::{self, Beside};
use tickgate::verdict::claims::{self, Support};

use crate::support::records::{self, faulted};

fn files(record: &Record) -> Vec<(String, String)> {
    let files = report::files(record, &Beside::default());
    files.into_iter().map(|(name, bytes)| (name, String::from_utf8(bytes).unwrap())).collect()
}

fn file(record: &Record, name: &str) -> String {
    files(record).into_iter().find(|(of, _)| of == name).unwrap_or_else(|| panic!("no {name}")).1
}

/// The part of a text between two of its lines.
fn part<'a>(text: &'a str, from: &str, to: &str) -> &'a str {
    let rest = text.get(text.find(from).unwrap_or_else(|| panic!("no {from}"))..).unwrap();
    rest.split(to).next().unwrap()
}

fn terminal(record: &Record) -> String {
    summary(record, Style { colour: false })
}

#[test]
fn faults_have_tables_cases_and_gauges() {
    for (name, record) in [("three", faulted::three()), ("outcomes", faulted::outcomes())] {
        insta::assert_snapshot!(
            format!("terminal_{name}"),
            part(&terminal(&record), "faults   ", "\nledger")
        );
        insta::assert_snapshot!(
            format!("summary_{name}"),
            part(&file(&record, "summary.md"), "### Faults", "### Latency")
        );
        insta::assert_snapshot!(format!("junit_{name}"), file(&record, "junit.xml"));
    }
    let metrics = file(&faulted::three(), "metrics.om");
    let of_faults: Vec<&str> = metrics.lines().filter(|line| line.contains("tickgate_fault_")).collect();
    insta::assert_snapshot!("metrics_three", of_faults.join("\n"));
}

#[test]
fn faults_have_charts_of_their_own_and_bands_in_the_others() {
    let record = faulted::three();
    let all = files(&record);
    let charts: Vec<&str> = all.iter().filter_map(|(name, _)| name.strip_prefix("charts/")).collect();
    assert_eq!(
        charts[..6],
        [
            "latency-percentiles.svg",
            "latency-over-time.svg",
            "nodes.svg",
            "fault-1.svg",
            "fault-2.svg",
            "fault-3.svg"
        ]
    );
    for name in ["latency-over-time", "latency-heat", "rates", "backlog", "cpu", "memory", "nodes", "fault-1"]
    {
        let svg = file(&record, &format!("charts/{name}.svg"));
        let (style, drawn) = svg.split_once("</style>").unwrap();
        assert!(style.contains(".fb{") && drawn.contains("class=\"fb\""), "{name} has bands");
        assert!(drawn.contains(">until all was normal again<"), "{name} has a legend");
        if name != "nodes" {
            assert!(style.contains("F1 (leader) from "), "{name} has words: {style}");
        }
    }
    assert!(!file(&record, "charts/topics.svg").contains(".fb{"), "it is not over time");
    for name in ["nodes", "fault-1"] {
        let svg = file(&record, &format!("charts/{name}.svg"));
        insta::assert_snapshot!(format!("chart_{name}"), svg.split_once("</style>").unwrap().1);
    }
}

#[test]
fn a_page_has_a_few_charts_of_faults_and_says_how_many_more() {
    let record = faulted::many();
    let page = file(&record, "report.html");
    let of_faults = |text: &str| text.matches("<figure id=\"fault-").count();
    assert_eq!(of_faults(&page), 12);
    assert!(page.contains("The steps of 18 more faults are in record.json."));
    assert!(page.contains("1 more lane") || page.contains("more lanes") || !page.contains("lane"));
    assert!(page.len() < 2_000_000, "{} bytes", page.len());
    assert!(terminal(&record).contains("and 18 more in record.json"));
}

#[test]
fn a_record_without_faults_shows_nothing_of_them() {
    let mut record = records::failing();
    let before = files(&record);
    for (name, text) in &before {
        for word in ["tickgate_fault", "id=\"faults\"", "### Faults", ".fb{", "--band"] {
            assert!(!text.contains(word), "{name}: {word}");
        }
    }
    record.faults.nodes = faulted::three().faults.nodes;
    assert!(files(&record) == before, "nodes alone are no faults");
}

fn claim(record: &Record, says: &str) -> (String, Support) {
    let all = claims::of_faults(record);
    let claim = all.into_iter().find(|claim| claim.says.contains(says));
    claim.map_or_else(|| panic!("{says}"), |claim| (claim.measured, claim.support))
}

#[test]
fn a_loss_of_nothing_never_stands_without_the_refused_events() {
    let mut record = faulted::three();
    let (said, support) = claim(&record, "survive");
    assert!(said.starts_with("0 of 62,000 confirmed events were lost; kill of nats-2 (the stream's leader), 8.04s: publishing was unavailable for 5.20s, 21 % of the 9,000 due events were refused"), "{said}");
    assert_eq!(support, Support::NotTested, "refused events were not sent again");
    for effect in record.faults.injected.iter_mut().filter_map(|fault| fault.effect.as_mut()) {
        (effect.acked, effect.refused, effect.unconfirmed) = (effect.due, 0, 0);
    }
    assert_eq!(claim(&record, "survive").1, Support::Supported);
    record.audit.as_mut().unwrap().missing = 3;
    let (said, support) = claim(&record, "survive");
    assert!(said.starts_with("3 of 62,000 confirmed events were lost"), "{said}");
    assert_eq!(support, Support::Contradicted);
    let away =
        Replica { node: "nats-3".into(), why: Some("its server is away".into()), ..Replica::default() };
    record.audit.as_mut().unwrap().replicas = vec![away];
    let (said, support) = claim(&record, "survive");
    assert!(said.starts_with("how many confirmed events were lost is not known"), "{said}");
    assert_eq!(support, Support::NotTested, "the copy that was not read may hold them");
    record.audit = None;
    record.groups[0].lost = 0;
    assert!(claim(&record, "survive").0.contains("the stream was not read back"));
}

#[test]
fn a_cluster_carries_on_if_it_recovers_in_time() {
    let mut record = faulted::three();
    let (said, support) = claim(&record, "clusters");
    assert!(said.contains("all was normal after 9.30s") && said.contains("after the faults p99"), "{said}");
    assert_eq!(support, Support::Supported);
    record.faults.injected[0].effect.as_mut().unwrap().groups[0].outage.unavailable_ns = 10_000_000_001;
    assert_eq!(claim(&record, "clusters").1, Support::Contradicted);
    let mut record = faulted::three();
    let recovered = |record: &mut Record, recovered| {
        let effect = record.faults.injected[2].effect.as_mut().unwrap();
        (effect.recovered, effect.recovery_ns) = (recovered, None);
    };
    recovered(&mut record, Recovered::No);
    assert_eq!(claim(&record, "clusters").1, Support::Contradicted, "observed to its end");
    recovered(&mut record, Recovered::Unknown);
    assert_eq!(claim(&record, "clusters").1, Support::NotTested);
    assert_eq!(claim(&record, "before and after").1, Support::Supported);
}

#[test]
fn a_fault_that_did_not_go_as_planned_shows_nothing() {
    let mut record = faulted::three();
    for (fault, outcome) in
        record.faults.injected.iter_mut().zip([Injection::Late, Injection::Skipped, Injection::NotUndone])
    {
        fault.outcome = outcome;
    }
    let all = claims::of_faults(&record);
    assert_eq!(all.len(), 1, "what was not tested is not claimed: {all:?}");
    let (said, support) = claim(&record, "survive");
    assert!(said.contains("nothing is shown by leader (more than 250 ms off its plan), election (was not injected), frozen (was not undone)"), "{said}");
    assert_eq!(support, Support::NotTested);
}

#[test]
fn a_missed_objective_on_the_scope_of_a_fault_is_one_failure() {
    let mut record = faulted::three();
    let (mut objective, mut result): (Objective, _) =
        (record.plan.objectives[0].clone(), record.objectives[0].clone());
    objective.scope = Scope { when: When::Fault("frozen".into()), ..Scope::default() };
    (result.name, result.verdict) = ("fault.frozen.latency.p99".into(), Verdict::Fail);
    record.plan.objectives.push(objective);
    record.objectives.push(result);
    record.verdict = Verdict::Fail;
    let count = |record: &Record, what: &str| file(record, "junit.xml").matches(what).count();
    let failures = |record: &Record| count(record, "<failure") + count(record, "<error");
    let with = failures(&record);
    assert_eq!(count(&record, "<failure message=\"fault.frozen.latency.p99:"), 1);
    (record.objectives.last_mut().unwrap().verdict, record.verdict) = (Verdict::Pass, Verdict::Pass);
    assert_eq!(with - failures(&record), 1);
    let junit = file(&record, "junit.xml");
    assert!(!part(&junit, "<testcase name=\"fault frozen", "</testcase>").contains("message="));
}

#[test]
fn the_scopes_have_figures_in_the_files_for_machines() {
    let record = faulted::three();
    let metrics = file(&record, "metrics.om");
    let of_scopes: Vec<&str> = metrics.lines().filter(|line| line.contains("tickgate_scope_")).collect();
    let shown = |line: &&&str| line.starts_with('#') || line.contains("scope=\"during\"");
    let during: Vec<&str> = of_scopes.iter().filter(shown).copied().collect();
    insta::assert_snapshot!("metrics_scopes", during.join("\n"));
    assert_eq!(of_scopes.iter().filter(|line| line.starts_with("# TYPE")).count(), 3);
    insta::assert_snapshot!("scopes_csv", file(&record, "scopes.csv"));
    let mut without = record.clone();
    without.faults.scopes.clear();
    assert!(!file(&without, "metrics.om").contains("tickgate_scope_"));
    assert!(!files(&without).iter().any(|(name, _)| name == "scopes.csv"));
}

/// Do the elements of an SVG or a page end in the order in which they begin?
fn is_balanced(text: &str) -> bool {
    const VOID: [&str; 4] = ["meta", "link", "br", "img"];
    let mut open: Vec<&str> = Vec::new();
    for tag in text.split('<').skip(1) {
        let tag = tag.split('>').next().unwrap_or_default();
        let name = tag.trim_start_matches('/').split([' ', '\n', '/']).next().unwrap_or_default();
        if tag.starts_with(['!', '?']) || tag.ends_with('/') || VOID.contains(&name) {
            continue;
        }
        if tag.starts_with('/') {
            if open.pop() != Some(name) {
                return false;
            }
        } else {
            open.push(name);
        }
    }
    open.is_empty()
}

fn time() -> impl Strategy<Value = u64> {
    prop_oneof![0..90_000_000_000_u64, Just(0), Just(u64::MAX)]
}

prop_compose! {
    fn a_fault()(
        name in "[a-z<&\"]{0,40}",
        resolved in proptest::collection::vec("[a-z0-9-]{0,30}", 0..5),
        outcome in proptest::sample::select(Injection::ALL.to_vec()),
        planned_ns in time(),
        times in proptest::collection::vec(proptest::option::of(time()), 7),
        settled_ns in time(),
        with_effect: bool,
    ) -> Fault {
        let mut fault = faulted::three().faults.injected.swap_remove(0);
        (fault.name, fault.resolved, fault.outcome) = (name, resolved, outcome);
        (fault.planned_ns, fault.settled_ns) = (planned_ns, settled_ns);
        (fault.begun_ns, fault.verified_ns, fault.undo_planned_ns) = (times[0], times[1], times[2]);
        (fault.undone_ns, fault.healthy_ns) = (times[3], times[4]);
        match fault.effect.as_mut().filter(|_| with_effect) {
            Some(effect) => (effect.recovery_ns, effect.after_undo_ns) = (times[5], times[6]),
            None => fault.effect = None,
        }
        fault
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn every_record_with_faults_is_rendered(
        injected in proptest::collection::vec(a_fault(), 1..6),
        from_ns in time(),
        step_ns in time(),
        steps in proptest::collection::vec(any::<u32>(), 0..20),
        states in proptest::collection::vec(time(), 0..6),
    ) {
        let mut record = faulted::three();
        let fine = injected.iter().map(|fault| Fine {
            fault: fault.name.clone(),
            from_ns,
            step_ns,
            acked: steps.clone(),
            ..Fine::default()
        });
        record.faults = Faults { fine: fine.collect(), injected, ..record.faults };
        for (at, state) in states.iter().zip(&mut record.faults.nodes) {
            state.states.iter_mut().for_each(|(of, _)| *of = *at);
        }
        for (name, text) in files(&record) {
            let is_markup = [".svg", ".xml"].iter().any(|end| name.ends_with(end));
            let text = text.split("<style>").last().unwrap();
            prop_assert!(!is_markup || is_balanced(text.split_once("</style>").map_or(text, |(_, rest)| rest).trim_end_matches("</svg>\n")), "{name}");
            prop_assert!(!is_markup || !text.contains("NaN"), "{name}");
        }
        for line in terminal(&record).lines() {
            prop_assert!(line.chars().count() <= 80, "{line}");
        }
    }
}
