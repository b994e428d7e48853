//! A profile's use of the topology: names, patterns, and the topics that each group receives.

use crate::topology::Pattern;

/// Is this a legal token of a subject?
pub(super) fn is_token(token: &str) -> bool {
    !token.is_empty() && token.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
}

/// Is this a legal topic: tokens with dots between them?
pub(super) fn is_topic(topic: &str) -> bool {
    topic.len() <= 200 && topic.split('.').all(is_token)
}

/// Is this a legal pattern: a topic in which `*` stands for one token, and a last `>` for one or more?
pub(super) fn is_pattern(pattern: &str) -> bool {
    let legal = |token: &str| matches!(token, "*" | ">") || is_token(token);
    pattern.len() <= 200 && pattern.split('.').all(legal) && Pattern::parse(pattern).is_ok()
}

/// Does a group with this pattern receive the topic?
pub(super) fn receives(pattern: &str, topic: &str) -> bool {
    Pattern::parse(pattern).is_ok_and(|pattern| pattern.matches(topic))
}

/// Is there a topic that both patterns match?
pub(super) fn overlap(a: &str, b: &str) -> bool {
    match (Pattern::parse(a), Pattern::parse(b)) {
        (Ok(a), Ok(b)) => a.overlaps(&b),
        _ => false,
    }
}
