use super::*;
use proptest::prelude::*;

fn none(_: &str) -> Option<String> {
    None
}

#[test]
fn user_information_leaves_the_url() {
    let target = Target::parse("nats://us%40er:p%3Aw@host, tls://other:4443").expect("two URLs");
    assert_eq!(target.urls, ["nats://host:4222", "tls://other:4443"]);
    assert_eq!(target.auth, Auth::User { user: "us@er".to_owned(), password: Secret::new("p:w") });
    assert_eq!(target.label, "nats://host:4222,tls://other:4443");
    assert_eq!(Target::parse("nats://t0ken@[::1]:4333").expect("a URL").urls, ["nats://[::1]:4333"]);
    assert_eq!(Target::parse("t0ken@host").expect("a URL").auth, Auth::Token(Secret::new("t0ken")));
    assert_eq!(Target::parse("localhost").expect("a URL").urls, ["nats://localhost:4222"]);
}

#[test]
fn what_is_no_url_is_refused_without_its_secret() {
    for url in [
        "",
        " , ",
        "kafka://u:hunter2@host",
        "nats://u:hunter2@ho st",
        "ws://u:hunter2@host",
        "nats://u:hunter2@:1:2",
    ] {
        let error = Target::parse(url).expect_err(url).to_string();
        assert!(!error.contains("hunter2"), "{error}");
    }
    let error = Target::parse("ws://host").expect_err("a WebSocket").to_string();
    insta::assert_snapshot!(error, @"`ws://host` is a WebSocket URL, which tickgate does not speak; use the server's nats:// or tls:// port");
}

#[test]
fn nothing_shown_holds_a_secret() {
    let url = Target::parse("nats://u:hunter2@host").expect("a URL");
    let access = Access {
        password: Some(Secret::new("hunter2")),
        token: Some(Secret::new("hunter2")),
        ..Access::default()
    };
    let token = url.clone().with(access.clone());
    for shown in [format!("{url:?}"), format!("{token:?}"), format!("{access:?}"), url.label.clone()] {
        assert!(!shown.contains("hunter2"), "{shown}");
    }
    assert_eq!(token.scrub("refused: hunter2 is wrong"), "refused: *** is wrong");
}

#[test]
fn what_is_given_wins_over_the_environment_and_that_over_the_url() {
    let env = |name: &str| match name {
        "NATS_USER" => Some("env".to_owned()),
        "NATS_PASSWORD" => Some("pw".to_owned()),
        "NATS_CA" => Some("/env/ca.pem".to_owned()),
        "NATS_TOKEN" => Some(String::new()),
        _ => None,
    };
    let target = Target::parse("nats://token@host").expect("a URL").with(Access::from_env(env));
    assert_eq!(target.auth, Auth::User { user: "env".to_owned(), password: Secret::new("pw") });
    assert_eq!(target.tls.ca, Some(PathBuf::from("/env/ca.pem")));

    let given = Access { creds: Some("/given.creds".into()), ..Access::default() }.or(Access::from_env(env));
    let target = Target::parse("nats://token@host").expect("a URL").with(given);
    assert_eq!(target.auth, Auth::Creds("/given.creds".into()));
    assert_eq!(target.tls.ca, Some(PathBuf::from("/env/ca.pem")));
}

#[test]
fn a_context_is_read_as_the_nats_command_line_writes_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let contexts = folder.path().join("nats/context");
    std::fs::create_dir_all(&contexts).expect("folders");
    let write =
        |name: &str, text: &str| std::fs::write(contexts.join(format!("{name}.json")), text).expect("a file");
    let home = folder.path().to_string_lossy().into_owned();
    let variable = |name: &str| match name {
        "XDG_CONFIG_HOME" => Some(home.clone()),
        "HOME" => Some("/home/me".to_owned()),
        _ => None,
    };
    write(
        "prod",
        r#"{"description":"x","url":"nats://a:4222,nats://b:4222","token":"","user":"","password":"","creds":"~/me.creds",
            "nkey":"","cert":"/c.pem","key":"/k.pem","ca":"/ca.pem","tls_first":true,"nsc":"","inbox_prefix":"_INBOX_me",
            "jetstream_domain":"hub","color_scheme":""}"#,
    );
    let target = Target::context("prod", variable).expect("a context");
    assert_eq!(
        target,
        Target {
            urls: vec!["nats://a:4222".to_owned(), "nats://b:4222".to_owned()],
            auth: Auth::Creds("/home/me/me.creds".into()),
            tls: TlsFiles {
                ca: Some("/ca.pem".into()),
                cert: Some("/c.pem".into()),
                key: Some("/k.pem".into()),
                first: true
            },
            inbox_prefix: Some("_INBOX_me".to_owned()),
            domain: Some("hub".to_owned()),
            label: "nats://a:4222,nats://b:4222 (context prod)".to_owned(),
        }
    );

    write("broken", r#"{"url": "nats://a", "password": 12345}"#);
    write("nsc", r#"{"nsc":"nsc://operator/account/user"}"#);
    for (name, expected) in [
        ("broken", "is not valid at line 1"),
        ("nsc", "uses `nsc`, which tickgate does not support"),
        ("absent", "cannot read the context `absent`"),
        ("../prod", "is not the name of a context"),
    ] {
        let error = Target::context(name, variable).expect_err(name).to_string();
        assert!(error.contains(expected) && !error.contains("12345"), "{error}");
    }
    assert!(Target::context("prod", none).is_err());
}

proptest! {
    #[test]
    fn no_url_panics(text in "\\PC*") {
        let _ = Target::parse(&text);
        let _ = Target::parse(&format!("nats://{text}"));
        let _ = (redact(&text), decode(&text));
    }

    #[test]
    fn passwords_survive_the_url(password in "[ -~]{1,20}") {
        let escaped: Vec<String> = password.bytes().map(|b| format!("%{b:02X}")).collect();
        let escaped = escaped.concat();
        let target = Target::parse(&format!("nats://me:{escaped}@host")).expect("a URL");
        prop_assert_eq!(target.auth, Auth::User { user: "me".to_owned(), password: Secret::new(password) });
    }
}

#[test]
fn one_address_or_file_that_asks_for_tls_asks_for_all_and_unproved_servers_teach_no_addresses() {
    let of = |urls: &str, tls: TlsFiles| {
        let target = Target { tls, ..Target::parse(urls).expect("URLs") };
        (target.requires_tls(), target.may_learn_servers())
    };
    let ca = || TlsFiles { ca: Some("ca.pem".into()), ..TlsFiles::default() };
    assert_eq!(of("nats://a,nats://b", TlsFiles::default()), (false, true));
    assert_eq!(of("nats://a,tls://b", TlsFiles::default()), (true, false));
    assert_eq!(of("TLS://a", TlsFiles::default()), (true, false));
    assert_eq!(of("nats://a", ca()), (true, false));
    assert_eq!(of("nats://a", TlsFiles { cert: Some("c.pem".into()), ..TlsFiles::default() }), (true, false));
    assert_eq!(of("nats://a", TlsFiles { first: true, ..TlsFiles::default() }), (true, true));
}
