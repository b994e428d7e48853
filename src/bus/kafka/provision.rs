//! Creates and removes the run's topics and groups, after checking the cluster against the plan.

use std::collections::BTreeSet;
use std::net::{IpAddr, TcpStream, ToSocketAddrs as _};
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::metadata::{Metadata, MetadataTopic};
use tokio::runtime::Runtime;

use super::audit::partitions;
use super::names::Names;
use super::reach::unreachable_broker;
pub(super) use super::reach::{PATIENCE, explain, listen, reach};
use super::rights;
use super::target::Target;
use super::watch::is_denial;
use super::{MAX_MESSAGE, Watching};
use crate::bus::{BusError, BusFacts, environment};
use crate::host::addresses;
use crate::plan::{Acks, Plan, Sync};
use crate::topology::Naming;

/// Maximum time until each partition of a new topic has a leader.
const LEADERS_WITHIN: Duration = Duration::from_secs(15);
/// Maximum time until all replicas of a new topic are in sync.
const IN_STEP_WITHIN: Duration = Duration::from_mins(1);
/// Maximum time for the last members to leave their groups.
const LEAVE_WITHIN: Duration = Duration::from_secs(3);

/// Describes the first partition of a topic with a replica that is not in sync.
fn behind(topic: &MetadataTopic) -> Option<String> {
    let mut partitions = topic.partitions().iter();
    let partition = partitions.find(|partition| partition.isr().len() < partition.replicas().len())?;
    Some(format!(
        "{} of {} of partition {}",
        partition.isr().len(),
        partition.replicas().len(),
        partition.id()
    ))
}

/// Checks the cluster against the plan.
pub(super) fn check(
    metadata: &Metadata,
    target: &Target,
    plan: &Plan,
    here_only: bool,
) -> Result<(), BusError> {
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
    if here_only {
        let at = brokers.iter().map(|broker| format!("{}:{}", broker.host(), broker.port()));
        check_here(at, &addresses::own(), target)?;
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

/// Checks that all brokers in the metadata are on this machine: the load goes to them, wherever the first one is.
fn check_here(named: impl Iterator<Item = String>, own: &[IpAddr], target: &Target) -> Result<(), BusError> {
    let mut named = named;
    match named.find(|at| !addresses::are_local(&addresses::of(at), own)) {
        None => Ok(()),
        Some(far) => Err(BusError::Plan {
            problem: format!(
                "the load's peak is above 20k/s, and {} names a broker at {far}, which is not an address of this machine",
                target.label
            ),
            hint: "lower it, or allow it with --allow-rate".to_owned(),
        }),
    }
}

/// The topics that this run created and therefore may remove.
#[derive(Debug, Default)]
pub(super) struct Made(BTreeSet<String>);

impl Made {
    /// Private names belong to this run, whatever the cluster answers. A topic with a name from the profile is this
    /// run's only if the cluster has confirmed that it created the topic.
    fn before(names: &Names) -> Self {
        match names.naming() {
            Naming::Private => Self(names.topics().iter().cloned().collect()),
            Naming::Profile => Self::default(),
        }
    }

    fn take<'a>(&mut self, answers: impl Iterator<Item = &'a Result<String, (String, Code)>>) {
        self.0.extend(answers.filter_map(|answer| answer.as_ref().ok()).cloned());
    }

    fn has(&self, topic: &str) -> bool {
        self.0.contains(topic)
    }
}

/// The admin client of a cluster.
pub(super) struct Admin<'a> {
    pub(super) client: &'a AdminClient<Watching>,
    pub(super) runtime: &'a Runtime,
    pub(super) names: &'a Names,
}

