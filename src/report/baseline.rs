//! A baseline in words and tables: what it can see, what a check found, and its history.

mod junit;
mod markdown;
mod page;

pub use markdown::markdown;
pub use page::page;

use std::collections::{BTreeMap, BTreeSet};

use crate::baseline::{
    Answer, Baseline, Checked, Decision, Finding, History, MetricAnswer, MetricFinding, NIGHTS, Session,
    Sitting, Trend, Worth, trends,
};
use crate::compare::LookTaken;
use crate::num;
use crate::report::{chart, show};
use crate::stats;

/// What a baseline is good for, in lines.
#[must_use]
pub fn worth(baseline: &Baseline, worth: &Worth, past: &[Session]) -> Vec<String> {
    let sessions = show::several(num::count(past.len()), "session");
    let mut lines = vec![format!(
        "baseline {}: {}, {sessions}{}",
        baseline.name,
        worth.state.as_str(),
        match worth.state {
            crate::baseline::State::Young =>
                "; it needs 5 for a first look, until then a check makes pairs at once",
            crate::baseline::State::Usable => "; it is good with 10 on 3 days",
            crate::baseline::State::Good => "",
        }
    )];
    for seen in &worth.metrics {
        let Some((noise, visible)) = seen.noise.zip(seen.visible) else { continue };
        lines.push(format!(
            "  {}: runs vary by {}, sessions by {} more; {}",
            seen.metric,
            percent(noise.within),
            percent(noise.between),
            if seen.decides {
                format!("sees +{} and more", percent(visible))
            } else {
                format!("too noisy to judge: +{} at best", percent(visible))
            }
        ));
    }
    lines.extend(expected(baseline, worth));
    lines
}

/// What a check does at this noise.
fn expected(baseline: &Baseline, worth: &Worth) -> Option<String> {
    Some(match worth.forecast.as_ref()? {
        Ok(forecast) => format!(
            "  a check at this noise, replayed: {:.1} false alarms in {NIGHTS:.0} nights; +10 % is found in {} of nights, in {} of cases \
             within 5; {} fresh runs, {:.1} runs a night on average; level {}",
            forecast.false_alarms,
            percent(forecast.seen),
            percent(forecast.within_five),
            forecast.setting.fresh,
            forecast.runs,
            show::percent(forecast.setting.total)
        ),
        Err(too_noisy) => format!(
            "  too noisy for {} false alarms a year: {:.1} is the fewest (the strictest levels are used); save longer runs or a \
             quieter machine's, or let quieter metrics decide",
            baseline.false_alarms, too_noisy.fewest
        ),
    })
}

/// A share in whole percent, or with a digit below ten.
fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent < 9.95 { format!("{percent:.1} %") } else { format!("{percent:.0} %") }
}

/// What a check found, as one line.
#[must_use]
pub fn decision(name: &str, decision: &Decision) -> String {
    let finding = finding(decision.finding);
    let next = decision.next.as_ref().map_or_else(String::new, |next| format!("; next: {next}"));
    show::plain(&format!("baseline {name}: {finding}: {}{next}", decision.why))
}

const fn finding(finding: Finding) -> &'static str {
    match finding {
        Finding::NoSign => "no sign of a change",
        Finding::NotConfirmed => "not confirmed",
        Finding::Worse => "worse",
        Finding::Unknown => "unknown",
    }
}

/// A deciding metric of a check, as one line.
#[must_use]
pub fn metric(metric: &MetricAnswer) -> String {
    let first = metric.first.map(|first| {
        let sessions = show::several(u64::from(first.sessions), "session");
        format!("{:.3} times the baseline's {sessions} (p {:.3})", first.ratio, first.p)
    });
    let looks = metric.looks.iter().map(look);
    let end = match metric.finding {
        MetricFinding::Worse => "worse",
        MetricFinding::NotWorse => "not worse",
        MetricFinding::Open => "open",
    };
    let parts: Vec<String> = first.into_iter().chain(looks).chain([end.to_owned()]).collect();
    format!("{}: {}", metric.metric, parts.join("; "))
}

