//! Reaches a cluster: asks until it answers, and says why it does not.

use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::RDKafkaErrorCode as Code;
use rdkafka::metadata::Metadata;

use super::Watching;
use super::target::Target;
use super::watch::Watch;
use crate::bus::{BusError, environment};

/// Maximum time for the cluster to accept a connection, and to answer a control request.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// Makes the client report its events, which it does only when polled, one at a time.
pub(super) fn listen(control: &BaseConsumer<Watching>) {
    control.context().0.log_in(control.client());
    for _ in 0..64 {
        let _ = control.poll(Duration::ZERO);
    }
}

/// Requests the cluster's metadata until it answers or has reported a permanent error.
pub(super) fn reach(control: &BaseConsumer<Watching>, target: &Target) -> Result<Metadata, BusError> {
    let watch = &control.context().0;
    watch.log_in(control.client());
    let start = Instant::now();
    let mut wait = Duration::from_millis(300);
    loop {
        match control.fetch_metadata(None, wait) {
            Ok(metadata) => {
                watch.came_through();
                return Ok(metadata);
            }
            Err(error) => {
                listen(control);
                let elapsed = start.elapsed();
                let hopeless = watch.said().is_some_and(|said| {
                    let says = |word: &str| said.text.contains(word);
                    said.is_final()
                        || (says("refused") && elapsed > Duration::from_secs(1))
                        || (says("Disconnected") && elapsed > Duration::from_secs(3))
                });
                if hopeless || elapsed > PATIENCE {
                    if let Some(error) = watch.said().and_then(|said| elsewhere(&said.text, target)) {
                        return Err(error);
                    }
                    let what = format!("cannot connect to {}: {error}", target.label);
                    return Err(explain(watch, &target.scrub(&what)));
                }
                // On a busy machine the answer may merely take longer.
                wait = (wait * 2).min(Duration::from_secs(3));
            }
        }
    }
}

/// Returns the error for a cluster that answered with an address that cannot be reached. The client's messages begin
/// with `HOST:PORT/ID: ` for a broker learned from the metadata, and with `HOST:PORT/bootstrap: ` for a configured
/// one.
fn elsewhere(text: &str, target: &Target) -> Option<BusError> {
    let (broker, problem) = text.split_once(": ")?;
    let (address, id) = broker.rsplit_once('/')?;
    let address = address.rsplit_once("://").map_or(address, |(_, address)| address);
    let id: i32 = id.parse().ok()?;
    let is_given = target.brokers.iter().any(|given| given == address);
    (problem.starts_with("Connect to") && !is_given).then(|| unreachable_broker(target, id, address, problem))
}

/// Returns the error for a broker whose advertised address is unreachable.
pub(super) fn unreachable_broker(target: &Target, id: i32, address: &str, problem: &str) -> BusError {
    environment(
        &format!(
            "{} answers, and says that broker {id} is at {address}, which cannot be reached: {problem}",
            target.label
        ),
        "set `advertised.listeners` of the broker to an address that clients can reach",
    )
}

/// Returns an environment error with the client's last message and a hint.
pub(super) fn explain(watch: &Watch, what: &str) -> BusError {
    let said = watch.said();
    let text = said.as_ref().map_or("", |said| said.text.as_str());
    let has = |word: &str| text.contains(word);
    let hint = match said.as_ref().map(|said| said.code) {
        Some(Code::Authentication | Code::SaslAuthenticationFailed) if watch.has_token() => {
            "the endpoint issued a token, and the broker does not accept it: check its scope and audience against the \
             broker's configuration"
        }
        Some(Code::Authentication | Code::SaslAuthenticationFailed) => {
            "check the user, $KAFKA_PASSWORD and the mechanism ($KAFKA_SASL_MECHANISM) against the broker's"
        }
        Some(Code::SSL) if has("verify failed") => {
            "give the CA that signed the broker's certificate (--tls-ca), and the host name that is in it"
        }
        Some(Code::SSL) => "the port may not speak TLS: use kafka:// there, or the broker's TLS port",
        Some(Code::Resolve) => "check the host's name",
        _ if has("PLAINTEXT broker listener") || (has("SSL_HANDSHAKE") && has("closed by peer")) => {
            "the port may not speak TLS: use kafka:// there, or the broker's TLS port"
        }
        _ if has("certificate") => "the broker wants a client certificate: give --tls-cert and --tls-key",
        _ if has("refused") => "start a broker there, or check the host and port",
        _ if has("might be configured") || has("security.protocol") || has("Disconnected") => {
            "the port may want TLS (kafka+tls://) or a user (--user): check the broker's listeners"
        }
        _ => {
            "check the address and the broker's log; a port that wants TLS (kafka+tls://) or a user (--user) stays silent"
        }
    };
    let text = if text.is_empty() { String::new() } else { format!(" ({text})") };
    environment(&format!("{what}{text}"), hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broker_that_was_advertised_is_told_from_one_that_was_given() {
        let target = Target::parse("kafka://127.0.0.1:9092").unwrap();
        let said = |text: &str| elsewhere(text, &target).map(|error| error.to_string());
        let refused = "Connect to ipv4#10.0.0.9:9092 failed: Connection refused (after 0ms in state CONNECT)";
        for prefix in ["10.0.0.9:9092/7", "sasl_ssl://10.0.0.9:9092/7"] {
            let error = said(&format!("{prefix}: {refused}")).unwrap();
            let beginning =
                "kafka://127.0.0.1:9092 answers, and says that broker 7 is at 10.0.0.9:9092, which cannot be";
            assert!(error.contains(beginning) && error.contains("advertised.listeners"), "{error}");
        }
        let others = [
            format!("127.0.0.1:9092/bootstrap: {refused}"),
            format!("127.0.0.1:9092/7: {refused}"),
            "10.0.0.9:9092/7: SASL authentication error: Invalid username or password".to_owned(),
            "1/1 brokers are down".to_owned(),
            String::new(),
        ];
        for text in others {
            assert_eq!(said(&text), None, "{text}");
        }
    }
}
