//! The command line: parsed here, resolved elsewhere. Doc comments are the help texts.

#![expect(clippy::doc_markdown, reason = "help texts are shown as they are")]
#![allow(rustdoc::broken_intra_doc_links, reason = "brackets mark optional parts")]

mod baseline;
mod matrix;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

use super::short::Short;
use crate::compare::MOST_SIDES;
use crate::host::build::LONG_VERSION;
use crate::plan::{Rate, Span};
use crate::profile::comparison;
use crate::session::{Asked, ContextName, NamedBy};
use crate::topology::Pattern;

pub(super) use baseline::{
    Baseline, BaselineCommand, CheckBaseline, HistoryArgs, Making, Save, Update, Which,
};
pub(super) use matrix::Matrix;

/// Load testing and SLO verification for event buses.
///
/// Exit codes: 0 pass, 1 an objective missed, 2 usage or profile error, 3 inconclusive, 4 the broker or the
/// environment failed, 130 interrupted.
#[derive(Debug, Parser)]
#[command(name = "tickgate", version, long_version = LONG_VERSION, disable_help_subcommand = true)]
pub(super) struct Args {
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Run a profile against a broker and judge it
    Run(Box<Run>),
    /// Show the resolved plan of a profile and check its topology; sends nothing
    Check(Check),
    /// Draw topics and groups as a tree, with mistakes marked
    Topology(Topology),
    /// List the shipped profiles, or show one
    Profiles(Profiles),
    /// Check whether this machine is fit to measure, and which brokers it can start
    Doctor(Doctor),
    /// Find what will fail or bite in a nats-server.conf, or in running NATS servers
    Lint(Lint),
    /// Check this build against known answers on the simulated bus
    Selftest,
    /// Show the result of a run again
    Report(Report),
    /// Compare two configurations: which is better, by how much, and with what confidence
    Compare(Box<Compare>),
    /// Search for the highest rate that still meets a profile's objectives, with an interval, and confirm it
    Capacity(Box<Capacity>),
    /// Is a bus still as good as it was? Keep a baseline of sessions, and check against it
    Baseline(Baseline),
    /// Run configurations under faults, several times each: what is lost, how long the bus is away, and what its acknowledgements promise
    Matrix(Box<Matrix>),
    /// List and remove what killed runs left on a bus that tickgate did not start
    Clean(Box<Clean>),
    /// Print the completion script for a shell; to load it in bash: source <(tickgate completions bash)
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page, or write the page of every command into a directory
    Man {
        /// Directory for the pages, for example ~/.local/share/man/man1
        folder: Option<PathBuf>,
    },
    /// Run a server and keep what it syncs, for emulated losses of power; started by runs with such a fault
    #[command(hide = true)]
    SupervisePower(SupervisePower),
    /// Remove a container when stdin closes; started by runs that use a container
    #[command(hide = true)]
    ReapContainer {
        /// The container's name
        name: String,
    },
}

#[derive(Debug, clap::Args)]
pub(super) struct SupervisePower {
    /// Directory whose files a loss of power cuts back
    pub(super) store: PathBuf,
    /// Directory for the copies of these files
    pub(super) power: PathBuf,
    /// Also keep a file this long after its first change
    #[arg(long, value_name = "TIME")]
    pub(super) writeback: Option<Span>,
    /// The server and its arguments
    #[arg(last = true, required = true)]
    pub(super) command: Vec<OsString>,
}

