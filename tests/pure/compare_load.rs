//! The checks before any ratio: carried load, delivery faults and missing runs.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use tickgate::compare::{
    About, Comparison, Design, Finding, MetricResult, Outcome, Pair, Prices, SideInput, Trial, compare,
};
use tickgate::plan::Consume;
use tickgate::record::{End, Record};

use crate::support::comparisons::{DUE, carrying, compared, eight};
use crate::support::records;

const MS: u64 = 1_000_000;

fn of<'a>(c: &'a Comparison, name: &str) -> &'a MetricResult {
    c.metrics.iter().find(|m| m.name == name).unwrap()
}

/// The same pairs with the sides exchanged.
fn swapped(pairs: &[Pair]) -> Vec<Pair> {
    let swap = |pair: &Pair| Pair { a: pair.b.clone(), b: pair.a.clone(), ..pair.clone() };
    pairs.iter().map(swap).collect()
}

fn full(median_ns: u64) -> impl Fn(u64) -> Record {
    move |k| carrying(DUE, median_ns, k)
}

fn findings(c: &Comparison, finding: Finding) -> Vec<&str> {
    c.metrics.iter().filter(|m| m.finding == finding).map(|m| m.name.as_str()).collect()
}

// --- Carried load.

#[test]
fn a_side_that_leaves_most_of_its_load_unsent_is_worse_however_fast_it_is_with_the_rest() {
    let pairs = eight(full(4 * MS), |k| carrying(DUE * 18 / 100, 2 * MS, k));
    let c = compared(pairs.clone());
    assert_eq!(c.verdict.finding, Finding::Worse, "{}", c.verdict.sentence);
    assert!(
        c.verdict.sentence.starts_with("B (two) carried 18 % of the due events, A (one) 100 %."),
        "{}",
        c.verdict.sentence
    );
    assert_eq!(findings(&c, Finding::Better), [""; 0], "of what came through nothing is to its credit");
    assert_eq!(findings(&c, Finding::Equivalent), [""; 0]);
    let load = c.sides.b.load.unwrap();
    assert_eq!((load.due, load.carried), (8 * DUE, 8 * (DUE * 18 / 100)));

    let back = compared(swapped(&pairs));
    assert_eq!(back.verdict.finding, Finding::Better, "{}", back.verdict.sentence);
    assert!(back.verdict.sentence.starts_with("A (one) carried 18 %"), "{}", back.verdict.sentence);
    assert_eq!(findings(&back, Finding::Worse), [""; 0]);
}

#[test]
fn sides_are_not_ranked_where_one_carries_less_but_not_surely_or_not_much() {
    for (name, runs, missing) in
        [("half, in two of eight runs", 2, DUE / 2), ("half a percent, in each run", 8, DUE / 200)]
    {
        let pairs = eight(full(4 * MS), |k| carrying(if k <= runs { DUE - missing } else { DUE }, 2 * MS, k));
        let c = compared(pairs.clone());
        assert_eq!(c.verdict.finding, Finding::Inconclusive, "{name}: {}", c.verdict.sentence);
        assert!(c.verdict.sentence.starts_with("B (two) carried "), "{name}: {}", c.verdict.sentence);
        assert_eq!(findings(&c, Finding::Better), [""; 0], "{name}");
        let why = &of(&c, "ack.p50").why;
        assert!(name.starts_with("half,") || why.contains("not ranked: B carried less"), "{name}: {why}");
        assert!(c.verdict.reasons.iter().any(|r| r.what.starts_with("B carried less")), "{name}");
        let back = compared(swapped(&pairs));
        assert_ne!(back.verdict.finding, Finding::Worse, "{name}: {}", back.verdict.sentence);
    }
}

#[test]
fn one_event_in_two_thousand_is_noise_and_one_side_that_both_carries_less_and_is_slower_is_worse() {
    let c = compared(eight(full(4 * MS), |k| carrying(DUE - DUE / 2000, 2 * MS, k)));
    assert_eq!(c.verdict.finding, Finding::Better, "{}", c.verdict.sentence);
    let c = compared(eight(full(2 * MS), |k| carrying(DUE - DUE / 200, 4 * MS, k)));
    assert_eq!(c.verdict.finding, Finding::Worse, "{}", c.verdict.sentence);
}

