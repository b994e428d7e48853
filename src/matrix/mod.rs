//! Configurations under faults, several runs of each: how many confirmed events each loses, how long it is away, and whether what
//! its acknowledgements promised was kept.
//!
//! A [`Cell`] is a configuration under a fault. Its figures follow from its [`Trial`]s alone. A cell that no run has tested says so,
//! and never shows a figure: 0 lost events is a result, and *not tested* is none.

mod account;
mod again;
mod conclude;
mod design;
mod promise;
#[cfg(test)]
mod tests;
mod trial;

pub use account::{About, Cell, Judgement, Matrix, Spread, State};
pub use again::contradiction;
pub use conclude::{Inputs, conclude};
pub use design::{Design, Expect, Next, Planned, next, turns};
pub use promise::{POWER_LOSS, Pledge, Promise, pledge};
pub use trial::{Outcome, Subject, Trial};

/// The schema of the account.
pub const SCHEMA: &str = "tickgate.matrix/1";
/// Its family.
pub const SCHEMA_FAMILY: &str = "tickgate.matrix";
/// The newest version.
pub const SCHEMA_VERSION: u32 = 1;

/// Version of the rules: it changes with every change that can lead to another verdict.
pub const RULES: u32 = 1;
