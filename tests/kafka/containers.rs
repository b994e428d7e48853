//! Brokers in containers, on a real engine: measured like one of our own, and gone afterwards, however a run ends.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tickgate::broker::{BrokerError, Container, ContainerConfig, Entry, Image};
use tickgate::host::resources::{Process, ProcessUse};
use tickgate::record::{End, Injection, Record};

use crate::support;
#[cfg(feature = "kafka")]
use crate::support::kafka::starts_alone;
use crate::support::nats::jetstream;
use crate::support::outside;
use crate::support::program::{self, Place, balances};
use crate::support::strangers::nats_answers;

const HOW: &str = "start Docker, or as root on Debian: export DOCKER_HOST=$(scripts/docker.sh start $$)";

/// The image of these tests, where there is an engine.
fn image() -> Option<&'static str> {
    static IMAGE: OnceLock<Option<String>> = OnceLock::new();
    IMAGE
        .get_or_init(|| outside::brought("docker", "scripts/docker.sh check", HOW).then(|| made("image")))
        .as_deref()
}

/// An image with Kafka, where there are an engine, Java and Kafka.
#[cfg(feature = "kafka")]
fn kafka_image() -> Option<&'static str> {
    static IMAGE: OnceLock<Option<String>> = OnceLock::new();
    IMAGE
        .get_or_init(|| {
            let engine = outside::brought("docker", "scripts/docker.sh check", HOW);
            let java = "as root on Debian, run scripts/kafka.sh";
            (engine && outside::brought("kafka", "scripts/kafka.sh check", java)).then(|| made("kafka-image"))
        })
        .as_deref()
}

fn made(image: &str) -> String {
    let made = Command::new(outside::root().join("scripts/docker.sh")).arg(image).output();
    let made = made.expect("the script runs");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    String::from_utf8_lossy(&made.stdout).trim().to_owned()
}

fn docker(args: &[&str]) -> String {
    let done = Command::new("docker").args(args).output().expect("a docker command");
    String::from_utf8_lossy(&done.stdout).trim().to_owned()
}

/// The container that publishes a port, by its name.
fn container_at(port: &str) -> String {
    docker(&["ps", "--all", "--filter", &format!("publish={port}"), "--format", "{{.Names}}"])
}

