//! The report as one self-contained HTML page: it makes no requests, and its content security policy forbids them.

use askama::Template;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use sha2::{Digest as _, Sha256};

use super::chart::{self, Chart};
use super::reasons::{self, Reason};
use super::sections::{self, Facts, Flow};
use super::table::Table;
use super::{Beside, command, dead_letters, faults, rates, replays, show, style, words};
use crate::num;
use crate::record::{ObjectiveResult, Record, Verdict};
use crate::verdict::claims::{self, Claim, Support};

pub(crate) const SCRIPT: &str = include_str!("../../templates/page.js");

#[derive(Template)]
#[template(path = "report.html")]
struct Page<'a> {
    style: String,
    style_hash: String,
    script: &'static str,
    script_hash: String,
    profile: String,
    target: String,
    under: String,
    tags: Option<String>,
    banner: Option<&'static str>,
    verdict: &'static str,
    verdict_word: String,
    sentence: String,
    key: Vec<(&'static str, String)>,
    objectives: Vec<Objective>,
    reasons: Vec<Reason>,
    claims: Vec<(Claim, &'static str)>,
    no_objectives: &'static str,
    rates: Table,
    steps: Table,
    faults: Table,
    faults_note: String,
    scopes: Table,
    replays: Table,
    replays_note: &'static str,
    dead_letters: Table,
    dead_letters_note: &'static str,
    flows: Vec<Flow>,
    ledger_notes: Vec<String>,
    ledger: Table,
    lost: Table,
    lost_more: String,
    durability: String,
    marks: Vec<(usize, String, String)>,
    marks_more: String,
    charts: &'a [Chart],
    health_sentence: String,
    times: Table,
    health: Facts,
    machine: Facts,
    broker: Facts,
    resources: Facts,
    nodes: Table,
    nodes_note: String,
    run: Facts,
    command: String,
    toml: String,
    version: String,
    schema: String,
}

struct Objective {
    name: String,
    verdict: &'static str,
    sign: &'static str,
    limit: String,
    observed: String,
    margin: String,
    samples: String,
    bar: Option<Bar>,
}

/// A bar for the observed figure; the limit is at 100 of 150 units.
struct Bar {
    kind: &'static str,
    from: String,
    width: String,
}

/// A claim with sanitised text, and its CSS class.
pub(crate) fn plain_claim(claim: &Claim) -> (Claim, &'static str) {
    let class = match claim.support {
        Support::Supported => "pass",
        Support::Contradicted => "fail",
        Support::NotTested => "not-tested",
    };
    (
        Claim {
            says: show::plain(&claim.says),
            measured: show::plain(&claim.measured),
            support: claim.support,
        },
        class,
    )
}

/// Renders the page. Only a mistake in the template can cause an error, which is then shown as the page.
pub(crate) fn page(record: &Record, beside: &Beside<'_>, charts: &[Chart]) -> String {
    let style = style::of_page(charts.iter().any(Chart::has_bands));
    let (marks, marks_more) = sections::marks(record);
    let (nodes, nodes_note) = sections::nodes(record);
    let (lost, lost_more) = sections::lost(record);
    let page = Page {
        style_hash: hash(&style),
        style,
        script: SCRIPT,
        script_hash: hash(SCRIPT),
        profile: show::plain(&record.plan.name),
        target: words::target(record),
        under: sections::under(record),
        tags: words::tags(&record.run),
        banner: words::banner(record),
        verdict: record.verdict.as_str(),
        verdict_word: record.verdict.as_str().to_uppercase(),
        sentence: words::verdict(record),
        key: sections::key(record),
        objectives: record.objectives.iter().map(objective).collect(),
        reasons: reasons::reasons(record),
        claims: claims::of_run(record).iter().map(plain_claim).collect(),
        no_objectives: words::no_objectives(record),
        rates: rates::rates(record),
        steps: rates::steps(record),
        faults: faults::faults(record),
        faults_note: faults::note(record),
        scopes: faults::scopes(record),
        replays: replays::replays(record),
        replays_note: replays::NOTE,
        dead_letters: dead_letters::dead_letters(record),
        dead_letters_note: dead_letters::NOTE,
        flows: sections::flows(record),
        ledger_notes: sections::ledger_notes(record),
        ledger: sections::ledger(record),
        lost,
        lost_more,
        durability: show::plain(&record.broker.durability),
        marks,
        marks_more,
        charts,
        health_sentence: sections::health_sentence(record),
        times: sections::times(record),
        health: sections::health(record),
        machine: sections::machine(record),
        broker: sections::broker(record),
        resources: sections::resources(record),
        nodes,
        nodes_note,
        run: sections::run(record),
        command: command::again(record),
        toml: show::source(beside.plan_toml),
        version: words::built(&record.run),
        schema: show::plain(&record.schema),
    };
    page.render().unwrap_or_else(|error| {
        format!("<!doctype html><title>tickgate</title><p>{}", chart::escaped(&error.to_string()))
    })
}

pub(crate) fn hash(text: &str) -> String {
    format!("sha256-{}", BASE64_STANDARD.encode(Sha256::digest(text.as_bytes())))
}

fn objective(o: &ObjectiveResult) -> Objective {
    Objective {
        name: show::plain(&o.name),
        verdict: o.verdict.as_str(),
        sign: match o.verdict {
            Verdict::Pass => "✓",
            Verdict::Inconclusive => "?",
            Verdict::Fail => "✗",
        },
        limit: show::plain(&words::limit(o)),
        observed: o.observed.as_deref().map_or_else(|| "no data".into(), show::plain),
        margin: o.margin.map_or_else(|| "–".into(), show::margin),
        samples: show::count(o.samples),
        bar: bar(o),
    }
}

fn bar(o: &ObjectiveResult) -> Option<Bar> {
    let observed = o.observed_value.filter(|v| v.is_finite())?;
    if o.limit_value <= 0.0 {
        return None;
    }
    let width = (observed / o.limit_value * 100.0).clamp(0.0, 150.0).max(1.5);
    let kind = match o.verdict {
        Verdict::Pass => "in",
        Verdict::Inconclusive => "unsure",
        Verdict::Fail => "out",
    };
    Some(Bar {
        kind,
        from: "0".into(),
        width: format!("{:.1}", num::f64_of(num::u64_of(width * 10.0)) / 10.0),
    })
}
