//! Emulated losses of power: what of a program's files survives, byte by byte, and what a run makes of it.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use tickgate::broker::{Watched, cut_back, supervisor_arguments};
use tickgate::host::resources::Process;
use tickgate::plan::Span;
use tickgate::record::{End, Injection, LostFiles, Verdict};

use crate::support::program::{Done, Place, Running, kill, until_gone, until_removed};

/// Writes a text and leaves it in the page cache; writes one and syncs it; the same behind the end of a file, and in its middle.
const TOOLS: &str = r#"
set -e
write() { printf %s "$2" > "$1"; }
synced() { printf %s "$2" | dd of="$1" conv=fsync status=none; }
append() { printf %s "$2" >> "$1"; }
append_synced() { printf %s "$2" | dd of="$1" oflag=append conv=notrunc,fsync status=none; }
middle() { printf %s "$2" | dd of="$1" bs=1 seek=3 conv=notrunc status=none; }
middle_synced() { printf %s "$2" | dd of="$1" bs=1 seek=3 conv=notrunc,fsync status=none; }
direct() { printf %s "$2" | dd of="$1" oflag="$3" status=none; }
"#;

/// Starts a script below a supervisor, in its store.
fn start(place: &Place, writeback: Option<Span>, script: &str) -> Running {
    let (store, power) = (place.path().join("store"), place.path().join("power"));
    fs::create_dir_all(&store).unwrap();
    fs::create_dir_all(&power).unwrap();
    let script = format!("{TOOLS}\ncd {}\n{script}", store.display());
    let command = ["sh", "-c", &script].map(Into::into).to_vec();
    let arguments = supervisor_arguments(&Watched { store, power, writeback, command });
    let arguments: Vec<&str> = arguments.iter().map(|argument| argument.to_str().unwrap()).collect();
    place.start(&arguments)
}

fn run(place: &Place, writeback: Option<Span>, script: &str) -> Done {
    start(place, writeback, script).wait()
}

fn lose(place: &Place) -> LostFiles {
    cut_back(&place.path().join("store"), &place.path().join("power")).unwrap()
}

/// The files of the store, each by its path.
fn files(store: &Path) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(store).unwrap().flatten() {
        let name = entry.file_name().into_string().unwrap();
        if entry.path().is_dir() {
            all.extend(
                files(&entry.path()).into_iter().map(|(inner, text)| (format!("{name}/{inner}"), text)),
            );
        } else if entry.path().is_file() {
            all.insert(name, fs::read_to_string(entry.path()).unwrap());
        }
    }
    all
}

#[test]
fn only_what_was_synced_survives() {
    let place = Place::new();
    let script = r"
        write never 'in the page cache'
        synced kept synced
        synced tail 'synced,'; append tail ' and more'
        synced again 'one '; append again 'two '; append_synced again 'three '; append again four
        synced middle 0123456789; middle middle ABC
        synced changed 0123456789; middle_synced changed ABC
        synced shorter 0123456789; write shorter abc
        synced new.tmp renamed; mv new.tmp new
        write lost.tmp renamed; mv lost.tmp lost
        direct direct 'each write' sync; append direct ' and a later one'
        direct data.tmp 'each write' dsync; mv data.tmp data
        synced reused first; rm reused; sleep 0.1; write reused second
        synced gone x; rm gone
        mkdir sub; synced sub/kept deep; write sub/never x
        write there 'before'; sync there; append there ' after'
        mkfifo pipe; ln -s kept link";
    run(&place, None, script).ends(0);
    let lost = lose(&place);
    let found = files(&place.path().join("store").canonicalize().unwrap());
    let expected = [
        ("never", ""),
        ("kept", "synced"),
        ("tail", "synced,"),
        ("again", "one two three "),
        ("middle", "0123456789"),
        ("changed", "012ABC6789"),
        ("shorter", "0123456789"),
        ("new", "renamed"),
        ("lost", ""),
        ("direct", "each write and a later one"),
        ("data", "each write"),
        ("reused", ""),
        ("sub/kept", "deep"),
        ("sub/never", ""),
        ("there", "before"),
        ("link", "synced"),
    ];
    let expected: BTreeMap<_, _> =
        expected.into_iter().map(|(name, text)| (name.to_owned(), text.to_owned())).collect();
    assert_eq!(found, expected);
    let LostFiles { whole, cut, restored, emptied, unsure, bytes } = lost;
    assert_eq!((whole, cut, restored, emptied, unsure), (6, 3, 2, 4, 0), "{lost:?}");
    let lengths = ["in the page cache", " and more", "four", "renamed", "second", "x", " after"];
    assert_eq!(bytes, lengths.iter().map(|text| u64::try_from(text.len()).unwrap()).sum::<u64>());

    // The next server continues from the known state: lost writes stay lost, and count as synced only after a sync.
    run(&place, None, "append kept ' more'; append_synced tail ' once more'; append never again").ends(0);
    let lost = lose(&place);
    let found = files(&place.path().join("store"));
    assert_eq!(found["kept"], "synced");
    assert_eq!(found["tail"], "synced, once more");
    assert_eq!(found["never"], "");
    assert_eq!((lost.cut, lost.emptied), (1, 1), "{lost:?}");
}

