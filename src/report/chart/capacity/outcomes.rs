//! Which trials passed, by rate and in their order.

use super::super::Chart;
use super::super::pen::Ink;
use super::super::plot::Line;
use super::super::scale::Scale;
use super::super::scatter::{Axis, Point, RADIUS, Scatter, Shape};
use super::{BLUE, GREY, Said, axis_of_rates, bands, chart, keys, look, near, rate};
use crate::capacity::{Capacity, Count, Stage, Trial, by_rate};
use crate::num;
use crate::report::capacity::{outcome_word, stage_word};
use crate::report::show;
use crate::report::table::Table;

/// Fewest slots on the axis of trials, so that its ticks are whole numbers.
const FEWEST: u32 = 9;

fn share(value: f64) -> String {
    show::percent(value)
}

/// The fit at a rate, between the points of the curve: share, low and high.
fn fit_at(c: &Capacity, rate: f64) -> Option<(f64, f64, f64)> {
    let curve = &c.answer.curve;
    let after = curve.iter().position(|point| point.rate >= rate)?;
    let to = curve.get(after)?;
    let from = curve.get(after.checked_sub(1)?)?;
    let part = (rate / from.rate).ln() / (to.rate / from.rate).ln();
    let between = |a: f64, b: f64| a + (b - a) * part;
    Some((between(from.passing, to.passing), between(from.low, to.low), between(from.high, to.high)))
}

/// The share of trials that pass against the rate.
pub(super) fn passing(c: &Capacity) -> Chart {
    let counts = by_rate(&c.trials);
    let ends = c.answer.curve.first().zip(c.answer.curve.last()).map(|(a, b)| (a.rate, b.rate));
    let is_shown = |at: f64| ends.is_none_or(|(from, to)| at >= from && at <= to);
    let point = |of: &Count| Point {
        at: (of.rate, num::share(u64::from(of.passed), u64::from(of.trials))),
        shape: Shape::Dot,
        ink: GREY,
        radius: 2.5 + 1.5 * f64::from(of.trials).sqrt(),
    };
    let points: Vec<Point> = counts.iter().filter(|of| is_shown(of.rate)).map(point).collect();
    let rates: Vec<f64> = points.iter().map(|point| point.at.0).collect();
    let curve = &c.answer.curve;
    let outline = curve.iter().map(|point| (point.rate, point.high));
    let outline: Vec<(f64, f64)> =
        outline.chain(curve.iter().rev().map(|point| (point.rate, point.low))).collect();
    let fit = Line {
        name: "fit".to_owned(),
        ink: BLUE,
        stretches: vec![curve.iter().map(|point| (point.rate, point.passing)).collect()],
    };
    let level = c.design.level;
    let has_fit = !curve.is_empty();
    let targets: Vec<_> = near(c, &rates).into_iter().filter(|(target, _)| is_shown(*target)).collect();
    let in_axis = ends.into_iter().flat_map(|(from, to)| [from, to]).chain(rates.iter().copied());
    let in_axis = in_axis.chain(targets.iter().map(|(target, _)| *target));
    let scatter = Scatter {
        across: Axis { scale: Scale::spread(in_axis), title: "rate offered", write: rate },
        up: Axis {
            scale: Scale::Between { from: -0.06, to: 1.06 },
            title: "share of trials that passed",
            write: share,
        },
        bands: bands(c, false).into_iter().filter(|band| band.ink == Ink::Phase).collect(),
        area: has_fit.then(|| ("its 95 % band".to_owned(), outline)),
        lines: if has_fit { vec![fit] } else { vec![] },
        keys: vec![],
        targets,
        limits: if has_fit {
            vec![
                (level, format!("floor: at least {}", show::percent(level))),
                (1.0 - level, format!("ceiling: at most {}", show::percent(1.0 - level))),
            ]
        } else {
            vec![]
        },
        stretches: vec![],
        points,
    };
    let about = format!(
        "Each dot is a rate: the larger, the more trials. Trials that are no evidence (disturbed, unfit, limited by tickgate) \
         are left out.{}",
        ends.map_or_else(String::new, |ends| outside(c, ends))
    );
    chart(c, ("passing", "Share of trials that passed", &about), &scatter, said_of_passing(c))
}

