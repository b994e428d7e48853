//! Reference-counted payloads in transit and in the store; the memory of unreferenced ones is reused.

use crate::num;

/// Payloads by number.
#[derive(Debug, Default)]
pub(super) struct Slots {
    all: Vec<(Vec<u8>, u32)>,
    free: Vec<u32>,
}

impl Slots {
    /// Stores a copy of a payload with one reference.
    pub(super) fn keep(&mut self, payload: &[u8]) -> u32 {
        if let Some(slot) = self.free.pop() {
            let (bytes, needed) = &mut self.all[num::index32(slot)];
            bytes.clear();
            bytes.extend_from_slice(payload);
            *needed = 1;
            return slot;
        }
        self.all.push((payload.to_vec(), 1));
        num::count32(self.all.len() - 1)
    }

    /// Adds a reference.
    pub(super) fn retain(&mut self, slot: u32) {
        self.all[num::index32(slot)].1 += 1;
    }

    /// Drops a reference.
    pub(super) fn release(&mut self, slot: u32) {
        let needed = &mut self.all[num::index32(slot)].1;
        *needed -= 1;
        if *needed == 0 {
            self.free.push(slot);
        }
    }

    pub(super) fn payload(&self, slot: u32) -> &[u8] {
        &self.all[num::index32(slot)].0
    }
}
