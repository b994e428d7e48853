//! Makes and removes the run's topics and groups, and checks the cluster against the plan before that.

use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::metadata::Metadata;
use tokio::runtime::Runtime;

use super::audit::partitions;
use super::names::Names;
use super::target::Target;
use super::watch::Watch;
use super::{MAX_MESSAGE, Watching};
use crate::bus::{BusError, BusFacts, environment};
use crate::plan::{Acks, Plan, Sync};

/// How long the cluster may take to let us in, and to answer a request of the control side.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
/// How long a new topic may take until each of its partitions has a leader.
const LEADERS_WITHIN: Duration = Duration::from_secs(15);
/// How long the last members may take to leave their groups.
const LEAVE_WITHIN: Duration = Duration::from_secs(3);

/// Has the client tell what happened to it, which it does only when it is asked, one thing at a time.
pub(super) fn listen(control: &BaseConsumer<Watching>) {
    for _ in 0..64 {
        let _ = control.poll(Duration::ZERO);
    }
}

/// Asks the cluster who is there, until it answers or has said why it never will.
pub(super) fn reach(control: &BaseConsumer<Watching>, target: &Target) -> Result<Metadata, BusError> {
    let watch = &control.context().0;
    let start = Instant::now();
    let mut wait = Duration::from_millis(300);
    loop {
        match control.fetch_metadata(None, wait) {
            Ok(metadata) => {
                watch.came_through();
                return Ok(metadata);
            }
            Err(error) => {
                listen(control);
                let elapsed = start.elapsed();
                let hopeless = watch.said().is_some_and(|said| {
                    let says = |word: &str| said.text.contains(word);
                    said.is_final()
                        || (says("refused") && elapsed > Duration::from_secs(1))
                        || (says("Disconnected") && elapsed > Duration::from_secs(3))
                });
                if hopeless || elapsed > PATIENCE {
                    if let Some(error) = watch.said().and_then(|said| elsewhere(&said.text, target)) {
                        return Err(error);
                    }
                    let what = format!("cannot connect to {}: {error}", target.label);
                    return Err(explain(watch, &target.scrub(&what)));
                }
                // On a busy machine the answer may only need longer.
                wait = (wait * 2).min(Duration::from_secs(3));
            }
        }
    }
}

/// The error of a cluster that answered and named an address where nobody is: the client's own words about a broker it
/// was told of begin with `HOST:PORT/ID: ` (those it was given, with `HOST:PORT/bootstrap: `).
fn elsewhere(text: &str, target: &Target) -> Option<BusError> {
    let (broker, problem) = text.split_once(": ")?;
    let (address, id) = broker.rsplit_once('/')?;
    let address = address.rsplit_once("://").map_or(address, |(_, address)| address);
    let id: i32 = id.parse().ok()?;
    let is_given = target.brokers.iter().any(|given| given == address);
    (problem.starts_with("Connect to") && !is_given).then(|| unreachable_broker(target, id, address, problem))
}

/// What is said of a broker whose advertised address leads nowhere.
fn unreachable_broker(target: &Target, id: i32, address: &str, problem: &str) -> BusError {
    environment(
        &format!(
            "{} answers, and says that broker {id} is at {address}, which cannot be reached: {problem}",
            target.label
        ),
        "set `advertised.listeners` of the broker to an address that clients can reach",
    )
}

/// An error of the environment, with what the client said last and what to do about it.
pub(super) fn explain(watch: &Watch, what: &str) -> BusError {
    let said = watch.said();
    let text = said.as_ref().map_or("", |said| said.text.as_str());
    let has = |word: &str| text.contains(word);
    let hint = match said.as_ref().map(|said| said.code) {
        Some(Code::Authentication | Code::SaslAuthenticationFailed) => {
            "check the user, $KAFKA_PASSWORD and the mechanism ($KAFKA_SASL_MECHANISM) against the broker's"
        }
        Some(Code::SSL) if has("verify failed") => {
            "give the CA that signed the broker's certificate (--tls-ca), and the host name that is in it"
        }
        Some(Code::SSL) => "the port may not speak TLS: use kafka:// there, or the broker's TLS port",
        Some(Code::Resolve) => "check the host's name",
        _ if has("PLAINTEXT broker listener") || (has("SSL_HANDSHAKE") && has("closed by peer")) => {
            "the port may not speak TLS: use kafka:// there, or the broker's TLS port"
        }
        _ if has("certificate") => "the broker wants a client certificate: give --tls-cert and --tls-key",
        _ if has("refused") => "start a broker there, or check the host and port",
        _ if has("might be configured") || has("security.protocol") || has("Disconnected") => {
            "the port may want TLS (kafka+tls://) or a user (--user): check the broker's listeners"
        }
        _ => {
            "check the address and the broker's log; a port that wants TLS (kafka+tls://) or a user (--user) stays silent"
        }
    };
    let text = if text.is_empty() { String::new() } else { format!(" ({text})") };
    environment(&format!("{what}{text}"), hint)
}

