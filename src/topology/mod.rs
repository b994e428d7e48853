//! Subjects, patterns over them, the receivers of each topic, and checks; independent of any broker.

pub mod adr;
mod dead_letters;
mod draw;
mod lint;
mod naming;
mod pattern;
mod route;
mod subscriptions;

pub use dead_letters::{dead_letter_topic, is_of_dead_letters};
pub use draw::draw;
pub use lint::{Finding, Severity, TOPICS_MAX, lint};
pub use naming::{Naming, OWN, lies_below, name_part, own_name};
pub use pattern::{Pattern, PatternError};
pub use route::{Subjects, filters, receives, subject, subjects};
pub use subscriptions::{SubscriptionError, Subscriptions, TopicSet};
