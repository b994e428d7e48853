//! Events in a user-defined format: a template, or sample events.
//!
//! An event is determined by its probe and the plan. It needs no seal: a receiver finds the id, computes the event that
//! was sent, and compares. Different bytes mean damage, unless they are equivalent JSON: then another program has
//! rewritten the event.

mod fields;
mod guard;
mod quote;
mod samples;
mod sink;
mod template;
#[cfg(test)]
mod tests;

use std::ops::Range;

pub use template::Fault;

use super::format::Content;
use super::json::Json;
use super::padding::Padding;
use super::probe::{EventId, Probe, READINESS_SYMBOL, parse_id};
use super::random::Random;
use super::symbols::{Instrument, instruments};
use super::topics::topics;
use crate::market::format::{AnyText, Format};
use crate::num;
use crate::plan::{self, Draw, Plan};
use fields::{Field, Names, Scene};
use guard::guarded;
use quote::{Quote, key};
use sink::{Compare, Count, Sink};
use template::Piece;

/// Checks a template.
///
/// # Errors
/// All mistakes in the template.
pub fn check_template(text: &str) -> Result<(), Vec<Fault>> {
    template::pieces(text).map(|_| ())
}

/// Returns whether a template has a placeholder for padding.
#[must_use]
pub fn holds_padding(text: &str) -> bool {
    let pieces = template::pieces(text).unwrap_or_default();
    pieces.iter().any(|piece| matches!(piece, Piece::Value { field: Field::Padding, .. }))
}

/// Checks a sample event whose field at `path` is replaced by the probe.
///
/// # Errors
/// The mistake in the sample or the path.
pub fn check_sample(line: &str, path: &str) -> Result<(), Fault> {
    samples::pieces(line, path).map(|_| ())
}

/// Returns the size in bytes of an event made from a sample; `None` if the sample is invalid.
#[must_use]
pub fn sample_bytes(line: &str, path: &str) -> Option<usize> {
    let pieces = samples::pieces(line, path).ok()?;
    let bytes = |piece: &Piece| match piece {
        Piece::Text(text) => text.len(),
        Piece::Value { field, .. } => field.least_bytes() + 2,
    };
    Some(pieces.iter().map(bytes).sum())
}

/// The format of a run's events: writes and reads them.
#[derive(Debug)]
pub(super) struct Own {
    seed: u64,
    padding: Padding,
    names: Vec<Names>,
    instruments: Vec<Instrument>,
    /// Symbol of readiness events.
    readiness: Instrument,
    /// The template as a single form, or one form per sample.
    forms: Vec<Form>,
    draw: Draw,
    /// Minimum offset of an id in an event.
    id_from: usize,
}

/// The pieces of an event.
#[derive(Debug)]
struct Form {
    pieces: Vec<Piece>,
    /// Whether a placeholder holds the padding.
    padded_inside: bool,
    /// Whether a placeholder holds a price or a volume.
    priced: bool,
}

impl Form {
    fn new(pieces: Vec<Piece>) -> Self {
        let any = |of: fn(Field) -> bool| {
            pieces.iter().any(|piece| matches!(piece, Piece::Value { field, .. } if of(*field)))
        };
        let padded_inside = any(|field| field == Field::Padding);
        Self { padded_inside, priced: any(Field::is_priced), pieces }
    }

    /// Returns the minimum number of bytes before the id.
    fn id_from(&self) -> usize {
        let before = self
            .pieces
            .iter()
            .take_while(|piece| !matches!(piece, Piece::Value { field: Field::EventId, quoted: false }));
        let mut bytes = 0;
        for piece in before {
            bytes += match piece {
                Piece::Text(text) => text.len(),
                // The id's opening quote.
                Piece::Value { field: Field::EventId, .. } => return bytes + 1,
                Piece::Value { field, quoted } => field.least_bytes() + 2 * usize::from(*quoted),
            };
        }
        bytes
    }

    fn write(&self, scene: &Scene<'_>, into: &mut impl Sink) {
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => into.put(text),
                Piece::Value { field, quoted: false } => scene.write(*field, into),
                Piece::Value { field, quoted: true } => {
                    into.put(b"\"");
                    scene.write(*field, into);
                    into.put(b"\"");
                }
            }
        }
    }
}

