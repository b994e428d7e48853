//! `tickgate compare` as a program: two sides in turn, folders of runs, and rejected input.

#![expect(clippy::expect_used, reason = "tests")]

use rustix::process::Signal;
use tickgate::compare::{Comparison, Finding, Order, Outcome, Trial};
use tickgate::record::Record;

use crate::support::nats::NatsServer;
use crate::support::ports::free_port;
use crate::support::program::{Done, Place};
use crate::support::records;

/// As short as runs can be.
const SHORT: [&str; 6] = ["--set", "load.duration=1s", "--set", "load.warmup=0s", "--cool-down", "0s"];

fn compare(place: &Place, more: &[&str]) -> Done {
    place.run(&[&["compare", "./gate.toml"], more].concat())
}

#[track_caller]
fn account(place: &Place) -> Comparison {
    let text = std::fs::read_to_string(place.run_folder().join("compare.json")).expect("an account");
    serde_json::from_str(&text).expect("an account that can be read")
}

/// The record of a run of the only comparison.
#[track_caller]
fn record(place: &Place, run: &str) -> Record {
    let text = std::fs::read_to_string(place.run_folder().join(run).join("record.json")).expect("a record");
    serde_json::from_str(&text).expect("a record that can be read")
}

/// Two servers with a monitoring endpoint each.
fn monitored() -> [(NatsServer, String); 2] {
    ["one", "two"].map(|name| {
        let port = free_port();
        let server = NatsServer::with(&format!("server_name: {name}\nhttp: \"127.0.0.1:{port}\""));
        (server, format!("http://127.0.0.1:{port}"))
    })
}

#[test]
fn each_side_has_the_monitoring_endpoints_of_its_own_bus() {
    let [(one, at_one), (two, at_two)] = monitored();
    let side = |server: &NatsServer, monitor: &str| {
        (format!("broker={}", server.url()), format!("monitor={monitor}"))
    };
    let ((a, seen_a), (b, seen_b)) = (side(&one, &at_one), side(&two, &at_two));
    let place = Place::new();
    let sides = ["--a", &a, "--a", &seen_a, "--b", &b, "--b", &seen_b, "--pairs", "1", "--allow-unequal"];
    let done = compare(&place, &[&sides[..], &SHORT].concat());
    done.ends(3);
    for (run, name, url) in [("a-01", "one", &at_one), ("b-01", "two", &at_two)] {
        let record = record(&place, run);
        let nodes: Vec<_> = record.broker.nodes.iter().map(|node| (node.name.as_str(), &node.url)).collect();
        assert_eq!(nodes, [(name, url)], "{run}");
        assert!(record.broker.nodes[0].memory_bytes > 0, "{:?}", record.broker.nodes);
    }
    let text = std::fs::read_to_string(place.run_folder().join("compare.json")).expect("an account");
    assert!(text.contains(&seen_a) && text.contains(&seen_b), "the sides say what differs");
}

#[test]
fn endpoints_that_both_sides_have_are_not_asked_for_a_bus_of_one_side() {
    let [(one, _), (two, at_two)] = monitored();
    let place = Place::new();
    let a = format!("broker={}", one.url());
    let both = ["--broker", &two.url(), "--monitor", &at_two, "--pairs", "1", "--allow-unequal"];
    let done = compare(&place, &[&["--a", &a, "--b", "bus.window=100"], &both[..], &SHORT].concat());
    done.ends(3);
    for (run, names) in [("a-01", vec![]), ("b-01", vec!["two"])] {
        let nodes = record(&place, run).broker.nodes;
        assert_eq!(nodes.iter().map(|node| node.name.as_str()).collect::<Vec<_>>(), names, "{run}");
    }
    // A server of tickgate's own has no endpoints of others.
    let local = ["--a", "broker=local", "--a", "monitor=http://127.0.0.1:1", "--b", "broker=local"];
    compare(&place, &local).fails(2, &["side A: --monitor is for a bus that tickgate did not start"]);
}

