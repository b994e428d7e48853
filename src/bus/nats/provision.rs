//! Creates the run's stream and consumers, with names and a mark of the run, and removes only what has that mark.
//!
//! When the stream is full it discards *new* events: the publisher sees and counts the refusal, while discarding old
//! ones would lose acknowledged events silently.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use async_nats::jetstream::consumer::pull;
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, PriorityPolicy};
use async_nats::jetstream::context::{CreateStreamErrorKind, GetStreamByNameErrorKind, GetStreamErrorKind};
use async_nats::jetstream::stream::{
    Compression as NatsCompression, Config, ConsumerErrorKind, DiscardPolicy, PersistenceMode, StorageType,
    SubjectTransform,
};
use async_nats::jetstream::{Context, ErrorCode};

use super::codes::{other_subjects, refused};
use super::intake::PIN_TIMEOUT;
use super::model::Fields;
use super::subjects::{self, Layout};
use super::target::environment;
use crate::bus::BusError;
use crate::bus::leftover::is_run_id;
use crate::num;
use crate::plan::{AckMode, Bus, Compression, Delivery, Nats, Persist, Plan, Publish, Span, Storage};
use crate::topology::{Naming, own_name};

/// Name of the only priority group of a pinned consumer without a model.
pub(super) const PRIORITY_GROUP: &str = "members";
/// Metadata key on everything that a run creates; its value is the run's id.
pub(super) const MARK: &str = "tickgate.run";
/// Time, in addition to the length of the run, after which the server removes an unused consumer.
const FORGOTTEN_AFTER: Duration = Duration::from_hours(1);
/// How long a failed store creation (10049) is repeated: right after a delete, the server may still be removing the folder.
const WITHIN: Duration = Duration::from_secs(1);
/// How long what a new cluster refuses or does not answer is repeated, right after its start.
const WITHIN_OF_CLUSTER: Duration = Duration::from_secs(15);
/// For how long a server remembers ids by default.
const DUPLICATES: Duration = Duration::from_mins(2);
/// Pause before a retry.
const RETRY_AFTER: Duration = Duration::from_millis(100);

/// Repeats a request that a broker refuses, or does not answer, for a moment only.
#[derive(Debug)]
pub(super) struct Attempts {
    began: Instant,
    /// The run is on a cluster that tickgate has just started.
    cluster: bool,
}

impl Attempts {
    pub(super) fn of(plan: &Plan) -> Self {
        Self { began: Instant::now(), cluster: !plan.cluster.is_single() }
    }

    /// Returns whether a refused request may succeed soon; then waits a moment.
    pub(super) async fn again(&self, error: &async_nats::jetstream::Error) -> bool {
        let again = passes(error.error_code().0, self.cluster, self.began.elapsed());
        self.wait(again).await
    }

    /// Returns whether a request without an answer may succeed soon; then waits a moment.
    pub(super) async fn again_unanswered(&self) -> bool {
        self.wait(self.cluster && self.began.elapsed() < WITHIN_OF_CLUSTER).await
    }

    async fn wait(&self, again: bool) -> bool {
        if again {
            tokio::time::sleep(RETRY_AFTER).await;
        }
        again
    }
}

/// Returns whether what the server has refused for `elapsed` may come to pass. A new cluster may still lack a peer (10005)
/// or a leader (10008).
fn passes(error: u64, cluster: bool, elapsed: Duration) -> bool {
    if cluster {
        elapsed < WITHIN_OF_CLUSTER && matches!(error, 10_005 | 10_008 | 10_049)
    } else {
        elapsed < WITHIN && error == 10_049
    }
}

/// Returns the name of the run's stream.
pub(super) fn stream_name(run: &str) -> String {
    own_name(run)
}

fn mark(run: &str) -> HashMap<String, String> {
    HashMap::from([(MARK.to_owned(), run.to_owned())])
}

/// Checks that no other stream holds one of the run's subjects.
///
/// # Errors
/// When one does; names the stream, and what to do.
pub(super) async fn check_overlap(jetstream: &Context, run: &str, layout: &Layout) -> Result<(), BusError> {
    for subject in layout.stream_subjects() {
        match jetstream.stream_by_subject(subject.as_str()).await {
            Ok(name) if name == stream_name(run) => {}
            Ok(name) => return Err(in_the_way(jetstream, &name, &subject, layout.naming()).await),
            Err(error) if error.kind() == GetStreamByNameErrorKind::NotFound => {}
            Err(error) => return Err(failed("ask for streams with our subjects", &error.to_string())),
        }
    }
    Ok(())
}

