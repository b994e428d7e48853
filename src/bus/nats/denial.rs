//! Errors that a server sends separately from its answers (`-ERR`): which of them end a run, in the server's own words,
//! and what to do about each.
//!
//! A server reports a permission violation once per refused line and sends no other answer: a refused event gets none,
//! an acknowledgement never has one, and a request of the control side times out.

use crate::bus::marks::{Denial, Notes};
use crate::record;
use crate::topology::Naming;

/// The subjects that a run uses, to explain a missing permission.
#[derive(Debug, Clone, Default)]
pub(super) struct Terms {
    /// Subjects of the run's events, and how they are named.
    pub(super) events: Option<(String, Naming)>,
    /// Prefix of the subjects on which answers arrive.
    pub(super) inbox: Option<String>,
}

/// Errors, apart from permission violations, after which a connection is unusable, each with its hint; in lower case.
const FINAL: [(&str, &str); 13] = [
    ("authentication expired", RENEW),
    ("authentication revoked", RENEW),
    ("credentials have been revoked", RENEW),
    ("authorization violation", RENEW),
    ("failed account registration", "see the server's log"),
    ("maximum payload", "lower `market.event_size`, or raise `max_payload` in the server's configuration"),
    (
        "maximum subscriptions",
        "raise `max_subscriptions` of the server, the account or the user: each generator and member has one",
    ),
    ("connections exceeded", FEWER_CONNECTIONS),
    (
        "number of tokens limit",
        "shorten `topology.prefix`, or raise the server's limit on a subject's tokens",
    ),
    ("invalid publish subject", "check `topology.prefix` and the topics"),
    ("invalid subject", "check `topology.prefix` and the topics"),
    ("maximum control line", "raise `max_control_line` in the server's configuration"),
    ("headers not supported", "set `no_header_support` to false in the server's configuration"),
];

const RENEW: &str = "renew the credentials: the user must be allowed in until the run has ended";

/// Hint for a server that accepts no more connections.
pub(super) const FEWER_CONNECTIONS: &str = "raise the limit on connections (a run has one for each generator and member, \
    and one for control), or lower `load.generators` and the groups' `members`";

/// Records an error of the server, in its own words.
pub(super) fn hear(words: &str, notes: &Notes, terms: &Terms) {
    let words = words.trim();
    let words = words.strip_prefix("nats: ").unwrap_or(words).trim_matches('\'');
    match denial(words, terms) {
        Some(denial) => notes.deny(denial),
        None => notes.mark(record::SERVER_ERROR, words),
    }
}

/// Returns what an error of the server denies; `None` if it denies nothing.
pub(super) fn denial(words: &str, terms: &Terms) -> Option<Denial> {
    let lower = words.to_ascii_lowercase();
    if lower.starts_with("permissions violation") {
        let subject = words.split('"').nth(1).unwrap_or_default();
        return Some(if lower.starts_with("permissions violation for subscription") {
            subscription(words, subject, terms)
        } else {
            publication(words, subject, terms)
        });
    }
    let (_, hint) = FINAL.iter().find(|(found, _)| lower.contains(found))?;
    Some(Denial { problem: format!("the server said: {words}"), hint: (*hint).to_owned() })
}

/// Returns the denial of a request for events that the server will never accept, by the description in its answer.
pub(super) fn request(description: &str) -> Option<Denial> {
    let hint = if description.starts_with("Exceeded MaxRequestBatch") {
        "lower `bus.nats.pull_batch`"
    } else if description.starts_with("Exceeded MaxRequestExpires")
        || description.starts_with("Exceeded MaxRequestMaxBytes")
        || description.starts_with("Bad Request")
        || description.starts_with("Consumer is push based")
        || description.starts_with("Required Api Level")
    {
        "see the consumer's configuration (`nats consumer info`)"
    } else {
        return None;
    };
    let problem = format!("the server refuses the requests for events: {description}");
    Some(Denial { problem, hint: hint.to_owned() })
}

