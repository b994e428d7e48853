//! Lines of a baseline's history as they are stored, and the figures taken from a record.

use tickgate::baseline::{
    Begun, Check, Decided, Decision, Design, Figures, Finding, Fingerprint, Joined, Line, Probes, RunLine,
    SCHEMA, Side, Stage, Step, Subject, What,
};
use tickgate::compare::{METRICS, Outcome, Trial};

use crate::support::records;

fn line(what: What) -> Line {
    Line {
        schema: SCHEMA.into(),
        id: "k3t9w2mq".into(),
        baseline: "nightly".into(),
        at: "2026-11-27T02:00:00Z".into(),
        tickgate: "0.1.0".into(),
        what,
    }
}

fn subject() -> Subject {
    Subject {
        git: Some("4e633ef0c0ffee".repeat(3)),
        broker: "nats-server 2.15.1".into(),
        config: "0123456789abcdef".into(),
    }
}

fn design() -> Design {
    Design {
        fresh: 3,
        total: 0.025,
        decide: vec!["latency.p99".into(), "broker.cpu".into()],
        min_effect: 0.05,
        paired: false,
        old_runs: true,
        seed: 7,
    }
}

fn run(purpose: Stage) -> RunLine {
    RunLine {
        session: "k3t9w2mq".into(),
        purpose,
        subject: subject(),
        fingerprint: "0123456789abcdef".into(),
        probes: Some(Probes {
            compute_per_s: 4.123_456_789e6,
            loopback_ns: 12_345.678,
            sync_ns: 987_654.321,
        }),
        seed: u64::MAX >> 11,
        figures: Figures {
            unusable: None,
            metrics: METRICS.iter().map(|metric| (metric.name.to_owned(), 1_234_567.891)).collect(),
            faults: 0,
        },
    }
}

#[test]
fn every_line_is_read_as_it_was_written_and_is_short() {
    let decision = Decision {
        finding: Finding::Worse,
        why: "latency.p99 is 1.30 times as high".into(),
        next: None,
        repeatable: false,
    };
    let all = [
        What::Run(Box::new(run(Stage::Saved))),
        What::Run(Box::new(run(Stage::Pair { number: 12, side: Side::New }))),
        What::Check(Box::new(Begun {
            subject: subject(),
            design: design(),
            again: Some("a new disk".into()),
        })),
        What::Decided(Decided { check: "k3t9w2mq".into(), decision }),
        What::Joined(Joined { sessions: vec!["k3t9w2mq".into()] }),
    ];
    for what in all {
        let line = line(what);
        let json = serde_json::to_string(&line).unwrap();
        assert!(json.len() <= 1024, "{} bytes: {json}", json.len());
        assert_eq!(serde_json::from_str::<Line>(&json).unwrap(), line, "{json}");
    }
    let json =
        serde_json::to_value(line(What::Run(Box::new(run(Stage::Pair { number: 1, side: Side::Old })))))
            .unwrap();
    for (key, value) in [("kind", "run"), ("stage", "pair"), ("side", "old")] {
        assert_eq!(json[key], value, "{json}");
    }
}

#[test]
fn a_record_gives_figures_and_a_machine() {
    let (_, record) = records::all().into_iter().next().unwrap();
    let trial = Trial::of("a", &record);
    let figures = Figures::of(&trial);
    assert_eq!(figures.unusable.is_none(), trial.outcome == Outcome::Measured);
    assert_eq!(figures.metrics, trial.figures);
    let fingerprint = Fingerprint::of(&record.environment, &record.broker, &record.run.tickgate);
    assert_eq!(fingerprint.differences(&fingerprint), []);
    assert_eq!(fingerprint.fixed["durability"], record.broker.durability);
    let failed = Figures::of(&Trial::failed("a", "the server ended"));
    assert_eq!(failed.unusable.as_deref(), Some("failed: the server ended"));
    assert_eq!(
        Check { design: &design(), past: &[], runs: &[] }.next(),
        Step::Pair { number: 1, side: first() }
    );
}

/// The side that runs first with the seed of the design.
fn first() -> Side {
    match tickgate::compare::order(7, 1).first() {
        Some(tickgate::compare::Order::Ba) => Side::New,
        _ => Side::Old,
    }
}
