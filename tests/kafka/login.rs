//! Logins on a real broker that take more than a password: tokens of an endpoint, key stores of PKCS #12, and a consumer's
//! quota; with Kafka's own client as the referee.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use async_nats::rustls::pki_types::pem::PemObject as _;
use async_nats::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use async_nats::rustls::{ServerConfig, ServerConnection, StreamOwned};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use tickgate::broker::LocalKafka;
use tickgate::record::Verdict;

use super::properties::{attempt, referee, referee_with};
use crate::support::certificates::Certificates;
use crate::support::kafka::{is_there, started};
use crate::support::ports::free_port;
use crate::support::program::{Done, Place};

/// The client's secret, with characters that mean something in a form and in a header.
const SECRET: &str = "s3cret/ä+ &=:";
/// How long the tokens of the path `/short` are valid, seconds. A client logs in again at nine tenths of that, and needs the next token
/// by then, which is requested at three quarters: a tenth of a short time is little on a busy machine.
const SHORT: u64 = 16;

/// An endpoint of tokens for the client `gate`, plain and with TLS.
struct Endpoint {
    plain: u16,
    safe: u16,
    issued: Arc<AtomicU32>,
}

impl Endpoint {
    fn start(certificates: &Certificates) -> Self {
        let chain = CertificateDer::pem_file_iter(certificates.file("server.pem")).unwrap();
        let key = PrivateKeyDer::from_pem_file(certificates.file("server.key")).unwrap();
        let config = ServerConfig::builder().with_no_client_auth();
        let config = Arc::new(config.with_single_cert(chain.map(Result::unwrap).collect(), key).unwrap());
        let issued = Arc::new(AtomicU32::new(0));
        let listen = |tls: Option<Arc<ServerConfig>>| {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let port = listener.local_addr().unwrap().port();
            let issued = Arc::clone(&issued);
            std::thread::spawn(move || {
                for stream in listener.incoming().map_while(Result::ok) {
                    let (tls, issued) = (tls.clone(), Arc::clone(&issued));
                    std::thread::spawn(move || match tls {
                        None => serve(stream, &issued),
                        Some(config) => {
                            serve(StreamOwned::new(ServerConnection::new(config).unwrap(), stream), &issued);
                        }
                    });
                }
            });
            port
        };
        let (plain, safe) = (listen(None), listen(Some(config)));
        Self { plain, safe, issued }
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.plain)
    }

    fn safe_url(&self) -> String {
        format!("https://127.0.0.1:{}/token", self.safe)
    }
}

