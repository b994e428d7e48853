//! tickgate: load testing and SLO verification for event buses.
//!
//! The library behind the program `tickgate`. The names re-exported here are its public interface: read a profile, choose
//! a broker, run, read the record and its verdict, render a report, compare runs. It may change with each version until
//! 1.0; records and profiles are the stable interface.
//!
//! A run on the simulated bus, which needs no server:
//!
//! ```
//! use tickgate::{Asked, Beside, Choice, Clock, Identity, Interrupt, Order, Source, Verdict};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let shorter = ["load.warmup=0s".to_owned(), "load.duration=2s".to_owned()];
//! let plan = tickgate::read_profile(&Source::find("quick")?, &shorter)?;
//!
//! // The bus to use; `Asked::default()` uses the one of the environment, or starts a server.
//! let asked = Asked { at: Some("sim".into()), ..Asked::default() };
//! let choice = Choice::resolve(&asked, &plan, &|variable| std::env::var(variable).ok())?;
//!
//! let (identity, interrupt) = (Identity::new(), Interrupt::default());
//! let order = Order::new(&identity, Clock::start(), &interrupt);
//! let record = tickgate::run(&plan, &choice, order, None, &mut [])?;
//!
//! assert_eq!(record.verdict, Verdict::Pass);
//! assert_eq!((record.load.intended, record.load.acked), (20_000, 20_000));
//! let files = tickgate::render(&record, &Beside::default());
//! assert!(files.iter().any(|(name, _)| name == "report.html"));
//! # Ok(())
//! # }
//! ```
//!
//! # Inside
//!
//! The modules form one sentence, and each uses only modules to its left:
//! a *plan* over a *topology* drives a synthetic *market* as *load*; the deliveries are *measured* into a
//! *record*, judged (with *stats*) by a *verdict*, compared with others in a *compare*, and shown in a *report* (all
//! pure); the *host*, the *archive*, *buses*, *profiles* and *brokers* are the outside world, and *run*, *session* and *cli*
//! put it together. The *selftest* compares simulated runs with known figures.

#[cfg(not(any(target_os = "linux", pure)))]
compile_error!(
    "tickgate runs on Linux only; elsewhere, run it in a container or a virtual machine (see README.md)"
);

// The modules are not the library's interface: tests, benches and fuzzing use them. `--cfg internals` documents them.
#[cfg_attr(not(internals), doc(hidden))]
pub mod num;

#[cfg_attr(not(internals), doc(hidden))]
pub mod plan;
#[cfg_attr(not(internals), doc(hidden))]
pub mod topology;
#[cfg_attr(not(internals), doc(hidden))]
pub mod market;
#[cfg_attr(not(internals), doc(hidden))]
pub mod load;
#[cfg_attr(not(internals), doc(hidden))]
pub mod measure;
#[cfg_attr(not(internals), doc(hidden))]
pub mod record;
#[cfg_attr(not(internals), doc(hidden))]
pub mod stats;
#[cfg_attr(not(internals), doc(hidden))]
pub mod verdict;
#[cfg_attr(not(internals), doc(hidden))]
pub mod compare;
#[cfg_attr(not(internals), doc(hidden))]
pub mod capacity;
#[cfg_attr(not(internals), doc(hidden))]
pub mod baseline;
pub mod matrix;
#[cfg_attr(not(internals), doc(hidden))]
pub mod report;
#[cfg_attr(not(internals), doc(hidden))]
pub mod lint;

// `--cfg pure` builds the half above alone: nothing in it can depend on the half below, and it compiles in a second.
// Linux only: on another system the error above is the only one.
#[cfg_attr(not(internals), doc(hidden))]
#[cfg(all(target_os = "linux", not(pure)))]
pub mod host;
#[cfg_attr(not(internals), doc(hidden))]
#[cfg(all(target_os = "linux", not(pure)))]
pub mod archive;
#[cfg_attr(not(internals), doc(hidden))]
#[cfg(all(target_os = "linux", not(pure)))]
pub mod bus;
#[cfg_attr(not(internals), doc(hidden))]
#[cfg(all(target_os = "linux", not(pure)))]
pub mod profile;
#[cfg_attr(not(internals), doc(hidden))]
#[cfg(all(target_os = "linux", not(pure)))]
pub mod broker;
#[cfg_attr(not(internals), doc(hidden))]
#[cfg(all(target_os = "linux", not(pure)))]
pub mod run;
#[cfg_attr(not(internals), doc(hidden))]
#[cfg(all(target_os = "linux", not(pure)))]
pub mod session;
#[cfg_attr(not(internals), doc(hidden))]
#[cfg(all(target_os = "linux", not(pure)))]
pub mod selftest;
#[cfg_attr(not(internals), doc(hidden))]
#[cfg(all(target_os = "linux", not(pure)))]
pub mod cli;

#[cfg(all(target_os = "linux", not(pure)))]
pub use archive::read_record;
pub use compare::{Comparison, compare};
#[cfg(all(target_os = "linux", not(pure)))]
pub use host::{clock::Clock, signal::Interrupt};
pub use plan::Plan;
#[cfg(all(target_os = "linux", not(pure)))]
pub use profile::{Source, read as read_profile};
pub use record::{Record, Verdict};
pub use report::{Beside, files as render};
#[cfg(all(target_os = "linux", not(pure)))]
pub use run::{Event, Identity, Observer};
#[cfg(all(target_os = "linux", not(pure)))]
pub use session::{Asked, Choice, Order, SessionError, run};
pub use verdict::judged;

// The program whose instructions are counted (benches/instructions) is the pure half with a `main`.
#[cfg(counted)]
extern crate self as tickgate;
#[cfg(counted)]
#[path = "../benches/instructions/program.rs"]
mod program;
#[cfg(counted)]
fn main() {
    program::main();
}
