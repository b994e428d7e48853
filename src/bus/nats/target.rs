//! Address of a NATS server and how to authenticate: URLs, credentials and TLS files.
//!
//! Secrets come from a URL, the environment, files or a context of the `nats` command line. They never appear in
//! output: not in labels, not in `Debug`, not in errors.

use std::path::PathBuf;

use async_nats::ServerAddr;

use crate::bus::BusError;
pub(super) use crate::bus::environment;
pub use crate::bus::secret::Secret;
use crate::bus::secret::{decode, redact, split};

/// How to authenticate.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Auth {
    /// Without credentials.
    #[default]
    None,
    /// By name and password.
    User {
        /// The user's name.
        user: String,
        /// The password.
        password: Secret,
    },
    /// By a token.
    Token(Secret),
    /// By an nkey, with its seed in this file.
    Nkey(PathBuf),
    /// By an nkey with this seed.
    Seed(Secret),
    /// By a JWT and its nkey, both in this `.creds` file.
    Creds(PathBuf),
    /// By a JWT and the seed of its nkey; a bearer JWT needs no seed.
    Jwt {
        /// The user's JWT.
        jwt: Secret,
        /// The seed of its nkey.
        seed: Option<Secret>,
    },
}

/// Subjects of the `JetStream` API.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Api {
    /// `$JS.API`.
    #[default]
    Default,
    /// Those of a domain, behind a leaf node: `$JS.<domain>.API`.
    Domain(String),
    /// Those under which an account imports the API of another account.
    Prefix(String),
}

impl Api {
    /// Returns the first tokens of the API's subjects.
    #[must_use]
    pub fn subject(&self) -> String {
        match self {
            Self::Default => "$JS.API".to_owned(),
            Self::Domain(domain) => format!("$JS.{domain}.API"),
            Self::Prefix(prefix) => prefix.trim_end_matches('.').to_owned(),
        }
    }
}

/// TLS settings of a connection.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TlsFiles {
    /// Certificates of the authorities to trust (PEM), instead of the system's.
    pub ca: Option<PathBuf>,
    /// The client's certificate (PEM).
    pub cert: Option<PathBuf>,
    /// Key of the client's certificate (PEM).
    pub key: Option<PathBuf>,
    /// Start TLS before the server sends anything (`handshake_first`).
    pub first: bool,
}

impl TlsFiles {
    /// Returns whether a setting asks for TLS.
    pub(super) const fn wanted(&self) -> bool {
        self.ca.is_some() || self.cert.is_some() || self.first
    }
}

/// A server, or the seed servers of a cluster, and how to authenticate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// URLs without user information.
    pub urls: Vec<String>,
    /// How to authenticate.
    pub auth: Auth,
    /// TLS settings.
    pub tls: TlsFiles,
    /// First tokens of reply subjects, for accounts that restrict them.
    pub inbox_prefix: Option<String>,
    /// Subjects of the `JetStream` API.
    pub api: Api,
    /// Name for reports; contains no secret.
    pub label: String,
    /// Ports on 127.0.0.1 through which generators and members connect, one for each URL; empty for direct connections.
    pub entrances: Vec<u16>,
}

/// Settings from a user or the environment that override those of a URL or a context.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Access {
    /// User name.
    pub user: Option<String>,
    /// Password.
    pub password: Option<Secret>,
    /// Token.
    pub token: Option<Secret>,
    /// File with an nkey seed.
    pub nkey: Option<PathBuf>,
    /// `.creds` file.
    pub creds: Option<PathBuf>,
    /// A user's JWT.
    pub jwt: Option<Secret>,
    /// The seed of its nkey.
    pub seed: Option<Secret>,
    /// TLS files.
    pub tls: TlsFiles,
    /// Subjects of the `JetStream` API.
    pub api: Option<Api>,
    /// First tokens of reply subjects.
    pub inbox_prefix: Option<String>,
}

