//! Reads a model from the output of the `nats` command line and the server's API, and from resources of NACK.

use serde_json::Value;

use super::fields::{self, Field, Fields};
use super::nack::{self, Resource};
use super::{Model, name_of};

/// Kind of a configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of {
    Stream,
    Consumer,
}

/// Maximum nesting depth of documents.
const DEPTH: usize = 4;

/// What a file holds.
#[derive(Debug, Default)]
struct Found {
    /// The configurations of the wanted kind.
    configs: Vec<Resource>,
    /// The other resources in it, as kind and name.
    others: Vec<(nack::Kind, String)>,
}

impl Model {
    /// Reads the configuration of a stream and of consumers from files, given as name and text. `only` names the stream
    /// to take from a file with several.
    ///
    /// # Errors
    /// When a text is not such a configuration; names the file and the problem.
    pub fn read(
        stream: Option<(&str, &str)>,
        only: Option<&str>,
        consumers: &[(&str, &str)],
    ) -> Result<Self, String> {
        let mut names: Vec<&str> = stream.iter().chain(consumers).map(|(name, _)| *name).collect();
        names.dedup();
        let mut model = Self { of: names.join(" and "), ..Self::default() };
        if let Some((name, text)) = stream {
            let found = configurations(name, text, Of::Stream)?;
            let beside = found.consumers();
            if !beside.is_empty() && consumers.is_empty() {
                model.notes.push(format!(
                    "{}: they are consumers, which are copied if {name} is given as --consumer-config, too",
                    beside.join(", ")
                ));
            }
            let stream = found.only(name, only)?;
            check_stream(&stream.config, name)?;
            model.stream = model.took(stream);
        }
        for (name, text) in consumers {
            let found = configurations(name, text, Of::Consumer)?;
            if found.configs.is_empty() {
                return Err(found.nothing(name, Of::Consumer));
            }
            model.take_consumers(name, found)?;
        }
        Ok(model)
    }

    /// Keeps the notes on a resource, and returns its configuration.
    fn took(&mut self, resource: Resource) -> Fields {
        self.defaults.extend(resource.defaults);
        if !resource.unused.is_empty() {
            let keys: Vec<String> = resource.unused.iter().map(|key| format!("`{key}`")).collect();
            self.notes.push(format!("{}: the run connects by options of its own", keys.join(", ")));
        }
        resource.config
    }

