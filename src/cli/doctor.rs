//! `tickgate doctor`: shows which limits this machine can judge and which brokers it can start.

use std::time::Duration;

use super::args::Doctor;
use super::{Exit, Failure, environment, with_sources};
use crate::broker::{TESTED_VERSION, default_store_parent};
use crate::host::clock::Clock;
use crate::host::docker::{Docker, docker};
use crate::host::doctor::{Checkup, Gravity, advice, disk, hiccups, timer_lateness};
use crate::host::facts::Facts;
use crate::host::resources::MachineCpu;
use crate::report::show;
use crate::session::{Asked, PRODUCTS, Program};

/// The latency limit of ADR-002, which the shipped profiles use.
const LIMIT_NS: u64 = 100_000_000;

pub(super) fn run(args: &Doctor) -> Result<Exit, Failure> {
    let clock = Clock::start();
    let store = args.store.clone().unwrap_or_else(default_store_parent);
    let facts = Facts::collect(Some(&store));
    println!(
        "machine   {} cores usable, {}, {}",
        facts.usable_cores,
        facts.cpu_model,
        show::size(facts.memory_bytes)
    );
    println!("system    {}, kernel {}", facts.os, facts.kernel);
    eprintln!("measuring for 6 seconds…");
    let before = MachineCpu::now().ok();
    let timer = timer_lateness(clock, Duration::from_secs(2));
    let paused = hiccups(clock, Duration::from_secs(3)).map_err(|error| Failure::environment(&error))?;
    let disk = disk(clock, &store, Duration::from_secs(1));
    let steal_share = match (before, MachineCpu::now()) {
        (Some(before), Ok(after)) => after.steal_share_since(&before),
        _ => 0.0,
    };
    let cores = facts.cpu_limit_cores.unwrap_or(crate::num::f64_of(facts.usable_cores));
    println!(
        "timer     wakes {} late at the median, {} at p99",
        show::time(timer.p50_ns),
        show::time(timer.p99_ns)
    );
    println!(
        "hiccups   p50 {}, p99 {}, p99.9 {}, max {}",
        show::time(paused.p50_ns),
        show::time(paused.p99_ns),
        show::time(paused.p99_9_ns),
        show::time(paused.max_ns)
    );
    match &disk {
        Ok(disk) => println!(
            "disk      {} ({}): {:.0} fsyncs/s, {} each at the median",
            disk.path.display(),
            disk.filesystem.name,
            disk.syncs_per_second,
            show::time(disk.sync.p50_ns)
        ),
        Err(error) => println!("disk      {}", with_sources(error)),
    }
    let startable = brokers();
    for product in &PRODUCTS {
        if let Some(named) = Asked::default().by_environment(product, &environment) {
            let (at, by) = (named.label(), named.named_by().unwrap_or_default());
            println!("target    {at}, named by {by}: where runs on {} go without --broker", product.title());
        }
    }
    println!();
    let checkup = Checkup { timer, hiccups: paused, disk: disk.ok(), cores, steal_share };
    let mut fit = true;
    for advice in advice(&checkup, Some(LIMIT_NS)) {
        let sign = match advice.gravity {
            Gravity::Good => "ok  ",
            Gravity::Caution => "note",
            Gravity::Bad => "BAD ",
        };
        fit &= advice.gravity != Gravity::Bad;
        println!("{}", show::wrap(&format!("{sign}  {}", advice.text), 96, ""));
    }
    Ok(match (fit, startable) {
        // Without a broker nothing can be measured, however fit the machine.
        (_, false) => Exit::Environment,
        (true, true) => Exit::Pass,
        (false, true) => Exit::Inconclusive,
    })
}

/// Lists the brokers that can be started; returns whether there is any.
fn brokers() -> bool {
    let mut local = false;
    for product in &PRODUCTS {
        let head = product.listed_as;
        match product.driver.as_ref().map(|driver| (driver.program)()) {
            None => println!("{head:<10}this tickgate was built without {}", product.title()),
            Some(Err(error)) => println!("{head:<10}{}", with_sources(&error)),
            Some(Ok(Program { what, warning })) => {
                println!("{head:<10}{what}");
                if let Some(warning) = warning {
                    println!("          {warning}");
                }
                local = true;
            }
        }
    }
    let container = match docker() {
        Docker::Silent(why) => {
            println!("docker    no engine: {why}");
            false
        }
        Docker::Answers(engine) => {
            let socket = engine.socket.display();
            println!(
                "docker    {} answers at {socket}: --broker container:nats:{TESTED_VERSION}",
                engine.version
            );
            if !cfg!(feature = "containers") {
                println!("          but this tickgate was built without containers");
            }
            cfg!(feature = "containers")
        }
    };
    local || container
}
