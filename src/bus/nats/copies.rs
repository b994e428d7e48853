//! Reads every copy of a replicated stream. A consumer reads the copy of the server that it is placed on, so each copy needs a
//! consumer of its own: with one replica, in memory, placed by the server.

use std::time::Duration;

use async_nats::jetstream::context::GetStreamErrorKind;
use async_nats::jetstream::stream::{Info, PeerInfo};

use super::audit::{Audit, Made, NO_LEADER, PAUSE, STALL};
use super::intake::{Intake, Source};
use super::member::hand_over;
use crate::bus::{BusError, Delivery, Reached, StoreCopies, StoreCopy};
use crate::num::show;
use crate::plan::Ns;

/// How long to wait for copies that are not current.
const CURRENT_WITHIN: Ns = 30_000_000_000;
/// How long to look for a reader of each copy.
const PLACED_WITHIN: Ns = 15_000_000_000;
/// How long the server may take to create one consumer.
const TRY: Ns = 2_000_000_000;
/// Attempts for each copy: the server chooses the place at random, so that all of five copies are missed once in ten million.
const TRIES: usize = 16;
/// How often a reader is replaced that stops.
const REPLACED: u32 = 3;
/// How long a copy may take to store what the leader has and it has not delivered yet.
const BEHIND: Ns = 1_000_000_000;
/// How long a consumer may be without a request before the server removes it. A reader always has one; a consumer on a
/// server that has its reader already has none. Deleting it would take a permission that a run does not need otherwise.
const UNUSED: Duration = Duration::from_secs(5);

/// The readers of all copies.
#[derive(Default)]
pub(super) struct Readers {
    /// The last sequence of the stream, by its leader.
    last: u64,
    all: Vec<Reader>,
    /// Number of consumers asked for so far.
    made: u32,
    /// Why the server last refused one.
    refused: Option<String>,
}

/// The reader of one copy.
struct Reader {
    node: String,
    /// A consumer on that server that nothing is connected to yet.
    placed: Option<Made>,
    following: Option<Following>,
    /// The first sequence that it has not read.
    next: u64,
    replaced: u32,
}

/// A consumer that delivers.
struct Following {
    intake: Intake,
    /// The number of the next delivery.
    expected: u64,
    /// Does its copy hold nothing further, by its own account?
    drained: bool,
}

impl Reader {
    const fn on(node: String, next: u64) -> Self {
        Self { node, placed: None, following: None, next, replaced: 0 }
    }

    const fn is_nowhere(&self) -> bool {
        self.placed.is_none() && self.following.is_none()
    }
}

