use super::*;
use crate::plan::Plan;

/// A node that has nothing to complain of.
const GOOD: &str = "server_name: n1
listen: \"10.0.0.5:4222\"
http: \"127.0.0.1:8222\"
tls { cert_file: c.pem, key_file: k.pem }
jetstream { store_dir: /data/js, max_file_store: 100GB, max_memory_store: 1GB, sync_interval: always }
cluster {
  name: prod
  listen: \"10.0.0.5:6222\"
  authorization { user: route, password: $SECRET }
  routes: [ \"nats://route:pw@n1:6222\", \"nats://route:pw@n2:6222\", \"nats://route:pw@n3:6222\" ]
}
accounts { $SYS { users: [ { user: sys, password: $SECRET } ] }, APP { jetstream: enabled, users: [ { user: app, password: $SECRET } ] } }
";

fn conf_of(name: &str, text: &str) -> Result<Conf, Box<Finding>> {
    let include = |_: &str, path: &str| Err(format!("no file {path}"));
    let variable = |name: &str| (name == "SECRET").then(|| "\"s3cret\"".to_owned());
    Conf::read(name, text, World::new(&include, &variable))
}

fn findings(text: &str, needs: &Needs, here: Option<&Here>) -> Vec<Finding> {
    match conf_of("n.conf", text) {
        Ok(conf) => lint(&conf, needs, here),
        Err(finding) => vec![*finding],
    }
}

fn codes(findings: &[Finding]) -> Vec<(&'static str, Level, u32)> {
    findings
        .iter()
        .map(|finding| (finding.code, finding.level, finding.at.as_ref().map_or(0, |at| at.line)))
        .collect()
}

/// The good node with one of its texts replaced.
fn changed(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "{from}");
    GOOD.replacen(from, to, 1)
}

#[test]
fn the_file_of_the_adr_is_found_out_as_the_documentation_shows() {
    let name = "docs/adr-002.conf";
    let conf = conf_of(name, include_str!("../../docs/adr-002.conf")).unwrap();
    let shown = text(&[name.to_owned()], &lint(&conf, &Needs::adr(), None));
    let documented = include_str!("../../docs/lint.md");
    assert!(
        documented.contains(&format!("```text\n{shown}```\n")),
        "docs/lint.md does not show this:\n{shown}"
    );
}

#[test]
fn every_finding_is_documented() {
    let documented = include_str!("../../docs/lint.md");
    let sources = [
        include_str!("mod.rs"),
        include_str!("access.rs"),
        include_str!("cluster.rs"),
        include_str!("live.rs"),
        include_str!("schema.rs"),
        include_str!("store.rs"),
        include_str!("together.rs"),
    ];
    let mut seen = 0;
    for source in sources {
        for (at, _) in source.match_indices("Level::") {
            let mut parts = source[at..].split('"');
            let (before, code) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
            let level = before.trim_end().strip_prefix("Level::").and_then(|level| level.strip_suffix(','));
            if level.is_some_and(|level| level.chars().all(char::is_alphabetic)) {
                assert!(documented.contains(&format!("| `{code}` |")), "docs/lint.md has no row `{code}`");
                seen += 1;
            }
        }
    }
    assert!(seen > 40, "{seen}");
}

#[test]
fn a_good_node_has_notes_only() {
    let found = findings(GOOD, &Needs::adr(), None);
    assert_eq!(codes(&found), [("sync-always", Level::Note, 5)]);
}

