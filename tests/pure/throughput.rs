//! A bus that delivers every event in time passes every throughput objective that `check` accepts, and one that does not
//! deliver the requested share fails it.

#![expect(clippy::expect_used, clippy::format_push_string, reason = "tests")]

use proptest::prelude::*;
use tickgate::bus::sim::{Fault, Faults, Hits};
use tickgate::plan::Plan;
use tickgate::profile::{self, Source};
use tickgate::record::{ObjectiveResult, Record, Verdict};
use tickgate::run::simulated::{Scenario, simulate};

/// 14,969 of 20,000 drawn topics are quotes, three quarters but for chance: 7.484k/s.
const MIX: &str = r#"
name = "mix"
[load]
rate = "10k/s"
warmup = "500ms"
duration = "2s"
[market]
seed = 5
[mix]
"market.quote.received" = 3
"market.bar.1m" = 1
[[groups]]
name = "quotes"
subscribe = ["market.quote.received"]
[objectives]
"quotes.throughput.delivered" = ">= 7.5k/s"
"delivery.lost" = "== 0"
"#;

/// 7/s for 3.2 s are 22 slots: 6.875/s.
const SLOTS: &str = r#"
name = "slots"
[load]
rate = "7/s"
arrival = "constant"
warmup = "0s"
duration = "3200ms"
[topology]
name = "one"
topics = ["market.quote.received"]
[[groups]]
name = "g"
subscribe = [">"]
[objectives]
"throughput.delivered" = ">= 7/s"
"throughput.offered" = ">= 7/s"
"delivery.lost" = "== 0"
"#;

fn read(text: &str) -> Option<Plan> {
    profile::read(&Source::new("profile", text.to_owned()), &[]).ok()
}

fn run(plan: &Plan, faults: Faults) -> Record {
    simulate(plan, &Scenario::from(faults), plan.market.seed).expect("simulates").0
}

fn throughput(record: &Record) -> impl Iterator<Item = &ObjectiveResult> {
    record.objectives.iter().filter(|objective| objective.name.contains("throughput"))
}

#[test]
fn whole_slots_and_drawn_topics_are_not_held_against_a_perfect_bus() {
    for text in [MIX, SLOTS] {
        let plan = read(text).unwrap_or_else(|| panic!("{text}"));
        let record = run(&plan, Faults::default());
        assert_eq!(record.verdict, Verdict::Pass, "{:#?}", record.objectives);
        if text == MIX {
            assert_eq!(record.groups[0].measured_intended, 14_969, "short of 15,000");
        }
        // The rate that was really offered is in the record.
        let planned = plan.load.rate.per_second;
        assert!((record.load.offered_rate - planned).abs() < planned / 50.0);
        let record = run(&plan, Faults::default().with(Fault::Undelivered, Hits::Share(0.1)));
        assert!(throughput(&record).any(|o| o.verdict == Verdict::Fail), "{:#?}", record.objectives);
    }
    let record = run(&read(SLOTS).expect("a plan"), Faults::default());
    assert!((record.load.offered_rate - 6.875).abs() < 1e-9, "{}", record.load.offered_rate);
}

/// The rate that a random limit is close to: of all topics, or of those of the second group.
#[derive(Debug, Clone)]
struct Drawn {
    rate: u32,
    duration_ms: u32,
    warmup_ms: u32,
    arrival: &'static str,
    generators: u32,
    seed: u32,
    mix: [u32; 3],
    limits: Vec<(&'static str, &'static str, f64)>,
}

impl Drawn {
    fn text(&self) -> String {
        let Self { rate, duration_ms, warmup_ms, arrival, generators, seed, mix, limits } = self;
        let [a, b, c] = mix;
        let mut text = format!(
            "name = \"drawn\"\n[market]\nsymbols = 8\nseed = {seed}\n[load]\nduration = \"{duration_ms}ms\"\n\
             warmup = \"{warmup_ms}ms\"\narrival = \"{arrival}\"\ngenerators = {generators}\n"
        );
        text += &match *arrival {
            "ramp" => format!("ramp = {{ from = \"{rate}/s\", to = \"{}/s\" }}\n", rate * 3),
            "burst" => format!(
                "rate = \"{rate}/s\"\nburst = {{ rate = \"{}/s\", every = \"300ms\", length = \"70ms\" }}\n",
                rate * 4
            ),
            "steps" => format!("steps = {{ rates = [\"{rate}/s\", \"{}/s\", \"1/s\"] }}\n", rate * 2),
            _ => format!("rate = \"{rate}/s\"\n"),
        };
        text += &format!(
            "[topology]\nname = \"three\"\ntopics = [\"a\", \"b\", \"c\"]\n[mix]\na = {a}\nb = {b}\nc = {c}\n\
             [[groups]]\nname = \"all\"\nsubscribe = [\">\"]\n[[groups]]\nname = \"some\"\nsubscribe = [\"a\"]\n[objectives]\n"
        );
        let mut named = Vec::new();
        for (name, op, part) in limits {
            if !named.contains(name) {
                named.push(name);
                // Every other share of the rate is written as one.
                let limit = if *part <= 1.0 && seed % 2 == 0 && *name != "throughput.offered" {
                    format!("{}% of offered", part * 100.0)
                } else {
                    format!("{}/s", f64::from(*rate) * part)
                };
                text += &format!("\"{name}\" = \"{op} {limit}\"\n");
            }
        }
        text
    }
}

