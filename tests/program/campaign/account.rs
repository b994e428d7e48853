//! A drawn account: a server's configuration, a user with credentials, and what may keep the user out.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::support::draw::Draw;
use crate::support::jwt::OperatorMode;
use crate::support::nats::NatsServer;
use crate::support::program::Place;

/// How the user authenticates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    Nobody,
    Password,
    Token,
    Nkey,
    Creds,
}

/// Where the account's `JetStream` is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Api {
    Own,
    /// In a domain.
    Domain,
    /// In another account, imported under a prefix.
    Imported,
}

/// A stream that exists before, made by another user of this URL.
#[derive(Debug)]
pub(super) struct Stranger {
    pub(super) url: String,
    pub(super) subject: String,
}

/// A bound that is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bound {
    StoreMb(u32),
    Streams(u32),
    Consumers(u32),
    AckPending(u32),
    StreamMb(u32),
    Payload(u32),
    Connections(u32),
    Subscriptions(u32),
    NoJetStream,
    ServerPayload(u32),
    ServerConnections(u32),
    ServerSubscriptions(u32),
    ServerAckPending(u32),
    RequestBatch(u32),
    DuplicateWindow,
    Stranger(bool),
    WrongSecret,
    Network(bool),
    ConnectionType(bool),
}

impl Bound {
    /// Words by which a refusal names it.
    const fn reasons(self) -> &'static [&'static str] {
        match self {
            Self::StoreMb(_) => &["store free", "`max_file`", "insufficient"],
            Self::Streams(_) => &["`max_streams`"],
            Self::Consumers(_) => &["`max_consumers`"],
            Self::AckPending(_) | Self::ServerAckPending(_) => &["max_ack_pending"],
            Self::StreamMb(_) => &["limit on a stream's bytes"],
            Self::Payload(_) | Self::ServerPayload(_) => &["max_payload", "maximum payload"],
            Self::Connections(_) | Self::ServerConnections(_) => &["connections exceeded"],
            Self::Subscriptions(_) | Self::ServerSubscriptions(_) => &["maximum subscriptions"],
            Self::NoJetStream => &["no JetStream"],
            Self::RequestBatch(_) => &["max_request_batch"],
            Self::DuplicateWindow => &["duplicate"],
            Self::Stranger(_) => &["already holds our subjects"],
            Self::WrongSecret | Self::Network(_) | Self::ConnectionType(_) => &["authorization violation"],
        }
    }
}

/// Permissions of the user; empty lists allow everything.
#[derive(Debug, Default)]
struct Permissions {
    publish: Vec<String>,
    deny: Vec<String>,
    subscribe: Vec<String>,
    deaf: Vec<String>,
    /// Maximum number of answers to each message that has a reply subject.
    responses: Option<u32>,
}

/// One drawn case.
#[derive(Debug)]
pub(super) struct Case {
    who: Who,
    api: Api,
    bounds: Vec<Bound>,
    permissions: Permissions,
    pub(super) storage: &'static str,
    /// The profile's own subjects, with `--allow-prefix`.
    shared: bool,
    inbox: Option<&'static str>,
    /// What the user gives for the API: prefix or domain.
    named: Option<&'static str>,
    /// What another account exports and this one imports.
    imports: Vec<String>,
    /// Whether the exported API may answer more than once.
    streams: bool,
    /// The user's nkey and its seed.
    keys: (String, String),
    operator: Operator,
    /// Words of which a refusal has one.
    pub(super) reasons: Vec<String>,
    pub(super) stranger: Option<Stranger>,
}

/// Keys that are as long as half a page, left out of messages.
struct Operator(Option<OperatorMode>);

impl std::fmt::Debug for Operator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_some() { "by operator" } else { "none" })
    }
}

const INBOX: &str = "_INBOX.>";

