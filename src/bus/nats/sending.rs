//! How an event, or the end of a batch, is handed to the client: its subject, its reply subject and its headers.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use async_nats::client::PublishErrorKind;
use async_nats::connection::State;
use async_nats::{Client, HeaderMap, HeaderValue, Statistics, Subject};
use bytes::{Bytes, BytesMut};
use futures_util::FutureExt as _;

use super::batch::{Batches, Place};
use crate::bus::window::Ticket;

/// Payloads, ids and reply subjects are cut from blocks of this size.
const ARENA: usize = 64 * 1024;

/// An event as it waits for the wire.
#[derive(Debug)]
pub(super) struct Parcel {
    pub(super) subject: Subject,
    pub(super) payload: Bytes,
    pub(super) id: Option<Bytes>,
}

/// What became of a message that was to be handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Handed {
    /// The client has it, as the message of this number.
    Over(u64),
    /// The client's queue is full.
    Not,
    /// The client will never take it: a server that came later allows less.
    Never,
    /// The connection has ended for good.
    Closed,
}

/// Writes to one connection after the other, and counts what it wrote.
pub(super) struct Sending {
    client: Client,
    /// Messages that were handed to the client. It counts those that it has handed to a connection
    /// ([`super::link::Gone`]) in the same order.
    handed: u64,
    counts: Arc<Statistics>,
    inbox: String,
    arena: BytesMut,
}

impl Sending {
    pub(super) fn new(client: Client) -> Self {
        let inbox = client.new_inbox();
        let counts = client.statistics();
        Self { client, handed: 0, counts, inbox, arena: BytesMut::with_capacity(ARENA) }
    }

    pub(super) const fn client(&self) -> &Client {
        &self.client
    }

    /// Is there a connection? What is handed over without one waits in the client, where nobody can say when it leaves.
    pub(super) fn is_connected(&self) -> bool {
        self.client.connection_state() == State::Connected
    }

    /// How many of the messages that were handed over the client has given to a connection. The others are in its queue; but
    /// for a few in the connection's buffer, which takes no more at 64 KiB, nothing else holds payloads.
    pub(super) fn written(&self) -> u64 {
        self.counts.out_messages.load(Ordering::Relaxed)
    }

    /// Where all answers arrive.
    pub(super) fn answers(&self) -> String {
        format!("{}.>", self.inbox)
    }

    /// The part of an answer's subject that says what it is an answer to.
    pub(super) fn tail<'a>(&self, subject: &'a str) -> Option<&'a str> {
        subject.get(self.inbox.len() + 1..)
    }

    /// A copy of `bytes`, cut from the arena.
    pub(super) fn store(&mut self, bytes: &[u8]) -> Bytes {
        self.arena.extend_from_slice(bytes);
        self.arena.split().freeze()
    }

    /// Hands over an event that has an answer of its own.
    pub(super) fn event(&mut self, ticket: Ticket, parcel: &Parcel) -> Handed {
        let Self { inbox, arena, .. } = self;
        let reply = subject(arena, format_args!("{inbox}.{}-{}", ticket.slot, ticket.generation));
        self.publish(&parcel.subject, reply, msg_id(parcel), parcel.payload.clone())
    }

    /// Hands over an event of a batch.
    pub(super) fn part(&mut self, batches: &Batches, place: Place, parcel: &Parcel) -> Handed {
        let headers = msg_id(parcel);
        if batches.are_atomic() {
            let commit = place.last.then_some("1");
            return self.atomic(place, &parcel.subject, headers, commit, parcel.payload.clone());
        }
        let operation = if place.sequence == 1 { START } else { APPEND };
        let reply = self.fast_reply(batches, place, operation);
        self.publish(&parcel.subject, reply, headers, parcel.payload.clone())
    }

    /// Hands over what ends a batch that is not full; the server stores nothing of it.
    pub(super) fn end(&mut self, batches: &Batches, place: Place, subject: &Subject) -> Handed {
        if batches.are_atomic() {
            return self.atomic(place, subject, None, Some("eob"), Bytes::new());
        }
        let reply = self.fast_reply(batches, place, END);
        self.publish(subject, reply, None, Bytes::new())
    }

    /// `<inbox>.<batch>.<flow>.<gaps>.<sequence>.<operation>.$FI`: fast ingest has everything in the reply subject.
    fn fast_reply(&mut self, batches: &Batches, place: Place, operation: u8) -> Option<Subject> {
        let Self { inbox, arena, .. } = self;
        let (id, flow, Place { batch, sequence, .. }) = (id(inbox), batches.size(), place);
        subject(arena, format_args!("{inbox}.{id}-{batch}.{flow}.fail.{sequence}.{operation}.$FI"))
    }

    /// Only the last message asks for an answer: it speaks for the whole batch.
    fn atomic(
        &mut self,
        place: Place,
        subject: &Subject,
        headers: Option<HeaderMap>,
        commit: Option<&str>,
        payload: Bytes,
    ) -> Handed {
        let Place { batch, sequence, .. } = place;
        let id = format!("{}-{batch}", id(&self.inbox));
        let mut headers = headers.unwrap_or_default();
        headers.insert("Nats-Batch-Id", HeaderValue::from(id.as_str()));
        headers.insert("Nats-Batch-Sequence", HeaderValue::from(sequence));
        let reply = commit.and_then(|commit| {
            headers.insert("Nats-Batch-Commit", HeaderValue::from(commit));
            let Self { inbox, arena, .. } = self;
            self::subject(arena, format_args!("{inbox}.{id}.{sequence}"))
        });
        self.publish(subject, reply, Some(headers), payload)
    }

    fn publish(
        &mut self,
        subject: &Subject,
        reply: Option<Subject>,
        headers: Option<HeaderMap>,
        payload: Bytes,
    ) -> Handed {
        let (client, subject) = (&self.client, subject.clone());
        let sent = match (reply, headers) {
            (Some(reply), None) => client.publish_with_reply(subject, reply, payload).now_or_never(),
            (Some(reply), Some(headers)) => {
                client.publish_with_reply_and_headers(subject, reply, headers, payload).now_or_never()
            }
            (None, None) => client.publish(subject, payload).now_or_never(),
            (None, Some(headers)) => client.publish_with_headers(subject, headers, payload).now_or_never(),
        };
        match sent {
            None => Handed::Not,
            Some(Err(error)) if error.kind() == PublishErrorKind::Send => Handed::Closed,
            Some(Err(_)) => Handed::Never,
            Some(Ok(())) => {
                self.handed += 1;
                Handed::Over(self.handed)
            }
        }
    }
}

