//! Consistency check of a stored account: its answer and its verdict must follow from its trials.

use super::RULES;
use super::account::Capacity;
use super::answer::Answer;
use super::conclude::{Inputs, conclude};

/// Finds where an account made by this version's rules does not follow from its own trials. An account of other rules is not
/// checked.
#[must_use]
pub fn contradiction(account: &Capacity) -> Option<String> {
    if account.rules != RULES {
        return None;
    }
    // A search of other rates could take any time to compute.
    let design = &account.design;
    let sound = design.min > 0.0 && design.min <= design.max && design.max.is_finite();
    if !sound {
        return Some(format!("its rates are {} to {}", design.min, design.max));
    }
    let again = conclude(Inputs {
        about: account.about.clone(),
        design: account.design.clone(),
        plan: account.plan.clone(),
        broker: None,
        environment: None,
        prices: None,
        targets: account.targets.iter().filter(|target| target.asked).map(|target| target.rate).collect(),
        growth: None,
        trials: account.trials.clone(),
    });
    // The reasons quote texts, which are cleaned before they are written.
    let figures = |answer: &Answer| Answer { irregular: Vec::new(), ..answer.clone() };
    if figures(&again.answer) != figures(&account.answer) {
        return Some("its answer does not follow from its trials".to_owned());
    }
    let verdicts =
        |account: &Capacity| account.targets.iter().map(|target| target.verdict).collect::<Vec<_>>();
    if verdicts(&again) != verdicts(account) || again.verdict != account.verdict {
        return Some(format!("its verdict is not the one that its trials give, {}", again.verdict.as_str()));
    }
    None
}
