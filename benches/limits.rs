//! What the machine itself allows, to set tickgate's figures beside: a round trip through the loopback device between two
//! threads that sleep until they are woken, a write that is forced to the disk, and reading memory.

#![expect(clippy::expect_used, reason = "a bench that cannot start has nothing to measure")]

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use divan::counter::BytesCount;
use divan::{Bencher, black_box};

/// Bytes of an event, about.
const EVENT: usize = 325;
/// More than the processor's caches hold.
const MEMORY: usize = 256 << 20;

fn main() {
    divan::main();
}

/// One event there and back: two sends, two wake-ups, two receives.
#[divan::bench(sample_count = 200, sample_size = 100)]
fn loopback_round_trip(bencher: Bencher<'_, '_>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let mut near = TcpStream::connect(listener.local_addr().expect("an address")).expect("a connection");
    let (mut far, _) = listener.accept().expect("a connection");
    near.set_nodelay(true).expect("an option");
    far.set_nodelay(true).expect("an option");
    let echo = std::thread::spawn(move || {
        let mut event = [0; EVENT];
        while far.read_exact(&mut event).is_ok() && far.write_all(&event).is_ok() {}
    });
    let mut event = [7; EVENT];
    bencher.bench_local(|| {
        near.write_all(&event).expect("sent");
        near.read_exact(&mut event).expect("received");
    });
    drop(near);
    let _ = echo.join();
}

/// One event appended to a file and forced to the disk: a lower bound for a broker that syncs each event.
#[divan::bench(sample_count = 50, sample_size = 20)]
fn append_and_sync(bencher: Bencher<'_, '_>) {
    let path = std::env::temp_dir().join(format!("tickgate-limits-{}", std::process::id()));
    let mut file = File::create(&path).expect("a file");
    bencher.bench_local(|| {
        file.write_all(&[7; EVENT]).expect("written");
        file.sync_data().expect("synced");
    });
    let _ = std::fs::remove_file(path);
}

/// Reading uncached memory: a lower bound for a decoder.
#[divan::bench(sample_count = 20, sample_size = 1)]
fn read_memory(bencher: Bencher<'_, '_>) {
    let memory = vec![1_u64; MEMORY / 8];
    bencher
        .counter(BytesCount::new(MEMORY))
        .bench_local(|| black_box(&memory).iter().fold(0_u64, |sum, word| sum.wrapping_add(*word)));
}
