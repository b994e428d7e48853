//! What trials used and achieved, against the rate.

use super::super::Chart;
use super::super::pen::Ink;
use super::super::plot::Line;
use super::super::scale::Scale;
use super::super::scatter::{Axis, Key, Point, RADIUS, Scatter, Shape};
use super::{BLUE, GREY, ORANGE, Said, axis_of_rates, bands, chart, figured, keys, look, rate};
use crate::capacity::{Capacity, Figures, Trial};
use crate::report::capacity::outcome_word;
use crate::report::show;
use crate::report::table::Table;

fn cores(value: f64) -> String {
    format!("{value:.2}")
}

fn micros(value: f64) -> String {
    format!("{value:.1}µs")
}

/// Who uses the CPU: a name, how it is drawn, and its cores.
type User = (&'static str, Shape, Ink, fn(&Figures) -> Option<f64>);

const USERS: [User; 3] = [
    ("broker", Shape::Dot, BLUE, |figures| figures.broker_cores),
    ("tickgate", Shape::Square, ORANGE, |figures| figures.harness_cores),
    ("machine, all processes", Shape::Ring, GREY, |figures| figures.busy_cores),
];

/// A picture of points at rates, with neither lines nor limits.
fn plain(c: &Capacity, up: Axis<'static>, points: Vec<Point>, keys: Vec<Key>) -> Scatter<'static> {
    Scatter {
        across: Axis {
            scale: axis_of_rates(c, figured(c).map(|(trial, _)| trial)),
            title: "rate offered",
            write: rate,
        },
        up,
        bands: bands(c, false),
        area: None,
        lines: vec![],
        points,
        keys,
        targets: vec![],
        limits: vec![],
        stretches: vec![],
    }
}

fn cell(value: Option<f64>, write: fn(f64) -> String) -> String {
    value.map_or_else(|| "–".to_owned(), write)
}

/// Cores in use against the rate.
pub(super) fn cpu(c: &Capacity) -> Chart {
    let points: Vec<Point> = figured(c)
        .flat_map(|(trial, figures)| {
            USERS.iter().filter_map(move |(_, shape, ink, of)| {
                Some(Point { at: (trial.rate, of(figures)?), shape: *shape, ink: *ink, radius: RADIUS })
            })
        })
        .collect();
    let usable = figured(c).filter_map(|(_, figures)| figures.usable_cores).reduce(f64::max);
    let keys =
        USERS.iter().map(|(name, shape, ink, _)| Key { name: (*name).to_owned(), shape: *shape, ink: *ink });
    let scale = Scale::linear(points.iter().map(|point| point.at.1).chain(usable));
    let up = Axis { scale, title: "cores in use", write: cores };
    let limits = usable.map(|cores| (cores, "usable cores".to_owned()));
    let scatter = Scatter { limits: limits.into_iter().collect(), ..plain(c, up, points, keys.collect()) };
    let mut table =
        Table::new(["trial", "rate", "broker", "tickgate", "machine", "others", "stolen", "usable"]);
    for (trial, figures) in figured(c) {
        let users = USERS.iter().map(|(.., of)| cell(of(figures), cores));
        let rest = [figures.others_cores, figures.stolen_cores, figures.usable_cores];
        let head = [trial.number.to_string(), show::short_rate(trial.rate)];
        table.row(head.into_iter().chain(users).chain(rest.map(|value| cell(value, cores))));
    }
    let most = |of: fn(&Figures) -> Option<f64>| figured(c).filter_map(|(_, f)| of(f)).reduce(f64::max);
    let seen =
        USERS.iter().filter_map(|(name, .., of)| Some(format!("{name}: at most {}", cores(most(*of)?))));
    let seen = seen.collect::<Vec<_>>().join("; ");
    let about = "Cores that each used, mean over the measure phase of each trial.";
    chart(c, ("cpu-by-rate", "CPU against rate", about), &scatter, Said { seen, table })
}

/// The broker's CPU time for each confirmed event, in µs.
fn of_event(figures: &Figures) -> Option<f64> {
    Some(figures.broker_cores? / Some(figures.achieved).filter(|rate| *rate > 0.0)? * 1e6)
}

/// The broker's CPU time for each event against the rate.
pub(super) fn per_event(c: &Capacity) -> Chart {
    let trials = || figured(c).filter_map(|(trial, figures)| Some((trial, of_event(figures)?)));
    let points = trials().map(|(trial, value)| point(trial, value)).collect::<Vec<_>>();
    let mut table = Table::new(["trial", "rate", "outcome", "broker's CPU for each event"]);
    for (trial, value) in trials() {
        table.row([
            trial.number.to_string(),
            show::short_rate(trial.rate),
            outcome_word(trial.outcome).to_owned(),
            micros(value),
        ]);
    }
    let scale = Scale::linear(points.iter().map(|point| point.at.1));
    let up = Axis { scale, title: "broker's CPU time for each confirmed event", write: micros };
    let low = trials().map(|(_, value)| value).reduce(f64::min);
    let high = trials().map(|(_, value)| value).reduce(f64::max);
    let seen = low.zip(high).map_or_else(String::new, |(low, high)| {
        format!("from {} to {} for each event", micros(low), micros(high))
    });
    let scatter = plain(c, up, points, keys(trials().map(|(trial, _)| trial), None));
    let about = "CPU time of the broker divided by the events that it confirmed. It falls while larger batches share the \
                 work, and rises where the broker does more for each event.";
    chart(c, ("cpu-per-event", "Broker's CPU for each event", about), &scatter, Said { seen, table })
}

fn point(trial: &Trial, value: f64) -> Point {
    let (shape, ink) = look(trial.outcome);
    Point { at: (trial.rate, value), shape, ink, radius: RADIUS }
}

/// The rate that the broker confirmed against the one that was offered.
pub(super) fn achieved(c: &Capacity) -> Chart {
    let points: Vec<Point> = figured(c)
        .map(|(trial, figures)| Point { at: (figures.offered, figures.achieved), ..point(trial, 0.0) })
        .collect();
    let scale = Scale::spread(points.iter().flat_map(|point| [point.at.0, point.at.1]));
    let ends = points.iter().flat_map(|point| [point.at.0, point.at.1]).filter(|v| *v > 0.0);
    let (low, high) = ends.fold((f64::INFINITY, 0.0_f64), |(low, high), v| (low.min(v), high.max(v)));
    let diagonal = Line {
        name: "all that was offered".to_owned(),
        ink: Ink::Axis,
        stretches: vec![vec![(low, low), (high, high)]],
    };
    let up = Axis { scale, title: "rate confirmed", write: rate };
    let across = Axis { scale, title: "rate offered", write: rate };
    let keys = keys(figured(c).map(|(trial, _)| trial), None);
    let scatter = Scatter { across, bands: vec![], lines: vec![diagonal], ..plain(c, up, points, keys) };
    let mut table = Table::new(["trial", "outcome", "offered", "confirmed", "share"]);
    for (trial, figures) in figured(c) {
        let share = if figures.offered > 0.0 { figures.achieved / figures.offered } else { 0.0 };
        table.row([
            trial.number.to_string(),
            outcome_word(trial.outcome).to_owned(),
            show::short_rate(figures.offered),
            show::short_rate(figures.achieved),
            format!("{:.1} %", share * 100.0),
        ]);
    }
    let most = figured(c).map(|(_, figures)| figures.achieved).reduce(f64::max);
    let seen = most.map_or_else(String::new, |most| format!("at most {} confirmed", show::short_rate(most)));
    let about = "On the line, the broker confirmed all that was offered; below it, the load fell behind.";
    chart(c, ("achieved", "Achieved rate against offered", about), &scatter, Said { seen, table })
}
