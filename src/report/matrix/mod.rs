//! Renderers of a matrix: they turn a [`Matrix`] into files and text.

mod html;
mod junit;
mod markdown;
mod sections;
mod terminal;

pub use markdown::markdown;
pub use terminal::{progress, terminal};

use crate::matrix::Matrix;

/// Every file of a matrix's report except `matrix.json` and `trials.jsonl`; the same account gives the same bytes.
#[must_use]
pub fn files(matrix: &Matrix) -> Vec<(String, Vec<u8>)> {
    vec![
        ("matrix.html".to_owned(), html::page(matrix).into_bytes()),
        ("matrix.md".to_owned(), markdown(matrix).into_bytes()),
        ("junit.xml".to_owned(), junit::xml(matrix).into_bytes()),
    ]
}
