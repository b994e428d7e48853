//! `tickgate completions` and `tickgate man`: made from the command line's own description.

use std::path::Path;

use clap::CommandFactory as _;
use clap_complete::Shell;
use clap_mangen::Man;

use super::args::Args;
use super::{Exit, Failure, paint_out};
use crate::archive::ArchiveError;

/// The commands that people type, without those that tickgate starts itself.
fn command() -> clap::Command {
    let whole = Args::command();
    let shown: Vec<clap::Command> =
        whole.get_subcommands().filter(|sub| !sub.is_hide_set()).cloned().collect();
    let bare =
        clap::Command::new("tickgate").version(crate::host::build::VERSION).disable_help_subcommand(true);
    let about = whole.get_about().cloned().unwrap_or_default();
    let long = whole.get_long_about().cloned().unwrap_or_else(|| about.clone());
    bare.about(about).long_about(long).subcommand_required(true).subcommands(shown)
}

/// Prints the completion script for a shell.
pub(super) fn completions(shell: Shell) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command(), "tickgate", &mut script);
    paint_out(format_args!("{}", String::from_utf8_lossy(&script)));
    Exit::Pass
}

/// Prints the manual page of the whole, or writes the page of every command into a folder.
pub(super) fn man(folder: Option<&Path>) -> Result<Exit, Failure> {
    let Some(folder) = folder else {
        let mut page = Vec::new();
        // Writing to memory does not fail.
        let _ = Man::new(command()).render(&mut page);
        paint_out(format_args!("{}", String::from_utf8_lossy(&page)));
        return Ok(Exit::Pass);
    };
    let io = |doing| {
        move |source| Failure::environment(&ArchiveError::Io { doing, path: folder.to_owned(), source })
    };
    std::fs::create_dir_all(folder).map_err(io("make"))?;
    clap_mangen::generate_to(command(), folder).map_err(io("write manual pages into"))?;
    println!("manual pages: {}", folder.display());
    Ok(Exit::Pass)
}
