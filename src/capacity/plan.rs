//! From the plan of a profile to the plan of a trial at a rate.
//!
//! What a search varies is a factor on `load.rate`: ramps, bursts and steps keep their shape. Everything else stays, but for what
//! depends on the profile's own rate or length.
//!
//! A trial of warm-up `w` and length `d` at a constant rate above the bus's own rate μ builds a queue, and passes as long as no
//! more than 1 % of its events wait longer than the limit `L`: up to `r = μ·(1 + L/(w + 0.99·d))`. So a short trial overrates a bus by
//! `L/d` at most, and `d ≥ 4·L/precision` keeps that within a quarter of the interval that the search is after.

use crate::load::{
    FASTEST, busiest_share, expected_events, peak_rate, planned_rate, usual_generators, usual_max_bytes,
    volume_bytes,
};
use crate::market::MAX_SEQUENCE;
use crate::num::{self, show};
use crate::plan::grammar;
use crate::plan::{
    Arrival, Consume, Dropped, Load, Metric, Objective, Op, Outcome, Plan, Rate, Span, Stat, Throughput,
    Timing, Value,
};
use crate::topology;
use crate::verdict::{number, samples_needed};

/// The shortest measure phase: five seconds of it show whether a queue grows.
const SHORTEST: Span = Span::seconds(5);
/// The measure phase lasts this many times the largest limit on a time, over the precision of the search.
const LIMITS: f64 = 4.0;
/// Shortest and longest warm-up of a searching trial, where the profile has one.
const WARMUP: [Span; 2] = [Span::seconds(1), Span::seconds(2)];
/// The longest measure phase that the number of events may ask of a searching trial.
const LONGEST_FOR_EVENTS: f64 = 60.0;
/// The longest measure phase that a plan may have.
const LONGEST: Span = Span::seconds(7 * 86_400);
/// Each step lasts at least this long, or as long as in the profile.
const SHORTEST_STEP: Span = Span::seconds(1);
/// Standard deviations of a random number of events.
const SURELY: f64 = 4.0;
/// Events of a group for which a schedule surely has one.
const SOME: f64 = 20.0;
/// Attempts to find the rate whose events fit a store.
const ATTEMPTS: u32 = 20;

/// What a trial is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To find the rate: short, without an audit.
    Searching,
    /// To confirm a floor or a ceiling: as long as the profile says, with its audit.
    Confirming,
}

/// The highest rate that a search may try.
#[derive(Debug, Clone, PartialEq)]
pub struct Highest {
    /// Events/s.
    pub rate: f64,
    /// Why no higher one: a sentence without a full stop.
    pub why: String,
}

/// Why a profile cannot be searched: one sentence that says what to do.
#[must_use]
pub fn refusal(plan: &Plan) -> Option<String> {
    if plan.load.is_closed() {
        return Some(
            "the load is closed: the bus sets the pace, so no rate can be searched; give `load.rate` a rate"
                .to_owned(),
        );
    }
    if plan.load.consume == Consume::Backlog {
        return Some(
            "the groups receive only after the load (`load.consume = \"backlog\"`), so no time can be judged; set \
             `load.consume = \"live\"`"
                .to_owned(),
        );
    }
    if !plan.faults.is_empty() {
        return Some(
            "the profile has faults, so no rate can be searched: what a bus carries without one is asked; leave [[faults]] out \
             (`--set 'faults=[]'`) with the objectives of their parts"
                .to_owned(),
        );
    }
    if !plan.replays.is_empty() {
        return Some(
            "the profile has replays, and a trial is no longer than its load: leave [[replay]] out (`--set 'replay=[]'`) with the \
             objectives on them"
                .to_owned(),
        );
    }
    if plan.objectives.is_empty() {
        return Some(
            "the profile has no objectives, so every rate passes; add some, such as `\"latency.p99\" = \"< 100ms\"`".to_owned(),
        );
    }
    if let Some(objective) = plan.objectives.iter().find(|objective| bearing(objective) == Bearing::Against) {
        return Some(format!(
            "a higher rate can meet `{} {}`, which a lower one misses, so no rate is the highest that passes; leave this \
             objective out",
            objective.name(),
            objective.requirement()
        ));
    }
    plan.objectives.iter().all(|objective| bearing(objective) == Bearing::Nothing).then(|| {
        "no rate can miss an objective of this profile; add one on latency, loss or delivered events, such as \
         `\"latency.p99\" = \"< 100ms\"`"
            .to_owned()
    })
}

