//! Monitoring endpoints of servers that tickgate did not start: a run on a real cluster of three, by its address.

use std::net::TcpListener;

use crate::support::{self, cluster::Cluster, nats::NatsServer};
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
    let choice = Choice::resolve(&asked, plan, &|_| None).map_err(|error| error.to_string())?;
    let (identity, interrupt) = (Identity::new(), Interrupt::default());
    let order = Order { identity: &identity, clock: Clock::start(), interrupt: &interrupt, keep: false };
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

    // A part of the cluster is no sum over it.
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
    let held = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = held.local_addr().expect("an address").port();
    drop(held);
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
