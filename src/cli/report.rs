//! `tickgate report`: the result of a run, from its record.

use super::args::{Format, Report};
use super::{Exit, Failure};
use crate::archive::{self, Schema};
use crate::record::{Record, SCHEMA_FAMILY, SCHEMA_VERSION};
use crate::report::terminal;

pub(super) fn run(args: &Report) -> Result<Exit, Failure> {
    let schema = Schema { family: SCHEMA_FAMILY, newest: SCHEMA_VERSION };
    let record: Record =
        archive::read_record(&args.folder, schema).map_err(|error| Failure::environment(&error))?;
    match args.format {
        Format::Text => print!("{}", terminal::summary(&record, super::progress::style_of_stdout())),
        Format::Json => {
            let json = serde_json::to_string_pretty(&record).map_err(|error| Failure::environment(&error))?;
            println!("{json}");
        }
    }
    Ok(Exit::of(&record))
}
