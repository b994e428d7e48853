//! Runs on a copy of an existing topic, and in the topic itself.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::admin::{
    AdminClient, AdminOptions, ConfigSource, NewTopic, ResourceSpecifier, TopicReplication,
};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use serde_json::json;
use tickgate::plan::Span;
use tickgate::record::{Record, Verdict};

use crate::support::kafka::{ends, is_there, started};
use crate::support::program::{Done, Place, balances};

const GATE: &str = r#"
[load]
rate = "500/s"
warmup = "500ms"
duration = "2s"
drain = "10s"

[market]
symbols = 20

[topology]
topics = ["market.quote.received"]

[[groups]]
name = "trading-engine"
subscribe = [">"]

[bus]
kind = "kafka"

[objectives]
"latency.p99" = "< 5s"
"delivery.lost" = "== 0"
"ordering.reordered" = "== 0"
"#;

const PATIENCE: Duration = Duration::from_secs(30);

/// Another client of the cluster.
struct Others {
    brokers: String,
    admin: AdminClient<DefaultClientContext>,
    runtime: tokio::runtime::Runtime,
}

/// All that is known of a topic: its own settings, its partitions and their ends.
#[derive(Debug, PartialEq)]
struct Known {
    settings: BTreeMap<String, Option<String>>,
    ends: Vec<(i64, i64)>,
}

impl Known {
    fn events(&self) -> i64 {
        self.ends.iter().map(|(low, high)| high - low).sum()
    }
}

impl Others {
    fn of(brokers: &str) -> Self {
        let admin = ClientConfig::new().set("bootstrap.servers", brokers).create().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        Self { brokers: brokers.to_owned(), admin, runtime }
    }

    fn make(&self, name: &str, partitions: i32, settings: &[(&str, &str)]) {
        let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
        let topic = settings.iter().fold(topic, |topic, (key, value)| topic.set(key, value));
        let made = self.runtime.block_on(self.admin.create_topics([&topic], &AdminOptions::new())).unwrap();
        assert!(made.iter().all(Result::is_ok), "{made:?}");
    }

    fn consumer(&self, group: &str) -> BaseConsumer {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.brokers)
            .set("group.id", group)
            .set("enable.auto.commit", "false");
        config.create().unwrap()
    }

    fn known(&self, topic: &str, partitions: i32) -> Known {
        let asked = [ResourceSpecifier::Topic(topic)];
        let answer = self.runtime.block_on(self.admin.describe_configs(asked.iter(), &AdminOptions::new()));
        let resource = answer.unwrap().remove(0).unwrap();
        let own = resource.entries.into_iter().filter(|entry| entry.source == ConfigSource::DynamicTopic);
        let consumer = self.consumer("looking");
        let found = (0..partitions).map(|partition| ends(&consumer, topic, partition));
        Known { settings: own.map(|entry| (entry.name, entry.value)).collect(), ends: found.collect() }
    }

    /// The topics of the cluster, but for Kafka's own.
    fn topics(&self) -> Vec<String> {
        let metadata = self.consumer("looking").fetch_metadata(None, PATIENCE).unwrap();
        let names = metadata.topics().iter().map(|topic| topic.name().to_owned());
        let mut names: Vec<String> = names.filter(|name| !name.starts_with("__")).collect();
        names.sort();
        names
    }

    fn groups(&self) -> Vec<String> {
        let list = self.consumer("looking").fetch_group_list(None, PATIENCE).unwrap();
        let mut names: Vec<String> = list.groups().iter().map(|group| group.name().to_owned()).collect();
        names.sort();
        names
    }

    fn publish(&self, topic: &str, messages: usize) {
        let producer: BaseProducer =
            ClientConfig::new().set("bootstrap.servers", &self.brokers).create().unwrap();
        for _ in 0..messages {
            producer
                .send(BaseRecord::to(topic).key("theirs").payload("not an event"))
                .map_err(|(e, _)| e)
                .unwrap();
        }
        producer.flush(PATIENCE).unwrap();
    }

    fn committed(&self, group: &str, topic: &str) -> Offset {
        let mut list = TopicPartitionList::new();
        list.add_partition(topic, 0);
        let committed = self.consumer(group).committed_offsets(list, PATIENCE).unwrap();
        committed.elements()[0].offset()
    }

    fn commit(&self, group: &str, topic: &str, offset: i64) {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, 0, Offset::Offset(offset)).unwrap();
        self.consumer(group).commit(&list, CommitMode::Sync).unwrap();
    }
}

