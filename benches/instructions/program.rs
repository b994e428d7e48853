//! Takes one step so many times, and nothing else: to be counted by `scripts/instructions.sh`. Without arguments it
//! lists the steps, each with how many events one turn of it stands for.
//!
//! Its plans are files: the reader of profiles is no part of the half of tickgate that this program is built with.

#![expect(clippy::expect_used, clippy::print_stdout, reason = "a program for a script")]

#[path = "../paths/mod.rs"]
mod paths;
#[path = "../../tests/support/records.rs"]
mod records;

use std::hint::black_box;

use paths::Step;
use tickgate::report::{self, Beside};
use tickgate::verdict;

/// The plan of the run, as its page shows it.
const PLAN: &str = include_str!("plans/run.toml");

/// A run is judged and rendered once, however many events it has.
const RUN: u32 = 1000;

pub(crate) fn main() {
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let steps = paths::steps().into_iter().map(|step| (1, step));
    let mut steps: Vec<(u32, Step)> = steps.chain(once_a_run().map(|step| (RUN, step))).collect();
    let Some(name) = arguments.next() else {
        for (events, step) in steps {
            println!("{events} {}", step.name);
        }
        return;
    };
    let turns: u32 = arguments.next().expect("a number of turns").parse().expect("a number");
    let (_, step) = steps.iter_mut().find(|(_, step)| step.name == name).expect("the name of a step");
    (0..turns).for_each(&mut step.take);
}

fn once_a_run() -> impl Iterator<Item = Step> {
    let record = records::of(&records::Recipe::default());
    let judged = record.clone();
    let judge = Box::new(move |_| drop(black_box(verdict::assess(&judged))));
    let render = Box::new(move |_| {
        drop(black_box(report::files(&record, &Beside { plan_toml: PLAN, ..Beside::default() })));
    });
    [Step { name: "judge a run", take: judge }, Step { name: "render a run", take: render }].into_iter()
}
