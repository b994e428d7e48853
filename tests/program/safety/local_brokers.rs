//! Brokers of our own: who may reach them, and which programs are started.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::{Signal, geteuid};

use super::{SHORT, files};
use crate::support::program::{self, Place, Running};
use crate::support::strangers::{nats_answers, page};

/// Another user of the machine.
const NOBODY: u32 = 65_534;
const LONG: [&str; 2] = ["--set", "load.duration=10m"];

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn allow(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// The text between two markers.
fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    let (_, rest) = text.split_once(start).unwrap_or_else(|| panic!("no `{start}` in:\n{text}"));
    rest.split_once(end).unwrap().0
}

/// The configuration of a broker that a run has started: its path, which is the last argument, and its text.
fn configuration(pid: u32) -> (PathBuf, String) {
    let arguments = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap();
    let path = PathBuf::from(arguments.trim_end_matches('\0').rsplit('\0').next().unwrap());
    (path.clone(), fs::read_to_string(&path).unwrap())
}

/// The broker's password is in one file that only its user can read, and in no argument or environment.
#[track_caller]
fn kept(pid: u32, file: &Path, password: &str) {
    assert!(password.len() >= 32, "`{password}`");
    assert_eq!((mode(file), mode(file.parent().unwrap())), (0o600, 0o700));
    for about in ["cmdline", "environ"] {
        let text = fs::read_to_string(format!("/proc/{pid}/{about}")).unwrap();
        assert!(!text.contains(password), "{about}: {text}");
    }
    if geteuid().is_root() {
        let read = Command::new("cat").arg(file).uid(NOBODY).gid(NOBODY).output().unwrap();
        assert!(!read.status.success() && read.stdout.is_empty(), "{read:?}");
        let listed = Command::new("ls").arg(file.parent().unwrap()).uid(NOBODY).gid(NOBODY).output().unwrap();
        assert!(!listed.status.success() && listed.stdout.is_empty(), "{listed:?}");
    }
}

/// Ends a run, and checks that neither its output nor its files contain the password.
#[track_caller]
fn ended_without(place: &Place, running: Running, password: &str) {
    running.signal(Signal::INT);
    let done = running.wait();
    done.ends(130);
    assert!(!done.out.contains(password) && !done.err.contains(password), "{done:#?}");
    for path in files(&place.path().join("reports")) {
        let text = fs::read(&path).unwrap();
        assert!(!String::from_utf8_lossy(&text).contains(password), "{}", path.display());
    }
}

#[test]
fn a_nats_server_of_our_own_lets_nobody_in_who_has_no_password() {
    let place = Place::new();
    let mut running = place.start_gate(&LONG);
    running.until_it_says("ready:");
    let server = running.server();
    let (file, text) = configuration(server);
    let address = between(&text, "listen: \"", "\"");
    assert!(nats_answers(address).contains("Authorization Violation"), "{}", nats_answers(address));
    if geteuid().is_root() {
        let port = address.rsplit(':').next().unwrap();
        let ask = format!(
            "exec 3<>/dev/tcp/127.0.0.1/{port}; printf 'CONNECT {{}}\\r\\nPING\\r\\n' >&3; head -n 2 <&3"
        );
        let asked = Command::new("bash").args(["-c", &ask]).uid(NOBODY).gid(NOBODY).output().unwrap();
        let answer = String::from_utf8_lossy(&asked.stdout);
        assert!(answer.contains("-ERR 'Authorization Violation'"), "{answer}");
    }
    let password = between(&text, "password: \"", "\"").to_owned();
    kept(server, &file, &password);
    // The monitoring endpoint is open to all, and is read-only.
    let monitor = between(&text, "http: \"", "\"");
    for path in [
        "/varz",
        "/connz?auth=true&subs=detail",
        "/jsz?accounts=true&config=true&streams=true",
        "/accountz?acc=$G",
    ] {
        let page = page(monitor, path);
        assert!(page.contains(" 200 OK") && !page.contains(&password), "{path}: {page}");
    }
    assert!(!running.err().contains("asks for no password"));
    ended_without(&place, running, &password);
}

#[test]
fn each_run_has_a_password_of_its_own() {
    let passwords: Vec<String> = (0..2)
        .map(|_| {
            let place = Place::new();
            let mut running = place.start_gate(&LONG);
            running.until_it_says("ready:");
            let (_, text) = configuration(running.server());
            between(&text, "password: \"", "\"").to_owned()
        })
        .collect();
    assert_ne!(passwords[0], passwords[1]);
}

#[test]
fn an_open_broker_lets_everybody_in_and_is_warned_of() {
    let place = Place::new();
    let mut running = place.start_gate(&[&LONG[..], &["--open"]].concat());
    running.until_it_says("ready:");
    let (file, text) = configuration(running.server());
    assert_eq!(nats_answers(between(&text, "listen: \"", "\"")), "PONG");
    assert_eq!((mode(&file), mode(file.parent().unwrap())), (0o600, 0o700));
    assert!(running.err().contains("warning: the broker asks for no password (--open)"), "{}", running.err());
    running.signal(Signal::INT);
    running.wait().ends(130);
}