#[test]
fn each_fault_is_named_at_its_line() {
    use Level::{Bite, Fail, Note};
    let routes =
        "routes: [ \"nats://route:pw@n1:6222\", \"nats://route:pw@n2:6222\", \"nats://route:pw@n3:6222\" ]";
    let accounts = "accounts { $SYS { users: [ { user: sys, password: $SECRET } ] }, APP { jetstream: enabled, users: [ { user: \
                    app, password: $SECRET } ] } }";
    let more = |line: &str| format!("{GOOD}{line}\n");
    for (text, code, level, line) in [
        // The cluster.
        (changed("  listen: \"10.0.0.5:6222\"\n", ""), "cluster-without-listen", Fail, 6),
        (changed("  listen: \"10.0.0.5:6222\"\n", "  port: 0\n"), "cluster-without-listen", Fail, 6),
        (changed("server_name: n1", "debug: false"), "cluster-without-server-name", Fail, 6),
        (changed("  name: prod\n", ""), "cluster-without-name", Fail, 6),
        (changed(routes, "routes: []"), "cluster-without-routes", Fail, 10),
        (changed(routes, "no_advertise: false"), "cluster-without-routes", Fail, 6),
        (changed(routes, "routes: [ \"nats://n1:6222\" ]"), "routes-only-self", Fail, 10),
        (changed(routes, "routes: [ \"nats://10.0.0.5:6222\" ]"), "routes-only-self", Fail, 10),
        (changed(", \"nats://route:pw@n3:6222\"", ""), "even-cluster", Bite, 10),
        (changed("@n3:6222", "@n2:6222"), "repeated-route", Note, 10),
        (changed("server_name: n1", "server_name: shared"), "server-name-shared", Bite, 1),
        (changed("name: prod", "name: prod, pool_size: -1"), "no-route-pool", Note, 7),
        (changed("name: prod", "name: \"a b\""), "name-with-space", Fail, 7),
        (changed("@n3:6222", "@n3"), "wrong-route", Fail, 10),
        (changed("\"nats://route:pw@n3:6222\"", "n3"), "wrong-route", Fail, 10),
        // Access.
        (changed(accounts, ""), "no-authentication", Bite, 2),
        (changed(accounts, "authorization { token: $SECRET }"), "no-system-user", Note, 12),
        (changed("password: $SECRET } ] } }", "password: secret } ] } }"), "plain-password", Note, 12),
        (
            changed("  authorization { user: route, password: $SECRET }\n", ""),
            "routes-without-authentication",
            Bite,
            6,
        ),
        (more("no_auth_user: app"), "no-auth-user", Bite, 13),
        (more("no_auth_user: nobody"), "no-auth-user-unknown", Fail, 13),
        (
            changed("tls { cert_file: c.pem, key_file: k.pem }", "").replacen(
                "10.0.0.5:4222",
                "0.0.0.0:4222",
                1,
            ),
            "no-tls",
            Bite,
            2,
        ),
        (changed("127.0.0.1:8222", "0.0.0.0:8222"), "monitor-open", Bite, 3),
        (
            changed("http: \"127.0.0.1:8222\"", "http_port: 8222").replacen("10.0.0.5:4222", ":4222", 1),
            "monitor-open",
            Bite,
            3,
        ),
        (more("max_connections: 50"), "few-connections", Bite, 13),
        (more("write_deadline: \"500ms\""), "write-deadline-short", Bite, 13),
        (more("max_payload: 100MB"), "payload-above-pending", Fail, 13),
        (more("max_payload: 32MB"), "payload-large", Bite, 13),
        (more("lame_duck_duration: \"10s\""), "lame-duck-short", Fail, 13),
        (more("lame_duck_duration: 30s\nlame_duck_grace_period: \"1m30s\""), "lame-duck-grace", Fail, 14),
        // The store.
        (changed("sync_interval: always", "domain: hub"), "sync-interval", Bite, 5),
        (changed("sync_interval: always", "sync_interval: \"10s\""), "sync-interval", Bite, 5),
        (changed("sync_interval: always", "domain: hub"), "jetstream-domain", Note, 5),
        (changed("store_dir: /data/js, ", ""), "store-dir-missing", Bite, 5),
        (changed("/data/js", "/tmp/js"), "store-in-tmp", Bite, 5),
        (changed("max_file_store: 100GB, ", ""), "store-unlimited", Note, 5),
        (changed("max_memory_store: 1GB, ", ""), "store-unlimited", Note, 5),
        (changed("always", "always, max_outstanding_catchup: 1MB"), "catchup-slow", Bite, 5),
        (changed("jetstream {", "jetstream { enabled: false,"), "no-jetstream", Fail, 5),
        (changed("jetstream: enabled, ", ""), "account-without-jetstream", Fail, 12),
        // Keys and values.
        (more("max_payloads: 1MB"), "unknown-key", Fail, 13),
        (changed("sync_interval: always", "sync_interval: 2m"), "number-as-duration", Bite, 5),
        (more("port: 1\nport: 2"), "repeated-key", Bite, 14),
        (more("max_conn: 70000\nmax_connections: 80000"), "repeated-key", Bite, 14),
        (more("port: \"4222\""), "wrong-type", Fail, 13),
        (more("lame_duck_duration: 2m"), "wrong-type", Fail, 13),
        (more("max_payload: 3GB"), "too-large", Fail, 13),
        (changed("100GB", "\"100GB\""), "wrong-size", Fail, 5),
        (more("ping_interval: \"1 minute\""), "wrong-duration", Fail, 13),
        (changed("10.0.0.5:6222", "10.0.0.5"), "wrong-address", Fail, 8),
        (more("logfile: 'x"), "syntax", Fail, 14),
    ] {
        let found = codes(&findings(&text, &Needs::adr(), None));
        assert!(found.contains(&(code, level, line)), "{code} {line} is not in {found:?}:\n{text}");
    }
}

