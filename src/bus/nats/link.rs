//! The control side's connection, which a client library runs: how it is made, what its errors mean, and which marks it
//! records.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_nats::jetstream::{self, Context};
use async_nats::{AuthError, Client, ConnectErrorKind, ConnectOptions, Event};
use nkeys::KeyPair;

use super::denial::{self, Terms};
use super::dial::seed_in;
use super::target::{Auth, Secret, Target, environment};
use crate::bus::BusError;
use crate::bus::marks::Notes;

/// Maximum time for the server to accept a connection, and to answer a request of the control side.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);
/// Pause between two attempts to reconnect; the client's own backoff would add up to 4 s to an outage.
const RECONNECT: Duration = Duration::from_millis(50);
/// Interval of pings; three without an answer end a half-open connection.
const PING: Duration = Duration::from_secs(5);

/// Connects; `queue` is the number of messages that may wait on a subscription before the client drops some.
///
/// # Errors
/// When the server cannot be reached or does not accept the connection.
pub(super) async fn connect(
    target: &Target,
    terms: Terms,
    notes: Notes,
    queue: usize,
) -> Result<Client, BusError> {
    let again = AtomicBool::new(false);
    let name = Arc::clone(&notes.name);
    connect_with(target, &name, queue, move |event| note(&notes, &terms, &again, event)).await
}

/// Connects under a name; `hear` is called with each event of the connection.
///
/// # Errors
/// When the server cannot be reached or does not accept the connection.
pub(super) async fn connect_with(
    target: &Target,
    name: &str,
    queue: usize,
    hear: impl Fn(&Event) + Send + Sync + 'static,
) -> Result<Client, BusError> {
    let options = options(target)?
        .name(format!("tickgate {name}"))
        .connection_timeout(PATIENCE)
        .request_timeout(Some(PATIENCE))
        .ping_interval(PING)
        .reconnect_delay_callback(|attempt| if attempt <= 1 { Duration::ZERO } else { RECONNECT })
        .subscription_capacity(queue)
        .event_callback(move |event| {
            hear(&event);
            std::future::ready(())
        });
    options
        .connect(&target.urls)
        .await
        .map_err(|error| explain(target, error.kind(), &target.scrub(&error.to_string())))
}

/// Returns `JetStream` with the API subjects that the target names.
pub(super) fn jetstream(target: &Target, client: Client) -> Context {
    let builder = jetstream::context::ContextBuilder::new().timeout(PATIENCE);
    builder.api_prefix(target.api.subject()).build(client)
}

fn note(notes: &Notes, terms: &Terms, again: &AtomicBool, event: &Event) {
    match event {
        Event::Connected => {
            if again.swap(true, Ordering::Relaxed) {
                notes.mark("connected", "");
            }
        }
        Event::Disconnected => notes.mark("disconnected", ""),
        Event::LameDuckMode => notes.mark("lame-duck", "the server is about to stop"),
        Event::SlowConsumer(_) => notes.mark("slow-consumer", "messages were dropped in the client"),
        Event::ServerError(error) => denial::hear(&error.to_string(), notes, terms),
        Event::ClientError(error) => notes.mark("client-error", &error.to_string()),
        Event::Draining | Event::Closed => notes.mark("closed", ""),
    }
}

fn options(target: &Target) -> Result<ConnectOptions, BusError> {
    let options = ConnectOptions::new();
    let mut options = match &target.auth {
        Auth::None => options,
        Auth::User { user, password } => {
            options.user_and_password(user.clone(), password.expose().to_owned())
        }
        Auth::Token(token) => options.token(token.expose().to_owned()),
        Auth::Nkey(path) => options.nkey(seed(path)?),
        Auth::Seed(seed) => options.nkey(seed.expose().to_owned()),
        Auth::Jwt { jwt, seed } => by_jwt(options, jwt, seed.as_ref())?,
        Auth::Creds(path) => {
            options.credentials(&read(path, "creds file")?).map_err(|_| no_credentials(path))?
        }
    };
    let tls = &target.tls;
    if let Some(ca) = &tls.ca {
        read(ca, "CA file")?;
        options = options.add_root_certificates(ca.clone());
    }
    match (&tls.cert, &tls.key) {
        (Some(cert), Some(key)) => {
            read(cert, "certificate")?;
            read(key, "certificate's key")?;
            options = options.add_client_certificate(cert.clone(), key.clone());
        }
        (None, None) => {}
        _ => return Err(environment("a client certificate and its key come together", "give both files")),
    }
    if target.requires_tls() {
        options = options.require_tls(true);
    }
    if tls.first {
        options = options.tls_first();
    }
    if !target.may_learn_servers() {
        options = options.ignore_discovered_servers();
    }
    if let Some(prefix) = &target.inbox_prefix {
        options = options.custom_inbox_prefix(prefix);
    }
    Ok(options)
}

