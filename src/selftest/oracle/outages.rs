//! Availability, recoveries and scopes by their definitions, from lists of everything that happened.

use std::collections::HashMap;

use super::Findings;
use super::figures::{Figures, tightest};
use crate::bus::Refused;
use crate::bus::sim::{Outcome, Truth};
use crate::num;
use crate::plan::{Fault, Metric, Ns, Objective, Plan, Recovery, Unavailable};
use crate::record::{Availability, Effect, Faults, PhaseName, Record, Recovered, ScopeFigures};
use crate::topology;

const SLOT: Ns = 10_000_000;
const WINDOW: Ns = 100_000_000;
const CALM: Ns = 5_000_000_000;

/// An event of the measure phase.
struct Seen {
    /// Its intended time and that of its sending, since the start of the phase.
    since: Ns,
    sent: i64,
    topic: usize,
    outcome: Outcome,
    /// More than one copy left.
    resent: bool,
    /// acked − intended.
    ack: Option<i64>,
    /// When each group received it first: on its clock since the start of the phase, and after the intended time.
    first: Vec<Option<(i64, i64)>>,
}

impl Seen {
    /// The bus or its client had to handle it.
    fn counts(&self) -> bool {
        self.outcome != Outcome::Unsent(Refused::TooLarge)
    }

    fn is_refused(&self) -> bool {
        matches!(self.outcome, Outcome::Refused | Outcome::NotSent | Outcome::Unsent(_))
    }
}

/// A run as lists.
struct Lists<'a> {
    plan: &'a Plan,
    start: Ns,
    length: Ns,
    within: i64,
    events: Vec<Seen>,
    /// The topics of each group.
    groups: Vec<Vec<usize>>,
    /// For each group: moments and the backlog from then on.
    backlog: Vec<Vec<(Ns, i64)>>,
}

/// Compares what the record says of the faults.
pub(super) fn check(found: &mut Findings, record: &Record, truth: &Truth) {
    let of_availability = |metric: Metric| matches!(metric, Metric::Unavailable(_));
    let mut objectives = record.plan.objectives.iter();
    if record.plan.faults.is_empty() && !objectives.any(|objective| of_availability(objective.metric)) {
        return found.equal("faults", &Faults::default(), &record.faults);
    }
    let lists = Lists::of(record, truth);
    let whole = lists.availability(&[(0, lists.length)]);
    found.equal("availability", &whole, &record.faults.availability);
    let names: Vec<&str> = record.faults.scopes.iter().map(|scope| scope.name.as_str()).collect();
    let expected: Vec<(String, Vec<(Ns, Ns)>)> =
        lists.scopes().into_iter().filter(|(_, stretches)| !stretches.is_empty()).collect();
    found.equal("scopes", expected.iter().map(|(name, _)| name.as_str()).collect(), names);
    for ((name, stretches), scope) in expected.iter().zip(&record.faults.scopes) {
        lists.scope(found, name, stretches, scope);
    }
    for (fault, injected) in record.plan.faults.iter().zip(&record.faults.injected) {
        let effect = (fault.at.ns < lists.length).then(|| lists.effect(fault));
        found.equal(&format!("effect of {}", fault.name), effect, injected.effect.clone());
    }
    for fine in &record.faults.fine {
        lists.fine(found, truth, record.run.epoch_unix_ns, fine);
    }
}

/// The figure of an objective on availability or recovery, from a record whose faults were compared; `None` without one.
pub(super) fn figure(record: &Record, figures: &Figures, objective: &Objective) -> Option<f64> {
    match objective.metric {
        Metric::Unavailable(unavailable) => {
            let all = &record.faults.availability;
            let (outage, due) = match &objective.scope.group {
                None => (&all.publishing, figures.measured_intended),
                Some(name) => {
                    let at = record.plan.groups.iter().position(|group| group.name == *name)?;
                    (&all.groups.get(at)?.outage, figures.groups.get(at)?.measured_intended)
                }
            };
            let ns = match unavailable {
                Unavailable::Time => outage.unavailable_ns,
                Unavailable::Longest => outage.longest_ns,
            };
            (due > 0).then(|| num::f64_of(ns))
        }
        Metric::Recovery(which) => {
            let effects: Vec<&Effect> =
                record.faults.injected.iter().filter_map(|fault| fault.effect.as_ref()).collect();
            let any = |recovered| effects.iter().any(|effect| effect.recovered == recovered);
            if any(Recovered::No) {
                return Some(f64::INFINITY);
            }
            if any(Recovered::Unknown) || effects.len() < record.plan.faults.len() {
                return None;
            }
            let of = |effect: &&Effect| match which {
                Recovery::Time => effect.recovery_ns,
                Recovery::AfterUndo => effect.after_undo_ns,
            };
            effects.iter().filter_map(of).max().map(num::f64_of)
        }
        _ => None,
    }
}

