//! The payload of each kind of event, field by field, with plausible values; docs/schema/events describes the
//! fields.

use super::format::{Fields, Part};
use super::probe::Probe;
use super::random::Random;
use super::symbols::Instrument;
use super::topics::{Kind, Topic};
use super::walk::Walk;

/// The inputs of a payload.
pub(super) struct Scene<'a> {
    pub(super) instrument: &'a Instrument,
    pub(super) walk: &'a mut Walk,
    pub(super) random: Random,
    pub(super) topics: &'a [Topic],
    pub(super) probe: Probe,
    /// The symbol's previous event, dead letters excluded.
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

/// Writes the fields of a payload of the given kind.
#[inline]
pub(super) fn write_fields(kind: Kind, out: &mut impl Fields, scene: &mut Scene<'_>) {
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

    /// An id such as `ord-AAPL-42`, with the same number in related topics.
    fn reference(&self, kind: &'static str) -> [Part<'_>; 4] {
        let number = Part::Whole(u64::from(self.probe.sequence));
        [Part::Plain(kind), Part::Plain(&self.instrument.ticker), Part::Plain("-"), number]
    }

    /// A number of shares in round lots.
    fn shares(&mut self) -> u64 {
        self.random.within(1, 20).unsigned_abs() * 100
    }

    /// A share of a whole, in 1/10,000.
    fn share(&mut self, from: u32, to: u32) -> i64 {
        self.random.within(from, to)
    }

    /// A number within `reach` of zero, in 1/10,000, in whole hundredths.
    fn around_zero(&mut self, reach: u32) -> i64 {
        (self.random.within(0, 2 * reach) - i64::from(reach)) * 100
    }
}

fn quote(out: &mut impl Fields, scene: &Scene<'_>) {
    out.plain("symbol", &scene.instrument.ticker)
        .decimal("price", scene.money(scene.walk.price))
        .decimal("bid", scene.money(scene.walk.bid))
        .decimal("ask", scene.money(scene.walk.ask))
        .whole("volume", scene.walk.volume)
        .plain("exchange", scene.instrument.exchange);
}

fn bar(out: &mut impl Fields, scene: &mut Scene<'_>, which: usize) {
    let bar = scene.walk.close(which);
    let (interval, length) = [("1m", MINUTE_NS), ("1d", DAY_NS)][which];
    let now = scene.probe.intended_unix_ns;
    out.plain("symbol", &scene.instrument.ticker)
        .plain("interval", interval)
        .time("start", now - now % length)
        .decimal("open", scene.money(bar.open))
        .decimal("high", scene.money(bar.high))
        .decimal("low", scene.money(bar.low))
        .decimal("close", scene.money(bar.close))
        .whole("volume", bar.volume)
        .whole("trades", bar.trades);
}

fn news(out: &mut impl Fields, scene: &mut Scene<'_>) {
    let headline = scene.random.pick(&HEADLINES);
    let sentiment = scene.around_zero(100);
    out.plain("symbol", &scene.instrument.ticker)
        .joined("headline", [Part::Plain(&scene.instrument.ticker), Part::Plain(" "), Part::Plain(headline)])
        .plain("publisher", scene.random.pick(&["Street Wire", "Market Desk", "Exchange Notices"]))
        .decimal("sentiment", sentiment);
}

fn order_submitted(out: &mut impl Fields, scene: &mut Scene<'_>) {
    let (side, limit) = scene.random.pick(&[("buy", scene.walk.ask), ("sell", scene.walk.bid)]);
    out.joined("orderId", scene.reference("ord-"))
        .plain("symbol", &scene.instrument.ticker)
        .plain("side", side)
        .plain("type", "limit")
        .whole("quantity", scene.shares())
        .decimal("limitPrice", scene.money(limit))
        .plain("timeInForce", scene.random.pick(&["day", "ioc", "gtc"]));
}

fn order_filled(out: &mut impl Fields, scene: &mut Scene<'_>) {
    let (side, sign, at) = scene.random.pick(&[("buy", 1, scene.walk.ask), ("sell", -1, scene.walk.bid)]);
    let shares = scene.shares();
    scene.walk.fill(sign * i64::try_from(shares).unwrap_or_default());
    out.joined("orderId", scene.reference("ord-"))
        .plain("symbol", &scene.instrument.ticker)
        .plain("side", side)
        .whole("quantity", shares)
        .decimal("price", scene.money(at))
        .decimal("commission", scene.share(0, 200) * 100)
        .plain("exchange", scene.instrument.exchange);
}

fn order_rejected(out: &mut impl Fields, scene: &mut Scene<'_>) {
    let (code, reason) = scene.random.pick(&[
        ("INSUFFICIENT_FUNDS", "buying power exceeded"),
        ("PRICE_BAND", "limit price outside the band"),
        ("HALTED", "trading in the symbol is halted"),
        ("RISK_LIMIT", "position limit of the account exceeded"),
    ]);
    out.joined("orderId", scene.reference("ord-"))
        .plain("symbol", &scene.instrument.ticker)
        .plain("side", scene.random.pick(&SIDES))
        .whole("quantity", scene.shares())
        .plain("code", code)
        .plain("reason", reason);
}

fn position_updated(out: &mut impl Fields, scene: &mut Scene<'_>) {
    let held = scene.walk.position;
    let (paid, price) = (scene.instrument.start, scene.walk.price);
    out.plain("symbol", &scene.instrument.ticker)
        .decimal("quantity", held * 10_000)
        .decimal("averagePrice", scene.money(paid))
        .decimal("marketPrice", scene.money(price))
        .decimal("unrealizedPnl", held * scene.money(price - paid));
}

