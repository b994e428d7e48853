//! The plan that a profile becomes; no text breaks the reader.

mod laws;
mod payload;

use super::*;
use crate::plan::{
    Arrival, Begin, Delivery, Draw, Origin, Padding, Payload, Rate, Replay, Size, Spacing, Span, Speed,
};

const LEAST: &str = "[load]\nrate = \"1k/s\"\nduration = \"10s\"\n";

fn plan_of(text: &str, sets: &[&str]) -> Plan {
    let sets: Vec<String> = sets.iter().map(ToString::to_string).collect();
    read(&Source::new("profiles/p.toml", text), &sets).unwrap_or_else(|errors| panic!("{errors}"))
}

fn errors_of(text: &str, sets: &[&str]) -> String {
    let sets: Vec<String> = sets.iter().map(ToString::to_string).collect();
    match read(&Source::new("profiles/p.toml", text), &sets) {
        Ok(plan) => panic!("no mistake found in {plan:#?}"),
        Err(errors) => errors.to_string(),
    }
}

#[test]
fn two_keys_are_enough() {
    insta::assert_snapshot!(to_toml(&plan_of(LEAST, &[])));
}

#[test]
fn a_cluster_has_an_odd_number_of_servers_and_one_for_each_copy() {
    let nodes = |sets: &[&str]| plan_of(LEAST, sets).cluster.nodes;
    assert_eq!(nodes(&[]), 1);
    for sets in [&["bus.replicas=3"][..], &["bus.replicas=3", "cluster.nodes=1"]] {
        assert_eq!(nodes(sets), 1, "the copies may be on a running cluster");
    }
    let plan = plan_of(LEAST, &["cluster.nodes=3", "bus.replicas=2"]);
    assert_eq!(plan.cluster.nodes, 3);
    assert!(to_toml(&plan).contains("\n[cluster]\nnodes = 3\n"));
    assert!(!to_toml(&plan_of(LEAST, &["cluster.nodes=1"])).contains("[cluster]"));
    let proxied = to_toml(&plan_of(LEAST, &["cluster.links=proxied"]));
    assert!(proxied.contains("\n[cluster]\nnodes = 1\nlinks = \"proxied\"\n"), "{proxied}");
    for (sets, said) in [
        (&["cluster.nodes=2"][..], "`cluster.nodes` is `2`; expected 1, 3 or 5 (an even number"),
        (&["cluster.nodes=4"], "expected 1, 3 or 5"),
        (&["cluster.nodes=7"], "expected 1, 3 or 5"),
        (&["cluster.nodes=3", "bus.replicas=4"], "or `nodes = 5` in [cluster]"),
        (&["cluster.node=3"], "`nodes`"),
        (&["cluster.links=prox"], "expected `auto`, `direct` or `proxied`"),
        (&["cluster.links=proxied", "bus.kind=kafka"], "one address for all of its peers"),
    ] {
        let errors = errors_of(LEAST, sets);
        assert!(errors.contains(said), "{errors}");
    }
}

#[test]
fn what_is_sent_again_is_stored_once_and_has_the_time_for_it() {
    let set = |more: &[&str]| {
        let sets = [&["bus.retry=15s", "bus.nats.msg_id=true"], more].concat();
        let sets: Vec<String> = sets.into_iter().map(str::to_owned).collect();
        let read = read(&Source::find("quick").unwrap(), &sets);
        read.map_or_else(|errors| errors.to_string(), |plan| plan.bus.retry.to_string())
    };
    assert_eq!(set(&[]), "15s");
    assert_eq!(set(&["bus.publish=sync", "bus.retry_order=none"]), "15s");
    assert_eq!(set(&["bus.nats.msg_id=false", "bus.kind=kafka"]), "15s");
    for (more, problem) in [
        (&["bus.nats.msg_id=false"][..], "expected `msg_id = true` in [bus.nats], or `retry = \"0s\"`"),
        (&["bus.publish=fast"], "expected `publish = \"async\"` or `\"sync\"`, or `retry = \"0s\"`"),
        (&["bus.publish=atomic"], "cannot be sent again one by one"),
        (&["bus.retry_after=15s"], "never sent again within `bus.retry`, 15s; expected less than that"),
        (&["bus.retry=11m"], "expected at most 10m"),
        (&["bus.retry=9m", "bus.max_age=9m"], "expected at least 570s"),
        (&["bus.retry_order=per-symbl"], "did you mean `per-symbol`?"),
        (&["bus.kind=kafka", "bus.kafka.idempotence=false"], "expected `idempotence = true`"),
        (&["bus.kind=kafka", "objectives.\"publish.resent\"=\"< 9\""], "sends again by itself"),
        (&["bus.retry=0s", "objectives.\"publish.gave_up\"=\"== 0\""], "expected `retry` in [bus]"),
    ] {
        let said = set(more);
        assert!(said.contains(problem), "{more:?}: {said}");
    }
}

