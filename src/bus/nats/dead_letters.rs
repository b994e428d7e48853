//! Dead letters: each event that a consumer of the run has given up is copied to the topic of its group, exactly once.
//!
//! A server announces an event that it gives up in an advisory, a plain message that it sends once. So a stream of the run's own keeps
//! the advisories, and one is removed from its consumer only when the copy is confirmed. A copy has an id that follows from the event,
//! so that the server stores one that is sent again only once.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, PullConsumer, pull};
use async_nats::jetstream::message::StreamMessage;
use async_nats::jetstream::stream::{Config, DiscardPolicy, LastRawMessageErrorKind, Stream};
use async_nats::jetstream::{self, AckKind, Context};
use async_nats::{Client, HeaderMap, Request};
use futures_util::StreamExt;
use serde::Deserialize;
use tokio::runtime::Runtime;

use super::denial::Terms;
use super::provision;
use super::subjects::Layout;
use super::target::Target;
use super::{NatsBus, link, wire};
use crate::bus::marks::{Marks, Notes};
use crate::bus::{Answer, BusError, Moved};
use crate::num;
use crate::plan::Plan;
use crate::topology::dead_letter_topic;

/// The consumer of the advisories.
pub(super) const MOVER: &str = "mover";
/// Subjects on which servers announce events that a consumer gives up, before the names of stream and consumer.
const ADVISORIES: [&str; 2] =
    ["$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES", "$JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED"];
/// What the name of the stream of advisories ends with.
const NAME: &str = "-dead-letters";
/// The most bytes of advisories, of which each has about 400.
const MOST_BYTES: i64 = 64 << 20;
/// Advisories asked for at once, and copied at the same time.
const BATCH: usize = 64;
/// Time after which an advisory without an acknowledgement is delivered again.
const ACK_WAIT: Duration = Duration::from_secs(10);
/// How long a request for advisories lasts.
const EXPIRES: Duration = Duration::from_millis(500);
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often advisories that were received are processed.
const LATER: Duration = Duration::from_millis(500);
/// Pause before another attempt.
const AGAIN: Duration = Duration::from_millis(100);
/// How long the thread may take to end: one request, unless no server answers.
const END_WITHIN: Duration = Duration::from_secs(1);

/// Returns the name of the stream of advisories of a run.
pub(super) fn stream_name(run: &str) -> String {
    format!("{}{NAME}", provision::stream_name(run))
}

/// Returns the name of the run's stream by that of its advisories.
pub(super) fn of_run(stream: &str) -> Option<&str> {
    stream.strip_suffix(NAME)
}

/// Creates the stream of advisories, and its consumer.
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
    let (name, of) = (stream_name(run), provision::stream_name(run));
    let like = provision::stream_config(run, plan, layout);
    let config = Config {
        name: name.clone(),
        description: Some(format!("tickgate, run {run}: events that its consumers gave up")),
        subjects: ADVISORIES.iter().map(|subject| format!("{subject}.{of}.*")).collect(),
        storage: like.storage,
        num_replicas: like.num_replicas,
        discard: DiscardPolicy::New,
        max_bytes: MOST_BYTES,
        max_messages: -1,
        max_messages_per_subject: -1,
        max_consumers: -1,
        max_age: like.max_age,
        metadata: like.metadata.clone(),
        ..Config::default()
    };
    provision::create_stream(jetstream, plan, config, layout.naming()).await?;
    let consumer = pull::Config {
        durable_name: Some(MOVER.to_owned()),
        description: Some(format!("tickgate, run {run}")),
        deliver_policy: DeliverPolicy::All,
        ack_policy: AckPolicy::Explicit,
        ack_wait: ACK_WAIT,
        max_deliver: -1,
        metadata: like.metadata,
        ..pull::Config::default()
    };
    provision::create_consumer(jetstream, plan, consumer, &name, layout.naming(), api).await.map(|_| ())
}

