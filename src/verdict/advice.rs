//! What to do next about a missed objective, by what the record shows: who refused what, how members share, who used the CPU.

use crate::num;
use crate::plan::{Delivery, Metric, Objective, Outcome, ReplayFigure, Throughput, Timing};
use crate::record::{Group, Load, Record};

use super::{observe, validity};

/// The next step.
pub(super) fn next_step(record: &Record, objective: &Objective) -> &'static str {
    let load = &record.load;
    match objective.metric {
        Metric::Time(Timing::SendLag, _) => {
            "this is tickgate's own lateness: give it more cores or lower the rate"
        }
        Metric::Time(..) | Metric::Throughput(_) if validity::is_used_up(record) => {
            "tickgate and the broker used this machine up: lower load.rate, or run the broker on a machine of its own"
        }
        Metric::Time(..) => {
            "look at the timeline for when it was slow, and at the broker's CPU, disk and marks then"
        }
        Metric::Throughput(Throughput::Acked | Throughput::Delivered) if mostly_refused(load) => {
            of_refusal(load)
        }
        Metric::Throughput(_) => {
            "see the ledger for what was unsent, refused or late, and lower the rate to what holds"
        }
        Metric::Count(Outcome::Lost | Outcome::NotStored | Outcome::NotDelivered) => of_loss(record),
        Metric::Count(Outcome::Reordered | Outcome::Extent) => of_order(record, objective),
        Metric::Count(Outcome::Duplicate) if had_ids(record) => {
            "the event was stored twice although it had an id: the copy came after the broker's duplicate window, or the \
             broker lost its ids; compare with the marks and the broker's log"
        }
        Metric::Count(Outcome::Duplicate) => {
            "the event was stored twice: publish with msg_id = true to let the broker drop repeats"
        }
        Metric::Count(Outcome::Redelivered) => {
            "acknowledgements came too late or not at all: see ack_wait and the members' marks"
        }
        Metric::Count(Outcome::Unsent) => {
            "the client's window and buffer were full: the bus did not keep up with the rate"
        }
        Metric::Count(Outcome::Refused) => of_refusal(load),
        Metric::Count(Outcome::GaveUp) => {
            "the bus took no event for longer than bus.retry: see the refusals in record.json and the marks for how long"
        }
        Metric::Count(Outcome::Resent) => {
            "copies were refused, not answered within bus.retry_after, or lost with their connection: see the marks for when"
        }
        Metric::Count(outcome) if objective.metric.of_dead_letters() => of_dead_letters(outcome),
        Metric::Count(Outcome::RedeliveredMissing) => {
            "what the member had not acknowledged did not come to its group again: see the fault in record.json, and what the broker \
             took as acknowledged or gave up"
        }
        Metric::Count(Outcome::RedeliveredUnexpected) => {
            "events came again that the member had not left open: see acknowledgements that came too late, and the members' marks"
        }
        Metric::Count(Outcome::Unconfirmed) => {
            "see the refusals in record.json, the marks and the broker's log"
        }
        Metric::Count(_) => "see the group's ledger in record.json",
        Metric::Resource(drift) if drift.is_drift() => {
            "see the charts over time: a rise that goes on has no limit"
        }
        Metric::Resource(_) => "see the resources in the timeline",
        Metric::Replay(figure) => of_replay(figure),
        Metric::Unavailable(_) | Metric::Recovery(_) => {
            "see the faults in the report for when it was, and the marks and the broker's log for what happened then"
        }
    }
}

const fn of_replay(figure: ReplayFigure) -> &'static str {
    match figure {
        ReplayFigure::Equal => {
            "see the replay in the report for what was missing, out of order or not to come, and the marks and the broker's log for why"
        }
        ReplayFigure::Rate => {
            "see the replay in the report: the thread that reads was not the limit, so look at the broker's CPU and disk"
        }
        ReplayFigure::Drift => {
            "see by how much the replay took longer than what it replays, and the machine's hiccups"
        }
    }
}

/// What to do about dead letters that are not as they should be.
const fn of_dead_letters(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::DeadLetterMissing => {
            "the group gave events up and nothing keeps them: see the marks of the dead letters, and whether the drain was long enough"
        }
        Outcome::DeadLetterDuplicate => {
            "an event was copied more than once: the broker forgot the copy's id, or the event itself is stored twice"
        }
        _ => {
            "the broker gave up events that the group could have processed: raise max_deliver, or ack_wait above the group's longest pause"
        }
    }
}

