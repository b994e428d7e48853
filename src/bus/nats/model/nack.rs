//! Streams and consumers as resources of Kubernetes, as NACK's controller takes them (`jetstream.nats.io`, kinds `Stream`
//! and `Consumer`): read as the configuration that the controller asks a server for.
//!
//! Names and defaults are those of its custom resource definitions (nats-io/nack, `deploy/crds.yml`).

use serde_json::Value;

use super::fields::Fields;
use crate::plan::grammar::{did_you_mean, list, nearest};

/// Group of the resources' API.
const GROUP: &str = "jetstream.nats.io/";

use Form::{Consumers, Same, Start, Time, Times};

/// How a value is written in a resource, where that differs from the server's API.
#[derive(Debug, Clone, Copy)]
enum Form {
    Same,
    /// A duration, as text.
    Time,
    /// A list of durations.
    Times,
    /// The limits that a stream sets to its consumers.
    Consumers,
    /// Where a consumer starts.
    Start,
}

/// Key of a resource, name in the server's API, and form.
type Key = (&'static str, &'static str, Form);

const STREAM: &[Key] = &[
    ("name", "name", Same),
    ("description", "description", Same),
    ("subjects", "subjects", Same),
    ("metadata", "metadata", Same),
    ("retention", "retention", Same),
    ("storage", "storage", Same),
    ("replicas", "num_replicas", Same),
    ("discard", "discard", Same),
    ("discardPerSubject", "discard_new_per_subject", Same),
    ("maxConsumers", "max_consumers", Same),
    ("maxMsgs", "max_msgs", Same),
    ("maxBytes", "max_bytes", Same),
    ("maxAge", "max_age", Time),
    ("maxMsgsPerSubject", "max_msgs_per_subject", Same),
    ("maxMsgSize", "max_msg_size", Same),
    ("compression", "compression", Same),
    ("placement", "placement", Same),
    ("duplicateWindow", "duplicate_window", Time),
    ("consumerLimits", "consumer_limits", Consumers),
    ("allowDirect", "allow_direct", Same),
    ("allowRollup", "allow_rollup_hdrs", Same),
    ("allowMsgTtl", "allow_msg_ttl", Same),
    ("allowMsgSchedules", "allow_msg_schedules", Same),
    ("allowMsgCounter", "allow_msg_counter", Same),
    ("allowAtomicPublish", "allow_atomic", Same),
    ("subjectDeleteMarkerTtl", "subject_delete_marker_ttl", Time),
    ("persistMode", "persist_mode", Same),
    ("denyDelete", "deny_delete", Same),
    ("denyPurge", "deny_purge", Same),
    ("firstSequence", "first_seq", Same),
    ("mirror", "mirror", Same),
    ("mirrorDirect", "mirror_direct", Same),
    ("sources", "sources", Same),
    ("republish", "republish", Same),
    ("subjectTransform", "subject_transform", Same),
    ("sealed", "sealed", Same),
    ("noAck", "no_ack", Same),
];

const CONSUMER: &[Key] = &[
    ("durableName", "durable_name", Same),
    ("description", "description", Same),
    ("metadata", "metadata", Same),
    ("deliverPolicy", "deliver_policy", Start),
    ("optStartSeq", "opt_start_seq", Same),
    ("optStartTime", "opt_start_time", Same),
    ("filterSubject", "filter_subject", Same),
    ("filterSubjects", "filter_subjects", Same),
    ("ackPolicy", "ack_policy", Same),
    ("ackWait", "ack_wait", Time),
    ("maxDeliver", "max_deliver", Same),
    ("backoff", "backoff", Times),
    ("maxAckPending", "max_ack_pending", Same),
    ("maxWaiting", "max_waiting", Same),
    ("maxRequestBatch", "max_batch", Same),
    ("maxRequestMaxBytes", "max_bytes", Same),
    ("maxRequestExpires", "max_expires", Time),
    ("replayPolicy", "replay_policy", Same),
    ("sampleFreq", "sample_freq", Same),
    ("replicas", "num_replicas", Same),
    ("memStorage", "mem_storage", Same),
    ("headersOnly", "headers_only", Same),
    ("pauseUntil", "pause_until", Same),
    ("inactiveThreshold", "inactive_threshold", Time),
    ("priorityPolicy", "priority_policy", Same),
    ("priorityGroups", "priority_groups", Same),
    ("pinnedTtl", "priority_timeout", Time),
    ("deliverSubject", "deliver_subject", Same),
    ("deliverGroup", "deliver_group", Same),
    ("flowControl", "flow_control", Same),
    ("heartbeatInterval", "idle_heartbeat", Time),
    ("rateLimitBps", "rate_limit_bps", Same),
];

