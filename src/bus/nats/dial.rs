//! Makes the connections of generators and members: which server, with or without TLS, and how to authenticate.
//!
//! Blocking: the first connection is made before the load starts, and later ones on a separate thread while the load
//! goes on.

use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, ToSocketAddrs as _};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use async_nats::rustls::pki_types::pem::PemObject as _;
use async_nats::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use async_nats::rustls::{ClientConfig, ClientConnection, RootCertStore};
use async_nats::{ConnectErrorKind, ServerAddr};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use nkeys::KeyPair;
use serde::Deserialize;

use super::denial::Terms;
use super::frames::{self, Frame};
use super::link::{self, PATIENCE};
use super::target::{Auth, Target, TlsFiles};
use crate::bus::BusError;

/// Maximum number of bytes per read while a connection is made.
const AT_A_TIME: usize = 16 << 10;

/// Makes connections to one target.
pub(super) struct Dialer {
    target: Target,
    terms: Terms,
    proof: Proof,
    servers: Mutex<Vec<ServerAddr>>,
    /// Index of the next server: connections are spread over all servers, and a failed attempt moves on to the next
    /// one.
    next: AtomicUsize,
    tls: OnceLock<Arc<ClientConfig>>,
}

/// Credentials, with the contents of their files.
enum Proof {
    None,
    User(String, super::Secret),
    Token(super::Secret),
    Key(KeyPair),
    Jwt(String, Option<KeyPair>),
}

/// A connection that the server has accepted; no other command has been sent on it.
pub(super) struct Dialed {
    pub(super) stream: Stream,
    /// The largest payload that the server accepts, bytes.
    pub(super) max_payload: usize,
    /// Bytes that arrived after the server's welcome.
    pub(super) rest: Vec<u8>,
}

/// The byte stream of a connection.
pub(super) enum Stream {
    Plain(TcpStream),
    Tls(Box<ClientConnection>, TcpStream),
}

/// Why a connection could not be made.
#[derive(Debug)]
pub(super) struct DialError {
    kind: ConnectErrorKind,
    text: String,
}

impl fmt::Display for DialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn failed(kind: ConnectErrorKind, text: impl fmt::Display) -> DialError {
    DialError { kind, text: text.to_string() }
}

impl From<io::Error> for DialError {
    fn from(error: io::Error) -> Self {
        let late = matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
        if late {
            failed(ConnectErrorKind::TimedOut, "timed out")
        } else {
            failed(ConnectErrorKind::Io, error)
        }
    }
}

/// The server's first message (`INFO`).
#[derive(Deserialize, Default)]
#[serde(default)]
struct Greeting {
    max_payload: usize,
    tls_required: bool,
    nonce: String,
    connect_urls: Vec<String>,
}

impl Dialer {
    /// Creates a dialer and reads the files that the target names.
    ///
    /// # Errors
    /// When a file cannot be read or used.
    pub(super) fn new(target: Target) -> Result<Self, BusError> {
        let explain = |error: DialError| link::explain(&target, error.kind, &error.text);
        let key = |seed: &str| {
            let wrong =
                |error| failed(ConnectErrorKind::Authentication, format!("not an nkey seed: {error}"));
            KeyPair::from_seed(seed).map_err(wrong).map_err(explain)
        };
        let proof = match &target.auth {
            Auth::None => Proof::None,
            Auth::User { user, password } => Proof::User(user.clone(), password.clone()),
            Auth::Token(token) => Proof::Token(token.clone()),
            Auth::Nkey(path) => Proof::Key(key(&link::seed(path)?)?),
            Auth::Seed(seed) => Proof::Key(key(seed.expose())?),
            Auth::Creds(path) => {
                let text = link::read(path, "creds file")?;
                let (jwt, seed) = credentials(&text).ok_or_else(|| link::no_credentials(path))?;
                Proof::Jwt(jwt.to_owned(), Some(key(seed)?))
            }
            Auth::Jwt { jwt, seed } => {
                let key = seed.as_ref().map(|seed| key(seed.expose())).transpose()?;
                Proof::Jwt(jwt.expose().to_owned(), key)
            }
        };
        let mut servers = Vec::new();
        for url in &target.urls {
            let server = url.parse().map_err(|error| failed(ConnectErrorKind::ServerParse, error));
            servers.push(server.map_err(explain)?);
        }
        // Concurrent runs start with different servers of a cluster.
        let first = usize::try_from(std::process::id()).unwrap_or_default();
        Ok(Self {
            target,
            terms: Terms::default(),
            proof,
            servers: Mutex::new(servers),
            next: AtomicUsize::new(first),
            tls: OnceLock::new(),
        })
    }

