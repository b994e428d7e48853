//! A run in an existing stream: checks the stream, creates the run's durables on it and removes them. Does not change
//! or delete the stream or any other consumer.

use async_nats::jetstream::Context;
use async_nats::jetstream::consumer::DeliverPolicy;
use async_nats::jetstream::context::GetStreamErrorKind;
use async_nats::jetstream::{ErrorCode, stream};
use futures_util::TryStreamExt as _;
use serde_json::Value;

use super::like;
use super::model::{self, Fields, Model, speaks};
use super::provision::{self, MARK, failed};
use super::subjects::Layout;
use super::target::environment;
use crate::bus::BusError;
use crate::plan::{Delivery, Group, Plan, Publish};
use crate::record::Made;
use crate::topology::Pattern;

/// Number of times the consumers of a stream are listed until none of them belongs to the run.
const LISTS: u32 = 3;

/// An existing stream that a run publishes into.
#[derive(Debug, Clone)]
pub(super) struct Attached {
    /// Name of the stream.
    pub(super) stream: String,
    /// Last sequence of the stream before the run.
    pub(super) before: u64,
    /// Number of messages deleted within its sequences by then.
    pub(super) deleted: u64,
}

fn unfit(problem: String, hint: &str) -> BusError {
    BusError::Plan { problem, hint: hint.to_owned() }
}

/// Checks an existing stream, and creates durables for the groups that do not read through one of its consumers.
///
/// # Errors
/// When the stream would not take the run's events, or a consumer cannot be used; nothing is created in that case.
pub(super) async fn provision(
    jetstream: &Context,
    run: &str,
    plan: &Plan,
    layout: &Layout,
    model: &Model,
    attached: &mut Attached,
) -> Result<Made, BusError> {
    check(plan, layout, model, &attached.stream)?;
    let stream = get(jetstream, &attached.stream).await?;
    attached.before = stream.cached_info().state.last_sequence;
    attached.deleted = stream.cached_info().state.deleted_count.unwrap_or(0);
    let mut made = Made { of: model.of.clone(), stream: model.stream.clone(), ..Made::default() };
    for (group, described) in plan.groups.iter().enumerate() {
        if let Some(name) = &described.consumer {
            let theirs = model.consumer_of(described).ok_or_else(|| gone(name, &attached.stream))?;
            readable(&stream, name, theirs, described, &layout.filters(group, 0)).await?;
            made.consumers.push(theirs.clone());
        }
    }
    for (group, _) in plan.groups.iter().enumerate().filter(|(_, group)| group.consumer.is_none()) {
        let mut config = provision::consumer_config(run, plan, layout, group, 0);
        config.deliver_policy = DeliverPolicy::ByStartSequence { start_sequence: attached.before + 1 };
        made.consumers.push(like::fields(&config)?);
        let name = config.durable_name.clone().unwrap_or_default();
        let action = format!("create consumer {name} on stream {}", attached.stream);
        let created = jetstream.create_consumer_on_stream(config, attached.stream.as_str()).await;
        created.map_err(|error| failed(&action, &error.to_string()))?;
    }
    Ok(made)
}

async fn get(jetstream: &Context, name: &str) -> Result<stream::Stream, BusError> {
    let stream = jetstream.get_stream(name).await;
    stream.map_err(|error| failed(&format!("ask for stream {name}"), &error.to_string()))
}

fn gone(name: &str, stream: &str) -> BusError {
    unfit(
        format!("stream {stream} has no consumer {name}"),
        "name one of those that `nats consumer ls` shows",
    )
}

/// Checks that the stream would take the run's events and deliver them to its groups.
fn check(plan: &Plan, layout: &Layout, model: &Model, name: &str) -> Result<(), BusError> {
    let stream = &model.stream;
    let says = |field: &str| stream.get(field).is_some_and(speaks);
    for (field, why) in [
        ("mirror", "a mirror, to which nobody publishes"),
        ("sealed", "sealed, and takes no event"),
        ("no_ack", "without acknowledgements (`no_ack`), so that no event can be known to be stored"),
        ("subject_transform", "one that transforms subjects, which the groups do not follow"),
        ("allow_msg_counter", "one of counters, and the run's events are none"),
    ] {
        if says(field) {
            return Err(unfit(
                format!("stream {name} is {why}"),
                "attach to another, or take `bus.nats.like`",
            ));
        }
    }
    if layout.transform().is_some() {
        return Err(unfit(
            "a `partitioned` group with several members needs a stream with a partition rule of its own"
                .to_owned(),
            "set `delivery = \"shared\"` or `\"pinned\"`, or take `bus.nats.like`",
        ));
    }
    for (publish, field) in [(Publish::Fast, "allow_batched"), (Publish::Atomic, "allow_atomic")] {
        if plan.bus.publish == publish && !says(field) {
            return Err(unfit(
                format!("stream {name} does not take batches (`{field}`), and `bus.publish` is `{publish}`"),
                "set `bus.publish = \"async\"`",
            ));
        }
    }
    provision::check_duplicates(plan, stream, name)?;
    if model.retention() == "workqueue"
        && let Some(group) = plan.groups.iter().find(|group| group.consumer.is_none())
    {
        return Err(unfit(
            format!(
                "stream {name} is a work queue, which gives each event to one consumer: a durable of the run's own for group {} \
                 would take events from it that are not the run's",
                group.name
            ),
            "take `bus.nats.like`, or name a consumer for the group and allow it with --allow-consumer",
        ));
    }
    covered(layout, stream, name)
}

