//! The rules of a comparison, on pairs made by hand; and how often it is wrong, on simulated ones.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use proptest::prelude::*;
use tickgate::compare::{
    About, Comparison, Design, Finding, Ledger, Letter, Load, MetricResult, Outcome, Pair, Prices, Round,
    Setups, SideInput, Trial, Unit, compare, compare_all, contradiction, durability_differences, orders,
    workload_differences,
};
use tickgate::plan::{BusKind, Span};
use tickgate::record::{Broker, Made, Record};

use crate::support::pairs::{around, normal, pairs, rounds};
use crate::support::records;

fn run(design: Design, pairs: Vec<Pair>) -> Comparison {
    compare(About::default(), design, None, [&SideInput::default(), &SideInput::default()], pairs)
}

fn of(comparison: &Comparison, name: &str) -> MetricResult {
    comparison.metrics.iter().find(|m| m.name == name).unwrap().clone()
}

#[test]
fn twice_as_slow_is_worse_and_half_is_better() {
    let worse = run(Design::default(), around(2.0, 8));
    assert_eq!(worse.verdict.finding, Finding::Worse);
    assert_eq!(
        worse.verdict.sentence,
        "B's end-to-end p99 is 2.00 to 2.02 times A's, 8 pairs, p = 0.008: worse."
    );
    assert_eq!(of(&worse, "ack.p99").finding, Finding::Worse, "and so is what does not decide");
    assert_eq!(run(Design::default(), around(0.5, 8)).verdict.finding, Finding::Better);
}

#[test]
fn a_difference_below_the_minimum_is_none_and_a_small_one_is_equivalence() {
    let small = run(Design::default(), around(1.02, 8));
    assert_eq!(small.verdict.finding, Finding::Equivalent, "{}", small.verdict.sentence);
    let design = Design { equivalent: 0.01, ..Design::default() };
    let below = run(design, around(1.03, 8));
    assert_eq!(below.verdict.finding, Finding::NoDifferenceShown);
    assert!(of(&below, "latency.p99").why.contains("below 5 %"), "{:?}", of(&below, "latency.p99").why);
    let design = Design { min_effect: 0.01, ..Design::default() };
    assert_eq!(run(design, around(1.03, 8)).verdict.finding, Finding::Worse);
}

#[test]
fn noise_is_no_proof_of_sameness() {
    let noisy: Vec<(f64, f64)> = [2.0, 0.4, 1.5, 0.7, 2.2, 0.5, 1.1, 0.8].map(|r| (1.0, r)).to_vec();
    let noisy = run(Design::default(), pairs(&noisy));
    assert_eq!(noisy.verdict.finding, Finding::Inconclusive);
    assert!(of(&noisy, "latency.p99").why.contains("too noisy"));
    assert!(noisy.verdict.reasons.iter().any(|r| r.next.contains("--pairs")));
    let quiet: Vec<(f64, f64)> = [1.2, 0.9, 1.15, 0.85, 1.2, 0.9, 1.1, 0.8].map(|r| (1.0, r)).to_vec();
    let quiet = run(Design::default(), pairs(&quiet));
    assert_eq!(quiet.verdict.finding, Finding::NoDifferenceShown, "{}", quiet.verdict.sentence);
}

#[test]
fn six_pairs_decide_one_question_and_seven_three() {
    for (n, finding) in
        [(1, Finding::Inconclusive), (5, Finding::Inconclusive), (6, Finding::Worse), (7, Finding::Worse)]
    {
        let comparison = run(Design::default(), around(3.0, n));
        assert_eq!(comparison.verdict.finding, finding, "{n} pairs");
        let other = of(&comparison, "ack.p50");
        assert_eq!(other.finding == Finding::Worse, n == 7, "{n} pairs");
        assert!(n != 6 || other.why.contains("6 of 7 pairs that 3 metrics need together"), "{}", other.why);
    }
    let few = run(Design::default(), around(3.0, 5));
    assert!(
        few.verdict.sentence.starts_with("No verdict is possible: 5 pairs of at least 6."),
        "{}",
        few.verdict.sentence
    );
    assert!(few.verdict.reasons[0].next.contains("--pairs 8"));
    assert_eq!(run(Design::default(), vec![]).verdict.sentence, "No pair of runs can be compared.");
}

