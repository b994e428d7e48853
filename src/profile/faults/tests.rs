//! Faults as a profile writes them, and rejected ones.

use crate::plan::{Action, Cut, Expect, Fault, Plan, Poison, Rate, Refuse, Share, Span, Target, Way};
use crate::profile::{Source, read, to_toml, warnings};

const BASE: &str = "[load]\nrate = \"1k/s\"\nduration = \"60s\"\n[cluster]\nnodes = 3\n[bus]\nreplicas = 3\n\
    [groups.trading-engine]\nmembers = 2\n[groups.analytics]\nsubscribe = [\">\"]\n";
const KILL: &str = "[[faults]]\nat = \"20s\"\ndo = \"kill\"\ntarget = \"stream-leader\"\nfor = \"8s\"\n";

fn try_plan(text: &str, sets: &[&str]) -> Result<Plan, String> {
    let sets: Vec<String> = sets.iter().map(ToString::to_string).collect();
    let plan = read(&Source::new("p.toml", text), &sets).map_err(|errors| errors.to_string())?;
    let again = read(&Source::new("again.toml", to_toml(&plan)), &[]);
    assert_eq!(again.as_ref(), Ok(&plan), "reads back as another plan");
    Ok(plan)
}

/// The plan of a fault's keys, with more of a profile before it.
fn with(keys: &str, sets: &[&str]) -> Result<Plan, String> {
    try_plan(&format!("{BASE}[[faults]]\n{keys}\n"), sets)
}

fn refused(keys: &str, sets: &[&str], said: &[&str]) {
    match with(keys, sets) {
        Ok(plan) => panic!("{keys} is {:?}", plan.faults),
        Err(text) => {
            for part in said {
                assert!(text.contains(part), "`{part}` is not in:\n{text}");
            }
        }
    }
}

/// A fault that has every key, as no plan has one.
pub(in crate::profile) fn of_every_key() -> Fault {
    Fault {
        name: "x".into(),
        at: Span::seconds(1),
        action: Action::Slow,
        target: Some(Target::Any),
        between: Some([Target::Clients, Target::Others]),
        length: Span::seconds(1),
        settle: Span::seconds(1),
        how: Some(Cut::Hole),
        way: Some(Way::From),
        delay: Some(Span::millis(1)),
        jitter: Some(Span::millis(1)),
        rate: Some(Rate::per_second(1.0)),
        poison: Some(Poison { share: Share { of_one: 0.5 }, how: Refuse::Nak }),
        expect: Expect::Outage,
    }
}

fn names(plan: &Plan) -> Vec<&str> {
    plan.faults.iter().map(|fault| fault.name.as_str()).collect()
}

#[test]
fn a_fault_has_a_name_and_its_defaults() {
    let plan = try_plan(&format!("{BASE}{KILL}"), &[]).unwrap();
    let [fault] = plan.faults.as_slice() else { panic!("{plan:?}") };
    assert_eq!(
        *fault,
        Fault {
            name: "kill-stream-leader".into(),
            at: Span::seconds(20),
            action: Action::Kill,
            target: Some(Target::StreamLeader),
            between: None,
            length: Span::seconds(8),
            settle: Span::seconds(15),
            how: None,
            way: None,
            delay: None,
            jitter: None,
            rate: None,
            poison: None,
            expect: Expect::Service,
        }
    );
    let rolling = with("at = \"5s\"\ndo = \"rolling-restart\"\nsettle = \"30s\"", &[]).unwrap();
    assert_eq!((names(&rolling), &rolling.faults[0].target), (vec!["rolling-restart"], &Some(Target::All)));
    let upgrade = "at = \"5s\"\ndo = \"rolling-upgrade\"\nsettle = \"10s\"";
    let once = with(upgrade, &[]).unwrap();
    assert_eq!((once.faults[0].action, &once.faults[0].target), (Action::RollingUpgrade, &Some(Target::All)));
    refused(
        &format!("{upgrade}\ntimes = 2\nevery = \"20s\""),
        &[],
        &["upgrades every node before", "a single"],
    );
    refused(
        &format!("{upgrade}\ntarget = \"any\""),
        &[],
        &["`rolling-upgrade` restarts every node in turn, not `any`"],
    );
    let member =
        with("at=\"5s\"\ndo=\"crash-member\"\ntarget=\"trading-engine/2\"\nfor=\"3s\"", &[]).unwrap();
    assert_eq!(names(&member), ["crash-member-trading-engine-2"]);
    let cut = with(
        "at=\"5s\"\ndo=\"partition\"\nbetween=[\"stream-leader\",\"others\"]\nfor=\"3s\"\nhow=\"hole\"\nway=\"to\"",
        &[],
    );
    let cut = cut.unwrap();
    assert_eq!((names(&cut), cut.faults[0].how), (vec!["partition-stream-leader-others"], Some(Cut::Hole)));
    assert_eq!((cut.faults[0].way, warnings(&cut)), (Some(Way::To), Vec::new()));
    assert_eq!(warnings(&member), Vec::<String>::new(), "it can be injected");
    let slow = with(
        "at=\"5s\"\ndo=\"slow\"\nbetween=[\"clients\",\"all\"]\nfor=\"3s\"\ndelay=\"20ms\"\nrate=\"1M/s\"",
        &[],
    );
    assert_eq!(slow.unwrap().faults[0].delay, Some(Span::millis(20)));
}

