//! docs/schema/record.json is the schema of the record that this version writes.
//!
//! `TICKGATE_WRITE_SCHEMA=1 cargo test --test pure record_schema` writes it again.

use tickgate::record::{Record, SCHEMA};

use crate::support::{capacities, records};

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/schema/record.json");

#[test]
fn the_published_schema_is_the_record() {
    let mut schema = schemars::schema_for!(Record);
    schema.insert("title".into(), SCHEMA.into());
    let text = serde_json::to_string_pretty(&schema).unwrap() + "\n";
    if std::env::var_os("TICKGATE_WRITE_SCHEMA").is_some() {
        std::fs::write(PATH, &text).unwrap();
    }
    let published = std::fs::read_to_string(PATH).unwrap_or_default();
    assert!(
        published == text,
        "docs/schema/record.json is out of date: TICKGATE_WRITE_SCHEMA=1 cargo test --test pure record_schema"
    );
}

#[test]
fn the_published_schema_of_comparisons_is_the_account() {
    const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/schema/compare.json");
    let mut schema = schemars::schema_for!(tickgate::compare::Comparison);
    schema.insert("title".into(), tickgate::compare::SCHEMA.into());
    let text = serde_json::to_string_pretty(&schema).unwrap() + "\n";
    if std::env::var_os("TICKGATE_WRITE_SCHEMA").is_some() {
        std::fs::write(PATH, &text).unwrap();
    }
    let published = std::fs::read_to_string(PATH).unwrap_or_default();
    assert!(
        published == text,
        "docs/schema/compare.json is out of date: TICKGATE_WRITE_SCHEMA=1 cargo test --test pure record_schema"
    );
}

#[test]
fn the_published_schema_of_searches_is_the_account() {
    const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/schema/capacity.json");
    let mut schema = schemars::schema_for!(tickgate::capacity::Capacity);
    schema.insert("title".into(), tickgate::capacity::SCHEMA.into());
    let text = serde_json::to_string_pretty(&schema).unwrap() + "\n";
    if std::env::var_os("TICKGATE_WRITE_SCHEMA").is_some() {
        std::fs::write(PATH, &text).unwrap();
    }
    let published = std::fs::read_to_string(PATH).unwrap_or_default();
    assert!(
        published == text,
        "docs/schema/capacity.json is out of date: TICKGATE_WRITE_SCHEMA=1 cargo test --test pure record_schema"
    );
    let whole: serde_json::Value = serde_json::from_str(&published).unwrap();
    let validator = jsonschema::validator_for(&whole).unwrap();
    // A line of `trials.jsonl` is the part that an account has for each trial.
    let line = serde_json::json!({ "$ref": "#/$defs/Trial", "$defs": whole["$defs"] });
    let lines = jsonschema::validator_for(&line).unwrap();
    for (name, account) in capacities::all() {
        let json = serde_json::to_value(&account).unwrap();
        let errors: Vec<_> = validator.iter_errors(&json).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{name}: {errors:?}");
        for trial in &account.trials {
            assert!(lines.is_valid(&serde_json::to_value(trial).unwrap()), "{name}: {trial:?}");
        }
    }
}

#[test]
fn the_published_schema_of_lints_is_the_document() {
    const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/schema/lint.json");
    let mut schema = schemars::schema_for!(tickgate::lint::Document<'static>);
    schema.insert("title".into(), tickgate::lint::SCHEMA.into());
    let text = serde_json::to_string_pretty(&schema).unwrap() + "\n";
    if std::env::var_os("TICKGATE_WRITE_SCHEMA").is_some() {
        std::fs::write(PATH, &text).unwrap();
    }
    let published = std::fs::read_to_string(PATH).unwrap_or_default();
    assert!(
        published == text,
        "docs/schema/lint.json is out of date: TICKGATE_WRITE_SCHEMA=1 cargo test --test pure record_schema"
    );
    let validator = jsonschema::validator_for(&serde_json::from_str(&published).unwrap()).unwrap();
    let text = include_str!("../../docs/adr-002.conf");
    let nothing = |_: &str, _: &str| Err("no such file".to_owned());
    let unset = |_: &str| None;
    let world = tickgate::lint::conf::World::new(&nothing, &unset);
    let conf = tickgate::lint::Conf::read("adr-002.conf", text, world).unwrap();
    let findings = tickgate::lint::lint(&conf, &tickgate::lint::Needs::adr(), None);
    let json = tickgate::lint::json(&["adr-002.conf".to_owned()], &findings);
    let document: serde_json::Value = serde_json::from_str(&json).unwrap();
    let errors: Vec<_> = validator.iter_errors(&document).map(|error| error.to_string()).collect();
    assert!(errors.is_empty() && findings.len() > 5, "{errors:?}");
}

#[test]
fn every_record_is_valid_by_it() {
    let schema = serde_json::from_str(&std::fs::read_to_string(PATH).unwrap()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for (name, record) in records::all().iter().filter(|(name, _)| *name != "crowded") {
        let json = serde_json::to_value(record).unwrap();
        let errors: Vec<_> = validator.iter_errors(&json).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{name}: {errors:?}");
    }
}
