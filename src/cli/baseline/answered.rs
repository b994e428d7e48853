//! The answer of a check: on the terminal, in its files, and beside a job of CI.

use std::collections::BTreeMap;

use crate::archive::RunFolder;
use crate::baseline::{
    ANSWER_FAMILY, ANSWER_VERSION, Answer, Baseline, Decision, Finding, Judged, Making, MetricAnswer,
};
use crate::cli::args::Format;
use crate::cli::outside::clean;
use crate::cli::{Exit, Failure, github};
use crate::num;
use crate::report;

/// The answer as a file.
const FILE: &str = "check.json";

/// An answer about a baseline with this many sessions.
pub(super) fn answer(
    baseline: &Baseline,
    sessions: usize,
    tags: BTreeMap<String, String>,
    decision: Decision,
) -> Answer {
    Answer {
        schema: format!("{ANSWER_FAMILY}/{ANSWER_VERSION}"),
        baseline: baseline.name.clone(),
        profile: baseline.profile.clone(),
        epoch: baseline.epoch,
        sessions: num::count32(sessions),
        tickgate: crate::host::build::VERSION.into(),
        tags,
        made: None,
        earlier: false,
        decision,
        metrics: vec![],
    }
}

/// With the runs and their verdict.
pub(super) fn with(answer: Answer, made: Making, judged: &[Judged]) -> Answer {
    let finding = answer.decision.finding;
    let metrics = judged.iter().map(|judged| MetricAnswer::of(judged, finding)).collect();
    Answer { made: Some(made), metrics, ..answer }
}

/// Writes `check.json` and the other files, and shows the answer. If it cannot be written, it is printed.
pub(super) fn finish(answer: &Answer, folder: &RunFolder, format: Format) -> Result<Exit, Failure> {
    let answer = &clean(answer)?;
    let json = serde_json::to_string_pretty(answer).map_err(|error| Failure::environment(&error))?;
    match format {
        Format::Json => paint!("{}\n", report::outside::json(&json)),
        Format::Text => println!("{}", report::baseline::decision(&answer.baseline, &answer.decision)),
    }
    folder.write_whole(FILE, json.as_bytes()).map_err(|error| Failure::environment(&error))?;
    for (name, bytes) in report::baseline::files(answer) {
        folder.write_whole(&name, &bytes).map_err(|error| Failure::environment(&error))?;
    }
    if format == Format::Text {
        for line in beside_the_job(answer) {
            paint!("{line}\n");
        }
        println!("report:  {}", folder.file("check.md").display());
    }
    Ok(exit(answer.decision.finding))
}

const fn exit(finding: Finding) -> Exit {
    match finding {
        Finding::NoSign | Finding::NotConfirmed => Exit::Pass,
        Finding::Worse => Exit::Missed,
        Finding::Unknown => Exit::Inconclusive,
    }
}

/// What a CI system shows beside its job.
fn beside_the_job(answer: &Answer) -> Vec<String> {
    let job = github::Job::of_environment();
    let level = match exit(answer.decision.finding) {
        Exit::Missed => Some("error"),
        Exit::Inconclusive => Some("warning"),
        _ => None,
    };
    let title = format!("baseline {}", answer.baseline);
    let annotation = level.and_then(|level| job.annotation(level, &title, &answer.decision.why));
    annotation.into_iter().chain(job.summarise(&report::baseline::markdown(answer))).collect()
}
