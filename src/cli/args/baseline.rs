//! The flags of `tickgate baseline`.

use std::path::PathBuf;

use clap::Subcommand;

use super::{About, Broker, Format, Like, Short, metric, share};
use crate::plan::Span;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Baseline {
    #[command(subcommand)]
    pub(in crate::cli) command: BaselineCommand,
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum BaselineCommand {
    /// Add a session of runs; the first one makes the baseline
    Save(Box<Save>),
    /// Check a bus against the baseline: exit code 1 if pairs of runs confirm that it is worse
    Check(Box<CheckBaseline>),
    /// Make the checks that passed a part of the baseline, or accept an intended change
    Update(Update),
    /// Show every session and check, merge another history, or export it
    History(HistoryArgs),
}

/// Which baseline.
#[derive(Debug, Clone, clap::Args)]
pub(in crate::cli) struct Which {
    /// Name of the baseline
    pub(in crate::cli) name: String,
    /// Directory of the baselines
    #[arg(long = "in", value_name = "DIR", default_value = "baselines")]
    pub(in crate::cli) folder: PathBuf,
}

/// How runs are made.
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "flags")]
pub(in crate::cli) struct Making {
    /// Override a profile key; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(in crate::cli) sets: Vec<String>,
    #[command(flatten)]
    pub(in crate::cli) short: Short,
    /// Pause before each run
    #[arg(long, value_name = "DURATION", default_value = "2s")]
    pub(in crate::cli) cool_down: Span,
    /// Only warn where the machine is faster or slower than the baseline's by more than 15 %
    #[arg(long)]
    pub(in crate::cli) ignore_speed: bool,
    /// Create the folder of the runs in this directory
    #[arg(long, value_name = "DIR", default_value = "reports")]
    pub(in crate::cli) out: PathBuf,
    #[command(flatten)]
    pub(in crate::cli) about: About,
    /// Let other users read the run folders, as the umask allows [default: owner only]
    #[arg(long)]
    pub(in crate::cli) share: bool,
    /// Print no progress on stderr
    #[arg(long, short)]
    pub(in crate::cli) quiet: bool,
    /// Start at once where the environment names the bus, without the 3 seconds that show it on a terminal
    #[arg(long)]
    pub(in crate::cli) yes: bool,
    #[command(flatten)]
    pub(in crate::cli) like: Like,
    #[command(flatten)]
    pub(in crate::cli) broker: Broker,
}

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Save {
    #[command(flatten)]
    pub(in crate::cli) which: Which,
    /// Name of a shipped profile, or path to one; only with the first session
    pub(in crate::cli) profile: Option<String>,
    /// Runs of a session that count
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(2..=20))]
    pub(in crate::cli) runs: u32,
    /// Sessions to make
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(in crate::cli) sessions: u32,
    /// Time from the start of a session to that of the next: sessions close together share what the machine is like
    #[arg(long, value_name = "DURATION", default_value = "1h", requires = "sessions")]
    pub(in crate::cli) every: Span,
    /// Metric that may decide, unless it is too noisy; may be repeated; only with the first session [default: latency.p99, broker.cpu]
    #[arg(long, value_name = "METRIC", value_parser = metric)]
    pub(in crate::cli) decide: Vec<String>,
    /// Smallest relative change that counts; only with the first session [default: 5%]
    #[arg(long, value_name = "SHARE", value_parser = share)]
    pub(in crate::cli) min_effect: Option<f64>,
    /// Most false alarms in a year of 250 checks; only with the first session [default: 0.5/year]
    #[arg(long, value_name = "RATE", value_parser = a_year)]
    pub(in crate::cli) false_alarms: Option<f64>,
    #[command(flatten)]
    pub(in crate::cli) making: Making,
}

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct CheckBaseline {
    #[command(flatten)]
    pub(in crate::cli) which: Which,
    /// Make pairs of the old and the new side at once, without the first stage, as before a release
    #[arg(long)]
    pub(in crate::cli) paired: bool,
    /// With --paired: probability of a false alarm, 2.5% or 1% [default: by the baseline's noise]
    #[arg(long, value_name = "SHARE", value_parser = level, requires = "paired")]
    pub(in crate::cli) level: Option<f64>,
    /// Check a subject again that was decided, for this reason; both stay in the history
    #[arg(long, value_name = "REASON")]
    pub(in crate::cli) again: Option<String>,
    /// On another machine: show the figures of fresh runs beside the baseline's, without a verdict (exit code 3); nothing is kept
    #[arg(long, conflicts_with_all = ["paired", "again"])]
    pub(in crate::cli) other_machine: bool,
    /// Seed of the order of the sides [default: random; recorded]
    #[arg(long)]
    pub(in crate::cli) seed: Option<u64>,
    /// Output format
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(in crate::cli) format: Format,
    #[command(flatten)]
    pub(in crate::cli) making: Making,
}

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Update {
    #[command(flatten)]
    pub(in crate::cli) which: Which,
    /// Begin a new epoch with what the last check measured: an intended change, and why
    #[arg(long, value_name = "REASON")]
    pub(in crate::cli) accept: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct HistoryArgs {
    #[command(flatten)]
    pub(in crate::cli) which: Which,
    /// Add the lines of another history.jsonl of this baseline that are not there yet
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) merge: Option<PathBuf>,
    /// Write the medians of every session as CSV for Apache Otava
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) otava: Option<PathBuf>,
}

/// `0.5/year`, or a number alone.
fn a_year(text: &str) -> Result<f64, String> {
    let number = text.trim().strip_suffix("/year").unwrap_or(text).trim();
    let rate = number.parse::<f64>().ok().filter(|rate| rate.is_finite() && *rate > 0.0);
    rate.ok_or_else(|| format!("`{text}` is not a rate; expected one such as `0.5/year`"))
}

fn level(text: &str) -> Result<f64, String> {
    let level = share(text)?;
    if crate::stats::Looks::of(level).is_some() { Ok(level) } else { Err("expected 2.5% or 1%".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_a_year_and_levels_are_read_as_people_write_them() {
        assert_eq!((a_year("0.5/year"), a_year("2")), (Ok(0.5), Ok(2.0)));
        for bad in ["0", "-1/year", "NaN", "1/month", ""] {
            assert!(a_year(bad).is_err(), "{bad}");
        }
        assert_eq!((level("2.5%"), level("1%")), (Ok(0.025), Ok(0.01)));
        assert!(level("5%").is_err());
    }
}
