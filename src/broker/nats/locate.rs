//! Finding a nats-server program: `$TICKGATE_NATS_SERVER`, then `PATH`, then `.brokers/`.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use super::super::BrokerError;
use super::super::process::guard::command;
use super::super::process::trust::{Part, examine};
use super::super::process::{brokers_directories, project_of};

/// The version that `scripts/brokers.sh` gets and the tests run against.
pub const TESTED_VERSION: &str = "2.15.1";

/// The oldest version that has all that is asked of a server, as (major, minor).
const OLDEST: (u32, u32) = (2, 10);

/// A server program that can be started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// The program.
    pub path: PathBuf,
    /// Its version, such as `2.15.1`.
    pub version: String,
    /// Something to tell the user, where the version is not the tested one.
    pub warning: Option<String>,
}

/// Where a server may be; [`Places::of_this_process`] takes them from the environment.
#[derive(Debug, Clone, Default)]
pub struct Places {
    /// `$TICKGATE_NATS_SERVER`: if it is set, nothing else counts.
    pub named: Option<PathBuf>,
    /// `$PATH`.
    pub path: Option<OsString>,
    /// The current directory.
    pub current_directory: Option<PathBuf>,
    /// The directory of our own program.
    pub own_directory: Option<PathBuf>,
}

/// Finds a server for this process.
///
/// # Errors
/// When there is none, or none that can be used.
pub fn locate() -> Result<Program, BrokerError> {
    Places::of_this_process().locate()
}

/// Uses this program and no other.
///
/// # Errors
/// When it cannot be used.
pub fn locate_at(program: &Path) -> Result<Program, BrokerError> {
    Places { named: Some(program.to_owned()), ..Places::of_this_process() }.locate()
}

impl Places {
    /// The places that count for this process.
    #[must_use]
    pub fn of_this_process() -> Self {
        Self {
            named: env::var_os("TICKGATE_NATS_SERVER").filter(|path| !path.is_empty()).map(PathBuf::from),
            path: env::var_os("PATH"),
            current_directory: env::current_dir().ok(),
            own_directory: env::current_exe().ok().and_then(|exe| exe.parent().map(Path::to_owned)),
        }
    }

    /// Finds a server in these places: the first that can be used.
    ///
    /// # Errors
    /// When there is none, or none that can be used.
    pub fn locate(&self) -> Result<Program, BrokerError> {
        if let Some(named) = &self.named {
            // A server is started in a directory of its own, where a relative path would lead elsewhere.
            let here = self.current_directory.as_deref().unwrap_or(Path::new(""));
            let path = here.join(named);
            trusted(&path, path.parent().unwrap_or(here))?;
            return inspect(&path);
        }
        let mut refused: Option<BrokerError> = None;
        for (directory, top) in self.directories() {
            let path = directory.join("nats-server");
            if is_program(&path) {
                match trusted(&path, &top).and_then(|()| inspect(&path)) {
                    Ok(mut server) => {
                        // Somebody may have put it there for us to take.
                        if let Some(error @ BrokerError::Untrusted { .. }) = refused {
                            let warning =
                                server.warning.map(|warning| format!("; {warning}")).unwrap_or_default();
                            server.warning = Some(format!("{error}{warning}"));
                        }
                        return Ok(server);
                    }
                    Err(error) => refused = refused.or(Some(error)),
                }
            }
        }
        Err(refused.unwrap_or_else(|| {
            let brokers = self.brokers_directories();
            let brokers: Vec<_> = brokers.iter().map(|path| path.display().to_string()).collect();
            BrokerError::Missing { looked: format!("PATH or {}", brokers.join(", ")) }
        }))
    }

    /// Where a server may be, and the highest folder whose owner counts.
    fn directories(&self) -> Vec<(PathBuf, PathBuf)> {
        // An empty entry of PATH means the current directory to a shell; we do not run what happens to lie there.
        let on_path = self.path.iter().flat_map(env::split_paths).filter(|path| path.is_absolute());
        let on_path = on_path.map(|directory| (directory.clone(), directory));
        let below = |brokers: PathBuf| (brokers.clone(), project_of(&brokers));
        on_path.chain(self.brokers_directories().into_iter().map(below)).collect()
    }

