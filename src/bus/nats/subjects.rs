//! The subjects that a run publishes to, and which of them each consumer of a group filters.
//!
//! Each matched topic has one filter. Filters are never the group's patterns, so they cannot overlap (the server
//! refuses overlapping filters with error 10138).
//!
//! A `partitioned` group sends all events of a symbol to the same member. The stream appends the partition of the
//! symbol to the stored subject (`…quote.received.AAPL` becomes `…quote.received.AAPL.partition.3`), and each member
//! has a durable consumer that filters its partitions. A stream has one transform, so the topics of partitioned groups
//! must have the same number of levels. Deliveries show the subject as published.

use std::collections::BTreeSet;

use crate::bus::BusError;
use crate::plan::{Delivery, Group, Plan};
pub(super) use crate::topology::name_part;
use crate::topology::{Naming, receives};

/// The token between the symbol and the number of its partition.
const PARTITION: &str = ".partition.";
/// Filter of a group whose patterns match no topic: without a filter it would receive everything.
const NOTHING: &str = "tickgate.no-topic";

/// Subjects and consumers of one run.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    naming: Naming,
    /// Prefix of the topics.
    prefix: String,
    topics: Vec<String>,
    symbol_in_subject: bool,
    partitioning: Option<Partitioning>,
    groups: Vec<GroupLayout>,
}

/// The stream's transform: topics with `levels` levels get one of `count` partitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Partitioning {
    levels: usize,
    count: u32,
}

#[derive(Debug, Clone)]
struct GroupLayout {
    /// Indices of the topics that match a pattern of the group.
    topics: Vec<usize>,
    members: u32,
    /// Whether each member has a durable of its own.
    split: bool,
}

impl Layout {
    /// Computes the subjects of a plan, for a run.
    ///
    /// # Errors
    /// When a partitioned group cannot be laid out, or a symbol is not valid in a subject.
    pub(super) fn new(plan: &Plan, naming: Naming, run: &str, symbols: &[String]) -> Result<Self, BusError> {
        let topology = &plan.topology;
        if topology.symbol_in_subject {
            check_symbols(symbols)?;
        }
        let groups = plan
            .groups
            .iter()
            .map(|group| lay_out(group, &topology.topics))
            .collect::<Result<Vec<_>, _>>()?;
        let partitioning = partitioning(plan, &groups)?;
        Ok(Self {
            naming,
            prefix: naming.prefix(topology, run),
            topics: topology.topics.clone(),
            symbol_in_subject: topology.symbol_in_subject,
            partitioning,
            groups,
        })
    }

    #[cfg(test)]
    pub(super) fn of_one_topic() -> Self {
        let (prefix, topics) = ("pre".to_owned(), vec!["topic".to_owned()]);
        let naming = Naming::Profile;
        Self { naming, prefix, topics, symbol_in_subject: false, partitioning: None, groups: Vec::new() }
    }

    /// Returns whether the subjects are the profile's or private ones.
    pub(super) const fn naming(&self) -> Naming {
        self.naming
    }

    /// Returns one filter for all subjects.
    pub(super) fn all(&self) -> String {
        format!("{}.>", self.prefix)
    }

    /// Returns the subjects that the stream listens to.
    pub(super) fn stream_subjects(&self) -> Vec<String> {
        let tail = if self.symbol_in_subject { ".*" } else { "" };
        self.topics.iter().map(|topic| format!("{}.{topic}{tail}", self.prefix)).collect()
    }

    /// Returns the subject of an event.
    pub(super) fn subject(&self, topic: usize, symbol: &str) -> String {
        let topic = self.topics.get(topic).map_or("", String::as_str);
        if self.symbol_in_subject {
            format!("{}.{topic}.{symbol}", self.prefix)
        } else {
            format!("{}.{topic}", self.prefix)
        }
    }

    /// Returns whether subjects differ by symbol as well as by topic.
    pub(super) const fn by_symbol(&self) -> bool {
        self.symbol_in_subject
    }

    /// Returns the number of topics.
    pub(super) fn topics(&self) -> usize {
        self.topics.len()
    }

    /// Returns the stream's transform, as (source, destination).
    pub(super) fn transform(&self) -> Option<(String, String)> {
        let Partitioning { levels, count } = self.partitioning?;
        let symbol = levels + 1;
        let tokens: Vec<String> = (1..=symbol).map(|at| format!("{{{{wildcard({at})}}}}")).collect();
        let (prefix, tokens) = (&self.prefix, tokens.join("."));
        Some((
            format!("{prefix}{}", ".*".repeat(symbol)),
            format!("{prefix}.{tokens}{PARTITION}{{{{partition({count},{symbol})}}}}"),
        ))
    }

