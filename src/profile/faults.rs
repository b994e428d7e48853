//! Reads `[[faults]]`: what a run breaks. Each table is read by itself, repeated as often as it says, and given its start;
//! the faults are held against the plan in the module `check`.

mod check;
mod start;
#[cfg(test)]
pub(super) mod tests;

pub(super) use check::{check, regrets};

use super::keys;
use super::place::{At, quoted};
use super::section::{Reader, Section};
use super::tree::{Node, Table, Value};
use crate::plan::{Action, Cut, Expect, Fault, Poison, Rate, Refuse, Share, Span, Target, Way};
use start::Draft;

/// The most faults of a plan, repetitions included: each makes three boundaries of scopes, and an event's scope is looked up
/// among at most 64.
const MAX_FAULTS: usize = 20;
const MAX_NAME: usize = 64;
const HOUR: Span = Span::seconds(3600);
const SETTLE: Span = Span::seconds(15);
/// The word for repetitions that are spread over the measure phase.
const EVEN: &str = "even";
const NAME: &str = "1 to 64 letters, digits and `-`";

/// The faults of a plan, in the order of their starts.
pub(super) fn read(root: &Table, reader: &mut Reader, duration: Span, seed: u64) -> Vec<Fault> {
    let Some(entry) = root.get("faults") else { return Vec::new() };
    reader.place("faults", entry.key_at);
    let Value::Array(items) = &entry.node.value else {
        reader.wrong_key("faults", entry.node.at, || {
            format!("`faults` is {}; expected `[[faults]]` tables", entry.node.describe())
        });
        return Vec::new();
    };
    let mut drafts = Vec::new();
    for item in items.iter().take(MAX_FAULTS + 1) {
        let Value::Table(table) = &item.value else {
            reader.wrong_key("faults", item.at, || {
                format!("`faults` holds {}; expected a table, `[[faults]]`", item.describe())
            });
            continue;
        };
        drafts.push(draft(table, item.at, reader));
    }
    let number: usize = drafts.iter().map(Draft::number).sum();
    if number > MAX_FAULTS || items.len() > MAX_FAULTS {
        reader.wrong_key("faults", entry.key_at, || {
            format!("too many faults; expected at most {MAX_FAULTS}, `times` included")
        });
    }
    names(&drafts, reader);
    if reader.sound(&["faults", "load.duration"]) {
        start::starts(drafts, duration, seed, reader)
    } else {
        Vec::new()
    }
}

/// The name by which `--set faults.NAME.KEY` finds the table of a fault.
pub(super) fn name_of(item: &Node) -> Option<String> {
    let Value::Table(table) = &item.value else { return None };
    let text = |key: &str| match table.get(key).map(|entry| &entry.node.value) {
        Some(Value::Text(text)) => Some(text.as_str()),
        _ => None,
    };
    if let Some(name) = text("name") {
        return Some(name.to_owned());
    }
    let action = text("do")?;
    let ends = match table.get("between").map(|entry| &entry.node.value) {
        Some(Value::Array(ends)) => ends.as_slice(),
        _ => &[],
    };
    let ends = ends.iter().filter_map(|end| match &end.value {
        Value::Text(end) => Some(end.as_str()),
        _ => None,
    });
    let words: Vec<&str> = std::iter::once(action).chain(text("target")).chain(ends).collect();
    let legal = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    Some(words.join("-").chars().map(legal).take(MAX_NAME).collect())
}

/// No two faults have one name, repetitions included.
fn names(drafts: &[Draft], reader: &mut Reader) {
    let mut seen: Vec<String> = Vec::new();
    for draft in drafts {
        let copies = draft.names();
        if let Some(name) = copies.iter().find(|name| seen.contains(name)) {
            let path = format!("faults.{}", draft.fault.name);
            let at = reader.at(&path);
            reader.wrong_key(&path, at, || {
                format!("two faults are called {}; expected a `name` of its own for each", quoted(name))
            });
        }
        seen.extend(copies);
    }
}

