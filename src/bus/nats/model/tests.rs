use serde_json::{Value, json};

use super::copy::{OwnStream, consumer, differences, stream};
use super::{Fields, Model, holds_the_pin, priority};
use crate::bus::nats::intake::Priority;
use crate::plan::{AckMode, Delivery, Group, Plan, Storage};
use crate::profile::{Source, read};

fn fields(value: &Value) -> Fields {
    value.as_object().unwrap().clone()
}

fn plan(sets: &[&str]) -> Plan {
    let sets: Vec<String> = sets.iter().map(|&set| set.to_owned()).collect();
    read(&Source::find("quick").unwrap(), &sets).unwrap()
}

fn model(stream: &Value, consumers: &[Value]) -> Model {
    let texts: Vec<String> = consumers.iter().map(ToString::to_string).collect();
    let consumers: Vec<(&str, &str)> = texts.iter().map(|text| ("c.json", text.as_str())).collect();
    let stream = stream.to_string();
    Model::read(Some(("s.json", &stream)), None, &consumers).unwrap()
}

fn own(consumers: u64) -> OwnStream {
    let config = json!({
        "name": "tickgate-r", "description": "ours", "subjects": ["tickgate-r.a"], "metadata": {"tickgate.run": "r"},
        "discard": "new", "max_bytes": 1024, "max_age": 86_400_000_000_000_u64, "max_msgs": -1, "num_replicas": 1,
    });
    OwnStream { config: fields(&config), clustered: false, consumers }
}

#[test]
fn what_the_command_line_and_the_api_print_is_read() {
    let stream =
        json!({"name": "ORDERS", "subjects": ["orders.>"], "retention": "workqueue", "num_replicas": 3});
    let consumer = json!({"durable_name": "billing", "ack_policy": "explicit"});
    for text in [
        stream.to_string(),
        json!({"config": stream, "created": "x", "state": {"messages": 1}}).to_string(),
        json!({"type": "io.nats.jetstream.api.v1.stream_info_response", "config": stream}).to_string(),
        json!({"streams": [{"config": stream}], "total": 1}).to_string(),
        format!("\u{feff}[{stream}]\r\n"),
    ] {
        let model = Model::read(Some(("s.json", &text)), None, &[]).unwrap();
        assert_eq!((model.retention(), model.of.as_str()), ("workqueue", "s.json"), "{text}");
    }
    let other = json!({"config": {"name": "audit"}, "stream_name": "ORDERS"});
    for text in [
        format!("{consumer}\n{other}"),
        json!([consumer, other]).to_string(),
        json!({"consumers": [{"stream_name": "ORDERS", "config": consumer}, other]}).to_string(),
    ] {
        let model = Model::read(None, None, &[("c.json", &text)]).unwrap();
        assert_eq!(model.names(), "billing, audit", "{text}");
    }
}

#[test]
fn what_is_no_configuration_is_refused_with_its_file() {
    for (text, said) in [
        ("", "s.json has no configuration of a stream; expected what `nats stream info NAME --json` prints"),
        ("Information for Stream ORDERS", "s.json is not JSON"),
        ("3", "s.json holds something else"),
        ("[\"ORDERS\"]", "s.json holds something else"),
        ("{\"a\": 1}", "s.json holds something else"),
        ("{\"config\": 1}", "s.json holds something else"),
        (
            "{\"error\": {\"code\": 404, \"description\": \"stream not found\"}}",
            "is an error of the server: \"stream not found\"",
        ),
        ("{\"durable_name\": \"x\"}", "s.json is of a consumer; give it with --consumer-config"),
        ("{\"subjects\": []} {\"subjects\": []}", "s.json has 2 streams; expected one"),
        (
            "[{\"name\": \"A\", \"subjects\": []}, {\"name\": \"B\", \"subjects\": []}]",
            "s.json has 2 streams; expected one, such as `s.json#A` or `s.json#B`",
        ),
        ("a: [b", "s.json is not JSON (expected value at line 1 column 1), and no YAML ("),
        ("name: {{ .Values.name }}", "s.json is a template; give what `helm template` makes of it"),
        ("- 1\n- 2", "s.json is not JSON"),
        ("{\"max_msgs\": \"100\"}", "`max_msgs` in s.json is \"100\"; expected a whole number"),
        ("{\"max_age\": 1.5}", "`max_age` in s.json is 1.5"),
        (
            "{\"retention\": \"queue\"}",
            "`retention` in s.json is `queue`; expected `limits`, `interest` or `workqueue`",
        ),
    ] {
        let error = Model::read(Some(("s.json", text)), None, &[]).unwrap_err();
        assert!(error.contains(said), "{text}: {error}");
    }
    let error = Model::read(None, None, &[("c.json", "{\"storage\": \"file\"}")]).unwrap_err();
    assert!(error.contains("give it with --stream-config"), "{error}");
    let deep = "[".repeat(50_000);
    assert!(Model::read(Some(("s.json", &deep)), None, &[]).is_err());
}