#[test]
fn repetitions_are_faults_of_their_own_and_a_random_start_follows_from_the_seed() {
    let keys = "name=\"k\"\nat=\"1s\"\ndo=\"kill\"\ntarget=\"any\"\nfor=\"4s\"\nsettle=\"6s\"\ntimes=3\nevery=\"20s\"";
    let plan = with(keys, &[]).unwrap();
    assert_eq!(names(&plan), ["k-1", "k-2", "k-3"]);
    assert_eq!(plan.faults.iter().map(|fault| fault.at).collect::<Vec<_>>(), [1, 21, 41].map(Span::seconds));
    let random = |seed: u32| {
        let keys = keys.replace("\"1s\"", "\"random\"").replace("20s", "15s");
        let plan = with(&keys, &[&format!("market.seed={seed}")]).unwrap();
        plan.faults[0].at
    };
    assert_eq!(random(7), random(7));
    let starts: Vec<Span> = (0..20).map(random).collect();
    assert!(starts.iter().all(|at| (Span::seconds(1)..=Span::seconds(20)).contains(at)), "{starts:?}");
    assert!(starts.iter().any(|at| *at != starts[0]), "every seed draws the same");
    let both = format!(
        "{BASE}{KILL}[[faults]]\nname=\"r\"\nat=\"random\"\ndo=\"restart\"\ntarget=\"any\"\nsettle=\"5s\"\n"
    );
    for seed in 0..20 {
        let plan = try_plan(&both, &[&format!("market.seed={seed}")]).unwrap();
        assert_eq!(plan.faults.len(), 2, "it fits before or after the other");
    }
    refused(
        keys,
        &["load.duration=50s"],
        &["`k-3` is settled at 51s", "`at` of at most 40s", "at least 51s"],
    );
    refused(&keys.replace("20s", "9s"), &[], &["at least 10s, `for` and `settle` together"]);
    refused(&keys.replace("\nevery=\"20s\"", ""), &[], &["`faults.k.every` is missing"]);
    refused(&keys.replace("times=3", ""), &[], &["has no effect on a fault that happens once"]);
    refused(
        &keys.replace("\"1s\"", "\"random\"").replace("20s", "40s"),
        &[],
        &["has no room for `k`", "90s"],
    );
    refused(&keys.replace("times=3", "times=21"), &[], &["`faults.k.times` is `21`; expected 1 to 20"]);
}

