//! Looks at the figures before the last pair, at fixed numbers of pairs and with levels for all looks together; and comparisons that
//! only ask whether a side is worse.

use super::metrics::{METRICS, Metric};
use super::{
    Contrast, Design, Family, Finding, LookTaken, MetricLooks, MetricResult, Pair, Round, Setups, judge,
    trial, words,
};
use crate::num::{self, show};
use crate::stats::{self, Found, Looks};

/// Pairs of a comparison with looks: those of the last look, and spare ones that replace pairs that do not count.
pub const EARLY_PAIRS: u32 = 20;
/// Simulated comparisons for the probability of a false alarm.
const SIMULATED: u32 = 20_000;

/// The levels of one of this many tests, in one direction.
fn looks(design: &Design, tests: u32) -> Option<Looks> {
    let looks = Looks::of(design.alpha / 2.0)?.among(tests);
    Some(if design.worse_only { looks } else { looks.to_the_end() })
}

/// The tests that share the level of a metric.
fn tests(design: &Design, contrasts: usize, metric: &MetricResult) -> u32 {
    if metric.family == Family::Deciding {
        num::count32(design.decide.len() * contrasts)
    } else {
        metric.family_size
    }
}

/// The looks at a metric in one direction, and what they say.
type Seen = (Vec<stats::Look>, Found);

/// The looks at these ratios for "higher" and, if it is asked for, for "lower".
fn see(design: &Design, looks: &Looks, ratios: &[(u32, f64)]) -> (Seen, Option<Seen>) {
    let logs: Vec<f64> = ratios.iter().map(|(_, ratio)| ratio.ln()).collect();
    let least = design.min_effect.ln_1p();
    let lower = (!design.worse_only).then(|| {
        let mirrored: Vec<f64> = logs.iter().map(|log| -log).collect();
        looks.see(&mirrored, least)
    });
    (looks.see(&logs, least), lower)
}

/// The looks at a metric, for the account; `None` without looks.
pub(super) fn taken(design: &Design, contrasts: usize, metric: &MetricResult) -> Option<MetricLooks> {
    let looks = looks(design, tests(design, contrasts, metric)).filter(|_| design.early)?;
    let ((higher, above), lower) = see(design, &looks, &metric.ratios);
    let last = |seen: &[stats::Look]| seen.last().map(|look| look.pairs);
    let stopped = match (above, &lower) {
        (Found::Above, _) => last(&higher),
        (_, Some((seen, Found::Above))) => last(seen),
        (Found::NotAbove, _) => last(&higher),
        (Found::More(_), _) => None,
    };
    let stored = |look: &stats::Look| LookTaken::from(look);
    let mirrored = |look: &stats::Look| LookTaken::from(&stats::Look { estimate: -look.estimate, ..*look });
    let lower = lower.map_or_else(Vec::new, |(seen, _)| seen.iter().map(mirrored).collect());
    Some(MetricLooks { higher: higher.iter().map(stored).collect(), lower, stopped })
}

/// The finding on a metric with looks: the first look that says something, whatever comes after it. `None` if they say that there
/// is no difference to be found: then the intervals speak.
pub(super) fn judge(design: &Design, contrasts: usize, metric: &MetricResult) -> Option<(Finding, String)> {
    let tests = tests(design, contrasts, metric);
    let Some(looks) = looks(design, tests) else {
        return Some((Finding::Inconclusive, format!("no levels are known for α = {}", design.alpha)));
    };
    let ((seen, found), lower) = see(design, &looks, &metric.ratios);
    let said = |seen: &[stats::Look]| {
        let Some(look) = seen.last() else { return String::new() };
        format!(
            "one-sided p {} after {} pairs, at most {:.4} needed there, and the difference is at least {}",
            words::p(look.p),
            look.pairs,
            look.level,
            show::percent(design.min_effect)
        )
    };
    if found == Found::Above {
        return Some((Finding::Worse, said(&seen)));
    }
    if let Some((seen, Found::Above)) = lower {
        return Some((Finding::Better, said(&seen)));
    }
    match found {
        Found::More(next) => {
            Some((Finding::Inconclusive, format!("{} of {next} pairs", metric.ratios.len())))
        }
        Found::Above | Found::NotAbove => None,
    }
}

/// Can no more rounds change what the deciding metrics say? Always `false` without looks.
#[must_use]
pub fn settled(design: &Design, setups: &Setups<'_>, rounds: &[Round]) -> bool {
    let (first, others) = setups.contrasts();
    let tests = num::count32(design.decide.len() * (others.len() + 1));
    let Some(looks) = looks(design, tests).filter(|_| design.early) else { return false };
    let mut contrasts = std::iter::once(first).chain(others);
    contrasts.all(|contrast| settled_on(design, &looks, contrast, rounds))
}

fn settled_on(design: &Design, looks: &Looks, contrast: Contrast, rounds: &[Round]) -> bool {
    let mut pairs: Vec<Pair> = rounds.iter().map(|round| round.pair(contrast)).collect();
    pairs.retain(|pair| trial::exclusion(pair, contrast).is_none());
    let deciding = METRICS.iter().filter(|metric| design.decide.iter().any(|name| name == metric.name));
    let found: Vec<[Found; 2]> = deciding.map(|metric| both(design, looks, metric, &pairs)).collect();
    let worse = found.iter().any(|[above, _]| *above == Found::Above);
    let ended = |[above, below]: &[Found; 2]| {
        let is_open = |found: &Found| matches!(found, Found::More(_));
        *below == Found::Above || !is_open(above)
    };
    worse || found.iter().all(ended)
}

/// What the pairs say of "higher" and of "lower".
fn both(design: &Design, looks: &Looks, metric: &Metric, pairs: &[Pair]) -> [Found; 2] {
    let ((_, above), below) = see(design, looks, &judge::ratios(metric, pairs));
    [above, below.map_or(Found::NotAbove, |(_, below)| below)]
}

/// The probability of a false alarm of the deciding metrics, simulated for the looks of this design with independent metrics; `None`
/// without looks.
#[must_use]
pub fn simulated_false_alarms(design: &Design, contrasts: usize) -> Option<f64> {
    let looks = looks(design, num::count32(design.decide.len() * contrasts)).filter(|_| design.early)?;
    Some(stats::false_alarms(&looks, !design.worse_only, SIMULATED, 1))
}