#[test]
fn both_sides_that_carry_as_little_are_told_so_and_ranked() {
    let c = compared(eight(|k| carrying(DUE * 6 / 10, 4 * MS, k), |k| carrying(DUE * 6 / 10, 2 * MS, k)));
    let said = "A (one) carried 60 % of the due events, B (two) 60 %.";
    assert!(c.verdict.remarks.iter().any(|r| r == said), "{:?}", c.verdict.remarks);
    assert_eq!(of(&c, "latency.p50").finding, Finding::Better);
    let p99 = of(&c, "latency.p99");
    assert_eq!((p99.pairs, p99.finding), (0, Finding::Inconclusive), "nobody knows it");
}

#[test]
fn a_quantile_is_of_the_events_that_were_due() {
    let whole = Trial::of("a", &carrying(DUE, 4 * MS, 1));
    // Half of them have no time: the median of those due is the largest of those that came.
    let mut record = carrying(DUE / 2, 4 * MS, 1);
    let half = Trial::of("b", &record);
    let largest = record.groups[0].latency.max_ns;
    assert!((half.figures["latency.p50"] - tickgate::num::f64_of_signed(largest)).abs() < 1.0, "{half:?}");
    assert!(half.figures["latency.p50"] > 5.0 * whole.figures["latency.p50"]);
    for name in ["latency.p99", "latency.p99.9", "ack.p99"] {
        assert_eq!(
            half.missing[name],
            "1500 of 3000 due events have no time and so rank beyond this quantile"
        );
    }
    assert!(half.curve.last().unwrap().0 < 0.31, "the curve ends at the median: {:?}", half.curve.last());
    let mut early = record.clone();
    early.groups[0].latency.negative = 1;
    assert!(Trial::of("b", &early).missing["latency.p50"].contains("1 times are below zero"));
    record.groups[0].latency.histogram.clear();
    assert!(Trial::of("b", &record).missing["latency.p50"].contains("cannot be read"));
}

#[test]
fn an_event_is_carried_if_it_was_confirmed_and_every_group_got_it() {
    let of = |change: &dyn Fn(&mut Record)| {
        let mut record = records::of(&records::Recipe::default());
        change(&mut record);
        let load = Trial::of("x", &record).load.unwrap();
        (load.due, load.carried, load.deliveries)
    };
    assert_eq!(of(&|_| {}), (12_000, 12_000, 24_000));
    assert_eq!(
        of(&|r| r.load.measured_acked -= 500),
        (12_000, 11_500, 24_000),
        "unsent, refused, unconfirmed"
    );
    assert_eq!(of(&|r| r.groups[1].latency.count -= 70), (12_000, 11_930, 24_000), "lost, or still to come");
    let both = of(&|r| {
        r.load.measured_acked -= 500;
        r.groups[0].latency.count -= 570;
        r.groups[1].latency.count -= 500;
    });
    assert_eq!(both, (12_000, 11_430, 24_000), "who misses most counts");
    assert_eq!(of(&|r| r.groups.clear()), (12_000, 12_000, 0), "nobody listens");
    let empty = records::of(&records::Recipe { seconds: 0, end: End::BrokerFailed, ..Default::default() });
    assert_eq!(Trial::of("x", &empty).load, None);
}

/// The finding when the median decides.
fn by_median(pairs: Vec<Pair>) -> Finding {
    let design = Design { decide: vec!["latency.p50".into()], ..Design::default() };
    let setup = SideInput::default();
    compare(About::default(), design, None, [&setup, &setup], pairs).verdict.finding
}

#[test]
fn one_percent_less_in_each_run_is_worse_and_less_than_that_is_not_ranked() {
    let less_by = |events: u64| by_median(eight(full(4 * MS), |k| carrying(DUE - events, 2 * MS, k)));
    assert_eq!(less_by(DUE * 9 / 1000), Finding::Inconclusive);
    assert_eq!(less_by(DUE * 11 / 1000), Finding::Worse);
}

