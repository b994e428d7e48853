//! The machine: its clock, its hiccups, its resources, and what it is.

pub mod clock;
