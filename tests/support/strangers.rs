//! Clients that are not tickgate, in the brokers' plain protocols.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

fn connect(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(Duration::from_mins(1))).expect("a timeout");
    stream
}

/// The answer of a nats-server to a request without authentication.
pub fn nats_answers(address: &str) -> String {
    let mut lines = BufReader::new(connect(address));
    let mut line = String::new();
    lines.read_line(&mut line).expect("a greeting");
    assert!(line.starts_with("INFO "), "{line}");
    lines.get_mut().write_all(b"CONNECT {}\r\nPING\r\n").expect("is sent");
    line.clear();
    lines.read_line(&mut line).expect("an answer");
    // The server says yes to every command of such a client.
    if line.trim_end() == "+OK" {
        line.clear();
        lines.read_line(&mut line).expect("an answer");
    }
    line.trim_end().to_owned()
}

/// A client that knows the plain protocol of NATS and nothing of tickgate: it asks and gets answers.
pub struct NatsClient(BufReader<TcpStream>);

impl NatsClient {
    pub fn connect(address: &str) -> Self {
        let mut client = Self(BufReader::new(connect(address)));
        assert!(client.line().starts_with("INFO "));
        client.send("CONNECT {\"verbose\":false}\r\nSUB _INBOX.plain 1\r\nPING\r\n");
        assert_eq!(client.line(), "PONG");
        client
    }

    fn send(&mut self, text: &str) {
        self.0.get_mut().write_all(text.as_bytes()).expect("is sent");
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        assert!(self.0.read_line(&mut line).expect("a line") > 0, "the server closed the connection");
        line.trim_end().to_owned()
    }

    pub fn request(&mut self, subject: &str, body: &str) -> serde_json::Value {
        self.send(&format!("PUB {subject} _INBOX.plain {}\r\n{body}\r\n", body.len()));
        loop {
            let line = self.line();
            assert!(!line.starts_with("-ERR"), "{line}");
            if line == "PING" {
                self.send("PONG\r\n");
            } else if let Some(message) = line.strip_prefix("MSG ") {
                let length = message.rsplit(' ').next().expect("words").parse::<usize>().expect("a length");
                let mut payload = vec![0; length + 2];
                self.0.read_exact(&mut payload).expect("a message");
                return serde_json::from_slice(&payload[..length]).expect("JSON");
            }
        }
    }
}

/// Does a broker or controller of Kafka answer who asks it to make no topics, without having said who it is?
pub fn kafka_answers(address: &str) -> bool {
    // Length; `CreateTopics`, version 2, correlation 7, no client id; no topics, 1 s, only look.
    const REQUEST: [u8; 23] =
        [0, 0, 0, 19, 0, 19, 0, 2, 0, 0, 0, 7, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 3, 0xe8, 1];
    let mut stream = connect(address);
    stream.write_all(&REQUEST).expect("is sent");
    let mut answer = [0; 8];
    // It ends the connection of who does not begin with the handshake.
    stream.read_exact(&mut answer).is_ok_and(|()| answer[4..] == [0, 0, 0, 7])
}

/// What an HTTP server has at a path.
pub fn page(address: &str, path: &str) -> String {
    let mut stream = connect(address);
    stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()).expect("is sent");
    let mut page = Vec::new();
    stream.read_to_end(&mut page).expect("a page");
    String::from_utf8_lossy(&page).into_owned()
}
