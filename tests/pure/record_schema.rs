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

/// What a schema of docs/schema says; written first where that is asked for.
#[expect(clippy::unwrap_used, reason = "a test may fail")]
fn published<T: schemars::JsonSchema>(name: &str, title: &str) -> serde_json::Value {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schema").join(name);
    let mut schema = schemars::schema_for!(T);
    schema.insert("title".into(), title.into());
    let text = serde_json::to_string_pretty(&schema).unwrap() + "\n";
    if std::env::var_os("TICKGATE_WRITE_SCHEMA").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let published = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        published == text,
        "docs/schema/{name} is out of date: TICKGATE_WRITE_SCHEMA=1 cargo test --test pure record_schema"
    );
    serde_json::from_str(&published).unwrap()
}

#[test]
fn the_published_schema_of_a_history_is_its_lines() {
    let schema = published::<tickgate::baseline::Line>("history.json", tickgate::baseline::SCHEMA);
    let validator = jsonschema::validator_for(&schema).unwrap();
    let lines = include_str!("../../reports/example-baseline/history.jsonl");
    for line in lines.lines() {
        let errors: Vec<_> = validator
            .iter_errors(&serde_json::from_str(line).unwrap())
            .map(|error| error.to_string())
            .collect();
        assert!(errors.is_empty(), "{errors:?}: {line}");
    }
    assert!(!validator.is_valid(&serde_json::json!({ "schema": "tickgate.history/1", "kind": "joined" })));
}

#[test]
fn the_published_schema_of_checks_is_the_answer() {
    use tickgate::baseline::{ANSWER_FAMILY, ANSWER_VERSION, Answer};
    published::<Answer>("baseline-check.json", &format!("{ANSWER_FAMILY}/{ANSWER_VERSION}"));
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
