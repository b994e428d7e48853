//! What is wrong with a topology and its groups, before any event is sent; says so and never mends it.

mod suggest;

use serde::Serialize;

use crate::plan::{Group, Topology};

use super::pattern::Pattern;
use super::route::{filter, subject};

/// The most topics a topology may have.
pub const TOPICS_MAX: usize = 32;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Good to know.
    Note,
    /// A bus takes it, but hardly anybody means it.
    Warning,
    /// A bus refuses it, or a run of it could show nothing.
    Error,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// Its kind, for machines.
    pub code: &'static str,
    /// The group that it is about, if any.
    pub group: Option<String>,
    /// The topic, pattern or name that it is about.
    pub subject: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
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

/// Everything that is wrong with a topology and its groups, the worst first, else in the order of the plan.
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

    /// Each pattern of a group by itself, and whether the group receives anything at all.
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

    /// A pattern that matches no topic, and what would.
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

    /// A wildcard in front is where a forgotten prefix is not seen: it takes the prefix for its token.
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

    /// With the symbol in the subject, `market.>` also takes in the topic `market`, followed by its symbol.
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

    /// Patterns of one group that overlap as filters on the bus.
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

    /// Topics that no group receives.
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

/// Dead letters that go to a group which also works on live events come back to where they failed.
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

/// Why a text cannot be (a part of) one subject.
fn not_literal(text: &str) -> Option<String> {
    match Pattern::parse(text) {
        Ok(pattern) if pattern.is_literal() => None,
        Ok(pattern) => Some(format!("`{pattern}` has a wildcard in it")),
        Err(error) => Some(error.to_string()),
    }
}

/// What follows the prefix in a topic or pattern that begins with it.
fn without_prefix<'a>(topology: &Topology, text: &'a str) -> Option<&'a str> {
    text.strip_prefix(topology.prefix.as_str())?.strip_prefix('.').filter(|_| !topology.prefix.is_empty())
}

