//! `tickgate matrix --dry-run`: what would run, without anything being started, connected or sent.

use super::runs::head;
use super::task::Task;
use crate::cli::{Exit, dry};
use crate::matrix::Expect;

/// Shows what a matrix would do.
pub(super) fn show(task: &Task) -> Exit {
    for warning in &task.warnings {
        println!("warning: {warning}");
    }
    println!("{}", head(task));
    for (at, cell) in task.design.cells.iter().enumerate() {
        let name = task.name(at);
        let Some(ready) = task.ready(at) else {
            println!("{name}: not tested: {}", cell.skip.as_deref().unwrap_or("no reason is known"));
            continue;
        };
        let what = if cell.what.is_empty() { "no fault" } else { &cell.what };
        let emulated = if cell.emulated { " (emulated)" } else { "" };
        let expect = match cell.expect {
            Expect::Promise => "what its acknowledgements promise".to_owned(),
            other => other.to_string(),
        };
        println!(
            "{name}: {what}{emulated}; expected: {expect}; to {}; {}",
            ready.choice.target(),
            dry::duration(&ready.plan)
        );
    }
    println!("dry run: nothing was started or sent");
    Exit::Pass
}
