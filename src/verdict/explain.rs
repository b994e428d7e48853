//! Why an objective is missed, by its parts: a report that shows a part elsewhere, or has said it before, leaves it out.

use std::fmt::{self, Display, Formatter};

use crate::num::{self, show};
use crate::plan::{Metric, Objective, Outcome, Throughput, Timing};
use crate::record::{Group, Load, Record, STORE_GONE};

use super::miss;
use super::observe::{self, Counts, Observed};
use super::scopes;

/// The parts of a reason; as a text, the reason in the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// Observation, limit and margin: a row of the table of objectives.
    pub seen: String,
    /// The events that have no time, where the objective is about times.
    pub untimed: Option<Untimed>,
    /// Where in the run the events are.
    pub place: Option<Place>,
    /// What the machine has to do with it.
    pub cause: Option<String>,
}

/// Due events without a time: unsent, refused, unconfirmed or not delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Untimed {
    /// Their number.
    pub events: u64,
    /// Events that were due in the objective's scope, for each group that they were due to.
    pub due: u64,
    /// What became of such events in the whole run, which the ledger shows too.
    pub of_run: Option<String>,
    /// The groups that received nothing.
    pub silent: Vec<String>,
}

/// Where in the run the events are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// The counts that the ledger shows.
    Ledger(String),
    /// What the ledger does not show.
    Beyond(String),
}

impl Explanation {
    /// The parts that neither the table of objectives nor the ledger shows; empty where they show everything.
    #[must_use]
    pub fn beyond_the_tables(&self) -> String {
        let untimed =
            self.untimed.as_ref().map(|untimed| Untimed { of_run: None, ..untimed.clone() }.to_string());
        let place = match &self.place {
            Some(Place::Beyond(place)) => Some(place.clone()),
            Some(Place::Ledger(_)) | None => None,
        };
        [untimed, place, self.cause.clone()].into_iter().flatten().collect::<Vec<_>>().join("; ")
    }

    /// The events without a time, where there is nothing else to say than what the tables show.
    #[must_use]
    pub fn only_untimed(&self) -> Option<&Untimed> {
        let more = matches!(self.place, Some(Place::Beyond(_))) || self.cause.is_some();
        self.untimed.as_ref().filter(|_| !more)
    }
}

impl Display for Explanation {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.seen)?;
        if let Some(untimed) = &self.untimed {
            write!(f, "; {untimed}")?;
        }
        if let Some(Place::Ledger(place) | Place::Beyond(place)) = &self.place {
            write!(f, "; {place}")?;
        }
        self.cause.as_ref().map_or(Ok(()), |cause| write!(f, "; {cause}"))
    }
}

impl Display for Untimed {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} due events have no time", self.events, self.due)?;
        if let Some(of_run) = &self.of_run {
            write!(f, " (in the whole run {of_run})")?;
        }
        if self.silent.is_empty() {
            Ok(())
        } else {
            write!(f, "; {} received nothing", self.silent.join(" and "))
        }
    }
}

/// Why an objective that does not hold is missed; `None` where it holds or has no figure.
#[must_use]
pub fn explanation(record: &Record, objective: &Objective) -> Option<Explanation> {
    let view = scopes::view(record, objective);
    let record = view.as_ref();
    let observed = observe::observe(record, objective).filter(|observed| !observed.holds)?;
    Some(of(record, objective, &observed))
}

/// Explains why an objective is missed.
pub(super) fn of(record: &Record, objective: &Objective, observed: &Observed) -> Explanation {
    let finite = observed.value.is_finite();
    let by = match super::margin(record, objective, observed.value).filter(|_| finite) {
        Some(margin) if margin < 0.0 => {
            format!(", {} the limit", show::margin(margin))
        }
        _ => String::new(),
    };
    let seen = if finite || matches!(objective.metric, Metric::Recovery(_)) {
        format!("{} observed", observed.text)
    } else {
        "it lies among the events that never came".to_owned()
    };
    let means = observe::offered(record, objective).and_then(|offered| super::means(objective, offered));
    let means = means.map_or_else(String::new, |means| format!(" ({means})"));
    Explanation {
        seen: format!("{seen}, {}{means} wanted{by}", objective.requirement()),
        untimed: observed.counts.and_then(|counts| untimed(record, objective, &counts)),
        place: place(record, objective),
        cause: miss::cause(record, objective, observed),
    }
}

