//! Memory is bounded in bytes, and a run beyond what there is is refused before its load.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, prlimit};
use tickgate::record::{End, Line, Record};
use tickgate::run::memory::{Where, memory};

use crate::support::nats::NatsServer;
use crate::support::program::{self, Done, Place, balances};

/// 60 events a second of 900 kB: 51 MiB/s.
const LARGE: &str = r#"
[load]
rate = "60/s"
warmup = "500ms"
duration = "6s"
drain = "20s"

[market]
symbols = 20
event_size = "900kB"

[[groups]]
name = "trading-engine"

[objectives]
"delivery.corrupt" = "== 0"
"#;

fn large() -> Place {
    let place = Place::new();
    place.write("large.toml", LARGE);
    place
}

/// The program under a limit of its address space.
fn limited(place: &mut Place, kib: u64) {
    let program = program::path();
    let script: PathBuf = place.path().join("limited");
    std::fs::write(&script, format!("#!/bin/sh\nulimit -v {kib}\nexec {program} \"$@\"\n")).unwrap();
    std::fs::set_permissions(&script, PermissionsExt::from_mode(0o755)).unwrap();
    place.program(script);
}

/// The estimate holds, and is none of thin air.
#[track_caller]
fn stays_below_its_estimate(record: &Record, at: Where, factor: u64) {
    let (estimate, peak) = (memory(&record.plan, at).total(), record.resources.harness.peak_memory_bytes);
    assert!(peak <= estimate, "{peak} bytes at the peak, {estimate} estimated");
    assert!(estimate <= factor * peak, "{estimate} bytes estimated, {peak} at the peak");
}

