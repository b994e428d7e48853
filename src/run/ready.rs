//! Readiness: before any load, an event on every topic must have reached every group that subscribes to it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::bus::{Ack, Answer, Outgoing, Publisher, Refusal};
use crate::host::clock::Clock;
use crate::market;
use crate::num;
use crate::plan::Plan;

use super::RunError;
use super::shared::GroupSignals;

/// How often an event that has not been seen everywhere is sent again.
const AGAIN_NS: u64 = 1_000_000_000;

/// Sends readiness events from every publisher until every group has seen each of its topics and every
/// publisher has had an answer, or something ends it first.
pub(super) fn ready<P: Publisher>(
    plan: &Plan,
    tag: u16,
    clock: Clock,
    publishers: &mut [P],
    groups: &[(Vec<bool>, Arc<GroupSignals>)],
    within: Duration,
    ended: &dyn Fn() -> Option<RunError>,
) -> Result<(), RunError> {
    let started = clock.now();
    let mut payload = Vec::with_capacity(1024);
    let mut answers: Vec<Ack> = Vec::new();
    let mut answered = vec![false; publishers.len()];
    let mut refusal = None;
    let mut send_at = started;
    let mut nonce = 0;
    loop {
        let now = clock.now();
        if now >= send_at {
            send_at = now + AGAIN_NS;
            for publisher in publishers.iter_mut() {
                for topic in 0..plan.topology.topics.len() {
                    let unix = clock.unix_ns_at_epoch() + now;
                    market::encode_readiness(&mut payload, tag, num::low8(num::count(topic)), nonce, unix);
                    nonce += 1;
                    let event = Outgoing {
                        token: u64::from(nonce),
                        topic,
                        symbol: 0,
                        id: market::event_id(&payload),
                        payload: &payload,
                    };
                    if let Err(refused) = publisher.publish(&event) {
                        refusal = Some(refused.to_string());
                    }
                }
            }
        }
        for (publisher, answered) in publishers.iter_mut().zip(&mut answered) {
            publisher.acks(&mut answers);
            for ack in answers.drain(..) {
                match ack.outcome {
                    Answer::Stored { .. } => *answered = true,
                    Answer::Refused(why) => refusal = Some(describe(why)),
                    Answer::Unconfirmed => refusal = Some("no answer to a published event".into()),
                }
            }
        }
        let missing = missing(plan, groups);
        let idle = publishers.iter().all(|publisher| publisher.in_flight() == 0);
        if missing.is_empty() && answered.iter().all(|done| *done) && idle {
            return Ok(());
        }
        if let Some(end) = ended() {
            return Err(end);
        }
        if now.saturating_sub(started) > u64::try_from(within.as_nanos()).unwrap_or(u64::MAX) {
            let seconds = within.as_secs();
            let silent = if missing.is_empty() { "some publisher".to_owned() } else { missing.join("; ") };
            return Err(RunError::NotReady {
                silent,
                seconds,
                said: refusal.unwrap_or_else(|| "nothing".into()),
            });
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The groups that have not seen all their topics, with one topic each.
fn missing(plan: &Plan, groups: &[(Vec<bool>, Arc<GroupSignals>)]) -> Vec<String> {
    let mut missing = Vec::new();
    for ((subscribed, signals), group) in groups.iter().zip(&plan.groups) {
        let seen = signals.ready.load(Ordering::Relaxed);
        let silent = (0_u32..).zip(subscribed).find(|(topic, wanted)| **wanted && seen & (1 << topic) == 0);
        if let Some((topic, _)) = silent {
            let topic = &plan.topology.topics[num::index32(topic)];
            missing.push(format!("group {} has received nothing on {topic}", group.name));
        }
    }
    missing
}

/// A broker's refusal in a word.
pub(super) fn describe(why: Refusal) -> String {
    match why {
        Refusal::NoResponders => "no-responders".into(),
        Refusal::Overload => "overload".into(),
        Refusal::NotSent => "not-sent".into(),
        Refusal::Api(code) => format!("api-{code}"),
    }
}
