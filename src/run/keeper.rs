//! The keeper of the bus: a thread that owns its control side, asks the broker for its figures each second,
//! collects marks, and reads the store back, so that the engine never waits for a broker that does not answer.

use std::sync::mpsc::{Receiver as Inbox, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::bus::{Bus, BusError, BusSample, Mark};
use crate::market::RunIdentity;
use crate::plan::Plan;

use super::receiver::{Stored, read};

/// What the keeper may be asked.
enum Order {
    Audit { within: Duration, stored: Box<Stored>, run: RunIdentity, epoch_unix_ns: u64 },
    Observe,
    Teardown,
}

/// What it answers.
pub(super) enum Reply {
    Audited { stored: Box<Stored>, result: Result<bool, BusError>, took: Duration },
    Observed,
    TornDown(Result<(), BusError>),
}

/// What it has seen since it was last looked at.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// The newest figures of the broker.
    pub(super) sample: Option<BusSample>,
    /// Marks, in the order they were left.
    pub(super) marks: Vec<Mark>,
    /// Why the broker did not answer, if it did not the last time.
    pub(super) silent: Option<String>,
}

pub(super) struct Keeper {
    orders: Sender<Order>,
    pub(super) replies: Inbox<Reply>,
    seen: Arc<Mutex<Seen>>,
    thread: Option<JoinHandle<()>>,
}

const MARKS_EVERY: Duration = Duration::from_millis(100);
const OBSERVE_EVERY: Duration = Duration::from_secs(1);

impl Keeper {
    pub(super) fn start<B: Bus + Send + 'static>(mut bus: B) -> std::io::Result<Self> {
        let (orders, inbox) = channel();
        let (answer, replies) = channel();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let shared = Arc::clone(&seen);
        let thread = std::thread::Builder::new()
            .name("keeper".into())
            .spawn(move || keep(&mut bus, &inbox, &answer, &shared))?;
        Ok(Self { orders, replies, seen, thread: Some(thread) })
    }

    /// Takes the marks and the newest figures.
    pub(super) fn look(&self) -> Seen {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        Seen {
            marks: std::mem::take(&mut seen.marks),
            sample: seen.sample.clone(),
            silent: seen.silent.clone(),
        }
    }

    /// The newest figures of the broker.
    pub(super) fn newest(&self) -> Option<BusSample> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).sample.clone()
    }

    /// Asks the broker for its figures now; they are there when the reply is.
    pub(super) fn observe(&self) {
        let _ = self.orders.send(Order::Observe);
    }

    /// Starts the audit; the reply comes in `replies`.
    pub(super) fn audit(&self, plan: &Plan, run: RunIdentity, epoch_unix_ns: u64, within: Duration) {
        let stored = Box::new(Stored::new(plan));
        // A keeper that died has dropped its end; the missing reply tells.
        let _ = self.orders.send(Order::Audit { within, stored, run, epoch_unix_ns });
    }

    /// Removes what the run made; the reply comes in `replies`.
    pub(super) fn teardown(&self) {
        let _ = self.orders.send(Order::Teardown);
    }

    pub(super) fn alive(&self) -> bool {
        self.thread.as_ref().is_some_and(|thread| !thread.is_finished())
    }

    /// Ends the keeper, and waits for it unless it hangs in a call to the broker.
    pub(super) fn end(mut self, within: Duration) {
        let Self { orders, thread, .. } = &mut self;
        let (nobody, _) = channel();
        *orders = nobody;
        let until = Instant::now() + within;
        if let Some(thread) = thread.take() {
            while !thread.is_finished() && Instant::now() < until {
                std::thread::sleep(Duration::from_millis(5));
            }
            if thread.is_finished() {
                let _ = thread.join();
            }
        }
    }
}

fn keep<B: Bus>(bus: &mut B, orders: &Inbox<Order>, replies: &Sender<Reply>, seen: &Mutex<Seen>) {
    let mut observe_at = Instant::now();
    loop {
        let order = orders.recv_timeout(MARKS_EVERY);
        let wanted = matches!(order, Ok(Order::Observe)) || Instant::now() >= observe_at;
        let observed = wanted.then(|| {
            observe_at = Instant::now() + OBSERVE_EVERY;
            bus.observe()
        });
        {
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            bus.marks(&mut seen.marks);
            match observed {
                Some(Ok(sample)) => {
                    seen.sample = Some(sample);
                    seen.silent = None;
                }
                Some(Err(error)) => seen.silent = Some(error.to_string()),
                None => {}
            }
        }
        let reply = match order {
            Ok(Order::Audit { within, mut stored, run, epoch_unix_ns }) => {
                let started = Instant::now();
                let result =
                    bus.audit(within, &mut |delivery| stored.take(read(delivery, &run, epoch_unix_ns)));
                Reply::Audited { stored, result, took: started.elapsed() }
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
