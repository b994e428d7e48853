//! Properties: a written plan reads back, and no text panics.

use proptest::prelude::*;

use super::{LEAST, plan_of};
use crate::plan::{
    AckMode, Action, Arrival, Burst, Choice, Cluster, Compression, Consume, Cut, Delivery, Expect, Fault,
    Group, Linking, Metric, Outcome, Pacing, Padding, Plan, Poison, Popularity, Publish, Quorum, Ramp, Rate,
    Refuse, RetryOrder, Share, Size, Spacing, Span, Steps, Storage, Sync, Target, Topology, Way, When,
    Writeback,
};
use crate::profile::{Source, builtin, read, to_toml};

fn one_of<T: Choice + std::fmt::Debug>() -> impl Strategy<Value = T> {
    prop::sample::select(T::ALL)
}

fn rates() -> impl Strategy<Value = Rate> {
    prop_oneof![
        (1_u32..1_000_000).prop_map(|n| Rate::per_second(f64::from(n))),
        (0.1_f64..1e6).prop_map(Rate::per_second)
    ]
}

fn loads(plan: Plan) -> impl Strategy<Value = Plan> {
    let shape = (one_of::<Arrival>(), one_of::<Spacing>(), rates(), rates(), 2_u64..1_000_000, 1_u64..100);
    let phases = (1_u64..600_000, 10_000_000_000_u64..100_000_000_000, 1_u64..3_600_000);
    (shape, phases, rates(), 1_u32..=64, (one_of::<Pacing>(), one_of::<Consume>())).prop_map(
        move |(
            (arrival, spacing, low, high, every, length),
            (warmup, duration, drain),
            rate,
            generators,
            pacing,
        )| {
            let mut plan = plan.clone();
            plan.load.rate = rate;
            plan.load.arrival = arrival;
            plan.load.spacing = match arrival {
                Arrival::Constant | Arrival::Closed => Spacing::Constant,
                Arrival::Poisson => Spacing::Poisson,
                _ => spacing,
            };
            plan.load.ramp = (arrival == Arrival::Ramp).then_some(Ramp { from: low, to: high });
            plan.load.burst = (arrival == Arrival::Burst).then_some(Burst {
                rate: high,
                every: Span::millis(every),
                length: Span::millis(length.min(every - 1)),
            });
            plan.load.steps = (arrival == Arrival::Steps).then(|| Steps { rates: vec![low, high, rate] });
            plan.load.warmup = Span::millis(warmup);
            plan.load.duration = Span { ns: duration };
            plan.load.drain = Span::millis(drain);
            plan.load.generators = generators;
            (plan.load.pacing, plan.load.consume) = pacing;
            plan
        },
    )
}

fn markets(plan: Plan) -> impl Strategy<Value = Plan> {
    let topics = prop::collection::btree_map("[a-z]{1,6}(\\.[a-z0-9_-]{1,6}){0,3}", 1_u32..1_000_000, 1..=32);
    (
        64_u32..=65_535,
        0..=i64::MAX,
        one_of::<Popularity>(),
        0.0_f64..10.0,
        0_u64..(1 << 20),
        topics,
        any::<bool>(),
    )
        .prop_map(move |(symbols, seed, popularity, zipf_exponent, size, topics, symbol_in_subject)| {
            let mut plan = plan.clone();
            plan.market.symbols = symbols;
            plan.market.seed = u64::try_from(seed).expect("not negative");
            plan.market.popularity = popularity;
            plan.market.zipf_exponent = zipf_exponent;
            plan.market.event_size = Size { bytes: size };
            let padding = if seed % 2 == 0 { Padding::Random } else { Padding::Blank };
            plan.payload.padding = (size > 0 || symbol_in_subject).then_some(padding);
            let sum: f64 = topics.values().map(|weight| f64::from(*weight)).sum();
            plan.topology = Topology {
                name: "any \"name\" µ".to_owned(),
                prefix: "pre-fix".to_owned(),
                topics: topics.keys().cloned().collect(),
                symbol_in_subject,
            };
            plan.mix = topics.into_iter().map(|(topic, weight)| (topic, f64::from(weight) / sum)).collect();
            plan
        })
}

