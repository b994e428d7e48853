//! Tests of properties files and the settings they produce.

use super::*;

const PLAIN: &str = "org.apache.kafka.common.security.plain.PlainLoginModule";
const SCRAM: &str = "org.apache.kafka.common.security.scram.ScramLoginModule";

fn read(text: &str) -> Access {
    file::read("client.properties", text.as_bytes()).unwrap()
}

#[track_caller]
fn refused(text: &str, parts: &[&str]) {
    let error = file::read("client.properties", text.as_bytes()).unwrap_err().to_string();
    for part in parts.iter().chain(&["client.properties: "]) {
        assert!(error.contains(part), "`{part}` is not in: {error}");
    }
    assert!(!error.contains("s3cret"), "{error}");
}

#[test]
fn a_login_over_several_lines_is_one() {
    let access = read(&format!(
        "security.protocol=SASL_PLAINTEXT\nsasl.mechanism=SCRAM-SHA-512\nsasl.jaas.config={SCRAM} required \\\n    \
         username=\"alice\" \\\n    password=\"alice-s3cret\";\n"
    ));
    assert_eq!((access.user.as_deref(), access.mechanism.as_deref()), (Some("alice"), Some("SCRAM-SHA-512")));
    assert_eq!(access.password.unwrap().expose(), "alice-s3cret");
    assert_eq!((access.tls, access.warnings), (Some(false), vec![]));
    assert_eq!(access.asks.unwrap().login.as_deref(), Some("security.protocol=SASL_PLAINTEXT"));
}

#[test]
fn stores_in_pem_are_taken_by_location_and_inline() {
    let access =
        read("security.protocol=SSL\nssl.truststore.type=PEM\nssl.truststore.location=/etc/kafka/ca.crt\n");
    assert_eq!(access.files.ca, Some(Pem::At("/etc/kafka/ca.crt".into())));
    assert_eq!(access.tls, Some(true));
    let both = read(
        "security.protocol=SSL\nssl.keystore.type=PEM\nssl.keystore.location=/k.pem\nssl.key.password=s3cret\n",
    );
    assert_eq!((&both.files.cert, &both.files.key), (&Some(Pem::At("/k.pem".into())), &both.files.cert));
    assert_eq!(both.files.key_password.as_ref().unwrap().expose(), "s3cret");
    let block = |label: &str| format!("-----BEGIN {label}----- \\\n QUJD \\\n -----END {label}-----");
    let inline = read(&format!(
        "security.protocol=ssl\nssl.truststore.type=PEM\nssl.truststore.certificates={ca}\nssl.keystore.type=PEM\n\
         ssl.keystore.certificate.chain={ca}\nssl.keystore.key={key}\n",
        ca = block("CERTIFICATE"),
        key = block("PRIVATE KEY"),
    ));
    let text = |label| {
        Some(Pem::Text(Secret::new(format!("-----BEGIN {label}-----\nQUJD\n-----END {label}-----\n"))))
    };
    assert_eq!((inline.files.ca, inline.files.cert), (text("CERTIFICATE"), text("CERTIFICATE")));
    assert_eq!(inline.files.key, text("PRIVATE KEY"));
}

#[test]
fn stores_that_contradict_themselves_are_refused() {
    let ssl = "security.protocol=SSL\n";
    for (text, parts) in [
        (
            "ssl.truststore.certificates=x",
            ["for PEM, and `ssl.truststore.type` is JKS", "ssl.truststore.type=PEM"],
        ),
        (
            "ssl.truststore.type=PEM\nssl.truststore.certificates=s3cret",
            ["no certificate in PEM", "-----BEGIN"],
        ),
        (
            "ssl.truststore.type=PEM\nssl.truststore.location=/x\nssl.truststore.certificates=y",
            ["`ssl.truststore.certificates` and `ssl.truststore.location`", "exclude"],
        ),
        ("ssl.truststore.type=PEM\nssl.truststore.password=s3cret", ["has no password", "leave out"]),
        ("ssl.truststore.password=s3cret", ["no trust store", "ssl.truststore.location"]),
        (
            "ssl.keystore.type=PEM\nssl.keystore.location=/x\nssl.keystore.password=s3cret",
            ["only its key", "ssl.key.password"],
        ),
        ("ssl.certificate.location=/x", ["`ssl.certificate.location` is given without the key", "both"]),
        ("ssl.key.location=/x", ["`ssl.key.location` is given without the certificate", "both"]),
        (
            "ssl.keystore.type=PEM\nssl.keystore.key=s3cret",
            ["`ssl.keystore.key` holds no private key", "-----BEGIN"],
        ),
        (
            "ssl.truststore.location=/nonexistent.jks",
            ["cannot read `ssl.truststore.location`", "/nonexistent.jks"],
        ),
        (
            "ssl.keystore.location=/nonexistent.jks",
            ["cannot read `ssl.keystore.location`", "/nonexistent.jks"],
        ),
    ] {
        refused(&format!("{ssl}{text}"), &parts);
    }
}

