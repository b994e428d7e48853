//! Parses subjects and payloads of the server, by hand where that happens for every event.

use std::borrow::Cow;

use serde::Deserialize;

use crate::bus::{Answer, Doubt, Position, Refusal, words};

/// Data in the reply subject of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct DeliveryInfo {
    pub(super) delivered: u32,
    pub(super) stream_sequence: u64,
    pub(super) consumer_sequence: u64,
    /// When it was stored, in nanoseconds since 1970.
    pub(super) stored_unix_ns: u64,
    pub(super) pending: u64,
}

/// Parses the reply subject of a delivery without allocating. Two forms are in use:
/// `$JS.ACK.<stream>.<consumer>.<delivered>.<stream seq>.<consumer seq>.<time>.<pending>` and
/// `$JS.ACK.<domain>.<account>.<stream>.<consumer>.<delivered>.<stream seq>.<consumer seq>.<time>.<pending>[.…]`.
pub(super) fn delivery_info(reply: &str) -> Option<DeliveryInfo> {
    let tail = reply.strip_prefix("$JS.ACK.")?;
    let names = if tail.bytes().filter(|&b| b == b'.').count() == 6 { 2 } else { 4 };
    let mut numbers = tail.split('.').skip(names);
    let mut number = || numbers.next()?.parse::<u64>().ok();
    let (delivered, stream_sequence, consumer_sequence) = (number()?, number()?, number()?);
    let stored_unix_ns = number()?;
    Some(DeliveryInfo {
        delivered: u32::try_from(delivered).unwrap_or(u32::MAX),
        stream_sequence,
        consumer_sequence,
        stored_unix_ns,
        pending: number()?,
    })
}

#[derive(Deserialize)]
struct PubAck<'a> {
    seq: Option<u64>,
    #[serde(default)]
    duplicate: bool,
    #[serde(borrow)]
    error: Option<ApiError<'a>>,
}

#[derive(Deserialize)]
struct ApiError<'a> {
    code: u32,
    #[serde(default)]
    err_code: u32,
    #[serde(default, borrow)]
    description: Cow<'a, str>,
}

/// Returns the broker's answer to a published event, from the status and payload of its reply.
pub(super) fn answer(status: Option<u16>, payload: &[u8]) -> Answer {
    if status == Some(503) {
        return Answer::Refused(Refusal::NoResponders);
    }
    if let Some(answer) = plain_ack(payload) {
        return answer;
    }
    match serde_json::from_slice::<PubAck<'_>>(payload) {
        Ok(PubAck { error: Some(error), .. }) if error.err_code == IN_PROCESS => {
            Answer::Unconfirmed(Doubt::InProcess)
        }
        Ok(PubAck { error: Some(error), .. }) => Answer::Refused(refusal(status, &error)),
        Ok(PubAck { seq: Some(seq), duplicate, error: None }) => stored(seq, duplicate),
        _ if status == Some(429) => Answer::Refused(Refusal::Overload),
        _ => Answer::Refused(Refusal::Api(u32::from(status.unwrap_or(0)))),
    }
}

/// The server's answer to a message of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BatchWord {
    /// Settles no event.
    Nothing,
    /// The events of the batch up to this sequence are stored.
    Stored { up_to: u64 },
    /// An event was refused; the end of the batch follows.
    Fault(Refusal),
    /// The batch has ended with its first `count` events stored, the last of them at position `last`.
    Done { last: u64, count: u64, duplicate: bool },
    /// The message was refused.
    Refused(Refusal),
}

#[derive(Deserialize)]
struct BatchReply<'a> {
    #[serde(rename = "type")]
    kind: Option<String>,
    seq: Option<u64>,
    count: Option<u64>,
    #[serde(default)]
    duplicate: bool,
    #[serde(borrow)]
    error: Option<ApiError<'a>>,
}

/// Returns the broker's answer to a message of a batch, from the status and payload of a reply.
pub(super) fn batch_word(status: Option<u16>, payload: &[u8]) -> BatchWord {
    if status == Some(503) {
        return BatchWord::Refused(Refusal::NoResponders);
    }
    if payload.is_empty() && status.is_none() {
        return BatchWord::Nothing;
    }
    let Ok(reply) = serde_json::from_slice::<BatchReply<'_>>(payload) else {
        return BatchWord::Refused(Refusal::Api(u32::from(status.unwrap_or(0))));
    };
    match (reply.kind.as_deref(), reply.error, reply.seq, reply.count) {
        (Some("ack"), _, Some(up_to), _) => BatchWord::Stored { up_to },
        (Some("err"), Some(error), ..) => BatchWord::Fault(refusal(status, &error)),
        (Some(_), ..) => BatchWord::Nothing,
        (None, Some(error), ..) => BatchWord::Refused(refusal(status, &error)),
        (None, None, Some(last), Some(count)) => BatchWord::Done { last, count, duplicate: reply.duplicate },
        (None, None, ..) => BatchWord::Refused(Refusal::Api(u32::from(status.unwrap_or(0)))),
    }
}

