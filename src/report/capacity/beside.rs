//! Two searches beside each other, as text for a terminal, Markdown and a page.

use askama::Template;

use super::html::rendered;
use super::sections;
use super::words::{caveat, held, percent, range, times};
use crate::capacity::{Apart, Beside, Bound, Capacity, minutes};
use crate::num;
use crate::report::html::{SCRIPT, hash};
use crate::report::markdown::{escaped, table};
use crate::report::table::Table;
use crate::report::{show, style};

const WIDTH: usize = 80;
/// Width of a cell on a terminal.
const CELL: usize = 28;

/// Two searches beside each other in every form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SideBySide {
    /// For a terminal, in 80 columns.
    pub terminal: String,
    /// For a CI job.
    pub markdown: String,
    /// A self-contained page.
    pub html: String,
}

/// Renders two searches beside each other.
#[must_use]
pub fn side_by_side(pair: &Beside<'_>) -> SideBySide {
    SideBySide { terminal: terminal(pair), markdown: markdown(pair), html: page(pair) }
}

/// The finding in capitals.
const fn word(finding: Apart) -> &'static str {
    match finding {
        Apart::Differ => "THE CAPACITIES DIFFER",
        Apart::NotDistinguished => "NOT DISTINGUISHED",
    }
}

/// The bus of a side.
fn name(c: &Capacity) -> String {
    let product = c.broker.as_ref().map_or_else(
        || c.plan.bus.kind.to_string(),
        |broker| format!("{} {}", broker.product, broker.version),
    );
    show::plain(product.trim())
}

fn heads(pair: &Beside<'_>) -> [String; 2] {
    [("A", pair.a), ("B", pair.b)].map(|(letter, c)| format!("{letter} ({})", name(c)))
}

/// The sentence of each side, with its letter.
fn sentences(pair: &Beside<'_>) -> [String; 2] {
    [("A", pair.a), ("B", pair.b)].map(|(letter, c)| show::plain(&format!("{letter}: {}", c.sentence)))
}

/// The figures of both sides. An irregular one says so beside its figure; the remarks have the reasons.
fn figures(pair: &Beside<'_>) -> Table {
    let [a, b] = heads(pair);
    let mut table = Table::new([String::new(), a, b]);
    let mut row = |name: &str, of: &dyn Fn(&Capacity) -> String| {
        table.row([name.to_owned(), of(pair.a), of(pair.b)]);
    };
    let marked = |c: &Capacity, text: String| match caveat(&c.answer) {
        Some(_) => format!("{text} (irregular)"),
        None => text,
    };
    let bound = |c: &Capacity, bound: Option<Bound>| {
        let said = bound.map_or_else(|| "none".to_owned(), |b| show::short_rate(b.rate));
        let fit =
            bound.and_then(|b| b.passing).map_or_else(String::new, |p| format!(", {} pass", percent(p)));
        marked(c, format!("{said}{fit}"))
    };
    row("floor: holds", &|c| bound(c, c.answer.floor));
    row("capacity", &|c| {
        marked(c, c.answer.stated().map_or_else(|| "no estimate".to_owned(), |e| show::short_rate(e.median)))
    });
    row("95 % interval", &|c| marked(c, c.answer.interval().map_or_else(|| "none".to_owned(), range)));
    row("ceiling: fails", &|c| bound(c, c.answer.ceiling));
    row("limit at the ceiling", &|c| {
        let limit = c.answer.ceiling.and_then(|ceiling| ceiling.limit);
        limit.map_or_else(|| "–".to_owned(), |limit| limit.words().to_owned())
    });
    for target in &pair.a.targets {
        row(&format!("target {}", show::short_rate(target.rate)), &|c| {
            let same = c.targets.iter().find(|of| (of.rate / target.rate - 1.0).abs() < 1e-9);
            same.map_or_else(
                || "–".to_owned(),
                |of| {
                    let headroom = of.headroom.map_or_else(String::new, |h| format!(", {}", times(h)));
                    marked(c, format!("{}{headroom}", held(of.verdict)))
                },
            )
        });
    }
    row("machines for 1M/s", &|c| {
        let machines = c.answer.floor.filter(|floor| floor.rate > 0.0 && c.answer.at.is_none());
        machines.map_or_else(|| "–".to_owned(), |f| marked(c, num::u64_of((1e6 / f.rate).ceil()).to_string()))
    });
    row("durability", &|c| c.broker.as_ref().map_or_else(|| "–".to_owned(), |b| show::plain(&b.durability)));
    row("trials", &|c| format!("{} in {}", c.answer.trials, minutes(c.answer.took)));
    row("started", &|c| show::plain(&c.about.started));
    row("search", &|c| show::plain(&c.about.id));
    table
}