#[test]
fn a_side_that_carries_more_is_better_only_if_nothing_else_speaks_against_it() {
    let a = |k| carrying(DUE * 9 / 10, 2 * MS, k);
    assert_eq!(compared(eight(a, full(2 * MS))).verdict.finding, Finding::Better);
    let decided_by_median = |median_ns: u64| by_median(eight(a, full(median_ns)));
    assert_eq!(decided_by_median(2 * MS), Finding::Better);
    assert_eq!(
        decided_by_median(20 * MS),
        Finding::Inconclusive,
        "it carries more, and is ten times as slow"
    );
    let failing = |pairs: &mut Vec<Pair>| pairs[0].b = Trial::failed("b-01", "the server ended");
    let mut pairs = eight(a, full(2 * MS));
    failing(&mut pairs);
    assert_eq!(
        compared(pairs).verdict.finding,
        Finding::Inconclusive,
        "it carries more, and its broker died"
    );
    let losing = eight(a, losing(1));
    assert_eq!(compared(losing).verdict.finding, Finding::Worse, "it carries more, and loses of it");
}

// --- Unequal load.

#[test]
fn a_side_that_was_offered_less_is_not_better_for_it() {
    let offered = |by: u64, median_ns: u64| {
        move |k: u64| {
            let mut record = carrying(DUE, median_ns, k);
            let load = &mut record.load;
            load.measured_intended *= by;
            load.measured_acked *= by;
            load.ack.count *= by;
            for group in &mut record.groups {
                group.measured_intended *= by;
                group.latency.count *= by;
            }
            record
        }
    };
    let pairs = eight(offered(2, 4 * MS), offered(1, 2 * MS));
    let c = compared(pairs.clone());
    assert_eq!(c.verdict.finding, Finding::Inconclusive, "{}", c.verdict.sentence);
    assert!(c.verdict.reasons.iter().any(|r| r.what.starts_with("B was offered less")), "{:?}", c.verdict);
    assert_eq!(compared(swapped(&pairs)).verdict.finding, Finding::Inconclusive);
    let listened = |groups: usize, median_ns: u64| {
        move |k: u64| {
            let mut record = carrying(DUE, median_ns, k);
            record.groups = vec![record.groups[0].clone(); groups];
            record
        }
    };
    let fewer = compared(eight(listened(2, 4 * MS), listened(1, 2 * MS)));
    assert_eq!(fewer.verdict.finding, Finding::Inconclusive, "half of the deliveries");
    let by_chance = |percent: u64| {
        compared(eight(full(4 * MS), |k| {
            let mut record = carrying(DUE, 2 * MS, k);
            record.load.measured_intended = DUE * percent / 100;
            record.groups[0].measured_intended = DUE * percent / 100;
            record
        }))
    };
    assert_eq!(by_chance(97).verdict.finding, Finding::Better, "other events of the same plan");
    assert_eq!(by_chance(96).verdict.finding, Finding::Inconclusive);
    let better = compared(eight(offered(1, 4 * MS), offered(2, 2 * MS)));
    assert_eq!(better.verdict.finding, Finding::Better, "more, and faster");
}

#[test]
fn times_of_a_closed_load_or_of_a_backlog_are_no_figures() {
    let mut record = carrying(DUE, 4 * MS, 1);
    record.plan.load.consume = Consume::Backlog;
    let trial = Trial::of("x", &record);
    assert!(trial.missing["latency.p99"].contains("backlog") && trial.figures.contains_key("ack.p99"));
    record.plan.load.arrival = tickgate::plan::Arrival::Closed;
    assert!(record.plan.load.is_closed());
    let trial = Trial::of("x", &record);
    assert!(trial.missing["ack.p99"].contains("the load was closed"), "{:?}", trial.missing);
}

// --- Cost.

#[test]
fn cost_is_of_an_event_that_was_carried() {
    // The same use of both, and half of the load.
    let c = compared(eight(full(4 * MS), |k| {
        let mut record = carrying(DUE / 2, 4 * MS, k);
        record.resources.store_bytes = carrying(DUE, 4 * MS, k).resources.store_bytes;
        record
    }));
    let cost = c.cost.unwrap();
    assert!((cost.ratio - 2.0).abs() < 0.2, "{}", cost.ratio);
    assert!((cost.a.carried_rate - 250.0).abs() < 1.0 && (cost.b.carried_rate - 125.0).abs() < 1.0);
    assert!((cost.rate - 250.0).abs() < 1.0);
}

