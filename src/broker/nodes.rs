//! Monitors the nodes of a bus that tickgate did not start: a separate thread per node requests its figures once a
//! second. This is never on the path of an event, and no other code waits for a node that does not answer.

use std::collections::BTreeMap;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::BrokerError;
use crate::host::clock::Clock;
use crate::host::resources::{Meter, ProcessUse};
use crate::num;
use crate::plan::Ns;
use crate::record::{Mark, Node};

/// Time between two requests to a node.
const EVERY: Duration = Duration::from_secs(1);
/// Maximum time between answers that still counts as seen: after a longer gap, the node's CPU use in it is unknown.
const GAP_NS: Ns = 3_000_000_000;

/// A node's report at one moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Report {
    /// Current figures.
    pub node: Node,
    /// Unique ID of the server.
    pub id: String,
    /// Cores in use at the moment.
    pub cores: f64,
}

/// Requests a node's report, which takes a few seconds at most.
pub type Ask = Box<dyn Fn() -> Result<Report, BrokerError> + Send>;

/// The monitored nodes; dropping it ends the monitoring.
#[derive(Default)]
pub struct Nodes {
    watched: Vec<Watched>,
    meta_leader: Option<String>,
    warning: Option<String>,
}

/// A monitored node: its account, and the handle that keeps its thread alive.
struct Watched {
    account: Arc<Mutex<Account>>,
    _alive: Sender<()>,
}

impl Nodes {
    /// Requests one report from each node, then continues once a second.
    ///
    /// # Errors
    /// When a node does not answer at all, or when two are the same server.
    pub fn watch(asks: Vec<Ask>, clock: Clock) -> Result<Self, BrokerError> {
        let mut first = asks.iter().map(|ask| ask()).collect::<Result<Vec<_>, _>>()?;
        tell_apart(&mut first)?;
        let mut nodes = Self::default();
        for (ask, report) in asks.into_iter().zip(first) {
            let account = Arc::new(Mutex::new(Account::new(report, clock.now())));
            let (alive, ended) = channel::<()>();
            let shared = Arc::clone(&account);
            std::thread::Builder::new()
                .name("monitor".into())
                .spawn(move || {
                    while ended.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
                        let answer = ask();
                        locked(&shared).take(clock.now(), answer.map_err(|error| error.to_string()));
                    }
                })
                .map_err(|error| BrokerError::Monitor {
                    url: locked(&account).node.url.clone(),
                    problem: format!("cannot start a thread: {error}"),
                })?;
            nodes.watched.push(Watched { account, _alive: alive });
        }
        nodes.meta_leader = nodes.leader_now();
        Ok(nodes)
    }

    /// Returns the nodes with a warning about them for the user.
    #[must_use]
    pub fn with_warning(self, warning: Option<String>) -> Self {
        Self { warning, ..self }
    }

    /// Returns the warning about the nodes.
    #[must_use]
    pub fn warning(&self) -> Option<&str> {
        self.warning.as_deref()
    }

    /// Returns the nodes for the record.
    #[must_use]
    pub fn record(&self) -> Vec<Node> {
        self.watched.iter().map(|watched| locked(&watched.account).node.clone()).collect()
    }

    /// Returns the resource use of each node by its name in the record, without a request.
    #[must_use]
    pub fn meters(&self) -> Vec<(String, Meter)> {
        let meter = |watched: &Watched| {
            let account = Arc::clone(&watched.account);
            let name = locked(&account).node.name.clone();
            let meter: Meter = Box::new(move || Some(locked(&account).usage()));
            (name, meter)
        };
        self.watched.iter().map(meter).collect()
    }

    /// Returns the marks since the last call, in the order of the nodes.
    pub fn happened(&mut self, now: Ns) -> Vec<Mark> {
        let mut marks: Vec<Mark> = self
            .watched
            .iter()
            .flat_map(|watched| std::mem::take(&mut locked(&watched.account).marks))
            .collect();
        if let Some(leader) = self.leader_now()
            && self.meta_leader.as_ref() != Some(&leader)
        {
            let detail = format!(
                "the meta leader is {leader}{}",
                self.meta_leader.as_ref().map_or_else(String::new, |before| format!("; it was {before}"))
            );
            marks.push(Mark { at_ns: now, kind: "meta-leader".into(), detail });
            self.meta_leader = Some(leader);
        }
        marks
    }

    /// Updates the account of every node at the end of a run.
    pub fn end(&self, now: Ns) {
        for watched in &self.watched {
            locked(&watched.account).end(now);
        }
    }

    /// Returns the leader according to the first node that answers and knows one: two nodes may differ for a moment.
    fn leader_now(&self) -> Option<String> {
        self.watched.iter().find_map(|watched| {
            let account = locked(&watched.account);
            account.lost.is_none().then(|| account.node.meta_leader.clone()).flatten()
        })
    }
}

