//! Readiness: before any load, an event on every topic must reach every group that subscribes to it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::bus::{Ack, Answer, Outgoing, Publisher, Refusal, Refused};
use crate::host::clock::Clock;
use crate::market::Form;
use crate::num;
use crate::plan::Plan;
use crate::record;
use crate::topology::Subscriptions;

use super::job::RunError;
use super::shared::GroupSignals;

/// Interval after which an event that has not reached every group is sent again.
const AGAIN_NS: u64 = 1_000_000_000;

/// The readiness events of a run, each different.
struct Events {
    form: Form,
    payload: Vec<u8>,
    tag: u16,
    nonce: u32,
}

impl Events {
    fn publish(&mut self, publisher: &mut impl Publisher, topic: usize, unix_ns: u64) -> Result<(), Refused> {
        let Self { form, payload, tag, nonce } = self;
        let id = form.encode_readiness(payload, *tag, num::low8(num::count(topic)), *nonce, unix_ns);
        *nonce += 1;
        let id = id.as_str();
        publisher.publish(&Outgoing { token: u64::from(*nonce), topic, symbol: 0, id, payload })
    }
}

/// The progress of a publisher.
#[derive(Default, Clone, Copy)]
struct Progress {
    /// Topics for which the client has accepted an event, in this round.
    taken: usize,
    /// The broker has confirmed an event.
    answered: bool,
}

/// The groups that must receive: their topics and their signals.
pub(super) struct Groups<'a> {
    pub(super) subscriptions: &'a Subscriptions,
    pub(super) signals: &'a [Arc<GroupSignals>],
}

/// The last reason given for not being ready, by either side.
#[derive(Default)]
struct Reasons {
    broker: Option<String>,
    client: Option<String>,
}

impl Reasons {
    fn note(&mut self, answer: Answer) {
        match answer {
            Answer::Stored { .. } => {}
            Answer::Refused(Refusal::NotSent) => {
                self.client = Some("an event was not sent within `bus.publish_timeout`".into());
            }
            Answer::Refused(why) => self.broker = Some(describe(why, 1).words()),
            Answer::Unconfirmed(_) => self.broker = Some("no answer to a published event".into()),
        }
    }

    /// The broker's reason explains more.
    fn text(self) -> String {
        match self {
            Self { broker: Some(reason), .. } => format!("the broker said: {reason}"),
            Self { client: Some(reason), .. } => format!("the client said: {reason}"),
            Self { .. } => "the broker said: nothing".into(),
        }
    }
}

