//! The rules of the lint, in the words of its documentation: what a finding's code means, and what it is looked for in.

/// What a rule looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of {
    /// Every file.
    AnyFile,
    /// Several files, compared with each other.
    SeveralFiles,
    /// Running servers only.
    Running,
}

/// A rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// The code of its findings.
    pub code: &'static str,
    /// When it is broken.
    pub found_when: &'static str,
    of: Of,
    /// It shows in what running servers report.
    live: bool,
}

/// What a lint looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// So many configuration files.
    Files(usize),
    /// Running servers.
    Servers,
}

impl Rule {
    /// Returns whether a lint of this subject looks for it.
    #[must_use]
    pub const fn applies(&self, to: Subject) -> bool {
        match (to, self.of) {
            (Subject::Servers, _) => self.live,
            (Subject::Files(_), Of::AnyFile) => true,
            (Subject::Files(files), Of::SeveralFiles) => files > 1,
            (Subject::Files(_), Of::Running) => false,
        }
    }
}

const fn rule(code: &'static str, of: Of, live: bool, found_when: &'static str) -> Rule {
    Rule { code, found_when, of, live }
}

/// All rules, in the order of the documentation.
pub const RULES: [Rule; 64] = [
    rule("syntax", Of::AnyFile, false, "the file, or one that it includes, cannot be parsed"),
    rule(
        "unknown-key",
        Of::AnyFile,
        false,
        "the server knows no such key there; the nearest one, or the block that it belongs in, is named",
    ),
    rule(
        "wrong-type",
        Of::AnyFile,
        false,
        "a value is not of the kind that its key takes; `lame_duck_duration: 2m` without quotes is a number",
    ),
    rule("wrong-size", Of::AnyFile, false, "a size is a string that does not end in K, M, G or T"),
    rule("wrong-duration", Of::AnyFile, false, "a duration has no unit that the server knows"),
    rule("wrong-address", Of::AnyFile, false, "an address is neither a port nor `host:port`"),
    rule("wrong-route", Of::AnyFile, false, "a route is not a URL with host and port"),
    rule("name-with-space", Of::AnyFile, false, "a server's or a cluster's name has a space in it"),
    rule("too-large", Of::AnyFile, false, "a number is beyond what its key takes"),
    rule(
        "number-as-duration",
        Of::AnyFile,
        false,
        "a duration is a number: `sync_interval: 2m` without quotes is 2,000,000 seconds, 23 days",
    ),
    rule(
        "repeated-key",
        Of::AnyFile,
        false,
        "a setting is written twice in a block, be it by two of its names",
    ),
    rule("lame-duck-short", Of::AnyFile, false, "`lame_duck_duration` is below 30 s"),
    rule("lame-duck-grace", Of::AnyFile, false, "`lame_duck_grace_period` is not below `lame_duck_duration`"),
    rule(
        "cluster-without-listen",
        Of::AnyFile,
        false,
        "the cluster block has neither `listen` nor `port`: isolated servers that all report healthy",
    ),
    rule("cluster-without-server-name", Of::AnyFile, false, "a JetStream cluster without `server_name`"),
    rule(
        "cluster-without-name",
        Of::AnyFile,
        false,
        "a JetStream cluster without a `name`; without JetStream a note",
    ),
    rule("cluster-without-routes", Of::AnyFile, false, "a JetStream cluster without routes"),
    rule("routes-only-self", Of::AnyFile, false, "all routes lead to the server itself"),
    rule("repeated-route", Of::AnyFile, false, "a route is listed twice"),
    rule(
        "server-name-shared",
        Of::AnyFile,
        false,
        "one literal `server_name`, and the routes name an odd number of servers of which none is this one",
    ),
    rule("even-cluster", Of::AnyFile, true, "the cluster has an even number of servers"),
    rule("no-cluster", Of::AnyFile, true, "no cluster block; it will fail if the profile asks for copies"),
    rule(
        "replicas-above-nodes",
        Of::AnyFile,
        true,
        "the profile asks for more copies than there are servers",
    ),
    rule("no-route-pool", Of::AnyFile, false, "`pool_size` is negative"),
    rule("no-authentication", Of::AnyFile, true, "clients need no credentials"),
    rule("no-auth-user", Of::AnyFile, false, "`no_auth_user` lets clients without credentials in"),
    rule("no-auth-user-unknown", Of::AnyFile, false, "`no_auth_user` names no user of the file"),
    rule("no-system-user", Of::AnyFile, false, "a cluster whose system account has no user"),
    rule("plain-password", Of::AnyFile, false, "passwords in plain text, neither hashed nor from a variable"),
    rule(
        "routes-without-authentication",
        Of::AnyFile,
        false,
        "the cluster block has neither `authorization` nor `tls`",
    ),
    rule("no-tls", Of::AnyFile, true, "clients are accepted on all addresses without TLS"),
    rule("monitor-open", Of::AnyFile, true, "the monitoring port is open on all addresses"),
    rule(
        "few-connections",
        Of::AnyFile,
        false,
        "the server or an account accepts fewer than 100 connections; it will fail if the profile needs more",
    ),
    rule("write-deadline-short", Of::AnyFile, false, "`write_deadline` is below 2 s"),
    rule("payload-above-pending", Of::AnyFile, false, "`max_payload` is above `max_pending`"),
    rule("payload-large", Of::AnyFile, false, "`max_payload` is above 8 MiB"),
    rule(
        "payload-small",
        Of::AnyFile,
        true,
        "the profile's largest event is above `max_payload`, of the server or of an account",
    ),
    rule("no-jetstream", Of::AnyFile, true, "JetStream is missing or disabled"),
    rule("account-without-jetstream", Of::AnyFile, false, "there are accounts, and none enables JetStream"),
    rule("account-limits", Of::AnyFile, false, "an account's limits are below what the profile needs"),
    rule("sync-interval", Of::AnyFile, true, "events are acknowledged before they are forced to the disk"),
    rule("sync-always", Of::AnyFile, false, "every event is forced to the disk: what it costs"),
    rule("store-dir-missing", Of::AnyFile, false, "no `store_dir`: the store is below /tmp"),
    rule(
        "store-in-tmp",
        Of::AnyFile,
        true,
        "the store is below a directory for temporary files, or here on a file system in memory",
    ),
    rule("store-unlimited", Of::AnyFile, false, "no `max_file_store` or no `max_memory_store`"),
    rule(
        "store-above-machine",
        Of::AnyFile,
        false,
        "a limit is above what this machine's disk or memory has",
    ),
    rule("store-small", Of::AnyFile, true, "the profile's events do not fit"),
    rule("catchup-slow", Of::AnyFile, false, "`max_outstanding_catchup` is below 8 MiB"),
    rule("jetstream-domain", Of::AnyFile, false, "JetStream has a domain"),
    rule("same-server-name", Of::SeveralFiles, true, "two servers have the same name"),
    rule("cluster-names-differ", Of::SeveralFiles, true, "the names of the clusters differ"),
    rule("routes-apart", Of::SeveralFiles, false, "the routes do not connect all servers"),
    rule(
        "route-refused",
        Of::SeveralFiles,
        false,
        "a route has not the user and password that the other server asks for",
    ),
    rule("same-address", Of::SeveralFiles, false, "two servers have the same address and port"),
    rule("same-store", Of::SeveralFiles, false, "two servers on the same address have the same `store_dir`"),
    rule(
        "settings-differ",
        Of::SeveralFiles,
        true,
        "`sync_interval`, the limits of the store, `max_payload` or `domain` differ",
    ),
    rule(
        "isolated",
        Of::Running,
        true,
        "the configuration has a cluster, or several servers were named, and JetStream is in none",
    ),
    rule("unhealthy", Of::Running, true, "`/healthz` does not answer 200"),
    rule("no-meta-leader", Of::Running, true, "a server sees no meta leader"),
    rule("several-meta-leaders", Of::Running, true, "the servers see different meta leaders"),
    rule(
        "routes-missing",
        Of::Running,
        true,
        "a server has routes to fewer servers than the cluster has others",
    ),
    rule("versions-differ", Of::Running, true, "the servers run different versions"),
    rule("unseen-servers", Of::Running, true, "the cluster has more servers than were asked"),
    rule(
        "not-asked",
        Of::Running,
        true,
        "a server did not say its routes or its health; the user of the system account may not request them",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows of a table of the documentation: code, and when it is found.
    fn documented() -> Vec<(String, String)> {
        let text = include_str!("../../docs/lint.md");
        let row = |line: &str| {
            let cells: Vec<&str> = line.split(" | ").collect();
            let [code, level, when] = cells.as_slice() else { return None };
            let code = code.strip_prefix("| `")?.strip_suffix('`')?;
            let when = when.strip_suffix(" |")?;
            ["will fail", "will bite", "note"].contains(level).then(|| (code.to_owned(), when.to_owned()))
        };
        text.lines().filter_map(row).collect()
    }

    #[test]
    fn the_rules_are_those_of_the_documentation() {
        let rules: Vec<(String, String)> =
            RULES.iter().map(|rule| (rule.code.to_owned(), rule.found_when.to_owned())).collect();
        assert_eq!(rules, documented());
    }

    #[test]
    fn every_code_of_a_finding_is_a_rule() {
        let sources = [
            include_str!("access.rs"),
            include_str!("cluster.rs"),
            include_str!("live.rs"),
            include_str!("mod.rs"),
            include_str!("schema.rs"),
            include_str!("store.rs"),
            include_str!("together.rs"),
        ];
        let mut codes: Vec<&str> = Vec::new();
        for source in sources {
            for after in source.split("Finding::new(").skip(1) {
                // The level is the first argument, the code the second.
                let code = after.split('"').nth(1).unwrap_or_default();
                if after.trim_start().starts_with("Level::") || after.trim_start().starts_with("level") {
                    codes.push(code);
                }
            }
        }
        assert!(codes.len() > 50, "{codes:?}");
        for code in codes {
            assert!(RULES.iter().any(|rule| rule.code == code), "{code}");
        }
    }

    #[test]
    fn a_rule_applies_to_what_it_looks_at() {
        let of = |subject| RULES.iter().filter(|rule| rule.applies(subject)).count();
        let [one, two, live] = [Subject::Files(1), Subject::Files(2), Subject::Servers].map(of);
        assert!(live < one && one < two && two < RULES.len(), "{one} {two} {live}");
    }
}
