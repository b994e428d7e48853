//! Reads the configuration that a run's stream and consumers copy: from files, or from a stream on the bus.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::asked::Asked;
use super::driver::Flag;
use super::error::SessionError;
use super::product::PRODUCTS;
use crate::bus::{Applied, Model};
use crate::plan::{BusKind, Plan};

/// Maximum size of a configuration file, bytes.
const LARGEST: u64 = 4 << 20;

/// Reads the requested files.
///
/// # Errors
/// When a file cannot be read or holds no configuration.
pub(crate) fn of_files(asked: &Asked) -> Result<Option<Model>, SessionError> {
    if asked.stream_config.is_none() && asked.consumer_config.is_empty() {
        return Ok(None);
    }
    let named = |path: &Path| path.display().to_string();
    let read = |path: &Path| text(path).map(|text| (named(path), text));
    let (stream, only) = asked.stream_config.as_deref().map_or((None, None), chosen);
    let stream = stream.as_deref().map(read).transpose()?;
    let consumers = asked.consumer_config.iter().map(|path| read(path)).collect::<Result<Vec<_>, _>>()?;
    let consumers: Vec<(&str, &str)> = consumers.iter().map(pair).collect();
    Model::read(stream.as_ref().map(pair), only.as_deref(), &consumers).map(Some).map_err(SessionError::Asked)
}

/// Splits `FILE#NAME`, which names one of the streams in a file.
fn chosen(path: &Path) -> (Option<PathBuf>, Option<String>) {
    match path.to_str().and_then(|path| path.rsplit_once('#')) {
        Some((file, name)) if !path.exists() => (Some(PathBuf::from(file)), Some(name.to_owned())),
        _ => (Some(path.to_owned()), None),
    }
}

/// Returns whether a configuration for this kind of bus can be given in files.
pub(crate) fn takes_files(kind: BusKind) -> bool {
    PRODUCTS.iter().any(|product| product.kind == kind && product.flags.contains(&Flag::Model))
}

fn pair((name, text): &(String, String)) -> (&str, &str) {
    (name, text)
}

fn text(path: &Path) -> Result<String, SessionError> {
    let wrong = |why: String| SessionError::Asked(format!("cannot read {}: {why}", path.display()));
    let file = File::open(path).map_err(|error| wrong(error.to_string()))?;
    let regular = file.metadata().is_ok_and(|file| file.is_file());
    if !regular {
        return Err(wrong("it is no regular file".into()));
    }
    let mut text = String::new();
    file.take(LARGEST + 1).read_to_string(&mut text).map_err(|error| wrong(error.to_string()))?;
    if text.len() > crate::num::index(LARGEST) {
        return Err(wrong("it has more than 4 MiB".into()));
    }
    Ok(text)
}

/// Applies a model's configuration to a plan.
///
/// # Errors
/// When the resulting plan cannot be run.
pub(crate) fn applied(model: &Model, plan: &Plan) -> Result<Applied, SessionError> {
    model.applied(plan).map_err(SessionError::Asked)
}
