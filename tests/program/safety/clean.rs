//! Leftovers of runs are found and removed.

use async_nats::jetstream::stream;
use rustix::process::Signal;
use serde_json::{Value, json};
use tickgate::bus::Bus as _;
use tickgate::bus::nats::{NatsBus, Setup, Target};
use tickgate::host::clock::Clock;
use tickgate::record::End;

use crate::support;
use crate::support::nats::{self, NatsServer};
use crate::support::program::{Done, Place, balances};

/// A run that continues until it is ended.
const LONG: [&str; 4] = ["--set", "load.duration=10m", "--set", "bus.max_bytes=400MiB"];
/// A second one must not want the subjects of the first.
const APART: [&str; 2] = ["--set", "topology.prefix=apart"];

fn run_id(place: &Place) -> String {
    let folder = place.run_folder().display().to_string();
    folder.rsplit('-').next().unwrap().to_owned()
}

/// What `clean --format json` finds, by the name of its first part.
#[track_caller]
fn found(done: &Done, name: &str) -> Value {
    let document: Value = serde_json::from_str(&done.out).unwrap();
    let all = document["found"].as_array().unwrap();
    let one = all.iter().find(|found| found["parts"][0]["name"] == name);
    assert!(one.is_some(), "{name} is not in:\n{}", done.out);
    one.unwrap().clone()
}

/// Asks the `JetStream` API of a server.
fn ask(server: &NatsServer, subject: &str) -> Value {
    nats::client(&server.url(), async |client| {
        let answer = client.request(format!("$JS.API.{subject}"), "".into()).await.unwrap();
        serde_json::from_slice(&answer.payload).unwrap()
    })
}

/// All that a server says of a stream, but for the time of the answer.
fn info(server: &NatsServer, stream: &str) -> Value {
    let mut info = ask(server, &format!("STREAM.INFO.{stream}"));
    info.as_object_mut().unwrap().remove("ts");
    info
}

fn consumers(server: &NatsServer, stream: &str) -> Vec<Value> {
    ask(server, &format!("CONSUMER.LIST.{stream}"))["consumers"].as_array().unwrap().clone()
}

/// Creates a stream with metadata, as another user would, with an event in it.
fn make(server: &NatsServer, name: &str, subject: &str, mark: Option<&str>) {
    nats::jetstream(&server.url(), async |jetstream| {
        let mark = mark.map(|mark| ("tickgate.run".to_owned(), mark.to_owned()));
        let config = stream::Config {
            name: name.to_owned(),
            subjects: vec![subject.to_owned()],
            metadata: mark.into_iter().collect(),
            ..stream::Config::default()
        };
        jetstream.create_stream(config).await.unwrap();
        jetstream.publish(subject.to_owned(), "an order".into()).await.unwrap().await.unwrap();
    });
}

