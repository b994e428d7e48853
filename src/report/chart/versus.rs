//! The charts of a comparison: ratios with their intervals, percentile curves of both sides, and every pair.

use super::Chart;
use super::pen::{Ink, Pen, Side, draw, fit, width};
use super::plot::{Across, Line, Picture, Plot};
use super::scale::{Scale, percentile, short};
use crate::compare::{Comparison, Family, Finding, MetricResult, Order, Outcome, Pair, Trial};
use crate::num;
use crate::report::compare::{figure, finding_word, interval, ratio, side_name, side_names};
use crate::report::show;
use crate::report::table::Table;
use crate::stats;

/// Width of the two sizes.
const WIDE: f64 = 960.0;
const NARROW: f64 = 350.0;
const ROW: f64 = 20.0;
/// Ratios beyond this factor are drawn at the edge.
const FURTHEST: f64 = 1000.0;
const TICKS: [f64; 21] = [
    0.001, 0.01, 0.02, 0.05, 0.1, 0.2, 0.33, 0.5, 0.8, 0.9, 1.0, 1.1, 1.25, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0,
    100.0, 1000.0,
];

/// The longest name of a side in a legend, in characters.
const LEGEND: usize = 44;

const A: u8 = 0;
const B: u8 = 1;

/// Builds all charts of a contrast; a chart without data has the reason. Those of other contrasts than B against A have the
/// letter of the side in their names.
pub(crate) fn all(c: &Comparison) -> Vec<Chart> {
    let mut charts = of_contrast(c);
    if !c.sides.contrast.is_default() {
        for chart in &mut charts {
            chart.id = format!("{}-{}", chart.id, c.sides.contrast.side.lower());
        }
    }
    charts
}

fn of_contrast(c: &Comparison) -> Vec<Chart> {
    let deciding = c.metrics.iter().find(|m| m.family == Family::Deciding);
    let median = c.metrics.iter().find(|m| m.name == "latency.p50");
    let mut charts = vec![ratios(c), curves(c)];
    charts.extend(deciding.map(|m| paired(c, m, "pairs", "Every pair, by the deciding metric")));
    charts.extend(
        median
            .filter(|m| m.family != Family::Deciding)
            .map(|m| paired(c, m, "pairs-median", "Every pair, by the median")),
    );
    charts
}

// --- Ratios.

/// The axis of ratios, symmetric around 1.
struct Axis {
    reach: f64,
    from: f64,
    to: f64,
}

impl Axis {
    fn x(&self, ratio: f64) -> f64 {
        let share = (ratio.ln() / self.reach).clamp(-1.0, 1.0);
        f64::midpoint(self.from, self.to) + share * (self.to - self.from) / 2.0
    }
}

const fn ink(finding: Finding) -> Ink {
    match finding {
        Finding::Worse => Ink::Series(1),
        Finding::Better => Ink::Series(2),
        Finding::Equivalent => Ink::Series(0),
        Finding::NoDifferenceShown | Finding::Inconclusive => Ink::Muted,
    }
}

fn ratios(c: &Comparison) -> Chart {
    let shown: Vec<&MetricResult> = c.metrics.iter().filter(|m| m.ratio.is_some()).collect();
    let ratio_of = c.sides.contrast.ratio();
    let mut table = Table::new(["metric", &ratio_of, "interval", "p adjusted", "finding"]);
    for m in &shown {
        let p = m.p_adjusted.map_or_else(|| "–".into(), |p| format!("{p:.4}"));
        table.row([
            m.title.clone(),
            m.ratio.map_or_else(String::new, ratio),
            interval(m.interval),
            p,
            m.finding.as_str().into(),
        ]);
    }
    let seen = shown.iter().map(|m| {
        format!("{}: {} times, {}", m.title, m.ratio.map_or_else(String::new, ratio), m.finding.as_str())
    });
    let picture = if shown.is_empty() {
        Err("No pair of runs can be compared.".to_owned())
    } else {
        let size = |total: f64| {
            let (height, elements) = draw_ratios(c, &shown, total);
            (pixels(total), pixels(height), elements)
        };
        Ok(Picture { wide: size(WIDE), narrow: size(NARROW) })
    };
    Chart {
        id: "ratios".to_owned(),
        title: format!("Ratios {ratio_of}"),
        about: format!(
            "The large dot is the median ratio, the bar its {:.0} % interval, each small dot a pair. Left of 1, {} is lower, which is better; the shaded band is the minimum effect. Orange: worse. Green: better. Blue: equivalent. Grey: not shown or inconclusive.",
            (1.0 - c.design.alpha) * 100.0,
            c.sides.contrast.side.as_str()
        ),
        seen: seen.collect::<Vec<_>>().join("; "),
        picture,
        table,
    }
}

