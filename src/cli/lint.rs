//! `tickgate lint`: names what will fail or bite in a NATS server's configuration, or in running servers.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;

use super::args::{Format, Lint};
use super::github::Job;
use super::outside::shown;
use super::{Exit, Failure, environment};
use crate::lint::{Finding, Level, Needs, Subject, json, lint_all, live, text, xml};
use crate::session::{Asked, lint};

pub(super) fn run(args: &Lint) -> Result<Exit, Failure> {
    let needs = match &args.profile {
        None => Needs::adr(),
        Some(profile) => Needs::of(&super::check::plan(profile, &args.sets)?).map_err(Failure::usage)?,
    };
    // Opened before anything is read or asked.
    let mut junit = args.junit.as_deref().map(open).transpose()?;
    let (linted, findings) = if args.live.is_empty() { files(args, &needs)? } else { servers(args, &needs)? };
    if let (Some(file), Some(path)) = (&mut junit, &args.junit) {
        let subject = if args.live.is_empty() { Subject::Files(args.files.len()) } else { Subject::Servers };
        let xml = shown(&xml(&linted, subject, &findings));
        file.write_all(xml.as_bytes()).map_err(|error| unwritten(path, &error))?;
    }
    match args.format {
        Format::Json => paint!("{}", json(&linted, &findings)),
        Format::Text => {
            print!("{}", text(&linted, &findings));
            annotate(&findings);
        }
    }
    let serious = findings.iter().any(|finding| finding.level > Level::Note);
    Ok(if serious { Exit::Missed } else { Exit::Pass })
}

fn open(path: &Path) -> Result<File, Failure> {
    File::create(path).map_err(|error| unwritten(path, &error))
}

fn unwritten(path: &Path, error: &io::Error) -> Failure {
    let text =
        format!("cannot write {}: {error}; name a file in a directory that you may write to", path.display());
    Failure { exit: Exit::Environment, text }
}

fn files(args: &Lint, needs: &Needs) -> Result<(Vec<String>, Vec<Finding>), Failure> {
    let (mut confs, mut findings) = (vec![], vec![]);
    for file in &args.files {
        match lint::read(file, &environment)? {
            Ok(read) => confs.push(read),
            Err(finding) => findings.push(*finding),
        }
    }
    findings.extend(lint_all(&confs, needs));
    Ok((args.files.iter().map(|file| file.display().to_string()).collect(), findings))
}

fn servers(args: &Lint, needs: &Needs) -> Result<(Vec<String>, Vec<Finding>), Failure> {
    let system =
        args.monitor_creds.is_some() || args.monitor_context.is_some() || args.monitor_user.is_some();
    let addresses =
        args.live.iter().any(|url| ["nats://", "tls://"].iter().any(|scheme| url.starts_with(scheme)));
    let (at, monitor) =
        if system || addresses { (Some(args.live.join(",")), vec![]) } else { (None, args.live.clone()) };
    let asked = Asked {
        at,
        monitor,
        monitor_creds: args.monitor_creds.clone(),
        monitor_context: args.monitor_context.clone(),
        monitor_user: args.monitor_user.clone(),
        tls_ca: args.tls_ca.clone(),
        ..Asked::default()
    };
    let servers = lint::servers(&asked, &environment)?;
    let named = |server: &live::Server| match server.name.as_str() {
        "" => server.url.clone(),
        name => name.to_owned(),
    };
    Ok((servers.iter().map(named).collect(), live::lint(&servers, needs)))
}

/// Prints an annotation for each finding that is more than a note, where a job interprets workflow commands.
fn annotate(findings: &[Finding]) {
    let job = Job::of_environment();
    for finding in findings.iter().filter(|finding| finding.level > Level::Note) {
        let level = if finding.level == Level::Fail { "error" } else { "warning" };
        let message = format!("{}\nwhy: {}\ninstead: {}", finding.what, finding.why, finding.instead);
        let title = format!("{} [{}]", finding.level.words(), finding.code);
        let line = match &finding.at {
            Some(at) => job.annotation_at(level, (&at.file, at.line, at.column), &title, &message),
            None => job.annotation(level, &title, &message),
        };
        if let Some(line) = line {
            paint!("{line}\n");
        }
    }
}
