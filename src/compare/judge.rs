//! The rules: the finding on each metric and on the whole comparison.

use super::metrics::{Family, METRICS, Metric, Unit};
use super::standing::{About, Bar, Standing, Which};
use super::{
    Design, FEWEST_PAIRS, Finding, Interval, Kind, MetricResult, Pair, Reason, Side, Sides, Trial, Verdict,
    early, words,
};
use crate::num::{self, show};
use crate::stats;

/// An interval that contains 1 and reaches this factor is too wide for "no difference shown".
const BLIND: f64 = 1.5;

/// Separates the evidence for a finding from the reason why it is not given.
const NOT_RANKED: &str = "; not ranked: ";

/// The evidence of one contrast.
pub(super) struct Evidence<'a> {
    pub(super) standing: &'a Standing,
    pub(super) pairs: &'a [Pair],
}

/// Computes and judges every metric of every contrast. A family has the metrics of all contrasts, and Holm's correction
/// covers all of them.
pub(super) fn metrics(design: &Design, contrasts: &[Evidence<'_>]) -> Vec<Vec<MetricResult>> {
    let of = |evidence: &Evidence<'_>| {
        METRICS.iter().map(|metric| measured(metric, design, evidence)).collect::<Vec<_>>()
    };
    let mut all: Vec<Vec<MetricResult>> = contrasts.iter().map(of).collect();
    for family in [Family::Deciding, Family::Latency, Family::Ack, Family::Resources, Family::Stock] {
        let of_family = |m: &&mut MetricResult| m.family == family && m.p.is_some();
        let p: Vec<f64> = all.iter_mut().flatten().filter(of_family).filter_map(|m| m.p).collect();
        let size = num::count32(p.len());
        for (metric, adjusted) in all.iter_mut().flatten().filter(of_family).zip(stats::holm(&p)) {
            metric.p_adjusted = Some(adjusted);
            metric.family_size = size;
        }
    }
    for (metrics, evidence) in all.iter_mut().zip(contrasts) {
        for metric in metrics {
            metric.looks = early::taken(design, contrasts.len(), metric);
            (metric.finding, metric.why) = judge(design, contrasts.len(), metric);
            if let Some(why) = withheld(metric, evidence) {
                metric.finding = Finding::Inconclusive;
                metric.why = format!("{}{NOT_RANKED}{why}", metric.why);
            }
        }
    }
    all
}

/// Why a metric must not favour a side: that side carried less, its runs are missing, or it lacks a figure that the other
/// side has, and the missing figure may be its worst.
fn withheld(metric: &MetricResult, evidence: &Evidence<'_>) -> Option<String> {
    let Evidence { standing, pairs } = evidence;
    let (which, bars): (Which, &[About]) = match metric.finding {
        Finding::Better => (Which::B, &[About::Load, About::Runs]),
        // A gate checks that B is as good as A, so these findings favour B too.
        Finding::Equivalent | Finding::NoDifferenceShown => (Which::B, &[About::Load]),
        Finding::Worse => (Which::A, &[About::Load, About::Runs]),
        Finding::Inconclusive => return None,
    };
    if let Some(bar) = standing.bars(which).iter().find(|bar| bars.contains(&bar.about)) {
        return Some(bar.reason.what.clone());
    }
    let has = |trial: &Trial| trial.figures.contains_key(&metric.name);
    let counted = pairs.iter().filter(|pair| pair.excluded.is_none());
    let lacks = counted.filter(|pair| match which {
        Which::A => has(&pair.b) && !has(&pair.a),
        Which::B => has(&pair.a) && !has(&pair.b),
    });
    let lacks = num::count32(lacks.count());
    (lacks > 0).then(|| {
        let pairs = show::several(u64::from(lacks), "pair");
        let letter = which.letter(standing.contrast);
        format!("{letter} has no figure in {pairs} where the other side has one")
    })
}

/// The figures of a metric in the pairs that count and have it on both sides, with the number of the pair.
fn used(metric: &Metric, pairs: &[Pair]) -> Vec<(u32, f64, f64)> {
    let of = |pair: &Pair| {
        Some((pair.number, *pair.a.figures.get(metric.name)?, *pair.b.figures.get(metric.name)?))
    };
    pairs.iter().filter(|pair| pair.excluded.is_none()).filter_map(of).collect()
}

/// The ratio B / A of each of these pairs.
pub(super) fn ratios(metric: &Metric, pairs: &[Pair]) -> Vec<(u32, f64)> {
    let one = if metric.unit == Unit::Events { 1.0 } else { 0.0 };
    used(metric, pairs).iter().map(|(number, a, b)| (*number, (b + one) / (a + one))).collect()
}

