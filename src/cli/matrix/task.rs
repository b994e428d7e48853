//! Resolves and checks the matrix that a command line asks for, before the first run.

use std::hash::{BuildHasher, RandomState};

use crate::cli::args::Matrix;
use crate::cli::outside::{clean_plan, shown};
use crate::cli::{Failure, environment, with_sources};
use crate::matrix::{Design, Expect, POWER_LOSS, Planned};
use crate::plan::{Plan, Span};
use crate::profile::matrix::{ConfigurationFile, FaultFile, MatrixFile, find};
use crate::profile::{self, Source};
use crate::session::{Asked, Choice, Way};

/// Runs of each cell.
const RUNS: u32 = 3;
const COOL_DOWN: Span = Span::seconds(2);
/// Mistakes of cells that are shown.
const SHOWN: usize = 3;

/// A checked matrix, ready to start.
pub(super) struct Task {
    /// The file, as the command line names it.
    pub(super) what: String,
    pub(super) file: MatrixFile,
    pub(super) sets: Vec<String>,
    pub(super) only: Vec<String>,
    pub(super) design: Design,
    /// The cells that are run, each with its place in the design.
    pub(super) cells: Vec<Ready>,
    /// Warnings to show before the first run.
    pub(super) warnings: Vec<String>,
}

/// A cell, ready to run.
pub(super) struct Ready {
    /// Its place in the design.
    pub(super) at: usize,
    pub(super) plan: Plan,
    pub(super) choice: Choice,
}

/// What a command line, or a matrix that goes on, changes.
pub(super) struct Wishes {
    pub(super) what: String,
    pub(super) sets: Vec<String>,
    pub(super) only: Vec<String>,
    pub(super) runs: Option<u32>,
    pub(super) seed: Option<u64>,
    pub(super) cool_down: Option<Span>,
}

impl Wishes {
    pub(super) fn of(args: &Matrix) -> Result<Self, Failure> {
        Ok(Self {
            what: args.what.clone().unwrap_or_default(),
            sets: args.short.with(&args.sets, &[])?,
            only: args.only.clone(),
            runs: args.runs,
            seed: args.seed,
            cool_down: args.cool_down,
        })
    }
}

impl Task {
    /// Reads the matrix, applies the options, and checks all cells.
    pub(super) fn resolve(args: &Matrix, wishes: Wishes) -> Result<Self, Failure> {
        let mut file = find(&wishes.what).map_err(|error| Failure::usage(with_sources(&error)))?;
        file.name = shown(&file.name);
        let chosen = chosen(&file, &wishes.only)?;
        let (mut cells, mut planned, mut warnings, mut mistakes) = (vec![], vec![], vec![], vec![]);
        for configuration in &file.configurations {
            let asked = asked(args, configuration)?;
            let source = file.source(configuration).map_err(|error| Failure::usage(with_sources(&error)))?;
            for fault in &file.faults {
                let mut cell = cell(&file, configuration, fault, &chosen);
                if cell.skip.is_none() {
                    match ready(&file, configuration, fault, &wishes.sets, &source, &asked) {
                        Ok((plan, choice)) => {
                            (cell.what, cell.emulated) = struck(&plan);
                            for warning in choice.warnings.iter().cloned().chain(profile::left_out(&plan)) {
                                if !warnings.contains(&warning) {
                                    warnings.push(warning);
                                }
                            }
                            cells.push(Ready { at: planned.len(), plan, choice });
                        }
                        Err(failure) => mistakes.push((configuration, fault, failure)),
                    }
                }
                planned.push(cell);
            }
        }
        refused(&mistakes)?;
        if cells.is_empty() {
            return Err(Failure::usage(format!(
                "every cell of `{}` is skipped; nothing is left to run",
                file.name
            )));
        }
        let design = Design {
            runs: wishes.runs.or(file.runs).unwrap_or(RUNS),
            // Above 2^53 a number of a JSON document is no longer exact.
            seed: wishes.seed.unwrap_or_else(|| RandomState::new().hash_one("turns") >> 12),
            cool_down: wishes.cool_down.or(file.cool_down).unwrap_or(COOL_DOWN),
            cells: planned,
        };
        let Wishes { what, sets, only, .. } = wishes;
        Ok(Self { what, file, sets, only, design, cells, warnings })
    }

    /// A cell that is run, by its place in the design.
    pub(super) fn ready(&self, at: usize) -> Option<&Ready> {
        self.cells.iter().find(|ready| ready.at == at)
    }

    /// A cell's name.
    pub(super) fn name(&self, at: usize) -> String {
        self.design
            .cells
            .get(at)
            .map_or_else(String::new, |cell| format!("{}/{}", cell.configuration, cell.fault))
    }
}

