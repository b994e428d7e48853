//! Comparisons with looks, and comparisons that ask for one direction: what they find, when they end, and how often they are wrong.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use tickgate::compare::{
    About, Comparison, Design, Finding, Letter, Outcome, Pair, Round, Setups, SideInput, compare,
    contradiction, settled, simulated_false_alarms,
};

use crate::support::pairs::{around, normal, pairs};

fn early(worse_only: bool) -> Design {
    Design { early: true, worse_only, pairs: 20, ..Design::default() }
}

fn run(design: Design, pairs: Vec<Pair>) -> Comparison {
    compare(About::default(), design, None, [&SideInput::default(), &SideInput::default()], pairs)
}

/// How many of these pairs a comparison makes until a look settles it.
fn made(design: &Design, pairs: &[Pair]) -> usize {
    let side = SideInput::default();
    let setups = Setups::new(vec![&side, &side], Letter::A).unwrap();
    let rounds: Vec<Round> = pairs.iter().cloned().map(Round::of_pair).collect();
    (1..=rounds.len()).find(|made| settled(design, &setups, &rounds[..*made])).unwrap_or(rounds.len())
}

/// Pairs with a spread of 7 % each, B at `ratio` times A.
fn noisy(ratio: f64, seed: u64) -> Vec<Pair> {
    let figures: Vec<(f64, f64)> = (0..20)
        .map(|at| {
            let of = |counter: u64| 1e6 * (0.07 * normal(seed, counter)).exp();
            (of(2 * at), of(2 * at + 1) * ratio)
        })
        .collect();
    pairs(&figures)
}

#[test]
fn a_clear_difference_ends_at_the_second_look_and_sameness_at_the_last() {
    for (ratio, finding) in [(2.0, Finding::Worse), (0.5, Finding::Better)] {
        let all = around(ratio, 20);
        assert_eq!(made(&early(false), &all), 12, "8 pairs allow no p that is small enough");
        let found = run(early(false), all[..12].to_vec());
        assert_eq!(found.verdict.finding, finding, "{}", found.verdict.sentence);
        assert_eq!(run(early(false), all[..11].to_vec()).verdict.finding, Finding::Inconclusive);
    }
    let same = noisy(1.0, 3);
    assert_eq!(made(&early(false), &same), 16);
    let found = run(early(false), same[..16].to_vec());
    assert!(
        matches!(found.verdict.finding, Finding::NoDifferenceShown | Finding::Equivalent),
        "{}",
        found.verdict.sentence
    );
}

#[test]
fn what_comes_after_the_look_that_settled_it_changes_nothing() {
    let mut all = around(2.0, 12);
    all.extend(around(0.5, 4).into_iter().map(|pair| Pair { number: pair.number + 12, ..pair }));
    assert_eq!(run(early(true), all).verdict.finding, Finding::Worse);
}

#[test]
fn a_gate_that_asks_for_worse_only_calls_nothing_better_and_ends_early_without_hope() {
    let faster = around(0.5, 20);
    assert_eq!(made(&early(true), &faster), 8);
    let found = run(early(true), faster[..8].to_vec());
    assert_eq!(found.verdict.finding, Finding::NoDifferenceShown, "{}", found.verdict.sentence);
    assert!(found.verdict.sentence.contains("is not shown to be worse"), "{}", found.verdict.sentence);
    let fixed = Design { worse_only: true, ..Design::default() };
    assert_eq!(run(fixed.clone(), around(0.5, 8)).verdict.finding, Finding::NoDifferenceShown);
    assert_eq!(run(fixed, around(2.0, 8)).verdict.finding, Finding::Worse);
}

#[test]
fn noise_is_no_pass_with_looks_either() {
    let wild: Vec<(f64, f64)> = (0..16).map(|at| (1.0, if at % 2 == 0 { 3.0 } else { 0.4 })).collect();
    for worse_only in [false, true] {
        let found = run(early(worse_only), pairs(&wild));
        assert_eq!(found.verdict.finding, Finding::Inconclusive, "{}", found.verdict.sentence);
    }
}

