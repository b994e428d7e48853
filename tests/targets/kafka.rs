//! Files of Kafka's clients: the grammar of properties, and that of a login in one of them.

use std::fmt::Write as _;

use tickgate::bus::kafka::{jaas as login, properties as file};

/// Entries that are read are the same when they are written with every character escaped and read again.
pub fn properties(bytes: &[u8]) {
    let Ok(entries) = file::parse(bytes) else { return };
    let lines = bytes.iter().filter(|byte| b"\r\n".contains(byte)).count() + 1;
    let within = entries.iter().all(|entry| (1..=lines).contains(&entry.line));
    assert!(within && entries.is_sorted_by_key(|entry| entry.line), "{entries:?} of {lines} lines");
    let mut text = String::new();
    for entry in &entries {
        writeln!(text, "{}={}", escaped(&entry.key), escaped(&entry.value)).unwrap();
    }
    let again = file::parse(text.as_bytes()).unwrap();
    let pairs = |all: &[file::Entry]| -> Vec<(String, String)> {
        all.iter().map(|entry| (entry.key.clone(), entry.value.clone())).collect()
    };
    assert_eq!(pairs(&again), pairs(&entries), "{text}");
}

fn escaped(text: &str) -> String {
    text.encode_utf16().fold(String::new(), |text, unit| text + &format!("\\u{unit:04x}"))
}

/// A login that is read is the same when it is written in quotes and read again.
pub fn jaas(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let login = match login::parse(&text) {
        Ok(login) => login,
        Err(wrong) => return assert!(!wrong.to_string().is_empty()),
    };
    let options = login.options.iter().map(|(key, value)| format!(" {}={}", quoted(key), quoted(value)));
    let text = format!("{} required{};", quoted(&login.module), options.collect::<String>());
    assert_eq!(login::parse(&text), Ok(login.clone()), "{text}");
    for (key, _) in &login.options {
        let last = login.options.iter().rfind(|(other, _)| other == key).map(|(_, value)| value.as_str());
        assert_eq!(login.option(key), last);
    }
}

fn quoted(text: &str) -> String {
    let text = text.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{}\"", text.replace('\n', "\\n").replace('\r', "\\r"))
}
