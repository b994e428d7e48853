//! Searches in worlds whose truth is known: how often does the interval hold it, and does every search end?

#![expect(clippy::expect_used, reason = "tests")]

use proptest::prelude::*;

use tickgate::capacity::{Answer, Design, Ended, Limit, Outcome, Search, Stage, Step, Trial, answer, next};
use tickgate::num;
use tickgate::plan::Span;
use tickgate::stats::Random;

/// A bus whose capacity varies from trial to trial.
#[derive(Debug, Clone, Copy)]
struct World {
    /// Spread of ln capacity from trial to trial.
    spread: f64,
    /// Spread of a slow drift, which decays by 5 % with each trial.
    drift: f64,
    /// Share of trials that miss whatever the rate.
    freaks: f64,
    /// Share of trials that cannot be judged.
    unfit: f64,
    /// Share of trials with a capacity that is 20 % lower.
    low_mode: f64,
}

const PLAIN: World = World { spread: 0.04, drift: 0.03, freaks: 0.03, unfit: 0.05, low_mode: 0.0 };

/// A search in a world, and the rate at which half of its trials would have passed.
struct Searched {
    answer: Answer,
    trials: u32,
    truth: f64,
}

/// A rate as users write it.
fn three_digits(rate: f64) -> f64 {
    format!("{rate:.2e}").parse().expect("a number")
}

fn search(world: World, design: &Design, seed: u64) -> Searched {
    const MIDDLE: f64 = 40_000.0;
    let mut random = Random::new(seed.wrapping_mul(0x2545_f491_4f6c_dd1d));
    let centre = MIDDLE.ln() + 0.1 * (random.uniform() - 0.5);
    // From 0.05 to 1.4 times the capacity.
    let start = centre - (20.0_f64.ln() - random.uniform() * 28.0_f64.ln());
    let design = Design { start: three_digits(start.exp()), min: 100.0, max: 1e6, ..design.clone() };
    let (mut drift, mut drifts) = (world.drift * random.normal(), 0.0);
    let mut trials: Vec<Trial> = Vec::new();
    let mut state = Search::new(&design);
    while let Step::Try(next) = state.step() {
        drift = 0.95 * drift + world.drift * (1.0_f64 - 0.95 * 0.95).sqrt() * random.normal();
        drifts += drift;
        let lower = if random.uniform() < world.low_mode { 0.2 } else { 0.0 };
        let capacity = centre + drift - lower + world.spread * random.normal();
        let outcome = if random.uniform() < world.unfit {
            Outcome::Disturbed
        } else if random.uniform() < world.freaks || next.rate.ln() > capacity {
            Outcome::NotPassed
        } else {
            Outcome::Passed
        };
        let trial = Trial {
            number: next.number,
            stage: next.stage,
            rate: next.rate,
            seed: next.seed,
            outcome,
            limit: (outcome == Outcome::NotPassed).then_some(Limit::Bus),
            took: Span::seconds(11),
            ..Trial::default()
        };
        state.take(&trial);
        trials.push(trial);
    }
    let count = num::count32(trials.len());
    let mean = drifts / f64::from(count.max(1));
    Searched { answer: answer(&design, &trials), trials: count, truth: (centre + mean).exp() }
}

#[derive(Debug, Default)]
struct Sums {
    searches: u32,
    covered: u32,
    between: u32,
    confirmed: u32,
    claimed: u32,
    trials: u32,
    errors: Vec<f64>,
    widths: f64,
}

fn sums(world: World, design: &Design, seeds: u64) -> Sums {
    let mut sums = Sums::default();
    for seed in 1..=seeds {
        let Searched { answer, trials, truth } = search(world, design, seed);
        sums.searches += 1;
        sums.trials += trials;
        sums.confirmed += u32::from(answer.ended == Ended::Confirmed);
        let Some(estimate) = answer.estimate else { continue };
        sums.claimed += u32::from(estimate.claimed);
        sums.covered += u32::from(estimate.low <= truth && truth <= estimate.high);
        sums.errors.push((estimate.median / truth).ln().abs());
        sums.widths += (estimate.high / estimate.low).ln();
        if let (Some(floor), Some(ceiling)) = (answer.floor, answer.ceiling) {
            sums.between += u32::from(floor.rate <= truth && truth <= ceiling.rate);
        }
    }
    sums.errors.sort_by(f64::total_cmp);
    sums
}

