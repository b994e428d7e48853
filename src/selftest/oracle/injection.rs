//! Was each claimed fault injected? The log of the simulated bus says what it was made to do and when, and the account of every event and
//! delivery shows whether it did so. A fault in the record without anything that was done, and anything done without its effect, is
//! a finding: a harness that injects nothing would else report a bus that withstands everything.

use std::collections::{BTreeMap, BTreeSet};

use super::Findings;
use crate::bus::sim::{Copy, Delivered, Disturbance, Disturbed, Handling, How, Outcome, Truth};
use crate::num;
use crate::plan::{AckMode, Ns};
use crate::record::{Fault, Record};

/// Compares the claims of a record with the log, and the log with what happened.
pub(super) fn check(found: &mut Findings, record: &Record, truth: &Truth) {
    // Poison events are counted by themselves.
    let of_bus = |fault: &&Fault| fault.happened() && fault.action != "poison";
    for fault in record.faults.injected.iter().filter(of_bus) {
        if !truth.disturbances.iter().any(|done| is_of(done, fault) && falls_into(done, fault)) {
            found.0.push(format!("the fault {} is claimed, and nothing was done to the bus", fault.name));
        }
    }
    refusals(found, truth);
    held(found, truth);
    if !record.plan.bus.retries() {
        unanswered(found, truth);
    }
    for (group, deliveries) in record.plan.groups.iter().zip(&truth.deliveries) {
        withheld(found, &group.name, deliveries, truth);
    }
    for done in truth.disturbances.iter().filter(|done| done.what == Disturbed::Leader) {
        for (at, deliveries) in truth.deliveries.iter().enumerate() {
            let owed = truth.owed.get(at).copied().unwrap_or(0);
            delivered_again(found, done, deliveries, owed);
        }
    }
    members(found, record, truth);
}

/// Is it what the fault says?
fn is_of(done: &Disturbance, fault: &Fault) -> bool {
    match fault.action.as_str() {
        "crash-member" => matches!(done.what, Disturbed::Member { .. }),
        "restart-group" => matches!(done.what, Disturbed::Group { .. }),
        _ => !matches!(done.what, Disturbed::Member { .. } | Disturbed::Group { .. }),
    }
}

/// A member that is gone takes nothing, and what it had not acknowledged comes again; members that are replaced are sent nothing.
fn members(found: &mut Findings, record: &Record, truth: &Truth) {
    for done in &truth.disturbances {
        let within = |at: Ns| (done.from..done.until).contains(&at);
        match done.what {
            Disturbed::Member { group, member } => {
                let at = num::index32(group);
                let Some(deliveries) = truth.deliveries.get(at) else { continue };
                let own: Vec<&Delivered> = deliveries.iter().filter(|own| own.member == member).collect();
                let taken = own.iter().filter(|own| within(own.arrived)).count();
                found.equal("deliveries that reached a member while it was gone", 0, taken);
                if record.plan.bus.ack != AckMode::None {
                    let open = own.into_iter().filter(|own| own.arrived < done.from).collect();
                    let owed = truth.owed.get(at).copied().unwrap_or(0);
                    repeated(found, done, deliveries, open, owed, "that a crash did not repeat");
                }
            }
            Disturbed::Group { group } => {
                let deliveries = truth.deliveries.get(num::index32(group)).into_iter().flatten();
                let left = deliveries.filter(|own| within(own.left)).count();
                found.equal("deliveries that left for a group while its members were replaced", 0, left);
            }
            _ => {}
        }
    }
}

/// Did it happen while the fault lasted, or until it was to be settled?
const fn falls_into(done: &Disturbance, fault: &Fault) -> bool {
    done.from < done.until && done.from < fault.settled_ns && fault.planned_ns < done.until
}

/// The times in which the bus was made to do something.
fn times(truth: &Truth, how: How) -> Vec<(Ns, Ns)> {
    let all = truth.disturbances.iter().filter(|done| done.what == Disturbed::Outage(how));
    all.map(|done| (done.from, done.until)).collect()
}

fn lies_in(times: &[(Ns, Ns)], at: Ns) -> bool {
    times.iter().any(|(from, until)| (*from..*until).contains(&at))
}

