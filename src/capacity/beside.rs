//! Two accounts beside each other: may they be compared, and do their intervals differ?

use super::account::Capacity;
use super::answer::Answer;
use crate::compare::{Difference, durability_differences, workload_differences};
use crate::num::show;
use crate::plan::{Plan, Rate};

/// Keys of a plan that give the length of a trial.
const LENGTHS: [&str; 3] = ["load.warmup", "load.duration", "load.drain"];
/// Facts that differ from minute to minute.
const PASSING: [&str; 1] = ["load average"];
/// Facts about a machine that are said if they differ.
const MOST_FACTS: usize = 6;

/// Two accounts that may stand beside each other.
#[derive(Debug, Clone, PartialEq)]
pub struct Beside<'a> {
    /// The first.
    pub a: &'a Capacity,
    /// The second.
    pub b: &'a Capacity,
    /// Do their capacities differ?
    pub finding: Apart,
    /// Why, and what to do next; sentences.
    pub why: String,
    /// What has to be known to read them; sentences, the most important first.
    pub remarks: Vec<String>,
}

/// Do two capacities differ?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Apart {
    /// The intervals do not overlap.
    Differ,
    /// The intervals overlap, or one has none.
    NotDistinguished,
}

/// Puts two accounts beside each other.
///
/// # Errors
/// Why they may not be: acknowledgements that promise unlike durability, unless it is allowed, or unlike loads.
pub fn beside<'a>(a: &'a Capacity, b: &'a Capacity, allow_unequal: bool) -> Result<Beside<'a>, String> {
    let durability = unequal_durability(a, b);
    if let (Some(unequal), false) = (&durability, allow_unequal) {
        return Err(format!(
            "{unequal}; set the same durability for both (bus.storage, bus.sync, bus.replicas), or use --allow-unequal to \
             show them beside each other anyway"
        ));
    }
    let differences = workload_differences(&shape(&a.plan), &shape(&b.plan));
    let (lengths, loads): (Vec<_>, Vec<_>) =
        differences.into_iter().partition(|difference| LENGTHS.contains(&difference.key.as_str()));
    if let Some(first) = loads.first() {
        return Err(format!(
            "the two searches do not have the same load: {} is {} in A and {} in B; search both with the same profile",
            first.key, first.a, first.b
        ));
    }
    let (finding, why) = apart(a, b);
    let unequal = durability.map(|unequal| format!("Unequal durability (allowed): {unequal}."));
    let remarks = unequal.into_iter().chain(unlike_objectives(a, b)).chain(unlike_lengths(&lengths));
    let remarks = remarks.chain(unlike_machines(a, b)).chain(irregular(a, b)).collect();
    Ok(Beside { a, b, finding, why, remarks })
}

/// How the promises of both acknowledgements differ.
fn unequal_durability(a: &Capacity, b: &Capacity) -> Option<String> {
    let promise = |c: &Capacity| c.broker.as_ref().map(|broker| broker.durability.clone());
    let known = promise(a).zip(promise(b)).filter(|(a, b)| !a.is_empty() && !b.is_empty());
    if let Some((of_a, of_b)) = known.filter(|(a, b)| a != b) {
        return Some(format!("an acknowledgement means `{of_a}` in A and `{of_b}` in B"));
    }
    let first = durability_differences(&a.plan, &b.plan).into_iter().next()?;
    Some(format!("durability differs: {} is {} in A and {} in B", first.key, first.a, first.b))
}

/// A plan whose rates are shares of `load.rate`: that of the search is a start, and no part of the load.
fn shape(plan: &Plan) -> Plan {
    let mut plan = plan.clone();
    let whole = plan.load.rate.per_second;
    if whole <= 0.0 {
        return plan;
    }
    // So that the rounding of two start rates does not differ.
    let share = |rate: Rate| Rate::per_second((rate.per_second / whole * 1e4).round() / 1e4);
    let load = &mut plan.load;
    load.rate = share(load.rate);
    if let Some(ramp) = &mut load.ramp {
        (ramp.from, ramp.to) = (share(ramp.from), share(ramp.to));
    }
    if let Some(burst) = &mut load.burst {
        burst.rate = share(burst.rate);
    }
    if let Some(steps) = &mut load.steps {
        steps.rates = steps.rates.iter().map(|rate| share(*rate)).collect();
    }
    plan
}

fn unlike_objectives(a: &Capacity, b: &Capacity) -> Option<String> {
    let all = |c: &Capacity| -> Vec<String> {
        c.plan.objectives.iter().map(|o| format!("{} {}", o.name(), o.requirement())).collect()
    };
    let (of_a, of_b) = (all(a), all(b));
    let alone = |of: &[String], other: &[String]| {
        let alone: Vec<&str> = of.iter().filter(|o| !other.contains(o)).map(String::as_str).collect();
        if alone.is_empty() { "none of its own".to_owned() } else { alone.join(", ") }
    };
    let (only_a, only_b) = (alone(&of_a, &of_b), alone(&of_b, &of_a));
    (only_a != only_b).then(|| {
        format!("The objectives differ, so each capacity is for its own: A has {only_a}; B has {only_b}.")
    })
}

