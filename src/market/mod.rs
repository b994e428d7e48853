//! The synthetic market: deterministic events in the envelope of ADR-002, and their decoding.
//!
//! Pure arithmetic over bytes, without a clock or a bus. An event is written field by field through a format;
//! JSON is the only one, and this file is the only place that selects it. Encoding builds no value tree and, in
//! steady state, does not allocate; decoding never panics, whatever the bytes.

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

/// Writes a readiness event into `into` and returns its id. The engine sends it before the warm-up to check
/// that a topic's path is open. It carries [`READINESS_SYMBOL`] and the low 29 bits of `nonce`.
pub fn encode_readiness(
    into: &mut Vec<u8>,
    run_tag: u16,
    topic: u8,
    nonce: u32,
    intended_unix_ns: u64,
) -> EventId {
    encode::encode_readiness::<Json>(into, run_tag, topic, nonce, intended_unix_ns)
}

/// Decodes bytes from a bus.
#[must_use]
pub fn decode(bytes: &[u8], run: &RunIdentity) -> Decoded {
    decode::decode::<Json>(bytes, run)
}

/// Writes a damaged copy of an event into `into`: with a changed byte outside its id, or truncated. `bits`
/// select the damage.
pub fn damage(event: &[u8], bits: u64, into: &mut Vec<u8>) {
    tamper::damage::<Json>(event, bits, into);
}

/// Returns a message that another program might publish beside an event: text, an event of another system, or
/// one of another run; `bits` select which.
#[must_use]
pub fn foreign(event: &[u8], bits: u64) -> Vec<u8> {
    tamper::foreign::<Json>(event, bits)
}
