//! Comparison files: a profile, sides that change it, and how they are to be compared.
//!
//! The keys of a side are those of the profile, as `--set` takes them, and three more: `label`, `broker`, `profile`.

use std::fs;
use std::path::Path;

use serde::Deserialize;
use toml::{Table, Value};

use crate::compare::{Letter, METRICS, Prices, named};
use crate::plan::Span;
use crate::plan::grammar::{did_you_mean, nearest};
use crate::report::outside::{address, masked};

const SHIPPED: [(&str, &str); 10] = [
    ("file-vs-memory", include_str!("../../profiles/compare/file-vs-memory.toml")),
    ("durability", include_str!("../../profiles/compare/durability.toml")),
    ("sync-default-vs-always", include_str!("../../profiles/compare/sync-default-vs-always.toml")),
    ("ack-explicit-vs-none", include_str!("../../profiles/compare/ack-explicit-vs-none.toml")),
    ("publish-async-vs-fast", include_str!("../../profiles/compare/publish-async-vs-fast.toml")),
    ("publish-async-vs-atomic", include_str!("../../profiles/compare/publish-async-vs-atomic.toml")),
    ("subject-plain-vs-symbol", include_str!("../../profiles/compare/subject-plain-vs-symbol.toml")),
    ("shared-vs-partitioned", include_str!("../../profiles/compare/shared-vs-partitioned.toml")),
    ("kafka-vs-nats", include_str!("../../profiles/compare/kafka-vs-nats.toml")),
    ("kafka-vs-nats-fsync", include_str!("../../profiles/compare/kafka-vs-nats-fsync.toml")),
];

/// The content of a comparison file.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ComparisonFile {
    /// Its name: that of the file where it gives itself none.
    pub name: String,
    /// One sentence for people.
    pub description: String,
    /// A shipped profile's name, or a path.
    pub profile: String,
    /// What readers of the result should know.
    pub notes: Vec<String>,
    /// Overrides of all sides, each as `--set` takes it.
    pub sets: Vec<String>,
    /// The sides, in the order of their letters.
    pub sides: Vec<SideFile>,
    /// The side that the others are compared with, by its letter or label; the first if absent.
    pub reference: Option<String>,
    /// Pairs of runs.
    pub pairs: Option<u32>,
    /// Pause before each run.
    pub cool_down: Option<Span>,
    /// Minimum effect, as a share.
    pub min_effect: Option<f64>,
    /// Margin of equivalence, as a share; its presence requests a test of equivalence.
    pub equivalent: Option<f64>,
    /// Rank sides of unequal durability.
    pub allow_unequal: bool,
    /// Compare sides of different load.
    pub allow_different_workload: bool,
    /// The metrics that decide.
    pub decide: Vec<String>,
    /// Prices, for the monthly cost of each side.
    pub prices: Option<Prices>,
}

/// What one side changes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SideFile {
    /// What people call it.
    pub label: Option<String>,
    /// As `--broker` takes it.
    pub broker: Option<String>,
    /// A context of the nats command line, used instead of a broker; only on the command line.
    pub context: Option<String>,
    /// As `--creds` takes it; on a command line only.
    pub creds: Option<String>,
    /// As `--monitor` takes it, comma-separated; on a command line only.
    pub monitor: Option<String>,
    /// As `--monitor-creds` takes it; on a command line only.
    pub monitor_creds: Option<String>,
    /// As `--monitor-context` takes it; on a command line only.
    pub monitor_context: Option<String>,
    /// As `--monitor-user` takes it; on a command line only.
    pub monitor_user: Option<String>,
    /// Its own profile.
    pub profile: Option<String>,
    /// Overrides, each as `--set` takes it.
    pub sets: Vec<String>,
}

/// Why a comparison file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ComparisonError {
    /// The file cannot be read.
    #[error("cannot read the comparison `{path}`")]
    Unreadable {
        /// Where.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// It is not a valid comparison.
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
    profile: String,
    #[serde(default)]
    notes: Vec<String>,
    #[serde(default)]
    set: Table,
    a: Table,
    b: Table,
    c: Option<Table>,
    d: Option<Table>,
    e: Option<Table>,
    f: Option<Table>,
    g: Option<Table>,
    h: Option<Table>,
    reference: Option<String>,
    pairs: Option<u32>,
    cool_down: Option<Span>,
    min_effect: Option<String>,
    equivalent: Option<String>,
    #[serde(default)]
    allow_unequal: bool,
    #[serde(default)]
    allow_different_workload: bool,
    #[serde(default)]
    decide: Vec<String>,
    prices: Option<Prices>,
}

/// The shipped comparisons: name and description.
#[must_use]
pub fn shipped() -> Vec<(&'static str, String)> {
    SHIPPED
        .iter()
        .map(|(name, text)| (*name, read(name, text).map(|file| file.description).unwrap_or_default()))
        .collect()
}