fn buses(plan: Plan) -> impl Strategy<Value = Plan> {
    let words = (one_of::<Storage>(), one_of::<Compression>(), one_of::<Sync>());
    let modes = (one_of::<Publish>(), one_of::<AckMode>(), any::<bool>(), one_of::<RetryOrder>());
    let numbers =
        (1_u32..=5, 1_u32..=60_000, 0_u32..=1_000_000, 1_u32..=1_000_000, 1_u32..=10_000, 1_u32..=256);
    let spans = (1_u64..600_000_000_000, 1_u64..3_600_000_000_000);
    (words, modes, numbers, spans).prop_map(
        move |(
            (storage, compression, sync),
            (publish, ack, msg_id, retry_order),
            numbers,
            (publish_timeout, ack_wait),
        )| {
            let mut plan = plan.clone();
            let bus = &mut plan.bus;
            (
                bus.replicas,
                bus.window,
                bus.buffer,
                bus.nats.max_ack_pending,
                bus.nats.pull_batch,
                bus.partitions,
            ) = numbers;
            bus.storage = storage;
            let file = storage == Storage::File;
            bus.nats.compression = if file { compression } else { Compression::None };
            bus.sync = if file { sync } else { Sync::Default };
            (bus.publish, bus.ack, bus.nats.msg_id) = (publish, ack, msg_id);
            bus.publish_timeout = Span { ns: publish_timeout };
            bus.nats.ack_wait = Span { ns: ack_wait };
            bus.nats.ack_linger = Span { ns: (ack_wait / 2).min(1_000_000_000) };
            bus.nats.batch = bus.window.min(1_000);
            bus.nats.linger = Span { ns: publish_timeout.div_ceil(2).min(5_000_000_000) };
            if bus.nats.linger.ns >= publish_timeout && publish.in_batches() {
                bus.publish = Publish::Async;
            }
            bus.buffer_bytes = Some(Size { bytes: u64::from(bus.partitions) << 20 });
            let retried = msg_id && !bus.publish.in_batches();
            bus.retry = Span { ns: if retried { publish_timeout } else { 0 } };
            bus.retry_after = Span { ns: (publish_timeout / 2).max(1) };
            if bus.retry_after >= bus.retry {
                bus.retry = Span::default();
            }
            bus.retry_order = retry_order;
            bus.max_bytes = Size { bytes: 1 << 50 };
            bus.kafka.min_insync_replicas = bus.replicas / 2 + 1;
            if bus.partitions % 2 == 1 {
                plan.cluster = Cluster::for_replicas(bus.replicas).expect("at most 5 replicas");
                if bus.kind.product().no_links.is_none() && bus.partitions % 4 == 1 {
                    plan.cluster.links = Linking::Proxied;
                }
            }
            plan
        },
    )
}

/// Legal plans of any kind.
fn plans() -> impl Strategy<Value = Plan> {
    let base = plan_of(LEAST, &[]);
    let groups = prop::collection::btree_set("g[a-z0-9-]{0,8}", 1..5);
    let objectives = prop::collection::vec(crate::plan::grammar::tests::objectives(), 0..8);
    let plan = loads(base).prop_flat_map(markets).prop_flat_map(buses);
    let faults = prop::collection::vec((one_of::<Action>(), 0_usize..100, any::<u8>()), 0..4);
    (plan, groups, objectives, (1_u32..=64, one_of::<Delivery>()), faults).prop_map(
        |(mut plan, names, objectives, (members, delivery), faults)| {
            let partitioned = delivery == Delivery::Partitioned;
            let members = match (partitioned, plan.topology.symbol_in_subject) {
                (true, false) => 1,
                (true, true) => members.min(plan.bus.partitions),
                _ => members,
            };
            let subscribe = vec![">".to_owned()];
            plan.groups = names
                .into_iter()
                .map(|name| Group { name, subscribe: subscribe.clone(), members, delivery, consumer: None })
                .collect();
            let mut plan = faulty(plan, &faults);
            let name = plan.groups[0].name.clone();
            for mut objective in objectives {
                objective.scope.group = objective.scope.group.map(|_| name.clone());
                objective.scope.when = part(&plan, objective.scope.when);
                let known = plan.objectives.iter().any(|other| other.name() == objective.name());
                let judged = !plan.load.is_closed() || objective.of_closed_load();
                let of_copies = matches!(objective.metric, Metric::Count(Outcome::GaveUp | Outcome::Resent));
                let counted = (!of_copies || plan.bus.counts_copies())
                    && (!objective.metric.of_dead_letters() || plan.dead_letters())
                    && !objective.metric.of_takeovers();
                let undone = plan.faults.first().is_some_and(|fault| !fault.length.is_zero());
                let healed = undone || !matches!(objective.metric, Metric::Recovery(_));
                if !known && judged && counted && healed && !matches!(objective.metric, Metric::Throughput(_))
                {
                    plan.objectives.push(objective);
                }
            }
            plan
        },
    )
}