impl Own {
    /// Returns the format of a plan; `None` if that is the envelope. A plan from a record has no samples, which gives a
    /// format that writes nothing.
    pub(super) fn of(plan: &Plan) -> Option<Self> {
        let forms: Vec<Form> = match plan.payload.content() {
            plan::Content::Envelope => return None,
            plan::Content::Template(text) => template::pieces(text).into_iter().map(Form::new).collect(),
            plan::Content::Samples(lines) => {
                let path = plan.payload.id.as_deref().unwrap_or_default();
                lines.iter().filter_map(|line| samples::pieces(line, path).ok()).map(Form::new).collect()
            }
        };
        let quoted = |text: &AnyText| {
            let json = serde_json::Value::from(text.as_str()).to_string();
            json[1..json.len() - 1].to_owned()
        };
        let names = topics(&plan.topology)
            .iter()
            .map(|topic| Names { event_type: quoted(&topic.name), source: quoted(&topic.source) })
            .collect();
        Some(Self {
            seed: plan.market.seed,
            padding: Padding::of(plan),
            names,
            instruments: instruments(&plan.market),
            readiness: Instrument {
                ticker: "READY".to_owned(),
                exchange: "NASDAQ",
                tick: 100,
                start: 10_000,
                volatility: 1,
                spread: 1,
                volume: 100,
            },
            id_from: forms.iter().map(Form::id_from).min().unwrap_or(0),
            forms,
            draw: plan.payload.draw.unwrap_or_default(),
        })
    }

    /// Writes the event of a probe, whose time must fit in an id; returns `None` if the topic or symbol does not exist.
    fn put(&self, probe: Probe, into: &mut impl Sink) -> Option<()> {
        let names = self.names.get(usize::from(probe.topic))?;
        let instrument = match probe.symbol {
            READINESS_SYMBOL => &self.readiness,
            symbol => self.instruments.get(usize::from(symbol))?,
        };
        let form = self.form(probe)?;
        let quote = Quote::of(self.seed, instrument, probe);
        let quote = if form.priced { quote.priced() } else { quote };
        let mut scene = Scene { probe, names, instrument, quote, padding: self.padding, missing: 0 };
        let least_size = self.padding.least_size;
        if least_size == 0 {
            form.write(&scene, into);
            return Some(());
        }
        let mut natural = Count::default();
        form.write(&scene, &mut natural);
        let missing = least_size.saturating_sub(natural.0);
        scene.missing = if form.padded_inside { missing } else { 0 };
        form.write(&scene, into);
        for from in (scene.missing..missing).step_by(BLANKS.len()) {
            into.put(&BLANKS[..BLANKS.len().min(missing - from)]);
        }
        Some(())
    }

    /// Returns the template, or the sample whose turn it is.
    fn form(&self, probe: Probe) -> Option<&Form> {
        let forms = num::count(self.forms.len());
        let at = match self.draw {
            _ if forms < 2 => 0,
            Draw::InOrder => {
                let symbols = num::count(self.instruments.len()).max(1);
                let first = u64::from(probe.symbol) % symbols * forms / symbols;
                (first + u64::from(probe.sequence)) % forms
            }
            Draw::Random => {
                u64::from(Random::of(&[self.seed ^ (8 << 56), key(probe)]).below(num::low32(forms)))
            }
        };
        self.forms.get(num::index(at))
    }

    /// Returns the id of an event as it is written.
    pub(super) fn id(probe: Probe) -> EventId {
        EventId::of_id(&guarded(&probe.to_id()))
    }

    /// Writes an event into `into`, replacing its content.
    pub(super) fn write(&self, probe: Probe, into: &mut Vec<u8>) {
        into.clear();
        if self.put(Probe::of_id(&probe.to_id()).unwrap_or(probe), into).is_none() {
            into.clear();
        }
    }

    /// Returns the position of an event's id and its probe: the first text that has the form of an id and is known.
    fn find(
        &self,
        bytes: &[u8],
        known: impl Fn(&[u8; 16]) -> Option<Probe>,
    ) -> Option<(Range<usize>, Probe)> {
        let from = self.id_from.min(bytes.len());
        id_in(bytes, from, &known).or_else(|| id_in(bytes, 0, &known))
    }

