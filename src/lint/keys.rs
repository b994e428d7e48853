//! The keys that nats-server knows, block by block, and what kind of value each takes.

/// What a key takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Kind {
    /// A string.
    Text,
    /// A server's or a cluster's name: without spaces.
    Name,
    /// A boolean.
    Bool,
    /// A whole number.
    Whole,
    /// A whole number of 32 bits.
    Whole32,
    /// A whole number, or a string that ends in K, M, G or T.
    Size,
    /// A duration as a string; a number counts as seconds, with a warning.
    Duration,
    /// A duration as a string of at least so many seconds.
    AtLeast(u64),
    /// `always` or a duration.
    Sync,
    /// A port, or `host:port`.
    Listen,
    /// A boolean, `enabled`, `disabled`, or a block.
    Switch(&'static [Key]),
    /// A block.
    Block(&'static [Key]),
    /// A list.
    List,
    /// A list of URLs of other servers.
    Routes,
    /// A list of blocks.
    Blocks(&'static [Key]),
    /// Accounts by name, or a list of names.
    Accounts(&'static [Key]),
    /// Anything: not checked.
    Any,
}

/// A key of a block: its names, and what it takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Key {
    pub(super) names: &'static [&'static str],
    pub(super) kind: Kind,
}

const fn key(names: &'static [&'static str], kind: Kind) -> Key {
    Key { names, kind }
}

use Kind::{Accounts, Any, AtLeast, Block, Blocks, Bool, Duration, List, Listen, Name, Routes, Size, Switch};
use Kind::{Sync, Text, Whole, Whole32};

pub(super) const TOP: &[Key] = &[
    key(&["listen"], Listen),
    key(&["client_advertise"], Text),
    key(&["port"], Whole),
    key(&["server_name"], Name),
    key(&["host", "net"], Text),
    key(&["debug"], Bool),
    key(&["trace"], Bool),
    key(&["trace_verbose"], Bool),
    key(&["trace_headers"], Bool),
    key(&["logtime"], Bool),
    key(&["logtime_utc"], Bool),
    key(&["mappings", "maps"], Any),
    key(&["disable_sublist_cache", "no_sublist_cache"], Bool),
    key(&["accounts"], Accounts(ACCOUNT)),
    key(&["default_sentinel"], Text),
    key(&["authorization"], Block(AUTHORIZATION)),
    key(&["http"], Listen),
    key(&["https"], Listen),
    key(&["http_port", "monitor_port"], Whole),
    key(&["https_port"], Whole),
    key(&["http_base_path"], Text),
    key(&["cluster"], Block(CLUSTER)),
    key(&["gateway"], Block(GATEWAY)),
    key(&["leaf", "leafnodes"], Block(LEAFNODES)),
    key(&["store_dir", "storedir"], Text),
    key(&["jetstream"], Switch(JETSTREAM)),
    key(&["logfile", "log_file"], Text),
    key(&["logfile_size_limit", "log_size_limit"], Whole),
    key(&["logfile_max_num", "log_max_num"], Whole),
    key(&["syslog"], Bool),
    key(&["remote_syslog"], Text),
    key(&["pidfile", "pid_file"], Text),
    key(&["ports_file_dir"], Text),
    key(&["prof_port"], Whole),
    key(&["prof_block_rate"], Whole),
    key(&["max_control_line"], Whole32),
    key(&["max_payload"], Whole32),
    key(&["max_pending"], Whole),
    key(&["proxy_protocol"], Bool),
    key(&["max_connections", "max_conn"], Whole),
    key(&["max_traced_msg_len"], Whole),
    key(&["max_subscriptions", "max_subs"], Whole),
    key(&["max_sub_tokens", "max_subscription_tokens"], Whole),
    key(&["ping_interval"], Duration),
    key(&["ping_max"], Whole),
    key(&["tls"], Block(TLS)),
    key(&["ocsp"], Any),
    key(&["allow_non_tls"], Bool),
    key(&["write_deadline"], Duration),
    key(&["write_timeout"], Text),
    key(&["lame_duck_duration"], AtLeast(30)),
    key(&["lame_duck_grace_period"], AtLeast(0)),
    key(&["operator", "operators", "roots", "root", "root_operators", "root_operator"], Any),
    key(&["resolver", "account_resolver", "accounts_resolver"], Any),
    key(&["resolver_tls"], Block(TLS)),
    key(&["resolver_preload"], Any),
    key(&["resolver_pinned_accounts"], List),
    key(&["no_auth_user"], Text),
    key(&["system_account", "system"], Text),
    key(&["no_system_account", "no_system", "no_sys_acc"], Bool),
    key(&["no_header_support"], Bool),
    key(&["trusted", "trusted_keys"], Any),
    key(&["connect_error_reports"], Whole),
    key(&["reconnect_error_reports"], Whole),
    key(&["websocket", "ws"], Any),
    key(&["mqtt"], Any),
    key(&["server_tags"], Any),
    key(&["server_metadata"], Any),
    key(&["feature_flags"], Any),
    key(&["default_js_domain"], Any),
    key(&["ocsp_cache"], Any),
    key(&["no_fast_producer_stall"], Bool),
    key(&["max_closed_clients"], Whole),
    key(&["proxies"], Any),
];

