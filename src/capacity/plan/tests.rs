//! The plan of a trial is one that a profile could say: it passes the profile's own check, and reads back.

use proptest::prelude::*;

use super::*;
use crate::load::totals;
use crate::plan::Size;
use crate::profile::builtin;
use crate::profile::{Source, read, to_toml};

const PRECISION: f64 = 0.1;

/// A profile of two groups, one of which receives a hundredth of the events.
fn profile(load: &str, objectives: &str) -> Plan {
    let text = format!(
        "name = \"p\"\n[load]\n{load}\n[topology]\nname = \"two\"\ntopics = [\"a\", \"b\"]\n[mix]\na = 99\nb = 1\n\
         [[groups]]\nname = \"all\"\nsubscribe = [\">\"]\n[[groups]]\nname = \"few\"\nsubscribe = [\"b\"]\n[objectives]\n{objectives}\n"
    );
    read(&Source::new("p.toml", text), &[]).unwrap_or_else(|errors| panic!("{errors}"))
}

fn steady(objectives: &str) -> Plan {
    profile("rate = \"10k/s\"\nwarmup = \"5s\"\nduration = \"20s\"", objectives)
}

const P99: &str = "\"latency.p99\" = \"< 100ms\"";

fn searching(profile: &Plan, rate: f64) -> Plan {
    trial_plan(profile, rate, 9, Purpose::Searching, PRECISION)
}

fn confirming(profile: &Plan, rate: f64) -> Plan {
    trial_plan(profile, rate, 9, Purpose::Confirming, PRECISION)
}

fn lines(plan: &Plan) -> Vec<String> {
    plan.objectives.iter().map(|one| format!("{} {}", one.name(), one.requirement())).collect()
}

#[test]
fn a_profile_that_no_rate_can_change_is_refused_with_what_to_do() {
    assert_eq!(refusal(&steady(P99)), None);
    let refused = |plan: &Plan, part: &str| {
        let why = refusal(plan).unwrap_or_default();
        assert!(why.contains(part) && !why.ends_with('.'), "{why}");
    };
    refused(&steady(""), "has no objectives");
    refused(
        &profile("rate = \"max\"\nduration = \"5s\"", "\"delivery.lost\" = \"== 0\""),
        "the load is closed",
    );
    refused(
        &profile("rate = \"1k/s\"\nconsume = \"backlog\"\nduration = \"5s\"", P99),
        "only after the load",
    );
    let fault = "[[faults]]\nat = \"1s\"\ndo = \"kill\"\ntarget = \"any\"\nfor = \"1s\"\nsettle = \"1s\"\nexpect = \"outage\"";
    refused(
        &profile("rate = \"1k/s\"\nduration = \"5s\"", &format!("{P99}\n{fault}")),
        "the profile has faults",
    );
    refused(&steady("\"latency.p99\" = \"> 1ms\""), "`latency.p99 > 1ms`");
    refused(&steady("\"delivery.lost\" = \">= 1\""), "leave this objective out");
    refused(&steady("\"throughput.offered\" = \">= 9k/s\""), "no rate can miss");
    refused(&steady("\"throughput.acked\" = \"<= 10k/s\""), "no rate can miss");
    assert_eq!(refusal(&steady("\"replay.complete\" = \"== 100%\"")), None);
}

#[test]
fn an_absolute_throughput_follows_the_load() {
    let plan = steady(
        "\"throughput.delivered\" = \">= 9990/s\"\n\"throughput.acked\" = \"== 10k/s\"\n\"few.throughput.delivered\" = \"> 99/s\"\n\
         \"throughput.sent\" = \"<= 20k/s\"\n\"throughput.offered\" = \">= 10k/s\"",
    );
    for rate in [500.0, 10_000.0, 123_000.0] {
        let trial = searching(&plan, rate);
        assert_eq!(
            lines(&trial),
            [
                "throughput.delivered >= 99.9% of offered",
                "throughput.acked == 100% of offered",
                "few.throughput.delivered > 99% of offered"
            ]
        );
        let left_out: Vec<&str> = trial.dropped.iter().map(|dropped| dropped.what.as_str()).collect();
        assert_eq!(left_out, ["throughput.sent <= 20k/s", "throughput.offered >= 10k/s"]);
    }
}