fn pixels(v: f64) -> u32 {
    num::low32(num::u64_of(v))
}

fn draw_ratios(c: &Comparison, shown: &[&MetricResult], total: f64) -> (f64, String) {
    let narrow = total < 500.0;
    let (names, words) = if narrow { (0.0, 0.0) } else { (176.0, 258.0) };
    let step = if narrow { 44.0 } else { 30.0 };
    let all = shown.iter().flat_map(|m| {
        let ends = m.interval.map(|i| [i.low, i.high]).into_iter().flatten();
        m.ratios.iter().map(|(_, r)| *r).chain(ends).chain(m.ratio)
    });
    let reach = all.map(|r| r.ln().abs()).filter(|l| l.is_finite()).fold(1.25_f64.ln(), f64::max);
    let axis =
        Axis { reach: (reach * 1.06).min(FURTHEST.ln()), from: names + 14.0, to: total - words - 14.0 };
    let top = ROW + 6.0;
    let bottom = top + step * f64::from(num::count32(shown.len()));
    let height = bottom + 28.0;
    let elements = draw((total, height), |pen| {
        let contrast = c.sides.contrast;
        let side = contrast.side.as_str();
        let title = fit(
            &format!("{} (log): to the left {side} is lower, to the right higher", contrast.ratio()),
            total,
        );
        pen.text((0.0, ROW / 2.0), &title, Side::Start, Ink::Muted);
        let band = 1.0 + c.design.min_effect;
        pen.rect((axis.x(1.0 / band), top), (axis.x(band), bottom), Ink::Phase);
        ticks(pen, &axis, top, bottom);
        for (metric, y) in shown.iter().zip((0_u32..).map(|n| top + step * (f64::from(n) + 0.5))) {
            ratio_row(pen, &axis, metric, y, (narrow, total));
        }
    });
    (height, elements)
}

fn ticks(pen: &mut Pen<'_>, axis: &Axis, top: f64, bottom: f64) {
    let mut free = f64::NEG_INFINITY;
    let inside = TICKS.into_iter().filter(|tick| tick.ln().abs() <= axis.reach);
    // 1 always has a label, so the others keep clear of it.
    let one = axis.x(1.0);
    for tick in inside {
        let (x, text) = (axis.x(tick), format!("{tick}×"));
        let is_one = (tick - 1.0).abs() < 1e-9;
        pen.line(&[(x, top), (x, bottom)], if is_one { Ink::Axis } else { Ink::Grid });
        let half = width(&text) / 2.0 + 3.0;
        let clear = is_one || (x - one).abs() > half + 20.0;
        if clear && x - half >= free {
            pen.text((x, bottom + 14.0), &text, Side::Middle, Ink::Muted);
            free = x + half;
        }
    }
}

fn ratio_row(pen: &mut Pen<'_>, axis: &Axis, metric: &MetricResult, y: f64, (narrow, total): (bool, f64)) {
    let between = metric.interval.map_or_else(String::new, |i| format!(" ({})", interval(Some(i))));
    let said =
        format!("{}{between} {}", metric.ratio.map_or_else(String::new, ratio), finding_word(metric.finding));
    let y = if narrow {
        let said = metric
            .ratio
            .map_or_else(String::new, |r| format!("{} {}", ratio(r), finding_word(metric.finding)));
        pen.text((0.0, y - 12.0), &fit(&metric.title, 160.0), Side::Start, Ink::Text);
        pen.text((total - 2.0, y - 12.0), &fit(&said, 180.0), Side::End, Ink::Muted);
        y + 8.0
    } else {
        pen.text((0.0, y), &fit(&metric.title, 176.0), Side::Start, Ink::Text);
        pen.text((axis.to + 20.0, y), &fit(&said, total - axis.to - 22.0), Side::Start, Ink::Muted);
        y
    };
    for (_, pair) in &metric.ratios {
        pen.dot((axis.x(*pair), y + 8.0), 2, Ink::Muted);
    }
    let ink = ink(metric.finding);
    if let Some(i) = metric.interval {
        let (from, to) = (axis.x(i.low), axis.x(i.high));
        pen.rect((from, y - 2.0), (to.max(from + 1.0), y + 2.0), ink);
    }
    if let Some(r) = metric.ratio {
        pen.dot((axis.x(r), y), 5, ink);
    }
}

// --- Percentile curves.

fn used(c: &Comparison, of: fn(&Pair) -> &Trial) -> Vec<&Trial> {
    c.pairs.iter().filter(|p| p.excluded.is_none()).map(of).filter(|t| t.curve.len() > 1).collect()
}

