//! `tickgate lint`: its reader against nats-server's own, and its findings on files and on running servers.

#![expect(clippy::expect_used, reason = "tests")]

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tickgate::lint::conf::World;
use tickgate::lint::{Conf, Finding, Level, Needs, lint};

use crate::support;
use crate::support::cluster::Cluster;
use crate::support::draw::Draw;
use crate::support::nats::NatsServer;
use crate::support::program::Place;

/// What the server's test of a configuration says.
fn tested(folder: &Path, text: &str) -> (bool, String) {
    let file = folder.join("t.conf");
    std::fs::write(&file, text).expect("a file");
    let output = Command::new(support::nats_server())
        .arg("-t")
        .arg("-c")
        .arg(&file)
        .output()
        .expect("nats-server runs");
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}

fn found(text: &str) -> Vec<Finding> {
    let include = |_: &str, path: &str| Err(format!("no file {path}"));
    match Conf::read("t.conf", text, World::new(&include, &|_| None)) {
        Ok(conf) => lint(&conf, &Needs::adr(), None),
        Err(finding) => vec![*finding],
    }
}

const PIECES: [&str; 36] = [
    "abc",
    "a.b",
    "'q q'",
    "\"d\\t\\x41\"",
    "1",
    "-5",
    "12k",
    "3MB",
    "7Gi",
    "1.5",
    "10.0.0.1:42",
    "nats://h:1",
    "yes",
    "Off",
    "\"\"",
    "5s",
    "2m",
    "$x1",
    "x#y",
    "x//y",
    "[]",
    "{}",
    "[a, b]",
    "[ 'a' 'b' ]",
    "[\na\nb\n]",
    "{ a: 1 }",
    "{a 1, b 2}",
    "{ a = [x], b: {c d} }",
    "(\n text\n)",
    "2026-01-31T12:00:00Z",
    "12ab",
    "1e",
    "0x1",
    "é",
    "a'b",
    "[ {a: 1}, {b: 2} ]",
];

/// A text in the format, and often with a mistake.
fn drawn(draw: &mut Draw) -> String {
    let mut text = "x1: 7\n".to_owned();
    for n in 0..=draw.below(5) {
        let key = draw.of(&["k", "'k k'", "\"k\"", "K-", "include_x"]);
        let separator = draw.of(&[": ", " = ", " ", ":", "=", "\n"]);
        let end = draw.of(&["\n", "\n", "\n\n", "; ", ", ", " # c\n", " // c\n", "\r\n", " "]);
        let key = if key.ends_with(['"', '\'']) { key.to_owned() } else { format!("{key}{n}") };
        text.extend([key.as_str(), separator, draw.of(&PIECES), end]);
    }
    if draw.one_in(6) {
        text = format!("{{\n{text}\n}}");
    }
    for _ in 0..draw.below(3) {
        let places: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
        let at = draw.of(&places);
        if draw.one_in(2) {
            text.remove(at);
        } else {
            let more = draw.of(&[
                "{", "}", "[", "]", "(", ")", "\"", "'", "#", ":", "=", ",", ";", "$", "\\", "\n", " ", "1",
                "-", ".", "/", "a",
            ]);
            text.insert_str(at, more);
        }
        if text.is_empty() {
            break;
        }
    }
    text
}

#[test]
fn the_reader_accepts_what_the_servers_parser_accepts() {
    let folder = tempfile::tempdir().expect("a folder");
    let parser = [
        "Parse error",
        "config is invalid",
        "variable reference",
        "is out of the range",
        "expected Zulu",
        "include file",
    ];
    let (mut accepted, mut refused, mut apart) = (0, 0, 0);
    for seed in 0..400 {
        let text = drawn(&mut Draw::new(seed));
        let own = found(&text).into_iter().find(|finding| finding.code == "syntax");
        // What the server's parser takes and then makes nothing of: a key without a value in a map, a suffix that it does
        // not know, a quote as the last character.
        let stricter = ["has no value", "is not a suffix", "closing quote"];
        if own.as_ref().is_some_and(|own| stricter.iter().any(|part| own.what.contains(part))) {
            apart += 1;
            continue;
        }
        let (_, said) = tested(folder.path(), &text);
        if said.contains("panic") {
            continue;
        }
        let rejects = parser.iter().any(|part| said.contains(part));
        assert_eq!(own.is_some(), rejects, "seed {seed}: {text:?}\nserver: {said}\nreader: {own:?}");
        if rejects { refused += 1 } else { accepted += 1 }
    }
    assert!(
        accepted > 100 && refused > 80 && apart < 60,
        "{accepted} accepted, {refused} refused, {apart} apart"
    );
}

