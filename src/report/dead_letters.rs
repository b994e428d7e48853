//! The dead letters of a run, as a table and a sentence.

use super::show;
use super::table::Table;
use crate::record::{Audit, DeadLetters, Fault, Record};

const DASH: &str = "–";

/// A row for each group with poison events or dead letters; no rows for a run without them.
pub(crate) fn dead_letters(record: &Record) -> Table {
    let mut table = Table::new([
        "group",
        "poison events",
        "deliveries refused",
        "dead letters",
        "missing",
        "duplicate",
        "unexpected",
        "dead letters received",
    ]);
    let known = is_known(record);
    let of_store = |n: u64| if known { show::count(n) } else { DASH.into() };
    for of in record.faults.dead_letters.iter().filter(|of| has_some(of)) {
        table.row([
            show::plain(&of.group),
            show::count(of.poison),
            show::count(of.refused),
            of_store(of.stored),
            of_store(of.missing),
            of_store(of.duplicate),
            of_store(of.unexpected),
            show::count(of.received),
        ]);
    }
    table
}

/// What the columns count.
pub(crate) const NOTE: &str = "A poison event is refused by every member of its group, each time it comes, and must have exactly one dead \
letter in the store. Dead letters received are those that came to groups which subscribe their topics.";

/// The dead letters of the group that a fault made events poison for: `12 poison events, 36 deliveries refused, 12 dead letters`.
pub(crate) fn of_fault(record: &Record, fault: &Fault) -> Option<String> {
    if fault.action != "poison" {
        return None;
    }
    let of = record.faults.dead_letters.iter().find(|of| of.group == fault.target)?;
    let refused =
        format!("{} poison events, {} deliveries refused", show::count(of.poison), show::count(of.refused));
    if !record.plan.dead_letters() || !is_known(record) {
        return Some(refused);
    }
    let wrong = [(of.missing, "missing"), (of.duplicate, "duplicate"), (of.unexpected, "unexpected")];
    let wrong: Vec<String> = wrong
        .into_iter()
        .filter(|(n, _)| *n > 0)
        .map(|(n, what)| format!("{} {what}", show::count(n)))
        .collect();
    let wrong = if wrong.is_empty() { String::new() } else { format!(" ({})", wrong.join(", ")) };
    Some(format!("{refused}, {} dead letters{wrong}", show::count(of.stored)))
}

fn has_some(of: &DeadLetters) -> bool {
    *of != DeadLetters { group: of.group.clone(), ..DeadLetters::default() }
}

/// Was the whole store read?
fn is_known(record: &Record) -> bool {
    record.audit.as_ref().is_some_and(Audit::settles_loss)
}
