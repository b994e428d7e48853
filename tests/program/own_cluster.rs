//! A run on a cluster of three with a stream that the `nats` command line has made, as platform teams have them.

#![expect(clippy::expect_used, reason = "tests")]

use serde_json::{Value, json};
use tickgate::record::{Record, Verdict};

use crate::support::cluster::Cluster;
use crate::support::nats::jetstream;
use crate::support::natscli::{self, NatsCli};
use crate::support::program::{Place, balances};

/// Two topics, one of which a consumer of the stream's filters.
const GATE: &str = r#"
[load]
rate = "500/s"
warmup = "500ms"
duration = "2s"
drain = "15s"

[market]
symbols = 20

[mix]
"market.quote.received" = 3
"trade.order.submitted" = 1

[[groups]]
name = "trading-engine"
consumer = "billing"

[objectives]
"delivery.lost" = "== 0"
"delivery.corrupt" = "== 0"
"replay.complete" = "== 100%"
"#;

const STREAM: &[&str] = &[
    "stream",
    "add",
    "ORDERS",
    "--subjects=ai-trader.>",
    "--storage=file",
    "--replicas=3",
    "--retention=limits",
    "--discard=old",
    "--max-msgs=2000000",
    "--max-bytes=200MB",
    "--max-age=2h",
    "--dupe-window=45s",
    "--compression=s2",
    "--defaults",
];

/// Publishes 40 messages, of which `billing` has acknowledged 10 and still owes 5.
fn make(nats: &NatsCli) {
    nats.run(STREAM);
    let consumer = ["consumer", "add", "ORDERS", "--pull", "--deliver=all", "--replay=instant", "--defaults"];
    let billing = ["billing", "--ack=explicit", "--wait=5m", "--max-deliver=7", "--max-pending=700"];
    nats.run(&[&consumer[..], &billing].concat());
    nats.run(&[&consumer[..], &["orders", "--ack=all", "--filter=ai-trader.trade.order.submitted"]].concat());
    nats.run(&[
        "publish",
        "ai-trader.market.quote.received",
        "theirs {{Count}}",
        "--count=40",
        "--jetstream",
    ]);
    nats.run(&["consumer", "next", "ORDERS", "billing", "--count=10", "--ack"]);
    nats.run(&["consumer", "next", "ORDERS", "billing", "--count=5", "--no-ack"]);
}

/// All that the command line shows of the stream and of a consumer, but for what changes by itself.
fn shown(nats: &NatsCli, what: &[&str]) -> Value {
    let mut info: Value = serde_json::from_str(&nats.run(&[what, &["--json"]].concat())).expect("JSON");
    let fields = info.as_object_mut().expect("an object");
    for moving in ["ts", "cluster"] {
        fields.remove(moving);
    }
    info
}

/// The stream and both consumers.
fn all(nats: &NatsCli) -> [Value; 3] {
    let consumer = |name| shown(nats, &["consumer", "info", "ORDERS", name]);
    [shown(nats, &["stream", "info", "ORDERS"]), consumer("billing"), consumer("orders")]
}

fn names(nats: &NatsCli, what: &[&str]) -> Value {
    serde_json::from_str(&nats.run(&[what, &["--json"]].concat())).expect("JSON")
}

/// Nothing but the stream and its two consumers is there.
fn alone(nats: &NatsCli) {
    assert_eq!(names(nats, &["stream", "ls", "--names", "--all"]), json!(["ORDERS"]));
    assert_eq!(names(nats, &["consumer", "ls", "ORDERS", "--names"]), json!(["billing", "orders"]));
}

fn count(info: &Value, field: &str) -> u64 {
    info.pointer(field).and_then(Value::as_u64).expect("a count")
}

#[track_caller]
fn whole(record: &Record) {
    balances(record);
    assert_eq!(record.verdict, Verdict::Pass, "{:?}", record.objectives);
    assert_eq!(record.load.acked, record.load.intended);
    assert!(record.audit.as_ref().is_some_and(|audit| audit.complete && audit.missing == 0));
    assert_eq!(record.broker.durability, "replicated 2/3, page cache (sync interval unknown)");
}

