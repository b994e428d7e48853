//! `tickgate selftest`: known answers on the simulated bus, as a table.

use super::{Exit, Failure};
use crate::selftest::known::ALL;

pub(super) fn run() -> Result<Exit, Failure> {
    let mut wrong = 0;
    let mut figures = 0;
    for (name, known) in ALL {
        println!("{name}");
        for answer in known().map_err(|error| Failure::environment(&error))? {
            figures += 1;
            wrong += i32::from(!answer.right);
            let sign = if answer.right { "ok   " } else { "WRONG" };
            println!("  {sign} {}", answer.figure);
            println!("        expected {}", answer.expected);
            println!("        reported {}", answer.reported);
        }
    }
    println!();
    if wrong > 0 {
        println!("{wrong} of {figures} figures are wrong: do not trust this build");
        return Ok(Exit::Missed);
    }
    println!("all {figures} figures are right");
    Ok(Exit::Pass)
}
