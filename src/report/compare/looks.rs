//! The looks of a comparison before its last pair, in a table and a sentence.

use crate::compare::{Comparison, Family, LookTaken};
use crate::report::table::Table;
use crate::stats::LOOKS;

/// The looks at each deciding metric; without rows if the comparison took none.
pub(super) fn looks(c: &Comparison) -> Table {
    let pairs = LOOKS.iter().map(|pairs| format!("{pairs} pairs: p (level)"));
    let head = ["metric", "test for"].into_iter().map(str::to_owned).chain(pairs);
    let mut table = Table::new(head.chain(["stopped at".to_owned()]));
    for metric in c.metrics.iter().filter(|metric| metric.family == Family::Deciding) {
        let Some(taken) = &metric.looks else { continue };
        let stopped = taken.stopped.map_or_else(|| "–".to_owned(), |pairs| format!("{pairs} pairs"));
        for (what, seen) in [("higher", &taken.higher), ("lower", &taken.lower)] {
            if seen.is_empty() {
                continue;
            }
            let cells = LOOKS.iter().map(|pairs| cell(seen, *pairs));
            let head = [metric.title.clone(), what.to_owned()];
            table.row(head.into_iter().chain(cells).chain([stopped.clone()]));
        }
    }
    table
}

fn cell(seen: &[LookTaken], pairs: u32) -> String {
    let look = seen.iter().find(|look| look.pairs == pairs);
    look.map_or_else(|| "–".to_owned(), |look| format!("{:.4} ({:.4})", look.p, look.level))
}

/// What the method says about the figures and the end of the comparison.
pub(super) fn ending(c: &Comparison) -> String {
    if !c.design.early {
        return "No figure could stop the comparison early.".to_owned();
    }
    let [first, second, last] = LOOKS;
    let several = c.design.decide.len() * (c.others.len() + 1) > 1;
    let shared = if several { ", and those of the deciding metrics share them" } else { "" };
    format!(
        "The figures could end the comparison at the looks after {first}, {second} and {last} pairs that count, by exact one-sided tests whose \
         levels keep that probability over all looks{shared}."
    )
}
