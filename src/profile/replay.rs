//! Reads `[[replay]]`: what of its events a run reads again. Each table is read by itself, then held against the plan.

use super::keys;
use super::place::{At, quoted};
use super::section::{Reader, Section};
use super::tree::{Node, Table, Value};
use crate::plan::{Begin, Origin, Plan, Replay, RetryOrder, Speed};

/// The most replays of a plan: each has a bit of its own in what the generators look at.
const MAX_REPLAYS: usize = 8;
const MAX_NAME: usize = 64;
const NAME: &str = "1 to 64 letters, digits and `-`";

/// The replays of a plan, in the order of the profile.
pub(super) fn read(root: &Table, reader: &mut Reader) -> Vec<Replay> {
    let Some(entry) = root.get("replay") else { return Vec::new() };
    reader.place("replay", entry.key_at);
    let Value::Array(items) = &entry.node.value else {
        reader.wrong_key("replay", entry.node.at, || {
            format!("`replay` is {}; expected `[[replay]]` tables", entry.node.describe())
        });
        return Vec::new();
    };
    if items.len() > MAX_REPLAYS {
        reader.wrong_key("replay", entry.key_at, || {
            format!("{} replays; expected at most {MAX_REPLAYS}", items.len())
        });
    }
    let mut replays: Vec<Replay> = Vec::new();
    for item in items.iter().take(MAX_REPLAYS) {
        let Value::Table(table) = &item.value else {
            reader.wrong_key("replay", item.at, || {
                format!("`replay` holds {}; expected a table, `[[replay]]`", item.describe())
            });
            continue;
        };
        let replay = one(table, item.at, reader);
        if replays.iter().any(|other| other.name == replay.name) {
            let path = format!("replay.{}", replay.name);
            reader.wrong_key(&path, item.at, || {
                format!(
                    "two replays are called {}; expected a `name` of its own for each",
                    quoted(&replay.name)
                )
            });
        }
        replays.push(replay);
    }
    replays
}

/// The name by which `--set replay.NAME.KEY` finds the table of a replay.
pub(super) fn name_of(item: &Node) -> Option<String> {
    let Value::Table(table) = &item.value else { return None };
    match table.get("name").map(|entry| &entry.node.value) {
        Some(Value::Text(name)) => Some(name.clone()),
        _ => None,
    }
}

/// A `[[replay]]` table.
fn one(table: &Table, at: At, reader: &mut Reader) -> Replay {
    let node = Node { at, value: Value::Table(table.clone()) };
    let name = name_of(&node).unwrap_or_else(|| "?".to_owned());
    let mut section = Section::item(table, at, format!("replay.{name}"), keys::REPLAY, reader);
    check_name(&name, &mut section);
    Replay {
        name,
        at: word(&mut section, "at", Begin::Drain, Begin::EXPECTED),
        from: word(&mut section, "from", Origin::Start, Origin::EXPECTED),
        speed: section.word("speed", Speed::Max),
    }
}

fn check_name(name: &str, section: &mut Section<'_>) {
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '-';
    match section.entry("name").map(|entry| (entry.node.at, &entry.node.value)) {
        None => section.missing("name", "what objectives call it", "\"all\""),
        Some((at, value)) if !matches!(value, Value::Text(_)) => {
            section.wrong("name", at, |path| format!("`{path}` is not a text; expected {NAME}"));
        }
        Some((at, _)) if name.is_empty() || name.len() > MAX_NAME || !name.chars().all(legal) => {
            section.wrong("name", at, |_| {
                format!("{} cannot be the name of a replay; expected {NAME}", quoted(name))
            });
        }
        Some(_) => {}
    }
}

/// A value that has words of its own.
fn word<T: std::str::FromStr<Err = String>>(
    section: &mut Section<'_>,
    key: &str,
    default: T,
    expected: &str,
) -> T {
    let Some(text) = section.get::<String>(key) else { return default };
    text.parse().unwrap_or_else(|_| {
        let at = section.reader.at(&section.path(key));
        section.wrong(key, at, |path| format!("`{path}` is {}; expected {expected}", quoted(&text)));
        default
    })
}

/// Holds the replays against the rest of the plan.
pub(super) fn check(plan: &Plan, reader: &mut Reader) {
    if plan.replays.is_empty() || !reader.sound(&["replay"]) {
        return;
    }
    if let Some(other) = plan.bus.attach().or_else(|| plan.bus.like()) {
        let at = reader.at("replay");
        reader.wrong(at, || {
            format!(
                "a replay is compared with everything that was published, and {} may remove events by rules of its own, or hold \
                 those of others; expected no [[replay]] with `attach` or `like`",
                quoted(other)
            )
        });
    }
    for replay in &plan.replays {
        times(plan, replay, reader);
        start(plan, replay, reader);
    }
}

