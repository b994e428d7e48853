//! A chart of each fault in steps of 100 ms: what was confirmed, refused and delivered, and the slowest acknowledgement.

use std::fmt::Write as _;

use super::Chart;
use super::bands;
use super::pen::Ink;
use super::plot::{Across, Backdrop, Line, Plot};
use super::scale::Scale;
use crate::num;
use crate::plan::Ns;
use crate::record::{Fault, Fine, Record};
use crate::report::table::Table;
use crate::report::{faults, show};

/// Maximum number of faults with a chart of their own.
const CHARTS: usize = 12;
/// Longest name of a fault in the title of its chart, and longest words about it; the table has them whole.
const NAME: usize = 20;
const WORDS: usize = 40;
/// Maximum number of points of a line.
const POINTS: usize = 300;
/// Maximum number of rows of a table.
const ROWS: usize = 60;

/// A point: the middle of its steps in seconds, the mean of each count, and the largest time of an acknowledgement.
struct Point {
    at: f64,
    counts: [f64; 3],
    ack_max: f64,
}

const NAMES: [&str; 3] = ["confirmed", "refused or given up", "delivered to all groups"];

/// The charts, and how many more faults have steps.
pub(super) fn charts(record: &Record) -> Vec<Chart> {
    let injected = record.faults.injected.iter().enumerate().filter(|(_, fault)| fault.happened());
    let all = injected.filter_map(|(at, fault)| {
        let fine = record.faults.fine.iter().find(|fine| fine.fault == fault.name)?;
        (steps(fine) > 0).then_some((at, fault, fine))
    });
    let all: Vec<(usize, &Fault, &Fine)> = all.collect();
    let mut charts: Vec<Chart> =
        all.iter().take(CHARTS).map(|(at, fault, fine)| chart(record, *at, fault, fine)).collect();
    if let (Some(last), more @ 1..) = (charts.last_mut(), all.len().saturating_sub(CHARTS)) {
        let more = show::several(num::count(more), "more fault");
        // Writing to a String cannot fail.
        let _ = write!(last.about, " The steps of {more} are in record.json.");
    }
    charts
}

fn steps(fine: &Fine) -> usize {
    [fine.acked.len(), fine.refused.len(), fine.delivered.len(), fine.ack_max_ns.len()]
        .into_iter()
        .max()
        .unwrap_or(0)
}

/// The steps combined to at most `most` points, in seconds since `zero`.
fn points(fine: &Fine, zero: Ns, most: usize) -> Vec<Point> {
    let steps = steps(fine);
    let size = steps.div_ceil(most.max(1)).max(1);
    let step = num::f64_of(fine.step_ns.max(1)) / 1e9;
    let start = num::f64_of_signed(num::difference(fine.from_ns, zero)) / 1e9;
    let place = |step_number: usize| start + step * num::f64_of(num::count(step_number));
    let combined = (0..steps).step_by(size).map(|from| {
        let to = (from + size).min(steps);
        let mean = |all: &[u32]| {
            let sum = num::sum(all.iter().skip(from).take(size).map(|n| u64::from(*n)));
            num::f64_of(sum) / num::f64_of(num::count(to - from))
        };
        let largest = fine.ack_max_ns.iter().skip(from).take(size).copied().max().unwrap_or(0);
        Point {
            at: f64::midpoint(place(from), place(to)),
            counts: [mean(&fine.acked), mean(&fine.refused), mean(&fine.delivered)],
            ack_max: num::f64_of(largest),
        }
    });
    combined.collect()
}

