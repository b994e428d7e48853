//! From a choice of broker to a record, on a product of the tests' own that one row registers.

use std::sync::{Mutex, PoisonError};

use crate::support::{self, toy};
use tickgate::archive::{JOURNAL, Readers, RunFolder};
use tickgate::host::clock::Clock;
use tickgate::host::signal::Interrupt;
use tickgate::plan::{BusKind, Plan};
use tickgate::record::{End, PhaseName, Record};
use tickgate::run::{Event, Identity, Observer};
use tickgate::session::{self, Asked, Choice, Keeping, Order, SessionError};

/// One test at a time: they count servers.
static ALONE: Mutex<()> = Mutex::new(());

/// Records the events that it received.
#[derive(Default)]
struct Seen {
    planned: Vec<String>,
    warnings: Vec<String>,
    /// All toys die when the load begins to be measured.
    kills: bool,
}

impl Observer for Seen {
    fn event(&mut self, event: &Event<'_>) {
        match event {
            Event::Planned { subjects, .. } => self.planned.push((*subjects).to_owned()),
            Event::Warning(text) => self.warnings.push((*text).to_owned()),
            Event::PhaseStarted { name: PhaseName::Measure, .. } if self.kills => toy::kill_all(),
            _ => {}
        }
    }
}

fn plan() -> Plan {
    let mut plan = support::plan();
    plan.bus.kind = toy::KIND;
    plan
}

fn at(at: &str) -> Asked {
    Asked { at: Some(at.to_owned()), ..Asked::default() }
}

fn resolve(asked: &Asked, plan: &Plan) -> Result<Choice, SessionError> {
    Choice::among(&toy::PRODUCTS, asked, plan, &|_| None)
}

fn run(asked: &Asked, seen: &mut Seen) -> Result<Record, SessionError> {
    let plan = plan();
    let choice = resolve(asked, &plan)?;
    let (identity, interrupt) = (Identity::new(), Interrupt::default());
    let order = Order::new(&identity, Clock::start(), &interrupt);
    session::run(&plan, &choice, order, None, &mut [seen])
}

#[test]
fn a_product_runs_on_a_server_that_is_started_for_it_and_ends_with_the_run() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut seen = Seen::default();
    let record = run(&Asked::default(), &mut seen).unwrap();
    assert_eq!(record.run.end, End::Completed, "{:?}", record.run.reason);
    let broker = &record.broker;
    assert_eq!(
        (broker.kind.as_str(), broker.mode.as_str(), broker.product.as_str()),
        ("toy", "local", "toy")
    );
    assert_eq!(record.plan.bus.kind, toy::KIND);
    assert_eq!((record.load.acked, record.groups[0].lost), (1000, 0));
    assert_eq!(seen.warnings, ["it is a toy"]);
    assert_eq!(toy::running(), 0, "the server ends with its run");
}

#[test]
fn an_open_server_is_warned_of() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut seen = Seen::default();
    run(&Asked { open: true, ..Asked::default() }, &mut seen).unwrap();
    assert!(seen.warnings.iter().any(|text| text.contains("asks for no password")), "{:?}", seen.warnings);
}

#[test]
fn a_server_of_another_user_is_used_under_private_names_and_left_running() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let server = toy::ToyServer::start();
    let mut seen = Seen::default();
    let record = run(&at(&tickgate::broker::Server::url(&server)), &mut seen).unwrap();
    assert_eq!((record.run.end, record.broker.mode.as_str()), (End::Completed, "url"));
    assert!(
        seen.planned[0].starts_with("tickgate-") && seen.planned[0].ends_with(".>"),
        "{:?}",
        seen.planned
    );
    assert_eq!(toy::running(), 1, "it is not ours to end");
}

#[test]
fn what_cannot_be_connected_to_is_an_error_and_leaves_no_server() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let error = run(&at("toy://4000000000"), &mut Seen::default()).unwrap_err();
    assert!(error.to_string().contains("there is no toy 4000000000"), "{error}");
    assert_eq!(toy::running(), 0);
}

#[test]
fn a_server_that_dies_in_the_run_is_to_blame_and_gone() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut seen = Seen { kills: true, ..Seen::default() };
    let record = run(&Asked::default(), &mut seen).unwrap();
    assert_eq!(record.run.end, End::BrokerFailed);
    let reason = record.run.reason.unwrap();
    assert!(reason.contains("toy ended (killed) while it was needed; broker.log"), "{reason}");
    assert_eq!(toy::running(), 0);
}

#[test]
fn a_journal_is_kept_where_there_is_one_and_an_empty_folder_is_not() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let parent = tempfile::tempdir().unwrap();
    let keep = |choice: &Choice, plan: &Plan| {
        let (identity, interrupt, clock) = (Identity::new(), Interrupt::default(), Clock::start());
        let order = Order::new(&identity, clock, &interrupt);
        let at = clock.unix_ns_at_epoch();
        let folder = RunFolder::create(parent.path(), at, "x", &identity.id, Readers::Owner).unwrap();
        let done = session::run(plan, choice, order, Some(&mut Keeping::new(&folder)), &mut []);
        (done, folder.path().to_owned())
    };
    let plan_of_sim = support::plan();
    let sim = Choice::resolve(&at("sim"), &plan_of_sim, &|_| None).unwrap();
    let (done, folder) = keep(&sim, &plan_of_sim);
    assert_eq!(done.unwrap().run.end, End::Completed);
    let journal = std::fs::read_to_string(folder.join(JOURNAL)).unwrap();
    assert!(journal.lines().count() > 4, "{journal}");
    let nowhere = resolve(&at("toy://4000000000"), &plan()).unwrap();
    let (done, folder) = keep(&nowhere, &plan());
    assert!(done.is_err() && !folder.exists());
}

#[test]
fn a_product_that_is_not_there_is_an_error() {
    let error = resolve(&Asked::default(), &support::plan()).unwrap_err();
    assert_eq!(error.to_string(), "there is no product `nats` here");
    let error = Choice::resolve(&Asked::default(), &plan(), &|_| None).unwrap_err();
    assert_eq!(error.to_string(), "there is no product `toy` here");
    assert_eq!(BusKind::named("toy"), None, "a profile cannot name it");
    let error = resolve(&at("nats://localhost"), &plan()).unwrap_err().to_string();
    assert!(
        error.contains("`--broker nats://localhost` is not a broker for `bus.kind = \"toy\"`"),
        "{error}"
    );
}
