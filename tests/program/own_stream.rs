//! A run on a stream like a user's own: made by hand, by the `nats` command line, by Terraform.

#![expect(clippy::expect_used, reason = "tests")]

use serde_json::{Value, json};
use tickgate::record::{Record, UNAUDITED, Verdict};

use crate::support::nats::{NatsServer, jetstream};
use crate::support::program::{Done, Place, balances};

/// A gate that asks for nothing of the store.
pub(super) const GATE: &str = r#"
[load]
rate = "500/s"
warmup = "500ms"
duration = "2s"
drain = "10s"

[market]
symbols = 20

[[groups]]
name = "trading-engine"

[objectives]
"latency.p99" = "< 5s"
"delivery.lost" = "== 0"
"ordering.reordered" = "== 0"
"#;

/// Asks the server's API as a client of its own.
pub(super) fn api(server: &NatsServer, subject: &str, request: &Value) -> Value {
    jetstream(&server.url(), async |jetstream| {
        let answer: Value = jetstream.request(subject.to_owned(), request).await.expect("an answer");
        assert!(answer.get("error").is_none(), "{subject}: {answer}");
        answer
    })
}

pub(super) fn make_stream(server: &NatsServer, config: &Value) {
    let name = config["name"].as_str().expect("a name");
    api(server, &format!("STREAM.CREATE.{name}"), config);
}

pub(super) fn make_consumer(server: &NatsServer, stream: &str, config: &Value) {
    let name = config["durable_name"].as_str().expect("a name");
    let request = json!({"stream_name": stream, "config": config, "action": "create"});
    api(server, &format!("CONSUMER.CREATE.{stream}.{name}"), &request);
}

/// All that is known of a user's stream and its consumers, but for what a client only looks at.
pub(super) fn known(server: &NatsServer, stream: &str) -> (Value, Value) {
    let mut info = api(server, &format!("STREAM.INFO.{stream}"), &json!({}));
    let mut consumers = api(server, &format!("CONSUMER.LIST.{stream}"), &json!({}));
    info.as_object_mut().expect("an object").remove("ts");
    for consumer in consumers["consumers"].as_array_mut().into_iter().flatten() {
        consumer.as_object_mut().expect("an object").remove("ts");
    }
    (info, consumers["consumers"].clone())
}

pub(super) fn place() -> Place {
    let place = Place::new();
    place.write("own.toml", GATE);
    place
}

pub(super) fn run(place: &Place, more: &[&str]) -> Done {
    place.run(&[&["run", "./own.toml"], more].concat())
}

/// Everything arrived, once.
#[track_caller]
pub(super) fn whole(record: &Record) {
    balances(record);
    assert_eq!(record.load.acked, record.load.intended);
    for group in &record.groups {
        assert_eq!((group.delivered, group.lost, group.pending), (group.expected, 0, 0), "{}", group.name);
    }
}

fn mark<'a>(record: &'a Record, kind: &str) -> Option<&'a str> {
    record.marks.iter().find(|mark| mark.kind == kind).map(|mark| mark.detail.as_str())
}

/// A stream that tickgate would never make: a work queue that removes the oldest.
fn trades() -> Value {
    json!({
        "name": "TRADES", "subjects": ["ai-trader.>"], "retention": "workqueue", "discard": "old", "max_msgs": 100_000,
        "storage": "file", "num_replicas": 1,
    })
}

