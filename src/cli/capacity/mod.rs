//! `tickgate capacity`: searches for the highest rate that meets a profile's objectives, shows a search again, or puts two side by
//! side.

mod begun;
mod dry;
mod shown;
mod task;
mod trials;

use std::path::Path;

use super::args::Capacity;
use super::{Exit, Failure};
use crate::archive::CAPACITY;
use crate::profile::builtin;

pub(super) fn run(args: &Capacity) -> Result<Exit, Failure> {
    if let Some(folder) = &args.resume {
        return trials::resume(args, folder);
    }
    // The name of a shipped profile means that, as everywhere.
    let what = args.what.as_deref().filter(|what| builtin::get(what).is_none()).map(Path::new);
    if let Some(other) = &args.other {
        let what = what.ok_or_else(|| Failure::usage("name two folders of searches"))?;
        return shown::side_by_side(args, what, other);
    }
    if let Some(path) = what {
        if path.is_dir() && !path.join(CAPACITY).is_file() && !path.join(begun::SEARCH).is_file() {
            let text = format!("`{}` is not the folder of a search: it has no {CAPACITY}", path.display());
            return Err(Failure::usage(text));
        }
        if path.is_file() && path.extension().is_some_and(|extension| extension == "json")
            || path.join(CAPACITY).is_file()
        {
            return shown::again(args, path);
        }
        if path.join(begun::SEARCH).is_file() {
            let path = path.display();
            return Err(Failure::usage(format!(
                "{path} has the trials of a search that did not end: tickgate capacity --resume {path} continues it"
            )));
        }
    }
    trials::begin(args)
}
