use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::Sender;

use super::*;
use crate::bus::Mark;
use crate::bus::marks::Marks;
use crate::bus::nats::Target;

const GREETING: &[u8] = b"INFO {\"version\":\"2.15.1\",\"max_payload\":1024}\r\n";

/// Accepts a client; returns the socket and a reader of what follows the handshake.
fn let_in(listener: &TcpListener) -> (TcpStream, BufReader<TcpStream>) {
    let (mut stream, _) = listener.accept().expect("a client");
    stream.write_all(GREETING).expect("written");
    let mut lines = BufReader::new(stream.try_clone().expect("a socket"));
    for begins in ["CONNECT ", "PING"] {
        let mut line = String::new();
        lines.read_line(&mut line).expect("a line");
        assert!(line.starts_with(begins), "{line}");
    }
    stream.write_all(b"PONG\r\n").expect("written");
    (stream, lines)
}

/// How a server serves one client, and what it sends to the test.
type Way = fn(TcpStream, BufReader<TcpStream>, &Sender<String>);

/// Starts a server that serves one client after the other, each in its own way.
fn server(ways: Vec<Way>) -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("nats://{}", listener.local_addr().expect("an address"));
    let (tell, heard_by_server) = channel();
    std::thread::spawn(move || {
        for way in ways {
            let (stream, lines) = let_in(&listener);
            way(stream, lines, &tell);
        }
    });
    (url, heard_by_server)
}

fn open(url: &str, marks: &Marks) -> Conn {
    let dialer = Dialer::new(Target::parse(url).expect("a URL")).expect("a dialer");
    Conn::open(Arc::new(dialer), marks.of("test".into()), Clock::start(), "in.>", None).expect("let in")
}

/// Collects payloads until there are at least `count`.
fn take(conn: &mut Conn, count: usize) -> Vec<Vec<u8>> {
    let mut taken = Vec::new();
    while taken.len() < count {
        while let Some(at) = conn.next() {
            taken.push(conn.message(&at).payload.to_vec());
        }
        conn.wait(conn.clock.now() + 1_000_000_000);
    }
    taken
}

fn kinds(marks: &Marks) -> Vec<Mark> {
    let mut all = Vec::new();
    marks.take(&mut all);
    all
}

fn line(lines: &mut BufReader<TcpStream>) -> String {
    let mut line = String::new();
    lines.read_line(&mut line).expect("a line");
    line.trim_end().to_owned()
}

#[test]
fn it_listens_answers_pings_and_marks_what_the_server_says() {
    let (url, heard_by_server) = server(vec![|mut stream, mut lines, tell| {
        tell.send(line(&mut lines)).expect("heard");
        let said = b"PING\r\n-ERR 'Stale Connection'\r\nINFO {\"ldm\":true}\r\nMSG in.a 1 2\r\nhi\r\n+OK\r\n";
        // In pieces, as a network may deliver it.
        for piece in said.chunks(7) {
            stream.write_all(piece).expect("written");
            std::thread::sleep(Duration::from_millis(1));
        }
        tell.send(line(&mut lines)).expect("heard");
        tell.send(line(&mut lines)).expect("heard");
        tell.send(line(&mut lines)).expect("heard");
    }]);
    let marks = Marks::new(Clock::start());
    let mut conn = open(&url, &marks);
    assert_eq!((conn.connects(), conn.max_payload(), conn.takes()), (1, 1024, true));
    assert_eq!(take(&mut conn, 1), [b"hi"]);
    assert_eq!(conn.send("out", |out| out.extend_from_slice(b"re"), b"", b"yes"), 1);
    conn.flush();
    assert_eq!((conn.written(), conn.gone()), (1, 0));
    let heard: Vec<_> = (0..4).map(|_| heard_by_server.recv().expect("told")).collect();
    assert_eq!(heard, ["SUB in.> 1", "PONG", "PUB out re 3", "yes"]);
    let details: Vec<_> = kinds(&marks).into_iter().map(|mark| (mark.kind, mark.detail)).collect();
    assert_eq!(details[0], ("server-error", "test: Stale Connection".to_owned()));
    assert_eq!(details[1].0, "lame-duck");
}