#[track_caller]
fn until(what: &str, mut reached: impl FnMut() -> bool) {
    let patience = Instant::now();
    while !reached() {
        assert!(patience.elapsed() < Duration::from_mins(5), "not in time: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Neither the container nor its network nor its volume is there.
#[track_caller]
fn gone(name: &str, volume: &str) {
    assert!(name.starts_with("tickgate-") && !volume.is_empty(), "`{name}`, `{volume}`");
    until("the container is gone", || {
        docker(&["ps", "--all", "--filter", &format!("name={name}"), "--format", "{{.Names}}"]).is_empty()
    });
    until("its network is gone", || networks(name).is_empty());
    until("its volume is gone", || !docker(&["volume", "ls", "--quiet"]).lines().any(|line| line == volume));
}

/// The networks of this name.
fn networks(name: &str) -> String {
    docker(&["network", "ls", "--filter", &format!("name={name}"), "--format", "{{.Name}}"])
}

fn volume_of(name: &str) -> String {
    docker(&["inspect", "--format", "{{range .Mounts}}{{.Name}}{{end}}", name])
}

fn port_in(record: &Record) -> &str {
    record.broker.address.rsplit(':').next().unwrap()
}

/// Starts the program on a container, and waits until its second row.
fn running(place: &Place, image: &str) -> (support::program::Running, String, String) {
    let mut running =
        place.start_gate(&["--set", "load.duration=10m", "--broker", &format!("container:{image}")]);
    running.until_the_journal_has(r#""line":"second""#, 2);
    let journal = std::fs::read_to_string(place.run_folder().join("journal.jsonl")).unwrap();
    let address = journal.split("nats://127.0.0.1:").nth(1).expect("an address");
    let port: String = address.chars().take_while(char::is_ascii_digit).collect();
    let name = container_at(&port);
    let volume = volume_of(&name);
    (running, name, volume)
}

#[test]
fn quick_on_a_container_is_exact_and_the_container_is_accounted_for_and_gone() {
    let Some(image) = image() else { return };
    // Beside other brokers, a slow machine leaves a server in a container too little to answer in time.
    let _machine = support::machine::alone();
    let place = Place::new();
    let broker = format!("container:{image}");
    // Only the ledger is asserted here: a slow or busy machine may miss the objectives on time.
    let timed = ["--set", "objectives.latency.p99=none", "--set", "objectives.throughput.delivered=none"];
    // What the crashed member had not read comes again behind later events.
    let crash =
        r#"faults=[{name="crash",at="3s",do="crash-member",target="trading-engine/1",for="1s",settle="3s"}]"#;
    let crash =
        ["--set", crash, "--set", "bus.nats.ack_wait=2s", "--set", "objectives.ordering.reordered=none"];
    let timed = [timed.as_slice(), &crash].concat();
    let mut run = place.start(&[&["run", "quick", "--broker", &broker], &timed[..]].concat());
    run.until_the_journal_has(r#""line":"second""#, 1);
    let journal = std::fs::read_to_string(place.run_folder().join("journal.jsonl")).unwrap();
    let address = journal.split("nats://127.0.0.1:").nth(1).expect("an address");
    let port: String = address.chars().take_while(char::is_ascii_digit).collect();
    let name = container_at(&port);
    let volume = volume_of(&name);
    assert_eq!(docker(&["port", &name, "4222/tcp"]), format!("127.0.0.1:{port}"), "loopback alone");
    assert!(docker(&["port", &name]).lines().all(|line| line.contains("-> 127.0.0.1:")));
    let done = run.wait();
    done.ends(0);
    gone(&name, &volume);

    let record = place.record();
    balances(&record);
    assert_eq!(record.run.end, End::Completed);
    assert_eq!((record.broker.kind.as_str(), record.broker.mode.as_str()), ("nats", "container"));
    assert_eq!(port_in(&record), port);
    let (load, group, audit) = (&record.load, &record.groups[0], record.audit.as_ref().unwrap());
    // A machine that cannot keep up leaves events unsent, and accounts for them.
    assert_eq!((load.intended, load.refused, load.unconfirmed), (130_000, 0, 0));
    assert_eq!(load.acked + load.unsent, 130_000);
    assert_eq!((group.delivered, group.lost, group.duplicate), (load.acked, 0, 0));
    assert_eq!((audit.complete, audit.stored_once, audit.stored_twice), (true, load.acked, 0));
    let crash = &record.faults.injected[0];
    assert!([Injection::Done, Injection::Late].contains(&crash.outcome), "{crash:?}");
    assert_eq!(crash.resolved, ["trading-engine/1"]);

    let settings = &record.broker.settings;
    assert_eq!(settings["container.image"], image);
    assert!(settings["container.digest"].starts_with("sha256:"), "{settings:?}");
    assert!(settings["container.engine"].starts_with("docker "), "{settings:?}");
    assert_eq!(
        (settings["container.cpu_limit"].as_str(), settings["container.memory_limit"].as_str()),
        ("no limit", "no limit")
    );
    let used = &record.resources.brokers["nats-server"];
    assert!(used.cpu_seconds > 0.2 && used.cpu_seconds < 60.0, "{used:?}");
    assert!(used.peak_memory_bytes > 10 << 20 && used.peak_memory_bytes < 2 << 30, "{used:?}");
    assert!(record.timeline.iter().any(|row| row.broker_cpu.is_some_and(|cores| cores > 0.01)));
    let log = std::fs::read_to_string(place.run_folder().join("broker.log")).unwrap();
    for line in ["Starting nats-server", "Server is ready", "Server Exiting"] {
        assert!(log.contains(line), "`{line}` is not in:\n{log}");
    }
    let report = std::fs::read_to_string(place.run_folder().join("report.html")).unwrap();
    assert!(report.contains(&format!("--broker container:{image}")), "the command to run it again");
}

#[test]
fn a_container_lets_nobody_in_who_has_no_password_and_no_other_container_near() {
    let Some(image) = image() else { return };
    let place = Place::new();
    let (run, name, volume) = running(&place, image);
    let format =
        "{{.HostConfig.NetworkMode}} {{range .NetworkSettings.Networks}}{{.NetworkID}} {{.IPAddress}}{{end}}";
    let inspected = docker(&["inspect", "--format", format, &name]);
    let [mode, network, inside] = inspected.split(' ').collect::<Vec<_>>()[..] else { panic!("{inspected}") };
    assert_eq!(mode, network, "one network");
    let format = "{{.Name}} {{.Driver}} {{len .Containers}} {{index .Labels \"tickgate.broker\"}}";
    assert_eq!(
        docker(&["network", "inspect", "--format", format, network]),
        format!("{name} bridge 1 {name}")
    );
    let port = docker(&["port", &name, "4222/tcp"]);
    let inside: std::net::SocketAddr = format!("{inside}:4222").parse().unwrap();
    let near = std::net::TcpStream::connect_timeout(&inside, Duration::from_secs(5)).is_ok();
    if !near {
        eprintln!("left out: this engine's bridge cannot be reached from here");
    }
    for address in [port].into_iter().chain(near.then(|| inside.to_string())) {
        let answer = nats_answers(&address);
        assert!(answer.contains("Authorization Violation"), "{address}: {answer}");
    }
    // The password is in that file and nowhere else.
    let file = docker(&["cp", &format!("{name}:/tickgate/nats.conf"), "-"]);
    let password = file.split_once("password: \"").unwrap().1.split_once('"').unwrap().0.to_owned();
    assert_eq!(password.len(), 32);
    assert!(!docker(&["inspect", &name]).contains(&password));
    run.signal(Signal::INT);
    let done = run.wait();
    done.ends(130);
    assert!(!done.err.contains(&password) && !done.out.contains(&password), "{done:#?}");
    gone(&name, &volume);
    let record = place.record();
    assert_eq!(record.broker.settings["container.network"], "bridge of its own, ports mapped to 127.0.0.1");
    for name in ["record.json", "report.html", "broker.log", "summary.md"] {
        assert!(
            !std::fs::read_to_string(place.run_folder().join(name)).unwrap().contains(&password),
            "{name}"
        );
    }
}

#[test]
fn the_reaper_leaves_alone_what_tickgate_did_not_make_under_that_name() {
    let Some(image) = image() else { return };
    let place = Place::new();
    let ours = format!("tickgate-test-{}", std::process::id());
    let named = format!("tickgate.broker={ours}");
    for labels in [&[][..], &["tickgate=broker"], &["tickgate=broker", "tickgate.broker=another"]] {
        let flags: Vec<&str> = labels.iter().flat_map(|label| ["--label", label]).collect();
        let made = docker(&[&["create", "--name", &ours], &flags[..], &[image]].concat());
        assert!(!made.is_empty());
        let done = place.run(&["reap-container", &ours]);
        done.fails(4, &[&format!("the container {ours} is not removed"), "did not make it under this name"]);
        // Nor by its number, which is not one of tickgate's names.
        place.run(&["reap-container", &made]).fails(4, &["is not removed"]);
        assert_eq!(docker(&["inspect", "--format", "{{.Id}}", &ours]), made, "{labels:?}");
        docker(&["rm", "--force", "--volumes", &ours]);
    }
    // An unmarked network of that name is kept; marked ones are removed.
    docker(&["network", "create", &ours]);
    let flags = ["--label", "tickgate=broker", "--label", &named];
    let made = docker(&[&["create", "--name", &ours], &flags[..], &[image]].concat());
    assert!(!made.is_empty());
    place.run(&["reap-container", &ours]).ends(0);
    assert_eq!(docker(&["ps", "--all", "--quiet", "--filter", &format!("name={ours}")]), "");
    assert_eq!(networks(&ours), ours);
    docker(&["network", "rm", &ours]);
    docker(&[&["network", "create"], &flags[..], &[&ours]].concat());
    place.run(&["reap-container", &ours]).ends(0);
    assert_eq!(networks(&ours), "");
}

#[test]
fn two_at_once_do_not_collide_and_ctrl_c_and_sigterm_leave_nothing() {
    let Some(image) = image() else { return };
    // Beside other brokers, a slow machine leaves a server in a container too little to answer in time.
    let _machine = support::machine::alone();
    let places = [Place::new(), Place::new()];
    let mut runs: Vec<_> = places.iter().map(|place| running(place, image)).collect();
    assert_ne!(runs[0].1, runs[1].1);
    for (place, signal) in places.iter().zip([Signal::INT, Signal::TERM]) {
        let (run, name, volume) = runs.remove(0);
        run.signal(signal);
        run.wait().ends(130);
        gone(&name, &volume);
        let record = place.record();
        balances(&record);
        assert_eq!(record.run.end, End::Interrupted);
        assert_eq!((record.groups[0].lost, record.load.unconfirmed), (0, 0), "the drain was waited for");
    }
}

#[test]
fn after_sigkill_the_container_is_gone_and_its_log_is_kept() {
    let Some(image) = image() else { return };
    let place = Place::new();
    let (run, name, volume) = running(&place, image);
    run.signal(Signal::KILL);
    run.wait().ends(-9);
    gone(&name, &volume);
    let log = std::fs::read_to_string(place.run_folder().join("broker.log")).unwrap();
    assert!(log.contains("Server is ready"), "{log}");
}

#[test]
fn a_container_that_dies_ends_the_run_with_the_right_blame() {
    let Some(image) = image() else { return };
    let place = Place::new();
    let (run, name, volume) = running(&place, image);
    docker(&["kill", &name]);
    let done = run.wait();
    done.ends(4);
    gone(&name, &volume);
    let record = place.record();
    balances(&record);
    assert_eq!(record.run.end, End::BrokerFailed);
    let reason = record.run.reason.as_ref().unwrap();
    for part in [image, "exit code 137", "broker.log"] {
        assert!(reason.contains(part), "`{part}` is not in: {reason}");
    }
}

#[test]
fn what_cannot_be_started_is_an_error_of_the_environment_with_the_next_step() {
    let place = Place::new();
    let run = |broker: &str| place.gate(&["--broker", broker]);
    run("container:redis:8").fails(2, &["which broker", "docker tag redis:8"]);
    run("container:apache/kafka:4.3.1").fails(2, &["apache/kafka:4.3.1 holds kafka", "--set bus.kind=kafka"]);
    #[cfg(feature = "kafka")]
    {
        let kafka = |broker: &str| place.gate(&["--set", "bus.kind=kafka", "--broker", broker]);
        kafka("container:nats:2.15.1").fails(2, &["holds nats", "--broker container:apache/kafka:4.3.1"]);
        if image().is_some() {
            let unknown = "localhost:1/tickgate-test/kafka:none";
            let done = kafka(&format!("container:{unknown}"));
            done.fails(4, &["cannot be pulled", &format!("docker pull {unknown}")]);
        }
    }
    place.gate(&["--broker", "container", "--store", "."]).fails(2, &["--store", "volume"]);
    let mut dead = Place::new();
    for (host, words) in [
        ("unix:///nonexistent/docker.sock", "/nonexistent/docker.sock"),
        ("tcp://user@engine.example:2375", "engine.example:2375) is not a socket of this machine"),
    ] {
        dead.set("DOCKER_HOST", host);
        let done = dead.gate(&["--broker", "container:nats:2.15.1"]);
        done.fails(4, &["no container engine", words, "DOCKER_HOST=unix://", "--broker local"]);
        assert!(!done.err.contains("user@"), "{}", done.err);
        #[cfg(feature = "kafka")]
        dead.gate(&["--set", "bus.kind=kafka", "--broker", "container"])
            .fails(4, &["starting a container of apache/kafka:4.3.1", "no container engine"]);
    }
    assert!(dead.runs().is_empty(), "an empty folder is of no use");
    if image().is_some() {
        let unknown = "localhost:1/tickgate-test/nats:none";
        let done = run(&format!("container:{unknown}"));
        done.fails(4, &["cannot be pulled", &format!("docker pull {unknown}")]);
    }
}

/// CPU time of a container's processes, by `/proc`.
fn by_proc(name: &str) -> Option<ProcessUse> {
    let pid = docker(&["inspect", "--format", "{{.State.Pid}}", name]).parse().ok()?;
    Process::of(pid).ok()?.usage().ok()
}

fn start(
    image: &str,
    log: &Path,
    change: impl FnOnce(&mut ContainerConfig),
) -> Result<Container, BrokerError> {
    let image = Image::parse(image).expect("an image");
    let reaper = PathBuf::from(program::path());
    let mut config = ContainerConfig::new(image, log, reaper, Entry::Open);
    change(&mut config);
    Container::start(config, &|| false)
}

#[test]
fn faults_leave_the_store_and_the_figures_are_those_of_the_process() {
    let Some(image) = image() else { return };
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("broker.log");
    let mut container = start(image, &log, |config| {
        config.memory_bytes = Some(256 << 20);
        config.cores = Some(1.5);
    })
    .unwrap();
    let (name, url) = (container.name().to_owned(), container.url());
    let volume = volume_of(&name);
    let facts: std::collections::BTreeMap<_, _> = container.facts().iter().cloned().collect();
    assert_eq!(
        (facts["container.cpu_limit"].as_str(), facts["container.memory_limit"].as_str()),
        ("1.5", "268435456")
    );
    let limits = docker(&["inspect", "--format", "{{.HostConfig.Memory}} {{.HostConfig.NanoCpus}}", &name]);
    assert_eq!(limits, "268435456 1500000000");
    assert_eq!(container.monitor().varz().unwrap().server_name, name);

    let stream = |make: bool| {
        jetstream(&url, async |jetstream| {
            if make {
                let config = async_nats::jetstream::stream::Config {
                    name: "kept".into(),
                    subjects: vec!["kept".into()],
                    ..Default::default()
                };
                jetstream.create_stream(config).await.unwrap();
                for _ in 0..2000 {
                    jetstream.publish("kept", vec![7; 1000].into()).await.unwrap().await.unwrap();
                }
            }
            jetstream.get_stream("kept").await.unwrap().cached_info().state.messages
        })
    };
    assert_eq!(stream(true), 2000);
    if let Some(proc) = by_proc(&name) {
        let used = container.meter().expect("its group is seen")().expect("figures");
        let cpu = |used: ProcessUse| used.user_ns + used.system_ns;
        // `/proc` counts in ticks of 10 ms, and is read at another moment. What the process shares with others may count
        // elsewhere: the program's own pages, 20 MB.
        let (ours, theirs) = (cpu(used), cpu(proc));
        assert!(ours.abs_diff(theirs) < 500_000_000.max(theirs / 2), "{used:?} and {proc:?}");
        assert!(used.rss_bytes.abs_diff(proc.rss_bytes) < 40 << 20, "{used:?} and {proc:?}");
    } else {
        eprintln!("left out: the processes of this engine cannot be seen from here");
    }

    let meter = container.meter();
    container.pause().unwrap();
    assert!(container.monitor().healthy().is_err(), "nothing answers");
    container.alive().expect("a paused one runs");
    container.resume().unwrap();
    container.monitor().healthy().unwrap();
    container.kill().unwrap();
    let error = container.alive().unwrap_err().to_string();
    assert!(error.contains("exit code 137") && error.contains("Server is ready"), "{error}");
    assert!(meter.is_none_or(|read| read().is_none()), "an ended container has no figures");
    container.restart().unwrap();
    assert_eq!((container.url(), stream(false)), (url.clone(), 2000), "the same ports and the same store");
    container.pause().unwrap();
    container.restart().unwrap();
    assert_eq!(stream(false), 2000);
    container.stop().unwrap();
    drop(container);
    gone(&name, &volume);
    let log = std::fs::read_to_string(&log).unwrap();
    assert_eq!(log.matches("Server is ready").count(), 3, "each start is in it once:\n{log}");
}

#[test]
fn a_broker_that_ends_at_once_says_why_and_one_that_is_not_wanted_any_more_is_gone() {
    let Some(image) = image() else { return };
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("broker.log");
    let error = start(image, &log, |config| config.extra = "nonsense: {".into()).unwrap_err().to_string();
    assert!(error.contains("before it was ready") && error.contains("Parse error"), "{error}");
    // Another process has the port.
    let held = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = held.local_addr().unwrap().port();
    let error = start(image, &log, |config| config.port = Some(port)).unwrap_err().to_string();
    assert!(error.contains("start the container") && error.contains("address already in use"), "{error}");
    let image = Image::parse(image).unwrap();
    let config = ContainerConfig::new(image, &log, program::path(), Entry::Open);
    let refused = Container::start(config, &|| true);
    assert!(matches!(refused, Err(BrokerError::Interrupted)), "{refused:?}");
    let label = ["ps", "--all", "--filter", "label=tickgate", "--filter", "status=created", "--quiet"];
    until("nothing is left", || docker(&label).is_empty());
}

#[cfg(feature = "kafka")]
#[test]
fn a_run_on_a_kafka_container_is_exact_and_the_container_is_accounted_for_and_gone() {
    let Some(image) = kafka_image() else { return };
    let _turn = starts_alone();
    let place = Place::new();
    let broker = format!("container:{image}");
    let kind = ["--set", "bus.kind=kafka", "--set", "bus.kafka.heap=256MiB", "--set", "load.duration=5s"];
    // A machine that cannot keep up leaves events unsent, and accounts for them.
    let more = ["--set", "objectives.publish.unsent=none", "--broker", &broker];
    let mut run = place.start_gate(&[&kind[..], &more].concat());
    run.until_the_journal_has(r#""line":"second""#, 1);
    let journal = std::fs::read_to_string(place.run_folder().join("journal.jsonl")).unwrap();
    let address = journal.split("kafka://127.0.0.1:").nth(1).expect("an address");
    let port: String = address.chars().take_while(char::is_ascii_digit).collect();
    let name = container_at(&port);
    assert_eq!(docker(&["port", &name]), format!("9092/tcp -> 127.0.0.1:{port}"), "loopback alone");
    let broker_address = format!("127.0.0.1:{port}");
    assert!(!support::strangers::kafka_answers(&broker_address), "nobody is let in without a password");
    let logins = docker(&["cp", &format!("{name}:/tickgate/jaas.conf"), "-"]);
    let password = logins.split_once(" password=\"").unwrap().1.split_once('"').unwrap().0.to_owned();
    assert!(password.len() == 32 && !docker(&["inspect", &name]).contains(&password));
    // The image declares more of them than its store.
    let volumes = docker(&["inspect", "--format", "{{range .Mounts}}{{.Name}} {{end}}", &name]);
    assert_eq!(volumes.split_whitespace().count(), 3, "{volumes}");
    let done = run.wait();
    assert!([0, 3].contains(&done.code), "{done:#?}");
    volumes.split_whitespace().for_each(|volume| gone(&name, volume));

    let record = place.record();
    balances(&record);
    assert_eq!(record.run.end, End::Completed);
    let broker = &record.broker;
    assert_eq!(
        (broker.kind.as_str(), broker.mode.as_str(), port_in(&record)),
        ("kafka", "container", &*port)
    );
    assert_eq!((broker.product.as_str(), broker.version.as_str()), ("kafka", "4.3.1"), "as its log says");
    let (load, group, audit) = (&record.load, &record.groups[0], record.audit.as_ref().unwrap());
    assert_eq!((load.refused, load.unconfirmed, load.acked + load.unsent), (0, 0, load.intended));
    assert!(load.acked > 0);
    assert_eq!((group.delivered, group.lost, group.duplicate), (load.acked, 0, 0));
    assert_eq!((audit.complete, audit.stored_once, audit.stored_twice), (true, load.acked, 0));
    assert_eq!(broker.settings["container.image"], image);
    assert_eq!(broker.settings["container.heap"], "256MiB");
    let used = &record.resources.brokers["kafka"];
    assert!(used.cpu_seconds > 0.1 && used.cpu_seconds < 60.0, "{used:?}");
    assert!(used.peak_memory_bytes > 100 << 20 && used.peak_memory_bytes < 2 << 30, "{used:?}");
    let log = std::fs::read_to_string(place.run_folder().join("broker.log")).unwrap();
    assert!(log.contains("Kafka Server started") && log.contains("shut down completed"), "{log}");
    assert!(!log.contains(&password) && !done.err.contains(&password));
}

#[cfg(feature = "kafka")]
#[test]
fn a_kafka_container_that_was_killed_comes_back_on_its_store_at_the_same_port() {
    let Some(image) = kafka_image() else { return };
    let _turn = starts_alone();
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("broker.log");
    let mut container = start(image, &log, |config| config.heap_bytes = 256 << 20).unwrap();
    let (name, url) = (container.name().to_owned(), container.url());
    assert_eq!(container.version().as_deref(), Some("4.3.1"));
    container.kill().unwrap();
    container.restart().unwrap();
    assert_eq!(container.url(), url);
    container.alive().unwrap();
    container.stop().unwrap();
    let said = std::fs::read_to_string(&log).unwrap();
    // A line of the first moments: what it logs last may not be written yet when it is killed.
    let first = "Registered `kafka:type=kafka.Log4jController` MBean";
    assert_eq!(said.matches(first).count(), 2, "each start is in it once:\n{said}");
    drop(container);
    until("the container is gone", || {
        docker(&["ps", "--all", "--filter", &format!("name={name}"), "--format", "{{.Names}}"]).is_empty()
    });
}

/// A Kafka takes clients a moment before it logs its version; on a busy machine the moment is long.
#[cfg(feature = "kafka")]
#[test]
fn the_version_of_a_kafka_is_known_once_it_is_ready() {
    let Some(image) = kafka_image() else { return };
    let _turn = starts_alone();
    let late = "/etc/kafka/docker/run 2>&1 | while IFS= read -r line; do case $line in *'Kafka version: '*) i=0; \
        while [ $i -lt 200000 ]; do i=$((i+1)); done;; esac; echo \"$line\"; done";
    let command = format!("CMD {}", serde_json::json!(["/bin/sh", "-c", late]));
    let source = docker(&["create", image]);
    let slow = "tickgate-test/kafka:late";
    docker(&["commit", "--change", &command, &source, slow]);
    docker(&["rm", "--volumes", &source]);
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("broker.log");
    let container = start(slow, &log, |config| config.heap_bytes = 256 << 20).unwrap();
    assert_eq!(container.version().as_deref(), Some("4.3.1"));
}
