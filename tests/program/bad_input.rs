//! Bad input ends in a clear message (what was wrong, where, what next) and the right exit code, before any load.

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "tests, and one that says when it is left out")]

use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use tickgate::record::{End, Verdict};

use crate::support;
use crate::support::certificates::Certificates;
use crate::support::jwt::OperatorMode;
use crate::support::nats::NatsServer;
use crate::support::ports::free_port;
use crate::support::program::{self, Done, Place, balances};

/// Asserts that a run fails like this, shows no result and leaves no folder.
#[track_caller]
fn refused(place: &Place, args: &[&str], code: i32, parts: &[&str]) -> Done {
    let done = place.gate(args);
    done.fails(code, parts);
    let before = |line: &&str| line.starts_with("warning: ") || line.starts_with("target: ");
    let mut said = done.err.lines().skip_while(before);
    assert!(said.next().is_some_and(|line| line.starts_with("tickgate: ")), "{}", done.err);
    assert_eq!(done.out, "");
    assert!(place.runs().is_empty(), "nothing was measured, so nothing stays");
    done
}

#[test]
fn no_server_at_the_url() {
    let place = Place::new();
    let free = free_port();
    let url = format!("nats://harness:s3cret@127.0.0.1:{free}");
    let label = format!("cannot connect to nats://127.0.0.1:{free}");
    let done = refused(&place, &["--broker", &url], 4, &[&label, "refused", "start nats-server there"]);
    assert!(!done.err.contains("s3cret") && !done.err.contains("harness"), "{}", done.err);
    for other in ["kafka://u:s3cret@127.0.0.1:1", "127.0.0.1:4222", "", "nats://"] {
        let done = refused(&place, &["--broker", other], 2, &[]);
        assert!(!done.err.contains("s3cret"), "{}", done.err);
    }
    let nowhere = ["--broker", "nats://no-such-host.invalid:4222"];
    refused(&place, &nowhere, 4, &["no-such-host.invalid"]);
}

#[test]
fn credentials_that_are_wrong_missing_or_unreadable() {
    let server = NatsServer::with("authorization { user: harness, password: right }");
    let mut place = Place::new();
    let url = server.url();
    let wrong = "check the user and password, token, nkey or creds file";
    refused(&place, &["--broker", &url], 4, &["authorization violation", wrong]);
    place.set("NATS_PASSWORD", "s3cret");
    let done = refused(&place, &["--broker", &url, "--user", "harness"], 4, &[wrong]);
    assert!(!done.err.contains("s3cret"), "{}", done.err);
    let missing = ["--broker", &url, "--creds", "no-such.creds"];
    refused(&place, &missing, 4, &["no-such.creds", "check the path and its rights"]);
    refused(&place, &["--context", "nobody"], 4, &["nobody", "nats context ls"]);
    place.set("NATS_PASSWORD", "right");
    place.gate(&["--broker", &url, "--user", "harness", "--set", "load.duration=1s"]).ends(0);
    for file in ["record.json", "report.html", "broker.log"] {
        let text = std::fs::read_to_string(place.run_folder().join(file)).unwrap_or_default();
        assert!(!text.contains("\"right\""), "no password in {file}");
    }
}