/// Waits until a server has noticed that no client waits for the events of a stream any more.
fn until_nobody_waits(server: &NatsServer, stream: &str) {
    let waits = |consumer: &Value| consumer["num_waiting"].as_u64().unwrap_or(0) > 0;
    while consumers(server, stream).iter().any(waits) {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

/// A run on a server that it did not start, killed while it measures; returns its id.
fn killed(server: &NatsServer, place: &Place) -> String {
    let mut running = place.start_gate(&[&LONG[..], &["--broker", &server.url()]].concat());
    running.until_the_journal_has(r#""line":"second""#, 1);
    running.signal(Signal::KILL);
    running.wait().ends(-9);
    let id = run_id(place);
    until_nobody_waits(server, &format!("tickgate-{id}"));
    id
}

#[test]
fn what_a_killed_run_left_is_listed_and_removed_and_nothing_else() {
    let server = NatsServer::start();
    let (dead, live) = (Place::new(), Place::new());
    make(&server, "orders", "orders.new", None);
    make(&server, "tickgate-0f3k2m1a", "other.new", None);
    make(&server, "production", "production.new", Some("0f3k2m1a"));
    let strangers = ["orders", "tickgate-0f3k2m1a", "production"];
    let before = strangers.map(|name| info(&server, name));
    let id = killed(&server, &dead);
    let stream = format!("tickgate-{id}");
    for consumer in consumers(&server, &stream) {
        // An hour beyond 500 ms of warm-up, 10 min of load and 10 s of drain.
        assert_eq!(consumer["config"]["inactive_threshold"], 4_210_500_000_000_u64, "{consumer}");
    }
    let mut alive = live.start_gate(&[&LONG[..], &APART, &["--broker", &server.url()]].concat());
    alive.until_it_measures();
    let living = format!("tickgate-{}", run_id(&live));
    let config = info(&server, &living)["config"].clone();
    let url = server.url();
    let clean = |more: &[&str]| dead.run(&[&["clean", "--broker", &url], more].concat());

    // It lists, and removes nothing.
    let listed = clean(&[]);
    listed.ends(0);
    for part in [
        format!("run {id}, in use: last used"),
        "which is less than 1h".to_owned(),
        format!("stream {stream}"),
        "stream tickgate-0f3k2m1a".to_owned(),
        "does not have its mark".to_owned(),
        "has the mark of run 0f3k2m1a, but not the name of its stream".to_owned(),
    ] {
        assert!(listed.out.contains(&part), "`{part}` is not in:\n{}", listed.out);
    }
    assert!(!listed.out.contains("orders"), "what is nobody's of tickgate's is not named:\n{}", listed.out);
    let asks = clean(&["--older-than", "0s"]);
    asks.ends(0);
    assert!(asks.out.contains("add --yes") && asks.out.contains("nothing was removed"), "{}", asks.out);
    let young = clean(&["--yes", "--format", "json"]);
    young.ends(0);
    let young = found(&young, &stream);
    assert_eq!((&young["state"], &young["removed"]), (&json!("in-use"), &json!(false)), "{young}");
    assert!(
        young["events"].as_u64().unwrap() > 0 && young["consumers"] == 1 && young["users"] == 0,
        "{young}"
    );
    assert_eq!(info(&server, &stream)["config"]["name"], json!(stream), "it is still there");

    // It removes leftovers of dead runs, beside a live run.
    let done = clean(&["--older-than", "0s", "--yes", "--format", "json"]);
    done.ends(0);
    assert_eq!(found(&done, &stream)["removed"], true, "{}", done.out);
    let alive_still = found(&done, &living);
    assert_eq!((&alive_still["state"], &alive_still["removed"]), (&json!("in-use"), &json!(false)));
    for name in ["tickgate-0f3k2m1a", "production"] {
        assert_eq!(found(&done, name)["state"], "left-alone");
    }
    assert_eq!(info(&server, &stream)["error"]["code"], 404);
    assert_eq!(info(&server, &living)["config"], config);
    assert_eq!(strangers.map(|name| info(&server, name)), before);
    let named = clean(&["--run", &run_id(&live), "--older-than", "0s", "--yes"]);
    named.ends(0);
    assert!(named.out.contains("in use:") && !named.out.contains("removed"), "{}", named.out);

    alive.signal(Signal::INT);
    alive.wait().ends(130);
    let record = live.record();
    balances(&record);
    assert_eq!((record.run.end, record.groups[0].lost), (End::Interrupted, 0), "it noticed nothing");
    let nothing = clean(&["--run", &id, "--yes"]);
    nothing.ends(0);
    assert!(nothing.out.contains(&format!("nothing was left at {url} by run {id}")), "{}", nothing.out);
}

#[test]
fn a_killed_run_that_is_recovered_says_how_to_remove_what_it_left() {
    let server = NatsServer::start();
    let place = Place::new();
    let id = killed(&server, &place);
    let folder = place.run_folder().display().to_string();
    let recovered = place.run(&["report", "--recover", &folder]);
    recovered.fails(3, &[&format!("`tickgate clean --run {id} --older-than 0s`")]);
}

#[test]
fn a_run_that_only_publishes_is_seen_to_be_alive() {
    let (server, place) = (NatsServer::start(), Place::new());
    let profile = "groups = []\n[load]\nrate = \"100/s\"\nwarmup = \"0s\"\nduration = \"10m\"\n[bus]\nmax_bytes = \"100MiB\"\n";
    let profile = place.write("publish.toml", profile);
    let mut alive = place.start(&["run", &profile, "--broker", &server.url()]);
    alive.until_it_measures();
    let stream = format!("tickgate-{}", run_id(&place));
    let clean = ["clean", "--broker", &server.url(), "--older-than", "0s", "--yes", "--format", "json"];
    let done = place.run(&clean);
    done.ends(0);
    // Nobody waits for its events: only that new ones come shows it.
    let seen = found(&done, &stream);
    assert_eq!(
        (&seen["users"], &seen["state"], &seen["removed"]),
        (&json!(0), &json!("in-use"), &json!(false))
    );
    alive.signal(Signal::KILL);
    alive.wait().ends(-9);
    let done = place.run(&clean);
    assert_eq!(found(&done, &stream)["removed"], true, "{}", done.out);
    assert_eq!(server.streams(), []);
}

#[test]
fn a_stream_in_the_way_is_named_with_a_command_that_is_safe_to_type() {
    let place = Place::new();
    for (mark, hint) in [
        ("0f3k2m1a", "`tickgate clean --run 0f3k2m1a`"),
        ("x`; reboot; `", "it has tickgate's mark: `tickgate clean` with the same"),
    ] {
        let server = NatsServer::start();
        make(&server, "theirs", "ai-trader.market.quote.received", Some(mark));
        let plan = support::plan();
        let symbols = support::symbols(&plan);
        let setup = Setup {
            naming: tickgate::topology::Naming::Profile,
            plan: &plan,
            run_id: "6s99ndrw",
            symbols: &symbols,
            clock: Clock::start(),
            volume_bytes: 0,
            model: None,
            sync_always: None,
            keep: false,
        };
        let mut bus = NatsBus::connect(Target::parse(&server.url()).unwrap(), &setup).unwrap();
        let refused = bus.provision().unwrap_err().to_string();
        assert!(refused.contains(hint) && !refused.contains("reboot"), "{refused}");
        place.run(&["clean", "--broker", &server.url(), "--older-than", "0s", "--yes"]).ends(0);
        assert_eq!(server.streams(), [("theirs".to_owned(), 1)]);
    }
}

#[test]
fn hostile_names_and_marks_are_shown_as_text_and_never_removed() {
    const HOSTILE: &str = "x\n::error::y\u{1b}]0;title\u{7}\u{202e} ##[error]z";
    let server = NatsServer::start();
    let mut place = Place::new();
    place.set("GITHUB_ACTIONS", "true");
    make(&server, "tickgate-x", "a", Some(HOSTILE));
    make(&server, "evil", "b", Some("0f3k2m1a"));
    make(&server, "tickgate-", "c", Some(""));
    make(&server, "tickgate-::error::y", "d", None);
    let names = ["tickgate-x", "evil", "tickgate-", "tickgate-::error::y"];
    let before = names.map(|name| info(&server, name));
    for format in ["text", "json"] {
        let url = server.url();
        let args = ["clean", "--broker", &url, "--older-than", "0s", "--yes", "--format", format];
        let done = place.run(&args);
        done.ends(0);
        for text in [&done.out, &done.err] {
            assert!(!text.contains(|c: char| (c.is_control() && c != '\n') || c == '\u{202e}'), "{text:?}");
            assert!(!text.lines().any(|line| line.trim_start().starts_with("::")) && !text.contains("##["));
        }
        if format == "json" {
            assert_eq!(
                serde_json::from_str::<Value>(&done.out).unwrap()["found"].as_array().unwrap().len(),
                4
            );
        }
    }
    assert_eq!(names.map(|name| info(&server, name)), before);
}

#[test]
fn what_cannot_be_removed_is_named() {
    let server = NatsServer::with(
        r#"authorization { users: [
            { user: all, password: all },
            { user: looks, password: looks,
              permissions: { publish: { deny: "$JS.API.STREAM.DELETE.>" } } } ] }
           no_auth_user: all"#,
    );
    let place = Place::new();
    make(&server, "tickgate-0f3k2m1a", "a", Some("0f3k2m1a"));
    make(&server, "tickgate-6s99ndrw", "b", Some("6s99ndrw"));
    let url = server.url().replace("nats://", "nats://looks:looks@");
    let done = place.run(&["clean", "--broker", &url, "--older-than", "0s", "--yes", "--run", "0f3k2m1a"]);
    done.fails(4, &["warning: other users of this machine"]);
    assert!(done.out.contains("not removed: stream tickgate-0f3k2m1a is still there"), "{}", done.out);
    assert!(done.out.contains("$JS.API.STREAM.DELETE") && !done.out.contains("6s99ndrw"), "{}", done.out);
    assert!(!done.out.contains("looks:looks") && !done.err.contains("looks:looks"), "{done:#?}");
    let other = ["clean", "--broker", &server.url(), "--older-than", "0s", "--yes", "--run", "0f3k2m1a"];
    place.run(&other).ends(0);
    let names: Vec<String> = server.streams().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["tickgate-6s99ndrw"], "the named run's, and no other");
}

