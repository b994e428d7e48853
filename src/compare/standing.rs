//! Comparison of the sides before any ratio: carried load, delivery faults and missing runs.
//!
//! Figures have a survivorship bias: they come only from delivered events and measured runs. So a side that carries less,
//! has more delivery faults, or fails more often is never called better for its remaining figures.

use super::contrast::Contrast;
use super::load::{Load, of_pairs};
use super::{Design, Ledger, Outcome, Pair, Reason, Sides, Trial, words};
use crate::num::{self, show};
use crate::stats;

/// Largest difference of carried shares that counts as equal: one event in a thousand.
const SAME_SHARE: f64 = 0.001;
/// Smallest difference of carried shares at which a side that significantly carries less is worse.
const LESS_SHARE: f64 = 0.01;
/// Largest relative difference of offered rates that counts as equal, as does a difference explained by chance.
const SAME_RATE: f64 = 0.01;
/// Width of the chance interval, in standard errors of two Poisson counts.
const BY_CHANCE: f64 = 4.0;
/// A factor between fault counts that one burst of faults does not explain.
const MANY_TIMES: f64 = 10.0;

/// A side of a contrast: the reference is A.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    A,
    B,
}

impl Which {
    /// Its letter in a contrast.
    pub(super) const fn letter(self, contrast: Contrast) -> &'static str {
        match self {
            Self::A => contrast.reference.as_str(),
            Self::B => contrast.side.as_str(),
        }
    }
}

/// The subject of a [`Bar`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum About {
    /// The load of its runs: none of its figures is comparable.
    Load,
    /// Missing runs: the remaining ones may be its best.
    Runs,
    /// Delivery faults: figures are comparable, but the side is not better overall.
    Faults,
}

/// A reason not to call a side better.
#[derive(Debug, Clone)]
pub(super) struct Bar {
    pub(super) about: About,
    pub(super) reason: Reason,
}

/// The comparison of the sides before any ratio.
#[derive(Debug, Clone, Default)]
pub(super) struct Standing {
    /// The letters of the two sides.
    pub(super) contrast: Contrast,
    /// B is worse, regardless of its figures.
    pub(super) b_is_behind: bool,
    /// A significantly carries less: B is better, unless its figures contradict.
    pub(super) a_carries_less: bool,
    /// One side was offered less, or carried less.
    pub(super) unequal_load: bool,
    /// Why A is not called better.
    pub(super) not_a: Vec<Bar>,
    /// Why B is not called better.
    pub(super) not_b: Vec<Bar>,
    /// Sentences for the start of the verdict.
    pub(super) sentences: Vec<String>,
    /// Further remarks.
    pub(super) remarks: Vec<String>,
}

impl Standing {
    /// Evaluates the pairs of one of several contrasts. These tests come before any correction, so each contrast has an
    /// equal share of the probability of a false alarm (Bonferroni).
    pub(super) fn of(design: &Design, contrasts: usize, sides: &Sides, pairs: &[Pair]) -> Self {
        let share = design.alpha / num::f64_of(num::count(contrasts.max(1)));
        let design = &Design { alpha: share, ..design.clone() };
        let mut standing = Self { contrast: sides.contrast, ..Self::default() };
        standing.offered(sides);
        standing.carried(design, sides, pairs);
        standing.faults(design, sides, pairs);
        standing.broken(sides, pairs);
        standing.unfit(design, pairs);
        standing
    }

    /// The reasons not to call this side better.
    pub(super) fn bars(&self, which: Which) -> &[Bar] {
        match which {
            Which::A => &self.not_a,
            Which::B => &self.not_b,
        }
    }

    fn is_not_better(&mut self, which: Which, about: About, what: String, next: &str) {
        let bars = match which {
            Which::A => &mut self.not_a,
            Which::B => &mut self.not_b,
        };
        bars.push(Bar { about, reason: Reason { what, next: next.to_owned() } });
    }

    /// Compares the offered load: a side that was offered less is not called better.
    fn offered(&mut self, sides: &Sides) {
        let (Some(a), Some(b)) = (sides.a.load, sides.b.load) else { return };
        let Some(less) = less_offered(&a, &b) else { return };
        self.unequal_load = true;
        let of = |load: &Load| {
            format!("{:.0} events and {:.0} deliveries", load.offered_rate(), load.delivery_rate())
        };
        let [letter_a, letter_b] = self.contrast.letters();
        let what = format!(
            "{} was offered less: {letter_a} {} a second, {letter_b} {}; its lower figures prove nothing",
            less.letter(self.contrast),
            of(&a),
            of(&b)
        );
        self.is_not_better(less, About::Load, what, "give both sides the same load (--set load.rate=…)");
    }