    /// Returns the number of durables of a group: one, or one per member.
    pub(super) fn durables(&self, group: usize) -> u32 {
        self.groups.get(group).map_or(0, |g| if g.split { g.members } else { 1 })
    }

    /// Returns the filters of a group's `durable`-th consumer; never empty, never overlapping.
    pub(super) fn filters(&self, group: usize, durable: u32) -> Vec<String> {
        let Some(layout) = self.groups.get(group) else { return Vec::new() };
        if layout.topics.is_empty() {
            return vec![NOTHING.to_owned()];
        }
        layout.topics.iter().flat_map(|&topic| self.topic_filters(layout, topic, durable)).collect()
    }

    fn topic_filters(&self, group: &GroupLayout, topic: usize, durable: u32) -> Vec<String> {
        let subject = self.subject(topic, "*");
        match self.partitioning {
            Some(p) if self.topics.get(topic).is_some_and(|t| levels(t) == p.levels) => {
                if group.split {
                    let own = (0..p.count).filter(|partition| partition % group.members == durable);
                    own.map(|partition| format!("{subject}{PARTITION}{partition}")).collect()
                } else {
                    vec![format!("{subject}{PARTITION}*")]
                }
            }
            _ => vec![subject],
        }
    }

    /// Returns a stored subject as it was published.
    pub(super) fn published<'a>(&self, stored: &'a str) -> &'a str {
        if self.partitioning.is_none() {
            return stored;
        }
        match stored.rsplit_once(PARTITION) {
            Some((subject, number)) if number.bytes().all(|b| b.is_ascii_digit()) => subject,
            _ => stored,
        }
    }
}

fn lay_out(group: &Group, topics: &[String]) -> Result<GroupLayout, BusError> {
    let topics = receives(group, topics).map_err(|error| BusError::Plan {
        problem: format!("group `{}`: {error}", group.name),
        hint: "mend its `subscribe`".to_owned(),
    })?;
    Ok(GroupLayout {
        topics,
        members: group.members.max(1),
        split: group.delivery == Delivery::Partitioned && group.members > 1,
    })
}

fn partitioning(plan: &Plan, groups: &[GroupLayout]) -> Result<Option<Partitioning>, BusError> {
    let mut widest: Option<Partitioning> = None;
    for (group, layout) in plan.groups.iter().zip(groups).filter(|(_, layout)| layout.split) {
        if !plan.topology.symbol_in_subject {
            return Err(BusError::Plan {
                problem: format!(
                    "group `{}` is `partitioned`, but the subjects do not carry the symbol",
                    group.name
                ),
                hint: "set `topology.symbol_in_subject = true`, or `delivery = \"pinned\"` for the group"
                    .to_owned(),
            });
        }
        let depths: BTreeSet<usize> =
            layout.topics.iter().filter_map(|&at| plan.topology.topics.get(at)).map(|t| levels(t)).collect();
        let mixed = |depths: &BTreeSet<usize>| {
            depths.len() > 1 || widest.is_some_and(|w| depths.iter().any(|&d| d != w.levels))
        };
        if mixed(&depths) {
            return Err(BusError::Plan {
                problem: format!(
                    "group `{}` is `partitioned` over topics with different numbers of levels, and a stream has \
                     one partition rule",
                    group.name
                ),
                hint: "let its patterns match topics of one depth, or set `delivery = \"pinned\"`".to_owned(),
            });
        }
        if let Some(&levels) = depths.first() {
            let count = plan.bus.partitions.max(layout.members).max(widest.map_or(0, |w| w.count));
            widest = Some(Partitioning { levels, count });
        }
    }
    Ok(widest)
}

fn check_symbols(symbols: &[String]) -> Result<(), BusError> {
    let unfit = |s: &&String| s.is_empty() || s.contains(|c: char| c.is_whitespace() || ".*>".contains(c));
    symbols.iter().find(unfit).map_or(Ok(()), |symbol| {
        Err(BusError::Plan {
            problem: format!("symbol `{symbol}` cannot be a token of a NATS subject"),
            hint: "use symbols without `.`, `*`, `>` and white space".to_owned(),
        })
    })
}

fn levels(topic: &str) -> usize {
    topic.split('.').count()
}

/// Returns the name of a group's durable: unique even if groups differ only in characters that names cannot contain.
pub(super) fn durable_name(run: &str, plan: &Plan, group: usize, split: Option<u32>) -> String {
    let given = plan.groups.get(group).map_or("", |g| g.name.as_str());
    let clash = plan.groups.iter().filter(|g| name_part(&g.name) == name_part(given)).count() > 1;
    let apart = if clash { format!("-g{group}") } else { String::new() };
    let member = split.map_or_else(String::new, |member| format!("-{member}"));
    format!("tickgate-{run}-{}{apart}{member}", name_part(given))
}

#[cfg(test)]
mod tests;
