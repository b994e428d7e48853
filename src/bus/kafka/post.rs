//! A small HTTP client for the endpoint of tokens: one POST with a form on a connection of its own, plain or with TLS.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_nats::rustls::pki_types::ServerName;
use async_nats::rustls::{ClientConfig, ClientConnection, StreamOwned};

/// Maximum time for a complete answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
/// Maximum size of an answer, bytes.
const LONGEST: usize = 1 << 20;

/// The address of an endpoint: `http://HOST[:PORT][/PATH]` or `https://…`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Endpoint {
    pub(super) tls: bool,
    /// Without the brackets of an IPv6 address.
    host: String,
    port: u16,
    /// Path and query.
    path: String,
}

impl Endpoint {
    /// Parses a URL.
    ///
    /// # Errors
    /// When it is none; the text does not quote it.
    pub(super) fn parse(url: &str) -> Result<Self, &'static str> {
        let (scheme, rest) = url.split_once("://").ok_or("it is not a URL")?;
        let tls = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            "file" => return Err("a token in a file is not supported"),
            _ => return Err("it is not an address of HTTP"),
        };
        let at = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(at);
        if authority.contains('@') {
            return Err("it has a user; the client's ID and secret have keys of their own");
        }
        let path = path.split('#').next().unwrap_or_default();
        if !url.bytes().all(|byte| matches!(byte, b'!'..=b'~')) {
            return Err("it has characters that a URL must encode");
        }
        let port = if tls { 443 } else { 80 };
        let (host, port) = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, "")) => (host, Ok(port)),
            Some((host, rest)) => (host, rest.strip_prefix(':').unwrap_or("x").parse()),
            None => {
                authority.rsplit_once(':').map_or((authority, Ok(port)), |(host, port)| (host, port.parse()))
            }
        };
        let port = port.map_err(|_| "its port is not a number up to 65535")?;
        if host.is_empty() {
            return Err("it names no host");
        }
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        Ok(Self { tls, host: host.to_owned(), port, path })
    }

    /// Returns `host:port`.
    pub(super) fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

/// An answer of the endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
}

/// Sends a form, with the value of the header `Authorization`.
///
/// # Errors
/// When there is no complete answer within 10 s; the text contains nothing of the request.
pub(super) fn post(
    endpoint: &Endpoint,
    authorization: &str,
    form: &str,
    tls: Option<Arc<ClientConfig>>,
) -> Result<Answer, String> {
    let deadline = Instant::now() + PATIENCE;
    let stream = connect(endpoint)?;
    let request = format!(
        "POST {} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nAccept: application/json\r\nAccept-Encoding: identity\r\n\
         Cache-Control: no-cache\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\
         Authorization: {authorization}\r\n\r\n{form}",
        endpoint.path,
        endpoint.authority(),
        form.len()
    );
    let timed = stream.try_clone().map_err(|error| error.to_string())?;
    let answer = match tls {
        None => exchange(stream, &timed, &request, deadline),
        Some(config) => {
            let name = ServerName::try_from(endpoint.host.clone())
                .map_err(|_| "its host is not a name that a certificate may have".to_owned())?;
            let client = ClientConnection::new(config, name).map_err(|error| error.to_string())?;
            exchange(StreamOwned::new(client, stream), &timed, &request, deadline)
        }
    };
    answer.map_err(|error| match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => "no whole answer within 10 s".to_owned(),
        _ => error.to_string(),
    })
}

fn connect(endpoint: &Endpoint) -> Result<TcpStream, String> {
    let addresses =
        (endpoint.host.as_str(), endpoint.port).to_socket_addrs().map_err(|error| error.to_string())?;
    let mut problem = "its host has no address".to_owned();
    for address in addresses {
        match TcpStream::connect_timeout(&address, PATIENCE / 2) {
            Ok(stream) => return Ok(stream),
            Err(error) => problem = error.to_string(),
        }
    }
    Err(problem)
}