fn unlike_lengths(lengths: &[Difference]) -> Option<String> {
    let said: Vec<String> = lengths.iter().map(|d| format!("{} {} / {}", d.key, d.a, d.b)).collect();
    (!said.is_empty()).then(|| {
        format!(
            "The trials differ in length, and a longer one is the harder test: {} (A / B).",
            said.join(", ")
        )
    })
}

fn unlike_machines(a: &Capacity, b: &Capacity) -> Option<String> {
    let (of_a, of_b) = (a.environment.as_ref()?, b.environment.as_ref()?);
    let mut unlike = Vec::new();
    if of_a.cores != of_b.cores {
        unlike.push(format!("cores {} / {}", of_a.cores, of_b.cores));
    }
    if of_a.memory_bytes != of_b.memory_bytes {
        unlike.push(format!("memory {} / {}", show::size(of_a.memory_bytes), show::size(of_b.memory_bytes)));
    }
    let facts = of_a.facts.iter().filter_map(|(name, value)| Some((name, value, of_b.facts.get(name)?)));
    let facts = facts.filter(|(name, a, b)| a != b && !PASSING.contains(&name.replace('_', " ").as_str()));
    unlike.extend(facts.map(|(name, a, b)| format!("{} {a} / {b}", name.replace('_', " "))));
    unlike.truncate(MOST_FACTS);
    (!unlike.is_empty()).then(|| {
        format!(
            "The machines differ, and a difference of the capacities may be theirs: {} (A / B).",
            unlike.join(", ")
        )
    })
}

fn irregular<'a>(a: &'a Capacity, b: &'a Capacity) -> impl Iterator<Item = String> + 'a {
    let of = |letter: &'static str, answer: &'a Answer| {
        answer.irregular.iter().map(move |why| format!("{letter} is irregular: {why}."))
    };
    of("A", &a.answer).chain(of("B", &b.answer))
}

/// Do the intervals overlap?
fn apart(a: &Capacity, b: &Capacity) -> (Apart, String) {
    let interval = |c: &Capacity| c.answer.interval();
    let (Some(of_a), Some(of_b)) = (interval(a), interval(b)) else {
        return (Apart::NotDistinguished, without_interval(a, b));
    };
    let gap = |lower: (f64, f64), higher: (f64, f64), names: [&str; 2]| {
        let [low, high] = names;
        format!(
            "The intervals do not overlap: the capacity of {high} is higher than that of {low}, by a factor of at least \
             {:.2} ({} against {}).",
            higher.0 / lower.1,
            show::short_rate(higher.0),
            show::short_rate(lower.1)
        )
    };
    if of_a.1 < of_b.0 {
        (Apart::Differ, gap(of_a, of_b, ["A", "B"]))
    } else if of_b.1 < of_a.0 {
        (Apart::Differ, gap(of_b, of_a, ["B", "A"]))
    } else {
        (Apart::NotDistinguished, format!("Not distinguished: the intervals overlap. {}", next(a, b)))
    }
}

/// A rate that both hold is where a comparison of latency is fair.
fn next(a: &Capacity, b: &Capacity) -> String {
    let both = a.answer.floor.zip(b.answer.floor).map(|(a, b)| a.rate.min(b.rate));
    let rate = both.map_or_else(String::new, |rate| format!(" ({} or less)", show::short_rate(rate)));
    format!("Use `tickgate compare` at a rate that both hold{rate}.")
}

/// What can be said where a side has no interval.
fn without_interval(a: &Capacity, b: &Capacity) -> String {
    let sides = [("A", &a.answer), ("B", &b.answer)];
    let missing = sides.iter().filter(|(_, answer)| answer.interval().is_none());
    let missing: Vec<String> = missing
        .map(|(letter, answer)| {
            let none =
                if answer.at.is_some() { "it is a test of one rate" } else { "the search is not over" };
            let why = answer.irregular.first().map_or(none, String::as_str);
            format!("{letter} has no interval ({why})")
        })
        .collect();
    let above = |(letter, one): (&str, &Answer), (other, two): (&str, &Answer)| {
        let (floor, interval) = (one.floor?, two.interval()?);
        (one.interval().is_none() && floor.rate > interval.1).then(|| {
            format!(
                " The floor of {letter}, {}, is above the interval of {other}, which ends at {}.",
                show::short_rate(floor.rate),
                show::short_rate(interval.1)
            )
        })
    };
    let [first, second] = sides;
    let seen = above(first, second).or_else(|| above(second, first)).unwrap_or_default();
    format!("Not distinguished: {}.{seen} {}", missing.join(", and "), next(a, b))
}
