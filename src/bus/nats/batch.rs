//! Batches of events that one answer confirms: fast ingest and atomic batches, as described in the server's design
//! record 50 (ADR-50).
//!
//! Pure bookkeeping: it neither sends nor reads a clock. Fast ingest stores each event as it arrives and confirms
//! several at a time, without their positions. An atomic batch is stored as a whole when it ends. A batch of either
//! kind ends with a message of its own when its oldest event has waited long enough; the next event then starts another
//! batch.

use std::collections::VecDeque;

use super::wire::BatchWord;
use crate::bus::window::Ticket;
use crate::bus::{Answer, Position, Refusal};
use crate::num;
use crate::plan::{Nats, Ns, Publish};

/// Position of an event whose position the server does not report.
const UNTOLD: Position = Position { partition: 0, offset: u64::MAX };
/// The server's error code for a batch with missing messages.
const INCOMPLETE: Refusal = Refusal::Api(10_176);

/// Place of an event in a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// Number of the batch.
    pub(super) batch: u64,
    /// Sequence of the event in the batch, from 1.
    pub(super) sequence: u64,
    /// Whether this message ends the batch.
    pub(super) last: bool,
}

#[derive(Debug)]
struct Batch {
    number: u64,
    /// Number of the message that began the batch: if its connection is lost, so is the whole batch.
    began: u64,
    /// Events of the batch that have been sent.
    sent: u64,
    /// Events after the first `answered`, each with the time at which it was sent.
    events: VecDeque<(Ticket, Ns)>,
    answered: u64,
    /// No more events are added.
    ended: bool,
    /// Why the server did not take an event.
    fault: Option<Refusal>,
}

/// The open batches of one publisher, oldest first.
#[derive(Debug)]
pub(super) struct Batches {
    atomic: bool,
    size: u64,
    linger: Ns,
    next: u64,
    open: VecDeque<Batch>,
}

impl Batches {
    /// Creates the bookkeeping that the plan needs; `None` if each event gets an answer of its own.
    pub(super) fn new(publish: Publish, nats: &Nats) -> Option<Self> {
        publish.in_batches().then(|| Self {
            atomic: publish == Publish::Atomic,
            size: u64::from(nats.batch.max(1)),
            linger: nats.linger.ns,
            next: 1,
            open: VecDeque::new(),
        })
    }

    pub(super) const fn are_atomic(&self) -> bool {
        self.atomic
    }

    /// Returns the maximum number of events that one answer confirms.
    pub(super) const fn size(&self) -> u64 {
        self.size
    }

    /// Returns the place of the next event.
    pub(super) fn place(&self) -> Place {
        let last = |sequence| self.atomic && sequence == self.size;
        match self.open.back() {
            Some(batch) if !batch.ended => {
                let sequence = batch.sent + 1;
                Place { batch: batch.number, sequence, last: last(sequence) }
            }
            _ => Place { batch: self.next, sequence: 1, last: last(1) },
        }
    }

    /// Records that an event was sent at the place that [`Self::place`] returned, as message number `message`. Returns
    /// the number of the message that began its batch.
    pub(super) fn sent(&mut self, place: Place, ticket: Ticket, now: Ns, message: u64) -> u64 {
        if place.batch == self.next {
            self.next += 1;
            self.open.push_back(Batch {
                number: place.batch,
                began: message,
                sent: 0,
                events: VecDeque::new(),
                answered: 0,
                ended: false,
                fault: None,
            });
        }
        let Some(batch) = self.open.back_mut() else { return message };
        batch.sent = place.sequence;
        batch.ended = place.last;
        batch.events.push_back((ticket, now));
        batch.began
    }

    /// Returns when the batch that is being filled has to be ended.
    pub(super) fn due(&self) -> Option<Ns> {
        let batch = self.open.back().filter(|batch| !batch.ended)?;
        batch.events.front().map(|(_, sent)| sent.saturating_add(self.linger))
    }

    /// Returns the place of the message that ends the batch that is being filled.
    pub(super) fn end(&self) -> Option<Place> {
        let batch = self.open.back().filter(|batch| !batch.ended)?;
        Some(Place { batch: batch.number, sequence: batch.sent + 1, last: true })
    }