fn chart(record: &Record, at: usize, fault: &Fault, fine: &Fine) -> Chart {
    let zero = fault.planned_ns;
    let shown = points(fine, zero, POINTS);
    let step = show::time(fine.step_ns);
    let half = num::f64_of(fine.step_ns.max(1)) / 2e9;
    let ends = shown.first().zip(shown.last()).map_or((0.0, 1.0), |(first, last)| (first.at, last.at));
    let (from, to) = (ends.0 - half, (ends.1 + half).max(ends.0 + half));
    let since = |ns: Ns| num::f64_of_signed(num::difference(ns, zero)) / 1e9;
    let bands = bands::of(record, since, (from, to));
    let words = bands::seen(&bands);
    let backdrop = Backdrop { bands, ..Backdrop::default() };
    let across = Across::Around { from, to };
    let counts: Vec<Line> = (0..3_u8).zip(NAMES).map(|(n, name)| line(&shown, n, name)).collect();
    let largest = line_of_acks(&shown);
    let limit = record.faults.availability.within_ns;
    let limits = if limit == 0 {
        Vec::new()
    } else {
        vec![(num::f64_of(limit), format!("available within {}", show::time(limit)))]
    };
    let values = counts.iter().flat_map(|line| line.stretches.iter().flatten().map(|(_, y)| *y));
    let title = format!("events in {step}");
    let upper = Plot {
        across,
        up: Scale::linear(values),
        titles: ("", &title),
        write: |value| show::count(num::u64_of(value)),
        lines: counts,
        cells: vec![],
        limits: vec![],
        backdrop: Some(&backdrop),
    };
    let times = largest.stretches.iter().flatten().map(|(_, y)| *y);
    let lower = Plot {
        across,
        up: Scale::log(times.chain(limits.iter().map(|(value, _)| *value))),
        titles: ("time since the planned start of the fault", "slowest acknowledgement (log)"),
        write: |value| show::time(num::u64_of(value)),
        lines: vec![largest],
        cells: vec![],
        limits,
        backdrop: Some(&backdrop),
    };
    let number = faults::number(at);
    let most = |of: fn(&Point) -> f64| num::u64_of(shown.iter().map(of).fold(0.0, f64::max));
    let seen = format!(
        "In {step} at most {} confirmed, {} refused or given up, {} delivered; slowest acknowledgement {}; {words}",
        show::count(most(|p| p.counts[0])),
        show::count(most(|p| p.counts[1])),
        show::count(most(|p| p.counts[2])),
        show::time(most(|p| p.ack_max)),
    );
    let folded = if shown.len() < steps(fine) {
        " A point covers several steps: the mean of counts, the largest time."
    } else {
        ""
    };
    Chart {
        id: format!("fault-{}", at + 1),
        title: headline(&number, fault),
        about: format!(
            "What was confirmed, refused and delivered in each {step} around the fault, and the slowest of the acknowledgements that arrived.{folded}"
        ),
        seen,
        picture: Ok(upper.picture().above(lower.picture())),
        table: table(fine, zero),
    }
}

fn headline(number: &str, fault: &Fault) -> String {
    let (name, words) = (show::fit(&fault.name, NAME), show::fit(&fault.in_words(), WORDS));
    show::plain(&format!("{number} {name}: {words}"))
}

fn line(points: &[Point], n: u8, name: &str) -> Line {
    let all = points.iter().map(|point| (point.at, point.counts.get(usize::from(n)).copied().unwrap_or(0.0)));
    Line { name: name.to_owned(), ink: Ink::Series(n), stretches: vec![all.collect()] }
}

/// A gap where nothing was acknowledged.
fn line_of_acks(points: &[Point]) -> Line {
    let mut stretches = vec![vec![]];
    for point in points {
        match stretches.last_mut() {
            Some(last) if point.ack_max > 0.0 => last.push((point.at, point.ack_max)),
            _ => stretches.push(vec![]),
        }
    }
    stretches.retain(|stretch| !stretch.is_empty());
    Line { name: "slowest acknowledgement".into(), ink: Ink::Series(3), stretches }
}

fn table(fine: &Fine, zero: Ns) -> Table {
    let mut table = Table::new(["second", NAMES[0], NAMES[1], NAMES[2], "slowest acknowledgement"]);
    for point in points(fine, zero, ROWS) {
        let [acked, refused, delivered] = point.counts.map(|n| show::count(num::u64_of(n)));
        let slowest = if point.ack_max > 0.0 { show::time(num::u64_of(point.ack_max)) } else { "–".into() };
        table.row([format!("{:.1}", point.at), acked, refused, delivered, slowest]);
    }
    table
}
