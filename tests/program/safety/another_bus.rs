//! On a bus that tickgate did not start: TLS, subjects, rates.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;

use futures_util::StreamExt as _;
use tickgate::record::Record;

use super::{SHORT, TAIL};
use crate::support::certificates::Certificates;
use crate::support::nats::{self, NatsServer};
use crate::support::ports::free_port;
use crate::support::program::{Place, balances};

/// `127.0.0.1` and a port, for messages and URLs.
fn address(listener: &TcpListener) -> String {
    listener.local_addr().unwrap().to_string()
}

/// A plain-text server that accepts every client and records its input.
struct Eavesdropper {
    address: String,
    heard: Arc<Mutex<Vec<u8>>>,
    guests: Arc<AtomicU32>,
}

impl Eavesdropper {
    fn listen() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (heard, guests) = (Arc::<Mutex<Vec<u8>>>::default(), Arc::<AtomicU32>::default());
        let this =
            Self { address: address(&listener), heard: Arc::clone(&heard), guests: Arc::clone(&guests) };
        thread::spawn(move || {
            for guest in listener.incoming() {
                let (mut guest, heard) = (guest.unwrap(), Arc::clone(&heard));
                guests.fetch_add(1, Ordering::SeqCst);
                thread::spawn(move || {
                    let info = r#"{"server_id":"X","version":"2.15.1","headers":true,"max_payload":1048576,"jetstream":true}"#;
                    let _ = guest.write_all(format!("INFO {info}\r\n").as_bytes());
                    let mut some = [0; 4096];
                    while let Ok(n @ 1..) = guest.read(&mut some) {
                        heard.lock().unwrap().extend(&some[..n]);
                    }
                });
            }
        });
        this
    }

    fn heard(&self) -> String {
        String::from_utf8_lossy(&self.heard.lock().unwrap()).into_owned()
    }
}

/// A man in the middle: adds an address to the server's text before the handshake, and cuts connections.
struct Middle {
    address: String,
    /// What comes through now.
    open: Arc<Mutex<Vec<TcpStream>>>,
    /// So many connections are closed at once.
    turned_away: Arc<AtomicU32>,
}

impl Middle {
    fn before(server: u16, named: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (open, turned_away) = (Arc::<Mutex<Vec<TcpStream>>>::default(), Arc::<AtomicU32>::default());
        let this = Self {
            address: address(&listener),
            open: Arc::clone(&open),
            turned_away: Arc::clone(&turned_away),
        };
        let named = named.to_owned();
        thread::spawn(move || {
            for client in listener.incoming() {
                let left =
                    turned_away.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
                if left.is_ok() {
                    continue;
                }
                let client = client.unwrap();
                let server = TcpStream::connect(("127.0.0.1", server)).unwrap();
                open.lock().unwrap().extend([client.try_clone().unwrap(), server.try_clone().unwrap()]);
                let named = named.clone();
                thread::spawn(move || pass(client, server, &named));
            }
        });
        this
    }