#[test]
fn every_shipped_profile_is_a_plan_that_describes_itself() {
    for (name, description) in builtin::descriptions() {
        let source = Source::find(name).expect("shipped");
        let plan = read(&source, &[]).unwrap_or_else(|errors| panic!("{errors}"));
        assert_eq!(plan.name, name);
        assert!(!plan.objectives.is_empty(), "{name} judges nothing");
        assert!(
            description.len() > 20 && description.ends_with('.') && !description.contains(". "),
            "{description}"
        );
        assert_eq!(
            read(&Source::new(name, to_toml(&plan)), &[]),
            Ok(plan),
            "{name} reads back as another plan"
        );
    }
}

#[test]
fn the_profile_of_the_adr_measures_all_its_groups() {
    let plan = plan_of(builtin::get("adr-002").expect("shipped"), &[]);
    let names: Vec<&str> = plan.groups.iter().map(|group| group.name.as_str()).collect();
    assert_eq!(names, ["trading-engine", "ai-service", "analytics", "orchestrator", "dead-letter"]);
    assert_eq!(plan.mix.len(), plan.topology.topics.len(), "a topic without load");
}

#[test]
fn the_arrival_brings_its_spacing_and_its_rate() {
    let plan = |more: &str| plan_of(&format!("load.duration = \"10s\"\n{more}"), &[]);
    let constant = plan("load.rate = \"1k/s\"\nload.arrival = \"constant\"").load;
    assert_eq!(constant.spacing, Spacing::Constant);
    let ramp = plan("load.arrival = \"ramp\"\nload.ramp = { from = \"1k/s\", to = \"400k/s\" }").load;
    assert_eq!((ramp.rate, ramp.spacing, ramp.generators), (Rate::per_second(1e3), Spacing::Poisson, 4));
    let steps = plan(
        "load.arrival = \"steps\"\nload.spacing = \"constant\"\nload.steps.rates = [\"2k/s\", \"3k/s\"]",
    )
    .load;
    assert_eq!(
        (steps.rate, steps.spacing, steps.arrival),
        (Rate::per_second(2e3), Spacing::Constant, Arrival::Steps)
    );
}

#[test]
fn weights_need_not_add_up_to_one_and_zeros_are_left_out() {
    let mix = "[mix]\n\"trade.order.filled\" = 1\nmarket.quote.received = 3\n\"system.heartbeat\" = 0\n";
    let plan = plan_of(&format!("{LEAST}{mix}"), &[]);
    assert_eq!(
        plan.mix,
        [("market.quote.received".to_owned(), 0.75), ("trade.order.filled".to_owned(), 0.25)]
    );
    let names: Vec<&str> = plan.groups.iter().map(|group| group.name.as_str()).collect();
    assert_eq!(
        names,
        ["trading-engine", "ai-service", "analytics"],
        "the topology's groups that the mix reaches"
    );
}

#[test]
fn a_topology_of_ones_own_needs_groups_of_ones_own() {
    let own = "[topology]\nprefix = \"shop\"\ntopics = [\"order.paid\", \"order.sent\"]\n";
    assert!(errors_of(&format!("{LEAST}{own}"), &[]).contains("no group receives anything of the mix"));
    let plan = plan_of(&format!("{LEAST}{own}[[groups]]\nname = \"till\"\nsubscribe = [\"order.*\"]\n"), &[]);
    assert_eq!((plan.topology.name.as_str(), plan.topology.prefix.as_str()), ("custom", "shop"));
    assert_eq!(plan.mix, [("order.paid".to_owned(), 0.5), ("order.sent".to_owned(), 0.5)]);
}

#[test]
fn the_store_is_bounded_by_the_volume_of_the_run() {
    let bytes = |sets: &[&str]| plan_of(LEAST, sets).bus.max_bytes;
    assert_eq!(bytes(&[]), Size { bytes: 64 << 20 });
    let much = plan_of(LEAST, &["load.rate=100k/s", "load.warmup=0s"]);
    let (plenty, half_again) = (much.bus.max_bytes.bytes, crate::load::volume_bytes(&much) * 3 / 2);
    assert!((half_again..half_again + (1 << 20)).contains(&plenty), "{plenty}");
    assert_eq!(bytes(&["bus.max_bytes=1GiB"]), Size { bytes: 1 << 30 });
}

