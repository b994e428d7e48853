//! Resolves and checks the search that a command line asks for, before the first trial.

use std::hash::{BuildHasher, RandomState};

use crate::capacity::{Design, Purpose, highest_rate, lowest_rate, minutes, refusal, trial_plan};
use crate::cli::args::{Audit, Capacity};
use crate::cli::{Exit, Failure, check, environment};
use crate::compare::Prices;
use crate::num;
use crate::plan::{Plan, Rate, Span};
use crate::report::show;
use crate::session::{self, Asked, Choice};

use super::begun::Begun;

/// The start of a broker, readiness, the drain and the audit of a trial that the bus carries.
const AROUND: Span = Span::millis(1_500);
/// Steps by which the highest rate is found between one that fits and twice that.
const HALVINGS: u32 = 7;

/// A checked search, ready to start.
pub(super) struct Task {
    /// The profile, as the command line names it.
    pub(super) profile: String,
    pub(super) sets: Vec<String>,
    /// The profile's plan.
    pub(super) plan: Plan,
    pub(super) prices: Option<Prices>,
    /// The bus, with the terms that the highest rate needs.
    pub(super) choice: Choice,
    pub(super) design: Design,
    pub(super) targets: Vec<f64>,
    pub(super) growth: Option<f64>,
    pub(super) audit_all: bool,
    /// Warnings to show before the first trial.
    pub(super) warnings: Vec<String>,
}

/// A plan and a way to its bus.
struct Ground<'a> {
    plan: &'a Plan,
    asked: &'a Asked,
    choice: &'a Choice,
    precision: f64,
}

/// The highest rate that may be tried, and why none above it.
struct Top {
    rate: f64,
    why: String,
}

impl Task {
    /// Reads the profile, applies the flags, and checks the rates.
    pub(super) fn resolve(args: &Capacity) -> Result<Self, Failure> {
        let profile = args.what.clone().unwrap_or_else(|| "quick".to_owned());
        let sets = args.short.with(&args.sets, &[])?;
        let (plan, prices) = check::with_prices(&profile, &sets)?;
        if let Some(why) = refusal(&plan) {
            return Err(Failure::usage(format!("the capacity of `{}` cannot be searched: {why}", plan.name)));
        }
        let asked = args.like.over(args.broker.asked());
        let choice = Choice::resolve(&asked, &plan, &environment)?;
        let precision = precision(args);
        let ground = Ground { plan: &plan, asked: &asked, choice: &choice, precision };
        let design = design(args, &ground)?;
        let choice = ground.resolve(design.max)?;
        let mut warnings: Vec<String> = choice.warnings.clone();
        warnings.extend(crate::profile::left_out(&plan));
        let lowest = lowest_rate(&plan);
        if design.min < lowest * 0.999 {
            warnings.push(format!(
                "a trial below {} lasts longer than a minute, to have the events that its objectives need",
                show::rate(lowest)
            ));
        }
        Ok(Self {
            profile,
            sets,
            prices,
            choice,
            design,
            targets: args.at.map_or_else(|| args.targets.clone(), |rate| vec![rate]),
            growth: args.growth,
            audit_all: args.audit == Audit::All,
            warnings,
            plan,
        })
    }

    /// The search of a folder, with the profile that it names or another path to the same one.
    pub(super) fn again(args: &Capacity, begun: &Begun) -> Result<Self, Failure> {
        let profile = args.what.clone().unwrap_or_else(|| begun.profile.clone());
        let (plan, _) = check::with_prices(&profile, &begun.sets)?;
        let asked = args.like.over(args.broker.asked());
        let choice = Choice::resolve(&asked, &plan, &environment)?;
        begun.continues(&plan, &choice.bus())?;
        let ground =
            Ground { plan: &plan, asked: &asked, choice: &choice, precision: begun.design.precision };
        ground.fits(begun.design.max).map_err(|failure| Failure {
            text: format!("{} cannot be tried any more: {}", show::rate(begun.design.max), failure.text),
            ..failure
        })?;
        Ok(Self {
            choice: ground.resolve(begun.design.max)?,
            profile,
            sets: begun.sets.clone(),
            plan,
            prices: begun.prices.clone(),
            design: begun.design.clone(),
            targets: begun.targets.clone(),
            growth: begun.growth,
            audit_all: begun.audit_all,
            warnings: Vec::new(),
        })
    }

