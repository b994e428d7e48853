//! Writes a plan as a profile: every key spelt out, in a fixed order, so that reading it gives the same plan.

use std::fmt::{Display, Write};

use crate::compare::Prices;
use crate::plan::{Bus, Fault, Group, Load, Market, Nats, Padding, Payload, Persist, Plan, Replay, Topology};

/// The profile of a plan, as TOML.
#[must_use]
pub fn to_toml(plan: &Plan) -> String {
    let mut out = Out::default();
    out.text("name", &plan.name);
    out.text("description", &plan.description);
    if plan.groups.is_empty() {
        out.line("groups", &"[]");
    }
    load(&mut out, &plan.load);
    market(&mut out, &plan.market);
    payload(&mut out, plan);
    topology(&mut out, &plan.topology);
    out.header("[mix]");
    for (topic, share) in &plan.mix {
        out.line(&quoted(topic), &number(*share));
    }
    plan.groups.iter().for_each(|one| group(&mut out, one));
    bus(&mut out, &plan.bus);
    if !plan.cluster.is_plain() {
        out.header("[cluster]");
        out.line("nodes", &plan.cluster.nodes);
        out.text("links", &plan.cluster.links);
        if let Some(model) = &plan.cluster.power {
            out.text("power", model);
        }
    }
    plan.faults.iter().for_each(|one| fault(&mut out, one));
    plan.replays.iter().for_each(|one| replay(&mut out, one));
    out.header("[objectives]");
    for objective in &plan.objectives {
        out.line(&quoted(&objective.name()), &quoted(&objective.requirement()));
    }
    out.toml
}

/// The table of prices, as TOML.
#[must_use]
pub fn prices_to_toml(prices: &Prices) -> String {
    let mut out = Out::default();
    out.header("[prices]");
    out.text("currency", &prices.currency);
    out.line("core", &number(prices.core));
    out.line("gib_memory", &number(prices.gib_memory));
    out.line("gb_disk", &number(prices.gb_disk));
    out.text("retention", &prices.retention);
    out.toml
}

/// The text so far; writing to it cannot fail.
#[derive(Default)]
struct Out {
    toml: String,
}

impl Out {
    fn header(&mut self, header: &str) {
        let _ = write!(self.toml, "\n{header}\n");
    }

    fn line(&mut self, key: &str, value: &dyn Display) {
        let _ = writeln!(self.toml, "{key} = {value}");
    }