#[test]
fn a_run_that_is_no_measurement_takes_its_partner_out() {
    let mut eight = around(2.0, 8);
    eight[0].b = Trial::failed("b-01", "the server ended");
    eight[1].b.ledger = Ledger { lost: 7, ..Ledger::default() };
    eight[3].a.outcome = Outcome::Unfit;
    eight[3].a.reason = Some("the machine paused".into());
    let comparison = run(Design::default(), eight.clone());
    assert_eq!(of(&comparison, "latency.p99").pairs, 6);
    assert_eq!(comparison.verdict.finding, Finding::Worse);
    assert_eq!((comparison.sides.b.failed, comparison.sides.a.unfit), (1, 1));
    assert_eq!(comparison.pairs[0].excluded.as_deref(), Some("B failed: the server ended"));
    assert_eq!(comparison.pairs[3].excluded.as_deref(), Some("A was unfit to measure: the machine paused"));
    assert!(
        comparison.verdict.sentence.starts_with("B lost 7 events, A none."),
        "{}",
        comparison.verdict.sentence
    );
    assert!(comparison.verdict.reasons.iter().any(|r| r.what.starts_with("2 of 8 pairs left out")));

    eight[5].a.outcome = Outcome::NotRun;
    let fewer = run(Design::default(), eight);
    assert_eq!(fewer.verdict.finding, Finding::Inconclusive);
    assert!(fewer.verdict.sentence.contains("5 pairs of at least 6"));
}

#[test]
fn faults_of_delivery_are_named_before_any_ratio_and_decide() {
    let mut faster = around(0.5, 8);
    faster[2].b.ledger.reordered = 12;
    let comparison = run(Design::default(), faster.clone());
    assert_eq!(comparison.verdict.finding, Finding::Worse, "faster, and out of order");
    assert!(
        comparison
            .verdict
            .sentence
            .starts_with("B delivered out of order 12 events, A none. B's end-to-end p99")
    );
    faster[4].a.ledger.reordered = 3;
    let both = run(Design::default(), faster.clone());
    assert_eq!(both.verdict.finding, Finding::Inconclusive, "both do, and B four times as often");
    assert!(both.verdict.sentence.starts_with("Both delivered events out of order: A 3, B 12."));
    faster[4].a.ledger.reordered = 12;
    assert_eq!(run(Design::default(), faster.clone()).verdict.finding, Finding::Better, "both do alike");
    faster[2].b.ledger.reordered = 0;
    let only_a = run(Design::default(), faster);
    assert_eq!(only_a.verdict.finding, Finding::Better);
    assert!(only_a.verdict.sentence.starts_with("A delivered out of order 12 events"));
}

#[test]
fn a_figure_that_a_side_lacks_is_said() {
    let mut eight = around(2.0, 8);
    for pair in &mut eight {
        pair.b.figures.remove("broker.cpu");
        pair.b.missing.insert("broker.cpu".into(), "the broker's process could not be measured".into());
    }
    let comparison = run(Design::default(), eight);
    let cpu = of(&comparison, "broker.cpu");
    assert_eq!((cpu.finding, cpu.pairs), (Finding::Inconclusive, 0));
    assert_eq!(cpu.why, "B has no figure in 8 runs: the broker's process could not be measured");
    assert_eq!(of(&comparison, "broker.memory").family_size, 2, "it does not count in its family");
}

fn sample(kind: &str, durability: &str) -> Record {
    let mut record = records::of(&records::Recipe::default());
    record.broker = Broker { kind: kind.into(), durability: durability.into(), ..Broker::default() };
    record
}

fn compared(a: &str, b: &str, design: Design, prices: Option<&Prices>) -> Comparison {
    let setup = |kind: &str, durability: &str| SideInput {
        label: kind.into(),
        overrides: vec![],
        sample: Some(sample(kind, durability)),
    };
    compare(About::default(), design, prices, [&setup("nats", a), &setup("kafka", b)], around(2.0, 8))
}

