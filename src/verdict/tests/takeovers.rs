//! Tests of objectives on what came again after members crashed.

use super::faults::planned;
use super::*;
use crate::plan::{self, Action};
use crate::record::{Fault, Injection, Takeover};

/// A record with two crashes, of which each left ten events open.
fn crashed() -> Record {
    let mut record = good(&[("delivery.lost", "== 0")]);
    let names = ["first", "second"];
    record.plan.faults =
        names.map(|name| plan::Fault { action: Action::CrashMember, ..planned(name) }).into();
    record.plan.faults.push(planned("kill"));
    let takeover = Some(Takeover { open: 10, redelivered: 10, ..Takeover::default() });
    let fault = |name: &str| Fault {
        name: name.into(),
        outcome: Injection::Done,
        takeover: takeover.clone(),
        ..Fault::default()
    };
    record.faults.injected = names.map(fault).into();
    record
}

fn judged(record: &Record, name: &str) -> (Verdict, String) {
    let judged = judge(record, &objective(name, "== 0"));
    (judged.verdict, judged.reason.or(judged.observed).unwrap_or_default())
}

const MISSING: &str = "redelivered.missing";
const UNEXPECTED: &str = "redelivered.unexpected";

#[test]
fn exactly_what_was_open_has_to_come_again() {
    let mut record = crashed();
    for name in [MISSING, UNEXPECTED, "fault.first.redelivered.missing"] {
        assert_eq!(judged(&record, name), (Verdict::Pass, "0".to_owned()), "{name}");
    }
    record.faults.injected[1].takeover =
        Some(Takeover { open: 10, redelivered: 8, missing: 2, unexpected: 3, ..Takeover::default() });
    for (name, verdict) in [
        (MISSING, Verdict::Fail),
        (UNEXPECTED, Verdict::Fail),
        ("fault.first.redelivered.missing", Verdict::Pass),
        ("fault.second.redelivered.missing", Verdict::Fail),
        ("fault.second.redelivered.unexpected", Verdict::Fail),
    ] {
        assert_eq!(judged(&record, name).0, verdict, "{name}");
    }
    let seen = judge(&record, &objective(MISSING, "<= 2"));
    assert_eq!((seen.verdict, seen.observed.as_deref(), seen.samples), (Verdict::Pass, Some("2"), 20));
}

#[test]
fn a_crash_without_this_figure_passes_nothing() {
    let why = |change: fn(&mut Fault)| {
        let mut record = crashed();
        change(&mut record.faults.injected[0]);
        let (verdict, reason) = judged(&record, MISSING);
        assert_eq!(verdict, Verdict::Inconclusive, "{reason}");
        assert_eq!(judged(&record, "fault.second.redelivered.missing").0, Verdict::Pass);
        reason
    };
    assert_eq!(
        why(|fault| fault.takeover = None),
        "what the member left open at the fault `first` is not known"
    );
    let skipped = why(|fault| (fault.takeover, fault.outcome) = (None, Injection::Skipped));
    assert_eq!(skipped, "the fault `first` was not injected");
    let mut record = crashed();
    record.faults.injected.iter_mut().for_each(|fault| fault.takeover = Some(Takeover::default()));
    for name in [MISSING, UNEXPECTED] {
        let (verdict, reason) = judged(&record, name);
        assert_eq!(verdict, Verdict::Inconclusive);
        assert!(reason.starts_with("no member left an event open"), "{reason}");
    }
    record.faults.injected.clear();
    assert_eq!(judged(&record, MISSING).0, Verdict::Inconclusive);
}

#[test]
fn a_crash_at_another_time_than_planned_leaves_events_open_all_the_same() {
    let mut record = crashed();
    record.faults.injected[0].outcome = Injection::Late;
    assert_eq!(judged(&record, MISSING).0, Verdict::Pass);
}

#[test]
fn what_had_no_time_to_come_again_is_not_missing() {
    let mut record = crashed();
    record.faults.injected[0].takeover = Some(Takeover { open: 10, missing: 10, ..Takeover::default() });
    record.run.end = End::Interrupted;
    assert_eq!(judged(&record, MISSING).0, Verdict::Inconclusive);
    record.run.end = End::Recovered;
    record.faults.injected[0].takeover = None;
    assert_eq!(judged(&record, MISSING).0, Verdict::Inconclusive);
}
