//! Frames of the client protocol: parsed from the input of a connection without copying, and written into its output.
//!
//! A message is `MSG subject sid [reply] size`, with headers `HMSG subject sid [reply] header-size size`, a line end,
//! the headers, the payload and another line end (docs.nats.io, "Client protocol").

use std::ops::Range;

use memchr::memchr;

/// Maximum length of a control line, bytes; the `INFO` of a large cluster has some ten thousand.
const LONGEST_LINE: usize = 1 << 20;
/// Maximum size of a message, bytes: the most that a server can be configured to allow.
const LARGEST_MESSAGE: usize = 64 << 20;

/// A frame from the server, as ranges of the bytes that contain it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// Information about the server; JSON.
    Info(Range<usize>),
    /// An event or an answer.
    Message(MessageAt),
    /// A request for a `PONG`.
    Ping,
    /// The answer to a `PING`.
    Pong,
    /// Sent only by servers in verbose mode.
    Ok,
    /// An error, in the server's words.
    Error(Range<usize>),
}

/// Positions of the parts of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageAt {
    subject: Range<usize>,
    reply: Range<usize>,
    headers: Range<usize>,
    payload: Range<usize>,
}

/// The bytes do not follow the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("what the server sent is not the NATS protocol")]
pub struct Malformed;

/// A message whose parts are in a connection's input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message<'a> {
    /// The subject.
    pub subject: &'a str,
    /// The reply subject; empty where there is none.
    pub reply: &'a str,
    /// Version line, header lines and the empty line; empty where there are none.
    headers: &'a [u8],
    /// The payload.
    pub payload: &'a [u8],
}

impl MessageAt {
    /// Returns the message, given the bytes in which it was found.
    #[must_use]
    pub fn of<'a>(&self, bytes: &'a [u8]) -> Message<'a> {
        let part = |range: &Range<usize>| bytes.get(range.clone()).unwrap_or_default();
        let text = |range| str::from_utf8(part(range)).unwrap_or_default();
        Message {
            subject: text(&self.subject),
            reply: text(&self.reply),
            headers: part(&self.headers),
            payload: part(&self.payload),
        }
    }

    /// Shifts the positions by `by` bytes, for input that has `by` more bytes in front.
    #[must_use]
    pub fn moved(self, by: usize) -> Self {
        let moved = |range: Range<usize>| range.start + by..range.end + by;
        Self {
            subject: moved(self.subject),
            reply: moved(self.reply),
            headers: moved(self.headers),
            payload: moved(self.payload),
        }
    }
}

impl<'a> Message<'a> {
    /// Returns the status in the version line (503 in `NATS/1.0 503`).
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        if self.headers.is_empty() {
            return None;
        }
        self.version_line().split_ascii_whitespace().nth(1)?.parse().ok()
    }

    /// Returns the text after the status.
    #[must_use]
    pub fn description(&self) -> &'a str {
        self.version_line().splitn(3, ' ').nth(2).unwrap_or_default().trim()
    }

    /// Returns the value of a header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&'a str> {
        let of_that_name = |line: &'a str| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        };
        self.lines().skip(1).find_map(of_that_name)
    }

    /// Returns whether there are header lines.
    #[must_use]
    pub fn has_headers(&self) -> bool {
        self.lines().skip(1).any(|line| !line.is_empty())
    }

    fn version_line(&self) -> &'a str {
        self.lines().next().unwrap_or_default()
    }

    fn lines(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        str::from_utf8(self.headers).unwrap_or_default().split("\r\n")
    }
}

/// Parses the first frame; returns it with its length in bytes, `None` while it is incomplete.
///
/// # Errors
/// When the bytes do not begin with a frame.
pub fn next(bytes: &[u8]) -> Result<Option<(Frame, usize)>, Malformed> {
    let Some(end) = memchr(b'\n', bytes) else {
        return if bytes.len() > LONGEST_LINE { Err(Malformed) } else { Ok(None) };
    };
    let line = bytes.get(..end).unwrap_or_default().trim_ascii_end();
    let (verb, rest) = match memchr(b' ', line) {
        Some(space) => line.split_at_checked(space).unwrap_or((line, b"")),
        None => (line, [].as_slice()),
    };
    let after = end + 1;
    let argument = || verb.len() + 1..line.len().max(verb.len() + 1);
    let frame = match verb {
        b"MSG" => return message(bytes, rest, verb.len(), after, false),
        b"HMSG" => return message(bytes, rest, verb.len(), after, true),
        b"PING" => Frame::Ping,
        b"PONG" => Frame::Pong,
        b"+OK" => Frame::Ok,
        b"-ERR" => Frame::Error(argument()),
        b"INFO" => Frame::Info(argument()),
        _ => return Err(Malformed),
    };
    Ok(Some((frame, after)))
}