impl Admin<'_> {
    fn options() -> AdminOptions {
        AdminOptions::new().request_timeout(Some(PATIENCE)).operation_timeout(Some(PATIENCE))
    }

    /// Creates the topics, and returns when each partition answers.
    pub(super) fn provision(
        &self,
        plan: &Plan,
        settings: &[(String, String)],
        control: &BaseConsumer<Watching>,
        made: &mut Made,
    ) -> Result<(), BusError> {
        let watch = &control.context().0;
        self.check_free(control, plan)?;
        *made = Made::before(self.names);
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
            let answers = self
                .runtime
                .block_on(self.client.create_topics(&topics, &Self::options()))
                .map_err(|error| {
                    explain(watch, &format!("cannot make the run's topics{}: {error}", self.maybe_made()))
                })?;
            made.take(answers.iter());
            // A topic that already exists on the second attempt was created by the first.
            let ours =
                |topic: &str, code: &Code| again && *code == Code::TopicAlreadyExists && made.has(topic);
            match answers.into_iter().filter_map(Result::err).find(|(topic, code)| !ours(topic, code)) {
                // A broker that was available a moment ago may be fenced for a moment.
                Some((_, Code::InvalidReplicationFactor)) if Instant::now() < deadline => {
                    again = true;
                    std::thread::sleep(Duration::from_millis(200));
                }
                Some((topic, code)) => return Err(refused(&topic, code, plan, self.names)),
                None => {
                    self.until_led(control)?;
                    return if plan.bus.replicas > 1 { self.until_in_step(control) } else { Ok(()) };
                }
            }
        }
    }

    /// Checks that no topic with a name from the profile exists: it would belong to other users of the cluster.
    fn check_free(&self, control: &BaseConsumer<Watching>, plan: &Plan) -> Result<(), BusError> {
        if self.names.naming() == Naming::Private {
            return Ok(());
        }
        // Requests all topics, because requesting one by name may create it.
        let metadata = control.fetch_metadata(None, PATIENCE).map_err(|error| {
            explain(&control.context().0, &format!("cannot ask for the cluster's topics: {error}"))
        })?;
        let there: BTreeSet<&str> = metadata.topics().iter().map(MetadataTopic::name).collect();
        match self.names.topics().iter().find(|topic| there.contains(topic.as_str())) {
            Some(topic) => Err(refused(topic, Code::TopicAlreadyExists, plan, self.names)),
            None => Ok(()),
        }
    }

    /// Returns a note on what to look for if the cluster has not confirmed creating the topics and their names are
    /// not private.
    fn maybe_made(&self) -> String {
        match self.names.naming() {
            Naming::Private => String::new(),
            Naming::Profile => format!(" (some of {} may be there now)", self.names.topics().join(", ")),
        }
    }

    /// Waits until each partition has a leader that answers.
    fn until_led(&self, control: &BaseConsumer<Watching>) -> Result<(), BusError> {
        let deadline = Instant::now() + LEADERS_WITHIN;
        for topic in self.names.topics() {
            for partition in partitions(self.names) {
                while let Err(error) = control.fetch_watermarks(topic, partition, Duration::from_secs(1)) {
                    if let Some(code) = error.rdkafka_error_code().filter(|&code| is_denial(code)) {
                        let problem = format!("cannot ask for the offsets of topic {topic}: {code}");
                        return Err(BusError::Refused { problem, hint: rights::describe(self.names) });
                    }
                    if Instant::now() > deadline {
                        let what = format!("topic {topic} has no leader for partition {partition}: {error}");
                        return Err(explain(&control.context().0, &what));
                    }
                    std::thread::sleep(Duration::from_millis(20));
                    // Refreshes the client's cached metadata, which dates from before the leader election.
                    let _ = control.fetch_metadata(Some(topic), Duration::from_secs(1));
                }
            }
        }
        Ok(())
    }

    /// Waits until all replicas of each partition are in sync: before that, a confirmed event has fewer copies than planned.
    fn until_in_step(&self, control: &BaseConsumer<Watching>) -> Result<(), BusError> {
        let deadline = Instant::now() + IN_STEP_WITHIN;
        for topic in self.names.topics() {
            loop {
                let behind = match control.fetch_metadata(Some(topic), PATIENCE) {
                    Ok(metadata) => metadata.topics().iter().find_map(behind),
                    Err(error) => Some(error.to_string()),
                };
                let Some(behind) = behind else { break };
                if Instant::now() > deadline {
                    let what = format!("the replicas of topic {topic} are not in sync: {behind}");
                    return Err(explain(&control.context().0, &what));
                }
                std::thread::sleep(Duration::from_millis(50));
            }
        }
        Ok(())
    }

    /// Removes the topics that exist. Returns those that remain.
    fn remove_topics(&self, made: &Made) -> Result<Vec<String>, BusError> {
        let topics: Vec<&str> = made.0.iter().map(String::as_str).collect();
        if topics.is_empty() {
            return Ok(Vec::new());
        }
        let done =
            self.runtime.block_on(self.client.delete_topics(&topics, &Self::options())).map_err(|error| {
                let groups: Vec<&str> = self.names.groups().collect();
                left_behind(
                    self.names,
                    &[format!("topics {} and groups {} ({error})", topics.join(", "), groups.join(", "))],
                )
            })?;
        let kept = done.into_iter().filter_map(Result::err);
        let kept =
            kept.filter(|(_, code)| !matches!(code, Code::UnknownTopicOrPartition | Code::UnknownTopic));
        Ok(kept.map(|(topic, code)| format!("topic {topic} ({code})")).collect())
    }

    /// Removes the run's topics and groups that exist.
    pub(super) fn teardown(&self, made: &Made) -> Result<(), BusError> {
        let mut left = self.remove_topics(made)?;
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
        Err(left_behind(self.names, &left))
    }

    /// Returns the broker settings that affect the figures, as far as the user may read them.
    fn broker_settings(&self, id: i32) -> Vec<(String, String)> {
        const WANTED: [&str; 7] = [
            // The version of a Kafka before 4, unless it is set.
            "inter.broker.protocol.version",
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

    /// Returns facts about the cluster.
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
            ("nodes".to_owned(), nodes(metadata)),
            ("tls".to_owned(), if target.tls { "on" } else { "off" }.to_owned()),
            ("subjects".to_owned(), format!("{}.*", self.names.prefix())),
            ("partitions".to_owned(), bus.partitions.to_string()),
            ("replicas".to_owned(), bus.replicas.to_string()),
            ("min_insync_replicas".to_owned(), kafka.min_insync_replicas.to_string()),
            ("acks".to_owned(), kafka.acks.to_string()),
            ("idempotence".to_owned(), kafka.idempotence.to_string()),
            ("linger".to_owned(), kafka.linger.to_string()),
            ("batch_size".to_owned(), kafka.batch_size.to_string()),
            ("compression".to_owned(), kafka.compression.to_string()),
        ];
        if local {
            settings.push(("heap".to_owned(), kafka.heap.to_string()));
        } else {
            // In KRaft mode, metadata names any broker as the controller.
            settings.push(("controller".to_owned(), "not known".to_owned()));
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
            made: None,
        }
    }
}

