//! Groups whose consumers are like those of people: pushed to, or with priority groups.

#![expect(clippy::expect_used, reason = "tests")]

use serde_json::{Value, json};
use tickgate::record::{Record, Verdict};

use super::own_stream::{GATE, known, make_consumer, make_stream, publish, run, whole};
use crate::support::nats::{NatsServer, client};
use crate::support::program::Place;

const SECOND: u64 = 1_000_000_000;

/// A gate on counts alone: members that share keep no order, and what a saturated machine says of times is inconclusive.
fn place() -> Place {
    let place = Place::new();
    let timed_or_ordered = |line: &&str| !line.starts_with("\"latency.") && !line.starts_with("\"ordering.");
    let gate: Vec<&str> = GATE.lines().filter(timed_or_ordered).collect();
    place.write("own.toml", gate.join("\n"));
    place
}

/// A stream, whatever is published to it, and one consumer.
fn made(consumer: &Value) -> NatsServer {
    let server = NatsServer::start();
    make_stream(&server, &json!({"name": "ORDERS", "subjects": ["ai-trader.>"], "storage": "memory"}));
    make_consumer(&server, "ORDERS", consumer);
    server
}

/// The record of a run like the stream, whose own stays as it is. The load is too large for what the server pushes
/// without an answer to its flow control.
fn like(server: &NatsServer, more: &[&str]) -> Record {
    let before = known(server, "ORDERS");
    let place = place();
    let url = server.url();
    let gate = ["--broker", url.as_str(), "--set", "bus.nats.like=ORDERS", "--set", "market.event_size=4KB"];
    let done = run(&place, &[&gate[..], more].concat());
    done.ends(0);
    assert_eq!(known(server, "ORDERS"), before);
    assert_eq!(server.streams().len(), 1, "the run's own is gone");
    let record = place.record();
    whole(&record);
    assert_eq!(record.verdict, Verdict::Pass);
    let differences = &record.broker.made.as_ref().expect("what was made").differences;
    assert!(differences.is_empty(), "{differences:?}");
    record
}

/// The fields of the group's consumer.
#[track_caller]
fn has(record: &Record, expected: &Value) {
    let made = &record.broker.made.as_ref().expect("what was made").consumers[0];
    for (field, value) in expected.as_object().expect("fields") {
        assert_eq!(made[field], *value, "{field} of {made:?}");
    }
}

#[test]
fn members_share_what_the_copy_of_a_pushing_consumer_sends() {
    let pushes = json!({
        "deliver_group": "workers", "flow_control": true, "idle_heartbeat": SECOND, "max_ack_pending": 900,
        "ack_policy": "explicit", "ack_wait": 20 * SECOND, "rate_limit_bps": 400_000_000,
    });
    let mut consumer =
        json!({"durable_name": "trading-engine", "deliver_subject": "theirs.here", "max_deliver": 4});
    consumer.as_object_mut().expect("an object").extend(pushes.as_object().expect("fields").clone());
    let server = made(&consumer);
    let record = like(&server, &["--set", "groups.trading-engine.members=2"]);
    has(&record, &pushes);
    let subject = record.broker.made.as_ref().expect("what was made").consumers[0]["deliver_subject"].clone();
    let own = format!(".tickgate-{}-trading-engine", record.run.id);
    assert!(subject.as_str().is_some_and(|subject| subject.ends_with(&own)), "{subject} and {own}");
    assert!(record.plan.bus.nats.max_ack_pending == 900);
}

