//! Lanes over time: the state of each node, and the leaders of the stream, the meta group and the consumers.

use super::Chart;
use super::bands;
use super::frame::{Frame, NARROW, ROW, WIDE, legend};
use super::over_time::Time;
use super::pen::{Ink, Pen, Side, draw, fit, width};
use super::plot::{Backdrop, Picture};
use super::scale::{Scale, clock, clock_ticks};
use crate::num;
use crate::plan::Ns;
use crate::record::{Led, NodeState, Record, StartedNode};
use crate::report::show;
use crate::report::table::Table;

/// Maximum number of nodes, and of leaders, that have a lane.
const LANES: usize = 12;
/// Maximum number of rows of the table.
const ROWS: usize = 200;
/// Height of a lane: a line of text and a bar.
const LANE: f64 = ROW + 10.0;

/// A lane with its stretches.
struct Lane {
    name: String,
    stretches: Vec<Stretch>,
}

/// A stretch of a lane in seconds.
struct Stretch {
    from: f64,
    to: f64,
    ink: Ink,
    /// Its text; empty where the ink says enough.
    text: String,
}

/// The chart; `None` of a run without faults or without anything to show.
pub(super) fn chart(record: &Record, time: &Time<'_>) -> Option<Chart> {
    let faults = &record.faults;
    if faults.injected.is_empty() || (faults.nodes.is_empty() && faults.leaders.is_empty()) {
        return None;
    }
    let mut led: Vec<&str> = Vec::new();
    for leader in &faults.leaders {
        if !led.contains(&leader.what.as_str()) {
            led.push(&leader.what);
        }
    }
    let nodes = faults.nodes.iter().take(LANES).map(|node| of_node(node, time));
    let leaders = led.iter().take(LANES).map(|what| of_leader(what, &faults.leaders, time));
    let lanes: Vec<Lane> = nodes.chain(leaders).collect();
    let left_out = faults.nodes.len().saturating_sub(LANES) + led.len().saturating_sub(LANES);
    let more = match left_out {
        0 => String::new(),
        more => format!(" {} are in record.json only.", show::several(num::count(more), "more lane")),
    };
    let changes: Vec<String> = lanes.iter().map(in_words).collect();
    let picture = if time.rows.is_empty() {
        Err(super::catalogue::NO_LOAD.to_owned())
    } else {
        let draw = |width, names, ticks| drawn(&lanes, time, width, names, ticks);
        Ok(Picture { wide: draw(WIDE.0, 200.0, 9), narrow: draw(NARROW.0, 100.0, 4) })
    };
    Some(Chart {
        id: "nodes".to_owned(),
        title: "Nodes and leaders".to_owned(),
        about: format!(
            "The state of each node that tickgate started, and who led the run's stream, the meta group and each consumer.{more}"
        ),
        seen: changes.join("; "),
        picture,
        table: table(record, time),
    })
}

const fn state(state: NodeState) -> (&'static str, Ink) {
    match state {
        NodeState::Up => ("up", Ink::Series(2)),
        NodeState::Down => ("down", Ink::Series(1)),
        NodeState::Stopped => ("stopped", Ink::Series(4)),
        NodeState::Cut => ("cut", Ink::Series(3)),
    }
}

/// Stretches from the changes of a lane, which need not be in order.
fn stretches<T>(
    mut changes: Vec<(Ns, T)>,
    time: &Time<'_>,
    of: impl Fn(&T) -> Option<(Ink, String)>,
) -> Vec<Stretch> {
    changes.sort_by_key(|(at, _)| *at);
    let ends: Vec<f64> = changes.iter().skip(1).map(|(at, _)| time.since(*at)).chain([time.to]).collect();
    let all = changes.iter().zip(ends).filter_map(|((at, value), to)| {
        let (ink, text) = of(value)?;
        let (from, to) = (time.since(*at).min(time.to), to.min(time.to));
        (to > from).then_some(Stretch { from, to, ink, text })
    });
    all.collect()
}

fn of_node(node: &StartedNode, time: &Time<'_>) -> Lane {
    let changes = std::iter::once((0, NodeState::Up)).chain(node.states.iter().copied()).collect();
    let stretches = stretches(changes, time, |of| {
        let (word, ink) = state(*of);
        Some((ink, if *of == NodeState::Up { String::new() } else { word.to_owned() }))
    });
    Lane { name: show::plain(&node.name), stretches }
}

fn of_leader(what: &str, leaders: &[Led], time: &Time<'_>) -> Lane {
    let changes = leaders.iter().filter(|led| led.what == what).map(|led| (led.at_ns, led.who.as_str()));
    let stretches = stretches(changes.collect(), time, |who| {
        // A gap: there was no leader.
        (!who.is_empty()).then(|| (Ink::Series(5), show::plain(who)))
    });
    Lane { name: show::plain(&format!("leader: {what}")), stretches }
}

