//! The client side of the simulated bus in virtual time: what happens to an event that waits, that leaves, or whose
//! connection ends.

use super::*;
use crate::bus::{Answer, Doubt, Refusal};
use crate::profile::{self, Source};

const MS: Ns = 1_000_000;
const NO_ANSWER: Answer = Answer::Unconfirmed(Doubt::NoAnswer);
const DISCONNECTED: Answer = Answer::Unconfirmed(Doubt::Disconnected);
const NOT_SENT: Answer = Answer::Refused(Refusal::NotSent);

/// Returns a publisher with room for 2 sent and 3 waiting events and a timeout of 100 ms for each, and its clock.
fn publisher(faults: Faults) -> (SimBus, SimPublisher, Arc<AtomicU64>) {
    let sets = ["bus.window=2", "bus.buffer=3", "bus.publish_timeout=100ms"].map(str::to_owned);
    let plan = profile::read(&Source::find("quick").unwrap(), &sets).unwrap();
    let now = Arc::<AtomicU64>::default();
    let setup = Setup { faults, ..Setup::default() };
    let mut bus = SimBus::new(&plan, setup, &[], Time::Virtual(Arc::clone(&now)));
    let publisher = bus.publisher(0).unwrap();
    (bus, publisher, now)
}

fn publish(publisher: &mut SimPublisher, token: u64) -> Result<(), Refused> {
    publisher.publish(&Outgoing { token, topic: 0, symbol: 0, id: "", payload: b"event" })
}

/// Returns the answers by `at`, as (token, time in ms, answer); the answer for a stored event includes its position.
fn answers(publisher: &mut SimPublisher, now: &AtomicU64, at: Ns) -> Vec<(u64, Ns, Answer)> {
    now.store(at * MS, Ordering::Relaxed);
    let mut acks = Vec::new();
    publisher.acks(&mut acks);
    acks.iter().map(|ack| (ack.token, ack.at / MS, ack.outcome)).collect()
}

fn stored(offset: u64) -> Answer {
    Answer::Stored { position: Position { partition: 0, offset }, duplicate: false }
}

fn stalled_until(until: Ns) -> Faults {
    Faults { stalls: vec![Stretch { from: 0, length: until * MS }], ..Faults::default() }
}

#[test]
fn the_time_for_an_answer_begins_when_an_event_leaves_the_buffer() {
    let (_, mut publisher, now) = publisher(stalled_until(180));
    (0..3).for_each(|token| publish(&mut publisher, token).unwrap());
    assert_eq!(answers(&mut publisher, &now, 10), []);
    (3..5).for_each(|token| publish(&mut publisher, token).unwrap());
    assert_eq!(publish(&mut publisher, 5), Err(Refused::Full));
    // 2 waited as long as those that left, so it times out with them; 3 and 4 leave then, with a full timeout.
    let first = [(2, 100, NOT_SENT), (0, 100, NO_ANSWER), (1, 100, NO_ANSWER)];
    assert_eq!(answers(&mut publisher, &now, 179), first);
    assert_eq!(answers(&mut publisher, &now, 250), [(3, 180, stored(3)), (4, 180, stored(4))]);
    assert_eq!(publisher.in_flight(), 0);
}

#[test]
fn what_is_given_up_is_told_by_whether_it_left() {
    let (_, mut publisher, now) = publisher(stalled_until(50));
    (0..4).for_each(|token| publish(&mut publisher, token).unwrap());
    publisher.abandon();
    let given_up = [(2, 0, NOT_SENT), (3, 0, NOT_SENT), (0, 0, NO_ANSWER), (1, 0, NO_ANSWER)];
    assert_eq!(answers(&mut publisher, &now, 0), given_up);
    assert_eq!(answers(&mut publisher, &now, 500), [], "late answers are nobody's");
}

#[test]
fn a_cut_settles_what_was_sent_and_what_waits_leaves_after_it() {
    let cut = Cut { time: Stretch { from: 20 * MS, length: 30 * MS }, resend: false };
    let faults = Faults { cuts: vec![cut], ..stalled_until(40) };
    let (bus, mut publisher, now) = publisher(faults);
    (0..4).for_each(|token| publish(&mut publisher, token).unwrap());
    assert_eq!(answers(&mut publisher, &now, 30), [(0, 20, DISCONNECTED), (1, 20, DISCONNECTED)]);
    publish(&mut publisher, 4).unwrap();
    assert_eq!(
        publish(&mut publisher, 5),
        Err(Refused::Full),
        "without a connection there is only the buffer"
    );
    // Events that had reached the server are stored, but answered too late.
    let after = [(2, 50, stored(3)), (3, 50, stored(4)), (4, 50, stored(5))];
    assert_eq!(answers(&mut publisher, &now, 60), after);
    let outcomes: Vec<Outcome> = bus.truth().events.iter().map(|event| event.outcome).collect();
    assert_eq!(outcomes[..2], [Outcome::Disconnected; 2]);
}

#[test]
fn a_client_that_sends_again_settles_nothing_by_a_cut() {
    let cut = Cut { time: Stretch { from: 20 * MS, length: 30 * MS }, resend: true };
    let faults = Faults { cuts: vec![cut], uplink: Delay::Fixed(30 * MS), ..Faults::default() };
    let (_, mut publisher, now) = publisher(faults);
    (0..4).for_each(|token| publish(&mut publisher, token).unwrap());
    assert_eq!(answers(&mut publisher, &now, 79), []);
    let all = [(0, 80, stored(1)), (1, 80, stored(2)), (2, 110, stored(3)), (3, 110, stored(4))];
    let mut seen = answers(&mut publisher, &now, 85);
    seen.extend(answers(&mut publisher, &now, 200));
    // The two that waited were accepted at 0 and leave at 80, within their 100 ms.
    assert_eq!(seen, all);
}
