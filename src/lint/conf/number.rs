//! Values that begin with a digit: whole numbers with suffixes, fractions, dates, addresses, and bare strings.

use super::Value;
use super::cursor::{Cursor, is_blank, is_line_end};

/// What begins with a digit.
pub(super) enum Numeric {
    /// A value that ends here.
    Value(Value),
    /// A bare string, which goes on.
    Text,
}

/// Ends a number. A `]` does not: `[1, 2]` has a string `2]` in it.
const fn ends(c: char) -> bool {
    is_line_end(c) || is_blank(c) || matches!(c, '}' | ';' | ',')
}

/// Reads what begins with a digit, or with a minus before one.
pub(super) fn numeric(cursor: &mut Cursor<'_>) -> Result<Numeric, String> {
    let start = cursor.mark();
    let negative = cursor.peek() == Some('-');
    if negative {
        cursor.next();
        if !cursor.peek().is_some_and(|c| c.is_ascii_digit()) {
            return Err("expected a digit after the `-`; a string that begins with `-` needs quotes".into());
        }
    }
    cursor.skip(|c| c.is_ascii_digit());
    match cursor.peek() {
        Some('-') if !negative => date(cursor, start),
        Some('.') => fraction(cursor, start),
        Some(c) if "kKmMgGtTpPeE".contains(c) => suffixed(cursor, start),
        Some(c) if !negative && !ends(c) => {
            // The character belongs to the string, whatever it is.
            cursor.next();
            Ok(Numeric::Text)
        }
        _ => whole(cursor.since(start), "").map(Numeric::Value),
    }
}

fn suffixed(cursor: &mut Cursor<'_>, start: usize) -> Result<Numeric, String> {
    let digits = cursor.since(start);
    let suffix = cursor.mark();
    cursor.next();
    cursor.skip(|c| matches!(c, 'b' | 'B' | 'i' | 'I'));
    match cursor.peek() {
        Some(c) if !ends(c) && !c.is_ascii_digit() => Ok(Numeric::Text),
        _ => whole(digits, cursor.since(suffix)).map(Numeric::Value),
    }
}

fn whole(digits: &str, suffix: &str) -> Result<Value, String> {
    let number: i64 = digits.parse().map_err(|_| format!("the number {digits} is out of range"))?;
    let suffix = suffix.to_ascii_lowercase();
    let power = match suffix.chars().next() {
        None => return Ok(Value::Whole(number)),
        Some(letter) => "kmgtpe".chars().zip(1_u32..).find(|(of, _)| *of == letter).map(|(_, power)| power),
    };
    let base: i64 = match suffix.get(1..) {
        Some("") => 1000,
        Some("b" | "i" | "ib") => 1024,
        _ => return Err(format!("`{suffix}` is not a suffix of a number; write for example MB")),
    };
    let power = power.unwrap_or_default();
    Ok(Value::Whole((0..power).fold(number, |number, _| number.wrapping_mul(base))))
}

fn fraction(cursor: &mut Cursor<'_>, start: usize) -> Result<Numeric, String> {
    cursor.next();
    if !cursor.peek().is_some_and(|c| c.is_ascii_digit()) {
        return Err("expected a digit after the `.` of a number".into());
    }
    cursor.skip(|c| c.is_ascii_digit());
    if cursor.peek() == Some('.') {
        cursor.skip(|c| c.is_ascii_digit() || matches!(c, '.' | ':' | '-'));
        return Ok(Numeric::Value(Value::Text(cursor.since(start).to_owned())));
    }
    let number: f64 = cursor.since(start).parse().map_err(|_| "a number is out of range".to_owned())?;
    if number.is_finite() {
        Ok(Numeric::Value(Value::Fraction(number)))
    } else {
        Err("a number is out of range".into())
    }
}

fn date(cursor: &mut Cursor<'_>, start: usize) -> Result<Numeric, String> {
    const SHAPE: &str = "-00-00T00:00:00Z";
    let wrong = || {
        "a bare value of digits and a `-` is read as a date such as 2026-01-31T12:00:00Z; put a string in quotes"
            .to_owned()
    };
    if cursor.since(start).len() != 4 {
        return Err(wrong());
    }
    for expected in SHAPE.chars() {
        let fits = |c: char| if expected == '0' { c.is_ascii_digit() } else { c == expected };
        if !cursor.next().is_some_and(fits) {
            return Err(wrong());
        }
    }
    let text = cursor.since(start);
    if is_date(text) { Ok(Numeric::Value(Value::Date(text.to_owned()))) } else { Err(wrong()) }
}

/// Whether the digits of a date of that shape name a day and a time.
fn is_date(text: &str) -> bool {
    let part = |from: usize, to: usize| text.get(from..to).and_then(|part| part.parse::<u32>().ok());
    let of = |from: usize| part(from, from + 2).unwrap_or(u32::MAX);
    let (year, month, day) = (part(0, 4).unwrap_or_default(), of(5), of(8));
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 => 28 + u32::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    };
    (1..=days).contains(&day) && of(11) < 24 && of(14) < 60 && of(17) < 60
}