#[test]
fn every_way_in_works_from_the_command_line() {
    let short = ["--quiet", "--set", "load.duration=1s"];
    let certificates = Certificates::new();
    let file = |name: &str| certificates.file(name).display().to_string();
    let operator = OperatorMode::new();
    let server = NatsServer::with(&format!("{}\n{}", operator.config, certificates.config("verify: true")));
    let mut place = Place::new();
    let creds = place.write("harness.creds", &operator.creds);
    let (ca, cert, key) = (file("ca.pem"), file("client.pem"), file("client.key"));
    let url = server.url().replace("nats://", "tls://");
    let tls = ["--creds", &creds, "--tls-ca", &ca, "--tls-cert", &cert, "--tls-key", &key];
    place.gate(&[&["--broker", &url], &tls[..], &short[..]].concat()).ends(0);

    // The same by a context of the `nats` command line.
    let contexts = place.path().join("config/nats/context");
    std::fs::create_dir_all(&contexts).unwrap();
    let creds = place.path().join("harness.creds").display().to_string();
    let context =
        serde_json::json!({"url": server.url(), "creds": creds, "ca": ca, "cert": cert, "key": key});
    std::fs::write(contexts.join("trading.json"), context.to_string()).unwrap();
    place.set("XDG_CONFIG_HOME", place.path().join("config").display().to_string());
    let done = place.gate(&[&["--context", "trading"], &short[..]].concat());
    done.ends(0);
    assert!(done.out.contains("verdict: PASS"), "{}", done.out);

    // Without a client certificate, and with one from an unknown authority.
    let bare = ["--broker", &url, "--creds", &creds, "--tls-ca", &ca, "--quiet"];
    place.gate(&bare).fails(4, &["cannot connect to tls://127.0.0.1:", "certificate"]);
    let unknown = ["--broker", &url, "--creds", &creds, "--quiet"];
    place.gate(&unknown).fails(4, &["cannot connect", "give the CA that signed the server's certificate"]);

    let token = NatsServer::with("authorization { token: s3cret }");
    let mut place = Place::new();
    place.set("NATS_TOKEN", "s3cret");
    place.gate(&[&["--broker", &token.url()], &short[..]].concat()).ends(0);
}

#[test]
fn jetstream_is_disabled() {
    let server = NatsServer::bare("");
    let hint = "start it with `-js`";
    refused(&Place::new(), &["--broker", &server.url()], 4, &["has no JetStream for us", hint]);
}

#[test]
fn the_accounts_limits_are_reached() {
    let limits = |limits: &str| {
        NatsServer::with(&format!(
            "accounts {{ trading {{ jetstream {{ {limits} }}, users [ {{ user: a, password: b }} ] }} }}"
        ))
    };
    let url = |server: &NatsServer| server.url().replace("nats://", "nats://a:b@");
    let place = Place::new();
    let server = limits("max_file: 1MB");
    let raise = "raise the account's limit";
    refused(&place, &["--broker", &url(&server)], 4, &["of its file store free, and this plan needs", raise]);
    let server = limits("max_file: 500MB, max_consumers: 0, max_streams: 1");
    place.gate(&["--broker", &url(&server), "--keep", "--quiet", "--set", "load.duration=1s"]).ends(0);
    std::fs::remove_dir_all(place.path().join("reports")).unwrap();
    refused(
        &place,
        &["--broker", &url(&server)],
        4,
        &["the account may have 1 streams and has 1", "`max_streams` to 2"],
    );
}

#[test]
fn a_stream_holds_our_subjects_already() {
    let server = NatsServer::start();
    server.make_stream("orders", "ai-trader.market.>");
    let stays = server.streams();
    let parts = ["a stream orders already holds our subjects", "--allow-prefix", "topology.prefix"];
    let place = Place::new();
    let url = server.url();
    refused(&place, &["--broker", &url, "--allow-prefix", "ai-trader"], 4, &parts);
    assert_eq!(server.streams(), stays, "another user's stream is as it was");
    // Private subjects are a way out, and so is another prefix.
    let short = ["--broker", &url, "--set", "load.duration=1s"];
    place.gate(&short).ends(0);
    place.gate(&[&short[..], &["--set", "topology.prefix=gate", "--allow-prefix", "gate"]].concat()).ends(0);
    assert_eq!(server.streams(), stays);
}

#[test]
fn three_replicas_on_a_single_server() {
    let sets = ["--set", "bus.replicas=3"];
    let place = Place::new();
    let server = NatsServer::start();
    let parts = ["replicas > 1 not supported in non-clustered mode", "set `bus.replicas = 1`"];
    refused(&place, &[&["--broker", &server.url()], &sets[..]].concat(), 4, &parts);
    assert_eq!(server.streams(), []);
}

