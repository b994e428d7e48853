//! The figures of each replay, once every event has its answer.

use crate::measure::{Cut, Wanted, compare};
use crate::num;
use crate::plan::{Ns, Origin, Replay, Speed};
use crate::record::{self, PhaseName, Record, ReplayEnd, Row};
use crate::run::parts::Parts;

use super::cuts::{Edge, Edged, merged};
use super::{Outcome, Replayed};

/// Fills in the replays of a record whose timeline is complete.
pub(in crate::run) fn fill(record: &mut Record, parts: &Parts<'_>) {
    let edges = merged(parts.ended.generated.iter().map(|own| own.edges.as_slice()));
    for (number, (planned, done)) in parts.plan.replays.iter().zip(&parts.replayed).enumerate() {
        let cut = |edge: Edge| {
            let of = |own: &&Edged| own.replay == number && own.edge == edge;
            edges.iter().find(of).map(|own| &own.cut)
        };
        let mut figures = of(parts, planned, done, cut(Edge::Begin), cut(Edge::End));
        (figures.live_p99_before_ns, figures.live_p99_during_ns) = live(record, planned, &figures, parts);
        record.replays.push(figures);
    }
}

fn of(
    parts: &Parts<'_>,
    planned: &Replay,
    done: &Replayed,
    from: Option<&Cut>,
    until: Option<&Cut>,
) -> record::Replay {
    let (end, reason) = match &done.outcome {
        Outcome::Complete => (ReplayEnd::Complete, None),
        Outcome::Incomplete(why) => (ReplayEnd::Incomplete, Some(why.clone())),
        Outcome::NotBegun(why) => (ReplayEnd::NotBegun, Some(why.clone())),
    };
    let mut figures = record::Replay {
        name: planned.name.clone(),
        at: planned.at,
        from: planned.from,
        speed: planned.speed,
        end,
        reason,
        ..record::Replay::default()
    };
    let Some(account) = &done.account else { return figures };
    let wanted = Wanted { from, until, last: planned.from == Origin::LastPerSymbol };
    let found = compare(&parts.ended.published, &account.ledger, &wanted);
    figures.events = account.events;
    figures.expected = found.expected;
    figures.equal = found.equal;
    figures.missing = found.missing;
    figures.extra = found.extra;
    figures.either = found.either;
    figures.twice = found.twice;
    figures.reordered = found.reordered;
    figures.corrupt = account.corrupt;
    figures.foreign = account.foreign;
    figures.began_ns = account.opened;
    figures.ended_ns = Some(account.last.map_or(done.ended, |(received, _)| received));
    let took = figures.took_ns().filter(|&took| took > 0 && account.events > 0);
    figures.rate = took.map(|took| num::f64_of(account.events) / (num::f64_of(took) / 1e9));
    figures.busy = took.zip(done.cpu_ns).map(|(took, cpu)| num::share(cpu, took).min(1.0));
    if planned.speed == Speed::Original
        && let (Some((first, first_stored)), Some((last, last_stored))) = (account.first, account.last)
        && last_stored > 0
    {
        let stored = last_stored.saturating_sub(first_stored);
        figures.drift_ns = Some(account.drift_ns);
        figures.stored_ns = Some(stored);
        figures.longer_ns = Some(num::difference(last.saturating_sub(first), stored));
    }
    figures
}

/// The latency of the load before and during a replay that lies in it: the median over whole seconds of the largest p99 of a group.
fn live(
    record: &Record,
    planned: &Replay,
    figures: &record::Replay,
    parts: &Parts<'_>,
) -> (Option<u64>, Option<u64>) {
    let (true, Some(began), Some(ended)) = (planned.is_live(), figures.began_ns, figures.ended_ns) else {
        return (None, None);
    };
    let opened = parts.replayed.iter().filter_map(|done| done.account.as_ref()?.opened).min();
    let quiet = opened.map_or(began, |first| first.min(began));
    let touches =
        |row: &Row, from: Ns, until: Ns| row.at_ns < until && from < row.at_ns.saturating_add(SECOND);
    let measured = || record.timeline.iter().filter(|row| row.phase == PhaseName::Measure);
    let before = measured().filter(|row| row.at_ns.saturating_add(SECOND) <= quiet);
    let during = measured().filter(|row| touches(row, began, ended.max(began + 1)));
    (median(before.filter_map(slowest)), median(during.filter_map(slowest)))
}

const SECOND: Ns = 1_000_000_000;

/// The largest p99 of a group in a second.
fn slowest(row: &Row) -> Option<u64> {
    row.groups.iter().filter(|group| group.latency.count > 0).map(|group| group.latency.p99_ns).max()
}

fn median(values: impl Iterator<Item = u64>) -> Option<u64> {
    let mut all: Vec<u64> = values.collect();
    all.sort_unstable();
    all.get(all.len() / 2).copied()
}
