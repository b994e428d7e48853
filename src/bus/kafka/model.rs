//! The configuration of an existing topic, as a model for the topics of a run or as what a run attaches to.
//!
//! Kept as names and values of Kafka's own API, so that settings of newer brokers are copied too. Nothing here connects
//! to a cluster, so that a build without Kafka has it as well.

mod model_check;

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::model::{Applied, Changes};
use crate::load::volume_bytes;
use crate::num::show::{self, size};
use crate::plan::{Plan, Size, Span, Sync};

/// Bytes of a message besides its payload that count towards `max.message.bytes`: the header of a batch, and key and
/// framing of the message.
pub const OVERHEAD: u64 = 512;
/// A setting by which a topic with the configuration of a model is recognised as a run's. It matters to compacted topics
/// only, which the topics of a run never are.
pub const MARK: (&str, &str) = ("delete.retention.ms", "86400009");

/// Settings that a copy lacks, each with the reason.
const LEFT: [(&str, &str); 7] = [
    ("leader.replication.throttled.replicas", "it names partitions and brokers of that topic"),
    ("follower.replication.throttled.replicas", "it names partitions and brokers of that topic"),
    ("remote.storage.enable", REMOTE),
    ("remote.log.copy.disable", REMOTE),
    ("remote.log.delete.on.disable", REMOTE),
    ("local.retention.ms", REMOTE),
    ("local.retention.bytes", REMOTE),
];
const REMOTE: &str =
    "the run's topics stay on the brokers, so that nothing of them is left in a remote store";

/// The value of a setting, and where it is set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Setting {
    /// The value; `None` if it is secret.
    pub value: Option<String>,
    /// Whether it is set for the topic itself, and not by a default of its broker or cluster.
    pub of_topic: bool,
}

/// The configuration of a topic.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TopicModel {
    /// The source: `topic orders`.
    pub of: String,
    /// Name of the topic.
    pub topic: String,
    /// Number of partitions.
    pub partitions: u32,
    /// Copies of each partition.
    pub replicas: u32,
    /// All its settings with their effective values.
    pub settings: BTreeMap<String, Setting>,
    /// Whether the run uses this very topic.
    pub attached: bool,
}

/// The settings of a copy, and what it lacks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TopicCopy {
    /// Settings to create a topic with.
    pub settings: Vec<(String, String)>,
    /// One message for each setting that is not copied.
    pub left: Vec<String>,
}

impl TopicModel {
    fn text(&self, name: &str) -> Option<&str> {
        self.settings.get(name)?.value.as_deref()
    }

    /// Returns a number that is a bound; `None` if there is no bound.
    fn bound(&self, name: &str) -> Option<u64> {
        self.text(name)?.parse().ok()
    }

    fn is_compacted(&self) -> bool {
        self.text("cleanup.policy")
            .is_some_and(|policy| policy.split(',').any(|part| part.trim() == "compact"))
    }

    /// Returns the largest payload that the topic accepts, in bytes.
    #[must_use]
    pub fn max_payload(&self) -> u64 {
        self.bound("max.message.bytes").map_or(u64::MAX, |most| most.saturating_sub(OVERHEAD))
    }

    /// Applies this configuration to a plan.
    ///
    /// # Errors
    /// When the plan cannot run on such a topic: the reason, and what to do.
    pub fn applied(&self, plan: &Plan) -> Result<Applied, String> {
        let mut plan = plan.clone();
        let mut changes = Changes::of(&self.of);
        self.apply(&mut plan, &mut changes);
        self.check_size(&plan)?;
        self.check_copies(&plan)?;
        plan.groups.iter().try_for_each(|group| self.check_members(group))?;
        if self.attached {
            self.check_attached(&plan)?;
        }
        Ok(Applied { plan, differs: changes.differs })
    }