#[test]
fn the_store_is_smaller_than_the_planned_volume() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store").display().to_string();
    let server = NatsServer::bare(&format!("jetstream {{ store_dir: \"{store}\", max_file: 8MB }}"));
    let url = server.url();
    let place = Place::new();
    refused(&place, &["--broker", &url], 4, &["insufficient storage", "lower `bus.max_bytes`", "`max_file`"]);
    assert_eq!(server.streams(), []);
    // The bound of the stream is below the volume: a mistake of the profile.
    let sets = ["--set", "load.rate=100k/s", "--set", "bus.max_bytes=1MiB"];
    refused(&place, &sets, 2, &["bus.max_bytes", "--set"]);
}

#[test]
fn a_payload_above_the_servers_maximum() {
    let server = NatsServer::with("max_payload: 1k");
    let place = Place::new();
    let args = ["--broker", &server.url(), "--set", "market.event_size=4KiB"];
    refused(&place, &args, 4, &["max_payload is 1kB", "4KiB", "market.event_size", "raise `max_payload`"]);
    // An event is never smaller than its envelope, whatever the profile says of its size.
    let server = NatsServer::with("max_payload: 200");
    refused(&place, &["--broker", &server.url()], 4, &["max_payload is 200B", "bytes; raise `max_payload`"]);
    assert_eq!(server.streams(), []);
}

#[test]
fn the_results_folder_cannot_be_written() {
    let place = Place::new();
    place.write("taken", "a file in the folder's place");
    for (out, problem) in [
        ("taken", "cannot make taken: File exists"),
        ("taken/deeper", "cannot make taken/deeper: Not a directory"),
        ("/proc/reports", "cannot make /proc/reports: No such file"),
    ] {
        refused(&place, &["--out", out], 4, &[problem, "name a writable folder with --out"]);
    }
}

/// A file system in memory; gone with the value.
struct Disk(PathBuf);

