//! Runs whose figures follow from arithmetic: each is a test here, and a line of `tickgate selftest`.

#![expect(clippy::expect_used, reason = "tests")]

use tickgate::plan::{Rate, Spacing, Span, grammar};
use tickgate::record::Verdict;
use tickgate::run::simulated::{Scenario, simulate};
use tickgate::selftest::known::ALL;
use tickgate::selftest::swarm::base;

macro_rules! known {
    ($($test:ident: $name:literal),* $(,)?) => {
        $(#[test] fn $test() { right($name); })*

        #[test]
        fn each_known_answer_is_a_test() {
            assert_eq!(ALL.map(|(name, _)| name).to_vec(), vec![$($name),*]);
        }
    };
}

known!(
    a_stall_shows_in_every_event_that_it_delays: "coordinated omission",
    a_fixed_delay_is_exact: "fixed delay",
    a_mixture_has_its_shares: "two-point mixture",
    waits_are_those_of_queueing_theory: "M/D/1 queue",
    extents_are_those_of_rfc_4737: "reordering (RFC 4737)",
    a_burst_queues: "burst",
    each_step_has_its_own_figures: "load of steps",
    a_lost_tail_is_lost: "tail loss",
    a_lost_symbol_is_named: "loss of a symbol",
    a_reconnect_makes_duplicates: "duplicate across a reconnect",
    clocks_that_differ_show: "clock error across hosts",
    outages_have_the_lengths_of_arithmetic: "outages",
    an_election_keeps_groups_away_for_longer: "election of a leader",
    a_new_leader_repeats_what_was_not_acknowledged: "change of leaders",
    a_stale_copy_is_no_loss: "stale copies of the store",
    a_loss_of_power_takes_what_was_stored_last: "loss of power",
    a_poison_event_has_one_dead_letter: "poison events",
    members_that_crash_repeat_what_they_had_not_acknowledged: "members that crash",
    a_claim_without_an_injection_is_found: "a fault that is claimed and not injected",
    a_sound_bus_returns_what_was_published: "replays",
    each_fault_of_a_replay_is_found_by_its_event: "faults of a replay",
    a_hundred_seeds_are_right: "seeded runs against the oracle",
);

#[track_caller]
fn right(name: &str) {
    let (_, run) = ALL.into_iter().find(|(other, _)| *other == name).expect("a known answer");
    let answers = run().expect("simulates");
    assert!(!answers.is_empty());
    for answer in answers {
        assert!(
            answer.right,
            "{}: {} expected, {} reported",
            answer.figure, answer.expected, answer.reported
        );
    }
}

#[test]
fn an_empty_second_of_a_random_load_is_not_held_against_it() {
    let mut plan = base(3);
    plan.load.rate = Rate::per_second(2.0);
    plan.load.duration = Span::seconds(60);
    plan.load.spacing = Spacing::Poisson;
    plan.objectives.push(grammar::parse("windows.latency.max", "< 1ms").expect("an objective"));
    let (record, _) = simulate(&plan, &Scenario::default(), 3).expect("simulates");
    assert!(record.timeline.iter().any(|row| row.intended == 0), "the seed leaves a second empty");
    assert_eq!(record.verdict, Verdict::Pass, "{:?}", record.objectives);
}
