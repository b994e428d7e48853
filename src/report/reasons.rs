//! Why a run did not pass, and what to do next: each thing is said once, in a terminal also what the tables above say.

use super::show;
use super::words;
use crate::plan::Objective;
use crate::record::{ObjectiveResult, Record, Verdict};
use crate::verdict::{self, Explanation, Untimed};

/// A reason and the next step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reason {
    pub(crate) kind: &'static str,
    pub(crate) what: String,
    pub(crate) why: String,
    /// `why` without what the table of objectives and the ledger show; may be empty.
    pub(crate) beyond: String,
    pub(crate) next: String,
}

impl Reason {
    /// A reason that no table shows. Texts from outside are sanitised.
    pub(crate) fn new(kind: &'static str, what: String, why: &str, next: &str) -> Self {
        let why = show::plain(why);
        Self { kind, what, beyond: why.clone(), why, next: show::plain(next) }
    }
}

/// Reasons with the same next step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Advice {
    /// What did not pass, and why unless the tables above say it.
    pub(crate) reasons: Vec<String>,
    /// The next step; may be empty.
    pub(crate) next: String,
}

/// The reasons by their next step, in the order of their first mention, for a terminal.
pub(crate) fn advice(record: &Record) -> Vec<Advice> {
    let mut all: Vec<(Vec<(String, String)>, String)> = Vec::new();
    for Reason { what, beyond, next, .. } in reasons(record) {
        match all.iter_mut().find(|(_, known)| !known.is_empty() && *known == next) {
            Some((lines, _)) => match lines.iter_mut().find(|(_, why)| *why == beyond) {
                Some((known, _)) => *known = format!("{known}; {what}"),
                None => lines.push((what, beyond)),
            },
            None => all.push((vec![(what, beyond)], next)),
        }
    }
    let line = |(what, why): (String, String)| {
        if why.is_empty() { format!("{what}: missed") } else { format!("{what}: {why}") }
    };
    let advice = |(lines, next): (Vec<_>, _)| Advice { reasons: lines.into_iter().map(line).collect(), next };
    all.into_iter().map(advice).collect()
}

/// Every reason why something did not pass, and the harness's own part in the figures; each only once.
pub(crate) fn reasons(record: &Record) -> Vec<Reason> {
    let mut all: Vec<Reason> = Vec::new();
    if let Some(reason) = &record.run.reason {
        all.push(Reason::new("inconclusive", "The run did not complete".into(), reason, ""));
    }
    let missed = missed(record);
    let untimed: Vec<&Missed<'_>> = missed.iter().filter(|missed| missed.only_untimed().is_some()).collect();
    for of in &missed {
        let reason = of.reason();
        match all.iter_mut().find(|r| r.why == reason.why) {
            Some(known) if known.what == "The run did not complete" => {}
            Some(known) if of.only_untimed().is_none() => known.what = format!("{}; {}", known.what, of.name),
            // All objectives of this kind are in the reason of the first.
            _ if untimed.len() > 1 && of.only_untimed().is_some() => {
                if untimed.first().is_some_and(|first| std::ptr::eq(*first, of)) {
                    all.push(of_untimed(&untimed));
                }
            }
            _ => all.push(reason),
        }
    }
    once(record, &mut all);
    all.extend(words::left_out(record));
    for reason in &record.health.reasons {
        let what = format!("The harness's own part ({})", show::plain(&reason.rule));
        let reason = Reason::new("note", what, &reason.seen, &reason.next);
        if all.iter().all(|known| known.why != reason.why) {
            all.push(reason);
        }
    }
    all
}

/// An objective that did not pass.
struct Missed<'a> {
    result: &'a ObjectiveResult,
    name: String,
    /// The parts of its reason, where it is that of this version.
    explanation: Option<Explanation>,
}

