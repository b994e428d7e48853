//! Access to a broker that tickgate started: by default only this process, with a password that only it knows.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use super::BrokerError;

/// Random bytes in a password: 128 bits.
const BYTES: usize = 16;

/// Who may use a broker that tickgate started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// Everyone who can reach its port.
    Open,
    /// Only clients with the password.
    Password(Password),
}

/// A random password of one broker, with its user name; never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    /// The user of a server's system account, who has the same password.
    pub const SYSTEM_USER: &str = "tickgate-system";

    /// Creates a password from the system's source of randomness.
    ///
    /// # Errors
    /// When the system has no such source.
    pub fn random() -> Result<Self, BrokerError> {
        let mut bytes = [0; BYTES];
        File::open("/dev/urandom")
            .and_then(|mut source| source.read_exact(&mut bytes))
            .map_err(BrokerError::io("read /dev/urandom for the broker's password"))?;
        Ok(Self(format!("{:032x}", u128::from_be_bytes(bytes))))
    }

    /// Returns the user name.
    #[must_use]
    pub const fn user(&self) -> &'static str {
        "tickgate"
    }

    /// Returns the password: letters and digits, so that it needs no quotes in any configuration.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0
    }

    /// Creates a fixed password for tests.
    #[cfg(test)]
    pub(super) fn of(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Writes a file that only this user can read, replacing an existing one.
pub(super) fn write_private(path: &Path, text: &str) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn passwords_differ_and_are_not_shown() {
        let (one, other) = (Password::random().unwrap(), Password::random().unwrap());
        assert_ne!(one, other);
        assert_eq!(one.text().len(), 32);
        assert!(one.text().bytes().all(|byte| byte.is_ascii_hexdigit()));
        assert!(!format!("{:?}", Entry::Password(one.clone())).contains(one.text()));
    }

    #[test]
    fn a_private_file_is_private_even_where_another_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("conf");
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        write_private(&path, "new").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
