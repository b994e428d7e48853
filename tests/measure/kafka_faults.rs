//! A real Kafka behind a line that is slow, cut or silent: its figures move by what can be computed, nothing that was
//! acknowledged is lost, and a run always ends.
//!
//! A client of Kafka goes to the address that the broker advertises, so that is the proxy's own.

#![expect(clippy::expect_used, reason = "tests")]

use std::sync::OnceLock;
use std::time::Duration;

use tickgate::num;
use tickgate::record::{End, Record};

use crate::support::attempts::{Figure, Lateness, Miss, far, measured, quantile};
use crate::support::kafka::{Kafka, Pool, is_there};
use crate::support::machine::{self, Hold};
use crate::support::ports::free_port;
use crate::support::program::{Done, Place, Running, balances};
use crate::support::proxy::Direction::{ToClient, ToServer};
use crate::support::proxy::{Direction, Proxy, Shape};

const PROFILE: &str = r#"
[load]
rate = "500/s"
warmup = "1s"
duration = "3s"
drain = "30s"
arrival = "constant"

[market]
symbols = 20

[[groups]]
name = "trading-engine"

[bus]
kind = "kafka"

[objectives]
"delivery.lost" = "== 0"
"delivery.duplicate" = "== 0"
"replay.complete" = "== 100%"
"#;
const SECOND: Duration = Duration::from_secs(1);

/// A Kafka behind a proxy, for one test at a time.
struct Behind {
    _turn: Kafka,
    _machine: Hold,
    proxy: &'static Proxy,
}

impl Behind {
    /// Takes the machine before a turn, for tests that have neither wait for the machine first.
    fn start(machine: fn() -> Hold) -> Option<Self> {
        static LINE: OnceLock<(u16, Proxy)> = OnceLock::new();
        static BROKER: Pool = Pool::of(1);
        if !is_there() {
            return None;
        }
        let machine = machine();
        let (port, proxy) = LINE.get_or_init(|| {
            let port = free_port();
            (port, Proxy::to(port))
        });
        let turn = Kafka::with(&BROKER, || {
            format!(
                "listeners=CLIENT://127.0.0.1:{{client}},CONTROLLER://127.0.0.1:{{controller}},LINE://127.0.0.1:{port}\n\
                 advertised.listeners=CLIENT://127.0.0.1:{{client}},LINE://127.0.0.1:{}\n\
                 listener.security.protocol.map=CLIENT:PLAINTEXT,CONTROLLER:PLAINTEXT,LINE:PLAINTEXT\n",
                proxy.port()
            )
        });
        let behind = Self { _turn: turn, _machine: machine, proxy };
        behind.shape(&[ToServer, ToClient], Shape::default());
        Some(behind)
    }

    fn shape(&self, directions: &[Direction], shape: Shape) {
        for &direction in directions {
            self.proxy.shape(direction, shape);
        }
    }

    /// A run by way of the proxy; `meanwhile` begins with the measure phase.
    #[track_caller]
    fn run(&self, sets: &[&str], meanwhile: impl FnOnce(&Running)) -> (Done, Record) {
        let place = Place::new();
        let profile = place.write("faults.toml", PROFILE);
        let url = format!("kafka://127.0.0.1:{}", self.proxy.port());
        let mut args = vec!["run", profile.as_str(), "--quiet", "--broker", &url];
        args.extend(sets.iter().flat_map(|set| ["--set", set]));
        let mut running = place.start(&args);
        running.until_it_measures();
        meanwhile(&running);
        let done = running.wait();
        assert!(done.code >= 0 && !done.err.contains("panicked"), "{done:#?}");
        let record = place.record();
        balances(&record);
        (done, record)
    }
}

impl Drop for Behind {
    fn drop(&mut self) {
        self.shape(&[ToServer, ToClient], Shape::default());
    }
}

/// Everything was confirmed and stored once, and arrived once and in order.
#[track_caller]
fn whole(record: &Record) {
    let (load, group) = (&record.load, &record.groups[0]);
    let audit = record.audit.as_ref().expect("an audit");
    assert_eq!((load.refused, load.unconfirmed, load.acked + load.unsent), (0, 0, load.intended));
    assert_eq!((group.delivered, group.lost, group.duplicate, group.corrupt), (load.acked, 0, 0, 0));
    assert_eq!((group.reordered, audit.out_of_order), (0, 0));
    assert_eq!((audit.missing, audit.stored_once, audit.stored_twice), (0, load.acked, 0));
}

fn kinds(record: &Record) -> Vec<&str> {
    record.marks.iter().map(|mark| mark.kind.as_str()).collect()
}

mod alone {
    use super::*;

