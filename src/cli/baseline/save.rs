//! `tickgate baseline save`: a session of runs.

use crate::baseline::{BASELINE_FAMILY, BASELINE_VERSION, Baseline, Probes, Stage, Subject, What};
use crate::cli::args::Save;
use crate::cli::{Exit, Failure, check};
use crate::host::clock::Clock;
use crate::plan::Span;
use crate::report;
use crate::run::Identity;

use super::make::{self, Ground, Made, Maker};
use super::settings;
use super::store::{self, Store};

/// Runs of a session that are made again because they do not count.
const AGAIN: u32 = 2;
/// Metrics that may decide, unless the command line names others.
const DECIDE: [&str; 2] = ["latency.p99", "broker.cpu"];
/// Default of the smallest change that counts.
const MIN_EFFECT: f64 = 0.05;
/// Default of the false alarms in a year.
const FALSE_ALARMS: f64 = 0.5;

pub(super) fn run(args: &Save) -> Result<Exit, Failure> {
    let mut store = Store::open(&args.which, true)?;
    let known = store.baseline()?;
    let (draft, ground) = match &known {
        Some(baseline) => (baseline.clone(), ground_of(args, baseline)?),
        None => first(args)?,
    };
    let mut maker = Maker::new(&args.making, &args.which.name, &[&ground.choice])?;
    for note in &store.notes {
        maker.progress.say(&format!("note: {note}"));
    }
    let mut baseline = known;
    let made = sessions(args, &mut store, &mut maker, &ground, (&mut baseline, &draft));
    maker.progress.end_line();
    maker.discard();
    made?;
    let Some(baseline) = baseline else {
        let failure = maker.failure();
        return Err(failure.unwrap_or_else(make::interrupted));
    };
    let history = store.history()?;
    let past = history.past("~");
    for line in report::baseline::worth(&baseline, &baseline.worth(&past), &past) {
        println!("{line}");
    }
    Ok(if maker.is_interrupted() { Exit::Interrupted } else { Exit::Pass })
}

fn sessions(
    args: &Save,
    store: &mut Store,
    maker: &mut Maker,
    ground: &Ground,
    (baseline, draft): (&mut Option<Baseline>, &Baseline),
) -> Result<(), Failure> {
    for number in 1..=args.sessions {
        let began = Clock::start();
        let probes = probes(store, maker)?;
        let id = Identity::new().id;
        session(args, store, maker, ground, (baseline, draft), (&id, probes))?;
        if maker.is_interrupted() {
            break;
        }
        if number < args.sessions {
            maker.wait(Span { ns: args.every.ns.saturating_sub(began.now()) });
        }
    }
    Ok(())
}

/// The speed of the machine, held against the baseline's.
pub(super) fn probes(store: &Store, maker: &mut Maker) -> Result<Option<Probes>, Failure> {
    let history = store.history()?;
    let past: Vec<Probes> = history.baseline().filter_map(|sitting| sitting.probes).collect();
    maker.probes(&past)
}

fn session(
    args: &Save,
    store: &mut Store,
    maker: &mut Maker,
    ground: &Ground,
    (baseline, draft): (&mut Option<Baseline>, &Baseline),
    (id, probes): (&str, Option<Probes>),
) -> Result<(), Failure> {
    let (mut counted, mut made) = (0, 0);
    while counted < args.runs && made < args.runs + AGAIN {
        let name = format!("s-{id}-{:02}", made + 1);
        let variant = store.runs();
        let Some(one) = maker.one(ground, &name, variant)? else { return Ok(()) };
        made += 1;
        counted += u32::from(one.figures.unusable.is_none());
        let broker = belongs(store, maker, baseline, draft, &one)?;
        let subject = Subject { broker, git: maker.commit(), ..ground.subject.clone() };
        let line = one.line(id, Stage::Saved, &subject, probes);
        store.append(Some(one.id.clone()), What::Run(Box::new(line)))?;
    }
    if counted < args.runs {
        maker.progress.say(&format!(
            "warning: {counted} of {made} runs of this session count; see `tickgate doctor` for what disturbs the others"
        ));
    }
    Ok(())
}

