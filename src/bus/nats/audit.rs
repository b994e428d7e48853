//! Reading the run's stream back from the start, in its own order.

use std::time::Duration;

use async_nats::jetstream::Context;
use async_nats::jetstream::consumer::pull;
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy};
use async_nats::jetstream::context::GetStreamErrorKind;
use tokio::time::Instant;

use super::link::Link;
use super::member::{Pull, Pulled, Source, hand_over};
use super::provision::MARK;
use super::subjects::Layout;
use super::target::environment;
use crate::bus::{BusError, Delivery};
use crate::host::clock::Clock;

/// Messages asked for at once, at the most.
pub(super) const BATCH: u32 = 1000;
/// After so long without a message the reader starts anew where it was.
const STALL: Duration = Duration::from_secs(2);
/// Pause before it asks again.
const PAUSE: Duration = Duration::from_millis(200);

/// What the audit reads.
pub(super) struct Audit<'a> {
    pub(super) jetstream: &'a Context,
    pub(super) run: &'a str,
    pub(super) stream: String,
    pub(super) api: String,
    pub(super) layout: &'a Layout,
    pub(super) clock: Clock,
    pub(super) batch: u32,
}

impl Audit<'_> {
    /// Reads until what was the last event at the call, or the deadline; returns whether it saw the end.
    /// A consumer that is lost, or skips, is made again at the first event not yet seen.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(super) async fn read(
        &self,
        link: impl Fn() -> Link,
        deadline: Instant,
        sink: &mut dyn FnMut(&Delivery<'_>),
    ) -> Result<bool, BusError> {
        let Ok(state) = tokio::time::timeout_at(deadline, self.state()).await else { return Ok(false) };
        let Some((first, last)) = state? else { return Ok(true) };
        let (mut next, mut round) = (first, 0);
        while Instant::now() < deadline {
            match tokio::time::timeout_at(deadline, self.consumer(link(), round, next)).await {
                Ok(Ok(pull)) => {
                    if self.read_on(pull, &mut next, last, deadline, sink).await {
                        return Ok(true);
                    }
                }
                Ok(Err(error)) if Instant::now() + PAUSE >= deadline => return Err(error),
                _ => tokio::time::sleep_until(deadline.min(Instant::now() + PAUSE)).await,
            }
            round += 1;
        }
        Ok(false)
    }

    /// First and last sequence of the stream; `None` when it is empty. Asks until it is answered.
    async fn state(&self) -> Result<Option<(u64, u64)>, BusError> {
        loop {
            match self.jetstream.get_stream(&self.stream).await {
                Ok(stream) => {
                    let state = &stream.cached_info().state;
                    return Ok(
                        (state.messages > 0).then(|| (state.first_sequence.max(1), state.last_sequence))
                    );
                }
                Err(error) if matches!(error.kind(), GetStreamErrorKind::JetStream(_)) => {
                    return Err(self.unreadable(&error.to_string()));
                }
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
    }

    /// Reads until the end (`true`), or until the consumer fails us or the deadline (`false`).
    async fn read_on(
        &self,
        mut pull: Pull,
        next: &mut u64,
        last: u64,
        deadline: Instant,
        sink: &mut dyn FnMut(&Delivery<'_>),
    ) -> bool {
        let mut expected = 1;
        loop {
            let ready = pull.ready();
            let pulled = match ready {
                Ok(None) => pull.next(deadline.min(Instant::now() + STALL)).await,
                other => other,
            };
            let Ok(Some(Pulled { message, info })) = pulled else { return false };
            if info.consumer_sequence != expected {
                return false;
            }
            expected += 1;
            if info.stream_sequence > last {
                return true;
            }
            hand_over(self.layout, &message, info, self.clock.now(), sink);
            *next = info.stream_sequence + 1;
            if info.stream_sequence == last || info.pending == 0 {
                return true;
            }
            if Instant::now() >= deadline {
                return false;
            }
        }
    }

    async fn consumer(&self, link: Link, round: u32, start: u64) -> Result<Pull, BusError> {
        let name = format!("{}-audit-{round}", self.stream);
        let config = pull::Config {
            name: Some(name.clone()),
            deliver_policy: DeliverPolicy::ByStartSequence { start_sequence: start },
            ack_policy: AckPolicy::None,
            max_deliver: 1,
            memory_storage: true,
            num_replicas: 1,
            inactive_threshold: Duration::from_secs(30),
            metadata: [(MARK.to_owned(), self.run.to_owned())].into(),
            ..pull::Config::default()
        };
        self.jetstream
            .create_consumer_on_stream(config, self.stream.as_str())
            .await
            .map_err(|error| self.unreadable(&error.to_string()))?;
        let source = Source {
            api: self.api.clone(),
            stream: self.stream.clone(),
            consumer: name,
            batch: self.batch,
            pinned: false,
        };
        Pull::open(link, source).await
    }

    fn unreadable(&self, why: &str) -> BusError {
        environment(&format!("cannot read stream {} back: {why}", self.stream), "see the server's log")
    }
}
