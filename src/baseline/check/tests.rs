use super::super::worlds::World;
use super::*;
use crate::stats::Random;

const METRIC: &str = "latency.p99";

fn design() -> Design {
    Design {
        fresh: 3,
        total: 0.025,
        decide: vec![METRIC.into()],
        min_effect: 0.05,
        paired: false,
        old_runs: true,
        seed: 7,
    }
}

fn past() -> Vec<Session> {
    let mut random = Random::new(4);
    (0..8).map(|_| World::PLAIN.session(&mut random, 3, 0.0)).collect()
}

fn figures(value: f64) -> Figures {
    Figures { metrics: [(METRIC.to_owned(), value)].into(), ..Figures::default() }
}

/// The middle of the worlds' figures.
fn middle() -> f64 {
    15.0_f64.exp()
}

/// Makes every run that a check asks for; `value` gives its figures by stage and number of the run.
fn made(
    design: &Design,
    past: &[Session],
    mut value: impl FnMut(Stage, u64) -> Figures,
) -> (Vec<Run>, Decision) {
    let mut runs: Vec<Run> = Vec::new();
    loop {
        let stage = match (Check { design, past, runs: &runs }).next() {
            Step::Done(decision) => return (runs, decision),
            Step::Fresh => Stage::Fresh,
            Step::Pair { number, side } => Stage::Pair { number, side },
        };
        let number = num::count(runs.len());
        runs.push(Run { stage, figures: value(stage, number) });
        assert!(runs.len() < 60, "it does not end");
    }
}

/// Figures around the middle, a little different from run to run, and higher on the new side.
fn around(shift: f64) -> impl FnMut(Stage, u64) -> Figures {
    move |stage, number| {
        let wobble = 1.0 + 0.001 * num::f64_of(number % 7);
        let new = !matches!(stage, Stage::Pair { side: Side::Old, .. });
        figures(middle() * wobble * if new { 1.0 + shift } else { 1.0 })
    }
}

#[test]
fn a_good_night_is_three_runs() {
    let (runs, decision) = made(&design(), &past(), around(0.0));
    assert_eq!((runs.len(), decision.finding), (3, Finding::NoSign), "{decision:?}");
}

#[test]
fn a_suspicion_that_pairs_confirm_is_worse_and_none_of_the_first_runs_counts_again() {
    let (runs, decision) = made(&design(), &past(), around(0.3));
    assert_eq!(decision.finding, Finding::Worse, "{decision:?}");
    assert!(decision.why.contains("latency.p99 is 1.30 times as high (12 pairs"), "{decision:?}");
    assert_eq!(runs.len(), 3 + 24);
    assert!(runs[..3].iter().all(|run| run.stage == Stage::Fresh));
    let firsts: Vec<Side> = runs[3..]
        .chunks(2)
        .map(|two| {
            let side =
                |run: &Run| if let Stage::Pair { side, .. } = run.stage { side } else { panic!("a pair") };
            assert_ne!(side(&two[0]), side(&two[1]));
            side(&two[0])
        })
        .collect();
    assert_eq!(firsts.iter().filter(|side| **side == Side::Old).count(), 6, "in turns: {firsts:?}");
}

#[test]
fn a_suspicion_that_pairs_do_not_confirm_passes() {
    // The machine is slower today, for both sides.
    let slower = |stage: Stage, number: u64| {
        let run = around(0.0)(stage, number * 5 + 1);
        figures(run.metrics[METRIC] * 1.3)
    };
    let (runs, decision) = made(&design(), &past(), slower);
    assert_eq!(decision.finding, Finding::NotConfirmed, "{decision:?}");
    assert!(runs.len() <= 35, "{}", runs.len());
}

#[test]
fn a_young_baseline_and_a_paired_check_make_pairs_at_once() {
    let (runs, decision) = made(&design(), &past()[..4], around(0.3));
    assert!(runs.iter().all(|run| matches!(run.stage, Stage::Pair { .. })));
    assert_eq!(decision.finding, Finding::Worse);
    let paired = Design { paired: true, ..design() };
    let (runs, decision) = made(&paired, &past(), around(0.0));
    assert!(runs.iter().all(|run| matches!(run.stage, Stage::Pair { .. })));
    assert_eq!(decision.finding, Finding::NotConfirmed);
}

#[test]
fn without_the_old_side_a_suspicion_stays_one() {
    let design = Design { old_runs: false, ..design() };
    let (runs, decision) = made(&design, &past(), around(0.3));
    assert_eq!((runs.len(), decision.finding), (3, Finding::Unknown));
    assert!(decision.why.starts_with("suspicious (latency.p99 is 1.2"), "{decision:?}");
}

