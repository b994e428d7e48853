//! The rules of events that are sent again, by the account of the simulated bus: every event has its answer in time, by what became
//! of its copies, and the first copies of confirmed events are in order where the plan says so.

use std::collections::HashMap;

use super::Findings;
use crate::bus::sim::{Event, Outcome, Truth};
use crate::plan::{Publish, RetryOrder};
use crate::record::Record;

/// How late a publisher may notice that an event's time is over.
const LATE_NS: u64 = 10_000_000;

/// Checks the rules, if the plan sends events again.
pub(super) fn check(found: &mut Findings, record: &Record, truth: &Truth) {
    let bus = &record.plan.bus;
    if !bus.retries() {
        found.equal("events sent again", 0, truth.events.iter().filter(|event| event.copies > 0).count());
        return;
    }
    for event in truth.events.iter().filter(|event| !matches!(event.outcome, Outcome::Unsent(_))) {
        found.equal("an event has one answer", true, event.outcome != Outcome::Open);
        let took = event.answer_arrived.saturating_sub(event.sent);
        found.equal("it has it in time", true, took <= bus.retry.ns + LATE_NS);
        found.equal("it is given up at the end of its time", true, !event.gave_up || took >= bus.retry.ns);
        let left = event.outcome != Outcome::NotSent;
        found.equal("it left unless it is not-sent", left, event.copies > 0);
    }
    let lane: fn(&Event) -> (u32, u32, u32) = match (bus.publish, bus.retry_order) {
        (Publish::Sync, _) => |event| (event.publisher, 0, 0),
        (_, RetryOrder::PerSymbol) => |event| (event.publisher, event.topic, event.symbol),
        (_, RetryOrder::None) => return,
    };
    let mut first: HashMap<u32, usize> = HashMap::new();
    for (position, event) in
        truth.copies.iter().enumerate().filter_map(|(at, copy)| Some((at, copy.itself()?)))
    {
        first.entry(event).or_insert(position);
    }
    let mut last: HashMap<(u32, u32, u32), usize> = HashMap::new();
    let confirmed =
        (0_u32..).zip(&truth.events).filter(|(_, event)| matches!(event.outcome, Outcome::Acked(_)));
    let mut inversions = 0;
    for (number, event) in confirmed {
        let Some(&position) = first.get(&number) else { continue };
        let before = last.insert(lane(event), position);
        inversions += u64::from(before.is_some_and(|before| before > position));
    }
    found.equal("confirmed events stored out of order", 0, inversions);
}
