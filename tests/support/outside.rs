//! The parts of the outside world that a test can do without: named when they are missing, and then a failure
//! only where `TICKGATE_REQUIRE` is `all` or names them.

#![allow(clippy::print_stderr, clippy::expect_used, reason = "a test reports skipped parts, and may fail")]

use std::path::{Path, PathBuf};
use std::process::Command;

/// Runs a script of the project, with its arguments, that brings a part or looks for it; says whether it is there.
pub fn brought(part: &str, script: &str, how: &str) -> bool {
    let mut words = script.split(' ');
    let program = root().join(words.next().unwrap_or_default());
    let there = Command::new(program).args(words).output().is_ok_and(|done| done.status.success());
    let required = std::env::var("TICKGATE_REQUIRE").unwrap_or_default();
    assert!(
        there || !required.split([',', ' ']).any(|word| word == "all" || word == part),
        "{part} is required and missing: {how}"
    );
    if !there {
        eprintln!("left out: tests that need {part}; {how}");
    }
    there
}

pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Runs a Python script in the project's own environment; panics with its output when it fails.
pub fn python(script: &str, args: &[&Path]) -> String {
    let done = Command::new(root().join(".venv/bin/python")).arg(root().join(script)).args(args).output();
    let done = done.expect("the environment has a python");
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(done.status.success(), "{said}{}", String::from_utf8_lossy(&done.stderr));
    said
}
