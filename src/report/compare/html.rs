//! The comparison as one self-contained HTML page: it makes no requests, and its content security policy forbids them.

use askama::Template;

use super::faults::faults;
use super::first::{Answer, First, first, tag};
use super::looks::looks;
use super::{figure, interval, ratio, sections};
use crate::compare::{Comparison, Finding, MetricResult, Reason};
use crate::report::chart::{self, Chart};
use crate::report::html::{SCRIPT, hash, plain_claim};
use crate::report::table::Table;
use crate::report::{show, style};
use crate::verdict::claims::Claim;

#[derive(Template)]
#[template(path = "compare.html")]
struct Page<'a> {
    style: String,
    style_hash: String,
    script: &'static str,
    script_hash: String,
    name: String,
    description: String,
    under: String,
    banners: Vec<String>,
    class: &'static str,
    word: String,
    answers: Vec<(Answer, &'static str, &'static str)>,
    note: String,
    notes: Vec<String>,
    parts: Vec<Part<'a>>,
    design: String,
    command: String,
    version: String,
    schema: String,
}

/// One side against the reference.
struct Part<'a> {
    /// Title, if there are several.
    title: Option<String>,
    /// End of its anchors: empty for B against A.
    id: String,
    a: &'static str,
    b: &'static str,
    ratio: String,
    sentence: String,
    remarks: Vec<String>,
    key: Vec<(String, String)>,
    fairness: Table,
    one_sided: Table,
    all_settings: Table,
    reasons: Vec<Reason>,
    metrics: Vec<Metric>,
    looks: Table,
    groups: Table,
    faults: Table,
    charts: &'a [Chart],
    ledger: Table,
    cost: Option<(Table, String)>,
    claims: Vec<(Claim, &'static str)>,
    pairs: Table,
    runs: Vec<String>,
}

struct Metric {
    title: String,
    family: &'static str,
    a: String,
    b: String,
    ratio: String,
    interval: String,
    p: String,
    p_adjusted: String,
    finding: &'static str,
    class: &'static str,
    why: String,
}

/// Unfolds the settings of one side only in print.
const UNFOLDED: &str = "@media print{details.one-sided::details-content{content-visibility:visible;block-size:auto}\
     details.one-sided .scroll{max-height:none}}\n";

/// CSS class of a finding.
const fn class(finding: Finding) -> &'static str {
    match finding {
        Finding::Worse => "fail",
        Finding::Inconclusive => "inconclusive",
        Finding::Better | Finding::Equivalent => "pass",
        Finding::NoDifferenceShown => "not-tested",
    }
}

fn metric(m: &MetricResult) -> Metric {
    let of = |v: Option<f64>| v.map_or_else(|| "–".into(), |v| figure(m.unit, v));
    Metric {
        title: show::plain(&m.title),
        family: sections::family(m),
        a: of(m.a),
        b: of(m.b),
        ratio: m.ratio.map_or_else(|| "–".into(), ratio),
        interval: interval(m.interval),
        p: sections::p(m.p),
        p_adjusted: sections::p(m.p_adjusted),
        finding: m.finding.as_str(),
        class: class(m.finding),
        why: show::plain(&m.why),
    }
}

fn part<'a>(c: &Comparison, several: bool, charts: &'a [Chart]) -> Part<'a> {
    let [a, b] = c.sides.contrast.letters();
    let [name_a, name_b] = sections::names(c);
    Part {
        title: several.then(|| format!("{name_b} against {name_a}")),
        id: if c.sides.contrast.is_default() {
            String::new()
        } else {
            format!("-{}", c.sides.contrast.side.lower())
        },
        a,
        b,
        ratio: c.sides.contrast.ratio(),
        sentence: show::plain(&c.verdict.sentence),
        remarks: plain(&c.verdict.remarks),
        key: sections::key(c),
        fairness: sections::fairness(c, sections::Rows::Important),
        one_sided: sections::one_sided(c),
        all_settings: sections::fairness(c, sections::Rows::All),
        reasons: c
            .verdict
            .reasons
            .iter()
            .map(|r| Reason { what: show::plain(&r.what), next: show::plain(&r.next) })
            .collect(),
        metrics: c.metrics.iter().map(metric).collect(),
        looks: looks(c),
        groups: sections::groups(c),
        faults: faults(c),
        charts,
        ledger: sections::ledger(c),
        cost: sections::cost(c),
        claims: c.claims.iter().map(plain_claim).collect(),
        pairs: sections::pairs(c),
        runs: sections::runs(c),
    }
}

fn plain(texts: &[String]) -> Vec<String> {
    texts.iter().map(|text| show::plain(text)).collect()
}

/// Renders the page. Only a mistake in the template can cause an error, which is then shown as the page.
pub(super) fn page(c: &Comparison, contrasts: &[Comparison], charts: &[Vec<Chart>]) -> String {
    let style = style::of_page(false) + UNFOLDED;
    let First { answers, note } = first(c);
    let answers = answers.into_iter().map(|answer| {
        let (class, tag) = (class(answer.finding), tag(answer.finding));
        (answer, class, tag)
    });
    let several = contrasts.len() > 1;
    let page = Page {
        style_hash: hash(&style),
        style,
        script: SCRIPT,
        script_hash: hash(SCRIPT),
        name: show::plain(&c.about.name),
        description: show::plain(&c.about.description),
        under: sections::under(c),
        banners: sections::banners(c),
        class: class(c.finding()),
        word: sections::word(c),
        answers: answers.collect(),
        note,
        notes: plain(&c.about.notes),
        parts: contrasts
            .iter()
            .zip(charts)
            .map(|(contrast, charts)| part(contrast, several, charts))
            .collect(),
        design: show::plain(&sections::design(c)),
        command: sections::command(c),
        version: show::plain(&c.about.tickgate),
        schema: show::plain(&c.schema),
    };
    page.render().unwrap_or_else(|error| {
        format!("<!doctype html><title>tickgate</title><p>{}", chart::escaped(&error.to_string()))
    })
}
