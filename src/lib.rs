//! tickgate: load testing and SLO verification for event buses.
//!
//! The modules make one sentence, and each names only modules to its left:
//! a *plan* over a *topology* drives a synthetic *market* as *load*; what comes back is *measured* into a
//! *record*, judged (with *stats*) by a *verdict*, held against others in a *compare*, and shown in a *report* (all
//! pure); the *host*, the *archive*, *buses*, *profiles* and *brokers* are the outside world, and *run*, *session* and *cli*
//! put it together. The *selftest* holds simulated runs to figures that are known.

pub mod num;

pub mod plan;
pub mod topology;
pub mod market;
pub mod load;
pub mod measure;
pub mod record;
pub mod stats;
pub mod verdict;
pub mod compare;
pub mod report;

// `--cfg pure` builds the half above alone: nothing in it can lean on the half below, and it compiles in a second.
#[cfg(not(pure))]
pub mod host;
#[cfg(not(pure))]
pub mod archive;
#[cfg(not(pure))]
pub mod bus;
#[cfg(not(pure))]
pub mod profile;
#[cfg(not(pure))]
pub mod broker;
#[cfg(not(pure))]
pub mod run;
#[cfg(not(pure))]
pub mod session;
#[cfg(not(pure))]
pub mod selftest;
#[cfg(not(pure))]
pub mod cli;
