//! Matrix files: a profile, configurations that change it, faults, and what is expected of their cells.
//!
//! The profile is the name of a shipped one, a path, or a table `[profile]` with the whole of it. A configuration changes it as
//! `--set` does. A fault is a table of a profile's `[[faults]]`; without a `do` nothing is injected.

use std::fs;
use std::path::Path;

use serde::Deserialize;
use toml::{Table, Value};

use super::Source;
use crate::matrix::Expect;
use crate::plan::grammar::{did_you_mean, nearest};
use crate::plan::{Action, Choice, Span};

const SHIPPED: [(&str, &str); 5] = [
    ("nats-durability", include_str!("../../profiles/matrix/nats-durability.toml")),
    ("nats-power-loss", include_str!("../../profiles/matrix/nats-power-loss.toml")),
    ("kafka-durability", include_str!("../../profiles/matrix/kafka-durability.toml")),
    ("kafka-power-loss", include_str!("../../profiles/matrix/kafka-power-loss.toml")),
    ("kafka-vs-nats-faults", include_str!("../../profiles/matrix/kafka-vs-nats-faults.toml")),
];

/// The most runs of a cell.
const MOST_RUNS: u32 = 100;
/// The most cells: each of them takes some seconds for a run.
const MOST_CELLS: usize = 200;
const MAX_NAME: usize = 64;
/// What becomes of a fault in a plan: a list of one table.
const FAULTS: &str = "faults";

/// The content of a matrix file.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MatrixFile {
    /// Its name: that of the file where it gives itself none.
    pub name: String,
    /// One sentence for people.
    pub description: String,
    /// What readers of the result should know.
    pub notes: Vec<String>,
    /// The profile of all configurations without one of their own.
    pub profile: Base,
    /// Overrides of all cells, each as `--set` takes it.
    pub sets: Vec<String>,
    /// The configurations, in the order of the file.
    pub configurations: Vec<ConfigurationFile>,
    /// The faults, in the order of the file.
    pub faults: Vec<FaultFile>,
    /// What is said of single cells; what is said later wins.
    pub cells: Vec<CellFile>,
    /// Runs of each cell.
    pub runs: Option<u32>,
    /// Pause before each run.
    pub cool_down: Option<Span>,
}

/// A profile.
#[derive(Debug, Clone, PartialEq)]
pub enum Base {
    /// A shipped profile's name, or a path.
    Named(String),
    /// The text of one.
    Inline(String),
}

impl Default for Base {
    fn default() -> Self {
        Self::Named(String::new())
    }
}

/// A configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfigurationFile {
    /// Its name.
    pub name: String,
    /// As `--broker` takes it.
    pub broker: Option<String>,
    /// Its own profile: a shipped one's name, or a path.
    pub profile: Option<String>,
    /// Overrides, each as `--set` takes it.
    #[serde(default)]
    pub set: Vec<String>,
}

/// A fault.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FaultFile {
    /// Its name.
    pub name: String,
    /// What is done, as it is written; absent where nothing is injected.
    pub action: Option<String>,
    /// The table of the profile, as TOML on one line; absent where nothing is injected.
    pub table: Option<String>,
    /// The same with `expect = "outage"`, where the file says nothing of that: what a fault does to the bus as a whole depends on
    /// the configuration.
    pub outage: Option<String>,
    /// Overrides, each as `--set` takes it.
    pub sets: Vec<String>,
}

/// What is said of cells.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CellFile {
    /// The configuration; each where it is absent.
    pub configuration: Option<String>,
    /// The fault; each where it is absent.
    pub fault: Option<String>,
    /// Why it is not run.
    pub skip: Option<String>,
    /// What has to hold.
    pub expect: Option<Expect>,
    /// Overrides, each as `--set` takes it.
    #[serde(default)]
    pub set: Vec<String>,
}

/// Why a matrix file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum MatrixError {
    /// Neither a file nor a shipped matrix.
    #[error("no matrix `{argument}`; shipped are {}{}; a path holds a `/` or ends in `.toml`", names().join(", "), did_you_mean(nearest.as_deref()))]
    Unknown {
        /// As it was written.
        argument: String,
        /// The shipped matrix that is most like it.
        nearest: Option<String>,
    },
    /// The file cannot be read.
    #[error("cannot read the matrix `{path}`")]
    Unreadable {
        /// Where.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// It is not a valid matrix.
    #[error("{name}: {problem}")]
    Wrong {
        /// Which.
        name: String,
        /// The problem, and what was expected.
        problem: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    name: Option<String>,
    #[serde(default)]
    description: String,
    #[serde(default)]
    notes: Vec<String>,
    profile: Value,
    #[serde(default)]
    set: Vec<String>,
    runs: Option<u32>,
    cool_down: Option<Span>,
    #[serde(default)]
    configuration: Vec<ConfigurationFile>,
    #[serde(default)]
    fault: Vec<Table>,
    #[serde(default)]
    cell: Vec<CellFile>,
}

/// The shipped matrices whose faults this version knows.
fn usable() -> impl Iterator<Item = (&'static str, &'static str, MatrixFile)> {
    SHIPPED.iter().filter_map(|(name, text)| {
        let file = read(name, text).ok()?;
        let mut actions = file.faults.iter().filter_map(|fault| fault.action.as_deref());
        actions.all(|action| Action::of_word(action).is_some()).then_some((*name, *text, file))
    })
}

fn names() -> Vec<&'static str> {
    usable().map(|(name, ..)| name).collect()
}

