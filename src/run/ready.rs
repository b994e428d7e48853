//! Readiness: before any load, an event on every topic must have reached every group that subscribes to it.

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

/// How often an event that has not been seen everywhere is sent again.
const AGAIN_NS: u64 = 1_000_000_000;

/// The readiness events of a run, each another one.
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

/// How far a publisher is.
#[derive(Default, Clone, Copy)]
struct Progress {
    /// Topics that the client has taken an event of, in this round.
    taken: usize,
    /// The broker has confirmed one.
    answered: bool,
}

/// The groups that are to receive: what, and what they tell.
pub(super) struct Groups<'a> {
    pub(super) subscriptions: &'a Subscriptions,
    pub(super) signals: &'a [Arc<GroupSignals>],
}

/// The last thing that was said against being ready, by either side.
#[derive(Default)]
struct Said {
    broker: Option<String>,
    client: Option<String>,
}

impl Said {
    fn hear(&mut self, answer: Answer) {
        match answer {
            Answer::Stored { .. } => {}
            Answer::Refused(Refusal::NotSent) => {
                self.client = Some("an event was not sent within `bus.publish_timeout`".into());
            }
            Answer::Refused(why) => self.broker = Some(describe(why)),
            Answer::Unconfirmed(_) => self.broker = Some("no answer to a published event".into()),
        }
    }

    /// The broker's word explains more.
    fn text(self) -> String {
        match self {
            Self { broker: Some(said), .. } => format!("the broker said: {said}"),
            Self { client: Some(said), .. } => format!("the client said: {said}"),
            Self { .. } => "the broker said: nothing".into(),
        }
    }
}

/// Sends readiness events from every publisher until every group has seen each of its topics and every
/// publisher has had an answer, or something ends it first. What a client has no room for is tried again as soon as it
/// has.
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
    let mut said = Said::default();
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
                    Err(refused) => said.client = Some(refused.to_string()),
                    Ok(()) => {}
                }
                own.taken += 1;
            }
            publisher.acks(&mut answers);
            for ack in answers.drain(..) {
                own.answered |= matches!(ack.outcome, Answer::Stored { .. });
                said.hear(ack.outcome);
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
            return Err(RunError::NotReady { silent, seconds: within.as_secs(), said: said.text() });
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The groups that have not seen all their topics, with one topic each.
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

/// A refusal in a word.
pub(super) fn describe(why: Refusal) -> String {
    match why {
        Refusal::NoResponders => "no-responders".into(),
        Refusal::Overload => "overload".into(),
        Refusal::NotSent => record::Load::NOT_SENT.into(),
        Refusal::Api(code) => format!("api-{code}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::Doubt;
    use crate::profile::{self, Source};

    /// A client that never has room, or whose events get this answer.
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
            into.extend(self.open.drain(..).map(|token| Ack { token, at: 0, outcome: self.answer }));
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
        let nobody = Groups { subscriptions: &Subscriptions::default(), signals: &[] };
        ready(&plan, 1, Clock::start(), &mut client, &nobody, within, &|| None)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn a_client_with_room_for_one_event_sends_them_one_after_the_other() {
        let position = crate::bus::Position { partition: 0, offset: 1 };
        assert_eq!(attempt(true, Answer::Stored { position, duplicate: false }), Ok(()));
    }

    #[test]
    fn the_broker_is_told_to_have_said_what_it_said_and_nothing_else() {
        for (room, answer, said) in [
            (false, Answer::Unconfirmed(Doubt::NoAnswer), "(the broker said: nothing)"),
            (true, Answer::Refused(Refusal::NoResponders), "(the broker said: no-responders)"),
            (true, Answer::Unconfirmed(Doubt::NoAnswer), "(the broker said: no answer to a published event)"),
            (true, Answer::Refused(Refusal::NotSent), "(the client said: an event was not sent within"),
        ] {
            let error = attempt(room, answer).unwrap_err();
            assert!(error.contains(said), "{error}");
        }
    }
}
