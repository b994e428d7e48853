//! Faults of the links between a run's clients and a broker that tickgate did not start. Proxies of tickgate's own carry what
//! generators and members send and receive; nothing of the broker is changed.

use std::sync::Arc;
use std::time::Duration;

use super::account::Account;
use super::force;
use super::links::{self, Ends};
use super::resolve::{View, draw};
use crate::host::clock::Clock;
use crate::plan::{Action as Do, Fault, Way};
use crate::record::{Injection, NodeState};
use crate::run::agenda::Action;
use crate::run::job::Entrances;

/// One fault.
pub(super) struct OfEntrances {
    /// Its index in the plan.
    index: usize,
    fault: Fault,
    draw: u64,
    entrances: Arc<Entrances>,
    clock: Clock,
    account: Account,
    /// The ends of the links, resolved.
    ends: Option<Ends>,
}

impl OfEntrances {
    pub(super) fn new(
        index: usize,
        fault: Fault,
        seed: u64,
        entrances: Arc<Entrances>,
        clock: Clock,
        account: Account,
    ) -> Self {
        let draw = draw(seed, &fault.name);
        Self { index, fault, draw, entrances, clock, account, ends: None }
    }

    /// What is known without an answer of the broker: how many servers are named, and, of a single one, who is connected to it.
    fn view(&self) -> View {
        let nodes = self.entrances.servers.len();
        let connected = (0..nodes).filter(|_| nodes == 1).collect();
        View { nodes, leaders: Vec::new(), connected, draw: self.draw }
    }

    fn names(&self, ends: &Ends) -> Vec<String> {
        let name = |node: usize| self.entrances.servers.get(node).cloned();
        ends.subjects().into_iter().filter_map(name).collect()
    }

    /// Shows the servers as cut off, or as reachable.
    fn show(&self, ends: &Ends, state: NodeState) {
        if self.fault.action == Do::Partition {
            let now = self.clock.now();
            self.account
                .with(|book| ends.subjects().into_iter().for_each(|node| book.set_state(node, now, state)));
        }
    }
}

impl Action for OfEntrances {
    fn name(&self) -> String {
        let Fault { name, action, .. } = &self.fault;
        match &self.ends {
            Some(ends) => format!("{name}: {action} between {}", ends.in_words(&self.entrances.servers)),
            None => format!("{name}: {}", self.fault.in_words()),
        }
    }

    fn kind(&self) -> &'static str {
        "fault"
    }

    fn prepare(&mut self) -> Result<(), String> {
        let between =
            self.fault.between.as_ref().ok_or_else(|| "the ends of its links are not known".to_owned());
        let ends = match between.and_then(|between| Ends::resolve(between, &self.view())) {
            Ok(ends) => ends,
            Err(why) => {
                self.account.with(|book| book.skip(self.index, &why));
                return Err(why);
            }
        };
        let (names, how) = (self.names(&ends), ends.how().to_owned());
        self.ends = Some(ends);
        self.account.with(|book| {
            book.fault(self.index, |fault| (fault.resolved, fault.how_known) = (names, how));
        });
        Ok(())
    }

    fn act(&mut self) -> Result<String, String> {
        let (index, clock) = (self.index, self.clock);
        let ends = self.ends.as_ref().ok_or("its target is not resolved")?;
        self.account.with(|book| book.begin(index, clock.now()));
        self.show(ends, NodeState::Cut);
        let way = self.fault.way.unwrap_or_default();
        let done = links::set(&self.entrances.links, ends, way, links::flow(&self.fault));
        self.account.with(|book| match &done {
            // In force when the proxies say so.
            Ok(()) => {
                let now = clock.now();
                book.fault(index, |fault| fault.verified_ns = Some(now));
                book.done(index);
            }
            Err(why) => book.failed(index, Injection::Failed, why),
        });
        done.map(|()| String::new())
    }

    fn undo(&mut self) -> Result<String, String> {
        let (index, clock) = (self.index, self.clock);
        let Some(ends) = &self.ends else { return Ok(String::new()) };
        let failed = self.account.with(|book| book.failure(index));
        self.account.with(|book| book.failed(index, Injection::NotUndone, "the undo was not completed"));
        let done = links::set(&self.entrances.links, ends, Way::Both, crate::broker::Flow::Open);
        if done.is_ok() {
            self.show(ends, NodeState::Up);
        }
        self.account.with(|book| {
            book.undone(index, clock.now());
            match (&done, failed) {
                (Ok(()), None) => book.done(index),
                (Ok(()), Some(why)) => book.failed(index, Injection::Failed, &why),
                (Err(why), _) => book.failed(index, Injection::NotUndone, why),
            }
        });
        done.map(|()| String::new())
    }

    fn undo_within(&self) -> Duration {
        force::undo_within(self.fault.action, self.entrances.servers.len())
    }
}

