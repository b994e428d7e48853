//! Where a profile's text comes from: a file, a shipped profile, or a caller's text.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::{ProfileErrors, builtin};
use crate::num;
use crate::plan::grammar::{did_you_mean, nearest};

/// The largest profile that is read; the shipped ones have a few kilobytes.
const LONGEST: usize = 1 << 20;

/// A profile's text, and the name that people know it by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    name: String,
    bytes: Vec<u8>,
}

/// Why there is no text to read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// Neither a file nor a shipped profile.
    #[error("no profile `{argument}`; shipped are {}{}; a path holds a `/` or ends in `.toml`", builtin::names().join(", "), did_you_mean(nearest.as_deref()))]
    Unknown {
        /// As it was written.
        argument: String,
        /// The shipped profile that is most like it.
        nearest: Option<String>,
    },
    /// The file cannot be read.
    #[error("cannot read the profile `{path}`")]
    Unreadable {
        /// Where.
        path: String,
        /// Why.
        source: std::io::Error,
    },
}

impl Source {
    /// A text under a name, for example `profiles/quick.toml`.
    #[must_use]
    pub fn new(name: impl Into<String>, text: impl Into<Vec<u8>>) -> Self {
        Self { name: name.into(), bytes: text.into() }
    }

    /// The profile that a command line means: a shipped one by its name, or else a file by its path.
    ///
    /// # Errors
    /// When there is neither, or the file cannot be read.
    pub fn find(argument: &str) -> Result<Self, SourceError> {
        if let Some(text) = builtin::get(argument) {
            return Ok(Self::new(format!("{argument} (shipped)"), text));
        }
        let path = Path::new(argument);
        let is_path = argument.contains('/') || path.extension().is_some_and(|extension| extension == "toml");
        if !is_path && !path.exists() {
            let nearest = nearest(argument, builtin::names()).map(str::to_owned);
            return Err(SourceError::Unknown { argument: argument.to_owned(), nearest });
        }
        let unreadable = |source| SourceError::Unreadable { path: argument.to_owned(), source };
        let mut bytes = Vec::new();
        // One byte more than the limit, so that `text` can detect a file that is too long.
        let limit = num::count(LONGEST) + 1;
        File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes)).map_err(unreadable)?;
        Ok(Self::new(argument, bytes))
    }

    /// The name that stands in errors.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The file's name without folder and extension: the profile's name where it gives itself none.
    /// Made of the characters that a name may have.
    pub(super) fn stem(&self) -> String {
        let stem = Path::new(&self.name).file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let plain = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' };
        let stem: String = stem.chars().take(64).map(plain).collect();
        let stem = stem.trim_start_matches(['.', '-']);
        if stem.is_empty() { "profile".to_owned() } else { stem.to_owned() }
    }

    /// The folder that paths in the profile count from: the file's, or that where tickgate was called.
    pub(super) fn folder(&self) -> &Path {
        Path::new(&self.name).parent().unwrap_or_else(|| Path::new(""))
    }

    /// The text, without a byte order mark.
    pub(super) fn text(&self) -> Result<&str, ProfileErrors> {
        if self.bytes.len() > LONGEST {
            let message = "the file is larger than 1 MiB, too large for a profile; is it the right file?";
            return Err(ProfileErrors::one(&self.name, "", 0, message));
        }
        if self.bytes.starts_with(&[0xff, 0xfe]) || self.bytes.starts_with(&[0xfe, 0xff]) {
            let message = "the file is in UTF-16; expected UTF-8, so save it again as that";
            return Err(ProfileErrors::one(&self.name, "", 0, message));
        }
        let bytes = self.bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&self.bytes);
        std::str::from_utf8(bytes).map_err(|error| {
            let good = String::from_utf8_lossy(bytes.get(..error.valid_up_to()).unwrap_or_default());
            let byte = bytes.get(error.valid_up_to()).copied().unwrap_or_default();
            let message = format!("the byte 0x{byte:02x} is not UTF-8; expected a text in UTF-8");
            ProfileErrors::one(&self.name, &good, good.len(), &message)
        })
    }
}
