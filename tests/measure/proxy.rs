//! The proxy does to the bytes of a connection what it was asked for, and nothing else: what is measured behind it is
//! computed from that.

#![expect(clippy::expect_used, reason = "tests")]

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::Duration;

use tickgate::host::clock::Clock;
use tickgate::num;
use tickgate::plan::Ns;

use crate::support::machine::{Hold, alone, beside_others};
use crate::support::proxy::{Direction, Proxy, Shape};

const MS: Ns = 1_000_000;

/// An echo server, and the client's end of a connection to it.
fn echo() -> (Hold, Proxy, TcpStream) {
    let machine = beside_others();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let mut client = client.expect("a client");
            client.set_nodelay(true).expect("a socket");
            std::thread::spawn(move || {
                let mut back = client.try_clone().expect("a socket");
                let _ = std::io::copy(&mut client, &mut back);
                let _ = back.shutdown(Shutdown::Write);
            });
        }
    });
    let proxy = Proxy::to(port);
    let client = connected(&proxy);
    (machine, proxy, client)
}

fn connected(proxy: &Proxy) -> TcpStream {
    let client = TcpStream::connect(("127.0.0.1", proxy.port())).expect("connects");
    client.set_nodelay(true).expect("a socket");
    client
}

/// How long a byte takes to the server and back, in nanoseconds: the fastest of many, which a busy machine lets through
/// at once.
fn there_and_back(client: &mut TcpStream) -> Ns {
    let clock = Clock::start();
    let times = (0..31).map(|_| {
        let sent = clock.now();
        client.write_all(b"x").expect("sent");
        client.read_exact(&mut [0]).expect("came back");
        clock.now() - sent
    });
    times.min().expect("many")
}

mod alone {
    use super::*;

    #[test]
    fn the_delay_of_a_direction_is_what_was_asked_for() {
        const DELAY: Ns = 5 * MS;
        let _alone = alone();
        let (_beside, proxy, mut client) = echo();
        for direction in [Direction::ToServer, Direction::ToClient] {
            let base = there_and_back(&mut client);
            proxy.shape(direction, Shape { delay_ns: DELAY, ..Shape::default() });
            let delayed = there_and_back(&mut client);
            assert!(delayed >= DELAY, "{delayed} ns");
            assert!(delayed.abs_diff(base + DELAY) < DELAY / 10, "{base} and {delayed} ns");
            proxy.shape(direction, Shape { delay_ns: DELAY, only: Some(1), ..Shape::default() });
            let other = there_and_back(&mut client);
            assert!(other.abs_diff(base) < DELAY / 10, "{base} and {other} ns");
            proxy.shape(direction, Shape::default());
        }
    }
}

#[test]
fn whatever_happens_on_the_way_the_bytes_arrive_whole_and_in_order() {
    let (_beside, proxy, mut client) = echo();
    let sent: Vec<u8> = (0..400_000_u32).flat_map(u32::to_le_bytes).collect();
    let rough = Shape { delay_ns: MS, jitter_ns: 3 * MS, bytes_a_second: 16 << 20, ..Shape::default() };
    proxy.shape(Direction::ToServer, rough);
    proxy.shape(Direction::ToClient, rough);
    let mut writer = client.try_clone().expect("a socket");
    let whole = sent.clone();
    let writing = std::thread::spawn(move || {
        for part in whole.chunks(10_000) {
            writer.write_all(part).expect("sent");
        }
        writer.shutdown(Shutdown::Write).expect("ended");
    });
    proxy.stall(&[Direction::ToServer, Direction::ToClient], Duration::from_millis(30));
    let mut came = Vec::new();
    client.read_to_end(&mut came).expect("an end, as the other side makes it");
    writing.join().expect("written");
    assert!(came == sent, "{} of {} bytes", came.len(), sent.len());
    let all = num::count(sent.len());
    assert_eq!((proxy.carried(Direction::ToServer), proxy.carried(Direction::ToClient)), (all, all));
}

#[test]
fn a_stall_holds_what_is_under_way_until_its_end() {
    let (_beside, proxy, mut client) = echo();
    let clock = Clock::start();
    proxy.shape(Direction::ToServer, Shape { delay_ns: 10 * MS, ..Shape::default() });
    client.write_all(b"x").expect("sent");
    proxy.stall(&[Direction::ToServer], Duration::from_millis(100));
    client.read_exact(&mut [0]).expect("came back");
    assert!(clock.now() >= 100 * MS);
}

#[test]
fn a_cut_ends_connections_and_lets_nobody_in_for_its_time() {
    let (_beside, proxy, mut client) = echo();
    assert!(there_and_back(&mut client) > 0);
    proxy.cut(Duration::from_secs(3));
    client.set_read_timeout(Some(Duration::from_secs(20))).expect("a socket");
    let end = client.read(&mut [0]).expect_err("an end");
    assert_eq!(end.kind(), std::io::ErrorKind::ConnectionReset);
    let connect = || TcpStream::connect(("127.0.0.1", proxy.port()));
    assert_eq!(connect().expect_err("refused").kind(), std::io::ErrorKind::ConnectionRefused);
    while connect().is_err() {
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(there_and_back(&mut connected(&proxy)) > 0);
}

#[test]
fn a_half_open_connection_says_nothing_and_does_not_end() {
    let (_beside, proxy, mut client) = echo();
    assert!(there_and_back(&mut client) > 0);
    for direction in [Direction::ToServer, Direction::ToClient] {
        proxy.shape(direction, Shape { vanish: true, ..Shape::default() });
    }
    for mut client in [client, connected(&proxy)] {
        client.write_all(b"x").expect("taken");
        client.set_read_timeout(Some(Duration::from_millis(100))).expect("a socket");
        let silence = client.read(&mut [0]).expect_err("neither bytes nor an end");
        assert_eq!(silence.kind(), std::io::ErrorKind::WouldBlock);
    }
}
