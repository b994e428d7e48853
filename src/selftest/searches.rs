//! Searches for the capacity of simulated buses whose capacity is known.

use crate::bus::sim::{Delay, Faults};
use crate::capacity::{Design, Next, Purpose, Search, Stage, Step, Trial, trial_plan};
use crate::plan::{Arrival, Plan, Rate, Span, grammar};
use crate::record::Record;
use crate::run::RunError;

use super::swarm::base;

/// The capacity of a server with a fixed service time for Poisson arrivals, if 99 % of the events may take ten service times
/// at most: the utilisation at which the stationary waiting time (Pollaczek and Khinchine) exceeds nine of them with
/// probability 0.01, by numerical inversion of its transform.
pub const UTILISATION: f64 = 0.773_48;

/// The plan of a queue with Poisson arrivals and a limit on `latency.p99`.
#[must_use]
pub fn queue(limit: &str) -> Plan {
    let mut plan = base(1);
    plan.load.rate = Rate::per_second(1000.0);
    plan.load.arrival = Arrival::Poisson;
    plan.load.warmup = Span::seconds(2);
    plan.load.duration = Span::seconds(5);
    plan.market.symbols = 1;
    plan.bus.audit = false;
    plan.objectives.extend(grammar::parse("latency.p99", limit));
    plan
}

/// A server with a fixed service time.
#[must_use]
pub fn server(service: Span) -> Faults {
    Faults { service: Delay::Fixed(service.ns), ..Faults::default() }
}

/// Searches for a capacity; `run` makes the run of a trial by its plan, in virtual time.
///
/// # Errors
/// Those of `run`.
pub fn search(
    profile: &Plan,
    design: &Design,
    run: &mut dyn FnMut(&Next, Plan) -> Result<Record, RunError>,
) -> Result<Vec<Trial>, RunError> {
    let mut trials = Vec::new();
    let mut state = Search::new(design);
    while let Step::Try(next) = state.step() {
        let purpose = match next.stage {
            Stage::Floor | Stage::Ceiling => Purpose::Confirming,
            Stage::Probe | Stage::Climb | Stage::Narrow => Purpose::Searching,
        };
        let plan = trial_plan(profile, next.rate, next.seed, purpose, design.precision);
        let took = plan.load.sending();
        let trial = Trial::of(&next, "", &run(&next, plan)?, took);
        state.take(&trial);
        trials.push(trial);
    }
    Ok(trials)
}
