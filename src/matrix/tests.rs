use super::*;
use crate::plan::{Action, BusKind, Discard, Fault, Plan, Target};
use crate::record::{Recovered, Verdict};
use crate::selftest::swarm::base;

// --- What acknowledgements promise.

fn plan(nodes: u32, replicas: u32, faults: Vec<Fault>) -> Plan {
    let mut plan = base(1);
    (plan.cluster.nodes, plan.bus.replicas, plan.faults) = (nodes, replicas, faults);
    plan
}

fn fault(action: Action, target: Target) -> Fault {
    let json = serde_json::json!({ "name": "x", "at": "1s", "do": action, "for": "1s", "settle": "1s" });
    Fault { target: Some(target), ..serde_json::from_value(json).unwrap() }
}

#[test]
fn a_crash_takes_memory_and_leaves_the_page_cache() {
    use Promise::{Nothing, Survives, Unknown};
    for (durability, nodes, replicas, action, target, promise) in [
        ("page cache", 1, 1, Action::Kill, Target::All, Survives),
        ("fsync", 1, 1, Action::WriteError, Target::All, Survives),
        ("memory", 1, 1, Action::Kill, Target::All, Nothing),
        ("memory (written to the file later)", 1, 1, Action::Kill, Target::All, Nothing),
        ("memory", 1, 1, Action::Stop, Target::All, Survives),
        ("memory", 1, 1, Action::CrashMember, Target::Group("g".into(), Some(1)), Survives),
        ("replicated 2/3, memory", 3, 3, Action::Kill, Target::StreamLeader, Survives),
        ("replicated 2/3, memory", 3, 3, Action::Kill, Target::Majority, Nothing),
        ("replicated 2/3, memory", 3, 3, Action::RollingRestart, Target::All, Survives),
        ("replicated 2/3, page cache", 3, 3, Action::Kill, Target::All, Survives),
        // One of three copies confirms: another one may become the leader, without any loss of a file.
        ("page cache", 3, 3, Action::Kill, Target::StreamLeader, Nothing),
        ("fsync", 3, 3, Action::Partition, Target::StreamLeader, Nothing),
        ("replicated 1/3, page cache", 3, 3, Action::StepDown, Target::StreamLeader, Nothing),
        ("fsync", 3, 3, Action::RestartGroup, Target::Group("g".into(), None), Survives),
        ("none (written to a socket)", 3, 3, Action::Kill, Target::All, Nothing),
        ("page cache (sync interval unknown)", 1, 1, Action::Kill, Target::All, Unknown),
        ("", 1, 1, Action::Kill, Target::All, Unknown),
    ] {
        let found = pledge(durability, &plan(nodes, replicas, vec![fault(action, target.clone())]));
        assert_eq!(found.promise, promise, "{durability}, {action} of {target}: {}", found.why);
        assert!(!found.why.is_empty());
    }
}

#[test]
fn a_loss_of_power_takes_the_page_cache_of_the_nodes_that_it_hits() {
    use Promise::{Nothing, Survives};
    // The action by its word, so that it may be one that a version does not have.
    let Some(power) = <Action as crate::plan::Choice>::of_word(POWER_LOSS) else { return };
    for (durability, nodes, target, promise) in [
        ("page cache", 1, Target::All, Nothing),
        ("fsync", 1, Target::All, Survives),
        ("replicated 2/3, page cache", 3, Target::StreamLeader, Survives),
        ("replicated 2/3, page cache", 3, Target::All, Nothing),
        ("replicated 2/3, fsync", 3, Target::All, Survives),
    ] {
        let found = pledge(durability, &plan(nodes, nodes, vec![fault(power, target.clone())]));
        assert_eq!(found.promise, promise, "{durability}, {target}: {}", found.why);
    }
}

#[test]
fn without_a_fault_every_acknowledgement_but_none_promises_the_event() {
    let of = |durability: &str| pledge(durability, &plan(3, 3, vec![])).promise;
    assert_eq!(
        [of("memory"), of("fsync"), of("none (x)")],
        [Promise::Survives, Promise::Survives, Promise::Nothing]
    );
}

#[test]
fn a_stream_that_discards_its_oldest_events_promises_none_of_them() {
    let mut plan = plan(3, 3, vec![fault(Action::Kill, Target::StreamLeader)]);
    (plan.bus.kind, plan.bus.nats.discard) = (BusKind::Nats, Discard::Old);
    let found = pledge("replicated 2/3, fsync", &plan);
    assert!(found.promise == Promise::Nothing && found.why.contains("oldest"), "{found:?}");
}

