//! Passes events to all observers of a run.

use crate::run::{Event, Observer};

pub(super) fn tell(observers: &mut [&mut dyn Observer], event: &Event<'_>) {
    for observer in observers {
        observer.event(event);
    }
}

pub(super) fn warn<'a>(observers: &mut [&mut dyn Observer], warnings: impl IntoIterator<Item = &'a String>) {
    for warning in warnings {
        tell(observers, &Event::Warning(warning));
    }
}
