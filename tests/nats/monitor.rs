//! Servers that tickgate did not start, by their monitoring endpoints and by their system account: runs on a real cluster of
//! three, by its address.

use crate::support::jwt::OperatorMode;
use crate::support::{self, cluster::Cluster, nats::NatsServer, ports::free_port};
use tickgate::host::clock::Clock;
use tickgate::host::signal::Interrupt;
use tickgate::plan::{Plan, Span};
use tickgate::record::{End, Record};
use tickgate::report::terminal::{self, Style};
use tickgate::run::{Event, Identity, Observer};
use tickgate::session::{self, Asked, Choice, Order};

fn plan() -> Plan {
    let mut plan = support::plan();
    plan.load.duration = Span::seconds(3);
    plan.bus.replicas = 3;
    plan
}

/// Keeps the warnings, and kills a server when the measure phase begins.
#[derive(Default)]
struct Watching<'a> {
    warnings: Vec<String>,
    kills: Option<&'a mut NatsServer>,
}

impl Observer for Watching<'_> {
    fn event(&mut self, event: &Event<'_>) {
        match event {
            Event::Warning(text) => self.warnings.push((*text).to_owned()),
            Event::PhaseStarted { name: tickgate::record::PhaseName::Measure, .. } => {
                if let Some(server) = self.kills.take() {
                    server.kill();
                }
            }
            _ => {}
        }
    }
}

fn run(url: &str, monitor: &[String], plan: &Plan, watching: &mut Watching<'_>) -> Result<Record, String> {
    let asked = Asked { at: Some(url.to_owned()), monitor: monitor.to_vec(), ..Asked::default() };
    run_as(&asked, None, plan, watching)
}

/// With the password of the system account's user in its variable.
fn run_as(
    asked: &Asked,
    password: Option<&str>,
    plan: &Plan,
    watching: &mut Watching<'_>,
) -> Result<Record, String> {
    let variable = |name: &str| match name {
        "NATS_MONITOR_PASSWORD" => password.map(str::to_owned),
        "NATS_PASSWORD" => asked.user.as_ref().map(|_| "pw".to_owned()),
        _ => None,
    };
    let choice = Choice::resolve(asked, plan, &variable).map_err(|error| error.to_string())?;
    let (identity, interrupt) = (Identity::new(), Interrupt::default());
    let order = Order::new(&identity, Clock::start(), &interrupt);
    session::run(plan, &choice, order, None, &mut [watching]).map_err(|error| error.to_string())
}

#[test]
fn every_node_of_a_cluster_is_in_the_record_of_a_run_on_it() {
    let mut cluster = Cluster::start();
    let (url, urls) = (cluster.servers[0].url(), cluster.urls.clone());
    let mut watching = Watching::default();
    let record = run(&url, &urls, &plan(), &mut watching).unwrap();
    assert_eq!(record.run.end, End::Completed, "{:?}", record.run.reason);
    assert!(watching.warnings.is_empty(), "{:?}", watching.warnings);
    let names: Vec<&str> = record.broker.nodes.iter().map(|node| node.name.as_str()).collect();
    assert_eq!(names, ["n1", "n2", "n3"]);
    for node in &record.broker.nodes {
        assert_eq!((node.cluster.as_deref(), node.meta_size), (Some("trio"), Some(3)));
        assert!(node.memory_bytes > 1 << 20 && node.max_payload > 0 && !node.started.is_empty(), "{node:?}");
        let jetstream = node.jetstream.as_ref().unwrap();
        assert_eq!((jetstream.sync_always, jetstream.sync_interval_ns), (false, 120_000_000_000));
        assert!(names.contains(&node.meta_leader.as_deref().unwrap()), "{node:?}");
        let used = &record.resources.brokers[&node.name];
        assert_eq!(used.peak_memory_bytes, node.memory_bytes);
    }
    let leader = record.broker.stream_leader.as_deref().unwrap();
    assert!(names.contains(&leader), "{leader}");
    assert_eq!(record.broker.durability, "replicated 2/3, page cache");
    assert!(record.broker.settings.contains_key("sync_interval"));
    let text = terminal::summary(&record, Style { colour: false });
    // Lines are wrapped by their length, which depends on the figures.
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in ["all servers", "leads", "the run's stream", "traffic is in them"] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }

    // A part of the cluster is not a sum over it.
    let mut watching = Watching::default();
    let record = run(&url, &urls[..1], &plan(), &mut watching).unwrap();
    assert!(watching.warnings.iter().any(|text| text.contains("1 of 3 servers")), "{:?}", watching.warnings);
    assert_eq!(record.broker.unwatched(), 2);

    // A node that is lost during the run is a mark.
    let follower = record.broker.nodes.first().and_then(|node| node.meta_leader.clone()).unwrap();
    let lost = if follower == "n3" { 1 } else { 2 };
    let mut longer = plan();
    longer.load.duration = Span::seconds(6);
    let mut watching = Watching { kills: cluster.servers.get_mut(lost), ..Watching::default() };
    let record = run(&url, &urls, &longer, &mut watching).unwrap();
    let name = format!("n{}", lost + 1);
    let mark = record.marks.iter().find(|mark| mark.kind == "node-lost").expect("a mark");
    assert!(mark.detail.starts_with(&format!("{name}: ")), "{mark:?}");
    assert!(record.broker.nodes[lost].unseen_ns > 0);
    assert!(record.resources.brokers[&name].cpu_unknown, "it was not seen for most of the run");
}