    /// The plan of a trial.
    pub(super) fn trial(&self, rate: f64, seed: u64, purpose: Purpose) -> Plan {
        let mut plan = trial_plan(&self.plan, rate, seed, purpose, self.design.precision);
        if self.audit_all {
            plan.bus.audit = self.plan.bus.audit;
        }
        plan
    }
}

fn precision(args: &Capacity) -> f64 {
    let base = Design::default();
    let base = match (args.quick, args.thorough) {
        (true, _) => base.quick(),
        (_, true) => base.thorough(),
        _ => base,
    };
    args.precision.unwrap_or(base.precision)
}

impl Ground<'_> {
    fn trial(&self, rate: f64, purpose: Purpose) -> Plan {
        trial_plan(self.plan, rate, self.plan.market.seed, purpose, self.precision)
    }

    /// The bus, asked for with a rate: more than 20k/s to another machine needs a permission.
    fn resolve(&self, rate: f64) -> Result<Choice, Failure> {
        Ok(Choice::resolve(self.asked, &self.trial(rate, Purpose::Confirming), &environment)?)
    }

    /// Fails if a trial at this rate cannot be made here, by memory, by the bounds of its store or by the terms of its bus.
    fn fits(&self, rate: f64) -> Result<(), Failure> {
        for purpose in [Purpose::Searching, Purpose::Confirming] {
            session::admit(&self.trial(rate, purpose), self.choice.whereabouts())?;
        }
        self.resolve(rate).map(|_| ())
    }

    /// The highest rate that can be tried: by the plan, then by this machine and the bus.
    fn top(&self) -> Top {
        let by_plan = highest_rate(self.plan, self.precision);
        let mut why = match self.fits(by_plan.rate) {
            Ok(()) => return Top { rate: by_plan.rate, why: by_plan.why },
            Err(failure) => failure.text,
        };
        let (mut low, mut high) = (by_plan.rate / 2.0, by_plan.rate);
        while low >= 1.0 {
            match self.fits(low) {
                Ok(()) => break,
                Err(failure) => (low, high, why) = (low / 2.0, low, failure.text),
            }
        }
        for _ in 0..HALVINGS {
            let middle = f64::midpoint(low, high);
            match self.fits(middle) {
                Ok(()) => low = middle,
                Err(failure) => (high, why) = (middle, failure.text),
            }
        }
        Top { rate: three_digits_down(low), why }
    }
}

fn three_digits_down(rate: f64) -> f64 {
    let unit = 10_f64.powf(rate.log10().floor() - 2.0);
    if unit > 0.0 { (rate / unit).floor() * unit } else { rate }
}

/// The design that the flags ask for, once its rates are checked.
fn design(args: &Capacity, ground: &Ground<'_>) -> Result<Design, Failure> {
    let mut design = Design::default();
    if args.quick {
        design = design.quick();
    }
    if args.thorough {
        design = design.thorough();
    }
    design.precision = ground.precision;
    design.cool_down = args.cool_down.unwrap_or(design.cool_down);
    design.within = args.within;
    // Above 2^53 a number of a JSON document is no longer exact.
    design.seed = args.seed.unwrap_or_else(|| RandomState::new().hash_one("events") >> 12);
    let top = ground.top();
    design = match args.at {
        Some(at) => {
            top.holds("--at", at)?;
            design.only_at(at)
        }
        None => ranged(args, &design, ground, &top)?,
    };
    let took = |purpose| {
        let sending = ground.trial(design.start, purpose).load.sending();
        Span { ns: sending.ns.saturating_add(AROUND.ns).saturating_add(design.cool_down.ns) }
    };
    (design.searching, design.confirming) = (took(Purpose::Searching), took(Purpose::Confirming));
    match design.within.filter(|within| *within < design.least()) {
        None => Ok(design),
        Some(within) => Err(Failure::usage(too_short(&design, within))),
    }
}

