//! The sections of a comparison's report as text and tables.

use super::{figure, interval, ratio, side_name};
use crate::compare::{
    Bill, Comparison, Contrast, Cost, Family, Finding, Letter, Load, MetricResult, Order, Outcome, Pair,
    Side, Trial, in_words,
};
use crate::record::StoreBytes;
use crate::report::show;
use crate::report::table::Table;

/// The line below the title: sides, profile, time and id.
pub(super) fn under(c: &Comparison) -> String {
    let others: Vec<String> = c.contrasts().iter().map(|contrast| names(contrast)[1].clone()).collect();
    show::plain(&format!(
        "{} against {} · {} · {} · comparison {}",
        if others.len() > 1 { others.join(", ") } else { names(c)[0].clone() },
        if others.len() > 1 { names(c)[0].clone() } else { others.concat() },
        c.about.profile,
        c.about.started,
        c.about.id
    ))
}

/// The reference and the side, with letters and labels.
pub(super) fn names(c: &Comparison) -> [String; 2] {
    c.sides.lettered().map(|(letter, side)| side_name(letter, side))
}

/// The verdict in capitals: with more sides, that on each.
pub(super) fn word(c: &Comparison) -> String {
    let contrasts = c.contrasts();
    let of = |contrast: &Comparison| {
        let letter = contrast.sides.contrast.side.as_str();
        let named = |word: &str| {
            if contrasts.len() > 1 { format!("{letter} {word}") } else { word.to_owned() }
        };
        match contrast.verdict.finding {
            Finding::Better => format!("{letter} IS BETTER"),
            Finding::Worse => format!("{letter} IS WORSE"),
            Finding::Equivalent => named("EQUIVALENT"),
            Finding::NoDifferenceShown => named("NO DIFFERENCE SHOWN"),
            Finding::Inconclusive => named("INCONCLUSIVE"),
        }
    };
    contrasts.iter().map(of).collect::<Vec<_>>().join(", ")
}

/// Warnings for the head of the report, whatever the verdict.
pub(super) fn banners(c: &Comparison) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for banner in c.contrasts().iter().flat_map(banners_of) {
        if !all.contains(&banner) {
            all.push(banner);
        }
    }
    all
}

fn banners_of(c: &Comparison) -> Vec<String> {
    let mut all = Vec::new();
    let [letter_a, letter_b] = c.sides.contrast.letters();
    let which = if c.sides.contrast.is_default() && c.others.is_empty() {
        "The sides".to_owned()
    } else {
        format!("{letter_b} and {letter_a}")
    };
    let (a, b) = (&c.sides.a, &c.sides.b);
    if a.durability != b.durability {
        all.push(show::plain(&format!(
            "Unequal durability{}: an acknowledgement means `{}` on {letter_a}, `{}` on {letter_b}.",
            if c.design.allow_unequal { " (allowed)" } else { ", not ranked" },
            a.durability,
            b.durability
        )));
    }
    if !c.workload.is_empty() {
        let keys: Vec<String> =
            c.workload.iter().take(6).map(|d| format!("{} {} / {}", d.key, d.a, d.b)).collect();
        all.push(show::plain(&format!("{which} do not have the same load: {}.", keys.join(", "))));
    }
    if a.mode == "sim" || b.mode == "sim" {
        all.push("Simulated bus: no figure here says anything about a real broker.".into());
    }
    all
}

/// The key figures.
pub(super) fn key(c: &Comparison) -> Vec<(String, String)> {
    let used = c.pairs.iter().filter(|p| p.excluded.is_none()).count();
    let [a, b] = c.sides.contrast.letters();
    let mut all = Vec::new();
    for m in c.metrics.iter().filter(|m| m.family == Family::Deciding).take(2) {
        let of = |v: Option<f64>| v.map_or_else(|| "–".into(), |v| figure(m.unit, v));
        all.push((format!("{}, {a}", m.title), of(m.a)));
        all.push((format!("{}, {b}", m.title), of(m.b)));
        all.push((c.sides.contrast.ratio(), m.ratio.map_or_else(|| "–".into(), ratio)));
    }
    all.push(("pairs that count".into(), format!("{used} of {}", c.design.pairs)));
    let carried =
        |side: &Side| side.load.map_or_else(|| "–".into(), |load| show::part(load.carried, load.due));
    all.push((format!("carried, {a} / {b}"), format!("{} / {}", carried(&c.sides.a), carried(&c.sides.b))));
    all.push((
        format!("lost, {a} / {b}"),
        format!("{} / {}", show::count(c.sides.a.ledger.lost), show::count(c.sides.b.ledger.lost)),
    ));
    all
}