#[test]
fn large_files_are_kept_by_what_is_appended_and_a_change_below_it_is_noticed() {
    let place = Place::new();
    let script = r"
        dd if=/dev/urandom of=all bs=1M count=2 status=none; sync -f all
        dd if=/dev/urandom of=log bs=1M count=3 conv=fsync status=none
        append_synced log end; cp log ../expected; append log lost
        dd if=/dev/urandom of=other bs=1M count=2 conv=fsync status=none
        middle other X; append_synced other end";
    run(&place, None, script).ends(0);
    let lost = lose(&place);
    let read = |name: &str| fs::read(place.path().join(name)).unwrap();
    assert!(read("store/log") == read("expected"));
    assert_eq!((lost.whole, lost.cut, lost.restored, lost.unsure), (1, 1, 1, 1), "{lost:?}");
    assert_eq!(read("store/all").len(), 2 << 20);
}

#[test]
fn a_file_is_written_back_some_time_after_its_first_change() {
    let place = Place::new();
    let script = "write old text; sleep 5; append old ' and more'; write young text";
    run(&place, Some(Span::seconds(2)), script).ends(0);
    lose(&place);
    let found = files(&place.path().join("store"));
    assert_eq!((found["old"].as_str(), found["young"].as_str()), ("text", ""));
}

#[test]
fn a_supervisor_ends_as_its_server_and_never_without_it() {
    let place = Place::new();
    run(&place, None, "exit 7").ends(7);
    run(&place, None, "kill -TERM $$").ends(-15);
    run(&place, None, "kill -KILL $$").ends(-9);

    let mut running = start(&place, None, "echo begun >&2; exec sleep 600");
    running.until_it_says("begun");
    // It is written while the server already runs, and that of the run before is there until then.
    let told = || fs::read_to_string(place.path().join("power/pid")).ok()?.parse::<u32>().ok();
    let is_child = |pid, of| Process::of(pid).is_ok_and(|process| process.is_child_of(of));
    running.until("the process id", |running| told().is_some_and(|pid| is_child(pid, running.pid())));
    let pid = told().unwrap();
    kill(running.pid());
    running.wait().ends(-9);
    until_gone(pid);
    // It is then unknown which writes were synced, and none is reported as synced.
    let error = cut_back(&place.path().join("store"), &place.path().join("power")).unwrap_err();
    assert!(error.to_string().contains("what was synced is not known"), "{error}");
    run(&place, None, "true").fails(4, &["an earlier supervisor of this store has not ended in order"]);

    let other = Place::new();
    let (store, power) = (other.path().join("store"), other.path().join("power"));
    fs::create_dir_all(&store).unwrap();
    fs::create_dir_all(&power).unwrap();
    let nothing = vec!["/nonexistent/server".into()];
    let arguments = supervisor_arguments(&Watched { store, power, writeback: None, command: nothing });
    let arguments: Vec<&str> = arguments.iter().map(|argument| argument.to_str().unwrap()).collect();
    other.run(&arguments).fails(4, &["cannot start /nonexistent/server"]);
}

