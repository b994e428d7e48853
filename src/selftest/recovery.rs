//! Two phases, as simulators of databases have them: faults at random, and then all is healed, and the run *must* recover. Where the
//! swarm shows that nothing is reported that did not happen, this shows that what must happen does: every group receives everything
//! that was confirmed, no event and no member is stuck, the run ends within its drain, and the recovery is seen.

use std::collections::BTreeSet;

use super::oracle;
use super::swarm::{Dice, MS, base, draw_absence, draw_leaders, fault};
use crate::archive;
use crate::bus::sim::{Cut, Delay, Fault, Faults, Hits, How, Mishap, Outage, Outcome, Stretch, Truth};
use crate::num;
use crate::plan::{Delivery, Group, Ns, Plan, Rate, RetryOrder, Span, grammar};
use crate::record::{PhaseName, Record, Recovered, Verdict};
use crate::run::simulated::{Scenario, simulate};

const S: Ns = 1_000_000_000;
/// When the faults begin and when all is healed, in the measure phase.
const BROKEN: Ns = S;
const HEALED: Ns = 4 * S;
/// Until when all must be normal again: the longest pause of a publisher, the time without an answer, and the times that an event
/// can be held up take less.
const SETTLED: Ns = 9 * S;
/// The measure phase, with room for five normal seconds after that.
const LENGTH: Ns = 15 * S;

/// A plan that survives what its scenario does to it.
#[must_use]
pub fn draw(seed: u64) -> (Plan, Scenario) {
    let mut dice = Dice::new(seed ^ 0x7ec0_7e27);
    let mut plan = draw_plan(&mut dice, seed);
    let warmup = plan.load.warmup.ns;
    let (broken, healed) = (warmup + BROKEN, warmup + HEALED);
    // An answer is not faster than a delivery, so that nothing is behind while all is normal.
    let downlink = dice.pick(&[0, MS / 2, 2 * MS]);
    let mut faults = Faults {
        uplink: Delay::Fixed(dice.pick(&[0, MS / 2, 2 * MS])),
        downlink: Delay::Fixed(downlink),
        answer: Delay::Fixed(downlink + dice.pick(&[0, MS / 2, 2 * MS])),
        healed: Some(healed),
        ..Faults::default()
    };
    draw_faults(&mut dice, (broken, healed), &mut faults);
    plan.bus.audit = dice.chance(0.5);
    if dice.chance(0.3) {
        faults.absences.push(draw_absence(&mut dice, &plan, (broken, healed)));
    }
    (plan, Scenario::from(faults))
}

fn draw_plan(dice: &mut Dice, seed: u64) -> Plan {
    let mut plan = base(seed);
    let load = &mut plan.load;
    // So many symbols that one open event each carries the rate.
    load.rate = Rate::per_second(num::f64_of(dice.within(100, 300)));
    load.warmup = Span::millis(dice.pick(&[0, 250]));
    (load.duration, load.drain) = (Span { ns: LENGTH }, Span::seconds(5));
    load.generators = dice.within32(1, 2);
    plan.market.symbols = dice.within32(8, 24);
    plan.bus.nats.ack_wait = Span::millis(dice.pick(&[20, 200, 700]));
    plan.bus.nats.msg_id = dice.chance(0.5);
    plan.bus.publish_timeout = Span::millis(dice.pick(&[50, 300, 2000]));
    plan.bus.window = dice.pick(&[64, 1000, 100_000]);
    if dice.chance(0.6) {
        plan.bus.retry = Span::seconds(10);
        plan.bus.retry_after = Span::millis(dice.pick(&[300, 1000]));
        plan.bus.retry_order = dice.pick(&[RetryOrder::PerSymbol, RetryOrder::None]);
        plan.bus.nats.msg_id = true;
    }
    let group = |dice: &mut Dice, name: &str| Group {
        name: name.to_owned(),
        subscribe: vec![">".into()],
        members: dice.within32(1, 3),
        delivery: dice.pick(&[Delivery::Shared, Delivery::Partitioned, Delivery::Pinned]),
        consumer: None,
    };
    plan.groups = vec![group(dice, "engine"), group(dice, "store")];
    let [lasts, settle] = [HEALED - BROKEN, SETTLED - HEALED].map(|ns| Span { ns });
    plan.faults = vec![fault("all", [Span { ns: BROKEN }, lasts, settle])];
    for (name, limit) in
        [("recovery.time", "<= 8s"), ("recovery.after_undo", "<= 5s"), ("delivery.lost", "== 0")]
    {
        plan.objectives.extend(grammar::parse(name, limit));
    }
    plan
}

