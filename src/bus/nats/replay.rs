//! Reads the run's events again, with a consumer and a connection that exist for nothing else: from a policy of the server's,
//! as fast as it is read or with the original pauses.

use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, ReplayPolicy, pull};
use async_nats::jetstream::stream::ConsumerErrorKind;
use time::OffsetDateTime;

use super::audit::{Audit, NO_LEADER, PAUSE, STALL};
use super::denial::Terms;
use super::dial::Dialer;
use super::intake::{Beat, Intake, Mode, Source};
use super::member::{hand_over, intake};
use super::provision::{MARK, stream_name};
use super::subjects::Layout;
use super::target::{Target, environment};
use super::{CONTROL_QUEUE, link, runtime};
use crate::bus::marks::Marks;
use crate::bus::{BusError, ReplaySink, Replaying, Start};
use crate::host::clock::Clock;
use crate::plan::Ns;

/// Messages per request: an event of a replay waits for none.
pub(super) const BATCH: u32 = 5000;
/// How long a consumer may be unused before the server removes it. A replay always has a request open, and deleting its consumer
/// would take a permission that a run does not need otherwise.
const UNUSED: Duration = Duration::from_secs(5);
/// The longest wait for a message before the reader looks whether it is to stop.
const LOOK: Ns = 100_000_000;
/// Messages that are read in a row before it looks.
const LOOK_AFTER: u64 = 1024;

/// Makes replays of a run's stream.
pub(super) struct Reader {
    pub(super) target: Target,
    pub(super) dialer: Arc<Dialer>,
    pub(super) terms: Terms,
    pub(super) marks: Marks,
    pub(super) clock: Clock,
    pub(super) run: String,
    pub(super) stream: String,
    pub(super) api: String,
    pub(super) layout: Arc<Layout>,
    pub(super) batch: u32,
    pub(super) beat: Beat,
}

/// How far a replay has come.
#[derive(Default)]
struct Progress {
    /// The last sequence of the stream when it began.
    last: u64,
    /// Of a replay of last messages: how many there are to come.
    left: Option<u64>,
    /// The first sequence that it has not read; 0 before the first message.
    next: u64,
    events: u64,
}

/// How following a consumer ended.
#[derive(Debug, PartialEq, Eq)]
enum Followed {
    /// Everything that was there when the replay began is read.
    ToTheEnd,
    /// The time is over.
    Over,
    /// The consumer or its connection is lost, or a message was.
    Lost,
}

impl Reader {
    /// Carries out a replay; see [`crate::bus::Replayer`].
    pub(super) fn replay(&self, wanted: &Replaying<'_>, sink: &mut dyn ReplaySink) -> Result<bool, BusError> {
        let runtime = runtime()?;
        let notes = || self.marks.of(format!("replay {}", wanted.number));
        let (client, jetstream) = runtime.block_on(async {
            let client = link::connect(&self.target, self.terms.clone(), notes(), CONTROL_QUEUE).await?;
            let jetstream = link::jetstream(&self.target, client.clone());
            Ok::<_, BusError>((client, jetstream))
        })?;
        let reading = Audit {
            runtime: &runtime,
            jetstream: &jetstream,
            run: &self.run,
            stream: self.stream.clone(),
            from: None,
            api: self.api.clone(),
            layout: &self.layout,
            clock: self.clock,
            batch: self.batch,
            marks: &self.marks,
        };
        let open = |source| intake(&client, &self.dialer, notes(), self.clock, source);
        reading.replay(wanted, self.beat, open, sink)
    }
}

