//! Notes what `tickgate --version` shows besides the version: the commit of the sources, the features and the target.
//!
//! A development build asks Git only when its sources have changed, so a commit alone does not rebuild anything: the binary
//! names the commit, or the changed commit, that it was built from. A release build also follows the checked-out commit.
//! Without Git, `$TICKGATE_COMMIT` or the note that `cargo package` leaves names the commit; else it is unknown.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// Everything that the program is made of.
const SOURCES: [&str; 6] = ["build.rs", "Cargo.toml", "Cargo.lock", "src", "profiles", "templates"];
const UNKNOWN: &str = "unknown";

fn main() {
    let root = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from).unwrap_or_default();
    for source in SOURCES.iter().filter(|source| root.join(source).exists()) {
        println!("cargo::rerun-if-changed={source}");
    }
    println!("cargo::rerun-if-env-changed=TICKGATE_COMMIT");
    if variable("PROFILE") == "release" {
        follow_commits(&root);
    }
    let commit = named().or_else(|| of_git(&root)).or_else(|| packaged(&root));
    println!("cargo::rustc-env=TICKGATE_BUILD_COMMIT={}", commit.as_deref().unwrap_or(UNKNOWN));
    println!("cargo::rustc-env=TICKGATE_BUILD_TARGET={}", variable("TARGET"));
    let features = ["containers", "kafka"].into_iter().filter(|feature| is_on(feature)).collect::<Vec<_>>();
    let features = if features.is_empty() { "none".to_owned() } else { features.join(", ") };
    println!("cargo::rustc-env=TICKGATE_BUILD_FEATURES={features}");
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_default()
}

fn is_on(feature: &str) -> bool {
    env::var_os(format!("CARGO_FEATURE_{}", feature.to_uppercase())).is_some()
}

/// What `$TICKGATE_COMMIT` says, for a build whose sources come without `.git`.
fn named() -> Option<String> {
    Some(variable("TICKGATE_COMMIT")).filter(|name| is_commit(name))
}

fn is_commit(text: &str) -> bool {
    let legal = |c: char| c.is_ascii_alphanumeric() || "-._+".contains(c);
    !text.is_empty() && text.len() <= 64 && text.chars().all(legal)
}

/// The output of a command of Git in this folder, on one line; `None` if it fails.
fn git(root: &Path, arguments: &[&str]) -> Option<String> {
    let mut command = Command::new("git");
    // Reading the state must not write the index, which a Git of the user may hold.
    command.current_dir(root).env("GIT_OPTIONAL_LOCKS", "0").args(arguments);
    let done = command.output().ok().filter(|done| done.status.success())?;
    Some(String::from_utf8_lossy(&done.stdout).trim().to_owned())
}

/// The commit that is checked out, if the repository is this package's and not one that it merely lies in.
fn of_git(root: &Path) -> Option<String> {
    let top = fs::canonicalize(git(root, &["rev-parse", "--show-toplevel"])?).ok()?;
    if fs::canonicalize(root).ok()? != top {
        return None;
    }
    let commit = git(root, &["rev-parse", "--short=12", "HEAD"]).filter(|commit| is_commit(commit))?;
    let changed = git(root, &[&["status", "--porcelain", "--"][..], &SOURCES].concat())?;
    Some(if changed.is_empty() { commit } else { format!("{commit}-dirty") })
}

/// The commit in the note that `cargo package` puts into a package.
fn packaged(root: &Path) -> Option<String> {
    let note = fs::read_to_string(root.join(".cargo_vcs_info.json")).ok()?;
    let commit = note.split("\"sha1\"").nth(1)?.split('"').nth(1)?;
    commit.get(..12).filter(|commit| is_commit(commit)).map(str::to_owned)
}

/// Asks again after each commit and checkout. In a worktree these files lie elsewhere, so Git is asked where.
fn follow_commits(root: &Path) {
    let branch = git(root, &["symbolic-ref", "-q", "HEAD"]);
    let files = ["HEAD", "logs/HEAD", "packed-refs"].into_iter().chain(branch.as_deref());
    for file in files.filter_map(|file| git(root, &["rev-parse", "--git-path", file])) {
        // A missing file would count as changed at every build.
        if root.join(&file).exists() {
            println!("cargo::rerun-if-changed={file}");
        }
    }
}