/// The bounds that can be drawn for a user who comes in a way, each once harmless and once too tight.
fn bounds(draw: &mut Draw, who: Who, api: Api) -> Vec<Bound> {
    let mut pick = |fine: u32, tight: u32| if draw.one_in(2) { fine } else { tight };
    let mut all = vec![
        Bound::ServerPayload(pick(4096, 256)),
        Bound::ServerConnections(pick(8, 2)),
        Bound::ServerSubscriptions(pick(1, 8)),
        Bound::ServerAckPending(pick(2000, 500)),
        Bound::RequestBatch(pick(100, 10)),
        Bound::DuplicateWindow,
    ];
    let (wide, narrow) = (pick(0, 1) == 0, pick(0, 1) == 0);
    if who != Who::Nobody {
        all.push(Bound::WrongSecret);
    }
    if matches!(who, Who::Password | Who::Nkey | Who::Creds) {
        all.extend([
            Bound::StoreMb(pick(64, 8)),
            Bound::Streams(pick(3, 1)),
            Bound::Consumers(pick(2, 1)),
            Bound::AckPending(pick(2000, 500)),
            Bound::StreamMb(pick(16, 8)),
            Bound::Payload(pick(4096, 500)),
            Bound::Connections(pick(6, 2)),
            Bound::Subscriptions(pick(30, 1)),
            Bound::NoJetStream,
        ]);
    }
    if who == Who::Creds {
        all.extend([Bound::Network(wide), Bound::ConnectionType(narrow)]);
    } else if who != Who::Token && api != Api::Imported {
        all.push(Bound::Stranger(wide));
    }
    draw.shuffle(&mut all);
    all
}

impl Case {
    pub(super) fn draw(seed: u64) -> Self {
        let mut draw = Draw::new(seed);
        let who = draw.of(&[Who::Nobody, Who::Password, Who::Password, Who::Token, Who::Nkey, Who::Creds]);
        let api = match draw.below(4) {
            0 => Api::Domain,
            1 if who == Who::Password => Api::Imported,
            _ => Api::Own,
        };
        let shared = draw.one_in(3);
        let storage = draw.of(&["file", "memory"]);
        let all = bounds(&mut draw, who, api);
        let mut bounds: Vec<_> = all.into_iter().take(draw.of(&[0, 0, 1, 1, 2])).collect();
        // An account that has nothing has no other bounds of its own.
        if bounds.contains(&Bound::NoJetStream) {
            bounds.retain(|bound| *bound == Bound::NoJetStream);
        }
        let (key, operator) = (nkeys::KeyPair::new_user(), Operator(None));
        let mut case = Self {
            who,
            api,
            reasons: bounds.iter().flat_map(|bound| bound.reasons()).map(ToString::to_string).collect(),
            bounds,
            permissions: Permissions::default(),
            storage,
            shared,
            inbox: None,
            named: None,
            imports: Vec::new(),
            streams: !draw.one_in(6),
            keys: (key.public_key(), key.seed().unwrap()),
            operator,
            stranger: None,
        };
        case.name_the_api(&mut draw);
        if who != Who::Nobody && who != Who::Token {
            case.permit(&mut draw);
        }
        case.meet(&mut draw);
        if who == Who::Creds {
            case.operator =
                Operator(Some(OperatorMode::with(&case.account_claims(), &case.user_claims(), None)));
        }
        case
    }

