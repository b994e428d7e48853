//! One consumer inside a group: what it receives, and the acknowledgements that it sends.

use std::sync::Arc;
use std::time::Duration;

use async_nats::Client;

use super::conn::Conn;
use super::dial::Dialer;
use super::frames::{Message, push_message};
use super::intake::{AGAIN, Intake, Mode, Source};
use super::subjects::Layout;
use super::wire::DeliveryInfo;
use crate::bus::marks::{Marks, Notes};
use crate::bus::{BusError, Delivery, Handled, Left, Member, Position};
use crate::host::clock::Clock;
use crate::num;
use crate::plan::{self, AckMode, Ns, Refuse};

/// Maximum time for the server to read the last acknowledgements when the member ends.
const END_WITHIN: Ns = 200_000_000;
/// How long the server may take to read an acknowledgement that has left.
const READ_WITHIN: Ns = 100_000_000;

/// Acknowledgements that wait to be written together.
struct Acks {
    mode: AckMode,
    /// The encoded messages.
    waiting: Vec<u8>,
    /// Number of deliveries that they confirm; with [`AckMode::All`] one message confirms several.
    deliveries: u32,
    /// When the oldest of those deliveries began to wait.
    since: Ns,
    /// Maximum time that it may wait.
    linger: Ns,
    /// Number of deliveries that are written at once, without waiting.
    enough: u32,
    account: Handed,
}

/// Which deliveries are acknowledged: the account for the case that the member crashes.
#[derive(Default)]
struct Handed {
    /// Those whose acknowledgements wait.
    waiting: Vec<Position>,
    /// Those whose acknowledgements were sent lately.
    sent: Vec<Position>,
    /// The time of the first of these.
    sent_since: Ns,
    /// The time of the last one.
    sent_at: Ns,
    /// When the last delivery was received.
    last: Ns,
}

impl Handed {
    /// All acknowledgements that wait are sent now.
    fn send(&mut self, now: Ns) {
        if now.saturating_sub(self.sent_since) > READ_WITHIN {
            self.sent.clear();
            self.sent_since = now;
        }
        self.sent_at = now;
        self.sent.append(&mut self.waiting);
    }

    /// What a crash leaves open now.
    fn leave(&mut self, now: Ns) -> Left {
        let in_doubt = now.saturating_sub(self.sent_at) <= READ_WITHIN;
        Left {
            open: std::mem::take(&mut self.waiting),
            in_doubt: if in_doubt { std::mem::take(&mut self.sent) } else { Vec::new() },
            last: self.last,
        }
    }
}

impl Acks {
    fn new(bus: &plan::Bus) -> Self {
        Self {
            mode: bus.ack,
            waiting: Vec::new(),
            deliveries: 0,
            since: 0,
            linger: bus.nats.ack_linger.ns,
            // Well below the server's limit, so that neither side waits for the other.
            enough: (bus.nats.max_ack_pending / 8).clamp(1, 256),
            account: Handed::default(),
        }
    }

    /// Adds the acknowledgement of a delivery with this reply subject, received at `now`.
    fn push(&mut self, reply: &str, now: Ns) {
        if reply.is_empty() || self.mode == AckMode::None {
            return;
        }
        if self.waiting.is_empty() {
            self.since = now;
        }
        if self.mode == AckMode::All {
            // The last one confirms all before it, and `since` is still the time of the oldest delivery.
            self.waiting.clear();
        }
        push_message(&mut self.waiting, reply, |_| {}, &[], b"+ACK");
        self.deliveries = self.deliveries.saturating_add(1);
    }

    /// Adds the answer to a delivery that its member has handled in this way.
    fn answer(&mut self, reply: &str, handling: Handled, now: Ns) {
        let word: &[u8] = match handling {
            Handled::Processed => return self.push(reply, now),
            Handled::Refused(Refuse::Silent) => return,
            Handled::Refused(Refuse::Nak) => b"-NAK",
            Handled::Refused(Refuse::Term) => b"+TERM",
        };
        if reply.is_empty() || self.mode != AckMode::Explicit {
            return;
        }
        if self.waiting.is_empty() {
            self.since = now;
        }
        push_message(&mut self.waiting, reply, |_| {}, &[], word);
        self.deliveries = self.deliveries.saturating_add(1);
    }

    /// Notes a delivery that was handed over, and answered as it was handled. A refused one comes again by intention.
    fn note(&mut self, position: Position, handling: Handled, now: Ns) {
        self.account.last = now;
        if self.mode != AckMode::None && handling == Handled::Processed {
            self.account.waiting.push(position);
        }
    }

    /// Returns when the waiting acknowledgements are due; `None` if none wait.
    fn due(&self) -> Option<Ns> {
        (!self.waiting.is_empty()).then(|| self.since.saturating_add(self.linger))
    }

    fn are_due(&self, now: Ns) -> bool {
        self.due().is_some_and(|due| self.deliveries >= self.enough || due <= now)
    }