#[test]
fn sides_of_unequal_durability_are_not_ranked_unless_allowed() {
    let refused = compared("fsync", "page cache", Design::default(), None);
    assert_eq!(refused.verdict.finding, Finding::Inconclusive);
    assert!(refused.verdict.sentence.starts_with("Not ranked"), "{}", refused.verdict.sentence);
    assert!(refused.verdict.reasons[0].next.contains("--allow-unequal"));
    assert!(refused.fairness[0].differs, "the first row of the table");
    let allowed = compared("fsync", "page cache", Design { allow_unequal: true, ..Design::default() }, None);
    assert_eq!(allowed.verdict.finding, Finding::Worse);
    assert!(allowed.verdict.remarks.iter().any(|r| r.starts_with("Unequal durability, allowed")));
    assert_eq!(compared("fsync", "fsync", Design::default(), None).verdict.finding, Finding::Worse);
}

#[test]
fn events_are_fetched_together_from_consumers_that_are_pulled_from() {
    let fetched = |subjects: &[&str]| {
        let mut a = sample("nats", "x");
        let consumer = |subject: &&str| {
            let fields = [("deliver_subject".to_owned(), (*subject).into())];
            fields.into_iter().filter(|(_, subject)| *subject != "").collect::<serde_json::Map<_, _>>()
        };
        a.broker.made = Some(Made { consumers: subjects.iter().map(consumer).collect(), ..Made::default() });
        let mut b = sample("kafka", "x");
        b.plan.bus.kind = BusKind::Kafka;
        let sides = [a, b].map(|record| SideInput { sample: Some(record), ..SideInput::default() });
        let [a, b] = &sides;
        let table = compare(About::default(), Design::default(), None, [a, b], around(2.0, 8)).fairness;
        let row = |name: &str| table.iter().find(|row| row.name == name).map(|row| row.a.clone());
        (row("events fetched together").unwrap(), row("bus.nats.pull_batch"))
    };
    let batch = || Some("1000".to_owned());
    let pulled = "up to 1000, as soon as there is one".to_owned();
    assert_eq!(fetched(&[]), (pulled.clone(), batch()));
    assert_eq!(fetched(&["", ""]), (pulled.clone(), batch()));
    assert_eq!(fetched(&["", "to.here"]), (format!("{pulled}; 1 of 2 consumers are pushed to"), batch()));
    assert_eq!(fetched(&["to.here", "there"]), ("none: the server pushes each".to_owned(), None));
}

#[test]
fn a_bill_is_use_times_price() {
    let prices = Prices {
        currency: "EUR".into(),
        core: 20.0,
        gib_memory: 4.0,
        gb_disk: 0.1,
        retention: Span::seconds(100),
    };
    let a = sample("nats", "x");
    // 10 events a second.
    let load = Load {
        due: 900,
        carried: 900,
        confirmed: 900,
        confirmed_in_all: 1000,
        seconds: 90.0,
        ..Load::default()
    };
    let setup = |kind: &str| {
        let mut record = a.clone();
        record.broker.kind = kind.into();
        SideInput { label: kind.into(), overrides: vec![], sample: Some(record) }
    };
    let mut eight = around(1.0, 8);
    for pair in &mut eight {
        for (trial, by) in [(&mut pair.a, 1.0), (&mut pair.b, 10.0)] {
            trial.load = Some(load);
            trial.figures.insert("broker.cpu".into(), 0.5 * by);
            trial.figures.insert("broker.memory".into(), 2.0 * f64::from(1_u32 << 30) * by);
            trial.figures.insert("broker.store".into(), 1e12 * by);
        }
    }
    let comparison =
        compare(About::default(), Design::default(), Some(&prices), [&setup("nats"), &setup("kafka")], eight);
    let cost = comparison.cost.unwrap();
    // 0.5 cores, 2 GiB, and 10/s for 100 s at 1e9 bytes an event: 1000 GB.
    let expected = 0.5 * 20.0 + 2.0 * 4.0 + 1000.0 * 0.1;
    assert!((cost.a.total() - expected).abs() < 1e-9, "{:?}", cost.a);
    assert!((cost.b.total() - 10.0 * expected).abs() < 1e-6 && (cost.ratio - 10.0).abs() < 1e-9);
    let found: Vec<_> = comparison.claims.iter().map(|c| c.support.to_string()).collect();
    assert_eq!(found, ["contradicted", "contradicted", "supported"], "{:?}", comparison.claims);
    assert!(comparison.claims[2].measured.contains("90 % less"), "{:?}", comparison.claims[2]);
}

