//! How fast the machine is now, by three short measurements: equal facts do not make equal machines.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::baseline::Probes;
use crate::num;
use crate::stats;

/// Samples of the computation, each this long.
const SAMPLES: usize = 7;
const SAMPLE: Duration = Duration::from_millis(80);
/// Round trips over loopback.
const TRIPS: usize = 3000;
/// Writes that are synchronised.
const WRITES: usize = 40;
/// Bytes of each, and of a computation.
const BLOCK: usize = 4096;

/// Measures computation, loopback and the disk under a folder, in about two seconds.
///
/// # Errors
/// When a socket or a file cannot be used.
pub fn measure(folder: &Path) -> io::Result<Probes> {
    Ok(Probes { compute_per_s: compute(), loopback_ns: loopback()?, sync_ns: synchronised(folder)? })
}

/// Hashes of a block a second, the median of samples.
fn compute() -> f64 {
    let block = [7_u8; BLOCK];
    let mut seed = 1;
    let mut sample = || {
        let began = Instant::now();
        let mut done = 0_u64;
        while began.elapsed() < SAMPLE {
            for _ in 0..100 {
                seed = xxh3_64_with_seed(&block, seed);
            }
            done += 100;
        }
        num::f64_of(done) / began.elapsed().as_secs_f64()
    };
    let samples: Vec<f64> = (0..SAMPLES).map(|_| sample()).collect();
    // The seed depends on every hash, so that none is left out.
    if seed == 0 { 0.0 } else { stats::median(&samples).unwrap_or(0.0) }
}

/// The median round trip of a byte between two threads.
fn loopback() -> io::Result<f64> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let mut near = TcpStream::connect(listener.local_addr()?)?;
    let (mut far, _) = listener.accept()?;
    for stream in [&near, &far] {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    }
    let echo = std::thread::Builder::new().name("probe".into()).spawn(move || {
        let mut byte = [0];
        while far.read_exact(&mut byte).is_ok() && far.write_all(&byte).is_ok() {}
    })?;
    let mut trip = || -> io::Result<f64> {
        let began = Instant::now();
        near.write_all(&[1])?;
        near.read_exact(&mut [0])?;
        Ok(num::f64_of(num::nanoseconds(began.elapsed())))
    };
    let trips: io::Result<Vec<f64>> = (0..TRIPS).map(|_| trip()).collect();
    drop(near);
    // A thread that has panicked has closed its stream, and the trips say so.
    let _ = echo.join();
    Ok(stats::median(&trips?).unwrap_or(0.0))
}

/// The median time of a write that is on the disk when it returns.
fn synchronised(folder: &Path) -> io::Result<f64> {
    let path = folder.join(format!(".tickgate-probe-{}", std::process::id()));
    let mut file = File::create_new(&path)?;
    let mut write = || -> io::Result<f64> {
        let began = Instant::now();
        file.write_all(&[7; BLOCK])?;
        file.sync_data()?;
        Ok(num::f64_of(num::nanoseconds(began.elapsed())))
    };
    let writes: io::Result<Vec<f64>> = (0..WRITES).map(|_| write()).collect();
    fs::remove_file(&path)?;
    Ok(stats::median(&writes?).unwrap_or(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_probe_has_a_figure_and_nothing_is_left_behind() {
        let folder = tempfile::tempdir().unwrap();
        let probes = measure(folder.path()).unwrap();
        assert!(probes.compute_per_s > 0.0 && probes.loopback_ns > 0.0 && probes.sync_ns > 0.0, "{probes:?}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        assert!(measure(&folder.path().join("missing")).is_err());
    }
}
