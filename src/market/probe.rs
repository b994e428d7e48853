//! The event id as the probe: a valid UUID v7 that encodes run, topic, symbol, sequence and intended time.
//!
//! ```text
//! 48 bits  unix milliseconds of the intended time
//!  4       version 7
//! 12       fraction of that millisecond, 1/4096 ms      (RFC 9562, section 6.2, method 3)
//!  2       variant 0b10
//! 12       run tag
//! 16       symbol index
//!  5       topic index
//! 29       sequence of the symbol's events within the topic
//! ```

use crate::num;

/// Number of topics that an event id can distinguish.
pub const MAX_TOPICS: usize = 32;
/// Number of symbols that an event id can distinguish; the next index is [`READINESS_SYMBOL`].
pub const MAX_SYMBOLS: u32 = 65_535;
/// The symbol index of readiness events, which are sent before the warm-up and have no symbol.
pub const READINESS_SYMBOL: u16 = 0xffff;
/// The highest sequence within (topic, symbol); a higher one would repeat ids.
pub const MAX_SEQUENCE: u32 = (1 << 29) - 1;
/// Mask of the run tag.
pub const RUN_TAG_MASK: u16 = 0x0fff;

/// The content of an event id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Probe {
    /// Tag of the run, 12 bits.
    pub run_tag: u16,
    /// Index into the plan's topics, 5 bits.
    pub topic: u8,
    /// Index of the symbol.
    pub symbol: u16,
    /// Number of the event among the symbol's events within the topic, 29 bits.
    pub sequence: u32,
    /// The intended time, nanoseconds since 1970. An id keeps the nearest 1/4096 ms, so that a decoded time is
    /// within ± 123 ns of the encoded one, without bias.
    pub intended_unix_ns: u64,
}

impl Probe {
    /// The id as 16 bytes, ordered by intended time. Bits beyond a field's width are lost.
    #[must_use]
    pub fn to_id(self) -> [u8; 16] {
        let (ms, rest) = (self.intended_unix_ns / 1_000_000, self.intended_unix_ns % 1_000_000);
        let ticks = (ms << 12) + (rest * 4096 + 500_000) / 1_000_000;
        let high = ((ticks >> 12) << 16) | 0x7000 | (ticks & 0x0fff);
        let low = (0b10 << 62)
            | (u64::from(self.run_tag & RUN_TAG_MASK) << 50)
            | (u64::from(self.symbol) << 34)
            | (u64::from(self.topic & 0x1f) << 29)
            | u64::from(self.sequence & MAX_SEQUENCE);
        join(high, low)
    }

    /// Reads an id; `None` when it is not a UUID v7 or its time is beyond the year 2554.
    #[must_use]
    pub fn of_id(id: &[u8; 16]) -> Option<Self> {
        let (high, low) = split(id);
        if high & 0xf000 != 0x7000 || low >> 62 != 0b10 {
            return None;
        }
        Some(Self {
            run_tag: num::low16(low >> 50) & RUN_TAG_MASK,
            topic: num::low8(low >> 29) & 0x1f,
            symbol: num::low16(low >> 34),
            sequence: num::low32(low) & MAX_SEQUENCE,
            intended_unix_ns: (high >> 16).checked_mul(1_000_000)?.checked_add(fraction_ns(high & 0x0fff))?,
        })
    }
}

/// A number of 1/4096 ms in nanoseconds, rounded to nearest.
const fn fraction_ns(ticks: u64) -> u64 {
    (ticks * 1_000_000 + 2048) / 4096
}

/// The latest time at or before `unix_ns` that an id holds exactly. Whole milliseconds are such times, so an
/// event never crosses the boundary of a phase that begins at one.
#[must_use]
pub const fn on_the_grid(unix_ns: u64) -> u64 {
    let (ms, rest) = (unix_ns / 1_000_000, unix_ns % 1_000_000);
    // The tick after the last whole one may round down to this very nanosecond.
    let next = (rest + 1) * 4096 / 1_000_000;
    let (at_next, before) = (fraction_ns(next), fraction_ns(next.saturating_sub(1)));
    ms * 1_000_000 + if at_next <= rest { at_next } else { before }
}

/// The halves of a UUID.
pub(super) fn split(id: &[u8; 16]) -> (u64, u64) {
    let (halves, _) = id.as_chunks::<8>();
    (u64::from_be_bytes(halves[0]), u64::from_be_bytes(halves[1]))
}