// --- Cells.

fn design(expect: Expect, runs: u32) -> Design {
    let cell = |fault: &str, expect| Planned {
        configuration: "R1".into(),
        fault: fault.into(),
        what: "kill of all".into(),
        expect,
        ..Planned::default()
    };
    Design { runs, seed: 7, cells: vec![cell("kill", expect)], ..Design::default() }
}

/// A run of which so many events are lost, if that is known.
fn trial(number: u32, lost: Option<u64>) -> Trial {
    Trial {
        number,
        round: number,
        configuration: "R1".into(),
        fault: "kill".into(),
        folder: format!("m-{number:03}"),
        outcome: Outcome::Tested,
        fit: true,
        durability: "page cache".into(),
        pledge: Pledge { promise: Promise::Survives, why: "why".into() },
        due: 100,
        acked: 90,
        lost,
        duplicates: Some(1),
        unavailable_ns: Some(u64::from(number) * 1_000_000_000),
        longest_ns: Some(1),
        recovered: Some(Recovered::Yes),
        recovery_ns: Some(u64::from(number) * 2_000_000_000),
        ..Trial::default()
    }
}

fn concluded(design: Design, trials: Vec<Trial>) -> Matrix {
    let matrix = conclude(Inputs { about: About::default(), design, trials });
    assert_eq!(contradiction(&matrix), None);
    matrix
}

fn judged(expect: Expect, trials: Vec<Trial>) -> (Judgement, Verdict) {
    let runs = crate::num::count32(trials.len()).max(1);
    let matrix = concluded(design(expect, runs), trials);
    (matrix.cells[0].judgement, matrix.verdict)
}

#[test]
fn a_cell_has_the_sums_of_losses_and_the_medians_of_times() {
    let matrix =
        concluded(design(Expect::Any, 3), vec![trial(1, Some(0)), trial(2, Some(4)), trial(3, Some(2))]);
    let cell = &matrix.cells[0];
    assert_eq!((cell.lost, cell.losing, cell.known, cell.duplicates), (Some(6), 2, 3, Some(3)));
    assert_eq!((cell.due, cell.acked), (300, 270));
    let seconds = |of: Option<Spread>| {
        of.map(|of| [of.median_ns, of.least_ns, of.most_ns].map(|ns| ns / 1_000_000_000))
    };
    assert_eq!((seconds(cell.unavailable), seconds(cell.recovery)), (Some([2, 1, 3]), Some([4, 2, 6])));
}

#[test]
fn a_promise_holds_only_where_every_run_shows_it() {
    use Judgement::{Broken, Holds, Inconclusive, NotJudged};
    let run = |lost| vec![trial(1, Some(0)), trial(2, lost)];
    for expect in [Expect::Promise, Expect::Survives, Expect::Recovers] {
        assert_eq!(judged(expect, run(Some(0))), (Holds, Verdict::Pass), "{expect}");
        assert_eq!(judged(expect, run(Some(1))), (Broken, Verdict::Fail), "{expect}");
        assert_eq!(judged(expect, run(None)), (Inconclusive, Verdict::Inconclusive), "{expect}");
    }
    assert_eq!(judged(Expect::Loses, run(Some(1))), (Holds, Verdict::Pass));
    assert_eq!(judged(Expect::Loses, run(Some(0))), (Broken, Verdict::Fail));
    assert_eq!(judged(Expect::Loses, run(None)), (Inconclusive, Verdict::Inconclusive));
    assert_eq!(judged(Expect::Any, run(Some(1))), (NotJudged, Verdict::Pass));
    let pledged = |promise| Trial { pledge: Pledge { promise, why: String::new() }, ..trial(1, Some(5)) };
    assert_eq!(judged(Expect::Promise, vec![pledged(Promise::Nothing)]), (NotJudged, Verdict::Pass));
    assert_eq!(judged(Expect::Promise, vec![pledged(Promise::Unknown)]), (NotJudged, Verdict::Pass));
}

#[test]
fn recovery_is_required_where_it_is_expected() {
    let run = |recovered| vec![Trial { recovered: Some(recovered), recovery_ns: None, ..trial(1, Some(0)) }];
    assert_eq!(judged(Expect::Recovers, run(Recovered::No)).0, Judgement::Broken);
    assert_eq!(judged(Expect::Recovers, run(Recovered::Unknown)).0, Judgement::Inconclusive);
    assert_eq!(judged(Expect::Survives, run(Recovered::No)).0, Judgement::Holds);
}