/// The rates of a search.
fn ranged(args: &Capacity, design: &Design, ground: &Ground<'_>, top: &Top) -> Result<Design, Failure> {
    let own = ground.plan.load.rate.per_second;
    let max = args.max.unwrap_or(top.rate);
    top.holds("--max", max)?;
    let lowest = lowest_rate(ground.plan).min(max);
    let min = args.min.unwrap_or_else(|| lowest.min(args.from.unwrap_or(lowest)));
    let shown = |rate: f64| Rate::per_second(rate).to_string();
    if min >= max {
        return Err(Failure::usage(format!(
            "the lowest rate, {}, is not below the highest, {}: {}",
            shown(min),
            shown(max),
            if args.max.is_some() { "give another --min or --max" } else { &top.why }
        )));
    }
    if args.from.is_none() && args.max.is_none() {
        top.holds("load.rate", own)?;
    }
    let from = args.from.map(|rate| ("--from", rate)).into_iter();
    for (flag, rate) in from.chain(args.targets.iter().map(|rate| ("--target", *rate))) {
        if args.max.is_none() {
            top.holds(flag, rate)?;
        }
        if !(min..=max).contains(&rate) {
            return Err(Failure::usage(format!(
                "{flag} {} is not between the lowest and the highest rate of this search, {} and {}; give another --min or \
                 --max",
                shown(rate),
                shown(min),
                shown(max)
            )));
        }
    }
    let start = args.from.unwrap_or(own).clamp(min, max);
    Ok(Design { start, min, max, ..design.clone() })
}

impl Top {
    /// Fails if a rate of this flag is above it.
    fn holds(&self, flag: &str, rate: f64) -> Result<(), Failure> {
        if rate <= self.rate {
            return Ok(());
        }
        let text = format!(
            "{flag} {} cannot be tried here; the highest rate is about {}: {}",
            Rate::per_second(rate),
            show::rate(self.rate),
            self.why
        );
        Err(Failure { exit: Exit::Usage, text })
    }
}

fn too_short(design: &Design, within: Span) -> String {
    let seconds = |span: Span| span.ns.div_ceil(1_000_000_000);
    let what = if design.at.is_some() {
        format!("{} of about {} s", show::several(5, "trial"), seconds(design.confirming))
    } else {
        format!(
            "9 trials of about {} s that search, and {} of about {} s that confirm floor and ceiling",
            seconds(design.searching),
            design.passes + design.misses,
            seconds(design.confirming)
        )
    };
    format!(
        "--within {within} is too short for this search: it needs at least {} ({what}); give more time, --quick, or shorter \
         trials (--duration)",
        minutes(Span::seconds(seconds(design.least())))
    )
}

/// The usual number of trials of a design, fewest and most.
pub(super) fn usual_trials(design: &Design) -> (u32, u32) {
    // Medians and 95 % quantiles of simulated searches, without and with a confirmation that has to move.
    let confirming = design.passes + design.misses;
    match (design.at.is_some(), design.passes) {
        (true, _) => (2, 8),
        (_, 0..=3) => (14, 25),
        (_, 4..=7) => (22 + confirming, 31 + confirming + 4),
        _ => (33, 65),
    }
}

/// The time of so many trials, in minutes, rounded up.
pub(super) fn usual_minutes(design: &Design) -> (u64, u64) {
    let (fewest, most) = usual_trials(design);
    let of = |trials: u32| {
        let confirming = (design.passes + design.misses).min(trials);
        let confirming = if design.at.is_some() { trials } else { confirming };
        let searching = trials - confirming;
        let ns = [(searching, design.searching), (confirming, design.confirming)];
        let ns = num::sum(ns.into_iter().map(|(trials, span)| span.ns.saturating_mul(u64::from(trials))));
        ns.div_ceil(60_000_000_000)
    };
    (of(fewest), of(most))
}
