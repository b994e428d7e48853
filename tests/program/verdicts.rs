//! Verdicts that cannot be fooled, on a real server: nothing passes on the events that came through, nothing is lost that
//! may still arrive, and an event that tickgate itself missed is no fault of the bus.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use rustix::process::Signal;
use tickgate::record::{ObjectiveResult, Record, Verdict};

use crate::support::machine::beside_others;
use crate::support::nats::NatsServer;
use crate::support::program::{Place, balances};
use crate::support::strangers::NatsClient;

fn profile(load: &str, bus: &str, groups: &[&str], objectives: &str) -> String {
    let groups: Vec<_> =
        groups.iter().map(|name| format!("[[groups]]\nname = \"{name}\"\nsubscribe = [\">\"]\n")).collect();
    format!(
        "[load]\n{load}\n[bus]\n{bus}\n[topology]\nname = \"one\"\ntopics = [\"market.quote.received\"]\n{}[objectives]\n{objectives}\n",
        groups.join("")
    )
}

#[track_caller]
fn objective<'a>(record: &'a Record, name: &str) -> &'a ObjectiveResult {
    record.objectives.iter().find(|objective| objective.name == name).unwrap()
}

/// The run's stream, and its consumers.
fn names(client: &mut NatsClient) -> (String, Vec<String>) {
    let streams = client.request("$JS.API.STREAM.NAMES", "");
    let stream = streams["streams"][0].as_str().unwrap().to_owned();
    let consumers = client.request(&format!("$JS.API.CONSUMER.NAMES.{stream}"), "");
    let consumers = consumers["consumers"].as_array().unwrap();
    (stream, consumers.iter().map(|name| name.as_str().unwrap().to_owned()).collect())
}

/// With a window of one event, most of the load is never sent, and the events that are sent are fast.
#[test]
fn times_do_not_pass_on_the_events_that_were_sent() {
    let _beside = beside_others();
    let place = Place::new();
    let objectives = "\"latency.p99\" = \"< 1s\"\n\"ack.p99\" = \"< 1s\"\n\"windows.latency.p99\" = \"< 1s\"\n\
                      \"service.p99\" = \"< 1s\"\n\"delivery.lost\" = \"== 0\"";
    let load = "rate = \"20k/s\"\nwarmup = \"500ms\"\nduration = \"3s\"";
    let file =
        place.write("one.toml", profile(load, "window = 1\nbuffer = 0", &["trading-engine"], objectives));
    let done = place.run(&["run", &file, "--quiet"]);
    let record = place.record();
    balances(&record);
    let load = &record.load;
    assert!(load.unsent > load.intended / 20, "it is more than one event in twenty: {load:?}");
    for name in ["latency.p99", "ack.p99", "windows.latency.p99"] {
        let judged = objective(&record, name);
        // If the generator's own thread is saturated, the cause is unknown.
        let own = record.health.machine.as_ref().and_then(|machine| machine.busiest_thread.as_ref());
        let limited = own.is_some_and(|thread| thread.cores >= 0.9);
        let expected = if limited { Verdict::Inconclusive } else { Verdict::Fail };
        assert_eq!(judged.verdict, expected, "{judged:?}");
        if !limited && name != "windows.latency.p99" {
            assert_eq!(judged.observed.as_deref(), Some("never"));
            assert!(judged.reason.as_ref().unwrap().contains("have no time"), "{judged:?}");
        }
    }
    assert_ne!(objective(&record, "service.p99").verdict, Verdict::Pass);
    assert_eq!(objective(&record, "delivery.lost").verdict, Verdict::Pass, "what was confirmed arrived");
    assert!([1, 3].contains(&done.code), "{done:?}");
}

/// A server that stalls for half of the load, and a client with a small window: events that did not fit were still due.
#[test]
fn a_stall_that_leaves_half_of_the_load_unsent_is_a_miss() {
    let _beside = beside_others();
    let place = Place::new();
    let load = "rate = \"2k/s\"\narrival = \"constant\"\nwarmup = \"500ms\"\nduration = \"4s\"";
    let file = place.write(
        "stall.toml",
        profile(load, "window = 64\nbuffer = 0", &["trading-engine"], "\"latency.p99\" = \"< 3s\""),
    );
    let mut running = place.start(&["run", &file, "--quiet"]);
    running.until_it_measures();
    let server = rustix::process::Pid::from_raw(i32::try_from(running.server()).unwrap()).unwrap();
    rustix::process::kill_process(server, Signal::STOP).unwrap();
    std::thread::sleep(std::time::Duration::from_secs(2));
    rustix::process::kill_process(server, Signal::CONT).unwrap();
    running.wait().ends(1);
    let record = place.record();
    balances(&record);
    assert!(record.load.unsent > 2000, "{:?}", record.load);
    let judged = objective(&record, "latency.p99");
    assert_eq!((judged.verdict, judged.observed.as_deref()), (Verdict::Fail, Some("never")), "{judged:?}");
}