/// Checks that the stream covers every subject of the run.
fn covered(layout: &Layout, stream: &Fields, name: &str) -> Result<(), BusError> {
    let subjects: Vec<&str> = stream
        .get("subjects")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let missing: Vec<String> =
        layout.stream_subjects().into_iter().filter(|own| !covers(&subjects, own)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let more = missing.len().saturating_sub(3);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let named: Vec<&str> = missing.iter().take(3).map(String::as_str).collect();
    Err(unfit(
        format!("stream {name} takes {}, and not {}{more}", subjects.join(", "), named.join(", ")),
        "set `topology.prefix` and `topology.topics` to subjects of the stream",
    ))
}

fn covers(patterns: &[&str], subject: &str) -> bool {
    let Ok(subject) = Pattern::parse(subject) else { return false };
    patterns.iter().any(|pattern| Pattern::parse(pattern).is_ok_and(|pattern| pattern.covers(&subject)))
}

/// Checks that a group may read through this consumer without taking messages meant for others.
async fn readable(
    stream: &stream::Stream,
    name: &str,
    theirs: &Fields,
    described: &Group,
    filters: &[String],
) -> Result<(), BusError> {
    let hint = "name another consumer, or leave `consumer` out: the group gets a durable of the run's own";
    let refused = |why: String| Err(unfit(format!("consumer {name} cannot be read through: {why}"), hint));
    let policy = theirs.get("priority_policy").and_then(Value::as_str).filter(|policy| *policy != "none");
    match policy.filter(|policy| !policy.is_empty()) {
        Some(policy) if model::shared_priority(theirs, described).is_none() => {
            let delivery = described.delivery;
            return refused(format!("members of a {delivery} group do not fit its priority policy {policy}"));
        }
        Some("pinned_client") if !model::holds_the_pin(theirs) => {
            return refused(
                "its members would have to ask more often than every 4 s (`priority_timeout`)".into(),
            );
        }
        None if described.delivery == Delivery::Pinned => {
            return refused("the group is pinned, and it has no priority policy `pinned_client`".into());
        }
        _ => {}
    }
    if theirs.get("headers_only").is_some_and(speaks) {
        return refused("it delivers headers only".into());
    }
    let own: Vec<&str> = match (theirs.get("filter_subject"), theirs.get("filter_subjects")) {
        (Some(Value::String(one)), _) if !one.is_empty() => vec![one],
        (_, Some(Value::Array(all))) => all.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    if let Some(missing) = filters.iter().find(|filter| !own.is_empty() && !covers(&own, filter)) {
        return refused(format!("it filters {}, and the group receives {missing}", own.join(", ")));
    }
    let info = stream.consumer_info(name).await;
    let info = info.map_err(|error| failed(&format!("ask for consumer {name}"), &error.to_string()))?;
    if info.push_bound {
        return refused("others receive from it".into());
    }
    if info.num_waiting > 0 {
        return refused(format!("others are reading from it ({} requests)", info.num_waiting));
    }
    let (pending, unacknowledged) = (info.num_pending, info.num_ack_pending);
    if pending > 0 || unacknowledged > 0 {
        return refused(format!(
            "it has {pending} messages to deliver and {unacknowledged} that are not acknowledged, which the run would take"
        ));
    }
    Ok(())
}

/// Deletes the run's consumers, identified by name and mark, from an existing stream.
///
/// # Errors
/// When a consumer is left behind; names the stream.
pub(super) async fn teardown(jetstream: &Context, run: &str, name: &str) -> Result<(), BusError> {
    let own = provision::stream_name(run);
    let left = |why: &str| {
        environment(
            &format!("consumers {own}-… are left on stream {name}: {why}"),
            "the server removes them when they were unused for an hour, or use `nats consumer rm`",
        )
    };
    let stream = match jetstream.get_stream(name).await {
        Ok(stream) => stream,
        Err(error) => {
            return match error.kind() {
                GetStreamErrorKind::JetStream(api) if api.error_code() == ErrorCode::STREAM_NOT_FOUND => {
                    Ok(())
                }
                _ => Err(left(&error.to_string())),
            };
        }
    };
    // A list may lack a consumer whose state the server could not read at once, so the request is repeated.
    for _ in 0..LISTS {
        let consumers: Vec<_> =
            stream.consumers().try_collect().await.map_err(|error| left(&error.to_string()))?;
        let mut ours = consumers.into_iter().filter(|info| {
            let marked = info.config.metadata.get(MARK).map(String::as_str) == Some(run);
            marked && info.name.starts_with(&format!("{own}-"))
        });
        let Some(first) = ours.next() else { return Ok(()) };
        for info in std::iter::once(first).chain(ours) {
            let deleted = stream.delete_consumer(&info.name).await;
            deleted.map_err(|error| left(&error.to_string()))?;
        }
    }
    Ok(())
}
