//! The meaning of a `client.properties`: each key is used, refused, or listed in a warning.
//!
//! It is read as Kafka's own clients read it: `security.protocol` decides whether the client logs in and whether the
//! connection is encrypted, and settings that this does not require are not used. Where Java and this client differ,
//! either the connection is as secure as the file requires, or the file is refused.

use std::collections::BTreeMap;

use super::keys::{self, Fate, Part};
use super::stores;
use super::{Access, Asks, OAuth, TlsFiles, jaas, mechanism, oauth, properties};
use crate::bus::secret::Secret;
use crate::bus::{BusError, environment};

/// Reads a file with this name and content.
///
/// # Errors
/// When it is malformed, requires something that tickgate does not support, or contradicts itself.
pub(super) fn read(name: &str, bytes: &[u8]) -> Result<Access, BusError> {
    let entries = properties::parse(bytes)
        .map_err(|why| wrong(name, &why.to_string(), "write it as java.util.Properties reads it"))?;
    let mut file = File { name, values: BTreeMap::new(), warnings: Vec::new() };
    for entry in entries {
        // Kafka trims values too.
        let value = entry.value.trim_matches(|c| c <= ' ').to_owned();
        if let Some(before) = file.values.insert(entry.key.clone(), value.clone())
            && before != value
        {
            file.warn(&format!("`{}` stands there twice; the one on line {} counts", entry.key, entry.line));
        }
    }
    file.foreign_letters(bytes);
    file.access()
}

fn wrong(name: &str, problem: &str, hint: &str) -> BusError {
    environment(&format!("{name}: {problem}"), hint)
}

/// Requirements of `security.protocol`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Protocol {
    name: &'static str,
    tls: bool,
    sasl: bool,
}

const PROTOCOLS: [Protocol; 4] = [
    Protocol { name: "PLAINTEXT", tls: false, sasl: false },
    Protocol { name: "SSL", tls: true, sasl: false },
    Protocol { name: "SASL_PLAINTEXT", tls: false, sasl: true },
    Protocol { name: "SASL_SSL", tls: true, sasl: true },
];

/// The login that the file specifies.
#[derive(Debug, Default)]
struct User {
    mechanism: Option<String>,
    name: Option<String>,
    password: Option<Secret>,
    oauth: Option<OAuth>,
}

/// Ending of the class name of the login module for tokens.
const TOKEN_MODULE: &str = ".OAuthBearerLoginModule";

struct File<'a> {
    name: &'a str,
    values: BTreeMap<String, String>,
    warnings: Vec<String>,
}

