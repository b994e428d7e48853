//! What only the NATS driver promises: answers by error code, duplicates, marks, names, and whose streams it touches.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use async_nats::jetstream::stream;
use tickgate::bus::nats::{Api, NatsBus, Setup, Target};
use tickgate::bus::{
    Ack, Answer, Bus as _, BusError, Doubt, Mark, Member as _, Outgoing, Publisher as _, Refusal,
};
use tickgate::host::clock::Clock;
use tickgate::num;
use tickgate::plan::{Delivery, Plan, Publish, Size, Span, Storage};
use tickgate::topology::Naming;

use crate::support;
use crate::support::nats::{self, NatsServer};
use crate::support::proxy::{Direction, Proxy, Shape};
use crate::support::rig::{Nats, PATIENCE, Rig as _, audit, publish, receive, settle};

fn setup<'a>(plan: &'a Plan, symbols: &'a [String]) -> Setup<'a> {
    Setup {
        plan,
        run_id: "t1",
        naming: Naming::Profile,
        symbols,
        clock: Clock::start(),
        volume_bytes: 0,
        model: None,
        sync_always: None,
        keep: false,
    }
}

fn connect(server: &NatsServer, plan: &Plan) -> Result<NatsBus, BusError> {
    NatsBus::connect(Target::parse(&server.url())?, &setup(plan, &support::symbols(plan)))
}

fn outcomes(acks: &[Ack]) -> Vec<Answer> {
    acks.iter().map(|ack| ack.outcome).collect()
}

#[test]
fn a_repeated_id_is_a_duplicate_at_the_first_position() {
    let rig = Nats::start();
    let mut plan = support::plan();
    plan.bus.nats.msg_id = true;
    let mut bus = rig.provisioned(&plan);
    let mut publisher = bus.publisher(0).unwrap();
    let mut acks = Vec::new();
    for (token, id) in [(0, "a"), (1, "b"), (2, "a")] {
        let event = Outgoing { token, topic: 0, symbol: 0, id, payload: b"e" };
        publisher.publish(&event).unwrap();
        settle(&mut publisher, &mut acks);
    }
    let shown: Vec<(u64, bool)> = acks
        .iter()
        .map(|ack| match ack.outcome {
            Answer::Stored { position, duplicate } => (position.offset, duplicate),
            other => unreachable!("{other:?}"),
        })
        .collect();
    assert_eq!(shown, [(1, false), (2, false), (1, true)]);
    assert_eq!(audit(&mut bus).len(), 2);
}

#[test]
fn the_largest_event_fits_with_its_id() {
    let rig = Nats::start();
    let mut plan = support::plan();
    plan.bus.nats.msg_id = true;
    let mut bus = rig.provisioned(&plan);
    let largest = usize::try_from(bus.facts().max_payload).unwrap();
    let mut publisher = bus.publisher(0).unwrap();
    // The largest that is accepted is stored: the limit counts the header.
    let size = (0..200)
        .map(|less| largest - less)
        .find(|&size| publish(&mut publisher, 0, &vec![b'x'; size]).is_ok());
    let mut acks = Vec::new();
    settle(&mut publisher, &mut acks);
    assert!(matches!(outcomes(&acks)[..], [Answer::Stored { .. }]), "{acks:?}");
    assert!(size.unwrap() > largest - 120);
}

#[test]
fn a_full_stream_refuses_and_keeps_what_it_has() {
    let rig = Nats::start();
    let mut plan = support::plan();
    plan.bus.max_bytes = Size { bytes: 64 * 1024 };
    let mut bus = rig.provisioned(&plan);
    let mut publisher = bus.publisher(0).unwrap();
    for token in 0..100 {
        publish(&mut publisher, token, &[b'x'; 1000]).unwrap();
    }
    let mut acks = Vec::new();
    settle(&mut publisher, &mut acks);
    let stored = outcomes(&acks).iter().filter(|o| matches!(o, Answer::Stored { .. })).count();
    let full = Answer::Refused(Refusal::Said { code: 10_077, words: "maximum bytes exceeded" });
    assert_eq!(outcomes(&acks).iter().filter(|&&o| o == full).count(), 100 - stored);
    assert!((40..64).contains(&stored), "{stored}");
    assert_eq!(audit(&mut bus).first().map(|r| r.offset), Some(1));
}