    /// Ends every connection, and turns the next ones away.
    fn cut(&self, turned_away: u32) {
        self.turned_away.store(turned_away, Ordering::SeqCst);
        for stream in self.open.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

/// Passes on what both say, but for the server's first words.
fn pass(mut client: TcpStream, server: TcpStream, named: &str) {
    let mut words = BufReader::new(server.try_clone().unwrap());
    let mut info = String::new();
    words.read_line(&mut info).unwrap();
    let mut info: serde_json::Value = serde_json::from_str(info.strip_prefix("INFO ").unwrap()).unwrap();
    info["connect_urls"] = serde_json::json!([named]);
    client.write_all(format!("INFO {info}\r\n").as_bytes()).unwrap();
    let (mut from, mut to) = (client.try_clone().unwrap(), server);
    thread::spawn(move || {
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Both);
    });
    let _ = std::io::copy(&mut words, &mut client);
    let _ = client.shutdown(Shutdown::Both);
}

fn password() -> String {
    format!("Pw-{TAIL}")
}

#[test]
fn an_address_that_was_named_before_the_handshake_is_never_spoken_to() {
    let certificates = Certificates::new();
    let user = format!("authorization {{ user: \"me\", password: \"{}\" }}", password());
    let server = NatsServer::with(&format!("{user}\n{}", certificates.config("")));
    let listener = Eavesdropper::listen();
    let middle = Middle::before(server.port(), &listener.address);
    let mut place = Place::new();
    place.set("NATS_USER", "me");
    place.set("NATS_PASSWORD", password());
    // As the system's own authorities: nothing but the URL asks for TLS.
    place.set("SSL_CERT_FILE", certificates.file("ca.pem").display().to_string());
    let url = format!("tls://{}", middle.address);
    let mut running = place.start_gate(&["--broker", &url, "--set", "load.duration=3s"]);
    running.until_it_measures();
    middle.cut(8);
    let done = running.wait();
    assert!([0, 1, 3].contains(&done.code), "{done:#?}");
    let record = place.record();
    balances(&record);
    assert!(record.marks.iter().any(|mark| mark.kind == "connected"), "it came back: {:?}", record.marks);
    assert_eq!(listener.heard(), "");
    assert_eq!(listener.guests.load(Ordering::SeqCst), 0);
}

#[test]
fn one_address_that_asks_for_tls_asks_for_all() {
    let listener = Eavesdropper::listen();
    let mut place = Place::new();
    place.set("NATS_USER", "me");
    place.set("NATS_PASSWORD", password());
    let nobody = format!("127.0.0.1:{}", free_port());
    let mixed = format!("tls://{nobody},nats://{}", listener.address);
    place.gate(&["--broker", &mixed]).fails(4, &["cannot connect"]);
    std::fs::create_dir_all(place.path().join("config/nats/context")).unwrap();
    place.write("config/nats/context/mixed.json", serde_json::json!({ "url": mixed }).to_string());
    place.set("XDG_CONFIG_HOME", place.path().join("config").display().to_string());
    place.gate(&["--context", "mixed"]).fails(4, &["cannot connect"]);
    assert_eq!(listener.guests.load(Ordering::SeqCst), 2, "it is an address of the target");
    let heard = listener.heard();
    assert!(!heard.contains("CONNECT") && !heard.contains(TAIL), "{heard:?}");
}

/// A plain subscriber, as production has them.
struct Subscriber {
    url: String,
    prefix: String,
    heard: thread::JoinHandle<Vec<String>>,
}

impl Subscriber {
    /// Returns when it hears.
    fn of(server: &NatsServer, prefix: &str) -> Self {
        let (url, at, before) = (server.url(), server.url(), prefix.to_owned());
        let (says, ready) = mpsc::channel();
        let heard = thread::spawn(move || {
            nats::client(&at, async |client| {
                let mut all = client.subscribe(format!("{before}.>")).await.unwrap();
                client.publish(format!("{before}.begin"), "".into()).await.unwrap();
                let (begin, end) = (format!("{before}.begin"), format!("{before}.end"));
                let mut heard = Vec::new();
                loop {
                    let subject = all.next().await.unwrap().subject.to_string();
                    if subject == begin {
                        says.send(()).unwrap();
                    } else if subject == end {
                        return heard;
                    } else {
                        heard.push(subject);
                    }
                }
            })
        });
        ready.recv().unwrap();
        Self { url, prefix: prefix.to_owned(), heard }
    }