#[test]
fn what_belongs_elsewhere_or_is_misspelt_is_said() {
    for (line, instead) in [
        ("max_payloads: 1", "write `max_payload`"),
        ("max_file_store: 1GB", "`max_file_store` belongs in the block `jetstream`"),
        ("routes: []", "`routes` belongs in the block `cluster`"),
        ("qwertyuiop: 1", "remove it"),
    ] {
        let found = findings(line, &Needs::adr(), None);
        let unknown = found.iter().find(|finding| finding.code == "unknown-key").unwrap();
        assert_eq!(unknown.instead, instead);
    }
    let found = findings("jetstream { max_payload: 1, max_memory: 1GB }", &Needs::adr(), None);
    let unknown: Vec<&str> = found
        .iter()
        .filter(|finding| finding.code == "unknown-key")
        .map(|finding| finding.instead.as_str())
        .collect();
    assert_eq!(
        unknown,
        ["`max_payload` belongs at the top of the file, outside `jetstream`", "write `max_mem`"]
    );
    let variable = findings("TOKEN: abc\nauthorization { token: $TOKEN }", &Needs::adr(), None);
    assert!(!codes(&variable).iter().any(|(code, ..)| *code == "unknown-key"), "a variable of any name");
}

#[test]
fn a_number_for_a_duration_is_shown_as_the_server_takes_it() {
    let found = findings("ping_interval: 2m\nwrite_deadline: 5", &Needs::adr(), None);
    let numbers: Vec<&Finding> =
        found.iter().filter(|finding| finding.code == "number-as-duration").collect();
    assert!(
        numbers[0].what.contains("2m: the server takes it as 2000000 seconds, 23 days"),
        "{:?}",
        numbers[0]
    );
    assert!(numbers[0].instead.contains("\"2m\"") && numbers[1].instead.contains("\"5s\""));
}

fn needs() -> Needs {
    Needs {
        profile: Some("big".into()),
        replicas: Some(3),
        sync_always: false,
        in_memory: false,
        event_bytes: 2 << 20,
        store_bytes: 200 << 30,
        connections: 60,
        consumers: 5,
    }
}

