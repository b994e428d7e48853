//! Where a NATS server is and how to get in: URLs, credentials and TLS files.
//!
//! Secrets come from a URL, the environment, files or a context of the `nats` command line. They appear in
//! nothing that is shown: not in labels, not in `Debug`, not in errors.

use std::path::{Path, PathBuf};

use async_nats::ServerAddr;
use serde::Deserialize;

use crate::bus::BusError;
pub(super) use crate::bus::environment;
pub use crate::bus::secret::Secret;
use crate::bus::secret::{decode, redact, split};

/// How to prove who we are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Auth {
    /// Not at all.
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
    /// By an nkey, whose seed is in this file.
    Nkey(PathBuf),
    /// By a JWT and its nkey, both in this `.creds` file.
    Creds(PathBuf),
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
    /// Start with TLS, before the server says a word (`handshake_first`).
    pub first: bool,
}

impl TlsFiles {
    /// Something here asks for TLS.
    pub(super) const fn wanted(&self) -> bool {
        self.ca.is_some() || self.cert.is_some() || self.first
    }
}

/// A server, or the seed servers of a cluster, and how to get in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// URLs without user information.
    pub urls: Vec<String>,
    /// How to prove who we are.
    pub auth: Auth,
    /// How the connection is encrypted.
    pub tls: TlsFiles,
    /// First tokens of reply subjects, where an account allows only its own.
    pub inbox_prefix: Option<String>,
    /// The `JetStream` domain, behind a leaf node.
    pub domain: Option<String>,
    /// What to call it in reports; holds no secret.
    pub label: String,
}

/// What a user or the environment adds to a URL or a context; what is given here wins.
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
    /// TLS files.
    pub tls: TlsFiles,
}

impl Access {
    /// Reads the variables of the `nats` command line: `NATS_USER`, `NATS_PASSWORD`, `NATS_TOKEN`, `NATS_NKEY`,
    /// `NATS_CREDS`, `NATS_CA`, `NATS_CERT` and `NATS_KEY`.
    pub fn from_env(variable: impl Fn(&str) -> Option<String>) -> Self {
        let text = |name| variable(name).filter(|value| !value.is_empty());
        let secret = |name| text(name).map(Secret::new);
        let file = |name| text(name).map(PathBuf::from);
        Self {
            user: text("NATS_USER"),
            password: secret("NATS_PASSWORD"),
            token: secret("NATS_TOKEN"),
            nkey: file("NATS_NKEY"),
            creds: file("NATS_CREDS"),
            tls: TlsFiles {
                ca: file("NATS_CA"),
                cert: file("NATS_CERT"),
                key: file("NATS_KEY"),
                first: false,
            },
        }
    }

    /// These, and from `other` what is missing here.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        // Credentials are taken from one side as a whole: a user of one and a token of the other is neither.
        let own = self.user.is_some() || self.token.is_some() || self.nkey.is_some() || self.creds.is_some();
        let tls = merge(self.tls.clone(), other.tls.clone());
        if own {
            Self { password: self.password.or(other.password), tls, ..self }
        } else {
            Self { tls, ..other }
        }
    }

    fn auth(self) -> Option<Auth> {
        let Self { user, password, token, nkey, creds, tls: _ } = self;
        let named = |user| Auth::User { user, password: password.unwrap_or_else(|| Secret::new("")) };
        creds
            .map(Auth::Creds)
            .or_else(|| nkey.map(Auth::Nkey))
            .or_else(|| token.map(Auth::Token))
            .or_else(|| user.map(named))
    }
}

fn merge(first: TlsFiles, second: TlsFiles) -> TlsFiles {
    let (cert, key) =
        if first.cert.is_some() { (first.cert, first.key) } else { (second.cert, first.key.or(second.key)) };
    TlsFiles { ca: first.ca.or(second.ca), cert, key, first: first.first || second.first }
}

