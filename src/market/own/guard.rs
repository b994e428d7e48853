//! Makes the id of an event without a seal detect damage: its run tag is masked with a checksum of all other bits.
//!
//! The tag of a damaged id belongs to another run, so the event counts as foreign. The checksum is a CRC of 12 bits: it
//! detects every change of up to three bits or of one hexadecimal digit; of other changes, one in 4096 goes undetected.

use crate::market::probe::{join, split};

/// Position of the run tag in the lower half of an id, bits.
const TAG: u32 = 50;
/// The polynomial x^12 + x^11 + x^3 + x^2 + x + 1, without its highest term.
const POLYNOMIAL: u16 = 0x80f;

const TABLE: [u16; 256] = {
    let mut table = [0; 256];
    let (mut at, mut byte): (usize, u16) = (0, 0);
    while at < table.len() {
        let (mut rest, mut bit) = (byte << 4, 0);
        while bit < 8 {
            rest = if rest & 0x800 == 0 { rest << 1 } else { (rest << 1) ^ POLYNOMIAL };
            bit += 1;
        }
        // The index is below 256.
        table[at] = rest & 0xfff;
        (at, byte) = (at + 1, byte + 1);
    }
    table
};

/// Masks the tag of an id, or removes the mask.
pub(super) fn guarded(id: &[u8; 16]) -> [u8; 16] {
    let (high, low) = split(id);
    let rest = join(high, low & !(0xfff << TAG));
    let check = rest.iter().fold(0, |check: u16, byte| {
        let place = usize::from((check >> 4) & 0xff) ^ usize::from(*byte);
        TABLE[place] ^ ((check << 8) & 0xfff)
    });
    join(high, low ^ (u64::from(check) << TAG))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::market::probe::Probe;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_mask_comes_off(id: [u8; 16]) {
            prop_assert_eq!(guarded(&guarded(&id)), id);
        }

        #[test]
        fn a_few_changed_bits_change_the_tag(
            id: [u8; 16], one in 0_u32..128, other in 0_u32..128, third in 0_u32..128
        ) {
            let tag = |id: u128| guarded(&id.to_be_bytes())[8..10].to_vec();
            let tag = |id: u128| (u16::from(tag(id)[0] & 0x3f) << 6) | u16::from(tag(id)[1] >> 2);
            let id = u128::from_be_bytes(id);
            for change in [1 << one, (1 << one) | (1 << other), (1 << one) ^ (1 << other) ^ (1 << third)] {
                prop_assert_ne!(tag(id ^ change), tag(id), "{:x}", change);
            }
        }
    }

    #[test]
    fn a_changed_digit_changes_the_tag_or_the_form_of_an_id() {
        let probe = Probe { run_tag: 1, topic: 3, symbol: 7, sequence: 99, intended_unix_ns: 1_000_000_000 };
        let id = u128::from_be_bytes(guarded(&probe.to_id()));
        for digit in 0..32 {
            for change in 1..16_u128 {
                let damaged = (id ^ (change << (4 * digit))).to_be_bytes();
                let tag = Probe::of_id(&guarded(&damaged)).map(|probe| probe.run_tag);
                assert_ne!(tag, Some(1), "digit {digit}, {change:x}");
            }
        }
    }

    #[test]
    fn it_stays_an_id() {
        let probe =
            Probe { run_tag: 0xabc, topic: 3, symbol: 7, sequence: 99, intended_unix_ns: 1_000_000_000 };
        let id = guarded(&probe.to_id());
        let read = Probe::of_id(&id).expect("a UUID v7");
        assert_eq!(Probe { run_tag: 0xabc, ..read }, Probe::of_id(&probe.to_id()).expect("a UUID v7"));
    }
}