#[test]
fn pairs_that_do_not_count_are_made_again() {
    let mut all = around(2.0, 20);
    for at in [2, 5, 6] {
        all[at].b.outcome = Outcome::Unfit;
    }
    assert_eq!(made(&early(true), &all), 15);
    assert_eq!(run(early(true), all[..15].to_vec()).verdict.finding, Finding::Worse);
}

#[test]
fn without_looks_nothing_ends_early() {
    assert_eq!(made(&Design::default(), &around(2.0, 20)), 20);
    assert_eq!(simulated_false_alarms(&Design::default(), 1), None);
}

#[test]
fn a_stored_comparison_with_looks_follows_from_its_pairs() {
    let stored = run(early(true), around(2.0, 12));
    assert_eq!((stored.rules, contradiction(&stored)), (2, None));
    let mut changed = stored;
    changed.verdict.finding = Finding::NoDifferenceShown;
    assert!(contradiction(&changed).is_some());
    let deciding = |c: &Comparison| c.metrics.iter().find(|m| m.name == "latency.p99").unwrap().looks.clone();
    let looks = deciding(&run(early(true), around(2.0, 12))).unwrap();
    assert_eq!(looks.higher.iter().map(|look| look.pairs).collect::<Vec<_>>(), [8, 12]);
    assert_eq!((looks.stopped, looks.lower.is_empty()), (Some(12), true));
    assert!(looks.higher[1].p <= looks.higher[1].level && looks.higher[0].p > looks.higher[0].level);
    let both = deciding(&run(early(false), around(0.5, 12))).unwrap();
    assert_eq!((both.stopped, both.lower.len()), (Some(12), 2));
    assert!(both.lower[1].ratio < 0.6, "{both:?}");
    assert_eq!(deciding(&run(early(true), around(2.0, 11))).unwrap().stopped, None);
    // The reports tell them, and when the figures could end it; a stored result without them reads.
    let shown = run(early(true), around(2.0, 12));
    let page = &tickgate::report::compare::files(&shown)[0].1;
    for text in [String::from_utf8(page.clone()).unwrap(), tickgate::report::compare::markdown(&shown)] {
        assert!(text.contains("Looks before the last pair") && text.contains("12 pairs"), "{text}");
        assert!(
            text.contains("after 8, 12 and 16 pairs") && !text.contains("could stop the comparison early"),
            "{text}"
        );
    }
    let mut old = serde_json::to_value(&shown).unwrap();
    for metric in old["metrics"].as_array_mut().unwrap() {
        metric.as_object_mut().unwrap().remove("looks");
    }
    let old: Comparison = serde_json::from_value(old).unwrap();
    assert_eq!(contradiction(&old), None);
    assert!(!tickgate::report::compare::markdown(&old).contains("Looks before"));
    let fixed = run(Design::default(), around(2.0, 8));
    assert!(deciding(&fixed).is_none());
    assert!(
        tickgate::report::compare::markdown(&fixed).contains("No figure could stop the comparison early")
    );
    assert_eq!((fixed.rules, contradiction(&fixed)), (1, None));
    let json = serde_json::to_string(&fixed.design).unwrap();
    assert!(!json.contains("early") && !json.contains("worse_only"), "{json}");
}

/// 2.5 % for one direction and 5 % for both, and three standard errors.
#[test]
fn false_alarms_are_as_rare_as_is_said() {
    for (worse_only, most) in [(true, 0.025), (false, 0.05)] {
        let simulated = simulated_false_alarms(&early(worse_only), 1).unwrap();
        assert!(simulated <= most + 0.004 && simulated > most * 0.8, "{simulated}");
        let times = 400_u32;
        let wrong = (0..times).filter(|seed| {
            let all = noisy(1.0, u64::from(*seed) + 1);
            let made = made(&early(worse_only), &all);
            let finding = run(early(worse_only), all[..made].to_vec()).verdict.finding;
            matches!(finding, Finding::Worse | Finding::Better)
        });
        let share = f64::from(u32::try_from(wrong.count()).unwrap()) / f64::from(times);
        let error = 3.0 * (most * (1.0 - most) / f64::from(times)).sqrt();
        assert!(share <= most + error, "{share}");
    }
}
