//! The Kafka driver's behaviour beyond the contract of every bus, on a real broker with a listener for each kind of access.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::{Duration, Instant};

use tickgate::bus::kafka::{Access, Pem, Secret, Target, TlsFiles};
use tickgate::bus::{Answer, Bus as _, Member as _, Publisher as _, Refusal};
use tickgate::plan::{AckMode, Acks, Delivery, Group, Kafka as Settings, Plan, Span, Sync};

use crate::support;
use crate::support::kafka::{Doors, Kafka, is_there};
use crate::support::rig::{
    PATIENCE, Rig as _, answered_once, audit, publish, publish_patiently, receive, settle,
};

fn one_group(plan: &mut Plan, members: u32) {
    plan.groups[0].members = members;
    plan.bus.partitions = 4;
}

#[test]
fn the_broker_tells_its_figures() {
    if !is_there() {
        return;
    }
    let kafka = Kafka::with_doors();
    let plan = support::plan();
    let mut bus = kafka.provisioned(&plan);
    let facts = bus.facts().clone();
    assert_eq!((facts.product.as_str(), facts.durability.as_str()), ("kafka", "page cache"));
    assert_eq!(facts.version.split('.').count(), 3, "{}", facts.version);
    for setting in ["linger", "acks", "partitions", "heap", "log.flush.interval.messages"] {
        assert!(facts.settings.iter().any(|(name, _)| name == setting), "{setting}: {:?}", facts.settings);
    }
    let mut publisher = bus.publisher(0).unwrap();
    for token in 0..10 {
        publish(&mut publisher, token, b"0123456789").unwrap();
    }
    settle(&mut publisher, &mut Vec::new());
    let sample = bus.observe().unwrap();
    assert!(sample.disk_bytes.is_some_and(|bytes| (100..100_000).contains(&bytes)), "{sample:?}");
    assert_eq!((sample.stored_events, sample.pending, sample.ack_pending), (10, vec![10], vec![0]));
    assert_eq!(sample.owed, [10]);
    assert_eq!(receive(&mut bus.member(0, 0).unwrap(), 10).len(), 10);
    assert_eq!(bus.observe().unwrap().pending, [0]);
    // A broker that does not answer is said so, within seconds.
    kafka.pause();
    let error = bus.observe().unwrap_err().to_string();
    assert!(error.contains("cannot observe"), "{error}");
    assert!(!bus.audit(Duration::from_millis(200), &mut |_| {}).unwrap());
    kafka.resume();
    bus.teardown().unwrap();
}

#[test]
fn positions_that_come_again_are_second_attempts() {
    if !is_there() {
        return;
    }
    let kafka = Kafka::with_doors();
    let mut plan = support::plan();
    plan.bus.ack = AckMode::None;
    let mut bus = kafka.provisioned(&plan);
    let mut publisher = bus.publisher(0).unwrap();
    for token in 0..20 {
        publish(&mut publisher, token, format!("e {token}").as_bytes()).unwrap();
    }
    settle(&mut publisher, &mut Vec::new());
    let first = receive(&mut bus.member(0, 0).unwrap(), 20);
    assert!(first.iter().all(|r| r.attempt == 1));
    // Nothing was committed, so a new member starts from the beginning.
    let again = receive(&mut bus.member(0, 0).unwrap(), 20);
    assert!(again.iter().all(|r| r.attempt == 2), "{again:?}");
    assert!(first.iter().map(|r| r.offset).eq(again.iter().map(|r| r.offset)));
}

