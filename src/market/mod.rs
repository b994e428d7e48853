//! The synthetic market: deterministic events in the envelope of ADR-002, and what is read back from them.
//!
//! Pure arithmetic over bytes: it knows no clock and no bus. An event is encoded without a value tree and,
//! in steady state, without an allocation; decoding never panics, whatever the bytes.

mod decode;
mod encode;
mod envelope;
mod payload;
mod probe;
mod random;
mod scan;
mod symbols;
mod text;
mod topics;
mod walk;

pub use decode::{Decoded, RunIdentity, decode};
pub use encode::{Market, encode_readiness};
pub use envelope::{EVENT_ID, event_id};
pub use probe::{
    MAX_SEQUENCE, MAX_SYMBOLS, MAX_TOPICS, Probe, READINESS_SYMBOL, RUN_TAG_MASK, on_the_grid, parse_id,
    write_id,
};
pub use symbols::{Instrument, instruments, names};
