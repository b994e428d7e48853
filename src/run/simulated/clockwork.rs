//! The main loop of a simulated run: drives the engine's generators and receivers in virtual time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crate::bus::sim::{Host, Random, SimBus, SimMember, SimPublisher, Stretch};
use crate::bus::{Bus as _, Member as _, Replaying};
use crate::load;
use crate::market::RunIdentity;
use crate::measure::{Merger, PublishLedger};
use crate::plan::{Begin, Ns, Plan, Speed};
use crate::record::{PhaseName, Rows};
use crate::run::RunError;
use crate::run::by_fault::backlog;
use crate::run::dead_letters::DeadLetterTopics;
use crate::run::ending::{QUIET_NS, Silence, all_moved, settled};
use crate::run::generator::{Generated, Generator};
use crate::run::identity::run_identity;
use crate::run::poison::Refusals;
use crate::run::receiver::{Reading, Received, Receiver, read_any};
use crate::run::replay::{Account, Cuts, Now, Outcome, Replayed, start_of};
use crate::run::rows::{Backlogs, Report, RowMaker, Sample, next_second_start, second_of};
use crate::run::shared::{Calendar, GroupSignals, Switches};
use crate::run::supervisor::MEASURED_NS;
use crate::topology::Subscriptions;
use crate::verdict::Curtailment;

use super::{Scenario, stalls};

/// Interval at which answers and deliveries are read. It does not affect any figure: both are stamped on
/// arrival.
const POLL_NS: Ns = 1_000_000;
/// Limit on the readings of several members held back until their order is certain.
const HELD_BACK: usize = 1 << 20;

/// A group's receiving side with its members.
struct GroupSide {
    name: String,
    members: Vec<Option<SimMember>>,
    merger: Merger<Reading>,
    /// Offset of the members' clock against the generators'.
    offset_ns: i64,
    receiver: Receiver,
    signals: Arc<GroupSignals>,
    refusals: Refusals,
    dead_letters: Option<Arc<DeadLetterTopics>>,
}

/// The results of the timeline.
pub(super) struct TimelineResult {
    pub(super) seconds: Vec<Rows>,
    pub(super) backlogs: Backlogs,
    /// Deliveries had stopped when the drain ended.
    pub(super) quiet: bool,
}

/// The publishing side at the end of the drain.
pub(super) struct Drained {
    pub(super) generated: Vec<Generated>,
    pub(super) published: Arc<PublishLedger>,
    pub(super) at: Ns,
}

pub(super) struct Clockwork {
    time: Arc<AtomicU64>,
    bus: SimBus,
    run: RunIdentity,
    calendar: Calendar,
    stalls: Vec<Stretch>,
    host: Host,
    random: Random,
    switches: Arc<Switches>,
    generators: Vec<Generator<SimPublisher>>,
    groups: Vec<GroupSide>,
    rows: RowMaker,
    seconds: Vec<Rows>,
    next_second: Ns,
    next_poll: Ns,
    dead: Vec<String>,
    plan: Plan,
    /// Of each replay that is over.
    replayed: Vec<Option<Replayed>>,
    quiet: bool,
    /// The planned end of the load, or the moment at which it was ended.
    load_end: Ns,
    curtailment: Option<Curtailment>,
    /// Has a second ended since the curtailment last looked?
    news: bool,
    /// Does the plan have dead letters, which come later than what they are copies of?
    dead_letters: bool,
}

