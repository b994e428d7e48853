use super::*;
use proptest::prelude::*;

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
fn all_urls_of_a_target_are_for_one_user() {
    let same = Target::parse("nats://u:hunter2@a,nats://u:hunter2@b,nats://c").expect("URLs");
    assert_eq!(same.urls.len(), 3);
    let error = Target::parse("nats://u:hunter2@a,nats://u:hunter3@b").expect_err("two users").to_string();
    assert!(error.contains("different user information") && !error.contains("hunter"), "{error}");
}

#[test]
fn what_only_a_variable_or_a_flag_says_is_used() {
    let of = |name: &'static str, value: &'static str| {
        Access::from_env(move |asked: &str| (asked == name).then(|| value.to_owned()))
    };
    // As the `nats` command line reads it.
    assert_eq!(of("NATS_USER", "t0ken").auth(), Some(Auth::Token(Secret::new("t0ken"))));
    let url = || Target::parse("nats://me:old@host").expect("a URL");
    let auth = url().with(of("NATS_PASSWORD", "new")).auth;
    assert_eq!(auth, Auth::User { user: "me".to_owned(), password: Secret::new("new") });
    let access = Access { user: Some("u".into()), creds: Some("c".into()), ..Access::default() };
    assert_eq!(access.ways(), [Way::Creds, Way::User]);
    for (api, subject) in [
        (Api::Default, "$JS.API"),
        (Api::Domain("hub".into()), "$JS.hub.API"),
        (Api::Prefix("JS.hub.API".into()), "JS.hub.API"),
        (Api::Prefix("JS.hub.API.".into()), "JS.hub.API"),
    ] {
        let target = url().with(Access { api: Some(api), ..Access::default() });
        assert_eq!((target.api.subject().as_str(), target.check_subjects().is_ok()), (subject, true));
    }
    for bad in ["", ".", "a..b", "JS.>", "JS.*.API", "a b"] {
        let target = Target { api: Api::Prefix(bad.into()), ..url() };
        assert!(target.check_subjects().is_err(), "{bad}");
        let target = Target { inbox_prefix: Some(bad.into()), ..url() };
        assert!(target.check_subjects().is_err(), "{bad}");
    }
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

proptest! {
    #[test]
    fn no_url_panics(text in "\\PC*") {
        let _ = Target::parse(&text);
        let _ = Target::parse(&format!("nats://{text}"));
        let _ = (redact(&text), decode(&text));
    }

    #[test]
    fn a_password_may_hold_anything_but_a_comma(
        password in "[ -$&-+\\--~]{1,20}",
        head in prop::sample::select(vec!["", "1234/", "1:2@h/", "#", "?x=", "://", "@@"]),
        scheme in prop::sample::select(vec!["nats", "tls"]),
    ) {
        let password = format!("{head}{password}");
        let auth = Auth::User { user: "gate".to_owned(), password: Secret::new(password.clone()) };
        for more in ["", ",nats://other:4333", ",tls://[::1]"] {
            let target = Target::parse(&format!("{scheme}://gate:{password}@host:4222{more}")).expect("a URL");
            prop_assert_eq!(&target.auth, &auth);
            prop_assert_eq!(target.urls[0].clone(), format!("{scheme}://host:4222"));
            prop_assert_eq!(target.urls.len(), if more.is_empty() { 1 } else { 2 });
            prop_assert!(!target.label.contains("gate"));
        }
    }

    #[test]
    fn a_comma_in_a_password_works_when_it_is_escaped_and_is_never_shown(
        before in "[a-z]{4,9}",
        after in "[a-z]{4,9}",
    ) {
        let error = Target::parse(&format!("nats://gate:{before},{after}@host")).expect_err("a comma").to_string();
        prop_assert!(error.contains("%2C"), "{}", error);
        prop_assert!(!error.contains(&before) && !error.contains(&after), "{}", error);
        let target = Target::parse(&format!("nats://gate:{before}%2C{after}@host")).expect("a URL");
        let password = Secret::new(format!("{before},{after}"));
        prop_assert_eq!(target.auth, Auth::User { user: "gate".to_owned(), password });
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
