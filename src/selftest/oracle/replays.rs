//! Replays by their definition: for every event of the truth, was it to come, may it have come, and did it come once, in order and
//! intact?

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::Findings;
use crate::bus::sim::{Event, Handed, Outcome, Replay as Returned, Truth};
use crate::num;
use crate::plan::{Begin, Ns, Objective, Op, Origin, Replay, ReplayFigure, Speed, Value};
use crate::record::{self, PhaseName, Record, ReplayEnd, Verdict};

/// On which side of a boundary an event is stored, as far as its publisher knows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Before,
    Behind,
    Either,
}

/// By an instant: an event sent after it is stored after it, and an event confirmed before it is stored before it.
fn at_instant(event: &Event, instant: Ns, sent_behind: bool) -> Side {
    match event.outcome {
        _ if sent_behind => Side::Behind,
        Outcome::Acked(_) if event.answered >= instant => Side::Either,
        _ => Side::Before,
    }
}

/// What a replay was to return.
struct Due {
    sure: BTreeSet<u32>,
    may: BTreeSet<u32>,
}

fn due(replay: &Replay, returned: &Returned, truth: &Truth, start: Ns) -> Due {
    let from = |event: &Event| match replay.from {
        Origin::After(time) => at_instant(event, start + time.ns, event.sent >= start + time.ns),
        Origin::Sequence(first) if event.position.is_some_and(|position| position < first) => Side::Before,
        Origin::Start | Origin::LastPerSymbol | Origin::Sequence(_) => Side::Behind,
    };
    let until = |number: u32, event: &Event| match replay.at {
        Begin::Drain => Side::Before,
        Begin::During(time) => at_instant(event, start + time.ns, number >= returned.events_before),
    };
    let (mut sure, mut may) = (BTreeSet::new(), BTreeSet::new());
    for (number, event) in (0_u32..).zip(&truth.events) {
        let open = matches!(event.outcome, Outcome::Open | Outcome::Unconfirmed | Outcome::Disconnected);
        let acked = matches!(event.outcome, Outcome::Acked(_));
        match (from(event), until(number, event)) {
            (_, Side::Behind) => {}
            _ if open => {
                may.insert(number);
            }
            (Side::Before, _) => {}
            (Side::Behind, Side::Before) if acked => {
                sure.insert(number);
            }
            _ if acked => {
                may.insert(number);
            }
            _ => {}
        }
    }
    let due = Due { sure, may };
    if replay.from == Origin::LastPerSymbol { last_of_each(due, truth) } else { due }
}

/// The last of each key that is sure to be stored, and what may be stored behind it.
fn last_of_each(all: Due, truth: &Truth) -> Due {
    let key = |number: u32| {
        let event = &truth.events[num::index32(number)];
        (event.topic, event.symbol)
    };
    let mut last: BTreeMap<(u32, u32), u32> = BTreeMap::new();
    for &number in &all.sure {
        last.insert(key(number), number);
    }
    let may = all.may.into_iter().filter(|number| last.get(&key(*number)).is_none_or(|sure| sure < number));
    Due { may: may.collect(), sure: last.into_values().collect() }
}

/// Compares what the record says of replays with the bus's own account of what it returned.
pub(super) fn check(found: &mut Findings, record: &Record, truth: &Truth) {
    let plan = &record.plan;
    found.equal("replays", plan.replays.len(), record.replays.len());
    let start = record.phase(PhaseName::Measure).map_or(0, |phase| phase.start_ns);
    for (number, (planned, reported)) in plan.replays.iter().zip(&record.replays).enumerate() {
        let Some(returned) = truth.replays.iter().find(|replay| replay.number == number) else {
            found.equal(&format!("replay {} ended", planned.name), ReplayEnd::NotBegun, reported.end);
            continue;
        };
        found.equal(&format!("replay {} ended", planned.name), ReplayEnd::Complete, reported.end);
        let due = due(planned, returned, truth, start);
        one(found, planned, reported, returned, &due, truth);
        pauses(found, planned, reported, returned, truth);
    }
}

/// What was returned besides dead letters that can be read: these are no events of the load.
fn of_load<'a>(returned: &'a Returned, truth: &Truth) -> Vec<&'a Handed> {
    let is =
        |handed: &&Handed| handed.damaged || truth.copies[num::index32(handed.copy)].dead_letter.is_none();
    returned.handed.iter().filter(is).collect()
}

