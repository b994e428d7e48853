//! The load that a plan offers: expected events and rates. A run's own schedule comes as close to them as whole
//! slots and random topics allow. Throughput objectives are checked and judged against them.

use super::curve::{Curve, peak_rate};
use super::pick::Picker;
use super::{Schedule, shares, totals};
use crate::num;
use crate::plan::{Load, Plan, Span};

/// The highest rate that a plan may ask for, in events per second.
pub const FASTEST: f64 = 1e6;
/// Events per second for each generator, unless a profile sets their number.
const PER_GENERATOR: f64 = 100_000.0;
/// Slots whose topics are drawn to find out whether a topic has events at all.
const LOOKED_AT: u64 = 100_000;

/// Expected events of the measure phase and of the warm-up: the integral of the rate, not rounded to whole
/// slots.
#[must_use]
pub fn expected_events(load: &Load) -> (f64, f64) {
    let of = |curve: Curve| curve.integral(curve.seconds());
    (of(Curve::measure(load)), of(Curve::warmup(load)))
}

/// Expected events of the measure phase up to a time since its start.
#[must_use]
pub fn expected_by(load: &Load, since_start: Span) -> f64 {
    let curve = Curve::measure(load);
    curve.integral(since_start.as_seconds().min(curve.seconds()))
}

/// Events per second that a plan offers on the topics that are `wanted`, on average over the first `over` of
/// its measure phase: the integral of the rate, times the topics' part of the mix. Rounded to a millionth of an
/// event, so that the rounding of shares that add up to 1 never decides against a limit.
#[must_use]
pub fn planned_rate(plan: &Plan, over: Span, wanted: impl Fn(&str) -> bool) -> f64 {
    let curve = Curve::measure(&plan.load);
    let seconds = over.as_seconds().min(curve.seconds());
    if seconds <= 0.0 {
        return 0.0;
    }
    let all: f64 = plan.mix.iter().map(|(_, weight)| weight).sum();
    let own: f64 = plan.mix.iter().filter(|(topic, _)| wanted(topic)).map(|(_, weight)| weight).sum();
    // An empty sum is -0.
    let share = if all > 0.0 { (own / all).abs() } else { 0.0 };
    let rate = curve.integral(seconds) / seconds * share;
    (rate * 1e6).round() / 1e6
}

/// The generators of a load where a profile does not set their number: as many as its highest rate needs, one where the bus
/// sets the pace, and no more than symbols, since each needs its own.
#[must_use]
pub fn usual_generators(load: &Load, symbols: u32) -> u32 {
    let paced = if load.is_closed() { 0.0 } else { peak_rate(load).per_second };
    let enough = (paced / PER_GENERATOR).ceil().clamp(1.0, 64.0);
    u32::try_from(num::u64_of(enough)).unwrap_or(1).min(symbols.max(1))
}

/// Does the schedule have an event in the measure phase on a topic that is `wanted`? Assumed for a schedule
/// with more than 100,000 slots.
#[must_use]
pub fn any_due(plan: &Plan, wanted: impl Fn(&str) -> bool) -> bool {
    if totals(&plan.load).measure_events > LOOKED_AT {
        return true;
    }
    let wanted: Vec<bool> = plan.topology.topics.iter().map(|topic| wanted(topic)).collect();
    let shares = shares(plan);
    (0..plan.load.generators).any(|generator| {
        let totals = Schedule::new(&plan.load, plan.market.seed, &shares, num::index32(generator)).totals();
        let picker = Picker::new(plan, generator);
        let mut slots = totals.warmup_events..totals.warmup_events + totals.measure_events;
        slots.any(|slot| wanted.get(picker.pick(slot).0).copied().unwrap_or(false))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::{self, Source};
    use proptest::prelude::*;

    /// A plan of two topics with these parts of the mix.
    fn plan(load: &str, mix: [u32; 2]) -> Plan {
        let text = format!(
            "name = \"p\"\n[load]\n{load}\n[topology]\nname = \"two\"\ntopics = [\"a\", \"b\"]\n[mix]\na = {}\nb = {}\n\
             [[groups]]\nname = \"g\"\nsubscribe = [\">\"]\n",
            mix[0], mix[1]
        );
        profile::read(&Source::new("plan", text), &[]).unwrap_or_else(|errors| panic!("{errors}"))
    }

    #[test]
    #[expect(clippy::float_cmp, reason = "a rate is rounded to a millionth, and these are exact")]
    fn a_planned_rate_is_the_plans_and_not_the_slots() {
        let seven = plan("rate = \"7/s\"\nwarmup = \"0s\"\nduration = \"3200ms\"", [3, 1]);
        assert_eq!(totals(&seven.load).measure_events, 22);
        let over = seven.load.duration;
        assert_eq!(planned_rate(&seven, over, |_| true), 7.0);
        assert_eq!(planned_rate(&seven, over, |topic| topic == "a"), 5.25);
        assert_eq!(planned_rate(&seven, over, |_| false), 0.0);
        assert_eq!(planned_rate(&seven, Span::default(), |_| true), 0.0);
        let ramp = "arrival = \"ramp\"\nduration = \"10s\"\nramp = { from = \"100/s\", to = \"300/s\" }";
        let ramp = plan(ramp, [1, 0]);
        assert_eq!(planned_rate(&ramp, Span::seconds(10), |_| true), 200.0);
        assert_eq!(planned_rate(&ramp, Span::seconds(5), |_| true), 150.0, "of its first half");
        assert_eq!(planned_rate(&ramp, Span::seconds(99), |_| true), 200.0);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn a_topic_has_events_where_one_is_drawn(
            rate in 1_u32..40, ms in 500_u32..3000, mix in [0_u32..3, 1_u32..40], generators in 1_u32..3,
        ) {
            let load = format!("rate = \"{rate}/s\"\nduration = \"{ms}ms\"\nwarmup = \"1s\"\ngenerators = {generators}");
            prop_assume!(u64::from(rate) * u64::from(ms) >= 1000);
            let plan = plan(&load, mix);
            let shares = shares(&plan);
            let mut drawn = [0_u64; 2];
            for generator in 0..generators {
                let picker = Picker::new(&plan, generator);
                for due in Schedule::new(&plan.load, plan.market.seed, &shares, num::index32(generator)) {
                    if due.at >= plan.load.warmup.ns {
                        drawn[picker.pick(due.index).0] += 1;
                    }
                }
            }
            for (topic, drawn) in ["a", "b"].into_iter().zip(drawn) {
                prop_assert_eq!(any_due(&plan, |name| name == topic), drawn > 0);
            }
        }
    }
}