/// The faults of a plan in words, and whether one of them emulates a loss of power.
fn struck(plan: &Plan) -> (String, bool) {
    let words: Vec<String> = plan.faults.iter().map(crate::plan::Fault::in_words).collect();
    (words.join(", "), plan.faults.iter().any(|fault| fault.action.to_string() == POWER_LOSS))
}

/// The cells that `--only` names; all of them without it.
fn chosen(file: &MatrixFile, only: &[String]) -> Result<Vec<(String, String)>, Failure> {
    let mut chosen = Vec::new();
    for word in only {
        let (configuration, fault) = word.split_once('/').unwrap_or((word, "*"));
        let is = |pattern: &str, name: &str| pattern == "*" || pattern == name;
        let before = chosen.len();
        for one in file.configurations.iter().filter(|one| is(configuration, &one.name)) {
            let faults = file.faults.iter().filter(|of| is(fault, &of.name));
            chosen.extend(faults.map(|of| (one.name.clone(), of.name.clone())));
        }
        if chosen.len() == before {
            let names: Vec<&str> = file.configurations.iter().map(|of| of.name.as_str()).collect();
            let faults: Vec<&str> = file.faults.iter().map(|of| of.name.as_str()).collect();
            return Err(Failure::usage(format!(
                "--only {word} names no cell; expected CONFIGURATION/FAULT, with `*` for all, of the configurations {} and the \
                 faults {}",
                names.join(", "),
                faults.join(", ")
            )));
        }
    }
    Ok(chosen)
}

/// A cell, before its plan is known.
fn cell(
    file: &MatrixFile,
    configuration: &ConfigurationFile,
    fault: &FaultFile,
    chosen: &[(String, String)],
) -> Planned {
    let said = file.said(&configuration.name, &fault.name);
    let is_chosen = chosen.is_empty()
        || chosen.iter().any(|(one, other)| *one == configuration.name && *other == fault.name);
    let left_out = (!is_chosen).then(|| "left out by --only".to_owned());
    Planned {
        configuration: shown(&configuration.name),
        fault: shown(&fault.name),
        expect: said.expect.unwrap_or(Expect::Promise),
        skip: said.skip.map(|why| shown(&why)).or(left_out),
        ..Planned::default()
    }
}

/// The bus of a configuration. A file may name a server that tickgate starts; the address of another bus comes from the command line.
fn asked(args: &Matrix, configuration: &ConfigurationFile) -> Result<Asked, Failure> {
    let mut asked = args.broker.asked();
    let Some(at) = &configuration.broker else { return Ok(asked) };
    let here = Asked { at: Some(at.clone()), ..Asked::default() };
    if !matches!(here.way(), Way::Process | Way::Simulated) {
        return Err(Failure::usage(format!(
            "configuration `{}` names the broker `{}`; expected `local` or `sim`, and any other one on the command line (--broker)",
            configuration.name,
            crate::report::outside::address(at)
        )));
    }
    (asked.at, asked.context) = (Some(at.clone()), None);
    Ok(asked)
}

/// The plan of a cell, and the way to its bus. Where the file does not say what a fault does to the bus as a whole, it is what the
/// configuration makes of it.
fn ready(
    file: &MatrixFile,
    configuration: &ConfigurationFile,
    fault: &FaultFile,
    sets: &[String],
    source: &Source,
    asked: &Asked,
) -> Result<(Plan, Choice), Failure> {
    let plan = |outage: bool| profile::read(source, &file.sets(configuration, fault, sets, outage));
    let plan = match plan(false) {
        Ok(plan) => plan,
        Err(error) => match fault.outage.as_ref().map(|_| plan(true)) {
            Some(Ok(plan)) => plan,
            _ => return Err(Failure::usage(error)),
        },
    };
    let plan = clean_plan(&plan)?;
    let choice = Choice::resolve(asked, &plan, &environment)?;
    Ok((plan, choice))
}

/// All cells can be run, or none is: a cell that silently had no result would be taken for one without a finding.
fn refused(mistakes: &[(&ConfigurationFile, &FaultFile, Failure)]) -> Result<(), Failure> {
    let Some((configuration, fault, first)) = mistakes.first() else { return Ok(()) };
    let said: Vec<String> = mistakes
        .iter()
        .take(SHOWN)
        .map(|(configuration, fault, failure)| {
            format!("{}/{}: {}", configuration.name, fault.name, failure.text.trim_end())
        })
        .collect();
    let more = mistakes.len().saturating_sub(SHOWN);
    let more = if more > 0 { format!("\nand {more} more cells") } else { String::new() };
    Err(Failure {
        exit: first.exit,
        text: format!(
            "{}{more}\ncorrect the file, or leave a cell out: [[cell]] configuration = \"{}\", fault = \"{}\", skip = \"why\"",
            said.join("\n"),
            configuration.name,
            fault.name
        ),
    })
}
