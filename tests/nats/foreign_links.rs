//! Links between tickgate's clients and a server that tickgate did not start are cut and slowed down by proxies in between.

use tickgate::host::signal::Interrupt;
use tickgate::plan::{Action, Cut, Expect, Fault, Span, Target, Way};
use tickgate::record::{End, NodeState};
use tickgate::session::Asked;

use crate::support::certificates::Certificates;
use crate::support::faults::{On, carried_out, fault, of, plan, run_at};
use crate::support::machine;
use crate::support::nats::NatsServer;

fn of_clients(name: &str, at: u64, action: Action, length: u64) -> Fault {
    let between = Some([Target::Clients, Target::All]);
    Fault { target: None, between, ..fault(name, at, action, Target::All, length) }
}

#[test]
fn clients_of_a_server_that_is_not_ours_are_cut_off_and_slowed_down() {
    let _machine = machine::beside_clusters();
    let certificates = Certificates::of("localhost");
    let server = NatsServer::with(&certificates.config(""));
    let cut = of_clients("cut", 2, Action::Partition, 2);
    let hole = of_clients("hole", 9, Action::Partition, 2);
    let delay = Span::millis(60);
    let faults = vec![
        Fault { how: Some(Cut::Cut), expect: Expect::Outage, ..cut },
        Fault { how: Some(Cut::Hole), way: Some(Way::To), expect: Expect::Outage, ..hole },
        Fault { delay: Some(delay), ..of_clients("slow", 16, Action::Slow, 3) },
    ];
    let mut plan = plan(24, faults);
    (plan.cluster.nodes, plan.bus.replicas) = (1, 1);
    (plan.bus.retry, plan.bus.nats.msg_id, plan.bus.buffer) = (Span::seconds(15), true, 65_536);
    // The certificate is for this name, and not for the address of the proxy.
    let address = format!("localhost:{}", server.port());
    let asked = Asked {
        at: Some(format!("tls://{address}")),
        tls_ca: Some(certificates.file("ca.pem")),
        allow_faults: true,
        ..Asked::default()
    };
    let before = server.pid();
    let record = run_at(&asked, &plan, &Interrupt::default(), &mut On(|_| {}));
    assert_eq!(record.run.end, End::Completed, "{:?}", record.run.reason);
    assert_eq!(server.pid(), before);
    assert_eq!(record.broker.address, format!("tls://{address}"));
    assert_eq!(record.broker.settings.get("links").unwrap(), "proxied, 1 of clients");
    assert_eq!((record.groups[0].lost, record.groups[0].corrupt), (0, 0), "{:?}", record.groups[0]);
    assert_eq!(record.load.acked, record.load.intended, "{:?}", record.load);
    for name in ["cut", "hole", "slow"] {
        let fault = of(&record, name);
        carried_out(fault);
        assert_eq!(fault.resolved, std::slice::from_ref(&address), "{fault:?}");
    }
    // A slot of the cut counts until its events are confirmed, which takes a new connection first.
    for name in ["cut", "hole"] {
        let away = of(&record, name).effect.as_ref().unwrap().publishing.unavailable_ns;
        assert!(away > 1_000_000_000, "{name}: {away}");
    }
    let states: Vec<NodeState> = record.faults.nodes[0].states.iter().map(|(_, state)| *state).collect();
    assert_eq!(states, [NodeState::Cut, NodeState::Up, NodeState::Cut, NodeState::Up]);
    let effect = |scope: &str| record.faults.scope(scope).unwrap().figures.ack.as_ref().unwrap();
    // There and back.
    assert!(effect("fault.slow").p99_ns >= 2 * delay.ns, "{:?}", effect("fault.slow"));
    assert!(effect("before").p50_ns < 2 * delay.ns, "{:?}", effect("before"));
    let kinds: Vec<&str> = record.marks.iter().map(|mark| mark.kind.as_str()).collect();
    assert!(kinds.contains(&"disconnected") && kinds.contains(&"connected"), "{kinds:?}");
}
