//! A matrix as text for a terminal, in 80 columns, and a line for each run while it goes on.

use super::sections;
use crate::matrix::{Matrix, Outcome, Trial};
use crate::report::show;
use crate::report::terminal::Style;

const WIDTH: usize = 80;

/// Renders the matrix: each configuration with its cells, the result in sentences, and the verdict at the end.
#[must_use]
pub fn terminal(m: &Matrix, style: Style) -> String {
    let mut lines = vec![wrapped(&format!("{}: {}", m.about.name, sections::under(m))), String::new()];
    for (name, means, cells) in sections::rows(m) {
        lines.push(wrapped(&format!("{name}: an acknowledgement means {means}")));
        for cell in cells {
            let fault = show::plain(&cell.planned.fault);
            lines.push(show::wrap(&format!("{fault}: {}", sections::figures(cell)), WIDTH, "  "));
            lines.push(show::wrap(&sections::judged(cell), WIDTH, "      "));
        }
        lines.push(String::new());
    }
    lines.push(wrapped(sections::LEGEND));
    lines.push(String::new());
    lines.extend(sections::sentences(m).iter().map(|sentence| wrapped(sentence)));
    lines.push(format!("verdict: {}", style.verdict(m.verdict)));
    lines.join("\n") + "\n"
}

fn wrapped(text: &str) -> String {
    show::wrap(text, WIDTH, "")
}

/// A progress line about a run that has ended.
#[must_use]
pub fn progress(trial: &Trial, cells: usize, runs: u32) -> String {
    let of = crate::num::count(cells).saturating_mul(u64::from(runs));
    let what = match trial.outcome {
        Outcome::Tested => {
            let lost = trial
                .lost
                .map_or_else(|| "loss not known".to_owned(), |n| format!("{} lost", show::count(n)));
            let unavailable = trial
                .unavailable_ns
                .map_or_else(String::new, |time| format!(", unavailable {}", show::time(time)));
            let why = trial.reason.as_ref().map_or_else(String::new, |why| format!(": {why}"));
            format!(
                "{} of {} confirmed, {lost}{unavailable}{why}",
                show::count(trial.acked),
                show::count(trial.due)
            )
        }
        Outcome::NotInjected | Outcome::Failed => sections::outcome(trial),
    };
    show::fit(
        &format!("run {} of {of}, {} / {}: {what}", trial.number, trial.configuration, trial.fault),
        300,
    )
}
