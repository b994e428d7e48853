//! The configuration of a nats-server of our own, be it a process or in a container.

use std::path::Path;

use super::super::BrokerError;
use super::super::entry::Entry;
use super::theirs::{MAX_FILE, SYNC, Theirs};
use crate::plan::Sync;

/// What a server of ours is told.
#[derive(Debug, Clone, Copy)]
pub(in crate::broker) struct Settings<'a> {
    /// Its name.
    pub(in crate::broker) name: &'a str,
    /// Address for clients.
    pub(in crate::broker) listen: &'a str,
    /// Address of its monitoring endpoint.
    pub(in crate::broker) http: &'a str,
    /// Where it keeps its streams.
    pub(in crate::broker) store: &'a Path,
    /// Bytes that file streams may take.
    pub(in crate::broker) max_file_store: u64,
    /// When the store is forced to the disk.
    pub(in crate::broker) sync: Sync,
    /// Who may use it.
    pub(in crate::broker) entry: &'a Entry,
    /// Somebody's configuration, whose settings it has.
    pub(in crate::broker) theirs: Option<&'a Theirs>,
    /// More lines, in the server's own language.
    pub(in crate::broker) extra: &'a str,
}

impl Settings<'_> {
    /// The text of the file.
    ///
    /// # Errors
    /// When the server cannot read a path like that of the store.
    pub(in crate::broker) fn text(&self) -> Result<String, BrokerError> {
        let sync = match self.sync {
            Sync::Default => "",
            Sync::Always => "  sync_interval: always\n",
        };
        let (jetstream, kept) = self.theirs.map_or_else(Default::default, |theirs| self.lines(theirs));
        let max = if self.theirs.is_some_and(|theirs| theirs.stores(&MAX_FILE).is_some()) {
            String::new()
        } else {
            format!("  max_file_store: {}\n", self.max_file_store)
        };
        let authorization = match self.entry {
            Entry::Open => String::new(),
            // Whoever has connected has 2 s to say who it is by default: too little for a client on a busy machine.
            Entry::Password(password) => format!(
                "authorization {{\n  user: \"{}\"\n  password: \"{}\"\n  timeout: 30\n}}\n",
                password.user(),
                password.text()
            ),
        };
        Ok(format!(
            "server_name: {name}\nlisten: \"{listen}\"\nhttp: \"{http}\"\n\
             jetstream {{\n  store_dir: {store}\n{max}{jetstream}{sync}}}\n\
             {authorization}{kept}{extra}\n",
            name = self.name,
            listen = self.listen,
            http = self.http,
            store = quoted(self.store)?,
            extra = self.extra,
        ))
    }

    /// What somebody's configuration adds: to `jetstream`, and beside it.
    fn lines(&self, theirs: &Theirs) -> (String, String) {
        let lines = |entries: &[(String, String)], unless: &[&str]| {
            let kept = entries.iter().filter(|(key, _)| !unless.contains(&key.to_ascii_lowercase().as_str()));
            let kept: Vec<String> = kept.map(|(key, value)| format!("  \"{key}\": {value}\n")).collect();
            kept.concat()
        };
        // Always is what the profile asks for.
        let unless: &[&str] = if self.sync == Sync::Always { &SYNC } else { &[] };
        (lines(&theirs.jetstream, unless), lines(&theirs.kept, &[]))
    }
}

/// A path as a string of the server's configuration language.
pub(in crate::broker) fn quoted(path: &Path) -> Result<String, BrokerError> {
    let text =
        path.to_str().filter(|text| !text.contains(char::is_control)).ok_or_else(|| BrokerError::Store {
            path: path.to_owned(),
            problem: "the server cannot read a path like that".into(),
        })?;
    Ok(format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")))
}

#[cfg(test)]
mod tests {
    use super::super::super::entry::Password;
    use super::*;

    #[test]
    fn a_password_is_asked_for_unless_the_server_is_open() {
        let text = |entry: &Entry| {
            let settings = Settings {
                name: "n",
                listen: "127.0.0.1:1",
                http: "127.0.0.1:2",
                store: Path::new("/s"),
                max_file_store: 1,
                sync: Sync::Default,
                entry,
                theirs: None,
                extra: "",
            };
            settings.text().unwrap()
        };
        let closed = text(&Entry::Password(Password::of("c0ffee")));
        assert!(
            closed.contains("authorization {\n  user: \"tickgate\"\n  password: \"c0ffee\"\n"),
            "{closed}"
        );
        assert!(!text(&Entry::Open).contains("authorization"));
    }

    #[test]
    fn paths_are_quoted_for_the_server() {
        assert_eq!(quoted(Path::new("/a b/$c")).unwrap(), "\"/a b/$c\"");
        assert_eq!(quoted(Path::new("/a\"\\b")).unwrap(), r#""/a\"\\b""#);
        assert!(quoted(Path::new("/a\nb")).is_err());
    }
}
