//! Every kind of access to a NATS server, and the errors when it is denied.

#![expect(clippy::expect_used, clippy::panic, reason = "tests")]

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tickgate::bus::nats::{Access, Api, Auth, Found, NatsBus, Secret, Setup, Target, TlsFiles};
use tickgate::bus::{Bus as _, Member as _, Outgoing, Publisher as _};
use tickgate::host::clock::Clock;
use tickgate::plan::{Plan, Size};
use tickgate::topology::Naming;

use crate::support;
use crate::support::certificates::Certificates;
use crate::support::jwt::OperatorMode;
use crate::support::nats::NatsServer;
use crate::support::rig::PATIENCE;

fn connect(target: Target, plan: &Plan) -> Result<NatsBus, tickgate::bus::BusError> {
    let symbols = support::symbols(plan);
    NatsBus::connect(
        target,
        &Setup {
            plan,
            run_id: "t1",
            naming: Naming::Profile,
            symbols: &symbols,
            clock: Clock::start(),
            volume_bytes: 1 << 20,
            model: None,
            sync_always: None,
            keep: false,
        },
    )
}

/// Connects, publishes one event, receives it, and cleans up.
fn one_event_passes(target: Target) {
    let mut bus = connect(target, &support::plan()).expect("connects");
    bus.provision().expect("provisions");
    let mut publisher = bus.publisher(0).expect("a publisher");
    let mut member = bus.member(0, 0).expect("a member");
    let event = Outgoing { token: 7, topic: 0, symbol: 0, id: "id", payload: b"hello" };
    publisher.publish(&event).expect("accepted");
    let (mut seen, mut acks) = (Vec::new(), Vec::new());
    let patience = Instant::now();
    while seen.is_empty() && patience.elapsed() < PATIENCE {
        // An event leaves when its publisher is looked at.
        publisher.acks(&mut acks);
        member.receive(Duration::from_millis(100), &mut |d| seen.push(d.payload.to_vec())).expect("receives");
    }
    assert_eq!(seen, [b"hello"]);
    while acks.is_empty() && patience.elapsed() < PATIENCE {
        publisher.acks(&mut acks);
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(acks.len(), 1);
    bus.teardown().expect("cleans up");
}

/// What is said of a target that does not work; it takes seconds at the most.
fn refusal(target: Target) -> String {
    refusal_of(target, &support::plan())
}

fn refusal_of(target: Target, plan: &Plan) -> String {
    match connect(target, plan).and_then(|mut bus| bus.provision()) {
        Ok(()) => panic!("it works"),
        Err(error) => error.to_string(),
    }
}

#[track_caller]
fn says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
}

fn target(server: &NatsServer) -> Target {
    Target::parse(&server.url()).expect("a URL")
}

fn with_auth(server: &NatsServer, auth: Auth) -> Target {
    Target { auth, ..target(server) }
}

#[test]
fn user_and_password() {
    let server = NatsServer::with("authorization { user: \"me\", password: \"p:w@/%\" }");
    let url = |password: &str| format!("nats://me:{password}@127.0.0.1:{}", server.port());
    one_event_passes(Target::parse(&url("p%3Aw%40%2F%25")).expect("a URL"));
    let env = |name: &str| match name {
        "NATS_USER" => Some("me".to_owned()),
        "NATS_PASSWORD" => Some("p:w@/%".to_owned()),
        _ => None,
    };
    one_event_passes(target(&server).with(Access::from_env(env)));

    let wrong = refusal(Target::parse(&url("hunter2")).expect("a URL"));
    says(
        &wrong,
        &["cannot connect to nats://127.0.0.1:", "authorization violation", "check the user and password"],
    );
    assert!(!wrong.contains("hunter2"), "{wrong}");
    says(&refusal(target(&server)), &["authorization violation"]);
}

#[test]
fn token() {
    let server = NatsServer::with("authorization { token: \"s3cr3t\" }");
    one_event_passes(with_auth(&server, Auth::Token(Secret::new("s3cr3t"))));
    one_event_passes(Target::parse(&format!("nats://s3cr3t@127.0.0.1:{}", server.port())).expect("a URL"));
    let wrong = refusal(with_auth(&server, Auth::Token(Secret::new("hunter2"))));
    says(&wrong, &["authorization violation"]);
    assert!(!wrong.contains("hunter2"), "{wrong}");
}