impl Disk {
    /// Needs to be root; says so where it is not.
    fn mount(at: PathBuf, options: &str) -> Option<Self> {
        std::fs::create_dir(&at).unwrap();
        let mount = ["-t", "tmpfs", "-o", options, "tickgate-test"];
        let done = std::process::Command::new("mount").args(mount).arg(&at).output();
        if done.as_ref().is_ok_and(|done| done.status.success()) {
            return Some(Self(at));
        }
        assert!(std::env::var("TICKGATE_REQUIRE").as_deref() != Ok("all"), "mount: {done:?}");
        eprintln!("left out: mounting a small file system takes root ({done:?})");
        None
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn the_results_folder_is_read_only() {
    let place = Place::new();
    let Some(disk) = Disk::mount(place.path().join("disk"), "ro,size=1m") else { return };
    let out = disk.0.join("reports").display().to_string();
    let parts = [out.as_str(), "Read-only file system", "with --out"];
    refused(&place, &["--out", &out], 4, &parts);
}

#[test]
fn the_results_folder_is_full() {
    let place = Place::new();
    let Some(disk) = Disk::mount(place.path().join("disk"), "size=1m") else { return };
    let out = disk.0.join("reports").display().to_string();
    refused(&place, &["--out", &out], 4, &["bytes of free space, but a run needs", "with --out"]);
    assert_eq!(std::fs::read_dir(&out).unwrap().count(), 0);
}

#[test]
fn the_results_folder_becomes_full_during_the_run() {
    let place = Place::new();
    // Where `place` looks for its runs.
    let Some(disk) = Disk::mount(place.path().join("reports"), "size=70m") else { return };
    let mut running = place.start_gate(&[]);
    running.until_it_measures();
    let mut filler = std::fs::File::create(disk.0.join("filler")).unwrap();
    while filler.write_all(&[1; 4096]).is_ok() {}
    while filler.write_all(&[1]).is_ok() {}
    let done = running.wait();
    done.fails(4, &["cannot write", "No space left on device", "the record is on stdout above"]);
    // Nothing is lost: the summary, and then the whole record.
    let (summary, json) = done.out.split_once("\n{").unwrap();
    assert!(summary.contains("verdict: PASS"), "{summary}");
    balances(&serde_json::from_str(&format!("{{{json}")).unwrap());
}

#[test]
fn the_store_has_no_room_for_the_run() {
    let place = Place::new();
    let Some(disk) = Disk::mount(place.path().join("disk"), "size=1m") else { return };
    let store = disk.0.display().to_string();
    let parts = ["the broker's store cannot be in", &store, "MiB of free space, and this run needs about"];
    refused(&place, &["--store", &store], 4, &parts);
    assert_eq!(std::fs::read_dir(&disk.0).unwrap().count(), 0);
}

#[test]
fn the_store_becomes_full_during_the_run() {
    let place = Place::new();
    let Some(disk) = Disk::mount(place.path().join("disk"), "size=128m") else { return };
    let mut running = place.start_gate(&[
        "--store",
        &disk.0.display().to_string(),
        "--set",
        "load.duration=60s",
        "--set",
        "bus.storage=file",
    ]);
    running.until_it_measures();
    let mut filler = std::fs::File::create(disk.0.join("filler")).unwrap();
    while filler.write_all(&[1; 4096]).is_ok() {}
    while filler.write_all(&[1]).is_ok() {}
    let done = running.wait();
    done.ends(4);
    assert!(done.out.contains("store-full") && done.out.contains("no space left on device"), "{}", done.out);
    let record = place.record();
    balances(&record);
    assert_eq!((record.run.end, record.verdict), (End::BrokerFailed, Verdict::Inconclusive));
    assert!(record.measured_seconds() < 55.0, "a store that is full ends the run");
}

#[test]
fn the_port_is_taken() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let done = Place::new().gate(&["--port", &port]);
    done.fails(4, &["nats-server ended", "before it was ready", "address already in use", &port]);
}

/// A copy of the program where no `.brokers/` is near.
fn far_from_home(place: &mut Place) {
    let program = place.path().join("tickgate");
    std::fs::copy(program::path(), &program).unwrap();
    place.program(program);
}

#[test]
fn no_nats_server_to_start() {
    let mut place = Place::new();
    far_from_home(&mut place);
    place.set("TICKGATE_NATS_SERVER", "");
    place.set("PATH", "/nonexistent");
    let ways = ["scripts/brokers.sh nats", "TICKGATE_NATS_SERVER=", "--broker nats://HOST:PORT"];
    refused(&place, &[], 4, &ways);
}

#[test]
fn a_nats_server_of_another_version_or_none_at_all() {
    let mut place = Place::new();
    far_from_home(&mut place);
    for (says, problem) in [
        ("nats-server: v2.9.0", "it is version 2.9.0, and 2."),
        ("nats-server: v3.0.0", "it is version 3.0.0, and 2."),
        ("hello", "does not answer `--version` as nats-server does"),
    ] {
        let bin = place.path().join("bin");
        std::fs::create_dir_all(&bin).unwrap();
        let script = bin.join("nats-server");
        // Written by a child process: a file that we have open for writing may not be started.
        let write = format!("printf '#!/bin/sh\\necho {says}\\n' >nats-server && chmod 755 nats-server");
        assert!(
            std::process::Command::new("sh")
                .args(["-c", &write])
                .current_dir(&bin)
                .status()
                .unwrap()
                .success()
        );
        assert!(script.metadata().unwrap().permissions().mode() & 0o111 != 0);
        let path = script.display().to_string();
        place.set("TICKGATE_NATS_SERVER", path.clone());
        refused(&place, &[], 4, &[&path, problem, "scripts/brokers.sh nats"]);
        place.set("TICKGATE_NATS_SERVER", "");
        place.set("PATH", format!("{}:/bin:/usr/bin", bin.display()));
        refused(&place, &[], 4, &[&path, problem]);
    }
}

#[test]
fn figures_out_of_reach_are_mistakes_of_the_profile() {
    let place = Place::new();
    for (set, expected) in [
        ("market.symbols=0", "expected 1 to 65535 symbols"),
        ("load.rate=0/s", "expected a rate above 0/s and at most 1M/s"),
        ("load.rate=10M/s", "expected a rate above 0/s and at most 1M/s"),
        ("load.duration=-1s", "expected no negative value"),
        ("load.duration=0s", "load.duration"),
        ("load.warmup=1h", "expected at most 10m"),
        ("load.drain=-5s", "expected no negative value"),
        ("mix={}", "the mix is empty; expected a topic"),
        ("market.event_size=2MiB", "expected at most 1MiB"),
        ("load.rate=fast", "load.rate"),
        ("load.generators=0", "load.generators"),
        ("bus.storage=tape", "expected `file` or `memory`"),
        ("lod.rate=1k/s", "did you mean `load`"),
        ("objectives.latency.p99=< 50", "latency.p99"),
        ("objectives.latency.p98x=< 50ms", "latency.p98x"),
        ("objectives.nobody.latency.p99=< 50ms", "nobody"),
    ] {
        refused(&place, &["--set", set], 2, &["--set, column ", expected, set]);
    }
    let many = ["--set", "load.rate=0/s", "--set", "load.warmup=1h", "--set", "market.symbols=0"];
    refused(&place, &many, 2, &["load.rate", "load.warmup", "market.symbols"]);
}

#[test]
fn profiles_in_strange_clothes() {
    let mut place = Place::new();
    // No server is asked for, since none is needed to find the mistakes.
    place.set("TICKGATE_NATS_SERVER", "/nonexistent");
    let windows = support::program::GATE.replace('\n', "\r\n");
    for (name, text) in [("crlf.toml", windows.clone()), ("bom.toml", format!("\u{feff}{windows}"))] {
        let profile = place.write(name, text);
        let done = place.run(&["check", &profile]);
        done.ends(0);
        assert!(done.out.contains("rate = \"1k/s\""), "{}", done.out);
    }
    let bad = place.write("bad.toml", format!("\u{feff}\r\n{}", windows.replace("rate =", "ratee =")));
    place.run(&["run", &bad]).fails(2, &["./bad.toml:4:1: unknown key `ratee`", "did you mean `rate`?"]);
    for (name, bytes, part) in [
        ("garbage.toml", vec![b'x'; 10 << 20], "larger than 1 MiB"),
        ("zeros.toml", vec![0; 10 << 20], "larger than 1 MiB"),
        ("binary.toml", vec![0xff; 1000], "UTF-8"),
        ("utf16.toml", b"\xff\xfe[\0l\0".to_vec(), "UTF-16"),
        ("nothing.toml", Vec::new(), "load.rate"),
    ] {
        let profile = place.write(name, bytes);
        let done = place.run(&["run", &profile]);
        done.fails(2, &[name, part]);
        assert!(done.err.len() < 2000, "{} bytes of error", done.err.len());
    }
    place.run(&["run", "no/such.toml"]).fails(2, &["no/such.toml", "No such file"]);
    place.run(&["run", "."]).fails(2, &["`.`"]);
    place.run(&["run", "quik"]).fails(2, &["no profile `quik`", "did you mean `quick`?"]);
    assert!(place.runs().is_empty());
}

#[test]
fn a_full_stream_refuses_and_nothing_is_lost() {
    // Room for the volume by its mean size, and then compressed away: what cannot be stored is refused and counted.
    let place = Place::new();
    let sets = ["--set", "load.duration=4s", "--set", "bus.max_bytes=1MiB", "--set", "bus.audit=false"];
    let without = ["--set", "objectives.replay.complete=none", "--set", "objectives.publish.refused=== 0"];
    let done = place.gate(&[&sets[..], &without[..], &["--quiet"]].concat());
    done.ends(1);
    let record = place.record();
    balances(&record);
    assert!(record.load.refused > 0 && record.groups[0].lost == 0, "{:?}", record.load);
    assert_eq!(record.load.refusals.iter().map(|refusal| refusal.count).sum::<u64>(), record.load.refused);
    assert_eq!(record.verdict, Verdict::Fail);
}