async fn in_the_way(jetstream: &Context, name: &str, subject: &str, naming: Naming) -> BusError {
    let owner = match jetstream.get_stream(name).await {
        Ok(stream) => stream.cached_info().config.metadata.get(MARK).cloned(),
        Err(_) => None,
    };
    let problem = format!("a stream {name} already holds our subjects ({subject})");
    match owner {
        // The mark is foreign text: only a valid run id may appear in a suggested command.
        Some(run) if is_run_id(&run) => environment(
            &problem,
            &format!(
                "it is of tickgate's run {run}: wait for its end, or remove what it left: `tickgate clean --run {run}` with \
                 the same --broker or --context lists it"
            ),
        ),
        Some(_) => environment(
            &problem,
            "it has tickgate's mark: `tickgate clean` with the same --broker or --context lists what there is",
        ),
        None => environment(&problem, other_subjects(naming)),
    }
}

/// Creates the stream and the durables of all groups.
///
/// # Errors
/// When the server refuses one of them.
pub(super) async fn provision(
    jetstream: &Context,
    run: &str,
    plan: &Plan,
    layout: &Layout,
    api: &str,
) -> Result<(), BusError> {
    check_overlap(jetstream, run, layout).await?;
    create_stream(jetstream, plan, stream_config(run, plan, layout), layout.naming()).await?;
    let stream = stream_name(run);
    for group in 0..plan.groups.len() {
        for durable in 0..layout.durables(group) {
            let config = consumer_config(run, plan, layout, group, durable);
            let most = create_consumer(jetstream, plan, config, &stream, layout.naming(), api).await?;
            check_batch(plan, most)?;
        }
    }
    Ok(())
}

/// Checks the server's limit on messages per request, if it has one; the server's consumers show it.
fn check_batch(plan: &Plan, most: i64) -> Result<(), BusError> {
    let asked = plan.bus.fitting(plan.largest_event()).min(u64::from(plan.bus.nats.pull_batch));
    match u64::try_from(most) {
        Ok(most) if most > 0 && asked > most => Err(environment(
            &format!(
                "the server allows requests of at most {most} messages, and the plan asks for {asked} at once"
            ),
            &format!(
                "set `bus.nats.pull_batch = {most}`, or raise `max_request_batch` in the server's `jetstream.limits`"
            ),
        )),
        _ => Ok(()),
    }
}

/// Creates a consumer and returns the server's limit on messages per request.
pub(super) async fn create_consumer(
    jetstream: &Context,
    plan: &Plan,
    config: pull::Config,
    stream: &str,
    naming: Naming,
    api: &str,
) -> Result<i64, BusError> {
    let name = config.durable_name.clone().unwrap_or_default();
    let attempts = Attempts::of(plan);
    loop {
        let error = match jetstream.create_consumer_on_stream(config.clone(), stream).await {
            Ok(made) => return Ok(made.cached_info().config.max_batch),
            Err(error) => error,
        };
        match error.kind() {
            ConsumerErrorKind::JetStream(error) if attempts.again(&error).await => {}
            ConsumerErrorKind::JetStream(error) => {
                return Err(refused(&format!("create consumer {name}"), &error, naming));
            }
            ConsumerErrorKind::TimedOut | ConsumerErrorKind::Request if attempts.again_unanswered().await => {
            }
            _ => return Err(failed(&format!("create consumer {name} ({api})"), &error.to_string())),
        }
    }
}

pub(super) async fn create_stream(
    jetstream: &Context,
    plan: &Plan,
    config: Config,
    naming: Naming,
) -> Result<(), BusError> {
    let action = format!("create stream {}", config.name);
    let attempts = Attempts::of(plan);
    loop {
        let error = match jetstream.create_stream(config.clone()).await {
            Ok(made) => return check_persist(&config, &made.cached_info().config),
            Err(error) => error,
        };
        match error.kind() {
            CreateStreamErrorKind::JetStream(api) if attempts.again(&api).await => {}
            CreateStreamErrorKind::TimedOut | CreateStreamErrorKind::JetStreamUnavailable
                if attempts.again_unanswered().await => {}
            CreateStreamErrorKind::JetStream(api) => return Err(refused(&action, &api, naming)),
            _ => return Err(failed(&action, &error.to_string())),
        }
    }
}

/// Checks that the server has taken over how the stream is written. One before 2.12 does not know the setting and leaves it out,
/// and an acknowledgement would be said to mean something else than it does.
fn check_persist(asked: &Config, made: &Config) -> Result<(), BusError> {
    let is_async = |config: &Config| config.persist_mode == Some(PersistenceMode::Async);
    if is_async(asked) && !is_async(made) {
        return Err(environment(
            &format!(
                "the server has made stream {} without `persist_mode = async`, which was asked for",
                asked.name
            ),
            "leave out `bus.nats.persist`, or use nats-server 2.12 or later, which knows it",
        ));
    }
    Ok(())
}