pub(super) const fn family(m: &MetricResult) -> &'static str {
    match m.family {
        Family::Deciding => "decides",
        Family::Latency => "latency",
        Family::Ack => "acknowledgement",
        Family::Resources => "resources",
        Family::Stock => "stock",
    }
}

pub(super) fn p(p: Option<f64>) -> String {
    p.map_or_else(|| "–".into(), |p| if p < 0.0001 { "<0.0001".into() } else { format!("{p:.4}") })
}

/// Every metric, a row each.
pub(super) fn metrics(c: &Comparison) -> Table {
    let [a, b] = c.sides.contrast.letters();
    let mut table = Table::new([
        "metric",
        "family",
        a,
        b,
        &c.sides.contrast.ratio(),
        "interval",
        "p",
        "p adjusted",
        "p (t)",
        "pairs",
        "finding",
    ]);
    for m in &c.metrics {
        let of = |v: Option<f64>| v.map_or_else(|| "–".into(), |v| figure(m.unit, v));
        table.row([
            m.title.clone(),
            family(m).into(),
            of(m.a),
            of(m.b),
            m.ratio.map_or_else(|| "–".into(), ratio),
            interval(m.interval),
            p(m.p),
            p(m.p_adjusted),
            p(m.p_student),
            m.pairs.to_string(),
            m.finding.as_str().into(),
        ]);
    }
    table
}

/// Figures per group.
pub(super) fn groups(c: &Comparison) -> Table {
    let [a, b] = c.sides.contrast.letters();
    let mut table = Table::new(["group", "figure", a, b, &c.sides.contrast.ratio(), "interval"]);
    for g in &c.groups {
        table.row([
            show::plain(&g.group),
            show::plain(&g.title),
            figure(g.unit, g.a),
            figure(g.unit, g.b),
            ratio(g.ratio),
            interval(g.interval),
        ]);
    }
    table
}

/// Which rows of the fairness table are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rows {
    /// The first rows, and settings that both have with different values.
    Differing,
    /// As `Differing`, with the settings that affect the figures most even if they are equal.
    Important,
    /// Bus settings that only one side has.
    OneSided,
    /// All rows.
    All,
}

/// Last components of the most important settings: replicas, disk, acknowledgements, batches and steady state.
const IMPORTANT: [&str; 14] = [
    "replicas",
    "storage",
    "sync",
    "ack",
    "acks",
    "publish",
    "window",
    "linger",
    "ack_linger",
    "batch",
    "batch_size",
    "pull_batch",
    "max_in_flight",
    "latency steady while measured",
];

/// Settings and conditions of both sides.
pub(super) fn fairness(c: &Comparison, rows: Rows) -> Table {
    let mut table = Table::new([vec![String::new()], names(c).to_vec()].concat());
    for (at, row) in c.fairness.iter().enumerate() {
        let last = row.name.rsplit('.').next().unwrap_or_default();
        let important = rows == Rows::Important && IMPORTANT.contains(&last);
        // The first rows identify the two sides.
        let both = at < 3 || row.differs || important || in_words(&row.name);
        let of_bus = ["bus.", "broker: "].iter().any(|part| row.name.starts_with(part));
        let one_sided = of_bus && row.differs && (row.a == "–" || row.b == "–");
        let shown = match rows {
            Rows::All => true,
            Rows::OneSided => one_sided,
            Rows::Differing | Rows::Important => both && !one_sided,
        };
        if shown {
            let mark = if row.differs { "≠ " } else { "" };
            table.row([
                format!("{mark}{}", show::plain(&row.name)),
                show::plain(&row.a),
                show::plain(&row.b),
            ]);
        }
    }
    table
}

/// Settings that only one side has, those of A first.
pub(super) fn one_sided(c: &Comparison) -> Table {
    let mut table = fairness(c, Rows::OneSided);
    for row in &mut table.rows {
        row[0] = row[0].replacen("≠ ", "", 1);
    }
    table.rows.sort_by_key(|row| row[1] == "–");
    table
}

