//! A real nats-server as a child: started, paused, killed, restarted, and never left behind.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::io::Read as _;
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tickgate::broker::{BrokerError, Entry, LocalConfig, LocalNats, locate};
use tickgate::host::resources::Process;
use tickgate::host::signal::Interrupt;
use tickgate::plan::Sync;

use crate::support::strangers::NatsClient;

/// Generous: only a test that fails waits this long.
const DEADLINE: Duration = Duration::from_mins(3);

pub(crate) fn eventually(what: &str, mut reached: impl FnMut() -> bool) {
    let end = Instant::now() + DEADLINE;
    while !reached() {
        assert!(Instant::now() < end, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A place for one server, with its log and its store's parent.
pub(crate) struct Place {
    pub(crate) folder: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::Builder::new().prefix("tickgate-test-").tempdir_in("/var/tmp").unwrap() }
    }

    fn config(&self) -> LocalConfig {
        config_in(self.folder.path())
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("broker.log")).unwrap()
    }

    pub(crate) fn assert_empty(&self) {
        assert_eq!(stores(self.folder.path()), Vec::<PathBuf>::new());
    }
}

pub(crate) fn config_in(folder: &Path) -> LocalConfig {
    let server = locate().unwrap_or_else(|error| panic!("{error}"));
    LocalConfig {
        store_parent: folder.to_owned(),
        ..LocalConfig::new(server.path, folder.join("broker.log"), Entry::Open)
    }
}

/// The private directories of servers in a folder.
pub(crate) fn stores(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.is_dir()).collect()
}

fn client(nats: &LocalNats) -> NatsClient {
    NatsClient::connect(nats.url().strip_prefix("nats://").unwrap())
}

#[test]
fn it_starts_answers_and_leaves_nothing_but_its_log() {
    let place = Place::new();
    let mut nats = LocalNats::start(LocalConfig { sync: Sync::Always, ..place.config() }).unwrap();
    nats.alive().unwrap();
    let varz = nats.monitor().varz().unwrap();
    assert_eq!(varz.server_name, nats.name());
    let jetstream = varz.jetstream.config.unwrap();
    assert!(jetstream.sync_always);
    assert_eq!(jetstream.max_storage, 10 << 30);
    assert!(Path::new(&jetstream.store_dir).starts_with(nats.store()));
    assert!(varz.jetstream.meta.is_none());
    assert_eq!(nats.monitor().jsz().unwrap().streams, 0);
    let process = nats.process().unwrap();
    assert!(process.usage().unwrap().rss_bytes > 1 << 20);
    assert!(nats.warnings().is_empty(), "{:?}", nats.warnings());
    client(&nats);
    drop(nats);
    assert!(!process.is_alive());
    place.assert_empty();
    assert!(place.log().contains("Server Exiting"), "an orderly end");
}

#[test]
fn it_can_be_paused() {
    let place = Place::new();
    let mut nats = LocalNats::start(place.config()).unwrap();
    nats.pause().unwrap();
    assert!(nats.process().unwrap().is_stopped());
    nats.alive().unwrap();
    assert!(nats.monitor().healthy().is_err(), "a paused server does not answer");
    nats.resume().unwrap();
    eventually("it answers again", || nats.monitor().healthy().is_ok());
    nats.pause().unwrap();
    let process = nats.process().unwrap();
    drop(nats);
    assert!(!process.is_alive(), "a paused server ends too");
    place.assert_empty();
}

#[test]
fn a_restart_keeps_store_and_ports_after_an_end_of_any_kind() {
    let place = Place::new();
    let mut nats = LocalNats::start(place.config()).unwrap();
    let stream = "{\"name\":\"S\",\"subjects\":[\"s\"]}";
    let made = client(&nats).request("$JS.API.STREAM.CREATE.S", stream);
    assert!(made.get("error").is_none(), "{made}");
    let (url, first) = (nats.url(), nats.pid());
    for sequence in 1..=3 {
        let ack = client(&nats).request("s", "event");
        assert_eq!(ack["seq"], sequence, "{ack}");
        match sequence {
            1 => nats.kill().unwrap(),
            2 => nats.stop().unwrap(),
            _ => {}
        }
        assert_eq!(nats.alive().is_ok(), sequence == 3);
        nats.restart().unwrap();
        nats.alive().unwrap();
        assert_eq!(nats.url(), url);
        assert_eq!(nats.monitor().jsz().unwrap().messages, sequence);
    }
    assert_ne!(nats.pid(), first);
    drop(nats);
    place.assert_empty();
}

#[test]
fn one_that_ended_says_how_and_what_it_said_last() {
    let place = Place::new();
    let mut nats = LocalNats::start(place.config()).unwrap();
    nats.kill().unwrap();
    let error = nats.alive().unwrap_err();
    assert!(matches!(error, BrokerError::Ended { .. }));
    let text = error.to_string();
    assert!(text.contains("SIGKILL") && text.contains("Server is ready"), "{text}");
    assert!(nats.pause().is_err() && nats.resume().is_err());
    nats.kill().unwrap();
    nats.stop().unwrap();
}

