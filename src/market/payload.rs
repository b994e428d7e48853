//! The payload of each kind of event: plausible, and with the members that docs/schema/events describes.

use super::probe::Probe;
use super::random::Random;
use super::symbols::Instrument;
use super::text::Text;
use super::topics::{Kind, Topic};
use super::walk::Walk;

/// What a payload is written from.
pub(super) struct Scene<'a> {
    pub(super) instrument: &'a Instrument,
    pub(super) walk: &'a mut Walk,
    pub(super) random: Random,
    pub(super) topics: &'a [Topic],
    pub(super) probe: Probe,
    /// The event of this symbol before this one, but for dead letters.
    pub(super) last: Option<Probe>,
}

const MINUTE_NS: u64 = 60_000_000_000;
const DAY_NS: u64 = 86_400_000_000_000;

const SIDES: [&str; 2] = ["buy", "sell"];
const HEADLINES: [&str; 6] = [
    "beats estimates and raises its outlook",
    "announces a share buyback",
    "names a new chief financial officer",
    "falls after a broker's downgrade",
    "wins a long-term supply contract",
    "to report its quarter after the close",
];
const SERVICES: [&str; 5] = ["market-data", "trading-engine", "ai-service", "analytics", "orchestrator"];

/// Writes the payload of a kind, braces included.
pub(super) fn write(kind: Kind, out: &mut Text<'_>, scene: &mut Scene<'_>) {
    match kind {
        Kind::Quote => quote(out, scene),
        Kind::MinuteBar => bar(out, scene, 0),
        Kind::DayBar => bar(out, scene, 1),
        Kind::News => news(out, scene),
        Kind::OrderSubmitted => order_submitted(out, scene),
        Kind::OrderFilled => order_filled(out, scene),
        Kind::OrderRejected => order_rejected(out, scene),
        Kind::PositionUpdated => position_updated(out, scene),
        Kind::DecisionGenerated => decision_generated(out, scene),
        Kind::DecisionExecuted => decision_executed(out, scene),
        Kind::CalibrationCompleted => calibration_completed(out, scene),
        Kind::PnlCalculated => pnl_calculated(out, scene),
        Kind::MetricsSnapshot => metrics_snapshot(out, scene),
        Kind::Heartbeat => heartbeat(out, scene),
        Kind::ErrorOccurred => error_occurred(out, scene),
        Kind::DeadLetter => dead_letter(out, scene),
        Kind::Generic => generic(out, scene),
    }
}

impl Scene<'_> {
    /// A price in ticks as 1/10,000 of the currency.
    const fn money(&self, ticks: i64) -> i64 {
        ticks * self.instrument.tick
    }

    /// A number of shares in round lots.
    fn shares(&mut self) -> u64 {
        self.random.within(1, 20).unsigned_abs() * 100
    }

    /// A share of the whole in 1/10,000.
    fn share(&mut self, from: u32, to: u32) -> i64 {
        self.random.within(from, to)
    }

    /// A number on either side of zero, in 1/10,000, in whole hundredths.
    fn around_zero(&mut self, reach: u32) -> i64 {
        (self.random.within(0, 2 * reach) - i64::from(reach)) * 100
    }
}

impl Text<'_> {
    /// An id such as `ord-AAPL-42`: the same number in topics that tell of the same thing.
    fn reference(&mut self, kind: &str, scene: &Scene<'_>) -> &mut Self {
        self.raw(kind).raw(&scene.instrument.ticker).raw("-").whole(u64::from(scene.probe.sequence))
    }
}