#[test]
fn without_a_stream_nobody_answers_and_a_member_ends() {
    let rig = Nats::start();
    let mut bus = rig.provisioned(&support::plan());
    let mut publisher = bus.publisher(0).unwrap();
    let mut member = bus.member(0, 0).unwrap();
    assert_eq!(member.receive(Duration::from_millis(100), &mut |_| {}).unwrap(), 0);
    bus.teardown().unwrap();
    publish(&mut publisher, 0, b"e").unwrap();
    let mut acks = Vec::new();
    settle(&mut publisher, &mut acks);
    assert_eq!(outcomes(&acks), [Answer::Refused(Refusal::NoResponders)]);
    let error = member.receive(Duration::from_secs(10), &mut |_| {}).unwrap_err().to_string();
    assert!(
        error.contains("consumer tickgate-t1-engine of stream tickgate-t1 cannot go on: it was deleted"),
        "{error}"
    );
    // One that comes later is not answered at all, which is a mark and not an end.
    let mut late = bus.member(0, 0).unwrap();
    let mut marks: Vec<Mark> = Vec::new();
    let patience = Instant::now();
    while !marks.iter().any(|mark| mark.kind == "no-responders") && patience.elapsed() < PATIENCE {
        assert_eq!(late.receive(Duration::from_millis(300), &mut |_| {}).unwrap(), 0);
        bus.marks(&mut marks);
    }
    assert_eq!(marks.iter().filter(|mark| mark.kind == "no-responders").count(), 1, "{marks:?}");
    let audit = bus.audit(Duration::from_secs(10), &mut |_| {}).unwrap_err().to_string();
    assert!(audit.contains("cannot read stream tickgate-t1 back"), "{audit}");
}

#[test]
fn only_what_bears_the_mark_is_removed() {
    let rig = Nats::start();
    let server = &rig.server;
    let mut bus = rig.provisioned(&support::plan());
    // Without its mark, the stream is not the run's.
    nats::jetstream(&server.url(), async |jetstream| {
        let mut config = jetstream.get_stream("tickgate-t1").await.unwrap().cached_info().config.clone();
        config.metadata.clear();
        jetstream.update_stream(config).await.unwrap();
    });
    let error = bus.teardown().unwrap_err().to_string();
    insta::assert_snapshot!(error, @"stream tickgate-t1 is left behind: it does not have this run's mark; see with `nats stream info tickgate-t1` whose it is");
    nats::jetstream(&server.url(), async |jetstream| jetstream.get_stream("tickgate-t1").await.map(drop))
        .expect("it is still there");
}

#[test]
fn a_kept_stream_stays_with_its_settings() {
    let server = NatsServer::start();
    let mut plan = support::plan();
    plan.bus.max_age = Span::seconds(60);
    plan.bus.storage = Storage::Memory;
    let symbols = support::symbols(&plan);
    let keep = Setup { keep: true, run_id: "run.1 b", ..setup(&plan, &symbols) };
    let mut bus = NatsBus::connect(Target::parse(&server.url()).unwrap(), &keep).unwrap();
    bus.provision().unwrap();
    assert_eq!(bus.stream(), "tickgate-run-1-b");
    assert_eq!(bus.facts().durability, "memory");
    bus.teardown().unwrap();
    let config = nats::jetstream(&server.url(), async |js| {
        js.get_stream("tickgate-run-1-b").await.unwrap().cached_info().config.clone()
    });
    assert_eq!(config.metadata.get("tickgate.run").map(String::as_str), Some("run.1 b"));
    assert_eq!((config.discard, config.storage), (stream::DiscardPolicy::New, stream::StorageType::Memory));
    assert_eq!((config.max_age.as_secs(), config.duplicate_window.as_secs()), (60, 60));
    assert_eq!(config.subjects.len(), 3);
}