#[test]
fn a_model_decides_over_the_profile_and_every_difference_is_named() {
    let stream = json!({
        "subjects": ["o.>"], "storage": "memory", "num_replicas": 3, "compression": "s2", "max_bytes": 2048, "max_age": 60_000_000_000_u64,
    });
    let consumer = json!({
        "durable_name": "trading-engine", "ack_policy": "all", "ack_wait": 5_000_000_000_u64, "max_ack_pending": 7,
        "backoff": [1_000_000_000, 9_000_000_000_u64],
    });
    let applied = model(&stream, &[consumer]).applied(&plan(&[])).unwrap();
    let bus = &applied.plan.bus;
    assert_eq!((bus.replicas, bus.storage, bus.ack), (3, Storage::Memory, AckMode::All));
    assert_eq!((bus.max_bytes.bytes, bus.max_age.to_string()), (2048, "1m".to_owned()));
    // The longest back-off step decides when a delivery may come again.
    assert_eq!((bus.nats.ack_wait.to_string(), bus.nats.max_ack_pending), ("9s".to_owned(), 7));
    let said = applied.differs.join("\n");
    for part in [
        "`bus.replicas` is 1 in the profile, and 3 in s.json and c.json",
        "`bus.ack` is explicit in the profile, and all in",
        "`bus.nats.max_ack_pending` is 50000 in the profile, and 7",
    ] {
        assert!(said.contains(part), "{said}");
    }
}

#[test]
fn a_group_has_the_consumer_that_it_names_or_that_has_its_name_or_the_only_one() {
    let consumer = |name: &str, most: u32| json!({"durable_name": name, "ack_policy": "explicit", "max_ack_pending": most});
    let stream = json!({"subjects": ["o.>"]});
    let pending = |model: &Model, sets: &[&str]| {
        let plan = plan(sets);
        model.applied(&plan).map(|applied| applied.plan.bus.nats.max_ack_pending)
    };
    let one = model(&stream, &[consumer("x", 5)]);
    assert_eq!(pending(&one, &[]), Ok(5));
    let two = model(&stream, &[consumer("x", 5), consumer("y", 6)]);
    let group = "groups=[{name=\"y\",subscribe=[\">\"]}]";
    assert_eq!(pending(&two, &[group]), Ok(6));
    assert_eq!(pending(&two, &[group, "groups.y.consumer=x"]), Ok(5));
    let plain = plan(&[]);
    assert_eq!(pending(&two, &[]), Ok(plain.bus.nats.max_ack_pending));
    let said = two.without_consumer(&plain).join("\n");
    assert!(said.contains("(it has x, y); name one with `groups."), "{said}");
    let error = pending(&two, &[group, "groups.y.consumer=z"]).unwrap_err();
    assert!(error.contains("names consumer z, and s.json and c.json has x, y"), "{error}");
}