/// What arrives in an outage is refused or ignored, and nothing else is.
fn refusals(found: &mut Findings, truth: &Truth) {
    let refusing = times(truth, How::Refuse);
    let ignoring = times(truth, How::Unanswered { stored: false });
    let mut otherwise = 0;
    for arrival in &truth.arrivals {
        let due = match arrival.at {
            at if lies_in(&refusing, at) => Handling::Refused,
            at if lies_in(&ignoring, at) => Handling::Ignored,
            _ => Handling::Taken,
        };
        otherwise += u64::from(arrival.handling != due);
    }
    found.equal("arrivals that were handled otherwise than their outage says", 0, otherwise);
    let reached: BTreeSet<u32> = truth.arrivals.iter().map(|arrival| arrival.event).collect();
    let taken = truth.arrivals.iter().filter(|arrival| arrival.handling == Handling::Taken);
    let taken: BTreeSet<u32> = taken.map(|arrival| arrival.event).collect();
    let stored = truth.copies.iter().filter_map(Copy::itself);
    let turned_away = stored.filter(|event| reached.contains(event) && !taken.contains(event));
    found.equal("events stored that an outage turned away", 0, turned_away.count());
}

/// When each event was stored, in the order of its copies.
fn stored(truth: &Truth) -> BTreeMap<u32, Vec<Ns>> {
    let mut stored: BTreeMap<u32, Vec<Ns>> = BTreeMap::new();
    for (event, at) in truth.copies.iter().filter_map(|copy| Some((copy.itself()?, copy.stored))) {
        stored.entry(event).or_default().push(at);
    }
    stored
}

/// No event is stored while the server holds everything; a second copy of an earlier one may be.
fn held(found: &mut Findings, truth: &Truth) {
    let holding = times(truth, How::Hold);
    let first = stored(truth).into_values().filter_map(|copies| copies.first().copied());
    let during = first.filter(|at| holding.iter().any(|(from, until)| from < at && at < until));
    found.equal("events stored while the server held everything", 0, during.count());
}

/// An event whose copies were all stored while nothing was answered is not confirmed.
fn unanswered(found: &mut Findings, truth: &Truth) {
    let silent = times(truth, How::Unanswered { stored: true });
    let all = stored(truth).into_iter().filter(|(_, copies)| copies.iter().all(|at| lies_in(&silent, *at)));
    let events = all.filter_map(|(event, _)| truth.events.get(num::index32(event)));
    let confirmed = events.filter(|event| matches!(event.outcome, Outcome::Acked(_)));
    found.equal("events confirmed by a server that answered nothing", 0, confirmed.count());
}

/// Nothing leaves for a group while deliveries are withheld.
fn withheld(found: &mut Findings, group: &str, deliveries: &[Delivered], truth: &Truth) {
    let withholding = times(truth, How::Withhold);
    let left = deliveries.iter().filter(|delivery| lies_in(&withholding, delivery.left));
    found.equal(&format!("{group}: deliveries that left while they were withheld"), 0, left.count());
}

/// What a group had not acknowledged when another server took over comes again.
fn delivered_again(found: &mut Findings, done: &Disturbance, deliveries: &[Delivered], owed: u64) {
    repeated(found, done, deliveries, deliveries.iter().collect(), owed, "that a new leader did not repeat");
}