impl<'a> Lists<'a> {
    fn of(record: &'a Record, truth: &Truth) -> Self {
        let plan = &record.plan;
        let (start, end) =
            record.phase(PhaseName::Measure).map_or((0, 0), |phase| (phase.start_ns, phase.end_ns));
        let mut first: Vec<HashMap<u32, Ns>> = Vec::new();
        for deliveries in &truth.deliveries {
            let mut of_group = HashMap::new();
            for delivery in deliveries.iter().filter(|delivery| !delivery.damaged) {
                if let Some(event) = truth.copies[num::index32(delivery.copy)].itself() {
                    let at = of_group.entry(event).or_insert(delivery.received);
                    *at = (*at).min(delivery.received);
                }
            }
            first.push(of_group);
        }
        let groups: Vec<Vec<usize>> = plan
            .groups
            .iter()
            .map(|group| topology::receives(group, &plan.topology.topics).unwrap_or_default())
            .collect();
        let mut events = Vec::new();
        for (number, event) in (0_u32..).zip(&truth.events) {
            let intended = event.intended_unix_ns - record.run.epoch_unix_ns;
            if !(start..end).contains(&intended) {
                continue;
            }
            let of_group = |first: &HashMap<u32, Ns>| {
                let at = first.get(&number)?;
                Some((num::difference(*at, start), num::difference(*at, intended)))
            };
            events.push(Seen {
                since: intended - start,
                sent: num::difference(event.sent, intended),
                topic: num::index32(event.topic),
                outcome: event.outcome,
                resent: event.copies > 1,
                ack: matches!(event.outcome, Outcome::Acked(_))
                    .then(|| num::difference(event.answered, intended)),
                first: first.iter().map(of_group).collect(),
            });
        }
        let within = i64::try_from(tightest(plan)).unwrap_or(i64::MAX);
        let backlog =
            first.iter().zip(&groups).map(|(first, topics)| backlog(truth, first, topics, start)).collect();
        Self { plan, start, length: end - start, within, events, groups, backlog }
    }

    /// Each scope's name and its stretches.
    fn scopes(&self) -> Vec<(String, Vec<(Ns, Ns)>)> {
        let mut faults: Vec<&Fault> = self.plan.faults.iter().collect();
        faults.sort_by_key(|fault| fault.at.ns);
        let Some(first) = faults.first() else { return Vec::new() };
        let (undone, settled) = (
            |fault: &Fault| fault.at.ns + fault.length.ns,
            |fault: &Fault| fault.at.ns + fault.length.ns + fault.settle.ns,
        );
        let next = faults.iter().skip(1).map(|fault| fault.at.ns).chain([self.length]);
        let mut all = vec![
            ("before".to_owned(), vec![(0, first.at.ns)]),
            ("during".to_owned(), faults.iter().map(|fault| (fault.at.ns, undone(fault))).collect()),
            ("recovery".to_owned(), faults.iter().map(|fault| (undone(fault), settled(fault))).collect()),
            (
                "after".to_owned(),
                faults.iter().zip(next).map(|(fault, next)| (settled(fault), next)).collect(),
            ),
        ];
        let own = |fault: &Fault| (format!("fault.{}", fault.name), vec![(fault.at.ns, settled(fault))]);
        all.extend(self.plan.faults.iter().map(own));
        for (_, stretches) in &mut all {
            let ended = stretches.iter().map(|&(from, until)| (from, until.min(self.length)));
            *stretches = ended.filter(|(from, until)| from < until).collect();
        }
        all
    }

    /// The time without a success, and its longest stretch, of events as (due, handled).
    fn down(&self, events: &[(Ns, bool)], stretches: &[(Ns, Ns)]) -> crate::record::Outage {
        let slots = num::index(self.length.div_ceil(SLOT));
        let mut had = vec![false; slots];
        let mut handled = vec![false; slots];
        for &(since, in_time) in events {
            had[num::index(since / SLOT)] = true;
            handled[num::index(since / SLOT)] |= in_time;
        }
        let is_down = |slot: usize| {
            let before = (0..=slot).rev().find(|&at| had[at]);
            let after = (slot..slots).find(|&at| had[at]);
            before.is_some_and(|at| !handled[at]) && after.is_some_and(|at| !handled[at])
        };
        let mut outage = crate::record::Outage::default();
        for &(from, until) in stretches {
            let mut run = 0;
            for slot in (0..slots).filter(|&slot| (from..until).contains(&(num::count(slot) * SLOT))) {
                run = if is_down(slot) { run + SLOT } else { 0 };
                outage.unavailable_ns += if run > 0 { SLOT } else { 0 };
                outage.longest_ns = outage.longest_ns.max(run);
            }
        }
        outage
    }

