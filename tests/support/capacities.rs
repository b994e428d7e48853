//! Accounts of searches in small worlds: a bus with a threshold, and trials that scatter around it.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use tickgate::capacity::{
    About, Capacity, Design, Figures, Inputs, Limit, Next, Outcome, Stage, Step, Trial, conclude, next,
};
use tickgate::compare::{Ledger, Prices};
use tickgate::plan::{Dropped, Rate, Span};
use tickgate::record::{Record, Thread};

use super::records::{Recipe, hostile as hostile_record, of};

/// A bus and its objectives.
pub struct World {
    /// The rate that half of the trials carry.
    pub threshold: f64,
    /// How far single trials scatter around it.
    pub scatter: f64,
    /// What limits a trial above the threshold.
    pub limit: Limit,
    /// Trials that others disturb, by number.
    pub disturbed: fn(u32) -> bool,
    /// The rate from which on tickgate is the limit.
    pub client: f64,
    /// Trials that a user waits for.
    pub patience: usize,
    pub design: Design,
    pub targets: Vec<f64>,
    pub growth: Option<f64>,
    pub prices: Option<Prices>,
    pub product: &'static str,
}

impl Default for World {
    fn default() -> Self {
        Self {
            threshold: 38_674.0,
            scatter: 0.06,
            limit: Limit::Machine,
            disturbed: |number| number == 9,
            client: f64::INFINITY,
            patience: 1000,
            design: Design { start: 10_000.0, max: 1e6, seed: 7, ..Design::default() },
            targets: vec![],
            growth: None,
            prices: None,
            product: "nats-server",
        }
    }
}

