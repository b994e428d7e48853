//! A picture with axes: cells, lines, limits, phases, marks, and labels that never overlap.

use super::bands::{self, Band};
use super::frame::{Frame, NARROW, ROW, WIDE, legend};
use super::pen::{Ink, Pen, Side, draw, fit, width};
use super::scale::{Scale, around, clock, clock_ticks, percentile, short};

/// Formats a value of an axis.
pub(crate) type Write = fn(f64) -> String;

/// The horizontal axis.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Across {
    /// Seconds since the load began, up to this value.
    Time(f64),
    /// Percentiles on an axis of nines, up to this value.
    Nines(f64),
    /// Seconds before and after an instant.
    Around {
        /// Start, negative before the instant.
        from: f64,
        /// End.
        to: f64,
    },
}

/// A line, with gaps between its stretches.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) ink: Ink,
    pub(crate) stretches: Vec<Vec<(f64, f64)>>,
}

/// A rectangle of the plot, in axis values.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cell {
    pub(crate) x: (f64, f64),
    pub(crate) y: (f64, f64),
    /// Density, 1 to 7.
    pub(crate) level: u8,
}

/// Phases and marks behind a chart over time.
#[derive(Debug, Clone, Default)]
pub(crate) struct Backdrop {
    /// Name, start and end in seconds, and whether the phase is measured.
    pub(crate) phases: Vec<(String, f64, f64, bool)>,
    /// Times in seconds; numbered from 1 in this order.
    pub(crate) marks: Vec<f64>,
    /// Faults.
    pub(crate) bands: Vec<Band>,
}

/// The content of a picture.
#[derive(Debug, Clone)]
pub(crate) struct Plot<'a> {
    pub(crate) across: Across,
    pub(crate) up: Scale,
    /// Titles of the axes, with units.
    pub(crate) titles: (&'a str, &'a str),
    pub(crate) write: Write,
    pub(crate) lines: Vec<Line>,
    pub(crate) cells: Vec<Cell>,
    /// Limits of objectives: value and name.
    pub(crate) limits: Vec<(f64, String)>,
    pub(crate) backdrop: Option<&'a Backdrop>,
}

/// A picture at two sizes, each as the elements of an SVG.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Picture {
    /// Width and height in pixels, and elements, for wide screens.
    pub(crate) wide: (u32, u32, String),
    /// The same for narrow screens.
    pub(crate) narrow: (u32, u32, String),
}

impl Picture {
    /// This picture, and another one below it.
    pub(crate) fn above(self, other: Self) -> Self {
        let join = |one: (u32, u32, String), other: (u32, u32, String)| {
            let height = one.1.saturating_add(other.1);
            let moved =
                format!("<g transform=\"translate(0 {})\">\n{}</g>\n", u64::from(one.1) * 10, other.2);
            (one.0.max(other.0), height, format!("{}{moved}", one.2))
        };
        Self { wide: join(self.wide, other.wide), narrow: join(self.narrow, other.narrow) }
    }

    /// Does it show faults?
    pub(crate) fn has_bands(&self) -> bool {
        ["class=\"fb\"", "class=\"fe\""].iter().any(|class| self.wide.2.contains(class))
    }
}

