//! `tickgate baseline update` and `tickgate baseline history`.

use crate::baseline::{Accepted, Baseline, Joined, What, otava};
use crate::cli::args::{HistoryArgs, Update};
use crate::cli::{Exit, Failure};
use crate::report::{self, show};

use super::store::{Store, look};

/// The page of trends, beside the history.
const PAGE: &str = "history.html";

/// Makes the checks that passed a part of the baseline, or accepts the last one.
pub(super) fn update(args: &Update) -> Result<Exit, Failure> {
    let mut store = Store::open(&args.which, false)?;
    let history = store.history()?;
    let name = &args.which.name;
    if let Some(reason) = &args.accept {
        let epoch = history.epoch();
        let Some(last) = history.checks.iter().rev().find(|check| check.epoch == epoch) else {
            let text = format!(
                "there is no check to accept: measure the change first (tickgate baseline check {name} …)"
            );
            return Err(Failure::usage(text));
        };
        if reason.trim().is_empty() {
            return Err(Failure::usage("--accept needs a reason, which the history shows"));
        }
        let described = store.subject(&last.begun.subject.config)?;
        let (id, begun) = (last.id.clone(), last.begun.subject.clone());
        let accepted = Accepted { epoch: epoch + 1, reason: reason.clone(), sessions: vec![id] };
        store.append(None, What::Epoch(accepted))?;
        store.write(&Baseline { epoch: epoch + 1, broker: begun.broker, ..described })?;
        println!(
            "epoch {} begins with the session of that check: {}; the baseline is young again until it has 5 sessions",
            epoch + 1,
            show::plain(reason)
        );
        return Ok(Exit::Pass);
    }
    let passed: Vec<String> = history.to_join().iter().map(|check| check.id.clone()).collect();
    if passed.is_empty() {
        println!("nothing to add: no check has passed since the last update");
        return Ok(Exit::Pass);
    }
    let count = crate::num::count(passed.len());
    store.append(None, What::Joined(Joined { sessions: passed }))?;
    let past = store.history()?.past("~");
    println!("{} added", show::several(count, "session"));
    if let Some(baseline) = store.baseline()? {
        for line in report::baseline::worth(&baseline, &baseline.worth(&past), &past) {
            println!("{line}");
        }
    }
    Ok(Exit::Pass)
}

/// Shows every session and check.
pub(super) fn history(args: &HistoryArgs) -> Result<Exit, Failure> {
    if let Some(path) = &args.merge {
        let added = Store::open(&args.which, false)?.merge(path)?;
        println!("{} added from {}", show::several(added, "line"), path.display());
    }
    let (baseline, history, folder) = look(&args.which)?;
    if let Some(path) = &args.otava {
        let unwritable = |error: std::io::Error| Failure {
            exit: Exit::Environment,
            text: format!("cannot write {}: {error}", path.display()),
        };
        std::fs::write(path, otava(&history)).map_err(unwritable)?;
        println!("written: {}", path.display());
        return Ok(Exit::Pass);
    }
    for line in report::baseline::history(&baseline, &history) {
        println!("{line}");
    }
    let worth = baseline.worth(&history.past("~"));
    let page = report::baseline::page(&baseline, &history, &worth);
    folder.write_whole(PAGE, page.as_bytes()).map_err(|error| Failure::environment(&error))?;
    println!("page:  {}", folder.file(PAGE).display());
    Ok(Exit::Pass)
}
