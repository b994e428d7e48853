//! Guesses the pattern that the author of a pattern without matches most likely intended.

use crate::topology::pattern::Pattern;

/// Returns the first similar pattern that matches a topic: `market.*` → `market.>`, `market` → `market.>`,
/// `*.heartbeat` → `*.*.heartbeat`, `market.qoute.*` → `market.quote.*`.
pub(super) fn instead_of(pattern: &Pattern, topics: &[String]) -> Option<Pattern> {
    let tokens: Vec<&str> = pattern.tokens().collect();
    deeper(&tokens)
        .into_iter()
        .chain(respelt(&tokens, topics))
        .filter_map(|text| Pattern::parse(&text).ok())
        .find(|other| topics.iter().any(|topic| other.matches(topic)))
}

/// Returns similar patterns for topics with more tokens.
fn deeper(tokens: &[&str]) -> Vec<String> {
    let stem = if tokens.last() == Some(&"*") { &tokens[..tokens.len() - 1] } else { tokens };
    let mut all = vec![[stem, &[">"]].concat().join(".")];
    for stars in [&["*"][..], &["*", "*"]] {
        all.extend((0..tokens.len()).map(|at| [&tokens[..at], stars, &tokens[at..]].concat().join(".")));
    }
    all
}

/// Returns similar patterns with one token spelt as in a topic.
fn respelt(tokens: &[&str], topics: &[String]) -> Vec<String> {
    let mut all = vec![];
    for (at, &token) in tokens.iter().enumerate() {
        for word in topics.iter().filter_map(|topic| topic.split('.').nth(at)) {
            if strsim::osa_distance(token, word) * 3 <= token.len() && !matches!(token, "*" | ">") {
                all.push([&tokens[..at], &[word], &tokens[at + 1..]].concat().join("."));
            }
        }
    }
    all
}