#[test]
fn a_run_is_gated_on_the_configuration_of_a_stream_of_the_bus() {
    let server = NatsServer::start();
    make_stream(&server, &trades());
    let consumer = json!({
        "durable_name": "trading-engine", "ack_policy": "explicit", "ack_wait": 5_000_000_000_u64, "max_ack_pending": 200,
        "max_deliver": 4, "deliver_policy": "all", "filter_subject": "ai-trader.orders",
    });
    make_consumer(&server, "TRADES", &consumer);
    let before = known(&server, "TRADES");
    let place = place();
    let done = run(&place, &["--broker", &server.url(), "--set", "bus.nats.like=TRADES"]);
    done.ends(0);
    assert_eq!(known(&server, "TRADES"), before, "theirs is as it was");
    assert_eq!(server.streams().len(), 1, "the run's own is gone");
    let record = place.record();
    whole(&record);
    assert_eq!(record.verdict, Verdict::Pass);
    assert_eq!(
        (record.plan.bus.nats.max_ack_pending, record.plan.bus.nats.ack_wait.ns),
        (200, 5_000_000_000)
    );
    let made = record.broker.made.as_ref().expect("what was made");
    assert_eq!(made.of, "stream TRADES");
    for (name, value) in
        [("retention", json!("workqueue")), ("discard", json!("old")), ("max_msgs", json!(100_000))]
    {
        assert_eq!(made.stream[name], value);
    }
    let group = &made.consumers[0];
    assert_eq!((&group["ack_wait"], &group["max_deliver"]), (&json!(5_000_000_000_u64), &json!(4)));
    assert!(made.differences.is_empty(), "{:?}", made.differences);
    for part in [
        "not copied from stream TRADES: max_bytes unlimited",
        "filter_subject ai-trader.orders: a group receives",
    ] {
        assert!(done.err.contains(part), "`{part}` is not in:\n{}", done.err);
    }
    // What was acknowledged is gone, so the store says nothing.
    assert!(record.audit.is_none());
    assert!(mark(&record, UNAUDITED).is_some_and(|why| why.starts_with("a work queue removes each event")));
    assert_eq!(record.broker.settings["retention"], "workqueue");
}

#[test]
fn files_say_the_configuration_where_the_bus_has_none() {
    let place = place();
    let mut stream = trades();
    stream["num_replicas"] = json!(3);
    stream["republish"] = json!({"src": "ai-trader.>", "dest": "copy.>"});
    let info = json!({"config": stream, "created": "2026-01-01T00:00:00Z", "state": {"messages": 3}});
    let stream = place.write("stream.json", info.to_string());
    let consumers = json!([
        {"stream_name": "TRADES", "config": {"durable_name": "risk", "ack_policy": "explicit", "max_ack_pending": 5}},
        {"stream_name": "TRADES", "config": {"durable_name": "trading-engine", "ack_policy": "explicit", "max_ack_pending": 50,
            "deliver_subject": "push.here", "backoff": [1_000_000_000, 2_000_000_000], "max_deliver": 5}},
    ]);
    let consumers = place.write("consumers.json", consumers.to_string());
    let files = ["--stream-config", stream.as_str(), "--consumer-config", consumers.as_str()];

    let check = place.run(&[&["check", "./own.toml"], &files[..]].concat());
    check.ends(0);
    for part in [
        "replicas = 3",
        "max_ack_pending = 50",
        "# like ./stream.json and ./consumers.json: `bus.replicas` is 1 in the profile, and 3 in ./stream.json",
        "# not copied from ./stream.json and ./consumers.json: republish ",
    ] {
        assert!(check.out.contains(part), "`{part}` is not in:\n{}", check.out);
    }

    let done = run(&place, &files);
    done.ends(0);
    assert!(done.err.contains("num_replicas 3: this server is in no cluster"), "{}", done.err);
    let record = place.record();
    whole(&record);
    let made = record.broker.made.as_ref().expect("what was made");
    assert_eq!(
        (made.stream["retention"].clone(), made.stream["num_replicas"].clone()),
        (json!("workqueue"), json!(1))
    );
    assert_eq!(made.consumers[0]["backoff"], json!([1_000_000_000, 2_000_000_000]));
    assert_eq!((record.plan.bus.replicas, record.broker.durability.as_str()), (1, "page cache"));
}