#[test]
fn an_acknowledgement_means_what_the_server_does() {
    let server = NatsServer::start();
    let plan = support::plan();
    let symbols = support::symbols(&plan);
    for (sync_always, expected) in
        [(Some(true), "fsync"), (Some(false), "page cache"), (None, "page cache (sync interval unknown)")]
    {
        let setup = Setup { sync_always, ..setup(&plan, &symbols) };
        let bus = NatsBus::connect(Target::parse(&server.url()).unwrap(), &setup).unwrap();
        assert_eq!(bus.facts().durability, expected);
    }
    let mut plan = support::plan();
    plan.bus.replicas = 3;
    assert_eq!(
        connect(&server, &plan).unwrap().facts().durability,
        "replicated 2/3, page cache (sync interval unknown)"
    );
}

#[test]
fn partitions_that_cannot_be_are_said_so() {
    let server = NatsServer::start();
    let mut plan = support::plan();
    plan.groups[0].members = 2;
    plan.groups[0].delivery = Delivery::Partitioned;
    let error = connect(&server, &plan).err().unwrap().to_string();
    insta::assert_snapshot!(error, @"group `engine` is `partitioned`, but the subjects do not carry the symbol; set `topology.symbol_in_subject = true`, or `delivery = \"pinned\"` for the group");
    plan.topology.symbol_in_subject = true;
    plan.groups[0].subscribe = vec![">".to_owned()];
    let error = connect(&server, &plan).err().unwrap().to_string();
    assert!(error.contains("topics with different numbers of levels"), "{error}");
}

#[test]
fn a_domain_is_addressed() {
    let folder = tempfile::tempdir().unwrap();
    let server =
        NatsServer::bare(&format!("jetstream {{ store_dir: \"{}\", domain: hub }}", folder.path().display()));
    let plan = support::plan();
    let target = Target { api: Api::Domain("hub".to_owned()), ..Target::parse(&server.url()).unwrap() };
    let mut bus = NatsBus::connect(target, &setup(&plan, &support::symbols(&plan))).unwrap();
    bus.provision().unwrap();
    let mut publisher = bus.publisher(0).unwrap();
    publish(&mut publisher, 0, b"e").unwrap();
    let mut acks = Vec::new();
    settle(&mut publisher, &mut acks);
    assert!(matches!(outcomes(&acks)[..], [Answer::Stored { .. }]));
    assert_eq!(receive(&mut bus.member(0, 0).unwrap(), 1).len(), 1);
    let target = Target { api: Api::Domain("elsewhere".to_owned()), ..Target::parse(&server.url()).unwrap() };
    let error = NatsBus::connect(target, &setup(&plan, &support::symbols(&plan))).err().unwrap().to_string();
    assert!(error.contains("nobody answers its API"), "{error}");
}

/// Publishes `events` of 500 bytes in batches of 10, and returns the answers and the stored events.
fn in_batches(publish_as: Publish, events: u64, max_bytes: u64) -> (Vec<Ack>, usize) {
    let rig = Nats::start();
    let mut plan = support::plan();
    plan.bus.publish = publish_as;
    plan.bus.nats.batch = 10;
    // A thread that stalls for that long while it fills a batch would end the batch.
    plan.bus.nats.linger = Span::seconds(1);
    plan.bus.max_bytes = Size { bytes: max_bytes };
    let mut bus = rig.provisioned(&plan);
    let mut publisher = bus.publisher(0).unwrap();
    let mut acks = Vec::new();
    for token in 0..events {
        publish(&mut publisher, token, &[b'x'; 500]).unwrap();
    }
    settle(&mut publisher, &mut acks);
    // A later one starts a new batch.
    publish(&mut publisher, events, b"e").unwrap();
    settle(&mut publisher, &mut acks);
    let mut tokens: Vec<_> = acks.iter().map(|ack| ack.token).collect();
    tokens.sort_unstable();
    assert_eq!(tokens, (0..=events).collect::<Vec<_>>());
    (acks, audit(&mut bus).len())
}

