//! Configuration of a nats-server that tickgate starts, as a process or in a container.

use std::path::Path;

use super::super::BrokerError;
use super::super::entry::{Entry, Password};
use super::theirs::{MAX_FILE, SYNC, Theirs};
use crate::plan::Sync;

/// The place of a server in a cluster: routes between the servers on 127.0.0.1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::broker) struct Membership {
    /// Port for the routes of the other servers.
    pub(in crate::broker) port: u16,
    /// Ports of the routes of all servers; one of them may be its own. Those of proxies in front of the others where `proxied`.
    pub(in crate::broker) routes: Vec<u16>,
    /// Servers connect to each other by these ports only.
    pub(in crate::broker) proxied: bool,
    /// Password of the routes, so that no other server can join.
    pub(in crate::broker) password: Password,
}

impl Membership {
    /// Returns the block of the configuration file.
    fn text(&self) -> String {
        let (user, password) = (self.password.user(), self.password.text());
        let route = |port: &u16| format!("\"nats-route://{user}:{password}@127.0.0.1:{port}\"");
        let routes: Vec<String> = self.routes.iter().map(route).collect();
        // Servers tell each other where their peers are, and would connect directly. Nobody listens on this port.
        let advertised = if self.proxied { "  advertise: \"127.0.0.1:1\"\n" } else { "" };
        format!(
            "cluster {{\n  name: tickgate\n  listen: \"127.0.0.1:{port}\"\n  authorization {{\n    user: \"{user}\"\n    \
             password: \"{password}\"\n    timeout: 30\n  }}\n{advertised}  routes: [{routes}]\n}}\n",
            port = self.port,
            routes = routes.join(", ")
        )
    }
}

/// Settings of a server that tickgate starts.
#[derive(Debug, Clone, Copy)]
pub(in crate::broker) struct Settings<'a> {
    /// Name of the server.
    pub(in crate::broker) name: &'a str,
    /// Address for clients.
    pub(in crate::broker) listen: &'a str,
    /// Port of 127.0.0.1 that clients are told instead: a proxy's.
    pub(in crate::broker) advertised: Option<u16>,
    /// Address of the monitoring endpoint.
    pub(in crate::broker) http: &'a str,
    /// Directory of the streams.
    pub(in crate::broker) store: &'a Path,
    /// Maximum size of file streams, bytes.
    pub(in crate::broker) max_file_store: u64,
    /// When the store is forced to the disk.
    pub(in crate::broker) sync: Sync,
    /// Who may use the server.
    pub(in crate::broker) entry: &'a Entry,
    /// Whether the system account has a user, too ([`Password::SYSTEM_USER`]).
    pub(in crate::broker) system: bool,
    /// Place in a cluster; `None` for a single server.
    pub(in crate::broker) cluster: Option<&'a Membership>,
    /// User's server configuration, whose settings apply too.
    pub(in crate::broker) theirs: Option<&'a Theirs>,
    /// Additional lines in the server's syntax.
    pub(in crate::broker) extra: &'a str,
}