/// Notes a mistake at a key of a replay.
pub(super) fn wrong(replay: &Replay, key: &str, reader: &mut Reader, message: impl FnOnce(&str) -> String) {
    let path = format!("replay.{}.{key}", replay.name);
    let at = reader.at(&path);
    reader.wrong(at, || message(&path));
}

/// A replay begins within the measure phase or after it, and at an event that is stored by then.
fn times(plan: &Plan, replay: &Replay, reader: &mut Reader) {
    let duration = plan.load.duration;
    if !reader.sound(&["load.duration"]) {
        return;
    }
    if let Begin::During(at) = replay.at
        && at >= duration
    {
        wrong(replay, "at", reader, |path| {
            format!(
                "`{path}` is {at}, and the measure phase is over after {duration}; expected less, or \"drain\""
            )
        });
        return;
    }
    let Origin::After(from) = replay.from else { return };
    let (end, which) = match replay.at {
        Begin::During(at) => (at, "when it begins"),
        Begin::Drain => (duration, "when the measure phase ends"),
    };
    if from >= end {
        wrong(replay, "from", reader, |path| {
            format!("`{path}` is {from}: nothing is stored behind that {which}, at {end}; expected less")
        });
    }
    if !from.ns.is_multiple_of(1_000_000) {
        wrong(replay, "from", reader, |path| {
            format!("`{path}` is {from}; expected whole milliseconds, since stores keep no finer times")
        });
    }
}

