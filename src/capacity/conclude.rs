//! The account of a search, from its trials and what was asked: targets, growth, cost, resources, verdict.

use super::account::{About, BillAt, Capacity, Cost, First, Growth, Resource, Target, Use};
use super::answer::{Answer, Ended, answer};
use super::design::Design;
use super::search::rounded;
use super::trial::{Figures, Limit, Outcome, Trial};
use super::{RULES, SCHEMA, words};
use crate::compare::{self, Prices};
use crate::num;
use crate::plan::Plan;
use crate::record::{Broker, Environment, StoreBytes, Verdict};

/// Targets that are shown where none is asked for: what ADR-002 claims of NATS, and where it places Kafka.
const USUAL_TARGETS: [f64; 2] = [10_000.0, 100_000.0];

/// What an account is made of.
#[derive(Debug, Clone)]
pub struct Inputs {
    /// Identity and circumstances.
    pub about: About,
    /// What the search did.
    pub design: Design,
    /// The plan of a confirming trial at the rate of the profile.
    pub plan: Plan,
    /// The bus.
    pub broker: Option<Broker>,
    /// The machine.
    pub environment: Option<Environment>,
    /// Prices, if the profile has them.
    pub prices: Option<Prices>,
    /// Targets that were asked for, in events/s.
    pub targets: Vec<f64>,
    /// Growth of the load a month: 0.05 is 5 %.
    pub growth: Option<f64>,
    /// All trials, in their order.
    pub trials: Vec<Trial>,
}

/// The account of a search, finished or not.
#[must_use]
pub fn conclude(inputs: Inputs) -> Capacity {
    let Inputs { about, design, plan, broker, environment, prices, targets, growth, trials } = inputs;
    let answer = answer(&design, &trials);
    let faults = faults(&answer, &trials);
    let targets = held(&answer, &targets);
    let resources = uses(&trials);
    let (verdict, reasons) = verdict(&answer, &targets, &faults);
    let mut capacity = Capacity {
        schema: SCHEMA.to_owned(),
        rules: RULES,
        growth: growth.map(|monthly| grown(&answer, plan.load.rate.per_second, monthly)),
        cost: prices.and_then(|prices| cost(&answer, &trials, &targets, prices)),
        first: first(&answer, &resources),
        about,
        design,
        broker,
        environment,
        plan,
        trials,
        answer,
        targets,
        resources,
        faults,
        verdict,
        sentence: String::new(),
        reasons,
    };
    capacity.sentence = words::sentence(&capacity);
    capacity
}

/// The rate below which a fault of delivery is a finding of its own: a bus that is said to hold a rate must not lose events
/// there.
fn sound_below(answer: &Answer) -> f64 {
    let by_estimate = answer.estimate.map(|estimate| estimate.low);
    answer.floor.map(|floor| floor.rate).or(by_estimate).unwrap_or(f64::INFINITY)
}

/// Faults of delivery at rates up to the floor.
fn faults(answer: &Answer, trials: &[Trial]) -> Vec<String> {
    let below = sound_below(answer);
    let mut faults = Vec::new();
    for trial in trials.iter().filter(|trial| trial.rate <= below) {
        let Some(figures) = &trial.figures else { continue };
        let ledger = &figures.ledger;
        let counts = [
            ("lost", ledger.lost),
            ("damaged", ledger.corrupt),
            ("stored twice", ledger.duplicate),
            ("out of order", ledger.reordered),
        ];
        let seen = counts.iter().filter(|(_, count)| *count > 0);
        let seen: Vec<String> =
            seen.map(|(what, count)| format!("{} {what}", num::show::count(*count))).collect();
        if !seen.is_empty() {
            faults.push(format!(
                "trial {} at {}: {}",
                trial.number,
                num::show::short_rate(trial.rate),
                seen.join(", ")
            ));
        }
    }
    faults
}

/// Each target that was asked for, or else the usual ones.
fn held(answer: &Answer, asked: &[f64]) -> Vec<Target> {
    let rates = if asked.is_empty() { &USUAL_TARGETS[..] } else { asked };
    let of = |rate: &f64| Target {
        rate: *rate,
        asked: !asked.is_empty(),
        headroom: answer.floor.map(|floor| floor.rate / rate),
        by_estimate: answer.estimate.map(|estimate| estimate.median / rate),
        verdict: holds(answer, *rate),
    };
    rates.iter().map(of).collect()
}

/// Does the bus hold the rate? A ceiling that tickgate itself set says nothing about it.
fn holds(answer: &Answer, rate: f64) -> Verdict {
    let floor = answer.floor.map(|floor| floor.rate);
    let ceiling = answer.ceiling.filter(|ceiling| ceiling.limit != Some(Limit::Client));
    match (floor, ceiling.map(|ceiling| ceiling.rate)) {
        (Some(floor), _) if floor >= rate => Verdict::Pass,
        (_, Some(ceiling)) if ceiling <= rate => Verdict::Fail,
        _ => Verdict::Inconclusive,
    }
}