/// A `[[faults]]` table.
fn draft(table: &Table, at: At, reader: &mut Reader) -> Draft {
    let node = Node { at, value: Value::Table(table.clone()) };
    let name = name_of(&node).unwrap_or_else(|| "?".to_owned());
    let mut section = Section::item(table, at, format!("faults.{name}"), keys::FAULT, reader);
    check_name(&name, &mut section);
    let action = action(&mut section);
    let start = start(&mut section);
    let mut fault = Fault {
        name,
        at: start.unwrap_or_default(),
        action,
        target: target(&mut section, action),
        between: between(&mut section, action),
        length: length(&mut section, action),
        settle: span(&mut section, "settle", SETTLE, HOUR),
        how: None,
        way: None,
        delay: None,
        jitter: None,
        rate: None,
        poison: poison(&mut section, action),
        expect: section.word("expect", Expect::Service),
    };
    shape(&mut section, &mut fault);
    let (times, every, even) = repeated(&mut section, &fault);
    let places = table.entries.iter().map(|entry| (entry.key.clone(), entry.node.at));
    Draft { random: start.is_none(), times, every, even, at, places: places.collect(), fault }
}

fn check_name(name: &str, section: &mut Section<'_>) {
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let at = section.entry("name").map(|entry| (entry.node.at, &entry.node.value));
    match at {
        Some((at, value)) if !matches!(value, Value::Text(_)) => {
            section.wrong("name", at, |path| format!("`{path}` is not a text; expected {NAME}"));
        }
        Some((at, _)) if name.is_empty() || name.len() > MAX_NAME || !name.chars().all(legal) => {
            section.wrong("name", at, |_| {
                format!("{} cannot be the name of a fault; expected {NAME}", quoted(name))
            });
        }
        _ => {}
    }
}

fn action(section: &mut Section<'_>) -> Action {
    if section.entry("do").is_none() {
        section.missing("do", "what breaks", "\"kill\"");
    }
    section.word("do", Action::Kill)
}

/// When it begins; `None` for a start to draw.
fn start(section: &mut Section<'_>) -> Option<Span> {
    match section.entry("at").map(|entry| &entry.node.value) {
        None => section.missing("at", "when it begins, from the start of the measure phase", "\"20s\""),
        Some(Value::Text(text)) if text == "random" => return None,
        Some(_) => {}
    }
    Some(section.value("at", Span::default()))
}

fn span(section: &mut Section<'_>, key: &str, default: Span, longest: Span) -> Span {
    section.checked(key, default, &format!("more than 0s and at most {longest}"), |span: &Span| {
        span.ns > 0 && *span <= longest
    })
}

/// Refuses a key that the action has no use for.
fn without(section: &mut Section<'_>, key: &str, action: Action, instead: &str) {
    if let Some(entry) = section.entry(key)
        && section.reader.sound(&[&section.path("do")])
    {
        section.wrong(key, entry.key_at, |path| {
            format!("`{path}` has no effect with `do = \"{action}\"`; expected {instead}")
        });
    }
}

/// The nodes or members that it acts on; a fault of links has `between` instead.
fn target(section: &mut Section<'_>, action: Action) -> Option<Target> {
    if action.is_of_links() {
        without(
            section,
            "target",
            action,
            "`between = [\"stream-leader\", \"others\"]`, the ends of the link",
        );
        return None;
    }
    let written = section.get::<String>("target").map(|word| target_of(&word));
    let default = match action {
        action if action.is_in_turn() => Some(Target::All),
        Action::StepDown => Some(Target::StreamLeader),
        _ => None,
    };
    if section.entry("target").is_none() && default.is_none() && section.reader.sound(&[&section.path("do")])
    {
        let example = match action {
            action if action.is_of_members() => "\"GROUP/1\"",
            action if action.is_of_events() => "\"GROUP\"",
            _ => "\"stream-leader\"",
        };
        section.missing("target", "whom it hits", example);
    }
    written.or(default)
}

fn target_of(word: &str) -> Target {
    word.parse().unwrap_or_else(|never: std::convert::Infallible| match never {})
}

/// The ends of the link that it acts on.
fn between(section: &mut Section<'_>, action: Action) -> Option<[Target; 2]> {
    const ENDS: &str = "the two ends of the link, such as `[\"stream-leader\", \"others\"]`";
    if !action.is_of_links() {
        without(section, "between", action, "`target`; only `partition` and `slow` act on links");
        return None;
    }
    let Some(entry) = section.entry("between") else {
        section.missing("between", "the two ends of the link", "[\"stream-leader\", \"others\"]");
        return None;
    };
    let ends: Vec<Target> =
        section.texts("between", 2)?.into_iter().map(|(word, _)| target_of(&word)).collect();
    let ends = <[Target; 2]>::try_from(ends).ok();
    if ends.is_none() {
        section.wrong("between", entry.node.at, |path| format!("`{path}` has one end; expected {ENDS}"));
    }
    ends
}