#[test]
fn two_sides_run_in_turns_and_everything_is_kept() {
    let place = Place::new();
    let sides = ["--a", "bus.storage=file", "--b", "bus.storage=memory", "--b", "label=in memory"];
    let more = ["--allow-unequal", "--pairs", "2", "--seed", "3"];
    let done = compare(&place, &[&sides[..], &more, &SHORT].concat());
    done.ends(3);
    for part in [
        "warning: with fewer than 6 pairs",
        "2 pairs, about",
        "seed 3",
        "pair 1 of 2, a-01",
        "pair 2 of 2, b-02",
    ] {
        assert!(done.err.contains(part), "`{part}` is not in:\n{}", done.err);
    }
    for part in ["Unequal durability (allowed)", "verdict: INCONCLUSIVE", "compare.html"] {
        assert!(done.out.contains(part), "`{part}` is not in:\n{}", done.out);
    }
    let folder = place.run_folder();
    for file in [
        "compare.json",
        "compare.html",
        "compare.md",
        "compare.junit.xml",
        "charts/ratios.svg",
        "a-01/record.json",
        "b-02/report.html",
    ] {
        assert!(folder.join(file).is_file(), "{file}");
    }
    let account = account(&place);
    assert_eq!(account.pairs.len(), 2);
    assert_ne!(account.pairs[0].order, account.pairs[1].order, "ABBA");
    let first = if account.pairs[0].order == Order::Ab { "a-01" } else { "b-01" };
    assert!(done.err.split("pair 1 of 2, ").nth(1).unwrap().starts_with(first), "{}", done.err);
    assert_eq!(
        (account.sides.a.durability.as_str(), account.sides.b.durability.as_str()),
        ("page cache", "memory")
    );
    assert_eq!(account.sides.b.label, "in memory");
    assert!(
        account
            .pairs
            .iter()
            .all(|p| p.a.figures.contains_key("latency.p50") && p.b.figures.contains_key("broker.memory"))
    );

    let schema = serde_json::to_value(schemars::schema_for!(Comparison)).unwrap();
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    let text = std::fs::read_to_string(folder.join("compare.json")).unwrap();
    let errors: Vec<_> =
        validator.iter_errors(&serde_json::from_str(&text).unwrap()).map(|e| e.to_string()).collect();
    assert_eq!(errors, [""; 0]);

    let again = place.run(&["compare", folder.to_str().unwrap()]);
    again.ends(3);
    // Then the two say where their files are.
    let text = |done: &Done| done.out[..done.out.rfind("\nreport: ").unwrap()].to_owned();
    assert_eq!(text(&again), text(&done), "shown again");

    let [a, b] = ["a-01", "b-01"].map(|name| folder.join(name).display().to_string());
    let two = place.run(&["compare", &a, &b, "--out", "other", "--allow-unequal"]);
    two.ends(3);
    assert!(two.out.contains("one run of each side"), "{}", two.out);
    let two = place.run(&["compare", &a, &b, "--out", "other"]);
    two.ends(3);
    assert!(two.out.contains("Not ranked"), "{}", two.out);
}

