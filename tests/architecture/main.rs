//! The rules of the code base, checked on the source: module order, purity, who prints, and how long things get.
//!
//! Each rule is shown to fail on bad pieces of code below.

mod features;
mod scan;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::{fs, io};

use scan::{Source, bare, closing, tokens};

/// The modules in their order: each names only those before it.
const ORDER: [&str; 24] = [
    "num", "plan", "topology", "market", "load", "measure", "record", "stats", "verdict", "compare",
    "capacity", "baseline", "matrix", "report", "lint", "host", "archive", "bus", "profile", "broker", "run",
    "session", "selftest", "cli",
];
/// How many of them, from the first, are pure.
const PURE: usize = 15;
/// What pure modules never name: the outside world, and its clocks.
const IMPURE: [&str; 18] = [
    "tokio",
    "async_nats",
    "bollard",
    "rdkafka",
    "clap",
    "sysinfo",
    "rustix",
    "libc",
    "signal_hook",
    "futures_util",
    "std::fs",
    "std::net",
    "std::os",
    "std::process",
    "std::env",
    "std::thread",
    "std::time::Instant",
    "std::time::SystemTime",
];
const PRINTING: [&str; 5] = ["print", "println", "eprint", "eprintln", "dbg"];
const FILE_LINES: usize = 500;
const FUNCTION_LINES: usize = 70;

// --- The rules. Each gives its complaints about one file.

/// Names of modules that come later, whether by `crate::` or by enough `super::`.
fn order(source: &Source) -> Vec<String> {
    let place = |module: &str| ORDER.iter().position(|name| *name == module);
    let Some(own) = place(&source.module) else { return vec![] };
    let names = source.names.iter().filter(|name| name.root);
    names
        .filter_map(|name| {
            let other = name.segments.first()?;
            match place(other) {
                Some(place) if place <= own => None,
                Some(_) => Some(
                    source
                        .at(name.line, &format!("`{}` names `{other}`, which comes after it", source.module)),
                ),
                None => Some(
                    source.at(name.line, &format!("`crate::{other}` is none of the modules in their order")),
                ),
            }
        })
        .collect()
}

/// The outside world in a pure module, be it by a path, an import, a glob or an alias of a whole module.
fn purity(source: &Source) -> Vec<String> {
    if !ORDER[..PURE].contains(&source.module.as_str()) {
        return vec![];
    }
    let names = source.names.iter().filter(|name| !name.root);
    names
        .filter_map(|name| {
            let impure =
                IMPURE.iter().find(|impure| name.reaches(&impure.split("::").collect::<Vec<_>>()))?;
            let message =
                format!("`{}` is pure and names `{impure}` (`{}`)", source.module, name.segments.join("::"));
            Some(source.at(name.line, &message))
        })
        .collect()
}

/// Printing and exiting outside `cli`; and the wall clock, which only `host::clock` reads.
fn privileges(source: &Source) -> Vec<String> {
    let at_the_rim = ["cli", "main"].contains(&source.module.as_str());
    let tokens = source.tokens();
    let macros =
        tokens.windows(2).filter(|pair| pair[1].text == "!" && PRINTING.contains(&pair[0].text.as_str()));
    let macros: Vec<(usize, String)> =
        macros.map(|pair| (pair[0].line, format!("{}!", pair[0].text))).collect();
    let calls = source.names.iter().filter_map(|name| {
        let only_cli = ["stdout", "stderr"].iter().any(|end| name.ends_in(&["io", end]))
            || ["exit", "abort"].iter().any(|end| name.ends_in(&["process", end]));
        let only_clock = name.ends_in(&["SystemTime", "now"])
            || name.segments.iter().any(|segment| matches!(segment.as_str(), "now_utc" | "now_local"));
        let said = name.segments.join("::");
        match (only_cli && !at_the_rim, only_clock && source.path != "src/host/clock.rs") {
            (true, _) => {
                Some(source.at(name.line, &format!("only `cli` prints or exits, and this is `{said}`")))
            }
            (_, true) => Some(
                source
                    .at(name.line, &format!("only `host::clock` reads the wall clock, and this is `{said}`")),
            ),
            _ => None,
        }
    });
    let prints = macros.into_iter().filter(|_| !at_the_rim);
    calls
        .chain(
            prints.map(|(line, said)| source.at(line, &format!("only `cli` prints, and this is `{said}`"))),
        )
        .collect()
}