impl Audit<'_> {
    /// Finds the copies of the stream, waits until they are current, and places a reader on each. `None` where the stream has
    /// one copy, or nothing in it, or where its state is not known by the deadline. `before` are the readers of an earlier call:
    /// the names of their consumers are not used again, since a consumer goes on where it was.
    ///
    /// # Errors
    /// When the stream cannot be read.
    pub(super) fn copies(
        &self,
        before: &Readers,
        deadline: Ns,
    ) -> Result<Option<(StoreCopies, Readers)>, BusError> {
        let Some(info) = self.by(deadline, self.info()) else { return Ok(None) };
        let first_of = |info: &Info| info.state.first_sequence.max(self.from.unwrap_or(1));
        let mut info = info?;
        if info.config.num_replicas <= 1 || info.state.messages == 0 {
            return Ok(None);
        }
        let now = self.clock.now();
        let until = now.saturating_add(CURRENT_WITHIN.min(deadline.saturating_sub(now) / 3));
        while !is_current(&info, self.from.is_some()) && self.clock.now() < until {
            std::thread::sleep(Duration::from_nanos(PAUSE));
            match self.by(until, self.info()) {
                Some(newer) => info = newer?,
                None => break,
            }
        }
        let (first, last) = (first_of(&info), info.state.last_sequence);
        let mut of = nodes(&info);
        if of.is_empty() || first > last {
            return Ok(None);
        }
        let mut readers = Readers { last, made: before.made, ..Readers::default() };
        readers.all.extend(of.iter().map(|copy| Reader::on(copy.node.clone(), first)));
        let wanted: Vec<usize> = (0..of.len()).filter(|copy| of[*copy].unread.is_none()).collect();
        let until = deadline.min(self.clock.now().saturating_add(PLACED_WITHIN));
        self.place(&mut readers, &wanted, until)?;
        for copy in wanted.into_iter().filter(|copy| readers.all[*copy].placed.is_none()) {
            let made = show::several(u64::from(readers.made - before.made), "consumer");
            let none = || format!("the server placed none of {made} on it");
            of[copy].unread = Some(readers.refused.clone().unwrap_or_else(none));
        }
        Ok(Some((StoreCopies { of, first, last }, readers)))
    }

    /// Reads a copy on, up to a sequence or beyond it. A reader that stops is replaced.
    ///
    /// # Errors
    /// When the copy cannot be read any further.
    pub(super) fn read_copy(
        &self,
        readers: &mut Readers,
        copy: usize,
        to: u64,
        open: impl Fn(Source) -> Result<Intake, BusError>,
        deadline: Ns,
        sink: &mut dyn FnMut(&Delivery<'_>),
    ) -> Result<Reached, BusError> {
        let last = readers.last;
        loop {
            let Some(reader) = readers.all.get_mut(copy) else {
                return Err(self.unreadable("it has no such copy"));
            };
            if reader.next > to {
                return Ok(Reached::Position);
            }
            if let Some(Made { source, pending, .. }) = reader.placed.take() {
                let intake = open(source)?;
                reader.following = Some(Following { intake, expected: 1, drained: pending == 0 });
            }
            if let Some(mut following) = reader.following.take()
                && let Some(reached) =
                    self.follow(&mut following, &mut reader.next, to.min(last), deadline, sink)
            {
                if reader.next > last {
                    return Ok(Reached::End);
                }
                if reached == Reached::Position {
                    reader.following = Some(following);
                }
                return Ok(reached);
            }
            if self.clock.now() >= deadline {
                return Ok(Reached::Deadline);
            }
            reader.replaced += 1;
            let (node, next) = (reader.node.clone(), reader.next);
            if reader.replaced <= REPLACED {
                self.place(readers, &[copy], deadline.min(self.clock.now().saturating_add(PLACED_WITHIN)))?;
            }
            if readers.all.get(copy).is_none_or(|reader| reader.placed.is_none()) {
                return Err(self.unreadable(&format!("the reader on {node} stopped at position {next}")));
            }
        }
    }

    /// Reads on; `None` if the consumer delivers no more, though its copy holds more.
    fn follow(
        &self,
        following: &mut Following,
        next: &mut u64,
        to: u64,
        deadline: Ns,
        sink: &mut dyn FnMut(&Delivery<'_>),
    ) -> Option<Reached> {
        while *next <= to {
            let patience = if following.drained { BEHIND } else { STALL };
            let taken = match following.intake.ready() {
                Ok(None) => following.intake.next(deadline.min(self.clock.now().saturating_add(patience))),
                other => other,
            };
            let Some(taken) = taken.ok()? else {
                return match (following.drained, self.clock.now() >= deadline) {
                    (_, true) => Some(Reached::Deadline),
                    (true, false) => Some(Reached::End),
                    (false, false) => None,
                };
            };
            let info = taken.info;
            if info.consumer_sequence != following.expected {
                return None;
            }
            following.expected += 1;
            following.drained = info.pending == 0;
            let intake = &following.intake;
            hand_over(self.layout, &intake.message(&taken), info, intake.read_at(), sink);
            *next = info.stream_sequence + 1;
        }
        Some(Reached::Position)
    }

    /// Creates consumers until each of these copies has one, or the time is over.
    ///
    /// # Errors
    /// When the server refuses one for good while none is placed.
    fn place(&self, readers: &mut Readers, wanted: &[usize], until: Ns) -> Result<(), BusError> {
        let lacks = |readers: &Readers| {
            wanted.iter().copied().find(|copy| readers.all.get(*copy).is_some_and(|r| r.placed.is_none()))
        };
        for _ in 0..TRIES * readers.all.len() {
            let Some(first) = lacks(readers) else { return Ok(()) };
            let now = self.clock.now();
            if now >= until {
                break;
            }
            let start = readers.all.get(first).map_or(1, |reader| reader.next);
            let round = readers.made;
            readers.made += 1;
            let made = self.by(until.min(now.saturating_add(TRY)), self.consumer(round, start, UNUSED));
            match made {
                Some(Ok(made)) => {
                    let free = wanted.iter().copied().find(|copy| {
                        let reader = readers.all.get(*copy);
                        reader.is_some_and(|r| r.placed.is_none() && made.node.as_ref() == Some(&r.node))
                    });
                    if let Some(reader) = free.and_then(|copy| readers.all.get_mut(copy)) {
                        reader.placed = Some(made);
                    }
                }
                Some(Err(error @ BusError::Refused { .. })) if readers.all.iter().all(Reader::is_nowhere) => {
                    return Err(error);
                }
                // The number of consumers may be limited, and unused ones are removed after a while.
                Some(Err(error)) => {
                    readers.refused = Some(error.to_string());
                    std::thread::sleep(Duration::from_nanos(PAUSE));
                }
                // Not answered: it may have been placed on a stalled server.
                None => {}
            }
        }
        Ok(())
    }

    /// Returns what the leader says of the stream and its copies. Repeats the request until it is answered.
    async fn info(&self) -> Result<Info, BusError> {
        loop {
            match self.jetstream.get_stream(&self.stream).await {
                Ok(stream) => return Ok(stream.cached_info().clone()),
                Err(error) => match error.kind() {
                    GetStreamErrorKind::JetStream(api) if api.error_code().0 != NO_LEADER => {
                        return Err(self.refused(&api));
                    }
                    _ => tokio::time::sleep(Duration::from_nanos(PAUSE)).await,
                },
            }
        }
    }
}

/// Are all copies current, with nothing left to store? Only the leader's answer says so: it lists the others, and itself as
/// the leader. Where others publish (`busy`), a copy always has something left to store.
fn is_current(info: &Info, busy: bool) -> bool {
    let of = nodes(info);
    let peers = info.cluster.iter().flat_map(|cluster| &cluster.replicas);
    of.len() >= info.config.num_replicas
        && of.iter().all(|copy| copy.unread.is_none())
        && (busy || peers.map(|peer| peer.lag.unwrap_or(0)).all(|lag| lag == 0))
}

/// The servers that keep a copy, the leader first.
fn nodes(info: &Info) -> Vec<StoreCopy> {
    let Some(cluster) = &info.cluster else { return Vec::new() };
    let Some(leader) = &cluster.leader else { return Vec::new() };
    let leader = StoreCopy { node: leader.clone(), unread: None };
    let others =
        cluster.replicas.iter().map(|peer| StoreCopy { node: peer.name.clone(), unread: behind(peer) });
    std::iter::once(leader).chain(others).collect()
}

/// Why a copy is not current.
fn behind(peer: &PeerInfo) -> Option<String> {
    if peer.offline {
        let seen = show::time(u64::try_from(peer.active.as_nanos()).unwrap_or(u64::MAX));
        return Some(format!("its server is offline, last seen {seen} ago"));
    }
    let lag = show::several(peer.lag.unwrap_or(0), "operation");
    (!peer.current).then(|| format!("not current, {lag} behind the leader"))
}

#[cfg(test)]
mod tests {
    use async_nats::jetstream::stream;

    use super::*;

    fn info(replicas: &str) -> Info {
        let config = stream::Config { name: "S".into(), num_replicas: 3, ..stream::Config::default() };
        let replicas: serde_json::Value = serde_json::from_str(&format!("[{replicas}]")).unwrap();
        let at = "2026-11-26T00:00:00Z";
        serde_json::from_value(serde_json::json!({
            "config": config,
            "created": at,
            "state": {
                "messages": 7, "bytes": 7, "first_seq": 1, "first_ts": at, "last_seq": 7, "last_ts": at, "consumer_count": 0
            },
            "cluster": {"leader": "n2", "replicas": replicas},
        }))
        .unwrap()
    }

    #[test]
    fn copies_are_current_when_the_leader_says_so_of_each() {
        let n1 = r#"{"name":"n1","current":true,"active":1000000}"#;
        let whole = info(&format!(r#"{n1},{{"name":"n3","current":true,"active":1000000}}"#));
        assert!(is_current(&whole, false));
        assert_eq!(
            nodes(&whole).iter().map(|copy| copy.node.as_str()).collect::<Vec<_>>(),
            ["n2", "n1", "n3"]
        );
        for (peer, why) in [
            (
                r#""current":false,"active":1000000,"lag":1200"#,
                "not current, 1,200 operations behind the leader",
            ),
            (
                r#""current":false,"active":12000000000,"offline":true"#,
                "its server is offline, last seen 12.0s ago",
            ),
        ] {
            let behind = info(&format!(r#"{n1},{{"name":"n3",{peer}}}"#));
            assert!(!is_current(&behind, true));
            assert_eq!(nodes(&behind)[2].unread.as_deref(), Some(why));
        }
        let lags = info(&format!(r#"{n1},{{"name":"n3","current":true,"active":1000000,"lag":3}}"#));
        assert!(!is_current(&lags, false) && is_current(&lags, true) && nodes(&lags)[2].unread.is_none());
        assert!(!is_current(&info(n1), true), "a copy that the leader does not list");
    }
}
