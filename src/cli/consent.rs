//! What is asked before a load goes to a bus that tickgate did not start (under whose names, and how much), and what is
//! said before any load: what is sent where, and for how long.

use super::broker::environment;
use super::{Failure, args, kafka};
use crate::bus::nats;
use crate::host::addresses;
use crate::load;
use crate::plan::{BusKind, Plan, Rate};
use crate::report::show;
use crate::run;
use crate::topology::{Naming, lies_below};

/// What may be sent to another machine unasked.
const UNASKED: f64 = 20_000.0;

/// On which terms a run uses its bus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Terms {
    /// Under whose names the events go.
    pub(super) naming: Naming,
    /// They may go to addresses of this machine only.
    pub(super) here_only: bool,
}

/// On which terms the bus may be used, or why nothing may be sent. Connects to nothing.
pub(super) fn terms(args: &args::Broker, plan: &Plan) -> Result<Terms, Failure> {
    let Some(hosts) = hosts(args, plan)? else {
        // On a broker of our own nobody else listens. Names of Kafka's topics are the run's own there as well.
        let naming = if plan.bus.kind == BusKind::Kafka { Naming::Private } else { Naming::Profile };
        return Ok(Terms { naming, here_only: false });
    };
    let peak = load::peak_rate(&plan.load);
    let here_only = !args.allow_rate && needs_consent(peak);
    if here_only {
        let own = addresses::own();
        let far = hosts.iter().find(|host| !addresses::are_local(&addresses::of(host), &own));
        if let Some(host) = far {
            return Err(Failure::usage(too_much(host, plan, peak)));
        }
    }
    Ok(Terms { naming: allowed(&args.allow_prefix, &plan.topology.prefix)?, here_only })
}

fn needs_consent(peak: Rate) -> bool {
    peak.per_second > UNASKED
}

fn too_much(host: &str, plan: &Plan, peak: Rate) -> String {
    let most = if plan.load.is_closed() { "as fast as the bus takes it, at most " } else { "" };
    format!(
        "the load's peak is {most}{peak}, and {host} is not an address of this machine; lower it to at most {} (see \
         `tickgate check`), or allow it with --allow-rate",
        Rate::per_second(UNASKED)
    )
}

/// Private names, unless the profile's own are allowed; to allow others only is a mistake.
fn allowed(allowed: &[String], prefix: &str) -> Result<Naming, Failure> {
    if allowed.is_empty() {
        return Ok(Naming::Private);
    }
    if allowed.iter().any(|this| lies_below(prefix, this)) {
        return Ok(Naming::Profile);
    }
    Err(Failure::usage(format!(
        "--allow-prefix {} does not cover the profile's prefix `{prefix}`; give --allow-prefix {prefix}, or leave it out \
         for private subjects",
        allowed.join(" --allow-prefix ")
    )))
}

/// `host:port` of each address of a bus that tickgate did not start; nothing for one that it starts, and for what is no
/// broker at all.
fn hosts(args: &args::Broker, plan: &Plan) -> Result<Option<Vec<String>>, Failure> {
    let is = |schemes: &[&str]| schemes.iter().any(|scheme| args.at.starts_with(scheme));
    match (plan.bus.kind, &args.context) {
        (BusKind::Nats, Some(name)) => {
            let target = nats::Target::context(name, environment);
            Ok(Some(hosts_of(&target.map_err(|error| Failure::environment(&error))?)))
        }
        (BusKind::Nats, None) if is(&["nats://", "tls://"]) => {
            Ok(Some(hosts_of(&nats::Target::parse(&args.at).map_err(Failure::usage)?)))
        }
        (BusKind::Kafka, None) if is(&["kafka"]) => kafka::hosts(&args.at).map(Some),
        _ => Ok(None),
    }
}

fn hosts_of(target: &nats::Target) -> Vec<String> {
    target
        .urls
        .iter()
        .map(|url| url.split_once("://").map_or(url.as_str(), |(_, host)| host).to_owned())
        .collect()
}

/// What will be sent to which subjects, for how long, and what bounds it.
pub(super) fn volume(plan: &Plan, subjects: &str) -> String {
    let (load, bus) = (&plan.load, &plan.bus);
    let store = run::memory::store(plan);
    let totals = load::totals(load);
    let peak = load::peak_rate(load);
    let (most, pace) = if load.is_closed() {
        ("at most ", "as fast as the bus takes them, at most ")
    } else {
        ("", "at most ")
    };
    let bound = match store.topics {
        None => format!("a stream of at most {}", bus.max_bytes),
        Some(topics) => format!(
            "{} logs of at most {} each ({topics} topics × {} partitions × {} replicas)",
            store.logs * store.replicas,
            bus.max_bytes,
            bus.partitions,
            store.replicas
        ),
    };
    format!(
        "{most}{} events, about {} in the store, within {} s, {pace}{peak}, to {subjects}, in {bound}",
        show::count(totals.warmup_events + totals.measure_events),
        show::size(store.volume),
        load.sending().ns.div_ceil(1_000_000_000),
    )
}

/// The subjects or topics of a run, all in one.
pub(super) fn subjects(plan: &Plan, naming: Naming, run: &str) -> String {
    let tail = if plan.bus.kind == BusKind::Kafka { "*" } else { ">" };
    format!("{}.{tail}", naming.prefix(&plan.topology, run))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_names_unless_the_profiles_are_allowed() {
        let naming = |given: &[&str], prefix| {
            let given: Vec<String> = given.iter().map(|&text| text.to_owned()).collect();
            allowed(&given, prefix).map_err(|failure| (failure.exit.code(), failure.text))
        };
        assert_eq!(naming(&[], "ai-trader"), Ok(Naming::Private));
        assert_eq!(naming(&["test", "ai-trader"], "ai-trader"), Ok(Naming::Profile));
        assert_eq!(naming(&["ai"], "ai.trader"), Ok(Naming::Profile));
        let (code, text) = naming(&["ai"], "ai-trader").unwrap_err();
        assert_eq!(code, 2);
        assert!(text.contains("--allow-prefix ai does not") && text.contains("`ai-trader`"), "{text}");
    }

    #[test]
    fn more_than_20k_a_second_is_asked_for() {
        assert!(!needs_consent(Rate::per_second(20_000.0)));
        assert!(needs_consent(Rate::per_second(20_000.5)));
    }
}