fn subscription(words: &str, subject: &str, terms: &Terms) -> Denial {
    let own = terms.inbox.as_deref().unwrap_or("_INBOX");
    let prefix = if subject.starts_with(own) { own } else { subject.split('.').next().unwrap_or_default() };
    Denial {
        problem: format!("the user may not subscribe to {prefix}.> (the server said: {words})"),
        hint: "allow it, or give the prefix that the user may use: --inbox-prefix, or a context's `inbox_prefix`"
            .to_owned(),
    }
}

fn publication(words: &str, subject: &str, terms: &Terms) -> Denial {
    let of_events = terms.events.as_ref().filter(|(all, _)| covers(all, subject));
    let (what, hint) = if let Some((all, naming)) = of_events {
        let hint = match naming {
            Naming::Profile => {
                format!("allow it to publish to `{all}`, or set `topology.prefix` to one that it may use")
            }
            Naming::Private => format!(
                "the run's own subjects are `{all}`: allow the user every subject, or set `topology.prefix` to one that it \
                 may use and give it as --allow-prefix, too"
            ),
        };
        (subject.to_owned(), hint)
    } else if let Some((api, verbs)) = api(subject) {
        let hint = format!(
            "allow it (`{api}.>` covers all that a run asks for), or name the domain or API prefix under which the user has \
             JetStream"
        );
        (verbs, hint)
    } else if subject.starts_with("$JS.FC.") {
        ("$JS.FC.>".to_owned(), "allow it: the answers of flow control go there".to_owned())
    } else {
        // The remaining case is the reply subject of a delivery, which an account that imports the stream may have
        // changed.
        let all = if subject.starts_with("$JS.ACK.") { "$JS.ACK.>" } else { subject };
        (all.to_owned(), acknowledge())
    };
    Denial { problem: format!("the user may not publish to {what} (the server said: {words})"), hint }
}

/// Returns the hint for acknowledgements that do not reach the stream.
pub(super) fn acknowledge() -> String {
    "allow it: without acknowledgements every event is delivered again; or set `bus.ack = \"none\"`"
        .to_owned()
}

/// Returns whether `prefix.>` covers a subject.
fn covers(all: &str, subject: &str) -> bool {
    let prefix = all.trim_end_matches('>');
    !prefix.is_empty() && subject.starts_with(prefix)
}

