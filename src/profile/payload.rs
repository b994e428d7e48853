//! Reads `[payload]`: the template, or the file of sample events, and the padding.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_128;

use super::keys;
use super::place::{At, Text, quoted};
use super::section::{Reader, Section};
use super::tree::Table;
use crate::market::{Fault, check_sample, check_template, holds_padding};
use crate::num;
use crate::plan::{Content, Draw, Lines, Padding, Payload, Plan, Size};

const MIB: u64 = 1 << 20;
/// The largest file of samples, and the largest event.
const LARGEST: [Size; 2] = [Size { bytes: 256 * MIB }, Size { bytes: MIB }];

/// `[payload]`. Paths count from `folder`, the profile's, and those of a `--set` from where tickgate was called.
pub(super) fn payload(root: &Table, reader: &mut Reader, folder: &Path, event_size: Size) -> Payload {
    let mut section = Section::open(root, "payload", keys::PAYLOAD, reader);
    let padded = section.entry("padding").is_some() || event_size.bytes > 0;
    let padding = padded.then(|| section.word("padding", Padding::Random));
    let name = section.entry("name").is_some().then(|| section.text("name", ""));
    only_one(&mut section);
    let mut payload = Payload { name, padding, ..Payload::default() };
    if let Some(text) = section.get::<String>("template") {
        let at = section.reader.at("payload.template");
        payload.template = Some(checked(&mut section, "template", at, None, &text));
    } else if let Some((path, at, bytes)) = file(&mut section, "file", folder, LARGEST[1]) {
        payload.name = payload.name.or_else(|| file_name(&path));
        payload.template = text(&mut section, "file", at, &path, bytes)
            .map(|text| checked(&mut section, "file", at, Some(&path), &text));
    } else if section.entry("samples").is_some() {
        samples(&mut section, folder, &mut payload);
    }
    needs_samples(&mut section);
    payload
}

/// Two answers to one question.
fn only_one(section: &mut Section<'_>) {
    let kinds = ["template", "file", "samples"];
    let there: Vec<&str> = kinds.into_iter().filter(|key| section.entry(key).is_some()).collect();
    if let [first, second, ..] = there[..] {
        let at = section.reader.at(&section.path(second));
        section.wrong(second, at, |path| {
            format!(
                "`{path}` stands beside `payload.{first}`; expected one of `template`, `file` and `samples`"
            )
        });
    }
}

/// What only samples have.
fn needs_samples(section: &mut Section<'_>) {
    if section.entry("samples").is_some() {
        return;
    }
    for key in ["id", "draw", "digest"] {
        if let Some(entry) = section.entry(key) {
            let at = entry.node.at;
            section.wrong(key, at, |path| {
                format!("`{path}` says how `payload.samples` are used, and there are none")
            });
        }
    }
}

fn file_name(path: &str) -> Option<String> {
    Path::new(path).file_name().map(|name| name.to_string_lossy().into_owned())
}

/// The bytes of the file that a key names, with its path.
fn file(section: &mut Section<'_>, key: &str, folder: &Path, most: Size) -> Option<(String, At, Vec<u8>)> {
    let path = section.get::<String>(key)?;
    let at = section.reader.at(&section.path(key));
    let place = if at.text == 0 { folder.join(&path) } else { Path::new(&path).to_owned() };
    match read(&place, most) {
        Ok(bytes) => Some((path, at, bytes)),
        Err(why) => {
            let place = quoted(&place.display().to_string());
            section.wrong(key, at, |path| format!("`{path}`: cannot read {place}: {why}"));
            None
        }
    }
}

/// A regular file, whole: a pipe or a device would never end.
fn read(path: &Path, most: Size) -> Result<Vec<u8>, String> {
    let said = |error: std::io::Error| error.to_string();
    if !std::fs::metadata(path).map_err(said)?.is_file() {
        return Err("it is not a regular file".to_owned());
    }
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(most.bytes + 1).read_to_end(&mut bytes)).map_err(said)?;
    if num::count(bytes.len()) > most.bytes {
        return Err(format!("it is larger than {most}"));
    }
    Ok(bytes)
}