    /// Sets the subjects that the run uses, to explain what the server denies.
    pub(super) fn on(self, terms: Terms) -> Self {
        Self { terms, ..self }
    }

    /// Returns the subjects that the run uses.
    pub(super) const fn terms(&self) -> &Terms {
        &self.terms
    }

    /// Makes the first connection of a generator or member; tries each server once.
    ///
    /// # Errors
    /// When no server accepts the connection.
    pub(super) fn first(&self, name: &str) -> Result<Dialed, BusError> {
        let mut tries = self.count();
        loop {
            tries = tries.saturating_sub(1);
            match self.dial(name) {
                Ok(dialed) => return Ok(dialed),
                Err(error) if tries == 0 => {
                    return Err(link::explain(&self.target, error.kind, &self.target.scrub(&error.text)));
                }
                Err(_) => {}
            }
        }
    }

    /// Tries the next server.
    ///
    /// # Errors
    /// When it does not accept the connection; the text contains no secret.
    pub(super) fn dial(&self, name: &str) -> Result<Dialed, DialError> {
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        let (server, entrance) = {
            let servers = self.servers.lock().unwrap_or_else(PoisonError::into_inner);
            let index = turn % servers.len().max(1);
            // Nothing is learned behind proxies, so the servers are those of the URLs.
            let entrance = self.target.entrances.get(index).copied();
            let server = servers.get(index).cloned().map(|server| (server, entrance));
            server.ok_or_else(|| failed(ConnectErrorKind::ServerParse, "no server is named"))?
        };
        let unknown = |error: io::Error| failed(ConnectErrorKind::Dns, error);
        let addresses: Vec<SocketAddr> = match entrance {
            Some(port) => vec![SocketAddr::from((Ipv4Addr::LOCALHOST, port))],
            None => (server.host(), server.port()).to_socket_addrs().map_err(unknown)?.collect(),
        };
        let mut error = failed(ConnectErrorKind::Dns, "no address is known for it");
        for address in addresses {
            let connected = TcpStream::connect_timeout(&address, PATIENCE).map_err(DialError::from);
            match connected.and_then(|tcp| self.enter(tcp, &server, name)) {
                Ok(dialed) => return Ok(dialed),
                Err(why) => error = why,
            }
        }
        error.text = self.target.scrub(&error.text);
        Err(error)
    }