/// Returns the brokers of a cluster, each with its id and address.
fn nodes(metadata: &Metadata) -> String {
    /// Maximum number of brokers to list; larger clusters are only counted.
    const NAMED: usize = 12;
    let brokers = metadata.brokers();
    let named = brokers.iter().take(NAMED);
    let mut all: Vec<String> =
        named.map(|broker| format!("{} at {}:{}", broker.id(), broker.host(), broker.port())).collect();
    if brokers.len() > NAMED {
        all.push(format!("and {} more", brokers.len() - NAMED));
    }
    all.join(", ")
}

/// Returns what an acknowledgement means. A broker writes before it answers; it leaves flushing to disk to the
/// operating system, unless a topic's settings require it.
pub(super) fn durability(plan: &Plan) -> String {
    let kept = if plan.bus.sync == Sync::Always { "fsync" } else { "page cache" };
    let (replicas, in_step) = (plan.bus.replicas, plan.bus.kafka.min_insync_replicas);
    match plan.bus.kafka.acks {
        Acks::None => "none (written to a socket)".to_owned(),
        Acks::All if replicas > 1 => format!("replicated {in_step}/{replicas}, {kept}"),
        Acks::All | Acks::Leader => kept.to_owned(),
    }
}

/// The settings that all topics of all runs have; they identify such topics (see [`super::clean`]).
pub(super) const FIXED: [(&str, &str); 4] = [
    ("cleanup.policy", "delete"),
    ("max.message.bytes", MAX_MESSAGE),
    ("compression.type", "producer"),
    ("message.timestamp.type", "CreateTime"),
];

/// Returns the settings of every topic of a run.
pub(super) fn topic_settings(plan: &Plan) -> Vec<(String, String)> {
    let bus = &plan.bus;
    let mut settings = vec![
        ("retention.ms", (bus.max_age.ns / 1_000_000).max(1).to_string()),
        // This limit is per partition: the busiest may hold nearly everything.
        ("retention.bytes", bus.max_bytes.bytes.to_string()),
        ("min.insync.replicas", bus.kafka.min_insync_replicas.to_string()),
    ];
    settings.extend(FIXED.map(|(name, value)| (name, value.to_owned())));
    if bus.sync == Sync::Always {
        settings.push(("flush.messages", "1".to_owned()));
    }
    settings.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn left_behind(names: &Names, what: &[String]) -> BusError {
    let what = what.join(", ");
    let right = if what.contains("authorization failed") {
        format!(" ({})", rights::delete())
    } else {
        String::new()
    };
    environment(
        &format!("left behind on the cluster{right}: {what}"),
        &format!("remove them with `tickgate clean --run {}` and the same --broker", names.run()),
    )
}

/// Returns the error for a topic that could not be created.
fn refused(topic: &str, code: Code, plan: &Plan, names: &Names) -> BusError {
    let what = format!("the cluster does not make topic {topic}: {code}");
    match code {
        Code::TopicAlreadyExists => environment(
            &format!("topic {topic} is there already"),
            match names.naming() {
                Naming::Private => {
                    "it belongs to a run that was kept or killed: `tickgate clean` with the same --broker lists what there is"
                }
                Naming::Profile => {
                    "it is not this run's, and stays as it is: leave out `--allow-prefix`, or set another \
                     `topology.prefix`"
                }
            },
        ),
        Code::InvalidReplicationFactor => BusError::Plan {
            problem: format!("{what} ({} replicas)", plan.bus.replicas),
            hint: "lower `bus.replicas`, or wait until all brokers are up".to_owned(),
        },
        Code::TopicAuthorizationFailed | Code::ClusterAuthorizationFailed => {
            BusError::Refused { problem: what, hint: rights::create(names) }
        }
        Code::PolicyViolation | Code::InvalidConfig => environment(
            &what,
            "the cluster has rules of its own for topics: see its administrator, or [bus] and [bus.kafka]",
        ),
        _ => environment(&what, "see the broker's log"),
    }
}

/// Returns the error for a failed observation request.
pub(super) fn observing(error: &KafkaError) -> BusError {
    environment(&format!("cannot observe the run's topics: {error}"), "see the broker's log")
}

#[cfg(test)]
mod tests;
