//! How much a plan will store.

use crate::load::{Picker, totals};
use crate::market::Market;
use crate::num;
use crate::plan::Plan;

/// Events that are encoded to find the mean size.
const SAMPLE: u64 = 2000;
/// What a broker's store adds to an event: record header, subject, checksum.
const OVERHEAD: u64 = 64;

/// Bytes that a run's events will take in the store, from the mean size of its first events; compression and
/// replicas are left out.
#[must_use]
pub fn volume_bytes(plan: &Plan) -> u64 {
    let totals = totals(&plan.load);
    let events = totals.warmup_events + totals.measure_events;
    let sample = events.min(SAMPLE);
    if sample == 0 {
        return 0;
    }
    let (picker, mut market) = (Picker::new(plan, 0), Market::new(plan, 0, 0, plan.load.generators));
    let mut event = Vec::new();
    let mut bytes = 0;
    for k in 0..sample {
        let (topic, symbol) = picker.pick(k);
        market.encode(&mut event, topic, symbol, num::low32(k), 1_700_000_000_000_000_000 + k);
        bytes += num::count(event.len()) + num::count(plan.topology.topics[topic].len()) + OVERHEAD;
    }
    num::u64_of(num::f64_of(bytes) / num::f64_of(sample) * num::f64_of(events))
}
