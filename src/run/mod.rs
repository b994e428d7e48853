//! The engine: takes a plan and a bus through the phases of a run, and gives back its record.
//!
//! Generators and receivers are written as steps (`fire`, `absorb`, `take`) that know no thread and no waiting;
//! `workers` drives them on OS threads in real time. Observers receive what happens as [`Event`]s, the only
//! interface between the engine and whoever shows or keeps progress.

mod agenda;
mod assemble;
mod broker_watch;
mod control;
mod crew;
mod ending;
mod engine;
mod events;
mod explain;
mod generator;
mod identity;
mod job;
mod log;
mod machine;
mod marks;
pub mod memory;
mod parts;
mod prepare;
mod ready;
mod receiver;
mod rows;
mod shared;
pub mod simulated;
mod supervisor;
mod threads;
mod workers;

pub use crate::load::volume_bytes;
pub use agenda::{Action, Agenda};
pub use engine::{run, run_with_agenda};
pub use events::{Event, Observer};
pub use identity::Identity;
pub use job::{Alive, Broker, Job, Options, RunError};

#[cfg(test)]
mod tests;