impl Access {
    /// Reads the variables of the `nats` command line: `NATS_USER`, `NATS_PASSWORD`, `NATS_TOKEN`, `NATS_NKEY`,
    /// `NATS_CREDS`, `NATS_JWT`, `NATS_SEED`, `NATS_CA`, `NATS_CERT` and `NATS_KEY`.
    pub fn from_env(variable: impl Fn(&str) -> Option<String>) -> Self {
        let text = |name| variable(name).filter(|value| !value.is_empty());
        let secret = |name| text(name).map(Secret::new);
        let file = |name| text(name).map(PathBuf::from);
        Self {
            // A user without a password is a token.
            user: text("NATS_USER").filter(|_| text("NATS_PASSWORD").is_some()),
            password: secret("NATS_PASSWORD"),
            token: secret("NATS_TOKEN")
                .or_else(|| secret("NATS_USER").filter(|_| text("NATS_PASSWORD").is_none())),
            nkey: file("NATS_NKEY"),
            creds: file("NATS_CREDS"),
            jwt: secret("NATS_JWT"),
            seed: secret("NATS_SEED"),
            tls: TlsFiles {
                ca: file("NATS_CA"),
                cert: file("NATS_CERT"),
                key: file("NATS_KEY"),
                first: false,
            },
            api: None,
            inbox_prefix: None,
        }
    }

    /// Returns the kinds of credentials that are given; the server accepts one.
    #[must_use]
    pub fn ways(&self) -> Vec<Way> {
        let given = [
            (Way::Creds, self.creds.is_some()),
            (Way::Nkey, self.nkey.is_some()),
            (Way::Jwt, self.jwt.is_some()),
            (Way::Token, self.token.is_some()),
            (Way::User, self.user.is_some()),
        ];
        given.into_iter().filter(|(_, given)| *given).map(|(way, _)| way).collect()
    }

    /// Fills in the missing settings from `other`.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        // Credentials are taken from one side as a whole: the user of one and the token of the other do not belong
        // together.
        let tls = merge(self.tls.clone(), other.tls.clone());
        let api = self.api.clone().or_else(|| other.api.clone());
        let inbox_prefix = self.inbox_prefix.clone().or_else(|| other.inbox_prefix.clone());
        let password = self.password.clone().or_else(|| other.password.clone());
        let whole = if self.ways().is_empty() { other } else { self };
        Self { password, tls, api, inbox_prefix, ..whole }
    }

    fn auth(self) -> Option<Auth> {
        let Self { user, password, token, nkey, creds, jwt, seed, .. } = self;
        let named = |user| Auth::User { user, password: password.unwrap_or_else(|| Secret::new("")) };
        creds
            .map(Auth::Creds)
            .or_else(|| nkey.map(Auth::Nkey))
            .or_else(|| jwt.map(|jwt| Auth::Jwt { jwt, seed }))
            .or_else(|| token.map(Auth::Token))
            .or_else(|| user.map(named))
    }
}

/// A kind of credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// A `.creds` file.
    Creds,
    /// An nkey.
    Nkey,
    /// A JWT.
    Jwt,
    /// A token.
    Token,
    /// A name and a password.
    User,
}

fn merge(first: TlsFiles, second: TlsFiles) -> TlsFiles {
    let (cert, key) =
        if first.cert.is_some() { (first.cert, first.key) } else { (second.cert, first.key.or(second.key)) };
    TlsFiles { ca: first.ca.or(second.ca), cert, key, first: first.first || second.first }
}