#[test]
fn a_port_in_use_and_a_bad_configuration_show_the_servers_own_words() {
    let place = Place::new();
    let held = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = held.local_addr().unwrap().port();
    let error = LocalNats::start(LocalConfig { port: Some(port), ..place.config() }).unwrap_err().to_string();
    assert!(error.contains("address already in use") && error.contains(&port.to_string()), "{error}");
    let error =
        LocalNats::start(LocalConfig { extra: "no_such_thing: 1".into(), ..place.config() }).unwrap_err();
    assert!(error.to_string().contains("no_such_thing"), "{error}");
    place.assert_empty();
}

#[test]
fn a_port_can_be_chosen() {
    let place = Place::new();
    // Below the range that the kernel gives to outgoing connections, so that none takes it meanwhile.
    let port = (9_000..10_000).find(|&port| TcpListener::bind(("127.0.0.1", port)).is_ok()).unwrap();
    let nats = LocalNats::start(LocalConfig { port: Some(port), ..place.config() }).unwrap();
    assert_eq!(nats.url(), format!("nats://127.0.0.1:{port}"));
    client(&nats);
}

#[test]
fn many_start_at_once_and_none_takes_the_others_ports() {
    let place = Place::new();
    let start = || LocalNats::start(place.config()).unwrap();
    let all: Vec<LocalNats> = std::thread::scope(|scope| {
        let started: Vec<_> = (0..4).map(|_| scope.spawn(start)).collect();
        started.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    // The threads that started them have ended, and they have not.
    for nats in &all {
        assert_eq!(nats.monitor().varz().unwrap().server_name, nats.name());
    }
    drop(all);
    place.assert_empty();
}

#[test]
fn a_panic_of_the_owner_leaves_nothing() {
    let place = Place::new();
    let (shown, process) = std::sync::mpsc::channel();
    let config = place.config();
    let owner = std::thread::spawn(move || {
        let nats = LocalNats::start(config).unwrap();
        shown.send(nats.process().unwrap()).unwrap();
        panic!("this panic is part of the test");
    });
    assert!(owner.join().is_err());
    assert!(!process.recv().unwrap().is_alive());
    place.assert_empty();
}

/// Not a separate test: a process that owns a server, started by [`Owner`].
#[test]
#[ignore = "the tests below start it as a separate process"]
fn owner() {
    let Some(folder) = std::env::var_os("TICKGATE_TEST_OWNER").map(PathBuf::from) else { return };
    let tell = |name: &str, text: &str| {
        fs::write(folder.join("new"), text).unwrap();
        fs::rename(folder.join("new"), folder.join(name)).unwrap();
    };
    let listens = std::env::var_os("TICKGATE_TEST_LISTENS").is_some();
    let interrupt = listens.then(|| Interrupt::install().unwrap());
    let mut nats = LocalNats::start(config_in(&folder)).unwrap();
    if std::env::var_os("TICKGATE_TEST_PAUSES").is_some() {
        nats.pause().unwrap();
    }
    tell("server", &nats.pid().unwrap().to_string());
    if let Some(interrupt) = interrupt {
        eventually("a first interrupt", || interrupt.level() == 1);
        tell("interrupted", "");
    }
    // Until the test ends us or drops the other end.
    let _ = std::io::stdin().read(&mut [0]);
}

/// A separate process that owns a server.
struct Owner {
    child: Child,
    server: Process,
    place: Place,
}

impl Owner {
    fn start(settings: &[&str]) -> Self {
        let place = Place::new();
        let folder = place.folder.path();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "local_broker::owner", "--ignored"]).env("TICKGATE_TEST_OWNER", folder);
        command.envs(settings.iter().map(|name| (name, "1")));
        let child = command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let mut pid = None;
        eventually("the owner's server", || {
            pid = fs::read_to_string(folder.join("server")).ok();
            pid.is_some()
        });
        let server = Process::of(pid.unwrap().parse().unwrap()).unwrap();
        assert!(server.is_alive());
        assert_eq!(stores(folder).len(), 1);
        Self { child, server, place }
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Waits for the owner's end and for everything else to be gone.
    fn assert_all_gone(mut self) -> bool {
        let status = self.child.wait().unwrap();
        eventually("the server is gone", || !self.server.is_alive());
        eventually("the store is gone", || stores(self.place.folder.path()).is_empty());
        status.success()
    }
}

#[test]
fn an_owner_that_is_killed_leaves_nothing() {
    for signal in [Signal::KILL, Signal::TERM, Signal::INT, Signal::HUP, Signal::ABORT] {
        let owner = Owner::start(&[]);
        kill_process(owner.pid(), signal).unwrap();
        assert!(!owner.assert_all_gone());
    }
}

#[test]
fn a_killed_owner_takes_a_paused_server_along() {
    let owner = Owner::start(&["TICKGATE_TEST_PAUSES"]);
    assert!(owner.server.is_stopped());
    kill_process(owner.pid(), Signal::KILL).unwrap();
    assert!(!owner.assert_all_gone());
}

#[test]
fn ctrl_c_is_for_the_owner_and_not_for_its_server() {
    let mut owner = Owner::start(&["TICKGATE_TEST_LISTENS"]);
    kill_process_group(owner.pid(), Signal::INT).unwrap();
    let noted = owner.place.folder.path().join("interrupted");
    eventually("the owner notes it", || noted.exists());
    assert!(owner.server.is_alive());
    drop(owner.child.stdin.take());
    let log = |owner: &Owner| owner.place.log();
    assert!(!log(&owner).contains("interrupt"), "{}", log(&owner));
    assert!(owner.assert_all_gone());
}