proptest! {
    #[test]
    fn swapping_the_sides_inverts_every_ratio_and_finding(ratios in proptest::collection::vec(0.3..3.0_f64, 6..12)) {
        let there: Vec<(f64, f64)> = ratios.iter().map(|r| (1e6, 1e6 * r)).collect();
        let back: Vec<(f64, f64)> = there.iter().map(|(a, b)| (*b, *a)).collect();
        let (there, back) = (run(Design::default(), pairs(&there)), run(Design::default(), pairs(&back)));
        for (there, back) in there.metrics.iter().zip(&back.metrics).filter(|(m, _)| m.unit != Unit::Events) {
            prop_assert!((there.ratio.unwrap() * back.ratio.unwrap() - 1.0).abs() < 1e-9);
            let (i, j) = (there.interval.unwrap(), back.interval.unwrap());
            prop_assert!((i.low * j.high - 1.0).abs() < 1e-9 && (i.high * j.low - 1.0).abs() < 1e-9);
            prop_assert!((there.p.unwrap() - back.p.unwrap()).abs() < 1e-12);
            let mirrored = match there.finding {
                Finding::Better => Finding::Worse,
                Finding::Worse => Finding::Better,
                same => same,
            };
            prop_assert_eq!(mirrored, back.finding);
        }
    }

    #[test]
    fn another_unit_changes_nothing(ratios in proptest::collection::vec(0.3..3.0_f64, 6..12), unit in 0.001..1000.0_f64) {
        let one: Vec<(f64, f64)> = ratios.iter().map(|r| (1e6, 1e6 * r)).collect();
        let other: Vec<(f64, f64)> = one.iter().map(|(a, b)| (a * unit, b * unit)).collect();
        let (one, other) = (run(Design::default(), pairs(&one)), run(Design::default(), pairs(&other)));
        for (one, other) in one.metrics.iter().zip(&other.metrics).filter(|(m, _)| m.unit != Unit::Events) {
            prop_assert!((one.ratio.unwrap() - other.ratio.unwrap()).abs() < 1e-9);
            prop_assert!((one.p_adjusted.unwrap() - other.p_adjusted.unwrap()).abs() < 1e-9);
        }
    }
}

#[test]
fn a_side_that_still_warms_up_is_named() {
    let moving = |slope: u64| {
        let mut record = records::of(&records::Recipe { seconds: 20, ..records::Recipe::default() });
        for (n, row) in (0..).zip(&mut record.timeline) {
            // A little up and down, as seconds are.
            row.groups.iter_mut().for_each(|g| g.latency.p50_ns = 400_000 + n * slope + n % 3 * 9_000);
        }
        Trial::of("x", &record)
    };
    let steady = |trial: &Trial| trial.steady.unwrap().steady;
    assert!(steady(&moving(0)));
    assert!(steady(&moving(1_000)), "sure, and small");
    assert!(!steady(&moving(30_000)));
    let short = records::of(&records::Recipe { seconds: 5, ..records::Recipe::default() });
    assert_eq!(Trial::of("x", &short).steady, None, "five seconds tell nothing");

    let mut eight = around(2.0, 8);
    eight.iter_mut().take(5).for_each(|pair| pair.b.steady = moving(30_000).steady);
    let comparison = run(Design::default(), eight);
    assert_eq!(comparison.sides.b.unsteady, 5);
    assert!(
        comparison
            .verdict
            .reasons
            .iter()
            .any(|r| r.what.starts_with("B was not steady in 5 of 8") && r.next.contains("warmup"))
    );
}

