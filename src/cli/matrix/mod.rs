//! `tickgate matrix`: runs configurations under faults, in turns, or shows a finished matrix again.

mod begun;
mod dry;
mod runs;
mod shown;
mod task;

use std::path::Path;

use super::args::Matrix;
use super::{Exit, Failure};
use crate::archive::MATRIX;
use crate::profile::matrix;

pub(super) fn run(args: &Matrix) -> Result<Exit, Failure> {
    if let Some(folder) = &args.resume {
        return runs::resume(args, folder);
    }
    let what = args.what.as_deref().ok_or_else(|| {
        let names: Vec<&str> = matrix::shipped().iter().map(|(name, _)| *name).collect();
        Failure::usage(format!("name a matrix ({}), a file, or the folder of a matrix", names.join(", ")))
    })?;
    // The name of a shipped matrix means that, as everywhere.
    if matrix::shipped_text(what).is_none() {
        let path = Path::new(what);
        let is_account = path.is_file() && path.extension().is_some_and(|extension| extension == "json");
        if is_account || path.join(MATRIX).is_file() {
            return shown::again(args, path);
        }
        if path.join(begun::BEGUN).is_file() {
            let path = path.display();
            return Err(Failure::usage(format!(
                "{path} has the runs of a matrix that did not end: tickgate matrix --resume {path} continues it"
            )));
        }
        if path.is_dir() {
            return Err(Failure::usage(format!(
                "`{what}` is not the folder of a matrix: it has no {MATRIX}"
            )));
        }
    }
    runs::begin(args)
}
