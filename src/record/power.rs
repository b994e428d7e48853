//! The emulated loss of power: its model, and what it did to the files of a store.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::plan::Writeback;

/// How a loss of power was emulated on the servers of a run. Their times are longer than without.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Power {
    /// The model: `fsync only, directory entries kept`.
    pub mode: String,
    /// What survives without a sync.
    pub writeback: Writeback,
}

impl Power {
    /// The model with this write-back.
    #[must_use]
    pub fn of(writeback: Writeback) -> Self {
        Self { mode: Writeback::MODE.to_owned(), writeback }
    }

    /// The model in words.
    #[must_use]
    pub fn in_words(&self) -> String {
        match self.writeback {
            Writeback::Never => "only what was synced survives, directory entries are kept".to_owned(),
            Writeback::After(span) => {
                format!("what was synced, or first changed {span} ago, survives; directory entries are kept")
            }
        }
    }
}

/// What a loss of power did to the files of the stores that it hit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LostFiles {
    /// Files that were on the disk as they are.
    pub whole: u64,
    /// Files that lost their end.
    pub cut: u64,
    /// Files that got an earlier content back, since they were changed below their end.
    pub restored: u64,
    /// Files of which nothing was on the disk.
    pub emptied: u64,
    /// Of those that were restored, the ones for which it is not known whether a change below their end was synced.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unsure: u64,
    /// Bytes that the files are shorter by.
    pub bytes: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_zero(n: &u64) -> bool {
    *n == 0
}

impl LostFiles {
    /// With the files of another store.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self {
            whole: self.whole + other.whole,
            cut: self.cut + other.cut,
            restored: self.restored + other.restored,
            emptied: self.emptied + other.emptied,
            unsure: self.unsure + other.unsure,
            bytes: self.bytes + other.bytes,
        }
    }

    /// In words: `12 files whole, 3 cut, 1 emptied, 4096 bytes lost`.
    #[must_use]
    pub fn in_words(&self) -> String {
        let parts = [(self.cut, "cut"), (self.restored, "set back"), (self.emptied, "emptied")];
        let mut words = vec![format!("{} files whole", self.whole)];
        words.extend(parts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")));
        words.push(format!("{} bytes lost", self.bytes));
        words.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_lost_is_said_in_a_line() {
        let one = LostFiles { whole: 2, cut: 1, emptied: 3, bytes: 10, ..LostFiles::default() };
        assert_eq!(one.in_words(), "2 files whole, 1 cut, 3 emptied, 10 bytes lost");
        let both = one.and(LostFiles { whole: 1, restored: 4, ..LostFiles::default() });
        assert_eq!(both.in_words(), "3 files whole, 1 cut, 4 set back, 3 emptied, 10 bytes lost");
    }
}
