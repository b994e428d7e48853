//! The synthetic market: deterministic events in the envelope of ADR-002, and what is read back from them.
//!
//! Pure arithmetic over bytes: it knows no clock and no bus. An event is written field by field to a format, of which JSON is
//! the one there is, and this file the only place that chooses it. It is encoded without a value tree and, in steady
//! state, without an allocation; decoding never panics, whatever the bytes.

mod decode;
mod encode;
mod format;
mod json;
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
pub use probe::{
    EventId, MAX_SEQUENCE, MAX_SYMBOLS, MAX_TOPICS, Probe, READINESS_SYMBOL, RUN_TAG_MASK, on_the_grid,
    parse_id, write_id,
};
pub use symbols::{Instrument, instruments, names};

use json::Json;

/// The market in the format that runs use.
pub type Market = encode::Encoder<Json>;

/// Writes a readiness event into `into` and gives its id: what the engine sends before the warm-up to see that a
/// topic's path is open. It bears [`READINESS_SYMBOL`] and the low 29 bits of `nonce`.
pub fn encode_readiness(
    into: &mut Vec<u8>,
    run_tag: u16,
    topic: u8,
    nonce: u32,
    intended_unix_ns: u64,
) -> EventId {
    encode::encode_readiness::<Json>(into, run_tag, topic, nonce, intended_unix_ns)
}

/// Decodes what came off a bus.
#[must_use]
pub fn decode(bytes: &[u8], run: &RunIdentity) -> Decoded {
    decode::decode::<Json>(bytes, run)
}

/// Writes a copy of an event into `into`, damaged anywhere but in its id: a changed byte, or a lost end. `bits` choose
/// the damage.
pub fn damage(event: &[u8], bits: u64, into: &mut Vec<u8>) {
    tamper::damage::<Json>(event, bits, into);
}

/// What another program might publish beside an event: text, an event of another system, or one of another run; `bits`
/// choose which.
#[must_use]
pub fn foreign(event: &[u8], bits: u64) -> Vec<u8> {
    tamper::foreign::<Json>(event, bits)
}
