//! Safe on shared machines: no secret in any output, no way out of a run's folder, no commands in printed text.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod another_bus;
mod clean;
mod files;
mod local_brokers;
mod memory;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, mkfifoat};
use tickgate::record::{Mark, Record, Verdict};

use crate::support::nats::NatsServer;
use crate::support::program::{self, Done, Place};

/// The texts to look for: the first and the last letters of every secret of these tests.
const HEAD: &str = "Hd3xQ";
const TAIL: &str = "Zt8yW";
/// A run that is as short as one can be.
const SHORT: [&str; 4] = ["--set", "load.duration=1s", "--set", "load.warmup=0s"];

/// A password of every character that means something in a URL.
fn password() -> String {
    format!("{HEAD}/a#b?c%zz d@e&f=g:h{TAIL}")
}

fn percent_encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |text, byte| text + &format!("%{byte:02x}"))
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

fn holds_a_secret(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let encoded = [HEAD, TAIL].map(percent_encoded);
    [HEAD, TAIL].iter().any(|part| text.contains(part)) || encoded.iter().any(|part| text.contains(part))
}

/// Neither the streams of a command nor any file that it left hold a secret, nor do the names of these.
#[track_caller]
fn no_secret(place: &Place, done: &Done) {
    assert!(!holds_a_secret(done.out.as_bytes()), "stdout:\n{}", done.out);
    assert!(!holds_a_secret(done.err.as_bytes()), "stderr:\n{}", done.err);
    for path in files(&place.path().join("reports")) {
        assert!(!holds_a_secret(path.display().to_string().as_bytes()), "{}", path.display());
        assert!(!holds_a_secret(&fs::read(&path).unwrap()), "{}", path.display());
    }
}

fn guarded() -> NatsServer {
    NatsServer::with(&format!("authorization {{ user: \"me\", password: \"{}\" }}", password()))
}

fn with_credentials(server: &NatsServer, user: &str) -> String {
    format!("nats://{user}@127.0.0.1:{}", server.port())
}

#[test]
fn no_output_of_a_run_or_of_its_report_holds_a_secret() {
    let (server, place) = (guarded(), Place::new());
    let plain = with_credentials(&server, &format!("me:{}", password()));
    let encoded = with_credentials(&server, &format!("me:{}", percent_encoded(&password())));
    let said = format!("description=see {plain}");
    for url in [&plain, &encoded] {
        let done = place.gate(&[&["--broker", url, "--set", &said], &SHORT[..]].concat());
        done.fails(0, &["warning: other users of this machine can read the credentials on the command line"]);
        no_secret(&place, &done);
    }
    let run = place.runs().remove(0).display().to_string();
    let shown = [
        place.run(&["report", &run]),
        place.run(&["report", &run, "--format", "json"]),
        place.run(&["compare", "./gate.toml", "--a", "bus.window=9", "--broker", &plain, "--set", "x=1"]),
    ];
    for (done, code) in shown.iter().zip([0, 0, 2]) {
        done.ends(code);
        no_secret(&place, done);
    }
}

#[test]
fn no_output_of_a_comparison_holds_a_secret_of_its_sides() {
    let (server, place) = (guarded(), Place::new());
    let plain = with_credentials(&server, &format!("me:{}", password()));
    let (a, b) = (format!("broker={plain}"), format!("broker={plain}"));
    let label = format!("label=at {plain}");
    let sides = ["--a", &a, "--b", &b, "--b", &label, "--pairs", "1", "--cool-down", "0s"];
    let done = place.run(&[&["compare", "./gate.toml"], &sides[..], &SHORT].concat());
    done.ends(3);
    no_secret(&place, &done);
    let folder = place.run_folder();
    assert!(folder.join("charts").is_dir() && folder.join("b-01/record.json").is_file());
    assert!(fs::read_to_string(folder.join("compare.json")).unwrap().contains("broker=nats://***@127.0.0.1"));
    let [one, other] = ["a-01", "b-01"].map(|name| folder.join(name).display().to_string());
    for args in [vec!["compare", folder.to_str().unwrap(), "--format", "json"], vec!["compare", &one, &other]]
    {
        let again = place.run(&args);
        again.ends(3);
        no_secret(&place, &again);
    }
}

