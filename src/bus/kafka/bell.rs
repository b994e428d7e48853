//! Lets a thread sleep until a time to the microsecond, or until its producer has a report for it.
//!
//! The client's own waiting counts in milliseconds, and on a thread of its own each report would wake one thread more.
//! So the client rings a bell (an `eventfd`) when its queue is no longer empty, and the generator's thread listens.

use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::ptr;

use rdkafka::bindings;
use rdkafka::producer::{BaseProducer, Producer as _, ProducerContext};
use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::time::Timespec;

use crate::plan::Ns;

/// The queue of a producer's reports, with a bell; to be dropped before the producer.
pub(super) struct Bell {
    queue: *mut bindings::rd_kafka_queue_t,
    fd: OwnedFd,
}

#[expect(unsafe_code, reason = "the pointer is librdkafka's, whose queues may be used from any thread")]
// SAFETY: librdkafka documents its API as thread-safe, and the pointer is used through `&self` by one owner at a time.
unsafe impl Send for Bell {}

impl Bell {
    /// Hangs a bell on a producer's queue.
    ///
    /// # Errors
    /// When the system grants no further file descriptor.
    pub(super) fn of<C: ProducerContext>(producer: &BaseProducer<C>) -> io::Result<Self> {
        const ONE: u64 = 1;
        let fd = eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?;
        #[expect(unsafe_code, reason = "rdkafka has no call for it")]
        // SAFETY: the client lives as long as the producer, which outlives this value; the payload is copied.
        let queue = unsafe {
            let queue = bindings::rd_kafka_queue_get_main(producer.client().native_ptr());
            bindings::rd_kafka_queue_io_event_enable(
                queue,
                fd.as_raw_fd(),
                ptr::from_ref(&ONE).cast(),
                size_of::<u64>(),
            );
            queue
        };
        Ok(Self { queue, fd })
    }

    /// Is there a report?
    pub(super) fn has_rung(&self) -> bool {
        #[expect(unsafe_code, reason = "rdkafka has no call for it")]
        // SAFETY: the queue is ours until it is dropped.
        let waiting = unsafe { bindings::rd_kafka_queue_length(self.queue) };
        waiting > 0
    }

    /// Sleeps until it rings, at most so long.
    pub(super) fn wait(&self, at_most: Ns) {
        let seconds = i64::try_from(at_most / 1_000_000_000).unwrap_or(i64::MAX);
        let nanoseconds = i64::try_from(at_most % 1_000_000_000).unwrap_or(0);
        let timeout = Timespec { tv_sec: seconds, tv_nsec: nanoseconds };
        let mut fds = [PollFd::new(&self.fd, PollFlags::IN)];
        if poll(&mut fds, Some(&timeout)).is_ok_and(|ready| ready > 0) {
            // It would ring on; what it says does not matter.
            let _ = rustix::io::read(&self.fd, &mut [0; 8]);
        }
    }
}

impl Drop for Bell {
    fn drop(&mut self) {
        #[expect(unsafe_code, reason = "rdkafka has no call for it")]
        // SAFETY: the queue is ours; after this nothing writes to the descriptor, which is closed next.
        unsafe {
            bindings::rd_kafka_queue_io_event_enable(self.queue, -1, ptr::null(), 0);
            bindings::rd_kafka_queue_destroy(self.queue);
        }
    }
}
