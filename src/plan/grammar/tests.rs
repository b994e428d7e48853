//! Tests of the objective grammar.

use super::*;
use proptest::prelude::*;

fn error(name: &str, requirement: &str) -> GrammarError {
    match parse(name, requirement) {
        Ok(objective) => panic!("`{name} {requirement}` is {objective:?}"),
        Err(error) => error,
    }
}

/// The bytes that an error points at.
fn pointed(name: &str, requirement: &str) -> (Side, String) {
    let error = error(name, requirement);
    let text = if error.side == Side::Name { name } else { requirement };
    (error.side, text[error.at].to_owned())
}

#[test]
fn a_line_is_a_metric_a_comparison_and_a_limit() {
    assert_eq!(
        parse("latency.p99", "< 100ms"),
        Ok(Objective {
            scope: Scope::default(),
            metric: Metric::Time(Timing::Latency, Stat::Quantile(0.99)),
            op: Op::Below,
            limit: Value::Time(Span::millis(100)),
            share: 1.0,
        })
    );
    let objective = parse("trading-engine.windows.latency.p99.9", "<=  5ms in 99.5%").expect("an objective");
    assert_eq!(
        objective.scope,
        Scope { group: Some("trading-engine".to_owned()), windows: true, ..Scope::default() }
    );
    assert_eq!(objective.metric, Metric::Time(Timing::Latency, Stat::Quantile(0.999)));
    assert!((objective.share - 0.995).abs() < 1e-15);
    for (name, requirement) in [
        ("send_lag.max", "<1ms"),
        ("throughput.delivered", ">= 10k/s"),
        ("analytics.throughput.delivered", ">= 1k/s"),
        ("delivery.lost", "==0"),
        ("latency.delivery.lost", "== 0"), // a group may be called `latency`
        ("replay.complete", "== 100%"),
        ("diverged", "== 0"),
        ("ordering.stored", "== 0"),
        ("broker.memory", "<= 100MB"),
        ("broker.cpu", "< 1.5"),
        ("windows.latency.max", "< 10ms"),
        ("backlog.max", "<= 10_000"),
        ("throughput.sent", ">= 99.9% of offered"),
        ("throughput.acked", "== 100 %  of  offered "),
        ("g.throughput.delivered", ">95%of offered"),
        ("before.latency.p99", "< 100ms"),
        ("during.send_lag.max", "< 1ms"),
        ("after.trading-engine.latency.p99", "< 100ms"),
        ("fault.leader.throughput.acked", ">= 50% of offered"),
        ("fault.latency.ack.p99", "< 1s"), // so may a fault
    ] {
        assert!(parse(name, requirement).is_ok(), "{name} {requirement}");
    }
}

#[test]
fn quantiles_are_the_nearest_numbers() {
    for (text, q) in [("p50", 0.5), ("p99.9", 0.999), ("p99.999", 0.99999), ("p0.001", 0.00001), ("p5", 0.05)]
    {
        assert_eq!(stat(text), Some(Stat::Quantile(q)), "{text}");
    }
    for bad in ["p", "p0", "p100", "p99.", "p.9", "p99.9999", "p-1", "p1e1", "P99", "p 99", "p١", "median"] {
        assert_eq!(stat(bad), None, "{bad}");
    }
}

#[test]
fn errors_point_at_the_bad_part_of_a_name() {
    let at = |part: &str| (Side::Name, part.to_owned());
    assert_eq!(pointed("latency.p999.9", "< 1ms"), at("p999.9"));
    assert_eq!(pointed("trading-engine.latency.median", "< 1ms"), at("median"));
    assert_eq!(pointed("latency", "< 1ms"), at(""));
    assert_eq!(pointed("latncy.p99", "< 1ms"), at("latncy.p99"));
    assert_eq!(pointed("a.b.latency.p99", "< 1ms"), at("a.b"));
    assert_eq!(pointed(".latency.p99", "< 1ms"), at(""));
    assert_eq!(pointed("trading-engine.publish.unsent", "== 0"), at("trading-engine"));
    assert_eq!(pointed("windows.delivery.lost", "== 0"), at("windows.delivery.lost"));
    assert_eq!(pointed("g.windows.latency.mean", "< 1ms"), at("windows.latency.mean"));
    assert_eq!(pointed("windows.ack.p99", "< 1ms"), at("windows.ack.p99"));
    assert_eq!(pointed("", "< 1ms"), at(""));
    assert_eq!(pointed("after.delivery.lost", "== 0"), at("after"));
    assert_eq!(pointed("fault.leader.broker.cpu", "< 1"), at("fault.leader"));
    assert_eq!(pointed("fault.x.g.throughput.offered", "> 1/s"), at("fault.x"));
    assert_eq!(pointed("fault.latency.p99", "< 1ms"), at(""));
    assert_eq!(pointed("fault..latency.p99", "< 1ms"), at(""));
    assert_eq!(pointed("after..latency.p99", "< 1ms"), at(""));
    assert_eq!(pointed("after.a.b.latency.p99", "< 1ms"), at("a.b"));
    assert_eq!(pointed("after.g.ack.p99", "< 1ms"), at("g"));
    assert_eq!(pointed("after.g.windows.latency.p99", "< 1ms"), at("windows.latency.p99"));
}

