//! The account of a run's faults: what was injected when, which nodes run, and which lead.

use std::sync::{Arc, Mutex, PoisonError};

use crate::num;
use crate::plan::{self, Ns};
use crate::record::{Fault, Faults, Injection, Led, Mark, NodeState, StartedNode};
use crate::report::show::plain;

/// How far off its plan a fault or its undo may be.
const OFF_NS: Ns = 250_000_000;

/// The account, shared by the threads that write to it.
#[derive(Debug, Clone)]
pub(super) struct Account(Arc<Mutex<Book>>);

/// Its content. Nodes and faults go by their indices.
#[derive(Debug, Default)]
pub(super) struct Book {
    faults: Vec<Fault>,
    pub(super) nodes: Vec<StartedNode>,
    leaders: Vec<Led>,
    /// Nodes that are not known to be healthy since a fault was undone, as (fault, node).
    recovering: Vec<(usize, usize)>,
    /// Faults whose undo was given up: their outcome stays.
    given_up: Vec<usize>,
    /// Marks that the supervisor has not taken yet.
    pub(super) marks: Vec<Mark>,
}

impl Account {
    /// The account of faults that have not begun.
    pub(super) fn planned(faults: &[plan::Fault], measure_start: Ns) -> Self {
        let faults = faults.iter().map(|fault| entry(fault, measure_start)).collect();
        Self(Arc::new(Mutex::new(Book { faults, ..Book::default() })))
    }

