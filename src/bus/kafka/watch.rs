//! What a Kafka client reports apart from results: errors become marks, and the last error that explains a failed
//! connection is kept.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rdkafka::ClientContext;
use rdkafka::client::Client;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::throttle::{self, Step, Throttle};
use super::token::Tokens;
use crate::bus::marks::Notes;
use crate::record::quota::Side;

/// Watches one client; clones share it.
#[derive(Clone)]
pub(super) struct Watch(Arc<Inner>);

struct Inner {
    notes: Notes,
    down: AtomicBool,
    said: Mutex<Option<Said>>,
    throttle: Mutex<Throttle>,
    /// `Some` if the client logs in by tokens.
    tokens: Option<Tokens>,
    /// Number of the token that the client has.
    token: AtomicU64,
}

/// Why a client cannot connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) code: RDKafkaErrorCode,
    pub(super) text: String,
}

impl Said {
    /// Returns whether a retry would fail the same way.
    pub(super) const fn is_final(&self) -> bool {
        matches!(
            self.code,
            RDKafkaErrorCode::Authentication
                | RDKafkaErrorCode::SSL
                | RDKafkaErrorCode::SaslAuthenticationFailed
        )
    }
}

impl Watch {
    pub(super) fn new(notes: Notes, tokens: Option<Tokens>) -> Self {
        Self(Arc::new(Inner {
            notes,
            down: AtomicBool::new(false),
            said: Mutex::new(None),
            throttle: Mutex::default(),
            tokens,
            token: AtomicU64::new(0),
        }))
    }

    /// Returns whether the client logs in by tokens.
    pub(super) fn has_token(&self) -> bool {
        self.0.tokens.is_some()
    }

    /// Gives the client the newest token if it logs in by tokens and has another; a single comparison if not.
    pub(super) fn log_in<C: ClientContext>(&self, client: &Client<C>) {
        if let Some(tokens) = &self.0.tokens
            && let Err(problem) = tokens.give(client, &self.0.token)
        {
            self.failed(RDKafkaErrorCode::Authentication, &format!("the token cannot be used: {problem}"));
        }
    }

    /// Returns the last error that explains why the client cannot connect: a rejected password is kept when "all
    /// brokers down" follows it.
    pub(super) fn said(&self) -> Option<Said> {
        self.0.said.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Records that a message arrived: if the connection was lost, it is restored.
    pub(super) fn came_through(&self) {
        if self.is_down() && self.0.down.swap(false, Ordering::Relaxed) {
            self.0.notes.mark("connected", "");
        }
    }

    /// Returns whether the connection is lost, as far as known.
    pub(super) fn is_down(&self) -> bool {
        self.0.down.load(Ordering::Relaxed)
    }

    /// Handles an error of the client as a whole; producers report each twice.
    pub(super) fn failed(&self, code: RDKafkaErrorCode, text: &str) {
        use RDKafkaErrorCode as Code;
        let gone = matches!(code, Code::BrokerTransportFailure | Code::AllBrokersDown);
        {
            let mut said = self.0.said.lock().unwrap_or_else(PoisonError::into_inner);
            let keeps = said.as_ref().is_some_and(Said::is_final) && gone;
            if !keeps && code != Code::AllBrokersDown {
                *said = Some(Said { code, text: text.to_owned() });
            }
        }
        if !gone {
            self.0.notes.mark("broker-error", text);
        } else if !self.0.down.swap(true, Ordering::Relaxed) {
            self.0.notes.mark("disconnected", text);
        }
    }

    /// Handles the client's statistics and records whether a quota throttles it.
    pub(super) fn statistics(&self, side: Side, statistics: &[u8]) {
        let notes = &self.0.notes;
        let asked = throttle::asked(statistics);
        let mut throttle = self.0.throttle.lock().unwrap_or_else(PoisonError::into_inner);
        match throttle.take(asked, notes.now()) {
            Some(Step::Begins { at, longest }) => {
                let detail = format!(
                    "the cluster's quota holds it back: a broker asked it to wait for {longest} ms (throttle_time_ms)"
                );
                notes.mark_at(at, side.begins(), &detail);
            }
            Some(Step::Ends { at, sum }) => {
                let detail = format!("brokers asked it to wait for {} in all", throttle::seconds(sum));
                notes.mark_at(at, side.ends(), &detail);
            }
            None => {}
        }
    }

    pub(super) fn mark(&self, kind: &'static str, text: &str) {
        self.0.notes.mark(kind, text);
    }
}

impl ClientContext for Watch {
    fn log(&self, _: RDKafkaLogLevel, _: &str, _: &str) {}

    fn error(&self, error: KafkaError, reason: &str) {
        if let Some(code) = error.rdkafka_error_code() {
            self.failed(code, reason);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::marks::Marks;
    use crate::host::clock::Clock;

    #[test]
    fn an_outage_is_two_marks_and_its_reason_is_kept() {
        let marks = Marks::new(Clock::start());
        let watch = Watch::new(marks.of("control".to_owned()), None);
        watch.came_through();
        for _ in 0..2 {
            watch.failed(RDKafkaErrorCode::Authentication, "Invalid username or password");
            watch.failed(RDKafkaErrorCode::BrokerTransportFailure, "h:1: Disconnected");
            watch.failed(RDKafkaErrorCode::AllBrokersDown, "1/1 brokers are down");
        }
        watch.came_through();
        watch.came_through();
        let mut taken = Vec::new();
        marks.take(&mut taken);
        let kinds: Vec<_> = taken.iter().map(|mark| mark.kind).collect();
        assert_eq!(kinds, ["broker-error", "disconnected", "broker-error", "connected"]);
        let said = watch.said().unwrap();
        assert!(said.is_final() && said.text.starts_with("Invalid"));
    }
}