#[test]
fn what_was_given_to_a_connection_goes_with_it_and_another_one_is_made() {
    let (url, _told) = server(vec![
        |mut stream, _, _| {
            stream.write_all(b"MSG in.a 1 1\r\n1\r\nMSG in.a 1 9\r\nhal").expect("written");
        },
        |mut stream, _, _| stream.write_all(b"HTTP/1.1 200 OK\r\n").expect("written"),
        |mut stream, mut lines, _| {
            stream.write_all(b"MSG in.a 1 1\r\n2\r\n").expect("written");
            while lines.read_line(&mut String::new()).is_ok_and(|read| read > 0) {}
        },
    ]);
    let marks = Marks::new(Clock::start());
    let mut conn = open(&url, &marks);
    conn.send("out", |_| {}, b"", b"lost");
    assert_eq!(take(&mut conn, 2), [b"1", b"2"], "half a message is none");
    assert_eq!((conn.connects(), conn.is_up()), (3, true));
    assert_eq!((conn.written(), conn.gone()), (1, 1));
    conn.send("out", |_| {}, b"", b"not lost");
    assert_eq!((conn.written(), conn.gone()), (1, 1));
    let mut kinds: Vec<_> = kinds(&marks).into_iter().map(|mark| mark.kind).collect();
    assert_eq!(kinds.get(..2), Some(&["disconnected", "connected"][..]));
    // The end of the connection may be seen before the malformed bytes.
    kinds.sort_unstable();
    assert_eq!(kinds, ["client-error", "connected", "connected", "disconnected", "disconnected"]);
}

#[test]
fn a_server_that_does_not_read_takes_a_bounded_number_of_bytes() {
    let (url, heard_by_server) = server(vec![|stream, mut lines, tell| {
        std::thread::sleep(Duration::from_millis(300));
        let mut read = 0;
        while let Ok(length @ 1..) = lines.fill_buf().map(<[u8]>::len) {
            lines.consume(length);
            read += length;
            if read >= 20_000_000 && read - length < 20_000_000 {
                tell.send(String::new()).expect("heard");
            }
        }
        drop(stream);
    }]);
    let marks = Marks::new(Clock::start());
    let mut conn = open(&url, &marks);
    let payload = vec![b'x'; 1000];
    let mut sent = 0_u64;
    // Far more than the kernel buffers: at some point nothing more is accepted.
    while conn.takes() {
        sent = conn.send("out", |_| {}, b"", &payload);
        conn.flush();
    }
    assert!(conn.output.bytes.len() - conn.output.done < OUTPUT + 2000);
    let written = conn.written();
    assert!(written < sent && sent - written <= 2 * 66, "{written} of {sent}");
    // Then the server reads, and everything that waits is written.
    while conn.written() < 20_000 {
        if conn.takes() {
            conn.send("out", |_| {}, b"", &payload);
        }
        conn.wait(conn.clock.now());
    }
    heard_by_server.recv().expect("20 MB have come");
}

#[test]
fn a_message_may_be_larger_than_the_room_for_input() {
    let (url, _told) = server(vec![|mut stream, mut lines, _| {
        for size in [10, 3 << 20, 5] {
            let message = [format!("MSG in.a 1 {size}\r\n").as_bytes(), &vec![b'x'; size], b"\r\n"].concat();
            stream.write_all(&message).expect("written");
        }
        while lines.read_line(&mut String::new()).is_ok_and(|read| read > 0) {}
    }]);
    let mut conn = open(&url, &Marks::new(Clock::start()));
    let sizes: Vec<_> = take(&mut conn, 3).iter().map(Vec::len).collect();
    assert_eq!(sizes, [10, 3 << 20, 5]);
}

#[test]
fn a_server_that_lets_nobody_in_is_an_error() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("nats://{}", listener.local_addr().expect("an address"));
    std::thread::spawn(move || {
        for answer in ["-ERR 'Authorization Violation'\r\n", "-ERR 'maximum connections exceeded'\r\n", ""] {
            let (mut stream, _) = listener.accept().expect("a client");
            stream.write_all(GREETING).expect("written");
            stream.write_all(answer.as_bytes()).expect("written");
            let _ = BufReader::new(stream).read_line(&mut String::new());
        }
    });
    let dialer = Arc::new(Dialer::new(Target::parse(&url).expect("a URL")).expect("a dialer"));
    for text in
        ["authorization violation; check the user", "maximum connections exceeded", "the server closed"]
    {
        let marks = Marks::new(Clock::start());
        let error = Conn::open(Arc::clone(&dialer), marks.of("x".into()), Clock::start(), "in", None).err();
        let error = error.expect("an error").to_string();
        assert!(error.contains(text), "{error}");
    }
}