#[test]
fn unfit_runs_are_made_again_whatever_their_figures_and_not_without_end() {
    let unfit = |figures: Figures| Figures { unusable: Some("the machine paused".into()), ..figures };
    // Two bad ones among the first: five in all.
    let (runs, decision) =
        made(&design(), &past(), |stage, n| if n < 2 { unfit(figures(1.0)) } else { around(0.0)(stage, n) });
    assert_eq!((runs.len(), decision.finding), (5, Finding::NoSign));
    let (runs, decision) = made(&design(), &past(), |_, _| unfit(figures(middle())));
    assert_eq!((runs.len(), decision.finding, decision.repeatable), (5, Finding::Unknown, true));
    assert!(
        decision.why.contains("0 of 5 runs count") && decision.why.contains("the machine paused"),
        "{decision:?}"
    );
    // Pairs: one in five is unfit on one side, and is made again as a whole.
    let (runs, decision) = made(&Design { paired: true, ..design() }, &past(), |stage, n| {
        let run = around(0.3)(stage, n);
        if matches!(stage, Stage::Pair { number: 2, side: Side::New }) { unfit(run) } else { run }
    });
    assert_eq!((runs.len(), decision.finding), (26, Finding::Worse), "{decision:?}");
    let (runs, decision) =
        made(&Design { paired: true, ..design() }, &past(), |_, _| unfit(figures(middle())));
    assert_eq!((runs.len(), decision.finding, decision.repeatable), (40, Finding::Unknown, true));
}

#[test]
fn a_metric_without_a_figure_is_a_suspicion_and_never_a_pass() {
    let (runs, decision) = made(&design(), &past(), |_, _| Figures::default());
    assert_eq!(decision.finding, Finding::Unknown, "{decision:?}");
    assert!(decision.why.contains("a deciding metric has no figure") && !decision.repeatable, "{decision:?}");
    assert_eq!(runs.len(), 43);
    let none = Design { decide: vec![], ..design() };
    assert_eq!(made(&none, &past(), around(0.0)).1.finding, Finding::Unknown);
}

#[test]
fn new_delivery_faults_are_not_passed_over() {
    let lossy = |stage, number| Figures { faults: u64::from(number == 1), ..around(0.0)(stage, number) };
    let (_, decision) = made(&design(), &past(), lossy);
    assert_eq!(decision.finding, Finding::Unknown);
    assert!(decision.why.contains("1 events were lost"), "{decision:?}");
    let mut past = past();
    past[0].faults = 3;
    assert_eq!(made(&design(), &past, lossy).1.finding, Finding::NoSign);
}

#[test]
fn a_check_that_goes_on_asks_for_what_the_first_would_have() {
    let design = design();
    let past = past();
    let (runs, decision) = made(&design, &past, around(0.3));
    for cut in 0..runs.len() {
        let step = Check { design: &design, past: &past, runs: &runs[..cut] }.next();
        let stage = runs[cut].stage;
        let asked = match step {
            Step::Fresh => Stage::Fresh,
            Step::Pair { number, side } => Stage::Pair { number, side },
            Step::Done(decision) => panic!("{cut}: {decision:?}"),
        };
        assert_eq!(asked, stage, "{cut}");
    }
    assert_eq!(Check { design: &design, past: &past, runs: &runs }.next(), Step::Done(decision));
}

#[test]
fn several_metrics_share_the_level_and_one_is_enough() {
    let design = Design { decide: vec![METRIC.into(), "broker.cpu".into()], ..design() };
    let mut past = past();
    for session in &mut past {
        for (at, run) in session.runs.iter_mut().enumerate() {
            run.insert("broker.cpu".into(), 0.5 + 0.001 * num::f64_of(num::count(at)));
        }
    }
    let of = |stage: Stage, number: u64| {
        let mut run = around(0.3)(stage, number);
        run.metrics.insert("broker.cpu".into(), 0.5 + 0.001 * num::f64_of(number % 3));
        run
    };
    let (runs, decision) = made(&design, &past, of);
    assert_eq!(decision.finding, Finding::Worse, "{decision:?}");
    assert!(decision.why.contains("level 0.0048") && !decision.why.contains("broker.cpu"), "{decision:?}");
    let judged = Check { design: &design, past: &past, runs: &runs }.judged();
    assert_eq!(judged.len(), 2);
    assert_ne!(judged[1].found, Found::Above);
}

#[test]
fn every_check_ends_whatever_its_runs_are() {
    let past = past();
    for seed in 1..=300 {
        let mut random = Random::new(seed);
        let (unfit, missing) = (random.uniform() * 0.8, random.uniform() * 0.3);
        let design = Design {
            decide: vec![METRIC.into(), "broker.cpu".into()],
            paired: seed % 3 == 0,
            old_runs: seed % 5 != 0,
            fresh: 3 + u32::try_from(seed % 3).unwrap() * 2,
            ..design()
        };
        let (runs, decision) = made(&design, &past, |_, _| {
            let mut run = figures(middle() * (1.0 + random.uniform()));
            run.metrics.insert("broker.cpu".into(), random.uniform());
            if random.uniform() < unfit {
                run.unusable = Some("the machine paused".into());
            }
            if random.uniform() < missing {
                run.metrics.remove("broker.cpu");
            }
            run
        });
        assert!(runs.len() <= 9 + 40, "seed {seed}: {} runs", runs.len());
        assert!(!decision.why.is_empty());
        if decision.finding == Finding::Worse {
            assert!(runs.iter().any(|run| matches!(run.stage, Stage::Pair { .. })), "seed {seed}");
        }
        if decision.repeatable {
            assert_eq!(decision.finding, Finding::Unknown, "seed {seed}");
        }
    }
}