/// The text of a shipped comparison.
#[must_use]
pub fn shipped_text(name: &str) -> Option<&'static str> {
    SHIPPED.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

/// The comparison that a command line means: a shipped one by its name, or a file by its path. `None` if the argument
/// means a profile instead: that has no key `profile`.
///
/// # Errors
/// When the file is a comparison and wrong.
pub fn find(argument: &str) -> Result<Option<ComparisonFile>, ComparisonError> {
    if let Some(text) = shipped_text(argument) {
        return read(argument, text).map(Some);
    }
    let path = Path::new(argument);
    let is_path = argument.contains('/') || path.extension().is_some_and(|extension| extension == "toml");
    if !is_path || !path.is_file() {
        return Ok(None);
    }
    let text = fs::read_to_string(path)
        .map_err(|source| ComparisonError::Unreadable { path: argument.to_owned(), source })?;
    let is_comparison = |table: &Table| table.contains_key("profile") || table.contains_key("a");
    match text.parse::<Table>() {
        Ok(table) if is_comparison(&table) => {
            let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or("comparison");
            read(stem, &text).map(Some)
        }
        // Invalid TOML is reported by the profile's reader, which shows every mistake in its place.
        _ => Ok(None),
    }
}

/// Reads a comparison; the plans of its sides are not looked at.
///
/// # Errors
/// When it is not TOML, has unknown or missing keys, or values out of range.
pub fn read(name: &str, text: &str) -> Result<ComparisonFile, ComparisonError> {
    let wrong = |problem: String| ComparisonError::Wrong { name: name.to_owned(), problem };
    let raw: Raw = toml::from_str(text).map_err(|error| wrong(error.to_string()))?;
    let share_of = |key: &str, text: &Option<String>| {
        text.as_deref()
            .map(|text| share(text).map_err(|problem| wrong(format!("`{key}`: {problem}"))))
            .transpose()
    };
    let more = [raw.c, raw.d, raw.e, raw.f, raw.g, raw.h];
    let sides = sides([Some(raw.a), Some(raw.b)].into_iter().chain(more)).map_err(wrong)?;
    let file = ComparisonFile {
        name: raw.name.unwrap_or_else(|| name.to_owned()),
        description: raw.description,
        profile: raw.profile,
        notes: raw.notes,
        sets: flags(&raw.set),
        sides,
        reference: raw.reference,
        pairs: raw.pairs,
        cool_down: raw.cool_down,
        min_effect: share_of("min_effect", &raw.min_effect)?,
        equivalent: share_of("equivalent", &raw.equivalent)?,
        allow_unequal: raw.allow_unequal,
        allow_different_workload: raw.allow_different_workload,
        decide: raw.decide,
        prices: raw.prices,
    };
    file.decide.iter().try_for_each(|name| metric(name)).map_err(&wrong)?;
    let legal = |price: f64| price.is_finite() && price >= 0.0;
    if let Some(prices) = &file.prices
        && ![prices.core, prices.gib_memory, prices.gb_disk].into_iter().all(legal)
    {
        return Err(wrong("[prices] holds a price that is none; expected numbers from 0 on".into()));
    }
    Ok(file)
}

/// Is this the name of a metric that is compared?
///
/// # Errors
/// The closest valid word.
pub fn metric(name: &str) -> Result<(), String> {
    if named(name).is_some() {
        return Ok(());
    }
    let names = METRICS.iter().map(|metric| metric.name);
    let near = did_you_mean(nearest(name, names.clone()));
    Err(format!(
        "no metric `{name}` is compared; expected one of {}{near}",
        names.collect::<Vec<_>>().join(", ")
    ))
}

/// `5%` or `0.05` as a share.
///
/// # Errors
/// What was expected.
pub fn share(text: &str) -> Result<f64, String> {
    let number = |text: &str| text.trim().parse::<f64>().ok();
    let share = match text.trim().strip_suffix('%') {
        Some(percent) => number(percent).map(|percent| percent / 100.0),
        None => number(text),
    };
    share
        .filter(|share| (0.0..=1.0).contains(share))
        .ok_or_else(|| format!("`{text}` is not a share; expected 0% to 100%, such as `5%`"))
}

impl ComparisonFile {
    /// Its prices as overrides of the profile, each as `--set` takes it.
    #[must_use]
    pub fn priced(&self) -> Vec<String> {
        let Some(prices) = &self.prices else { return vec![] };
        let text = |text: &str| Value::String(text.to_owned()).to_string();
        vec![
            format!("prices.currency={}", text(&prices.currency)),
            format!("prices.core={:?}", prices.core),
            format!("prices.gib_memory={:?}", prices.gib_memory),
            format!("prices.gb_disk={:?}", prices.gb_disk),
            format!("prices.retention={}", text(&prices.retention.to_string())),
        ]
    }
}