impl NatsBus {
    /// Starts to copy the events that groups give up, where the plan says so.
    pub(super) fn move_dead_letters(&mut self) -> Result<(), BusError> {
        let Some((target, terms)) = self.to_move.take() else { return Ok(()) };
        let (jetstream, run, plan) = (&self.jetstream, &self.run, &self.plan);
        self.run(provision(jetstream, run, plan, &self.layout, &self.api))?;
        let consumers = |group: usize| {
            (0..self.layout.durables(group)).map(|durable| self.consumer(group, durable)).collect()
        };
        self.mover = Some(Mover::start(Setup {
            target,
            terms,
            marks: &self.marks,
            plan,
            run,
            layout: Arc::clone(&self.layout),
            consumers: (0..plan.groups.len()).map(consumers).collect(),
        })?);
        Ok(())
    }

    /// Returns how far the dead letters are; `None` where there are none.
    pub(super) async fn moved(&self) -> Result<Option<Moved>, String> {
        let Some(mover) = &self.mover else { return Ok(None) };
        let name = stream_name(&self.run);
        let stream = self.jetstream.get_stream_no_info(name).await.map_err(|error| error.to_string())?;
        let info = stream.consumer_info(MOVER).await.map_err(|error| error.to_string())?;
        Ok(Some(mover.moved(info.num_pending + num::count(info.num_ack_pending))))
    }

    /// Removes the stream of advisories, where the plan has dead letters.
    pub(super) fn remove_advisories(&self) -> Result<(), BusError> {
        if !self.plan.dead_letters() {
            return Ok(());
        }
        self.run(provision::delete(&self.jetstream, &self.run, stream_name(&self.run)))
    }
}

/// An advisory, as far as it is needed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Advisory {
    #[serde(rename = "type")]
    kind: String,
    consumer: String,
    stream_seq: u64,
    #[serde(default)]
    deliveries: u64,
    /// Only of an event that a member terminated, and only if the member said why.
    #[serde(default)]
    reason: String,
}

impl Advisory {
    /// Why the server has given up the event.
    fn reason(&self) -> String {
        if self.kind.ends_with(".terminated") {
            let why = if self.reason.is_empty() { String::new() } else { format!(": {}", self.reason) };
            return format!("terminated by the consumer{why}");
        }
        format!("not acknowledged after {} deliveries", self.deliveries)
    }
}

/// The headers of a dead letter: those of the event itself, and where it comes from.
fn headers(
    advisory: &Advisory,
    group: &str,
    stream: &str,
    original: &StreamMessage,
    subject: &str,
) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, values) in original.headers.iter() {
        let text: &str = name.as_ref();
        // Those of the server have an effect on what it stores.
        if !text.starts_with("Nats-") {
            for value in values {
                headers.append(name.clone(), value.clone());
            }
        }
    }
    headers.insert("Nats-Msg-Id", format!("dlq-{stream}-{group}-{}", advisory.stream_seq).as_str());
    headers.insert("x-dead-letter-reason", advisory.reason().as_str());
    headers.insert("x-original-stream", stream);
    headers.insert("x-original-subject", subject);
    headers.insert("x-original-sequence", advisory.stream_seq.to_string().as_str());
    headers.insert("x-original-consumer", group);
    headers.insert("x-delivery-count", advisory.deliveries.to_string().as_str());
    if let Some(id) = original.headers.get("Nats-Msg-Id") {
        headers.insert("x-original-id", id.as_str());
    }
    headers
}

/// Where the dead letters of a group go.
#[derive(Debug, Clone)]
struct Place {
    group: String,
    /// Index of the topic; `None` where the topology has none for it.
    topic: Option<usize>,
    /// The group's consumers.
    consumers: Vec<String>,
}

/// What the mover has done.
#[derive(Debug, Default)]
struct Progress {
    end: AtomicBool,
    /// The events with a confirmed dead letter, by group and sequence.
    moved: Mutex<BTreeSet<(usize, u64)>>,
}

/// What a mover needs to begin.
pub(super) struct Setup<'a> {
    pub(super) target: Target,
    pub(super) terms: Terms,
    pub(super) marks: &'a Marks,
    pub(super) plan: &'a Plan,
    pub(super) run: &'a str,
    pub(super) layout: Arc<Layout>,
    /// The names of each group's consumers.
    pub(super) consumers: Vec<Vec<String>>,
}

/// Copies the events that consumers give up, on a thread and a connection of its own.
pub(super) struct Mover {
    progress: Arc<Progress>,
    thread: Option<JoinHandle<()>>,
}

