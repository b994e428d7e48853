//! Adapts a user's nats-server.conf to a server that tickgate starts: without addresses, stores, other servers, logs
//! and users.
//!
//! The file and its included files are split into entries; the entries that are kept are passed on unchanged.

use std::fs;
use std::path::{Path, PathBuf};

use super::super::BrokerError;

/// Maximum depth of nested includes.
const DEPTH: usize = 8;
/// Maximum size of a file, bytes.
const LARGEST: u64 = 1 << 20;

/// Entries that tickgate sets itself or leaves out.
const OVERRIDDEN: [&str; 58] = [
    "listen",
    "host",
    "net",
    "port",
    "client_advertise",
    "http",
    "http_port",
    "monitor_port",
    "http_base_path",
    "https",
    "https_port",
    "server_name",
    "cluster",
    "gateway",
    "leaf",
    "leafnodes",
    "websocket",
    "ws",
    "mqtt",
    "store_dir",
    "storedir",
    "logfile",
    "log_file",
    "logfile_size_limit",
    "log_size_limit",
    "logfile_max_num",
    "log_max_num",
    "syslog",
    "remote_syslog",
    "pidfile",
    "pid_file",
    "ports_file_dir",
    "prof_port",
    "authorization",
    "accounts",
    "default_sentinel",
    "no_auth_user",
    "system_account",
    "system",
    "no_system_account",
    "no_system",
    "no_sys_acc",
    "operator",
    "operators",
    "roots",
    "root",
    "root_operator",
    "root_operators",
    "resolver",
    "account_resolver",
    "resolver_tls",
    "resolver_preload",
    "resolver_pinned_accounts",
    "trusted",
    "trusted_keys",
    "tls",
    "allow_non_tls",
    "ocsp",
];
/// Such entries within `jetstream`.
const STORE: [&str; 4] = ["store", "store_dir", "storedir", "enabled"];
/// Keys within `jetstream` for the size of the store and for forced writes.
pub(super) const MAX_FILE: [&str; 4] = ["max_file", "max_file_store", "max_store", "max_storage"];
pub(super) const SYNC: [&str; 2] = ["sync", "sync_interval"];

/// An entry: key and value, both as written.
type Entry = (String, String);

/// A user's server configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::broker) struct Theirs {
    path: PathBuf,
    /// Entries that are passed on.
    pub(super) kept: Vec<Entry>,
    /// Entries of `jetstream` that are passed on.
    pub(super) jetstream: Vec<Entry>,
    /// Keys of the entries that are left out.
    overridden: Vec<String>,
}

impl Theirs {
    /// Reads a file and the files that it includes.
    ///
    /// # Errors
    /// When a file cannot be read, or is not valid for a server.
    pub(super) fn read(path: &Path) -> Result<Self, BrokerError> {
        let mut theirs = Self { path: path.to_owned(), ..Self::default() };
        for (key, value) in file(path, DEPTH)? {
            let name = key.to_ascii_lowercase();
            if name == "jetstream" {
                theirs.take_jetstream(path, &value)?;
            } else if OVERRIDDEN.contains(&name.as_str()) {
                theirs.overridden.push(key);
            } else {
                includes_nothing(path, &key, &value)?;
                theirs.kept.push((key, value));
            }
        }
        theirs.overridden.sort();
        theirs.overridden.dedup();
        Ok(theirs)
    }

    fn take_jetstream(&mut self, path: &Path, value: &str) -> Result<(), BrokerError> {
        let body = value.trim().strip_prefix('{').and_then(|body| body.strip_suffix('}'));
        let Some(body) = body else {
            self.overridden.push("jetstream".into());
            return Ok(());
        };
        for (key, value) in
            entries(body).ok_or_else(|| wrong(path, "its jetstream block cannot be read".into()))?
        {
            includes_nothing(path, &key, &value)?;
            if STORE.contains(&key.to_ascii_lowercase().as_str()) {
                self.overridden.push(format!("jetstream.{key}"));
            } else {
                self.jetstream.push((key, value));
            }
        }
        Ok(())
    }

