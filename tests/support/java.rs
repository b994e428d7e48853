//! A Java for servers that live for seconds.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// `JAVA_HOME` with the machine's Java without its optimising compiler, which costs a Kafka that lives for seconds half of its
/// CPU time and pays only later. None where there is no Java.
pub fn home() -> Option<&'static Path> {
    static HOME: OnceLock<Option<PathBuf>> = OnceLock::new();
    HOME.get_or_init(|| {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let on_path = std::env::split_paths(&path).map(|folder| folder.join("java"));
        let given = std::env::var_os("JAVA_HOME").map(|home| Path::new(&home).join("bin/java"));
        let java = given.into_iter().chain(on_path).find(|file| file.is_file())?;
        let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("java");
        let bin = home.join("bin");
        std::fs::create_dir_all(&bin).expect("a folder");
        let text = format!("#!/bin/sh\nexec '{}' -XX:TieredStopAtLevel=1 \"$@\"\n", java.display());
        // Test binaries that run side by side each write the same; a rename replaces it whole.
        let new = bin.join(format!("java.{}", std::process::id()));
        std::fs::write(&new, text).expect("a script");
        std::fs::set_permissions(&new, std::fs::Permissions::from_mode(0o755)).expect("its permissions");
        std::fs::rename(&new, bin.join("java")).expect("its name");
        Some(home)
    })
    .as_deref()
}

/// The program in it, or `otherwise`.
pub fn program(otherwise: &Path) -> PathBuf {
    home().map_or_else(|| otherwise.to_owned(), |home| home.join("bin/java"))
}