pub(super) const CLUSTER: &[Key] = &[
    key(&["name"], Name),
    key(&["listen"], Listen),
    key(&["port"], Whole),
    key(&["host", "net"], Text),
    key(&["authorization"], Block(AUTHORIZATION)),
    key(&["routes"], Routes),
    key(&["tls"], Block(TLS)),
    key(&["cluster_advertise", "advertise"], Text),
    key(&["no_advertise"], Bool),
    key(&["connect_retries"], Whole),
    key(&["connect_backoff"], Bool),
    key(&["permissions"], Any),
    key(&["pool_size"], Whole),
    key(&["accounts"], Any),
    key(&["compression"], Any),
    key(&["ping_interval"], Duration),
    key(&["ping_max"], Whole),
    key(&["write_deadline"], Duration),
    key(&["write_timeout"], Text),
];

pub(super) const JETSTREAM: &[Key] = &[
    key(&["strict"], Bool),
    key(&["store", "store_dir", "storedir"], Text),
    key(&["sync", "sync_interval"], Sync),
    key(&["max_memory_store", "max_mem_store", "max_mem"], Size),
    key(&["max_file_store", "max_file"], Size),
    key(&["domain"], Text),
    key(&["enable", "enabled"], Bool),
    key(&["key", "ek", "encryption_key"], Text),
    key(&["prev_key", "prev_ek", "prev_encryption_key"], Text),
    key(&["cipher"], Text),
    key(&["extension_hint"], Text),
    key(&["limits"], Block(JETSTREAM_LIMITS)),
    key(&["tpm"], Any),
    key(&["unique_tag"], Text),
    key(&["max_outstanding_catchup"], Size),
    key(&["max_buffered_size"], Size),
    key(&["max_buffered_msgs"], Whole),
    key(&["request_queue_limit"], Whole),
    key(&["info_queue_limit"], Whole),
    key(&["meta_compact"], Whole),
    key(&["meta_compact_size"], Size),
    key(&["meta_compact_sync"], Bool),
    key(&["max_concurrent_io"], Whole),
];

const JETSTREAM_LIMITS: &[Key] = &[
    key(&["max_ack_pending"], Whole),
    key(&["max_ha_assets"], Whole),
    key(&["max_request_batch"], Whole),
    key(&["duplicate_window"], Any),
    key(&["batch"], Any),
];

const AUTHORIZATION: &[Key] = &[
    key(&["user", "username"], Text),
    key(&["pass", "password"], Text),
    key(&["token"], Text),
    key(&["timeout"], Any),
    key(&["users"], Blocks(USER)),
    key(&["default_permission", "default_permissions", "permissions"], Any),
    key(&["auth_callout", "auth_hook"], Any),
    key(&["proxy_required"], Bool),
];

