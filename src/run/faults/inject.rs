//! Injects one fault and undoes it, on the thread of the agenda.

use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Stage;
use super::force;
use super::links::{self, Ends, NO_PROXIES};
use super::resolve::{Found, Leadership, View, draw, needs_answers, resolve};
use crate::broker::{Asset, BrokerError, Deed, Server};
use crate::plan::{Action as Do, Fault, Target};
use crate::record::{Injection, NodeState};
use crate::run::agenda::{Action, Ending, LastResort};
use crate::run::job::StepDown;

/// Why no leader steps down.
pub(super) const NO_STEP_DOWN: &str = "this broker has no way to make a leader step down";
/// How long a target may take to be resolved.
const RESOLVED_WITHIN: Duration = Duration::from_secs(2);
/// How long a node may take to answer.
pub(super) const ANSWER: Duration = Duration::from_millis(500);
/// Pause before nodes are asked again.
pub(super) const AGAIN: Duration = Duration::from_millis(20);
/// How long a node may take to accept clients again; a large store is read back first.
pub(super) const OPEN_WITHIN: Duration = Duration::from_secs(90);
/// How long a node may take to be healthy before the next one is restarted.
const HEALTHY_WITHIN: Duration = Duration::from_mins(1);
/// How long an effect may take to be observed.
pub(super) const EFFECT_WITHIN: Duration = Duration::from_secs(3);

/// One fault.
pub(super) struct Injector {
    /// Its index in the plan.
    pub(super) index: usize,
    fault: Fault,
    draw: u64,
    pub(super) stage: Arc<Stage>,
    ending: Ending,
    step_down: Option<Arc<StepDown>>,
    /// The nodes that the target was resolved to.
    pub(super) nodes: Vec<usize>,
    /// The ends of the links that it acts on, resolved.
    ends: Option<Ends>,
}

impl Injector {
    pub(super) fn new(
        index: usize,
        fault: Fault,
        seed: u64,
        stage: Arc<Stage>,
        ending: Ending,
        step_down: Option<Arc<StepDown>>,
    ) -> Self {
        let draw = draw(seed, &fault.name);
        Self { index, fault, draw, stage, ending, step_down, nodes: Vec::new(), ends: None }
    }

    /// The target; a fault without one means all nodes, or the stream's leader.
    fn target(&self) -> Target {
        let default = || match self.fault.action {
            Do::StepDown => Target::StreamLeader,
            _ => Target::All,
        };
        self.fault.target.clone().unwrap_or_else(default)
    }

    /// What must be resolved: the target, or both ends of links.
    fn targets(&self) -> Vec<Target> {
        self.fault.between.as_ref().map_or_else(|| vec![self.target()], |ends| ends.to_vec())
    }

    /// Asks the nodes until the target or the ends of the links are resolved.
    fn resolve(&self) -> Result<(Found, Option<Ends>), String> {
        let deadline = Instant::now() + RESOLVED_WITHIN;
        let needs_answers = self.targets().iter().any(needs_answers);
        loop {
            let view = self.view();
            let found = match &self.fault.between {
                Some(between) => Ends::resolve(between, &view).map(|ends| {
                    let (nodes, how) = (ends.subjects(), ends.how().to_owned());
                    (Found { nodes, how }, Some(ends))
                }),
                None => resolve(&self.target(), &view).map(|found| (found, None)),
            };
            let why = match found {
                Ok(found) => match self.unfit(&found.0.nodes) {
                    None => return Ok(found),
                    Some(why) => why,
                },
                Err(why) => why,
            };
            if Instant::now() >= deadline || self.ending.is_near() || !needs_answers {
                return Err(why);
            }
            std::thread::sleep(AGAIN);
        }
    }

    fn view(&self) -> View {
        let roles = &self.stage.roles;
        let targets = self.targets();
        let nodes = roles.nodes.len();
        let up: Vec<usize> = (0..nodes).filter(|node| self.state(*node) == NodeState::Up).collect();
        let claims = if targets.iter().any(needs_answers) { roles.claims(&up, ANSWER) } else { Vec::new() };
        let leadership = |role: &super::roles::Role| Leadership {
            what: role.what.clone(),
            group: role.group.clone(),
            leader: roles.leader(role, &claims),
        };
        let asked = targets.iter().any(|target| matches!(target, Target::Connected | Target::Follower));
        let connected = if asked && nodes > 1 {
            let clients = roles.clients(&up, ANSWER).into_iter();
            clients.filter(|(_, names)| names.contains(&roles.publisher)).map(|(node, _)| node).collect()
        } else {
            (0..nodes).filter(|_| nodes == 1).collect()
        };
        View { nodes, leaders: roles.all.iter().map(leadership).collect(), connected, draw: self.draw }
    }

