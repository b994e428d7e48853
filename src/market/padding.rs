//! What fills an event up to the size that the plan asks for.
//!
//! Random padding is made for each event. A prepared block of it, used again at another offset, would be found by a
//! compressor that looks back further than the block: NATS compresses 8 MiB at once.

use super::probe::{Probe, split};
use super::random::{GOLDEN, mix};
use crate::plan;

/// How the events of a run are padded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Padding {
    /// Smallest size of an event.
    pub(super) least_size: usize,
    /// What it is padded with.
    pub(super) fill: plan::Padding,
    /// The seed of random padding.
    seed: u64,
}

impl Padding {
    /// No padding.
    pub(super) const NONE: Self = Self { least_size: 0, fill: plan::Padding::Blank, seed: 0 };

    /// The padding that a plan asks for.
    pub(super) fn of(plan: &plan::Plan) -> Self {
        Self {
            least_size: crate::num::index(plan.market.event_size.bytes),
            fill: plan.payload.padding(),
            seed: plan.market.seed,
        }
    }

    /// Does a member hold the padding, rather than white space after the event?
    pub(super) const fn is_random(self) -> bool {
        matches!(self.fill, plan::Padding::Random)
    }

    /// Fills a part of the padding of an event, all of which is characters that stand for themselves in JSON. `from` is
    /// the part's place in the padding, a multiple of eight.
    pub(super) fn write(self, event: Probe, from: usize, into: &mut [u8]) {
        match self.fill {
            plan::Padding::Blank => into.fill(b' '),
            plan::Padding::Random => {
                let (high, low) = split(&event.to_id());
                let start = mix(mix(self.seed ^ GOLDEN) ^ mix(high ^ mix(low)));
                random(start.wrapping_add(crate::num::count(from / 8).wrapping_mul(GOLDEN)), into);
            }
        }
    }
}

/// Fills a text with random characters, six bits in each.
fn random(mut state: u64, into: &mut [u8]) {
    let (eights, rest) = into.as_chunks_mut::<8>();
    for eight in eights {
        state = state.wrapping_add(GOLDEN);
        *eight = characters(mix(state));
    }
    let last = characters(mix(state.wrapping_add(GOLDEN)));
    rest.copy_from_slice(&last[..rest.len()]);
}

/// What makes an exclamation mark of a backslash.
const TO_EXCLAMATION: u64 = 0x5c ^ 0x21;

/// Eight characters from random bits, each one of 64: `?` to `~`, and `!` for the backslash among them.
const fn characters(bits: u64) -> [u8; 8] {
    const fn all(byte: u8) -> u64 {
        u64::from_ne_bytes([byte; 8])
    }
    let text = (bits & all(0x3f)) + all(b'?');
    // A byte that differs carries into the highest bit of its own; none is above 0x7f.
    let differs = ((text ^ all(b'\\')) + all(0x7f)) & all(0x80);
    let same = (differs ^ all(0x80)) >> 7;
    (text ^ (same * TO_EXCLAMATION)).to_ne_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::{BTreeMap, HashSet};

    const RANDOM: Padding = Padding { least_size: 0, fill: plan::Padding::Random, seed: 7 };

    fn text(padding: Padding, event: u32, length: usize) -> Vec<u8> {
        let probe = Probe { run_tag: 1, topic: 2, symbol: 3, sequence: event, intended_unix_ns: 0 };
        let mut into = vec![0; length];
        padding.write(probe, 0, &mut into);
        into
    }

    #[test]
    fn sixty_four_characters_are_equally_frequent() {
        let mut seen: BTreeMap<u8, u32> = BTreeMap::new();
        for byte in text(RANDOM, 0, 640_000) {
            *seen.entry(byte).or_default() += 1;
        }
        assert_eq!(seen.len(), 64);
        assert!(seen.values().all(|n| (9_500..10_500).contains(n)), "{seen:?}");
        let plain = |byte: &u8| (b' '..=b'~').contains(byte) && *byte != b'"' && *byte != b'\\';
        assert!(seen.keys().all(plain), "{seen:?}");
    }

    /// What an LZ compressor looks for: six bytes that stood anywhere before, in this event or another.
    fn repeats(padding: Padding) -> f64 {
        let (mut known, mut again, mut all) = (HashSet::new(), 0_u32, 0_u32);
        for event in 0..200 {
            for six in text(padding, event, 1000).windows(6) {
                all += 1;
                again += u32::from(!known.insert(six.to_vec()));
            }
        }
        f64::from(again) / f64::from(all)
    }

    #[test]
    fn random_padding_never_repeats_and_blank_padding_always_does() {
        assert!(repeats(RANDOM) < 0.001, "{}", repeats(RANDOM));
        assert!(repeats(Padding { fill: plan::Padding::Blank, ..RANDOM }) > 0.999);
    }

    proptest! {
        #[test]
        fn padding_can_be_written_in_parts(event: u32, length in 0_usize..300, part in 1_usize..8) {
            let whole = text(RANDOM, event, length);
            let probe = Probe { run_tag: 1, topic: 2, symbol: 3, sequence: event, intended_unix_ns: 0 };
            let mut parts = vec![0; length];
            for (n, into) in parts.chunks_mut(8 * part).enumerate() {
                RANDOM.write(probe, n * 8 * part, into);
            }
            prop_assert_eq!(parts, whole);
        }
    }

    #[test]
    fn the_seed_and_the_event_decide() {
        assert_eq!(text(RANDOM, 1, 100), text(RANDOM, 1, 100));
        assert_ne!(text(RANDOM, 1, 100), text(RANDOM, 2, 100));
        assert_ne!(text(RANDOM, 1, 100), text(Padding { seed: 8, ..RANDOM }, 1, 100));
    }
}