    /// The subjects of the run's events, as a permission names them.
    fn events(&self) -> &'static str {
        if self.shared { "ai-trader.>" } else { "*.ai-trader.>" }
    }

    /// A subject of an event of the referee.
    pub(super) const fn subject(&self) -> &'static str {
        if self.shared {
            "ai-trader.market.quote.received"
        } else {
            "tickgate-20000101-000000-re4eree.ai-trader.market.quote.received"
        }
    }

    fn name_the_api(&mut self, draw: &mut Draw) {
        let right = !draw.one_in(10);
        self.named = match self.api {
            Api::Own if right => None,
            Api::Own | Api::Domain if !right => Some("edge"),
            Api::Own | Api::Domain => draw.of(&[None, Some("hub")]),
            Api::Imported if right => Some("JS.hub.API"),
            Api::Imported => draw.of(&[None, Some("JS.other.API")]),
        };
        if !right {
            self.reasons.extend(["--js-domain", "--js-api-prefix"].map(str::to_owned));
        }
        if self.api == Api::Imported {
            self.imports = vec!["$JS.API.>".to_owned(), "$JS.ACK.>".to_owned(), self.events().to_owned()];
            if draw.one_in(4) {
                let lost = self.imports.remove(1 + draw.below(2));
                // The imports of requests are said by the subject, those of events by what they are for.
                let reason = if lost == "$JS.ACK.>" {
                    "the acknowledgements of group"
                } else {
                    "must import these subjects, too"
                };
                self.reasons.push(reason.to_owned());
            }
            if !self.streams {
                self.reasons.push("response_type: stream".to_owned());
            }
        }
    }

    /// The first tokens of the API's subjects, as this user's requests have them.
    fn prefix(&self) -> String {
        match (self.api, self.named) {
            // A server takes the requests of its own domain for those of the default API before it looks at permissions.
            (_, None) | (Api::Domain, Some("hub")) => "$JS.API".to_owned(),
            (Api::Imported, Some(prefix)) => prefix.to_owned(),
            (_, Some(domain)) => format!("$JS.{domain}.API"),
        }
    }

    fn permit(&mut self, draw: &mut Draw) {
        const REQUESTS: [&str; 8] = [
            "INFO",
            "STREAM.NAMES",
            "STREAM.CREATE.*",
            "STREAM.INFO.*",
            "STREAM.DELETE.*",
            "CONSUMER.CREATE.*.>",
            "CONSUMER.INFO.*.*",
            "CONSUMER.MSG.NEXT.*.*",
        ];
        let api = self.prefix();
        let mut needed: Vec<String> = REQUESTS.iter().map(|request| format!("{api}.{request}")).collect();
        needed.extend([self.events().to_owned(), "$JS.ACK.>".to_owned()]);
        let one = draw.below(needed.len());
        let start_of = |subject: &str| {
            let start = subject.trim_start_matches("*.").split(['*', '>']).next().unwrap_or_default();
            start.trim_end_matches('.').to_owned()
        };
        let permissions = &mut self.permissions;
        match draw.below(10) {
            0..=2 => {}
            3 | 4 => permissions.publish = needed,
            5 => {
                self.reasons.push(start_of(&needed.remove(one)));
                permissions.publish = needed;
            }
            6 => {
                self.reasons.push(start_of(&needed[one]));
                permissions.deny = vec![needed[one].clone()];
            }
            7 | 8 => {
                needed.retain(|subject| subject != "$JS.ACK.>");
                permissions.publish = needed;
                permissions.responses = Some(draw.of(&[1, 100]));
            }
            _ => {
                permissions.deny = vec!["$JS.ACK.>".to_owned()];
                permissions.responses = Some(1);
                self.reasons.push("$JS.ACK".to_owned());
            }
        }
        let (allowed, given, denied) = draw.of(&[
            (None, None, None),
            (None, None, None),
            (None, None, None),
            (Some(INBOX), None, None),
            (Some(INBOX), None, None),
            (Some("_INBOX_gate.>"), Some("_INBOX_gate"), None),
            (Some("acme.inbox.>"), Some("acme.inbox"), None),
            (Some("_INBOX_gate.>"), None, None),
            (None, None, Some(INBOX)),
        ]);
        permissions.subscribe.extend(allowed.map(str::to_owned));
        permissions.deaf.extend(denied.map(str::to_owned));
        self.inbox = given;
        if given.is_none() && (allowed.is_some_and(|allowed| allowed != INBOX) || denied.is_some()) {
            self.reasons.push("_INBOX".to_owned());
        }
    }

    /// Puts another user's stream there where one is drawn.
    fn meet(&mut self, draw: &mut Draw) {
        let in_the_way = self.bounds.iter().find_map(|bound| match bound {
            Bound::Stranger(in_the_way) => Some(*in_the_way),
            Bound::Streams(_) if self.who != Who::Creds => Some(false),
            _ => None,
        });
        let Some(in_the_way) = in_the_way.filter(|_| draw.one_in(2) || self.bounds.len() == 1) else {
            return;
        };
        let user = if self.who == Who::Nobody { "" } else { "other:pw@" };
        let user = if self.api == Api::Imported { "hub:pw@" } else { user };
        let subject =
            if in_the_way { self.events().trim_start_matches("*.").to_owned() } else { "orders.>".into() };
        let subject = if in_the_way && !self.shared { format!("*.{subject}") } else { subject };
        self.stranger = Some(Stranger { url: format!("nats://{user}127.0.0.1:PORT"), subject });
    }

    /// Lines of an account's block `jetstream`, or nothing where it has none.
    fn account_jetstream(&self) -> String {
        let kind = if self.storage == "memory" { "mem" } else { "file" };
        let lines: Vec<String> = self
            .bounds
            .iter()
            .filter_map(|bound| match bound {
                Bound::StoreMb(mb) => Some(format!("max_{kind}: {mb}MB")),
                Bound::Streams(most) => Some(format!("max_streams: {most}")),
                Bound::Consumers(most) => Some(format!("max_consumers: {most}")),
                Bound::AckPending(most) => Some(format!("max_ack_pending: {most}")),
                Bound::StreamMb(mb) if kind == "mem" => Some(format!("memory_max_stream_bytes: {mb}MB")),
                Bound::StreamMb(mb) => Some(format!("disk_max_stream_bytes: {mb}MB")),
                _ => None,
            })
            .collect();
        match () {
            () if self.bounds.contains(&Bound::NoJetStream) => "jetstream: disabled".to_owned(),
            () if lines.is_empty() => "jetstream: enabled".to_owned(),
            () => format!("jetstream: {{ {} }}", lines.join(", ")),
        }
    }

    fn account_limits(&self) -> String {
        let lines: Vec<String> = self
            .bounds
            .iter()
            .filter_map(|bound| match bound {
                Bound::Payload(most) => Some(format!("max_payload: {most}")),
                Bound::Connections(most) => Some(format!("max_connections: {most}")),
                Bound::Subscriptions(most) => Some(format!("max_subscriptions: {most}")),
                _ => None,
            })
            .collect();
        if lines.is_empty() { String::new() } else { format!("limits: {{ {} }}", lines.join(", ")) }
    }

    fn permissions(&self) -> String {
        let Permissions { publish, deny, subscribe, deaf, responses } = &self.permissions;
        let list = |name: &str, all: &[String]| {
            let all: Vec<String> = all.iter().map(|subject| format!("\"{subject}\"")).collect();
            if all.is_empty() { String::new() } else { format!("{name}: [{}]", all.join(", ")) }
        };
        let answers = responses
            .map_or_else(String::new, |most| format!("allow_responses: {{ max: {most}, expires: \"1m\" }}"));
        format!(
            "permissions: {{ publish: {{ {} {} }}, subscribe: {{ {} {} }}, {answers} }}",
            list("allow", publish),
            list("deny", deny),
            list("allow", subscribe),
            list("deny", deaf),
        )
    }

    fn accounts(&self, user: &str) -> String {
        let (jetstream, limits) = (self.account_jetstream(), self.account_limits());
        let user = format!("{{ {user}, {} }}", self.permissions());
        if self.api != Api::Imported {
            return format!(
                "accounts {{ A {{ {jetstream}\n{limits}\nusers: [ {user}, {{ user: other, password: pw }} ] }} }}"
            );
        }
        let response = |subject: &str| match subject {
            "$JS.API.>" if self.streams => ", response: stream",
            _ => "",
        };
        let all = ["$JS.API.>", "$JS.ACK.>", self.events()];
        let exports = all.map(|subject| format!("{{ service: \"{subject}\"{} }}", response(subject)));
        let imports: Vec<String> = self
            .imports
            .iter()
            .map(|subject| {
                let to = if subject == "$JS.API.>" { ", to: \"JS.hub.API.>\"" } else { "" };
                format!("{{ service: {{ account: HUB, subject: \"{subject}\" }}{to} }}")
            })
            .collect();
        format!(
            "accounts {{ HUB {{ {jetstream}\nusers: [ {{ user: hub, password: pw }} ], exports: [ {} ] }}\n\
             A {{ {limits}\nusers: [ {user} ], imports: [ {} ] }} }}",
            exports.join(", "),
            imports.join(", "),
        )
    }

    fn account_claims(&self) -> Value {
        let kind = if self.storage == "memory" { "mem" } else { "disk" };
        let mut claims = json!({});
        for bound in &self.bounds {
            let mb = |mb: u32| json!(u64::from(mb) << 20);
            match *bound {
                Bound::StoreMb(most) => claims[format!("{kind}_storage")] = mb(most),
                Bound::Streams(most) => claims["streams"] = json!(most),
                Bound::Consumers(most) => claims["consumer"] = json!(most),
                Bound::AckPending(most) => claims["max_ack_pending"] = json!(most),
                Bound::StreamMb(most) => claims[format!("{kind}_max_stream_bytes")] = mb(most),
                Bound::Payload(most) => claims["payload"] = json!(most),
                Bound::Connections(most) => claims["conn"] = json!(most),
                Bound::Subscriptions(most) => claims["subs"] = json!(most),
                Bound::NoJetStream => {
                    claims["mem_storage"] = json!(0);
                    claims["disk_storage"] = json!(0);
                }
                _ => {}
            }
        }
        claims
    }

    fn user_claims(&self) -> Value {
        let Permissions { publish, deny, subscribe, deaf, responses } = &self.permissions;
        let mut claims =
            json!({ "pub": { "allow": publish, "deny": deny }, "sub": { "allow": subscribe, "deny": deaf } });
        if let Some(most) = responses {
            claims["resp"] = json!({ "max": most, "ttl": 60_000_000_000_u64 });
        }
        for bound in &self.bounds {
            match *bound {
                Bound::Network(home) => {
                    claims["src"] = json!([if home { "127.0.0.0/8" } else { "10.0.0.0/8" }]);
                }
                Bound::ConnectionType(plain) => {
                    claims["allowed_connection_types"] =
                        json!([if plain { "STANDARD" } else { "WEBSOCKET" }]);
                }
                _ => {}
            }
        }
        claims
    }

    /// The server as it is drawn.
    pub(super) fn server(&self) -> NatsServer {
        let mut extra = match self.who {
            Who::Nobody => String::new(),
            Who::Token => "authorization { token: \"t0ken-s3cret\" }".to_owned(),
            Who::Password => self.accounts("user: gate, password: \"pw/s3cret\""),
            Who::Nkey => self.accounts(&format!("nkey: {}", self.keys.0)),
            Who::Creds => self.operator.0.as_ref().unwrap().config.clone(),
        };
        let mut limits = Vec::new();
        for bound in &self.bounds {
            match bound {
                Bound::ServerPayload(most) => write!(extra, "\nmax_payload: {most}").unwrap(),
                Bound::ServerConnections(most) => write!(extra, "\nmax_connections: {most}").unwrap(),
                Bound::ServerSubscriptions(most) => write!(extra, "\nmax_subscriptions: {most}").unwrap(),
                Bound::ServerAckPending(most) => limits.push(format!("max_ack_pending: {most}")),
                Bound::RequestBatch(most) => limits.push(format!("max_request_batch: {most}")),
                Bound::DuplicateWindow => limits.push("duplicate_window: \"30s\"".to_owned()),
                _ => {}
            }
        }
        let domain = if self.api == Api::Domain { ", domain: hub" } else { "" };
        let limits = match limits.join(", ") {
            none if none.is_empty() => none,
            some => format!(", limits {{ {some} }}"),
        };
        let jetstream = format!("{domain}{limits}");
        NatsServer::of(&extra, &jetstream)
    }

    fn seed(&self) -> String {
        if self.wrong() { nkeys::KeyPair::new_user().seed().unwrap() } else { self.keys.1.clone() }
    }

    fn creds(&self) -> String {
        let right = &self.operator.0.as_ref().unwrap().creds;
        if self.wrong() { OperatorMode::new().creds } else { right.clone() }
    }

    fn wrong(&self) -> bool {
        self.bounds.contains(&Bound::WrongSecret)
    }

    fn secret(&self) -> &'static str {
        match self.who {
            _ if self.wrong() => "hunter2-s3cret",
            Who::Token => "t0ken-s3cret",
            _ => "pw/s3cret",
        }
    }

    /// What the referee gives beside the address; writes the files of the credentials.
    pub(super) fn order(&self, place: &Place) -> Vec<(&'static str, String)> {
        place.write("user.nk", self.seed());
        if self.who == Who::Creds {
            place.write("user.creds", self.creds());
        }
        let file = |name: &str| place.path().join(name).display().to_string();
        let mut all = match self.who {
            Who::Nobody => vec![],
            Who::Password => vec![("user", "gate".to_owned()), ("password", self.secret().to_owned())],
            Who::Token => vec![("token", self.secret().to_owned())],
            Who::Nkey => vec![("nkeys_seed", file("user.nk"))],
            Who::Creds => vec![("user_credentials", file("user.creds"))],
        };
        let kind = if self.api == Api::Imported { "prefix" } else { "domain" };
        all.extend(self.named.map(|name| (kind, name.to_owned())));
        all.extend(self.inbox.map(|prefix| ("inbox", prefix.to_owned())));
        all
    }

    /// The same for the program.
    pub(super) fn flags(&self, place: &mut Place) -> Vec<String> {
        let mut flags: Vec<&str> = match self.who {
            Who::Nobody => vec![],
            Who::Password => {
                place.set("NATS_PASSWORD", self.secret());
                vec!["--user", "gate"]
            }
            Who::Token => {
                place.set("NATS_TOKEN", self.secret());
                vec![]
            }
            Who::Nkey => vec!["--nkey", "./user.nk"],
            Who::Creds => vec!["--creds", "./user.creds"],
        };
        let kind = if self.api == Api::Imported { "--js-api-prefix" } else { "--js-domain" };
        flags.extend(self.named.iter().flat_map(|name| [kind, name]));
        flags.extend(self.inbox.iter().flat_map(|prefix| ["--inbox-prefix", prefix]));
        if self.shared {
            flags.extend(["--allow-prefix", "ai-trader"]);
        }
        flags.into_iter().map(str::to_owned).collect()
    }
}
