//! Writing numbers, times and ids as text into a reused buffer.

use crate::market::probe::write_id;
use crate::num;

/// Appends text to a buffer; every method returns the writer, so that calls can be chained.
#[derive(Debug)]
pub(super) struct Text<'a>(pub(super) &'a mut Vec<u8>);

const PAIRS: [[u8; 2]; 100] = {
    let mut table = [[0; 2]; 100];
    let (mut n, mut value): (usize, u8) = (0, 0);
    while n < 100 {
        table[n] = [b'0' + value / 10, b'0' + value % 10];
        n += 1;
        value += 1;
    }
    table
};

/// Digits of the largest number.
const MOST_DIGITS: usize = 20;
/// Characters of the longest decimal number (sign, 15 digits, point, 4 digits), rounded up to three words.
const MOST_DECIMAL: usize = 24;
/// The end of the digits before the decimal point.
const POINT: usize = MOST_DIGITS;
/// Room for a number, and for the bytes after it that are copied but not used.
const ROOM: usize = POINT + MOST_DECIMAL;

/// Writes the digits of a number up to [`POINT`] and returns their start.
#[inline]
fn digits(mut n: u64, into: &mut [u8; ROOM]) -> usize {
    let mut from = POINT;
    while n >= 10 {
        from -= 2;
        into[from..from + 2].copy_from_slice(&pair(n));
        n /= 100;
    }
    if n > 0 || from == POINT {
        from -= 1;
        into[from] = pair(n)[1];
    }
    from
}

fn pair(below_100: u64) -> [u8; 2] {
    PAIRS[num::index(below_100 % 100)]
}

impl Text<'_> {
    /// Appends a text as it is.
    #[inline]
    pub(super) fn raw(&mut self, text: &str) -> &mut Self {
        self.0.extend_from_slice(text.as_bytes());
        self
    }

    /// Appends a text as it appears between the quotes of a JSON string.
    pub(super) fn escaped(&mut self, text: &str) -> &mut Self {
        for byte in text.bytes() {
            let short = match byte {
                b'"' | b'\\' => byte,
                b'\n' => b'n',
                b'\r' => b'r',
                b'\t' => b't',
                0x08 => b'b',
                0x0c => b'f',
                ..b' ' => {
                    let low = b"0123456789abcdef"[usize::from(byte % 16)];
                    self.0.extend_from_slice(&[b'\\', b'u', b'0', b'0', b'0' + byte / 16, low]);
                    continue;
                }
                _ => {
                    self.0.push(byte);
                    continue;
                }
            };
            self.0.extend_from_slice(&[b'\\', short]);
        }
        self
    }

    /// Appends the first `length` bytes of `of`. All of them are copied, since a copy of fixed length is a few
    /// moves, and one of variable length a call.
    #[inline]
    fn first<const N: usize>(&mut self, length: usize, of: &[u8; N]) {
        let end = self.0.len() + length;
        self.0.extend_from_slice(of);
        self.0.truncate(end);
    }

    /// Appends a whole number.
    pub(super) fn whole(&mut self, n: u64) -> &mut Self {
        let mut room = [0; ROOM];
        let from = digits(n, &mut room);
        if let Some(start) = room[from..].first_chunk::<MOST_DIGITS>() {
            self.first(POINT - from, start);
        }
        self
    }

    /// Appends a decimal number given in 1/10,000, in the shortest form: `1893400` is `189.34`, `-10000` is
    /// `-1`.
    ///
    /// JSON libraries write a parsed number in the same form, so an event re-serialised with its member order
    /// kept is byte for byte the same.
    pub(super) fn decimal(&mut self, ten_thousandths: i64) -> &mut Self {
        let n = ten_thousandths.unsigned_abs();
        let mut room = [0; ROOM];
        let mut from = digits(n / 10_000, &mut room);
        if ten_thousandths < 0 {
            from -= 1;
            room[from] = b'-';
        }
        let mut end = POINT;
        let fraction = n % 10_000;
        if fraction > 0 {
            let ([first, second], [third, fourth]) = (pair(fraction / 100), pair(fraction));
            room[POINT..POINT + 5].copy_from_slice(&[b'.', first, second, third, fourth]);
            end += match [second, third, fourth] {
                [.., b'1'..=b'9'] => 5,
                [_, b'1'..=b'9', _] => 4,
                [b'1'..=b'9', ..] => 3,
                _ => 2,
            };
        }
        if let Some(start) = room[from..].first_chunk::<MOST_DECIMAL>() {
            self.first(end - from, start);
        }
        self
    }

    /// Appends a UUID.
    pub(super) fn id(&mut self, id: &[u8; 16]) -> &mut Self {
        let mut text = [0; 36];
        write_id(id, &mut text);
        self.0.extend_from_slice(&text);
        self
    }

    /// Appends a point in time, as [`Clock`] writes it.
    pub(super) fn time(&mut self, unix_ns: u64) -> &mut Self {
        self.0.extend_from_slice(Clock::default().text(unix_ns));
        self
    }
}

