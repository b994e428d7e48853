//! tickgate: load testing and SLO verification for event buses.
//!
//! The modules make one sentence, and each names only modules to its left:
//! a *plan* over a *topology* drives a synthetic *market* as *load*; what comes back is *measured* into a
//! *record*, judged by a *verdict* and shown in a *report* (all pure); the *host*,
//! the *archive*, *profiles*, *brokers* and *buses* are the outside world, and *run* and *cli* put it together.

pub mod num;

pub mod plan;
pub mod topology;
pub mod market;
pub mod load;
pub mod measure;
pub mod record;
pub mod verdict;
pub mod report;

pub mod host;
pub mod archive;
pub mod profile;
pub mod broker;
pub mod bus;
pub mod run;
pub mod cli;