#[test]
fn nothing_of_a_bill_comes_from_a_run_that_is_no_sample() {
    let mut broken = carrying(DUE / 3, 4 * MS, 1);
    broken.load.intended /= 3;
    broken.load.offered_rate *= 2.0;
    broken.run.end = End::BrokerFailed;
    let mut pairs = eight(full(4 * MS), full(4 * MS));
    pairs[0].b = Trial::of("b-01", &broken);
    let setup = |record: &Record| SideInput { sample: Some(record.clone()), ..Default::default() };
    let prices = Prices { core: 20.0, gib_memory: 4.0, gb_disk: 0.08, ..Default::default() };
    let whole = carrying(DUE, 4 * MS, 1);
    let c =
        compare(About::default(), Design::default(), Some(&prices), [&setup(&whole), &setup(&broken)], pairs);
    let cost = c.cost.unwrap();
    assert!((cost.ratio - 1.0).abs() < 1e-9, "{}", cost.ratio);
    assert!((cost.b.disk_gb - cost.a.disk_gb).abs() < 1e-9, "{cost:?}");
    assert_eq!(c.sides.b.load.unwrap().due, 7 * DUE, "seven pairs count");
}

// --- Losses.

fn losing(lost: u64) -> impl Fn(u64) -> Record {
    move |k| {
        let mut record = carrying(DUE, 4 * MS, k);
        record.groups[0].lost = lost;
        record
    }
}

#[test]
fn a_loss_is_claimed_of_a_completed_run_only() {
    for end in [End::BrokerFailed, End::Interrupted, End::HarnessFailed, End::Recovered] {
        let c = compared(eight(full(4 * MS), |k| {
            let mut record = losing(if k == 4 { 3 } else { 0 })(k);
            if k == 4 {
                record.run.end = end;
            }
            record
        }));
        let ledger = c.sides.b.ledger;
        assert_eq!((ledger.lost, ledger.open), (0, 3), "{end:?}");
        assert_ne!(c.verdict.finding, Finding::Worse, "{end:?}: {}", c.verdict.sentence);
        assert!(!c.verdict.sentence.contains("lost"), "{end:?}: {}", c.verdict.sentence);
        assert!(c.verdict.remarks.iter().any(|r| r.contains("not evidence of loss")), "{end:?}");
        assert!(c.pairs[3].excluded.as_deref().unwrap().starts_with("B failed"), "{end:?}");
        assert_eq!(of(&c, "latency.p99").pairs, 7, "{end:?}");
    }
    // Events that a dead worker of tickgate did not see are not a loss of the bus.
    let c = compared(eight(full(4 * MS), |k| {
        let mut record = losing(if k == 4 { 3 } else { 0 })(k);
        if k == 4 {
            record.health.dead_workers.push("a member of trading-engine".into());
            record.health.valid = false;
        }
        record
    }));
    assert_eq!((c.sides.b.ledger.lost, c.sides.b.ledger.open), (0, 3));
    assert_ne!(c.verdict.finding, Finding::Worse);
    // An unfit run is a completed one.
    let c = compared(eight(full(4 * MS), |k| {
        let mut record = losing(if k == 4 { 3 } else { 0 })(k);
        record.health.valid = k != 4;
        record
    }));
    assert_eq!((c.sides.b.ledger.lost, c.verdict.finding), (3, Finding::Worse));
}

/// The findings where each run lost what its number says, and B takes half or twice the time of A.
struct Losing {
    faster: Vec<Pair>,
    slower: Vec<Pair>,
}

impl Losing {
    fn found(&self, a: impl Fn(u32) -> u64, b: impl Fn(u32) -> u64) -> (Finding, Finding, String) {
        let of = |pairs: &[Pair]| {
            let mut pairs = pairs.to_vec();
            for pair in &mut pairs {
                (pair.a.ledger.lost, pair.b.ledger.lost) = (a(pair.number), b(pair.number));
            }
            compared(pairs)
        };
        let (faster, slower) = (of(&self.faster), of(&self.slower));
        (faster.verdict.finding, slower.verdict.finding, faster.verdict.sentence)
    }
}