/// Writes points in time, ISO 8601 in UTC with whole microseconds (rounded down), and caches the text of the
/// last second.
#[derive(Debug, Clone)]
pub(in crate::market) struct Clock {
    second: u64,
    text: [u8; 27],
}

impl Default for Clock {
    fn default() -> Self {
        Self { second: 0, text: *b"1970-01-01T00:00:00.000000Z" }
    }
}

impl Clock {
    pub(in crate::market) fn text(&mut self, unix_ns: u64) -> &[u8; 27] {
        let (second, micros) = (unix_ns / 1_000_000_000, unix_ns % 1_000_000_000 / 1000);
        if second != self.second {
            self.second = second;
            let (year, month, day) = civil(second / 86_400);
            let time = [second / 3600 % 24, second / 60 % 60, second % 60];
            self.write([0, 2, 5, 8, 11, 14, 17], [year / 100, year, month, day, time[0], time[1], time[2]]);
        }
        self.write([20, 22, 24], [micros / 10_000, micros / 100, micros]);
        &self.text
    }

    fn write<const N: usize>(&mut self, at: [usize; N], pairs: [u64; N]) {
        for (at, value) in at.into_iter().zip(pairs) {
            [self.text[at], self.text[at + 1]] = pair(value);
        }
    }
}

/// Year, month and day of a day since 1970 (H. Hinnant, "chrono-compatible low-level date algorithms").
const fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let (month, new_year) = if from_march < 10 { (from_march + 3, 0) } else { (from_march - 9, 1) };
    (year_of_era + era * 400 + new_year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use time::format_description::well_known::Rfc3339;

    fn written(write: impl FnOnce(&mut Text<'_>)) -> String {
        let mut into = Vec::new();
        write(&mut Text(&mut into));
        String::from_utf8(into).expect("ASCII")
    }

    #[test]
    fn decimals_have_no_needless_zeros() {
        for (n, text) in [
            (0, "0"),
            (1, "0.0001"),
            (100, "0.01"),
            (5000, "0.5"),
            (10_000, "1"),
            (-10_000, "-1"),
            (-1, "-0.0001"),
            (1_893_400, "189.34"),
            (i64::MIN, "-922337203685477.5808"),
        ] {
            assert_eq!(written(|out| _ = out.decimal(n)), text);
        }
    }

    proptest! {
        #[test]
        fn whole_numbers_are_as_the_standard_library_writes_them(n: u64, bits in 0_u32..64) {
            let n = n >> bits;
            prop_assert_eq!(written(|out| _ = out.whole(n)), n.to_string());
        }

        #[test]
        fn decimals_are_as_a_json_library_writes_them(n in -10_000_000_000_000_i64..10_000_000_000_000) {
            let text = written(|out| _ = out.decimal(n));
            let value: serde_json::Value = serde_json::from_str(&text).expect("a JSON number");
            prop_assert_eq!(value.to_string(), text);
        }

        #[test]
        fn texts_are_as_a_json_library_writes_them(any: String, odd in "[\\x00-\\x7f]{0,12}") {
            for text in [any, odd] {
                let quoted = format!("\"{}\"", written(|out| _ = out.escaped(&text)));
                prop_assert_eq!(quoted, serde_json::Value::from(text).to_string());
            }
        }

        #[test]
        fn times_are_as_another_library_writes_them(unix_ns: u64) {
            let text = written(|out| _ = out.time(unix_ns));
            prop_assert_eq!(text.len(), 27);
            let read = time::OffsetDateTime::parse(&text, &Rfc3339).expect("an RFC 3339 time");
            prop_assert_eq!(read.unix_timestamp_nanos(), i128::from(unix_ns / 1000 * 1000));
        }
    }
}