#[test]
fn no_output_holds_a_secret_of_the_environment_or_of_a_file() {
    let (server, mut place) = (guarded(), Place::new());
    let url = server.url();
    place.set("NATS_USER", "me");
    place.set("NATS_PASSWORD", password());
    let done = place.gate(&[&["--broker", &url], &SHORT[..]].concat());
    done.ends(0);
    no_secret(&place, &done);
    place.set("NATS_PASSWORD", format!("{}wrong", password()));
    let done = place.gate(&["--broker", &url]);
    done.fails(4, &["cannot connect"]);
    no_secret(&place, &done);
    place.set("NATS_USER", "");
    place.set("NATS_PASSWORD", "");
    fs::create_dir_all(place.path().join("config/nats/context")).unwrap();
    let context = serde_json::json!({"url": url, "user": "me", "password": password()});
    place.write("config/nats/context/prod.json", context.to_string());
    place.set("XDG_CONFIG_HOME", place.path().join("config").display().to_string());
    let done = place.gate(&[&["--context", "prod"], &SHORT[..]].concat());
    done.ends(0);
    no_secret(&place, &done);
    // Files that are not what they should be are named, and not quoted.
    let file = place.write("bad", format!("-----BEGIN {HEAD}\nsasl.password={}\n", password()));
    for flag in ["--creds", "--nkey", "--tls-ca"] {
        let done = place.gate(&["--broker", &url, flag, &file]);
        done.ends(4);
        no_secret(&place, &done);
    }
    place.write("config/nats/context/prod.json", format!("{{\"password\": {}", password()));
    let done = place.gate(&["--context", "prod"]);
    done.ends(4);
    no_secret(&place, &done);
}

#[test]
fn no_output_holds_a_secret_of_the_system_account() {
    let (accounts, mut place) = (
        format!(
            "accounts {{ APP {{ jetstream: enabled, users: [ {{ user: gate, password: pw }} ] }}, \
             SYS {{ users: [ {{ user: sys, password: \"{}\" }} ] }} }}\nsystem_account: SYS",
            password()
        ),
        Place::new(),
    );
    let server = NatsServer::with(&accounts);
    let (url, user) = (server.gate_url(), ["--monitor-user", "sys"]);
    place.set("NATS_MONITOR_PASSWORD", password());
    let done = place.gate(&[&["--broker", &url][..], &user, &SHORT].concat());
    done.ends(0);
    no_secret(&place, &done);
    assert_eq!(place.record().broker.nodes[0].url, "$SYS");
    for (args, code, said) in [
        (vec!["--broker", &url], 2, "$NATS_MONITOR_PASSWORD is set, and nothing names its user"),
        (
            vec!["--broker", "local", user[0], user[1]],
            2,
            "--monitor-user is for a bus that tickgate did not start",
        ),
        (
            vec!["--set", "bus.kind=kafka", "--broker", "kafka://h", user[0], user[1]],
            2,
            "--monitor-user is for NATS",
        ),
    ] {
        let done = place.gate(&args);
        done.fails(code, &[said]);
        no_secret(&place, &done);
    }
    place.set("NATS_MONITOR_PASSWORD", format!("{}wrong", password()));
    let done = place.gate(&[&["--broker", &url][..], &user].concat());
    done.fails(4, &["--monitor-user: cannot connect"]);
    no_secret(&place, &done);
    let context = serde_json::json!({"url": server.url(), "user": "sys", "password": password()});
    let file = place.write("sys.json", context.to_string());
    place.set("NATS_MONITOR_PASSWORD", "");
    let done = place.gate(&[&["--broker", &url, "--monitor-context", &file][..], &SHORT].concat());
    done.ends(0);
    no_secret(&place, &done);
}

#[test]
fn each_side_of_a_comparison_has_credentials_of_its_own() {
    let (one, other) =
        (guarded(), NatsServer::with("authorization { user: \"you\", password: \"another one\" }"));
    let mut place = Place::new();
    fs::create_dir_all(place.path().join("config/nats/context")).unwrap();
    for (name, server, user, secret) in
        [("one", &one, "me", password()), ("other", &other, "you", "another one".into())]
    {
        let context = serde_json::json!({"url": server.url(), "user": user, "password": secret});
        place.write(&format!("config/nats/context/{name}.json"), context.to_string());
    }
    place.set("XDG_CONFIG_HOME", place.path().join("config").display().to_string());
    let sides = ["--a", "context=one", "--b", "context=other", "--pairs", "1", "--cool-down", "0s"];
    let done = place.run(&[&["compare", "./gate.toml"], &sides[..], &SHORT].concat());
    done.ends(3);
    no_secret(&place, &done);
    for (run, mode) in [("a-01", "context one"), ("b-01", "context other")] {
        let text = fs::read_to_string(place.run_folder().join(run).join("record.json")).unwrap();
        assert_eq!(serde_json::from_str::<Record>(&text).unwrap().broker.mode, mode);
    }
    let both = ["--a", "context=one", "--a", "broker=sim", "--b", "bus.window=9"];
    place.run(&[&["compare", "./gate.toml"], &both[..]].concat()).fails(2, &["mutually exclusive"]);
}