/// Parses a message whose control line has `words` at byte `at`, and whose control line ends before byte `after`.
fn message(
    bytes: &[u8],
    words: &[u8],
    at: usize,
    after: usize,
    with_headers: bool,
) -> Result<Option<(Frame, usize)>, Malformed> {
    let mut found: [Range<usize>; 5] = Default::default();
    let (mut count, mut from) = (0, None);
    for (place, byte) in words.iter().chain(b" ").enumerate() {
        match (byte.is_ascii_whitespace(), from) {
            (false, None) => from = Some(place),
            (true, Some(start)) => {
                *found.get_mut(count).ok_or(Malformed)? = at + start..at + place;
                count += 1;
                from = None;
            }
            _ => {}
        }
    }
    let sizes = if with_headers { 2 } else { 1 };
    let [subject, _sid, third, ..] = &found;
    let (reply, first_size) = match count.checked_sub(2 + sizes) {
        Some(0) => (0..0, 2),
        Some(1) => (third.clone(), 3),
        _ => return Err(Malformed),
    };
    let number = |place: usize| {
        let digits = found.get(place).and_then(|word| bytes.get(word.clone()));
        digits.and_then(number).filter(|size| *size <= LARGEST_MESSAGE).ok_or(Malformed)
    };
    let (headers, total) =
        if with_headers { (number(first_size)?, number(first_size + 1)?) } else { (0, number(first_size)?) };
    if headers > total {
        return Err(Malformed);
    }
    let end = after + total;
    match bytes.get(end..end + 2) {
        None => return Ok(None),
        Some(b"\r\n") => {}
        Some(_) => return Err(Malformed),
    }
    let frame = Frame::Message(MessageAt {
        subject: subject.clone(),
        reply,
        headers: after..after + headers,
        payload: after + headers..end,
    });
    Ok(Some((frame, end + 2)))
}

fn number(digits: &[u8]) -> Option<usize> {
    if digits.is_empty() || digits.len() > 9 {
        return None;
    }
    digits
        .iter()
        .try_fold(0, |number, digit| digit.is_ascii_digit().then(|| number * 10 + usize::from(digit - b'0')))
}

/// Appends a number in decimal digits.
pub fn push_number(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0; 20];
    let mut first = digits.len();
    loop {
        first -= 1;
        // A remainder of ten is a single digit.
        digits[first] = b'0' + u8::try_from(number % 10).unwrap_or_default();
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[first..]);
}

