//! Finds Kafka's jars (`$KAFKA_HOME`, then `.brokers/kafka`) and a Java to run them.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use super::super::BrokerError;
use super::super::process::guard::command;
use super::super::process::trust::{Part, examine};
use super::super::process::{brokers_directories, project_of};

/// Version that `scripts/brokers.sh` downloads and the tests run against.
pub const TESTED_KAFKA: &str = "4.3.1";
/// Oldest Java version that Kafka 4 runs on.
pub const MIN_JAVA: u32 = 17;
/// Oldest supported major version: it needs no `ZooKeeper`.
const OLDEST: u32 = 4;

/// A Kafka that can be started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kafka {
    /// Folder with its jars.
    pub libs: PathBuf,
    /// Version, such as `4.3.1`.
    pub version: String,
    /// Java program.
    pub java: PathBuf,
    /// Major version of Java.
    pub java_version: u32,
    /// Warning for the user if the version is not the tested one.
    pub warning: Option<String>,
}

/// Possible locations of Kafka and Java; [`KafkaPlaces::of_this_process`] reads them from the environment.
#[derive(Debug, Clone, Default)]
pub struct KafkaPlaces {
    /// `$KAFKA_HOME`: if set, no other place is searched.
    pub home: Option<PathBuf>,
    /// `$JAVA_HOME`: if set, no other place is searched.
    pub java_home: Option<PathBuf>,
    /// `$PATH`.
    pub path: Option<OsString>,
    /// Folders that may be `.brokers/`.
    pub brokers: Vec<PathBuf>,
}

/// Finds a Kafka and a Java for this process.
///
/// # Errors
/// When either is missing or cannot be used.
pub fn locate_kafka() -> Result<Kafka, BrokerError> {
    KafkaPlaces::of_this_process().locate()
}

impl KafkaPlaces {
    /// Returns the places to search for this process.
    #[must_use]
    pub fn of_this_process() -> Self {
        let named = |name| env::var_os(name).filter(|path| !path.is_empty()).map(PathBuf::from);
        let own_directory = env::current_exe().ok().and_then(|exe| exe.parent().map(Path::to_owned));
        let starts = [env::current_dir().ok(), own_directory];
        Self {
            home: named("KAFKA_HOME"),
            java_home: named("JAVA_HOME"),
            path: env::var_os("PATH"),
            brokers: brokers_directories(starts.iter().flatten().map(PathBuf::as_path)),
        }
    }

    /// Finds a Kafka and a Java in these places.
    ///
    /// # Errors
    /// When either is missing or cannot be used.
    pub fn locate(&self) -> Result<Kafka, BrokerError> {
        // Each home comes with the highest folder whose owner matters.
        let homes: Vec<(PathBuf, PathBuf)> = match &self.home {
            Some(home) => vec![(home.clone(), home.clone())],
            None => self.brokers.iter().map(|brokers| (brokers.join("kafka"), project_of(brokers))).collect(),
        };
        let mut all = homes.iter().map(|(home, top)| (home.join("libs"), top));
        let found = all.find_map(|(libs, top)| Some((version_of(&libs)?, libs, top)));
        let Some((version, libs, top)) = found else {
            let looked: Vec<_> =
                homes.iter().map(|(home, _)| home.join("libs").display().to_string()).collect();
            return Err(BrokerError::NoKafka { looked: looked.join(", ") });
        };
        trusted(&libs, top)?;
        let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok()).unwrap_or(0);
        if major < OLDEST {
            return Err(BrokerError::NoKafka {
                looked: format!(
                    "{} (that is version {version}, and {OLDEST}.0 or later is needed)",
                    libs.display()
                ),
            });
        }
        let tested = TESTED_KAFKA.rsplit_once('.').map_or(TESTED_KAFKA, |(line, _)| line);
        let untested = !version.starts_with(&format!("{tested}."));
        let warning =
            untested.then(|| format!("Kafka {version} is untested here ({TESTED_KAFKA} is tested)"));
        let (java, java_version) = self.java()?;
        Ok(Kafka { libs, version, java, java_version, warning })
    }

    fn java(&self) -> Result<(PathBuf, u32), BrokerError> {
        let missing = |problem: String| BrokerError::NoJava { problem };
        let path = match &self.java_home {
            Some(home) => home.join("bin/java"),
            None => self
                .path
                .iter()
                .flat_map(env::split_paths)
                .filter(|folder| folder.is_absolute())
                .map(|folder| folder.join("java"))
                .find(|path| path.is_file())
                .ok_or_else(|| missing("there is no Java on the PATH".to_owned()))?,
        };
        let folder = path.parent().unwrap_or(&path);
        examine(&path, Part::Whole, folder).map_err(|distrust| BrokerError::Untrusted {
            program: path.clone(),
            problem: distrust.to_string(),
            way: "name another one with JAVA_HOME=/path/to/java".into(),
        })?;
        let answer = command(&path)
            .arg("-version")
            .stdin(Stdio::null())
            .output()
            .map_err(|error| missing(format!("{} does not start ({error})", path.display())))?;
        let said = String::from_utf8_lossy(&answer.stderr).into_owned();
        match java_major(&said) {
            Some(major) if major >= MIN_JAVA => Ok((path, major)),
            Some(major) => Err(missing(format!("{} is Java {major}", path.display()))),
            None => Err(missing(format!("{} does not say which Java it is", path.display()))),
        }
    }
}

