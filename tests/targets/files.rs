//! Files of a run: records and journals, also after tampering.

use std::fs;
use std::path::{Path, PathBuf};

use serde::de::IgnoredAny;
use serde_json::{Value, json};
use tickgate::archive::{self, ArchiveError, RecoverError, Schema};
use tickgate::record::{End, Line, Record, Row, SCHEMA, SCHEMA_FAMILY, SCHEMA_VERSION, Verdict};
use tickgate::report::{self, terminal};
use tickgate::verdict;

/// A record that a run has written.
const COMPLETED: &[u8] = include_bytes!("../seeds/record/completed");
/// Its journal.
const TOLD: &[u8] = include_bytes!("../seeds/journal/completed");

thread_local! {
    static FOLDER: tempfile::TempDir = tempfile::tempdir().unwrap();
}

fn scratch(name: &str) -> PathBuf {
    FOLDER.with(|folder| folder.path().join(name))
}

fn read(path: &Path) -> Result<Record, ArchiveError> {
    archive::read_record(
        path,
        Schema { family: SCHEMA_FAMILY, newest: SCHEMA_VERSION, what: "record", next: "" },
    )
}

/// A record that is read is the same when it is written and read again, and can be judged and shown. The bytes are
/// the record, or say which of its values to replace, and by what where they begin with none.
pub fn record(bytes: &[u8]) {
    let path = scratch("record.json");
    match bytes {
        [0, changes @ ..] => fs::write(&path, altered(COMPLETED, changes)).unwrap(),
        _ => fs::write(&path, bytes).unwrap(),
    }
    match read(&path) {
        Ok(record) => whole(&record),
        Err(error) => {
            let said = error.to_string();
            assert!(matches!(error, ArchiveError::Content { .. } | ArchiveError::Newer { .. }), "{said}");
            assert!(said.contains("record.json"), "{said}");
        }
    }
}

fn whole(record: &Record) {
    let path = scratch("again.json");
    fs::write(&path, serde_json::to_vec(record).unwrap()).unwrap();
    let again = read(&path).unwrap_or_else(|error| panic!("it is not read again: {error}"));
    assert!(again == *record, "{again:#?}\nis not\n{record:#?}");
    let _ = archive::contradiction(record);
    let judged = verdict::assess(record);
    assert_eq!(judged.objectives.len(), record.plan.objectives.len(), "each objective is judged");
    let shown = terminal::summary(record, terminal::Style { colour: false });
    assert!(!shown.contains(|c: char| c.is_control() && c != '\n'), "{shown:?}");
    assert!(!shown.lines().any(|line| line.trim_start().starts_with("::")), "{shown:?}");
    let _ = report::summary_md(record);
}

/// JSON with other values in some of its places: each change is two bytes for the place and one for the value.
fn altered(json: &[u8], changes: &[u8]) -> Vec<u8> {
    let mut value: Value = serde_json::from_slice(json).unwrap();
    let extremes = [
        json!(u64::MAX),
        json!(i64::MAX),
        json!(i64::MIN),
        json!(f64::MAX),
        json!(f64::MIN),
        json!(f64::MIN_POSITIVE),
        json!(0.1),
        json!(9_007_199_254_740_993_u64),
        json!(0),
        json!(1),
        json!(""),
        json!("\u{0}\u{202e}`<"),
        json!("::error::\n::add-mask::\u{1b}[2J\u{9b}"),
        json!(null),
        json!([]),
        json!({}),
        json!("measure"),
    ];
    for change in changes.chunks_exact(3) {
        let count = leaves(&mut value).len();
        let at = (usize::from(change[0]) << 8 | usize::from(change[1])) % count;
        *leaves(&mut value).swap_remove(at) = extremes[usize::from(change[2]) % extremes.len()].clone();
    }
    serde_json::to_vec(&value).unwrap()
}

/// The values that hold no other, and the empty ones.
fn leaves(value: &mut Value) -> Vec<&mut Value> {
    let holds = match &*value {
        Value::Array(all) => !all.is_empty(),
        Value::Object(all) => !all.is_empty(),
        _ => false,
    };
    if !holds {
        return vec![value];
    }
    match value {
        Value::Array(all) => all.iter_mut().flat_map(leaves).collect(),
        Value::Object(all) => all.iter_mut().flat_map(|(_, value)| leaves(value)).collect(),
        _ => vec![],
    }
}

