//! The sections of a search's report as text and tables.

use super::words::{
    caveat, held, money, months, outcome_word, percent, range, resource_word, seen, stage_word, times,
};
use crate::capacity::{
    Answer, At, BillAt, Bound, Capacity, Design, Ended, Limit, Resource, Trial, Use, minutes,
};
use crate::num;
use crate::plan::Rate;
use crate::record::Verdict;
use crate::report::command::{destination, quoted};
use crate::report::sections::{Facts, of_broker, of_machine};
use crate::report::show;
use crate::report::table::Table;

/// The title: the bus, and of which profile.
pub(super) fn title(c: &Capacity) -> String {
    show::plain(&format!("Capacity: {}", c.about.profile))
}

/// The line below the title: bus, time and id.
pub(super) fn under(c: &Capacity) -> String {
    let bus = c.broker.as_ref().map(|b| format!("{} {} ({})", b.product, b.version, b.durability));
    let parts = [
        bus.unwrap_or_else(|| "no broker".to_owned()),
        c.about.started.clone(),
        format!("search {}", c.about.id),
    ];
    show::plain(&parts.join(" · "))
}

/// A warning for the head of the report; that an answer is irregular is in its sentences.
pub(super) fn banner(c: &Capacity) -> Option<&'static str> {
    let simulated = c.broker.as_ref().is_some_and(|broker| broker.mode == "sim");
    simulated.then_some("Simulated bus: no figure here says anything about a real broker.")
}

/// The tags of the search, as a line.
pub(super) fn tags(c: &Capacity) -> Option<String> {
    let all: Vec<String> = c.about.tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
    (!all.is_empty()).then(|| show::plain(&format!("Tags: {}", all.join(", "))))
}

/// Why the verdict is not `pass`.
pub(super) fn reasons(c: &Capacity) -> Vec<String> {
    c.reasons.iter().map(|why| show::plain(why)).collect()
}

/// The reason why a bound is absent.
fn no_bound(answer: &Answer) -> String {
    let why = answer.irregular.first().map_or("the search is not over", String::as_str);
    show::plain(&format!("none: {why}"))
}

/// Appends the reasons of an irregular answer to a text about one of its figures.
fn beside(answer: &Answer, text: &str) -> String {
    caveat(answer).map_or_else(|| text.to_owned(), |why| format!("{text} {why}"))
}

/// What a row of outcomes by itself says about a bound.
fn by_row_alone(bound: &Bound, of: &str) -> String {
    let k = bound.confirmed_by;
    format!(
        "{k} of {k} alone only says that at least {} of trials {of} here, at 95 %",
        percent(bound.by_row_alone())
    )
}

/// Floor, capacity and ceiling, with what each word means.
pub(super) fn bounds(c: &Capacity) -> Table {
    let answer = &c.answer;
    if let Some(at) = &answer.at {
        return one_rate(c, at);
    }
    let mut table = Table::new(["", "rate", "trials", "pass by the fit", "what it means"]);
    let fit = |bound: &Bound| bound.passing.map_or_else(|| "–".to_owned(), percent);
    match &answer.floor {
        Some(floor) => table.row([
            "floor: holds".to_owned(),
            show::short_rate(floor.rate),
            format!("{0} of {0} passed", floor.confirmed_by),
            fit(floor),
            beside(answer, &format!("{}.", by_row_alone(floor, "pass"))),
        ]),
        None => table.row(["floor: holds".to_owned(), "–".into(), "–".into(), "–".into(), no_bound(answer)]),
    }
    table.row(capacity_row(c));
    match &answer.ceiling {
        Some(ceiling) => {
            let limit = ceiling.limit.unwrap_or(Limit::Unknown).words();
            let text = format!("At its trials, {limit}. {}.", by_row_alone(ceiling, "do not pass"));
            table.row([
                "ceiling: fails".to_owned(),
                show::short_rate(ceiling.rate),
                format!("0 of {} passed", ceiling.confirmed_by),
                fit(ceiling),
                beside(answer, &text),
            ]);
        }
        None => {
            table.row(["ceiling: fails".to_owned(), "–".into(), "–".into(), "–".into(), no_bound(answer)]);
        }
    }
    table
}