/// The median curve of several: each point is the median of their points.
fn middle(trials: &[&Trial]) -> Vec<(f64, f64)> {
    let points = trials.iter().map(|t| t.curve.len()).min().unwrap_or(0);
    let at = |n: usize| {
        let (xs, ys): (Vec<f64>, Vec<f64>) =
            trials.iter().map(|t| (t.curve[n].0, num::f64_of(t.curve[n].1))).unzip();
        Some((stats::median(&xs)?, stats::median(&ys)?.max(1.0)))
    };
    (0..points).filter_map(at).collect()
}

fn value_at(curve: &[(f64, f64)], nines: f64) -> Option<f64> {
    let after = curve.iter().position(|(x, _)| *x >= nines - 1e-9)?;
    let Some(before) = after.checked_sub(1) else { return curve.first().map(|(_, y)| *y) };
    let ((x0, y0), (x1, y1)) = (curve[before], curve[after]);
    let share = if x1 > x0 { (nines - x0) / (x1 - x0) } else { 0.0 };
    Some(y0 + (y1 - y0) * share.clamp(0.0, 1.0))
}

fn curves(c: &Comparison) -> Chart {
    let [letter_a, letter_b] = c.sides.contrast.letters();
    let sides = [(A, letter_a, used(c, |p| &p.a)), (B, letter_b, used(c, |p| &p.b))];
    // A name has a row of its own in a narrow chart.
    let names = legend(c, NARROW - 40.0);
    let mut lines: Vec<Line> = Vec::new();
    for (n, _, trials) in &sides {
        for trial in trials {
            let points = trial.curve.iter().map(|(x, y)| (*x, num::f64_of((*y).max(1)))).collect();
            lines.push(Line { name: String::new(), ink: Ink::Thin(*n), stretches: vec![points] });
        }
    }
    let full = c.sides.lettered().map(|(letter, side)| side_name(letter, side));
    let mut table = Table::new(std::iter::once("percentile".to_owned()).chain(full));
    let middles: Vec<Vec<(f64, f64)>> = sides.iter().map(|(_, _, trials)| middle(trials)).collect();
    let nines = middles.iter().filter_map(|m| m.last()).map(|(x, _)| *x).fold(1.0, f64::max);
    for tick in (Scale::Nines { nines }).ticks(9) {
        let cells = middles.iter().map(|m| value_at(m, tick).map_or_else(|| "–".into(), ns));
        table.row(std::iter::once(percentile(tick)).chain(cells));
    }
    for (((n, ..), name), points) in sides.iter().zip(&names).zip(&middles) {
        if !points.is_empty() {
            lines.push(Line { name: name.clone(), ink: Ink::Series(*n), stretches: vec![points.clone()] });
        }
    }
    let seen = sides.iter().zip(&middles).filter_map(|((_, letter, _), m)| {
        Some(format!("{letter}: median {}, 99% within {}", ns(value_at(m, 0.301)?), ns(value_at(m, 2.0)?)))
    });
    let seen = seen.collect::<Vec<_>>().join("; ");
    let values = lines.iter().flat_map(|l| l.stretches.iter().flatten().map(|(_, y)| *y)).collect::<Vec<_>>();
    let plot = Plot {
        across: Across::Nines(nines),
        up: Scale::log(values.iter().copied()),
        titles: ("percentile (each step right is ten times rarer)", "latency of the slowest group (log)"),
        write: ns,
        lines,
        cells: vec![],
        limits: vec![],
        backdrop: None,
    };
    let picture =
        if values.is_empty() { Err("No pair of runs has latencies.".to_owned()) } else { Ok(plot.picture()) };
    Chart {
        id: "curves".to_owned(),
        title: "Latency by percentile, both sides".to_owned(),
        about: "Thick: the median over the runs; thin: each run. Where the thin lines of one side are far apart, runs vary without any change.".into(),
        seen,
        picture,
        table,
    }
}

fn ns(value: f64) -> String {
    show::time(num::u64_of(value))
}

// --- Every pair.

