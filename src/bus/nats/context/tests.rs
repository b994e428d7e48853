use super::*;

/// A folder of contexts, and environment variables that point to it.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("nats/context")).unwrap();
        Self { folder }
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder.path().join(format!("nats/context/{name}.json")), text).unwrap();
    }

    fn variable(&self, name: &str) -> Option<String> {
        match name {
            "XDG_CONFIG_HOME" => Some(self.folder.path().display().to_string()),
            "HOME" => Some("/home/me".to_owned()),
            "KEYS" => Some("/keys".to_owned()),
            "SECRET" => Some("hunter2\n".to_owned()),
            _ => None,
        }
    }

    fn read(&self, name: &str) -> Result<Context, BusError> {
        let variable = |name: &str| self.variable(name);
        Found::named(name, &variable)?.read(&variable)
    }

    /// Reads a context with these fields.
    fn of(&self, fields: &Value) -> Result<Context, String> {
        self.write("here", &fields.to_string());
        self.read("here").map_err(|error| error.to_string())
    }
}

#[test]
fn a_context_is_read_as_the_nats_command_line_writes_it() {
    let place = Place::new();
    place.write(
        "prod",
        r#"{"description":"x","url":"nats://a:4222,nats://b:4222","token":"","user":"","password":"","creds":"~/me.creds",
            "nkey":"","cert":"/c.pem","key":"${KEYS}/k.pem","ca":"$KEYS/ca.pem","tls_first":true,"nsc":"",
            "inbox_prefix":"_INBOX_me","jetstream_domain":"hub","jetstream_api_prefix":"","color_scheme":"red",
            "jetstream_event_prefix":"events","windows_ca_certs_match":null}"#,
    );
    let Context { target, warnings } = place.read("prod").unwrap();
    assert_eq!(
        target,
        Target {
            urls: vec!["nats://a:4222".to_owned(), "nats://b:4222".to_owned()],
            auth: Auth::Creds("/home/me/me.creds".into()),
            tls: TlsFiles {
                ca: Some("/keys/ca.pem".into()),
                cert: Some("/c.pem".into()),
                key: Some("/keys/k.pem".into()),
                first: true
            },
            inbox_prefix: Some("_INBOX_me".to_owned()),
            api: Api::Domain("hub".to_owned()),
            label: "nats://a:4222,nats://b:4222 (context prod)".to_owned(),
            entrances: Vec::new(),
        }
    );
    assert_eq!(warnings, [""; 0]);
    let path = place.folder.path().join("nats/context/prod.json").display().to_string();
    assert_eq!(place.read(&path).unwrap().target.urls.len(), 2, "a file by its path");
}

