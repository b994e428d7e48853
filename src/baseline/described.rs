//! What a baseline is: the old side, so that it can be run again, and the rules by which it is held.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::Design;
use super::fingerprint::Fingerprint;
use super::noise::{LARGEST_VISIBLE, Noise};
use super::replay::{Forecast, TooNoisy, choose};
use super::session::{Session, State};
use super::{Mismatch, PAIRS};
use crate::compare::{durability_differences, workload_differences};
use crate::num;
use crate::plan::Plan;
use crate::stats::Looks;

/// The family of the schema.
pub const BASELINE_FAMILY: &str = "tickgate.baseline";
/// The newest version of the schema.
pub const BASELINE_VERSION: u32 = 1;

/// A baseline, stored beside its history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Baseline {
    /// `tickgate.baseline/1`.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// The epoch that it describes.
    pub epoch: u32,
    /// The profile, as the command line names it.
    pub profile: String,
    /// Overrides, in the syntax of `--set`.
    pub sets: Vec<String>,
    /// The bus, as `--broker` takes it; absent for a server that tickgate starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// Files of settings that its runs were made with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub settings: Vec<SettingsFile>,
    /// The resolved plan.
    pub plan: Plan,
    /// Product and version of the broker.
    pub broker: String,
    /// The machine.
    pub fingerprint: Fingerprint,
    /// Metrics that may decide.
    pub decide: Vec<String>,
    /// Smallest relative change that counts.
    pub min_effect: f64,
    /// Most false alarms in 250 nights.
    pub false_alarms: f64,
    /// Version of tickgate that made it.
    pub tickgate: String,
    /// When, RFC 3339, UTC.
    pub created: String,
}

/// A file of settings: of the server, the stream or its consumers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SettingsFile {
    /// The flag that names it, without dashes.
    pub flag: String,
    /// The file, as the command line names it.
    pub file: String,
    /// A hash of what it says.
    pub hash: String,
}

/// What a metric of a baseline is good for.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// Its name.
    pub metric: String,
    /// Its noise; `None` with too few sessions.
    pub noise: Option<Noise>,
    /// The smallest relative change that it can see.
    pub visible: Option<f64>,
    /// Does it decide?
    pub decides: bool,
}

/// What a baseline is good for.
#[derive(Debug, Clone, PartialEq)]
pub struct Worth {
    /// How far it has come.
    pub state: State,
    /// Its metrics.
    pub metrics: Vec<Seen>,
    /// What a check does at its noise; `None` for a young one, and without a metric that decides.
    pub forecast: Option<Result<Forecast, TooNoisy>>,
}

impl Baseline {
    /// What it is good for, from its sessions.
    #[must_use]
    pub fn worth(&self, past: &[Session]) -> Worth {
        let state = State::of(past);
        let looks = Looks::of(Looks::totals()[0]).map(|looks| looks.among(num::count32(self.decide.len())));
        let of = |metric: &String| {
            let noise = Noise::of(past, metric);
            let visible =
                noise.zip(looks).map(|(noise, looks)| noise.smallest_visible(&looks, PAIRS, self.min_effect));
            // A young baseline does not know its noise; its pairs do.
            let decides = state == State::Young || visible.is_some_and(|visible| visible <= LARGEST_VISIBLE);
            Seen { metric: metric.clone(), noise, visible, decides }
        };
        let metrics: Vec<Seen> = self.decide.iter().map(of).collect();
        let noises: Vec<Noise> =
            metrics.iter().filter(|seen| seen.decides).filter_map(|seen| seen.noise).collect();
        let runs = past.iter().map(|session| session.runs.len()).min().unwrap_or(0);
        let forecast = (state != State::Young && !noises.is_empty())
            .then(|| choose(&noises, num::count32(runs.max(1)), self.false_alarms, self.min_effect));
        Worth { state, metrics, forecast }
    }

    /// The design of a check at this noise. Where no setting keeps the false alarms that are asked for, the strictest one is taken:
    /// the caller says so.
    #[must_use]
    pub fn design(&self, worth: &Worth, seed: u64) -> Design {
        let setting = worth.forecast.as_ref().and_then(|forecast| forecast.as_ref().ok()).map(|f| f.setting);
        let [wide, strict] = Looks::totals();
        let otherwise = if matches!(worth.forecast, Some(Err(_))) { strict } else { wide };
        Design {
            fresh: setting.map_or(3, |setting| setting.fresh),
            total: setting.map_or(otherwise, |setting| setting.total),
            decide: worth
                .metrics
                .iter()
                .filter(|seen| seen.decides)
                .map(|seen| seen.metric.clone())
                .collect(),
            min_effect: self.min_effect,
            paired: false,
            old_runs: true,
            seed,
        }
    }

    /// Why a plan is not the one whose figures the baseline has; none if only what is checked differs.
    #[must_use]
    pub fn other_workload(&self, plan: &Plan) -> Vec<String> {
        let mut all = workload_differences(&self.plan, plan);
        all.extend(durability_differences(&self.plan, plan));
        all.into_iter().map(|one| format!("{} was {}, and is {}", one.key, one.a, one.b)).collect()
    }

    /// Why a machine is not the one of the baseline.
    #[must_use]
    pub fn other_machine(&self, now: &Fingerprint) -> Vec<Mismatch> {
        self.fingerprint.differences(now)
    }
}