    /// Reads an event: returns its probe, which `known` looks up by id, and the state of its content.
    pub(super) fn read(
        &self,
        bytes: &[u8],
        known: impl Fn(&[u8; 16]) -> Option<Probe>,
    ) -> Option<(Probe, Content)> {
        let (_, probe) = self.find(bytes, known)?;
        let mut sent = Compare::with(bytes);
        let written = self.put(probe, &mut sent);
        let content = match written {
            Some(()) if sent.is_same() => Content::Sealed,
            _ => self.differing(probe, bytes),
        };
        Some((probe, content))
    }

    /// Classifies an event that differs from the sent one.
    #[cold]
    fn differing(&self, probe: Probe, bytes: &[u8]) -> Content {
        let mut sent = Vec::new();
        self.write(probe, &mut sent);
        if is_damage(&sent, bytes) { Content::Damaged } else { Content::Rewritten }
    }

    /// Returns the position of an event's id, if content follows it.
    pub(super) fn id_place(&self, event: &[u8]) -> Option<Range<usize>> {
        self.find(event, Probe::of_id).map(|(place, _)| place).filter(|place| place.end < event.len())
    }

    /// Replaces the id of an event.
    pub(super) fn rename(&self, event: &mut [u8], id: Probe) {
        if let Some(place) = self.id_place(event) {
            event[place].copy_from_slice(Self::id(id).as_bytes());
        }
    }

    /// An event that another system might publish.
    pub(super) const FOREIGN_EVENT: &'static [u8] = Json::FOREIGN_EVENT;
}

/// White space that pads events whose template has no placeholder for padding.
const BLANKS: [u8; 64] = [b' '; 64];

/// Finds the first known id from an offset on.
fn id_in(
    bytes: &[u8],
    from: usize,
    known: impl Fn(&[u8; 16]) -> Option<Probe>,
) -> Option<(Range<usize>, Probe)> {
    const ID: usize = 36;
    bytes.get(from..)?.windows(ID).enumerate().find_map(|(at, text)| {
        // A cheap check that excludes most windows.
        let dashed = text[8] == b'-' && text[13] == b'-' && text[18] == b'-';
        let probe = dashed.then(|| parse_id(text)).flatten().and_then(|id| known(&guarded(&id)))?;
        Some((from + at..from + at + ID, probe))
    })
}

/// Returns whether a received event is damaged, rather than equivalent JSON. One changed byte, and a truncated or
/// extended end, are damage whatever their effect on the JSON.
fn is_damage(sent: &[u8], received: &[u8]) -> bool {
    let changed = sent.iter().zip(received).filter(|(a, b)| a != b).count();
    if changed == 0 || (sent.len() == received.len() && changed == 1) {
        return true;
    }
    let value = |bytes| serde_json::from_slice::<serde_json::Value>(bytes);
    match (value(sent), value(received)) {
        (Ok(sent), Ok(received)) => !is_same(&sent, &received),
        _ => true,
    }
}

/// Returns whether two JSON values are equal; `1` and `1.0` are the same number.
fn is_same(a: &serde_json::Value, b: &serde_json::Value) -> bool {
    use serde_json::Value;
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_same(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| is_same(a, b)))
        }
        (a, b) => a == b,
    }
}

/// The market of one generator in this format: the symbols whose index is `first` modulo `of`.
#[derive(Debug, Clone)]
pub(super) struct Encoder {
    pub(super) own: std::sync::Arc<Own>,
    pub(super) run_tag: u16,
    pub(super) first: u32,
    pub(super) of: u32,
    /// Id of the last event.
    pub(super) id: EventId,
}

impl Encoder {
    pub(super) fn encode(
        &mut self,
        into: &mut Vec<u8>,
        topic: usize,
        symbol: u32,
        sequence: u32,
        intended_unix_ns: u64,
    ) -> Option<&EventId> {
        into.clear();
        let known = topic < self.own.names.len() && num::index32(symbol) < self.own.instruments.len();
        if !known || symbol % self.of.max(1) != self.first {
            return None;
        }
        let probe = Probe {
            run_tag: self.run_tag,
            topic: num::low8(num::count(topic)),
            symbol: num::low16(u64::from(symbol)),
            sequence,
            intended_unix_ns,
        };
        self.own.write(probe, into);
        self.id = Own::id(probe);
        (!into.is_empty()).then_some(&self.id)
    }
}