#[test]
fn bytes_have_room_for_a_full_window_and_buffer_of_natural_events() {
    let bytes = |sets: &[&str]| plan_of(LEAST, sets).bus.most_bytes();
    assert_eq!(bytes(&[]), 64 << 20);
    assert!(bytes(&["bus.buffer=1000000"]) > 1_000_000_000);
    assert_eq!(bytes(&["bus.buffer_bytes=1MiB"]), 1 << 20);
    assert!(errors_of(LEAST, &["bus.buffer_bytes=1kB"]).contains("expected 1MiB to 64GiB"));
    let warned = |sets: &[&str]| super::warnings(&plan_of(LEAST, sets)).concat();
    assert!(!warned(&["market.event_size=100KiB"]).contains("bus.buffer_bytes"));
    assert!(
        warned(&["market.event_size=900KiB"]).contains("72 events of 900KiB fill it, so `bus.window`, 512,")
    );
}

#[test]
fn overrides_set_any_key() {
    let plan = plan_of(
        LEAST,
        &[
            "load.rate=20k/s",
            "load.rate = \"30k/s\"",
            "name=mine",
            "market.symbols=7",
            "bus.audit=false",
            "groups.trading-engine.members=4",
            "topology.symbol_in_subject=true",
            "groups.trading-engine.delivery=partitioned",
            "mix.market.bar.1m=1",
            "mix.\"market.quote.received\"=1",
            "objectives.latency.p99=< 50ms",
            "objectives.\"windows.latency.p99.9\"=\"<= 60ms in 99%\"",
            "objectives.delivery.lost=== 0",
        ],
    );
    assert_eq!((plan.load.rate, plan.market.symbols, plan.bus.audit), (Rate::per_second(30e3), 7, false));
    assert_eq!(plan.name, "mine");
    let engine = &plan.groups[0];
    assert_eq!((engine.members, engine.delivery), (4, Delivery::Partitioned));
    assert!(plan.groups.len() > 1, "adjusting one group keeps the others");
    assert_eq!(plan.mix.len(), 2);
    let lines: Vec<String> =
        plan.objectives.iter().map(|line| format!("{} {}", line.name(), line.requirement())).collect();
    assert_eq!(lines, ["latency.p99 < 50ms", "windows.latency.p99.9 <= 60ms in 99%", "delivery.lost == 0"]);
}

#[test]
fn overrides_change_what_a_profile_says() {
    let text = format!(
        "topology = \"adr-002\"\n{LEAST}[[groups]]\nname = \"trading-engine\"\n[objectives]\nlatency.p99 = \"< 1ms\"\n\"delivery.lost\" = \"== 0\"\n"
    );
    let plan = plan_of(
        &text,
        &[
            "topology.prefix=other",
            "groups.trading-engine.members=2",
            "objectives.latency.p99=none",
            "load={ rate = \"2k/s\", duration = \"1s\" }",
        ],
    );
    assert_eq!((plan.topology.prefix.as_str(), plan.topology.name.as_str()), ("other", "adr-002"));
    assert_eq!((plan.groups.len(), plan.groups[0].members), (1, 2));
    assert_eq!(plan.objectives.len(), 1);
    assert_eq!((plan.load.duration, plan.load.warmup), (Span::seconds(1), Span::seconds(3)));
}

#[test]
fn a_profile_without_a_name_is_called_after_its_file() {
    assert_eq!(plan_of(LEAST, &[]).name, "p");
}

#[test]
fn each_key_stands_in_the_reference() {
    let reference = include_str!("../../../docs/profile.md");
    let undocumented: Vec<String> =
        all_keys().into_iter().filter(|key| !reference.contains(&format!("| `{key}` |"))).collect();
    assert!(undocumented.is_empty(), "not in docs/profile.md: {undocumented:?}");
    let metrics = crate::plan::grammar::all_metrics();
    let row = |metric: &str| match metric.split_once('.') {
        Some((time @ ("latency" | "ack" | "service" | "send_lag"), _)) => format!("| `{time}.STAT` |"),
        _ => format!("| `{metric}` |"),
    };
    let missing: Vec<&String> = metrics.iter().filter(|metric| !reference.contains(&row(metric))).collect();
    assert!(missing.is_empty(), "not in docs/profile.md: {missing:?}");
}