fn locked(account: &Mutex<Account>) -> MutexGuard<'_, Account> {
    account.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Refuses two endpoints of the same server, and makes the names of nodes unique.
fn tell_apart(reports: &mut [Report]) -> Result<(), BrokerError> {
    let mut by_id: BTreeMap<&str, &Report> = BTreeMap::new();
    for report in reports.iter().filter(|report| !report.id.is_empty()) {
        if let Some(other) = by_id.insert(&report.id, report) {
            return Err(BrokerError::SameNode {
                url: report.node.url.clone(),
                other: other.node.url.clone(),
                name: report.node.name.clone(),
            });
        }
    }
    let mut names: BTreeMap<String, usize> = BTreeMap::new();
    for report in reports.iter() {
        *names.entry(report.node.name.clone()).or_default() += 1;
    }
    for report in reports.iter_mut().filter(|report| names.get(&report.node.name).is_some_and(|n| *n > 1)) {
        report.node.name = format!("{} ({})", report.node.name, report.node.url);
    }
    Ok(())
}

/// The account of one node, computed only from its reports and their times.
#[derive(Debug, Default)]
struct Account {
    node: Node,
    cpu_ns: f64,
    memory_now: u64,
    /// Slow consumers at the start.
    slow_before: u64,
    answered_at: Ns,
    /// Last error, while the node does not answer.
    lost: Option<String>,
    marks: Vec<Mark>,
}

impl Account {
    fn new(report: Report, now: Ns) -> Self {
        let Report { mut node, .. } = report;
        let (slow_before, memory_now) = (node.slow_consumers, node.memory_bytes);
        node.slow_consumers = 0;
        Self { node, slow_before, memory_now, answered_at: now, ..Self::default() }
    }

    /// Adds an answer to the account.
    fn take(&mut self, now: Ns, answer: Result<Report, String>) {
        match answer {
            Ok(report) => self.answer(now, report),
            Err(why) if self.lost.is_none() => {
                self.mark(now, "node-lost", &why);
                self.lost = Some(why);
            }
            Err(_) => {}
        }
    }

    fn answer(&mut self, now: Ns, report: Report) {
        let Report { node, cores, .. } = report;
        let since = now.saturating_sub(self.answered_at);
        if since > GAP_NS {
            self.node.unseen_ns = self.node.unseen_ns.saturating_add(since);
        } else {
            self.cpu_ns += cores * num::f64_of(since);
        }
        self.answered_at = now;
        let again = self.lost.take().is_some();
        if node.started != self.node.started {
            self.mark(now, "node-restarted", &format!("it started at {}", node.started));
            // The restarted server counts from 0.
            self.slow_before = 0;
        } else if again {
            self.mark(now, "node-answers", "it answers again");
        }
        self.memory_now = node.memory_bytes;
        let known = &mut self.node;
        *known = Node {
            name: std::mem::take(&mut known.name),
            memory_bytes: known.memory_bytes.max(node.memory_bytes),
            connections: known.connections.max(node.connections),
            slow_consumers: known.slow_consumers.max(node.slow_consumers.saturating_sub(self.slow_before)),
            unseen_ns: known.unseen_ns,
            jetstream: node.jetstream.map(|now| now.largest(known.jetstream.as_ref())),
            ..node
        };
    }

    fn mark(&mut self, at_ns: Ns, kind: &str, what: &str) {
        let detail = format!("{}: {what}", self.node.name);
        self.marks.push(Mark { at_ns, kind: kind.to_owned(), detail });
    }

    /// Counts a node that does not answer at the end as unseen since its last answer.
    fn end(&mut self, now: Ns) {
        let since = now.saturating_sub(self.answered_at);
        if since > GAP_NS {
            self.node.unseen_ns = self.node.unseen_ns.saturating_add(since);
            self.answered_at = now;
        }
    }