#[test]
fn the_length_follows_the_limit_the_quantile_and_the_shape() {
    let length = |plan: &Plan, rate| searching(plan, rate).load.duration;
    let plan = steady(P99);
    assert_eq!(
        (length(&plan, 10_000.0), searching(&plan, 1.0).load.warmup),
        (Span::seconds(5), Span::seconds(2))
    );
    // 299 events and four standard deviations.
    assert_eq!(length(&plan, 10.0), Span::seconds(37));
    let slow = steady("\"latency.p99\" = \"< 1s\"\n\"ack.p50\" = \"< 2s\"");
    assert_eq!(length(&slow, 10_000.0), Span::seconds(80), "4 × 2 s / 10 %");
    // A hundredth of the events: 2,995 and some.
    let few = steady("\"few.latency.p99.9\" = \"< 100ms\"");
    assert_eq!(length(&few, 100_000.0), Span::seconds(5));
    assert_eq!(length(&few, 10_000.0), Span::seconds(33));
    let both = confirming(&few, 10_000.0).load;
    assert_eq!((both.warmup, both.duration), (Span::seconds(5), Span::seconds(33)));
    assert_eq!(confirming(&few, 100_000.0).load.duration, Span::seconds(20));
    let burst = "arrival = \"burst\"\nrate = \"1k/s\"\nduration = \"21s\"\nwarmup = \"0s\"\nburst = { rate = \"5k/s\", every = \"7s\", length = \"1s\" }";
    let load = searching(&profile(burst, P99), 2000.0).load;
    assert_eq!(
        (load.duration, load.warmup, load.burst.map(|b| b.rate.per_second)),
        (Span::seconds(7), Span::default(), Some(10_000.0))
    );
    let steps = "arrival = \"steps\"\nduration = \"80s\"\nwarmup = \"500ms\"\nsteps = { rates = [\"1k/s\", \"2k/s\", \"3k/s\", \"4k/s\", \"3k/s\", \"2k/s\", \"1k/s\", \"500/s\"] }";
    let load = searching(&profile(steps, P99), 2000.0).load;
    assert_eq!((load.duration, load.warmup), (Span::seconds(8), Span::seconds(1)));
    assert_eq!(load.steps.map(|steps| steps.rates[3].per_second), Some(8000.0));
}

#[test]
fn the_lowest_rate_has_the_events_of_a_minute() {
    for (objectives, from, to) in [
        (P99, 6.0, 6.2),
        ("\"ack.p99.9\" = \"< 10ms\"", 53.0, 54.0),
        ("\"few.latency.p99.9\" = \"< 10ms\"", 5300.0, 5400.0),
        ("\"delivery.lost\" = \"== 0\"", 4.0, 4.0),
        ("\"few.throughput.delivered\" = \">= 99% of offered\"", 33.0, 34.0),
    ] {
        let plan = steady(objectives);
        let lowest = lowest_rate(&plan);
        assert!((from..=to).contains(&lowest), "{objectives}: {lowest}");
        assert!(searching(&plan, lowest).load.duration <= Span::seconds(61));
    }
}

#[test]
fn only_confirming_trials_read_the_store_back() {
    let plan = steady(
        "\"latency.p99\" = \"< 100ms\"\n\"replay.complete\" = \"== 100%\"\n\"delivery.not_stored\" = \"== 0\"",
    );
    let quick = searching(&plan, 1000.0);
    assert!(!quick.bus.audit && confirming(&plan, 1000.0).bus.audit);
    assert_eq!((quick.objectives.len(), quick.dropped.len()), (1, 2));
    assert_eq!((confirming(&plan, 1000.0).objectives.len(), quick.market.seed), (3, 9));
    let nothing_else = searching(&steady("\"replay.complete\" = \"== 100%\""), 1000.0);
    assert_eq!((nothing_else.bus.audit, nothing_else.objectives.len()), (true, 1));
}

#[test]
fn what_the_profile_leaves_unsaid_follows_the_rate_and_what_it_says_bounds_it() {
    let plan = steady(P99);
    let fast = confirming(&plan, 400_000.0);
    assert_eq!((fast.load.generators, fast.bus.max_bytes), (4, usual_max_bytes(&fast)));
    let highest = highest_rate(&plan, PRECISION);
    assert!((highest.rate - 1e6).abs() < 1.0 && highest.why.contains("1.00M/s"), "{highest:?}");
    let mut own = plan.clone();
    (own.load.generators, own.bus.max_bytes) = (2, Size { bytes: 1 << 30 });
    let fast = confirming(&own, 400_000.0);
    assert_eq!((fast.load.generators, fast.bus.max_bytes), (2, Size { bytes: 1 << 30 }));
    let highest = highest_rate(&own, PRECISION);
    let used = volume_bytes(&confirming(&own, highest.rate));
    assert!((1_020 << 20..=1 << 30).contains(&used), "{used} at {highest:?}");
    assert_eq!(beyond(&own, highest.rate, PRECISION), None);
    let why = beyond(&own, highest.rate * 1.01, PRECISION).unwrap();
    assert!(why.contains("do not fit into `bus.max_bytes`, 1GiB; raise it"), "{why}");
    let burst = "arrival = \"burst\"\nrate = \"1k/s\"\nduration = \"20s\"\nburst = { rate = \"20k/s\", every = \"5s\", length = \"1s\" }";
    assert!((highest_rate(&profile(burst, P99), PRECISION).rate - 50_000.0).abs() < 1.0);
}