/// Refuses jars that others could change, since every jar in the folder is loaded.
fn trusted(libs: &Path, top: &Path) -> Result<(), BrokerError> {
    let jars = fs::read_dir(libs).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut all = jars.map(|jar| examine(&jar, Part::Whole, libs)).chain([examine(libs, Part::Whole, top)]);
    all.find_map(Result::err).map_or(Ok(()), |distrust| {
        Err(BrokerError::Untrusted {
            program: libs.to_owned(),
            problem: distrust.to_string(),
            way: "name a Kafka of your own with KAFKA_HOME=/path/to/kafka".into(),
        })
    })
}

/// Returns the version in the name of the clients' jar, which every distribution has.
fn version_of(libs: &Path) -> Option<String> {
    let names =
        fs::read_dir(libs).ok()?.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.into_iter().find_map(|name| {
        let version = name.strip_prefix("kafka-clients-")?.strip_suffix(".jar")?;
        version.starts_with(|c: char| c.is_ascii_digit()).then(|| version.to_owned())
    })
}

/// Parses `openjdk version "17.0.15" 2025-04-15`, or the older form `"1.8.0_402"`.
fn java_major(said: &str) -> Option<u32> {
    let version = said.split_once("version \"")?.1.split_once('"')?.0;
    let mut numbers = version.split(['.', '-', '_']);
    match numbers.next()?.parse().ok()? {
        1 => numbers.next()?.parse().ok(),
        major => Some(major),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn javas_say_which_they_are() {
        for (said, major) in [
            ("openjdk version \"17.0.15\" 2025-04-15\nOpenJDK Runtime…", Some(17)),
            ("java version \"1.8.0_402\"", Some(8)),
            ("openjdk version \"25-ea\" 2025-09-16", Some(25)),
            ("sh: not found", None),
        ] {
            assert_eq!(java_major(said), major, "{said}");
        }
    }

    #[test]
    fn jars_that_others_can_change_are_refused() {
        let root = tempfile::tempdir().unwrap();
        let at = |path: &str| root.path().join(path);
        let allow =
            |path: &str, mode| fs::set_permissions(at(path), fs::Permissions::from_mode(mode)).unwrap();
        let jar = "project/.brokers/kafka/libs/kafka-clients-4.3.1.jar";
        fs::create_dir_all(at("project/.brokers/kafka/libs")).unwrap();
        fs::write(at(jar), "").unwrap();
        for path in Path::new(jar).ancestors().filter(|path| *path != Path::new("")) {
            allow(path.to_str().unwrap(), 0o755);
        }
        let searched = KafkaPlaces { brokers: vec![at("project/.brokers")], ..KafkaPlaces::default() };
        let named = KafkaPlaces { home: Some(at("project/.brokers/kafka")), ..KafkaPlaces::default() };
        let refused = |places: &KafkaPlaces| {
            let error = places.locate().unwrap_err();
            (matches!(error, BrokerError::Untrusted { .. }), error.to_string())
        };
        for (path, by_name) in [
            ("project", false),
            ("project/.brokers", false),
            ("project/.brokers/kafka", true),
            ("project/.brokers/kafka/libs", true),
            (jar, true),
        ] {
            for mode in [0o777, 0o1777] {
                allow(path, mode);
                // Anyone could add a jar to a sticky folder.
                let expected = mode == 0o777 || path.contains("libs");
                let (untrusted, error) = refused(&searched);
                assert_eq!(untrusted, expected, "{path} {mode:o}: {error}");
                if untrusted {
                    assert!(error.contains(&format!("{} can be written", at(path).display())), "{error}");
                    assert!(error.contains("KAFKA_HOME="), "{error}");
                }
                assert_eq!(refused(&named).0, by_name && expected, "{path} {mode:o}");
            }
            allow(path, 0o755);
        }
        fs::create_dir_all(at("java/bin")).unwrap();
        fs::write(at("java/bin/java"), "").unwrap();
        allow("java/bin/java", 0o777);
        let error = refused(&KafkaPlaces { java_home: Some(at("java")), ..named });
        assert!(error.0 && error.1.contains("JAVA_HOME="), "{error:?}");
    }

    #[test]
    fn what_is_missing_says_what_to_do() {
        let root = tempfile::tempdir().unwrap();
        let at = |path: &str| root.path().join(path);
        let places = KafkaPlaces { home: Some(at("none")), ..KafkaPlaces::default() };
        let error = places.locate().unwrap_err().to_string();
        for part in ["none/libs", "scripts/brokers.sh kafka", "KAFKA_HOME", "--broker kafka://"] {
            assert!(error.contains(part), "{error}");
        }
        fs::create_dir_all(at("old/libs")).unwrap();
        fs::write(at("old/libs/kafka-clients-3.9.1.jar"), "").unwrap();
        let places = KafkaPlaces { home: Some(at("old")), ..KafkaPlaces::default() };
        assert!(places.locate().unwrap_err().to_string().contains("version 3.9.1, and 4.0"));
        fs::create_dir_all(at("brokers/kafka/libs")).unwrap();
        fs::write(at("brokers/kafka/libs/kafka-clients-4.3.1.jar"), "").unwrap();
        let places = KafkaPlaces {
            brokers: vec![at("brokers")],
            path: Some(at("bin").into()),
            ..KafkaPlaces::default()
        };
        let error = places.locate().unwrap_err().to_string();
        assert!(error.contains("no Java on the PATH") && error.contains("Java 17 or later"), "{error}");
        let places = KafkaPlaces { java_home: Some("/nonexistent".into()), ..places };
        assert!(places.locate().unwrap_err().to_string().contains("does not start"));
    }
}