/// The targets that an action can have in a plan; links have pairs of them.
fn targets(plan: &Plan, action: Action) -> Vec<Target> {
    let group = &plan.groups[0];
    let member = Target::Group(group.name.clone(), Some(group.members));
    let mut nodes =
        vec![Target::Any, Target::Connected, Target::Node(plan.cluster.nodes), Target::StreamLeader];
    nodes.push(Target::ConsumerLeader(group.name.clone()));
    if plan.cluster.nodes > 1 {
        nodes.extend([Target::MetaLeader]);
    }
    if plan.cluster.nodes > 1 && plan.bus.replicas > 1 {
        nodes.push(Target::Follower);
    }
    match action {
        Action::CrashMember => vec![member],
        Action::RestartGroup => vec![Target::Group(group.name.clone(), None)],
        Action::Poison => {
            let refusable = plan.bus.ack == AckMode::Explicit;
            refusable.then(|| Target::Group(group.name.clone(), None)).into_iter().collect()
        }
        Action::RollingRestart | Action::RollingUpgrade => vec![Target::All],
        Action::StepDown => {
            let leaders = [Target::StreamLeader, Target::MetaLeader];
            let many = plan.cluster.nodes > 1 && plan.bus.replicas > 1;
            leaders.into_iter().filter(|_| many).collect()
        }
        Action::LameDuck => nodes,
        _ => {
            nodes.extend([Target::All, Target::Majority]);
            nodes.extend((plan.cluster.nodes > 1).then_some(Target::Minority));
            nodes
        }
    }
}

/// A legal fault of a plan in a stretch of its measure phase, if the action is possible there.
fn fault(
    plan: &Plan,
    name: &str,
    action: Action,
    (pick, part): (usize, u8),
    stretch: (u64, u64),
) -> Option<Fault> {
    let (from, width) = stretch;
    let least = if action == Action::LameDuck { 5_000_000_000 } else { 1 };
    let length = if action.is_instant() { 0 } else { (width / 4).max(least) };
    let legal = targets(plan, action);
    let target = legal.get(pick % legal.len().max(1))?.clone();
    let links = action.is_of_links();
    let slow = action == Action::Slow;
    let apart = target.of_nodes(plan.cluster.nodes) < plan.cluster.nodes && part % 2 == 0;
    let hole = action == Action::Partition && part % 4 > 1;
    if links && plan.bus.kind.product().no_links.is_some() {
        return None;
    }
    let mut fault = Fault {
        name: name.to_owned(),
        at: Span { ns: from + width / 8 },
        action,
        target: (!links).then(|| target.clone()),
        between: links.then_some([target, if apart { Target::Others } else { Target::Clients }]),
        length: Span { ns: length },
        settle: Span { ns: width / 4 },
        how: (action == Action::Partition).then_some(if hole { Cut::Hole } else { Cut::Cut }),
        way: links.then_some(if slow || hole {
            [Way::Both, Way::To, Way::From][usize::from(part) % 3]
        } else {
            Way::Both
        }),
        delay: (slow && part % 3 == 0).then_some(Span::millis(u64::from(part) + 1)),
        jitter: (slow && part % 3 == 1).then_some(Span::millis(u64::from(part) + 1)),
        rate: (slow && part % 3 != 1).then_some(Rate::per_second(f64::from(part) + 1.0)),
        poison: (action == Action::Poison)
            .then(|| Poison { share: Share { of_one: (f64::from(part) + 1.0) / 1e4 }, how: Refuse::Term }),
        expect: Expect::Service,
    };
    if fault.quorum(plan) == Quorum::Lost {
        fault.expect = Expect::Outage;
    }
    (fault.settled_at() <= from + width).then_some(fault)
}

/// Faults in a plan whose load they can be judged under.
fn faulty(mut plan: Plan, drawn: &[(Action, usize, u8)]) -> Plan {
    let steady = matches!(plan.load.arrival, Arrival::Constant | Arrival::Poisson | Arrival::Burst);
    if steady && plan.load.consume == Consume::Live && !drawn.is_empty() {
        let width = plan.load.duration.ns / u64::try_from(drawn.len()).unwrap();
        plan.faults = (0_u64..)
            .zip(drawn)
            .filter_map(|(nth, &(action, pick, part))| {
                fault(&plan, &format!("f-{nth}"), action, (pick, part), (nth * width, width))
            })
            .collect();
        let loses_power = plan.loses_power();
        plan.cluster.power = plan.cluster.power.or(loses_power.then_some(Writeback::Never));
        // There is one other version, so only the first upgrade is legal.
        let upgrade = |fault: &Fault| fault.action == Action::RollingUpgrade;
        let first = plan.faults.iter().position(upgrade);
        let mut nth = 0..;
        plan.faults.retain(|fault| (nth.next() == first) | !upgrade(fault));
    }
    plan
}