#[test]
fn overrides_change_a_fault_by_its_name_or_replace_all() {
    let text = format!("{BASE}{KILL}");
    let plan = try_plan(&text, &["faults.kill-stream-leader.for=5s"]).unwrap();
    assert_eq!(plan.faults[0].length, Span::seconds(5));
    assert!(try_plan(&text, &["faults=[]"]).unwrap().faults.is_empty());
    let other = "faults=[{at=\"10s\",do=\"restart\",target=\"node-2\"},{at=\"30s\",do=\"stop\",target=\"follower\",for=\"2s\"}]";
    assert_eq!(names(&try_plan(&text, &[other]).unwrap()), ["restart-node-2", "stop-follower"]);
    let wrong = try_plan(&text, &["faults.kill-stream-leder.for=5s"]).unwrap_err();
    assert!(wrong.contains("--set, column 8: the profile lists no fault `kill-stream-leder`"), "{wrong}");
    assert!(wrong.contains("did you mean `kill-stream-leader`?"), "{wrong}");
    let whole = try_plan(&text, &["faults.kill-stream-leader=5"]).unwrap_err();
    assert!(whole.contains("a whole fault cannot be set"), "{whole}");
    let table = try_plan(BASE, &["faults.x.at=5s"]).unwrap_err();
    assert!(table.contains("`faults` is a table; expected `[[faults]]` tables"), "{table}");
}

#[test]
fn mistakes_of_a_single_table_have_their_place_and_a_suggestion() {
    insta::assert_snapshot!(
        try_plan(
            "[load]\nrate = \"1k/s\"\nduration = \"60s\"\n\n[[faults]]\nname = \"a b\"\nat = \"20\"\ndo = \"kil\"\ntarget = 5\n\
             lenght = \"5s\"\n\n[[faults]]\nname = \"c\"\ndo = \"restart\"\ntarget = \"all\"\nfor = \"5s\"\nhow = \"hole\"\n\
             settle = \"0s\"\nexpect = \"outtage\"\n\n[[faults]]\nname = \"d\"\nat = \"1s\"\ndo = \"slow\"\ntarget = \"all\"\n\
             between = [\"all\"]\nfor = \"1s\"\n",
            &[]
        )
        .unwrap_err()
    );
}

#[test]
fn a_key_that_an_action_needs_or_has_no_use_for() {
    refused(
        "at=\"5s\"\ndo=\"kill\"\ntarget=\"any\"",
        &[],
        &["`faults.kill-any.for` is missing", "until it is undone"],
    );
    refused("at=\"5s\"\ndo=\"kill\"\nfor=\"1s\"", &[], &["`faults.kill.target` is missing", "whom it hits"]);
    refused(
        "at=\"5s\"\ndo=\"restart\"\ntarget=\"any\"\nfor=\"1s\"",
        &[],
        &["no `for`, since it ends by itself"],
    );
    refused(
        "at=\"5s\"\ndo=\"kill\"\nbetween=[\"all\",\"clients\"]\nfor=\"1s\"",
        &[],
        &["only `partition` and `slow` act on links"],
    );
    refused(
        "at=\"5s\"\ndo=\"partition\"\ntarget=\"any\"\nfor=\"1s\"",
        &[],
        &["the ends of the link", "between` is missing"],
    );
    refused(
        "at=\"5s\"\ndo=\"lame-duck\"\ntarget=\"any\"\nfor=\"2s\"",
        &[],
        &["at least 5s, since a node in lame duck mode"],
    );
    refused(
        "at=\"5s\"\ndo=\"partition\"\nbetween=[\"all\",\"clients\"]\nfor=\"1s\"\ndelay=\"1ms\"",
        &[],
        &["it belongs to `do = \"slow\"`"],
    );
    refused(
        "at=\"5s\"\ndo=\"slow\"\nbetween=[\"all\",\"clients\"]\nfor=\"1s\"",
        &[],
        &["a `delay`, a `jitter` or a `rate`"],
    );
    refused("do=\"kill\"\ntarget=\"any\"\nfor=\"1s\"", &[], &["`faults.kill-any.at` is missing"]);
    refused("at=\"5s\"", &[], &["`faults.?.do` is missing"]);
}

#[test]
fn times_must_fit_the_measure_phase_and_each_other() {
    let kill = |at: &str| format!("at=\"{at}\"\ndo=\"kill\"\ntarget=\"any\"\nfor=\"8s\"");
    refused(&kill("60s"), &[], &["begins at 1m, outside the measure phase of 1m", "`at` of at most 37s"]);
    refused(&kill("38s"), &[], &["is settled at 61s", "`at` of at most 37s", "`duration` of at least 61s"]);
    assert!(with(&kill("37s"), &[]).is_ok());
    let two = |at: &str| {
        format!("{}\n[[faults]]\nname=\"two\"\nat=\"{at}\"\ndo=\"restart\"\ntarget=\"any\"", kill("5s"))
    };
    refused(
        &two("12s"),
        &[],
        &["`two` begins at 12s and overlaps `kill-any`, which lasts until 13s and is settled at 28s"],
    );
    refused(&two("27s"), &[], &["leaves `kill-any` no time to settle", "`at` of at least 28s"]);
    refused(&two("5s"), &[], &["`two` begins at 5s"]);
    assert!(with(&two("28s"), &[]).is_ok());
    refused(
        &format!("{}\n[[faults]]\n{}", kill("1s"), kill("30s")),
        &[],
        &["two faults are called `kill-any`"],
    );
}

