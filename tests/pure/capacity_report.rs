//! The files of a search for the capacity: the same for the same account, and with every text from outside in its place.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may fail")]

use tickgate::capacity::{Apart, Capacity, Ended, answer, beside};
use tickgate::record::Verdict;
use tickgate::report::capacity::{files, progress, side_by_side, terminal};
use tickgate::report::terminal::Style;

use crate::support::capacities;

const PLAIN: Style = Style { colour: false };

fn file(c: &Capacity, name: &str) -> String {
    let found = files(c).into_iter().find(|(of, _)| of == name).unwrap_or_else(|| panic!("no {name}"));
    String::from_utf8(found.1).unwrap()
}

/// A text without its line breaks.
fn flowing(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A page without its style, script and charts.
fn skeleton(page: &str) -> String {
    let mut out = String::new();
    let mut rest = page;
    for (from, to) in [
        ("<style>", "</style>"),
        ("<section id=\"charts\">", "<section id=\"trials\">"),
        ("<script>", "</script>"),
    ] {
        let (before, after) = rest.split_once(from).unwrap();
        out.push_str(before);
        out.push('…');
        rest = after.split_once(to).unwrap().1;
    }
    let policy = out.find("<meta http-equiv").unwrap();
    let end = out[policy..].find('\n').unwrap() + policy;
    out.replace_range(policy..end, "…");
    out + rest
}

#[test]
fn the_searches_are_what_their_names_say() {
    let ended: Vec<Ended> = capacities::all().iter().map(|(_, c)| c.answer.ended).collect();
    let expected = [
        Ended::Confirmed,
        Ended::AtMost,
        Ended::AtClient,
        Ended::Disturbed,
        Ended::Confirmed,
        Ended::Confirmed,
        Ended::Interrupted,
        Ended::Confirmed,
        Ended::Confirmed,
        Ended::Interrupted,
        Ended::Confirmed,
        Ended::Confirmed,
    ];
    assert_eq!(ended, expected);
    assert_eq!(capacities::missed().verdict, Verdict::Fail);
}

#[test]
fn summaries_and_tables() {
    for (name, c) in capacities::all().into_iter().filter(|(name, _)| *name != "hostile") {
        insta::assert_snapshot!(format!("terminal_{name}"), terminal(&c, PLAIN));
    }
    for (name, c) in [("priced", capacities::priced()), ("none", capacities::without_estimate())] {
        insta::assert_snapshot!(format!("markdown_{name}"), file(&c, "capacity.md"));
    }
    for (name, c) in [("missed", capacities::missed()), ("none", capacities::without_estimate())] {
        insta::assert_snapshot!(format!("junit_{name}"), file(&c, "junit.xml"));
    }
    insta::assert_snapshot!("page_priced", skeleton(&file(&capacities::priced(), "capacity.html")));
}

#[test]
fn charts_of_a_regular_answer() {
    for (name, bytes) in files(&capacities::regular()) {
        if name.starts_with("charts/") {
            let svg = String::from_utf8(bytes).unwrap();
            let (_, drawn) = svg.split_once("</style>").unwrap();
            insta::assert_snapshot!(name.replace(['/', '.'], "_"), drawn);
        }
    }
}

#[test]
fn the_account_is_read_back_as_it_was_and_renders_to_the_same_bytes() {
    for (name, c) in capacities::all() {
        let text = serde_json::to_string(&c).unwrap();
        let back: Capacity = serde_json::from_str(&text).unwrap();
        assert!(back == c, "{name}");
        assert!(files(&back) == files(&c), "{name}");
    }
}

#[test]
fn no_text_from_outside_leaves_its_place() {
    let c = capacities::hostile();
    for (name, bytes) in files(&c) {
        let text = String::from_utf8(bytes).unwrap();
        assert!(!text.contains("<img"), "{name}");
        assert!(!text.contains('\u{202e}') && !text.contains('\0'), "{name}");
        assert!(!text.lines().any(|line| line.starts_with("::error")), "{name}");
        assert_eq!(text.matches("</script").count(), usize::from(name == "capacity.html"), "{name}");
    }
    let both = side_by_side(&beside(&c, &c, false).unwrap());
    assert!(!both.html.contains("<img") && !both.markdown.contains("<img"));
    let lines = c.trials.iter().map(|trial| progress(trial, &c.answer));
    for shown in lines.chain([terminal(&c, PLAIN), both.terminal]) {
        assert!(
            !shown.contains(['\u{202e}', '\0']) && !shown.lines().any(|line| line.starts_with("::")),
            "{shown}"
        );
    }
}

/// An account may come from a file.
#[test]
fn any_figures_are_shown() {
    for strange in [0.0, -1.0, f64::MIN_POSITIVE, 1e300, f64::INFINITY, f64::NAN] {
        let mut c = capacities::priced();
        let estimate = c.answer.estimate.as_mut().unwrap();
        (estimate.low, estimate.high, estimate.spread) = (strange, strange, strange);
        c.answer.floor.as_mut().unwrap().rate = strange;
        c.answer.curve.iter_mut().step_by(2).for_each(|point| point.rate = strange);
        c.targets[0].rate = strange;
        c.growth.as_mut().unwrap().to_floor = Some(strange);
        c.cost.as_mut().unwrap().at[0].rate = strange;
        (c.design.precision, c.design.level) = (strange, strange);
        for trial in c.trials.iter_mut().step_by(2) {
            (trial.rate, trial.number) = (strange, u32::MAX);
            let figures = trial.figures.as_mut().unwrap();
            (figures.offered, figures.achieved, figures.p99_ns) = (strange, strange, Some(u64::MAX));
            (figures.broker_cores, figures.usable_cores) = (Some(strange), Some(strange));
        }
        assert!(files(&c).len() > 8 && terminal(&c, PLAIN).len() > 100);
        assert!(!side_by_side(&beside(&c, &c, false).unwrap()).html.is_empty());
    }
}

#[test]
fn a_terminal_has_eighty_columns() {
    let all = capacities::all();
    let pairs =
        all.iter().map(|(name, c)| (*name, side_by_side(&beside(c, &all[0].1, true).unwrap()).terminal));
    for (name, text) in all.iter().map(|(name, c)| (*name, terminal(c, PLAIN))).chain(pairs) {
        for line in text.lines() {
            assert!(line.chars().count() <= 80, "{name}: {line}");
        }
    }
}

#[test]
fn what_a_page_refers_to_is_in_it() {
    for (name, c) in capacities::all() {
        let page = file(&c, "capacity.html");
        let policy = page.find("Content-Security-Policy").unwrap();
        assert!(policy < page.find("<style>").unwrap(), "{name}: the policy comes before what it governs");
        for outside in ["src=\"", "http://", "https://", "@import", "url("] {
            assert!(!page.replace("http://www.w3.org", "").contains(outside), "{name}: {outside}");
        }
        assert!(!page.contains(" style=\""), "{name}: the policy allows no style attribute");
        for link in page.split("href=\"#").skip(1) {
            let id = link.split('"').next().unwrap();
            assert!(page.contains(&format!("id=\"{id}\"")), "{name}: #{id}");
        }
    }
}

#[test]
fn the_reason_of_an_irregular_answer_stands_beside_every_figure() {
    let c = capacities::one_sided();
    let why = "the search goes to 100k/s only, and that rate passed";
    let [text, markdown, page, junit] =
        [terminal(&c, PLAIN), file(&c, "capacity.md"), file(&c, "capacity.html"), file(&c, "junit.xml")];
    // Head, floor, capacity, ceiling, machines.
    for (name, text) in [("terminal", &text), ("markdown", &markdown), ("page", &page)] {
        assert!(flowing(text).matches(why).count() >= 5, "{name}: {text}");
    }
    assert!(junit.contains(why));
    assert!(!flowing(&text).contains("95 % interval"), "an extrapolation is no estimate: {text}");
    let charts = page.split("<section id=\"charts\">").nth(1).unwrap().split("</section>").next().unwrap();
    assert_eq!(charts.matches(why).count(), 6, "each chart says so");
}

#[test]
fn without_an_estimate_a_report_says_what_was_seen() {
    let c = capacities::without_estimate();
    let shown = flowing(&terminal(&c, PLAIN));
    for part in [
        "No estimate: others used the machine in too many trials",
        "Seen: no trial passed; no rate was missed; trials: 3 disturbed.",
        "whether the target 20k/s is held is not known",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert!(file(&c, "capacity.html").contains("No estimate: "));
}

#[test]
fn the_command_repeats_the_search() {
    let of = |c: &Capacity| {
        let page = file(c, "capacity.html");
        let command = page.split("<pre id=\"command\">").nth(1).unwrap().split("</pre>").next().unwrap();
        command.replace("&#39;", "'")
    };
    let head = "tickgate capacity 'adr-002' --set 'bus.sync=always' --broker local";
    let expected = [
        (capacities::regular(), "--seed 7"),
        (capacities::slow(), "--quick --from 400/s --seed 7"),
        (capacities::one_sided(), "--max 100k/s --seed 7"),
        (capacities::priced(), "--target 10k/s --growth 5%/month --seed 7"),
        (capacities::at(20_000.0), "--at 20k/s --seed 7"),
    ];
    for (c, tail) in expected {
        assert_eq!(of(&c), format!("{head} {tail}"));
    }
}

#[test]
fn the_reason_of_a_limit_is_that_of_its_trials() {
    let c = capacities::client();
    let why = "tickgate itself was the limit before the bus was: the thread gen-0 used 0.97 of a core";
    assert_eq!(c.answer.irregular, [why]);
}

#[test]
fn a_line_after_each_trial_has_its_outcome_and_the_estimate_so_far() {
    let c = capacities::missed();
    let lines: Vec<String> = (1..=c.trials.len())
        .map(|made| progress(&c.trials[made - 1], &answer(&c.design, &c.trials[..made])))
        .collect();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn two_searches_beside_each_other() {
    let (a, b) = (capacities::regular(), capacities::other());
    let pair = beside(&a, &b, false).unwrap();
    assert_eq!(pair.finding, Apart::Differ);
    assert!(pair.why.contains("the capacity of A is higher than that of B"), "{}", pair.why);
    let shown = side_by_side(&pair);
    insta::assert_snapshot!("beside_terminal", shown.terminal);
    insta::assert_snapshot!("beside_markdown", shown.markdown);
    assert!(shown.html.contains("THE CAPACITIES DIFFER") && shown.html.contains("nats-server"));
    let same = beside(&a, &a, false).unwrap();
    assert_eq!(same.finding, Apart::NotDistinguished);
    assert!(same.why.contains("Use `tickgate compare` at a rate that both hold"), "{}", same.why);
    let mut tested = capacities::at(20_000.0);
    tested.environment.as_mut().unwrap().facts.insert("load average".into(), "2.09".into());
    let mut busy = a.clone();
    busy.environment.as_mut().unwrap().facts.insert("load average".into(), "1.81".into());
    let one_rate = beside(&busy, &tested, false).unwrap();
    assert!(one_rate.why.contains("B has no interval (it is a test of one rate)"), "{}", one_rate.why);
    assert!(one_rate.remarks.is_empty(), "the load of a minute is no other machine: {:?}", one_rate.remarks);
    let open = capacities::one_sided();
    let one = beside(&open, &b, false).unwrap();
    assert_eq!(one.finding, Apart::NotDistinguished, "a floor is no interval");
    assert!(one.why.contains("The floor of A, 100k/s, is above the interval of B"), "{}", one.why);
}

#[test]
fn unequal_searches_are_refused() {
    let (a, mut b) = (capacities::regular(), capacities::other());
    b.broker.as_mut().unwrap().durability = "replicated 2/3, fsync".into();
    let refused = beside(&a, &b, false).unwrap_err();
    assert!(
        refused.contains("`replicated 2/3, fsync` in B") && refused.contains("--allow-unequal"),
        "{refused}"
    );
    let allowed = beside(&a, &b, true).unwrap();
    assert!(allowed.remarks[0].starts_with("Unequal durability (allowed)"), "{:?}", allowed.remarks);
    let mut b = capacities::other();
    b.plan.market.event_size.bytes = 4096;
    let refused = beside(&a, &b, true).unwrap_err();
    assert!(refused.contains("do not have the same load: market.event_size"), "{refused}");
    let mut b = capacities::other();
    b.plan.load.rate.per_second *= 3.0;
    b.plan.objectives.pop();
    let other_start = beside(&a, &b, false).unwrap();
    assert!(other_start.remarks[0].starts_with("The objectives differ"), "{:?}", other_start.remarks);
}

/// The shipped search is a real one, sound by the rules, and what this version makes of its account.
#[test]
fn the_shipped_search_is_rendered_as_it_lies_there() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("reports/example-capacity");
    let text = std::fs::read_to_string(folder.join("capacity.json")).unwrap();
    let account: tickgate::capacity::Capacity = serde_json::from_str(&text).unwrap();
    assert_eq!(tickgate::capacity::contradiction(&account), None);
    let files = tickgate::report::capacity::files(&account);
    for name in ["capacity.html", "capacity.md", "junit.xml"] {
        let (_, made) = files.iter().find(|(file, _)| file == name).unwrap();
        let there = std::fs::read(folder.join(name)).unwrap();
        assert_eq!(String::from_utf8_lossy(made), String::from_utf8_lossy(&there), "{name}");
    }
}
