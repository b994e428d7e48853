//! A picture of points: a horizontal axis of figures, bands, areas, lines, and points with a shape and a colour each.

use super::frame::{Frame, NARROW, ROW, WIDE, legend};
use super::pen::{Ink, Pen, Side, draw, fit, width};
use super::plot::{Line, Picture, Write};
use super::scale::{Scale, short};
use crate::num;

/// An axis of figures.
#[derive(Debug, Clone, Copy)]
pub(super) struct Axis<'a> {
    pub(super) scale: Scale,
    /// Its title, with the unit.
    pub(super) title: &'a str,
    pub(super) write: Write,
}

/// The shape of a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Shape {
    Dot,
    Cross,
    Square,
    Diamond,
    Triangle,
    Plus,
    Ring,
    Dash,
}

/// A point of the plot, in axis values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Point {
    pub(super) at: (f64, f64),
    pub(super) shape: Shape,
    pub(super) ink: Ink,
    /// Half of its size, in pixels.
    pub(super) radius: f64,
}

/// Half of a point's size where its size means nothing, in pixels.
pub(super) const RADIUS: f64 = 4.0;

/// A range of an axis, across the whole plot.
#[derive(Debug, Clone)]
pub(super) struct Band {
    pub(super) name: String,
    pub(super) from: f64,
    pub(super) to: f64,
    pub(super) ink: Ink,
    /// Is it a range of the vertical axis?
    pub(super) upright: bool,
}

/// An entry of the legend that is no line and no band.
#[derive(Debug, Clone)]
pub(super) struct Key {
    pub(super) name: String,
    pub(super) shape: Shape,
    pub(super) ink: Ink,
}

/// The content of a picture.
#[derive(Debug, Clone)]
pub(super) struct Scatter<'a> {
    pub(super) across: Axis<'a>,
    pub(super) up: Axis<'a>,
    pub(super) bands: Vec<Band>,
    /// The outline of an area, in axis values.
    pub(super) area: Option<(String, Vec<(f64, f64)>)>,
    pub(super) lines: Vec<Line>,
    pub(super) points: Vec<Point>,
    pub(super) keys: Vec<Key>,
    /// Values of the horizontal axis, with names above the plot.
    pub(super) targets: Vec<(f64, String)>,
    /// Values of the vertical axis, with names.
    pub(super) limits: Vec<(f64, String)>,
    /// Stretches of the horizontal axis, named above the plot: name, start and end.
    pub(super) stretches: Vec<(String, f64, f64)>,
}

/// The ink of an area.
const AREA: Ink = Ink::Heat(1);

/// What stands for a name in the legend.
#[derive(Debug, Clone, Copy)]
enum Swatch {
    Line(Ink),
    Band(Ink),
    Point(Shape, Ink),
}

