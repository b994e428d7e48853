//! How much a plan will store, and how large its events are.

use crate::load::{Picker, totals};
use crate::market::Market;
use crate::num;
use crate::plan::Plan;

/// Events that are encoded to find the mean size, and bytes that this may take: large events are padded, and all alike.
const SAMPLE: u64 = 2000;
const SAMPLE_BYTES: u64 = 64 << 20;
/// What a broker's store adds to an event: record header, subject, checksum.
const OVERHEAD: u64 = 64;

/// Bytes that a run's events will take in the store, from the mean size of its first events; compression and
/// replicas are left out.
#[must_use]
pub fn volume_bytes(plan: &Plan) -> u64 {
    let totals = totals(&plan.load);
    let sizes = sizes(plan);
    if sizes.is_empty() {
        return 0;
    }
    let stored =
        |&(topic, size): &(usize, u64)| size + num::count(plan.topology.topics[topic].len()) + OVERHEAD;
    let bytes: u64 = sizes.iter().map(stored).sum();
    let events = totals.warmup_events + totals.measure_events;
    num::u64_of(num::f64_of(bytes) / num::f64_of(num::count(sizes.len())) * num::f64_of(events))
}

/// Bytes of the largest of a run's first events.
pub(super) fn largest_event_bytes(plan: &Plan) -> u64 {
    sizes(plan).into_iter().map(|(_, size)| size).max().unwrap_or(0)
}

/// Topic and encoded size of a run's first events.
fn sizes(plan: &Plan) -> Vec<(usize, u64)> {
    let totals = totals(&plan.load);
    let (picker, mut market) = (Picker::new(plan, 0), Market::new(plan, 0, 0, plan.load.generators));
    let mut event = Vec::new();
    let most = SAMPLE.min(SAMPLE_BYTES / plan.market.event_size.bytes.max(1)).max(50);
    let sample = (totals.warmup_events + totals.measure_events).min(most);
    let size = |k| {
        let (topic, symbol) = picker.pick(k);
        market.encode(&mut event, topic, symbol, num::low32(k), 1_700_000_000_000_000_000 + k);
        (topic, num::count(event.len()))
    };
    (0..sample).map(size).collect()
}
