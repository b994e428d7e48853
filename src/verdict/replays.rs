//! Objectives on replays. A replay that was not read to its end has no figure that could be judged: what did not come may have
//! been to come still.

use super::observe::Observed;
use super::validity::{self, Unfit};
use super::{compare, number};
use crate::num::{self, show};
use crate::plan::{Metric, Objective, Op, Origin, Rate, ReplayFigure, Value};
use crate::record::{End, Record, Replay, ReplayEnd};

/// Rule of an objective on a replay that was not read to its end.
pub const REPLAY_INCOMPLETE: &str = "replay-incomplete";
/// A reader that uses so much of a core is as fast as it can be: the rate is its own.
const READER_BUSY: f64 = 0.9;

/// The replay that an objective is about.
fn replay<'a>(record: &'a Record, objective: &Objective) -> Option<&'a Replay> {
    let name = objective.scope.replay.as_ref()?;
    record.replays.iter().find(|replay| replay.name == *name)
}

/// The figure of a replay, or `None` where it has none.
pub(super) fn observe(record: &Record, objective: &Objective, figure: ReplayFigure) -> Option<Observed> {
    let replay = replay(record, objective)?;
    let (value, samples) = match figure {
        ReplayFigure::Equal => (Value::Share(replay.share_equal()?), replay.judged()),
        ReplayFigure::Rate => (Value::Rate(Rate::per_second(replay.rate?)), replay.events),
        ReplayFigure::Drift => (Value::Time(crate::plan::Span { ns: replay.drift_ns? }), replay.events),
    };
    let holds = compare(number(value), objective.op, number(objective.limit));
    Some(Observed { text: super::observe::text(value), value: number(value), samples, holds, counts: None })
}

/// Why an objective on a replay cannot be judged, whatever its figure is.
pub(super) fn unjudged(record: &Record, objective: &Objective) -> Option<Unfit> {
    if !matches!(objective.metric, Metric::Replay(_)) {
        return None;
    }
    if matches!(record.run.end, End::Recovered) {
        return Some(super::cut_short(record));
    }
    let replay = replay(record, objective);
    match replay.map_or(ReplayEnd::NotBegun, |replay| replay.end) {
        ReplayEnd::Complete => validity::dead_workers(record).into_iter().next(),
        _ if record.run.end != End::Completed => Some(super::cut_short(record)),
        end => {
            let why = replay.and_then(|replay| replay.reason.as_deref()).unwrap_or("no reason is known");
            let what = match end {
                ReplayEnd::NotBegun => "was not begun",
                _ => "was not read to its end",
            };
            let name = objective.scope.replay.as_deref().unwrap_or_default();
            Some(Unfit::new(
                REPLAY_INCOMPLETE,
                format!("the replay `{name}` {what}: {why}"),
                "remove what kept it from its end, then run again: what did not come may have been to come still",
            ))
        }
    }
}

/// Why a miss may not be the bus's.
pub(super) fn excuse(record: &Record, objective: &Objective, figure: ReplayFigure) -> Option<Unfit> {
    let replay = replay(record, objective)?;
    match figure {
        // The boundary is the store's clock, which another machine may set otherwise.
        ReplayFigure::Equal if matches!(replay.from, Origin::After(_)) && !record.broker.is_own() => {
            Some(Unfit::new(
                "clock",
                format!(
                    "the replay `{}` begins at a time of the store's clock, which tickgate did not start and whose error is not known: {}",
                    replay.name,
                    in_words(replay)
                ),
                "begin the replay at \"start\" or at a position (`from = \"seq N\"`), or run with --broker local",
            ))
        }
        ReplayFigure::Rate if matches!(objective.op, Op::AtLeast | Op::Above) => {
            let busy = replay.busy.filter(|busy| *busy >= READER_BUSY)?;
            Some(Unfit::new(
                "reader-busy",
                format!(
                    "tickgate's reading thread used {} of a core: the rate is its own, not the bus's",
                    show::percent(busy)
                ),
                "give tickgate a faster core, or ask for less",
            ))
        }
        ReplayFigure::Drift if super::observe::upper(objective.op) => validity::starved(record),
        _ => None,
    }
}

/// What is wrong with a replay, in counts: `3 missing, 1 twice`; nothing where it is equal.
#[must_use]
pub fn in_words(replay: &Replay) -> String {
    let counts = [
        (replay.missing, "missing"),
        (replay.extra, "that were not to come"),
        (replay.twice, "twice"),
        (replay.reordered, "out of order"),
        (replay.corrupt, "corrupt"),
        (replay.foreign, "foreign"),
    ];
    let parts = counts.into_iter().filter(|(count, _)| *count > 0);
    let parts: Vec<String> = parts.map(|(count, what)| format!("{} {what}", show::count(count))).collect();
    if parts.is_empty() { "all equal".to_owned() } else { parts.join(", ") }
}

/// The replays of a record, as a sentence for the claim that events can be replayed; `None` where none was read to its end.
pub(super) fn claim(record: &Record) -> Option<(String, bool)> {
    let done = || record.replays.iter().filter(|replay| replay.share_equal().is_some());
    let wrong = done().filter(|replay| replay.equal != replay.judged());
    let (expected, equal) =
        (num::sum(done().map(|replay| replay.expected)), num::sum(done().map(|replay| replay.equal)));
    let (of, unequal) = (num::count(done().count()), num::count(wrong.clone().count()));
    if of == 0 {
        return None;
    }
    let fastest = done().filter_map(|replay| replay.rate).fold(0.0, f64::max);
    let speed = if fastest > 0.0 { format!(", at up to {}", show::rate(fastest)) } else { String::new() };
    let faults: Vec<String> =
        wrong.map(|replay| format!("; `{}`: {}", replay.name, in_words(replay))).collect();
    let said = format!(
        "{} returned {} of {} events once, in order and intact{speed}{}",
        show::several(of, "replay"),
        show::count(equal),
        show::count(expected),
        faults.concat()
    );
    Some((said, unequal == 0))
}
