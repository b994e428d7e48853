//! Does tickgate measure right? Simulated runs whose figures are known, by arithmetic or from an oracle, with what the
//! record says of them.
//!
//! It starts simulated runs and reads their records; no run depends on it.

pub mod known;
pub mod oracle;
pub mod swarm;