#[test]
fn stores_of_java_are_refused_with_the_command_that_converts_them() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path.display().to_string()
    };
    let java = file("a.jks", b"\xfe\xed\xfe\xed\0\0\0\x02");
    let twelve = file("a.p12", b"\x30\x82\x01\x01");
    let pem = file("a.pem", b"-----BEGIN CERTIFICATE-----\nQQ==\n-----END CERTIFICATE-----\n");
    let trust = |path: &str| format!("security.protocol=SSL\nssl.truststore.location={path}");
    let key = |path: &str| {
        format!("security.protocol=SSL\nssl.keystore.location={path}\nssl.keystore.password=s3cret")
    };
    refused(&trust(&java), &["a Java trust store (JKS)", "keytool -list -rfc", "ssl.truststore.type=PEM"]);
    refused(&trust(&twelve), &["PKCS #12", "openssl pkcs12", "-nokeys"]);
    refused(&trust(&pem), &["a file in PEM", "add `ssl.truststore.type=PEM`"]);
    refused(&key(&java), &["a Java key store (JKS)", "keytool -importkeystore", "PKCS12"]);
    refused(&key(&pem), &["add `ssl.keystore.type=PEM`"]);
    let store = Some(Pkcs12 { path: twelve.clone().into(), password: Secret::new("s3cret") });
    assert_eq!(read(&key(&twelve)).files.store, store);
    assert_eq!(read(&format!("{}\nssl.keystore.type=PKCS12", key(&twelve))).files.store, store);
    refused(&format!("{}\nssl.key.password=other", key(&twelve)), &["differs from"]);
}

#[test]
fn what_would_change_who_logs_in_or_weaken_security_is_refused_by_name() {
    let file = |more: &str| format!("security.protocol=SASL_SSL\nsasl.mechanism=PLAIN\n{more}");
    let jaas = |text: &str| file(&format!("sasl.jaas.config={text}"));
    for (text, parts) in [
        ("security.protocol=TLS".to_owned(), ["`security.protocol` is `TLS`", "SASL_SSL"]),
        (
            "security.protocol=SASL_SSL\nsasl.mechanism=GSSAPI".to_owned(),
            ["`GSSAPI` is not supported", "Kerberos"],
        ),
        (
            "security.protocol=SASL_SSL\nsasl.mechanism=OAUTHBEARER".to_owned(),
            ["how a token is fetched", "OAuthBearerLoginCallbackHandler"],
        ),
        (
            "security.protocol=SASL_SSL\nsasl.mechanism=AWS_MSK_IAM".to_owned(),
            ["`AWS_MSK_IAM`", "librdkafka does not"],
        ),
        (file("sasl.login.callback.handler.class=a.B"), ["sasl.login.callback.handler.class", "Java class"]),
        (file("ssl.engine.factory.class=a.B"), ["ssl.engine.factory.class", "Java class"]),
        (file("ssl.provider=BCJSSE"), ["`ssl.provider`", "OpenSSL"]),
        (file("config.providers=env"), ["`config.providers`", "write the values"]),
        (file("ssl.cipher.suites=TLS_AES_256_GCM_SHA384"), ["`ssl.cipher.suites`", "OpenSSL's names"]),
        (file("ssl.enabled.protocols=TLSv1.3"), ["TLS 1.3 alone", "TLSv1.2"]),
        (file("ssl.endpoint.identification.algorithm=LDAPS"), ["`LDAPS`", "https"]),
        (file("ssl.trustmanager.algorithm=AllowAll"), ["`AllowAll`", "leave it out"]),
        (file("sasl.mechanisms=SCRAM-SHA-256"), ["`sasl.mechanism` and `sasl.mechanisms`", "one of them"]),
        (file("a=\\u00"), ["line 3", "hexadecimal"]),
        (jaas("a.IAMLoginModule required;"), ["the login module `a.IAMLoginModule`", "PlainLoginModule"]),
        (
            jaas("x.OAuthBearerLoginModule required a=\"s3cret\";"),
            ["`x.OAuthBearerLoginModule` is not for PLAIN", "`sasl.mechanism=OAUTHBEARER`"],
        ),
        (jaas("com.sun.security.auth.module.Krb5LoginModule required;"), ["`GSSAPI`", "Kerberos"]),
        (jaas(&format!("{PLAIN} required username=\"u\" password=\"s3cret\"")), ["`;`", "backslash"]),
        (
            jaas(&format!("{PLAIN} required username=\"u\" password=1s3cret;")),
            ["`password` has no value", "quotes"],
        ),
        (jaas(&format!("{SCRAM} required tokenauth=\"true\";")), ["`tokenauth`", "delegation token"]),
        (
            jaas(&format!("{PLAIN} required username=\"u\" password=\"s3cret\";\nsasl.username=v")),
            ["`sasl.jaas.config` and `sasl.username`", "one of them"],
        ),
    ] {
        refused(&text, &parts);
    }
}

