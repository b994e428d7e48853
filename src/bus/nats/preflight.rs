//! Checks before any load whether the server and the account support what the plan requires.

use async_nats::ServerInfo;
use async_nats::jetstream::account::{Account, Limits};
use async_nats::jetstream::context::AccountErrorKind;
use async_nats::jetstream::{Context, ErrorCode};

use super::target::{Target, environment};
use crate::bus::{BusError, BusFacts};
use crate::num::{self, show};
use crate::plan::{AckMode, Compression, Delivery, Persist, Plan, Publish, Size, Storage};

/// Oldest server with several filters per consumer, metadata and subject transforms.
const OLDEST: (u64, u64) = (2, 10);
/// Oldest server with pinned consumers.
const OLDEST_PINNED: (u64, u64) = (2, 11);
/// Oldest server with fast ingest, and with a message that ends an atomic batch without being stored.
const OLDEST_BATCHES: (u64, u64) = (2, 14);
/// Bytes of an event besides its payload that count towards the broker's limits, with a margin.
const HEADER_BYTES: u64 = 128;

/// Checks the server and the account against the plan.
///
/// # Errors
/// When something is missing; names it and how to get it.
pub(super) async fn check(
    jetstream: &Context,
    server: &ServerInfo,
    plan: &Plan,
    durables: u64,
    volume_bytes: u64,
) -> Result<(), BusError> {
    check_version(server, plan)?;
    let largest = num::count(server.max_payload);
    let event = plan.market.event_size.bytes + if plan.bus.nats.msg_id { HEADER_BYTES } else { 0 };
    if event > largest {
        return Err(environment(
            &format!(
                "the server's max_payload is {}, and an event of this plan has {}",
                Size { bytes: largest },
                Size { bytes: event }
            ),
            "lower `market.event_size`, or raise `max_payload` in the server's configuration",
        ));
    }
    let account = account(jetstream, server).await?;
    check_account(&account, plan, durables, volume_bytes)
}

