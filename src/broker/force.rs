//! Ends a node by force while another thread may be stuck in an operation on its server.

use std::io;
use std::sync::MutexGuard;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::BrokerError;
use super::server::{Server, Shared};
use crate::host::resources::Process;

/// How long the server is waited for before a process is killed behind its back.
const FREE_WITHIN: Duration = Duration::from_millis(500);
/// Time between two tries.
const AGAIN: Duration = Duration::from_millis(5);

impl Shared {
    /// Returns the processes of the nodes, as far as they are known and no other thread acts on the server for long.
    #[must_use]
    pub fn processes(&self) -> Vec<Option<Process>> {
        let nodes = self.hold_within(FREE_WITHIN).map_or_else(Vec::new, |server| server.nodes());
        nodes.iter().map(|node| Process::of(node.pid?).ok()).collect()
    }

    /// Kills a node, whose end is then expected. If another thread does not let go of the server, `process`, its last known
    /// one, is killed all the same.
    ///
    /// # Errors
    /// When there is no process to kill, or the system refuses.
    pub fn kill_by_force(&self, node: usize, process: Option<&Process>) -> Result<(), BrokerError> {
        if let Some(mut server) = self.hold_within(FREE_WITHIN) {
            server.expect_end(node, true);
            return server.kill(node);
        }
        let refused = |source| BrokerError::Io { doing: format!("kill node {}", node + 1), source };
        let process = process.filter(|process| process.is_alive());
        let pid = process.and_then(|process| Pid::from_raw(i32::try_from(process.pid()).ok()?));
        let pid = pid.ok_or_else(|| refused(io::ErrorKind::NotFound.into()))?;
        kill_process(pid, Signal::KILL).map_err(|error| refused(error.into()))?;
        // The one that was stuck in an operation on the process goes on.
        if let Some(mut server) = self.hold_within(FREE_WITHIN) {
            server.expect_end(node, true);
        }
        Ok(())
    }

    /// Locks the server, unless another thread acts on it for longer than this.
    #[must_use]
    pub fn hold_within(&self, within: Duration) -> Option<MutexGuard<'_, Box<dyn Server>>> {
        let deadline = Instant::now() + within;
        loop {
            if let Some(server) = self.try_hold() {
                return Some(server);
            }
            if Instant::now() >= deadline {
                return None;
            }
            std::thread::sleep(AGAIN);
        }
    }
}
