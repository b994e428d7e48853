//! A load of steps: each step has its own figures and its own verdict.

#![expect(clippy::expect_used, reason = "tests")]

use tickgate::bus::sim::{Delay, Faults};
use tickgate::plan::Plan;
use tickgate::profile::{self, Source};
use tickgate::record::{Record, Verdict};
use tickgate::report::terminal::{Style, summary};
use tickgate::report::{self, Beside};
use tickgate::run::simulated::{Scenario, simulate};
use tickgate::verdict::judged;
use tickgate::{archive, selftest};

/// A server that takes 2 ms an event carries 500 of them a second: the last step is more than that.
const STEPS: &str = r#"
name = "steps"
[load]
arrival = "steps"
spacing = "constant"
warmup = "500ms"
duration = "6s"
[load.steps]
rates = ["200/s", "400/s", "800/s"]
[[groups]]
name = "trading-engine"
[[groups]]
name = "watch"
subscribe = ["market.>"]
[objectives]
"latency.p99" = "< 100ms"
"ack.p90" = "< 50ms"
"throughput.delivered" = ">= 99% of offered"
"throughput.acked" = ">= 300/s"
"throughput.offered" = ">= 400/s"
"windows.latency.p99" = "< 100ms in 60%"
"delivery.lost" = "== 0"
"#;

fn plan() -> Plan {
    profile::read(&Source::new("profile", STEPS.to_owned()), &[]).expect("a plan")
}

fn run(plan: &Plan) -> Record {
    let faults = Faults { service: Delay::Fixed(2_000_000), ..Faults::default() };
    let (record, truth) = simulate(plan, &Scenario::from(faults), 3).expect("simulates");
    assert_eq!(selftest::oracle::differences(&record, &truth), [""; 0]);
    record
}

#[test]
fn each_step_is_judged_by_what_was_due_in_it() {
    let record = run(&plan());
    let verdicts: Vec<_> = record.steps.iter().map(|step| step.verdict).collect();
    assert_eq!(verdicts, [Some(Verdict::Pass), Some(Verdict::Pass), Some(Verdict::Fail)]);
    let due: Vec<_> = record.steps.iter().map(|step| step.due).collect();
    assert_eq!(due, [400, 800, 1600]);
    assert_eq!(due.iter().sum::<u64>(), record.load.measured_intended);
    let names = |at: usize| record.steps[at].objectives.iter().map(|o| o.name.as_str()).collect::<Vec<_>>();
    assert_eq!(names(0), ["latency.p99", "ack.p90", "throughput.delivered"], "it does not offer 300/s");
    assert_eq!(names(1), ["latency.p99", "ack.p90", "throughput.delivered", "throughput.acked"]);
    let last = &record.steps[2];
    let relative = last.objectives.iter().find(|o| o.name == "throughput.delivered").expect("judged");
    assert_eq!(relative.means.as_deref(), Some("99 % of 800/s = 792/s"), "of the step, not of the run");
    assert_eq!(relative.verdict, Verdict::Fail);
    // The run is judged by its own objectives.
    let own = record.objectives.iter().map(|o| o.verdict).max();
    assert_eq!(Some(record.verdict), own);
}

#[test]
fn steps_have_a_line_each_in_every_form() {
    let record = run(&plan());
    let terminal = summary(&record, Style { colour: false });
    let from = terminal.find("step   ").expect("a table");
    let table = terminal.get(from..).and_then(|rest| rest.split("\n\n").next()).expect("a table");
    insta::assert_snapshot!(table);
    let files = report::files(&record, &Beside::default());
    let text = |name: &str| {
        let (_, bytes) = files.iter().find(|(of, _)| of == name).expect("a file");
        String::from_utf8(bytes.clone()).expect("text")
    };
    for (name, heading) in [("summary.md", "### Steps"), ("report.html", "<h3>Steps</h3>")] {
        let text = text(name);
        assert!(text.contains(heading), "{name}");
        for part in ["1 of 3", "2 of 3", "3 of 3", "200.0/s", "800.0/s", "over 100ms"] {
            assert!(text.contains(part), "{part} in {name}");
        }
    }
}

#[test]
fn a_record_keeps_its_steps_and_one_without_them_reads_as_before() {
    let record = run(&plan());
    let json = record.to_json().expect("serialises");
    let again: Record = serde_json::from_str(&json).expect("reads");
    assert_eq!(again.steps, record.steps);
    assert_eq!(judged(again.clone()), again, "judging it again gives the same");
    assert_eq!(archive::contradiction(&again), None);
    let mut changed = again;
    changed.steps[2].verdict = Some(Verdict::Pass);
    let found = archive::contradiction(&changed).expect("a contradiction");
    assert!(found.contains("step 3 is pass"), "{found}");
    // A record of an earlier version.
    let mut value: serde_json::Value = serde_json::from_str(&json).expect("reads");
    value.as_object_mut().expect("an object").remove("steps");
    let old: Record = serde_json::from_value(value).expect("reads");
    assert_eq!(old.steps, []);
    assert!(!summary(&judged(old), Style { colour: false }).contains("step   "));
}

#[test]
fn a_load_of_another_shape_has_no_steps() {
    let mut plan = plan();
    plan.load.arrival = tickgate::plan::Arrival::Constant;
    plan.load.steps = None;
    assert_eq!(run(&plan).steps, []);
}
