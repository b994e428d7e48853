//! The matrix as one self-contained HTML page: it makes no requests, and its content security policy forbids them.

use askama::Template;

use super::sections;
use crate::matrix::Matrix;
use crate::record::Verdict;
use crate::report::chart;
use crate::report::html::{SCRIPT, hash};
use crate::report::table::Table;
use crate::report::{show, style};

#[derive(Template)]
#[template(path = "matrix.html")]
struct Page {
    style: String,
    style_hash: String,
    script: &'static str,
    script_hash: String,
    name: String,
    description: String,
    under: String,
    interrupted: Option<String>,
    class: &'static str,
    word: &'static str,
    sentences: Vec<String>,
    faults: Vec<String>,
    rows: Vec<Row>,
    legend: &'static str,
    notes: Vec<String>,
    details: Table,
    trials: Table,
    runs: Vec<String>,
    design: String,
    command: String,
    version: String,
    schema: String,
}

/// A configuration.
struct Row {
    name: String,
    means: String,
    cells: Vec<Shown>,
}

/// A cell of the grid.
struct Shown {
    class: &'static str,
    figures: String,
    judged: String,
    fault: String,
}

/// Lets texts in the tables of figures wrap.
const TEXTS: &str = ".grid td{white-space:normal;vertical-align:top;min-width:17ch}.grid .tag{display:inline-block;margin-top:4px}\n\
     .texts td{white-space:normal;text-align:left;vertical-align:top;min-width:9ch}.texts td:last-child,.texts td:nth-child(3){min-width:26ch}\n";

const fn class(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "pass",
        Verdict::Inconclusive => "inconclusive",
        Verdict::Fail => "fail",
    }
}

/// Renders the page. Only a mistake in the template can cause an error, which is then shown as the page.
pub(super) fn page(m: &Matrix) -> String {
    let style = style::of_page(false) + TEXTS;
    let faults: Vec<String> = sections::faults(m).iter().map(|fault| show::plain(fault)).collect();
    let row = |(name, means, cells): (String, String, Vec<&crate::matrix::Cell>)| Row {
        name,
        means,
        cells: cells
            .into_iter()
            .map(|cell| Shown {
                class: sections::class(cell),
                figures: sections::figures(cell),
                judged: sections::judged(cell),
                fault: show::plain(&cell.planned.fault),
            })
            .collect(),
    };
    let page = Page {
        style_hash: hash(&style),
        style,
        script: SCRIPT,
        script_hash: hash(SCRIPT),
        name: show::plain(&m.about.name),
        description: show::plain(&m.about.description),
        under: sections::under(m),
        interrupted: m.about.interrupted.as_ref().map(|why| format!("Ended early: {}", show::plain(why))),
        class: class(m.verdict),
        word: sections::word(m.verdict),
        sentences: sections::sentences(m),
        faults,
        rows: sections::rows(m).into_iter().map(row).collect(),
        legend: sections::LEGEND,
        notes: sections::notes(m),
        details: sections::details(m),
        trials: sections::trials(m),
        runs: m
            .trials
            .iter()
            .map(|trial| show::plain(&trial.folder))
            .filter(|folder| !folder.is_empty())
            .collect(),
        design: sections::design(m),
        command: sections::command(m),
        version: show::plain(&m.about.tickgate),
        schema: show::plain(&m.schema),
    };
    page.render().unwrap_or_else(|error| {
        format!("<!doctype html><title>tickgate</title><p>{}", chart::escaped(&error.to_string()))
    })
}
