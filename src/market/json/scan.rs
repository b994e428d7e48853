//! A small scanner over JSON bytes: finds the ids of an envelope without a value tree and without recursion.

use std::ops::Range;

/// What was found at the outer level of a JSON object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Found<'a> {
    /// The first `eventId`: the text of a string, empty for any other value.
    pub(super) event_id: Option<&'a [u8]>,
    /// The first `correlationId`, in the same way.
    pub(super) correlation_id: Option<&'a [u8]>,
    /// The bytes are one closed object, surrounded by white space at most, with every member that the envelope
    /// must have. The content of nested values and scalars is not checked.
    pub(super) complete: bool,
}

/// The members that every envelope has.
const MEMBERS: [&[u8]; 6] = [b"eventId", b"eventType", b"timestamp", b"version", b"source", b"payload"];

/// Scans a payload; ids found before an error are kept.
pub(super) fn scan(payload: &[u8]) -> Found<'_> {
    let mut found = Found::default();
    let mut rest = Rest(payload);
    let seen = rest.object(&mut found);
    found.complete = seen == Some([true; MEMBERS.len()]) && rest.peek().is_none();
    found
}

/// Where the value of a member of an object, or of an item of an array by its number, stands in a JSON text: the first one of
/// that name. The text is known to be JSON.
pub(in crate::market) fn value_at(text: &[u8], name: &str) -> Option<Range<usize>> {
    let mut rest = Rest(text);
    let is_object = rest.take(b'{').is_some();
    if !is_object {
        rest.take(b'[')?;
    }
    let mut item = 0_usize;
    loop {
        let wanted = if is_object {
            rest.peek()?;
            let start = rest.0;
            let length = rest.string()?.len() + 2;
            rest.take(b':')?;
            serde_json::from_slice::<String>(start.get(..length)?).is_ok_and(|key| key == name)
        } else {
            item += 1;
            name.parse() == Ok(item - 1)
        };
        rest.peek()?;
        let from = text.len() - rest.0.len();
        rest.value()?;
        if wanted {
            return Some(from..text.len() - rest.0.len());
        }
        rest.take(b',')?;
    }
}

struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    /// Skips white space and returns the next byte.
    fn peek(&mut self) -> Option<u8> {
        let spaces = self.0.iter().take_while(|byte| b" \t\r\n".contains(byte)).count();
        self.0 = &self.0[spaces..];
        self.0.first().copied()
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.0 = &self.0[1..])
    }

    /// Skips the outer object and returns which of [`MEMBERS`] it has.
    fn object(&mut self, found: &mut Found<'a>) -> Option<[bool; MEMBERS.len()]> {
        let mut seen = [false; MEMBERS.len()];
        self.take(b'{')?;
        loop {
            let key = self.string()?;
            self.take(b':')?;
            let value = self.value()?;
            match key {
                b"eventId" => found.event_id = found.event_id.or(Some(value)),
                b"correlationId" => found.correlation_id = found.correlation_id.or(Some(value)),
                _ => {}
            }
            if let Some(member) = MEMBERS.iter().position(|&member| member == key) {
                seen[member] = true;
            }
            if self.take(b'}').is_some() {
                return Some(seen);
            }
            self.take(b',')?;
        }
    }

    /// A string's bytes between its quotes, with escapes unchanged.
    fn string(&mut self) -> Option<&'a [u8]> {
        self.take(b'"')?;
        let mut escaped = false;
        let length = self.0.iter().position(|&byte| {
            let ends = byte == b'"' && !escaped;
            escaped = byte == b'\\' && !escaped;
            ends
        })?;
        let text = &self.0[..length];
        self.0 = &self.0[length + 1..];
        Some(text)
    }

    /// Skips a value; returns the text of a string, and an empty one for any other value.
    fn value(&mut self) -> Option<&'a [u8]> {
        match self.peek()? {
            b'"' => self.string(),
            b'{' | b'[' => self.nested().map(|()| &[][..]),
            _ => {
                let length = self.0.iter().take_while(|byte| !b",:{}[]\" \t\r\n".contains(byte)).count();
                self.0 = &self.0[length..];
                (length > 0).then_some(&[])
            }
        }
    }

    /// Skips an object or array by counting brackets.
    fn nested(&mut self) -> Option<()> {
        let mut depth = 0_usize;
        loop {
            match self.peek()? {
                b'"' => {
                    self.string()?;
                    continue;
                }
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth -= 1,
                _ => {}
            }
            self.0 = &self.0[1..];
            if depth == 0 {
                return Some(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ids(text: &str) -> (Option<&str>, Option<&str>, bool) {
        let found = scan(text.as_bytes());
        let text = |bytes| std::str::from_utf8(bytes).expect("UTF-8");
        (found.event_id.map(text), found.correlation_id.map(text), found.complete)
    }

    const REST: &str = r#""eventType":"","timestamp":"","version":"","source":"","payload":{}"#;

    #[test]
    fn members_are_found_in_any_order_and_only_at_the_outer_level() {
        let text = r#" { "payload" : {"eventId":"inner","x":[1,{"y":"}\"]"}]}, "n":-1.5e3, "t" : true,
            "correlationId":"c" , "version":"", "source":"\\", "timestamp":"", "eventType":"", "eventId":"e" } "#;
        assert_eq!(ids(text), (Some("e"), Some("c"), true));
        assert_eq!(ids(&format!(r#"{{"eventId":1,{REST}}}"#)), (Some(""), None, true));
        assert_eq!(ids(&format!(r#"[{{"eventId":"e",{REST}}}]"#)), (None, None, false));
        assert_eq!(ids(r#"{"eventId":"e","correlationId":"c"}"#), (Some("e"), Some("c"), false));
    }

    #[test]
    fn a_value_is_found_by_its_name_or_number() {
        let text = r#" { "a" : [ 1, {"x":"y"} , "\"," ] , "q\"\u0041" : "z", "a": 2, "e": [], "n": -1.5 } "#;
        let at = |text: &'static str, name| value_at(text.as_bytes(), name).map(|at| &text[at]);
        assert_eq!(at(text, "a"), Some(r#"[ 1, {"x":"y"} , "\"," ]"#));
        assert_eq!((at(text, "q\"A"), at(text, "n"), at(text, "x")), (Some("\"z\""), Some("-1.5"), None));
        let items = r#"[ 1, {"x":"y"} , "\"," ]"#;
        assert_eq!((at(items, "1"), at(items, "2")), (Some(r#"{"x":"y"}"#), Some(r#""\",""#)));
        assert_eq!((at(items, "3"), at(items, "a"), at("7", "0"), at("[]", "0")), (None, None, None, None));
    }

    #[test]
    fn a_partial_object_is_not_complete() {
        let start = format!(r#"{{"eventId":"e",{REST}"#);
        assert_eq!(ids(&format!("{start}}}")), (Some("e"), None, true));
        for end in ["", "}x", ",}", r#" "a":1}"#, r#","a":}"#, r#","a":[[]}"#, r#","a":"\"}"#, "}{}"] {
            assert_eq!(ids(&format!("{start}{end}")), (Some("e"), None, false), "{end}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = scan(&bytes);
        }

        #[test]
        fn no_near_json_panics(text in r#"(\{|"a":|"|\\|\[|\]|\}|,|1|true| |"eventId":"x"){0,40}"#) {
            let _ = scan(text.as_bytes());
        }

        #[test]
        fn every_json_envelope_is_complete(text in "\\PC{0,12}", n: i64, x: f64, flag: bool) {
            let nested = serde_json::json!([text, { &text: [n, x, flag, null] }, []]);
            let mut event = serde_json::json!({ "a": n, "b": x, "c": flag, "d": null, "e": &nested });
            for member in MEMBERS {
                event[std::str::from_utf8(member).expect("ASCII")] = nested.clone();
            }
            prop_assert!(scan(event.to_string().as_bytes()).complete);
            prop_assert!(scan(serde_json::to_string_pretty(&event).expect("JSON").as_bytes()).complete);
        }
    }
}
