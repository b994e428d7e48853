//! Figures that are measured: beside what can be computed, beside an independent witness, and of a starved tickgate.
//!
//! Each test takes the machine first, alone or beside others ([`support::machine`]). Those that have it alone are in modules
//! named `alone`: `scripts/test.sh` runs them first, since each change between the two kinds waits for all that run.

mod allocations;
mod faults;
#[cfg(feature = "kafka")]
mod kafka_faults;
mod proxy;
mod starved;
#[path = "../support/mod.rs"]
mod support;
mod witness;
