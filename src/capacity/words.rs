//! The result of a search in sentences.

use super::account::{Capacity, Target};
use super::answer::{Answer, Bound, Ended};
use super::search::rounded;
use super::trial::{Limit, Stage, Trial};
use crate::num::show::{several, short_rate as rate};
use crate::plan::Span;
use crate::record::Verdict;

impl Limit {
    /// The words behind "it does not: ".
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Bus => "the bus was the limit",
            Self::Machine => "the machine was used up",
            Self::Window => "`bus.window` was full",
            Self::Client => "tickgate itself was the limit",
            Self::Unknown => "the limit is not known",
        }
    }
}

impl Ended {
    /// How a search ended, in a few words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Confirmed => "floor and ceiling confirmed",
            Self::AtMost => "the highest rate passed",
            Self::AtClient => "tickgate was the limit",
            Self::AtLeast => "the lowest rate did not pass",
            Self::Budget => "out of time",
            Self::Disturbed => "disturbed",
            Self::Unfit => "could not be judged",
            Self::Broken => "no broker",
            Self::Unconfirmed => "not confirmed",
            Self::Interrupted => "interrupted",
        }
    }
}

/// A time of minutes and hours: `45 s`, `7 min 10 s`, `1 h 05 min`.
#[must_use]
pub fn minutes(span: Span) -> String {
    let seconds = (span.ns + 500_000_000) / 1_000_000_000;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} min", seconds / 3600, seconds % 3600 / 60),
    }
}

/// A factor: `× 3.6`.
fn times(factor: f64) -> String {
    if factor >= 9.95 { format!("× {factor:.0}") } else { format!("× {factor:.1}") }
}

/// The result in a few sentences: what holds, what does not, the estimate, and the headroom over each target.
pub(super) fn sentence(capacity: &Capacity) -> String {
    let mut parts = vec![bounds(capacity)];
    parts.extend(estimate(&capacity.answer));
    parts.extend(capacity.answer.irregular.iter().map(|reason| format!("Irregular: {reason}.")));
    parts.extend(capacity.faults.first().map(|fault| {
        let more = capacity.faults.len() - 1;
        let more = if more > 0 {
            format!(" (and in {})", several(crate::num::count(more), "more trial"))
        } else {
            String::new()
        };
        format!("Events went wrong below the floor: {fault}{more}.")
    }));
    parts.extend(capacity.targets.iter().map(|target| of_target(&capacity.answer, target)));
    parts.join(" ")
}

/// The bus, as the figures depend on it.
fn bus(capacity: &Capacity) -> String {
    let Some(broker) = &capacity.broker else { return "The bus".to_owned() };
    let bus = &capacity.plan.bus;
    let name = if broker.product.is_empty() { &broker.kind } else { &broker.product };
    let version = if broker.version.is_empty() { String::new() } else { format!(" {}", broker.version) };
    format!("{name}{version} ({}, R{}, {})", bus.storage, bus.replicas, broker.durability)
}

fn bounds(capacity: &Capacity) -> String {
    let answer = &capacity.answer;
    let here = "on this machine";
    let bus = bus(capacity);
    let of = |bound: &Bound| match &answer.at {
        Some(at) => at.in_words(),
        None => format!("{0} of {0}", bound.confirmed_by),
    };
    match (&answer.floor, &answer.ceiling) {
        (Some(floor), Some(ceiling)) => format!(
            "{bus} {here} holds {} ({}); {} it does not ({}).",
            rate(floor.rate),
            of(floor),
            rate(ceiling.rate),
            missed(ceiling, capacity)
        ),
        (Some(floor), None) if answer.at.is_some() => {
            format!("{bus} {here} holds {} ({}).", rate(floor.rate), of(floor))
        }
        (Some(floor), None) => {
            format!("{bus} {here} holds at least {} ({}).", rate(floor.rate), of(floor))
        }
        (None, Some(ceiling)) => {
            format!("{bus} {here} does not hold {} ({}).", rate(ceiling.rate), missed(ceiling, capacity))
        }
        (None, None) => match &answer.at {
            Some(at) => {
                format!("{bus} {here}: whether it holds {} is open ({}).", rate(at.rate), at.in_words())
            }
            None => format!("{bus} {here}: no rate was confirmed."),
        },
    }
}

/// `0 of 3: the machine was used up`, with the most frequent reason of the trials there.
fn missed(ceiling: &Bound, capacity: &Capacity) -> String {
    let trials: &[Trial] = &capacity.trials;
    let limit = ceiling.limit.unwrap_or(Limit::Unknown).words();
    let here = |trial: &&Trial| {
        let same = rounded(trial.rate).total_cmp(&rounded(ceiling.rate)).is_eq();
        let at_ceiling = trial.stage == Stage::Ceiling || capacity.answer.at.is_some();
        same && at_ceiling && trial.outcome.evidence() == Some(false)
    };
    let reason = trials.iter().filter(here).find_map(|trial| trial.reason.as_deref());
    let reason = reason.map(|reason| format!("; {reason}")).unwrap_or_default();
    match &capacity.answer.at {
        Some(at) => format!("{}: {limit}{reason}", at.in_words()),
        None => format!("0 of {}: {limit}{reason}", ceiling.confirmed_by),
    }
}

fn estimate(answer: &Answer) -> Option<String> {
    let tried = format!("{} in {}", several(u64::from(answer.trials), "trial"), minutes(answer.took));
    let Some(estimate) = &answer.estimate else {
        return (answer.trials > 0).then(|| match answer.at {
            Some(_) => format!("{tried}."),
            None => format!("No estimate: {tried}."),
        });
    };
    let interval = if estimate.claimed {
        format!("95 % interval {} to {}", rate(estimate.low), rate(estimate.high))
    } else {
        "no interval is claimed".to_owned()
    };
    // Seen of one side only, the estimate is an extrapolation.
    let bounded = matches!(answer.ended, Ended::AtMost | Ended::AtClient);
    Some(if bounded {
        format!("{tried}.")
    } else {
        format!("Capacity {}, {interval}, {tried}.", rate(estimate.median))
    })
}

fn of_target(answer: &Answer, target: &Target) -> String {
    let at = rate(target.rate);
    match (target.verdict, target.headroom) {
        (Verdict::Pass, Some(headroom)) => format!("Headroom over {at}: {}.", times(headroom)),
        (Verdict::Fail, _) => format!("{at}: not here."),
        _ if answer.floor.is_none() && answer.ceiling.is_none() => format!("{at}: not known."),
        _ => format!("{at}: open."),
    }
}

/// Why a target is not held, or not known to be.
pub(super) fn not_held(answer: &Answer, target: &Target) -> String {
    let at = rate(target.rate);
    let floor = answer.floor.map(|floor| rate(floor.rate));
    let ceiling = answer.ceiling.map(|ceiling| rate(ceiling.rate));
    match (target.verdict, floor, ceiling) {
        (Verdict::Fail, _, Some(ceiling)) => format!("the target {at} is not held: {ceiling} is the ceiling"),
        (_, Some(floor), Some(ceiling)) => {
            format!("the target {at} is between the floor, {floor}, and the ceiling, {ceiling}")
        }
        (_, Some(floor), None) => {
            format!("the target {at} is above the floor, {floor}, and no ceiling is confirmed")
        }
        _ => {
            let why = answer.irregular.first().map_or("", String::as_str);
            format!("whether the target {at} is held is not known: {why}")
        }
    }
}
