//! GitHub Actions: the job summary and annotations, if the environment variables for them are set.

use std::fs::OpenOptions;
use std::io::Write as _;

use crate::record::{Record, Verdict};
use crate::report::{self, outside};

/// The outputs that the job's environment asks for.
#[derive(Debug, Default)]
pub(super) struct Job {
    /// The file that the summary is appended to.
    summary: Option<std::path::PathBuf>,
    /// Are lines on stdout interpreted as workflow commands?
    annotates: bool,
}

impl Job {
    pub(super) fn of_environment() -> Self {
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        Self {
            summary: set("GITHUB_STEP_SUMMARY").map(Into::into),
            annotates: set("GITHUB_ACTIONS").is_some_and(|value| value == "true"),
        }
    }

    /// Appends the summary and returns the lines to print, with a warning if the summary cannot be written.
    pub(super) fn annotate(&self, record: &Record) -> Vec<String> {
        let lines = if self.annotates { annotations(record) } else { vec![] };
        lines.into_iter().chain(self.summarise(&report::summary_md(record))).collect()
    }

    /// An annotation for a comparison, if the job interprets workflow commands.
    pub(super) fn annotation(&self, level: &str, title: &str, message: &str) -> Option<String> {
        self.annotates.then(|| command(level, title, message))
    }

    /// An annotation at a place of a file, if the job interprets workflow commands.
    pub(super) fn annotation_at(
        &self,
        level: &str,
        (file, line, column): (&str, u32, u32),
        title: &str,
        message: &str,
    ) -> Option<String> {
        let place = format!("file={},line={line},col={column},", property(file));
        self.annotates
            .then(|| command(level, title, message).replacen("title=", &format!("{place}title="), 1))
    }

    /// Appends Markdown to the job summary; returns a line to print if that fails.
    pub(super) fn summarise(&self, markdown: &str) -> Option<String> {
        let path = self.summary.as_ref()?;
        let file = OpenOptions::new().append(true).create(true).open(path);
        let error = file.and_then(|mut file| writeln!(file, "{markdown}")).err()?;
        Some(command("warning", "tickgate", &format!("the job summary cannot be written: {error}")))
    }
}

/// A line for each objective that did not pass, or one for the run if all objectives passed but the run did not.
fn annotations(record: &Record) -> Vec<String> {
    let missed = record.objectives.iter().filter(|o| o.verdict != Verdict::Pass);
    let mut lines: Vec<String> = missed
        .map(|o| {
            let level = if o.verdict == Verdict::Fail { "error" } else { "warning" };
            let reason = o.reason.as_deref().unwrap_or("no reason given");
            let next = o.next.as_deref().map_or_else(String::new, |next| format!("\nnext: {next}"));
            command(
                level,
                &format!("{} {}: {}", o.name, o.limit, o.verdict.as_str()),
                &format!("{reason}{next}"),
            )
        })
        .collect();
    if lines.is_empty() && record.verdict != Verdict::Pass {
        lines.push(command("warning", "tickgate", &report::words::verdict(record)));
    }
    lines
}

/// A workflow command, escaped so that text from outside can neither end it nor start another.
fn command(level: &str, title: &str, message: &str) -> String {
    format!("::{level} title={}::{}", property(title), data(message))
}

fn data(text: &str) -> String {
    outside::lines(text).replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(&outside::plain(text)).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_cannot_be_broken_out_of() {
        assert_eq!(
            command("error", "a,b: c", "100%\n::error::x"),
            "::error title=a%2Cb%3A c::100%25%0A: :error::x"
        );
        let job = Job { annotates: true, ..Job::default() };
        let line = job.annotation_at("warning", ("a,b.conf", 3, 1), "t", "m").unwrap();
        assert_eq!(line, "::warning file=a%2Cb.conf,line=3,col=1,title=t::m");
    }
}
