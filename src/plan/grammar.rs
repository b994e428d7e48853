//! The objective grammar: text to [`Objective`], with errors that name the bad part and the legal words.
//!
//! The grammar itself stands in [`super::Objective`]; `Objective::name` and `Objective::requirement` print
//! what [`parse`] reads.

use std::fmt;
use std::ops::Range;

use super::{
    Kind, Metric, Objective, Op, Outcome, Rate, Recovery, ReplayFigure, Resource, Scope, Size, Span, Stat,
    Throughput, Timing, Unavailable, Value, When,
};
use crate::num;

/// Why a line is not a valid objective: the wrong part, and what was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem}; expected {expected}{}", did_you_mean(nearest.as_deref()))]
pub struct GrammarError {
    /// Which side of the line.
    pub side: Side,
    /// The bytes of that side that are wrong; empty at the end of the text where something is missing.
    pub at: Range<usize>,
    /// The problem.
    pub problem: String,
    /// What would be right.
    pub expected: String,
    /// The legal word that is most like the one that was written.
    pub nearest: Option<String>,
}

/// A side of an objective's line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The left one, `trading-engine.latency.p99`.
    Name,
    /// The right one, `< 100ms`.
    Requirement,
}

const TIMINGS: [Timing; 4] = [Timing::Latency, Timing::Ack, Timing::Service, Timing::SendLag];

/// Every metric that is not a statistic of a time.
const FIGURES: [Metric; 40] = [
    Metric::Throughput(Throughput::Offered),
    Metric::Throughput(Throughput::Sent),
    Metric::Throughput(Throughput::Acked),
    Metric::Throughput(Throughput::Delivered),
    Metric::Count(Outcome::Lost),
    Metric::Count(Outcome::NotStored),
    Metric::Count(Outcome::NotDelivered),
    Metric::Count(Outcome::Recovered),
    Metric::Count(Outcome::Redelivered),
    Metric::Count(Outcome::Duplicate),
    Metric::Count(Outcome::Corrupt),
    Metric::Count(Outcome::Foreign),
    Metric::Count(Outcome::Refused),
    Metric::Count(Outcome::Unsent),
    Metric::Count(Outcome::Unconfirmed),
    Metric::Count(Outcome::GaveUp),
    Metric::Count(Outcome::Resent),
    Metric::Count(Outcome::Reordered),
    Metric::Count(Outcome::Extent),
    Metric::Count(Outcome::StoredLate),
    Metric::Count(Outcome::Replayed),
    Metric::Count(Outcome::Diverged),
    Metric::Count(Outcome::DeadLetterMissing),
    Metric::Count(Outcome::DeadLetterDuplicate),
    Metric::Count(Outcome::DeadLetterUnexpected),
    Metric::Count(Outcome::RedeliveredMissing),
    Metric::Count(Outcome::RedeliveredUnexpected),
    Metric::Count(Outcome::Backlog),
    Metric::Resource(Resource::BrokerMemory),
    Metric::Resource(Resource::BrokerCpu),
    Metric::Resource(Resource::BrokerStore),
    Metric::Resource(Resource::HarnessMemory),
    Metric::Resource(Resource::HarnessCpu),
    Metric::Resource(Resource::LatencyDrift),
    Metric::Resource(Resource::BrokerMemoryDrift),
    Metric::Resource(Resource::HarnessMemoryDrift),
    Metric::Unavailable(Unavailable::Time),
    Metric::Unavailable(Unavailable::Longest),
    Metric::Recovery(Recovery::Time),
    Metric::Recovery(Recovery::AfterUndo),
];

const STATS: &str = "`min`, `mean`, `max` or a percentile such as `p50`, `p99`, `p99.9`";

/// The comparisons; one that begins with another stands before it.
const OPS: [Op; 5] = [Op::AtMost, Op::AtLeast, Op::Equal, Op::Below, Op::Above];

/// Every metric by its name, for help; percentiles stand as `p50`, `p90`, `p99`, `p99.9` and `p99.99`.
#[must_use]
pub fn all_metrics() -> Vec<String> {
    const STATS: [&str; 8] = ["min", "mean", "p50", "p90", "p99", "p99.9", "p99.99", "max"];
    let times = TIMINGS.iter().flat_map(|timing| STATS.iter().map(move |stat| format!("{timing}.{stat}")));
    let figures = FIGURES.iter().flat_map(|figure| {
        // Next to the other metric of their family.
        let of_replays = matches!(figure, Metric::Count(Outcome::Replayed)).then_some(ReplayFigure::ALL);
        let of_replays = of_replays.into_iter().flatten();
        std::iter::once(figure.to_string()).chain(of_replays.map(|figure| replay_name("NAME", figure)))
    });
    times.chain(figures).collect()
}

