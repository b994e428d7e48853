//! Reads the run's topics again for a replay, with clients of its own: each partition from an offset or from a time on.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::config::FromClientConfigAndContext as _;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::{Offset, TopicPartitionList};

use super::audit::{Audit, Ends, partitions};
use super::names::Names;
use super::target::Target;
use super::token::Tokens;
use super::watch::Watch;
use super::{Watching, member, provision, wrong_settings};
use crate::bus::marks::Marks;
use crate::bus::{BusError, ReplaySink, Replaying, Start, environment};
use crate::host::clock::Clock;
use crate::num;

/// How long the brokers may take to say where a time lies.
const ASK: Duration = Duration::from_secs(5);
/// Pause before they are asked again.
const AGAIN: Duration = Duration::from_millis(50);

/// Makes replays of a run's topics.
pub(super) struct Reader {
    pub(super) target: Target,
    pub(super) tokens: Option<Tokens>,
    pub(super) marks: Marks,
    pub(super) names: Arc<Names>,
    pub(super) most_bytes: u64,
    pub(super) clock: Clock,
}

impl Reader {
    /// Carries out a replay; see [`crate::bus::Replayer`].
    pub(super) fn replay(&self, wanted: &Replaying<'_>, sink: &mut dyn ReplaySink) -> Result<bool, BusError> {
        let name = format!("replay {}", wanted.number);
        let watch = Watch::new(self.marks.of(name.clone()), self.tokens.clone());
        let mut config = self.target.config(&name)?;
        config.set("isolation.level", "read_uncommitted");
        let control: BaseConsumer<Watching> =
            BaseConsumer::from_config_and_context(&config, Watching(watch.clone()))
                .map_err(|error| wrong_settings(&self.target, &error))?;
        let left = Duration::from_nanos(wanted.deadline.saturating_sub(self.clock.now()));
        let deadline = Instant::now() + left;
        let begin = self.begin(&control, wanted, deadline)?;
        member::fetch_at_most(&mut config, self.most_bytes);
        let audit = Audit {
            control: &control,
            config,
            names: &self.names,
            start: None,
            begin,
            stop: Some(wanted.stop),
            watch,
            clock: self.clock,
        };
        // One borrow of the sink after the other.
        let sink = std::cell::RefCell::new(sink);
        let read = audit.read(
            deadline,
            &mut || {
                sink.borrow_mut().opened();
            },
            &mut |delivery| {
                sink.borrow_mut().event(delivery, 0);
            },
        );
        super::end(control);
        read
    }

    /// The first offset of each partition; `None` for the first event of each.
    fn begin(
        &self,
        control: &BaseConsumer<Watching>,
        wanted: &Replaying<'_>,
        deadline: Instant,
    ) -> Result<Option<Ends>, BusError> {
        let unix_ns = match wanted.from {
            Start::First => return Ok(None),
            Start::Position(offset) => {
                return Ok(Some(Ends(vec![offset; num::index32(self.names.places())])));
            }
            Start::LastOfEach => {
                return Err(environment(
                    "a topic of the run's own has no last events of its keys",
                    "report this",
                ));
            }
            Start::Since(unix_ns) => unix_ns,
        };
        loop {
            provision::listen(control);
            match since(control, &self.names, unix_ns / 1_000_000) {
                Ok(ends) => return Ok(Some(ends)),
                Err(error) if Instant::now() >= deadline || wanted.is_over(self.clock.now()) => {
                    return Err(environment(
                        &format!("the brokers do not say where a time lies in the run's topics: {error}"),
                        "see the broker's log",
                    ));
                }
                Err(_) => std::thread::sleep(AGAIN),
            }
        }
    }
}

/// Returns the first offset of each partition whose event has this time, in milliseconds since 1970, or a later one; `u64::MAX`
/// where there is none.
fn since(control: &BaseConsumer<Watching>, names: &Names, unix_ms: u64) -> rdkafka::error::KafkaResult<Ends> {
    let time = Offset::Offset(i64::try_from(unix_ms).unwrap_or(i64::MAX));
    let mut list = TopicPartitionList::new();
    for topic in names.topics() {
        for partition in partitions(names) {
            list.add_partition_offset(topic, partition, time)?;
        }
    }
    let answer = control.offsets_for_times(list, ASK)?;
    let mut begin = vec![u64::MAX; num::index32(names.places())];
    for element in answer.elements() {
        element.error()?;
        let Some(topic) = names.index(element.topic(), 0) else { continue };
        if let (Offset::Offset(offset), Some(place)) =
            (element.offset(), begin.get_mut(num::index32(names.place(topic, element.partition()))))
        {
            *place = u64::try_from(offset).unwrap_or(u64::MAX);
        }
    }
    Ok(Ends(begin))
}
