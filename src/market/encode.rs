//! Encoding: writes one event in the ADR's envelope through a format into a reused buffer.

use super::format::{Envelope, Fields, Format};
use super::padding::Padding;
use super::payload::{self, Scene};
use super::probe::{EventId, Probe, READINESS_SYMBOL};
use super::random::Random;
use super::symbols::{Instrument, instruments};
use super::topics::{Topic, topics};
use super::walk::Walk;
use crate::num;
use crate::plan::Plan;

/// The part of the market that one generator owns: the symbols whose index is `first` modulo `of`.
#[derive(Debug, Clone)]
pub(super) struct Encoder<F: Format> {
    seed: u64,
    run_tag: u16,
    first: u32,
    of: u32,
    padding: Padding,
    topics: Vec<Topic>,
    /// For each topic.
    openings: Vec<F::Opening>,
    symbols: Vec<Symbol>,
    format: F,
    /// The id of the last event.
    id: EventId,
}

#[derive(Debug, Clone)]
struct Symbol {
    instrument: Instrument,
    walk: Walk,
    last: Option<Probe>,
}

impl<F: Format> Encoder<F> {
    /// The market of generator `first` of `of`; `(0, 1)` owns every symbol.
    ///
    /// The content of an event depends on the plan, the run tag and the earlier calls for its symbol, but not
    /// on how symbols are distributed over generators.
    #[must_use]
    pub(super) fn new(plan: &Plan, run_tag: u16, first: u32, of: u32) -> Self {
        let of = of.max(1);
        let owned = instruments(&plan.market).into_iter().skip(num::index32(first)).step_by(num::index32(of));
        let topics = topics(&plan.topology);
        Self {
            seed: plan.market.seed,
            run_tag,
            first,
            of,
            padding: Padding::of(plan),
            openings: topics
                .iter()
                .map(|topic| F::opening(topic.name.as_str(), topic.source.as_str()))
                .collect(),
            topics,
            symbols: owned
                .map(|instrument| Symbol { walk: Walk::of(&instrument), instrument, last: None })
                .collect(),
            format: F::default(),
            id: EventId::default(),
        }
    }

    /// Writes the next event of an owned symbol into `into`, replacing its content, and returns its id. `topic`
    /// is an index into the plan's topics, `sequence` counts the symbol's events within the topic, up to
    /// [`super::MAX_SEQUENCE`].
    ///
    /// For an unknown topic, or a symbol that the market does not own, `into` is left empty.
    pub(super) fn encode(
        &mut self,
        into: &mut Vec<u8>,
        topic: usize,
        symbol: u32,
        sequence: u32,
        intended_unix_ns: u64,
    ) -> Option<&EventId> {
        into.clear();
        let owned = (symbol % self.of == self.first).then(|| num::index32(symbol / self.of));
        let (of, opening) = (self.topics.get(topic)?, self.openings.get(topic)?);
        let held = self.symbols.get_mut(owned?)?;
        let probe = Probe {
            run_tag: self.run_tag,
            topic: num::low8(num::count(topic)),
            symbol: num::low16(u64::from(symbol)),
            sequence,
            intended_unix_ns,
        };
        let key = (num::count(topic) << 48) | (u64::from(symbol) << 32) | u64::from(sequence);
        let mut random = Random::of(&[self.seed, key]);
        held.walk.step(&held.instrument, &mut random);

        self.id.set(probe);
        let cause = held.last.filter(|_| of.kind.has_cause());
        let envelope = Envelope { probe, id: &self.id, cause, padding: self.padding };
        let mut scene = Scene {
            instrument: &held.instrument,
            walk: &mut held.walk,
            random,
            topics: &self.topics,
            probe,
            last: held.last,
        };
        self.format.write(into, opening, &envelope, |out| payload::write_fields(of.kind, out, &mut scene));
        if of.kind.causes() {
            held.last = Some(probe);
        }
        Some(&self.id)
    }
}