#[test]
fn events_of_a_batch_share_an_answer_and_the_last_ones_are_not_left_waiting() {
    for publish_as in [Publish::Fast, Publish::Atomic] {
        let (acks, stored) = in_batches(publish_as, 25, 1 << 20);
        assert!(acks.iter().all(|ack| matches!(ack.outcome, Answer::Stored { .. })), "{acks:?}");
        assert_eq!(stored, 26);
        let times: BTreeSet<_> = acks.iter().map(|ack| ack.at).collect();
        assert!(times.len() <= 4, "{publish_as:?}: 10, 10, 5 and 1 events, and {} answers", times.len());
    }
}

#[test]
fn a_full_stream_refuses_what_it_does_not_store_of_a_batch() {
    for publish_as in [Publish::Fast, Publish::Atomic] {
        let (acks, stored) = in_batches(publish_as, 95, 20_000);
        let confirmed = acks.iter().filter(|ack| matches!(ack.outcome, Answer::Stored { .. })).count();
        let refused =
            |ack: &Ack| matches!(ack.outcome, Answer::Refused(Refusal::Said { .. } | Refusal::Api(_)));
        assert_eq!(confirmed, stored, "{publish_as:?}: {acks:?}");
        assert!(stored > 10 && stored < 60, "{publish_as:?}: {stored} stored in 20 kB");
        assert_eq!(acks.iter().filter(|ack| refused(ack)).count(), 96 - stored, "{publish_as:?}: {acks:?}");
    }
}

#[test]
fn a_stopped_server_is_noticed_and_the_members_go_on() {
    let mut rig = Nats::start();
    let mut plan = support::plan();
    plan.groups[0].members = 2;
    plan.bus.nats.pull_batch = 10;
    plan.bus.nats.ack_wait = Span::seconds(1);
    let mut bus = rig.provisioned(&plan);
    let mut publisher = bus.publisher(0).unwrap();
    let mut members = [bus.member(0, 0).unwrap(), bus.member(0, 1).unwrap()];
    let mut seen = BTreeSet::new();
    // Both members have requests open when the server goes, and both must ask again.
    for round in 0..3 {
        for token in 0..100 {
            publish(&mut publisher, token, format!("{round} {token}").as_bytes()).unwrap();
        }
        settle(&mut publisher, &mut Vec::new());
        let patience = Instant::now();
        while seen.len() < 100 * (round + 1) {
            assert!(patience.elapsed() < PATIENCE, "round {round}: {} received", seen.len());
            for member in &mut members {
                let mut sink = |d: &tickgate::bus::Delivery<'_>| {
                    seen.insert(d.payload.to_vec());
                };
                member.receive(Duration::from_millis(20), &mut sink).unwrap();
            }
        }
        rig.restart();
    }
    let mut marks = Vec::new();
    bus.marks(&mut marks);
    for connection in ["publisher 0", "member 0 of engine", "member 1 of engine"] {
        for kind in ["disconnected", "connected"] {
            assert!(
                marks.iter().any(|mark| mark.kind == kind && mark.detail.starts_with(connection)),
                "{connection} {kind}: {marks:?}"
            );
        }
    }
    assert!(marks.iter().all(|mark| mark.kind != "missed-heartbeat"), "{marks:?}");
}

