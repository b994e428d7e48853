//! The gate on a real Kafka, from the command line to the record.

#![expect(clippy::expect_used, reason = "tests")]

use tickgate::record::{End, Record, Verdict};

use crate::support;
use crate::support::kafka::{is_there, started, starts_beside_others};
use crate::support::program::{Place, balances, until_gone, until_removed};

const ON_KAFKA: [&str; 4] = ["--set", "bus.kind=kafka", "--set", "bus.kafka.heap=512MiB"];

/// The gate's profile on Kafka, with more arguments.
fn gate(place: &Place, more: &[&str]) -> support::program::Done {
    place.gate(&[&ON_KAFKA, more].concat())
}

/// Nothing acknowledged is missing, in the store and at every group.
#[track_caller]
fn nothing_lost(record: &Record) {
    balances(record);
    let audit = record.audit.as_ref().expect("an audit");
    assert!(audit.complete);
    assert_eq!((audit.missing, audit.stored_twice, audit.out_of_order), (0, 0, 0));
    for group in &record.groups {
        assert_eq!(
            (group.lost, group.duplicate, group.corrupt, group.foreign),
            (0, 0, 0, 0),
            "{}",
            group.name
        );
    }
}

#[test]
fn a_run_on_a_kafka_of_its_own_passes_and_leaves_nothing() {
    if !is_there() {
        return;
    }
    let _beside = starts_beside_others();
    let place = Place::new();
    let stores = place.path().join("stores");
    std::fs::create_dir(&stores).expect("a folder");
    let args = [&["run", "./gate.toml"], &ON_KAFKA[..], &["--store", "stores"]].concat();
    let mut running = place.start(&args);
    running.until_it_measures();
    let server = running.server_called("java");
    let done = running.wait();
    done.ends(0);
    for part in [
        "gate on kafka 4.",
        "an acknowledgement means: page cache",
        "2,500 intended = 2,500 acked",
        "verdict: PASS",
    ] {
        assert!(done.out.contains(part), "`{part}` is not in:\n{}", done.out);
    }
    let record = place.record();
    nothing_lost(&record);
    assert_eq!((record.load.acked, record.groups[0].delivered), (2500, 2500));
    assert_eq!((record.verdict, record.broker.mode.as_str()), (Verdict::Pass, "local"));
    assert_eq!(record.plan.bus.partitions, 1, "as many as the group has members");
    assert!(record.resources.brokers["kafka"].peak_memory_bytes > 100 << 20);
    assert!(record.resources.store_bytes.is_some_and(|bytes| bytes > 2500 * 300));
    until_gone(server);
    for entry in std::fs::read_dir(&stores).expect("a folder") {
        until_removed(&entry.expect("an entry").path());
    }
}

#[test]
fn a_template_of_the_users_own_passes_through_kafka() {
    if !is_there() {
        return;
    }
    let _beside = starts_beside_others();
    let place = Place::new();
    place.write(
        "quote.json",
        r#"{"meta": {"id": "{{eventId}}", "n": {{sequence}}}, "s": {{symbol}}, "px": {{price}}}"#,
    );
    let done = gate(&place, &["--set", "payload.file=quote.json"]);
    done.ends(0);
    let record = place.record();
    nothing_lost(&record);
    assert_eq!((record.groups[0].delivered, record.groups[0].unverified), (2500, 0));
    assert_eq!(record.resources.store_bytes_are, Some(tickgate::record::StoreBytes::OnDisk));
    assert_eq!(record.resources.store_bytes, record.resources.disk_bytes);
}

#[test]
fn the_profile_of_the_adr_runs_on_kafka_as_it_stands() {
    if !is_there() {
        return;
    }
    let _beside = starts_beside_others();
    let place = Place::new();
    let args = [
        &["run", "adr-002"],
        &ON_KAFKA[..],
        &["--set", "load.rate=500/s", "--set", "load.duration=3s", "--set", "load.warmup=1s", "--quiet"],
        &["--set", "groups.analytics.members=2", "--set", "objectives.throughput.delivered=none"],
    ]
    .concat();
    let done = place.run(&args);
    // Its objectives may be missed on a busy machine, or be out of Kafka's reach; its ledger may not.
    assert!([0, 1, 3].contains(&done.code), "{done:#?}");
    let record = place.record();
    nothing_lost(&record);
    assert_eq!(record.run.end, End::Completed);
    assert_eq!(record.load.acked, 2000);
    assert_eq!((record.groups.len(), record.plan.bus.partitions), (5, 2));
    assert!(
        record.groups.iter().all(|group| group.delivered == group.expected),
        "everybody hears everything"
    );
}

