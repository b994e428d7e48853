//! Figures of a cluster's servers, requested by a user of its system account: every server that a request's filter admits
//! answers it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_nats::{Client, Event, StatusCode, Subscriber};
use bytes::Bytes;
use futures_util::StreamExt as _;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::runtime::Runtime;
use tokio::time::timeout;

use super::link;
use super::target::{Target, environment};
use crate::bus::BusError;

/// What servers are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Figures {
    /// General figures.
    General,
    /// Connections to other servers.
    Routes,
    /// Whether a server is healthy.
    Health,
}

impl Figures {
    /// The subject of the request.
    const fn subject(self) -> &'static str {
        match self {
            Self::General => "$SYS.REQ.SERVER.PING.VARZ",
            Self::Routes => "$SYS.REQ.SERVER.PING.ROUTEZ",
            Self::Health => "$SYS.REQ.SERVER.PING.HEALTHZ",
        }
    }
}

/// Maximum time for the servers of a cluster to answer a request to all of them.
const ALL_WITHIN: Duration = Duration::from_secs(3);
/// Time without another answer after which no more are expected.
const QUIET: Duration = Duration::from_millis(400);
/// Maximum time for one server to answer.
const ONE_WITHIN: Duration = Duration::from_secs(2);
/// Time after which a request to one server is repeated: it is lost if its connection ends.
const AGAIN: Duration = Duration::from_millis(650);
/// Interval between checks whether the server has denied the request.
const LOOK: Duration = Duration::from_millis(20);
/// Messages that may wait for this client.
const QUEUE: usize = 4096;

/// A connection with the system account.
pub struct System {
    client: Client,
    said: Arc<Mutex<Option<String>>>,
    label: String,
    // Declared last, so that everything that uses the runtime is dropped first.
    runtime: Runtime,
}

/// A server, as it identifies itself in its answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Identity {
    /// Its name, which a restart keeps if the configuration sets it.
    pub name: String,
    /// Its ID, which changes with a restart.
    pub id: String,
    /// Its cluster; empty if it is in none.
    pub cluster: String,
}

/// An answer of one server.
#[derive(Debug, Clone, Deserialize)]
pub struct Answer<T> {
    /// The server.
    pub server: Identity,
    /// Its figures.
    pub data: T,
}

