//! One direction of a connection: which bytes are under way, and when each leaves. Arithmetic; the order is always kept.

use std::collections::VecDeque;

use crate::load::random_jitter;
use crate::num;
use crate::plan::Ns;

/// Bytes that travel together on a shaped link: about a packet.
const CHUNK: usize = 2048;
/// Bytes under way in one direction of a connection; beyond it the sender has to wait.
const UNDER_WAY: usize = 8 << 20;

/// How a link carries bytes; by default at once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Shape {
    /// Each chunk takes this long, without holding up the next one.
    pub delay_ns: Ns,
    /// And up to this much longer, evenly distributed; a chunk never overtakes another.
    pub jitter_ns: Ns,
    /// Bytes a second that each connection carries; 0 is unlimited.
    pub bytes_a_second: u64,
}

/// When the chunks of one direction leave.
#[derive(Debug)]
struct Times {
    seed: u64,
    lane: u64,
    chunks: u64,
    /// When the line has carried all before.
    free: Ns,
    /// When the chunk before leaves.
    last: Ns,
}

impl Times {
    /// When a chunk that came `now` leaves: after those before it, when the last of its bytes is through.
    fn leaves(&mut self, now: Ns, bytes: usize, shape: &Shape) -> Ns {
        let mut through = now;
        let work = num::count(bytes).saturating_mul(1_000_000_000);
        if let Some(takes) = work.checked_div(shape.bytes_a_second) {
            self.free = self.free.max(now).saturating_add(takes);
            through = self.free;
        }
        let jitter = random_jitter(self.seed, (self.lane, self.chunks), shape.jitter_ns);
        self.chunks += 1;
        self.last = self.last.max(through.saturating_add(shape.delay_ns).saturating_add(jitter));
        self.last
    }
}

/// One direction of a connection.
#[derive(Debug)]
pub(super) struct Lane {
    times: Times,
    bytes: VecDeque<u8>,
    /// The chunks that are not due yet, each with when it is and its length. Those before them are due.
    coming: VecDeque<(Ns, usize)>,
    /// Bytes that are due.
    due: usize,
}

impl Lane {
    /// An empty direction; its jitter follows from `seed` and `lane`.
    pub(super) const fn new(seed: u64, lane: u64) -> Self {
        let times = Times { seed, lane, chunks: 0, free: 0, last: 0 };
        Self { times, bytes: VecDeque::new(), coming: VecDeque::new(), due: 0 }
    }

    /// Takes bytes that came now.
    pub(super) fn take(&mut self, now: Ns, bytes: &[u8], shape: &Shape) {
        let at_a_time = if *shape == Shape::default() { bytes.len().max(1) } else { CHUNK };
        for chunk in bytes.chunks(at_a_time) {
            let at = self.times.leaves(now, chunk.len(), shape);
            self.bytes.extend(chunk);
            match self.coming.back_mut().filter(|(last, _)| *last == at) {
                Some((_, length)) => *length += chunk.len(),
                None => self.coming.push_back((at, chunk.len())),
            }
        }
    }

