//! Who leads what among the nodes of a broker, from what each of them says. Pure, but for the interface to a node.

use super::BrokerError;
use crate::plan::Cluster;

/// Asks one node for its state; stays valid over restarts of the node.
pub trait Probe: Send + Sync {
    /// Name of the node, as in the claims of all nodes.
    fn name(&self) -> &str;

    /// Returns whom the node sees as leaders, of these at least; bounded in time.
    ///
    /// # Errors
    /// When the node does not answer.
    fn claims(&self, of: &[Asset]) -> Result<Vec<Claim>, BrokerError>;

    /// Returns the names of the clients that are connected to the node; bounded in time.
    ///
    /// # Errors
    /// When the node does not answer.
    fn clients(&self) -> Result<Vec<String>, BrokerError>;

    /// Returns the names of the nodes that the node is connected to; bounded in time.
    ///
    /// # Errors
    /// When the node does not answer, or when its product does not say.
    fn peers(&self) -> Result<Vec<String>, BrokerError> {
        Err(BrokerError::NoSuchControl)
    }

    /// Returns whether the node answers and reports itself healthy; bounded in time.
    fn is_healthy(&self) -> bool;

    /// Returns why the node is not healthy, in its own words, if it says; bounded in time.
    fn trouble(&self) -> Option<String> {
        None
    }

    /// Returns the version of the server; bounded in time.
    ///
    /// # Errors
    /// When the node does not answer, or does not say.
    fn version(&self) -> Result<String, BrokerError> {
        Err(BrokerError::NoSuchControl)
    }
}

/// What nodes elect a leader for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Asset {
    /// The cluster itself.
    Meta,
    /// A stream; on Kafka the first partition of a topic.
    Stream(String),
    /// A consumer of a stream; on Kafka a group, which a node coordinates.
    Consumer {
        /// The stream.
        stream: String,
        /// The consumer.
        name: String,
    },
}

/// Whom a node sees as the leader of something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The node that says so.
    pub by: String,
    /// What is led.
    pub asset: Asset,
    /// The leader's name; empty where the node sees none.
    pub leader: String,
    /// Since when, in RFC 3339 with Z; only a node that leads itself knows it.
    pub since: Option<String>,
}

/// A leader, and how it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// Its name.
    pub leader: String,
    /// Which nodes named it.
    pub how: String,
}

/// Returns the leader of an asset with that many copies: the one that a majority of the copies names; else, where a majority
/// has answered, the node that calls itself the leader and was elected last, since an election needs a majority. `None` where
/// neither is known: then no node counts as the leader, whoever calls itself so.
#[must_use]
pub fn leader(claims: &[Claim], asset: &Asset, copies: usize) -> Option<Known> {
    let claims: Vec<&Claim> = claims.iter().filter(|claim| claim.asset == *asset).collect();
    let majority = Cluster::majority(copies);
    let by = |leader: &str| -> Vec<&str> {
        let naming = claims.iter().filter(|claim| claim.leader == leader);
        naming.map(|claim| claim.by.as_str()).collect()
    };
    let mut named: Vec<&str> = claims.iter().map(|claim| claim.leader.as_str()).collect();
    named.retain(|leader| !leader.is_empty());
    named.sort_unstable();
    named.dedup();
    if let Some(leader) = named.iter().find(|leader| by(leader).len() >= majority) {
        return Some(Known {
            leader: (*leader).to_owned(),
            how: format!("named by {}", by(leader).join(", ")),
        });
    }
    if claims.len() < majority {
        return None;
    }
    let mut elected: Vec<_> = claims
        .iter()
        .filter(|claim| claim.by == claim.leader)
        .filter_map(|claim| Some((moment(claim.since.as_deref()?), claim)))
        .collect();
    elected.sort_by(|(a, _), (b, _)| a.cmp(b));
    let ((newest, claim), before) = elected.split_last()?;
    // Two of the same moment: neither is newer. Only one that calls itself so: the others have not heard of it.
    let (_, older) = before.last()?;
    (before.last()?.0 < *newest).then(|| Known {
        leader: claim.leader.clone(),
        how: format!("leads since {}, after {}", claim.since.as_deref().unwrap_or_default(), older.leader),
    })
}