#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "flags")]
pub(super) struct Run {
    /// Name of a shipped profile, or path to a profile
    #[arg(default_value = "quick")]
    pub(super) profile: String,
    /// Override a profile key, for example load.rate=20k/s; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(super) sets: Vec<String>,
    #[command(flatten)]
    pub(super) short: Short,
    /// Show what would run, where and how much: resolved profile, target, volume and duration; sends nothing
    #[arg(long = "dry-run")]
    pub(super) dry: bool,
    /// Create the run folder in this directory; its link "latest" points to the newest one
    #[arg(long, value_name = "DIR", default_value = "reports")]
    pub(super) out: PathBuf,
    #[command(flatten)]
    pub(super) about: About,
    /// Let other users read the run folders, as the umask allows [default: owner only]
    #[arg(long)]
    pub(super) share: bool,
    /// What to print on stdout when done
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(super) format: Format,
    /// Print no progress on stderr
    #[arg(long, short)]
    pub(super) quiet: bool,
    /// Keep the run's streams and consumers on the bus; of a server that tickgate starts, its store below the directory of --store
    #[arg(long)]
    pub(super) keep: bool,
    /// Start at once where the environment names the bus, without the 3 seconds that show it on a terminal
    #[arg(long)]
    pub(super) yes: bool,
    #[command(flatten)]
    pub(super) like: Like,
    #[command(flatten)]
    pub(super) broker: Broker,
}

#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "flags")]
pub(super) struct Compare {
    /// Name of a shipped comparison (see "tickgate profiles") or path to one; or a profile, with --a and --b; or a folder with the runs of side A
    #[arg(value_name = "PROFILE|COMPARISON|FOLDER")]
    pub(super) what: String,
    /// Folders with the runs of side B, C and so on; each folder is a run folder or contains run folders
    #[arg(value_name = "FOLDER", num_args = 0..=7)]
    pub(super) others: Vec<PathBuf>,
    /// Side A: override a profile key, or set broker=…, context=…, creds=…, monitor=…, monitor-creds=…, monitor-context=…, monitor-user=…, profile=… or label=…; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    pub(super) a: Vec<String>,
    /// Side B: as --a; more sides as --c, --d … --h
    #[arg(long, value_name = "KEY=VALUE")]
    pub(super) b: Vec<String>,
    /// Side C: as --a
    #[arg(long, value_name = "KEY=VALUE", hide = true)]
    pub(super) c: Vec<String>,
    /// Side D: as --a
    #[arg(long, value_name = "KEY=VALUE", hide = true)]
    pub(super) d: Vec<String>,
    /// Side E: as --a
    #[arg(long, value_name = "KEY=VALUE", hide = true)]
    pub(super) e: Vec<String>,
    /// Side F: as --a
    #[arg(long, value_name = "KEY=VALUE", hide = true)]
    pub(super) f: Vec<String>,
    /// Side G: as --a
    #[arg(long, value_name = "KEY=VALUE", hide = true)]
    pub(super) g: Vec<String>,
    /// Side H: as --a
    #[arg(long, value_name = "KEY=VALUE", hide = true)]
    pub(super) h: Vec<String>,
    /// Side that the others are compared with, by its letter or label [default: a]
    #[arg(long, value_name = "SIDE")]
    pub(super) reference: Option<String>,
    /// Override a profile key for all sides; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(super) sets: Vec<String>,
    #[command(flatten)]
    pub(super) short: Short,
    /// Show what would run, where and how much; sends nothing
    #[arg(long = "dry-run")]
    pub(super) dry: bool,
    /// Number of pairs of runs; with more sides, of rounds with a run of each [default: 8, or what several sides need; a verdict needs at least 6]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=200))]
    pub(super) pairs: Option<u32>,
    /// Pause before each run [default: 2s]
    #[arg(long, value_name = "DURATION")]
    pub(super) cool_down: Option<Span>,
    /// Seed for the run order [default: random; recorded in the result]
    #[arg(long)]
    pub(super) seed: Option<u64>,
    /// Smallest relative difference that counts [default: 5%]
    #[arg(long, value_name = "SHARE", value_parser = share)]
    pub(super) min_effect: Option<f64>,
    /// Require equivalence within this relative difference, or the verdict is inconclusive [default: not required; shown for 10%]
    #[arg(long, value_name = "SHARE", value_parser = share)]
    pub(super) equivalent: Option<f64>,
    /// Metric that decides the verdict; may be repeated [default: latency.p99]
    #[arg(long, value_name = "METRIC", value_parser = metric)]
    pub(super) decide: Vec<String>,
    /// Look at the figures after 8, 12 and 16 pairs, and end when they settle the question; the false alarms of all looks together stay at 5 % (2.5 % with --worse-only)
    #[arg(long)]
    pub(super) early: bool,
    /// Ask only whether a side is worse than the reference, as a gate does: nothing is called better or equivalent
    #[arg(long, conflicts_with = "equivalent")]
    pub(super) worse_only: bool,
    /// Rank the sides even if their acknowledgements give different durability
    #[arg(long)]
    pub(super) allow_unequal: bool,
    /// Compare the sides even if their workloads differ
    #[arg(long)]
    pub(super) allow_different_workload: bool,
    /// Use the broker addresses and images named in a comparison file; they get no credentials except from --a creds=FILE, --b creds=FILE and so on
    #[arg(long)]
    pub(super) allow_broker: bool,
    /// Create the comparison's folder in this directory; its link "latest" points to the newest one
    #[arg(long, value_name = "DIR", default_value = "reports")]
    pub(super) out: PathBuf,
    #[command(flatten)]
    pub(super) about: About,
    /// Let other users read the run folders, as the umask allows [default: owner only]
    #[arg(long)]
    pub(super) share: bool,
    /// What to print on stdout when done
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(super) format: Format,
    /// Print no progress on stderr
    #[arg(long, short)]
    pub(super) quiet: bool,
    /// Start at once where the environment names the bus, without the 3 seconds that show it on a terminal
    #[arg(long)]
    pub(super) yes: bool,
    #[command(flatten)]
    pub(super) like: Like,
    #[command(flatten)]
    pub(super) broker: Broker,
}

