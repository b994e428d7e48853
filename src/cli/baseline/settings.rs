//! Files of settings that a side is run with: of the server that tickgate starts, of the stream and of its consumers.
//!
//! The baseline keeps where they are and a hash of what they say, and not what they say: they may hold passwords.

use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::xxh3_64;

use crate::baseline::{Baseline, SettingsFile};
use crate::cli::Failure;
use crate::session::Asked;

const SERVER: &str = "server-config";
const STREAM: &str = "stream-config";
const CONSUMER: &str = "consumer-config";

/// The files that are asked for.
pub(super) fn of(asked: &Asked) -> Result<Vec<SettingsFile>, Failure> {
    let server = asked.server_config.iter().map(|file| (SERVER, file));
    let stream = asked.stream_config.iter().map(|file| (STREAM, file));
    let consumers = asked.consumer_config.iter().map(|file| (CONSUMER, file));
    server.chain(stream).chain(consumers).map(|(flag, file)| read(flag, file)).collect()
}

fn read(flag: &str, file: &Path) -> Result<SettingsFile, Failure> {
    let failed = |error: std::io::Error| Failure::usage(format!("--{flag} {}: {error}", file.display()));
    let Some(name) = file.to_str() else {
        return Err(Failure::usage(format!(
            "--{flag} {}: a baseline keeps the names of its files as text, and this one is not UTF-8",
            file.display()
        )));
    };
    // FILE#NAME takes one part of a file.
    let (path, part) = match name.rsplit_once('#') {
        Some((path, part)) if !file.exists() => (path, part),
        _ => (name, ""),
    };
    let mut text = std::fs::read(path).map_err(failed)?;
    text.extend_from_slice(part.as_bytes());
    Ok(SettingsFile { flag: flag.into(), file: name.into(), hash: format!("{:016x}", xxh3_64(&text)) })
}

/// The baseline's files where the command line names none of a kind.
pub(super) fn inherited(mut asked: Asked, baseline: &Baseline) -> Asked {
    let old = only(Asked::default(), baseline);
    asked.server_config = asked.server_config.or(old.server_config);
    asked.stream_config = asked.stream_config.or(old.stream_config);
    if asked.consumer_config.is_empty() {
        asked.consumer_config = old.consumer_config;
    }
    asked
}

/// The baseline's files, and no others.
pub(super) fn only(asked: Asked, baseline: &Baseline) -> Asked {
    let all = |flag: &str| -> Vec<PathBuf> {
        let of = |one: &&SettingsFile| one.flag == flag;
        baseline.settings.iter().filter(of).map(|one| PathBuf::from(&one.file)).collect()
    };
    Asked {
        server_config: all(SERVER).pop(),
        stream_config: all(STREAM).pop(),
        consumer_config: all(CONSUMER),
        ..asked
    }
}

/// Why the files of a baseline are not what they were; `None` if they are.
pub(super) fn changed(baseline: &Baseline) -> Option<String> {
    let other = |one: &SettingsFile| match read(&one.flag, Path::new(&one.file)) {
        Ok(now) => (now.hash != one.hash).then(|| format!("{} is not what it was", one.file)),
        Err(failure) => Some(failure.text),
    };
    baseline.settings.iter().find_map(other)
}

/// The hashes of files, wherever they are.
pub(super) fn hashes(files: &[SettingsFile]) -> Vec<&str> {
    files.iter().map(|one| one.hash.as_str()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::check;

    fn baseline(settings: Vec<SettingsFile>) -> Baseline {
        Baseline {
            schema: String::new(),
            name: "nightly".into(),
            epoch: 1,
            profile: "quick".into(),
            sets: Vec::new(),
            at: None,
            settings,
            plan: check::plan("quick", &[]).unwrap(),
            broker: String::new(),
            fingerprint: crate::baseline::Fingerprint::default(),
            decide: Vec::new(),
            min_effect: 0.05,
            false_alarms: 0.5,
            tickgate: String::new(),
            created: String::new(),
        }
    }

    #[test]
    fn each_side_has_its_own_files() {
        let place = tempfile::tempdir().unwrap();
        let (before, after) = (place.path().join("before.conf"), place.path().join("after.conf"));
        std::fs::write(&before, "trace: false").unwrap();
        std::fs::write(&after, "trace: true").unwrap();
        let asking = |file: &Path| Asked { server_config: Some(file.into()), ..Asked::default() };
        let with = baseline(of(&asking(&before)).unwrap());
        let without = baseline(Vec::new());
        // The new side has what the command line names, else what the baseline has.
        assert_eq!(inherited(asking(&after), &with).server_config.as_ref(), Some(&after));
        assert_eq!(inherited(Asked::default(), &with).server_config.as_ref(), Some(&before));
        // The old side has what the baseline has, whatever the command line names.
        assert_eq!(only(asking(&after), &with).server_config.as_ref(), Some(&before));
        assert_eq!(only(asking(&after), &without).server_config, None);
        let (old, new) = (of(&asking(&before)).unwrap(), of(&asking(&after)).unwrap());
        assert_ne!(hashes(&old), hashes(&new));
        assert_eq!(changed(&with), None);
        std::fs::write(&before, "trace: true").unwrap();
        assert!(changed(&with).unwrap().ends_with("before.conf is not what it was"));
        std::fs::remove_file(&before).unwrap();
        assert!(changed(&with).unwrap().starts_with("--server-config "));
        assert!(of(&asking(&before)).is_err());
    }

    #[test]
    fn a_part_of_a_file_is_another_setting() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("streams.yaml");
        std::fs::write(&file, "a stream").unwrap();
        let of_part = |part: &str| {
            let name = format!("{}#{part}", file.display());
            of(&Asked { stream_config: Some(name.into()), ..Asked::default() }).unwrap()
        };
        assert_ne!(hashes(&of_part("A")), hashes(&of_part("B")));
        assert_eq!(of_part("A")[0].flag, STREAM);
    }
}