/// A part of the plan's measure phase, by one of any plan.
fn part(plan: &Plan, when: When) -> When {
    let when = match (when, plan.faults.first()) {
        (When::Fault(_), Some(fault)) => When::Fault(fault.name.clone()),
        (when, _) => when,
    };
    if when.length(plan).is_zero() { When::Whole } else { when }
}

/// Pieces that a profile is made of, and some that break it.
const PIECES: [&str; 37] = [
    "\n",
    " ",
    "=",
    "\"",
    "'",
    "[",
    "]",
    "[[",
    "]]",
    "{",
    "}",
    ",",
    ".",
    "#",
    "\"\"\"",
    "\\",
    "0",
    "-1",
    "1e999",
    "nan",
    "10k/s",
    "\"10k/s\"",
    "[load]",
    "[[groups]]",
    "[groups.x]",
    "[[faults]]",
    "\ndo = \"kill\"\ntarget = \"any\"\nfor = \"1s\"\n",
    "\nat = \"random\"\n",
    "[objectives]",
    "latency.p99",
    "< 1ms",
    "true",
    "1979-05-27",
    "µ",
    "\u{feff}",
    "\r\n",
    "\0",
];

/// A shipped profile, cut and patched.
fn mutated() -> impl Strategy<Value = String> {
    let edits = prop::collection::vec(
        (any::<prop::sample::Index>(), 0_usize..40, prop::sample::select(&PIECES[..])),
        1..12,
    );
    (prop::sample::select(builtin::names().to_vec()), edits).prop_map(|(name, edits)| {
        let mut text: Vec<char> = builtin::get(name).expect("shipped").chars().collect();
        for (at, cut, piece) in edits {
            let at = at.index(text.len() + 1);
            let end = (at + cut).min(text.len());
            text.splice(at..end, piece.chars());
        }
        text.into_iter().collect()
    })
}

/// Reads a text, and checks that each mistake lies in it and can be shown.
fn read_any(text: &str, sets: &[String]) -> Result<(), TestCaseError> {
    match read(&Source::new("p.toml", text), sets) {
        Ok(plan) => prop_assert_eq!(read(&Source::new("p.toml", to_toml(&plan)), &[]), Ok(plan)),
        Err(errors) => {
            prop_assert!(!errors.errors.is_empty() && errors.errors.len() <= 50);
            let lines = text.matches('\n').count() + 1;
            for error in &errors.errors {
                prop_assert!(error.source == "--set" || error.line <= lines, "{}", error);
            }
            prop_assert!(!errors.to_string().contains(|c: char| c.is_control() && c != '\n'));
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn a_plan_reads_back_from_its_own_profile(plan in plans()) {
        let text = to_toml(&plan);
        match read(&Source::new("p.toml", &*text), &[]) {
            Ok(back) => prop_assert_eq!(back, plan),
            // The one thing that no part of a drawn plan shows: more events than an id can number.
            Err(errors) if errors.to_string().contains("the busiest symbol would have about") => {}
            Err(errors) => prop_assert!(false, "{}\n{}", errors, text),
        }
    }

    #[test]
    fn arbitrary_text_never_panics(text in "[\\PC\n\r\t]{0,200}") {
        read_any(&text, &[])?;
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = read(&Source::new("p.toml", bytes), &[]).map_err(|errors| errors.to_string());
    }

    #[test]
    fn pieces_in_any_order_never_panic(pieces in prop::collection::vec(prop::sample::select(&PIECES[..]), 0..40)) {
        read_any(&pieces.concat(), &[])?;
    }

    #[test]
    fn mutated_profiles_never_panic(text in mutated()) {
        read_any(&text, &[])?;
    }

    #[test]
    fn any_override_never_panics(sets in prop::collection::vec("\\PC{0,30}|[a-z_.\"=\\[\\]{} 0-9]{0,30}|(load|groups|faults|mix|objectives|topology|bus|x)\\.[a-z.\"=]{0,10}=.{0,10}", 0..4)) {
        read_any(builtin::get("quick").expect("shipped"), &sets)?;
    }
}