fn loads() -> impl Strategy<Value = String> {
    prop_oneof![
        (any::<bool>(), 1_u32..50_000).prop_map(|(poisson, rate)| {
            format!("arrival = \"{}\"\nrate = \"{rate}/s\"", if poisson { "poisson" } else { "constant" })
        }),
        (1_u32..9000, 1_u32..9000).prop_map(|(from, to)| {
            format!("arrival = \"ramp\"\nramp = {{ from = \"{from}/s\", to = \"{to}/s\" }}")
        }),
        (1_u32..5000, 1_u32..9000, 500_u32..9000).prop_map(|(rate, burst, every)| format!(
            "arrival = \"burst\"\nrate = \"{rate}/s\"\nburst = {{ rate = \"{burst}/s\", every = \"{every}ms\", length = \"200ms\" }}"
        )),
        prop::collection::vec(1_u32..9000, 1..12).prop_map(|rates| {
            let rates: Vec<String> = rates.iter().map(|rate| format!("\"{rate}/s\"")).collect();
            format!("arrival = \"steps\"\nsteps = {{ rates = [{}] }}", rates.join(", "))
        }),
    ]
}

const OBJECTIVES: [&str; 9] = [
    "\"latency.p99\" = \"< 100ms\"",
    "\"latency.p99.9\" = \"< 1s\"",
    "\"few.latency.p50\" = \"<= 20ms\"",
    "\"all.windows.latency.p99\" = \"< 100ms in 90%\"",
    "\"throughput.delivered\" = \">= 1/s\"",
    "\"throughput.acked\" = \">= 99.9% of offered\"",
    "\"throughput.sent\" = \"<= 900k/s\"",
    "\"replay.complete\" = \"== 100%\"",
    "\"delivery.lost\" = \"== 0\"",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_trial_at_any_rate_of_the_search_is_a_legal_plan(
        load in loads(),
        (warmup, seconds) in (0_u32..8, 10_u32..90),
        wanted in prop::sample::subsequence(&OBJECTIVES[..], 1..=9),
        (at, seed, confirms) in (0.0_f64..=1.0, 0_u64..1 << 62, any::<bool>()),
    ) {
        let load = format!("{load}\nwarmup = \"{warmup}s\"\nduration = \"{seconds}s\"");
        let plan = profile(&load, &wanted.join("\n"));
        let (low, high) = (lowest_rate(&plan), highest_rate(&plan, PRECISION).rate);
        prop_assume!(low <= high && refusal(&plan).is_none());
        let rate = (low.ln() + at * (high / low).ln()).exp().min(high);
        let purpose = if confirms { Purpose::Confirming } else { Purpose::Searching };
        let trial = trial_plan(&plan, rate, seed, purpose, PRECISION);
        prop_assert!(!trial.objectives.is_empty());
        prop_assert!(trial.load.duration >= Span::seconds(5));
        let expected = rate / plan.load.rate.per_second * planned_rate(&plan, plan.load.duration, |_| true);
        let planned = planned_rate(&trial, trial.load.duration, |_| true);
        // A confirming trial of a burst may end within a period, as its profile may.
        if !confirms && trial.load.arrival != Arrival::Burst {
            prop_assert!((planned / expected - 1.0).abs() < 1e-6, "{} {}", planned, expected);
        }
        let shares = trial.objectives.iter().all(|one| !matches!(one.limit, Value::Rate(_)));
        prop_assert!(shares, "{:?}", lines(&trial));
        let text = to_toml(&trial);
        match read(&Source::new("p.toml", &*text), &[]) {
            Ok(back) => prop_assert_eq!(back, Plan { dropped: Vec::new(), ..trial }),
            Err(errors) => prop_assert!(false, "{}\n{}", errors, text),
        }
    }
}

#[test]
fn every_profile_of_the_program_can_be_searched_or_says_why_not() {
    for name in builtin::names() {
        let plan = read(&Source::find(name).unwrap(), &[]).unwrap();
        if let Some(why) = refusal(&plan) {
            assert!(!why.is_empty(), "{name}");
            continue;
        }
        let lowest = lowest_rate(&plan);
        for rate in [lowest, plan.load.rate.per_second, highest_rate(&plan, PRECISION).rate.min(50_000.0)] {
            for purpose in [Purpose::Searching, Purpose::Confirming] {
                let trial = trial_plan(&plan, rate, 5, purpose, PRECISION);
                assert!(totals(&trial.load).measure_events > 0);
                let back = read(&Source::new("p.toml", to_toml(&trial)), &[]);
                assert!(back.is_ok(), "{name} at {rate}: {}", back.unwrap_err());
            }
        }
    }
}
