//! Subjects, patterns over them, who receives what, and what is wrong with it; knows nothing of any broker.

pub mod adr;
mod draw;
pub mod kafka;
mod lint;
mod pattern;
mod route;

pub use draw::draw;
pub use lint::{Finding, Severity, TOPICS_MAX, lint};
pub use pattern::{Pattern, PatternError};
pub use route::{Subjects, filters, receives, subjects};
