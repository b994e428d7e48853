//! Renderers: a record in, files and text out; they read nothing else and write nowhere.

mod chart;
pub mod compare;
mod csv;
mod hlog;
mod html;
mod junit;
mod markdown;
mod openmetrics;
pub mod outside;
pub mod progress;
mod sections;
pub mod show;
mod style;
mod table;
pub mod terminal;
pub mod words;

use crate::record::{Record, Rows};

/// What a report shows beside the record.
#[derive(Debug, Clone, Copy, Default)]
pub struct Beside<'a> {
    /// The record's plan as a profile (`profile::to_toml`).
    pub plan_toml: &'a str,
    /// The seconds of the journal, for [`HLOG`]; without them it has one interval.
    pub seconds: &'a [Rows],
}

/// The log of distributions: the only file of a report that says more than the record, as long as there are seconds.
pub const HLOG: &str = "latency.hlog";

/// Every file of a report: path in the run's folder, and content. The same record gives the same bytes.
#[must_use]
pub fn files(record: &Record, beside: &Beside<'_>) -> Vec<(String, Vec<u8>)> {
    let charts = chart::all(record);
    let mut files = vec![("report.html".to_owned(), html::page(record, beside, &charts).into_bytes())];
    let under = sections::under(record);
    files.extend(charts.iter().map(|c| (format!("charts/{}.svg", c.id), c.file(&under).into_bytes())));
    files.push(("junit.xml".into(), junit::xml(record).into_bytes()));
    files.push(("summary.md".into(), markdown::summary(record).into_bytes()));
    files.push((HLOG.into(), hlog::log(record, beside.seconds).into_bytes()));
    files.push(("timeline.csv".into(), csv::timeline(record).into_bytes()));
    files.push(("metrics.om".into(), openmetrics::text(record).into_bytes()));
    files
}

/// The summary for a CI job, as Markdown: the content of `summary.md`.
#[must_use]
pub fn summary_md(record: &Record) -> String {
    markdown::summary(record)
}