#[test]
fn nkey() {
    let user = nkeys::KeyPair::new_user();
    let server =
        NatsServer::with(&format!("authorization {{ users = [ {{ nkey: {} }} ] }}", user.public_key()));
    let write = |name: &str, text: &str| {
        let file = server.folder().join(name);
        std::fs::write(&file, text).expect("a file");
        Auth::Nkey(file)
    };
    let seed = user.seed().expect("a seed");
    one_event_passes(with_auth(&server, write("good.nk", &format!("# a comment\n{seed}\n"))));

    let stranger = nkeys::KeyPair::new_user().seed().expect("a seed");
    let wrong = refusal(with_auth(&server, write("other.nk", &stranger)));
    says(&wrong, &["authorization violation"]);
    says(&refusal(with_auth(&server, write("empty.nk", ""))), &["empty.nk holds no user seed", "`SU`"]);
    let broken = refusal(with_auth(&server, write("broken.nk", "SUBROKENSEED")));
    says(&broken, &["check the nkey seed"]);
    assert!(!broken.contains("SUBROKENSEED"), "{broken}");
    let absent = refusal(with_auth(&server, Auth::Nkey(server.folder().join("absent.nk"))));
    says(&absent, &["cannot read the nkey file", "absent.nk"]);
}

#[test]
fn creds_file() {
    let mode = OperatorMode::new();
    let server = NatsServer::with(&mode.config);
    let write = |name: &str, text: &str| {
        let file = server.folder().join(name);
        std::fs::write(&file, text).expect("a file");
        Auth::Creds(file)
    };
    one_event_passes(with_auth(&server, write("me.creds", &mode.creds)));

    let stranger = OperatorMode::new().creds;
    says(&refusal(with_auth(&server, write("other.creds", &stranger))), &["authorization violation"]);
    says(
        &refusal(with_auth(&server, write("broken.creds", "no creds"))),
        &["holds no user JWT with its seed"],
    );
}

#[test]
fn tls() {
    let certificates = Certificates::new();
    let server = NatsServer::with(&certificates.config(""));
    let ca = |file| Target { tls: TlsFiles { ca: Some(file), ..TlsFiles::default() }, ..target(&server) };
    one_event_passes(ca(certificates.file("ca.pem")));

    says(&refusal(ca(Certificates::new().file("ca.pem"))), &["certificate", "give the CA that signed"]);
    says(&refusal(ca("/absent/ca.pem".into())), &["cannot read the CA file /absent/ca.pem"]);
    let plain = NatsServer::start();
    let tls = TlsFiles { ca: Some(certificates.file("ca.pem")), ..TlsFiles::default() };
    says(&refusal(Target { tls, ..target(&plain) }), &["cannot connect to", "does not speak TLS"]);
}

#[test]
fn mutual_tls() {
    let certificates = Certificates::new();
    let server = NatsServer::with(&certificates.config("verify: true"));
    let ca = TlsFiles { ca: Some(certificates.file("ca.pem")), ..TlsFiles::default() };
    let both = TlsFiles {
        cert: Some(certificates.file("client.pem")),
        key: Some(certificates.file("client.key")),
        ..ca.clone()
    };
    one_event_passes(Target { tls: both.clone(), ..target(&server) });

    says(&refusal(Target { tls: ca, ..target(&server) }), &["the server wants a client certificate"]);
    let half = TlsFiles { key: None, ..both };
    says(
        &refusal(Target { tls: half, ..target(&server) }),
        &["a client certificate and its key come together"],
    );
}

#[test]
fn tls_first() {
    let certificates = Certificates::new();
    let server = NatsServer::with(&certificates.config("handshake_first: true"));
    let tls = |first| TlsFiles { ca: Some(certificates.file("ca.pem")), first, ..TlsFiles::default() };
    one_event_passes(Target { tls: tls(true), ..target(&server) });
    says(&refusal(Target { tls: tls(false), ..target(&server) }), &["cannot connect to", "handshake_first"]);
    let plain = NatsServer::with(&certificates.config(""));
    says(&refusal(Target { tls: tls(true), ..target(&plain) }), &["not first"]);
}

/// What the `nats` command line writes for a context.
fn context(server: &NatsServer, fields: &serde_json::Value) -> Target {
    let contexts = server.folder().join("nats/context");
    std::fs::create_dir_all(&contexts).expect("folders");
    let mut context = serde_json::json!({
        "description": "", "url": server.url(), "socks_proxy": "", "token": "", "user": "", "password": "", "creds": "",
        "nkey": "", "cert": "", "key": "", "ca": "", "nsc": "", "jetstream_domain": "", "jetstream_api_prefix": "",
        "jetstream_event_prefix": "", "inbox_prefix": "", "user_jwt": "", "user_seed": "", "color_scheme": "",
        "tls_first": false, "windows_cert_store": "", "windows_cert_match_by": "", "windows_cert_match": "",
        "windows_ca_certs_match": null
    });
    for (field, value) in fields.as_object().expect("fields") {
        context[field] = value.clone();
    }
    std::fs::write(contexts.join("here.json"), context.to_string()).expect("a file");
    let folder = server.folder().display().to_string();
    let variable = |name: &str| match name {
        "XDG_CONFIG_HOME" => Some(folder.clone()),
        "SECRET" => Some("pw".to_owned()),
        _ => None,
    };
    let read = Found::named("here", &variable).expect("a name").read(&variable).expect("a context");
    assert_eq!(read.warnings, [""; 0]);
    read.target
}

