//! A stream that a loss of power has taken altogether: the server answers, and does not know it.

use std::time::Duration;

use async_nats::jetstream::context::{
    ConsumerInfoError, ConsumerInfoErrorKind, GetStreamError, GetStreamErrorKind,
};
use tokio::time::{Instant, sleep, timeout};

use super::NatsBus;

/// The server's error code for a stream that it does not have.
const NO_STREAM: u64 = 10_059;
/// For how long it must say so before a stream counts as gone: a cluster that has just started may not know its streams yet.
const SAID_FOR: Duration = Duration::from_secs(3);
const PAUSE: Duration = Duration::from_millis(200);

/// Does the server not know the stream?
pub(super) fn is_missing(error: &GetStreamError) -> bool {
    matches!(error.kind(), GetStreamErrorKind::JetStream(api) if api.error_code().0 == NO_STREAM)
}

/// What is gone, and by which answer that is known.
pub(super) fn said(stream: &str, error: &GetStreamError) -> String {
    format!("the stream {stream} itself is gone: the server does not know it any more ({error})")
}

/// Why a consumer's figures cannot be read: a server that has the stream may have lost the consumer.
pub(super) fn of_consumer(consumer: &str, error: &ConsumerInfoError) -> String {
    if error.kind() == ConsumerInfoErrorKind::NotFound {
        return format!(
            "the consumer {consumer} itself is gone, although the stream is there: the server does not know it any more ({error})"
        );
    }
    error.to_string()
}

impl NatsBus {
    /// Is the run's stream gone after a loss of power? Asks for some seconds.
    pub(super) fn is_gone(&self, within: Duration) -> bool {
        let missing = async {
            let until = Instant::now() + SAID_FOR;
            loop {
                match self.jetstream.get_stream(self.stream()).await {
                    Err(error) if is_missing(&error) => {}
                    _ => return false,
                }
                if Instant::now() >= until {
                    return true;
                }
                sleep(PAUSE).await;
            }
        };
        self.plan.loses_power()
            && self.run(async { Ok(timeout(within, missing).await.unwrap_or(false)) }).unwrap_or(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_consumer_that_is_gone_is_named() {
        let of = |kind| of_consumer("engine", &ConsumerInfoError::new(kind));
        let gone = of(ConsumerInfoErrorKind::NotFound);
        assert!(
            gone.starts_with("the consumer engine itself is gone, although the stream is there"),
            "{gone}"
        );
        assert!(!of(ConsumerInfoErrorKind::TimedOut).contains("gone"));
    }
}
