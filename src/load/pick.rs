//! Picks the topic and symbol of an event: a function of the seed, the generator and the event's number.

use crate::load::random::Random;
use crate::num;
use crate::plan::{Market, Plan, Popularity};

/// Draws topics and symbols for one generator.
///
/// A generator owns the symbols whose index is its own number modulo the number of generators: two
/// publishers never share a symbol, so the order of a symbol is always well defined.
#[derive(Debug, Clone)]
pub struct Picker {
    topics: Alias,
    symbols: Alias,
    generator: u32,
    generators: u32,
    random: Random,
}

impl Picker {
    /// The picker of one of the plan's generators.
    #[must_use]
    pub fn new(plan: &Plan, generator: u32) -> Self {
        let weight_of =
            |topic: &String| plan.mix.iter().find(|(name, _)| name == topic).map_or(0.0, |(_, w)| *w);
        let topics: Vec<f64> = plan.topology.topics.iter().map(weight_of).collect();
        let generators = plan.load.generators.max(1);
        Self {
            topics: Alias::new(&topics),
            symbols: Alias::new(&owned(&plan.market, generators, generator).collect::<Vec<f64>>()),
            generator,
            generators,
            random: Random::new(plan.market.seed, [PICKS, u64::from(generator)]),
        }
    }

    /// Topic (index into the plan's topics) and symbol of the generator's `k`-th event.
    ///
    /// A generator that owns no symbol has no events, and this is not called for it.
    #[must_use]
    pub fn pick(&self, k: u64) -> (usize, u32) {
        let topic = self.topics.draw(self.random.at(k.wrapping_mul(2)));
        let symbol = self.symbols.draw(self.random.at(k.wrapping_mul(2).wrapping_add(1)));
        (num::index32(topic), symbol.saturating_mul(self.generators).saturating_add(self.generator))
    }
}

/// Separates the picks from the schedule's random numbers, whose first name is a generator's number.
const PICKS: u64 = u64::MAX;

/// Each generator's share of the load: that of the symbols it owns. The shares add up to 1.
#[must_use]
pub fn shares(plan: &Plan) -> Vec<f64> {
    let generators = plan.load.generators.max(1);
    let weights: Vec<f64> = (0..generators).map(|g| owned(&plan.market, generators, g).sum()).collect();
    let all: f64 = weights.iter().sum();
    weights.iter().map(|w| if all > 0.0 { w / all } else { 0.0 }).collect()
}

/// The busiest symbol's share of the load on the busiest topic, which determines the highest sequence number.
#[must_use]
pub fn busiest_share(plan: &Plan) -> f64 {
    let symbols = || owned(&plan.market, 1, 0);
    let topics = || plan.mix.iter().map(|(_, weight)| *weight);
    let largest = |weights: &mut dyn Iterator<Item = f64>| weights.fold(0.0, f64::max);
    let whole = symbols().sum::<f64>() * topics().sum::<f64>();
    if whole > 0.0 { largest(&mut symbols()) * largest(&mut topics()) / whole } else { 0.0 }
}

/// The weights of a generator's symbols, in the order of their indices.
fn owned(market: &Market, generators: u32, generator: u32) -> impl Iterator<Item = f64> {
    let (popularity, exponent) = (market.popularity, market.zipf_exponent);
    let every = num::index32(generators);
    (generator..market.symbols).step_by(every).map(move |symbol| match popularity {
        Popularity::Uniform => 1.0,
        Popularity::Zipf => (f64::from(symbol) + 1.0).powf(-exponent),
    })
}

/// Walker's alias table: a draw from any discrete distribution in constant time
/// (Vose, "A Linear Algorithm for Generating Random Numbers with a Given Distribution", 1991).
#[derive(Debug, Clone)]
struct Alias {
    /// For each column: its own part of it, in 2^-64, and the index to which the rest belongs.
    columns: Vec<(u64, u32)>,
}