impl Scatter<'_> {
    /// Draws it at both sizes.
    pub(super) fn picture(&self) -> Picture {
        Picture { wide: self.draw(WIDE, 9), narrow: self.draw(NARROW, 4) }
    }

    fn swatches(&self) -> Vec<(&str, Swatch)> {
        let lines = self.lines.iter().filter(|line| !line.name.is_empty());
        let lines = lines.map(|line| (line.name.as_str(), Swatch::Line(line.ink)));
        let points = self.keys.iter().map(|key| (key.name.as_str(), Swatch::Point(key.shape, key.ink)));
        let bands = self.bands.iter().map(|band| (band.name.as_str(), Swatch::Band(band.ink)));
        let area = self.area.iter().map(|(name, _)| (name.as_str(), Swatch::Band(AREA)));
        points.chain(lines).chain(area).chain(bands).collect()
    }

    fn draw(&self, (total, plot): (f64, f64), wanted: u32) -> (u32, u32, String) {
        let ticks = |axis: &Axis<'_>, wanted: u32| -> Vec<(f64, String)> {
            let values = axis.scale.ticks(wanted).into_iter();
            values.map(|v| (axis.scale.position(v), short(&(axis.write)(v)))).collect()
        };
        let rows = ticks(&self.up, 6);
        let widest = rows.iter().map(|(_, text)| width(text)).fold(0.0, f64::max);
        let swatches = self.swatches();
        let names: Vec<&str> = swatches.iter().map(|(name, _)| *name).collect();
        let legend = legend(&names, total - 8.0);
        let line = |row: usize| f64::from(num::count32(row)) * ROW + ROW / 2.0 + 2.0;
        let legend_rows = legend.last().map_or(0, |(row, ..)| row + 1);
        let strip = if self.targets.is_empty() && self.stretches.is_empty() { 4.0 } else { ROW };
        let top = f64::from(num::count32(legend_rows)) * ROW + 4.0 + ROW + strip;
        let sides = (widest.min(total / 4.0) + 12.0, total - 12.0);
        let mut frame = Frame::new(sides, (top, top + plot));
        let height = frame.bottom + 46.0;
        let elements = draw((total, height), |pen| {
            for ((row, x, name), (_, swatch)) in legend.iter().zip(&swatches) {
                stand_for(pen, *swatch, (*x, line(*row)));
                pen.text((x + 30.0, line(*row)), name, Side::Start, Ink::Text);
            }
            pen.text((0.0, line(legend_rows)), &fit(self.up.title, total), Side::Start, Ink::Muted);
            self.ground(pen, &frame);
            frame.rows(pen, &rows);
            for (share, text) in ticks(&self.across, wanted) {
                frame.tick(pen, share, &text);
            }
            frame.edge(pen, self.across.title);
            self.above(pen, &mut frame);
            self.figures(pen, &frame);
            frame.limits(pen, self.up.scale, &self.limits);
        });
        let pixels = |v: f64| num::low32(num::u64_of(v));
        (pixels(total), pixels(height), elements)
    }

    fn place(&self, frame: &Frame, (x, y): (f64, f64)) -> (f64, f64) {
        (frame.x(self.across.scale.position(x)), frame.y(self.up.scale.position(y)))
    }

    /// What is behind the grid: bands and the area.
    fn ground(&self, pen: &mut Pen<'_>, frame: &Frame) {
        for band in &self.bands {
            let (from, to) = if band.upright {
                let y = |value: f64| frame.y(self.up.scale.position(value));
                ((frame.left, y(band.to)), (frame.right, y(band.from)))
            } else {
                let x = |value: f64| frame.x(self.across.scale.position(value));
                ((x(band.from), frame.top), (x(band.to), frame.bottom))
            };
            pen.rect(from, (to.0.max(from.0 + 1.0), to.1.max(from.1 + 1.0)), band.ink);
        }
        if let Some((_, outline)) = &self.area {
            let outline: Vec<_> = outline.iter().map(|at| self.place(frame, *at)).collect();
            pen.area(&outline, AREA);
        }
    }

    /// Names above the plot: of targets, each with its line, and of stretches.
    fn above(&self, pen: &mut Pen<'_>, frame: &mut Frame) {
        let y = frame.top - ROW / 2.0;
        for (value, name) in &self.targets {
            let x = frame.x(self.across.scale.position(*value));
            pen.line(&[(x, frame.top), (x, frame.bottom)], Ink::Mark);
            let half = width(name) / 2.0;
            let middle = x.max(half + 1.0).min(frame.right + 11.0 - half);
            if half * 2.0 < frame.right && frame.take(middle, y, name, Side::Middle) {
                pen.text((middle, y), name, Side::Middle, Ink::Mark);
            }
        }
        for (number, (name, from, to)) in self.stretches.iter().enumerate() {
            let x = |value: f64| frame.x(self.across.scale.position(value));
            let (from, to) = (x(*from), x(*to));
            if number > 0 {
                pen.line(&[(from, frame.top), (from, frame.bottom)], Ink::Grid);
            }
            if width(name) + 6.0 <= to - from && frame.take(from + 3.0, y, name, Side::Start) {
                pen.text((from + 3.0, y), name, Side::Start, Ink::Muted);
            }
        }
    }

    fn figures(&self, pen: &mut Pen<'_>, frame: &Frame) {
        for line in &self.lines {
            for stretch in &line.stretches {
                let points: Vec<_> = stretch.iter().map(|at| self.place(frame, *at)).collect();
                pen.line(&points, line.ink);
            }
        }
        for point in &self.points {
            mark(pen, point.shape, self.place(frame, point.at), point.radius, point.ink);
        }
    }
}

