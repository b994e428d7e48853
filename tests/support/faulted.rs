//! Runs with faults: three that went as planned, one of each outcome, and more than a page shows.

use super::*;
use tickgate::plan;
use tickgate::record::DeadLetters;

const MS: u64 = 1_000_000;
/// Start of the load, and of the measure phase, in the records of recipes.
const LOAD: u64 = SECOND / 10;
const MEASURE: u64 = LOAD + 2 * SECOND;

fn node(name: &str, states: &[(u64, NodeState)]) -> StartedNode {
    StartedNode {
        name: name.into(),
        address: "nats://127.0.0.1:4222".into(),
        states: states.iter().map(|(s, state)| (MEASURE + s * SECOND, *state)).collect(),
        versions: Vec::new(),
    }
}

fn outage(unavailable_ms: u64, longest_ms: u64) -> Outage {
    Outage { unavailable_ns: unavailable_ms * MS, longest_ns: longest_ms * MS }
}

fn availability(groups: &[String], publishing_ms: u64, group_ms: u64) -> Availability {
    Availability {
        within_ns: 100 * MS,
        publishing: outage(publishing_ms, publishing_ms / 2),
        groups: groups
            .iter()
            .map(|name| GroupOutage { name: name.clone(), outage: outage(group_ms, group_ms) })
            .collect(),
    }
}

/// A fault that went as planned: `at`, `length` and `settle` in seconds of the measure phase.
fn fault(name: &str, action: &str, target: &str, at: u64, length: u64, settle: u64) -> Fault {
    let planned = MEASURE + at * SECOND;
    let undo = planned + length * SECOND;
    Fault {
        name: name.into(),
        action: action.into(),
        target: target.into(),
        resolved: vec!["nats-2".into()],
        how_known: "named by 3 of 3 nodes".into(),
        planned_ns: planned,
        begun_ns: Some(planned + 3 * MS),
        verified_ns: Some(planned + 12 * MS),
        undo_planned_ns: (length > 0).then_some(undo),
        undone_ns: (length > 0).then_some(undo + 40 * MS),
        healthy_ns: (length > 0).then_some(undo + 900 * MS),
        settled_ns: undo + settle * SECOND,
        outcome: Injection::Done,
        reason: None,
        files: None,
        takeover: None,
        leader_before: Some("nats-2".into()),
        leader_after: Some("nats-3".into()),
        effect: None,
    }
}

fn effect(groups: &[String], length: u64, refused: u64) -> Effect {
    let down = availability(groups, 5_200.min(1 + length * 900), 8_400.min(1 + length * 950));
    Effect {
        due: 9_000,
        acked: 9_000 - refused - refused / 20,
        refused,
        unconfirmed: refused / 20,
        unsent: 0,
        resent: refused / 3,
        publishing: down.publishing,
        groups: down.groups,
        recovered: tickgate::record::Recovered::Yes,
        recovery_ns: Some(length * SECOND + 1_300 * MS),
        after_undo_ns: Some(1_260 * MS),
        observed_ns: length * SECOND + 10 * SECOND,
    }
}

fn scope(name: &str, ranges: &[(u64, u64)], record: &Record, slow: u64) -> ScopeFigures {
    let length: u64 = ranges.iter().map(|(from, until)| (until - from) * SECOND).sum();
    let due = length / MS;
    let slower = |latency: &Latency| Latency {
        p50_ns: latency.p50_ns * slow,
        p99_ns: latency.p99_ns * slow * slow,
        max_ns: latency.max_ns * i64::try_from(slow * slow).unwrap(),
        ..latency.clone()
    };
    let names: Vec<String> = record.groups.iter().map(|group| group.name.clone()).collect();
    ScopeFigures {
        name: name.into(),
        ranges: ranges.iter().map(|(from, until)| (from * SECOND, until * SECOND)).collect(),
        availability: availability(&names, (slow - 1) * 300, (slow - 1) * 400),
        figures: Step {
            until_ns: length,
            planned_rate: 1000.0,
            due,
            sent: due,
            acked: due - (slow - 1) * due / 90,
            ack: (name != "recovery").then(|| slower(&record.load.ack)),
            groups: record
                .groups
                .iter()
                .map(|group| StepGroup {
                    name: group.name.clone(),
                    due: group.latency.count,
                    in_time: group.latency.count,
                    latency: slower(&group.latency),
                    ..StepGroup::default()
                })
                .collect(),
            ..Step::default()
        },
    }
}

