//! Runs with faults on brokers of their own.

use std::path::Path;

use tickgate::host::clock::Clock;
use tickgate::host::signal::Interrupt;
use tickgate::plan::{Action, Expect, Fault, Plan, Rate, Span, Target};
use tickgate::record::{self, Injection, Record};
use tickgate::run::{Event, Identity, Observer};
use tickgate::session::{self, Asked, Choice, Order};

/// A fault at a second of the measure phase that lasts for some seconds.
pub fn fault(name: &str, at: u64, action: Action, target: Target, length: u64) -> Fault {
    Fault {
        name: name.to_owned(),
        at: Span::seconds(at),
        action,
        target: Some(target),
        between: None,
        length: Span::seconds(length),
        settle: Span::seconds(4),
        how: None,
        way: None,
        delay: None,
        jitter: None,
        rate: None,
        poison: None,
        expect: Expect::Service,
    }
}

/// A plan of 500 events a second, with three copies on three nodes.
pub fn plan(seconds: u64, faults: Vec<Fault>) -> Plan {
    let mut plan = super::plan();
    plan.load.rate = Rate::per_second(500.0);
    plan.load.duration = Span::seconds(seconds);
    plan.load.drain = Span::seconds(20);
    plan.bus.replicas = 3;
    plan.cluster.nodes = 3;
    plan.faults = faults;
    plan
}

/// Runs a plan on a broker of its own, with its stores below a folder.
pub fn run(plan: &Plan, folder: &Path, interrupt: &Interrupt, observer: &mut dyn Observer) -> Record {
    let asked = Asked { at: Some("local".to_owned()), store: Some(folder.to_owned()), ..Asked::default() };
    run_at(&asked, plan, interrupt, observer)
}

/// Runs a plan where a command line says.
pub fn run_at(asked: &Asked, plan: &Plan, interrupt: &Interrupt, observer: &mut dyn Observer) -> Record {
    let choice = Choice::resolve(asked, plan, &|_| None).unwrap();
    let identity = Identity::new();
    let order = Order::new(&identity, Clock::start(), interrupt);
    session::run(plan, &choice, order, None, &mut [observer]).unwrap()
}

/// Calls a function with each event.
pub struct On<F: FnMut(&Event<'_>)>(pub F);

impl<F: FnMut(&Event<'_>)> Observer for On<F> {
    fn event(&mut self, event: &Event<'_>) {
        (self.0)(event);
    }
}

/// The account of a fault.
pub fn of<'r>(record: &'r Record, name: &str) -> &'r record::Fault {
    record.faults.injected.iter().find(|fault| fault.name == name).unwrap()
}

/// The fault was injected and undone: on a busy machine perhaps late, and then it says so.
#[track_caller]
pub fn carried_out(fault: &record::Fault) {
    assert!(matches!(fault.outcome, Injection::Done | Injection::Late), "{fault:?}");
    let (begun, verified) = (fault.begun_ns.unwrap(), fault.verified_ns.unwrap());
    assert!(fault.planned_ns <= begun && begun <= verified, "{fault:?}");
    let off = |at: Option<u64>, planned: Option<u64>| at.zip(planned).map_or(0, |(at, due)| at.abs_diff(due));
    let late =
        begun - fault.planned_ns > 250_000_000 || off(fault.undone_ns, fault.undo_planned_ns) > 250_000_000;
    assert_eq!(late, fault.outcome == Injection::Late, "{fault:?}");
    assert_eq!(fault.reason.is_some(), late, "{fault:?}");
}