    /// Writes the waiting acknowledgements if the connection takes messages.
    fn send(&mut self, conn: &mut Conn, now: Ns) {
        if conn.takes() && !self.waiting.is_empty() {
            conn.send_written(&self.waiting);
            self.waiting.clear();
            self.deliveries = 0;
            self.account.send(now);
        }
    }
}

/// One consumer inside a group.
pub struct NatsMember {
    intake: Intake,
    acks: Acks,
    layout: Arc<Layout>,
    clock: Clock,
    /// It ends without a word.
    crashed: bool,
}

impl NatsMember {
    pub(super) fn new(intake: Intake, bus: &plan::Bus, layout: Arc<Layout>, clock: Clock) -> Self {
        Self { intake, acks: Acks::new(bus), layout, clock, crashed: false }
    }

    /// Hands over what has arrived, or arrives in time, and answers each delivery as it is handled.
    fn take_in(
        &mut self,
        wait: Duration,
        mut handle: impl FnMut(&Delivery<'_>) -> Handled,
    ) -> Result<usize, BusError> {
        let Self { intake, acks, layout, clock, .. } = self;
        let mut now = clock.now();
        let deadline = now.saturating_add(u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX));
        let mut next = loop {
            if acks.are_due(now) {
                acks.send(intake.conn(), now);
            }
            // If the connection did not accept them when they were due, try again soon.
            let due = acks.due().map(|due| due.max(now + AGAIN));
            let until = due.map_or(deadline, |due| due.min(deadline));
            let next = intake.next(until)?;
            if next.is_some() || until >= deadline {
                break next;
            }
            now = clock.now();
        };
        let most = num::index32(intake.batch().max(1));
        let mut received = 0;
        while let Some(taken) = next {
            let message = intake.message(&taken);
            let delivery = delivery(layout, &message, taken.info, intake.read_at());
            let handling = handle(&delivery);
            received += 1;
            acks.answer(message.reply, handling, delivery.received);
            acks.note(delivery.position, handling, delivery.received);
            if received >= most {
                break;
            }
            next = intake.ready()?;
        }
        now = clock.now();
        if received > 0 && acks.are_due(now) {
            acks.send(intake.conn(), now);
            intake.conn().flush();
        }
        Ok(received)
    }

