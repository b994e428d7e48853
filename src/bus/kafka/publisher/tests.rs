//! Tests of what a report means, on librdkafka's mock broker in this process, which can be made to fail.

use rdkafka::bindings::rd_kafka_resp_err_t as Raw;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::RDKafkaApiKey;

use super::*;
use crate::bus::marks::Marks;
use crate::plan::{Kafka, Plan, Span};
use crate::topology::Naming;

type Cluster = MockCluster<'static, DefaultProducerContext>;

fn plan() -> Plan {
    serde_json::from_value(serde_json::json!({
        "name": "t", "description": "",
        "load": {"rate": "1/s", "warmup": "0s", "duration": "1s", "drain": "1s", "arrival": "constant",
            "spacing": "constant", "generators": 1, "pacing": "sleep"},
        "market": {"symbols": 2, "seed": 1, "popularity": "uniform", "zipf_exponent": 1.0, "event_size": "300B"},
        "topology": {"name": "t", "prefix": "p", "topics": ["a.b", "c"], "symbol_in_subject": false},
        "mix": {},
        "bus": {"kind": "kafka", "replicas": 1, "storage": "file", "sync": "default", "publish": "async", "window": 64,
            "buffer": 64, "publish_timeout": "20s", "ack": "explicit", "max_bytes": "1MiB", "max_age": "1h",
            "partitions": 4, "audit": true},
        "groups": [],
        "objectives": {}
    }))
    .expect("a plan")
}

struct World {
    cluster: Cluster,
    names: Arc<Names>,
    marks: Marks,
    plan: Plan,
}

impl World {
    /// Creates a cluster with the plan's topics after applying `change` to the plan.
    fn with(change: impl FnOnce(&mut Plan)) -> Self {
        let mut plan = plan();
        change(&mut plan);
        let cluster = MockCluster::new(1).expect("a cluster");
        let names = Arc::new(Names::new(&plan, Naming::Private, "m1").expect("names"));
        for topic in names.topics() {
            cluster.create_topic(topic, 4, 1).expect("a topic");
        }
        Self { cluster, names, marks: Marks::new(Clock::start()), plan }
    }

    fn publisher(&self) -> KafkaPublisher {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", self.cluster.bootstrap_servers());
        config.set("reconnect.backoff.max.ms", "100");
        KafkaPublisher::connect(Setup {
            config,
            bus: &self.plan.bus,
            names: Arc::clone(&self.names),
            symbols: ["AAPL".to_owned(), "MSFT".to_owned()].into(),
            clock: Clock::start(),
            watch: Watch::new(self.marks.of("publisher 0".to_owned()), None),
        })
        .expect("connects")
    }
}

fn publish(publisher: &mut KafkaPublisher, token: u64, topic: usize) -> Result<(), Refused> {
    let symbol = num::low32(token % 2);
    publisher.publish(&Outgoing { token, topic, symbol, id: "", payload: b"event" })
}

/// Waits as a generator does until every event is answered; returns the answers by token.
fn settle(publisher: &mut KafkaPublisher) -> Vec<Answer> {
    let clock = publisher.clock;
    let sleeper = Sleeper::new(clock, crate::plan::Pacing::Sleep);
    let mut acks = Vec::new();
    let patience = clock.now() + 60_000_000_000;
    while publisher.in_flight() > 0 {
        assert!(clock.now() < patience, "{} are never answered", publisher.in_flight());
        publisher.wait(clock.now() + 1_000_000, &sleeper);
        publisher.acks(&mut acks);
    }
    publisher.acks(&mut acks);
    acks.sort_by_key(|ack| ack.token);
    assert!(
        acks.iter().map(|ack| ack.token).eq(0..num::count(acks.len())),
        "each is answered once: {acks:?}"
    );
    acks.into_iter().map(|ack| ack.outcome).collect()
}

/// Waits as a generator does until the connection has ended and this is marked.
fn until_disconnected(world: &World, publisher: &mut KafkaPublisher) {
    let clock = publisher.clock;
    let sleeper = Sleeper::new(clock, crate::plan::Pacing::Sleep);
    let (mut marks, mut acks) = (Vec::new(), Vec::new());
    let patience = clock.now() + 60_000_000_000;
    while !marks.iter().any(|mark: &crate::bus::Mark| mark.kind == "disconnected") {
        assert!(clock.now() < patience, "the end of the connection is not marked: {marks:?}");
        publisher.wait(clock.now() + 1_000_000, &sleeper);
        publisher.acks(&mut acks);
        world.marks.take(&mut marks);
    }
}

fn stored(answers: &[Answer]) -> usize {
    answers.iter().filter(|answer| matches!(answer, Answer::Stored { .. })).count()
}

#[test]
fn an_answer_names_the_place_of_topic_and_partition() {
    let world = World::with(|_| {});
    let mut publisher = world.publisher();
    for token in 0..40 {
        publish(&mut publisher, token, num::index(token / 20)).expect("taken");
    }
    let answers = settle(&mut publisher);
    assert_eq!(stored(&answers), 40);
    let place = |token: usize| match answers[token] {
        Answer::Stored { position, .. } => position,
        _ => unreachable!("all are stored"),
    };
    for token in 2..40 {
        let (before, now) = (place(token - 2), place(token));
        let same_topic = (token - 2) / 20 == token / 20;
        assert_eq!(before.partition == now.partition, same_topic, "a symbol stays in its partition");
        assert!(!same_topic || now.offset > before.offset);
        assert_eq!(now.partition / 4, num::count32(token / 20), "its topic");
    }
}

