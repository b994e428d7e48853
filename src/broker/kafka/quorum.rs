//! Asks a Kafka node who leads the cluster's own group: `DescribeQuorum` (KIP-595).
//!
//! The controller in an answer to `Metadata` is a random broker, so it says nothing.

use std::io;

use super::wire::{Connection, invalid, no_error};

/// The log of the group.
const TOPIC: &[u8] = b"__cluster_metadata";

const DESCRIBE_QUORUM: i16 = 55;

/// The leader of a cluster's own group, as a node sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::broker) struct Leader {
    /// ID of the node.
    pub(in crate::broker) id: i32,
    /// Its term; a newer one is larger.
    pub(in crate::broker) epoch: i32,
}

/// Asks a node.
///
/// # Errors
/// When the node does not answer, refuses, or knows of no leader.
pub(super) fn leader(node: &mut Connection) -> io::Result<Leader> {
    read_leader(&node.ask(DESCRIBE_QUORUM, 0, &question())?)
}

/// The body of `DescribeQuorum` version 0, with the tags that end a flexible header before it.
fn question() -> Vec<u8> {
    let mut body = vec![0];
    // One topic with one partition; lengths of compact fields are one more than they are.
    body.extend([2, compact(TOPIC.len())]);
    body.extend(TOPIC);
    body.extend([2, 0, 0, 0, 0, 0, 0, 0]);
    body
}

const fn compact(length: usize) -> u8 {
    // All lengths that are sent are short.
    length.to_be_bytes()[size_of::<usize>() - 1] + 1
}

/// Reads the leader from an answer to `DescribeQuorum` version 0.
fn read_leader(answer: &[u8]) -> io::Result<Leader> {
    // The tags of the header, and the error of the whole.
    let [0, rest @ ..] = answer else { return Err(invalid()) };
    no_error(rest)?;
    // One topic, of which one partition.
    let rest =
        rest.get(2..).and_then(|rest| rest.strip_prefix(&[2, compact(TOPIC.len())])).ok_or_else(invalid)?;
    let rest = rest.strip_prefix(TOPIC).and_then(|rest| rest.strip_prefix(&[2])).ok_or_else(invalid)?;
    let rest = rest.strip_prefix(&[0, 0, 0, 0]).ok_or_else(invalid)?;
    no_error(rest)?;
    let number = |at: usize| -> io::Result<i32> {
        let bytes = rest.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).ok_or_else(invalid)?;
        Ok(i32::from_be_bytes(bytes))
    };
    let leader = Leader { id: number(2)?, epoch: number(6)? };
    if leader.id > 0 { Ok(leader) } else { Err(io::Error::other("no leader")) }
}

/// Returns what nodes lack to be ready, by their names and what each has answered: all must name the same leader.
pub(in crate::broker) fn missing(views: &[(String, Result<Leader, String>)]) -> Vec<String> {
    let mut missing: Vec<String> = views
        .iter()
        .filter_map(|(name, seen)| seen.as_ref().err().map(|problem| format!("{name} {problem}")))
        .collect();
    let mut ids: Vec<i32> =
        views.iter().filter_map(|(_, seen)| seen.as_ref().ok().map(|leader| leader.id)).collect();
    ids.dedup();
    if ids.len() > 1 {
        let each = views.iter().filter_map(|(name, seen)| {
            seen.as_ref().ok().map(|leader| format!("{name} sees node {}", leader.id))
        });
        missing
            .push(format!("the nodes see different controllers ({})", each.collect::<Vec<_>>().join(", ")));
    }
    missing
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(leader: i32) -> Vec<u8> {
        let mut bytes = vec![0, 0, 0, 2, 19];
        bytes.extend(TOPIC);
        bytes.extend([2, 0, 0, 0, 0, 0, 0]);
        bytes.extend(leader.to_be_bytes());
        bytes.extend(5_i32.to_be_bytes());
        bytes.extend([0; 8]);
        bytes
    }

    #[test]
    fn the_leader_is_read_and_anything_else_is_an_error() {
        assert_eq!(read_leader(&answer(2)).unwrap(), Leader { id: 2, epoch: 5 });
        assert_eq!(read_leader(&answer(-1)).unwrap_err().to_string(), "no leader");
        let whole = answer(3);
        for cut in 0..whole.len() - 8 {
            assert!(read_leader(&whole[..cut]).is_err(), "{cut}");
        }
        let mut refused = answer(3);
        (refused[1], refused[2]) = (0, 29);
        assert_eq!(read_leader(&refused).unwrap_err().to_string(), "error 29 of Kafka's protocol");
    }

    #[test]
    fn nodes_that_do_not_agree_are_named() {
        let view = |name: &str, seen: Result<i32, &str>| {
            (name.to_owned(), seen.map(|id| Leader { id, epoch: 1 }).map_err(str::to_owned))
        };
        assert_eq!(missing(&[view("kafka-1", Ok(2)), view("kafka-2", Ok(2))]), Vec::<String>::new());
        assert_eq!(
            missing(&[
                view("kafka-1", Ok(2)),
                view("kafka-2", Ok(1)),
                view("kafka-3", Err("does not answer"))
            ]),
            [
                "kafka-3 does not answer",
                "the nodes see different controllers (kafka-1 sees node 2, kafka-2 sees node 1)"
            ]
        );
    }
}
