//! The verdict in words.

use super::{Design, FEWEST_PAIRS, Finding, Kind, Ledger, MetricResult, Pair, Side, Sides};

/// `8 pairs`, `1 pair`.
pub(super) fn count(n: u32, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}

/// `5 %`.
pub(super) fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if (percent - percent.round()).abs() < 1e-9 {
        format!("{percent:.0} %")
    } else {
        format!("{percent:.1} %")
    }
}

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

fn name(letter: &str, side: &Side) -> String {
    if side.label.is_empty() || side.label == letter {
        letter.to_owned()
    } else {
        format!("{letter} ({})", side.label)
    }
}

/// What one side did to events and the other did not.
pub(super) fn faults(of: &Ledger, other: &Ledger) -> Vec<String> {
    let kinds = [
        ("lost", of.lost, other.lost),
        ("corrupted", of.corrupt, other.corrupt),
        ("stored twice", of.duplicate, other.duplicate),
        ("delivered out of order", of.reordered, other.reordered),
    ];
    kinds
        .iter()
        .filter(|(_, own, other)| *own > 0 && *other == 0)
        .map(|(what, own, _)| format!("{what} {own}"))
        .collect()
}

/// Faults first, one sentence for each side that has some.
fn fault_sentences(sides: &Sides) -> Vec<String> {
    let (a, b) = (name("A", &sides.a), name("B", &sides.b));
    let (own_a, own_b) = (&sides.a.ledger, &sides.b.ledger);
    let one = |side: &str, other: &str, what: Vec<String>| {
        (!what.is_empty()).then(|| format!("{side} {} events, {other} none.", what.join(", ")))
    };
    let both = (own_a.lost > 0 && own_b.lost > 0)
        .then(|| format!("Both lost events: {a} {}, {b} {}.", own_a.lost, own_b.lost));
    [one(&b, &a, faults(own_b, own_a)), one(&a, &b, faults(own_a, own_b)), both]
        .into_iter()
        .flatten()
        .collect()
}

/// The whole in a sentence or two.
pub(super) fn sentence(
    design: &Design,
    sides: &Sides,
    used: u32,
    ranked: bool,
    deciding: &[&MetricResult],
) -> String {
    let mut parts = fault_sentences(sides);
    if !ranked {
        parts.push("Not ranked: an acknowledgement does not mean the same on both sides.".into());
    }
    if used == 0 {
        parts.push("No pair of runs can be compared.".into());
    } else if used < FEWEST_PAIRS {
        if design.kind == Kind::Folders && used == 1 {
            parts.push(
                "One run of each side: these are figures, and nothing can be inferred from them.".into(),
            );
        } else {
            parts.push(format!("It cannot be told: {} of at least {FEWEST_PAIRS}.", count(used, "pair")));
        }
    }
    parts.extend(deciding.iter().filter(|m| m.ratio.is_some()).map(|metric| of_metric(sides, metric)));
    parts.join(" ")
}

/// `B's p99 is 1.8 to 2.3 times A's, 8 pairs, p = 0.008.`
fn of_metric(sides: &Sides, metric: &MetricResult) -> String {
    let (a, b) = (name("A", &sides.a), name("B", &sides.b));
    let size = match (metric.interval, metric.ratio) {
        (Some(i), _) => format!("{} to {} times", ratio(i.low), ratio(i.high)),
        (None, Some(r)) => format!("{} times", ratio(r)),
        (None, None) => return String::new(),
    };
    let evidence = match metric.p_adjusted {
        Some(value) if metric.interval.is_some() => {
            format!("{}, p {}", count(metric.pairs, "pair"), p(value))
        }
        _ => count(metric.pairs, "pair"),
    };
    let title = &metric.title;
    match metric.finding {
        Finding::Better | Finding::Worse => {
            format!("{b}'s {title} is {size} {a}'s, {evidence}: {}.", metric.finding.as_str())
        }
        Finding::Equivalent => {
            format!("{b}'s {title} is the same as {a}'s within the margin: {size}, {evidence}.")
        }
        Finding::NoDifferenceShown => {
            format!("No difference shown in {title}: {b}'s is {size} {a}'s, {evidence}.")
        }
        Finding::Inconclusive => format!("{b}'s {title} is {size} {a}'s, {evidence}: inconclusive."),
    }
}

/// What else was found.
pub(super) fn remarks(
    design: &Design,
    sides: &Sides,
    pairs: &[Pair],
    metrics: &[MetricResult],
) -> Vec<String> {
    let mut all = Vec::new();
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
            all.push(format!("{} is {} in: {}.", name("B", &sides.b), finding.as_str(), named.join(", ")));
        }
    }
    for (letter, side) in [("A", &sides.a), ("B", &sides.b)] {
        if side.failed > 0 {
            all.push(format!(
                "{} failed in {} of {}.",
                name(letter, side),
                side.failed,
                count(crate::num::count32(pairs.len()), "run")
            ));
        }
        if side.missed > 0 {
            all.push(format!(
                "{} missed an objective of the profile in {}; these are measurements like the others.",
                name(letter, side),
                count(side.missed, "run")
            ));
        }
    }
    if design.allow_unequal && sides.a.durability != sides.b.durability {
        all.push(format!(
            "Unequal durability, allowed: an acknowledgement of A means `{}`, one of B `{}`.",
            sides.a.durability, sides.b.durability
        ));
    }
    all
}
