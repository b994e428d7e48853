//! How long brokers made a client wait for its quota (`throttle_time_ms`), from librdkafka's statistics.

use crate::num;
use crate::plan::Ns;

/// Interval of the client's statistics.
pub(super) const INTERVAL_MS: &str = "500";
const INTERVAL_NS: Ns = 500_000_000;

/// Throttle times in one interval, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Asked {
    pub(super) longest: u64,
    pub(super) sum: u64,
}

/// Parses the statistics and returns the largest value of any broker. Topics, of which there may be many, come after
/// the brokers and are not parsed.
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

/// Returns the number after a name, within the object that begins here.
fn field(window: &[u8], name: &[u8]) -> u64 {
    let end = window.iter().position(|&byte| byte == b'}').unwrap_or(window.len());
    let Some(at) = window[..end].windows(name.len()).position(|part| part == name) else { return 0 };
    let digits = window[at + name.len()..end].iter().skip_while(|byte| **byte == b' ');
    let digits = digits.take_while(|byte| byte.is_ascii_digit());
    digits.fold(0, |value: u64, digit| value.saturating_mul(10).saturating_add(u64::from(digit - b'0')))
}

/// The start or end of throttling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// The client is throttled from `at`; the longest wait that a broker requested, in milliseconds.
    Begins { at: Ns, longest: u64 },
    /// The client is no longer throttled from `at`; the sum of the requested waits, in milliseconds.
    Ends { at: Ns, sum: u64 },
}

/// Tracks whether a client is throttled.
#[derive(Debug, Default)]
pub(super) struct Throttle {
    until: Option<Ns>,
    sum: u64,
}

impl Throttle {
    /// Processes the throttle times of the interval that ends now.
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

/// Formats milliseconds as seconds.
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
