//! `[payload]`: what it becomes, and its mistakes.

use super::*;

const TEMPLATE: &str = r#"{"id":"{{eventId}}","px":{{price}}}"#;

/// A folder with a profile, a template and samples.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("a file");
    write("quote.json", &format!("\u{feff}{TEMPLATE}\r\n"));
    write("samples.jsonl", "{\"m\":{\"id\":\"a\"}}\n\n  {\"m\":{\"id\":\"b\"},\"x\":1}\n");
    write("bad.jsonl", "{\"m\":{\"id\":\"a\"}}\n{\"m\":{}}\n{\"m\":\n");
    write("empty.jsonl", "\n \n");
    folder
}

/// The plan of a profile in such a folder.
fn at(folder: &tempfile::TempDir, text: &str) -> Result<Plan, String> {
    let path = folder.path().join("p.toml");
    let source = Source::new(path.to_str().expect("a path"), format!("{LEAST}{text}"));
    read(&source, &[]).map_err(|errors| errors.to_string())
}

#[test]
fn a_template_is_text_or_a_file_beside_the_profile() {
    let folder = folder();
    let inline = at(&folder, &format!("[payload]\ntemplate = '''\n{TEMPLATE}\n'''\n")).expect("a plan");
    assert_eq!(inline.payload.template.as_deref(), Some(TEMPLATE));
    assert_eq!((&inline.payload.name, inline.payload.padding), (&None, None));
    let filed =
        at(&folder, "[payload]\nfile = \"quote.json\"\n[market]\nevent_size = \"0B\"\n").expect("a plan");
    assert_eq!(filed.payload.template, inline.payload.template);
    assert_eq!(filed.payload.name.as_deref(), Some("quote.json"));
    assert_eq!(filed.payload.describe(), "template quote.json");
    for plan in [inline, filed] {
        assert_eq!(read(&Source::new("p.toml", to_toml(&plan)), &[]).as_ref(), Ok(&plan));
    }
}

#[test]
fn samples_are_lines_whose_file_is_known_again() {
    let folder = folder();
    let table = "[payload]\nsamples = \"samples.jsonl\"\nid = \"m.id\"\n";
    let plan = at(&folder, table).expect("a plan");
    let payload = &plan.payload;
    let lines: Vec<&str> = payload.lines.0.iter().map(AsRef::as_ref).collect();
    assert_eq!(lines, [r#"{"m":{"id":"a"}}"#, r#"{"m":{"id":"b"},"x":1}"#]);
    assert_eq!((payload.draw, payload.describe().as_str()), (Some(Draw::InOrder), "samples samples.jsonl"));
    let written = to_toml(&plan);
    assert!(!written.contains("\"x\""), "{written}");
    let path = folder.path().join("p.toml");
    assert_eq!(read(&Source::new(path.to_str().expect("a path"), written), &[]).as_ref(), Ok(&plan));
    let other = at(&folder, &format!("{table}digest = \"00\"\n")).unwrap_err();
    assert!(other.contains("`payload.digest` is of another file"), "{other}");
    // What comes out of a record has the digest and no lines.
    let json = serde_json::to_string(&plan).expect("JSON");
    let recorded: Plan = serde_json::from_str(&json).expect("a plan");
    assert!(recorded.payload.lines.0.is_empty() && recorded.payload.digest == plan.payload.digest);
}

#[test]
fn padding_is_random_where_there_is_some() {
    let padding = |text: &str| at(&folder(), text).expect("a plan").payload.padding;
    assert_eq!(padding(""), None);
    assert_eq!(padding("[market]\nevent_size = \"1kB\"\n"), Some(Padding::Random));
    assert_eq!(
        padding("[market]\nevent_size = \"1kB\"\n[payload]\npadding = \"blank\"\n"),
        Some(Padding::Blank)
    );
    // A plan of an earlier version, whose padding is blank, is written as what it is.
    let mut old = plan_of(LEAST, &["market.event_size=1kB"]);
    old.payload.padding = None;
    assert_eq!(plan_of(&to_toml(&old), &[]).payload.padding, Some(Padding::Blank));
}

#[test]
fn every_mistake_is_named() {
    let folder = folder();
    for (text, said) in [
        (
            "template = '{\"id\":\"{{eventId}}\",\"p\":{{prize}}}'",
            "p.toml:5:37: `payload.template`: the template, line 1, column 25: `{{prize}}` is not a placeholder",
        ),
        ("template = '{\"id\":1}'", "the template has no `{{eventId}}`"),
        ("file = \"quote.json\"\ntemplate = '{}'", "expected one of `template`, `file` and `samples`"),
        ("file = \"none.json\"", "none.json`: No such file"),
        ("file = \".\"", "it is not a regular file"),
        ("samples = \"samples.jsonl\"", "`payload.id` is missing"),
        (
            "samples = \"bad.jsonl\"\nid = \"m.id\"",
            "`bad.jsonl`, line 2, column 6: no field `m.id`: there is no `id`",
        ),
        ("samples = \"bad.jsonl\"\nid = \"m.id\"", "line 3, column 5: this is not JSON"),
        ("samples = \"empty.jsonl\"\nid = \"m.id\"", "has no event"),
        ("draw = \"random\"", "`payload.draw` says how `payload.samples` are used"),
        ("padding = \"none\"", "expected `blank` or `random`"),
        (
            "file = \"quote.json\"\n[market]\nevent_size = \"2kB\"",
            "`payload.file` has no place for random padding; put `{{padding}}`",
        ),
        ("tempalte = ''", "did you mean `template`?"),
    ] {
        let errors = at(&folder, &format!("[payload]\n{text}\n")).unwrap_err();
        assert!(errors.contains(said), "{text}: {errors}");
    }
}