    /// The subjects that it has received.
    fn heard(self) -> Vec<String> {
        nats::client(&self.url, async |client| {
            client.publish(format!("{}.end", self.prefix), "".into()).await.unwrap();
            client.flush().await.unwrap();
        });
        self.heard.join().unwrap()
    }
}

/// Every event is stored once, read back, and at every group.
#[track_caller]
fn exact(record: &Record) {
    balances(record);
    assert_eq!(record.load.acked, record.load.intended, "{:?}", record.load);
    let audit = record.audit.as_ref().unwrap();
    assert!(audit.complete);
    assert_eq!((audit.missing, audit.stored_once), (0, record.load.acked));
    for group in &record.groups {
        assert_eq!((group.lost, group.pending, group.unexpected), (0, 0, 0), "{}", group.name);
        assert_eq!(group.delivered, group.expected, "{}", group.name);
    }
}

/// `adr-002`, short and slow enough for any machine, and judged by what no machine can cause.
const ADR: [&str; 10] = [
    "--set",
    "load.rate=2k/s",
    "--set",
    "load.warmup=500ms",
    "--set",
    "load.duration=2s",
    "--set",
    "bus.buffer=50000",
    "--set",
    "objectives={\"delivery.lost\"=\"== 0\",\"replay.complete\"=\"== 100%\"}",
];

#[test]
fn adr_002_beside_a_plain_subscriber_of_its_subjects_which_receives_nothing() {
    let (server, place) = (NatsServer::start(), Place::new());
    let subscriber = Subscriber::of(&server, "ai-trader");
    let done = place.run(&[&["run", "adr-002", "--broker", &server.url()], &ADR[..]].concat());
    done.ends(0);
    assert_eq!(subscriber.heard(), [""; 0]);
    let record = place.record();
    exact(&record);
    let prefix = format!("tickgate-{}.ai-trader.>", record.run.id);
    assert_eq!(record.broker.settings["subjects"], prefix);
    assert_eq!(record.plan.topology.prefix, "ai-trader", "the plan is the profile's");
    let report = std::fs::read_to_string(place.run_folder().join("report.html")).unwrap();
    assert!(!report.contains("--allow-prefix"), "the command to run it again");
    // The destination of the load is shown before it is sent.
    let ready = done.err.find("ready: ").unwrap();
    assert!(ready < done.err.find("warm-up").unwrap(), "before the load:\n{}", done.err);
    let sending = done.err[ready..].lines().next().unwrap();
    let words =
        ["5,000 events", "within 3 s", "at most 2k/s", &prefix, &server.url(), "a stream of at most "];
    for part in words {
        assert!(sending.contains(part), "`{part}` is not in `{sending}`");
    }
    assert_eq!(server.streams(), []);
}

#[test]
fn a_prefix_that_is_allowed_is_heard_by_everybody() {
    let (server, place) = (NatsServer::start(), Place::new());
    let subscriber = Subscriber::of(&server, "ai-trader");
    let allowed = ["run", "adr-002", "--quiet", "--broker", &server.url(), "--allow-prefix", "ai-trader"];
    let done = place.run(&[&allowed[..], &ADR].concat());
    done.ends(0);
    assert_eq!(done.err, "", "--quiet says nothing");
    let (heard, record) = (subscriber.heard(), place.record());
    exact(&record);
    assert_eq!(record.broker.settings["subjects"], "ai-trader.>");
    let report = std::fs::read_to_string(place.run_folder().join("report.html")).unwrap();
    assert!(report.contains("--allow-prefix"), "the command to run it again");
    // All of the load, and the events of each topic that proved that the groups were there.
    let topics = &record.plan.topology.topics;
    let subjects: BTreeSet<String> = topics.iter().map(|topic| format!("ai-trader.{topic}")).collect();
    assert_eq!(heard.iter().cloned().collect::<BTreeSet<_>>(), subjects);
    let more = heard.len() - usize::try_from(record.load.acked).unwrap();
    assert!(more > 0 && more.is_multiple_of(topics.len()), "{more} beside the load");
}

#[test]
fn both_sides_of_a_comparison_have_private_subjects_and_it_says_once_what_it_sends() {
    let (server, place) = (NatsServer::start(), Place::new());
    let subscriber = Subscriber::of(&server, "ai-trader");
    let url = server.url();
    let design = ["--a", "bus.window=500", "--b", "bus.window=1000", "--pairs", "1", "--cool-down", "0s"];
    let done = place.run(&[&["compare", "./gate.toml", "--broker", &url], &design[..], &SHORT].concat());
    done.ends(3);
    assert_eq!(subscriber.heard(), [""; 0]);
    for side in ["A", "B"] {
        let says = format!("each run of {side} sends to {url}, named by --broker: 1,000 events, ");
        assert_eq!(done.err.matches(&says).count(), 1, "{says}\n{}", done.err);
    }
    assert_eq!(done.err.matches("to tickgate-RUN.ai-trader.>").count(), 2, "{}", done.err);
    let folder = place.run_folder();
    let comparison = std::fs::read_to_string(folder.join("compare.json")).unwrap();
    let comparison: serde_json::Value = serde_json::from_str(&comparison).unwrap();
    let rows = comparison["fairness"].to_string();
    assert!(rows.contains("bus.window") && !rows.contains("subjects"), "no difference of the sides: {rows}");
    for run in ["a-01", "b-01"] {
        let record = std::fs::read_to_string(folder.join(run).join("record.json")).unwrap();
        let record: Record = serde_json::from_str(&record).unwrap();
        exact(&record);
        let own = format!("tickgate-{}.ai-trader.>", record.run.id);
        assert_eq!(record.broker.settings["subjects"], own);
    }
}

#[test]
fn partitions_and_symbols_work_below_private_subjects() {
    let (server, place) = (NatsServer::start(), Place::new());
    let mut profile = crate::support::program::GATE.to_owned();
    profile.push_str("[topology]\nsymbol_in_subject = true\n");
    let group = "[[groups]]\nname = \"split\"\nsubscribe = [\"market.quote.*\"]\nmembers = 3\ndelivery = \"partitioned\"\n";
    write!(profile, "{group}").unwrap();
    let file = place.write("split.toml", profile);
    let subscriber = Subscriber::of(&server, "ai-trader");
    place.run(&[&["run", &file, "--broker", &server.url()], &SHORT[..]].concat()).ends(0);
    assert_eq!(subscriber.heard(), [""; 0]);
    let record = place.record();
    exact(&record);
    assert!(record.groups[1].delivered > 0, "{:?}", record.groups[1]);
}

#[test]
fn a_prefix_that_is_not_the_profiles_is_a_mistake() {
    let place = Place::new();
    let nobody = ["--broker", "nats://127.0.0.1:1", "--allow-prefix", "shop"];
    let both = ["--allow-prefix shop does not cover", "prefix `ai-trader`"];
    place.gate(&nobody).fails(2, &both);
    let side = ["compare", "./gate.toml", "--a", "broker=sim", "--b", "broker=nats://127.0.0.1:1"];
    place.run(&[&side[..], &nobody[2..]].concat()).fails(2, &["side B: ", both[0], both[1]]);
    place.gate(&["--allow-prefix", "ai-trader.>"]).fails(2, &["without wildcards"]);
    // Without other listeners there is nothing to allow.
    place.gate(&[&["--broker", "sim", "--allow-prefix", "shop"], &SHORT[..]].concat()).ends(0);
}

#[test]
fn a_stream_of_every_subject_is_in_the_way_of_private_ones_too() {
    let (server, place) = (NatsServer::start(), Place::new());
    server.make_stream("production", "ai-trader.>");
    place.gate(&[&["--broker", &server.url()], &SHORT[..]].concat()).ends(0);
    let other = NatsServer::start();
    nats::jetstream(&other.url(), async |jetstream| {
        let config = async_nats::jetstream::stream::Config {
            name: "everything".to_owned(),
            subjects: vec![">".to_owned()],
            no_ack: true,
            ..Default::default()
        };
        jetstream.create_stream(config).await.unwrap();
    });
    let done = Place::new().gate(&["--broker", &other.url()]);
    done.fails(4, &["a stream everything already holds our subjects (tickgate-", "takes every subject"]);
}

#[test]
fn more_than_20k_a_second_to_another_machine_is_asked_for_before_anything_is_connected() {
    let place = Place::new();
    let nowhere = "nats://no-such-host.invalid:4222";
    let mixed = format!("nats://127.0.0.1:1,{nowhere}");
    let fast = ["--set", "load.rate=20001/s"];
    let burst =
        ["--set", "load.arrival=burst", "--set", "load.burst={rate=\"30k/s\",every=\"1s\",length=\"100ms\"}"];
    let closed = ["--set", "load.rate=max", "--set", "load.arrival=closed", "--set", "objectives={}"];
    let refused = ["no-such-host.invalid:4222 is not an address of this machine", "--allow-rate"];
    for url in [nowhere, &mixed] {
        for load in [&fast[..], &burst, &closed] {
            place.gate(&[&["--broker", url], load].concat()).fails(2, &refused);
        }
    }
    std::fs::create_dir_all(place.path().join("config/nats/context")).unwrap();
    place.write("config/nats/context/far.json", serde_json::json!({ "url": nowhere }).to_string());
    let mut with_context = Place::new();
    with_context.set("XDG_CONFIG_HOME", place.path().join("config").display().to_string());
    with_context.gate(&[&["--context", "far"], &fast[..]].concat()).fails(2, &refused);
    let sides = ["compare", "./gate.toml", "--a", "broker=local", "--b", &format!("broker={nowhere}")];
    place.run(&[&sides[..], &fast].concat()).fails(2, &refused);
    // Allowed, slow enough, or on this machine: only then does tickgate connect, and no server answers.
    for args in [
        [&["--broker", nowhere, "--allow-rate"], &fast[..]].concat(),
        vec!["--broker", nowhere, "--set", "load.rate=20k/s"],
        [&["--broker", "nats://localhost:1"], &fast[..]].concat(),
    ] {
        place.gate(&args).fails(4, &["cannot connect"]);
    }
    assert_eq!(place.runs(), [""; 0].map(std::path::PathBuf::from), "nothing is left of any of them");
}

#[cfg(feature = "kafka")]
mod on_kafka {
    use std::time::Duration;