#[test]
fn a_stream_that_the_plan_cannot_run_on_is_refused() {
    let refused = |stream: Value, sets: &[&str]| model(&stream, &[]).applied(&plan(sets)).unwrap_err();
    let mirror = refused(json!({"storage": "file", "mirror": {"name": "ORIGIN"}}), &[]);
    assert!(mirror.contains("is a mirror of stream ORIGIN"), "{mirror}");
    let size = refused(json!({"subjects": [], "max_msg_size": 100}), &[]);
    assert!(size.contains("`max_msg_size` of s.json is 100"), "{size}");
    let two = "groups=[{name=\"a\",subscribe=[\">\"]},{name=\"b\",subscribe=[\"market.>\"]}]";
    let queue = refused(json!({"retention": "workqueue"}), &[two]);
    assert!(queue.contains("the groups a and b both receive market.quote.received"), "{queue}");
    let ack = refused(json!({"retention": "workqueue"}), &["bus.ack=none"]);
    assert!(ack.contains("set `bus.ack = \"explicit\"`"), "{ack}");
}

#[test]
fn a_pinned_consumer_makes_a_pinned_group() {
    let consumer = json!({"durable_name": "x", "ack_policy": "explicit", "priority_policy": "pinned_client", "priority_groups": ["a"]});
    let model = model(&json!({"subjects": ["o.>"]}), &[consumer]);
    let applied = model.applied(&plan(&["groups=[{name=\"g\",subscribe=[\">\"],members=2}]"])).unwrap();
    assert_eq!(applied.plan.groups[0].delivery, Delivery::Pinned);
}

#[test]
fn the_copy_of_a_stream_has_its_configuration_under_names_of_its_own() {
    let model = fields(&json!({
        "name": "ORDERS", "description": "theirs", "subjects": ["orders.>"], "metadata": {"team": "x"},
        "retention": "interest", "discard": "old", "max_msgs": 5, "max_bytes": -1, "max_age": 0, "num_replicas": 3,
        "placement": {"cluster": "prod"}, "max_consumers": 2, "republish": {"src": ">", "dest": "copy.>"},
        "sources": [{"name": "A"}], "sealed": false, "consumer_limits": {"inactive_threshold": 1_000_000_000, "max_ack_pending": 9},
        "from_a_newer_server": 7,
    }));
    let copy = stream(&model, &own(3));
    let expected = json!({
        "name": "tickgate-r", "description": "ours", "subjects": ["tickgate-r.a"], "metadata": {"tickgate.run": "r"},
        "retention": "interest", "discard": "old", "max_msgs": 5, "max_bytes": 1024, "max_age": 86_400_000_000_000_u64,
        "consumer_limits": {"max_ack_pending": 9}, "from_a_newer_server": 7,
    });
    assert_eq!(Value::Object(copy.config.clone()), expected);
    let left: Vec<&str> = copy.left.iter().map(|(name, _)| name.as_str()).collect();
    for name in [
        "num_replicas",
        "placement",
        "max_consumers",
        "republish",
        "sources",
        "consumer_limits",
        "max_bytes",
        "max_age",
    ] {
        assert!(left.contains(&name), "{name}: {:?}", copy.left);
    }
    assert_eq!(left.len(), 8, "{:?}", copy.left);
    // In a cluster the replicas are kept; a value that the server did not apply counts as a difference.
    let copy = stream(&model, &OwnStream { clustered: true, ..own(2) });
    assert_eq!(
        (copy.config["num_replicas"].clone(), copy.config["max_consumers"].clone()),
        (json!(3), json!(2))
    );
    let mut made = copy.config.clone();
    made.insert("discard".into(), json!("new"));
    made.remove("from_a_newer_server");
    made.insert("allow_direct".into(), json!(true));
    let said = differences(&model, &copy, &made, false).join("\n");
    assert_eq!(
        said,
        "discard is new in the run, and old in the model\nfrom_a_newer_server is not set in the run, and 7 in the model"
    );
}

