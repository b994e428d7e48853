//! The gate on a real server, from the command line to the record.

#![expect(clippy::expect_used, reason = "tests")]

use tickgate::plan::Delivery;
use tickgate::record::{End, PhaseName, Record, Verdict};

use crate::support;
use crate::support::nats::NatsServer;
use crate::support::program::{self, Place, balances, until_removed};

/// A run in which nothing goes wrong: everything arrives, once, and is in the store, once.
#[track_caller]
fn whole(record: &Record) {
    balances(record);
    assert_eq!(record.run.end, End::Completed);
    let load = &record.load;
    assert_eq!((load.acked, load.refused, load.unconfirmed, load.unsent), (load.intended, 0, 0, 0));
    let audit = record.audit.as_ref().expect("an audit");
    assert!(audit.complete);
    assert_eq!((audit.acked, audit.stored_once), (load.acked, load.acked));
    assert_eq!((audit.missing, audit.stored_twice, audit.out_of_order), (0, 0, 0));
    for group in &record.groups {
        assert_eq!((group.delivered, group.lost), (group.expected, 0), "{}", group.name);
        assert_eq!((group.duplicate, group.corrupt, group.foreign), (0, 0, 0), "{}", group.name);
    }
}

#[test]
fn a_run_passes_and_its_record_holds_the_whole_truth() {
    let place = Place::new();
    let done = place.gate(&[]);
    done.ends(0);
    for part in
        ["verdict: PASS (5 passed, 0 failed, 0 inconclusive)", "2,500 intended = 2,500 acked", "record:"]
    {
        assert!(done.out.contains(part), "`{part}` is not in:\n{}", done.out);
    }
    for part in ["ready: nats-server 2.15", "warm-up", "draining", "reading the stream back"] {
        assert!(done.err.contains(part), "`{part}` is not in:\n{}", done.err);
    }
    assert!(
        !done.err.contains('\r') && !done.err.contains('\u{1b}'),
        "no terminal, no escapes: {}",
        done.err
    );
    assert!(!done.out.contains('\u{1b}'), "no terminal, no colours: {}", done.out);

    let record = place.record();
    whole(&record);
    assert_eq!((record.load.intended, record.load.measured_intended), (2500, 2000));
    assert_eq!(record.verdict, Verdict::Pass);
    let phases: Vec<_> = record.phases.iter().map(|phase| phase.name).collect();
    let all =
        [PhaseName::Provision, PhaseName::Warmup, PhaseName::Measure, PhaseName::Drain, PhaseName::Audit];
    assert_eq!(phases, all);
    assert_eq!(record.broker.mode, "local");
    assert!(record.resources.brokers["nats-server"].peak_memory_bytes > 1 << 20);
    assert!(record.resources.harness.peak_memory_bytes > 1 << 20);

    let schema = serde_json::to_value(schemars::schema_for!(Record)).unwrap();
    let text = std::fs::read_to_string(place.run_folder().join("record.json")).unwrap();
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    let errors: Vec<_> =
        validator.iter_errors(&serde_json::from_str(&text).unwrap()).map(|error| error.to_string()).collect();
    assert_eq!(errors, [""; 0]);

    // All that the journal held is in the record and in the log of distributions: it is gone.
    assert!(!place.run_folder().join("journal.jsonl").exists());
    let log = std::fs::read(place.run_folder().join("latency.hlog")).unwrap();
    let intervals = String::from_utf8_lossy(&log).matches("Tag=latency.trading-engine,").count();
    assert!(intervals >= 2, "a line for each second: {intervals}");

    let shown = place.run(&["report", place.run_folder().to_str().unwrap()]);
    shown.ends(0);
    assert_eq!(shown.err, "");
    // Then the two say where their files are.
    let summary = |text: &str| text[..text.rfind("\nverdict: ").unwrap()].to_owned();
    assert_eq!(summary(&shown.out), summary(&done.out), "the report is the run's own text");
    let again = std::fs::read(place.run_folder().join("latency.hlog")).unwrap();
    assert!(again == log, "what only the journal could tell outlives it");
}