#[test]
fn a_target_must_exist_and_fit() {
    let fault = |action: &str, target: &str| {
        let length = match action {
            "restart" | "step-down" | "rolling-restart" | "restart-group" => "",
            _ => "for=\"6s\"",
        };
        format!("at=\"5s\"\ndo=\"{action}\"\ntarget=\"{target}\"\n{length}")
    };
    let one = &["cluster.nodes=1", "bus.replicas=1"][..];
    for (action, target, sets, said) in [
        (
            "kill",
            "node-4",
            &[][..],
            "`node-4` does not exist, since `cluster.nodes` is 3; expected `node-1` to `node-3`",
        ),
        ("kill", "node-0", &[], "`node-0` does not exist"),
        ("kill", "node-2", one, "expected `node-1`"),
        ("kill", "steam-leader", &[], "did you mean `stream-leader`?"),
        ("kill", "analytics", &[], "`analytics` is a group, not a node of the broker"),
        ("kill", "consumer-leader:analytic", &[], "did you mean `consumer-leader:analytics`?"),
        ("kill", "others", &[], "`others` is an end of a link"),
        ("kill", "follower", one, "a single server has no `follower`"),
        ("kill", "meta-leader", one, "a single server has no `meta-leader`"),
        ("kill", "minority", one, "a single server has no `minority`"),
        ("kill", "follower", &["bus.replicas=1"], "no node follows the leader"),
        ("step-down", "stream-leader", &["bus.replicas=1"], "no other server can lead the stream"),
        ("step-down", "any", &[], "`any` cannot step down"),
        ("rolling-restart", "node-1", &[], "restarts every node in turn"),
        ("lame-duck", "all", &[], "`lame-duck` acts on one node, and `all` is 3"),
        (
            "crash-member",
            "trading-engine/3",
            &[],
            "`trading-engine/3` does not exist, since `trading-engine` has 2 members",
        ),
        ("crash-member", "trading-engine/0", &[], "`trading-engine/0` does not exist"),
        ("crash-member", "trading-engine", &[], "expected `trading-engine/1` to `trading-engine/2`"),
        ("crash-member", "trading-engin/1", &[], "did you mean `trading-engine/1`?"),
        ("crash-member", "any", &[], "acts on a group's members, not on `any`"),
        ("restart-group", "analytics/1", &[], "expected `analytics`, or `crash-member`"),
        (
            "lame-duck",
            "any",
            &["bus.kind=kafka", "cluster.nodes=1", "bus.replicas=1"],
            "this version injects no `lame-duck` on Kafka; expected `kill`, `stop`, `restart`, `power-loss`, `crash-member` or `restart-group`",
        ),
    ] {
        refused(&fault(action, target), sets, &[said]);
    }
    for (action, target) in [
        ("kill", "node-3"),
        ("stop", "consumer-leader:analytics"),
        ("restart", "meta-leader"),
        ("write-error", "follower"),
        ("lame-duck", "connected"),
        ("step-down", "meta-leader"),
        ("restart-group", "analytics"),
        ("crash-member", "trading-engine/2"),
    ] {
        if let Err(text) = with(&fault(action, target), &[]) {
            panic!("{action} {target}: {text}");
        }
    }
    refused(
        "at=\"5s\"\ndo=\"partition\"\nbetween=[\"node-9\",\"client\"]\nfor=\"1s\"",
        &[],
        &["`node-9` does not exist"],
    );
    refused(
        "at=\"5s\"\ndo=\"partition\"\nbetween=[\"all\",\"client\"]\nfor=\"1s\"",
        &[],
        &["did you mean `clients`?"],
    );
}