/// How long it lasts; zero for an action that ends by itself.
fn length(section: &mut Section<'_>, action: Action) -> Span {
    if action.is_instant() {
        without(section, "for", action, "no `for`, since it ends by itself");
        return Span::default();
    }
    if section.entry("for").is_none() && section.reader.sound(&[&section.path("do")]) {
        section.missing("for", "how long until it is undone", "\"8s\"");
    }
    let least = if action == Action::LameDuck { check::LAME_DUCK } else { Span { ns: 1 } };
    let expected = match action {
        Action::LameDuck => format!(
            "at least {least}, since a node in lame duck mode takes some seconds to end, and at most {HOUR}"
        ),
        _ => format!("more than 0s and at most {HOUR}"),
    };
    section.checked("for", Span::default(), &expected, |span: &Span| (least..=HOUR).contains(span))
}

/// The keys that shape a fault of links.
fn shape(section: &mut Section<'_>, fault: &mut Fault) {
    let action = fault.action;
    let only = |of: &str| format!("no such key; it belongs to `do = \"{of}\"`");
    if action == Action::Partition {
        fault.how = Some(section.word("how", Cut::default()));
    } else if action != Action::Poison {
        without(section, "how", action, "no such key; it belongs to `partition` and `poison`");
    }
    if action != Action::PowerLoss {
        without(section, keys::WRITEBACK, action, &only("power-loss"));
    }
    if action.is_of_links() {
        fault.way = Some(section.word("way", Way::default()));
    } else {
        without(section, "way", action, "no such key; it belongs to `partition` and `slow`");
    }
    if action != Action::Slow {
        for key in ["delay", "jitter", "rate"] {
            without(section, key, action, &only("slow"));
        }
        return;
    }
    let longest = Span::seconds(10);
    let mut time = |key: &str| section.entry(key).map(|_| span(section, key, Span::millis(1), longest));
    (fault.delay, fault.jitter) = (time("delay"), time("jitter"));
    fault.rate = section.entry("rate").map(|_| {
        let some = |rate: &Rate| rate.per_second > 0.0;
        section.checked("rate", Rate::per_second(1e6), "bytes a second above 0/s, such as \"1M/s\"", some)
    });
    if fault.delay.is_none() && fault.jitter.is_none() && fault.rate.is_none() {
        section.missing("delay", "a `delay`, a `jitter` or a `rate` (bytes a second)", "\"20ms\"");
    }
}

/// The events that a group refuses, and how.
fn poison(section: &mut Section<'_>, action: Action) -> Option<Poison> {
    if action != Action::Poison {
        without(section, "share", action, "no such key; it belongs to `do = \"poison\"`");
        return None;
    }
    if section.entry("share").is_none() {
        section.missing("share", "the share of the group's events that are poison", "\"0.1%\"");
    }
    let some = |share: &Share| share.of_one > 0.0;
    let share = section.checked(
        "share",
        Share { of_one: 0.001 },
        "more than 0% and at most 100%, such as \"0.1%\"",
        some,
    );
    Some(Poison { share, how: section.word("how", Refuse::default()) })
}

/// How often it is repeated, the time from one start to the next, and whether that is the measure phase over the number of times.
fn repeated(section: &mut Section<'_>, fault: &Fault) -> (u32, Span, bool) {
    let most = u32::try_from(MAX_FAULTS).unwrap_or(u32::MAX);
    let times = section.checked("times", 1, &format!("1 to {most}"), |n: &u32| (1..=most).contains(n));
    let least = Span { ns: fault.length.ns.saturating_add(fault.settle.ns) };
    let Some(entry) = section.entry("every") else {
        if times > 1 {
            section.missing("every", "the time from one start to the next", &format!("\"{least}\""));
        }
        return (times, least, false);
    };
    if matches!(&entry.node.value, Value::Text(text) if text == EVEN) {
        return (times, least, true);
    }
    if times < 2 && section.reader.sound(&[&section.path("times")]) {
        section.wrong("every", entry.node.at, |path| {
            format!(
                "`{path}` has no effect on a fault that happens once; expected `times` of 2 or more beside it"
            )
        });
    }
    let expected =
        format!("at least {least}, `for` and `settle` together, and at most {HOUR}, or \"{EVEN}\"");
    let every =
        section.checked("every", least, &expected, |every: &Span| (least..=HOUR.max(least)).contains(every));
    (times, every, false)
}

/// The words that a node of the broker may have as a target.
pub(super) const ROLES: [&str; 10] = [
    "stream-leader",
    "meta-leader",
    "consumer-leader:GROUP",
    "follower",
    "connected",
    "node-1",
    "any",
    "minority",
    "majority",
    "all",
];