/// The outcome of the events in an objective's scope that have no time.
fn untimed(record: &Record, objective: &Objective, counts: &Counts) -> Option<Untimed> {
    if counts.missing == 0 {
        return None;
    }
    let load = &record.load;
    let groups = || observe::groups(record, objective);
    let silent = groups().filter(|g| g.measured_intended > 0 && g.latency.count == 0);
    let of_latency = matches!(objective.metric, Metric::Time(Timing::Latency, _));
    let of_run: Vec<String> = [
        ("unsent", load.unsent),
        ("refused", load.refused),
        ("unconfirmed", load.unconfirmed),
        ("lost", num::sum(groups().map(|g| g.lost))),
        ("pending", num::sum(groups().map(|g| g.pending))),
    ]
    .into_iter()
    .filter(|(_, count)| *count > 0)
    .map(|(what, count)| if what == "refused" { refused(load) } else { format!("{count} {what}") })
    .collect();
    Some(Untimed {
        events: counts.missing,
        due: counts.due,
        of_run: (!of_run.is_empty()).then(|| of_run.join(", ")),
        silent: silent.filter(|_| of_latency).map(|group| group.name.clone()).collect(),
    })
}

/// Where the trouble is.
fn place(record: &Record, objective: &Objective) -> Option<Place> {
    let load = &record.load;
    match objective.metric {
        Metric::Count(Outcome::Lost) => {
            let parts: Vec<String> = observe::groups(record, objective)
                .filter(|g| g.lost > 0)
                .map(|g| format!("{}: {}", g.name, blame(record, g)))
                .collect();
            (!parts.is_empty()).then(|| Place::Beyond(parts.join("; ")))
        }
        Metric::Throughput(Throughput::Delivered) => {
            (num::sum([load.unsent, load.refused, load.unconfirmed]) > 0).then(|| {
                Place::Ledger(format!(
                    "{} unsent, {}, {} unconfirmed",
                    load.unsent,
                    refused(load),
                    load.unconfirmed
                ))
            })
        }
        Metric::Count(Outcome::NotStored | Outcome::Replayed) => gone(record).map(Place::Beyond),
        Metric::Count(Outcome::Refused) => load.why_refused().map(Place::Ledger),
        _ => None,
    }
}

/// That the store itself is gone, if it is.
fn gone(record: &Record) -> Option<String> {
    record.marks.iter().find(|mark| mark.kind == STORE_GONE).map(|mark| mark.detail.clone())
}

fn blame(record: &Record, group: &Group) -> String {
    if let Some(why) = super::unaudited(record) {
        return format!("{} confirmed and never delivered; {why}", group.lost);
    }
    if record.audit.as_ref().is_none_or(|audit| !audit.settles_loss()) {
        return format!("{} lost; without a complete audit it is unknown where", group.lost);
    }
    match (group.lost_not_stored, group.lost_not_delivered) {
        (0, n) => format!("{n} stored and never delivered: the delivery lost them"),
        (n, 0) => format!("{n} confirmed and not stored: the bus lost them"),
        (s, d) => {
            format!("{s} confirmed and not stored (the bus), {d} stored and never delivered (the delivery)")
        }
    }
}

/// How many events were refused, and why.
fn refused(load: &Load) -> String {
    let why = load.why_refused().map_or_else(String::new, |why| format!(" ({why})"));
    format!("{} refused{why}", load.refused)
}
