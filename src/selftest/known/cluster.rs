//! Known answers of a cluster: times without a leader, changes of leaders, and copies of the store that are stale.

use super::{Answer, Answers, MS, ns, record_of, steady};
use crate::bus::sim::{Delay, Election, Fault, Faults, Hits, LeaderChange, Replica, Stretch};
use crate::plan::{Ns, Plan, Span, grammar};
use crate::record::{Effect, Injection, Record, Verdict};
use crate::run::RunError;
use crate::run::simulated::{Scenario, simulate};
use crate::selftest::oracle;
use crate::selftest::swarm::fault;

const S: Ns = 1_000_000_000;
/// An election of E = 2 s at 5 s; deliveries begin again D = 3.5 s after its start.
const ELECTION: Election = Election { at: 5 * S, length: 2 * S, deliveries_from: 8_500_000_000 };

/// A load of 1000 events/s for 20 s, and a fault at 5 s that lasts 2 s and must be settled at 15 s.
fn plan() -> Plan {
    let mut plan = steady(1000.0, Span::seconds(20));
    plan.faults = vec![fault("leader", [5, 2, 8].map(Span::seconds))];
    plan
}

fn effect(record: &Record) -> Option<&Effect> {
    record.faults.injected.first()?.effect.as_ref()
}

/// The times without service for publishing and for the group, until the recovery, and from the undo to it, in ms.
fn times(answers: &mut Answers, name: &str, record: &Record, expected: [u64; 4]) {
    let Some(effect) = effect(record) else { return answers.equal(name, "an effect", "none") };
    let reported = [
        effect.publishing.unavailable_ns,
        effect.groups.first().map_or(0, |group| group.outage.unavailable_ns),
        effect.recovery_ns.unwrap_or(Ns::MAX),
        effect.after_undo_ns.unwrap_or(Ns::MAX),
    ];
    let figures = ["unavailable", "unavailable to the group", "recovery", "after the undo"];
    for ((figure, expected), reported) in figures.into_iter().zip(expected).zip(reported) {
        answers.time(&format!("{name}: {figure}"), ns(expected) * MS, ns(reported), 0.0);
    }
}

/// Without a leader for E, and without deliveries for D: publishing is unavailable for E, and the group for D − L, since what comes
/// within L of its end is in time. All is normal after D.
///
/// A publisher that sends its events again confirms nothing until the first one that was refused is sent after E: its pauses of
/// 50, 100, 200, 400, 800 and 1000 ms end 2.55 s after the start. Events due up to L before that are in time.
pub(super) fn elections() -> Result<Vec<Answer>, RunError> {
    let mut answers = Answers("election of a leader", Vec::new());
    let faults = Faults { elections: vec![ELECTION], ..Faults::default() };
    let once = record_of(&plan(), faults.clone())?;
    times(&mut answers, "sent once", &once, [2000, 3400, 3500, 1500]);
    let (load, group) = (&once.load, &once.groups[0]);
    let reported = (load.refused, load.acked, group.delivered, group.lost, group.redelivered);
    answers.equal(
        "sent once: refused, acked, delivered, lost, redelivered",
        (2000, 18_000, 18_000, 0, 0),
        reported,
    );
    let mut again = plan();
    (again.bus.retry, again.bus.nats.msg_id) = (Span::seconds(10), true);
    let again = record_of(&again, faults)?;
    times(&mut answers, "sent again", &again, [2450, 3400, 3500, 1500]);
    let (load, group) = (&again.load, &again.groups[0]);
    let reported = (load.refused, load.acked, group.delivered, group.lost, load.resent, load.gave_up);
    answers.equal(
        "sent again: refused, acked, delivered, lost, resent, given up",
        (0, 20_000, 20_000, 0, Some(6), Some(0)),
        reported,
    );
    Ok(answers.1)
}