impl Clockwork {
    pub(super) fn new(
        plan: &Plan,
        bus: &mut SimBus,
        time: Arc<AtomicU64>,
        tag: u16,
        calendar: Calendar,
        subscriptions: &Subscriptions,
        scenario: &Scenario,
    ) -> Result<Self, RunError> {
        let switches = Arc::new(Switches::default());
        let _ = switches.calendar.set(calendar);
        bus.provision()?;
        let shares = load::shares(plan);
        let mut generators = Vec::new();
        for index in 0..plan.load.generators {
            let generator = Generator::new(plan, index, &shares, tag, calendar, bus.publisher(index)?);
            generators.push(generator.with_cuts(Cuts::of(plan, calendar, &switches)));
        }
        let mut groups = Vec::new();
        for (group, named) in plan.groups.iter().enumerate() {
            let mut members = Vec::new();
            for member in 0..named.members {
                members.push(Some(bus.member(group, member)?));
            }
            let signals = Arc::new(GroupSignals::default());
            let of_group = subscriptions.group(group);
            groups.push(GroupSide {
                name: named.name.clone(),
                merger: Merger::new(members.len(), HELD_BACK),
                offset_ns: scenario.host.clock_offset_ns,
                members,
                receiver: Receiver::new(plan, group, of_group, Arc::clone(&signals), Arc::clone(&switches)),
                signals,
                refusals: Refusals::of(plan, group),
                dead_letters: DeadLetterTopics::of_plan(plan),
            });
        }
        Ok(Self {
            time,
            bus: bus.clone(),
            run: run_identity(plan, tag, calendar.epoch_unix_ns),
            calendar,
            stalls: stalls(scenario, calendar),
            host: scenario.host.clone(),
            random: Random::new(u64::from(tag)),
            switches,
            generators,
            groups,
            rows: RowMaker::new(calendar.load_start, backlog(plan, subscriptions, calendar)),
            seconds: Vec::new(),
            next_second: calendar.load_start + 1_000_000_000,
            next_poll: calendar.load_start,
            dead: Vec::new(),
            plan: plan.clone(),
            replayed: plan.replays.iter().map(|_| None).collect(),
            quiet: true,
            load_end: calendar.measure_end,
            curtailment: scenario.curtail.then(|| Curtailment::of(plan)),
            news: false,
            dead_letters: plan.dead_letters(),
        })
    }

    fn now(&self) -> Ns {
        self.time.load(Ordering::Relaxed)
    }

    /// Moves the clock ahead, and to the end of a stall of the harness's machine.
    fn jump(&self, to: Ns) {
        self.time.store(Stretch::after(&self.stalls, to.max(self.now())), Ordering::Relaxed);
    }

    /// How late a generator that waits for this moment wakes.
    fn late(&self, due: Ns) -> Ns {
        self.host.late.as_ref().map_or(0, |late| late.at(self.random, due))
    }

    /// Runs until a time, or until the run cannot pass any more, and then ends the load and returns why.
    pub(super) fn until(&mut self, end: Ns) -> Option<String> {
        while self.now() < end {
            self.step(end);
            if let Some(why) = self.hopeless() {
                self.load_end = self.now();
                self.generators.iter_mut().for_each(|own| own.end_load(self.load_end - 1));
                return Some(why);
            }
        }
        None
    }

    /// When the load ended.
    pub(super) const fn load_end(&self) -> Ns {
        self.load_end
    }

    fn hopeless(&mut self) -> Option<String> {
        if !std::mem::take(&mut self.news) || self.now() < self.calendar.measure_start + MEASURED_NS {
            return None;
        }
        let curtailment = self.curtailment.as_mut()?;
        curtailment.count(self.rows.counters(), self.rows.reach());
        curtailment.reason()
    }

    /// One step: to the next due event, second, poll or the end, whichever is first.
    fn step(&mut self, end: Ns) {
        let due = self.generators.iter().enumerate().filter_map(|(g, own)| Some((own.due()?, g))).min();
        let next = self.next_second.min(self.next_poll).min(end);
        let replay =
            self.next_replay().filter(|(at, _)| *at <= next.min(due.map_or(Ns::MAX, |(due, _)| due)));
        if let Some((at, number)) = replay {
            self.jump(at);
            self.replay(number);
            return;
        }
        match due {
            Some((due, generator)) if due < next => {
                self.jump(due.saturating_add(self.late(due)));
                let time = &self.time;
                self.generators[generator]
                    .fire(time.load(Ordering::Relaxed), || time.load(Ordering::Relaxed));
            }
            _ if next == self.next_second => self.second(),
            _ => {
                self.jump(next);
                self.poll();
            }
        }
    }

    /// The next replay that begins while the load goes on.
    fn next_replay(&self) -> Option<(Ns, usize)> {
        let open = self.plan.replays.iter().zip(&self.replayed).enumerate();
        let live = open.filter_map(|(number, (replay, done))| match (replay.at, done) {
            (Begin::During(time), None) => Some((self.calendar.measure_start + time.ns, number)),
            _ => None,
        });
        live.filter(|(at, _)| *at < self.load_end).min()
    }