    fn state(&self, node: usize) -> NodeState {
        self.stage.account.with(|book| book.state(node))
    }

    /// Why the fault would have no effect on these nodes.
    fn unfit(&self, nodes: &[usize]) -> Option<String> {
        let mut server = self.stage.server.hold();
        let stopped = |node: &&usize| self.state(**node) != NodeState::Up;
        let unfit = nodes.iter().find(|node| !server.runs(**node) || stopped(node))?;
        Some(format!("{} does not run", self.named(*unfit)))
    }

    pub(super) fn named(&self, node: usize) -> &str {
        self.stage.roles.nodes.get(node).map_or("", String::as_str)
    }

    fn names(&self) -> Vec<String> {
        self.nodes.iter().map(|node| self.named(*node).to_owned()).collect()
    }

    /// Whether the action is one that can be carried out here.
    fn possible(&self) -> Result<(), String> {
        match self.fault.action {
            Do::StepDown if self.step_down.is_none() => Err(NO_STEP_DOWN.to_owned()),
            Do::StepDown
                if !matches!(
                    self.target(),
                    Target::StreamLeader | Target::ConsumerLeader(_) | Target::MetaLeader
                ) =>
            {
                Err(format!("`{}` cannot be made to step down", self.target()))
            }
            action if action.is_of_links() && self.stage.links.is_none() => Err(NO_PROXIES.to_owned()),
            action if !action.is_of_members() && !action.is_of_events() => Ok(()),
            action => Err(format!("`{action}` cannot be injected on this broker")),
        }
    }

    /// Ends nodes in this way, and enters them as down.
    pub(super) fn take_down(
        &self,
        how: impl Fn(&mut dyn Server, usize) -> Result<(), BrokerError>,
        nodes: &[usize],
    ) -> Result<(), String> {
        let Stage { server, clock, account, .. } = &*self.stage;
        for node in nodes {
            let mut server = server.hold();
            server.expect_end(*node, true);
            how(&mut **server, *node).map_err(|error| error.to_string())?;
            account.with(|book| book.set_state(*node, clock.now(), NodeState::Down));
        }
        Ok(())
    }

    /// Starts the nodes that do not run, and returns when they accept clients.
    fn bring_up(&self, nodes: &[usize]) -> Result<(), String> {
        let Stage { server, clock, account, .. } = &*self.stage;
        let mut trouble = Vec::new();
        for node in nodes {
            let mut server = server.hold();
            if !server.runs(*node)
                && let Err(error) = server.launch(*node)
            {
                trouble.push(error.to_string());
                continue;
            }
            account.with(|book| book.set_state(*node, clock.now(), NodeState::Up));
        }
        account.with(|book| book.undone(self.index, clock.now()));
        for node in nodes {
            trouble.extend(self.until_open(*node).err());
            server.hold().expect_end(*node, false);
            account.with(|book| book.recovers(self.index, *node));
        }
        if trouble.is_empty() { Ok(()) } else { Err(trouble.join("; ")) }
    }

    fn until_open(&self, node: usize) -> Result<(), String> {
        let deadline = Instant::now() + OPEN_WITHIN;
        while !self.stage.server.hold().is_open(node).map_err(|error| error.to_string())? {
            if Instant::now() >= deadline {
                return Err(format!("{} does not accept clients", self.named(node)));
            }
            std::thread::sleep(AGAIN);
        }
        Ok(())
    }

    /// Restarts nodes in an orderly way.
    fn restart(&self, nodes: &[usize]) -> Result<(), String> {
        let upgrades = self.fault.action == Do::RollingUpgrade;
        let end = |server: &mut dyn Server, node| {
            server.carry_out(node, Deed::Terminate)?;
            if upgrades { server.carry_out(node, Deed::Upgrade) } else { Ok(()) }
        };
        let ended = self.take_down(end, nodes);
        self.verified();
        // Also what was ended before another one could not be.
        self.bring_up(nodes).and(ended)
    }

    /// Records that the effect was observed now; the first time counts.
    fn verified(&self) {
        let now = self.stage.clock.now();
        let index = self.index;
        self.stage.account.with(|book| {
            book.fault(index, |fault| {
                fault.verified_ns.get_or_insert(now);
            });
        });
    }