/// Writes a readiness event into `into` and returns its id. The engine sends it before the warm-up to check
/// that a topic's path is open. It carries [`READINESS_SYMBOL`] and the low 29 bits of `nonce`.
pub(super) fn encode_readiness<F: Format>(
    into: &mut Vec<u8>,
    run_tag: u16,
    topic: u8,
    nonce: u32,
    intended_unix_ns: u64,
) -> EventId {
    let probe = Probe { run_tag, topic, symbol: READINESS_SYMBOL, sequence: nonce, intended_unix_ns };
    let id = EventId::of(probe);
    into.clear();
    let opening = F::opening("tickgate.readiness", "tickgate");
    let envelope = Envelope { probe, id: &id, cause: None, padding: Padding::NONE };
    F::default().write(into, &opening, &envelope, |out| {
        out.whole("topic", u64::from(topic)).whole("nonce", u64::from(nonce));
    });
    id
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::market::probe::parse_id;
    use crate::market::{Form, Market};
    use crate::plan::Size;
    use proptest::prelude::*;

    /// The ADR's tree with dead letters and a user-defined topic, 50 symbols, no padding.
    pub(in crate::market) fn plan() -> Plan {
        serde_json::from_str(include_str!("../../tests/data/market-plan.json")).expect("a plan")
    }

    pub(in crate::market) const NOW: u64 = 1_795_507_200_123_456_789;

    fn encoded(market: &mut Market, topic: usize, symbol: u32, sequence: u32, at: u64) -> String {
        let mut into = b"what was there".to_vec();
        market.encode(&mut into, topic, symbol, sequence, at);
        String::from_utf8(into).expect("UTF-8")
    }

    #[test]
    fn no_event_is_larger_than_a_plan_says() {
        let mut plan = plan();
        plan.topology.prefix = "p".repeat(64);
        plan.topology.topics.truncate(31);
        plan.topology.topics.push(format!("t.{}.dlq", "x".repeat(190)));
        plan.market.symbols = 200;
        for size in [0, 1000, 5000] {
            plan.market.event_size = Size { bytes: size };
            let (most, mut market) = (plan.largest_event(), Market::new(&plan, 0xfff, 0, 1));
            for topic in 0..plan.topology.topics.len() {
                for sequence in 0..2000 {
                    let event =
                        encoded(&mut market, topic, sequence % 200, sequence, NOW + u64::from(sequence));
                    assert!(num::count(event.len()) <= most, "{} of {most}: {event}", event.len());
                }
            }
        }
    }

    /// The hash of the first events of each kind: in the plan's order of topics, then readiness.
    const GOLDEN: [u64; 21] = [
        0x9bb8_b160_eabe_743d,
        0x83e7_5ffb_4fcf_e1c8,
        0x5e02_e258_ecc5_d2e4,
        0xd728_2898_6af8_2d70,
        0x1246_6137_dbb0_9a42,
        0x51b5_3bc0_165b_4576,
        0xf8a9_2fce_65b2_464d,
        0x859b_82a8_9514_d41d,
        0xfd12_fb6f_84d9_84d7,
        0x46e5_2f8b_ff99_766c,
        0x972a_ebae_dc61_6f41,
        0xdc6a_440b_838c_328c,
        0x4439_b82c_eaa4_a4b7,
        0x8ab4_a208_f9bd_f619,
        0xe707_a016_a003_8426,
        0xfa2d_a543_785b_0ae7,
        0xa9c5_0f3b_8542_7010,
        0xb31c_ca68_440b_99ee,
        0x77b3_828a_45ca_4b91,
        0x0ded_54e4_21bc_8976,
        0x264d_de89_15e9_e6c8,
    ];

    #[test]
    fn every_event_keeps_its_bytes() {
        let mut plan = plan();
        let mut kinds: Vec<Vec<u8>> = vec![Vec::new(); 21];
        for size in [0, 512] {
            plan.market.event_size = Size { bytes: size };
            let mut market = Market::new(&plan, 0xabc, 0, 1);
            let mut event = Vec::new();
            for n in 0..1000_u32 {
                for (topic, bytes) in kinds.iter_mut().take(20).enumerate() {
                    let at = NOW + u64::from(n) * 98_765_432_101;
                    market.encode(&mut event, topic, n % 50, n * 7919, at);
                    bytes.extend_from_slice(&event);
                }
                Form::default().encode_readiness(&mut event, 0xabc, num::low8(u64::from(n % 20)), n, NOW);
                kinds[20].extend_from_slice(&event);
            }
        }
        let found: Vec<_> = kinds.iter().map(|bytes| xxhash_rust::xxh3::xxh3_64(bytes)).collect();
        assert_eq!(found, GOLDEN, "{found:#x?}");
    }

    #[test]
    fn a_quote_is_the_event_of_the_adr() {
        let (mut market, mut event) = (Market::new(&plan(), 0xabc, 0, 1), Vec::new());
        let id = market.encode(&mut event, 0, 0, 7, NOW).expect("it is owned");
        let value: serde_json::Value = serde_json::from_slice(&event).expect("JSON");
        assert_eq!(value["eventType"], "market.quote.received");
        assert_eq!(value["timestamp"], "2026-11-24T08:00:00.123456Z");
        assert_eq!((&value["version"], &value["source"]), (&"1.0.0".into(), &"market-data".into()));
        assert_eq!(value["payload"]["symbol"], "AAPL");
        assert_eq!(value["eventId"], id.as_str());
        let probe = Probe::of_id(&parse_id(id.as_bytes()).expect("an id"));
        let expected = Probe { run_tag: 0xabc, topic: 0, symbol: 0, sequence: 7, intended_unix_ns: NOW };
        assert_eq!(probe.map(|probe| Probe { intended_unix_ns: NOW, ..probe }), Some(expected));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn a_split_over_generators_changes_no_event(
            of in 1_u32..9,
            calls in proptest::collection::vec((0_usize..20, 0_u32..50, 0_u32..100, 0_u64..1 << 40), 1..200),
        ) {
            let plan = plan();
            let mut whole = Market::new(&plan, 1, 0, 1);
            let mut parts: Vec<_> = (0..of).map(|first| Market::new(&plan, 1, first, of)).collect();
            for (topic, symbol, sequence, after) in calls {
                let part = &mut parts[num::index32(symbol % of)];
                prop_assert_eq!(
                    encoded(part, topic, symbol, sequence, NOW + after),
                    encoded(&mut whole, topic, symbol, sequence, NOW + after)
                );
            }
        }
    }

    #[test]
    fn another_seed_gives_another_market() {
        let (one, mut other) = (plan(), plan());
        other.market.seed += 1;
        let quote = |plan| encoded(&mut Market::new(plan, 1, 0, 1), 0, 0, 0, NOW);
        assert_eq!(quote(&one), quote(&one));
        assert_ne!(quote(&one), quote(&other));
    }

    #[test]
    fn small_events_are_padded_and_large_ones_are_not() {
        let mut plan = plan();
        plan.market.event_size = Size { bytes: 512 };
        let padded = encoded(&mut Market::new(&plan, 1, 0, 1), 0, 0, 0, NOW);
        assert_eq!(padded.len(), 512);
        assert!(padded.contains("}}  ") && padded.ends_with(' '));
        plan.market.event_size = Size { bytes: 10 };
        let whole = encoded(&mut Market::new(&plan, 1, 0, 1), 0, 0, 0, NOW);
        assert!(whole.ends_with("}}") && (300..400).contains(&whole.len()), "{} bytes", whole.len());
        assert_ne!(padded.trim_end(), whole, "the seal covers the padding");
    }

    #[test]
    fn random_padding_is_a_member_that_fills_the_event_exactly() {
        let mut plan = plan();
        plan.payload.padding = Some(crate::plan::Padding::Random);
        let natural = encoded(&mut Market::new(&plan, 1, 0, 1), 0, 0, 0, NOW).len();
        for more in 0..100 {
            plan.market.event_size = Size { bytes: num::count(natural + more) };
            let event = encoded(&mut Market::new(&plan, 1, 0, 1), 0, 0, 0, NOW);
            assert_eq!(event.len(), natural + more);
            let value: serde_json::Value = serde_json::from_str(&event).expect("JSON");
            let padding = value.get("padding").and_then(serde_json::Value::as_str);
            // The member's name and quotes take thirteen bytes; what is too little for it is white space.
            assert_eq!(padding.map(str::len), more.checked_sub(13).filter(|random| *random > 0), "{event}");
            assert_eq!(event.ends_with('}'), more == 0 || more > 13);
        }
        plan.market.event_size = Size { bytes: 512 };
        let event = encoded(&mut Market::new(&plan, 0xabc, 0, 1), 0, 0, 7, NOW);
        assert_eq!(xxhash_rust::xxh3::xxh3_64(event.as_bytes()), 0xe54f_9da6_12b7_c66b, "{event}");
    }

    #[test]
    fn unknown_topics_and_foreign_symbols_are_not_encoded() {
        let plan = plan();
        let mut market = Market::new(&plan, 1, 1, 3);
        for (topic, symbol) in [(99, 1), (0, 0), (0, 50), (0, 52), (0, u32::MAX)] {
            assert_eq!(encoded(&mut market, topic, symbol, 0, NOW), "");
        }
        assert_ne!(encoded(&mut market, 0, 49, 0, NOW), "");
        assert_eq!(encoded(&mut Market::new(&plan, 1, u32::MAX, 0), 0, 0, 0, NOW), "");
    }

    #[test]
    fn steady_state_allocates_no_buffer() {
        let plan = plan();
        let mut market = Market::new(&plan, 1, 0, 1);
        let mut into = Vec::with_capacity(1024);
        let place = into.as_ptr();
        for n in 0..10_000 {
            market.encode(&mut into, num::index32(n) % plan.topology.topics.len(), n % 50, n, NOW);
        }
        assert_eq!(into.as_ptr(), place);
    }
}
