use super::super::session::State;
use super::*;

const METRIC: &str = "latency.p99";

fn line(id: &str, at: u32, what: What) -> Line {
    Line {
        schema: SCHEMA.into(),
        id: id.into(),
        baseline: "nightly".into(),
        at: format!("2026-11-{:02}T{:02}:00:00Z", 1 + at / 24, at % 24),
        tickgate: "0.1.0".into(),
        what,
    }
}

fn subject(config: &str) -> Subject {
    Subject { git: None, broker: "bus 1.0".into(), config: config.into() }
}

fn run(session: &str, purpose: Stage, value: f64) -> What {
    What::Run(Box::new(RunLine {
        session: session.into(),
        purpose,
        subject: subject("a"),
        fingerprint: "f".into(),
        probes: Some(Probes { compute_per_s: 1e8, loopback_ns: 2e4, sync_ns: 1e6 }),
        seed: 1,
        figures: Figures { metrics: [(METRIC.to_owned(), value)].into(), ..Figures::default() },
    }))
}

fn design() -> Design {
    Design {
        fresh: 3,
        total: 0.025,
        decide: vec![METRIC.into()],
        min_effect: 0.05,
        paired: false,
        old_runs: true,
        seed: 1,
    }
}

fn begun(config: &str) -> What {
    What::Check(Box::new(Begun { subject: subject(config), design: design(), again: None }))
}

fn decided(check: &str, finding: Finding) -> What {
    let decision = Decision { finding, why: "why".into(), next: None, repeatable: false };
    What::Decided(Decided { check: check.into(), decision })
}

/// Six saved sessions of three runs, one an hour.
fn saved() -> Vec<Line> {
    (0..6_u32)
        .flat_map(|session| {
            (0..3).map(move |at| {
                let value = 100.0 + f64::from(session);
                line(&format!("r{session}{at}"), session, run(&format!("s{session}"), Stage::Saved, value))
            })
        })
        .collect()
}

fn history(lines: &[Line]) -> History {
    History::of("nightly", lines.to_vec()).unwrap()
}

#[test]
fn saved_runs_are_sessions_of_the_baseline() {
    let history = history(&saved());
    let past = history.past("2026-11-09");
    assert_eq!((past.len(), State::of(&past), history.epoch()), (6, State::Usable, 1));
    assert!(past.iter().all(|session| session.runs.len() == 3));
    assert_eq!(history.past("2026-11-01T02:30:00Z").len(), 3, "a check has the baseline of its begin");
    assert_eq!(History::of("nightly", vec![]).unwrap(), History::default());
}

#[test]
fn a_checks_session_joins_only_when_it_is_said() {
    let mut lines = saved();
    lines.push(line("c1", 30, begun("b")));
    lines.extend((0..3).map(|at| line(&format!("f{at}"), 30, run("c1", Stage::Fresh, 101.0))));
    assert_eq!(history(&lines).again(&subject("b")), Again::Continue(&history(&lines).checks[0]));
    lines.push(line("d1", 31, decided("c1", Finding::NoSign)));
    let before = history(&lines);
    assert_eq!((before.baseline().count(), before.to_join().len()), (6, 1));
    lines.push(line("j1", 32, What::Joined(Joined { sessions: vec!["c1".into()] })));
    let after = history(&lines);
    assert_eq!((after.baseline().count(), after.to_join().len()), (7, 0));
    assert_eq!(after.again(&subject("b")), Again::New, "what passed is checked each night");
    assert_eq!(after.again(&subject("c")), Again::New);
}

#[test]
fn a_decided_subject_stays_decided_and_a_broken_off_check_goes_on() {
    let of = |finding: Option<Finding>, repeatable: bool| {
        let mut lines = saved();
        lines.push(line("c1", 30, begun("b")));
        if let Some(finding) = finding {
            let decision = Decision { finding, why: String::new(), next: None, repeatable };
            lines.push(line("d1", 31, What::Decided(Decided { check: "c1".into(), decision })));
        }
        let history = history(&lines);
        match history.again(&subject("b")) {
            Again::New => "new",
            Again::Continue(_) => "continue",
            Again::Decided(..) => "decided",
        }
    };
    assert_eq!(of(None, false), "continue");
    assert_eq!(of(Some(Finding::Worse), false), "decided");
    assert_eq!(of(Some(Finding::NotConfirmed), false), "new");
    assert_eq!(of(Some(Finding::NoSign), false), "new");
    assert_eq!(of(Some(Finding::Unknown), true), "new");
    assert_eq!(of(Some(Finding::Unknown), false), "continue");
}

