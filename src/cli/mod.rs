//! The command line: one file a command; the only place that prints, or maps an error to an exit code.

/// As the standard one, but without a panic when nobody reads it any more (`tickgate … | head`): a run must not
/// end for that.
macro_rules! print {
    ($($arg:tt)*) => { $crate::cli::print_out(format_args!($($arg)*)) };
}
/// The same with a line's end.
macro_rules! println {
    () => { print!("\n") };
    ($($arg:tt)*) => { print!("{}\n", format_args!($($arg)*)) };
}
/// On stdout, as it is: for texts whose renderer has made plain what is from outside, with escapes and commands of our own.
macro_rules! paint {
    ($($arg:tt)*) => { $crate::cli::paint_out(format_args!($($arg)*)) };
}
/// The same on stderr.
macro_rules! eprint {
    ($($arg:tt)*) => { $crate::cli::print_err(format_args!($($arg)*)) };
}
/// The same on stderr with a line's end.
macro_rules! eprintln {
    () => { eprint!("\n") };
    ($($arg:tt)*) => { eprint!("{}\n", format_args!($($arg)*)) };
}

mod args;
mod check;
mod clean;
mod compare;
mod doctor;
mod github;
mod outside;
mod pause;
mod profiles;
mod progress;
mod report;
mod run;
mod selftest;
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

/// How tickgate ends: an API, see README.md.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Every objective holds.
    Pass,
    /// An objective is missed.
    Missed,
    /// The command line or the profile is wrong.
    Usage,
    /// It cannot be told whether the objectives hold.
    Inconclusive,
    /// The broker or the environment failed.
    Environment,
    /// Somebody ended the run.
    Interrupted,
}

impl Exit {
    /// The number that the shell sees.
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

    /// The exit of a run by its record: an interruption outranks the verdict, a missed objective outranks the
    /// broker's failure, and a failure outranks what could not be told.
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

/// An error with its exit; the text is complete.
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

    /// The same on one line, whatever a broker has said.
    fn plain(error: &dyn std::error::Error) -> Self {
        Self { exit: Exit::Environment, text: show::plain(&with_sources(error)) }
    }
}

impl From<SessionError> for Failure {
    /// Each error with its exit. A broker's words may have lines; what is said of them is on one.
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
            SessionError::Bus(BusError::Environment { .. })
            | SessionError::Run(
                RunError::Bus(BusError::Environment { .. })
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

/// Could not everything be written to stdout? Whoever waits for it then has no result.
static CUT_OFF: AtomicBool = AtomicBool::new(false);

/// Writes to stdout what is fit to be shown.
fn print_out(text: std::fmt::Arguments<'_>) {
    paint_out(format_args!("{}", outside::shown(&text.to_string())));
}

/// Writes to stdout. A reader that has gone wants no more; any other failure is told, once, and is the exit's.
fn paint_out(text: std::fmt::Arguments<'_>) {
    let mut out = std::io::stdout().lock();
    heed(out.write_fmt(text).and_then(|()| out.flush()));
}

fn heed(written: std::io::Result<()>) {
    match written {
        Err(error) if error.kind() != ErrorKind::BrokenPipe && !CUT_OFF.swap(true, Ordering::Relaxed) => {
            eprintln!("tickgate: cannot write the output: {error}; exit code {}", Exit::Environment.code());
        }
        _ => {}
    }
}

/// Writes to stderr what is fit to be shown.
fn print_err(text: std::fmt::Arguments<'_>) {
    paint_err(format_args!("{}", outside::shown(&text.to_string())));
}

/// Writes to stderr, as it is. Where that fails there is nobody to tell.
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
        // It quotes what was given.
        Err(error) if error.use_stderr() => {
            eprint!("{}", error.render());
            return ExitCode::from(Exit::Usage.code());
        }
        Err(error) => {
            // Help and version are no errors.
            heed(error.print());
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
        Command::ReapContainer { name } => reap(&name),
        Command::Report(args) => report::run(&args),
        Command::Compare(args) => compare::run(&args),
        Command::Clean(args) => clean::run(&args),
    };
    let exit = done.unwrap_or_else(|failure| {
        eprintln!("tickgate: {}", failure.text.trim_end());
        failure.exit
    });
    ending(exit)
}

/// The work of the reaper of a run with a container.
#[cfg(feature = "containers")]
fn reap(name: &str) -> Result<Exit, Failure> {
    crate::broker::reap(name).map_err(|error| Failure::environment(&error))?;
    Ok(Exit::Pass)
}

#[cfg(not(feature = "containers"))]
fn reap(_: &str) -> Result<Exit, Failure> {
    Err(Failure::usage(crate::session::NO_CONTAINERS))
}

/// A variable of the environment.
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// The exit code, unless the output was cut off.
fn ending(exit: Exit) -> ExitCode {
    let cut_off = CUT_OFF.load(Ordering::Relaxed);
    ExitCode::from(if cut_off { Exit::Environment.code() } else { exit.code() })
}
