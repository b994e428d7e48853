//! The result of a search as plain text.

use crate::capacity::{Capacity, Search, Trial};
use crate::report::show;

pub(super) fn terminal(capacity: &Capacity) -> String {
    let reasons = capacity.reasons.join("\n");
    format!(
        "{}\nverdict: {}\n{reasons}\n",
        show::wrap(&capacity.sentence, 100, ""),
        capacity.verdict.as_str()
    )
}

pub(super) fn progress(trial: &Trial, _: &Search<'_>) -> String {
    let why = trial.reason.as_ref().map(|why| format!(": {}", show::fit(why, 160))).unwrap_or_default();
    format!("{} {} {} {}{why}", trial.number, trial.stage, show::rate(trial.rate), trial.outcome)
}