/// The sequential test of one rate.
fn one_rate(c: &Capacity, at: &At) -> Table {
    let mut table = Table::new(["", "rate", "trials", "pass by the fit", "what it means"]);
    let (what, says) = match at.holds {
        Some(true) => ("holds", "accepted".to_owned()),
        Some(false) => {
            let limit = c.answer.ceiling.and_then(|ceiling| ceiling.limit).unwrap_or(Limit::Unknown);
            ("fails", format!("rejected; at its trials, {}", limit.words()))
        }
        None => ("open", "the trials do not decide".to_owned()),
    };
    let test = "a sequential test of 50 % against 95 % passing trials, with errors of 5 %";
    table.row([
        what.to_owned(),
        show::short_rate(at.rate),
        if at.trials() == 0 { at.in_words() } else { format!("{} of {} passed", at.passes, at.trials()) },
        "–".into(),
        beside(&c.answer, &format!("By {test}: {says}.")),
    ]);
    table
}

fn capacity_row(c: &Capacity) -> [String; 5] {
    let answer = &c.answer;
    let name = "capacity".to_owned();
    let counted = format!("{} that count", answer.counted);
    let Some(estimate) = answer.stated() else {
        let why = answer.irregular.first().map_or("the search is not over", String::as_str);
        let text = format!("No estimate: {why}. {}", seen(c));
        return [name, "–".into(), counted, "–".into(), show::plain(&text)];
    };
    let interval = match answer.interval() {
        Some(interval) => format!("95 % interval {}", range(interval)),
        None => "no interval is claimed".to_owned(),
    };
    let text = format!(
        "A trial here passes as often as not; {interval}. Single trials scatter by {} around it.",
        percent(estimate.spread)
    );
    [name, show::short_rate(estimate.median), counted, "50 %".into(), beside(answer, &text)]
}

/// How far the interval may be trusted, and what it is about; `None` where none is claimed.
pub(super) fn coverage(c: &Capacity) -> Option<String> {
    c.answer.interval()?;
    // Share of the intervals in simulations of the default search, of `--quick` and of `--thorough`.
    let share = match c.design.precision {
        wide if wide >= 0.125 => "92–93 %",
        narrow if narrow <= 0.085 => "about 93 %",
        _ => "94–96 %",
    };
    Some(format!(
        "95 % interval: in simulations of such a search, with outcomes that follow one threshold, {share} of the intervals \
         hold the true rate. The figure is about this machine in this session; another day is another machine."
    ))
}

/// The key figures: a name and a value.
pub(super) fn key(c: &Capacity) -> Vec<(String, String)> {
    let answer = &c.answer;
    let bound = |bound: Option<Bound>| bound.map_or_else(|| "none".to_owned(), |b| show::short_rate(b.rate));
    let estimate = answer.stated().map_or_else(|| "no estimate".to_owned(), |e| show::short_rate(e.median));
    let interval = answer.interval().map_or_else(|| "not claimed".to_owned(), range);
    let irregular = if answer.irregular.is_empty() { "" } else { ", irregular" };
    let mut all = vec![(format!("floor: holds{irregular}"), bound(answer.floor))];
    // A test of one rate estimates nothing.
    if answer.at.is_none() {
        all.push((format!("capacity{irregular}"), estimate));
        all.push((format!("its 95 % interval{irregular}"), interval));
    }
    all.push((format!("ceiling: fails{irregular}"), bound(answer.ceiling)));
    all.push(("trials".to_owned(), answer.trials.to_string()));
    all.push(("time of all trials".to_owned(), minutes(answer.took)));
    let headroom = c.targets.iter().filter_map(|target| {
        let headroom = target.headroom?;
        (target.verdict == Verdict::Pass)
            .then(|| (format!("headroom over {}{irregular}", show::short_rate(target.rate)), times(headroom)))
    });
    all.extend(headroom.take(2));
    all
}

