//! Location of a Kafka cluster and access to it: addresses, and what a user, a file or the environment adds to them.
//!
//! Secrets come from a URL, the environment or a properties file. As on NATS, they are never displayed.

use std::fs::File;
use std::path::Path;

use rdkafka::ClientConfig;
use rdkafka::consumer::BaseConsumer;

use super::access::{self, Access, Asks, OAuth, Pem, Sasl, TlsFiles};
use super::token::{self, Tokens};
use crate::bus::marks::Marks;
use crate::bus::secret::{Secret, decode, redact, split};
use crate::bus::{BusError, environment};

/// A cluster, by some of its brokers, and its access settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// `host:port` of each bootstrap broker.
    pub brokers: Vec<String>,
    /// Whether the connection is encrypted.
    pub tls: bool,
    /// TLS settings.
    pub files: TlsFiles,
    /// SASL credentials, if any.
    pub sasl: Option<Sasl>,
    /// Whether the bootstrap brokers are looked up by their canonical names.
    pub canonical: bool,
    /// Login by tokens instead of credentials for the brokers.
    pub oauth: Option<OAuth>,
    /// Name for reports; contains no secret.
    pub label: String,
}

impl Target {
    /// Parses `kafka://host:9092`, `kafka+tls://host:9093`, several comma-separated hosts, or
    /// `kafka://user:password@host:9092`.
    ///
    /// # Errors
    /// When it is not such a URL; the message shows it without its user information.
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
        Ok(Self { brokers, tls, files: TlsFiles::default(), sasl, oauth: None, canonical: false, label })
    }

    /// Returns the target with a user's or the environment's settings applied.
    #[must_use]
    pub fn with(self, access: Access) -> Self {
        let Access { user, password, mechanism, oauth, files, canonical, tls, .. } = access;
        let named = user.map(|user| Sasl {
            mechanism: "PLAIN".to_owned(),
            user,
            password: password.unwrap_or_else(|| Secret::new("")),
        });
        let mut sasl = named.or(self.sasl);
        if let (Some(sasl), Some(mechanism)) = (&mut sasl, mechanism) {
            sasl.mechanism = mechanism;
        }
        let tls = tls.unwrap_or(false) || self.tls || files.are_named();
        Self { tls, files, sasl, oauth, canonical: self.canonical || canonical, ..self }
    }

    /// Returns the target with all access settings applied, and warnings about unused ones. Each contradiction and
    /// each unusable file is an error, before any connection is made.
    ///
    /// # Errors
    /// When a login is required but no user is given, when a password would be sent unencrypted without a protocol that
    /// allows it, or when a file cannot be used.
    pub fn completed(self, access: Access) -> Result<(Self, Vec<String>), BusError> {
        if let Some(mechanism) = access.mechanism.as_ref().filter(|_| access.oauth.is_none()) {
            access::mechanism(mechanism, "$KAFKA_SASL_MECHANISM")?;
        }
        let (asks, named) = (access.asks.clone(), access.mechanism.is_some());
        let mut warnings = access.warnings.clone();
        let target = self.with(access);
        if let Some(asks) = &asks {
            target.is_as_asked(asks, named)?;
            warnings.extend(target.unused_of(asks));
        }
        if let Some(sasl) = target.sasl.as_ref().filter(|sasl| sasl.password.expose().is_empty()) {
            return Err(environment(
                &format!("the user `{}` has no password", sasl.user),
                "set $KAFKA_PASSWORD, or give it in the properties file",
            ));
        }
        target.check_token()?;
        target.check_files()?;
        Ok((target, warnings))
    }

    /// Checks a login by tokens as far as that takes no connection.
    fn check_token(&self) -> Result<(), BusError> {
        let Some(oauth) = &self.oauth else { return Ok(()) };
        if let Some(sasl) = &self.sasl {
            return Err(environment(
                &format!(
                    "the user `{}` is named, and the properties file asks for a login by a token",
                    sasl.user
                ),
                "leave out the user in the address, or `sasl.mechanism=OAUTHBEARER`",
            ));
        }
        if token::endpoint(oauth)?.tls {
            token::trusting(&oauth.trust)?;
        }
        Ok(())
    }

    /// Requests the first token, if the login is by tokens.
    ///
    /// # Errors
    /// When the endpoint issues none.
    pub(super) fn tokens(&self, marks: &Marks) -> Result<Option<Tokens>, BusError> {
        self.oauth.as_ref().map(|oauth| Tokens::start(oauth, marks.of("token".to_owned()))).transpose()
    }

    /// Returns the endpoint to which a secret is sent unencrypted, as `host:port`.
    #[must_use]
    pub fn open_endpoint(&self) -> Option<String> {
        let endpoint = token::endpoint(self.oauth.as_ref()?).ok()?;
        (!endpoint.tls).then(|| endpoint.authority())
    }

    /// Checks that a login required by a file has a user, a mechanism and a suitable connection.
    fn is_as_asked(&self, asks: &Asks, mechanism: bool) -> Result<(), BusError> {
        let Some(login) = &asks.login else { return Ok(()) };
        let wrong = |problem: &str, hint: &str| environment(&format!("{}: {problem}", asks.file), hint);
        if self.sasl.is_none() && self.oauth.is_none() {
            return Err(wrong(
                &format!("it asks for a login ({login}) and names no user"),
                "add `sasl.jaas.config` with `username` and `password`, or give --user and $KAFKA_PASSWORD",
            ));
        }
        if !mechanism {
            return Err(wrong(
                &format!(
                    "it asks for a login ({login}) without `sasl.mechanism`: Kafka's default, GSSAPI, is not supported"
                ),
                "add `sasl.mechanism=PLAIN`, `SCRAM-SHA-256` or `SCRAM-SHA-512`",
            ));
        }
        if asks.no_protocol && !self.tls {
            return Err(wrong(
                &format!(
                    "it asks for a login ({login}) without `security.protocol`: by Kafka's default nobody would log in"
                ),
                "add `security.protocol=SASL_SSL`, or `SASL_PLAINTEXT` where the password may travel unencrypted",
            ));
        }
        Ok(())
    }

    /// Returns warnings about a file's settings that are not used on this connection.
    fn unused_of(&self, asks: &Asks) -> Vec<String> {
        let mut unused = Vec::new();
        if !self.tls && !self.files.settings.is_empty() {
            let keys: Vec<&str> = self.files.settings.iter().map(|(key, _)| *key).collect();
            unused.push(format!(
                "{}: not used, since the connection is not encrypted: {}",
                asks.file,
                keys.join(", ")
            ));
        }
        let same = |at: &String| broker(at).is_some_and(|at| self.brokers.contains(&at));
        if !asks.brokers.is_empty() && !asks.brokers.iter().all(same) {
            unused.push(format!(
                "{}: `bootstrap.servers` ({}) is not used: the run goes to {}",
                asks.file,
                asks.brokers.join(","),
                self.label
            ));
        }
        unused
    }

    /// Checks that every file can be read and holds what it should, and that the client accepts the files together.
    fn check_files(&self) -> Result<(), BusError> {
        if !self.tls {
            return Ok(());
        }
        let mut config = self.config("check")?;
        config.remove("bootstrap.servers");
        config.set("security.protocol", "ssl");
        // Creates the TLS context without connecting.
        let made: Result<BaseConsumer, _> = config.create();
        made.map(drop).map_err(|error| {
            environment(
                &format!("the TLS settings cannot be used: {}", self.scrub(&error.to_string())),
                "check the certificates, the key and its password",
            )
        })
    }

    /// Returns the configuration shared by all clients of this cluster.
    ///
    /// # Errors
    /// When a file is missing, or a certificate is given without its key or vice versa.
    pub(super) fn config(&self, name: &str) -> Result<ClientConfig, BusError> {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", self.brokers.join(","))
            .set("client.id", format!("tickgate {name}"))
            .set("socket.keepalive.enable", "true")
            // The client's default backoff would add up to 10 s to an outage.
            .set("reconnect.backoff.ms", "50")
            .set("reconnect.backoff.max.ms", "500")
            // A cluster may briefly have no broker at all; asking again only after 5 min would be too late.
            .set("metadata.recovery.rebootstrap.trigger.ms", "3000");
        let protocol = match (self.sasl.is_some() || self.oauth.is_some(), self.tls) {
            (false, false) => "plaintext",
            (false, true) => "ssl",
            (true, false) => "sasl_plaintext",
            (true, true) => "sasl_ssl",
        };
        config.set("security.protocol", protocol);
        if self.canonical {
            config.set("client.dns.lookup", "resolve_canonical_bootstrap_servers_only");
        }
        if let Some(sasl) = &self.sasl {
            config.set("sasl.mechanism", &sasl.mechanism);
            config.set("sasl.username", &sasl.user).set("sasl.password", sasl.password.expose());
        }
        if self.oauth.is_some() {
            config.set("sasl.mechanism", "OAUTHBEARER");
        }
        if self.tls {
            encrypt(&mut config, &self.files)?;
        }
        Ok(config)
    }

    /// Returns the secrets, for redaction: passwords and keys.
    pub fn secrets(&self) -> impl Iterator<Item = &Secret> {
        let client = self.oauth.as_ref().map(|oauth| &oauth.client_secret);
        self.sasl.iter().map(|sasl| &sasl.password).chain(client).chain(self.files.secrets())
    }

    /// Removes secrets from a text that might quote them.
    pub(super) fn scrub(&self, text: &str) -> String {
        let secrets = self.secrets().map(Secret::expose).filter(|secret| !secret.is_empty());
        secrets.fold(text.to_owned(), |text, secret| text.replace(secret, "***"))
    }
}