impl Settings<'_> {
    /// Returns the text of the configuration file.
    ///
    /// # Errors
    /// When the server cannot parse the store's path.
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
            // A server with a list of users in one place looks for all of them in lists.
            Entry::Password(password) if self.system => format!(
                "authorization {{\n  users: [ {{ user: \"{user}\", password: \"{text}\" }} ]\n  timeout: 30\n}}\n\
                 accounts {{ $SYS {{ users: [ {{ user: \"{system}\", password: \"{text}\" }} ] }} }}\n",
                user = password.user(),
                system = Password::SYSTEM_USER,
                text = password.text(),
            ),
            // By default a client has 2 s to authenticate after connecting: too little on a busy machine.
            Entry::Password(password) => format!(
                "authorization {{\n  user: \"{}\"\n  password: \"{}\"\n  timeout: 30\n}}\n",
                password.user(),
                password.text()
            ),
        };
        let advertised = self
            .advertised
            .map_or_else(String::new, |port| format!("client_advertise: \"127.0.0.1:{port}\"\n"));
        Ok(format!(
            "server_name: {name}\nlisten: \"{listen}\"\n{advertised}http: \"{http}\"\n\
             jetstream {{\n  store_dir: {store}\n{max}{jetstream}{sync}}}\n\
             {authorization}{cluster}{kept}{extra}\n",
            name = self.name,
            listen = self.listen,
            http = self.http,
            store = quoted(self.store)?,
            cluster = self.cluster.map(Membership::text).unwrap_or_default(),
            extra = self.extra,
        ))
    }

    /// Returns the lines that the user's configuration adds: those within `jetstream`, and the others.
    fn lines(&self, theirs: &Theirs) -> (String, String) {
        let lines = |entries: &[(String, String)], unless: &[&str]| {
            let kept = entries.iter().filter(|(key, _)| !unless.contains(&key.to_ascii_lowercase().as_str()));
            let kept: Vec<String> = kept.map(|(key, value)| format!("  \"{key}\": {value}\n")).collect();
            kept.concat()
        };
        // The profile asks for `always`, which overrides the user's setting.
        let unless: &[&str] = if self.sync == Sync::Always { &SYNC } else { &[] };
        (lines(&theirs.jetstream, unless), lines(&theirs.kept, &[]))
    }
}

/// Formats a path as a string of the server's configuration syntax.
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
        let text = |entry: &Entry, system: bool| {
            let settings = Settings {
                name: "n",
                listen: "127.0.0.1:1",
                advertised: None,
                http: "127.0.0.1:2",
                store: Path::new("/s"),
                max_file_store: 1,
                sync: Sync::Default,
                entry,
                system,
                cluster: None,
                theirs: None,
                extra: "",
            };
            settings.text().unwrap()
        };
        let closed = text(&Entry::Password(Password::of("c0ffee")), false);
        assert!(
            closed.contains("authorization {\n  user: \"tickgate\"\n  password: \"c0ffee\"\n"),
            "{closed}"
        );
        assert!(!closed.contains("$SYS"), "{closed}");
        let both = text(&Entry::Password(Password::of("c0ffee")), true);
        assert!(both.contains("users: [ { user: \"tickgate\", password: \"c0ffee\" } ]"), "{both}");
        assert!(
            both.contains("$SYS { users: [ { user: \"tickgate-system\", password: \"c0ffee\" } ] }"),
            "{both}"
        );
        assert!(!text(&Entry::Open, true).contains("authorization"));
    }

    #[test]
    fn the_servers_of_a_cluster_know_each_other_by_a_password() {
        let peer =
            Membership { port: 2, routes: vec![1, 2, 3], proxied: false, password: Password::of("c0ffee") };
        let text = peer.text();
        assert!(text.starts_with("cluster {\n  name: tickgate\n  listen: \"127.0.0.1:2\"\n"), "{text}");
        assert!(
            text.contains("authorization {\n    user: \"tickgate\"\n    password: \"c0ffee\"\n"),
            "{text}"
        );
        assert_eq!(text.matches("\"nats-route://tickgate:c0ffee@127.0.0.1:").count(), 3, "{text}");
        assert!(!text.contains("advertise"), "{text}");
        let proxied = Membership { proxied: true, ..peer }.text();
        assert!(proxied.contains("\n  advertise: \"127.0.0.1:1\"\n  routes: ["), "{proxied}");
    }

    #[test]
    fn paths_are_quoted_for_the_server() {
        assert_eq!(quoted(Path::new("/a b/$c")).unwrap(), "\"/a b/$c\"");
        assert_eq!(quoted(Path::new("/a\"\\b")).unwrap(), r#""/a\"\\b""#);
        assert!(quoted(Path::new("/a\nb")).is_err());
    }
}
