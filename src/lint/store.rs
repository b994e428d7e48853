//! `JetStream`: whether it is there, where and how safely it keeps events, and how many it has room for.

use super::conf::{Entry, Item, Map, Value};
use super::duration;
use super::settings::size;
use super::{Finding, Level, Lint, claim};
use crate::num::show;

/// Time between forced writes where the file says nothing.
const DEFAULT_SYNC_NS: u64 = 120_000_000_000;
/// Default of `max_outstanding_catchup`, and a share of it that makes a catch-up slow.
const SLOW_CATCHUP: i64 = 8 << 20;

const MAX_FILE: [&str; 2] = ["max_file_store", "max_file"];
const MAX_MEMORY: [&str; 3] = ["max_memory_store", "max_mem_store", "max_mem"];

pub(super) fn check(lint: &mut Lint<'_>) {
    let (entry, on) = lint.settings.jetstream();
    if !on {
        missing(lint, entry);
        return;
    }
    let Some(entry) = entry else { return };
    sync(lint, entry);
    directory(lint, entry);
    rooms(lint, entry);
    others(lint);
    accounts(lint);
}

fn missing(lint: &mut Lint<'_>, entry: Option<&Entry>) {
    let what = match entry {
        Some(_) => "JetStream is disabled",
        None => "the file does not enable JetStream",
    };
    let why = format!(
        "without it the server keeps no event: {} needs streams, and nothing answers its API",
        lint.needs.named()
    );
    let instead = "add: jetstream { store_dir: /data/jetstream, max_file_store: 100GB }";
    let finding = Finding::new(Level::Fail, "no-jetstream", what, why, instead).breaks(claim::DURABLE);
    lint.add(entry.map(|entry| entry.place), finding);
}

/// When events are forced to the disk.
fn sync(lint: &mut Lint<'_>, jetstream: &Entry) {
    if lint.needs.in_memory {
        return;
    }
    let entry = lint.settings.stored(&["sync", "sync_interval"]);
    let always =
        entry.and_then(|entry| entry.item.text()).is_some_and(|text| text.eq_ignore_ascii_case("always"));
    let place = entry.unwrap_or(jetstream).place;
    let clustered = lint.settings.cluster_listener().is_some();
    if always {
        let what = "`sync_interval: always`: every event is forced to the disk before its acknowledgement";
        let why = "nothing acknowledged was lost in a power loss; one server stores as many events a second as the disk makes \
                   forced writes (about 4,900/s where it was measured, against 200,000/s without)";
        let instead = "keep it for durability; publish asynchronously, and measure the rate: tickgate run with --set bus.sync=always";
        lint.add(
            Some(place),
            Finding::new(Level::Note, "sync-always", what, why, instead).breaks_if(!clustered, claim::RATE),
        );
        return;
    }
    let ns = entry.map_or(Some(DEFAULT_SYNC_NS), |entry| match &entry.item.value {
        Value::Text(text) => duration::parse(text),
        Value::Whole(seconds) => {
            u64::try_from(*seconds).ok().and_then(|seconds| seconds.checked_mul(1_000_000_000))
        }
        _ => None,
    });
    let Some(ns) = ns else { return };
    lint.add(Some(place), lazy_sync(ns, entry.is_none(), clustered));
}

/// The finding about events that are acknowledged before they are on the disk.
pub(super) fn lazy_sync(interval_ns: u64, by_default: bool, clustered: bool) -> Finding {
    let by = if by_default { "by default " } else { "" };
    let seconds = interval_ns / 1_000_000_000;
    let every = if seconds >= 1 { format!("{} s", show::count(seconds)) } else { show::time(interval_ns) };
    let what = format!("{by}events are forced to the disk every {every}, and acknowledged before");
    let why = if clustered {
        "a killed server loses nothing (0 acknowledged events in every trial), nor does the power loss of one server of three. A \
         power loss of all servers at once takes what the kernel had not written, the last 30 s or more; in the worst case \
         that was emulated, the stream itself was gone on all three, with 4,974 of 4,974 acknowledged events"
    } else {
        "a killed server loses nothing (0 acknowledged events in every trial). A power loss takes what the kernel had not \
         written, the last 30 s or more; in the worst case that was emulated, the stream itself was gone, with 4,967 of 4,967 \
         acknowledged events"
    };
    let instead = "for events that must survive a power loss: sync_interval: always (0 lost of 6,030 and of 7,751; it costs \
                   throughput), or replicas on servers that do not share their power";
    Finding::new(Level::Bite, "sync-interval", what, why, instead).breaks(claim::DURABLE)
}