impl Plot<'_> {
    /// Draws it at both sizes.
    pub(crate) fn picture(&self) -> Picture {
        Picture { wide: self.draw(WIDE, 9), narrow: self.draw(NARROW, 4) }
    }

    fn draw(&self, (total, plot): (f64, f64), wanted: u32) -> (u32, u32, String) {
        let ticks: Vec<(f64, String)> =
            self.up.ticks(6).into_iter().map(|v| (self.up.position(v), short(&(self.write)(v)))).collect();
        let widest = ticks.iter().map(|(_, text)| width(text)).fold(0.0, f64::max);
        let named: Vec<&Line> = self.lines.iter().filter(|line| !line.name.is_empty()).collect();
        let bands = self.backdrop.map_or(&[][..], |backdrop| &backdrop.bands);
        let shaded = bands::legend(bands);
        let lines = named.iter().map(|line| line.name.as_str());
        let shown: Vec<&str> = lines.chain(shaded.iter().map(|(name, _)| *name)).collect();
        let legend = legend(&shown, total - 8.0);
        let rows = legend.last().map_or(0.0, |(row, ..)| f64::from(crate::num::count32(*row)) + 1.0);
        let strip = if self.backdrop.is_some() { ROW } else { 4.0 };
        let top = rows * ROW + 4.0 + ROW + strip;
        let mut frame = Frame::new((widest.min(total / 4.0) + 12.0, total - 12.0), (top, top + plot));
        let height = frame.bottom + 46.0;
        let elements = draw((total, height), |pen| {
            for ((row, x, name), line) in legend.iter().zip(&named) {
                let y = f64::from(crate::num::count32(*row)) * ROW + ROW / 2.0 + 2.0;
                pen.line(&[(x + 2.0, y), (x + 26.0, y)], line.ink);
                pen.text((x + 30.0, y), name, Side::Start, Ink::Text);
            }
            for ((row, x, name), (_, ink)) in legend.iter().skip(named.len()).zip(&shaded) {
                let y = f64::from(crate::num::count32(*row)) * ROW + ROW / 2.0 + 2.0;
                bands::swatch(pen, (*x, y), *ink);
                pen.text((x + 30.0, y), name, Side::Start, Ink::Text);
            }
            pen.text(
                (0.0, rows * ROW + ROW / 2.0 + 2.0),
                &fit(self.titles.1, total),
                Side::Start,
                Ink::Muted,
            );
            self.phases(pen, &mut frame);
            bands::draw(pen, &frame, self.across(), bands);
            self.grid(pen, &mut frame, &ticks, wanted);
            self.cells(pen, &frame);
            self.marks(pen, &mut frame);
            bands::label(pen, &mut frame, self.across(), bands);
            for line in &self.lines {
                self.line(pen, &frame, line);
            }
            frame.limits(pen, self.up, &self.limits);
        });
        let pixels = |v: f64| crate::num::low32(crate::num::u64_of(v));
        (pixels(total), pixels(height), elements)
    }

    fn across(&self) -> Scale {
        match self.across {
            Across::Time(to) => Scale::Linear { to },
            Across::Nines(nines) => Scale::Nines { nines },
            Across::Around { from, to } => Scale::Between { from, to },
        }
    }

    /// Shades phases that are not measured, and labels phases where there is room.
    fn phases(&self, pen: &mut Pen<'_>, frame: &mut Frame) {
        let Some(backdrop) = self.backdrop else { return };
        let across = self.across();
        for (name, from, to, measured) in &backdrop.phases {
            let (from, to) = (frame.x(across.position(*from)), frame.x(across.position(*to)));
            if !measured && to > from {
                pen.rect((from, frame.top), (to, frame.bottom), Ink::Phase);
            }
            let y = frame.top - ROW / 2.0;
            if width(name) + 8.0 <= to - from && frame.take(from + 4.0, y, name, Side::Start) {
                pen.text((from + 4.0, y), name, Side::Start, Ink::Muted);
            }
        }
    }

    fn grid(&self, pen: &mut Pen<'_>, frame: &mut Frame, up: &[(f64, String)], wanted: u32) {
        frame.rows(pen, up);
        let across = self.across();
        let named: Vec<(f64, String)> = match self.across {
            Across::Time(to) => clock_ticks(to, wanted).into_iter().map(|t| (t, clock(t, to))).collect(),
            Across::Nines(_) => across.ticks(wanted).into_iter().map(|n| (n, percentile(n))).collect(),
            Across::Around { .. } => across.ticks(wanted).into_iter().map(|t| (t, around(t))).collect(),
        };
        for (value, text) in named {
            frame.tick(pen, across.position(value), &text);
        }
        frame.edge(pen, self.titles.0);
    }

    fn cells(&self, pen: &mut Pen<'_>, frame: &Frame) {
        let across = self.across();
        let mut cells = self.cells.clone();
        cells.sort_by_key(|cell| cell.level);
        for cell in cells {
            let x = (frame.x(across.position(cell.x.0)), frame.x(across.position(cell.x.1)));
            let y = (frame.y(self.up.position(cell.y.1)), frame.y(self.up.position(cell.y.0)));
            pen.rect((x.0, y.0), (x.1, y.1), Ink::Heat(cell.level));
        }
    }

    /// A line for each mark, numbered where there is room; the list below the chart has all numbers.
    fn marks(&self, pen: &mut Pen<'_>, frame: &mut Frame) {
        let Some(backdrop) = self.backdrop else { return };
        let across = self.across();
        for (number, at) in backdrop.marks.iter().enumerate().take(200) {
            let x = frame.x(across.position(*at));
            pen.line(&[(x, frame.top), (x, frame.bottom)], Ink::Mark);
            let (text, y) = ((number + 1).to_string(), frame.top - ROW / 2.0);
            if frame.take(x, y, &text, Side::Middle) {
                pen.text((x, y), &text, Side::Middle, Ink::Mark);
            }
        }
    }

    fn line(&self, pen: &mut Pen<'_>, frame: &Frame, line: &Line) {
        let across = self.across();
        for stretch in &line.stretches {
            let points: Vec<_> = stretch
                .iter()
                .map(|(x, y)| (frame.x(across.position(*x)), frame.y(self.up.position(*y))))
                .collect();
            match points.as_slice() {
                [] => {}
                [one] => pen.dot(*one, 3, line.ink),
                many => pen.line(&straight(many), line.ink),
            }
        }
    }
}

