//! The plans of the steps whose instructions are counted are those of profiles: they are files there, since the reader of profiles
//! is not part of that program.
//!
//! `TICKGATE_WRITE_PLANS=1 cargo test --test pure counted` writes them again.

use tickgate::plan::Plan;
use tickgate::profile::{self, Source};

use crate::support::records::{self, Recipe};

#[expect(dead_code, reason = "the plan alone is of interest here")]
#[path = "../../benches/paths/mod.rs"]
mod paths;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/instructions/plans/");

#[test]
fn the_counted_plans_are_those_of_profiles() {
    let run = records::plan(&Recipe::default());
    let plans = [("steps.json", paths::plan()), ("run.json", run.clone())];
    if std::env::var_os("TICKGATE_WRITE_PLANS").is_some() {
        std::fs::create_dir_all(FOLDER).unwrap();
        for (name, plan) in &plans {
            let text = serde_json::to_string_pretty(plan).unwrap() + "\n";
            std::fs::write(format!("{FOLDER}{name}"), text).unwrap();
        }
        std::fs::write(format!("{FOLDER}run.toml"), profile::to_toml(&run)).unwrap();
    }
    let stale = "is out of date: TICKGATE_WRITE_PLANS=1 cargo test --test pure counted";
    let read = |name: &str| std::fs::read_to_string(format!("{FOLDER}{name}")).unwrap();
    for (name, plan) in plans {
        let file: Plan = serde_json::from_str(&read(name)).unwrap();
        assert!(file == plan, "{name} {stale}");
    }
    let file = profile::read(&Source::new("run.toml", read("run.toml")), &[]).unwrap();
    assert!(file == run, "run.toml {stale}");
}