/// What of some deliveries was not acknowledged when it began comes again: it was delivered, or is still to be.
fn repeated(
    found: &mut Findings,
    done: &Disturbance,
    deliveries: &[Delivered],
    of: Vec<&Delivered>,
    owed: u64,
    what: &str,
) {
    let mut last: BTreeMap<u32, u32> = BTreeMap::new();
    for delivery in deliveries {
        let attempt = last.entry(delivery.copy).or_insert(0);
        *attempt = (*attempt).max(delivery.attempt);
    }
    let open = of.into_iter().filter(|own| own.left < done.from && done.from < own.acknowledged);
    let missing = open.filter(|own| last.get(&own.copy).is_none_or(|attempt| *attempt <= own.attempt));
    let missing = num::count(missing.count()).saturating_sub(owed);
    found.equal(&format!("deliveries without an acknowledgement {what}"), 0, missing);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::sim::{Death, Delay, Election, Faults, LeaderChange, Outage, Stretch};
    use crate::plan::{Action, Expect, Span, Target};
    use crate::run::simulated::{Scenario, simulate};
    use crate::selftest::swarm::{base, fault};

    const MS: Ns = 1_000_000;

    /// A run with a fault at 500 ms, and what is found after `alter`.
    fn findings(faults: Faults, alter: impl FnOnce(&mut Record, &mut Truth)) -> Vec<String> {
        let mut plan = base(1);
        plan.faults = vec![fault("leader", [500, 200, 300].map(Span::millis))];
        let (mut record, mut truth) = simulate(&plan, &Scenario::from(faults), 1).unwrap();
        alter(&mut record, &mut truth);
        let mut found = Findings::default();
        check(&mut found, &record, &truth);
        found.0
    }

    fn elected() -> Faults {
        let election = Election { at: 500 * MS, length: 200 * MS, deliveries_from: 800 * MS };
        let change = LeaderChange { at: 450 * MS, unacked_again: 50 * MS };
        Faults {
            elections: vec![election],
            leader_changes: vec![change],
            acknowledgement: Delay::Fixed(10 * MS),
            ..Faults::default()
        }
    }

    #[test]
    fn a_fault_that_was_injected_is_no_finding() {
        assert_eq!(findings(elected(), |_, _| ()), Vec::<String>::new());
    }

    #[test]
    fn a_fault_that_is_claimed_and_not_injected_is_found() {
        let claim = "the fault leader is claimed, and nothing was done to the bus";
        assert_eq!(findings(Faults::default(), |_, _| ()), [claim]);
        let early = LeaderChange { at: 100 * MS, unacked_again: 10 * MS };
        let early = Faults { leader_changes: vec![early], ..Faults::default() };
        assert_eq!(findings(early, |_, _| ()), [claim], "it was done at another time");
        let skipped = |record: &mut Record, _: &mut Truth| {
            record.faults.injected[0].outcome = crate::record::Injection::Skipped;
        };
        assert_eq!(findings(Faults::default(), skipped), Vec::<String>::new(), "nothing is claimed");
    }

    #[test]
    fn whatever_was_not_done_as_logged_is_found() {
        let taken = findings(elected(), |_, truth| {
            let refused = truth.arrivals.iter_mut().find(|arrival| arrival.handling == Handling::Refused);
            refused.unwrap().handling = Handling::Taken;
        });
        assert!(taken[0].starts_with("arrivals that were handled otherwise"), "{taken:?}");
        let stored = findings(elected(), |_, truth| {
            let refused = truth.arrivals.iter().find(|arrival| arrival.handling == Handling::Refused);
            let event = refused.map(|arrival| arrival.event);
            truth.copies[0].event = event;
        });
        assert!(stored[0].starts_with("events stored that an outage turned away"), "{stored:?}");
        let confirmed = |how, from| {
            let outage = Outage { time: Stretch { from: from * MS, length: 100 * MS }, how };
            Faults { outages: vec![outage], ..Faults::default() }
        };
        let held = findings(confirmed(How::Hold, 550), |_, truth| {
            let begun = truth.disturbances[0].from;
            truth.copies[0].stored = begun + 1;
        });
        assert!(held[0].starts_with("events stored while the server held"), "{held:?}");
        let answered = findings(confirmed(How::Unanswered { stored: true }, 550), |_, truth| {
            truth.disturbances[0].from -= 100 * MS;
        });
        assert!(
            answered[0].starts_with("events confirmed by a server that answered nothing"),
            "{answered:?}"
        );
        let left = findings(elected(), |_, truth| {
            let late = truth.deliveries[0].iter_mut().find(|delivery| delivery.left >= 800 * MS);
            late.unwrap().left = truth.disturbances.iter().map(|done| done.from).max().unwrap();
        });
        assert!(left[0].contains("left while they were withheld"), "{left:?}");
        let again = findings(elected(), |_, truth| {
            let repeated = truth.deliveries[0].iter().position(|delivery| delivery.attempt > 1);
            truth.deliveries[0].remove(repeated.unwrap());
        });
        assert!(again[0].contains("that a new leader did not repeat"), "{again:?}");
    }

    /// A run of two members with something done to them at 500 ms, and what is found after `alter`.
    fn of_members(action: Action, alter: impl FnOnce(&mut Record, &mut Truth)) -> Vec<String> {
        let mut plan = base(1);
        plan.groups[0].members = 2;
        let length = if action == Action::CrashMember { 200 } else { 0 };
        let mut done = fault("members", [500, length, 300].map(Span::millis));
        let member = (action == Action::CrashMember).then_some(1);
        done.target = Some(Target::Group(plan.groups[0].name.clone(), member));
        (done.action, done.expect) = (action, Expect::Service);
        plan.faults = vec![done];
        let (downlink, acknowledgement) = (Delay::Fixed(2 * MS), Delay::Fixed(20 * MS));
        let faults = Faults { downlink, acknowledgement, ..Faults::default() };
        let (mut record, mut truth) = simulate(&plan, &Scenario::from(faults), 1).unwrap();
        alter(&mut record, &mut truth);
        let mut found = Findings::default();
        check(&mut found, &record, &truth);
        found.0
    }

    #[test]
    fn a_crash_or_a_restart_without_its_effect_is_found() {
        use Action::{CrashMember, RestartGroup};
        let begun = |truth: &Truth| truth.disturbances[0].from;
        for action in [CrashMember, RestartGroup] {
            assert_eq!(of_members(action, |_, _| ()), Vec::<String>::new(), "{action}");
            let claimed = of_members(action, |_, truth| truth.disturbances.clear());
            assert_eq!(claimed, ["the fault members is claimed, and nothing was done to the bus"]);
        }
        let other = of_members(CrashMember, |_, truth| {
            truth.disturbances[0].what = Disturbed::Outage(How::Refuse);
        });
        assert!(other[0].contains("is claimed"), "it was something else: {other:?}");
        let taken = of_members(CrashMember, |_, truth| {
            let at = begun(truth) + 50 * MS;
            truth.deliveries[0].iter_mut().rfind(|own| own.member == 0).unwrap().arrived = at;
        });
        assert!(taken[0].starts_with("deliveries that reached a member while it was gone"), "{taken:?}");
        let repeated = of_members(CrashMember, |_, truth| {
            let again = truth.deliveries[0].iter().position(|own| {
                let copy = own.copy;
                own.attempt > 1 && truth.deliveries[0].iter().filter(|other| other.copy == copy).count() > 1
            });
            truth.deliveries[0].remove(again.unwrap());
        });
        assert!(repeated[0].contains("that a crash did not repeat"), "{repeated:?}");
        let left = of_members(RestartGroup, |_, truth| {
            truth.deliveries[0].last_mut().unwrap().left = begun(truth);
        });
        assert!(left[0].contains("while its members were replaced"), "{left:?}");
    }

    #[test]
    fn a_member_that_dies_between_two_leaders_takes_nothing_with_it() {
        let mut plan = base(1);
        plan.groups[0].members = 2;
        let change = |at, unacked_again| LeaderChange { at: at * MS, unacked_again: unacked_again * MS };
        // What is under way to the member when it dies comes again from the first new leader, from the second one, or after the time
        // for an acknowledgement.
        let faults = Faults {
            downlink: Delay::Fixed(5 * MS),
            acknowledgement: Delay::Fixed(20 * MS),
            leader_changes: vec![change(498, 1), change(502, 0)],
            deaths: vec![Death { group: 0, member: 0, at: 500 * MS }],
            ..Faults::default()
        };
        let (record, truth) = simulate(&plan, &Scenario::from(faults), 1).unwrap();
        assert_eq!(crate::selftest::oracle::differences(&record, &truth), Vec::<String>::new());
        let group = &record.groups[0];
        assert_eq!((group.delivered, group.lost, truth.owed[0]), (2000, 0, 0));
        assert!(group.redelivered > 25, "more than the first change repeats: {}", group.redelivered);
    }
}
