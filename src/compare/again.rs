//! Consistency check of a stored comparison: its findings must follow from its pairs.

use super::judge::{self, Evidence, Grounds};
use super::standing::Standing;
use super::{Comparison, Finding, MetricResult, Pair, Side, SideInput, Sides, fairness, rules, trial};

/// Finds where a comparison judged by this version's rules does not follow from its own pairs. A comparison judged by
/// other rules is not checked.
#[must_use]
pub fn contradiction(account: &Comparison) -> Option<String> {
    if account.rules != rules(&account.design) {
        return None;
    }
    let contrasts = account.contrasts();
    let mut seen = Vec::new();
    for contrast in &contrasts {
        match Again::of(contrast, contrasts.len()) {
            Ok(again) => seen.push(again),
            Err(problem) => return Some(problem),
        }
    }
    if contrasts.iter().any(|contrast| !same_reference(account, contrast)) {
        return Some("its contrasts do not have the same runs of the reference".to_owned());
    }
    let evidence: Vec<Evidence<'_>> =
        seen.iter().map(|again| Evidence { standing: &again.standing, pairs: &again.pairs }).collect();
    let metrics = judge::metrics(&account.design, &evidence);
    let found = contrasts.iter().zip(&seen).zip(&metrics);
    if let Some(problem) = found.clone().find_map(|((is, again), metrics)| differs(is, again, metrics)) {
        return Some(problem);
    }
    let findings: Vec<Finding> = contrasts.iter().map(|contrast| contrast.verdict.finding).collect();
    let overall = (findings.len() > 1).then(|| judge::worst(&findings));
    let shown = |finding: Option<Finding>| finding.map_or("none", Finding::as_str);
    (account.overall != overall).then(|| {
        format!(
            "its overall finding is `{}`, but its sides give `{}`",
            shown(account.overall),
            shown(overall)
        )
    })
}

/// A contrast, computed again from its runs.
struct Again {
    pairs: Vec<Pair>,
    sides: Sides,
    standing: Standing,
}

impl Again {
    /// An error if the stored pairs or sums do not follow from the runs.
    fn of(account: &Comparison, contrasts: usize) -> Result<Self, String> {
        let contrast = account.sides.contrast;
        let mut pairs = account.pairs.clone();
        for pair in &mut pairs {
            pair.excluded = trial::exclusion(pair, contrast);
        }
        if let Some((is, _)) =
            account.pairs.iter().zip(&pairs).find(|(is, should)| is.excluded != should.excluded)
        {
            let said = if is.excluded.is_some() { "leaves out" } else { "counts" };
            return Err(format!("it {said} pair {}, which does not follow from the pair's runs", is.number));
        }
        let sides = Sides {
            contrast,
            a: again(&account.sides.a, |setup| fairness::side(setup, &pairs, |pair| &pair.a)),
            b: again(&account.sides.b, |setup| fairness::side(setup, &pairs, |pair| &pair.b)),
        };
        for ((letter, is), (_, should)) in account.sides.lettered().into_iter().zip(sides.lettered()) {
            if is != should {
                return Err(format!("the sums of side {letter} do not match its runs"));
            }
        }
        let standing = Standing::of(&account.design, contrasts, &sides, &pairs);
        Ok(Self { pairs, sides, standing })
    }
}

/// Has this contrast the runs of the reference that the first one has?
fn same_reference(first: &Comparison, other: &Comparison) -> bool {
    first.sides.contrast.reference == other.sides.contrast.reference
        && first.pairs.len() == other.pairs.len()
        && first.pairs.iter().zip(&other.pairs).all(|(one, two)| one.number == two.number && one.a == two.a)
}

/// The first difference between a stored contrast and what its pairs give.
fn differs(account: &Comparison, again: &Again, metrics: &[MetricResult]) -> Option<String> {
    if account.metrics.len() != metrics.len() {
        return Some(format!(
            "it has {} metrics, but its pairs give {}",
            account.metrics.len(),
            metrics.len()
        ));
    }
    let differs = |(is, should): &(&MetricResult, &MetricResult)| {
        is.name != should.name || is.finding != should.finding || is.ratio != should.ratio
    };
    if let Some((is, should)) = account.metrics.iter().zip(metrics).find(differs) {
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
        design: &account.design,
        sides: &again.sides,
        standing: &again.standing,
        pairs: &again.pairs,
        metrics,
        interrupted: account.about.interrupted.as_deref(),
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