/// The candidate that is most like `word`, if one is alike enough to have been meant.
#[must_use]
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    const LONGEST: usize = 64;
    if word.is_empty() || word.len() > LONGEST {
        return None;
    }
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&word.to_lowercase(), candidate), candidate))
        .filter(|&(distance, candidate)| distance <= (candidate.len().max(word.len()) / 3).max(1))
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, candidate)| candidate)
}

/// `; did you mean …?`, or nothing.
pub(crate) fn did_you_mean(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |word| format!("; did you mean `{word}`?"))
}

/// Parses `name = requirement`, for example `latency.p99` and `< 100ms`.
///
/// # Errors
/// When the name is not a metric, the scope does not fit the metric, or the requirement does not fit it.
pub fn parse(name: &str, requirement: &str) -> Result<Objective, GrammarError> {
    let (scope, metric) = parse_name(name)?;
    let (op, limit, share) = parse_requirement(requirement, metric, scope.windows)?;
    Ok(Objective { scope, metric, op, limit, share })
}

/// `[part "."] [group "."] ["windows."] metric`; the metric is recognised at the end, so that what is before it may
/// be any word.
fn parse_name(name: &str) -> Result<(Scope, Metric), GrammarError> {
    if let Some(of_a_replay) = of_a_replay(name) {
        return of_a_replay;
    }
    let starts = std::iter::once(0).chain(name.match_indices('.').map(|(at, _)| at + 1));
    let found = starts.clone().find_map(|start| metric(&name[start..]).map(|metric| (start, metric)));
    let Some((start, metric)) = found else { return Err(no_metric(name)) };
    let before = start.checked_sub(1).map(|end| &name[..end]);
    let (when, rest) = before.map_or(Ok((When::Whole, None)), |before| part(before, metric))?;
    let (group, windows) = match rest.and_then(|from| before?.get(from..)) {
        None => (None, false),
        Some("windows") => (None, true),
        Some(words) => {
            words.strip_suffix(".windows").map_or((Some(words), false), |group| (Some(group), true))
        }
    };
    if let Some(group) = group {
        check_group(group, rest.unwrap_or_default(), metric)?;
    }
    let wrong = |problem: String, expected: &str| {
        let at = start.saturating_sub("windows.".len())..name.len();
        Err(GrammarError { side: Side::Name, at, problem, expected: expected.to_owned(), nearest: None })
    };
    if windows && !matches!(metric, Metric::Time(Timing::Latency, Stat::Quantile(_) | Stat::Max)) {
        return wrong(
            format!("`{metric}` cannot be judged window by window"),
            "`windows.` with `max` or a percentile of latency, such as `windows.latency.p99`",
        );
    }
    if windows && when != When::Whole {
        return wrong(
            format!("`windows.` takes each second of the measure phase, not of `{when}`"),
            "either a part of the measure phase or `windows.`",
        );
    }
    Ok((Scope { group: group.map(str::to_owned), when, windows, replay: None }, metric))
}

/// `replay.NAME.equal`, and its place among the names of objectives.
pub(super) fn replay_name(replay: &str, figure: ReplayFigure) -> String {
    format!("{}.{replay}.{figure}", ReplayFigure::REPLAY)
}

/// `"replay." replay "." figure`; `None` where the name is not of this form.
fn of_a_replay(name: &str) -> Option<Result<(Scope, Metric), GrammarError>> {
    let rest = name.strip_prefix(ReplayFigure::REPLAY)?.strip_prefix('.')?;
    let (replay, word) = rest.rsplit_once('.')?;
    let figure = ReplayFigure::ALL.into_iter().find(|figure| figure.to_string() == word)?;
    if replay.is_empty() || replay.contains(|c: char| c == '.' || c.is_whitespace() || c.is_control()) {
        let from = name.len() - rest.len();
        return Some(Err(GrammarError {
            side: Side::Name,
            at: from..from + replay.len(),
            problem: format!("`{replay}` is not a valid name of a replay"),
            expected: format!("`{}` with the name of a replay of the profile", replay_name("NAME", figure)),
            nearest: None,
        }));
    }
    let scope = Scope { replay: Some(replay.to_owned()), ..Scope::default() };
    Some(Ok((scope, Metric::Replay(figure))))
}