/// Faults that end by the time at which all is healed, and destroy nothing that is confirmed.
fn draw_faults(dice: &mut Dice, (broken, healed): (Ns, Ns), bus: &mut Faults) {
    let stretch = |dice: &mut Dice| {
        let from = dice.within(broken, healed - MS);
        Stretch { from, length: dice.within(MS, healed - from) }
    };
    let hows = [
        How::Refuse,
        How::Hold,
        How::Withhold,
        How::Unanswered { stored: true },
        How::Unanswered { stored: false },
    ];
    for _ in 0..dice.within(1, 3) {
        bus.outages.push(Outage { time: stretch(dice), how: dice.pick(&hows) });
    }
    if dice.chance(0.5) {
        let mut leading = Faults::default();
        draw_leaders(dice, healed - broken, &mut leading);
        bus.acknowledgement = leading.acknowledgement;
        for mut election in leading.elections {
            election.at += broken;
            election.length = election.length.min(healed.saturating_sub(election.at));
            election.deliveries_from = (election.deliveries_from + broken).min(healed).max(election.at);
            bus.elections.push(election);
        }
        for mut change in leading.leader_changes {
            change.at += broken;
            change.unacked_again = change.unacked_again.min(healed.saturating_sub(change.at));
            bus.leader_changes.push(change);
        }
    }
    if dice.chance(0.3) {
        bus.cuts.push(Cut { time: stretch(dice), resend: dice.chance(0.5) });
    }
    if dice.chance(0.3) {
        bus.stalls.push(stretch(dice));
    }
    let by = dice.across(MS, 300 * MS);
    let mishaps = [
        Fault::Dropped,
        Fault::Refused,
        Fault::AckLost,
        Fault::StoredTwice(by),
        Fault::StoredLate(by),
        Fault::Stranger,
        Fault::AttemptLost,
        Fault::DeliveredAgain,
        Fault::DeliveredLate(by),
    ];
    for _ in 0..dice.within(0, 4) {
        let fault = dice.pick(&mishaps);
        bus.mishaps.push(Mishap { fault, hits: Hits::Share(dice.pick(&[0.01, 0.1, 0.5])) });
    }
}

/// What is wrong with the run of a seed; empty where it recovered and its record says what happened.
#[must_use]
pub fn findings(seed: u64) -> Vec<String> {
    let (plan, scenario) = draw(seed);
    match simulate(&plan, &scenario, seed) {
        Ok((record, truth)) => {
            let mut found = oracle::differences(&record, &truth);
            found.extend(
                archive::contradiction(&record)
                    .map(|text| format!("read again, it contradicts itself: {text}")),
            );
            found.extend(stuck(&record, &truth));
            found
        }
        Err(error) => vec![format!("the simulation fails: {error}")],
    }
}

/// What did not recover.
#[must_use]
pub fn stuck(record: &Record, truth: &Truth) -> Vec<String> {
    let mut found = Vec::new();
    let mut must = |holds: bool, what: String| {
        if !holds {
            found.push(what);
        }
    };
    let (load, plan) = (&record.load, &record.plan);
    for (group, owed) in record.groups.iter().zip(&truth.owed) {
        let missing = group.expected - group.delivered.min(group.expected);
        let all = group.delivered == group.expected + group.recovered + group.unexpected;
        must(
            all && group.lost == 0 && group.pending == 0,
            format!("{} lacks {missing} confirmed events", group.name),
        );
        must(*owed == 0, format!("the bus still owes {} {owed} deliveries", group.name));
    }
    let open = truth.events.iter().filter(|event| event.outcome == Outcome::Open).count();
    must(open == 0, format!("{open} events have no answer"));
    must(load.unsent == 0, format!("{} events were not sent", load.unsent));
    if plan.bus.retries() {
        let given_up = load.refused + load.unconfirmed;
        must(given_up == 0, format!("{given_up} events were given up, though they were sent again for 10 s"));
    }
    if let Some(drain) = record.phase(PhaseName::Drain) {
        let took = drain.end_ns - drain.start_ns;
        must(took < plan.load.drain.ns, format!("the drain took {took} ns, all of its time"));
    }
    for effect in record.faults.injected.iter().filter_map(|fault| fault.effect.as_ref()) {
        let recovered = effect.recovered;
        must(recovered == Recovered::Yes, format!("recovered after the fault: {recovered:?}"));
    }
    must(record.verdict == Verdict::Pass, format!("the verdict is {:?}", record.verdict));
    found.extend(idle(record, truth));
    found
}

/// Members that received something before the faults, and nothing in the last second of the load.
fn idle(record: &Record, truth: &Truth) -> Vec<String> {
    let Some(phase) = record.phase(PhaseName::Measure) else {
        return vec!["there is no measure phase".into()];
    };
    let mut found = Vec::new();
    for (group, deliveries) in record.groups.iter().zip(&truth.deliveries) {
        let within = |from: Ns, until: Ns| -> BTreeSet<u32> {
            let own = deliveries.iter().filter(|own| (from..until).contains(&own.arrived));
            own.map(|own| own.member).collect()
        };
        let before = within(phase.start_ns, phase.start_ns + BROKEN);
        for member in before.difference(&within(phase.end_ns - S, phase.end_ns)) {
            found.push(format!("member {member} of {} is stuck", group.name));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_recover_is_found() {
        let seed = 1;
        let (plan, mut scenario) = draw(seed);
        assert_eq!(findings(seed), Vec::<String>::new());
        let late = Stretch { from: plan.load.warmup.ns + 8 * S, length: 20 * S };
        scenario.faults.outages.push(Outage { time: late, how: How::Withhold });
        let (record, truth) = simulate(&plan, &scenario, seed).unwrap();
        let found = stuck(&record, &truth).join("; ");
        for what in [
            "engine lacks",
            "the bus still owes engine",
            "all of its time",
            "recovered after the fault: No",
            "of engine is stuck",
        ] {
            assert!(found.contains(what), "{what}: {found}");
        }
    }
}
