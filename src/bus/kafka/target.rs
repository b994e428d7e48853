//! Where a Kafka cluster is and how to get in: addresses, credentials and TLS files.
//!
//! Secrets come from a URL, the environment or a properties file; like those of NATS they appear in nothing that is
//! shown.

use std::path::{Path, PathBuf};

use rdkafka::ClientConfig;

use crate::bus::secret::{decode, redact, split};
use crate::bus::{BusError, environment};

pub use crate::bus::secret::Secret;

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

/// How the connection is encrypted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TlsFiles {
    /// Certificates of the authorities to trust (PEM), instead of the system's.
    pub ca: Option<PathBuf>,
    /// The client's own certificate (PEM).
    pub cert: Option<PathBuf>,
    /// Its key (PEM).
    pub key: Option<PathBuf>,
}

/// A cluster, by some of its brokers, and how to get in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// `host:port` of each broker to ask first.
    pub brokers: Vec<String>,
    /// The connection is encrypted.
    pub tls: bool,
    /// With which certificates.
    pub files: TlsFiles,
    /// How to prove who we are, if at all.
    pub sasl: Option<Sasl>,
    /// What to call it in reports; holds no secret.
    pub label: String,
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
}

impl Access {
    /// Reads `KAFKA_USER`, `KAFKA_PASSWORD`, `KAFKA_SASL_MECHANISM`, `KAFKA_CA`, `KAFKA_CERT` and `KAFKA_KEY`.
    pub fn from_env(variable: impl Fn(&str) -> Option<String>) -> Self {
        let text = |name| variable(name).filter(|value| !value.is_empty());
        let file = |name| text(name).map(PathBuf::from);
        Self {
            user: text("KAFKA_USER"),
            password: text("KAFKA_PASSWORD").map(Secret::new),
            mechanism: text("KAFKA_SASL_MECHANISM"),
            files: TlsFiles { ca: file("KAFKA_CA"), cert: file("KAFKA_CERT"), key: file("KAFKA_KEY") },
            tls: None,
        }
    }

    /// The security settings of a client's properties file, as Kafka's own tools (`--command-config`) and librdkafka
    /// write them; others are left aside.
    ///
    /// # Errors
    /// When the file cannot be read, or asks for what tickgate does not have.
    pub fn from_properties(path: &Path) -> Result<Self, BusError> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            environment(
                &format!("cannot read the properties file {}: {error}", path.display()),
                "check the path and its rights",
            )
        })?;
        let mut access = Self::default();
        let lines = text.lines().map(str::trim).filter(|line| !line.starts_with(['#', '!']));
        for (key, value) in lines.filter_map(|line| line.split_once('=')) {
            let value = value.trim();
            let file = || Some(PathBuf::from(value));
            match key.trim() {
                "security.protocol" => access.tls = Some(value.to_ascii_uppercase().contains("SSL")),
                "sasl.mechanism" | "sasl.mechanisms" => access.mechanism = Some(value.to_owned()),
                "sasl.username" => access.user = Some(value.to_owned()),
                "sasl.password" => access.password = Some(Secret::new(value)),
                "sasl.jaas.config" => {
                    access.user = quoted_after(value, "username=");
                    access.password = quoted_after(value, "password=").map(Secret::new);
                }
                "ssl.ca.location" => access.files.ca = file(),
                "ssl.certificate.location" => access.files.cert = file(),
                "ssl.key.location" => access.files.key = file(),
                "ssl.truststore.location" | "ssl.keystore.location" => {
                    return Err(environment(
                        &format!(
                            "{} names a Java key store ({key}), which tickgate cannot read",
                            path.display()
                        ),
                        "give PEM files with `ssl.ca.location`, `ssl.certificate.location` and `ssl.key.location`",
                    ));
                }
                _ => {}
            }
        }
        // `SASL_SSL` holds `SSL`, and so does every other protocol with TLS; `PLAINTEXT` and `SASL_PLAINTEXT` do not.
        Ok(access)
    }

    /// These, and from `other` what is missing here.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        // A user of one and a password of another belong together only where one side names no user.
        let (user, password) = match self.user {
            Some(user) => (Some(user), self.password.or(other.password)),
            None => (other.user, self.password.or(other.password)),
        };
        let (cert, key) = if self.files.cert.is_some() {
            (self.files.cert, self.files.key)
        } else {
            (other.files.cert, self.files.key.or(other.files.key))
        };
        Self {
            user,
            password,
            mechanism: self.mechanism.or(other.mechanism),
            files: TlsFiles { ca: self.files.ca.or(other.files.ca), cert, key },
            tls: self.tls.or(other.tls),
        }
    }
}

