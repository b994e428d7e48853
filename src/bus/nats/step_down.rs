//! Makes a leader step down, over a connection of its own: the run's other connections are busy with the run.

use serde::Deserialize;

use super::link;
use super::target::{Target, environment};
use super::{Terms, runtime};
use crate::bus::BusError;
use crate::bus::marks::Marks;
use crate::host::clock::Clock;

/// Messages that may wait on the connection, which receives a single answer.
const QUEUE: usize = 64;

/// The server's answer.
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

/// Sends a request to step down: `STREAM.LEADER.STEPDOWN.NAME`.
///
/// # Errors
/// When no server can be reached, or it refuses.
pub fn step_down(target: &Target, request: &str) -> Result<(), BusError> {
    let failed = |why: &str| {
        environment(&format!("the leader was not made to step down: {why}"), "see the servers' logs")
    };
    runtime()?.block_on(async {
        let terms = Terms { events: None, inbox: target.inbox_prefix.clone() };
        let notes = Marks::new(Clock::start()).of("step-down".to_owned());
        let client = link::connect(target, terms, notes, QUEUE).await?;
        let subject = format!("{}.{request}", target.api.subject());
        let answer = client.request(subject, "".into()).await.map_err(|error| failed(&error.to_string()))?;
        judged(&answer.payload).map_err(|why| failed(&why))
    })
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