/// What a higher rate does to an objective.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bearing {
    /// It may be missed.
    Towards,
    /// It says nothing about what the bus carries.
    Nothing,
    /// It may be met.
    Against,
}

fn bearing(objective: &Objective) -> Bearing {
    let upper = matches!(objective.op, Op::Below | Op::AtMost);
    let towards = match objective.metric {
        Metric::Throughput(Throughput::Offered) | Metric::Replay(_) => return Bearing::Nothing,
        Metric::Throughput(_) if upper => return Bearing::Nothing,
        Metric::Throughput(_) => true,
        Metric::Count(Outcome::Replayed) => !upper,
        Metric::Count(_) => upper || (objective.op == Op::Equal && number(objective.limit) <= 0.0),
        Metric::Time(..) | Metric::Resource(_) | Metric::Unavailable(_) | Metric::Recovery(_) => upper,
    };
    if towards { Bearing::Towards } else { Bearing::Against }
}

/// The plan of a trial at a rate of `load.rate`, in events/s.
#[must_use]
pub fn trial_plan(profile: &Plan, rate: f64, seed: u64, purpose: Purpose, precision: f64) -> Plan {
    let mut plan = profile.clone();
    scale(&mut plan.load, rate);
    (plan.load.warmup, plan.load.duration) = phases(profile, rate, purpose, precision);
    plan.market.seed = seed;
    objectives(&mut plan, profile);
    if purpose == Purpose::Searching && profile.bus.audit {
        without_audit(&mut plan);
    }
    if profile.load.generators == usual_generators(&profile.load, profile.market.symbols) {
        plan.load.generators = usual_generators(&plan.load, plan.market.symbols);
    }
    if is_usual_store(profile) {
        plan.bus.max_bytes = usual_max_bytes(&plan);
    }
    plan.bus.max_age = plan.bus.max_age.max(plan.load.total());
    plan
}

/// Lowest rate at which a searching trial of at most a minute has the events that its objectives need.
#[must_use]
pub fn lowest_rate(profile: &Plan) -> f64 {
    // A schedule has an event at all.
    let some = SOME / SHORTEST.as_seconds() / per_event(profile, |_| true).max(f64::MIN_POSITIVE);
    profile.objectives.iter().map(|one| events_needed(profile, one) / LONGEST_FOR_EVENTS).fold(some, f64::max)
}

/// The highest rate of a search: that of the fastest plan, or the one whose events still fit a store with a bound of the
/// profile's own.
#[must_use]
pub fn highest_rate(profile: &Plan, precision: f64) -> Highest {
    let own = profile.load.rate.per_second;
    let fastest = FASTEST / (fastest_of(&profile.load) / own);
    let of = |rate: f64| trial_plan(profile, rate, 0, Purpose::Confirming, precision);
    let mut highest = Highest { rate: fastest, why: format!("a plan has at most {}", show::rate(FASTEST)) };
    let numbered = |plan: &Plan| {
        let (measured, warmup) = expected_events(&plan.load);
        (measured + warmup) * busiest_share(plan) / f64::from(MAX_SEQUENCE)
    };
    if let Some(rate) = fitting(fastest, |rate| numbered(&of(rate))) {
        let why = format!(
            "a symbol has at most {MAX_SEQUENCE} events of one topic in a run; shorten `load.duration`"
        );
        highest = Highest { rate, why };
    }
    let bounded = !is_usual_store(profile) && profile.bus.like().or(profile.bus.attach()).is_none();
    let stored =
        |rate: f64| num::f64_of(volume_bytes(&of(rate))) / num::f64_of(profile.bus.max_bytes.bytes.max(1));
    if bounded && let Some(rate) = fitting(highest.rate, stored) {
        let why = format!(
            "the events of a faster trial do not fit into `bus.max_bytes`, {}; raise it, or leave it out",
            profile.bus.max_bytes
        );
        highest = Highest { rate, why };
    }
    highest
}

