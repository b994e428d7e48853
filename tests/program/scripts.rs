//! Completions, manual pages and the version, as shells and packagers use them.

use std::process::{Command, Stdio};

use crate::support::outside;
use crate::support::program::Place;

/// The output of a program, if it is there.
fn output_of(program: &str, arguments: &[&str]) -> Option<(bool, String)> {
    let done = Command::new(program).args(arguments).stdin(Stdio::null()).output().ok()?;
    let text = [done.stdout, done.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    Some((done.status.success(), text))
}

#[test]
fn bash_completes_commands_flags_and_values() {
    let place = Place::new();
    let script = place.run(&["completions", "bash"]);
    script.ends(0);
    assert!(!script.out.contains("reap-container"), "only what people type");
    place.write("completion.bash", &script.out);
    let file = place.path().join("completion.bash").display().to_string();
    assert_eq!(output_of("bash", &["-n", &file]), Some((true, String::new())));
    for (words, expected) in [
        ("tickgate com", vec!["compare", "completions"]),
        ("tickgate run --dry", vec!["--dry-run"]),
        ("tickgate run --format ", vec!["text", "json"]),
        ("tickgate completions z", vec!["zsh"]),
    ] {
        let code = format!(
            "source {file}; words='{words}'; COMP_WORDS=($words); [[ $words == *' ' ]] && COMP_WORDS+=(''); \
             COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); \
             _tickgate tickgate \"${{COMP_WORDS[COMP_CWORD]}}\" \"${{COMP_WORDS[COMP_CWORD-1]}}\"; echo \"${{COMPREPLY[@]}}\""
        );
        let (_, said) = output_of("bash", &["-c", &code]).unwrap();
        assert_eq!(said.split_whitespace().collect::<Vec<_>>(), expected, "{words}");
    }
}

#[test]
fn every_shell_has_its_completions() {
    let place = Place::new();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = place.run(&["completions", shell]);
        script.ends(0);
        assert!(script.err.is_empty() && script.out.contains("run-dir"), "{shell}");
        if let (Some((whole, said)), false) =
            (output_of(shell, &["--version"]), ["elvish", "powershell"].contains(&shell))
            && whole
        {
            place.write("completion", &script.out);
            let file = place.path().join("completion").display().to_string();
            assert_eq!(output_of(shell, &["-n", &file]), Some((true, String::new())), "{said}");
        }
    }
    place.run(&["completions", "cmd"]).fails(2, &["cmd", "possible values"]);
}

/// A folder with the completions of a shell in a file of this name, where the shells are there.
fn completions(shell: &str, file: &str) -> Option<Place> {
    let how = "as root on Debian, run scripts/shells.sh";
    outside::brought("shells", "scripts/shells.sh check", how).then(|| {
        let place = Place::new();
        place.write(file, place.run(&["completions", shell]).out);
        place
    })
}

#[test]
fn zsh_completes_commands_flags_and_values() {
    let Some(place) = completions("zsh", "_tickgate") else { return };
    let script = outside::root().join("tests/shells/complete.zsh").display().to_string();
    let folder = place.path().display().to_string();
    let lines = ["tickgate pro", "tickgate run --dr", "tickgate profiles s", "tickgate completions el"];
    let (whole, said) = output_of("zsh", &[&["-f", &script, &folder][..], &lines].concat()).unwrap();
    let expected = [
        "loaded:",
        "tickgate profiles ",
        "tickgate run --dry-run ",
        "tickgate profiles show ",
        "tickgate completions elvish ",
    ];
    assert_eq!((whole, said.lines().collect::<Vec<_>>()), (true, expected.to_vec()));
}

#[test]
fn fish_completes_commands_and_flags() {
    let Some(place) = completions("fish", "tickgate.fish") else { return };
    let file = place.path().join("tickgate.fish").display().to_string();
    for (words, expected) in [
        ("tickgate com", &["compare", "completions"][..]),
        ("tickgate run --dr", &["--dry-run"]),
        ("tickgate run --format ", &["text", "json"]),
        ("tickgate profiles sh", &["show"]),
    ] {
        let code = format!("source {file}; and complete --do-complete '{words}'");
        let (whole, said) = output_of("fish", &["--no-config", "-c", &code]).unwrap();
        let mut found: Vec<&str> = said.lines().filter_map(|line| line.split('\t').next()).collect();
        let mut expected = expected.to_vec();
        found.sort_unstable();
        expected.sort_unstable();
        assert_eq!((whole, found), (true, expected), "{words}: {said}");
    }
}

#[test]
fn each_command_has_a_manual_page() {
    let place = Place::new();
    place.run(&["man", "pages"]).ends(0);
    let page = |name: &str| place.path().join("pages").join(name).display().to_string();
    for (name, part) in [
        ("tickgate.1", "Exit codes"),
        ("tickgate-run.1", "dry"),
        ("tickgate-profiles-show.1", "shipped profile"),
    ] {
        let text = std::fs::read_to_string(page(name)).unwrap();
        assert!(text.contains(part), "{name}");
        // No warning of the formatter, where there is one.
        if let Some((formatted, said)) =
            output_of("groff", &["-Kutf8", "-man", "-Tutf8", "-ww", "-z", &page(name)])
        {
            assert!(formatted && said.is_empty(), "{name}: {said}");
        }
    }
    assert!(!place.path().join("pages/tickgate-reap-container.1").exists());
    let whole = place.run(&["man"]);
    whole.ends(0);
    assert!(whole.out.contains(".TH"), "{}", whole.out);
    place.write("file", "");
    place.run(&["man", "file"]).fails(4, &["file"]);
}

#[test]
fn the_version_names_commit_features_and_target() {
    let place = Place::new();
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(place.run(&["-V"]).out, format!("tickgate {version}\n"));
    let long = place.run(&["--version"]).out;
    let lines: Vec<&str> = long.lines().collect();
    assert_eq!(lines[0], format!("tickgate {version}"));
    for (line, name) in lines[1..].iter().zip(["commit:", "features:", "target:"]) {
        let value = line.strip_prefix(name).unwrap_or_else(|| panic!("{name} {long}"));
        assert!(!value.trim().is_empty(), "{long}");
    }
    assert_eq!(lines.len(), 4, "{long}");
}
