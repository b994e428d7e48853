//! The faults of a plan's members, as the simulated bus carries them out.

use crate::bus::sim::{Absence, Faults, Restart, Stretch};
use crate::plan::{Action, Fault, Plan, Target};
use crate::run::shared::Calendar;

/// Adds them to the faults of the bus, whose times count from the start of the load.
pub(super) fn entered(plan: &Plan, calendar: Calendar, mut bus: Faults) -> Faults {
    let warmup = calendar.measure_start - calendar.load_start;
    for fault in plan.faults.iter().filter(|fault| fault.action.is_of_members()) {
        let Some((group, member)) = whom(plan, fault) else { continue };
        let from = warmup + fault.at.ns;
        match (fault.action, member) {
            (Action::CrashMember, Some(member)) => {
                bus.absences.push(Absence { group, member, time: Stretch { from, length: fault.length.ns } });
            }
            _ => bus.restarts.push(Restart { group, at: from }),
        }
    }
    bus
}

/// The group and the member that a fault acts on, by their indices.
fn whom(plan: &Plan, fault: &Fault) -> Option<(usize, Option<u32>)> {
    let Some(Target::Group(name, number)) = &fault.target else { return None };
    let group = plan.groups.iter().position(|group| group.name == *name)?;
    Some((group, number.and_then(|number| number.checked_sub(1))))
}
