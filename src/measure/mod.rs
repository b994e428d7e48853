//! The measurements of a run: times in histograms and windows, and the account of every event.
//!
//! Everything here is arithmetic on reported values; nothing reads a clock or knows a bus.

mod backlog;
mod copies;
mod cut;
mod decode;
mod excess;
mod full;
mod histogram;
mod ledger;
mod limit;
mod merge;
mod outage;
mod positions;
mod publish;
mod ranges;
mod recovery;
mod replay;
mod settle;
mod so_far;
mod store;
mod timeline;
mod windows;

pub use backlog::{Backlog, Step};
pub use copies::{Copies, Held};
pub use cut::Cut;
pub use decode::decode;
pub use excess::{Excess, Excused, Harness, Lateness, Pauses, Seconds, Usage, slot_of};
pub use full::FullWindow;
pub use histogram::{HIGHEST_NS, HistogramError, Latency, Summary, encode, sum};
pub use ledger::{Deliveries, Fate, GroupLedger, Trouble};
pub use limit::{Limit, Tally, rank};
pub use merge::Merger;
pub use outage::{
    Answers, Confirmations, Down, FirstDeliveries, GroupSide, Slots, Topics, WINDOW_NS,
    bytes as outage_bytes, topics_of,
};
pub use positions::{Known, Positions};
pub use publish::{PublishLedger, Published};
pub use ranges::{Ranges, Stretch};
pub use recovery::{Recovery, Watched, mark_backlog, recovery};
pub use replay::{Compared, Wanted, compare};
pub use settle::{LostRange, MAX_RANGES, Missing, Settled, settle};
pub use so_far::{Counted, Counters, Reach};
pub use store::{Audit, StoreLedger, audit};
pub use timeline::{GeneratorInterval, GroupInterval, Limits, Times};
pub use windows::{Due, Met, Windows};