#[test]
fn the_copy_of_a_consumer_has_what_a_pulling_member_can_have() {
    let model = fields(&json!({
        "durable_name": "billing", "deliver_policy": "new", "ack_policy": "explicit", "ack_wait": 5, "max_deliver": 3,
        "backoff": [1, 2], "max_ack_pending": 10, "max_waiting": 2, "max_expires": 1_000_000_000, "max_batch": 10,
        "filter_subjects": ["orders.eu"], "num_replicas": 3,
        "inactive_threshold": 5_000_000_000_u64, "headers_only": true, "sample_freq": "50%", "mem_storage": true,
        "priority_policy": "fair", "priority_groups": ["p"], "replay_policy": "instant", "pause_until": "0001-01-01T00:00:00Z",
    }));
    let own = fields(&json!({
        "durable_name": "tickgate-r-g", "filter_subjects": ["tickgate-r.a"], "deliver_policy": "all", "ack_policy": "none",
        "inactive_threshold": 3_600_000_000_000_u64, "max_deliver": -1, "metadata": {"tickgate.run": "r"},
    }));
    let group = plan(&[]).groups[0].clone();
    let copy = consumer(&model, &own, &group, false);
    let expected = json!({
        "durable_name": "tickgate-r-g", "filter_subjects": ["tickgate-r.a"], "deliver_policy": "all",
        "inactive_threshold": 3_600_000_000_000_u64, "metadata": {"tickgate.run": "r"}, "ack_policy": "explicit", "ack_wait": 5,
        "max_deliver": 3, "backoff": [1, 2], "max_ack_pending": 10, "max_batch": 10, "sample_freq": "50%", "mem_storage": true,
        "replay_policy": "instant",
    });
    assert_eq!(Value::Object(copy.config.clone()), expected);
    let said: Vec<&str> = copy.left.iter().map(|(_, said)| said.as_str()).collect();
    let said = said.join("\n");
    for part in [
        "deliver_policy new: a group receives every event",
        "filter_subjects [\"orders.eu\"]: a group receives what its `subscribe` says",
        "headers_only true:",
        "inactive_threshold 5s:",
        "max_expires 1s:",
        "max_waiting 2: the group's members have up to 4 requests open",
        "num_replicas 3: this server is in no cluster",
        "priority_policy fair:",
    ] {
        assert!(said.contains(part), "`{part}` is not in\n{said}");
    }
    assert!(!said.contains("pause_until"), "what Go prints for no time: {said}");
    assert_eq!(differences(&model, &copy, &copy.config, true), Vec::<String>::new());
}

/// Members of a group, delivered to as given.
fn group(members: u32, delivery: Delivery) -> Group {
    let group = plan(&[]).groups[0].clone();
    Group { members, delivery, ..group }
}

#[test]
fn the_copy_of_a_consumer_that_pushes_has_a_subject_of_its_own_and_the_same_queue_group() {
    let theirs = fields(&json!({
        "durable_name": "billing", "ack_policy": "explicit", "deliver_subject": "push.here", "deliver_group": "workers",
        "flow_control": true, "idle_heartbeat": 5_000_000_000_u64, "rate_limit_bps": 1_000_000, "max_waiting": 512,
    }));
    let own = fields(
        &json!({"durable_name": "tickgate-r-g", "deliver_subject": "_INBOX.r.g", "ack_policy": "none"}),
    );
    let copy = consumer(&theirs, &own, &group(2, Delivery::Shared), true);
    let expected = json!({
        "durable_name": "tickgate-r-g", "deliver_subject": "_INBOX.r.g", "ack_policy": "explicit", "deliver_group": "workers",
        "flow_control": true, "idle_heartbeat": 5_000_000_000_u64, "rate_limit_bps": 1_000_000,
    });
    assert_eq!(Value::Object(copy.config.clone()), expected);
    assert_eq!(copy.left.len(), 1, "{:?}", copy.left);
    assert_eq!(copy.left[0].1, "max_waiting 512: nothing is asked of a consumer that pushes");
    assert_eq!(differences(&theirs, &copy, &copy.config, true), Vec::<String>::new());
}

