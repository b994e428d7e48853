//! Creates a run's stream and consumers after a model, and reads a model from the server. Requests and answers are the
//! API's own JSON, so that no field is lost.

use async_nats::jetstream::Context;
use async_nats::jetstream::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::codes::refused;
use super::model::{self, Copy, Fields, Model, OwnStream};
use super::provision::{self, Attempts, failed};
use super::subjects::Layout;
use super::target::environment;
use crate::bus::BusError;
use crate::plan::Plan;
use crate::record::Made;

/// Maximum number of concurrent audit consumers: the one that reads, and a failed one before it.
const AUDITS: u64 = 2;
/// The server's error code for a stream that does not exist.
const NO_STREAM: u64 = 10_059;

/// A configuration within an answer.
#[derive(Deserialize)]
struct Info {
    config: Fields,
}

/// A page of consumers.
#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    total: usize,
    /// `null` where there are none.
    consumers: Option<Vec<Info>>,
}

/// Sends a request and returns the server's answer; a refusal is returned unchanged.
async fn ask<V: serde::de::DeserializeOwned>(
    jetstream: &Context,
    subject: &str,
    request: &(impl Serialize + ?Sized),
    action: &str,
) -> Result<Response<V>, BusError> {
    jetstream.request(subject.to_owned(), request).await.map_err(|error| failed(action, &error.to_string()))
}

/// Reads the configuration of a stream and of its consumers.
///
/// # Errors
/// When the stream does not exist, or the user has no permission to read it.
pub(super) async fn read(jetstream: &Context, stream: &str) -> Result<Model, BusError> {
    let action = format!("read the configuration of stream {stream}");
    let info = match ask::<Info>(jetstream, &format!("STREAM.INFO.{stream}"), &json!({}), &action).await? {
        Response::Ok(info) => info,
        Response::Err { error } if error.error_code().0 == NO_STREAM => {
            return Err(BusError::Plan {
                problem: format!("there is no stream {stream} on this bus"),
                hint: "name one of those that `nats stream ls` shows, or leave `bus.nats.like` out"
                    .to_owned(),
            });
        }
        Response::Err { error } => return Err(failed(&action, &error.to_string())),
    };
    let (consumers, note) = match consumers(jetstream, stream).await {
        Ok(consumers) => (consumers, None),
        Err(error) => (Vec::new(), Some(format!("the consumers of stream {stream} are not copied: {error}"))),
    };
    let strange = |why: String| failed(&action, &why);
    let mut model = Model::of_server(stream, info.config, consumers).map_err(strange)?;
    model.notes.extend(note);
    Ok(model)
}

async fn consumers(jetstream: &Context, stream: &str) -> Result<Vec<Fields>, BusError> {
    let action = format!("list the consumers of stream {stream}");
    let mut found = Vec::new();
    loop {
        let request = json!({ "offset": found.len() });
        let page = match ask::<Page>(jetstream, &format!("CONSUMER.LIST.{stream}"), &request, &action).await?
        {
            Response::Ok(page) => page,
            Response::Err { error } => return Err(failed(&action, &error.to_string())),
        };
        let consumers = page.consumers.unwrap_or_default();
        let last = consumers.is_empty();
        found.extend(consumers.into_iter().map(|info| info.config));
        if last || found.len() >= page.total {
            return Ok(found);
        }
    }
}

/// Where the copies are made.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    /// Whether the server is a member of a cluster.
    pub(super) clustered: bool,
    /// Prefix of the subjects that consumers push to.
    pub(super) inbox: &'a str,
}

/// Returns the subject that a consumer of the run pushes to.
pub(super) fn deliver_to(inbox: &str, consumer: &str) -> String {
    format!("{inbox}.{consumer}")
}

