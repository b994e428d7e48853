//! The sides of a comparison by their letters, the contrasts between them, and the rounds of runs that serve as evidence.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Order, Pair, SideInput, Trial};

/// The most sides of one comparison.
pub const MOST_SIDES: usize = 8;

/// The letter of a side, in the order in which the sides are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Letter {
    /// The first side.
    A,
    /// The second.
    B,
    /// The third.
    C,
    /// The fourth.
    D,
    /// The fifth.
    E,
    /// The sixth.
    F,
    /// The seventh.
    G,
    /// The eighth.
    H,
}

impl Letter {
    /// Every letter, in order.
    pub const ALL: [Self; MOST_SIDES] =
        [Self::A, Self::B, Self::C, Self::D, Self::E, Self::F, Self::G, Self::H];

    /// `A`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::B => "B",
            Self::C => "C",
            Self::D => "D",
            Self::E => "E",
            Self::F => "F",
            Self::G => "G",
            Self::H => "H",
        }
    }

    /// `a`, as in flags, tables of a file and names of run folders.
    #[must_use]
    pub const fn lower(self) -> &'static str {
        match self {
            Self::A => "a",
            Self::B => "b",
            Self::C => "c",
            Self::D => "d",
            Self::E => "e",
            Self::F => "f",
            Self::G => "g",
            Self::H => "h",
        }
    }

    /// Its place among the sides, from 0.
    #[must_use]
    pub fn index(self) -> usize {
        Self::ALL.iter().position(|letter| *letter == self).unwrap_or(0)
    }
}

/// Two sides that are compared: one of them with the reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Contrast {
    /// The side that the other one is compared with: `a` in all figures of this contrast.
    pub reference: Letter,
    /// The side that is compared: `b` in all figures of this contrast.
    pub side: Letter,
}

impl Default for Contrast {
    /// B against A: the contrast of two sides.
    fn default() -> Self {
        Self { reference: Letter::A, side: Letter::B }
    }
}

impl Contrast {
    /// Is this B against A?
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// The letters of the reference and of the side.
    #[must_use]
    pub const fn letters(self) -> [&'static str; 2] {
        [self.reference.as_str(), self.side.as_str()]
    }

    /// `B / A`.
    #[must_use]
    pub fn ratio(self) -> String {
        let [reference, side] = self.letters();
        format!("{side} / {reference}")
    }
}

/// The sides of a comparison, in the order of their letters, and their reference.
#[derive(Debug, Clone)]
pub struct Setups<'a> {
    sides: Vec<&'a SideInput>,
    reference: Letter,
}

impl<'a> Setups<'a> {
    /// `None` unless there are 2 to [`MOST_SIDES`] sides and the reference is one of them.
    #[must_use]
    pub fn new(sides: Vec<&'a SideInput>, reference: Letter) -> Option<Self> {
        ((2..=MOST_SIDES).contains(&sides.len()) && reference.index() < sides.len())
            .then_some(Self { sides, reference })
    }

    /// Two sides, with A as the reference.
    pub(super) fn two(sides: [&'a SideInput; 2]) -> Self {
        Self { sides: sides.to_vec(), reference: Letter::A }
    }

    /// Each other side against the reference, in the order of their letters: the first contrast, and the others.
    #[must_use]
    pub fn contrasts(&self) -> (Contrast, Vec<Contrast>) {
        let of = |side: Letter| Contrast { reference: self.reference, side };
        let first = if self.reference == Letter::A { Letter::B } else { Letter::A };
        let others = Letter::ALL.into_iter().take(self.sides.len());
        (of(first), others.filter(|side| *side != self.reference && *side != first).map(of).collect())
    }

    /// The inputs of a contrast: the reference and the side.
    pub(super) fn of(&self, contrast: Contrast) -> [&'a SideInput; 2] {
        // The letters of a contrast of these sides are within them.
        [contrast.reference, contrast.side].map(|letter| self.sides[letter.index()])
    }
}

/// One run of each side, next to each other in time.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Round {
    /// From 1.
    pub number: u32,
    /// The places of the sides, in the order in which they ran.
    pub order: Vec<usize>,
    /// The run of each side, by its place.
    pub trials: Vec<Trial>,
}

impl Round {
    /// A round of two sides.
    #[must_use]
    pub fn of_pair(pair: Pair) -> Self {
        let order = match pair.order {
            Order::Ab => vec![0, 1],
            Order::Ba => vec![1, 0],
        };
        Self { number: pair.number, order, trials: vec![pair.a, pair.b] }
    }

    /// The runs of a contrast; a run that is not there was not started.
    #[must_use]
    pub fn pair(&self, contrast: Contrast) -> Pair {
        let [a, b] = [contrast.reference, contrast.side].map(Letter::index);
        let at = |side: usize| self.order.iter().position(|ran| *ran == side).unwrap_or(usize::MAX);
        let trial = |side: usize| self.trials.get(side).cloned().unwrap_or_default();
        Pair {
            number: self.number,
            order: if at(a) <= at(b) { Order::Ab } else { Order::Ba },
            a: trial(a),
            b: trial(b),
            excluded: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_side_is_compared_with_the_reference_once() {
        let side = SideInput::default();
        let contrasts = |sides: usize, reference: Letter| {
            let setups = Setups::new(vec![&side; sides], reference)?;
            let (first, others) = setups.contrasts();
            let all: Vec<String> = std::iter::once(first).chain(others).map(Contrast::ratio).collect();
            Some(all.join(", "))
        };
        assert_eq!(contrasts(2, Letter::A).as_deref(), Some("B / A"));
        assert_eq!(contrasts(2, Letter::B).as_deref(), Some("A / B"));
        assert_eq!(contrasts(4, Letter::C).as_deref(), Some("A / C, B / C, D / C"));
        assert_eq!(
            (contrasts(1, Letter::A), contrasts(9, Letter::A), contrasts(2, Letter::C)),
            (None, None, None)
        );
        for (at, letter) in Letter::ALL.into_iter().enumerate() {
            assert_eq!(letter.index(), at);
            assert_eq!(letter.as_str().to_lowercase(), letter.lower());
        }
    }

    #[test]
    fn a_pair_of_a_round_has_the_order_of_its_two_sides() {
        let named = |folder: &str| Trial { folder: folder.into(), ..Trial::default() };
        let round = Round {
            number: 3,
            order: vec![2, 0, 1],
            trials: vec![named("a-03"), named("b-03"), named("c-03")],
        };
        let of = |reference, side| {
            let pair = round.pair(Contrast { reference, side });
            (pair.number, pair.order, pair.a.folder, pair.b.folder)
        };
        assert_eq!(of(Letter::A, Letter::B), (3, Order::Ab, "a-03".into(), "b-03".into()));
        assert_eq!(of(Letter::A, Letter::C), (3, Order::Ba, "a-03".into(), "c-03".into()));
        assert_eq!(of(Letter::C, Letter::B), (3, Order::Ab, "c-03".into(), "b-03".into()));
        assert_eq!(of(Letter::A, Letter::D).3, "", "it was not started");
    }
}
