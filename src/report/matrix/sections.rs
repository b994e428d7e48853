//! What a matrix shows, as texts and tables; the same for every form of the report.

use crate::matrix::{Cell, Expect, Judgement, Matrix, Outcome, Promise, Spread, State, Trial};
use crate::record::Verdict;
use crate::report::command::quoted;
use crate::report::show;
use crate::report::table::Table;

/// How to read a cell.
pub(super) const LEGEND: &str = "Each cell: confirmed events that are lost / extra copies / time in which nothing was confirmed in time, the \
     median with its range / time from the fault until all was normal again, likewise / number of runs. “Not tested” is no result: no run \
     has put the configuration under the fault. “Inconclusive” is none either: it is not known how many confirmed events are lost.";

/// The verdict in capitals.
pub(super) const fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "PASS",
        Verdict::Inconclusive => "INCONCLUSIVE",
        Verdict::Fail => "FAIL",
    }
}

/// Number of runs, seed and time in a line.
pub(super) fn under(m: &Matrix) -> String {
    show::plain(&format!(
        "{} to {}; {}, {} of each; seed {}; tickgate {}",
        m.about.started,
        m.about.ended,
        show::several(crate::num::count(m.cells.len()), "cell"),
        show::several(u64::from(m.design.runs), "run"),
        m.design.seed,
        m.about.tickgate
    ))
}

/// `R1 / kill-all`.
pub(super) fn name(cell: &Cell) -> String {
    show::plain(&format!("{} / {}", cell.planned.configuration, cell.planned.fault))
}

/// A median with its range.
fn spread(of: Option<Spread>) -> Option<String> {
    let of = of?;
    let median = show::time(of.median_ns);
    Some(if of.of > 1 {
        format!("{median} [{}–{}]", show::time(of.least_ns), show::time(of.most_ns))
    } else {
        median
    })
}

fn or_dash(text: Option<String>) -> String {
    text.unwrap_or_else(|| "–".to_owned())
}

/// Until all was normal again, and in how many runs it was not, or that is not known.
fn recovery(cell: &Cell) -> String {
    let others = [(cell.not_recovered, "not recovered"), (cell.recovery_unknown, "not known")];
    let others = others.into_iter().filter(|(of, _)| *of > 0);
    match spread(cell.recovery) {
        None => {
            or_dash(others.map(|(_, word)| word.to_owned()).reduce(|one, other| format!("{one} or {other}")))
        }
        Some(normal) => {
            let others: Vec<String> = others.map(|(of, word)| format!(", {word} in {of}")).collect();
            format!("{normal}{}", others.concat())
        }
    }
}

/// Runs whose loss is known, of those that were made.
fn runs(cell: &Cell) -> String {
    if cell.known == cell.made {
        format!("n = {}", cell.known)
    } else {
        format!("n = {} of {}", cell.known, cell.made)
    }
}

/// The figures of a cell, or the word for none.
pub(super) fn figures(cell: &Cell) -> String {
    let text = match cell.state {
        State::NotTested => "not tested".to_owned(),
        State::Inconclusive => "inconclusive".to_owned(),
        State::Tested => format!(
            "{} lost / {} doubled / {} / {} / {}",
            cell.lost.map_or_else(|| "?".to_owned(), show::count),
            cell.duplicates.map_or_else(|| "?".to_owned(), show::count),
            or_dash(spread(cell.unavailable)),
            recovery(cell),
            runs(cell)
        ),
    };
    // What was not tested was not emulated either.
    let emulated = cell.planned.emulated && cell.state != State::NotTested;
    if emulated { format!("{text} (emulated)") } else { text }
}

/// What the acknowledgements promise of a cell.
pub(super) fn promise(cell: &Cell) -> String {
    let why = show::plain(&cell.pledge.why);
    match (cell.made, cell.pledge.promise) {
        (0, _) => "–".to_owned(),
        (_, Promise::Survives) => format!("survives: {why}"),
        (_, Promise::Nothing) => format!("nothing: {why}"),
        (_, Promise::Unknown) if why.is_empty() => "–".to_owned(),
        (_, Promise::Unknown) => why,
    }
}