    /// Takes the consumers of the model's stream.
    fn take_consumers(&mut self, name: &str, found: Found) -> Result<(), String> {
        let stream = fields::text(&self.stream, "name").map(str::to_owned);
        let mut foreign = Vec::new();
        let had = self.consumers.len();
        for consumer in found.configs {
            match (&stream, &consumer.stream) {
                (Some(own), Some(other)) if own != other => {
                    foreign.push(format!("{} of stream {other}", name_of(&consumer.config)));
                }
                _ => {
                    check_consumer(&consumer.config, name)?;
                    let config = self.took(consumer);
                    self.consumers.push(config);
                }
            }
        }
        if foreign.is_empty() {
            return Ok(());
        }
        let foreign = foreign.join(", ");
        if self.consumers.len() == had {
            let stream = stream.unwrap_or_default();
            return Err(format!("{name} has no consumer of stream {stream}; it has {foreign}"));
        }
        self.notes.push(format!("{foreign}: of another stream than the run's"));
        Ok(())
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

impl Found {
    /// Returns the names of the resources that are consumers.
    fn consumers(&self) -> Vec<String> {
        let consumers = self.others.iter().filter(|(kind, _)| *kind == nack::Kind::Consumer);
        consumers.map(|(_, name)| name.clone()).collect()
    }

    /// Returns the only configuration, or the one of this name.
    fn only(mut self, file: &str, name: Option<&str>) -> Result<Resource, String> {
        let names: Vec<String> = self
            .configs
            .iter()
            .filter_map(|found| fields::text(&found.config, "name"))
            .map(str::to_owned)
            .collect();
        if let Some(name) = name {
            self.configs.retain(|found| fields::text(&found.config, "name") == Some(name));
            if self.configs.is_empty() && !names.is_empty() {
                return Err(format!("{file} has no stream {name}; it has {}", names.join(", ")));
            }
        }
        match (self.configs.pop(), self.configs.len()) {
            (Some(stream), 0) => Ok(stream),
            (None, _) => Err(self.nothing(file, Of::Stream)),
            (_, more) => {
                let choices: Vec<String> = names.iter().map(|name| format!("`{file}#{name}`")).collect();
                let choose = if choices.is_empty() { "" } else { ", such as " };
                Err(format!("{file} has {} streams; expected one{choose}{}", more + 1, choices.join(" or ")))
            }
        }
    }

    fn nothing(&self, name: &str, of: Of) -> String {
        let one = match of {
            Of::Stream => "stream",
            Of::Consumer => "consumer",
        };
        let others: Vec<&str> = self.others.iter().map(|(_, name)| name.as_str()).collect();
        let has = if others.is_empty() { String::new() } else { format!(" (it has {})", others.join(", ")) };
        format!("{name} has no configuration of a {one}{has}; {}", print(of))
    }
}

/// Returns the hint on how to create such a file.
const fn print(of: Of) -> &'static str {
    match of {
        Of::Stream => "expected what `nats stream info NAME --json` prints, or a Stream of NACK",
        Of::Consumer => {
            "expected what `nats consumer info STREAM NAME --json` prints, or a list of it, or Consumers of NACK"
        }
    }
}

/// Returns all configurations of one kind in a text.
fn configurations(name: &str, text: &str, wanted: Of) -> Result<Found, String> {
    let mut found = Found::default();
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for value in documents(name, text, wanted)? {
        collect(name, value, wanted, DEPTH, &mut found)?;
    }
    Ok(found)
}

/// Parses a text as JSON, else as YAML.
fn documents(name: &str, text: &str, wanted: Of) -> Result<Vec<Value>, String> {
    let json: Result<Vec<Value>, _> = serde_json::Deserializer::from_str(text).into_iter().collect();
    let error = match json {
        Ok(values) => return Ok(values),
        Err(error) => error,
    };
    let begins_as_json = text.trim_start().starts_with(['{', '[']) && !text.trim_start().starts_with("{{");
    if begins_as_json {
        return Err(format!("{name} is not JSON ({error}); {}", print(wanted)));
    }
    match serde_saphyr::from_multiple::<Value>(text) {
        Ok(values) if values.iter().any(Value::is_object) => {
            Ok(values.into_iter().filter(|value| !value.is_null()).collect())
        }
        Ok(_) => Err(format!("{name} is not JSON ({error}); {}", print(wanted))),
        Err(_) if text.contains("{{") => {
            Err(format!("{name} is a template; give what `helm template` makes of it"))
        }
        Err(yaml) => {
            let yaml = yaml.to_string();
            let yaml = yaml.lines().next().unwrap_or_default();
            Err(format!("{name} is not JSON ({error}), and no YAML ({yaml}); {}", print(wanted)))
        }
    }
}

fn collect(name: &str, value: Value, wanted: Of, depth: usize, found: &mut Found) -> Result<(), String> {
    let strange = || format!("{name} holds something else than a configuration; {}", print(wanted));
    match value {
        Value::Array(items) if depth > 0 => {
            items.into_iter().try_for_each(|item| collect(name, item, wanted, depth - 1, found))
        }
        Value::Object(mut fields) => {
            if let Some(items) = nack::items(&mut fields).filter(|_| depth > 0) {
                return collect(name, items, wanted, depth - 1, found);
            }
            if let Some(kind) = nack::kind(&fields) {
                return resource(name, kind, &fields, wanted, found);
            }
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
                Some(of) if of == wanted => found.configs.push(Resource::plain(config)),
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

/// Reads a resource of the wanted kind, and notes any other: one file often has those of a whole application.
fn resource(
    name: &str,
    kind: nack::Kind,
    fields: &Fields,
    wanted: Of,
    found: &mut Found,
) -> Result<(), String> {
    let wanted = match wanted {
        Of::Stream => nack::Kind::Stream,
        Of::Consumer => nack::Kind::Consumer,
    };
    if kind == wanted {
        found.configs.push(nack::read(name, kind, fields)?);
    } else {
        found.others.push((kind, nack::label(fields)));
    }
    Ok(())
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