#[test]
fn a_group_that_a_pushing_consumer_cannot_serve_is_refused_by_name() {
    let consumer = |more: Value| {
        let mut consumer =
            json!({"durable_name": "x", "ack_policy": "explicit", "deliver_subject": "push.here"});
        consumer.as_object_mut().unwrap().extend(fields(&more));
        consumer
    };
    let applied = |more: Value, set: &str| {
        let groups = format!("groups=[{{name=\"g\",subscribe=[\">\"],{set}}}]");
        model(&json!({"subjects": ["o.>"]}), &[consumer(more)]).applied(&plan(&[&groups])).map(|_| ())
    };
    let alone = applied(json!({}), "members=2").unwrap_err();
    assert!(alone.contains("consumer x of s.json and c.json pushes without a `deliver_group`"), "{alone}");
    assert!(alone.contains("set `groups.g.members = 1`"), "{alone}");
    let pinned = applied(json!({"deliver_group": "q"}), "members=2,delivery=\"pinned\"").unwrap_err();
    assert!(pinned.contains("group g is pinned, and consumer x of") && pinned.contains("pushes"), "{pinned}");
    assert_eq!(applied(json!({}), "members=1"), Ok(()));
    assert_eq!(applied(json!({"deliver_group": "q"}), "members=2"), Ok(()));
    let both = applied(json!({"priority_policy": "overflow", "priority_groups": ["p"]}), "members=1");
    assert!(both.unwrap_err().contains("pushes and has a `priority_policy`"));
    for bad in ["a b", "a\r\nPUB", "a*"] {
        let text = consumer(json!({"deliver_group": bad})).to_string();
        let error = Model::read(None, None, &[("c.json", &text)]).unwrap_err();
        assert!(error.contains("`deliver_group` in consumer x of c.json is"), "{error}");
    }
}

#[test]
fn a_priority_group_is_copied_where_the_members_can_ask_in_it() {
    let own = fields(&json!({
        "durable_name": "tickgate-r-g", "priority_policy": "pinned_client", "priority_groups": ["members"], "priority_timeout": 6,
    }));
    let shared = fields(&json!({"durable_name": "tickgate-r-g"}));
    let theirs = |policy: &str, timeout: u64| {
        fields(
            &json!({"durable_name": "x", "priority_policy": policy, "priority_groups": ["jobs"], "priority_timeout": timeout}),
        )
    };
    for policy in ["overflow", "prioritized"] {
        let (theirs, group) = (theirs(policy, 0), group(2, Delivery::Shared));
        let copy = consumer(&theirs, &shared, &group, true);
        assert_eq!(
            (&copy.config["priority_policy"], &copy.config["priority_groups"]),
            (&json!(policy), &json!(["jobs"]))
        );
        assert!(copy.left.is_empty(), "{:?}", copy.left);
        assert_eq!(
            priority(Some(&theirs), &group),
            Some(Priority { group: "jobs".to_owned(), pinned: false })
        );
        // A pinned group has its own.
        let pinned = Group { delivery: Delivery::Pinned, ..group };
        let copy = consumer(&theirs, &own, &pinned, true);
        assert_eq!(copy.config["priority_policy"], json!("pinned_client"));
        assert!(
            copy.left.iter().any(|(_, said)| said.contains("in a priority group of its own")),
            "{:?}",
            copy.left
        );
        assert_eq!(differences(&theirs, &copy, &copy.config, true), Vec::<String>::new());
        assert_eq!(
            priority(Some(&theirs), &pinned),
            Some(Priority { group: "members".to_owned(), pinned: true })
        );
    }
    let pinned = group(2, Delivery::Pinned);
    let long = theirs("pinned_client", 120_000_000_000);
    let copy = consumer(&long, &own, &pinned, true);
    assert_eq!(
        (&copy.config["priority_groups"], &copy.config["priority_timeout"]),
        (&json!(["jobs"]), &json!(120_000_000_000_u64))
    );
    assert!(copy.left.is_empty() && holds_the_pin(&long));
    let short = theirs("pinned_client", 2_000_000_000);
    let copy = consumer(&short, &own, &pinned, true);
    assert_eq!(
        (&copy.config["priority_groups"], &copy.config["priority_timeout"]),
        (&json!(["jobs"]), &json!(6))
    );
    assert!(copy.left[0].1.starts_with("priority_timeout 2s: "), "{:?}", copy.left);
    assert_eq!(priority(None, &pinned).unwrap().group, "members");
    assert_eq!(priority(None, &group(1, Delivery::Shared)), None);
}