    /// Where `.brokers/` may be, seen from the current directory and from that of our own program.
    fn brokers_directories(&self) -> Vec<PathBuf> {
        let starts = [&self.current_directory, &self.own_directory];
        brokers_directories(starts.into_iter().flatten().map(PathBuf::as_path))
    }
}

/// Refuses a program that others could change.
fn trusted(path: &Path, top: &Path) -> Result<(), BrokerError> {
    examine(path, Part::Whole, top).map_err(|distrust| {
        let own = "name one of your own with TICKGATE_NATS_SERVER=/path/to/nats-server";
        // A program that is named stands for itself and for its folder.
        let direct = distrust.concerns(path) || path.parent().is_some_and(|folder| distrust.concerns(folder));
        let way =
            if direct { own.into() } else { format!("name it with TICKGATE_NATS_SERVER={}", path.display()) };
        BrokerError::Untrusted { program: path.to_owned(), problem: distrust.to_string(), way }
    })
}

fn is_program(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

/// Asks a program for its version (`nats-server: v2.15.1`).
fn inspect(path: &Path) -> Result<Program, BrokerError> {
    let unusable = |problem: String| BrokerError::Unusable { path: path.to_owned(), problem };
    let answer = command(path)
        .arg("--version")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| unusable(format!("it does not start ({error})")))?;
    let text = String::from_utf8_lossy(&answer.stdout);
    let version = text.trim().strip_prefix("nats-server: v").filter(|_| answer.status.success());
    let version =
        version.ok_or_else(|| unusable("it does not answer `--version` as nats-server does".into()))?;
    let warning = judge(version).map_err(unusable)?;
    Ok(Program { path: path.to_owned(), version: version.to_owned(), warning })
}

