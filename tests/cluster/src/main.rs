//! An older container engine as a newer one: `tickgate-cluster SOCKET ENGINE VERSION` listens on SOCKET and passes every request on to
//! the socket ENGINE, in VERSION of the protocol.
//!
//! `testcontainers` asks in the newest version of the protocol that its client library knows, without negotiation, and an engine
//! refuses versions that are newer than itself. What the tests ask for is the same in all of them.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::thread;

fn main() -> io::Result<()> {
    let mut args = std::env::args().skip(1);
    let (Some(socket), Some(engine), Some(version)) = (args.next(), args.next(), args.next()) else {
        return Err(io::Error::other("usage: tickgate-cluster SOCKET ENGINE VERSION"));
    };
    for client in UnixListener::bind(socket)?.incoming() {
        let (client, engine) = (client?, UnixStream::connect(&engine)?);
        let (answers, asker, version) = (engine.try_clone()?, client.try_clone()?, version.clone());
        thread::spawn(move || requests(client, engine, &version));
        thread::spawn(move || pass(answers, asker));
    }
    Ok(())
}

/// Passes bytes on as they come, up to the end.
fn pass(mut from: UnixStream, mut to: UnixStream) -> io::Result<()> {
    let copied = io::copy(&mut from, &mut to);
    to.shutdown(Shutdown::Write)?;
    copied.map(|_| ())
}

/// Passes requests on; the version in the path of each is replaced.
fn requests(mut from: UnixStream, mut to: UnixStream, version: &str) -> io::Result<()> {
    let mut buffer = vec![0; 64 << 10];
    loop {
        let length = from.read(&mut buffer)?;
        if length == 0 {
            return to.shutdown(Shutdown::Write);
        }
        to.write_all(&in_version(&buffer[..length], version))?;
    }
}

/// A client writes the head of a request at once, after the answer to the one before.
fn in_version(bytes: &[u8], version: &str) -> Vec<u8> {
    let replaced = || {
        let line = bytes.split(|&byte| byte == b'\r').next()?;
        let (method, path) = str::from_utf8(line).ok()?.split_once(' ')?;
        let (_, rest) = path.strip_prefix("/v")?.split_once('/')?;
        let known = ["GET", "HEAD", "POST", "PUT", "DELETE"].contains(&method) && rest.ends_with(" HTTP/1.1");
        known.then(|| [format!("{method} /v{version}/{rest}").as_bytes(), &bytes[line.len()..]].concat())
    };
    replaced().unwrap_or_else(|| bytes.to_vec())
}

#[cfg(test)]
mod tests {
    use super::in_version;

    #[test]
    fn the_version_of_a_request_is_replaced_and_nothing_else() {
        let asked = b"POST /v1.53/containers/create?name=a HTTP/1.1\r\nhost: docker\r\n\r\n{\"a\":1}";
        let passed = b"POST /v1.41/containers/create?name=a HTTP/1.1\r\nhost: docker\r\n\r\n{\"a\":1}";
        assert_eq!(in_version(asked, "1.41"), passed);
        for other in
            [&b"GET /version HTTP/1.1\r\n\r\n"[..], b"{\"path\": \"GET /v1.53/x\"}", b"\xff\xfe", b""]
        {
            assert_eq!(in_version(other, "1.41"), other);
        }
    }
}