impl Alias {
    fn new(weights: &[f64]) -> Self {
        let all: f64 = weights.iter().sum();
        let n = num::f64_of(num::count(weights.len()));
        let mut heights: Vec<f64> = weights.iter().map(|w| w / all * n).collect();
        // Each column starts as its own alias and full, which is right for the columns that rounding leaves
        // over.
        let mut columns: Vec<(u64, u32)> =
            (0..num::count32(weights.len())).map(|own| (u64::MAX, own)).collect();
        let (mut low, mut high): (Vec<usize>, Vec<usize>) =
            (0..weights.len()).partition(|&i| heights[i] < 1.0);
        while let (Some(&l), Some(&h)) = (low.last(), high.last()) {
            low.pop();
            columns[l] = (num::u64_floor(heights[l] * TWO_TO_64), num::count32(h));
            heights[h] -= 1.0 - heights[l];
            if heights[h] < 1.0 {
                high.pop();
                low.push(h);
            }
        }
        Self { columns }
    }

    /// Draws by one uniform number: its product with the number of columns has the column in its upper half and
    /// the position within the column in its lower half.
    fn draw(&self, uniform: u64) -> u32 {
        let (place, column) = uniform.carrying_mul(num::count(self.columns.len()), 0);
        match self.columns.get(num::index(column)) {
            Some(&(own, alias)) if place >= own => alias,
            _ => num::low32(column),
        }
    }
}

