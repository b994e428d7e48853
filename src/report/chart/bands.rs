//! Faults behind a chart over time: shaded from the injection to the undo, and lighter until all was normal again.

use super::frame::{Frame, ROW};
use super::pen::{Ink, Pen, Side};
use super::scale::Scale;
use crate::num;
use crate::plan::Ns;
use crate::record::Record;
use crate::report::{faults, show};

/// Bands that the text alternative of a chart lists.
const LISTED: usize = 12;
/// Smallest width of a band in pixels, so that an instant is visible.
const THINNEST: f64 = 2.0;

/// A fault that happened, in seconds of the chart's axis.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Band {
    /// Its number in the table of faults.
    pub(crate) number: String,
    /// Its name.
    name: String,
    begun: f64,
    undone: f64,
    normal: f64,
}

impl Band {
    fn is_in(&self, from: f64, to: f64) -> bool {
        self.begun <= to && self.normal.max(self.undone) >= from
    }
}

/// The bands of a record between two times of an axis, in seconds; `since` places a time on it.
pub(crate) fn of(record: &Record, since: impl Fn(Ns) -> f64, (from, to): (f64, f64)) -> Vec<Band> {
    let all = record.faults.injected.iter().enumerate().filter(|(_, fault)| fault.happened());
    let bands = all.map(|(at, fault)| {
        let begun = since(fault.begun());
        // A fault that was not undone goes on until the end.
        let undone = fault.ended().map_or(to, &since).max(begun);
        let normal = since(fault.felt_until()).max(undone);
        Band { number: faults::number(at), name: show::plain(&fault.name), begun, undone, normal }
    });
    bands.filter(|band| band.is_in(from, to)).collect()
}

/// The entries of a legend.
pub(crate) fn legend(bands: &[Band]) -> Vec<(&'static str, Ink)> {
    let mut all = Vec::new();
    if !bands.is_empty() {
        all.push(("fault, until it was undone", Ink::Band));
    }
    if bands.iter().any(|band| band.normal > band.undone) {
        all.push(("until all was normal again", Ink::Healing));
    }
    all
}

/// Draws the swatches of a legend entry.
pub(crate) fn swatch(pen: &mut Pen<'_>, (x, y): (f64, f64), ink: Ink) {
    pen.rect((x + 2.0, y - 6.0), (x + 26.0, y + 6.0), ink);
}

/// Shades the bands.
pub(crate) fn draw(pen: &mut Pen<'_>, frame: &Frame, across: Scale, bands: &[Band]) {
    let x = |at: f64| frame.x(across.position(at));
    for band in bands {
        let (begun, undone, normal) = (x(band.begun), x(band.undone), x(band.normal));
        let end = undone.max((begun + THINNEST).min(frame.right));
        if normal > end {
            pen.rect((end, frame.top), (normal, frame.bottom), Ink::Healing);
        }
        pen.rect((begun.min(end - THINNEST).max(frame.left), frame.top), (end, frame.bottom), Ink::Band);
    }
}

/// Writes the number of each band at the top of the plot, where there is room.
pub(crate) fn label(pen: &mut Pen<'_>, frame: &mut Frame, across: Scale, bands: &[Band]) {
    let y = frame.top + ROW / 2.0;
    for band in bands {
        let x = frame.x(across.position(band.begun)) + 3.0;
        let fits = x + super::pen::width(&band.number) < frame.right;
        if fits && frame.take(x, y, &band.number, Side::Start) {
            pen.text((x, y), &band.number, Side::Start, Ink::Text);
        }
    }
}

/// The bands in words, for the text alternative of a chart.
pub(crate) fn seen(bands: &[Band]) -> String {
    let said = |band: &Band| {
        let normal = if band.normal > band.undone {
            format!(", normal again at {:.1} s", band.normal)
        } else {
            String::new()
        };
        format!("{} ({}) from {:.1} s to {:.1} s{normal}", band.number, band.name, band.begun, band.undone)
    };
    let listed: Vec<String> = bands.iter().take(LISTED).map(said).collect();
    match bands.len().saturating_sub(LISTED) {
        0 => listed.join("; "),
        more => format!("{}; and {}", listed.join("; "), show::several(num::count(more), "more fault")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::chart::pen;

    fn band(begun: f64, undone: f64, normal: f64) -> Band {
        Band { number: "F1".into(), name: "leader".into(), begun, undone, normal }
    }

    #[test]
    fn a_band_is_dark_until_the_undo_and_light_until_the_recovery() {
        let frame = Frame::new((0.0, 100.0), (0.0, 10.0));
        let drawn =
            |of: Band| pen::draw((100.0, 10.0), |pen| draw(pen, &frame, Scale::Linear { to: 10.0 }, &[of]));
        assert_eq!(
            drawn(band(1.0, 2.0, 4.0)),
            "<path class=\"fe\" d=\"M200 0h200v100h-200z\"/>\n<path class=\"fb\" d=\"M100 0h100v100h-100z\"/>\n"
        );
        assert_eq!(
            drawn(band(5.0, 5.0, 5.0)),
            "<path class=\"fb\" d=\"M500 0h20v100h-20z\"/>\n",
            "an instant"
        );
        assert_eq!(
            drawn(band(12.0, 13.0, 14.0)),
            "<path class=\"fb\" d=\"M980 0h20v100h-20z\"/>\n",
            "at the edge"
        );
    }

    #[test]
    fn bands_have_words() {
        assert_eq!(seen(&[]), "");
        assert_eq!(
            seen(&[band(1.0, 2.0, 4.0), band(5.0, 6.0, 6.0)]),
            "F1 (leader) from 1.0 s to 2.0 s, normal again at 4.0 s; F1 (leader) from 5.0 s to 6.0 s"
        );
        assert!(seen(&vec![band(1.0, 2.0, 3.0); 30]).ends_with("; and 18 more faults"));
        assert_eq!(legend(&[band(1.0, 2.0, 2.0)]).len(), 1);
    }
}