/// All nodes of a server with one copy lose their power after three seconds.
const LOSS: &str = r#"
[load]
rate = "1k/s"
warmup = "500ms"
duration = "10s"
drain = "5s"

[market]
symbols = 20

[bus]
retry = "8s"
[bus.nats]
msg_id = true

[[groups]]
name = "trading-engine"

[[faults]]
name = "outage"
at = "3s"
do = "power-loss"
target = "all"
for = "1s"
settle = "5s"
expect = "outage"
writeback = "never"

[objectives]
"delivery.not_stored" = "== 0"
"before.latency.p99" = "< 10s"
"#;

#[test]
fn a_server_loses_everything_by_default_and_nothing_that_it_has_synced() {
    let place = Place::new();
    place.write("loss.toml", LOSS);
    for (sync, verdict, code) in [("default", Verdict::Fail, 1), ("always", Verdict::Inconclusive, 3)] {
        let sync = format!("bus.sync={sync}");
        let done = place.run(&["run", "./loss.toml", "--set", &sync, "--out", &sync]);
        done.ends(code);
        let mut folders = fs::read_dir(place.path().join(&sync)).unwrap().flatten().map(|entry| entry.path());
        let folder = folders.find(|path| !path.is_symlink()).unwrap();
        let record = fs::read_to_string(folder.join("record.json")).unwrap();
        let record: tickgate::record::Record = serde_json::from_str(&record).unwrap();
        assert_eq!((record.run.end, record.verdict), (End::Completed, verdict), "{:?}", record.run.reason);
        let fault = &record.faults.injected[0];
        // On a busy machine it may be late, and then it says so.
        assert!([Injection::Done, Injection::Late].contains(&fault.outcome), "{fault:?}");
        assert_eq!(fault.reason.is_some(), fault.outcome == Injection::Late, "{fault:?}");
        let files = fault.files.unwrap();
        let audit = record.audit.as_ref().unwrap();
        assert!(audit.complete && record.load.acked > 1000, "{:?}", record.load);
        let power = record.broker.power.as_ref().unwrap();
        assert_eq!(power.mode, "fsync only, directory entries kept");
        let gone = record.marks.iter().any(|mark| mark.kind == "store-gone");
        let objective = &record.objectives[0];
        if code == 1 {
            assert!(files.emptied > 0 && files.bytes > 100_000, "{files:?}");
            assert_eq!((audit.missing, audit.read, gone), (audit.acked, 0, true));
            assert!(objective.reason.as_ref().unwrap().contains("itself is gone"), "{objective:?}");
            assert!(done.out.contains("itself is gone"), "{}", done.out);
        } else {
            assert_eq!((audit.missing, gone), (0, false), "{files:?}");
            assert_eq!(objective.verdict, Verdict::Pass);
            assert!(fault.healthy_ns.is_some(), "it goes on: {fault:?}");
        }
        let timed = record.objectives.last().unwrap();
        assert_eq!(timed.verdict, Verdict::Inconclusive);
        assert!(timed.reason.as_ref().unwrap().contains("emulates losses of power"), "{timed:?}");
    }
}

#[test]
fn a_run_that_is_killed_leaves_neither_a_server_nor_its_supervisor() {
    let place = Place::new();
    let stores = place.path().join("stores");
    fs::create_dir(&stores).unwrap();
    place.write("loss.toml", LOSS);
    let later = ["--set", "load.duration=10m", "--set", "faults.outage.at=5m"];
    let mut running = place.start(&[&["run", "./loss.toml", "--store", "./stores"][..], &later].concat());
    running.until_it_measures();
    let supervisor = running.server_called("tickgate");
    let private = fs::read_dir(&stores).unwrap().flatten().next().unwrap().path();
    let server: u32 = fs::read_to_string(private.join("power/pid")).unwrap().parse().unwrap();
    kill(running.pid());
    running.wait().ends(-9);
    until_gone(server);
    until_gone(supervisor);
    until_removed(&private);
}