/// What is expected of a cell, and whether it holds.
pub(super) fn judged(cell: &Cell) -> String {
    let expected = match cell.planned.expect {
        Expect::Promise => "the promise".to_owned(),
        Expect::Any => return "nothing expected".to_owned(),
        other => other.to_string(),
    };
    match cell.judgement {
        Judgement::NotJudged if cell.state == State::NotTested => "not tested".to_owned(),
        Judgement::NotJudged => "nothing promised".to_owned(),
        Judgement::Holds => format!("{expected}: holds"),
        Judgement::Inconclusive => format!("{expected}: inconclusive"),
        Judgement::Broken => format!("{expected}: broken"),
    }
}

/// Names in the order of the design, each once.
fn names(m: &Matrix, of: fn(&Cell) -> &String) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for name in m.cells.iter().map(of) {
        if !all.contains(name) {
            all.push(name.clone());
        }
    }
    all
}

/// The faults, in their order.
pub(super) fn faults(m: &Matrix) -> Vec<String> {
    names(m, |cell| &cell.planned.fault)
}

/// The configurations, each with its cells by fault, and what an acknowledgement means.
pub(super) fn rows(m: &Matrix) -> Vec<(String, String, Vec<&Cell>)> {
    let of = |name: String| {
        let cells: Vec<&Cell> = m.cells.iter().filter(|cell| cell.planned.configuration == name).collect();
        let mut meanings: Vec<String> = Vec::new();
        for cell in cells.iter().filter(|cell| !cell.durability.is_empty()) {
            let meaning = show::plain(&cell.durability);
            if !meanings.contains(&meaning) {
                meanings.push(meaning);
            }
        }
        let means = if meanings.is_empty() { "–".to_owned() } else { meanings.join("; ") };
        (show::plain(&name), means, cells)
    };
    names(m, |cell| &cell.planned.configuration).into_iter().map(of).collect()
}

/// Configurations by faults.
pub(super) fn grid(m: &Matrix) -> Table {
    let heads = ["configuration".to_owned(), "an acknowledgement means".to_owned()];
    let mut table = Table::new(heads.into_iter().chain(faults(m).iter().map(|fault| show::plain(fault))));
    for (name, means, cells) in rows(m) {
        table.row([name, means].into_iter().chain(cells.into_iter().map(figures)));
    }
    table
}

/// Every cell in full.
pub(super) fn details(m: &Matrix) -> Table {
    let mut table = Table::new([
        "cell",
        "fault",
        "promised",
        "lost",
        "losing runs",
        "doubled",
        "unavailable",
        "longest",
        "recovered after",
        "confirmed",
        "runs",
        "expected",
        "remark",
    ]);
    for cell in &m.cells {
        let tested = cell.tested > 0;
        let when = |text: String| if tested { text } else { "not tested".to_owned() };
        let known = |text: String| match cell.state {
            State::NotTested => "not tested".to_owned(),
            State::Inconclusive => "inconclusive".to_owned(),
            State::Tested => text,
        };
        table.row([
            name(cell),
            fault(cell),
            promise(cell),
            known(cell.lost.map_or_else(|| "–".to_owned(), show::count)),
            known(format!("{} of {}", cell.losing, cell.known)),
            when(cell.duplicates.map_or_else(|| "not known".to_owned(), show::count)),
            when(or_dash(spread(cell.unavailable))),
            when(or_dash(spread(cell.longest))),
            when(recovery(cell)),
            when(show::part(cell.acked, cell.due)),
            if tested { runs(cell) } else { "–".to_owned() },
            judged(cell),
            remark(cell),
        ]);
    }
    table
}

