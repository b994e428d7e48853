//! Checks that tickgate measures right: simulated runs whose figures are known, by arithmetic or from an
//! oracle, compared with their records.
//!
//! It starts simulated runs and reads their records; no run depends on it.

pub mod known;
pub mod nights;
pub mod oracle;
pub mod recovery;
pub mod searches;
pub mod swarm;