/// Computes the figures of a metric, without a finding.
fn measured(metric: &Metric, design: &Design, evidence: &Evidence<'_>) -> MetricResult {
    let pairs = evidence.pairs;
    let decides = design.decide.iter().any(|name| name == metric.name);
    let (used, ratios) = (used(metric, pairs), ratios(metric, pairs));
    let logs: Vec<f64> = ratios.iter().map(|(_, ratio)| ratio.ln()).collect();
    let interval = |confidence: f64| {
        stats::interval(&logs, confidence).map(|(low, high)| Interval { low: low.exp(), high: high.exp() })
    };
    let middle = |of: fn(&(u32, f64, f64)) -> f64| stats::median(&used.iter().map(of).collect::<Vec<_>>());
    let alone = |of: fn(&Pair) -> &Trial| {
        let counted = pairs.iter().filter(|pair| pair.excluded.is_none());
        stats::median(
            &counted.filter_map(|pair| of(pair).figures.get(metric.name).copied()).collect::<Vec<_>>(),
        )
    };
    MetricResult {
        name: metric.name.into(),
        title: metric.title.into(),
        unit: metric.unit,
        family: if decides { Family::Deciding } else { metric.family },
        family_size: 0,
        pairs: num::count32(used.len()),
        a: middle(|(_, a, _)| *a).or_else(|| alone(|pair| &pair.a)),
        b: middle(|(_, _, b)| *b).or_else(|| alone(|pair| &pair.b)),
        ratio: stats::hodges_lehmann(&logs).map(f64::exp),
        interval: interval(1.0 - design.alpha),
        equivalence_interval: interval(1.0 - 2.0 * design.alpha),
        p: (!logs.is_empty()).then(|| stats::signed_rank(&logs).p),
        p_adjusted: None,
        p_student: stats::paired_t(&logs).map(|t| t.p).filter(|p| p.is_finite()),
        ratios,
        looks: None,
        finding: Finding::Inconclusive,
        why: missing(metric, evidence),
    }
}

/// Describes which side lacks a figure, and why.
fn missing(metric: &Metric, evidence: &Evidence<'_>) -> String {
    let Evidence { standing, pairs } = evidence;
    let [a, b] = standing.contrast.letters();
    let of = |name: &str, of: fn(&Pair) -> &Trial| {
        let used = pairs.iter().filter(|pair| pair.excluded.is_none()).map(of);
        let without: Vec<&Trial> = used.filter(|t| !t.figures.contains_key(metric.name)).collect();
        let why = without.first()?.missing.get(metric.name).map_or("not measured", String::as_str);
        Some(format!("{name} has no figure in {} runs: {why}", without.len()))
    };
    let both: Vec<String> = of(a, |p| &p.a).into_iter().chain(of(b, |p| &p.b)).collect();
    both.join("; ")
}

/// Pairs needed for a family of this many tests to be able to reach α.
#[must_use]
pub fn pairs_needed(family: u32, alpha: f64) -> u32 {
    let reaches = |pairs: &u32| stats::smallest_p(num::index32(*pairs)) * f64::from(family) <= alpha;
    (FEWEST_PAIRS..64).find(reaches).unwrap_or(64)
}