const TWO_TO_64: f64 = 18_446_744_073_709_551_616.0;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::curve::tests::load;
    use crate::plan::{
        AckMode, Bus, BusKind, Cluster, Kafka, Nats, Payload, Publish, RetryOrder, Size, Span, Storage, Sync,
        Topology,
    };

    fn plan(symbols: u32, popularity: Popularity, generators: u32, mix: &[(&str, f64)]) -> Plan {
        let mut load = load(1.0, Span::default(), Span::seconds(1));
        load.generators = generators;
        Plan {
            name: "test".into(),
            description: String::new(),
            load,
            payload: Payload::default(),
            market: Market {
                symbols,
                seed: 42,
                popularity,
                zipf_exponent: 1.0,
                event_size: Size { bytes: 1 },
            },
            topology: Topology {
                name: "test".into(),
                prefix: "t".into(),
                topics: ["a", "b", "c"].map(String::from).into(),
                symbol_in_subject: false,
            },
            mix: mix.iter().map(|&(topic, weight)| (topic.to_owned(), weight)).collect(),
            bus: Bus {
                kind: BusKind::Nats,
                replicas: 1,
                storage: Storage::Memory,
                sync: Sync::Default,
                publish: Publish::Async,
                window: 1,
                buffer: 1,
                buffer_bytes: None,
                publish_timeout: Span::seconds(1),
                retry: Span::default(),
                retry_after: Bus::RETRY_AFTER,
                retry_order: RetryOrder::PerSymbol,
                ack: AckMode::None,
                max_bytes: Size { bytes: 1 },
                max_age: Span::seconds(1),
                partitions: 1,
                audit: false,
                nats: Nats::default(),
                kafka: Kafka::default(),
            },
            groups: Vec::new(),
            objectives: Vec::new(),
            cluster: Cluster::default(),
            faults: Vec::new(),
            replays: Vec::new(),
            dropped: Vec::new(),
        }
    }

    /// χ² of counts against weights, less the degrees of freedom, in standard deviations.
    fn chi_square(counts: &[u64], weights: &[f64]) -> f64 {
        let (n, all) = (num::f64_of(counts.iter().sum()), weights.iter().sum::<f64>());
        let term = |(&count, weight): (&u64, &f64)| {
            let expected = n * weight / all;
            (num::f64_of(count) - expected).powi(2) / expected
        };
        let freedom = num::f64_of(num::count(counts.len())) - 1.0;
        (counts.iter().zip(weights).map(term).sum::<f64>() - freedom) / (2.0 * freedom).sqrt()
    }

    #[test]
    fn symbols_are_as_popular_as_the_plan_says_and_stay_with_their_generator() {
        for popularity in [Popularity::Uniform, Popularity::Zipf] {
            for generators in [1, 3] {
                let plan = plan(100, popularity, generators, &[("a", 1.0)]);
                for generator in 0..generators {
                    let picker = Picker::new(&plan, generator);
                    let mut counts = vec![0; 100];
                    for k in 0..200_000 {
                        let (topic, symbol) = picker.pick(k);
                        assert_eq!((topic, symbol % generators), (0, generator));
                        counts[num::index32(symbol)] += 1;
                    }
                    let owned: Vec<f64> = owned(&plan.market, generators, generator).collect();
                    let first = num::index32(generator);
                    let counts: Vec<u64> =
                        counts.into_iter().skip(first).step_by(num::index32(generators)).collect();
                    let sigmas = chi_square(&counts, &owned);
                    assert!(sigmas.abs() < 4.0, "{popularity:?} {generator}/{generators}: {sigmas}");
                }
            }
        }
    }

    #[test]
    fn topics_follow_the_mix_and_not_the_symbol() {
        let picker = Picker::new(&plan(2, Popularity::Uniform, 1, &[("a", 0.7), ("c", 0.3)]), 0);
        let mut counts = [[0_u64; 2]; 3];
        for k in 0..200_000 {
            let (topic, symbol) = picker.pick(k);
            counts[topic][num::index32(symbol)] += 1;
        }
        let [[a, d], [none, nor], [b, e]] = counts;
        assert_eq!([none, nor], [0, 0]);
        let sigmas = chi_square(&[a, d, b, e], &[0.35, 0.35, 0.15, 0.15]);
        assert!(sigmas.abs() < 4.0, "{counts:?}: {sigmas}");
    }

    #[test]
    fn picks_follow_from_seed_generator_and_number() {
        let plan = plan(1000, Popularity::Zipf, 2, &[("a", 1.0), ("b", 1.0)]);
        let picks = |plan: &Plan, generator| {
            let picker = Picker::new(plan, generator);
            (0..100).map(|k| picker.pick(k)).collect::<Vec<_>>()
        };
        assert_eq!(picks(&plan, 0), picks(&plan, 0));
        assert_ne!(picks(&plan, 0), picks(&plan, 1));
        let other = Plan { market: Market { seed: 43, ..plan.market.clone() }, ..plan.clone() };
        assert_ne!(picks(&plan, 0), picks(&other, 0));
    }

    #[test]
    fn the_busiest_share_is_that_of_the_most_frequent_pick() {
        let close = |plan: &Plan, share: f64| (busiest_share(plan) - share).abs() < 1e-12;
        let mix = [("a", 0.25), ("b", 0.75)];
        assert!(close(&plan(4, Popularity::Uniform, 2, &mix), 0.75 / 4.0));
        assert!(close(&plan(2, Popularity::Zipf, 1, &mix), 0.75 / 1.5));
        assert!(close(&plan(0, Popularity::Zipf, 1, &mix), 0.0));
        assert!(close(&plan(2, Popularity::Zipf, 1, &[]), 0.0));
    }

    #[test]
    fn shares_are_those_of_the_symbols() {
        assert_eq!(shares(&plan(4, Popularity::Uniform, 2, &[])), [0.5, 0.5]);
        assert_eq!(shares(&plan(1, Popularity::Uniform, 2, &[])), [1.0, 0.0]);
        assert_eq!(shares(&plan(0, Popularity::Uniform, 2, &[])), [0.0, 0.0]);
        let zipf = shares(&plan(4, Popularity::Zipf, 2, &[]));
        let all = 1.0 + 1.0 / 2.0 + 1.0 / 3.0 + 1.0 / 4.0;
        assert!((zipf[0] - (1.0 + 1.0 / 3.0) / all).abs() < 1e-12);
        assert!((zipf[0] + zipf[1] - 1.0).abs() < 1e-12);
    }

    #[test]
    fn a_plan_without_a_mix_or_symbols_does_no_harm() {
        let picker = Picker::new(&plan(1, Popularity::Uniform, 2, &[]), 1);
        let (topic, _) = picker.pick(0);
        assert!(topic < 3);
    }
}
