//! Where a run goes: by flags, by the environment, or to a server of its own; and that it says so.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;

use serde_json::{Value, json};
use tickgate::record::{Record, Verdict};

use crate::support::nats::NatsServer;
use crate::support::program::{Done, Place, balances};

const SHORT: [&str; 4] = ["--set", "load.warmup=100ms", "--set", "load.duration=500ms"];

/// Makes contexts of the `nats` command line, of which the last one is selected.
fn contexts(place: &mut Place, all: &[(&str, Value)]) {
    fs::create_dir_all(place.path().join("config/nats/context")).unwrap();
    for (name, context) in all {
        place.write(&format!("config/nats/context/{name}.json"), context.to_string());
        place.write("config/nats/context.txt", name);
    }
    place.set("XDG_CONFIG_HOME", place.path().join("config").display().to_string());
}

/// Asserts that the run names its target where it is read first.
#[track_caller]
fn names(place: &Place, done: &Done, target: &str) {
    let line = format!("target: {target}");
    let first = done.err.lines().next().unwrap_or_default();
    assert!(first.starts_with(&line), "`{line}` is not the first line of:\n{}", done.err);
    // The terminal's lines are broken.
    let joined = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let head = joined(&done.out.lines().take(4).collect::<Vec<_>>().join(" "));
    let address = target.split([',', ' ']).next().unwrap();
    assert!(head.contains("target: ") && head.contains(address), "{head}");
    let folder = place.run_folder();
    for (file, start) in [("report.html", "<p>Target: "), ("summary.md", "Target: ")] {
        let text = fs::read_to_string(folder.join(file)).unwrap();
        let line = text.lines().find(|line| line.starts_with(start)).unwrap();
        let shown = line.replace("&#47;", "/").replace("&#39;", "'").replace("&#x27;", "'").replace('\\', "");
        assert!(shown.contains(address), "{shown}");
    }
}

fn whole(record: &Record) {
    balances(record);
    assert_eq!(record.verdict, Verdict::Pass);
    let audit = record.audit.as_ref().unwrap();
    assert!(audit.complete);
    assert_eq!((audit.acked, audit.stored_once), (record.load.acked, record.load.acked));
    assert_eq!(record.load.acked, record.load.intended);
}

#[test]
fn the_environment_says_where_the_bus_is() {
    let server =
        NatsServer::with("server_name: staging\nauthorization { user: gate, password: \"12/sEcr3t\" }");
    let mut place = Place::new();
    place.set("NATS_URL", server.url());
    place.set("NATS_USER", "gate");
    place.set("NATS_PASSWORD", "12/sEcr3t");
    let done = place.gate(&SHORT);
    done.ends(0);
    names(&place, &done, &format!("{}, named by $NATS_URL", server.url()));
    assert!(done.err.contains("(server staging); sending"), "{}", done.err);
    assert!(done.out.contains("(server staging)"), "{}", done.out);
    assert!(!done.err.contains("starting in"), "nobody is at a terminal: {}", done.err);
    let record = place.record();
    whole(&record);
    assert_eq!((record.broker.mode.as_str(), record.broker.named_by.as_deref()), ("url", Some("$NATS_URL")));
    let done = place.run(&["clean"]);
    done.ends(0);
    assert!(done.out.contains(&format!("nothing was left at {}", server.url())), "{}", done.out);

    // The same with the credentials in the URL, as they are.
    let mut place = Place::new();
    place.set("NATS_URL", server.url().replace("://", "://gate:12/sEcr3t@"));
    let done = place.gate(&SHORT);
    done.ends(0);
    assert!(!done.err.contains("on the command line"), "{}", done.err);
    for text in [done.out, done.err, fs::read_to_string(place.run_folder().join("record.json")).unwrap()] {
        assert!(!text.contains("sEcr3t") && !text.contains("gate:"), "{text}");
    }
}

#[test]
fn a_flag_comes_first_and_says_that_it_is_a_server_of_our_own() {
    let mut place = Place::new();
    for (name, value) in [
        ("NATS_URL", "nats://staging.invalid:4222"),
        ("NATS_USER", "gate"),
        ("NATS_PASSWORD", "hunter22"),
        ("NATS_CONTEXT", "nobody"),
    ] {
        place.set(name, value);
    }
    let done = place.gate(&[&["--broker", "local"], &SHORT[..]].concat());
    done.ends(0);
    names(&place, &done, "a server of tickgate's own");
    assert_eq!(place.record().broker.named_by, None);
    place.set("NATS_CONTEXT", "");
    place.gate(&[]).fails(4, &["staging.invalid", "check the host's name"]);
}

#[test]
fn credentials_without_an_address_start_nothing() {
    let mut place = Place::new();
    place.set("NATS_USER", "gate");
    place.set("NATS_PASSWORD", "hunter22");
    let parts = ["$NATS_USER, $NATS_PASSWORD are for a bus", "$NATS_URL, $NATS_CONTEXT", "--broker local"];
    let done = place.gate(&[]);
    done.fails(2, &parts);
    assert!(!done.err.contains("hunter22") && place.runs().is_empty(), "{}", done.err);
    place.run(&["compare", "file-vs-memory"]).fails(2, &parts);
    place.set("NATS_USER", "");
    place.set("NATS_PASSWORD", "");
    place.gate(&["--creds", "a.creds"]).fails(2, &["--creds is for a bus"]);
    place.set("NATS_CREDS", "a.creds");
    place.set("NATS_URL", "nats://127.0.0.1:1");
    place.gate(&[]).fails(4, &["a.creds"]);
    place.set("NATS_TOKEN", "hunter22");
    place.gate(&[]).fails(2, &["$NATS_CREDS and $NATS_TOKEN"]);
}

