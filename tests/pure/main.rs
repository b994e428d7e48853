//! Tests without a broker, another program or a clock: laws, known answers, seeded simulations, schemas and output.

mod bad_profiles;
mod baseline;
mod capacity;
mod capacity_report;
mod capacity_worlds;
mod compare;
mod compare_early;
mod compare_load;
mod compare_report;
mod counted;
mod curtailed;
mod drift;
mod fault_report;
mod interval_log;
mod known_answers;
mod laws;
mod market_schema;
mod matrix;
mod nights;
mod own_broker;
mod reasons;
mod record_schema;
mod report_files;
mod stats_golden;
#[path = "../support/mod.rs"]
mod support;
mod steps;
mod swarm;
#[path = "../targets/mod.rs"]
mod targets;
mod throughput;
mod validity;
