//! What a user, a file or the environment adds to a cluster's address: who logs in, and how the connection is encrypted.
//!
//! Secrets come from a URL, the environment or a properties file; like those of NATS they appear in nothing that is
//! shown.

mod file;
mod jaas;
mod keys;
mod pem;
mod properties;
mod stores;

use std::path::{Path, PathBuf};

use crate::bus::secret::Secret;
use crate::bus::{BusError, environment};

/// How to prove who we are, over SASL.
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
    /// In a file.
    At(PathBuf),
    /// In the properties file itself.
    Text(Secret),
}

impl From<PathBuf> for Pem {
    fn from(path: PathBuf) -> Self {
        Self::At(path)
    }
}

/// A client's key and certificates in one file of PKCS #12.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pkcs12 {
    /// The file.
    pub path: PathBuf,
    /// Its password.
    pub password: Secret,
}

/// How the connection is encrypted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TlsFiles {
    /// Certificates of the authorities to trust, instead of the system's.
    pub ca: Option<Pem>,
    /// The client's own certificate, with its chain.
    pub cert: Option<Pem>,
    /// Its key.
    pub key: Option<Pem>,
    /// The password of the key.
    pub key_password: Option<Secret>,
    /// Certificate and key in one, instead of the two.
    pub store: Option<Pkcs12>,
    /// Further settings by librdkafka's names.
    pub settings: Vec<(&'static str, String)>,
}

impl TlsFiles {
    /// Certificates of its own have been named: the connection is encrypted.
    pub(super) const fn are_named(&self) -> bool {
        self.ca.is_some() || self.cert.is_some() || self.store.is_some()
    }

    /// These, and from `other` what is missing here. A certificate and its key stay together.
    fn or(self, other: Self) -> Self {
        let ca = self.ca.or(other.ca);
        let settings = if self.settings.is_empty() { other.settings } else { self.settings };
        if self.cert.is_some() || self.store.is_some() {
            return Self { ca, settings, ..self };
        }
        Self { ca, settings, key: self.key.or(other.key), ..other }
    }

    /// What must not be shown.
    pub(super) fn secrets(&self) -> impl Iterator<Item = &Secret> {
        let key = match &self.key {
            Some(Pem::Text(key)) => Some(key),
            Some(Pem::At(_)) | None => None,
        };
        let store = self.store.as_ref().map(|store| &store.password);
        key.into_iter().chain(&self.key_password).chain(store)
    }
}

/// What a user or the environment adds to a URL; what is given here wins.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Access {
    /// User name.
    pub user: Option<String>,
    /// Password.
    pub password: Option<Secret>,
    /// The mechanism of SASL; `PLAIN` where nobody says.
    pub mechanism: Option<String>,
    /// TLS files.
    pub files: TlsFiles,
    /// A properties file says that the connection is encrypted, or that it is not.
    pub tls: Option<bool>,
    /// What a properties file asks for and must not be passed over.
    pub asks: Option<Asks>,
    /// What of a properties file is not used, and what is unusual.
    pub warnings: Vec<String>,
}

/// What a properties file asks for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Asks {
    /// How the file is called.
    pub file: String,
    /// The setting by which it asks for a login, such as `security.protocol=SASL_SSL`.
    pub login: Option<String>,
    /// It says nothing of encryption: there is no `security.protocol`.
    pub no_protocol: bool,
    /// Brokers that it names.
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

    /// A client's properties file, as Kafka's own tools (`--command-config`) and librdkafka take it. What is not used of it
    /// stands in the warnings.
    ///
    /// # Errors
    /// When the file cannot be read, asks for what tickgate does not have, or contradicts itself.
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

    /// What must not be shown.
    pub fn secrets(&self) -> impl Iterator<Item = &Secret> {
        self.password.iter().chain(self.files.secrets())
    }

    /// These, and from `other` what is missing here.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        // A user of one and a password of another belong together only where one side names no user.
        let (user, password) = match self.user {
            Some(user) => (Some(user), self.password.or(other.password)),
            None => (other.user, self.password.or(other.password)),
        };
        Self {
            user,
            password,
            mechanism: self.mechanism.or(other.mechanism),
            files: self.files.or(other.files),
            tls: self.tls.or(other.tls),
            asks: self.asks.or(other.asks),
            warnings: self.warnings.into_iter().chain(other.warnings).collect(),
        }
    }
}

/// The mechanism of SASL, if this build has it.
///
/// # Errors
/// When it does not.
pub(super) fn mechanism(name: &str, whence: &str) -> Result<(), BusError> {
    let lacks = match name {
        "PLAIN" | "SCRAM-SHA-256" | "SCRAM-SHA-512" => return Ok(()),
        "OAUTHBEARER" => "fetching a token takes libcurl, which this build of librdkafka does not have",
        "GSSAPI" => "Kerberos takes Cyrus SASL, which this build of librdkafka does not have",
        "" => "it is empty",
        _ => "librdkafka does not have it",
    };
    Err(environment(
        &format!("{whence}: the SASL mechanism `{name}` is not supported: {lacks}"),
        "use a listener and a user of PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512, or a client certificate",
    ))
}

/// Does a text hold a certificate in PEM?
pub(super) fn has_certificate(text: &str) -> bool {
    pem::certificates(text).is_some()
}

/// Is the private key of a text encrypted? `None` where it has no key.
pub(super) fn encrypted_key(text: &str) -> Option<bool> {
    pem::key(text).map(|key| key.encrypted)
}

#[cfg(test)]
mod tests;