#[test]
fn a_profile_asks_for_more() {
    let account =
        changed("jetstream: enabled", "jetstream { max_store: 1GB, max_streams: 1, max_consumers: 2 }");
    let account = account.replacen("APP {", "APP { limits { max_conn: 10, max_payload: 1MB },", 1);
    let found = codes(&findings(&account, &needs(), None));
    let has =
        |code: &str| found.iter().filter(|(found, level, _)| *found == code && *level == Level::Fail).count();
    assert_eq!(
        ["payload-small", "store-small", "account-limits", "few-connections"].map(has),
        [2, 1, 2, 1],
        "{found:?}"
    );
    let two = changed(", \"nats://route:pw@n3:6222\"", "");
    assert!(codes(&findings(&two, &needs(), None)).contains(&("replicas-above-nodes", Level::Fail, 10)));
    let alone = "jetstream { store_dir: /data, max_file_store: 1TB }";
    assert!(codes(&findings(alone, &needs(), None)).contains(&("no-cluster", Level::Fail, 1)));
    assert!(codes(&findings(alone, &Needs::adr(), None)).contains(&("no-cluster", Level::Note, 1)));
}

#[test]
fn the_disk_of_this_machine_is_compared_where_the_store_is_here() {
    let here =
        Here { filesystem: "tmpfs".into(), in_memory: true, disk_bytes: 1 << 30, memory_bytes: 1 << 20 };
    let found = codes(&findings(GOOD, &Needs::adr(), Some(&here)));
    assert_eq!(found.iter().filter(|(code, ..)| *code == "store-above-machine").count(), 2, "{found:?}");
    assert!(found.contains(&("store-in-tmp", Level::Bite, 5)));
    let here = Here { in_memory: false, disk_bytes: 1 << 40, memory_bytes: 1 << 40, ..here };
    assert_eq!(
        codes(&findings(GOOD, &Needs::adr(), Some(&here))),
        codes(&findings(GOOD, &Needs::adr(), None))
    );
}

/// The good node as the nth of three.
fn node(n: usize) -> String {
    GOOD.replacen("server_name: n1", &format!("server_name: n{n}"), 1)
        .replace("10.0.0.5", &format!("10.0.0.{n}"))
}

fn together(texts: &[String]) -> Vec<(&'static str, Level, String)> {
    let all =
        texts.iter().enumerate().map(|(n, text)| (conf_of(&format!("n{}.conf", n + 1), text).unwrap(), None));
    let found = lint_all(&all.collect::<Vec<_>>(), &Needs::adr());
    let serious = found.into_iter().filter(|finding| finding.level > Level::Note);
    serious
        .map(|finding| (finding.code, finding.level, finding.at.map_or_else(String::new, |at| at.file)))
        .collect()
}

#[test]
fn the_nodes_of_a_cluster_are_compared() {
    use Level::{Bite, Fail};
    let good = [node(1), node(2), node(3)];
    // The password in the routes is another one than that of the variable.
    let good = good.map(|text| text.replace("route:pw@", "route:s3cret@"));
    assert_eq!(together(&good), []);
    let with = |at: usize, from: &str, to: &str| {
        let mut all = good.clone();
        assert!(all[at].contains(from), "{from}");
        all[at] = all[at].replace(from, to);
        together(&all)
    };
    let only = |code, level, file: &str| vec![(code, level, file.to_owned())];
    assert_eq!(with(2, "name: prod", "name: other"), only("cluster-names-differ", Fail, "n3.conf"));
    assert!(with(1, "always", "\"2m\"").contains(&("settings-differ", Bite, "n2.conf".into())));
    assert!(with(1, "server_name: n2", "server_name: n1").contains(&(
        "same-server-name",
        Fail,
        "n2.conf".into()
    )));
    let bare = with(1, "nats://route:s3cret@n1:6222", "nats://n1:6222");
    assert_eq!(bare, only("route-refused", Fail, "n2.conf"));
    assert_eq!(with(1, "route:s3cret@n3", "route:wrong@n3"), only("route-refused", Fail, "n2.conf"));
    assert_eq!(together(&good[..2]), only("even-cluster", Bite, ""));
    let same = with(1, "10.0.0.2", "10.0.0.1");
    assert_eq!(same.iter().filter(|(code, ..)| *code == "same-address").count(), 3, "{same:?}");
    assert!(same.contains(&("same-store", Fail, "n2.conf".into())));
    let mut apart = good.clone();
    for (at, text) in apart.iter_mut().enumerate() {
        let own = format!("\"nats://route:s3cret@n{}:6222\"", at + 1);
        let begins = text.find("routes: [").unwrap();
        let ends = begins + text[begins..].find(']').unwrap();
        text.replace_range(begins..ends, &format!("routes: [ {own} "));
    }
    let apart = together(&apart);
    assert_eq!(apart.iter().filter(|(code, ..)| *code == "routes-apart").count(), 2, "{apart:?}");
}

