//! Encodes an event, or the end of a batch: its subject, its reply subject and its headers.

use super::batch::{Batches, Place};
use super::conn::Conn;
use super::frames::push_number;
use crate::bus::window::Ticket;

/// An event to encode.
#[derive(Debug, Clone, Copy)]
pub(super) struct Event<'a> {
    pub(super) subject: &'a str,
    /// For servers that drop repeated ids.
    pub(super) id: Option<&'a str>,
    pub(super) payload: &'a [u8],
}

/// Writes messages to a connection. The caller checks that the connection takes them.
pub(super) struct Sending {
    pub(super) conn: Conn,
    inbox: String,
    headers: Vec<u8>,
    /// Start of the reply subjects of a fast-ingest batch, and the number of that batch.
    prefix: Vec<u8>,
    prefix_of: Option<u64>,
}

impl Sending {
    /// Creates a writer for `conn`, which listens to [`answers`] of the inbox.
    pub(super) const fn new(conn: Conn, inbox: String) -> Self {
        Self { conn, inbox, headers: Vec::new(), prefix: Vec::new(), prefix_of: None }
    }

    /// Sends an event that gets an answer of its own; returns the number of its message.
    pub(super) fn event(&mut self, ticket: Ticket, event: Event<'_>) -> u64 {
        let Self { conn, inbox, headers, .. } = self;
        headers.clear();
        push_id(headers, event.id);
        end(headers);
        let reply = |out: &mut Vec<u8>| {
            out.extend_from_slice(inbox.as_bytes());
            out.push(b'.');
            push_number(out, ticket.slot.into());
            out.push(b'-');
            push_number(out, ticket.generation.into());
        };
        conn.send(event.subject, reply, headers, event.payload)
    }

    /// Sends an event of a batch; returns the number of its message.
    pub(super) fn part(&mut self, batches: &Batches, place: Place, event: Event<'_>) -> u64 {
        self.headers.clear();
        push_id(&mut self.headers, event.id);
        if batches.are_atomic() {
            return self.atomic(place, event.subject, place.last.then_some("1"), event.payload);
        }
        let operation = if place.sequence == 1 { START } else { APPEND };
        self.fast(batches, place, operation, event.subject, event.payload)
    }

    /// Sends the end of a batch that is not full; the server does not store it. Returns the number of the message.
    pub(super) fn end(&mut self, batches: &Batches, place: Place, subject: &str) -> u64 {
        self.headers.clear();
        if batches.are_atomic() {
            return self.atomic(place, subject, Some("eob"), &[]);
        }
        self.fast(batches, place, END, subject, &[])
    }

    /// Sends a message of a fast-ingest batch, whose reply subject contains everything:
    /// `<inbox>.<batch>.<flow>.<gaps>.<sequence>.<operation>.$FI`.
    fn fast(
        &mut self,
        batches: &Batches,
        place: Place,
        operation: u64,
        subject: &str,
        payload: &[u8],
    ) -> u64 {
        let Self { conn, inbox, headers, prefix, prefix_of } = self;
        end(headers);
        if *prefix_of != Some(place.batch) {
            *prefix_of = Some(place.batch);
            prefix.clear();
            prefix.extend_from_slice(inbox.as_bytes());
            prefix.push(b'.');
            prefix.extend_from_slice(id(inbox).as_bytes());
            prefix.push(b'-');
            push_number(prefix, place.batch);
            prefix.push(b'.');
            push_number(prefix, batches.size());
            prefix.extend_from_slice(b".fail.");
        }
        let reply = |out: &mut Vec<u8>| {
            out.extend_from_slice(prefix);
            push_number(out, place.sequence);
            out.push(b'.');
            push_number(out, operation);
            out.extend_from_slice(b".$FI");
        };
        conn.send(subject, reply, headers, payload)
    }

    /// Sends a message of an atomic batch. Only the last one has a reply subject: its answer covers the whole batch.
    fn atomic(&mut self, place: Place, subject: &str, commit: Option<&str>, payload: &[u8]) -> u64 {
        let Self { conn, inbox, headers, .. } = self;
        let Place { batch, sequence, .. } = place;
        begin(headers);
        headers.extend_from_slice(b"Nats-Batch-Id: ");
        headers.extend_from_slice(id(inbox).as_bytes());
        headers.push(b'-');
        push_number(headers, batch);
        headers.extend_from_slice(b"\r\nNats-Batch-Sequence: ");
        push_number(headers, sequence);
        headers.extend_from_slice(b"\r\n");
        if let Some(commit) = commit {
            headers.extend_from_slice(b"Nats-Batch-Commit: ");
            headers.extend_from_slice(commit.as_bytes());
            headers.extend_from_slice(b"\r\n");
        }
        end(headers);
        let reply = |out: &mut Vec<u8>| {
            if commit.is_some() {
                out.extend_from_slice(inbox.as_bytes());
                out.push(b'.');
                out.extend_from_slice(id(inbox).as_bytes());
                out.push(b'-');
                push_number(out, batch);
                out.push(b'.');
                push_number(out, sequence);
            }
        };
        conn.send(subject, reply, headers, payload)
    }

    /// Returns the part of an answer's subject that identifies the message.
    pub(super) fn tail<'a>(inbox: &str, subject: &'a str) -> Option<&'a str> {
        subject.get(inbox.len() + 1..)
    }

    pub(super) fn inbox(&self) -> &str {
        &self.inbox
    }
}

/// Returns the subject on which all answers to messages with this inbox arrive.
pub(super) fn answers(inbox: &str) -> String {
    format!("{inbox}.>")
}

/// Operations of fast ingest.
const START: u64 = 0;
const APPEND: u64 = 1;
const END: u64 = 3;

fn begin(headers: &mut Vec<u8>) {
    if headers.is_empty() {
        headers.extend_from_slice(b"NATS/1.0\r\n");
    }
}

fn push_id(headers: &mut Vec<u8>, id: Option<&str>) {
    if let Some(id) = id {
        begin(headers);
        headers.extend_from_slice(b"Nats-Msg-Id: ");
        headers.extend_from_slice(id.as_bytes());
        headers.extend_from_slice(b"\r\n");
    }
}

fn end(headers: &mut Vec<u8>) {
    if !headers.is_empty() {
        headers.extend_from_slice(b"\r\n");
    }
}

/// Returns the unique part of an inbox's name.
fn id(inbox: &str) -> &str {
    inbox.rsplit_once('.').map_or(inbox, |(_, id)| id)
}

/// Parses `<slot>-<generation>`.
pub(super) fn ticket(tail: &str) -> Option<Ticket> {
    let (slot, generation) = tail.split_once('-')?;
    Some(Ticket { slot: slot.parse().ok()?, generation: generation.parse().ok()? })
}

/// Returns the batch number and the sequence of the message that an answer belongs to.
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
