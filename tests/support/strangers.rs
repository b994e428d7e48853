//! Clients without credentials, in the brokers' plain protocols.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

fn connect(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(Duration::from_mins(1))).expect("a timeout");
    stream
}

/// What a nats-server says to who asks for something without having said who it is.
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
