//! The baseline in reports/example-baseline is a real one, and its page is what this version makes of its history.

#![expect(clippy::expect_used, reason = "tests")]

use std::path::{Path, PathBuf};

use tickgate::baseline::{Finding, Line, Stage, What};

use crate::support::program::Place;

const HOW: &str = "`scripts/nights.sh` makes another one";
/// Its name, which is not that of the folder.
const NAME: &str = "nights";

fn shipped(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("reports/example-baseline").join(file)
}

fn read(file: &str) -> String {
    std::fs::read_to_string(shipped(file)).expect(HOW)
}

/// The shipped baseline, in a folder of its own.
fn placed() -> Place {
    let place = Place::new();
    std::fs::create_dir_all(place.path().join("baselines").join(NAME)).expect("a folder");
    for file in ["baseline.json", "history.jsonl"] {
        place.write(&format!("baselines/{NAME}/{file}"), read(file));
    }
    place
}

/// Otava 0.8.0 reads this file with the configuration of docs/baseline.md: columns by their names in the head, no more and no fewer
/// cells in a line, a number in each cell of a metric.
#[test]
fn its_export_is_what_otava_reads() {
    let place = placed();
    place.run(&["baseline", "history", NAME, "--otava", "nights.csv"]).ends(0);
    let made = std::fs::read_to_string(place.path().join("nights.csv")).expect("a file");
    assert_eq!(made, include_str!("../fixtures/otava.csv"), "tests/fixtures/otava.csv was read by Otava");
    let rows: Vec<Vec<&str>> = made.lines().map(|line| line.split(',').collect()).collect();
    let (head, sessions) = rows.split_first().expect("a head");
    for cells in sessions {
        assert_eq!(cells.len(), head.len(), "{cells:?}");
        let figure = |cell: &&str| cell.parse::<f64>().is_ok_and(f64::is_finite);
        assert!(cells.iter().skip(2).all(figure), "{cells:?}");
    }
    let manual = include_str!("../../docs/baseline.md");
    let (_, written) = manual.split_once("```yaml\n").expect("a configuration");
    let (written, _) = written.split_once("```").expect("its end");
    let value = |key: &str| {
        let line = written.lines().find_map(|line| line.trim().strip_prefix(key)).expect("a key");
        line.trim().trim_matches(['[', ']'])
    };
    let named = [value("time_column:"), value("attributes:")];
    let metrics = written.lines().filter_map(|line| line.trim().strip_suffix(": {direction: -1}"));
    let named: Vec<&str> = named.into_iter().chain(metrics).collect();
    assert!(named.len() > 3 && named.iter().all(|column| head.contains(column)), "{named:?}: {head:?}");
}

#[test]
fn its_page_is_what_this_version_makes_of_its_history() {
    let place = placed();
    let done = place.run(&["baseline", "history", NAME]);
    done.ends(0);
    let made = place.path().join("baselines").join(NAME).join("history.html");
    let made = std::fs::read_to_string(made).expect("a page");
    assert!(made == read("history.html"), "this version makes another page: {HOW}");
    let size = made.len() + read("history.jsonl").len();
    assert!(size <= 600_000, "{size} bytes: {HOW}");
}

#[test]
fn its_nights_are_of_a_real_server_and_the_change_is_found() {
    let history = read("history.jsonl");
    let lines: Vec<Line> = history.lines().map(|line| serde_json::from_str(line).expect("a line")).collect();
    assert!(lines.iter().all(|line| line.baseline == NAME), "{HOW}");
    let runs: Vec<_> = lines
        .iter()
        .filter_map(|line| if let What::Run(run) = &line.what { Some(run) } else { None })
        .collect();
    assert!(runs.iter().all(|run| run.subject.broker.starts_with("nats-server")), "{HOW}");
    assert!(runs.iter().filter(|run| run.purpose == Stage::Saved).count() >= 15, "five sessions: {HOW}");
    let found: Vec<Finding> = lines
        .iter()
        .filter_map(
            |line| if let What::Decided(end) = &line.what { Some(end.decision.finding) } else { None },
        )
        .collect();
    assert_eq!(found.last(), Some(&Finding::Worse), "the last nights have the change: {HOW}");
    let good = found.iter().filter(|finding| matches!(finding, Finding::NoSign | Finding::NotConfirmed));
    assert!(good.count() >= 5, "the first ones have none: {found:?}: {HOW}");
}