/// Appends a message; `reply` appends its reply subject. `headers` is empty where there are none; otherwise it ends
/// with the empty line.
pub fn push_message(
    out: &mut Vec<u8>,
    subject: &str,
    reply: impl FnOnce(&mut Vec<u8>),
    headers: &[u8],
    payload: &[u8],
) {
    out.extend_from_slice(if headers.is_empty() { b"PUB " } else { b"HPUB " });
    out.extend_from_slice(subject.as_bytes());
    out.push(b' ');
    let before = out.len();
    reply(out);
    if out.len() > before {
        out.push(b' ');
    }
    if !headers.is_empty() {
        push_number(out, crate::num::count(headers.len()));
        out.push(b' ');
    }
    push_number(out, crate::num::count(headers.len() + payload.len()));
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(headers);
    out.extend_from_slice(payload);
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn whole(bytes: &[u8]) -> (Frame, usize) {
        next(bytes).expect("the protocol").expect("whole")
    }

    fn read(bytes: &[u8]) -> Message<'_> {
        let (frame, length) = whole(bytes);
        assert_eq!(length, bytes.len());
        match frame {
            Frame::Message(at) => at.of(bytes),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn frames_are_read_with_what_belongs_to_them() {
        let plain = read(b"MSG a.b 1 5\r\nhello\r\n");
        assert_eq!((plain.subject, plain.reply, plain.payload), ("a.b", "", &b"hello"[..]));
        assert_eq!((plain.status(), plain.description(), plain.has_headers()), (None, "", false));
        let reply = read(b"MSG a.b 1  re.ply 0\r\n\r\n");
        assert_eq!((reply.subject, reply.reply, reply.payload), ("a.b", "re.ply", &b""[..]));
        let status = read(b"HMSG a 1 30 30\r\nNATS/1.0 503 No Responders\r\n\r\n\r\n");
        assert_eq!((status.status(), status.description()), (Some(503), "No Responders"));
        assert_eq!((status.has_headers(), status.payload), (false, &b""[..]));
        let headers =
            read(b"HMSG a 1 r 51 53\r\nNATS/1.0 408 x y\r\nNats-Pending-Messages: 12\r\nB:\r\n\r\nhi\r\n");
        assert_eq!((headers.status(), headers.description()), (Some(408), "x y"));
        assert_eq!((headers.header("nats-pending-messages"), headers.header("B")), (Some("12"), Some("")));
        assert_eq!((headers.header("C"), headers.reply, headers.payload), (None, "r", &b"hi"[..]));
        assert_eq!(whole(b"PING\r\nPONG\r\n"), (Frame::Ping, 6));
        assert_eq!(whole(b"-ERR 'no'\r\n"), (Frame::Error(5..9), 11));
        assert_eq!(whole(b"INFO {}\r\n"), (Frame::Info(5..7), 9));
        assert_eq!(whole(b"INFO\r\n"), (Frame::Info(5..5), 6));
    }

    #[test]
    fn what_is_not_the_protocol_is_refused() {
        for bad in [
            &b"HTTP/1.1 400 Bad Request\r\n"[..],
            b"\r\n",
            b"MSG a 1\r\n",
            b"MSG a 1 x\r\n\r\n",
            b"MSG a 1 r 2 3\r\nhello\r\n",
            b"MSG a 1 2\r\nhello\r\n",
            b"MSG a 1 99999999999999999999\r\n",
            b"HMSG a 1 5\r\nhello\r\n",
            b"HMSG a 1 6 5\r\nhello\r\n",
        ] {
            assert_eq!(next(bad), Err(Malformed), "{}", String::from_utf8_lossy(bad));
        }
        assert_eq!(next(&vec![b'x'; LONGEST_LINE + 1]), Err(Malformed));
    }

    proptest! {
        #[test]
        fn nothing_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = next(&bytes);
            let _ = next(&[b"HMSG ", &bytes[..]].concat());
        }

        #[test]
        fn a_message_that_is_written_is_read_back_however_it_comes(
            subject in "[a-z]{1,9}(\\.[a-z]{1,9}){0,3}",
            reply in "([a-z]{1,9}(\\.[0-9]{1,9}){0,3})?",
            id in proptest::option::of("[a-z0-9]{1,36}"),
            payload in proptest::collection::vec(any::<u8>(), 0..300),
        ) {
            let headers = id.as_ref().map_or_else(String::new, |id| format!("NATS/1.0\r\nId: {id}\r\n\r\n"));
            let mut out = Vec::new();
            push_message(&mut out, &subject, |out| out.extend_from_slice(reply.as_bytes()), headers.as_bytes(), &payload);
            // A server sends the same words, with the subscription's number after the subject.
            let text = [b"PUB ".len(), b"HPUB ".len()][usize::from(id.is_some())] + subject.len();
            let verb: &[u8] = if id.is_some() { b"HMSG " } else { b"MSG " };
            let sent = [verb, subject.as_bytes(), b" 1", &out[text..]].concat();
            for part in 0..sent.len() {
                prop_assert_eq!(next(&sent[..part]), Ok(None));
            }
            let more = [&sent[..], b"PING\r\n"].concat();
            let (frame, length) = next(&more).unwrap().unwrap();
            prop_assert_eq!(length, sent.len());
            let Frame::Message(at) = frame else { panic!("{frame:?}") };
            let message = at.of(&more);
            prop_assert_eq!((message.subject, message.reply, message.payload), (&*subject, &*reply, &payload[..]));
            prop_assert_eq!(message.header("id"), id.as_deref());
        }

        #[test]
        fn numbers_are_written_in_decimal(number in any::<u64>()) {
            let mut out = Vec::new();
            push_number(&mut out, number);
            prop_assert_eq!(out, number.to_string().into_bytes());
        }
    }
}