    /// Records that the message that ends the batch was sent.
    pub(super) fn ended(&mut self) {
        if let Some(batch) = self.open.back_mut() {
            batch.ended = true;
        }
    }

    /// Forgets the batches whose events have all been given up, so that there are never more batches than events in the
    /// window.
    pub(super) fn forget(&mut self, is_open: impl Fn(Ticket) -> bool) {
        // A batch that is not ended and whose events are all confirmed can take more events.
        let goes_on = |batch: &Batch| !batch.ended && batch.events.is_empty();
        self.open.retain(|batch| goes_on(batch) || batch.events.iter().any(|(ticket, _)| is_open(*ticket)));
    }

    /// Forgets the batches that began with message number `up_to` or earlier: their connection is gone.
    pub(super) fn lost(&mut self, up_to: u64) {
        self.open.retain(|batch| batch.began > up_to);
    }

    /// Handles the server's answer to the message at a place, and reports the outcome of each event that it settles.
    pub(super) fn answer(
        &mut self,
        batch: u64,
        sequence: u64,
        word: BatchWord,
        mut settled: impl FnMut(Ticket, Answer),
    ) {
        let Some(at) = self.open.iter().position(|open| open.number == batch) else { return };
        let Some(open) = self.open.get_mut(at) else { return };
        match word {
            BatchWord::Nothing => {}
            BatchWord::Stored { up_to } => {
                let stored = Answer::Stored { position: UNTOLD, duplicate: false };
                open.take(up_to.saturating_sub(open.answered), |ticket| settled(ticket, stored));
            }
            BatchWord::Fault(refusal) => {
                open.fault = Some(refusal);
                open.ended = true;
            }
            BatchWord::Done { last, count, duplicate } => {
                let (before, atomic) = (open.answered, self.atomic);
                let mut index = before;
                open.take(count.saturating_sub(before), |ticket| {
                    index += 1;
                    let position = if atomic {
                        Position { partition: 0, offset: last.saturating_sub(count - index) }
                    } else {
                        UNTOLD
                    };
                    settled(ticket, Answer::Stored { position, duplicate });
                });
                // The remaining events are not part of the batch: the server drops them.
                let refused = Answer::Refused(open.fault.unwrap_or(INCOMPLETE));
                open.take(u64::MAX, |ticket| settled(ticket, refused));
                self.open.remove(at);
            }
            BatchWord::Refused(refusal) if self.atomic => {
                open.take(u64::MAX, |ticket| settled(ticket, Answer::Refused(refusal)));
                self.open.remove(at);
            }
            BatchWord::Refused(refusal) => {
                // This does not settle the events before it: their answer may still arrive.
                open.ended = true;
                if sequence > open.sent {
                    self.open.remove(at);
                } else if let Some(ticket) = open.drop_one(sequence) {
                    settled(ticket, Answer::Refused(refusal));
                }
            }
        }
    }
}

impl Batch {
    /// Removes the first `count` events.
    fn take(&mut self, count: u64, mut each: impl FnMut(Ticket)) {
        let count = num::index(count.min(num::count(self.events.len())));
        for (ticket, _) in self.events.drain(..count) {
            each(ticket);
        }
        self.answered += num::count(count);
    }