#[test]
fn the_load_is_told_from_the_configuration() {
    let a = records::plan(&records::Recipe::default());
    let keys = |change: &dyn Fn(&mut tickgate::plan::Plan)| {
        let mut b = a.clone();
        change(&mut b);
        workload_differences(&a, &b).into_iter().map(|d| d.key).collect::<Vec<_>>()
    };
    assert_eq!(keys(&|b| b.load.rate.per_second = 2000.0), ["load.rate"]);
    assert_eq!(keys(&|b| b.load.warmup = Span::seconds(9)), ["load.warmup"]);
    assert_eq!(keys(&|b| b.market.symbols = 3), ["market.symbols"]);
    assert_eq!(keys(&|b| b.topology.prefix = "x".into()), ["topology.prefix"]);
    assert_eq!(
        keys(&|b| b.mix = vec![("market.bar.1m".into(), 1.0)]),
        ["mix.market.bar.1m", "mix.market.quote.received"]
    );
    assert_eq!(keys(&|b| b.groups[0].subscribe = vec![">".into()]), ["groups.trading-engine.subscribe"]);
    assert_eq!(keys(&|b| drop(b.groups.pop())), ["groups.analytics.subscribe"], "nobody listens there");
    let configuration = keys(&|b| {
        b.name = "other".into();
        b.market.seed = 7;
        b.load.generators = 2;
        b.topology.symbol_in_subject = true;
        b.groups[0].members = 4;
        b.bus.window = 3;
        b.bus.replicas = 3;
        b.objectives.clear();
    });
    assert_eq!(configuration, [""; 0]);
    let mut b = a.clone();
    b.bus.replicas = 3;
    assert_eq!(durability_differences(&a, &b)[0].key, "bus.replicas");
}

#[test]
fn a_figure_is_that_of_the_slowest_group_and_needs_its_samples() {
    let mut record = records::of(&records::Recipe::default());
    record.groups[1].latency.p99_ns = 77_000_000;
    record.groups[0].latency.p50_ns = 66_000_000;
    let trial = Trial::of("x", &record);
    assert!(
        (trial.figures["latency.p99"] - 77e6).abs() < 1.0
            && (trial.figures["latency.p50"] - 66e6).abs() < 1.0
    );
    assert!(trial.curve.windows(2).all(|two| two[0].0 < two[1].0 && two[0].1 <= two[1].1));
    (record.groups[1].latency.count, record.groups[1].measured_intended) = (2000, 2000);
    let trial = Trial::of("x", &record);
    assert!(
        trial.missing["latency.p99.9"].contains("2000 samples, but this quantile needs 2995"),
        "{:?}",
        trial.missing
    );
    record.resources.brokers.clear();
    assert!(Trial::of("x", &record).missing["broker.memory"].contains("could not be measured"));
}

/// Eight rounds of three sides: B is always slower than A; C is slower but for the two smallest differences.
fn three_sides() -> Vec<Round> {
    let ratios_c = [0.99, 0.98, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7];
    let figures: Vec<[f64; 3]> = (0..8_u32)
        .zip(ratios_c)
        .map(|(k, c)| {
            let a = 1e6 + f64::from(k) * 1e4;
            [a, a * 2.0 * (1.0 + 0.001 * f64::from(k)), a * c]
        })
        .collect();
    rounds(&figures)
}

fn run_all(design: Design, sides: usize, reference: Letter, rounds: &[Round]) -> Comparison {
    let input = SideInput::default();
    let setups = Setups::new(vec![&input; sides], reference).unwrap();
    compare_all(About::default(), design, None, &setups, rounds)
}

