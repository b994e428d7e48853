//! What is checked before any load: can this server and this account do what the plan asks for?

use async_nats::ServerInfo;
use async_nats::jetstream::account::{Account, Limits};
use async_nats::jetstream::context::AccountErrorKind;
use async_nats::jetstream::{Context, ErrorCode};

use super::target::{Target, environment};
use crate::bus::{BusError, BusFacts};
use crate::num;
use crate::plan::{Compression, Delivery, Plan, Publish, Size, Storage};

/// The oldest server with several filters a consumer, metadata and subject transforms.
const OLDEST: (u64, u64) = (2, 10);
/// The oldest server with pinned consumers.
const OLDEST_PINNED: (u64, u64) = (2, 11);
/// The oldest server with fast ingest, and with a message that ends an atomic batch and is not stored.
const OLDEST_BATCHES: (u64, u64) = (2, 14);
/// What an event has besides its payload in the broker's limits, with a margin.
const HEADER_BYTES: u64 = 128;

/// Checks server and account against the plan.
///
/// # Errors
/// Names what is missing and how to get it.
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

/// Major and minor number of a version.
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
        // Without a JetStream responder and with a strict account the request just dies.
        AccountErrorKind::TimedOut if !server.jetstream => off("it is not enabled"),
        _ => environment(&format!("cannot ask for the JetStream account: {error}"), "see the server's log"),
    })
}

fn check_account(account: &Account, plan: &Plan, durables: u64, volume_bytes: u64) -> Result<(), BusError> {
    // An account with tiers has its limits for each number of replicas.
    let tier = account.tiers.get(&format!("R{}", plan.bus.replicas));
    let (limits, streams, consumers) = tier
        .map_or((&account.limits, account.streams, account.consumers), |tier| {
            (&tier.limits, tier.streams, tier.consumers)
        });
    let memory = plan.bus.storage == Storage::Memory;
    let (most, used, reserved) = match (memory, tier) {
        (true, None) => (limits.max_memory, account.memory, account.reserved_memory),
        (true, Some(t)) => (limits.max_memory, t.memory, t.reserved_memory),
        (false, None) => (limits.max_storage, account.storage, account.reserved_storage),
        (false, Some(t)) => (limits.max_storage, t.storage, t.reserved_storage),
    };
    room("streams", limits.max_streams, num::count(streams), 1)?;
    room("consumers", limits.max_consumers, num::count(consumers), durables)?;
    check_ack_pending(limits, plan)?;
    let Some(most) = most.and_then(|most| u64::try_from(most).ok()) else { return Ok(()) };
    let free = most.saturating_sub(used.max(reserved));
    // Without tiers the limit is one of all copies together.
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

fn room(what: &str, most: Option<i64>, used: u64, wanted: u64) -> Result<(), BusError> {
    match most.and_then(|most| u64::try_from(most).ok()) {
        // Where it stands for "no limit" the server says -1; some old ones say 0.
        Some(most) if most > 0 && used + wanted > most => Err(environment(
            &format!("the account may have {most} {what} and has {used}; this run needs {wanted} more"),
            &format!("remove some, or raise the account's limit of {what}"),
        )),
        _ => Ok(()),
    }
}

fn check_ack_pending(limits: &Limits, plan: &Plan) -> Result<(), BusError> {
    match u64::try_from(limits.max_ack_pending) {
        Ok(most) if most > 0 && u64::from(plan.bus.nats.max_ack_pending) > most => Err(environment(
            &format!(
                "the account allows {most} unacknowledged messages, and the plan asks for {}",
                plan.bus.nats.max_ack_pending
            ),
            "lower `bus.nats.max_ack_pending`, or raise the account's limit",
        )),
        _ => Ok(()),
    }
}

/// What is known of the broker; `sync_always` says it of a server whose configuration we know.
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
    set("discard", "new".to_owned());
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
    }
}

/// What an acknowledgement means. A server writes before it acknowledges, and forces to the disk every two
/// minutes unless `sync_interval` is `always`, which no client can see.
fn durability(plan: &Plan, sync_always: Option<bool>) -> String {
    let kept = match (plan.bus.storage, sync_always) {
        (Storage::Memory, _) => "memory",
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

    #[test]
    fn versions_compare_by_number() {
        assert_eq!(version("2.15.1"), (2, 15));
        assert_eq!(version("v2.9.0-beta.1"), (2, 9));
        assert_eq!(version("nonsense"), (0, 0));
        assert!(version("2.9.25") < OLDEST && version("2.10.0") >= OLDEST);
    }
}