    fn apply(&self, plan: &mut Plan, changes: &mut Changes<'_>) {
        let bus = &mut plan.bus;
        if self.attached || bus.kafka.leaves_partitions() {
            changes.set("bus.partitions", &mut bus.partitions, self.partitions);
        }
        changes.set("bus.replicas", &mut bus.replicas, self.replicas);
        if let Some(least) = self.bound("min.insync.replicas").and_then(|least| u32::try_from(least).ok()) {
            changes.set("bus.kafka.min_insync_replicas", &mut bus.kafka.min_insync_replicas, least);
        }
        let always = self.bound("flush.messages") == Some(1);
        changes.set("bus.sync", &mut bus.sync, if always { Sync::Always } else { Sync::Default });
        if let Some(ms) = self.bound("retention.ms") {
            changes.set("bus.max_age", &mut bus.max_age, Span { ns: ms.saturating_mul(1_000_000) });
        }
        if let Some(bytes) = self.bound("retention.bytes") {
            changes.set("bus.max_bytes", &mut bus.max_bytes, Size { bytes });
        }
        // The bound of a message is that of a batch.
        let batch = Size { bytes: self.max_payload().min(bus.kafka.batch_size.bytes).max(1) };
        changes.set("bus.kafka.batch_size", &mut bus.kafka.batch_size, batch);
    }

    /// Returns warnings about a run with the applied plan.
    #[must_use]
    pub fn warnings(&self, plan: &Plan) -> Vec<String> {
        let volume = volume_bytes(plan);
        let mut warnings = Vec::new();
        if let Some(bytes) = self.bound("retention.bytes") {
            if self.attached {
                warnings.push(format!(
                    "{} keeps {} of each partition (`retention.bytes`): the run's events, about {}, make Kafka delete older \
                     ones of others sooner",
                    self.of,
                    size(bytes),
                    size(volume)
                ));
            } else if volume > bytes {
                warnings.push(format!(
                    "the events of this run take about {}, and Kafka deletes the oldest of a partition beyond \
                     `retention.bytes` of {}, {}: a group that is so far behind loses them, and the audit is left out",
                    size(volume),
                    self.of,
                    size(bytes)
                ));
            }
        }
        let total = plan.load.total();
        if self.bound("retention.ms").is_some_and(|ms| ms.saturating_mul(1_000_000) < total.ns) {
            warnings.push(format!(
                "the run takes up to {total}, and `retention.ms` of {} is {}: Kafka may delete events during the run",
                self.of, plan.bus.max_age
            ));
        }
        warnings
    }

    /// Returns the settings for a topic of the run, given the plan with this model applied.
    #[must_use]
    pub fn copy(&self, plan: &Plan) -> TopicCopy {
        let mut copy = TopicCopy::default();
        let own = ["cleanup.policy", "retention.ms", "retention.bytes", MARK.0];
        for (name, setting) in self.settings.iter().filter(|(_, setting)| setting.of_topic) {
            let Some(value) = &setting.value else {
                copy.leave(name, "…", "the cluster does not show its value");
                continue;
            };
            if own.contains(&name.as_str()) {
                continue;
            }
            let left = LEFT.iter().find(|(left, _)| left == name).map(|(_, why)| *why);
            let zstd = (name == "compression.type" && value == "zstd")
                .then_some("this build cannot read it; the run's topics have the cluster's default");
            match left.or(zstd) {
                // An empty list says nothing.
                Some(_) if value.is_empty() || value == "false" => {}
                Some(why) => copy.leave(name, value, why),
                None => copy.settings.push((name.clone(), value.clone())),
            }
        }
        self.policy(&mut copy);
        let bounds = [
            ("retention.ms", plan.bus.max_age.ns / 1_000_000, "bus.max_age"),
            ("retention.bytes", plan.bus.max_bytes.bytes, "bus.max_bytes"),
        ];
        for (name, own, key) in bounds {
            let theirs = self.bound(name);
            if theirs.is_none() {
                copy.leave(name, "unlimited", &format!("a topic of a run is always bounded, by `{key}`"));
            }
            copy.settings.push((name.to_owned(), theirs.unwrap_or(own).to_string()));
        }
        if self.settings.get(MARK.0).is_some_and(|setting| setting.of_topic) {
            let value = self.text(MARK.0).unwrap_or_default();
            copy.leave(
                MARK.0,
                value,
                "it is for compacted topics, and `tickgate clean` knows the run's topics by it",
            );
        }
        copy.settings.push((MARK.0.to_owned(), MARK.1.to_owned()));
        copy
    }