#[test]
fn a_context_of_the_nats_command_line() {
    let server = NatsServer::with(
        "authorization { user: me, password: pw, permissions: { publish: \">\", subscribe: [\"_INBOX_me.>\"] } }",
    );
    let of = |password: &str| {
        let fields = serde_json::json!({"user": "me", "password": password, "inbox_prefix": "_INBOX_me"});
        context(&server, &fields)
    };
    one_event_passes(of("pw"));
    one_event_passes(of("env://SECRET"));
    one_event_passes(of("data:;base64,cHcK"));
    let bare = Target { inbox_prefix: None, ..of("pw") };
    let flag = Access { inbox_prefix: Some("_INBOX_me".to_owned()), ..Access::default() };
    one_event_passes(bare.with(flag));
}

#[test]
fn the_jwt_and_the_seed_of_a_context() {
    let mode = OperatorMode::new();
    let server = NatsServer::with(&mode.config);
    let line =
        |at: usize| mode.creds.lines().filter(|line| !line.contains("---") && !line.is_empty()).nth(at);
    let (jwt, seed) = (line(0).expect("a JWT"), line(1).expect("a seed"));
    let target = context(&server, &serde_json::json!({"user_jwt": jwt, "user_seed": seed}));
    assert!(!format!("{target:?}").contains(seed));
    one_event_passes(target);
    let variables = |name: &str| match name {
        "NATS_JWT" => Some(jwt.to_owned()),
        "NATS_SEED" => Some(seed.to_owned()),
        _ => None,
    };
    one_event_passes(Target::parse(&server.url()).expect("a URL").with(Access::from_env(variables)));
    let unsigned = context(&server, &serde_json::json!({"user_jwt": jwt}));
    says(&refusal(unsigned), &["authorization violation"]);
    let broken = context(&server, &serde_json::json!({"user_jwt": jwt, "user_seed": "SUBROKENSEED"}));
    let said = refusal(broken);
    assert!(said.contains("seed") && !said.contains("SUBROKENSEED"), "{said}");
    let creds = STANDARD.encode(&mode.creds);
    one_event_passes(context(&server, &serde_json::json!({"creds": format!("data:;base64,{creds}")})));
}

/// `JetStream` of one account, whose API another one imports under subjects of its own.
const IMPORTED: &str = r#"
accounts {
  HUB { jetstream: enabled, users: [ { user: hub, password: pw } ],
    exports: [ { service: "$JS.API.>", response_type: stream }, { service: "$JS.ACK.>" }, { service: "ai-trader.>" } ] }
  APP { users: [ { user: app, password: pw } ],
    imports: [ { service: { account: HUB, subject: "$JS.API.>" }, to: "JS.hub.API.>" },
      { service: { account: HUB, subject: "$JS.ACK.>" } }, { service: { account: HUB, subject: "ai-trader.>" } } ] }
}"#;

#[test]
fn the_api_of_another_account() {
    let server = NatsServer::with(IMPORTED);
    let target = context(
        &server,
        &serde_json::json!({"user": "app", "password": "pw", "jetstream_api_prefix": "JS.hub.API"}),
    );
    one_event_passes(target.clone());
    let bare = Target { api: Api::Default, ..target };
    says(&refusal(bare.clone()), &["has no JetStream for us", "--js-api-prefix"]);
    one_event_passes(bare.with(Access { api: Some(Api::Prefix("JS.hub.API.".into())), ..Access::default() }));
}

#[test]
fn a_password_stands_in_a_url_as_it_is() {
    for password in ["1234/sEcr3t", "1234#sEcr3t", "1234?sEcr3t", "abc/x", "a:b@c/d#e?f", "@", "a b\"'\\"] {
        let quoted = serde_json::json!(password);
        let server = NatsServer::with(&format!("authorization {{ user: gate, password: {quoted} }}"));
        one_event_passes(
            Target::parse(&format!("nats://gate:{password}@127.0.0.1:{}", server.port())).expect("a URL"),
        );
    }
}