fn one(
    found: &mut Findings,
    planned: &Replay,
    reported: &record::Replay,
    returned: &Returned,
    due: &Due,
    truth: &Truth,
) {
    let mut times: BTreeMap<u32, u64> = BTreeMap::new();
    let mut highest: BTreeMap<(u32, u32), u32> = BTreeMap::new();
    let mut late = HashSet::new();
    let (mut corrupt, mut foreign) = (0_u64, 0_u64);
    let all = of_load(returned, truth);
    for handed in &all {
        let copy = &truth.copies[num::index32(handed.copy)];
        // A foreign event has no sum that damage could break.
        let Some(number) = copy.event else {
            foreign += 1;
            continue;
        };
        if handed.damaged {
            corrupt += 1;
            continue;
        }
        let event = &truth.events[num::index32(number)];
        let highest = highest.entry((event.topic, event.symbol)).or_insert(0);
        let known = times.entry(number).or_insert(0);
        if *known == 0 && *highest > event.sequence {
            late.insert(number);
        }
        *highest = (*highest).max(event.sequence);
        *known += 1;
    }
    let came: BTreeSet<u32> = times.keys().copied().collect();
    let right = |number: &u32| times.get(number) == Some(&1) && !late.contains(number);
    let mut equal = |what: &str, expected: u64, reported: u64| {
        found.equal(&format!("replay {}: {what}", planned.name), expected, reported);
    };
    let count = |all: usize| num::count(all);
    equal("events", count(all.len()), reported.events);
    equal("corrupt", corrupt, reported.corrupt);
    equal("foreign", foreign, reported.foreign);
    equal("twice", times.values().map(|times| times - 1).sum(), reported.twice);
    equal("reordered", count(late.len()), reported.reordered);
    equal("expected", count(due.sure.len()), reported.expected);
    if planned.from == Origin::LastPerSymbol {
        return last(&mut equal, reported, due, &came, &right, truth);
    }
    equal("missing", count(due.sure.difference(&came).count()), reported.missing);
    equal("equal", count(due.sure.iter().filter(|number| right(number)).count()), reported.equal);
    equal("either", count(due.may.intersection(&came).count()), reported.either);
    let extra = came.iter().filter(|number| !due.sure.contains(number) && !due.may.contains(number));
    equal("extra", count(extra.count()), reported.extra);
}

/// One of those that may be the last of a key came, and no other.
fn last(
    equal: &mut impl FnMut(&str, u64, u64),
    reported: &record::Replay,
    due: &Due,
    came: &BTreeSet<u32>,
    right: &impl Fn(&u32) -> bool,
    truth: &Truth,
) {
    let mut keys: BTreeMap<(u32, u32), (bool, u64, u64)> = BTreeMap::new();
    for number in due.sure.iter().chain(&due.may).chain(came) {
        let event = &truth.events[num::index32(*number)];
        keys.entry((event.topic, event.symbol)).or_default();
    }
    let (mut whole, mut later) = (0, 0);
    for (key, (sure, fitting, other)) in &mut keys {
        let of_key = |number: &&u32| {
            let event = &truth.events[num::index32(**number)];
            (event.topic, event.symbol) == *key
        };
        *sure = due.sure.iter().any(|number| of_key(&number));
        let may = |number: &u32| due.sure.contains(number) || due.may.contains(number);
        *fitting = num::count(came.iter().filter(|number| of_key(number) && may(number)).count());
        let fine = came.iter().any(|number| of_key(&number) && may(number) && right(number));
        whole += u64::from(*sure && fine);
        later += u64::from(came.iter().any(|number| of_key(&number) && due.may.contains(number)));
        *other = num::count(came.iter().filter(|number| of_key(number) && !may(number)).count());
    }
    let missing = keys.values().filter(|(sure, fitting, _)| *sure && *fitting == 0).count();
    equal("missing", num::count(missing), reported.missing);
    equal("equal", whole, reported.equal);
    equal("either", later, reported.either);
    equal(
        "extra",
        keys.values().map(|(_, fitting, other)| other + fitting.saturating_sub(1)).sum(),
        reported.extra,
    );
}

/// The pauses of a replay at the original speed.
fn pauses(
    found: &mut Findings,
    planned: &Replay,
    reported: &record::Replay,
    returned: &Returned,
    truth: &Truth,
) {
    let all = of_load(returned, truth);
    if planned.speed != Speed::Original || all.is_empty() {
        return found.equal(&format!("replay {}: drift", planned.name), None, reported.drift_ns);
    }
    let stored = |copy: u32| num::f64_of(truth.copies[num::index32(copy)].stored);
    let mut drift = 0.0;
    for pair in all.windows(2) {
        let received = num::f64_of(pair[1].received) - num::f64_of(pair[0].received);
        drift += (received - (stored(pair[1].copy) - stored(pair[0].copy))).abs();
    }
    found.equal(&format!("replay {}: drift", planned.name), Some(num::u64_of(drift)), reported.drift_ns);
}