#[test]
fn a_figure_of_a_replay_names_the_replay() {
    let all = [("equal", "== 100%"), ("rate", ">= 300k/s"), ("drift", "<= 1s")];
    for ((word, limit), figure) in all.into_iter().zip(ReplayFigure::ALL) {
        let objective = parse(&format!("replay.a-1.{word}"), limit).expect(word);
        assert_eq!((&*objective.name(), &*objective.requirement()), (&*format!("replay.a-1.{word}"), limit));
        assert_eq!(objective.metric, Metric::Replay(figure));
        assert_eq!(objective.scope, Scope { replay: Some("a-1".to_owned()), ..Scope::default() });
    }
    let error = |name: &str, limit: &str| parse(name, limit).expect_err(name).to_string();
    let words = error("replay.a.speed", "< 1s");
    assert!(
        words.contains("`a.speed` is not a figure of `replay`") && words.contains("`NAME.equal`"),
        "{words}"
    );
    assert!(error("replay..rate", "> 1/s").contains("`` is not a valid name of a replay"));
    assert!(error("replay.a b.rate", "> 1/s").contains("`a b` is not a valid name of a replay"));
    assert!(error("replay.a.equal", "== 1s").contains("a share such as `99.9%`"));
    assert!(error("replay.a.rate", "> 1ms").contains("a rate such as"));
    // The audit's figure, and a group of that name, are what they were.
    let metric = |name: &str| parse(name, "== 100%").map(|objective| objective.metric);
    assert_eq!(metric("replay.complete"), Ok(Metric::Count(Outcome::Replayed)));
    assert_eq!(parse("replay.latency.p99", "< 1s").expect("a group").scope.group.as_deref(), Some("replay"));
}

#[test]
fn a_part_of_the_measure_phase_stands_in_front() {
    let scope = |name: &str| parse(name, "< 1ms").expect("an objective").scope;
    let group = |name: &str| Some(name.to_owned());
    let leader = || When::Fault("leader".to_owned());
    for (name, when, of) in [
        ("latency.p99", When::Whole, None),
        ("before.latency.p99", When::Before, None),
        ("recovery.g.latency.p99", When::Recovery, group("g")),
        ("fault.leader.latency.p99", leader(), None),
        ("fault.leader.after.latency.p99", leader(), group("after")),
        ("g.latency.p99", When::Whole, group("g")),
    ] {
        assert_eq!(scope(name), Scope { group: of, when, windows: false, replay: None }, "{name}");
    }
}

#[test]
fn errors_point_at_the_bad_part_of_a_requirement() {
    let at = |part: &str| (Side::Requirement, part.to_owned());
    assert_eq!(pointed("latency.p99", "100ms"), at(""));
    assert_eq!(pointed("latency.p99", " =< 100ms"), at("=<"));
    assert_eq!(pointed("latency.p99", "< 10k/s"), at("10k/s"));
    assert_eq!(pointed("latency.p99", "< "), at(""));
    assert_eq!(pointed("latency.p99", "< 1ms in 99%"), at("in 99%"));
    assert_eq!(pointed("windows.latency.p99", "< 1ms in 101%"), at("101%"));
    assert_eq!(pointed("windows.latency.p99", "< 1ms in 0%"), at("0%"));
    assert_eq!(pointed("windows.latency.p99", "< 1ms in"), at(""));
    assert_eq!(pointed("delivery.lost", "== 0.5"), at("0.5"));
    assert_eq!(pointed("delivery.lost", "== +1"), at("+1"));
    assert_eq!(pointed("delivery.lost", "< 0"), at("< 0"));
    assert_eq!(pointed("replay.complete", "> 100%"), at("> 100%"));
    assert_eq!(pointed("broker.cpu", "< NaN"), at("NaN"));
    assert_eq!(pointed("throughput.delivered", ">= 99.9%"), at("99.9%"));
    assert_eq!(pointed("throughput.delivered", ">= 99.9% of sent"), at("99.9% of sent"));
    assert_eq!(pointed("throughput.delivered", ">= 101% of offered"), at("101% of offered"));
    assert_eq!(pointed("throughput.delivered", "> 100% of offered"), at("> 100% of offered"));
    assert_eq!(pointed("throughput.offered", ">= 99% of offered"), at("99% of offered"));
    assert_eq!(pointed("windows.latency.p99", "< 99% of offered"), at("99% of offered"));
    assert_eq!(pointed("replay.complete", "== 100% of offered"), at("100% of offered"));
}