#[test]
fn what_is_wrong_is_said_without_the_secret_in_it() {
    let place = Place::new();
    let secret = password();
    let at = |start: &str, end: &str| format!("{start}{secret}{end}");
    for address in [
        at("nats://me:", "@127.0.0.1:1"),
        at("nats://", "@127.0.0.1:1"),
        at("nats://me:", "@"),
        at("nats://me:", "@a:b:c"),
        at("ws://me:", "@h"),
        at("amqp://me:", "@h"),
        at("kafka://me:", "@h:1"),
        at("me:", "@h"),
        format!("nats://me:{HEAD}{TAIL}"),
        format!("me:{HEAD}{TAIL}"),
        format!("nats://me:{HEAD},{TAIL}@h"),
        format!("nats://me:{}@a:b:c", percent_encoded(&secret)),
    ] {
        let side = format!("broker={address}");
        let setting = format!("bus.url={address}");
        let kafka = ["--set", "bus.kind=kafka"];
        let brokers = [
            place.gate(&["--broker", &address]),
            place.gate(&[&["--broker", &address], &kafka[..]].concat()),
            place.run(&["compare", "./gate.toml", "--a", "broker=sim", "--b", &side, "--pairs", "0"]),
        ];
        for done in &brokers {
            no_secret_in_streams(done, &[2, 4]);
        }
        if !address.contains("://") {
            continue;
        }
        for done in [
            place.gate(&["--set", &setting]),
            place.run(&["check", "./gate.toml", "--set", &setting]),
            place.run(&["check", &address]),
            place.run(&["topology", &address]),
            place.run(&["report", &address]),
            place.run(&["run", "./gate.toml", &address]),
            place.gate(&["--port", &address]),
            place.gate(&["--context", &address]),
            place.run(&["compare", "./gate.toml", "--a", &setting, "--b", "bus.window=9"]),
            place.run(&["compare", &address, "--a", "bus.window=8", "--b", "bus.window=9"]),
        ] {
            no_secret_in_streams(&done, &[2, 4]);
        }
    }
}

#[track_caller]
fn no_secret_in_streams(done: &Done, codes: &[i32]) {
    assert!(codes.contains(&done.code) && !done.err.contains("panicked"), "{done:#?}");
    assert!(!holds_a_secret(done.out.as_bytes()) && !holds_a_secret(done.err.as_bytes()), "{done:#?}");
}

/// A copy of the shipped example's record, changed.
fn folder_with(place: &Place, change: impl FnOnce(&mut Record)) -> PathBuf {
    let folder = place.path().join("foreign");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("reports/example/record.json");
    let mut record: Record = serde_json::from_slice(&fs::read(example).unwrap()).unwrap();
    change(&mut record);
    fs::write(folder.join("record.json"), record.to_json().unwrap()).unwrap();
    folder
}

#[test]
fn a_report_follows_no_link_out_of_its_folder() {
    let place = Place::new();
    let outside = place.path().join("outside");
    fs::create_dir(&outside).unwrap();
    let mine = outside.join("mine");
    fs::write(&mine, "mine").unwrap();
    let folder = folder_with(&place, |_| ());
    for name in [".new-report.html", ".new-junit.xml", "report.html", "summary.md"] {
        symlink(&mine, folder.join(name)).unwrap();
    }
    place.run(&["report", "foreign"]).ends(0);
    assert_eq!(fs::read_to_string(&mine).unwrap(), "mine");
    assert!(fs::symlink_metadata(folder.join("report.html")).unwrap().is_file(), "the link was replaced");

    let folder = folder_with(&place, |_| ());
    symlink(&outside, folder.join("charts")).unwrap();
    place.run(&["report", "foreign"]).fails(4, &["charts"]);
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 1, "no chart went there");
}

#[test]
fn what_never_ends_is_refused_and_read_by_nobody() {
    let place = Place::new();
    let folder = folder_with(&place, |_| ());
    symlink("/dev/zero", folder.join("journal.jsonl")).unwrap();
    place.run(&["report", "foreign"]).fails(4, &["journal.jsonl", "a link"]);
    fs::remove_file(folder.join("record.json")).unwrap();
    place.run(&["report", "foreign", "--recover"]).fails(4, &["journal.jsonl", "a link"]);
    fs::remove_file(folder.join("journal.jsonl")).unwrap();
    mkfifoat(CWD, folder.join("record.json"), Mode::RWXU).unwrap();
    place.run(&["report", "foreign"]).fails(4, &["record.json", "not a regular file"]);
    mkfifoat(CWD, folder.join("compare.json"), Mode::RWXU).unwrap();
    place.run(&["compare", "foreign/compare.json"]).ends(2);
    place.run(&["compare", "foreign", "foreign"]).ends(2);
}

