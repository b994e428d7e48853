//! The configuration of a nats-server of our own, be it a process or in a container.

use std::path::Path;

use super::BrokerError;
use crate::plan::Sync;

/// What a server of ours is told.
#[derive(Debug, Clone, Copy)]
pub(super) struct Settings<'a> {
    /// Its name.
    pub(super) name: &'a str,
    /// Address for clients.
    pub(super) listen: &'a str,
    /// Address of its monitoring endpoint.
    pub(super) http: &'a str,
    /// Where it keeps its streams.
    pub(super) store: &'a Path,
    /// Bytes that file streams may take.
    pub(super) max_file_store: u64,
    /// When the store is forced to the disk.
    pub(super) sync: Sync,
    /// More lines, in the server's own language.
    pub(super) extra: &'a str,
}

impl Settings<'_> {
    /// The text of the file.
    ///
    /// # Errors
    /// When the server cannot read a path like that of the store.
    pub(super) fn text(&self) -> Result<String, BrokerError> {
        let sync = match self.sync {
            Sync::Default => "",
            Sync::Always => "  sync_interval: always\n",
        };
        Ok(format!(
            "server_name: {name}\nlisten: \"{listen}\"\nhttp: \"{http}\"\n\
             jetstream {{\n  store_dir: {store}\n  max_file_store: {max}\n{sync}}}\n{extra}\n",
            name = self.name,
            listen = self.listen,
            http = self.http,
            store = quoted(self.store)?,
            max = self.max_file_store,
            extra = self.extra,
        ))
    }
}

/// A path as a string of the server's configuration language.
pub(super) fn quoted(path: &Path) -> Result<String, BrokerError> {
    let text =
        path.to_str().filter(|text| !text.contains(char::is_control)).ok_or_else(|| BrokerError::Store {
            path: path.to_owned(),
            problem: "the server cannot read a path like that".into(),
        })?;
    Ok(format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_quoted_for_the_server() {
        assert_eq!(quoted(Path::new("/a b/$c")).unwrap(), "\"/a b/$c\"");
        assert_eq!(quoted(Path::new("/a\"\\b")).unwrap(), r#""/a\"\\b""#);
        assert!(quoted(Path::new("/a\nb")).is_err());
    }
}