impl Target {
    /// One URL, or several with commas between: `nats://host:4222`, `tls://host`, `nats://user:password@host`,
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
            domain: None,
            label: String::new(),
        };
        let pieces = pieces(urls)?;
        // A comma in a password parts it: a piece of a list with credentials may be the middle of one.
        let credentials = pieces.len() > 1 && urls.contains('@');
        for url in pieces {
            let (clean, auth) = take_userinfo(url, credentials && !url.contains('@'))?;
            target.urls.push(clean);
            if target.auth == Auth::None {
                target.auth = auth;
            }
        }
        if target.urls.is_empty() {
            return Err(environment("no NATS URL is given", "give one, such as nats://127.0.0.1:4222"));
        }
        target.label = target.urls.join(",");
        Ok(target)
    }

    /// A context of the `nats` command line: `<config>/nats/context/<name>.json`, where `config` is
    /// `$XDG_CONFIG_HOME` or `$HOME/.config`.
    ///
    /// # Errors
    /// When there is no such context, or it cannot be used.
    pub fn context(name: &str, variable: impl Fn(&str) -> Option<String>) -> Result<Self, BusError> {
        let set = |name| variable(name).filter(|value| !value.is_empty());
        let home = set("HOME").map(PathBuf::from);
        let config =
            set("XDG_CONFIG_HOME").map(PathBuf::from).or_else(|| home.as_ref().map(|h| h.join(".config")));
        let Some(config) = config else {
            return Err(environment("neither $XDG_CONFIG_HOME nor $HOME is set", "set one, or give a URL"));
        };
        if name.is_empty() || name.contains(['/', '\\']) || name.starts_with('.') {
            return Err(environment(
                &format!("`{name}` is not the name of a context"),
                "see `nats context ls`",
            ));
        }
        let path = config.join("nats/context").join(format!("{name}.json"));
        let text = std::fs::read_to_string(&path).map_err(|error| {
            environment(
                &format!("cannot read the context `{name}` ({}): {error}", path.display()),
                "see `nats context ls` for the names there are",
            )
        })?;
        let context: Context = serde_json::from_str(&text).map_err(|error| {
            // Only the place: the reason may quote a value.
            let place = format!("line {}, column {}", error.line(), error.column());
            environment(
                &format!("the context file {} is not valid at {place}", path.display()),
                &format!("write it again with `nats context edit {name}`"),
            )
        })?;
        context.target(name, home.as_deref())
    }

    /// The target with what a user or the environment adds.
    #[must_use]
    pub fn with(self, access: Access) -> Self {
        let tls = merge(access.tls.clone(), self.tls);
        let auth = access.auth().unwrap_or(self.auth);
        Self { auth, tls, ..self }
    }

    /// Is every connection encrypted? One address that asks for TLS, or a file for it, asks for all of them: else the
    /// credentials of an encrypted connection would go to a plain one after a reconnect.
    #[must_use]
    pub fn requires_tls(&self) -> bool {
        self.tls.wanted() || self.urls.iter().any(|url| url.starts_with("tls://"))
    }

    /// May other servers of the cluster be learned from a server's first words? Without TLS nothing is verified, and
    /// nothing is promised; with TLS they must come from a server that has proved who it is, which with
    /// [`TlsFiles::first`] it has before it says a word. The client reads no later list than that of the first words.
    pub(super) fn may_learn_servers(&self) -> bool {
        !self.requires_tls() || self.tls.first
    }

    /// The secret that it proves itself by, where it holds one.
    #[must_use]
    pub fn secret(&self) -> Option<&Secret> {
        match &self.auth {
            Auth::User { password, .. } => Some(password),
            Auth::Token(token) => Some(token),
            Auth::None | Auth::Nkey(_) | Auth::Creds(_) => None,
        }
    }

    /// Takes out of a text every secret that it might quote.
    pub(super) fn scrub(&self, text: &str) -> String {
        let secret = self.secret().map_or("", Secret::expose);
        if secret.is_empty() { text.to_owned() } else { text.replace(secret, "***") }
    }
}

/// The context file of the `nats` command line; keys that do not matter here are ignored.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Context {
    url: String,
    token: String,
    user: String,
    password: String,
    creds: String,
    nkey: String,
    cert: String,
    key: String,
    ca: String,
    nsc: String,
    user_jwt: String,
    socks_proxy: String,
    jetstream_domain: String,
    inbox_prefix: String,
    tls_first: bool,
}

impl Context {
    fn target(self, name: &str, home: Option<&Path>) -> Result<Target, BusError> {
        for (key, value) in
            [("nsc", &self.nsc), ("user_jwt", &self.user_jwt), ("socks_proxy", &self.socks_proxy)]
        {
            if !value.is_empty() {
                return Err(environment(
                    &format!("the context `{name}` uses `{key}`, which tickgate does not support"),
                    "give a URL and a `.creds` or nkey file instead",
                ));
            }
        }
        let url = if self.url.is_empty() { "nats://127.0.0.1:4222" } else { &self.url };
        let text = |value: String| (!value.is_empty()).then_some(value);
        let file = |value: String| text(value).map(|value| expand(&value, home));
        let access = Access {
            user: text(self.user),
            password: text(self.password).map(Secret::new),
            token: text(self.token).map(Secret::new),
            nkey: file(self.nkey),
            creds: file(self.creds),
            tls: TlsFiles {
                ca: file(self.ca),
                cert: file(self.cert),
                key: file(self.key),
                first: self.tls_first,
            },
        };
        let target = Target::parse(url)?.with(access);
        let label = format!("{} (context {name})", target.label);
        Ok(Target {
            label,
            inbox_prefix: text(self.inbox_prefix),
            domain: text(self.jetstream_domain),
            ..target
        })
    }
}

/// `~/…` as the shell would read it.
fn expand(path: &str, home: Option<&Path>) -> PathBuf {
    match (path.strip_prefix("~/"), home) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => PathBuf::from(path),
    }
}

/// Splits a URL into itself without user information, and what that said.
fn take_userinfo(url: &str, secret: bool) -> Result<(String, Auth), BusError> {
    let (scheme, rest) = url.split_once("://").unwrap_or(("nats", url));
    let (user, host) = split(rest);
    let bare = format!("{scheme}://{host}");
    // Shown as it was given, but for what may be a secret.
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

/// The URLs of a list. A comma in a password would part it: then a piece has an `@` and no scheme.
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
