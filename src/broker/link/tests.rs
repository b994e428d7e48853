//! A proxy on loopback does to bytes what it was asked for, and nothing else. Times are lower bounds only.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use super::*;
use crate::plan::Proxied;

const MS: u64 = 1_000_000;

/// A server that sends back what it gets, on a port of its own.
fn echo() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let mut client = client.unwrap();
            std::thread::spawn(move || {
                let mut back = client.try_clone().unwrap();
                let _ = io::copy(&mut client, &mut back);
                let _ = back.shutdown(Shutdown::Write);
            });
        }
    });
    port
}

fn connected(port: u16) -> TcpStream {
    let client = TcpStream::connect(("127.0.0.1", port)).unwrap();
    client.set_nodelay(true).unwrap();
    client.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
    client
}

/// What was sent comes back.
fn answers(client: &mut TcpStream, sent: &[u8]) {
    client.write_all(sent).unwrap();
    comes(client, sent);
}

fn comes(client: &mut TcpStream, expected: &[u8]) {
    let mut came = vec![0; expected.len()];
    client.read_exact(&mut came).unwrap();
    assert!(came == expected, "other bytes came back");
}

/// Neither bytes nor an end come.
fn is_silent(client: &mut TcpStream) {
    client.set_read_timeout(Some(Duration::from_millis(60))).unwrap();
    let silence = client.read(&mut [0]).unwrap_err();
    assert_eq!(silence.kind(), ErrorKind::WouldBlock);
    client.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
}

/// Sets both directions.
fn set(proxy: &Proxy, flow: Flow) {
    proxy.set(Direction::ToServer, flow).unwrap();
    proxy.set(Direction::ToClient, flow).unwrap();
}

fn shaped(delay_ms: u64, jitter_ms: u64, bytes_a_second: u64) -> Flow {
    Flow::Shaped(Shape { delay_ns: delay_ms * MS, jitter_ns: jitter_ms * MS, bytes_a_second })
}

/// Sends all, ends, and returns what comes until the other end.
fn there_and_back(port: u16, sent: &[u8]) -> Vec<u8> {
    let mut client = connected(port);
    let (mut writer, whole) = (client.try_clone().unwrap(), sent.to_vec());
    let writing = std::thread::spawn(move || {
        for part in whole.chunks(10_000) {
            writer.write_all(part).unwrap();
        }
        writer.shutdown(Shutdown::Write).unwrap();
    });
    let mut came = Vec::new();
    client.read_to_end(&mut came).unwrap();
    writing.join().unwrap();
    came
}

#[test]
fn bytes_and_ends_arrive_whole_and_in_order_whatever_the_shape() {
    let proxy = Proxy::start(echo(), 1).unwrap();
    let sent: Vec<u8> = (0..200_000_u32).flat_map(u32::to_le_bytes).collect();
    for flow in [Flow::Open, shaped(1, 3, 16 << 20), Flow::Open] {
        set(&proxy, flow);
        assert!(there_and_back(proxy.port(), &sent) == sent, "{flow:?}");
    }
    let all = u64::try_from(sent.len()).unwrap();
    assert_eq!(proxy.carried(Direction::ToServer), all);
    assert_eq!(proxy.carried(Direction::ToClient), all);
}

