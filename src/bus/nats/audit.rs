//! Reads the run's stream back from the start, in stream order.

use std::time::Duration;

use async_nats::jetstream::Context;
use async_nats::jetstream::consumer::pull;
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy};
use async_nats::jetstream::context::GetStreamErrorKind;
use async_nats::jetstream::stream::ConsumerErrorKind;
use tokio::runtime::Runtime;

use super::codes::refused;
use super::intake::{Beat, Intake, Mode, Source};
use super::member::hand_over;
use super::provision::{MARK, stream_name};
use super::subjects::Layout;
use super::target::environment;
use super::{CONTROL, unless_denied};
use crate::bus::marks::Marks;
use crate::bus::{BusError, Delivery};
use crate::host::clock::Clock;
use crate::plan::Ns;

/// Maximum number of messages per request.
pub(super) const BATCH: u32 = 1000;
/// Time without a message after which the reader starts again at its position.
pub(super) const STALL: Ns = 2_000_000_000;
/// Pause before a retry.
pub(super) const PAUSE: Ns = 200_000_000;

/// How long a consumer may be unused before the server removes it.
const UNUSED: Duration = Duration::from_secs(30);

/// The server's error code while the copies of a stream elect a leader: it answers again after the election.
pub(super) const NO_LEADER: u64 = 10_008;

/// A consumer that was created for the audit.
pub(super) struct Made {
    pub(super) source: Source,
    /// The server that it is on, in a cluster: it reads that server's copy of the stream.
    pub(super) node: Option<String>,
    /// Messages that it has to deliver.
    pub(super) pending: u64,
}

/// Everything that reading back a run's stream needs.
pub(super) struct Audit<'a> {
    pub(super) runtime: &'a Runtime,
    pub(super) jetstream: &'a Context,
    pub(super) run: &'a str,
    pub(super) stream: String,
    /// In an attached stream: the first sequence that belongs to the run.
    pub(super) from: Option<u64>,
    pub(super) api: String,
    pub(super) layout: &'a Layout,
    pub(super) clock: Clock,
    pub(super) batch: u32,
    pub(super) marks: &'a Marks,
}