/// Whether a version can be used, and what to warn of.
fn judge(version: &str) -> Result<Option<String>, String> {
    let number = |text: &str| text.split('.').map_while(|part| part.parse::<u32>().ok()).collect::<Vec<_>>();
    let (found, tested) = (number(version), number(TESTED_VERSION));
    let [major, minor, ..] = found[..] else {
        return Err(format!("its version `{version}` cannot be read"));
    };
    if major != OLDEST.0 || minor < OLDEST.1 {
        return Err(format!(
            "it is version {version}, and {}.{} or a later 2.x is needed",
            OLDEST.0, OLDEST.1
        ));
    }
    let is_tested = found.iter().take(2).eq(tested.iter().take(2));
    Ok((!is_tested).then(|| format!("nats-server {version} is untested here ({TESTED_VERSION} is tested)")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    /// Makes a program by a child process: a file that we had open for writing ourselves may not be started
    /// while a fork of another test still has it open.
    fn program(path: &Path, says: &str) {
        let script = r#"umask 022; mkdir -p "${1%/*}" && printf '#!/bin/sh\necho "%s"\n' "$2" >"$1" && chmod 755 "$1""#;
        let made = Command::new("sh").args(["-c", script, "sh"]).arg(path).arg(says).status();
        assert!(made.unwrap().success());
    }

    #[test]
    fn versions_are_used_warned_of_or_refused() {
        assert_eq!(judge(TESTED_VERSION), Ok(None));
        assert_eq!(judge("2.15.9"), Ok(None));
        assert!(judge("2.10.0-beta.3").unwrap().is_some());
        assert!(judge("2.16.0").unwrap().unwrap().contains("untested"));
        for bad in ["2.9.25", "1.4.1", "3.0.0", "", "two", "2", "2.x"] {
            assert!(judge(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_order_is_named_path_brokers() {
        let root = tempfile::tempdir().unwrap();
        let at = |path: &str| root.path().join(path);
        program(&at("named"), "nats-server: v2.12.0");
        program(&at("bin/nats-server"), "nats-server: v2.14.0");
        program(&at("project/.brokers/nats-server"), "nats-server: v2.15.1");
        fs::create_dir_all(at("project/.git")).unwrap();
        fs::create_dir_all(at("project/deep/down")).unwrap();
        let places = Places {
            named: Some(at("named")),
            path: Some(at("bin").into_os_string()),
            current_directory: Some(at("project/deep/down")),
            own_directory: None,
        };
        assert_eq!(places.locate().unwrap().version, "2.12.0");
        let places = Places { named: None, ..places };
        assert_eq!(places.locate().unwrap().version, "2.14.0");
        // One on the PATH that is too old does not hide a good one.
        program(&at("bin/nats-server"), "nats-server: v2.9.0");
        assert_eq!(places.locate().unwrap().version, "2.15.1");
        let beside = Places { own_directory: Some(at("project/deep")), ..Places::default() };
        assert_eq!(beside.locate().unwrap().version, "2.15.1");
    }

    #[test]
    fn a_program_that_others_can_change_is_refused_before_it_is_started() {
        let root = tempfile::tempdir().unwrap();
        let at = |path: &str| root.path().join(path);
        let allow =
            |path: &str, mode| fs::set_permissions(at(path), fs::Permissions::from_mode(mode)).unwrap();
        let marker = at("started").display().to_string();
        let hostile = format!("nats-server: v2.15.1\"; : >\"{marker}");
        program(&at("project/.brokers/nats-server"), &hostile);
        let search = Places { current_directory: Some(at("project")), ..Places::default() };
        let named = Places { named: Some(".brokers/nats-server".into()), ..search.clone() };
        let on_path = Places { path: Some(at("project/.brokers").into_os_string()), ..Places::default() };
        for (path, places) in [
            ("project", vec![&search]),
            ("project/.brokers", vec![&search, &named, &on_path]),
            ("project/.brokers/nats-server", vec![&search, &named, &on_path]),
        ] {
            allow(path, 0o777);
            for places in places {
                let error = places.locate().unwrap_err().to_string();
                let cure = format!(
                    "{} can be written by every user; if you trust it, run `chmod go-w",
                    at(path).display()
                );
                for part in [cure.as_str(), "is not started", "TICKGATE_NATS_SERVER="] {
                    assert!(error.contains(part), "`{part}` is not in: {error}");
                }
                assert!(!at("started").exists(), "{path}");
            }
            allow(path, 0o755);
        }
        // A good one elsewhere is taken, and what was passed over is told.
        allow("project", 0o777);
        program(&at("own/.brokers/nats-server"), "nats-server: v2.15.1");
        let found = Places { own_directory: Some(at("own")), ..search.clone() }.locate().unwrap();
        assert_eq!(found.path, at("own/.brokers/nats-server"));
        assert!(found.warning.unwrap().contains("project can be written by every user"));
        assert!(!at("started").exists());
        // Who names it says that the folder above may be whoever's.
        assert_eq!(named.locate().unwrap().version, "2.15.1");
        assert!(at("started").exists(), "the script of this test does what it is for");
    }

    #[test]
    fn a_directory_above_counts_only_inside_a_project() {
        let root = tempfile::tempdir().unwrap();
        program(&root.path().join(".brokers/nats-server"), "nats-server: v2.15.1");
        let below = root.path().join("below");
        fs::create_dir_all(&below).unwrap();
        let places = Places { current_directory: Some(below), ..Places::default() };
        assert!(matches!(places.locate(), Err(BrokerError::Missing { .. })));
    }

    #[test]
    fn what_is_missing_or_wrong_says_what_to_do() {
        let root = tempfile::tempdir().unwrap();
        let error = Places::default().locate().unwrap_err().to_string();
        for way in ["scripts/brokers.sh nats", "TICKGATE_NATS_SERVER=", "--broker nats://"] {
            assert!(error.contains(way), "{error}");
        }
        let wrong = root.path().join("wrong");
        program(&wrong, "hello");
        let error = Places { named: Some(wrong), ..Places::default() }.locate().unwrap_err().to_string();
        assert!(error.contains("--version") && error.contains("brokers.sh"), "{error}");
        let absent = Places { named: Some(root.path().join("absent")), ..Places::default() };
        assert!(absent.locate().unwrap_err().to_string().contains("does not start"));
    }
}