/// The part of the measure phase that a name begins with, and where its other words begin, if there are some.
fn part(words: &str, metric: Metric) -> Result<(When, Option<usize>), GrammarError> {
    let (first, rest) = words.split_once('.').map_or((words, None), |(first, rest)| (first, Some(rest)));
    let error = |at: Range<usize>, problem: String, expected: String| {
        Err(GrammarError { side: Side::Name, at, problem, expected, nearest: None })
    };
    let (when, end) = match (When::PARTS.into_iter().find(|part| part.to_string() == first), rest) {
        (Some(part), _) => (part, first.len()),
        (None, rest) if first == When::FAULT => {
            let name = rest.map_or("", |rest| rest.split_once('.').map_or(rest, |(name, _)| name));
            let from = (first.len() + 1).min(words.len());
            if name.is_empty() || name.contains(|c: char| c.is_whitespace() || c.is_control()) {
                let problem = match name {
                    "" => "the name of a fault is missing".to_owned(),
                    name => format!("`{name}` is not a valid name of a fault"),
                };
                return error(
                    from..from + name.len(),
                    problem,
                    format!("`fault.NAME.{metric}` with the name of a fault of the profile"),
                );
            }
            (When::Fault(name.to_owned()), from + name.len())
        }
        (None, _) => return Ok((When::Whole, Some(0))),
    };
    if !metric.of_a_part(&when) {
        let why = match metric {
            metric if metric.of_takeovers() => "counts what came again after a fault, or after all of them",
            Metric::Count(_) => {
                "counts events of the whole run, since an event of one part may arrive in another"
            }
            Metric::Resource(_) => "is a figure of the whole run",
            Metric::Recovery(_) => "is the recovery from a fault, or from all of them",
            Metric::Time(..) | Metric::Throughput(_) | Metric::Unavailable(_) => {
                "is the rate of the schedule, which no fault changes"
            }
            Metric::Replay(_) => "is a figure of a replay",
        };
        return error(
            0..end,
            format!("`{metric}` {why}"),
            format!("`{metric}` without `{when}.`, or a time or a throughput, such as `{when}.latency.p99`"),
        );
    }
    Ok((when, (end < words.len()).then_some(end + 1)))
}

/// Checks the name of a group, which begins at a byte of the whole name.
fn check_group(group: &str, from: usize, metric: Metric) -> Result<(), GrammarError> {
    let error = |problem: String, expected: String| {
        let at = from..from + group.len();
        Err(GrammarError { side: Side::Name, at, problem, expected, nearest: None })
    };
    if group.is_empty() || group.contains(|c: char| c == '.' || c.is_whitespace() || c.is_control()) {
        return error(
            format!("`{group}` is not a valid group name"),
            format!("one word before `{metric}`, the name of a group of the profile"),
        );
    }
    if !metric.of_a_group() {
        let of_a_group =
            FIGURES.iter().filter(|figure| figure.of_a_group()).map(|figure| format!("`{figure}`"));
        return error(
            format!("`{metric}` is not a figure of a group"),
            format!("`{metric}` alone, or one of `latency.…`, {}", of_a_group.collect::<Vec<_>>().join(", ")),
        );
    }
    Ok(())
}

fn metric(text: &str) -> Option<Metric> {
    let timed = text.split_once('.').and_then(|(first, rest)| {
        Some((TIMINGS.into_iter().find(|timing| timing.to_string() == first)?, rest))
    });
    if let Some((timing, rest)) = timed {
        return stat(rest).map(|stat| Metric::Time(timing, stat));
    }
    FIGURES.into_iter().find(|figure| figure.to_string() == text)
}

fn stat(text: &str) -> Option<Stat> {
    match text {
        "min" => Some(Stat::Min),
        "mean" => Some(Stat::Mean),
        "max" => Some(Stat::Max),
        _ => {
            let percent = decimal(text.strip_prefix('p')?, 3)?;
            let q = percent / 100_000.0;
            (0.0 < q && q < 1.0).then_some(Stat::Quantile(q))
        }
    }
}

