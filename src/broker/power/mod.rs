//! Loss of power, emulated without privileges: after it, the files of a store have what was synced of them.
//!
//! A server runs below a supervisor ([`supervise()`]), a process of this program, which keeps a copy of each file as of its last sync. The
//! loss is the end of the server (SIGKILL), after which [`cut()`] gives each file the content of its copy. Nothing of the machine is
//! changed. The model: only what was synced survives (`fsync`, `fdatasync`, `msync`, `sync`, files opened with `O_SYNC` or
//! `O_DSYNC`), or also what was first changed some time ago, as the kernel writes it back; directory entries survive as they are.
//! `sync_file_range` gives no guarantee and is not counted. Calls that would pass the filter are refused: rings (`io_uring`) and
//! synchronous writes of `pwritev2`, for which programs have other ways.

mod calls;
mod cut;
mod files;
mod notify;
mod supervise;
mod table;

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{self, Command};
use std::time::{Duration, Instant};

pub use cut::cut;
pub use supervise::{Watched, end_like, supervise};
use table::Table;

use super::process::guard;
use crate::plan::Writeback;

/// The hidden command of this program that is the supervisor.
const COMMAND: &str = "supervise-power";
/// Name of the supervisor's directory, in the private directory of a server.
const DIRECTORY: &str = "power";
/// In this: the copies of files, what is known of them, and the number of the server's process.
const COPIES: &str = "copies";
const TABLE: &str = "table.json";
const PID: &str = "pid";
/// How long a supervisor may take to start its server: it copies what the store holds first.
const STARTED_WITHIN: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// How servers are supervised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Power {
    /// This program.
    pub program: PathBuf,
    /// What survives without a sync.
    pub writeback: Writeback,
}

impl Power {
    /// The directory of the supervisor of a server.
    pub(super) fn directory(private: &Path) -> PathBuf {
        private.join(DIRECTORY)
    }

    /// Returns the command of the supervisor of a server.
    pub(super) fn wrap(&self, server: &Command, store: &Path, private: &Path) -> io::Result<Command> {
        let power = Self::directory(private);
        fs::create_dir_all(&power)?;
        match fs::remove_file(power.join(PID)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        fs::create_dir_all(store)?;
        let server_and_arguments = std::iter::once(server.get_program()).chain(server.get_args());
        let watched = Watched {
            store: store.to_owned(),
            power,
            writeback: self.writeback.after(),
            command: server_and_arguments.map(OsStr::to_owned).collect(),
        };
        let mut command = guard::command(&self.program);
        command.env_clear();
        command.envs(server.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.args(supervisor_arguments(&watched));
        Ok(command)
    }

    /// Waits until the supervisor has started the server, and returns the number of the server's process; `None` if the supervisor
    /// has ended.
    pub(super) fn server(private: &Path, supervisor: &mut process::Child) -> io::Result<Option<u32>> {
        let told = Self::directory(private).join(PID);
        let deadline = Instant::now() + STARTED_WITHIN;
        while Instant::now() < deadline {
            if let Some(pid) = fs::read_to_string(&told).ok().and_then(|text| text.parse().ok()) {
                return Ok(Some(pid));
            }
            if supervisor.try_wait()?.is_some() {
                return Ok(None);
            }
            std::thread::sleep(LOOK_EVERY);
        }
        Err(io::Error::new(io::ErrorKind::TimedOut, "the supervisor of the server has not started it"))
    }
}

/// The arguments of the supervisor's command.
#[must_use]
pub fn supervisor_arguments(watched: &Watched) -> Vec<OsString> {
    let mut all: Vec<OsString> = vec![COMMAND.into(), (&watched.store).into(), (&watched.power).into()];
    if let Some(after) = watched.writeback {
        all.extend(["--writeback".into(), format!("{}ns", after.ns).into()]);
    }
    all.push("--".into());
    all.extend(watched.command.iter().cloned());
    all
}
