//! How long brokers asked a client to wait for its quota (`throttle_time_ms`), by librdkafka's statistics.

use crate::num;
use crate::plan::Ns;

/// How often the client gives its statistics.
pub(super) const INTERVAL_MS: &str = "500";
const INTERVAL_NS: Ns = 500_000_000;

/// What brokers asked for in one interval, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Asked {
    pub(super) longest: u64,
    pub(super) sum: u64,
}

/// Reads it from the statistics: the largest of any broker. Topics, which may be many, come after the brokers and are not
/// looked at.
pub(super) fn asked(statistics: &[u8]) -> Asked {
    let mut asked = Asked::default();
    let mut rest = statistics;
    while let Some(at) = rest.iter().position(|&byte| byte == b'"') {
        rest = &rest[at + 1..];
        if rest.starts_with(b"topics\":") {
            break;
        }
        let Some(window) = rest.strip_prefix(b"throttle\":") else { continue };
        asked.longest = asked.longest.max(field(window, b"\"max\":"));
        asked.sum = asked.sum.max(field(window, b"\"sum\":"));
    }
    asked
}

/// The number after a name, within the object that begins here.
fn field(window: &[u8], name: &[u8]) -> u64 {
    let end = window.iter().position(|&byte| byte == b'}').unwrap_or(window.len());
    let Some(at) = window[..end].windows(name.len()).position(|part| part == name) else { return 0 };
    let digits = window[at + name.len()..end].iter().skip_while(|byte| **byte == b' ');
    let digits = digits.take_while(|byte| byte.is_ascii_digit());
    digits.fold(0, |value: u64, digit| value.saturating_mul(10).saturating_add(u64::from(digit - b'0')))
}

/// What begins or ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// From this moment on the client is held back; a broker asked it to wait for so many milliseconds.
    Begins { at: Ns, longest: u64 },
    /// From this moment on it is not; brokers asked for so many milliseconds in all.
    Ends { at: Ns, sum: u64 },
}

/// Is a client held back?
#[derive(Debug, Default)]
pub(super) struct Throttle {
    until: Option<Ns>,
    sum: u64,
}

impl Throttle {
    /// Takes in what was asked for in the interval that ends now.
    pub(super) fn take(&mut self, asked: Asked, now: Ns) -> Option<Step> {
        self.sum = self.sum.saturating_add(asked.sum);
        match (self.until, asked.longest) {
            (Some(until), 0) if now > until => {
                self.until = None;
                Some(Step::Ends { at: until, sum: std::mem::take(&mut self.sum) })
            }
            (_, 0) => None,
            (before, longest) => {
                self.until = Some(now.saturating_add(longest.saturating_mul(1_000_000)));
                let at = now.saturating_sub(INTERVAL_NS);
                before.is_none().then_some(Step::Begins { at, longest })
            }
        }
    }
}

/// Milliseconds as seconds, for a text.
pub(super) fn seconds(milliseconds: u64) -> String {
    format!("{:.1} s", num::f64_of(milliseconds) / 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_are_read_up_to_the_topics() {
        let broker = |max: u64, sum: u64| {
            format!(
                "\"rtt\": {{ \"min\":1, \"max\":99, \"sum\":9}},\"throttle\": {{ \"min\":0, \"max\":{max}, \"avg\":3, \
                 \"sum\":{sum}, \"stddev\": 0, \"cnt\":2}},\"req\":{{}}"
            )
        };
        let text = format!(
            "{{ \"name\": \"x\", \"brokers\":{{ \"a\": {{ {} }}, \"b\": {{ {} }} }}, \"topics\":{{ {} }} }}",
            broker(12, 40),
            broker(812, 9),
            broker(5000, 5000)
        );
        assert_eq!(asked(text.as_bytes()), Asked { longest: 812, sum: 40 });
        for none in ["", "{}", "\"throttle\":", "\"throttle\": { \"max\": x }"] {
            assert_eq!(asked(none.as_bytes()), Asked::default(), "{none}");
        }
    }

    #[test]
    fn a_client_is_held_back_until_the_last_wait_is_over() {
        const MS: Ns = 1_000_000;
        let mut throttle = Throttle::default();
        let none = Asked::default();
        let some = |longest| Asked { longest, sum: longest };
        assert_eq!(throttle.take(none, 500 * MS), None);
        assert_eq!(throttle.take(some(900), 1000 * MS), Some(Step::Begins { at: 500 * MS, longest: 900 }));
        assert_eq!(throttle.take(none, 1500 * MS), None, "it waits still");
        assert_eq!(throttle.take(some(100), 2000 * MS), None);
        assert_eq!(throttle.take(none, 2500 * MS), Some(Step::Ends { at: 2100 * MS, sum: 1000 }));
        assert_eq!(throttle.take(none, 3000 * MS), None);
    }
}