#[test]
fn what_cannot_be_read_is_named_and_not_quoted() {
    let place = Place::new();
    place.write("broken", r#"{"url": "nats://a", "password": 12345}"#);
    place.write("torn", r#"{"password": "12345"#);
    for (name, expected) in [
        ("broken", "is not valid: `password` is not a text"),
        ("torn", "is not valid at line 1"),
        ("absent", "cannot read the context `absent`"),
        ("../prod", "is not the name of a context"),
        ("", "is not the name of a context"),
    ] {
        let error = place.read(name).unwrap_err().to_string();
        assert!(error.contains(expected) && !error.contains("12345"), "{error}");
    }
    assert!(Found::named("prod", &|_| None).is_err());
}

#[test]
fn the_selected_context_is_the_one_of_the_nats_command_line() {
    let place = Place::new();
    let variable = |name: &str| place.variable(name);
    let none = Found::selected(&variable).unwrap_err();
    assert!(matches!(none, BusError::Plan { .. }), "it was asked for: {none:?}");
    assert!(none.to_string().contains("nats context select NAME"), "{none}");
    std::fs::write(place.folder.path().join("nats/context.txt"), "prod\n").unwrap();
    assert_eq!(Found::selected(&variable).unwrap().name, "prod");
}

#[test]
fn every_way_in_is_used() {
    let place = Place::new();
    let auth = |fields: Value| place.of(&fields).unwrap().target.auth;
    let secret = Secret::new;
    let user = Auth::User { user: "u".into(), password: secret("hunter2") };
    for password in
        ["hunter2", "env://SECRET", "data:;base64,aHVudGVyMgo=", "DATA:text/plain;base64,aHVudGVyMg=="]
    {
        assert_eq!(auth(serde_json::json!({"user": "u", "password": password})), user, "{password}");
    }
    assert_eq!(auth(serde_json::json!({"token": "op-hunter2"})), Auth::Token(secret("op-hunter2")));
    assert_eq!(auth(serde_json::json!({"url": "nats://u:hunter2@h"})), user);
    assert_eq!(auth(serde_json::json!({"nkey": "file://~/a.nk"})), Auth::Nkey("/home/me/a.nk".into()));
    let seed = || Some(secret("SUAB"));
    let jwt = || secret("eyJ");
    let both = auth(serde_json::json!({"user_jwt": "eyJ", "user_seed": "SUAB"}));
    assert_eq!(both, Auth::Jwt { jwt: jwt(), seed: seed() });
    assert_eq!(auth(serde_json::json!({"user_jwt": "eyJ"})), Auth::Jwt { jwt: jwt(), seed: None });
    let creds =
        "-----BEGIN NATS USER JWT-----\neyJ\n---END---\n-----BEGIN USER NKEY SEED-----\nSUAB\n---END---\n";
    let creds = format!("data:;base64,{}", STANDARD.encode(creds));
    assert_eq!(auth(serde_json::json!({"creds": creds})), Auth::Jwt { jwt: jwt(), seed: seed() });
    let nkey = format!("data:;base64,{}", STANDARD.encode("# a key\nSUAB\n"));
    assert_eq!(auth(serde_json::json!({"nkey": nkey})), Auth::Seed(secret("SUAB")));
    let prefix = place.of(&serde_json::json!({"jetstream_api_prefix": "JS.hub.API"})).unwrap().target.api;
    assert_eq!(prefix.subject(), "JS.hub.API");
}

#[test]
fn what_cannot_be_used_is_refused_by_its_name() {
    let place = Place::new();
    for (fields, named) in [
        (serde_json::json!({"nsc": "nsc://o/a/u"}), "`nsc`"),
        (serde_json::json!({"socks_proxy": "socks5://h:1"}), "`socks_proxy`"),
        (serde_json::json!({"windows_cert_store": "user"}), "`windows_cert_store`"),
        (serde_json::json!({"windows_ca_certs_match": ["x"]}), "`windows_ca_certs_match`"),
        (serde_json::json!({"user": "u", "creds": "c"}), "`user` and `creds`"),
        (serde_json::json!({"token": "hunter2", "nkey": "n"}), "`token` and `nkey`"),
        (serde_json::json!({"url": "nats://u:hunter2@h", "creds": "c"}), "`url` has user information"),
        (serde_json::json!({"password": "hunter2"}), "`password` without `user`"),
        (serde_json::json!({"user_seed": "hunter2"}), "`user_seed` without `user_jwt`"),
        (serde_json::json!({"jetstream_domain": "d", "jetstream_api_prefix": "p"}), "`jetstream_api_prefix`"),
        (serde_json::json!({"user": "u", "password": "op://vault/hunter2"}), "`password` from `op://`"),
        (serde_json::json!({"creds": "nsc://o/a/u"}), "`creds` from `nsc://`"),
        (serde_json::json!({"user": "u", "password": "env://NONE"}), "$NONE, which is not set"),
        (serde_json::json!({"user": "u", "password": "data:hunter2"}), "not base64"),
        (serde_json::json!({"ca": "env://SECRET"}), "`ca` by a reference"),
    ] {
        place.write("here", &fields.to_string());
        let error = place.read("here").unwrap_err();
        assert!(matches!(error, BusError::Plan { .. }), "{fields}: {error:?}");
        let error = error.to_string();
        assert!(error.contains(named) && error.contains("`here`") && !error.contains("hunter2"), "{error}");
    }
}

#[test]
fn unknown_fields_are_named() {
    let place = Place::new();
    let fields = serde_json::json!({"url": "nats://h", "proxy_url": "x", "more": 1, "no": "", "off": false, "none": null});
    let warnings = place.of(&fields).unwrap().warnings;
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].contains("`more`") && warnings[0].contains("`proxy_url`"), "{warnings:?}");
    assert!(!warnings[0].contains("`no`") && !warnings[0].contains("`off`"), "{warnings:?}");
}