impl Compare {
    /// The flags of each side, by its place.
    pub(super) fn sides(&self) -> [&[String]; MOST_SIDES] {
        [&self.a, &self.b, &self.c, &self.d, &self.e, &self.f, &self.g, &self.h]
    }
}

#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "flags")]
pub(super) struct Capacity {
    /// Name of a shipped profile, or path to one; or the folder of a search, to show its result again [default: quick; with --resume the profile of that search]
    #[arg(value_name = "PROFILE|FOLDER")]
    pub(super) what: Option<String>,
    /// Folder of a second search, to show both side by side
    #[arg(value_name = "FOLDER")]
    pub(super) other: Option<PathBuf>,
    /// Override a profile key for all trials, for example load.duration=30s; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(super) sets: Vec<String>,
    #[command(flatten)]
    pub(super) short: Short,
    /// Rate of the first trial [default: the profile's]
    #[arg(long, value_name = "RATE", value_parser = rate)]
    pub(super) from: Option<f64>,
    /// Lowest rate to try [default: that at which a trial of a minute has enough events]
    #[arg(long, value_name = "RATE", value_parser = rate)]
    pub(super) min: Option<f64>,
    /// Highest rate to try [default: the highest that this plan, this machine and --allow-rate permit]
    #[arg(long, value_name = "RATE", value_parser = rate)]
    pub(super) max: Option<f64>,
    /// Stop narrowing when the 95 % interval is this wide [default: 10%; --quick 15%, --thorough 7%]
    #[arg(long, value_name = "SHARE", value_parser = precision)]
    pub(super) precision: Option<f64>,
    /// A wider interval from fewer trials: 3 passes and 2 misses in a row confirm floor and ceiling instead of 5 and 3
    #[arg(long, conflicts_with = "thorough")]
    pub(super) quick: bool,
    /// A narrower interval from more trials: 10 passes and 5 misses in a row confirm floor and ceiling
    #[arg(long)]
    pub(super) thorough: bool,
    /// Time for all trials; the time to confirm floor and ceiling is kept free [default: no limit]
    #[arg(long, value_name = "DURATION")]
    pub(super) within: Option<Span>,
    /// Rate that the bus has to hold, or the exit code is 1 or 3; may be repeated [default: 10k/s and 100k/s, shown only]
    #[arg(long = "target", value_name = "RATE", value_parser = rate)]
    pub(super) targets: Vec<f64>,
    /// Growth of the load, to say when it outgrows the capacity: 5%/month or 40%/year
    #[arg(long, value_name = "GROWTH", value_parser = growth)]
    pub(super) growth: Option<f64>,
    /// Try this rate only, without a search: 2 to 20 trials decide whether the bus holds it
    #[arg(long, value_name = "RATE", value_parser = rate, conflicts_with_all = ["from", "min", "max", "precision", "quick", "thorough", "targets"])]
    pub(super) at: Option<f64>,
    /// Pause before each trial [default: 2s]
    #[arg(long, value_name = "DURATION")]
    pub(super) cool_down: Option<Span>,
    /// Seed of the events; each trial has events of its own [default: random; recorded in the result]
    #[arg(long)]
    pub(super) seed: Option<u64>,
    /// Which trials read the stream back
    #[arg(long, value_enum, default_value_t = Audit::Confirm)]
    pub(super) audit: Audit,
    /// Continue the search in this folder, after an interruption or a kill; its design and profile stay
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["other", "sets", "rate", "duration", "from", "min", "max", "precision", "quick", "thorough", "within", "targets", "growth", "at", "cool_down", "seed", "audit", "out", "run_dir", "tags", "share", "allow_unequal"])]
    pub(super) resume: Option<PathBuf>,
    /// With two searches: show them side by side even if their acknowledgements give different durability
    #[arg(long)]
    pub(super) allow_unequal: bool,
    /// Show what would run, where and how long; sends nothing
    #[arg(long = "dry-run")]
    pub(super) dry: bool,
    /// Create the search's folder in this directory; its link "latest" points to the newest one
    #[arg(long, value_name = "DIR", default_value = "reports")]
    pub(super) out: PathBuf,
    #[command(flatten)]
    pub(super) about: About,
    /// Let other users read the run folders, as the umask allows [default: owner only]
    #[arg(long)]
    pub(super) share: bool,
    /// What to print on stdout when done
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(super) format: Format,
    /// Print no progress on stderr
    #[arg(long, short)]
    pub(super) quiet: bool,
    /// Start at once where the environment names the bus, without the 3 seconds that show it on a terminal
    #[arg(long)]
    pub(super) yes: bool,
    #[command(flatten)]
    pub(super) like: Like,
    #[command(flatten)]
    pub(super) broker: Broker,
}

