//! The engine: takes a plan and a bus through the phases of a run, and gives back its record.
//!
//! Generators and receivers are written as steps (`fire`, `absorb`, `take`) that know no thread and no waiting;
//! `workers` drives them on OS threads in real time. What happens is told to observers as [`Event`]s, the only
//! interface between the engine and whoever shows or keeps progress.

mod assemble;
mod engine;
mod crew;
mod drift;
mod events;
mod explain;
mod generator;
mod identity;
mod keeper;
mod machine;
mod marks;
pub mod memory;
mod prepare;
mod pump;
mod ready;
mod receiver;
mod rows;
mod shared;
pub mod simulated;
mod volume;
mod watched;
mod workers;

pub use engine::{Alive, Broker, Job, Options, RunError, run};
pub use events::{Event, Observer};
pub use identity::Identity;
pub use volume::volume_bytes;