/// The first few of some topics, for a message.
fn listed(topics: &[&str]) -> String {
    const SHOWN: usize = 4;
    let shown: Vec<String> = topics.iter().take(SHOWN).map(|topic| format!("`{topic}`")).collect();
    let more = topics.len().saturating_sub(SHOWN);
    if more == 0 { shown.join(", ") } else { format!("{} and {more} more", shown.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Delivery;
    use crate::topology::adr;
    use proptest::prelude::*;

    fn topology(prefix: &str, topics: &[&str]) -> Topology {
        Topology {
            name: "t".to_owned(),
            prefix: prefix.to_owned(),
            topics: topics.iter().map(|&topic| topic.to_owned()).collect(),
            symbol_in_subject: false,
        }
    }

    fn group(name: &str, subscribe: &[&str]) -> Group {
        let subscribe = subscribe.iter().map(|&text| text.to_owned()).collect();
        Group { name: name.to_owned(), subscribe, members: 1, delivery: Delivery::Shared }
    }

    /// The findings as `severity code subject`, and the text of each.
    fn codes(findings: &[Finding]) -> Vec<(Severity, &str, &str)> {
        findings.iter().map(|finding| (finding.severity, finding.code, finding.subject.as_str())).collect()
    }

    fn hint(topics: &[&str], pattern: &str) -> String {
        let findings = lint(&topology("p", topics), &[group("g", &[pattern])]);
        findings.into_iter().find(|finding| finding.code == "pattern-matches-nothing").unwrap().hint
    }

    #[test]
    fn the_adr_as_written_has_these_faults() {
        let (topology, groups) = adr::named("adr-002-as-written").unwrap();
        insta::assert_debug_snapshot!(lint(&topology, &groups));
    }

    #[test]
    fn the_adr_as_meant_has_no_fault_but_topics_without_a_group() {
        let (topology, groups) = adr::named("adr-002").unwrap();
        insta::assert_debug_snapshot!(lint(&topology, &groups));
    }

    #[test]
    fn a_dead_pattern_gets_the_pattern_that_its_author_means() {
        let topics = ["market.quote.received", "market.bar.1m", "system.service.heartbeat"];
        for (pattern, meant) in [
            ("market.*", "market.>"),
            ("market", "market.>"),
            ("*", ">"),
            ("*.heartbeat", "*.*.heartbeat"),
            ("system.heartbeat", "system.*.heartbeat"),
            ("market.qoute.*", "market.quote.*"),
            ("market.quotes.received", "market.quote.received"),
        ] {
            let hint = hint(&topics, pattern);
            assert!(hint.starts_with(&format!("write `{meant}`")), "{pattern}: {hint}");
        }
        assert_eq!(hint(&topics, "*.dlq"), "add the topics that it is meant for, or remove it");
    }

    #[test]
    fn overlapping_patterns_name_what_both_match() {
        let topology = topology("p", &["a.b", "a.c", "b.b"]);
        let of = |patterns: &[&str]| {
            let findings = lint(&topology, &[group("g", patterns)]);
            findings
                .into_iter()
                .find(|finding| finding.code == "patterns-overlap")
                .map(|f| (f.message, f.hint))
        };
        let (message, hint) = of(&["a.*", "*.b"]).unwrap();
        assert!(message.contains("(both match `a.b`)") && message.contains("10138"), "{message}");
        assert!(hint.starts_with("narrow"), "{hint}");
        assert!(of(&["a.>", "a.b"]).unwrap().1.starts_with("remove `a.b`"));
        assert!(of(&["a.b", "a.>"]).unwrap().1.starts_with("remove `a.b`"));
        assert!(of(&["a.b", "a.b"]).unwrap().1.starts_with("remove `a.b`"));
        assert_eq!(of(&["a.b", "a.c", "b.>"]), None);
    }

    #[test]
    fn the_prefix_belongs_to_the_topology_alone() {
        let findings = lint(&topology("p", &["p.a", "b"]), &[group("g", &["p.a", "b"])]);
        assert_eq!(codes(&findings), [(Severity::Warning, "prefix-doubled", "p.a"); 2]);
        assert_eq!(findings[1].group.as_deref(), Some("g"));
        for (prefix, code) in [("", "prefix-missing"), ("p.", "prefix-invalid"), ("p.*", "prefix-invalid")] {
            assert_eq!(
                codes(&lint(&topology(prefix, &["a"]), &[group("g", &["a"])])),
                [(Severity::Error, code, prefix)]
            );
        }
        assert_eq!(lint(&topology("acme.trading", &["a"]), &[group("g", &["a"])]), []);
    }

    #[test]
    fn what_no_bus_takes_is_an_error() {
        let many: Vec<String> = (0..=TOPICS_MAX).map(|index| format!("t{index}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let (all, nothing): (&[&str], &[&str]) = (&[">"], &[]);
        for (topics, group_name, patterns, code) in [
            (nothing, "g", all, "no-topics"),
            (&many, "g", all, "too-many-topics"),
            (&["a", "a"], "g", all, "duplicate-topic"),
            (&["a.*"], "g", all, "topic-invalid"),
            (&["a..b"], "g", all, "topic-invalid"),
            (&["a"], "g", &["a b"], "pattern-invalid"),
            (&["a"], "g", nothing, "group-receives-nothing"),
            (&["a"], "other", all, "duplicate-group"),
            (&["a"], "a.b", all, "name-forbidden"),
            (&["a"], "a b", all, "name-forbidden"),
            (&["a"], "a\\b", all, "name-forbidden"),
            (&["a"], "", all, "name-forbidden"),
        ] {
            let findings = lint(&topology("p", topics), &[group("other", all), group(group_name, patterns)]);
            assert!(
                findings.iter().any(|f| f.severity == Severity::Error && f.code == code),
                "{code}: {findings:?}"
            );
        }
    }

    #[test]
    fn a_symbol_must_not_look_like_a_part_of_a_topic() {
        let plain = topology("p", &["market", "market.quote"]);
        let by_symbol = Topology { symbol_in_subject: true, ..plain.clone() };
        let groups = [group("quotes", &["market.>"]), group("rest", &["market"])];
        assert_eq!(lint(&plain, &groups), []);
        assert_eq!(codes(&lint(&by_symbol, &groups)), [(Severity::Error, "symbol-ambiguous", "market.>")]);
        let both = [group("both", &["market", "market.>"])];
        assert_eq!(lint(&plain, &both), []);
        assert!(lint(&by_symbol, &both).iter().any(|finding| finding.code == "patterns-overlap"));
    }

    #[test]
    fn dead_letters_must_not_return_to_the_group_that_failed() {
        let groups = [group("ai-service", &["market.>"]), group("dead-letter", &["*.dlq"])];
        let findings = lint(&topology("p", &["market.quote.received", "market.dlq"]), &groups);
        assert_eq!(codes(&findings)[0], (Severity::Warning, "dead-letters-return", "market.>"));
        assert!(findings[0].hint.ends_with("`ai-service.dlq`"));
    }

    proptest! {
        #[test]
        fn nothing_panics(
            prefix in "[a.*> é]{0,3}",
            topics in proptest::collection::vec("[ab.*>\u{7}]{0,6}", 0..4),
            patterns in proptest::collection::vec("[ab.*> é]{0,6}", 0..4),
            symbol_in_subject in any::<bool>(),
        ) {
            let topology = Topology { name: String::new(), prefix, topics, symbol_in_subject };
            let group = Group { subscribe: patterns, ..group("g", &[]) };
            let found = lint(&topology, &[group]);
            prop_assert!(found.is_sorted_by(|a, b| a.severity >= b.severity));
            prop_assert!(found.iter().all(|finding| !finding.message.is_empty() && !finding.hint.is_empty()));
        }
    }
}