#[test]
fn what_is_not_used_is_named() {
    let warned = |text: &str| read(text).warnings.join("\n");
    let tuning = warned("security.protocol=PLAINTEXT\nacks=all\nlinger.ms=5\nclient.id=x\n");
    assert_eq!(
        tuning,
        "client.properties: not used: acks, client.id, linger.ms ([bus.kafka] has what can be set)"
    );
    let unused = warned(&format!(
        "security.protocol=SSL\nsasl.mechanism=GSSAPI\nsasl.jaas.config={PLAIN} required;\nsasl.kerberos.service.name=kafka"
    ));
    assert_eq!(
        unused,
        "client.properties: not used, since security.protocol=SSL logs nobody in: sasl.jaas.config, \
         sasl.kerberos.service.name, sasl.mechanism"
    );
    let plain =
        read("security.protocol=PLAINTEXT\nssl.truststore.location=/x.jks\nssl.truststore.password=s3cret");
    assert!(
        plain.warnings[0]
            .contains("PLAINTEXT does not encrypt: ssl.truststore.location, ssl.truststore.password")
    );
    assert_eq!(plain.files, TlsFiles::default());
    assert!(
        warned("security.protocol=SSL\nssl.endpoint.identification.algorithm=")
            .contains("host names are not checked")
    );
    assert!(
        warned("security.protocol=SSL\nenable.ssl.certificate.verification=false")
            .contains("certificates are not")
    );
    assert!(
        warned("security.protocol=SSL\nssl.enabled.protocols=TLSv1.1,TLSv1.2").contains("TLSv1.1,TLSv1.2")
    );
    assert!(
        warned("security.protocol=SSL\nsecurity.protocol=PLAINTEXT")
            .contains("`security.protocol` stands there twice")
    );
    assert!(
        warned("sasl.username=\u{e4}\nsasl.mechanism=PLAIN")
            .contains("`sasl.username` has characters outside ASCII")
    );
    assert_eq!(warned("sasl.username=\\u00e4\nsasl.mechanism=PLAIN"), "");
    let fine = "security.protocol=SASL_SSL \nssl.protocol=TLSv1.3\nssl.enabled.protocols=TLSv1.2,TLSv1.3\n\
                ssl.endpoint.identification.algorithm=https\nsasl.mechanism=PLAIN\nssl.provider=\n";
    assert_eq!(warned(fine), "");
}

#[test]
fn what_is_given_first_wins_and_what_belongs_together_stays_together() {
    let file = |name: &str| Some(Pem::At(name.into()));
    let pair = |ca, cert, key| TlsFiles { ca, cert, key, ..TlsFiles::default() };
    let flags =
        Access { user: Some("flag".into()), files: pair(file("f.ca"), None, None), ..Access::default() };
    let env = Access {
        user: Some("env".into()),
        password: Some(Secret::new("s3cret")),
        files: pair(file("e.ca"), file("e.pem"), file("e.key")),
        ..Access::default()
    };
    let both = flags.clone().or(env.clone());
    assert_eq!((both.user.as_deref(), both.password.is_some()), (Some("flag"), true));
    assert_eq!(both.files, pair(file("f.ca"), file("e.pem"), file("e.key")));
    let store = TlsFiles {
        store: Some(Pkcs12 { path: "x".into(), password: Secret::new("y") }),
        ..TlsFiles::default()
    };
    let stored = Access { files: store.clone(), ..Access::default() }.or(env);
    assert_eq!(stored.files, TlsFiles { ca: file("e.ca"), ..store });
}

/// A deterministic pseudo-random generator.
struct Draw(u64);

impl Draw {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % below
    }

    fn text(&mut self, parts: &[&str], most: usize) -> String {
        (0..self.next(most)).map(|_| parts[self.next(parts.len())]).collect()
    }
}

fn hex(text: &str) -> String {
    text.bytes().fold(String::new(), |out, byte| format!("{out}{byte:02x}"))
}

