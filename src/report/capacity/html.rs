//! A search as one self-contained HTML page: it makes no requests, and its content security policy forbids them.

use askama::Template;

use super::sections;
use super::words::{caveat, verdict_word};
use crate::capacity::Capacity;
use crate::record::Verdict;
use crate::report::chart::{self, Chart};
use crate::report::html::{SCRIPT, hash};
use crate::report::sections::Facts;
use crate::report::table::Table;
use crate::report::{show, style};

#[derive(Template)]
#[template(path = "capacity.html")]
struct Page<'a> {
    style: String,
    style_hash: String,
    script: &'static str,
    script_hash: String,
    title: String,
    under: String,
    tags: Option<String>,
    banner: Option<&'static str>,
    caveat: Option<String>,
    class: &'static str,
    word: &'static str,
    sentence: String,
    reasons: Vec<String>,
    key: Vec<(String, String)>,
    bounds: Table,
    coverage: Option<String>,
    objectives: String,
    left_out: Vec<String>,
    targets: Table,
    growth: Option<String>,
    cost: Option<(Table, String)>,
    machines: Option<String>,
    first: String,
    resources: Table,
    charts: &'a [Chart],
    trials: Table,
    design: String,
    command: String,
    broker: Facts,
    machine: Facts,
    version: String,
    schema: String,
}

/// Lets the reasons of trials wrap: they are sentences in a table of figures.
const REASONS: &str =
    ".trials td:last-child,.trials th:last-child{white-space:normal;text-align:left;min-width:26ch}\n";

/// CSS class of a verdict.
pub(super) const fn class(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "pass",
        Verdict::Inconclusive => "inconclusive",
        Verdict::Fail => "fail",
    }
}

/// Renders the page. Only a mistake in the template can cause an error, which is then shown as the page.
pub(super) fn page(c: &Capacity, charts: &[Chart]) -> String {
    let style = style::of_page(false) + REASONS;
    let page = Page {
        style_hash: hash(&style),
        style,
        script: SCRIPT,
        script_hash: hash(SCRIPT),
        title: sections::title(c),
        under: sections::under(c),
        tags: sections::tags(c),
        banner: sections::banner(c),
        caveat: caveat(&c.answer),
        class: class(c.verdict),
        word: verdict_word(c.verdict),
        sentence: show::plain(&c.sentence),
        reasons: sections::reasons(c),
        key: sections::key(c),
        bounds: sections::bounds(c),
        coverage: sections::coverage(c),
        objectives: sections::objectives(c),
        left_out: sections::left_out(c),
        targets: sections::targets(c),
        growth: sections::growth(c),
        cost: sections::cost(c),
        machines: sections::machines(c),
        first: sections::first(c),
        resources: sections::resources(c),
        charts,
        trials: sections::trials(c),
        design: sections::design(c),
        command: sections::command(c),
        broker: sections::broker(c),
        machine: sections::machine(c),
        version: show::plain(&c.about.tickgate),
        schema: show::plain(&c.schema),
    };
    rendered(&page)
}

/// A page as text; the mistake in its template, if it has one.
pub(super) fn rendered(page: &impl Template) -> String {
    page.render().unwrap_or_else(|error| {
        format!("<!doctype html><title>tickgate</title><p>{}", chart::escaped(&error.to_string()))
    })
}