/// Which trials read the stream back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Audit {
    /// Those that confirm floor and ceiling
    Confirm,
    /// All of them
    All,
}

#[derive(Debug, clap::Args)]
pub(super) struct Clean {
    /// Remove only what has been unused for this long; 0s: everything that is not in use now
    #[arg(long, value_name = "DURATION", default_value = "1h")]
    pub(super) older_than: Span,
    /// Consider only the leftovers of this run
    #[arg(long, value_name = "ID")]
    pub(super) run: Option<String>,
    /// Remove without asking
    #[arg(long)]
    pub(super) yes: bool,
    /// Output format
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(super) format: Format,
    #[command(flatten)]
    pub(super) broker: Broker,
}

/// What is noted about a run, and where its files go.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct About {
    /// Put the files into exactly this folder, which must be new or empty, instead of one named by the time in --out
    #[arg(long, value_name = "DIR", conflicts_with = "out")]
    pub(super) run_dir: Option<PathBuf>,
    /// Note KEY=VALUE in the record, JUnit's properties and the metrics; may be repeated [default in CI: commit, branch, job and pipeline, from GitHub's, GitLab's, Buildkite's or Jenkins's variables]
    #[arg(long = "tag", value_name = "KEY=VALUE", value_parser = super::tags::parse)]
    pub(super) tags: Vec<(String, String)>,
}

fn share(text: &str) -> Result<f64, String> {
    comparison::share(text)
}

/// A rate in events/s; a number alone is events per second.
fn rate(text: &str) -> Result<f64, String> {
    let rate: Rate = super::short::rate(text)?
        .parse()
        .map_err(|_| format!("`{text}` is not a rate to try; expected one such as `20k/s`"))?;
    if rate.per_second > 0.0 { Ok(rate.per_second) } else { Err("a rate is above 0".to_owned()) }
}