/// Of 40 searches the 95 % interval holds the truth in at least 34 (fewer would come by chance in one of 100 tests), and the
/// median error is at most 2 %.
#[test]
fn the_interval_holds_the_truth_as_often_as_it_says() {
    let sums = sums(PLAIN, &Design::default(), 40);
    assert!(sums.covered >= 34, "{sums:?}");
    assert!(sums.errors[20] <= 0.02, "{sums:?}");
    assert!(sums.confirmed >= 38 && sums.between >= 37, "{sums:?}");
    assert!(sums.trials <= 40 * 36, "{sums:?}");
}

#[test]
fn freaks_and_a_wide_spread_make_a_search_longer_and_not_wrong() {
    let noisy = sums(World { spread: 0.10, freaks: 0.06, ..PLAIN }, &Design::default(), 20);
    assert!(noisy.covered >= 16 && noisy.errors[10] <= 0.04, "{noisy:?}");
    let quick = sums(PLAIN, &Design::default().quick(), 20);
    assert!(quick.covered >= 16 && quick.errors[10] <= 0.03, "{quick:?}");
    assert!(quick.trials <= 20 * 25, "{quick:?}");
}

/// All outcomes, and a draw from them.
const ALL: [Outcome; 9] = [
    Outcome::Passed,
    Outcome::NotPassed,
    Outcome::Died,
    Outcome::Saturated,
    Outcome::Client,
    Outcome::Disturbed,
    Outcome::Unfit,
    Outcome::Broken,
    Outcome::Interrupted,
];

/// Goes on until the search ends, by a script of outcomes that repeats.
fn played(design: &Design, script: &[Outcome], most: usize) -> (Vec<Trial>, Option<Ended>) {
    let mut trials = Vec::new();
    let mut state = Search::new(design);
    while trials.len() < most {
        let next = match state.step() {
            Step::Try(next) => next,
            Step::Done(ended) => return (trials, Some(ended)),
        };
        assert!(next.rate >= design.min && next.rate <= design.max, "{next:?}");
        let outcome = script[trials.len() % script.len()];
        let trial = Trial {
            number: next.number,
            stage: next.stage,
            rate: next.rate,
            outcome,
            took: Span::seconds(10),
            ..Trial::default()
        };
        state.take(&trial);
        trials.push(trial);
    }
    (trials, None)
}

fn design() -> Design {
    Design { start: 10_000.0, min: 500.0, max: 333_333.0, ..Design::default() }
}

#[test]
fn a_bus_that_always_or_never_passes_gives_a_one_sided_answer() {
    let (trials, ended) = played(&design(), &[Outcome::Passed], 100);
    assert_eq!(ended, Some(Ended::AtMost));
    let high = answer(&design(), &trials);
    assert_eq!(high.floor.map(|floor| (floor.rate, floor.confirmed_by)), Some((333_000.0, 5)));
    assert!(high.estimate.is_none() && high.ceiling.is_none() && high.irregular.len() == 1, "{high:?}");
    let (trials, ended) = played(&design(), &[Outcome::NotPassed], 100);
    assert_eq!(ended, Some(Ended::AtLeast));
    let low = answer(&design(), &trials);
    assert_eq!(low.ceiling.map(|ceiling| (ceiling.rate, ceiling.confirmed_by)), Some((500.0, 3)));
    assert!(low.floor.is_none() && low.estimate.is_none());
}

#[test]
fn a_client_at_its_limit_gives_a_lower_bound() {
    // tickgate is the limit from 60k/s on.
    let design = design();
    let mut state = Search::new(&design);
    let mut trials = Vec::new();
    while let Step::Try(next) = state.step() {
        let outcome = if next.rate >= 60_000.0 { Outcome::Client } else { Outcome::Passed };
        trials.push(Trial {
            number: next.number,
            stage: next.stage,
            rate: next.rate,
            outcome,
            ..Trial::default()
        });
        state.take(&trials[trials.len() - 1]);
        assert!(trials.len() < 40);
    }
    let answer = answer(&design, &trials);
    assert_eq!(answer.ended, Ended::AtClient);
    let floor = answer.floor.unwrap().rate;
    assert!((40_000.0..60_000.0).contains(&floor), "{floor}");
}

#[test]
fn trials_that_say_nothing_end_a_search_without_a_number() {
    for (outcome, expected, trials) in [
        (Outcome::Disturbed, Ended::Disturbed, 3),
        (Outcome::Unfit, Ended::Unfit, 3),
        (Outcome::Broken, Ended::Broken, 3),
    ] {
        let (made, ended) = played(&design(), &[outcome], 100);
        assert_eq!((ended, made.len()), (Some(expected), trials));
        let answer = answer(&design(), &made);
        assert!(answer.estimate.is_none() && answer.floor.is_none() && answer.ceiling.is_none());
        assert_eq!(answer.irregular.len(), 1);
    }
}

