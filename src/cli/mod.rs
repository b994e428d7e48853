//! The command line: one file per command. The only place that prints or maps errors to exit codes.

/// As `std::print!`, but without a panic when the reader has closed the pipe (`tickgate … | head`), which must not end
/// a run.
macro_rules! print {
    ($($arg:tt)*) => { $crate::cli::print_out(format_args!($($arg)*)) };
}
/// As `print!`, with a line feed.
macro_rules! println {
    () => { print!("\n") };
    ($($arg:tt)*) => { print!("{}\n", format_args!($($arg)*)) };
}
/// Prints to stdout unchanged: for rendered text, in which outside text is already sanitised, with our own escapes.
macro_rules! paint {
    ($($arg:tt)*) => { $crate::cli::paint_out(format_args!($($arg)*)) };
}
/// As `print!`, on stderr.
macro_rules! eprint {
    ($($arg:tt)*) => { $crate::cli::print_err(format_args!($($arg)*)) };
}
/// As `eprint!`, with a line feed.
macro_rules! eprintln {
    () => { eprint!("\n") };
    ($($arg:tt)*) => { eprint!("{}\n", format_args!($($arg)*)) };
}

mod args;
mod baseline;
mod capacity;
mod check;
mod clean;
mod compare;
mod doctor;
mod dry;
mod github;
mod lint;
mod matrix;
mod outside;
mod pause;
mod power;
mod profiles;
mod progress;
mod report;
mod run;
mod scripts;
mod selftest;
mod short;
mod tags;
mod topology;
mod volume;

use std::io::{ErrorKind, Write};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::Parser;

use crate::broker::BrokerError;
use crate::bus::BusError;
use crate::record::{End, Record, Verdict};
use crate::report::show;
use crate::run::RunError;
use crate::session::{SessionError, with_sources};
use args::{Args, Command};

/// The exit codes of tickgate, which are part of its API: see README.md.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Every objective holds.
    Pass,
    /// An objective is missed.
    Missed,
    /// The command line or the profile is wrong.
    Usage,
    /// Whether the objectives hold is unknown.
    Inconclusive,
    /// The broker or the environment failed.
    Environment,
    /// The run was interrupted.
    Interrupted,
}

impl Exit {
    /// The numeric exit code.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Pass => 0,
            Self::Missed => 1,
            Self::Usage => 2,
            Self::Inconclusive => 3,
            Self::Environment => 4,
            Self::Interrupted => 130,
        }
    }

    /// The exit code of a run: an interruption outranks the verdict, a missed objective outranks a failure of the
    /// broker, and that outranks an inconclusive verdict.
    #[must_use]
    pub const fn of(record: &Record) -> Self {
        match (record.run.end, record.verdict) {
            (End::Interrupted, _) => Self::Interrupted,
            (_, Verdict::Fail) => Self::Missed,
            (End::BrokerFailed, _) => Self::Environment,
            (_, Verdict::Inconclusive) => Self::Inconclusive,
            (_, Verdict::Pass) => Self::Pass,
        }
    }
}

/// An error with its exit code and its complete text.
#[derive(Debug)]
struct Failure {
    exit: Exit,
    text: String,
}

impl Failure {
    fn usage(error: impl std::fmt::Display) -> Self {
        Self { exit: Exit::Usage, text: error.to_string() }
    }

    fn environment(error: &dyn std::error::Error) -> Self {
        Self { exit: Exit::Environment, text: with_sources(error) }
    }

    /// As [`Self::environment`], on one line, whatever text the broker sent.
    fn plain(error: &dyn std::error::Error) -> Self {
        Self { exit: Exit::Environment, text: show::plain(&with_sources(error)) }
    }
}

impl From<SessionError> for Failure {
    /// Maps each error to its exit code. Text from a broker may have several lines and is put on one.
    fn from(error: SessionError) -> Self {
        match &error {
            SessionError::Broker(BrokerError::Interrupted)
            | SessionError::Run(RunError::InterruptedBeforeLoad) => {
                Self { exit: Exit::Interrupted, text: error.to_string() }
            }
            SessionError::Asked(text) => Self::usage(text),
            SessionError::Run(RunError::Topology { .. }) => Self::usage(&error),
            SessionError::Bus(BusError::Plan { .. })
            | SessionError::Run(RunError::Bus(BusError::Plan { .. })) => {
                Self::usage(show::plain(&error.to_string()))
            }
            SessionError::Bus(BusError::Environment { .. } | BusError::Refused { .. })
            | SessionError::Run(
                RunError::Bus(BusError::Environment { .. } | BusError::Refused { .. })
                | RunError::NotReady { .. }
                | RunError::BrokerDied { .. }
                | RunError::Machine(_),
            ) => Self::plain(&error),
            SessionError::Memory(_)
            | SessionError::Broker(_)
            | SessionError::Log(_)
            | SessionError::Record(_) => Self::environment(&error),
        }
    }
}

