//! From the record of a run to a trial: what came of it, by recorded evidence alone.

use super::search::Next;
use super::trial::{Outcome, Trial};
use crate::plan::Span;
use crate::record::{End, Record, Verdict};

impl Trial {
    /// A trial whose load began.
    #[must_use]
    pub fn of(next: &Next, folder: &str, record: &Record, took: Span) -> Self {
        let outcome = match (record.run.end, record.verdict) {
            (End::Interrupted | End::Recovered, _) => Outcome::Interrupted,
            (End::BrokerFailed, _) => Outcome::Died,
            (End::HarnessFailed, _) | (_, Verdict::Inconclusive) => Outcome::Unfit,
            (End::Completed, Verdict::Fail) => Outcome::NotPassed,
            (End::Completed, Verdict::Pass) => Outcome::Passed,
        };
        Self {
            folder: folder.to_owned(),
            run: record.run.id.clone(),
            outcome,
            reason: record.run.reason.clone(),
            ..Self::begun(next, took)
        }
    }

    /// A trial whose load did not begin.
    #[must_use]
    pub fn broken(next: &Next, folder: &str, why: &str, took: Span) -> Self {
        let reason = Some(why.to_owned());
        Self { folder: folder.to_owned(), outcome: Outcome::Broken, reason, ..Self::begun(next, took) }
    }

    /// A trial that the user ended, with or without a record.
    #[must_use]
    pub fn interrupted(next: &Next, took: Span) -> Self {
        let reason = Some("it was interrupted".to_owned());
        Self { outcome: Outcome::Interrupted, reason, ..Self::begun(next, took) }
    }

    fn begun(next: &Next, took: Span) -> Self {
        Self {
            number: next.number,
            stage: next.stage,
            rate: next.rate,
            seed: next.seed,
            took,
            ..Self::default()
        }
    }
}
