//! What a server refuses beside the data, before and during the load, on real servers with locked-down users and accounts.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use tickgate::record::{End, ObjectiveResult, Record, Verdict};

use crate::support::jwt::OperatorMode;
use crate::support::nats::{self, NatsServer};
use crate::support::program::{Done, Place, balances, turn};

/// The subjects of the profile's own prefix, the API, acknowledgements, and answers.
const ALL: &str = "publish: [\"ai-trader.>\", \"$JS.API.>\", \"$JS.ACK.>\"], subscribe: [\"_INBOX.>\"]";

fn gate(server: &NatsServer, more: &[&str]) -> (Place, Done) {
    let place = Place::new();
    let url = server.gate_url();
    let args = ["--broker", &url, "--allow-prefix", "ai-trader", "--quiet"];
    let done = place.gate(&[&args[..], more].concat());
    (place, done)
}

#[track_caller]
fn objective<'a>(record: &'a Record, name: &str) -> &'a ObjectiveResult {
    record.objectives.iter().find(|objective| objective.name == name).unwrap()
}

#[test]
fn what_a_user_may_not_do_is_said_before_the_load_with_what_to_allow() {
    let denied = |subject: &str| format!("publish: {{ allow: [\">\"], deny: [\"{subject}\"] }}");
    let own = "publish: [\"ai-trader.>\", \"$JS.API.>\"], subscribe: [\"_INBOX.>\"]".to_owned();
    let inbox = "publish: [\">\"], subscribe: [\"_INBOX_gate.>\"]".to_owned();
    let api = "publish: [\"$JS.API.>\", \"$JS.ACK.>\"], subscribe: [\"_INBOX.>\"]".to_owned();
    for (permissions, what, hint) in [
        (own, "may not publish to $JS.ACK.>", "set `bus.ack = \"none\"`"),
        (inbox, "may not subscribe to _INBOX.>", "--inbox-prefix"),
        (api, "may not publish to ai-trader.market.quote.received", "set `topology.prefix`"),
        (denied("$JS.API.INFO"), "may not publish to $JS.API.INFO", "`$JS.API.>`"),
        (denied("$JS.API.STREAM.CREATE.>"), "may not publish to $JS.API.STREAM.CREATE.>", "`$JS.API.>`"),
        (denied("$JS.API.STREAM.INFO.>"), "may not publish to $JS.API.STREAM.INFO.>", "`$JS.API.>`"),
        (denied("$JS.API.CONSUMER.INFO.>"), "may not publish to $JS.API.CONSUMER.INFO.>", "`$JS.API.>`"),
        (
            denied("$JS.API.CONSUMER.MSG.NEXT.>"),
            "may not publish to $JS.API.CONSUMER.MSG.NEXT.>",
            "`$JS.API.>`",
        ),
    ] {
        let server = NatsServer::locked_down("", &permissions);
        let (place, done) = gate(&server, &[]);
        done.fails(4, &[what, hint, "(the server said: Permissions Violation for"]);
        assert!(place.runs().is_empty(), "there was no load: {:?}", place.runs());
    }
}

#[test]
fn private_subjects_that_are_not_allowed_are_said_with_the_flag_for_others() {
    let server = NatsServer::locked_down("", ALL);
    let done = Place::new().gate(&["--broker", &server.gate_url(), "--quiet"]);
    done.fails(4, &["may not publish to tickgate-", ".market.", "--allow-prefix"]);
}

#[test]
fn a_user_with_just_what_a_run_needs_is_let_in() {
    let server = NatsServer::locked_down("", ALL);
    let (place, done) = gate(&server, &[]);
    done.ends(0);
    balances(&place.record());
}

/// The account of the stream exports it to the user's account, which imports the API and the subjects of the events, and
/// the acknowledgements where `with_acks` says so.
fn imported(with_acks: bool) -> NatsServer {
    exported("stream", with_acks)
}

/// The same with an API that answers in this way.
fn exported(response: &str, with_acks: bool) -> NatsServer {
    let import = |subject: &str| format!("{{ service: {{ account: OWNER, subject: \"{subject}\" }} }}");
    let acks = if with_acks { format!(", {}", import("$JS.ACK.>")) } else { String::new() };
    NatsServer::with(&format!(
        "accounts {{ OWNER {{ jetstream: enabled, exports: [ {{ service: \"$JS.API.>\", response: {response} }}, \
         {{ service: \"$JS.ACK.>\" }}, {{ service: \"ai-trader.>\" }} ] }}, \
         A {{ users: [ {{ user: gate, password: pw }} ], imports: [ {}, {}{acks} ] }} }}",
        import("$JS.API.>"),
        import("ai-trader.>"),
    ))
}