    /// Compares the carried load: a side that carries less is worse if that is significant and large; otherwise it is not
    /// called better.
    fn carried(&mut self, design: &Design, sides: &Sides, pairs: &[Pair]) {
        let (Some(a), Some(b)) = (sides.a.load, sides.b.load) else { return };
        let [name_a, name_b] = words::names(sides);
        let [said_a, said_b] = [&a, &b].map(|load| show::part(load.carried, load.due));
        let sentence = |first: &str, carried: &str, second: &str, other: &str| {
            format!("{first} carried {carried} of the due events, {second} {other}.")
        };
        let difference = b.share() - a.share();
        if difference.abs() <= SAME_SHARE {
            if a.share().min(b.share()) < 1.0 - SAME_SHARE {
                self.remarks.push(sentence(&name_a, &said_a, &name_b, &said_b));
            }
            return;
        }
        self.unequal_load = true;
        let less = if difference < 0.0 { Which::B } else { Which::A };
        let (own, other) = match less {
            Which::A => (said_a.as_str(), said_b.as_str()),
            Which::B => (said_b.as_str(), said_a.as_str()),
        };
        self.sentences.push(match less {
            Which::A => sentence(&name_a, own, &name_b, other),
            Which::B => sentence(&name_b, own, &name_a, other),
        });
        let differences: Vec<f64> = of_pairs(pairs).iter().map(|(a, b)| b.share() - a.share()).collect();
        let sure = lower(design, &differences) == Some(less);
        if sure && difference.abs() >= LESS_SHARE && less_offered(&a, &b).is_none() {
            match less {
                Which::A => self.a_carries_less = true,
                Which::B => self.b_is_behind = true,
            }
        }
        let what = format!(
            "{} carried less: {} of the due events, against {}; its figures cover only the events it carried",
            less.letter(self.contrast),
            own,
            other
        );
        let next = "compare at a rate that both carry (--set load.rate=…); the runs' reports show unsent, refused \
                    and undelivered events";
        self.is_not_better(less, About::Load, what, next);
    }

    /// Compares delivery faults: those of one side only, and those of which one side has far or significantly more.
    fn faults(&mut self, design: &Design, sides: &Sides, pairs: &[Pair]) {
        let (a, b) = (&sides.a.ledger, &sides.b.ledger);
        let [name_a, name_b] = words::names(sides);
        let [letter_a, letter_b] = self.contrast.letters();
        let (mut only_a, mut only_b, mut both) = (Vec::new(), Vec::new(), Vec::new());
        for fault in &FAULTS {
            let (of_a, of_b) = ((fault.count)(a), (fault.count)(b));
            let Some((more, far)) = fault.more(design, (a, b), pairs) else {
                if of_a > 0 && of_b > 0 && fault.is_loss() {
                    both.push(fault.of_both((&name_a, of_a), (&name_b, of_b)));
                }
                continue;
            };
            match (of_a, of_b) {
                (0, n) => only_b.push(format!("{} {n}", fault.done())),
                (n, 0) => only_a.push(format!("{} {n}", fault.done())),
                _ => both.push(fault.of_both((&name_a, of_a), (&name_b, of_b))),
            }
            self.b_is_behind |= more == Which::B && far;
            let what = format!(
                "{} {} more events{}: {letter_a} {of_a}, {letter_b} {of_b}",
                more.letter(self.contrast),
                fault.verb,
                fault.rest
            );
            self.is_not_better(more, About::Faults, what, "see the ledgers in the reports of the runs");
        }
        let one = |side: &str, other: &str, what: &[String]| {
            (!what.is_empty()).then(|| format!("{side} {} events, {other} none.", what.join(", ")))
        };
        self.sentences.extend(one(&name_b, &name_a, &only_b));
        self.sentences.extend(one(&name_a, &name_b, &only_a));
        self.sentences.extend(both);
    }

    /// Compares failed runs: the side with more of them is not called better, since only its good runs remain.
    fn broken(&mut self, sides: &Sides, pairs: &[Pair]) {
        let (a, b) = (sides.a.broke, sides.b.broke);
        if a == b {
            return;
        }
        let which = if b > a { Which::B } else { Which::A };
        let [letter_a, letter_b] = self.contrast.letters();
        let what = format!(
            "{} broke off or could not begin in more runs ({letter_a} {a}, {letter_b} {b}, of {}); its remaining runs are those \
             that went well",
            which.letter(self.contrast),
            show::several(num::count(pairs.len()), "pair")
        );
        self.is_not_better(
            which,
            About::Runs,
            what,
            "fix the failures listed with the pairs below, and compare again",
        );
    }