fn precision(text: &str) -> Result<f64, String> {
    let share = share(text)?;
    if (0.02..=0.5).contains(&share) { Ok(share) } else { Err("expected 2% to 50%".to_owned()) }
}

/// Growth a month.
fn growth(text: &str) -> Result<f64, String> {
    let wrong = || format!("`{text}` is not a growth; expected one such as `5%/month` or `40%/year`");
    let (share, span) = text.split_once('/').ok_or_else(wrong)?;
    let share = share.trim().strip_suffix('%').and_then(|percent| percent.trim().parse::<f64>().ok());
    let share = share.map(|percent| percent / 100.0).filter(|share| *share > 0.0 && *share <= 100.0);
    let share = share.ok_or_else(wrong)?;
    match span.trim() {
        "month" => Ok(share),
        "year" => Ok((share.ln_1p() / 12.0).exp_m1()),
        _ => Err(wrong()),
    }
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

/// The bus and the credentials for it.
#[derive(Debug, Clone, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "flags")]
pub(super) struct Broker {
    /// local (start a server), container:IMAGE[:TAG] (start a container, for example nats:2.15.1 or apache/kafka:4.3.1), sim (simulated bus), or a URL: nats://HOST:PORT, tls://HOST:PORT; with bus.kind = "kafka": kafka://HOST:PORT, kafka+tls://HOST:PORT
    /// [default: what $NATS_URL and $NATS_CONTEXT name, with bus.kind = "kafka" $KAFKA_BOOTSTRAP_SERVERS; else local]
    #[arg(
        id = "broker",
        long,
        short = 's',
        visible_alias = "server",
        value_name = "BROKER",
        conflicts_with = "context",
        verbatim_doc_comment
    )]
    pub(super) at: Option<String>,
    /// Context of the nats command line; without a name the selected one (nats context select)
    #[arg(long, value_name = "NAME", num_args = 0..=1, default_missing_value = "")]
    pub(super) context: Option<String>,
    /// Credentials file: JWT and seed (also $NATS_CREDS), or the security properties of a Kafka client
    #[arg(long, value_name = "FILE")]
    pub(super) creds: Option<PathBuf>,
    /// File with an nkey seed (also $NATS_NKEY)
    #[arg(long, value_name = "FILE")]
    pub(super) nkey: Option<PathBuf>,
    /// User name; the password comes from $NATS_PASSWORD or $KAFKA_PASSWORD
    #[arg(long, value_name = "NAME")]
    pub(super) user: Option<String>,
    /// CA certificate for the server (also $NATS_CA, $KAFKA_CA)
    #[arg(long, value_name = "FILE")]
    pub(super) tls_ca: Option<PathBuf>,
    /// Client certificate (also $NATS_CERT)
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(super) tls_cert: Option<PathBuf>,
    /// Client key (also $NATS_KEY)
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(super) tls_key: Option<PathBuf>,
    /// Start with the TLS handshake, before the server's greeting
    #[arg(long)]
    pub(super) tls_first: bool,
    /// Prefix of JetStream's API, where an account imports it under other subjects than $JS.API
    #[arg(long, value_name = "PREFIX", conflicts_with = "js_domain")]
    pub(super) js_api_prefix: Option<String>,
    /// Domain of JetStream, behind a leaf node
    #[arg(long, value_name = "DOMAIN")]
    pub(super) js_domain: Option<String>,
    /// First tokens of reply subjects, where the user may not use _INBOX
    #[arg(long, value_name = "PREFIX")]
    pub(super) inbox_prefix: Option<String>,
    /// On a bus that tickgate did not start: publish under the profile's own prefix if it is P or below P; may be repeated [default: private subjects, tickgate-RUN.…]
    #[arg(long, value_name = "P", value_parser = prefix)]
    pub(super) allow_prefix: Vec<String>,
    /// Allow more than 20k/s to another machine
    #[arg(long)]
    pub(super) allow_rate: bool,
    /// Start the server with the settings of this nats-server.conf; what cannot be kept (addresses, store, users, other servers) is a warning
    #[arg(long, value_name = "FILE")]
    pub(super) server_config: Option<PathBuf>,
    /// Publish into the stream or topic that bus.nats.attach or bus.kafka.attach names, where its other consumers receive the events
    #[arg(long)]
    pub(super) allow_attach: bool,
    /// On a bus that tickgate did not start: inject the profile's faults, of which only some are possible there (step-down of the run's own stream, members of groups, links of tickgate's clients)
    #[arg(long)]
    pub(super) allow_faults: bool,
    /// With bus.nats.attach: let a group read through this consumer and acknowledge what it delivers; may be repeated
    #[arg(long, value_name = "NAME")]
    pub(super) allow_consumer: Vec<String>,
    /// Port of a server that tickgate starts [default: a free one]
    #[arg(long, value_name = "PORT")]
    pub(super) port: Option<u16>,
    /// Start the broker without a password, so that other tools, and every user of this machine, can connect
    #[arg(long)]
    pub(super) open: bool,
    /// Give the server that tickgate starts dedicated cores; tickgate uses the others
    #[arg(long)]
    pub(super) apart: bool,
    /// Directory for the store of a server that tickgate starts; must be on a disk
    #[arg(long, value_name = "DIR")]
    pub(super) store: Option<PathBuf>,
    /// Monitoring endpoint of each NATS server of a bus that tickgate did not start, http://HOST:8222: CPU, memory, store and sync interval of every node; may be repeated. The figures are those of the whole server, other clients' traffic included
    #[arg(long, value_name = "URL", value_delimiter = ',')]
    pub(super) monitor: Vec<String>,
    /// Credentials file of a user of the system account: the same figures as --monitor, of every server of the cluster
    #[arg(long, value_name = "FILE")]
    pub(super) monitor_creds: Option<PathBuf>,
    /// Context of the nats command line with a user of the system account
    #[arg(long, value_name = "NAME")]
    pub(super) monitor_context: Option<String>,
    /// Name of a user of the system account; the password comes from $NATS_MONITOR_PASSWORD
    #[arg(long, value_name = "NAME")]
    pub(super) monitor_user: Option<String>,
}