    /// Has the sender to wait?
    pub(super) fn is_full(&self) -> bool {
        self.bytes.len() >= UNDER_WAY
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Makes the chunks due whose time has come.
    pub(super) fn release(&mut self, now: Ns) {
        while let Some((_, length)) = self.coming.pop_front_if(|(at, _)| *at <= now) {
            self.due += length;
        }
    }

    /// The first bytes that are due, in one piece; empty only if none is.
    pub(super) fn ready(&self) -> &[u8] {
        let (first, _) = self.bytes.as_slices();
        first.get(..self.due).unwrap_or(first)
    }

    /// Forgets that many of the bytes that are due: they have left.
    pub(super) fn sent(&mut self, bytes: usize) {
        let sent = bytes.min(self.due);
        self.due -= sent;
        self.bytes.drain(..sent);
    }

    /// When the next chunk is due that is not yet.
    pub(super) fn next(&self) -> Option<Ns> {
        self.coming.front().map(|(at, _)| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Ns = 1_000_000;

    fn times() -> Times {
        Lane::new(7, 1).times
    }

    #[test]
    fn a_delay_is_exact_and_holds_up_nobody() {
        let shape = Shape { delay_ns: 20 * MS, ..Shape::default() };
        let mut lane = times();
        let left: Vec<_> = (0..100).map(|at| lane.leaves(at * 1000, CHUNK, &shape)).collect();
        assert_eq!(left, (0..100).map(|at| at * 1000 + 20 * MS).collect::<Vec<_>>());
        // Once it is shorter, later chunks still leave after earlier ones.
        assert_eq!(lane.leaves(MS, 1, &Shape::default()), 99_000 + 20 * MS);
    }

    #[test]
    fn jitter_is_even_and_keeps_the_order() {
        let shape = Shape { jitter_ns: 40 * MS, ..Shape::default() };
        let mut lane = times();
        // So far apart that none waits for another.
        let mut waits: Vec<_> =
            (0..10_000).map(|k| lane.leaves(k * 50 * MS, 1, &shape) - k * 50 * MS).collect();
        waits.sort_unstable();
        for (tenths, at) in (1..10).zip((1000..).step_by(1000)) {
            assert!(waits[at].abs_diff(tenths * 4 * MS) < MS, "{tenths} tenths: {} ns", waits[at]);
        }
        let close: Vec<_> = (0..1000).map(|k| lane.leaves(600_000 * MS + k, 1, &shape)).collect();
        assert!(close.is_sorted());
        let first = |seed, lane| Lane::new(seed, lane).times.leaves(0, 1, &shape);
        assert_eq!(first(7, 1), first(7, 1), "a seed repeats");
        assert!(first(7, 1) != first(8, 1) && first(7, 1) != first(7, 2));
    }

    #[test]
    fn a_throttled_lane_is_a_queue() {
        let shape = Shape { bytes_a_second: 1_000_000, delay_ns: MS, ..Shape::default() };
        let mut lane = times();
        // Two milliseconds of bytes each millisecond: the k-th waits for k milliseconds of them.
        for k in 0..100 {
            assert_eq!(lane.leaves(k * MS, 2000, &shape), k * MS + (k + 2) * MS + MS);
        }
        assert_eq!(lane.leaves(1000 * MS, 1000, &shape), 1002 * MS, "and idle once it is empty");
    }

    #[test]
    fn no_shape_overflows() {
        let most = Shape { delay_ns: Ns::MAX, jitter_ns: Ns::MAX, bytes_a_second: 1 };
        let mut lane = times();
        assert_eq!([lane.leaves(5, usize::MAX, &most), lane.leaves(Ns::MAX, 1, &most)], [Ns::MAX; 2]);
    }

    #[test]
    fn bytes_leave_whole_and_in_order_when_they_are_due() {
        let slow = Shape { bytes_a_second: 1_000_000, ..Shape::default() };
        let sent: Vec<u8> = (0..10_000_u32).map(|n| num::low8(n.into())).collect();
        let mut lane = Lane::new(1, 1);
        lane.take(0, &sent[..5000], &slow);
        lane.take(0, &sent[5000..], &Shape::default());
        assert_eq!((lane.next(), lane.ready()), (Some(2_048_000), &[][..]));
        lane.release(2_047_999);
        assert!(lane.ready().is_empty() && !lane.is_empty());
        let mut came = Vec::new();
        for now in [2_048_000, 4_096_000, 5_000_000] {
            lane.release(now);
            while !lane.ready().is_empty() {
                let some = lane.ready().len().min(777);
                came.extend_from_slice(&lane.ready()[..some]);
                lane.sent(some);
            }
            let due = usize::try_from(now / 1000).unwrap();
            assert_eq!(came.len(), if now == 5_000_000 { 10_000 } else { due }, "the rest is not overtaken");
        }
        assert!(came == sent && lane.is_empty() && lane.next().is_none());
        lane.take(9, &vec![0; UNDER_WAY], &Shape::default());
        assert!(lane.is_full());
    }
}