/// Returns the major and minor number of a version.
fn version(text: &str) -> (u64, u64) {
    let mut numbers = text.trim_start_matches('v').split('.').map(|n| n.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

fn check_version(server: &ServerInfo, plan: &Plan) -> Result<(), BusError> {
    let pinned = plan.groups.iter().any(|group| group.delivery == Delivery::Pinned);
    let oldest = if plan.bus.publish.in_batches() {
        OLDEST_BATCHES
    } else if pinned {
        OLDEST_PINNED
    } else {
        OLDEST
    };
    if version(&server.version) >= oldest {
        return Ok(());
    }
    Err(environment(
        &format!(
            "nats-server {} is older than {}.{}, which this plan needs",
            server.version, oldest.0, oldest.1
        ),
        "use a newer server, for example by `scripts/brokers.sh nats`",
    ))
}

async fn account(jetstream: &Context, server: &ServerInfo) -> Result<Account, BusError> {
    let off = |why: &str| {
        environment(
            &format!("the server {} has no JetStream for us: {why}", server.server_name),
            "start it with `-js` or a `jetstream {}` block, and enable JetStream for the account; where the account imports the \
             API of another one, name it by --js-api-prefix or --js-domain",
        )
    };
    jetstream.query_account().await.map_err(|error| match error.kind() {
        AccountErrorKind::JetStreamUnavailable => off("nobody answers its API"),
        AccountErrorKind::JetStream(api)
            if matches!(
                api.error_code(),
                ErrorCode::JETSTREAM_NOT_ENABLED_FOR_ACCOUNT | ErrorCode::JETSTREAM_NOT_ENABLED
            ) =>
        {
            off(&api.to_string())
        }
        // Without a JetStream responder, a request in a strict account gets no answer at all.
        AccountErrorKind::TimedOut if !server.jetstream => off("it is not enabled"),
        _ => environment(&format!("cannot ask for the JetStream account: {error}"), "see the server's log"),
    })
}

fn check_account(account: &Account, plan: &Plan, durables: u64, volume_bytes: u64) -> Result<(), BusError> {
    // An account with tiers has limits for each number of replicas.
    let tier = account.tiers.get(&format!("R{}", plan.bus.replicas));
    let (limits, streams) =
        tier.map_or((&account.limits, account.streams), |tier| (&tier.limits, tier.streams));
    let memory = plan.bus.storage == Storage::Memory;
    let (most, used, reserved) = match (memory, tier) {
        (true, None) => (limits.max_memory, account.memory, account.reserved_memory),
        (true, Some(t)) => (limits.max_memory, t.memory, t.reserved_memory),
        (false, None) => (limits.max_storage, account.storage, account.reserved_storage),
        (false, Some(t)) => (limits.max_storage, t.storage, t.reserved_storage),
    };
    if plan.bus.attach().is_none() {
        check_streams(limits, num::count(streams))?;
        check_stream_bytes(limits, plan)?;
    }
    check_consumers(limits, durables, plan.bus.audit)?;
    if plan.bus.ack != AckMode::None {
        check_ack_pending(limits, plan)?;
    }
    let Some(most) = most.and_then(|most| u64::try_from(most).ok()) else { return Ok(()) };
    let free = most.saturating_sub(used.max(reserved));
    // Without tiers the limit covers all replicas together.
    let copies = if tier.is_some() { 1 } else { u64::from(plan.bus.replicas.max(1)) };
    let needed = volume_bytes.max(plan.bus.max_bytes.bytes).saturating_mul(copies);
    if needed > free {
        let kind = if memory { "memory" } else { "file" };
        return Err(environment(
            &format!(
                "the account has {} of its {kind} store free, and this plan needs {}",
                Size { bytes: free },
                Size { bytes: needed }
            ),
            "lower rate, duration, `market.event_size` or `bus.max_bytes`, or raise the account's limit",
        ));
    }
    Ok(())
}

/// Returns a limit of an account. The server sends -1 for "no limit"; some old ones send 0.
fn limit(limit: Option<i64>) -> Option<u64> {
    limit.and_then(|most| u64::try_from(most).ok()).filter(|most| *most > 0)
}

fn check_streams(limits: &Limits, used: u64) -> Result<(), BusError> {
    match limit(limits.max_streams) {
        Some(most) if used >= most => Err(environment(
            &format!("the account may have {most} streams and has {used}; this run needs 1 more"),
            &format!(
                "remove a stream that is not needed, or raise the account's `max_streams` to {}",
                used + 1
            ),
        )),
        _ => Ok(()),
    }
}

/// Checks the limit on consumers, which is per stream: the run's stream has those of its groups and that of the audit.
fn check_consumers(limits: &Limits, durables: u64, audit: bool) -> Result<(), BusError> {
    let needed = durables + u64::from(audit);
    let Some(most) = limit(limits.max_consumers).filter(|most| *most < needed) else { return Ok(()) };
    let with_audit = if audit { " and 1 for the audit" } else { "" };
    let fewer = if audit && durables <= most {
        "set `bus.audit = false` (then nothing says whether what was confirmed is stored)"
    } else {
        "use fewer groups, or fewer members where symbols are partitioned"
    };
    Err(environment(
        &format!(
            "the account may have {} of a stream, and this run needs {needed}: {durables} for its groups{with_audit}",
            show::several(most, "consumer")
        ),
        &format!("raise the account's `max_consumers` to {needed}, or {fewer}"),
    ))
}

/// Checks the plan's `max_bytes`: an account may require one for every stream, and may limit its size.
fn check_stream_bytes(limits: &Limits, plan: &Plan) -> Result<(), BusError> {
    let asked = plan.bus.max_bytes.bytes;
    if limits.max_bytes_required && asked == 0 {
        return Err(environment(
            "the account wants a bound on the bytes of every stream, and the plan has none",
            "set `bus.max_bytes`",
        ));
    }
    let most = match plan.bus.storage {
        Storage::Memory => limit(limits.memory_max_stream_bytes),
        Storage::File => limit(limits.storage_max_stream_bytes),
    };
    match most {
        Some(most) if asked > most => Err(environment(
            &format!(
                "the account allows a stream {} at most, and the plan asks for {}",
                Size { bytes: most },
                Size { bytes: asked }
            ),
            "lower `bus.max_bytes`, or raise the account's limit on a stream's bytes",
        )),
        _ => Ok(()),
    }
}

fn check_ack_pending(limits: &Limits, plan: &Plan) -> Result<(), BusError> {
    match limit(Some(limits.max_ack_pending)) {
        Some(most) if u64::from(plan.bus.nats.max_ack_pending) > most => Err(environment(
            &format!(
                "the account allows {most} unacknowledged messages, and the plan asks for {}",
                plan.bus.nats.max_ack_pending
            ),
            &format!("set `bus.nats.max_ack_pending = {most}`, or raise the account's limit"),
        )),
        _ => Ok(()),
    }
}

/// Returns the facts about the broker; `sync_always` is known for a server whose configuration is known.
pub(super) fn facts(
    server: &ServerInfo,
    target: &Target,
    subjects: &str,
    plan: &Plan,
    sync_always: Option<bool>,
) -> BusFacts {
    let bus = &plan.bus;
    let on_off = |on: bool| if on { "on" } else { "off" }.to_owned();
    let mut settings = vec![
        ("server".to_owned(), target.label.clone()),
        ("server_name".to_owned(), server.server_name.clone()),
    ];
    let mut set = |name: &str, value: String| settings.push((name.to_owned(), value));
    if let Some(cluster) = &server.cluster {
        set("cluster", cluster.clone());
    }
    // The server's INFO is unauthenticated before the handshake, so the target's own requirement counts too.
    set("tls", on_off(server.tls_required || target.requires_tls()));
    set("subjects", subjects.to_owned());
    set("storage", if bus.storage == Storage::Memory { "memory" } else { "file" }.to_owned());
    set("replicas", bus.replicas.to_string());
    set("compression", if bus.nats.compression == Compression::S2 { "s2" } else { "none" }.to_owned());
    if bus.nats.persist == Persist::Async {
        set("persist_mode", "async".to_owned());
    }
    set("discard", if bus.nats.discard.is_new() { "new" } else { "old" }.to_owned());
    let publish = match bus.publish {
        Publish::Async => "async".to_owned(),
        Publish::Sync => "sync".to_owned(),
        Publish::Fast => format!("fast ingest, {} events an answer", bus.nats.batch),
        Publish::Atomic => format!("atomic batches of {}", bus.nats.batch),
    };
    set("publish", publish);
    set("msg_id", on_off(bus.nats.msg_id));
    BusFacts {
        product: "nats-server".to_owned(),
        version: server.version.clone(),
        durability: durability(plan, sync_always),
        max_payload: num::count(server.max_payload),
        settings,
        made: None,
    }
}

/// Returns what an acknowledgement guarantees. A server writes before it acknowledges, and syncs to the disk every two
/// minutes unless `sync_interval` is `always`, which no client can see.
fn durability(plan: &Plan, sync_always: Option<bool>) -> String {
    let kept = match (plan.bus.storage, sync_always) {
        (Storage::Memory, _) => "memory",
        (Storage::File, _) if plan.bus.nats.persist == Persist::Async => "memory (written to the file later)",
        (Storage::File, Some(true)) => "fsync",
        (Storage::File, Some(false)) => "page cache",
        (Storage::File, None) => "page cache (sync interval unknown)",
    };
    match plan.bus.replicas {
        0 | 1 => kept.to_owned(),
        copies => format!("replicated {}/{copies}, {kept}", copies / 2 + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(json: serde_json::Value) -> Limits {
        let mut all = serde_json::json!({
            "max_memory": -1, "max_storage": -1, "max_streams": -1, "max_consumers": -1, "max_bytes_required": false,
            "max_ack_pending": -1, "memory_max_stream_bytes": -1, "storage_max_stream_bytes": -1,
        });
        if let (Some(all), serde_json::Value::Object(some)) = (all.as_object_mut(), json) {
            all.extend(some);
        }
        serde_json::from_value(all).expect("limits")
    }

    #[test]
    fn the_audit_has_a_consumer_of_its_own() {
        let check = |most: i64, durables, audit| {
            let limits = limits(serde_json::json!({ "max_consumers": most }));
            check_consumers(&limits, durables, audit).map_err(|error| error.to_string())
        };
        assert_eq!((check(2, 1, true), check(1, 1, false), check(-1, 9, true)), (Ok(()), Ok(()), Ok(())));
        let error = check(1, 1, true).unwrap_err();
        assert!(error.contains("may have 1 consumer of a stream, and this run needs 2: 1 for"), "{error}");
        assert!(error.contains("`max_consumers` to 2") && error.contains("`bus.audit = false`"), "{error}");
        let error = check(1, 3, true).unwrap_err();
        assert!(error.contains("needs 4") && !error.contains("bus.audit"), "{error}");
    }

    #[test]
    fn streams_are_counted_and_said_with_what_is_needed() {
        let limits = limits(serde_json::json!({ "max_streams": 2 }));
        assert!(check_streams(&limits, 1).is_ok());
        let error = check_streams(&limits, 2).unwrap_err().to_string();
        assert!(
            error.contains("may have 2 streams and has 2") && error.contains("`max_streams` to 3"),
            "{error}"
        );
    }

    #[test]
    fn versions_compare_by_number() {
        assert_eq!(version("2.15.1"), (2, 15));
        assert_eq!(version("v2.9.0-beta.1"), (2, 9));
        assert_eq!(version("nonsense"), (0, 0));
        assert!(version("2.9.25") < OLDEST && version("2.10.0") >= OLDEST);
    }
}