#[test]
fn no_password_is_shown() {
    let secret = "hunter2hunter2";
    for text in [
        format!("authorization {{ user: a, password: {secret} }}\nno_auth_user: b"),
        format!(
            "cluster {{ listen: 6222, routes: [ \"nats://u:{secret}@h\", \"nats://u:{secret}@h\", \"u:{secret}@h:1\" ] }}"
        ),
        format!("authorization {{ token: {secret} {secret} }}"),
        format!("authorization {{ token: {secret}\n"),
        format!("accounts {{ A {{ users: [ {{ user: a, pass: {secret} }} ] }} }}"),
    ] {
        let found = findings(&text, &Needs::adr(), None);
        assert!(!found.is_empty());
        let names = ["n.conf".to_owned()];
        assert!(
            !super::text(&names, &found).contains(secret) && !json(&names, &found).contains(secret),
            "{text}"
        );
    }
}

#[test]
fn needs_follow_from_a_plan() {
    let plan: Plan = serde_json::from_str(include_str!("../../tests/data/market-plan.json")).unwrap();
    let needs = Needs::of(&plan).unwrap();
    assert_eq!(
        (needs.profile.as_deref(), needs.replicas),
        (Some(plan.name.as_str()), Some(plan.bus.replicas))
    );
    assert!(needs.event_bytes > 100 && needs.store_bytes > needs.event_bytes && needs.connections > 1);
}

mod running {
    use std::collections::BTreeSet;

    use super::super::live::{JetStream, Meta, Server, lint};
    use super::*;

    fn server(n: usize) -> Server {
        Server {
            url: format!("http://10.0.0.{n}:8222"),
            id: format!("ID{n}"),
            name: format!("n{n}"),
            version: "2.15.1".into(),
            cluster: "prod".into(),
            configured_routes: vec!["n1:6222".into(), "n2:6222".into(), "n3:6222".into()],
            routes: Some((1..=3).filter(|other| *other != n).map(|other| format!("n{other}")).collect()),
            jetstream: Some(JetStream {
                max_memory: 1 << 30,
                max_storage: 100 << 30,
                store_dir: "/data/jetstream".into(),
                sync_interval_ns: 120_000_000_000,
                sync_always: true,
            }),
            meta: Some(Meta { leader: "n2".into(), size: 3 }),
            auth_required: true,
            tls_required: true,
            host: "0.0.0.0".into(),
            monitor: ("127.0.0.1".into(), 8222),
            max_payload: 1 << 20,
            health_known: true,
            unhealthy: None,
        }
    }

    fn cluster() -> Vec<Server> {
        vec![server(1), server(2), server(3)]
    }

    fn found(change: impl Fn(&mut Vec<Server>)) -> Vec<(&'static str, Level)> {
        let mut servers = cluster();
        change(&mut servers);
        lint(&servers, &Needs::adr()).iter().map(|finding| (finding.code, finding.level)).collect()
    }

    #[test]
    fn a_good_cluster_has_no_findings() {
        assert_eq!(found(|_| {}), []);
    }

