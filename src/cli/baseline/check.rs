//! `tickgate baseline check`: the runs that `baseline::Check` asks for, and its decision.

use std::hash::{BuildHasher, RandomState};

use crate::baseline::{
    Again, Baseline, Begun, Check, Checked, Decided, Decision, Design, Finding, History, Probes, Run, Side,
    Stage, Step, Subject, What,
};
use crate::cli::args::CheckBaseline;
use crate::cli::{Exit, Failure, check, github};
use crate::report::{self, show};

use super::make::{self, Ground, Maker};
use super::save;
use super::settings;
use super::store::Store;

/// Runs of earlier checks have other events than those of pairs.
const PAIRS_FROM: u64 = 1_000_000;

/// A check that goes on.
struct Going<'a> {
    store: &'a mut Store,
    maker: &'a mut Maker,
    baseline: &'a Baseline,
    old: Ground,
    new: Ground,
    probes: Option<Probes>,
    id: String,
    design: Design,
    past: Vec<crate::baseline::Session>,
    runs: Vec<Run>,
}

pub(super) fn run(args: &CheckBaseline) -> Result<Exit, Failure> {
    let mut store = Store::open(&args.which, false)?;
    let Some(baseline) = store.baseline()? else {
        let name = &args.which.name;
        let text = format!("the baseline `{name}` has no session yet: tickgate baseline save {name} PROFILE");
        return Err(Failure::usage(text));
    };
    let old = save::old(&make::asked_of(&baseline, &args.making), &baseline)?;
    let new = new(args, &baseline)?;
    let mut maker = Maker::new(&args.making, &args.which.name, &[&old.choice, &new.choice])?;
    for note in &store.notes {
        maker.progress.say(&format!("note: {note}"));
    }
    let done = decide(args, &mut store, &mut maker, &baseline, (old, new));
    maker.progress.end_line();
    maker.discard();
    let decision = done?;
    println!("{}", report::baseline::decision(&baseline.name, &decision));
    if let Some(line) = annotation(&baseline.name, &decision) {
        paint!("{line}\n");
    }
    Ok(exit(decision.finding))
}

const fn exit(finding: Finding) -> Exit {
    match finding {
        Finding::NoSign | Finding::NotConfirmed => Exit::Pass,
        Finding::Worse => Exit::Missed,
        Finding::Unknown => Exit::Inconclusive,
    }
}

fn annotation(name: &str, decision: &Decision) -> Option<String> {
    let level = match exit(decision.finding) {
        Exit::Missed => "error",
        Exit::Inconclusive => "warning",
        _ => return None,
    };
    github::Job::of_environment().annotation(level, &format!("baseline {name}"), &decision.why)
}

/// The new side: the baseline's profile with other overrides, on the bus of the command line.
fn new(args: &CheckBaseline, baseline: &Baseline) -> Result<Ground, Failure> {
    let own = args.making.short.with(&args.making.sets, &[])?;
    let sets: Vec<String> = baseline.sets.iter().cloned().chain(own).collect();
    let plan = check::plan(&baseline.profile, &sets)?;
    let other = baseline.other_workload(&plan);
    if !other.is_empty() {
        let text = format!(
            "this is another workload than the baseline's, and no figure is compared: {}; restore it, or save another baseline",
            other.join("; ")
        );
        return Err(Failure { exit: Exit::Inconclusive, text: show::plain(&text) });
    }
    let asked = make::asked(&args.making, Some(baseline));
    let choice = make::resolved(&asked, &plan)?;
    let config = make::config(&plan, &choice, &settings::of(&asked)?);
    let subject = Subject { git: None, broker: String::new(), config };
    Ok(Ground { plan, choice, subject })
}

