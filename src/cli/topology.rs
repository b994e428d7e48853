//! `tickgate topology`: draws topics and groups as a tree, with the findings of the lint.

use super::args::Topology;
use super::{Exit, Failure};
use crate::bus::kafka_topics;
use crate::topology::{adr, draw, lint};

pub(super) fn run(args: &Topology) -> Result<Exit, Failure> {
    let named = if args.sets.is_empty() { adr::named(&args.what) } else { None };
    let (topology, groups, partitions) = if let Some((topology, groups)) = named {
        (topology, groups, None)
    } else {
        let plan = super::check::plan(&args.what, &args.sets)?;
        let partitions = plan.bus.kind.product().partitioned.then_some(plan.bus.partitions);
        (plan.topology, plan.groups, partitions)
    };
    let findings = lint(&topology, &groups);
    print!("{}", draw(&topology, &groups, &findings));
    if let Some(partitions) = partitions {
        print!("{}", kafka_topics::draw(&topology, &groups, partitions));
    }
    Ok(Exit::Pass)
}
