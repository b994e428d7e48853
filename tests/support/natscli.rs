//! The `nats` command line of the pinned version, as people make streams with it.

use std::process::Command;

use super::outside;

/// Whether it is there; without it a test is left out, or fails where it is required.
pub fn there() -> bool {
    outside::brought("natscli", "scripts/natscli.sh check", "install Go and run scripts/natscli.sh")
}

/// The command line on a bus, without the contexts of the user who runs the tests.
pub struct NatsCli {
    url: String,
    home: tempfile::TempDir,
}

impl NatsCli {
    pub fn on(url: &str) -> Self {
        Self { url: url.to_owned(), home: tempfile::tempdir().expect("a folder") }
    }

    /// Runs a command to its end and returns its output.
    #[track_caller]
    pub fn run(&self, args: &[&str]) -> String {
        let mut command = Command::new(outside::root().join(".tools/bin/nats"));
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("NATS_")) {
            command.env_remove(name);
        }
        command.env("HOME", self.home.path()).env("XDG_CONFIG_HOME", self.home.path());
        let done = command.arg("--server").arg(&self.url).args(args).output().expect("nats runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(done.status.success(), "nats {args:?}: {}{}", text(&done.stdout), text(&done.stderr));
        text(&done.stdout)
    }
}