    fn published(&self) -> Vec<(Ns, bool)> {
        let due = self.events.iter().filter(|event| event.counts());
        due.map(|event| (event.since, event.ack.is_some_and(|ns| ns <= self.within))).collect()
    }

    fn delivered(&self, group: usize) -> Vec<(Ns, bool)> {
        let of_group = |event: &&Seen| event.counts() && self.groups[group].contains(&event.topic);
        let due = self.events.iter().filter(of_group);
        due.map(|event| (event.since, event.first[group].is_some_and(|(_, ns)| ns <= self.within))).collect()
    }

    fn availability(&self, stretches: &[(Ns, Ns)]) -> Availability {
        let of_group = |(at, group): (usize, &crate::plan::Group)| crate::record::GroupOutage {
            name: group.name.clone(),
            outage: self.down(&self.delivered(at), stretches),
        };
        Availability {
            within_ns: tightest(self.plan),
            publishing: self.down(&self.published(), stretches),
            groups: self.plan.groups.iter().enumerate().map(of_group).collect(),
        }
    }

    fn is_normal(&self, window: Ns) -> bool {
        let of_window = |since: Ns| since / WINDOW == window;
        let most_in_time = |events: Vec<(Ns, bool)>| {
            let own: Vec<bool> =
                events.into_iter().filter(|(at, _)| of_window(*at)).map(|(_, ok)| ok).collect();
            100 * own.iter().filter(|ok| **ok).count() >= 99 * own.len()
        };
        let refused = |event: &Seen| of_window(event.since) && event.counts() && event.is_refused();
        let groups = || 0..self.groups.len();
        !self.events.iter().any(refused)
            && most_in_time(self.published())
            && groups().all(|group| most_in_time(self.delivered(group)))
            && groups().all(|group| self.has_usual_backlog(group, window))
    }

    fn has_usual_backlog(&self, group: usize, window: Ns) -> bool {
        let before = self.plan.faults.iter().map(|fault| fault.at.ns / WINDOW).min().unwrap_or(0);
        let largest = |from: Ns, until: Ns| {
            let steps = &self.backlog[group];
            let held = steps.iter().enumerate().filter(|&(at, &(since, _))| {
                let ends = steps.get(at + 1).map_or(Ns::MAX, |next| next.0);
                since < ends && since < until && ends > from
            });
            held.map(|(_, &(_, level))| level).max().unwrap_or(0)
        };
        let own = largest(window * WINDOW, (window + 1) * WINDOW);
        before == 0 || own <= largest(0, before * WINDOW)
    }

    fn effect(&self, fault: &Fault) -> Effect {
        let (at, undone) = (fault.at.ns, fault.at.ns + fault.length.ns);
        let settled = undone + fault.settle.ns;
        let own = || self.events.iter().filter(|event| (at..settled).contains(&event.since));
        let count = |of: fn(&Seen) -> bool| num::count(own().filter(|event| of(event)).count());
        let Availability { publishing, groups, .. } = self.availability(&[(at, settled.min(self.length))]);
        let later = self.plan.faults.iter().map(|other| other.at.ns).filter(|other| *other > at);
        let until = later.min().unwrap_or(self.length).min(self.length);
        let (recovered, after) = self.recovery(at, settled, until);
        Effect {
            due: num::count(own().count()),
            acked: count(|event| event.ack.is_some()),
            refused: count(|event| matches!(event.outcome, Outcome::Refused | Outcome::NotSent)),
            unconfirmed: count(|event| {
                matches!(event.outcome, Outcome::Unconfirmed | Outcome::Disconnected | Outcome::Open)
            }),
            unsent: count(|event| matches!(event.outcome, Outcome::Unsent(_))),
            resent: count(|event| event.resent),
            publishing,
            groups,
            recovered,
            recovery_ns: after,
            after_undo_ns: after
                .filter(|_| fault.length.ns > 0)
                .map(|after| (at + after).saturating_sub(undone)),
            observed_ns: match recovered {
                Recovered::Yes => after.unwrap_or(0),
                Recovered::No => settled - at,
                Recovered::Unknown => until - at,
            },
        }
    }

    fn recovery(&self, at: Ns, settled: Ns, until: Ns) -> (Recovered, Option<Ns>) {
        let windows: Vec<Ns> = (0..until / WINDOW).filter(|&window| !self.is_normal(window)).collect();
        let trouble = |from: Ns, to: Ns| {
            windows.iter().copied().find(|window| window * WINDOW < to && (window + 1) * WINDOW > from)
        };
        let mut from = at;
        if let Some(first) = trouble(at, settled.max(at + CALM)) {
            from = (first + 1) * WINDOW;
            while trouble(from, from + CALM).is_some() {
                from += WINDOW;
            }
            if from > settled {
                return (Recovered::No, None);
            }
        }
        if from + CALM > until { (Recovered::Unknown, None) } else { (Recovered::Yes, Some(from - at)) }
    }

