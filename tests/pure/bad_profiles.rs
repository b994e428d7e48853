//! What people see of a bad profile: every mistake at once, where it is, and what to write instead.

#![expect(clippy::panic, reason = "a test that finds no mistake has failed")]

use std::path::{Path, PathBuf};

use tickgate::profile::{ProfileErrors, Source, read};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/profiles")
}

fn errors(source: &Source, sets: &[&str]) -> ProfileErrors {
    let sets: Vec<String> = sets.iter().map(ToString::to_string).collect();
    match read(source, &sets) {
        Ok(plan) => panic!("no mistake found in {plan:#?}"),
        Err(errors) => errors,
    }
}

fn good(text: &str) -> Vec<u8> {
    format!("{text}\n[load]\nrate = \"1k/s\"\nduration = \"1s\"\n").into_bytes()
}

#[test]
fn each_bad_profile_shows_all_its_mistakes() {
    let mut seen = 0;
    for entry in std::fs::read_dir(fixtures()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let source = Source::new(format!("profiles/{name}"), std::fs::read(&path).unwrap());
        insta::with_settings!({ snapshot_path => "../fixtures/profiles", prepend_module_to_snapshot => false, omit_expression => true }, {
            insta::assert_snapshot!(name, errors(&source, &[]));
        });
        seen += 1;
    }
    assert!(seen >= 9, "the fixtures are there");
}

#[test]
fn mistakes_in_overrides_point_at_the_flag() {
    let source = Source::find("quick").unwrap();
    insta::assert_snapshot!(errors(
        &source,
        &[
            "load.rate=20k",
            "load.rte=20k/s",
            "market.symbols = many",
            "groups.trading-engin.members=4",
            "groups.trading-engine.delivry=pinned",
            "objectives.latency.p99=< 50",
            "objectives.\"latency.p99.9\"=\"<< 50ms\"",
            "objectives.delivery.losst=none",
            "load",
            "=5",
            "a b=5",
            "load.rate.x=5",
        ]
    ));
}

#[test]
fn a_text_that_is_no_profile_is_refused_in_one_line() {
    let one = |name: &str, bytes: &[u8]| {
        let errors = errors(&Source::new(name, bytes), &[]);
        assert_eq!(errors.errors.len(), 1, "{errors}");
        errors.to_string().lines().next().unwrap().to_owned()
    };
    insta::assert_snapshot!(
        [
            one("utf8.toml", b"name = \"caf\xe9\"\n"),
            one("utf16.toml", b"\xff\xfen\0a\0"),
            one("garbage.toml", &vec![b'x'; 10 << 20]),
        ]
        .join("\n")
    );
}

#[test]
fn files_of_other_systems_are_read() {
    let plain = read(&Source::new("p.toml", good("name = \"p\"")), &[]).unwrap();
    let windows = String::from_utf8(good("name = \"p\"")).unwrap().replace('\n', "\r\n");
    assert_eq!(read(&Source::new("p.toml", windows.as_bytes()), &[]).unwrap(), plain);
    let marked = format!("\u{feff}{windows}");
    assert_eq!(read(&Source::new("p.toml", marked.as_bytes()), &[]).unwrap(), plain);
    let errors = errors(&Source::new("p.toml", format!("\u{feff}nam = 1\r\n{windows}").into_bytes()), &[]);
    assert_eq!((errors.errors[0].line, errors.errors[0].column), (1, 1), "{errors}");
}

#[test]
fn the_number_of_errors_shown_is_bounded_whatever_the_text() {
    let long = |part: &str| part.repeat(((1 << 20) - 100) / part.len());
    let numbered = |make: &dyn Fn(usize) -> String| (0..40_000).map(make).collect::<String>();
    let texts = [
        long("x"),
        long("="),
        long("\n"),
        long("[[groups]]\n"),
        long("[["),
        long("\"\"\""),
        long("a."),
        long("{a="),
        format!("x = {}", long("[")),
        numbered(&|n| format!("k{n} = {n}\n")),
        format!("[objectives]\n{}", numbered(&|n| format!("\"a{n}\" = \"{n}\"\n"))),
        format!("[mix]\n{}", numbered(&|n| format!("a{n} = {n}\n"))),
        format!("[load]\n{}", numbered(&|n| format!("rat{n} = {n}\n"))),
        format!("[topology]\ntopics = [{}]", numbered(&|n| format!("\"t{n}\","))),
        numbered(&|n| format!("[groups.g{n}]\n")),
    ];
    for text in texts {
        let start: String = text.chars().take(20).collect();
        let errors = errors(&Source::new("p.toml", text), &[]);
        assert!(errors.errors.len() <= 50 && !errors.errors.is_empty(), "{start}");
        assert!(errors.to_string().len() < 200_000, "{start}");
    }
}

#[test]
fn a_profile_that_is_not_there_names_the_shipped_ones() {
    let error = |argument: &str| Source::find(argument).expect_err("no such profile").to_string();
    insta::assert_snapshot!([error("quik"), error("no/such.toml"), error("tests/")].join("\n"));
}
