//! The slots of members in their groups: who has each of them, and how a fault takes it from one member and gives it to
//! another while the run goes on.
//!
//! The thread of a slot stays the same: what a member had handed over before it ended is counted, whatever becomes of the
//! member, and an empty slot still tells its group how far it has got.

use std::sync::Arc;
use std::sync::mpsc::{Receiver as Inbox, RecvTimeoutError, Sender, TryRecvError, channel};
use std::time::{Duration, Instant};

use super::shared::GroupSignals;
use super::takeover::Crash;
use crate::bus::{BusError, Delivery, Handled, Left, Member, Successors};
use crate::num;

/// How long a slot may take to carry out an order: several of its waits.
const OBEYED_WITHIN: Duration = Duration::from_secs(5);

/// What becomes of the member in a slot. The answer says that it is done.
pub(super) enum Order<M> {
    /// It ends as by a crash; the answer has what it leaves open.
    Crash(Sender<Option<Left>>),
    /// It ends in order.
    Leave(Sender<()>),
    /// Another member takes the empty slot.
    Succeed(M, Sender<()>),
}

/// A slot in a group, on the thread that receives there.
pub(super) struct Slot<M> {
    /// The member that has it; `None` between the end of one and the begin of the next.
    member: Option<M>,
    /// Orders, where the plan may give some.
    orders: Option<Inbox<Order<M>>>,
}

impl<M: Member> Slot<M> {
    /// A slot that one member has for the whole run.
    pub(super) const fn of(member: M) -> Self {
        Self { member: Some(member), orders: None }
    }

    /// A slot whose member may be replaced, and where to send orders.
    pub(super) fn open(member: M) -> (Self, Sender<Order<M>>) {
        let (send, orders) = channel();
        (Self { member: Some(member), orders: Some(orders) }, send)
    }

