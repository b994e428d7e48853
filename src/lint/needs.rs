//! What a configuration is held against: a profile's plan or ADR-002, and the machine.

use crate::load;
use crate::num;
use crate::plan::{BusKind, Plan, Storage, Sync};

/// What the load needs of the servers.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Needs {
    /// Name of the profile; `None`: ADR-002 alone.
    pub profile: Option<String>,
    /// Copies of each event; `None` where nothing says how many.
    pub replicas: Option<u32>,
    /// Whether each event is to be on the disk before its acknowledgement.
    pub sync_always: bool,
    /// Whether the events are kept in memory.
    pub in_memory: bool,
    /// Size of the largest event, bytes.
    pub event_bytes: u64,
    /// Size of all events in the store, bytes, one copy.
    pub store_bytes: u64,
    /// Connections of generators and members.
    pub connections: u64,
    /// Consumers.
    pub consumers: u64,
}

impl Needs {
    /// Returns the needs of ADR-002: a cluster whose events are durable.
    #[must_use]
    pub fn adr() -> Self {
        Self::default()
    }

    /// Returns the needs of a plan.
    ///
    /// # Errors
    /// When the plan is for another kind of bus.
    pub fn of(plan: &Plan) -> Result<Self, String> {
        if plan.bus.kind != BusKind::Nats {
            return Err(format!("the profile `{}` is for another bus than NATS", plan.name));
        }
        let members = plan.groups.iter().map(|group| u64::from(group.members));
        Ok(Self {
            profile: Some(plan.name.clone()),
            replicas: Some(plan.bus.replicas),
            sync_always: plan.bus.sync == Sync::Always,
            in_memory: plan.bus.storage == Storage::Memory,
            event_bytes: load::largest_event_bytes(plan),
            store_bytes: load::volume_bytes(plan),
            connections: u64::from(plan.load.generators).saturating_add(num::sum(members)).saturating_add(1),
            consumers: num::count(plan.groups.len()),
        })
    }

    /// Returns how a text names what is needed.
    pub(super) fn named(&self) -> String {
        self.profile.as_ref().map_or_else(|| "ADR-002".to_owned(), |name| format!("the profile {name}"))
    }
}

/// What this machine has where the file's store is; only of a store that exists here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Here {
    /// Name of the file system of the store.
    pub filesystem: String,
    /// It keeps files in memory only.
    pub in_memory: bool,
    /// Bytes that the store may take: the free space plus its own size.
    pub disk_bytes: u64,
    /// Memory of the machine, bytes.
    pub memory_bytes: u64,
}
