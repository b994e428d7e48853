//! Profiles: TOML written by the user becomes a [`Plan`], or a list of every mistake in it.
//!
//! ```text
//! Source → tree (toml, every value with its place) → --set laid over it → read section by section → checked → Plan
//! ```
//!
//! A profile is never half accepted: all its errors are found in one pass, and each points at its place.

pub mod builtin;
mod check;
mod closed;
mod cluster;
pub mod comparison;
mod error;
mod faults;
mod groups;
mod kafka;
mod keys;
mod load;
pub mod matrix;
mod nats;
mod objectives;
mod overrides;
mod payload;
mod place;
mod power;
mod prices;
mod replay;
mod section;
mod setting;
mod source;
mod topics;
mod tree;
mod wiring;
mod write;

#[cfg(test)]
mod tests;

pub use check::warnings;
pub use closed::{left_out, notes};
pub use error::{ProfileError, ProfileErrors};
pub use keys::all_keys;
pub use overrides::key_of;
pub use source::{Source, SourceError};
pub use write::{prices_to_toml, to_toml};

use crate::compare::Prices;
use crate::load::usual_max_bytes;
use crate::plan::{Dropped, Plan};
use section::{Reader, Section};

/// Reads a profile, lays each `--set KEY=VALUE` over it, fills in the defaults and checks the whole.
///
/// # Errors
/// Every mistake of the profile and of the overrides, sorted by their place.
pub fn read(source: &Source, sets: &[String]) -> Result<Plan, ProfileErrors> {
    with_prices(source, sets).map(|(plan, _)| plan)
}

/// The same, with the prices that a comparison computes cost with, where the profile has some.
///
/// # Errors
/// As [`read()`] has them.
pub fn with_prices(source: &Source, sets: &[String]) -> Result<(Plan, Option<Prices>), ProfileErrors> {
    let text = source.text()?;
    let mut reader = Reader::new(source.name(), text, sets);
    let mut root = tree::parse(&mut reader);
    overrides::apply(&mut root, sets, &mut reader);
    let dropped = closed::keys(&mut root);
    let plan = plan(&root, &mut reader, source, dropped);
    let prices = prices::read(&root, &mut reader);
    check::plan(&plan, &mut reader);
    reader.finish((plan, prices))
}

/// Reads every section; an invalid value is reported and replaced by its default.
fn plan(root: &tree::Table, reader: &mut Reader, source: &Source, dropped: Vec<Dropped>) -> Plan {
    let mut top = Section::root(root, reader);
    let name = top.text("name", &source.stem());
    let description = top.text("description", "");
    let market = setting::market(root, reader);
    let payload = payload::payload(root, reader, source.folder(), market.event_size);
    let mut load = load::read(root, reader, market.symbols);
    if !reader.written("load.drain") {
        load.drain = setting::drain(root);
    }
    let (topology, base_groups) = topics::topology(root, reader);
    let mix = topics::mix(root, reader, &topology);
    let groups = groups::read(root, reader, base_groups, &topology, &mix);
    let bus = setting::bus(root, reader, &load, &groups);
    let mut cluster = cluster::read(root, reader);
    power::read(root, &mut cluster, reader);
    let faults = faults::read(root, reader, load.duration, market.seed);
    let replays = replay::read(root, reader);
    let mut plan = Plan {
        name,
        description,
        load,
        market,
        payload,
        topology,
        mix,
        bus,
        cluster,
        groups,
        faults,
        replays,
        objectives: Vec::new(),
        dropped,
    };
    if !reader.written("bus.max_bytes") && reader.sound(&load::VOLUME) && reader.sound(&setting::SIZES) {
        plan.bus.max_bytes = usual_max_bytes(&plan);
    }
    plan.objectives = objectives::read(root, reader, &plan);
    closed::objectives(&mut plan);
    plan
}
