//! Sample events: the probe replaces the text of one field, and everything else is sent unchanged.

use super::fields::Field;
use super::template::{Fault, Piece, literal, wrong};
use crate::market::json::value_at;

/// Splits the path of a field into names: `meta.id`, or a JSON pointer (RFC 6901), `/meta/id`.
fn names(path: &str) -> Vec<String> {
    match path.strip_prefix('/') {
        Some(pointer) => pointer.split('/').map(|name| name.replace("~1", "/").replace("~0", "~")).collect(),
        None => path.split('.').map(str::to_owned).collect(),
    }
}

/// Splits a sample into pieces; the probe replaces its field at `path`.
pub(super) fn pieces(sample: &str, path: &str) -> Result<Vec<Piece>, Fault> {
    if let Some(fault) = wrong(sample) {
        return Err(fault);
    }
    let mut place = 0..sample.len();
    for name in names(path) {
        let inner = value_at(&sample.as_bytes()[place.clone()], &name);
        let Some(inner) = inner else {
            let message = format!(
                "no field `{path}`: there is no `{name}`; expected the path of a text, `meta.id` or `/meta/id`"
            );
            return Err(Fault::new(place, message));
        };
        place = place.start + inner.start..place.start + inner.end;
    }
    let text = &sample[place.clone()];
    if !text.starts_with('"') {
        let message = format!("`{path}` is not a text; expected one, since a UUID takes its place");
        return Err(Fault::new(place, message));
    }
    let id = Piece::Value { field: Field::EventId, quoted: true };
    let parts = [literal(&sample[..place.start]), Some(id), literal(&sample[place.end..])];
    Ok(parts.into_iter().flatten().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_probe_takes_the_place_of_a_text() {
        let sample = r#"{"a":{"id":"x\"y"},"id":"z","b.c":[0,{"d":"e"}]}"#;
        let around = |path: &str| {
            let pieces = pieces(sample, path).unwrap();
            let [
                Piece::Text(before),
                Piece::Value { field: Field::EventId, quoted: true },
                Piece::Text(after),
            ] = &pieces[..]
            else {
                panic!("{pieces:?}")
            };
            format!("{}ID{}", String::from_utf8_lossy(before), String::from_utf8_lossy(after))
        };
        assert_eq!(around("a.id"), r#"{"a":{"id":ID},"id":"z","b.c":[0,{"d":"e"}]}"#);
        assert_eq!(around("id"), r#"{"a":{"id":"x\"y"},"id":ID,"b.c":[0,{"d":"e"}]}"#);
        assert_eq!(around("/b.c/1/d"), r#"{"a":{"id":"x\"y"},"id":"z","b.c":[0,{"d":ID}]}"#);
    }

    #[test]
    fn what_has_no_such_text_is_refused() {
        for (sample, path, said) in [
            (r#"{"a":1}"#, "a", "is not a text"),
            (r#"{"a":1}"#, "b.c", "there is no `b`"),
            (r#"{"a":{"b":"x"}}"#, "a.c", "there is no `c`"),
            (r#"{"a":"x""#, "a", "not JSON"),
            ("7", "a", "there is no `a`"),
            (r#"{"a":"x"} {"#, "a", "not JSON"),
        ] {
            let fault = pieces(sample, path).unwrap_err();
            assert!(fault.message.contains(said), "{sample}: {fault:?}");
        }
    }
}