#[test]
fn what_fails_for_a_while_is_sent_again_and_stored() {
    let world = World::with(|_| {});
    let mut publisher = world.publisher();
    publish(&mut publisher, 0, 0).expect("taken");
    world.cluster.request_errors(
        RDKafkaApiKey::Produce,
        &[Raw::RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT, Raw::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION],
    );
    publish(&mut publisher, 1, 0).expect("taken");
    assert_eq!(stored(&settle(&mut publisher)), 2);
}

#[test]
fn a_refusal_has_its_number_and_words() {
    let world = World::with(|_| {});
    let mut publisher = world.publisher();
    world
        .cluster
        .request_errors(RDKafkaApiKey::Produce, &[Raw::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED]);
    publish(&mut publisher, 0, 0).expect("taken");
    let answers = settle(&mut publisher);
    assert!(
        matches!(answers[..], [Answer::Refused(Refusal::Said { code: 29, words })] if words.contains("authorization")),
        "{answers:?}"
    );
}

#[test]
fn what_never_left_is_refused_and_what_may_have_arrived_is_not_confirmed() {
    let world = World::with(|plan| plan.bus.publish_timeout = Span::seconds(2));
    let mut publisher = world.publisher();
    publish(&mut publisher, 0, 0).expect("taken");
    // The first answer shows that the producer and the cluster are connected.
    assert_eq!(stored(&settle(&mut publisher)), 1);
    world.cluster.broker_down(1).expect("goes down");
    // Events sent before the client notices the lost connection may have arrived.
    until_disconnected(&world, &mut publisher);
    for token in 0..3 {
        publish(&mut publisher, token, 0).expect("taken");
    }
    assert_eq!(settle(&mut publisher), [Answer::Refused(Refusal::NotSent); 3]);
    world.cluster.broker_up(1).expect("comes up");
    // The event is sent, but the answer takes longer than the timeouts.
    let mut publisher = world.publisher();
    publish(&mut publisher, 0, 0).expect("taken");
    assert_eq!(stored(&settle(&mut publisher)), 1);
    world.cluster.broker_round_trip_time(1, Duration::from_secs(20)).expect("slow");
    publish(&mut publisher, 0, 0).expect("taken");
    assert_eq!(settle(&mut publisher), [Answer::Unconfirmed(Doubt::NoAnswer)]);
}

#[test]
fn a_topic_that_is_not_there_is_a_refusal() {
    let mut world = World::with(|plan| plan.bus.publish_timeout = Span::seconds(30));
    let mut other = world.plan.clone();
    other.topology.prefix = "gone".to_owned();
    world.names = Arc::new(Names::new(&other, Naming::Private, "m2").expect("names"));
    world
        .cluster
        .topic_error(world.names.topic(0).expect("a topic"), Raw::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)
        .expect("gone");
    let mut publisher = world.publisher();
    publish(&mut publisher, 0, 0).expect("taken");
    assert_eq!(settle(&mut publisher), [Answer::Refused(Refusal::NoResponders)]);
    // From now on the client knows this without asking the cluster.
    publish(&mut publisher, 0, 0).expect("taken");
    assert_eq!(settle(&mut publisher), [Answer::Refused(Refusal::NoResponders)]);
}

#[test]
fn the_window_bounds_what_the_client_has() {
    let world = World::with(|plan| (plan.bus.window, plan.bus.buffer) = (4, 3));
    let mut publisher = world.publisher();
    world.cluster.broker_round_trip_time(1, Duration::from_secs(1)).expect("slow");
    let taken = (0..20).filter(|&token| publish(&mut publisher, token, 0).is_ok()).count();
    assert_eq!((taken, publisher.in_flight()), (7, 7));
    assert_eq!(publisher.producer.in_flight_count(), 4, "the rest waits outside");
    assert_eq!(stored(&settle(&mut publisher)), 7);
}

#[test]
fn without_confirmation_there_is_no_position() {
    let world = World::with(|plan| {
        plan.bus.kafka = Kafka { acks: Acks::None, idempotence: false, ..plan.bus.kafka };
    });
    let mut publisher = world.publisher();
    publish(&mut publisher, 0, 0).expect("taken");
    let answers = settle(&mut publisher);
    assert!(
        matches!(answers[..], [Answer::Stored { position, .. }] if position.offset == u64::MAX),
        "{answers:?}"
    );
}

#[test]
fn labels_hold_ticket_and_topic() {
    for (slot, generation, topic) in [(0, 0, 0), (59_999, u32::MAX, 31), (0x00ff_ffff, 1, 255)] {
        let ticket = Ticket { slot, generation };
        assert_eq!(unpack(pack(ticket, topic)), (ticket, topic));
    }
}

#[test]
fn only_what_is_known_not_to_be_stored_is_a_refusal() {
    for status in [Status::RD_KAFKA_MSG_STATUS_POSSIBLY_PERSISTED, Status::RD_KAFKA_MSG_STATUS_PERSISTED] {
        assert_eq!(failed(Some(Code::MessageTimedOut), status), Answer::Unconfirmed(Doubt::NoAnswer));
    }
    let never = Status::RD_KAFKA_MSG_STATUS_NOT_PERSISTED;
    assert_eq!(failed(Some(Code::MessageTimedOut), never), Answer::Refused(Refusal::NotSent));
    let too_large = failed(Some(Code::MessageSizeTooLarge), never);
    assert!(matches!(too_large, Answer::Refused(Refusal::Said { code: 10, .. })), "{too_large:?}");
    assert_eq!(failed(Some(Code::ThrottlingQuotaExceeded), never), Answer::Refused(Refusal::Overload));
    assert_eq!(failed(None, never), Answer::Unconfirmed(Doubt::NoAnswer));
}
