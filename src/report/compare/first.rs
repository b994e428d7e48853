//! The first screen of a comparison: for each side a few sentences in words, with estimates and intervals, for people who
//! decide.

use super::{figure, finding_word, ratio, side_name};
use crate::compare::{
    Comparison, Family, Finding, Interval, Ledger, Load, MetricResult, Unit, carried_ratio,
    second_is_more_durable,
};
use crate::report::show;

/// Shares of the load that are shown as the whole.
const WHOLE: f64 = 0.999_95;
/// The metrics that a price of durability is paid in, besides the deciding ones.
const PAID_IN: [&str; 2] = ["broker.cpu", "broker.memory"];

/// One side against the reference.
pub(super) struct Answer {
    /// `B (kafka) against A (nats)`.
    pub(super) title: String,
    pub(super) finding: Finding,
    /// A sentence or two each, the most important first.
    pub(super) lines: Vec<String>,
}

/// The first screen.
pub(super) struct First {
    pub(super) answers: Vec<Answer>,
    /// How to read the intervals.
    pub(super) note: String,
}

/// The first screen of a comparison.
pub(super) fn first(c: &Comparison) -> First {
    let contrasts = c.contrasts();
    let answers = contrasts.iter().map(answer).collect();
    let corrected = if contrasts.len() > 1 {
        format!(", corrected for the number of tests on all {} sides together", contrasts.len() + 1)
    } else {
        String::new()
    };
    let note = format!(
        "In brackets: the {} interval of each figure alone. A finding needs significance{corrected}, and a difference of \
         at least {}.",
        show::percent(1.0 - c.design.alpha),
        show::percent(c.design.min_effect)
    );
    First { answers, note }
}

/// Names of the two sides, as sentences have them.
struct Names {
    a: String,
    b: String,
}

fn answer(c: &Comparison) -> Answer {
    let [a, b] = c.sides.lettered().map(|(letter, side)| side_name(letter, side));
    let title = format!("{b} against {a}");
    let names = Names { a, b };
    let mut lines: Vec<String> = deciding(c).map(|metric| estimate(c, &names, metric)).collect();
    if lines.is_empty() {
        lines.push("No metric decides.".to_owned());
    }
    lines.extend(throughput(c, &names));
    lines.extend(faults(c));
    lines.extend(durability(c));
    lines.extend(cost(c));
    let lines = lines.iter().map(|line| show::plain(line)).collect();
    Answer { title, finding: c.verdict.finding, lines }
}

fn deciding(c: &Comparison) -> impl Iterator<Item = &MetricResult> {
    c.metrics.iter().filter(|metric| metric.family == Family::Deciding)
}

/// ` (1.60–2.10)`, or that there are too few pairs for an interval.
fn brackets(interval: Option<Interval>) -> String {
    interval.map_or_else(|| " (no interval)".to_owned(), |i| format!(" ({}–{})", ratio(i.low), ratio(i.high)))
}

/// The other way round: A / B for B / A.
fn inverse((value, interval): (f64, Option<Interval>)) -> (f64, Option<Interval>) {
    (1.0 / value, interval.map(|i| Interval { low: 1.0 / i.high, high: 1.0 / i.low }))
}

/// `at 10.0k/s`, of the reference.
fn at_rate(c: &Comparison) -> String {
    c.sides.a.load.map_or_else(String::new, |load| format!(" at {}", show::rate(load.offered_rate())))
}

/// The deciding metric: by how much, with the interval.
fn estimate(c: &Comparison, names: &Names, metric: &MetricResult) -> String {
    let Names { a, b } = names;
    let title = &metric.title;
    let Some(value) = metric.ratio else {
        return format!("No finding on {title}: {}.", metric.why);
    };
    let [of_a, of_b] =
        [metric.a, metric.b].map(|v| v.map_or_else(|| "–".to_owned(), |v| figure(metric.unit, v)));
    let figures = format!("{of_b} against {of_a}");
    let size =
        |(value, interval): (f64, Option<Interval>)| format!("{} times{}", ratio(value), brackets(interval));
    let (higher, lower) = match metric.unit {
        Unit::Time => ("slower", "faster"),
        Unit::Events | Unit::Cores | Unit::Bytes => ("higher", "lower"),
    };
    let (there, back) = ((value, metric.interval), inverse((value, metric.interval)));
    let rate = at_rate(c);
    match metric.finding {
        Finding::Worse => format!("{b} was {} {higher} than {a} in {title}{rate}: {figures}.", size(there)),
        Finding::Better => format!("{b} was {} {lower} than {a} in {title}{rate}: {figures}.", size(back)),
        Finding::Equivalent => {
            let within = metric.equivalence_interval.map_or_else(String::new, |i| {
                let confidence = show::percent(1.0 - 2.0 * c.design.alpha);
                format!(", {}–{} with {confidence} confidence", ratio(i.low), ratio(i.high))
            });
            format!(
                "{b} and {a} are equivalent within {} in {title}{rate}: {} times{within}.",
                show::percent(c.design.equivalent),
                ratio(value)
            )
        }
        Finding::NoDifferenceShown => format!(
            "No difference shown in {title}{rate}: that of {b} was {} that of {a}. The interval is what the data allow; it \
             is no proof that both are equal.",
            size(there)
        ),
        Finding::Inconclusive => {
            format!(
                "Inconclusive in {title}{rate}: that of {b} was {} that of {a}; {}.",
                size(there),
                metric.why
            )
        }
    }
}