/// Every metric that the baseline has, of runs of another machine beside its sessions, in lines.
#[must_use]
pub fn beside(baseline: &Baseline, past: &[Session], fresh: &Session) -> Vec<String> {
    let metrics: BTreeSet<&String> =
        past.iter().flat_map(|session| &session.runs).flat_map(BTreeMap::keys).collect();
    let of = |metric: &String| {
        let medians: Vec<f64> = past.iter().filter_map(|session| session.median(metric)).collect();
        let (least, most) = (
            medians.iter().copied().reduce(f64::min)?.exp(),
            medians.iter().copied().reduce(f64::max)?.exp(),
        );
        let (here, middle) = (fresh.median(metric)?, stats::median(&medians)?);
        let write = chart::write_of(metric);
        Some(format!(
            "{metric}: {} here, {} to {} in the baseline: {:.2} times its median",
            write(here.exp()),
            write(least),
            write(most),
            (here - middle).exp()
        ))
    };
    let head = format!(
        "{} of this machine beside {} of baseline {}, without a verdict:",
        show::several(num::count(fresh.runs.len()), "run"),
        show::several(num::count(past.len()), "session"),
        baseline.name
    );
    [head].into_iter().chain(metrics.into_iter().filter_map(of)).map(|line| show::plain(&line)).collect()
}

fn look(look: &LookTaken) -> String {
    format!("{} pairs: {:.3} times (p {:.4}, level {:.4})", look.pairs, look.ratio, look.p, look.level)
}

/// Every file of a check's report except `check.json`; the same answer gives the same bytes.
#[must_use]
pub fn files(answer: &Answer) -> Vec<(String, Vec<u8>)> {
    let of = |name: &str, text: String| (name.to_owned(), text.into_bytes());
    vec![of("check.md", markdown(answer)), of("junit.xml", junit::xml(answer))]
}

/// The history: epochs, sessions, checks, and what the trends show.
#[must_use]
pub fn history(baseline: &Baseline, history: &History) -> Vec<String> {
    let mut lines = vec![format!(
        "baseline {}: profile {}, {}, epoch {}",
        baseline.name,
        baseline.profile,
        baseline.broker,
        history.epoch()
    )];
    for epoch in history.epochs.iter().filter(|epoch| !epoch.reason.is_empty()) {
        lines.push(format!("epoch {} from {}: {}", epoch.number, epoch.at, epoch.reason));
    }
    lines.push(format!("time                  epoch  runs  {}  broker", heads(baseline)));
    lines.extend(history.sittings.iter().map(|sitting| row(baseline, sitting)));
    lines.extend(history.checks.iter().map(checked));
    lines.extend(trends(history).iter().flat_map(|trend| said(history, trend)));
    lines.into_iter().map(|line| show::plain(&line)).collect()
}

fn heads(baseline: &Baseline) -> String {
    baseline.decide.iter().map(|metric| format!("{metric:>14}")).collect::<Vec<_>>().join("  ")
}

fn row(baseline: &Baseline, sitting: &Sitting) -> String {
    let cell = |metric: &String| {
        let median = sitting.session.median(metric).map(f64::exp);
        format!("{:>14}", median.map_or_else(|| "–".to_owned(), chart::write_of(metric)))
    };
    let figures: Vec<String> = baseline.decide.iter().map(cell).collect();
    let unusable =
        if sitting.unusable > 0 { format!(" ({} do not count)", sitting.unusable) } else { String::new() };
    format!(
        "{:<20}  {:>5}  {:>4}  {}  {}{}{unusable}",
        sitting.session.at,
        sitting.epoch,
        sitting.session.runs.len(),
        figures.join("  "),
        sitting.broker,
        if sitting.joined { "" } else { " (not in the baseline)" }
    )
}

/// A check in the cells of a table: time, subject, runs, finding, why.
fn checked_cells(check: &Checked) -> [String; 5] {
    let (found, why) = check.decision.as_ref().map_or_else(
        || ("not decided", "checking again goes on with it".to_owned()),
        |decision| (finding(decision.finding), decision.why.clone()),
    );
    let again = check.begun.again.as_ref().map_or_else(String::new, |reason| format!(" (again: {reason})"));
    let subject = format!("{}{again}", check.begun.subject.broker);
    let runs = show::count(num::count(check.runs.len()));
    [check.at.clone(), subject, runs, found.to_owned(), why].map(|text| show::plain(&text))
}

fn checked(check: &Checked) -> String {
    let [at, subject, runs, found, why] = checked_cells(check);
    format!("check {at} of {subject}, {runs} runs: {found}: {why}")
}

/// Change points and slides of a metric.
fn said(history: &History, trend: &Trend) -> Vec<String> {
    let at = |point: usize| {
        let sitting = trend.points.get(point).and_then(|(at, _)| history.sittings.get(*at));
        sitting.map_or("", |sitting| sitting.session.at.as_str())
    };
    let changes = trend.changes.iter().map(|change| {
        format!(
            "{} changed at {}: {:.2} times what it was (advisory)",
            trend.metric,
            at(change.at),
            (change.after - change.before).exp()
        )
    });
    let slide = trend.slide.map(|slide| {
        format!(
            "{} is {} above the first sessions of its epoch, though no check found it: check with --paired",
            trend.metric,
            percent(slide)
        )
    });
    changes.chain(slide).collect()
}
