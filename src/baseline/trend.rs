//! The course of a metric over all sessions: what a table and a page of trends show, for people and not for a verdict.

use super::history::{History, Sitting};
use super::session::Session;
use crate::compare::METRICS;
use crate::stats::{Change, changes};

/// The p at which a change point is shown; it is not corrected for the search.
const MOST_P: f64 = 0.001;
/// The smallest change that is shown.
const LEAST: f64 = 0.05;
/// Sessions at the begin of an epoch that the newest one is held against.
const FIRST: usize = 5;
/// A slide since then by more than this calls for a paired check.
const SLIDE: f64 = 0.10;

/// A metric over all sessions.
#[derive(Debug, Clone, PartialEq)]
pub struct Trend {
    /// Its name.
    pub metric: String,
    /// The session's place in [`History::sittings`], and the logarithms of its lowest, middle and highest run.
    pub points: Vec<(usize, [f64; 3])>,
    /// Advisory change points; `at` counts the points.
    pub changes: Vec<Change>,
    /// How far the newest session is above the first ones of its epoch, where that is more than 10 %: no single night was
    /// suspicious, and yet it slides.
    pub slide: Option<f64>,
}

/// The trends of every metric that some session has.
#[must_use]
pub fn trends(history: &History) -> Vec<Trend> {
    METRICS
        .iter()
        .map(|metric| trend(history, metric.name))
        .filter(|trend| !trend.points.is_empty())
        .collect()
}

fn trend(history: &History, metric: &str) -> Trend {
    let of = |session: &Session| {
        let mut logs = session.logs(metric);
        logs.sort_by(f64::total_cmp);
        Some([*logs.first()?, session.median(metric)?, *logs.last()?])
    };
    let sittings = history.sittings.iter().enumerate();
    let points: Vec<(usize, [f64; 3])> =
        sittings.filter_map(|(at, sitting)| Some((at, of(&sitting.session)?))).collect();
    let medians: Vec<f64> = points.iter().map(|(_, [_, middle, _])| *middle).collect();
    let changes = changes(&medians, MOST_P, LEAST.ln_1p());
    let own: Vec<f64> = history.baseline().filter_map(|sitting| sitting.session.median(metric)).collect();
    let slide = own.split_at_checked(FIRST).and_then(|(first, later)| {
        let newest = later.last()?;
        let from = crate::stats::median(first)?;
        Some((newest - from).exp_m1()).filter(|slide| *slide > SLIDE)
    });
    Trend { metric: metric.to_owned(), points, changes, slide }
}

/// Every session as a line of CSV for Apache Otava: time, commit, and the median of each metric that all of these sessions have.
/// Otava's importer ends with an error at a cell without a number.
#[must_use]
pub fn otava(history: &History) -> String {
    let mut trends = trends(history);
    let measured = |at: &usize| trends.iter().any(|trend| trend.points.iter().any(|(of, _)| of == at));
    let lines = (0..history.sittings.len()).filter(measured).count();
    trends.retain(|trend| trend.points.len() == lines);
    let names: Vec<&str> = trends.iter().map(|trend| trend.metric.as_str()).collect();
    let head = format!("time,commit,{}\n", names.join(","));
    let line = |(at, sitting): (usize, &Sitting)| {
        let figure = |trend: &Trend| {
            let point = trend.points.iter().find(|(of, _)| *of == at);
            point.map_or_else(String::new, |(_, [_, middle, _])| format!("{:.6e}", middle.exp()))
        };
        let figures: Vec<String> = trends.iter().map(figure).collect();
        let commit: String =
            sitting.git.iter().flat_map(|git| git.chars()).filter(char::is_ascii_alphanumeric).collect();
        let some = figures.iter().any(|figure| !figure.is_empty());
        some.then(|| format!("{},{commit},{}\n", sitting.session.at, figures.join(",")))
    };
    std::iter::once(head).chain(history.sittings.iter().enumerate().filter_map(line)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::history::Epoch;
    use super::*;

    fn history(figures: &[f64]) -> History {
        let sitting = |(at, figure): (usize, &f64)| {
            let run = |share: f64| [("latency.p99".to_owned(), figure * share)].into();
            let session = Session {
                id: format!("s{at}"),
                at: format!("2026-11-{:02}T02:00:00Z", at + 1),
                runs: vec![run(1.0), run(0.98), run(1.02)],
                faults: 0,
            };
            Sitting {
                epoch: 1,
                session,
                git: (at == 1).then(|| "a,b1".into()),
                broker: "bus".into(),
                fingerprint: "f".into(),
                probes: None,
                joined: true,
                unusable: 0,
            }
        };
        History {
            epochs: vec![Epoch { number: 1, at: String::new(), reason: String::new() }],
            sittings: figures.iter().enumerate().map(sitting).collect(),
            checks: vec![],
        }
    }

    #[test]
    fn a_step_is_a_change_point_and_a_slide_is_said() {
        let steady: Vec<f64> = (0..12).map(|at| 100.0 + f64::from(at % 3)).collect();
        let level = history(&steady);
        assert_eq!(trends(&level).len(), 1);
        assert_eq!((trends(&level)[0].changes.len(), trends(&level)[0].slide), (0, None));
        let step: Vec<f64> =
            (0..24).map(|at| if at < 12 { 100.0 } else { 115.0 } + f64::from(at % 3)).collect();
        let stepped = &trends(&history(&step))[0];
        assert_eq!(stepped.changes.iter().map(|change| change.at).collect::<Vec<_>>(), [12]);
        assert!((stepped.slide.unwrap() - 0.15).abs() < 0.02, "{:?}", stepped.slide);
        let better: Vec<f64> = step.iter().rev().copied().collect();
        assert_eq!(trends(&history(&better))[0].slide, None);
    }

    #[test]
    fn an_export_has_a_line_for_each_session_and_nothing_that_breaks_it() {
        let text = otava(&history(&[100.0, 200.0]));
        assert_eq!(
            text,
            "time,commit,latency.p99\n2026-11-01T02:00:00Z,,1.000000e2\n2026-11-02T02:00:00Z,ab1,2.000000e2\n"
        );
        assert_eq!(otava(&History::default()), "time,commit,\n");
    }

    #[test]
    fn an_export_has_a_number_in_every_cell() {
        let mut partly = history(&[100.0, 200.0, 300.0]);
        for run in &mut partly.sittings[1].session.runs {
            run.insert("broker.cpu".to_owned(), 0.5);
        }
        partly.sittings[2].session.runs.clear();
        let text = otava(&partly);
        assert_eq!(text.lines().next(), Some("time,commit,latency.p99"));
        assert_eq!(text.lines().count(), 3, "a session without a run that counts has no line: {text}");
        assert!(text.lines().all(|line| !line.ends_with(',') && line.split(',').count() == 3), "{text}");
    }
}
