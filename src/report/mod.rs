//! Renderers: they turn a record into files and text, without any I/O.

pub mod baseline;
pub mod capacity;
mod chart;
mod command;
pub mod compare;
mod csv;
mod dead_letters;
mod faults;
mod hlog;
mod html;
pub(crate) mod junit;
pub(crate) mod labels;
mod markdown;
pub mod matrix;
mod openmetrics;
pub mod outside;
pub mod progress;
mod rates;
mod reasons;
mod replays;
mod sections;
pub mod show;
mod style;
mod table;
pub mod terminal;
pub mod words;

use crate::record::{Record, Rows};

/// Input of a report besides the record.
#[derive(Debug, Clone, Copy, Default)]
pub struct Beside<'a> {
    /// The record's plan as a profile (`profile::to_toml`).
    pub plan_toml: &'a str,
    /// The seconds of the journal, for [`HLOG`]; if empty, it has one interval.
    pub seconds: &'a [Rows],
    /// Name of the run's folder, which distinguishes the suites of several runs of a profile; empty if it has none.
    pub folder: &'a str,
}

/// Name of the log of distributions: with seconds, the only file of a report with more information than the record.
pub const HLOG: &str = "latency.hlog";

/// Every file of a report: path in the run folder, and content. The same input gives the same bytes.
#[must_use]
pub fn files(record: &Record, beside: &Beside<'_>) -> Vec<(String, Vec<u8>)> {
    let charts = chart::all(record);
    let mut files = vec![("report.html".to_owned(), html::page(record, beside, &charts).into_bytes())];
    let under = sections::under(record);
    files.extend(charts.iter().map(|c| (format!("charts/{}.svg", c.id), c.file(&under).into_bytes())));
    files.push(("junit.xml".into(), junit::xml(record, beside.folder).into_bytes()));
    files.push(("summary.md".into(), markdown::summary(record).into_bytes()));
    files.push((HLOG.into(), hlog::log(record, beside.seconds).into_bytes()));
    files.push(("timeline.csv".into(), csv::timeline(record).into_bytes()));
    files.extend(csv::scopes(record).map(|scopes| ("scopes.csv".to_owned(), scopes.into_bytes())));
    files.push(("metrics.om".into(), openmetrics::text(record).into_bytes()));
    files.push(("metrics-gitlab.txt".into(), openmetrics::gitlab(record).into_bytes()));
    files
}

/// The Markdown summary for a CI job: the content of `summary.md`.
#[must_use]
pub fn summary_md(record: &Record) -> String {
    markdown::summary(record)
}
