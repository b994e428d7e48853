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

/// The server's answer to a request for a stream or a consumer.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Info {
    cluster: Led,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Led {
    leader: String,
}

/// Makes the leader of a `STREAM` or a `CONSUMER` step down; returns the leaders before and after it.
///
/// # Errors
/// When no server can be reached, when it refuses, or when the leader does not change within 3 s.
pub fn step_down(target: &Target, kind: &str, name: &str) -> Result<[String; 2], BusError> {
    let failed = |why: &str| {
        environment(&format!("the leader was not made to step down: {why}"), "see the servers' logs")
    };
    runtime()?.block_on(async {
        let terms = Terms { events: None, inbox: target.inbox_prefix.clone() };
        let notes = Marks::new(Clock::start()).of("step-down".to_owned());
        let client = link::connect(target, terms, notes, QUEUE).await?;
        let api = target.api.subject();
        let before =
            leader(&client, format!("{api}.{kind}.INFO.{name}")).await.map_err(|why| failed(&why))?;
        let request = format!("{api}.{kind}.LEADER.STEPDOWN.{name}");
        let answer = client.request(request, "".into()).await.map_err(|error| failed(&error.to_string()))?;
        judged(&answer.payload).map_err(|why| failed(&why))?;
        let deadline = Instant::now() + CHANGED_WITHIN;
        loop {
            // While there is no leader, there may be no answer either.
            let after = leader(&client, format!("{api}.{kind}.INFO.{name}")).await.unwrap_or_default();
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

/// Asks for the leader of a stream or a consumer.
async fn leader(client: &Client, subject: String) -> Result<String, String> {
    let answer = client.request(subject, "".into()).await.map_err(|error| error.to_string())?;
    let info: Info = serde_json::from_slice(&answer.payload).map_err(|error| error.to_string())?;
    Ok(info.cluster.leader)
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
    fn a_refusal_has_the_servers_reason() {
        assert_eq!(judged(br#"{"type":"x","success":true}"#), Ok(()));
        let refused =
            br#"{"type":"x","error":{"code":404,"err_code":10059,"description":"stream not found"}}"#;
        assert_eq!(judged(refused), Err("stream not found".to_owned()));
        assert!(judged(b"{}").is_err() && judged(b"").is_err());
    }
}