#[cfg(feature = "kafka")]
#[test]
fn a_kafka_of_our_own_lets_nobody_in_who_has_no_password() {
    use crate::support::kafka::is_there;
    use crate::support::strangers::kafka_answers;
    if !is_there() {
        return;
    }
    let place = Place::new();
    let kafka = ["--set", "bus.kind=kafka", "--set", "bus.kafka.heap=256MiB"];
    let mut running = place.start_gate(&[&LONG[..], &kafka].concat());
    running.until_it_says("ready:");
    let broker = running.server_called("java");
    let (file, text) = configuration(broker);
    let listeners = between(&text, "\nlisteners=", "\n");
    let mut refused = 0;
    for (name, address) in listeners.split(',').filter_map(|listener| listener.split_once("://")) {
        assert!(!kafka_answers(address), "{name}");
        refused += 1;
    }
    assert_eq!(refused, 2, "clients and controller: {listeners}");
    let password = between(&text, " password=\"", "\"").to_owned();
    kept(broker, &file, &password);
    ended_without(&place, running, &password);

    let open = Place::new();
    let mut running = open.start_gate(&[&LONG[..], &kafka, &["--open"]].concat());
    running.until_it_says("ready:");
    let (_, text) = configuration(running.server_called("java"));
    assert!(kafka_answers(between(&text, "CLIENT://", ",")), "asked the right way");
    assert!(kafka_answers(between(&text, ",CONTROLLER://", "\n")), "asked the right way");
}

/// A program that answers as nats-server does, and leaves a mark where it was started. It is made by a child: a file that
/// this process had open for writing may not be started while a fork of another test still has it open.
fn hostile(place: &Place, name: &str) -> (PathBuf, PathBuf) {
    let (path, mark) = (place.path().join(name), place.path().join("was-started"));
    let text = format!("#!/bin/sh\n: >'{}'\necho 'nats-server: v2.15.1'\n", mark.display());
    let script = r#"umask 022; mkdir -p "${1%/*}" && printf %s "$2" >"$1" && chmod 755 "$1""#;
    let made = Command::new("sh").args(["-c", script, "sh"]).arg(&path).arg(text).status().unwrap();
    assert!(made.success());
    (path, mark)
}

#[test]
fn a_program_that_others_can_change_is_named_and_not_started() {
    let mut place = Place::new();
    let (program, mark) = hostile(&place, "programs/nats-server");
    let folder = program.parent().unwrap().to_owned();
    place.set("TICKGATE_NATS_SERVER", program.display().to_string());
    for path in [&program, &folder] {
        allow(path, 0o777);
        let problem =
            format!("{} can be written by every user; if you trust it, run `chmod go-w", path.display());
        place.gate(&SHORT).fails(4, &["is not started, because others could change what it does", &problem]);
        allow(path, 0o755);
        if geteuid().is_root() {
            chown(path, Some(NOBODY), None).unwrap();
            let problem = format!("{} belongs to ", path.display());
            place.gate(&SHORT).fails(4, &[&problem, "(uid 65534)", "run `chown -h 0 "]);
            chown(path, Some(0), None).unwrap();
        }
    }
    assert!(!mark.exists());
    place.gate(&SHORT).ends(4);
    assert!(mark.exists(), "one that is ours alone is started, and this one is not a server");
}

#[test]
fn what_lies_in_a_folder_of_others_is_named_and_not_started() {
    let mut place = Place::new();
    let (program, mark) = hostile(&place, ".brokers/nats-server");
    // Far from the project, whose own `.brokers` would be found beside the program.
    let own = tempfile::tempdir().unwrap();
    let copied = Command::new("cp").arg(program::path()).arg(own.path()).status().unwrap();
    assert!(copied.success());
    place.program(own.path().join("tickgate"));
    place.set("TICKGATE_NATS_SERVER", "");
    place.set("PATH", "/usr/bin:/bin");
    for path in [place.path().to_owned(), place.path().join(".brokers"), program.clone()] {
        let before = mode(&path);
        allow(&path, 0o777);
        let problem = format!("{} can be written by every user", path.display());
        place.gate(&SHORT).fails(4, &["is not started", &problem, "TICKGATE_NATS_SERVER="]);
        allow(&path, before);
        if geteuid().is_root() {
            chown(&path, Some(NOBODY), None).unwrap();
            place.set("SUDO_UID", "");
            place.gate(&SHORT).fails(4, &["is not started", "belongs to ", "(uid 65534)"]);
            chown(&path, Some(0), None).unwrap();
        }
        assert!(!mark.exists(), "{}", path.display());
    }
    // As in git: a user who became root by sudo may start programs in their own folder.
    if geteuid().is_root() {
        chown(place.path(), Some(NOBODY), None).unwrap();
        place.set("SUDO_UID", NOBODY.to_string());
    }
    place.gate(&SHORT).ends(4);
    assert!(mark.exists(), "it is started, and is not a server");
}

#[test]
fn a_store_stays_only_where_a_directory_was_named_for_it() {
    let listed = |folder: &Path| -> Vec<PathBuf> {
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
    };
    for keep in [false, true] {
        let place = Place::new();
        let stores = place.path().join("stores");
        fs::create_dir(&stores).unwrap();
        let store: &[&str] = if keep { &["--store", "./stores", "--keep"] } else { &["--store", "./stores"] };
        place.gate(&[&SHORT[..], store].concat()).ends(0);
        let record = place.record();
        let said = record.broker.settings.get("kept stores");
        if !keep {
            assert_eq!((listed(&stores), said), (vec![], None));
            continue;
        }
        let [directory] = &listed(&stores)[..] else { panic!("{:?}", listed(&stores)) };
        let store = directory.join("store");
        assert_eq!(listed(directory), std::slice::from_ref(&store), "no configuration with the password");
        assert!(said.is_some_and(|said| said.ends_with("/store")), "{said:?}");
        let streams = store.join("jetstream/$G/streams");
        assert_eq!(listed(&streams), [streams.join(format!("tickgate-{}", record.run.id))]);
    }
    let place = Place::new();
    let done = place.gate(&[&SHORT[..], &["--keep"]].concat());
    done.ends(0);
    assert!(done.err.contains("--keep: the server and its store are removed all the same"), "{}", done.err);
}
