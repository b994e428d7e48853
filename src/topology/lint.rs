//! Finds mistakes in a topology and its groups before any event is sent; reports them and never corrects them.

mod suggest;

use serde::Serialize;

use crate::plan::{Group, Topology};

use super::pattern::Pattern;
use super::route::{filter, subject};

/// Maximum number of topics in a topology.
pub const TOPICS_MAX: usize = 32;

/// Severity of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Information.
    Note,
    /// Valid on a bus, but rarely intended.
    Warning,
    /// A bus refuses it, or a run could measure nothing.
    Error,
}

/// One mistake or remark.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Severity.
    pub severity: Severity,
    /// Code of the kind of finding, for machines.
    pub code: &'static str,
    /// The group concerned, if any.
    pub group: Option<String>,
    /// The topic, pattern or name concerned.
    pub subject: String,
    /// The mistake.
    pub message: String,
    /// How to correct it.
    pub hint: String,
}

impl Finding {
    fn new(
        severity: Severity,
        code: &'static str,
        subject: &str,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self {
            severity,
            code,
            group: None,
            subject: subject.to_owned(),
            message: message.into(),
            hint: hint.into(),
        }
    }

    fn of(self, group: &Group) -> Self {
        Self { group: Some(group.name.clone()), ..self }
    }
}

/// Returns all findings about a topology and its groups, the most severe first, else in the order of the plan.
#[must_use]
pub fn lint(topology: &Topology, groups: &[Group]) -> Vec<Finding> {
    let mut lint = Lint { topology, groups, findings: vec![] };
    lint.prefix();
    lint.topics();
    lint.names();
    for group in groups {
        lint.patterns(group);
        lint.overlaps(group);
    }
    lint.receivers();
    lint.findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    lint.findings
}

struct Lint<'a> {
    topology: &'a Topology,
    groups: &'a [Group],
    findings: Vec<Finding>,
}

