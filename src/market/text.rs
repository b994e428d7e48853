//! Writing numbers, times and ids as text into a reused buffer.

use super::probe::write_id;
use crate::num;

/// Appends text to a buffer; every method returns the writer, so that an event reads as one chain.
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

fn pair(below_100: u64) -> [u8; 2] {
    PAIRS[num::index(below_100 % 100)]
}

impl Text<'_> {
    /// The text itself.
    pub(super) fn raw(&mut self, text: &str) -> &mut Self {
        self.0.extend_from_slice(text.as_bytes());
        self
    }

    /// A whole number.
    pub(super) fn whole(&mut self, mut n: u64) -> &mut Self {
        let mut digits = [0; 20];
        let mut from = digits.len();
        while n >= 10 {
            from -= 2;
            digits[from..from + 2].copy_from_slice(&pair(n));
            n /= 100;
        }
        if n > 0 || from == digits.len() {
            from -= 1;
            digits[from] = pair(n)[1];
        }
        self.0.extend_from_slice(&digits[from..]);
        self
    }

    /// A decimal number of 1/10,000ths, in the shortest form: `1893400` is `189.34`, `-10000` is `-1`.
    ///
    /// JSON libraries write a number that they read in the same form, so an event that passes through one
    /// with its member order kept comes out byte for byte the same.
    pub(super) fn decimal(&mut self, ten_thousandths: i64) -> &mut Self {
        if ten_thousandths < 0 {
            self.0.push(b'-');
        }
        let n = ten_thousandths.unsigned_abs();
        self.whole(n / 10_000);
        let fraction = n % 10_000;
        if fraction > 0 {
            let digits = [pair(fraction / 100), pair(fraction)];
            let digits = digits.as_flattened();
            let zeros = digits.iter().rev().take_while(|&&digit| digit == b'0').count();
            self.0.push(b'.');
            self.0.extend_from_slice(&digits[..digits.len() - zeros]);
        }
        self
    }

    /// A UUID.
    pub(super) fn id(&mut self, id: &[u8; 16]) -> &mut Self {
        let mut text = [0; 36];
        write_id(id, &mut text);
        self.0.extend_from_slice(&text);
        self
    }

    /// A point in time, ISO 8601 in UTC with whole microseconds (rounded down).
    pub(super) fn time(&mut self, unix_ns: u64) -> &mut Self {
        let (seconds, micros) = (unix_ns / 1_000_000_000, unix_ns % 1_000_000_000 / 1000);
        let (year, month, day) = civil(seconds / 86_400);
        let mut text = *b"0000-00-00T00:00:00.000000Z";
        for (at, value) in [
            (0, year / 100),
            (2, year),
            (5, month),
            (8, day),
            (11, seconds / 3600 % 24),
            (14, seconds / 60 % 60),
            (17, seconds % 60),
            (20, micros / 10_000),
            (22, micros / 100),
            (24, micros),
        ] {
            [text[at], text[at + 1]] = pair(value);
        }
        self.0.extend_from_slice(&text);
        self
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
        fn times_are_as_another_library_writes_them(unix_ns: u64) {
            let text = written(|out| _ = out.time(unix_ns));
            prop_assert_eq!(text.len(), 27);
            let read = time::OffsetDateTime::parse(&text, &Rfc3339).expect("an RFC 3339 time");
            prop_assert_eq!(read.unix_timestamp_nanos(), i128::from(unix_ns / 1000 * 1000));
        }
    }
}