impl Audit<'_> {
    /// Reads up to the event that was last at the time of the call, or until the deadline; returns whether it reached
    /// the end. A consumer that is lost or skips events is recreated at the first event not yet seen. `open` connects
    /// to a consumer.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(super) fn read(
        &self,
        open: impl Fn(Source) -> Result<Intake, BusError>,
        deadline: Ns,
        sink: &mut dyn FnMut(&Delivery<'_>),
    ) -> Result<bool, BusError> {
        let Some(state) = self.by(deadline, self.state()) else { return Ok(false) };
        let Some((first, last)) = state? else { return Ok(true) };
        let (mut next, mut round) = (first, 0);
        while self.clock.now() < deadline {
            let made = self.by(deadline, self.consumer(round, next, UNUSED));
            match made.map(|made| made.and_then(|made| open(made.source))) {
                Some(Ok(intake)) => {
                    if self.read_on(intake, &mut next, last, deadline, sink) {
                        return Ok(true);
                    }
                }
                // A request that the server refuses with a code, or denies, fails again when it is repeated.
                Some(Err(error @ BusError::Refused { .. })) => return Err(error),
                Some(Err(error)) if self.clock.now() + PAUSE >= deadline => return Err(error),
                _ => std::thread::sleep(Duration::from_nanos(
                    PAUSE.min(deadline.saturating_sub(self.clock.now())),
                )),
            }
            round += 1;
        }
        Ok(false)
    }

    /// Runs a future of the control side; `None` if it does not complete by the deadline.
    pub(super) fn by<T>(
        &self,
        deadline: Ns,
        work: impl Future<Output = Result<T, BusError>>,
    ) -> Option<Result<T, BusError>> {
        let left = Duration::from_nanos(deadline.saturating_sub(self.clock.now()));
        self.runtime
            .block_on(async {
                // The connection polls its socket first, as always after a pause.
                tokio::task::yield_now().await;
                tokio::time::timeout(left, unless_denied(self.marks, CONTROL, work)).await.ok()
            })
            .map(|done| done.map_err(|error| self.denied().unwrap_or(error)))
    }

    /// Returns what the server denies the control side: a denied request never gets an answer.
    fn denied(&self) -> Option<BusError> {
        let denial = self.marks.denied_to(CONTROL)?;
        Some(BusError::Refused { problem: denial.problem, hint: denial.hint })
    }

    /// Returns the first and last sequence of the stream, `None` if it is empty. Repeats the request until it is
    /// answered.
    pub(super) async fn state(&self) -> Result<Option<(u64, u64)>, BusError> {
        loop {
            match self.jetstream.get_stream(&self.stream).await {
                Ok(stream) => {
                    let state = &stream.cached_info().state;
                    let first = state.first_sequence.max(self.from.unwrap_or(1));
                    let last = state.last_sequence;
                    return Ok((state.messages > 0 && first <= last).then_some((first, last)));
                }
                Err(error) => match error.kind() {
                    GetStreamErrorKind::JetStream(api) if api.error_code().0 != NO_LEADER => {
                        return Err(self.refused(&api));
                    }
                    _ => tokio::time::sleep(Duration::from_nanos(PAUSE)).await,
                },
            }
        }
    }

    /// Reads until the end (`true`), or until the consumer fails or the deadline passes (`false`).
    fn read_on(
        &self,
        mut intake: Intake,
        next: &mut u64,
        last: u64,
        deadline: Ns,
        sink: &mut dyn FnMut(&Delivery<'_>),
    ) -> bool {
        let mut expected = 1;
        loop {
            let taken = match intake.ready() {
                Ok(None) => intake.next(deadline.min(self.clock.now() + STALL)),
                other => other,
            };
            let Ok(Some(taken)) = taken else { return false };
            let info = taken.info;
            if info.consumer_sequence != expected {
                return false;
            }
            expected += 1;
            if info.stream_sequence > last {
                return true;
            }
            hand_over(self.layout, &intake.message(&taken), info, intake.read_at(), sink);
            *next = info.stream_sequence + 1;
            if info.stream_sequence == last || info.pending == 0 {
                return true;
            }
            if self.clock.now() >= deadline {
                return false;
            }
        }
    }

    /// Creates a consumer that reads from sequence `start`, and that the server removes when it was unused for a while.
    pub(super) async fn consumer(&self, round: u32, start: u64, unused: Duration) -> Result<Made, BusError> {
        let name = format!("{}-audit-{round}", stream_name(self.run));
        let config = pull::Config {
            name: Some(name.clone()),
            deliver_policy: DeliverPolicy::ByStartSequence { start_sequence: start },
            ack_policy: AckPolicy::None,
            max_deliver: 1,
            memory_storage: true,
            num_replicas: 1,
            filter_subjects: if self.from.is_some() { self.layout.stream_subjects() } else { Vec::new() },
            inactive_threshold: unused,
            metadata: [(MARK.to_owned(), self.run.to_owned())].into(),
            ..pull::Config::default()
        };
        let made = self.jetstream.create_consumer_on_stream(config, self.stream.as_str()).await;
        let made = made.map_err(|error| match error.kind() {
            ConsumerErrorKind::JetStream(api) if api.error_code().0 != NO_LEADER => self.refused(&api),
            _ => self.unreadable(&error.to_string()),
        })?;
        let info = made.cached_info();
        // Zero means no limit.
        let most = u32::try_from(info.config.max_batch).ok().filter(|most| *most > 0);
        let source = Source {
            api: self.api.clone(),
            stream: self.stream.clone(),
            consumer: name,
            batch: most.map_or(self.batch, |most| self.batch.min(most)),
            mode: Mode::Pull(None),
            beat: Beat::USUAL,
        };
        let node = info.cluster.as_ref().and_then(|cluster| cluster.leader.clone());
        Ok(Made { source, node, pending: info.num_pending })
    }

    pub(super) fn refused(&self, error: &async_nats::jetstream::Error) -> BusError {
        refused(&format!("read stream {} back", self.stream), error, self.layout.naming())
    }

    pub(super) fn unreadable(&self, why: &str) -> BusError {
        environment(&format!("cannot read stream {} back: {why}", self.stream), "see the server's log")
    }
}