fn directory(lint: &mut Lint<'_>, jetstream: &Entry) {
    let Some(entry) = lint.settings.store_dir() else {
        let what =
            "no `store_dir`: the streams are kept in a directory for temporary files, /tmp/nats/jetstream";
        let why = "a reboot, or a tool that tidies /tmp, removes every event";
        let instead = "store_dir: /data/jetstream";
        let finding =
            Finding::new(Level::Bite, "store-dir-missing", what, why, instead).breaks(claim::DURABLE);
        lint.add(Some(jetstream.place), finding);
        return;
    };
    let Some(path) = entry.item.text() else { return };
    let passing = ["/tmp", "/var/tmp", "/dev/shm", "/run", "/var/run"];
    let below = |folder: &&str| {
        path.strip_prefix(*folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let in_memory = lint.here.filter(|here| here.in_memory).map(|here| here.filesystem.clone());
    let what = match (in_memory, passing.iter().find(|folder| below(folder))) {
        (Some(filesystem), _) => {
            format!("`store_dir` is on {filesystem} here, which keeps files in memory only")
        }
        (None, Some(folder)) => format!("`store_dir` is below {folder}, which is for temporary files"),
        (None, None) => return,
    };
    let why = "a restart of the machine removes every event, whatever the sync interval";
    let finding =
        Finding::new(Level::Bite, "store-in-tmp", what, why, "store_dir: /data/jetstream, on a disk");
    lint.add(Some(entry.place), finding.breaks(claim::DURABLE));
}

/// Room on the disk and in memory.
fn rooms(lint: &mut Lint<'_>, jetstream: &Entry) {
    let file = room(lint, jetstream, &MAX_FILE, "max_file_store", "of the disk's free space at the start");
    room(lint, jetstream, &MAX_MEMORY, "max_memory_store", "of the machine's memory");
    let most = |entry: &Entry| size(&entry.item).and_then(|bytes| u64::try_from(bytes).ok());
    if let Some(here) = lint.here {
        let machine = [
            (
                file,
                here.disk_bytes,
                "max_file_store",
                "the disk of its store_dir has room for",
                "a publisher gets no answer: the \
              server cannot write, freezes the stream, and stays unhealthy until it is restarted",
            ),
            (
                lint.settings.stored(&MAX_MEMORY),
                here.memory_bytes,
                "max_memory_store",
                "this machine's memory is",
                "the kernel ends the server when memory \
              streams grow that far",
            ),
        ];
        for (entry, has, name, owner, why) in machine {
            let Some((entry, most)) = entry.and_then(|entry| Some((entry, most(entry)?))) else { continue };
            if has > 0 && most > has {
                let what = format!("`{name}` is {}, and {owner} {}", show::size(most), show::size(has));
                let instead = format!("at most {}, with room for other files", show::size(has / 10 * 9));
                lint.add(
                    Some(entry.place),
                    Finding::new(Level::Bite, "store-above-machine", what, why, instead),
                );
            }
        }
    }
    let (entry, name) = if lint.needs.in_memory {
        (lint.settings.stored(&MAX_MEMORY), "max_memory_store")
    } else {
        (file, "max_file_store")
    };
    if let Some(entry) = entry
        && let Some(most) = most(entry)
    {
        store_small(lint, entry, name, most);
    }
}

/// The entry of a limit; a finding if there is none.
fn room<'a>(
    lint: &mut Lint<'a>,
    jetstream: &Entry,
    names: &[&str],
    name: &str,
    share: &str,
) -> Option<&'a Entry> {
    let entry = lint.settings.stored(names);
    if entry.is_none() {
        let what = format!("no `{name}`: the limit is 75 % {share}");
        let why = "it differs between the servers of a cluster and changes with each start; what another program takes later is \
                   missing when the streams grow";
        let finding =
            Finding::new(Level::Note, "store-unlimited", what, why, format!("write `{name}` with a size"));
        lint.add(Some(jetstream.place), finding);
    }
    entry
}

