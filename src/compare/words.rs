//! Text of the verdict.

use super::standing::Standing;
use super::{Design, FEWEST_PAIRS, Finding, Kind, MetricResult, Pair, Side, Sides};
use crate::num::{self, show::several};

/// `= 0.008`, `< 0.001`.
pub(super) fn p(p: f64) -> String {
    match p {
        p if p < 0.001 => "< 0.001".into(),
        p if p < 0.1 => format!("= {p:.3}"),
        p => format!("= {p:.2}"),
    }
}

/// A ratio with enough digits that 1.004 is not 1: `1.84`, `0.973`, `14.9`, `0.0312`.
#[must_use]
pub fn ratio(ratio: f64) -> String {
    match ratio {
        r if r >= 99.95 => format!("{r:.0}"),
        r if r >= 9.995 => format!("{r:.1}"),
        r if r < 0.0995 => format!("{r:.4}"),
        r if (r - 1.0).abs() < 0.05 => format!("{r:.3}"),
        r => format!("{r:.2}"),
    }
}

/// `A (file)`.
fn name(letter: &str, side: &Side) -> String {
    if side.label.is_empty() || side.label == letter {
        letter.to_owned()
    } else {
        format!("{letter} ({})", side.label)
    }
}

/// `A (file)` and `B (memory)`.
pub(super) fn names(sides: &Sides) -> [String; 2] {
    sides.lettered().map(|(letter, side)| name(letter, side))
}

/// The verdict in one or two sentences.
pub(super) fn sentence(
    design: &Design,
    sides: &Sides,
    standing: &Standing,
    used: u32,
    ranked: bool,
    deciding: &[&MetricResult],
) -> String {
    let mut parts = standing.sentences.clone();
    if !ranked {
        parts.push("Not ranked: an acknowledgement means different durability on the two sides.".into());
    }
    if used == 0 {
        parts.push("No pair of runs can be compared.".into());
    } else if used < FEWEST_PAIRS {
        if design.kind == Kind::Folders && used == 1 {
            parts.push("One run of each side: these figures allow no conclusion.".into());
        } else {
            parts.push(format!(
                "No verdict is possible: {} of at least {FEWEST_PAIRS}.",
                several(u64::from(used), "pair")
            ));
        }
    }
    parts
        .extend(deciding.iter().filter(|m| m.ratio.is_some()).map(|metric| of_metric(design, sides, metric)));
    parts.join(" ")
}

/// `B's p99 is 1.8 to 2.3 times A's, 8 pairs, p = 0.008.`
fn of_metric(design: &Design, sides: &Sides, metric: &MetricResult) -> String {
    let [a, b] = names(sides);
    let size = match (metric.interval, metric.ratio) {
        (Some(i), _) => format!("{} to {} times", ratio(i.low), ratio(i.high)),
        (None, Some(r)) => format!("{} times", ratio(r)),
        (None, None) => return String::new(),
    };
    let evidence = match metric.p_adjusted {
        Some(value) if metric.interval.is_some() => {
            format!("{}, p {}", several(u64::from(metric.pairs), "pair"), p(value))
        }
        _ => several(u64::from(metric.pairs), "pair"),
    };
    let title = &metric.title;
    match metric.finding {
        Finding::Better | Finding::Worse => {
            format!("{b}'s {title} is {size} {a}'s, {evidence}: {}.", metric.finding.as_str())
        }
        Finding::Equivalent => {
            format!("{b}'s {title} equals {a}'s within the margin: {size}, {evidence}.")
        }
        Finding::NoDifferenceShown if design.worse_only => {
            format!("{b}'s {title} is not shown to be worse: it is {size} {a}'s, {evidence}.")
        }
        Finding::NoDifferenceShown => {
            format!("No difference shown in {title}: {b}'s is {size} {a}'s, {evidence}.")
        }
        Finding::Inconclusive => format!("{b}'s {title} is {size} {a}'s, {evidence}: inconclusive."),
    }
}

/// Further findings.
pub(super) fn remarks(
    design: &Design,
    sides: &Sides,
    standing: &Standing,
    pairs: &[Pair],
    metrics: &[MetricResult],
) -> Vec<String> {
    let mut all = standing.remarks.clone();
    let [_, of_b] = names(sides);
    for finding in [Finding::Worse, Finding::Better] {
        let named: Vec<String> = metrics
            .iter()
            .filter(|m| m.finding == finding && !design.decide.contains(&m.name))
            .filter_map(|m| {
                let i = m.interval?;
                Some(format!("{} ({} to {} times)", m.title, ratio(i.low), ratio(i.high)))
            })
            .collect();
        if !named.is_empty() {
            all.push(format!("{} is {} in: {}.", of_b, finding.as_str(), named.join(", ")));
        }
    }
    for (letter, side) in sides.lettered() {
        if side.failed > 0 {
            all.push(format!(
                "{} failed in {} of {}.",
                name(letter, side),
                side.failed,
                several(num::count(pairs.len()), "run")
            ));
        }
        if side.ledger.open > 0 {
            all.push(format!(
                "{}: {} confirmed events were not delivered when a run broke off or while a part of tickgate was dead; the \
                 broker may still hold them, so they are not evidence of loss.",
                name(letter, side),
                side.ledger.open
            ));
        }
        if side.missed > 0 {
            all.push(format!(
                "{} missed an objective of the profile in {}; these runs count like the others.",
                name(letter, side),
                several(u64::from(side.missed), "run")
            ));
        }
    }
    let [a, b] = sides.contrast.letters();
    if design.allow_unequal && sides.a.durability != sides.b.durability {
        all.push(format!(
            "Unequal durability, allowed: an acknowledgement means `{}` on {a}, `{}` on {b}.",
            sides.a.durability, sides.b.durability
        ));
    }
    all
}
