//! Known answers: runs whose figures follow from arithmetic, compared with the figures that tickgate reports.

mod cluster;
mod replays;
mod power;
mod dead_letters;
mod members;

use crate::bus::sim::{Cut, Delay, Fault, Faults, Hits, Host, How, Outage, Stretch};
use crate::num;
use crate::plan::{Arrival, Burst, Ns, Plan, Rate, Spacing, Span, Steps, grammar};
use crate::record::{Record, Verdict};
use crate::run::RunError;
use crate::run::simulated::{Scenario, simulate};

use super::swarm::{base, fault, findings};

const MS: f64 = 1e6;
/// Event ids hold intended times in steps of 1/4096 ms, rounded down: a time may be too long by this much.
const GRID_NS: f64 = 245.0;

/// One figure: the theoretical value, and the reported one.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The run.
    pub run: &'static str,
    /// The figure, in words.
    pub figure: String,
    /// The theoretical value.
    pub expected: String,
    /// The value that tickgate reports.
    pub reported: String,
    /// Do they agree, within the error that theory allows?
    pub right: bool,
}

/// A run's name and the function that runs it.
pub type Known = (&'static str, fn() -> Result<Vec<Answer>, RunError>);

/// All runs.
pub const ALL: [Known; 22] = [
    ("coordinated omission", coordinated_omission),
    ("fixed delay", fixed_delay),
    ("two-point mixture", mixture),
    ("M/D/1 queue", queue),
    ("reordering (RFC 4737)", reordering),
    ("burst", burst),
    ("load of steps", steps),
    ("tail loss", tail_loss),
    ("loss of a symbol", symbol_loss),
    ("duplicate across a reconnect", reconnect),
    ("clock error across hosts", clock_error),
    ("outages", outages),
    ("election of a leader", cluster::elections),
    ("change of leaders", cluster::leader_changes),
    ("stale copies of the store", cluster::stale_copies),
    ("loss of power", power::losses),
    ("poison events", dead_letters::poison),
    ("members that crash", members::members),
    ("a fault that is claimed and not injected", cluster::claims),
    ("replays", replays::sound),
    ("faults of a replay", replays::faulty),
    ("seeded runs against the oracle", seeds),
];

/// Collects the answers of one run.
struct Answers(&'static str, Vec<Answer>);

impl Answers {
    /// A time in milliseconds that may be off by `within_ns`.
    fn time(&mut self, figure: &str, expected_ns: f64, reported_ns: f64, within_ns: f64) {
        let show = |ns: f64| format!("{:.4} ms", ns / MS);
        self.1.push(Answer {
            run: self.0,
            figure: figure.to_owned(),
            expected: format!("{} ± {}", show(expected_ns), show(within_ns)),
            reported: show(reported_ns),
            right: (expected_ns - reported_ns).abs() <= within_ns,
        });
    }

    /// A number of events that may be off by `within`.
    fn events(&mut self, figure: &str, expected: u64, reported: u64, within: u64) {
        self.1.push(Answer {
            run: self.0,
            figure: figure.to_owned(),
            expected: format!("{expected} ± {within}"),
            reported: reported.to_string(),
            right: expected.abs_diff(reported) <= within,
        });
    }

    /// The mean wait of an M/D/1 queue, against the means of ten independent runs: they give the error of their mean,
    /// without assumptions on how waits depend on each other.
    fn mean_wait(&mut self, utilisation: f64, service_ns: f64, means: [f64; 10]) {
        /// Student's t of 9 degrees of freedom at 99.9 %, two-sided.
        const T9: f64 = 4.781;
        let mean = means.iter().sum::<f64>() / 10.0;
        let variance = means.iter().map(|m| (m - mean).powi(2)).sum::<f64>() / 9.0;
        let expected = utilisation / (2.0 * (1.0 - utilisation)) * service_ns;
        let figure = format!("mean wait at utilisation {utilisation}");
        self.time(&figure, expected, mean, T9 * (variance / 10.0).sqrt() + GRID_NS);
    }

    #[expect(clippy::needless_pass_by_value, reason = "called with values made on the spot")]
    fn equal<T: PartialEq + std::fmt::Debug>(&mut self, figure: &str, expected: T, reported: T) {
        self.1.push(Answer {
            run: self.0,
            figure: figure.to_owned(),
            expected: format!("{expected:?}"),
            reported: format!("{reported:?}"),
            right: expected == reported,
        });
    }
}

/// A plan of one symbol at a constant rate.
fn steady(rate: f64, duration: Span) -> Plan {
    let mut plan = base(1);
    plan.load.rate = Rate::per_second(rate);
    plan.load.duration = duration;
    plan.market.symbols = 1;
    plan
}

fn record_of(plan: &Plan, faults: Faults) -> Result<Record, RunError> {
    Ok(simulate(plan, &Scenario::from(faults), plan.market.seed)?.0)
}

fn ns(time: u64) -> f64 {
    num::f64_of(time)
}

/// A stall of S in a run of T at a constant rate: above 1 − S/T, the quantile q is S − (1 − q)·T.
fn coordinated_omission() -> Result<Vec<Answer>, RunError> {
    let mut answers = Answers("coordinated omission", Vec::new());
    let stall = Stretch { from: 5_000_000_000, length: 1_000_000_000 };
    let faults = Faults { stalls: vec![stall], ..Faults::default() };
    let record = record_of(&steady(1000.0, Span::seconds(10)), faults)?;
    let latency = &record.groups[0].latency;
    for (name, q, reported) in [("p99", 0.99, latency.p99_ns), ("p99.9", 0.999, latency.p99_9_ns)] {
        let expected = (1.0 - (1.0 - q) * 10.0) * 1e9;
        // One event more or less, and the three digits of the histogram.
        answers.time(
            &format!("latency.{name}, S − (1 − q)·T"),
            expected,
            ns(reported),
            MS + expected / 1000.0,
        );
    }
    answers.time("latency.p50, outside the stall", 0.0, ns(latency.p50_ns), GRID_NS);
    answers.time("ack.p99, as the publisher sees it", 900.0 * MS, ns(record.load.ack.p99_ns), 1.9 * MS);
    Ok(answers.1)
}

fn fixed_delay() -> Result<Vec<Answer>, RunError> {
    let mut answers = Answers("fixed delay", Vec::new());
    let faults = Faults {
        uplink: Delay::Fixed(3_000_000),
        answer: Delay::Fixed(1_000_000),
        downlink: Delay::Fixed(4_000_000),
        ..Faults::default()
    };
    let record = record_of(&steady(1000.0, Span::seconds(2)), faults)?;
    let (latency, load) = (&record.groups[0].latency, &record.load);
    answers.time("latency.min", 7.0 * MS, num::f64_of_signed(latency.min_ns), GRID_NS);
    answers.time("latency.max", 7.0 * MS, num::f64_of_signed(latency.max_ns), GRID_NS);
    answers.time("ack.max", 4.0 * MS, num::f64_of_signed(load.ack.max_ns), GRID_NS);
    answers.time("service.max", 4.0 * MS, num::f64_of_signed(load.service.max_ns), 0.0);
    Ok(answers.1)
}

/// Each of n events is slow with probability p: their share and the mean are binomial.
fn mixture() -> Result<Vec<Answer>, RunError> {
    let mut answers = Answers("two-point mixture", Vec::new());
    // Further apart than the slow delay, so that no event waits for another.
    let mut plan = steady(40.0, Span::seconds(50));
    plan.objectives.extend(grammar::parse("latency.p99", "< 10ms"));
    let downlink = Delay::Bimodal { fast_ns: 1_000_000, slow_ns: 20_000_000, slow_share: 0.05 };
    let record = record_of(&plan, Faults { downlink, ..Faults::default() })?;
    let latency = &record.groups[0].latency;
    let n = num::f64_of(latency.count);
    // Four standard errors.
    let error = 4.0 * (0.05 * 0.95 / n).sqrt();
    answers.time("latency.p50", MS, ns(latency.p50_ns), MS / 1000.0 + GRID_NS);
    answers.time("latency.p99", 20.0 * MS, ns(latency.p99_ns), MS / 50.0 + GRID_NS);
    answers.time("latency.mean", 1.95 * MS, latency.mean_ns, 19.0 * MS * error + GRID_NS);
    let slow = latency.over_limit.first().map_or(0, |limit| limit.above);
    let share = num::share(slow, latency.count);
    answers.1.push(Answer {
        run: answers.0,
        figure: "share above 10 ms".into(),
        expected: format!("0.0500 ± {error:.4}"),
        reported: format!("{share:.4}"),
        right: (share - 0.05).abs() <= error,
    });
    Ok(answers.1)
}

/// Poisson arrivals, one server with a fixed service time s: the mean wait is ρ·s / 2(1 − ρ) (Pollaczek and
/// Khinchine).
fn queue() -> Result<Vec<Answer>, RunError> {
    let mut answers = Answers("M/D/1 queue", Vec::new());
    for utilisation in [0.3, 0.6, 0.9] {
        let mut means = [0.0; 10];
        for (seed, mean) in (1..).zip(&mut means) {
            let mut plan = steady(1000.0 * utilisation, Span::seconds(16));
            plan.load.arrival = Arrival::Poisson;
            plan.load.warmup = Span::seconds(2);
            plan.market.seed = seed;
            let service = Delay::Fixed(1_000_000);
            let record = record_of(&plan, Faults { service, ..Faults::default() })?;
            *mean = record.groups[0].latency.mean_ns - MS;
        }
        answers.mean_wait(utilisation, MS, means);
    }
    Ok(answers.1)
}

/// Events a millisecond apart, some held back: the orders of the examples in section 7 of RFC 4737.
fn reordering() -> Result<Vec<Answer>, RunError> {
    let mut answers = Answers("reordering (RFC 4737)", Vec::new());
    let late = |faults: Faults, sequence: u32, by: Ns| {
        faults.with(Fault::DeliveredLate(by), Hits::Events { symbol: None, from: sequence, to: sequence })
    };
    let plan = steady(1000.0, Span::millis(20));
    // 0 1 2 4 5 6 7 3 8 …
    let one = record_of(&plan, late(Faults::default(), 3, 4_500_000))?;
    let group = &one.groups[0];
    answers.equal("one late by four: reordered, extent", (1, 4), (group.reordered, group.extents.max));
    answers.time("one late by four: late time", 3.5 * MS, ns(group.extents.late_max_ns), 1.0);
    // 0 1 2 6 7 8 9 3 4 5 10 …
    let three = [(3, 6_250_000), (4, 5_500_000), (5, 4_750_000)];
    let faults =
        three.into_iter().fold(Faults::default(), |faults, (sequence, by)| late(faults, sequence, by));
    let three = record_of(&plan, faults)?;
    let group = &three.groups[0];
    let found = (group.reordered, group.extents.max, group.extents.by_power_of_two.clone());
    answers.equal("three overtaken by four: extents 4, 5 and 6", (3, 6, vec![0, 0, 3]), found);
    Ok(answers.1)
}

/// λ events/s for a time t at a server of rate μ < λ: the last of them waits (λ/μ − 1)·t.
fn burst() -> Result<Vec<Answer>, RunError> {
    let mut answers = Answers("burst", Vec::new());
    let mut plan = steady(100.0, Span::seconds(4));
    plan.load.arrival = Arrival::Burst;
    let rate = Rate::per_second(2000.0);
    plan.load.burst = Some(Burst { rate, every: Span::seconds(4), length: Span::seconds(1) });
    let record = record_of(&plan, Faults { service: Delay::Fixed(1_000_000), ..Faults::default() })?;
    let max = num::f64_of_signed(record.groups[0].latency.max_ns);
    // The last one is due half a spacing before the end of the burst, and its own service takes 1 ms.
    answers.time("latency.max, (λ/μ − 1)·t + s", 1001.0 * MS, max, 1.5 * MS);
    answers.equal("delivered", 2300, record.groups[0].delivered);
    Ok(answers.1)
}

/// A plan of steps of two seconds each.
fn stairs(rates: &[f64], spacing: Spacing) -> Plan {
    let mut plan = steady(0.0, Span::seconds(2 * num::count(rates.len())));
    plan.load.arrival = Arrival::Steps;
    plan.load.spacing = spacing;
    plan.load.steps = Some(Steps { rates: rates.iter().copied().map(Rate::per_second).collect() });
    plan
}

/// Steps of t each at λ₁ < μ, λ₂ > μ and λ₃ < μ at a server of rate μ. In the first step no event waits; in the second the
/// wait grows from 0 to W = (λ₂/μ − 1)·t; in the third it falls by 1 − λ₃/μ until it is 0. By the end of the second
/// step plus the limit L the server has carried μ·(t + L) of its events. In the third the wait is longer than L for
/// (W − L) / (1 − λ₃/μ).
///
/// With random gaps each step is a queue of its own: its mean wait is that of its rate.
fn steps() -> Result<Vec<Answer>, RunError> {
    let mut answers = Answers("load of steps", Vec::new());
    let mut plan = stairs(&[800.0, 1200.0, 500.0], Spacing::Constant);
    plan.objectives.extend(grammar::parse("latency.p99", "< 100ms"));
    let record = record_of(&plan, Faults { service: Delay::Fixed(1_000_000), ..Faults::default() })?;
    answers.equal("due", vec![1600, 2400, 1000], record.steps.iter().map(|step| step.due).collect());
    // Events are half a spacing from the edges of a step, and their own service takes 1 ms.
    let expected = [("first", 1.0, 1.0), ("second", 401.0, 201.0), ("third", 401.0, 81.0)];
    for ((name, max, mean), step) in expected.into_iter().zip(&record.steps) {
        let latency = &step.groups[0].latency;
        let within = if name == "first" { GRID_NS } else { 1.5 * MS };
        let reported = num::f64_of_signed(latency.max_ns);
        answers.time(&format!("latency.max of the {name} step"), max * MS, reported, within);
        answers.time(&format!("latency.mean of the {name} step"), mean * MS, latency.mean_ns, within);
    }
    let [_, second, third] = &record.steps[..] else { return Ok(answers.1) };
    answers.events("in time of the second step, μ·(t + L)", 2100, second.groups[0].in_time, 2);
    let over = third.groups[0].over(100_000_000).unwrap_or(u64::MAX);
    answers.events("over 100 ms of the third step, λ₃·(W − L) / (1 − λ₃/μ)", 300, over, 2);
    let verdicts = record.steps.iter().filter_map(|step| step.verdict).collect();
    answers.equal("verdicts", vec![Verdict::Pass, Verdict::Fail, Verdict::Fail], verdicts);
    waits_of_steps(&mut answers)?;
    Ok(answers.1)
}

/// The mean wait in each of two steps with random gaps; a queue of this length forgets the step before within
/// milliseconds.
fn waits_of_steps(answers: &mut Answers) -> Result<(), RunError> {
    const SERVICE_NS: Ns = 250_000;
    let utilisations = [0.6, 0.3];
    let mut means = utilisations.map(|_| [0.0; 10]);
    for run in 0..10 {
        let mut plan = stairs(&utilisations.map(|of| of * 4000.0), Spacing::Poisson);
        plan.market.seed = num::count(run) + 1;
        let record = record_of(&plan, Faults { service: Delay::Fixed(SERVICE_NS), ..Faults::default() })?;
        for (means, step) in means.iter_mut().zip(&record.steps) {
            means[run] = step.groups[0].latency.mean_ns - ns(SERVICE_NS);
        }
    }
    for (utilisation, means) in utilisations.into_iter().zip(means) {
        answers.mean_wait(utilisation, ns(SERVICE_NS), means);
    }
    Ok(())
}

/// The last ten events get lost: no later event reveals the gap.
fn tail_loss() -> Result<Vec<Answer>, RunError> {
    let mut answers = Answers("tail loss", Vec::new());
    let hits = Hits::Events { symbol: None, from: 990, to: 999 };
    let plan = steady(1000.0, Span::seconds(1));
    let record = record_of(&plan, Faults::default().with(Fault::Undelivered, hits))?;
    let group = &record.groups[0];
    let reported = (group.lost, group.lost_not_stored, group.lost_not_delivered);
    answers.equal("lost, not stored, not delivered", (10, 0, 10), reported);
    let range = group.lost_ranges.first().map(|range| (range.first, range.last));
    answers.equal("where", Some((990, 999)), range);
    Ok(answers.1)
}

/// The bus confirms one symbol's events and stores none.
fn symbol_loss() -> Result<Vec<Answer>, RunError> {
    let mut answers = Answers("loss of a symbol", Vec::new());
    let mut plan = steady(1000.0, Span::seconds(1));
    plan.market.symbols = 5;
    let hits = Hits::Events { symbol: Some(3), from: 0, to: u32::MAX };
    let faults = Faults::default().with(Fault::Unstored, hits);
    let (record, truth) = simulate(&plan, &Scenario::from(faults), 1)?;
    let theirs = num::count(truth.events.iter().filter(|event| event.symbol == 3).count());
    let group = &record.groups[0];
    answers.equal("lost, and not stored", (theirs, theirs), (group.lost, group.lost_not_stored));
    let symbols: Vec<&str> = group.troubled_symbols.iter().map(|trouble| trouble.symbol.as_str()).collect();
    answers.equal("whose", vec![crate::market::names(&plan.market)[3].as_str()], symbols);
    Ok(answers.1)
}

/// A cut takes the answers of the last millisecond; the client sends those ten events again.
fn reconnect() -> Result<Vec<Answer>, RunError> {
    let mut answers = Answers("duplicate across a reconnect", Vec::new());
    let cut = Cut { time: Stretch { from: 500_000_000, length: 100_000_000 }, resend: true };
    let faults = Faults { answer: Delay::Fixed(1_000_000), cuts: vec![cut], ..Faults::default() };
    let mut plan = steady(10_000.0, Span::seconds(1));
    plan.bus.nats.ack_wait = Span::seconds(2);
    let record = record_of(&plan, faults.clone())?;
    let (group, load) = (&record.groups[0], &record.load);
    answers.equal(
        "duplicate, lost, unconfirmed",
        (10, 0, 0),
        (group.duplicate, group.lost, load.unconfirmed),
    );
    plan.bus.nats.msg_id = true;
    let record = record_of(&plan, faults)?;
    let (group, load) = (&record.groups[0], &record.load);
    let reported = (group.duplicate, load.acked_duplicate);
    answers.equal("with ids that the broker knows: duplicate, acked as duplicate", (0, 10), reported);
    Ok(answers.1)
}

/// The members' clock is 3 ms behind: events seem to arrive before they were due, and the figures must show it.
fn clock_error() -> Result<Vec<Answer>, RunError> {
    let mut answers = Answers("clock error across hosts", Vec::new());
    let mut plan = steady(1000.0, Span::seconds(1));
    plan.objectives.extend(grammar::parse("latency.p99", "< 20ms"));
    let scenario = Scenario {
        faults: Faults { downlink: Delay::Fixed(2_000_000), ..Faults::default() },
        host: Host { clock_offset_ns: -3_000_000, ..Host::default() },
        clock_error_ns: 3_000_000,
        ..Scenario::default()
    };
    let (record, _) = simulate(&plan, &scenario, 1)?;
    let latency = &record.groups[0].latency;
    answers.time("latency.max", -MS, num::f64_of_signed(latency.max_ns), GRID_NS);
    answers.equal("negative, of", (1000, 1000), (latency.negative, latency.count));
    answers.equal("verdict, the bound of the error being 3 ms", Verdict::Inconclusive, record.verdict);
    Ok(answers.1)
}

/// A fault at 5 s that lasts E = 2 s and must be settled at 15 s, and what the bus does meanwhile.
fn around_a_fault(outages: &[(Stretch, How)]) -> Result<Record, RunError> {
    let mut plan = steady(1000.0, Span::seconds(20));
    plan.faults = vec![fault("outage", [5, 2, 8].map(Span::seconds))];
    let outages = outages.iter().map(|&(time, how)| Outage { time, how }).collect();
    record_of(&plan, Faults { outages, ..Faults::default() })
}

/// Stretches of time, and what the bus does in them.
type Outages = Vec<(Stretch, How)>;

/// An outage of length E: refusals and silence make the bus unavailable for E, and a hold for E − L, since what comes within L of
/// its end is in time. With every second half up, the bus is unavailable for half of the time, and recovers only at the end.
fn outages() -> Result<Vec<Answer>, RunError> {
    const S: Ns = 1_000_000_000;
    let mut answers = Answers("outages", Vec::new());
    let at = |from: Ns, length: Ns| Stretch { from, length };
    let whole = |how| [(at(5 * S, 2 * S), how)];
    let flapping: Outages = (0..10).map(|n| (at(5 * S + n * S, S / 2), How::Refuse)).collect();
    let unanswered = |stored| whole(How::Unanswered { stored }).to_vec();
    // Unavailable for publishing, its longest stretch, and for the group; recovery, and the same after the undo; in ms.
    let expected: [(&str, Outages, [u64; 5]); 6] = [
        ("refused", whole(How::Refuse).to_vec(), [2000, 2000, 2000, 2000, 0]),
        ("held", whole(How::Hold).to_vec(), [1900, 1900, 1900, 1900, 0]),
        ("lost", unanswered(false), [2000, 2000, 2000, 2000, 0]),
        ("stored without an answer", unanswered(true), [2000, 2000, 0, 2000, 0]),
        ("flapping", flapping, [5000, 500, 5000, 9500, 7500]),
        ("deliveries withheld", whole(How::Withhold).to_vec(), [0, 0, 1900, 2000, 0]),
    ];
    for (name, outages, expected) in expected {
        let record = around_a_fault(&outages)?;
        let Some(effect) = record.faults.injected.first().and_then(|fault| fault.effect.as_ref()) else {
            answers.equal(name, "an effect", "none");
            continue;
        };
        let of_group = effect.groups.first().map_or(0, |group| group.outage.unavailable_ns);
        let reported = [
            effect.publishing.unavailable_ns,
            effect.publishing.longest_ns,
            of_group,
            effect.recovery_ns.unwrap_or(Ns::MAX),
            effect.after_undo_ns.unwrap_or(Ns::MAX),
        ];
        let figures =
            ["unavailable", "unavailable, longest", "unavailable to the group", "recovery", "after the undo"];
        for ((figure, expected), reported) in figures.into_iter().zip(expected).zip(reported) {
            answers.time(&format!("{name}: {figure}"), ns(expected) * MS, ns(reported), 0.0);
        }
        let parts = |name: &str| record.faults.scope(name).map(|scope| scope.figures.due);
        let due = ["before", "during", "recovery", "after", "fault.outage"].map(parts);
        let expected = [5000, 2000, 8000, 5000, 10_000].map(Some);
        answers.equal(&format!("{name}: events due in each part"), expected, due);
    }
    Ok(answers.1)
}

/// A few seeds of the swarm.
#[expect(clippy::unnecessary_wraps, reason = "of one type with the others")]
fn seeds() -> Result<Vec<Answer>, RunError> {
    let mut answers = Answers("seeded runs against the oracle", Vec::new());
    let wrong: Vec<String> = (0..100).flat_map(findings).collect();
    answers.equal("wrong figures in 100 runs", Vec::<String>::new(), wrong);
    Ok(answers.1)
}