fn store_small(lint: &mut Lint<'_>, entry: &Entry, name: &str, most: u64) {
    let needed = lint.needs.store_bytes;
    if needed > most {
        let what = format!(
            "`{name}` is {}, and the events of {} take {}",
            show::size(most),
            lint.needs.named(),
            show::size(needed)
        );
        let why = "when it is full, each further event is refused with 503/10023 insufficient resources, while healthz stays 200";
        let instead = format!("{name}: {}", show::size(needed.saturating_add(needed / 2)));
        lint.add(Some(entry.place), Finding::new(Level::Fail, "store-small", what, why, instead));
    }
}

fn others(lint: &mut Lint<'_>) {
    if let Some(entry) = lint.settings.stored(&["max_outstanding_catchup"])
        && let Some(most) = size(&entry.item).filter(|most| (1..SLOW_CATCHUP).contains(most))
    {
        let what = format!("`max_outstanding_catchup` is {most} bytes, and the default is 64 MiB");
        let why = "a server that was down catches up slowly, and until it has, the loss of another one stops its streams";
        let finding = Finding::new(Level::Bite, "catchup-slow", what, why, "leave it out");
        lint.add(Some(entry.place), finding);
    }
    if let Some(entry) = lint.settings.stored(&["domain"])
        && let Some(domain) = entry.item.text()
    {
        let what = format!("JetStream has the domain {domain}");
        let why = "clients on a leaf node reach its API under another subject; without the domain they reach the leaf node's own \
                   JetStream, or none";
        let instead = format!("with tickgate and behind a leaf node: --js-domain {domain}");
        lint.add(Some(entry.place), Finding::new(Level::Note, "jetstream-domain", what, why, instead));
    }
}

/// `JetStream` of the accounts.
fn accounts(lint: &mut Lint<'_>) {
    let system = lint.settings.system_account();
    let accounts: Vec<(&Entry, &Map)> = lint
        .settings
        .accounts()
        .into_iter()
        .filter(|(entry, _)| entry.key != system && entry.key != "$G")
        .collect();
    if accounts.is_empty() {
        return;
    }
    let enabled = |item: &Item| match &item.value {
        Value::Bool(on) => *on,
        Value::Text(text) => text.to_ascii_lowercase().starts_with("enable"),
        Value::Map(_) => true,
        _ => false,
    };
    let with = accounts.iter().filter_map(|(entry, account)| {
        let jetstream = account.get(&["jetstream"]).filter(|jetstream| enabled(&jetstream.item))?;
        Some((*entry, jetstream))
    });
    let with: Vec<(&Entry, &Entry)> = with.collect();
    if with.is_empty() {
        let place = lint.settings.get(&["accounts"]).map(|entry| entry.place);
        let what = "no account has JetStream enabled";
        let why = "with accounts, each one enables it for itself: the API answers no user, with 503 or \"JetStream not enabled for \
                   account\"";
        let instead = "add to the account of your clients: jetstream: enabled";
        lint.add(
            place,
            Finding::new(Level::Fail, "account-without-jetstream", what, why, instead).breaks(claim::DURABLE),
        );
    }
    for (account, jetstream) in with {
        if let Value::Map(limits) = &jetstream.item.value {
            account_limits(lint, &account.key, limits);
        }
    }
}

fn account_limits(lint: &mut Lint<'_>, account: &str, limits: &Map) {
    let store: &[&str] = if lint.needs.in_memory {
        &["max_memory", "max_mem", "mem", "memory"]
    } else {
        &["max_store", "max_file", "max_disk", "store", "disk"]
    };
    let needed = [
        (store, lint.needs.store_bytes, "bytes"),
        (&["max_streams", "streams"][..], 1, "streams"),
        (&["max_consumers", "consumers"][..], lint.needs.consumers, "consumers"),
    ];
    for (names, needed, unit) in needed {
        let Some(entry) = limits.get(names) else { continue };
        let Value::Whole(most) = entry.item.value else { continue };
        if u64::try_from(most).is_ok_and(|most| most > 0 && most < needed) {
            let shown =
                |n: u64| if unit == "bytes" { show::size(n) } else { format!("{} {unit}", show::count(n)) };
            let has = shown(u64::try_from(most).unwrap_or_default());
            let what = format!(
                "the account {account} may have {has}, and {} needs {}",
                lint.needs.named(),
                shown(needed)
            );
            let why =
                "the server refuses what is beyond: 10002 (bytes), 10026 (consumers) or 10027 (streams)";
            let instead = format!("`{}` of {} or more, or leave it out", entry.key, shown(needed));
            lint.add(Some(entry.place), Finding::new(Level::Fail, "account-limits", what, why, instead));
        }
    }
}