fn verdict(answer: &Answer, targets: &[Target], faults: &[String]) -> (Verdict, Vec<String>) {
    let asked = || targets.iter().filter(|target| target.asked);
    let mut reasons: Vec<String> =
        faults.iter().map(|fault| format!("events went wrong below the floor: {fault}")).collect();
    let mut verdict = if faults.is_empty() { Verdict::Pass } else { Verdict::Fail };
    for target in asked().filter(|target| target.verdict != Verdict::Pass) {
        verdict = verdict.max(target.verdict);
        reasons.push(words::not_held(answer, target));
    }
    let answered = match answer.ended {
        Ended::Confirmed => answer.irregular.is_empty(),
        Ended::AtMost => answer.floor.is_some() && answer.irregular.len() == 1,
        _ => false,
    };
    if asked().next().is_none() && !answered {
        verdict = verdict.max(Verdict::Inconclusive);
        reasons.extend(answer.irregular.iter().cloned());
    }
    (verdict, reasons)
}

/// Months until the load has grown from `now` to the floor and to the ceiling.
fn grown(answer: &Answer, now: f64, monthly: f64) -> Growth {
    let months = |to: f64| (monthly > 0.0 && now > 0.0).then(|| (to / now).ln() / monthly.ln_1p());
    Growth {
        now,
        monthly,
        to_floor: answer.floor.and_then(|floor| months(floor.rate)),
        to_ceiling: answer.ceiling.and_then(|ceiling| months(ceiling.rate)),
    }
}

/// Figures of the trials at a rate.
fn figures_at(trials: &[Trial], rate: f64) -> impl Iterator<Item = &Figures> {
    let same = move |trial: &&Trial| rounded(trial.rate).total_cmp(&rounded(rate)).is_eq();
    trials.iter().filter(same).filter_map(|trial| trial.figures.as_ref())
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let values: Vec<f64> = values.collect();
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / num::f64_of(num::count(values.len())))
}

fn cost(answer: &Answer, trials: &[Trial], targets: &[Target], prices: Prices) -> Option<Cost> {
    let floor = answer.floor?.rate;
    let at_floor = || figures_at(trials, floor);
    let cores = mean(at_floor().filter_map(|figures| figures.broker_cores))?;
    let memory = at_floor().filter_map(|figures| figures.broker_memory_bytes).max()?;
    let stored = mean(at_floor().filter_map(|figures| figures.stored_bytes_per_event));
    let bill = |rate: f64| {
        let disk_gb = stored.unwrap_or(0.0) * rate * prices.retention.as_seconds() / 1e9;
        let bill = compare::priced(&prices, cores, num::f64_of(memory) / f64::from(1_u32 << 30), disk_gb);
        let disk_is = stored.map(|_| StoreBytes::OnDisk);
        BillAt { rate, idle: 1.0 - rate / floor, bill: compare::Bill { carried_rate: rate, disk_is, ..bill } }
    };
    let held = targets.iter().filter(|target| target.rate < floor).map(|target| target.rate);
    Some(Cost { at: std::iter::once(floor).chain(held).map(bill).collect(), prices })
}

/// The use of each resource by rate, in the order of the rates.
fn uses(trials: &[Trial]) -> Vec<Use> {
    let mut rates: Vec<f64> =
        trials.iter().filter(|trial| trial.figures.is_some()).map(|trial| rounded(trial.rate)).collect();
    rates.sort_by(f64::total_cmp);
    rates.dedup();
    rates.into_iter().map(|rate| used_at(trials, rate)).collect()
}

fn used_at(trials: &[Trial], rate: f64) -> Use {
    let same = |trial: &&Trial| trial.figures.is_some() && rounded(trial.rate).total_cmp(&rate).is_eq();
    let passed = trials.iter().filter(same).filter(|trial| trial.outcome == Outcome::Passed).count();
    let of = |share: fn(&Figures) -> Option<f64>| mean(figures_at(trials, rate).filter_map(share));
    let shares = [
        (Resource::Cpu, of(cpu)),
        (Resource::Thread, of(|figures| figures.busiest_thread.as_ref().map(|thread| thread.cores))),
        (Resource::Window, of(|figures| figures.window_full)),
        (Resource::Disk, of(|figures| figures.disk_busy)),
        (Resource::Memory, of(|figures| figures.memory_used)),
        (
            Resource::Stolen,
            of(|figures| Some(figures.stolen_cores? / figures.usable_cores.filter(|c| *c > 0.0)?)),
        ),
    ];
    Use {
        rate,
        trials: num::count32(trials.iter().filter(same).count()),
        passed: num::count32(passed),
        shares: shares.into_iter().filter_map(|(resource, share)| Some((resource, share?))).collect(),
    }
}

