//! NATS subject patterns: `*` matches exactly one token, `>` matches one or more at the end.

use std::fmt;
use std::str::FromStr;

/// Error of an invalid pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is no subject pattern: {problem}", .pattern.escape_debug())]
pub struct PatternError {
    /// The text.
    pub pattern: String,
    /// The mistake, and what to write instead.
    pub problem: &'static str,
}

/// A pattern over subjects; a subject without wildcards is a pattern that matches only itself.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Pattern {
    text: String,
}

impl Pattern {
    /// Parses a pattern.
    ///
    /// NATS takes `quo*` as a literal token that contains an asterisk; this is never intended, so it is an error here.
    ///
    /// # Errors
    /// When a token is empty, a wildcard is only part of a token, `>` is not the last token, or there is white space or
    /// a control character.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let tail = text.split('.').count() - 1;
        let problem = if text.is_empty() {
            "it is empty; `>` receives everything"
        } else if text.contains(char::is_whitespace) {
            "it contains white space; remove it"
        } else if text.contains(char::is_control) {
            "it contains a control character; remove it"
        } else if text.split('.').any(str::is_empty) {
            "a token is empty; remove the superfluous dot"
        } else if text.split('.').any(|token| token.len() > 1 && token.contains(['*', '>'])) {
            "a wildcard must be a token of its own, as in `market.*` or `market.>`"
        } else if text.split('.').take(tail).any(|token| token == ">") {
            "`>` may only be the last token; use `*` for one token in the middle"
        } else {
            return Ok(Self { text: text.to_owned() });
        };
        Err(PatternError { pattern: text.to_owned(), problem })
    }

    /// Returns the pattern as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns whether the pattern matches exactly one subject.
    #[must_use]
    pub fn is_literal(&self) -> bool {
        !self.tokens().any(|token| matches!(token, "*" | ">"))
    }

    /// Returns the tokens between the dots; at least one.
    pub fn tokens(&self) -> impl Iterator<Item = &str> {
        self.text.split('.')
    }

    /// Returns whether a subject matches. A text that is not a valid subject never matches.
    #[must_use]
    pub fn matches(&self, subject: &str) -> bool {
        Self::parse(subject).is_ok_and(|subject| subject.is_literal() && self.covers(&subject))
    }

    /// Returns whether every subject that matches `other` also matches this pattern.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        let (mut ours, mut theirs) = (self.tokens(), other.tokens());
        loop {
            match (ours.next(), theirs.next()) {
                (None, None) | (Some(">"), Some(_)) => return true,
                (Some("*"), Some(token)) if token != ">" => {}
                (Some(a), Some(b)) if a == b => {}
                _ => return false,
            }
        }
    }

    /// Returns whether some subject matches both patterns.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        let (mut ours, mut theirs) = (self.tokens(), other.tokens());
        loop {
            match (ours.next(), theirs.next()) {
                (None, None) | (Some(">"), Some(_)) | (Some(_), Some(">")) => return true,
                (Some("*"), Some(_)) | (Some(_), Some("*")) => {}
                (Some(a), Some(b)) if a == b => {}
                _ => return false,
            }
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pattern(text: &str) -> Pattern {
        Pattern::parse(text).unwrap()
    }

    /// Matches token lists by the rules in the NATS documentation.
    fn oracle(pattern: &[&str], subject: &[&str]) -> bool {
        match (pattern, subject) {
            ([], []) | ([">"], [_, ..]) => true,
            (["*", pattern @ ..], [_, subject @ ..]) => oracle(pattern, subject),
            ([a, pattern @ ..], [b, subject @ ..]) => a == b && oracle(pattern, subject),
            _ => false,
        }
    }

    fn tokens(text: &str) -> Vec<&str> {
        text.split('.').collect()
    }

    /// Returns all subjects of up to 5 tokens over three words: one token and one word more than in any pattern below,
    /// so that it contains a witness for every difference between two patterns.
    fn universe() -> Vec<String> {
        let mut all: Vec<String> = vec![];
        let mut longest = vec![String::new()];
        for _ in 0..5 {
            longest = longest
                .iter()
                .flat_map(|head| {
                    ["a", "b", "c"]
                        .map(|word| if head.is_empty() { word.to_owned() } else { format!("{head}.{word}") })
                })
                .collect();
            all.extend(longest.iter().cloned());
        }
        all
    }

    fn any_pattern() -> impl Strategy<Value = Pattern> {
        "(a|b|\\*)(\\.(a|b|\\*)){0,3}|((a|b|\\*)\\.){0,3}>".prop_map(|text| pattern(&text))
    }

    #[test]
    fn wildcards_match_as_measured_on_a_server() {
        let stream = ["ai-trader.market.quote.received", "ai-trader.market.x", "ai-trader.market"];
        let counts = [
            ("ai-trader.market.*", 1),
            ("ai-trader.market.>", 2),
            ("ai-trader.market.*.*", 1),
            ("ai-trader.*.quote.*", 1),
            ("ai-trader.>", 3),
            ("market.>", 0),
        ];
        for (text, count) in counts {
            assert_eq!(
                stream.iter().filter(|subject| pattern(text).matches(subject)).count(),
                count,
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_no_pattern_says_why() {
        for (bad, why) in [
            ("", "empty"),
            ("a..b", "token is empty"),
            (".a", "token is empty"),
            ("a.", "token is empty"),
            ("a b", "white space"),
            ("a.\tb", "white space"),
            ("a.\u{7}", "control"),
            (">.a", "last token"),
            ("a.>.b", "last token"),
            ("a.b*", "token of its own"),
            ("a.>>", "token of its own"),
        ] {
            let error = Pattern::parse(bad).expect_err(bad);
            assert!(error.problem.contains(why), "{error}");
        }
        let error = Pattern::parse("a.\u{7}").unwrap_err().to_string();
        assert!(!error.contains(char::is_control), "{error}");
    }

    #[test]
    fn what_is_no_subject_matches_nothing() {
        for text in ["", "a..b", "a.*", "a.>", "a b"] {
            assert!(!pattern(">").matches(text), "{text}");
        }
    }

    #[test]
    fn what_covers_what() {
        for (a, b, covers) in [
            ("a.*", "a.b", true),
            ("a.*", "a.*", true),
            ("a.*", "a.>", false),
            ("*", ">", false),
            (">", "*", true),
            ("a.>", "a.*.c", true),
            ("a.>", "a", false),
            ("a.b", "a.*", false),
        ] {
            let [a, b] = [a, b].map(|text| Pattern::parse(text).unwrap());
            assert_eq!(a.covers(&b), covers, "{a:?} {b:?}");
        }
    }

    proptest! {
        #[test]
        fn matching_agrees_with_the_oracle(pattern in any_pattern(), subject in "(a|b|c)(\\.(a|b|c)){0,4}") {
            prop_assert_eq!(pattern.matches(&subject), oracle(&tokens(pattern.as_str()), &tokens(&subject)));
        }

        #[test]
        fn overlap_means_a_common_subject(a in any_pattern(), b in any_pattern()) {
            let common = universe().iter().any(|subject| {
                oracle(&tokens(a.as_str()), &tokens(subject)) && oracle(&tokens(b.as_str()), &tokens(subject))
            });
            prop_assert_eq!(a.overlaps(&b), common);
            prop_assert_eq!(b.overlaps(&a), common);
        }

        #[test]
        fn covering_means_every_subject_of_the_other(a in any_pattern(), b in any_pattern()) {
            let every = universe().iter().all(|subject| {
                !oracle(&tokens(b.as_str()), &tokens(subject)) || oracle(&tokens(a.as_str()), &tokens(subject))
            });
            prop_assert_eq!(a.covers(&b), every);
        }

        #[test]
        fn no_text_panics_and_what_parses_prints_as_it_was(text in "[a.*> \\PC]{0,12}") {
            if let Ok(pattern) = Pattern::parse(&text) {
                prop_assert_eq!(pattern.to_string(), text);
            }
        }
    }
}