#[test]
fn a_link_must_exist_and_go_through_proxies() {
    let fault =
        |ends: &str, more: &str| format!("at=\"5s\"\ndo=\"partition\"\nbetween=[{ends}]\nfor=\"1s\"\n{more}");
    let one = &["cluster.nodes=1", "bus.replicas=1"][..];
    let kafka = &["bus.kind=kafka"][..];
    for (ends, more, sets, said) in [
        ("\"clients\",\"clients\"", "", &[][..], "both ends are `clients`"),
        ("\"others\",\"others\"", "", &[], "both ends are `others`"),
        ("\"clients\",\"others\"", "", &[], "expected `all` instead"),
        ("\"all\",\"others\"", "", &[], "`all` is all nodes, so there are no `others`"),
        ("\"node-2\",\"node-2\"", "", &[], "both ends are `node-2`, and a node has no link to itself"),
        ("\"node-1\",\"others\"", "", one, "a single server has no links to others; expected `clients`"),
        ("\"node-1\",\"all\"", "", one, "a single server has no links"),
        ("\"node-1\",\"others\"", "way=\"to\"", &[], "ends in both directions; expected `how = \"hole\"`"),
        ("\"node-1\",\"clients\"", "way=\"from\"", &[], "ends in both directions"),
        ("\"node-1\",\"others\"", "", &["cluster.links=direct"], "acts on links through proxies only"),
        ("\"node-1\",\"others\"", "", kafka, "one address for all of its peers"),
        (
            "\"node-1\",\"clients\"",
            "",
            kafka,
            "so a proxy cannot tell its peers apart; expected `kill`, `stop`",
        ),
    ] {
        refused(&fault(ends, more), sets, &[said]);
    }
    for (ends, more, sets) in [
        ("\"stream-leader\",\"others\"", "", &[][..]),
        ("\"all\",\"all\"", "how=\"hole\"\nway=\"from\"\nexpect=\"outage\"", &["cluster.links=proxied"]),
        ("\"minority\",\"majority\"", "", &["cluster.links=auto"]),
        ("\"clients\",\"connected\"", "", &[]),
        ("\"node-1\",\"clients\"", "expect=\"outage\"", one),
        ("\"all\",\"clients\"", "expect=\"outage\"", one),
    ] {
        if let Err(text) = with(&fault(ends, more), sets) {
            panic!("{ends} {more}: {text}");
        }
    }
}

#[test]
fn an_outage_is_said_and_only_an_outage() {
    let fault = |action: &str, target: &str, expect: &str| {
        let length = if action == "restart" || action == "rolling-restart" { "" } else { "for=\"6s\"" };
        let target = if target.is_empty() { String::new() } else { format!("target=\"{target}\"\n") };
        let expect = if expect.is_empty() { String::new() } else { format!("\nexpect=\"{expect}\"") };
        format!("at=\"5s\"\ndo=\"{action}\"\n{target}{length}{expect}")
    };
    let one = &["cluster.nodes=1", "bus.replicas=1"][..];
    refused(
        &fault("kill", "majority", ""),
        &[],
        &["leaves no majority, since 2 of 3 servers", "expect = \"outage\""],
    );
    refused(&fault("stop", "all", ""), &[], &["3 of 3 servers"]);
    refused(&fault("kill", "node-1", ""), one, &["there is only one server"]);
    refused(&fault("rolling-restart", "", ""), one, &["there is only one server"]);
    refused(&fault("kill", "stream-leader", ""), &["bus.replicas=1"], &["copies on 1 of 3 servers"]);
    refused(&fault("kill", "minority", "outage"), &[], &["leaves a majority of the 3 servers"]);
    refused(&fault("restart", "any", "outage"), &[], &["expected no `expect`"]);
    for (action, target, expect, sets) in [
        ("kill", "majority", "outage", &[][..]),
        ("restart", "all", "outage", &[]),
        ("kill", "node-1", "outage", one),
        ("rolling-restart", "", "outage", one),
        ("kill", "node-1", "outage", &["bus.replicas=1"]),
        ("kill", "node-1", "", &["bus.replicas=1"]),
    ] {
        if let Err(text) = with(&fault(action, target, expect), sets) {
            panic!("{action} {target} {expect}: {text}");
        }
    }
}