/// The right verdict on a replay, by its figures, which are compared by themselves.
pub(super) fn verdict(record: &Record, objective: &Objective, figure: ReplayFigure) -> Verdict {
    let name = objective.scope.replay.as_deref().unwrap_or_default();
    let Some(replay) = record.replays.iter().find(|replay| replay.name == name) else {
        return Verdict::Inconclusive;
    };
    if replay.end != ReplayEnd::Complete || !record.health.dead_workers.is_empty() {
        return Verdict::Inconclusive;
    }
    let value = match figure {
        ReplayFigure::Equal if replay.expected == 0 => return Verdict::Inconclusive,
        ReplayFigure::Equal => num::share(replay.equal, replay.expected + replay.extra + replay.foreign),
        ReplayFigure::Rate => match replay.rate {
            Some(rate) => rate,
            None => return Verdict::Inconclusive,
        },
        ReplayFigure::Drift => match replay.drift_ns {
            Some(drift) => num::f64_of(drift),
            None => return Verdict::Inconclusive,
        },
    };
    let limit = match objective.limit {
        Value::Share(limit) | Value::Cores(limit) | Value::OfOffered(limit) => limit,
        Value::Rate(rate) => rate.per_second,
        Value::Time(span) => num::f64_of(span.ns),
        Value::Count(count) => num::f64_of(count),
        Value::Size(size) => num::f64_of(size.bytes),
    };
    let holds = match objective.op {
        Op::Below => value < limit,
        Op::AtMost => value <= limit,
        Op::Equal => (value - limit).abs() <= 0.0,
        Op::AtLeast => value >= limit,
        Op::Above => value > limit,
    };
    if holds { Verdict::Pass } else { Verdict::Fail }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::sim::{Delay, Fault, Faults, Hits, Mishap};
    use crate::plan::Span;
    use crate::run::simulated::{Scenario, simulate};
    use crate::selftest::swarm::base;

    const MS: Ns = 1_000_000;

    /// A run with a replay during and after the load, and what is found after `alter`.
    fn findings(faults: Faults, alter: impl FnOnce(&mut Record, &mut Truth)) -> Vec<String> {
        let mut plan = base(1);
        let replay = |name: &str, at, from| Replay { name: name.into(), at, from, speed: Speed::Max };
        plan.replays = vec![
            replay("all", Begin::Drain, Origin::Start),
            replay("live", Begin::During(Span::seconds(1)), Origin::After(Span::millis(300))),
            replay("last", Begin::During(Span::seconds(1)), Origin::LastPerSymbol),
            replay("later", Begin::Drain, Origin::Sequence(700)),
        ];
        let delays = Faults { uplink: Delay::Fixed(2 * MS), answer: Delay::Fixed(5 * MS), ..faults };
        let (mut record, mut truth) = simulate(&plan, &Scenario::from(delays), 1).unwrap();
        alter(&mut record, &mut truth);
        let mut found = Findings::default();
        check(&mut found, &record, &truth);
        found.0
    }

    #[test]
    fn right_figures_are_no_finding_whatever_the_bus_does() {
        assert_eq!(findings(Faults::default(), |_, _| ()), Vec::<String>::new());
        for fault in [
            Fault::ReplayLost,
            Fault::ReplayTwice,
            Fault::ReplayLate,
            Fault::ReplayCorrupt,
            Fault::ReplayEarly,
            Fault::StoredTwice(MS),
            Fault::AckLost,
            Fault::Unstored,
            Fault::Stranger,
        ] {
            let faults =
                Faults { mishaps: vec![Mishap { fault, hits: Hits::Share(0.2) }], ..Faults::default() };
            assert_eq!(findings(faults, |_, _| ()), Vec::<String>::new(), "{fault:?}");
        }
    }

    #[test]
    fn a_record_that_hides_what_was_lost_or_out_of_order_is_found() {
        for hidden in 0..4 {
            let found = findings(Faults::default(), |record, truth| match hidden {
                // The bus returned one event less, or two of them the other way round, or one more.
                0 => {
                    truth.replays.iter_mut().for_each(|replay| {
                        replay.handed.remove(0);
                    });
                }
                1 => truth.replays.iter_mut().for_each(|replay| replay.handed.reverse()),
                2 => truth.replays.iter_mut().for_each(|replay| {
                    let first = replay.handed[0];
                    replay.handed.push(first);
                }),
                _ => record.replays[1].either = 0,
            });
            assert!(!found.is_empty(), "{hidden}");
        }
    }
}
