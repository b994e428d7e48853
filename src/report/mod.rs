//! Renderers: a record in, text out; they read nothing else and write nowhere.

pub mod progress;
pub mod show;
pub mod terminal;
