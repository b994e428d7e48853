//! `tickgate clean`: lists what killed runs left on a bus that tickgate did not start, and removes it on request.

use std::fmt::Write as _;
use std::io::{BufRead, IsTerminal, stdin};
use std::time::Duration;

use serde_json::{Value, json};

use super::args::{self, Clean, Format};
use super::{Exit, Failure, environment, outside, with_sources};
use crate::bus::BusError;
use crate::bus::leftover::{Cleaner, Kind, Leftover, Standing, judge};
use crate::host::clock;
use crate::report::{self, show};
use crate::session::{Elsewhere, SessionError, Way};

/// Leftovers used within this time are watched before they are removed.
const RECENT_NS: u64 = 60_000_000_000;
/// How long they are watched. A live run publishes or fetches within that time.
const WATCH: Duration = Duration::from_secs(3);
/// Reason for not removing a leftover that looked abandoned.
const CHANGED: &str = "it has been used or changed since";
const SECOND: u64 = 1_000_000_000;

/// Result of a removal.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Outcome {
    Removed,
    /// Already removed by another process.
    Gone,
    /// Used or changed since it was listed.
    Changed,
    Failed(String),
}

/// A bus to clean.
pub(super) struct Bus {
    pub(super) cleaner: Box<dyn Cleaner>,
    /// Its address, without secrets.
    pub(super) label: String,
    /// Warnings for the user.
    pub(super) warnings: Vec<String>,
}

/// One leftover and the result of its removal.
struct Row {
    found: Leftover,
    standing: Standing,
    outcome: Option<Outcome>,
}

impl Row {
    fn may_go(&self) -> bool {
        self.standing == Standing::Abandoned
    }
}

pub(super) fn run(args: &Clean) -> Result<Exit, Failure> {
    let Bus { mut cleaner, label, warnings } = reach(&args.broker)?;
    for warning in warnings {
        eprintln!("warning: {warning}");
    }
    let mut rows = look(cleaner.as_mut(), args)?;
    let text = args.format == Format::Text;
    if text {
        list(&rows, &label, args);
    }
    if rows.iter().any(Row::may_go) && agreed(&rows, args) {
        remove(cleaner.as_mut(), &mut rows, args)?;
        if text {
            print_outcomes(&rows);
        }
    }
    if !text {
        print_json(&rows, &label, args)?;
    }
    let failed = rows.iter().any(|row| matches!(row.outcome, Some(Outcome::Failed(_))));
    Ok(if failed { Exit::Environment } else { Exit::Pass })
}

/// Connects to the named bus. Only a bus that tickgate did not start can have leftovers.
fn reach(args: &args::Broker) -> Result<Bus, Failure> {
    let nothing = |what: &str, why: &str| {
        Failure::usage(format!(
            "nothing is left on {what}: {why}; name a bus with --broker nats://HOST:PORT, --broker kafka://HOST:PORT or --context NAME"
        ))
    };
    if args.port.is_some() || args.store.is_some() {
        return Err(Failure::usage(
            "--port and --store apply to a server that tickgate starts, which ends with its run; leave them out",
        ));
    }
    if let Some(flag) = args.asked().monitoring().first() {
        return Err(Failure::usage(format!("{flag} is for runs: leave it out")));
    }
    let asked = args.asked().of_any_product(&environment)?;
    match asked.way() {
        Way::Process | Way::Program => {
            return Err(nothing("`local`", "its server and its store end with the run"));
        }
        Way::Simulated => return Err(nothing("`sim`", "it is part of the run's own process")),
        Way::Container(_) => {
            return Err(nothing("`container`", "the container and its volume are removed with the run"));
        }
        Way::Context | Way::Address(_) | Way::Unknown => {}
    }
    let Some(Elsewhere { target, warnings, .. }) = asked.elsewhere(&environment)? else {
        return Err(Failure::usage(format!(
            "`--broker {}` is not a bus that can be cleaned; expected nats://HOST:PORT, tls://HOST:PORT, kafka://HOST:PORT or \
             kafka+tls://HOST:PORT",
            asked.label()
        )));
    };
    let cleaner = target.cleaner().map_err(bus_failure)?;
    Ok(Bus { cleaner, label: target.label().to_owned(), warnings })
}

fn bus_failure(error: BusError) -> Failure {
    SessionError::from(error).into()
}

