//! What the faults did to each side, as a table: medians over the runs, with their range.

use std::collections::BTreeMap;

use super::side_name;
use crate::compare::{Comparison, Struck, Trial};
use crate::num;
use crate::report::show;
use crate::report::table::Table;
use crate::stats;

/// A row for each fault and side; no rows without faults.
pub(super) fn faults(c: &Comparison) -> Table {
    let mut table = Table::new([
        "fault",
        "side",
        "runs",
        "unavailable for publishing",
        "longest",
        "recovered after",
        "confirmed",
        "lost in the runs",
    ]);
    let runs: [Vec<&Trial>; 2] =
        [c.pairs.iter().map(|pair| &pair.a).collect(), c.pairs.iter().map(|pair| &pair.b).collect()];
    let mut known: Vec<&str> = Vec::new();
    for struck in runs.iter().flatten().flat_map(|trial| &trial.faults) {
        if !known.contains(&struck.fault.as_str()) {
            known.push(&struck.fault);
        }
    }
    for fault in known {
        for ((letter, side), runs) in c.sides.lettered().into_iter().zip(&runs) {
            let of = |trial: &&Trial| trial.faults.iter().any(|struck| struck.fault == fault);
            let runs: Vec<&Trial> = runs.iter().copied().filter(of).collect();
            table.row(row(fault, side_name(letter, side), &runs));
        }
    }
    table
}

fn row(fault: &str, side: String, runs: &[&Trial]) -> Vec<String> {
    let is = |struck: &Struck| struck.fault == fault;
    let named: Vec<&Struck> =
        runs.iter().flat_map(|trial| &trial.faults).filter(|struck| is(struck)).collect();
    let all: Vec<&Struck> = named.iter().copied().filter(|struck| struck.off_plan.is_none()).collect();
    let (due, acked) =
        (num::sum(all.iter().map(|struck| struck.due)), num::sum(all.iter().map(|struck| struck.acked)));
    let recovered: Vec<u64> = all.iter().filter_map(|struck| struck.recovery_ns).collect();
    let never = all.len() - recovered.len();
    let recovered = match (never, middle(&recovered)) {
        (0, middle) => middle,
        (never, _) if recovered.is_empty() => format!("not seen in {never}"),
        (never, middle) => format!("{middle}, not seen in {never}"),
    };
    let what = named.first().map_or(fault, |struck| &struck.what);
    vec![
        show::plain(&if what.is_empty() || what == fault {
            fault.to_owned()
        } else {
            format!("{fault}: {what}")
        }),
        side,
        counted(all.len(), &named),
        middle(&all.iter().map(|struck| struck.unavailable_ns).collect::<Vec<_>>()),
        middle(&all.iter().map(|struck| struck.longest_ns).collect::<Vec<_>>()),
        if all.is_empty() { "–".to_owned() } else { recovered },
        if due == 0 { "–".to_owned() } else { show::part(acked, due) },
        if all.is_empty() {
            "–".to_owned()
        } else {
            let as_planned =
                |trial: &&&Trial| trial.faults.iter().any(|struck| is(struck) && struck.off_plan.is_none());
            show::count(num::sum(runs.iter().filter(as_planned).map(|trial| trial.ledger.lost)))
        },
    ]
}

/// In how many runs it went as planned; of the others, how many there are for each reason.
fn counted(as_planned: usize, named: &[&Struck]) -> String {
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for why in named.iter().filter_map(|struck| struck.off_plan.as_deref()) {
        *reasons.entry(why).or_default() += 1;
    }
    let others = reasons.iter().map(|(why, runs)| format!("; {runs} {why}"));
    show::plain(&std::iter::once(as_planned.to_string()).chain(others).collect::<String>())
}

/// The median, with the range of several times.
fn middle(times: &[u64]) -> String {
    let values: Vec<f64> = times.iter().map(|time| num::f64_of(*time)).collect();
    let Some(median) = stats::median(&values) else { return "–".to_owned() };
    let median = show::time(num::u64_of(median));
    match (times.iter().min(), times.iter().max()) {
        (Some(least), Some(most)) if times.len() > 1 => {
            format!("{median} [{}–{}]", show::time(*least), show::time(*most))
        }
        _ => median,
    }
}

/// The rows as sentences, for a terminal.
pub(super) fn sentences(c: &Comparison) -> Vec<String> {
    let table = faults(c);
    let say = |row: &Vec<String>| {
        let [fault, side, runs, unavailable, longest, recovered, confirmed, lost] = row.as_slice() else {
            return String::new();
        };
        if let Some(reasons) = runs.strip_prefix("0; ") {
            return format!("{fault}, {side}: no figures; runs: {reasons}");
        }
        format!(
            "{fault}, {side}: unavailable {unavailable}, longest {longest}; recovered after {recovered}; {confirmed} confirmed, {lost} \
             lost (runs: {runs})"
        )
    };
    table.rows.iter().map(say).collect()
}
