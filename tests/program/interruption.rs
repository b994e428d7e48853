//! Early ends of a run (signals, a broker that dies, stops or comes back), and the data kept.

#![expect(clippy::unwrap_used, reason = "tests")]

use rustix::process::{Pid, Signal, kill_process};
use tickgate::record::{End, Line, PhaseName, Record, Verdict};

use crate::support::nats::NatsServer;
use crate::support::program::{Place, balances, until_gone, until_removed};

fn kinds(record: &Record) -> Vec<&str> {
    record.marks.iter().map(|mark| mark.kind.as_str()).collect()
}

/// A run that would go on for ten minutes.
const LONG: [&str; 2] = ["--set", "load.duration=10m"];

#[test]
fn ctrl_c_ends_the_phase_and_keeps_what_was_measured() {
    for signal in [Signal::INT, Signal::TERM] {
        let place = Place::new();
        let mut running = place.start_gate(&LONG);
        running.until_the_journal_has(r#""line":"second""#, 2);
        let server = running.server();
        running.signal(signal);
        let done = running.wait();
        done.ends(130);
        assert!(done.out.contains("interrupted"), "{}", done.out);
        until_gone(server);
        let record = place.record();
        balances(&record);
        assert_eq!(record.run.end, End::Interrupted);
        assert!(record.run.reason.as_ref().unwrap().contains("interrupted"));
        let (load, group) = (&record.load, &record.groups[0]);
        assert!(load.measured_intended > 0 && load.intended < 60_000, "{load:?}");
        assert_eq!(
            (load.acked, load.unconfirmed),
            (load.intended - load.unsent, 0),
            "the drain was waited for"
        );
        assert_eq!((group.delivered, group.lost), (load.acked, 0));
        let audit = record.audit.as_ref().expect("a brief audit");
        assert_eq!((audit.complete, audit.stored_once), (true, load.acked));
        assert!(group.latency.count > 0);
        // An interrupted run never passes.
        assert_eq!(record.verdict, Verdict::Inconclusive);
        assert!(!place.run_folder().join("journal.jsonl").exists(), "all of it is in the other files");
        place.run(&["report", place.run_folder().to_str().unwrap()]).ends(130);
    }
}

#[test]
fn a_second_ctrl_c_stops_at_once_with_a_record() {
    let server = NatsServer::start();
    let place = Place::new();
    let mut running =
        place.start_gate(&[&LONG[..], &["--broker", &server.url(), "--set", "load.drain=10m"]].concat());
    running.until_it_measures();
    // The run would wait for a stalled broker.
    server.pause();
    std::thread::sleep(std::time::Duration::from_millis(300));
    running.signal(Signal::INT);
    running.until_it_says("draining");
    running.signal(Signal::INT);
    let done = running.wait();
    done.ends(130);
    let record = place.record();
    balances(&record);
    assert_eq!(record.run.end, End::Interrupted);
    assert!(record.audit.is_none() && record.phase(PhaseName::Audit).is_none(), "{:?}", record.phases);
    assert!(record.load.unconfirmed > 0, "{:?}", record.load);
    assert_eq!(record.load.refused, record.load.not_sent(), "a broker that stands still refuses nothing");
    server.resume();
}

#[test]
fn a_second_ctrl_c_leaves_nothing_on_a_server_that_answers() {
    let server = NatsServer::start();
    let place = Place::new();
    let mut running = place.start_gate(&[&LONG[..], &["--broker", &server.url()]].concat());
    running.until_it_measures();
    running.signal(Signal::INT);
    running.until_it_says("draining");
    running.signal(Signal::INT);
    running.wait().ends(130);
    let record = place.record();
    balances(&record);
    assert_eq!((record.run.end, kinds(&record)), (End::Interrupted, vec![]));
    assert_eq!(server.streams(), []);
}

#[test]
fn ctrl_c_before_the_load_says_that_nothing_was_measured() {
    let server = NatsServer::start();
    let place = Place::new();
    let running = place.start_gate(&["--broker", &server.url()]);
    // The folder is made before anything is connected.
    while place.runs().is_empty() {
        std::thread::yield_now();
    }
    running.signal(Signal::INT);
    let done = running.wait();
    // The load may have started in between: then there is a record.
    if done.err.contains("ready:") {
        done.ends(130);
        balances(&place.record());
    } else {
        done.fails(130, &["interrupted before the load started; nothing was measured"]);
        assert!(place.runs().is_empty(), "an empty folder is of no use");
    }
}

#[test]
fn after_sigkill_the_server_is_gone_and_the_journal_holds_all_but_the_last_moments() {
    let place = Place::new();
    let stores = place.path().join("stores");
    std::fs::create_dir(&stores).unwrap();
    let mut running = place.start_gate(&[&LONG[..], &["--store", "stores"]].concat());
    running.until_the_journal_has(r#""line":"second""#, 3);
    let server = running.server();
    running.signal(Signal::KILL);
    running.wait().ends(-9);
    until_gone(server);
    for entry in std::fs::read_dir(&stores).unwrap() {
        until_removed(&entry.unwrap().path());
    }
    assert!(!place.run_folder().join("record.json").exists());
    let journal = place.journal();
    let Line::Start { run, plan, .. } = &journal[0] else { panic!("no start: {:?}", journal[0]) };
    assert_eq!((run.end, plan.load.duration.ns), (End::Completed, 600_000_000_000));
    let rows: Vec<_> =
        journal.iter().filter_map(|l| if let Line::Second(r) = l { Some(r) } else { None }).collect();
    assert!(rows.len() >= 3);
    // A generator that is late at the end of a second has its slots in the next one.
    let slots: u64 = rows.iter().map(|rows| rows.row.intended).sum();
    let seconds = u64::try_from(rows.len()).unwrap();
    assert!(slots > (seconds - 1) * 900, "{slots} slots in {seconds} seconds of 1,000 events");
    assert!(rows.iter().all(|rows| !rows.groups[0].is_empty()), "with their distributions");
    assert!(!journal.contains(&Line::End));
    // What it holds can be judged as far as it goes: never as a pass.
    let folder = place.run_folder().display().to_string();
    place.run(&["report", &folder]).fails(4, &["contains a journal but no record", "report --recover"]);
    let report = place.run(&["report", "--recover", &folder]);
    report.ends(3);
    assert!(report.out.contains("verdict: INCONCLUSIVE"), "{}", report.out);
}

#[test]
fn a_server_of_ours_that_dies_ends_the_run_with_the_right_blame() {
    let place = Place::new();
    let mut running = place.start_gate(&LONG);
    running.until_the_journal_has(r#""line":"second""#, 2);
    let server = i32::try_from(running.server()).ok().and_then(Pid::from_raw).unwrap();
    kill_process(server, Signal::KILL).unwrap();
    let done = running.wait();
    done.ends(4);
    assert!(done.out.contains("nats-server ended (signal: 9 (SIGKILL))"), "{}", done.out);
    let record = place.record();
    balances(&record);
    assert_eq!(record.run.end, End::BrokerFailed);
    let reason = record.run.reason.as_ref().unwrap();
    assert!(reason.contains("nats-server ended") && !reason.contains('\n'), "{reason}");
    let kinds = kinds(&record);
    assert!(kinds.contains(&"broker-died") && kinds.contains(&"disconnected"), "{kinds:?}");
    let lost = record.objectives.iter().find(|objective| objective.name.ends_with("delivery.lost")).unwrap();
    assert_ne!(lost.verdict, Verdict::Fail, "what a dead broker has not delivered is not known to be lost");
    assert_eq!(record.verdict, Verdict::Inconclusive);
    assert!(record.audit.is_none());
}

#[test]
fn a_missed_objective_outranks_the_brokers_death() {
    let place = Place::new();
    let mut running = place.start_gate(&[&LONG[..], &["--set", "objectives.harness.memory=< 1MB"]].concat());
    running.until_it_measures();
    let server = i32::try_from(running.server()).ok().and_then(Pid::from_raw).unwrap();
    kill_process(server, Signal::KILL).unwrap();
    running.wait().ends(1);
    let record = place.record();
    assert_eq!((record.run.end, record.verdict), (End::BrokerFailed, Verdict::Fail));
}

/// A server that tickgate did not start fails for good while it measures: stopped, or killed.
fn another_users(fail: impl FnOnce(&mut NatsServer)) -> Record {
    let mut server = NatsServer::start();
    let place = Place::new();
    let mut running = place.start_gate(&["--broker", &server.url(), "--set", "load.drain=2s"]);
    running.until_it_measures();
    fail(&mut server);
    let done = running.wait();
    done.ends(4);
    assert!(done.out.contains("verdict: INCONCLUSIVE"), "{}", done.out);
    let record = place.record();
    balances(&record);
    assert_eq!(record.run.end, End::BrokerFailed);
    let reason = record.run.reason.clone().unwrap();
    for part in [server.url().as_str(), "stopped answering", "into the run"] {
        assert!(reason.contains(part), "`{part}` is not in: {reason}");
    }
    assert_eq!(record.load.intended, 2500, "the schedule never waits for the bus");
    let load = &record.load;
    assert!(load.not_sent() > 0 && load.refused == load.not_sent(), "the rest waited in vain: {load:?}");
    assert!(kinds(&record).contains(&"broker-silent") && kinds(&record).contains(&"left-behind"));
    let length = record.phases.last().unwrap().end_ns;
    assert!(length < 120_000_000_000, "its deadlines are far below {length} ns");
    server.kill();
    record
}

#[test]
fn another_users_server_that_is_killed_ends_the_run_within_its_deadlines() {
    let record = another_users(NatsServer::kill);
    assert!(kinds(&record).contains(&"disconnected"), "{:?}", record.marks);
    // But for what the client was handed before it noticed, which waits for a connection that never comes.
    let load = &record.load;
    assert!(load.unconfirmed - load.unconfirmed_disconnected < 100, "{load:?}");
}

#[test]
fn another_users_server_that_stops_answering_ends_the_run_within_its_deadlines() {
    let load = another_users(|server| server.pause()).load;
    assert_eq!(
        (load.unconfirmed, load.unconfirmed_disconnected),
        (512, 0),
        "what fills the window is in doubt"
    );
}

#[test]
fn a_server_that_comes_back_with_its_store_lets_the_run_complete() {
    let mut server = NatsServer::start();
    let place = Place::new();
    let sets = ["--set", "load.duration=4s", "--set", "bus.publish_timeout=3s", "--set", "load.drain=30s"];
    let mut running = place.start_gate(&[&["--broker", &server.url()], &sets[..]].concat());
    running.until_it_measures();
    server.restart();
    let done = running.wait();
    assert!([0, 3].contains(&done.code), "{done:#?}");
    let record = place.record();
    balances(&record);
    assert_eq!(record.run.end, End::Completed);
    let kinds = kinds(&record);
    assert!(kinds.contains(&"disconnected") && kinds.contains(&"connected"), "{kinds:?}");
    let (load, group, audit) = (&record.load, &record.groups[0], record.audit.as_ref().unwrap());
    assert_eq!((load.intended, load.refused), (4500, 0));
    // Killed and not powered off: it has all events that it confirmed.
    assert_eq!((audit.complete, audit.stored_once, audit.missing), (true, load.acked, 0));
    assert_eq!((group.lost, group.duplicate, audit.stored_twice), (0, 0, 0));
    assert_eq!(group.recovered, audit.unconfirmed_stored, "what is stored without an answer arrives");
    assert!(group.recovered <= load.unconfirmed);
}
