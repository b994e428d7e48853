//! Sanitises text from outside before it is shown: plain, on one line, without credentials.
//!
//! A broker's version or error, a record's texts and a mark's detail come from outside. They must not move the cursor
//! on a terminal, must not be commands in a CI log, and must never contain a secret.

use std::fmt::Write as _;

/// Replaces the user information of a URL.
const MASK: &str = "***";

/// Is it a control character, or does it hide or reverse text?
fn hides(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
        || matches!(c, '\u{feff}' | '\u{fffe}' | '\u{ffff}' | '\u{ad}' | '\u{61c}' | '\u{180e}')
}

/// Splits `##`, since `##[error]`, `##vso[…]` and `##teamcity[…]` are CI commands anywhere in a line.
fn parted(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut hashes = 0;
    for c in text.chars() {
        if hashes > 1 && (c == '[' || c.is_alphanumeric()) {
            out.pop();
            out.push_str(" #");
        }
        hashes = if c == '#' { hashes + 1 } else { 0 };
        out.push(c);
    }
    out
}

/// Sanitises a text to one line: white space becomes one space; control characters and characters that reverse the
/// writing direction become a replacement character.
#[must_use]
pub fn plain(text: &str) -> String {
    let words: Vec<String> = text.split_whitespace().map(|word| word.replace(hides, "\u{fffd}")).collect();
    parted(&words.join(" "))
}

/// Sanitises a text of several lines: as [`plain`], but keeps lines and spaces. No line starts like a CI command.
#[must_use]
pub fn lines(text: &str) -> String {
    let shown = |line: &str| {
        let line = line.strip_suffix('\r').unwrap_or(line);
        let hidden = |c: char| hides(c) && c != '\t';
        let line = parted(&line.replace(hidden, "\u{fffd}"));
        let (indent, words) = line.split_at(line.len() - line.trim_start().len());
        match words.strip_prefix("::") {
            Some(rest) => format!("{indent}: :{rest}"),
            None => line,
        }
    };
    text.split('\n').map(shown).collect::<Vec<_>>().join("\n")
}

/// Escapes characters in JSON text that a terminal or CI system must not print; the document stays the same.
#[must_use]
pub fn json(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut before = ' ';
    for c in text.chars() {
        // Outside of strings, JSON contains neither.
        if (hides(c) && c != '\n') || (c == '#' && before == '#') {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(c);
        }
        before = c;
    }
    out
}

/// Sanitises a text of several lines for reading and copying: unprintable characters become TOML escapes.
#[must_use]
pub fn source(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if hides(c) && c != '\n' {
            let _ = write!(out, "\\u{:04X}", u32::from(c));
        } else {
            out.push(c);
        }
    }
    out
}

/// Is it a list of hosts: `host`, `host:4222`, `[::1]:4222`, separated by commas, with or without schemes? Text after a
/// colon that is not a number is not a port, but may be a password.
fn is_hosts(text: &str) -> bool {
    let host = |given: &str| {
        let given = given.trim();
        let given = given.split_once("://").map_or(given, |(_, rest)| rest);
        // Kafka's client names its connections `host:9092/1` and `host:9092/bootstrap`.
        let (given, path) = given.split_once('/').unwrap_or((given, ""));
        let named = path == "bootstrap" || path.chars().all(|c| c.is_ascii_digit());
        let (name, port) = match given.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((name, rest)) => (name, rest.strip_prefix(':')),
            None => given.split_once(':').map_or((given, None), |(name, port)| (name, Some(port))),
        };
        let legal = |c: char| c.is_ascii_alphanumeric() || ".-_:".contains(c);
        named && name.chars().all(legal)
            // Hints say `HOST:PORT`.
            && port.is_none_or(|port| port == "PORT" || port.parse::<u16>().is_ok())
    };
    text.split(',').all(host)
}

/// An address as given, without user information, whether or not it is a valid URL. If a possible secret cannot be
/// separated, nothing is shown.
#[must_use]
pub fn address(text: &str) -> String {
    // A container image may have a digest after an `@`, but no user.
    if text.starts_with("container:") {
        return text.to_owned();
    }
    let (head, rest) = text.split_once("://").map_or(("", text), |(scheme, rest)| (scheme, rest));
    let scheme = if text.contains("://") && is_hosts(head) {
        format!("{head}://")
    } else if text.contains("://") {
        return MASK.to_owned();
    } else {
        String::new()
    };
    match rest.rsplit_once('@') {
        Some((_, hosts)) if is_hosts(hosts) => format!("{scheme}{MASK}@{hosts}"),
        None if is_hosts(rest) || (scheme.is_empty() && !rest.contains(':')) => text.to_owned(),
        _ => format!("{scheme}{MASK}"),
    }
}

/// Does this character end a URL within a text?
fn ends_url(c: char) -> bool {
    c.is_whitespace() || "\"'`<>()".contains(c)
}