    fn policy(&self, copy: &mut TopicCopy) {
        let policy = self.text("cleanup.policy").unwrap_or("delete");
        if policy != "delete" {
            let why = if self.is_compacted() {
                "compaction removes all but the last event of each key, which would count as lost; the run's topics have `delete`"
            } else {
                "a topic of a run is always bounded; it has `delete`"
            };
            copy.leave("cleanup.policy", policy, why);
        }
        copy.settings.push(("cleanup.policy".to_owned(), "delete".to_owned()));
    }

    /// Returns where the topics that were made differ from this model, apart from what was not copied.
    #[must_use]
    pub fn differences(&self, copy: &TopicCopy, made: &Self) -> Vec<String> {
        let numbers =
            [("partitions", made.partitions, self.partitions), ("replicas", made.replicas, self.replicas)];
        let numbers = numbers.into_iter().filter(|(_, made, model)| made != model);
        let numbers = numbers.map(|(name, made, model)| differs(name, &made.to_string(), &model.to_string()));
        let left = |name: &str| copy.left.iter().any(|line| line.split(' ').next() == Some(name));
        let settings = self.settings.iter().filter_map(|(name, setting)| {
            let model = setting.value.as_deref()?;
            let made = made.text(name).unwrap_or("not set");
            let apart = name == MARK.0 || left(name);
            (made != model && !apart).then(|| differs(name, made, model))
        });
        numbers.chain(settings).collect()
    }

    /// Returns all settings, for a record.
    #[must_use]
    pub fn fields(&self) -> Map<String, Value> {
        let number = |name: &str, value: u32| (name.to_owned(), Value::from(value));
        let settings = self.settings.iter();
        let settings =
            settings.filter_map(|(name, setting)| Some((name.clone(), Value::from(setting.value.clone()?))));
        settings
            .chain([number("partitions", self.partitions), number("replication.factor", self.replicas)])
            .collect()
    }

    /// Returns why events that were stored may be missing when they are read back.
    #[must_use]
    pub fn removed(&self, events: u64) -> String {
        let limits = ["retention.ms", "retention.bytes", "segment.ms"];
        let said: Vec<String> =
            limits.iter().filter_map(|name| Some(format!("{name} {}", self.bound(name)?))).collect();
        format!(
            "the cluster has removed {} of the run's topics by their own limits ({}), so reading them back cannot show \
             whether every event was stored",
            show::several(events, "event"),
            said.join(", ")
        )
    }
}

impl TopicCopy {
    fn leave(&mut self, name: &str, value: &str, why: &str) {
        self.left.push(format!("{name} {value}: {why}"));
    }
}

