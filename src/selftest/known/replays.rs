//! Known answers about replays: the replayed events follow by arithmetic from the published ones and from the faults of the bus.

use super::{Answer, Answers, steady};
use crate::bus::sim::{Delay, Fault, Faults, Hits, Mishap, PACE_NS};
use crate::plan::{Begin, Origin, Plan, Replay, Span, Speed, grammar};
use crate::record::{self, Verdict};
use crate::run::RunError;
use crate::run::simulated::{Scenario, simulate};

const MS: u64 = 1_000_000;

fn replay(name: &str, at: Begin, from: Origin, speed: Speed) -> Replay {
    Replay { name: name.into(), at, from, speed }
}

/// A thousand events of one symbol a second for four seconds, stored 2 ms after they are sent and confirmed after 3 ms.
fn plan() -> Plan {
    let mut plan = steady(1000.0, Span::seconds(4));
    let drain = Begin::Drain;
    plan.replays = vec![
        replay("all", drain, Origin::Start, Speed::Max),
        replay("from-1s", drain, Origin::After(Span::seconds(1)), Speed::Max),
        replay("from-501", drain, Origin::Sequence(501), Speed::Max),
        replay("last", drain, Origin::LastPerSymbol, Speed::Max),
        replay("live", Begin::During(Span::seconds(3)), Origin::After(Span::seconds(1)), Speed::Max),
        replay("slow", drain, Origin::After(Span::seconds(2)), Speed::Original),
    ];
    for replay in plan.replays.clone() {
        plan.objectives.extend(grammar::parse(&format!("replay.{}.equal", replay.name), "== 100%"));
    }
    plan
}

fn delays() -> Faults {
    Faults { uplink: Delay::Fixed(2 * MS), answer: Delay::Fixed(MS), ..Faults::default() }
}

fn of<'a>(record: &'a record::Record, name: &str) -> &'a record::Replay {
    static NONE: std::sync::OnceLock<record::Replay> = std::sync::OnceLock::new();
    let found = record.replays.iter().find(|replay| replay.name == name);
    found.unwrap_or_else(|| NONE.get_or_init(record::Replay::default))
}

/// A sound bus returns the published events, from any start position.
pub(super) fn sound() -> Result<Vec<Answer>, RunError> {
    let mut answers = Answers("replays", Vec::new());
    let (record, _) = simulate(&plan(), &Scenario::from(delays()), 1)?;
    for (name, expected, at_the_boundaries) in [
        ("all", 4000, 0),
        // Sent before the boundary and stored behind it are those of its last 2 ms; an event is sent at every whole millisecond.
        ("from-1s", 3000, 2),
        ("from-501", 3500, 0),
        ("last", 1, 0),
        // At the end those of 3 ms are not confirmed yet, of which 2 ms are not stored either.
        ("live", 1997, 2 + 1),
        ("slow", 2000, 2),
    ] {
        let found = of(&record, name);
        answers.events(&format!("{name}: events that were to come"), expected, found.expected, 1);
        answers.equal(&format!("{name}: of them equal"), found.expected, found.equal);
        answers.events(&format!("{name}: at a boundary"), at_the_boundaries, found.either, 1);
        answers.equal(&format!("{name}: not to come"), 0, found.extra);
    }
    let verdicts: Vec<Verdict> = record.objectives.iter().map(|objective| objective.verdict).collect();
    answers.equal("every replay is equal", vec![Verdict::Pass; 6], verdicts);
    let rate = of(&record, "all").rate.unwrap_or(0.0);
    answers.time("all: time of an event", super::ns(PACE_NS), 1e9 / rate.max(1.0), 1.0);
    let slow = of(&record, "slow");
    answers.equal("slow: drift", Some(0), slow.drift_ns);
    answers.time(
        "slow: from the first to the last event",
        2.0 * 1e9,
        super::ns(slow.stored_ns.unwrap_or(0)),
        2.0 * 1e6,
    );
    // Each pause is longer by 0.1 ms: so is the whole, by as much for each pause.
    let longer = Faults { replay_pause: MS / 10, ..delays() };
    let (record, _) = simulate(&plan(), &Scenario::from(longer), 1)?;
    let slow = of(&record, "slow");
    let expected = slow.events.saturating_sub(1) * MS / 10;
    answers.equal("slow: drift of longer pauses", Some(expected), slow.drift_ns);
    answers.equal("slow: how much longer", i64::try_from(expected).ok(), slow.longer_ns);
    Ok(answers.1)
}

/// A bus that does one thing wrong in a replay is found, by exactly the event that it hits.
pub(super) fn faulty() -> Result<Vec<Answer>, RunError> {
    let mut answers = Answers("faults of a replay", Vec::new());
    let hits = Hits::Events { symbol: None, from: 1500, to: 1500 };
    let early = Hits::Events { symbol: None, from: 100, to: 100 };
    for (what, fault, hits, replay, expected) in [
        ("left out", Fault::ReplayLost, hits, "all", [1, 0, 0, 0, 0]),
        ("handed out twice", Fault::ReplayTwice, hits, "all", [0, 0, 1, 0, 0]),
        ("handed out late", Fault::ReplayLate, hits, "all", [0, 0, 0, 1, 0]),
        ("damaged", Fault::ReplayCorrupt, hits, "all", [1, 0, 0, 0, 1]),
        ("before the boundary in time", Fault::ReplayEarly, early, "from-1s", [0, 1, 0, 0, 0]),
        ("before the first position", Fault::ReplayEarly, early, "from-501", [0, 1, 0, 0, 0]),
        ("a second one of a symbol", Fault::ReplayEarly, early, "last", [0, 1, 0, 0, 0]),
        ("left out while the load goes on", Fault::ReplayLost, hits, "live", [1, 0, 0, 0, 0]),
    ] {
        let faults = Faults { mishaps: vec![Mishap { fault, hits }], ..delays() };
        let (record, _) = simulate(&plan(), &Scenario::from(faults), 1)?;
        let found = of(&record, replay);
        let counts = [found.missing, found.extra, found.twice, found.reordered, found.corrupt];
        answers.equal(&format!("{what}: missing, extra, twice, out of order, corrupt"), expected, counts);
        let objective = record.objectives.iter().find(|own| own.name == format!("replay.{replay}.equal"));
        answers.equal(&format!("{what}: the verdict"), Some(Verdict::Fail), objective.map(|own| own.verdict));
    }
    Ok(answers.1)
}