#[cfg(test)]
mod tests {
    use std::io::{ErrorKind, Read as _, Write as _};
    use std::net::{TcpListener, TcpStream};

    use super::*;
    use crate::broker::Links;
    use crate::plan::{Cut, Span, Target};
    use crate::record;
    use crate::selftest::swarm;

    const ENDS: [Target; 2] = [Target::Clients, Target::All];

    fn fault(ends: [Target; 2]) -> Fault {
        Fault {
            action: Do::Partition,
            target: None,
            between: Some(ends),
            how: Some(Cut::Cut),
            ..swarm::fault("x", [Span::seconds(1); 3])
        }
    }

    /// Servers that accept and say a letter, behind proxies.
    fn entrances(count: usize) -> Arc<Entrances> {
        let mut addresses = Vec::new();
        for _ in 0..count {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            addresses.push(listener.local_addr().unwrap());
            std::thread::spawn(move || {
                for client in listener.incoming() {
                    let _ = client.unwrap().write_all(b"x");
                }
            });
        }
        let servers = addresses.iter().map(ToString::to_string).collect();
        let links = Links::before(addresses.into_iter().map(|address| vec![address]).collect(), 1).unwrap();
        Arc::new(Entrances { links: Arc::new(links), servers })
    }

    fn account_of(account: &Account) -> record::Fault {
        account.with(|book| book.conclude().0.injected.remove(0))
    }

    fn of(fault: &Fault, entrances: &Arc<Entrances>) -> (OfEntrances, Account) {
        let account = Account::planned(std::slice::from_ref(fault), 0);
        let all = entrances.servers.iter().map(|server| super::super::named(server)).collect();
        account.with(|book| book.nodes = all);
        let entrances = Arc::clone(entrances);
        let of = OfEntrances::new(0, fault.clone(), 1, entrances, Clock::start(), account.clone());
        (of, account)
    }

    #[test]
    fn the_links_to_all_named_servers_are_cut_and_opened() {
        let entrances = entrances(2);
        let (mut cut, account) = of(&fault(ENDS), &entrances);
        let connected = || -> Vec<Result<(), ErrorKind>> {
            let ports = entrances.links.entrances();
            let connect =
                |port| TcpStream::connect(("127.0.0.1", port)).and_then(|mut at| at.read_exact(&mut [0]));
            ports.into_iter().map(|port| connect(port).map_err(|error| error.kind())).collect()
        };
        assert_eq!(connected(), [Ok(()), Ok(())]);
        cut.prepare().unwrap();
        cut.act().unwrap();
        assert_eq!(connected(), [Err(ErrorKind::ConnectionRefused); 2]);
        assert_eq!(account.with(|book| book.state(1)), NodeState::Cut);
        cut.undo().unwrap();
        assert_eq!(connected(), [Ok(()), Ok(())]);
        assert_eq!(account.with(|book| book.state(1)), NodeState::Up);
        let words = format!("x: partition between clients and {}", entrances.servers.join(", "));
        assert_eq!(cut.name(), words, "the addresses are those of the servers, not of the proxies");
        let fault = account_of(&account);
        assert_eq!((&fault.resolved, fault.verified_ns.is_some()), (&entrances.servers, true));
        assert!(fault.begun_ns <= fault.verified_ns && fault.verified_ns <= fault.undone_ns, "{fault:?}");
    }

    #[test]
    fn a_role_is_skipped_and_nothing_is_cut() {
        let entrances = entrances(2);
        for role in [Target::StreamLeader, Target::Connected] {
            let (mut cut, account) = of(&fault([Target::Clients, role]), &entrances);
            assert!(cut.prepare().is_err());
            let fault = account_of(&account);
            assert_eq!((fault.outcome, fault.begun_ns), (Injection::Skipped, None), "{fault:?}");
        }
        let (mut one, _) = of(&fault([Target::Clients, Target::Any]), &entrances);
        assert_eq!(one.prepare(), Ok(()));
        assert_eq!(one.ends.unwrap().subjects().len(), 1);
    }
}
