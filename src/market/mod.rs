//! The synthetic market: deterministic events in the envelope of ADR-002, and their decoding.
//!
//! Pure arithmetic over bytes, without a clock or a bus. An event is written field by field through a format;
//! JSON is the only one, and this file is the only place that selects it. Encoding builds no value tree and, in
//! steady state, does not allocate; decoding never panics, whatever the bytes.

mod decode;
mod encode;
mod format;
mod json;
mod own;
mod padding;
mod payload;
mod probe;
mod random;
mod seal;
mod symbols;
#[cfg(test)]
mod tagged;
mod tamper;
mod topics;
mod walk;

pub use decode::{Decoded, RunIdentity};
pub use own::{Fault, check_sample, check_template, holds_padding, sample_bytes};
pub use probe::{
    EventId, MAX_SEQUENCE, MAX_SYMBOLS, MAX_TOPICS, Probe, READINESS_SYMBOL, RUN_TAG_MASK, on_the_grid,
    parse_id, write_id,
};
pub use symbols::{Instrument, instruments, names};

use std::sync::Arc;

use crate::plan::Plan;
use format::Format;
use json::Json;
use own::Own;

/// The market of one generator, in the format of a plan.
#[derive(Debug, Clone)]
pub struct Market(Encoding);

#[derive(Debug, Clone)]
enum Encoding {
    Envelope(encode::Encoder<Json>),
    Own(own::Encoder),
}

impl Market {
    /// The market of generator `first` of `of`; `(0, 1)` owns every symbol.
    ///
    /// What an event holds follows from the plan, the run tag and, in the envelope, the calls for its symbol before it: how
    /// symbols are split over generators changes nothing.
    #[must_use]
    pub fn new(plan: &Plan, run_tag: u16, first: u32, of: u32) -> Self {
        Self(match Form::of(plan).0 {
            None => Encoding::Envelope(encode::Encoder::new(plan, run_tag, first, of)),
            Some(own) => {
                Encoding::Own(own::Encoder { own, run_tag, first, of: of.max(1), id: EventId::default() })
            }
        })
    }

    /// Writes the next event of an owned symbol into `into`, replacing its content, and gives its id. `topic` is
    /// an index into the plan's topics, `sequence` counts the symbol's events within the topic, up to
    /// [`MAX_SEQUENCE`].
    ///
    /// A topic that the plan does not have, or a symbol that the market does not own, leaves `into` empty.
    #[inline]
    pub fn encode(
        &mut self,
        into: &mut Vec<u8>,
        topic: usize,
        symbol: u32,
        sequence: u32,
        intended_unix_ns: u64,
    ) -> Option<&EventId> {
        match &mut self.0 {
            Encoding::Envelope(market) => market.encode(into, topic, symbol, sequence, intended_unix_ns),
            Encoding::Own(market) => market.encode(into, topic, symbol, sequence, intended_unix_ns),
        }
    }
}

/// The format of a run's events: the ADR's envelope, or one of the user's own.
#[derive(Debug, Clone, Default)]
pub struct Form(Option<Arc<Own>>);

impl Form {
    /// The format of a plan.
    #[must_use]
    pub fn of(plan: &Plan) -> Self {
        Self(Own::of(plan).map(Arc::new))
    }

    /// Writes a readiness event into `into` and gives its id: what the engine sends before the warm-up to see that a
    /// topic's path is open. Its symbol is [`READINESS_SYMBOL`], its sequence the low 29 bits of `nonce`.
    pub fn encode_readiness(
        &self,
        into: &mut Vec<u8>,
        run_tag: u16,
        topic: u8,
        nonce: u32,
        intended_unix_ns: u64,
    ) -> EventId {
        let Some(own) = &self.0 else {
            return encode::encode_readiness::<Json>(into, run_tag, topic, nonce, intended_unix_ns);
        };
        let probe = Probe { run_tag, topic, symbol: READINESS_SYMBOL, sequence: nonce, intended_unix_ns };
        own.write(probe, into);
        Own::id(probe)
    }

    /// Writes a copy of an event into `into`, damaged anywhere but in its id: a changed byte, or a lost end. `bits` choose
    /// the damage.
    pub fn damage(&self, event: &[u8], bits: u64, into: &mut Vec<u8>) {
        let id = self.0.as_ref().map_or_else(|| Json::id_place(event), |own| own.id_place(event));
        tamper::damage(event, bits, id, into);
    }

    /// What another program might publish beside an event: text, an event of another system, or one of another run; `bits`
    /// choose which.
    #[must_use]
    pub fn foreign(&self, event: &[u8], bits: u64) -> Vec<u8> {
        let Some(own) = &self.0 else { return tamper::foreign::<Json>(event, bits) };
        tamper::stranger(event, bits, Own::FOREIGN_EVENT, |other| {
            if let Some((probe, _)) = own.read(event, Probe::of_id) {
                own.rename(other, Probe { run_tag: probe.run_tag ^ 1, ..probe });
            }
        })
    }
}

/// Returns a message that another program might publish beside an event: text, an event of another system, or
/// one of another run; `bits` select which.
#[must_use]
#[inline]
pub fn decode(bytes: &[u8], run: &RunIdentity) -> Decoded {
    match &run.form.0 {
        None => decode::decode::<Json>(bytes, run),
        Some(own) => decode::decode_own(bytes, run, own),
    }
}
