//! Draws with plotters' SVG backend, in sentinel colours that are then replaced by CSS classes.

use std::fmt::Write as _;

use plotters::backend::{DrawingBackend as _, SVGBackend};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color as _, FontFamily, IntoTextStyle as _, RGBColor, ShapeStyle};

use crate::num;

/// Units per pixel: the backend has only integer coordinates, and lines should be smooth.
const UNITS: f64 = 10.0;

/// The role of a drawn element; the style sheet has its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ink {
    /// Main text.
    Text,
    /// Secondary text.
    Muted,
    /// Grid lines.
    Grid,
    /// The frame of a plot.
    Axis,
    /// The limit of an objective.
    Limit,
    /// A mark of the record.
    Mark,
    /// A phase that is not measured.
    Phase,
    /// One of several lines; any number is valid, colours and dashes repeat.
    Series(u8),
    /// Density, 1 to 7.
    Heat(u8),
    /// One of many runs of a series, thin.
    Thin(u8),
    /// A fault, until it was undone.
    Band,
    /// After a fault, until all was normal again.
    Healing,
}

/// Colours for series. They have no common divisor with the dashes, so the product is the number of distinct lines.
const COLOURS: u8 = 7;
/// Dashes for series.
const DASHES: u8 = 4;

impl Ink {
    /// The CSS class and, for series, the dash.
    fn class(self) -> String {
        match self {
            Self::Text => "t".into(),
            Self::Muted => "m".into(),
            Self::Grid => "g".into(),
            Self::Axis => "a".into(),
            Self::Limit => "l".into(),
            Self::Mark => "k".into(),
            Self::Phase => "p".into(),
            Self::Series(n) => format!("{}", n % COLOURS + 1),
            Self::Heat(n) => format!("h{n}"),
            Self::Thin(n) => format!("w{}", n % COLOURS + 1),
            Self::Band => "b".into(),
            Self::Healing => "e".into(),
        }
    }

    /// A colour that no chart uses and that identifies the ink.
    const fn sentinel(self) -> RGBColor {
        let (kind, n) = match self {
            Self::Text => (1, 0),
            Self::Muted => (2, 0),
            Self::Grid => (3, 0),
            Self::Axis => (4, 0),
            Self::Limit => (5, 0),
            Self::Mark => (6, 0),
            Self::Phase => (7, 0),
            Self::Series(n) => (8, n),
            Self::Heat(n) => (9, n),
            Self::Thin(n) => (10, n),
            Self::Band => (11, 0),
            Self::Healing => (12, 0),
        };
        RGBColor(1, kind, n)
    }

    fn of_sentinel(hex: &str) -> Option<Self> {
        let byte = |at: usize| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok();
        let n = byte(4)?;
        Some(match (byte(0)?, byte(2)?) {
            (1, 1) => Self::Text,
            (1, 2) => Self::Muted,
            (1, 3) => Self::Grid,
            (1, 4) => Self::Axis,
            (1, 5) => Self::Limit,
            (1, 6) => Self::Mark,
            (1, 7) => Self::Phase,
            (1, 8) => Self::Series(n),
            (1, 9) => Self::Heat(n),
            (1, 10) => Self::Thin(n),
            (1, 11) => Self::Band,
            (1, 12) => Self::Healing,
            _ => return None,
        })
    }
}

/// Horizontal alignment of a text to its point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// Starts at the point.
    Start,
    /// Centred on the point.
    Middle,
    /// Ends at the point.
    End,
}

/// The height of text in pixels.
pub(crate) const FONT: f64 = 13.0;

/// Estimated width of a text in pixels, not too small.
pub(crate) fn width(text: &str) -> f64 {
    let em: f64 = text
        .chars()
        .map(|c| match c {
            'i' | 'j' | 'l' | '.' | ',' | ':' | '\'' | '|' | ' ' | 'f' | 't' | 'I' => 0.36,
            'm' | 'w' | 'M' | 'W' | '%' | '@' => 0.95,
            c if c.is_ascii() => 0.64,
            'µ' => 0.64,
            _ => 1.0,
        })
        .sum();
    em * FONT
}

/// Shortens a text to a width in pixels.
pub(crate) fn fit(text: &str, pixels: f64) -> String {
    let mut shown = text.to_owned();
    let mut length = text.chars().count();
    while width(&shown) > pixels && length > 1 {
        length -= 1;
        shown = crate::report::show::fit(text, length);
    }
    shown
}