/// Returns Java's results for the cases; `None` if Java is not available here.
fn by_java(what: &str, cases: &[String]) -> Option<Vec<String>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let home = std::env::var("KAFKA_HOME").map_or_else(|_| root.join(".brokers/kafka"), PathBuf::from);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cases");
    std::fs::write(&file, cases.iter().map(|case| hex(case) + "\n").collect::<String>()).unwrap();
    let done = std::process::Command::new("java")
        .args(["-Dorg.slf4j.simpleLogger.defaultLogLevel=off", "-cp"])
        .arg(format!("{}/*", home.join("libs").display()))
        .arg(root.join("tests/java/Referee.java"))
        .arg(what)
        .arg(&file)
        .output();
    let done = done.ok().filter(|done| done.status.success());
    let required = std::env::var("TICKGATE_REQUIRE").unwrap_or_default();
    let required = required.split([',', ' ']).any(|word| ["all", "kafka"].contains(&word));
    assert!(done.is_some() || !required, "Java with Kafka's jars is required and missing: scripts/kafka.sh");
    Some(String::from_utf8(done?.stdout).unwrap().lines().map(str::to_owned).collect())
}

/// Formats pairs as the Java reference does: the last value of each key, sorted.
fn pairs<'a>(all: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let all: std::collections::BTreeMap<String, String> =
        all.map(|(key, value)| (hex(key), hex(value))).collect();
    all.iter().flat_map(|(key, value)| [" ", key.as_str(), "=", value.as_str()]).collect()
}

#[test]
fn drawn_properties_are_read_as_java_reads_them() {
    const PARTS: [&str; 24] = [
        "a", "b", "key", " ", "  ", "\t", "\x0c", "=", ":", "#", "!", "\\", "\\\\", "\n", "\r", "\r\n",
        "\\\n", "\\\r\n", "\\u0041", "\\u00", "\\t", "\\=", "\"", "\u{e4}",
    ];
    let mut draw = Draw(0x9e37_79b9_7f4a_7c15);
    let cases: Vec<String> = (0..4000).map(|_| draw.text(&PARTS, 16)).collect();
    let Some(java) = by_java("properties", &cases) else { return };
    assert_eq!(java.len(), cases.len());
    for (case, java) in cases.iter().zip(&java) {
        let ours = properties::parse(case.as_bytes()).map_or_else(
            |_| "refused".to_owned(),
            |all| {
                format!("read{}", pairs(all.iter().map(|entry| (entry.key.as_str(), entry.value.as_str()))))
            },
        );
        assert_eq!(&ours, java, "{case:?}");
    }
}

#[test]
fn drawn_logins_are_read_as_kafkas_client_reads_them() {
    const PARTS: [&str; 27] = [
        "a.B",
        "required",
        " required ",
        "username",
        "=",
        "=",
        "=\"u\"",
        "='p q'",
        ";",
        ";",
        " ",
        "\n",
        "\"",
        "'",
        "\\",
        "\\101",
        "\\n",
        "1",
        "-",
        "-x",
        ".5",
        "/",
        "//",
        "/* c */",
        "\u{e4}",
        "_$",
        "@",
    ];
    let mut draw = Draw(0x2545_f491_4f6c_dd1d);
    let drawn = (0..4000).map(|at| {
        let text = draw.text(&PARTS, 12);
        if at % 4 == 0 { text } else { format!("a.B required {text};") }
    });
    let cases: Vec<String> = drawn.collect();
    let Some(java) = by_java("jaas", &cases) else { return };
    assert_eq!(java.len(), cases.len());
    for (case, java) in cases.iter().zip(&java) {
        let ours = jaas::parse(case).map_or_else(
            |_| "refused".to_owned(),
            |login| {
                let all = login.options.iter().map(|(key, value)| (key.as_str(), value.as_str()));
                format!("read {}{}", hex(&login.module), pairs(all))
            },
        );
        assert_eq!(&ours, java, "{case:?}");
    }
    assert!(java.iter().filter(|line| *line != "refused").count() > 200);
}

#[test]
fn the_way_of_looking_up_brokers_is_used_or_refused() {
    for (value, canonical) in [
        ("", false),
        ("use_all_dns_ips", false),
        ("default", false),
        ("resolve_canonical_bootstrap_servers_only", true),
    ] {
        let access = read(&format!("client.dns.lookup={value}\n"));
        assert_eq!((access.canonical, access.warnings.len()), (canonical, 0), "{value}");
        let target = crate::bus::kafka::Target::parse("kafka://localhost").unwrap().with(access);
        let asked = target.config("x").unwrap().get("client.dns.lookup").map(str::to_owned);
        assert_eq!(asked.is_some(), canonical, "{value}");
    }
    refused("client.dns.lookup=first_ip\n", &["`client.dns.lookup` is `first_ip`; expected use_all_dns_ips"]);
}