/// A UUID from two halves.
pub(super) fn join(high: u64, low: u64) -> [u8; 16] {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&high.to_be_bytes());
    id[8..].copy_from_slice(&low.to_be_bytes());
    id
}

/// A byte repeated eight times.
const fn eight(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

/// Eight hexadecimal digits from their values, one in each byte.
const fn ascii(values: u64) -> u64 {
    let letters = ((values + eight(6)) >> 4) & eight(1);
    // In ASCII, `a` comes 39 later than the character after `9`.
    values + eight(b'0') + letters * 39
}

/// The low 32 bits of a number as hexadecimal digits, all eight at once.
const fn digits(n: u64) -> [u8; 8] {
    let n = n & 0xffff_ffff;
    let n = (n | (n << 16)) & 0x0000_ffff_0000_ffff;
    let n = (n | (n << 8)) & 0x00ff_00ff_00ff_00ff;
    ascii((n | (n << 4)) & eight(0x0f)).to_be_bytes()
}

/// The value of eight lower-case hexadecimal digits.
fn number(digits: [u8; 8]) -> Option<u64> {
    let text = u64::from_be_bytes(digits);
    let n = (text & eight(0x0f)) + ((text >> 6) & eight(1)) * 9;
    if n & eight(0xf0) != 0 || ascii(n) != text {
        return None;
    }
    let n = (n | (n >> 4)) & 0x00ff_00ff_00ff_00ff;
    let n = (n | (n >> 8)) & 0x0000_ffff_0000_ffff;
    Some((n | (n >> 16)) & 0xffff_ffff)
}

const DASHES_AT: [usize; 4] = [8, 13, 18, 23];

/// Writes a UUID as 36 ASCII characters, lower case.
pub fn write_id(id: &[u8; 16], into: &mut [u8; 36]) {
    let (high, low) = split(id);
    let [first, second, third, fourth] = [high >> 32, high, low >> 32, low].map(digits);
    *into = [b'-'; 36];
    into[..8].copy_from_slice(&first);
    into[9..13].copy_from_slice(&second[..4]);
    into[14..18].copy_from_slice(&second[4..]);
    into[19..23].copy_from_slice(&third[..4]);
    into[24..28].copy_from_slice(&third[4..]);
    into[28..].copy_from_slice(&fourth);
}

/// The text of an event id: 36 ASCII characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventId([u8; 36]);

impl Default for EventId {
    /// The nil UUID.
    fn default() -> Self {
        Self([b'-'; 36])
    }
}

impl EventId {
    pub(super) fn of(probe: Probe) -> Self {
        let mut id = Self::default();
        id.set(probe);
        id
    }

    /// The text of any id.
    pub(super) fn of_id(id: &[u8; 16]) -> Self {
        let mut text = Self::default();
        write_id(id, &mut text.0);
        text
    }

    /// Makes it another one.
    #[inline]
    pub(super) fn set(&mut self, probe: Probe) {
        write_id(&probe.to_id(), &mut self.0);
    }

    /// The id as text.
    #[must_use]
    #[inline]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    pub(super) const fn as_bytes(&self) -> &[u8; 36] {
        &self.0
    }
}