#[test]
fn three_sides_run_in_rounds_against_one_reference() {
    let place = Place::new();
    let sides = [
        "--a",
        "bus.storage=file",
        "--b",
        "bus.storage=memory",
        "--c",
        "bus.sync=always",
        "--c",
        "label=forced",
        "--reference",
        "forced",
    ];
    let more = ["--allow-unequal", "--pairs", "2", "--seed", "3"];
    let done = compare(&place, &[&sides[..], &more, &SHORT].concat());
    done.ends(3);
    let before = done.err.split("round 1 of 2").next().unwrap();
    for part in ["the reference is C", "2 rounds, about", "checked A:", "checked B:", "checked C:", "fsync"] {
        assert!(before.contains(part), "`{part}` is not before the first run:\n{}", done.err);
    }
    assert!(done.err.contains("round 2 of 2, "), "{}", done.err);
    for part in ["A (", "against C (forced)", "verdict: A INCONCLUSIVE, B INCONCLUSIVE"] {
        assert!(done.out.contains(part), "`{part}` is not in:\n{}", done.out);
    }
    // On a busy machine no pair may count, and then there is no price.
    let price = ["Price of durability", "is more durable than"];
    assert!(price.iter().any(|part| done.out.contains(part)), "{}", done.out);
    let account = account(&place);
    assert_eq!(
        (account.schema.as_str(), account.overall),
        ("tickgate.compare/2", Some(Finding::Inconclusive))
    );
    let letters: Vec<String> = account.contrasts().iter().map(|c| c.sides.contrast.ratio()).collect();
    assert_eq!(letters, ["A / C", "B / C"]);
    let folders: Vec<&str> = account.others[0].pairs.iter().map(|pair| pair.a.folder.as_str()).collect();
    assert_eq!(folders, ["c-01", "c-02"], "the reference's runs are those of every contrast");
    let folder = place.run_folder();
    for file in ["a-01/record.json", "b-02/report.html", "c-02/record.json", "charts/ratios-b.svg"] {
        assert!(folder.join(file).is_file(), "{file}");
    }
    let schema = serde_json::to_value(schemars::schema_for!(Comparison)).unwrap();
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    let text = std::fs::read_to_string(folder.join("compare.json")).unwrap();
    let errors: Vec<_> =
        validator.iter_errors(&serde_json::from_str(&text).unwrap()).map(|e| e.to_string()).collect();
    assert_eq!(errors, [""; 0]);
    place.run(&["compare", folder.to_str().unwrap()]).ends(3);

    let runs = ["a-01", "b-01", "c-01"].map(|name| folder.join(name).display().to_string());
    let three = place.run(&["compare", &runs[0], &runs[1], &runs[2], "--out", "other", "--allow-unequal"]);
    three.ends(3);
    assert!(three.out.contains("C (c-01) against A (a-01)"), "{}", three.out);
}

#[test]
fn sides_have_letters_without_a_gap_and_one_of_them_is_the_reference() {
    let place = Place::new();
    let refused = |more: &[&str], parts: &[&str]| {
        compare(&place, &[more, &["--cool-down", "0s"]].concat()).fails(2, parts);
    };
    refused(&["--b", "bus.ack=none", "--d", "bus.window=9"], &["there is a side --d and no --c"]);
    refused(&["--b", "bus.ack=none", "--reference", "z"], &["`z` is not a side", "a (", "b (bus.ack=none)"]);
    refused(&["--b", "bus.ack=none", "--c", "load.rate=2k/s"], &["sides A and C do not have the same load"]);
    refused(&["--c", "bus.storage=memory"], &["sides A and C are not equally durable"]);
    refused(&["--c", "bus.stroage=memory"], &["side C:", "unknown key `stroage`"]);
}

#[test]
fn six_pairs_end_in_what_the_account_says() {
    let place = Place::new();
    let more = [
        "--a",
        "bus.window=500",
        "--b",
        "bus.window=1000",
        "--pairs",
        "6",
        "--broker",
        "sim",
        "--format",
        "json",
    ];
    let done = compare(&place, &[&more[..], &SHORT].concat());
    let account: Comparison = serde_json::from_str(&done.out).expect("an account on stdout");
    let code = match account.verdict.finding {
        Finding::Worse => 1,
        Finding::Inconclusive => 3,
        _ => 0,
    };
    done.ends(code);
    let ran = account
        .pairs
        .iter()
        .filter(|p| p.a.outcome != Outcome::NotRun && p.b.outcome != Outcome::NotRun)
        .count();
    assert!(ran == 6 || account.about.interrupted.is_some(), "{:?}", account.about);
    let unseen = |trial: &Trial| trial.missing["broker.cpu"].contains("could not be measured");
    assert!(account.pairs.iter().all(|p| unseen(&p.a) && unseen(&p.b)));
}