/// The shipped matrices: name and description.
#[must_use]
pub fn shipped() -> Vec<(&'static str, String)> {
    usable().map(|(name, _, file)| (name, file.description)).collect()
}

/// The text of a shipped matrix.
#[must_use]
pub fn shipped_text(name: &str) -> Option<&'static str> {
    usable().find(|(known, ..)| *known == name).map(|(_, text, _)| text)
}

/// The matrix that a command line means: a shipped one by its name, or a file by its path.
///
/// # Errors
/// When there is neither, it cannot be read, or it is wrong.
pub fn find(argument: &str) -> Result<MatrixFile, MatrixError> {
    if let Some(text) = shipped_text(argument) {
        return read(argument, text);
    }
    let path = Path::new(argument);
    let is_path = argument.contains('/') || path.extension().is_some_and(|extension| extension == "toml");
    if !is_path && !path.exists() {
        let nearest = nearest(argument, names()).map(str::to_owned);
        return Err(MatrixError::Unknown { argument: argument.to_owned(), nearest });
    }
    let text = fs::read_to_string(path)
        .map_err(|source| MatrixError::Unreadable { path: argument.to_owned(), source })?;
    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or("matrix");
    read(stem, &text)
}

/// Reads a matrix; the plans of its cells are not looked at.
///
/// # Errors
/// When it is not TOML, has unknown or missing keys, or names what it does not have.
pub fn read(name: &str, text: &str) -> Result<MatrixFile, MatrixError> {
    let wrong = |problem: String| MatrixError::Wrong { name: name.to_owned(), problem };
    let raw: Raw = toml::from_str(text).map_err(|error| wrong(error.to_string()))?;
    let profile = match raw.profile {
        Value::String(named) => Base::Named(named),
        Value::Table(table) => {
            Base::Inline(toml::to_string(&table).map_err(|error| wrong(error.to_string()))?)
        }
        other => {
            let problem = format!("`profile` is {other}; expected a name, a path or a table, `[profile]`");
            return Err(wrong(problem));
        }
    };
    let faults: Result<Vec<FaultFile>, String> = raw.fault.into_iter().map(fault).collect();
    let file = MatrixFile {
        name: raw.name.unwrap_or_else(|| name.to_owned()),
        description: raw.description,
        notes: raw.notes,
        profile,
        sets: raw.set,
        configurations: raw.configuration,
        faults: faults.map_err(&wrong)?,
        cells: raw.cell,
        runs: raw.runs,
        cool_down: raw.cool_down,
    };
    check(&file).map_err(wrong)?;
    Ok(file)
}

/// A `[[fault]]` table, as a fault of a profile.
fn fault(mut table: Table) -> Result<FaultFile, String> {
    let Some(Value::String(name)) = table.get("name").cloned() else {
        return Err("a [[fault]] has no `name`; expected one of its own for each".to_owned());
    };
    let sets = match table.remove("set") {
        None => Vec::new(),
        Some(value) => value.try_into().map_err(|_| {
            format!("[[fault]] {name}: `set` is not a list of texts such as \"load.rate=2k/s\"")
        })?,
    };
    if !table.contains_key("do") {
        if let Some(key) = table.keys().find(|key| *key != "name") {
            return Err(format!(
                "[[fault]] {name}: `{key}` has no effect without `do`; expected a `do`, or a `name` alone for runs without a fault"
            ));
        }
        return Ok(FaultFile { name, sets, ..FaultFile::default() });
    }
    let action = table.get("do").and_then(Value::as_str).map(str::to_owned);
    let with = |table: &Table| Value::Array(vec![Value::Table(table.clone())]).to_string();
    let plain = with(&table);
    let outage = (!table.contains_key("expect")).then(|| {
        table.insert("expect".to_owned(), Value::String("outage".to_owned()));
        with(&table)
    });
    Ok(FaultFile { name, action, table: Some(plain), outage, sets })
}