/// Sets certificates and keys.
fn encrypt(config: &mut ClientConfig, files: &TlsFiles) -> Result<(), BusError> {
    if files.cert.is_some() != files.key.is_some() {
        return Err(environment("a client certificate and its key come together", "give both files"));
    }
    for (pem, part, what) in [
        (&files.ca, "ca", Held::Certificate),
        (&files.cert, "certificate", Held::Certificate),
        (&files.key, "key", Held::Key { password: files.key_password.is_some() }),
    ] {
        match pem {
            Some(Pem::At(path)) => {
                what.is_in(path)?;
                config.set(format!("ssl.{part}.location"), path.display().to_string());
            }
            Some(Pem::Text(text)) => {
                config.set(format!("ssl.{part}.pem"), text.expose());
            }
            None => {}
        }
    }
    if let Some(password) = &files.key_password {
        config.set("ssl.key.password", password.expose());
    }
    if let Some(store) = &files.store {
        File::open(&store.path).map_err(|error| unreadable(&store.path, &error))?;
        config.set("ssl.keystore.location", store.path.display().to_string());
        config.set("ssl.keystore.password", store.password.expose());
    }
    for (key, value) in &files.settings {
        config.set(*key, value);
    }
    Ok(())
}

fn unreadable(path: &Path, error: &std::io::Error) -> BusError {
    environment(&format!("cannot read {}: {error}", path.display()), "check the path and its rights")
}