impl Broker {
    /// The broker flags as given, not resolved yet.
    pub(super) fn asked(&self) -> Asked {
        let this = self.clone();
        Asked {
            at: this.at,
            context: this.context.map(ContextName::from),
            creds: this.creds,
            nkey: this.nkey,
            user: this.user,
            tls_ca: this.tls_ca,
            tls_cert: this.tls_cert,
            tls_key: this.tls_key,
            tls_first: this.tls_first,
            js_api_prefix: this.js_api_prefix,
            js_domain: this.js_domain,
            inbox_prefix: this.inbox_prefix,
            allow_prefix: this.allow_prefix,
            allow_rate: this.allow_rate,
            server_config: this.server_config,
            allow_attach: this.allow_attach,
            allow_faults: this.allow_faults,
            allow_consumer: this.allow_consumer,
            port: this.port,
            open: this.open,
            apart: this.apart,
            store: this.store,
            monitor: this.monitor,
            monitor_creds: this.monitor_creds,
            monitor_context: this.monitor_context,
            monitor_user: this.monitor_user,
            named_by: NamedBy::CommandLine,
            ..Asked::default()
        }
    }
}

/// Whose configuration the run's stream and consumers copy.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct Like {
    /// Make the run's stream like this one: a file with what "nats stream info NAME --json" prints, or a
    /// Stream of NACK; FILE#NAME takes one of several
    #[arg(long, value_name = "FILE")]
    pub(super) stream_config: Option<PathBuf>,
    /// Make the groups' consumers like these: a file with what "nats consumer info STREAM NAME --json" prints, or
    /// Consumers of NACK; may be repeated
    #[arg(long, value_name = "FILE")]
    pub(super) consumer_config: Vec<PathBuf>,
}