/// Share of the usable cores that tickgate and the broker use.
fn cpu(figures: &Figures) -> Option<f64> {
    let usable = figures.usable_cores.filter(|cores| *cores > 0.0)?;
    let own = figures.busy_cores?
        - (figures.others_cores.unwrap_or(0.0) - figures.stolen_cores.unwrap_or(0.0)).max(0.0);
    Some((own / usable).max(0.0))
}

/// The resource that crosses its threshold at the lowest rate up to the ceiling, and was below it at every lower one.
fn first(answer: &Answer, uses: &[Use]) -> Option<First> {
    let upper = answer.ceiling.map_or(f64::INFINITY, |ceiling| ceiling.rate);
    let mut reached = uses.iter().filter(|used| used.rate <= upper);
    reached.find_map(|used| {
        let over = used.shares.iter().filter(|(resource, share)| **share >= resource.threshold());
        // Of several at once, the one that is furthest over its threshold.
        let most = over.max_by(|a, b| (a.1 / a.0.threshold()).total_cmp(&(b.1 / b.0.threshold())));
        most.map(|(resource, share)| First { resource: *resource, rate: used.rate, share: *share })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capacity::{Search, Step};
    use crate::compare::Ledger;
    use crate::plan::Span;
    use crate::profile::{self, Source};
    use crate::record::Thread;

    fn plan() -> Plan {
        let text = crate::profile::builtin::get("quick").unwrap();
        profile::read(&Source::new("quick", text.to_owned()), &[]).unwrap()
    }

    fn design() -> Design {
        Design { start: 10_000.0, min: 100.0, max: 1e6, ..Design::default() }
    }

    /// A search on a bus that carries 40k/s and no more, with figures that grow with the rate.
    fn inputs(limit: Limit) -> Inputs {
        let design = design();
        let mut state = Search::new(&design);
        let mut trials = Vec::new();
        while let Step::Try(next) = state.step() {
            let passed = next.rate <= 40_000.0;
            let figures = Figures {
                seconds: 5.0,
                offered: next.rate,
                achieved: next.rate.min(40_000.0),
                usable_cores: Some(2.0),
                busy_cores: Some((next.rate / 20_000.0).min(2.0)),
                broker_cores: Some(next.rate / 40_000.0),
                broker_memory_bytes: Some(1 << 29),
                stored_bytes_per_event: Some(1000.0),
                busiest_thread: Some(Thread { name: "gen-0".into(), cores: next.rate / 100_000.0 }),
                ..Figures::default()
            };
            trials.push(Trial {
                number: next.number,
                stage: next.stage,
                rate: next.rate,
                outcome: if passed { Outcome::Passed } else { Outcome::NotPassed },
                limit: (!passed).then_some(limit),
                reason: (!passed).then(|| "latency.p99 142ms, < 100ms required".to_owned()),
                took: Span::seconds(10),
                figures: Some(figures),
                ..Trial::default()
            });
            state.take(&trials[trials.len() - 1]);
        }
        Inputs {
            about: About::default(),
            design,
            plan: plan(),
            broker: Some(Broker {
                product: "nats-server".into(),
                version: "2.11".into(),
                durability: "page cache".into(),
                ..Broker::default()
            }),
            environment: None,
            prices: None,
            targets: vec![],
            growth: None,
            trials,
        }
    }

    #[test]
    fn a_whole_search_says_what_holds_and_what_does_not() {
        let capacity = conclude(inputs(Limit::Machine));
        let (floor, ceiling) = (capacity.answer.floor.unwrap().rate, capacity.answer.ceiling.unwrap().rate);
        assert!(floor <= 40_000.0 && floor > 35_000.0 && ceiling > 40_000.0 && ceiling < 45_000.0);
        assert_eq!((capacity.verdict, capacity.reasons.len()), (Verdict::Pass, 0));
        let expected = format!(
            "nats-server 2.11 (file, R1, page cache) on this machine holds {} (5 of 5); {} it does not (0 of 3: the machine \
             was used up; latency.p99 142ms, < 100ms required). Capacity ",
            num::show::short_rate(floor),
            num::show::short_rate(ceiling)
        );
        assert!(capacity.sentence.starts_with(&expected), "{}", capacity.sentence);
        assert!(
            capacity.sentence.ends_with("Headroom over 10k/s: × 3.8. 100k/s: not here."),
            "{}",
            capacity.sentence
        );
        assert_eq!(capacity.first.map(|first| first.resource), Some(Resource::Cpu));
    }

    #[test]
    fn a_target_is_held_below_the_floor_missed_above_the_ceiling_and_open_between() {
        let of = |targets: &[f64], limit| conclude(Inputs { targets: targets.to_vec(), ..inputs(limit) });
        assert_eq!(of(&[10_000.0, 30_000.0], Limit::Bus).verdict, Verdict::Pass);
        for limit in [Limit::Bus, Limit::Machine, Limit::Window, Limit::Unknown] {
            let missed = of(&[10_000.0, 50_000.0], limit);
            assert_eq!(missed.verdict, Verdict::Fail, "{limit}");
            assert_eq!(missed.reasons.len(), 1);
        }
        let own = of(&[50_000.0], Limit::Client);
        assert_eq!(own.verdict, Verdict::Inconclusive, "tickgate's own limit says nothing about the bus");
        let between = of(&[40_000.0], Limit::Bus);
        assert_eq!(between.verdict, Verdict::Inconclusive);
        assert!(between.reasons[0].contains("is between the floor"), "{:?}", between.reasons);
    }

    #[test]
    fn a_search_that_is_not_finished_is_open_unless_its_floor_covers_what_was_asked() {
        let cut = |trials: usize, targets: &[f64]| {
            let whole = inputs(Limit::Bus);
            conclude(Inputs { trials: whole.trials[..trials].to_vec(), targets: targets.to_vec(), ..whole })
        };
        let early = cut(4, &[]);
        assert_eq!((early.verdict, early.answer.ended), (Verdict::Inconclusive, Ended::Interrupted));
        assert_eq!(early.reasons, ["the search was interrupted"]);
        let none = cut(0, &[10_000.0]);
        assert_eq!(none.verdict, Verdict::Inconclusive);
        assert!(none.sentence.contains("no rate was confirmed"), "{}", none.sentence);
        // The ceiling is confirmed first where it needs fewer trials, so the last trial is the floor's.
        let whole = inputs(Limit::Bus).trials.len();
        let late = cut(whole - 1, &[10_000.0]);
        assert_eq!(late.verdict, Verdict::Inconclusive, "{}", late.sentence);
        assert_eq!(cut(whole, &[10_000.0]).verdict, Verdict::Pass);
    }

    #[test]
    fn a_fault_below_the_floor_fails_whatever_the_capacity_is() {
        let mut lossy = inputs(Limit::Bus);
        let figures = lossy.trials[0].figures.as_mut().unwrap();
        figures.ledger = Ledger { lost: 12, reordered: 3, ..Ledger::default() };
        let capacity = conclude(Inputs { targets: vec![10_000.0], ..lossy });
        assert_eq!(capacity.verdict, Verdict::Fail);
        assert_eq!(capacity.faults, ["trial 1 at 10k/s: 12 lost, 3 out of order"]);
        assert!(
            capacity.sentence.contains("Events went wrong below the floor: trial 1"),
            "{}",
            capacity.sentence
        );
        // Above the ceiling it is the reason of a miss.
        let mut beyond = inputs(Limit::Bus);
        let above = beyond.trials.iter_mut().find(|trial| trial.rate > 45_000.0).unwrap();
        above.figures.as_mut().unwrap().ledger.lost = 7;
        assert_eq!(conclude(beyond).verdict, Verdict::Pass);
    }

    #[test]
    fn growth_and_cost_follow_from_the_floor() {
        let prices = Prices {
            core: 20.0,
            gib_memory: 4.0,
            gb_disk: 0.1,
            retention: Span::seconds(86_400),
            ..Prices::default()
        };
        let capacity = conclude(Inputs { growth: Some(0.05), prices: Some(prices), ..inputs(Limit::Bus) });
        let floor = capacity.answer.floor.unwrap().rate;
        let growth = capacity.growth.unwrap();
        assert!((growth.to_floor.unwrap() - (floor / 10_000.0).ln() / 1.05_f64.ln()).abs() < 1e-9);
        assert!(growth.to_ceiling.unwrap() > growth.to_floor.unwrap());
        let cost = capacity.cost.unwrap();
        assert_eq!(cost.at.len(), 2, "the floor, and the usual target below it");
        let (at_floor, at_target) = (cost.at[0], cost.at[1]);
        let disk = 1000.0 * floor * 86_400.0 / 1e9;
        assert!((at_floor.bill.total() - (floor / 40_000.0 * 20.0 + 2.0 + disk * 0.1)).abs() < 1e-6);
        assert!((at_target.idle - (1.0 - 10_000.0 / floor)).abs() < 1e-12);
        assert!(at_target.bill.per_million() > at_floor.bill.per_million(), "idle resources cost as well");
    }
}