impl Target {
    /// Parses one URL or several, separated by commas: `nats://host:4222`, `tls://host`, `nats://user:password@host`,
    /// `nats://token@host`.
    ///
    /// # Errors
    /// When one is not a NATS URL; the text shows it without its user information.
    pub fn parse(urls: &str) -> Result<Self, BusError> {
        let mut target = Self {
            urls: Vec::new(),
            auth: Auth::None,
            tls: TlsFiles::default(),
            inbox_prefix: None,
            api: Api::Default,
            label: String::new(),
            entrances: Vec::new(),
        };
        let pieces = pieces(urls)?;
        // A comma in a password splits the URL: a piece of a list with credentials may be the middle of one.
        let credentials = pieces.len() > 1 && urls.contains('@');
        for url in pieces {
            let (clean, auth) = take_userinfo(url, credentials && !url.contains('@'))?;
            target.urls.push(clean);
            if target.auth == Auth::None {
                target.auth = auth;
            } else if auth != Auth::None && auth != target.auth {
                return Err(environment(
                    "the URLs have different user information, and all servers of a target are for one user",
                    "give it in the first URL only",
                ));
            }
        }
        if target.urls.is_empty() {
            return Err(environment("no NATS URL is given", "give one, such as nats://127.0.0.1:4222"));
        }
        target.label = target.urls.join(",");
        Ok(target)
    }

    /// Replaces the addresses. Credentials in the new URLs replace the previous ones.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn moved(self, urls: &str) -> Result<Self, BusError> {
        let Self { urls, auth, label, .. } = Self::parse(urls)?;
        let auth = if auth == Auth::None { self.auth } else { auth };
        Ok(Self { urls, auth, label, ..self })
    }

    /// Applies the settings from a user or the environment.
    #[must_use]
    pub fn with(self, access: Access) -> Self {
        let tls = merge(access.tls.clone(), self.tls);
        let api = access.api.clone().unwrap_or(self.api);
        let inbox_prefix = access.inbox_prefix.clone().or(self.inbox_prefix);
        let password = access.password.clone();
        let own = match (self.auth, password) {
            (Auth::User { user, .. }, Some(password)) => Auth::User { user, password },
            (auth, _) => auth,
        };
        let auth = access.auth().unwrap_or(own);
        Self { auth, tls, inbox_prefix, api, ..self }
    }

    /// Checks that the API prefix and the inbox prefix are valid starts of a subject.
    ///
    /// # Errors
    /// When one is not; names it.
    pub fn check_subjects(&self) -> Result<(), BusError> {
        let api = match &self.api {
            Api::Default => None,
            Api::Domain(domain) => Some(("the JetStream domain", domain.as_str())),
            Api::Prefix(prefix) => Some(("the prefix of JetStream's API", prefix.trim_end_matches('.'))),
        };
        let inbox = self.inbox_prefix.as_deref().map(|prefix| ("the prefix of inboxes", prefix));
        for (what, text) in api.into_iter().chain(inbox) {
            let bad = |token: &str| token.is_empty() || token.contains(['*', '>']);
            if text.contains(char::is_whitespace) || text.split('.').any(bad) {
                return Err(environment(
                    &format!("{what}, `{text}`, is not the beginning of a subject"),
                    "give tokens with dots between them, without wildcards, such as `JS.hub.API`",
                ));
            }
        }
        Ok(())
    }

    /// Returns whether every connection is encrypted. One address that asks for TLS, or a file for it, is enough for
    /// all of them: otherwise a reconnect could send the credentials of an encrypted connection over a plain one.
    #[must_use]
    pub fn requires_tls(&self) -> bool {
        self.tls.wanted() || self.urls.iter().any(|url| url.starts_with("tls://"))
    }

    /// Returns whether the other servers of a cluster may be learned from a server's first message. Without TLS nothing
    /// is verified or promised. With TLS the list must come from an authenticated server, which is only the case with
    /// [`TlsFiles::first`]. The client reads no list later than that of the first message.
    pub(super) fn may_learn_servers(&self) -> bool {
        !self.requires_tls() || self.tls.first
    }

    /// Returns whether generators and members may do so: not where their links go through proxies, since the way to a server
    /// that was learned would go round them.
    pub(super) fn may_learn_ways(&self) -> bool {
        self.entrances.is_empty() && self.may_learn_servers()
    }

    /// Returns `host` and port of each URL.
    ///
    /// # Errors
    /// When one is not a NATS URL.
    pub fn servers(&self) -> Result<Vec<(String, u16)>, BusError> {
        let of = |url: &String| {
            let address: ServerAddr =
                url.parse().map_err(|_| environment(&format!("`{url}` is not a NATS URL"), "check it"))?;
            Ok((address.host().to_owned(), address.port()))
        };
        self.urls.iter().map(of).collect()
    }

    /// Returns the secret that is sent to the server, if there is one.
    #[must_use]
    pub fn secret(&self) -> Option<&Secret> {
        match &self.auth {
            Auth::User { password, .. } => Some(password),
            Auth::Token(token) => Some(token),
            Auth::Jwt { jwt, seed: None } => Some(jwt),
            Auth::None | Auth::Nkey(_) | Auth::Seed(_) | Auth::Creds(_) | Auth::Jwt { .. } => None,
        }
    }

    /// Returns all secrets in this target.
    pub fn secrets(&self) -> impl Iterator<Item = &Secret> {
        let (one, other) = match &self.auth {
            Auth::User { password: secret, .. } | Auth::Token(secret) | Auth::Seed(secret) => {
                (Some(secret), None)
            }
            Auth::Jwt { jwt, seed } => (Some(jwt), seed.as_ref()),
            Auth::None | Auth::Nkey(_) | Auth::Creds(_) => (None, None),
        };
        one.into_iter().chain(other)
    }

    /// Replaces every secret in a text.
    pub(super) fn scrub(&self, text: &str) -> String {
        let secrets = self.secrets().map(Secret::expose).filter(|secret| !secret.is_empty());
        secrets.fold(text.to_owned(), |text, secret| text.replace(secret, "***"))
    }
}