    fn obey(&mut self, order: Order<M>, sink: &mut dyn FnMut(&Delivery<'_>) -> Handled) {
        let done = match order {
            Order::Crash(done) => {
                let left = self.member.take().and_then(Member::crash);
                let _ = done.send(left);
                return;
            }
            Order::Leave(done) => {
                if let Some(member) = self.member.take() {
                    member.leave_or_refuse(sink);
                }
                done
            }
            Order::Succeed(member, done) => {
                self.member = Some(member);
                done
            }
        };
        // The one who gave the order may be gone.
        let _ = done.send(());
    }

    /// Carries out an order, or waits for one while the slot is empty. Returns the number of deliveries that were handed over.
    fn change(
        &mut self,
        order: Option<Order<M>>,
        wait: Duration,
        sink: &mut dyn FnMut(&Delivery<'_>) -> Handled,
    ) -> usize {
        let mut handed = 0;
        let mut counted = |delivery: &Delivery<'_>| {
            handed += 1;
            sink(delivery)
        };
        match order {
            Some(order) => self.obey(order, &mut counted),
            None => self.stay_empty(wait, &mut counted),
        }
        handed
    }

    /// Waits for an order while the slot is empty.
    fn stay_empty(&mut self, wait: Duration, sink: &mut dyn FnMut(&Delivery<'_>) -> Handled) {
        let order = match &self.orders {
            Some(orders) => orders.recv_timeout(wait),
            None => Err(RecvTimeoutError::Disconnected),
        };
        match order {
            Ok(order) => self.obey(order, sink),
            Err(RecvTimeoutError::Timeout) => {}
            // No successor will come.
            Err(RecvTimeoutError::Disconnected) => std::thread::sleep(wait),
        }
    }
}

impl<M: Member> Member for Slot<M> {
    fn receive(&mut self, wait: Duration, sink: &mut dyn FnMut(&Delivery<'_>)) -> Result<usize, BusError> {
        let order = self.orders.as_ref().map_or(Err(TryRecvError::Empty), Inbox::try_recv);
        if let (Err(_), Some(member)) = (&order, &mut self.member) {
            return member.receive(wait, sink);
        }
        let mut processed = |delivery: &Delivery<'_>| {
            sink(delivery);
            Handled::Processed
        };
        Ok(self.change(order.ok(), wait, &mut processed))
    }

    fn receive_or_refuse(
        &mut self,
        wait: Duration,
        sink: &mut dyn FnMut(&Delivery<'_>) -> Handled,
    ) -> Result<usize, BusError> {
        let order = self.orders.as_ref().map_or(Err(TryRecvError::Empty), Inbox::try_recv);
        if let (Err(_), Some(member)) = (&order, &mut self.member) {
            return member.receive_or_refuse(wait, sink);
        }
        Ok(self.change(order.ok(), wait, sink))
    }

    fn hold(&mut self) {
        if let Some(member) = &mut self.member {
            member.hold();
        }
    }
}

/// The orders of each slot, by group and member.
pub(super) type Orders<M> = Vec<Vec<Sender<Order<M>>>>;

/// Acts on the members of a run's groups, by their indices. Every method is bounded in time, and its error says what has not
/// been done.
pub(super) trait Staff: Send + Sync {
    /// Ends a member as by a crash; returns when its connection is closed.
    fn crash(&self, group: usize, member: usize) -> Result<(), String>;

    /// Ends members of a group in order, all at the same time; returns when they have ended.
    fn dismiss(&self, group: usize, members: &[usize]) -> Result<(), String>;

    /// Makes a member for an empty slot; returns when it is connected and has the slot.
    fn succeed(&self, group: usize, member: usize) -> Result<(), String>;
}

/// The members of a run on a bus that can make others in their slot.
pub(super) struct Roster<M> {
    orders: Orders<M>,
    successors: Successors<M>,
    /// Of each group, in the plan's order: they take note of crashes.
    signals: Vec<Arc<GroupSignals>>,
}

impl<M: Member> Roster<M> {
    pub(super) const fn new(
        orders: Orders<M>,
        successors: Successors<M>,
        signals: Vec<Arc<GroupSignals>>,
    ) -> Self {
        Self { orders, successors, signals }
    }

    /// Gives an order; the answer comes through what is returned.
    fn give<T>(
        &self,
        group: usize,
        member: usize,
        order: impl FnOnce(Sender<T>) -> Order<M>,
    ) -> Result<Inbox<T>, String> {
        let slot = self.orders.get(group).and_then(|slots| slots.get(member));
        let slot = slot.ok_or("the plan has no such member")?;
        let (done, answer) = channel();
        slot.send(order(done)).map_err(|_| "the member's thread has ended".to_owned())?;
        Ok(answer)
    }
}

/// Waits until an order is carried out.
fn done<T>(answer: &Inbox<T>, deadline: Instant) -> Result<T, String> {
    answer.recv_timeout(deadline.saturating_duration_since(Instant::now())).map_err(|error| {
        match error {
            RecvTimeoutError::Timeout => "the member does not end",
            RecvTimeoutError::Disconnected => "the member's thread has ended",
        }
        .to_owned()
    })
}

impl<M: Member> Staff for Roster<M> {
    fn crash(&self, group: usize, member: usize) -> Result<(), String> {
        let answer = self.give(group, member, Order::Crash)?;
        let left = done(&answer, Instant::now() + OBEYED_WITHIN)?;
        if let Some(signals) = self.signals.get(group) {
            signals.note_crash(Crash { member, left });
        }
        Ok(())
    }

    fn dismiss(&self, group: usize, members: &[usize]) -> Result<(), String> {
        let answers: Vec<_> = members.iter().map(|member| self.give(group, *member, Order::Leave)).collect();
        let deadline = Instant::now() + OBEYED_WITHIN;
        // All are waited for, also after one has failed.
        let ended: Vec<_> = answers.into_iter().map(|answer| done(&answer?, deadline)).collect();
        ended.into_iter().collect()
    }

    fn succeed(&self, group: usize, member: usize) -> Result<(), String> {
        let successor = (self.successors)(group, num::count32(member)).map_err(|error| error.to_string())?;
        let answer = self.give(group, member, |done| Order::Succeed(successor, done))?;
        done(&answer, Instant::now() + OBEYED_WITHIN)
    }
}

#[cfg(test)]
mod tests;