impl SideFile {
    /// A side as flags give it: `KEY=VALUE` each.
    #[must_use]
    pub fn of_flags(flags: &[String]) -> Self {
        let mut side = Self::default();
        for flag in flags {
            let (key, value) = flag.split_once('=').unwrap_or((flag, ""));
            let own = match key.trim() {
                "label" => &mut side.label,
                "broker" => &mut side.broker,
                "context" => &mut side.context,
                "creds" => &mut side.creds,
                "monitor" => &mut side.monitor,
                "monitor-creds" => &mut side.monitor_creds,
                "monitor-context" => &mut side.monitor_context,
                "monitor-user" => &mut side.monitor_user,
                "profile" => &mut side.profile,
                _ => {
                    side.sets.push(flag.clone());
                    continue;
                }
            };
            *own = Some(value.trim().to_owned());
        }
        side
    }

    /// Lays another one over this.
    #[must_use]
    pub fn with(mut self, over: Self) -> Self {
        let monitored = over.is_monitored();
        self.label = over.label.or(self.label);
        // Each names the bus; the later one wins.
        if over.broker.is_some() || over.context.is_some() {
            (self.broker, self.context) = (over.broker, over.context);
            self = self.unmonitored();
        }
        if monitored {
            self = Self {
                monitor: over.monitor,
                monitor_creds: over.monitor_creds,
                monitor_context: over.monitor_context,
                monitor_user: over.monitor_user,
                ..self
            };
        }
        self.creds = over.creds.or(self.creds);
        self.profile = over.profile.or(self.profile);
        self.sets.extend(over.sets);
        self
    }

    /// Returns whether the side says how its servers are monitored.
    #[must_use]
    pub fn is_monitored(&self) -> bool {
        let Self { monitor, monitor_creds, monitor_context, monitor_user, .. } = self;
        [monitor, monitor_creds, monitor_context, monitor_user].iter().any(|way| way.is_some())
    }

    fn unmonitored(self) -> Self {
        Self { monitor: None, monitor_creds: None, monitor_context: None, monitor_user: None, ..self }
    }

    /// All its settings for display, each as a flag; a broker's address without credentials.
    #[must_use]
    pub fn said(&self) -> Vec<String> {
        let profile = self.profile.as_ref().map(|profile| format!("profile={profile}"));
        let broker = self.broker.as_ref().map(|broker| format!("broker={}", address(broker)));
        let context = self.context.as_ref().map(|context| format!("context={context}"));
        let creds = self.creds.as_ref().map(|creds| format!("creds={creds}"));
        let sets = self.sets.iter().map(|set| masked(set));
        let monitors = [
            ("monitor", &self.monitor),
            ("monitor-creds", &self.monitor_creds),
            ("monitor-context", &self.monitor_context),
            ("monitor-user", &self.monitor_user),
        ];
        let monitors =
            monitors.into_iter().filter_map(|(key, value)| Some(format!("{key}={}", value.as_ref()?)));
        [profile, broker, context, creds].into_iter().flatten().chain(monitors).chain(sets).collect()
    }
}

/// The sides of the tables `[a]`, `[b]` and so on, which leave no letter out.
fn sides(tables: impl Iterator<Item = Option<Table>>) -> Result<Vec<SideFile>, String> {
    let mut sides = Vec::new();
    for (at, (letter, table)) in Letter::ALL.into_iter().zip(tables).enumerate() {
        let Some(table) = table else { continue };
        if let Some(missing) = Letter::ALL.get(sides.len()).filter(|_| sides.len() < at) {
            return Err(format!("there is a side [{}] and no [{}]", letter.lower(), missing.lower()));
        }
        sides.push(side(table).map_err(|problem| format!("[{}]: {problem}", letter.lower()))?);
    }
    Ok(sides)
}

fn side(mut table: Table) -> Result<SideFile, String> {
    let mut text = |key: &str| match table.remove(key) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(other) => Err(format!("`{key}` is {other}; expected a text")),
    };
    let (label, broker, profile) = (text("label")?, text("broker")?, text("profile")?);
    Ok(SideFile { label, broker, profile, sets: flags(&table), ..SideFile::default() })
}

/// Tables of keys as `--set` takes them: `bus.storage="memory"`.
fn flags(table: &Table) -> Vec<String> {
    let mut flags = Vec::new();
    for (key, value) in table {
        let bare = key.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
        let key = if bare { key.clone() } else { Value::String(key.clone()).to_string() };
        match value {
            Value::Table(inner) => flags.extend(flags_below(&key, inner)),
            value => flags.push(format!("{key}={value}")),
        }
    }
    flags
}

