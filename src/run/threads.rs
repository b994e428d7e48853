//! A crew of threads in this process: which are still at work, and their results.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Sender, channel};
use std::thread::{Builder, JoinHandle};

use crate::bus::{BusError, Member, Publisher};
use crate::host::clock::Clock;
use crate::load;
use crate::market::RunIdentity;
use crate::measure::PublishLedger;
use crate::num;
use crate::plan::{Consume, Plan};
use crate::topology::TopicSet;

use super::crew::{Crew, Ended};
use super::dead_letters::DeadLetterTopics;
use super::generator::{Generated, Generator};
use super::poison::Refusals;
use super::receiver::{Received, Receiver};
use super::replay::Cuts;
use super::rows::Report;
use super::shared::{Calendar, GroupSignals, Switches};
use super::slot::{Order, Slot};
use super::workers::{self, MemberContext, ToGroup};

/// A place for each member, and where to send orders, if any are to be given.
fn slots<M: Member>(members: Vec<M>, replaced: bool) -> (Vec<Slot<M>>, Vec<Sender<Order<M>>>) {
    if replaced {
        members.into_iter().map(Slot::open).unzip()
    } else {
        (members.into_iter().map(Slot::of).collect(), Vec::new())
    }
}

struct GroupThreads {
    /// Enters the readings in the ledger.
    ledger: JoinHandle<(Received, Option<BusError>)>,
    members: Vec<JoinHandle<Option<BusError>>>,
}

/// A thread for each generator and each member, plus one for the ledger of a group with several members.
pub(super) struct Threads<P> {
    plan: Plan,
    clock: Clock,
    run: RunIdentity,
    switches: Arc<Switches>,
    /// Of each group, in the plan's order.
    signals: Vec<Arc<GroupSignals>>,
    reports: Option<Sender<Report>>,
    /// The connected publishers, one for each generator, until the load starts.
    pub(super) publishers: Vec<P>,
    groups: Vec<GroupThreads>,
    generators: Vec<JoinHandle<Generated>>,
    ended: Ended,
}

impl<P: Publisher + 'static> Threads<P> {
    pub(super) fn new(plan: &Plan, clock: Clock, run: RunIdentity, reports: Sender<Report>) -> Self {
        Self {
            plan: plan.clone(),
            clock,
            run,
            switches: Arc::default(),
            signals: plan.groups.iter().map(|_| Arc::default()).collect(),
            reports: Some(reports),
            publishers: Vec::new(),
            groups: Vec::new(),
            generators: Vec::new(),
            ended: Ended::default(),
        }
    }

    /// The switches of the run.
    pub(super) fn switches(&self) -> Arc<Switches> {
        Arc::clone(&self.switches)
    }

    /// The signals of each group, in the plan's order.
    pub(super) fn signals(&self) -> &[Arc<GroupSignals>] {
        &self.signals
    }

    /// Starts the threads of a group: one for a single member; otherwise one for each member and one for the
    /// ledger. Returns where to send orders for each member, if the plan has faults of members.
    pub(super) fn start_group<M: Member + 'static>(
        &mut self,
        group: usize,
        subscribed: TopicSet,
        members: Vec<M>,
    ) -> std::io::Result<Vec<Sender<Order<M>>>> {
        let Some(reports) = self.reports.clone() else { return Ok(Vec::new()) };
        let (mut members, orders) =
            slots(members, self.plan.faults.iter().any(|fault| fault.action.is_of_members()));
        let signals = Arc::clone(&self.signals[group]);
        let receiver = Receiver::new(&self.plan, group, subscribed, signals, Arc::clone(&self.switches));
        let context = MemberContext {
            clock: self.clock,
            run: self.run.clone(),
            switches: Arc::clone(&self.switches),
            reports,
            group,
            backlog: self.plan.load.consume == Consume::Backlog,
            refusals: Refusals::of(&self.plan, group),
            dead_letters: DeadLetterTopics::of_plan(&self.plan),
        };
        let name = format!("group-{group}");
        if members.len() == 1
            && let Some(member) = members.pop()
        {
            let ledger = Builder::new()
                .name(name)
                .spawn(move || workers::receive_alone(member, receiver, &context))?;
            self.groups.push(GroupThreads { ledger, members: Vec::new() });
            return Ok(orders);
        }
        let (batches, from_members) = channel();
        let (mut threads, mut back) = (Vec::new(), Vec::new());
        for (index, member) in members.into_iter().enumerate() {
            let (give_back, emptied) = channel();
            back.push(give_back);
            let to_group = ToGroup { member: index, batches: batches.clone(), emptied };
            let context = context.clone();
            let work = move || workers::receive_as_member(member, &context, &to_group);
            threads.push(Builder::new().name(format!("{name}-{index}")).spawn(work)?);
        }
        // Only the members keep senders: once they are done, the channel closes.
        drop(batches);
        let ledger = Builder::new()
            .name(name)
            .spawn(move || workers::receive_together(receiver, &context, &from_members, &back))?;
        self.groups.push(GroupThreads { ledger, members: threads });
        Ok(orders)
    }

    /// Waits for the generators and merges their ledgers.
    fn join_generators(&mut self) -> PublishLedger {
        let mut all = PublishLedger::new(self.plan.keys().count());
        for (index, thread) in std::mem::take(&mut self.generators).into_iter().enumerate() {
            match thread.join() {
                Ok(generated) => {
                    all.merge(&generated.ledger);
                    self.ended.generated.push(generated);
                }
                Err(panic) => {
                    self.ended.dead.push(format!("generator {index} ({})", panic_message(panic.as_ref())));
                }
            }
        }
        all
    }
}

