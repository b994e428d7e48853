//! What may stand on the command line; it is only read here, and resolved elsewhere.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

use crate::plan::Span;
use crate::profile::comparison;
use crate::topology::Pattern;

/// Load testing and SLO verification for event buses.
///
/// Exit codes: 0 pass, 1 an objective missed, 2 usage or profile error, 3 inconclusive, 4 the broker or the
/// environment failed, 130 interrupted.
#[derive(Debug, Parser)]
#[command(name = "tickgate", version, disable_help_subcommand = true)]
pub(super) struct Args {
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Run a profile against a broker and judge it
    Run(Box<Run>),
    /// Show the resolved plan of a profile and the lint of its topology; no load
    Check(Check),
    /// Draw topics and groups as a tree, with the lint's findings
    Topology(Topology),
    /// List the shipped profiles, or show one
    Profiles(Profiles),
    /// Is this machine fit to measure, and which brokers can it start?
    Doctor(Doctor),
    /// Runs whose figures are known beforehand, on the simulated bus: does this build report them?
    Selftest,
    /// Show the result of a run again
    Report(Report),
    /// Run two sides in turns, and say which is better, by how much, and how surely
    Compare(Box<Compare>),
    /// List what killed runs left on a bus that tickgate did not start, and remove it
    Clean(Box<Clean>),
    /// Removes a container when its standard input ends; a run with a container starts this beside it
    #[command(hide = true)]
    ReapContainer {
        /// The container's name
        name: String,
    },
}

#[derive(Debug, clap::Args)]
pub(super) struct Run {
    /// A shipped profile's name, or the path of a profile
    #[arg(default_value = "quick")]
    pub(super) profile: String,
    /// Overrides a key of the profile: load.rate=20k/s
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(super) sets: Vec<String>,
    /// Folder in which the run's folder is made
    #[arg(long, value_name = "DIR", default_value = "reports")]
    pub(super) out: PathBuf,
    /// Make folders that others may read, as the umask allows [default: the owner alone]
    #[arg(long)]
    pub(super) share: bool,
    /// What stands on stdout at the end
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(super) format: Format,
    /// No progress on stderr
    #[arg(long, short)]
    pub(super) quiet: bool,
    /// Leave the run's streams and consumers on the bus
    #[arg(long)]
    pub(super) keep: bool,
    #[command(flatten)]
    pub(super) broker: Broker,
}

#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "flags")]
pub(super) struct Compare {
    /// A shipped comparison's name or the path of one (see `tickgate profiles`); or a profile, for --a and --b; or the folder of runs of A
    #[arg(value_name = "PROFILE|COMPARISON|FOLDER")]
    pub(super) what: String,
    /// The folder of runs of B, where the first is that of A: each a run's folder, or one that holds some
    #[arg(value_name = "FOLDER")]
    pub(super) other: Option<PathBuf>,
    /// Side A: a key of the profile, or broker=…, context=…, creds=…, profile=…, label=…; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    pub(super) a: Vec<String>,
    /// Side B
    #[arg(long, value_name = "KEY=VALUE")]
    pub(super) b: Vec<String>,
    /// Overrides a key of the profile for both sides
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(super) sets: Vec<String>,
    /// Pairs of runs, one of each side; 8 where the comparison does not say [fewer than 6 tell nothing]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=200))]
    pub(super) pairs: Option<u32>,
    /// Pause before each run [default: 2s]
    #[arg(long, value_name = "DURATION")]
    pub(super) cool_down: Option<Span>,
    /// The order of the sides follows from it; chosen by chance where it is not given, and in the result
    #[arg(long)]
    pub(super) seed: Option<u64>,
    /// A difference counts from this share on [default: 5%]
    #[arg(long, value_name = "SHARE", value_parser = share)]
    pub(super) min_effect: Option<f64>,
    /// Ask for equivalence within this share: less is inconclusive [10% is shown where it is not asked for]
    #[arg(long, value_name = "SHARE", value_parser = share)]
    pub(super) equivalent: Option<f64>,
    /// A metric that decides; may be repeated [default: latency.p99]
    #[arg(long, value_name = "METRIC", value_parser = metric)]
    pub(super) decide: Vec<String>,
    /// Rank sides whose acknowledgements mean different things
    #[arg(long)]
    pub(super) allow_unequal: bool,
    /// Compare sides that do not carry the same load
    #[arg(long)]
    pub(super) allow_different_workload: bool,
    /// Use the addresses and images that a comparison file names for its sides; credentials for them only by --a creds=FILE and --b creds=FILE
    #[arg(long)]
    pub(super) allow_broker: bool,
    /// Folder in which the comparison's folder is made
    #[arg(long, value_name = "DIR", default_value = "reports")]
    pub(super) out: PathBuf,
    /// Make folders that others may read, as the umask allows [default: the owner alone]
    #[arg(long)]
    pub(super) share: bool,
    /// What stands on stdout at the end
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(super) format: Format,
    /// No progress on stderr
    #[arg(long, short)]
    pub(super) quiet: bool,
    #[command(flatten)]
    pub(super) broker: Broker,
}

