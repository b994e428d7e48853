//! The end of a run: the drain, the events that the broker still owes, the audit, and the removal of the run's
//! streams.

use std::time::Duration;

use crate::bus::{BusError, BusSample};
use crate::market::RunIdentity;
use crate::plan::{AckMode, Ns, Plan};
use crate::record::{AUDIT_FAILED, Audit, End, PhaseName, REPLICA_UNREAD, UNAUDITED};

use super::control::Reply;
use super::crew::Crew;
use super::receiver::Stored;
use super::supervisor::{Stop, Supervisor};

/// Lowest assumed reading rate of an audit, in events per second: a quarter of what nats-server delivers on a
/// busy machine.
const AUDIT_RATE: u64 = 50_000;
/// How long to wait for a broker that is gone, after the user interrupts, or for a run that cannot pass any more.
const BRIEF: Duration = Duration::from_secs(2);
/// The same, for a drain.
pub(super) const BRIEF_NS: Ns = 2_000_000_000;
/// How long a broker that does not answer at the end of the drain may take to come back for the audit.
const LAST_CHANCE: Duration = Duration::from_secs(5);
/// The same where copies elect a leader first, which takes up to 9 s on NATS, and may take a second attempt.
const LAST_CHANCE_OF_COPIES: Duration = Duration::from_secs(20);
/// How long the copies of a store may take to be current, and to have a reader each.
const READYING_OF_COPIES: Duration = Duration::from_secs(45);
/// How long to wait for further deliveries after the last confirmed one; they can only be of unconfirmed
/// events.
pub(super) const QUIET_NS: Ns = 300_000_000;
/// How long the last acknowledgements of finished members may take to reach the broker.
pub(super) const SETTLING_NS: Ns = 2_000_000_000;

/// Waits for answers, then for deliveries, until nothing is missing or the deadline passes. Returns whether
/// deliveries had stopped by then.
pub(super) fn drain(
    supervisor: &mut Supervisor<'_, '_, '_>,
    crew: &mut dyn Crew,
    plan: &Plan,
    mut brief: bool,
) -> bool {
    let start = supervisor.now();
    let length = if brief { BRIEF_NS.min(plan.load.drain.ns) } else { plan.load.drain.ns };
    let mut deadline = start + length;
    supervisor.start_phase(PhaseName::Drain, start, deadline);
    let mut broker_died = supervisor.broker_is_dead();
    while !crew.generators_done()
        && supervisor.now() < deadline
        && supervisor.interrupt_level() < 2
        && !broker_died
    {
        broker_died = matches!(supervisor.step(), Some(Stop::BrokerDied(_)));
        deadline = sooner(supervisor, deadline, &mut brief);
    }
    let published = crew.end_generators();
    // What a group has refused has its dead letter later.
    let dead_letters = plan.dead_letters();
    let open = dead_letters || published.totals().unconfirmed + published.totals().refused > 0;
    // The receivers need a moment to count what is missing, even past the deadline.
    deadline = deadline.max(supervisor.now() + QUIET_NS);
    let mut silence = Silence::new(supervisor.now());
    while supervisor.now() < deadline && supervisor.interrupt_level() < 2 {
        broker_died |= matches!(supervisor.step(), Some(Stop::BrokerDied(_)));
        deadline = sooner(supervisor, deadline, &mut brief);
        silence.look(supervisor.now(), crew.deliveries());
        let quiet = silence.lasts(supervisor.now());
        let missing = crew.missing().iter().any(|&missing| missing > 0);
        let refused = crew.refused();
        let account =
            || supervisor.broker.account_since(silence.since()).filter(|seen| all_moved(seen, refused));
        let hopeless = broker_died || supervisor.broker.denied().is_some();
        if settled(missing, open, quiet, account) || (hopeless && quiet) {
            break;
        }
    }
    let quiet = silence.lasts(supervisor.now());
    crew.stop_receiving();
    if let (true, Some(why)) = (broker_died, supervisor.broker.death().map(str::to_owned)) {
        supervisor.ends_as(End::BrokerFailed, &why);
    }
    let now = supervisor.now();
    supervisor.end_phase(now);
    quiet
}