/// Why a search cannot go to this rate; `None` if it can.
#[must_use]
pub fn beyond(profile: &Plan, rate: f64, precision: f64) -> Option<String> {
    let highest = highest_rate(profile, precision);
    (rate > highest.rate).then(|| {
        format!(
            "no trial at {} is possible, at most {}: {}",
            show::rate(rate),
            show::rate(highest.rate),
            highest.why
        )
    })
}

/// The highest rate up to `from` that needs no more than there is; `None` if that is `from` itself. `used` is the need of a rate in
/// shares of what there is: it grows with the rate, in proportion where the trial's length does not depend on it.
fn fitting(from: f64, used: impl Fn(f64) -> f64) -> Option<f64> {
    let mut rate = from;
    for _ in 0..ATTEMPTS {
        let used = used(rate);
        if used <= 1.0 {
            break;
        }
        rate /= used * 1.001;
    }
    (rate < from).then_some(rate)
}

/// Is the bound of the store the one of a profile that has none of its own?
fn is_usual_store(profile: &Plan) -> bool {
    profile.bus.max_bytes == usual_max_bytes(profile)
}

/// The highest rate that a load names, whether or not it is offered.
fn fastest_of(load: &Load) -> f64 {
    peak_rate(load).per_second.max(load.rate.per_second)
}

/// Scales every rate of a load so that `load.rate` has this value.
fn scale(load: &mut Load, rate: f64) {
    let factor = rate / load.rate.per_second;
    let scaled = |own: &mut Rate| own.per_second = (own.per_second * factor).min(FASTEST);
    load.rate = Rate::per_second(rate);
    if let Some(ramp) = &mut load.ramp {
        scaled(&mut ramp.from);
        scaled(&mut ramp.to);
    }
    if let Some(burst) = &mut load.burst {
        scaled(&mut burst.rate);
    }
    if let Some(steps) = &mut load.steps {
        steps.rates.iter_mut().for_each(scaled);
    }
}

/// Warm-up and measure phase.
fn phases(profile: &Plan, rate: f64, purpose: Purpose, precision: f64) -> (Span, Span) {
    let (load, searching) = (&profile.load, length(profile, rate, precision));
    match purpose {
        Purpose::Searching => {
            let [shortest, longest] = WARMUP;
            let warmup = if load.warmup.ns == 0 { load.warmup } else { load.warmup.clamp(shortest, longest) };
            (warmup, searching)
        }
        // Its own length is as the profile has it, whole periods or not.
        Purpose::Confirming => (load.warmup, load.duration.max(searching)),
    }
}

/// Measure phase of a searching trial, in whole seconds and whole periods of its shape.
fn length(profile: &Plan, rate: f64, precision: f64) -> Span {
    let limit = profile.objectives.iter().filter_map(limit).max().unwrap_or_default();
    let by_limit = LIMITS * limit.as_seconds() / precision.max(0.001);
    let by_events =
        profile.objectives.iter().map(|one| events_needed(profile, one) / rate).fold(0.0, f64::max);
    let seconds = SHORTEST.as_seconds().max(by_limit).max(by_events).min(LONGEST.as_seconds());
    let span = whole(Span { ns: num::u64_of(seconds * 1e9) }, Span::seconds(1));
    let load = &profile.load;
    let shaped = match (load.arrival, load.burst, &load.steps) {
        (Arrival::Burst, Some(burst), _) => whole(span, burst.every),
        (Arrival::Steps, _, Some(steps)) => {
            let parts = num::count(steps.rates.len().max(1));
            let step = Span { ns: load.duration.ns / parts }.min(SHORTEST_STEP);
            span.max(Span { ns: step.ns.saturating_mul(parts) })
        }
        _ => span,
    };
    shaped.min(LONGEST)
}

/// The span, rounded up to whole periods.
fn whole(span: Span, period: Span) -> Span {
    Span { ns: span.ns.div_ceil(period.ns.max(1)).saturating_mul(period.ns) }
}

/// The limit of an objective on a time.
const fn limit(objective: &Objective) -> Option<Span> {
    match (objective.metric, objective.limit) {
        (Metric::Time(..), Value::Time(limit)) => Some(limit),
        _ => None,
    }
}