/// Two streams and a consumer, as NACK takes them.
const MANIFEST: &str = "\
apiVersion: jetstream.nats.io/v1beta2
kind: Stream
metadata: {name: orders}
spec: {name: ORDERS, subjects: [orders.>], retention: interest, maxAge: 1h, replicas: 1, servers: [nats://nats:4222]}
---
apiVersion: jetstream.nats.io/v1beta2
kind: Stream
metadata: {name: payments}
spec: {name: PAYMENTS, subjects: [payments.>], storage: file}
---
apiVersion: jetstream.nats.io/v1beta2
kind: Consumer
metadata: {name: desk}
spec:
  streamName: ORDERS
  durableName: trading-engine
  deliverSubject: desk.orders
  deliverGroup: desk
  flowControl: true
  heartbeatInterval: 1s
  ackPolicy: explicit
  ackWait: 20s
  maxAckPending: 400
";

#[test]
fn resources_of_nack_say_the_configuration_as_well() {
    let place = place();
    let file = place.write("orders.yaml", MANIFEST);
    let unnamed = run(&place, &["--stream-config", &file]);
    let said = "./orders.yaml has 2 streams; expected one, such as `./orders.yaml#ORDERS` or `./orders.yaml#PAYMENTS`";
    assert!(unnamed.code == 2 && unnamed.err.contains(said), "{}", unnamed.err);
    let named = format!("{file}#ORDERS");
    let files = ["--stream-config", named.as_str(), "--consumer-config", file.as_str()];

    let check = place.run(&[&["check", "./own.toml"], &files[..]].concat());
    check.ends(0);
    for part in [
        "# like ./orders.yaml: Stream orders of ./orders.yaml has no `storage`, and NACK's default is memory",
        "storage = \"memory\"",
        "max_ack_pending = 400",
        "# not copied from ./orders.yaml: `servers`: the run connects by options of its own",
    ] {
        assert!(check.out.contains(part), "`{part}` is not in:\n{}", check.out);
    }
    run(&place, &files).ends(0);
    let record = place.record();
    whole(&record);
    let made = record.broker.made.as_ref().expect("what was made");
    let default = "Stream orders of ./orders.yaml has no `storage`, and NACK's default is memory";
    assert_eq!(made.differences, [default]);
    for (name, value) in [
        ("retention", json!("interest")),
        ("storage", json!("memory")),
        ("max_age", json!(3_600_000_000_000_u64)),
    ] {
        assert_eq!(made.stream[name], value, "{name}");
    }
    let consumer = &made.consumers[0];
    assert_eq!((&consumer["deliver_group"], &consumer["flow_control"]), (&json!("desk"), &json!(true)));
}

#[test]
fn what_a_stream_removes_by_its_limits_is_no_loss_of_the_bus() {
    let place = place();
    let stream = json!({"name": "S", "subjects": ["s.>"], "retention": "limits", "discard": "old", "max_msgs": 200, "storage": "memory"});
    let stream = place.write("stream.json", stream.to_string());
    let done = run(&place, &["--stream-config", &stream, "--set", "objectives.delivery.not_stored=== 0"]);
    done.ends(3);
    let record = place.record();
    whole(&record);
    assert!(
        mark(&record, UNAUDITED).is_some_and(|why| why.contains("by its own limits (max_msgs 200")),
        "{:?}",
        record.marks
    );
    let stored =
        record.objectives.iter().find(|one| one.name == "delivery.not_stored").expect("an objective");
    assert_eq!(stored.verdict, Verdict::Inconclusive);
    assert!(stored.reason.as_ref().is_some_and(|why| why.contains("by its own limits")), "{stored:?}");
    assert!(record.objectives.iter().filter(|one| one.verdict == Verdict::Pass).count() == 3);
}

#[test]
fn with_interest_every_group_receives_every_event_and_nothing_is_called_lost() {
    let place = place();
    let stream = json!({"name": "S", "subjects": ["s.>"], "retention": "interest", "storage": "file", "duplicate_window": 60_000_000_000_u64});
    let stream = place.write("stream.json", stream.to_string());
    let groups = "groups=[{name=\"a\",subscribe=[\">\"]},{name=\"b\",subscribe=[\">\"],members=2,delivery=\"pinned\"}]";
    run(&place, &["--stream-config", &stream, "--set", groups]).ends(0);
    let record = place.record();
    whole(&record);
    assert_eq!(record.groups.len(), 2);
    assert!(mark(&record, UNAUDITED).is_some_and(|why| why.contains("interest retention")));
    let made = record.broker.made.expect("what was made");
    assert_eq!(made.stream["duplicate_window"], json!(60_000_000_000_u64));
}

#[test]
fn a_stream_that_keeps_everything_is_read_back_as_ever() {
    let place = place();
    let stream = json!({"name": "S", "subjects": ["s.>"], "retention": "limits", "discard": "old", "compression": "s2", "allow_direct": true});
    let stream = place.write("stream.json", stream.to_string());
    run(&place, &["--stream-config", &stream, "--set", "objectives.replay.complete=== 100%"]).ends(0);
    let record = place.record();
    whole(&record);
    assert!(record.audit.as_ref().is_some_and(|audit| audit.complete && audit.missing == 0));
    let made = record.broker.made.expect("what was made");
    assert_eq!(
        (made.stream["compression"].clone(), made.stream["allow_direct"].clone()),
        (json!("s2"), json!(true))
    );
}

#[test]
fn what_cannot_be_copied_at_all_is_refused_before_the_load() {
    let server = NatsServer::start();
    let place = place();
    let file = place.write("bad.json", "Information for Stream TRADES");
    let pair = place.write("queue.json", trades().to_string());
    let two = "groups=[{name=\"a\",subscribe=[\">\"]},{name=\"b\",subscribe=[\">\"]}]";
    let url = server.url();
    for (more, said) in [
        (vec!["--stream-config", file.as_str()], "./bad.json is not JSON"),
        (vec!["--stream-config", "./none.json"], "cannot read ./none.json"),
        (
            vec!["--stream-config", pair.as_str(), "--set", two],
            "is a work queue, which gives each event to one consumer",
        ),
        (vec!["--stream-config", pair.as_str(), "--broker", "sim"], "the simulated bus has no stream like"),
        (vec!["--set", "bus.nats.like=TRADES"], "a server that tickgate starts has no streams"),
        (vec!["--set", "bus.nats.like=TRADES", "--stream-config", pair.as_str()], "exclude each other"),
        (
            vec!["--set", "bus.nats.like=TRADES", "--broker", url.as_str()],
            "there is no stream TRADES on this bus",
        ),
        (vec!["--set", "bus.nats.like=a.b"], "expected the name of a stream or consumer"),
        (
            vec!["--set", "bus.kind=kafka", "--stream-config", pair.as_str()],
            "--stream-config or --consumer-config is for NATS",
        ),
    ] {
        let done = run(&place, &more);
        assert!(done.code == 2 && done.err.contains(said), "{more:?}: {} {}", done.code, done.err);
    }
    assert!(server.streams().is_empty());
    assert!(place.runs().is_empty());
}

/// A user's stream with some messages, and a consumer without readers.
fn orders(server: &NatsServer, config: &Value) {
    make_stream(server, config);
    let name = config["name"].as_str().expect("a name");
    let billing = json!({"durable_name": "billing", "ack_policy": "explicit", "deliver_policy": "all", "max_deliver": 3});
    make_consumer(server, name, &billing);
    publish(server, 30);
}

/// Publishes as another client, to a subject that the run's groups receive.
pub(super) fn publish(server: &NatsServer, messages: usize) {
    jetstream(&server.url(), async |jetstream| {
        for _ in 0..messages {
            let ack = jetstream.publish("ai-trader.market.quote.received", "not an event".into()).await;
            ack.expect("published").await.expect("stored");
        }
    });
}

#[test]
fn a_run_in_a_users_stream_leaves_all_that_was_there_as_it_was() {
    let server = NatsServer::start();
    let config = json!({"name": "ORDERS", "subjects": ["ai-trader.>"], "retention": "limits", "discard": "old", "max_msgs": 1_000_000});
    orders(&server, &config);
    let before = known(&server, "ORDERS");
    let place = place();
    let url = server.url();
    let attach = ["--broker", url.as_str(), "--set", "bus.nats.attach=ORDERS"];
    let refused = run(&place, &attach);
    assert!(refused.code == 2 && refused.err.contains("allow it with --allow-attach"), "{}", refused.err);
    assert_eq!(known(&server, "ORDERS"), before);

    let all = [&["run", "./own.toml", "--allow-attach"], &attach[..]].concat();
    let mut running = place.start(&all);
    running.until_it_measures();
    publish(&server, 20);
    let done = running.wait();
    done.ends(0);
    assert!(
        done.err.contains("events go into stream ORDERS below ai-trader: its other consumers receive them"),
        "{}",
        done.err
    );
    let record = place.record();
    whole(&record);
    let group = &record.groups[0];
    assert_eq!((group.foreign, group.corrupt, group.unexpected), (20, 0, 0));
    let audit = record.audit.as_ref().expect("an audit");
    assert!(audit.complete && audit.missing == 0 && audit.foreign == 20, "{audit:?}");
    assert_eq!(record.broker.settings["subjects"], "ai-trader.>");

    let (stream, consumers) = known(&server, "ORDERS");
    assert_eq!(stream["config"], before.0["config"]);
    let messages = |info: &Value| info["state"]["messages"].as_u64().expect("a count");
    let readiness = messages(&stream) - messages(&before.0) - 20 - record.load.acked;
    assert!((1..100).contains(&readiness), "what was there is there, and what the run stored: {readiness}");
    assert_eq!(stream["state"]["first_seq"], json!(1));
    let (theirs, was) = (consumers.as_array().expect("a list"), &before.1[0]);
    assert_eq!(theirs.len(), 1, "the run's own are gone: {consumers}");
    for field in ["config", "name", "created", "delivered", "ack_floor", "num_ack_pending"] {
        assert_eq!(theirs[0][field], was[field], "{field}");
    }
    assert_eq!(server.streams().len(), 1);
}

#[test]
fn a_group_reads_through_a_consumer_of_theirs_where_that_is_allowed_by_name() {
    let server = NatsServer::start();
    let mut config = trades();
    config["name"] = json!("QUEUE");
    make_stream(&server, &config);
    make_consumer(
        &server,
        "QUEUE",
        &json!({"durable_name": "worker", "ack_policy": "explicit", "max_ack_pending": 100}),
    );
    let before = known(&server, "QUEUE");
    let place = place();
    let url = server.url();
    let attach = ["--broker", url.as_str(), "--set", "bus.nats.attach=QUEUE", "--allow-attach"];
    let own = run(&place, &attach);
    assert!(
        own.code == 2 && own.err.contains("is a work queue, which gives each event to one consumer"),
        "{}",
        own.err
    );
    let named = [&attach[..], &["--set", "groups.trading-engine.consumer=worker"]].concat();
    let unasked = run(&place, &named);
    assert!(
        unasked.code == 2 && unasked.err.contains("allow it with --allow-consumer worker"),
        "{}",
        unasked.err
    );
    let allowed = [&named[..], &["--allow-consumer", "worker"]].concat();
    publish(&server, 3);
    let taken = run(&place, &allowed);
    assert!(taken.code == 2 && taken.err.contains("it has 3 messages to deliver"), "{}", taken.err);
    api(&server, "STREAM.PURGE.QUEUE", &json!({}));
    let done = run(&place, &allowed);
    done.ends(0);
    let record = place.record();
    whole(&record);
    assert_eq!(record.plan.bus.nats.max_ack_pending, 100);
    let after = known(&server, "QUEUE");
    assert_eq!((&after.0["config"], &after.1[0]["config"]), (&before.0["config"], &before.1[0]["config"]));
    assert_eq!(after.1.as_array().expect("a list").len(), 1);
}

#[test]
fn a_stream_that_does_not_take_the_runs_subjects_is_refused_by_name() {
    let server = NatsServer::start();
    make_stream(&server, &json!({"name": "OTHER", "subjects": ["other.>", "ai-trader.market.*"]}));
    let place = place();
    let url = server.url();
    let attach = ["--broker", url.as_str(), "--set", "bus.nats.attach=OTHER", "--allow-attach"];
    let done = run(&place, &attach);
    assert!(done.code == 2, "{}", done.err);
    for part in [
        "stream OTHER takes other.>, ai-trader.market.*, and not ai-trader.market.quote.received",
        "set `topology.prefix`",
    ] {
        assert!(done.err.contains(part), "`{part}` is not in {}", done.err);
    }
    let local = run(&place, &["--set", "bus.nats.attach=OTHER", "--allow-attach"]);
    assert!(local.code == 2 && local.err.contains("names stream OTHER of a running bus"), "{}", local.err);
    let both = run(&place, &[&attach[..], &["--set", "bus.nats.like=OTHER"]].concat());
    assert!(both.code == 2 && both.err.contains("takes the stream as it is"), "{}", both.err);
    assert_eq!(known(&server, "OTHER").1, json!([]));
}
