//! Renderers of a search for the capacity: they turn a [`Capacity`] into files and text.

mod beside;
mod html;
mod junit;
mod markdown;
mod sections;
mod terminal;
mod words;

pub use beside::{SideBySide, side_by_side};
pub use markdown::markdown;
pub use terminal::{progress, terminal};
pub(crate) use words::{caveat, outcome_word, stage_word};

use super::chart;
use crate::capacity::Capacity;

/// Every file of a search's report except `capacity.json` and `trials.jsonl`; the same account gives the same bytes.
#[must_use]
pub fn files(capacity: &Capacity) -> Vec<(String, Vec<u8>)> {
    let charts = chart::of_capacity(capacity);
    let under = sections::under(capacity);
    let mut files = vec![("capacity.html".to_owned(), html::page(capacity, &charts).into_bytes())];
    files.extend(
        charts.iter().map(|chart| (format!("charts/{}.svg", chart.id), chart.file(&under).into_bytes())),
    );
    files.push(("capacity.md".to_owned(), markdown(capacity).into_bytes()));
    files.push(("junit.xml".to_owned(), junit::xml(capacity).into_bytes()));
    files
}