#[test]
fn a_pushing_consumer_without_a_queue_group_serves_one_member_and_is_not_asked_to_acknowledge() {
    let consumer = json!({
        "durable_name": "trading-engine", "deliver_subject": "theirs.here", "ack_policy": "none", "flow_control": true,
        "idle_heartbeat": SECOND,
    });
    let server = made(&consumer);
    let record = like(&server, &[]);
    has(&record, &json!({"ack_policy": "none", "flow_control": true}));
    let place = place();
    let url = server.url();
    let gate = [
        "--broker",
        url.as_str(),
        "--set",
        "bus.nats.like=ORDERS",
        "--set",
        "groups.trading-engine.members=2",
    ];
    let refused = run(&place, &gate);
    assert!(refused.code == 2 && refused.err.contains("pushes without a `deliver_group`"), "{}", refused.err);

    // Each member of a partitioned group has a consumer of its own.
    let split = ["groups.trading-engine.members=2", "groups.trading-engine.delivery=partitioned"];
    let record =
        like(&server, &["--set", split[0], "--set", split[1], "--set", "topology.symbol_in_subject=true"]);
    assert_eq!(record.broker.made.expect("what was made").consumers.len(), 2);
}

#[test]
fn members_ask_in_the_priority_group_of_the_consumer() {
    for (policy, delivery) in [("overflow", "shared"), ("prioritized", "shared"), ("pinned_client", "pinned")]
    {
        let mut consumer = json!({
            "durable_name": "trading-engine", "ack_policy": "explicit", "priority_policy": policy, "priority_groups": ["jobs"],
        });
        if policy == "pinned_client" {
            consumer["priority_timeout"] = json!(30 * SECOND);
        }
        let server = made(&consumer);
        // A small load: none of it depends on how much there is.
        let few = ["--set", "groups.trading-engine.members=2", "--set", "load.rate=100/s"];
        let record = like(&server, &few);
        has(&record, &json!({"priority_policy": policy, "priority_groups": ["jobs"]}));
        assert_eq!(record.plan.groups[0].delivery.to_string(), delivery);
    }
}

/// What of a consumer a run through it must not change.
fn config(server: &NatsServer) -> Value {
    known(server, "ORDERS").1[0]["config"].clone()
}

#[test]
fn a_group_reads_through_a_consumer_of_theirs_that_pushes_or_has_priority_groups() {
    let pushes = json!({
        "durable_name": "billing", "deliver_subject": "theirs.here", "deliver_group": "workers", "ack_policy": "explicit",
        "idle_heartbeat": SECOND, "flow_control": true,
    });
    let overflows = json!({
        "durable_name": "billing", "ack_policy": "explicit", "priority_policy": "overflow", "priority_groups": ["jobs"],
    });
    for (consumer, refusal) in [(pushes, "others receive from it"), (overflows, "others are reading from it")]
    {
        let server = made(&consumer);
        let before = config(&server);
        let place = place();
        let url = server.url();
        let attach = [
            "--broker",
            url.as_str(),
            "--set",
            "bus.nats.attach=ORDERS",
            "--allow-attach",
            "--set",
            "groups.trading-engine.consumer=billing",
            "--set",
            "groups.trading-engine.members=2",
            "--allow-consumer",
            "billing",
        ];
        // Whoever listens to it would lose events to the run.
        let refused = client(&server.url(), async |client| {
            let listening =
                client.queue_subscribe("theirs.here", "workers".to_owned()).await.expect("subscribed");
            let ask = json!({"batch": 1, "expires": 20 * SECOND, "group": "jobs"}).to_string();
            let (next, inbox) = ("$JS.API.CONSUMER.MSG.NEXT.ORDERS.billing", client.new_inbox());
            let asking = client.subscribe(inbox.clone()).await.expect("subscribed");
            client.publish_with_reply(next, inbox, ask.into()).await.expect("published");
            client.flush().await.expect("flushed");
            let done = run(&place, &attach);
            drop((listening, asking));
            done
        });
        assert!(refused.code == 2 && refused.err.contains(refusal), "{}", refused.err);
        let done = run(&place, &attach);
        done.ends(0);
        let record = place.record();
        whole(&record);
        assert_eq!(config(&server), before);
        assert_eq!(
            known(&server, "ORDERS").1.as_array().map(Vec::len),
            Some(1),
            "nothing of the run's is left"
        );
        // Unacknowledged messages would be delivered to the run.
        publish(&server, 3);
        let taken = run(&place, &attach);
        assert!(taken.code == 2 && taken.err.contains("it has 3 messages to deliver"), "{}", taken.err);
    }
}