/// Parses a UUID; `None` unless it is exactly 36 characters, lower case, with its dashes in place.
#[must_use]
pub fn parse_id(text: &[u8]) -> Option<[u8; 16]> {
    let text: &[u8; 36] = text.try_into().ok()?;
    let number = |one: usize, other: usize| {
        let mut digits = [0; 8];
        digits[..4].copy_from_slice(&text[one..one + 4]);
        digits[4..].copy_from_slice(&text[other..other + 4]);
        number(digits)
    };
    let (high, low) = ((number(0, 4)? << 32) | number(9, 14)?, (number(19, 24)? << 32) | number(28, 32)?);
    DASHES_AT.iter().all(|&at| text[at] == b'-').then(|| join(high, low))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(id: &[u8; 16]) -> String {
        let mut into = [0; 36];
        write_id(id, &mut into);
        String::from_utf8(into.to_vec()).expect("ASCII")
    }

    prop_compose! {
        fn probes()(
            run_tag in 0..=RUN_TAG_MASK,
            topic in 0_u8..32,
            symbol: u16,
            sequence in 0..=MAX_SEQUENCE,
            intended_unix_ns in 0..u64::MAX - 1_000_000,
        ) -> Probe {
            Probe { run_tag, topic, symbol, sequence, intended_unix_ns }
        }
    }

    #[test]
    fn the_layout_is_the_documented_one() {
        let probe = Probe {
            run_tag: 0xabc,
            topic: 31,
            symbol: 0x1234,
            sequence: MAX_SEQUENCE,
            intended_unix_ns: 1_764_000_000_123_500_000,
        };
        // Worked out by hand: 1,764,000,000,123 ms, half a millisecond = 0x800, then the bits 10 abc 1234 11111
        // 1…1.
        assert_eq!(text(&probe.to_id()), "019ab697-e87b-7800-aaf0-48d3ffffffff");
    }

    #[test]
    fn bits_beyond_a_fields_width_are_lost() {
        let wide =
            Probe { run_tag: u16::MAX, topic: u8::MAX, symbol: 0, sequence: u32::MAX, intended_unix_ns: 0 };
        let kept = Probe { run_tag: RUN_TAG_MASK, topic: 31, sequence: MAX_SEQUENCE, ..wide };
        assert_eq!(Probe::of_id(&wide.to_id()), Some(kept));
        assert_eq!(kept.to_id(), wide.to_id());
    }

    proptest! {
        #[test]
        fn a_time_on_the_grid_comes_back_exactly(unix_ns in 0_u64..10_000_000_000_000_000_000) {
            let on = on_the_grid(unix_ns);
            prop_assert!(on <= unix_ns && unix_ns - on < 246);
            prop_assert_eq!(on_the_grid(on), on);
            let probe = Probe { run_tag: 1, topic: 2, symbol: 3, sequence: 4, intended_unix_ns: on };
            prop_assert_eq!(Probe::of_id(&probe.to_id()), Some(probe));
        }

        #[test]
        fn probes_come_back(probe in probes()) {
            let back = Probe::of_id(&probe.to_id()).expect("a v7 id");
            prop_assert!(back.intended_unix_ns.abs_diff(probe.intended_unix_ns) <= 123);
            prop_assert_eq!(Probe { intended_unix_ns: probe.intended_unix_ns, ..back }, probe);
            prop_assert_eq!(back.to_id(), probe.to_id(), "a decoded probe keeps its id");
        }

        #[test]
        fn ids_are_version_7_of_the_rfc_variant(probe in probes()) {
            let text = text(&probe.to_id());
            prop_assert_eq!(&text[14..15], "7");
            prop_assert!("89ab".contains(&text[19..20]));
        }

        #[test]
        fn later_events_have_higher_ids(probe in probes(), other in probes(), after in 245_u64..1 << 40) {
            let at = probe.intended_unix_ns.saturating_sub(1 << 40);
            let early = Probe { intended_unix_ns: at, ..probe };
            let late = Probe { intended_unix_ns: at + after, ..other };
            prop_assert!(early.to_id() < late.to_id());
            prop_assert!(text(&early.to_id()) < text(&late.to_id()));
        }

        #[test]
        fn text_comes_back(id: [u8; 16]) {
            prop_assert_eq!(parse_id(text(&id).as_bytes()), Some(id));
        }

        #[test]
        fn only_the_strict_text_form_is_read(id: [u8; 16], at in 0_usize..36, byte: u8) {
            let mut changed = text(&id).into_bytes();
            changed[at] = byte;
            if let Some(read) = parse_id(&changed) {
                prop_assert_eq!(text(&read).into_bytes(), changed);
            }
        }
    }

    #[test]
    fn other_forms_are_not_ids() {
        for bad in [
            "",
            "019ab690-007b-7800-aaf0-48d3fffffff",
            "019ab690-007b-7800-aaf0-48d3ffffffff0",
            "019AB690-007b-7800-aaf0-48d3ffffffff",
            "019ab690_007b-7800-aaf0-48d3ffffffff",
            "gg9ab690-007b-7800-aaf0-48d3ffffffff",
        ] {
            assert_eq!(parse_id(bad.as_bytes()), None, "{bad}");
        }
        for foreign in ["019ab690-007b-4800-aaf0-48d3ffffffff", "019ab690-007b-7800-eaf0-48d3ffffffff"] {
            assert_eq!(parse_id(foreign.as_bytes()).and_then(|id| Probe::of_id(&id)), None, "{foreign}");
        }
        assert_eq!(Probe::of_id(&[0xff; 16]), None);
        let beyond = parse_id(b"ffffffff-ffff-7fff-bfff-ffffffffffff").expect("a UUID");
        assert_eq!(Probe::of_id(&beyond), None, "a time that nanoseconds cannot hold");
    }
}