#[test]
fn a_run_that_injected_nothing_tests_nothing() {
    let skipped = |number| Trial {
        outcome: Outcome::NotInjected,
        reason: Some("fault kill: no leader".into()),
        ..trial(number, Some(0))
    };
    let matrix = concluded(design(Expect::Survives, 2), vec![skipped(1), skipped(2)]);
    let cell = &matrix.cells[0];
    assert_eq!((cell.state, cell.lost, cell.judgement), (State::NotTested, None, Judgement::Inconclusive));
    assert_eq!(cell.reason.as_deref(), Some("fault kill: no leader"));
    assert_eq!(matrix.verdict, Verdict::Inconclusive);
    // One of two shows something, and not enough for a promise.
    let matrix = concluded(design(Expect::Survives, 2), vec![skipped(1), trial(2, Some(0))]);
    assert_eq!((matrix.cells[0].state, matrix.cells[0].judgement), (State::Tested, Judgement::Inconclusive));
    // Enough for a loss.
    let matrix = concluded(design(Expect::Survives, 2), vec![skipped(1), trial(2, Some(3))]);
    assert_eq!(matrix.cells[0].judgement, Judgement::Broken);
}

#[test]
fn a_cell_that_was_left_out_is_not_judged_and_a_matrix_of_such_cells_shows_nothing() {
    let mut design = design(Expect::Survives, 1);
    design.cells[0].skip = Some("one server".into());
    assert!(turns(&design).is_empty());
    let matrix = concluded(design, vec![]);
    assert_eq!((matrix.cells[0].state, matrix.cells[0].judgement), (State::NotTested, Judgement::NotJudged));
    assert_eq!(matrix.verdict, Verdict::Inconclusive);
}

#[test]
fn a_broken_promise_is_said_whatever_is_expected() {
    for expect in [Expect::Any, Expect::Loses, Expect::Promise] {
        let matrix = concluded(design(expect, 1), vec![trial(1, Some(12))]);
        assert!(matrix.cells[0].broken_promise);
        let said = &matrix.sentences[0];
        for part in
            ["R1 under kill", "`page cache`", "promises", "12 of 90 confirmed events were lost", "1 of 1 run"]
        {
            assert!(said.contains(part), "{part}: {said}");
        }
    }
}

#[test]
fn an_account_whose_cells_do_not_follow_from_its_runs_is_found() {
    let mut matrix = concluded(design(Expect::Survives, 1), vec![trial(1, Some(1))]);
    matrix.cells[0].lost = Some(0);
    assert!(contradiction(&matrix).unwrap().contains("R1 × kill"));
    let mut matrix = concluded(design(Expect::Survives, 1), vec![trial(1, Some(1))]);
    matrix.verdict = Verdict::Pass;
    assert!(contradiction(&matrix).unwrap().contains("verdict"));
    matrix.rules = RULES + 1;
    assert_eq!(contradiction(&matrix), None);
}

// --- The order.

#[test]
fn each_round_has_every_cell_once_and_the_next_one_in_reverse() {
    let mut design = design(Expect::Any, 4);
    for at in 0..5 {
        let skip = (at == 2).then(|| "why".to_owned());
        design.cells.push(Planned { fault: format!("f{at}"), skip, ..design.cells[0].clone() });
    }
    for seed in 0..20 {
        design.seed = seed;
        let all = turns(&design);
        assert_eq!(all.len(), 4 * 5);
        let rounds: Vec<Vec<usize>> = (1..=4)
            .map(|round| all.iter().filter(|next| next.round == round).map(|next| next.cell).collect())
            .collect();
        for pair in rounds.chunks(2) {
            let mut sorted = pair[0].clone();
            sorted.sort_unstable();
            assert_eq!(sorted, [0, 1, 2, 4, 5], "the third of the added cells is left out");
            assert_eq!(pair[1], pair[0].iter().rev().copied().collect::<Vec<_>>());
        }
        assert!((1..).zip(&all).all(|(number, next)| next.number == number));
        // What is left follows from what was made.
        let made = vec![trial(1, None); 7];
        assert_eq!(next(&design, &made), Some(all[7]));
        assert_eq!(next(&design, &vec![trial(1, None); 20]), None);
    }
}