#[test]
fn the_server_of_a_run_is_gone_with_its_store() {
    let place = Place::new();
    let stores = place.path().join("stores");
    std::fs::create_dir(&stores).unwrap();
    let mut running = place.start_gate(&["--store", "stores", "--quiet"]);
    running.until_it_measures();
    let server = running.server();
    assert_eq!(std::fs::read_dir(&stores).unwrap().count(), 1, "the store is where it was asked to be");
    let done = running.wait();
    done.ends(0);
    assert_eq!(done.err, "", "--quiet");
    support::program::until_gone(server);
    for entry in std::fs::read_dir(&stores).unwrap() {
        until_removed(&entry.unwrap().path());
    }
    assert!(place.run_folder().join("broker.log").metadata().unwrap().len() > 0);
}

#[test]
fn json_on_stdout_is_exactly_the_record() {
    let mut place = Place::new();
    place.set("NO_COLOR", "1");
    let done = place.gate(&["--format", "json", "--quiet", "--set", "load.duration=1s"]);
    done.ends(0);
    assert_eq!(done.err, "");
    let file = std::fs::read_to_string(place.run_folder().join("record.json")).unwrap();
    assert_eq!(done.out.trim_end(), file.trim_end());
    let again = place.run(&["report", place.run_folder().to_str().unwrap(), "--format", "json"]);
    again.ends(0);
    assert_eq!(again.out.trim_end(), file.trim_end());
}

#[test]
fn the_servers_own_count_is_the_records_and_keep_leaves_it() {
    let server = NatsServer::start();
    let place = Place::new();
    let url = server.url();
    let allowed = ["--broker", &url, "--allow-prefix", "ai-trader"];
    let done = place.gate(&[&allowed[..], &["--keep"]].concat());
    done.ends(0);
    let record = place.record();
    whole(&record);
    let streams = server.streams();
    assert_eq!(streams.len(), 1, "{streams:?}");
    let (name, messages) = &streams[0];
    assert!(name.contains(&record.run.id), "{name}");
    assert_eq!(record.resources.store_events, Some(*messages), "at the end of the drain, and now");
    let read = record.audit.as_ref().unwrap().read;
    assert_eq!(read, record.load.acked);
    // The rest are the events that proved that the group was there: one on each topic, as often as it took.
    let (rest, topics) = (*messages - read, u64::try_from(record.plan.topology.topics.len()).unwrap());
    assert!(rest > 0 && rest.is_multiple_of(topics), "{messages} stored, {read} of the load");
    assert_eq!((record.broker.mode.as_str(), record.broker.address.as_str()), ("url", server.url().as_str()));

    // Our own stream is in the way of the next run, which says so and touches nothing.
    let next = place.gate(&allowed);
    next.fails(4, &["already holds our subjects", &format!("`tickgate clean --run {}`", record.run.id)]);
    assert_eq!(server.streams(), streams);
}

#[test]
fn nothing_is_left_on_another_users_server() {
    let server = NatsServer::start();
    let place = Place::new();
    place.gate(&["--broker", &server.url(), "--set", "load.duration=1s"]).ends(0);
    assert_eq!(server.streams(), []);
}

#[test]
fn an_objective_that_is_missed_ends_in_1_with_what_was_seen() {
    let place = Place::new();
    let done = place.gate(&["--quiet", "--set", "objectives.harness.memory=< 1MB"]);
    done.ends(1);
    for part in ["FAIL harness.memory", "< 1MB", "% beyond", "next: ", "verdict: FAIL (5 passed, 1 failed"] {
        assert!(done.out.contains(part), "`{part}` is not in:\n{}", done.out);
    }
    let record = place.record();
    whole(&record);
    let missed: Vec<_> = record.objectives.iter().filter(|o| o.verdict == Verdict::Fail).collect();
    assert_eq!(missed.len(), 1);
    assert!(missed[0].margin.unwrap() < 0.0 && missed[0].reason.is_some() && missed[0].next.is_some());
    place.run(&["report", place.run_folder().to_str().unwrap()]).ends(1);
}

#[test]
fn too_few_samples_are_inconclusive_and_say_how_many_it_takes() {
    let place = Place::new();
    let done = place.gate(&["--quiet", "--set", "objectives.latency.p99.999=< 1h"]);
    done.ends(3);
    assert!(done.out.contains("2000 events: latency.p99.999 needs 299572 of them at 95 %"), "{}", done.out);
    assert!(done.out.contains("next: run longer or faster"), "{}", done.out);
    let record = place.record();
    whole(&record);
    assert_eq!(record.verdict, Verdict::Inconclusive);
}