    fn scope(&self, found: &mut Findings, name: &str, stretches: &[(Ns, Ns)], scope: &ScopeFigures) {
        found.equal(&format!("{name}: ranges"), stretches, &scope.ranges[..]);
        found.equal(&format!("{name}: availability"), &self.availability(stretches), &scope.availability);
        let held = |since: Ns| stretches.iter().find(|(from, until)| (*from..*until).contains(&since));
        let own: Vec<&Seen> = self.events.iter().filter(|event| held(event.since).is_some()).collect();
        let figures = &scope.figures;
        found.equal(&format!("{name}: due"), num::count(own.len()), figures.due);
        let taken = || own.iter().filter(|event| !matches!(event.outcome, Outcome::Unsent(_)));
        found.equal(&format!("{name}: sent"), num::count(taken().count()), figures.sent);
        let lag: Vec<i64> = taken().map(|event| event.sent).collect();
        found.latency(&format!("{name}: send_lag"), &lag, &figures.send_lag);
        let acks: Vec<i64> = own.iter().filter_map(|event| event.ack).collect();
        found.equal(&format!("{name}: acked"), num::count(acks.len()), figures.acked);
        if let Some(ack) = &figures.ack {
            found.latency(&format!("{name}: ack"), &acks, ack);
        }
        for (at, group) in figures.groups.iter().enumerate() {
            let due: Vec<&&Seen> =
                own.iter().filter(|event| self.groups[at].contains(&event.topic)).collect();
            found.equal(&format!("{name}: {}: due", group.name), num::count(due.len()), group.due);
            let times: Vec<i64> = due.iter().filter_map(|event| Some(event.first[at]?.1)).collect();
            found.latency(&format!("{name}: {}: latency", group.name), &times, &group.latency);
            let in_time = |event: &&&&Seen| {
                let end =
                    i64::try_from(self.planned_end(name, event.since)).unwrap_or(i64::MAX) + self.within;
                event.first[at].is_some_and(|(received, _)| received <= end)
            };
            let in_time = num::count(due.iter().filter(in_time).count());
            found.equal(&format!("{name}: {}: in time", group.name), in_time, group.in_time);
        }
    }

    /// The planned end of a scope's stretch, however early the load ended.
    fn planned_end(&self, name: &str, since: Ns) -> Ns {
        let settled = |fault: &Fault| fault.at.ns + fault.length.ns + fault.settle.ns;
        let own = self.plan.faults.iter().find(|fault| format!("fault.{}", fault.name) == name);
        let edges = |fault: &Fault| [fault.at.ns, fault.at.ns + fault.length.ns, settled(fault)];
        let next = || self.plan.faults.iter().flat_map(edges).filter(|edge| *edge > since).min();
        own.map(settled).or_else(next).unwrap_or(Ns::MAX).min(self.plan.load.duration.ns)
    }

    fn fine(&self, found: &mut Findings, truth: &Truth, epoch: u64, fine: &crate::record::Fine) {
        let step = |at: Ns| (at.checked_sub(fine.from_ns)).map(|since| num::index(since / fine.step_ns));
        let mut acked = vec![0; fine.acked.len()];
        let mut most = vec![0; fine.acked.len()];
        let answers = truth.events.iter().filter(|event| matches!(event.outcome, Outcome::Acked(_)));
        for event in answers.filter(|event| event.answered >= self.start) {
            if let Some(at) = step(event.answered).filter(|at| *at < acked.len()) {
                acked[at] += 1;
                most[at] = Ord::max(most[at], event.answered.saturating_sub(event.intended_unix_ns - epoch));
            }
        }
        found.equal(&format!("steps of {}: acked", fine.fault), &acked, &fine.acked);
        found.equal(&format!("steps of {}: largest ack", fine.fault), &most, &fine.ack_max_ns);
    }
}

/// The backlog of a group over time, since the start of the phase: what was before is at 0.
fn backlog(truth: &Truth, first: &HashMap<u32, Ns>, topics: &[usize], start: Ns) -> Vec<(Ns, i64)> {
    let mut steps: Vec<(Ns, i64)> = Vec::new();
    for (number, event) in (0_u32..).zip(&truth.events) {
        if !matches!(event.outcome, Outcome::Acked(_)) || !topics.contains(&num::index32(event.topic)) {
            continue;
        }
        let gone = first.get(&number).copied().unwrap_or(Ns::MAX);
        if gone > event.answered {
            steps.extend([(event.answered, 1), (gone, -1)]);
        }
    }
    steps.sort_unstable();
    let mut level = 0;
    let mut levels = vec![(0, 0)];
    for (at, step) in steps {
        level += step;
        levels.push((at.saturating_sub(start), level));
    }
    levels
}
