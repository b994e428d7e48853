//! Finds a nats-server program: `$TICKGATE_NATS_SERVER`, then `PATH`, then `.brokers/`; and the program of an earlier version, for
//! upgrades.

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

/// Version that `scripts/brokers.sh` downloads and the tests run against.
pub const TESTED_VERSION: &str = "2.15.1";

/// File name of the program.
const PROGRAM: &str = "nats-server";
/// File name of the program of an earlier version, in `.brokers/`.
const PREVIOUS: &str = "nats-server-previous";
/// Variable that names that program instead.
const PREVIOUS_VARIABLE: &str = "TICKGATE_NATS_SERVER_PREVIOUS";

/// Oldest version with all required features, as (major, minor).
const OLDEST: (u32, u32) = (2, 10);

/// A server program that can be started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// Path of the program.
    pub path: PathBuf,
    /// Version, such as `2.15.1`.
    pub version: String,
    /// Warning for the user if the version is not the tested one.
    pub warning: Option<String>,
}

/// Possible locations of a server; [`Places::of_this_process`] reads them from the environment.
#[derive(Debug, Clone, Default)]
pub struct Places {
    /// `$TICKGATE_NATS_SERVER`: if set, no other place is searched.
    pub named: Option<PathBuf>,
    /// `$PATH`.
    pub path: Option<OsString>,
    /// The current directory.
    pub current_directory: Option<PathBuf>,
    /// Directory of the running program.
    pub own_directory: Option<PathBuf>,
}

/// Finds a server for this process.
///
/// # Errors
/// When there is no server, or none that can be used.
pub fn locate() -> Result<Program, BrokerError> {
    Places::of_this_process().locate()
}

/// Uses this program only.
///
/// # Errors
/// When it cannot be used.
pub fn locate_at(program: &Path) -> Result<Program, BrokerError> {
    Places { named: Some(program.to_owned()), ..Places::of_this_process() }.locate()
}

/// Finds the program that nodes run before a rolling upgrade: `$TICKGATE_NATS_SERVER_PREVIOUS`, then
/// `.brokers/nats-server-previous`.
///
/// # Errors
/// When there is none, or none that can be used.
pub fn locate_previous() -> Result<Program, BrokerError> {
    let named = env::var_os(PREVIOUS_VARIABLE).filter(|path| !path.is_empty()).map(PathBuf::from);
    let found = Places { named, path: None, ..Places::of_this_process() }.locate_named(PREVIOUS);
    found.map_err(|error| match error {
        BrokerError::Untrusted { program, problem, way } => {
            let way = way.replace("TICKGATE_NATS_SERVER=", &format!("{PREVIOUS_VARIABLE}="));
            BrokerError::Untrusted { program, problem, way }
        }
        error => error,
    })
}

impl Places {
    /// Returns the places to search for this process.
    #[must_use]
    pub fn of_this_process() -> Self {
        Self {
            named: env::var_os("TICKGATE_NATS_SERVER").filter(|path| !path.is_empty()).map(PathBuf::from),
            path: env::var_os("PATH"),
            current_directory: env::current_dir().ok(),
            own_directory: env::current_exe().ok().and_then(|exe| exe.parent().map(Path::to_owned)),
        }
    }

    /// Finds the first usable server in these places.
    ///
    /// # Errors
    /// When there is no server, or none that can be used.
    pub fn locate(&self) -> Result<Program, BrokerError> {
        self.locate_named(PROGRAM)
    }

