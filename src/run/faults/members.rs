//! Faults of members: one of them crashes and another takes its place, or all of a group are replaced. They act on connections of
//! this process only, so they are the same on every broker.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::account::Account;
use crate::host::clock::Clock;
use crate::num;
use crate::plan::{Action as Do, Fault, Plan, Target};
use crate::record::Injection;
use crate::run::agenda::{Action, Ending};
use crate::run::slot::Staff;

/// Why no member is replaced.
const NO_STAFF: &str = "members of this bus cannot be replaced";
/// How long a successor may try to connect, e.g. to a broker that has no leader at the moment.
const CONNECTED_WITHIN: Duration = Duration::from_secs(10);
/// Pause before it tries again.
const AGAIN: Duration = Duration::from_millis(100);

/// One fault.
pub(super) struct OfMembers {
    /// Its index in the plan.
    index: usize,
    fault: Fault,
    /// The group and its members that it acts on, or why there are none.
    whom: Result<(usize, Vec<usize>), String>,
    staff: Option<Arc<dyn Staff>>,
    clock: Clock,
    account: Account,
    ending: Ending,
}

impl OfMembers {
    /// A fault of a plan, by its index.
    pub(super) fn new(
        index: usize,
        plan: &Plan,
        staff: Option<Arc<dyn Staff>>,
        clock: Clock,
        account: Account,
        ending: Ending,
    ) -> Self {
        let fault = plan.faults[index].clone();
        let whom = whom(plan, &fault);
        Self { index, fault, whom, staff, clock, account, ending }
    }

    /// The names of the members, by their numbers from 1.
    fn names(&self) -> Vec<String> {
        let Some(Target::Group(group, _)) = &self.fault.target else { return Vec::new() };
        let members = self.whom.as_ref().map_or(&[][..], |(_, members)| members.as_slice());
        members.iter().map(|member| format!("{group}/{}", member + 1)).collect()
    }

    fn staff(&self) -> Result<(&dyn Staff, usize, &[usize]), String> {
        let (group, members) = self.whom.as_ref().map_err(String::clone)?;
        Ok((&**self.staff.as_ref().ok_or(NO_STAFF)?, *group, members.as_slice()))
    }

    fn carry_out(&self) -> Result<(), String> {
        let (staff, group, members) = self.staff()?;
        if self.fault.action == Do::RestartGroup {
            let ended = staff.dismiss(group, members);
            self.verified();
            // Also after one of them has not ended in time.
            return self.replace().and(ended);
        }
        members.iter().try_for_each(|member| staff.crash(group, *member))
    }

    /// Records that the effect was observed now.
    fn verified(&self) {
        let now = self.clock.now();
        self.account.with(|book| {
            book.fault(self.index, |fault| {
                fault.verified_ns.get_or_insert(now);
            });
        });
    }

    /// Gives every place to a new member.
    fn replace(&self) -> Result<(), String> {
        let (staff, group, members) = self.staff()?;
        let deadline = Instant::now() + CONNECTED_WITHIN;
        for member in members {
            while let Err(why) = staff.succeed(group, *member) {
                if Instant::now() >= deadline || self.ending.is_near() {
                    return Err(why);
                }
                std::thread::sleep(AGAIN);
            }
        }
        self.account.with(|book| book.undone(self.index, self.clock.now()));
        Ok(())
    }
}

/// The group and the members that a fault acts on, by their indices.
fn whom(plan: &Plan, fault: &Fault) -> Result<(usize, Vec<usize>), String> {
    let Some(Target::Group(name, number)) = &fault.target else {
        return Err(format!("`{}` acts on members of a group", fault.action));
    };
    let found = plan.groups.iter().enumerate().find(|(_, group)| group.name == *name);
    let (index, group) = found.ok_or_else(|| format!("the plan has no group `{name}`"))?;
    let all = 0..num::index32(group.members);
    let members: Vec<usize> = match number {
        None => all.collect(),
        Some(number) => all.filter(|member| member + 1 == num::index32(*number)).collect(),
    };
    if members.is_empty() {
        return Err(format!("`{name}` has {} members", group.members));
    }
    Ok((index, members))
}

impl Action for OfMembers {
    fn name(&self) -> String {
        format!("{}: {}", self.fault.name, self.fault.in_words())
    }