    fn count(&self) -> usize {
        self.servers.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    fn enter(&self, tcp: TcpStream, server: &ServerAddr, name: &str) -> Result<Dialed, DialError> {
        tcp.set_nodelay(true)?;
        let encrypt = |tcp| self.encrypt(tcp, server.host());
        let plain = if self.target.tls.first { encrypt(tcp)? } else { Stream::Plain(tcp) };
        let mut talk = Talk { stream: plain, read: Vec::new(), deadline: Instant::now() + PATIENCE };
        let greeting = talk.greeting()?;
        let required = self.target.requires_tls() || server.tls_required();
        if let Stream::Plain(tcp) = &talk.stream
            && (required || greeting.tls_required)
        {
            if !talk.read.is_empty() {
                // Bytes that came before the handshake are not authenticated.
                return Err(failed(
                    ConnectErrorKind::Tls,
                    "the server sent more before TLS than its greeting",
                ));
            }
            talk.stream = encrypt(tcp.try_clone()?)?;
        }
        if self.target.may_learn_ways() {
            self.learn(&greeting.connect_urls);
        }
        let mut hello = self.hello(&greeting, required, name)?;
        hello.push_str("PING\r\n");
        talk.stream.write_all_blocking(hello.as_bytes())?;
        talk.welcome()?;
        let Talk { stream, read, .. } = talk;
        stream.tcp().set_read_timeout(None)?;
        stream.tcp().set_nonblocking(true)?;
        Ok(Dialed { stream, max_payload: greeting.max_payload, rest: read })
    }

    fn learn(&self, urls: &[String]) {
        let mut servers = self.servers.lock().unwrap_or_else(PoisonError::into_inner);
        for server in urls.iter().filter_map(|url| url.parse::<ServerAddr>().ok()) {
            if !servers.contains(&server) {
                servers.push(server);
            }
        }
    }

    fn encrypt(&self, mut tcp: TcpStream, host: &str) -> Result<Stream, DialError> {
        let config = if let Some(config) = self.tls.get() {
            config
        } else {
            let config = config(&self.target.tls).map_err(|text| failed(ConnectErrorKind::Tls, text))?;
            self.tls.get_or_init(|| Arc::new(config))
        };
        let wrong = |error: &dyn fmt::Display| failed(ConnectErrorKind::Tls, error);
        let host = ServerName::try_from(host.to_owned()).map_err(|error| wrong(&error))?;
        let mut tls = ClientConnection::new(Arc::clone(config), host).map_err(|error| wrong(&error))?;
        tcp.set_read_timeout(Some(PATIENCE))?;
        while tls.is_handshaking() {
            tls.complete_io(&mut tcp)?;
        }
        Ok(Stream::Tls(Box::new(tls), tcp))
    }

    /// Builds the `CONNECT` line.
    fn hello(&self, greeting: &Greeting, tls: bool, name: &str) -> Result<String, DialError> {
        let mut hello = serde_json::json!({
            "verbose": false, "pedantic": false, "tls_required": tls, "name": name, "lang": "rust",
            "version": env!("CARGO_PKG_VERSION"), "protocol": 1, "echo": true, "headers": true, "no_responders": true,
        });
        let sign = |key: &KeyPair| {
            let signed = key.sign(greeting.nonce.as_bytes());
            let wrong = |error| failed(ConnectErrorKind::Authentication, format!("cannot sign: {error}"));
            signed.map(|signature| URL_SAFE_NO_PAD.encode(signature)).map_err(wrong)
        };
        match &self.proof {
            Proof::None => {}
            Proof::User(user, password) => {
                hello["user"] = user.as_str().into();
                hello["pass"] = password.expose().into();
            }
            Proof::Token(token) => hello["auth_token"] = token.expose().into(),
            Proof::Key(key) => {
                hello["nkey"] = key.public_key().into();
                hello["sig"] = sign(key)?.into();
            }
            Proof::Jwt(jwt, key) => {
                hello["jwt"] = jwt.as_str().into();
                // A bearer JWT needs no signature.
                if let Some(key) = key {
                    hello["sig"] = sign(key)?.into();
                }
            }
        }
        Ok(format!("CONNECT {hello}\r\n"))
    }
}

/// The exchange with the server before it has accepted the connection.
struct Talk {
    stream: Stream,
    read: Vec<u8>,
    deadline: Instant,
}

impl Talk {
    fn greeting(&mut self) -> Result<Greeting, DialError> {
        let wrong = |text: &str| failed(ConnectErrorKind::Io, format!("expected INFO, got {text}"));
        let (frame, bytes) = self.frame(&wrong("nothing"))?;
        let Frame::Info(at) = frame else { return Err(wrong("something else")) };
        serde_json::from_slice(bytes.get(at).unwrap_or_default()).map_err(|error| wrong(&error.to_string()))
    }

    fn welcome(&mut self) -> Result<(), DialError> {
        loop {
            let broken = failed(ConnectErrorKind::Io, "the server closed the connection");
            match self.frame(&broken)? {
                (Frame::Pong, _) => return Ok(()),
                (Frame::Error(at), bytes) => {
                    let text = String::from_utf8_lossy(bytes.get(at).unwrap_or_default());
                    let text = text.trim_matches('\'').to_lowercase();
                    let violation = text.starts_with("authorization violation");
                    let kind = if violation {
                        ConnectErrorKind::AuthorizationViolation
                    } else {
                        ConnectErrorKind::Io
                    };
                    return Err(failed(kind, format!("nats: {text}")));
                }
                _ => {}
            }
        }
    }