    /// Compares unfit runs: one side may have more than chance explains, since a bus that saturates the machine makes its own
    /// bad runs unfit.
    fn unfit(&mut self, design: &Design, pairs: &[Pair]) {
        let alone = pairs.iter().filter_map(|pair| match (pair.a.outcome, pair.b.outcome) {
            (Outcome::Unfit, Outcome::Measured) => Some(1.0),
            (Outcome::Measured, Outcome::Unfit) => Some(-1.0),
            _ => None,
        });
        let alone: Vec<f64> = alone.collect();
        let Some(which) = lower(design, &alone) else { return };
        let [letter_a, letter_b] = self.contrast.letters();
        let of = |sign: f64| alone.iter().filter(|one| **one * sign > 0.0).count();
        let what = format!(
            "{} alone was unfit to measure in more pairs than chance explains ({letter_a} {}, {letter_b} {}); the remaining \
             pairs may be its best",
            which.letter(self.contrast),
            of(1.0),
            of(-1.0)
        );
        self.is_not_better(
            which,
            About::Runs,
            what,
            "use a larger machine, or a lower rate (--set load.rate=…)",
        );
    }
}

/// Which side was offered less, in events or in deliveries per second.
fn less_offered(a: &Load, b: &Load) -> Option<Which> {
    let rates = [
        (a.offered_rate(), b.offered_rate(), a.due.min(b.due)),
        (a.delivery_rate(), b.delivery_rate(), a.deliveries.min(b.deliveries).min(a.due.min(b.due))),
    ];
    rates.into_iter().find_map(|(a, b, fewest)| {
        let difference = (b / a).ln();
        let chance = BY_CHANCE * (2.0 / num::f64_of(fewest.max(1))).sqrt();
        let differs = difference.abs() > SAME_RATE.max(chance);
        differs.then_some(if difference < 0.0 { Which::B } else { Which::A })
    })
}

/// Which side is significantly lower, by the differences B − A of the pairs.
fn lower(design: &Design, differences: &[f64]) -> Option<Which> {
    let test = stats::signed_rank(differences);
    let all = f64::from(test.n) * (f64::from(test.n) + 1.0) / 2.0;
    (test.p <= design.alpha).then_some(if test.plus > all / 2.0 { Which::A } else { Which::B })
}

/// A kind of delivery fault.
struct Fault {
    /// Verb for the text; `rest` follows the noun.
    verb: &'static str,
    rest: &'static str,
    count: fn(&Ledger) -> u64,
    /// The total that the count is a part of.
    of: fn(&Ledger) -> u64,
}

const FAULTS: [Fault; 4] = [
    Fault { verb: "lost", rest: "", count: |l| l.lost, of: |l| l.expected },
    Fault { verb: "corrupted", rest: "", count: |l| l.corrupt, of: |l| l.delivered },
    Fault { verb: "stored", rest: " twice", count: |l| l.duplicate, of: |l| l.delivered },
    Fault { verb: "delivered", rest: " out of order", count: |l| l.reordered, of: |l| l.delivered },
];

impl Fault {
    fn done(&self) -> String {
        format!("{}{}", self.verb, self.rest)
    }

    fn is_loss(&self) -> bool {
        self.verb == "lost"
    }

    fn of_both(&self, (a, of_a): (&str, u64), (b, of_b): (&str, u64)) -> String {
        format!("Both {} events{}: {a} {of_a}, {b} {of_b}.", self.verb, self.rest)
    }

    /// The rates on both sides; relative to the deliveries if both sides know them.
    fn rates(&self, a: &Ledger, b: &Ledger) -> (f64, f64) {
        let whole = |of: &Ledger| num::f64_of((self.of)(of));
        let known = whole(a) > 0.0 && whole(b) > 0.0;
        let rate = |of: &Ledger| num::f64_of((self.count)(of)) / if known { whole(of) } else { 1.0 };
        (rate(a), rate(b))
    }

    /// Which side has the fault more often, and whether by far: the other never, ten times as often, or significantly by the
    /// pairs.
    fn more(&self, design: &Design, (a, b): (&Ledger, &Ledger), pairs: &[Pair]) -> Option<(Which, bool)> {
        let (rate_a, rate_b) = self.rates(a, b);
        let (which, more, less) =
            if rate_b > rate_a { (Which::B, rate_b, rate_a) } else { (Which::A, rate_a, rate_b) };
        if more < less * (1.0 + design.min_effect) || more <= 0.0 {
            return None;
        }
        let counted = pairs.iter().filter(|pair| pair.excluded.is_none());
        let differences: Vec<f64> = counted
            .map(|pair| {
                let (a, b) = self.rates(&pair.a.ledger, &pair.b.ledger);
                a - b
            })
            .collect();
        Some((which, more >= less * MANY_TIMES || lower(design, &differences) == Some(which)))
    }
}

/// Do undelivered events of this run count as lost? Not if it broke off: its broker may still hold them.
pub(super) const fn completed(trial: &Trial) -> bool {
    matches!(trial.outcome, Outcome::Measured | Outcome::Unfit)
}