    #[test]
    fn each_fault_of_running_servers_is_named() {
        use Level::{Bite, Fail, Note};
        assert_eq!(found(|all| all[1].name = "n1".into()), [("same-server-name", Fail)]);
        assert_eq!(found(|all| all[1].cluster = "x".into()), [("cluster-names-differ", Fail)]);
        assert_eq!(found(|all| all[0].version = "2.12.0".into()), [("versions-differ", Bite)]);
        assert_eq!(found(|all| all[0].routes = Some(BTreeSet::new())), [("routes-missing", Fail)]);
        assert_eq!(found(|all| all[0].unhealthy = Some("status 503".into())), [("unhealthy", Fail)]);
        assert_eq!(found(|all| all[0].auth_required = false), [("no-authentication", Bite)]);
        assert_eq!(found(|all| all[0].tls_required = false), [("no-tls", Bite)]);
        assert_eq!(found(|all| all[0].monitor.0 = "0.0.0.0".into()), [("monitor-open", Bite)]);
        assert_eq!(found(|all| all[0].max_payload = 1), [("settings-differ", Bite)]);
        assert_eq!(found(|all| drop(all.pop())), [("unseen-servers", Note)]);
        let jetstream = |all: &mut Vec<Server>| all[0].jetstream.clone().unwrap();
        let lazy = found(|all| all[0].jetstream = Some(JetStream { sync_always: false, ..jetstream(all) }));
        assert_eq!(lazy, [("sync-interval", Bite), ("settings-differ", Bite)]);
        let store = found(|all| {
            all[0].jetstream = Some(JetStream { store_dir: "/tmp/nats".into(), ..jetstream(all) });
        });
        assert_eq!(store, [("store-in-tmp", Bite)]);
        assert_eq!(found(|all| all[0].jetstream = None), [("no-jetstream", Fail)]);
        let leader = |name: &str| Some(Meta { leader: name.into(), size: 3 });
        assert_eq!(found(|all| all[0].meta = leader("n3")), [("several-meta-leaders", Fail)]);
        assert_eq!(found(|all| all[0].meta = leader("")), [("no-meta-leader", Fail)]);
        let four = found(|all| {
            all.push(server(4));
            for server in all.iter_mut() {
                server.meta = Some(Meta { leader: "n2".into(), size: 4 });
                server.routes = None;
            }
        });
        assert_eq!(four, [("even-cluster", Bite), ("not-asked", Note)]);
    }

    #[test]
    fn isolated_servers_are_found_out_by_one_finding_for_all() {
        let mut servers = cluster();
        for server in &mut servers {
            (server.meta, server.routes) = (None, Some(BTreeSet::new()));
            server.name = "ai-trader-nats".into();
        }
        let found = lint(&servers, &Needs::adr());
        let codes: Vec<_> = found.iter().map(|finding| finding.code).collect();
        assert_eq!(codes, ["isolated", "same-server-name"]);
        assert!(
            found[0].what.contains("names 3 routes of the cluster prod, and it has none"),
            "{}",
            found[0].what
        );
        assert_eq!(found[0].node.as_deref().map(|nodes| nodes.matches("http://").count()), Some(3));
        let single = Server { cluster: String::new(), configured_routes: vec![], ..servers[0].clone() };
        assert_eq!(lint(std::slice::from_ref(&single), &Needs::adr())[0].code, "no-cluster");
        let asks = lint(&[single], &Needs { store_bytes: 0, ..needs() });
        assert!(
            asks.iter().any(|finding| (finding.code, finding.level) == ("no-cluster", Level::Fail)),
            "{asks:?}"
        );
    }

    #[test]
    fn a_profile_asks_running_servers_for_more() {
        let found = lint(&cluster(), &Needs { replicas: Some(5), ..needs() });
        let codes: Vec<_> = found.iter().map(|finding| finding.code).collect();
        assert_eq!(codes, ["payload-small", "store-small", "replicas-above-nodes"]);
    }
}