impl Mover {
    /// Starts it. The streams exist already.
    ///
    /// # Errors
    /// When no thread or event loop can be started.
    pub(super) fn start(setup: Setup<'_>) -> Result<Self, BusError> {
        let topics = &setup.plan.topology.topics;
        let place = |(group, consumers): (&crate::plan::Group, Vec<String>)| {
            let topic = dead_letter_topic(&group.name);
            Place {
                topic: topics.iter().position(|known| *known == topic),
                group: group.name.clone(),
                consumers,
            }
        };
        let places = setup.plan.groups.iter().zip(setup.consumers).map(place).collect();
        let progress = Arc::<Progress>::default();
        let work = Work {
            notes: setup.marks.of("dead letters".to_owned()),
            target: setup.target,
            terms: setup.terms,
            advisories: stream_name(setup.run),
            stream: provision::stream_name(setup.run),
            layout: setup.layout,
            places,
            progress: Arc::clone(&progress),
        };
        let runtime = super::runtime()?;
        let thread =
            std::thread::Builder::new().name("dead-letters".into()).spawn(move || work.run(&runtime));
        let thread = thread.map_err(|error| {
            super::environment(
                &format!("cannot start a thread: {error}"),
                "raise the limit of threads (`ulimit -u`)",
            )
        })?;
        Ok(Self { progress, thread: Some(thread) })
    }

    /// Returns how far it is; `waiting` are the advisories that its consumer still has.
    pub(super) fn moved(&self, waiting: u64) -> Moved {
        let moved = self.progress.moved.lock().unwrap_or_else(PoisonError::into_inner);
        Moved { waiting, moved: num::count(moved.len()) }
    }

    /// Ends it; a thread that waits for a silent server is left to its own timeouts.
    pub(super) fn end(&mut self) {
        self.progress.end.store(true, Ordering::Relaxed);
        let until = Instant::now() + END_WITHIN;
        let Some(thread) = self.thread.take() else { return };
        while !thread.is_finished() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
        if thread.is_finished() {
            let _ = thread.join();
        }
    }
}

impl Drop for Mover {
    fn drop(&mut self) {
        self.progress.end.store(true, Ordering::Relaxed);
    }
}

/// The work of the mover's thread.
struct Work {
    notes: Notes,
    target: Target,
    terms: Terms,
    advisories: String,
    stream: String,
    layout: Arc<Layout>,
    places: Vec<Place>,
    progress: Arc<Progress>,
}

/// What became of one attempt to copy an event.
enum Attempt {
    Copied,
    /// There is nothing to copy, or nowhere to copy it to, for this reason.
    Impossible(String),
    /// It may succeed later.
    Failed(String),
}

impl Work {
    fn run(&self, runtime: &Runtime) {
        runtime.block_on(async {
            let mut connected = None;
            while connected.is_none() && !self.is_over() {
                match self.connect().await {
                    Ok(done) => connected = Some(done),
                    Err(why) => {
                        self.notes.mark("broker-error", &why);
                        tokio::time::sleep(AGAIN).await;
                    }
                }
            }
            if let Some((client, consumer, stream)) = connected {
                let kept = self.serve(&client, &consumer, &stream);
                let live = ADVISORIES.map(|subject| self.listen(&client, &stream, subject));
                futures_util::future::join(kept, futures_util::future::join_all(live)).await;
            }
        });
    }

    fn is_over(&self) -> bool {
        self.progress.end.load(Ordering::Relaxed)
    }

    async fn connect(&self) -> Result<(Client, PullConsumer, Stream<()>), String> {
        let client =
            link::connect(&self.target, self.terms.clone(), self.notes.clone(), super::CONTROL_QUEUE);
        let client = client.await.map_err(|error| error.to_string())?;
        let jetstream = link::jetstream(&self.target, client.clone());
        let consumer = jetstream.get_consumer_from_stream(MOVER, &self.advisories).await;
        let consumer = consumer.map_err(|error| format!("cannot read {}: {error}", self.advisories))?;
        let stream = jetstream.get_stream_no_info(&self.stream).await.map_err(|error| error.to_string())?;
        Ok((client, consumer, stream))
    }