impl System {
    /// Connects with the system account's credentials.
    ///
    /// # Errors
    /// When no server can be reached or accepts the connection.
    pub fn connect(target: &Target) -> Result<Self, BusError> {
        let runtime = super::runtime()?;
        let said: Arc<Mutex<Option<String>>> = Arc::default();
        let heard = Arc::clone(&said);
        let hear = move |event: &Event| {
            if let Event::ServerError(error) = event {
                *heard.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.to_string());
            }
        };
        let client = runtime.block_on(link::connect_with(target, "monitor", QUEUE, hear))?;
        Ok(Self { client, said, label: target.label.clone(), runtime })
    }

    /// Returns the ID of the server that this connection leads to.
    #[must_use]
    pub fn server_id(&self) -> String {
        self.client.server_info().server_id
    }

    /// Returns the ID of a server that a target leads to.
    ///
    /// # Errors
    /// When no server can be reached or accepts the connection.
    pub fn server_at(target: &Target) -> Result<String, BusError> {
        Self::connect(target).map(|connection| connection.server_id())
    }

    /// Requests the general figures of all servers. Answers are collected until `complete` accepts them and no more arrive, or
    /// until 3 s are over.
    ///
    /// # Errors
    /// When no server answers, since the user is not in the system account or may not send the request.
    pub fn servers<T: DeserializeOwned>(
        &self,
        complete: impl Fn(&[Answer<T>]) -> bool,
    ) -> Result<Vec<Answer<T>>, BusError> {
        self.all_of(Figures::General, complete)
    }

    /// Like [`Self::servers`], for other figures.
    ///
    /// # Errors
    /// As [`Self::servers`].
    pub fn all_of<T: DeserializeOwned>(
        &self,
        figures: Figures,
        complete: impl Fn(&[Answer<T>]) -> bool,
    ) -> Result<Vec<Answer<T>>, BusError> {
        // What was said of an earlier request is not about this one.
        *self.said.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.runtime.block_on(async {
            let request = self.request(figures, Bytes::new()).await;
            let mut answers = request.map_err(|problem| self.failed(&problem))?;
            let begun = Instant::now();
            let (mut found, mut last) = (Vec::new(), begun);
            while begun.elapsed() < ALL_WITHIN && !(complete(&found) && last.elapsed() > QUIET) {
                match timeout(LOOK, answers.next()).await {
                    Ok(Some(message)) if message.status == Some(StatusCode::NO_RESPONDERS) => {
                        return Err(self.outsider(figures));
                    }
                    Ok(Some(message)) => {
                        found.push(read(&message.payload).map_err(|problem| self.failed(&problem))?);
                        last = Instant::now();
                    }
                    Ok(None) => break,
                    Err(_) if self.said().is_some() => break,
                    Err(_) => {}
                }
            }
            if found.is_empty() { Err(self.denied(figures)) } else { Ok(found) }
        })
    }

    /// Requests the figures of the server with this name, also after a restart.
    ///
    /// # Errors
    /// When it does not answer within 2 s, with the reason.
    pub fn server<T: DeserializeOwned>(&self, server: &Identity) -> Result<Answer<T>, String> {
        let mut filter = serde_json::json!({ "server_name": server.name, "exact_match": true });
        if !server.cluster.is_empty() {
            filter["cluster"] = server.cluster.as_str().into();
        }
        let filter = Bytes::from(filter.to_string());
        self.runtime.block_on(async {
            let begun = Instant::now();
            loop {
                let left = ONE_WITHIN.saturating_sub(begun.elapsed());
                if left.is_zero() {
                    return Err("no answer within 2 s".to_owned());
                }
                let answers = self.request(Figures::General, filter.clone()).await?;
                if let Ok(answer) = timeout(left.min(AGAIN), matching(answers, server)).await {
                    return answer;
                }
            }
        })
    }

    async fn request(&self, figures: Figures, payload: Bytes) -> Result<Subscriber, String> {
        let inbox = self.client.new_inbox();
        let answers = self.client.subscribe(inbox.clone()).await.map_err(|error| error.to_string())?;
        let sent = self.client.publish_with_reply(figures.subject(), inbox, payload).await;
        sent.map_err(|error| error.to_string())?;
        Ok(answers)
    }

    fn said(&self) -> Option<String> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn outsider(&self, figures: Figures) -> BusError {
        let subject = figures.subject();
        environment(
            &format!("the user is not in the system account of {}: no server answers {subject}", self.label),
            "give credentials of the system account",
        )
    }

    fn denied(&self, figures: Figures) -> BusError {
        let subject = figures.subject();
        match self.said() {
            Some(said) => environment(
                &format!("the user may not request the servers' figures (the server said: {said})"),
                &format!("allow it to publish to `{subject}` and to subscribe to its inbox"),
            ),
            None => self.failed(&format!("no answer to {subject} within {} s", ALL_WITHIN.as_secs())),
        }
    }

    fn failed(&self, problem: &str) -> BusError {
        environment(
            &format!("no figures of the servers of {}: {problem}", self.label),
            "check that the user is one of the system account",
        )
    }
}

/// Waits for the answer of a server: one of an earlier version ignores `exact_match`, and others answer as well.
async fn matching<T: DeserializeOwned>(
    mut answers: Subscriber,
    server: &Identity,
) -> Result<Answer<T>, String> {
    while let Some(message) = answers.next().await {
        if message.status == Some(StatusCode::NO_RESPONDERS) {
            return Err(format!("no server answers {}", Figures::General.subject()));
        }
        let answer: Answer<T> = read(&message.payload)?;
        if answer.server.name == server.name && answer.server.cluster == server.cluster {
            return Ok(answer);
        }
    }
    Err("the connection has ended".to_owned())
}

/// Parses an answer, which holds figures or an error.
fn read<T: DeserializeOwned>(payload: &[u8]) -> Result<Answer<T>, String> {
    #[derive(Deserialize)]
    struct Refused {
        error: Error,
    }
    #[derive(Deserialize)]
    struct Error {
        description: String,
    }
    serde_json::from_slice(payload).map_err(|error| {
        let refused = serde_json::from_slice(payload).map(|Refused { error }| error.description);
        refused.unwrap_or_else(|_| format!("an answer is not as expected: {error}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_holds_figures_or_a_reason() {
        let answer: Answer<u32> =
            read(br#"{"server":{"name":"n1","host":"h","id":"NA","cluster":"c","seq":3},"data":7}"#).unwrap();
        assert_eq!((answer.server.name.as_str(), answer.server.cluster.as_str()), ("n1", "c"));
        assert_eq!((answer.server.id.as_str(), answer.data), ("NA", 7));
        let refused = br#"{"server":{"name":"n1"},"error":{"code":400,"description":"invalid options"}}"#;
        assert_eq!(read::<u32>(refused).unwrap_err(), "invalid options");
        assert!(read::<u32>(b"x").unwrap_err().starts_with("an answer is not as expected"));
    }
}