#[test]
fn a_group_waits_until_everybody_has_a_part_and_loses_nothing_when_one_leaves() {
    if !is_there() {
        return;
    }
    let kafka = Kafka::with_doors();
    let mut plan = support::plan();
    plan.market.symbols = 40;
    one_group(&mut plan, 2);
    let mut bus = kafka.provisioned(&plan);
    let mut publisher = bus.publisher(0).unwrap();
    let mut acks = Vec::new();
    for token in 0..400 {
        let symbol = u32::try_from(token % 40).unwrap();
        support::rig::publish_symbol(&mut publisher, token, symbol, format!("e {token}").as_bytes()).unwrap();
        publisher.acks(&mut acks);
    }
    settle(&mut publisher, &mut acks);
    let mut first = bus.member(0, 0).unwrap();
    let mut seen = Vec::new();
    for _ in 0..30 {
        first.receive(Duration::from_millis(20), &mut |d| seen.push(d.payload.to_vec())).unwrap();
    }
    assert_eq!(seen.len(), 0, "the first one does not begin alone");
    let mut second = bus.member(0, 1).unwrap();
    let mut others = Vec::new();
    let patience = Instant::now();
    while (seen.is_empty() || others.is_empty()) && patience.elapsed() < PATIENCE {
        first.receive(Duration::from_millis(5), &mut |d| seen.push(d.payload.to_vec())).unwrap();
        second.receive(Duration::from_millis(5), &mut |d| others.push(d.payload.to_vec())).unwrap();
    }
    assert!(!seen.is_empty() && !others.is_empty(), "both have a part");
    drop(second);
    while seen.len() + others.len() < 400 && patience.elapsed() < PATIENCE {
        first.receive(Duration::from_millis(20), &mut |d| seen.push(d.payload.to_vec())).unwrap();
    }
    let mut all: Vec<_> = seen.into_iter().chain(others).collect();
    assert_eq!(all.len(), 400, "what was handled is not handed over again");
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 400);
}

#[test]
fn several_topics_and_partitions_have_positions_of_their_own() {
    if !is_there() {
        return;
    }
    let kafka = Kafka::with_doors();
    let mut plan = support::plan();
    plan.groups = vec![Group {
        name: "all".to_owned(),
        subscribe: vec![">".to_owned()],
        members: 1,
        delivery: Delivery::Shared,
        consumer: None,
    }];
    let mut bus = kafka.provisioned(&plan);
    let mut publisher = bus.publisher(0).unwrap();
    for token in 0..300 {
        let payload = format!("e {token}");
        let event = tickgate::bus::Outgoing {
            token,
            topic: usize::try_from(token % 3).unwrap(),
            symbol: u32::try_from(token % 4).unwrap(),
            id: "",
            payload: payload.as_bytes(),
        };
        publisher.publish(&event).unwrap();
    }
    let mut acks = Vec::new();
    settle(&mut publisher, &mut acks);
    let shown: std::collections::BTreeMap<u64, _> = acks
        .iter()
        .filter_map(|ack| match ack.outcome {
            Answer::Stored { position, .. } => Some((ack.token, position)),
            _ => None,
        })
        .collect();
    assert_eq!(shown.len(), 300);
    let mut read = std::collections::BTreeMap::new();
    let number = |payload: &[u8]| std::str::from_utf8(payload).unwrap()[2..].parse::<u64>().unwrap();
    let whole = bus
        .audit(PATIENCE, &mut |d| {
            let token = number(d.payload);
            assert_eq!(
                d.subject,
                format!("ai-trader.{}", plan.topology.topics[usize::try_from(token % 3).unwrap()])
            );
            assert!(read.insert(token, d.position).is_none());
        })
        .unwrap();
    assert!(whole);
    assert_eq!(read, shown, "the audit finds each event where its acknowledgement says");
}

#[test]
fn a_topic_is_made_as_the_plan_says() {
    if !is_there() {
        return;
    }
    let kafka = Kafka::with_doors();
    let mut plan = support::plan();
    plan.bus.sync = Sync::Always;
    let mut bus = kafka.provisioned(&plan);
    assert_eq!(bus.facts().durability, "fsync");
    let mut publisher = bus.publisher(0).unwrap();
    for token in 0..20 {
        publish(&mut publisher, token, b"e").unwrap();
    }
    let mut acks = Vec::new();
    settle(&mut publisher, &mut acks);
    assert_eq!(answered_once(&acks, 0..20).iter().flatten().count(), 20);
    assert_eq!(audit(&mut bus).len(), 20);
    // A second bus of the same run finds its topics in the way, and touches nothing.
    let error = kafka.connect(&plan).provision().unwrap_err().to_string();
    assert!(error.contains("is there already") && error.contains("`tickgate clean`"), "{error}");
    assert_eq!(audit(&mut bus).len(), 20);
    bus.teardown().unwrap();
    bus.provision().unwrap();
    assert_eq!(audit(&mut bus).len(), 0);
    bus.teardown().unwrap();
}

