//! The engine: takes a plan and a bus through the phases of a run and returns its record.
//!
//! Generators and receivers are written as steps (`fire`, `absorb`, `take`) without threads or waiting;
//! `workers` drives them on OS threads in real time. The engine reports its progress as [`Event`]s to
//! observers, and through nothing else.

mod agenda;
mod assemble;
mod audit;
mod broker_watch;
mod by_fault;
mod by_step;
mod control;
mod crew;
mod dead_letters;
mod ending;
mod engine;
mod events;
mod explain;
mod faults;
mod generator;
mod given_up;
mod identity;
mod job;
mod log;
mod machine;
mod marks;
pub mod memory;
mod parts;
mod poison;
mod prepare;
mod ready;
mod receiver;
mod replay;
mod rows;
mod slot;
mod shared;
pub mod simulated;
mod supervisor;
mod takeover;
mod threads;
mod workers;

pub use crate::load::volume_bytes;
pub use agenda::{Action, Agenda, LastResort};
pub use engine::{run, run_with_agenda};
pub use events::{Event, Observer};
pub use identity::Identity;
pub use job::{Alive, Broker, Died, Entrances, Job, Options, RunError, StepDown};

#[cfg(test)]
mod tests;
