//! The reasons of a result for a terminal, where objectives and ledger are just above: each thing is said once.

use super::sections::{self, Reason};
use super::show;
use crate::record::{ObjectiveResult, Record};

/// Reasons with the same next step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Advice {
    /// What did not pass, and why unless the tables above say it.
    pub(crate) reasons: Vec<String>,
    /// The next step; may be empty.
    pub(crate) next: String,
}

/// The reasons by their next step, in the order of their first mention.
pub(crate) fn advice(record: &Record) -> Vec<Advice> {
    let mut all: Vec<Advice> = Vec::new();
    for reason in sections::reasons(record) {
        let line = line(record, &reason);
        match all.iter_mut().find(|known| !known.next.is_empty() && known.next == reason.next) {
            Some(known) => known.reasons.push(line),
            None => all.push(Advice { reasons: vec![line], next: reason.next }),
        }
    }
    all
}

fn line(record: &Record, reason: &Reason) -> String {
    let objective = record
        .objectives
        .iter()
        .find(|o| o.reason.as_deref().is_some_and(|why| show::plain(why) == reason.why));
    let why = objective.map_or(reason.why.as_str(), |objective| beyond_the_table(objective, &reason.why));
    let why = without_refusals(record, why);
    if why.is_empty() { format!("{}: missed", reason.what) } else { format!("{}: {why}", reason.what) }
}

/// A reason without the observation, the limit and the margin, which are a row of the table of objectives.
fn beyond_the_table<'a>(objective: &ObjectiveResult, why: &'a str) -> &'a str {
    let Some(observed) = &objective.observed else { return why };
    let known = show::plain(&format!("{observed} observed, {} wanted", objective.limit));
    let Some(rest) = why.strip_prefix(&known) else { return why };
    let margin = objective.margin.map(|margin| format!(", {} the limit", show::margin(margin)));
    let rest = margin.and_then(|margin| rest.strip_prefix(&margin)).unwrap_or(rest);
    rest.trim_start_matches([',', ';', ' '])
}

/// A reason without why events were refused, which the ledger says.
fn without_refusals(record: &Record, why: &str) -> String {
    record
        .load
        .why_refused()
        .map_or_else(|| why.to_owned(), |refused| why.replace(&format!(" ({})", show::plain(&refused)), ""))
}

/// What a mark says, unless the reason of the run's end says it too.
pub(crate) fn mark_detail<'a>(record: &Record, detail: &'a str) -> Option<&'a str> {
    let said = record.run.reason.as_ref().is_some_and(|reason| reason.contains(detail));
    (!said && !detail.is_empty()).then_some(detail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Verdict;

    fn result(reason: &str) -> ObjectiveResult {
        ObjectiveResult {
            name: "ack.p99".into(),
            limit: "< 5ms".into(),
            means: None,
            observed: Some("9ms".into()),
            observed_value: Some(9e6),
            limit_value: 5e6,
            samples: 10,
            margin: Some(-0.8),
            verdict: Verdict::Fail,
            reason: Some(reason.into()),
            next: None,
        }
    }

    #[test]
    fn what_the_table_says_is_not_said_again() {
        let of = |why: &'static str| beyond_the_table(&result(why), why);
        assert_eq!(of("9ms observed, < 5ms wanted, 80 % beyond the limit"), "");
        assert_eq!(
            of("9ms observed, < 5ms wanted, 80 % beyond the limit; most in second 7"),
            "most in second 7"
        );
        assert_eq!(
            of("9ms observed, < 5ms wanted; 3 of 9 due events have no time"),
            "3 of 9 due events have no time"
        );
        assert_eq!(of("others used 1.6 of 2 cores"), "others used 1.6 of 2 cores");
    }
}