fn in_words(lane: &Lane) -> String {
    let some = lane.stretches.iter().filter(|stretch| !stretch.text.is_empty());
    let all: Vec<String> = some
        .clone()
        .take(6)
        .map(|stretch| format!("{} from {:.1} s to {:.1} s", stretch.text, stretch.from, stretch.to))
        .collect();
    let said = if all.is_empty() { "nothing but up".to_owned() } else { all.join(", ") };
    let more = if some.count() > all.len() { ", and more" } else { "" };
    format!("{}: {said}{more}", lane.name)
}

/// Every change, in the order of time.
fn table(record: &Record, time: &Time<'_>) -> Table {
    let nodes = record.faults.nodes.iter().flat_map(|node| {
        node.states.iter().map(move |(at, of)| (*at, node.name.clone(), state(*of).0.to_owned()))
    });
    let leaders = record.faults.leaders.iter().map(|led| {
        let who = if led.who.is_empty() { "none".into() } else { led.who.clone() };
        (led.at_ns, format!("leader: {}", led.what), who)
    });
    let mut all: Vec<(Ns, String, String)> = nodes.chain(leaders).collect();
    all.sort();
    let mut table = Table::new(["second", "of", "is"]);
    for (at, of, is) in all.into_iter().take(ROWS) {
        table.row([format!("{:.2}", time.since(at)), show::plain(&of), show::plain(&is)]);
    }
    table
}

fn drawn(lanes: &[Lane], time: &Time<'_>, total: f64, names: f64, ticks: u32) -> (u32, u32, String) {
    let Backdrop { bands, .. } = &time.backdrop;
    let states = [NodeState::Up, NodeState::Down, NodeState::Stopped, NodeState::Cut].map(state);
    let keys: Vec<(&str, Ink)> =
        states.into_iter().chain([("leader", Ink::Series(5))]).chain(bands::legend(bands)).collect();
    let words: Vec<&str> = keys.iter().map(|(word, _)| *word).collect();
    let places = legend(&words, total - 8.0);
    let rows = places.last().map_or(0.0, |(row, ..)| f64::from(num::count32(*row)) + 1.0);
    let top = rows * ROW + 8.0;
    let plot = LANE * f64::from(num::count32(lanes.len())) + ROW;
    let mut frame = Frame::new((names, total - 12.0), (top, top + plot));
    let across = Scale::Linear { to: time.to };
    let height = frame.bottom + 46.0;
    let elements = draw((total, height), |pen| {
        for ((row, x, name), (_, ink)) in places.iter().zip(&keys) {
            let y = f64::from(num::count32(*row)) * ROW + ROW / 2.0 + 2.0;
            bands::swatch(pen, (*x, y), *ink);
            pen.text((x + 30.0, y), name, Side::Start, Ink::Text);
        }
        bands::draw(pen, &frame, across, bands);
        for at in clock_ticks(time.to, ticks) {
            frame.tick(pen, across.position(at), &clock(at, time.to));
        }
        frame.edge(pen, "time since the load began");
        bands::label(pen, &mut frame, across, bands);
        for (n, lane) in lanes.iter().enumerate() {
            let y = frame.top + ROW + LANE * f64::from(num::count32(n));
            of_lane(pen, &frame, across, lane, y, names);
        }
    });
    let pixels = |v: f64| num::low32(num::u64_of(v));
    (pixels(total), pixels(height), elements)
}

/// A lane whose top is at `y`: texts above their bars, where there is room.
fn of_lane(pen: &mut Pen<'_>, frame: &Frame, across: Scale, lane: &Lane, y: f64, names: f64) {
    let (text, bar) = (y + ROW / 2.0, y + ROW);
    pen.text((0.0, bar + 3.0), &fit(&lane.name, names - 8.0), Side::Start, Ink::Text);
    let mut free = frame.left;
    for stretch in &lane.stretches {
        let from = frame.x(across.position(stretch.from));
        // A gap of a pixel separates two leaders.
        let to = (frame.x(across.position(stretch.to)) - 1.0).max(from + 1.0);
        pen.rect((from, bar), (to, bar + 7.0), stretch.ink);
        let fits = from + width(&stretch.text) < frame.right;
        if !stretch.text.is_empty() && from >= free && fits && width(&stretch.text) <= (to - from).max(40.0) {
            pen.text((from, text + 1.0), &stretch.text, Side::Start, Ink::Text);
            free = from + width(&stretch.text) + 4.0;
        }
    }
}
