//! The ACLs that docs/permissions.md gives for Kafka: they are enough, and each is needed.

#![expect(clippy::unwrap_used, reason = "tests")]

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use tickgate::broker::LocalKafka;

use super::properties::referee;
use crate::support::kafka::{is_there, started};
use crate::support::ports::free_port;
use crate::support::program::{Done, Place, balances};

/// An ACL of the published snippets.
#[derive(Debug, Clone)]
struct Acl {
    operation: String,
    resource: &'static str,
    name: String,
    pattern: &'static str,
}

impl Acl {
    fn read(line: &str) -> Self {
        let words: Vec<&str> = line.split('#').next().unwrap().split_whitespace().collect();
        let after =
            |flag: &str| words.iter().position(|word| *word == flag).map(|at| words[at + 1].to_owned());
        let (resource, name) = match after("--topic") {
            Some(topic) => ("TOPIC", topic),
            None => ("GROUP", after("--group").unwrap()),
        };
        let prefixed = after("--resource-pattern-type").is_some_and(|pattern| pattern == "prefixed");
        let pattern = if prefixed { "PREFIXED" } else { "LITERAL" };
        Self { operation: after("--operation").unwrap(), resource, name, pattern }
    }

    /// As the referee takes it.
    fn of(&self, user: &str) -> String {
        // Kafka's enumeration has underscores.
        let operation = self.operation.replace("DescribeConfigs", "Describe_Configs").to_uppercase();
        format!("User:{user} {operation} {} {} {}", self.resource, self.name, self.pattern)
    }
}

/// The snippets below `## Kafka`, in their order: of every run, of `like`, of `attach`.
fn published() -> Vec<Vec<Acl>> {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/permissions.md")).unwrap();
    let (_, kafka) = text.split_once("\n## Kafka\n").unwrap();
    let blocks = kafka.split("```sh\n").skip(1).map(|block| block.split("```").next().unwrap());
    let acls = |block: &str| block.lines().filter(|line| line.starts_with("$ACLS ")).map(Acl::read).collect();
    blocks.map(acls).collect()
}

/// A run by a user who has some of the ACLs.
#[derive(Debug)]
struct Try {
    user: String,
    acls: Vec<Acl>,
    /// The ACL that is left out.
    without: Option<Acl>,
    sets: Vec<&'static str>,
}

const ONE_TOPIC: [&str; 2] =
    ["topology.topics=[\"market.quote.received\"]", "groups=[{name=\"trading-engine\",subscribe=[\">\"]}]"];

fn tries() -> Vec<Try> {
    let snippets = published();
    let [run, like, attach] = &snippets[..] else { unreachable!("three snippets") };
    let ways = [
        ("run", Vec::new(), run, vec![]),
        ("like", run.clone(), like, vec!["bus.kafka.like=orders"]),
        ("attach", Vec::new(), attach, [&ONE_TOPIC[..], &["bus.kafka.attach=orders"]].concat()),
    ];
    let mut tries = Vec::new();
    for (name, base, acls, sets) in ways {
        for left in std::iter::once(None).chain((0..acls.len()).map(Some)) {
            let mut all = base.clone();
            all.extend(
                acls.iter().enumerate().filter(|(at, _)| Some(*at) != left).map(|(_, acl)| acl.clone()),
            );
            let user = left.map_or_else(|| name.to_owned(), |at| format!("{name}{at}"));
            tries.push(Try { user, acls: all, without: left.map(|at| acls[at].clone()), sets: sets.clone() });
        }
    }
    tries
}

/// A broker with ACLs for its users, and full access for clients of its plain listener.
fn locked_down(users: &[&str]) -> (LocalKafka, u16) {
    let port = free_port();
    let listeners = format!("CLIENT://127.0.0.1:{{client}},USERS://127.0.0.1:{port}");
    let passwords: Vec<String> = users.iter().map(|user| format!("user_{user}=\"s3cret\"")).collect();
    let broker = started(&format!(
        "listeners={listeners},CONTROLLER://127.0.0.1:{{controller}}\nadvertised.listeners={listeners}\n\
         listener.security.protocol.map=CLIENT:PLAINTEXT,CONTROLLER:PLAINTEXT,USERS:SASL_PLAINTEXT\n\
         sasl.enabled.mechanisms=PLAIN\n\
         listener.name.users.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required {};\n\
         authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer\n\
         super.users=User:ANONYMOUS\n",
        passwords.join(" ")
    ));
    (broker, port)
}

fn make_topic(brokers: &str, name: &str) {
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", brokers).create().unwrap();
    let topic = NewTopic::new(name, 2, TopicReplication::Fixed(1));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let made = runtime.block_on(admin.create_topics([&topic], &AdminOptions::new())).unwrap();
    assert!(made.iter().all(Result::is_ok), "{made:?}");
}

fn run(port: u16, one: &Try) -> (Place, Done) {
    let mut place = Place::new();
    place.set("KAFKA_PASSWORD", "s3cret");
    let url = format!("kafka://127.0.0.1:{port}");
    let mut args = vec!["--broker", &url, "--user", &one.user, "--allow-attach", "--set", "bus.kind=kafka"];
    args.extend(one.sets.iter().flat_map(|&set| ["--set", set]));
    let done = place.gate(&args);
    (place, done)
}

#[test]
fn the_published_acls_are_enough_and_each_is_needed() {
    if !is_there() {
        return;
    }
    let tries = tries();
    assert_eq!(tries.len(), 6 + 3 + 5 + 3);
    let users: Vec<&str> = tries.iter().map(|one| one.user.as_str()).collect();
    let (broker, port) = locked_down(&users);
    let plain = broker.url().replace("kafka://", "");
    make_topic(&plain, "orders");
    let acls: Vec<String> =
        tries.iter().flat_map(|one| one.acls.iter().map(|acl| acl.of(&one.user))).collect();
    let args: Vec<&str> = ["acls", &plain].into_iter().chain(acls.iter().map(String::as_str)).collect();
    referee(&args);
    let done: Vec<(Place, Done)> = std::thread::scope(|scope| {
        let running: Vec<_> = tries.iter().map(|one| scope.spawn(move || run(port, one))).collect();
        running.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    for (one, (place, done)) in tries.iter().zip(&done) {
        let Some(without) = &one.without else {
            done.ends(0);
            assert!(!done.err.contains("left behind"), "{}: {}", one.user, done.err);
            balances(&place.record());
            continue;
        };
        let said = format!("{}{}", done.out, done.err);
        let stays = without.operation == "Delete";
        assert_eq!(
            done.code,
            if stays { 0 } else { done.code.max(1) },
            "{without:?} can be left out: {said}"
        );
        if without.operation == "Describe" {
            assert!(
                done.code == 2
                    && said.contains(
                        "topic orders does not exist on this cluster, or the user may not describe it"
                    ),
                "{said}"
            );
            continue;
        }
        let hint = format!("allow the user to {} ", without.operation);
        assert!(said.contains(&hint), "{}: `{hint}` for {without:?} is not in: {said}", one.user);
        assert!(stays || (done.code == 4 && place.runs().is_empty()), "{}: {said}", one.user);
    }
}
