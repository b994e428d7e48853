//! Who leads partitions and coordinates groups, as a Kafka node sees it: `Metadata` version 1 and `FindCoordinator` version 0.

use std::io;

use super::wire::{Connection, Fields, invalid, no_error, push_text};

const METADATA: i16 = 3;
const FIND_COORDINATOR: i16 = 10;

/// A topic, as a node sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Topic {
    pub(super) name: String,
    /// One of Kafka's own.
    pub(super) internal: bool,
    /// The leader of each partition, with the partition's number; -1 where there is none.
    pub(super) leaders: Vec<(i32, i32)>,
}

impl Topic {
    /// The node that leads the first partition; `None` without a leader.
    pub(super) fn leader(&self) -> Option<i32> {
        let (_, leader) = self.leaders.iter().find(|(partition, _)| *partition == 0)?;
        (*leader >= 0).then_some(*leader)
    }
}

/// Asks a node for all topics.
///
/// # Errors
/// When it does not answer, or not as a Kafka does.
pub(super) fn topics(node: &mut Connection) -> io::Result<Vec<Topic>> {
    const ALL: [u8; 4] = [0xff; 4];
    read_topics(&node.ask(METADATA, 1, &ALL)?)
}

/// Asks a node which one coordinates a group.
///
/// # Errors
/// When it does not answer, or knows of none.
pub(super) fn coordinator(node: &mut Connection, group: &str) -> io::Result<i32> {
    let mut body = Vec::new();
    push_text(&mut body, group)?;
    read_coordinator(&node.ask(FIND_COORDINATOR, 0, &body)?)
}

fn read_topics(answer: &[u8]) -> io::Result<Vec<Topic>> {
    let mut fields = Fields(answer);
    // The nodes: ID, host, port, rack; then a controller, which is a random node.
    fields.list(|fields| {
        fields.int32()?;
        fields.text()?;
        fields.int32()?;
        fields.text()
    })?;
    fields.int32()?;
    fields.list(|fields| {
        fields.int16()?;
        let name = String::from_utf8(fields.text()?.to_vec()).map_err(|_| invalid())?;
        let internal = fields.boolean()?;
        let leaders = fields.list(|fields| {
            fields.int16()?;
            let led = (fields.int32()?, fields.int32()?);
            // Its replicas, and those in sync.
            fields.list(Fields::int32)?;
            fields.list(Fields::int32)?;
            Ok(led)
        })?;
        Ok(Topic { name, internal, leaders })
    })
}

fn read_coordinator(answer: &[u8]) -> io::Result<i32> {
    no_error(answer)?;
    let mut fields = Fields(answer);
    fields.int16()?;
    let node = fields.int32()?;
    if node >= 0 { Ok(node) } else { Err(io::Error::other("no coordinator")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(into: &mut Vec<u8>, text: &str) {
        push_text(into, text).unwrap();
    }

    /// An answer of a cluster of two with a topic of two partitions, of which the second has no leader.
    fn metadata() -> Vec<u8> {
        let mut bytes = 2_i32.to_be_bytes().to_vec();
        for id in [1_i32, 2] {
            bytes.extend(id.to_be_bytes());
            text(&mut bytes, "127.0.0.1");
            bytes.extend(9092_i32.to_be_bytes());
            bytes.extend([0xff, 0xff]);
        }
        bytes.extend(2_i32.to_be_bytes());
        bytes.extend(1_i32.to_be_bytes());
        bytes.extend([0, 0]);
        text(&mut bytes, "orders");
        bytes.push(0);
        bytes.extend(2_i32.to_be_bytes());
        // Not in their order.
        for (partition, leader) in [(1_i32, -1_i32), (0, 2)] {
            bytes.extend(if leader < 0 { [0, 5] } else { [0, 0] });
            bytes.extend(partition.to_be_bytes());
            bytes.extend(leader.to_be_bytes());
            for copies in [&[2_i32, 1][..], &[2]] {
                bytes.extend(i32::try_from(copies.len()).unwrap().to_be_bytes());
                bytes.extend(copies.iter().flat_map(|id| id.to_be_bytes()));
            }
        }
        bytes
    }

    #[test]
    fn the_leaders_of_partitions_are_read_and_anything_else_is_an_error() {
        let whole = metadata();
        let topics = read_topics(&whole).unwrap();
        let orders = Topic { name: "orders".into(), internal: false, leaders: vec![(1, -1), (0, 2)] };
        assert_eq!((topics.len(), &topics[0]), (1, &orders));
        assert_eq!(topics[0].leader(), Some(2));
        assert_eq!(Topic { leaders: vec![(0, -1)], ..orders.clone() }.leader(), None, "nobody leads");
        assert_eq!(Topic { leaders: vec![], ..orders }.leader(), None);
        for cut in 0..whole.len() {
            assert!(read_topics(&whole[..cut]).is_err(), "{cut}");
        }
        // As many entries as no answer has.
        assert!(read_topics(&[0x7f, 0xff, 0xff, 0xff]).is_err());
    }

    #[test]
    fn the_coordinator_is_read_and_its_absence_is_an_error() {
        let mut found = vec![0, 0, 0, 0, 0, 3];
        text(&mut found, "127.0.0.1");
        found.extend(9092_i32.to_be_bytes());
        assert_eq!(read_coordinator(&found).unwrap(), 3);
        let absent = [0, 15, 0xff, 0xff, 0xff, 0xff, 0, 0, 0xff, 0xff, 0xff, 0xff];
        assert_eq!(read_coordinator(&absent).unwrap_err().to_string(), "error 15 of Kafka's protocol");
        let none = [0, 0, 0xff, 0xff, 0xff, 0xff];
        assert_eq!(read_coordinator(&none).unwrap_err().to_string(), "no coordinator");
        assert!(read_coordinator(&[0, 0, 0]).is_err() && read_coordinator(&[]).is_err());
    }
}