/// Keys that say how the controller itself works.
const CONTROLLER: &[&str] =
    &["account", "creds", "nkey", "servers", "tls", "tlsFirst", "jsDomain", "preventDelete", "preventUpdate"];

/// Kind of a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Stream,
    Consumer,
    /// Of another API, or none that this program knows.
    Other,
}

/// A resource, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Resource {
    /// The configuration, as in the server's API.
    pub(super) config: Fields,
    /// The stream that a consumer belongs to.
    pub(super) stream: Option<String>,
    /// What the controller does with values that the resource lacks, where a server would do otherwise.
    pub(super) defaults: Vec<String>,
    /// What is about the controller, and is not used.
    pub(super) unused: Vec<String>,
}

impl Resource {
    /// A configuration that is no resource.
    pub(super) const fn plain(config: Fields) -> Self {
        Self { config, stream: None, defaults: Vec::new(), unused: Vec::new() }
    }
}

/// Returns kind and name of a resource, for a message.
pub(super) fn label(fields: &Fields) -> String {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or("?").to_owned();
    let named = fields.get("metadata").and_then(|metadata| metadata.get("name"));
    format!("{} {}", text(fields.get("kind")), text(named))
}

/// Returns the kind of a resource of Kubernetes; `None` if this is none.
pub(super) fn kind(fields: &Fields) -> Option<Kind> {
    let api = fields.get("apiVersion")?.as_str()?;
    let kind = fields.get("kind")?.as_str()?;
    Some(match kind {
        "Stream" if api.starts_with(GROUP) => Kind::Stream,
        "Consumer" if api.starts_with(GROUP) => Kind::Consumer,
        _ => Kind::Other,
    })
}

/// Returns the items of a list of resources, as `kubectl get` prints them; `None` if this is no list.
pub(super) fn items(fields: &mut Fields) -> Option<Value> {
    let list = fields.get("kind").and_then(Value::as_str).is_some_and(|kind| kind.ends_with("List"));
    fields.remove("items").filter(|items| list && items.is_array())
}

/// Reads a stream or a consumer.
///
/// # Errors
/// When a key is not known, or a value has another form than its definition says; names file, resource and key.
pub(super) fn read(of: &str, kind: Kind, fields: &Fields) -> Result<Resource, String> {
    let known = if kind == Kind::Stream { STREAM } else { CONSUMER };
    let at = format!("{} of {of}", label(fields));
    let Some(Value::Object(spec)) = fields.get("spec") else {
        return Err(format!("{at} has no `spec`"));
    };
    let mut read = Resource::plain(Fields::new());
    for (key, value) in spec {
        // An empty text is the default of most keys.
        if value.is_null() || value.as_str() == Some("") {
            continue;
        }
        if let Some((_, name, form)) = known.iter().find(|(known, ..)| known == key) {
            let value = formed(*form, value)
                .map_err(|said| format!("`{key}` in {at} is {value}; expected {said}"))?;
            read.config.insert((*name).to_owned(), value);
        } else if key == "streamName" && kind == Kind::Consumer {
            read.stream = value.as_str().map(str::to_owned);
        } else if CONTROLLER.contains(&key.as_str()) {
            if super::speaks(value) {
                read.unused.push(key.clone());
            }
        } else {
            let names = known.iter().map(|(key, ..)| *key);
            return Err(format!("`{key}` in {at} is not known{}", did_you_mean(nearest(key, names))));
        }
    }
    defaults(kind, &at, &mut read);
    Ok(read)
}

/// Sets the defaults of the definitions that a server does not have.
fn defaults(kind: Kind, at: &str, read: &mut Resource) {
    let Resource { config, defaults, .. } = read;
    let mut default = |config: &mut Fields, key: &str, name: &str, value: Value, shown: &str| {
        if !config.contains_key(name) {
            defaults.push(format!("{at} has no `{key}`, and NACK's default is {shown}"));
            config.insert(name.to_owned(), value);
        }
    };
    if kind == Kind::Stream {
        // Zero is "no limit" in a definition.
        if config.get("max_msgs_per_subject").and_then(Value::as_i64) == Some(0) {
            config.remove("max_msgs_per_subject");
        }
        default(config, "storage", "storage", Value::from("memory"), "memory");
        return;
    }
    default(config, "ackPolicy", "ack_policy", Value::from("none"), "none");
    if config.get("ack_policy").and_then(Value::as_str) != Some("none") {
        default(config, "ackWait", "ack_wait", Value::from(1), "1ns");
    }
}

