//! Contexts of the `nats` command line: what each field means. No field is ignored silently.
//!
//! A field is used, has no effect on a connection, or is refused by name. Values may be references, as on the command
//! line: `env://NAME`, `file://PATH` and `data:;base64,…`.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::dial;
use super::target::{Access, Api, Auth, Secret, Target, TlsFiles, environment};
use crate::bus::BusError;

/// URL of a context that names none.
const DEFAULT_URL: &str = "nats://127.0.0.1:4222";
/// Fields that do not affect a run: names, colours, and the prefix of advisories, which tickgate does not read.
const WITHOUT_EFFECT: [&str; 4] = ["name", "description", "color_scheme", "jetstream_event_prefix"];
/// Fields that change the connection in an unsupported way, each with what to use instead.
const UNSUPPORTED: [(&str, &str); 6] = [
    ("nsc", "write the credentials to a file (`nsc generate creds`) and name it as `creds`"),
    ("socks_proxy", "connect without a proxy, or through a forwarded port (`ssh -L`)"),
    ("windows_cert_store", "give the certificates as PEM files in `cert`, `key` and `ca`"),
    ("windows_cert_match_by", "give the certificates as PEM files in `cert`, `key` and `ca`"),
    ("windows_cert_match", "give the certificates as PEM files in `cert`, `key` and `ca`"),
    ("windows_ca_certs_match", "give the authorities as a PEM file in `ca`"),
];

/// A context that was found but not yet read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Name of the context, for messages.
    pub name: String,
    file: PathBuf,
}

/// A context that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Context {
    /// The server, and how to authenticate.
    pub target: Target,
    /// Warnings about the file, for the user.
    pub warnings: Vec<String>,
}

/// Looks up an environment variable.
type Variables<'a> = &'a dyn Fn(&str) -> Option<String>;

fn set(variable: Variables<'_>, name: &str) -> Option<String> {
    variable(name).filter(|value| !value.is_empty())
}

/// Returns the configuration folder: `$XDG_CONFIG_HOME/nats`, or `$HOME/.config/nats`.
fn folder(variable: Variables<'_>) -> Result<PathBuf, BusError> {
    let home = || set(variable, "HOME").map(|home| Path::new(&home).join(".config"));
    let config = set(variable, "XDG_CONFIG_HOME").map(PathBuf::from).or_else(home);
    let config = config.map(|config| config.join("nats"));
    config.ok_or_else(|| environment("neither $XDG_CONFIG_HOME nor $HOME is set", "set one, or give a URL"))
}

impl Found {
    /// Finds the context with this name, or the file at this path if it ends in `.json`.
    ///
    /// # Errors
    /// When there is neither.
    pub fn named(name: &str, variable: Variables<'_>) -> Result<Self, BusError> {
        let path = Path::new(name);
        if path.extension().is_some_and(|extension| extension == "json") && path.is_file() {
            return Ok(Self { name: name.to_owned(), file: PathBuf::from(name) });
        }
        if name.is_empty() || name.contains(['/', '\\']) || name.starts_with('.') {
            return Err(environment(
                &format!("`{name}` is not the name of a context"),
                "see `nats context ls`",
            ));
        }
        let file = folder(variable)?.join("context").join(format!("{name}.json"));
        Ok(Self { name: name.to_owned(), file })
    }

    /// Finds the context that `nats context select` has selected.
    ///
    /// # Errors
    /// When none is selected.
    pub fn selected(variable: Variables<'_>) -> Result<Self, BusError> {
        let file = folder(variable)?.join("context.txt");
        let name = std::fs::read_to_string(&file).unwrap_or_default();
        if name.trim().is_empty() {
            return Err(refused(
                &format!("no context of the nats command line is selected ({})", file.display()),
                "select one with `nats context select NAME`, or name it with --context NAME",
            ));
        }
        Self::named(name.trim(), variable)
    }