fn token(lasts: u64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let claims = format!(r#"{{"sub":"service","iat":{now},"exp":{},"scope":"kafka"}}"#, now + lasts);
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    format!("{}.{}.{}", part(r#"{"alg":"RS256","typ":"JWT"}"#), part(&claims), part("signature"))
}

/// Answers one request.
fn serve(mut stream: impl Read + Write, issued: &AtomicU32) {
    let mut request = Vec::new();
    let mut part = [0; 4096];
    let text = loop {
        match stream.read(&mut part) {
            Ok(0) | Err(_) => return,
            Ok(n) => request.extend_from_slice(&part[..n]),
        }
        let text = String::from_utf8_lossy(&request).into_owned();
        if text.contains("\r\n\r\n") && text.contains("grant_type=client_credentials") {
            break text;
        }
    };
    let sent = text.lines().find_map(|line| line.strip_prefix("Authorization: Basic ")).unwrap_or_default();
    let sent = String::from_utf8(STANDARD.decode(sent.trim()).unwrap_or_default()).unwrap_or_default();
    let path = text.split(' ').nth(1).unwrap_or_default();
    let (status, body) = match path {
        _ if sent != format!("gate:{SECRET}") => {
            ("401 Unauthorized", format!(r#"{{"error":"invalid_client","error_description":"not {sent}"}}"#))
        }
        "/token" => ("200 OK", format!(r#"{{"access_token":"{}","token_type":"Bearer"}}"#, token(300))),
        "/short" => ("200 OK", format!(r#"{{"access_token":"{}","token_type":"Bearer"}}"#, token(SHORT))),
        "/opaque" => ("200 OK", r#"{"access_token":"b2ZOb1VzZQ","expires_in":60}"#.to_owned()),
        "/none" => ("200 OK", r#"{"token_type":"Bearer"}"#.to_owned()),
        "/page" => ("200 OK", "<html>Sign in</html>".to_owned()),
        _ => ("404 Not Found", String::new()),
    };
    issued.fetch_add(u32::from(status.starts_with("200")), Ordering::Relaxed);
    // In two chunks, as many servers send what they make.
    let (head, tail) = body.split_at(body.len() / 2);
    let chunk =
        |text: &str| if text.is_empty() { String::new() } else { format!("{:x}\r\n{text}\r\n", text.len()) };
    let answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n{}{}0\r\n\r\n",
        chunk(head),
        chunk(tail)
    );
    let _ = stream.write_all(answer.as_bytes());
    let _ = stream.flush();
}

/// A broker with listeners for tokens, plain and with TLS; connections end with their token.
struct Cluster {
    certificates: Certificates,
    tokens: u16,
    safe: u16,
    _broker: LocalKafka,
}

impl Cluster {
    fn start() -> Self {
        let (tokens, safe, certificates) = (free_port(), free_port(), Certificates::new());
        let read = |name: &str| std::fs::read_to_string(certificates.file(name)).unwrap();
        let store = certificates.file("server-store.pem");
        std::fs::write(&store, format!("{}{}", read("server.key"), read("server.pem"))).unwrap();
        let listeners =
            format!("CLIENT://127.0.0.1:{{client}},TOKENS://127.0.0.1:{tokens},SAFE://127.0.0.1:{safe}");
        let login = ["tokens", "safe"].map(|name| {
            let of = format!("listener.name.{name}.oauthbearer");
            let package = "org.apache.kafka.common.security.oauthbearer";
            format!(
                "{of}.sasl.jaas.config={package}.OAuthBearerLoginModule required;\n\
                 {of}.sasl.server.callback.handler.class={package}.OAuthBearerValidatorCallbackHandler\n\
                 {of}.connections.max.reauth.ms=3600000\n"
            )
        });
        let broker = started(&format!(
            "listeners={listeners},CONTROLLER://127.0.0.1:{{controller}}\nadvertised.listeners={listeners}\n\
             listener.security.protocol.map=CLIENT:PLAINTEXT,CONTROLLER:PLAINTEXT,TOKENS:SASL_PLAINTEXT,SAFE:SASL_SSL\n\
             sasl.enabled.mechanisms=OAUTHBEARER\n{VALIDATOR}{}ssl.keystore.type=PEM\nssl.keystore.location={}\n",
            login.concat(),
            store.display(),
        ));
        Self { certificates, tokens, safe, _broker: broker }
    }
}

const LOGIN: &str = "security.protocol=SASL_PLAINTEXT\nsasl.mechanism=OAUTHBEARER\n\
                     sasl.oauthbearer.jwt.validator.class=\
                     org.apache.kafka.common.security.oauthbearer.ClientJwtValidator\n";
/// Checks a token without its signature: the default takes jars that are not among Kafka's here.
const VALIDATOR: &str = "sasl.oauthbearer.jwt.validator.class=\
                         org.apache.kafka.common.security.oauthbearer.ClientJwtValidator\n";
const HANDLER: &str = "sasl.login.callback.handler.class=\
                       org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginCallbackHandler\n";

fn endpoint(url: &str) -> String {
    format!("sasl.oauthbearer.token.endpoint.url={url}\n")
}

/// A text in a properties file, which is read as ISO-8859-1.
fn escaped(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_ascii() { c.to_string() } else { format!("\\u{:04x}", u32::from(c)) })
        .collect()
}

fn jaas(secret: &str, more: &str) -> String {
    format!(
        "sasl.jaas.config=org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required \\\n  \
         clientId=\"gate\" clientSecret=\"{}\" {more};\n",
        escaped(secret)
    )
}

/// Files, the listener that each is for, and words of the reason where tickgate refuses one.
fn tries(cluster: &Cluster, server: &Endpoint) -> Vec<(u16, String, &'static str)> {
    let Cluster { tokens, safe, certificates, .. } = cluster;
    let file = |url: &str, jaas: &str| format!("{LOGIN}{HANDLER}{}{jaas}", endpoint(url));
    let url = server.url("/token");
    let keys = format!(
        "sasl.oauthbearer.client.credentials.client.id=gate\n\
         sasl.oauthbearer.client.credentials.client.secret={}\nsasl.oauthbearer.scope=kafka\n\
         sasl.jaas.config=org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required;\n",
        escaped(SECRET)
    );
    let ca = certificates.file("ca.pem").display().to_string();
    let trust = format!("ssl.truststore.type=PEM\nssl.truststore.location={ca}\n");
    let trust_option = format!("ssl.truststore.type=\"PEM\" ssl.truststore.location=\"{ca}\"");
    let over_tls = |text: &str| format!("{}{trust}", text.replace("SASL_PLAINTEXT", "SASL_SSL"));
    vec![
        (*tokens, file(&url, &jaas(SECRET, "scope=\"kafka\"")), ""),
        (*tokens, file(&url, &jaas(SECRET, "scope='a b' extension_logicalCluster=\"lkc-1\"")), ""),
        (*tokens, file(&url, &keys), ""),
        (*safe, over_tls(&file(&url, &jaas(SECRET, ""))), ""),
        (*safe, over_tls(&file(&server.safe_url(), &jaas(SECRET, &trust_option))), ""),
        (*tokens, file(&server.safe_url(), &jaas(SECRET, &trust_option)), ""),
        (*tokens, file(&url, &jaas("s3cret?", "")), "status 401 (invalid_client: not gate:***)"),
        (*tokens, file(&server.url("/nowhere"), &jaas(SECRET, "")), "status 404"),
        (*tokens, file(&server.url("/none"), &jaas(SECRET, "")), "the answer has no `access_token`"),
        (*tokens, file(&server.url("/page"), &jaas(SECRET, "")), "the answer is not a JSON object"),
        (*tokens, file(&server.url("/opaque"), &jaas(SECRET, "")), "uthentication"),
        (*tokens, file("http://127.0.0.1:1/token", &jaas(SECRET, "")), "no token from 127.0.0.1:1: "),
        (*tokens, file(&server.safe_url(), &jaas(SECRET, "")), "certificate"),
        (*tokens, format!("{LOGIN}{}{}", endpoint(&url), jaas(SECRET, "")), "it would be an unsecured one"),
        (*tokens, format!("{LOGIN}{HANDLER}{}", jaas(SECRET, "")), "`sasl.oauthbearer.token.endpoint.url`"),
        (*tokens, file("htp:/token", &jaas(SECRET, "")), "is not a URL"),
    ]
}

/// Compares what tickgate and Kafka's own client make of the files.
fn compare(tries: &[(u16, String, &str)], options: &[&str], secret: &str) {
    let folder = tempfile::tempdir().unwrap();
    let files: Vec<PathBuf> =
        (0..tries.len()).map(|at| folder.path().join(format!("{at}.properties"))).collect();
    let mut args = vec!["admit".to_owned()];
    for (file, (port, text, _)) in files.iter().zip(tries) {
        std::fs::write(file, text).unwrap();
        args.extend([format!("127.0.0.1:{port}"), file.display().to_string()]);
    }
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let said = referee_with(options, &args);
    assert_eq!(said.len(), tries.len());
    for (((port, text, why), said), file) in tries.iter().zip(&said).zip(&files) {
        match attempt(*port, file) {
            Ok(()) => assert_eq!((said.as_str(), *why), ("in", ""), "{text}"),
            Err(error) => {
                assert!(said.starts_with("refused "), "the referee gets in, and we do not: {error}\n{text}");
                assert!(!why.is_empty() && error.contains(why), "`{why}` is not in: {error}\n{text}");
                assert!(!error.contains(secret), "{error}");
            }
        }
    }
}

#[test]
fn whoever_kafkas_own_client_logs_in_with_a_token_gets_in_and_others_hear_why() {
    if !is_there() {
        return;
    }
    let cluster = Cluster::start();
    let server = Endpoint::start(&cluster.certificates);
    let tries = tries(&cluster, &server);
    let urls = tries.iter().flat_map(|(_, text, _)| {
        text.lines().filter_map(|line| line.strip_prefix("sasl.oauthbearer.token.endpoint.url="))
    });
    let allowed =
        format!("-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls={}", urls.collect::<Vec<_>>().join(","));
    compare(&tries, &[&allowed], "s3cret");
}

/// The beginning of each token is its header in base64, as a whole: three letters of it are in other base64 by chance, such as
/// that of distributions.
fn is_clean(text: &str) -> bool {
    const HEADER: &str = "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9";
    !text.contains("s3cret") && !text.contains(HEADER) && !text.contains("Z2F0ZTpzM2")
}

/// No file below a folder holds the secret or a token.
fn are_clean(folder: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            are_clean(&entry.path());
        } else {
            let bytes = std::fs::read(entry.path()).unwrap();
            assert!(is_clean(&String::from_utf8_lossy(&bytes)), "{}", entry.path().display());
        }
    }
}

/// No output of a run and no file of it holds the secret or a token.
#[track_caller]
fn no_secret(place: &Place, done: &Done) {
    assert!(is_clean(&done.out) && is_clean(&done.err), "{done:#?}");
    are_clean(&place.path().join("reports"));
}

#[test]
fn a_run_outlives_its_tokens_and_one_without_a_token_ends_at_once() {
    if !is_there() {
        return;
    }
    let cluster = Cluster::start();
    let server = Endpoint::start(&cluster.certificates);
    let place = Place::new();
    let url = format!("kafka://127.0.0.1:{}", cluster.tokens);
    let file = |name: &str, url: &str, secret: &str| {
        place.write(name, format!("{LOGIN}{HANDLER}{}{}", endpoint(url), jaas(secret, "")))
    };
    let short = file("short.properties", &server.url("/short"), SECRET);
    let kafka = ["--set", "bus.kind=kafka", "--broker", &url, "--creds"];
    let long = ["--set", "load.duration=30s", "--set", "load.rate=100/s"];
    let done = place.gate(&[&kafka[..], &[short.as_str()], &long].concat());
    assert!([0, 1, 3].contains(&done.code), "{done:#?}");
    no_secret(&place, &done);
    let record = place.record();
    assert!(record.load.acked > 2000 && record.load.acked == record.groups[0].delivered, "{:?}", record.load);
    let kinds: Vec<&str> = record.marks.iter().map(|mark| mark.kind.as_str()).collect();
    assert!(!kinds.contains(&"token-not-renewed") && !kinds.contains(&"broker-error"), "{:?}", record.marks);
    let issued = server.issued.load(Ordering::Relaxed);
    assert!((3..=10).contains(&issued), "{issued} tokens in a run of 30 s");

    let wrong = file("wrong.properties", &server.url("/token"), "s3cret?");
    let nowhere = file("nowhere.properties", "http://127.0.0.1:1/token", SECRET);
    for (file, says) in [
        (&wrong, ["no token from 127.0.0.1:", "status 401 (invalid_client: not gate:***)"]),
        (&nowhere, ["no token from 127.0.0.1:1: ", "refused"]),
    ] {
        let done = place.gate(&[&kafka[..], &[file.as_str()]].concat());
        done.fails(4, &says);
        no_secret(&place, &done);
    }
    let done = place.gate(&[&kafka[..], &[short.as_str(), "--user", "me"]].concat());
    done.fails(2, &["--user me is given, and the properties file asks for a login by a token"]);
}

#[test]
fn a_key_store_of_pkcs_12_lets_in_whom_kafkas_own_client_lets_in() {
    if !is_there() {
        return;
    }
    let (mutual, certificates) = (free_port(), Certificates::new());
    let read = |name: &str| std::fs::read_to_string(certificates.file(name)).unwrap();
    let at = |name: &str| certificates.file(name).display().to_string();
    std::fs::write(at("server-store.pem"), format!("{}{}", read("server.key"), read("server.pem"))).unwrap();
    let listeners = format!("CLIENT://127.0.0.1:{{client}},MUTUAL://127.0.0.1:{mutual}");
    let _broker = started(&format!(
        "listeners={listeners},CONTROLLER://127.0.0.1:{{controller}}\nadvertised.listeners={listeners}\n\
         listener.security.protocol.map=CLIENT:PLAINTEXT,CONTROLLER:PLAINTEXT,MUTUAL:SSL\n\
         listener.name.mutual.ssl.client.auth=required\nssl.keystore.type=PEM\nssl.keystore.location={}\n\
         ssl.truststore.type=PEM\nssl.truststore.location={}\n",
        at("server-store.pem"),
        at("ca.pem"),
    ));
    referee(&["store", &at("client.key"), &at("client.pem"), &at("client.p12"), "s3cret p12"]);
    let head =
        format!("security.protocol=SSL\nssl.truststore.type=PEM\nssl.truststore.location={}\n", at("ca.pem"));
    let store = |kind: &str, name: &str, password: &str| {
        format!("{head}{kind}ssl.keystore.location={}\nssl.keystore.password={password}\n", at(name))
    };
    let pkcs12 = "ssl.keystore.type=PKCS12\n";
    let tries = [
        (mutual, store(pkcs12, "client.p12", "s3cret p12"), ""),
        (mutual, store("", "client.p12", "s3cret p12"), ""),
        (mutual, format!("{}ssl.key.password=s3cret p12\n", store(pkcs12, "client.p12", "s3cret p12")), ""),
        (mutual, store(pkcs12, "client.p12", "s3cret?"), "the TLS settings cannot be used"),
        (mutual, store(pkcs12, "none.p12", "s3cret p12"), "cannot read `ssl.keystore.location`"),
        (mutual, store(pkcs12, "client.pem", "s3cret p12"), "add `ssl.keystore.type=PEM`"),
        (mutual, head.clone(), "cannot connect"),
    ];
    compare(&tries, &[], "s3cret");
}

#[test]
fn a_quota_that_holds_a_consumer_back_is_named_and_is_not_the_buss_fault() {
    if !is_there() {
        return;
    }
    let kafka = started("");
    let url = kafka.url();
    referee(&["quota", &url.replace("kafka://", ""), "consumer_byte_rate", "60000"]);
    let place = Place::new();
    let load =
        ["--set", "load.rate=500/s", "--set", "load.duration=8s", "--set", "objectives.latency.p99=< 500ms"];
    let done = place.gate(&[&["--set", "bus.kind=kafka", "--broker", &url][..], &load].concat());
    done.ends(3);
    let record = place.record();
    assert_eq!(record.verdict, Verdict::Inconclusive);
    let marks: Vec<_> = record.marks.iter().filter(|mark| mark.kind == "consumer-throttled").collect();
    assert!(!marks.is_empty() && marks[0].detail.contains("throttle_time_ms"), "{:?}", record.marks);
    let reasons: Vec<_> =
        record.objectives.iter().filter_map(|objective| objective.reason.as_deref()).collect();
    assert!(
        reasons.iter().any(|why| why.starts_with("the cluster's quota held the consumer back for")),
        "{reasons:?}"
    );
}