impl Audit<'_> {
    /// Reads what a replay is to return. If a consumer is lost or skips a message, a new one continues at its position.
    fn replay(
        &self,
        wanted: &Replaying<'_>,
        beat: Beat,
        open: impl Fn(Source) -> Result<Intake, BusError>,
        sink: &mut dyn ReplaySink,
    ) -> Result<bool, BusError> {
        let Some(state) = self.by(wanted.deadline, self.state()) else { return Ok(false) };
        let Some((_, last)) = state? else {
            sink.opened();
            return Ok(true);
        };
        let mut progress = Progress { last, ..Progress::default() };
        let (mut round, mut opened) = (0, false);
        while !wanted.is_over(self.clock.now()) {
            let policy = self.policy(wanted.from, progress.next)?;
            let made = self.by(wanted.deadline, self.replaying(wanted, round, policy, beat));
            match made {
                None => return Ok(false),
                Some(Ok((source, pending))) => {
                    if !std::mem::replace(&mut opened, true) {
                        sink.opened();
                        progress.left = (wanted.from == Start::LastOfEach).then_some(pending);
                    }
                    if pending == 0 {
                        return Ok(true);
                    }
                    match open(source).map(|intake| self.follow_replay(intake, wanted, &mut progress, sink)) {
                        Ok(Followed::ToTheEnd) => return Ok(true),
                        Ok(Followed::Over) => return Ok(false),
                        Ok(Followed::Lost) => {}
                        Err(_) => std::thread::sleep(Duration::from_nanos(PAUSE)),
                    }
                }
                // A request that the server refuses with a code, or denies, fails again when it is repeated.
                Some(Err(error @ BusError::Refused { .. })) => return Err(error),
                Some(Err(error)) if self.clock.now() + PAUSE >= wanted.deadline => return Err(error),
                Some(Err(_)) => std::thread::sleep(Duration::from_nanos(PAUSE)),
            }
            round += 1;
        }
        Ok(false)
    }

    /// From which message a consumer delivers: where the replay begins, or where it was.
    fn policy(&self, from: Start, next: u64) -> Result<DeliverPolicy, BusError> {
        Ok(match (from, next) {
            (Start::LastOfEach, next) if next > 0 => {
                let lost = "the consumer was lost, and one that delivers the last message of each subject cannot go on where it was";
                return Err(self.unreadable(lost));
            }
            (_, next) if next > 0 => DeliverPolicy::ByStartSequence { start_sequence: next },
            (Start::LastOfEach, _) => DeliverPolicy::LastPerSubject,
            (Start::First, _) => DeliverPolicy::All,
            (Start::Position(sequence), _) => {
                DeliverPolicy::ByStartSequence { start_sequence: sequence.max(1) }
            }
            (Start::Since(unix_ns), _) => {
                let start_time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(unix_ns));
                let start_time = start_time
                    .map_err(|error| environment(&format!("no such time: {error}"), "report this"))?;
                DeliverPolicy::ByStartTime { start_time }
            }
        })
    }

    /// Creates the consumer of a replay; returns it with the number of messages that it has to deliver.
    async fn replaying(
        &self,
        wanted: &Replaying<'_>,
        round: u32,
        deliver_policy: DeliverPolicy,
        beat: Beat,
    ) -> Result<(Source, u64), BusError> {
        let name = format!("{}-replay-{}-{round}", stream_name(self.run), wanted.number);
        let config = pull::Config {
            name: Some(name.clone()),
            deliver_policy,
            replay_policy: if wanted.original { ReplayPolicy::Original } else { ReplayPolicy::Instant },
            ack_policy: AckPolicy::None,
            max_deliver: 1,
            memory_storage: true,
            num_replicas: 1,
            // The server asks for subjects where it is to know their last messages.
            filter_subjects: if wanted.from == Start::LastOfEach {
                self.layout.stream_subjects()
            } else {
                Vec::new()
            },
            inactive_threshold: UNUSED,
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
            beat,
        };
        Ok((source, info.num_pending))
    }

    /// Reads what a consumer delivers.
    fn follow_replay(
        &self,
        mut intake: Intake,
        wanted: &Replaying<'_>,
        progress: &mut Progress,
        sink: &mut dyn ReplaySink,
    ) -> Followed {
        let (mut expected, mut heard) = (1, self.clock.now());
        loop {
            let taken = match intake.ready() {
                Ok(None) => intake.next(wanted.deadline.min(self.clock.now() + LOOK)),
                other => other,
            };
            let Ok(taken) = taken else { return Followed::Lost };
            let Some(taken) = taken else {
                let now = self.clock.now();
                if wanted.is_over(now) {
                    return Followed::Over;
                }
                // The original pauses may be long.
                if !wanted.original && now > heard + STALL {
                    return Followed::Lost;
                }
                continue;
            };
            let info = taken.info;
            if info.consumer_sequence != expected {
                return Followed::Lost;
            }
            (expected, heard) = (expected + 1, intake.read_at());
            if progress.left.is_none() && info.stream_sequence > progress.last {
                return Followed::ToTheEnd;
            }
            let stored = info.stored_unix_ns;
            let mut hand_on = |delivery: &crate::bus::Delivery<'_>| sink.event(delivery, stored);
            hand_over(self.layout, &intake.message(&taken), info, heard, &mut hand_on);
            if progress.has_taken(info.stream_sequence) {
                return Followed::ToTheEnd;
            }
            if progress.events.is_multiple_of(LOOK_AFTER) && wanted.is_over(heard) {
                return Followed::Over;
            }
        }
    }
}

impl Progress {
    /// Takes note of a message. Returns whether it was the last one.
    fn has_taken(&mut self, sequence: u64) -> bool {
        self.next = sequence + 1;
        self.events += 1;
        match &mut self.left {
            Some(left) => {
                *left = left.saturating_sub(1);
                *left == 0
            }
            None => sequence >= self.last,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replay_ends_with_the_last_message_that_was_there() {
        let mut all = Progress { last: 12, ..Progress::default() };
        assert_eq!([3, 11, 12].map(|sequence| all.has_taken(sequence)), [false, false, true]);
        assert_eq!((all.next, all.events), (13, 3));
        // The last ones of their subjects are counted: newer ones follow them at once.
        let mut last = Progress { last: 12, left: Some(2), ..Progress::default() };
        assert_eq!([13, 15].map(|sequence| last.has_taken(sequence)), [false, true]);
    }
}