/// Checks the cluster against the plan.
pub(super) fn check(metadata: &Metadata, target: &Target, plan: &Plan) -> Result<(), BusError> {
    let brokers = metadata.brokers();
    if usize::try_from(plan.bus.replicas).unwrap_or(usize::MAX) > brokers.len() {
        return Err(BusError::Plan {
            problem: format!(
                "{} replicas are asked for, and the cluster has {} broker(s)",
                plan.bus.replicas,
                brokers.len()
            ),
            hint: "lower `bus.replicas`, or name a larger cluster".to_owned(),
        });
    }
    for broker in brokers {
        let (host, port) = (broker.host(), u16::try_from(broker.port()).unwrap_or(0));
        let address = (host, port).to_socket_addrs().map_err(|error| error.to_string());
        let connected = address.and_then(|mut all| {
            let address = all.next().ok_or("the name has no address")?;
            TcpStream::connect_timeout(&address, Duration::from_secs(2)).map_err(|error| error.to_string())
        });
        if let Err(error) = connected {
            return Err(unreachable_broker(target, broker.id(), &format!("{host}:{port}"), &error));
        }
    }
    Ok(())
}

/// The admin side of a cluster.
pub(super) struct Admin<'a> {
    pub(super) client: &'a AdminClient<Watching>,
    pub(super) runtime: &'a Runtime,
    pub(super) names: &'a Names,
}

