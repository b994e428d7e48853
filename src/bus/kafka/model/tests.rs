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
    made.settings
        .insert("segment.bytes".to_owned(), Setting { value: Some("2097152".to_owned()), of_topic: true });
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
                    &format!("payload.template={{\"id\":{{{{eventId}}}},\"x\":\"{}\"}}", "x".repeat(1600)),
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