fn quote(out: &mut Text<'_>, scene: &Scene<'_>) {
    out.raw(r#"{"symbol":""#)
        .raw(&scene.instrument.ticker)
        .raw(r#"","price":"#)
        .decimal(scene.money(scene.walk.price))
        .raw(r#","bid":"#)
        .decimal(scene.money(scene.walk.bid))
        .raw(r#","ask":"#)
        .decimal(scene.money(scene.walk.ask))
        .raw(r#","volume":"#)
        .whole(scene.walk.volume)
        .raw(r#","exchange":""#)
        .raw(scene.instrument.exchange)
        .raw(r#""}"#);
}

fn bar(out: &mut Text<'_>, scene: &mut Scene<'_>, which: usize) {
    let bar = scene.walk.close(which);
    let (interval, length) = [("1m", MINUTE_NS), ("1d", DAY_NS)][which];
    let now = scene.probe.intended_unix_ns;
    out.raw(r#"{"symbol":""#)
        .raw(&scene.instrument.ticker)
        .raw(r#"","interval":""#)
        .raw(interval)
        .raw(r#"","start":""#)
        .time(now - now % length)
        .raw(r#"","open":"#)
        .decimal(scene.money(bar.open))
        .raw(r#","high":"#)
        .decimal(scene.money(bar.high))
        .raw(r#","low":"#)
        .decimal(scene.money(bar.low))
        .raw(r#","close":"#)
        .decimal(scene.money(bar.close))
        .raw(r#","volume":"#)
        .whole(bar.volume)
        .raw(r#","trades":"#)
        .whole(bar.trades)
        .raw("}");
}

fn news(out: &mut Text<'_>, scene: &mut Scene<'_>) {
    let headline = scene.random.pick(&HEADLINES);
    let sentiment = scene.around_zero(100);
    out.raw(r#"{"symbol":""#)
        .raw(&scene.instrument.ticker)
        .raw(r#"","headline":""#)
        .raw(&scene.instrument.ticker)
        .raw(" ")
        .raw(headline)
        .raw(r#"","publisher":""#)
        .raw(scene.random.pick(&["Street Wire", "Market Desk", "Exchange Notices"]))
        .raw(r#"","sentiment":"#)
        .decimal(sentiment)
        .raw("}");
}

fn order_submitted(out: &mut Text<'_>, scene: &mut Scene<'_>) {
    let (side, limit) = scene.random.pick(&[("buy", scene.walk.ask), ("sell", scene.walk.bid)]);
    out.raw(r#"{"orderId":""#)
        .reference("ord-", scene)
        .raw(r#"","symbol":""#)
        .raw(&scene.instrument.ticker)
        .raw(r#"","side":""#)
        .raw(side)
        .raw(r#"","type":"limit","quantity":"#)
        .whole(scene.shares())
        .raw(r#","limitPrice":"#)
        .decimal(scene.money(limit))
        .raw(r#","timeInForce":""#)
        .raw(scene.random.pick(&["day", "ioc", "gtc"]))
        .raw(r#""}"#);
}

fn order_filled(out: &mut Text<'_>, scene: &mut Scene<'_>) {
    let (side, sign, at) = scene.random.pick(&[("buy", 1, scene.walk.ask), ("sell", -1, scene.walk.bid)]);
    let shares = scene.shares();
    scene.walk.fill(sign * i64::try_from(shares).unwrap_or_default());
    out.raw(r#"{"orderId":""#)
        .reference("ord-", scene)
        .raw(r#"","symbol":""#)
        .raw(&scene.instrument.ticker)
        .raw(r#"","side":""#)
        .raw(side)
        .raw(r#"","quantity":"#)
        .whole(shares)
        .raw(r#","price":"#)
        .decimal(scene.money(at))
        .raw(r#","commission":"#)
        .decimal(scene.share(0, 200) * 100)
        .raw(r#","exchange":""#)
        .raw(scene.instrument.exchange)
        .raw(r#""}"#);
}

fn order_rejected(out: &mut Text<'_>, scene: &mut Scene<'_>) {
    let (code, reason) = scene.random.pick(&[
        ("INSUFFICIENT_FUNDS", "buying power exceeded"),
        ("PRICE_BAND", "limit price outside the band"),
        ("HALTED", "trading in the symbol is halted"),
        ("RISK_LIMIT", "position limit of the account exceeded"),
    ]);
    out.raw(r#"{"orderId":""#)
        .reference("ord-", scene)
        .raw(r#"","symbol":""#)
        .raw(&scene.instrument.ticker)
        .raw(r#"","side":""#)
        .raw(scene.random.pick(&SIDES))
        .raw(r#"","quantity":"#)
        .whole(scene.shares())
        .raw(r#","code":""#)
        .raw(code)
        .raw(r#"","reason":""#)
        .raw(reason)
        .raw(r#""}"#);
}

fn position_updated(out: &mut Text<'_>, scene: &mut Scene<'_>) {
    let held = scene.walk.position;
    let (paid, price) = (scene.instrument.start, scene.walk.price);
    out.raw(r#"{"symbol":""#)
        .raw(&scene.instrument.ticker)
        .raw(r#"","quantity":"#)
        .decimal(held * 10_000)
        .raw(r#","averagePrice":"#)
        .decimal(scene.money(paid))
        .raw(r#","marketPrice":"#)
        .decimal(scene.money(price))
        .raw(r#","unrealizedPnl":"#)
        .decimal(held * scene.money(price - paid))
        .raw("}");
}

fn decision_generated(out: &mut Text<'_>, scene: &mut Scene<'_>) {
    let (action, target) = scene.random.pick(&[
        ("buy", scene.walk.price + i64::from(scene.instrument.spread)),
        ("sell", scene.walk.price - i64::from(scene.instrument.spread)),
        ("hold", scene.walk.price),
    ]);
    out.raw(r#"{"decisionId":""#)
        .reference("dec-", scene)
        .raw(r#"","symbol":""#)
        .raw(&scene.instrument.ticker)
        .raw(r#"","action":""#)
        .raw(action)
        .raw(r#"","confidence":"#)
        .decimal(scene.share(5_000, 9_900))
        .raw(r#","targetPrice":"#)
        .decimal(scene.money(target))
        .raw(r#","horizon":""#)
        .raw(scene.random.pick(&["5m", "1h", "1d"]))
        .raw(r#"","model":"momentum-3","rationale":""#)
        .raw(scene.random.pick(&[
            "price leads its moving average",
            "order flow leans one way",
            "news sentiment turned",
        ]))
        .raw(r#""}"#);
}

fn decision_executed(out: &mut Text<'_>, scene: &mut Scene<'_>) {
    let (action, at) = scene.random.pick(&[("buy", scene.walk.ask), ("sell", scene.walk.bid)]);
    out.raw(r#"{"decisionId":""#)
        .reference("dec-", scene)
        .raw(r#"","orderId":""#)
        .reference("ord-", scene)
        .raw(r#"","symbol":""#)
        .raw(&scene.instrument.ticker)
        .raw(r#"","action":""#)
        .raw(action)
        .raw(r#"","quantity":"#)
        .whole(scene.shares())
        .raw(r#","price":"#)
        .decimal(scene.money(at))
        .raw("}");
}

fn calibration_completed(out: &mut Text<'_>, scene: &mut Scene<'_>) {
    out.raw(r#"{"model":"momentum-3","symbol":""#)
        .raw(&scene.instrument.ticker)
        .raw(r#"","samples":"#)
        .whole(scene.random.within(1_000, 50_000).unsigned_abs())
        .raw(r#","brierScore":"#)
        .decimal(scene.share(1_000, 3_000))
        .raw(r#","calibrationError":"#)
        .decimal(scene.share(50, 900))
        .raw(r#","durationMs":"#)
        .whole(scene.random.within(200, 30_000).unsigned_abs())
        .raw("}");
}

fn pnl_calculated(out: &mut Text<'_>, scene: &mut Scene<'_>) {
    let (realized, unrealized) = (scene.around_zero(2_000_000), scene.around_zero(500_000));
    out.raw(r#"{"symbol":""#)
        .raw(&scene.instrument.ticker)
        .raw(r#"","period":"day","currency":"USD","realized":"#)
        .decimal(realized)
        .raw(r#","unrealized":"#)
        .decimal(unrealized)
        .raw(r#","total":"#)
        .decimal(realized + unrealized)
        .raw("}");
}

fn metrics_snapshot(out: &mut Text<'_>, scene: &mut Scene<'_>) {
    out.raw(r#"{"symbol":""#)
        .raw(&scene.instrument.ticker)
        .raw(r#"","window":"30d","sharpe":"#)
        .decimal(scene.around_zero(300))
        .raw(r#","maxDrawdown":"#)
        .decimal(scene.share(50, 2_500))
        .raw(r#","winRate":"#)
        .decimal(scene.share(3_500, 6_500))
        .raw(r#","trades":"#)
        .whole(scene.random.within(10, 5_000).unsigned_abs())
        .raw("}");
}

fn heartbeat(out: &mut Text<'_>, scene: &mut Scene<'_>) {
    let service = scene.random.pick(&SERVICES);
    out.raw(r#"{"service":""#)
        .raw(service)
        .raw(r#"","instance":""#)
        .raw(service)
        .raw("-")
        .whole(scene.random.within(0, 3).unsigned_abs())
        .raw(r#"","status":""#)
        .raw(scene.random.pick(&["healthy", "healthy", "healthy", "degraded"]))
        .raw(r#"","uptimeSeconds":"#)
        .whole(u64::from(scene.probe.sequence) * 10)
        .raw(r#","cpu":"#)
        .decimal(scene.share(50, 9_500))
        .raw(r#","memoryBytes":"#)
        .whole(scene.random.within(32, 2_048).unsigned_abs() << 20)
        .raw("}");
}

fn error_occurred(out: &mut Text<'_>, scene: &mut Scene<'_>) {
    let (code, severity, message) = scene.random.pick(&[
        ("UPSTREAM_TIMEOUT", "warning", "no answer from the feed in 5 s"),
        ("STALE_QUOTE", "warning", "quote older than its limit"),
        ("BROKER_DISCONNECTED", "error", "the connection to the broker was lost"),
        ("MODEL_UNAVAILABLE", "critical", "the model could not be loaded"),
    ]);
    out.raw(r#"{"service":""#)
        .raw(scene.random.pick(&SERVICES))
        .raw(r#"","code":""#)
        .raw(code)
        .raw(r#"","severity":""#)
        .raw(severity)
        .raw(r#"","message":""#)
        .raw(message)
        .raw(r#"","symbol":""#)
        .raw(&scene.instrument.ticker)
        .raw(r#""}"#);
}

/// Names the symbol's last event if that is of the topic at fault, else an event of that topic a moment ago.
fn dead_letter(out: &mut Text<'_>, scene: &mut Scene<'_>) {
    let topic = &scene.topics[usize::from(scene.probe.topic)];
    let failed = scene.last.filter(|last| usize::from(last.topic) == topic.failed).unwrap_or(Probe {
        topic: u8::try_from(topic.failed).unwrap_or_default(),
        intended_unix_ns: scene.probe.intended_unix_ns.saturating_sub(250_000_000),
        ..scene.probe
    });
    let origin = &scene.topics[topic.failed];
    out.raw(r#"{"failedEventId":""#)
        .id(&failed.to_id())
        .raw(r#"","failedEventType":""#)
        .raw(&origin.name)
        .raw(r#"","failedSource":""#)
        .raw(&origin.source)
        .raw(r#"","symbol":""#)
        .raw(&scene.instrument.ticker)
        .raw(r#"","group":""#)
        .raw(scene.random.pick(&["trading-engine", "ai-service", "analytics", "orchestrator"]))
        .raw(r#"","reason":""#)
        .raw(scene.random.pick(&["handler failed", "handler timed out", "schema not supported"]))
        .raw(r#"","deliveries":"#)
        .whole(scene.random.within(3, 5).unsigned_abs())
        .raw("}");
}

fn generic(out: &mut Text<'_>, scene: &Scene<'_>) {
    out.raw(r#"{"symbol":""#)
        .raw(&scene.instrument.ticker)
        .raw(r#"","n":"#)
        .whole(u64::from(scene.probe.sequence))
        .raw("}");
}
