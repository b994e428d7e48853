//! The charts of a search for the capacity: latency, outcomes, the search itself, CPU, and achieved rates.

mod outcomes;
mod resources;

use super::Chart;
use super::catalogue::limits;
use super::pen::Ink;
use super::scale::Scale;
use super::scatter::{Axis, Band, Key, Point, RADIUS, Scatter, Shape};
use crate::capacity::{Capacity, Figures, Outcome, Trial, knee};
use crate::num;
use crate::plan::Timing;
use crate::report::capacity::{caveat, outcome_word};
use crate::report::show;
use crate::report::table::Table;
use crate::stats;

/// Colours whose lines have no dashes.
const BLUE: Ink = Ink::Series(0);
const ORANGE: Ink = Ink::Series(8);
const GREEN: Ink = Ink::Series(16);
const PURPLE: Ink = Ink::Series(24);
const GREY: Ink = Ink::Series(20);

/// A rate of the trials further away than this factor is not on their axis.
const NEAR: f64 = 4.0;

/// Builds all charts; a chart without data has the reason.
pub(crate) fn all(c: &Capacity) -> Vec<Chart> {
    vec![
        latency(c),
        outcomes::passing(c),
        outcomes::search(c),
        resources::cpu(c),
        resources::per_event(c),
        resources::achieved(c),
    ]
}

fn rate(value: f64) -> String {
    show::fine_rate(value)
}

fn ns(value: f64) -> String {
    show::time(num::u64_of(value))
}

/// How a trial is drawn.
const fn look(outcome: Outcome) -> (Shape, Ink) {
    match outcome {
        Outcome::Passed => (Shape::Dot, GREEN),
        Outcome::NotPassed => (Shape::Cross, ORANGE),
        Outcome::Saturated => (Shape::Square, ORANGE),
        Outcome::Died => (Shape::Diamond, ORANGE),
        Outcome::Client => (Shape::Triangle, GREY),
        Outcome::Disturbed => (Shape::Plus, GREY),
        Outcome::Unfit => (Shape::Ring, GREY),
        Outcome::Broken | Outcome::Interrupted => (Shape::Dash, GREY),
    }
}

/// The outcomes of these trials, for the legend; in one ink if colours mean something else.
fn keys<'a>(trials: impl Iterator<Item = &'a Trial>, ink: Option<Ink>) -> Vec<Key> {
    let mut keys: Vec<Key> = Vec::new();
    for trial in trials {
        let (shape, own) = look(trial.outcome);
        let name = outcome_word(trial.outcome);
        if !keys.iter().any(|key| key.name == name) {
            keys.push(Key { name: name.to_owned(), shape, ink: ink.unwrap_or(own) });
        }
    }
    keys.sort_by(|a, b| (a.shape, &a.name).cmp(&(b.shape, &b.name)));
    keys
}

/// Trials with figures.
fn figured(c: &Capacity) -> impl Iterator<Item = (&Trial, &Figures)> {
    c.trials.iter().filter_map(|trial| Some((trial, trial.figures.as_ref()?)))
}

/// The range from floor to ceiling, and in it the interval; of the horizontal axis, or of the vertical one.
fn bands(c: &Capacity, upright: bool) -> Vec<Band> {
    let answer = &c.answer;
    let band = |name: &str, (from, to), ink| Band { name: name.to_owned(), from, to, ink, upright };
    let between = answer.floor.zip(answer.ceiling).map(|(floor, ceiling)| (floor.rate, ceiling.rate));
    let between = between.map(|range| band("floor to ceiling", range, Ink::Phase));
    let interval = answer.interval().map(|range| band("95 % interval of the capacity", range, Ink::Heat(1)));
    between.into_iter().chain(interval).collect()
}

/// An axis of the rates of these trials and those of the answer.
fn axis_of_rates<'a>(c: &Capacity, trials: impl Iterator<Item = &'a Trial>) -> Scale {
    Scale::spread(trials.map(|trial| trial.rate).chain(of_answer(c)))
}

/// The rates of floor and ceiling.
fn of_answer(c: &Capacity) -> impl Iterator<Item = f64> {
    [c.answer.floor, c.answer.ceiling].into_iter().flatten().map(|bound| bound.rate)
}

/// Targets near these rates, with their names.
fn near(c: &Capacity, rates: &[f64]) -> Vec<(f64, String)> {
    let low = rates.iter().copied().fold(f64::INFINITY, f64::min) / NEAR;
    let high = rates.iter().copied().fold(0.0, f64::max) * NEAR;
    let targets = c.targets.iter().filter(|target| target.rate >= low && target.rate <= high);
    targets
        .map(|target| {
            let name = show::short_rate(target.rate);
            (target.rate, if target.asked { format!("target {name}") } else { name })
        })
        .collect()
}

