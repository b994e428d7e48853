//! Decodes histograms from untrusted text: the sizes in the header are checked before any memory is allocated.

use std::io::Read as _;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;

use super::histogram::{HIGHEST_NS, HistogramError};
use crate::num;

/// Largest accepted text in characters, and largest histogram in it in bytes: several times the size of one of
/// [`LONGEST_NS`] with 3 digits and 9 bytes for each count.
const LONGEST_TEXT: usize = 1 << 20;
const LARGEST: u64 = 1 << 20;
/// The longest time that a histogram of another tool may hold: a day. With 3 digits its counts are about 300
/// kB.
const LONGEST_NS: u64 = 24 * HIGHEST_NS;
/// The first bytes of a V2 histogram, and of a compressed one.
const COOKIE: u32 = 0x1c84_9313;
const COMPRESSED: u32 = 0x1c84_9314;

/// Takes a number off the front of the bytes.
fn take<const N: usize>(bytes: &mut &[u8]) -> Result<[u8; N], HistogramError> {
    let ends = || HistogramError::Decode("it ends within its header".to_owned());
    let (first, rest) = bytes.split_first_chunk::<N>().ok_or_else(ends)?;
    *bytes = rest;
    Ok(*first)
}

/// Decompresses a histogram, up to the size of a valid one.
fn inflated(bytes: &[u8]) -> Result<Vec<u8>, HistogramError> {
    let mut rest = bytes;
    if u32::from_be_bytes(take(&mut rest)?) != COMPRESSED {
        return Ok(bytes.to_vec());
    }
    let length = num::index(u64::from(u32::from_be_bytes(take(&mut rest)?)));
    let packed = rest.get(..length).unwrap_or(rest);
    let mut plain = Vec::new();
    flate2::read::ZlibDecoder::new(packed)
        .take(LARGEST)
        .read_to_end(&mut plain)
        .map_err(|error| HistogramError::Decode(error.to_string()))?;
    Ok(plain)
}

/// Checks the sizes in the header before anything is allocated by them.
fn sound(bytes: &[u8]) -> Result<(), HistogramError> {
    let wrong = |what: String| Err(HistogramError::Decode(what));
    let mut rest = bytes;
    if u32::from_be_bytes(take(&mut rest)?) != COOKIE {
        return wrong("it does not begin with the cookie of one".to_owned());
    }
    let length = u32::from_be_bytes(take(&mut rest)?);
    let _normalizing_offset = u32::from_be_bytes(take(&mut rest)?);
    let digits = u32::from_be_bytes(take(&mut rest)?);
    let (lowest, highest) = (u64::from_be_bytes(take(&mut rest)?), u64::from_be_bytes(take(&mut rest)?));
    let _ratio: [u8; 8] = take(&mut rest)?;
    if digits > 3 {
        return wrong(format!("it claims {digits} digits; at most 3 are supported"));
    }
    if lowest == 0 || highest > LONGEST_NS {
        return wrong(format!("it claims values from {lowest} to {highest}; expected 1 to {LONGEST_NS}"));
    }
    if u64::from(length) > num::count(rest.len()) {
        return wrong(format!("it claims {length} bytes of countsbut has {}", rest.len()));
    }
    Ok(())
}

/// Decodes the text of [`super::encode`] or another HDR tool.
///
/// # Errors
/// When the text is not such a histogram.
pub fn decode(text: &str) -> Result<Histogram<u64>, HistogramError> {
    if text.len() > LONGEST_TEXT {
        return Err(HistogramError::Decode(format!("it has more than {LONGEST_TEXT} characters")));
    }
    let bytes = BASE64_STANDARD.decode(text)?;
    let bytes = inflated(&bytes)?;
    sound(&bytes)?;
    Deserializer::new()
        .deserialize(&mut bytes.as_slice())
        .map_err(|error| HistogramError::Decode(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An empty histogram with the given sizes in its header.
    fn claiming(length: u32, digits: u32, lowest: u64, highest: u64) -> String {
        use std::io::Write as _;
        let mut plain = [COOKIE, length, 0, digits].map(u32::to_be_bytes).concat();
        plain.extend([lowest.to_be_bytes(), highest.to_be_bytes(), 1.0_f64.to_be_bytes()].concat());
        let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
        zlib.write_all(&plain).unwrap();
        let packed = zlib.finish().unwrap();
        let head = [COMPRESSED, u32::try_from(packed.len()).unwrap()].map(u32::to_be_bytes).concat();
        BASE64_STANDARD.encode([head, packed].concat())
    }

    #[test]
    fn what_a_histogram_claims_is_checked_before_it_is_made() {
        assert_eq!(decode(&claiming(0, 3, 1, HIGHEST_NS)).unwrap().len(), 0);
        for (text, expected) in [
            (claiming(0, 5, 1, u64::MAX / 2), "claims 5 digits"),
            (claiming(0, 3, 1, u64::MAX / 2), "claims values from 1 to"),
            (claiming(0, 3, 0, HIGHEST_NS), "claims values from 0 to"),
            (claiming(u32::MAX, 3, 1, HIGHEST_NS), "claims 4294967295 bytes of counts"),
            ("A".repeat(LONGEST_TEXT + 4), "more than 1048576 characters"),
        ] {
            let error = decode(&text).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        // Some kilobytes that would decompress to gigabytes.
        let bomb = {
            use std::io::Write as _;
            let mut packer = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
            packer.write_all(&vec![0; 64 << 20]).unwrap();
            packer.finish().unwrap()
        };
        let head = [COMPRESSED, u32::try_from(bomb.len()).unwrap()].map(u32::to_be_bytes).concat();
        let plain = inflated(&[head, bomb].concat()).unwrap();
        assert_eq!(num::count(plain.len()), LARGEST);
    }
}