    async fn serve(&self, client: &Client, consumer: &PullConsumer, stream: &Stream<()>) {
        while !self.is_over() {
            let advisories = match consumer.batch().max_messages(BATCH).expires(EXPIRES).messages().await {
                Ok(advisories) => advisories,
                Err(error) => {
                    self.notes.mark("broker-error", &error.to_string());
                    tokio::time::sleep(AGAIN).await;
                    continue;
                }
            };
            advisories
                .for_each_concurrent(BATCH, async |advisory| match advisory {
                    Ok(advisory) => self.take(client, stream, &advisory).await,
                    // The request has ended; another one follows.
                    Err(_) => tokio::time::sleep(AGAIN).await,
                })
                .await;
        }
    }

    /// Hears advisories as they are sent: while the copies of their stream elect a leader, it keeps none.
    async fn listen(&self, client: &Client, stream: &Stream<()>, subject: &str) {
        let subject = format!("{subject}.{}.*", self.stream);
        let Ok(mut heard) = client.subscribe(subject).await else { return };
        let mut open: Vec<(usize, Advisory)> = Vec::new();
        while !self.is_over() {
            let until = tokio::time::Instant::now() + LATER;
            while let Ok(message) = tokio::time::timeout_at(until, heard.next()).await {
                let Some(message) = message else { return };
                if let Ok(advisory) = serde_json::from_slice::<Advisory>(&message.payload)
                    && let Some(group) = self.group_of(&advisory)
                {
                    open.push((group, advisory));
                }
            }
            // Most have been copied by now, from the stream.
            let mut left = Vec::new();
            for (group, advisory) in std::mem::take(&mut open) {
                if !self.has_moved(group, &advisory) && !self.attempt(client, stream, group, &advisory).await
                {
                    left.push((group, advisory));
                }
            }
            open = left;
        }
    }

    /// The group whose consumer has given up an event.
    fn group_of(&self, advisory: &Advisory) -> Option<usize> {
        let named = |place: &Place| place.consumers.contains(&advisory.consumer);
        self.places.iter().position(named)
    }

    fn has_moved(&self, group: usize, advisory: &Advisory) -> bool {
        let moved = self.progress.moved.lock().unwrap_or_else(PoisonError::into_inner);
        moved.contains(&(group, advisory.stream_seq))
    }

    /// Tries to copy an event once. Returns whether nothing is left to do.
    async fn attempt(&self, client: &Client, stream: &Stream<()>, group: usize, advisory: &Advisory) -> bool {
        match self.copy(client, stream, &self.places[group], advisory).await {
            Attempt::Copied => {
                let mut moved = self.progress.moved.lock().unwrap_or_else(PoisonError::into_inner);
                moved.insert((group, advisory.stream_seq));
                true
            }
            Attempt::Impossible(why) => {
                self.notes.mark("dead-letter", &why);
                true
            }
            Attempt::Failed(why) => {
                self.notes.mark("broker-error", &why);
                false
            }
        }
    }

    /// Copies the event of an advisory, then acknowledges the advisory. One that fails comes again, behind the others.
    async fn take(&self, client: &Client, stream: &Stream<()>, message: &jetstream::Message) {
        let Ok(advisory) = serde_json::from_slice::<Advisory>(&message.payload) else {
            let text = String::from_utf8_lossy(&message.payload);
            self.notes.mark("dead-letter", &format!("an advisory cannot be read: {text}"));
            let _ = message.ack().await;
            return;
        };
        let Some(group) = self.group_of(&advisory) else {
            // Of a consumer that reads the stream back.
            let _ = message.ack().await;
            return;
        };
        let done = self.has_moved(group, &advisory) || self.attempt(client, stream, group, &advisory).await;
        // A lost acknowledgement brings the advisory again, and the copy's id keeps it from being stored again.
        let _ = if done { message.ack().await } else { message.ack_with(AckKind::Nak(Some(AGAIN))).await };
    }

