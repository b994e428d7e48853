//! Watches the broker of a run: does it live, does it answer, is its store full? The control side of the bus belongs to it.

use crate::broker::StoreWatch;
use crate::bus::BusSample;
use crate::num;
use crate::plan::Ns;
use crate::record::{End, Mark, STORE_FULL};

use super::control::Control;
use super::job::Broker;
use super::log::RunLog;

pub(super) struct BrokerWatch {
    pub(super) control: Control,
    broker: Broker,
    dead: Option<String>,
    /// Of a broker of our own: does its log say that its store is full?
    store: Option<StoreWatch>,
    /// Since when the broker does not answer, and what was said.
    silent: Option<(Ns, String)>,
}

impl BrokerWatch {
    pub(super) fn new(mut broker: Broker, control: Control) -> Self {
        let store = broker.log.take().map(StoreWatch::new);
        Self { control, broker, dead: None, store, silent: None }
    }

    /// Why the broker is dead, or as good as dead.
    pub(super) fn death(&self) -> Option<&str> {
        self.dead.as_deref()
    }

    /// Why the broker counts as failed, if it does not answer now.
    pub(super) fn silence(&self) -> Option<String> {
        let (since, why) = self.silent.as_ref()?;
        let at = num::f64_of(*since) / 1e9;
        Some(format!(
            "the broker at {} stopped answering {at:.1} s into the run and has not come back ({why})",
            self.broker.record.address
        ))
    }

    /// Looks what the control side has seen, and whether the broker lives.
    pub(super) fn look(&mut self, now: Ns, log: &mut RunLog<'_, '_>) {
        let seen = self.control.look();
        for mark in seen.marks {
            log.keep(Mark { at_ns: mark.at, kind: mark.kind.to_owned(), detail: mark.detail });
        }
        match (seen.silent, self.silent.is_some()) {
            (Some(why), false) => {
                log.mark(now, "broker-silent", &why);
                self.silent = Some((now, why));
            }
            (None, true) => {
                self.silent = None;
                log.mark(now, "broker-answers", "the broker answers again");
            }
            _ => {}
        }
        if self.dead.is_none()
            && let Some(why) = self.broker.death()
        {
            log.mark(now, "broker-died", &why);
            self.dead = Some(why);
        }
    }

    /// A broker whose store is full takes nothing any more: to the run it is as good as dead.
    pub(super) fn look_at_the_store(&mut self, now: Ns, log: &mut RunLog<'_, '_>) {
        let Some(said) = self.store.as_mut().and_then(StoreWatch::full) else { return };
        self.store = None;
        log.mark(now, STORE_FULL, &said);
        let why = format!(
            "the broker's store is full: it said `{said}`; make room, or name another directory with --store"
        );
        log.ends_as(End::BrokerFailed, &why);
        self.dead.get_or_insert(why);
    }

    /// Bytes in the store, by the broker's newest account.
    pub(super) fn stored_bytes(&self) -> Option<u64> {
        self.control.newest().and_then(|newest| newest.sample.stored_bytes.or(newest.sample.disk_bytes))
    }

    /// The broker's newest figures, if they were asked for after a moment.
    pub(super) fn account_since(&self, moment: Ns) -> Option<BusSample> {
        self.control.newest().filter(|newest| newest.asked >= moment).map(|newest| newest.sample)
    }

    /// What the broker owes each group by its newest account.
    pub(super) fn still_owed(&self, now: Ns) -> Vec<u64> {
        self.control.newest().map_or_else(Vec::new, |newest| newest.owed(now))
    }
}