/// Returns whether the reason for an answer may pass: an election, a restart, a full queue, a store in which others may make
/// room. A stream that is full stays full.
pub(super) const fn may_pass(answer: &Answer) -> bool {
    match answer {
        Answer::Stored { .. } | Answer::Refused(Refusal::NotSent) => false,
        Answer::Unconfirmed(_) | Answer::Refused(Refusal::NoResponders | Refusal::Overload) => true,
        Answer::Refused(Refusal::Api(code) | Refusal::Said { code, .. }) => {
            matches!(*code, 503 | 10_008 | 10_009 | 10_023 | 10_118)
        }
    }
}

/// `duplicate message id is in process`: a copy with the same id is being replicated, with an unknown outcome.
const IN_PROCESS: u32 = 10_158;
/// `too many requests`: the stream's ingest queue is full.
const QUEUE_FULL: u32 = 10_167;

/// Returns why the server refused a request.
fn refusal(status: Option<u16>, error: &ApiError<'_>) -> Refusal {
    // Other limits also have status 429, but error codes of their own.
    if error.err_code == QUEUE_FULL || (error.err_code == 0 && (status == Some(429) || error.code == 429)) {
        return Refusal::Overload;
    }
    let code = if error.err_code == 0 { error.code } else { error.err_code };
    match words::keep(&error.description) {
        "" => Refusal::Api(code),
        words => Refusal::Said { code, words },
    }
}

const fn stored(seq: u64, duplicate: bool) -> Answer {
    Answer::Stored { position: Position { partition: 0, offset: seq }, duplicate }
}

