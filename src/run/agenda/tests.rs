//! Agendas on a fake clock, and the thread that carries out an agenda.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use super::*;

/// A clock that jumps to the time that is waited for, up to the end of the agenda.
struct Fake {
    now: Arc<AtomicU64>,
    end: Ns,
}

impl Time for Fake {
    fn now(&self) -> Ns {
        self.now.load(Ordering::Relaxed)
    }

    fn wait_until(&self, due: Ns) -> bool {
        self.now.fetch_max(due.min(self.end), Ordering::Relaxed);
        self.now() < self.end
    }
}

/// The behaviour of an action.
#[derive(Clone, Copy)]
enum Way {
    Takes(Ns),
    Fails,
    Panics,
    Unfit,
}

struct Scripted(&'static str, Way, Arc<AtomicU64>);

impl Action for Scripted {
    fn name(&self) -> String {
        self.0.into()
    }

    fn prepare(&mut self) -> Result<(), String> {
        if matches!(self.1, Way::Unfit) { Err("nobody leads".into()) } else { Ok(()) }
    }

    fn act(&mut self) -> Result<String, String> {
        match self.1 {
            Way::Takes(long) => {
                self.2.fetch_add(long, Ordering::Relaxed);
                Ok("seen".into())
            }
            Way::Fails | Way::Unfit => Err("no such node".into()),
            Way::Panics => panic!("as it is meant to"),
        }
    }

    fn undo(&mut self) -> Result<String, String> {
        Ok(String::new())
    }
}

/// The changes of an agenda of (name, at, until, way) from time 1000 on that ends at `end`.
fn carried_out(end: Ns, entries: &[(&'static str, Ns, Option<Ns>, Way)]) -> Vec<(Outcome, String, Ns, Ns)> {
    let now = Arc::new(AtomicU64::new(0));
    let mut agenda = Agenda::default();
    for &(name, at, until, way) in entries {
        agenda.add(at, until, Box::new(Scripted(name, way, Arc::clone(&now))));
    }
    let mut all = Vec::new();
    let report = &mut |change: Change| all.push((change.outcome, change.name, change.planned, change.at));
    Work::new(agenda, 1000, &Fake { now, end }, report).carry_out();
    all
}

#[test]
fn actions_are_done_and_undone_at_their_times_counted_from_the_measure_phase() {
    use Outcome::{Begun, Done, Undone};
    // Added out of order; the second begins when the first is undone.
    let all = carried_out(Ns::MAX, &[("b", 30, Some(50), Way::Takes(0)), ("a", 10, Some(30), Way::Takes(5))]);
    let expected = [
        (Begun, "a", 1010, 1010),
        (Done, "a", 1010, 1015),
        (Undone, "a", 1030, 1030),
        (Begun, "b", 1030, 1030),
        (Done, "b", 1030, 1030),
        (Undone, "b", 1050, 1050),
    ];
    assert_eq!(all, expected.map(|(outcome, name, planned, at)| (outcome, name.to_owned(), planned, at)));
}

#[test]
fn a_slow_action_delays_the_next_one_and_both_times_are_reported() {
    let all = carried_out(Ns::MAX, &[("slow", 10, None, Way::Takes(100)), ("next", 20, None, Way::Takes(0))]);
    let begun: Vec<_> =
        all.iter().filter(|change| change.0 == Outcome::Begun).map(|change| (change.2, change.3)).collect();
    assert_eq!(begun, [(1010, 1010), (1020, 1110)]);
    assert!(all.iter().all(|change| change.0 != Outcome::Undone), "there is nothing to undo");
}

#[test]
fn an_early_end_drops_what_has_not_begun_and_undoes_the_rest_the_last_one_first() {
    use Outcome::{Dropped, Undone};
    let entries = [
        ("first", 10, Some(500), Way::Takes(0)),
        ("second", 20, Some(400), Way::Takes(0)),
        ("never", 300, Some(400), Way::Takes(0)),
    ];
    let all = carried_out(1100, &entries);
    let after: Vec<_> = all[4..].iter().map(|change| (change.0, change.1.as_str(), change.3)).collect();
    assert_eq!(after, [(Undone, "second", 1100), (Undone, "first", 1100), (Dropped, "never", 1100)]);
}

#[test]
fn what_fails_or_panics_is_undone_at_once_and_the_rest_goes_on() {
    use Outcome::{Begun, Done, Failed, Undone};
    let all = carried_out(
        Ns::MAX,
        &[
            ("bad", 10, Some(90), Way::Fails),
            ("worse", 20, Some(90), Way::Panics),
            ("good", 30, None, Way::Takes(0)),
        ],
    );
    let outcome: Vec<_> = all.iter().map(|change| (change.0, change.1.as_str(), change.3)).collect();
    let expected = [
        (Begun, "bad", 1010),
        (Failed, "bad", 1010),
        (Undone, "bad", 1010),
        (Begun, "worse", 1020),
        (Failed, "worse", 1020),
        (Undone, "worse", 1020),
        (Begun, "good", 1030),
        (Done, "good", 1030),
    ];
    assert_eq!(outcome, expected);
}

#[test]
fn an_action_without_anything_to_act_on_is_skipped_and_has_no_undo() {
    use Outcome::{Begun, Done, Skipped};
    let all = carried_out(Ns::MAX, &[("unfit", 10, Some(90), Way::Unfit), ("good", 30, None, Way::Takes(0))]);
    let outcome: Vec<_> = all.iter().map(|change| (change.0, change.1.as_str(), change.3)).collect();
    assert_eq!(outcome, [(Skipped, "unfit", 1010), (Begun, "good", 1030), (Done, "good", 1030)]);
}

/// An action whose undo ends only when its last resort was carried out, if it has one.
struct Stuck {
    freed: Option<Arc<(Mutex<bool>, Condvar)>>,
}

impl Action for Stuck {
    fn name(&self) -> String {
        "stuck".into()
    }

    fn act(&mut self) -> Result<String, String> {
        Ok(String::new())
    }

    fn undo(&mut self) -> Result<String, String> {
        let Some(freed) = &self.freed else {
            loop {
                std::thread::park();
            }
        };
        let (is_free, told) = &**freed;
        let _is_free = told.wait_while(is_free.lock().unwrap(), |is_free| !*is_free).unwrap();
        Err("the process has ended".into())
    }

    fn undo_within(&self) -> Duration {
        Duration::from_millis(1)
    }

    fn last_resort(&self) -> Option<LastResort> {
        let freed = Arc::clone(self.freed.as_ref()?);
        Some(Box::new(move || {
            *freed.0.lock().unwrap() = true;
            freed.1.notify_all();
            "killed node-2".into()
        }))
    }
}

#[test]
fn an_undo_that_hangs_is_ended_by_force_and_the_agenda_goes_on() {
    use Outcome::{Begun, Done, Hangs, NotUndone};
    for (freed, said) in [
        (Some(Arc::default()), ["within 1 s; killed node-2", "the process has ended"]),
        (None, ["within 1 s; nothing of it can be ended", "its undo still hangs"]),
    ] {
        let mut agenda = Agenda::default();
        agenda.add(10, Some(30), Box::new(Stuck { freed }));
        agenda.add(50, None, Box::new(Scripted("next", Way::Takes(0), Arc::default())));
        let mut all = Vec::new();
        let report = &mut |change: Change| all.push((change.outcome, change.name, change.detail));
        Work::new(agenda, 1000, &Fake { now: Arc::default(), end: Ns::MAX }, report).carry_out();
        let outcomes: Vec<_> = all.iter().map(|(outcome, name, _)| (*outcome, name.as_str())).collect();
        let stuck = [Begun, Done, Hangs, NotUndone].map(|outcome| (outcome, "stuck"));
        assert_eq!(outcomes, [stuck.as_slice(), &[(Begun, "next"), (Done, "next")]].concat());
        assert!(all[2].2.contains(said[0]) && all[3].2 == said[1], "{all:?}");
    }
}

/// Records the calls.
struct Noted(Arc<Mutex<Vec<&'static str>>>);

impl Action for Noted {
    fn name(&self) -> String {
        "noted".into()
    }

    fn act(&mut self) -> Result<String, String> {
        self.0.lock().unwrap().push("act");
        Ok(String::new())
    }

    fn undo(&mut self) -> Result<String, String> {
        self.0.lock().unwrap().push("undo");
        Ok(String::new())
    }
}

#[test]
fn a_run_that_is_gone_leaves_nothing_undone() {
    let done = Arc::new(Mutex::new(Vec::new()));
    let mut agenda = Agenda::default();
    agenda.add(0, Some(3_600_000_000_000), Box::new(Noted(Arc::clone(&done))));
    agenda.add(1_800_000_000_000, None, Box::new(Noted(Arc::clone(&done))));
    let thread = AgendaThread::start(agenda, Clock::start(), 0).unwrap();
    while done.lock().unwrap().is_empty() {
        std::thread::yield_now();
    }
    drop(thread);
    assert_eq!(*done.lock().unwrap(), ["act", "undo"]);
}

#[test]
fn what_is_to_be_undone_is_told_when_it_begins() {
    let done = Arc::new(Mutex::new(Vec::new()));
    let mut agenda = Agenda::default();
    agenda.add(0, Some(3_600_000_000_000), Box::new(Noted(Arc::clone(&done))));
    let thread = AgendaThread::start(agenda, Clock::start(), 7).unwrap();
    let mut undos = Vec::new();
    while undos.is_empty() || done.lock().unwrap().is_empty() {
        undos.extend(thread.happened().map(|told| told.change.undo()));
        std::thread::yield_now();
    }
    let undo = undos[0].clone().unwrap();
    assert_eq!((undo.action.as_str(), undo.until_ns), ("noted", Some(3_600_000_000_007)));
    assert!(undos[1..].iter().all(Option::is_none), "only what begins");
}

#[test]
fn an_empty_agenda_is_over_and_needs_no_thread() {
    let thread = AgendaThread::start(Agenda::default(), Clock::start(), 0).unwrap();
    assert!(thread.is_over() && thread.happened().next().is_none());
}

#[test]
fn a_mark_says_what_happened_and_when_it_was_to_happen() {
    let mark = Mark::from(Change {
        outcome: Outcome::Failed,
        kind: "action",
        name: "kill node-2".into(),
        planned: 21_500_000_000,
        at: 22_000_000_000,
        detail: "no such node".into(),
        until: None,
    });
    assert_eq!((mark.at_ns, mark.kind.as_str()), (22_000_000_000, "action-failed"));
    assert_eq!(mark.detail, "kill node-2 (planned for 21.500 s): no such node");
}
