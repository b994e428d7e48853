//! The cells and the verdict, from the runs.

use super::account::{About, Cell, Judgement, Matrix, Spread, State};
use super::design::{Design, Expect, Planned};
use super::promise::Promise;
use super::trial::{Outcome, Trial};
use super::{RULES, SCHEMA};
use crate::num::{self, show};
use crate::record::{Recovered, Verdict};
use crate::stats;

/// What a matrix is concluded from.
#[derive(Debug, Clone)]
pub struct Inputs {
    /// Identity and circumstances.
    pub about: About,
    /// Its cells.
    pub design: Design,
    /// Its runs, in their order.
    pub trials: Vec<Trial>,
}

/// The account of these runs.
#[must_use]
pub fn conclude(inputs: Inputs) -> Matrix {
    let Inputs { about, design, trials } = inputs;
    let cells: Vec<Cell> = design.cells.iter().map(|planned| cell(planned, design.runs, &trials)).collect();
    let verdict = verdict(&cells);
    let sentences = sentences(&cells, about.interrupted.as_deref());
    Matrix { schema: SCHEMA.to_owned(), rules: RULES, about, design, cells, trials, verdict, sentences }
}

/// The result of a cell that was to have so many runs.
fn cell(planned: &Planned, runs: u32, trials: &[Trial]) -> Cell {
    let made: Vec<&Trial> = trials
        .iter()
        .filter(|trial| trial.configuration == planned.configuration && trial.fault == planned.fault)
        .collect();
    let tested: Vec<&Trial> = made.iter().copied().filter(|trial| trial.outcome == Outcome::Tested).collect();
    let times = |of: fn(&Trial) -> Option<u64>| spread(tested.iter().filter_map(|trial| of(trial)));
    let total = |of: fn(&Trial) -> Option<u64>| {
        let known: Vec<u64> = tested.iter().filter_map(|trial| of(trial)).collect();
        (!known.is_empty()).then(|| num::sum(known))
    };
    let count = |is: fn(&Trial) -> bool| num::count32(tested.iter().filter(|trial| is(trial)).count());
    // What is said of the bus is that of a run that tested it, or else of any that reached it.
    let reached = tested.first().or_else(|| made.iter().find(|trial| !trial.durability.is_empty()));
    let mut cell = Cell {
        planned: planned.clone(),
        made: num::count32(made.len()),
        tested: num::count32(tested.len()),
        unfit: count(|trial| !trial.fit),
        product: reached.map(|trial| trial.product.clone()).unwrap_or_default(),
        durability: reached.map(|trial| trial.durability.clone()).unwrap_or_default(),
        pledge: reached.map(|trial| trial.pledge.clone()).unwrap_or_default(),
        due: num::sum(tested.iter().map(|trial| trial.due)),
        acked: num::sum(tested.iter().map(|trial| trial.acked)),
        lost: total(|trial| trial.lost),
        known: count(|trial| trial.lost.is_some()),
        losing: count(|trial| trial.lost.is_some_and(|lost| lost > 0)),
        duplicates: total(|trial| trial.duplicates),
        unavailable: times(|trial| trial.unavailable_ns),
        longest: times(|trial| trial.longest_ns),
        recovery: times(|trial| trial.recovery_ns),
        not_recovered: count(|trial| trial.recovered == Some(Recovered::No)),
        recovery_unknown: count(|trial| trial.recovered == Some(Recovered::Unknown)),
        ..Cell::default()
    };
    cell.state = match (cell.tested, cell.known) {
        (0, _) => State::NotTested,
        (_, 0) => State::Inconclusive,
        _ => State::Tested,
    };
    cell.reason = reason(planned, &made, &tested);
    cell.judgement = judgement(&cell, runs);
    // With different pledges, by a bus that was another one in some run, each run is held to its own.
    let broken =
        |trial: &&Trial| trial.pledge.promise == Promise::Survives && trial.lost.is_some_and(|lost| lost > 0);
    cell.broken_promise = tested.iter().any(broken);
    cell
}

/// Why a cell was not tested in each of its runs.
fn reason(planned: &Planned, made: &[&Trial], tested: &[&Trial]) -> Option<String> {
    if let Some(why) = &planned.skip {
        return Some(why.clone());
    }
    if made.is_empty() {
        return Some("no run was made".to_owned());
    }
    let open = tested.iter().find(|trial| trial.lost.is_none());
    let untested = made.iter().find(|trial| trial.outcome != Outcome::Tested);
    untested.or(open).map(|trial| trial.reason.clone().unwrap_or_else(|| "no reason is known".to_owned()))
}