impl<P: Publisher + 'static> Crew for Threads<P> {
    fn start(&mut self, calendar: Calendar) -> std::io::Result<()> {
        let Some(reports) = self.reports.take() else { return Ok(()) };
        let _ = self.switches.calendar.set(calendar);
        let shares = load::shares(&self.plan);
        for (index, publisher) in (0_u32..).zip(std::mem::take(&mut self.publishers)) {
            let tag = self.run.run_tag;
            let generator = Generator::new(&self.plan, index, &shares, tag, calendar, publisher)
                .with_cuts(Cuts::of(&self.plan, calendar, &self.switches));
            let (clock, pacing) = (self.clock, self.plan.load.pacing);
            let (switches, reports) = (Arc::clone(&self.switches), reports.clone());
            let work = move || {
                let _alarm = Alarm(Arc::clone(&switches));
                let at = num::index32(index);
                workers::generate(generator, clock, pacing, at, calendar.load_start, &switches, &reports)
            };
            self.generators.push(Builder::new().name(format!("generator-{index}")).spawn(work)?);
        }
        Ok(())
    }

    fn lost_generator(&self) -> bool {
        Switches::on(&self.switches.died)
    }

    fn generators_done(&self) -> bool {
        self.generators.iter().all(JoinHandle::is_finished)
    }

    fn stop_load(&mut self) {
        Switches::turn_on(&self.switches.stop_load);
    }

    fn end_generators(&mut self) -> Arc<PublishLedger> {
        Switches::turn_on(&self.switches.stop_load);
        Switches::turn_on(&self.switches.abandon);
        self.ended.published = Arc::new(self.join_generators());
        Switches::turn_on(&self.switches.read_backlog);
        let _ = self.switches.published.set(Arc::clone(&self.ended.published));
        Arc::clone(&self.ended.published)
    }

    fn deliveries(&self) -> u64 {
        self.signals.iter().map(|group| group.deliveries.load(Ordering::Relaxed)).sum()
    }

    fn refused(&self) -> u64 {
        self.signals.iter().map(|group| group.refused.load(Ordering::Relaxed)).sum()
    }

    fn missing(&self) -> Vec<u64> {
        self.signals.iter().map(|group| group.missing.load(Ordering::Relaxed)).collect()
    }

    fn stop_receiving(&mut self) {
        Switches::turn_on(&self.switches.stop_receiving);
    }

    /// Groups end within one of their waits after the switch is set.
    fn finish(&mut self) -> Ended {
        let mut ended = std::mem::take(&mut self.ended);
        for (threads, group) in std::mem::take(&mut self.groups).into_iter().zip(&self.plan.groups) {
            for (index, member) in threads.members.into_iter().enumerate() {
                let who = format!("member {index} of {}", group.name);
                match member.join() {
                    Ok(None) => {}
                    Ok(Some(error)) => ended.dead.push(format!("{who} ({error})")),
                    Err(panic) => ended.dead.push(format!("{who} ({})", panic_message(panic.as_ref()))),
                }
            }
            match threads.ledger.join() {
                Ok((done, failed)) => {
                    ended.received.push(Some(done));
                    if let Some(error) = failed {
                        ended.dead.push(format!("the member of {} ({error})", group.name));
                    }
                }
                Err(panic) => {
                    ended.received.push(None);
                    ended.dead.push(format!("group {} ({})", group.name, panic_message(panic.as_ref())));
                }
            }
        }
        ended
    }
}

impl<P> Drop for Threads<P> {
    /// An abandoned run leaves no thread at work.
    fn drop(&mut self) {
        for switch in [&self.switches.stop_load, &self.switches.abandon, &self.switches.stop_receiving] {
            Switches::turn_on(switch);
        }
    }
}

/// Signals the crew that a generator panicked.
struct Alarm(Arc<Switches>);

impl Drop for Alarm {
    fn drop(&mut self) {
        if std::thread::panicking() {
            Switches::turn_on(&self.0.died);
        }
    }
}

/// The message of a panic.
fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "it panicked".to_owned())
}