/// Draws elements; coordinates are pixels from the top left. Errors are ignored, since writing to memory does not fail.
pub(crate) struct Pen<'a> {
    backend: SVGBackend<'a>,
}

fn at(x: f64, y: f64) -> (i32, i32) {
    let unit = |v: f64| i32::try_from(num::u64_of(v * UNITS)).unwrap_or(i32::MAX);
    (unit(x), unit(y))
}

impl Pen<'_> {
    pub(crate) fn line(&mut self, points: &[(f64, f64)], ink: Ink) {
        let style = ShapeStyle { color: ink.sentinel().to_rgba(), filled: false, stroke_width: 1 };
        let _ = self.backend.draw_path(points.iter().map(|(x, y)| at(*x, *y)), &style);
    }

    pub(crate) fn rect(&mut self, from: (f64, f64), to: (f64, f64), ink: Ink) {
        let style = ShapeStyle { color: ink.sentinel().to_rgba(), filled: true, stroke_width: 0 };
        let _ = self.backend.draw_rect(at(from.0, from.1), at(to.0, to.1), &style, true);
    }

    /// Fills the area inside of an outline.
    pub(crate) fn area(&mut self, outline: &[(f64, f64)], ink: Ink) {
        let style = ShapeStyle { color: ink.sentinel().to_rgba(), filled: true, stroke_width: 0 };
        let _ = self.backend.fill_polygon(outline.iter().map(|(x, y)| at(*x, *y)), &style);
    }

    pub(crate) fn dot(&mut self, at: (f64, f64), radius: u32, ink: Ink) {
        self.circle(at, f64::from(radius), ink);
    }

    /// A dot of any size.
    pub(crate) fn circle(&mut self, (x, y): (f64, f64), radius: f64, ink: Ink) {
        let style = ShapeStyle { color: ink.sentinel().to_rgba(), filled: true, stroke_width: 0 };
        let _ = self.backend.draw_circle(at(x, y), num::low32(num::u64_of(radius * UNITS)), &style, true);
    }

    /// Draws text, vertically centred at `y`.
    pub(crate) fn text(&mut self, (x, y): (f64, f64), text: &str, side: Side, ink: Ink) {
        let place = match side {
            Side::Start => HPos::Left,
            Side::Middle => HPos::Center,
            Side::End => HPos::Right,
        };
        let style = (FontFamily::SansSerif, FONT * UNITS)
            .into_text_style(&(1000_u32, 1000_u32))
            .with_color(ink.sentinel())
            .with_anchor::<RGBColor>(Pos::new(place, VPos::Bottom))
            .into_text_style(&(1000_u32, 1000_u32));
        // The baseline is half the height of a digit below the middle, which does not depend on the viewer.
        let _ = self.backend.draw_text(&crate::report::show::plain(text), &style, at(x, y + FONT * 0.36));
    }
}

/// Draws a picture of a size in pixels; returns its elements, for a view box of ten units per pixel.
pub(crate) fn draw(size: (f64, f64), with: impl FnOnce(&mut Pen<'_>)) -> String {
    let mut svg = String::new();
    let whole = |v: f64| num::low32(num::u64_of(v * UNITS));
    let mut pen = Pen { backend: SVGBackend::with_string(&mut svg, (whole(size.0), whole(size.1))) };
    with(&mut pen);
    let _ = pen.backend.present();
    drop(pen);
    compact(&svg)
}

/// Extracts the elements from the document: colours become classes, common attributes are dropped, and neighbouring
/// rectangles of one ink become one path.
fn compact(svg: &str) -> String {
    let mut out = String::with_capacity(svg.len() / 2);
    let mut open: Option<(String, String)> = None;
    for line in svg.lines().filter(|line| !line.starts_with("<svg") && !line.starts_with("</svg")) {
        if let Some((class, d)) = line.strip_prefix("<rect ").and_then(path_of_rect) {
            match &mut open {
                Some((of, path)) if *of == class => path.push_str(&d),
                _ => {
                    close(&mut out, open.take());
                    open = Some((class, d));
                }
            }
            continue;
        }
        close(&mut out, open.take());
        let is_markup = ["<polyline", "<polygon", "<circle", "<text"].iter().any(|tag| line.starts_with(tag));
        if is_markup {
            out.push_str(&element(line));
        } else {
            out.push_str(line);
        }
        // No line break inside a text: white space would move it.
        if !line.starts_with("<text") && !out.ends_with('\n') && line.starts_with('<') {
            out.push('\n');
        }
    }
    close(&mut out, open.take());
    out
}

fn close(out: &mut String, path: Option<(String, String)>) {
    if let Some((class, d)) = path {
        let _ = writeln!(out, "<path class=\"f{class}\" d=\"{d}\"/>");
    }
}

fn attribute<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let start = line.find(&format!("{name}=\""))? + name.len() + 2;
    line[start..].split('"').next()
}