/// The swatch of a name in the legend, in a row whose middle is at `y`.
fn stand_for(pen: &mut Pen<'_>, swatch: Swatch, (x, y): (f64, f64)) {
    match swatch {
        Swatch::Line(ink) => pen.line(&[(x + 2.0, y), (x + 26.0, y)], ink),
        Swatch::Band(ink) => {
            pen.rect((x + 4.0, y - 6.0), (x + 24.0, y + 6.0), ink);
            let corners = [(4.0, -6.0), (24.0, -6.0), (24.0, 6.0), (4.0, 6.0), (4.0, -6.0)];
            pen.line(&corners.map(|(dx, dy)| (x + dx, y + dy)), Ink::Axis);
        }
        Swatch::Point(shape, ink) => mark(pen, shape, (x + 15.0, y), RADIUS, ink),
    }
}

/// Draws a point; nothing leaves the canvas at its left and upper edge, where points have no room.
fn mark(pen: &mut Pen<'_>, shape: Shape, (x, y): (f64, f64), r: f64, ink: Ink) {
    let at = |dx: f64, dy: f64| ((x + dx * r).max(0.0), (y + dy * r).max(0.0));
    match shape {
        Shape::Dot => pen.circle((x, y), r, ink),
        Shape::Cross => {
            pen.line(&[at(-0.8, -0.8), at(0.8, 0.8)], ink);
            pen.line(&[at(-0.8, 0.8), at(0.8, -0.8)], ink);
        }
        Shape::Plus => {
            pen.line(&[at(-1.0, 0.0), at(1.0, 0.0)], ink);
            pen.line(&[at(0.0, -1.0), at(0.0, 1.0)], ink);
        }
        Shape::Dash => pen.line(&[at(-1.0, 0.0), at(1.0, 0.0)], ink),
        Shape::Square => pen.rect(at(-0.85, -0.85), at(0.85, 0.85), ink),
        Shape::Diamond => pen.area(&[at(0.0, -1.2), at(1.2, 0.0), at(0.0, 1.2), at(-1.2, 0.0)], ink),
        Shape::Triangle => pen.area(&[at(0.0, -1.1), at(1.1, 0.9), at(-1.1, 0.9)], ink),
        Shape::Ring => {
            let (near, far) = (0.4, 0.95);
            let corners = [
                (far, near),
                (near, far),
                (-near, far),
                (-far, near),
                (-far, -near),
                (-near, -far),
                (near, -far),
                (far, -near),
                (far, near),
            ];
            pen.line(&corners.map(|(dx, dy)| at(dx, dy)), ink);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(value: f64) -> String {
        crate::report::show::fine_rate(value)
    }

    fn scatter() -> Scatter<'static> {
        let axis = |title, scale| Axis { scale, title, write: rate };
        let shapes = [
            Shape::Dot,
            Shape::Cross,
            Shape::Square,
            Shape::Diamond,
            Shape::Triangle,
            Shape::Plus,
            Shape::Ring,
            Shape::Dash,
        ];
        let scale = Scale::Between { from: 0.0, to: 10.0 };
        let at = |n: usize| f64::from(num::count32(n));
        let point = |(n, shape): (usize, &Shape)| Point {
            at: (at(n), at(n)),
            shape: *shape,
            ink: Ink::Series(0),
            radius: RADIUS,
        };
        Scatter {
            across: axis("across", scale),
            up: axis("up", scale),
            bands: vec![],
            area: None,
            lines: vec![],
            points: shapes.iter().enumerate().map(point).collect(),
            keys: vec![],
            targets: vec![],
            limits: vec![],
            stretches: vec![],
        }
    }

    #[test]
    fn every_shape_is_drawn_as_something_else() {
        let drawn = scatter().picture().wide.2;
        let count = |tag: &str| drawn.matches(tag).count();
        assert_eq!((count("<circle"), count("<polygon"), count("class=\"f1\" d=\"M")), (1, 2, 1), "{drawn}");
        let strokes = drawn.lines().filter(|line| line.contains("class=\"s1\"")).count();
        assert_eq!(strokes, 2 + 2 + 1 + 1, "cross, plus, dash and ring");
    }

    #[test]
    fn names_of_near_targets_do_not_overlap() {
        let near = Scatter {
            targets: vec![
                (5.0, "target 5/s".into()),
                (5.1, "target 5.1/s".into()),
                (9.9, "target 9.9/s".into()),
            ],
            ..scatter()
        };
        let Picture { wide: (.., wide), narrow: (.., narrow) } = near.picture();
        for drawn in [wide, narrow] {
            assert!(drawn.contains("target 5/s") && !drawn.contains("target 5.1/s"), "{drawn}");
            assert!(drawn.contains("target 9.9/s"), "at the edge, moved inwards");
        }
    }
}