/// Holds a run against the baseline's machine; the first run makes the baseline. Returns its broker in words.
fn belongs(
    store: &Store,
    maker: &mut Maker,
    baseline: &mut Option<Baseline>,
    draft: &Baseline,
    made: &Made,
) -> Result<String, Failure> {
    let Some(record) = &made.record else { return Ok(String::new()) };
    let (fingerprint, broker) = (make::of(record), make::product(&record.broker));
    if let Some(baseline) = baseline {
        make::same_machine(&baseline.other_machine(&fingerprint), &mut maker.progress)?;
        if broker != baseline.broker {
            let text = format!(
                "the broker is {broker}, but the baseline is of {}: run that version, or check this one and accept it \
                 (tickgate baseline update {} --accept REASON)",
                baseline.broker, baseline.name
            );
            return Err(Failure { exit: Exit::Inconclusive, text });
        }
    } else {
        let made = Baseline { broker: broker.clone(), fingerprint, created: store::now(), ..draft.clone() };
        store.write(&made)?;
        *baseline = Some(made);
    }
    Ok(broker)
}

/// The old side of a baseline that is there.
fn ground_of(args: &Save, baseline: &Baseline) -> Result<Ground, Failure> {
    let fixed = [
        (args.profile.as_ref().is_some_and(|profile| *profile != baseline.profile), "the profile"),
        (!args.making.short.with(&args.making.sets, &[])?.is_empty(), "--set, --rate and --duration"),
        (!args.decide.is_empty(), "--decide"),
        (args.min_effect.is_some(), "--min-effect"),
        (args.false_alarms.is_some(), "--false-alarms"),
    ];
    if let Some((_, what)) = fixed.iter().find(|(given, _)| *given) {
        return Err(Failure::usage(format!(
            "the baseline `{}` is made, and {what} cannot change: leave it out, or save another baseline",
            baseline.name
        )));
    }
    let asked = make::asked(&args.making, Some(baseline));
    if settings::hashes(&settings::of(&asked)?) != settings::hashes(&baseline.settings) {
        return Err(Failure::usage(format!(
            "the files of --server-config, --stream-config and --consumer-config are not those with which the baseline `{}` was made: \
             leave the flags out and restore the files, or save another baseline",
            baseline.name
        )));
    }
    old(&asked, baseline)
}

/// The old side, on this bus.
pub(super) fn old(asked: &crate::session::Asked, baseline: &Baseline) -> Result<Ground, Failure> {
    let choice = make::resolved(asked, &baseline.plan)?;
    let config = make::config(&baseline.plan, &choice, &baseline.settings);
    let subject = Subject { git: None, broker: baseline.broker.clone(), config };
    Ok(Ground { plan: baseline.plan.clone(), choice, subject })
}

/// A baseline that is not made yet.
fn first(args: &Save) -> Result<(Baseline, Ground), Failure> {
    let Some(profile) = &args.profile else {
        let name = &args.which.name;
        return Err(Failure::usage(format!(
            "name the profile of the baseline: tickgate baseline save {name} PROFILE"
        )));
    };
    let sets = args.making.short.with(&args.making.sets, &[])?;
    let plan = check::plan(profile, &sets)?;
    if plan.load.is_closed() {
        return Err(Failure::usage(
            "a closed load (`load.rate = \"max\"`) has no latencies to keep: give a rate, or use `tickgate capacity`",
        ));
    }
    let asked = make::asked(&args.making, None);
    if asked.context.is_some() {
        return Err(Failure::usage(
            "a context may name another bus tomorrow: name the bus of a baseline with --broker",
        ));
    }
    let choice = make::resolved(&asked, &plan)?;
    let decide =
        if args.decide.is_empty() { DECIDE.map(str::to_owned).to_vec() } else { args.decide.clone() };
    let draft = Baseline {
        schema: format!("{BASELINE_FAMILY}/{BASELINE_VERSION}"),
        name: args.which.name.clone(),
        epoch: 1,
        profile: profile.clone(),
        sets,
        at: asked.at.clone(),
        settings: settings::of(&asked)?,
        plan: plan.clone(),
        broker: String::new(),
        fingerprint: crate::baseline::Fingerprint::default(),
        decide,
        min_effect: args.min_effect.unwrap_or(MIN_EFFECT),
        false_alarms: args.false_alarms.unwrap_or(FALSE_ALARMS),
        tickgate: crate::host::build::VERSION.into(),
        created: String::new(),
    };
    let config = make::config(&plan, &choice, &draft.settings);
    let subject = Subject { git: None, broker: String::new(), config };
    Ok((draft, Ground { plan, choice, subject }))
}