#[test]
fn where_nothing_stays_there_is_nothing_to_clean() {
    let place = Place::new();
    for (args, parts) in [
        (vec![], ["nothing is left on `local`", "--broker nats://HOST:PORT"]),
        (vec!["--broker", "local"], ["nothing is left on `local`", "--context NAME"]),
        (vec!["--broker", "sim"], ["nothing is left on `sim`", "own process"]),
        (vec!["--broker", "container:nats:2.15.1"], ["nothing is left on `container`", "volume"]),
        (
            vec!["--broker", "amqp://h"],
            ["`--broker amqp://h` is not a bus that can be cleaned", "kafka://HOST:PORT"],
        ),
        (vec!["--broker", "nats://h", "--port", "1"], ["--port and --store", "leave them out"]),
        (vec!["--broker", "nats://h", "--older-than", "soon"], ["soon", "duration"]),
    ] {
        place.run(&[&["clean"], &args[..]].concat()).fails(2, &parts);
    }
    place
        .run(&["clean", "--broker", "nats://127.0.0.1:1"])
        .fails(4, &["cannot connect to nats://127.0.0.1:1"]);
    let bare = NatsServer::bare("");
    place.run(&["clean", "--broker", &bare.url()]).fails(4, &["JetStream"]);
}

#[cfg(feature = "kafka")]
mod kafka {
    use rdkafka::ClientConfig;
    use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
    use rdkafka::client::DefaultClientContext;
    use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
    use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
    use rdkafka::{Offset, TopicPartitionList};

