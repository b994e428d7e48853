//! How this program was built: version, commit, features and target.

/// Version of the package.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What `tickgate --version` prints after the name.
pub const LONG_VERSION: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    "\ncommit:   ",
    env!("TICKGATE_BUILD_COMMIT"),
    "\nfeatures: ",
    env!("TICKGATE_BUILD_FEATURES"),
    "\ntarget:   ",
    env!("TICKGATE_BUILD_TARGET")
);

/// Commit of the sources, with `-dirty` after uncommitted changes; `None` if the build did not know it.
#[must_use]
pub fn commit() -> Option<&'static str> {
    Some(env!("TICKGATE_BUILD_COMMIT")).filter(|commit| *commit != "unknown")
}