/// The text of a file, without a byte order mark.
fn text(section: &mut Section<'_>, key: &str, at: At, path: &str, bytes: Vec<u8>) -> Option<String> {
    let Ok(text) = String::from_utf8(bytes) else {
        let path = quoted(path);
        section.wrong(key, at, |key| format!("`{key}`: {path} is not UTF-8; expected a text in UTF-8"));
        return None;
    };
    Some(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

/// A template without the white space around it, its mistakes noted.
fn checked(section: &mut Section<'_>, key: &str, at: At, file: Option<&str>, text: &str) -> String {
    let template = text.trim();
    let before = text.len() - text.trim_start().len();
    for Fault { at: place, message } in check_template(template).err().unwrap_or_default() {
        let shown = Text::new("", text).show(At::new(0, &(before + place.start..before + place.end)));
        let file = file.map_or_else(|| "the template".to_owned(), quoted);
        let at = inside(section, at, template, &place);
        section.wrong(key, at, |key| {
            format!("`{key}`: {file}, line {}, column {}: {message}", shown.line, shown.column)
        });
    }
    if num::count(template.len()) > LARGEST[1].bytes {
        section.wrong(key, at, |key| format!("`{key}` is larger than {}", LARGEST[1]));
    }
    template.to_owned()
}

/// The place of a mistake in the profile itself, where the template stands in it word for word.
fn inside(section: &Section<'_>, at: At, template: &str, place: &std::ops::Range<usize>) -> At {
    let there = section.reader.text(at.text).get(at.start..at.end).and_then(|there| there.find(template));
    there.filter(|_| !template.is_empty()).map_or(at, |offset| {
        let start = at.start + offset;
        At { text: at.text, start: start + place.start, end: (start + place.end).max(start + place.start) }
    })
}

/// The samples, each mistake with its line.
fn samples(section: &mut Section<'_>, folder: &Path, payload: &mut Payload) {
    payload.samples = section.get::<String>("samples");
    if section.entry("id").is_none() {
        section.missing("id", "the path of the field that takes the probe", "\"meta.id\"");
    }
    let id = section.text("id", "");
    payload.draw = Some(section.word("draw", Draw::InOrder));
    let expected = section.entry("digest").is_some().then(|| section.text("digest", ""));
    let Some((path, at, bytes)) = file(section, "samples", folder, LARGEST[0]) else { return };
    payload.name = payload.name.take().or_else(|| file_name(&path));
    let digest = format!("{:032x}", xxh3_128(&bytes));
    if expected.as_ref().is_some_and(|expected| *expected != digest) {
        let at = section.reader.at("payload.digest");
        section.wrong("digest", at, |key| {
            format!("`{key}` is of another file: {} has the digest {digest}", quoted(&path))
        });
    }
    payload.digest = Some(digest);
    let Some(text) = text(section, "samples", at, &path, bytes) else { return };
    let numbered = text.lines().enumerate().map(|(n, line)| (n + 1, line.trim()));
    let lines: Vec<(usize, &str)> = numbered.filter(|(_, line)| !line.is_empty()).collect();
    if lines.is_empty() {
        section.wrong("samples", at, |key| {
            format!("`{key}`: {} has no event; expected one JSON text a line", quoted(&path))
        });
    }
    if !id.is_empty() {
        for (number, line) in &lines {
            let Err(Fault { at: place, message }) = check_sample(line, &id) else { continue };
            let column = line.get(..place.start).unwrap_or_default().chars().count() + 1;
            section.wrong("samples", at, |key| {
                format!("`{key}`: {}, line {number}, column {column}: {message}", quoted(&path))
            });
        }
    }
    payload.id = Some(id);
    payload.lines =
        Lines(Arc::from(lines.into_iter().map(|(_, line)| line.into()).collect::<Vec<Box<str>>>()));
}

/// What no key of `[payload]` can say by itself.
pub(super) fn check(plan: &Plan, reader: &mut Reader) {
    let (payload, size) = (&plan.payload, plan.market.event_size);
    if !reader.sound(&["payload", "market.event_size"]) {
        return;
    }
    let (key, has_place, how) = match payload.content() {
        Content::Envelope => return,
        Content::Template(text) => {
            let key = if reader.written("payload.file") { "payload.file" } else { "payload.template" };
            (key, holds_padding(text), "put `{{padding}}` into a text of the template, or say")
        }
        Content::Samples(_) => ("payload.samples", false, "say"),
    };
    if size.bytes > 0 && !has_place && payload.padding() == Padding::Random {
        let at = reader.at(key);
        reader.wrong(at, || {
            format!(
                "`market.event_size` is {size}, and `{key}` has no place for random padding; {how} `payload.padding = \"blank\"`, \
                 which pads with white space behind the event"
            )
        });
    }
    let largest = crate::load::largest_event_bytes(plan);
    if largest > LARGEST[1].bytes {
        let at = reader.at(key);
        reader.wrong(at, || {
            format!("events of `{key}` have up to {largest} bytes; expected at most {}", LARGEST[1])
        });
    }
}