/// Each target: is it held, and with what headroom?
pub(super) fn targets(c: &Capacity) -> Table {
    let mut table = Table::new(["target", "result", "floor / target", "capacity / target"]);
    let factor = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), times);
    // An estimate that is not stated has no headroom either.
    let stated = c.answer.stated().is_some();
    for target in &c.targets {
        let asked = if target.asked { "" } else { " (not asked for)" };
        table.row([
            format!("{}{asked}", show::short_rate(target.rate)),
            held(target.verdict).to_owned(),
            factor(target.headroom),
            factor(target.by_estimate.filter(|_| stated)),
        ]);
    }
    table
}

/// When the load outgrows the capacity.
pub(super) fn growth(c: &Capacity) -> Option<String> {
    let growth = c.growth.as_ref()?;
    let reaches = |name: &str, bound: Option<Bound>, time: Option<f64>| match (bound, time) {
        (Some(bound), Some(time)) if time >= 0.0 => {
            format!("the {name}, {}, in {}", show::short_rate(bound.rate), months(time))
        }
        (Some(bound), Some(_)) => {
            format!("the {name}, {}, is below today's rate", show::short_rate(bound.rate))
        }
        (Some(bound), None) => format!("the {name}, {}, never", show::short_rate(bound.rate)),
        (None, _) => format!("no {name} is known"),
    };
    let text = format!(
        "From {} today with {} a month, the load reaches {}, and {}.",
        show::short_rate(growth.now),
        show::percent(growth.monthly),
        reaches("floor", c.answer.floor, growth.to_floor),
        reaches("ceiling", c.answer.ceiling, growth.to_ceiling)
    );
    Some(beside(&c.answer, &text))
}

/// The cost of the broker, and a sentence about it.
pub(super) fn cost(c: &Capacity) -> Option<(Table, String)> {
    let cost = c.cost.as_ref()?;
    let currency = &cost.prices.currency;
    let mut table = Table::new(["at", "cores", "memory", "disk", "a month", "a million events", "idle"]);
    let million = |at: &BillAt| at.bill.per_million().map_or_else(|| "–".to_owned(), |v| money(v, currency));
    for (number, at) in cost.at.iter().enumerate() {
        let bill = &at.bill;
        let disk = bill.disk_is.map_or_else(|| "not known".to_owned(), |_| format!("{:.1} GB", bill.disk_gb));
        table.row([
            format!("{}{}", show::short_rate(at.rate), if number == 0 { " (floor)" } else { "" }),
            format!("{:.2}", bill.cores),
            format!("{:.2} GiB", bill.memory_gib),
            disk,
            money(bill.total(), currency),
            million(at),
            percent(at.idle),
        ]);
    }
    let prices = &cost.prices;
    let first = cost.at.first().map_or_else(|| "–".to_owned(), million);
    let text = format!(
        "A million events cost {first} at the floor. Of the broker only, by the profile's prices: {} a core, {} a GiB of \
         memory and {} a GB of disk in a month; events are kept for {}. Cores and memory are those at the floor, also at a \
         lower rate, which leaves the rest idle.",
        money(prices.core, currency),
        money(prices.gib_memory, currency),
        money(prices.gb_disk, currency),
        prices.retention
    );
    Some((table, beside(&c.answer, &text)))
}

/// Machines for a million events a second. A test of one rate does not say how many: the bus may hold more.
pub(super) fn machines(c: &Capacity) -> Option<String> {
    if c.answer.at.is_some() {
        return None;
    }
    let text = match c.answer.floor.filter(|floor| floor.rate > 0.0) {
        Some(floor) => format!(
            "A million events a second: {} like this one, by the floor. This assumes that streams can be split and scale \
             linearly; it is not measured.",
            show::several(num::u64_of((1e6 / floor.rate).ceil()), "machine")
        ),
        None => "A million events a second: the number of machines is not known without a floor.".to_owned(),
    };
    Some(beside(&c.answer, &text))
}