/// The finding on one metric: better or worse needs significance after correction *and* a sufficient size.
fn judge(design: &Design, contrasts: usize, metric: &MetricResult) -> (Finding, String) {
    use Finding::{Better, Equivalent, Inconclusive, NoDifferenceShown, Worse};
    let said = |text: String| if metric.why.is_empty() { text } else { format!("{text}; {}", metric.why) };
    let (Some(ratio), Some(p)) = (metric.ratio, metric.p_adjusted) else {
        let why = if metric.why.is_empty() { "no pair has a figure".to_owned() } else { metric.why.clone() };
        return (Inconclusive, why);
    };
    if design.kind == Kind::Folders {
        let why = design.not_in_turns.as_deref().map_or_else(String::new, |why| format!(" ({why})"));
        return (Inconclusive, said(format!("the runs were not made in turns{why}: figures without a test")));
    }
    let (Some(interval), Some(narrow), true) =
        (metric.interval, metric.equivalence_interval, metric.pairs >= FEWEST_PAIRS)
    else {
        return (
            Inconclusive,
            said(format!("{} of at least {FEWEST_PAIRS}", show::several(u64::from(metric.pairs), "pair"))),
        );
    };
    let within =
        |interval: Interval, share: f64| interval.low >= 1.0 / (1.0 + share) && interval.high <= 1.0 + share;
    let large = !within(Interval { low: ratio, high: ratio }, design.min_effect);
    if let Some((finding, why)) = design.early.then(|| early::judge(design, contrasts, metric)).flatten() {
        return (finding, said(why));
    }
    if design.worse_only && p <= design.alpha && ratio < 1.0 {
        return (NoDifferenceShown, said(format!("lower, p {}; only worse is asked for", words::p(p))));
    }
    if !design.early && p <= design.alpha && large {
        let why =
            format!("p {}, and the difference is at least {}", words::p(p), show::percent(design.min_effect));
        return (if ratio > 1.0 { Worse } else { Better }, said(why));
    }
    if !design.worse_only && within(narrow, design.equivalent) {
        let confidence = show::percent(1.0 - 2.0 * design.alpha);
        let why = format!("the {confidence} interval lies within {}", show::percent(design.equivalent));
        return (Equivalent, said(why));
    }
    // With looks, a p between the level of the look and α is no finding.
    if p <= design.alpha && !(design.early && large) {
        let why = format!("there is a difference, but it is below {}", show::percent(design.min_effect));
        return (NoDifferenceShown, said(why));
    }
    let needed = pairs_needed(metric.family_size, design.alpha);
    if !design.early && metric.pairs < needed {
        let of = show::several(u64::from(metric.family_size), if contrasts > 1 { "test" } else { "metric" });
        return (Inconclusive, said(format!("{} of {needed} pairs that {of} need together", metric.pairs)));
    }
    if !(within(interval, BLIND - 1.0) || design.worse_only && interval.high < BLIND) {
        let (low, high) = (words::ratio(interval.low), words::ratio(interval.high));
        if !design.early && (interval.low > 1.0 || interval.high < 1.0) {
            let of = show::several(u64::from(metric.family_size), "test");
            return (Inconclusive, said(format!("p {} after the correction for {of}", words::p(p))));
        }
        return (Inconclusive, said(format!("too noisy: the ratio may be anything from {low} to {high}")));
    }
    (NoDifferenceShown, said(format!("p {}", words::p(p))))
}

/// The input of a verdict.
pub(super) struct Grounds<'a> {
    pub(super) design: &'a Design,
    pub(super) sides: &'a Sides,
    pub(super) standing: &'a Standing,
    pub(super) pairs: &'a [Pair],
    pub(super) metrics: &'a [MetricResult],
    pub(super) interrupted: Option<&'a str>,
}

/// The verdict: from obstacles first, then carried load and delivery faults, then the deciding metrics.
pub(super) fn verdict(grounds: &Grounds<'_>) -> Verdict {
    let Grounds { design, sides, standing, pairs, metrics, .. } = *grounds;
    let used = num::count32(pairs.iter().filter(|pair| pair.excluded.is_none()).count());
    let ranked = ranked(design, sides);
    let deciding: Vec<&MetricResult> = metrics.iter().filter(|m| m.family == Family::Deciding).collect();
    let findings: Vec<Finding> = deciding.iter().map(|metric| metric.finding).collect();
    let finding = if used < FEWEST_PAIRS || !ranked || design.kind == Kind::Folders {
        Finding::Inconclusive
    } else if standing.b_is_behind {
        Finding::Worse
    } else {
        allowed(standing, worst(&findings), deciding.iter().any(|metric| higher(design, metric)))
    };
    Verdict {
        finding,
        sentence: words::sentence(design, sides, standing, used, ranked, &deciding),
        remarks: words::remarks(design, sides, standing, pairs, metrics),
        reasons: reasons(grounds, finding, used, &deciding),
    }
}

/// Is the durability equal, or allowed to differ?
fn ranked(design: &Design, sides: &Sides) -> bool {
    design.allow_unequal || sides.a.durability == sides.b.durability
}

/// The overall finding if the deciding metrics give this one and B is not behind in carried load or faults.
fn allowed(standing: &Standing, finding: Finding, any_higher: bool) -> Finding {
    let finding = if standing.a_carries_less && !any_higher { Finding::Better } else { finding };
    let against = match finding {
        Finding::Better | Finding::Equivalent | Finding::NoDifferenceShown => Which::B,
        Finding::Worse => Which::A,
        Finding::Inconclusive => return finding,
    };
    if standing.bars(against).is_empty() { finding } else { Finding::Inconclusive }
}

/// Is B significantly higher, whether or not the metric may be ranked?
fn higher(design: &Design, metric: &MetricResult) -> bool {
    let sure = metric.p_adjusted.is_some_and(|p| p <= design.alpha);
    sure && metric.ratio.is_some_and(|ratio| ratio > 1.0 + design.min_effect)
}