fn look(cleaner: &mut dyn Cleaner, args: &Clean) -> Result<Vec<Row>, Failure> {
    let found = cleaner.find().map_err(bus_failure)?;
    let asked = |found: &Leftover| args.run.as_ref().is_none_or(|run| *run == found.run);
    let row = |found: Leftover| Row {
        standing: judge(&found, args.older_than.ns, args.run.is_some()),
        found,
        outcome: None,
    };
    Ok(found.into_iter().filter(asked).map(row).collect())
}

/// Has the user confirmed the removal? Prints how to confirm if there is no terminal.
fn agreed(rows: &[Row], args: &Clean) -> bool {
    if args.yes {
        return true;
    }
    let count = rows.iter().filter(|row| row.may_go()).count();
    let of = show::several(crate::num::count(count), "run");
    if args.format == Format::Json {
        return false;
    }
    if !stdin().is_terminal() {
        println!("nothing was removed; to remove the leftovers of {of}, add --yes");
        return false;
    }
    print!("Remove the leftovers of {of}? Type yes: ");
    let says_so = says_yes(&mut stdin().lock());
    if !says_so {
        println!("nothing was removed");
    }
    says_so
}

/// Is the next line a `yes`?
fn says_yes(input: &mut dyn BufRead) -> bool {
    let mut line = String::new();
    input.read_line(&mut line).is_ok() && line.trim() == "yes"
}

/// Removes the abandoned leftovers that a second look finds unchanged: the user may have taken a while to answer, and
/// a live run may have been between two events.
fn remove(cleaner: &mut dyn Cleaner, rows: &mut [Row], args: &Clean) -> Result<(), Failure> {
    let recent = |row: &Row| row.may_go() && row.found.age_ns().is_none_or(|age| age < RECENT_NS);
    if rows.iter().any(recent) {
        std::thread::sleep(WATCH);
    }
    let again = look(cleaner, args)?;
    for row in rows.iter_mut().filter(|row| row.may_go()) {
        row.outcome = Some(match again.iter().find(|other| other.found.parts == row.found.parts) {
            None if again.iter().any(|other| other.found.run == row.found.run) => Outcome::Changed,
            None => Outcome::Gone,
            Some(other) if !other.may_go() || other.found.last_used != row.found.last_used => {
                Outcome::Changed
            }
            Some(other) => match cleaner.remove(&other.found) {
                Ok(()) => Outcome::Removed,
                Err(error) => Outcome::Failed(show::plain(&with_sources(&error))),
            },
        });
    }
    Ok(())
}

/// An age for people.
fn ago(ns: u64) -> String {
    let s = ns / SECOND;
    match s {
        0..120 => format!("{s} s"),
        120..7_200 => format!("{} min", s / 60),
        7_200..172_800 => format!("{} h", s / 3_600),
        _ => format!("{} d", s / 86_400),
    }
}

/// The state of a leftover in one word, for the JSON output.
const fn word(standing: &Standing) -> &'static str {
    match standing {
        Standing::Abandoned => "abandoned",
        Standing::Used { .. } | Standing::Young { .. } => "in-use",
        Standing::Ageless => "unknown-age",
        Standing::Unproven(_) => "unproven",
        Standing::Foreign(_) => "left-alone",
    }
}

/// The state of a leftover in a sentence.
fn sentence(row: &Row, args: &Clean) -> String {
    match &row.standing {
        Standing::Abandoned => match row.found.age_ns() {
            Some(age) => format!("abandoned: last used {} ago", ago(age)),
            None => "abandoned: without events and not in use".to_owned(),
        },
        Standing::Used { users } => {
            let who = if on_kafka(&row.found) { "member" } else { "waiting consumer" };
            format!("in use: {} now", show::several(*users, who))
        }
        Standing::Young { age_ns } => {
            format!("in use: last used {} ago, which is less than {}", ago(*age_ns), args.older_than)
        }
        Standing::Ageless => {
            format!(
                "its age is unknown, since no event can be read from it; removed only with --run {}",
                row.found.run
            )
        }
        Standing::Unproven(why) => {
            format!("may be tickgate's: {why}; removed only with --run {}", row.found.run)
        }
        Standing::Foreign(why) => format!("left alone: {why}"),
    }
}

fn on_kafka(found: &Leftover) -> bool {
    found.parts.iter().any(|part| part.kind != Kind::Stream)
}

/// Number of events and consumers, size, and time of creation.
fn contents(found: &Leftover) -> String {
    let mut text = show::several(found.events, "event");
    if let Some(bytes) = found.bytes {
        let _ = write!(text, ", {}", show::size(bytes));
    }
    let consumer = if on_kafka(found) { "group" } else { "consumer" };
    let _ = write!(text, ", {}", show::several(found.consumers, consumer));
    if let Some(at) = found.created {
        let _ = write!(text, "; created {}", clock::utc(at));
    }
    text
}