const USER: &[Key] = &[
    key(&["nkey"], Text),
    key(&["user", "username"], Text),
    key(&["pass", "password"], Text),
    key(&["permission", "permissions", "authorization"], Any),
    key(&["allowed_connection_types", "connection_types", "clients"], Any),
    key(&["proxy_required"], Bool),
];

const ACCOUNT: &[Key] = &[
    key(&["nkey"], Text),
    key(&["imports"], List),
    key(&["exports"], List),
    key(&["jetstream"], Switch(ACCOUNT_JETSTREAM)),
    key(&["users"], Blocks(USER)),
    key(&["default_permissions"], Any),
    key(&["mappings", "maps"], Any),
    key(&["limits"], Block(ACCOUNT_LIMITS)),
    key(&["msg_trace", "trace_dest"], Any),
];

pub(super) const ACCOUNT_JETSTREAM: &[Key] = &[
    key(&["max_memory", "max_mem", "mem", "memory"], Whole),
    key(&["max_store", "max_file", "max_disk", "store", "disk"], Whole),
    key(&["max_streams", "streams"], Whole),
    key(&["max_consumers", "consumers"], Whole),
    key(&["max_bytes_required", "max_stream_bytes", "max_bytes"], Bool),
    key(&["mem_max_stream_bytes", "memory_max_stream_bytes"], Whole),
    key(&["disk_max_stream_bytes", "store_max_stream_bytes"], Whole),
    key(&["max_ack_pending"], Whole),
    key(&["cluster_traffic"], Text),
];

const ACCOUNT_LIMITS: &[Key] = &[
    key(&["max_connections", "max_conn"], Whole),
    key(&["max_subscriptions", "max_subs"], Whole),
    key(&["max_payload", "max_pay"], Whole),
    key(&["max_leafnodes", "max_leafs"], Whole),
];

const TLS: &[Key] = &[
    key(&["cert_file"], Text),
    key(&["key_file"], Text),
    key(&["ca_file"], Text),
    key(&["insecure"], Bool),
    key(&["verify"], Bool),
    key(&["verify_and_map"], Bool),
    key(&["verify_cert_and_check_known_urls"], Bool),
    key(&["allow_insecure_cipher_suites"], Bool),
    key(&["cipher_suites"], List),
    key(&["curve_preferences"], List),
    key(&["timeout"], Any),
    key(&["connection_rate_limit"], Whole),
    key(&["pinned_certs"], List),
    key(&["cert_store"], Text),
    key(&["cert_match_by"], Text),
    key(&["cert_match"], Text),
    key(&["ca_certs_match"], Any),
    key(&["handshake_first", "first", "immediate"], Any),
    key(&["cert_match_skip_invalid"], Bool),
    key(&["ocsp_peer"], Any),
    key(&["certs", "certificates"], List),
    key(&["min_version"], Any),
];

const GATEWAY: &[Key] = &[
    key(&["name"], Name),
    key(&["listen"], Listen),
    key(&["port"], Whole),
    key(&["host", "net"], Text),
    key(&["authorization"], Block(AUTHORIZATION)),
    key(&["tls"], Block(TLS)),
    key(&["advertise"], Text),
    key(&["connect_retries"], Whole),
    key(&["connect_backoff"], Bool),
    key(&["gateways"], List),
    key(&["reject_unknown", "reject_unknown_cluster"], Bool),
    key(&["write_deadline"], Duration),
    key(&["write_timeout"], Text),
];

const LEAFNODES: &[Key] = &[
    key(&["listen"], Listen),
    key(&["port"], Whole),
    key(&["host", "net"], Text),
    key(&["authorization"], Any),
    key(&["remotes"], List),
    key(&["reconnect", "reconnect_delay", "reconnect_interval"], Duration),
    key(&["dial_timeout"], Duration),
    key(&["tls"], Block(TLS)),
    key(&["leafnode_advertise", "advertise"], Text),
    key(&["no_advertise"], Bool),
    key(&["min_version", "minimum_version"], Text),
    key(&["compression"], Any),
    key(&["isolate_leafnode_interest", "isolate"], Bool),
    key(&["write_deadline"], Duration),
    key(&["write_timeout"], Text),
];