    /// Returns the value of the first entry in `jetstream` with one of these keys.
    pub(super) fn stores(&self, keys: &[&str]) -> Option<&str> {
        let found = self.jetstream.iter().find(|(key, _)| keys.contains(&key.to_ascii_lowercase().as_str()));
        found.map(|(_, value)| value.trim().trim_matches(['"', '\'']))
    }

    /// Returns a warning for the user about the entries that are left out.
    pub(super) fn warning(&self) -> Option<String> {
        (!self.overridden.is_empty()).then(|| {
            format!(
                "{} is used without {}: a server that tickgate starts has addresses, store, log and users of its own, and no other \
                 servers",
                self.path.display(),
                self.overridden.join(", ")
            )
        })
    }

    /// Returns the facts for the record.
    pub(super) fn facts(&self) -> Vec<(String, String)> {
        let mut facts = vec![("server_config".to_owned(), self.path.display().to_string())];
        if !self.overridden.is_empty() {
            facts.push(("server_config_without".to_owned(), self.overridden.join(", ")));
        }
        facts
    }
}

fn wrong(path: &Path, problem: String) -> BrokerError {
    BrokerError::Configuration { path: path.to_owned(), problem }
}

/// Refuses an include within a value: its path would be resolved relative to another file.
fn includes_nothing(path: &Path, key: &str, value: &str) -> Result<(), BrokerError> {
    let includes =
        value.split(|c: char| c.is_whitespace() || "{[,;".contains(c)).any(|word| word == "include");
    if includes && value.trim_start().starts_with(['{', '[']) {
        return Err(wrong(path, format!("`{key}` includes a file; write it out")));
    }
    Ok(())
}

/// Returns the entries of a file, with each include replaced by the entries of the included file.
fn file(path: &Path, depth: usize) -> Result<Vec<Entry>, BrokerError> {
    let size = fs::metadata(path).map_err(|error| wrong(path, error.to_string()))?;
    if !size.is_file() || size.len() > LARGEST {
        return Err(wrong(path, "it is no regular file of at most 1 MiB".into()));
    }
    let text = fs::read_to_string(path).map_err(|error| wrong(path, error.to_string()))?;
    let found =
        entries(&text).ok_or_else(|| wrong(path, "it has a block or a text without an end".into()))?;
    let mut all = Vec::new();
    for (key, value) in found {
        if key != "include" {
            all.push((key, value));
            continue;
        }
        if depth == 0 {
            return Err(wrong(path, "files include each other too deeply".into()));
        }
        let folder = path.parent().unwrap_or(Path::new(""));
        // Same as in the server: relative to the file, even if the path begins with `/`.
        let included = value.trim().trim_matches(['"', '\'']).trim_start_matches('/').to_owned();
        all.extend(file(&folder.join(included), depth - 1)?);
    }
    Ok(all)
}

/// Splits a text into entries; `None` if a block or string has no end.
fn entries(text: &str) -> Option<Vec<Entry>> {
    let mut rest = Rest { text, at: 0 };
    let mut found = Vec::new();
    loop {
        rest.skip(|c| c.is_whitespace() || c == ',' || c == ';');
        if rest.comment() {
            continue;
        }
        let Some(first) = rest.peek() else { return Some(found) };
        let key = if first == '"' || first == '\'' {
            let quoted = rest.quoted()?;
            quoted.get(1..quoted.len() - 1)?.to_owned()
        } else {
            rest.take(|c| !c.is_whitespace() && !":={[".contains(c)).to_owned()
        };
        if key.is_empty() {
            return None;
        }
        rest.skip(|c| c == ' ' || c == '\t');
        if rest.peek().is_some_and(|c| c == ':' || c == '=') {
            rest.step();
        }
        rest.skip(char::is_whitespace);
        found.push((key, rest.value()?.to_owned()));
    }
}

