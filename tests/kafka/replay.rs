//! Replays on a real Kafka: from the first offsets, from a time while the load goes on, and from an offset.

use tickgate::record::{ReplayEnd, Verdict};

use crate::support::kafka::{is_there, starts_beside_others};
use crate::support::program::{Place, balances};

const PROFILE: &str = r#"
[load]
rate = "1k/s"
warmup = "1s"
duration = "6s"
drain = "30s"
[market]
symbols = 20
[mix]
"market.quote.received" = 8
"trade.order.filled" = 2
[bus]
kind = "kafka"
partitions = 2
[bus.kafka]
heap = "512MiB"
[[groups]]
name = "trading-engine"
[[replay]]
name = "all"
[[replay]]
name = "live"
at = "4s"
from = "1s"
[[replay]]
name = "late"
from = "3s"
[[replay]]
name = "from-500"
from = "seq 500"
[objectives]
"replay.all.equal" = "== 100%"
"replay.live.equal" = "== 100%"
"replay.late.equal" = "== 100%"
"replay.from-500.equal" = "== 100%"
"delivery.lost" = "== 0"
"#;

#[test]
fn what_is_replayed_is_what_was_published() {
    if !is_there() {
        return;
    }
    let _beside = starts_beside_others();
    let place = Place::new();
    let profile = place.write("replay.toml", PROFILE);
    let done = place.run(&["run", &profile, "--broker", "local"]);
    done.ends(0);
    let record = place.record();
    balances(&record);
    assert_eq!(record.verdict, Verdict::Pass, "{:?}", record.objectives);
    let of = |name: &str| record.replays.iter().find(|replay| replay.name == name).expect("a replay");
    for replay in &record.replays {
        assert_eq!((replay.end, replay.equal), (ReplayEnd::Complete, replay.judged()), "{replay:?}");
        assert_eq!(replay.events, replay.equal + replay.either, "{replay:?}");
    }
    assert_eq!((of("all").expected, of("all").either), (record.load.acked, 0));
    assert!(of("late").expected > 2000 && of("late").expected < 3500, "{:?}", of("late"));
    // Of four partitions, each begins at its offset.
    assert!(
        of("from-500").expected < record.load.acked && of("from-500").either == 0,
        "{:?}",
        of("from-500")
    );
}