impl Missed<'_> {
    /// The events without a time, where there is no other reason.
    fn only_untimed(&self) -> Option<&Untimed> {
        self.explanation.as_ref().and_then(Explanation::only_untimed)
    }

    fn reason(&self) -> Reason {
        let why = self.result.reason.as_deref().unwrap_or("no reason given");
        let next = self.result.next.as_deref().unwrap_or_default();
        let reason = Reason::new(self.result.verdict.as_str(), self.name.clone(), why, next);
        let beyond = self.explanation.as_ref().map(|parts| show::plain(&parts.beyond_the_tables()));
        Reason { beyond: beyond.unwrap_or_else(|| reason.beyond.clone()), ..reason }
    }
}

/// The objectives that did not pass. Results are in the order of the plan's objectives.
fn missed(record: &Record) -> Vec<Missed<'_>> {
    let of_plan = |at: usize, result: &ObjectiveResult| -> Option<&Objective> {
        record.plan.objectives.get(at).filter(|objective| objective.name() == result.name)
    };
    let results = record.objectives.iter().enumerate();
    results
        .filter(|(_, result)| result.verdict != Verdict::Pass)
        .map(|(at, result)| Missed {
            result,
            name: show::plain(&format!("{} {}", result.name, words::limit(result))),
            explanation: of_plan(at, result)
                .filter(|_| result.verdict == Verdict::Fail)
                .and_then(|objective| verdict::explanation(record, objective))
                .filter(|parts| result.reason.as_ref().is_some_and(|reason| *reason == parts.to_string())),
        })
        .collect()
}

/// One reason for all objectives about times whose due events do not all have one. The counts differ between what is
/// published once and what is due to several groups.
fn of_untimed(missed: &[&Missed<'_>]) -> Reason {
    let mut by_count: Vec<(String, Vec<&str>)> = Vec::new();
    let mut of_run: Vec<Option<&str>> = Vec::new();
    let mut silent: Vec<String> = Vec::new();
    for (of, untimed) in missed.iter().filter_map(|of| Some((of, of.only_untimed()?))) {
        let count = format!("{} of {} due events", untimed.events, untimed.due);
        match by_count.iter_mut().find(|(known, _)| *known == count) {
            Some((_, names)) => names.push(&of.name),
            None => by_count.push((count, vec![&of.name])),
        }
        of_run.push(untimed.of_run.as_deref());
        for name in &untimed.silent {
            if !silent.contains(name) {
                silent.push(name.clone());
            }
        }
    }
    of_run.dedup();
    let (what, count) = if let [(count, names)] = &by_count[..] {
        (names.join("; "), count.clone())
    } else {
        let what = by_count.iter().map(|(count, names)| format!("{} ({count})", names.join("; ")));
        (what.collect::<Vec<_>>().join("; "), "these events".to_owned())
    };
    // Losses are counted in the scope of an objective, so that they may differ.
    let of_run = match of_run[..] {
        [Some(of_run)] => format!(" (in the whole run {of_run})"),
        _ => String::new(),
    };
    let silent = if silent.is_empty() {
        String::new()
    } else {
        format!("; {} received nothing", silent.join(" and "))
    };
    let next = missed.first().and_then(|first| first.result.next.as_deref()).unwrap_or_default();
    let why = format!("{count} have no time{of_run}{silent}");
    let beyond = show::plain(&format!("{count} have no time{silent}"));
    Reason { beyond, ..Reason::new(Verdict::Fail.as_str(), what, &why, next) }
}

/// Leaves out why events were refused where the ledger says it, and where an earlier reason does.
fn once(record: &Record, all: &mut [Reason]) {
    let Some(refused) = record.load.why_refused() else { return };
    let refused = show::plain(&refused);
    let forms = [format!(" ({refused})"), format!("; {refused}")];
    let without = |text: &str| forms.iter().fold(text.to_owned(), |text, form| text.replace(form, ""));
    let mut said = false;
    for reason in all {
        reason.beyond = without(&reason.beyond);
        let has = reason.why.contains(&refused);
        if said {
            reason.why = without(&reason.why);
        }
        said |= has;
    }
}

/// What a mark says, unless the reason of the run's end says it too.
pub(crate) fn mark_detail<'a>(record: &Record, detail: &'a str) -> Option<&'a str> {
    let said = record.run.reason.as_ref().is_some_and(|reason| reason.contains(detail));
    (!said && !detail.is_empty()).then_some(detail)
}