#[test]
fn a_histogram_that_claims_too_much_costs_nothing_and_the_report_is_made() {
    // 1.5 GiB of counts, in 52 characters.
    const CLAIM: &str = "HISTFAAAAB542pNpmSycwAAHzFCaEch0M9ixgMH+A0QAAFu5BKs=";
    let mut place = Place::new();
    let limited = format!("#!/bin/sh\nulimit -v 1200000\nexec {} \"$@\"\n", program::path());
    place.write("limited", limited);
    fs::set_permissions(place.path().join("limited"), fs::Permissions::from_mode(0o755)).unwrap();
    place.program(place.path().join("limited"));
    folder_with(&place, |record| {
        record.rules = 0;
        record.groups[0].latency.histogram = CLAIM.into();
    });
    place.run(&["report", "foreign"]).ends(0);
}

#[test]
fn a_verdict_that_does_not_follow_from_its_objectives_is_named() {
    let place = Place::new();
    folder_with(&place, |record| record.objectives[0].verdict = Verdict::Fail);
    let done = place.run(&["report", "foreign"]);
    done.fails(4, &["foreign contradicts itself", "its verdict is pass, but fail follows"]);
    assert_eq!(done.out, "", "nothing is shown as if it were true");
    place.run(&["compare", "foreign", "foreign"]).fails(4, &["contradicts itself"]);
    folder_with(&place, |_| ());
    place.run(&["report", "foreign"]).ends(0);
}

#[test]
fn what_a_broker_and_a_record_say_is_no_command_and_moves_no_cursor() {
    const HOSTILE: &str = "x\n::error::y\r\n::add-mask::z ##[error]a\u{1b}]0;title\u{7}\u{9b}2J\u{202e}";
    let mut place = Place::new();
    place.set("GITHUB_ACTIONS", "true");
    let folder = folder_with(&place, |record| {
        record.rules = 0;
        record.broker.version = HOSTILE.into();
        record.broker.durability = HOSTILE.into();
        record.run.id = HOSTILE.into();
        record.plan.name = HOSTILE.into();
        record.groups[0].name = HOSTILE.into();
        record.marks = vec![Mark { at_ns: 1, kind: HOSTILE.into(), detail: HOSTILE.into() }];
        record.objectives[0].verdict = Verdict::Inconclusive;
        record.objectives[0].reason = Some(HOSTILE.into());
        record.verdict = Verdict::Inconclusive;
    });
    for args in [&["report", "foreign"][..], &["report", "foreign", "--format", "json"]] {
        let done = place.run(args);
        done.ends(3);
        assert!(
            !done.out.contains(|c: char| (c.is_control() && c != '\n') || c == '\u{202e}'),
            "{:?}",
            done.out
        );
        let commands = done.out.lines().filter(|line| line.trim_start().starts_with("::"));
        assert!(commands.clone().all(|line| line.starts_with("::warning title=")), "{:?}", done.out);
        assert_eq!(commands.count(), usize::from(args.len() == 2), "its own, in text");
        assert!(!done.out.contains("##["), "{:?}", done.out);
    }
    for name in ["summary.md", "junit.xml", "report.html", "timeline.csv", "metrics.om", "latency.hlog"] {
        let text = fs::read_to_string(folder.join(name)).unwrap();
        assert!(!text.contains(['\u{1b}', '\u{9b}', '\u{202e}']), "{name}");
    }
    fs::write(folder.join("record.json"), format!("{{\"schema\": {:?}}}", format!("{HOSTILE}/1"))).unwrap();
    let done = place.run(&["report", "foreign"]);
    done.ends(4);
    assert!(
        !done.err.lines().any(|line| line.starts_with("::")) && !done.err.contains('\u{1b}'),
        "{:?}",
        done.err
    );
}

#[test]
fn a_server_of_our_own_does_not_inherit_credentials() {
    let mut place = Place::new();
    for name in ["NATS_PASSWORD", "NATS_TOKEN", "KAFKA_PASSWORD", "AWS_SECRET_ACCESS_KEY"] {
        place.set(name, password());
    }
    let mut running = place.start_gate(&[&["--broker", "local"], &SHORT[..]].concat());
    running.until_it_says("ready:");
    let environment = fs::read(format!("/proc/{}/environ", running.server())).unwrap();
    assert!(!holds_a_secret(&environment), "{}", String::from_utf8_lossy(&environment));
    assert!(!environment.is_empty(), "the PATH is there");
    running.wait().ends(0);
}

#[test]
fn folders_are_for_their_owner_unless_they_are_shared() {
    let place = Place::new();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let sim = [&["--broker", "sim"], &SHORT[..]].concat();
    place.gate(&sim);
    assert_eq!(mode(&place.run_folder()), 0o700);
    fs::remove_dir_all(place.path().join("reports")).unwrap();
    place.gate(&[&sim[..], &["--share"]].concat());
    assert_eq!(mode(&place.run_folder()), mode(&place.path().join("reports")), "what the umask leaves");
}
