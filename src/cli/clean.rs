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

/// What was used within this is watched before it is removed: is it used still?
const RECENT_NS: u64 = 60_000_000_000;
/// How long it is watched. A run that is alive publishes or asks for events within that.
const WATCH: Duration = Duration::from_secs(3);
/// Why something is left alone that seemed abandoned.
const CHANGED: &str = "it was used or changed meanwhile";
const SECOND: u64 = 1_000_000_000;

/// What became of what was to be removed.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Outcome {
    Removed,
    /// It was removed in the meantime.
    Gone,
    /// It was used meanwhile, or is not what it was.
    Changed,
    Failed(String),
}

/// A bus to clean.
pub(super) struct Bus {
    pub(super) cleaner: Box<dyn Cleaner>,
    /// Where it is, without secrets.
    pub(super) label: String,
    /// What the user should know.
    pub(super) warnings: Vec<String>,
}

/// One leftover, and what became of it.
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
            tell(&rows);
        }
    }
    if !text {
        print_json(&rows, &label, args)?;
    }
    let failed = rows.iter().any(|row| matches!(row.outcome, Some(Outcome::Failed(_))));
    Ok(if failed { Exit::Environment } else { Exit::Pass })
}

/// The bus that is meant; nothing is left on the others.
fn reach(args: &args::Broker) -> Result<Bus, Failure> {
    let nothing = |what: &str, why: &str| {
        Failure::usage(format!(
            "nothing is left on {what}: {why}; name a bus with --broker nats://HOST:PORT, --broker kafka://HOST:PORT or --context NAME"
        ))
    };
    if args.port.is_some() || args.store.is_some() {
        return Err(Failure::usage(
            "--port and --store are for a server that tickgate starts; leave them out: it is gone when its run ends",
        ));
    }
    if !args.monitor.is_empty() {
        return Err(Failure::usage("--monitor is for runs: leave it out"));
    }
    let asked = args.asked();
    match asked.way() {
        Way::Process => return Err(nothing("`local`", "its server and its store end with the run")),
        Way::Simulated => return Err(nothing("`sim`", "it is in the run's own process")),
        Way::Container(_) => {
            return Err(nothing("`container`", "the container and its volume are removed with the run"));
        }
        Way::Context | Way::Address(_) | Way::Unknown => {}
    }
    let Some(Elsewhere { target, warnings, .. }) = asked.elsewhere(&environment)? else {
        return Err(Failure::usage(format!(
            "`--broker {}` is no bus to clean; expected nats://HOST:PORT, tls://HOST:PORT, kafka://HOST:PORT or \
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
        println!("nothing was removed; to remove what is abandoned ({of}), add --yes");
        return false;
    }
    print!("Remove what is abandoned ({of})? Type yes: ");
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

/// Removes what may go, if a second look finds it as the first has: the user may have taken a while to answer, and a
/// run that is alive may have been between two events.
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

/// How long ago, as people say it.
fn ago(ns: u64) -> String {
    let s = ns / SECOND;
    match s {
        0..120 => format!("{s} s"),
        120..7_200 => format!("{} min", s / 60),
        7_200..172_800 => format!("{} h", s / 3_600),
        _ => format!("{} d", s / 86_400),
    }
}

/// What may become of a leftover, in a word for programs.
const fn word(standing: &Standing) -> &'static str {
    match standing {
        Standing::Abandoned => "abandoned",
        Standing::Used { .. } | Standing::Young { .. } => "in-use",
        Standing::Ageless => "unknown-age",
        Standing::Unproven(_) => "unproven",
        Standing::Foreign(_) => "left-alone",
    }
}

/// The same in a sentence.
fn sentence(row: &Row, args: &Clean) -> String {
    match &row.standing {
        Standing::Abandoned => match row.found.age_ns() {
            Some(age) => format!("abandoned: last used {} ago", ago(age)),
            None => "abandoned: no event in it, and nobody uses it".to_owned(),
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
                "its age is not known: no event can be read from it; removed only with --run {}",
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

/// What it is and holds.
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

fn tell(rows: &[Row]) {
    for row in rows {
        let said = match &row.outcome {
            None => continue,
            Some(Outcome::Removed) => "removed".to_owned(),
            Some(Outcome::Gone) => "gone already".to_owned(),
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
    // Both are of a file: only what is the id of a run stands in a command.
    let elsewhere = mode == "url" || mode.starts_with("context ");
    (elsewhere && crate::bus::leftover::is_run_id(run)).then(|| {
        format!(
            "what the run made on its bus may still be there: `tickgate clean --run {run} --older-than 0s` with the \
             --broker or --context of the run lists it, and removes it if asked to"
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