#[test]
fn a_broker_that_is_killed_and_comes_back_has_lost_nothing_acknowledged() {
    if !is_there() {
        return;
    }
    let mut kafka = started("");
    let place = Place::new();
    let url = kafka.url();
    let more = [
        "--broker",
        &url,
        "--set",
        "load.duration=8s",
        "--set",
        "load.drain=60s",
        "--set",
        "bus.publish_timeout=60s",
    ];
    let args = [&["run", "./gate.toml"], &ON_KAFKA[..], &more].concat();
    let mut running = place.start(&args);
    running.until_it_measures();
    running.until_the_journal_has(r#""line":"second""#, 2);
    kafka.kill().expect("is killed");
    kafka.restart().expect("comes back");
    let done = running.wait();
    assert!([0, 1, 3].contains(&done.code), "{done:#?}");
    let record = place.record();
    nothing_lost(&record);
    assert_eq!(
        (record.load.unconfirmed, record.load.refused),
        (0, 0),
        "the client holds out until it is back"
    );
    let kinds: Vec<&str> = record.marks.iter().map(|mark| mark.kind.as_str()).collect();
    for kind in ["disconnected", "connected"] {
        assert!(kinds.contains(&kind), "{kind} is missing: {kinds:?}");
    }
}

#[test]
fn a_broker_of_our_own_that_dies_ends_the_run_with_4() {
    if !is_there() {
        return;
    }
    let _beside = starts_beside_others();
    let place = Place::new();
    let args = [
        &["run", "./gate.toml"],
        &ON_KAFKA[..],
        &["--set", "load.duration=60s", "--set", "load.drain=1s", "--set", "objectives.delivery.lost=none"],
    ]
    .concat();
    let mut running = place.start(&args);
    running.until_it_measures();
    let server = running.server_called("java");
    support::program::kill(server);
    let done = running.wait();
    done.ends(4);
    let record = place.record();
    balances(&record);
    assert_eq!(record.run.end, End::BrokerFailed);
    assert!(
        record.run.reason.as_ref().is_some_and(|why| why.contains("kafka ended")),
        "{:?}",
        record.run.reason
    );
}

#[test]
fn what_cannot_be_is_said_before_any_load() {
    let place = Place::new();
    gate(&place, &["--broker", "nats://127.0.0.1:1"]).fails(2, &["a NATS URL is for NATS", "bus.kind=nats"]);
    gate(&place, &["--context", "x"]).fails(2, &["--context is for NATS"]);
    gate(&place, &["--broker", "kafka://me:s3cret@:x"]).fails(2, &["is not a Kafka URL"]);
    gate(&place, &["--broker", "elsewhere"]).fails(2, &["kafka://HOST:PORT"]);
    place.gate(&["--broker", "kafka://127.0.0.1:1"]).fails(2, &["bus.kind=kafka"]);
    gate(&place, &["--broker", "kafka://127.0.0.1:1"])
        .fails(4, &["cannot connect to kafka://127.0.0.1:1", "refused"]);
    gate(&place, &["--creds", "none.properties", "--broker", "kafka://127.0.0.1:1"])
        .fails(2, &["none.properties"]);
    place.write(
        "client.properties",
        "security.protocol=SASL_SSL\nsasl.mechanism=SCRAM-SHA-512\nssl.truststore.location=ca.pem\nssl.truststore.type=PEM\n",
    );
    gate(&place, &["--creds", "client.properties", "--broker", "kafka://127.0.0.1:1"])
        .fails(2, &["client.properties", "names no user", "sasl.jaas.config"]);
    gate(&place, &["--tls-ca", "client.properties", "--broker", "kafka://127.0.0.1:1"])
        .fails(2, &["client.properties holds no certificate in PEM"]);
    for (set, part) in [
        ("bus.storage=memory", "Kafka keeps its log in files"),
        ("bus.kafka.acks=leader", "an idempotent producer waits for all in-sync replicas"),
        ("bus.kafka.max_in_flight=6", "at most 5 requests"),
        ("bus.kafka.min_insync_replicas=2", "but `bus.replicas` is 1; expected at most that"),
        ("bus.kafka.linger=11ms", ""),
        ("market.event_size=1MiB", "at most 1000000 bytes"),
        ("bus.kafka.heap=1MiB", "256MiB to 64GiB"),
        ("bus.kafka.lingr=1ms", "did you mean `linger`?"),
        ("bus.msg_id=true", "belongs into [bus.nats]"),
        ("groups.trading-engine.members=65", "1 to 64"),
    ] {
        let done = gate(&place, &["--set", "bus.publish_timeout=10ms", "--set", set]);
        done.fails(2, &[if part.is_empty() { "less than `bus.publish_timeout`" } else { part }]);
    }
    let members = ["--set", "groups.trading-engine.members=3", "--set", "bus.partitions=2"];
    gate(&place, &members).fails(2, &["3 members share 2 partitions"]);
    let pinned = [&members[..], &["--set", "groups.trading-engine.delivery=pinned"]].concat();
    gate(&place, &pinned).fails(2, &["a pinned group", "`bus.partitions = 1`"]);
    let topics = ["--set", "topology.topics=[\"market.quote.received\", \"market.quote_received\"]"];
    gate(&place, &topics).fails(2, &["takes the topics"]);
    // Settings of the other product are ignored, but must be valid.
    let done = place.run(&[
        "check",
        "./gate.toml",
        "--set",
        "bus.kafka.linger=5ms",
        "--set",
        "bus.nats.msg_id=true",
    ]);
    done.ends(0);
    place.run(&["check", "./gate.toml", "--set", "bus.kafka.linger=5h"]).fails(2, &["at most 1s"]);
    assert!(place.runs().is_empty(), "nothing was begun");
}

#[test]
fn without_kafka_or_java_it_says_what_to_do() {
    let mut place = Place::new();
    place.set("KAFKA_HOME", "/nonexistent");
    gate(&place, &[])
        .fails(4, &["no Kafka found in /nonexistent/libs", "scripts/brokers.sh kafka", "--broker kafka://"]);
    place.set("KAFKA_HOME", place.path().display().to_string());
    std::fs::create_dir(place.path().join("libs")).expect("a folder");
    place.write("libs/kafka-clients-4.3.1.jar", "");
    place.set("JAVA_HOME", "/nonexistent");
    gate(&place, &[])
        .fails(4, &["Kafka cannot be started: /nonexistent/bin/java does not start", "install Java 17"]);
}

#[test]
fn the_topology_explains_groups_on_kafka() {
    let place = Place::new();
    let done = place.run(&["topology", "adr-002", "--set", "bus.kind=kafka"]);
    done.ends(0);
    for part in ["On Kafka (", "trading-engine: subscribes market.quote.received", "in place of"] {
        assert!(done.out.contains(part), "`{part}` is not in:\n{}", done.out);
    }
}
