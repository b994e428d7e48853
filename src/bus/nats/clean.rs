//! Finds what runs left on a NATS server (streams with the mark and the name of a run) and removes it.

use async_nats::jetstream::context::RequestErrorKind;
use async_nats::jetstream::response::Response;
use async_nats::jetstream::{Context, ErrorCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::runtime::Runtime;

use super::dead_letters;
use super::denial::Terms;
use super::provision::failed;
use super::subjects::name_part;
use super::target::{Target, environment};
use super::{CONTROL_QUEUE, link, unless_denied};
use crate::bus::BusError;
use crate::bus::leftover::{Cleaner, Kind, Leftover, Part, Proof};
use crate::bus::marks::Marks;
use crate::host::clock::Clock;
use crate::num;
use crate::topology::OWN;

/// Maximum number of streams of a server, or consumers of a stream, to read: an endless list must not block the
/// command.
const MOST: usize = 100_000;
/// Maximum number of characters of a foreign mark to show.
const LONGEST: usize = 64;
/// Required permissions, for the hints.
const RIGHTS: &str = "the user needs to publish to `$JS.API.STREAM.LIST`, `$JS.API.CONSUMER.LIST.*` and `$JS.API.STREAM.DELETE.tickgate-*`";

/// Finds and removes what runs left on a NATS server.
pub struct NatsCleaner {
    target: Target,
    runtime: Runtime,
}

impl NatsCleaner {
    /// Creates a cleaner; it connects only when it is used.
    ///
    /// # Errors
    /// When no event loop can be created.
    pub fn new(target: Target) -> Result<Self, BusError> {
        Ok(Self { target, runtime: super::runtime()? })
    }

    /// Runs a future on a connection of its own: minutes may pass between two calls, while the user decides.
    fn with<T>(&self, work: impl AsyncFnOnce(&Context) -> Result<T, BusError>) -> Result<T, BusError> {
        self.runtime.block_on(async {
            const NAME: &str = "clean";
            let marks = Marks::new(Clock::start());
            let notes = marks.of(NAME.to_owned());
            let client = link::connect(&self.target, Terms::default(), notes, CONTROL_QUEUE).await?;
            unless_denied(&marks, NAME, work(&link::jetstream(&self.target, client))).await
        })
    }
}

impl Cleaner for NatsCleaner {
    fn find(&mut self) -> Result<Vec<Leftover>, BusError> {
        self.with(async |jetstream| {
            let mut found = Vec::new();
            let (streams, silent) = streams(jetstream).await?;
            for stream in streams {
                if let Some((run, proof)) = proof(&stream.config) {
                    found.extend(leftover(jetstream, stream, run, proof).await?);
                }
            }
            found.extend(silent.into_iter().filter(|name| name.starts_with(OWN)).map(without_answer));
            found.sort_by(|a, b| a.parts.first().map(|p| &p.name).cmp(&b.parts.first().map(|p| &p.name)));
            Ok(found)
        })
    }

    fn remove(&mut self, found: &Leftover) -> Result<(), BusError> {
        for part in &found.parts {
            let removed = self.with(async |jetstream| {
                let deleted = jetstream.delete_stream(&part.name).await;
                deleted.map(|_| ()).map_err(|error| environment(&error.to_string(), RIGHTS))
            });
            removed.map_err(|error| match error {
                BusError::Environment { problem, hint } => {
                    environment(&format!("stream {} is still there: {problem}", part.name), &hint)
                }
                other => other,
            })?;
        }
        Ok(())
    }
}

/// One page of a list that the server returns.
#[derive(Debug, Deserialize)]
#[serde(bound = "T: DeserializeOwned")]
struct Page<T> {
    #[serde(default)]
    total: usize,
    #[serde(alias = "streams", alias = "consumers")]
    items: Option<Vec<T>>,
    /// Streams whose servers do not answer.
    missing: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
struct Stream {
    config: Config,
    #[serde(default)]
    created: String,
    /// The server's time of this answer.
    #[serde(default)]
    ts: String,
    state: State,
}

#[derive(Debug, Deserialize)]
struct Config {
    name: String,
    metadata: Option<Metadata>,
}

/// Only the mark is kept of foreign metadata.
#[derive(Debug, Default, Deserialize)]
struct Metadata {
    #[serde(rename = "tickgate.run")]
    run: Option<String>,
}

#[derive(Debug, Deserialize)]
struct State {
    #[serde(default)]
    messages: u64,
    #[serde(default)]
    bytes: u64,
    #[serde(default)]
    last_ts: String,
}

#[derive(Debug, Deserialize)]
struct Consumer {
    #[serde(default)]
    created: String,
    #[serde(default)]
    delivered: Sequence,
    #[serde(default)]
    ack_floor: Sequence,
    #[serde(default)]
    num_waiting: u64,
    #[serde(default)]
    push_bound: bool,
}

#[derive(Debug, Default, Deserialize)]
struct Sequence {
    #[serde(default)]
    last_active: String,
}

/// Converts a timestamp of the server to nanoseconds since 1970; `None` for its zero, which is in the year 1.
fn unix_ns(text: &str) -> Option<u64> {
    let at = time::OffsetDateTime::parse(text, &time::format_description::well_known::Rfc3339).ok()?;
    u64::try_from(at.unix_timestamp_nanos()).ok().filter(|&at| at > 0)
}

/// Returns the run that a stream belongs to and whether that is proven; `None` for a stream unrelated to tickgate.
fn proof(config: &Config) -> Option<(String, Proof)> {
    let mark = config.metadata.as_ref().and_then(|metadata| metadata.run.as_ref());
    let name = dead_letters::of_run(&config.name).unwrap_or(&config.name);
    match (mark, name.strip_prefix(OWN)) {
        (Some(run), Some(named)) if run == named && !run.is_empty() && name_part(run) == *run => {
            Some((run.clone(), Proof::Ours))
        }
        (Some(mark), _) => {
            let run: String = mark.chars().take(LONGEST).collect();
            let why = format!("it has the mark of run {run}, but not the name of its stream");
            Some((run, Proof::No(why)))
        }
        (None, Some(_)) => Some((
            String::new(),
            Proof::No("it has a name of tickgate's, but does not have its mark".to_owned()),
        )),
        (None, None) => None,
    }
}

/// Describes a stream; `None` if it has been deleted in the meantime.
async fn leftover(
    jetstream: &Context,
    stream: Stream,
    run: String,
    proof: Proof,
) -> Result<Option<Leftover>, BusError> {
    let consumers = match proof {
        Proof::Ours => match consumers(jetstream, &stream.config.name).await? {
            Some(consumers) => consumers,
            None => return Ok(None),
        },
        // Nothing more is requested for streams of others.
        _ => Vec::new(),
    };
    let times = [&stream.created, &stream.state.last_ts].into_iter();
    let of_consumers =
        consumers.iter().flat_map(|c| [&c.created, &c.delivered.last_active, &c.ack_floor.last_active]);
    Ok(Some(Leftover {
        run,
        proof,
        created: unix_ns(&stream.created),
        last_used: times.chain(of_consumers).filter_map(|text| unix_ns(text)).max(),
        now: unix_ns(&stream.ts).unwrap_or_else(|| Clock::start().unix_ns_at_epoch()),
        users: num::count(consumers.iter().filter(|c| c.num_waiting > 0 || c.push_bound).count()),
        events: stream.state.messages,
        bytes: Some(stream.state.bytes),
        consumers: num::count(consumers.len()),
        parts: vec![Part { kind: Kind::Stream, name: stream.config.name }],
    }))
}

fn without_answer(name: String) -> Leftover {
    Leftover {
        run: String::new(),
        proof: Proof::No("its servers do not answer".to_owned()),
        created: None,
        last_used: None,
        now: 0,
        users: 0,
        events: 0,
        bytes: None,
        consumers: 0,
        parts: vec![Part { kind: Kind::Stream, name }],
    }
}

/// Returns all streams, and the names of those whose servers do not answer.
async fn streams(jetstream: &Context) -> Result<(Vec<Stream>, Vec<String>), BusError> {
    let list = list(jetstream, "STREAM.LIST").await?;
    list.ok_or_else(|| environment("the server does not list its streams", RIGHTS))
}

/// Returns the consumers of a stream; `None` if the stream is gone.
async fn consumers(jetstream: &Context, stream: &str) -> Result<Option<Vec<Consumer>>, BusError> {
    let list = list(jetstream, &format!("CONSUMER.LIST.{stream}")).await?;
    Ok(list.map(|(consumers, _)| consumers))
}

/// Reads a whole list page by page; `None` if the stream that it belongs to is gone.
async fn list<T: DeserializeOwned>(
    jetstream: &Context,
    subject: &str,
) -> Result<Option<(Vec<T>, Vec<String>)>, BusError> {
    let action = format!("ask the server for its {subject}");
    let (mut all, mut silent) = (Vec::new(), Vec::new());
    loop {
        let asked = serde_json::json!({ "offset": all.len() });
        let answer: Response<Page<T>> =
            jetstream.request(subject.to_owned(), &asked).await.map_err(|error| match error.kind() {
                RequestErrorKind::TimedOut => environment(&format!("cannot {action}: no answer"), RIGHTS),
                RequestErrorKind::NoResponders => environment(
                    &format!("cannot {action}: nobody answers JetStream's API"),
                    "name a server with JetStream, and an account that may use it",
                ),
                _ => failed(&action, &error.to_string()),
            })?;
        let page = match answer {
            Response::Ok(page) => page,
            Response::Err { error } if error.error_code() == ErrorCode::STREAM_NOT_FOUND => return Ok(None),
            Response::Err { error } => return Err(failed(&action, &error.to_string())),
        };
        let items = page.items.unwrap_or_default();
        silent.extend(page.missing.unwrap_or_default());
        let end = items.is_empty();
        all.extend(items);
        if all.len() > MOST {
            return Err(environment(
                &format!("cannot {action}: it names more than {MOST}"),
                "name the one to remove to the nats command line: `nats stream rm`",
            ));
        }
        if end || all.len() >= page.total {
            return Ok(Some((all, silent)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::provision::MARK;
    use super::*;

    fn config(name: &str, mark: Option<&str>) -> Config {
        let metadata = Some(Metadata { run: mark.map(str::to_owned) });
        Config { name: name.to_owned(), metadata }
    }

    #[test]
    fn mark_and_name_prove_it_together_and_neither_alone() {
        let of = |name, mark| proof(&config(name, mark));
        assert_eq!(of("tickgate-0f3k2m1a", Some("0f3k2m1a")), Some(("0f3k2m1a".into(), Proof::Ours)));
        let dead_letters = "tickgate-0f3k2m1a-dead-letters";
        assert_eq!(of(dead_letters, Some("0f3k2m1a")), Some(("0f3k2m1a".into(), Proof::Ours)));
        for (name, mark) in [
            ("orders", Some("0f3k2m1a")),
            ("tickgate-other", Some("0f3k2m1a")),
            ("tickgate-0f3k2m1a", None),
            ("tickgate-", Some("x")),
            ("tickgate-", Some("")),
            ("tickgate-a b", Some("a b")),
            ("tickgate-0f3k2m1a", Some("0f3k2m1a\n")),
        ] {
            assert!(matches!(of(name, mark), Some((_, Proof::No(_)))), "{name} {mark:?}");
        }
        assert_eq!(of("orders", None), None);
        let (run, _) = of("orders", Some(&"x".repeat(9_999))).unwrap();
        assert_eq!(run.len(), LONGEST);
        let metadata: Metadata =
            serde_json::from_value(serde_json::json!({ MARK: "0f3k2m1a", "other": "y" })).unwrap();
        assert_eq!(metadata.run.as_deref(), Some("0f3k2m1a"), "the mark that a run gives");
    }

    #[test]
    fn times_of_the_server_are_read_and_its_zero_is_none() {
        assert_eq!(unix_ns("1970-01-01T00:00:01.5Z"), Some(1_500_000_000));
        assert_eq!(unix_ns("2026-11-26T05:00:00.123456789+01:00"), Some(1_795_665_600_123_456_789));
        for text in ["0001-01-01T00:00:00Z", "", "yesterday"] {
            assert_eq!(unix_ns(text), None, "{text}");
        }
    }

    #[test]
    fn lists_are_read_as_servers_write_them() {
        let page: Page<Stream> = serde_json::from_str(
            r#"{"type":"x","total":1,"offset":0,"limit":256,"missing":["a"],"streams":[{"config":{"name":"n"},
               "created":"","state":{"messages":3,"bytes":4,"last_ts":"0001-01-01T00:00:00Z"},"ts":""}]}"#,
        )
        .unwrap();
        assert_eq!((page.total, page.missing), (1, Some(vec!["a".to_owned()])));
        assert_eq!(page.items.unwrap()[0].state.messages, 3);
        let none: Page<Consumer> = serde_json::from_str(r#"{"total":0,"consumers":null}"#).unwrap();
        assert!(none.items.is_none());
        let one: Page<Consumer> = serde_json::from_str(
            r#"{"total":1,"consumers":[{"delivered":{"consumer_seq":0},"num_waiting":2}]}"#,
        )
        .unwrap();
        assert_eq!(one.items.unwrap()[0].num_waiting, 2);
    }
}