    /// Reads the context.
    ///
    /// # Errors
    /// When it cannot be read, or one of its fields cannot be used.
    pub fn read(&self, variable: Variables<'_>) -> Result<Context, BusError> {
        let Self { name, file } = self;
        let text = std::fs::read_to_string(file).map_err(|error| {
            environment(
                &format!("cannot read the context `{name}` ({}): {error}", file.display()),
                "see `nats context ls` for the names there are",
            )
        })?;
        let fields: Map<String, Value> = serde_json::from_str(&text).map_err(|error| {
            // Only the position: the parser's message may quote a value.
            self.invalid(&format!("is not valid at line {}, column {}", error.line(), error.column()))
        })?;
        Reader { found: self, fields, variable }.context()
    }

    fn invalid(&self, what: &str) -> BusError {
        environment(
            &format!("the context file {} {what}", self.file.display()),
            &format!("write it again with `nats context edit {}`", self.name),
        )
    }
}

/// Creates the error for something that was named but cannot be used.
fn refused(problem: &str, hint: &str) -> BusError {
    BusError::Plan { problem: problem.to_owned(), hint: hint.to_owned() }
}

/// Takes the fields out of a context, one after the other.
struct Reader<'a> {
    found: &'a Found,
    fields: Map<String, Value>,
    variable: Variables<'a>,
}