/// What the fault is; a loss of power is an emulation.
fn fault(cell: &Cell) -> String {
    let what =
        if cell.planned.what.is_empty() && cell.planned.skip.is_none() { "none" } else { &cell.planned.what };
    let emulated = if cell.planned.emulated { " (emulated)" } else { "" };
    show::plain(&format!("{what}{emulated}"))
}

/// What one should know of a cell's figures.
fn remark(cell: &Cell) -> String {
    let unfit = (cell.unfit > 0).then(|| {
        format!(
            "in {} the machine was not fit to measure: times may be too long",
            show::several(u64::from(cell.unfit), "run")
        )
    });
    let all: Vec<String> = cell.reason.iter().map(|why| show::plain(why)).chain(unfit).collect();
    if all.is_empty() { "–".to_owned() } else { all.join("; ") }
}

/// Every run.
pub(super) fn trials(m: &Matrix) -> Table {
    let mut table = Table::new([
        "run",
        "cell",
        "outcome",
        "hit",
        "confirmed",
        "refused",
        "not answered",
        "lost",
        "doubled",
        "unavailable",
        "recovered after",
    ]);
    for trial in &m.trials {
        let time = |of: Option<u64>| of.map_or_else(|| "–".to_owned(), show::time);
        let events = |of: Option<u64>| of.map_or_else(|| "not known".to_owned(), show::count);
        table.row([
            show::plain(if trial.folder.is_empty() { "–" } else { &trial.folder }),
            show::plain(&format!("{} / {}", trial.configuration, trial.fault)),
            outcome(trial),
            show::plain(&if trial.hit.is_empty() { "–".to_owned() } else { trial.hit.join(", ") }),
            show::part(trial.acked, trial.due),
            show::count(trial.refused),
            show::count(trial.unconfirmed),
            events(trial.lost),
            events(trial.duplicates),
            time(trial.unavailable_ns),
            time(trial.recovery_ns),
        ]);
    }
    table
}

/// What became of a run, with the reason.
pub(super) fn outcome(trial: &Trial) -> String {
    let word = match trial.outcome {
        Outcome::Tested => "tested",
        Outcome::NotInjected => "not tested",
        Outcome::Failed => "failed",
    };
    trial.reason.as_ref().map_or_else(|| word.to_owned(), |why| format!("{word}: {}", show::plain(why)))
}

/// What readers should know, from the file.
pub(super) fn notes(m: &Matrix) -> Vec<String> {
    m.about.notes.iter().map(|note| show::plain(note)).collect()
}

/// The sentences of the result.
pub(super) fn sentences(m: &Matrix) -> Vec<String> {
    m.sentences.iter().map(|sentence| show::plain(sentence)).collect()
}

/// How the runs were made.
pub(super) fn design(m: &Matrix) -> String {
    format!(
        "Each round has one run of each cell, in an order drawn from the seed; in every second round it is the reverse order of the one \
         before. Each run has a broker of its own, and the runs of a round have the same events. Pause before each run: {}. A confirmed event \
         counts as lost if the store, read back after the run, does not have it, or if a group never received it.",
        m.design.cool_down
    )
}

/// The command that repeats it.
pub(super) fn command(m: &Matrix) -> String {
    let sets: Vec<String> = m.about.sets.iter().map(|set| format!(" --set {}", quoted(set))).collect();
    show::plain(&format!(
        "tickgate matrix {}{} --runs {} --seed {}",
        quoted(&m.about.file),
        sets.concat(),
        m.design.runs,
        m.design.seed
    ))
}

/// CSS class of a cell.
pub(super) const fn class(cell: &Cell) -> &'static str {
    match (cell.state, cell.judgement) {
        (_, Judgement::Broken) => "fail",
        (_, Judgement::Inconclusive) | (State::Inconclusive, _) => "inconclusive",
        (_, Judgement::Holds) => "pass",
        (_, Judgement::NotJudged) => "not-tested",
    }
}