#[test]
fn what_compares_nothing_is_refused_before_anything_is_sent() {
    let cases: [(&[&str], &[&str]); 12] = [
        (&[], &["say how the sides of", "--a bus.storage=file", "file-vs-memory"]),
        (
            &["--b", "load.rate=2k/s"],
            &["do not have the same load", "load.rate is 1k/s and 2k/s", "--allow-different-workload"],
        ),
        (&["--b", "market.event_size=1kB"], &["market.event_size"]),
        (&["--b", "groups.trading-engine.subscribe=[\">\"]"], &["groups.trading-engine.subscribe"]),
        (
            &["--b", "bus.storage=memory"],
            &["not equally durable", "bus.storage is file and memory", "--allow-unequal"],
        ),
        (&["--b", "bus.stroage=memory"], &["side B:", "unknown key `stroage`"]),
        (&["--a", "bus.ack"], &["side A:", "has no `=`"]),
        (
            &["--b", "bus.ack=none", "--decide", "latency.p98"],
            &["no metric `latency.p98`", "did you mean `latency.p99`"],
        ),
        (&["--b", "bus.ack=none", "--pairs", "0"], &["--pairs"]),
        (&["--b", "bus.ack=none", "--min-effect", "many"], &["`many` is not a share"]),
        (&["--b", "profile=no-such"], &["side B:", "no profile `no-such`"]),
        (&["--b", "bus.ack=none", "--b", "broker=carrier-pigeon"], &["carrier-pigeon"]),
    ];
    let place = Place::new();
    for (more, parts) in cases {
        let done = compare(&place, &[more, &["--cool-down", "0s", "--seed", "1"]].concat());
        done.fails(2, parts);
    }
    let wrong = place.write("compare.toml", "profile = \"quick\"\npears = 6\n[a]\n[b]\n");
    place.run(&["compare", &wrong]).fails(2, &["compare", "unknown field `pears`"]);
    place.run(&["compare", "no-such"]).fails(2, &["no-such"]);
}

#[test]
fn a_side_that_cannot_run_is_found_before_the_first_run() {
    let place = Place::new();
    let more = [
        "--a",
        "bus.ack=explicit",
        "--b",
        "broker=nats://127.0.0.1:1",
        "--pairs",
        "6",
        "--allow-unequal",
        "--seed",
        "1",
    ];
    let done = compare(&place, &[&more[..], &SHORT].concat());
    done.fails(4, &["side B:", "127.0.0.1:1"]);
    assert!(done.err.contains("checked A: nats-server"), "{}", done.err);
    assert!(!done.err.contains("pair 1 of 6"), "no run was made: {}", done.err);
    assert!(place.runs().is_empty(), "nothing was measured, and nothing is left");

    let nowhere = Place::new();
    let done = compare(&nowhere, &["--broker", "nats://127.0.0.1:1", "--b", "bus.ack=none", "--pairs", "6"]);
    done.fails(4, &["side A:", "127.0.0.1:1"]);
    assert!(nowhere.runs().is_empty(), "nothing was measured, and nothing is left");
}

#[test]
fn ctrl_c_ends_the_whole_and_keeps_what_there_is() {
    let place = Place::new();
    let mut running = place
        .start(&[&["compare", "./gate.toml", "--b", "bus.ack=none", "--pairs", "50"], &SHORT[..]].concat());
    running.until_it_says("pair 1 of 50, a-01");
    running.until_it_says("pair 1 of 50, b-01");
    running.signal(Signal::INT);
    let done = running.wait();
    done.ends(130);
    let account = account(&place);
    assert_eq!(account.about.interrupted.as_deref(), Some("interrupted"));
    assert!(account.pairs.len() < 5, "{}", account.pairs.len());
    assert!(done.out.contains("verdict: INCONCLUSIVE"), "{}", done.out);
}