/// A manifest as platform teams keep it: the documents of one application.
const MANIFEST: &str = r#"---
# The orders of the shop.
apiVersion: jetstream.nats.io/v1beta2
kind: Stream
metadata:
  name: orders
  labels: {team: shop}
spec:
  name: ORDERS
  description: what was ordered
  subjects: ["orders.>"]
  storage: file
  retention: interest
  discard: new
  discardPerSubject: true
  replicas: 3
  maxMsgs: -1
  maxBytes: 1073741824
  maxAge: 72h
  maxMsgsPerSubject: 0
  maxMsgSize: 1048576
  maxConsumers: 20
  duplicateWindow: 2m30s
  compression: s2
  allowDirect: true
  allowRollup: true
  allowMsgTtl: true
  subjectDeleteMarkerTtl: 15m
  allowAtomicPublish: true
  persistMode: ""
  denyDelete: true
  firstSequence: 7
  placement: {cluster: prod, tags: [ssd]}
  consumerLimits: {inactiveThreshold: 1h, maxAckPending: 500}
  metadata: {owner: shop}
  servers: ["nats://nats:4222"]
  creds: /etc/creds
  preventDelete: false
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {a: b}
---
apiVersion: jetstream.nats.io/v1beta2
kind: Consumer
metadata:
  name: billing
spec:
  streamName: ORDERS
  durableName: billing
  deliverPolicy: byStartSequence
  optStartSeq: 10
  ackPolicy: explicit
  ackWait: 1m
  maxDeliver: 5
  backoff: [1s, 1.5s, 1m]
  maxAckPending: 300
  maxRequestBatch: 50
  maxRequestExpires: 1m
  maxRequestMaxBytes: 1000000
  filterSubjects: [orders.eu, orders.us]
  sampleFreq: "10%"
  memStorage: true
  inactiveThreshold: 1h
  priorityPolicy: pinned_client
  priorityGroups: [jobs]
  pinnedTtl: 2m
---
apiVersion: jetstream.nats.io/v1beta2
kind: Consumer
metadata: {name: mail}
spec:
  streamName: ORDERS
  durableName: mail
  deliverSubject: mail.orders
  deliverGroup: mail
  flowControl: true
  heartbeatInterval: 5s
  rateLimitBps: 1000000
  deliverPolicy: lastPerSubject
  replayPolicy: original
---
apiVersion: jetstream.nats.io/v1beta2
kind: Consumer
metadata: {name: other}
spec: {streamName: PAYMENTS, durableName: other, ackPolicy: all}
...
"#;

