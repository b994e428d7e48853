//! The program by its command line, as people and CI systems run it, and other programs that read what it wrote.
//!
//! [`support::program`] runs a few at a time, each in a folder of its own.

mod bad_input;
mod ci_docs;
mod cli;
mod compare_command;
mod example;
mod gate;
mod interruption;
mod peers;
mod readiness;
mod report_browser;
mod report_command;
mod report_readback;
mod safety;
mod saturation;
mod session;
#[path = "../support/mod.rs"]
mod support;
mod target;
mod verdicts;
