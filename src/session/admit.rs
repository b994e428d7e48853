//! Compares the memory and broker store that a run needs with the available amounts, and reports both.

use super::error::SessionError;
use crate::host::memory::{Bound, Need, Room, rooms};
use crate::load::largest_event_bytes;
use crate::plan::{Content, Plan};
use crate::report::show::{self, size};
use crate::run::memory::{Memory, Store, Where, memory, store};

/// Returns lines that describe the memory and store that a plan needs on a broker that tickgate does not start.
pub(crate) fn told(plan: &Plan) -> Vec<String> {
    let memory = memory(plan, Where::Elsewhere);
    let most = memory.largest().map_or_else(String::new, |part| {
        format!(", {} of it for {} (`{}`)", size(part.bytes), part.what, part.key)
    });
    let mut lines = vec![format!("memory of tickgate: at most {}{most}", size(memory.total()))];
    lines.extend(store_bound(plan));
    if plan.payload.content() != Content::Envelope {
        lines.push(format!("payload: {}, up to {} B", plan.payload.describe(), largest_event_bytes(plan)));
    }
    lines
}

/// Returns the bound of a plan's store if the store has several logs or copies.
pub(crate) fn store_bound(plan: &Plan) -> Option<String> {
    several(plan, &store(plan))
}

/// Describes the bound of a store with several logs or copies, each of which has a separate bound.
fn several(plan: &Plan, store: &Store) -> Option<String> {
    let several = |n: u64, one: &str| format!(" × {}", show::several(n, one));
    let logs = store.topics.map_or_else(String::new, |topics| {
        several(topics, "topic") + &several(u64::from(plan.bus.partitions), "partition")
    });
    (store.logs * store.replicas > 1).then(|| {
        format!(
            "store: about {} in all copies, at most {} (`bus.max_bytes` {}{logs}{})",
            size(store.needed()),
            size(store.bound()),
            plan.bus.max_bytes,
            several(store.replicas, "replica")
        )
    })
}

/// Refuses a run that needs more memory than this machine has, and one whose bound makes the broker delete events that
/// it confirmed; returns a warning if that may happen.
pub(crate) fn admit(plan: &Plan, at: Where) -> Result<Option<String>, SessionError> {
    if let (Content::Samples([]), Some(path)) = (plan.payload.content(), &plan.payload.samples) {
        return Err(SessionError::Asked(format!(
            "the plan has no sample events: a record does not keep those of `{path}`; read the profile again"
        )));
    }
    let store = store(plan);
    let mut warning = None;
    let product = plan.bus.kind.product();
    // What exists has bounds of its own, of which its model warns.
    let own = plan.bus.like().or(plan.bus.attach()).is_none();
    if own && product.partitioned && at != Where::Within && store.volume > store.max_bytes {
        let why = format!(
            "the events of this run take about {}, and {} deletes the oldest of a partition beyond `bus.max_bytes`, {}, \
             though it has acknowledged them",
            size(store.volume),
            product.title,
            plan.bus.max_bytes
        );
        if !plan.load.is_closed() {
            return Err(SessionError::Asked(format!("{why}; raise `bus.max_bytes` to at least that")));
        }
        warning = Some(format!("at the highest rate {why}: a group that is so far behind loses them"));
    }
    let memory = memory(plan, at);
    let need = Need { own: memory.total(), beside: memory.beside, threads: memory.threads };
    match need.beyond(&rooms()) {
        None => Ok(warning),
        Some(room) => Err(SessionError::Memory(short(&memory, need, &room))),
    }
}

/// Returns the error for too little memory: the cause, and what to do.
fn short(memory: &Memory, need: Need, room: &Room) -> String {
    let left = size(room.bytes);
    let bound = match &room.bound {
        Bound::Machine => format!("this machine has {left} available"),
        Bound::Group(folder) => format!("the control group {} leaves {left}", folder.display()),
        Bound::AddressSpace => {
            format!("the limit of this process's address space (`ulimit -v`) leaves {left}")
        }
        Bound::Data => format!("the limit of this process's data (`ulimit -d`) leaves {left}"),
    };
    let needed = need.of(&room.bound);
    let lower = match memory.largest() {
        _ if memory.beside > memory.total() => "set `bus.storage = \"file\"`".to_owned(),
        Some(part) => format!("lower `{}` ({} of it for {})", part.key, size(part.bytes), part.what),
        None => "lower `load.generators`".to_owned(),
    };
    format!(
        "this run may take up to {} of memory, and {bound}; {lower}, or run it where there is more",
        size(needed)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{BusKind, Size};
    use crate::selftest::swarm;

    #[test]
    fn what_is_short_is_named_with_the_key_to_lower() {
        let mut plan = swarm::base(1);
        plan.market.event_size = Size { bytes: 1 << 20 };
        plan.bus.buffer_bytes = Some(Size { bytes: 1 << 30 });
        let memory = memory(&plan, Where::Elsewhere);
        let need = Need { own: memory.total(), beside: 0, threads: 1 };
        let said = |bound| short(&memory, need, &Room { bound, bytes: 3 << 20 });
        let group = said(Bound::Group("/sys/fs/cgroup/x".into()));
        for part in [
            "up to 1.",
            "GiB",
            "the control group /sys/fs/cgroup/x leaves 3.0MiB",
            "lower `bus.buffer_bytes`",
        ] {
            assert!(group.contains(part), "{group}");
        }
        assert!(said(Bound::Machine).contains("this machine has 3.0MiB available"));
        assert!(
            said(Bound::AddressSpace).contains("`ulimit -v`") && said(Bound::Data).contains("`ulimit -d`")
        );
    }

    #[test]
    fn a_bound_that_deletes_what_was_confirmed_is_refused_or_named() {
        let mut plan = swarm::base(1);
        plan.load.duration = crate::plan::Span::seconds(60);
        plan.bus.max_bytes = Size { bytes: 1 << 20 };
        assert_eq!(admit(&plan, Where::Elsewhere).unwrap(), None, "NATS refuses new ones");
        plan.bus.kind = BusKind::Kafka;
        plan.bus.audit = false;
        let refused = admit(&plan, Where::Elsewhere).unwrap_err();
        assert!(matches!(refused, SessionError::Asked(_)));
        assert!(
            refused
                .to_string()
                .contains("Kafka deletes the oldest of a partition beyond `bus.max_bytes`, 1MiB")
        );
        plan.load.arrival = crate::plan::Arrival::Closed;
        let warning = admit(&plan, Where::Elsewhere).unwrap();
        assert!(warning.unwrap().starts_with("at the highest rate the events"));
    }

    #[test]
    fn the_bound_of_several_logs_is_told_as_a_product() {
        let mut plan = swarm::base(1);
        (plan.bus.kind, plan.bus.partitions, plan.bus.replicas) = (BusKind::Kafka, 4, 3);
        let line = store_bound(&plan).unwrap();
        assert!(
            line.contains("at most 12.00GiB (`bus.max_bytes` 1GiB × 1 topic × 4 partitions × 3 replicas)"),
            "{line}"
        );
        plan.bus.kind = BusKind::Nats;
        assert!(store_bound(&plan).unwrap().contains("(`bus.max_bytes` 1GiB × 3 replicas)"));
        plan.bus.replicas = 1;
        assert_eq!(store_bound(&plan), None);
    }
}