fn drawn() -> impl Strategy<Value = Drawn> {
    let name = prop::sample::select(vec![
        "throughput.offered",
        "throughput.sent",
        "throughput.acked",
        "throughput.delivered",
        "all.throughput.delivered",
        "some.throughput.delivered",
    ]);
    let op = prop::sample::select(vec![">=", ">", "<=", "<", "=="]);
    let part = prop::sample::select(vec![0.1, 0.25, 0.5, 0.75, 0.9, 1.0, 1.0, 1.1, 2.0]);
    (
        (1_u32..400, 300_u32..2500, 0_u32..1200),
        prop::sample::select(vec!["constant", "poisson", "ramp", "burst", "steps"]),
        (1_u32..4, any::<u32>()),
        [1_u32..9, 0_u32..9, 0_u32..9],
        prop::collection::vec((name, op, part), 1..5),
    )
        .prop_map(|((rate, duration_ms, warmup_ms), arrival, (generators, seed), mix, limits)| Drawn {
            rate,
            duration_ms,
            warmup_ms,
            arrival,
            generators,
            seed,
            mix,
            limits,
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 80, max_global_rejects: 4000, ..ProptestConfig::default() })]

    #[test]
    fn what_check_accepts_a_perfect_bus_passes(drawn in drawn()) {
        let text = drawn.text();
        let Some(plan) = read(&text) else { return Err(TestCaseError::reject("not accepted")) };
        let record = run(&plan, Faults::default());
        for objective in throughput(&record) {
            prop_assert_eq!(objective.verdict, Verdict::Pass, "{}\n{:#?}", text, objective);
        }
    }

    /// A limit that only the whole load meets is missed by a bus that keeps one event of each symbol back.
    #[test]
    fn what_is_not_delivered_is_missed(drawn in drawn()) {
        let whole = Drawn { warmup_ms: 0, limits: vec![], ..drawn };
        let Some(mut plan) = read(&whole.text()) else { return Err(TestCaseError::reject("not accepted")) };
        let planned = tickgate::load::planned_rate(&plan, plan.load.duration, |_| true);
        let objective = format!("objectives.throughput.delivered=>= {planned}/s");
        plan.objectives = match profile::read(&Source::new("profile", whole.text()), &[objective]) {
            Ok(plan) => plan.objectives,
            Err(errors) => return Err(TestCaseError::fail(errors.to_string())),
        };
        let held = Hits::Events { symbol: None, from: 0, to: 0 };
        let record = run(&plan, Faults::default().with(Fault::Undelivered, held));
        prop_assert_eq!(record.objectives[0].verdict, Verdict::Fail, "{:#?}", record.objectives);
        let late = run(&plan, Faults::default().with(Fault::DeliveredLate(9_000_000_000), held));
        prop_assert_eq!(late.objectives[0].verdict, Verdict::Fail, "{:#?}", late.objectives);
        let whole_of = "objectives.throughput.delivered=>= 100% of offered".to_owned();
        plan.objectives = match profile::read(&Source::new("profile", whole.text()), &[whole_of]) {
            Ok(plan) => plan.objectives,
            Err(errors) => return Err(TestCaseError::fail(errors.to_string())),
        };
        let record = run(&plan, Faults::default().with(Fault::Undelivered, held));
        prop_assert_eq!(record.objectives[0].verdict, Verdict::Fail, "{:#?}", record.objectives);
        prop_assert_eq!(run(&plan, Faults::default()).objectives[0].verdict, Verdict::Pass);
    }
}