    fn text(&mut self, key: &str, value: &dyn Display) {
        self.line(key, &quoted(&value.to_string()));
    }
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// A number that TOML reads as one and that reads back as the same.
fn number(x: f64) -> String {
    format!("{x:?}")
}

fn list(texts: impl IntoIterator<Item = impl Display>) -> String {
    let texts: Vec<String> = texts.into_iter().map(|text| quoted(&text.to_string())).collect();
    format!("[{}]", texts.join(", "))
}

fn load(out: &mut Out, load: &Load) {
    out.header("[load]");
    out.text("rate", &load.rate);
    out.text("warmup", &load.warmup);
    out.text("duration", &load.duration);
    out.text("drain", &load.drain);
    out.text("arrival", &load.arrival);
    out.text("spacing", &load.spacing);
    out.line("generators", &load.generators);
    out.text("pacing", &load.pacing);
    out.text("consume", &load.consume);
    if let Some(ramp) = load.ramp {
        out.header("[load.ramp]");
        out.text("from", &ramp.from);
        out.text("to", &ramp.to);
    }
    if let Some(burst) = load.burst {
        out.header("[load.burst]");
        out.text("rate", &burst.rate);
        out.text("every", &burst.every);
        out.text("length", &burst.length);
    }
    if let Some(steps) = &load.steps {
        out.header("[load.steps]");
        out.line("rates", &list(&steps.rates));
    }
}

fn market(out: &mut Out, market: &Market) {
    out.header("[market]");
    out.line("symbols", &market.symbols);
    out.line("seed", &market.seed);
    out.text("popularity", &market.popularity);
    out.line("zipf_exponent", &number(market.zipf_exponent));
    out.text("event_size", &market.event_size);
}

fn payload(out: &mut Out, plan: &Plan) {
    let Payload { template, samples, id, draw, digest, name, padding, lines: _ } = &plan.payload;
    // A plan of an earlier version pads with blanks and does not say so.
    let padding = padding.or((plan.market.event_size.bytes > 0).then_some(Padding::Blank));
    let texts = [
        ("template", template),
        ("samples", samples),
        ("id", id),
        ("draw", &draw.map(|draw| draw.to_string())),
        ("digest", digest),
        ("name", name),
        ("padding", &padding.map(|padding| padding.to_string())),
    ];
    if texts.iter().all(|(_, text)| text.is_none()) {
        return;
    }
    out.header("[payload]");
    for (key, text) in texts {
        if let Some(text) = text {
            out.text(key, text);
        }
    }
}

fn topology(out: &mut Out, topology: &Topology) {
    out.header("[topology]");
    out.text("name", &topology.name);
    out.text("prefix", &topology.prefix);
    out.line("topics", &list(&topology.topics));
    out.line("symbol_in_subject", &topology.symbol_in_subject);
}

fn group(out: &mut Out, group: &Group) {
    out.header("[[groups]]");
    out.text("name", &group.name);
    out.line("subscribe", &list(&group.subscribe));
    out.line("members", &group.members);
    out.text("delivery", &group.delivery);
    if let Some(consumer) = &group.consumer {
        out.text("consumer", consumer);
    }
}

fn fault(out: &mut Out, fault: &Fault) {
    out.header("[[faults]]");
    out.text("name", &fault.name);
    out.text("at", &fault.at);
    out.text("do", &fault.action);
    if let Some(target) = &fault.target {
        out.text("target", target);
    }
    if let Some(ends) = &fault.between {
        out.line("between", &list(ends));
    }
    if !fault.length.is_zero() {
        out.text("for", &fault.length);
    }
    out.text("settle", &fault.settle);
    let texts = [
        ("how", fault.how.map(|how| how.to_string()).or(fault.poison.map(|poison| poison.how.to_string()))),
        ("way", fault.way.map(|way| way.to_string())),
        ("delay", fault.delay.map(|delay| delay.to_string())),
        ("jitter", fault.jitter.map(|jitter| jitter.to_string())),
        ("rate", fault.rate.map(|rate| rate.to_string())),
        ("share", fault.poison.map(|poison| poison.share.to_string())),
        ("expect", (!fault.expect.is_service()).then(|| fault.expect.to_string())),
    ];
    for (key, text) in texts {
        if let Some(text) = text {
            out.text(key, &text);
        }
    }
}

fn replay(out: &mut Out, replay: &Replay) {
    out.header("[[replay]]");
    out.text("name", &replay.name);
    out.text("at", &replay.at);
    out.text("from", &replay.from);
    out.text("speed", &replay.speed);
}

fn bus(out: &mut Out, bus: &Bus) {
    out.header("[bus]");
    out.text("kind", &bus.kind);
    out.line("replicas", &bus.replicas);
    out.text("storage", &bus.storage);
    out.text("sync", &bus.sync);
    out.text("publish", &bus.publish);
    out.line("window", &bus.window);
    out.line("buffer", &bus.buffer);
    if let Some(bytes) = bus.buffer_bytes {
        out.text("buffer_bytes", &bytes);
    }
    out.text("publish_timeout", &bus.publish_timeout);
    out.text("retry", &bus.retry);
    out.text("retry_after", &bus.retry_after);
    out.text("retry_order", &bus.retry_order);
    out.text("ack", &bus.ack);
    out.text("max_bytes", &bus.max_bytes);
    out.text("max_age", &bus.max_age);
    if !bus.kafka.leaves_partitions() {
        out.line("partitions", &bus.partitions);
    }
    out.line("audit", &bus.audit);
    let nats = &bus.nats;
    out.header("[bus.nats]");
    out.text("compression", &nats.compression);
    if nats.persist != Persist::Default {
        out.text("persist", &nats.persist);
    }
    if !nats.discard.is_new() {
        out.text("discard", &nats.discard);
    }
    out.line("msg_id", &nats.msg_id);
    out.text("ack_wait", &nats.ack_wait);
    out.line("max_ack_pending", &nats.max_ack_pending);
    if nats.max_deliver != Nats::default().max_deliver {
        out.line("max_deliver", &nats.max_deliver);
    }
    if nats.dead_letter {
        out.line("dead_letter", &nats.dead_letter);
    }
    out.line("pull_batch", &nats.pull_batch);
    out.text("ack_linger", &nats.ack_linger);
    out.line("batch", &nats.batch);
    out.text("linger", &nats.linger);
    if let Some(stream) = &nats.like {
        out.text("like", stream);
    }
    if let Some(stream) = &nats.attach {
        out.text("attach", stream);
    }
    let kafka = &bus.kafka;
    out.header("[bus.kafka]");
    out.text("acks", &kafka.acks);
    out.line("idempotence", &kafka.idempotence);
    out.text("linger", &kafka.linger);
    out.text("batch_size", &kafka.batch_size);
    out.line("max_in_flight", &kafka.max_in_flight);
    out.text("compression", &kafka.compression);
    out.line("min_insync_replicas", &kafka.min_insync_replicas);
    out.text("commit_interval", &kafka.commit_interval);
    out.text("heap", &kafka.heap);
    if let Some(topic) = &kafka.like {
        out.text("like", topic);
    }
    if let Some(topic) = &kafka.attach {
        out.text("attach", topic);
    }
}