#[test]
fn a_producer_without_confirmation_loses_sight_of_positions_only() {
    if !is_there() {
        return;
    }
    let kafka = Kafka::with_doors();
    let mut plan = support::plan();
    plan.bus.kafka = Settings { acks: Acks::None, idempotence: false, ..plan.bus.kafka };
    let mut bus = kafka.provisioned(&plan);
    assert!(bus.facts().durability.starts_with("none"));
    let mut publisher = bus.publisher(0).unwrap();
    let mut acks = Vec::new();
    for token in 0..100 {
        publish_patiently(&mut publisher, token, b"e", &mut acks);
    }
    settle(&mut publisher, &mut acks);
    assert_eq!(acks.len(), 100);
    assert_eq!(receive(&mut bus.member(0, 0).unwrap(), 100).len(), 100);
}

#[test]
fn a_backlog_that_grows_while_a_member_holds_is_received_whole_and_in_order() {
    if !is_there() {
        return;
    }
    let kafka = Kafka::with_doors();
    let mut bus = kafka.provisioned(&support::plan());
    let mut publisher = bus.publisher(0).unwrap();
    let mut member = bus.member(0, 0).unwrap();
    publish(&mut publisher, 0, b"e 0").unwrap();
    settle(&mut publisher, &mut Vec::new());
    assert_eq!(receive(&mut member, 1).len(), 1);
    let mut acks = Vec::new();
    // Twice, for it goes on and can be held again.
    for round in 0..2_u64 {
        member.hold();
        for token in 1..=500 {
            publish_patiently(&mut publisher, token, format!("{round} {token}").as_bytes(), &mut acks);
            member.hold();
        }
        settle(&mut publisher, &mut acks);
        let expected: Vec<Vec<u8>> = (1..=500).map(|token| format!("{round} {token}").into_bytes()).collect();
        let seen: Vec<Vec<u8>> = receive(&mut member, 500).into_iter().map(|r| r.payload).collect();
        assert_eq!(seen, expected);
    }
}

#[test]
fn a_topic_that_a_user_removes_is_a_refusal() {
    if !is_there() {
        return;
    }
    let kafka = Kafka::with_doors();
    let mut plan = support::plan();
    plan.bus.publish_timeout = Span::seconds(20);
    let mut bus = kafka.provisioned(&plan);
    let mut publisher = bus.publisher(0).unwrap();
    publish(&mut publisher, 0, b"e").unwrap();
    settle(&mut publisher, &mut Vec::new());
    bus.teardown().unwrap();
    publish(&mut publisher, 0, b"e").unwrap();
    let mut acks = Vec::new();
    settle(&mut publisher, &mut acks);
    let why = acks.iter().map(|ack| ack.outcome).collect::<Vec<_>>();
    assert!(
        matches!(why[..], [Answer::Refused(Refusal::NoResponders | Refusal::NotSent | Refusal::Said { .. })]),
        "{why:?}"
    );
}

/// What connecting somewhere says.
#[track_caller]
fn refused(kafka: &Kafka, target: Target, parts: &[&str]) {
    let patience = Instant::now();
    let Err(error) = kafka.connect_to(&support::plan(), target) else {
        unreachable!("it connects, and should say {parts:?}");
    };
    assert!(patience.elapsed() < PATIENCE, "{error}");
    for part in parts {
        assert!(error.contains(part), "`{part}` is not in: {error}");
    }
    assert!(!error.contains("s3cret") && !error.contains("wrong"), "{error}");
}

fn at(port: u16) -> Target {
    Target::parse(&format!("kafka://127.0.0.1:{port}")).unwrap()
}

fn user(password: &str) -> Access {
    Access { user: Some("gate".to_owned()), password: Some(Secret::new(password)), ..Access::default() }
}