    /// Requests nothing further, and hands over what the server has already sent.
    fn take_leave(mut self, mut handle: impl FnMut(&Delivery<'_>) -> Handled) {
        let Self { intake, acks, layout, clock, .. } = &mut self;
        let until = clock.now() + END_WITHIN;
        let sign = intake.leave();
        loop {
            // An error means that nothing further can come.
            while let Ok(Some(taken)) = intake.ready() {
                let message = intake.message(&taken);
                let handling = handle(&delivery(layout, &message, taken.info, intake.read_at()));
                acks.answer(message.reply, handling, intake.read_at());
            }
            if !intake.conn().awaits(sign, until) {
                break;
            }
        }
        // Its end sends the acknowledgements.
    }
}

/// Makes the members of one place in a group, one after another.
pub(super) struct Maker {
    /// The name of the connection.
    pub(super) name: String,
    /// Makes the names of inboxes.
    pub(super) control: Client,
    pub(super) dialer: Arc<Dialer>,
    pub(super) marks: Marks,
    pub(super) source: Source,
    pub(super) bus: plan::Bus,
    pub(super) layout: Arc<Layout>,
    pub(super) clock: Clock,
}

impl Maker {
    /// Connects a member.
    ///
    /// # Errors
    /// When no server accepts the connection.
    pub(super) fn make(&self) -> Result<NatsMember, BusError> {
        let intake = intake(
            &self.control,
            &self.dialer,
            self.marks.of(self.name.clone()),
            self.clock,
            self.source.clone(),
        )?;
        Ok(NatsMember::new(intake, &self.bus, Arc::clone(&self.layout), self.clock))
    }
}

/// Connects to a consumer.
///
/// # Errors
/// When no server accepts the connection.
pub(super) fn intake(
    control: &Client,
    dialer: &Arc<Dialer>,
    notes: Notes,
    clock: Clock,
    source: Source,
) -> Result<Intake, BusError> {
    let (inbox, queue) = match &source.mode {
        Mode::Pull(_) => (control.new_inbox(), None),
        Mode::Push(push) => (push.subject.clone(), push.queue.as_deref()),
    };
    let conn = Conn::open(Arc::clone(dialer), notes, clock, &inbox, queue)?;
    Ok(Intake::new(conn, clock, inbox, source))
}

impl Member for NatsMember {
    fn receive(&mut self, wait: Duration, sink: &mut dyn FnMut(&Delivery<'_>)) -> Result<usize, BusError> {
        self.take_in(wait, |delivery| {
            sink(delivery);
            Handled::Processed
        })
    }

    fn receive_or_refuse(
        &mut self,
        wait: Duration,
        sink: &mut dyn FnMut(&Delivery<'_>) -> Handled,
    ) -> Result<usize, BusError> {
        self.take_in(wait, sink)
    }

    fn leave(self, sink: &mut dyn FnMut(&Delivery<'_>)) {
        self.take_leave(|delivery| {
            sink(delivery);
            Handled::Processed
        });
    }

    fn leave_or_refuse(self, sink: &mut dyn FnMut(&Delivery<'_>) -> Handled) {
        self.take_leave(sink);
    }

    fn crash(mut self) -> Option<Left> {
        self.crashed = true;
        Some(self.acks.account.leave(self.clock.now()))
    }
}

impl Drop for NatsMember {
    fn drop(&mut self) {
        if self.crashed {
            return;
        }
        let Self { intake, acks, clock, .. } = self;
        acks.send(intake.conn(), clock.now());
        intake.conn().settle(clock.now() + END_WITHIN);
    }
}

/// Passes a message to the sink.
pub(super) fn hand_over(
    layout: &Layout,
    message: &Message<'_>,
    info: DeliveryInfo,
    received: Ns,
    sink: &mut dyn FnMut(&Delivery<'_>),
) {
    sink(&delivery(layout, message, info, received));
}

/// A message as a delivery.
fn delivery<'a>(layout: &Layout, message: &Message<'a>, info: DeliveryInfo, received: Ns) -> Delivery<'a> {
    Delivery {
        subject: layout.published(message.subject),
        payload: message.payload,
        received,
        position: Position { partition: 0, offset: info.stream_sequence },
        attempt: info.delivered,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acks(mode: AckMode, linger: Ns, enough: u32) -> Acks {
        let account = Handed::default();
        Acks { mode, waiting: Vec::new(), deliveries: 0, since: 0, linger, enough, account }
    }

    #[test]
    fn a_crash_leaves_open_what_waits_and_in_doubt_what_has_just_left() {
        let at = |offset| Position { partition: 0, offset };
        let mut acks = acks(AckMode::Explicit, 1000, 9);
        for offset in 1..=4 {
            acks.note(at(offset), Handled::Processed, offset);
            acks.account.send(offset);
        }
        acks.note(at(5), Handled::Refused(Refuse::Nak), 5);
        acks.note(at(6), Handled::Processed, 6);
        let left = acks.account.leave(READ_WITHIN + 4);
        assert_eq!((left.open, left.last), (vec![at(6)], 6), "a refused one is not open");
        assert_eq!(left.in_doubt, [1, 2, 3, 4].map(at));
        acks.note(at(7), Handled::Processed, 7);
        acks.account.send(READ_WITHIN * 3);
        acks.note(at(8), Handled::Processed, 8);
        acks.account.send(READ_WITHIN * 5);
        assert_eq!(acks.account.leave(READ_WITHIN * 5).in_doubt, [at(8)], "long ones are forgotten");
        assert_eq!(acks.account.leave(READ_WITHIN * 6 + 1).in_doubt, [], "and have been read");
        let mut silent = self::acks(AckMode::None, 0, 1);
        silent.note(at(1), Handled::Processed, 9);
        assert_eq!(silent.account.leave(9), Left { last: 9, ..Left::default() }, "nothing is acknowledged");
    }

    #[test]
    fn what_waits_longest_says_when_they_are_due_however_many_follow() {
        for mode in [AckMode::Explicit, AckMode::All] {
            let mut acks = acks(mode, 1000, 3);
            assert_eq!((acks.due(), acks.are_due(0)), (None, false));
            acks.push("first", 10);
            acks.push("second", 12);
            assert_eq!(
                (acks.due(), acks.are_due(1009), acks.are_due(1010)),
                (Some(1010), false, true),
                "{mode:?}"
            );
            // Enough deliveries are written without waiting, even if one acknowledgement confirms all of them.
            acks.push("third", 13);
            assert!(acks.are_due(13), "{mode:?}");
            let all = b"PUB first 4\r\n+ACK\r\nPUB second 4\r\n+ACK\r\nPUB third 4\r\n+ACK\r\n";
            let last = all.len() - b"PUB third 4\r\n+ACK\r\n".len();
            assert_eq!(acks.waiting, if mode == AckMode::All { &all[last..] } else { &all[..] });
        }
    }

    #[test]
    fn an_event_is_refused_in_the_way_that_was_chosen() {
        let mut acks = acks(AckMode::Explicit, 1000, 9);
        acks.answer("silent", Handled::Refused(Refuse::Silent), 9);
        assert_eq!(acks.due(), None, "nothing is said");
        acks.answer("nak", Handled::Refused(Refuse::Nak), 10);
        acks.answer("good", Handled::Processed, 11);
        acks.answer("term", Handled::Refused(Refuse::Term), 12);
        assert_eq!(acks.due(), Some(1010));
        assert_eq!(acks.waiting, b"PUB nak 4\r\n-NAK\r\nPUB good 4\r\n+ACK\r\nPUB term 5\r\n+TERM\r\n");
    }

    #[test]
    fn nothing_waits_without_a_linger_or_an_acknowledgement() {
        let mut at_once = acks(AckMode::Explicit, 0, 3);
        at_once.push("first", 10);
        assert!(at_once.are_due(10));
        let mut never = acks(AckMode::None, 0, 1);
        never.push("first", 10);
        assert_eq!((never.due(), never.are_due(10)), (None, false));
    }
}