#[test]
fn a_stream_of_three_replicas_made_by_the_command_line_is_gated_and_left_as_it_was() {
    if !natscli::there() {
        return;
    }
    let cluster = Cluster::start();
    let (nats, address) = (NatsCli::on(&cluster.servers[0].url()), cluster.address());
    make(&nats);
    let before = all(&nats);
    like(&cluster, &nats, &address, &before);
    attach(&nats, &address, &before);
}

/// The run's own stream is one of three replicas with that configuration.
fn like(cluster: &Cluster, nats: &NatsCli, address: &str, before: &[Value; 3]) {
    let place = Place::new();
    place.write("own.toml", GATE);
    let mut running =
        place.start(&["run", "./own.toml", "--broker", address, "--set", "bus.nats.like=ORDERS"]);
    running.until_it_measures();
    let own = names(nats, &["stream", "ls", "--names"]);
    let own = own.as_array().and_then(|all| all.iter().find(|name| *name != "ORDERS")).expect("a stream");
    let own: Value = jetstream(&cluster.servers[1].url(), async |jetstream| {
        let subject = format!("STREAM.INFO.{}", own.as_str().expect("a name"));
        jetstream.request(subject, &json!({})).await.expect("an answer")
    });
    assert_eq!(own["cluster"]["replicas"].as_array().map(Vec::len), Some(2), "beside the leader: {own}");
    let done = running.wait();
    done.ends(0);

    let record = place.record();
    whole(&record);
    let made = record.broker.made.as_ref().expect("what was made");
    assert!(made.differences.is_empty() && made.not_copied.is_empty(), "{made:?}");
    for (field, value) in before[0]["config"].as_object().expect("a configuration") {
        if !["name", "subjects", "metadata", "description"].contains(&field.as_str()) {
            assert_eq!(&made.stream[field], value, "{field}");
        }
        let own = own.pointer(&format!("/config/{field}"));
        assert_eq!(own, made.stream.get(field), "the record has what the server has: {field}");
    }
    for field in ["ack_policy", "ack_wait", "max_deliver", "max_ack_pending", "replay_policy"] {
        assert_eq!(made.consumers[0][field], before[1]["config"][field], "{field}");
    }
    assert_eq!(record.plan.bus.replicas, 3);
    assert!(record.broker.stream_leader.is_some());
    assert_eq!(&all(nats), before, "theirs is as it was");
    alone(nats);
}

/// The run publishes into the stream itself.
fn attach(nats: &NatsCli, address: &str, before: &[Value; 3]) {
    let place = Place::new();
    place.write("own.toml", GATE.replace("consumer = \"billing\"\n", ""));
    let attach = ["--broker", address, "--set", "bus.nats.attach=ORDERS", "--allow-attach"];
    place.run(&[&["run", "./own.toml"], &attach[..]].concat()).ends(0);
    let record = place.record();
    whole(&record);
    let after = all(nats);
    let stored = count(&after[0], "/state/messages") - count(&before[0], "/state/messages");
    let readiness = stored - record.load.acked;
    assert!((1..200).contains(&readiness), "besides the events of the load: {readiness}");
    assert_eq!(after[0]["config"], before[0]["config"]);
    assert_eq!(after[0]["state"]["first_seq"], json!(1));
    assert_eq!(count(&after[1], "/num_pending"), count(&before[1], "/num_pending") + stored);
    let orders = count(&after[2], "/num_pending");
    let of_topic = record.load.by_topic.iter().find(|topic| topic.topic == "trade.order.submitted");
    let published = of_topic.expect("the topic").count;
    assert!(published > 0 && (published..=published + readiness).contains(&orders), "{orders}, {published}");
    for (theirs, was) in after[1..].iter().zip(&before[1..]) {
        let mut theirs = theirs.clone();
        theirs["num_pending"] = was["num_pending"].clone();
        assert_eq!(&theirs, was, "nobody has read or acknowledged anything");
    }
    alone(nats);
}
