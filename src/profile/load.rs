//! Reads `[load]`: rate, phases and arrival process.

use super::keys;
use super::section::{Reader, Section};
use super::tree::{Table, Value};
use crate::load::{FASTEST, usual_generators};
use crate::plan::{Arrival, Burst, Consume, Load, Pacing, Ramp, Rate, Spacing, Span, Steps};

/// The drain, at the least, where the profile does not say.
pub(super) const DRAIN: Span = Span::seconds(15);
const MAX_STEPS: usize = 100;
const RATES: &str = "a rate above 0/s and at most 1M/s";

/// The section; each generator needs its own symbol, so their number follows from `symbols` too.
pub(super) fn read(root: &Table, reader: &mut Reader, symbols: u32) -> Load {
    let mut section = Section::open(root, "load", keys::LOAD, reader);
    let max = is_max(&mut section);
    let arrival = section.word("arrival", if max { Arrival::Closed } else { Arrival::Poisson });
    if max && arrival != Arrival::Closed && section.reader.sound(&["load.arrival"]) {
        let at = section.reader.at("load.arrival");
        section.reader.wrong(at, || {
            "`load.arrival` contradicts `rate = \"max\"`, which is closed by the window; expected `\"closed\"` there, or none".to_owned()
        });
    }
    let spacing = spacing(&mut section, arrival);
    let ramp = shape(&mut section, "ramp", keys::RAMP, arrival, Arrival::Ramp, |inner| {
        let from = required_rate(inner, "from");
        Ramp { from, to: required_rate(inner, "to") }
    });
    let burst = shape(&mut section, "burst", keys::BURST, arrival, Arrival::Burst, |inner| Burst {
        rate: required_rate(inner, "rate"),
        every: required_span(inner, "every", "\"10s\""),
        length: required_span(inner, "length", "\"1s\""),
    });
    let steps = shape(&mut section, "steps", keys::STEPS, arrival, Arrival::Steps, |inner| Steps {
        rates: rates(inner),
    });
    let first = ramp.map(|ramp| ramp.from).or_else(|| steps.as_ref()?.rates.first().copied());
    let rate = match first {
        _ if max => Rate::per_second(FASTEST),
        Some(first) => rate(&mut section, "rate", first),
        None => required_rate(&mut section, "rate"),
    };
    let load = Load {
        rate,
        warmup: span(&mut section, "warmup", Span::seconds(3), "at most 10m", |s| {
            s.ns <= Span::seconds(600).ns
        }),
        duration: duration(&mut section),
        drain: span(&mut section, "drain", DRAIN, "more than 0s and at most 1h", |s| {
            s.ns > 0 && s.ns <= Span::seconds(3600).ns
        }),
        arrival,
        spacing,
        ramp,
        burst,
        steps,
        generators: 1,
        pacing: section.word("pacing", Pacing::Sleep),
        consume: section.word("consume", Consume::Live),
    };
    let generators = usual_generators(&load, symbols);
    let generators = section.checked("generators", generators, "1 to 64", |n| (1..=64).contains(n));
    Load { generators, ..load }
}

/// `rate = "max"`: as fast as the window lets it.
fn is_max(section: &mut Section<'_>) -> bool {
    section.entry("rate").is_some_and(|entry| matches!(&entry.node.value, Value::Text(text) if text == "max"))
}

/// `poisson` and `constant` imply their spacing; the others are random unless the profile sets it.
fn spacing(section: &mut Section<'_>, arrival: Arrival) -> Spacing {
    let implied = match arrival {
        Arrival::Constant | Arrival::Closed => Some(Spacing::Constant),
        Arrival::Poisson => Some(Spacing::Poisson),
        Arrival::Ramp | Arrival::Burst | Arrival::Steps => None,
    };
    let written = section.word("spacing", implied.unwrap_or(Spacing::Poisson));
    if implied.is_some_and(|implied| implied != written) && section.reader.sound(&["load.arrival"]) {
        let at = section.reader.at("load.spacing");
        section.reader.wrong(at, || {
            let implied = implied.unwrap_or(written);
            format!(
                "`load.spacing` contradicts `arrival = \"{arrival}\"`; expected `\"{implied}\"` there, or none"
            )
        });
    }
    implied.unwrap_or(written)
}

/// A table that must be there with its arrival and must not be there without.
fn shape<T>(
    section: &mut Section<'_>,
    key: &str,
    legal: &[&str],
    arrival: Arrival,
    its_own: Arrival,
    read: impl FnOnce(&mut Section<'_>) -> T,
) -> Option<T> {
    let path = section.path(key);
    let Some(entry) = section.entry(key) else {
        if arrival == its_own {
            let at = section.reader.at("load.arrival");
            section.reader.missing(&path, at, || {
                format!("`arrival = \"{key}\"` needs its table; expected [{path}] with {}", keys::list(legal))
            });
        }
        return None;
    };
    if arrival != its_own && section.reader.sound(&["load.arrival"]) {
        section.reader.wrong(entry.key_at, || {
            format!("[{path}] has no effect with `arrival = \"{arrival}\"`; expected `arrival = \"{key}\"`, or no such table")
        });
    }
    let mut inner = Section::inner(Some(entry), path, legal, section.reader);
    let value = inner.is_there().then(|| read(&mut inner));
    value.filter(|_| arrival == its_own)
}

fn legal(rate: Rate) -> bool {
    rate.per_second > 0.0 && rate.per_second <= FASTEST
}

fn rate(section: &mut Section<'_>, key: &str, default: Rate) -> Rate {
    section.checked(key, default, RATES, |rate| legal(*rate))
}

fn required_rate(section: &mut Section<'_>, key: &str) -> Rate {
    let rate = rate(section, key, Rate::per_second(1_000.0));
    if section.entry(key).is_none() {
        section.missing(key, "the events per second", "\"10k/s\"");
    }
    rate
}

fn span(
    section: &mut Section<'_>,
    key: &str,
    default: Span,
    expected: &str,
    legal: fn(&Span) -> bool,
) -> Span {
    section.checked(key, default, expected, legal)
}

fn required_span(section: &mut Section<'_>, key: &str, example: &str) -> Span {
    let span = span(section, key, Span::seconds(1), "at least 1ms", |span| *span >= Span::millis(1));
    if section.entry(key).is_none() {
        section.missing(key, "a duration", example);
    }
    span
}

fn duration(section: &mut Section<'_>) -> Span {
    const LONGEST: u64 = 7 * 86_400_000_000_000;
    let expected = "more than 0s and at most 7d";
    let duration =
        span(section, "duration", Span::seconds(10), expected, |span| span.ns > 0 && span.ns <= LONGEST);
    if section.entry("duration").is_none() {
        section.missing("duration", "how long to measure", "\"60s\"");
    }
    duration
}

fn rates(section: &mut Section<'_>) -> Vec<Rate> {
    if section.entry("rates").is_none() {
        section.missing("rates", "the rates, in order", "[\"1k/s\", \"2k/s\"]");
    }
    let mut rates = Vec::new();
    for (text, at) in section.texts("rates", MAX_STEPS).unwrap_or_default() {
        match text.parse::<Rate>() {
            Ok(rate) if legal(rate) => rates.push(rate),
            Ok(rate) => section.wrong("rates", at, |path| format!("`{path}` holds {rate}; expected {RATES}")),
            Err(error) => section.wrong("rates", at, |path| format!("`{path}`: {error}")),
        }
    }
    rates
}

/// The keys that decide how many events there are.
pub(super) const VOLUME: [&str; 7] =
    ["load.rate", "load.warmup", "load.duration", "load.arrival", "load.ramp", "load.burst", "load.steps"];