/// Does a cell meet its expectation?
fn judgement(cell: &Cell, runs: u32) -> Judgement {
    if cell.planned.skip.is_some() {
        return Judgement::NotJudged;
    }
    let survives = match cell.planned.expect {
        Expect::Any => return Judgement::NotJudged,
        // What is promised is known by a run.
        Expect::Promise => match (cell.state, cell.pledge.promise) {
            (State::NotTested, Promise::Unknown) => return Judgement::Inconclusive,
            (_, Promise::Nothing | Promise::Unknown) => return Judgement::NotJudged,
            (_, Promise::Survives) => true,
        },
        Expect::Survives | Expect::Recovers => true,
        Expect::Loses => false,
    };
    let all_known = cell.known > 0 && cell.known >= runs;
    if !survives {
        return match (cell.losing, all_known) {
            (1.., _) => Judgement::Holds,
            (0, true) => Judgement::Broken,
            (0, false) => Judgement::Inconclusive,
        };
    }
    let recovers = cell.planned.expect == Expect::Recovers;
    if cell.losing > 0 || (recovers && cell.not_recovered > 0) {
        Judgement::Broken
    } else if !all_known || (recovers && cell.recovery_unknown > 0) {
        Judgement::Inconclusive
    } else {
        Judgement::Holds
    }
}

fn spread(times: impl Iterator<Item = u64>) -> Option<Spread> {
    let times: Vec<u64> = times.collect();
    let median = stats::median(&times.iter().map(|time| num::f64_of(*time)).collect::<Vec<_>>())?;
    Some(Spread {
        median_ns: num::u64_of(median),
        least_ns: times.iter().copied().min()?,
        most_ns: times.iter().copied().max()?,
        of: num::count32(times.len()),
    })
}

/// The worst of the cells. A matrix of which nothing was tested shows nothing.
fn verdict(cells: &[Cell]) -> Verdict {
    let any = |judgement: Judgement| cells.iter().any(|cell| cell.judgement == judgement);
    let tested = cells.iter().any(|cell| cell.state == State::Tested);
    if any(Judgement::Broken) {
        Verdict::Fail
    } else if any(Judgement::Inconclusive) || !tested {
        Verdict::Inconclusive
    } else {
        Verdict::Pass
    }
}

/// `R1 under kill-all`.
fn name(planned: &Planned) -> String {
    let emulated = if planned.emulated { " (emulated)" } else { "" };
    format!("{} under {}{emulated}", planned.configuration, planned.fault)
}

fn sentences(cells: &[Cell], interrupted: Option<&str>) -> Vec<String> {
    let mut said: Vec<String> = Vec::new();
    said.extend(cells.iter().filter(|cell| cell.broken_promise).map(broken_promise));
    said.extend(cells.iter().filter(|cell| !cell.broken_promise).filter_map(broken));
    said.extend(cells.iter().filter_map(open));
    let holds = cells.iter().filter(|cell| cell.judgement == Judgement::Holds).count();
    if holds > 0 {
        said.push(format!(
            "What is expected holds in {} of {}.",
            show::count(num::count(holds)),
            show::several(num::count(cells.len()), "cell")
        ));
    }
    let untested = cells.iter().filter(|cell| cell.state == State::NotTested).count();
    if untested > 0 {
        said.push(format!("Not tested: {}.", show::several(num::count(untested), "cell")));
    }
    if cells.iter().any(|cell| cell.planned.emulated && cell.state == State::Tested) {
        said.push(
            "Losses of power are emulated: the store is cut back to what the server had forced to the disk."
                .to_owned(),
        );
    }
    said.extend(interrupted.map(|why| format!("Ended early: {why}.")));
    said
}

/// A promise that was broken.
fn broken_promise(cell: &Cell) -> String {
    format!(
        "{}: an acknowledgement means `{}` and promises that a confirmed event survives ({}), but {} of {} confirmed events \
         were lost, in {} of {}.",
        name(&cell.planned),
        cell.durability,
        cell.pledge.why,
        show::count(cell.lost.unwrap_or(0)),
        show::count(cell.acked),
        cell.losing,
        show::several(u64::from(cell.known), "run")
    )
}

/// An expectation of the file that does not hold.
fn broken(cell: &Cell) -> Option<String> {
    if cell.judgement != Judgement::Broken {
        return None;
    }
    let (name, runs) = (name(&cell.planned), show::several(u64::from(cell.known), "run"));
    Some(if cell.planned.expect == Expect::Loses {
        format!(
            "{name}: a loss is expected, and none of {} confirmed events was lost in {runs}.",
            show::count(cell.acked)
        )
    } else if cell.losing == 0 {
        format!(
            "{name}: the bus was not as before in the time that the fault gives it, in {} of {runs}.",
            cell.not_recovered
        )
    } else {
        let (lost, acked) = (show::count(cell.lost.unwrap_or(0)), show::count(cell.acked));
        format!("{name}: {lost} of {acked} confirmed events were lost, in {} of {runs}.", cell.losing)
    })
}

/// An expectation of which it is not known whether it holds.
fn open(cell: &Cell) -> Option<String> {
    if cell.judgement != Judgement::Inconclusive {
        return None;
    }
    let why = cell.reason.as_deref().unwrap_or("no run ended long enough after the fault");
    Some(format!("{}: inconclusive: {why}.", name(&cell.planned)))
}