/// Files and functions that have grown too long, by their code: tests and comments may be as long as they need to be.
fn length(source: &Source) -> Vec<String> {
    let mut complaints = vec![];
    if source.lines >= FILE_LINES {
        complaints.push(
            source.at(1, &format!("the file has {} lines of code; stay under {FILE_LINES}", source.lines)),
        );
    }
    let tokens = source.tokens();
    for at in tokens.iter().enumerate().filter(|(_, token)| token.text == "fn").map(|(at, _)| at) {
        let Some(name) = tokens.get(at + 1).filter(|token| token.is_word()) else { continue };
        let mut parens = 0_usize;
        let body = (at..tokens.len()).find(|&at| match tokens[at].text.as_str() {
            "(" | "[" => {
                parens += 1;
                false
            }
            ")" | "]" => {
                parens = parens.saturating_sub(1);
                false
            }
            "{" | ";" => parens == 0,
            _ => false,
        });
        let Some(body) = body.filter(|&at| tokens[at].text == "{") else { continue };
        let lines = tokens[closing(&tokens, body)].line - tokens[at].line + 1;
        if lines >= FUNCTION_LINES {
            complaints.push(
                source.at(
                    name.line,
                    &format!("`{}` has {lines} lines; stay under {FUNCTION_LINES}", name.text),
                ),
            );
        }
    }
    complaints
}

/// Unit tests are the module `tests` of what they test: at the end of its file, or in a file `tests.rs` in its folder. So the
/// other rules, and `make mutants`, know them by their place.
fn test_files(path: &str, text: &str) -> Vec<String> {
    let tokens = tokens(&bare(text));
    let elsewhere = ["path", "=", "]", "mod", "tests"];
    let elsewhere = tokens.windows(5).any(|five| five.iter().map(|token| &token.text).eq(&elsewhere));
    let name = path.rsplit('/').next().unwrap_or_default();
    let mut complaints = vec![];
    if elsewhere {
        complaints.push(format!("{path}: `tests` is where its name says, without `#[path]`"));
    }
    if name != "tests.rs" && (name.ends_with("_tests.rs") || name.starts_with("test")) {
        complaints.push(format!("{path}: unit tests in a file of their own are `NAME/tests.rs`"));
    }
    complaints
}

/// An `allow` that does not say why. Holds in tests too.
fn bare_allows(path: &str, text: &str) -> Vec<String> {
    let tokens = tokens(&bare(text));
    let opens = |at: usize| tokens[at].text == "allow" && at > 1 && tokens[at - 1].text == "[";
    (0..tokens.len())
        .filter(|&at| opens(at) && (tokens[at - 2].text == "#" || tokens[at - 2].text == "!"))
        .filter(|&at| {
            !tokens[at..].iter().take_while(|token| token.text != "]").any(|token| token.text == "reason")
        })
        .map(|at| {
            format!(
                "{path}:{}: `allow` without a reason; better `#[expect(…, reason = \"…\")]`",
                tokens[at].line
            )
        })
        .collect()
}

/// The files of a folder that another one of its files names; a folder in it counts as one file, and `mod.rs` as none.
fn neighbours(source: &Source, folder: &str) -> BTreeSet<String> {
    let mut all: BTreeSet<String> = BTreeSet::new();
    let of_root = source
        .names
        .iter()
        .filter(|name| name.root && name.segments.first().is_some_and(|first| first == folder));
    all.extend(of_root.filter_map(|name| name.segments.get(1).cloned()));
    if source.path.matches('/').count() > 2 {
        return all;
    }
    let tokens = source.tokens();
    let text = |at: usize| tokens.get(at).map_or("", |token| token.text.as_str());
    for at in (0..tokens.len()).filter(|&at| text(at) == "super" && text(at + 1) == "::") {
        if text(at + 2) != "{" {
            all.insert(text(at + 2).to_owned());
            continue;
        }
        let close = closing(&tokens, at + 2);
        all.extend(
            (at + 3..close).filter(|&at| matches!(text(at - 1), "{" | ",")).map(|at| text(at).to_owned()),
        );
    }
    all
}

