//! Comparisons of fixed runs.

use tickgate::compare::{
    About, Comparison, Design, Kind, Letter, Order, Pair, Prices, Round, Setups, SideInput, Trial, compare,
    compare_all, order, orders,
};
use tickgate::measure;
use tickgate::plan::Span;
use tickgate::record::{Latency, Process, Record};

use super::records::{Recipe, failing, hostile, of};

/// All kinds of comparisons, by name.
pub fn all() -> Vec<(&'static str, Comparison)> {
    vec![
        ("worse", worse()),
        ("few", few()),
        ("folders", folders()),
        ("hostile", hostile_sides()),
        ("crowded", crowded()),
        ("groups", two_groups()),
        ("lighter", lighter()),
        ("three", three()),
    ]
}

/// The record of one run of a side; `k` makes it differ a little from the others.
fn run(name: &'static str, median_ns: u64, k: u64) -> Record {
    let mut record = of(&Recipe {
        name,
        median_ns: median_ns + median_ns * (k * 7 % 11) / 100,
        groups: vec!["trading-engine".into()],
        ..Recipe::default()
    });
    record.load.ack.p99_ns += k;
    record
}

/// Events of the measure phase of a run of [`carrying`].
pub const DUE: u64 = 3_000;

/// A run that carried so many of [`DUE`] events, and left the rest unsent; times of those around the median.
pub fn carrying(carried: u64, median_ns: u64, k: u64) -> Record {
    let mut record = of(&Recipe {
        name: "quick",
        median_ns: median_ns + median_ns * (k * 7 % 11) / 100,
        groups: vec!["trading-engine".into()],
        events_a_second: DUE / 12,
        objectives: vec![("latency.p99", "< 100ms"), ("delivery.lost", "== 0")],
        ..Recipe::default()
    });
    let unsent = DUE - carried;
    let load = &mut record.load;
    load.unsent = unsent;
    for count in [&mut load.sent, &mut load.acked, &mut load.measured_sent, &mut load.measured_acked] {
        *count -= unsent;
    }
    load.ack = survivors(&load.ack, carried);
    for group in &mut record.groups {
        group.expected -= unsent;
        group.delivered -= unsent;
        group.latency = survivors(&group.latency, carried);
    }
    record.resources.store_bytes = record.resources.store_bytes.map(|bytes| bytes - unsent * 380);
    record
}

/// The first of the times of a distribution, in the order of its values taken in strides: a sample of it.
fn survivors(of: &Latency, kept: u64) -> Latency {
    let times = measure::decode(&of.histogram).unwrap();
    let values: Vec<u64> = times
        .iter_recorded()
        .flat_map(|step| {
            let count = usize::try_from(step.count_since_last_iteration()).unwrap();
            std::iter::repeat_n(step.value_iterated_to(), count)
        })
        .collect();
    let mut latency = measure::Latency::new(&[]);
    for n in 0..kept {
        let at = usize::try_from(n * of.count / kept).unwrap();
        latency.record(i64::try_from(values[at]).unwrap());
    }
    Latency::from(&latency)
}

/// Eight pairs of runs, made from their number.
pub fn eight(a: impl Fn(u64) -> Record, b: impl Fn(u64) -> Record) -> Vec<Pair> {
    pairs(8, |k| Trial::of(&format!("a-{k:02}"), &a(k)), |k| Trial::of(&format!("b-{k:02}"), &b(k)))
}

/// What follows from these pairs.
pub fn compared(pairs: Vec<Pair>) -> Comparison {
    let setup = |label: &str| setup(label, carrying(DUE, 400_000, 1));
    compare(about("pairs"), Design::default(), Some(&prices()), [&setup("one"), &setup("two")], pairs)
}

fn setup(label: &str, sample: Record) -> SideInput {
    SideInput { label: label.into(), overrides: vec![format!("bus.kind={label}")], sample: Some(sample) }
}

fn about(name: &str) -> About {
    About {
        id: "4qej5694".into(),
        name: name.into(),
        description: "Two buses at the same rate.".into(),
        profile: "quick".into(),
        sets: vec!["load.rate=1k/s".into()],
        notes: vec!["Prices are examples.".into()],
        tickgate: "0.1.0".into(),
        started: "2026-11-24T08:54:13.983Z".into(),
        ended: "2026-11-24T09:24:13.983Z".into(),
        interrupted: None,
    }
}

