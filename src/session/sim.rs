//! Runs on the simulated bus, in real time.

use super::asked::SIM;
use super::error::SessionError;
use crate::bus::sim::{Faults, Setup, SimBus, Time};
use crate::market;
use crate::record::{self, Record};
use crate::run::{self, Broker, Job, Observer};

/// Runs on a bus with a few faults, so that the report has something to show.
pub(super) fn run(job: Job<'_>, observers: &mut [&mut dyn Observer]) -> Result<Record, SessionError> {
    let Job { plan, clock, .. } = job;
    let setup =
        Setup { faults: Faults::demo(), seed: plan.market.seed, origin: clock.now(), ..Setup::default() };
    let bus = SimBus::new(plan, setup, &market::names(&plan.market), Time::Real(clock));
    let record = record::Broker {
        kind: SIM.into(),
        mode: SIM.into(),
        address: "in this process".into(),
        ..record::Broker::default()
    };
    let broker = Broker { record, ..Broker::default() };
    Ok(run::run(job, bus, broker, observers)?)
}
