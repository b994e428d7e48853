//! Reads `[prices]`, which a comparison computes cost with. They are not part of a plan: no run depends on them.

use super::keys;
use super::section::{Reader, Section};
use super::tree::Table;
use crate::compare::Prices;
use crate::plan::Span;

/// `[prices]`; `None` without the table, or where one of its keys is wrong.
pub(super) fn read(root: &Table, reader: &mut Reader) -> Option<Prices> {
    let mut section = Section::open(root, "prices", keys::PRICES, reader);
    if !section.is_there() {
        return None;
    }
    let default = Prices::default();
    let longest = Span::seconds(3650 * 86_400);
    Some(Prices {
        currency: section.text("currency", &default.currency),
        core: price(&mut section, "core"),
        gib_memory: price(&mut section, "gib_memory"),
        gb_disk: price(&mut section, "gb_disk"),
        retention: section.checked("retention", default.retention, "above 0s, at most 3650d", |span| {
            span.ns > 0 && *span <= longest
        }),
    })
}

fn price(section: &mut Section<'_>, key: &str) -> f64 {
    if section.entry(key).is_none() {
        section.missing(key, "the price of a month", "20.0");
    }
    section.checked(key, 0.0, "a price from 0 on", |price| *price >= 0.0)
}
