//! The reasons of a result: each is said once, whatever number of objectives it breaks.

#![expect(clippy::expect_used, reason = "tests")]

use tickgate::bus::sim::{Fault, Faults, Hits};
use tickgate::profile::{self, Source};
use tickgate::record::{Record, Refusal, Verdict};
use tickgate::report::terminal::{Style, summary};
use tickgate::report::{self, Beside};
use tickgate::run::simulated::{Scenario, simulate};
use tickgate::verdict::{explanation, judged};

/// Each event is due to two groups.
const LOAD: &str = r#"
name = "refused"
[load]
rate = "1k/s"
arrival = "constant"
warmup = "0s"
duration = "2s"
[topology]
name = "one"
topics = ["market.quote.received"]
[market]
symbols = 1
[[groups]]
name = "one"
subscribe = [">"]
[[groups]]
name = "two"
subscribe = [">"]
[objectives]
"#;

const REFUSED: &str = "1,500 × maximum bytes exceeded (10077)";
const NO_TIME: &str = "have no time";

/// Of 2,000 events the last 1,500 are refused.
fn refused(objectives: &str) -> Record {
    let plan = profile::read(&Source::new("profile", format!("{LOAD}{objectives}")), &[]).expect("a plan");
    let hits = Hits::Events { symbol: None, from: 500, to: u32::MAX };
    let scenario = Scenario::from(Faults::default().with(Fault::Refused, hits));
    let (mut record, _) = simulate(&plan, &scenario, 1).expect("simulates");
    assert_eq!((record.load.acked, record.load.refused), (500, 1500));
    let said = Some("maximum bytes exceeded".to_owned());
    record.load.refusals = vec![Refusal { reason: "api-10077".into(), said, count: 1500 }];
    judged(record)
}

/// What follows the last table, on one line.
fn terminal(record: &Record) -> String {
    let text = summary(record, Style { colour: false });
    let from = text.rfind("\n\n").expect("tables");
    text.get(from..).expect("text").split_whitespace().collect::<Vec<_>>().join(" ")
}

fn page(record: &Record, name: &str) -> String {
    let files = report::files(record, &Beside::default());
    let (_, bytes) = files.into_iter().find(|(of, _)| of == name).expect("a file");
    String::from_utf8(bytes).expect("text").replace("&lt;", "<").replace("&#60;", "<")
}

#[test]
fn events_without_a_time_are_one_reason_whatever_they_are_counted_by() {
    let record = refused(
        r#"
"latency.p99" = "< 100ms"
"two.latency.p99" = "< 100ms"
"latency.max" = "< 1s"
"ack.p99" = "< 50ms"
"windows.latency.p99" = "< 100ms in 90%"
"throughput.delivered" = ">= 99% of offered"
"throughput.acked" = ">= 99% of offered"
"publish.refused" = "== 0"
"#,
    );
    assert!(record.objectives.iter().all(|o| o.verdict == Verdict::Fail), "{:?}", record.objectives);
    let what = "latency.p99 < 100ms; latency.max < 1s; windows.latency.p99 < 100ms in 90% (3000 of 4000 due \
                events); two.latency.p99 < 100ms; ack.p99 < 50ms (1500 of 2000 due events)";
    let terminal = terminal(&record);
    assert_eq!(
        terminal,
        format!(
            "{what}: these events have no time next: see the ledger for what was unsent, refused, unconfirmed or not \
             delivered, and the marks for why throughput.delivered ≥ 99 % of 1,000/s = 990/s; throughput.acked ≥ 99 \
             % of 1,000/s = 990/s; publish.refused == 0: missed next: the stream was full: raise bus.max_bytes, or \
             lower the rate, the duration or market.event_size verdict: FAIL (0 passed, 8 failed, 0 inconclusive)"
        )
    );
    let reasons = |text: &str, from: &str, until: &str| {
        let rest = text.split_once(from).expect("reasons").1;
        rest.split_once(until).expect("an end").0.to_owned()
    };
    for (name, from, until) in
        [("summary.md", "what to do next", "### Rates"), ("report.html", "what to do next", "</section>")]
    {
        let text = reasons(&page(&record, name), from, until);
        assert!(text.contains(what), "{name}: {text}");
        let why = format!("these events have no time (in the whole run 1500 refused ({REFUSED}))");
        assert!(text.contains(&why), "{name}: {text}");
        assert_eq!(text.matches(NO_TIME).count(), 1, "{name}: {text}");
        assert_eq!(text.matches(REFUSED).count(), 1, "{name}: {text}");
    }
}

#[test]
fn one_count_is_said_in_the_sentence() {
    let record = refused("\"ack.p99\" = \"< 50ms\"\n\"ack.max\" = \"< 1s\"\n");
    let said = "ack.p99 < 50ms; ack.max < 1s: 1500 of 2000 due events have no time next: ";
    assert!(terminal(&record).contains(said), "{}", terminal(&record));
    let record = refused("\"ack.p99\" = \"< 50ms\"\n");
    let said = "ack.p99 < 50ms: 1500 of 2000 due events have no time next: ";
    assert!(terminal(&record).contains(said), "{}", terminal(&record));
    let whole = "it lies among the events that never came, < 50ms wanted; 1500 of 2000 due events have no time (in \
                 the whole run 1500 refused (1,500 × maximum bytes exceeded (10077)))";
    assert_eq!(record.objectives[0].reason.as_deref(), Some(whole));
    assert!(page(&record, "summary.md").contains(whole));
}

#[test]
fn a_reason_with_more_to_say_stays_apart() {
    let mut record = refused("\"latency.p99\" = \"< 100ms\"\n\"ack.p99\" = \"< 50ms\"\n");
    // A reason in the words of another version.
    record.objectives[1].reason = Some("late; others used 1.6 of 2 cores".into());
    let text = terminal(&record);
    assert!(text.contains("latency.p99 < 100ms: 3000 of 4000 due events have no time"), "{text}");
    assert!(text.contains("ack.p99 < 50ms: late; others used 1.6 of 2 cores"), "{text}");
}

#[test]
fn groups_that_received_nothing_are_named() {
    let mut record = refused("\"latency.p99\" = \"< 100ms\"\n\"two.latency.p99\" = \"< 100ms\"\n");
    record.groups[1].latency = tickgate::record::Latency::default();
    let text = terminal(&judged(record));
    let said = "latency.p99 < 100ms (3500 of 4000 due events); two.latency.p99 < 100ms (2000 of 2000 due events): \
                these events have no time; two received nothing next:";
    assert!(text.contains(said), "{text}");
}

#[test]
fn an_observation_and_its_limit_are_in_the_table_alone() {
    let record = refused("\"throughput.acked\" = \">= 99% of offered\"\n\"latency.min\" = \"> 1s\"\n");
    for (objective, result) in record.plan.objectives.iter().zip(&record.objectives) {
        let parts = explanation(&record, objective).expect("missed");
        assert_eq!(Some(parts.to_string()), result.reason);
        assert!(!parts.beyond_the_tables().contains("wanted"), "{parts:?}");
    }
    assert!(terminal(&record).contains("throughput.acked ≥ 99 % of 1,000/s = 990/s: missed"));
}