    /// Copies an event to the topic of the group that gave it up.
    async fn copy(
        &self,
        client: &Client,
        stream: &Stream<()>,
        place: &Place,
        advisory: &Advisory,
    ) -> Attempt {
        let sequence = advisory.stream_seq;
        let Some(topic) = place.topic else {
            let topic = dead_letter_topic(&place.group);
            let why =
                format!("{} gave up position {sequence}, and the topology has no topic {topic}", place.group);
            return Attempt::Impossible(why);
        };
        let original = match tokio::time::timeout(PATIENCE, stream.get_raw_message(sequence)).await {
            Ok(Ok(original)) => original,
            Ok(Err(error)) if error.kind() == LastRawMessageErrorKind::NoMessageFound => {
                return Attempt::Impossible(format!(
                    "position {sequence}, which {} gave up, is gone",
                    place.group
                ));
            }
            Ok(Err(error)) => return Attempt::Failed(format!("cannot read position {sequence}: {error}")),
            Err(_) => return Attempt::Failed(format!("cannot read position {sequence}: no answer")),
        };
        let subject = self.layout.published(&original.subject);
        let symbol = subject.rsplit('.').next().unwrap_or_default();
        let to = self.layout.subject(topic, symbol);
        let headers = headers(advisory, &place.group, &self.stream, &original, subject);
        let request =
            Request::new().headers(headers).payload(original.payload.clone()).timeout(Some(PATIENCE));
        let answer = match client.send_request(to.clone(), request).await {
            Ok(answer) => wire::answer(answer.status.map(|status| status.as_u16()), &answer.payload),
            Err(error) => return Attempt::Failed(format!("cannot publish to {to}: {error}")),
        };
        match answer {
            Answer::Stored { .. } => Attempt::Copied,
            other => Attempt::Failed(format!("cannot publish to {to}: {other:?}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn advisory(text: &str) -> Advisory {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn advisories_are_read_as_servers_write_them() {
        let given_up = advisory(
            r#"{"type":"io.nats.jetstream.advisory.v1.max_deliver","id":"x","timestamp":"2026-11-27T05:00:00Z",
                "stream":"s","consumer":"s-engine","stream_seq":7,"deliveries":3}"#,
        );
        assert_eq!((given_up.consumer.as_str(), given_up.stream_seq), ("s-engine", 7));
        assert_eq!(given_up.reason(), "not acknowledged after 3 deliveries");
        let terminated = advisory(
            r#"{"type":"io.nats.jetstream.advisory.v1.terminated","id":"x","timestamp":"2026-11-27T05:00:00Z","stream":"s",
                "consumer":"c","consumer_seq":9,"stream_seq":8,"deliveries":1,"reason":"bad price"}"#,
        );
        assert_eq!(terminated.reason(), "terminated by the consumer: bad price");
        assert_eq!(Advisory { reason: String::new(), ..terminated }.reason(), "terminated by the consumer");
    }

    #[test]
    fn a_dead_letter_has_the_events_headers_and_an_id_of_its_group() {
        let given_up = advisory(r#"{"type":"x.max_deliver","consumer":"c","stream_seq":7,"deliveries":3}"#);
        let mut of_event = HeaderMap::new();
        of_event.insert("Nats-Msg-Id", "0193");
        of_event.insert("Nats-Expected-Stream", "s");
        of_event.insert("traceparent", "00-1");
        let original = StreamMessage {
            subject: "a.quote".into(),
            sequence: 7,
            headers: of_event,
            payload: "x".into(),
            time: time::OffsetDateTime::UNIX_EPOCH,
        };
        let headers = headers(&given_up, "engine", "s", &original, "a.quote");
        let get = |name: &str| headers.get(name).map(|value| value.as_str().to_owned());
        for (name, value) in [
            ("Nats-Msg-Id", "dlq-s-engine-7"),
            ("x-original-id", "0193"),
            ("x-original-sequence", "7"),
            ("x-original-subject", "a.quote"),
            ("x-delivery-count", "3"),
            ("traceparent", "00-1"),
        ] {
            assert_eq!(get(name).as_deref(), Some(value), "{name}");
        }
        assert_eq!(get("Nats-Expected-Stream"), None);
    }

    #[test]
    fn the_stream_of_advisories_is_named_after_the_runs() {
        assert_eq!(stream_name("0f3k2m1a"), "tickgate-0f3k2m1a-dead-letters");
        assert_eq!(of_run("tickgate-0f3k2m1a-dead-letters"), Some("tickgate-0f3k2m1a"));
        assert_eq!(of_run("tickgate-0f3k2m1a"), None);
    }
}