fn place() -> Place {
    let place = Place::new();
    place.write("own.toml", GATE);
    place
}

fn run(place: &Place, more: &[&str]) -> Done {
    place.run(&[&["run", "./own.toml"], more].concat())
}

/// Everything arrived, once.
#[track_caller]
fn whole(record: &Record) {
    balances(record);
    assert_eq!((record.verdict, record.load.acked), (Verdict::Pass, record.load.intended));
    for group in &record.groups {
        assert_eq!((group.delivered, group.lost, group.pending), (group.expected, 0, 0), "{}", group.name);
    }
    let audit = record.audit.as_ref().unwrap();
    assert!(audit.complete && audit.missing == 0 && audit.stored_twice == 0, "{audit:?}");
}

#[test]
fn a_run_on_a_copy_of_a_topic_and_one_in_the_topic_leave_it_as_it_was() {
    if !is_there() {
        return;
    }
    let kafka = started("");
    let url = kafka.url();
    let others = Others::of(&url.replace("kafka://", ""));
    like(&url, &others);
    attach(&url, &others);
    refusals(&url, &others);
}

fn like(url: &str, others: &Others) {
    let settings = [
        ("cleanup.policy", "compact,delete"),
        ("segment.bytes", "1048576"),
        ("retention.ms", "3600000"),
        ("max.message.bytes", "200000"),
        ("compression.type", "lz4"),
        ("message.timestamp.type", "LogAppendTime"),
        ("flush.messages", "1"),
    ];
    others.make("trades.live", 3, &settings);
    let before = others.known("trades.live", 3);
    let place = place();
    let done = run(&place, &["--broker", url, "--set", "bus.kafka.like=trades.live"]);
    done.ends(0);
    assert_eq!(others.known("trades.live", 3), before, "theirs is as it was");
    assert_eq!(others.topics(), ["trades.live"], "the run's own are gone");
    let record = place.record();
    whole(&record);
    let bus = &record.plan.bus;
    assert_eq!((bus.partitions, bus.max_age), (3, Span::seconds(3600)));
    assert_eq!(record.broker.durability, "fsync", "flush.messages of the model");
    assert!(bus.kafka.batch_size.bytes < 200_000);
    let made = record.broker.made.as_ref().unwrap();
    assert_eq!(made.of, "topic trades.live");
    for (name, value) in &settings[1..] {
        assert_eq!(made.topic[*name], json!(value), "{name}");
    }
    assert_eq!((&made.topic["cleanup.policy"], &made.topic["partitions"]), (&json!("delete"), &json!(3)));
    assert!(made.differences.is_empty(), "{:?}", made.differences);
    for part in
        ["cleanup.policy compact,delete: compaction removes", "retention.bytes unlimited: a topic of a run"]
    {
        assert!(done.err.contains(part), "`{part}` is not in:\n{}", done.err);
    }

    // The profile's partitions, and a run that leaves its topics, which `clean` recognises by their mark.
    let kept = Place::new();
    kept.write("own.toml", GATE);
    let sets = ["--set", "bus.kafka.like=trades.live", "--set", "bus.partitions=2", "--keep"];
    let done = run(&kept, &[&["--broker", url], &sets[..]].concat());
    done.ends(0);
    assert!(done.err.contains("partitions is 2 in the run, and 3 in the model"), "{}", done.err);
    let run = kept.record().run.id;
    assert_eq!(others.topics().len(), 2);
    kept.run(&["clean", "--broker", url, "--run", &run, "--older-than", "0s", "--yes"]).ends(0);
    assert_eq!(others.topics(), ["trades.live"]);
}