/// The trials beyond the ends of the fitted curve, in words.
fn outside(c: &Capacity, (from, to): (f64, f64)) -> String {
    let counts = by_rate(&c.trials);
    let of = |which: &dyn Fn(f64) -> bool, place: &str| {
        let those = counts.iter().filter(|of| which(of.rate));
        let (passed, trials) =
            those.fold((0, 0), |(passed, trials), of| (passed + of.passed, trials + of.trials));
        if trials == 0 { String::new() } else { format!(" {place} the axis: {passed} of {trials} passed.") }
    };
    of(&|at| at < from, "Below") + &of(&|at| at > to, "Above")
}

fn said_of_passing(c: &Capacity) -> Said {
    let counts = by_rate(&c.trials);
    let mut table = Table::new(["rate", "passed", "trials", "by the fit", "its 95 % band"]);
    for of in &counts {
        let fit = fit_at(c, of.rate);
        let percent = |value: f64| format!("{:.0} %", value * 100.0);
        table.row([
            show::short_rate(of.rate),
            of.passed.to_string(),
            of.trials.to_string(),
            fit.map_or_else(|| "–".to_owned(), |(share, ..)| percent(share)),
            fit.map_or_else(
                || "–".to_owned(),
                |(_, low, high)| format!("{}–{}", percent(low), percent(high)),
            ),
        ]);
    }
    let passed = counts.iter().rfind(|of| of.passed == of.trials).map(|of| of.rate);
    let missed = counts.iter().find(|of| of.passed == 0).map(|of| of.rate);
    let said = [
        passed.map(|rate| format!("highest rate at which all trials passed: {}", show::short_rate(rate))),
        missed.map(|rate| format!("lowest rate at which none did: {}", show::short_rate(rate))),
    ];
    Said { seen: said.into_iter().flatten().collect::<Vec<_>>().join("; "), table }
}

/// The rate against the number of the trial.
pub(super) fn search(c: &Capacity) -> Chart {
    let number = |trial: &Trial| f64::from(trial.number);
    let points: Vec<Point> = c
        .trials
        .iter()
        .map(|trial| {
            let (shape, ink) = look(trial.outcome);
            Point { at: (number(trial), trial.rate), shape, ink, radius: RADIUS }
        })
        .collect();
    let path = Line {
        name: String::new(),
        ink: Ink::Axis,
        stretches: vec![points.iter().map(|point| point.at).collect()],
    };
    let last = c.trials.iter().map(|trial| trial.number).max().unwrap_or(0).max(FEWEST);
    let scatter = Scatter {
        across: Axis {
            scale: Scale::Between { from: 0.4, to: f64::from(last) + 0.6 },
            title: "trial",
            write: |value| show::count(num::u64_of(value)),
        },
        up: Axis { scale: axis_of_rates(c, c.trials.iter()), title: "rate offered", write: rate },
        bands: bands(c, true),
        area: None,
        lines: vec![path],
        keys: keys(c.trials.iter(), None),
        targets: vec![],
        limits: vec![],
        stretches: stages(c),
        points,
    };
    let mut table = Table::new(["trial", "stage", "rate", "outcome"]);
    for trial in &c.trials {
        table.row([
            trial.number.to_string(),
            stage_word(trial.stage).to_owned(),
            show::short_rate(trial.rate),
            outcome_word(trial.outcome).to_owned(),
        ]);
    }
    let about = "Each trial in its order: probe, climb by doubling or halving, narrow around the estimate, then confirm floor \
                 and ceiling in turns.";
    let ends = c.trials.first().zip(c.trials.last());
    let seen = ends.map_or_else(String::new, |(first, last)| {
        format!(
            "from {} in trial 1 to {} in trial {}",
            show::short_rate(first.rate),
            show::short_rate(last.rate),
            last.number
        )
    });
    chart(c, ("search", "The search, trial by trial", about), &scatter, Said { seen, table })
}

/// The stretches of the search: floor and ceiling alternate, so they are one.
fn stages(c: &Capacity) -> Vec<(String, f64, f64)> {
    let word = |stage: Stage| match stage {
        Stage::Floor | Stage::Ceiling => "confirm",
        other => stage_word(other),
    };
    let mut stretches: Vec<(String, f64, f64)> = Vec::new();
    for trial in &c.trials {
        let (name, at) = (word(trial.stage), f64::from(trial.number));
        match stretches.last_mut() {
            Some((last, _, to)) if last == name => *to = at + 0.5,
            _ => stretches.push((name.to_owned(), at - 0.5, at + 0.5)),
        }
    }
    stretches
}
