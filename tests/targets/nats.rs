//! What a NATS server sends.

use tickgate::bus::nats::frames::{Frame, Message, next, push_message};

/// A frame is the same whatever follows it, no part of it is one, and its ranges lie in it.
pub fn frames(bytes: &[u8]) {
    let mut rest = bytes;
    while let Ok(Some((frame, length))) = next(rest) {
        assert!((1..=rest.len()).contains(&length), "{length} of {}", rest.len());
        let (whole, more) = rest.split_at(length);
        assert_eq!(next(whole), Ok(Some((frame.clone(), length))));
        for cut in (0..length).step_by(length.div_ceil(64)) {
            assert_eq!(next(&whole[..cut]), Ok(None), "{cut} of {length} bytes");
        }
        match frame {
            Frame::Message(at) => {
                message(&at.of(whole));
                let moved = [&b"PING\r\n"[..], whole].concat();
                assert_eq!(at.clone().moved(6).of(&moved), at.of(whole));
            }
            Frame::Info(range) | Frame::Error(range) => assert!(whole.get(range).is_some()),
            Frame::Ping | Frame::Pong | Frame::Ok => {}
        }
        rest = more;
    }
}

/// What is read of a message is the same when it is written and read again.
fn message(message: &Message<'_>) {
    let _ = (message.status(), message.description(), message.header("Nats-Pending-Messages"));
    // Other bytes than those of a subject are shown as none.
    if message.subject.is_empty() || message.subject.contains(char::is_whitespace) {
        return;
    }
    let mut written = Vec::new();
    push_message(
        &mut written,
        message.subject,
        |out| out.extend(message.reply.bytes()),
        b"",
        message.payload,
    );
    let after = "PUB ".len() + message.subject.len();
    let sent = [&b"MSG "[..], message.subject.as_bytes(), b" 1", &written[after..]].concat();
    let Ok(Some((Frame::Message(at), length))) = next(&sent) else {
        panic!("{}", String::from_utf8_lossy(&sent))
    };
    let again = at.of(&sent);
    assert_eq!(length, sent.len());
    assert_eq!(
        (again.subject, again.reply, again.payload),
        (message.subject, message.reply, message.payload)
    );
}