/// The unread part of a text.
struct Rest<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Rest<'a> {
    fn peek(&self) -> Option<char> {
        self.text.get(self.at..)?.chars().next()
    }

    fn step(&mut self) {
        self.at += self.peek().map_or(0, char::len_utf8);
    }

    fn take(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        let from = self.at;
        while self.peek().is_some_and(&wanted) {
            self.step();
        }
        self.text.get(from..self.at).unwrap_or_default()
    }

    fn skip(&mut self, unwanted: impl Fn(char) -> bool) {
        let _ = self.take(unwanted);
    }

    /// Skips a comment if one begins here.
    fn comment(&mut self) -> bool {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let begins = rest.starts_with('#') || rest.starts_with("//");
        if begins {
            self.skip(|c| c != '\n');
        }
        begins
    }

    /// Reads a quoted string, quotes included.
    fn quoted(&mut self) -> Option<&'a str> {
        let (from, quote) = (self.at, self.peek()?);
        self.step();
        loop {
            match self.peek()? {
                '\\' if quote == '"' => {
                    self.step();
                    self.step();
                }
                c => {
                    self.step();
                    if c == quote {
                        return self.text.get(from..self.at);
                    }
                }
            }
        }
    }

    /// Reads a value: a whole block, a quoted string, or the rest of the line.
    fn value(&mut self) -> Option<&'a str> {
        let from = self.at;
        match self.peek() {
            Some('{' | '[' | '(') => {
                self.block()?;
                self.text.get(from..self.at)
            }
            Some('"' | '\'') => self.quoted(),
            _ => Some(self.take(|c| !c.is_whitespace() && !",;}".contains(c))),
        }
    }

    fn block(&mut self) -> Option<()> {
        let mut depth = 0_usize;
        let mut before = ' ';
        loop {
            let c = self.peek()?;
            // Within a word these characters do not start a comment: `nats://host`.
            if (before.is_whitespace() || "{[,;(".contains(before)) && self.comment() {
                before = ' ';
                continue;
            }
            if c == '"' || c == '\'' {
                self.quoted()?;
                before = c;
                continue;
            }
            self.step();
            before = c;
            match c {
                '{' | '[' | '(' => depth += 1,
                '}' | ']' | ')' => {
                    depth = depth.checked_sub(1)?;
                    if depth == 0 {
                        return Some(());
                    }
                }
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(texts: &[(&str, &str)]) -> Result<Theirs, String> {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in texts {
            fs::write(folder.path().join(name), text).unwrap();
        }
        Theirs::read(&folder.path().join(texts[0].0)).map_err(|error| error.to_string())
    }

    #[test]
    fn what_a_server_of_ours_cannot_have_is_left_out_and_named() {
        let theirs = read(&[
            (
                "nats.conf",
                "# a comment { with a brace\nport: 4222\nhttp=8222\nmax_payload 2MB // as large\n\
                 cluster { name: prod, routes: [nats-route://a:6222 # one }\n nats-route://b:6222] }\n\
                 jetstream { store_dir: \"/data/}\", max_mem: 1GB\n sync_interval: \"10s\" }\ninclude \"part.conf\"\n\
                 accounts: { APP { users: [{user: a, password: 'x}'}] } }\n\"ping_interval\": \"20s\"",
            ),
            ("part.conf", "max_connections = 77\ntls { cert_file: c.pem }\n"),
        ]);
        let theirs = theirs.unwrap();
        let entry = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert_eq!(
            theirs.kept,
            [entry("max_payload", "2MB"), entry("max_connections", "77"), entry("ping_interval", "\"20s\"")]
        );
        assert_eq!(theirs.jetstream, [entry("max_mem", "1GB"), entry("sync_interval", "\"10s\"")]);
        assert_eq!((theirs.stores(&SYNC), theirs.stores(&MAX_FILE)), (Some("10s"), None));
        let warning = theirs.warning().unwrap();
        assert!(
            warning.contains("without accounts, cluster, http, jetstream.store_dir, port, tls: a server"),
            "{warning}"
        );
    }

    #[test]
    fn what_cannot_be_read_is_refused_with_its_file() {
        for (text, said) in [
            ("cluster { name: x", "without an end"),
            ("a: \"b", "without an end"),
            ("include nats.conf", "too deeply"),
            ("include none.conf", "none.conf"),
            ("limits { include x.conf }", "`limits` includes a file"),
        ] {
            let error = read(&[("nats.conf", text)]).unwrap_err();
            assert!(error.contains(said), "{text}: {error}");
        }
        assert_eq!(read(&[("nats.conf", "")]).unwrap().warning(), None);
    }
}