/// Runs and events of both sides.
pub(super) fn ledger(c: &Comparison) -> Table {
    let mut table = Table::new([
        "over all runs",
        "measured",
        "unfit",
        "failed",
        "missed an objective",
        "not steady",
        "due",
        "carried",
        "lost",
        "corrupt",
        "duplicate",
        "reordered",
    ]);
    for (letter, side) in c.sides.lettered() {
        let runs =
            [side.measured, side.unfit, side.failed, side.missed, side.unsteady].map(|n| n.to_string());
        let load =
            |of: fn(&Load) -> u64| side.load.map_or_else(|| "–".to_owned(), |load| show::count(of(&load)));
        let load = [load(|l| l.due), load(|l| l.carried)];
        let l = &side.ledger;
        let events = [l.lost, l.corrupt, l.duplicate, l.reordered].map(show::count);
        table.row(std::iter::once(side_name(letter, side)).chain(runs).chain(load).chain(events));
    }
    table
}

/// Every pair.
pub(super) fn pairs(c: &Comparison) -> Table {
    let [a, b] = c.sides.contrast.letters();
    let (run_of_a, run_of_b) = (format!("run of {a}"), format!("run of {b}"));
    let mut table = Table::new(["pair", "first", &run_of_a, "p50", "p99", &run_of_b, "p50", "p99", "counts"]);
    for pair in &c.pairs {
        let of = |t: &Trial, name: &str| {
            t.figures.get(name).map_or_else(|| "–".into(), |v| figure(crate::compare::Unit::Time, *v))
        };
        let run = |t: &Trial| match t.outcome {
            Outcome::NotRun => "not run".to_owned(),
            _ => show::plain(&t.folder),
        };
        let counts = pair
            .excluded
            .as_ref()
            .map_or_else(|| "yes".to_owned(), |why| format!("no: {}", show::fit(why, 160)));
        table.row([
            pair.number.to_string(),
            (if pair.order == Order::Ab { a } else { b }).to_owned(),
            run(&pair.a),
            of(&pair.a, "latency.p50"),
            of(&pair.a, "latency.p99"),
            run(&pair.b),
            of(&pair.b, "latency.p50"),
            of(&pair.b, "latency.p99"),
            counts,
        ]);
    }
    table
}

/// The run folders beside the page.
pub(super) fn runs(c: &Comparison) -> Vec<String> {
    let ours = |name: &str| {
        let of_side = |letter: &Letter| name.strip_prefix(letter.lower())?.strip_prefix('-');
        let number = Letter::ALL.iter().find_map(of_side);
        number.is_some_and(|number| !number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit()))
    };
    let all = c.pairs.iter().flat_map(|pair| [&pair.a, &pair.b]).filter(|trial| !trial.run.is_empty());
    all.map(|trial| trial.folder.clone()).filter(|name| ours(name)).collect()
}

/// What the disks of both sides were computed from, where the account says so.
fn disk_is(cost: &Cost, contrast: Contrast) -> String {
    match [cost.a.disk_is, cost.b.disk_is] {
        [None, None] => String::new(),
        [a, b] if a == b => a.map_or_else(String::new, |both| format!(" ({})", both.words())),
        sides => {
            let [a, b] = sides.map(|side| side.map_or("unknown", StoreBytes::words));
            let [letter_a, letter_b] = contrast.letters();
            format!(" ({letter_a}: {a}; {letter_b}: {b})")
        }
    }
}

/// A month's bill of both sides.
pub(super) fn cost(c: &Comparison) -> Option<(Table, String)> {
    c.cost.as_ref().map(|cost| cost_of(cost, c.sides.contrast))
}

fn cost_of(cost: &Cost, contrast: Contrast) -> (Table, String) {
    let [letter_a, letter_b] = contrast.letters();
    let month = |letter: &str| format!("{letter} per month");
    let mut table = Table::new(["", letter_a, &month(letter_a), letter_b, &month(letter_b)]);
    let money = |v: f64| if v >= 100.0 { format!("{v:.0}") } else { format!("{v:.2}") };
    let (a, b) = (&cost.a, &cost.b);
    table.row([
        "cores".into(),
        format!("{:.3}", a.cores),
        money(a.of_cores),
        format!("{:.3}", b.cores),
        money(b.of_cores),
    ]);
    table.row([
        "memory, GiB".into(),
        format!("{:.3}", a.memory_gib),
        money(a.of_memory),
        format!("{:.3}", b.memory_gib),
        money(b.of_memory),
    ]);
    table.row([
        format!("disk, GB{}", disk_is(cost, contrast)),
        format!("{:.1}", a.disk_gb),
        money(a.of_disk),
        format!("{:.1}", b.disk_gb),
        money(b.of_disk),
    ]);
    table.row(["total".into(), String::new(), money(a.total()), String::new(), money(b.total())]);
    let event = |bill: &Bill| bill.per_million().map(|price| format!("{price:.4}"));
    if let (Some(of_a), Some(of_b)) = (event(a), event(b)) {
        let rate = |bill: &Bill| show::rate(bill.carried_rate);
        table.row(["a million carried events".into(), rate(a), of_a, rate(b), of_b]);
    }
    let p = &cost.prices;
    let said = format!(
        "{} ({}), at {}, in {}: {} per core and month, {} per GiB of memory, {} per GB of disk; events kept for {}. Only use measured on this machine is counted: no spare capacity, network or labour.",
        if a.carried_rate > 0.0 {
            format!(
                "One carried event costs {} times as much on {letter_b} as on {letter_a}",
                ratio(cost.ratio)
            )
        } else {
            format!("{letter_b} costs {} times {letter_a}", ratio(cost.ratio))
        },
        interval(cost.interval),
        show::rate(cost.rate),
        show::plain(&p.currency),
        p.core,
        p.gib_memory,
        p.gb_disk,
        p.retention
    );
    (table, said)
}