#[test]
fn a_partition_that_leaves_no_majority_says_so() {
    let cut = |ends: &str, expect: &str| {
        let expect = if expect.is_empty() { String::new() } else { format!("\nexpect=\"{expect}\"") };
        format!("at=\"5s\"\ndo=\"partition\"\nbetween=[{ends}]\nfor=\"6s\"{expect}")
    };
    let alone = "no server with a copy reaches a majority of the 3 servers and of the 3 copies";
    refused(&cut("\"all\",\"all\"", ""), &[], &[alone, "expect = \"outage\"", "or ends that leave one"]);
    refused(
        &cut("\"clients\",\"all\"", ""),
        &[],
        &["`partition between clients and all`", "no client reaches a server"],
    );
    refused(&cut("\"stream-leader\",\"others\"", ""), &["bus.replicas=1"], &["of the only copy"]);
    let kept = "`partition between stream-leader and others` leaves a majority of the 3 servers";
    refused(&cut("\"stream-leader\",\"others\"", "outage"), &[], &[kept, "expected no `expect`"]);
    for (ends, expect, sets) in [
        ("\"all\",\"all\"", "outage", &[][..]),
        ("\"clients\",\"all\"", "outage", &[]),
        ("\"stream-leader\",\"others\"", "outage", &["bus.replicas=1"]),
        ("\"clients\",\"majority\"", "", &[]),
        ("\"clients\",\"majority\"", "outage", &[]),
    ] {
        if let Err(text) = with(&cut(ends, expect), sets) {
            panic!("{ends} {expect}: {text}");
        }
    }
    let slow =
        "at=\"5s\"\ndo=\"slow\"\nbetween=[\"all\",\"all\"]\nfor=\"3s\"\ndelay=\"20ms\"\nexpect=\"outage\"";
    refused(slow, &[], &["`slow between all and all` leaves a majority"]);
}

#[test]
fn loads_that_cannot_be_judged_are_refused_with_the_reason() {
    let keys = "at=\"5s\"\ndo=\"kill\"\ntarget=\"any\"\nfor=\"1s\"";
    refused(keys, &["load.rate=max"], &["the bus sets the pace", "or no [[faults]]"]);
    refused(keys, &["load.consume=backlog"], &["receives only after the load"]);
    refused(
        keys,
        &["load.arrival=steps", "load.steps.rates=[\"1k/s\",\"2k/s\"]"],
        &["the rate differs before and after"],
    );
    refused(
        keys,
        &["load.arrival=ramp", "load.ramp={from=\"1k/s\",to=\"2k/s\"}"],
        &["the rate differs before and after"],
    );
    assert!(with(keys, &["load.arrival=constant"]).is_ok());
}

#[test]
fn a_buffer_too_small_for_the_outage_is_a_warning_with_the_number() {
    let keys = "at=\"5s\"\ndo=\"kill\"\ntarget=\"any\"\nfor=\"5s\"";
    let said = |sets: &[&str]| warnings(&with(keys, sets).unwrap()).join("\n");
    let text = said(&["load.rate=10k/s", "load.generators=1"]);
    assert!(
        text.contains("`bus.buffer` is 65536") && text.contains("set `buffer = 150000` in [bus]"),
        "{text}"
    );
    assert_eq!(said(&["load.rate=10k/s", "load.generators=1", "bus.buffer=150000"]), "");
    assert!(said(&["load.rate=500k/s", "load.generators=1"]).contains("at most 1000000"));
    assert!(said(&["load.rate=50/s"]).contains("slots of 10 ms"));
    assert_eq!(said(&[]), "");
}

