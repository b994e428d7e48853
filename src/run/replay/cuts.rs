//! What a generator notes for the comparison of replays: on which side of their boundaries its events are stored.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::bus::{Ack, Answer};
use crate::measure::{Cut, PublishLedger};
use crate::plan::{Begin, Ns, Origin, Plan};
use crate::run::shared::{Calendar, Switches};

/// Which end of a replay a boundary is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::run) enum Edge {
    Begin,
    End,
}

/// A boundary of a replay.
#[derive(Debug, Clone)]
pub(in crate::run) struct Edged {
    /// The number of the replay in the plan.
    pub(in crate::run) replay: usize,
    pub(in crate::run) edge: Edge,
    pub(in crate::run) cut: Cut,
    /// From this instant on it is passed; an end only once the replay says so.
    at: Ns,
    passed: bool,
}

/// The boundaries that a generator watches. Entering an event allocates nothing, but for runs of events that a boundary leaves
/// open.
#[derive(Debug)]
pub(in crate::run) struct Cuts {
    edges: Vec<Edged>,
    switches: Arc<Switches>,
}

impl Cuts {
    /// `None` for a plan whose replays have no boundaries.
    pub(in crate::run) fn of(plan: &Plan, calendar: Calendar, switches: &Arc<Switches>) -> Option<Self> {
        let mut edges = Vec::new();
        let mut edge = |replay, edge, cut, at| edges.push(Edged { replay, edge, cut, at, passed: false });
        for (number, replay) in plan.replays.iter().enumerate() {
            match replay.from {
                Origin::Start | Origin::LastPerSymbol => {}
                Origin::After(time) => {
                    let at = calendar.measure_start + time.ns;
                    edge(number, Edge::Begin, Cut::at(at), at);
                }
                Origin::Sequence(offset) => edge(number, Edge::Begin, Cut::before_position(offset), Ns::MAX),
            }
            // Whatever is confirmed before its planned time is stored when it begins.
            if let Begin::During(time) = replay.at {
                let at = calendar.measure_start + time.ns;
                edge(number, Edge::End, Cut::at(at), at);
            }
        }
        (!edges.is_empty()).then(|| Self { edges, switches: Arc::clone(switches) })
    }

    /// An event is about to be sent, `ledger` is that of those before it.
    pub(in crate::run) fn fire(&mut self, now: Ns, ledger: &PublishLedger) {
        for edge in self.edges.iter_mut().filter(|edge| !edge.passed && now >= edge.at) {
            // What is stored from now on is not part of a replay whose end is fixed.
            let fixed = || self.switches.opened.load(Ordering::Acquire) & (1 << edge.replay) != 0;
            if edge.edge == Edge::Begin || fixed() {
                edge.cut.pass(ledger);
                edge.passed = true;
            }
        }
    }

    /// An event has its answer.
    pub(in crate::run) fn answered(&mut self, key: usize, sequence: u32, ack: &Ack) {
        if let Answer::Stored { position, .. } = ack.outcome {
            for edge in &mut self.edges {
                edge.cut.acked(key, sequence, ack.at, position.offset);
            }
        }
    }

    /// Ends the boundaries of a generator that sends nothing further.
    pub(in crate::run) fn ended(mut self, ledger: &PublishLedger) -> Vec<Edged> {
        self.edges.iter_mut().for_each(|edge| edge.cut.end(ledger));
        self.edges
    }
}

/// The boundaries of all generators together.
pub(in crate::run) fn merged<'a>(all: impl Iterator<Item = &'a [Edged]>) -> Vec<Edged> {
    let mut merged: Vec<Edged> = Vec::new();
    for own in all {
        if merged.is_empty() {
            merged = own.to_vec();
        } else {
            merged.iter_mut().zip(own).for_each(|(mine, theirs)| mine.cut.merge(&theirs.cut));
        }
    }
    merged
}
