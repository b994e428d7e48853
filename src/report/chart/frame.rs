//! The frame of a plot: its two sizes, its legend, its axes and limits, and labels that never overlap.

use super::pen::{FONT, Ink, Pen, Side, fit, width};
use super::scale::Scale;

/// Width of a picture and height of its plot, for the two sizes.
pub(super) const WIDE: (f64, f64) = (960.0, 240.0);
pub(super) const NARROW: (f64, f64) = (350.0, 210.0);
/// Height of a line of text.
pub(super) const ROW: f64 = 20.0;

/// An occupied box.
type Taken = (f64, f64, f64, f64);

/// The place of a plot on its canvas, and the labels on it.
pub(super) struct Frame {
    pub(super) left: f64,
    pub(super) right: f64,
    pub(super) top: f64,
    pub(super) bottom: f64,
    taken: Vec<Taken>,
}

impl Frame {
    /// A plot on a canvas of this width.
    pub(super) fn new((left, right): (f64, f64), (top, bottom): (f64, f64)) -> Self {
        Self { left, right, top, bottom, taken: vec![] }
    }

    pub(super) fn x(&self, share: f64) -> f64 {
        self.left + share * (self.right - self.left)
    }

    pub(super) fn y(&self, share: f64) -> f64 {
        self.bottom - share * (self.bottom - self.top)
    }

    /// Reserves the space of a text if it is on the canvas and overlaps no other.
    pub(super) fn take(&mut self, x: f64, y: f64, text: &str, side: Side) -> bool {
        let w = width(text);
        let start = match side {
            Side::Start => x,
            Side::Middle => x - w / 2.0,
            Side::End => x - w,
        };
        let new = (start - 3.0, y - FONT * 0.6, start + w + 3.0, y + FONT * 0.6);
        let hits = |old: &Taken| new.0 < old.2 && old.0 < new.2 && new.1 < old.3 && old.1 < new.3;
        if self.taken.iter().any(hits) {
            return false;
        }
        self.taken.push(new);
        true
    }

    /// A line for each tick of the vertical axis, with its text where there is room.
    pub(super) fn rows(&self, pen: &mut Pen<'_>, ticks: &[(f64, String)]) {
        let mut last = f64::INFINITY;
        for (share, text) in ticks {
            let y = self.y(*share);
            pen.line(&[(self.left, y), (self.right, y)], Ink::Grid);
            if last - y >= ROW * 0.8 {
                pen.text((self.left - 6.0, y), text, Side::End, Ink::Muted);
                last = y;
            }
        }
    }

    /// A tick of the horizontal axis, with its text where there is room.
    pub(super) fn tick(&mut self, pen: &mut Pen<'_>, share: f64, text: &str) {
        let (x, y) = (self.x(share), self.bottom + 14.0);
        pen.line(&[(x, self.bottom), (x, self.bottom + 4.0)], Ink::Axis);
        // Must not cross the right edge of the canvas.
        let middle = x.min(self.right + 12.0 - width(text) / 2.0 - 1.0);
        if self.take(middle, y, text, Side::Middle) {
            pen.text((middle, y), text, Side::Middle, Ink::Muted);
        }
    }

    /// The two axes, and the title of the horizontal one.
    pub(super) fn edge(&self, pen: &mut Pen<'_>, title: &str) {
        pen.line(&[(self.left, self.top), (self.left, self.bottom), (self.right, self.bottom)], Ink::Axis);
        let title = fit(title, self.right - self.left);
        pen.text((self.right, self.bottom + 34.0), &title, Side::End, Ink::Muted);
    }

    /// A line for each limit, with its name where there is room.
    pub(super) fn limits(&mut self, pen: &mut Pen<'_>, up: Scale, limits: &[(f64, String)]) {
        let heights: Vec<f64> = limits.iter().map(|(value, _)| self.y(up.position(*value))).collect();
        for y in &heights {
            pen.line(&[(self.left, *y), (self.right, *y)], Ink::Limit);
        }
        let (top, bottom) = (self.top, self.bottom);
        for (&y, (_, name)) in heights.iter().zip(limits) {
            let name = fit(name, self.right - self.left - 12.0);
            // Above or below the line, on the right or left, or no label; never struck through by another limit's line.
            let struck = |at: f64| heights.iter().any(|line| (line - at).abs() < ROW / 2.0);
            let places = [(self.right - 4.0, Side::End), (self.left + 6.0, Side::Start)];
            let free = [-9.0, 10.0]
                .into_iter()
                .flat_map(|off| places.map(|(x, side)| (x, y + off, side)))
                .filter(|(_, y, _)| *y > top + 6.0 && *y < bottom - 6.0 && !struck(*y))
                .find(|(x, y, side)| self.take(*x, *y, &name, *side));
            if let Some((x, y, side)) = free {
                pen.text((x, y), &name, side, Ink::Limit);
            }
        }
    }
}

/// Lays out the names of lines in rows that fit the width: (row, x, shortened name).
pub(super) fn legend(names: &[&str], total: f64) -> Vec<(usize, f64, String)> {
    const SWATCH: f64 = 30.0;
    let (mut row, mut x) = (0, 0.0);
    names
        .iter()
        .map(|name| {
            let shown = fit(name, total - SWATCH - 8.0);
            let needed = SWATCH + width(&shown) + 16.0;
            if x > 0.0 && x + needed - 16.0 > total {
                (row, x) = (row + 1, 0.0);
            }
            let at = x;
            x += needed;
            (row, at, shown)
        })
        .collect()
}
