//! Rendering: the report of an hour's run of five groups, which must take no more than a second.

#[path = "../tests/support/records.rs"]
mod records;

use divan::Bencher;
use tickgate::profile;
use tickgate::report::{self, Beside};

fn main() {
    divan::main();
}

#[divan::bench(sample_count = 10, sample_size = 1)]
fn an_hour_of_five_groups(bencher: Bencher<'_, '_>) {
    let record = records::hour();
    let plan_toml = profile::to_toml(&record.plan);
    bencher.bench(|| report::files(&record, &Beside { plan_toml: &plan_toml, ..Beside::default() }));
}
