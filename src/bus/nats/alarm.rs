//! A deadline that moves with every message: the event loop's own timer is set again only when it has gone off, or is
//! wanted earlier. Setting it for each message would cost a wake-up of the loop by itself.

use std::pin::Pin;

use tokio::time::{Instant, Sleep};

/// Waits for a deadline that is usually put off.
pub(super) struct Alarm {
    sleep: Pin<Box<Sleep>>,
}

impl Alarm {
    /// An alarm that is set to `first`; to be made inside the event loop that will wait on it.
    pub(super) fn new(first: Instant) -> Self {
        Self { sleep: Box::pin(tokio::time::sleep_until(first)) }
    }

    /// Waits until `wake`. A wait that is dropped leaves the alarm as it is.
    pub(super) async fn until(&mut self, wake: Instant) {
        loop {
            if self.sleep.deadline() > wake {
                self.sleep.as_mut().reset(wake);
            }
            self.sleep.as_mut().await;
            // It went off for a deadline that was put off since.
            if Instant::now() >= wake {
                return;
            }
            self.sleep.as_mut().reset(wake);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn it_is_never_early_nor_bound_to_what_was_set_before() {
        let runtime = super::super::publisher::runtime().expect("an event loop");
        runtime.block_on(async {
            let mut alarm = Alarm::new(Instant::now() + Duration::from_hours(24));
            for millis in [5, 20, 7, 20, 0, 30] {
                let wake = Instant::now() + Duration::from_millis(millis);
                alarm.until(wake).await;
                assert!(Instant::now() >= wake, "{millis}");
            }
            // Put off many times without having gone off, as by messages that come before it.
            let mut wake = Instant::now();
            for _ in 0..20 {
                wake = Instant::now() + Duration::from_hours(24);
                tokio::select! {
                    biased;
                    () = tokio::time::sleep(Duration::from_millis(1)) => {}
                    () = alarm.until(wake) => unreachable!("too early"),
                }
            }
            assert!(alarm.sleep.deadline() <= wake, "and it is never later than asked for");
            alarm.until(Instant::now() + Duration::from_millis(3)).await;
        });
    }
}