    /// Returns the ticket of the event with this sequence. The event stays in the queue, because the sequences of the
    /// others are counted from it; its ticket is answered only once.
    fn drop_one(&self, sequence: u64) -> Option<Ticket> {
        let at = sequence.checked_sub(self.answered + 1)?;
        self.events.get(num::index(at)).map(|(ticket, _)| *ticket)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ticket(slot: u64) -> Ticket {
        Ticket { slot: num::low32(slot), generation: 0 }
    }

    fn batches(publish: Publish, batch: u32) -> Batches {
        Batches::new(publish, &Nats { batch, ..Nats::default() }).expect("in batches")
    }

    /// Sends events with the given tickets; returns their places.
    fn send(batches: &mut Batches, tickets: std::ops::Range<u64>) -> Vec<Place> {
        let each = |t| {
            let place = batches.place();
            batches.sent(place, ticket(t), t, t);
            place
        };
        tickets.map(each).collect()
    }

    fn answers(batches: &mut Batches, at: (u64, u64), word: BatchWord) -> Vec<(u32, Answer)> {
        let mut all = Vec::new();
        batches.answer(at.0, at.1, word, |ticket, answer| all.push((ticket.slot, answer)));
        all
    }

    const fn stored(offset: u64) -> Answer {
        Answer::Stored { position: Position { partition: 0, offset }, duplicate: false }
    }

    #[test]
    fn only_batches_are_batches() {
        assert!(Batches::new(Publish::Async, &Nats::default()).is_none());
        assert!(Batches::new(Publish::Sync, &Nats::default()).is_none());
    }

    #[test]
    fn fast_ingest_confirms_up_to_a_sequence_and_goes_on() {
        let mut fast = batches(Publish::Fast, 3);
        let places = send(&mut fast, 0..5);
        assert_eq!(places[4], Place { batch: 1, sequence: 5, last: false });
        assert_eq!(answers(&mut fast, (1, 1), BatchWord::Stored { up_to: 0 }), []);
        let first: Vec<_> = (0..3).map(|slot| (slot, stored(u64::MAX))).collect();
        assert_eq!(answers(&mut fast, (1, 3), BatchWord::Stored { up_to: 3 }), first);
        assert_eq!(answers(&mut fast, (1, 3), BatchWord::Stored { up_to: 3 }), []);
        // The remaining events are confirmed when the batch ends.
        assert_eq!(fast.due(), Some(3 + Nats::default().linger.ns));
        assert_eq!(fast.end(), Some(Place { batch: 1, sequence: 6, last: true }));
        fast.ended();
        assert_eq!((fast.due(), fast.end()), (None, None));
        assert_eq!(send(&mut fast, 5..6), [Place { batch: 2, sequence: 1, last: false }]);
        let done = BatchWord::Done { last: 90, count: 5, duplicate: false };
        let rest = [(3, stored(u64::MAX)), (4, stored(u64::MAX))];
        assert_eq!(answers(&mut fast, (1, 6), done), rest);
        assert_eq!(answers(&mut fast, (1, 6), done), []);
    }

    #[test]
    fn an_atomic_batch_is_stored_in_its_order_before_the_last_one() {
        let mut atomic = batches(Publish::Atomic, 3);
        let places = send(&mut atomic, 0..4);
        assert_eq!(places[2], Place { batch: 1, sequence: 3, last: true });
        assert_eq!(places[3], Place { batch: 2, sequence: 1, last: false });
        let done = BatchWord::Done { last: 12, count: 3, duplicate: false };
        assert_eq!(answers(&mut atomic, (1, 3), done), [(0, stored(10)), (1, stored(11)), (2, stored(12))]);
        atomic.ended();
        let refused = Answer::Refused(Refusal::Api(10_077));
        assert_eq!(answers(&mut atomic, (2, 2), BatchWord::Refused(Refusal::Api(10_077))), [(3, refused)]);
    }

    #[test]
    fn what_lies_behind_a_fault_or_a_gap_is_refused() {
        let mut fast = batches(Publish::Fast, 2);
        send(&mut fast, 0..4);
        let full = Refusal::Api(10_077);
        assert_eq!(answers(&mut fast, (1, 3), BatchWord::Fault(full)), []);
        let done = BatchWord::Done { last: 2, count: 2, duplicate: false };
        let (yes, no) = (stored(u64::MAX), Answer::Refused(full));
        assert_eq!(answers(&mut fast, (1, 3), done), [(0, yes), (1, yes), (2, no), (3, no)]);
        send(&mut fast, 4..6);
        let done = BatchWord::Done { last: 3, count: 1, duplicate: false };
        assert_eq!(answers(&mut fast, (2, 9), done), [(4, yes), (5, Answer::Refused(INCOMPLETE))]);
    }

    #[test]
    fn a_server_that_forgot_the_batch_refuses_one_by_one_and_the_next_event_starts_anew() {
        let mut fast = batches(Publish::Fast, 10);
        send(&mut fast, 0..3);
        let unknown = Refusal::Api(10_208);
        let no = Answer::Refused(unknown);
        assert_eq!(answers(&mut fast, (1, 3), BatchWord::Refused(unknown)), [(2, no)]);
        assert_eq!(fast.place(), Place { batch: 2, sequence: 1, last: false });
        // The events before it may still be answered.
        let yes = stored(u64::MAX);
        assert_eq!(answers(&mut fast, (1, 2), BatchWord::Stored { up_to: 2 }), [(0, yes), (1, yes)]);
        assert_eq!(answers(&mut fast, (1, 4), BatchWord::Refused(unknown)), []);
        assert_eq!(answers(&mut fast, (1, 3), BatchWord::Refused(unknown)), []);
    }

    #[test]
    fn a_batch_is_kept_as_long_as_one_of_its_events_waits_however_many_there_are() {
        let mut atomic = batches(Publish::Atomic, 2);
        send(&mut atomic, 0..1000);
        atomic.forget(|ticket| ticket.slot != 0 && ticket.slot != 2 && ticket.slot != 3);
        let done = BatchWord::Done { last: 12, count: 2, duplicate: false };
        assert_eq!(answers(&mut atomic, (1, 2), done), [(0, stored(11)), (1, stored(12))]);
        assert_eq!(answers(&mut atomic, (2, 2), done), [], "of the second one nothing waited");
        assert_eq!(answers(&mut atomic, (500, 2), done), [(998, stored(11)), (999, stored(12))]);
        atomic.forget(|_| false);
        assert!(atomic.open.is_empty());
        // A fast batch stays open when all of its events so far are confirmed.
        let mut fast = batches(Publish::Fast, 2);
        send(&mut fast, 0..2);
        assert_eq!(answers(&mut fast, (1, 2), BatchWord::Stored { up_to: 2 }).len(), 2);
        fast.forget(|_| false);
        assert_eq!(fast.place(), Place { batch: 1, sequence: 3, last: false });
    }

    #[test]
    fn the_event_after_a_lost_batch_starts_another_one() {
        let mut fast = batches(Publish::Fast, 10);
        let places = [7, 8].map(|message| {
            let place = fast.place();
            (place.sequence, fast.sent(place, ticket(message), 0, message))
        });
        assert_eq!(places, [(1, 7), (2, 7)], "all of a batch goes with the connection of its first message");
        fast.lost(6);
        assert_eq!(fast.place(), Place { batch: 1, sequence: 3, last: false });
        fast.lost(7);
        assert_eq!((fast.place(), fast.due()), (Place { batch: 2, sequence: 1, last: false }, None));
    }

    proptest! {
        #[test]
        fn no_event_is_told_of_twice_but_where_it_was_refused_first(
            atomic in any::<bool>(), size in 1_u32..6,
            steps in prop::collection::vec((0_u8..6, 1_u64..4, 0_u64..8), 1..60)
        ) {
            let mut all = batches(if atomic { Publish::Atomic } else { Publish::Fast }, size);
            let (mut next, mut settled) = (0, std::collections::BTreeMap::<u32, Vec<Answer>>::new());
            for (what, batch, n) in steps {
                let word = match what {
                    0 | 1 => {
                        send(&mut all, next..next + 1);
                        next += 1;
                        continue;
                    }
                    2 => BatchWord::Stored { up_to: n },
                    3 => BatchWord::Done { last: 100, count: n, duplicate: false },
                    4 => BatchWord::Refused(INCOMPLETE),
                    _ => { all.ended(); continue }
                };
                for (slot, answer) in answers(&mut all, (batch, n), word) {
                    prop_assert!(u64::from(slot) < next);
                    settled.entry(slot).or_default().push(answer);
                }
            }
            for (slot, answers) in settled {
                let again = answers.len() > 1;
                prop_assert!(!again || matches!(answers[0], Answer::Refused(_)), "{slot}: {answers:?}");
            }
        }
    }
}