#[test]
fn what_is_in_the_way_says_what_to_do() {
    if !is_there() {
        return;
    }
    let kafka = Kafka::with_doors();
    let Doors { certificates, users, tls, lost } = kafka.doors();
    let safe = || Target::parse(&format!("kafka+tls://127.0.0.1:{tls}")).unwrap();
    let ca = |path| Access {
        files: TlsFiles { ca: Some(Pem::At(path)), ..TlsFiles::default() },
        ..Access::default()
    };
    refused(&kafka, at(1), &["cannot connect to kafka://127.0.0.1:1", "refused", "start a broker there"]);
    refused(&kafka, at(*lost), &["127.0.0.1:1, which cannot be reached", "advertised.listeners"]);
    refused(&kafka, at(*users).with(user("wrong")), &["Invalid username or password", "$KAFKA_PASSWORD"]);
    refused(&kafka, at(*users), &["cannot connect", "a user (--user)"]);
    refused(&kafka, at(*tls), &["cannot connect", "kafka+tls://"]);
    refused(&kafka, safe(), &["certificate verify failed", "--tls-ca"]);
    refused(&kafka, safe().with(ca("/nonexistent/ca.pem".into())), &["cannot read /nonexistent/ca.pem"]);
    let port = kafka.url().rsplit_once(':').unwrap().1.to_owned();
    let not_tls = Target::parse(&format!("kafka+tls://127.0.0.1:{port}")).unwrap();
    refused(&kafka, not_tls, &["cannot connect", "use kafka:// there"]);
    let mut plan = support::plan();
    plan.bus.replicas = 3;
    let error = kafka.connect_to(&plan, Target::parse(&kafka.url()).unwrap()).err().unwrap();
    assert!(error.contains("3 replicas are asked for, and the cluster has 1 broker"), "{error}");
    // And with the right key both open.
    for target in [at(*users).with(user("s3cret")), safe().with(ca(certificates.file("ca.pem")))] {
        let mut bus = kafka.connect_to(&support::plan(), target).unwrap();
        bus.provision().unwrap();
        let mut publisher = bus.publisher(0).unwrap();
        publish(&mut publisher, 0, b"e").unwrap();
        settle(&mut publisher, &mut Vec::new());
        assert_eq!(receive(&mut bus.member(0, 0).unwrap(), 1).len(), 1);
        bus.teardown().unwrap();
    }
}

#[test]
fn a_member_goes_on_after_its_broker_was_shut_out_for_a_moment() {
    if !is_there() {
        return;
    }
    let kafka = Kafka::with_doors();
    let mut plan = support::plan();
    plan.bus.publish_timeout = Span::seconds(60);
    let mut bus = kafka.provisioned(&plan);
    let mut publisher = bus.publisher(0).unwrap();
    let mut member = bus.member(0, 0).unwrap();
    let mut acks = Vec::new();
    for token in 0..100 {
        publish_patiently(&mut publisher, token, b"e", &mut acks);
    }
    settle(&mut publisher, &mut acks);
    assert_eq!(receive(&mut member, 100).len(), 100);
    // When it wakes, its own controller has given it up: for a moment the cluster has no broker at all.
    kafka.pause();
    std::thread::sleep(Duration::from_secs(8));
    kafka.resume();
    let woken = Instant::now();
    for token in 100..300 {
        publish_patiently(&mut publisher, token, b"e", &mut acks);
        std::thread::sleep(Duration::from_millis(10));
    }
    settle(&mut publisher, &mut acks);
    // What this broker takes to come back, on this machine.
    let recovery = woken.elapsed();
    let patience = Instant::now();
    let mut seen = 0;
    while seen < 200 && patience.elapsed() < PATIENCE {
        member.receive(Duration::from_millis(20), &mut |_| seen += 1).unwrap();
    }
    let mut marks = Vec::new();
    bus.marks(&mut marks);
    assert_eq!(seen, 200, "after {:?}; {marks:?}", patience.elapsed());
    // Left to itself, the client waits for a minute.
    let bound = Duration::from_secs(20) + 2 * recovery;
    assert!(patience.elapsed() < bound, "{:?}, the publisher {recovery:?}", patience.elapsed());
}
