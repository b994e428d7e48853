//! `tickgate baseline check --other-machine`: fresh runs beside the sessions of another machine, without a verdict.

use crate::baseline::{Answer, Baseline, Decision, Session};
use crate::cli::Failure;
use crate::num;
use crate::report;

use super::answered;
use super::make::{self, Ground, Maker};
use super::store::Store;

/// Runs that are shown.
const RUNS: u32 = 3;
/// Runs that are made until as many count.
const MOST: u32 = 5;

/// Makes runs and shows their figures beside the baseline's. Nothing goes into the history: figures of one machine say nothing about
/// those of another.
pub(super) fn described(
    store: &Store,
    maker: &mut Maker,
    baseline: &Baseline,
    new: &Ground,
) -> Result<Answer, Failure> {
    let past = store.history()?.past("~");
    let mut fresh = Session::default();
    let mut differs: Vec<String> = vec![];
    for number in 1..=MOST {
        if num::count32(fresh.runs.len()) == RUNS {
            break;
        }
        let made = maker.one(new, &format!("o-{number:02}"), u64::from(number))?;
        let Some(made) = made else { return Err(make::interrupted()) };
        if let Some(record) = &made.record {
            let found = baseline.other_machine(&make::of(record));
            differs =
                found.iter().filter(|one| one.refused).map(crate::baseline::Mismatch::in_words).collect();
        }
        if made.figures.unusable.is_none() {
            fresh.runs.push(made.figures.metrics);
        }
    }
    if fresh.runs.is_empty()
        && let Some(failure) = maker.failure()
    {
        return Err(failure);
    }
    for line in report::baseline::beside(baseline, &past, &fresh) {
        maker.progress.say(&line);
    }
    let why = if differs.is_empty() {
        "its facts are those of the baseline's".to_owned()
    } else {
        differs.join("; ")
    };
    let decision = Decision::refused(format!("described and not judged, with --other-machine: {why}"));
    Ok(answered::answer(baseline, past.len(), maker.tags(), decision))
}