    use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
    use rdkafka::client::DefaultClientContext;
    use rdkafka::config::ClientConfig;

    use super::*;
    use crate::support::kafka::{Kafka, is_there};
    use crate::support::rig::Rig as _;

    const ON_KAFKA: [&str; 4] = ["--set", "bus.kind=kafka", "--set", "load.duration=1s"];

    #[test]
    fn kafka_urls_are_held_to_the_same() {
        let place = Place::new();
        let gate = |more: &[&str]| place.gate(&[&ON_KAFKA[..], more].concat());
        let far = ["--broker", "kafka://127.0.0.1:1,no-such-host.invalid:9092", "--set", "load.rate=30k/s"];
        gate(&far).fails(2, &["no-such-host.invalid:9092 is not an address of this machine", "--allow-rate"]);
        gate(&["--broker", "kafka://127.0.0.1:1", "--allow-prefix", "shop"])
            .fails(2, &["--allow-prefix shop does not cover", "`ai-trader`"]);
        gate(&["--broker", "kafka+tls://127.0.0.1:1,kafka://127.0.0.1:2"]).fails(2, &["is not a Kafka URL"]);
    }

    /// Names of the topics there are.
    fn topics(admin: &AdminClient<DefaultClientContext>) -> Vec<String> {
        let metadata = admin.inner().fetch_metadata(None, Duration::from_secs(30)).unwrap();
        let names = metadata.topics().iter().map(|topic| topic.name().to_owned());
        names.filter(|name| !name.starts_with("__")).collect()
    }

