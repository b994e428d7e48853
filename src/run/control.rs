//! The control side of the bus, on a thread of its own: it asks the broker for its figures each second,
//! collects marks, reads the store back and removes the streams of the run, so that the engine never waits for
//! a broker that does not answer.

use std::sync::mpsc::{Receiver as Inbox, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::bus::{Bus, BusError, BusSample, Mark};
use crate::host::clock::Clock;
use crate::market::RunIdentity;
use crate::plan::{Ns, Plan};

use super::audit::read_back;
use super::receiver::Stored;

/// A request to the control thread.
enum Order {
    Audit { within: Duration, stored: Box<Stored>, run: RunIdentity, epoch_unix_ns: u64 },
    Observe,
    Teardown,
}

/// An answer of the control thread.
pub(super) enum Reply {
    Audited {
        stored: Box<Stored>,
        result: Result<bool, BusError>,
        took: Duration,
    },
    /// The store gives no evidence of losses, for this reason.
    Unaudited(String),
    Observed,
    TornDown(Result<(), BusError>),
}

/// What the thread has seen since the last look.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// The newest figures of the broker.
    pub(super) newest: Option<Newest>,
    /// Marks, in the order of their arrival.
    pub(super) marks: Vec<Mark>,
    /// The error of the last request, if the broker did not answer it.
    pub(super) silent: Option<String>,
    /// What the broker has refused for good.
    pub(super) denied: Option<String>,
}

/// The broker's figures, and since when they have been unchanged.
#[derive(Debug, Clone)]
pub(super) struct Newest {
    pub(super) sample: BusSample,
    /// When the broker was asked for them.
    pub(super) asked: Ns,
    /// For each group, since when the broker has reported the same figures without a gap in its answers.
    same_since: Vec<Ns>,
    /// The longest time until the broker redelivers an event.
    again_within: Ns,
}

impl Newest {
    fn after(before: Option<&Self>, sample: BusSample, asked: Ns, again_within: Ns) -> Self {
        let same = |group: usize| {
            let before = before?;
            let figures = |s: &BusSample| (s.owed.get(group).copied(), s.pending.get(group).copied());
            (figures(&before.sample) == figures(&sample))
                .then(|| before.same_since.get(group).copied())
                .flatten()
        };
        let same_since = (0..sample.owed.len()).map(|group| same(group).unwrap_or(asked)).collect();
        Self { sample, asked, same_since, again_within }
    }

    /// What each group is still owed at `now`: unacknowledged events are no longer expected once every
    /// redelivery has had its time and none came.
    pub(super) fn owed(&self, now: Ns) -> Vec<u64> {
        let of = |(group, owed): (usize, &u64)| {
            let pending = self.sample.pending.get(group).copied().unwrap_or(0);
            let since = self.same_since.get(group).copied().unwrap_or(now);
            if now.saturating_sub(since) > self.again_within { pending } else { *owed }
        };
        self.sample.owed.iter().enumerate().map(of).collect()
    }
}

/// The engine's handle on the control thread.
pub(super) struct Control {
    orders: Sender<Order>,
    pub(super) replies: Inbox<Reply>,
    seen: Arc<Mutex<Seen>>,
    thread: Option<JoinHandle<()>>,
}

const MARKS_EVERY: Duration = Duration::from_millis(100);
const OBSERVE_EVERY: Duration = Duration::from_secs(1);