#[test]
fn every_legal_key_is_written() {
    let shapes = [
        ("ramp", "load.ramp={ from = \"1/s\", to = \"2/s\" }"),
        ("burst", "load.burst={ rate = \"1/s\", every = \"2s\", length = \"1s\" }"),
        ("steps", "load.steps={ rates = [\"1/s\"] }"),
    ];
    let written = shapes.map(|(arrival, table)| {
        let text = to_toml(&plan_of(
            LEAST,
            &[
                &format!("load.arrival={arrival}"),
                table,
                "bus.nats.like=S",
                "bus.nats.persist=async",
                "bus.nats.discard=old",
                "bus.nats.attach=S",
                "bus.kafka.like=a.b",
                "bus.kafka.attach=a.b",
                "bus.partitions=3",
                "cluster.nodes=3",
                "cluster.power=never",
                "groups.trading-engine.consumer=C",
            ],
        )) + &prices_to_toml(&Prices::default());
        toml::Value::Table(text.parse().expect("TOML"))
    });
    let mut own = plan_of(LEAST, &[]);
    let text = || Some("x".to_owned());
    own.payload = Payload {
        template: text(),
        samples: text(),
        id: text(),
        draw: Some(Draw::Random),
        digest: text(),
        name: text(),
        padding: Some(Padding::Random),
        ..Payload::default()
    };
    own.faults = vec![faults::tests::of_every_key()];
    (own.bus.nats.max_deliver, own.bus.nats.dead_letter) = (3, true);
    let speed = Speed::Original;
    own.replays = vec![Replay { name: "x".into(), at: Begin::Drain, from: Origin::Start, speed }];
    let own = toml::Value::Table(to_toml(&own).parse().expect("TOML"));
    let written = [&written[..], &[own]].concat();
    // These are shorthand: a written plan has what they stand for.
    let shorthand = ["topology.base", "payload.file", "faults.times", "faults.every", "faults.writeback"];
    for key in all_keys().iter().filter(|key| !shorthand.contains(&key.as_str())) {
        let is_there = |written: &toml::Value| {
            let step = |value: &toml::Value, step: &str| {
                value.get(step).or_else(|| value.get(0)?.get(step)).cloned()
            };
            key.split('.').try_fold(written.clone(), |value, word| step(&value, word)).is_some()
        };
        assert!(written.iter().any(is_there), "{key}");
    }
}

#[test]
fn prices_are_read_beside_the_plan_and_read_back_as_they_are_written() {
    let read = |text: &str, sets: &[&str]| {
        let sets: Vec<String> = sets.iter().map(ToString::to_string).collect();
        with_prices(&Source::new("p.toml", format!("{LEAST}{text}").into_bytes()), &sets)
            .map(|(_, prices)| prices)
            .map_err(|errors| errors.to_string())
    };
    assert_eq!(read("", &[]), Ok(None));
    let table = "[prices]\ncurrency = \"EUR\"\ncore = 20\ngib_memory = 4.5\ngb_disk = 0\n";
    let prices = read(table, &["prices.retention=7d", "prices.core=25.5"]).unwrap().unwrap();
    assert_eq!((prices.currency.as_str(), prices.core, prices.gib_memory), ("EUR", 25.5, 4.5));
    assert_eq!(prices.retention, Span::seconds(7 * 86_400));
    assert_eq!(read(&prices_to_toml(&prices), &[]), Ok(Some(prices)));
    for (text, part) in [
        ("[prices]\ncore = 1\ngib_memory = 1\n", "`prices.gb_disk` is missing"),
        ("[prices]\ncore = -1\ngib_memory = 1\ngb_disk = 1\n", "a price from 0 on"),
        ("[prices]\ncores = 1\ngib_memory = 1\ngb_disk = 1\n", "did you mean `core`?"),
        ("[prices]\ncore = 1\ngib_memory = 1\ngb_disk = 1\nretention = \"0s\"\n", "above 0s"),
    ] {
        let error = read(text, &[]).unwrap_err();
        assert!(error.contains(part), "{text}: {error}");
    }
}

