//! The size of a plan's events, and the space that they take in a store.

use super::totals;
use crate::market;
use crate::num;
use crate::plan::{Content, Market, Plan, Size};

/// Events of each topic, and symbols, that are encoded to estimate the mean size.
const SAMPLE: u32 = 32;
/// Overhead of a broker's store for each event: record header, subject, checksum.
const OVERHEAD: u64 = 64;
const MIB: u64 = 1 << 20;
/// The least bound of a store where a profile has none.
pub const LEAST_STORE: Size = Size { bytes: 64 * MIB };

/// Bytes that a run's events take in the store: the planned events of each topic times the mean size of a
/// sample, without compression and replicas. Independent of the seed, so that runs that differ only in their
/// seed get the same space.
#[must_use]
pub fn volume_bytes(plan: &Plan) -> u64 {
    let totals = totals(&plan.load);
    let events = num::f64_of(totals.warmup_events.saturating_add(totals.measure_events));
    let all: f64 = plan.mix.iter().map(|(_, weight)| weight).sum();
    let stored = |topic: &Topic<'_>| {
        let bytes = topic.mean_bytes + num::f64_of(num::count(topic.name.len()) + OVERHEAD);
        topic.weight / all * events * bytes
    };
    if all > 0.0 { num::u64_of(topics(plan).iter().map(stored).sum()) } else { 0 }
}

/// The bound of the store where a profile has none: half as much again as the run's events take, in whole mebibytes.
#[must_use]
pub fn usual_max_bytes(plan: &Plan) -> Size {
    let bytes = volume_bytes(plan).saturating_add(volume_bytes(plan) / 2);
    Size { bytes: bytes.div_ceil(MIB).saturating_mul(MIB) }.max(LEAST_STORE)
}

/// Size of the largest event of a sample, in bytes.
#[must_use]
pub fn largest_event_bytes(plan: &Plan) -> u64 {
    topics(plan).iter().map(|topic| topic.largest_bytes).max().unwrap_or(0)
}

/// A topic of the mix, with the encoded sizes of its events.
struct Topic<'a> {
    name: &'a str,
    /// Its index in the plan's topics.
    index: usize,
    weight: f64,
    mean_bytes: f64,
    largest_bytes: u64,
}

/// The topics of the mix.
fn topics(plan: &Plan) -> Vec<Topic<'_>> {
    let topic = |(name, weight): &'_ (String, f64)| {
        let (index, name) = plan.topology.topics.iter().enumerate().find(|(_, topic)| *topic == name)?;
        (*weight > 0.0).then_some(Topic { name, index, weight: *weight, mean_bytes: 0.0, largest_bytes: 0 })
    };
    let mut topics: Vec<_> = plan.mix.iter().filter_map(topic).collect();
    let padded = plan.market.event_size.bytes;
    if padded == plan.largest_event() {
        for topic in &mut topics {
            (topic.mean_bytes, topic.largest_bytes) = (num::f64_of(padded), padded);
        }
        return topics;
    }
    if let Content::Samples(lines) = plan.payload.content() {
        let sizes = sample_bytes(plan, lines);
        for topic in &mut topics {
            (topic.mean_bytes, topic.largest_bytes) = sizes;
        }
        return topics;
    }
    let symbols = plan.market.symbols.clamp(1, SAMPLE);
    let plan = Plan { market: Market { symbols, seed: 0, ..plan.market.clone() }, ..plan.clone() };
    let (mut market, mut event) = (market::Market::new(&plan, 0, 0, 1), Vec::new());
    // In rounds, since an event may name an event of another topic as its cause.
    for sequence in 0..SAMPLE {
        let intended = 1_700_000_000_000_000_000 + u64::from(sequence) * 1_000_000;
        for topic in &mut topics {
            market.encode(&mut event, topic.index, sequence % symbols, sequence, intended);
            let bytes = num::count(event.len());
            topic.mean_bytes += num::f64_of(bytes) / f64::from(SAMPLE);
            topic.largest_bytes = topic.largest_bytes.max(bytes);
        }
    }
    topics
}

/// Mean and largest size of the events of a plan with samples, all of which come up equally often. The field of the id may have
/// had a text of another length.
fn sample_bytes(plan: &Plan, lines: &[Box<str>]) -> (f64, u64) {
    let path = plan.payload.id.as_deref().unwrap_or_default();
    let size = |line: &str| {
        market::sample_bytes(line, path)
            .map_or(0, |bytes| num::count(bytes).max(plan.market.event_size.bytes))
    };
    let sizes = || lines.iter().map(|line| size(line));
    let mean = sizes().map(num::f64_of).sum::<f64>() / num::f64_of(num::count(lines.len()).max(1));
    (mean, sizes().max().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::{Picker, Schedule, shares};
    use crate::profile::{self, Source};

    fn plan(sets: &[&str]) -> Plan {
        let sets: Vec<String> = sets.iter().map(|&set| set.to_owned()).collect();
        let source = Source::new("p", "[load]\nrate = \"1k/s\"\nduration = \"3s\"\nwarmup = \"1s\"\n");
        profile::read(&source, &sets).unwrap_or_else(|errors| panic!("{errors}"))
    }

    /// Every event of a run, encoded.
    fn encoded(plan: &Plan) -> u64 {
        let shares = shares(plan);
        let picker = Picker::new(plan, 0);
        let mut market = market::Market::new(plan, 1, 0, 1);
        let (mut bytes, mut event) = (0, Vec::new());
        for due in Schedule::new(&plan.load, plan.market.seed, &shares, 0) {
            let (topic, symbol) = picker.pick(due.index);
            market.encode(
                &mut event,
                topic,
                symbol,
                num::low32(due.index),
                1_700_000_000_000_000_000 + due.at,
            );
            bytes += num::count(event.len() + plan.topology.topics[topic].len()) + OVERHEAD;
        }
        bytes
    }

    #[test]
    fn the_volume_is_nearly_what_the_events_take() {
        let mix = ["mix.market.bar.1m=1", "mix.ai.decision.executed=2", "mix.trading-engine.dlq=0.5"];
        for sets in [&[][..], &mix[..], &["market.event_size=600B"][..], &["market.event_size=4KiB"][..]] {
            let plan = plan(sets);
            let (estimated, actual) = (num::f64_of(volume_bytes(&plan)), num::f64_of(encoded(&plan)));
            assert!((estimated / actual - 1.0).abs() < 0.03, "{estimated} for {actual} with {sets:?}");
        }
    }

    #[test]
    fn the_seed_changes_nothing_and_nothing_is_sampled_of_nothing() {
        let of = |sets: &[&str]| volume_bytes(&plan(sets));
        assert_eq!(of(&["market.seed=1"]), of(&["market.seed=2"]));
        let mut none = plan(&[]);
        none.mix = vec![("nowhere".into(), 1.0)];
        assert_eq!((volume_bytes(&none), largest_event_bytes(&none)), (0, 0));
        none.mix.clear();
        assert_eq!(volume_bytes(&none), 0);
    }

    #[test]
    fn the_largest_event_is_padded_where_the_plan_says_so() {
        let mut plan = plan(&[]);
        let natural = largest_event_bytes(&plan);
        assert!((300..1500).contains(&natural), "{natural}");
        for bytes in [2000, 9000] {
            plan.market.event_size = Size { bytes };
            assert_eq!(largest_event_bytes(&plan), bytes);
        }
    }
}
