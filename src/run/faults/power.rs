//! The loss of power of nodes: all of them end at once, and only then are their stores cut back.

use super::Stage;
use super::inject::Injector;
use crate::record::LostFiles;

impl Injector {
    /// Kills the nodes, and gives the files of their stores what was on the disk.
    pub(super) fn lose_power(&self) -> Result<(), String> {
        self.take_down(|server, node| server.kill(node), &self.nodes)?;
        let Stage { server, account, .. } = &*self.stage;
        let mut all = LostFiles::default();
        for node in &self.nodes {
            let lost = server.hold().lose_unsynced(*node);
            all = all.and(lost.map_err(|error| format!("{}: {error}", self.named(*node)))?);
        }
        account.with(|book| book.fault(self.index, |fault| fault.files = Some(all)));
        match all.unsure {
            0 => Ok(()),
            files => Err(format!(
                "{files} files were changed below their synced end, and it is not known whether before or after the last sync"
            )),
        }
    }
}
