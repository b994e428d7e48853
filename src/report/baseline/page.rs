//! The trends of a baseline as one self-contained HTML page: it makes no requests, and its content security policy forbids them.

use askama::Template;

use super::{checked_cells, finding};
use crate::baseline::{Baseline, Finding, History, Sitting, Worth};
use crate::report::chart::{self, Chart};
use crate::report::html::{SCRIPT, hash};
use crate::report::table::Table;
use crate::report::{show, style};

#[derive(Template)]
#[template(path = "baseline.html")]
struct Page<'a> {
    style: String,
    style_hash: String,
    script: &'static str,
    script_hash: String,
    title: String,
    under: String,
    class: &'static str,
    word: String,
    why: String,
    lines: Vec<String>,
    epochs: Vec<String>,
    charts: &'a [Chart],
    sessions: Table,
    checks: Table,
    version: String,
}

/// Renders the page. Only a mistake in the template can cause an error, which is then shown as the page.
#[must_use]
pub fn page(baseline: &Baseline, history: &History, worth: &Worth) -> String {
    let style = style::of_page(false);
    let charts = chart::of_baseline(history);
    let last = history.checks.iter().rev().find_map(|check| check.decision.as_ref());
    let class = match last.map(|decision| decision.finding) {
        Some(Finding::Worse) => "fail",
        Some(Finding::NoSign | Finding::NotConfirmed) => "pass",
        Some(Finding::Unknown) | None => "inconclusive",
    };
    let past = history.past("~");
    let epochs = history.epochs.iter().filter(|epoch| !epoch.reason.is_empty());
    let page = Page {
        style_hash: hash(&style),
        style,
        script: SCRIPT,
        script_hash: hash(SCRIPT),
        title: format!("Baseline {}", show::plain(&baseline.name)),
        under: show::plain(&format!("{}, {}, epoch {}", baseline.profile, baseline.broker, history.epoch())),
        class,
        word: last.map_or("not checked yet", |decision| finding(decision.finding)).to_uppercase(),
        why: last.map_or_else(String::new, |decision| show::plain(&decision.why)),
        lines: super::worth(baseline, worth, &past).iter().map(|line| show::plain(line)).collect(),
        epochs: epochs
            .map(|epoch| show::plain(&format!("epoch {} from {}: {}", epoch.number, epoch.at, epoch.reason)))
            .collect(),
        charts: &charts,
        sessions: sessions(baseline, history),
        checks: checks(history),
        version: show::plain(&baseline.tickgate),
    };
    page.render().unwrap_or_else(|error| {
        format!("<!doctype html><title>tickgate</title><p>{}", chart::escaped(&error.to_string()))
    })
}

fn sessions(baseline: &Baseline, history: &History) -> Table {
    let head = ["time", "epoch", "runs"].into_iter().chain(baseline.decide.iter().map(String::as_str));
    let mut table = Table::new(head.chain(["broker", "machine", "in the baseline"]));
    for sitting in &history.sittings {
        let Sitting { session, epoch, broker, fingerprint, joined, unusable, .. } = sitting;
        let runs =
            format!("{} of {}", session.runs.len(), session.runs.len() + crate::num::index32(*unusable));
        let figures = baseline.decide.iter().map(|metric| {
            let median = session.median(metric).map(f64::exp);
            median.map_or_else(|| "–".to_owned(), chart::write_of(metric))
        });
        let first = [show::plain(&session.at), epoch.to_string(), runs];
        let said = if *joined { "yes" } else { "no" };
        let last = [show::plain(broker), show::plain(fingerprint), said.to_owned()];
        table.row(first.into_iter().chain(figures).chain(last));
    }
    table
}

fn checks(history: &History) -> Table {
    let mut table = Table::new(["time", "subject", "runs", "finding", "why"]);
    for check in &history.checks {
        table.row(checked_cells(check));
    }
    table
}