fn flags_below(path: &str, table: &Table) -> Vec<String> {
    flags(table).into_iter().map(|flag| format!("{path}.{flag}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = "profile = \"quick\"\n[a]\nbus.storage = \"file\"\n[b]\n\"bus.storage\" = \"memory\"\nbroker = \"local\"\n";

    #[test]
    fn sides_become_flags_whether_keys_are_nested_or_quoted() {
        let file = read("x", SMALL).unwrap();
        assert_eq!((file.name.as_str(), file.profile.as_str()), ("x", "quick"));
        assert_eq!(file.sides[0].sets, ["bus.storage=\"file\""]);
        assert_eq!(file.sides[1].sets, ["bus.storage=\"memory\""]);
        assert_eq!(file.sides[1].broker.as_deref(), Some("local"));
        assert_eq!(file.sides[1].said(), ["broker=local", "bus.storage=\"memory\""]);
        let flags = ["label=x y".to_owned(), "load.rate=1k/s".into(), "broker = sim".into()];
        let side = SideFile::of_flags(&flags);
        assert_eq!((side.label.as_deref(), side.broker.as_deref()), (Some("x y"), Some("sim")));
        assert_eq!(file.sides[1].clone().with(side).sets, ["bus.storage=\"memory\"", "load.rate=1k/s"]);
        let side = SideFile::of_flags(&["context=prod".to_owned(), "creds=b.creds".into()]);
        assert_eq!(
            file.sides[1].clone().with(side).said(),
            ["context=prod", "creds=b.creds", "bus.storage=\"memory\""]
        );
    }

    #[test]
    fn a_file_may_have_more_sides_and_name_its_reference() {
        let file = read("x", &format!("reference = \"c\"\n{SMALL}[c]\nlabel = \"third\"\n")).unwrap();
        assert_eq!((file.sides.len(), file.reference.as_deref()), (3, Some("c")));
        assert_eq!(file.sides[2].label.as_deref(), Some("third"));
        assert_eq!(read("x", SMALL).unwrap().reference, None);
    }

    #[test]
    fn mistakes_say_where_and_what_was_expected() {
        let cases = [
            ("profile = 1", "profile"),
            ("[a]\n[b]", "missing field `profile`"),
            ("profile = \"quick\"\n[a]", "missing field `b`"),
            (&format!("pears = 3\n{SMALL}"), "unknown field `pears`"),
            (&format!("min_effect = \"5 parts\"\n{SMALL}"), "`min_effect`: `5 parts` is not a share"),
            (&format!("decide = [\"latency.p98\"]\n{SMALL}"), "did you mean `latency.p99`"),
            (&format!("cool_down = \"2\"\n{SMALL}"), "is not a duration"),
            (&format!("{SMALL}[d]"), "there is a side [d] and no [c]"),
            (&format!("{SMALL}[c]\nlabel = 3"), "[c]: `label` is 3; expected a text"),
            (&format!("{SMALL}[i]"), "unknown field `i`"),
            (&format!("{SMALL}label = 3"), "[b]: `label` is 3; expected a text"),
            (&format!("{SMALL}[prices]\ncore = -1\ngib_memory = 1\ngb_disk = 1"), "a price that is none"),
            (&format!("{SMALL}[prices]\ncores = 1"), "unknown field `cores`"),
        ];
        for (text, expected) in cases {
            let error = read("x", text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
        assert_eq!(share("5%"), Ok(0.05));
        assert_eq!(share("0.2"), Ok(0.2));
        assert!(share("-1%").is_err() && share("200%").is_err() && share("").is_err());
    }

    #[test]
    fn every_shipped_comparison_can_be_read_and_so_can_the_plans_of_its_sides() {
        for (name, description) in shipped() {
            let file = read(name, shipped_text(name).unwrap()).unwrap();
            assert!(!description.is_empty() && file.name == name, "{name}");
            assert_ne!(file.sides[0], file.sides[1], "{name}");
            let plan = |side: &SideFile| {
                let profile = side.profile.as_ref().unwrap_or(&file.profile);
                let sets: Vec<String> = file.sets.iter().chain(&side.sets).cloned().collect();
                crate::profile::read(&crate::profile::Source::find(profile).unwrap(), &sets)
                    .unwrap_or_else(|e| panic!("{name}: {e}"))
            };
            let plans: Vec<_> = file.sides.iter().map(plan).collect();
            let others = || plans[1..].iter();
            assert!(
                others().all(|b| crate::compare::workload_differences(&plans[0], b).is_empty()),
                "{name}"
            );
            let unequal = others().any(|b| !crate::compare::durability_differences(&plans[0], b).is_empty());
            assert_eq!(unequal, file.allow_unequal, "{name}");
        }
    }
}