fn exchange(
    mut stream: impl Read + Write,
    timed: &TcpStream,
    request: &str,
    deadline: Instant,
) -> std::io::Result<Answer> {
    timed.set_write_timeout(Some(PATIENCE))?;
    timed.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(request.as_bytes())?;
    stream.flush()?;
    let (mut bytes, mut part) = (Vec::new(), [0; 8 << 10]);
    loop {
        if let Some(answer) = parse(&bytes, false).map_err(std::io::Error::other)? {
            return Ok(answer);
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        timed.set_read_timeout(Some(left))?;
        match stream.read(&mut part) {
            // Many servers end a TLS connection without saying so.
            Ok(0) => break,
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => break,
            Ok(n) => bytes.extend_from_slice(part.get(..n).unwrap_or_default()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        if bytes.len() > LONGEST {
            return Err(std::io::Error::other("the answer is too long"));
        }
    }
    let answer = parse(&bytes, true).map_err(std::io::Error::other)?;
    answer.ok_or_else(|| std::io::Error::other("the answer breaks off"))
}

/// Parses what has arrived; `None` if more is needed. `ended`: nothing more will arrive.
fn parse(bytes: &[u8], ended: bool) -> Result<Option<Answer>, &'static str> {
    const OTHER: &str = "not an answer of HTTP";
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
        let begins = bytes.len() < 5 || bytes.starts_with(b"HTTP/");
        return if begins && (bytes.is_empty() || !ended) { Ok(None) } else { Err(OTHER) };
    };
    let (head, body) = bytes.split_at(end + 4);
    let head = std::str::from_utf8(head).map_err(|_| OTHER)?;
    let mut lines = head.split("\r\n");
    let status = lines.next().filter(|line| line.starts_with("HTTP/1."));
    let status: u16 =
        status.and_then(|line| line.split(' ').nth(1)).and_then(|text| text.parse().ok()).ok_or(OTHER)?;
    let header = |name: &str| {
        let mut all = head.split("\r\n").skip(1).filter_map(|line| line.split_once(':'));
        all.find(|(key, _)| key.trim().eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    };
    if header("transfer-encoding").is_some_and(|value| value.to_ascii_lowercase().contains("chunked")) {
        return Ok(unchunked(body)?.map(|body| Answer { status, body }));
    }
    let body = match header("content-length").map(str::parse::<usize>) {
        Some(Err(_)) => return Err(OTHER),
        Some(Ok(length)) => body.get(..length),
        None => ended.then_some(body),
    };
    Ok(body.map(|body| Answer { status, body: body.to_owned() }))
}

/// Joins the chunks of a body; `None` if the last one is missing.
fn unchunked(mut rest: &[u8]) -> Result<Option<Vec<u8>>, &'static str> {
    let mut body = Vec::new();
    loop {
        let Some(end) = rest.windows(2).position(|two| two == b"\r\n") else { return Ok(None) };
        let (line, after) = rest.split_at(end);
        let line = std::str::from_utf8(line).unwrap_or_default();
        let size = line.split(';').next().unwrap_or_default().trim();
        let size = usize::from_str_radix(size, 16).ok().filter(|size| *size <= LONGEST);
        let size = size.ok_or("its chunks are not valid")?;
        if size == 0 {
            return Ok(Some(body));
        }
        let (Some(chunk), Some(next)) = (after.get(2..2 + size), after.get(4 + size..)) else {
            return Ok(None);
        };
        body.extend_from_slice(chunk);
        rest = next;
    }
}

/// Percent-encodes a text as in a form.
pub(super) fn encoded(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes().fold(String::new(), |mut out, byte| {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'*' => out.push(char::from(byte)),
            b' ' => out.push('+'),
            _ => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_or_refused_with_the_reason() {
        for (url, tls, authority, path) in [
            ("https://login.example/oauth2/v1/token", true, "login.example:443", "/oauth2/v1/token"),
            ("http://127.0.0.1:8080", false, "127.0.0.1:8080", "/"),
            ("HTTPS://h:8443?x=1#y", true, "h:8443", "/?x=1"),
            ("https://[::1]/t", true, "[::1]:443", "/t"),
        ] {
            let endpoint = Endpoint::parse(url).unwrap();
            assert_eq!(
                (endpoint.tls, endpoint.authority().as_str(), endpoint.path.as_str()),
                (tls, authority, path),
                "{url}"
            );
        }
        for (url, part) in [
            ("login.example", "not a URL"),
            ("file:///token", "in a file"),
            ("ftp://h", "not an address of HTTP"),
            ("https://u:p@h/", "has a user"),
            ("https:///x", "no host"),
            ("https://h:x/", "port"),
            ("https://[::1]x/", "port"),
            ("https://h/a b", "encode"),
            ("https://h/a\r\nX: y", "encode"),
        ] {
            assert!(Endpoint::parse(url).unwrap_err().contains(part), "{url}");
        }
    }

    #[test]
    fn answers_end_by_their_length_their_last_chunk_or_the_connection() {
        let read = |text: &str, ended| {
            let answer = parse(text.as_bytes(), ended).map_err(str::to_owned)?;
            Ok::<_, String>(answer.map(|answer| (answer.status, String::from_utf8(answer.body).unwrap())))
        };
        let done = |status, body: &str| Ok(Some((status, body.to_owned())));
        assert_eq!(read("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcd", false), done(200, "abc"));
        assert_eq!(read("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nab", false), Ok(None));
        assert_eq!(read("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nab", true), Ok(None));
        assert_eq!(read("HTTP/1.0 401 No\r\n\r\nab", false), Ok(None));
        assert_eq!(read("HTTP/1.0 401 No\r\n\r\nab", true), done(401, "ab"));
        let chunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n";
        assert_eq!(read(chunks, false), done(200, "abc0123456789"));
        for end in 60..chunks.len() - 4 {
            assert_eq!(read(&chunks[..end], false), Ok(None), "{end}");
        }
        assert!(read("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", false).is_err());
        for other in ["SSH-2.0-x\r\n", "HTTP/2 200\r\n\r\n", "HTTP/1.1 x\r\n\r\n", "+OK Redis\r\n\r\n"] {
            assert!(read(other, true).is_err(), "{other}");
        }
        assert_eq!(read("", false), Ok(None));
    }

    #[test]
    fn a_form_is_encoded() {
        assert_eq!(encoded("a b&c=d/é"), "a+b%26c%3Dd%2F%C3%A9");
    }
}
