//! The fields of stream and consumer configurations, and how a copy treats each of them.

use serde_json::{Map, Value};

/// A configuration, as in the server's API.
pub type Fields = Map<String, Value>;

use Kind::{List, Number, Switch, Table, Text};

/// Type of a field's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Number,
    Switch,
    List,
    Table,
}

/// How a copy treats a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    /// The copy has the same value.
    Copied,
    /// The copy has its own value, without a message: names, subjects, marks.
    Own,
    /// The copy lacks the field, for this reason.
    Left(&'static str),
}

/// A known field.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) rule: Rule,
}

const fn copied(name: &'static str, kind: Kind) -> Field {
    Field { name, kind, rule: Rule::Copied }
}

const fn own(name: &'static str, kind: Kind) -> Field {
    Field { name, kind, rule: Rule::Own }
}

const fn left(name: &'static str, kind: Kind, why: &'static str) -> Field {
    Field { name, kind, rule: Rule::Left(why) }
}

/// The fields of a stream.
pub(super) const STREAM: &[Field] = &[
    own("name", Text),
    own("description", Text),
    own("subjects", List),
    own("metadata", Table),
    copied("retention", Text),
    copied("storage", Text),
    copied("num_replicas", Number),
    copied("discard", Text),
    copied("discard_new_per_subject", Switch),
    copied("max_consumers", Number),
    copied("max_msgs", Number),
    copied("max_bytes", Number),
    copied("max_age", Number),
    copied("max_msgs_per_subject", Number),
    copied("max_msg_size", Number),
    copied("compression", Text),
    copied("placement", Table),
    copied("duplicate_window", Number),
    copied("consumer_limits", Table),
    copied("allow_direct", Switch),
    copied("allow_rollup_hdrs", Switch),
    copied("allow_msg_ttl", Switch),
    copied("allow_msg_schedules", Switch),
    copied("allow_atomic", Switch),
    copied("allow_batched", Switch),
    copied("subject_delete_marker_ttl", Number),
    copied("persist_mode", Text),
    copied("deny_delete", Switch),
    copied("deny_purge", Switch),
    left(
        "mirror",
        Table,
        "the run publishes its events itself, so that the cost of the mirror is not measured",
    ),
    left("first_seq", Number, "the run's stream is empty, and starts at 1"),
    left("mirror_direct", Switch, "the copy is not a mirror"),
    left("sources", List, "they would bring foreign events into the run, so that their cost is not measured"),
    left("republish", Table, "it would send the run's events to subjects that others listen to"),
    left("subject_transform", Table, "the run's subjects are its own"),
    left("sealed", Switch, "a sealed stream takes no event"),
    left("no_ack", Switch, "an event counts as stored when the server says so"),
    left("allow_msg_counter", Switch, "the run's events are no counters"),
];

/// Why the start position of a consumer is not copied.
const FROM_START: &str = "a group receives every event of the run";

/// The fields of a consumer.
pub(super) const CONSUMER: &[Field] = &[
    own("name", Text),
    own("durable_name", Text),
    own("description", Text),
    own("metadata", Table),
    own("deliver_policy", Text),
    left("opt_start_seq", Number, FROM_START),
    left("opt_start_time", Text, FROM_START),
    left("filter_subject", Text, "a group receives what its `subscribe` says"),
    left("filter_subjects", List, "a group receives what its `subscribe` says"),
    copied("ack_policy", Text),
    copied("ack_wait", Number),
    copied("max_deliver", Number),
    copied("backoff", List),
    copied("max_ack_pending", Number),
    copied("max_waiting", Number),
    copied("max_batch", Number),
    copied("max_bytes", Number),
    copied("max_expires", Number),
    copied("replay_policy", Text),
    copied("sample_freq", Text),
    copied("num_replicas", Number),
    copied("mem_storage", Switch),
    left("headers_only", Switch, "the payload has the event's id"),
    left("pause_until", Text, "a group that is paused receives nothing"),
    left(
        "inactive_threshold",
        Number,
        "the run's consumers are removed when it ends, and none is unused for long before",
    ),
    copied("priority_policy", Text),
    copied("priority_groups", List),
    copied("priority_timeout", Number),
    own("deliver_subject", Text),
    copied("deliver_group", Text),
    copied("flow_control", Switch),
    copied("idle_heartbeat", Number),
    copied("rate_limit_bps", Number),
    left("direct", Switch, "it is for the server's own use"),
];

/// Returns whether a value is set to something other than the server's default.
pub(in crate::bus::nats) fn speaks(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(on) => *on,
        Value::Number(number) => !matches!(number.as_i64(), Some(0 | -1)),
        // What Go prints for a time that is not set.
        Value::String(text) => !text.is_empty() && text != "0001-01-01T00:00:00Z",
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => fields.values().any(speaks),
    }
}

/// Returns a field as a number.
pub(super) fn number(fields: &Fields, name: &str) -> Option<i64> {
    fields.get(name).and_then(Value::as_i64)
}

/// Returns a field as a number above zero; other values mean no limit.
pub(super) fn positive(fields: &Fields, name: &str) -> Option<u64> {
    number(fields, name).and_then(|number| u64::try_from(number).ok()).filter(|&number| number > 0)
}

/// Returns a field as a non-empty string.
pub(super) fn text<'a>(fields: &'a Fields, name: &str) -> Option<&'a str> {
    fields.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// Formats a field for display, times with their unit.
pub(in crate::bus::nats) fn shown(name: &str, value: &Value) -> String {
    let time = |ns: u64| crate::plan::Span { ns }.to_string();
    let timed = [
        "max_age",
        "duplicate_window",
        "ack_wait",
        "backoff",
        "max_expires",
        "inactive_threshold",
        "priority_timeout",
        "idle_heartbeat",
        "subject_delete_marker_ttl",
    ];
    match value {
        Value::Number(ns) if timed.contains(&name) && ns.as_u64().is_some() => {
            time(ns.as_u64().unwrap_or_default())
        }
        Value::Array(items) if timed.contains(&name) => {
            let items: Vec<String> = items.iter().map(|item| shown(name, item)).collect();
            format!("[{}]", items.join(", "))
        }
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Returns an error if a field has the wrong type.
pub(super) fn check(known: &[Field], fields: &Fields, of: &str) -> Result<(), String> {
    for (name, value) in fields {
        let Some(field) = known.iter().find(|field| field.name == name) else { continue };
        let right = match (field.kind, value) {
            (_, Value::Null)
            | (Kind::Text, Value::String(_))
            | (Kind::Switch, Value::Bool(_))
            | (Kind::List, Value::Array(_))
            | (Kind::Table, Value::Object(_)) => true,
            (Kind::Number, Value::Number(number)) => number.is_i64() || number.is_u64(),
            _ => false,
        };
        if !right {
            let expected = match field.kind {
                Kind::Text => "a text",
                Kind::Number => "a whole number",
                Kind::Switch => "`true` or `false`",
                Kind::List => "a list",
                Kind::Table => "an object",
            };
            return Err(format!("`{name}` in {of} is {value}; expected {expected}"));
        }
    }
    Ok(())
}

/// Returns an error if a field's word is not one of `legal`.
pub(super) fn check_word(fields: &Fields, name: &str, legal: &[&str], of: &str) -> Result<(), String> {
    match text(fields, name) {
        Some(word) if !legal.contains(&word) => {
            Err(format!("`{name}` in {of} is `{word}`; expected {}", crate::plan::grammar::list(legal)))
        }
        _ => Ok(()),
    }
}