/// Parses the usual `{"stream":"…", "seq":123}` without a JSON parser; returns `None` for anything else.
fn plain_ack(payload: &[u8]) -> Option<Answer> {
    let text = std::str::from_utf8(payload).ok()?;
    // The name of the run's stream contains no quotes.
    let after_name = text.strip_prefix("{\"stream\":")?.trim_start().strip_prefix('"')?.split_once('"')?.1;
    let digits = after_name.trim_start_matches([',', ' ']).strip_prefix("\"seq\":")?.trim_start();
    let end = digits.bytes().position(|b| !b.is_ascii_digit())?;
    let (number, rest) = digits.split_at_checked(end)?;
    if rest.trim() != "}" {
        return None;
    }
    let seq: u64 = number.parse().ok()?;
    Some(stored(seq, false))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn both_forms_of_the_reply_subject_are_read() {
        let expected = DeliveryInfo {
            delivered: 2,
            stream_sequence: 1234,
            consumer_sequence: 99,
            stored_unix_ns: 1_700_000_000_000_000_000,
            pending: 7,
        };
        for reply in [
            "$JS.ACK.tickgate-r1.tickgate-r1-engine.2.1234.99.1700000000000000000.7",
            "$JS.ACK._.ACCHASH.tickgate-r1.tickgate-r1-engine.2.1234.99.1700000000000000000.7",
            "$JS.ACK.hub.ACCHASH.tickgate-r1.tickgate-r1-engine.2.1234.99.1700000000000000000.7.x8fQ",
        ] {
            assert_eq!(delivery_info(reply), Some(expected), "{reply}");
        }
        for not_a_delivery in ["", "_INBOX.abc.1", "$JS.ACK.", "$JS.ACK.s.c.a.b.c.d.e", "$JS.ACK.s.c.1.2.3.4"]
        {
            assert_eq!(delivery_info(not_a_delivery), None, "{not_a_delivery}");
        }
    }

    #[test]
    fn answers_are_told_apart() {
        let refused = |r| Answer::Refused(r);
        let said = |code, words| Answer::Refused(Refusal::Said { code, words });
        for (status, payload, expected) in [
            (None, r#"{"stream":"tickgate-x","seq":12}"#, stored(12, false)),
            (None, r#"{"stream":"tickgate-x", "seq":12}"#, stored(12, false)),
            (None, r#"{"stream":"tickgate-x","domain":"hub","seq":12}"#, stored(12, false)),
            (None, r#"{"stream":"tickgate-x","seq":12,"duplicate":true}"#, stored(12, true)),
            (None, r#"{"stream":"tickgate-x","seq":12,"duplicate": false}"#, stored(12, false)),
            (Some(503), "", refused(Refusal::NoResponders)),
            (Some(429), "", refused(Refusal::Overload)),
            (
                Some(429),
                r#"{"error":{"code":429,"err_code":10167,"description":"too many requests"},"stream":"t","seq":0}"#,
                refused(Refusal::Overload),
            ),
            (
                None,
                r#"{"error":{"code":503,"err_code":10077,"description":"maximum bytes exceeded"},"stream":"t","seq":0}"#,
                said(10_077, "maximum bytes exceeded"),
            ),
            (
                None,
                r#"{"error":{"code":409,"err_code":10158,"description":"duplicate message id is in process"},"stream":"t","seq":0}"#,
                Answer::Unconfirmed(Doubt::InProcess),
            ),
            (None, r#"{"stream":"t","seq":0,"error":{"code":400,"description":"x"}}"#, said(400, "x")),
            (None, "not an answer", refused(Refusal::Api(0))),
            (None, r#"{"stream":"t","seq":99999999999999999999}"#, refused(Refusal::Api(0))),
        ] {
            assert_eq!(answer(status, payload.as_bytes()), expected, "{payload}");
        }
    }

    #[test]
    fn a_reason_that_may_pass_is_not_final() {
        let said = |code| Answer::Refused(Refusal::Said { code, words: "x" });
        let passing = [
            Answer::Refused(Refusal::NoResponders),
            Answer::Refused(Refusal::Overload),
            Answer::Refused(Refusal::Api(503)),
            Answer::Unconfirmed(Doubt::InProcess),
            said(10_008),
            said(10_023),
        ];
        assert!(passing.iter().all(may_pass));
        for last in [said(10_077), said(10_054), Answer::Refused(Refusal::NotSent), stored(1, false)] {
            assert!(!may_pass(&last), "{last:?}");
        }
    }

    #[test]
    fn words_on_batches_are_told_apart() {
        let refused = BatchWord::Refused;
        for (status, payload, expected) in [
            (None, "", BatchWord::Nothing),
            (None, r#"{"type":"ack","seq":0,"msgs":100}"#, BatchWord::Stored { up_to: 0 }),
            (None, r#"{"type":"ack","seq":500,"msgs":250}"#, BatchWord::Stored { up_to: 500 }),
            (None, r#"{"type":"gap","last_seq":4,"seq":9}"#, BatchWord::Nothing),
            (
                None,
                r#"{"type":"err","seq":4,"error":{"code":400,"err_code":10077,"description":"x"}}"#,
                BatchWord::Fault(Refusal::Said { code: 10_077, words: "x" }),
            ),
            (
                None,
                r#"{"stream":"t","seq":12,"batch":"b","count":3}"#,
                BatchWord::Done { last: 12, count: 3, duplicate: false },
            ),
            (
                None,
                r#"{"stream":"t","seq":12,"duplicate": true,"batch":"b","count":1}"#,
                BatchWord::Done { last: 12, count: 1, duplicate: true },
            ),
            (
                None,
                r#"{"error":{"code":400,"err_code":10208,"description":"x"},"stream":"t","seq":0}"#,
                refused(Refusal::Said { code: 10_208, words: "x" }),
            ),
            (Some(503), "", refused(Refusal::NoResponders)),
            (Some(429), "", refused(Refusal::Api(429))),
            (None, "not an answer", refused(Refusal::Api(0))),
            (None, r#"{"stream":"t","seq":12}"#, refused(Refusal::Api(0))),
        ] {
            assert_eq!(batch_word(status, payload.as_bytes()), expected, "{payload}");
        }
    }

    proptest! {
        #[test]
        fn no_reply_panics(text in "\\PC*", bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = delivery_info(&text);
            let _ = delivery_info(&format!("$JS.ACK.{text}"));
            let _ = answer(None, &bytes);
            let _ = answer(Some(429), text.as_bytes());
            let _ = (batch_word(None, &bytes), batch_word(Some(429), text.as_bytes()));
        }

        #[test]
        fn the_short_way_agrees_with_the_parser(seq in any::<u64>()) {
            let payload = format!("{{\"stream\":\"tickgate-x\",\"seq\":{seq}}}");
            prop_assert_eq!(plain_ack(payload.as_bytes()), Some(stored(seq, false)));
            prop_assert_eq!(answer(None, payload.as_bytes()), stored(seq, false));
        }
    }
}