/// Checks names, sizes, and what is said of cells.
fn check(file: &MatrixFile) -> Result<(), String> {
    let configurations: Vec<&str> = file.configurations.iter().map(|of| of.name.as_str()).collect();
    let faults: Vec<&str> = file.faults.iter().map(|of| of.name.as_str()).collect();
    for (what, names) in [("configuration", &configurations), ("fault", &faults)] {
        if names.is_empty() {
            return Err(format!("it has no [[{what}]]; expected at least one"));
        }
        for (at, name) in names.iter().enumerate() {
            if name.is_empty() || name.len() > MAX_NAME || name.contains('/') {
                return Err(format!(
                    "`{name}` cannot be the name of a {what}; expected 1 to {MAX_NAME} characters without `/`"
                ));
            }
            if names.iter().take(at).any(|other| other == name) {
                return Err(format!(
                    "two [[{what}]] are called `{name}`; expected a name of its own for each"
                ));
            }
        }
    }
    if configurations.len() * faults.len() > MOST_CELLS {
        return Err(format!("it has more than {MOST_CELLS} cells; expected fewer configurations or faults"));
    }
    if file.runs.is_some_and(|runs| !(1..=MOST_RUNS).contains(&runs)) {
        return Err(format!("`runs` is out of range; expected 1 to {MOST_RUNS}"));
    }
    for cell in &file.cells {
        known("configuration", cell.configuration.as_deref(), &configurations)?;
        known("fault", cell.fault.as_deref(), &faults)?;
        if cell.skip.is_some() && cell.expect.is_some() {
            return Err("a [[cell]] has `skip` and `expect`; expected one of them".to_owned());
        }
        if cell.skip.as_ref().is_some_and(|why| why.trim().is_empty()) {
            return Err(
                "a [[cell]] has an empty `skip`; expected the reason, which the result shows".to_owned()
            );
        }
        if cell.skip.is_none() && cell.expect.is_none() && cell.set.is_empty() {
            let expected: Vec<String> = Expect::ALL.iter().map(ToString::to_string).collect();
            return Err(format!(
                "a [[cell]] says nothing; expected `skip`, `set` or `expect` (one of {})",
                expected.join(", ")
            ));
        }
    }
    Ok(())
}

fn known(what: &str, name: Option<&str>, names: &[&str]) -> Result<(), String> {
    match name {
        Some(name) if !names.contains(&name) => {
            let near = did_you_mean(nearest(name, names.iter().copied()));
            Err(format!("a [[cell]] names the {what} `{name}`, which is none of {}{near}", names.join(", ")))
        }
        _ => Ok(()),
    }
}

impl MatrixFile {
    /// The text of a configuration's profile.
    ///
    /// # Errors
    /// When it cannot be found or read.
    pub fn source(&self, configuration: &ConfigurationFile) -> Result<Source, super::SourceError> {
        match (&configuration.profile, &self.profile) {
            (Some(named), _) | (None, Base::Named(named)) => Source::find(named),
            (None, Base::Inline(text)) => {
                Ok(Source::new(format!("[profile] of {}", self.name), text.as_bytes()))
            }
        }
    }

    /// What the file says of a cell: why it is skipped, what is expected, and its own overrides.
    #[must_use]
    pub fn said(&self, configuration: &str, fault: &str) -> CellFile {
        let of = |named: &Option<String>, name: &str| named.as_deref().is_none_or(|named| named == name);
        let mut said = CellFile::default();
        let all =
            self.cells.iter().filter(|cell| of(&cell.configuration, configuration) && of(&cell.fault, fault));
        for cell in all {
            if cell.skip.is_some() || cell.expect.is_some() {
                (said.skip, said.expect) = (cell.skip.clone(), cell.expect);
            }
            said.set.extend(cell.set.iter().cloned());
        }
        said
    }

    /// The overrides of a cell, each as `--set` takes it, in the order in which they are applied; `more` are those of the command
    /// line.
    #[must_use]
    pub fn sets(
        &self,
        configuration: &ConfigurationFile,
        fault: &FaultFile,
        more: &[String],
        outage: bool,
    ) -> Vec<String> {
        let said = self.said(&configuration.name, &fault.name);
        let table =
            if outage { fault.outage.as_ref().or(fault.table.as_ref()) } else { fault.table.as_ref() };
        let table = format!("{FAULTS}={}", table.map_or("[]", String::as_str));
        // After the table, its keys can be set one by one.
        let before = self.sets.iter().chain(&configuration.set).cloned();
        let after = fault.sets.iter().chain(&said.set).chain(more).cloned();
        before.chain([table]).chain(after).collect()
    }
}

#[cfg(test)]
mod tests;