    /// Records the versions of all nodes.
    fn note_versions(&self) {
        let Stage { roles, clock, account, .. } = &*self.stage;
        for (node, version) in roles.versions(&self.nodes, ANSWER) {
            account.with(|book| book.set_version(node, clock.now(), &version));
        }
    }

    /// Restarts one node after another, each when the one before it is healthy.
    fn restart_in_turn(&self) -> Result<(), String> {
        for node in &self.nodes {
            if self.ending.is_near() {
                return Err(format!("the run ended before {} was restarted", self.named(*node)));
            }
            self.restart(&[*node])?;
            let deadline = Instant::now() + HEALTHY_WITHIN;
            while self.stage.account.with(|book| book.recovering().contains(node)) {
                if self.ending.is_near() {
                    return Err(format!("the run ended before {} was healthy", self.named(*node)));
                }
                if Instant::now() >= deadline {
                    return Err(format!("{} is not healthy", self.named(*node)));
                }
                std::thread::sleep(AGAIN);
            }
            if self.fault.action == Do::RollingUpgrade {
                self.note_versions();
            }
        }
        Ok(())
    }

    /// Makes the writes of nodes fail, and waits until they notice it: a node writes only what it is sent.
    fn fail_writes(&self) -> Result<(), String> {
        self.each(None, |server, node| server.carry_out(node, Deed::FailWrites))?;
        let deadline = Instant::now() + EFFECT_WITHIN.min(Duration::from_nanos(self.fault.length.ns));
        while !self.stage.roles.healthy(&self.nodes, ANSWER).is_empty() {
            if Instant::now() >= deadline {
                return Err("a node has written nothing meanwhile, and reports itself healthy".to_owned());
            }
            std::thread::sleep(AGAIN);
        }
        let Stage { roles, clock, account, .. } = &*self.stage;
        for (node, trouble) in roles.troubles(&self.nodes, ANSWER) {
            account.with(|book| book.trouble(clock.now(), self.named(node), &trouble));
        }
        Ok(())
    }

    /// Starts the lame duck mode of nodes: they accept no more clients, and end by themselves later.
    fn lame_duck(&self) -> Result<(), String> {
        for node in &self.nodes {
            let mut server = self.stage.server.hold();
            server.expect_end(*node, true);
            server.carry_out(*node, Deed::LameDuck).map_err(|error| error.to_string())?;
        }
        let address = |node: &usize| self.stage.roles.addresses.get(*node).cloned().unwrap_or_default();
        let deadline = Instant::now() + EFFECT_WITHIN;
        let accepts = |node: &usize| TcpStream::connect(address(node)).is_ok();
        while self.nodes.iter().any(accepts) {
            if Instant::now() >= deadline {
                return Err("the lame duck mode has not begun".to_owned());
            }
            std::thread::sleep(AGAIN);
        }
        Ok(())
    }

    /// Makes a leader step down; another one leads then.
    fn step_down(&self) -> Result<(), String> {
        let step_down = self.step_down.as_ref().ok_or(NO_STEP_DOWN)?;
        let (roles, target) = (&self.stage.roles, self.target());
        let role = roles.all.iter().find(|role| match &target {
            Target::ConsumerLeader(group) => role.group.as_ref() == Some(group),
            Target::MetaLeader => role.asset == Asset::Meta,
            _ => role.what == "stream",
        });
        let role = role.ok_or("there is nothing that elects a leader")?;
        let [_, after] = step_down(&role.asset)?;
        let Stage { clock, account, .. } = &*self.stage;
        account.with(|book| book.led(clock.now(), &role.what, &after));
        Ok(())
    }

    fn each(
        &self,
        state: Option<NodeState>,
        how: impl Fn(&mut dyn Server, usize) -> Result<(), BrokerError>,
    ) -> Result<(), String> {
        let Stage { server, clock, account, .. } = &*self.stage;
        let mut trouble = Vec::new();
        for node in &self.nodes {
            let mut server = server.hold();
            match (how(&mut **server, *node), state) {
                (Ok(()), Some(state)) => {
                    account.with(|book| book.set_state(*node, clock.now(), state));
                }
                (Ok(()), None) => {}
                (Err(error), _) => trouble.push(error.to_string()),
            }
        }
        if trouble.is_empty() { Ok(()) } else { Err(trouble.join("; ")) }
    }