/// The use of each resource by rate; `▲` marks one over its threshold.
pub(super) fn resources(c: &Capacity) -> Table {
    use crate::plan::Choice as _;
    let is_known = |resource: &&Resource| c.resources.iter().any(|used| used.shares.contains_key(resource));
    let known: Vec<Resource> = Resource::ALL.iter().filter(is_known).copied().collect();
    let names = known.iter().map(|resource| {
        format!("{} (▲ from {})", resource_word(*resource), show::percent(resource.threshold()))
    });
    let head = ["rate", "passed"].into_iter().map(str::to_owned);
    let mut table = Table::new(head.chain(names));
    let cell = |used: &Use, resource: Resource| match used.shares.get(&resource) {
        Some(share) if *share >= resource.threshold() => format!("▲ {:.0} %", share * 100.0),
        Some(share) => format!("{:.0} %", share * 100.0),
        None => "–".to_owned(),
    };
    for used in &c.resources {
        let head = [show::short_rate(used.rate), format!("{} of {}", used.passed, used.trials)];
        table.row(head.into_iter().chain(known.iter().map(|resource| cell(used, *resource))));
    }
    table
}

/// The first resource that was used up.
pub(super) fn first(c: &Capacity) -> String {
    let up_to = if c.answer.ceiling.is_some() { "up to the ceiling" } else { "at the rates that were tried" };
    match &c.first {
        Some(first) => format!(
            "First over its threshold, {up_to}: {}, {:.0} % at {}. This is an association, not a cause.",
            resource_word(first.resource),
            first.share * 100.0,
            show::short_rate(first.rate)
        ),
        None if c.resources.iter().all(|used| used.shares.is_empty()) => {
            "The use of resources is not known.".to_owned()
        }
        None if c.answer.ceiling.is_none() => format!("No resource was over its threshold {up_to}."),
        None => {
            format!("No resource was over its threshold {up_to}: the events waited for something else.")
        }
    }
}

/// Every trial, a row each.
pub(super) fn trials(c: &Capacity) -> Table {
    let mut table = Table::new([
        "trial",
        "stage",
        "rate",
        "outcome",
        "p50",
        "p99",
        "p99.9",
        "confirmed",
        "CPU in use",
        "took",
        "reason",
    ]);
    for trial in &c.trials {
        table.row(row(trial));
    }
    table
}

fn row(trial: &Trial) -> [String; 11] {
    let figures = trial.figures.as_ref();
    let time = |value: Option<u64>| value.map_or_else(|| "–".to_owned(), show::time);
    let cpu = figures.and_then(|figures| {
        let usable = figures.usable_cores.map_or_else(String::new, |usable| format!(" of {usable:.0}"));
        Some(format!("{:.2}{usable}", figures.busy_cores?))
    });
    let early = if trial.curtailed { " (ended early)" } else { "" };
    [
        trial.number.to_string(),
        stage_word(trial.stage).to_owned(),
        show::short_rate(trial.rate),
        format!("{}{early}", outcome_word(trial.outcome)),
        time(figures.and_then(|figures| figures.p50_ns)),
        time(figures.and_then(|figures| figures.p99_ns)),
        time(figures.and_then(|figures| figures.p99_9_ns)),
        figures.map_or_else(|| "–".to_owned(), |figures| show::short_rate(figures.achieved)),
        cpu.unwrap_or_else(|| "–".to_owned()),
        minutes(trial.took),
        reason(trial),
    ]
}

/// Why a trial did not pass, and what limited it.
pub(super) fn reason(trial: &Trial) -> String {
    let limit = trial.limit.filter(|limit| *limit != Limit::Unknown).map(Limit::words);
    let parts: Vec<&str> = trial.reason.as_deref().into_iter().chain(limit).collect();
    show::plain(&parts.join("; "))
}

/// What must hold, in the words of the profile.
pub(super) fn objectives(c: &Capacity) -> String {
    let all: Vec<String> =
        c.plan.objectives.iter().map(|o| format!("{} {}", o.name(), o.requirement())).collect();
    show::plain(&format!("A trial passes if all objectives are met: {}.", all.join(", ")))
}

/// What the trials leave out of the profile, each with the reason.
pub(super) fn left_out(c: &Capacity) -> Vec<String> {
    let dropped = c.plan.dropped.iter();
    dropped.map(|dropped| show::plain(&format!("Left out: {} ({}).", dropped.what, dropped.why))).collect()
}

