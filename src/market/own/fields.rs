//! The placeholders that a template can use, and their values for an event.

use super::guard::guarded;
use super::quote::Quote;
use super::sink::Sink;
use crate::market::json::Clock;
use crate::market::padding::Padding;
use crate::market::probe::{Probe, join, write_id};
use crate::market::random::Random;
use crate::market::symbols::Instrument;
use crate::num;

/// A placeholder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    EventId,
    CorrelationId,
    EventType,
    Timestamp,
    TimestampMs,
    TimestampUs,
    TimestampNs,
    Version,
    Source,
    Symbol,
    Exchange,
    Price,
    Bid,
    Ask,
    Volume,
    Open,
    High,
    Low,
    Close,
    Trades,
    OrderId,
    Side,
    Quantity,
    Sequence,
    Padding,
}

/// The placeholders by name, in display order.
pub(super) const FIELDS: [(&str, Field); 25] = [
    ("eventId", Field::EventId),
    ("correlationId", Field::CorrelationId),
    ("eventType", Field::EventType),
    ("timestamp", Field::Timestamp),
    ("timestampMs", Field::TimestampMs),
    ("timestampUs", Field::TimestampUs),
    ("timestampNs", Field::TimestampNs),
    ("version", Field::Version),
    ("source", Field::Source),
    ("symbol", Field::Symbol),
    ("exchange", Field::Exchange),
    ("price", Field::Price),
    ("bid", Field::Bid),
    ("ask", Field::Ask),
    ("volume", Field::Volume),
    ("open", Field::Open),
    ("high", Field::High),
    ("low", Field::Low),
    ("close", Field::Close),
    ("trades", Field::Trades),
    ("orderId", Field::OrderId),
    ("side", Field::Side),
    ("quantity", Field::Quantity),
    ("sequence", Field::Sequence),
    ("padding", Field::Padding),
];

impl Field {
    /// Returns whether the value is text, which needs quotes.
    pub(super) const fn is_text(self) -> bool {
        !matches!(
            self,
            Self::TimestampMs
                | Self::TimestampUs
                | Self::TimestampNs
                | Self::Price
                | Self::Bid
                | Self::Ask
                | Self::Volume
                | Self::Open
                | Self::High
                | Self::Low
                | Self::Close
                | Self::Trades
                | Self::Quantity
                | Self::Sequence
        )
    }

    /// Returns whether the value depends on the figures of a quote.
    pub(super) const fn is_priced(self) -> bool {
        matches!(
            self,
            Self::Price | Self::Bid | Self::Ask | Self::Volume | Self::High | Self::Low | Self::Close
        )
    }

    /// Returns the length of the value in bytes if it is the same in every event; else the minimum.
    pub(super) const fn least_bytes(self) -> usize {
        match self {
            Self::EventId | Self::CorrelationId => 36,
            Self::Timestamp => 27,
            Self::Padding => 0,
            _ => 1,
        }
    }
}

/// Names related to a topic, escaped for use between quotes.
#[derive(Debug)]
pub(super) struct Names {
    pub(super) event_type: String,
    pub(super) source: String,
}

/// Inputs that determine the values of an event.
pub(super) struct Scene<'a> {
    pub(super) probe: Probe,
    pub(super) names: &'a Names,
    pub(super) instrument: &'a Instrument,
    pub(super) quote: Quote<'a>,
    pub(super) padding: Padding,
    /// Length of the padding, bytes.
    pub(super) missing: usize,
}

