//! A build of the program and one of its tests in one profile share every dependency.

#![expect(clippy::expect_used, reason = "a test may fail")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

/// Each package that is built, and its features: those of the tests, too, with `dev` among the edges.
fn built(edges: &str) -> BTreeMap<String, BTreeSet<String>> {
    let done = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--prefix", "none", "--format", "{p}|{f}", "--edges", edges])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")))
        .output()
        .expect("cargo runs");
    let lines = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success() && !lines.is_empty(), "{}", String::from_utf8_lossy(&done.stderr));
    let mut packages = BTreeMap::<_, BTreeSet<_>>::new();
    for line in lines.lines() {
        let (package, features) = line.trim_end_matches(" (*)").split_once('|').expect("a package");
        packages.entry(package.to_owned()).or_default().insert(features.to_owned());
    }
    packages
}

#[test]
fn tests_ask_for_no_feature_that_the_program_is_built_without() {
    let (program, tests) = (built("normal,build"), built("normal,build,dev"));
    for (package, features) in &program {
        assert!(
            features.is_subset(&tests[package]),
            "{package} has {features:?} in the program and {:?} in its tests, so that it and all that use it are built twice; \
             list its missing features in [dependencies] of Cargo.toml",
            tests[package]
        );
    }
}