#[test]
fn a_cut_resets_connections_and_refuses_new_ones_until_it_is_open_again() {
    let proxy = Proxy::start(echo(), 1).unwrap();
    for direction in [Direction::ToServer, Direction::ToClient] {
        let mut clients = [connected(proxy.port()), connected(proxy.port())];
        for client in &mut clients {
            answers(client, b"x");
        }
        // That of the round before may be about to end.
        while proxy.connections() > 2 {
            std::thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(proxy.connections(), 2);
        proxy.set(direction, Flow::Cut).unwrap();
        assert_eq!(proxy.connections(), 0);
        for mut client in clients {
            assert_eq!(client.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
        }
        let refused = TcpStream::connect(("127.0.0.1", proxy.port())).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        proxy.set(direction, Flow::Open).unwrap();
        answers(&mut connected(proxy.port()), b"back");
    }
}

#[test]
fn in_a_hole_nothing_passes_and_nothing_ends_and_all_of_it_arrives_afterwards() {
    let proxy = Proxy::start(echo(), 1).unwrap();
    let mut old = connected(proxy.port());
    answers(&mut old, b"before");
    set(&proxy, Flow::Hole);
    // The kernel completes it.
    let mut new = connected(proxy.port());
    for client in [&mut old, &mut new] {
        client.write_all(b"meanwhile").unwrap();
        is_silent(client);
    }
    let mut ended = connected(proxy.port());
    ended.write_all(b"and ended").unwrap();
    ended.shutdown(Shutdown::Write).unwrap();
    is_silent(&mut ended);
    assert_eq!(proxy.connections(), 1, "the new ones go nowhere");
    set(&proxy, Flow::Open);
    for client in [&mut old, &mut new] {
        comes(client, b"meanwhile");
        answers(client, b"after");
    }
    let mut came = String::new();
    ended.read_to_string(&mut came).unwrap();
    assert_eq!(came, "and ended");
}

#[test]
fn a_hole_of_one_direction_holds_only_what_goes_there() {
    let port = echo();
    for (direction, arrives) in [(Direction::ToServer, 0), (Direction::ToClient, 5)] {
        let proxy = Proxy::start(port, 1).unwrap();
        let mut client = connected(proxy.port());
        answers(&mut client, b"x");
        proxy.set(direction, Flow::Hole).unwrap();
        client.write_all(b"there").unwrap();
        is_silent(&mut client);
        assert_eq!(proxy.carried(Direction::ToServer), 1 + arrives);
        assert_eq!(proxy.carried(Direction::ToClient), 1);
        proxy.set(direction, Flow::Open).unwrap();
        comes(&mut client, b"there");
    }
}

#[test]
fn a_delay_is_the_least_that_a_direction_takes() {
    let proxy = Proxy::start(echo(), 1).unwrap();
    let mut client = connected(proxy.port());
    set(&proxy, shaped(20, 0, 0));
    for _ in 0..3 {
        let since = Instant::now();
        answers(&mut client, b"x");
        assert!(since.elapsed() >= Duration::from_millis(40), "{:?}", since.elapsed());
    }
    proxy.set_only(1, Direction::ToServer, Flow::Hole).unwrap();
    proxy.set(Direction::ToClient, Flow::Open).unwrap();
    answers(&mut client, b"the other one is held");
    let mut other = connected(proxy.port());
    other.write_all(b"x").unwrap();
    is_silent(&mut other);
}

#[test]
fn a_rate_is_the_most_that_a_direction_carries() {
    let proxy = Proxy::start(echo(), 1).unwrap();
    proxy.set(Direction::ToServer, shaped(0, 0, 1_000_000)).unwrap();
    let since = Instant::now();
    let sent = vec![7; 200_000];
    assert!(there_and_back(proxy.port(), &sent) == sent);
    assert!(since.elapsed() >= Duration::from_millis(200), "{:?}", since.elapsed());
}

#[test]
fn without_a_server_a_client_sees_its_connection_end() {
    let [nobody] = free_ports(None).unwrap();
    let proxy = Proxy::start(nobody, 1).unwrap();
    let mut client = connected(proxy.port());
    let end = client.read(&mut [0]);
    assert!(matches!(&end, Err(error) if error.kind() == ErrorKind::ConnectionReset), "{end:?}");
}

#[test]
fn a_proxy_that_is_dropped_ends_its_connections_and_gives_its_port_back() {
    let proxy = Proxy::start(echo(), 1).unwrap();
    let mut client = connected(proxy.port());
    answers(&mut client, b"x");
    set(&proxy, Flow::Hole);
    let port = proxy.port();
    drop(proxy);
    assert!(matches!(client.read(&mut [0]), Ok(0) | Err(_)));
    TcpListener::bind(("127.0.0.1", port)).unwrap();
}

#[test]
fn a_link_is_what_is_between_two_ends_whoever_has_connected() {
    let servers = [echo(), echo(), echo()];
    let proxied = Proxied { nodes: true, clients: true };
    let links = Links::lay(proxied, 1, &servers, &servers).unwrap().unwrap();
    let mut all: Vec<((usize, usize), TcpStream)> = Vec::new();
    for (from, to) in [(0, 1), (1, 0), (0, 2), (2, 1)] {
        all.push(((from, to), connected(links.route(from, to).unwrap())));
    }
    for (_, line) in &mut all {
        answers(line, b"x");
    }
    // From 0 to 1: what 0 sends on its own connection, and what the server of 0 sends back on that of 1.
    links.set(End::Node(0), End::Node(1), Flow::Hole).unwrap();
    for ((from, to), line) in &mut all {
        line.write_all(b"held").unwrap();
        if *from + *to == 1 {
            is_silent(line);
        } else {
            comes(line, b"held");
        }
    }
    let carried = |from: usize, to: usize| {
        let proxy = links.between(from, to).unwrap();
        [proxy.carried(Direction::ToServer), proxy.carried(Direction::ToClient)]
    };
    assert_eq!((carried(0, 1), carried(1, 0)), ([1, 1], [5, 1]));
    let mut client = connected(links.entrance(2).unwrap());
    answers(&mut client, b"x");
    links.set(End::Node(2), End::Clients, Flow::Hole).unwrap();
    client.write_all(b"x").unwrap();
    is_silent(&mut client);
    assert!(links.set(End::Clients, End::Clients, Flow::Cut).is_err());
    assert!(links.set(End::Node(0), End::Node(3), Flow::Cut).is_err());
    assert_eq!(links.in_words(), "proxied, 6 between the nodes, 3 of clients");
}

#[test]
fn there_are_proxies_for_what_is_asked_for_only() {
    let lay = |nodes, clients| Links::lay(Proxied { nodes, clients }, 1, &[1, 2, 3], &[4, 5, 6]).unwrap();
    assert!(lay(false, false).is_none());
    let routes = lay(true, false).unwrap();
    assert_eq!((routes.in_words().as_str(), routes.entrance(0)), ("proxied, 6 between the nodes", None));
    let clients = lay(false, true).unwrap();
    assert_eq!((clients.in_words().as_str(), clients.route(0, 1)), ("proxied, 3 of clients", None));
    assert!(clients.entrance(2).is_some() && clients.entrance(3).is_none());
    let alone = Links::lay(Proxied { nodes: true, clients: false }, 1, &[1], &[]).unwrap();
    assert!(alone.is_none(), "a single server has no peers");
}