    pub(super) fn with<T>(&self, work: impl FnOnce(&mut Book) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn entry(fault: &plan::Fault, measure_start: Ns) -> Fault {
    let later = |at: Ns| measure_start.saturating_add(at);
    let ends = fault.between.iter().flatten();
    let whom: Vec<String> = fault.target.iter().chain(ends).map(ToString::to_string).collect();
    Fault {
        name: fault.name.clone(),
        action: fault.action.to_string(),
        target: whom.join(", "),
        planned_ns: later(fault.at.ns),
        undo_planned_ns: (!fault.action.is_instant()).then(|| later(fault.undo_at())),
        settled_ns: later(fault.settled_at()),
        outcome: Injection::Dropped,
        ..Fault::default()
    }
}

impl Book {
    /// Enters something about a fault.
    pub(super) fn fault(&mut self, index: usize, enter: impl FnOnce(&mut Fault)) {
        if let Some(fault) = self.faults.get_mut(index) {
            enter(fault);
        }
    }

    /// Records that a fault is not injected.
    pub(super) fn skip(&mut self, index: usize, why: &str) {
        self.fault(index, |fault| {
            fault.outcome = Injection::Skipped;
            fault.reason = Some(why.to_owned());
        });
    }

    /// Records that a fault begins now, which counts as failed until it is done.
    pub(super) fn begin(&mut self, index: usize, now: Ns) {
        self.fault(index, |fault| {
            fault.begun_ns = Some(now);
            fault.outcome = Injection::Failed;
            fault.reason = Some("it was not completed".to_owned());
        });
        self.mark_if_late(index, "begun", now, |fault| Some(fault.planned_ns));
    }

    /// Records that the undo of a fault was given up; what becomes of it later is not entered.
    pub(super) fn give_up(&mut self, index: usize, why: &str) {
        self.failed(index, Injection::NotUndone, why);
        self.given_up.push(index);
    }

    /// Records that a fault or its undo is done.
    pub(super) fn done(&mut self, index: usize) {
        if self.given_up.contains(&index) {
            return;
        }
        self.fault(index, |fault| {
            fault.outcome = Injection::Done;
            fault.reason = None;
        });
    }

    /// Records how a fault or its undo failed.
    pub(super) fn failed(&mut self, index: usize, outcome: Injection, why: &str) {
        if self.given_up.contains(&index) {
            return;
        }
        self.fault(index, |fault| {
            fault.outcome = outcome;
            fault.reason = Some(why.to_owned());
        });
    }

    /// Why a fault failed, if it did.
    pub(super) fn failure(&self, index: usize) -> Option<String> {
        let fault = self.faults.get(index).filter(|fault| fault.outcome == Injection::Failed)?;
        Some(fault.reason.clone().unwrap_or_default())
    }

    /// Who leads something, as far as it was seen.
    pub(super) fn leader(&self, what: &str) -> Option<String> {
        let last = self.leaders.iter().rev().find(|led| led.what == what)?;
        (!last.who.is_empty()).then(|| last.who.clone())
    }

    /// Records that a fault is undone now.
    pub(super) fn undone(&mut self, index: usize, now: Ns) {
        self.fault(index, |fault| fault.undone_ns = Some(now));
        self.mark_if_late(index, "undone", now, |fault| fault.undo_planned_ns);
    }

    fn mark_if_late(&mut self, index: usize, what: &str, now: Ns, planned: fn(&Fault) -> Option<Ns>) {
        let Some(fault) = self.faults.get(index) else { return };
        let Some(off) = planned(fault).map(|planned| planned.abs_diff(now)).filter(|off| *off > OFF_NS)
        else {
            return;
        };
        let detail = format!("{}: {what} {} off its plan", fault.name, seconds(off));
        self.marks.push(Mark { at_ns: now, kind: "fault-late".into(), detail });
    }

    /// The state of a node.
    pub(super) fn state(&self, node: usize) -> NodeState {
        let states = self.nodes.get(node).and_then(|node| node.states.last());
        states.map_or(NodeState::Up, |(_, state)| *state)
    }

    /// Records the state of a node from now on.
    pub(super) fn set_state(&mut self, node: usize, now: Ns, state: NodeState) {
        if self.state(node) != state
            && let Some(node) = self.nodes.get_mut(node)
        {
            node.states.push((now, state));
        }
    }

    /// Records the version that a node has now.
    pub(super) fn set_version(&mut self, node: usize, now: Ns, version: &str) {
        if let Some(node) = self.nodes.get_mut(node)
            && node.versions.last().is_none_or(|(_, last)| last != version)
        {
            node.versions.push((now, version.to_owned()));
        }
    }

    /// Records what a node says of its trouble.
    pub(super) fn trouble(&mut self, now: Ns, who: &str, trouble: &str) {
        let detail = format!("{who} reports: {}", plain(trouble));
        self.marks.push(Mark { at_ns: now, kind: "node-trouble".into(), detail });
    }

    /// Records that a node is to become healthy again.
    pub(super) fn recovers(&mut self, fault: usize, node: usize) {
        self.recovering.push((fault, node));
    }

    /// The nodes that are to become healthy again.
    pub(super) fn recovering(&self) -> Vec<usize> {
        let mut nodes: Vec<usize> = self.recovering.iter().map(|(_, node)| *node).collect();
        nodes.sort_unstable();
        nodes.dedup();
        nodes
    }

    /// Records that a node is healthy: with the last of its nodes, a fault's nodes are.
    pub(super) fn healthy(&mut self, node: usize, now: Ns) {
        let (done, left): (Vec<_>, Vec<_>) =
            self.recovering.drain(..).partition(|(_, recovering)| *recovering == node);
        self.recovering = left;
        for (index, _) in done {
            if self.recovering.iter().any(|(fault, _)| *fault == index) {
                continue;
            }
            let Some(fault) = self.faults.get_mut(index) else { continue };
            fault.healthy_ns = Some(now);
            let after = now.saturating_sub(fault.undone_ns.unwrap_or(now));
            let who = fault.resolved.join(", ");
            let detail = format!("{}: {who} healthy {} after the undo", fault.name, seconds(after));
            self.marks.push(Mark { at_ns: now, kind: "fault-healthy".into(), detail });
        }
    }

    /// Records the current leader of something; an empty name without one.
    pub(super) fn led(&mut self, now: Ns, what: &str, who: &str) {
        let last = self.leaders.iter().rev().find(|led| led.what == what);
        if last.map(|led| led.who.as_str()) != Some(who) {
            self.leaders.push(Led { at_ns: now, what: what.to_owned(), who: who.to_owned() });
        }
    }

    /// The outcome, and the marks that are left.
    pub(super) fn conclude(&mut self) -> (Faults, Vec<Mark>) {
        let leaders = std::mem::take(&mut self.leaders);
        let mut injected = std::mem::take(&mut self.faults);
        for fault in &mut injected {
            let off = |planned: Option<Ns>, at: Option<Ns>| {
                planned.zip(at).map(|(planned, at)| planned.abs_diff(at)).filter(|off| *off > OFF_NS)
            };
            let begun = off(Some(fault.planned_ns), fault.begun_ns);
            let undone = off(fault.undo_planned_ns, fault.undone_ns);
            if let (Injection::Done, Some((what, off))) =
                (fault.outcome, begun.map(|off| ("begun", off)).or(undone.map(|off| ("undone", off))))
            {
                fault.outcome = Injection::Late;
                fault.reason = Some(format!("{what} {} off its plan", seconds(off)));
            }
            if fault.begun_ns.is_some() {
                let meta = fault.action == "step-down" && fault.target == "meta-leader";
                let what = if meta { "meta" } else { "stream" };
                let mut until = leaders.iter().filter(|led| led.what == what);
                let after = until.rfind(|led| led.at_ns <= fault.settled_ns);
                fault.leader_after = after.map(|led| led.who.clone()).filter(|who| !who.is_empty());
            }
        }
        let faults =
            Faults { injected, nodes: std::mem::take(&mut self.nodes), leaders, ..Faults::default() };
        (faults, std::mem::take(&mut self.marks))
    }
}

fn seconds(ns: Ns) -> String {
    format!("{:.3} s", num::f64_of(ns) / 1e9)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Span, Target};
    use crate::selftest::swarm;

    const S: Ns = 1_000_000_000;

    fn account() -> Account {
        let fault = |name: &str, at: u64, length: u64| plan::Fault {
            target: Some(Target::StreamLeader),
            ..swarm::fault(name, [at, length, 10].map(Span::seconds))
        };
        let account = Account::planned(&[fault("one", 5, 5), fault("two", 30, 5)], S);
        account.with(|book| book.nodes = vec![StartedNode::default(); 3]);
        account
    }

    #[test]
    fn a_fault_is_recorded_with_its_instants() {
        let account = account();
        let (faults, marks) = account.with(|book| {
            book.led(0, "stream", "n1");
            book.led(2 * S, "stream", "n1");
            book.begin(0, 6 * S + 3);
            book.set_state(0, 6 * S + 4, NodeState::Down);
            book.set_state(0, 6 * S + 5, NodeState::Down);
            book.done(0);
            book.led(7 * S, "stream", "");
            book.led(12 * S, "stream", "n2");
            book.set_state(0, 11 * S, NodeState::Up);
            book.undone(0, 11 * S + 5);
            book.done(0);
            book.recovers(0, 0);
            book.recovers(0, 2);
            assert_eq!(book.recovering(), [0, 2]);
            book.healthy(0, 12 * S);
            book.healthy(2, 13 * S);
            book.led(40 * S, "stream", "n3");
            book.conclude()
        });
        let fault = &faults.injected[0];
        assert_eq!(
            (fault.planned_ns, fault.undo_planned_ns, fault.settled_ns),
            (6 * S, Some(11 * S), 21 * S)
        );
        assert_eq!((fault.outcome, fault.begun_ns), (Injection::Done, Some(6 * S + 3)));
        assert_eq!((fault.undone_ns, fault.healthy_ns), (Some(11 * S + 5), Some(13 * S)));
        assert_eq!(fault.leader_after.as_deref(), Some("n2"));
        assert_eq!(faults.injected[1].outcome, Injection::Dropped);
        assert_eq!(faults.nodes[0].states, [(6 * S + 4, NodeState::Down), (11 * S, NodeState::Up)]);
        assert_eq!(faults.leaders.len(), 4, "changes only");
        assert_eq!(marks.len(), 1);
        assert_eq!((marks[0].kind.as_str(), marks[0].at_ns), ("fault-healthy", 13 * S));
    }

    #[test]
    fn what_is_more_than_a_quarter_of_a_second_off_its_plan_is_late() {
        for (begun, undone, late) in
            [(250, 250, None), (251, 0, Some("begun 0.251 s")), (0, 300, Some("undone 0.300 s"))]
        {
            let ms = 1_000_000;
            let (faults, marks) = account().with(|book| {
                book.begin(0, 6 * S + begun * ms);
                book.done(0);
                book.undone(0, 11 * S + undone * ms);
                book.conclude()
            });
            let fault = &faults.injected[0];
            assert_eq!(fault.outcome == Injection::Late, late.is_some(), "{fault:?}");
            assert_eq!(
                marks.iter().filter(|mark| mark.kind == "fault-late").count(),
                usize::from(late.is_some())
            );
            let reason = fault.reason.clone().unwrap_or_default();
            assert!(reason.starts_with(late.unwrap_or_default()), "{reason}");
        }
    }

    #[test]
    fn what_was_begun_and_never_completed_has_failed() {
        let (faults, _) = account().with(|book| {
            book.begin(0, 6 * S);
            book.skip(1, "nobody leads");
            book.conclude()
        });
        assert_eq!(faults.injected[0].outcome, Injection::Failed);
        assert_eq!(
            (faults.injected[1].outcome, faults.injected[1].reason.as_deref()),
            (Injection::Skipped, Some("nobody leads"))
        );
    }
}