/// By hand: of 2^8 signs two are as extreme as B's (p = 2/256), and ten as C's, whose negative ranks 1 and 2 sum to 3: the
/// sets of ranks with a sum up to 3 are {}, {1}, {2}, {3} and {1, 2} (p = 10/256).
#[test]
fn holm_covers_the_metrics_of_all_sides() {
    let c = run_all(Design::default(), 3, Letter::A, &three_sides());
    let [b, other]: [Comparison; 2] = c.contrasts().try_into().unwrap_or_else(|_| unreachable!());
    let (p_b, p_c) = (2.0 / 256.0, 10.0 / 256.0);
    for (name, size, adjusted_b, adjusted_c) in [
        ("latency.p99", 2, 2.0 * p_b, p_c),
        ("latency.p50", 4, 4.0 * p_b, 2.0 * p_c),
        ("broker.cpu", 6, 6.0 * p_b, 3.0 * p_c),
    ] {
        let (b, c) = (of(&b, name), of(&other, name));
        assert_eq!((b.family_size, c.family_size), (size, size), "{name}");
        assert!((b.p.unwrap() - p_b).abs() < 1e-12 && (c.p.unwrap() - p_c).abs() < 1e-12, "{name}");
        assert!((b.p_adjusted.unwrap() - adjusted_b).abs() < 1e-12, "{name}: {:?}", b.p_adjusted);
        assert!((c.p_adjusted.unwrap() - adjusted_c).abs() < 1e-12, "{name}: {:?}", c.p_adjusted);
    }
    assert_eq!((b.verdict.finding, other.verdict.finding), (Finding::Worse, Finding::Worse));
    assert_eq!(of(&b, "latency.p50").finding, Finding::Worse);
    assert_eq!(
        of(&other, "latency.p50").finding,
        Finding::Inconclusive,
        "not after the correction for both sides"
    );
    assert!(other.verdict.sentence.starts_with("C's end-to-end p99 is"), "{}", other.verdict.sentence);
    assert_eq!((c.schema.as_str(), c.overall), ("tickgate.compare/2", Some(Finding::Worse)));
}

#[test]
fn two_sides_are_the_case_of_one_contrast() {
    let pairs = around(2.0, 8);
    let two = run(Design::default(), pairs.clone());
    let rounds: Vec<Round> = pairs.into_iter().map(Round::of_pair).collect();
    assert_eq!(run_all(Design::default(), 2, Letter::A, &rounds), two);
    assert_eq!((two.schema.as_str(), two.overall, two.others.len()), ("tickgate.compare/1", None, 0));
    let json = serde_json::to_value(&two).unwrap();
    for absent in ["others", "overall"] {
        assert!(json.get(absent).is_none(), "{absent} is new to readers of two sides");
    }
    assert!(json["sides"].get("contrast").is_none());
    let back = run_all(Design::default(), 2, Letter::B, &rounds);
    assert_eq!(back.verdict.finding, Finding::Better, "A against B");
    assert_eq!(back.schema, "tickgate.compare/2", "a reader of two sides would take it for B against A");
    assert!(back.verdict.sentence.starts_with("A's end-to-end p99 is"), "{}", back.verdict.sentence);
}

#[test]
fn a_side_that_fails_takes_out_its_own_pairs_only() {
    let mut rounds = three_sides();
    for round in &mut rounds[..3] {
        round.trials[2] = Trial::failed("c", "the server ended");
    }
    let c = run_all(Design::default(), 3, Letter::A, &rounds);
    assert_eq!(c.verdict.finding, Finding::Worse, "B has all its pairs");
    assert_eq!(c.others[0].verdict.finding, Finding::Inconclusive, "five pairs are too few");
    assert_eq!(c.others[0].pairs[0].excluded.as_deref(), Some("C failed: the server ended"));
    assert_eq!((c.overall, c.pairs[0].excluded.clone()), (Some(Finding::Worse), None));
}

#[test]
fn an_account_of_three_sides_is_held_to_its_runs() {
    let good = run_all(Design::default(), 3, Letter::A, &three_sides());
    assert_eq!(contradiction(&good), None);
    let said = |change: &dyn Fn(&mut Comparison)| {
        let mut account = good.clone();
        change(&mut account);
        contradiction(&account).unwrap_or_default()
    };
    assert!(said(&|c| c.overall = Some(Finding::Better)).contains("its overall finding is `better`"));
    assert!(said(&|c| c.overall = None).contains("its overall finding is `none`"));
    assert!(said(&|c| c.others[0].verdict.finding = Finding::Better).contains("its verdict is `better`"));
    assert!(said(&|c| c.others[0].sides.b.measured = 3).contains("the sums of side C"));
    assert!(
        said(&|c| c.others.clear()).contains("but"),
        "a family of fewer tests, or another overall finding"
    );
    let other_runs = said(&|c| c.others[0].pairs[0].a.curve = vec![(0.5, 7)]);
    assert!(other_runs.contains("the same runs of the reference"), "{other_runs}");
}

