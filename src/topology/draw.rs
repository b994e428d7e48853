//! Draws a topology as a page of text: the tree of topics, the receivers of each, and the findings.

use crate::num::show;
use crate::plan::{Group, Topology};

use super::lint::{Finding, Severity};
use super::pattern::Pattern;
use super::route::receives;

/// Width of the page, columns.
const WIDTH: usize = 100;
/// Maximum start of the second column.
const SECOND_MAX: usize = 48;

/// Draws a topology, its groups and the findings of [`super::lint()`], in at most 100 columns.
#[must_use]
pub fn draw(topology: &Topology, groups: &[Group], findings: &[Finding]) -> String {
    let mut page = String::new();
    tree(&mut page, topology, groups);
    listing(&mut page, topology, groups);
    faults(&mut page, findings);
    page
}

/// A row of two columns; `rest` starts the continuation lines of `text`.
struct Row {
    first: String,
    rest: String,
    text: String,
}

impl Row {
    fn new(first: String, rest: impl Into<String>, text: String) -> Self {
        Self { first, rest: rest.into(), text }
    }

    fn heading(first: String) -> Self {
        Self::new(first, "", String::new())
    }
}

/// Draws prefix, domains and topics, with the groups that receive each topic.
fn tree(page: &mut String, topology: &Topology, groups: &[Group]) {
    let mut domains: Vec<(&str, Vec<usize>)> = vec![];
    for (index, topic) in topology.topics.iter().enumerate() {
        let domain = topic.split('.').next().unwrap_or_default();
        match domains.iter_mut().find(|(name, _)| *name == domain) {
            Some((_, topics)) => topics.push(index),
            None => domains.push((domain, vec![index])),
        }
    }
    let received: Vec<(&str, Vec<usize>)> = groups
        .iter()
        .map(|group| (group.name.as_str(), receives(group, &topology.topics).unwrap_or_default()))
        .collect();
    let receivers = |topic: usize| {
        let receiving = received.iter().filter(|(_, topics)| topics.contains(&topic));
        let names: Vec<&str> = receiving.map(|(name, _)| *name).collect();
        if names.is_empty() { "(no group)".to_owned() } else { names.join(", ") }
    };
    let symbol = if topology.symbol_in_subject { "   each topic is followed by the symbol" } else { "" };
    let mut rows = vec![Row::heading(format!("{}{symbol}", topology.prefix))];
    for (at, (domain, topics)) in domains.iter().enumerate() {
        let (branch, bar) = branches(at, domains.len());
        if let [only] = topics[..] {
            rows.push(Row::new(format!("{branch}{}", topology.topics[only]), bar, receivers(only)));
            continue;
        }
        rows.push(Row::heading(format!("{branch}{domain}")));
        for (at, &topic) in topics.iter().enumerate() {
            let (twig, rest) = branches(at, topics.len());
            let name = topology.topics[topic].split_once('.').map_or("(itself)", |(_, name)| name);
            rows.push(Row::new(format!("{bar}{twig}{name}"), format!("{bar}{rest}"), receivers(topic)));
        }
    }
    table(page, &rows);
}

/// Returns the branch of the `at`-th of `count` children, and the indent of the lines below it.
const fn branches(at: usize, count: usize) -> (&'static str, &'static str) {
    if at + 1 == count { ("└── ", "    ") } else { ("├── ", "│   ") }
}

/// Lists each group with its patterns and the topics that they receive.
fn listing(page: &mut String, topology: &Topology, groups: &[Group]) {
    let mut rows = vec![];
    for group in groups {
        let members = show::several(u64::from(group.members), "member");
        rows.push(Row::heading(format!("  {}: {members}, {}", group.name, group.delivery)));
        for text in &group.subscribe {
            let received = Pattern::parse(text).map_or_else(
                |_| "(no pattern)".to_owned(),
                |pattern| {
                    let matched = topology.topics.iter().filter(|topic| pattern.matches(topic));
                    let matched: Vec<&str> = matched.map(String::as_str).collect();
                    if matched.is_empty() { "(nothing)".to_owned() } else { matched.join(", ") }
                },
            );
            rows.push(Row::new(format!("    {text}"), "", received));
        }
    }
    if !rows.is_empty() {
        let prefix = &topology.prefix;
        let heading =
            format!("Groups, their patterns (on the bus with `{prefix}.` before them), what they receive");
        rows.insert(0, Row::heading(heading));
        page.push('\n');
        table(page, &rows);
    }
}

/// Lists the findings, each with its hint.
fn faults(page: &mut String, findings: &[Finding]) {
    let of =
        |severity, one: &str| match findings.iter().filter(|finding| finding.severity == severity).count() {
            0 => None,
            1 => Some(format!("1 {one}")),
            count => Some(format!("{count} {one}s")),
        };
    let counts = [of(Severity::Error, "error"), of(Severity::Warning, "warning"), of(Severity::Note, "note")];
    let counts: Vec<String> = counts.into_iter().flatten().collect();
    let counts = if counts.is_empty() { "none".to_owned() } else { counts.join(", ") };
    page.push('\n');
    let mut rows = vec![Row::heading(format!("Findings: {counts}"))];
    for finding in findings {
        let severity = match finding.severity {
            Severity::Error => "  error",
            Severity::Warning => "  warning",
            Severity::Note => "  note",
        };
        let group = finding.group.as_ref().filter(|group| **group != finding.subject);
        let group = group.map_or_else(String::new, |group| format!("{group}: "));
        let message = format!("{group}{} [{}]", finding.message, finding.code);
        rows.push(Row::new(severity.to_owned(), "", message));
        rows.push(Row::new(String::new(), "", format!("→ {}", finding.hint)));
    }
    table(page, &rows);
}

