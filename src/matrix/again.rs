//! Consistency check of a stored account: its cells and its verdict must follow from its runs.

use super::RULES;
use super::account::Matrix;
use super::conclude::{Inputs, conclude};

/// Finds where an account made by this version's rules does not follow from its own runs. An account of other rules is not
/// checked.
#[must_use]
pub fn contradiction(account: &Matrix) -> Option<String> {
    if account.rules != RULES {
        return None;
    }
    let again = conclude(Inputs {
        about: account.about.clone(),
        design: account.design.clone(),
        trials: account.trials.clone(),
    });
    if again.cells.len() != account.cells.len() {
        return Some("it does not have the cells of its design".to_owned());
    }
    if let Some((of, _)) = again.cells.iter().zip(&account.cells).find(|(one, other)| one != other) {
        let planned = &of.planned;
        return Some(format!(
            "the cell {} × {} does not follow from its runs",
            planned.configuration, planned.fault
        ));
    }
    (again.verdict != account.verdict)
        .then(|| format!("its verdict is not the one that its cells give, {}", again.verdict.as_str()))
}
