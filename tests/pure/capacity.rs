//! Searches for the capacity of simulated buses, in virtual time, against arithmetic.

use tickgate::bus::sim::{Delay, Fault, Faults, Hits, Host, Stretch};
use tickgate::capacity::{
    About, Answer, Capacity, Design, Ended, Inputs, Limit, Next, Outcome, Trial, answer, conclude,
};
use tickgate::plan::{Arrival, Plan, Rate, Span};
use tickgate::record::{End, Record, Verdict};
use tickgate::run::RunError;
use tickgate::run::simulated::{MachineSecond, Scenario, simulate};
use tickgate::selftest::searches::{UTILISATION, queue, search, server};

/// A design of searches between 20/s and 1M/s.
fn design(start: f64, seed: u64) -> Design {
    Design { start, min: 20.0, max: 1e6, seed: seed * 1000, cool_down: Span::default(), ..Design::default() }
}

/// How many searches: a few, or more by `make searches SEEDS=…`.
fn searches(few: u64) -> u64 {
    std::env::var("TICKGATE_SEARCHES").ok().and_then(|n| n.parse().ok()).unwrap_or(few)
}

fn is_campaign() -> bool {
    std::env::var_os("TICKGATE_SEARCHES").is_some()
}

fn run(next: &Next, plan: &Plan, scenario: &Scenario) -> Result<Record, RunError> {
    Ok(simulate(plan, scenario, next.seed)?.0)
}

/// A queue with a service time of 800 µs: it carries 967/s within 8 ms.
fn small() -> (Plan, Faults, f64) {
    (queue("< 8ms"), server(Span { ns: 800_000 }), UTILISATION * 1250.0)
}

fn concluded(design: &Design, plan: &Plan, trials: &[Trial]) -> Capacity {
    conclude(Inputs {
        about: About::default(),
        design: design.clone(),
        plan: plan.clone(),
        broker: None,
        environment: None,
        prices: None,
        targets: vec![],
        growth: None,
        trials: trials.to_vec(),
    })
}

/// Does the interval hold the truth; error of the estimate; is the truth between floor and ceiling?
#[expect(clippy::panic, reason = "it fails the test that calls it")]
fn against(answer: &Answer, truth: f64) -> (bool, f64, bool) {
    let (Some(estimate), Some(floor), Some(ceiling)) = (answer.estimate, answer.floor, answer.ceiling) else {
        panic!("a whole answer: {answer:?}")
    };
    let (floor, ceiling) = (floor.rate, ceiling.rate);
    let covers = estimate.low <= truth && truth <= estimate.high;
    (covers, (estimate.median / truth).ln(), floor <= truth && truth <= ceiling)
}

/// Poisson arrivals at a server with a fixed service time: in a campaign 20 µs within 200 µs (38,674/s), else a queue that is
/// ten times slower. Of 100 searches the interval holds the truth in at least 89, the truth is between floor and ceiling in
/// at least 95, and the median error is at most 2 %; two searches differ by less than the sum of their half widths in at least
/// nine of ten pairs.
#[test]
fn the_capacity_of_a_queue_is_that_of_theory() {
    let all = searches(1);
    let (plan, faults, truth) = if is_campaign() {
        (queue("< 200us"), server(Span { ns: 20_000 }), UTILISATION * 50_000.0)
    } else {
        (queue("< 2ms"), server(Span { ns: 200_000 }), UTILISATION * 5000.0)
    };
    let scenario = Scenario::from(faults);
    let (mut covered, mut between, mut errors, mut last, mut alike, mut trials) = (0, 0, vec![], None, 0, 0);
    for seed in 1..=all {
        let design = design(1000.0, seed);
        let made = search(&plan, &design, &mut |next, plan| run(next, &plan, &scenario)).unwrap();
        trials += made.len();
        let answer = answer(&design, &made);
        assert_eq!(answer.ended, Ended::Confirmed);
        let (covers, error, is_between) = against(&answer, truth);
        covered += u64::from(covers);
        between += u64::from(is_between);
        errors.push(error.abs());
        let estimate = answer.estimate.unwrap();
        let (median, half) = (estimate.median, (estimate.high - estimate.low) / 2.0);
        if let Some((other, other_half)) = last.replace((median, half)) {
            let difference: f64 = median - other;
            alike += u64::from(difference.abs() < half + other_half);
        }
    }
    errors.sort_by(f64::total_cmp);
    let median = errors[errors.len() / 2];
    println!(
        "{all} searches, {trials} trials: covered {covered}, between floor and ceiling {between}, median error {:.2} %, \
         alike {alike} of {} neighbours",
        median * 100.0,
        all - 1
    );
    if all >= 20 {
        assert!(covered * 100 >= 89 * all && between * 100 >= 95 * all && median <= 0.02);
        assert!(alike * 10 >= 9 * (all - 1));
    } else {
        assert!(between == all && median <= 0.04);
    }
}

