//! The properties of readers of external input, on the fuzzer's seeds and on randomly changed seeds.
//!
//! Inputs that once violated a property are seeds too, named after the bug.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::path::Path;

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestRunner};

use crate::targets;

/// The seeds of a target: what cargo-fuzz begins with (scripts/fuzz.sh).
fn seeds(target: &str) -> Vec<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = vec![root.join("tests/seeds").join(target)];
    if target == "profile" {
        folders.extend([root.join("profiles"), root.join("tests/fixtures/profiles")]);
    }
    let entries = folders.iter().flat_map(|folder| std::fs::read_dir(folder).unwrap());
    let mut paths: Vec<_> =
        entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_file()).collect();
    paths.sort();
    let seeds: Vec<_> = paths.iter().map(|path| std::fs::read(path).unwrap()).collect();
    assert!(seeds.len() >= 2, "{target} has seeds");
    seeds
}

/// A seed with some parts replaced by parts of seeds or by any bytes, or any bytes alone.
fn changed(seeds: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let (all, bytes) = (seeds.concat(), prop::collection::vec(any::<u8>(), 0..12));
    let part = (any::<Index>(), 0_usize..40).prop_map(move |(at, length)| {
        let at = at.index(all.len());
        all[at..(at + length).min(all.len())].to_vec()
    });
    let edit = (any::<Index>(), 0_usize..30, prop_oneof![part, bytes]);
    let seed =
        (prop::sample::select(seeds), prop::collection::vec(edit, 0..6)).prop_map(|(mut bytes, edits)| {
            for (at, cut, with) in edits {
                let at = at.index(bytes.len() + 1);
                let end = (at + cut).min(bytes.len());
                bytes.splice(at..end, with);
            }
            bytes
        });
    // What targets take for directions, where they do.
    let directions = prop::collection::vec(any::<u8>(), 3..13).prop_map(|with| [&[0], &*with].concat());
    prop_oneof![3 => seed, 1 => directions]
}

#[track_caller]
fn holds(name: &str, target: fn(&[u8]), cases: u32) {
    let seeds = seeds(name);
    for seed in &seeds {
        target(seed);
    }
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let done = TestRunner::new(config).run(&changed(seeds), |bytes| {
        target(&bytes);
        Ok(())
    });
    done.unwrap_or_else(|error| panic!("{name}: {error}"));
}

#[test]
fn profiles() {
    holds("profile", targets::profile, 500);
}

#[test]
fn objectives() {
    holds("objective", targets::objective, 2000);
}

#[test]
fn patterns() {
    holds("pattern", targets::pattern, 2000);
}

#[test]
fn models() {
    holds("model", targets::model, 500);
}

#[test]
fn configurations_of_nats_servers() {
    holds("conf", targets::conf, 2000);
}

#[test]
fn texts_from_outside() {
    holds("outside", targets::outside, 2000);
}

#[cfg(feature = "kafka")]
#[test]
fn properties_files_of_kafkas_clients() {
    holds("properties", targets::properties, 2000);
}

#[cfg(feature = "kafka")]
#[test]
fn logins_of_kafkas_clients() {
    holds("jaas", targets::jaas, 2000);
}

#[test]
fn frames_of_a_nats_server() {
    holds("frames", targets::frames, 2000);
}

#[test]
fn events() {
    holds("event", targets::event, 1000);
}

#[test]
fn records() {
    holds("record", targets::record, 200);
}

#[test]
fn journals() {
    holds("journal", targets::journal, 4);
}

#[test]
fn a_journal_can_end_at_any_byte() {
    for journal in seeds("journal") {
        targets::journal_cut_at(&journal, 0..=journal.len());
    }
}
