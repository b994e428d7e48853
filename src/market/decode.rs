//! Decoding: identifies the run of an event, reads its probe, and checks its content against its seal.

use super::Form;
use super::format::{Content, Format};
use super::own::Own;
use super::probe::{Probe, READINESS_SYMBOL, RUN_TAG_MASK};
use crate::num;
use crate::plan::Plan;

/// The fields by which a run recognises its own events.
#[derive(Debug, Clone)]
pub struct RunIdentity {
    /// Tag of the run, 12 bits.
    pub run_tag: u16,
    /// Number of topics in the plan.
    pub topics: u32,
    /// Number of symbols in the plan.
    pub symbols: u32,
    /// Earliest intended time in the run, nanoseconds since 1970.
    pub from_unix_ns: u64,
    /// Latest intended time, with a generous margin: an event beyond it is foreign.
    pub until_unix_ns: u64,
    /// How its events look.
    pub form: Form,
}

/// Largest difference between the time in an id and the exact time, in nanoseconds.
const ROUNDING_NS: u64 = 123;

impl RunIdentity {
    /// The identity of a run of this plan.
    #[must_use]
    pub fn new(plan: &Plan, run_tag: u16, from_unix_ns: u64, until_unix_ns: u64) -> Self {
        let topics = num::count32(plan.topology.topics.len());
        let (symbols, form) = (plan.market.symbols, Form::of(plan));
        Self { run_tag, topics, symbols, from_unix_ns, until_unix_ns, form }
    }

    /// The probe of an id, if it is of this run.
    fn probe(&self, id: &[u8; 16]) -> Option<Probe> {
        let probe = Probe::of_id(id)?;
        let tags = probe.run_tag == self.run_tag & RUN_TAG_MASK && u32::from(probe.topic) < self.topics;
        (tags && (probe.symbol == READINESS_SYMBOL || self.spans(&probe))).then_some(probe)
    }

    /// Are its symbol and time within this run?
    fn spans(&self, probe: &Probe) -> bool {
        let from = self.from_unix_ns.saturating_sub(ROUNDING_NS);
        let until = self.until_unix_ns.saturating_add(ROUNDING_NS);
        u32::from(probe.symbol) < self.symbols && (from..=until).contains(&probe.intended_unix_ns)
    }
}

/// The result of decoding bytes from a bus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decoded {
    /// An event of this run, byte for byte as it was encoded.
    Ours(Probe),
    /// An event of this run that another program has parsed and re-serialised (in JSON: another order of
    /// members, other white space). Its id, its seal's form and its outer structure are right; its content
    /// cannot be checked, since the seal is over the original bytes.
    Unverified(Probe),
    /// The id is of this run, but the content does not match the seal. If the damage is in the id itself, the
    /// probe is one that was never sent.
    Corrupt(Probe),
    /// A readiness event of this run, sent at any time.
    Readiness {
        /// Index of the topic.
        topic: u8,
        /// The low 29 bits of the sender's nonce.
        nonce: u32,
    },
    /// Not of this run: not a tickgate event, or another run's tag, a time outside the run, an unknown topic or
    /// symbol.
    Foreign,
}

/// Decodes bytes from a bus.
#[inline]
pub(super) fn decode<F: Format>(bytes: &[u8], run: &RunIdentity) -> Decoded {
    F::read(bytes, |id| run.probe(id)).map_or(Decoded::Foreign, |(probe, content)| judge(probe, content))
}

/// The same of events in a format of the user's own.
pub(super) fn decode_own(bytes: &[u8], run: &RunIdentity, own: &Own) -> Decoded {
    own.read(bytes, |id| run.probe(id)).map_or(Decoded::Foreign, |(probe, content)| judge(probe, content))
}

const fn judge(probe: Probe, content: Content) -> Decoded {
    match (probe.symbol, content) {
        // A damaged readiness event has no key in any ledger.
        (READINESS_SYMBOL, Content::Damaged) => Decoded::Foreign,
        (READINESS_SYMBOL, _) => Decoded::Readiness { topic: probe.topic, nonce: probe.sequence },
        (_, Content::Sealed) => Decoded::Ours(probe),
        (_, Content::Rewritten) => Decoded::Unverified(probe),
        (_, Content::Damaged) => Decoded::Corrupt(probe),
    }
}

#[cfg(test)]
mod tests;