/// How latency of identical systems moves (facts of real machines): a run's figure varies by 4 % from run to run, the
/// host drifts slowly over the hours, and within a run seconds resemble their neighbours (AR(1), φ = 0.9), so that even
/// the mean over a run is not exact. Everything in logarithms.
fn machine(seed: u64) -> impl FnMut(f64) -> f64 {
    let mut drift = 0.0;
    let mut time = 0_u64;
    move |shift: f64| {
        time += 1;
        let random = |k: u64| normal(seed, time * 1000 + k);
        drift += 0.02 * random(0);
        let mut second = 0.1 / (1.0 - 0.81_f64).sqrt() * random(1);
        let within = (2..32).map(|k| {
            second = 0.9 * second + 0.1 * random(k);
            second
        });
        let within = within.sum::<f64>() / 30.0;
        1e6 * (shift + drift + 0.04 * random(40) + 0.3 * within).exp()
    }
}

/// Eight rounds of sides whose effects are given, in the order of the seed.
fn simulated<const N: usize>(seed: u64, effects: [f64; N]) -> Vec<[f64; N]> {
    let mut run = machine(seed);
    orders(seed, N, 8)
        .into_iter()
        .map(|order| {
            let mut figures = [0.0; N];
            for side in order {
                figures[side] = run(effects[side].ln());
            }
            figures
        })
        .collect()
}

fn share(runs: u32, effect: f64, finding: impl Fn(Finding) -> bool) -> f64 {
    let found = (0..runs).filter(|seed| {
        let figures = simulated(u64::from(*seed), [1.0, effect]);
        let pairs = pairs(&figures.into_iter().map(|[a, b]| (a, b)).collect::<Vec<_>>());
        finding(run(Design::default(), pairs).verdict.finding)
    });
    f64::from(u32::try_from(found.count()).unwrap()) / f64::from(runs)
}

#[test]
fn identical_sides_are_told_apart_at_most_as_often_as_is_stated() {
    let alarms = share(2000, 1.0, |f| matches!(f, Finding::Worse | Finding::Better));
    println!("false alarms: {alarms}");
    // Nominal 5 %; 2,000 comparisons have a standard error of 0.5 %.
    assert!(alarms <= 0.05, "{alarms}");
    assert!(alarms > 0.0, "the simulation has no noise");
}

/// The share of comparisons of three identical sides in which any side is called better or worse.
#[test]
fn three_identical_sides_are_told_apart_at_most_as_often_as_is_stated() {
    let wrong = |seed: &u32| {
        let rounds = rounds(&simulated(u64::from(*seed), [1.0; 3]));
        let c = run_all(Design::default(), 3, Letter::A, &rounds);
        c.contrasts().iter().any(|c| matches!(c.verdict.finding, Finding::Worse | Finding::Better))
    };
    let alarms = f64::from(u32::try_from((0..1000_u32).filter(wrong).count()).unwrap()) / 1000.0;
    println!("false alarms in three sides: {alarms}");
    assert!(alarms <= 0.05, "{alarms}");
    assert!(alarms > 0.0, "the simulation has no noise");
}

#[test]
fn a_fifth_more_of_one_side_is_found_among_three() {
    let found = (0..300_u32).filter(|seed| {
        let rounds = rounds(&simulated(u64::from(*seed), [1.0, 1.0, 1.2]));
        let c = run_all(Design::default(), 3, Letter::A, &rounds);
        c.others[0].verdict.finding == Finding::Worse
    });
    let found = f64::from(u32::try_from(found.count()).unwrap()) / 300.0;
    println!("found +20 % in one of three: {found}");
    assert!(found >= 0.8, "{found}");
}

#[test]
fn a_fifth_more_is_found() {
    let found = share(500, 1.2, |f| f == Finding::Worse);
    println!("found +20 %: {found}");
    assert!(found >= 0.8, "{found}");
}