/// All kinds of searches, by name. A search takes a while without optimisation, so each is made once.
pub fn all() -> Vec<(&'static str, Capacity)> {
    static ALL: LazyLock<Vec<(&'static str, Capacity)>> = LazyLock::new(made);
    ALL.clone()
}

fn made() -> Vec<(&'static str, Capacity)> {
    vec![
        ("regular", regular()),
        ("one-sided", one_sided()),
        ("client", client()),
        ("none", without_estimate()),
        ("missed", missed()),
        ("priced", priced()),
        ("short", short()),
        ("hostile", hostile()),
        ("slow", slow()),
        ("untried", untried()),
        ("held", at(20_000.0)),
        ("rejected", at(60_000.0)),
    ]
}

/// Floor and ceiling are confirmed.
pub fn regular() -> Capacity {
    searched(World::default())
}

/// The highest rate passes.
pub fn one_sided() -> Capacity {
    let design = Design { max: 100_000.0, ..World::default().design };
    searched(World { threshold: 1e9, design, ..World::default() })
}

/// tickgate is the limit before the bus is.
pub fn client() -> Capacity {
    searched(World { threshold: 1e9, client: 60_000.0, ..World::default() })
}

/// Others use the machine in all trials.
pub fn without_estimate() -> Capacity {
    searched(World { disturbed: |_| true, targets: vec![20_000.0], ..World::default() })
}

/// A target above the ceiling, one between, and one below the floor.
pub fn missed() -> Capacity {
    let targets = vec![20_000.0, 38_000.0, 60_000.0];
    searched(World { targets, limit: Limit::Bus, ..World::default() })
}

/// With prices and a growth.
pub fn priced() -> Capacity {
    let prices = Prices {
        currency: "EUR".into(),
        core: 20.0,
        gib_memory: 4.0,
        gb_disk: 0.1,
        retention: Span::seconds(86_400),
    };
    let targets = vec![10_000.0];
    searched(World { prices: Some(prices), growth: Some(0.05), targets, ..World::default() })
}

/// Interrupted while it narrows.
pub fn short() -> Capacity {
    searched(World { patience: 6, targets: vec![10_000.0], ..World::default() })
}

/// A bus of a few hundred events a second, with rates close to each other.
pub fn slow() -> Capacity {
    let design = Design { start: 400.0, ..World::default().design }.quick();
    searched(World { threshold: 412.0, scatter: 0.02, design, ..World::default() })
}

/// Interrupted before the first trial.
pub fn untried() -> Capacity {
    searched(World { patience: 0, ..World::default() })
}

/// A test of one rate.
pub fn at(rate: f64) -> Capacity {
    let design = World::default().design.only_at(rate);
    searched(World { design, targets: vec![rate], ..World::default() })
}

/// Another product, with another capacity.
pub fn other() -> Capacity {
    searched(World { threshold: 24_000.0, limit: Limit::Bus, product: "Apache Kafka", ..World::default() })
}

/// Every text that comes from outside tries to leave its place.
pub fn hostile() -> Capacity {
    const BAD: &str = "</script><img src=x onerror=alert(1)>\"'&`|]]>-->\u{0}\u{202e}\n::error::x";
    let record = hostile_record();
    let mut c = missed();
    c.broker = Some(record.broker);
    c.environment = Some(record.environment);
    c.plan.name = BAD.into();
    let about = &mut c.about;
    for text in [&mut about.id, &mut about.profile, &mut about.tickgate, &mut about.started, &mut about.ended]
    {
        *text = BAD.into();
    }
    about.sets = vec![BAD.into()];
    about.tags = BTreeMap::from([(BAD.into(), BAD.into())]);
    c.schema = BAD.into();
    c.sentence = BAD.into();
    c.reasons = vec![BAD.into()];
    c.faults = vec![BAD.into()];
    c.answer.irregular = vec![BAD.into()];
    for trial in &mut c.trials {
        trial.reason = Some(BAD.into());
        trial.folder = BAD.into();
    }
    c
}

/// The account of a search in a world.
pub fn searched(world: World) -> Capacity {
    let mut trials: Vec<Trial> = Vec::new();
    while let Step::Try(next) = next(&world.design, &trials) {
        if trials.len() == world.patience {
            break;
        }
        trials.push(world.trial(&next));
    }
    let record = sample(&world);
    conclude(Inputs {
        about: About {
            id: "4qej5694".into(),
            profile: "adr-002".into(),
            sets: vec!["bus.sync=always".into()],
            tickgate: "0.1.0".into(),
            tags: BTreeMap::from([("commit".into(), "1a2b".into())]),
            started: "2026-11-26T08:54:13.983Z".into(),
            ended: "2026-11-26T09:02:13.983Z".into(),
        },
        design: world.design,
        plan: record.plan,
        broker: Some(record.broker),
        environment: Some(record.environment),
        prices: world.prices,
        targets: world.targets,
        growth: world.growth,
        trials,
    })
}

fn sample(world: &World) -> Record {
    let mut record = of(&Recipe::default());
    record.plan.load.rate = Rate::per_second(10_000.0);
    record.broker.product = world.product.into();
    if world.prices.is_some() {
        let what = "\"throughput.offered\" = \">= 9900/s\"".to_owned();
        let why = "the offered rate is what the search varies".to_owned();
        record.plan.dropped = vec![Dropped { what, why }];
    }
    record
}

impl World {
    /// The outcome of a trial: the threshold scatters with the trial's seed, and one trial in thirty misses in any case.
    fn trial(&self, next: &Next) -> Trial {
        let chance =
            f64::from(u32::try_from(next.seed.wrapping_mul(2_654_435_761) % 10_000).unwrap()) / 10_000.0;
        // The quantile of a triangle is near enough to that of a normal.
        let scattered = self.threshold * (1.0 + self.scatter * (chance - 0.5) * 4.0);
        let carried = next.rate.min(scattered);
        let outcome = match (next.rate > scattered, next.rate >= self.client) {
            _ if (self.disturbed)(next.number) => Outcome::Disturbed,
            (_, true) => Outcome::Client,
            (true, _) if self.limit == Limit::Machine => Outcome::Saturated,
            (true, _) => Outcome::NotPassed,
            (false, _) => Outcome::Passed,
        };
        let (limit, reason) = match outcome {
            Outcome::Passed => (None, None),
            Outcome::Disturbed => (None, Some("other processes used 0.91 of 2 cores")),
            Outcome::Client => (Some(Limit::Client), Some("the thread gen-0 used 0.97 of a core")),
            Outcome::Saturated => (Some(self.limit), Some("tickgate and the broker used 1.93 of 2 cores")),
            _ => (Some(self.limit), Some("latency.p99 is 212ms, and the limit is 100ms")),
        };
        let confirms = matches!(next.stage, Stage::Floor | Stage::Ceiling);
        Trial {
            number: next.number,
            stage: next.stage,
            rate: next.rate,
            seed: next.seed,
            folder: format!("t-{:03}", next.number),
            run: format!("run{:05}", next.number),
            outcome,
            limit,
            reason: reason.map(str::to_owned),
            took: Span { ns: 9_400_000_000 + u64::from(next.number) * 10_000_000 },
            curtailed: outcome == Outcome::NotPassed && !confirms,
            figures: Some(self.figures(next.rate, carried, scattered)),
        }
    }

    fn figures(&self, rate: f64, carried: f64, scattered: f64) -> Figures {
        let free = (1.0 - rate / scattered).max(0.004);
        let ns = |value: f64| Some(tickgate::num::u64_of(value));
        let late = (rate > scattered).then_some(4.0);
        let times = [9.0e4, 4.0e5, 9.0e5].map(|base| base / free * late.unwrap_or(1.0));
        let share = (carried / self.threshold).min(1.0);
        let (broker, harness) = (0.06 + carried * 2.1e-5, 0.04 + carried * 2.6e-5);
        Figures {
            seconds: 5.0,
            intended: tickgate::num::u64_of(rate * 5.0),
            offered: rate,
            achieved: carried,
            p50_ns: ns(times[0]),
            p99_ns: ns(times[1]),
            // Of an overloaded trial, too many events never came.
            p99_9_ns: late.map_or_else(|| ns(times[2]), |_| None),
            broker_cores: Some(broker),
            broker_memory_bytes: Some(96 << 20),
            harness_cores: Some(harness),
            usable_cores: Some(2.0),
            busy_cores: Some((broker + harness + 0.1).min(2.0)),
            others_cores: Some(0.1),
            stolen_cores: Some(0.02),
            busiest_thread: Some(Thread { name: "gen-0".into(), cores: (harness * 0.6).min(1.0) }),
            window_full: Some(if share < 0.95 { 0.0 } else { 0.31 }),
            disk_busy: Some(share * 0.42),
            memory_used: Some(0.11),
            backlog_max: 40,
            stored_bytes_per_event: Some(412.0),
            ledger: Ledger::default(),
        }
    }
}