impl Control {
    /// `again_within` is the longest time until the broker redelivers an event.
    pub(super) fn start<B: Bus + Send + 'static>(
        mut bus: B,
        clock: Clock,
        again_within: Ns,
    ) -> std::io::Result<Self> {
        let (orders, inbox) = channel();
        let (answer, replies) = channel();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let shared = Arc::clone(&seen);
        let thread = std::thread::Builder::new()
            .name("control".into())
            .spawn(move || serve(&mut bus, &inbox, &answer, &shared, clock, again_within))?;
        Ok(Self { orders, replies, seen, thread: Some(thread) })
    }

    /// Takes the marks and the newest figures.
    pub(super) fn look(&self) -> Seen {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        Seen {
            marks: std::mem::take(&mut seen.marks),
            newest: seen.newest.clone(),
            silent: seen.silent.clone(),
            denied: seen.denied.clone(),
        }
    }

    /// The newest figures of the broker.
    pub(super) fn newest(&self) -> Option<Newest> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).newest.clone()
    }

    /// Asks the broker for its figures now; the reply says that they are in.
    pub(super) fn observe(&self) {
        let _ = self.orders.send(Order::Observe);
    }

    /// Starts the audit; the reply arrives through `replies`.
    pub(super) fn audit(&self, plan: &Plan, run: RunIdentity, epoch_unix_ns: u64, within: Duration) {
        let stored = Box::new(Stored::new(plan));
        // A dead thread has dropped its end; its missing reply shows it.
        let _ = self.orders.send(Order::Audit { within, stored, run, epoch_unix_ns });
    }

    /// Removes the streams of the run; the reply arrives through `replies`.
    pub(super) fn teardown(&self) {
        let _ = self.orders.send(Order::Teardown);
    }

    pub(super) fn alive(&self) -> bool {
        self.thread.as_ref().is_some_and(|thread| !thread.is_finished())
    }

    /// Ends the thread and waits for it, unless it hangs in a call to the broker; returns the last marks.
    pub(super) fn end(&mut self, within: Duration) -> Vec<Mark> {
        let Self { orders, thread, .. } = self;
        let (closed, _) = channel();
        *orders = closed;
        let until = Instant::now() + within;
        if let Some(thread) = thread.take() {
            while !thread.is_finished() && Instant::now() < until {
                std::thread::sleep(Duration::from_millis(5));
            }
            if thread.is_finished() {
                let _ = thread.join();
            }
        }
        self.look().marks
    }
}

fn serve<B: Bus>(
    bus: &mut B,
    orders: &Inbox<Order>,
    replies: &Sender<Reply>,
    seen: &Mutex<Seen>,
    clock: Clock,
    again_within: Ns,
) {
    let mut observe_at = Instant::now();
    loop {
        let order = orders.recv_timeout(MARKS_EVERY);
        let ending = matches!(order, Err(RecvTimeoutError::Disconnected));
        let wanted = matches!(order, Ok(Order::Observe)) || (Instant::now() >= observe_at && !ending);
        let asked = clock.now();
        let observed = wanted.then(|| {
            observe_at = Instant::now() + OBSERVE_EVERY;
            bus.observe()
        });
        {
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            bus.marks(&mut seen.marks);
            if seen.denied.is_none() {
                seen.denied = bus.denied().map(|denied| denied.to_string());
            }
            match observed {
                Some(Ok(sample)) => {
                    let before = seen.newest.as_ref().filter(|_| seen.silent.is_none());
                    seen.newest = Some(Newest::after(before, sample, asked, again_within));
                    seen.silent = None;
                }
                Some(Err(error)) => seen.silent = Some(error.to_string()),
                None => {}
            }
        }
        let reply = match order {
            Ok(Order::Audit { within, mut stored, run, epoch_unix_ns }) => {
                let started = Instant::now();
                if let Ok(Some(why)) = bus.unaudited() {
                    Reply::Unaudited(why)
                } else {
                    let result = read_back(bus, within, &mut stored, &run, epoch_unix_ns);
                    Reply::Audited { stored, result, took: started.elapsed() }
                }
            }
            Ok(Order::Observe) => Reply::Observed,
            Ok(Order::Teardown) => Reply::TornDown(bus.teardown()),
            Err(RecvTimeoutError::Timeout) => continue,
            Err(RecvTimeoutError::Disconnected) => return,
        };
        if replies.send(reply).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unacknowledged_events_are_owed_until_every_redelivery_has_had_its_time() {
        let sample = |pending: u64, owed: u64| BusSample {
            pending: vec![pending],
            owed: vec![owed],
            ..BusSample::default()
        };
        let first = Newest::after(None, sample(2, 5), 10, 100);
        let second = Newest::after(Some(&first), sample(2, 5), 60, 100);
        assert_eq!(
            [second.owed(110), second.owed(111)],
            [[5], [2]],
            "the broker has reported the same since 10"
        );
        let moved = Newest::after(Some(&second), sample(1, 5), 100, 100);
        assert_eq!(moved.owed(150), [5], "something was delivered");
        let after_a_pause = Newest::after(None, sample(2, 5), 100, 100);
        assert_eq!(after_a_pause.owed(150), [5]);
    }
}