#[test]
fn silence_is_marked_and_ends_with_the_broker_awake() {
    let rig = Nats::start();
    let mut bus = rig.provisioned(&support::plan());
    let mut publisher = bus.publisher(0).unwrap();
    let mut member = bus.member(0, 0).unwrap();
    member.receive(Duration::from_millis(100), &mut |_| {}).unwrap();
    rig.pause();
    let mut marks = Vec::new();
    let patience = Instant::now();
    while marks.is_empty() && patience.elapsed() < PATIENCE {
        assert_eq!(member.receive(Duration::from_secs(1), &mut |_| {}).unwrap(), 0);
        bus.marks(&mut marks);
    }
    assert_eq!(marks.first().map(|mark| mark.kind), Some("missed-heartbeat"), "{marks:?}");
    rig.resume();
    publish(&mut publisher, 0, b"e").unwrap();
    settle(&mut publisher, &mut Vec::new());
    assert_eq!(receive(&mut member, 1).len(), 1);
}

/// The publisher's is the second connection; its answers, or its events, take longer than anybody waits, until it ends.
fn reset_with_a_full_window(publish_as: Publish, held: Direction) -> (Vec<Ack>, Vec<u64>) {
    let server = NatsServer::start();
    let proxy = Proxy::to(server.port());
    let mut plan = support::plan();
    plan.bus.publish = publish_as;
    plan.bus.window = 100;
    plan.bus.publish_timeout = Span::seconds(600);
    (plan.bus.nats.batch, plan.bus.nats.linger) = (10, Span::millis(5));
    let symbols = support::symbols(&plan);
    let mut bus = NatsBus::connect(Target::parse(&proxy.url()).unwrap(), &setup(&plan, &symbols)).unwrap();
    bus.provision().unwrap();
    let mut publisher = bus.publisher(0).unwrap();
    proxy.shape(held, Shape { delay_ns: 600_000_000_000, only: Some(1), ..Shape::default() });
    let mut acks = Vec::new();
    for token in 0..150 {
        publish(&mut publisher, token, format!("e {token}").as_bytes()).unwrap();
        publisher.acks(&mut acks);
    }
    if held == Direction::ToClient {
        // Until they are stored, all but perhaps the last of those that left.
        let patience = Instant::now();
        let in_window = if publish_as == Publish::Sync { 1 } else { 100 };
        while bus.observe().unwrap().stored_events < in_window && patience.elapsed() < PATIENCE {
            publisher.acks(&mut acks);
            std::thread::sleep(Duration::from_millis(2));
        }
    }
    assert_eq!(acks, [], "nothing is answered");
    proxy.cut(Duration::from_millis(50));
    settle(&mut publisher, &mut acks);
    let stored = audit(&mut bus).into_iter().map(|r| {
        let text = String::from_utf8(r.payload).unwrap();
        text.trim_start_matches("e ").parse().unwrap()
    });
    let mut stored: Vec<u64> = stored.collect();
    stored.sort_unstable();
    acks.sort_by_key(|ack| ack.token);
    assert!(acks.iter().map(|ack| ack.token).eq(0..150), "each has one answer");
    (acks, stored)
}

#[test]
fn a_reset_with_a_full_window_frees_it_at_once_in_each_way_to_publish() {
    for publish_as in [Publish::Async, Publish::Sync, Publish::Fast, Publish::Atomic] {
        let in_window = if publish_as == Publish::Sync { 1 } else { 100 };
        for held in [Direction::ToServer, Direction::ToClient] {
            let (acks, stored) = reset_with_a_full_window(publish_as, held);
            for ack in &acks {
                let lost = ack.outcome == Answer::Unconfirmed(Doubt::Disconnected);
                let kept = matches!(ack.outcome, Answer::Stored { .. });
                assert_eq!(
                    (lost, kept),
                    (ack.token < in_window, ack.token >= in_window),
                    "{publish_as:?}: {ack:?}"
                );
            }
            // What the server had got is stored all the same, and once; what the line lost is not.
            let first = if held == Direction::ToServer { in_window } else { 0 };
            assert_eq!(stored, (first..150).collect::<Vec<_>>(), "{publish_as:?}");
        }
    }
}