#[test]
fn the_highest_rate_is_closed_by_the_window() {
    let plan = plan_of(LEAST, &["load.rate=max"]);
    assert!(plan.load.is_closed());
    assert_eq!(
        (plan.load.rate.per_second, plan.load.spacing, plan.load.generators),
        (1e6, Spacing::Constant, 1)
    );
    let text = errors_of(LEAST, &["load.rate=max", "load.arrival=poisson"]);
    assert!(text.contains("`load.arrival` contradicts `rate = \"max\"`"), "{text}");
}

#[test]
fn what_the_highest_rate_contradicts_is_left_out_with_a_note() {
    let objectives = concat!(
        "[objectives]\n\"latency.p99\" = \"< 100ms\"\n\"windows.latency.max\" = \"< 1s in 50%\"\n\"ack.p50\" = \"< 1ms\"\n",
        "\"throughput.delivered\" = \">= 99.9% of offered\"\n\"throughput.acked\" = \">= 10/s\"\n\"delivery.lost\" = \"== 0\"\n",
    );
    let shapes = [
        "arrival = \"poisson\"",
        "arrival = \"burst\"\nspacing = \"poisson\"\nburst = { rate = \"9/s\", every = \"2s\", length = \"1s\" }",
        "arrival = \"steps\"\nsteps = { rates = [\"1/s\", \"100/s\"] }",
        "arrival = \"ramp\"\nramp = { from = \"1/s\", to = \"100/s\" }",
        "arrival = \"constant\"\nspacing = \"constant\"",
    ];
    for shape in shapes {
        let text = format!("{LEAST}{shape}\n{objectives}");
        let plan = plan_of(&text, &["load.rate=max"]);
        assert!(plan.load.is_closed(), "{shape}");
        assert_eq!((plan.load.burst, plan.load.ramp, &plan.load.steps), (None, None, &None));
        let kept: Vec<_> = plan.objectives.iter().map(crate::plan::Objective::name).collect();
        assert_eq!(kept, ["throughput.acked", "delivery.lost"]);
        let notes = super::notes(&plan).join("\n");
        let first = shape.lines().next().unwrap();
        for part in
            [&format!("load.{first}"), "latency.p99 < 100ms", "ack.p50", "windows.latency.max < 1s in 50%"]
        {
            assert!(notes.contains(part), "{part} in {notes}");
        }
        assert!(
            notes.contains("throughput.delivered >= 99.9% of offered: there is no planned rate"),
            "{notes}"
        );
        assert!(!notes.contains("exit code"), "{notes}");
        assert_eq!(plan_of(&to_toml(&plan), &[]).objectives, plan.objectives);
        // An open load leaves nothing out.
        assert_eq!(plan_of(&text, &[]).dropped, []);
    }
    let plan = plan_of(&format!("{LEAST}[objectives]\n\"latency.p99\" = \"< 1ms\"\n"), &["load.rate=max"]);
    assert!(super::notes(&plan).concat().contains("no objective is left"), "{:?}", super::notes(&plan));
}

#[test]
fn a_limit_relative_to_the_load_follows_its_rate() {
    let relative = format!("{LEAST}[objectives]\n\"throughput.delivered\" = \">= 99.9% of offered\"\n");
    for rate in ["load.rate=1/s", "load.rate=500/s", "load.rate=1M/s"] {
        assert_eq!(plan_of(&relative, &[rate]).objectives.len(), 1);
    }
    let text = errors_of(LEAST, &["load.rate=500/s", "objectives.throughput.delivered=>= 9990/s"]);
    assert!(text.contains("or a limit that follows the load, such as `>= 99.9% of offered`"), "{text}");
    let text = errors_of(LEAST, &["objectives.throughput.sent=<= 90% of offered"]);
    assert!(text.contains("out of reach of a bus that carries all of it"), "{text}");
}

#[test]
fn generators_follow_from_the_highest_rate_that_is_offered() {
    let generators = |sets: &[&str]| plan_of(LEAST, sets).load.generators;
    assert_eq!(generators(&["load.rate=250k/s"]), 3);
    let steps = "load.steps.rates=[\"1k/s\", \"150k/s\"]";
    let sets = ["load.arrival=steps", steps, "load.rate=900k/s"];
    assert_eq!(generators(&[&sets[..], &["load.warmup=1s"]].concat()), 9);
    assert_eq!(generators(&[&sets[..], &["load.warmup=0s"]].concat()), 2, "the rate is never offered");
}

#[test]
fn no_group_is_a_plan_when_it_is_said() {
    let plan = plan_of(LEAST, &["groups=[]"]);
    assert_eq!(plan.groups, []);
    assert_eq!(plan_of(&to_toml(&plan), &[]), plan);
}