#[test]
fn an_accepted_change_begins_an_epoch_with_the_sessions_that_showed_it() {
    let mut lines = saved();
    lines.push(line("c1", 30, begun("b")));
    lines.extend((0..3).map(|at| line(&format!("f{at}"), 30, run("c1", Stage::Fresh, 150.0))));
    lines.push(line("d1", 31, decided("c1", Finding::Worse)));
    let accepted =
        Accepted { epoch: 2, reason: "durable acknowledgements".into(), sessions: vec!["c1".into()] };
    lines.push(line("e2", 32, What::Epoch(accepted)));
    let history = history(&lines);
    assert_eq!(history.epoch(), 2);
    assert_eq!(history.epochs[1].reason, "durable acknowledgements");
    let baseline: Vec<&str> = history.baseline().map(|sitting| sitting.session.id.as_str()).collect();
    assert_eq!(baseline, ["c1"], "nothing of the old epoch, and nothing lost");
    assert_eq!(history.sittings.len(), 7);
    assert_eq!(history.again(&subject("b")), Again::New, "the epoch is another");
}

#[test]
fn unfit_runs_are_kept_and_count_for_nothing() {
    let mut lines = saved();
    let What::Run(mut unfit) = run("s0", Stage::Saved, 1.0) else { panic!("a run") };
    unfit.figures.unusable = Some("the machine paused".into());
    lines.push(line("u", 0, What::Run(unfit)));
    let history = history(&lines);
    assert_eq!((history.sittings[0].unusable, history.sittings[0].session.runs.len()), (1, 3));
}

#[test]
fn a_check_of_pairs_alone_gives_a_session_of_its_first_new_runs() {
    let mut lines = saved();
    lines.push(line("c1", 30, begun("b")));
    for number in 1..=8 {
        for side in [Side::Old, Side::New] {
            let id = format!("p{number}{side:?}");
            lines.push(line(&id, 30 + number, run("c1", Stage::Pair { number, side }, 101.0)));
        }
    }
    lines.push(line("d1", 40, decided("c1", Finding::NotConfirmed)));
    let history = history(&lines);
    let session = &history.sittings.iter().find(|sitting| sitting.session.id == "c1").unwrap().session;
    assert_eq!(session.runs.len(), 3);
    assert_eq!(history.checks[0].runs.len(), 16);
}

#[test]
fn branches_merge_by_union_in_any_order() {
    let mut one = saved();
    let mut other = saved();
    one.push(line("x", 50, run("s7", Stage::Saved, 1.0)));
    other.push(line("y", 49, run("s6", Stage::Saved, 1.0)));
    let both = [one.clone(), other.clone()].concat();
    let merged_lines = merged("nightly", both).unwrap();
    assert_eq!(merged_lines.len(), 20);
    assert_eq!(merged("nightly", [other, one].concat()).unwrap().len(), 20);
    assert_eq!(merged_lines[18].id, "y", "by time");
    let again = merged("nightly", merged_lines.clone()).unwrap();
    assert_eq!(again, merged_lines);
}

#[test]
fn foreign_newer_and_contradicting_lines_are_named() {
    let mut lines = saved();
    lines[4].baseline = "weekly".into();
    let error = History::of("nightly", lines).unwrap_err().to_string();
    assert!(error.contains("line 5 belongs to the baseline `weekly`"), "{error}");
    let mut lines = saved();
    lines[0].schema = "tickgate.history/9".into();
    let error = History::of("nightly", lines).unwrap_err().to_string();
    assert!(error.contains("line 1 has schema tickgate.history/9"), "{error}");
    let mut lines = saved();
    lines.push(Line { what: run("s0", Stage::Saved, 1.0), ..lines[0].clone() });
    let error = History::of("nightly", lines).unwrap_err().to_string();
    assert!(error.contains("lines 1 and 19 have the id r00 and differ"), "{error}");
}