fn attach(url: &str, others: &Others) {
    others.make("orders", 4, &[("min.insync.replicas", "1"), ("retention.ms", "86400000")]);
    others.publish("orders", 30);
    others.commit("billing", "orders", 0);
    let before = others.known("orders", 4);
    let (topics, groups) = (others.topics(), others.groups());
    let place = place();
    let attach = ["--broker", url, "--set", "bus.kafka.attach=orders"];
    let refused = run(&place, &attach);
    assert!(refused.code == 2 && refused.err.contains("allow it with --allow-attach"), "{}", refused.err);

    let all =
        [&["run", "./own.toml", "--allow-attach", "--set", "groups.trading-engine.members=2"], &attach[..]]
            .concat();
    let mut running = place.start(&all);
    running.until_it_measures();
    others.publish("orders", 20);
    let done = running.wait();
    done.ends(0);
    assert!(
        done.err.contains("events go into topic orders: its other consumers receive them"),
        "{}",
        done.err
    );
    let record = place.record();
    whole(&record);
    assert_eq!(record.plan.bus.partitions, 4, "theirs");
    let group = &record.groups[0];
    assert_eq!((group.foreign, group.corrupt, group.unexpected), (20, 0, 0));
    assert_eq!(record.audit.as_ref().unwrap().foreign, 20);
    assert_eq!(record.broker.settings["attached"], "topic orders");
    assert_eq!(record.broker.made.as_ref().unwrap().topic["retention.ms"], json!("86400000"));

    let after = others.known("orders", 4);
    assert_eq!(after.settings, before.settings);
    let readiness = after.events() - before.events() - 20 - i64::try_from(record.load.acked).unwrap();
    assert!((1..100).contains(&readiness), "what was there is there, and what the run stored: {readiness}");
    assert_eq!((others.topics(), others.groups()), (topics, groups), "nothing was made or removed");
    assert_eq!(others.committed("billing", "orders"), Offset::Offset(0));
}

fn refusals(url: &str, others: &Others) {
    others.make("state", 1, &[("cleanup.policy", "compact")]);
    let place = place();
    let two = "topology.topics=[\"a\",\"b\"]";
    let one = "groups=[{name=\"g\",subscribe=[\"a\"]}]";
    for (sets, said) in [
        (vec!["bus.kafka.like=nope"], "topic nope does not exist on this cluster"),
        (vec!["bus.kafka.attach=nope"], "topic nope does not exist on this cluster"),
        (vec!["bus.kafka.attach=state"], "topic state is compacted"),
        (vec!["bus.kafka.attach=orders", two, one], "group g does not subscribe to b"),
        (vec!["bus.kafka.attach=orders", "bus.kafka.like=orders"], "takes the topic as it is"),
        (
            vec!["bus.kafka.like=trades.live", "market.event_size=200kB"],
            "`max.message.bytes` of topic trades.live",
        ),
        (vec!["bus.kafka.like=__consumer_offsets"], "the name of a topic"),
    ] {
        let sets: Vec<&str> = sets.iter().flat_map(|&set| ["--set", set]).collect();
        let done = run(&place, &[&["--broker", url, "--allow-attach"], &sets[..]].concat());
        assert!(done.code == 2 && done.err.contains(said), "{sets:?}: {} {}", done.code, done.err);
    }
    for key in ["like", "attach"] {
        let set = format!("bus.kafka.{key}=orders");
        let done = run(&place, &["--broker", "local", "--allow-attach", "--set", &set]);
        assert!(done.code == 2 && done.err.contains("name"), "{}", done.err);
        assert!(!done.err.contains("--stream-config"), "{}", done.err);
    }
    assert!(place.runs().is_empty());
}

#[test]
fn a_payload_that_kafka_does_not_take_is_refused_at_check() {
    let place = place();
    let long = format!("{{\"id\": \"{{{{eventId}}}}\", \"x\": \"{}\"}}", "x".repeat(1_000_001));
    place.write("long.json", long);
    let done = place.run(&["check", "./own.toml", "--set", "payload.file=long.json"]);
    done.fails(2, &["events of `payload.file` have up to", "expected at most 1000000 bytes"]);
}