fn by_jwt(options: ConnectOptions, jwt: &Secret, seed: Option<&Secret>) -> Result<ConnectOptions, BusError> {
    let key = seed.map(|seed| KeyPair::from_seed(seed.expose())).transpose();
    let key =
        key.map_err(|_| environment("the seed beside the JWT is not an nkey seed", "it starts with `SU`"))?;
    let key = Arc::new(key);
    let sign = move |nonce: Vec<u8>| {
        let key = Arc::clone(&key);
        // A bearer JWT needs no signature.
        async move { key.as_ref().as_ref().map_or(Ok(Vec::new()), |key| key.sign(&nonce).map_err(AuthError::new)) }
    };
    Ok(options.jwt(jwt.expose().to_owned(), sign))
}

pub(super) fn no_credentials(path: &Path) -> BusError {
    environment(
        &format!("the creds file {} holds no user JWT with its seed", path.display()),
        "make one with `nsc generate creds`",
    )
}

pub(super) fn read(path: &Path, what: &str) -> Result<String, BusError> {
    std::fs::read_to_string(path).map_err(|error| {
        environment(
            &format!("cannot read the {what} {}: {error}", path.display()),
            "check the path and its rights",
        )
    })
}

/// Reads the seed from an nkey file.
pub(super) fn seed(path: &Path) -> Result<String, BusError> {
    let text = read(path, "nkey file")?;
    seed_in(&text).map(str::to_owned).ok_or_else(|| {
        environment(
            &format!("the nkey file {} holds no user seed", path.display()),
            "it needs a line that starts with `SU`, as `nk -gen user` writes it",
        )
    })
}

pub(super) fn explain(target: &Target, kind: ConnectErrorKind, text: &str) -> BusError {
    let certificate =
        ["certificate", "UnknownIssuer", "NotValidForName"].iter().any(|word| text.contains(word));
    let hint = match kind {
        ConnectErrorKind::AuthorizationViolation => {
            "check the user and password, token, nkey or creds file against the server's configuration"
        }
        ConnectErrorKind::Authentication => "check the nkey seed or the creds file",
        ConnectErrorKind::Dns => "check the host's name",
        _ if kind == ConnectErrorKind::TimedOut || text.contains("got nothing") => {
            "check the host and port; a server with `handshake_first` lets in only clients that start with TLS"
        }
        _ if text.contains("CertificateRequired") => {
            "the server wants a client certificate: give one with its key"
        }
        _ if text.contains("InvalidContentType") => {
            "the server does not speak TLS there, or not first: one tls:// address or TLS option is for all addresses; \
             leave these out, or only `tls_first`"
        }
        _ if certificate => {
            "give the CA that signed the server's certificate, and the host name that is in it"
        }
        _ if text.to_lowercase().contains("connections exceeded") => denial::FEWER_CONNECTIONS,
        _ if text.contains("refused") => "start nats-server there, or check the host and port",
        _ if text.to_lowercase().contains("authentication") => {
            "renew the credentials, or check their account"
        }
        _ => "check the URL, and the server's log",
    };
    environment(&format!("cannot connect to {}: {text}", target.label), hint)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::marks::Marks;
    use crate::host::clock::Clock;

    #[test]
    fn the_first_connection_is_no_mark() {
        let marks = Marks::new(Clock::start());
        let notes = marks.of("control".to_owned());
        let again = AtomicBool::new(false);
        for event in [Event::Connected, Event::Disconnected, Event::Connected] {
            note(&notes, &Terms::default(), &again, &event);
        }
        let mut taken = Vec::new();
        marks.take(&mut taken);
        assert_eq!(taken.iter().map(|mark| mark.kind).collect::<Vec<_>>(), ["disconnected", "connected"]);
    }
}