#[test]
fn where_both_lose_the_sizes_are_compared() {
    use Finding::{Better, Inconclusive, Worse};
    let (fast, slow) = (eight(full(2 * MS), full(4 * MS)), eight(full(4 * MS), full(2 * MS)));
    let losing = Losing { faster: slow, slower: fast };
    let lost = |a: &dyn Fn(u32) -> u64, b: &dyn Fn(u32) -> u64| losing.found(a, b);
    let once = |n: u64| move |k: u32| if k == 1 { n } else { 0 };
    let each = |n: u64| move |_: u32| n;
    let cases = [
        ("1 and 24,000", lost(&once(1), &each(3000)), Worse, Worse),
        ("1 and 24,000 in one run", lost(&once(1), &once(24_000)), Worse, Worse),
        ("24,000 and 1", lost(&each(3000), &once(1)), Better, Inconclusive),
        ("twice as many, in each run", lost(&each(10), &|k| 20 + u64::from(k % 3)), Worse, Worse),
        ("twice as many, once", lost(&once(10), &once(20)), Inconclusive, Worse),
        ("half as many, once", lost(&once(20), &once(10)), Better, Inconclusive),
        ("as many", lost(&once(100), &once(103)), Better, Worse),
        ("none and one", lost(&each(0), &once(1)), Worse, Worse),
    ];
    for (name, (faster, slower, sentence), if_faster, if_slower) in cases {
        assert_eq!((faster, slower), (if_faster, if_slower), "{name}: {sentence}");
    }
    let (_, _, sentence) = lost(&once(1), &each(3000));
    assert!(sentence.starts_with("Both lost events: A (one) 1, B (two) 24000."), "{sentence}");
}

#[test]
fn losses_are_shares_of_what_was_confirmed() {
    // B confirms a twentieth, and loses half as many of it as A does: ten times as often.
    let mut pairs = eight(losing(20), losing(10));
    for pair in &mut pairs {
        pair.b.ledger.expected /= 20;
    }
    assert_eq!(compared(pairs).verdict.finding, Finding::Worse);
}

// --- Runs that are missing.

#[test]
fn a_side_whose_broker_fails_is_not_better_for_its_other_runs() {
    let mut pairs = eight(full(4 * MS), full(2 * MS));
    pairs[5].b = Trial::failed("b-06", "the server ended with signal 11");
    let c = compared(pairs.clone());
    assert_eq!(c.verdict.finding, Finding::Inconclusive, "{}", c.verdict.sentence);
    assert!(
        c.verdict
            .reasons
            .iter()
            .any(|r| r.what.starts_with("B broke off or could not begin in more runs (A 0, B 1"))
    );
    assert_eq!(c.sides.b.broke, 1);
    assert_eq!(compared(swapped(&pairs)).verdict.finding, Finding::Inconclusive);
    pairs[4].a = Trial::failed("a-05", "no free port");
    assert_eq!(compared(pairs.clone()).verdict.finding, Finding::Better, "as many on both sides");
    pairs[4].a = Trial::of("a-05", &carrying(DUE, 4 * MS, 5));
    pairs[5].b = Trial::of("b-06", &{
        let mut record = carrying(DUE, 2 * MS, 6);
        record.run.end = End::Interrupted;
        record
    });
    assert_eq!(compared(pairs).verdict.finding, Finding::Better, "who ended it was not the broker");
}

#[test]
fn a_side_that_alone_is_unfit_again_and_again_is_not_better_for_its_other_runs() {
    let with_unfit = |b: u32, a: u32| {
        let mut pairs: Vec<Pair> =
            [eight(full(4 * MS), full(2 * MS)), eight(full(4 * MS), full(2 * MS))].concat();
        let unfit = |trial: &mut Trial| trial.outcome = Outcome::Unfit;
        pairs.iter_mut().take(b.try_into().unwrap()).for_each(|pair| unfit(&mut pair.b));
        pairs.iter_mut().rev().take(a.try_into().unwrap()).for_each(|pair| unfit(&mut pair.a));
        compared(pairs)
    };
    assert_eq!(with_unfit(6, 0).verdict.finding, Finding::Inconclusive, "six of sixteen, and A never");
    assert_eq!(with_unfit(5, 0).verdict.finding, Finding::Better, "that happens");
    assert_eq!(with_unfit(6, 2).verdict.finding, Finding::Better, "so does that");
}

#[test]
fn a_figure_that_only_one_side_lacks_in_a_pair_is_not_in_its_favour() {
    let mut pairs = eight(full(4 * MS), full(2 * MS));
    pairs[2].b.figures.remove("latency.p99");
    let c = compared(pairs.clone());
    assert_eq!(c.verdict.finding, Finding::Inconclusive, "{}", c.verdict.sentence);
    assert!(
        of(&c, "latency.p99").why.contains("B has no figure in 1 pair where the other side has one"),
        "{:?}",
        of(&c, "latency.p99").why
    );
    pairs[2].a.figures.remove("latency.p99");
    assert_eq!(compared(pairs).verdict.finding, Finding::Better, "both lack it");
}