/// A decimal number in units of its `places`-th decimal, so that dividing by the power of ten gives the
/// nearest `f64` (99.9 / 100 does not).
fn decimal(text: &str, places: usize) -> Option<f64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || whole.len() > 3 || fraction.len() > places {
        return None;
    }
    format!("{whole}{fraction:0<places$}").parse().ok().map(num::f64_of)
}

/// Finds the wrong part of a name that contains no metric.
fn no_metric(name: &str) -> GrammarError {
    let all = all_metrics();
    let words = || all.iter().filter_map(|metric| metric.split('.').next());
    let mut start = 0;
    for word in name.split('.') {
        let end = start + word.len();
        if words().any(|known| known == word) {
            let rest = name.get(end + 1..).unwrap_or_default();
            let at = (end + 1).min(name.len())..name.len();
            let time = TIMINGS.iter().any(|timing| timing.to_string() == word);
            let legal: Vec<&str> =
                all.iter().filter_map(|m| m.strip_prefix(word)?.strip_prefix('.')).collect();
            let near = nearest(rest, legal.iter().copied()).map(str::to_owned);
            let expected = if time {
                STATS.to_owned()
            } else if legal.is_empty() {
                format!("`{word}` alone")
            } else {
                list(legal.iter().copied())
            };
            let problem = match rest {
                "" => format!("`{word}` alone is not a metric"),
                _ if time => format!("`{rest}` is not a statistic"),
                _ => format!("`{rest}` is not a figure of `{word}`"),
            };
            return GrammarError { side: Side::Name, at, problem, expected, nearest: near };
        }
        start = end + 1;
    }
    // Nothing is known: compare what may have been meant, with and without a scope in front.
    let tail = name.split_once('.').map_or("", |(_, tail)| tail);
    let near = [name, tail].iter().find_map(|part| nearest(part, all.iter().map(String::as_str)));
    let mut families: Vec<&str> = words().collect();
    families.dedup();
    GrammarError {
        side: Side::Name,
        at: 0..name.len(),
        problem: format!("`{name}` is not a metric"),
        expected: format!("[part.][group.][windows.]metric, the metric beginning with {}", list(families)),
        nearest: near.map(str::to_owned),
    }
}

/// `` `a`, `b` or `c` ``.
pub(crate) fn list(words: impl IntoIterator<Item = impl fmt::Display>) -> String {
    let words: Vec<String> = words.into_iter().map(|word| format!("`{word}`")).collect();
    match words.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => words.concat(),
    }
}

/// `OP VALUE [in SHARE]`.
fn parse_requirement(text: &str, metric: Metric, windows: bool) -> Result<(Op, Value, f64), GrammarError> {
    let wrong = |at: Range<usize>, problem: String, expected: String| GrammarError {
        side: Side::Requirement,
        at,
        problem,
        expected,
        nearest: None,
    };
    let start = text.len() - text.trim_start().len();
    let ops = OPS.map(|op| (op, op.to_string()));
    let Some((op, word)) = ops.into_iter().find(|(_, word)| text[start..].starts_with(word)) else {
        let end = start + text[start..].find(|c: char| !"=<>!~".contains(c)).unwrap_or(text.len() - start);
        let (problem, nearest) = match &text[start..end] {
            "" => ("the comparison is missing".to_owned(), None),
            other => (format!("`{other}` is not a comparison"), nearest_op(other)),
        };
        let expected = "`<`, `<=`, `==`, `>=` or `>` in front of the limit".to_owned();
        return Err(GrammarError { nearest, ..wrong(start..end, problem, expected) });
    };
    let value_start = start + word.len();
    let rest = &text[value_start..];
    let share_word = rest.match_indices("in").map(|(at, _)| at).find(|&at| is_word(rest, at..at + 2));
    let value_end = share_word.map_or(text.len(), |at| value_start + at);
    let value_at = trimmed(text, value_start..value_end);
    let limit = limit(&text[value_at.clone()], metric).map_err(|expected| {
        let problem = match &text[value_at.clone()] {
            "" => "the limit is missing".to_owned(),
            found => format!("`{found}` does not fit `{metric}`"),
        };
        wrong(value_at.clone(), problem, expected)
    })?;
    if never(op, limit) {
        let expected = format!("a limit that `{metric}` can reach");
        return Err(wrong(start..value_at.end, format!("nothing is `{word} {limit}`"), expected));
    }
    let share = match share_word {
        None => 1.0,
        Some(_) if !windows => {
            let expected = format!("`windows.{metric}` as the name, or no share");
            return Err(wrong(
                value_end..text.len(),
                "a share of windows without `windows.`".to_owned(),
                expected,
            ));
        }
        Some(_) => {
            let at = trimmed(text, value_end + 2..text.len());
            share(&text[at.clone()]).filter(|share| *share > 0.0).ok_or_else(|| {
                let expected = "the share of windows that must meet the limit, such as `99.9%`".to_owned();
                wrong(at.clone(), format!("`{}` is not a share", &text[at]), expected)
            })?
        }
    };
    Ok((op, limit, share))
}

