//! In place of containers, where tickgate was built without them.

use std::path::Path;

use super::broker::Own;
use super::progress::Progress;
use super::{Exit, Failure, args};
use crate::host::signal::Interrupt;
use crate::plan::Plan;

pub(super) fn start(
    _: &args::Broker,
    _: &Plan,
    _: &Path,
    _: &Interrupt,
    _: &mut Progress,
) -> Result<Own, Failure> {
    Err(absent())
}

pub(super) fn reap(_: &str) -> Result<Exit, Failure> {
    Err(absent())
}

fn absent() -> Failure {
    Failure::usage(
        "this tickgate was built without containers; build it with its default features (`cargo build --release`), or \
         take `--broker local`",
    )
}
