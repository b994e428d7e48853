//! `tickgate check`: shows the resolved plan of a profile and the findings of the lint.

use super::args::{Check, Format, Like};
use super::{Exit, Failure};
use crate::compare::Prices;
use crate::load;
use crate::plan::{Fault, Plan, Span, When};
use crate::profile::{self, Source};
use crate::report::{outside, show as figures};
use crate::run::memory::Where;
use crate::session::{self, Asked};
use crate::topology::{Severity, lint};

/// Finds and reads a profile.
pub(super) fn plan(profile: &str, sets: &[String]) -> Result<Plan, Failure> {
    with_prices(profile, sets).map(|(plan, _)| plan)
}

/// As [`plan`], with the profile's prices if it has any.
pub(super) fn with_prices(profile: &str, sets: &[String]) -> Result<(Plan, Option<Prices>), Failure> {
    let source = Source::find(profile).map_err(|error| Failure::usage(super::with_sources(&error)))?;
    let (plan, prices) = profile::with_prices(&source, sets).map_err(Failure::usage)?;
    Ok((super::outside::clean_plan(&plan)?, prices))
}

pub(super) fn run(args: &Check) -> Result<Exit, Failure> {
    let (plan, prices) = with_prices(&args.profile, &args.short.with(&args.sets, &[])?)?;
    let (plan, differs) = like(&args.like, plan)?;
    if args.format == Format::Json {
        let json = serde_json::to_string_pretty(&plan).map_err(|error| Failure::environment(&error))?;
        paint!("{}\n", outside::json(&json));
        session::admit(&plan, Where::Elsewhere)?;
        return Ok(Exit::Pass);
    }
    show(&plan, prices.as_ref());
    for line in differs {
        println!("# {line}");
    }
    for line in session::told(&plan) {
        println!("# {line}");
    }
    if let Some(warning) = session::admit(&plan, Where::Elsewhere)? {
        println!("# warning: {warning}");
    }
    let seconds = plan.load.sending().ns / 1_000_000_000;
    println!(
        "# ready to run: {seconds} s of load, peak {}",
        figures::rate(load::peak_rate(&plan.load).per_second)
    );
    Ok(Exit::Pass)
}

/// Shows a plan as a profile, and as comments what follows from it.
pub(super) fn show(plan: &Plan, prices: Option<&Prices>) {
    println!("{}{}", profile::to_toml(plan), prices.map(profile::prices_to_toml).unwrap_or_default());
    let totals = load::totals(&plan.load);
    println!(
        "# {} events: {} of warm-up and {} measured, about {} in the store",
        figures::count(totals.warmup_events + totals.measure_events),
        figures::count(totals.warmup_events),
        figures::count(totals.measure_events),
        figures::size(load::volume_bytes(plan)),
    );
    for line in faults(plan) {
        println!("# {line}");
    }
    for warning in lint_warnings(plan, &[Severity::Warning, Severity::Error]) {
        println!("# warning: {warning}");
    }
    for note in profile::notes(plan) {
        println!("# note: {note}");
    }
    for warning in profile::warnings(plan) {
        println!("# warning: {warning}");
    }
}

/// The faults of a plan in order, and the parts of the measure phase that they make.
fn faults(plan: &Plan) -> Vec<String> {
    let span = |ns: u64| Span { ns };
    let fault = |fault: &Fault| {
        let undone = if fault.length.is_zero() {
            String::new()
        } else {
            format!(", undone at {}", span(fault.undo_at()))
        };
        format!(
            "fault {}: {} at {}{undone}, settled by {}",
            fault.name,
            fault.in_words(),
            fault.at,
            span(fault.settled_at())
        )
    };
    let part = |when: &When| {
        let ranges = when.stretches(plan).into_iter();
        let ranges: Vec<String> =
            ranges.map(|range| format!("{} to {}", span(range.from), span(range.until))).collect();
        let ranges = if ranges.is_empty() { "empty".to_owned() } else { ranges.join(", ") };
        format!("part {when}: {ranges}")
    };
    plan.faults.iter().map(fault).chain(When::of(plan).iter().map(part)).collect()
}

/// The warnings of the lint; what holds for several groups is said once.
pub(super) fn lint_warnings(plan: &Plan, of: &[Severity]) -> Vec<String> {
    let mut said: Vec<String> = Vec::new();
    let mut warnings = Vec::new();
    for finding in lint(&plan.topology, &plan.groups) {
        if of.contains(&finding.severity) && !said.contains(&finding.message) {
            warnings.push(format!("{}; {}", finding.message, finding.hint));
            said.push(finding.message);
        }
    }
    warnings
}

/// The plan with the configuration that files say, and where it differs from the profile.
fn like(like: &Like, plan: Plan) -> Result<(Plan, Vec<String>), Failure> {
    let Some(model) = session::model::of_files(&like.over(Asked::default()))? else {
        let note = plan.bus.like().map(|stream| {
            let files = if session::model::takes_files(plan.bus.kind) {
                "; --stream-config FILE shows here what differs"
            } else {
                ""
            };
            let log = plan.bus.kind.product().log;
            format!("{log} {stream} decides over [bus] when the run reads its configuration{files}")
        });
        return Ok((plan, note.into_iter().collect()));
    };
    let applied = session::model::applied(&model, &plan)?;
    let differs = applied.differs.into_iter().map(|line| format!("like {}: {line}", model.of()));
    let left = model
        .not_copied(&applied.plan)
        .into_iter()
        .map(|line| format!("not copied from {}: {line}", model.of()));
    Ok((applied.plan, differs.chain(left).collect()))
}