/// A group whose consumer was paused once it was ready receives nothing: it has met nothing, and lost nothing.
#[test]
fn a_group_that_received_nothing_does_not_drop_out() {
    let _beside = beside_others();
    let server = NatsServer::start();
    let place = Place::new();
    let load = "rate = \"200/s\"\nwarmup = \"2s\"\nduration = \"3s\"\ndrain = \"1s\"";
    let objectives = "\"latency.p99\" = \"< 10s\"\n\"windows.latency.p99\" = \"< 10s\"\n\"good.latency.p99\" = \"< 10s\"\n\
                      \"delivery.lost\" = \"== 0\"";
    let file = place.write("two.toml", profile(load, "", &["good", "silent"], objectives));
    let mut running = place.start(&["run", &file, "--quiet", "--broker", &server.url()]);
    running.until_the_journal_has(r#""line":"start""#, 1);
    let mut client = NatsClient::connect(&format!("127.0.0.1:{}", server.port()));
    let (stream, consumers) = names(&mut client);
    let silent = consumers.iter().find(|name| name.contains("silent")).unwrap();
    let pause = format!("$JS.API.CONSUMER.PAUSE.{stream}.{silent}");
    let answer = client.request(&pause, "{\"pause_until\":\"2099-01-01T00:00:00Z\"}");
    assert_eq!(answer["paused"], true, "{answer}");
    running.wait().ends(1);
    let record = place.record();
    balances(&record);
    for name in ["latency.p99", "windows.latency.p99"] {
        assert_eq!(objective(&record, name).verdict, Verdict::Fail, "{:?}", objective(&record, name));
    }
    assert_eq!(objective(&record, "good.latency.p99").verdict, Verdict::Pass);
    let lost = objective(&record, "delivery.lost");
    assert_eq!(lost.verdict, Verdict::Inconclusive, "{lost:?}");
    let group = record.groups.iter().find(|group| group.name == "silent").unwrap();
    assert_eq!((group.lost, group.pending), (0, group.expected - group.delivered), "the server has them all");
    assert!(group.pending > 600, "{group:?}");
}

/// A drain too short for a backlog: the consumer still has it.
#[test]
fn what_the_drain_had_no_time_for_is_pending_and_not_lost() {
    let _beside = beside_others();
    let place = Place::new();
    let load =
        "rate = \"20k/s\"\nwarmup = \"500ms\"\nduration = \"3s\"\nconsume = \"backlog\"\ndrain = \"30ms\"";
    let file =
        place.write("backlog.toml", profile(load, "", &["trading-engine"], "\"delivery.lost\" = \"== 0\""));
    let done = place.run(&["run", &file, "--quiet"]);
    done.ends(3);
    let record = place.record();
    balances(&record);
    let (group, lost) = (&record.groups[0], objective(&record, "delivery.lost"));
    assert_eq!(group.lost, 0, "{group:?}");
    assert!(group.pending > 0, "{group:?}");
    assert_eq!(lost.verdict, Verdict::Inconclusive);
    let reason = lost.reason.as_ref().unwrap();
    assert!(reason.contains("still to come when the drain ended (30ms)"), "{reason}");
    assert!(lost.next.as_ref().unwrap().contains("load.drain"), "{lost:?}");
    assert!(done.out.contains(" still to come,"), "{}", done.out);
}

/// The whole backlog stood there before the first event of it was read, whatever the seconds' ends showed.
#[test]
fn the_highest_backlog_is_that_of_any_moment() {
    let _beside = beside_others();
    let place = Place::new();
    let load = "rate = \"1k/s\"\narrival = \"constant\"\nwarmup = \"1s\"\nduration = \"2s\"\nconsume = \"backlog\"\ndrain = \"60s\"";
    let file = place.write("backlog.toml", profile(load, "", &["g"], "\"delivery.lost\" = \"== 0\""));
    place.run(&["run", &file, "--quiet"]).ends(0);
    let record = place.record();
    assert_eq!((record.load.acked, record.groups[0].backlog_max), (3000, 3000));
}

/// A user deletes the consumer of a run: its member ends, and what it did not receive is not a loss of the bus.
#[test]
fn what_a_member_that_ended_did_not_receive_is_not_known_to_be_lost() {
    let _beside = beside_others();
    let server = NatsServer::start();
    let place = Place::new();
    let load = "rate = \"200/s\"\nwarmup = \"1s\"\nduration = \"3s\"\ndrain = \"3s\"";
    let objectives =
        "\"latency.p99\" = \"< 50s\"\n\"delivery.lost\" = \"== 0\"\n\"delivery.duplicate\" = \"== 0\"";
    let file = place.write("gone.toml", profile(load, "", &["g"], objectives));
    let mut running = place.start(&["run", &file, "--quiet", "--broker", &server.url()]);
    running.until_it_measures();
    let mut client = NatsClient::connect(&format!("127.0.0.1:{}", server.port()));
    let (stream, consumers) = names(&mut client);
    let answer = client.request(&format!("$JS.API.CONSUMER.DELETE.{stream}.{}", consumers[0]), "");
    assert_eq!(answer["success"], true, "{answer}");
    let done = running.wait();
    let record = place.record();
    balances(&record);
    assert!(!record.health.dead_workers.is_empty(), "{:?}", record.health);
    for result in &record.objectives {
        assert_eq!(result.verdict, Verdict::Inconclusive, "{result:?}");
        assert!(result.reason.as_ref().unwrap().contains("ended early"), "{result:?}");
    }
    done.ends(3);
}
