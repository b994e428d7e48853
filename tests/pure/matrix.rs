//! Matrices: what a run's record says about its cell, the files of an account, and their schema.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may fail")]

use tickgate::matrix::{
    About, Design, Expect, Inputs, Matrix, Next, Outcome, Planned, Promise, SCHEMA, Subject, Trial, conclude,
    contradiction,
};
use tickgate::record::{Audit, End, Injection, Mark, Record, Recovered, Replica, UNAUDITED, Verdict};
use tickgate::report::matrix::{files, progress, terminal};
use tickgate::report::terminal::Style;

use crate::support::records::{self, faulted};

fn planned(configuration: &str, fault: &str) -> Planned {
    let what = if fault == "none" { "" } else { "kill of stream-leader" };
    Planned {
        configuration: configuration.into(),
        fault: fault.into(),
        what: what.into(),
        ..Planned::default()
    }
}

/// A run under faults whose store was read back.
fn audited(missing: u64) -> Record {
    let mut record = faulted::three();
    for fault in &mut record.faults.injected {
        fault.outcome = Injection::Done;
    }
    let acked = record.load.acked;
    let stored_once = acked - missing;
    record.audit =
        Some(Audit { complete: true, read: stored_once, acked, stored_once, missing, ..Audit::default() });
    record.broker.durability = "page cache".into();
    record.groups.iter_mut().for_each(|group| (group.lost, group.pending) = (0, 0));
    record
}

fn trial(number: u32, cell: &Planned, record: &Record) -> Trial {
    let folder = format!("m-{number:03}");
    Trial::of(Subject { next: Next { number, round: 1, cell: 0 }, cell, folder: &folder }, record)
}

fn of(record: &Record) -> Trial {
    trial(1, &planned("R1", "kill"), record)
}

#[test]
fn what_is_lost_is_what_the_store_lacks_or_a_group_never_got() {
    let found = of(&audited(7));
    assert_eq!(
        (found.outcome, found.lost, found.duplicates),
        (Outcome::Tested, Some(7), Some(0)),
        "{:?}",
        found.reason
    );
    assert_eq!(found.pledge.promise, Promise::Survives);
    assert!(found.unavailable_ns.unwrap() > 0 && found.hit.contains(&"nats-2".to_owned()));
    let mut undelivered = audited(0);
    undelivered.groups[0].lost = 3;
    assert_eq!(of(&undelivered).lost, Some(3));
    // A copy that was not read may hold the missing events.
    let mut unread = audited(7);
    let copy = Replica { node: "n2".into(), why: Some("it is behind".into()), ..Replica::default() };
    unread.audit.as_mut().unwrap().replicas = vec![copy];
    let found = of(&unread);
    assert_eq!(found.lost, None);
    assert!(found.reason.unwrap().contains("the copy on n2"));
}

#[test]
fn a_store_that_was_not_read_back_shows_no_loss_and_no_survival() {
    let mut record = audited(0);
    record.audit = None;
    record.plan.bus.audit = true;
    assert_eq!(of(&record).lost, None);
    record.marks.push(Mark { at_ns: 1, kind: UNAUDITED.into(), detail: "events are removed from it".into() });
    assert!(of(&record).reason.unwrap().contains("events are removed from it"));
    record.marks.clear();
    record.plan.bus.audit = false;
    assert_eq!(of(&record).lost, Some(0), "the groups have received all");
    record.run.end = End::BrokerFailed;
    assert_eq!((of(&record).lost, of(&record).outcome), (None, Outcome::Failed));
}

#[test]
fn a_fault_that_was_not_injected_tests_nothing_and_one_that_failed_is_a_failed_run() {
    for (outcome, expected) in [
        (Injection::Done, Outcome::Tested),
        (Injection::Late, Outcome::Tested),
        (Injection::Skipped, Outcome::NotInjected),
        (Injection::Dropped, Outcome::NotInjected),
        (Injection::Failed, Outcome::Failed),
        (Injection::NotUndone, Outcome::Failed),
    ] {
        let mut record = audited(0);
        let last = record.faults.injected.len() - 1;
        record.faults.injected[last].outcome = outcome;
        record.faults.injected[last].reason = Some("because".into());
        let found = of(&record);
        assert_eq!(found.outcome, expected, "{outcome:?}");
        assert!(expected == Outcome::Tested || found.reason.unwrap().contains("because"));
    }
    // A fault of the plan that the record does not have.
    let mut unset = audited(0);
    assert!(!unset.plan.faults.is_empty());
    unset.faults.injected.clear();
    assert_eq!(of(&unset).outcome, Outcome::NotInjected);
}

#[test]
fn a_run_recovered_if_it_did_from_each_of_its_faults() {
    let mut record = audited(0);
    assert_eq!(of(&record).recovered, Some(Recovered::Yes));
    let effect = record.faults.injected[0].effect.as_mut().unwrap();
    (effect.recovered, effect.recovery_ns) = (Recovered::No, None);
    let found = of(&record);
    assert_eq!((found.recovered, found.recovery_ns), (Some(Recovered::No), None));
    let plain = records::of(&records::Recipe::default());
    let found = trial(1, &planned("R1", "none"), &plain);
    assert_eq!(
        (found.recovered, found.unavailable_ns),
        (None, None),
        "without a fault there is nothing to recover from"
    );
}

// --- Accounts.

