//! Error codes of the `JetStream` API: what to do about each, and whether a retry may help. The codes are those of
//! nats-server's `server/errors.json`.

use async_nats::jetstream;

use crate::bus::BusError;
use crate::topology::Naming;

/// Returns the hint for a stream whose subjects overlap the run's.
pub(super) const fn other_subjects(naming: Naming) -> &'static str {
    match naming {
        Naming::Profile => {
            "leave out `--allow-prefix`, set another `topology.prefix`, or use another account or server"
        }
        Naming::Private => {
            "it takes every subject, the run's own too: use an account or server without such a stream"
        }
    }
}

/// Converts a request that the server refused into an error.
pub(super) fn refused(action: &str, error: &jetstream::Error, naming: Naming) -> BusError {
    let (problem, hint) = (format!("cannot {action}: {error}"), hint(error, naming).to_owned());
    if is_final(error) {
        BusError::Refused { problem, hint }
    } else {
        BusError::Environment { problem, hint }
    }
}

/// Returns whether a retry would get the same answer. It may not where a leader is missing, servers join or leave, or a
/// store is busy.
pub(super) fn is_final(error: &jetstream::Error) -> bool {
    const PASSING: [u64; 21] = [
        10_004, 10_005, 10_006, 10_007, 10_008, 10_009, 10_010, 10_012, 10_023, 10_040, 10_041, 10_044,
        10_048, 10_049, 10_051, 10_075, 10_118, 10_119, 10_194, 10_195, 10_202,
    ];
    !PASSING.contains(&error.error_code().0) && error.error_code().0 > 10_000
}

/// Returns the hint for a refusal.
fn hint(error: &jetstream::Error, naming: Naming) -> &'static str {
    match error.error_code().0 {
        10_002 => "lower `bus.max_bytes`, or raise the account's `max_file` or `max_mem`",
        10_005 => "set `bus.replicas` to at most the number of servers in the cluster that are up",
        10_006..=10_010 | 10_118 | 10_119 | 10_194 | 10_195 => {
            "wait until the cluster has a leader, then run again"
        }
        10_023 | 10_028 | 10_047 => {
            "lower `bus.max_bytes`, or give the server a larger store (`max_file`, `max_mem`)"
        }
        10_026 => {
            "raise the account's `max_consumers` (it counts for each stream: a run has a consumer for each group, or each \
             member where symbols are partitioned, and one for the audit), or set `bus.audit = false`"
        }
        10_027 => "remove a stream that is not needed, or raise the account's `max_streams`",
        10_035 | 10_039 | 10_076 => {
            "start the server with `-js` or a `jetstream {}` block, and enable JetStream for the account"
        }
        10_052 | 10_053 => invalid_stream(&error.to_string()),
        10_058 | 10_013 | 10_148 => "something has this run's names: run again",
        10_059 | 10_014 => "nobody else may touch the run's stream: see who removed it in the server's log",
        10_065 => other_subjects(naming),
        10_074 => {
            "set `bus.replicas = 1`, or use a cluster: a `cluster {}` block without `listen` or `port` makes none"
        }
        10_113 => "set `bus.max_bytes`: the account wants a bound of every stream",
        10_115 => "the server's limit on a request's time is shorter than a run needs: raise it",
        10_120 => "set `bus.replicas` to a number for which the account has a tier of limits",
        10_121 => {
            "lower `bus.nats.max_ack_pending`, or raise `max_ack_pending` in the server's `jetstream.limits`"
        }
        10_122 => "lower `bus.max_bytes`, or raise the account's limit on a stream's bytes",
        10_125 => {
            "lower `bus.nats.pull_batch`, or raise `max_request_batch` in the server's `jetstream.limits`"
        }
        10_126 | 10_134 => "set `bus.replicas` to the number of copies of the stream",
        10_153 => "raise the limit on `inactive_threshold`, or shorten the load",
        10_185 => "use a newer server",
        10_174 | 10_205 => "set `bus.publish = \"async\"`, or use a stream that takes batches",
        _ => "see the server's log",
    }
}

/// Returns the hint for a stream configuration that the server rejects as invalid.
fn invalid_stream(words: &str) -> &'static str {
    const WORDS: [(&str, &str); 6] = [
        (
            "duplicates window",
            "set `bus.max_age` to at most the server's limit on the window, and `bus.retry` to 30 s less than that",
        ),
        ("max age", "set another `bus.max_age`"),
        ("replicas", "set another `bus.replicas`"),
        ("compression", "set `bus.nats.compression = \"none\"`"),
        ("batch", "set `bus.publish = \"async\"`"),
        ("subject", "check `topology.prefix` and the topics"),
    ];
    WORDS.iter().find(|(word, _)| words.contains(word)).map_or("see the server's log", |(_, hint)| *hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(code: u64, words: &str) -> jetstream::Error {
        let json = serde_json::json!({ "code": 400, "err_code": code, "description": words });
        serde_json::from_value(json).expect("an error of the API")
    }

    #[test]
    fn each_limit_has_the_key_that_changes_what_is_asked_for() {
        for (code, words, key) in [
            (10_002, "resource limits exceeded for account", "`bus.max_bytes`"),
            (10_026, "maximum consumers limit reached", "`bus.audit = false`"),
            (10_027, "maximum number of streams reached", "`max_streams`"),
            (10_052, "duplicates window can not be larger then server limit of 30s", "`bus.max_age`"),
            (10_113, "account requires a stream config to have max bytes set", "`bus.max_bytes`"),
            (10_120, "no JetStream default or applicable tiered limit present", "`bus.replicas`"),
            (10_121, "consumer max ack pending exceeds system limit of 1000", "`bus.nats.max_ack_pending`"),
            (10_122, "stream max bytes exceeds account limit max stream bytes", "`bus.max_bytes`"),
            (10_125, "consumer max request batch exceeds server limit of 10", "`bus.nats.pull_batch`"),
        ] {
            let refusal = refused("do it", &error(code, words), Naming::Private);
            assert!(matches!(&refusal, BusError::Refused { hint, .. } if hint.contains(key)), "{refusal}");
            assert!(refusal.to_string().contains(words), "{refusal}");
        }
    }

    #[test]
    fn what_a_cluster_says_while_it_has_no_leader_is_asked_again() {
        let passing =
            refused("do it", &error(10_008, "JetStream system temporarily unavailable"), Naming::Private);
        assert!(matches!(passing, BusError::Environment { .. }));
    }
}