/// The service time of each trial is drawn, by 4, 7 and 10 %: the interval is still right, and wider.
#[test]
fn a_bus_that_varies_from_trial_to_trial_has_its_median_found() {
    let all = searches(1);
    for (sigma, most) in [(0.04, 0.03), (0.07, 0.04), (0.10, 0.05)] {
        let (mut covered, mut errors) = (0, vec![]);
        let (plan, _, truth) = small();
        for seed in 1..=all {
            let design = design(500.0, seed);
            let made = search(&plan, &design, &mut |next, plan| {
                let drawn = Delay::LogNormal { median_ns: 800_000, sigma };
                let random = tickgate::bus::sim::Random::new(next.seed ^ 0x5eed);
                run(next, &plan, &Scenario::from(server(Span { ns: drawn.at(random, 1) })))
            });
            let (covers, error, _) = against(&answer(&design, &made.unwrap()), truth);
            covered += u64::from(covers);
            errors.push(error.abs());
        }
        errors.sort_by(f64::total_cmp);
        let median = errors[errors.len() / 2];
        println!(
            "service drawn by {sigma}: {covered} of {all} covered, median error {:.2} %",
            median * 100.0
        );
        assert!(median <= if all >= 20 { most } else { 0.12 });
        assert!(all < 20 || covered * 100 >= 85 * all);
        if !is_campaign() {
            break;
        }
    }
}

/// Evenly spaced events at a rate r above the server's μ form a queue that reaches the limit at the end of a trial of
/// w + d seconds if r = μ (1 + L / (w + 0.99 d)); the rule on a growing queue sees it below that.
#[test]
fn a_short_trial_overrates_a_bus_unless_a_growing_queue_counts() {
    let mut plan = queue("< 100ms");
    plan.load.arrival = Arrival::Constant;
    plan.load.rate = Rate::per_second(600.0);
    let scenario = Scenario::from(server(Span::millis(1)));
    let (mut by_verdict, mut by_rule) = (vec![], vec![]);
    for start in [310.0, 550.0] {
        let design = Design { start, ..design(start, 1) };
        let found = |sustained: bool| {
            let made = search(&plan, &design, &mut |next, plan| {
                let mut record = run(next, &plan, &scenario)?;
                if !sustained {
                    // Without its rows no trial has a trend.
                    record.timeline.clear();
                }
                Ok(record)
            });
            answer(&design, &made.unwrap())
        };
        let (free, held) = (found(false), found(true));
        let truth = 1000.0 * (1.0 + 0.1 / (2.0 + 0.99 * 5.0));
        assert!(against(&free, truth).2, "{free:?}");
        by_verdict.push(free.estimate.unwrap().median);
        by_rule.push(held.estimate.unwrap().median);
    }
    let mean = |medians: &[f64]| medians.iter().sum::<f64>() / 2.0;
    println!("by the verdict alone {:.1}/s, with the rule {:.1}/s", mean(&by_verdict), mean(&by_rule));
    assert!((mean(&by_verdict) / 1014.2 - 1.0).abs() < 0.02, "{by_verdict:?}");
    assert!(mean(&by_rule) <= 1005.0 * 1.01, "{by_rule:?}");
}