#[test]
fn keys_and_values_are_refused_as_the_server_refuses_them() {
    const SCHEMA: [&str; 10] = [
        "syntax",
        "unknown-key",
        "wrong-type",
        "wrong-size",
        "wrong-duration",
        "wrong-address",
        "too-large",
        "name-with-space",
        "lame-duck-short",
        "number-as-duration",
    ];
    let folder = tempfile::tempdir().expect("a folder");
    for text in [
        include_str!("../../docs/adr-002.conf"),
        "port: 4222",
        "port: \"4222\"",
        "prot: 4222",
        "PORT: 4222",
        "listen: 4222",
        "listen: \"4222\"",
        "listen: 10.0.0.1:4222",
        "listen: \"[::1]:4222\"",
        "listen: \"::1:4222\"",
        "server_name: \"a b\"",
        "server_name: 17",
        "debug: yes",
        "debug: \"yes\"",
        "max_payload: 3GB",
        "max_payload: 1.5",
        "max_payload: \"1MB\"",
        "max_pending: 64MB",
        "max_connections: 64k",
        "write_deadline: \"5s\"",
        "write_deadline: 5s",
        "write_deadline: 5",
        "write_deadline: \"5\"",
        "ping_interval: 2m",
        "ping_interval: true",
        "lame_duck_duration: 30s",
        "lame_duck_duration: 2m",
        "lame_duck_duration: \"10s\"",
        "lame_duck_grace_period: \"1s\"",
        "lame_duck_grace_period: \"-1s\"",
        "jetstream: true",
        "jetstream: enabled",
        "jetstream: Disabled",
        "jetstream: maybe",
        "jetstream: 5",
        "jetstream { max_file_store: 100GB }",
        "jetstream { max_file: \"100G\" }",
        "jetstream { max_file: \"100GB\" }",
        "jetstream { max_memory: 1GB }",
        "jetstream { max_mem: 1GB, sync: always }",
        "jetstream { sync_interval: 2m }",
        "jetstream { sync_interval: \"2m\" }",
        "jetstream { sync_interval: [] }",
        "jetstream { limits { max_ack_pending: 10, max_ha_assets: 5 } }",
        "jetstream { limits { max_ack: 10 } }",
        "jetstream { enabled: \"true\" }",
        "cluster { name: a, listen: 6222, routes: [ \"nats://h:1\" ] }",
        "cluster { routes: \"nats://h:1\" }",
        "cluster { rutes: [] }",
        "cluster: 5",
        "cluster { authorization { user: a, password: b } }",
        "cluster { pool_size: -1, compression: on }",
        "authorization { user: a, pass: b }",
        "authorization { user: a, pass: 12345 }",
        "authorization { users: [ { user: a, password: b } ] }",
        "authorization { users: { user: a } }",
        "authorization { users: [ { usr: a } ] }",
        "T: abc\nauthorization { token: $T }",
        "accounts: [ a, b ]",
        "accounts { A { jetstream: enabled, users: [ { user: a, password: b } ] } }",
        "accounts { A { jetstream { max_store: 1GB, max_streams: 5 } } }",
        "accounts { A { jetstream { max_stores: 1GB } } }",
        "accounts { A { limits { max_conn: 5 } } }",
        "accounts { A: 5 }",
        "accounts { A { user: x } }",
        "leafnodes { port: 7422, reconnect: 2s }",
        "gateway { name: g, port: 7222 }",
        "no_auth_user: x",
        "logfile: \"/tmp/x.log\"\nlog_size_limit: 1MB",
        "max_sub_tokens: 16",
        "http: 8222\nhttp_port: 8223",
        "x: 1",
        "max_control_line: 4kb",
    ] {
        let refused: Vec<Finding> =
            found(text).into_iter().filter(|finding| SCHEMA.contains(&finding.code)).collect();
        let (accepts, said) = tested(folder.path(), text);
        assert_eq!(refused.is_empty(), accepts, "{text}\nserver: {said}\nlint: {refused:?}");
    }
}

