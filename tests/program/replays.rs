//! Replays on a real server, from the profile to the report; and what each had to return by a witness that reads the files of the
//! server (`tests/python/replay_witness.py`).

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use serde::Deserialize;
use tickgate::plan::Origin;
use tickgate::record::{Record, Replay, ReplayEnd, Verdict};

use crate::support::program::{Place, balances};
use crate::support::{machine, outside};

const PROFILE: &str = r#"
[load]
rate = "2k/s"
warmup = "1s"
duration = "6s"
drain = "20s"
arrival = "poisson"
[market]
symbols = 20
[topology]
base = "adr-002"
symbol_in_subject = true
[mix]
"market.quote.received" = 8
"trade.order.filled" = 2
[[groups]]
name = "trading-engine"
[[replay]]
name = "all"
[[replay]]
name = "live"
at = "4s"
from = "1s"
[[replay]]
name = "from-5000"
from = "seq 5000"
[[replay]]
name = "live-last"
at = "3s"
from = "last-per-symbol"
[[replay]]
name = "last"
from = "last-per-symbol"
[[replay]]
name = "original"
from = "4500ms"
speed = "original"
[objectives]
"replay.all.equal" = "== 100%"
"replay.all.rate" = ">= 1/s"
"replay.live.equal" = "== 100%"
"replay.from-5000.equal" = "== 100%"
"replay.live-last.equal" = "== 100%"
"replay.last.equal" = "== 100%"
"replay.original.equal" = "== 100%"
"replay.original.drift" = "< 1h"
"delivery.lost" = "== 0"
"#;

/// What a replay had to return, by the files of the server.
#[derive(Debug, Deserialize)]
struct Witnessed {
    name: String,
    fewest: u64,
    most: u64,
    stored_ns: u64,
}

fn of<'a>(record: &'a Record, name: &str) -> &'a Replay {
    record.replays.iter().find(|replay| replay.name == name).unwrap()
}

#[test]
fn what_is_replayed_is_what_was_published_and_what_the_server_has_stored() {
    let _alone = machine::alone();
    let place = Place::new();
    let profile = place.write("replay.toml", PROFILE);
    std::fs::create_dir(place.path().join("stores")).unwrap();
    let done = place.run(&["run", &profile, "--broker", "local", "--keep", "--store", "./stores"]);
    done.ends(0);
    assert!(done.out.contains("replays"), "{}", done.out);
    let record = place.record();
    balances(&record);
    assert_eq!(record.verdict, Verdict::Pass, "{:?}", record.objectives);
    for replay in &record.replays {
        assert_eq!((replay.end, &replay.reason), (ReplayEnd::Complete, &None), "{replay:?}");
        assert_eq!(replay.equal, replay.judged(), "{replay:?}");
        // The last event of a symbol may be one at a boundary, in the place of the one that was to come.
        let more = if replay.from == Origin::LastPerSymbol { 0 } else { replay.either };
        assert_eq!(replay.events, replay.equal + more, "{replay:?}");
    }
    assert_eq!((of(&record, "all").expected, of(&record, "all").either), (record.load.acked, 0));
    // Only the events in flight at the boundary, a moment's worth at most, may be on either side.
    assert!(of(&record, "live").either < 2000, "{:?}", of(&record, "live"));
    assert!(
        of(&record, "live").live_p99_during_ns.is_some() && of(&record, "all").live_p99_during_ns.is_none()
    );
    let said = outside::python("tests/python/replay_witness.py", &[&place.run_folder().join("record.json")]);
    let witnessed: Vec<Witnessed> = serde_json::from_str(&said).unwrap();
    assert_eq!(witnessed.len(), record.replays.len());
    for seen in &witnessed {
        let replay = of(&record, &seen.name);
        assert!((seen.fewest..=seen.most).contains(&replay.events), "{seen:?} {replay:?}");
    }
    let (slow, seen) =
        (of(&record, "original"), witnessed.iter().find(|seen| seen.name == "original").unwrap());
    assert_eq!(slow.stored_ns, Some(seen.stored_ns));
    let length = slow.stored_ns.unwrap().saturating_add_signed(slow.longer_ns.unwrap());
    // The server keeps pauses above 1 ms, which are 40 % of the time at this rate.
    assert!(length >= seen.stored_ns / 5, "the long pauses were kept: {slow:?}");
    let page = std::fs::read_to_string(place.run_folder().join("report.html")).unwrap();
    let summary = std::fs::read_to_string(place.run_folder().join("summary.md")).unwrap();
    let junit = std::fs::read_to_string(place.run_folder().join("junit.xml")).unwrap();
    assert!(page.contains("<section id=\"replays\">") && summary.contains("### Replays"));
    assert!(junit.contains("replay live (from 1s, at 4s, max speed)"), "{junit}");
}

#[test]
fn a_replay_that_cannot_be_is_refused_before_the_start() {
    let place = Place::new();
    let profile = place.write(
        "wrong.toml",
        "[load]\nrate = \"1k/s\"\nduration = \"5s\"\n[[replay]]\nname = \"r\"\nat = \"6s\"\nfrom = \"never\"\nspeed = \"slow\"\n",
    );
    let done = place.run(&["check", &profile]);
    done.ends(2);
    for part in ["`replay.r.from` is `never`", "`replay.r.speed` is `slow`"] {
        assert!(done.err.contains(part), "{part}: {}", done.err);
    }
    let closed = place.run(&["check", "./gate.toml", "--set", "replay=[{name=\"r\",at=\"2s\"}]"]);
    closed.ends(2);
    assert!(closed.err.contains("the measure phase is over after 2s"), "{}", closed.err);
}