    /// An event crosses the line twice: to the broker in a request of the producer, and from it in the answer to a request of
    /// the member that waits there already; its acknowledgement crosses it back. So each direction counts once in each of
    /// the two times. What it must not be is in the way of the next: events come 50 ms apart, so that each finds the
    /// producer's last request answered, and the member's next one back at the broker.
    ///
    /// On a machine that is busy with other things the median is of its making: then the fastest events have to show it.
    #[test]
    fn a_delay_counts_once_in_each_direction() {
        const DELAY: f64 = 0.020;
        const TOLERATED: f64 = 0.008;
        const MEDIAN: f64 = 0.5;
        const FASTEST: f64 = 0.05;
        let Some(behind) = Behind::start(machine::alone) else { return };
        let run = |directions: &[Direction]| {
            behind.shape(&[ToServer, ToClient], Shape::default());
            behind.shape(directions, Shape { delay_ns: num::u64_of(DELAY * 1e9), ..Shape::default() });
            let (done, record) = behind.run(&["load.rate=20/s"], |_| {});
            done.ends(0);
            whole(&record);
            record
        };
        let times = |record: &Record, q: f64| {
            [&record.groups[0].latency, &record.load.ack].map(|times| quantile(times, q))
        };
        let mut cases = vec![
            ("to the broker", &[ToServer][..], DELAY),
            ("from the broker", &[ToClient], DELAY),
            ("both ways", &[ToServer, ToClient], 2.0 * DELAY),
        ];
        // Java's compiler needs its time.
        run(&[]);
        measured(|| {
            let base = run(&[]);
            let (mut wrong, mut disturbed) = (Ok(()), Ok(()));
            cases.retain(|&(name, directions, moved)| {
                let record = run(directions);
                // No event is faster than the line; distributions are kept to two digits and more.
                assert!(times(&record, 0.0).iter().all(|seconds| *seconds > moved * 0.98), "{name}");
                let calm = Lateness::of(&base).or(Lateness::of(&record)).p99 < TOLERATED / 4.0
                    && times(&base, MEDIAN).iter().all(|seconds| *seconds < DELAY);
                let q = if calm { MEDIAN } else { FASTEST };
                let figures: Vec<Figure> = (["latency", "ack"].iter().zip(times(&base, q)))
                    .zip(times(&record, q))
                    .map(|((what, base), seen)| {
                        (format!("{name}: {what} p{}", q * 100.0), base + moved, seen)
                    })
                    .collect();
                let Err(why) = far(&figures, TOLERATED, TOLERATED) else { return false };
                if calm {
                    wrong = Err(Miss::Wrong(why));
                } else {
                    disturbed = Err(Miss::Disturbed(why));
                }
                true
            });
            wrong.and(disturbed)
        });
    }
}

/// The producer numbers its batches and sends them again, so that the cut shows as time and in nothing else.
#[test]
fn a_cut_is_seen_and_loses_nothing_that_was_acknowledged() {
    let Some(behind) = Behind::start(machine::beside_others) else { return };
    behind.shape(&[ToServer, ToClient], Shape { delay_ns: 20_000_000, ..Shape::default() });
    let (done, record) = behind.run(&["bus.publish_timeout=30s", "load.duration=4s"], |_| {
        std::thread::sleep(SECOND);
        behind.proxy.cut(SECOND);
    });
    done.ends(0);
    assert_eq!(record.run.end, End::Completed);
    whole(&record);
    assert_eq!(record.load.unsent, 0, "the buffer holds what comes in a second");
    for kind in ["disconnected", "connected"] {
        assert!(kinds(&record).contains(&kind), "`{kind}` is not in {:?}", record.marks);
    }
    // A quarter of the events fell due, evenly spaced, while the link was down, and their latency counts from then.
    for times in [&record.groups[0].latency, &record.load.ack] {
        let seen = quantile(times, 0.95);
        assert!(seen > 0.6, "{seen} s");
    }
}

/// Connections that look sound and carry nothing: each thing that is waited for has its deadline.
#[test]
fn half_open_connections_end_the_run_and_are_no_loss() {
    let Some(behind) = Behind::start(machine::beside_others) else { return };
    let sets = ["bus.publish_timeout=3s", "load.drain=2s"];
    let (done, record) = behind.run(&sets, |_| {
        std::thread::sleep(SECOND);
        behind.shape(&[ToServer, ToClient], Shape { vanish: true, ..Shape::default() });
    });
    done.ends(4);
    assert_eq!(record.run.end, End::BrokerFailed);
    let reason = record.run.reason.as_deref().expect("a reason");
    assert!(reason.contains("stopped answering"), "{reason}");
    let (load, group) = (&record.load, &record.groups[0]);
    assert!(load.unconfirmed > 0, "what was under way is in doubt: {load:?}");
    assert!(group.lost == 0 || !done.out.contains("the bus lost"), "{}", done.out);
    for kind in ["broker-silent", "left-behind"] {
        assert!(kinds(&record).contains(&kind), "`{kind}` is not in {:?}", record.marks);
    }
    let length = record.phases.last().expect("phases").end_ns - record.phases[1].start_ns;
    assert!(length < 180_000_000_000, "its deadlines are far below {length} ns");
}