fn prices() -> Prices {
    Prices {
        currency: "EUR".into(),
        core: 20.0,
        gib_memory: 4.0,
        gb_disk: 0.08,
        retention: Span::seconds(86_400),
    }
}

fn pairs(n: u32, a: impl Fn(u64) -> Trial, b: impl Fn(u64) -> Trial) -> Vec<Pair> {
    let order = order(5, n).into_iter();
    (1..=n)
        .zip(order)
        .map(|(number, order)| Pair {
            number,
            order,
            a: a(number.into()),
            b: b(number.into()),
            excluded: None,
        })
        .collect()
}

fn kafka(k: u64) -> Record {
    let mut record = run("quick", 6_000_000, k + 3);
    record.plan.bus.kind = tickgate::plan::BusKind::Kafka;
    record.broker.kind = "kafka".into();
    record.broker.product = "kafka".into();
    record.broker.version = "4.3.1".into();
    record.broker.settings.insert("linger_ms".into(), "5".into());
    let process = Process {
        cpu_seconds: 6.0,
        cpu_cores: 0.6 + 0.001 * f64::from(u32::try_from(k).unwrap()),
        peak_memory_bytes: 1_100_000_000 + k,
        cpu_unknown: false,
    };
    record.resources.brokers = [("kafka".to_owned(), process)].into();
    record
}

/// NATS against Kafka: slower, larger, dearer; one pair of eight left out, and events lost.
pub fn worse() -> Comparison {
    let a = |k: u64| run("quick", 400_000, k);
    let mut pairs =
        pairs(8, |k| Trial::of(&format!("a-{k:02}"), &a(k)), |k| Trial::of(&format!("b-{k:02}"), &kafka(k)));
    pairs[2].b = Trial::failed("b-03", "kafka ended with exit code 1");
    pairs[4].b.ledger.lost = 12;
    compare(
        about("kafka-vs-nats"),
        Design::default(),
        Some(&prices()),
        [&setup("nats", a(1)), &setup("kafka", kafka(1))],
        pairs,
    )
}

/// B takes half the time for the fifth of its load that it does not refuse.
pub fn lighter() -> Comparison {
    compared(eight(|k| carrying(DUE, 400_000, k), |k| carrying(DUE / 5, 200_000, k)))
}

/// Three sides of one durability each: B twice as slow as A and safer, C as fast as A.
pub fn three() -> Comparison {
    let side = |at: usize, k: u64| {
        let median = [400_000, 800_000, 400_000][at];
        let mut record = run("quick", median, if at == 2 { k + 1 } else { k });
        let durability = ["page cache", "fsync", "page cache"][at];
        record.broker.durability = durability.into();
        record
    };
    let rounds: Vec<Round> = (1..=8)
        .zip(orders(5, 3, 8))
        .map(|(number, order)| Round {
            number,
            order,
            trials: (0..3)
                .map(|at| {
                    Trial::of(&format!("{}-{number:02}", ["a", "b", "c"][at]), &side(at, number.into()))
                })
                .collect(),
        })
        .collect();
    let setups = [
        setup("nats-one-replica-sync-2m", side(0, 1)),
        setup("nats-one-replica-sync-always", side(1, 1)),
        setup("nats-one-replica-sync-2m-again", side(2, 1)),
    ];
    let setups = Setups::new(setups.iter().collect(), Letter::A).unwrap();
    let design = Design { allow_unequal: true, ..Design::default() };
    compare_all(about("three-sides"), design, Some(&prices()), &setups, &rounds)
}

/// Two groups, of which B keeps one waiting twice as long.
pub fn two_groups() -> Comparison {
    let record = |factor: u64, k: u64| {
        let of_group = |name: &str, median_ns: u64| {
            let mut record = run("quick", median_ns, k);
            record.groups[0].name = name.into();
            record.groups.remove(0)
        };
        let mut record = run("quick", 400_000, k);
        record.groups = vec![of_group("analytics", 400_000 * factor), of_group("trading-engine", 400_000)];
        record
    };
    let pairs = pairs(
        8,
        |k| Trial::of(&format!("a-{k:02}"), &record(1, k)),
        |k| Trial::of(&format!("b-{k:02}"), &record(2, k)),
    );
    let setups = [setup("one", record(1, 1)), setup("two", record(2, 1))];
    compare(about("two-groups"), Design::default(), None, [&setups[0], &setups[1]], pairs)
}