/// Splits a URL into the URL without user information, and the credentials in it.
fn take_userinfo(url: &str, secret: bool) -> Result<(String, Auth), BusError> {
    let (scheme, rest) = url.split_once("://").unwrap_or(("nats", url));
    let (user, host) = split(rest);
    let bare = format!("{scheme}://{host}");
    // Shown as given, except for possible secrets.
    let shown = if secret { "***".to_owned() } else { redact(url) };
    let bad = |what: &str, hint: &str| environment(&format!("`{shown}` {what}"), hint);
    let address: ServerAddr = bare.parse().map_err(|_| {
        bad(
            "is not a NATS URL",
            "write it as nats://host:4222 or tls://host:4222; percent-encode `@` and `,` in a password (%40, %2C)",
        )
    })?;
    if address.is_websocket() {
        return Err(bad(
            "is a WebSocket URL, which tickgate does not speak",
            "use the server's nats:// or tls:// port",
        ));
    }
    if address.host().is_empty() {
        return Err(bad("names no host", "write it as nats://host:4222"));
    }
    let auth = match user.map(|user| user.split_once(':').ok_or(user)) {
        Some(Ok((user, password))) => {
            Auth::User { user: decode(user), password: Secret::new(decode(password)) }
        }
        Some(Err(token)) if !token.is_empty() => Auth::Token(Secret::new(decode(token))),
        _ => Auth::None,
    };
    let host = if address.host().contains(':') {
        format!("[{}]", address.host())
    } else {
        address.host().to_owned()
    };
    Ok((format!("{}://{host}:{}", address.scheme(), address.port()), auth))
}

/// Splits a list of URLs. A comma in a password would split a URL: a piece then has an `@` and no scheme.
fn pieces(urls: &str) -> Result<Vec<&str>, BusError> {
    let all: Vec<&str> = urls.split(',').map(str::trim).filter(|url| !url.is_empty()).collect();
    let torn = |url: &&str| url.contains('@') && !url.contains("://");
    if all.iter().skip(1).any(torn) {
        return Err(environment(
            &format!("`{}` has a comma within its user information", redact(urls)),
            "percent-encode it (%2C), and give each of several URLs its scheme",
        ));
    }
    Ok(all)
}

#[cfg(test)]
mod tests;