fn formed(form: Form, value: &Value) -> Result<Value, String> {
    const DURATION: &str = "a duration such as \"5m\"";
    let time =
        |value: &Value| value.as_str().and_then(duration).map(Value::from).ok_or_else(|| DURATION.to_owned());
    match form {
        Same => Ok(value.clone()),
        Time => time(value),
        Times => {
            let all = value.as_array().ok_or_else(|| format!("a list of durations, each {DURATION}"))?;
            all.iter().map(time).collect::<Result<Vec<_>, _>>().map(Value::from)
        }
        Start => {
            const WORDS: [(&str, &str); 6] = [
                ("all", "all"),
                ("last", "last"),
                ("new", "new"),
                ("byStartSequence", "by_start_sequence"),
                ("byStartTime", "by_start_time"),
                ("lastPerSubject", "last_per_subject"),
            ];
            let word = WORDS.iter().find(|(word, _)| value.as_str() == Some(*word));
            word.map(|(_, name)| Value::from(*name)).ok_or_else(|| list(WORDS.map(|(word, _)| word)))
        }
        Consumers => {
            let Value::Object(limits) = value else { return Err("an object".to_owned()) };
            let mut read = Fields::new();
            for (key, value) in limits {
                match key.as_str() {
                    "inactiveThreshold" => read.insert("inactive_threshold".into(), time(value)?),
                    "maxAckPending" => read.insert("max_ack_pending".into(), value.clone()),
                    _ => return Err(list(["inactiveThreshold", "maxAckPending"])),
                };
            }
            Ok(Value::Object(read))
        }
    }
}

/// Reads a duration in the form of Go (`time.ParseDuration`), in nanoseconds: `1h30m`, `1.5s`, `0`.
fn duration(text: &str) -> Option<u64> {
    const UNITS: [(&str, u64); 8] = [
        ("ns", 1),
        ("us", 1_000),
        ("µs", 1_000),
        ("μs", 1_000),
        ("ms", 1_000_000),
        ("s", 1_000_000_000),
        ("m", 60_000_000_000),
        ("h", 3_600_000_000_000),
    ];
    if text == "0" {
        return Some(0);
    }
    let (mut rest, mut sum) = (text.strip_prefix('+').unwrap_or(text), 0_u64);
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at_checked(end)?;
        let unit = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, after) = tail.split_at_checked(unit)?;
        let (_, ns) = UNITS.iter().find(|(word, _)| *word == unit)?;
        let (whole, part) = number.split_once('.').unwrap_or((number, ""));
        if (whole.is_empty() && part.is_empty()) || part.contains('.') {
            return None;
        }
        let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
        sum = sum.checked_add(whole.checked_mul(*ns)?)?;
        sum = sum.checked_add(fraction(part, *ns))?;
        rest = after;
    }
    i64::try_from(sum).ok().map(|_| sum)
}

/// Returns what the digits behind a point are of a unit, rounded down to the nanosecond.
fn fraction(digits: &str, unit: u64) -> u64 {
    let digits = digits.get(..18).unwrap_or(digits);
    let scale = digits.bytes().fold(1_u128, |scale, _| scale * 10);
    let part = digits.parse::<u128>().unwrap_or(0) * u128::from(unit) / scale;
    u64::try_from(part).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_those_of_go() {
        for (text, ns) in [
            ("0", 0),
            ("5m", 300_000_000_000),
            ("1h30m", 5_400_000_000_000),
            ("1.5s", 1_500_000_000),
            ("100ms", 100_000_000),
            ("2us", 2_000),
            ("2µs", 2_000),
            ("1ns", 1),
            (".5s", 500_000_000),
            ("1.h", 3_600_000_000_000),
            ("+3s", 3_000_000_000),
            ("1.000000001s", 1_000_000_001),
        ] {
            assert_eq!(duration(text), Some(ns), "{text}");
        }
        for text in
            ["", "+", "5", "5d", "-5m", "m", ".s", "1..5s", "1 m", "5M", "1h30", "99999999999h", "1e3s"]
        {
            assert_eq!(duration(text), None, "{text}");
        }
    }
}
