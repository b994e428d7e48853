//! Words and figures that every form of a search's report uses.

use crate::capacity::{Answer, Capacity, Outcome, Resource, Stage, Trial};
use crate::num;
use crate::record::Verdict;
use crate::report::show;

/// An outcome in a few words.
pub(crate) const fn outcome_word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Interrupted => "interrupted",
        Outcome::Broken => "no broker",
        Outcome::Died => "broker died",
        Outcome::Disturbed => "disturbed",
        Outcome::Saturated => "saturated",
        Outcome::Client => "tickgate's limit",
        Outcome::Unfit => "unfit",
        Outcome::NotPassed => "not passed",
        Outcome::Passed => "passed",
    }
}

/// A stage in a word.
pub(crate) const fn stage_word(stage: Stage) -> &'static str {
    match stage {
        Stage::Probe => "probe",
        Stage::Climb => "climb",
        Stage::Narrow => "narrow",
        Stage::Floor => "floor",
        Stage::Ceiling => "ceiling",
    }
}

/// Does the bus hold a target?
pub(super) const fn held(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "held",
        Verdict::Inconclusive => "open",
        Verdict::Fail => "not held",
    }
}

/// A resource in a few words.
pub(super) const fn resource_word(resource: Resource) -> &'static str {
    match resource {
        Resource::Cpu => "CPU of tickgate and broker",
        Resource::Thread => "tickgate's busiest thread",
        Resource::Window => "bus.window full",
        Resource::Disk => "disk busy",
        Resource::Memory => "memory",
        Resource::Stolen => "CPU stolen",
    }
}

/// Why an answer is irregular: a sentence that stands beside each of its figures.
pub(crate) fn caveat(answer: &Answer) -> Option<String> {
    let reasons: Vec<&str> = answer.irregular.iter().map(|why| why.trim_end_matches('.')).collect();
    (!reasons.is_empty()).then(|| show::plain(&format!("Irregular: {}.", reasons.join("; "))))
}

/// `36.9–40.2k/s`.
pub(super) fn range((low, high): (f64, f64)) -> String {
    let (low, high) = (show::short_rate(low), show::short_rate(high));
    let unit = |text: &str| {
        text.find(|c: char| !c.is_ascii_digit() && c != '.').map_or("", |at| &text[at..]).to_owned()
    };
    match (unit(&low), unit(&high)) {
        (of_low, of_high) if of_low == of_high => format!("{}–{high}", low.trim_end_matches(&of_low)),
        _ => format!("{low}–{high}"),
    }
}

/// A share in whole percent: `93 %`; only the whole is 100 %, and only none is 0 %.
pub(super) fn percent(share: f64) -> String {
    let percent = (share * 100.0).round();
    match percent {
        whole if whole >= 100.0 && share < 1.0 => "more than 99 %".to_owned(),
        none if none <= 0.0 && share > 0.0 => "less than 1 %".to_owned(),
        percent => format!("{percent:.0} %"),
    }
}

/// A factor: `× 3.6`.
pub(super) fn times(factor: f64) -> String {
    match factor {
        f if f >= 9.95 => format!("× {f:.0}"),
        f if f >= 0.095 => format!("× {f:.2}"),
        f => format!("× {f:.4}"),
    }
}

/// An amount of money, with enough digits for a small one.
pub(super) fn money(value: f64, currency: &str) -> String {
    let amount = match value.abs() {
        v if v >= 100.0 => format!("{value:.0}"),
        v if v >= 0.1 || v <= 0.0 => format!("{value:.2}"),
        // Two digits that are not zero.
        v => {
            let digits = num::index(num::u64_of(-v.log10().floor())).saturating_add(1).min(12);
            format!("{value:.digits$}")
        }
    };
    show::plain(&format!("{amount} {currency}"))
}

/// Months, and years where there are many: `14 months`, `38 months (3.2 years)`.
pub(super) fn months(months: f64) -> String {
    let whole = num::u64_floor(months);
    let years = if whole >= 24 { format!(" ({:.1} years)", months / 12.0) } else { String::new() };
    match whole {
        0 => "less than a month".to_owned(),
        n if n > 1200 => "more than a hundred years".to_owned(),
        n => format!("{}{years}", show::several(n, "month")),
    }
}

/// How many trials of the search had which outcome: `22 passed, 9 not passed, 3 disturbed`.
pub(super) fn tally(trials: &[Trial]) -> String {
    use crate::plan::Choice as _;
    let counts = Outcome::ALL.iter().rev().map(|outcome| {
        (num::count(trials.iter().filter(|trial| trial.outcome == *outcome).count()), outcome_word(*outcome))
    });
    let said: Vec<String> =
        counts.filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}")).collect();
    said.join(", ")
}

/// What was seen, where no estimate can be stated.
pub(super) fn seen(c: &Capacity) -> String {
    let counts = crate::capacity::by_rate(&c.trials);
    let passed = counts.iter().rfind(|count| count.passed > 0);
    let missed = counts.iter().find(|count| count.passed < count.trials);
    let of = |what: &str, found: Option<&crate::capacity::Count>, none: &str| {
        found.map_or_else(
            || none.to_owned(),
            |count| {
                format!(
                    "{what} {} ({} of {} passed)",
                    show::short_rate(count.rate),
                    count.passed,
                    count.trials
                )
            },
        )
    };
    if c.trials.is_empty() {
        return "Seen: no trial was made.".to_owned();
    }
    format!(
        "Seen: {}; {}; trials: {}.",
        of("the highest rate that passed is", passed, "no trial passed"),
        of("the lowest rate that did not is", missed, "no rate was missed"),
        tally(&c.trials)
    )
}

/// A verdict in capitals.
pub(super) fn verdict_word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "PASS",
        Verdict::Inconclusive => "INCONCLUSIVE",
        Verdict::Fail => "FAIL",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_names_its_unit_once() {
        assert_eq!(range((36_900.0, 40_210.0)), "36.9–40.2k/s");
        assert_eq!(range((980.0, 1_040.0)), "980/s–1.04k/s");
        assert_eq!(range((410.0, 480.0)), "410–480/s");
    }

    #[test]
    fn money_and_months_keep_what_matters() {
        let all = [1234.0, 12.5, 0.25, 0.0123, 0.000_456, 0.0].map(|v| money(v, "EUR"));
        assert_eq!(all, ["1234 EUR", "12.50 EUR", "0.25 EUR", "0.012 EUR", "0.00046 EUR", "0.00 EUR"]);
        assert_eq!(
            [0.4, 1.9, 14.2, 38.5, 5000.0].map(months),
            [
                "less than a month",
                "1 month",
                "14 months",
                "38 months (3.2 years)",
                "more than a hundred years"
            ]
        );
        assert_eq!(
            [0.999, 1.0, 0.001, 0.0, 0.934].map(percent),
            ["more than 99 %", "100 %", "less than 1 %", "0 %", "93 %"]
        );
    }
}
