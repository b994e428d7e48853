//! `tickgate topology`: topics and groups as a tree, with what is wrong with them.

use super::args::Topology;
use super::{Exit, Failure};
use crate::topology::{adr, draw, lint};

pub(super) fn run(args: &Topology) -> Result<Exit, Failure> {
    let named = if args.sets.is_empty() { adr::named(&args.what) } else { None };
    let (topology, groups) = if let Some(named) = named {
        named
    } else {
        let plan = super::check::plan(&args.what, &args.sets)?;
        (plan.topology, plan.groups)
    };
    let findings = lint(&topology, &groups);
    print!("{}", draw(&topology, &groups, &findings));
    Ok(Exit::Pass)
}