/// Sends readiness events from every publisher until every group has received each of its topics and every
/// publisher has had an answer, or until something ends it. Events for which a client has no room are retried
/// as soon as it has.
pub(super) fn ready<P: Publisher>(
    plan: &Plan,
    tag: u16,
    clock: Clock,
    publishers: &mut [P],
    groups: &Groups<'_>,
    within: Duration,
    ended: &dyn Fn() -> Option<RunError>,
) -> Result<(), RunError> {
    let started = clock.now();
    let topics = plan.topology.topics.len();
    let mut events = Events { form: Form::of(plan), payload: Vec::with_capacity(1024), tag, nonce: 0 };
    let mut answers: Vec<Ack> = Vec::new();
    let mut progress = vec![Progress::default(); publishers.len()];
    let mut reasons = Reasons::default();
    let mut again_at = started + AGAIN_NS;
    loop {
        let now = clock.now();
        let another_round = now >= again_at;
        if another_round {
            again_at = now + AGAIN_NS;
        }
        for (publisher, own) in publishers.iter_mut().zip(&mut progress) {
            if another_round && own.taken == topics {
                own.taken = 0;
            }
            while own.taken < topics {
                match events.publish(publisher, own.taken, clock.unix_ns_at_epoch() + now) {
                    Err(Refused::Full) => break,
                    Err(refused) => reasons.client = Some(refused.to_string()),
                    Ok(()) => {}
                }
                own.taken += 1;
            }
            publisher.acks(&mut answers);
            for ack in answers.drain(..) {
                own.answered |= matches!(ack.outcome, Answer::Stored { .. });
                reasons.note(ack.outcome);
            }
        }
        let missing = missing(plan, groups);
        let done = progress.iter().all(|own| own.answered && own.taken == topics);
        let idle = publishers.iter().all(|publisher| publisher.in_flight() == 0);
        if missing.is_empty() && done && idle {
            return Ok(());
        }
        if let Some(end) = ended() {
            return Err(end);
        }
        if now.saturating_sub(started) > num::nanoseconds(within) {
            let silent = if missing.is_empty() { "some publisher".to_owned() } else { missing.join("; ") };
            return Err(RunError::NotReady { silent, seconds: within.as_secs(), reason: reasons.text() });
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The groups that have not received all their topics, each with one missing topic.
fn missing(plan: &Plan, groups: &Groups<'_>) -> Vec<String> {
    let mut missing = Vec::new();
    let sides = groups.subscriptions.groups().iter().zip(groups.signals);
    for ((subscribed, signals), group) in sides.zip(&plan.groups) {
        let seen = signals.ready.load(Ordering::Relaxed);
        if let Some(topic) = subscribed.iter().find(|topic| seen & (1 << topic) == 0) {
            let topic = &plan.topology.topics[topic];
            missing.push(format!("group {} has received nothing on {topic}", group.name));
        }
    }
    missing
}

/// A refusal, as a record has it.
pub(super) fn describe(why: Refusal, count: u64) -> record::Refusal {
    let (reason, said) = match why {
        Refusal::NoResponders => ("no-responders".to_owned(), None),
        Refusal::Overload => ("overload".to_owned(), None),
        Refusal::NotSent => (record::Load::NOT_SENT.to_owned(), None),
        Refusal::Api(code) => (format!("api-{code}"), None),
        Refusal::Said { code, words } => (format!("api-{code}"), Some(words.to_owned())),
    };
    record::Refusal { reason, said, count }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::{Doubt, Tries};
    use crate::profile::{self, Source};

    /// A client that never has room, or whose events all get this answer.
    struct Client {
        room: bool,
        answer: Answer,
        open: Vec<u64>,
    }

    impl Publisher for Client {
        fn publish(&mut self, event: &Outgoing<'_>) -> Result<(), Refused> {
            if !self.room || !self.open.is_empty() {
                return Err(Refused::Full);
            }
            self.open.push(event.token);
            Ok(())
        }

        fn acks(&mut self, into: &mut Vec<Ack>) {
            into.extend(self.open.drain(..).map(|token| Ack {
                token,
                at: 0,
                outcome: self.answer,
                tries: Tries::ONCE,
            }));
        }

        fn in_flight(&self) -> usize {
            self.open.len()
        }

        fn abandon(&mut self) {}
    }

    fn attempt(room: bool, answer: Answer) -> Result<(), String> {
        let plan = profile::read(&Source::find("quick").unwrap(), &[]).unwrap();
        let mut client = [Client { room, answer, open: Vec::new() }];
        let within = if matches!(answer, Answer::Stored { .. }) { 60_000 } else { 0 };
        let within = Duration::from_millis(within);
        let no_groups = Groups { subscriptions: &Subscriptions::default(), signals: &[] };
        ready(&plan, 1, Clock::start(), &mut client, &no_groups, within, &|| None)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn a_client_with_room_for_one_event_sends_them_one_after_the_other() {
        let position = crate::bus::Position { partition: 0, offset: 1 };
        assert_eq!(attempt(true, Answer::Stored { position, duplicate: false }), Ok(()));
    }

    #[test]
    fn a_reason_is_ascribed_to_the_side_that_gave_it() {
        for (room, answer, reason) in [
            (false, Answer::Unconfirmed(Doubt::NoAnswer), "(the broker said: nothing)"),
            (
                true,
                Answer::Refused(Refusal::NoResponders),
                "(the broker said: nobody listened (no responders))",
            ),
            (true, Answer::Unconfirmed(Doubt::NoAnswer), "(the broker said: no answer to a published event)"),
            (true, Answer::Refused(Refusal::NotSent), "(the client said: an event was not sent within"),
        ] {
            let error = attempt(room, answer).unwrap_err();
            assert!(error.contains(reason), "{error}");
        }
    }
}
