//! Runs on the simulated bus in real time: with an agenda, and such as are ended early.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use super::{Action, Agenda, Broker, Event, Identity, Job, Observer, Options, run_with_agenda};
use crate::bus::sim::{Delay, Faults, Setup, SimBus, Time};
use crate::host::clock::Clock;
use crate::host::signal::Interrupt;
use crate::market;
use crate::plan::{Span, grammar};
use crate::record::{CURTAILED, End, Mark, PhaseName, Record, Verdict};
use crate::selftest::swarm::base;

/// Blocks until it is released.
struct Slow(Receiver<()>);

impl Action for Slow {
    fn name(&self) -> String {
        "slow".into()
    }

    fn act(&mut self) -> Result<String, String> {
        self.0.recv_timeout(Duration::from_mins(1)).map_err(|_| "it was not released".to_owned())?;
        Ok("seen".into())
    }

    fn undo(&mut self) -> Result<String, String> {
        Ok(String::new())
    }
}

/// Calls a function when a mark of a kind comes.
struct On<F: FnMut(&Mark)>(F);

impl<F: FnMut(&Mark)> Observer for On<F> {
    fn event(&mut self, event: &Event<'_>) {
        if let Event::Mark(mark) = event {
            (self.0)(mark);
        }
    }
}

fn go(duration: Span, agenda: Agenda, interrupt: &Interrupt, observer: &mut dyn Observer) -> Record {
    let mut plan = base(1);
    plan.load.duration = duration;
    let clock = Clock::start();
    let setup = Setup { origin: clock.now(), ..Setup::default() };
    let bus = SimBus::new(&plan, setup, &market::names(&plan.market), Time::Real(clock));
    let (identity, options) = (Identity::new(), Options::default());
    let job = Job { plan: &plan, identity: &identity, clock, options: &options, interrupt };
    run_with_agenda(job, bus, Broker::default(), agenda, &mut [observer]).unwrap()
}

fn agenda(at: u64, until: u64) -> (Agenda, Sender<()>) {
    let (let_go, held) = channel();
    let mut agenda = Agenda::default();
    agenda.add(at, Some(until), Box::new(Slow(held)));
    (agenda, let_go)
}

fn of_the_agenda(record: &Record) -> Vec<&str> {
    let kinds = record.marks.iter().map(|mark| mark.kind.as_str());
    kinds.filter(|kind| kind.starts_with("action-")).collect()
}

#[test]
fn an_action_is_reported_while_it_is_carried_out_and_all_of_it_is_in_the_record() {
    let (agenda, let_go) = agenda(50_000_000, 100_000_000);
    // The observer runs on the supervisor's thread: if the action blocked that thread, nothing would release
    // it.
    let mut observer = On(|mark: &Mark| {
        if mark.kind == "action-begun" {
            let_go.send(()).unwrap();
        }
    });
    let record = go(Span::millis(600), agenda, &Interrupt::default(), &mut observer);
    assert_eq!(of_the_agenda(&record), ["action-begun", "action-done", "action-undone"]);
    let phase = record.phase(PhaseName::Measure).unwrap();
    let begun = record.marks.iter().find(|mark| mark.kind == "action-begun").unwrap();
    assert!(begun.at_ns >= phase.start_ns + 50_000_000, "{begun:?} {phase:?}");
    assert_eq!(record.run.end, End::Completed);
}

#[test]
fn an_interruption_undoes_what_was_done_and_drops_the_rest() {
    let (mut agenda, let_go) = agenda(0, 3_000_000_000_000);
    agenda.add(2_000_000_000_000, None, Box::new(Slow(channel().1)));
    let interrupt = Interrupt::default();
    let asked = interrupt.clone();
    let mut observer = On(|mark: &Mark| {
        if mark.kind == "action-begun" {
            let_go.send(()).unwrap();
            asked.raise();
        }
    });
    let record = go(Span::seconds(3600), agenda, &interrupt, &mut observer);
    assert_eq!(of_the_agenda(&record), ["action-begun", "action-done", "action-undone", "action-dropped"]);
    assert_eq!(record.run.end, End::Interrupted);
}

#[test]
fn a_run_that_cannot_pass_any_more_ends_soon() {
    let mut plan = base(1);
    (plan.load.duration, plan.load.drain) = (Span::seconds(30), Span::seconds(30));
    plan.objectives = vec![grammar::parse("latency.p99", "< 20ms").unwrap()];
    let clock = Clock::start();
    // Half of the events are served in time.
    let faults = Faults { service: Delay::Fixed(2_000_000), ..Faults::default() };
    let setup = Setup { origin: clock.now(), faults, ..Setup::default() };
    let bus = SimBus::new(&plan, setup, &market::names(&plan.market), Time::Real(clock));
    let (identity, interrupt) = (Identity::new(), Interrupt::default());
    let options = Options { curtail: true, ..Options::default() };
    let job = Job { plan: &plan, identity: &identity, clock, options: &options, interrupt: &interrupt };
    let record = run_with_agenda(job, bus, Broker::default(), Agenda::default(), &mut []).unwrap();
    assert_eq!(record.run.end, End::Completed);
    assert!(record.marks.iter().any(|mark| mark.kind == CURTAILED), "{:?}", record.marks);
    assert!(record.run.reason.as_ref().unwrap().starts_with("ended early"));
    assert_ne!(record.verdict, Verdict::Pass);
    // It has figures of what was due, and no more than that.
    let due = record.load.measured_intended;
    assert!((900..25_000).contains(&due), "{due}");
    assert_eq!(record.groups[0].measured_intended, due);
    let drain = record.phase(PhaseName::Drain).unwrap();
    assert!(drain.end_ns - drain.start_ns < 15_000_000_000, "{drain:?}");
}
