//! `tickgate baseline`: keeps sessions of runs, and checks a bus against them.

mod answered;
mod check;
mod make;
mod other;
mod save;
mod settings;
mod shown;
mod store;

use super::args::{Baseline, BaselineCommand};
use super::{Exit, Failure};

pub(super) fn run(args: &Baseline) -> Result<Exit, Failure> {
    match &args.command {
        BaselineCommand::Save(args) => save::run(args),
        BaselineCommand::Check(args) => check::run(args),
        BaselineCommand::Update(args) => shown::update(args),
        BaselineCommand::History(args) => shown::history(args),
    }
}
