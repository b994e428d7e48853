//! A topology on Kafka: the names of its topics, what Kafka cannot represent, and what groups subscribe to, since
//! Kafka has no wildcards.
//!
//! It needs no client, so a build without Kafka can also check and draw a profile for Kafka.

use std::fmt::Write as _;

use crate::num::show;
use crate::plan::{Delivery, Group, Topology};

use crate::topology::{receives, subject};

/// How the connection of a generator is named among those of a node: a producer is connected to every node that leads one of its
/// partitions.
pub const PRODUCERS: &str = "producers";
/// Maximum length of a topic name.
const NAME_MAX: usize = 249;
/// Room for the prefix of a run's topics, `tickgate-<run>.`.
const RUN_PREFIX: usize = 32;

/// Returns the topic's name without a run's prefix: that of the NATS subject, without the symbol.
#[must_use]
pub fn topic_name(topology: &Topology, topic: &str) -> String {
    subject(topology, topic)
}

/// Returns why Kafka cannot represent these topics: one sentence for each fault, with what is expected.
#[must_use]
pub fn faults(topology: &Topology) -> Vec<String> {
    let mut faults = Vec::new();
    let names: Vec<String> = topology.topics.iter().map(|topic| topic_name(topology, topic)).collect();
    for (at, name) in names.iter().enumerate() {
        let legal = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if !name.chars().all(legal) {
            faults.push(format!(
                "the topic `{}` cannot be Kafka's; expected letters, digits, `.`, `_` and `-`",
                name.replace(char::is_control, "\u{fffd}")
            ));
        }
        if name.len() + RUN_PREFIX > NAME_MAX {
            faults.push(format!(
                "the topic `{name}` has {} characters; expected at most {}, for Kafka allows {NAME_MAX} and a run's \
                 own prefix takes {RUN_PREFIX}",
                name.len(),
                NAME_MAX - RUN_PREFIX
            ));
        }
        // Kafka derives the same metric name from both and refuses the second.
        let metric = |name: &str| name.replace('.', "_");
        if let Some(other) =
            names.iter().take(at).find(|other| *other != name && metric(other) == metric(name))
        {
            faults.push(format!(
                "Kafka takes the topics `{other}` and `{name}` for one, since `.` and `_` are the same in its metrics; \
                 expected names that differ otherwise"
            ));
        }
    }
    faults
}

/// Returns a page of text that shows what groups subscribe to on Kafka, which has no wildcards.
#[must_use]
pub fn draw(topology: &Topology, groups: &[Group], partitions: u32) -> String {
    let mut page = format!(
        "\nOn Kafka ({} topics of {}; the symbol is the key, so it stays in its partition and in order)\n",
        topology.topics.len(),
        show::several(u64::from(partitions), "partition"),
    );
    if topology.symbol_in_subject {
        page.push_str(
            "  the symbol is in no topic's name: a topic for each would be more than a broker carries\n",
        );
    }
    for group in groups {
        let topics = receives(group, &topology.topics).unwrap_or_default();
        let topics: Vec<&str> =
            topics.iter().filter_map(|&topic| topology.topics.get(topic)).map(String::as_str).collect();
        let shared = match group.delivery {
            Delivery::Shared | Delivery::Partitioned if group.members > 1 => {
                ", partitioned by nature: each partition is one member's"
            }
            Delivery::Pinned if group.members > 1 => {
                ", pinned: every topic's only partition is the first member's, the others stand by"
            }
            _ => "",
        };
        let patterns = group.subscribe.join(", ");
        let listed = if topics.is_empty() { "nothing".to_owned() } else { topics.join(", ") };
        // Writing to a `String` cannot fail.
        let _ = writeln!(page, "  {}: subscribes {listed}\n    in place of {patterns}{shared}", group.name);
    }
    for fault in faults(topology) {
        let _ = writeln!(page, "  error  {fault}");
    }
    // Replace control characters, so that a name cannot control a terminal.
    page.replace(|c: char| c.is_control() && c != '\n', "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::adr;

    fn topology(topics: &[&str]) -> Topology {
        Topology {
            name: "t".to_owned(),
            prefix: "p".to_owned(),
            topics: topics.iter().map(|&topic| topic.to_owned()).collect(),
            symbol_in_subject: false,
        }
    }

    #[test]
    fn the_adr_maps_one_to_one() {
        let (adr, _) = adr::named("adr-002").unwrap();
        assert_eq!(faults(&adr), [""; 0]);
        assert_eq!(topic_name(&adr, "market.bar.1m"), "ai-trader.market.bar.1m");
    }

    #[test]
    fn what_kafka_cannot_hold_is_named() {
        let long = "x".repeat(230);
        let found = faults(&topology(&["a.b", "a_b", "c d", &long, "a-b"]));
        for (fault, part) in found.iter().zip(["takes the topics `p.a.b` and `p.a_b`", "`p.c d`", "232"]) {
            assert!(fault.contains(part), "{fault}");
        }
        assert_eq!(found.len(), 3, "{found:?}");
    }

    #[test]
    fn wildcards_become_lists() {
        let (adr, groups) = adr::named("adr-002").unwrap();
        insta::assert_snapshot!(draw(&adr, &groups, 1));
    }

    #[test]
    fn the_longest_name_is_one_that_leaves_room_for_the_prefix() {
        let fit = NAME_MAX - RUN_PREFIX - "p.".len();
        assert_eq!(faults(&topology(&["x".repeat(fit).as_str()])), [""; 0]);
        assert_eq!(faults(&topology(&["x".repeat(fit + 1).as_str()])).len(), 1);
    }

    #[test]
    fn only_a_group_of_several_is_told_how_it_shares() {
        for (delivery, members, told) in [
            (Delivery::Shared, 1, None),
            (Delivery::Shared, 2, Some("partitioned by nature")),
            (Delivery::Pinned, 1, None),
            (Delivery::Pinned, 2, Some("the others stand by")),
        ] {
            let group =
                Group { name: "g".into(), subscribe: vec![">".into()], members, delivery, consumer: None };
            let page = draw(&topology(&["a"]), &[group], 1);
            for words in ["partitioned by nature", "the others stand by"] {
                assert_eq!(page.contains(words), told == Some(words), "{delivery:?} of {members}: {page}");
            }
        }
    }
}
