//! Consistency check of a stored comparison: its findings must follow from its pairs.

use super::judge::{self, Grounds};
use super::standing::Standing;
use super::{Comparison, RULES, Side, SideInput, Sides, fairness, trial};

/// Finds where a comparison judged by this version's rules does not follow from its own pairs. A comparison judged by
/// other rules is not checked.
#[must_use]
pub fn contradiction(account: &Comparison) -> Option<String> {
    if account.rules != RULES {
        return None;
    }
    let Comparison { design, about, .. } = account;
    let mut pairs = account.pairs.clone();
    for pair in &mut pairs {
        pair.excluded = trial::exclusion(pair);
    }
    if let Some((is, _)) =
        account.pairs.iter().zip(&pairs).find(|(is, should)| is.excluded != should.excluded)
    {
        let said = if is.excluded.is_some() { "leaves out" } else { "counts" };
        return Some(format!("it {said} pair {}, which does not follow from the pair's runs", is.number));
    }
    let sides = Sides {
        a: again(&account.sides.a, |setup| fairness::side(setup, &pairs, |pair| &pair.a)),
        b: again(&account.sides.b, |setup| fairness::side(setup, &pairs, |pair| &pair.b)),
    };
    for (letter, is, should) in [("A", &account.sides.a, &sides.a), ("B", &account.sides.b, &sides.b)] {
        if is != should {
            return Some(format!("the sums of side {letter} do not match its runs"));
        }
    }
    let standing = Standing::of(design, &sides, &pairs);
    let metrics = judge::metrics(design, &standing, &pairs);
    if account.metrics.len() != metrics.len() {
        return Some(format!(
            "it has {} metrics, but its pairs give {}",
            account.metrics.len(),
            metrics.len()
        ));
    }
    let differs = |(is, should): &(&super::MetricResult, &super::MetricResult)| {
        is.name != should.name || is.finding != should.finding || is.ratio != should.ratio
    };
    if let Some((is, should)) = account.metrics.iter().zip(&metrics).find(differs) {
        return Some(format!(
            "its metric {} is `{}` at {}, but its pairs give `{}` at {}",
            is.name,
            is.finding.as_str(),
            shown(is.ratio),
            should.finding.as_str(),
            shown(should.ratio)
        ));
    }
    let verdict = judge::verdict(&Grounds {
        design,
        sides: &sides,
        standing: &standing,
        pairs: &pairs,
        metrics: &metrics,
        interrupted: about.interrupted.as_deref(),
    });
    let (is, should) = (account.verdict.finding.as_str(), verdict.finding.as_str());
    (is != should).then(|| format!("its verdict is `{is}`, but its pairs give `{should}`"))
}

/// Recomputes a side from its runs; facts that are only in its records are copied.
fn again(stored: &Side, of: impl Fn(&SideInput) -> Side) -> Side {
    let setup = SideInput { label: stored.label.clone(), overrides: stored.overrides.clone(), sample: None };
    Side {
        product: stored.product.clone(),
        mode: stored.mode.clone(),
        durability: stored.durability.clone(),
        ..of(&setup)
    }
}

fn shown(ratio: Option<f64>) -> String {
    ratio.map_or_else(|| "no ratio".to_owned(), super::words::ratio)
}