impl Lint<'_> {
    fn prefix(&mut self) {
        let prefix = &self.topology.prefix;
        if prefix.is_empty() {
            let message =
                "the topology has no prefix, so that its stream would take in every subject of the bus";
            self.findings.push(error("prefix-missing", prefix, message, "give it one, such as `ai-trader`"));
        } else if let Some(problem) = not_literal(prefix) {
            let message = format!("no subject can begin with this prefix: {problem}");
            self.findings.push(error(
                "prefix-invalid",
                prefix,
                message,
                "write plain tokens, such as `ai-trader`",
            ));
        }
    }

    fn topics(&mut self) {
        let Topology { name, topics, .. } = self.topology;
        if topics.is_empty() {
            self.findings.push(error(
                "no-topics",
                name,
                "the topology has no topics",
                "list at least one topic",
            ));
        }
        if topics.len() > TOPICS_MAX {
            let message = format!("the topology has {} topics, and {TOPICS_MAX} is the most", topics.len());
            let hint = format!("leave {} of them out", topics.len() - TOPICS_MAX);
            self.findings.push(error("too-many-topics", name, message, hint));
        }
        for (index, topic) in topics.iter().enumerate() {
            if topics[..index].contains(topic) {
                let message = format!("the topic `{topic}` is listed twice");
                self.findings.push(error("duplicate-topic", topic, message, "leave one of them out"));
            } else if let Some(problem) = not_literal(topic) {
                let message = format!("no event can have this topic: {problem}");
                self.findings.push(error(
                    "topic-invalid",
                    topic,
                    message,
                    "name one subject, in plain tokens",
                ));
            } else if let Some(rest) = without_prefix(self.topology, topic) {
                let whole = subject(self.topology, topic);
                let message = format!("the topic begins with the prefix, so that its subject is `{whole}`");
                self.findings.push(warning("prefix-doubled", topic, message, format!("write `{rest}`")));
            }
        }
    }

    fn names(&mut self) {
        for (index, group) in self.groups.iter().enumerate() {
            let name = &group.name;
            if self.groups[..index].iter().any(|other| other.name == *name) {
                let message = format!("two groups have the name `{}`", name.escape_debug());
                self.findings.push(error("duplicate-group", name, message, "rename one of them").of(group));
            }
            let forbidden = |c: char| ".*>/\\".contains(c) || c.is_whitespace() || c.is_control();
            if name.is_empty() || name.contains(forbidden) {
                let message = format!("NATS cannot name a durable consumer `{}`", name.escape_debug());
                let hint = "do without `.`, `*`, `>`, `/`, `\\` and white space; `-` and `_` are fine";
                self.findings.push(error("name-forbidden", name, message, hint).of(group));
            }
        }
    }

    /// Checks each pattern of a group, and whether the group receives any topic.
    fn patterns(&mut self, group: &Group) {
        let mut receives_any = false;
        for text in &group.subscribe {
            let pattern = match Pattern::parse(text) {
                Ok(pattern) => pattern,
                Err(problem) => {
                    let hint = "mend it, or remove it";
                    self.findings.push(error("pattern-invalid", text, problem.to_string(), hint).of(group));
                    continue;
                }
            };
            let matched = self.matched(&pattern);
            receives_any |= !matched.is_empty();
            let finding = if let Some(rest) = without_prefix(self.topology, text) {
                let whole = subject(self.topology, text);
                let message = format!("the pattern begins with the prefix, so that it asks for `{whole}`");
                Some(warning("prefix-doubled", text, message, format!("write `{rest}`")))
            } else if matched.is_empty() {
                Some(self.dead(&pattern))
            } else {
                self.leading_wildcard(&pattern)
            };
            let ambiguous = self.symbol_taken_for_topic(&pattern);
            let dead_letters = dead_letters_return(group, &pattern, &matched);
            let found = finding.into_iter().chain(ambiguous).chain(dead_letters);
            self.findings.extend(found.map(|finding| finding.of(group)));
        }
        if !receives_any {
            let message = format!(
                "`{}` can receive nothing: no topic matches any of its patterns",
                group.name.escape_debug()
            );
            let hint = "mend its patterns, add the topics that they are meant for, or remove the group";
            self.findings.push(error("group-receives-nothing", &group.name, message, hint).of(group));
        }
    }

    /// Reports a pattern that matches no topic, and suggests one that does.
    fn dead(&self, pattern: &Pattern) -> Finding {
        let topics = &self.topology.topics;
        let near = topics.iter().find(|topic| topic.split('.').next() == pattern.tokens().next());
        let message = match near {
            Some(topic) if pattern.tokens().any(|token| token == "*") => {
                format!(
                    "`{pattern}` matches no topic, not even `{topic}`: a `*` stands for exactly one token"
                )
            }
            Some(topic) => format!("`{pattern}` matches no topic, not even `{topic}`"),
            None => format!("`{pattern}` matches no topic"),
        };
        let hint = match suggest::instead_of(pattern, topics) {
            Some(other) => format!("write `{other}`, which matches {}", listed(&self.matched(&other))),
            None => "add the topics that it is meant for, or remove it".to_owned(),
        };
        warning("pattern-matches-nothing", pattern.as_str(), message, hint)
    }

    /// Reports a leading wildcard, which hides a missing prefix: it matches the prefix as its token.
    fn leading_wildcard(&self, pattern: &Pattern) -> Option<Finding> {
        (pattern.tokens().next() == Some("*")).then(|| {
            let Topology { prefix, .. } = self.topology;
            let message = format!(
                "`{pattern}` begins with a wildcard: subscribed to without the prefix, its `*` stands for \
                 `{prefix}`, and it receives nothing"
            );
            let hint = format!("a service must subscribe to `{}`", subject(self.topology, pattern.as_str()));
            Finding::new(Severity::Note, "leading-wildcard", pattern.as_str(), message, hint)
        })
    }

    /// Reports a pattern like `market.>` that, with the symbol in the subject, also matches the topic `market` followed
    /// by its symbol.
    fn symbol_taken_for_topic(&self, pattern: &Pattern) -> Option<Finding> {
        let head = pattern.as_str().strip_suffix(".>").filter(|_| self.topology.symbol_in_subject)?;
        let head = Pattern::parse(head).ok()?;
        let topic = self.topology.topics.iter().find(|topic| head.matches(topic))?;
        let message = format!(
            "on the bus `{pattern}` also receives `{topic}`, whose symbol looks like a part of the topic"
        );
        let hint = format!("give `{topic}` one more token, or leave the symbol out of the subject");
        Some(error("symbol-ambiguous", pattern.as_str(), message, hint))
    }

    /// Reports patterns of one group that overlap as filters on the bus.
    fn overlaps(&mut self, group: &Group) {
        let parse = |text: &String| {
            Some((Pattern::parse(text).ok()?, Pattern::parse(&filter(self.topology, text)).ok()?))
        };
        let patterns: Vec<(Pattern, Pattern)> = group.subscribe.iter().filter_map(parse).collect();
        for (index, (second, second_filter)) in patterns.iter().enumerate() {
            for (first, first_filter) in &patterns[..index] {
                if !first_filter.overlaps(second_filter) {
                    continue;
                }
                let mut both = self.matched(first);
                both.retain(|topic| second.matches(topic));
                let both = if both.is_empty() { "no topic so far".to_owned() } else { listed(&both) };
                let message = format!(
                    "`{first}` and `{second}` overlap (both match {both}): NATS refuses overlapping filters of one \
                     consumer, error 10138"
                );
                let hint = if first_filter.covers(second_filter) {
                    format!("remove `{second}`: `{first}` receives all of it")
                } else if second_filter.covers(first_filter) {
                    format!("remove `{first}`: `{second}` receives all of it")
                } else {
                    "narrow one of them, or give each a group of its own".to_owned()
                };
                self.findings.push(error("patterns-overlap", second.as_str(), message, hint).of(group));
            }
        }
    }

    /// Reports topics that no group receives.
    fn receivers(&mut self) {
        let patterns: Vec<(&Group, Pattern)> = self
            .groups
            .iter()
            .flat_map(|group| {
                group.subscribe.iter().filter_map(move |text| Some((group, Pattern::parse(text).ok()?)))
            })
            .collect();
        let topics = &self.topology.topics;
        for topic in topics {
            if not_literal(topic).is_some() || patterns.iter().any(|(_, pattern)| pattern.matches(topic)) {
                continue;
            }
            let meant = patterns.iter().filter(|(_, pattern)| self.matched(pattern).is_empty()).find_map(
                |(group, pattern)| {
                    let other = suggest::instead_of(pattern, topics).filter(|other| other.matches(topic))?;
                    Some(format!("`{}` would, with `{other}` in place of `{pattern}`", group.name))
                },
            );
            let message = format!("no group receives `{topic}`");
            self.findings.push(if let Some(hint) = meant {
                warning("topic-unreceived", topic, message, hint)
            } else {
                let hint =
                    "its events are stored and never delivered: subscribe a group to it, or leave it out";
                Finding::new(Severity::Note, "topic-unreceived", topic, message, hint)
            });
        }
    }

    fn matched(&self, pattern: &Pattern) -> Vec<&str> {
        self.topology.topics.iter().map(String::as_str).filter(|topic| pattern.matches(topic)).collect()
    }
}