fn list(rows: &[Row], label: &str, args: &Clean) {
    if rows.is_empty() {
        let of = args.run.as_ref().map_or_else(String::new, |run| format!(" by run {run}"));
        println!("{}", show::plain(&format!("nothing was left at {label}{of}")));
        return;
    }
    println!("{}", show::plain(&format!("at {label}:")));
    for row in rows {
        let run =
            if row.found.run.is_empty() { "no run".to_owned() } else { format!("run {}", row.found.run) };
        println!("\n  {}", show::plain(&format!("{run}, {}", sentence(row, args))));
        println!("    {}", contents(&row.found));
        for part in &row.found.parts {
            println!("    {}", show::plain(&format!("{} {}", part.kind.word(), part.name)));
        }
    }
    println!();
}

fn print_outcomes(rows: &[Row]) {
    for row in rows {
        let said = match &row.outcome {
            None => continue,
            Some(Outcome::Removed) => "removed".to_owned(),
            Some(Outcome::Gone) => "already gone".to_owned(),
            Some(Outcome::Changed) => format!("left alone: {CHANGED}"),
            Some(Outcome::Failed(why)) => format!("not removed: {why}"),
        };
        println!("{}", show::plain(&format!("run {}: {said}", row.found.run)));
    }
}

fn print_json(rows: &[Row], label: &str, args: &Clean) -> Result<(), Failure> {
    let time = |at: Option<u64>| at.map(clock::utc);
    let row = |row: &Row| {
        let (found, changed) = (&row.found, row.outcome == Some(Outcome::Changed));
        let (removed, error) = match &row.outcome {
            Some(Outcome::Removed) => (true, None),
            Some(Outcome::Failed(why)) => (false, Some(why)),
            _ => (false, None),
        };
        let parts = found.parts.iter().map(|part| json!({ "kind": part.kind.word(), "name": part.name }));
        json!({
            "run": found.run,
            "state": if changed { "in-use" } else { word(&row.standing) },
            "why": if changed { format!("in use: {CHANGED}") } else { sentence(row, args) },
            "parts": parts.collect::<Vec<_>>(),
            "created": time(found.created),
            "last_used": time(found.last_used),
            "age_s": found.age_ns().map(|age| age / SECOND),
            "users": found.users,
            "consumers": found.consumers,
            "events": found.events,
            "bytes": found.bytes,
            "removed": removed,
            "error": error,
        })
    };
    let document = json!({
        "bus": label,
        "older_than": args.older_than,
        "found": rows.iter().map(row).collect::<Vec<Value>>(),
    });
    let text = serde_json::to_string_pretty(&outside::clean(&document)?)
        .map_err(|error| Failure::environment(&error))?;
    paint!("{}\n", report::outside::json(&text));
    Ok(())
}

/// Advice after a run on a bus that tickgate did not start was killed.
pub(super) fn hint_after(run: &str, mode: &str) -> Option<String> {
    // Both come from a file: only a valid run id may appear in a command.
    let elsewhere = mode == "url" || mode.starts_with("context ");
    (elsewhere && crate::bus::leftover::is_run_id(run)).then(|| {
        format!(
            "the run's streams and consumers may still be on its bus: `tickgate clean --run {run} --older-than 0s` with \
             the --broker or --context of the run lists them and removes them on request"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_yes_is_one() {
        for (typed, yes) in [
            ("yes\n", true),
            (" yes \r\n", true),
            ("y\n", false),
            ("Yes\n", false),
            ("\n", false),
            ("", false),
        ] {
            assert_eq!(says_yes(&mut typed.as_bytes()), yes, "{typed:?}");
        }
    }

    #[test]
    fn ages_are_said_in_the_unit_that_fits() {
        for (s, said) in
            [(0, "0 s"), (119, "119 s"), (120, "2 min"), (7_199, "119 min"), (7_200, "2 h"), (172_800, "2 d")]
        {
            assert_eq!(ago(s * SECOND), said);
        }
    }

    #[test]
    fn only_a_run_elsewhere_may_have_left_something() {
        for mode in ["url", "context production"] {
            let hint = hint_after("0f3k2m1a", mode).unwrap();
            assert!(hint.contains("`tickgate clean --run 0f3k2m1a --older-than 0s`"), "{hint}");
            assert_eq!(hint_after("$(reboot)", mode), None);
        }
        for mode in ["local", "container", "sim", ""] {
            assert_eq!(hint_after("0f3k2m1a", mode), None);
        }
    }
}
