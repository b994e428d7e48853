//! `tickgate capacity --dry-run`: what would run, without anything being started, connected or sent.

use crate::capacity::Purpose;
use crate::cli::args::Capacity;
use crate::cli::{Exit, dry};
use crate::plan::Rate;
use crate::report::show;

use super::task::Task;
use super::trials::{head, target};

/// Shows what a search would do.
pub(super) fn show(args: &Capacity, task: &Task) -> Exit {
    for warning in &task.warnings {
        println!("warning: {warning}");
    }
    println!("{}", head(task));
    let design = &task.design;
    for (what, purpose) in [("searches", Purpose::Searching), ("confirms", Purpose::Confirming)] {
        if design.at.is_none() || purpose == Purpose::Confirming {
            let plan = task.trial(design.start, design.seed, purpose);
            println!("a trial that {what} has {} at {}", dry::duration(&plan), plan.load.rate);
        }
    }
    match design.at {
        Some(_) => println!("decided by 2 to {} trials", design.most_confirming),
        None => println!(
            "floor: {} in a row; ceiling: {} in a row; at most {} and {} trials",
            several(design.passes, "pass", "passes"),
            several(design.misses, "miss", "misses"),
            design.most_narrowing,
            design.most_confirming
        ),
    }
    if !task.targets.is_empty() && design.at.is_none() {
        let targets: Vec<String> =
            task.targets.iter().map(|rate| Rate::per_second(*rate).to_string()).collect();
        println!("targets: {}", targets.join(", "));
    }
    if !task.choice.is_simulated() {
        println!("{}", target(task));
    }
    let folder = args.resume.as_ref().or(args.about.run_dir.as_ref()).map_or_else(
        || format!("a new folder in {}", args.out.display()),
        |folder| folder.display().to_string(),
    );
    println!("files: {folder}");
    println!("dry run: nothing was started or sent");
    Exit::Pass
}

fn several(n: u32, one: &str, more: &str) -> String {
    format!("{} {}", show::count(u64::from(n)), if n == 1 { one } else { more })
}