    use super::*;
    use crate::support::kafka::{is_there, started};

    const ON_KAFKA: [&str; 4] = ["--set", "bus.kind=kafka", "--set", "bus.kafka.heap=512MiB"];
    const PATIENCE: std::time::Duration = std::time::Duration::from_mins(1);

    type Settings = Vec<(String, Option<String>)>;

    /// A cluster, as another user sees it.
    struct Cluster {
        config: ClientConfig,
        runtime: tokio::runtime::Runtime,
    }

    impl Cluster {
        fn new(url: &str) -> Self {
            let mut config = ClientConfig::new();
            config.set("bootstrap.servers", url.rsplit(['/', '@']).next().unwrap());
            Self { config, runtime: tokio::runtime::Builder::new_current_thread().build().unwrap() }
        }

        /// Makes a topic with an event in it, and a group that has committed.
        fn make(&self, topic: &str, group: &str) {
            let admin: AdminClient<DefaultClientContext> = self.config.create().unwrap();
            let new = NewTopic::new(topic, 1, TopicReplication::Fixed(1)).set("retention.ms", "3600000");
            let made = self.runtime.block_on(admin.create_topics(&[new], &AdminOptions::new())).unwrap();
            for made in made {
                made.unwrap();
            }
            let producer: BaseProducer = self.config.create().unwrap();
            producer
                .send(BaseRecord::<(), _>::to(topic).payload("an order"))
                .map_err(|(error, _)| error)
                .unwrap();
            producer.flush(PATIENCE).unwrap();
            let consumer: BaseConsumer = self.config.clone().set("group.id", group).create().unwrap();
            let mut list = TopicPartitionList::new();
            list.add_partition_offset(topic, 0, Offset::Offset(1)).unwrap();
            consumer.commit(&list, CommitMode::Sync).unwrap();
        }

        /// Settings and ends of a topic.
        fn state(&self, topic: &str) -> (Settings, (i64, i64)) {
            let admin: AdminClient<DefaultClientContext> = self.config.create().unwrap();
            let asked = [ResourceSpecifier::Topic(topic)];
            let answer = self.runtime.block_on(admin.describe_configs(&asked, &AdminOptions::new())).unwrap();
            let entries = answer.into_iter().flat_map(|resource| resource.unwrap().entries);
            let consumer: BaseConsumer = self.config.create().unwrap();
            (
                entries.map(|entry| (entry.name, entry.value)).collect(),
                crate::support::kafka::ends(&consumer, topic, 0),
            )
        }