/// A journal, cut at every byte where it is short and at some where it is long. The bytes are the journal, or say
/// which of its values to replace, and by what where they begin with none.
pub fn journal(bytes: &[u8]) {
    const SHORT: usize = 1024;
    if let [0, changes @ ..] = bytes {
        let mut altered: Vec<Vec<u8>> = vec![];
        let lines: Vec<&[u8]> = TOLD.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()).collect();
        for (at, line) in lines.iter().enumerate() {
            // A change of four bytes: the first is the line.
            let of_line = changes.chunks_exact(4).filter(|change| usize::from(change[0]) % lines.len() == at);
            altered.push(self::altered(
                line,
                &of_line.flat_map(|change| &change[1..]).copied().collect::<Vec<_>>(),
            ));
        }
        let whole = altered.iter().flat_map(|line| line.iter().chain(b"\n")).copied().collect::<Vec<_>>();
        let ends = whole.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1);
        return journal_cut_at(&whole, ends);
    }
    let step = bytes.len().div_ceil(SHORT).max(1);
    let ends = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at);
    let mut cuts: Vec<usize> =
        (0..=bytes.len()).step_by(step).chain(ends.flat_map(|end| [end, end + 1])).collect();
    cuts.push(bytes.len());
    cuts.sort_unstable();
    cuts.dedup();
    journal_cut_at(bytes, cuts);
}

/// The kind of a complete line.
enum Whole {
    Entry(Box<Line>),
    /// JSON, and no entry.
    Other,
    /// No JSON.
    Damaged,
    Empty,
}

/// A journal that ends at any of these bytes, ascending, yields exactly the entries that were whole before it, and
/// the record of these can be recovered if the first is a start; else the error is the one that says so.
pub fn journal_cut_at(bytes: &[u8], cuts: impl IntoIterator<Item = usize>) {
    let path = scratch("journal.jsonl");
    let lines = lines(bytes);
    let mut recovered = None;
    for cut in cuts {
        fs::write(&path, &bytes[..cut]).unwrap();
        let before: Vec<&Whole> = lines.iter().filter(|(end, _)| *end <= cut).map(|(_, line)| line).collect();
        let read = archive::read_journal::<Line>(&path);
        if before.iter().any(|line| matches!(line, Whole::Other)) {
            let error = read.expect_err("a line of another version");
            assert!(matches!(error, ArchiveError::Content { .. }), "{error}");
            continue;
        }
        let journal = read.unwrap_or_else(|error| panic!("cut at {cut}: {error}"));
        let entries = journal.entries;
        let expected =
            before.iter().filter_map(|line| if let Whole::Entry(line) = line { Some(&**line) } else { None });
        assert!(entries.iter().eq(expected), "cut at {cut}");
        let whole = lines.iter().any(|(end, _)| *end == cut) || cut == 0;
        assert_eq!(journal.torn, !whole, "cut at {cut}");
        let damaged =
            before.iter().zip(1..).filter(|(line, _)| matches!(line, Whole::Damaged)).map(|(_, n)| n);
        assert!(journal.damaged.iter().copied().eq(damaged), "cut at {cut}");
        if recovered != Some(entries.len()) {
            recovered = Some(entries.len());
            recover(&entries);
        }
    }
}

/// Where each whole line ends, and what it is.
fn lines(bytes: &[u8]) -> Vec<(usize, Whole)> {
    let mut from = 0;
    let ends = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at);
    ends.map(|end| {
        let line = &bytes[from..end];
        from = end + 1;
        let what = match serde_json::from_slice::<Line>(line) {
            Ok(line) => Whole::Entry(Box::new(line)),
            Err(_) if line.is_empty() => Whole::Empty,
            Err(_) if std::str::from_utf8(line).is_err() => Whole::Damaged,
            Err(_) if serde_json::from_slice::<IgnoredAny>(line).is_ok() => Whole::Other,
            Err(_) => Whole::Damaged,
        };
        (end + 1, what)
    })
    .collect()
}

fn recover(entries: &[Line]) {
    let rows: Vec<&Row> = entries
        .iter()
        .filter_map(|l| if let Line::Second(rows) = l { Some(&rows.row) } else { None })
        .collect();
    match (archive::recover(entries.to_vec(), &[]), entries.first()) {
        (Ok(record), Some(Line::Start { .. })) => {
            assert_eq!((record.run.end, record.schema.as_str()), (End::Recovered, SCHEMA));
            assert_ne!(record.verdict, Verdict::Pass, "what is not known cannot pass");
            assert!(
                record.timeline.iter().eq(rows.iter().copied()),
                "the seconds that were reported, and no more"
            );
            whole(&record);
        }
        (Err(RecoverError::Schema(found)), Some(Line::Start { schema, .. })) => {
            assert!(found == *schema && found != SCHEMA);
        }
        (Err(RecoverError::NoStart), first) => assert!(!matches!(first, Some(Line::Start { .. }))),
        (other, _) => panic!("{other:?}"),
    }
}