#[test]
fn an_endpoint_that_does_not_answer_or_is_named_twice_ends_before_the_load() {
    let port = free_port();
    let server = NatsServer::with(&format!("http: \"127.0.0.1:{port}\""));
    let mut plan = plan();
    plan.bus.replicas = 1;
    let refused = |urls: &[String]| run(&server.url(), urls, &plan, &mut Watching::default()).unwrap_err();
    let nobody = refused(&["http://127.0.0.1:1".to_owned()]);
    assert!(nobody.contains("http://127.0.0.1:1") && nobody.contains("http_port"), "{nobody}");
    let clients = refused(&[server.url().replace("nats://", "http://")]);
    assert!(clients.contains("no monitoring data"), "{clients}");
    let twice = refused(&[format!("http://127.0.0.1:{port}"), format!("http://localhost:{port}")]);
    assert!(twice.contains("same server"), "{twice}");
    assert!(server.streams().is_empty(), "nothing was made");
}

/// Two accounts: one with `JetStream` for the run, and the system account. Its user `sys` has the permissions of
/// docs/permissions.md, its user `low` may publish nothing.
#[expect(clippy::expect_used, reason = "a helper of tests")]
fn accounts() -> String {
    let text = include_str!("../../docs/permissions.md");
    let (_, section) = text.split_once("## The system account").expect("a section");
    let snippet =
        section.split("```").nth(1).and_then(|block| block.strip_prefix("text")).expect("a snippet");
    format!(
        "accounts {{\n  APP {{ jetstream: enabled, users: [ {{ user: gate, password: pw }} ] }}\n  \
         SYS {{ users: [\n    {{ user: sys, password: s3cret, {} }}\n    \
         {{ user: low, password: s3cret, permissions: {{ publish: {{ deny: \">\" }} }} }}\n  ] }}\n}}\nsystem_account: SYS\n",
        snippet.trim()
    )
}

fn by_system_account(url: &str, user: &str) -> Asked {
    Asked {
        at: Some(url.to_owned()),
        user: Some("gate".to_owned()),
        monitor_user: Some(user.to_owned()),
        ..Asked::default()
    }
}

#[test]
fn the_system_account_reports_every_node_of_a_cluster() {
    let mut cluster = Cluster::with(&accounts());
    let asked = by_system_account(&cluster.servers[0].url(), "sys");
    let mut watching = Watching::default();
    let record = run_as(&asked, Some("s3cret"), &plan(), &mut watching).unwrap();
    assert_eq!(record.run.end, End::Completed, "{:?}", record.run.reason);
    assert!(watching.warnings.is_empty(), "{:?}", watching.warnings);
    let names: Vec<&str> = record.broker.nodes.iter().map(|node| node.name.as_str()).collect();
    assert_eq!(names, ["n1", "n2", "n3"]);
    for node in &record.broker.nodes {
        assert_eq!(
            (node.url.as_str(), node.cluster.as_deref(), node.meta_size),
            ("$SYS", Some("trio"), Some(3))
        );
        assert!(node.memory_bytes > 1 << 20 && node.max_payload > 0 && !node.started.is_empty(), "{node:?}");
        let jetstream = node.jetstream.as_ref().unwrap();
        assert_eq!((jetstream.sync_always, jetstream.sync_interval_ns), (false, 120_000_000_000));
        assert!(jetstream.store_bytes > 0, "{node:?}");
        assert!(names.contains(&node.meta_leader.as_deref().unwrap()), "{node:?}");
        let used = &record.resources.brokers[&node.name];
        assert!(!used.cpu_unknown && used.peak_memory_bytes == node.memory_bytes, "{used:?}");
    }
    assert!(
        record.resources.brokers.values().any(|used| used.cpu_cores > 0.0),
        "{:?}",
        record.resources.brokers
    );
    assert_eq!(record.broker.durability, "replicated 2/3, page cache");
    let text = terminal::summary(&record, Style { colour: false });
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in ["all servers", "leads", "by the system account: other clients' traffic"] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }

    // A node that is lost during the run is a mark, and unknown from then on.
    let leader = record.broker.nodes.first().and_then(|node| node.meta_leader.clone()).unwrap();
    let lost = if leader == "n3" { 1 } else { 2 };
    let mut longer = plan();
    longer.load.duration = Span::seconds(6);
    let mut watching = Watching { kills: cluster.servers.get_mut(lost), ..Watching::default() };
    let record = run_as(&asked, Some("s3cret"), &longer, &mut watching).unwrap();
    let lost_marks: Vec<_> = record.marks.iter().filter(|mark| mark.kind == "node-lost").collect();
    let name = format!("n{}", lost + 1);
    assert_eq!(lost_marks.len(), 1, "{lost_marks:?}");
    assert!(lost_marks[0].detail.starts_with(&format!("{name}: ")), "{lost_marks:?}");
    assert!(record.broker.nodes[lost].unseen_ns > 0);
    assert!(record.resources.brokers[&name].cpu_unknown, "it was not seen for most of the run");

    // The others are fewer than the cluster has.
    let mut plan = plan();
    plan.bus.replicas = 1;
    let mut watching = Watching::default();
    let record = run_as(&asked, Some("s3cret"), &plan, &mut watching).unwrap();
    let said = watching
        .warnings
        .iter()
        .any(|text| text.contains("2 of 3 servers of the cluster answer the system account"));
    assert!(said, "{:?}", watching.warnings);
    assert_eq!((record.broker.nodes.len(), record.broker.unwatched()), (2, 1));
}