/// More than the line holds, so that some still wait in the client when the connection ends: these leave on the next one.
#[test]
fn a_reset_takes_what_was_written_to_the_connection_and_nothing_else() {
    let server = NatsServer::start();
    let proxy = Proxy::to(server.port());
    let mut plan = support::plan();
    plan.bus.window = 512;
    plan.bus.publish_timeout = Span::seconds(600);
    let symbols = support::symbols(&plan);
    let mut bus = NatsBus::connect(Target::parse(&proxy.url()).unwrap(), &setup(&plan, &symbols)).unwrap();
    bus.provision().unwrap();
    let mut publisher = bus.publisher(0).unwrap();
    let held = Shape { delay_ns: 600_000_000_000, only: Some(1), ..Shape::default() };
    proxy.shape(Direction::ToServer, held);
    let mut acks = Vec::new();
    for token in 0..400_u64 {
        let mut payload = token.to_be_bytes().to_vec();
        payload.resize(100_000, b'x');
        publish(&mut publisher, token, &payload).unwrap();
        publisher.acks(&mut acks);
    }
    assert_eq!(acks, []);
    proxy.cut(Duration::from_millis(50));
    settle(&mut publisher, &mut acks);
    assert_eq!(acks.len(), 400);
    let is_lost = |ack: &&Ack| ack.outcome == Answer::Unconfirmed(Doubt::Disconnected);
    let is_stored = |ack: &&Ack| matches!(ack.outcome, Answer::Stored { .. });
    let lost: BTreeSet<u64> = acks.iter().filter(is_lost).map(|ack| ack.token).collect();
    let kept: BTreeSet<u64> = acks.iter().filter(is_stored).map(|ack| ack.token).collect();
    let first = num::count(lost.len());
    assert!(first > 0 && first < 400, "{first} of 400 were on the line");
    assert_eq!((lost, &kept), ((0..first).collect(), &(first..400).collect()));
    let token = |r: &support::rig::Received| u64::from_be_bytes(*r.payload.first_chunk().unwrap());
    assert_eq!(audit(&mut bus).iter().map(token).collect::<BTreeSet<_>>(), kept);
}

#[test]
fn nothing_leaves_while_there_is_no_connection() {
    let mut rig = Nats::start();
    let mut plan = support::plan();
    plan.bus.publish_timeout = Span::millis(200);
    let mut bus = rig.provisioned(&plan);
    let mut publisher = bus.publisher(0).unwrap();
    rig.server.kill();
    let mut marks = Vec::new();
    let patience = Instant::now();
    let mut acks = Vec::new();
    while marks.iter().all(|mark: &tickgate::bus::Mark| !mark.detail.starts_with("publisher")) {
        assert!(patience.elapsed() < PATIENCE, "{marks:?}");
        publisher.acks(&mut acks);
        bus.marks(&mut marks);
    }
    for token in 0..50 {
        publish(&mut publisher, token, b"e").unwrap();
    }
    settle(&mut publisher, &mut acks);
    assert_eq!(outcomes(&acks), [Answer::Refused(Refusal::NotSent); 50]);
    rig.restart();
    publish(&mut publisher, 50, b"e").unwrap();
    // It may take longer than 200 ms to connect again.
    while settled_as_not_sent(&mut publisher, &mut acks) {
        assert!(patience.elapsed() < PATIENCE, "{acks:?}");
        publish(&mut publisher, 50, b"e").unwrap();
    }
    assert_eq!(audit(&mut bus).len(), 1, "only the last one was ever sent");
}

fn settled_as_not_sent(publisher: &mut impl tickgate::bus::Publisher, acks: &mut Vec<Ack>) -> bool {
    settle(publisher, acks);
    acks.last().is_some_and(|ack| ack.outcome == Answer::Refused(Refusal::NotSent))
}
