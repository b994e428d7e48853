//! Charts of counts, as bars: reordering, topics, and symbols with trouble.

use super::Chart;
use super::catalogue::NO_LOAD;
use super::plot::Bars;
use crate::num;
use crate::record::Record;
use crate::report::show;
use crate::report::table::Table;

/// Rows of a name and a count per series.
type Rows = Vec<(String, Vec<u64>)>;

pub(super) fn extents(record: &Record) -> Chart {
    let longest = record.groups.iter().map(|g| g.extents.by_power_of_two.len()).max().unwrap_or(0);
    let rows: Rows = (0..longest)
        .map(|power| {
            let low = 1_u64.checked_shl(num::count32(power)).unwrap_or(u64::MAX);
            let high = low.saturating_mul(2) - 1;
            let name = if low == high {
                low.to_string()
            } else {
                format!("{}–{}", show::count(low), show::count(high))
            };
            let of = |g: &crate::record::Group| g.extents.by_power_of_two.get(power).copied().unwrap_or(0);
            (name, record.groups.iter().map(of).collect())
        })
        .collect();
    let names: Vec<String> = record.groups.iter().map(|g| show::plain(&g.name)).collect();
    let nothing = if record.groups.iter().all(|g| g.delivered == 0) {
        "Nothing was delivered."
    } else {
        "Every event arrived in its symbol's order."
    };
    bars(
        record,
        (
            "reordering",
            "Reordering",
            "number of events, by how many later events of the same symbol overtook them",
        ),
        "How far out of order events were (RFC 4737, reordering extent).",
        (names, rows, nothing.to_owned()),
    )
}

pub(super) fn topics(record: &Record) -> Chart {
    let mut names: Vec<&str> = record.load.by_topic.iter().map(|t| t.topic.as_str()).collect();
    names.sort_by_key(|name| {
        std::cmp::Reverse(record.load.by_topic.iter().find(|t| t.topic == *name).map_or(0, |t| t.count))
    });
    let of = |all: &[crate::record::TopicCount], name: &str| {
        all.iter().find(|t| t.topic == name).map_or(0, |t| t.count)
    };
    let rows = names.iter().map(|name| {
        let delivered = record.groups.iter().map(|g| of(&g.by_topic, name)).sum();
        ((*name).to_owned(), vec![of(&record.load.by_topic, name), delivered])
    });
    bars(
        record,
        ("topics", "Events by topic", "events over the whole run"),
        "Events published, and events received by all groups together; a topic with two groups is received twice.",
        (vec!["published".into(), "delivered".into()], rows.collect(), NO_LOAD.to_owned()),
    )
}

pub(super) fn symbols(record: &Record) -> Chart {
    let mut rows: Rows = Vec::new();
    for group in &record.groups {
        for s in &group.troubled_symbols {
            let name = format!("{} {} {}", group.name, s.symbol, s.topic);
            rows.push((show::plain(&name), vec![s.lost, s.duplicate, s.reordered]));
        }
    }
    rows.sort_by_key(|(_, values)| std::cmp::Reverse(values.iter().sum::<u64>()));
    rows.truncate(20);
    let nothing = "No event of any symbol was lost, duplicated or reordered.".to_owned();
    bars(
        record,
        ("symbols", "Symbols with trouble", "events"),
        "The most affected symbols, at most twenty; record.json has the rest.",
        (vec!["lost".into(), "duplicate".into(), "reordered".into()], rows, nothing),
    )
}

fn bars(
    record: &Record,
    (id, title, axis): (&'static str, &'static str, &'static str),
    about: &str,
    (series, rows, nothing): (Vec<String>, Rows, String),
) -> Chart {
    let mut table = Table::new(std::iter::once("").chain(series.iter().map(String::as_str)));
    for (name, values) in &rows {
        table.row(std::iter::once(show::plain(name)).chain(values.iter().map(|v| show::count(*v))));
    }
    let seen = rows.iter().take(5).map(|(name, values)| {
        let values: Vec<String> =
            series.iter().zip(values).map(|(s, v)| format!("{} {s}", show::count(*v))).collect();
        format!("{}: {}", show::plain(name), values.join(", "))
    });
    let seen = seen.collect::<Vec<_>>().join("; ");
    let picture = if record.timeline.is_empty() && rows.is_empty() {
        Err(NO_LOAD.to_owned())
    } else if rows.is_empty() {
        Err(nothing)
    } else {
        Ok(Bars { title: axis, series, rows }.picture())
    };
    Chart { id: id.to_owned(), title: title.to_owned(), about: about.to_owned(), seen, picture, table }
}