/// A run's changes of leaders and elections; events redelivered and delivered, and the time without service for the group in ms.
type Changes = (&'static str, Vec<LeaderChange>, Vec<Election>, [u64; 3]);

/// Acknowledgements take A = 10 ms to the server: when another one takes over, those of the last A are missing, and these events
/// come again, after an election when deliveries begin again. First deliveries do not move.
pub(super) fn leader_changes() -> Result<Vec<Answer>, RunError> {
    let mut answers = Answers("change of leaders", Vec::new());
    let change = |at| LeaderChange { at: at * S, unacked_again: S / 2 };
    let cases: [Changes; 3] = [
        ("one change", vec![change(5)], vec![], [10, 20_000, 0]),
        ("three changes", [5, 6, 7].map(change).into(), vec![], [30, 20_000, 0]),
        ("a change by an election", vec![change(5)], vec![ELECTION], [10, 18_000, 3400]),
    ];
    for (name, leader_changes, elections, expected) in cases {
        let acknowledgement = Delay::Fixed(10_000_000);
        let faults = Faults { acknowledgement, elections, leader_changes, ..Faults::default() };
        let record = record_of(&plan(), faults)?;
        let group = &record.groups[0];
        let away = effect(&record).and_then(|effect| effect.groups.first());
        let away_ns = away.map_or(Ns::MAX, |group| group.outage.unavailable_ns);
        answers.equal(
            &format!("{name}: redelivered, A × rate for each; delivered; unavailable to the group, in ms"),
            expected,
            [group.redelivered, group.delivered, away_ns / 1_000_000],
        );
        let reported = (group.lost, group.duplicate, group.reordered);
        answers.equal(&format!("{name}: lost, duplicate, reordered"), (0, 0, 0), reported);
    }
    Ok(answers.1)
}

/// What is wrong with some of three copies; positions read, those that differ, and events in no copy; the verdicts on the last two.
type Stale = (&'static str, Vec<Replica>, [u64; 3], [Verdict; 2]);

/// Three copies of a store of 20,000 events, and what is wrong with some of them. One event is stored behind the next four.
fn copies(wrong: &[Replica]) -> Result<Record, RunError> {
    let mut plan = steady(1000.0, Span::seconds(20));
    for (name, limit) in [("diverged", "== 0"), ("delivery.not_stored", "== 0")] {
        plan.objectives.extend(grammar::parse(name, limit));
    }
    let replicas = wrong.iter().copied().chain(std::iter::repeat(Replica::default())).take(3).collect();
    let late = Hits::Events { symbol: None, from: 3, to: 3 };
    record_of(&plan, Faults { replicas, ..Faults::default() }.with(Fault::StoredLate(4_500_000), late))
}

/// The copies differ at the positions that a stale one lacks, and nothing of them is lost: lost is what every copy lacks, and a
/// copy that cannot be read may hold it.
pub(super) fn stale_copies() -> Result<Vec<Answer>, RunError> {
    use Verdict::{Fail, Inconclusive, Pass};
    let mut answers = Answers("stale copies of the store", Vec::new());
    let still = |from: u64, length: Ns| Replica {
        still: Some(Stretch { from: from * S, length }),
        ..Replica::default()
    };
    let gap = still(5, 2 * S);
    let away = Replica { away: true, ..Replica::default() };
    let behind = Replica { behind: S / 2, ..Replica::default() };
    let cases: [Stale; 8] = [
        ("equal copies", vec![], [20_000, 0, 0], [Pass, Pass]),
        ("one stands still from 5 s on", vec![still(5, Ns::MAX / 2)], [20_000, 15_000, 0], [Fail, Pass]),
        (
            "one stands still for 2 s and catches up",
            vec![Replica { catches_up: true, ..gap }],
            [20_000, 0, 0],
            [Pass, Pass],
        ),
        ("one is 0.5 s behind", vec![behind], [20_000, 500, 0], [Fail, Pass]),
        ("two lack the same 2 s", vec![gap, gap], [20_000, 2000, 0], [Fail, Pass]),
        ("one is away", vec![away], [20_000, 0, 0], [Inconclusive, Pass]),
        ("all lack the same 2 s", vec![gap; 3], [18_000, 0, 2000], [Pass, Fail]),
        (
            "two lack the same 2 s, and one is away",
            vec![gap, gap, away],
            [18_000, 0, 2000],
            [Inconclusive, Inconclusive],
        ),
    ];
    for (name, wrong, expected, verdicts) in cases {
        let record = copies(&wrong)?;
        let Some(audit) = &record.audit else {
            answers.equal(name, "an audit", "none");
            continue;
        };
        let reported = [audit.read, audit.diverged.unwrap_or(Ns::MAX), audit.missing];
        answers.equal(&format!("{name}: read, diverged, in no copy"), expected, reported);
        let judged = [0, 1].map(|at: usize| record.objectives.get(at).map(|objective| objective.verdict));
        answers.equal(&format!("{name}: verdicts on diverged and not stored"), verdicts.map(Some), judged);
        let (group, late) = (&record.groups[0], audit.out_of_order);
        let reported = (group.lost, group.delivered, late);
        answers.equal(
            &format!("{name}: lost to the group, delivered, stored late"),
            (0, 20_000, 1),
            reported,
        );
    }
    Ok(answers.1)
}

/// A harness that claims a fault and injects none would report a bus that withstands it: the check of the injection path must say so.
pub(super) fn claims() -> Result<Vec<Answer>, RunError> {
    let mut answers = Answers("a fault that is claimed and not injected", Vec::new());
    let election = Faults { elections: vec![ELECTION], ..Faults::default() };
    for (name, faults, found) in [("injected", election, 0), ("claimed only", Faults::default(), 1)] {
        let (record, truth) = simulate(&plan(), &Scenario::from(faults), 1)?;
        let outcome = record.faults.injected.first().map(|fault| fault.outcome);
        answers.equal(&format!("{name}: what the record claims"), Some(Injection::Done), outcome);
        let complaints = oracle::differences(&record, &truth);
        answers.equal(&format!("{name}: findings"), found, complaints.len());
    }
    Ok(answers.1)
}
