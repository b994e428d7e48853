//! A starved harness never blames the bus, and passes only what its counters hold: tickgate with a fifth of a core, its
//! server free.

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a test may fail, and reports its figures")]

use tickgate::measure::decode;
use tickgate::num;
use tickgate::record::{End, Record, Verdict};

use crate::support::nats::NatsServer;
use crate::support::program::{Place, balances};
use crate::support::{machine, outside};

/// Objectives on every time, and on the faults of a bus.
const PROFILE: &str = r#"
[load]
rate = "100/s"
warmup = "1s"
duration = "4s"
drain = "30s"
[market]
symbols = 20
[[groups]]
name = "trading-engine"
[objectives]
"latency.p50" = "< 20ms"
"latency.p99" = "< 100ms"
"ack.p99" = "< 100ms"
"service.p99" = "< 100ms"
"windows.latency.p99" = "< 100ms"
"throughput.delivered" = ">= 90/s"
"delivery.lost" = "== 0"
"delivery.duplicate" = "== 0"
"delivery.corrupt" = "== 0"
"ordering.reordered" = "== 0"
"replay.complete" = "== 100%"
"#;

const HOW: &str = "as root, with /sys/fs/cgroup writable";

/// A run at so many events a second, of which 90 % are asked for.
fn starved(rate: u32, more: &[&str]) -> (i32, Record, String) {
    let server = NatsServer::start();
    let mut place = Place::new();
    place.program(outside::root().join("scripts/confined.sh"));
    let profile = place.write("starved.toml", PROFILE);
    let program = ["20", env!("CARGO_BIN_EXE_tickgate"), "run", &profile, "--quiet"];
    let carried = format!("objectives.throughput.delivered=>= {}/s", rate / 10 * 9);
    let rate = format!("load.rate={rate}/s");
    let sets = [&[rate.as_str(), &carried], more].concat();
    let sets: Vec<_> = sets.into_iter().flat_map(|set| ["--set", set]).collect();
    let done = place.run(&[&program[..], &["--broker", &server.url()], &sets].concat());
    assert!(done.code >= 0 && !done.err.contains("panicked"), "{done:#?}");
    (done.code, place.record(), done.out)
}

/// By the counters of the whole record: enough of all that was due came, and in time.
fn holds(record: &Record, q: f64, limit_ns: u64) -> bool {
    let group = &record.groups[0];
    let in_time = decode(&group.latency.histogram).unwrap().count_between(0, limit_ns);
    num::f64_of(in_time) >= q * num::f64_of(record.load.measured_intended)
}

/// The only verdicts that a starved run may give.
#[track_caller]
fn is_honest(code: i32, record: &Record, text: &str) {
    balances(record);
    assert_eq!(record.run.end, End::Completed, "{:?}", record.run.reason);
    let judged: Vec<_> = (record.objectives.iter())
        .map(|o| format!("{:?} {} {} {:?}: {:?}", o.verdict, o.name, o.limit, o.observed, o.reason))
        .collect();
    eprintln!("exit code {code}\n{}", judged.join("\n"));
    // The server had all that it could use, so nothing that was missed is its doing.
    assert!([0, 3].contains(&code), "exit code {code}:\n{text}");
    assert_eq!(code == 0, record.verdict == Verdict::Pass);
    for objective in &record.objectives {
        assert_ne!(objective.verdict, Verdict::Fail, "{objective:?}");
        let held = match objective.name.as_str() {
            name if name.ends_with("windows.latency.p99") => continue,
            name if name.ends_with("latency.p50") => holds(record, 0.5, 20_000_000),
            name if name.ends_with("latency.p99") => holds(record, 0.99, 100_000_000),
            name if name.ends_with("throughput.delivered") => {
                record.groups[0].measured_in_time >= 9 * record.load.measured_intended / 10
            }
            _ => continue,
        };
        assert!(held || objective.verdict != Verdict::Pass, "it passes, and does not hold: {objective:?}");
    }
    let (load, group) = (&record.load, &record.groups[0]);
    if code == 0 {
        assert_eq!(
            (load.acked, load.unsent, load.unconfirmed),
            (load.intended, 0, 0),
            "all of it was offered"
        );
        assert_eq!((group.delivered, group.lost), (load.acked, 0), "and arrived");
    }
    let audit = record.audit.as_ref().unwrap();
    assert_eq!((audit.missing, audit.stored_twice, audit.out_of_order), (0, 0, 0));
    assert_eq!((group.duplicate, group.corrupt, group.reordered), (0, 0, 0));
}

fn can_starve() -> bool {
    outside::brought("cgroup", "scripts/confined.sh check", HOW)
}

mod alone {
    use super::*;

    /// From a load that a fifth of a core can carry to one far beyond that.
    #[test]
    fn a_starved_harness_neither_passes_what_does_not_hold_nor_blames_the_bus() {
        if !can_starve() {
            return;
        }
        let _alone = machine::alone();
        for rate in [100, 1000, 5000, 20_000] {
            let (code, record, text) = starved(rate, &[]);
            is_honest(code, &record, &text);
        }
    }

    /// Events not fetched when the drain ends are still on the server: they are not lost.
    #[test]
    fn what_a_starved_harness_has_not_fetched_by_the_end_of_its_drain_is_not_lost() {
        if !can_starve() {
            return;
        }
        let _alone = machine::alone();
        let (code, record, text) = starved(5000, &["load.consume=backlog", "load.drain=500ms"]);
        is_honest(code, &record, &text);
    }
}

/// `make busy` counts what its runs said.
#[test]
fn the_table_of_a_campaign_counts_verdicts_and_reasons() {
    let _beside = machine::beside_others();
    let how = "install Python 3.10 or later with venv, and run scripts/python.sh";
    if outside::brought("python", "scripts/python.sh", how) {
        let said = outside::python("scripts/busy_table.py", &[std::path::Path::new("--selftest")]);
        assert!(said.contains("counts as it should"), "{said}");
    }
}
