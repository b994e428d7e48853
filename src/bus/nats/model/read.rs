//! Reads a model from the output of the `nats` command line and the server's API.

use serde_json::Value;

use super::fields::{self, Field, Fields};
use super::{Model, name_of};

/// Kind of a configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of {
    Stream,
    Consumer,
}

/// Maximum nesting depth of documents.
const DEPTH: usize = 4;

impl Model {
    /// Reads the configuration of a stream and of consumers from files, given as name and text.
    ///
    /// # Errors
    /// When a text is not such a configuration; names the file and the problem.
    pub fn read(stream: Option<(&str, &str)>, consumers: &[(&str, &str)]) -> Result<Self, String> {
        let names: Vec<&str> = stream.iter().chain(consumers).map(|(name, _)| *name).collect::<Vec<_>>();
        let mut model = Self { of: names.join(" and "), ..Self::default() };
        if let Some((name, text)) = stream {
            let mut found = configurations(name, text, Of::Stream)?;
            match (found.pop(), found.len()) {
                (Some(config), 0) => model.stream = config,
                (None, _) => return Err(nothing(name, Of::Stream)),
                (_, more) => {
                    return Err(format!("{name} has {} streams; expected one", more + 1));
                }
            }
            check_stream(&model.stream, name)?;
        }
        for (name, text) in consumers {
            let found = configurations(name, text, Of::Consumer)?;
            if found.is_empty() {
                return Err(nothing(name, Of::Consumer));
            }
            for config in found {
                check_consumer(&config, name)?;
                model.consumers.push(config);
            }
        }
        Ok(model)
    }

    /// Creates a model from the server's configuration of the stream `name` and its consumers.
    ///
    /// # Errors
    /// When the configuration is not valid.
    pub(in crate::bus::nats) fn of_server(
        name: &str,
        stream: Fields,
        consumers: Vec<Fields>,
    ) -> Result<Self, String> {
        let of = format!("stream {name}");
        check_stream(&stream, &of)?;
        consumers.iter().try_for_each(|consumer| check_consumer(consumer, &of))?;
        Ok(Self { of, stream, consumers, ..Self::default() })
    }
}

fn nothing(name: &str, of: Of) -> String {
    match of {
        Of::Stream => format!("{name} has no configuration of a stream; {}", print(of)),
        Of::Consumer => format!("{name} has no configuration of a consumer; {}", print(of)),
    }
}

/// Returns the hint on how to create such a file.
const fn print(of: Of) -> &'static str {
    match of {
        Of::Stream => "expected what `nats stream info NAME --json` prints",
        Of::Consumer => "expected what `nats consumer info STREAM NAME --json` prints, or a list of it",
    }
}

/// Returns all configurations of one kind in a text.
fn configurations(name: &str, text: &str, wanted: Of) -> Result<Vec<Fields>, String> {
    let mut found = Vec::new();
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for value in serde_json::Deserializer::from_str(text).into_iter::<Value>() {
        let value = value.map_err(|error| format!("{name} is no JSON ({error}); {}", print(wanted)))?;
        collect(name, value, wanted, DEPTH, &mut found)?;
    }
    Ok(found)
}

fn collect(
    name: &str,
    value: Value,
    wanted: Of,
    depth: usize,
    found: &mut Vec<Fields>,
) -> Result<(), String> {
    let strange = || format!("{name} holds something else than a configuration; {}", print(wanted));
    match value {
        Value::Array(items) if depth > 0 => {
            items.into_iter().try_for_each(|item| collect(name, item, wanted, depth - 1, found))
        }
        Value::Object(mut fields) => {
            if let Some(error) = fields.get("error").and_then(|error| error.get("description")) {
                return Err(format!("{name} is an error of the server: {error}; {}", print(wanted)));
            }
            if let Some(list @ Value::Array(_)) =
                ["consumers", "streams"].iter().find_map(|key| fields.remove(*key))
                && depth > 0
            {
                return collect(name, list, wanted, depth - 1, found);
            }
            let of_consumer = fields.contains_key("stream_name");
            let config = match fields.remove("config") {
                Some(Value::Object(config)) => config,
                Some(_) => return Err(strange()),
                None => fields,
            };
            let of = if of_consumer { Some(Of::Consumer) } else { kind(&config) };
            match of {
                Some(of) if of == wanted => found.push(config),
                Some(Of::Consumer) => {
                    return Err(format!("{name} is of a consumer; give it with --consumer-config"));
                }
                Some(Of::Stream) => {
                    return Err(format!("{name} is of a stream; give it with --stream-config"));
                }
                None => return Err(strange()),
            }
            Ok(())
        }
        _ => Err(strange()),
    }
}

/// Determines the kind from the fields that only one of them has.
fn kind(config: &Fields) -> Option<Of> {
    let only = |known: &[Field], others: &[Field]| {
        let has = |all: &[Field], name: &str| all.iter().any(|field| field.name == name);
        config.keys().any(|name| has(known, name) && !has(others, name))
    };
    if only(fields::CONSUMER, fields::STREAM) {
        Some(Of::Consumer)
    } else if only(fields::STREAM, fields::CONSUMER) {
        Some(Of::Stream)
    } else {
        None
    }
}

fn check_stream(config: &Fields, of: &str) -> Result<(), String> {
    fields::check(fields::STREAM, config, of)?;
    let words: [(&str, &[&str]); 4] = [
        ("retention", &["limits", "interest", "workqueue"]),
        ("storage", &["file", "memory"]),
        ("discard", &["old", "new"]),
        ("compression", &["none", "s2"]),
    ];
    words.iter().try_for_each(|(name, legal)| fields::check_word(config, name, legal, of))
}

fn check_consumer(config: &Fields, of: &str) -> Result<(), String> {
    let of = match name_of(config) {
        "" => of.to_owned(),
        name => format!("consumer {name} of {of}"),
    };
    fields::check(fields::CONSUMER, config, &of)?;
    for name in ["deliver_subject", "deliver_group"] {
        let unfit = |c: char| c.is_whitespace() || c.is_control() || "*>".contains(c);
        if let Some(word) = fields::text(config, name).filter(|word| word.contains(unfit)) {
            return Err(format!("`{name}` in {of} is {word:?}; expected a subject without wildcards"));
        }
    }
    fields::check_word(config, "replay_policy", &["instant", "original"], &of)
}
