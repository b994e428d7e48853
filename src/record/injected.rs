//! A recorded fault in words and as a stretch of time, for claims and reports.

use super::{Effect, Fault, GroupOutage, Injection, Recovered};
use crate::num::show;
use crate::plan::Ns;

/// What was observed of the recovery from a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recovery {
    /// All was normal from this time after the planned start.
    Reached(u64),
    /// All was not normal for at least this time after the planned start.
    NotReached(u64),
    /// Too little was observed to say.
    Unknown,
}

impl Injection {
    /// Every outcome, in the order of the schema.
    pub const ALL: [Self; 6] =
        [Self::Done, Self::Late, Self::Skipped, Self::Failed, Self::NotUndone, Self::Dropped];

    /// The word of the record.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Late => "late",
            Self::Skipped => "skipped",
            Self::Failed => "failed",
            Self::NotUndone => "not-undone",
            Self::Dropped => "dropped",
        }
    }
}

impl Fault {
    /// Returns whether anything was done to the target.
    #[must_use]
    pub const fn happened(&self) -> bool {
        !matches!(self.outcome, Injection::Skipped | Injection::Dropped)
    }

    /// What it did, if anything was done: figures of the time in which a fault was to be and was not are not the fault's.
    #[must_use]
    pub const fn felt(&self) -> Option<&Effect> {
        if self.happened() { self.effect.as_ref() } else { None }
    }

    /// When it began; the planned instant where that is not known.
    #[must_use]
    pub fn begun(&self) -> Ns {
        self.begun_ns.unwrap_or(self.planned_ns)
    }

    /// When it was undone, the planned instant where that is not known; `None` where the undo failed.
    #[must_use]
    pub fn ended(&self) -> Option<Ns> {
        if self.outcome == Injection::NotUndone {
            return None;
        }
        let end = self.undone_ns.or(self.undo_planned_ns).or(self.verified_ns);
        Some(end.map_or_else(|| self.begun(), |end| end.max(self.begun())))
    }

    /// How long it lasted; `None` where it did not happen or was not undone.
    #[must_use]
    pub fn lasted_ns(&self) -> Option<u64> {
        if self.happened() { self.ended().map(|end| end.saturating_sub(self.begun())) } else { None }
    }

    /// What was observed of the recovery; nothing of a fault that did not happen.
    #[must_use]
    pub fn recovery(&self) -> Recovery {
        let Some(effect) = self.felt() else { return Recovery::Unknown };
        match (effect.recovered, effect.recovery_ns) {
            (Recovered::Yes, Some(after)) => Recovery::Reached(after),
            (Recovered::No, _) => Recovery::NotReached(effect.observed_ns),
            _ => Recovery::Unknown,
        }
    }

    /// The last instant at which it was felt: of the recovery, or else of the observation.
    #[must_use]
    pub fn felt_until(&self) -> Ns {
        match self.recovery() {
            Recovery::Reached(after) => self.planned_ns.saturating_add(after),
            Recovery::NotReached(observed) => self.planned_ns.saturating_add(observed),
            Recovery::Unknown => self.felt().map_or_else(
                || self.ended().unwrap_or(self.settled_ns),
                |effect| self.planned_ns.saturating_add(effect.observed_ns),
            ),
        }
    }

    /// What was done to whom: `kill of nats-2 (the stream's leader)`.
    #[must_use]
    pub fn in_words(&self) -> String {
        let what = match self.action.as_str() {
            "crash-member" => "crash",
            "restart-group" => "restart",
            "lame-duck" => "lame duck mode",
            "rolling-restart" => "rolling restart",
            "rolling-upgrade" => "rolling upgrade",
            "partition" => "partition",
            "slow" => "slow links",
            "write-error" => "write errors",
            "power-loss" => "emulated loss of power",
            other => other,
        };
        let role = match self.target.split_once(", ") {
            // The ends of links.
            Some((one, other)) => format!("between {} and {}", role(one), role(other)),
            None => role(&self.target),
        };
        if self.resolved.is_empty() {
            let of = if role.starts_with("between ") { "" } else { "of " };
            return format!("{what} {of}{role}");
        }
        let whom = self.resolved.join(", ");
        if role == whom || is_number_of_a_node(&self.target) {
            format!("{what} of {whom}")
        } else {
            format!("{what} of {whom} ({role})")
        }
    }

    /// The same, with how long it lasted: `kill of nats-2 (the stream's leader), 8.00s`.
    #[must_use]
    pub fn in_words_with_length(&self) -> String {
        match self.lasted_ns() {
            Some(lasted) if lasted > 0 => format!("{}, {}", self.in_words(), show::time(lasted)),
            _ => self.in_words(),
        }
    }
}

fn is_number_of_a_node(target: &str) -> bool {
    target.strip_prefix("node-").is_some_and(|number| number.bytes().all(|b| b.is_ascii_digit()))
}