impl Like {
    /// What is asked for, with this.
    pub(super) fn over(&self, asked: Asked) -> Asked {
        let Self { stream_config, consumer_config } = self.clone();
        Asked { stream_config, consumer_config, ..asked }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// Summary
    Text,
    /// JSON document
    Json,
}

#[derive(Debug, clap::Args)]
pub(super) struct Check {
    /// Name of a shipped profile, or path to a profile
    pub(super) profile: String,
    /// Override a profile key, for example load.rate=20k/s; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(super) sets: Vec<String>,
    #[command(flatten)]
    pub(super) short: Short,
    #[command(flatten)]
    pub(super) like: Like,
    /// Print the plan as TOML (text) or JSON
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(super) format: Format,
}

#[derive(Debug, clap::Args)]
pub(super) struct Topology {
    /// Name of a topology (adr-002, adr-002-as-written) or of a shipped profile, or path to a profile
    #[arg(default_value = "adr-002")]
    pub(super) what: String,
    /// Override a profile key; may be repeated
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
        /// Name of the profile
        name: String,
    },
}

#[derive(Debug, clap::Args)]
pub(super) struct Doctor {
    /// Directory whose disk to measure
    #[arg(long, value_name = "DIR")]
    pub(super) store: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(super) struct Lint {
    /// nats-server.conf; several files are those of the servers of one cluster, and are compared with each other
    #[arg(value_name = "FILE", required_unless_present = "live")]
    pub(super) files: Vec<PathBuf>,
    /// Lint running servers: the monitoring endpoint of each, http://HOST:8222; or, with credentials of the system account, the address of one, nats://HOST:4222, for all of its cluster; may be repeated
    #[arg(long, value_name = "URL", value_delimiter = ',', conflicts_with = "files")]
    pub(super) live: Vec<String>,
    /// Hold the settings against what this profile needs: copies, durability, size of events and store, connections [default: what ADR-002 needs]
    #[arg(long, value_name = "PROFILE")]
    pub(super) profile: Option<String>,
    /// Override a key of the profile; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE", requires = "profile")]
    pub(super) sets: Vec<String>,
    /// Credentials file of a user of the system account
    #[arg(long, value_name = "FILE", requires = "live")]
    pub(super) monitor_creds: Option<PathBuf>,
    /// Context of the nats command line with a user of the system account
    #[arg(long, value_name = "NAME", requires = "live")]
    pub(super) monitor_context: Option<String>,
    /// Name of a user of the system account; the password comes from $NATS_MONITOR_PASSWORD
    #[arg(long, value_name = "NAME", requires = "live")]
    pub(super) monitor_user: Option<String>,
    /// CA certificate for the server (also $NATS_CA)
    #[arg(long, value_name = "FILE", requires = "live")]
    pub(super) tls_ca: Option<PathBuf>,
    /// Write the findings as JUnit XML to this file too, a case for each rule
    #[arg(long, value_name = "FILE")]
    pub(super) junit: Option<PathBuf>,
    /// Output format
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(super) format: Format,
}

#[derive(Debug, clap::Args)]
pub(super) struct Report {
    /// Run folder
    pub(super) folder: PathBuf,
    /// Rebuild the record of a killed run from its journal first
    #[arg(long)]
    pub(super) recover: bool,
    /// What to print on stdout
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(super) format: Format,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_and_growths_are_read_as_people_write_them() {
        assert_eq!((rate("20k/s"), rate("500")), (Ok(20_000.0), Ok(500.0)));
        for bad in ["0", "max", "fast", "-1/s"] {
            assert!(rate(bad).is_err(), "{bad}");
        }
        assert_eq!(growth("5%/month"), Ok(0.05));
        let yearly = growth("40 % / year").unwrap();
        assert!(((1.0 + yearly).powi(12) - 1.4).abs() < 1e-9, "{yearly}");
        for bad in ["5%", "0%/month", "-5%/month", "5%/week", "x%/year", "NaN%/year"] {
            assert!(growth(bad).unwrap_err().contains("5%/month"), "{bad}");
        }
        assert_eq!(precision("10%"), Ok(0.1));
        assert!(precision("1%").is_err() && precision("60%").is_err());
    }
}
