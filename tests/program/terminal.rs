//! The line of a run on a terminal: it fits the width, also after a change, and says where the run and its objectives are.

use crate::support::program::Place;
use crate::support::pty::{OnTerminal, live};

/// A load of two groups that never passes and never fails at once.
const PROFILE: &str = r#"
[load]
rate = "1k/s"
warmup = "500ms"
duration = "8s"

[market]
symbols = 20

[[groups]]
name = "trading-engine"
subscribe = [">"]

[[groups]]
name = "risk"
subscribe = [">"]

[objectives]
"latency.p99" = "< 10s"
"trading-engine.latency.p99" = "< 1us"
"ack.p99" = "< 10s"
"delivery.lost" = "== 0"
"delivery.duplicate" = "== 0"
"publish.unsent" = "== 0"
"#;

fn start(place: &Place, columns: u16) -> OnTerminal {
    let profile = place.write("live.toml", PROFILE);
    OnTerminal::start(place.command(&["run", &profile, "--broker", "sim"]), columns)
}

#[track_caller]
fn fits(lines: &[String], columns: usize) {
    assert!(lines.len() >= 3, "{lines:#?}");
    for line in lines {
        assert!(line.chars().count() < columns, "{columns} columns: {line:?}");
    }
}

#[test]
fn the_line_fits_a_terminal_of_80_and_of_110_columns() {
    let place = Place::new();
    let lines = [80, 110].map(|columns| {
        let (status, shown) = start(&place, columns).wait();
        assert!(matches!(status.code(), Some(1 | 3)), "{shown}");
        let lines = live(&shown);
        fits(&lines, usize::from(columns));
        lines
    });
    for lines in &lines {
        let judged = lines.iter().rfind(|line| line.starts_with("measure ")).unwrap();
        for part in [" left  objectives 4 met 1 MISSED 1 open", "p99 "] {
            assert!(judged.contains(part), "{part:?} is not in {judged:?}");
        }
    }
    let longest = |lines: &[String]| lines.iter().map(|line| line.chars().count()).max();
    assert!(longest(&lines[0]) < longest(&lines[1]), "{lines:#?}");
}

#[test]
fn the_line_follows_a_change_of_the_width() {
    let place = Place::new();
    let mut running = start(&place, 110);
    running.until_live(1);
    running.resize(50);
    let before = running.live().len();
    // One line may be under way.
    running.until_live(before + 3);
    let (_, shown) = running.wait();
    fits(&live(&shown)[before + 1..], 50);
}