        fn names(&self) -> Vec<String> {
            let consumer: BaseConsumer = self.config.create().unwrap();
            let metadata = consumer.fetch_metadata(None, PATIENCE).unwrap();
            let groups = consumer.fetch_group_list(None, PATIENCE).unwrap();
            let topics = metadata.topics().iter().map(|topic| topic.name().to_owned());
            topics.chain(groups.groups().iter().map(|group| group.name().to_owned())).collect()
        }

        /// Names with this run's id.
        fn of(&self, run: &str) -> Vec<String> {
            self.names().into_iter().filter(|name| name.starts_with(&format!("tickgate-{run}"))).collect()
        }
    }

    #[test]
    fn what_a_killed_run_left_on_kafka_is_listed_and_removed_and_nothing_else() {
        if !is_there() {
            return;
        }
        let broker = started("");
        let url = broker.url();
        let cluster = Cluster::new(&url);
        // Names as a run gives them, made by another user; a group without a topic; and unrelated names.
        cluster.make("tickgate-research.orders", "tickgate-research-desk");
        cluster.make("orders", "tickgate-abcdefgh-desk");
        let foreign = ["tickgate-research.orders", "orders"];
        let before = foreign.map(|name| cluster.state(name));
        let (dead, live) = (Place::new(), Place::new());
        let args = [&LONG[..], &ON_KAFKA, &["--broker", &url]].concat();
        let mut running = dead.start_gate(&args);
        running.until_the_journal_has(r#""line":"second""#, 1);
        running.signal(Signal::KILL);
        running.wait().ends(-9);
        let id = run_id(&dead);
        assert!(cluster.of(&id).len() > 1, "topics and a group");
        let mut alive = live.start_gate(&args);
        alive.until_it_measures();
        let living = run_id(&live);
        let clean =
            |more: &[&str]| dead.run(&[&["clean", "--broker", &url, "--format", "json"], more].concat());
        let of = |done: &Done, run: &str| {
            done.ends(0);
            let document: Value = serde_json::from_str(&done.out).unwrap();
            let all = document["found"].as_array().unwrap().clone();
            all.into_iter().find(|found| found["run"] == run).unwrap_or_default()
        };
        // Until its session ends the cluster takes the dead member for a live one.
        let mut seen = of(&clean(&[]), &id);
        while seen["users"] != 0 {
            assert_eq!(seen["state"], "in-use", "{seen}");
            std::thread::sleep(std::time::Duration::from_millis(200));
            seen = of(&clean(&["--older-than", "0s"]), &id);
        }
        let young = of(&clean(&["--yes"]), &id);
        assert_eq!((&young["state"], &young["removed"]), (&json!("in-use"), &json!(false)), "{young}");
        assert!(young["age_s"].is_u64() && young["events"].as_u64().unwrap() > 0, "{young}");

        let done = clean(&["--older-than", "0s", "--yes"]);
        assert_eq!(of(&done, &id)["removed"], true, "{}", done.out);
        assert_eq!(of(&done, &living)["state"], "in-use", "{}", done.out);
        assert_eq!(of(&done, "research")["state"], "left-alone", "{}", done.out);
        assert_eq!(of(&done, "abcdefgh")["state"], "unproven", "{}", done.out);
        assert_eq!(cluster.of(&id), [""; 0]);
        let named = clean(&["--older-than", "0s", "--yes", "--run", "research"]);
        assert_eq!(of(&named, "research")["removed"], false, "{}", named.out);
        assert_eq!(foreign.map(|name| cluster.state(name)), before);
        for name in ["tickgate-research-desk", "tickgate-abcdefgh-desk"] {
            assert!(cluster.names().iter().any(|other| other == name), "{name}");
        }
        let named = clean(&["--older-than", "0s", "--yes", "--run", "abcdefgh"]);
        assert_eq!(of(&named, "abcdefgh")["removed"], true, "{}", named.out);
        assert_eq!(cluster.of("abcdefgh"), [""; 0]);

        alive.signal(Signal::INT);
        alive.wait().ends(130);
        let record = live.record();
        balances(&record);
        assert_eq!((record.run.end, record.groups[0].lost), (End::Interrupted, 0), "it noticed nothing");
        let recovered = dead.run(&["report", "--recover", &dead.run_folder().display().to_string()]);
        recovered.fails(3, &[&format!("`tickgate clean --run {id}")]);
    }
}
