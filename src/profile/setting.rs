//! Reads `[market]` and `[bus]`: what is sent, and what the bus is asked for.

use super::keys;
use super::load;
use super::section::{Reader, Section};
use super::tree::Table;
use crate::num;
use crate::plan::{
    AckMode, Bus, BusKind, Compression, Load, Market, Popularity, Publish, Size, Span, Storage, Sync,
};

pub(super) const POPULARITIES: [(&str, Popularity); 2] =
    [("uniform", Popularity::Uniform), ("zipf", Popularity::Zipf)];
pub(super) const KINDS: [(&str, BusKind); 1] = [("nats", BusKind::Nats)];
pub(super) const STORAGES: [(&str, Storage); 2] = [("file", Storage::File), ("memory", Storage::Memory)];
pub(super) const COMPRESSIONS: [(&str, Compression); 2] =
    [("none", Compression::None), ("s2", Compression::S2)];
pub(super) const SYNCS: [(&str, Sync); 2] = [("default", Sync::Default), ("always", Sync::Always)];
pub(super) const PUBLISHES: [(&str, Publish); 2] = [("async", Publish::Async), ("sync", Publish::Sync)];
pub(super) const ACKS: [(&str, AckMode); 3] =
    [("explicit", AckMode::Explicit), ("all", AckMode::All), ("none", AckMode::None)];

const MIB: u64 = 1 << 20;
const DAY: Span = Span::seconds(86_400);

/// `[market]`.
pub(super) fn market(root: &Table, reader: &mut Reader) -> Market {
    let mut section = Section::open(root, "market", keys::MARKET, reader);
    Market {
        symbols: section.checked("symbols", 500, "1 to 65535 symbols", |n| (1..=65_535).contains(n)),
        seed: section.value("seed", 1),
        popularity: section.word("popularity", Popularity::Zipf, &POPULARITIES),
        zipf_exponent: section.checked("zipf_exponent", 1.0, "0 to 10", |x| (0.0..=10.0).contains(x)),
        event_size: section
            .checked("event_size", Size { bytes: 0 }, "at most 1MiB", |size| size.bytes <= MIB),
    }
}

/// `[bus]`; the bounds of the stream follow from the volume of the load.
pub(super) fn bus(root: &Table, reader: &mut Reader, load: &Load, market: &Market) -> Bus {
    let mut section = Section::open(root, "bus", keys::BUS, reader);
    let time = |section: &mut Section<'_>, key, default, longest| {
        section.checked(key, default, &format!("more than 0s and at most {longest}"), move |span: &Span| {
            span.ns > 0 && *span <= longest
        })
    };
    Bus {
        kind: section.word("kind", BusKind::Nats, &KINDS),
        replicas: number(&mut section, "replicas", 1, 1, 5),
        storage: section.word("storage", Storage::File, &STORAGES),
        compression: section.word("compression", Compression::None, &COMPRESSIONS),
        sync: section.word("sync", Sync::Default, &SYNCS),
        publish: section.word("publish", Publish::Async, &PUBLISHES),
        window: number(&mut section, "window", 512, 1, 60_000),
        buffer: number(&mut section, "buffer", 65_536, 0, 1_000_000),
        publish_timeout: time(&mut section, "publish_timeout", Span::seconds(10), Span::seconds(600)),
        msg_id: section.value("msg_id", false),
        ack: section.word("ack", AckMode::Explicit, &ACKS),
        ack_wait: time(&mut section, "ack_wait", Span::seconds(30), Span::seconds(3600)),
        max_ack_pending: number(&mut section, "max_ack_pending", 50_000, 1, 1_000_000),
        pull_batch: number(&mut section, "pull_batch", 1_000, 1, 10_000),
        max_bytes: section
            .checked("max_bytes", max_bytes(load, market), "at least 1MiB", |size| size.bytes >= MIB),
        max_age: time(
            &mut section,
            "max_age",
            DAY.max(Span { ns: total(load).ns * 2 }),
            Span::seconds(365 * 86_400),
        ),
        partitions: number(&mut section, "partitions", 8, 1, 256),
        audit: section.value("audit", true),
    }
}

fn number(section: &mut Section<'_>, key: &str, default: u32, from: u32, to: u32) -> u32 {
    section.checked(key, default, &format!("{from} to {to}"), |n| (from..=to).contains(n))
}

/// Bytes that the events of a run take in the store, nearly: an encoded event has about 500 bytes, and the
/// broker adds the subject and a header of its own.
pub(super) fn volume(load: &Load, market: &Market) -> f64 {
    const ENCODED: u64 = 500;
    const OVERHEAD: u64 = 100;
    let (measured, warmup) = load::events(load);
    (measured + warmup) * num::f64_of(market.event_size.bytes.max(ENCODED) + OVERHEAD)
}

/// Half as much again as the volume, at least 64 MiB, in whole mebibytes.
fn max_bytes(load: &Load, market: &Market) -> Size {
    const LEAST: u64 = 64;
    let mebibytes = num::u64_of((volume(load, market) * 1.5 / num::f64_of(MIB)).ceil());
    Size { bytes: mebibytes.max(LEAST) * MIB }
}

/// Warm-up, measure and drain.
pub(super) fn total(load: &Load) -> Span {
    Span { ns: load.warmup.ns + load.duration.ns + load.drain.ns }
}