impl Admin<'_> {
    fn options() -> AdminOptions {
        AdminOptions::new().request_timeout(Some(PATIENCE)).operation_timeout(Some(PATIENCE))
    }

    /// Makes the topics, and returns when each partition answers.
    pub(super) fn provision(&self, plan: &Plan, control: &BaseConsumer<Watching>) -> Result<(), BusError> {
        let watch = &control.context().0;
        let settings = topic_settings(plan);
        let replicas = i32::try_from(plan.bus.replicas).unwrap_or(1);
        let partitions_of_each = i32::try_from(self.names.partitions()).unwrap_or(1);
        let topics: Vec<NewTopic<'_>> = self
            .names
            .topics()
            .iter()
            .map(|name| {
                let topic = NewTopic::new(name, partitions_of_each, TopicReplication::Fixed(replicas));
                settings.iter().fold(topic, |topic, (key, value)| topic.set(key, value))
            })
            .collect();
        let deadline = Instant::now() + LEADERS_WITHIN;
        let mut again = false;
        loop {
            let made = self
                .runtime
                .block_on(self.client.create_topics(&topics, &Self::options()))
                .map_err(|error| explain(watch, &format!("cannot make the run's topics: {error}")))?;
            // What is there at the second attempt was made by the first.
            let ours = |code: &Code| again && *code == Code::TopicAlreadyExists;
            match made.into_iter().filter_map(Result::err).find(|(_, code)| !ours(code)) {
                // A broker that was there a moment ago may be shut out for another one.
                Some((_, Code::InvalidReplicationFactor)) if Instant::now() < deadline => {
                    again = true;
                    std::thread::sleep(Duration::from_millis(200));
                }
                Some((topic, code)) => return Err(refused(&topic, code, plan)),
                None => return self.until_led(control),
            }
        }
    }

    /// Waits until each partition has a leader that answers.
    fn until_led(&self, control: &BaseConsumer<Watching>) -> Result<(), BusError> {
        let deadline = Instant::now() + LEADERS_WITHIN;
        for topic in self.names.topics() {
            for partition in partitions(self.names) {
                while let Err(error) = control.fetch_watermarks(topic, partition, Duration::from_secs(1)) {
                    if Instant::now() > deadline {
                        let what = format!("topic {topic} has no leader for partition {partition}: {error}");
                        return Err(explain(&control.context().0, &what));
                    }
                    std::thread::sleep(Duration::from_millis(20));
                    // The client goes by what it knows, which is from before there were leaders.
                    let _ = control.fetch_metadata(Some(topic), Duration::from_secs(1));
                }
            }
        }
        Ok(())
    }

    /// Removes the run's topics and groups, as far as they are there.
    pub(super) fn teardown(&self) -> Result<(), BusError> {
        let topics: Vec<&str> = self.names.topics().iter().map(String::as_str).collect();
        let mut left: Vec<String> = Vec::new();
        match self.runtime.block_on(self.client.delete_topics(&topics, &Self::options())) {
            Err(error) => {
                return Err(left_behind(
                    self.run(),
                    &[format!("topics and groups {}* ({error})", self.prefix())],
                ));
            }
            Ok(done) => {
                let kept = done.into_iter().filter_map(Result::err);
                let kept = kept
                    .filter(|(_, code)| !matches!(code, Code::UnknownTopicOrPartition | Code::UnknownTopic));
                left.extend(kept.map(|(topic, code)| format!("topic {topic} ({code})")));
            }
        }
        let deadline = Instant::now() + LEAVE_WITHIN;
        let mut groups: Vec<String> = self.names.groups().map(str::to_owned).collect();
        while !groups.is_empty() {
            let asked: Vec<&str> = groups.iter().map(String::as_str).collect();
            let busy = match self.runtime.block_on(self.client.delete_groups(&asked, &Self::options())) {
                Err(error) => asked.iter().map(|name| ((*name).to_owned(), error.to_string())).collect(),
                Ok(done) => done
                    .into_iter()
                    .filter_map(Result::err)
                    .filter(|(_, code)| !matches!(code, Code::GroupIdNotFound))
                    .map(|(name, code)| (name, code.to_string()))
                    .collect::<Vec<_>>(),
            };
            if Instant::now() > deadline {
                left.extend(busy.iter().map(|(name, why)| format!("group {name} ({why})")));
                break;
            }
            groups = busy.into_iter().map(|(name, _)| name).collect();
            if !groups.is_empty() {
                std::thread::sleep(Duration::from_millis(100));
            }
        }
        if left.is_empty() {
            return Ok(());
        }
        Err(left_behind(self.run(), &left))
    }

    fn prefix(&self) -> &str {
        self.names.topic(0).and_then(|name| name.split('.').next()).unwrap_or_default()
    }

    /// The run's id, as its names have it.
    fn run(&self) -> &str {
        self.prefix().trim_start_matches("tickgate-")
    }

    /// Settings of a broker that matter to the figures, where we may read them.
    fn broker_settings(&self, id: i32) -> Vec<(String, String)> {
        const WANTED: [&str; 6] = [
            "auto.create.topics.enable",
            "log.flush.interval.messages",
            "num.io.threads",
            "num.network.threads",
            "unclean.leader.election.enable",
            "group.initial.rebalance.delay.ms",
        ];
        let asked = [ResourceSpecifier::Broker(id)];
        let answer = self.runtime.block_on(self.client.describe_configs(asked.iter(), &Self::options()));
        let Ok(resources) = answer else { return Vec::new() };
        let known = resources.iter().filter_map(|resource| resource.as_ref().ok()).flat_map(|resource| {
            WANTED.iter().filter_map(|name| Some(((*name).to_owned(), resource.get(name)?.value.clone()?)))
        });
        known.collect()
    }

    /// What is known of the cluster.
    pub(super) fn facts(
        &self,
        metadata: &Metadata,
        target: &Target,
        plan: &Plan,
        version: Option<&str>,
        local: bool,
    ) -> BusFacts {
        let (bus, kafka) = (&plan.bus, &plan.bus.kafka);
        let mut settings = vec![
            ("server".to_owned(), target.label.clone()),
            ("brokers".to_owned(), metadata.brokers().len().to_string()),
            ("tls".to_owned(), if target.tls { "on" } else { "off" }.to_owned()),
            ("partitions".to_owned(), bus.partitions.to_string()),
            ("replicas".to_owned(), bus.replicas.to_string()),
            ("min_insync_replicas".to_owned(), kafka.min_insync_replicas.to_string()),
            ("acks".to_owned(), format!("{:?}", kafka.acks).to_lowercase()),
            ("idempotence".to_owned(), kafka.idempotence.to_string()),
            ("linger".to_owned(), kafka.linger.to_string()),
            ("batch_size".to_owned(), kafka.batch_size.to_string()),
            ("compression".to_owned(), format!("{:?}", kafka.compression).to_lowercase()),
        ];
        if local {
            settings.push(("heap".to_owned(), kafka.heap.to_string()));
        }
        settings.extend(
            metadata.brokers().first().map_or_else(Vec::new, |broker| self.broker_settings(broker.id())),
        );
        BusFacts {
            product: "kafka".to_owned(),
            version: version.unwrap_or("unknown").to_owned(),
            durability: durability(plan),
            max_payload: super::MAX_PAYLOAD,
            settings,
        }
    }
}

