//! Lints the configuration of a NATS server, and what running servers report of theirs: names what will fail and what will
//! bite, where, why, and what to write instead.
//!
//! Pure: texts and reports in, findings out. Whoever calls it reads files and asks servers.

pub mod conf;
mod access;
mod cluster;
mod duration;
mod keys;
pub mod live;
mod junit;
mod needs;
mod rules;
mod schema;
mod settings;
mod show;
mod store;
mod together;

use schemars::JsonSchema;
use serde::Serialize;

use conf::{Map, Place, Problem, World};
pub use junit::xml;
pub use needs::{Here, Needs};
pub use rules::{RULES, Rule, Subject};
use settings::Settings;
pub use show::{Document, SCHEMA, json, text};

/// How serious a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// Worth knowing.
    Note,
    /// It starts, and will hurt when something happens.
    Bite,
    /// The server refuses it, or what the file asks for does not come about.
    Fail,
}

/// A place in a named file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct At {
    /// The file.
    pub file: String,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Finding {
    /// How serious it is.
    pub level: Level,
    /// The kind of finding, for machines.
    pub code: &'static str,
    /// Where, in a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<At>,
    /// Which running server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// What is wrong.
    pub what: String,
    /// What happens.
    pub why: String,
    /// What to write instead.
    pub instead: String,
    /// The statement of ADR-002 that it breaks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claim: Option<&'static str>,
}

/// The statements of ADR-002 that findings refer to.
pub(crate) mod claim {
    pub(crate) const SCALE: &str = "Scalability: horizontal clusters";
    pub(crate) const DURABLE: &str = "Durability: events must survive service restarts (audit trail)";
    pub(crate) const RATE: &str = "Scalability: 10,000+ events/second during peak trading hours";
    pub(crate) const SIMPLE: &str = "Ops complexity: low (single binary)";
}

impl Finding {
    fn new(
        level: Level,
        code: &'static str,
        what: impl Into<String>,
        why: impl Into<String>,
        instead: impl Into<String>,
    ) -> Self {
        let (what, why, instead) = (what.into(), why.into(), instead.into());
        Self { level, code, at: None, node: None, what, why, instead, claim: None }
    }

    fn breaks(self, claim: &'static str) -> Self {
        Self { claim: Some(claim), ..self }
    }

    fn breaks_if(self, does: bool, claim: &'static str) -> Self {
        if does { self.breaks(claim) } else { self }
    }
}

/// A configuration that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Conf {
    /// Names of its files, the first that of the file itself.
    files: Vec<String>,
    root: Map,
}

impl Conf {
    /// Reads a configuration.
    ///
    /// # Errors
    /// When the server would refuse the text: the finding that says so.
    pub fn read(name: &str, text: &str, mut world: World<'_>) -> Result<Self, Box<Finding>> {
        match conf::read(name, text, &mut world) {
            Ok(root) => Ok(Self { files: world.files, root }),
            Err(problem) => Err(Box::new(unreadable(problem, &world.files))),
        }
    }

    /// Returns the file's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.files.first().map(String::as_str).unwrap_or_default()
    }

    /// Returns the directory of the streams, if the file names one.
    #[must_use]
    pub fn store(&self) -> Option<&str> {
        Settings::of(&self.root).store_dir().and_then(|entry| entry.item.text())
    }

    fn at(&self, place: Place) -> At {
        at(place, &self.files)
    }
}

fn at(place: Place, files: &[String]) -> At {
    let file = files.get(place.file).cloned().unwrap_or_default();
    At { file, line: place.line, column: place.column }
}

fn unreadable(problem: Problem, files: &[String]) -> Finding {
    let finding = Finding::new(
        Level::Fail,
        "syntax",
        problem.text,
        "nats-server refuses to start with this file",
        "correct the file; `nats-server -t -c FILE` checks its syntax as well",
    );
    Finding { at: Some(at(problem.place, files)), ..finding }
}

/// Lints one configuration: the most serious findings first, else in the order of the file.
#[must_use]
pub fn lint(conf: &Conf, needs: &Needs, here: Option<&Here>) -> Vec<Finding> {
    lint_one(conf, needs, here, 1)
}

/// Lints the configurations of the nodes of one cluster, each by itself and with each other.
#[must_use]
pub fn lint_all(confs: &[(Conf, Option<Here>)], needs: &Needs) -> Vec<Finding> {
    let each = confs.iter().flat_map(|(conf, here)| lint_one(conf, needs, here.as_ref(), confs.len()));
    let all: Vec<&Conf> = confs.iter().map(|(conf, _)| conf).collect();
    let mut findings: Vec<Finding> = each.chain(together::compare(&all, needs)).collect();
    sort(&mut findings);
    findings
}

fn lint_one(conf: &Conf, needs: &Needs, here: Option<&Here>, nodes: usize) -> Vec<Finding> {
    let settings = Settings::of(&conf.root);
    let mut lint = Lint { conf, settings, needs, here, nodes, findings: vec![] };
    schema::check(&mut lint);
    cluster::check(&mut lint);
    access::check(&mut lint);
    store::check(&mut lint);
    let mut findings = lint.findings;
    sort(&mut findings);
    findings
}

/// Sorts by level, then by place; what has none comes last.
fn sort(findings: &mut [Finding]) {
    findings.sort_by(|a, b| {
        let place = |finding: &Finding| (finding.at.is_none(), finding.at.clone());
        b.level.cmp(&a.level).then_with(|| place(a).cmp(&place(b)))
    });
}

/// A lint at work on one file.
struct Lint<'a> {
    conf: &'a Conf,
    settings: Settings<'a>,
    needs: &'a Needs,
    here: Option<&'a Here>,
    /// Number of configurations that are linted together.
    nodes: usize,
    findings: Vec<Finding>,
}

impl Lint<'_> {
    /// Adds a finding at a place of the file; without one, at its first line.
    fn add(&mut self, place: Option<Place>, finding: Finding) {
        let place = place.unwrap_or(Place { file: 0, line: 1, column: 1 });
        self.findings.push(Finding { at: Some(self.conf.at(place)), ..finding });
    }
}

#[cfg(test)]
mod tests;
