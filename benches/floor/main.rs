//! tickgate beside a client that does no more than it must: `make bench-floor`.
//!
//! The raw client ([`raw`]) sends and receives the same load over two plain sockets: one thread that sends, one that reads
//! acknowledgements, one that receives. What it sees is the bus and this machine; what tickgate shows above it is tickgate's
//! own share. Both run in turn, on one nats-server, each round in the other order; the figures are medians of rounds.
//!
//! `cargo bench --bench floor -- [--bus nats|kafka] [--rounds N] [--seconds N] [--rates 1000,10000,30000] [--arrival constant,poisson] [-- ARGS OF TICKGATE]`

#![expect(clippy::expect_used, clippy::panic, reason = "a bench has no caller to report to")]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a bench shows its figures")]
#![expect(clippy::as_conversions, clippy::cast_precision_loss, reason = "figures for people")]
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "small numbers"
)]

mod looking;
mod raw;
mod raw_kafka;
mod server;
mod table;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use looking::{Cost, watch};
use server::Server;
use table::{Figures, Row};
use tickgate::record::{PhaseName, Record};

/// Bytes of an event.
pub(crate) const SIZE: usize = 325;
/// Seconds before the measurement.
pub(crate) const WARM_UP: u64 = 1;

struct Options {
    bus: String,
    rounds: usize,
    seconds: u64,
    rates: Vec<u64>,
    arrivals: Vec<String>,
    program: PathBuf,
    more: Vec<String>,
}

fn options() -> Options {
    let mut options = Options {
        bus: "nats".into(),
        rounds: 5,
        seconds: 5,
        rates: vec![1_000, 10_000, 30_000],
        arrivals: vec!["constant".into(), "poisson".into()],
        program: Path::new(env!("CARGO_BIN_EXE_tickgate")).to_owned(),
        more: Vec::new(),
    };
    // Cargo says `--bench` to every bench.
    let mut words = std::env::args().skip(1).filter(|word| word != "--bench");
    while let Some(word) = words.next() {
        let mut value = || words.next().unwrap_or_else(|| panic!("{word} wants a value"));
        match word.as_str() {
            "--bus" => options.bus = value(),
            "--rounds" => options.rounds = value().parse().expect("--rounds: a number"),
            "--seconds" => options.seconds = value().parse().expect("--seconds: a number"),
            "--rates" => {
                options.rates = value().split(',').map(|r| r.parse().expect("--rates: numbers")).collect();
            }
            "--arrival" => options.arrivals = value().split(',').map(str::to_owned).collect(),
            "--tickgate" => options.program = value().into(),
            "--" => options.more = words.by_ref().collect(),
            other => panic!("{other} is not known; see the head of benches/floor/main.rs"),
        }
    }
    assert!(
        (1..=20).contains(&options.rounds) && (1..=60).contains(&options.seconds),
        "1 to 20 rounds, 1 to 60 s"
    );
    assert!(options.rates.iter().all(|rate| (1..=100_000).contains(rate)), "rates of 1 to 100,000 events/s");
    options
}

fn main() {
    if std::env::args().nth(1).as_deref() == Some("raw") {
        return raw::main();
    }
    let options = options();
    let server = Server::start(&options.bus);
    let (mut rows, mut runs) = (Vec::new(), 0);
    for rate in &options.rates {
        for arrival in &options.arrivals {
            let mut row = Row::new(*rate, arrival);
            for round in 0..options.rounds {
                eprintln!("floor: {rate}/s, {arrival}, round {} of {}", round + 1, options.rounds);
                for turn in [round % 2, (round + 1) % 2] {
                    runs += 1;
                    if turn == 0 {
                        row.raw.push(raw_client(&server, &options, *rate, arrival, runs));
                    } else {
                        row.tickgate.push(ours(&server, &options, *rate, arrival));
                    }
                }
            }
            println!("{}", row.written());
            rows.push(row);
        }
    }
    let text = table::written(&rows, &options.bus, options.rounds, options.seconds);
    println!("\n{text}");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("..").join("floor");
    std::fs::create_dir_all(&folder).expect("a folder");
    let name = format!("floor-{}.md", options.bus);
    std::fs::write(folder.join(&name), &text).expect("written");
    eprintln!("floor: written to target/floor/{name}");
}

/// The raw client, in a separate process as tickgate is.
fn raw_client(server: &Server, options: &Options, rate: u64, arrival: &str, number: usize) -> Figures {
    let stream = server.fresh_stream(number);
    let own = std::env::current_exe().expect("this program");
    let seconds = options.seconds.to_string();
    let child = Command::new(own)
        .args(["raw", &options.bus, &server.address(), &rate.to_string(), &seconds, &stream, arrival])
        .stdout(Stdio::piped())
        .spawn()
        .expect("starts");
    let (said, looks) = watch(child);
    let mut figures: Figures = serde_json::from_str(&said).expect("its figures");
    figures.cost = Some(Cost::between(&looks, figures.from_unix_ns, figures.until_unix_ns, figures.events));
    server.remove(&stream);
    figures
}

fn ours(server: &Server, options: &Options, rate: u64, arrival: &str) -> Figures {
    let folder = tempfile::tempdir().expect("a folder");
    let sets = [
        format!("load.rate={rate}/s"),
        format!("load.arrival={arrival}"),
        format!("load.warmup={WARM_UP}s"),
        format!("load.duration={}s", options.seconds),
        format!("market.event_size={SIZE}B"),
        "bus.audit=false".to_owned(),
        "objectives={\"delivery.lost\" = \"== 0\"}".to_owned(),
    ];
    let mut command = Command::new(&options.program);
    command.args(["run", "quick", "--quiet", "--format", "json"]);
    command.args(server.arguments()).arg("--out").arg(folder.path());
    for set in &sets {
        command.args(["--set", set]);
    }
    let child = command.args(&options.more).stdout(Stdio::piped()).spawn().expect("starts");
    let (said, looks) = watch(child);
    let record: Record =
        serde_json::from_str(&said).unwrap_or_else(|error| panic!("no record: {error}\n{said}"));
    let measured = record.phases.iter().find(|phase| phase.name == PhaseName::Measure).expect("it measured");
    let (from, until) =
        (record.run.epoch_unix_ns + measured.start_ns, record.run.epoch_unix_ns + measured.end_ns);
    let group = &record.groups[0];
    let of = |latency: &tickgate::record::Latency| [latency.p50_ns, latency.p90_ns, latency.p99_ns];
    let events = record.load.measured_intended;
    assert!(
        group.lost == 0 && group.latency.count == events,
        "an event is missing: {} of {events}",
        group.latency.count
    );
    Figures {
        events,
        lag: of(&record.load.send_lag),
        ack: of(&record.load.ack),
        latency: of(&group.latency),
        from_unix_ns: from,
        until_unix_ns: until,
        cost: Some(Cost::between(&looks, from, until, events)),
    }
}
