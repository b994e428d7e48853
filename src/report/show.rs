//! Formats figures and texts for people.

use crate::num;

pub use super::outside::{plain, source};
pub use crate::num::show::{
    count, fine_rate, full_rate, margin, part, percent, rate, several, short_rate, size, small_part, time,
};

/// Sanitises a text to one line of at most `width` characters, shortened with an ellipsis.
#[must_use]
pub fn fit(text: &str, width: usize) -> String {
    let text = plain(text);
    if text.chars().count() <= width {
        return text;
    }
    let mut short: String = text.chars().take(width.saturating_sub(1)).collect();
    short.push('…');
    short
}

/// Wraps a sentence to lines of at most `width` characters, each after `indent`; a longer word is broken.
#[must_use]
pub fn wrap(text: &str, width: usize, indent: &str) -> String {
    let room = width.saturating_sub(indent.chars().count()).max(1);
    let mut lines: Vec<String> = vec![String::new()];
    let mut used = 0;
    for word in plain(text).split(' ') {
        let mut letters: Vec<char> = word.chars().collect();
        while !letters.is_empty() {
            let gap = usize::from(used > 0);
            if used > 0 && used + gap + letters.len() > room {
                lines.push(String::new());
                used = 0;
                continue;
            }
            let part: String = letters.drain(..letters.len().min(room)).collect();
            if let Some(line) = lines.last_mut() {
                line.push_str(&" "[..gap]);
                line.push_str(&part);
            }
            used += gap + part.chars().count();
        }
    }
    // A line that starts with `::` would be a CI command.
    lines
        .into_iter()
        .map(|line| {
            format!("{indent}{}", if line.starts_with("::") { line.replacen("::", ": :", 1) } else { line })
        })
        .collect::<Vec<_>>()
        .join("\n")
}

/// A sparkline of values, scaled from 0 to the largest, with gaps for missing values.
#[must_use]
pub fn sparkline(values: &[Option<f64>], width: usize) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    if values.is_empty() || width == 0 {
        return String::new();
    }
    let columns = width.min(values.len());
    let highest = |from: usize, to: usize| values[from..to].iter().copied().flatten().reduce(f64::max);
    let cells: Vec<Option<f64>> = (0..columns)
        .map(|c| {
            highest(c * values.len() / columns, ((c + 1) * values.len()).div_ceil(columns).min(values.len()))
        })
        .collect();
    let top = cells.iter().copied().flatten().fold(0.0_f64, f64::max);
    cells
        .into_iter()
        .map(|cell| match cell {
            None => ' ',
            Some(_) if top <= 0.0 => BARS[0],
            Some(value) => BARS[num::index(num::u64_of(value / top * 7.0)).min(7)],
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sparklines_scale_to_the_largest_and_leave_gaps() {
        assert_eq!(sparkline(&[Some(0.0), Some(7.0), None, Some(3.5)], 10), "▁█ ▅");
        assert_eq!(sparkline(&[Some(0.0)], 10), "▁");
        assert_eq!(
            sparkline(&(0..100).map(|v| Some(f64::from(v))).collect::<Vec<_>>(), 8).chars().count(),
            8
        );
        assert_eq!(sparkline(&[], 8), "");
    }

    #[test]
    fn long_text_is_cut_or_wrapped() {
        assert_eq!(fit("trading-engine", 8), "trading…");
        assert_eq!(wrap("one two three", 9, "  "), "  one two\n  three");
    }
}