/// `word"…"` in a JAAS line.
fn quoted_after(text: &str, word: &str) -> Option<String> {
    let rest = text.split_once(word)?.1.strip_prefix('"')?;
    rest.split_once('"').map(|(value, _)| value.to_owned())
}

impl Target {
    /// `kafka://host:9092`, `kafka+tls://host:9093`, several hosts with commas between, `kafka://user:password@host:9092`.
    ///
    /// # Errors
    /// When it is not such a URL; the text shows it without its user information.
    pub fn parse(url: &str) -> Result<Self, BusError> {
        let bad = || {
            environment(
                &format!("`{}` is not a Kafka URL", redact(url)),
                "write it as kafka://HOST:PORT, or kafka+tls://HOST:PORT; several brokers have commas between them",
            )
        };
        let (scheme, rest) = url.split_once("://").ok_or_else(bad)?;
        let tls = match scheme {
            "kafka" => false,
            "kafka+tls" => true,
            _ => return Err(bad()),
        };
        let (user, hosts) = split(rest);
        let brokers: Vec<String> =
            hosts.trim_end_matches('/').split(',').map(broker).collect::<Option<_>>().ok_or_else(bad)?;
        let sasl = user.map(|user| {
            let (user, password) = user.split_once(':').unwrap_or((user, ""));
            let password = Secret::new(decode(password));
            Sasl { mechanism: "PLAIN".to_owned(), user: decode(user), password }
        });
        let label = format!("{scheme}://{}", brokers.join(","));
        Ok(Self { brokers, tls, files: TlsFiles::default(), sasl, label })
    }

    /// The target with what a user or the environment adds.
    #[must_use]
    pub fn with(self, access: Access) -> Self {
        let Access { user, password, mechanism, files, tls } = access;
        let named = user.map(|user| Sasl {
            mechanism: "PLAIN".to_owned(),
            user,
            password: password.unwrap_or_else(|| Secret::new("")),
        });
        let mut sasl = named.or(self.sasl);
        if let (Some(sasl), Some(mechanism)) = (&mut sasl, mechanism) {
            sasl.mechanism = mechanism;
        }
        let tls = tls.unwrap_or(false) || self.tls || files.ca.is_some() || files.cert.is_some();
        Self { tls, files, sasl, ..self }
    }

    /// What every client of this cluster is configured with.
    ///
    /// # Errors
    /// When a file is missing, or only one of certificate and key is given.
    pub(super) fn config(&self, name: &str) -> Result<ClientConfig, BusError> {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", self.brokers.join(","))
            .set("client.id", format!("tickgate {name}"))
            .set("socket.keepalive.enable", "true")
            // The client's own backoff would add up to 10 s to an outage.
            .set("reconnect.backoff.ms", "50")
            .set("reconnect.backoff.max.ms", "500")
            // For a moment a cluster may have no broker at all; 5 min later would be too late to ask again.
            .set("metadata.recovery.rebootstrap.trigger.ms", "3000");
        let protocol = match (self.sasl.is_some(), self.tls) {
            (false, false) => "plaintext",
            (false, true) => "ssl",
            (true, false) => "sasl_plaintext",
            (true, true) => "sasl_ssl",
        };
        config.set("security.protocol", protocol);
        if let Some(sasl) = &self.sasl {
            config.set("sasl.mechanism", &sasl.mechanism);
            config.set("sasl.username", &sasl.user).set("sasl.password", sasl.password.expose());
        }
        let files = &self.files;
        if files.cert.is_some() != files.key.is_some() {
            return Err(environment("a client certificate and its key come together", "give both files"));
        }
        let named = [
            ("ssl.ca.location", &files.ca),
            ("ssl.certificate.location", &files.cert),
            ("ssl.key.location", &files.key),
        ];
        for (key, path) in named {
            let Some(path) = path else { continue };
            std::fs::File::open(path).map_err(|error| {
                environment(
                    &format!("cannot read {}: {error}", path.display()),
                    "check the path and its rights",
                )
            })?;
            config.set(key, path.display().to_string());
        }
        Ok(config)
    }

    /// The password, where it has one.
    #[must_use]
    pub fn secret(&self) -> Option<&Secret> {
        self.sasl.as_ref().map(|sasl| &sasl.password)
    }

