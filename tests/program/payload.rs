//! Events in a format of the user's own, on a real server, from the command line to the record; and what compression makes
//! of padding.

#![expect(clippy::expect_used, reason = "tests")]

use tickgate::plan::Padding;
use tickgate::record::{Record, StoreBytes, Verdict};

use crate::support::program::{Place, balances};

const QUOTE: &str = r#"{
  "header": {"type": {{eventType}}, "id": "urn:uuid:{{eventId}}", "at": "{{timestamp}}"},
  "body": {"symbol": {{symbol}}, "px": {{price}}, "label": "{{symbol}} at {{price}}", "volume": {{volume}}}
}
"#;
const SAMPLES: &str = r#"{"meta":{"id":"4711","kind":"order"},"lines":[{"sku":"a\"b","n":2}],"total":17.50}
{"meta":{"kind":"refund", "id":"x"}, "total": -3}

{"meta":{"id":"","kind":"ping"}}
"#;

/// Every event came, whole, and as it was sent.
#[track_caller]
fn whole(record: &Record) {
    balances(record);
    let audit = record.audit.as_ref().expect("an audit");
    assert_eq!((audit.acked, audit.stored_once, audit.corrupt), (record.load.acked, record.load.acked, 0));
    for group in &record.groups {
        assert_eq!((group.delivered, group.lost), (group.expected, 0));
        assert_eq!((group.corrupt, group.foreign, group.unverified), (0, 0, 0));
    }
    assert_eq!(record.verdict, Verdict::Pass);
}

#[test]
fn a_template_beside_the_profile_is_what_is_sent() {
    let place = Place::new();
    place.write("quote.json", QUOTE);
    let done = place.gate(&["--set", "payload.file=quote.json"]);
    done.ends(0);
    let record = place.record();
    whole(&record);
    assert_eq!(record.plan.payload.template.as_deref(), Some(QUOTE.trim()));
    let page = std::fs::read_to_string(place.run_folder().join("report.html")).expect("a page");
    assert!(page.contains("template quote.json, "), "the page names the format");
    // The record's plan is a profile that needs no file.
    let toml = tickgate::profile::to_toml(&record.plan);
    let again = tickgate::profile::read(&tickgate::profile::Source::new("again", toml), &[]).expect("a plan");
    assert_eq!(again, record.plan);
}

#[test]
fn sample_events_are_sent_and_stay_out_of_the_record() {
    let place = Place::new();
    place.write("samples.jsonl", SAMPLES);
    let profile = std::fs::read_to_string(place.path().join("gate.toml")).expect("a profile");
    let own =
        format!("{profile}\n[payload]\nsamples = \"samples.jsonl\"\nid = \"meta.id\"\ndraw = \"random\"\n");
    place.write("own.toml", own);
    place.run(&["run", "./own.toml"]).ends(0);
    let record = place.record();
    whole(&record);
    let text = std::fs::read_to_string(place.run_folder().join("record.json")).expect("a record");
    assert!(text.contains("samples.jsonl") && !text.contains("refund"));
    let checked = place.run(&["check", "./own.toml"]);
    checked.ends(0);
    assert!(checked.out.contains("payload: samples samples.jsonl, up to 114 B"), "{}", checked.out);
}

#[test]
fn a_template_with_mistakes_is_refused_with_their_places() {
    let place = Place::new();
    place.write("quote.json", "{\n  \"id\": \"{{eventId}}\",\n  \"px\": {{prize}}\n}\n");
    place.write("samples.jsonl", "{\"id\":\"a\"}\n{\"id\":7}\n");
    place.gate(&["--set", "payload.file=quote.json"]).fails(
        2,
        &[
            "`quote.json`, line 3, column 9: `{{prize}}` is not a placeholder",
            "`timestampMs`",
            "did you mean `price`?",
        ],
    );
    place.gate(&["--set", "payload.file=none.json"]).fails(2, &["cannot read `none.json`"]);
    place.gate(&["--set", "payload.samples=samples.jsonl"]).fails(2, &["`payload.id` is missing"]);
    let samples = ["--set", "payload.samples=samples.jsonl", "--set", "payload.id=id"];
    place.gate(&samples).fails(2, &["`samples.jsonl`, line 2, column 7: `id` is not a text"]);
}

/// Bytes of a run's store by the server's account and on its disk, with compression and this padding.
fn stored(padding: &str) -> (f64, f64) {
    let place = Place::new();
    let padding_set = format!("payload.padding={padding}");
    let sets = [
        "market.event_size=6kB",
        "bus.nats.compression=s2",
        // Small blocks: the last one is not compressed before it is full.
        "bus.max_bytes=20MiB",
        "load.rate=1500/s",
        "load.duration=1s",
        "load.warmup=500ms",
        "bus.storage=file",
        &padding_set,
    ];
    let args: Vec<&str> = sets.iter().flat_map(|set| ["--set", set]).collect();
    let done = place.gate(&args);
    assert!([0, 1, 3].contains(&done.code), "{done:#?}");
    let record = place.record();
    let expected = if padding == "blank" { Padding::Blank } else { Padding::Random };
    assert_eq!(record.plan.payload.padding, Some(expected));
    let resources = &record.resources;
    assert_eq!(resources.store_bytes_are, Some(StoreBytes::Logical));
    let bytes = |bytes: Option<u64>| f64::from(u32::try_from(bytes.expect("a size")).expect("a small one"));
    (bytes(resources.store_bytes), bytes(resources.disk_bytes))
}

#[test]
fn compression_shrinks_blank_padding_and_not_random_padding() {
    let (logical, disk) = stored("random");
    assert!(disk > 0.9 * logical, "random: {disk} of {logical}");
    let (logical, disk) = stored("blank");
    assert!(disk < 0.6 * logical, "blank: {disk} of {logical}");
}