/// Reports dead letters that return to the group that failed on them, because it also works on live events.
fn dead_letters_return(group: &Group, pattern: &Pattern, matched: &[&str]) -> Option<Finding> {
    let (dead, live): (Vec<&str>, Vec<&str>) =
        matched.iter().partition(|topic| topic.rsplit('.').next() == Some("dlq"));
    (!dead.is_empty() && !live.is_empty()).then(|| {
        let message = format!("`{pattern}` also receives the dead letters {}", listed(&dead));
        let hint =
            format!("name dead letters after the group that failed on them, such as `{}.dlq`", group.name);
        warning("dead-letters-return", pattern.as_str(), message, hint)
    })
}

fn error(code: &'static str, subject: &str, message: impl Into<String>, hint: impl Into<String>) -> Finding {
    Finding::new(Severity::Error, code, subject, message, hint)
}

fn warning(
    code: &'static str,
    subject: &str,
    message: impl Into<String>,
    hint: impl Into<String>,
) -> Finding {
    Finding::new(Severity::Warning, code, subject, message, hint)
}

/// Returns why a text cannot be (a part of) one subject.
fn not_literal(text: &str) -> Option<String> {
    match Pattern::parse(text) {
        Ok(pattern) if pattern.is_literal() => None,
        Ok(pattern) => Some(format!("`{pattern}` has a wildcard in it")),
        Err(error) => Some(error.to_string()),
    }
}

/// Returns the part after the prefix of a topic or pattern that begins with it.
fn without_prefix<'a>(topology: &Topology, text: &'a str) -> Option<&'a str> {
    text.strip_prefix(topology.prefix.as_str())?.strip_prefix('.').filter(|_| !topology.prefix.is_empty())
}

/// Lists the first few topics for a message.
fn listed(topics: &[&str]) -> String {
    const SHOWN: usize = 4;
    let shown: Vec<String> = topics.iter().take(SHOWN).map(|topic| format!("`{topic}`")).collect();
    let more = topics.len().saturating_sub(SHOWN);
    if more == 0 { shown.join(", ") } else { format!("{} and {more} more", shown.join(", ")) }
}

#[cfg(test)]
mod tests;