#[test]
fn the_resources_of_nack_are_read_as_the_controller_asks_for_them() {
    let model = Model::read(Some(("o.yaml", MANIFEST)), None, &[("o.yaml", MANIFEST)]).unwrap();
    let stream = json!({
        "name": "ORDERS", "description": "what was ordered", "subjects": ["orders.>"], "storage": "file",
        "retention": "interest", "discard": "new", "discard_new_per_subject": true, "num_replicas": 3, "max_msgs": -1,
        "max_bytes": 1_073_741_824, "max_age": 259_200_000_000_000_u64, "max_msg_size": 1_048_576, "max_consumers": 20,
        "duplicate_window": 150_000_000_000_u64, "compression": "s2", "allow_direct": true, "allow_rollup_hdrs": true,
        "allow_msg_ttl": true, "subject_delete_marker_ttl": 900_000_000_000_u64, "allow_atomic": true, "deny_delete": true,
        "first_seq": 7, "placement": {"cluster": "prod", "tags": ["ssd"]},
        "consumer_limits": {"inactive_threshold": 3_600_000_000_000_u64, "max_ack_pending": 500}, "metadata": {"owner": "shop"},
    });
    assert_eq!(Value::Object(model.stream.clone()), stream);
    let billing = json!({
        "durable_name": "billing", "deliver_policy": "by_start_sequence", "opt_start_seq": 10, "ack_policy": "explicit",
        "ack_wait": 60_000_000_000_u64, "max_deliver": 5, "backoff": [1_000_000_000, 1_500_000_000, 60_000_000_000_u64],
        "max_ack_pending": 300, "max_batch": 50, "max_expires": 60_000_000_000_u64, "max_bytes": 1_000_000,
        "filter_subjects": ["orders.eu", "orders.us"], "sample_freq": "10%", "mem_storage": true,
        "inactive_threshold": 3_600_000_000_000_u64, "priority_policy": "pinned_client", "priority_groups": ["jobs"],
        "priority_timeout": 120_000_000_000_u64,
    });
    assert_eq!(Value::Object(model.consumers[0].clone()), billing);
    let mail = json!({
        "durable_name": "mail", "deliver_subject": "mail.orders", "deliver_group": "mail", "flow_control": true,
        "idle_heartbeat": 5_000_000_000_u64, "rate_limit_bps": 1_000_000, "deliver_policy": "last_per_subject",
        "replay_policy": "original", "ack_policy": "none",
    });
    assert_eq!(Value::Object(model.consumers[1].clone()), mail);
    assert_eq!(model.consumers.len(), 2);
    assert_eq!(
        model.notes,
        [
            "`servers`, `creds`: the run connects by options of its own",
            "other of stream PAYMENTS: of another stream than the run's"
        ]
    );
    assert_eq!(model.defaults, ["Consumer mail of o.yaml has no `ackPolicy`, and NACK's default is none"]);
    let said = model.applied(&plan(&[])).unwrap().differs.join("\n");
    assert!(
        said.contains("NACK's default is none") && said.contains("`bus.replicas` is 1 in the profile, and 3"),
        "{said}"
    );
    let left = stream_left(&model);
    assert!(left.contains("first_seq 7: the run's stream is empty"), "{left}");
    // Consumers that were not selected are named.
    let alone = Model::read(Some(("o.yaml", MANIFEST)), None, &[]).unwrap();
    assert!(
        alone.notes[0].starts_with("Consumer billing, Consumer mail, Consumer other: "),
        "{:?}",
        alone.notes
    );
}

