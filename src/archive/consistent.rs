//! Checks that a record is consistent: its verdict follows from its objectives, and these from the
//! observations.
//!
//! A record judged by this version's rules is judged again by them. The rules change between versions, and a
//! record of an earlier version is not wrong for that: it is only checked against judgements on which all
//! versions agree.

use crate::num;
use crate::plan::{Metric, Objective};
use crate::record::{End, ObjectiveResult, Record, Verdict};
use crate::verdict;

/// Tolerance of a histogram's value, as a share of the limit: the verdict rests on an exact count, and the
/// value that is shown may lie on the other side of the limit by less than this.
const TOLERANCE: f64 = 0.01;

/// A contradiction within a record; only a change of the file can have caused one.
#[must_use]
pub fn contradiction(record: &Record) -> Option<String> {
    let (asked, judged) = (&record.plan.objectives, &record.objectives);
    if asked.len() != judged.len() {
        return Some(format!("its plan has {} objectives, but {} are judged", asked.len(), judged.len()));
    }
    let wrong = asked.iter().zip(judged).find_map(|(asked, judged)| unfounded(asked, judged));
    wrong.or_else(|| verdict_of(record)).or_else(|| judged_otherwise(record))
}

/// Judges a record of this version's rules again: the figures must lead to the same verdicts.
fn judged_otherwise(record: &Record) -> Option<String> {
    if record.rules != verdict::RULES {
        return None;
    }
    let again = verdict::assess(record);
    let differs =
        record.objectives.iter().zip(&again.objectives).find(|(is, should)| is.verdict != should.verdict);
    if let Some((is, should)) = differs {
        return Some(format!(
            "its objective `{} {}` is {}, but by its figures it is {}",
            is.name,
            is.limit,
            is.verdict.as_str(),
            should.verdict.as_str()
        ));
    }
    if record.verdict != again.verdict {
        let (is, should) = (record.verdict.as_str(), again.verdict.as_str());
        return Some(format!("its verdict is {is}, but by its figures it is {should}"));
    }
    let differs = record.steps.iter().zip(&again.steps).find(|(is, should)| is.verdict != should.verdict);
    if let Some((is, should)) = differs {
        let word = |verdict: Option<Verdict>| verdict.map_or("not judged", Verdict::as_str);
        let (number, is, should) = (is.number, word(is.verdict), word(should.verdict));
        return Some(format!("its step {number} is {is}, but by its figures it is {should}"));
    }
    let fit = |valid: bool| if valid { "fit" } else { "unfit" };
    (record.health.valid != again.health.valid).then(|| {
        let (is, should) = (fit(record.health.valid), fit(again.health.valid));
        format!("it says that the harness was {is} to measure, but by its figures it was {should}")
    })
}

/// Compares the run's verdict with those of its objectives. A run that was cut short may be inconclusive for
/// that alone.
fn verdict_of(record: &Record) -> Option<String> {
    let worst = record.objectives.iter().max_by_key(|objective| objective.verdict);
    let follows = worst.map_or(Verdict::Inconclusive, |worst| worst.verdict);
    if record.run.end != End::Completed && record.verdict == follows.max(Verdict::Inconclusive) {
        return None;
    }
    (record.verdict != follows).then(|| {
        let why = worst.filter(|worst| worst.verdict == follows);
        let why = why.map_or_else(String::new, |worst| format!(": `{} {}`", worst.name, worst.limit));
        format!(
            "its verdict is {}, but {} follows from its objectives{why}",
            record.verdict.as_str(),
            follows.as_str()
        )
    })
}

/// Why an objective that is recorded as a pass is not one.
fn unfounded(asked: &Objective, judged: &ObjectiveResult) -> Option<String> {
    if judged.verdict != Verdict::Pass {
        return None;
    }
    let says =
        |what: &str| Some(format!("its objective `{} {}` is a pass, {what}", judged.name, judged.limit));
    let Some(observed) = judged.observed_value else {
        return if judged.observed.is_none() { says("but nothing was observed") } else { None };
    };
    let exact = match asked.metric {
        Metric::Count(_) => 0.0,
        Metric::Time(..) if !asked.scope.windows => TOLERANCE,
        // Versions differ in how much of a rate they ascribe to chance.
        _ => return None,
    };
    let limit = verdict::number(asked.limit);
    let beyond =
        !verdict::compare(observed, asked.op, limit) && (observed - limit).abs() > exact * limit.abs();
    if beyond && !asked.scope.windows {
        return says(&format!(
            "but {} was observed",
            judged.observed.clone().unwrap_or_else(|| num_text(observed))
        ));
    }
    None
}

fn num_text(value: f64) -> String {
    num::u64_of(value).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Record {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("reports/example/record.json");
        serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
    }

    #[test]
    fn a_record_that_was_changed_after_its_run_is_detected() {
        assert_eq!(contradiction(&example()), None);
        let changed = |change: fn(&mut Record)| {
            let mut record = example();
            change(&mut record);
            contradiction(&record).unwrap()
        };
        let text = changed(|record| record.objectives[1].verdict = Verdict::Fail);
        assert!(text.contains("verdict is pass, but fail follows"), "{text}");
        let text = changed(|record| drop(record.objectives.pop()));
        assert!(text.contains("are judged"), "{text}");
        let text = changed(|record| record.objectives[0].observed_value = Some(1e18));
        assert!(text.contains("is a pass, but"), "{text}");
        let text = changed(|record| {
            record.objectives[0].observed_value = None;
            record.objectives[0].observed = None;
        });
        assert!(text.contains("nothing was observed"), "{text}");
    }
}