pub(super) fn stream_config(run: &str, plan: &Plan, layout: &Layout) -> Config {
    let bus = &plan.bus;
    Config {
        name: stream_name(run),
        description: Some(format!("tickgate, run {run}: may be removed when the run is over")),
        subjects: layout.stream_subjects(),
        subject_transform: layout
            .transform()
            .map(|(source, destination)| SubjectTransform { source, destination }),
        storage: if bus.storage == Storage::Memory { StorageType::Memory } else { StorageType::File },
        num_replicas: num::index32(bus.replicas.max(1)),
        compression: Some(match bus.nats.compression {
            Compression::None => NatsCompression::None,
            Compression::S2 => NatsCompression::S2,
        }),
        persist_mode: (bus.nats.persist == Persist::Async).then_some(PersistenceMode::Async),
        discard: if bus.nats.discard.is_new() { DiscardPolicy::New } else { DiscardPolicy::Old },
        max_bytes: if bus.max_bytes.bytes == 0 {
            -1
        } else {
            i64::try_from(bus.max_bytes.bytes).unwrap_or(-1)
        },
        max_messages: -1,
        max_messages_per_subject: -1,
        max_consumers: -1,
        max_age: bus.max_age.as_duration(),
        allow_batch_publish: bus.publish == Publish::Fast,
        allow_atomic_publish: bus.publish == Publish::Atomic,
        duplicate_window: duplicate_window(bus),
        metadata: mark(run),
        ..Config::default()
    }
}

/// Returns for how long the server remembers ids. Zero selects its default: two minutes, or less where its limit or the
/// stream's age requires it.
fn duplicate_window(bus: &Bus) -> Duration {
    let needed = Nats::remembers(bus.retry).as_duration();
    if bus.retries() && needed > DUPLICATES { needed } else { Duration::ZERO }
}

/// Checks that an existing stream remembers ids for as long as events are sent again.
///
/// # Errors
/// When it forgets them before.
pub(super) fn check_duplicates(plan: &Plan, stream: &Fields, name: &str) -> Result<(), BusError> {
    let window = stream.get("duplicate_window").and_then(serde_json::Value::as_u64).filter(|&ns| ns > 0);
    let window = Span { ns: window.unwrap_or_else(|| num::nanoseconds(DUPLICATES)) };
    let retry = plan.bus.retry;
    if !plan.bus.retries() || stream.is_empty() || retry <= window {
        return Ok(());
    }
    Err(BusError::Plan {
        problem: format!(
            "stream {name} remembers ids for {window} (`duplicate_window`), and events are sent again for {retry}, so that \
             one may be stored twice"
        ),
        hint: format!("set `bus.retry` to at most {window}, or lengthen the stream's window"),
    })
}

pub(super) fn consumer_config(
    run: &str,
    plan: &Plan,
    layout: &Layout,
    group: usize,
    durable: u32,
) -> pull::Config {
    let bus = &plan.bus;
    let pinned = plan.groups.get(group).is_some_and(|g| g.delivery == Delivery::Pinned);
    let acked = bus.ack != AckMode::None;
    let (priority_policy, priority_groups) = if pinned {
        (PriorityPolicy::PinnedClient, vec![PRIORITY_GROUP.to_owned()])
    } else {
        (PriorityPolicy::None, Vec::new())
    };
    pull::Config {
        durable_name: Some(consumer_name(run, plan, layout, group, durable)),
        description: Some(format!("tickgate, run {run}")),
        filter_subjects: layout.filters(group, durable),
        deliver_policy: DeliverPolicy::All,
        ack_policy: match bus.ack {
            AckMode::Explicit => AckPolicy::Explicit,
            AckMode::All => AckPolicy::All,
            AckMode::None => AckPolicy::None,
        },
        ack_wait: if acked { bus.nats.ack_wait.as_duration() } else { Duration::ZERO },
        max_ack_pending: if acked { i64::from(bus.nats.max_ack_pending) } else { 0 },
        max_deliver: bus.nats.max_deliver,
        priority_timeout: if pinned { PIN_TIMEOUT } else { Duration::ZERO },
        priority_policy,
        priority_groups,
        inactive_threshold: forgotten_after(plan),
        metadata: mark(run),
        ..pull::Config::default()
    }
}