/// What the search did.
pub(super) fn design(c: &Capacity) -> String {
    let d = &c.design;
    let load = &c.plan.load;
    let rates = match d.at {
        Some(rate) => format!(
            "A sequential test of {} alone (Wald): 50 % against 95 % of passing trials, with errors of 5 % each, in at most \
             {}.",
            show::short_rate(rate),
            show::several(u64::from(d.most_confirming), "trial")
        ),
        None => of_search(d),
    };
    let within = d.within.map_or_else(String::new, |within| format!(" Time limit: {}.", minutes(within)));
    show::plain(&format!(
        "{rates} Each trial has a fresh broker and events of its own (seeds from {}), after a pause of {}; a confirming trial \
         has {} of warm-up and {} of measurement; load.arrival is {}.{within}",
        d.seed, d.cool_down, load.warmup, load.duration, load.arrival,
    ))
}

/// The rates that a search tries, and when it stops.
fn of_search(d: &Design) -> String {
    format!(
        "The search begins at {} and stays between {} and {}. It narrows until the 95 % interval is at most {} wide, in at \
         most {}. The floor takes {}, where by the fit at least {} pass, and the ceiling {}, where at most {} do, in at most \
         {}.",
        show::short_rate(d.start),
        show::short_rate(d.min),
        show::short_rate(d.max),
        show::percent(d.precision),
        show::several(u64::from(d.most_narrowing), "trial"),
        in_a_row(d.passes, "pass"),
        show::percent(d.level),
        in_a_row(d.misses, "miss"),
        show::percent(1.0 - d.level),
        show::several(u64::from(d.most_confirming), "trial"),
    )
}

/// `5 passes in a row`, `one pass`.
fn in_a_row(count: u32, one: &str) -> String {
    if count == 1 { format!("one {one}") } else { format!("{count} {one}es in a row") }
}

/// The command to search again.
pub(super) fn command(c: &Capacity) -> String {
    let rate = Rate::per_second;
    let mut words = vec!["tickgate capacity".to_owned(), quoted(&c.about.profile)];
    words.extend(c.about.sets.iter().map(|set| format!("--set {}", quoted(set))));
    words.extend(c.broker.as_ref().map(|broker| destination(broker, &c.plan)));
    words.extend(c.design.at.map(|at| format!("--at {}", rate(at))));
    words.extend(c.design.at.is_none().then(|| flags(c)).into_iter().flatten());
    let asked = c.targets.iter().filter(|target| target.asked && c.design.at.is_none());
    words.extend(asked.map(|target| format!("--target {}", rate(target.rate))));
    words
        .extend(c.growth.as_ref().map(|growth| format!("--growth {}%/month", short_percent(growth.monthly))));
    words.extend(c.design.within.map(|within| format!("--within {within}")));
    words.push(format!("--seed {}", c.design.seed));
    words.join(" ")
}

/// The flags of a search that change its design.
fn flags(c: &Capacity) -> Vec<String> {
    let d = &c.design;
    let base = Design::default();
    let is = |of: &Design| (of.level, of.passes, of.misses) == (d.level, d.passes, d.misses);
    let named = [("--quick", base.clone().quick()), ("--thorough", base.clone().thorough())];
    let named = named.into_iter().find(|(_, design)| is(design));
    let precision = named.as_ref().map_or(base.precision, |(_, design)| design.precision);
    let is_other = |a: f64, b: f64| (a / b - 1.0).abs() > 1e-9;
    let precision =
        is_other(d.precision, precision).then(|| format!("--precision {}%", short_percent(d.precision)));
    let from = is_other(d.start, c.plan.load.rate.per_second)
        .then(|| format!("--from {}", Rate::per_second(d.start)));
    // A search that no limit stopped does the same with a higher one.
    let max = (c.answer.ended == Ended::AtMost).then(|| format!("--max {}", Rate::per_second(d.max)));
    let named = named.map(|(flag, _)| flag.to_owned());
    named.into_iter().chain(precision).chain(from).chain(max).collect()
}

/// `12.5` for 0.125.
fn short_percent(share: f64) -> f64 {
    (share * 1e4).round() / 1e2
}

/// The bus.
pub(super) fn broker(c: &Capacity) -> Facts {
    c.broker.as_ref().map(of_broker).unwrap_or_default()
}

/// The machine.
pub(super) fn machine(c: &Capacity) -> Facts {
    c.environment.as_ref().map(of_machine).unwrap_or_default()
}