/// Masks the user information of all URLs in a text.
#[must_use]
pub fn masked(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("://") {
        out.push_str(before);
        out.push_str("://");
        let line = after.split('\n').next().unwrap_or_default();
        let url = line.split(ends_url).next().unwrap_or_default();
        let web = ["http", "https", "file", "unix"].iter().any(|scheme| before.ends_with(scheme));
        let open = web || is_hosts(url.trim_end_matches(|c: char| !c.is_alphanumeric() && c != ']'));
        // A password may contain spaces and quotes: rather mask too much of the line than leave a part of it.
        let secret = if web { url.rfind('@') } else { line.rfind('@') };
        let (shown, end) = match secret {
            Some(at) => (MASK, at),
            None if open => (url, url.len()),
            None => (MASK, url.len()),
        };
        out.push_str(shown);
        rest = after.get(end..).unwrap_or_default();
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_no_command_and_moves_no_cursor() {
        for (text, expected) in [
            ("a\n::error::x", "a\n: :error::x"),
            ("  ::add-mask::x\r\nb", "  : :add-mask::x\nb"),
            ("\u{1b}]0;title\u{7}", "\u{fffd}]0;title\u{fffd}"),
            ("x ##[error]y ##vso[a] ##teamcity[b", "x # #[error]y # #vso[a] # #teamcity[b"),
            ("a\u{9b}2J\u{202e}b", "a\u{fffd}2J\u{fffd}b"),
            ("## heading ### two", "## heading ### two"),
        ] {
            assert_eq!(lines(text), expected, "{text:?}");
        }
        assert_eq!(plain("a\n::error::x\r\u{1b}[1m ##[z"), "a ::error::x \u{fffd}[1m # #[z");
    }

    #[test]
    fn json_is_the_same_document() {
        let text = serde_json::to_string_pretty(&["\u{9b}1m\u{202e}", "##[error]", "\u{1b}\n::x"]).unwrap();
        let shown = json(&text);
        assert!(!shown.contains("##[") && !shown.chars().any(|c| hides(c) && c != '\n'), "{shown}");
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&shown).unwrap(),
            serde_json::from_str::<serde_json::Value>(&text).unwrap()
        );
    }

    #[test]
    fn addresses_are_shown_without_what_may_be_a_secret() {
        for (text, expected) in [
            ("nats://u:s3cret@host:4222", "nats://***@host:4222"),
            ("nats://u:s3/#?%cret@host", "nats://***@host"),
            ("nats://u:s3@cret@[::1]:1", "nats://***@[::1]:1"),
            ("nats://u:s3cret@a,tls://b:2", "nats://***@a,tls://b:2"),
            ("nats://user:s3cret", "nats://***"),
            ("nats://user:s3cret/x", "nats://***"),
            ("nats://u:s3cret@:1:2", "nats://***"),
            ("nats://u:s3cret@ho st", "nats://***"),
            ("user:s3cret", "***"),
            ("s3cret@host", "***@host"),
            ("u:s3cret://x@h", "***"),
            ("nats://host:4222", "nats://host:4222"),
            ("nats://a,b:1", "nats://a,b:1"),
            ("lokal", "lokal"),
            ("container:nats:2.15.1", "container:nats:2.15.1"),
            ("container:nats@sha256:abc", "container:nats@sha256:abc"),
        ] {
            assert_eq!(address(text), expected, "{text}");
        }
    }

    #[test]
    fn texts_lose_the_user_information_of_their_urls() {
        for (text, expected) in [
            ("side A: `nats://u:s3@cret@h` is bad", "side A: `nats://***@h` is bad"),
            ("at nats://u:s3 cret@h and kafka://x:y", "at nats://***@h and kafka://***"),
            ("nats://u:s3\"cret@h", "nats://***@h"),
            ("nats://u:12 34@h:1 x", "nats://***@h:1 x"),
            ("https://u:p@h/x and a@b", "https://***@h/x and a@b"),
            ("write nats://HOST:PORT, tls://h:1; or", "write nats://HOST:PORT, tls://h:1; or"),
            ("see https://docs.rs/x?y=1:z#a.", "see https://docs.rs/x?y=1:z#a."),
            ("sasl_ssl://h:9093/bootstrap: no", "sasl_ssl://h:9093/bootstrap: no"),
            ("plaintext://[::1]:9093/1: no", "plaintext://[::1]:9093/1: no"),
            ("nats://u:12/s3cret", "nats://***"),
            ("unix:///run/docker.sock is", "unix:///run/docker.sock is"),
            ("nats://t0ken@a,nats://u:p@b", "nats://***@b"),
            ("no url: a@b", "no url: a@b"),
        ] {
            assert_eq!(masked(text), expected, "{text}");
            assert_eq!(masked(expected), expected);
        }
    }
}