/// The deadline of a drain: soon, once it shows that the run cannot pass any more, where such a run is to be ended.
fn sooner(supervisor: &mut Supervisor<'_, '_, '_>, deadline: Ns, brief: &mut bool) -> Ns {
    if *brief {
        return deadline;
    }
    let Some(why) = supervisor.hopeless() else { return deadline };
    *brief = true;
    supervisor.curtailed(&why);
    deadline.min(supervisor.now() + BRIEF_NS)
}

/// Has everything arrived that can still arrive? An event without an answer may be stored, and delivered, at
/// any time: wait for it while the broker owes any group an event, and until it reports that it owes none.
pub(super) fn settled(
    missing: bool,
    open: bool,
    quiet: bool,
    account: impl FnOnce() -> Option<BusSample>,
) -> bool {
    let nothing_owed = || account().is_some_and(|sample| sample.owed.iter().all(|&owed| owed == 0));
    !missing && (!open || (quiet && nothing_owed()))
}

/// Has every event that a group has refused its dead letter?
pub(super) fn all_moved(sample: &BusSample, refused: u64) -> bool {
    sample.dead_letters.is_none_or(|seen| seen.waiting == 0 && seen.moved >= refused)
}

/// How long no group has received anything.
pub(super) struct Silence {
    deliveries: u64,
    since: Ns,
}

impl Silence {
    pub(super) const fn new(now: Ns) -> Self {
        Self { deliveries: 0, since: now }
    }

    /// Takes in the number of deliveries so far.
    pub(super) const fn look(&mut self, now: Ns, deliveries: u64) {
        if deliveries != self.deliveries {
            *self = Self { deliveries, since: now };
        }
    }

    pub(super) const fn since(&self) -> Ns {
        self.since
    }

    pub(super) const fn lasts(&self, now: Ns) -> bool {
        now > self.since + QUIET_NS
    }
}

/// What the broker still owes each group once the members have ended: a missing event is not lost while it may
/// still come. Acknowledgements in flight get a moment to arrive.
pub(super) fn owed(
    supervisor: &mut Supervisor<'_, '_, '_>,
    plan: &Plan,
    missing: &[u64],
    quiet: bool,
) -> Vec<u64> {
    if missing.iter().all(|&missing| missing == 0) {
        return vec![0; missing.len()];
    }
    let unknown = vec![u64::MAX; missing.len()];
    // Events sent without waiting for an acknowledgement are in no account while in flight.
    if plan.bus.ack == AckMode::None && !quiet {
        return unknown;
    }
    let until = supervisor.now() + SETTLING_NS;
    loop {
        if supervisor.broker_is_dead() || supervisor.interrupt_level() > 1 || !supervisor.record_store() {
            return unknown;
        }
        let owed = supervisor.broker.still_owed(supervisor.now());
        if supervisor.now() >= until
            || owed.iter().zip(missing).all(|(&owed, &missing)| owed == 0 || missing == 0)
        {
            return owed;
        }
        let _ = supervisor.step();
    }
}

/// The same after the store was read back, if more events are missing than the broker owed. A consumer that is led by a server whose copy
/// was behind did not know of what it owes; by now the copies are level.
pub(super) fn owed_by_now(
    supervisor: &mut Supervisor<'_, '_, '_>,
    owed: Vec<u64>,
    missing: &[u64],
) -> Vec<u64> {
    let explained = owed.iter().zip(missing).all(|(owed, missing)| owed >= missing);
    if explained
        || supervisor.broker_is_dead()
        || supervisor.interrupt_level() > 1
        || !supervisor.record_store()
    {
        return owed;
    }
    let by_now = supervisor.broker.still_owed(supervisor.now());
    owed.iter()
        .enumerate()
        .map(|(at, before)| by_now.get(at).map_or(*before, |now| *before.max(now)))
        .collect()
}

