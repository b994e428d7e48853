//! Puts a thread to sleep until a time, with microsecond resolution, or until its producer has a report.
//!
//! The client's own waiting has millisecond resolution, and with a separate polling thread each report would wake one
//! more thread. Instead, the client signals an `eventfd` (the bell) when its queue becomes non-empty, and the
//! generator's thread polls it.

use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::ptr;

use rdkafka::bindings;
use rdkafka::producer::{BaseProducer, Producer as _, ProducerContext};
use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::time::Timespec;

use crate::plan::Ns;

/// A producer's report queue with a bell; must be dropped before the producer.
pub(super) struct Bell {
    queue: *mut bindings::rd_kafka_queue_t,
    fd: OwnedFd,
}

#[expect(unsafe_code, reason = "the pointer is librdkafka's, whose queues may be used from any thread")]
// SAFETY: librdkafka documents its API as thread-safe, and the pointer is used through `&self` by one owner at a time.
unsafe impl Send for Bell {}

impl Bell {
    /// Attaches a bell to a producer's queue.
    ///
    /// # Errors
    /// When the system provides no further file descriptor.
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

    /// Returns whether there is a report.
    pub(super) fn has_rung(&self) -> bool {
        #[expect(unsafe_code, reason = "rdkafka has no call for it")]
        // SAFETY: this value owns its reference to the queue until it is dropped.
        let waiting = unsafe { bindings::rd_kafka_queue_length(self.queue) };
        waiting > 0
    }

    /// Sleeps until the bell rings, for at most `at_most`.
    pub(super) fn wait(&self, at_most: Ns) {
        let seconds = i64::try_from(at_most / 1_000_000_000).unwrap_or(i64::MAX);
        let nanoseconds = i64::try_from(at_most % 1_000_000_000).unwrap_or(0);
        let timeout = Timespec { tv_sec: seconds, tv_nsec: nanoseconds };
        let mut fds = [PollFd::new(&self.fd, PollFlags::IN)];
        if poll(&mut fds, Some(&timeout)).is_ok_and(|ready| ready > 0) {
            // Clears the event so that it does not keep firing; its value does not matter.
            let _ = rustix::io::read(&self.fd, &mut [0; 8]);
        }
    }
}

impl Drop for Bell {
    fn drop(&mut self) {
        #[expect(unsafe_code, reason = "rdkafka has no call for it")]
        // SAFETY: this value owns its reference to the queue; afterwards nothing writes to the descriptor, which is
        // closed next.
        unsafe {
            bindings::rd_kafka_queue_io_event_enable(self.queue, -1, ptr::null(), 0);
            bindings::rd_kafka_queue_destroy(self.queue);
        }
    }
}