impl Scene<'_> {
    /// Writes the value of a field as it appears between quotes, or as a bare number.
    pub(super) fn write(&self, field: Field, into: &mut impl Sink) {
        let (probe, quote) = (self.probe, &self.quote);
        match field {
            Field::EventId => id(&guarded(&probe.to_id()), into),
            Field::CorrelationId => id(&self.correlation_id(), into),
            Field::EventType => into.put(self.names.event_type.as_bytes()),
            Field::Timestamp => into.put(Clock::default().text(probe.intended_unix_ns)),
            Field::TimestampMs => whole(probe.intended_unix_ns / 1_000_000, into),
            Field::TimestampUs => whole(probe.intended_unix_ns / 1_000, into),
            Field::TimestampNs => whole(probe.intended_unix_ns, into),
            Field::Version => into.put(crate::market::format::VERSION.as_bytes()),
            Field::Source => into.put(self.names.source.as_bytes()),
            Field::Symbol => into.put(self.instrument.ticker.as_bytes()),
            Field::Exchange => into.put(self.instrument.exchange.as_bytes()),
            Field::Price | Field::Close => self.money(quote.price, into),
            Field::Bid => self.money(quote.bid, into),
            Field::Ask => self.money(quote.ask, into),
            Field::Volume => whole(quote.volume, into),
            Field::Open => self.money(quote.open(), into),
            Field::High => self.money(quote.high(), into),
            Field::Low => self.money(quote.low(), into),
            Field::Trades => whole(quote.trades(), into),
            Field::OrderId => {
                into.put(b"ord-");
                into.put(self.instrument.ticker.as_bytes());
                into.put(b"-");
                whole(u64::from(probe.sequence), into);
            }
            Field::Side => into.put(quote.side().as_bytes()),
            Field::Quantity => whole(quote.quantity(), into),
            Field::Sequence => whole(u64::from(probe.sequence), into),
            Field::Padding => self.pad(into),
        }
    }

    /// Returns a random UUID (version 4) derived from the event.
    fn correlation_id(&self) -> [u8; 16] {
        let mut random: Random = self.quote.random(6);
        let version = (random.bits() & !0xf000) | 0x4000;
        let variant = (random.bits() >> 2) | (0b10 << 62);
        join(version, variant)
    }

    fn money(&self, ticks: i64, into: &mut impl Sink) {
        decimal(ticks * self.instrument.tick, into);
    }

    fn pad(&self, into: &mut impl Sink) {
        const PART: usize = 64;
        let mut part = [0; PART];
        for from in (0..self.missing).step_by(PART) {
            let part = &mut part[..PART.min(self.missing - from)];
            self.padding.write(self.probe, from, part);
            into.put(part);
        }
    }
}

fn id(id: &[u8; 16], into: &mut impl Sink) {
    let mut text = [0; 36];
    write_id(id, &mut text);
    into.put(&text);
}

/// Digits of the largest number.
const DIGITS: usize = 20;

fn whole(mut n: u64, into: &mut impl Sink) {
    let mut text = [b'0'; DIGITS];
    let mut from = DIGITS;
    while n > 0 || from == DIGITS {
        from -= 1;
        text[from] = b'0' + num::low8(n % 10);
        n /= 10;
    }
    into.put(&text[from..]);
}

/// Writes a number in units of 1/10,000 in its shortest form.
fn decimal(ten_thousandths: i64, into: &mut impl Sink) {
    if ten_thousandths < 0 {
        into.put(b"-");
    }
    let n = ten_thousandths.unsigned_abs();
    whole(n / 10_000, into);
    let fraction = n % 10_000;
    if fraction > 0 {
        let digit = |place: u64| b'0' + num::low8(fraction / place % 10);
        let text = [b'.', digit(1_000), digit(100), digit(10), digit(1)];
        let zeros = text.iter().rev().take_while(|byte| **byte == b'0').count();
        into.put(&text[..text.len() - zeros]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut into = Vec::new();
        write(&mut into);
        String::from_utf8(into).expect("ASCII")
    }

    #[test]
    fn every_placeholder_has_one_name() {
        for (at, (name, field)) in FIELDS.iter().enumerate() {
            assert!(FIELDS[..at].iter().all(|(other, of)| other != name && of != field), "{name}");
        }
    }

    proptest! {
        #[test]
        fn numbers_are_as_others_write_them(n: u64, bits in 0_u32..64, money in -10_000_000_000_i64..10_000_000_000) {
            prop_assert_eq!(text(|into| whole(n >> bits, into)), (n >> bits).to_string());
            let written = text(|into| decimal(money, into));
            let value: serde_json::Value = serde_json::from_str(&written).expect("a number");
            prop_assert_eq!(value.to_string(), written);
        }
    }
}
