//! The fields of a payload as the members of a JSON object.

#![expect(
    clippy::inline_always,
    reason = "what stands before a value is put together at compile time, but only if these are inlined"
)]

use super::text::Text;
use crate::market::format::{AnyText, Fields, LONGEST_NAME, Part, is_plain};
use crate::market::probe::Probe;

/// A JSON object being written.
#[derive(Debug)]
pub(in crate::market) struct Object<'a> {
    out: Text<'a>,
    start: usize,
}

impl<'a> Object<'a> {
    #[inline]
    pub(super) const fn begin(into: &'a mut Vec<u8>) -> Self {
        let start = into.len();
        Self { out: Text(into), start }
    }

    /// Every member is written with a comma before it; that of the first becomes the opening brace.
    #[inline]
    pub(super) fn end(self) -> &'a mut Vec<u8> {
        let Text(into) = self.out;
        match into.get_mut(self.start) {
            Some(comma) => *comma = b'{',
            None => into.push(b'{'),
        }
        into.push(b'}');
        into
    }

    /// Writes a member's name and the characters after it, as one piece whose length is known at compile time.
    #[inline(always)]
    fn key(&mut self, name: &'static str, then: &'static str) -> &mut Text<'a> {
        let mut piece = [0; LONGEST_NAME + 5];
        let name_end = 2 + name.len();
        let end = name_end + then.len();
        piece[..2].copy_from_slice(b",\"");
        piece[2..name_end].copy_from_slice(name.as_bytes());
        piece[name_end..end].copy_from_slice(then.as_bytes());
        self.out.0.extend_from_slice(&piece[..end]);
        &mut self.out
    }

    /// Writes everything before a number.
    #[inline(always)]
    fn name(&mut self, name: &'static str) -> &mut Text<'a> {
        self.key(name, "\":")
    }

    /// Writes everything before a text.
    #[inline(always)]
    fn quoted(&mut self, name: &'static str) -> &mut Text<'a> {
        self.key(name, "\":\"")
    }
}

impl Fields for Object<'_> {
    #[inline(always)]
    fn text(&mut self, name: &'static str, value: &AnyText) -> &mut Self {
        let out = self.quoted(name);
        let out = if value.is_plain() { out.raw(value.as_str()) } else { out.escaped(value.as_str()) };
        out.raw("\"");
        self
    }

    #[inline(always)]
    fn plain(&mut self, name: &'static str, value: &str) -> &mut Self {
        debug_assert!(is_plain(value), "not a plain text: {value:?}");
        self.quoted(name).raw(value).raw("\"");
        self
    }

    #[inline(always)]
    fn joined<const N: usize>(&mut self, name: &'static str, parts: [Part<'_>; N]) -> &mut Self {
        let out = self.quoted(name);
        for part in parts {
            match part {
                Part::Plain(text) => {
                    debug_assert!(is_plain(text), "not a plain text: {text:?}");
                    out.raw(text)
                }
                Part::Whole(n) => out.whole(n),
            };
        }
        out.raw("\"");
        self
    }

    #[inline(always)]
    fn whole(&mut self, name: &'static str, value: u64) -> &mut Self {
        self.name(name).whole(value);
        self
    }

    #[inline(always)]
    fn decimal(&mut self, name: &'static str, ten_thousandths: i64) -> &mut Self {
        self.name(name).decimal(ten_thousandths);
        self
    }

    #[inline(always)]
    fn time(&mut self, name: &'static str, unix_ns: u64) -> &mut Self {
        self.quoted(name).time(unix_ns).raw("\"");
        self
    }

    #[inline(always)]
    fn id(&mut self, name: &'static str, of: Probe) -> &mut Self {
        self.quoted(name).id(&of.to_id()).raw("\"");
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn written(write: impl FnOnce(&mut Object<'_>)) -> Value {
        let mut into = Vec::new();
        let mut object = Object::begin(&mut into);
        write(&mut object);
        object.end();
        serde_json::from_slice(&into).expect("JSON")
    }

    #[test]
    fn a_message_is_an_object() {
        assert_eq!(written(|_| ()), json!({}));
        let probe = Probe { run_tag: 0, topic: 0, symbol: 0, sequence: 0, intended_unix_ns: 0 };
        let object = written(|out| {
            out.plain("a", "x-1")
                .joined("b", [Part::Plain("ord-"), Part::Whole(7), Part::Plain("")])
                .whole("c", 8)
                .decimal("d", -15_000)
                .time("e", 1_000)
                .id("f", probe);
        });
        let id = "00000000-0000-7000-8000-000000000000";
        let time = "1970-01-01T00:00:00.000001Z";
        assert_eq!(object, json!({"a": "x-1", "b": "ord-7", "c": 8, "d": -1.5, "e": time, "f": id}));
    }

    proptest! {
        #[test]
        fn any_text_comes_back(value in "\\PC{0,20}", odd: String) {
            let [a, b] = [&value, &odd].map(|text| AnyText::new(text.clone()));
            let object = written(|out| _ = out.text("a", &a).text("b", &b));
            prop_assert_eq!(object, json!({"a": value, "b": odd}));
        }
    }
}
