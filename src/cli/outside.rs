//! The door of what is printed: [`crate::session::door`], with the errors of the command line.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Failure;
use crate::plan::Plan;
use crate::record::Record;
use crate::session::door;

pub(super) use crate::session::door::{keep_out_arguments, shown};

/// A document as it may be written and shown.
///
/// # Errors
/// None for what serialises and is read again.
pub(super) fn clean<T: Serialize + DeserializeOwned>(document: &T) -> Result<T, Failure> {
    door::clean(document).map_err(|error| Failure::environment(&error))
}

/// The same of a plan, whose texts may have lines.
pub(super) fn clean_plan(plan: &Plan) -> Result<Plan, Failure> {
    door::clean_plan(plan).map_err(|error| Failure::environment(&error))
}

/// The same of a record, whose timeline is long and has no texts.
pub(super) fn clean_record(record: Record) -> Result<Record, Failure> {
    door::clean_record(record).map_err(|error| Failure::environment(&error))
}