/// In every third trial, others use half of the machine and the harness stalls for a while: the same answer from more
/// trials. In all of them: no number.
#[test]
fn disturbed_trials_cost_time_and_change_nothing() {
    let (plan, faults, truth) = small();
    let quiet = Scenario { machine: vec![MachineSecond { all: 0.4, others: 0.0 }], ..Scenario::from(faults) };
    let stalls =
        (0..6).map(|second| Stretch { from: second * 1_000_000_000 + 500_000_000, length: 300_000_000 });
    let loud = Scenario {
        host: Host { stalls: stalls.collect(), ..Host::default() },
        machine: vec![MachineSecond { all: 1.4, others: 1.0 }],
        ..quiet.clone()
    };
    let design = design(500.0, 1);
    let third = search(&plan, &design, &mut |next, plan| {
        run(next, &plan, if next.number % 3 == 0 { &loud } else { &quiet })
    })
    .unwrap();
    let disturbed = third.iter().filter(|trial| trial.outcome == Outcome::Disturbed).count();
    assert!(disturbed >= third.len() / 4, "{disturbed} of {}", third.len());
    let found = answer(&design, &third);
    let (_, error, between) = against(&found, truth);
    assert!(between && error.abs() < 0.08, "{found:?}");

    let all = search(&plan, &design, &mut |next, plan| run(next, &plan, &loud)).unwrap();
    let none = concluded(&design, &plan, &all);
    assert_eq!((none.answer.ended, none.verdict), (Ended::Disturbed, Verdict::Inconclusive));
    assert!(none.answer.estimate.is_none() && none.answer.floor.is_none(), "{}", none.sentence);
}

/// The bus loses events from 400/s on, far below what its server could carry: the account names the loss.
#[test]
fn a_loss_from_a_rate_on_is_named() {
    let (mut plan, faults, _) = small();
    plan.objectives.push(tickgate::plan::grammar::parse("delivery.lost", "== 0").unwrap());
    let sound = Scenario::from(faults.clone());
    let lossy = Scenario::from(faults.with(Fault::Undelivered, Hits::Share(0.002)));
    let design = design(150.0, 1);
    let made = search(&plan, &design, &mut |next, plan| {
        run(next, &plan, if next.rate > 400.0 { &lossy } else { &sound })
    })
    .unwrap();
    let capacity = concluded(&design, &plan, &made);
    assert_eq!(capacity.answer.ended, Ended::Confirmed, "{} {made:?}", capacity.sentence);
    assert!(against(&capacity.answer, 400.0).2, "{}", capacity.sentence);
    assert!(capacity.sentence.contains("lost"), "{}", capacity.sentence);
    assert_eq!(capacity.verdict, Verdict::Pass, "no event was lost below the floor: {:?}", capacity.reasons);
}

/// The broker ends under load from 400/s on: the ceiling is the bus's, and two deaths at one rate are named.
#[test]
fn a_broker_that_dies_is_the_limit() {
    let (plan, faults, _) = small();
    let sound = Scenario::from(faults);
    let design = design(150.0, 1);
    let made = search(&plan, &design, &mut |next, plan| {
        let mut record = run(next, &plan, &sound)?;
        if next.rate > 400.0 {
            record.run.end = End::BrokerFailed;
            record.run.reason = Some("the broker ended: signal 9".to_owned());
        }
        Ok(record)
    })
    .unwrap();
    let capacity = concluded(&design, &plan, &made);
    let ceiling = capacity.answer.ceiling.unwrap();
    assert!(against(&capacity.answer, 400.0).2, "{}", capacity.sentence);
    assert_eq!(ceiling.limit, Some(Limit::Bus));
    assert!(capacity.sentence.contains("died twice"), "{}", capacity.sentence);
}