    /// Carries out a replay now.
    fn replay(&mut self, number: usize) {
        let Some(replay) = self.plan.replays.get(number) else { return };
        let stop = AtomicBool::new(false);
        let wanted = Replaying {
            number,
            from: start_of(replay, self.calendar),
            original: replay.speed == Speed::Original,
            deadline: Ns::MAX,
            stop: &stop,
        };
        let time = Arc::clone(&self.time);
        let now: Now = Arc::new(move || time.load(Ordering::Relaxed));
        let epoch = self.calendar.epoch_unix_ns;
        let mut account = Account::new(&self.plan, number, self.run.clone(), epoch, &self.switches, now);
        let outcome = match self.bus.replay(&wanted, epoch, &mut account) {
            Ok(true) => Outcome::Complete,
            Ok(false) => Outcome::Incomplete("the simulated server is stopped".to_owned()),
            Err(error) => Outcome::Incomplete(error.to_string()),
        };
        let done = Replayed { outcome, account: Some(account), ended: self.now(), cpu_ns: None };
        if let Some(place) = self.replayed.get_mut(number) {
            *place = Some(done);
        }
    }

    /// Carries out the replays that follow the drain, if the load came to its end, and returns all.
    pub(super) fn replays(&mut self, to_the_end: bool) -> Vec<Replayed> {
        for number in 0..self.replayed.len() {
            if to_the_end && self.replayed[number].is_none() {
                self.replay(number);
            }
        }
        let all = std::mem::take(&mut self.replayed).into_iter();
        all.map(|done| done.unwrap_or_else(|| Replayed::not_begun("the load ended before its time")))
            .collect()
    }

    /// Reads what has arrived.
    fn poll(&mut self) {
        let now = self.now();
        for generator in &mut self.generators {
            generator.absorb();
        }
        for side in &mut self.groups {
            side.receive(&self.run, self.calendar, now, &mut self.dead);
        }
        self.next_poll = now + POLL_NS;
        if self.generators.iter().all(|own| own.due().is_none()) {
            // All sending is over: nothing arrives before the next event on the bus.
            self.next_poll = self.next_poll.max(self.bus.next().unwrap_or(now + QUIET_NS));
        }
    }

    /// Ends a second and emits the row of what happened before.
    fn second(&mut self) {
        self.jump(self.next_second - 1);
        self.poll();
        self.jump(self.next_second);
        let now = self.now();
        let second = second_of(self.next_second, self.calendar.load_start) - 1;
        self.report(second);
        let ended = Stretch { from: self.next_second.saturating_sub(1_000_000_000), length: 1_000_000_000 };
        let late = |stall: &Stretch| if ended.contains(stall.end() - 1) { stall.length } else { 0 };
        let hiccup_max_ns = self.stalls.iter().map(late).max().unwrap_or(0);
        self.rows.enter(Report::Sample { second, sample: Sample { hiccup_max_ns, ..Sample::default() } });
        self.next_second = next_second_start(now, self.calendar.load_start);
        self.emit(second + 1);
    }

    fn report(&mut self, second: u64) {
        let now = self.now();
        self.news = true;
        for (generator, own) in self.generators.iter_mut().enumerate() {
            let report = Box::new(own.take_interval(now));
            self.rows.enter(Report::Generator { generator, second, report });
        }
        for (group, side) in self.groups.iter_mut().enumerate() {
            let until = if side.members.len() == 1 { now } else { side.merger.frontier().min(now) };
            let report =
                Box::new(side.receiver.take_report(until.saturating_add_signed(side.offset_ns.min(0))));
            self.rows.enter(Report::Group { second, group, report });
        }
    }

    fn emit(&mut self, until: u64) {
        let (measure_start, load_end) = (self.calendar.measure_start, self.load_end);
        let phase = |at| match at {
            at if at < measure_start => PhaseName::Warmup,
            at if at < load_end => PhaseName::Measure,
            _ => PhaseName::Drain,
        };
        while let Some(rows) = self.rows.next_before(until, phase) {
            if let Some(curtailment) = &mut self.curtailment {
                curtailment.add(&rows.row);
            }
            self.seconds.push(rows);
        }
    }