fn paired(c: &Comparison, metric: &MetricResult, id: &str, title: &str) -> Chart {
    let [letter_a, letter_b] = c.sides.contrast.letters();
    let of = |trial: &Trial| trial.figures.get(&metric.name).copied().filter(|v| *v > 0.0);
    let points: Vec<(&Pair, Option<f64>, Option<f64>)> =
        c.pairs.iter().map(|p| (p, of(&p.a), of(&p.b))).collect();
    let mut table = Table::new(["pair", "first", letter_a, letter_b, &c.sides.contrast.ratio(), ""]);
    for (pair, a, b) in &points {
        let cell = |v: &Option<f64>| v.map_or_else(|| "–".to_owned(), |v| figure(metric.unit, v));
        let quotient = a.zip(*b).map_or_else(|| "–".to_owned(), |(a, b)| ratio(b / a));
        let first = match pair.order {
            Order::Ab => format!("{letter_a}{letter_b}"),
            Order::Ba => format!("{letter_b}{letter_a}"),
        };
        let out = pair.excluded.as_ref().map_or("", |_| "left out");
        table.row([pair.number.to_string(), first, cell(a), cell(b), quotient, out.to_owned()]);
    }
    let lower = points
        .iter()
        .filter(|(p, a, b)| p.excluded.is_none() && a.zip(*b).is_some_and(|(a, b)| b < a))
        .count();
    let counted = points.iter().filter(|(p, a, b)| p.excluded.is_none() && a.zip(*b).is_some()).count();
    let values: Vec<f64> = points.iter().flat_map(|(_, a, b)| [*a, *b]).flatten().collect();
    let picture = if values.is_empty() {
        Err("No run has this figure.".to_owned())
    } else {
        let up = Scale::log(values);
        let size = |total: f64, plot: f64| {
            let (height, elements) = draw_pairs(c, metric, &points, up, (total, plot));
            (pixels(total), pixels(height), elements)
        };
        Ok(Picture { wide: size(WIDE, 220.0), narrow: size(NARROW, 190.0) })
    };
    Chart {
        id: id.to_owned(),
        title: title.to_owned(),
        about: format!(
            "{}: each pair as it ran, from left to right; a line joins the two runs. Small and grey: left out.",
            metric.title
        ),
        seen: format!("{letter_b} is lower in {lower} of {counted} pairs"),
        picture,
        table,
    }
}

/// The names of both sides in this many pixels each; what differs is not cut.
fn legend(c: &Comparison, pixels: f64) -> [String; 2] {
    let mut letters = LEGEND;
    loop {
        let names = side_names(&c.sides, letters);
        if letters <= 8 || names.iter().all(|name| width(name) <= pixels) {
            return names;
        }
        letters -= 1;
    }
}

fn draw_pairs(
    c: &Comparison,
    metric: &MetricResult,
    points: &[(&Pair, Option<f64>, Option<f64>)],
    up: Scale,
    (total, plot): (f64, f64),
) -> (f64, String) {
    let marks: Vec<(f64, String)> =
        up.ticks(6).into_iter().map(|v| (v, short(&figure(metric.unit, v)))).collect();
    let left = marks.iter().map(|(_, text)| width(text)).fold(0.0, f64::max) + 12.0;
    let (top, right) = (3.0 * ROW, total - 12.0);
    let bottom = top + plot;
    let y = |v: f64| bottom - up.position(v) * plot;
    let step = (right - left) / f64::from(num::count32(points.len()).max(1));
    let elements = draw((total, bottom + 44.0), |pen| {
        let room = total / 2.0 - 26.0;
        let names = legend(c, room);
        for (n, (ink, name)) in [Ink::Series(A), Ink::Series(B)].into_iter().zip(&names).enumerate() {
            let x = f64::from(num::count32(n)) * total / 2.0;
            pen.dot((x + 8.0, ROW / 2.0), 5, ink);
            pen.text((x + 20.0, ROW / 2.0), &fit(name, room), Side::Start, Ink::Text);
        }
        pen.text((0.0, 1.5 * ROW), &fit(&format!("{} (log)", metric.title), total), Side::Start, Ink::Muted);
        for (value, text) in &marks {
            pen.line(&[(left, y(*value)), (right, y(*value))], Ink::Grid);
            pen.text((left - 6.0, y(*value)), text, Side::End, Ink::Muted);
        }
        pen.line(&[(left, top), (left, bottom), (right, bottom)], Ink::Axis);
        let every = (30.0 / step).ceil().max(1.0);
        for ((pair, a, b), n) in points.iter().zip(0_u32..) {
            let x = left + step * (f64::from(n) + 0.5);
            if (f64::from(n) / every).fract() < 1e-9 {
                pen.text((x, bottom + 14.0), &pair.number.to_string(), Side::Middle, Ink::Muted);
            }
            if let (Some(a), Some(b)) = (a, b) {
                pen.line(&[(x, y(*a)), (x, y(*b))], Ink::Axis);
            }
            for (value, trial, ink) in [(a, &pair.a, Ink::Series(A)), (b, &pair.b, Ink::Series(B))] {
                let counted = pair.excluded.is_none() && trial.outcome == Outcome::Measured;
                if let Some(value) = value {
                    pen.dot(
                        (x, y(*value)),
                        if counted { 5 } else { 3 },
                        if counted { ink } else { Ink::Muted },
                    );
                }
            }
        }
        pen.text((right, bottom + 34.0), "pair", Side::End, Ink::Muted);
    });
    (bottom + 44.0, elements)
}
