//! Faults of events on a bus: damage, and messages of other publishers. For the simulated bus, which knows no
//! format.

use std::ops::Range;

use super::format::Format;
use super::probe::Probe;
use crate::num;

/// Writes a damaged copy of an event into `into`: with a changed byte, or truncated. The id is kept, since an
/// event with a damaged id cannot be attributed to any event that was sent; bytes without an id are copied
/// unchanged. `bits` select the damage.
pub(super) fn damage(event: &[u8], bits: u64, id: Option<Range<usize>>, into: &mut Vec<u8>) {
    into.clear();
    into.extend_from_slice(event);
    let Some(id) = id else { return };
    let place = num::index((bits >> 16) % num::count(event.len() - id.len()));
    if bits.trailing_zeros() >= 3 {
        into.truncate(id.end + place.min(event.len() - id.end - 1));
    } else {
        let place = if place < id.start { place } else { place + id.len() };
        into[place] ^= num::low8(bits >> 8).max(1);
    }
}

/// Returns a message that another program might publish beside an event: text, an event of another system, or
/// one of another run.
pub(super) fn foreign<F: Format>(event: &[u8], bits: u64) -> Vec<u8> {
    stranger(event, bits, F::FOREIGN_EVENT, |other| {
        if let Some((probe, _)) = F::read(event, Probe::of_id) {
            F::rename(other, Probe { run_tag: probe.run_tag ^ 1, ..probe });
        }
    })
}

/// The same of a format that is known by an event of another system, and by how an event gets the id of another run.
pub(super) fn stranger(event: &[u8], bits: u64, other: &[u8], rename: impl FnOnce(&mut [u8])) -> Vec<u8> {
    match bits % 3 {
        0 => b"hello, is this the market?".to_vec(),
        1 => other.to_vec(),
        _ => {
            let mut other = event.to_vec();
            rename(&mut other);
            other
        }
    }
}