/// Set when writing to stdout has failed, so that its reader has no complete result.
static CUT_OFF: AtomicBool = AtomicBool::new(false);

/// Writes sanitised text to stdout.
fn print_out(text: std::fmt::Arguments<'_>) {
    paint_out(format_args!("{}", outside::shown(&text.to_string())));
}

/// Writes to stdout unchanged. A closed pipe is ignored; any other failure is reported once and sets the exit code.
fn paint_out(text: std::fmt::Arguments<'_>) {
    let mut out = std::io::stdout().lock();
    check_written(out.write_fmt(text).and_then(|()| out.flush()));
}

fn check_written(written: std::io::Result<()>) {
    match written {
        Err(error) if error.kind() != ErrorKind::BrokenPipe && !CUT_OFF.swap(true, Ordering::Relaxed) => {
            eprintln!("tickgate: cannot write the output: {error}; exit code {}", Exit::Environment.code());
        }
        _ => {}
    }
}

/// Writes sanitised text to stderr.
fn print_err(text: std::fmt::Arguments<'_>) {
    paint_err(format_args!("{}", outside::shown(&text.to_string())));
}

/// Writes to stderr unchanged; a failure cannot be reported and is ignored.
fn paint_err(text: std::fmt::Arguments<'_>) {
    let mut err = std::io::stderr().lock();
    let _ = err.write_fmt(text).and_then(|()| err.flush());
}

/// Runs the command line and returns its exit code.
#[must_use]
pub fn main() -> ExitCode {
    outside::keep_out_arguments(std::env::args_os().map(|argument| argument.to_string_lossy().into_owned()));
    let args = match Args::try_parse() {
        Ok(args) => args,
        // The error quotes the arguments.
        Err(error) if error.use_stderr() => {
            eprint!("{}", error.render());
            return ExitCode::from(Exit::Usage.code());
        }
        Err(error) => {
            // Help and version are not errors.
            check_written(error.print());
            return ending(Exit::Pass);
        }
    };
    let done = match args.command {
        Command::Run(args) => run::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Topology(args) => topology::run(&args),
        Command::Profiles(args) => profiles::run(&args),
        Command::Doctor(args) => doctor::run(&args),
        Command::Selftest => selftest::run(),
        Command::Completions { shell } => Ok(scripts::completions(shell)),
        Command::Man { folder } => scripts::man(folder.as_deref()),
        Command::SupervisePower(args) => match power::run(args) {
            Ok(code) => return code,
            Err(failure) => Err(failure),
        },
        Command::ReapContainer { name } => reap(&name),
        Command::Report(args) => report::run(&args),
        Command::Compare(args) => compare::run(&args),
        Command::Capacity(args) => capacity::run(&args),
        Command::Baseline(args) => baseline::run(&args),
        Command::Matrix(args) => matrix::run(&args),
        Command::Clean(args) => clean::run(&args),
        Command::Lint(args) => lint::run(&args),
    };
    let exit = done.unwrap_or_else(|failure| {
        eprintln!("tickgate: {}", failure.text.trim_end());
        failure.exit
    });
    ending(exit)
}

/// Runs as the reaper of a run with a container.
#[cfg(feature = "containers")]
fn reap(name: &str) -> Result<Exit, Failure> {
    crate::broker::reap(name).map_err(|error| Failure::environment(&error))?;
    Ok(Exit::Pass)
}

#[cfg(not(feature = "containers"))]
fn reap(_: &str) -> Result<Exit, Failure> {
    Err(Failure::usage(crate::session::NO_CONTAINERS))
}

/// An environment variable.
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// The exit code, unless the output was cut off.
fn ending(exit: Exit) -> ExitCode {
    let cut_off = CUT_OFF.load(Ordering::Relaxed);
    ExitCode::from(if cut_off { Exit::Environment.code() } else { exit.code() })
}