/// Returns the time after which the server may remove an unused consumer. The consumers of a killed run disappear by
/// themselves, and no pause within a run is as long, even if it lasts for the whole run.
fn forgotten_after(plan: &Plan) -> Duration {
    let load = &plan.load;
    [load.warmup, load.duration, load.drain]
        .iter()
        .fold(FORGOTTEN_AFTER, |sum, span| sum.saturating_add(span.as_duration()))
}

/// Returns the name of a group's `durable`-th consumer.
pub(super) fn consumer_name(run: &str, plan: &Plan, layout: &Layout, group: usize, durable: u32) -> String {
    let split = (layout.durables(group) > 1).then_some(durable);
    subjects::durable_name(&subjects::name_part(run), plan, group, split)
}

/// Deletes the run's stream, and its consumers with it, if it has the run's mark.
///
/// # Errors
/// When the stream is left behind; names it.
pub(super) async fn teardown(jetstream: &Context, run: &str) -> Result<(), BusError> {
    delete(jetstream, run, stream_name(run)).await
}

/// Deletes a stream of the run, if it has the run's mark.
///
/// # Errors
/// When the stream is left behind; names it.
pub(super) async fn delete(jetstream: &Context, run: &str, name: String) -> Result<(), BusError> {
    let left = |why: &str, hint: &str| environment(&format!("stream {name} is left behind: {why}"), hint);
    let ours = |why: &str| {
        left(why, &format!("remove it with `tickgate clean --run {run}` and the same --broker or --context"))
    };
    let stream = match jetstream.get_stream(&name).await {
        Ok(stream) => stream,
        Err(error) => {
            return match error.kind() {
                GetStreamErrorKind::JetStream(api) if api.error_code() == ErrorCode::STREAM_NOT_FOUND => {
                    Ok(())
                }
                _ => Err(ours(&error.to_string())),
            };
        }
    };
    if stream.cached_info().config.metadata.get(MARK).map(String::as_str) != Some(run) {
        return Err(left(
            "it does not have this run's mark",
            &format!("see with `nats stream info {name}` whose it is"),
        ));
    }
    jetstream.delete_stream(&name).await.map(|_| ()).map_err(|error| ours(&error.to_string()))
}

pub(super) fn failed(action: &str, why: &str) -> BusError {
    environment(&format!("cannot {action}: {why}"), "check that the server runs and answers, and see its log")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_leaves_out_how_a_stream_is_written_is_refused() {
        let of = |persist_mode| Config { name: "s".to_owned(), persist_mode, ..Config::default() };
        let late = of(Some(PersistenceMode::Async));
        for made in [None, Some(PersistenceMode::Default)] {
            let error = check_persist(&late, &of(made)).unwrap_err().to_string();
            assert!(error.contains("without `persist_mode = async`"), "{error}");
        }
        assert!(check_persist(&late, &late).is_ok());
        assert!(check_persist(&of(None), &of(None)).is_ok());
    }

    #[test]
    fn the_server_remembers_ids_for_as_long_as_events_are_sent_again() {
        let plan = |retry: &str| {
            let sets = ["bus.nats.msg_id=true".to_owned(), format!("bus.retry={retry}")];
            crate::profile::read(&crate::profile::Source::find("quick").unwrap(), &sets).unwrap()
        };
        let seconds = Duration::from_secs;
        for (retry, window) in [("0s", 0), ("15s", 0), ("90s", 0), ("91s", 121), ("10m", 630)] {
            assert_eq!(duplicate_window(&plan(retry).bus), seconds(window), "{retry}");
        }
        let stream = |ns: u64| Fields::from_iter([("duplicate_window".to_owned(), ns.into())]);
        for (retry, stream, fits) in [
            ("0s", stream(1), true),
            ("15s", stream(15_000_000_000), true),
            ("15s", stream(14_000_000_000), false),
            ("2m", stream(0), true),
            ("3m", stream(0), false),
            ("3m", Fields::new(), true),
        ] {
            assert_eq!(check_duplicates(&plan(retry), &stream, "s").is_ok(), fits, "{retry} {stream:?}");
        }
    }

    #[test]
    fn what_a_new_cluster_lacks_is_asked_for_again_and_what_is_wrong_is_not() {
        let seconds = Duration::from_secs;
        for error in [10_005, 10_008, 10_049] {
            assert!(passes(error, true, seconds(14)), "{error}");
            assert!(!passes(error, true, seconds(15)), "{error}");
        }
        assert!(!passes(10_023, true, seconds(0)), "its store is full");
        assert!(passes(10_049, false, seconds(0)) && !passes(10_049, false, seconds(1)));
        assert!(!passes(10_005, false, seconds(0)), "a running cluster has no more peers soon");
    }
}