    fn usage(&self) -> ProcessUse {
        ProcessUse {
            user_ns: num::u64_of(self.cpu_ns),
            system_ns: 0,
            rss_bytes: self.memory_now,
            peak_rss_bytes: self.node.memory_bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    const SECOND: Ns = 1_000_000_000;

    fn report(name: &str, cores: f64, memory_bytes: u64) -> Report {
        let node = Node {
            name: name.into(),
            url: format!("http://{name}:8222"),
            started: "a".into(),
            memory_bytes,
            ..Node::default()
        };
        Report { node, id: name.into(), cores }
    }

    fn kinds(account: &Account) -> Vec<&str> {
        account.marks.iter().map(|mark| mark.kind.as_str()).collect()
    }

    #[test]
    fn cpu_time_is_the_sum_of_the_seconds_and_memory_the_most_seen() {
        let mut account = Account::new(report("n", 9.0, 5), 0);
        for (second, (cores, memory)) in [(0.5, 9), (1.5, 7)].into_iter().enumerate() {
            account.take((num::count(second) + 1) * SECOND, Ok(report("n", cores, memory)));
        }
        let used = account.usage();
        assert_eq!((used.user_ns, used.rss_bytes, used.peak_rss_bytes), (2 * SECOND, 7, 9));
        assert!(account.marks.is_empty() && account.node.unseen_ns == 0);
    }

    #[test]
    fn a_node_that_is_lost_is_marked_once_and_its_time_is_unseen() {
        let mut account = Account::new(report("n", 1.0, 5), 0);
        for second in 1..6 {
            account.take(second * SECOND, Err("Connection refused".into()));
        }
        assert_eq!(kinds(&account), ["node-lost"]);
        assert!(account.marks[0].detail.contains("n: Connection refused"), "{:?}", account.marks);
        account.take(6 * SECOND, Ok(report("n", 1.0, 5)));
        assert_eq!(kinds(&account), ["node-lost", "node-answers"]);
        assert_eq!((account.node.unseen_ns, account.usage().user_ns), (6 * SECOND, 0));
        account.end(20 * SECOND);
        assert_eq!(account.node.unseen_ns, 20 * SECOND, "it has not answered since");
    }

    #[test]
    fn a_restart_is_a_mark_and_counters_begin_again() {
        let slow = |n, started: &str| {
            let mut report = report("n", 0.0, 1);
            (report.node.slow_consumers, report.node.started) = (n, started.into());
            report
        };
        let mut account = Account::new(slow(40, "a"), 0);
        account.take(SECOND, Ok(slow(42, "a")));
        assert_eq!(account.node.slow_consumers, 2);
        account.take(2 * SECOND, Ok(slow(1, "b")));
        assert_eq!((kinds(&account), account.node.slow_consumers), (vec!["node-restarted"], 2));
        assert_eq!(account.node.started, "b");
    }

    #[test]
    fn one_server_is_counted_once_and_names_are_told_apart() {
        let same = tell_apart(&mut [report("n", 0.0, 1), report("n", 0.0, 1)]).unwrap_err().to_string();
        assert!(same.contains("http://n:8222") && same.contains("same server"), "{same}");
        let mut both = [report("n", 0.0, 1), report("n", 0.0, 1)];
        (both[1].id, both[1].node.url) = ("other".into(), "http://m:8222".into());
        tell_apart(&mut both).unwrap();
        assert_eq!(both.map(|report| report.node.name), ["n (http://n:8222)", "n (http://m:8222)"]);
    }

    #[test]
    fn nodes_are_asked_again_and_the_meta_leader_is_followed() {
        let asked = Arc::new(Mutex::new(0_u32));
        let counted = Arc::clone(&asked);
        let ask: Ask = Box::new(move || {
            let mut asked = counted.lock().unwrap();
            *asked += 1;
            let mut report = report("n", 0.0, 1);
            report.node.meta_leader = Some(if *asked < 2 { "n1" } else { "n2" }.into());
            Ok(report)
        });
        let mut nodes = Nodes::watch(vec![ask], Clock::start()).unwrap();
        assert!(nodes.happened(0).is_empty());
        let patience = Instant::now();
        let marks = loop {
            let marks = nodes.happened(7);
            if !marks.is_empty() || patience.elapsed() > Duration::from_secs(20) {
                break marks;
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        assert_eq!(marks[0].detail, "the meta leader is n2; it was n1");
        assert_eq!((nodes.record()[0].name.as_str(), nodes.meters().len()), ("n", 1));
    }

    #[test]
    fn a_node_that_does_not_answer_at_the_start_is_an_error() {
        let ask: Ask = Box::new(|| Err(BrokerError::Monitor { url: "u".into(), problem: "p".into() }));
        assert!(Nodes::watch(vec![ask], Clock::start()).is_err());
    }
}