fn role(target: &str) -> String {
    match target {
        "stream-leader" => "the stream's leader".into(),
        "meta-leader" => "the meta leader".into(),
        "follower" => "a follower".into(),
        "connected" => "the publisher's server".into(),
        "any" => "drawn by the seed".into(),
        "minority" => "a minority".into(),
        "majority" => "a majority".into(),
        "all" => "all nodes".into(),
        "others" => "the others".into(),
        other => match other.strip_prefix("consumer-leader:") {
            Some(group) => format!("the leader of {group}'s consumer"),
            None => other.to_owned(),
        },
    }
}

impl Effect {
    /// The group that was unavailable the longest.
    #[must_use]
    pub fn worst_group(&self) -> Option<&GroupOutage> {
        // The first of equals.
        self.groups.iter().rev().max_by_key(|group| group.outage.unavailable_ns)
    }

    /// Events that were due and are not confirmed, and how each kind is called.
    #[must_use]
    pub const fn unserved(&self) -> [(u64, &'static str); 3] {
        [(self.refused, "refused"), (self.unconfirmed, "not confirmed"), (self.unsent, "not sent")]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(action: &str, target: &str, resolved: &[&str]) -> Fault {
        Fault {
            action: action.into(),
            target: target.into(),
            resolved: resolved.iter().map(|name| (*name).to_owned()).collect(),
            planned_ns: 10,
            settled_ns: 40,
            outcome: Injection::Done,
            ..Fault::default()
        }
    }

    #[test]
    fn a_fault_is_named_by_what_was_hit_and_by_its_role() {
        for (action, target, resolved, expected) in [
            ("kill", "stream-leader", &["nats-2"][..], "kill of nats-2 (the stream's leader)"),
            ("kill", "node-2", &["nats-2"], "kill of nats-2"),
            ("stop", "minority", &["a", "b"], "stop of a, b (a minority)"),
            ("kill", "follower", &[], "kill of a follower"),
            ("crash-member", "trading-engine/1", &["trading-engine/1"], "crash of trading-engine/1"),
            (
                "partition",
                "stream-leader, others",
                &["nats-2"],
                "partition of nats-2 (between the stream's leader and the others)",
            ),
            ("slow", "clients, node-2", &[], "slow links between clients and node-2"),
            ("kill", "consumer-leader:x", &["n"], "kill of n (the leader of x's consumer)"),
        ] {
            assert_eq!(fault(action, target, resolved).in_words(), expected);
        }
    }

    #[test]
    fn planned_instants_stand_in_for_unknown_ones() {
        let mut of = fault("kill", "any", &[]);
        assert_eq!((of.begun(), of.ended(), of.lasted_ns()), (10, Some(10), Some(0)));
        of.undo_planned_ns = Some(20);
        assert_eq!((of.ended(), of.lasted_ns()), (Some(20), Some(10)));
        (of.begun_ns, of.undone_ns) = (Some(11), Some(25));
        assert_eq!((of.begun(), of.ended(), of.lasted_ns()), (11, Some(25), Some(14)));
        of.outcome = Injection::NotUndone;
        assert_eq!((of.ended(), of.lasted_ns()), (None, None));
        of.outcome = Injection::Skipped;
        assert_eq!(of.lasted_ns(), None);
    }

    #[test]
    fn a_recovery_is_missed_only_if_it_was_observed_to_the_end() {
        let mut of = fault("kill", "any", &[]);
        assert_eq!(of.recovery(), Recovery::Unknown);
        let effect = |recovered, observed_ns| {
            let recovery_ns = (recovered == Recovered::Yes).then_some(5);
            Some(Effect { recovered, recovery_ns, observed_ns, ..Effect::default() })
        };
        of.effect = effect(Recovered::Yes, 30);
        assert_eq!((of.recovery(), of.felt_until()), (Recovery::Reached(5), 15));
        of.effect = effect(Recovered::No, 30);
        assert_eq!((of.recovery(), of.felt_until()), (Recovery::NotReached(30), 40));
        of.effect = effect(Recovered::Unknown, 29);
        assert_eq!((of.recovery(), of.felt_until()), (Recovery::Unknown, 39));
    }

    #[test]
    fn what_did_not_happen_has_no_figures() {
        let mut of = fault("kill", "any", &[]);
        let recovered = Recovered::Yes;
        of.effect = Some(Effect { recovered, recovery_ns: Some(5), observed_ns: 30, ..Effect::default() });
        for outcome in [Injection::Skipped, Injection::Dropped] {
            of.outcome = outcome;
            assert_eq!((of.felt(), of.recovery(), of.felt_until()), (None, Recovery::Unknown, 10));
        }
        for outcome in [Injection::Done, Injection::Late, Injection::Failed, Injection::NotUndone] {
            of.outcome = outcome;
            assert_eq!(of.recovery(), Recovery::Reached(5), "{outcome:?}");
        }
    }
}
