//! Asks a Kafka node by its protocol: requests and answers as bytes, after `SaslHandshake` and `SaslAuthenticate` where a password is
//! required (KIP-152; the formats are those of the protocol guide).

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::super::entry::Password;

/// Most bytes of an answer.
const LARGEST: u32 = 1 << 20;
/// How long a node may take for one answer.
const PATIENCE: Duration = Duration::from_secs(2);

const SASL_HANDSHAKE: i16 = 17;
const SASL_AUTHENTICATE: i16 = 36;

/// A connection to a node.
pub(super) struct Connection(TcpStream);

impl Connection {
    /// Connects to the node at this address, and logs in.
    ///
    /// # Errors
    /// When the node does not answer or refuses.
    pub(super) fn open(address: SocketAddr, password: Option<&Password>) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let mut own = Self(stream);
        if let Some(password) = password {
            let mut body = Vec::new();
            push_text(&mut body, "PLAIN")?;
            no_error(&own.ask(SASL_HANDSHAKE, 1, &body)?)?;
            let token = format!("\0{}\0{}", password.user(), password.text());
            let mut body = length(token.len())?.to_be_bytes().to_vec();
            body.extend(token.as_bytes());
            no_error(&own.ask(SASL_AUTHENTICATE, 0, &body)?)?;
        }
        Ok(own)
    }

    /// Sends a request and returns its answer, after the correlation ID.
    ///
    /// # Errors
    /// When the node does not answer, or not as a Kafka does.
    pub(super) fn ask(&mut self, key: i16, version: i16, body: &[u8]) -> io::Result<Vec<u8>> {
        const CORRELATION: [u8; 4] = [0, 0, 0, 7];
        const NO_CLIENT: [u8; 2] = [0xff, 0xff];
        let Self(stream) = self;
        let mut request = Vec::new();
        request.extend(key.to_be_bytes());
        request.extend(version.to_be_bytes());
        request.extend(CORRELATION);
        request.extend(NO_CLIENT);
        request.extend(body);
        stream.write_all(&length(request.len())?.to_be_bytes())?;
        stream.write_all(&request)?;
        let mut size = [0; 4];
        stream.read_exact(&mut size)?;
        let size = u32::from_be_bytes(size);
        if !(4..=LARGEST).contains(&size) {
            return Err(invalid());
        }
        let mut answer = vec![0; usize::try_from(size).map_err(io::Error::other)?];
        stream.read_exact(&mut answer)?;
        match answer.split_first_chunk() {
            Some((&CORRELATION, rest)) => Ok(rest.to_vec()),
            _ => Err(invalid()),
        }
    }
}

fn length(of: usize) -> io::Result<i32> {
    i32::try_from(of).map_err(io::Error::other)
}

/// Appends a string with its length.
pub(super) fn push_text(into: &mut Vec<u8>, text: &str) -> io::Result<()> {
    into.extend(i16::try_from(text.len()).map_err(io::Error::other)?.to_be_bytes());
    into.extend(text.as_bytes());
    Ok(())
}

pub(super) fn invalid() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "not an answer of a Kafka")
}

/// An answer that begins with an error number.
pub(super) fn no_error(answer: &[u8]) -> io::Result<()> {
    match answer {
        [0, 0, ..] => Ok(()),
        [high, low, ..] => {
            Err(io::Error::other(format!("error {} of Kafka's protocol", i16::from_be_bytes([*high, *low]))))
        }
        _ => Err(invalid()),
    }
}

/// An answer, read from its start.
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Fields<'a> {
    fn bytes<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let (bytes, rest) = self.0.split_first_chunk().ok_or_else(invalid)?;
        self.0 = rest;
        Ok(*bytes)
    }

    pub(super) fn int16(&mut self) -> io::Result<i16> {
        self.bytes().map(i16::from_be_bytes)
    }

    pub(super) fn int32(&mut self) -> io::Result<i32> {
        self.bytes().map(i32::from_be_bytes)
    }

    pub(super) fn boolean(&mut self) -> io::Result<bool> {
        self.bytes().map(|[byte]: [u8; 1]| byte != 0)
    }

    /// A string; empty where there is none.
    pub(super) fn text(&mut self) -> io::Result<&'a [u8]> {
        let length = usize::try_from(self.int16()?).unwrap_or(0);
        let (text, rest) = self.0.split_at_checked(length).ok_or_else(invalid)?;
        self.0 = rest;
        Ok(text)
    }

    /// A list; empty where there is none.
    pub(super) fn list<T>(&mut self, mut one: impl FnMut(&mut Self) -> io::Result<T>) -> io::Result<Vec<T>> {
        let count = self.int32()?;
        // Grown one by one: the number comes from outside.
        let mut all = Vec::new();
        for _ in 0..count {
            all.push(one(self)?);
        }
        Ok(all)
    }
}