#[test]
fn errors_name_what_was_expected_and_the_nearest_word() {
    let text = |name: &str, requirement: &str| error(name, requirement).to_string();
    insta::assert_snapshot!(
        [
            text("latncy.p99", "< 1ms"),
            text("engine.latency.p9999", "< 1ms"),
            text("delivery.losst", "== 0"),
            text("trading-engine.publish.unsent", "== 0"),
            text("windows.delivery.lost", "== 0"),
            text("after.delivery.lost", "== 0"),
            text("during.broker.cpu", "< 1"),
            text("fault.latency.p99", "< 1ms"),
            text("during.windows.latency.p99", "< 1ms"),
            text("delivery.lost", "= 0"),
            text("latency.p99", "< 100"),
            text("latency.p99", "< 10k/s"),
            text("windows.latency.p99", "< 1ms in 2"),
            text("throughput.sent", ">= 99%"),
            text("throughput.offered", ">= 99% of offered"),
        ]
        .join("\n"),
        @r#"
    `latncy.p99` is not a metric; expected [part.][group.][windows.]metric, the metric beginning with `latency`, `ack`, `service`, `send_lag`, `throughput`, `delivery`, `publish`, `ordering`, `replay`, `diverged`, `dead_letter`, `redelivered`, `backlog`, `broker`, `harness`, `drift`, `unavailable` or `recovery`; did you mean `latency.p99`?
    `p9999` is not a statistic; expected `min`, `mean`, `max` or a percentile such as `p50`, `p99`, `p99.9`; did you mean `p99.9`?
    `losst` is not a figure of `delivery`; expected `lost`, `not_stored`, `not_delivered`, `recovered`, `redelivered`, `duplicate`, `corrupt` or `foreign`; did you mean `lost`?
    `publish.unsent` is not a figure of a group; expected `publish.unsent` alone, or one of `latency.…`, `throughput.delivered`, `delivery.lost`, `delivery.not_delivered`, `delivery.recovered`, `delivery.redelivered`, `delivery.duplicate`, `delivery.corrupt`, `delivery.foreign`, `ordering.reordered`, `ordering.extent`, `dead_letter.missing`, `dead_letter.duplicate`, `dead_letter.unexpected`, `backlog.max`, `unavailable.time`, `unavailable.longest`
    `delivery.lost` cannot be judged window by window; expected `windows.` with `max` or a percentile of latency, such as `windows.latency.p99`
    `delivery.lost` counts events of the whole run, since an event of one part may arrive in another; expected `delivery.lost` without `after.`, or a time or a throughput, such as `after.latency.p99`
    `broker.cpu` is a figure of the whole run; expected `broker.cpu` without `during.`, or a time or a throughput, such as `during.latency.p99`
    the name of a fault is missing; expected `fault.NAME.latency.p99` with the name of a fault of the profile
    `windows.` takes each second of the measure phase, not of `during`; expected either a part of the measure phase or `windows.`
    `=` is not a comparison; expected `<`, `<=`, `==`, `>=` or `>` in front of the limit; did you mean `==`?
    `100` does not fit `latency.p99`; expected a duration such as "100ms", "3s", "5m" or "1h"
    `10k/s` does not fit `latency.p99`; expected a duration such as "100ms", "3s", "5m" or "1h"
    `2` is not a share; expected the share of windows that must meet the limit, such as `99.9%`
    `99%` does not fit `throughput.sent`; expected a rate such as "10k/s", "500/s" or "1.5M/s", or a share of the planned rate such as `99.9% of offered`
    `99% of offered` does not fit `throughput.offered`; expected a rate such as `10k/s`, since this is the offered rate itself
    "#
    );
}

#[test]
fn every_metric_of_the_help_is_legal_and_prints_as_it_reads() {
    for name in all_metrics() {
        let limit = match parse_name(&name).expect("a metric").1.kind() {
            Kind::Time => "1ms",
            Kind::Rate => "1/s",
            Kind::Count | Kind::Cores => "1",
            Kind::Size => "1B",
            Kind::Share => "1%",
        };
        assert_eq!(parse(&name, &format!("< {limit}")).map(|objective| objective.name()), Ok(name));
    }
}