/// Two pairs, of unequal durability.
pub fn few() -> Comparison {
    let mut b = run("quick", 300_000, 1);
    b.broker.durability = "memory".into();
    b.plan.bus.storage = tickgate::plan::Storage::Memory;
    let trial = |k: u64| Trial::of(&format!("a-{k:02}"), &run("quick", 400_000, k));
    let pairs = pairs(2, trial, |k| Trial::of(&format!("b-{k:02}"), &run("quick", 300_000, k)));
    compare(
        about("file-vs-memory"),
        Design { pairs: 2, ..Design::default() },
        None,
        [&setup("file", run("quick", 400_000, 1)), &setup("memory", b)],
        pairs,
    )
}

/// One run of each side.
pub fn folders() -> Comparison {
    let (a, b) = (run("quick", 400_000, 1), failing());
    let pair = Pair {
        number: 1,
        order: Order::Ab,
        a: Trial::of("reports/a", &a),
        b: Trial::of("reports/b", &b),
        excluded: None,
    };
    let design =
        Design { kind: Kind::Folders, pairs: 1, allow_different_workload: true, ..Design::default() };
    compare(about("two folders"), design, None, [&setup("old", a), &setup("new", b)], vec![pair])
}

/// Every text that comes from outside tries to leave its place.
pub fn hostile_sides() -> Comparison {
    let bad = hostile().plan.name;
    let side = |k: u64| {
        let mut record = hostile();
        record.load.ack.p99_ns += k;
        record.run.end = tickgate::record::End::Completed;
        record.health.valid = true;
        record
    };
    let trial = |k: u64| Trial::of(&bad, &side(k));
    let mut pairs = pairs(8, trial, |k| Trial::of(&bad, &side(k + 3)));
    pairs[1].a = Trial::failed(&bad, &bad);
    let setup = |kind: &str| {
        let mut sample = side(1);
        sample.broker.kind = kind.into();
        if kind == "kafka" {
            sample.broker.durability = format!("{bad} other");
            sample.plan.market.symbols += 1;
        }
        SideInput { label: bad.clone(), overrides: vec![bad.clone()], sample: Some(sample) }
    };
    let about = About {
        id: bad.clone(),
        name: bad.clone(),
        description: bad.clone(),
        profile: bad.clone(),
        sets: vec![bad.clone()],
        notes: vec![bad.clone()],
        tickgate: bad.clone(),
        started: bad.clone(),
        ended: bad.clone(),
        interrupted: Some(bad.clone()),
    };
    let prices = Prices { currency: bad.clone(), ..prices() };
    compare(about, Design::default(), Some(&prices), [&setup("nats"), &setup("kafka")], pairs)
}

/// Forty pairs, ratios from a hundredth to a hundred, and long names.
pub fn crowded() -> Comparison {
    let sample = run("quick", 400_000, 1);
    let base = Trial::of("a", &sample);
    let trial = |name: &str, k: u64, factor: f64| {
        let mut trial = base.clone();
        trial.folder = format!("{name}-{k:02}");
        for (n, (_, figure)) in trial.figures.iter_mut().enumerate() {
            let n = f64::from(u32::try_from(n).unwrap());
            let k = f64::from(u32::try_from(k * 37 % 41).unwrap());
            *figure *= (1.0 + k / 90.0) * factor.powf((n - 5.0) / 5.0);
        }
        trial
    };
    let pairs = pairs(40, |k| trial("a", k, 1.0), |k| trial("b", k * 3, 100.0));
    let long = "a-label-that-is-as-long-as-labels-may-be".to_owned();
    let label = |end: &str| setup(&format!("{long}{end}"), sample.clone());
    compare(
        about("crowded"),
        Design { pairs: 40, ..Design::default() },
        None,
        [&label("a"), &label("b")],
        pairs,
    )
}