    /// Waits for answers, then for deliveries, as the engine does.
    pub(super) fn drain(&mut self, length: Ns) -> Drained {
        let deadline = self.now() + length;
        let done = |own: &Generator<SimPublisher>| own.due().is_none() && own.in_flight() == 0;
        while self.now() < deadline && !self.generators.iter().all(done) {
            self.step(deadline);
        }
        let now = self.now();
        for generator in &mut self.generators {
            generator.skip_until(now);
            generator.abandon();
        }
        // Events that came with the last answers belong in the last row.
        let second = second_of(self.next_second, self.calendar.load_start) - 1;
        self.report(second);
        let generated: Vec<Generated> =
            std::mem::take(&mut self.generators).into_iter().map(Generator::finish).collect();
        let mut published = PublishLedger::new(generated.first().map_or(0, |own| own.ledger.keys()));
        for own in &generated {
            published.merge(&own.ledger);
        }
        let open = self.dead_letters || published.totals().unconfirmed + published.totals().refused > 0;
        let published = Arc::new(published);
        let _ = self.switches.published.set(Arc::clone(&published));
        self.listen(deadline.max(now + QUIET_NS), open);
        Drained { generated, published, at: self.now() }
    }

    /// Waits for deliveries until none is missing; where unexpected ones are possible, until deliveries have
    /// stopped.
    fn listen(&mut self, deadline: Ns, open: bool) {
        let mut silence = Silence::new(self.now());
        self.poll();
        while self.now() < deadline {
            let sum = |of: fn(&GroupSignals) -> &AtomicU64| {
                self.groups.iter().map(move |side| of(&side.signals).load(Ordering::Relaxed))
            };
            silence.look(self.now(), sum(|signals| &signals.deliveries).sum());
            let quiet = silence.lasts(self.now());
            let missing = sum(|signals| &signals.missing).any(|missing| missing > 0);
            self.quiet = quiet;
            let refused = sum(|signals| &signals.refused).sum();
            let account = || self.bus.clone().observe().ok().filter(|seen| all_moved(seen, refused));
            if settled(missing, open, quiet, account) {
                return;
            }
            // Do not step past the moment at which the silence is long enough.
            let enough = silence.since() + QUIET_NS + 1;
            self.step(if self.now() < enough { enough.min(deadline) } else { deadline });
        }
    }

    /// Ends the run and returns each group's results, the dead workers and the timeline.
    pub(super) fn finish(mut self) -> (Vec<Option<Received>>, Vec<String>, TimelineResult) {
        for side in &mut self.groups {
            (0..side.members.len()).for_each(|member| side.merger.close(member));
            side.merger.release(|_, _, reading| side.receiver.take(reading));
        }
        let second = second_of(self.next_second, self.calendar.load_start) - 1;
        self.report(second);
        let last = self.rows.last_second();
        self.emit(last);
        let received = self.groups.into_iter().map(|side| Some(side.receiver.finish())).collect();
        (
            received,
            self.dead,
            TimelineResult { seconds: self.seconds, backlogs: self.rows.backlogs(), quiet: self.quiet },
        )
    }
}

impl GroupSide {
    /// Reads what has reached the members by `now`, as the workers do.
    fn receive(&mut self, run: &RunIdentity, calendar: Calendar, now: Ns, dead: &mut Vec<String>) {
        let Self { name, members, merger, offset_ns, receiver, refusals, dead_letters, .. } = self;
        let alone = members.len() == 1;
        for (index, place) in members.iter_mut().enumerate() {
            let Some(member) = place else { continue };
            let mut readings = Vec::new();
            let done = member.receive_or_refuse(Duration::ZERO, &mut |delivery| {
                let reading = read_any(delivery, run, calendar.epoch_unix_ns, dead_letters.as_deref());
                let handling = refusals.handling(Some(&calendar), reading.event());
                if alone {
                    receiver.take(reading);
                } else {
                    readings.push((reading.received, reading));
                }
                handling
            });
            if !alone {
                // By the members' clock, whatever arrives from now on is received now or later.
                merger.push(index, readings, now.saturating_add_signed(*offset_ns));
            }
            if let Err(error) = done {
                let who =
                    if alone { format!("the member of {name}") } else { format!("member {index} of {name}") };
                dead.push(format!("{who} ({error})"));
                merger.close(index);
                *place = None;
            }
        }
        if !alone {
            merger.release(|_, _, reading| receiver.take(reading));
        }
        receiver.signal();
    }
}
