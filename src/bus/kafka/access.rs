//! Authentication and encryption settings that a user, a file or the environment adds to a cluster's address.
//!
//! Secrets come from a URL, the environment or a properties file. As on NATS, they are never displayed.

mod file;
mod jaas;
mod keys;
mod oauth;
mod pem;
mod properties;
mod stores;

use std::path::{Path, PathBuf};

pub use oauth::{OAuth, Trust};

use crate::bus::secret::Secret;
use crate::bus::{BusError, environment};

/// SASL credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sasl {
    /// `PLAIN`, `SCRAM-SHA-256` or `SCRAM-SHA-512`.
    pub mechanism: String,
    /// The user's name.
    pub user: String,
    /// The password.
    pub password: Secret,
}

/// Certificates or a key in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pem {
    /// Path of a file.
    At(PathBuf),
    /// Text in the properties file itself.
    Text(Secret),
}

impl From<PathBuf> for Pem {
    fn from(path: PathBuf) -> Self {
        Self::At(path)
    }
}

/// A client's key and certificates in one PKCS #12 file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pkcs12 {
    /// The file.
    pub path: PathBuf,
    /// Its password.
    pub password: Secret,
}

/// TLS settings of the connection.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TlsFiles {
    /// Certificates of trusted authorities, replacing the system's.
    pub ca: Option<Pem>,
    /// The client's certificate, with its chain.
    pub cert: Option<Pem>,
    /// The client's private key.
    pub key: Option<Pem>,
    /// The password of the key.
    pub key_password: Option<Secret>,
    /// Certificate and key in one file, replacing the two.
    pub store: Option<Pkcs12>,
    /// Further settings, by their librdkafka names.
    pub settings: Vec<(&'static str, String)>,
}

impl TlsFiles {
    /// Returns whether certificates are given, which implies an encrypted connection.
    pub(super) const fn are_named(&self) -> bool {
        self.ca.is_some() || self.cert.is_some() || self.store.is_some()
    }

    /// Returns these settings, with missing ones taken from `other`. A certificate and its key stay together.
    fn or(self, other: Self) -> Self {
        let ca = self.ca.or(other.ca);
        let settings = if self.settings.is_empty() { other.settings } else { self.settings };
        if self.cert.is_some() || self.store.is_some() {
            return Self { ca, settings, ..self };
        }
        Self { ca, settings, key: self.key.or(other.key), ..other }
    }

    /// Returns the secrets, for redaction.
    pub(super) fn secrets(&self) -> impl Iterator<Item = &Secret> {
        let key = match &self.key {
            Some(Pem::Text(key)) => Some(key),
            Some(Pem::At(_)) | None => None,
        };
        let store = self.store.as_ref().map(|store| &store.password);
        key.into_iter().chain(&self.key_password).chain(store)
    }
}

/// Settings that a user or the environment adds to a URL; they override it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Access {
    /// User name.
    pub user: Option<String>,
    /// Password.
    pub password: Option<Secret>,
    /// SASL mechanism; default `PLAIN`.
    pub mechanism: Option<String>,
    /// Login by a token, as a properties file requires it.
    pub oauth: Option<OAuth>,
    /// TLS files.
    pub files: TlsFiles,
    /// Whether a properties file requires encryption (`true`) or its absence (`false`).
    pub tls: Option<bool>,
    /// Requirements of a properties file that must not be ignored.
    pub asks: Option<Asks>,
    /// Warnings about unused or unusual settings of a properties file.
    pub warnings: Vec<String>,
}

/// Requirements of a properties file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Asks {
    /// Name of the file.
    pub file: String,
    /// The setting by which it requires a login, such as `security.protocol=SASL_SSL`.
    pub login: Option<String>,
    /// It does not specify encryption: it has no `security.protocol`.
    pub no_protocol: bool,
    /// Brokers that it lists.
    pub brokers: Vec<String>,
}

impl Access {
    /// Reads `KAFKA_USER`, `KAFKA_PASSWORD`, `KAFKA_SASL_MECHANISM`, `KAFKA_CA`, `KAFKA_CERT` and `KAFKA_KEY`.
    pub fn from_env(variable: impl Fn(&str) -> Option<String>) -> Self {
        let text = |name| variable(name).filter(|value| !value.is_empty());
        let file = |name| text(name).map(|path| Pem::At(path.into()));
        Self {
            user: text("KAFKA_USER"),
            password: text("KAFKA_PASSWORD").map(Secret::new),
            mechanism: text("KAFKA_SASL_MECHANISM"),
            files: TlsFiles {
                ca: file("KAFKA_CA"),
                cert: file("KAFKA_CERT"),
                key: file("KAFKA_KEY"),
                ..TlsFiles::default()
            },
            ..Self::default()
        }
    }

    /// Reads a client's properties file as Kafka's own tools (`--command-config`) and librdkafka accept it. Unused
    /// settings are listed in the warnings.
    ///
    /// # Errors
    /// When the file cannot be read, requires something that tickgate does not support, or contradicts itself.
    pub fn from_properties(path: &Path) -> Result<Self, BusError> {
        let name = path.display().to_string();
        let bytes = std::fs::read(path).map_err(|error| {
            environment(
                &format!("cannot read the properties file {name}: {error}"),
                "check the path and its rights",
            )
        })?;
        file::read(&name, &bytes)
    }

    /// Returns the secrets, for redaction.
    pub fn secrets(&self) -> impl Iterator<Item = &Secret> {
        let client = self.oauth.as_ref().map(|oauth| &oauth.client_secret);
        self.password.iter().chain(client).chain(self.files.secrets())
    }

    /// Returns these settings, with missing ones taken from `other`.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        // One side's user and the other side's password belong together only if one of the sides has no user.
        let (user, password) = match self.user {
            Some(user) => (Some(user), self.password.or(other.password)),
            None => (other.user, self.password.or(other.password)),
        };
        let oauth = self.oauth.or(other.oauth);
        // A login by a token has no user.
        let (user, password) = if oauth.is_some() { (None, None) } else { (user, password) };
        Self {
            user,
            password,
            oauth,
            mechanism: self.mechanism.or(other.mechanism),
            files: self.files.or(other.files),
            tls: self.tls.or(other.tls),
            asks: self.asks.or(other.asks),
            warnings: self.warnings.into_iter().chain(other.warnings).collect(),
        }
    }
}

/// Checks that this build supports a SASL mechanism.
///
/// # Errors
/// When it does not.
pub(super) fn mechanism(name: &str, whence: &str) -> Result<(), BusError> {
    let lacks = match name {
        "PLAIN" | "SCRAM-SHA-256" | "SCRAM-SHA-512" => return Ok(()),
        oauth::MECHANISM => "it takes an endpoint and a client's credentials, in a properties file (--creds)",
        "GSSAPI" => "Kerberos takes Cyrus SASL, which this build of librdkafka does not have",
        "" => "it is empty",
        _ => "librdkafka does not have it",
    };
    Err(environment(
        &format!("{whence}: the SASL mechanism `{name}` is not supported: {lacks}"),
        "use a listener and a user of PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512, or a client certificate",
    ))
}

/// Returns the PEM certificates in a text, one after another.
pub(super) fn certificates(text: &str) -> Option<String> {
    pem::certificates(text)
}

/// Returns whether a text contains a PEM certificate.
pub(super) fn has_certificate(text: &str) -> bool {
    pem::certificates(text).is_some()
}

/// Returns whether the private key in a text is encrypted; `None` if it has no key.
pub(super) fn encrypted_key(text: &str) -> Option<bool> {
    pem::key(text).map(|key| key.encrypted)
}

#[cfg(test)]
mod tests;