/// Four members of one group, with the symbols in the subjects.
fn of_four(delivery: &str) -> (Record, String) {
    let place = Place::new();
    let profile = place.write(
        "four.toml",
        format!(
            r#"
[load]
rate = "2k/s"
warmup = "500ms"
duration = "2s"
drain = "10s"
[market]
symbols = 16
[topology]
symbol_in_subject = true
[[groups]]
name = "four"
subscribe = ["market.quote.*"]
members = 4
delivery = "{delivery}"
[objectives]
"delivery.lost" = "== 0"
"#
        ),
    );
    let done = place.run(&["run", &profile, "--quiet"]);
    done.ends(0);
    (place.record(), done.out)
}

#[test]
fn four_members_that_share_balance_whatever_the_order() {
    let (record, text) = of_four("shared");
    whole(&record);
    let group = &record.groups[0];
    assert_eq!((group.members, group.delivery, group.expected), (4, Delivery::Shared, 5000));
    assert_eq!(group.reordered > 0, group.extents.max > 0);
    assert_eq!(group.extents.by_power_of_two.iter().sum::<u64>(), group.reordered, "each has its extent");
    assert!(
        text.contains(&format!("{} reordered", tickgate::report::show::count(group.reordered))),
        "{text}"
    );
}

#[test]
fn a_symbol_that_belongs_to_one_member_stays_in_order() {
    for delivery in ["partitioned", "pinned"] {
        let (record, _) = of_four(delivery);
        whole(&record);
        let group = &record.groups[0];
        assert_eq!((group.members, group.expected, group.delivered), (4, 5000, 5000), "{delivery}");
        assert_eq!((group.reordered, group.extents.max), (0, 0), "{delivery}");
    }
}

#[test]
fn a_terminal_gets_a_live_line_and_colours_unless_told_not_to() {
    let mut place = Place::new();
    let program = program::path();
    // `script` (bsdutils, on every Debian) gives a command a terminal.
    place.program("/usr/bin/script".into());
    let run = format!("{program} run ./gate.toml --duration 4s");
    let done = place.run(&["-qec", &run, "/dev/null"]);
    done.ends(0);
    assert!(done.out.contains("\rwarm-up") && done.out.contains("\rmeasure"), "{}", done.out);
    assert!(done.out.contains("\u{1b}[K"), "each line is written over the last: {}", done.out);
    assert!(done.out.contains("verdict: \u{1b}[1;32mPASS\u{1b}[0m"), "{}", done.out);
    let report = format!("{program} report {}", place.run_folder().display());
    place.set("NO_COLOR", "1");
    let plain = place.run(&["-qec", &report, "/dev/null"]);
    plain.ends(0);
    assert!(plain.out.contains("verdict: PASS") && !plain.out.contains('\u{1b}'), "{}", plain.out);
}

/// Which cores a process may use, as the kernel lists them.
fn cores(pid: u32) -> String {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("a process");
    let cores = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    cores.expect("a list").trim().to_owned()
}

#[test]
fn a_server_that_stands_apart_has_cores_of_its_own() {
    let place = Place::new();
    let usable = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    if usable < 2 {
        place.gate(&["--apart"]).fails(2, &["--apart needs two cores", "one core only"]);
        return;
    }
    let mut run = place.start_gate(&["--apart"]);
    run.until_the_journal_has(r#""line":"second""#, 1);
    let (server, own) = (cores(run.server()), cores(run.pid()));
    run.wait().ends(0);
    assert_ne!(server, own);
    let record = place.record();
    whole(&record);
    if usable == 2 {
        assert_eq!(record.broker.settings["cores"], format!("broker {server}, tickgate {own}"));
    }
    let machine = record.health.machine.as_ref().expect("a machine");
    assert!(machine.usable_cores > 1.0 || usable > 2, "the machine is what it was: {machine:?}");
    for (broker, flag) in [("sim", "--apart"), ("nats://127.0.0.1:1", "--apart")] {
        let refused = Place::new().run(&["run", "quick", "--broker", broker, flag]);
        refused.fails(2, &["--apart is for `--broker local`"]);
    }
}