fn path_of_rect(line: &str) -> Option<(String, String)> {
    let line = format!(" {line}");
    let get = |name: &str| attribute(&line, &format!(" {name}"));
    let ink = Ink::of_sentinel(get("fill")?.strip_prefix('#')?)?;
    let (x, y, w, h) = (get("x")?, get("y")?, get("width")?, get("height")?);
    Some((ink.class(), format!("M{x} {y}h{w}v{h}h-{w}z")))
}

/// Replaces the colours of an element by classes.
fn element(line: &str) -> String {
    let mut kept = String::with_capacity(line.len());
    let (tag, attributes) = line.split_once(' ').unwrap_or((line, ""));
    kept.push_str(tag);
    let mut class = String::new();
    for part in attributes.split_inclusive("\" ") {
        let Some((name, value)) = part.split_once("=\"") else {
            kept.push_str(part);
            continue;
        };
        let value = value.split('"').next().unwrap_or("");
        match name {
            "opacity" | "font-family" | "font-size" | "stroke-width" | "dy" => {}
            "fill" | "stroke" => {
                if let Some(ink) = value.strip_prefix('#').and_then(Ink::of_sentinel) {
                    let kind = if name == "fill" { 'f' } else { 's' };
                    class = format!("{kind}{}", ink.class());
                    if let (Ink::Series(n), 's') = (ink, kind) {
                        let dash = n % DASHES;
                        if dash > 0 {
                            let _ = write!(class, " d{dash}");
                        }
                    }
                } else if name == "fill" {
                    kept.push_str(" fill=\"none\"");
                }
            }
            "text-anchor" if value == "start" => {}
            _ => {
                kept.push(' ');
                kept.push_str(name);
                kept.push_str("=\"");
                kept.push_str(value.trim_end());
                kept.push('"');
            }
        }
    }
    if !class.is_empty() {
        let _ = write!(kept, " class=\"{class}\"");
    }
    kept.push_str(if line.ends_with("/>") { "/>" } else { ">" });
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_become_classes_and_rectangles_one_path() {
        let svg = draw((100.0, 50.0), |pen| {
            pen.rect((0.0, 0.0), (1.0, 2.0), Ink::Heat(3));
            pen.rect((2.0, 0.0), (3.0, 2.0), Ink::Heat(3));
            pen.line(&[(0.0, 0.0), (1.5, 2.5)], Ink::Series(8));
            pen.dot((1.0, 1.0), 3, Ink::Series(1));
            pen.area(&[(0.0, 0.0), (1.0, 0.0), (1.0, 1.5)], Ink::Series(8));
            pen.text((5.0, 5.0), "<b> & \"q\"", Side::End, Ink::Text);
        });
        insta::assert_snapshot!(svg);
    }

    #[test]
    fn no_two_of_28_lines_look_alike() {
        let svg = draw((10.0, 10.0), |pen| {
            for n in 0..COLOURS * DASHES {
                pen.line(&[(1.0, 1.0), (5.0, 5.0)], Ink::Series(n));
            }
        });
        let classes: std::collections::BTreeSet<&str> =
            svg.split("class=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        assert_eq!(classes.len(), usize::from(COLOURS * DASHES), "{svg}");
    }

    #[test]
    fn an_ink_is_found_again_from_its_colour() {
        for ink in
            [Ink::Text, Ink::Phase, Ink::Series(200), Ink::Heat(7), Ink::Thin(3), Ink::Band, Ink::Healing]
        {
            let RGBColor(r, g, b) = ink.sentinel();
            assert_eq!(Ink::of_sentinel(&format!("{r:02X}{g:02X}{b:02X}")), Some(ink));
        }
        assert_eq!(Ink::of_sentinel("FFFFFF"), None);
    }
}