/// Creates the run's stream and consumers after a model, and returns what was created.
///
/// # Errors
/// When the server refuses one of them.
pub(super) async fn provision(
    jetstream: &Context,
    run: &str,
    plan: &Plan,
    layout: &Layout,
    model: &Model,
    place: &Place<'_>,
) -> Result<Made, BusError> {
    provision::check_overlap(jetstream, run, layout).await?;
    provision::check_duplicates(plan, &model.stream, &model.of)?;
    let durables: u64 = (0..plan.groups.len()).map(|group| u64::from(layout.durables(group))).sum();
    let own = OwnStream {
        config: fields(&provision::stream_config(run, plan, layout))?,
        clustered: place.clustered,
        consumers: durables + if plan.bus.audit { AUDITS } else { 0 },
    };
    let mut made = Made {
        of: model.of.clone(),
        not_copied: model.notes.iter().cloned().chain(model.without_consumer(plan)).collect(),
        differences: model.defaults.clone(),
        ..Made::default()
    };
    let copy = model::stream(&model.stream, &own);
    let (name, attempts) = (provision::stream_name(run), Attempts::of(plan));
    let stream: Info = create(
        jetstream,
        &format!("STREAM.CREATE.{name}"),
        &copy.config,
        &format!("create stream {name} like {}", model.of),
        layout,
        &attempts,
    )
    .await?;
    note(&mut made, &copy, &model.stream, &stream.config, false);
    made.stream = stream.config;
    for (group, described) in plan.groups.iter().enumerate() {
        for durable in 0..layout.durables(group) {
            let named = provision::consumer_name(run, plan, layout, group, durable);
            let mut own = fields(&provision::consumer_config(run, plan, layout, group, durable))?;
            let theirs = model.consumer_of(described);
            if theirs.is_some_and(|theirs| model::push(theirs).is_some()) {
                own.insert("deliver_subject".to_owned(), deliver_to(place.inbox, &named).into());
            }
            let copy = theirs.map_or_else(
                || Copy { config: own.clone(), left: Vec::new() },
                |theirs| model::consumer(theirs, &own, described, place.clustered),
            );
            let consumer: Info = create(
                jetstream,
                &format!("CONSUMER.CREATE.{name}.{named}"),
                &json!({ "stream_name": name, "config": copy.config, "action": "create" }),
                &format!("create consumer {named} like one of {}", model.of),
                layout,
                &attempts,
            )
            .await?;
            // All durables of a group are alike.
            if let Some(theirs) = theirs.filter(|_| durable == 0) {
                note(&mut made, &copy, theirs, &consumer.config, true);
            }
            made.consumers.push(consumer.config);
        }
    }
    Ok(made)
}

async fn create<V: serde::de::DeserializeOwned>(
    jetstream: &Context,
    subject: &str,
    request: &(impl Serialize + ?Sized),
    action: &str,
    layout: &Layout,
    attempts: &Attempts,
) -> Result<V, BusError> {
    loop {
        match ask(jetstream, subject, request, action).await {
            Ok(Response::Ok(answer)) => return Ok(answer),
            Ok(Response::Err { error }) if attempts.again(&error).await => {}
            Ok(Response::Err { error }) => return Err(refused(action, &error, layout.naming())),
            Err(_) if attempts.again_unanswered().await => {}
            Err(error) => return Err(error),
        }
    }
}

/// Records which settings of the model a copy lacks, and which ones the server changed.
fn note(made: &mut Made, copy: &Copy, theirs: &Fields, got: &Fields, consumer: bool) {
    let name = got.get("name").and_then(Value::as_str).filter(|_| consumer);
    let of = name.map_or_else(String::new, |name| format!("consumer {name}: "));
    made.not_copied.extend(copy.left.iter().map(|(_, said)| format!("{of}{said}")));
    made.differences.extend(model::differences(theirs, copy, got, consumer));
}

/// Converts a configuration to JSON.
pub(super) fn fields(config: &impl Serialize) -> Result<Fields, BusError> {
    match serde_json::to_value(config) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) | Err(_) => Err(environment("a configuration is not a JSON object", "report this")),
    }
}

/// Returns the settings of the stream that a record shows, with the server's values.
pub(super) fn settings(made: &Made) -> Vec<(String, String)> {
    let set = |(name, key): (&str, &str)| {
        let value = made.stream.get(key)?;
        Some((name.to_owned(), value.as_str().map_or_else(|| value.to_string(), str::to_owned)))
    };
    let names = [
        ("storage", "storage"),
        ("replicas", "num_replicas"),
        ("compression", "compression"),
        ("discard", "discard"),
        ("retention", "retention"),
    ];
    let like = ("like".to_owned(), made.of.clone());
    names.into_iter().filter_map(set).chain([like]).collect()
}

/// Returns why the stream cannot be read back if it removes handled events; `None` if it keeps them.
pub(super) fn kept_until(made: &Made) -> Option<String> {
    let retention = made.stream.get("retention").and_then(Value::as_str)?;
    let until = match retention {
        "limits" => return None,
        "workqueue" => "a work queue removes each event as soon as it is acknowledged",
        "interest" => {
            "a stream with interest retention removes each event as soon as every group has acknowledged it"
        }
        _ => "its retention is not known here",
    };
    Some(format!("{until}, so reading it back cannot show whether every event was stored"))
}

/// Returns the message about a stream whose limits have removed events.
pub(super) fn removed(made: &Made, events: u64) -> String {
    let limits = ["max_msgs", "max_bytes", "max_age", "max_msgs_per_subject"];
    let said = limits.iter().filter_map(|name| {
        let value = made.stream.get(*name).filter(|value| model::speaks(value))?;
        Some(format!("{name} {}", model::shown(name, value)))
    });
    let said: Vec<String> = said.collect();
    let said = if said.is_empty() { String::new() } else { format!(" ({})", said.join(", ")) };
    format!(
        "the stream has removed {events} events by its own limits{said}, so reading it back cannot show whether every event was stored"
    )
}