    /// Takes the password out of a text that might quote it.
    pub(super) fn scrub(&self, text: &str) -> String {
        match &self.sasl {
            Some(sasl) if !sasl.password.expose().is_empty() => text.replace(sasl.password.expose(), "***"),
            _ => text.to_owned(),
        }
    }
}

/// `host:port`, the port 9092 where it is left out.
fn broker(text: &str) -> Option<String> {
    let text = text.trim();
    let legal = |c: char| c.is_ascii_alphanumeric() || ".-_:[]".contains(c);
    if text.is_empty() || !text.chars().all(legal) {
        return None;
    }
    let after_host = text.rsplit_once(']').map_or(text, |(_, rest)| rest);
    match after_host.rsplit_once(':') {
        Some((host, port)) => {
            let named = !host.is_empty() || text.starts_with('[');
            (named && port.parse::<u16>().is_ok()).then(|| text.to_owned())
        }
        None => Some(format!("{text}:9092")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_and_bad_ones_shown_without_their_secrets() {
        for (url, brokers, tls) in [
            ("kafka://127.0.0.1:9092", vec!["127.0.0.1:9092"], false),
            ("kafka+tls://a.example,b.example:9093/", vec!["a.example:9092", "b.example:9093"], true),
            ("kafka://[::1]:9094", vec!["[::1]:9094"], false),
        ] {
            let target = Target::parse(url).unwrap();
            assert_eq!(
                (target.brokers, target.tls, target.sasl),
                (brokers.iter().map(|&b| b.to_owned()).collect(), tls, None)
            );
        }
        let target = Target::parse("kafka://me:p%40ss@h:1").unwrap();
        let sasl = target.sasl.clone().unwrap();
        assert_eq!((sasl.user.as_str(), sasl.password.expose()), ("me", "p@ss"));
        assert_eq!(target.label, "kafka://h:1");
        assert!(!format!("{target:?}").contains("p@ss"));
        for bad in [
            "kafka://",
            "kafka://:9092",
            "nats://h",
            "h:1",
            "kafka://h:99999",
            "kafka://me:secret@h:x",
            "kafka://a,,b",
        ] {
            let error = Target::parse(bad).unwrap_err().to_string();
            assert!(error.contains("is not a Kafka URL") && !error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn one_scheme_or_file_that_asks_for_tls_asks_for_all_brokers() {
        let is_refused = |url: &str| Target::parse(url).is_err();
        assert!(is_refused("kafka+tls://a,kafka://b") && is_refused("kafka://a,kafka+tls://b"));
        let protocol = |url: &str, access: Access| {
            let target = Target::parse(url).unwrap().with(access);
            target.config("t").unwrap().get("security.protocol").unwrap().to_owned()
        };
        let folder = tempfile::tempdir().unwrap();
        let ca = folder.path().join("ca.pem");
        std::fs::write(&ca, "").unwrap();
        let files = |ca| TlsFiles { ca, ..TlsFiles::default() };
        let plain = Access { user: Some("u".to_owned()), tls: Some(false), ..Access::default() };
        assert_eq!(protocol("kafka://a", plain.clone()), "sasl_plaintext");
        assert_eq!(protocol("kafka+tls://a", plain.clone()), "sasl_ssl", "a file takes nothing from the URL");
        assert_eq!(protocol("kafka://a", Access { files: files(Some(ca)), ..plain }), "sasl_ssl");
    }

    #[test]
    fn properties_of_kafkas_own_tools_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("client.properties");
        let text = "# x\nsecurity.protocol=SASL_SSL\nsasl.mechanism = SCRAM-SHA-512\nsasl.jaas.config=org.apache.kafka.X \
                    required username=\"u\" password=\"p w\";\nssl.ca.location=/ca.pem\nacks=all\n";
        std::fs::write(&path, text).unwrap();
        let access = Access::from_properties(&path).unwrap();
        let target = Target::parse("kafka://h:1").unwrap().with(access);
        let sasl = target.sasl.unwrap();
        assert_eq!(
            (sasl.mechanism.as_str(), sasl.user.as_str(), sasl.password.expose()),
            ("SCRAM-SHA-512", "u", "p w")
        );
        assert!(target.tls);
        assert_eq!(target.files.ca.as_deref(), Some(Path::new("/ca.pem")));
        std::fs::write(&path, "ssl.truststore.location=/x.jks").unwrap();
        assert!(Access::from_properties(&path).unwrap_err().to_string().contains("PEM"));
        assert!(Access::from_properties(&folder.path().join("none")).is_err());
    }
}
