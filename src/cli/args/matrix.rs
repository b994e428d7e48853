//! The flags of `tickgate matrix`.

use std::path::PathBuf;

use super::{About, Broker, Format, Short};
use crate::plan::Span;

#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "flags")]
pub(in crate::cli) struct Matrix {
    /// Name of a shipped matrix (see "tickgate profiles") or path to one; or the folder of a matrix, to show its result again [with --resume: the file of that matrix]
    #[arg(value_name = "FILE|FOLDER")]
    pub(in crate::cli) what: Option<String>,
    /// Override a profile key for all cells, for example load.rate=2k/s; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(in crate::cli) sets: Vec<String>,
    #[command(flatten)]
    pub(in crate::cli) short: Short,
    /// Runs of each cell [default: the file's, else 3]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(in crate::cli) runs: Option<u32>,
    /// Run only these cells: CONFIGURATION/FAULT, with * for all; may be repeated
    #[arg(long, value_name = "CELL")]
    pub(in crate::cli) only: Vec<String>,
    /// Pause before each run [default: the file's, else 2s]
    #[arg(long, value_name = "DURATION")]
    pub(in crate::cli) cool_down: Option<Span>,
    /// Seed for the run order [default: random; recorded in the result]
    #[arg(long)]
    pub(in crate::cli) seed: Option<u64>,
    /// Continue the matrix in this folder, after an interruption or a kill; its cells stay
    #[arg(long, visible_alias = "continue", value_name = "FOLDER", conflicts_with_all = ["sets", "rate", "duration", "runs", "only", "cool_down", "seed", "out", "run_dir", "tags", "share"])]
    pub(in crate::cli) resume: Option<PathBuf>,
    /// Show what would run, where and how long; sends nothing
    #[arg(long = "dry-run")]
    pub(in crate::cli) dry: bool,
    /// Create the matrix's folder in this directory; its link "latest" points to the newest one
    #[arg(long, value_name = "DIR", default_value = "reports")]
    pub(in crate::cli) out: PathBuf,
    #[command(flatten)]
    pub(in crate::cli) about: About,
    /// Let other users read the run folders, as the umask allows [default: owner only]
    #[arg(long)]
    pub(in crate::cli) share: bool,
    /// What to print on stdout when done
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(in crate::cli) format: Format,
    /// Print no progress on stderr
    #[arg(long, short)]
    pub(in crate::cli) quiet: bool,
    /// Start at once where the environment names the bus, without the 3 seconds that show it on a terminal
    #[arg(long)]
    pub(in crate::cli) yes: bool,
    #[command(flatten)]
    pub(in crate::cli) broker: Broker,
}
