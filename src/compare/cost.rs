//! Monthly cost of a side, from its measured use and given prices.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Interval, Pair, Trial};
use crate::num;
use crate::plan::Span;
use crate::record::{Record, StoreBytes};
use crate::stats;

/// Monthly price of each resource.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Prices {
    /// Currency of the prices.
    #[serde(default = "currency")]
    pub currency: String,
    /// Price of one core.
    pub core: f64,
    /// Price of one GiB of memory.
    pub gib_memory: f64,
    /// Price of one GB of disk.
    pub gb_disk: f64,
    /// How long events are kept.
    #[serde(default = "retention")]
    pub retention: Span,
}

impl Default for Prices {
    /// All prices are 0.
    fn default() -> Self {
        Self { currency: currency(), core: 0.0, gib_memory: 0.0, gb_disk: 0.0, retention: retention() }
    }
}

fn currency() -> String {
    "USD".into()
}

const fn retention() -> Span {
    Span::seconds(86_400)
}

/// The monthly cost of both sides.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Cost {
    /// The prices.
    pub prices: Prices,
    /// Events due per second on side A: the median of its runs.
    pub rate: f64,
    /// The cost of A, from the medians of its runs.
    pub a: Bill,
    /// The cost of B.
    pub b: Bill,
    /// Median over the pairs of the ratio B / A of the cost per carried event.
    pub ratio: f64,
    /// Its 95 % confidence interval, if there are enough pairs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<Interval>,
}

/// Resources of one side and their monthly cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Bill {
    /// Cores of the broker.
    pub cores: f64,
    /// Peak memory of the broker.
    pub memory_gib: f64,
    /// Disk for the events of the retention time, including all replicas.
    pub disk_gb: f64,
    /// What the disk was computed from; absent in an account of an earlier version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk_is: Option<StoreBytes>,
    /// Price of the cores.
    pub of_cores: f64,
    /// Cost of the memory.
    pub of_memory: f64,
    /// Cost of the disk.
    pub of_disk: f64,
    /// Events carried per second: confirmed and delivered to every group; 0 if the stored comparison lacks it.
    #[serde(default)]
    pub carried_rate: f64,
}

/// Seconds of a month, a twelfth of 365.25 days.
const MONTH: f64 = 2_629_800.0;

impl Bill {
    /// Cost of all resources.
    #[must_use]
    pub fn total(&self) -> f64 {
        self.of_cores + self.of_memory + self.of_disk
    }

    /// Cost of a million carried events, if any was carried: a side that refuses half of the load uses less, but is not
    /// cheaper.
    #[must_use]
    pub fn per_million(&self) -> Option<f64> {
        (self.carried_rate > 0.0).then(|| self.total() / (self.carried_rate * MONTH) * 1e6)
    }
}

/// The cost of both sides, from the pairs that count; `None` if a side's use was not measured or nothing was carried.
pub(super) fn cost(prices: &Prices, (a, b): (&Record, &Record), pairs: &[Pair]) -> Option<Cost> {
    let used = pairs.iter().filter(|pair| pair.excluded.is_none());
    // Bytes on disk are those of all copies already.
    let replicas = |sample: &Record| match sample.resources.disk_bytes {
        Some(_) => 1.0,
        None => f64::from(sample.plan.bus.replicas.max(1)),
    };
    let of = |trial: &Trial, sample: &Record| bill(prices, trial, replicas(sample));
    let both: Vec<(Bill, Bill)> = used.clone().filter_map(|p| Some((of(&p.a, a)?, of(&p.b, b)?))).collect();
    let prices_of_events: Option<Vec<(f64, f64)>> =
        both.iter().map(|(a, b)| Some((a.per_million()?, b.per_million()?))).collect();
    let logs: Vec<f64> =
        prices_of_events?.iter().map(|(a, b)| (b / a).ln()).filter(|l| l.is_finite()).collect();
    let middle = |of: &dyn Fn(&(Bill, Bill)) -> f64| stats::median(&both.iter().map(of).collect::<Vec<_>>());
    let typical = |side: fn(&(Bill, Bill)) -> Bill, sample: &Record| {
        let bill = priced(
            prices,
            middle(&|pair| side(pair).cores)?,
            middle(&|pair| side(pair).memory_gib)?,
            middle(&|pair| side(pair).disk_gb)?,
        );
        let disk_is = sample.resources.stored().and_then(|(_, are)| are);
        Some(Bill { carried_rate: middle(&|pair| side(pair).carried_rate)?, disk_is, ..bill })
    };
    let due: Vec<f64> = used.filter_map(|pair| Some(pair.a.load?.offered_rate())).collect();
    Some(Cost {
        prices: prices.clone(),
        rate: stats::median(&due)?,
        a: typical(|pair| pair.0, a)?,
        b: typical(|pair| pair.1, b)?,
        ratio: stats::hodges_lehmann(&logs)?.exp(),
        interval: stats::interval(&logs, 0.95)
            .map(|(low, high)| Interval { low: low.exp(), high: high.exp() }),
    })
}

/// The cost of one run, from its measured use and the disk that its confirmed events take over the retention time.
fn bill(prices: &Prices, trial: &Trial, replicas: f64) -> Option<Bill> {
    let figure = |name: &str| trial.figures.get(name).copied();
    let load = trial.load?;
    let of_an_event = figure("broker.store")? / num::f64_of(load.confirmed_in_all.max(1));
    let kept = num::f64_of(load.confirmed) / load.seconds * prices.retention.as_seconds();
    let bill = priced(
        prices,
        figure("broker.cpu")?,
        figure("broker.memory")? / f64::from(1_u32 << 30),
        of_an_event * kept * replicas / 1e9,
    );
    Some(Bill { carried_rate: load.carried_rate(), ..bill })
}

/// The monthly cost of these resources, before anything is carried.
pub(crate) fn priced(prices: &Prices, cores: f64, memory_gib: f64, disk_gb: f64) -> Bill {
    Bill {
        cores,
        memory_gib,
        disk_gb,
        of_cores: cores * prices.core,
        of_memory: memory_gib * prices.gib_memory,
        of_disk: disk_gb * prices.gb_disk,
        carried_rate: 0.0,
        disk_is: None,
    }
}
