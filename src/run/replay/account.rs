//! What a replay returns, event by event: entered in a ledger of its own, and timed.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::bus::{Delivery, ReplaySink};
use crate::market::RunIdentity;
use crate::measure::StoreLedger;
use crate::num;
use crate::plan::{Keys, Ns, Plan};
use crate::run::dead_letters::DeadLetterTopics;
use crate::run::receiver::{Seen, read_any};
use crate::run::shared::Switches;

/// Reads the run's clock.
pub(in crate::run) type Now = Arc<dyn Fn() -> Ns + Send + Sync>;

/// The account of a replay.
pub(in crate::run) struct Account {
    number: usize,
    keys: Keys,
    run: RunIdentity,
    epoch_unix_ns: u64,
    switches: Arc<Switches>,
    now: Now,
    dead_letters: Option<Arc<DeadLetterTopics>>,
    pub(in crate::run) ledger: StoreLedger,
    /// Events of the load, corrupt and foreign ones included.
    pub(in crate::run) events: u64,
    pub(in crate::run) corrupt: u64,
    pub(in crate::run) foreign: u64,
    /// When its end was fixed.
    pub(in crate::run) opened: Option<Ns>,
    /// When the first and the last event were received, and when they were stored.
    pub(in crate::run) first: Option<(Ns, u64)>,
    pub(in crate::run) last: Option<(Ns, u64)>,
    /// The sum of the differences between neighbours' pauses as received and as stored.
    pub(in crate::run) drift_ns: u64,
}

impl Account {
    pub(in crate::run) fn new(
        plan: &Plan,
        number: usize,
        run: RunIdentity,
        epoch_unix_ns: u64,
        switches: &Arc<Switches>,
        now: Now,
    ) -> Self {
        Self {
            number,
            keys: plan.keys(),
            run,
            epoch_unix_ns,
            switches: Arc::clone(switches),
            now,
            dead_letters: DeadLetterTopics::of_plan(plan),
            ledger: StoreLedger::new(plan.keys().count()),
            events: 0,
            corrupt: 0,
            foreign: 0,
            opened: None,
            first: None,
            last: None,
            drift_ns: 0,
        }
    }

    /// Enters the times of an event.
    fn time(&mut self, received: Ns, stored: u64) {
        if let Some((before, stored_before)) = self.last
            && stored > 0
        {
            let pause = num::difference(received, before);
            let original = num::difference(stored, stored_before);
            self.drift_ns = self.drift_ns.saturating_add(pause.abs_diff(original));
        }
        self.first.get_or_insert((received, stored));
        self.last = Some((received, stored));
    }
}

impl ReplaySink for Account {
    fn opened(&mut self) {
        self.opened = Some((self.now)());
        // After the end of the replay was fixed, and before anything that is sent from now on.
        self.switches.opened.fetch_or(1 << self.number, Ordering::Release);
    }

    fn event(&mut self, delivery: &Delivery<'_>, stored_unix_ns: u64) {
        let reading = read_any(delivery, &self.run, self.epoch_unix_ns, self.dead_letters.as_deref());
        // Neither is an event of the load.
        if let Seen::Readiness { .. } | Seen::DeadLetter { .. } = reading.seen {
            return;
        }
        self.time(delivery.received, stored_unix_ns);
        self.events += 1;
        match reading.seen {
            Seen::Ours { topic, symbol, sequence, .. } => {
                let key = self.keys.key(usize::from(topic), usize::from(symbol));
                self.ledger.store(key, sequence, reading.received);
            }
            Seen::Corrupt => self.corrupt += 1,
            Seen::Foreign => self.foreign += 1,
            Seen::Readiness { .. } | Seen::DeadLetter { .. } => {}
        }
    }
}