/// The names on a circle of files of a folder that name each other, where there is one.
fn circle(folder: &str, sources: &[(String, String)]) -> Option<Vec<String>> {
    let mut graph: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let prefix = format!("src/{folder}/");
    for (path, text) in sources {
        let Some(inside) = path.strip_prefix(&prefix).filter(|inside| *inside != "mod.rs") else { continue };
        let own = inside.split(['/', '.']).next().unwrap_or_default().to_owned();
        graph.entry(own).or_default().extend(neighbours(&Source::new(path, text), folder));
    }
    for (file, named) in &mut graph {
        named.remove(file);
    }
    // What names nothing that is left is on no circle.
    loop {
        let files: BTreeSet<String> = graph.keys().cloned().collect();
        let (on, off): (BTreeMap<_, _>, BTreeMap<_, _>) =
            graph.into_iter().partition(|(_, named)| named.iter().any(|name| files.contains(name)));
        if off.is_empty() {
            return (!on.is_empty()).then(|| on.into_keys().collect());
        }
        graph = on;
    }
}

/// Where a product is named outside its own files, and why. The rest of the code knows products by their rows.
const NAMING: [(&str, &str); 35] = [
    ("src/plan/product/mod.rs", "the rows of the products, for those who plan and compare"),
    ("src/session/product.rs", "the rows of the products, for those who run"),
    ("src/session/mod.rs", "their modules"),
    ("src/session/monitor.rs", "a NATS with monitoring endpoints"),
    ("src/session/container.rs", "the heap that a profile asks for"),
    ("src/broker/mod.rs", "their modules, and errors that say how to get one"),
    ("src/broker/container/", "the rows of their images, and their recipes"),
    ("src/bus/mod.rs", "their modules"),
    ("src/bus/model.rs", "the models of their drivers"),
    ("src/bus/window.rs", "a window that only one driver uses is built with it"),
    ("src/bus/sim/world.rs", "the simulated bus delivers again as NATS does"),
    ("src/plan/bus.rs", "the tables of a plan"),
    ("src/plan/mod.rs", "the tables of a plan"),
    ("src/profile/mod.rs", "their modules"),
    ("src/profile/keys.rs", "the keys of their tables"),
    ("src/profile/setting.rs", "reads their tables"),
    ("src/profile/write.rs", "writes their tables"),
    ("src/profile/check.rs", "the rows of their checks"),
    ("src/profile/comparison.rs", "the name of a shipped comparison"),
    ("src/profile/matrix.rs", "the names of shipped matrices"),
    ("src/lint/", "it lints the configuration of a NATS server"),
    ("src/session/lint.rs", "asks NATS servers what a lint needs"),
    ("src/cli/lint.rs", "lints the configuration of a NATS server"),
    ("src/topology/mod.rs", "the module of the names that Kafka allows"),
    ("src/topology/lint.rs", "a topology of subjects is linted as NATS reads it"),
    ("src/report/claims.rs", "the ADR claims it of them by name"),
    ("src/compare/claims.rs", "the ADR claims it of them by name"),
    ("src/verdict/claims.rs", "the ADR claims it of them by name"),
    ("src/run/engine.rs", "when a delivery comes again is in a product's table"),
    ("src/run/memory.rs", "what a client takes follows from its product's table"),
    ("src/run/simulated/", "plans of the simulation"),
    ("src/selftest/", "plans of the simulation"),
    ("src/cli/topology.rs", "draws partitions by the names that Kafka allows"),
    ("src/cli/clean.rs", "addresses in advice"),
    ("src/cli/doctor.rs", "an image in advice"),
];

/// Does some code name a product, be it in words or in an identifier? Comments and tests do not count.
fn names_a_product(text: &str) -> bool {
    let code = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    let mut lines = code.lines().map(str::trim_start).filter(|line| !line.starts_with("//"));
    lines.any(|line| {
        let line = line.to_ascii_lowercase();
        line.contains("nats") || line.contains("kafka")
    })
}

/// A file of a product's own: it, or a folder that it is in, has the product's name.
fn is_a_products_own(path: &str) -> bool {
    path.split(['/', '.']).any(|part| ["nats", "kafka", "provision_tests", "tests"].contains(&part))
}

/// The Rust files below some folders of the project, as (path, text).
fn files(folders: &[&str]) -> io::Result<Vec<(String, String)>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut all = vec![];
    let mut open: Vec<_> =
        folders.iter().map(|folder| root.join(folder)).filter(|folder| folder.exists()).collect();
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().replace('\\', "/");
                all.push((name, fs::read_to_string(path)?));
            }
        }
    }
    all.sort();
    Ok(all)
}

// --- The code keeps them.