/// Reads the store back; a broker that does not answer has failed. One that answers and refuses to be read has not: what
/// was delivered stands, and only what the store was to show is not known.
pub(super) fn read_back(
    supervisor: &mut Supervisor<'_, '_, '_>,
    plan: &Plan,
    run: RunIdentity,
    epoch_unix_ns: u64,
    audit_within: Duration,
    brief: bool,
) -> Option<Stored> {
    // A store that is full takes no event, and what it has confirmed may still be read.
    if supervisor.broker_is_dead() && !supervisor.broker.is_full() {
        return None;
    }
    let start = supervisor.now();
    let _ = supervisor.record_store();
    let within = match (brief, supervisor.broker.silence()) {
        (true, _) => BRIEF,
        (false, Some(_)) => last_chance(plan),
        (false, None) => audit_within + reading(plan, supervisor.stored_events().unwrap_or(0)),
    };
    supervisor.start_phase(
        PhaseName::Audit,
        start,
        start + u64::try_from(within.as_nanos()).unwrap_or(u64::MAX),
    );
    supervisor.broker.control.audit(plan, run, epoch_unix_ns, within);
    // The control thread may be busy with another question when it gets the order.
    let reply = supervisor.reply(
        |reply| matches!(reply, Reply::Audited { .. } | Reply::Unaudited(_)),
        within + 2 * BRIEF,
        Duration::ZERO,
    );
    let now = supervisor.now();
    supervisor.end_phase(now);
    let (mut stored, mut refused) = (None, false);
    let failed = match reply {
        Some(Reply::Unaudited(why)) => {
            supervisor.mark(UNAUDITED, &why);
            return None;
        }
        Some(Reply::Audited { stored: read, result, took }) => {
            let read = stored.insert(*read);
            read.figures.took_ns = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
            match result {
                Ok(complete) => {
                    read.figures.complete = complete;
                    (!complete).then(|| "the deadline passed before the end of the stream".to_owned())
                }
                Err(error) => {
                    refused = matches!(error, BusError::Refused { .. });
                    Some(error.to_string())
                }
            }
        }
        _ => Some("no answer within the deadline".to_owned()),
    };
    if let Some(read) = &stored {
        note_unread(supervisor, &read.figures);
    }
    if let Some(why) = failed {
        supervisor.mark(AUDIT_FAILED, &why);
        if let Some(silence) = supervisor.broker.silence() {
            supervisor.ends_as(End::BrokerFailed, &silence);
        } else if !brief && !refused && stored.as_ref().is_none_or(|read| read.figures.read == 0) {
            supervisor.ends_as(End::BrokerFailed, &format!("the stream could not be read back: {why}"));
        }
    }
    stored
}

/// How long reading back this many events may take. Where the topics are in one log, each copy of it is read, after all of
/// them are current.
fn reading(plan: &Plan, events: u64) -> Duration {
    let partitioned = plan.bus.kind.product().partitioned;
    let copies = if partitioned { 1 } else { u64::from(plan.bus.replicas.max(1)) };
    let readying = if copies > 1 { READYING_OF_COPIES } else { Duration::ZERO };
    readying + Duration::from_secs((events / AUDIT_RATE).saturating_mul(copies))
}

/// Marks each copy of the store that was not read to its end.
fn note_unread(supervisor: &mut Supervisor<'_, '_, '_>, audit: &Audit) {
    for replica in audit.unread() {
        let why = replica.why.as_deref().unwrap_or("no reason is known");
        supervisor.mark(REPLICA_UNREAD, &format!("{}: {why}", replica.node));
    }
}

const fn last_chance(plan: &Plan) -> Duration {
    if plan.bus.replicas > 1 { LAST_CHANCE_OF_COPIES } else { LAST_CHANCE }
}

/// Removes the streams of the run.
pub(super) fn tear_down(supervisor: &mut Supervisor<'_, '_, '_>) {
    if supervisor.broker_is_dead() {
        return;
    }
    supervisor.broker.control.teardown();
    let within = if supervisor.broker.silence().is_some() { 2 * BRIEF } else { Duration::from_secs(10) };
    match supervisor.reply(|reply| matches!(reply, Reply::TornDown(_)), within, BRIEF / 2) {
        Some(Reply::TornDown(Ok(()))) => {}
        Some(Reply::TornDown(Err(error))) => supervisor.mark("left-behind", &error.to_string()),
        _ => {
            let hint = "the broker did not answer; on a bus that tickgate did not start, `tickgate clean` removes what is left";
            supervisor.mark("left-behind", hint);
        }
    }
}
