//! What a search is, written before its first trial: a search that is continued is held to it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::archive::{self, Held, Lines, RunFolder, Schema};
use crate::capacity::{Design, Trial};
use crate::cli::outside::clean;
use crate::cli::{Exit, Failure};
use crate::compare::Prices;
use crate::plan::Plan;

/// The file of a search's description.
pub(super) const SEARCH: &str = "search.json";
/// The file of its trials, one a line.
const TRIALS: &str = "trials.jsonl";
/// Differences that are shown.
const SHOWN: usize = 5;

/// The accepted schema of a `search.json`.
const SCHEMA: Schema = Schema {
    family: "tickgate.search",
    newest: 1,
    what: "description of a search",
    next: "it was truncated or changed after it was written: begin a new search",
};

/// A search, as it was before its first trial.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Begun {
    /// `tickgate.search/1`.
    pub(super) schema: String,
    /// Unique id.
    pub(super) id: String,
    /// The profile, as the command line names it.
    pub(super) profile: String,
    /// Overrides, in the syntax of `--set`.
    pub(super) sets: Vec<String>,
    /// Version of tickgate.
    pub(super) tickgate: String,
    /// Tags of each run.
    pub(super) tags: BTreeMap<String, String>,
    /// Start, RFC 3339, UTC.
    pub(super) started: String,
    pub(super) design: Design,
    /// The profile's plan.
    pub(super) plan: Plan,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) prices: Option<Prices>,
    /// Rates that the bus has to hold, in events/s.
    pub(super) targets: Vec<f64>,
    /// Growth of the load a month.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) growth: Option<f64>,
    /// Does every trial read the stream back?
    pub(super) audit_all: bool,
    /// Where the events go, without secrets.
    pub(super) bus: String,
}

impl Begun {
    pub(super) fn schema() -> String {
        format!("{}/{}", SCHEMA.family, SCHEMA.newest)
    }

    /// The description of the search in a folder.
    pub(super) fn read(folder: &RunFolder) -> Result<Self, Failure> {
        let path = folder.file(SEARCH);
        if !path.is_file() {
            let text =
                format!("{} has no {SEARCH}: it is not the folder of a search", folder.path().display());
            return Err(Failure::usage(text));
        }
        archive::read_record(&path, SCHEMA).map_err(|error| Failure::environment(&error))
    }

    /// Writes it.
    pub(super) fn write(&self, folder: &RunFolder) -> Result<(), Failure> {
        let json =
            serde_json::to_string_pretty(&clean(self)?).map_err(|error| Failure::environment(&error))?;
        folder.write_whole(SEARCH, json.as_bytes()).map_err(|error| Failure::environment(&error))
    }

    /// Fails if this plan on this bus would be another search.
    pub(super) fn continues(&self, plan: &Plan, bus: &str) -> Result<(), Failure> {
        let value = |plan: &Plan| serde_json::to_value(plan).map_err(|error| Failure::environment(&error));
        let mut found = Vec::new();
        differences("", &value(&self.plan)?, &value(plan)?, &mut found);
        if self.bus != bus {
            found.push(format!("the bus was {}, and is {bus}", self.bus));
        }
        if found.is_empty() {
            return Ok(());
        }
        let more = found.len().saturating_sub(SHOWN);
        found.truncate(SHOWN);
        if more > 0 {
            found.push(format!("and {more} more"));
        }
        Err(Failure::usage(format!(
            "this would be another search than the one in the folder: {}; restore it, or begin a new search without --resume",
            found.join("; ")
        )))
    }
}

/// The keys in which two documents differ, with both values.
fn differences(key: &str, was: &Value, is: &Value, found: &mut Vec<String>) {
    if let (Value::Object(a), Value::Object(b)) = (was, is) {
        let below = |name: &str| if key.is_empty() { name.to_owned() } else { format!("{key}.{name}") };
        for (name, value) in a {
            differences(&below(name), value, b.get(name).unwrap_or(&Value::Null), found);
        }
        for (name, value) in b.iter().filter(|(name, _)| !a.contains_key(*name)) {
            differences(&below(name), &Value::Null, value, found);
        }
    } else if was != is {
        let shown = |value: &Value| match value {
            Value::Null => "absent".to_owned(),
            Value::String(text) => text.clone(),
            value => value.to_string(),
        };
        found.push(format!("`{key}` was {}, and is {}", shown(was), shown(is)));
    }
}

/// Opens the trials of a search for this process alone.
pub(super) fn trials(folder: &RunFolder) -> Result<(Lines, Held<Trial>), Failure> {
    let (lines, held) = folder
        .lines::<Trial>(TRIALS, "list of a search's trials")
        .map_err(|error| Failure::environment(&error))?;
    if let Some((number, trial)) =
        (1_u32..).zip(&held.entries).find(|(number, trial)| trial.number != *number)
    {
        let text = format!(
            "{}, line {number}: it has trial {}, expected {number}; a search whose trials are not complete cannot be continued",
            folder.file(TRIALS).display(),
            trial.number
        );
        return Err(Failure { exit: Exit::Environment, text });
    }
    Ok((lines, held))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::Readers;
    use crate::plan::Rate;
    use crate::selftest::swarm;

    fn begun() -> Begun {
        Begun {
            schema: Begun::schema(),
            id: "id".into(),
            profile: "quick".into(),
            sets: vec![],
            tickgate: "1".into(),
            tags: BTreeMap::new(),
            started: String::new(),
            design: Design::default(),
            plan: swarm::base(1),
            prices: None,
            targets: vec![],
            growth: None,
            audit_all: false,
            bus: "here".into(),
        }
    }

    fn folder() -> (tempfile::TempDir, RunFolder) {
        let parent = tempfile::tempdir().unwrap();
        let folder = RunFolder::at(&parent.path().join("search"), Readers::Owner).unwrap();
        (parent, folder)
    }

    #[test]
    fn a_search_is_read_again_as_it_was_written_and_other_folders_are_refused() {
        let (_parent, folder) = folder();
        let error = Begun::read(&folder).unwrap_err();
        assert!(error.exit == Exit::Usage && error.text.contains("not the folder of a search"), "{error:?}");
        begun().write(&folder).unwrap();
        assert_eq!(Begun::read(&folder).unwrap(), begun());
        std::fs::write(folder.file(SEARCH), "{").unwrap();
        assert!(Begun::read(&folder).unwrap_err().text.contains("description of a search"));
    }

    #[test]
    fn another_plan_or_bus_is_another_search_and_the_difference_is_named() {
        let begun = begun();
        assert!(begun.continues(&begun.plan, "here").is_ok());
        let mut plan = begun.plan.clone();
        plan.load.rate = Rate::per_second(77.0);
        plan.bus.window += 1;
        let error = begun.continues(&plan, "there").unwrap_err();
        for part in
            ["another search", "`load.rate` was ", "77/s", "`bus.window`", "the bus was here, and is there"]
        {
            assert!(error.text.contains(part), "`{part}`: {}", error.text);
        }
        assert_eq!(error.exit, Exit::Usage);
    }

    #[test]
    fn a_list_with_a_gap_is_refused() {
        let (_parent, folder) = folder();
        let (mut lines, held) = trials(&folder).unwrap();
        assert_eq!(held.entries, []);
        for number in [1, 2, 4] {
            lines.append(&Trial { number, ..Trial::default() }).unwrap();
        }
        drop(lines);
        let error = trials(&folder).unwrap_err();
        assert!(error.text.contains("line 3: it has trial 4, expected 3"), "{error:?}");
    }
}