/// Where it begins can be told from what the publisher knows.
fn start(plan: &Plan, replay: &Replay, reader: &mut Reader) {
    match replay.from {
        Origin::Sequence(0) if !plan.bus.kind.product().partitioned && reader.sound(&["bus.kind"]) => {
            wrong(replay, "from", reader, |path| {
                format!(
                    "`{path}` is \"seq 0\", and the sequence of a stream begins with 1; expected \"seq 1\", or \"start\""
                )
            });
        }
        Origin::LastPerSymbol
            if !plan.topology.symbol_in_subject
                && !plan.bus.kind.product().partitioned
                && reader.sound(&["topology", "bus.kind"]) =>
        {
            wrong(replay, "from", reader, |path| {
                format!(
                    "`{path}` is \"last-per-symbol\", and the stream knows the last event of a subject only; expected \
                     `symbol_in_subject = true` in [topology]"
                )
            });
        }
        Origin::LastPerSymbol if plan.bus.retries() && plan.bus.retry_order == RetryOrder::None => {
            wrong(replay, "from", reader, |path| {
                format!(
                    "`{path}` is \"last-per-symbol\", and with `bus.retry_order = \"none\"` the event of a symbol that was sent \
                     last need not be stored last; expected \"per-symbol\""
                )
            });
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::{Source, read, to_toml};

    fn plan_of(text: &str, sets: &[&str]) -> Result<Plan, String> {
        let text = format!("[load]\nrate = \"1k/s\"\nduration = \"60s\"\n{text}");
        let sets: Vec<String> = sets.iter().map(ToString::to_string).collect();
        read(&Source::new("p", text), &sets).map_err(|errors| errors.to_string())
    }

    const ALL: &str = r#"
[topology]
base = "adr-002"
symbol_in_subject = true
[[replay]]
name = "all"
[[replay]]
name = "late"
at = "30s"
from = "10s"
[[replay]]
name = "by-number"
from = "seq 1000"
speed = "max"
[[replay]]
name = "last"
from = "last-per-symbol"
[[replay]]
name = "slow"
from = "55s"
speed = "original"
[objectives]
"replay.all.equal" = "== 100%"
"replay.all.rate" = ">= 300k/s"
"replay.slow.drift" = "<= 1s"
"#;

    #[test]
    fn replays_are_read_and_written() {
        let plan = plan_of(ALL, &[]).unwrap();
        let words: Vec<String> = plan.replays.iter().map(Replay::in_words).collect();
        assert_eq!(
            words,
            [
                "from start, at drain, max speed",
                "from 10s, at 30s, max speed",
                "from seq 1000, at drain, max speed",
                "from last-per-symbol, at drain, max speed",
                "from 55s, at drain, original speed",
            ]
        );
        assert_eq!(read(&Source::new("p", to_toml(&plan)), &[]).unwrap(), plan);
        let later = plan_of(ALL, &["replay.late.at=40s"]).unwrap();
        assert_eq!(later.replay("late").unwrap().at.to_string(), "40s");
        let none = plan_of(ALL, &["replay.early.at=40s"]).unwrap_err();
        assert!(none.contains("lists no replay `early`"), "{none}");
    }

    #[test]
    fn every_mistake_is_reported_at_once() {
        let text = r#"
[[replay]]
at = "soon"
from = "begin"
speed = "fast"
[[replay]]
name = "a b"
to = "end"
[[replay]]
name = "twice"
[[replay]]
name = "twice"
"#;
        let errors = plan_of(text, &[]).unwrap_err();
        for part in [
            "`replay.?.name` is missing; expected what objectives call it",
            "`replay.?.at` is `soon`; expected \"drain\", or a time",
            "`replay.?.from` is `begin`; expected \"start\", a time",
            "`replay.?.speed` is `fast`; expected `max` or `original`",
            "`a b` cannot be the name of a replay",
            "unknown key `to` in [replay.a b]",
            "two replays are called `twice`",
        ] {
            assert!(errors.contains(part), "{part}\n{errors}");
        }
        assert!(plan_of("replay = 3", &[]).is_err());
        let many = "[[replay]]\nname = \"x\"\n".repeat(9);
        assert!(plan_of(&many, &[]).unwrap_err().contains("9 replays; expected at most 8"));
    }

    fn refused(keys: &str, sets: &[&str]) -> String {
        plan_of(&format!("[[replay]]\nname = \"r\"\n{keys}"), sets).unwrap_err()
    }

    #[test]
    fn a_replay_that_the_plan_cannot_have_is_refused_with_the_reason() {
        let kafka: &[&str] = &["bus.kind=kafka"];
        let leader: &[&str] = &["bus.kind=kafka", "bus.kafka.acks=leader", "bus.kafka.idempotence=false"];
        let none: &[&str] = &["bus.kind=kafka", "bus.kafka.acks=none", "bus.kafka.idempotence=false"];
        for (keys, sets, part) in [
            ("at = \"60s\"", &[][..], "`replay.r.at` is 1m, and the measure phase is over after 1m"),
            ("from = \"60s\"", &[], "nothing is stored behind that when the measure phase ends, at 1m"),
            ("from = \"30s\"\nat = \"30s\"", &[], "nothing is stored behind that when it begins, at 30s"),
            ("from = \"1500us\"", &[], "expected whole milliseconds"),
            ("from = \"seq 0\"", &[], "begins with 1"),
            ("from = \"last-per-symbol\"", &[], "expected `symbol_in_subject = true`"),
            ("from = \"last-per-symbol\"", kafka, "only a compacted topic keeps the last event of each key"),
            ("speed = \"original\"", kafka, "a consumer would have to wait by itself"),
            ("at = \"5s\"", leader, "expected `acks = \"all\"`"),
            ("from = \"seq 5\"", none, "nobody says where an event is stored"),
            ("", &["bus.nats.attach=THEIRS"], "expected no [[replay]] with `attach` or `like`"),
            (
                "from = \"last-per-symbol\"",
                &["topology.symbol_in_subject=true", "bus.retry=5s", "bus.retry_order=none"],
                "need not be stored last",
            ),
        ] {
            let errors = refused(keys, sets);
            assert!(errors.contains(part), "{keys}: {part}\n{errors}");
        }
        assert!(plan_of("[[replay]]\nname = \"r\"\nfrom = \"seq 0\"", kafka).is_ok(), "offsets begin with 0");
    }

    #[test]
    fn an_objective_names_a_replay_that_has_the_figure() {
        let replay = "[[replay]]\nname = \"all\"\n[objectives]\n";
        let unknown = plan_of(&format!("{replay}\"replay.al.equal\" = \"== 100%\""), &[]).unwrap_err();
        assert!(unknown.contains("no replay `al`; expected `all`; did you mean `all`?"), "{unknown}");
        let fast = plan_of(&format!("{replay}\"replay.all.drift\" = \"< 1s\""), &[]).unwrap_err();
        assert!(fast.contains("has no pauses to keep"), "{fast}");
        let none = plan_of("[objectives]\n\"replay.all.rate\" = \"> 1/s\"", &[]).unwrap_err();
        assert!(none.contains("the profile has no [[replay]]"), "{none}");
    }
}