fn assert_kept(complaints: &[String]) {
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

fn assert_rule(rule: fn(&Source) -> Vec<String>) -> io::Result<()> {
    let sources = files(&["src"])?;
    assert!(sources.len() > ORDER.len(), "only {} files were found", sources.len());
    let complaints: Vec<String> =
        sources.iter().flat_map(|(path, text)| rule(&Source::new(path, text))).collect();
    assert_kept(&complaints);
    Ok(())
}

#[test]
fn each_module_names_only_modules_before_it() -> io::Result<()> {
    assert_rule(order)
}

#[test]
fn pure_modules_know_nothing_of_the_outside_world() -> io::Result<()> {
    assert_rule(purity)
}

#[test]
fn only_cli_prints_or_exits_and_only_the_clock_reads_the_time_of_day() -> io::Result<()> {
    assert_rule(privileges)
}

#[test]
fn files_and_functions_stay_short() -> io::Result<()> {
    assert_rule(length)
}

/// Each binary is linked with librdkafka, which costs more than compiling most tests.
#[test]
fn test_binaries_are_few() -> io::Result<()> {
    let all = files(&["tests"])?.into_iter().map(|(path, _)| path);
    let binaries = all.filter(|path| {
        path.matches('/').count() == 1 || path.matches('/').count() == 2 && path.ends_with("/main.rs")
    });
    let expected = ["architecture", "kafka", "measure", "nats", "program", "pure"]
        .map(|name| format!("tests/{name}/main.rs"));
    assert_eq!(binaries.collect::<Vec<_>>(), expected, "a new file is a module of one of them");
    Ok(())
}

#[test]
fn unit_tests_stand_beside_their_code() -> io::Result<()> {
    assert_kept(&files(&["src"])?.iter().flat_map(|(path, text)| test_files(path, text)).collect::<Vec<_>>());
    Ok(())
}

#[test]
fn files_of_session_and_of_cli_name_each_other_in_one_direction() -> io::Result<()> {
    let sources = files(&["src"])?;
    for folder in ["session", "cli"] {
        assert_eq!(circle(folder, &sources), None, "files of {folder} name each other in a circle");
    }
    Ok(())
}

#[test]
fn a_product_is_named_in_its_own_files_and_where_there_is_a_reason() -> io::Result<()> {
    let sources = files(&["src"])?;
    let others = sources.iter().filter(|(path, text)| !is_a_products_own(path) && names_a_product(text));
    let mut complaints = vec![];
    for (path, _) in others {
        match NAMING.iter().find(|(known, _)| path == known || (known.ends_with('/') && path.starts_with(known))) {
            Some((_, reason)) => println!("{path}: {reason}"),
            None => complaints.push(format!(
                "{path} names a product; ask its row (`plan::Product`, `session::Product`) instead, or say here why"
            )),
        }
    }
    assert_kept(&complaints);
    Ok(())
}

#[test]
fn every_allow_says_why() -> io::Result<()> {
    let all = files(&["src", "tests", "benches"])?;
    assert_kept(&all.iter().flat_map(|(path, text)| bare_allows(path, text)).collect::<Vec<_>>());
    Ok(())
}

#[test]
fn the_library_lists_its_modules_in_their_order() -> io::Result<()> {
    let library = files(&["src"])?.into_iter().find(|(path, _)| path == "src/lib.rs").map(|(_, text)| text);
    let tokens = tokens(&bare(&library.unwrap_or_default()));
    let modules: Vec<&str> = (tokens.windows(3))
        .filter(|three| three[0].text == "pub" && three[1].text == "mod")
        .map(|three| three[2].text.as_str())
        .collect();
    assert_eq!(modules, ORDER);
    Ok(())
}

/// On another system, the line that says so is the only error: everything that needs Linux is left out there.
#[test]
fn a_build_elsewhere_says_that_tickgate_is_for_linux() -> io::Result<()> {
    let library = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs"))?;
    let lines: Vec<&str> = library.lines().collect();
    let said = lines.windows(3).find(|three| three[1].starts_with("compile_error!("));
    let said = said.map(|three| (three[0], three[2].trim().starts_with("\"tickgate runs on Linux only; ")));
    assert_eq!(said, Some(("#[cfg(not(any(target_os = \"linux\", pure)))]", true)));
    let outside: Vec<String> = ORDER[PURE..]
        .iter()
        .flat_map(|name| [format!("pub mod {name};"), format!("pub use {name}::")])
        .collect();
    let mut seen = 0;
    for pair in lines.windows(2).filter(|pair| outside.iter().any(|start| pair[1].starts_with(start))) {
        assert_eq!(pair[0], "#[cfg(all(target_os = \"linux\", not(pure)))]", "before `{}`", pair[1]);
        seen += 1;
    }
    assert!(seen > ORDER.len() - PURE, "{seen}");
    Ok(())
}

// --- And they can fail.

fn complaints(rule: fn(&Source) -> Vec<String>, path: &str, text: &str) -> Vec<usize> {
    let lines = rule(&Source::new(path, text));
    lines.iter().map(|line| line.split(':').nth(1).and_then(|line| line.parse().ok()).unwrap_or(0)).collect()
}

#[test]
fn order_sees_every_way_to_name_a_later_module() {
    for bad in [
        "use crate::cli;",
        "use crate::{num, cli::Args};",
        "use crate::{\n  num::{f64_of, share}, cli};",
        "fn f() { crate::cli::run(); }",
        "use super::super::cli;",
        "mod inner { use super::super::super::cli; }",
        "use super::{super::{cli}};",
        "use crate::elsewhere;",
        "pub use ::tickgate::cli as other;",
    ] {
        assert_eq!(complaints(order, "src/record/paired.rs", bad).len(), 1, "{bad}");
    }
    for good in [
        "use crate::num;",
        "use crate::record::interval;",
        "use super::cli;",
        "mod inner { use super::super::cli; }",
        "// use crate::cli;",
        "const X: &str = \"crate::cli\";",
        "#[cfg(test)]\nmod tests { use crate::cli; }",
    ] {
        assert_eq!(complaints(order, "src/record/paired.rs", good), [0; 0], "{good}");
    }
    assert_eq!(complaints(order, "src/record/mod.rs", "\nuse super::cli;"), [2]);
    assert_eq!(complaints(order, "src/main.rs", "use tickgate::cli;"), [0; 0]);
}

#[test]
fn purity_sees_every_way_to_the_outside_world() {
    for bad in [
        "use std::fs;",
        "use std::time::Instant;",
        "use std::time::{Duration, Instant as Clock};",
        "use std::{fmt, time::{Duration, SystemTime}};",
        "use std::time;",
        "use std::time::{self as t};",
        "use std::time::*;",
        "use std::*;",
        "fn f() { std::thread::sleep(d); }",
        "fn f() { ::std::thread::sleep(d); }",
        "fn f() { return ::std::thread::sleep(d); }",
        "fn f<'a>(c: char) { if c == '\"' { tokio::spawn(g) } }",
        "use tokio;",
        "#[tokio::main] fn f() {}",
        "#[cfg(test)]\nmod tests {}\nuse std::net::TcpStream;",
    ] {
        assert_eq!(complaints(purity, "src/record/mod.rs", bad).len(), 1, "{bad}");
    }
    for good in [
        "use std::time::Duration;",
        "use std::{fmt, io::Write};",
        "enum Replay { Instant }",
        "let tokio = 1;",
        "/* std::fs /* nested */ std::fs */",
        "r#\"std::fs \" tokio::x\"#;",
        "'\\''; '\"'; /// tokio::main",
        "#[cfg(test)]\nmod tests {\n use std::fs;\n}",
        "#[cfg(test)]\nuse std::fs;",
    ] {
        assert_eq!(complaints(purity, "src/record/mod.rs", good), [0; 0], "{good}");
    }
    assert_eq!(complaints(purity, "src/record/mod.rs", "\"a\nb\"\n; use std::fs;"), [3]);
    assert_eq!(complaints(purity, "src/host/mod.rs", "use std::fs;"), [0; 0]);
}

#[test]
fn privileges_belong_to_cli_and_the_clock() {
    for bad in [
        "fn f() { println!(); }",
        "fn f() { eprint!(\"x\") }",
        "fn f() { std::process::exit(1) }",
        "use std::io::{self, stdout};",
        "fn f() { io::stderr().lock(); }",
        "fn f() { SystemTime::now(); }",
        "fn f() { time::OffsetDateTime::now_utc(); }",
    ] {
        assert_eq!(complaints(privileges, "src/run/mod.rs", bad), [1], "{bad}");
    }
    assert_eq!(
        complaints(privileges, "src/cli/run.rs", "fn f() { println!(); std::process::exit(1) }"),
        [0; 0]
    );
    assert_eq!(complaints(privileges, "src/host/clock.rs", "fn f() { SystemTime::now(); }"), [0; 0]);
    assert_eq!(complaints(privileges, "src/run/mod.rs", "fn f() { child.stdout; writeln!(x); }"), [0; 0]);
}

#[test]
fn length_counts_files_and_functions() {
    let function = |lines: usize| format!("\nfn f(a: [u8; 3])\n{{{}}}\n", "\n".repeat(lines - 2));
    assert_eq!(complaints(length, "src/run/mod.rs", &function(FUNCTION_LINES)), [2]);
    assert_eq!(complaints(length, "src/run/mod.rs", &function(FUNCTION_LINES - 1)), [0; 0]);
    assert_eq!(
        complaints(length, "src/run/mod.rs", &format!("trait T {{ fn f(); }}{}", "\n".repeat(80))),
        [0; 0]
    );
    let code = |lines: usize| "use a;\n".repeat(lines);
    assert_eq!(complaints(length, "src/run/mod.rs", &code(FILE_LINES)), [1]);
    assert_eq!(complaints(length, "src/run/mod.rs", &code(FILE_LINES - 1)), [0; 0]);
    let text = "const X: &str = \"a\n\nb // no comment\nc\";\n";
    assert_eq!(Source::new("src/run/mod.rs", &text.repeat(100)).lines, 300, "a literal's lines are code");
    for more in
        ["\n\n", "// a comment\n/* and\nanother */", "#[cfg(test)]\nmod tests {\n use b;\n \"\nx\";\n}\n"]
    {
        let text = format!("{}{more}", code(FILE_LINES - 1));
        assert_eq!(complaints(length, "src/run/mod.rs", &text), [0; 0], "{more}");
    }
    assert_eq!(complaints(length, "src/run/tests.rs", &code(2 * FILE_LINES)), [0; 0]);
}

#[test]
fn unit_tests_have_one_place() {
    let good = "#[cfg(test)]\nmod tests;";
    let elsewhere = "#[cfg(test)]\n#[path = \"window_tests.rs\"]\nmod tests;";
    assert_eq!(test_files("src/bus/window.rs", elsewhere).len(), 1);
    assert_eq!(test_files("src/bus/window_tests.rs", "").len(), 1);
    for path in ["src/bus/window.rs", "src/bus/window/tests.rs", "src/profile/tests/mod.rs"] {
        assert_eq!(test_files(path, good).len(), 0, "{path}");
    }
}

#[test]
fn a_circle_of_files_is_found() {
    let sources = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect()
    };
    let one_way = [
        ("src/cli/mod.rs", "mod a; mod b; mod c;"),
        ("src/cli/a.rs", "use super::{Exit, b::{self, X}, c};"),
        ("src/cli/b.rs", "use super::c::X;"),
        ("src/cli/c.rs", "#[cfg(test)]\nmod tests { use super::super::a; }"),
        ("src/cli/c/inner.rs", "use super::a; use crate::num;"),
    ];
    assert_eq!(circle("cli", &sources(&one_way)), None);
    for back in ["use super::a;", "fn f() { crate::cli::a::x() }", "use super::{Exit, a};"] {
        let mut all = sources(&one_way);
        all[2].1 = back.to_owned();
        assert_eq!(circle("cli", &all), Some(vec!["a".to_owned(), "b".to_owned()]), "{back}");
    }
}

#[test]
fn a_product_is_seen_in_words_and_in_identifiers() {
    for bad in ["use crate::bus::nats;", "const X: &str = \"on Kafka\";", "fn is_kafka() {}"] {
        assert!(names_a_product(bad), "{bad}");
    }
    for good in ["// nats", "    /// Kafka", "fn f() {}\n#[cfg(test)]\nmod tests { use super::nats; }"] {
        assert!(!names_a_product(good), "{good}");
    }
    assert!(is_a_products_own("src/bus/kafka/mod.rs") && is_a_products_own("src/session/nats.rs"));
    assert!(!is_a_products_own("src/session/choice.rs"));
}

#[test]
fn allows_need_a_reason() {
    assert_eq!(bare_allows("x.rs", "\n#[allow(dead_code)]").len(), 1);
    assert_eq!(bare_allows("x.rs", "#![allow(dead_code)]\n#[must_use]").len(), 1);
    assert_eq!(bare_allows("x.rs", "#[allow(dead_code, reason = \"a ] in it\")]").len(), 0);
    assert_eq!(bare_allows("x.rs", "#[expect(dead_code)] fn allow() {}").len(), 0);
}