/// A subject that is written into the arena and cut from it.
fn subject(arena: &mut BytesMut, text: std::fmt::Arguments<'_>) -> Option<Subject> {
    // Writing into memory does not fail.
    let _ = arena.write_fmt(text);
    Subject::from_utf8(arena.split().freeze()).ok()
}

/// Operations of fast ingest.
const START: u8 = 0;
const APPEND: u8 = 1;
const END: u8 = 3;

fn msg_id(parcel: &Parcel) -> Option<HeaderMap> {
    let id = std::str::from_utf8(parcel.id.as_deref()?).ok()?;
    let mut headers = HeaderMap::new();
    headers.insert("Nats-Msg-Id", HeaderValue::from(id));
    Some(headers)
}

/// The part of an inbox's name that no other has.
fn id(inbox: &str) -> &str {
    inbox.rsplit_once('.').map_or(inbox, |(_, id)| id)
}

/// `<slot>-<generation>`.
pub(super) fn ticket(tail: &str) -> Option<Ticket> {
    let (slot, generation) = tail.split_once('-')?;
    Some(Ticket { slot: slot.parse().ok()?, generation: generation.parse().ok()? })
}

/// Number of the batch, and sequence in it, of the message that an answer belongs to.
pub(super) fn place(tail: &str) -> Option<(u64, u64)> {
    let (id, rest) = tail.split_once('.')?;
    let batch = id.rsplit_once('-')?.1.parse().ok()?;
    let sequence = if rest.ends_with(".$FI") { rest.split('.').nth(2)? } else { rest };
    Some((batch, sequence.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tickets_are_read_back() {
        assert_eq!(ticket("12-4294967295"), Some(Ticket { slot: 12, generation: u32::MAX }));
        for bad in ["", "12", "-", "1-", "-1", "1-2-3", "x-1", "4294967296-1"] {
            assert_eq!(ticket(bad), None, "{bad}");
        }
    }

    #[test]
    fn places_are_read_back() {
        assert_eq!(place("xY7-12.100.fail.34.1.$FI"), Some((12, 34)));
        assert_eq!(place("xY7-12.34"), Some((12, 34)));
        for bad in ["", "xY7-12", "xY7-12.", "xY7.3", "xY7-1.100.fail.x.1.$FI", "xY7-1.100.$FI", "-.1"] {
            assert_eq!(place(bad), None, "{bad}");
        }
    }
}
