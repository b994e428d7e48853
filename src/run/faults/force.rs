//! What is done when the undo of a fault hangs: the processes of its nodes are killed, and the run goes on without them.

use std::sync::Arc;
use std::time::Duration;

use super::Stage;
use super::inject::OPEN_WITHIN;
use crate::num;
use crate::plan::Action as Do;
use crate::record::NodeState;
use crate::run::agenda::LastResort;

/// How long a signal may take to be seen in the state of a process, or a proxy to take an order.
const AT_ONCE: Duration = Duration::from_secs(4);
/// How long a node may take to end in an orderly way.
const ENDED_WITHIN: Duration = Duration::from_secs(30);

/// How long the undo of an action on so many nodes may take, by its own limits.
pub(super) fn undo_within(action: Do, nodes: usize) -> Duration {
    let each = match action {
        Do::Kill | Do::PowerLoss => OPEN_WITHIN,
        Do::LameDuck | Do::WriteError => ENDED_WITHIN + OPEN_WITHIN,
        _ => AT_ONCE,
    };
    each * num::count32(nodes.max(1))
}

/// Kills the processes of these nodes, which do not come back then.
pub(super) fn last_resort(index: usize, stage: &Arc<Stage>, nodes: &[usize]) -> LastResort {
    let (stage, nodes) = (Arc::clone(stage), nodes.to_vec());
    // Known before the undo, which may hang while it holds the server.
    let processes = stage.server.processes();
    Box::new(move || {
        let Stage { server, roles, clock, account, .. } = &*stage;
        let mut said = Vec::new();
        for node in nodes {
            let name = roles.nodes.get(node).map_or("", String::as_str);
            let process = processes.get(node).and_then(Option::as_ref);
            said.push(match server.kill_by_force(node, process) {
                Ok(()) => {
                    account.with(|book| book.set_state(node, clock.now(), NodeState::Down));
                    format!("{name} was killed")
                }
                Err(error) => error.to_string(),
            });
        }
        let said = said.join(", ");
        account.with(|book| book.give_up(index, &format!("the undo did not end in its time; {said}")));
        said
    })
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command};
    use std::sync::Mutex;
    use std::time::Instant;

    use rustix::process::{Pid, Signal, kill_process};

    use super::*;
    use crate::broker::{Asset, BrokerError, Claim, Node, Probe, Server, Shared};
    use crate::bus::Names;
    use crate::host::clock::Clock;
    use crate::host::resources::{Meter, Process};
    use crate::plan::{Fault, Target};
    use crate::record::Injection;
    use crate::run::agenda::{Agenda, AgendaThread};
    use crate::run::faults::account::Account;
    use crate::run::faults::inject::Injector;
    use crate::run::faults::roles::Roles;
    use crate::selftest::swarm;

    /// A server whose process is stopped for real; its operation to continue it holds the server, and returns only when the
    /// process has ended.
    struct Frozen(Arc<Mutex<Child>>);

    impl Frozen {
        fn pid(&self) -> Pid {
            Pid::from_child(&self.0.lock().unwrap())
        }

        fn has_ended(&self) -> bool {
            self.0.lock().unwrap().try_wait().unwrap().is_some()
        }
    }

    impl Server for Frozen {
        fn nodes(&self) -> Vec<Node> {
            let pid = Some(self.0.lock().unwrap().id());
            vec![Node { name: "n1".into(), address: String::new(), pid, container: None }]
        }
        fn url(&self) -> String {
            String::new()
        }
        fn alive(&mut self) -> Result<(), BrokerError> {
            Ok(())
        }
        fn pause(&mut self, _: usize) -> Result<(), BrokerError> {
            kill_process(self.pid(), Signal::STOP).unwrap();
            Ok(())
        }
        fn resume(&mut self, _: usize) -> Result<(), BrokerError> {
            while !self.has_ended() {
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(BrokerError::NoSuchControl)
        }
        fn kill(&mut self, _: usize) -> Result<(), BrokerError> {
            unreachable!("another thread holds the server")
        }
        fn restart(&mut self, _: usize) -> Result<(), BrokerError> {
            Ok(())
        }
        fn stop(&mut self) -> Result<(), BrokerError> {
            Ok(())
        }
        fn meters(&self) -> Vec<(String, Meter)> {
            Vec::new()
        }
        fn warnings(&self) -> &[String] {
            &[]
        }
    }

    struct Silent;

    impl Probe for Silent {
        fn name(&self) -> &'static str {
            "n1"
        }
        fn claims(&self, _: &[Asset]) -> Result<Vec<Claim>, BrokerError> {
            Err(BrokerError::NoSuchControl)
        }
        fn clients(&self) -> Result<Vec<String>, BrokerError> {
            Err(BrokerError::NoSuchControl)
        }
        fn is_healthy(&self) -> bool {
            false
        }
    }

    #[test]
    fn a_stopped_process_that_is_not_continued_is_killed_and_the_agenda_goes_on() {
        let child = Arc::new(Mutex::new(Command::new("sleep").arg("600").spawn().unwrap()));
        let process = Process::of(child.lock().unwrap().id()).unwrap();
        let server: Box<dyn Server> = Box::new(Frozen(Arc::clone(&child)));
        let (plan, names, clock) = (swarm::base(1), Names::default(), Clock::start());
        let roles = Roles::new(&plan, &names, server.nodes(), vec![Arc::new(Silent)]);
        let second = crate::plan::Span::millis(1);
        let fault = Fault {
            action: Do::Stop,
            target: Some(Target::Node(1)),
            ..swarm::fault("frozen", [second, second, second])
        };
        let account = Account::planned(std::slice::from_ref(&fault), 0);
        let stage =
            Stage { server: Shared::new(server), links: None, roles, clock, account: account.clone() };
        let mut agenda = Agenda::default();
        let injector = Injector::new(0, fault.clone(), 1, Arc::new(stage), agenda.ending(), None);
        agenda.add(fault.at.ns, Some(fault.undo_at()), Box::new(injector));
        let thread = AgendaThread::start(agenda, clock, clock.now()).unwrap();
        let deadline = Instant::now() + Duration::from_mins(1);
        let mut marks = Vec::new();
        while !thread.is_over() && Instant::now() < deadline {
            marks.extend(thread.happened().map(|told| crate::record::Mark::from(told.change)));
            std::thread::sleep(Duration::from_millis(5));
        }
        marks.extend(thread.happened().map(|told| crate::record::Mark::from(told.change)));
        assert!(thread.is_over() && !process.is_alive());
        let kinds: Vec<&str> = marks.iter().map(|mark| mark.kind.as_str()).collect();
        assert_eq!(kinds, ["fault-begun", "fault-done", "fault-hangs", "fault-not-undone"], "{marks:?}");
        assert!(marks[2].detail.contains("within 5 s; n1 was killed"), "{marks:?}");
        let (faults, _) = account.with(crate::run::faults::account::Book::conclude);
        let injected = &faults.injected[0];
        assert_eq!(injected.outcome, Injection::NotUndone);
        assert!(injected.reason.as_ref().unwrap().ends_with("n1 was killed"), "{injected:?}");
        drop(thread);
    }

    #[test]
    fn an_undo_has_the_time_of_its_own_limits() {
        let seconds = |action, nodes| undo_within(action, nodes).as_secs();
        assert_eq!((seconds(Do::Kill, 2), seconds(Do::Kill, 0)), (180, 90));
        assert_eq!(seconds(Do::PowerLoss, 3), 270, "the servers are started again, as after a kill");
        assert_eq!((seconds(Do::Stop, 1), seconds(Do::Partition, 3)), (4, 12));
        assert_eq!(seconds(Do::WriteError, 1), 120);
    }
}