/// The overall finding of several: worse, else inconclusive, else better, else the remaining one.
pub(super) fn worst(findings: &[Finding]) -> Finding {
    use Finding::{Better, Equivalent, Inconclusive, NoDifferenceShown, Worse};
    let any = |finding: Finding| findings.contains(&finding);
    [Worse, Inconclusive, Better, NoDifferenceShown]
        .into_iter()
        .find(|f| any(*f))
        .unwrap_or(if any(Equivalent) { Equivalent } else { Inconclusive })
}

fn reasons(grounds: &Grounds<'_>, finding: Finding, used: u32, deciding: &[&MetricResult]) -> Vec<Reason> {
    let Grounds { design, sides, standing, pairs, interrupted, .. } = *grounds;
    let mut all = Vec::new();
    let [a, b] = sides.contrast.letters();
    let mut say = |what: String, next: &str| all.push(Reason { what, next: next.to_owned() });
    if let Some(why) = interrupted {
        say(format!("the comparison was not completed: {why}"), "run it again to the end");
    }
    if !ranked(design, sides) {
        say(
            format!(
                "the sides are not ranked: an acknowledgement means `{}` on {a}, `{}` on {b}",
                sides.a.durability, sides.b.durability
            ),
            "set the same durability for both (bus.storage, bus.sync, bus.replicas), or use --allow-unequal",
        );
    }
    let excluded = num::count32(pairs.len()) - used;
    if used < FEWEST_PAIRS {
        let what = if design.kind == Kind::Folders && pairs.len() < 2 {
            "one run of each side: how much runs vary without any change is unknown".to_owned()
        } else {
            format!(
                "{} {} left, but at least {FEWEST_PAIRS} are needed to distinguish a difference from chance",
                show::several(u64::from(used), "pair"),
                if used == 1 { "is" } else { "are" }
            )
        };
        say(what, &format!("compare with --pairs {} or more", design.pairs.max(8)));
    }
    if design.kind == Kind::Folders && pairs.len() > 1 {
        let why = design.not_in_turns.as_deref().map_or_else(String::new, |why| format!(" ({why})"));
        say(
            format!(
                "the runs were not made in turns{why}, so any drift of the machine between them looks like a difference"
            ),
            "let tickgate make the runs: tickgate compare PROFILE --a … --b …",
        );
    }
    if excluded > 0 {
        let first = pairs.iter().find_map(|p| Some((p.number, p.excluded.as_deref()?)));
        let why = first.map_or_else(String::new, |(number, why)| format!(" (pair {number}: {why})"));
        let next = "fix the failures listed with the pairs below; for an unfit machine see `tickgate doctor`";
        say(
            format!("{} of {} left out{why}", excluded, show::several(num::count(pairs.len()), "pair")),
            next,
        );
    }
    if used >= FEWEST_PAIRS {
        all.extend(unclear(standing, deciding));
    }
    // Bars that do not affect the finding are left out, except those that made metrics inconclusive.
    let decided = used >= FEWEST_PAIRS && design.kind != Kind::Folders;
    let shown = |bar: &&Bar| (decided && finding == Finding::Inconclusive) || bar.about == About::Load;
    let bars = standing.bars(Which::B).iter().chain(standing.bars(Which::A));
    all.extend(bars.filter(shown).map(|bar| bar.reason.clone()));
    all.extend(sides.lettered().iter().filter_map(|(name, side)| unsteady(name, side)));
    all
}

/// Reasons for inconclusive deciding metrics. The bars of a side have their own reasons and next steps.
fn unclear(standing: &Standing, deciding: &[&MetricResult]) -> Vec<Reason> {
    let barred = [Which::A, Which::B].iter().any(|which| !standing.bars(*which).is_empty());
    let lacking = |m: &MetricResult| m.pairs < FEWEST_PAIRS || m.why.contains(NOT_RANKED);
    let unclear = |m: &&&MetricResult| m.finding == Finding::Inconclusive && !(barred && lacking(m));
    let reason = |metric: &&MetricResult| {
        let next = if lacking(metric) {
            "let another metric decide (--decide), or choose a load that both sides carry, so that both have this metric"
        } else {
            "more pairs (--pairs), longer runs (--set load.duration=…), or a quieter machine"
        };
        Reason { what: format!("{}: {}", metric.title, metric.why), next: next.into() }
    };
    deciding.iter().filter(unclear).map(reason).collect()
}

/// The reason for a side whose latency still had a trend in most runs.
fn unsteady(name: &str, side: &Side) -> Option<Reason> {
    (side.unsteady * 2 > side.measured.max(1)).then(|| Reason {
        what: format!(
            "{name} was not steady in {} of {} runs: its latency still had a trend while it was measured",
            side.unsteady, side.measured
        ),
        next: "lengthen load.warmup".into(),
    })
}