#[derive(Debug, clap::Args)]
pub(super) struct Clean {
    /// Remove only what nobody has used for this long; 0s removes all that nobody uses now
    #[arg(long, value_name = "DURATION", default_value = "1h")]
    pub(super) older_than: Span,
    /// Only what this run left
    #[arg(long, value_name = "ID")]
    pub(super) run: Option<String>,
    /// Remove without asking
    #[arg(long)]
    pub(super) yes: bool,
    /// A list, or the same as JSON
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(super) format: Format,
    #[command(flatten)]
    pub(super) broker: Broker,
}

fn share(text: &str) -> Result<f64, String> {
    comparison::share(text)
}

fn metric(name: &str) -> Result<String, String> {
    comparison::metric(name).map(|()| name.to_owned())
}

fn prefix(text: &str) -> Result<String, String> {
    match Pattern::parse(text) {
        Ok(pattern) if pattern.is_literal() => Ok(text.to_owned()),
        _ => Err("expected a prefix without wildcards, such as `ai-trader`".to_owned()),
    }
}

/// Where the bus is, and how to get in.
#[derive(Debug, Clone, Default, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "flags")]
pub(super) struct Broker {
    /// `local` (starts a server of its own), `container:IMAGE[:TAG]` (starts a container: nats:2.15.1, or apache/kafka:4.3.1), `sim` (a simulated bus, to try things out) or a URL: nats://HOST:PORT, tls://HOST:PORT; with `bus.kind = "kafka"` kafka://HOST:PORT, kafka+tls://HOST:PORT
    #[arg(id = "broker", long, value_name = "BROKER", default_value = "local", conflicts_with = "context")]
    pub(super) at: String,
    /// A context of the nats command line, by its name
    #[arg(long, value_name = "NAME")]
    pub(super) context: Option<String>,
    /// File with credentials: JWT and seed (also $`NATS_CREDS`), or the security settings of a Kafka client (properties)
    #[arg(long, value_name = "FILE")]
    pub(super) creds: Option<PathBuf>,
    /// File with an nkey seed; also $`NATS_NKEY`
    #[arg(long, value_name = "FILE")]
    pub(super) nkey: Option<PathBuf>,
    /// User name; the password comes from $`NATS_PASSWORD` or $`KAFKA_PASSWORD`
    #[arg(long, value_name = "NAME")]
    pub(super) user: Option<String>,
    /// File with the certificate authority of the server; also $`NATS_CA`, $`KAFKA_CA`
    #[arg(long, value_name = "FILE")]
    pub(super) tls_ca: Option<PathBuf>,
    /// File with the client's certificate; also $`NATS_CERT`
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(super) tls_cert: Option<PathBuf>,
    /// File with the client's key; also $`NATS_KEY`
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(super) tls_key: Option<PathBuf>,
    /// TLS handshake before the server's greeting
    #[arg(long)]
    pub(super) tls_first: bool,
    /// On a bus that tickgate did not start: publish under the profile's own prefix, where that is P or below it; may be repeated [default: private subjects, tickgate-RUN.…]
    #[arg(long, value_name = "P", value_parser = prefix)]
    pub(super) allow_prefix: Vec<String>,
    /// Send more than 20k/s to an address that is not of this machine
    #[arg(long)]
    pub(super) allow_rate: bool,
    /// With `local` and `container`: the port of the server, in place of a free one
    #[arg(long, value_name = "PORT")]
    pub(super) port: Option<u16>,
    /// With `local` and `container`: a broker without a password, so that other tools can connect, and every user of this machine
    #[arg(long)]
    pub(super) open: bool,
    /// With `local`: the folder in which the server's store is made, on a disk
    #[arg(long, value_name = "DIR")]
    pub(super) store: Option<PathBuf>,
    /// A file has named the broker, so that it gets no credentials of the environment
    #[arg(skip)]
    pub(super) by_file: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// The summary
    Text,
    /// The record
    Json,
}

#[derive(Debug, clap::Args)]
pub(super) struct Check {
    /// A shipped profile's name, or the path of a profile
    pub(super) profile: String,
    /// Overrides a key of the profile: load.rate=20k/s
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(super) sets: Vec<String>,
    /// The plan as TOML, or as JSON
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(super) format: Format,
}

#[derive(Debug, clap::Args)]
pub(super) struct Topology {
    /// A topology's name (adr-002, adr-002-as-written), a shipped profile's, or the path of a profile
    #[arg(default_value = "adr-002")]
    pub(super) what: String,
    /// Overrides a key of the profile
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(super) sets: Vec<String>,
}

#[derive(Debug, clap::Args)]
pub(super) struct Profiles {
    #[command(subcommand)]
    pub(super) command: Option<ProfilesCommand>,
}

#[derive(Debug, Subcommand)]
pub(super) enum ProfilesCommand {
    /// Print a shipped profile
    Show {
        /// Its name
        name: String,
    },
}

#[derive(Debug, clap::Args)]
pub(super) struct Doctor {
    /// The folder whose disk is measured
    #[arg(long, value_name = "DIR")]
    pub(super) store: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(super) struct Report {
    /// The folder of a run
    pub(super) folder: PathBuf,
    /// Rebuild the record from the journal first, for a run that was killed before it wrote one
    #[arg(long)]
    pub(super) recover: bool,
    /// The summary, or the record
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(super) format: Format,
}
