//! Charts: each has a picture at two sizes, texts and a table of its numbers.

mod bands;
mod baseline;
mod capacity;
mod catalogue;
mod counts;
mod frame;
mod nodes;
mod over_time;
mod pen;
mod plot;
mod scale;
mod scatter;
mod spread;
mod versus;
mod zoom;

pub(crate) use baseline::{all as of_baseline, write as write_of};
pub(crate) use capacity::all as of_capacity;
pub(crate) use catalogue::all;
pub(crate) use versus::all as of_comparison;

use super::style;
use super::table::Table;
use plot::Picture;

/// One chart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Chart {
    /// Name of its file and its HTML anchor.
    pub(crate) id: String,
    /// Title.
    pub(crate) title: String,
    /// How to read it.
    pub(crate) about: String,
    /// Text alternative of the picture.
    pub(crate) seen: String,
    /// The picture, or the reason why there is none.
    picture: Result<Picture, String>,
    /// Its numbers.
    pub(crate) table: Table,
}

impl Chart {
    /// Why there is no picture.
    pub(crate) fn missing(&self) -> Option<&str> {
        self.picture.as_ref().err().map(String::as_str)
    }

    /// Does it show faults?
    pub(crate) fn has_bands(&self) -> bool {
        self.picture.as_ref().is_ok_and(Picture::has_bands)
    }

    /// The picture for wide screens, as an SVG element.
    pub(crate) fn wide(&self) -> String {
        self.picture.as_ref().map_or_else(|_| String::new(), |p| self.svg(&p.wide, "wide"))
    }

    /// The picture for narrow screens.
    pub(crate) fn narrow(&self) -> String {
        self.picture.as_ref().map_or_else(|_| String::new(), |p| self.svg(&p.narrow, "narrow"))
    }

    fn svg(&self, (width, height, elements): &(u32, u32, String), size: &str) -> String {
        let id = &self.id;
        format!(
            "<svg class=\"chart {size}\" viewBox=\"0 0 {} {}\" role=\"img\" aria-labelledby=\"{id}-{size}-t {id}-{size}-d\">\n\
             <title id=\"{id}-{size}-t\">{}</title>\n<desc id=\"{id}-{size}-d\">{}</desc>\n{elements}</svg>",
            width * 10,
            height * 10,
            escaped(&self.title),
            escaped(&self.seen),
        )
    }

    /// A standalone SVG file, with title, style sheet and background.
    pub(crate) fn file(&self, under: &str) -> String {
        let nothing = Picture { wide: (960, 60, String::new()), ..Picture::default() };
        let (width, height, elements) = &self.picture.as_ref().unwrap_or(&nothing).wide;
        let missing = self.missing().map_or_else(String::new, |why| {
            format!("<text class=\"fm\" x=\"160\" y=\"400\">{}</text>\n", escaped(&pen::fit(why, 920.0)))
        });
        let (w, h) = (width * 10 + 320, height * 10 + 800);
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <svg xmlns=\"http://www.w3.org/2000/svg\" class=\"chart\" width=\"{}\" height=\"{}\" \
             viewBox=\"-160 -500 {w} {h}\" role=\"img\" aria-labelledby=\"t d\">\n\
             <title id=\"t\">{title}</title>\n<desc id=\"d\">{}</desc>\n<style>\n{}</style>\n\
             <rect class=\"ground\" x=\"-160\" y=\"-500\" width=\"{w}\" height=\"{h}\"/>\n\
             <text class=\"ft title\" y=\"-200\">{title}</text>\n{elements}{missing}\
             <text class=\"fm\" y=\"{}\">{}</text>\n</svg>\n",
            w / 10,
            h / 10,
            escaped(&self.seen),
            style::of_file(self.has_bands()),
            height * 10 + 180,
            escaped(&pen::fit(under, 950.0)),
            title = escaped(&self.title),
        )
    }
}

/// Escapes a text for the content of an XML element.
pub(crate) fn escaped(text: &str) -> String {
    super::show::plain(text)
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