fn stream_left(model: &Model) -> String {
    stream(&model.stream, &own(1)).left.into_iter().map(|(_, line)| line).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_resource_without_a_value_has_the_default_of_nack() {
    let text = "apiVersion: jetstream.nats.io/v1beta2\nkind: KIND\nmetadata: {name: x}\nspec: {SPEC}\n";
    let of = |kind: &str, spec: &str| text.replace("KIND", kind).replace("SPEC", spec);
    let stream = of("Stream", "name: X, subjects: [x]");
    let consumer = of("Consumer", "streamName: X, durableName: c, ackPolicy: explicit");
    let model = Model::read(Some(("s.yaml", &stream)), None, &[("c.yaml", &consumer)]).unwrap();
    assert_eq!((&model.stream["storage"], &model.consumers[0]["ack_wait"]), (&json!("memory"), &json!(1)));
    assert_eq!(
        model.defaults,
        [
            "Stream x of s.yaml has no `storage`, and NACK's default is memory",
            "Consumer x of c.yaml has no `ackWait`, and NACK's default is 1ns"
        ]
    );
    // The same as `kubectl get -o json` prints it, alone and in a list.
    let one = json!({"apiVersion": "jetstream.nats.io/v1beta2", "kind": "Stream", "metadata": {"name": "x"},
        "spec": {"name": "X", "subjects": ["x"]}, "status": {"observedGeneration": 1}});
    let list = json!({"apiVersion": "v1", "kind": "List", "items": [one]});
    for text in [one.to_string(), list.to_string()] {
        assert_eq!(Model::read(Some(("s.json", &text)), None, &[]).unwrap().stream, model.stream);
    }
}

#[test]
fn what_nack_would_not_take_is_refused_by_name() {
    let of = |kind: &str, spec: &str| {
        format!("apiVersion: jetstream.nats.io/v1beta2\nkind: {kind}\nmetadata: {{name: x}}\nspec: {spec}\n")
    };
    let refused = |text: &str| Model::read(Some(("s.yaml", text)), None, &[]).unwrap_err();
    for (spec, said) in [
        ("{max_age: 1h}", "`max_age` in Stream x of s.yaml is not known"),
        ("{maxAges: 1h}", "`maxAges` in Stream x of s.yaml is not known; did you mean `maxAge`?"),
        ("{maxAge: 3600}", "`maxAge` in Stream x of s.yaml is 3600; expected a duration such as \"5m\""),
        ("{maxAge: 3d}", "`maxAge` in Stream x of s.yaml is \"3d\"; expected a duration"),
        ("{replicas: three}", "`num_replicas` in s.yaml is \"three\"; expected a whole number"),
        ("{retention: work}", "`retention` in s.yaml is `work`; expected"),
        (
            "{consumerLimits: {a: 1}}",
            "`consumerLimits` in Stream x of s.yaml is {\"a\":1}; expected `inactiveThreshold` or",
        ),
        ("orders", "Stream x of s.yaml has no `spec`"),
    ] {
        let error = refused(&of("Stream", spec));
        assert!(error.contains(said), "{spec}: {error}");
    }
    let consumer = of("Consumer", "{durableName: c, deliverPolicy: first}");
    let error = Model::read(None, None, &[("c.yaml", &consumer)]).unwrap_err();
    assert!(
        error.contains("`deliverPolicy` in Consumer x of c.yaml is \"first\"; expected `all`, `last`"),
        "{error}"
    );
    let none = refused(&format!("{}---\n{}", of("Consumer", "{}"), of("KeyValue", "{}")));
    assert!(
        none.contains("s.yaml has no configuration of a stream (it has Consumer x, KeyValue x); expected"),
        "{none}"
    );
    // Another application's kind of that name.
    let foreign = refused("apiVersion: example.com/v1\nkind: Stream\nmetadata: {name: z}\nspec: {}\n");
    assert!(foreign.contains("(it has Stream z)"), "{foreign}");

    let two = format!(
        "{}---\n{}",
        of("Stream", "{name: A, storage: file}"),
        of("Stream", "{name: B, storage: memory}")
    );
    assert!(refused(&two).contains("s.yaml has 2 streams; expected one, such as `s.yaml#A` or `s.yaml#B`"));
    let b = Model::read(Some(("s.yaml", &two)), Some("B"), &[]).unwrap();
    assert_eq!(b.stream["storage"], json!("memory"));
    let c = Model::read(Some(("s.yaml", &two)), Some("C"), &[]).unwrap_err();
    assert_eq!(c, "s.yaml has no stream C; it has A, B");
    let other = of("Consumer", "{streamName: A, durableName: c}");
    let error = Model::read(Some(("s.yaml", &two)), Some("B"), &[("c.yaml", &other)]).unwrap_err();
    assert_eq!(error, "c.yaml has no consumer of stream B; it has c of stream A");
}