/// A chart of points, unless there are none.
fn chart(c: &Capacity, (id, title, about): (&str, &str, &str), scatter: &Scatter<'_>, said: Said) -> Chart {
    let picture = if scatter.points.is_empty() {
        Err("No trial has these figures.".to_owned())
    } else {
        Ok(scatter.picture())
    };
    let irregular = caveat(&c.answer).map_or_else(String::new, |why| format!(" {why}"));
    Chart {
        id: id.to_owned(),
        title: title.to_owned(),
        about: format!("{about}{irregular}"),
        seen: said.seen,
        picture,
        table: said.table,
    }
}

/// What a chart says in words and numbers.
struct Said {
    seen: String,
    table: Table,
}

/// A quantile of a trial: its name, its ink and the figure.
type Quantile = (&'static str, Ink, fn(&Figures) -> Option<u64>);

const QUANTILES: [Quantile; 3] = [
    ("p50", GREEN, |figures| figures.p50_ns),
    ("p99", BLUE, |figures| figures.p99_ns),
    ("p99.9", PURPLE, |figures| figures.p99_9_ns),
];

fn latency(c: &Capacity) -> Chart {
    let trials = || figured(c);
    let points: Vec<Point> = trials()
        .flat_map(|(trial, figures)| {
            QUANTILES.iter().filter_map(move |(_, ink, of)| {
                let shape = look(trial.outcome).0;
                let at = (trial.rate, num::f64_of(of(figures)?.max(1)));
                Some(Point { at, shape, ink: *ink, radius: RADIUS })
            })
        })
        .collect();
    let limits = limits(&c.plan.objectives, Timing::Latency, |_| true);
    let rates: Vec<f64> = trials().map(|(trial, _)| trial.rate).collect();
    let targets = near(c, &rates);
    let on_axis = rates.iter().copied().chain(of_answer(c)).chain(targets.iter().map(|(target, _)| *target));
    let colours =
        QUANTILES.iter().map(|(name, ink, _)| Key { name: (*name).to_owned(), shape: Shape::Dot, ink: *ink });
    let values = points.iter().map(|point| point.at.1).chain(limits.iter().map(|(value, _)| *value));
    let scatter = Scatter {
        across: Axis { scale: Scale::spread(on_axis), title: "rate offered", write: rate },
        up: Axis {
            scale: Scale::log(values),
            title: "end-to-end latency of the slowest group (log)",
            write: ns,
        },
        bands: bands(c, false),
        area: None,
        lines: vec![],
        keys: colours.chain(keys(trials().map(|(trial, _)| trial), Some(GREY))).collect(),
        targets,
        limits,
        stretches: vec![],
        points,
    };
    let mut table = Table::new(["trial", "rate", "outcome", "p50", "p99", "p99.9"]);
    for (trial, figures) in trials() {
        let cells = QUANTILES.iter().map(|(.., of)| of(figures).map_or_else(|| "–".to_owned(), show::time));
        let head =
            [trial.number.to_string(), show::short_rate(trial.rate), outcome_word(trial.outcome).to_owned()];
        table.row(head.into_iter().chain(cells));
    }
    let about = "Each trial is a point for each percentile, at its rate; colour: the percentile, shape: the outcome. A \
                 percentile is missing where more events never came.";
    let knee = knee(&c.trials).map_or_else(String::new, |rate| {
        let at = show::short_rate(rate);
        format!(
            " Description, no answer: the knee of p99 (Kneedle, of the rates that were carried) is at {at}."
        )
    });
    let about = format!("{about}{knee}");
    let said = Said { seen: seen_of_latency(c), table };
    chart(c, ("latency-by-rate", "Latency against rate", &about), &scatter, said)
}

/// The p99 at the lowest and the highest rate, and at floor and ceiling.
fn seen_of_latency(c: &Capacity) -> String {
    let mut rates: Vec<f64> = figured(c).map(|(trial, _)| trial.rate).collect();
    rates.sort_by(f64::total_cmp);
    let bounds = [c.answer.floor, c.answer.ceiling].into_iter().flatten().map(|bound| bound.rate);
    let mut shown: Vec<f64> = rates.first().into_iter().chain(rates.last()).copied().chain(bounds).collect();
    shown.sort_by(f64::total_cmp);
    shown.dedup();
    let at = |wanted: f64| {
        let same = figured(c).filter(|(trial, _)| (trial.rate / wanted - 1.0).abs() < 1e-6);
        let values: Vec<f64> = same.filter_map(|(_, figures)| Some(num::f64_of(figures.p99_ns?))).collect();
        Some(format!("p99 {} at {}", ns(stats::median(&values)?), show::short_rate(wanted)))
    };
    shown.into_iter().filter_map(at).collect::<Vec<_>>().join("; ")
}