/// Waits until a stalled broker has filled the limit of open bytes: 51 MiB or more fall due each second.
#[track_caller]
fn until_events_are_unsent(place: &Place) {
    std::thread::sleep(Duration::from_secs(2));
    let patience = Instant::now();
    let unsent = || {
        let journal = std::fs::read_to_string(place.run_folder().join("journal.jsonl")).unwrap();
        let mut lines = journal.lines().filter_map(|line| serde_json::from_str::<Line>(line).ok());
        lines.any(|line| matches!(line, Line::Second(rows) if rows.row.unsent > 0))
    };
    while !unsent() {
        assert!(patience.elapsed() < Duration::from_mins(1), "everything finds room");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A run of large events that has ended with its whole account, though its broker stood still.
#[track_caller]
fn went_on(place: &Place, done: &Done) -> Record {
    assert!([0, 1, 3].contains(&done.code), "{done:#?}");
    let record = place.record();
    balances(&record);
    let load = &record.load;
    assert_eq!(record.run.end, End::Completed);
    assert!(load.unsent > 0 && load.acked > 0, "{load:?}");
    assert_eq!(record.groups[0].lost, 0, "what was confirmed is delivered");
    record
}

#[test]
fn a_broker_that_stands_still_costs_no_more_memory_than_was_said_however_large_events_are() {
    // A client that other tests slow down does not fill the memory that it may.
    let _machine = crate::support::machine::alone();
    // What falls due before the first event is given up is more than may be open at once.
    for (timeout, rate) in [("10s", "60/s"), ("1s", "90/s")] {
        let (server, place) = (NatsServer::start(), large());
        let sets = [format!("bus.publish_timeout={timeout}"), format!("load.rate={rate}")];
        let [timeout, rate] = &sets;
        let run = ["run", "./large.toml", "--broker", &server.url(), "--set", timeout, "--set", rate];
        let mut running = place.start(&run);
        running.until_it_measures();
        server.pause();
        until_events_are_unsent(&place);
        server.resume();
        let record = went_on(&place, &running.wait());
        stays_below_its_estimate(&record, Where::Elsewhere, 4);
    }
}

#[cfg(feature = "kafka")]
#[test]
fn so_does_a_kafka_that_stands_still() {
    if !crate::support::kafka::is_there() {
        return;
    }
    let place = large();
    let mut running = place.start(&["run", "./large.toml", "--set", "bus.kind=kafka"]);
    running.until_it_measures();
    let broker = i32::try_from(running.server_called("java")).ok().and_then(Pid::from_raw).unwrap();
    kill_process(broker, Signal::STOP).unwrap();
    until_events_are_unsent(&place);
    kill_process(broker, Signal::CONT).unwrap();
    let record = went_on(&place, &running.wait());
    stays_below_its_estimate(&record, Where::Beside, 4);
}

#[test]
fn ordinary_events_and_the_simulated_bus_stay_below_the_estimate() {
    let place = Place::new();
    for (at, broker) in [(Where::Within, "sim"), (Where::Beside, "local")] {
        place.gate(&["--broker", broker]);
        let run = place.runs().remove(0);
        let record: Record =
            serde_json::from_slice(&std::fs::read(run.join("record.json")).unwrap()).unwrap();
        std::fs::remove_dir_all(run).unwrap();
        // Most of it is room for what a quiet run has none of.
        stays_below_its_estimate(&record, at, 20);
    }
}

#[test]
fn a_run_that_may_need_more_than_there_is_is_refused_before_its_load() {
    let mut place = large();
    place.run(&["check", "./large.toml"]).ends(0);
    limited(&mut place, 600_000);
    let says = ["this run may take up to", "`ulimit -v`", "lower `bus.buffer_bytes`", "MiB of it"];
    place.run(&["check", "./large.toml"]).fails(4, &says);
    let check = place.run(&["check", "./large.toml"]);
    assert!(check.out.contains("# memory of tickgate: at most ") && !check.out.contains("ready to run"));
    // A store of the simulated bus is in this process, too.
    let run = place.run(&["run", "./large.toml", "--broker", "sim", "--set", "load.duration=60s"]);
    run.fails(4, &["this run may take up to", "lower `load.duration`"]);
    assert!(place.runs().is_empty(), "nothing was started");
}

#[test]
fn a_failed_allocation_costs_what_was_not_written_yet_and_the_terminal_says_how_to_get_the_rest() {
    let (server, place) = (NatsServer::start(), large());
    let more = ["--broker", &server.url(), "--set", "bus.buffer_bytes=8GiB", "--set", "load.duration=10s"];
    let mut running = place.start(&[&["run", "./large.toml"][..], &more].concat());
    running.until_the_journal_has(r#""line":"second""#, 2);
    // From now on it gets little more than it has, and events that wait need room: 400 MB become due, more than a busy
    // machine can have made it hold before.
    let status = std::fs::read_to_string(format!("/proc/{}/status", running.pid())).unwrap();
    let size = status.lines().find_map(|line| line.strip_prefix("VmSize:")?.split_whitespace().next());
    let size = size.unwrap().parse::<u64>().unwrap() << 10;
    let pid = i32::try_from(running.pid()).ok().and_then(Pid::from_raw);
    server.pause();
    prlimit(pid, Resource::As, Rlimit { current: Some(size + (32 << 20)), maximum: None }).unwrap();
    let done = running.wait();
    let folder = place.run_folder().display().to_string();
    let relative = format!("reports/{}", place.run_folder().file_name().unwrap().display());
    done.fails(-6, &["memory allocation of", &format!("tickgate report --recover {relative}")]);
    let report: Done = place.run(&["report", "--recover", &folder]);
    report.ends(3);
    let record = place.record();
    assert_eq!(record.run.end, End::Recovered);
    assert!(record.load.intended > 60, "{:?}", record.load);
    server.resume();
}

#[test]
fn the_bound_of_many_logs_is_said_and_one_that_deletes_confirmed_events_is_refused() {
    let place = Place::new();
    let kafka = ["check", "./gate.toml", "--set", "bus.kind=kafka"];
    let many = ["--set", "bus.partitions=4", "--set", "bus.replicas=3"];
    let done = place.run(&[&kafka[..], &many].concat());
    done.ends(0);
    let product = "at most 768.0MiB (`bus.max_bytes` 64MiB × 1 topic × 4 partitions × 3 replicas)";
    assert!(done.out.contains(product), "{}", done.out);
    let bound = ["--set", "bus.max_bytes=1MiB", "--set", "load.rate=5k/s"];
    let unread = ["--set", "bus.audit=false", "--set", "objectives.replay.complete=none"];
    let tight = [bound, unread].concat();
    let says =
        ["Kafka deletes the oldest of a partition beyond `bus.max_bytes`, 1MiB", "raise `bus.max_bytes`"];
    place.run(&[&kafka[..], &tight].concat()).fails(2, &says);
    // NATS refuses the newest, which is counted.
    place.run(&[&["check", "./gate.toml"][..], &tight].concat()).ends(0);
}