fn nearest_op(written: &str) -> Option<String> {
    let meant = match written {
        "=" | "===" => "==",
        "=<" => "<=",
        "=>" => ">=",
        _ => return None,
    };
    Some(meant.to_owned())
}

fn is_word(text: &str, at: Range<usize>) -> bool {
    let before = text[..at.start].chars().next_back();
    let after = text[at.end..].chars().next();
    before.is_some_and(char::is_whitespace) && after.is_none_or(char::is_whitespace)
}

fn trimmed(text: &str, at: Range<usize>) -> Range<usize> {
    let part = &text[at.clone()];
    let start = at.start + (part.len() - part.trim_start().len());
    start..start + part.trim().len()
}

/// Reads the limit of a metric, or says what was expected.
fn limit(text: &str, metric: Metric) -> Result<Value, String> {
    let Metric::Throughput(throughput) = metric else { return value(text, metric.kind()) };
    match (of_offered(text), throughput) {
        (Some(_), Throughput::Offered) => {
            Err("a rate such as `10k/s`, since this is the offered rate itself".to_owned())
        }
        (Some(share), _) => Ok(Value::OfOffered(share)),
        (None, Throughput::Offered) => value(text, Kind::Rate),
        (None, _) => value(text, Kind::Rate).map_err(|expected| {
            format!("{expected}, or a share of the planned rate such as `99.9% of offered`")
        }),
    }
}

/// `99.9% of offered` as a share from 0 to 1.
fn of_offered(text: &str) -> Option<f64> {
    let (percent, words) = text.split_at(text.find('%')? + 1);
    words.split_whitespace().eq(["of", "offered"]).then(|| share(percent)).flatten()
}

/// Reads a limit of a kind, or says what was expected.
fn value(text: &str, kind: Kind) -> Result<Value, String> {
    match kind {
        Kind::Time => text.parse::<Span>().map(Value::Time).map_err(|error| error.expected.to_owned()),
        Kind::Rate => text.parse::<Rate>().map(Value::Rate).map_err(|error| error.expected.to_owned()),
        Kind::Size => text.parse::<Size>().map(Value::Size).map_err(|error| error.expected.to_owned()),
        Kind::Count => {
            let digits = text.starts_with(|c: char| c.is_ascii_digit());
            let count = digits.then(|| text.replace('_', "").parse().ok()).flatten();
            count.map(Value::Count).ok_or_else(|| "a whole number such as `0`".to_owned())
        }
        Kind::Share => share(text).map(Value::Share).ok_or_else(|| "a share such as `99.9%`".to_owned()),
        Kind::Cores => {
            let cores = text.parse().ok().filter(|cores: &f64| cores.is_finite() && *cores >= 0.0);
            cores.map(Value::Cores).ok_or_else(|| "a number of cores such as `1.5`".to_owned())
        }
    }
}

/// A percentage as a share from 0 to 1.
fn share(text: &str) -> Option<f64> {
    let share = decimal(text.strip_suffix('%')?.trim_end(), 6)? / 1e8;
    (share <= 1.0).then_some(share)
}

/// Is this a comparison that no figure can meet? Figures are never negative, and a share never exceeds 1.
fn never(op: Op, limit: Value) -> bool {
    let zero = match limit {
        Value::Time(span) => span.ns == 0,
        Value::Rate(rate) => rate.per_second <= 0.0,
        Value::Count(count) => count == 0,
        Value::Size(size) => size.bytes == 0,
        Value::Share(share) | Value::OfOffered(share) => share <= 0.0,
        Value::Cores(cores) => cores <= 0.0,
    };
    let whole = matches!(limit, Value::Share(share) | Value::OfOffered(share) if share >= 1.0);
    (op == Op::Below && zero) || (op == Op::Above && whole)
}

#[cfg(test)]
pub(crate) mod tests;