/// Were events sent with their ids, by what the broker's settings say?
fn had_ids(record: &Record) -> bool {
    record.broker.settings.get("msg_id").is_some_and(|set| set == "on")
}

/// Were more events refused than are missing for any other reason?
fn mostly_refused(load: &Load) -> bool {
    load.refused > num::sum([load.unsent, load.unconfirmed])
}

/// The reason that most refusals had says what would have avoided them.
fn of_refusal(load: &Load) -> &'static str {
    const GENERAL: &str = "see the refusals in record.json, the marks and the broker's log";
    let Some(most) = load.refused_most() else { return GENERAL };
    let said = most.said.as_deref().unwrap_or_default().to_ascii_lowercase();
    match most.reason.as_str() {
        "no-responders" => {
            "no stream or no leader listened to the subjects: see the marks and the broker's log for when it went away"
        }
        "overload" => "the broker's queue was full: lower load.rate to what it takes, or bus.window",
        Load::NOT_SENT => {
            "the window was full for the whole of bus.publish_timeout, or of bus.retry where events are sent again: the bus did \
             not keep up with the rate"
        }
        "api-10077" if said.contains("bytes") => {
            "the stream was full: raise bus.max_bytes, or lower the rate, the duration or market.event_size"
        }
        "api-10077" if said.contains("messages") => {
            "the stream was full: raise its limit on messages, or lower the rate or the duration"
        }
        "api-10023" => {
            "the server's store was full (`max_file_store`, `max_memory_store`): raise it, or lower the rate or the duration"
        }
        "api-10077" | "api-10002" | "api-10028" | "api-10047" => {
            "the store was full: raise the limits of stream, account or server, or lower the rate or the duration"
        }
        "api-10054" => "the events were larger than the stream allows: lower market.event_size",
        "api-10" if said.contains("size") => {
            "the events were larger than the broker allows: lower market.event_size"
        }
        _ => GENERAL,
    }
}

fn of_order(record: &Record, objective: &Objective) -> &'static str {
    let shared = |group: &Group| group.members > 1 && group.delivery == Delivery::Shared;
    let out_of_order = || observe::groups(record, objective).filter(|group| group.reordered > 0);
    if out_of_order().any(shared) {
        "several members with shared delivery give no order per symbol: use one member, or partitioned delivery"
    } else if out_of_order().any(|group| group.redelivered > 0) {
        "events were delivered again, later than others: see ack_wait, and the marks for members that were cut off"
    } else {
        "no group shares a symbol among members here: compare when it happened with the marks (connections made again, \
         leaders that changed)"
    }
}

/// What is not stored may have been removed on purpose.
fn of_loss(record: &Record) -> &'static str {
    if record.audit.as_ref().is_some_and(|audit| audit.discarded > 0) {
        return "the stream has discarded its oldest events at its limit, confirmed or not: raise bus.max_bytes, or let a full stream \
                refuse the newest instead (`discard = \"new\"`)";
    }
    "the lost ranges in record.json name symbol and sequence; compare with the marks and the broker's log"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Refusal;

    #[test]
    fn the_most_frequent_refusal_says_what_to_do() {
        let refusal = |reason: &str, said: Option<&str>, count| Refusal {
            reason: reason.to_owned(),
            said: said.map(str::to_owned),
            count,
        };
        let full = refusal("api-10077", Some("maximum bytes exceeded"), 990);
        let load = |refusals| Load { refusals, ..Load::default() };
        let mixed = load(vec![refusal("overload", None, 10), full]);
        assert!(of_refusal(&mixed).contains("bus.max_bytes"));
        assert_eq!(
            mixed.why_refused().as_deref(),
            Some("990 × maximum bytes exceeded (10077), 10 × the broker's queue was full")
        );
        for (reason, said, advice) in [
            ("api-10077", Some("maximum messages exceeded"), "limit on messages"),
            ("no-responders", None, "no leader"),
            ("overload", None, "lower load.rate"),
            ("not-sent", None, "publish_timeout"),
            ("api-10054", Some("message size exceeds maximum allowed"), "market.event_size"),
            ("api-10071", Some("wrong last sequence: 1"), "broker's log"),
        ] {
            let step = of_refusal(&load(vec![refusal(reason, said, 1)]));
            assert!(step.contains(advice), "{reason}: {step}");
        }
    }
}