fn decision_generated(out: &mut impl Fields, scene: &mut Scene<'_>) {
    let (action, target) = scene.random.pick(&[
        ("buy", scene.walk.price + i64::from(scene.instrument.spread)),
        ("sell", scene.walk.price - i64::from(scene.instrument.spread)),
        ("hold", scene.walk.price),
    ]);
    out.joined("decisionId", scene.reference("dec-"))
        .plain("symbol", &scene.instrument.ticker)
        .plain("action", action)
        .decimal("confidence", scene.share(5_000, 9_900))
        .decimal("targetPrice", scene.money(target))
        .plain("horizon", scene.random.pick(&["5m", "1h", "1d"]))
        .plain("model", "momentum-3")
        .plain(
            "rationale",
            scene.random.pick(&[
                "price leads its moving average",
                "order flow leans one way",
                "news sentiment turned",
            ]),
        );
}

fn decision_executed(out: &mut impl Fields, scene: &mut Scene<'_>) {
    let (action, at) = scene.random.pick(&[("buy", scene.walk.ask), ("sell", scene.walk.bid)]);
    out.joined("decisionId", scene.reference("dec-"))
        .joined("orderId", scene.reference("ord-"))
        .plain("symbol", &scene.instrument.ticker)
        .plain("action", action)
        .whole("quantity", scene.shares())
        .decimal("price", scene.money(at));
}

fn calibration_completed(out: &mut impl Fields, scene: &mut Scene<'_>) {
    out.plain("model", "momentum-3")
        .plain("symbol", &scene.instrument.ticker)
        .whole("samples", scene.random.within(1_000, 50_000).unsigned_abs())
        .decimal("brierScore", scene.share(1_000, 3_000))
        .decimal("calibrationError", scene.share(50, 900))
        .whole("durationMs", scene.random.within(200, 30_000).unsigned_abs());
}

fn pnl_calculated(out: &mut impl Fields, scene: &mut Scene<'_>) {
    let (realized, unrealized) = (scene.around_zero(2_000_000), scene.around_zero(500_000));
    out.plain("symbol", &scene.instrument.ticker)
        .plain("period", "day")
        .plain("currency", "USD")
        .decimal("realized", realized)
        .decimal("unrealized", unrealized)
        .decimal("total", realized + unrealized);
}

fn metrics_snapshot(out: &mut impl Fields, scene: &mut Scene<'_>) {
    out.plain("symbol", &scene.instrument.ticker)
        .plain("window", "30d")
        .decimal("sharpe", scene.around_zero(300))
        .decimal("maxDrawdown", scene.share(50, 2_500))
        .decimal("winRate", scene.share(3_500, 6_500))
        .whole("trades", scene.random.within(10, 5_000).unsigned_abs());
}

fn heartbeat(out: &mut impl Fields, scene: &mut Scene<'_>) {
    let service = scene.random.pick(&SERVICES);
    out.plain("service", service)
        .joined(
            "instance",
            [Part::Plain(service), Part::Plain("-"), Part::Whole(scene.random.within(0, 3).unsigned_abs())],
        )
        .plain("status", scene.random.pick(&["healthy", "healthy", "healthy", "degraded"]))
        .whole("uptimeSeconds", u64::from(scene.probe.sequence) * 10)
        .decimal("cpu", scene.share(50, 9_500))
        .whole("memoryBytes", scene.random.within(32, 2_048).unsigned_abs() << 20);
}

fn error_occurred(out: &mut impl Fields, scene: &mut Scene<'_>) {
    let (code, severity, message) = scene.random.pick(&[
        ("UPSTREAM_TIMEOUT", "warning", "no answer from the feed in 5 s"),
        ("STALE_QUOTE", "warning", "quote older than its limit"),
        ("BROKER_DISCONNECTED", "error", "the connection to the broker was lost"),
        ("MODEL_UNAVAILABLE", "critical", "the model could not be loaded"),
    ]);
    out.plain("service", scene.random.pick(&SERVICES))
        .plain("code", code)
        .plain("severity", severity)
        .plain("message", message)
        .plain("symbol", &scene.instrument.ticker);
}

/// Names the symbol's last event if it is of the failed topic, else an event of that topic a moment ago.
fn dead_letter(out: &mut impl Fields, scene: &mut Scene<'_>) {
    let topic = &scene.topics[usize::from(scene.probe.topic)];
    let failed = scene.last.filter(|last| usize::from(last.topic) == topic.failed).unwrap_or(Probe {
        topic: u8::try_from(topic.failed).unwrap_or_default(),
        intended_unix_ns: scene.probe.intended_unix_ns.saturating_sub(250_000_000),
        ..scene.probe
    });
    let origin = &scene.topics[topic.failed];
    out.id("failedEventId", failed)
        .text("failedEventType", &origin.name)
        .text("failedSource", &origin.source)
        .plain("symbol", &scene.instrument.ticker)
        .plain("group", scene.random.pick(&["trading-engine", "ai-service", "analytics", "orchestrator"]))
        .plain("reason", scene.random.pick(&["handler failed", "handler timed out", "schema not supported"]))
        .whole("deliveries", scene.random.within(3, 5).unsigned_abs());
}

fn generic(out: &mut impl Fields, scene: &Scene<'_>) {
    out.plain("symbol", &scene.instrument.ticker).whole("n", u64::from(scene.probe.sequence));
}
