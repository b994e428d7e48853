//! Watches the broker of a run: whether it lives, whether it answers, and whether its store is full. Owns the
//! control side of the bus.

use crate::broker::StoreWatch;
use crate::bus::BusSample;
use crate::num;
use crate::plan::Ns;
use crate::record::{End, Mark, NODE_DIED, Record, STORE_FULL, STORE_GONE};

use super::control::Control;
use super::faults::Scene;
use super::job::Broker;
use super::log::RunLog;

/// Share of the measure phase in which a node may be unseen: with more, its CPU use is unknown.
const UNSEEN: f64 = 0.1;

pub(super) struct BrokerWatch {
    pub(super) control: Control,
    broker: Broker,
    dead: Option<String>,
    /// Look for a full store in the logs of a broker that tickgate started.
    stores: Vec<StoreWatch>,
    full: bool,
    stream_leader: Option<String>,
    /// The faults of the run.
    scene: Option<Scene>,
    /// When the broker stopped answering, and its last error.
    silent: Option<(Ns, String)>,
    /// What of the run's store is gone.
    gone: Option<String>,
    /// What the broker has refused for good.
    denied: Option<String>,
    /// Everything has been received that counts: what is refused from now on changes no figure.
    settled: bool,
}

impl BrokerWatch {
    pub(super) fn new(mut broker: Broker, control: Control, scene: Option<Scene>) -> Self {
        let stores = broker.logs.drain(..).map(StoreWatch::new).collect();
        Self {
            control,
            broker,
            dead: None,
            stores,
            full: false,
            stream_leader: None,
            scene,
            silent: None,
            gone: None,
            denied: None,
            settled: false,
        }
    }

    /// Why the broker is dead or unusable.
    pub(super) fn death(&self) -> Option<&str> {
        self.dead.as_deref()
    }

    /// Is its store full? Then it takes no event any more, and may still be read.
    pub(super) const fn is_full(&self) -> bool {
        self.full
    }

    /// What the broker has refused the run for good.
    pub(super) fn denied(&self) -> Option<&str> {
        self.denied.as_deref()
    }

    /// From now on nothing that the broker refuses changes a figure.
    pub(super) const fn settle(&mut self) {
        self.settled = true;
    }

    /// Why the broker counts as failed, if it does not answer at present.
    pub(super) fn silence(&self) -> Option<String> {
        let (since, why) = self.silent.as_ref()?;
        let at = num::f64_of(*since) / 1e9;
        Some(format!(
            "the broker at {} stopped answering {at:.1} s into the run and has not come back ({why})",
            self.broker.record.address
        ))
    }

    /// Takes in what the control side has seen and checks that the broker lives.
    pub(super) fn look(&mut self, now: Ns, log: &mut RunLog<'_, '_>) {
        let seen = self.control.look();
        for mark in seen.marks {
            log.hold(Mark { at_ns: mark.at, kind: mark.kind.to_owned(), detail: mark.detail });
        }
        log.release(now);
        for mark in self.scene.iter().flat_map(Scene::marks) {
            log.keep(mark);
        }
        if let (Some(why), None, false) = (seen.denied, &self.denied, self.settled) {
            log.ends_as(End::BrokerFailed, &why);
            self.denied = Some(why);
        }
        match (seen.silent, self.silent.is_some()) {
            (Some(why), false) => {
                log.mark(now, "broker-silent", &why);
                self.silent = Some((now, why));
            }
            (None, true) => {
                self.silent = None;
                log.mark(now, "broker-answers", "the broker answers again");
            }
            _ => {}
        }
        let gone = seen.newest.and_then(|newest| newest.sample.gone);
        if self.silent.is_none() && gone != self.gone {
            self.gone = gone;
            if let Some(gone) = &self.gone {
                log.mark(now, STORE_GONE, gone);
            }
        }
        if self.dead.is_none() {
            for why in self.broker.died() {
                log.mark(now, NODE_DIED, &why);
            }
        }
        if self.dead.is_none()
            && let Some(why) = self.broker.death()
        {
            log.mark(now, "broker-died", &why);
            self.dead = Some(why);
        }
    }

    /// Checks for a full store: a broker that accepts no more events is treated as dead.
    pub(super) fn look_at_the_store(&mut self, now: Ns, log: &mut RunLog<'_, '_>) {
        let Some(line) = self.stores.iter_mut().find_map(StoreWatch::full) else { return };
        self.stores.clear();
        log.mark(now, STORE_FULL, &line);
        let why = format!(
            "the broker's store is full: it said `{line}`; make room, or name another directory with --store"
        );
        log.ends_as(End::BrokerFailed, &why);
        self.full = self.dead.is_none();
        self.dead.get_or_insert(why);
    }

    /// Takes in what the watched nodes have reported, and who leads the run's stream.
    pub(super) fn look_at_the_nodes(&mut self, now: Ns, log: &mut RunLog<'_, '_>) {
        for mark in self.broker.nodes.happened(now) {
            log.keep(mark);
        }
        let Some(leader) = self.control.newest().and_then(|newest| newest.sample.leader) else { return };
        if let Some(before) = self.stream_leader.replace(leader.clone())
            && before != leader
        {
            log.mark(
                now,
                "stream-leader",
                &format!("the leader of the run's stream is {leader}; it was {before}"),
            );
        }
    }

    /// Enters the nodes, the leader and the faults in the record, and what is not known of the nodes' use.
    pub(super) fn note_nodes(&mut self, now: Ns, record: &mut Record) {
        if let Some(scene) = self.scene.take() {
            scene.finish(record);
        }
        record.broker.stream_leader = self.stream_leader.take();
        self.broker.nodes.end(now);
        let nodes = self.broker.nodes.record();
        if nodes.is_empty() {
            return;
        }
        let measured = record.measured_seconds();
        for node in &nodes {
            let unseen = num::f64_of(node.unseen_ns) / 1e9;
            let Some(process) = record.resources.brokers.get_mut(&node.name) else { continue };
            // The node may have answered once more since its meter was read.
            process.peak_memory_bytes = process.peak_memory_bytes.max(node.memory_bytes);
            if unseen > UNSEEN * measured {
                (process.cpu_seconds, process.cpu_cores, process.cpu_unknown) = (0.0, 0.0, true);
            }
        }
        record.broker.nodes = nodes;
    }

    /// Bytes in the store, by the broker's newest figures.
    pub(super) fn stored_bytes(&self) -> Option<u64> {
        self.control.newest().and_then(|newest| newest.sample.stored_bytes.or(newest.sample.disk_bytes))
    }

    /// The broker's newest figures, if they were asked for after `moment`.
    pub(super) fn account_since(&self, moment: Ns) -> Option<BusSample> {
        self.control.newest().filter(|newest| newest.asked >= moment).map(|newest| newest.sample)
    }

    /// What the broker still owes each group, by its newest figures.
    pub(super) fn still_owed(&self, now: Ns) -> Vec<u64> {
        self.control.newest().map_or_else(Vec::new, |newest| newest.owed(now))
    }
}
