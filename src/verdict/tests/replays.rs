//! Tests of objectives on replays.

use super::*;
use crate::plan::{Begin, Origin, Replay, Speed};
use crate::record::ReplayEnd;

const OBJECTIVES: [(&str, &str); 3] =
    [("replay.all.equal", "== 100%"), ("replay.all.rate", ">= 1k/s"), ("replay.all.drift", "<= 10ms")];

/// A good run whose replay from a time returned everything, at its original speed.
fn replayed(alter: impl FnOnce(&mut record::Replay)) -> Record {
    let mut record = good(&OBJECTIVES);
    let from = Origin::After(Span::seconds(1));
    record.plan.replays = vec![Replay { name: "all".into(), at: Begin::Drain, from, speed: Speed::Original }];
    let mut replay = record::Replay {
        name: "all".into(),
        from,
        end: ReplayEnd::Complete,
        events: 10_005,
        expected: 10_000,
        equal: 10_000,
        either: 5,
        rate: Some(1000.0),
        drift_ns: Some(10_000_000),
        began_ns: Some(1),
        ended_ns: Some(10_000_000_001),
        ..record::Replay::default()
    };
    alter(&mut replay);
    record.replays = vec![replay];
    record
}

fn verdicts(record: &Record) -> [Verdict; 3] {
    let all: Vec<Verdict> = assess(record).objectives.iter().map(|own| own.verdict).collect();
    all.try_into().unwrap()
}

const PASS: Verdict = Verdict::Pass;
const FAIL: Verdict = Verdict::Fail;
const OPEN: Verdict = Verdict::Inconclusive;

#[test]
fn a_replay_that_returned_everything_passes_at_the_edge_of_its_limits() {
    let record = replayed(|_| ());
    assert_eq!(verdicts(&record), [PASS; 3]);
    let shown = assess(&record).objectives;
    assert_eq!(shown[0].observed.as_deref(), Some("100%"));
    assert_eq!(claims::of_run(&record).len(), claims::of_run(&good(&OBJECTIVES)).len());
}

#[test]
fn whatever_is_missing_or_was_not_to_come_is_a_miss() {
    let alters: [fn(&mut record::Replay); 5] = [
        |own| (own.equal, own.missing) = (9999, 1),
        |own| own.extra = 1,
        |own| own.foreign = 1,
        |own| (own.equal, own.twice) = (9999, 1),
        |own| (own.equal, own.reordered) = (9999, 1),
    ];
    for alter in alters {
        let record = replayed(alter);
        assert_eq!(verdicts(&record), [FAIL, PASS, PASS], "{:?}", record.replays);
        assert!(assess(&record).objectives[0].observed.as_deref() != Some("100%"), "rounded down");
    }
    assert_eq!(verdicts(&replayed(|own| own.rate = Some(999.0))), [PASS, FAIL, PASS]);
    assert_eq!(verdicts(&replayed(|own| own.drift_ns = Some(10_000_001))), [PASS, PASS, FAIL]);
}

#[test]
fn a_replay_that_was_not_read_to_its_end_is_no_pass_and_no_miss() {
    for end in [ReplayEnd::Incomplete, ReplayEnd::NotBegun] {
        let record = replayed(|own| {
            own.end = end;
            own.reason = Some("the deadline passed before its end".into());
        });
        assert_eq!(verdicts(&record), [OPEN; 3]);
        let reason = assess(&record).objectives[0].reason.clone().unwrap();
        assert!(reason.ends_with("the deadline passed before its end"), "{reason}");
    }
    let mut none = replayed(|_| ());
    none.replays.clear();
    assert_eq!(verdicts(&none), [OPEN; 3], "nothing is known of it");
    assert_eq!(verdicts(&replayed(|own| (own.expected, own.equal) = (0, 0)))[0], OPEN, "nothing was to come");
    let mut cut = replayed(|own| own.missing = 1);
    cut.run.end = End::Interrupted;
    assert_eq!(verdicts(&cut), [OPEN; 3]);
    let mut dead = replayed(|_| ());
    dead.health.dead_workers = vec!["generator 0".into()];
    assert_eq!(verdicts(&dead), [OPEN; 3], "the ledger may lack events");
}

#[test]
fn a_miss_that_may_not_be_the_brokers_is_none() {
    let elsewhere = |from| {
        let mut record = replayed(|own| (own.from, own.equal, own.missing) = (from, 9999, 1));
        record.broker.mode = "url".into();
        verdicts(&record)[0]
    };
    assert_eq!(elsewhere(Origin::After(Span::seconds(1))), OPEN, "its clock is not known");
    assert_eq!(elsewhere(Origin::Start), FAIL);
    assert_eq!(elsewhere(Origin::Sequence(5)), FAIL);
    let busy = |share| verdicts(&replayed(|own| (own.rate, own.busy) = (Some(900.0), Some(share))))[1];
    assert_eq!((busy(0.95), busy(0.5)), (OPEN, FAIL), "the reader itself was the limit");
}