impl File<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.values.get(key).map(String::as_str).filter(|value| !value.is_empty())
    }

    fn warn(&mut self, text: &str) {
        self.warnings.push(format!("{}: {text}", self.name));
    }

    fn wrong(&self, problem: &str, hint: &str) -> BusError {
        wrong(self.name, problem, hint)
    }

    /// Java reads the file as bytes, so that a UTF-8 character becomes two or more characters.
    fn foreign_letters(&mut self, bytes: &[u8]) {
        let used = |(key, value): (&String, &String)| keys::fate(key) != Fate::Named && !value.is_ascii();
        // In a file of ASCII alone they are escapes.
        if std::str::from_utf8(bytes).is_ok()
            && !bytes.is_ascii()
            && let Some(key) = self.values.iter().find(|&entry| used(entry)).map(|(key, _)| key.clone())
        {
            self.warn(&format!(
                "`{key}` has characters outside ASCII, which are read as ISO-8859-1, as Kafka's own tools read them; write \
                 them as \\uXXXX where that is not what is meant"
            ));
        }
    }

    fn access(mut self) -> Result<Access, BusError> {
        let protocol = self.protocol()?;
        let with_sasl = protocol.is_none_or(|protocol| protocol.sasl);
        let with_tls = protocol.is_none_or(|protocol| protocol.tls);
        self.refuse(with_tls, with_sasl)?;
        let user = if with_sasl { self.user()? } else { User::default() };
        let files = if with_tls { self.files()? } else { TlsFiles::default() };
        let canonical = self.canonical()?;
        let login = match protocol {
            Some(protocol) => protocol.sasl.then(|| format!("security.protocol={}", protocol.name)),
            None if user.name.is_some() => Some("a user".to_owned()),
            None => user.mechanism.as_ref().map(|mechanism| format!("sasl.mechanism={mechanism}")),
        };
        self.name_the_rest(protocol);
        let brokers = self.get("bootstrap.servers").or_else(|| self.get("metadata.broker.list"));
        let asks = Asks {
            file: self.name.to_owned(),
            login,
            no_protocol: protocol.is_none(),
            brokers: brokers
                .into_iter()
                .flat_map(|all| all.split(','))
                .map(|at| at.trim().to_owned())
                .collect(),
        };
        Ok(Access {
            user: user.name,
            password: user.password,
            oauth: user.oauth,
            mechanism: user.mechanism,
            files,
            canonical,
            tls: protocol.map(|protocol| protocol.tls),
            asks: Some(asks),
            warnings: self.warnings,
        })
    }

    fn protocol(&self) -> Result<Option<Protocol>, BusError> {
        let Some(asked) = self.get("security.protocol") else { return Ok(None) };
        let known = PROTOCOLS.into_iter().find(|protocol| protocol.name.eq_ignore_ascii_case(asked));
        known.map(Some).ok_or_else(|| {
            self.wrong(
                &format!("`security.protocol` is `{asked}`"),
                "expected PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL",
            )
        })
    }

    /// Returns whether the bootstrap brokers are looked up by their canonical names; otherwise all addresses are tried.
    fn canonical(&self) -> Result<bool, BusError> {
        match self.get("client.dns.lookup") {
            // `default` is the name of the first behaviour in old clients.
            None | Some("use_all_dns_ips" | "default") => Ok(false),
            Some("resolve_canonical_bootstrap_servers_only") => Ok(true),
            Some(asked) => Err(self.wrong(
                &format!("`client.dns.lookup` is `{asked}`"),
                "expected use_all_dns_ips or resolve_canonical_bootstrap_servers_only",
            )),
        }
    }

    /// Refuses keys that must not be ignored on a connection with these parts.
    fn refuse(&self, with_tls: bool, with_sasl: bool) -> Result<(), BusError> {
        let matters = |key: &str| match keys::part(key) {
            Part::Tls => with_tls,
            Part::Sasl => with_sasl,
            Part::Other => true,
        };
        for (key, value) in self.values.iter().filter(|(key, value)| !value.is_empty() && matters(key)) {
            // The mechanism's name is more informative than the class that implements its login.
            if let ("sasl.mechanism" | "sasl.mechanisms", value) = (key.as_str(), value)
                && value != oauth::MECHANISM
            {
                mechanism(value, self.name)?;
            }
        }
        for (key, value) in self.values.iter().filter(|(_, value)| !value.is_empty()) {
            if self.is_by_token() && oauth::is_done_here(key, value) {
                continue;
            }
            if let Fate::Refused(why) = keys::fate(key)
                && matters(key)
            {
                return Err(self.wrong(
                    &format!("`{key}` is not supported: {why}"),
                    "leave it out if the cluster lets you in without it",
                ));
            }
        }
        Ok(())
    }

    /// Returns whether the file asks for a login by a token.
    fn is_by_token(&self) -> bool {
        ["sasl.mechanism", "sasl.mechanisms"].iter().any(|key| self.get(key) == Some(oauth::MECHANISM))
    }

    /// Returns the single value of two equivalent keys.
    fn either(&self, java: &str, librdkafka: &str) -> Result<Option<&str>, BusError> {
        match (self.get(java), self.get(librdkafka)) {
            (Some(one), Some(other)) if one != other => {
                Err(self
                    .wrong(&format!("`{java}` and `{librdkafka}` say different things"), "give one of them"))
            }
            (one, other) => Ok(one.or(other)),
        }
    }

    fn user(&mut self) -> Result<User, BusError> {
        let mechanism = self.either("sasl.mechanism", "sasl.mechanisms")?.map(str::to_owned);
        let mut user = User {
            mechanism,
            name: self.get("sasl.username").map(str::to_owned),
            password: self.get("sasl.password").map(Secret::new),
            oauth: None,
        };
        if self.is_by_token() {
            return self.token(user.mechanism);
        }
        let Some(text) = self.get("sasl.jaas.config") else { return Ok(user) };
        let login = self.login(text, "username=\"…\" password=\"…\"")?;
        self.is_supported(&login, user.mechanism.as_deref())?;
        let name = login.option("username").map(str::to_owned);
        let password = login.option("password").map(Secret::new);
        let differs =
            user.name.is_some() && user.name != name || user.password.is_some() && user.password != password;
        if differs {
            return Err(self.wrong(
                "`sasl.jaas.config` and `sasl.username`, `sasl.password` name different users",
                "give one of them",
            ));
        }
        (user.name, user.password) = (name, password);
        self.name_options(&login, &["username", "password", "tokenauth", "serviceName"]);
        Ok(user)
    }

    /// Returns the login by a token.
    fn token(&mut self, mechanism: Option<String>) -> Result<User, BusError> {
        let login =
            self.get("sasl.jaas.config").map(|text| self.login(text, "clientId=\"…\" clientSecret=\"…\""));
        let login = login.transpose()?;
        if let Some(login) = login.as_ref().filter(|login| !login.module.ends_with(TOKEN_MODULE)) {
            return Err(self.wrong(
                &format!("the login module `{}` is not for OAUTHBEARER", login.module),
                &format!("expected org.apache.kafka.common.security.oauthbearer{TOKEN_MODULE}"),
            ));
        }
        let keys = self.values.iter().filter(|(_, value)| !value.is_empty()).map(|(key, _)| key.as_str());
        let oauth = oauth::read(self.name, keys, &|key| self.get(key), login.as_ref())?;
        if let Some(login) = login {
            self.name_options(&login, &["clientId", "clientSecret", "scope", "extension_*", "ssl.*"]);
        }
        Ok(User { mechanism, oauth: Some(oauth), ..User::default() })
    }

    fn login(&self, text: &str, options: &str) -> Result<jaas::Login, BusError> {
        jaas::parse(text).map_err(|why| {
            self.wrong(
                &format!("`sasl.jaas.config`: {why}"),
                &format!(
                    "write it as MODULE required {options}; on one line, or on lines that end in a backslash"
                ),
            )
        })
    }

    /// Lists the options of a login module that are not among the used ones; `*` stands for any ending.
    fn name_options(&mut self, login: &jaas::Login, used: &[&str]) {
        let is_used = |key: &str| {
            used.iter()
                .any(|used| used.strip_suffix('*').map_or(key == *used, |begin| key.starts_with(begin)))
        };
        let unused: Vec<&str> =
            login.options.iter().map(|(key, _)| key.as_str()).filter(|key| !is_used(key)).collect();
        if !unused.is_empty() {
            let text = format!("not used of `sasl.jaas.config`: {}", unused.join(", "));
            self.warn(&text);
        }
    }

    /// Checks that a login module only provides a user and a password.
    fn is_supported(&self, login: &jaas::Login, asked: Option<&str>) -> Result<(), BusError> {
        let module = login.module.as_str();
        if module.ends_with(TOKEN_MODULE) {
            let asked = asked.map_or_else(|| "a login without `sasl.mechanism`".to_owned(), str::to_owned);
            return Err(self.wrong(
                &format!("the login module `{module}` is not for {asked}"),
                "set `sasl.mechanism=OAUTHBEARER`",
            ));
        }
        if module.ends_with(".Krb5LoginModule") {
            return mechanism("GSSAPI", self.name);
        }
        let plain = module.ends_with("org.apache.kafka.common.security.plain.PlainLoginModule");
        let scram = module.ends_with("org.apache.kafka.common.security.scram.ScramLoginModule");
        if !plain && !scram {
            return Err(self.wrong(
                &format!("the login module `{module}` is not supported"),
                "expected org.apache.kafka.common.security.plain.PlainLoginModule or \
                 org.apache.kafka.common.security.scram.ScramLoginModule",
            ));
        }
        if scram && login.option("tokenauth").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            return Err(self.wrong(
                "`tokenauth` in `sasl.jaas.config` is not supported: librdkafka cannot log in with a delegation token",
                "give a user and a password",
            ));
        }
        Ok(())
    }

    fn files(&mut self) -> Result<TlsFiles, BusError> {
        let mut files = stores::read(self.name, &|key| self.get(key))?;
        files.settings = self.settings()?;
        Ok(files)
    }

    /// Returns the TLS settings that librdkafka has as well.
    fn settings(&mut self) -> Result<Vec<(&'static str, String)>, BusError> {
        let mut settings = Vec::new();
        // An empty value disables the check of the host's name; an absent key does not.
        if let Some(algorithm) = self.values.get("ssl.endpoint.identification.algorithm") {
            match algorithm.to_ascii_lowercase().as_str() {
                "" | "none" => {
                    settings.push(("ssl.endpoint.identification.algorithm", "none".to_owned()));
                    self.warn(
                        "the brokers' host names are not checked, as `ssl.endpoint.identification.algorithm` asks",
                    );
                }
                "https" => {}
                _ => {
                    let problem = format!(
                        "`ssl.endpoint.identification.algorithm` is `{algorithm}`, which is not supported"
                    );
                    return Err(self.wrong(&problem, "expected https, or nothing"));
                }
            }
        }
        if let Some(verified) = self.get("enable.ssl.certificate.verification") {
            if verified.eq_ignore_ascii_case("false") {
                settings.push(("enable.ssl.certificate.verification", "false".to_owned()));
                self.warn(
                    "the brokers' certificates are not checked, as `enable.ssl.certificate.verification=false` asks",
                );
            } else if !verified.eq_ignore_ascii_case("true") {
                return Err(
                    self.wrong("`enable.ssl.certificate.verification` is neither true nor false", "give one")
                );
            }
        }
        self.algorithms()?;
        self.versions()?;
        if let Some(suites) = self.get("ssl.cipher.suites") {
            // Java's names contain underscores, OpenSSL's contain hyphens.
            if suites.contains('_') {
                return Err(self.wrong(
                    "`ssl.cipher.suites` has Java's names, to which this client's TLS cannot be held",
                    "leave it out: the broker chooses among what both have, or give OpenSSL's names",
                ));
            }
            settings.push(("ssl.cipher.suites", suites.to_owned()));
        }
        for key in ["ssl.crl.location", "ssl.curves.list", "ssl.sigalgs.list"] {
            settings.extend(self.get(key).map(|value| (key, value.to_owned())));
        }
        Ok(settings)
    }

    fn algorithms(&self) -> Result<(), BusError> {
        for (key, known) in [
            ("ssl.trustmanager.algorithm", ["PKIX", "SunX509"]),
            ("ssl.keymanager.algorithm", ["SunX509", "PKIX"]),
        ] {
            if let Some(value) = self.get(key)
                && !known.iter().any(|known| known.eq_ignore_ascii_case(value))
            {
                let problem = format!("`{key}` is `{value}`, which tickgate does not have");
                return Err(self.wrong(&problem, "leave it out if the cluster lets you in without it"));
            }
        }
        Ok(())
    }

    /// Checks the TLS versions: this client supports 1.2 and 1.3.
    fn versions(&mut self) -> Result<(), BusError> {
        let Some(enabled) = self.get("ssl.enabled.protocols").or_else(|| self.get("ssl.protocol")) else {
            return Ok(());
        };
        let only_13 = self.get("ssl.enabled.protocols").is_some()
            && enabled.split(',').all(|version| version.trim().eq_ignore_ascii_case("TLSv1.3"));
        if only_13 {
            return Err(self.wrong(
                "`ssl.enabled.protocols` allows TLS 1.3 alone, to which this client cannot be held",
                "add TLSv1.2, or leave it out and let the broker insist on 1.3",
            ));
        }
        let known = |version: &str| ["TLS", "TLSv1.2", "TLSv1.3"].contains(&version.trim());
        let enabled = enabled.to_owned();
        if !enabled.split(',').all(known) || enabled == "TLSv1.2" {
            self.warn(&format!("TLS 1.2 and 1.3 are used, whatever else is enabled there ({enabled})"));
        }
        Ok(())
    }

    /// Lists every key that has a value and is not used.
    fn name_the_rest(&mut self, protocol: Option<Protocol>) {
        let (mut tls, mut sasl, mut other) = (Vec::new(), Vec::new(), Vec::new());
        for (key, value) in &self.values {
            let out = match keys::part(key) {
                Part::Tls => protocol.is_some_and(|protocol| !protocol.tls).then_some(&mut tls),
                Part::Sasl => protocol.is_some_and(|protocol| !protocol.sasl).then_some(&mut sasl),
                Part::Other => None,
            };
            match out {
                Some(list) if !value.is_empty() => list.push(key.as_str()),
                None if keys::fate(key) == Fate::Named => other.push(key.as_str()),
                None if keys::fate(key) == Fate::OfToken && !self.is_by_token() => other.push(key.as_str()),
                _ => {}
            }
        }
        let name = protocol.map_or("", |protocol| protocol.name);
        let mut texts = Vec::new();
        for (list, why) in [(tls, "does not encrypt"), (sasl, "logs nobody in")] {
            if !list.is_empty() {
                texts.push(format!("not used, since security.protocol={name} {why}: {}", list.join(", ")));
            }
        }
        if !other.is_empty() {
            texts.push(format!("not used: {} ([bus.kafka] has what can be set)", other.join(", ")));
        }
        for text in &texts {
            self.warn(text);
        }
    }
}
