//! The faults of a run's plan: they are entered in the agenda, carried out on the nodes of a broker that tickgate started, and
//! recorded with their instants, with the states of the nodes and with the leaders over time.
//!
//! The thread of the agenda injects and undoes (`inject`). Another thread asks the nodes for leaders and health (`watch`), so
//! that neither waits for the other. Both write to one account (`account`), which the supervisor reads.

mod account;
mod elsewhere;
mod entrances;
mod force;
mod inject;
mod links;
mod members;
mod power;
mod poison;
mod resolve;
mod roles;
mod watch;

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread::{Builder, JoinHandle};

use crate::broker::{Asset, Links, Shared};
use crate::bus::Names;
use crate::host::clock::Clock;
use crate::plan::{Ns, Plan};
use crate::record::{Mark, Record, StartedNode};

use super::agenda::{Action, Agenda};
use super::job::{Entrances, StepDown};
use super::slot::Staff;
use account::Account;
use elsewhere::Elsewhere;
use entrances::OfEntrances;
use inject::Injector;
use members::OfMembers;
use poison::OfEvents;
use roles::Roles;
use watch::Watch;

/// What the faults act on.
#[derive(Debug)]
struct Stage {
    server: Shared,
    /// The links that go through proxies; they can be changed while another thread holds the server.
    links: Option<Arc<Links>>,
    roles: Roles,
    clock: Clock,
    account: Account,
}

/// What faults can act with, as far as the broker has it.
#[derive(Default)]
pub(super) struct Means {
    /// The processes of a broker that tickgate started.
    pub(super) server: Option<Shared>,
    /// Makes a leader step down.
    pub(super) step_down: Option<StepDown>,
    /// Proxies between the clients and a broker that tickgate did not start.
    pub(super) entrances: Option<Entrances>,
    /// Ends members and makes others.
    pub(super) staff: Option<Arc<dyn Staff>>,
}

/// The faults of a run while it lasts.
pub(super) struct Scene {
    account: Account,
    /// Never used to send: dropping it ends the watching thread.
    end: Option<Sender<Infallible>>,
    thread: Option<JoinHandle<()>>,
}

impl Scene {
    /// Enters the faults of a plan in the agenda and begins to watch the nodes; `None` for a plan without faults.
    pub(super) fn begin(
        plan: &Plan,
        means: Means,
        names: &Names,
        clock: Clock,
        measure_start: Ns,
        agenda: &mut Agenda,
    ) -> std::io::Result<Option<Self>> {
        if plan.faults.is_empty() {
            return Ok(None);
        }
        let account = Account::planned(&plan.faults, measure_start);
        let Means { server, step_down, entrances, staff } = means;
        let entrances = entrances.map(Arc::new);
        if let Some(entrances) = &entrances {
            account.with(|book| book.nodes = entrances.servers.iter().map(|server| named(server)).collect());
        }
        let step_down: Option<Arc<StepDown>> = step_down.map(Arc::new);
        let stage = server.map(|server| {
            let (roles, links) = {
                let server = server.hold();
                account.with(|book| book.nodes = server.nodes().into_iter().map(started).collect());
                (Roles::new(plan, names, server.nodes(), server.probes()), server.links())
            };
            Arc::new(Stage { server, links, roles, clock, account: account.clone() })
        });
        for (index, fault) in plan.faults.iter().enumerate() {
            let until = (!fault.action.is_instant()).then(|| fault.undo_at());
            let (account, step_down, ending) = (account.clone(), step_down.clone(), agenda.ending());
            let action: Box<dyn Action> = if fault.action.is_of_events() {
                Box::new(OfEvents::new(index, fault.clone(), clock, account))
            } else if fault.action.is_of_members() {
                Box::new(OfMembers::new(index, plan, staff.clone(), clock, account, ending))
            } else if let Some(stage) = &stage {
                let (seed, stage) = (plan.market.seed, Arc::clone(stage));
                Box::new(Injector::new(index, fault.clone(), seed, stage, ending, step_down))
            } else if let Some(entrances) = entrances.as_ref().filter(|_| fault.action.is_of_links()) {
                let (seed, entrances) = (plan.market.seed, Arc::clone(entrances));
                Box::new(OfEntrances::new(index, fault.clone(), seed, entrances, clock, account))
            } else {
                let asset = Asset::Stream(names.stream.clone());
                Box::new(Elsewhere { index, fault: fault.clone(), asset, clock, account, step_down })
            };
            agenda.add(fault.at.ns, until, action);
        }
        let Some(stage) = stage else { return Ok(Some(Self { account, end: None, thread: None })) };
        let (end, ended) = channel();
        let watch = Watch::new(stage);
        let thread = Builder::new().name("nodes".into()).spawn(move || watch.go_on_until(&ended))?;
        Ok(Some(Self { account, end: Some(end), thread: Some(thread) }))
    }

    /// Returns the marks since the last call.
    pub(super) fn marks(&self) -> Vec<Mark> {
        self.account.with(|book| std::mem::take(&mut book.marks))
    }

    /// Ends the watch and enters the faults, the nodes and the leaders in the record.
    pub(super) fn finish(mut self, record: &mut Record) {
        self.end = None;
        if let Some(thread) = self.thread.take() {
            // It waits for nodes for a second at most, and never for the server.
            let _ = thread.join();
        }
        let (faults, marks) = self.account.with(account::Book::conclude);
        record.broker.version_after = faults.version_after();
        record.faults.injected = faults.injected;
        record.faults.nodes = faults.nodes;
        record.faults.leaders = faults.leaders;
        record.marks.extend(marks);
        record.marks.sort_by_key(|mark| mark.at_ns);
    }
}

/// A server that tickgate did not start, by its address.
fn named(server: &str) -> StartedNode {
    StartedNode { name: server.to_owned(), address: server.to_owned(), ..StartedNode::default() }
}

fn started(node: crate::broker::Node) -> StartedNode {
    StartedNode { name: node.name, address: node.address, states: Vec::new(), versions: Vec::new() }
}