/// Drops the points in the middle of a level stretch.
fn straight(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let level = |a: f64, b: f64| (a - b).abs() < 0.05;
    let mut kept: Vec<(f64, f64)> = Vec::with_capacity(points.len());
    for (at, point) in points.iter().enumerate() {
        let between = at > 0
            && at + 1 < points.len()
            && level(points[at - 1].1, point.1)
            && level(points[at + 1].1, point.1);
        if !between {
            kept.push(*point);
        }
    }
    kept
}

/// A row of horizontal bars: a name and, for each series, a value.
#[derive(Debug, Clone)]
pub(crate) struct Bars<'a> {
    /// Title of the values, with the unit.
    pub(crate) title: &'a str,
    /// Names of the series.
    pub(crate) series: Vec<String>,
    /// Name, and a value for each series.
    pub(crate) rows: Vec<(String, Vec<u64>)>,
}

impl Bars<'_> {
    /// Draws it at both sizes.
    pub(crate) fn picture(&self) -> Picture {
        Picture { wide: self.draw(WIDE.0, 260.0), narrow: self.draw(NARROW.0, 0.0) }
    }

    /// Names are before the bars, or above them if `names_width` is 0.
    fn draw(&self, total: f64, names_width: f64) -> (u32, u32, String) {
        const BAR: f64 = 9.0;
        let names: Vec<&str> = self.series.iter().map(String::as_str).collect();
        let legend = legend(&names, total - 8.0);
        let rows = legend.last().map_or(0.0, |(row, ..)| f64::from(crate::num::count32(*row)) + 1.0);
        let top = rows * ROW + ROW + 6.0;
        let series = f64::from(crate::num::count32(self.series.len()));
        let above = if names_width > 0.0 { 0.0 } else { ROW };
        let step = (series * BAR + 8.0).max(ROW) + above;
        let height = top + step * f64::from(crate::num::count32(self.rows.len())) + 6.0;
        let largest = self.rows.iter().flat_map(|(_, values)| values).copied().max().unwrap_or(0).max(1);
        let said = |values: &[u64]| {
            values.iter().map(|value| crate::report::show::count(*value)).collect::<Vec<_>>().join(" · ")
        };
        let numbers = self.rows.iter().map(|(_, values)| width(&said(values))).fold(0.0, f64::max) + 8.0;
        let name_room = if names_width > 0.0 { names_width - 8.0 } else { total };
        let elements = draw((total, height), |pen| {
            for (n, (row, x, name)) in legend.iter().enumerate() {
                let y = f64::from(crate::num::count32(*row)) * ROW + ROW / 2.0 + 2.0;
                let ink = Ink::Series(crate::num::low8(crate::num::count(n)));
                pen.rect((x + 2.0, y - 5.0), (x + 24.0, y + 5.0), ink);
                pen.text((x + 30.0, y), name, Side::Start, Ink::Text);
            }
            pen.text((0.0, rows * ROW + ROW / 2.0 + 2.0), &fit(self.title, total), Side::Start, Ink::Muted);
            let mut y = top;
            for (name, values) in &self.rows {
                let middle = y + above + (step - above) / 2.0 - 2.0;
                let beside = if above > 0.0 { y + ROW / 2.0 } else { middle };
                pen.text((0.0, beside), &fit(name, name_room), Side::Start, Ink::Text);
                let mut bar = middle - values_height(values.len(), BAR) / 2.0;
                for (n, value) in values.iter().enumerate() {
                    let share = crate::num::share(*value, largest);
                    let end = names_width + (share * (total - names_width - numbers)).max(1.0);
                    let ink = Ink::Series(crate::num::low8(crate::num::count(n)));
                    pen.rect((names_width, bar), (end, bar + BAR - 1.0), ink);
                    bar += BAR;
                }
                let shown = values.iter().copied().max().unwrap_or(0);
                let end = names_width + crate::num::share(shown, largest) * (total - names_width - numbers);
                pen.text((end + 6.0, middle), &said(values), Side::Start, Ink::Muted);
                y += step;
            }
        });
        let pixels = |v: f64| crate::num::low32(crate::num::u64_of(v));
        (pixels(total), pixels(height), elements)
    }
}

fn values_height(values: usize, bar: f64) -> f64 {
    f64::from(crate::num::count32(values)) * bar
}