/// A matrix with a cell of each kind.
fn matrix() -> Matrix {
    let cell = |configuration: &str, fault: &str, expect| Planned { expect, ..planned(configuration, fault) };
    let mut cells = vec![
        cell("R1", "kill", Expect::Promise),
        cell("R1", "none", Expect::Any),
        cell("R1 async", "kill", Expect::Loses),
        cell("R1 async", "none", Expect::Survives),
        cell("R3", "kill", Expect::Recovers),
        Planned { emulated: true, what: "power-loss of all".into(), ..cell("R3", "none", Expect::Promise) },
    ];
    cells[3].skip = Some("nothing can be lost".into());
    cells[3].expect = Expect::Promise;
    let design = Design { runs: 2, seed: 42, cells, ..Design::default() };
    let lost = [[7, 0], [0, 0], [40, 41], [0, 0], [0, 0], [5, 9]];
    let mut trials = Vec::new();
    for round in 1..=2_u32 {
        for (at, cell) in design.cells.iter().enumerate().filter(|(_, cell)| cell.skip.is_none()) {
            let number = u32::try_from(trials.len()).unwrap() + 1;
            let mut record = audited(lost[at][usize::try_from(round - 1).unwrap()]);
            record.broker.durability =
                ["page cache", "memory (written to the file later)", "replicated 2/3, page cache"][at / 2]
                    .into();
            if at == 4 && round == 2 {
                record.faults.injected[0].outcome = Injection::Skipped;
                record.faults.injected[0].reason = Some("no node led the stream".into());
            }
            record.run.id = format!("run{number}");
            trials.push(Trial { round, ..trial(number, cell, &record) });
        }
    }
    let about = About {
        id: "id".into(),
        name: "durability".into(),
        description: "Some configurations under a kill.".into(),
        file: "durability.toml".into(),
        notes: vec!["A kill is no loss of power.".into()],
        tickgate: "0.0.0".into(),
        started: "2026-11-27T00:00:00Z".into(),
        ended: "2026-11-27T00:10:00Z".into(),
        ..About::default()
    };
    conclude(Inputs { about, design, trials })
}

fn file(m: &Matrix, name: &str) -> String {
    let found = files(m).into_iter().find(|(of, _)| of == name).unwrap_or_else(|| panic!("no {name}"));
    String::from_utf8(found.1).unwrap()
}

#[test]
fn the_result_in_every_form() {
    let m = matrix();
    assert_eq!((contradiction(&m), m.verdict), (None, Verdict::Fail));
    insta::assert_snapshot!("terminal", terminal(&m, Style { colour: false }));
    insta::assert_snapshot!("markdown", file(&m, "matrix.md"));
    insta::assert_snapshot!("junit", file(&m, "junit.xml"));
    let page = file(&m, "matrix.html");
    for part in ["not tested", "(emulated)", "7 lost", "FAIL", "m-001/report.html", "Content-Security-Policy"]
    {
        assert!(page.contains(part), "{part}");
    }
    let lines: Vec<String> = m.trials.iter().map(|trial| progress(trial, 5, 2)).collect();
    insta::assert_snapshot!("progress", lines.join("\n"));
}

/// The cell of the account in which nothing was tested shows its words, and no figure.
#[test]
fn what_was_not_tested_has_no_figures_anywhere() {
    let m = matrix();
    let untested = m.cells.iter().find(|cell| cell.tested == 0).unwrap();
    assert_eq!((untested.lost, untested.unavailable, untested.duplicates), (None, None, None));
    let row =
        |text: &str| text.lines().find(|line| line.contains("R1 async / none")).map(str::to_owned).unwrap();
    let line = row(&file(&m, "matrix.md"));
    assert!(line.contains("not tested") && !line.contains("| 0 |"), "{line}");
    assert!(file(&m, "junit.xml").contains("<skipped"));
}

#[test]
fn texts_from_outside_stay_texts() {
    let bad = "<script>alert(1)</script>\u{1b}[31m|\n::error::x";
    let mut m = matrix();
    (m.about.name, m.about.description, m.about.file) = (bad.into(), bad.into(), bad.into());
    m.design.cells[0].configuration = bad.into();
    for trial in m.trials.iter_mut().filter(|trial| trial.configuration == "R1" && trial.fault == "kill") {
        trial.configuration = bad.into();
        trial.reason = Some(bad.into());
        trial.durability = bad.into();
        trial.hit = vec![bad.into()];
    }
    let m = conclude(Inputs { about: m.about, design: m.design, trials: m.trials });
    let shown = terminal(&m, Style { colour: false });
    for (name, text) in files(&m)
        .into_iter()
        .map(|(name, bytes)| (name, String::from_utf8(bytes).unwrap()))
        .chain([("terminal".to_owned(), shown)])
    {
        assert!(name == "terminal" || !text.contains("<script>alert"), "{name}");
        assert!(!text.contains('\u{1b}'), "{name}");
        assert!(!text.lines().any(|line| line.trim_start().starts_with("::")), "{name}");
    }
}

#[test]
fn the_published_schema_of_matrices_is_the_account() {
    const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/schema/matrix.json");
    let mut schema = schemars::schema_for!(Matrix);
    schema.insert("title".into(), SCHEMA.into());
    let text = serde_json::to_string_pretty(&schema).unwrap() + "\n";
    if std::env::var_os("TICKGATE_WRITE_SCHEMA").is_some() {
        std::fs::write(PATH, &text).unwrap();
    }
    let published = std::fs::read_to_string(PATH).unwrap_or_default();
    assert!(
        published == text,
        "docs/schema/matrix.json is out of date: TICKGATE_WRITE_SCHEMA=1 cargo test --test pure schema"
    );
    let whole: serde_json::Value = serde_json::from_str(&published).unwrap();
    let account = serde_json::to_value(matrix()).unwrap();
    let errors: Vec<_> = jsonschema::validator_for(&whole)
        .unwrap()
        .iter_errors(&account)
        .map(|error| error.to_string())
        .collect();
    assert!(errors.is_empty(), "{errors:?}");
    let again: Matrix = serde_json::from_value(account).unwrap();
    assert_eq!(again, matrix());
}