#[test]
fn folders_that_hold_no_records_of_ours() {
    let place = Place::new();
    let folder = |name: &str, text: &str| {
        let path = place.path().join(name);
        std::fs::create_dir(&path).unwrap();
        if !text.is_empty() {
            std::fs::write(path.join("record.json"), text).unwrap();
        }
        path.display().to_string()
    };
    let newer = folder("newer", r#"{"schema":"tickgate.record/99"}"#);
    place.run(&["compare", &newer, &newer]).fails(4, &["tickgate.record/99", "update tickgate"]);
    let other = folder("other", r#"{"schema":"tickgate.compare/1"}"#);
    place.run(&["compare", &other, &newer]).fails(4, &["not tickgate.record/N"]);
    let empty = folder("empty", "");
    place.run(&["compare", &empty, &newer]).fails(2, &["contains no run"]);
    place.run(&["compare", "./nowhere", &newer]).fails(2, &["not a folder of runs"]);
    assert!(place.runs().is_empty());
}

#[test]
fn an_account_that_cannot_be_read_says_what_is_wrong_with_which_file() {
    let place = Place::new();
    let folder = place.path().join("made");
    std::fs::create_dir(&folder).unwrap();
    let file = folder.join("compare.json");
    for (text, part) in [
        ("", "it is empty"),
        (r#"{"schema":"tickgate.compare/1","about":{"#, "EOF while parsing"),
        ("no JSON", "expected"),
        (r#"{"schema":"tickgate.record/1"}"#, "its schema is `tickgate.record/1`, not tickgate.compare/N"),
        (r#"{"schema":"tickgate.compare/1"}"#, "missing field"),
    ] {
        std::fs::write(&file, text).unwrap();
        for what in ["made", "made/compare.json"] {
            let done = place.run(&["compare", what]);
            done.fails(
                4,
                &["made/compare.json is not a valid account of a comparison", part, "compare again"],
            );
            assert!(!done.err.contains("record of a run"), "{}", done.err);
        }
    }
    std::fs::write(&file, r#"{"schema":"tickgate.compare/99"}"#).unwrap();
    place
        .run(&["compare", "made"])
        .fails(4, &["made/compare.json", "tickgate.compare/99", "update tickgate"]);
    place.run(&["report", "made"]).fails(4, &["made contains a comparison", "`tickgate compare made`"]);
    std::fs::write(folder.join("record.json"), r#"{"schema":"tickgate.record/1","#).unwrap();
    place.run(&["report", "made"]).fails(
        4,
        &["made/record.json is not a valid record of a run", "EOF while parsing", "report --recover"],
    );
}

#[test]
fn cost_is_computed_from_the_prices_of_the_profile() {
    let place = Place::new();
    let gate = std::fs::read_to_string(place.path().join("gate.toml")).unwrap();
    let priced = "[prices]\ncurrency = \"EUR\"\ncore = 10\ngib_memory = 4\ngb_disk = 0.5\n";
    place.write("priced.toml", format!("{gate}\n{priced}"));
    let done = place.run(&["check", "./priced.toml"]);
    done.ends(0);
    assert!(done.out.contains("[prices]\ncurrency = \"EUR\"\ncore = 10.0\n"), "{}", done.out);

    let sides = ["--a", "bus.window=500", "--b", "bus.window=1000", "--pairs", "1"];
    // A pair in which the machine paused is not a measurement, and has no cost: on one that always does, none is seen.
    let bill = |more: &[&str]| {
        let args = [more, &sides, &SHORT, &["--format", "json"]].concat();
        (0..4).find_map(|_| {
            let account: Comparison = serde_json::from_str(&place.run(&args).out).expect("an account");
            assert!(account.cost.is_some() || account.pairs[0].excluded.is_some(), "{:?}", account.pairs);
            account.cost
        })
    };
    if let Some(cost) = bill(&["compare", "./priced.toml"]) {
        assert_eq!((cost.prices.currency.as_str(), cost.prices.core), ("EUR", 10.0));
        assert!(cost.a.of_cores > 0.0 && (cost.a.of_cores - cost.a.cores * 10.0).abs() < 1e-9, "{cost:?}");
    }
    let differing = [&["compare", "./priced.toml", "--b", "prices.core=30"], &sides[..]].concat();
    place.run(&differing).fails(2, &["different [prices]"]);
    place.run(&["check", "./priced.toml", "--set", "prices.core=-1"]).fails(2, &["a price from 0 on"]);
}

/// Writes a run that took 15 s and began at this second, whose median follows from it.
fn made(place: &Place, folder: &str, median_ns: u64, second: u64, change: impl Fn(&mut Record)) {
    let mut record =
        records::of(&records::Recipe { median_ns: median_ns + second * 10, ..records::Recipe::default() });
    record.run.epoch_unix_ns = second * 1_000_000_000;
    record.run.id = format!("{folder}-{second}");
    change(&mut record);
    // What a test changes is not what rules made.
    record.rules = 0;
    let path = place.path().join(folder).join(format!("run-{second}"));
    std::fs::create_dir_all(&path).expect("a folder");
    std::fs::write(path.join("record.json"), serde_json::to_vec(&record).expect("a record")).expect("a file");
}

/// Runs in this order, the given number of seconds apart.
fn made_in_order(place: &Place, name: &str, order: &str, apart: u64) {
    for (second, side) in (1_u64..).zip(order.chars()) {
        let median = if side == 'a' { 400_000 } else { 800_000 };
        made(place, &format!("{name}-{side}"), median, second * apart, |_| {});
    }
}

#[test]
fn folders_of_runs_are_inferred_from_only_if_they_were_made_in_turns() {
    let place = Place::new();
    made_in_order(&place, "turns", "abbaabbaabba", 60);
    let turns = place.run(&["compare", "turns-a", "turns-b", "--a", "label=before"]);
    turns.ends(1);
    assert!(turns.out.contains("A (before)") && turns.out.contains("verdict: B IS WORSE"), "{}", turns.out);

    made_in_order(&place, "three", "abccbaabccbaabccbaabccba", 60);
    let three = place.run(&["compare", "three-a", "three-b", "three-c"]);
    three.ends(1);
    assert!(three.out.contains("verdict: B IS WORSE, C IS WORSE"), "{}", three.out);
    let three = place.run(&["compare", "three-a", "three-b", "three-c", "--reference", "three-b"]);
    assert!(three.out.contains("verdict: A IS BETTER, C EQUIVALENT"), "{}", three.out);

    for (name, order, apart, why) in [
        ("row", "aaaaaabbbbbb", 60, "a run of pair 2 was made before pair 1 was complete"),
        ("once", "ababababababba", 60, "A was first in 6 of 7 pairs"),
        ("overlap", "abbaabbaabba", 10, "11 of 12 runs began before the previous run had ended"),
        ("odd", "abbaabbaabbaa", 60, "A has 7 runs, B 6"),
    ] {
        made_in_order(&place, name, order, apart);
        let done = place.run(&["compare", &format!("{name}-a"), &format!("{name}-b")]);
        done.ends(3);
        let said = done.out.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(said.contains("the runs were not made in turns"), "{name}: {}", done.out);
        assert!(said.contains(why), "{name}: {}", done.out);
    }
}

#[test]
fn a_run_that_broke_off_stands_for_no_facts_of_its_side() {
    let place = Place::new();
    for (n, side) in (1_u64..).zip("abbaabbaabbaab".chars()) {
        let (broke, median) = (n == 1, if side == 'a' { 400_000 } else { 800_000 });
        made(&place, &format!("runs-{side}"), median, n * 60, |record| {
            if broke {
                record.run.end = tickgate::record::End::Interrupted;
                record.broker.durability = String::new();
            }
        });
    }
    let done = place.run(&["compare", "runs-a", "runs-b", "--format", "json"]);
    done.ends(1);
    let account: Comparison = serde_json::from_str(&done.out).expect("an account");
    assert_eq!(account.sides.a.durability, "page cache");
    assert_eq!(account.pairs[0].excluded.as_deref(), Some("A failed: it was interrupted"));
}

#[test]
fn the_runs_of_a_side_are_of_one_durability() {
    let place = Place::new();
    made(&place, "one", 400_000, 60, |_| {});
    for (second, durability) in [(120, "page cache"), (180, ""), (240, "memory")] {
        made(&place, "mixed", 400_000, second, |record| record.broker.durability = durability.into());
    }
    let parts = ["run-120", "run-240", "`page cache` in one and `memory` in the other", "--allow-unequal"];
    place.run(&["compare", "one", "mixed"]).fails(2, &parts);
    place.run(&["compare", "mixed", "one"]).fails(2, &parts);
    place.run(&["compare", "one", "mixed", "--allow-unequal"]).ends(3);
}