/// Returns a time in RFC 3339 with Z in a form that sorts by time: the fraction has no fixed number of digits.
fn moment(time: &str) -> (&str, String) {
    let time = time.trim_end_matches('Z');
    let (seconds, fraction) = time.split_once('.').unwrap_or((time, ""));
    (seconds, format!("{fraction:0<9}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims(all: &[(&str, &str, Option<&str>)]) -> Vec<Claim> {
        let claim = |(by, leader, since): &(&str, &str, Option<&str>)| Claim {
            by: (*by).to_owned(),
            asset: Asset::Meta,
            leader: (*leader).to_owned(),
            since: since.map(str::to_owned),
        };
        all.iter().map(claim).collect()
    }

    fn led(all: &[(&str, &str, Option<&str>)], copies: usize) -> Option<String> {
        leader(&claims(all), &Asset::Meta, copies).map(|known| known.leader)
    }

    const EARLY: Option<&str> = Some("2026-11-26T22:17:59.9Z");
    const LATE: Option<&str> = Some("2026-11-26T22:17:59.91Z");

    #[test]
    fn the_answer_of_a_majority_counts() {
        let all = claims(&[("n1", "n3", None), ("n2", "n3", None), ("n3", "n3", LATE)]);
        let known = leader(&all, &Asset::Meta, 3).unwrap();
        assert_eq!((known.leader.as_str(), known.how.as_str()), ("n3", "named by n1, n2, n3"));
        assert_eq!(leader(&all, &Asset::Stream("S".into()), 3), None);
        // One of three does not answer.
        assert_eq!(led(&[("n1", "n3", None), ("n3", "n3", LATE)], 3).as_deref(), Some("n3"));
        assert_eq!(led(&[("n1", "n3", None)], 3), None);
        assert_eq!(led(&[("n2", "n2", LATE)], 1).as_deref(), Some("n2"), "the only copy");
    }

    #[test]
    fn a_leader_that_was_cut_off_does_not_count() {
        // n1 was the leader, is isolated, and still calls itself so.
        let parted = [("n1", "n1", EARLY), ("n2", "n3", None), ("n3", "n3", LATE)];
        assert_eq!(led(&parted, 3).as_deref(), Some("n3"));
        assert_eq!(led(&[("n1", "n1", EARLY), ("n2", "", None), ("n3", "", None)], 3), None);
        assert_eq!(led(&[("n1", "n1", EARLY), ("n2", "", None)], 3), None);
    }

    #[test]
    fn without_a_majority_for_one_the_newest_election_decides() {
        let two = [("n1", "n1", EARLY), ("n3", "n3", LATE)];
        assert_eq!(led(&two, 3).as_deref(), Some("n3"), "one digit more is later here");
        assert_eq!(led(&[two[1], two[0]], 3).as_deref(), Some("n3"));
        let known = leader(&claims(&two), &Asset::Meta, 3).unwrap();
        assert_eq!(known.how, "leads since 2026-11-26T22:17:59.91Z, after n1");
        assert_eq!(led(&[("n1", "n1", LATE), ("n3", "n3", LATE)], 3), None, "neither is newer");
        assert_eq!(led(&two, 5), None, "too few have answered");
        assert_eq!(led(&[("n1", "n1", None), ("n3", "n3", None)], 3), None);
    }

    #[test]
    fn nobody_leads_while_there_is_no_leader() {
        assert_eq!(led(&[("n1", "", None), ("n2", "", None), ("n3", "", None)], 3), None);
        assert_eq!(led(&[], 3), None);
    }
}
