//! `--dry-run`: what would run, without anything being started, connected or sent.

use serde_json::json;

use super::args::{Format, Run};
use super::volume::volume;
use super::{Exit, Failure, check};
use crate::compare::Prices;
use crate::plan::Plan;
use crate::report::outside;
use crate::report::show::time;
use crate::session::{self, Choice};

/// Shows what a run would do.
pub(super) fn show(
    args: &Run,
    plan: &Plan,
    prices: Option<&Prices>,
    choice: &Choice,
) -> Result<Exit, Failure> {
    let load = volume(plan, &choice.subjects(plan, "RUN"));
    let warning = session::admit(plan, choice.whereabouts())?;
    if args.format == Format::Json {
        let json = json!({
            "plan": plan,
            "target": choice.target(),
            "load": load,
            "duration_ns": plan.load.sending().ns,
        });
        let json = serde_json::to_string_pretty(&json).map_err(|error| Failure::environment(&error))?;
        paint!("{}\n", outside::json(&json));
        return Ok(Exit::Pass);
    }
    check::show(plan, prices);
    for warning in warning.iter().chain(&choice.warnings) {
        println!("# warning: {warning}");
    }
    println!("# target: {}", choice.target());
    println!("# load: {load}");
    println!("# duration: {}", duration(plan));
    let folder = args.about.run_dir.as_ref().map_or_else(
        || format!("a new folder in {}", args.out.display()),
        |folder| folder.display().to_string(),
    );
    println!("# files: {folder}");
    println!("# dry run: nothing was started or sent");
    Ok(Exit::Pass)
}

/// The phases and how long they take.
pub(super) fn duration(plan: &Plan) -> String {
    let load = &plan.load;
    let warmup = load.sending().ns.saturating_sub(load.duration.ns);
    format!(
        "{} of load ({} of warm-up, {} measured), then a drain of at most {}",
        time(load.sending().ns),
        time(warmup),
        time(load.duration.ns),
        time(load.drain.ns)
    )
}
