//! The copies of the store that an audit read, and what they settle.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Audit;

/// A copy of the run's store on one server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Replica {
    /// The server.
    pub node: String,
    /// Was it read?
    pub read: bool,
    /// Was it read to its end?
    pub complete: bool,
    /// Events in it, as far as it was read.
    pub events: u64,
    /// Why it was not read, or not to its end, or how it ends before the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

impl Audit {
    /// The copies that were not read to their end.
    pub fn unread(&self) -> impl Iterator<Item = &Replica> {
        self.replicas.iter().filter(|replica| !replica.complete)
    }

    /// Does the audit settle what is not stored? It does if the stream was read to its end and either nothing is missing or
    /// no copy was left out that may hold it.
    #[must_use]
    pub fn settles_loss(&self) -> bool {
        self.complete && (self.missing == 0 || self.unread().next().is_none())
    }

    /// Why the audit does not settle what is missing, or whether copies differ: the copies that were not read, with the reason.
    #[must_use]
    pub fn why_unread(&self) -> Option<String> {
        let said = |replica: &Replica| {
            let why = replica.why.as_deref().unwrap_or("no reason is known");
            format!("the copy on {} was not read to its end ({why})", replica.node)
        };
        let all: Vec<String> = self.unread().map(said).collect();
        (!all.is_empty()).then(|| all.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_lost_only_where_every_copy_was_read() {
        let replica = |complete| Replica { node: "n1".into(), complete, ..Replica::default() };
        let audit = |missing, complete| Audit {
            complete: true,
            missing,
            replicas: vec![replica(true), replica(complete)],
            ..Audit::default()
        };
        assert!(
            audit(0, true).settles_loss() && audit(3, true).settles_loss() && audit(0, false).settles_loss()
        );
        assert!(!audit(3, false).settles_loss(), "the copy may hold them");
        let one_log = Audit { complete: true, missing: 3, ..Audit::default() };
        assert!(one_log.settles_loss() && one_log.why_unread().is_none());
        let why = "the copy on n1 was not read to its end (no reason is known)";
        assert_eq!(audit(3, false).why_unread().as_deref(), Some(why));
    }
}