#[test]
fn what_the_test_of_the_server_does_not_notice_is_refused_at_its_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = format!("jetstream {{ store_dir: \"{}\" }}", folder.path().join("js").display());
    let cluster = "listen: \"127.0.0.1:-1\"";
    for (code, text) in [
        ("no-auth-user-unknown", "no_auth_user: x".to_owned()),
        ("payload-above-pending", "max_payload: 100MB".to_owned()),
        ("lame-duck-grace", "lame_duck_duration: 30s\nlame_duck_grace_period: 40s".to_owned()),
        (
            "cluster-without-server-name",
            format!("{store}\ncluster {{ name: c, {cluster}, routes: [ \"nats://h:1\" ] }}"),
        ),
        (
            "cluster-without-name",
            format!("server_name: n\n{store}\ncluster {{ {cluster}, routes: [ \"nats://h:1\" ] }}"),
        ),
        ("cluster-without-routes", format!("server_name: n\n{store}\ncluster {{ name: c, {cluster} }}")),
    ] {
        let text = format!("host: 127.0.0.1\nport: -1\n{text}\n");
        let named = |finding: &Finding| finding.code == code && finding.level == Level::Fail;
        assert!(found(&text).iter().any(named), "{code}: {:?}", found(&text));
        let (accepts, said) = tested(folder.path(), &text);
        assert!(accepts, "{code}: {said}");
        let file = folder.path().join("t.conf");
        let output =
            Command::new("timeout").arg("20").arg(support::nats_server()).arg("-c").arg(&file).output();
        let output = output.expect("nats-server runs");
        assert_eq!(output.status.code(), Some(1), "{code}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

fn codes(document: &str) -> Vec<String> {
    let document: Value = serde_json::from_str(document).expect("JSON");
    let findings = document["findings"].as_array().expect("findings").iter();
    findings.map(|finding| finding["code"].as_str().expect("a code").to_owned()).collect()
}

#[test]
fn files_are_linted_and_the_exit_code_says_how_they_are() {
    let place = Place::new();
    let adr = place.write("nats-server.conf", include_str!("../../docs/adr-002.conf"));
    let done = place.run(&["lint", &adr]);
    done.ends(1);
    assert!(done.out.contains("./nats-server.conf:12:1: will fail [cluster-without-listen]"), "{}", done.out);
    let done = place.run(&["lint", &adr, "--format", "json", "--profile", "quick"]);
    done.ends(1);
    assert!(codes(&done.out).contains(&"cluster-without-listen".to_owned()), "{}", done.out);

    place.write("users.conf", "users: [ { user: app, password: $APP_PASSWORD } ]\n");
    let good = "server_name: a\nlisten: 127.0.0.1:4222\nauthorization { include users.conf }\n\
                jetstream { store_dir: /data/js, max_file_store: 10GB, max_memory_store: 1GB, sync: always }\n";
    let mut place = place;
    place.set("APP_PASSWORD", "hunter2");
    let file = place.write("good.conf", good);
    let done = place.run(&["lint", &file]);
    done.ends(0);
    assert!(done.out.contains("./good.conf: nothing will fail or bite; 2 notes"), "{}", done.out);
    let done = place.run(&["lint", &file, &adr]);
    done.ends(1);
    place.run(&["lint", "./nowhere.conf"]).fails(2, &["cannot read ./nowhere.conf"]);
    place.run(&["lint"]).fails(2, &["<FILE>"]);
    place.run(&["lint", &file, "--profile", "quik"]).fails(2, &["quik"]);
    let bad = place.write("bad.conf", "port: 1\ncluster {\n");
    let done = place.run(&["lint", &bad]);
    done.ends(1);
    assert!(done.out.contains("./bad.conf:3:1: will fail [syntax]"), "{}", done.out);
    place.run(&["lint", &adr, "--junit", "./lint.xml"]).ends(1);
    let xml = std::fs::read_to_string(place.path().join("lint.xml")).expect("a file");
    assert!(xml.contains("<testcase name=\"cluster-without-listen: "), "{xml}");
    assert!(
        xml.contains("message=\"./nats-server.conf:12:1: ") && xml.contains("type=\"will fail\""),
        "{xml}"
    );
    place.run(&["lint", &adr, "--junit", "./none/lint.xml"]).fails(4, &["cannot write ./none/lint.xml"]);
    place.set("GITHUB_ACTIONS", "true");
    let done = place.run(&["lint", &adr]);
    assert!(
        done.out.contains("\n::error file=./nats-server.conf,line=12,col=1,title=will fail"),
        "{}",
        done.out
    );
}

#[test]
fn running_servers_are_linted_by_their_endpoints() {
    let mut place = Place::new();
    let cluster = Cluster::with(
        "accounts {\n  APP { jetstream: enabled, users: [ { user: gate, password: pw } ] }\n  SYS { users: [\n    \
         { user: root, password: s3cret }\n    { user: figures, password: s3cret, permissions: { publish: \
         \"$SYS.REQ.SERVER.PING.VARZ\" } }\n  ] }\n}\nsystem_account: SYS\n",
    );
    let live = cluster.urls.join(",");
    let done = place.run(&["lint", "--live", &live, "--format", "json"]);
    done.ends(1);
    let seen = codes(&done.out);
    assert!(seen.contains(&"sync-interval".to_owned()), "{seen:?}");
    let wrong = [
        "isolated",
        "unhealthy",
        "same-server-name",
        "routes-missing",
        "no-meta-leader",
        "unseen-servers",
        "even-cluster",
    ];
    assert!(!seen.iter().any(|code| wrong.contains(&code.as_str())), "{seen:?}");
    let done = place.run(&["lint", "--live", &cluster.urls[0]]);
    assert!(done.out.contains("1 of 3 servers of the cluster were asked: not n2, n3"), "{}", done.out);
    // The system account knows the routes and the health of all, as far as its user may ask.
    place.set("NATS_MONITOR_PASSWORD", "s3cret");
    let by = |place: &Place, user| {
        let url = cluster.servers[0].url();
        place.run(&[
            "lint",
            "--live",
            &url,
            "--monitor-user",
            user,
            "--format",
            "json",
            "--junit",
            "./live.xml",
        ])
    };
    let all = codes(&by(&place, "root").out);
    assert!(all.contains(&"sync-interval".to_owned()), "{all:?}");
    assert!(!all.iter().any(|code| wrong.contains(&code.as_str()) || code == "not-asked"), "{all:?}");
    let some = by(&place, "figures");
    assert!(codes(&some.out).contains(&"not-asked".to_owned()), "{}", some.out);
    assert!(some.out.contains("its routes and its health are unknown"), "{}", some.out);
    let xml = std::fs::read_to_string(place.path().join("live.xml")).expect("a file");
    assert!(xml.contains("<testcase name=\"not-asked: ") && !xml.contains("\"syntax: "), "{xml}");
    place.set("NATS_MONITOR_PASSWORD", "");
    place.run(&["lint", "--live", "http://127.0.0.1:1"]).fails(4, &["127.0.0.1:1"]);
    place.run(&["lint", "--live", &cluster.servers[0].url()]).fails(2, &["--monitor-creds"]);
}

#[test]
fn three_servers_with_the_file_of_the_adr_are_found_out() {
    let place = Place::new();
    let monitors: [u16; 3] = support::ports::free_ports();
    let servers: Vec<NatsServer> = monitors
        .iter()
        .map(|port| {
            NatsServer::with(&format!(
                "server_name: ai-trader-nats\nhttp: \"127.0.0.1:{port}\"\ncluster {{ name: ai-trader-cluster, routes: [ \
                 nats://nats-1:6222, nats://nats-2:6222, nats://nats-3:6222 ] }}"
            ))
        })
        .collect();
    let urls: Vec<String> = monitors.iter().map(|port| format!("http://127.0.0.1:{port}")).collect();
    let done = place.run(&["lint", "--live", &urls.join(","), "--format", "json"]);
    done.ends(1);
    let seen = codes(&done.out);
    assert_eq!(seen[..2], ["isolated", "same-server-name"], "{}", done.out);
    let one = place.run(&["lint", "--live", &urls[0]]);
    one.ends(1);
    assert!(one.out.contains("it is isolated: its configuration names 3 routes"), "{}", one.out);
    drop(servers);
}