/// Steps of 100 ms: no event is confirmed while it lasts, and the held confirmations come at its end.
fn fine(fault: &Fault, length: u64) -> Fine {
    let (before, settle) = (20, 100);
    let steps = before + length * 10 + settle;
    let within = |n: u64| (before..before + length * 10).contains(&n);
    let count =
        |n: u64, calm: u32, down: u32| if within(n) { down } else { calm + u32::try_from(n % 7).unwrap() };
    Fine {
        fault: fault.name.clone(),
        from_ns: fault.planned_ns.saturating_sub(2 * SECOND),
        step_ns: 100 * MS,
        acked: (0..steps).map(|n| count(n, 97, 0)).collect(),
        refused: (0..steps).map(|n| if within(n) { 60 } else { 0 }).collect(),
        delivered: (0..steps)
            .map(|n| if n == before + length * 10 { 900 } else { count(n, 190, 0) })
            .collect(),
        ack_max_ns: (0..steps).map(|n| if within(n) { 0 } else { MS + n % 9 * MS / 4 }).collect(),
    }
}

fn base(name: &'static str, seconds: u64) -> (Record, Vec<String>) {
    let record = of(&Recipe { name, seconds, ..Recipe::default() });
    let groups = record.groups.iter().map(|group| group.name.clone()).collect();
    (record, groups)
}

/// A kill of the leader, a step-down and a stopped follower, each recovered.
pub fn three() -> Record {
    let (mut record, groups) = base("three-faults", 60);
    let mut all = vec![
        fault("leader", "kill", "stream-leader", 10, 8, 10),
        fault("election", "step-down", "stream-leader", 30, 0, 8),
        fault("frozen", "stop", "follower", 40, 5, 10),
    ];
    all[1].resolved = vec!["nats-3".into()];
    all[2].resolved = vec!["nats-1".into()];
    all[2].leader_after = None;
    for (fault, (length, refused)) in all.iter_mut().zip([(8, 1890), (0, 0), (5, 0)]) {
        fault.effect = Some(effect(&groups, length, refused));
    }
    record.plan.faults = all
        .iter()
        .map(|fault| plan::Fault {
            name: fault.name.clone(),
            at: plan::Span { ns: fault.planned_ns - MEASURE },
            action: match fault.action.as_str() {
                "kill" => plan::Action::Kill,
                "stop" => plan::Action::Stop,
                _ => plan::Action::StepDown,
            },
            target: Some(if fault.name == "frozen" {
                plan::Target::Follower
            } else {
                plan::Target::StreamLeader
            }),
            between: None,
            length: plan::Span { ns: fault.undo_planned_ns.map_or(0, |undo| undo - fault.planned_ns) },
            settle: plan::Span { ns: 10 * SECOND },
            how: None,
            way: None,
            delay: None,
            jitter: None,
            rate: None,
            poison: None,
            expect: plan::Expect::Service,
        })
        .collect();
    let led = |s: u64, what: &str, who: &str| Led {
        at_ns: MEASURE + s * SECOND,
        what: what.into(),
        who: who.into(),
    };
    record.faults = Faults {
        dead_letters: Vec::new(),
        nodes: vec![
            node("nats-1", &[(40, NodeState::Stopped), (45, NodeState::Up)]),
            node("nats-2", &[(10, NodeState::Down), (18, NodeState::Up)]),
            node("nats-3", &[(50, NodeState::Cut), (51, NodeState::Up)]),
        ],
        leaders: vec![
            Led { at_ns: 0, ..led(0, "stream", "nats-2") },
            led(10, "stream", ""),
            led(15, "stream", "nats-3"),
            led(30, "stream", "nats-1"),
            led(0, "meta", "nats-3"),
            led(0, "consumer analytics", "nats-1"),
        ],
        availability: availability(&groups, 5_230, 8_600),
        scopes: vec![
            scope("before", &[(0, 10)], &record, 1),
            scope("during", &[(10, 18), (40, 45)], &record, 9),
            scope("recovery", &[(18, 28), (30, 38), (45, 55)], &record, 3),
            scope("after", &[(28, 30), (38, 40), (55, 60)], &record, 1),
            scope("fault.leader", &[(10, 28)], &record, 6),
            scope("fault.election", &[(30, 38)], &record, 2),
            scope("fault.frozen", &[(40, 55)], &record, 4),
        ],
        fine: all.iter().zip([8, 0, 5]).map(|(fault, length)| fine(fault, length)).collect(),
        injected: all,
    };
    verdict::judged(record)
}

/// One fault of each outcome, with as little known of each as a record allows, on five nodes.
pub fn outcomes() -> Record {
    let (mut record, groups) = base("outcomes", 60);
    let all = Injection::ALL.into_iter().zip(0..).map(|(outcome, n)| {
        let whole = fault(outcome.as_str(), "kill", "node-2", 5 + n * 9, 3, 5);
        let effect = (n < 2).then(|| Effect {
            recovered: tickgate::record::Recovered::No,
            recovery_ns: None,
            after_undo_ns: None,
            ..effect(&groups, 3, 900)
        });
        Fault {
            outcome,
            reason: (outcome != Injection::Done).then(|| format!("why it was {}", outcome.as_str())),
            begun_ns: None,
            verified_ns: None,
            undo_planned_ns: (n % 2 == 0).then_some(whole.planned_ns + 3 * SECOND),
            undone_ns: None,
            healthy_ns: None,
            leader_before: None,
            leader_after: None,
            effect,
            ..whole
        }
    });
    record.faults.injected = all.collect();
    record.faults.nodes = (1..=5).map(|n| node(&format!("nats-{n}"), &[])).collect();
    record.audit = None;
    verdict::judged(record)
}

