//! What files may say: addresses, images, verdicts.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use tickgate::compare::Finding;
use tickgate::record::{Record, Verdict};

use super::folder_with;
use crate::support::comparisons;
use crate::support::program::Place;

/// A comparison of two sides, of which B says where its bus is.
fn comparison(broker: &str) -> String {
    format!(
        "profile = \"./gate.toml\"\n[set]\n\"load.duration\" = \"1s\"\n\"load.warmup\" = \"0s\"\n[a]\nlabel = \"a\"\n[b]\n\
         \"bus.window\" = 9\nbroker = \"{broker}\"\n"
    )
}

/// A server that notes what every client says of itself, and lets none in.
fn doorkeeper() -> (u16, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, heard) = channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
            let info = "{\"server_id\":\"X\",\"server_name\":\"x\",\"version\":\"2.15.1\",\"proto\":1,\"host\":\"127.0.0.1\",\
                        \"port\":4222,\"headers\":true,\"max_payload\":1048576,\"auth_required\":true,\"go\":\"go1\",\
                        \"jetstream\":true}";
            if stream.write_all(format!("INFO {info}\r\n").as_bytes()).is_err() {
                continue;
            }
            let mut line = String::new();
            let _ = BufReader::new(&stream).read_line(&mut line);
            let _ = stream.write_all(b"-ERR 'Authorization Violation'\r\n");
            if !line.is_empty() && sender.send(line).is_err() {
                return;
            }
        }
    });
    (port, heard)
}

#[test]
fn a_comparison_file_names_no_broker_unless_it_is_allowed_to() {
    let place = Place::new();
    for broker in
        ["nats://127.0.0.1:1", "tls://bus.example:4222", "container:evil/image:1", "kafka://127.0.0.1:1"]
    {
        place.write("foreign.toml", comparison(broker));
        let done = place.run(&["compare", "./foreign.toml", "--pairs", "1"]);
        done.fails(
            2,
            &["./foreign.toml", "names a broker for side b", broker, "--allow-broker", "--b broker=local"],
        );
        // What the command line says of the other side, or of both, allows nothing.
        let more = ["--a", "broker=sim", "--broker", "sim"];
        place
            .run(&[&["compare", "./foreign.toml", "--pairs", "1"], &more[..]].concat())
            .fails(2, &["--allow-broker"]);
        assert!(place.runs().is_empty(), "nothing was begun");
    }
    // A side that the command line gives a broker of its own does not use the file's.
    place.write("foreign.toml", comparison("nats://127.0.0.1:1"));
    let own = [
        "compare",
        "./foreign.toml",
        "--pairs",
        "1",
        "--cool-down",
        "0s",
        "--broker",
        "sim",
        "--b",
        "broker=sim",
    ];
    place.run(&own).ends(3);
    // What tickgate makes itself needs no permission.
    place.write("own.toml", comparison("sim"));
    place.run(&["compare", "./own.toml", "--pairs", "1", "--cool-down", "0s", "--broker", "sim"]).ends(3);
}

#[test]
fn a_broker_that_a_file_names_gets_no_credentials_of_the_environment() {
    let (port, heard) = doorkeeper();
    let mut place = Place::new();
    place.set("NATS_USER", "gate");
    place.set("NATS_PASSWORD", "of-the-environment");
    let at = format!("nats://127.0.0.1:{port}");
    place.write("foreign.toml", comparison(&at));
    let run = ["compare", "./foreign.toml", "--pairs", "1", "--cool-down", "0s", "--a", "broker=sim"];
    place.run(&[&run[..], &["--allow-broker", "--user", "flag"]].concat());
    let said: Vec<String> = heard.try_iter().collect();
    assert!(!said.is_empty(), "it was asked");
    assert!(
        said.iter().all(|line| !line.contains("of-the-environment") && !line.contains("flag")),
        "{said:?}"
    );
    // The same address on the command line gets them.
    place.run(&[&run[..], &["--b", &format!("broker={at}")]].concat());
    let said: Vec<String> = heard.try_iter().collect();
    assert!(said.iter().any(|line| line.contains("of-the-environment")), "{said:?}");
}

#[test]
fn a_record_whose_figures_do_not_make_its_verdict_is_named() {
    let place = Place::new();
    let judged = |change: fn(&mut Record)| {
        folder_with(&place, |record| {
            record.rules = tickgate::verdict::RULES;
            change(record);
        });
        place.run(&["report", "foreign"])
    };
    judged(|_| ()).ends(0);
    // Whoever changes objectives and verdict alike, and the observed value with them, leaves the figures behind.
    let done = judged(|record| record.groups[0].lost = 3);
    done.fails(4, &["foreign contradicts itself", "delivery.lost", "is pass, but by its figures it is fail"]);
    assert_eq!(done.out, "", "nothing is shown as if it were true");
    let done = judged(|record| {
        let latency = &mut record.groups[0].latency;
        for limit in &mut latency.over_limit {
            limit.above = latency.count;
        }
    });
    done.fails(4, &["latency", "is pass, but by its figures it is"]);
    judged(|record| record.audit.as_mut().unwrap().replayed = 7)
        .fails(4, &["replay.complete", "is pass, but by its figures it is fail"]);
    judged(|record| record.health.valid = false).fails(4, &["unfit to measure"]);
    // A record of other rules is held to what every version judges alike, and no more.
    folder_with(&place, |record| {
        record.rules = 0;
        record.audit.as_mut().unwrap().replayed = 7;
    });
    place.run(&["report", "foreign"]).ends(0);
    folder_with(&place, |record| {
        record.rules = 0;
        record.objectives[0].verdict = Verdict::Fail;
    });
    place.run(&["report", "foreign"]).fails(4, &["its verdict is pass, but fail follows"]);
}

#[test]
fn an_account_whose_pairs_do_not_make_its_finding_is_named() {
    let place = Place::new();
    let altered = |change: &dyn Fn(&mut tickgate::compare::Comparison)| {
        let mut account = comparisons::worse();
        change(&mut account);
        let folder = place.path().join("account");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("compare.json"), serde_json::to_string(&account).unwrap()).unwrap();
        place.run(&["compare", "account"])
    };
    altered(&|_| ()).ends(1);
    let done = altered(&|account| account.verdict.finding = Finding::Better);
    done.fails(
        4,
        &["account/compare.json contradicts itself", "its verdict is `better`, but its pairs give `worse`"],
    );
    assert_eq!(done.out, "", "nothing is shown as if it were true");
    altered(&|account| account.metrics[0].finding = Finding::Better)
        .fails(4, &["its metric", "is `better` at"]);
    altered(&|account| account.pairs[0].excluded = Some("it suited a user".into()))
        .fails(4, &["leaves out pair 1"]);
    altered(&|account| account.sides.b.ledger.lost = 9).fails(4, &["the sums of side B"]);
    altered(&|account| account.pairs.truncate(4)).fails(4, &["contradicts itself"]);
    // An account of other rules is shown as it says.
    altered(&|account| {
        account.rules = 0;
        account.verdict.finding = Finding::Better;
    })
    .ends(0);
}
