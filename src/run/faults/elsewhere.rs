//! Faults on a broker whose processes are not tickgate's own: the leader of the run's stream steps down, and nothing else.

use std::sync::Arc;

use super::account::Account;
use super::inject::NO_STEP_DOWN;
use crate::broker::Asset;
use crate::host::clock::Clock;
use crate::plan::{Action as Do, Fault, Target};
use crate::record::Injection;
use crate::run::agenda::Action;
use crate::run::job::StepDown;

/// One fault.
pub(super) struct Elsewhere {
    /// Its index in the plan.
    pub(super) index: usize,
    pub(super) fault: Fault,
    /// The run's stream.
    pub(super) asset: Asset,
    pub(super) clock: Clock,
    pub(super) account: Account,
    pub(super) step_down: Option<Arc<StepDown>>,
}

impl Elsewhere {
    /// Why the fault cannot be injected.
    fn unfit(&self) -> Option<String> {
        let own = matches!(self.fault.target, None | Some(Target::StreamLeader));
        match self.fault.action {
            Do::StepDown if self.step_down.is_none() => Some(NO_STEP_DOWN.to_owned()),
            Do::StepDown if own => None,
            _ => Some("tickgate did not start this broker as processes of this machine".to_owned()),
        }
    }
}

impl Action for Elsewhere {
    fn name(&self) -> String {
        format!("{}: {} of the stream's leader", self.fault.name, self.fault.action)
    }

    fn kind(&self) -> &'static str {
        "fault"
    }

    fn prepare(&mut self) -> Result<(), String> {
        let Some(why) = self.unfit() else { return Ok(()) };
        self.account.with(|book| book.skip(self.index, &why));
        Err(why)
    }

    fn act(&mut self) -> Result<String, String> {
        let (index, clock) = (self.index, self.clock);
        self.account.with(|book| book.begin(index, clock.now()));
        let changed =
            self.step_down.as_ref().map_or_else(|| Err(NO_STEP_DOWN.to_owned()), |ask| ask(&self.asset));
        self.account.with(|book| match &changed {
            Ok([before, after]) => {
                let now = clock.now();
                book.led(now, "stream", after);
                book.fault(index, |fault| {
                    fault.verified_ns = Some(now);
                    fault.resolved = vec![before.clone()];
                    "named by the server that the run is connected to".clone_into(&mut fault.how_known);
                    fault.leader_before = Some(before.clone());
                });
                book.done(index);
            }
            Err(why) => book.failed(index, Injection::Failed, why),
        });
        changed.map(|[before, after]| format!("{after} leads after {before}"))
    }

    fn undo(&mut self) -> Result<String, String> {
        Ok(String::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Span;
    use crate::record;
    use crate::selftest::swarm;

    fn fault(action: Do, target: Target) -> Fault {
        Fault {
            action,
            target: Some(target),
            ..swarm::fault("x", [Span::seconds(1), Span::default(), Span::seconds(1)])
        }
    }

    /// The account of a fault on a bus whose stream's leader, n1, steps down or does not.
    fn carried_out(fault: Fault, answer: Option<Result<(), String>>) -> record::Fault {
        let account = Account::planned(std::slice::from_ref(&fault), 0);
        let step_down = answer.map(|result| -> Arc<StepDown> {
            Arc::new(Box::new(move |asset: &Asset| {
                assert_eq!(*asset, Asset::Stream("S".into()));
                result.clone().map(|()| ["n1".to_owned(), "n2".to_owned()])
            }))
        });
        let (asset, clock) = (Asset::Stream("S".into()), Clock::start());
        let mut action = Elsewhere { index: 0, fault, asset, clock, account: account.clone(), step_down };
        if action.prepare().is_ok() {
            let _ = action.act();
        }
        account.with(|book| book.conclude().0.injected.remove(0))
    }

    #[test]
    fn the_leader_of_the_stream_answer_and_nothing_else_is_injected() {
        let step_down = || fault(Do::StepDown, Target::StreamLeader);
        let done = carried_out(step_down(), Some(Ok(())));
        assert_eq!((done.resolved, done.leader_before.as_deref()), (vec!["n1".to_owned()], Some("n1")));
        assert!(done.begun_ns.is_some() && done.begun_ns <= done.verified_ns);
        let failed = carried_out(step_down(), Some(Err("no quorum".into())));
        assert_eq!((failed.outcome, failed.reason.as_deref()), (Injection::Failed, Some("no quorum")));
        for (fault, answer) in [
            (step_down(), None),
            (fault(Do::StepDown, Target::MetaLeader), Some(Ok(()))),
            (fault(Do::Kill, Target::StreamLeader), Some(Ok(()))),
        ] {
            let skipped = carried_out(fault, answer);
            assert_eq!((skipped.outcome, skipped.begun_ns), (Injection::Skipped, None), "{skipped:?}");
        }
    }
}