impl Reader<'_> {
    fn context(mut self) -> Result<Context, BusError> {
        for (field, hint) in UNSUPPORTED {
            if self.take(field).is_some_and(|value| !is_empty(&value)) {
                return Err(self.refuses(&format!("uses `{field}`, which tickgate does not support"), hint));
            }
        }
        let url = self.text("url")?;
        let auth = self.auth()?;
        let tls = TlsFiles {
            ca: self.file("ca")?,
            cert: self.file("cert")?,
            key: self.file("key")?,
            first: self.flag("tls_first")?,
        };
        let api = self.api()?;
        let inbox_prefix = self.text("inbox_prefix")?;
        let target = Target::parse(url.as_deref().unwrap_or(DEFAULT_URL))?;
        let target = target.with(Access { tls, ..Access::default() });
        let label = format!("{} (context {})", target.label, self.found.name);
        if auth != Auth::None && target.auth != Auth::None {
            return Err(
                self.refuses("names a way in, and its `url` has user information", "leave one of them")
            );
        }
        let auth = if auth == Auth::None { target.auth } else { auth };
        let target = Target { auth, inbox_prefix, api, label, ..target };
        Ok(Context { target, warnings: self.rest() })
    }

    /// Takes a field; `null` counts as absent.
    fn take(&mut self, field: &str) -> Option<Value> {
        self.fields.remove(field).filter(|value| !value.is_null())
    }

    /// Takes a string field; an empty string counts as absent.
    fn text(&mut self, field: &str) -> Result<Option<String>, BusError> {
        match self.take(field) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text).filter(|text| !text.is_empty())),
            Some(_) => Err(self.found.invalid(&format!("is not valid: `{field}` is not a text"))),
        }
    }

    fn flag(&mut self, field: &str) -> Result<bool, BusError> {
        match self.take(field) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(flag),
            Some(_) => Err(self.found.invalid(&format!("is not valid: `{field}` is neither true nor false"))),
        }
    }

    /// Takes a path, and expands `~` and variables as the command line does.
    fn file(&mut self, field: &str) -> Result<Option<PathBuf>, BusError> {
        let Some(text) = self.text(field)? else { return Ok(None) };
        match Reference::of(&text) {
            Reference::Literal(path) | Reference::File(path) => Ok(Some(self.path(path))),
            Reference::Variable(_) | Reference::Data(_) | Reference::Tool(_) => Err(self.refuses(
                &format!("names `{field}` by a reference that is not a file"),
                "give the path of a PEM file",
            )),
        }
    }

    /// Takes the credentials; more than one kind is an error, as in a context that `nats` saves.
    fn auth(&mut self) -> Result<Auth, BusError> {
        let user = self.text("user")?;
        let password = self.secret("password")?;
        let token = self.secret("token")?;
        let (creds, nkey) = (self.text("creds")?, self.text("nkey")?);
        let (jwt, seed) = (self.secret("user_jwt")?, self.secret("user_seed")?);
        let given = [
            ("user", user.is_some()),
            ("token", token.is_some()),
            ("creds", creds.is_some()),
            ("nkey", nkey.is_some()),
            ("user_jwt", jwt.is_some()),
        ];
        let given: Vec<&str> = given.iter().filter(|(_, given)| *given).map(|(name, _)| *name).collect();
        if let [first, second, ..] = given[..] {
            return Err(self.refuses(
                &format!("names more than one way in: `{first}` and `{second}`"),
                "leave one of them, as `nats context validate` asks for",
            ));
        }
        for (part, is_there, whole) in
            [("password", password.is_some(), "user"), ("user_seed", seed.is_some(), "user_jwt")]
        {
            if is_there && !given.contains(&whole) {
                return Err(self.refuses(&format!("has `{part}` without `{whole}`"), "give both"));
            }
        }
        let named = |user| Auth::User { user, password: password.unwrap_or_else(|| Secret::new("")) };
        Ok(match (user, token, jwt, creds, nkey) {
            (Some(user), ..) => named(user),
            (_, Some(token), ..) => Auth::Token(token),
            (_, _, Some(jwt), ..) => Auth::Jwt { jwt, seed },
            (.., Some(creds), _) => self.creds(&creds)?,
            (.., Some(nkey)) => self.nkey(&nkey)?,
            _ => Auth::None,
        })
    }

    fn creds(&self, text: &str) -> Result<Auth, BusError> {
        match Reference::of(text) {
            Reference::Literal(path) | Reference::File(path) => Ok(Auth::Creds(self.path(path))),
            other => {
                let text = self.resolved("creds", &other)?;
                let (jwt, seed) = dial::credentials(&text).ok_or_else(|| {
                    self.refuses("has no user JWT with its seed behind `creds`", "see `nsc generate creds`")
                })?;
                Ok(Auth::Jwt { jwt: Secret::new(jwt), seed: Some(Secret::new(seed)) })
            }
        }
    }

    fn nkey(&self, text: &str) -> Result<Auth, BusError> {
        match Reference::of(text) {
            Reference::Literal(path) | Reference::File(path) => Ok(Auth::Nkey(self.path(path))),
            other => {
                let text = self.resolved("nkey", &other)?;
                let seed = dial::seed_in(&text);
                let seed = seed
                    .ok_or_else(|| self.refuses("has no user seed behind `nkey`", "it starts with `SU`"))?;
                Ok(Auth::Seed(Secret::new(seed)))
            }
        }
    }

    /// Takes a secret, given directly or as a reference.
    fn secret(&mut self, field: &str) -> Result<Option<Secret>, BusError> {
        let Some(text) = self.text(field)? else { return Ok(None) };
        let resolved = self.resolved(field, &Reference::of(&text))?;
        Ok(Some(Secret::new(resolved.trim_end_matches(['\r', '\n']))))
    }

    /// Resolves a reference. No error quotes the value.
    fn resolved(&self, field: &str, reference: &Reference<'_>) -> Result<String, BusError> {
        match reference {
            Reference::Literal(text) => Ok((*text).to_owned()),
            Reference::Variable(name) => set(self.variable, name).ok_or_else(|| {
                let problem = format!("takes `{field}` from ${name}, which is not set");
                self.refuses(&problem, "set it")
            }),
            Reference::File(path) => {
                let path = self.path(path);
                std::fs::read_to_string(&path).map_err(|error| {
                    environment(
                        &format!(
                            "cannot read {} (`{field}` of the context `{}`): {error}",
                            path.display(),
                            self.found.name
                        ),
                        "check the path and its rights",
                    )
                })
            }
            Reference::Data(text) => {
                let body = text.split_once(',').filter(|(head, _)| head.contains(";base64"));
                let bytes = body.and_then(|(_, body)| STANDARD.decode(body).ok());
                let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
                text.ok_or_else(|| {
                    let problem = format!("has `{field}` as data that are not base64 of a text");
                    self.refuses(&problem, "write it as data:;base64,…")
                })
            }
            Reference::Tool(scheme) => Err(self.refuses(
                &format!("takes `{field}` from `{scheme}`, a program that tickgate does not start"),
                "take it from a file or a variable (file://PATH, env://NAME)",
            )),
        }
    }

    fn api(&mut self) -> Result<Api, BusError> {
        match (self.text("jetstream_domain")?, self.text("jetstream_api_prefix")?) {
            (Some(_), Some(_)) => Err(self.refuses(
                "has both `jetstream_domain` and `jetstream_api_prefix`",
                "leave the one that leads to the account's JetStream",
            )),
            (Some(domain), None) => Ok(Api::Domain(domain)),
            (None, Some(prefix)) => Ok(Api::Prefix(prefix)),
            (None, None) => Ok(Api::Default),
        }
    }

    /// Returns a warning that lists the fields left after all known ones were taken.
    fn rest(mut self) -> Vec<String> {
        for field in WITHOUT_EFFECT {
            self.fields.remove(field);
        }
        let unknown = self.fields.iter().filter(|(_, value)| !is_empty(value));
        let unknown: Vec<String> = unknown.map(|(field, _)| format!("`{field}`")).collect();
        if unknown.is_empty() {
            return Vec::new();
        }
        vec![format!(
            "the context `{}` has fields that tickgate does not know and does not use: {}",
            self.found.name,
            unknown.join(", ")
        )]
    }

    fn path(&self, text: &str) -> PathBuf {
        let text = expanded(text, self.variable);
        match (text.strip_prefix('~'), set(self.variable, "HOME")) {
            (Some(rest), Some(home)) => PathBuf::from(format!("{home}{rest}")),
            _ => PathBuf::from(text),
        }
    }

    fn refuses(&self, what: &str, hint: &str) -> BusError {
        refused(&format!("the context `{}` {what}", self.found.name), hint)
    }
}