/// What an acknowledgement means. A broker writes before it answers; it forces to the disk by itself only when the
/// system does, unless each topic is told to.
pub(super) fn durability(plan: &Plan) -> String {
    let kept = if plan.bus.sync == Sync::Always { "fsync" } else { "page cache" };
    let (replicas, in_step) = (plan.bus.replicas, plan.bus.kafka.min_insync_replicas);
    match plan.bus.kafka.acks {
        Acks::None => "none (written to a socket)".to_owned(),
        Acks::All if replicas > 1 => format!("replicated {in_step}/{replicas}, {kept}"),
        Acks::All | Acks::Leader => kept.to_owned(),
    }
}

/// The settings that all topics of all runs have: they are known by them (see [`super::clean`]).
pub(super) const FIXED: [(&str, &str); 4] = [
    ("cleanup.policy", "delete"),
    ("max.message.bytes", MAX_MESSAGE),
    ("compression.type", "producer"),
    ("message.timestamp.type", "CreateTime"),
];

/// The settings of every topic of a run.
fn topic_settings(plan: &Plan) -> Vec<(&'static str, String)> {
    let bus = &plan.bus;
    let mut settings = vec![
        ("retention.ms", (bus.max_age.ns / 1_000_000).max(1).to_string()),
        // Of each partition: the busiest may hold nearly everything.
        ("retention.bytes", bus.max_bytes.bytes.to_string()),
        ("min.insync.replicas", bus.kafka.min_insync_replicas.to_string()),
    ];
    settings.extend(FIXED.map(|(name, value)| (name, value.to_owned())));
    if bus.sync == Sync::Always {
        settings.push(("flush.messages", "1".to_owned()));
    }
    settings
}

fn left_behind(run: &str, what: &[String]) -> BusError {
    environment(
        &format!("left behind on the cluster: {}", what.join(", ")),
        &format!("remove them with `tickgate clean --run {run}` and the same --broker"),
    )
}

/// Why a topic could not be made.
fn refused(topic: &str, code: Code, plan: &Plan) -> BusError {
    let what = format!("the cluster does not make topic {topic}: {code}");
    match code {
        Code::TopicAlreadyExists => environment(
            &format!("topic {topic} is there already"),
            "it belongs to a run that was kept or killed: `tickgate clean` with the same --broker lists what there is; other topics \
             are for `kafka-topics.sh --delete`",
        ),
        Code::InvalidReplicationFactor => BusError::Plan {
            problem: format!("{what} ({} replicas)", plan.bus.replicas),
            hint: "lower `bus.replicas`, or wait until all brokers are up".to_owned(),
        },
        Code::TopicAuthorizationFailed | Code::ClusterAuthorizationFailed => {
            environment(&what, "allow the user to create topics whose names begin with `tickgate-`")
        }
        Code::PolicyViolation | Code::InvalidConfig => environment(
            &what,
            "the cluster has rules of its own for topics: see its administrator, or [bus] and [bus.kafka]",
        ),
        _ => environment(&what, "see the broker's log"),
    }
}

/// Whether an error is only that of one request.
pub(super) fn observing(error: &KafkaError) -> BusError {
    environment(&format!("cannot observe the run's topics: {error}"), "see the broker's log")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broker_that_was_advertised_is_told_from_one_that_was_given() {
        let target = Target::parse("kafka://127.0.0.1:9092").unwrap();
        let said = |text: &str| elsewhere(text, &target).map(|error| error.to_string());
        let refused = "Connect to ipv4#10.0.0.9:9092 failed: Connection refused (after 0ms in state CONNECT)";
        for prefix in ["10.0.0.9:9092/7", "sasl_ssl://10.0.0.9:9092/7"] {
            let error = said(&format!("{prefix}: {refused}")).unwrap();
            let beginning =
                "kafka://127.0.0.1:9092 answers, and says that broker 7 is at 10.0.0.9:9092, which cannot be";
            assert!(error.contains(beginning) && error.contains("advertised.listeners"), "{error}");
        }
        let others = [
            format!("127.0.0.1:9092/bootstrap: {refused}"),
            format!("127.0.0.1:9092/7: {refused}"),
            "10.0.0.9:9092/7: SASL authentication error: Invalid username or password".to_owned(),
            "1/1 brokers are down".to_owned(),
            String::new(),
        ];
        for text in others {
            assert_eq!(said(&text), None, "{text}");
        }
    }
}
