//! `tickgate profiles`: lists the profiles shipped in the binary.

use super::args::{Profiles, ProfilesCommand};
use super::{Exit, Failure};
use crate::profile::{Source, builtin, comparison, matrix};

pub(super) fn run(args: &Profiles) -> Result<Exit, Failure> {
    match &args.command {
        None => {
            for (name, description) in builtin::descriptions() {
                println!("{name:<12} {description}");
            }
            println!("\nfor `tickgate compare`:");
            for (name, description) in comparison::shipped() {
                println!("{name:<24} {description}");
            }
            println!("\nfor `tickgate matrix`:");
            for (name, description) in matrix::shipped() {
                println!("{name:<24} {description}");
            }
        }
        Some(ProfilesCommand::Show { name }) => {
            let of_runs = || comparison::shipped_text(name).or_else(|| matrix::shipped_text(name));
            match builtin::get(name).or_else(of_runs) {
                Some(text) => print!("{text}"),
                None => return Err(Failure::usage(unknown(name))),
            }
        }
    }
    Ok(Exit::Pass)
}

/// The error for an unknown profile name, with the nearest one.
fn unknown(name: &str) -> String {
    // A path must not resolve here, since only shipped profiles can be shown.
    match Source::find(name.trim_end_matches(".toml").rsplit('/').next().unwrap_or(name)) {
        Err(error) => error.to_string(),
        Ok(_) => {
            format!(
                "`{name}` is a file, not a shipped profile; shipped profiles: {}",
                builtin::names().join(", ")
            )
        }
    }
}