    #[test]
    fn a_topic_of_another_user_is_neither_written_to_nor_removed() {
        if !is_there() {
            return;
        }
        let kafka = Kafka::start();
        let servers = kafka.url().replace("kafka://", "");
        let admin: AdminClient<DefaultClientContext> =
            ClientConfig::new().set("bootstrap.servers", servers).create().unwrap();
        let theirs = NewTopic::new("ai-trader.market.bar.1m", 1, TopicReplication::Fixed(1));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(admin.create_topics([&theirs], &AdminOptions::new())).unwrap();
        let gate = |more: &[&str]| {
            let place = Place::new();
            let url = kafka.url();
            let done = place.gate(&[&ON_KAFKA[..], &["--broker", &url], more].concat());
            (place, done)
        };
        let (place, done) = gate(&[]);
        done.ends(0);
        let record = place.record();
        exact(&record);
        assert_eq!(record.broker.settings["subjects"], format!("tickgate-{}.ai-trader.*", record.run.id));
        let (_, done) = gate(&["--allow-prefix", "ai-trader"]);
        done.fails(4, &["topic ai-trader.market.bar.1m is there already", "leave out `--allow-prefix`"]);
        assert_eq!(topics(&admin), ["ai-trader.market.bar.1m"], "as it was");
        let (place, done) = gate(&["--set", "topology.prefix=shop", "--allow-prefix", "shop"]);
        done.ends(0);
        let record = place.record();
        exact(&record);
        assert_eq!(record.broker.settings["subjects"], "shop.*");
        assert_eq!(topics(&admin), ["ai-trader.market.bar.1m"], "the run's own are gone");
    }
}
