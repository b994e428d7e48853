//! The permissions that docs/permissions.md gives: they are enough, and each is needed.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use crate::support::nats::NatsServer;
use crate::support::ports::free_port;
use crate::support::program::{Place, balances};

/// The lines of the published snippet between `permissions: {` and its end.
fn published() -> Vec<String> {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/permissions.md")).unwrap();
    let (_, snippet) = text.split_once("permissions: {\n").unwrap();
    let (snippet, _) = snippet.split_once("\n}\n").unwrap();
    snippet.lines().map(str::to_owned).collect()
}

fn run_with(lines: &[String], flags: &[&str]) -> (Place, crate::support::program::Done) {
    let server = NatsServer::locked_down("", &format!("\n{}\n", lines.join("\n")));
    let place = Place::new();
    let done = place.gate(&[&["--broker", &server.gate_url()], flags].concat());
    (place, done)
}

#[test]
fn the_published_permissions_are_enough() {
    for flags in [&[][..], &["--set", "bus.publish=fast"], &["--set", "bus.nats.msg_id=true"]] {
        let (place, done) = run_with(&published(), flags);
        done.ends(0);
        balances(&place.record());
    }
}

#[test]
fn each_published_permission_is_needed() {
    let all = published();
    for (at, line) in all.iter().enumerate().filter(|(_, line)| line.trim().starts_with('"')) {
        let mut others = all.clone();
        others.remove(at);
        let (place, done) = run_with(&others, &[]);
        let left_behind = line.contains("STREAM.DELETE") && done.err.contains("STREAM.DELETE");
        assert!(done.code != 0 || left_behind, "{line} can be left out: {:?}\n{}", place.runs(), done.err);
    }
}

#[test]
fn without_acknowledgements_their_subjects_are_not_needed() {
    let lines: Vec<String> = published().into_iter().filter(|line| !line.contains("$JS.ACK")).collect();
    let (_, done) = run_with(&lines, &["--set", "bus.ack=none"]);
    done.ends(0);
}

/// The published lines for another start of the API's subjects.
fn under(api: &str) -> Vec<String> {
    published().into_iter().map(|line| line.replace("\"$JS.API.", &format!("\"{api}."))).collect()
}

/// The user with these permissions.
fn gate(lines: &[String]) -> String {
    format!("{{ user: gate, password: pw, permissions: {{\n{}\n}} }}", lines.join("\n"))
}

/// A server whose `JetStream` has a domain.
fn in_a_domain(lines: &[String]) -> Vec<NatsServer> {
    let accounts = format!("accounts {{ A {{ jetstream: enabled, users: [ {} ] }} }}", gate(lines));
    vec![NatsServer::of(&accounts, ", domain: hub")]
}

/// A server without `JetStream`, a leaf node of one whose `JetStream` has a domain.
fn behind_a_leaf_node(lines: &[String]) -> Vec<NatsServer> {
    let port = free_port();
    let hub = NatsServer::of(&format!("leafnodes {{ listen: \"127.0.0.1:{port}\" }}"), ", domain: hub");
    let remote = format!("{{ url: \"nats-leaf://127.0.0.1:{port}\", account: A }}");
    let accounts = format!("accounts {{ A {{ users: [ {} ] }} }}", gate(lines));
    let leaf = NatsServer::bare(&format!("{accounts}\nleafnodes {{ reconnect: 1, remotes: [ {remote} ] }}"));
    let patience = std::time::Instant::now();
    while !hub.log().contains("Leafnode connection created") {
        assert!(patience.elapsed() < std::time::Duration::from_mins(1), "no leaf node:\n{}", hub.log());
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    vec![leaf, hub]
}

/// A server on which the user's account imports the API of another account under `JS.hub.API`.
fn imported(lines: &[String]) -> Vec<NatsServer> {
    let import = |subject: &str| format!("{{ service: {{ account: HUB, subject: \"{subject}\" }}");
    vec![NatsServer::with(&format!(
        "accounts {{ HUB {{ jetstream: enabled, exports: [ {{ service: \"$JS.API.>\", response: stream }}, \
         {{ service: \"$JS.ACK.>\" }}, {{ service: \"*.ai-trader.>\" }} ] }}, \
         A {{ users: [ {} ], imports: [ {}, to: \"JS.hub.API.>\" }}, {} }}, {} }} ] }} }}",
        gate(lines),
        import("$JS.API.>"),
        import("$JS.ACK.>"),
        import("*.ai-trader.>"),
    ))]
}

#[test]
fn under_a_domain_or_an_api_prefix_the_same_requests_are_enough_and_needed() {
    type Start = fn(&[String]) -> Vec<NatsServer>;
    let cases: [(Start, [&str; 2], &str); 3] = [
        (in_a_domain, ["--js-domain", "hub"], "$JS.API"),
        (behind_a_leaf_node, ["--js-domain", "hub"], "$JS.hub.API"),
        (imported, ["--js-api-prefix", "JS.hub.API"], "JS.hub.API"),
    ];
    for (start, flags, api) in cases {
        let run = |lines: &[String]| {
            let (servers, place) = (start(lines), Place::new());
            let done = place.gate(&[&["--broker", &servers[0].gate_url()], &flags[..]].concat());
            (place, done)
        };
        let (place, done) = run(&under(api));
        done.ends(0);
        balances(&place.record());
        // One that is missing is named under its prefix, and the subjects of the default API do not help.
        let others: Vec<_> =
            under(api).into_iter().filter(|line| !line.contains("CONSUMER.CREATE")).collect();
        run(&others).1.fails(4, &[&format!("may not publish to {api}.CONSUMER.CREATE.>")]);
        if api != "$JS.API" {
            run(&published()).1.fails(4, &[&format!("may not publish to {api}.INFO")]);
        }
    }
}

#[test]
fn clean_needs_two_more() {
    let mut lines = published();
    let at = lines.iter().position(|line| line.contains("$JS.API.INFO")).unwrap();
    lines.splice(at..at, ["\"$JS.API.STREAM.LIST\"".to_owned(), "\"$JS.API.CONSUMER.LIST.*\"".to_owned()]);
    let server = NatsServer::locked_down("", &format!("\n{}\n", lines.join("\n")));
    let (place, url) = (Place::new(), server.gate_url());
    place.gate(&["--broker", &url, "--quiet", "--keep"]).ends(0);
    let run = place.record().run.id;
    let done = place.run(&["clean", "--broker", &url, "--run", &run, "--yes"]);
    done.ends(0);
}