fn metrics() -> impl Strategy<Value = Metric> {
    let stats = prop_oneof![
        Just(Stat::Min),
        Just(Stat::Mean),
        Just(Stat::Max),
        (1_u64..100_000).prop_map(|n| Stat::Quantile(num::f64_of(n) / 100_000.0)),
    ];
    let timings = prop::sample::select(TIMINGS.to_vec());
    prop_oneof![
        (timings, stats).prop_map(|(timing, stat)| Metric::Time(timing, stat)),
        prop::sample::select(FIGURES.to_vec()),
    ]
}

/// A figure of a kind, from a number; whole thousands, so that rates print exactly.
fn limit(kind: Kind, n: u32) -> Value {
    let n = u64::from(n);
    match kind {
        Kind::Time => Value::Time(Span { ns: n }),
        Kind::Rate => Value::Rate(Rate::per_second(num::f64_of(n))),
        Kind::Count => Value::Count(n),
        Kind::Size => Value::Size(Size { bytes: n }),
        Kind::Share => Value::Share(num::f64_of(n % 99_999 + 1) / 1e5),
        Kind::Cores => Value::Cores(num::f64_of(n) / 7.0),
    }
}

fn reserved(group: &str) -> bool {
    ["windows", "before", "during", "recovery", "after", "fault"].contains(&group)
}

pub(crate) fn objectives() -> impl Strategy<Value = Objective> {
    let group = proptest::option::of(
        "[a-z][a-z0-9-]{0,12}".prop_filter("a word of the grammar is not a group", |g| !reserved(g)),
    );
    let ops = prop::sample::select(OPS.to_vec());
    let fault = "[a-z][a-z0-9-]{0,12}".prop_map(When::Fault);
    let part = prop_oneof![
        2 => Just(When::Whole),
        1 => prop::sample::select(When::PARTS.to_vec()),
        1 => fault,
    ];
    (group, (any::<bool>(), part), metrics(), ops, 1_u32.., 1_u64..=100_000).prop_map(
        |(group, (windows, part), metric, op, n, share)| {
            let when = if metric.of_a_part(&part) { part } else { When::Whole };
            let windows = windows
                && when == When::Whole
                && matches!(metric, Metric::Time(Timing::Latency, Stat::Quantile(_) | Stat::Max));
            let relative = share % 2 == 0
                && matches!(metric, Metric::Throughput(throughput) if throughput != Throughput::Offered);
            let limit = if relative {
                Value::OfOffered(num::f64_of(u64::from(n) % 99_999 + 1) / 1e5)
            } else {
                limit(metric.kind(), n)
            };
            Objective {
                scope: Scope { group: group.filter(|_| metric.of_a_group()), when, windows, replay: None },
                metric,
                op,
                limit,
                share: if windows { num::f64_of(share) / 1e5 } else { 1.0 },
            }
        },
    )
}

proptest! {
    #[test]
    fn objectives_print_so_that_they_parse_back(objective in objectives()) {
        prop_assert_eq!(parse(&objective.name(), &objective.requirement()), Ok(objective));
    }

    #[test]
    fn no_text_panics_and_errors_point_into_the_text(name in "\\PC{0,40}", requirement in "\\PC{0,40}") {
        for (name, requirement) in [(name.as_str(), "< 1ms"), ("windows.latency.p99", &*requirement), (&*name, &*requirement)] {
            if let Err(error) = parse(name, requirement) {
                let text = if error.side == Side::Name { name } else { requirement };
                prop_assert!(text.get(error.at.clone()).is_some(), "{:?} in {:?}", error, text);
            }
        }
    }

    #[test]
    fn near_misses_point_into_the_text(
        name in "(windows|after|fault|latency|delivery|g|p99|lost|\\.){0,7}",
        requirement in "(<|=|>| |1|ms|in|%|99|/s|\\.|é){0,9}",
    ) {
        if let Err(error) = parse(&name, &requirement) {
            let text = if error.side == Side::Name { name } else { requirement };
            prop_assert!(text.get(error.at.clone()).is_some(), "{:?} in {:?}", error, text);
        }
    }
}

#[test]
fn a_metric_of_one_word_has_no_figures() {
    let error = |name: &str| parse(name, "== 0").expect_err(name).to_string();
    assert_eq!(error("diverged.most"), "`most` is not a figure of `diverged`; expected `diverged` alone");
    assert!(
        error("engine.diverged").starts_with("`diverged` is not a figure of a group"),
        "{}",
        error("engine.diverged")
    );
    assert!(error("divergd").ends_with("did you mean `diverged`?"), "{}", error("divergd"));
}