#[test]
fn acknowledgements_that_reach_nobody_are_found_before_the_load() {
    // No server reports an error here: no permission is denied, and the acknowledgements go nowhere.
    let (place, done) = gate(&imported(false), &[]);
    done.fails(
        4,
        &["has not had the acknowledgements of group trading-engine", "`$JS.ACK.>`", "import them"],
    );
    assert!(place.runs().is_empty());
    gate(&imported(true), &[]).1.ends(0);
}

#[test]
fn an_exported_api_that_answers_once_delivers_one_event_and_what_it_takes_is_said() {
    let server = exported("singleton", true);
    let (place, url) = (Place::new(), server.gate_url());
    let flags = ["--broker", &url, "--allow-prefix", "ai-trader", "--js-api-prefix", "$JS.API"];
    place.gate(&flags).fails(4, &["`response_type: stream`", "not ready after"]);
    assert!(place.runs().is_empty());
}

#[test]
fn what_is_refused_after_the_load_changes_no_verdict_and_is_said() {
    let denied = "publish: { allow: [\">\"], deny: [\"$JS.API.STREAM.DELETE.>\"] }";
    let server = NatsServer::locked_down("", denied);
    let (place, done) = gate(&server, &[]);
    done.ends(0);
    let record = place.record();
    let left = record.marks.iter().find(|mark| mark.kind == "left-behind").unwrap();
    assert!(left.detail.contains("may not publish to $JS.API.STREAM.DELETE.>"), "{left:?}");
}

#[test]
fn a_server_with_too_few_connections_says_how_many_a_run_has() {
    let server = NatsServer::with("max_connections: 2");
    let done = Place::new().gate(&["--broker", &server.url(), "--quiet"]);
    done.fails(4, &["maximum connections exceeded", "raise the limit on connections"]);
}

#[test]
fn a_permission_that_is_taken_away_during_the_load_ends_it_and_claims_no_loss() {
    let events = "publish: [\"$JS.API.>\", \"$JS.ACK.>\"], subscribe: [\"_INBOX.>\"]";
    let acks = "publish: [\"ai-trader.>\", \"$JS.API.>\"], subscribe: [\"_INBOX.>\"]";
    for (permissions, what) in
        [(events, "may not publish to ai-trader."), (acks, "may not publish to $JS.ACK.>")]
    {
        let mut server = NatsServer::locked_down("", ALL);
        let (place, url) = (Place::new(), server.gate_url());
        let args = ["--broker", &url, "--allow-prefix", "ai-trader", "--quiet", "--set", "load.duration=60s"];
        let mut running = place.start_gate(&args);
        running.until_it_measures();
        server.reload("", permissions);
        let done = running.wait();
        assert_eq!(done.code, 4, "{done:#?}");
        let record = place.record();
        assert_eq!((record.run.end, record.verdict), (End::BrokerFailed, Verdict::Inconclusive));
        let reason = record.run.reason.clone().unwrap();
        assert!(reason.contains(what) && reason.contains("Permissions Violation"), "{reason}");
        let lost = objective(&record, "delivery.lost");
        assert_eq!(lost.verdict, Verdict::Inconclusive, "{lost:?}");
        assert!(record.measured_seconds() < 30.0, "it ends when it is refused");
        balances(&record);
    }
}

#[test]
fn a_user_whose_time_is_over_ends_the_load() {
    use std::time::{Duration, SystemTime, UNIX_EPOCH};
    let _turn = turn();
    let expires = SystemTime::now() + Duration::from_secs(12);
    let mode = OperatorMode::until(Some(expires.duration_since(UNIX_EPOCH).unwrap().as_secs()));
    let server = NatsServer::with(&mode.config);
    let place = Place::new();
    let (url, creds) = (server.url(), place.write("user.creds", &mode.creds));
    let done = place.gate(&["--broker", &url, "--creds", &creds, "--quiet", "--set", "load.duration=60s"]);
    assert_eq!(done.code, 4, "{done:#?}");
    let record = place.record();
    let reason = record.run.reason.clone().unwrap();
    assert!(reason.contains("User Authentication Expired; renew the credentials"), "{reason}");
    assert_eq!(objective(&record, "delivery.lost").verdict, Verdict::Inconclusive);
    balances(&record);
}

