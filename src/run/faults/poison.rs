//! Poison events as a fault: the members refuse them by their intended times, so at the start and the end there is nothing to do
//! but to note the instants.

use super::account::Account;
use crate::host::clock::Clock;
use crate::plan::{Fault, Target};
use crate::run::agenda::Action;

/// One fault.
pub(super) struct OfEvents {
    /// Its index in the plan.
    index: usize,
    fault: Fault,
    clock: Clock,
    account: Account,
}

impl OfEvents {
    pub(super) const fn new(index: usize, fault: Fault, clock: Clock, account: Account) -> Self {
        Self { index, fault, clock, account }
    }
}

impl Action for OfEvents {
    fn name(&self) -> String {
        format!("{}: {}", self.fault.name, self.fault.in_words())
    }

    fn kind(&self) -> &'static str {
        "fault"
    }

    fn prepare(&mut self) -> Result<(), String> {
        let Some(Target::Group(group, _)) = &self.fault.target else {
            let why = format!("`{}` acts on the events of a group", self.fault.action);
            self.account.with(|book| book.skip(self.index, &why));
            return Err(why);
        };
        self.account.with(|book| {
            let leader = book.leader("stream");
            book.fault(self.index, |fault| {
                fault.leader_before = leader;
                (fault.resolved, fault.how_known) =
                    (vec![group.clone()], "drawn from market.seed by the numbers of the events".to_owned());
            });
        });
        Ok(())
    }

    fn act(&mut self) -> Result<String, String> {
        let now = self.clock.now();
        self.account.with(|book| {
            book.begin(self.index, now);
            book.fault(self.index, |fault| fault.verified_ns = Some(now));
            book.done(self.index);
        });
        Ok(String::new())
    }

    fn undo(&mut self) -> Result<String, String> {
        self.account.with(|book| book.undone(self.index, self.clock.now()));
        Ok(String::new())
    }
}