/// Makes the check, or tells what an earlier one decided.
fn decide(
    args: &CheckBaseline,
    store: &mut Store,
    maker: &mut Maker,
    baseline: &Baseline,
    (mut old, mut new): (Ground, Ground),
) -> Result<Decision, Failure> {
    let probes = save::probes(store, maker)?;
    let facts = maker.rehearse(&new.plan, &new.choice)?;
    new.subject.broker = make::product(&facts);
    new.subject.git = maker.commit();
    let changed = settings::changed(baseline);
    if let Some(why) = &changed {
        maker.progress.say(&format!("note: the old side cannot be run again: {why}"));
    }
    let old_runs = changed.is_none()
        && maker.rehearse(&old.plan, &old.choice).is_ok_and(|facts| make::product(&facts) == baseline.broker);
    old.subject.broker.clone_from(&baseline.broker);
    let history = store.history()?;
    let earlier = if args.again.is_some() { Again::New } else { history.again(&new.subject) };
    let (id, design, runs, at) = match earlier {
        Again::Decided(check, decision) => {
            maker.progress.say(&format!(
                "this was checked at {}: it stays so; --again REASON begins a new check, and the history shows both",
                check.at
            ));
            return Ok(decision.clone());
        }
        Again::Continue(check) => {
            maker.progress.say(&format!("goes on with the check of {}: {} runs", check.at, check.runs.len()));
            let Checked { id, at, begun, runs, .. } = check.clone();
            (id, Design { old_runs, ..begun.design }, runs, at)
        }
        Again::New => {
            let design = Design { old_runs, ..designed(args, baseline, &history, maker) };
            let begun =
                Begun { subject: new.subject.clone(), design: design.clone(), again: args.again.clone() };
            let id = store.append(None, What::Check(Box::new(begun)))?;
            (id, design, Vec::new(), "~".to_owned())
        }
    };
    store.write_subject(&new.subject.config, &described(args, baseline, &new)?)?;
    let past = history.past(&at);
    let mut going = Going { store, maker, baseline, old, new, probes, id, design, past, runs };
    going.go()
}

/// The design of a new check; what is expected of it is told.
fn designed(args: &CheckBaseline, baseline: &Baseline, history: &History, maker: &mut Maker) -> Design {
    let past = history.past("~");
    let worth = baseline.worth(&past);
    for line in report::baseline::worth(baseline, &worth, &past) {
        maker.progress.say(&line);
    }
    // Above 2^53 a number of a JSON document is no longer exact.
    let seed = args.seed.unwrap_or_else(|| RandomState::new().hash_one("order") >> 12);
    let design = baseline.design(&worth, seed);
    Design { paired: args.paired, total: args.level.unwrap_or(design.total), ..design }
}

/// The description that the new side has as a baseline, if it is accepted.
fn described(args: &CheckBaseline, baseline: &Baseline, new: &Ground) -> Result<Baseline, Failure> {
    let own = args.making.short.with(&args.making.sets, &[])?;
    let asked = make::asked(&args.making, Some(baseline));
    Ok(Baseline {
        sets: baseline.sets.iter().cloned().chain(own).collect(),
        settings: settings::of(&asked)?,
        at: asked.at,
        plan: new.plan.clone(),
        broker: new.subject.broker.clone(),
        ..baseline.clone()
    })
}

impl Going<'_> {
    fn go(&mut self) -> Result<Decision, Failure> {
        loop {
            let check = Check { design: &self.design, past: &self.past, runs: &self.runs };
            let stage = match check.next() {
                Step::Fresh => Stage::Fresh,
                Step::Pair { number, side } => Stage::Pair { number, side },
                Step::Done(decision) => {
                    for line in report::baseline::judged(&check.judged()) {
                        self.maker.progress.say(&line);
                    }
                    let decided = Decided { check: self.id.clone(), decision: decision.clone() };
                    self.store.append(None, What::Decided(decided))?;
                    return Ok(decision);
                }
            };
            self.one(stage)?;
        }
    }

    fn one(&mut self, stage: Stage) -> Result<(), Failure> {
        let made = self.runs.len() + 1;
        let (ground, name, variant) = match stage {
            Stage::Pair { number, side: Side::Old } => {
                (&self.old, format!("a-{number:02}-{made:02}"), PAIRS_FROM + u64::from(number))
            }
            Stage::Pair { number, side: Side::New } => {
                (&self.new, format!("b-{number:02}-{made:02}"), PAIRS_FROM + u64::from(number))
            }
            Stage::Fresh | Stage::Saved => (&self.new, format!("n-{made:02}"), self.store.runs()),
        };
        let Some(made) = self.maker.one(ground, &name, variant)? else { return Err(make::interrupted()) };
        if let Some(record) = &made.record {
            let found = self.baseline.other_machine(&make::of(record));
            make::same_machine(&found, &mut self.maker.progress)?;
        }
        let line = made.line(&self.id, stage, &ground.subject, self.probes);
        self.store.append(Some(made.id.clone()), What::Run(Box::new(line)))?;
        self.runs.push(Run { stage, figures: made.figures });
        Ok(())
    }
}