/// For a request to `JetStream`, returns the subject of the API and a filter for all requests of the same kind.
fn api(subject: &str) -> Option<(String, String)> {
    const KINDS: [&str; 5] = ["INFO", "STREAM.", "CONSUMER.", "DIRECT.", "META."];
    let (before, after) = subject.split_once(".API.").map_or_else(
        || {
            // A prefix that replaces `$JS.API`.
            let at = KINDS.iter().filter_map(|kind| subject.find(&format!(".{kind}"))).min()?;
            Some((subject.get(..at)?.to_owned(), subject.get(at + 1..)?))
        },
        |(before, after)| Some((format!("{before}.API"), after)),
    )?;
    if before.starts_with("$JS.ACK") || !KINDS.iter().any(|kind| after.starts_with(kind)) {
        return None;
    }
    let is_verb = |token: &&str| token.bytes().all(|b| b.is_ascii_uppercase());
    let verbs: Vec<&str> = after.split('.').take_while(is_verb).collect();
    let more = if verbs.len() < after.split('.').count() { ".>" } else { "" };
    Some((before.clone(), format!("{before}.{}{more}", verbs.join("."))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(naming: Naming) -> Terms {
        Terms { events: Some(("ai-trader.>".to_owned(), naming)), inbox: None }
    }

    fn denied(words: &str) -> (String, String) {
        let Denial { problem, hint } = denial(words, &terms(Naming::Profile)).expect("a denial");
        assert!(problem.ends_with(&format!("(the server said: {words})")), "{problem}");
        (problem.split(" (the").next().unwrap_or_default().to_owned(), hint)
    }

    #[test]
    fn a_violation_says_what_is_to_be_allowed() {
        for (subject, what, hint) in [
            ("ai-trader.market.x", "ai-trader.market.x", "`topology.prefix`"),
            ("$JS.ACK.s.c.1.2.3.4.5", "$JS.ACK.>", "`bus.ack"),
            ("$JS.ACK.hub.acc.s.c.1.2.3.4.5", "$JS.ACK.>", "`bus.ack"),
            ("_R_.abc.def", "_R_.abc.def", "`bus.ack"),
            ("$JS.FC.s.c.x", "$JS.FC.>", "flow control"),
            ("$JS.API.INFO", "$JS.API.INFO", "`$JS.API.>`"),
            ("$JS.API.STREAM.CREATE.tickgate-x", "$JS.API.STREAM.CREATE.>", "`$JS.API.>`"),
            ("$JS.hub.API.CONSUMER.MSG.NEXT.s.c", "$JS.hub.API.CONSUMER.MSG.NEXT.>", "`$JS.hub.API.>`"),
            ("acme.js.CONSUMER.INFO.s.c", "acme.js.CONSUMER.INFO.>", "`acme.js.>`"),
        ] {
            let (problem, advice) = denied(&format!("Permissions Violation for Publish to \"{subject}\""));
            assert_eq!(problem, format!("the user may not publish to {what}"));
            assert!(advice.contains(hint), "{subject}: {advice}");
        }
        for words in [
            "Permissions Violation for Subscription to \"_INBOX.abc.*\"",
            "Permissions Violation for Subscription to \"_INBOX.abc.>\" (sid \"1\")",
            "Permissions Violation for Subscription to \"_INBOX.abc\" using queue \"q\"",
        ] {
            let (problem, advice) = denied(words);
            assert_eq!(problem, "the user may not subscribe to _INBOX.>");
            assert!(advice.contains("--inbox-prefix"), "{advice}");
        }
    }

    #[test]
    fn private_subjects_are_named_with_the_flag_that_makes_others() {
        let words = "Permissions Violation for Publish to \"ai-trader.market.x\"";
        let hint = denial(words, &terms(Naming::Private)).expect("a denial").hint;
        assert!(hint.contains("--allow-prefix") && hint.contains("`ai-trader.>`"), "{hint}");
    }

    #[test]
    fn an_inbox_of_several_tokens_is_named_whole() {
        let terms = Terms { inbox: Some("acme.inbox".to_owned()), ..Terms::default() };
        let words = "Permissions Violation for Subscription to \"acme.inbox.abc.*\"";
        let problem = denial(words, &terms).expect("a denial").problem;
        assert!(problem.starts_with("the user may not subscribe to acme.inbox.> ("), "{problem}");
    }

    #[test]
    fn an_end_that_may_come_to_any_connection_denies_nothing() {
        for words in ["Stale Connection", "Slow Consumer", "Server Shutdown"] {
            assert_eq!(denial(words, &Terms::default()), None, "{words}");
        }
        for words in [
            "User Authentication Expired",
            "User Authentication Revoked",
            "Account Authentication Expired",
            "authorization violation",
            "Maximum Payload Violation",
            "maximum subscriptions exceeded",
            "maximum account active connections exceeded",
        ] {
            let denied = denial(words, &Terms::default()).expect(words);
            assert_eq!(denied.problem, format!("the server said: {words}"));
        }
    }

    #[test]
    fn a_request_that_will_never_be_taken_is_denied() {
        let denied = request("Exceeded MaxRequestBatch of 10").expect("a denial");
        assert!(denied.problem.contains("of 10") && denied.hint.contains("pull_batch"), "{denied:?}");
        assert_eq!(request("Leadership Change"), None);
        assert_eq!(request("Exceeded MaxWaiting"), None);
    }
}
