//! `tickgate compare --dry-run`: what would run, without anything being started, connected or sent.

use crate::cli::{Exit, dry};

use super::task::Task;
use super::turns::{head, looks, targets};

/// Shows what a comparison would do.
pub(super) fn show(task: &Task) -> Exit {
    for warning in &task.warnings {
        println!("warning: {warning}");
    }
    println!("{}", head(task));
    if let Some(line) = looks(task) {
        println!("{line}");
    }
    for side in &task.sides {
        println!("{}: {}; each run has {}", side.label, side.overrides.join(", "), dry::duration(&side.plan));
    }
    for line in targets(task) {
        println!("{line}");
    }
    println!("dry run: nothing was started or sent");
    Exit::Pass
}