/// Expected content of a file.
enum Held {
    Certificate,
    Key { password: bool },
}

impl Held {
    fn is_in(&self, path: &Path) -> Result<(), BusError> {
        let mut file = File::open(path).map_err(|error| unreadable(path, &error))?;
        // librdkafka itself reads a folder of authorities.
        if file.metadata().is_ok_and(|about| about.is_dir()) {
            return Ok(());
        }
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut file, &mut bytes).map_err(|error| unreadable(path, &error))?;
        let text = String::from_utf8_lossy(&bytes);
        let lacks = match self {
            Self::Certificate if !access::has_certificate(&text) => "no certificate in PEM",
            Self::Key { password } => match access::encrypted_key(&text) {
                None => "no private key in PEM",
                Some(true) if !password => "an encrypted key, and no password is given",
                Some(_) => return Ok(()),
            },
            Self::Certificate => return Ok(()),
        };
        let hint = match self {
            Self::Key { .. } if lacks.starts_with("an") => "add `ssl.key.password` to the properties file",
            _ => "give a file with the block from -----BEGIN to -----END",
        };
        Err(environment(&format!("{} holds {lacks}", path.display()), hint))
    }
}

/// Returns `host:port`; the port defaults to 9092.
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
        let files = |ca| TlsFiles { ca, ..TlsFiles::default() };
        let plain = Access { user: Some("u".to_owned()), tls: Some(false), ..Access::default() };
        assert_eq!(protocol("kafka://a", plain.clone()), "sasl_plaintext");
        assert_eq!(protocol("kafka+tls://a", plain.clone()), "sasl_ssl", "a file takes nothing from the URL");
        let inline = Some(Pem::Text(Secret::new("x")));
        assert_eq!(protocol("kafka://a", Access { files: files(inline), ..plain }), "sasl_ssl");
    }

    /// Returns the completed target for a URL and the text of a properties file.
    fn completed(url: &str, text: &str) -> Result<(Target, Vec<String>), String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("client.properties");
        std::fs::write(&path, text).unwrap();
        let access = Access::from_properties(&path).map_err(|error| error.to_string())?;
        Target::parse(url).unwrap().completed(access).map_err(|error| error.to_string())
    }

    const LOGIN: &str = "sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required \\\n \
                         username=\"u\" password='p w';\n";

    #[test]
    fn properties_of_kafkas_own_tools_are_read() {
        let text =
            format!("# x\nsecurity.protocol=SASL_SSL\nsasl.mechanism = SCRAM-SHA-512\n{LOGIN}acks=all\n");
        let (target, warnings) = completed("kafka://h:1", &text).unwrap();
        let sasl = target.sasl.clone().unwrap();
        assert_eq!(
            (sasl.mechanism.as_str(), sasl.user.as_str(), sasl.password.expose()),
            ("SCRAM-SHA-512", "u", "p w")
        );
        assert!(target.tls && !format!("{target:?}").contains("p w"));
        assert!(warnings.len() == 1 && warnings[0].contains("not used: acks"), "{warnings:?}");
        assert!(
            Access::from_properties(Path::new("/nonexistent"))
                .unwrap_err()
                .to_string()
                .contains("/nonexistent")
        );
    }

    #[test]
    fn a_login_that_a_file_asks_for_happens_or_is_an_error() {
        let sasl = "security.protocol=SASL_PLAINTEXT\n";
        for (url, text, part) in [
            ("kafka://h", format!("{sasl}sasl.mechanism=PLAIN\n"), "names no user"),
            ("kafka://h", "sasl.mechanism=PLAIN\n".to_owned(), "names no user"),
            ("kafka+tls://h", "sasl.mechanism=PLAIN\n".to_owned(), "names no user"),
            ("kafka://h", format!("{sasl}{LOGIN}"), "without `sasl.mechanism`"),
            ("kafka://h", format!("sasl.mechanism=PLAIN\n{LOGIN}"), "without `security.protocol`"),
            ("kafka://h", format!("{sasl}sasl.mechanism=PLAIN\nsasl.username=u\n"), "`u` has no password"),
            ("kafka://u@h", String::new(), "`u` has no password"),
        ] {
            let error = completed(url, &text).unwrap_err();
            assert!(error.contains(part) && !error.contains("p w"), "{text}: {error}");
        }
        for (url, text, tls) in [
            ("kafka://h", format!("{sasl}sasl.mechanism=PLAIN\n{LOGIN}"), false),
            ("kafka+tls://h", format!("{sasl}sasl.mechanism=PLAIN\n{LOGIN}"), true),
            ("kafka+tls://h", format!("sasl.mechanism=PLAIN\n{LOGIN}"), true),
            ("kafka://v:pw@h", format!("{sasl}sasl.mechanism=PLAIN\n"), false),
        ] {
            let (target, _) = completed(url, &text).unwrap();
            assert_eq!((target.tls, target.sasl.is_some()), (tls, true), "{url} {text}");
        }
        // As in Kafka, a protocol without a login does not log in, whatever else the file contains.
        let (target, warnings) =
            completed("kafka://h", &format!("security.protocol=PLAINTEXT\nsasl.mechanism=PLAIN\n{LOGIN}"))
                .unwrap();
        assert!(target.sasl.is_none() && warnings[0].contains("logs nobody in"), "{warnings:?}");
        let wrong = Access { mechanism: Some("GSSAPI".into()), ..Access::default() };
        let error = Target::parse("kafka://h").unwrap().completed(wrong).unwrap_err().to_string();
        assert!(error.contains("$KAFKA_SASL_MECHANISM") && error.contains("Kerberos"), "{error}");
    }

    #[test]
    fn other_brokers_in_a_file_and_unused_settings_are_named() {
        let warned = |url: &str, text: &str| completed(url, text).unwrap().1.join("; ");
        assert!(
            warned("kafka://h:1", "bootstrap.servers=a:1,b:2")
                .contains("`bootstrap.servers` (a:1,b:2) is not used")
        );
        assert_eq!(warned("kafka://h", "bootstrap.servers=h:9092"), "");
        assert!(
            warned("kafka://h", "ssl.endpoint.identification.algorithm=")
                .contains("is not encrypted: ssl.endpoint")
        );
    }

    #[test]
    fn files_of_the_wrong_content_are_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.display().to_string()
        };
        let bad = "-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----\n";
        let locked = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nQUJD\n-----END ENCRYPTED PRIVATE KEY-----\n";
        let (text, bad, locked) = (write("text", "text"), write("bad.pem", bad), write("key.pem", locked));
        let trust = "security.protocol=SSL\nssl.truststore.type=PEM\nssl.truststore.location=";
        let pair = |key: &str| {
            format!("security.protocol=SSL\nssl.certificate.location={bad}\nssl.key.location={key}\n")
        };
        for (properties, part) in [
            (format!("{trust}/nonexistent.pem"), "cannot read /nonexistent.pem"),
            (format!("{trust}{text}"), "holds no certificate in PEM"),
            (format!("{trust}{bad}"), "the TLS settings cannot be used: "),
            (pair(&text), "holds no private key in PEM"),
            (pair(&locked), "holds an encrypted key, and no password is given"),
        ] {
            let error = completed("kafka://h", &properties).unwrap_err();
            assert!(error.contains(part), "`{part}` is not in: {error}");
        }
    }
}