/// What holds for both figures.
fn notes(pair: &Beside<'_>) -> Vec<String> {
    let coverage = [pair.a, pair.b].into_iter().find_map(sections::coverage);
    let machines =
        "Machines for 1M/s: by the floor, if streams can be split and scale linearly; not measured."
            .to_owned();
    let objectives = [sections::objectives(pair.a), sections::objectives(pair.b)];
    let objectives = match objectives {
        [a, b] if a == b => vec![a],
        [a, b] => vec![format!("A: {a}"), format!("B: {b}")],
    };
    coverage.into_iter().chain([machines]).chain(objectives).collect()
}

fn terminal(pair: &Beside<'_>) -> String {
    let wrapped = |text: &str| show::wrap(text, WIDTH, "");
    let mut lines: Vec<String> = pair.remarks.iter().map(|remark| wrapped(remark)).collect();
    lines.extend(sentences(pair).iter().map(|sentence| wrapped(sentence)));
    lines.push(String::new());
    let figures = figures(pair);
    let line = |cells: &[String]| {
        let [name, a, b] = cells else { return String::new() };
        let (name, a, b) = (show::fit(name, 21), show::fit(a, CELL), show::fit(b, CELL));
        format!("{name:<21} {a:<CELL$} {b}").trim_end().to_owned()
    };
    lines.push(line(&figures.head));
    lines.extend(figures.rows.iter().map(|row| line(row)));
    lines.push(String::new());
    lines.extend(notes(pair).iter().map(|note| wrapped(note)));
    lines.push(wrapped(&pair.why));
    lines.push(word(pair.finding).to_owned());
    lines.join("\n") + "\n"
}

fn markdown(pair: &Beside<'_>) -> String {
    let mut out = format!("## {}: {}\n\n", word(pair.finding), escaped(&heads(pair).join(" and ")));
    let mut say = |text: &str| {
        out.push_str(text);
        out.push_str("\n\n");
    };
    for remark in &pair.remarks {
        say(&format!("> **{}**", escaped(remark)));
    }
    for sentence in sentences(pair) {
        say(&escaped(&sentence));
    }
    say(&format!("**{}**", escaped(&pair.why)));
    say(&table(&figures(pair)));
    for note in notes(pair) {
        say(&escaped(&note));
    }
    out
}

#[derive(Template)]
#[template(path = "capacities.html")]
struct Page {
    style: String,
    style_hash: String,
    script: &'static str,
    script_hash: String,
    title: String,
    remarks: Vec<String>,
    class: &'static str,
    word: &'static str,
    why: String,
    sentences: [String; 2],
    figures: Table,
    notes: Vec<String>,
    versions: String,
}

fn page(pair: &Beside<'_>) -> String {
    let style = style::of_page(false);
    rendered(&Page {
        style_hash: hash(&style),
        style,
        script: SCRIPT,
        script_hash: hash(SCRIPT),
        title: heads(pair).join(" and "),
        remarks: pair.remarks.iter().map(|remark| show::plain(remark)).collect(),
        class: match pair.finding {
            Apart::Differ => "pass",
            Apart::NotDistinguished => "not-tested",
        },
        word: word(pair.finding),
        why: show::plain(&pair.why),
        sentences: sentences(pair),
        figures: figures(pair),
        notes: notes(pair),
        versions: show::plain(&pair.a.about.tickgate),
    })
}