fn differs(name: &str, made: &str, model: &str) -> String {
    format!("{name} is {made} in the run, and {model} in the model")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::{Source, read};

    fn plan(sets: &[&str]) -> Plan {
        let base = [
            "bus.kind=kafka",
            "topology.topics=[\"market.quote.received\"]",
            "groups=[{name=\"a\",subscribe=[\">\"]}]",
        ];
        let sets: Vec<String> = base.iter().chain(sets).map(|&set| set.to_owned()).collect();
        read(&Source::find("quick").unwrap(), &sets).unwrap()
    }

    /// A topic as a broker describes it; a name that begins with `*` is set by a default.
    fn model(settings: &[(&str, &str)]) -> TopicModel {
        let defaults = [
            ("*cleanup.policy", "delete"),
            ("*retention.ms", "604800000"),
            ("*retention.bytes", "-1"),
            ("*max.message.bytes", "1048588"),
            ("*min.insync.replicas", "1"),
            ("*flush.messages", "9223372036854775807"),
            ("*compression.type", "producer"),
            ("*leader.replication.throttled.replicas", ""),
        ];
        let entry = |(name, value): &(&str, &str)| {
            let setting = Setting { value: Some((*value).to_owned()), of_topic: !name.starts_with('*') };
            (name.trim_start_matches('*').to_owned(), setting)
        };
        TopicModel {
            of: "topic orders".to_owned(),
            topic: "orders".to_owned(),
            partitions: 6,
            replicas: 3,
            settings: defaults.iter().chain(settings).map(entry).collect(),
            attached: false,
        }
    }

    fn refused(model: &TopicModel, sets: &[&str]) -> String {
        model.applied(&plan(sets)).unwrap_err()
    }

    #[test]
    fn the_topic_decides_over_the_keys_of_the_profile() {
        let model = model(&[
            ("min.insync.replicas", "2"),
            ("retention.ms", "3600000"),
            ("retention.bytes", "5368709120"),
            ("flush.messages", "1"),
            ("max.message.bytes", "65536"),
        ]);
        let applied = model.applied(&plan(&["bus.kafka.like=orders"])).unwrap();
        let bus = &applied.plan.bus;
        assert_eq!((bus.partitions, bus.replicas, bus.kafka.min_insync_replicas), (6, 3, 2));
        assert_eq!((bus.max_age, bus.max_bytes.bytes), (Span::seconds(3600), 5 << 30));
        assert_eq!((bus.sync, bus.kafka.batch_size.bytes), (Sync::Always, 65_536 - OVERHEAD));
        for key in ["bus.partitions", "bus.replicas", "bus.kafka.batch_size", "bus.max_age"] {
            assert!(applied.differs.iter().any(|line| line.starts_with(&format!("`{key}` is "))), "{key}");
        }
        let own = model.applied(&plan(&["bus.kafka.like=orders", "bus.partitions=2"])).unwrap().plan;
        assert_eq!(own.bus.partitions, 2, "the profile sets it");
        let attached = TopicModel { attached: true, ..model };
        let theirs = attached.applied(&plan(&["bus.kafka.attach=orders", "bus.partitions=2"])).unwrap().plan;
        assert_eq!(theirs.bus.partitions, 6, "the partitions of an existing topic are its own");
    }

    #[test]
    fn what_is_set_for_the_topic_is_copied_and_the_rest_is_listed_with_its_reason() {
        let plan = plan(&["bus.kafka.like=orders"]);
        let theirs = model(&[
            ("segment.bytes", "1048576"),
            ("*segment.ms", "604800000"),
            ("compression.type", "lz4"),
            ("cleanup.policy", "compact,delete"),
            ("delete.retention.ms", "1000"),
            ("retention.ms", "-1"),
            ("leader.replication.throttled.replicas", "0:1"),
            ("follower.replication.throttled.replicas", ""),
            ("remote.storage.enable", "true"),
            ("a.setting.of.the.future", "7"),
        ]);
        let plan = theirs.applied(&plan).unwrap().plan;
        let copy = theirs.copy(&plan);
        let value = |name: &str| {
            let found = copy.settings.iter().find(|(copied, _)| copied == name);
            found.map(|(_, value)| value.as_str())
        };
        for (name, expected) in [
            ("segment.bytes", Some("1048576")),
            ("compression.type", Some("lz4")),
            ("a.setting.of.the.future", Some("7")),
            ("cleanup.policy", Some("delete")),
            (MARK.0, Some(MARK.1)),
            ("segment.ms", None),
            ("max.message.bytes", None),
            ("remote.storage.enable", None),
        ] {
            assert_eq!(value(name), expected, "{name}");
        }
        assert_eq!(value("retention.ms"), Some((plan.bus.max_age.ns / 1_000_000).to_string().as_str()));
        assert_eq!(value("retention.bytes"), Some(plan.bus.max_bytes.bytes.to_string().as_str()));
        let left: Vec<&str> =
            copy.left.iter().filter_map(|line| line.split_once(": ").map(|(what, _)| what)).collect();
        assert_eq!(
            left,
            [
                "leader.replication.throttled.replicas 0:1",
                "remote.storage.enable true",
                "cleanup.policy compact,delete",
                "retention.ms unlimited",
                "retention.bytes unlimited",
                "delete.retention.ms 1000"
            ]
        );
    }

    #[test]
    fn what_the_cluster_made_otherwise_is_a_difference_unless_it_was_left_out() {
        let theirs = model(&[("segment.bytes", "1048576"), ("cleanup.policy", "compact")]);
        let plan = theirs.applied(&plan(&["bus.kafka.like=orders"])).unwrap().plan;
        let copy = theirs.copy(&plan);
        let mut made = model(&[("segment.bytes", "1048576"), (MARK.0, MARK.1), ("retention.bytes", "99")]);
        assert_eq!(theirs.differences(&copy, &made), [""; 0]);
        made.partitions = 2;
        made.settings.insert(
            "segment.bytes".to_owned(),
            Setting { value: Some("2097152".to_owned()), of_topic: true },
        );
        assert_eq!(
            theirs.differences(&copy, &made),
            [
                "partitions is 2 in the run, and 6 in the model",
                "segment.bytes is 2097152 in the run, and 1048576 in the model"
            ]
        );
        assert_eq!(made.fields()["replication.factor"], 3);
    }

    #[test]
    fn a_plan_that_cannot_run_on_the_topic_is_refused_with_the_key() {
        let small = model(&[("max.message.bytes", "2000")]);
        for (error, parts) in [
            (
                refused(&small, &["bus.kafka.like=orders", "market.event_size=1600B"]),
                vec!["`max.message.bytes` of topic orders is 2000", "`market.event_size`"],
            ),
            (
                refused(
                    &small,
                    &[
                        "bus.kafka.like=orders",
                        &format!(
                            "payload.template={{\"id\":{{{{eventId}}}},\"x\":\"{}\"}}",
                            "x".repeat(1600)
                        ),
                    ],
                ),
                vec!["`max.message.bytes` of topic orders is 2000", "`payload.template`"],
            ),
            (
                refused(&model(&[("min.insync.replicas", "4")]), &["bus.kafka.like=orders"]),
                vec!["`min.insync.replicas`"],
            ),
            (
                refused(
                    &model(&[]),
                    &["bus.kafka.like=orders", "groups=[{name=\"a\",subscribe=[\">\"],members=7}]"],
                ),
                vec!["the 7 members of group a share the 6 partitions of topic orders", "`groups.a.members`"],
            ),
            (
                refused(
                    &model(&[]),
                    &[
                        "bus.kafka.like=orders",
                        "groups=[{name=\"a\",subscribe=[\">\"],members=2,delivery=\"pinned\"}]",
                    ],
                ),
                vec!["a pinned group", "`groups.a.delivery`"],
            ),
        ] {
            assert!(parts.iter().all(|part| error.contains(part)), "{error}");
        }
    }

    #[test]
    fn an_existing_topic_takes_all_topics_of_the_run_and_none_that_a_group_does_not_receive() {
        let attached = |settings: &[(&str, &str)]| TopicModel { attached: true, ..model(settings) };
        let two = ["bus.kafka.attach=orders", "topology.topics=[\"a\",\"b\"]", "mix={a=1,b=1}"];
        let one = [&two[..], &["groups=[{name=\"g\",subscribe=[\"a\"]}]"]].concat();
        attached(&[]).applied(&plan(&two)).unwrap();
        for (error, parts) in [
            (
                refused(&attached(&[]), &one),
                vec!["group g does not subscribe to b", "`topology.topics`", "[\"a\"]"],
            ),
            (
                refused(&attached(&[("cleanup.policy", "compact")]), &two),
                vec!["topic orders is compacted", "`bus.kafka.like`"],
            ),
            (refused(&attached(&[("compression.type", "zstd")]), &two), vec!["zstd"]),
            (
                refused(
                    &attached(&[]),
                    &[&two[..], &["groups=[{name=\"g\",subscribe=[\">\"],consumer=\"c\"}]"]].concat(),
                ),
                vec!["`groups.g.consumer` is c"],
            ),
        ] {
            assert!(parts.iter().all(|part| error.contains(part)), "{error}");
        }
        let bounded = attached(&[("retention.bytes", "1000")]);
        let plan = bounded.applied(&plan(&two)).unwrap().plan;
        assert!(bounded.warnings(&plan)[0].contains("make Kafka delete older ones of others sooner"));
    }
}