    fn locate_named(&self, name: &'static str) -> Result<Program, BrokerError> {
        if let Some(named) = &self.named {
            // The server starts in another directory, where a relative path would not lead to the program.
            let here = self.current_directory.as_deref().unwrap_or(Path::new(""));
            let path = here.join(named);
            trusted(&path, path.parent().unwrap_or(here))?;
            return inspect(&path);
        }
        let mut refused: Option<BrokerError> = None;
        for (directory, top) in self.directories() {
            let path = directory.join(name);
            if is_program(&path) {
                match trusted(&path, &top).and_then(|()| inspect(&path)) {
                    Ok(mut server) => {
                        // The refused program may have been planted, so warn about it.
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
            let brokers = brokers.join(", ");
            if name == PREVIOUS {
                return BrokerError::NoPrevious { looked: brokers };
            }
            BrokerError::Missing { looked: format!("PATH or {brokers}") }
        }))
    }

    /// Returns directories to search, each with the highest folder whose owner matters.
    fn directories(&self) -> Vec<(PathBuf, PathBuf)> {
        // To a shell, an empty entry of PATH means the current directory; skip it rather than run a program that
        // happens to be there.
        let on_path = self.path.iter().flat_map(env::split_paths).filter(|path| path.is_absolute());
        let on_path = on_path.map(|directory| (directory.clone(), directory));
        let below = |brokers: PathBuf| (brokers.clone(), project_of(&brokers));
        on_path.chain(self.brokers_directories().into_iter().map(below)).collect()
    }

    /// Returns possible `.brokers/` directories, starting from the current directory and from that of the running
    /// program.
    fn brokers_directories(&self) -> Vec<PathBuf> {
        let starts = [&self.current_directory, &self.own_directory];
        brokers_directories(starts.into_iter().flatten().map(PathBuf::as_path))
    }
}

/// Refuses a program that others could change.
fn trusted(path: &Path, top: &Path) -> Result<(), BrokerError> {
    examine(path, Part::Whole, top).map_err(|distrust| {
        let own = "name one of your own with TICKGATE_NATS_SERVER=/path/to/nats-server";
        // For a named program, only the program itself and its folder are checked.
        let direct = distrust.concerns(path) || path.parent().is_some_and(|folder| distrust.concerns(folder));
        let way =
            if direct { own.into() } else { format!("name it with TICKGATE_NATS_SERVER={}", path.display()) };
        BrokerError::Untrusted { program: path.to_owned(), problem: distrust.to_string(), way }
    })
}

fn is_program(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

/// Runs a program to get its version (`nats-server: v2.15.1`).
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

/// Checks whether a version can be used; returns a warning if it differs from the tested one.
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

    /// Creates a program in a child process: a file that this process had open for writing cannot be executed while a
    /// fork from another test still holds it open.
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
        // An outdated program on the PATH does not hide a good one.
        program(&at("bin/nats-server"), "nats-server: v2.9.0");
        assert_eq!(places.locate().unwrap().version, "2.15.1");
        let beside = Places { own_directory: Some(at("project/deep")), ..Places::default() };
        assert_eq!(beside.locate().unwrap().version, "2.15.1");
    }

    #[test]
    fn the_earlier_version_of_an_upgrade_is_named_or_in_brokers() {
        let root = tempfile::tempdir().unwrap();
        let at = |path: &str| root.path().join(path);
        let places = Places { current_directory: Some(at("project")), ..Places::default() };
        fs::create_dir_all(at("project/.git")).unwrap();
        program(&at("project/.brokers/nats-server"), "nats-server: v2.15.1");
        let error = places.locate_named(PREVIOUS).unwrap_err().to_string();
        for part in ["of an earlier version", "scripts/brokers.sh nats-previous", PREVIOUS_VARIABLE] {
            assert!(error.contains(part), "`{part}` is not in: {error}");
        }
        program(&at("project/.brokers/nats-server-previous"), "nats-server: v2.14.6");
        assert_eq!(places.locate_named(PREVIOUS).unwrap().version, "2.14.6");
        assert_eq!(places.locate().unwrap().version, "2.15.1");
        program(&at("named"), "nats-server: v2.12.0");
        let named = Places { named: Some(at("named")), ..places };
        assert_eq!(named.locate_named(PREVIOUS).unwrap().version, "2.12.0");
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
        // A good program elsewhere is used, with a warning about the skipped one.
        allow("project", 0o777);
        program(&at("own/.brokers/nats-server"), "nats-server: v2.15.1");
        let found = Places { own_directory: Some(at("own")), ..search.clone() }.locate().unwrap();
        assert_eq!(found.path, at("own/.brokers/nats-server"));
        assert!(found.warning.unwrap().contains("project can be written by every user"));
        assert!(!at("started").exists());
        // Naming a program accepts that others may be able to change the folder above.
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
