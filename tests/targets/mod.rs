//! The laws of everything that is read from outside, each a function of some bytes.
//!
//! `tests/pure/laws.rs` runs them on seeds and on changed seeds, cargo-fuzz (`make fuzz`) for as long as one likes.

#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    reason = "for tests and for the fuzzer, which are to fail where a law is broken"
)]

mod conf;
mod event;
mod files;
#[cfg(feature = "kafka")]
mod kafka;
mod nats;
mod texts;

pub use conf::conf;
pub use event::event;
pub use files::{journal, journal_cut_at, record};
#[cfg(feature = "kafka")]
pub use kafka::{jaas, properties};
pub use nats::frames;
pub use texts::{model, objective, outside, pattern, profile};
