//! The command line of tickgate.

fn main() {}