#[test]
fn a_context_is_named_or_selected() {
    let server = NatsServer::with("authorization { user: me, password: hunter22 }");
    let mut place = Place::new();
    place.set("XDG_CONFIG_HOME", place.path().join("config").display().to_string());
    place.gate(&["--context"]).fails(2, &["no context of the nats command line is selected"]);
    let context = json!({"url": server.url(), "user": "me", "password": "hunter22", "later": "x"});
    contexts(&mut place, &[("other", json!({"socks_proxy": "socks5://h:1"})), ("app", context)]);
    let selected = place.gate(&[&SHORT[..], &["--context"]].concat());
    selected.ends(0);
    names(&place, &selected, &format!("{} (context app), named by --context", server.url()));
    assert!(
        selected.err.contains("`app` has fields that tickgate does not know")
            && selected.err.contains("`later`")
    );
    assert_eq!(place.record().broker.mode, "context app");
    let report = fs::read_to_string(place.run_folder().join("report.html")).unwrap();
    assert!(report.contains("--context &#39;app&#39;") || report.contains("--context &#x27;app&#x27;"));
    place.gate(&["--context", "other"]).fails(2, &["the context `other` uses `socks_proxy`"]);
    place.set("NATS_CONTEXT", "app");
    let done = place.run(&["clean"]);
    done.ends(0);
    assert!(done.out.contains("(context app)"), "{}", done.out);
}

#[test]
fn a_comparison_goes_with_both_sides_or_with_none_where_the_environment_says() {
    let server = NatsServer::start();
    let mut place = Place::new();
    place.set("NATS_URL", server.url());
    let sides = ["compare", "./gate.toml", "--a", "bus.window=500", "--b", "bus.window=900"];
    let short = ["--pairs", "1", "--cool-down", "0s"];
    let one = [&sides[..], &short, &["--a", "broker=local"]].concat();
    place.run(&one).fails(2, &["side B would run on", "named by $NATS_URL", "--b broker=local"]);
    let other = [&sides[..], &short, &["--b", "broker=sim"]].concat();
    place.run(&other).fails(2, &["side A would run on", "--a broker= with an address"]);
    assert!(place.runs().is_empty());
    let done = place.run(&[&sides[..], &short, &SHORT].concat());
    done.ends(3);
    for side in ["A", "B"] {
        let line = format!("each run of {side} sends to {}, named by $NATS_URL: ", server.url());
        assert!(done.err.contains(&line), "{}", done.err);
    }
    let text = fs::read_to_string(place.run_folder().join("a-01/record.json")).unwrap();
    assert_eq!(serde_json::from_str::<Record>(&text).unwrap().broker.mode, "url");
}

/// `JetStream` of one account, whose API another one imports under subjects of its own.
const IMPORTED: &str = r#"
accounts {
  HUB { jetstream: enabled, users: [ { user: hub, password: pw } ],
    exports: [ { service: "$JS.API.>", response_type: stream }, { service: "$JS.ACK.>" }, { service: "ai-trader.>" } ] }
  APP { users: [ { user: app, password: pw } ],
    imports: [ { service: { account: HUB, subject: "$JS.API.>" }, to: "JS.hub.API.>" },
      { service: { account: HUB, subject: "$JS.ACK.>" } }, { service: { account: HUB, subject: "ai-trader.>" } } ] }
}"#;

#[test]
fn jetstream_of_another_account() {
    let server = NatsServer::with(IMPORTED);
    let mut place = Place::new();
    let fields = json!({
        "description": "", "url": server.url(), "user": "app", "password": "pw", "jetstream_domain": "",
        "jetstream_api_prefix": "JS.hub.API", "inbox_prefix": "", "windows_ca_certs_match": null
    });
    contexts(&mut place, &[("app", fields)]);
    let done = place.gate(&[&["--context", "app", "--allow-prefix", "ai-trader"], &SHORT[..]].concat());
    done.ends(0);
    whole(&place.record());
    let done = place.run(&["clean", "--context", "app"]);
    done.ends(0);
    assert!(done.out.contains("nothing was left"), "{}", done.out);

    let mut place = Place::new();
    place.set("NATS_URL", server.url());
    place.set("NATS_USER", "app");
    place.set("NATS_PASSWORD", "pw");
    let flags = ["--js-api-prefix", "JS.hub.API", "--allow-prefix", "ai-trader"];
    place.gate(&[&flags[..], &SHORT].concat()).ends(0);
    whole(&place.record());
    place
        .gate(&["--js-api-prefix", "JS.hub.API"])
        .fails(4, &["that account must take the events", "no responders", "must import these subjects, too"]);
    place.gate(&SHORT).fails(4, &["has no JetStream for us", "--js-api-prefix"]);
    place.gate(&["--js-api-prefix", "JS.>"]).fails(2, &["`JS.>`"]);
    place.gate(&["--js-api-prefix", "a", "--js-domain", "b"]).ends(2);
}