    fn kind(&self) -> &'static str {
        "fault"
    }

    fn prepare(&mut self) -> Result<(), String> {
        if let Err(why) = self.staff().map(|_| ()) {
            self.account.with(|book| book.skip(self.index, &why));
            return Err(why);
        }
        let names = self.names();
        let how =
            if self.fault.action == Do::RestartGroup { "all members of the group" } else { "by its number" };
        self.account.with(|book| {
            let leader = book.leader("stream");
            book.fault(self.index, |fault| {
                fault.leader_before = leader;
                (fault.resolved, fault.how_known) = (names, how.to_owned());
            });
        });
        Ok(())
    }

    fn act(&mut self) -> Result<String, String> {
        self.account.with(|book| book.begin(self.index, self.clock.now()));
        match self.carry_out() {
            Ok(()) => {
                self.verified();
                self.account.with(|book| book.done(self.index));
                Ok(String::new())
            }
            Err(why) => {
                self.account.with(|book| book.failed(self.index, Injection::Failed, &why));
                Err(why)
            }
        }
    }

    fn undo_within(&self) -> Duration {
        let members = self.whom.as_ref().map_or(1, |(_, members)| members.len());
        // The last try begins before the time is over, and is bounded by the driver.
        CONNECTED_WITHIN * 2 * num::count32(members)
    }

    /// Also after a crash that failed: the place is given to a new member.
    fn undo(&mut self) -> Result<String, String> {
        let failed = self.account.with(|book| book.failure(self.index));
        match self.replace() {
            Ok(()) => {
                self.account.with(|book| match failed {
                    Some(why) => book.failed(self.index, Injection::Failed, &why),
                    None => book.done(self.index),
                });
                Ok(String::new())
            }
            Err(why) => {
                self.account.with(|book| book.failed(self.index, Injection::NotUndone, &why));
                Err(why)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::plan::Span;
    use crate::record;
    use crate::run::agenda::Agenda;
    use crate::selftest::swarm::{self, base};

    fn fault(action: Do, target: &str) -> Fault {
        Fault { action, target: Some(target.parse().unwrap()), ..swarm::fault("x", [Span::seconds(1); 3]) }
    }

    /// Notes its orders; members whose number is in `stuck` neither end nor come.
    #[derive(Default)]
    struct Noting {
        orders: Mutex<Vec<String>>,
        stuck: Vec<usize>,
    }

    impl Noting {
        fn note(&self, what: &str, group: usize, members: &[usize]) -> Result<(), String> {
            self.orders.lock().unwrap().push(format!("{what} {group} {members:?}"));
            let stuck = members.iter().any(|member| self.stuck.contains(member));
            if stuck { Err("it is stuck".into()) } else { Ok(()) }
        }
    }

    impl Staff for Noting {
        fn crash(&self, group: usize, member: usize) -> Result<(), String> {
            self.note("crash", group, &[member])
        }

        fn dismiss(&self, group: usize, members: &[usize]) -> Result<(), String> {
            self.note("dismiss", group, members)
        }

        fn succeed(&self, group: usize, member: usize) -> Result<(), String> {
            self.note("succeed", group, &[member])
        }
    }

    /// Injects and undoes a fault on the members of the second group, `two`, which has three.
    fn carried_out(fault: Fault, staff: Option<Noting>) -> (record::Fault, Vec<String>) {
        let mut plan = base(1);
        plan.groups.truncate(1);
        plan.groups.push(plan.groups[0].clone());
        (plan.groups[1].name, plan.groups[1].members) = ("two".into(), 3);
        let instant = fault.action.is_instant();
        plan.faults = vec![fault];
        let account = Account::planned(&plan.faults, 0);
        let ending = Agenda::default().ending();
        ending.declare();
        let staff = staff.map(Arc::new);
        let given = staff.clone().map(|staff| -> Arc<dyn Staff> { staff });
        let mut action = OfMembers::new(0, &plan, given, Clock::start(), account.clone(), ending);
        if action.prepare().is_ok() {
            let _ = action.act();
            if !instant {
                let _ = action.undo();
            }
        }
        let orders = staff.map_or_else(Vec::new, |staff| staff.orders.lock().unwrap().clone());
        (account.with(|book| book.conclude().0.injected.remove(0)), orders)
    }

    #[test]
    fn a_member_crashes_and_has_a_successor() {
        let (fault, orders) = carried_out(fault(Do::CrashMember, "two/2"), Some(Noting::default()));
        assert_eq!(orders, ["crash 1 [1]", "succeed 1 [1]"]);
        assert_eq!((fault.resolved, fault.how_known.as_str()), (vec!["two/2".to_owned()], "by its number"));
        assert!(fault.begun_ns <= fault.verified_ns && fault.verified_ns <= fault.undone_ns);
        assert!(fault.undone_ns.is_some());
    }

    #[test]
    fn all_members_of_a_group_end_before_the_first_is_replaced() {
        let (fault, orders) = carried_out(fault(Do::RestartGroup, "two"), Some(Noting::default()));
        assert_eq!(orders, ["dismiss 1 [0, 1, 2]", "succeed 1 [0]", "succeed 1 [1]", "succeed 1 [2]"]);
        assert_eq!(fault.resolved, ["two/1", "two/2", "two/3"]);
        assert!(fault.verified_ns.is_some() && fault.verified_ns <= fault.undone_ns);
    }

    #[test]
    fn a_failure_says_what_was_not_done() {
        let stuck = || Some(Noting { stuck: vec![0], ..Noting::default() });
        let (crash, orders) = carried_out(fault(Do::CrashMember, "two/1"), stuck());
        assert_eq!((crash.outcome, crash.reason.as_deref()), (Injection::NotUndone, Some("it is stuck")));
        assert_eq!(orders, ["crash 1 [0]", "succeed 1 [0]"], "the place is given away all the same");
        let (restart, _) = carried_out(fault(Do::RestartGroup, "two"), stuck());
        assert_eq!((restart.outcome, restart.undone_ns), (Injection::Failed, None));
        for (target, staff, why) in [
            ("two/2", None, NO_STAFF),
            ("two/4", Some(Noting::default()), "`two` has 3 members"),
            ("three/1", Some(Noting::default()), "the plan has no group `three`"),
            ("any", Some(Noting::default()), "acts on members of a group"),
        ] {
            let (skipped, orders) = carried_out(fault(Do::CrashMember, target), staff);
            assert_eq!((skipped.outcome, orders), (Injection::Skipped, vec![]), "{target}");
            assert!(skipped.reason.as_ref().unwrap().contains(why), "{skipped:?}");
        }
    }
}
