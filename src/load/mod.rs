//! The load as arithmetic: when each event is due, and which topic and symbol it has.
//!
//! Everything here is a function of the plan alone; nothing reads a clock, sleeps or sends.

mod arrival;
mod curve;
mod parts;
mod pick;
mod planned;
mod random;
mod volume;

pub use arrival::{Due, Schedule, Totals, expected, split, totals};
pub use curve::{peak_rate, rate_at};
pub use parts::{OfferedParts, Part, PartKind, PartOffered, steps};
pub use pick::{Picker, busiest_share, shares};
pub use planned::{FASTEST, any_due, expected_by, expected_events, planned_rate, usual_generators};
pub use random::{random_jitter, random_start};
pub use volume::{LEAST_STORE, largest_event_bytes, usual_max_bytes, volume_bytes};
