//! The program by its command line, as users and CI systems run it, and other programs that read its files.
//!
//! [`support::program`] runs a few at a time, each in its own folder.

mod bad_input;
mod baseline;
mod campaign;
mod capacity;
mod ci_docs;
mod cli;
mod compare_command;
mod dead_letters;
mod example;
mod example_baseline;
mod full_disk;
mod gate;
mod image;
mod interruption;
mod kills;
mod lint;
mod matrix;
mod own_cluster;
mod own_consumers;
mod own_nodes;
mod own_server;
mod own_stream;
mod pause;
mod payload;
mod peers;
mod permissions;
mod power;
mod power_losses;
mod readiness;
mod refusals;
mod replays;
mod report_browser;
mod report_command;
mod report_readback;
mod safety;
mod saturation;
mod scripts;
mod session;
mod sim_members;
#[path = "../support/mod.rs"]
mod support;
mod tags;
mod target;
mod terminal;
mod verdicts;