#[test]
fn nobody_there() {
    let mut server = NatsServer::start();
    server.kill();
    says(
        &refusal(target(&server)),
        &["cannot connect to nats://127.0.0.1:", "refused", "start nats-server there"],
    );
    says(&refusal(Target::parse("nats://no-such-host.invalid").unwrap()), &["check the host's name"]);
}

#[test]
fn no_jetstream() {
    let server = NatsServer::bare("");
    says(&refusal(target(&server)), &["has no JetStream for us", "start it with `-js`"]);
    let accounts = "accounts { A: { users: [ { user: me, password: pw } ] } }";
    let server = NatsServer::with(accounts);
    let me = Auth::User { user: "me".to_owned(), password: Secret::new("pw") };
    says(&refusal(with_auth(&server, me)), &["has no JetStream for us", "enable JetStream for the account"]);
}

#[test]
fn three_replicas_on_one_server() {
    let mut plan = support::plan();
    plan.bus.replicas = 3;
    let server = NatsServer::start();
    let text = refusal_of(target(&server), &plan);
    says(
        &text,
        &[
            "cannot create stream tickgate-t1: replicas > 1 not supported",
            "set `bus.replicas = 1`, or use a cluster",
        ],
    );
    // A cluster block that has no listener: the server names a cluster and forms none.
    let server = NatsServer::with("cluster { name: ai-trader-cluster, routes: [ nats://127.0.0.1:1 ] }");
    says(&refusal_of(target(&server), &plan), &["set `bus.replicas = 1`, or use a cluster"]);
}

#[test]
fn another_users_stream() {
    let server = NatsServer::start();
    server.make_stream("ORDERS", "orders.>");
    one_event_passes(target(&server));
    server.make_stream("MARKET", "ai-trader.market.>");
    let text = refusal(target(&server));
    insta::assert_snapshot!(
        text,
        @"a stream MARKET already holds our subjects (ai-trader.market.quote.received); leave out `--allow-prefix`, set another `topology.prefix`, or use another account or server"
    );
    // Other users' streams are untouched, and nothing of the run is left.
    let mut names: Vec<_> = server.streams().into_iter().map(|(name, _)| name).collect();
    names.sort();
    assert_eq!(names, ["MARKET", "ORDERS"]);
}

#[test]
fn an_earlier_run_is_named() {
    let server = NatsServer::start();
    let plan = support::plan();
    connect(target(&server), &plan).unwrap().provision().unwrap();
    let symbols = support::symbols(&plan);
    let setup = Setup {
        plan: &plan,
        run_id: "t2",
        naming: Naming::Profile,
        symbols: &symbols,
        clock: Clock::start(),
        volume_bytes: 0,
        model: None,
        sync_always: None,
        keep: false,
    };
    let mut second = NatsBus::connect(target(&server), &setup).unwrap();
    let text = second.provision().unwrap_err().to_string();
    says(
        &text,
        &["a stream tickgate-t1 already holds our subjects", "it has tickgate's mark", "`tickgate clean`"],
    );
}

#[test]
fn a_payload_that_is_too_large() {
    let server = NatsServer::with("max_payload: 1024");
    let mut plan = support::plan();
    plan.market.event_size = Size { bytes: 2048 };
    let text = refusal_of(target(&server), &plan);
    says(
        &text,
        &[
            "the server's max_payload is 1KiB, and an event of this plan has 2KiB",
            "lower `market.event_size`",
        ],
    );
}

#[test]
fn an_account_that_is_too_small() {
    let me = || Auth::User { user: "me".to_owned(), password: Secret::new("pw") };
    let account = |limits: &str| {
        NatsServer::with(&format!(
            "accounts {{ A: {{ jetstream: {{ {limits} }}, users: [ {{ user: me, password: pw }} ] }} }}"
        ))
    };
    let server = account("max_mem: 1M, max_file: 1M, max_streams: 10, max_consumers: 10");
    let text = refusal(with_auth(&server, me()));
    says(&text, &["of its file store free, and this plan needs 64MiB", "raise the account's limit"]);
    let server = account("max_mem: 1M, max_file: 1G, max_streams: 1, max_consumers: 10");
    let mut plan = support::plan();
    connect(with_auth(&server, me()), &plan).unwrap().provision().unwrap();
    plan.topology.prefix = "other".to_owned();
    let text = refusal_of(with_auth(&server, me()), &plan);
    says(&text, &["the account may have 1 streams and has 1", "`max_streams` to 2"]);

    // What only the server knows: its own store.
    let server = NatsServer::start();
    let mut plan = support::plan();
    plan.bus.max_bytes = Size { bytes: 2 << 30 };
    says(&refusal_of(target(&server), &plan), &["insufficient storage", "lower `bus.max_bytes`"]);
}