/// Rate × seconds that an objective needs: the events that show its quantile, and a few more, since their number in a group
/// depends on chance.
fn events_needed(profile: &Plan, objective: &Objective) -> f64 {
    let (events, due) = match objective.metric {
        Metric::Time(timing, Stat::Quantile(q)) if !objective.scope.windows => {
            let events = num::f64_of(samples_needed(q));
            let due = match timing {
                Timing::Latency => due_to_groups(profile, objective),
                _ => per_event(profile, |_| true),
            };
            (SURELY.mul_add(events.sqrt(), events), due)
        }
        _ if objective.scope.group.is_some() => (SOME, due_to_groups(profile, objective)),
        _ => return 0.0,
    };
    // A group whose topics are not in the mix has no events at any rate: its objective is as it is in the profile.
    if due > 0.0 { events / due } else { 0.0 }
}

/// Events that are due to an objective's groups, for each event of `load.rate`.
fn due_to_groups(profile: &Plan, objective: &Objective) -> f64 {
    let named = |name: &String| objective.scope.group.as_ref().is_none_or(|group| group == name);
    let groups = profile.groups.iter().filter(|group| named(&group.name));
    groups.map(|group| per_event(profile, |topic| receives(profile, &group.name, topic))).sum()
}

/// Events on the topics that are `wanted`, for each event of `load.rate`: a shape's own rates differ from it.
fn per_event(profile: &Plan, wanted: impl Fn(&str) -> bool) -> f64 {
    planned_rate(profile, profile.load.duration, wanted) / profile.load.rate.per_second
}

fn receives(plan: &Plan, group: &str, topic: &str) -> bool {
    let topics = &plan.topology.topics;
    let mut groups = plan.groups.iter().filter(|own| own.name == group);
    let received = |own| topology::receives(own, topics).unwrap_or_default();
    groups.any(|own| received(own).into_iter().any(|at| topics.get(at).is_some_and(|known| known == topic)))
}

/// Makes throughputs relative to the load, and leaves out what a trial cannot be judged by.
fn objectives(plan: &mut Plan, profile: &Plan) {
    let mut kept = Vec::new();
    for objective in plan.objectives.drain(..) {
        match (bearing(&objective), objective.metric, objective.limit) {
            (Bearing::Nothing, Metric::Throughput(Throughput::Offered), _) => {
                plan.dropped.push(dropped(&objective, "the offered rate is what the search varies"));
            }
            (Bearing::Nothing, ..) => {
                let why = "an upper limit on a throughput says nothing about how much the bus carries";
                plan.dropped.push(dropped(&objective, why));
            }
            (_, Metric::Throughput(_), Value::Rate(limit)) => kept.push(relative(profile, objective, limit)),
            _ => kept.push(objective),
        }
    }
    plan.objectives = kept;
}

/// A throughput of X becomes the share X / planned rate of the load, rounded down to what the grammar holds.
fn relative(profile: &Plan, objective: Objective, limit: Rate) -> Objective {
    let group = objective.scope.group.as_deref();
    let wanted = |topic: &str| group.is_none_or(|group| receives(profile, group, topic));
    let planned = planned_rate(profile, profile.load.duration, wanted);
    let share = if planned > 0.0 { (limit.per_second / planned).clamp(0.0, 1.0) } else { 1.0 };
    // A share that no bus can exceed is met by one that carries all of it.
    let op = if share >= 1.0 && objective.op == Op::Above { Op::AtLeast } else { objective.op };
    let share = if op == Op::Equal { 1.0 } else { share };
    let millionths = num::u64_floor(share * 1e8);
    let percent = format!("{}.{:06}", millionths / 1_000_000, millionths % 1_000_000);
    grammar::parse(&objective.name(), &format!("{op} {percent}% of offered")).unwrap_or(objective)
}

/// Leaves out the audit and what comes from it, unless nothing else is judged.
fn without_audit(plan: &mut Plan) {
    let audited = |objective: &Objective| objective.metric.of_the_audit();
    let (audited, others): (Vec<_>, Vec<_>) = plan.objectives.iter().cloned().partition(audited);
    if others.is_empty() {
        return;
    }
    let why =
        "a searching trial does not read the store back; those that confirm the floor and the ceiling do";
    plan.dropped.extend(audited.iter().map(|objective| dropped(objective, why)));
    plan.objectives = others;
    plan.bus.audit = false;
}

fn dropped(objective: &Objective, why: &str) -> Dropped {
    Dropped { what: format!("{} {}", objective.name(), objective.requirement()), why: why.to_owned() }
}

#[cfg(test)]
mod tests;
