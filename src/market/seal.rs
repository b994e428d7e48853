//! The seal over an event's content: a UUID v8 that serves as its correlation id.
//!
//! It carries `xxh3_64(bytes after it, seed = xxh3_64(bytes before it))`: 48 bits of it before the version, 12
//! after, 4 after the variant, and then a fixed mark (`…74-69636b676174`, "tickgat").

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use super::probe::{join, split};

const MARK: u64 = 0x0074_6963_6b67_6174;
const MARK_MASK: u64 = (1 << 58) - 1;

/// The seal of an event, from all bytes except those of the seal itself.
#[inline]
pub(super) fn seal(before: &[u8], after: &[u8]) -> [u8; 16] {
    let hash = xxh3_64_with_seed(after, xxh3_64(before));
    let high = (hash >> 16 << 16) | 0x8000 | ((hash >> 4) & 0x0fff);
    let low = (0b10 << 62) | ((hash & 0xf) << 58) | MARK;
    join(high, low)
}

/// Does a correlation id have the form of a seal, whatever its content?
pub(super) fn is_seal(id: &[u8; 16]) -> bool {
    let (high, low) = split(id);
    high & 0xf000 == 0x8000 && low >> 62 == 0b10 && low & MARK_MASK == MARK
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seal_is_a_version_8_uuid_with_the_mark() {
        let id = seal(b"before", b"after");
        assert!(is_seal(&id));
        assert_eq!(id[6] >> 4, 8);
        assert_eq!(id[8] >> 6, 0b10);
        assert_eq!(&id[9..], b"tickgat");
    }

    #[test]
    fn a_seal_is_of_both_sides_and_of_where_they_part() {
        let whole = seal(b"before", b"after");
        for (before, after) in [("befor", "after"), ("before", "afte"), ("befor", "eafter"), ("", "")] {
            assert_ne!(seal(before.as_bytes(), after.as_bytes()), whole, "{before}, {after}");
        }
    }
}