    /// Returns the next frame and the bytes that contain it.
    fn frame(&mut self, nothing: &DialError) -> Result<(Frame, Vec<u8>), DialError> {
        loop {
            let next = frames::next(&self.read).map_err(|error| failed(ConnectErrorKind::Io, error))?;
            if let Some((frame, length)) = next {
                let rest = self.read.split_off(length);
                return Ok((frame, std::mem::replace(&mut self.read, rest)));
            }
            let left = self.deadline.saturating_duration_since(Instant::now());
            self.stream.tcp().set_read_timeout(Some(left.max(Duration::from_millis(1))))?;
            let before = self.read.len();
            self.read.resize(before + AT_A_TIME, 0);
            let room = self.read.get_mut(before..).unwrap_or_default();
            let read = self.stream.read(room);
            self.read.truncate(before + *read.as_ref().unwrap_or(&0));
            if read? == 0 {
                return Err(failed(nothing.kind, &nothing.text));
            }
        }
    }
}

impl Stream {
    pub(super) const fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(tcp) | Self::Tls(_, tcp) => tcp,
        }
    }

    /// Reads the available bytes, like `Read::read`.
    pub(super) fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(tcp) => tcp.read(room),
            Self::Tls(tls, tcp) => loop {
                match tls.reader().read(room) {
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    done => return done,
                }
                if tls.read_tls(tcp)? == 0 {
                    return Ok(0);
                }
                tls.process_new_packets().map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
            },
        }
    }

    /// Writes a part of `bytes`, like `Write::write`.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(tcp) => tcp.write(bytes),
            Self::Tls(tls, tcp) => {
                flush(tls, tcp)?;
                if tls.wants_write() {
                    return Err(ErrorKind::WouldBlock.into());
                }
                let taken = tls.writer().write(bytes)?;
                flush(tls, tcp)?;
                Ok(taken)
            }
        }
    }

    /// Returns whether the TLS session holds bytes that the socket has not accepted yet.
    pub(super) fn holds_bytes(&self) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Tls(tls, _) => tls.wants_write(),
        }
    }

    fn write_all_blocking(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let written = self.write(bytes)?;
            bytes = bytes.get(written..).unwrap_or_default();
        }
        Ok(())
    }
}

/// Writes what the TLS session holds, as far as the socket accepts it.
fn flush(tls: &mut ClientConnection, tcp: &mut TcpStream) -> io::Result<()> {
    while tls.wants_write() {
        match tls.write_tls(tcp) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Builds the TLS configuration: the authorities to trust (those in the given file, else the system's) and the client's
/// certificate.
fn config(files: &TlsFiles) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    match &files.ca {
        Some(ca) => {
            for certificate in CertificateDer::pem_file_iter(ca).map_err(|error| error.to_string())? {
                let certificate = certificate.map_err(|error| error.to_string())?;
                roots.add(certificate).map_err(|error| error.to_string())?;
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    let builder = ClientConfig::builder().with_root_certificates(roots);
    let (Some(cert), Some(key)) = (&files.cert, &files.key) else {
        return Ok(builder.with_no_client_auth());
    };
    let chain = CertificateDer::pem_file_iter(cert).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let key = PrivateKeyDer::from_pem_file(key);
    let (chain, key) = (chain.map_err(|e| e.to_string())?, key.map_err(|e| e.to_string())?);
    builder.with_client_auth_cert(chain, key).map_err(|error| error.to_string())
}

/// Returns the JWT and the seed in a `.creds` file: each is the line after one that starts with dashes and contains
/// `BEGIN`.
pub(super) fn credentials(text: &str) -> Option<(&str, &str)> {
    let mut lines = text.lines().map(str::trim);
    let mut next = || {
        lines.find(|line| line.starts_with("---") && line.contains("BEGIN"))?;
        lines.find(|line| !line.is_empty())
    };
    Some((next()?, next()?))
}

/// Returns the seed in an nkey file: the first line that starts with `SU`.
pub(super) fn seed_in(text: &str) -> Option<&str> {
    text.lines().map(str::trim).find(|line| line.starts_with("SU"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_creds_file_has_a_jwt_and_a_seed() {
        let text = "-----BEGIN NATS USER JWT-----\r\neyJ0.x-_.y\r\n------END NATS USER JWT------\r\n\r\n\
                    ************************* IMPORTANT *************************\r\n\
                    -----BEGIN USER NKEY SEED-----\r\nSUAB\r\n------END USER NKEY SEED------\r\n";
        assert_eq!(credentials(text), Some(("eyJ0.x-_.y", "SUAB")));
        assert_eq!(credentials("-----BEGIN NATS USER JWT-----\neyJ0\n------END NATS USER JWT------\n"), None);
        assert_eq!(credentials(""), None);
    }
}