/// Describes the design.
pub(super) fn design(c: &Comparison) -> String {
    let d = &c.design;
    let (what, turns, all) = if c.others.is_empty() {
        ("pairs of runs", "ABBA or BAAB in every two pairs", "")
    } else {
        (
            "rounds with a run of each side",
            "in every two rounds an order of the sides and its reverse",
            " over all sides together",
        )
    };
    format!(
        "{} {what} were requested, in an order seeded by {} ({turns}), {} between runs. The probability of a false alarm is at most {} for the deciding metrics ({}){all}, and for each other family of metrics{}. Differences count from {} on; equivalent means significantly within {}. {}",
        d.pairs,
        d.seed,
        d.cool_down,
        show::percent(if d.early && d.worse_only { d.alpha / 2.0 } else { d.alpha }),
        d.decide.join(", "),
        if d.early { "" } else { ", by Holm's correction" },
        show::percent(d.min_effect),
        show::percent(d.equivalent),
        super::looks::ending(c)
    )
}

/// Every side in the order of the letters, with the folder of its first run.
fn sides(c: &Comparison) -> Vec<(Letter, &Side, Option<&str>)> {
    fn folder(pair: Option<&Pair>, of: fn(&Pair) -> &Trial) -> Option<&str> {
        pair.map(|pair| of(pair).folder.as_str())
    }
    let mut all = vec![
        (c.sides.contrast.reference, &c.sides.a, folder(c.pairs.first(), |pair| &pair.a)),
        (c.sides.contrast.side, &c.sides.b, folder(c.pairs.first(), |pair| &pair.b)),
    ];
    all.extend(c.others.iter().map(|other| {
        (other.sides.contrast.side, &other.sides.b, folder(other.pairs.first(), |pair| &pair.b))
    }));
    all.sort_by_key(|(letter, ..)| *letter);
    all
}

/// The command to repeat the comparison.
pub(super) fn command(c: &Comparison) -> String {
    let quoted = |text: &str| format!("'{}'", show::plain(text).replace('\'', "'\\''"));
    let sides = sides(c);
    let reference = c.sides.contrast.reference;
    let named = (reference != Letter::A).then(|| format!("--reference {}", reference.lower()));
    if c.design.kind == crate::compare::Kind::Folders {
        let folder = |first: Option<&str>| first.map_or_else(|| "FOLDER".to_owned(), quoted);
        let folders = sides.iter().map(|(_, _, first)| folder(*first));
        let words = std::iter::once("tickgate compare".to_owned()).chain(folders).chain(named);
        return words.collect::<Vec<_>>().join(" ");
    }
    let mut words = vec!["tickgate compare".to_owned(), quoted(&c.about.profile)];
    words.extend(c.about.sets.iter().map(|set| format!("--set {}", quoted(set))));
    for (letter, side, _) in sides {
        let flag = format!("--{}", letter.lower());
        words.push(format!("{flag} {}", quoted(&format!("label={}", side.label))));
        words.extend(side.overrides.iter().map(|set| format!("{flag} {}", quoted(set))));
    }
    words.extend(named);
    words.push(format!("--pairs {} --seed {}", c.design.pairs, c.design.seed));
    let flags = [
        (c.design.allow_unequal, "--allow-unequal"),
        (c.design.allow_different_workload, "--allow-different-workload"),
        (c.design.early, "--early"),
        (c.design.worse_only, "--worse-only"),
    ];
    words.extend(flags.iter().filter(|(on, _)| *on).map(|(_, flag)| (*flag).to_owned()));
    words.join(" ")
}