/// Returns whether a value counts as unset.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Array(all) => all.is_empty(),
        Value::Object(all) => all.is_empty(),
        Value::Bool(true) | Value::Number(_) => false,
    }
}

/// How a value is given.
enum Reference<'a> {
    Literal(&'a str),
    /// `file://PATH`.
    File(&'a str),
    /// `env://NAME`.
    Variable(&'a str),
    /// The part after `data:`.
    Data(&'a str),
    /// `op://…` and `nsc://…`.
    Tool(&'static str),
}

impl<'a> Reference<'a> {
    fn of(text: &'a str) -> Self {
        let after = |scheme: &str| {
            let head = text.get(..scheme.len())?;
            head.eq_ignore_ascii_case(scheme).then(|| text.get(scheme.len()..).unwrap_or_default())
        };
        let tool = ["op://", "nsc://"].into_iter().find(|scheme| after(scheme).is_some());
        after("file://")
            .map(Self::File)
            .or_else(|| after("env://").map(Self::Variable))
            .or_else(|| after("data:").map(Self::Data))
            .or_else(|| tool.map(Self::Tool))
            .unwrap_or(Self::Literal(text))
    }
}

/// Expands `$NAME` and `${NAME}` in a path; unset variables become empty.
fn expanded(text: &str, variable: Variables<'_>) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        let braced = after.strip_prefix('{').and_then(|inner| inner.split_once('}'));
        let end = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(after.len());
        let (name, left) = braced.unwrap_or_else(|| after.split_at(end));
        if name.is_empty() {
            out.push('$');
        }
        out.push_str(&variable(name).unwrap_or_default());
        rest = left;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests;