    fn carry_out(&self) -> Result<(), String> {
        match self.fault.action {
            Do::Kill => self.take_down(|server, node| server.kill(node), &self.nodes),
            Do::Stop => self.each(Some(NodeState::Stopped), |server, node| server.pause(node)),
            Do::Restart => self.restart(&self.nodes),
            Do::RollingRestart => self.restart_in_turn(),
            Do::RollingUpgrade => {
                self.note_versions();
                self.restart_in_turn()
            }
            Do::LameDuck => self.lame_duck(),
            Do::StepDown => self.step_down(),
            Do::WriteError => self.fail_writes(),
            Do::PowerLoss => self.lose_power(),
            Do::Partition | Do::Slow => {
                self.ends.as_ref().map_or(Ok(()), |ends| links::close(&self.stage, &self.fault, ends))
            }
            Do::CrashMember | Do::RestartGroup | Do::Poison => self.possible(),
        }
    }

    fn take_back(&self) -> Result<(), String> {
        let Stage { clock, account, .. } = &*self.stage;
        match self.fault.action {
            // Before anything is asked of the node.
            Do::Stop => {
                let resumed = self.each(Some(NodeState::Up), |server, node| server.resume(node));
                account.with(|book| {
                    book.undone(self.index, clock.now());
                    for node in &self.nodes {
                        book.recovers(self.index, *node);
                    }
                });
                resumed
            }
            // A write error stays until the node is started again.
            Do::WriteError => {
                let allowed = self.each(None, |server, node| server.carry_out(node, Deed::AllowWrites));
                self.restart(&self.nodes).and(allowed)
            }
            // It may not have ended by itself yet.
            Do::LameDuck => self.restart(&self.nodes),
            Do::Kill | Do::PowerLoss => self.bring_up(&self.nodes),
            Do::Partition | Do::Slow => {
                self.ends.as_ref().map_or(Ok(()), |ends| links::open(&self.stage, self.index, ends))
            }
            _ => Ok(()),
        }
    }
}

impl Action for Injector {
    fn name(&self) -> String {
        let Fault { name, action, .. } = &self.fault;
        if let Some(ends) = &self.ends {
            return format!("{name}: {action} between {}", ends.in_words(&self.stage.roles.nodes));
        }
        if self.fault.between.is_some() {
            return format!("{name}: {}", self.fault.in_words());
        }
        if self.nodes.is_empty() {
            return format!("{name}: {action} of {}", self.target());
        }
        format!("{name}: {action} of {}", self.names().join(", "))
    }

    fn kind(&self) -> &'static str {
        "fault"
    }

    fn prepare(&mut self) -> Result<(), String> {
        let found = self.possible().and_then(|()| self.resolve());
        let (Found { nodes, how }, ends) = match found {
            Ok(found) => found,
            Err(why) => {
                self.stage.account.with(|book| book.skip(self.index, &why));
                return Err(why);
            }
        };
        (self.nodes, self.ends) = (nodes, ends);
        let names = self.names();
        let targets = self.targets();
        let leads = (targets.first() == Some(&Target::StreamLeader) || self.fault.is_of_the_meta_leader())
            .then(|| names.first().cloned())
            .flatten();
        self.stage.account.with(|book| {
            let leader = leads.or_else(|| book.leader("stream"));
            book.fault(self.index, |fault| {
                fault.leader_before = leader;
                (fault.resolved, fault.how_known) = (names, how);
            });
        });
        Ok(())
    }

    fn act(&mut self) -> Result<String, String> {
        let Stage { clock, account, .. } = &*self.stage;
        account.with(|book| book.begin(self.index, clock.now()));
        match self.carry_out() {
            Ok(()) => {
                self.verified();
                account.with(|book| book.done(self.index));
                Ok(String::new())
            }
            Err(why) => {
                account.with(|book| book.failed(self.index, Injection::Failed, &why));
                Err(why)
            }
        }
    }

    fn undo(&mut self) -> Result<String, String> {
        let account = &self.stage.account;
        let failed = account.with(|book| book.failure(self.index));
        account.with(|book| book.failed(self.index, Injection::NotUndone, "the undo was not completed"));
        match self.take_back() {
            Ok(()) => {
                account.with(|book| match failed {
                    Some(why) => book.failed(self.index, Injection::Failed, &why),
                    None => book.done(self.index),
                });
                Ok(String::new())
            }
            Err(why) => {
                account.with(|book| book.failed(self.index, Injection::NotUndone, &why));
                Err(why)
            }
        }
    }

    fn undo_within(&self) -> Duration {
        force::undo_within(self.fault.action, self.nodes.len())
    }

    fn last_resort(&self) -> Option<LastResort> {
        let of_processes = self.fault.action.is_of_processes();
        of_processes.then(|| force::last_resort(self.index, &self.stage, &self.nodes))
    }
}
