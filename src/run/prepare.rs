//! Preparation before the load: provision the bus, connect all workers, and prove that every group receives.
//! Reports at once when a broker that tickgate started dies meanwhile, even while its client is still waiting.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::Builder;
use std::time::{Duration, Instant};

use crate::bus::{Bus, BusError};
use crate::load::largest_event_bytes;
use crate::plan::{Plan, Size};
use crate::topology::Subscriptions;

use super::job::{Broker, Job, RunError};
use super::ready::{Groups, ready};
use super::slot::Orders;
use super::threads::Threads;

/// Interval between two checks of the broker.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Maximum time for the acknowledgements of the readiness events to reach the broker; members hold them back for up to a second.
const ACKNOWLEDGED_WITHIN: Duration = Duration::from_secs(5);

/// A message of the connecting thread.
enum Connected<B: Bus> {
    /// All members of a group.
    Members(usize, Vec<B::Member>),
    /// The last message: the bus, and a publisher for each generator.
    Done(Box<B>, Vec<B::Publisher>),
    /// What was created has been removed, as far as possible.
    Failed(BusError),
}

/// A bus on which every group receives every topic that it subscribes to, and where to send orders for its members.
pub(super) struct Prepared<B: Bus> {
    pub(super) bus: B,
    pub(super) orders: Orders<B::Member>,
}

/// Returns the bus and a connected crew in which every group receives every topic that it subscribes to.
///
/// # Errors
/// When that fails; then what was created on the bus is removed, unless the broker is dead.
pub(super) fn prepare<B: Bus + Send + 'static>(
    job: &Job<'_>,
    bus: B,
    crew: &mut Threads<B::Publisher>,
    subscriptions: &Subscriptions,
    broker: &Broker,
) -> Result<Prepared<B>, RunError> {
    let (plan, options) = (job.plan, job.options);
    let (messages, inbox) = channel();
    let connected_for = plan.clone();
    // A client that waits for a dead broker cannot be stopped: its thread is left to its own timeouts.
    Builder::new().name("provision".into()).spawn(move || connect(bus, &connected_for, &messages))?;
    let mut orders = Vec::new();
    let (mut bus, mut publishers) = loop {
        match inbox.recv_timeout(LOOK_EVERY) {
            Ok(Connected::Members(group, members)) => {
                orders.push(crew.start_group(group, subscriptions.group(group), members)?);
            }
            Ok(Connected::Done(bus, publishers)) => break (*bus, publishers),
            Ok(Connected::Failed(error)) => return Err(death(broker).unwrap_or_else(|| error.into())),
            Err(RecvTimeoutError::Timeout) => {
                if let Some(died) = death(broker) {
                    return Err(died);
                }
            }
            Err(RecvTimeoutError::Disconnected) => {
                return Err(std::io::Error::other("the thread that provisions the bus has died").into());
            }
        }
    };
    let groups = Groups { subscriptions, signals: crew.signals() };
    let ended = |bus: &B| {
        let interrupted = (job.interrupt.level() > 0).then_some(RunError::InterruptedBeforeLoad);
        interrupted.or_else(|| death(broker)).or_else(|| bus.denied().map(RunError::from))
    };
    // Where the servers are our own, neither an address nor a permission is wrong, and those that sync every write take long.
    let patience = if broker.logs.is_empty() { 1 } else { 4 };
    let (tag, within) = (job.identity.tag, options.ready_within * patience);
    let proven = ready(plan, tag, job.clock, &mut publishers, &groups, within, &|| ended(&bus))
        .and_then(|()| acknowledged(&mut bus, &ended));
    match proven {
        Ok(()) => {
            crew.publishers = publishers;
            Ok(Prepared { bus, orders })
        }
        Err(error) => {
            if !matches!(error, RunError::BrokerDied { .. }) {
                // Remove what was created before the failure; the first error is the one that matters.
                let _ = bus.teardown();
            }
            Err(error)
        }
    }
}

/// Waits until the broker has the acknowledgements of the readiness events.
fn acknowledged<B: Bus>(bus: &mut B, ended: &dyn Fn(&B) -> Option<RunError>) -> Result<(), RunError> {
    let deadline = Instant::now() + ACKNOWLEDGED_WITHIN;
    loop {
        let open = bus.unacknowledged();
        if let Some(end) = ended(bus) {
            return Err(end);
        }
        match open {
            Ok(None) => return Ok(()),
            Ok(Some(error)) | Err(error) if Instant::now() >= deadline => return Err(error.into()),
            Ok(Some(_)) | Err(_) => std::thread::sleep(LOOK_EVERY),
        }
    }
}

/// Why the broker is dead, if it is. Before the load the loss of any node counts: the run is to measure all of them.
fn death(broker: &Broker) -> Option<RunError> {
    let why = broker.death().or_else(|| broker.died().into_iter().next())?;
    Some(RunError::BrokerDied { why })
}

fn connect<B: Bus>(mut bus: B, plan: &Plan, messages: &Sender<Connected<B>>) {
    let publishers = connected(&mut bus, plan, messages);
    let sent = match publishers {
        Ok(Some(publishers)) => messages.send(Connected::Done(Box::new(bus), publishers)),
        // The caller is gone.
        Ok(None) => {
            let _ = bus.teardown();
            return;
        }
        Err(error) => {
            let _ = bus.teardown();
            messages.send(Connected::Failed(error))
        }
    };
    if let Err(unwanted) = sent
        && let Connected::Done(mut bus, _) = unwanted.0
    {
        let _ = bus.teardown();
    }
}

/// Provisions the bus and connects publishers and members; `None` when the receiver of the messages is gone.
fn connected<B: Bus>(
    bus: &mut B,
    plan: &Plan,
    messages: &Sender<Connected<B>>,
) -> Result<Option<Vec<B::Publisher>>, BusError> {
    check_size(plan, bus.facts().max_payload)?;
    bus.provision()?;
    let publishers =
        (0..plan.load.generators).map(|generator| bus.publisher(generator)).collect::<Result<_, _>>()?;
    for (group, named) in plan.groups.iter().enumerate() {
        let members =
            (0..named.members).map(|member| bus.member(group, member)).collect::<Result<Vec<_>, _>>()?;
        if messages.send(Connected::Members(group, members)).is_err() {
            return Ok(None);
        }
    }
    Ok(Some(publishers))
}

/// Checks the broker's size limit. Events can be larger than the plan's minimum size, since their content needs
/// room.
fn check_size(plan: &Plan, most: u64) -> Result<(), BusError> {
    let largest = largest_event_bytes(plan);
    if most == 0 || largest <= most {
        return Ok(());
    }
    let limit = plan.bus.kind.product().size_limit;
    Err(BusError::Environment {
        problem: format!(
            "the broker's {limit} is {}, and events of this plan have up to {largest} bytes",
            Size { bytes: most }
        ),
        hint: format!("raise `{limit}` in the broker's configuration, or {}", plan.smaller_events()),
    })
}
