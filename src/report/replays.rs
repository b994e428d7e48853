//! The replays of a run as a table and in sentences.

use super::show;
use super::table::Table;
use crate::num;
use crate::record::{Record, Replay, ReplayEnd};
use crate::verdict::replay_in_words;

const DASH: &str = "–";

/// How a replay ended, with the reason.
pub(crate) fn outcome(replay: &Replay) -> String {
    let word = match replay.end {
        ReplayEnd::Complete => "complete",
        ReplayEnd::Incomplete => "not read to its end",
        ReplayEnd::NotBegun => "not begun",
    };
    let reason = replay.reason.as_deref().filter(|reason| !reason.is_empty());
    show::plain(&reason.map_or_else(|| word.to_owned(), |reason| format!("{word}: {reason}")))
}

/// The share of the events that came as they were to come.
pub(crate) fn equal(replay: &Replay) -> String {
    match replay.share_equal() {
        Some(_) => show::part(replay.equal, replay.judged()),
        None => DASH.into(),
    }
}

/// Events per second.
pub(crate) fn rate(replay: &Replay) -> String {
    replay.rate.map_or_else(|| DASH.into(), show::rate)
}

/// How long it took from its begin to its last event.
pub(crate) fn took(replay: &Replay) -> String {
    replay.took_ns().map_or_else(|| DASH.into(), show::time)
}

/// How the time of a replay at the original speed differs from that of the events.
fn paced(replay: &Replay) -> Option<String> {
    let (drift, longer, stored) = (replay.drift_ns?, replay.longer_ns?, replay.stored_ns?);
    let share = num::f64_of(longer.unsigned_abs()) / num::f64_of(stored.max(1));
    let (by, than) = (show::time(longer.unsigned_abs()), if longer < 0 { "shorter" } else { "longer" });
    Some(format!(
        "{by} ({}) {than} than the {} of the events; drift {}",
        show::percent(share),
        show::time(stored),
        show::time(drift)
    ))
}

/// What it did to the load.
fn live(replay: &Replay) -> Option<String> {
    let during = replay.live_p99_during_ns?;
    let before = replay.live_p99_before_ns.map_or_else(|| "not known".into(), show::time);
    Some(format!("{before} → {}", show::time(during)))
}

/// A row for each replay; no rows for a run without.
pub(crate) fn replays(record: &Record) -> Table {
    let mut table = Table::new([
        "replay",
        "from",
        "at",
        "speed",
        "events",
        "expected",
        "equal",
        "not as published",
        "at a boundary or unconfirmed",
        "rate",
        "took",
        "pauses",
        "live p99 before → during",
        "outcome",
    ]);
    for replay in &record.replays {
        let known = replay.began_ns.is_some();
        let count = |n: u64| if known { show::count(n) } else { DASH.into() };
        table.row([
            show::plain(&replay.name),
            replay.from.to_string(),
            replay.at.to_string(),
            replay.speed.to_string(),
            count(replay.events),
            count(replay.expected),
            equal(replay),
            if known { replay_in_words(replay) } else { DASH.into() },
            count(replay.either),
            rate(replay),
            took(replay),
            paced(replay).unwrap_or_else(|| DASH.into()),
            live(replay).unwrap_or_else(|| DASH.into()),
            outcome(replay),
        ]);
    }
    table
}

/// What the table's columns mean.
pub(crate) const NOTE: &str = "Every event that came is compared with what was published, by topic, symbol, sequence and checksum. Expected are the confirmed events within the replay's boundaries; those that were sent before a boundary in time and confirmed no earlier may lie on either side of it, since the store has its own clock, and so may unconfirmed ones. Equal is the share of the expected events, and of those that came without being expected, that came once, in the order of their symbol and intact.";

/// What a replay did besides the columns of a narrow table.
pub(crate) fn details(replay: &Replay) -> String {
    let mut parts =
        vec![format!("from {}, at {}, {} speed", replay.from, replay.at, replay.speed), outcome(replay)];
    if replay.began_ns.is_some() {
        parts.push(replay_in_words(replay));
    }
    if replay.either > 0 {
        parts.push(format!("{} at a boundary or unconfirmed", show::count(replay.either)));
    }
    parts.extend(paced(replay));
    parts.extend(live(replay).map(|live| format!("live p99 {live}")));
    show::plain(&parts.join("; "))
}