/// What both carried of their load.
fn throughput(c: &Comparison, names: &Names) -> Option<String> {
    let (a, b) = (c.sides.a.load?, c.sides.b.load?);
    let rates = |load: &Load| show::rate(load.carried_rate());
    let ratio_of = carried_ratio(&c.design, &c.pairs)?;
    let all = a.share() >= WHOLE && b.share() >= WHOLE;
    if all && (ratio_of.0 - 1.0).abs() < 0.01 {
        return Some(format!("Both carried the whole load, {}.", rates(&a)));
    }
    let shares = if all {
        String::new()
    } else {
        let share = |load: &Load| show::part(load.carried, load.due);
        format!(" ({} and {} of the events due)", share(&b), share(&a))
    };
    Some(format!(
        "{} carried {} times{} the events a second of {}: {} against {}{shares}.",
        names.b,
        ratio(ratio_of.0),
        brackets(ratio_of.1),
        names.a,
        rates(&b),
        rates(&a)
    ))
}

/// Delivery faults, if there are any.
fn faults(c: &Comparison) -> Option<String> {
    let of = |l: &Ledger| {
        let kinds = [
            (l.lost, "lost"),
            (l.corrupt, "corrupt"),
            (l.duplicate, "stored twice"),
            (l.reordered, "out of order"),
        ];
        let some = kinds.iter().filter(|(n, _)| *n > 0);
        some.map(|(n, kind)| format!("{} {kind}", show::count(*n))).collect::<Vec<_>>()
    };
    let sides = c.sides.lettered().map(|(letter, side)| (letter, of(&side.ledger)));
    if sides.iter().all(|(_, faults)| faults.is_empty()) {
        return None;
    }
    let said = sides.map(|(letter, faults)| {
        format!("{letter} {}", if faults.is_empty() { "none".to_owned() } else { faults.join(", ") })
    });
    Some(format!("Faults of delivery, in events: {}.", said.join("; ")))
}

/// What the more durable side costs, if the sides differ in durability.
fn durability(c: &Comparison) -> Option<String> {
    let [(letter_a, a), (letter_b, b)] = c.sides.lettered();
    if a.durability == b.durability || a.durability.is_empty() || b.durability.is_empty() {
        return None;
    }
    let promises = format!(
        "an acknowledgement means `{}` on {letter_b}, `{}` on {letter_a}",
        b.durability, a.durability
    );
    let Some(b_is_more) = second_is_more_durable(&a.durability, &b.durability) else {
        return Some(format!("Durability differs: {promises}."));
    };
    let (more, less) = if b_is_more { (letter_b, letter_a) } else { (letter_a, letter_b) };
    let price = |value: (f64, Option<Interval>)| {
        let (value, interval) = if b_is_more { value } else { inverse(value) };
        format!("{} times{}", ratio(value), brackets(interval))
    };
    let of_metric = |metric: &MetricResult| {
        Some(format!("{} the {}", price((metric.ratio?, metric.interval)), metric.title))
    };
    let named = PAID_IN.iter().filter_map(|name| c.metrics.iter().find(|metric| metric.name == *name));
    let mut paid: Vec<String> =
        deciding(c).chain(named.filter(|m| m.family != Family::Deciding)).filter_map(of_metric).collect();
    paid.extend(
        c.cost.as_ref().map(|cost| format!("{} the cost of an event", price((cost.ratio, cost.interval)))),
    );
    if paid.is_empty() {
        return Some(format!("{more} is more durable than {less}: {promises}."));
    }
    Some(format!(
        "Price of durability: {promises}. The more durable {more} takes {}, compared with {less}.",
        paid.join(", ")
    ))
}

/// The bill of a month.
fn cost(c: &Comparison) -> Option<String> {
    let cost = c.cost.as_ref()?;
    let [(letter_a, _), (letter_b, _)] = c.sides.lettered();
    let money = |value: f64| if value >= 100.0 { format!("{value:.0}") } else { format!("{value:.2}") };
    Some(format!(
        "A month of {letter_b} costs {} {}, of {letter_a} {}: {} times{} for each carried event.",
        money(cost.b.total()),
        cost.prices.currency,
        money(cost.a.total()),
        ratio(cost.ratio),
        brackets(cost.interval)
    ))
}

/// A tag for a finding on a side.
pub(super) fn tag(finding: Finding) -> &'static str {
    match finding {
        Finding::NoDifferenceShown => "no difference shown",
        other => finding_word(other),
    }
}