#[test]
fn objectives_are_of_the_parts_that_the_faults_make() {
    let with =
        |text: &str, keys: &str, line: &str| try_plan(&format!("{text}{keys}[objectives]\n{line}\n"), &[]);
    for line in [
        "\"before.latency.p99\" = \"< 100ms\"",
        "\"after.trading-engine.latency.p99\" = \"< 100ms\"",
        "\"during.ack.max\" = \"< 10s\"",
        "\"fault.kill-stream-leader.throughput.acked\" = \">= 50% of offered\"",
        "\"recovery.throughput.delivered\" = \">= 900/s\"",
        "after.latency.p99 = \"< 100ms\"",
        "\"unavailable.longest\" = \"<= 10s\"",
        "\"fault.kill-stream-leader.recovery.time\" = \"<= 20s\"",
        "\"recovery.after_undo\" = \"<= 10s\"",
        "fault.kill-stream-leader.analytics.latency.p99 = \"< 100ms\"",
    ] {
        with(BASE, KILL, line).unwrap_or_else(|text| panic!("{text}"));
    }
    let instant = "[[faults]]\nat = \"0s\"\ndo = \"restart\"\ntarget = \"any\"\nsettle = \"60s\"\n";
    for (keys, line, said) in [
        (
            "",
            "\"before.latency.p99\" = \"< 1ms\"",
            "the profile has none; expected [[faults]], or `latency.p99`",
        ),
        ("", "\"fault.x.latency.p99\" = \"< 1ms\"", "`fault.x` is a part of a measure phase with faults"),
        (KILL, "\"fault.kil-stream-leader.latency.p99\" = \"< 1ms\"", "did you mean `kill-stream-leader`?"),
        (KILL, "\"durin.latency.p99\" = \"< 1ms\"", "did you mean `during`?"),
        (KILL, "\"after.analytic.latency.p99\" = \"< 1ms\"", "did you mean `analytics`?"),
        (KILL, "\"after.delivery.lost\" = \"== 0\"", "counts events of the whole run"),
        (KILL, "\"after.windows.latency.p99\" = \"< 1ms\"", "not of `after`"),
        (KILL, "\"after.throughput.acked\" = \">= 2k/s\"", "out of reach"),
        ("", "\"recovery.time\" = \"< 20s\"", "counts from a fault, and the profile has none"),
        (instant, "\"recovery.after_undo\" = \"< 20s\"", "counts from an undo, and no such fault has one"),
        (instant, "\"during.latency.p99\" = \"< 1ms\"", "`during` is empty"),
        (instant, "\"before.latency.p99\" = \"< 1ms\"", "`before` is empty"),
        (instant, "\"after.latency.p99\" = \"< 1ms\"", "`after` is empty"),
    ] {
        let text = with(BASE, keys, line).unwrap_err();
        assert!(text.contains(said), "`{said}` is not in:\n{text}");
    }
    let named = try_plan(&format!("{BASE}[groups.recovery]\nsubscribe = [\">\"]\n"), &[]).unwrap_err();
    assert!(named.contains("`recovery` cannot be the name of a group"), "{named}");
}

#[test]
fn an_objective_on_what_comes_again_needs_a_crash_and_the_time_for_it() {
    const CRASH: &str =
        "name=\"c\"\nat=\"5s\"\ndo=\"crash-member\"\ntarget=\"trading-engine/2\"\nfor=\"3s\"\n";
    let judged = |fault: &str, objective: &str, sets: &[&str]| {
        with(&format!("{fault}[objectives]\n\"{objective}\" = \"== 0\""), sets)
    };
    for objective in ["redelivered.missing", "redelivered.unexpected", "fault.c.redelivered.missing"] {
        let plan = judged(CRASH, objective, &[]).unwrap();
        assert_eq!(warnings(&plan), Vec::<String>::new(), "{objective}");
    }
    let late = warnings(
        &judged(CRASH, "redelivered.missing", &["bus.nats.ack_wait=55s", "load.drain=60s"]).unwrap(),
    );
    assert!(late.len() == 1 && late[0].contains("comes again at 1m, and the load ends at 1m"), "{late:?}");
    let kill = KILL.trim_start_matches("[[faults]]\n");
    for (fault, objective, said) in [
        (kill, "redelivered.missing", "after a `crash-member`, and the profile has none"),
        (kill, "fault.kill-stream-leader.redelivered.missing", "the fault `kill-stream-leader` is another"),
        (CRASH, "fault.d.redelivered.missing", "no fault `d`"),
        (CRASH, "after.redelivered.missing", "counts what came again after a fault, or after all of them"),
        (CRASH, "trading-engine.redelivered.missing", "is not a figure of a group"),
    ] {
        let errors = judged(fault, objective, &[]).unwrap_err();
        assert!(errors.contains(said) && !errors.contains("\n\n"), "{objective}: {errors}");
    }
}
