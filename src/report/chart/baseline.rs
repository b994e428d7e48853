//! The charts of a baseline: the course of each metric over all sessions.

use super::Chart;
use super::pen::Ink;
use super::plot::{Line, Write};
use super::scale::Scale;
use super::scatter::{Axis, Key, Point, RADIUS, Scatter, Shape};
use crate::baseline::{History, Trend, trends};
use crate::compare::{self, Unit};
use crate::num;
use crate::report::show;
use crate::report::table::Table;

const BLUE: Ink = Ink::Series(0);
const GREY: Ink = Ink::Series(20);
/// Fewest slots on the axis of sessions, so that its ticks are whole numbers.
const FEWEST: u32 = 9;

/// One chart for each metric that some session has.
pub(crate) fn all(history: &History) -> Vec<Chart> {
    trends(history).iter().map(|trend| chart(history, trend)).collect()
}

/// How a metric's figures are written.
pub(crate) fn write(metric: &str) -> Write {
    match compare::named(metric).map(|metric| metric.unit) {
        Some(Unit::Time) => |value| show::time(num::u64_of(value)),
        Some(Unit::Bytes) => |value| show::size(num::u64_of(value)),
        Some(Unit::Cores) => |value| format!("{value:.3} cores"),
        Some(Unit::Events) | None => |value| show::count(num::u64_of(value)),
    }
}

fn whole(value: f64) -> String {
    show::count(num::u64_of(value))
}

/// The number of a session, from 1.
fn number(at: usize) -> f64 {
    f64::from(num::count32(at)) + 1.0
}

fn chart(history: &History, trend: &Trend) -> Chart {
    let write = write(&trend.metric);
    let title = compare::named(&trend.metric).map_or(trend.metric.as_str(), |metric| metric.title);
    let is_joined = |at: usize| history.sittings.get(at).is_some_and(|sitting| sitting.joined);
    let points: Vec<Point> = trend
        .points
        .iter()
        .map(|(at, [_, middle, _])| {
            let (shape, ink) = if is_joined(*at) { (Shape::Dot, BLUE) } else { (Shape::Ring, GREY) };
            Point { at: (number(*at), middle.exp()), shape, ink, radius: RADIUS }
        })
        .collect();
    let range =
        |(at, [low, _, high]): &(usize, [f64; 3])| vec![(number(*at), low.exp()), (number(*at), high.exp())];
    let ranges = Line { name: String::new(), ink: BLUE, stretches: trend.points.iter().map(range).collect() };
    let values = trend.points.iter().flat_map(|(_, all)| all.map(f64::exp));
    let last = num::count32(history.sittings.len()).max(FEWEST);
    let scatter = Scatter {
        across: Axis {
            scale: Scale::Between { from: 0.5, to: f64::from(last) + 0.5 },
            title: "session",
            write: whole,
        },
        up: Axis { scale: Scale::spread(values), title, write },
        bands: vec![],
        area: None,
        lines: vec![ranges],
        keys: vec![
            Key { name: "session of the baseline".into(), shape: Shape::Dot, ink: BLUE },
            Key { name: "session of a check".into(), shape: Shape::Ring, ink: GREY },
        ],
        targets: changes(trend),
        limits: vec![],
        stretches: epochs(history, last),
        points,
    };
    let slide = trend.slide.map_or_else(String::new, |slide| {
        format!(" The newest session is {} above the first ones of its epoch.", show::percent(slide))
    });
    Chart {
        id: trend.metric.replace('.', "-"),
        title: title.to_owned(),
        about: format!(
            "The median of each session, and the range of its runs; lines are change points, which are advice.{slide}"
        ),
        seen: format!("{} sessions, {} change points", trend.points.len(), trend.changes.len()),
        picture: Ok(scatter.picture()),
        table: table(history, trend, write),
    }
}

/// Change points, between the sessions.
fn changes(trend: &Trend) -> Vec<(f64, String)> {
    let of = |change: &crate::stats::Change| {
        let (at, _) = trend.points.get(change.at)?;
        Some((number(*at) - 0.5, format!("× {:.2}", (change.after - change.before).exp())))
    };
    trend.changes.iter().filter_map(of).collect()
}

/// Each epoch from its first session to the next one's.
fn epochs(history: &History, last: u32) -> Vec<(String, f64, f64)> {
    let starts: Vec<(u32, f64)> = history
        .epochs
        .iter()
        .filter_map(|epoch| {
            let first = history.sittings.iter().position(|sitting| sitting.epoch == epoch.number)?;
            Some((epoch.number, number(first) - 0.5))
        })
        .collect();
    let end = |at: usize| starts.get(at + 1).map_or(f64::from(last) + 0.5, |(_, start)| *start);
    starts.iter().enumerate().map(|(at, (epoch, from))| (format!("epoch {epoch}"), *from, end(at))).collect()
}

fn table(history: &History, trend: &Trend, write: Write) -> Table {
    let mut table = Table::new(["session", "time", "lowest run", "median", "highest run"]);
    for (at, [low, middle, high]) in &trend.points {
        let time =
            history.sittings.get(*at).map_or_else(String::new, |sitting| show::plain(&sitting.session.at));
        let [low, middle, high] = [low, middle, high].map(|value| write(value.exp()));
        table.row([whole(number(*at)), time, low, middle, high]);
    }
    table
}
