//! A search as text for a terminal, in 80 columns, and a line for each trial while it goes on.

use super::sections;
use super::words::{caveat, outcome_word, range, stage_word};
use crate::capacity::{Answer, Capacity, Outcome, Trial};
use crate::report::show;
use crate::report::terminal::Style;

const WIDTH: usize = 80;

/// Renders the search: the result in sentences and the verdict, then what each figure means, and the verdict at the end.
#[must_use]
pub fn terminal(capacity: &Capacity, style: Style) -> String {
    let c = capacity;
    let verdict = format!("verdict: {}", style.verdict(c.verdict));
    let mut lines: Vec<String> = sections::banner(c).into_iter().map(wrapped).collect();
    lines.push(wrapped(&sections::title(c)));
    lines.push(wrapped(&sections::under(c)));
    lines.extend(sections::tags(c).map(|tags| wrapped(&tags)));
    lines.push(String::new());
    lines.push(wrapped(&c.sentence));
    lines.push(verdict.clone());
    lines.extend(sections::reasons(c).iter().map(|why| show::wrap(why, WIDTH, "  ")));
    lines.push(String::new());
    lines.extend(bounds(c));
    lines.extend(sections::coverage(c).map(|text| wrapped(&text)));
    lines.push(String::new());
    lines.extend(targets(c));
    lines.extend(caveat(&c.answer).map(|why| wrapped(&why)));
    lines.extend(sections::growth(c).map(|text| wrapped(&text)));
    lines.extend(sections::cost(c).map(|(_, text)| wrapped(&text)));
    lines.extend(sections::machines(c).map(|text| wrapped(&text)));
    lines.push(wrapped(&sections::first(c)));
    lines.push(String::new());
    lines.push(wrapped(&sections::objectives(c)));
    lines.extend(sections::left_out(c).iter().map(|text| wrapped(text)));
    lines.push(wrapped("Every trial, the use of resources by rate and the charts: capacity.html"));
    lines.push(verdict);
    lines.join("\n") + "\n"
}

fn wrapped(text: &str) -> String {
    show::wrap(text, WIDTH, "")
}

/// Floor, capacity and ceiling; below each, what it means.
fn bounds(c: &Capacity) -> Vec<String> {
    let table = sections::bounds(c);
    let mut lines = Vec::new();
    let line = |cells: &[String]| {
        let [name, rate, trials, fit, ..] = cells else { return String::new() };
        format!("{name:<16} {rate:>9}  {trials:>16}  {fit:>16}")
    };
    lines.push(line(&table.head));
    for row in &table.rows {
        lines.push(line(row));
        lines.extend(row.last().map(|meaning| show::wrap(meaning, WIDTH, "    ")));
    }
    lines
}

fn targets(c: &Capacity) -> Vec<String> {
    let table = sections::targets(c);
    let line = |cells: &[String]| {
        let [target, result, floor, capacity] = cells else { return String::new() };
        format!("{target:<26} {result:<9} {floor:>15}  {capacity:>18}")
    };
    std::iter::once(&table.head).chain(&table.rows).map(|row| line(row)).collect()
}

/// A line about a trial that has ended, with the estimate of all trials so far:
/// `12 narrow 38.6k/s passed p99 1.80ms · 37.0–41.2k/s`.
#[must_use]
pub fn progress(trial: &Trial, so_far: &Answer) -> String {
    let stage = stage_word(trial.stage);
    let outcome = outcome_word(trial.outcome);
    let p99 = trial.figures.as_ref().and_then(|figures| figures.p99_ns);
    let p99 = p99.map_or_else(String::new, |p99| format!(" p99 {}", show::time(p99)));
    let reason = match sections::reason(trial) {
        why if why.is_empty() || trial.outcome == Outcome::Passed => String::new(),
        why => format!(": {}", show::fit(&why, 200)),
    };
    let interval = so_far.stated().map(|estimate| range((estimate.low, estimate.high)));
    let interval = interval.map_or_else(String::new, |range| format!(" · {range}"));
    format!("{} {stage} {} {outcome}{p99}{reason}{interval}", trial.number, show::short_rate(trial.rate))
}
