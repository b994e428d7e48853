//! Sanitises printed text: [`crate::session::door`], with the errors of the command line.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Failure;
use crate::plan::Plan;
use crate::record::Record;
use crate::session::door;

pub(super) use crate::session::door::{keep_out_arguments, shown};

/// Sanitises a document for writing and printing.
///
/// # Errors
/// None for a document that can be serialised and read back.
pub(super) fn clean<T: Serialize + DeserializeOwned>(document: &T) -> Result<T, Failure> {
    door::clean(document).map_err(|error| Failure::environment(&error))
}

/// Sanitises a plan, whose texts may have several lines.
pub(super) fn clean_plan(plan: &Plan) -> Result<Plan, Failure> {
    door::clean_plan(plan).map_err(|error| Failure::environment(&error))
}

/// Sanitises a record, except its timeline, which is long and has no texts.
pub(super) fn clean_record(record: Record) -> Result<Record, Failure> {
    door::clean_record(record).map_err(|error| Failure::environment(&error))
}