#[test]
fn credentials_that_are_not_of_the_system_account_end_before_the_load() {
    let server = NatsServer::with(&format!("server_name: here\n{}", accounts()));
    let mut plan = plan();
    plan.bus.replicas = 1;
    let url = server.url();
    let refused = |asked: &Asked, password: &str| {
        let error = run_as(asked, Some(password), &plan, &mut Watching::default()).unwrap_err();
        assert!(!error.contains("s3cret"), "{error}");
        error
    };
    for (user, password, parts) in [
        (
            "gate",
            "pw",
            ["--monitor-user: the user is not in the system account of", "leave out --monitor-user"],
        ),
        ("low", "s3cret", ["may not request the servers' figures", "Permissions Violation for Publish to"]),
        ("sys", "s3cret?", ["--monitor-user: cannot connect to", "authorization violation"]),
    ] {
        let error = refused(&by_system_account(&url, user), password);
        assert!(parts.iter().all(|part| error.contains(part)), "{user}: {error}");
    }

    // The servers of another system account are not those of the bus.
    let other = NatsServer::with(&format!("server_name: elsewhere\n{}", accounts()));
    let context = |server: &NatsServer| {
        let file = server.folder().join("sys.json");
        let text = format!(r#"{{"url":"{}","user":"sys","password":"s3cret"}}"#, server.url());
        std::fs::write(&file, text).expect("a context");
        let context = Some(file.display().to_string());
        Asked { monitor_user: None, monitor_context: context, ..by_system_account(&url, "") }
    };
    let run = |asked: &Asked| run_as(asked, None, &plan, &mut Watching::default());
    let error = run(&context(&other)).unwrap_err();
    assert!(error.contains("(elsewhere) are not those of the bus"), "{error}");
    let record = run(&context(&server)).unwrap();
    assert_eq!(record.broker.nodes[0].name, "here");
}

#[test]
fn a_credentials_file_of_the_system_account_is_taken_beside_that_of_the_run() {
    let operator = OperatorMode::new();
    let server = NatsServer::with(&format!("server_name: here\n{}", operator.config));
    let file = |name: &str, text: &str| {
        let file = server.folder().join(name);
        std::fs::write(&file, text).expect("a file");
        Some(file)
    };
    let asked = Asked {
        at: Some(server.url()),
        creds: file("run.creds", &operator.creds),
        monitor_creds: file("sys.creds", &operator.system_creds),
        ..Asked::default()
    };
    let mut plan = plan();
    plan.bus.replicas = 1;
    let record = run_as(&asked, None, &plan, &mut Watching::default()).unwrap();
    assert_eq!((record.run.end, record.broker.nodes[0].name.as_str()), (End::Completed, "here"));
    let swapped = Asked { monitor_creds: asked.creds.clone(), ..asked };
    let error = run_as(&swapped, None, &plan, &mut Watching::default()).unwrap_err();
    assert!(error.contains("--monitor-creds: the user is not in the system account"), "{error}");
}
