//! Topics for dead letters: events that a group has given up.

/// The last token of such a topic.
const DEAD_LETTERS: &str = ".dlq";

/// Returns the topic for the dead letters of a group.
#[must_use]
pub fn dead_letter_topic(group: &str) -> String {
    format!("{group}{DEAD_LETTERS}")
}

/// Returns whether a topic is for dead letters.
#[must_use]
pub fn is_of_dead_letters(topic: &str) -> bool {
    topic.ends_with(DEAD_LETTERS) || topic == &DEAD_LETTERS[1..]
}
