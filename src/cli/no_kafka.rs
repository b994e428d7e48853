//! In place of Kafka, where tickgate was built without it.

use super::clean::Bus;
use super::consent::Terms;
use super::journal::Keeping;
use super::progress::Progress;
use super::{Failure, args};
use crate::record::Record;
use crate::run::Job;

pub(super) fn execute(
    _: &args::Broker,
    _: Job<'_>,
    _: Terms,
    _: &mut Keeping<'_>,
    _: &mut Progress,
) -> Result<Record, Failure> {
    Err(absent())
}

pub(super) fn cleaner(_: &args::Broker) -> Result<Bus, Failure> {
    Err(absent())
}

pub(super) fn hosts(_: &str) -> Result<Vec<String>, Failure> {
    Err(absent())
}

fn absent() -> Failure {
    Failure::usage(
        "this tickgate was built without Kafka; build it with its default features (`cargo build --release`), or \
         take `bus.kind = \"nats\"`",
    )
}