#[test]
fn the_audit_counts_among_the_consumers_of_an_account() {
    let everything = "publish: [\">\"], subscribe: [\">\"]";
    let server = NatsServer::locked_down("max_consumers: 1", everything);
    let (place, done) = gate(&server, &[]);
    done.fails(
        4,
        &[
            "may have 1 consumer of a stream",
            "needs 2: 1 for its groups and 1 for the audit",
            "bus.audit = false",
        ],
    );
    assert!(place.runs().is_empty());
    // Without the audit it is enough, and what needs none is judged.
    let without = ["--set", "bus.audit=false", "--set", "objectives.replay.complete=none"];
    gate(&server, &without).1.ends(0);
    let server = NatsServer::locked_down("max_consumers: 2, max_streams: 1", everything);
    gate(&server, &[]).1.ends(0);
}

#[test]
fn an_audit_that_is_refused_leaves_the_rest_judged() {
    let everything = "publish: [\">\"], subscribe: [\">\"]";
    let server = NatsServer::locked_down("max_consumers: 2", everything);
    let (place, url) = (Place::new(), server.gate_url());
    let mut running = place.start_gate(&["--broker", &url, "--quiet"]);
    running.until_it_measures();
    // Another consumer takes the audit's place.
    nats::jetstream(&url, async |jetstream| {
        use futures_util::TryStreamExt as _;
        let names = jetstream.stream_names().try_collect::<Vec<_>>().await.unwrap();
        let config = async_nats::jetstream::consumer::pull::Config::default();
        jetstream.create_consumer_on_stream(config, names[0].clone()).await.unwrap();
    });
    let done = running.wait();
    assert_eq!(done.code, 3, "{done:#?}");
    let record = place.record();
    assert_eq!(record.run.end, End::Completed, "{:?}", record.run);
    for name in ["delivery.lost", "delivery.duplicate", "publish.unsent"] {
        assert_eq!(objective(&record, name).verdict, Verdict::Pass, "{name}");
    }
    let replay = objective(&record, "replay.complete");
    let reason = replay.reason.clone().unwrap();
    assert_eq!(replay.verdict, Verdict::Inconclusive);
    assert!(reason.contains("maximum consumers limit reached (code 400, error code 10026)"), "{reason}");
    let audit = record.phase(tickgate::record::PhaseName::Audit).unwrap();
    assert!(audit.end_ns - audit.start_ns < 60_000_000_000, "it is not asked again: {audit:?}");
}

#[test]
fn the_limits_of_a_server_are_taken_or_said_with_the_key() {
    let run = |server: &NatsServer, more: &[&str]| {
        Place::new().gate(&[&["--broker", &server.url(), "--quiet"], more].concat())
    };
    run(&NatsServer::limited("duplicate_window: \"30s\""), &[]).ends(0);
    let server = NatsServer::limited("max_ack_pending: 1000");
    run(&server, &[]).fails(
        4,
        &["exceeds system limit of 1000 (code 400, error code 10121)", "lower `bus.nats.max_ack_pending`"],
    );
    run(&server, &["--set", "bus.nats.max_ack_pending=1000"]).ends(0);
    // The audit asks for no more than that, either.
    let server = NatsServer::limited("max_request_batch: 10");
    run(&server, &[]).fails(4, &["requests of at most 10 messages", "set `bus.nats.pull_batch = 10`"]);
    run(&server, &["--set", "bus.nats.pull_batch=10"]).ends(0);
}

#[test]
fn refusals_are_shown_with_their_reasons_and_counts() {
    let place = Place::new();
    let sets = ["--set", "load.duration=4s", "--set", "bus.max_bytes=1MiB", "--set", "bus.audit=false"];
    let wanted = ["--set", "objectives.publish.refused=== 0", "--set", "objectives.replay.complete=none"];
    let done = place.gate(&[&["--broker", "local", "--quiet"], &sets[..], &wanted[..]].concat());
    assert_eq!(done.code, 1, "{done:#?}");
    let record = place.record();
    let [refusal] = &record.load.refusals[..] else { unreachable!("{:?}", record.load.refusals) };
    assert_eq!(
        (refusal.reason.as_str(), refusal.said.as_deref()),
        ("api-10077", Some("maximum bytes exceeded"))
    );
    assert_eq!(refusal.count, record.load.refused);
    let refused = objective(&record, "publish.refused");
    assert!(refused.reason.as_ref().unwrap().contains("× maximum bytes exceeded (10077)"), "{refused:?}");
    assert!(refused.next.as_ref().unwrap().contains("raise bus.max_bytes"), "{refused:?}");
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let shown = "× maximum bytes exceeded (10077)";
    assert!(words(&done.out).contains(shown), "{}", done.out);
    for file in ["report.html", "summary.md", "junit.xml"] {
        let text = std::fs::read_to_string(place.run_folder().join(file)).unwrap();
        assert!(words(&text).contains(shown), "{file}");
    }
}
