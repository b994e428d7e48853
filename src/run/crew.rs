//! The crew: the threads of a run, who is still at work, and what each leaves behind.

use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread::{Builder, JoinHandle};

use crate::bus::{BusError, Member, Publisher};
use crate::host::clock::Clock;
use crate::load;
use crate::market::RunIdentity;
use crate::measure::PublishLedger;
use crate::num;
use crate::plan::{Consume, Plan};

use super::generator::{Generated, Generator};
use super::receiver::{Received, Receiver};
use super::rows::Report;
use super::shared::{Calendar, GroupSignals, Switches};
use super::workers::{self, Listening, ToGroup};

/// What the crew left behind.
pub(super) struct Ended {
    /// Of each generator that came to its end.
    pub(super) generated: Vec<Generated>,
    /// Of each group, in the plan's order; `None` where its thread died.
    pub(super) received: Vec<Option<Received>>,
    /// Who ended before their time, and why.
    pub(super) dead: Vec<String>,
}

struct GroupThreads {
    /// Enters what is received into the ledger.
    ledger: JoinHandle<(Received, Option<BusError>)>,
    members: Vec<JoinHandle<Option<BusError>>>,
}

pub(super) struct Crew {
    plan: Plan,
    clock: Clock,
    run: RunIdentity,
    switches: Arc<Switches>,
    reports: Option<Sender<Report>>,
    groups: Vec<GroupThreads>,
    generators: Vec<JoinHandle<Generated>>,
    generated: Vec<Generated>,
    dead: Vec<String>,
}

impl Crew {
    pub(super) fn new(
        plan: &Plan,
        clock: Clock,
        run: RunIdentity,
        switches: Arc<Switches>,
        reports: Sender<Report>,
    ) -> Self {
        Self {
            plan: plan.clone(),
            clock,
            run,
            switches,
            reports: Some(reports),
            groups: Vec::new(),
            generators: Vec::new(),
            generated: Vec::new(),
            dead: Vec::new(),
        }
    }

    /// Starts the threads of a group: one for a single member; one for each of several, and one for the ledger.
    pub(super) fn start_group<M: Member + 'static>(
        &mut self,
        group: usize,
        subscribed: Vec<bool>,
        signals: Arc<GroupSignals>,
        mut members: Vec<M>,
    ) -> std::io::Result<()> {
        let Some(reports) = self.reports.clone() else { return Ok(()) };
        let receiver = Receiver::new(&self.plan, group, subscribed, signals, Arc::clone(&self.switches));
        let listening = Listening {
            clock: self.clock,
            run: self.run,
            switches: Arc::clone(&self.switches),
            reports,
            group,
            backlog: self.plan.load.consume == Consume::Backlog,
        };
        let name = format!("group-{group}");
        if members.len() == 1
            && let Some(member) = members.pop()
        {
            let ledger = Builder::new()
                .name(name)
                .spawn(move || workers::receive_alone(member, receiver, &listening))?;
            self.groups.push(GroupThreads { ledger, members: Vec::new() });
            return Ok(());
        }
        let (batches, from_members) = channel();
        let (mut threads, mut back) = (Vec::new(), Vec::new());
        for (index, member) in members.into_iter().enumerate() {
            let (give_back, emptied) = channel();
            back.push(give_back);
            let to_group = ToGroup { member: index, batches: batches.clone(), emptied };
            let listening = listening.clone();
            let work = move || workers::receive_as_member(member, &listening, &to_group);
            threads.push(Builder::new().name(format!("{name}-{index}")).spawn(work)?);
        }
        // The members have the only ones: when they are done, nothing more can come.
        drop(batches);
        let ledger = Builder::new()
            .name(name)
            .spawn(move || workers::receive_together(receiver, &listening, &from_members, &back))?;
        self.groups.push(GroupThreads { ledger, members: threads });
        Ok(())
    }

    /// Starts a thread for each generator.
    pub(super) fn start_generators<P: Publisher + 'static>(
        &mut self,
        publishers: Vec<P>,
        tag: u16,
        calendar: Calendar,
    ) -> std::io::Result<()> {
        let Some(reports) = self.reports.take() else { return Ok(()) };
        let shares = load::shares(&self.plan);
        for (index, publisher) in (0_u32..).zip(publishers) {
            let generator = Generator::new(&self.plan, index, &shares, tag, calendar, publisher);
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

    pub(super) fn generators_done(&self) -> bool {
        self.generators.iter().all(JoinHandle::is_finished)
    }

    /// Did a generator panic?
    pub(super) fn lost_generator(&self) -> bool {
        Switches::on(&self.switches.died)
    }

    /// Waits for the generators and takes their ledgers, merged.
    pub(super) fn join_generators(&mut self) -> PublishLedger {
        let mut all = PublishLedger::new(self.plan.keys());
        for (index, thread) in std::mem::take(&mut self.generators).into_iter().enumerate() {
            match thread.join() {
                Ok(generated) => {
                    all.merge(&generated.ledger);
                    self.generated.push(generated);
                }
                Err(panic) => self.dead.push(format!("generator {index} ({})", said(panic.as_ref()))),
            }
        }
        all
    }

    /// Waits for the groups; they end within a wait of theirs once `stop_receiving` is on.
    pub(super) fn join(mut self) -> Ended {
        let mut received = Vec::new();
        for (threads, group) in self.groups.into_iter().zip(&self.plan.groups) {
            for (index, member) in threads.members.into_iter().enumerate() {
                match member.join() {
                    Ok(None) => {}
                    Ok(Some(error)) => self.dead.push(format!("member {index} of {} ({error})", group.name)),
                    Err(panic) => {
                        self.dead.push(format!(
                            "member {index} of {} ({})",
                            group.name,
                            said(panic.as_ref())
                        ));
                    }
                }
            }
            match threads.ledger.join() {
                Ok((done, failed)) => {
                    received.push(Some(done));
                    if let Some(error) = failed {
                        self.dead.push(format!("the member of {} ({error})", group.name));
                    }
                }
                Err(panic) => {
                    received.push(None);
                    self.dead.push(format!("group {} ({})", group.name, said(panic.as_ref())));
                }
            }
        }
        Ended { generated: self.generated, received, dead: self.dead }
    }
}

/// Tells the engine that a generator panics.
struct Alarm(Arc<Switches>);

impl Drop for Alarm {
    fn drop(&mut self) {
        if std::thread::panicking() {
            Switches::turn_on(&self.0.died);
        }
    }
}

/// What a panic said.
fn said(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "it panicked".to_owned())
}
