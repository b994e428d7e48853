//! Makes a leader step down, over a connection of its own: the run's other connections are busy with the run.

use std::time::{Duration, Instant};

use async_nats::Client;
use serde::Deserialize;

use super::link;
use super::target::{Target, environment};
use super::{Terms, runtime};
use crate::bus::BusError;
use crate::bus::marks::Marks;
use crate::host::clock::Clock;

/// Messages that may wait on the connection, which receives a single answer.
const QUEUE: usize = 64;

/// How long another leader may take to be known.
const CHANGED_WITHIN: Duration = Duration::from_secs(3);
/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(1);
/// Pause before the server is asked again.
const AGAIN: Duration = Duration::from_millis(20);

/// The server's answer to a request to step down.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Answer {
    success: bool,
    error: Option<Reason>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Reason {
    description: String,
}

/// The answer to a question for a leader: that of a stream or a consumer, or of the cluster itself.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Info {
    cluster: Led,
    data: Data,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Data {
    meta_cluster: Led,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Led {
    leader: String,
}

/// How to ask for a leader, and how to make it step down.
struct Requests {
    ask: String,
    question: &'static str,
    step_down: String,
}

/// Makes the leader of a `STREAM` or a `CONSUMER` step down; returns the leaders before and after it.
///
/// # Errors
/// When no server can be reached, when it refuses, or when the leader does not change within 3 s.
pub fn step_down(target: &Target, kind: &str, name: &str) -> Result<[String; 2], BusError> {
    let api = target.api.subject();
    let requests = Requests {
        ask: format!("{api}.{kind}.INFO.{name}"),
        question: "",
        step_down: format!("{api}.{kind}.LEADER.STEPDOWN.{name}"),
    };
    carry_out(target, &requests)
}

/// Makes the leader of the cluster itself step down, as a user of the system account; returns the leaders before and after it.
///
/// # Errors
/// When no server can be reached, when it refuses, or when the leader does not change within 3 s.
pub fn step_down_meta(target: &Target) -> Result<[String; 2], BusError> {
    let requests = Requests {
        ask: "$SYS.REQ.SERVER.PING.JSZ".to_owned(),
        // Only the leader answers, so without one there is no answer.
        question: r#"{"leader_only":true}"#,
        step_down: "$JS.API.META.LEADER.STEPDOWN".to_owned(),
    };
    carry_out(target, &requests)
}

fn carry_out(target: &Target, requests: &Requests) -> Result<[String; 2], BusError> {
    let failed = |why: &str| {
        environment(&format!("the leader was not made to step down: {why}"), "see the servers' logs")
    };
    runtime()?.block_on(async {
        let terms = Terms { events: None, inbox: target.inbox_prefix.clone() };
        let notes = Marks::new(Clock::start()).of("step-down".to_owned());
        let client = link::connect(target, terms, notes, QUEUE).await?;
        let before = leader(&client, requests).await.map_err(|why| failed(&why))?;
        let request = client.request(requests.step_down.clone(), "".into());
        let answer = request.await.map_err(|error| failed(&error.to_string()))?;
        judged(&answer.payload).map_err(|why| failed(&why))?;
        let deadline = Instant::now() + CHANGED_WITHIN;
        loop {
            // While there is no leader, there may be no answer either.
            let after = leader(&client, requests).await.unwrap_or_default();
            if !after.is_empty() && after != before {
                return Ok([before, after]);
            }
            if Instant::now() >= deadline {
                return Err(failed("the leader has not changed"));
            }
            tokio::time::sleep(AGAIN).await;
        }
    })
}

/// Asks for the leader.
async fn leader(client: &Client, requests: &Requests) -> Result<String, String> {
    let request = client.request(requests.ask.clone(), requests.question.into());
    let answer = tokio::time::timeout(ANSWER, request)
        .await
        .map_err(|_| "no server names the leader".to_owned())?
        .map_err(|error| error.to_string())?;
    named(&answer.payload)
}

/// Returns the leader that an answer names.
fn named(answer: &[u8]) -> Result<String, String> {
    let info: Info = serde_json::from_slice(answer).map_err(|error| error.to_string())?;
    let Info { cluster, data } = info;
    Ok(if cluster.leader.is_empty() { data.meta_cluster.leader } else { cluster.leader })
}

/// Returns why a request was refused, if it was.
fn judged(answer: &[u8]) -> Result<(), String> {
    match serde_json::from_slice(answer) {
        Ok(Answer { success: true, .. }) => Ok(()),
        Ok(Answer { error: Some(reason), .. }) => Err(reason.description),
        Ok(Answer { error: None, .. }) => Err("the server does not say why".to_owned()),
        Err(error) => Err(format!("the answer is not as expected: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leader_is_read_from_the_answer_of_a_stream_and_of_the_cluster() {
        let stream = br#"{"type":"x","config":{},"cluster":{"name":"c","leader":"nats-2","replicas":[]}}"#;
        assert_eq!(named(stream).as_deref(), Ok("nats-2"));
        let meta = br#"{"server":{"name":"nats-3","cluster":"c"},"data":{"meta_cluster":{"leader":"nats-3","cluster_size":3}}}"#;
        assert_eq!(named(meta).as_deref(), Ok("nats-3"));
        assert_eq!(named(br#"{"data":{"meta_cluster":{}}}"#).as_deref(), Ok(""), "nobody leads");
        assert!(named(b"x").is_err());
    }

    #[test]
    fn a_refusal_has_the_servers_reason() {
        assert_eq!(judged(br#"{"type":"x","success":true}"#), Ok(()));
        let refused =
            br#"{"type":"x","error":{"code":404,"err_code":10059,"description":"stream not found"}}"#;
        assert_eq!(judged(refused), Err("stream not found".to_owned()));
        assert!(judged(b"{}").is_err() && judged(b"").is_err());
    }
}