#[test]
fn a_broken_or_disturbed_trial_is_repeated_at_its_rate_with_other_events() {
    let design = design();
    let broken = Trial { number: 1, rate: 10_000.0, outcome: Outcome::Broken, ..Trial::default() };
    let Step::Try(again) = next(&design, &[broken]) else { panic!("a repetition") };
    assert!((again.rate - 10_000.0).abs() < f64::EPSILON && again.number == 2 && again.seed == 1);
    assert_eq!(again.cool_down, Span::seconds(8));
    let disturbed =
        |number| Trial { number, rate: 10_000.0, outcome: Outcome::Disturbed, ..Trial::default() };
    let passed = Trial { number: 1, rate: 10_000.0, outcome: Outcome::Passed, ..Trial::default() };
    let Step::Try(again) = next(&design, &[passed.clone(), disturbed(2)]) else { panic!("a repetition") };
    assert_eq!((again.cool_down, again.stage), (Span::seconds(2), Stage::Climb));
    let six: Vec<Trial> = std::iter::once(passed.clone()).chain((2..8).map(disturbed)).collect();
    assert_eq!(next(&design, &six), Step::Done(Ended::Disturbed));
    let three = [passed, disturbed(2), disturbed(3), disturbed(4)];
    let Step::Try(again) = next(&design, &three) else { panic!("a repetition") };
    assert!((again.rate - 20_000.0).abs() < f64::EPSILON);
    assert_eq!(again.cool_down, Span::seconds(8));
}

#[test]
fn a_time_limit_leaves_room_for_the_confirmation_and_ends_the_search() {
    let within = |seconds| Design { within: Some(Span::seconds(seconds)), ..design() };
    let script = [Outcome::Passed, Outcome::Passed, Outcome::NotPassed];
    let all = played(&within(3600), &script, 200);
    let some = played(&within(240), &script, 200);
    assert!(some.0.len() < all.0.len() && some.0.len() <= 24, "{} {}", some.0.len(), all.0.len());
    assert!(some.0.iter().any(|trial| trial.stage == Stage::Floor), "it goes on to confirm");
    assert_eq!(some.1, Some(Ended::Budget));
    assert!(!answer(&within(240), &some.0).irregular.is_empty());
    assert_eq!(Design::default().least(), Span::seconds(11 * 17));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_sequence_of_outcomes_ends(script in proptest::collection::vec(0..ALL.len() - 1, 1..24), quick in any::<bool>()) {
        let script: Vec<Outcome> = script.into_iter().map(|at| ALL[at]).collect();
        let design = if quick { design().quick() } else { design() };
        let (trials, ended) = played(&design, &script, 400);
        prop_assert!(ended.is_some(), "{} trials by {script:?}", trials.len());
        // The account holds together, whatever happened.
        let answer = answer(&design, &trials);
        prop_assert_eq!(Some(answer.ended), ended);
        prop_assert!(answer.ended != Ended::Confirmed || (answer.floor.is_some() && answer.ceiling.is_some()));
        if let (Some(floor), Some(ceiling)) = (answer.floor, answer.ceiling) {
            prop_assert!(floor.rate <= ceiling.rate, "{floor:?} {ceiling:?}");
        }
        if let Some(estimate) = answer.estimate {
            prop_assert!(estimate.low <= estimate.median && estimate.median <= estimate.high);
        }
    }

    #[test]
    fn reading_the_trials_again_goes_on_as_if_nothing_had_happened(script in proptest::collection::vec(0..ALL.len(), 1..24), cut in 0_usize..60) {
        let script: Vec<Outcome> = script.into_iter().map(|at| ALL[at]).collect();
        let (trials, ended) = played(&design(), &script, 80);
        let cut = cut.min(trials.len());
        let lines: Vec<String> = trials[..cut].iter().map(|trial| serde_json::to_string(trial).unwrap()).collect();
        let read: Vec<Trial> = lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
        match (next(&design(), &read), trials.get(cut)) {
            (Step::Try(next), Some(trial)) => {
                prop_assert_eq!((next.number, next.stage), (trial.number, trial.stage));
                prop_assert_eq!(next.rate.to_bits(), trial.rate.to_bits());
            }
            (Step::Done(done), None) => prop_assert_eq!(Some(done), ended),
            (Step::Try(_), None) => prop_assert_eq!(ended, None),
            (Step::Done(_), Some(_)) => prop_assert!(false, "it ended early"),
        }
    }
}
