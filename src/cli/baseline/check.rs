//! `tickgate baseline check`: the runs that `baseline::Check` asks for, and its decision.

use std::hash::{BuildHasher, RandomState};

use crate::baseline::{
    Again, Answer, Baseline, Begun, Check, Checked, Decided, Decision, Design, History, Making, MetricAnswer,
    Probes, Run, Side, Stage, Step, Subject, What,
};
use crate::cli::args::CheckBaseline;
use crate::cli::{Exit, Failure, check};
use crate::report::{self, show};

use super::answered;
use super::make::{self, Ground, Maker};
use super::other;
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
    let (new, other) = new(args, &baseline)?;
    let mut maker = Maker::new(&args.making, &args.which.name, &[&old.choice, &new.choice])?;
    for note in &store.notes {
        maker.progress.say(&format!("note: {note}"));
    }
    let done = if other.is_empty() {
        if args.other_machine {
            other::described(&store, &mut maker, &baseline, &new)
        } else {
            decide(args, &mut store, &mut maker, &baseline, (old, new))
        }
    } else {
        Err(other_workload(&other))
    };
    maker.progress.end_line();
    let done = match done {
        Ok(answer) => answered::finish(&answer, &maker.folder, args.format),
        // Its reports say why; a job that collects them has them.
        Err(failure) if failure.exit == Exit::Inconclusive => {
            let decision = Decision::refused(failure.text.clone());
            let sessions = store.history()?.past("~").len();
            let answer = answered::answer(&baseline, sessions, maker.tags(), decision);
            answered::finish(&answer, &maker.folder, args.format).and(Err(failure))
        }
        Err(failure) => Err(failure),
    };
    maker.discard();
    done
}

fn other_workload(other: &[String]) -> Failure {
    let text = format!(
        "this is another workload than the baseline's, and no figure is compared: {}; restore it, or save another baseline",
        other.join("; ")
    );
    Failure { exit: Exit::Inconclusive, text: show::plain(&text) }
}

/// The new side: the baseline's profile with other overrides, on the bus of the command line; and what makes it another workload.
fn new(args: &CheckBaseline, baseline: &Baseline) -> Result<(Ground, Vec<String>), Failure> {
    let own = args.making.short.with(&args.making.sets, &[])?;
    let sets: Vec<String> = baseline.sets.iter().cloned().chain(own).collect();
    let plan = check::plan(&baseline.profile, &sets)?;
    let other = baseline.other_workload(&plan);
    let asked = make::asked(&args.making, Some(baseline));
    let choice = make::resolved(&asked, &plan)?;
    let config = make::config(&plan, &choice, &settings::of(&asked)?);
    let subject = Subject { git: None, broker: String::new(), config };
    Ok((Ground { plan, choice, subject }, other))
}

/// Makes the check, or tells what an earlier one decided.
fn decide(
    args: &CheckBaseline,
    store: &mut Store,
    maker: &mut Maker,
    baseline: &Baseline,
    (mut old, mut new): (Ground, Ground),
) -> Result<Answer, Failure> {
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
            return Ok(earlier_answer(baseline, &history, maker, check, decision));
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
    let decision = going.go()?;
    let Going { old: _, new, id, design, past, runs, .. } = going;
    let judged = Check { design: &design, past: &past, runs: &runs }.judged();
    let began = store.history()?.checks.iter().find(|check| check.id == id).map(|check| check.at.clone());
    let made = Making::of(&id, &began.unwrap_or_default(), &new.subject, &design, &runs);
    let answer = answered::answer(baseline, past.len(), maker.tags(), decision);
    Ok(answered::with(answer, made, &judged))
}

/// The answer of a check that was decided before.
fn earlier_answer(
    baseline: &Baseline,
    history: &History,
    maker: &Maker,
    check: &Checked,
    decision: &Decision,
) -> Answer {
    let past = history.past(&check.at);
    let Begun { subject, design, .. } = &check.begun;
    let judged = Check { design, past: &past, runs: &check.runs }.judged();
    let made = Making::of(&check.id, &check.at, subject, design, &check.runs);
    let answer = answered::answer(baseline, past.len(), maker.tags(), decision.clone());
    Answer { earlier: true, ..answered::with(answer, made, &judged) }
}

/// The design of a new check; says which changes each metric can show.
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
                    for judged in check.judged() {
                        let metric = MetricAnswer::of(&judged, decision.finding);
                        self.maker.progress.say(&report::baseline::metric(&metric));
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
