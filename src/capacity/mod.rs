//! The search for the capacity of a bus: the highest rate that still meets the objectives.
//!
//! A *trial* is one run of the profile at one rate, with a fresh broker and events of its own; it passes or does not. The
//! *capacity* is the rate at which a trial passes as often as not, as a posterior median with a 95 % interval; the *floor* is a
//! rate at which fresh trials in a row passed, the *ceiling* one at which they did not. All of it is about this machine, in
//! this session.

mod account;
mod again;
mod answer;
mod at;
mod beside;
mod conclude;
mod counts;
mod design;
mod knee;
mod outcome;
mod plan;
mod posterior;
mod search;
mod trial;
mod words;

pub use account::{About, BillAt, Capacity, Cost, First, Growth, Resource, Target, Use};
pub use again::contradiction;
pub use answer::{Answer, Bound, Ended, Estimate, Point, answer};
pub use at::{At, FEWEST_PASSES, MOST_TRIALS};
pub use beside::{Apart, Beside, beside};
pub use conclude::{Inputs, conclude};
pub use counts::{Count, by_rate};
pub use design::{Design, FEWEST_NARROWING};
pub use knee::knee;
pub use plan::{Highest, Purpose, beyond, highest_rate, lowest_rate, refusal, trial_plan};
pub use search::{Next, Search, Step, next};
pub use trial::{Figures, Limit, Outcome, Stage, Trial};
pub use words::minutes;

/// The schema that this version writes.
pub const SCHEMA: &str = "tickgate.capacity/1";
/// Its family.
pub const SCHEMA_FAMILY: &str = "tickgate.capacity";
/// The newest version.
pub const SCHEMA_VERSION: u32 = 1;
/// Version of the rules.
pub const RULES: u32 = 1;