/// Thirty faults, some of no length, at the edges of the run and beyond; steps that are missing or of no length.
pub fn many() -> Record {
    let (mut record, groups) = base("many-faults", 600);
    let all: Vec<Fault> = (0..30)
        .map(|n| {
            let name = format!("fault-{n}-with-a-name-that-is-longer-than-a-column");
            let mut fault = fault(&name, "restart", "any", n * 25, n % 4, 10);
            fault.resolved = (1..=5).map(|node| format!("a-node-with-a-long-name-{node}")).collect();
            fault.effect = Some(effect(&groups, n % 4, n * 11));
            fault
        })
        .collect();
    let mut fine: Vec<Fine> = all.iter().zip(0..).map(|(fault, n)| fine(fault, n % 4)).collect();
    fine[1] = Fine { step_ns: 0, ..fine[1].clone() };
    fine[2] = Fine { acked: vec![], refused: vec![1], ack_max_ns: vec![u64::MAX], ..fine[2].clone() };
    fine[3].acked = vec![7; 5000];
    let flapping: Vec<(u64, NodeState)> = (0..200)
        .map(|n| {
            (
                n * 3,
                [NodeState::Down, NodeState::Up, NodeState::Stopped, NodeState::Cut]
                    [usize::try_from(n % 4).unwrap()],
            )
        })
        .collect();
    record.faults = Faults {
        dead_letters: Vec::new(),
        nodes: (1..=5).map(|n| node(&format!("a-node-with-a-long-name-{n}"), &flapping)).collect(),
        leaders: (0..60)
            .map(|n| Led {
                at_ns: MEASURE + n * 10 * SECOND,
                what: format!("consumer group-{}-with-a-long-name", n % 12),
                who: format!("a-node-with-a-long-name-{}", n % 5),
            })
            .collect(),
        scopes: all
            .iter()
            .map(|fault| ScopeFigures { name: format!("fault.{}", fault.name), ..ScopeFigures::default() })
            .collect(),
        availability: Availability::default(),
        fine,
        injected: all,
    };
    verdict::judged(record)
}

/// Faults whose every text tries to leave its place, and whose times are extremes.
pub fn hostile(bad: &str, groups: &[String]) -> Faults {
    let text = || bad.to_owned();
    let injected = [0, u64::MAX].map(|at| Fault {
        name: text(),
        action: text(),
        target: text(),
        resolved: vec![text(), text()],
        how_known: text(),
        planned_ns: at,
        begun_ns: Some(u64::MAX - at),
        verified_ns: None,
        undo_planned_ns: Some(at),
        undone_ns: Some(u64::MAX),
        healthy_ns: Some(0),
        settled_ns: u64::MAX - at,
        outcome: Injection::Done,
        reason: Some(text()),
        files: Some(LostFiles { emptied: u64::MAX, bytes: u64::MAX, ..LostFiles::default() }),
        takeover: Some(Takeover { open: u64::MAX, unexpected: u64::MAX, ..Takeover::default() }),
        leader_before: Some(text()),
        leader_after: Some(text()),
        effect: Some(Effect { recovery_ns: Some(u64::MAX), refused: u64::MAX, ..effect(groups, 1, 20) }),
    });
    Faults {
        dead_letters: vec![DeadLetters {
            group: text(),
            poison: u64::MAX,
            stored: u64::MAX,
            missing: 3,
            ..DeadLetters::default()
        }],
        nodes: vec![StartedNode {
            name: text(),
            address: text(),
            states: vec![(u64::MAX, NodeState::Down), (0, NodeState::Cut), (5 * SECOND, NodeState::Stopped)],
            versions: vec![(0, text()), (u64::MAX, "2".into())],
        }],
        leaders: vec![Led { at_ns: 3 * SECOND, what: text(), who: text() }],
        availability: availability(groups, 1, 1),
        scopes: vec![ScopeFigures {
            name: text(),
            ranges: vec![(5, 1), (0, u64::MAX), (0, u64::MAX)],
            figures: Step {
                groups: vec![StepGroup { name: text(), ..StepGroup::default() }],
                ..Step::default()
            },
            ..ScopeFigures::default()
        }],
        fine: vec![Fine { from_ns: u64::MAX, step_ns: u64::MAX, ..fine(&injected[0], 1) }],
        injected: injected.into(),
    }
}