/// Aligns the second column of the rows, as far left as the first columns allow.
fn table(page: &mut String, rows: &[Row]) {
    let widths = rows.iter().filter(|row| !row.text.is_empty()).map(|row| row.first.chars().count());
    let second = widths.max().map_or(0, |width| (width + 3).min(SECOND_MAX));
    for row in rows {
        columns(page, row, second);
    }
}

/// Writes a row with its second column wrapped at column `second`: beside the first column or, if that is too wide,
/// below it.
fn columns(page: &mut String, row: &Row, second: usize) {
    let mut lines = wrapped(&row.text, WIDTH - second).into_iter();
    let beside = if row.first.chars().count() < second { lines.next() } else { None };
    line(page, &row.first, second, &beside.unwrap_or_default());
    for text in lines {
        line(page, &row.rest, second, &text);
    }
}

/// Writes one line; cuts a name that is too long and replaces control characters.
fn line(page: &mut String, first: &str, second: usize, text: &str) {
    let line = format!("{first:<second$}{text}").replace(char::is_control, "\u{fffd}");
    if line.chars().count() > WIDTH {
        page.extend(line.chars().take(WIDTH - 1).chain(['…']));
    } else {
        page.push_str(line.trim_end());
    }
    page.push('\n');
}

/// Wraps text to lines of at most `width` characters, at spaces where possible.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = vec![];
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => {
                let letters: Vec<char> = word.chars().collect();
                lines.extend(letters.chunks(width).map(|part| part.iter().collect::<String>()));
            }
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Delivery;
    use crate::topology::{adr, lint};
    use proptest::prelude::*;

    fn drawn(topology: &Topology, groups: &[Group]) -> String {
        draw(topology, groups, &lint(topology, groups))
    }

    #[test]
    fn the_adr_as_meant() {
        let (topology, groups) = adr::named("adr-002").unwrap();
        insta::assert_snapshot!(drawn(&topology, &groups));
    }

    #[test]
    fn the_adr_as_written() {
        let (topology, groups) = adr::named("adr-002-as-written").unwrap();
        insta::assert_snapshot!(drawn(&topology, &groups));
    }

    #[test]
    fn symbols_single_topics_and_many_groups() {
        let topology = Topology {
            name: "t".to_owned(),
            prefix: "p".to_owned(),
            topics: ["a", "a.b", "c.d", "single", "b\u{1b}[31m"].map(str::to_owned).into(),
            symbol_in_subject: true,
        };
        let group = |index: u32| Group {
            name: format!("a-group-with-a-long-name-{index}"),
            subscribe: vec![if index == 0 { "a.>" } else { "c.>" }.to_owned()],
            members: index + 1,
            delivery: Delivery::Partitioned,
            consumer: None,
        };
        insta::assert_snapshot!(drawn(&topology, &(0..6).map(group).collect::<Vec<_>>()));
    }

    #[test]
    fn text_breaks_where_it_must_and_not_before() {
        assert_eq!(wrapped("aa bb", 5), ["aa bb"]);
        assert_eq!(wrapped("aa  bb", 4), ["aa", "bb"]);
        assert_eq!(wrapped("aaaaa b", 3), ["aaa", "aa", "b"], "too long a word");
        let drawn = |first: usize| {
            let mut page = String::new();
            columns(&mut page, &Row::new("x".repeat(first), "", "text".to_owned()), 8);
            page
        };
        assert_eq!(drawn(7), "xxxxxxx text\n");
        assert_eq!(drawn(8), "xxxxxxxx\n        text\n", "no room between the columns");
    }

    #[test]
    fn a_line_of_the_pages_width_is_whole_and_a_longer_one_is_cut() {
        let drawn = |width: usize| {
            let mut page = String::new();
            line(&mut page, "", 0, &"x".repeat(width));
            page
        };
        assert_eq!(drawn(WIDTH), "x".repeat(WIDTH) + "\n");
        assert_eq!(drawn(WIDTH + 1), "x".repeat(WIDTH - 1) + "…\n");
    }

    proptest! {
        #[test]
        fn nothing_is_wider_than_the_page(
            topics in proptest::collection::vec("[ab.é]{0,120}|[ab.]{0,6}", 0..5),
            names in proptest::collection::vec("[a \\x07-]{0,120}|[ab.]{0,6}", 0..5),
            symbol_in_subject in any::<bool>(),
        ) {
            let topology = Topology { name: String::new(), prefix: names.concat(), topics: topics.clone(), symbol_in_subject };
            let groups: Vec<Group> = names
                .into_iter()
                .map(|name| Group { name, subscribe: topics.clone(), members: 2, delivery: Delivery::Pinned, consumer: None })
                .collect();
            let page = drawn(&topology, &groups);
            prop_assert!(page.lines().all(|line| line.chars().count() <= WIDTH && !line.contains(char::is_control)));
        }
    }
}
