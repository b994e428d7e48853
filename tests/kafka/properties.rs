//! Properties files of Kafka's clients on a real broker, with Kafka's own client as the referee of who may get in.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::{Path, PathBuf};
use std::process::Command;

use tickgate::broker::LocalKafka;
use tickgate::bus::kafka::{Access, KafkaBus, Setup, Target};
use tickgate::host::clock::Clock;
use tickgate::record::Verdict;
use tickgate::topology::Naming;

use crate::support;
use crate::support::certificates::Certificates;
use crate::support::kafka::{is_there, started};
use crate::support::outside;
use crate::support::ports::free_ports;
use crate::support::program::Place;

/// Runs the referee, and gives what it says, line by line.
pub(crate) fn referee(args: &[&str]) -> Vec<String> {
    referee_with(&[], args)
}

/// The same with more options of Java.
pub(super) fn referee_with(options: &[&str], args: &[&str]) -> Vec<String> {
    let libs =
        std::env::var("KAFKA_HOME").map_or_else(|_| outside::root().join(".brokers/kafka"), PathBuf::from);
    let done = Command::new("java")
        .args(["-XX:TieredStopAtLevel=1", "-Xmx256m", "-Dorg.slf4j.simpleLogger.defaultLogLevel=off"])
        .args(options)
        .arg("-cp")
        .arg(format!("{}/*", libs.join("libs").display()))
        .arg(outside::root().join("tests/java/Referee.java"))
        .args(args)
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8_lossy(&done.stdout).lines().map(str::to_owned).collect()
}

/// A broker with a listener for each way in, and two users.
pub(super) struct Cluster {
    broker: LocalKafka,
    pub(super) certificates: Certificates,
    pub(super) users: u16,
    pub(super) safe: u16,
    pub(super) both: u16,
    pub(super) mutual: u16,
}

impl Cluster {
    pub(super) fn start() -> Self {
        let [users, safe, both, mutual] = free_ports();
        let certificates = Certificates::new();
        let read = |name: &str| std::fs::read_to_string(certificates.file(name)).unwrap();
        for name in ["server", "client"] {
            let text = format!("{}{}", read(&format!("{name}.key")), read(&format!("{name}.pem")));
            std::fs::write(certificates.file(&format!("{name}-store.pem")), text).unwrap();
        }
        let listeners = format!(
            "CLIENT://127.0.0.1:{{client}},USERS://127.0.0.1:{users},SAFE://127.0.0.1:{safe},\
             BOTH://127.0.0.1:{both},MUTUAL://127.0.0.1:{mutual}"
        );
        let plain = "plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required \
                     user_alice=\"alice s3cret\";";
        let scram = |size| {
            format!(
                "scram-sha-{size}.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;"
            )
        };
        let logins = ["users", "both"].map(|name| {
            let of = |line: &str| format!("listener.name.{name}.{line}\n");
            of(plain) + &of(&scram(256)) + &of(&scram(512))
        });
        let broker = started(&format!(
            "listeners={listeners},CONTROLLER://127.0.0.1:{{controller}}\nadvertised.listeners={listeners}\n\
             listener.security.protocol.map=CLIENT:PLAINTEXT,CONTROLLER:PLAINTEXT,USERS:SASL_PLAINTEXT,SAFE:SSL,\
             BOTH:SASL_SSL,MUTUAL:SSL\n\
             sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512\n{}\
             listener.name.mutual.ssl.client.auth=required\n\
             ssl.keystore.type=PEM\nssl.keystore.location={}\nssl.truststore.type=PEM\nssl.truststore.location={}\n",
            logins.concat(),
            certificates.file("server-store.pem").display(),
            certificates.file("ca.pem").display(),
        ));
        let cluster = Self { broker, certificates, users, safe, both, mutual };
        referee(&["user", &cluster.plain(), "bob", "bob's \"s3cret\""]);
        cluster
    }

    fn plain(&self) -> String {
        self.broker.url().replace("kafka://", "")
    }
}

/// What tickgate says of a file: whether it gets in, and if not, why.
pub(super) fn attempt(port: u16, file: &Path) -> Result<(), String> {
    let plan = support::plan();
    let access = Access::from_properties(file).map_err(|error| error.to_string())?;
    let target = Target::parse(&format!("kafka://127.0.0.1:{port}")).unwrap();
    let (target, _) = target.completed(access).map_err(|error| error.to_string())?;
    let symbols = support::symbols(&plan);
    let setup = Setup {
        plan: &plan,
        run_id: "referee",
        naming: Naming::Private,
        here_only: true,
        symbols: &symbols,
        clock: Clock::start(),
        version: None,
        store: None,
        model: None,
        keep: false,
    };
    KafkaBus::connect(target, &setup).map(drop).map_err(|error| error.to_string())
}

pub(super) const PLAIN: &str = "org.apache.kafka.common.security.plain.PlainLoginModule";
pub(super) const SCRAM: &str = "org.apache.kafka.common.security.scram.ScramLoginModule";

/// A text as the value of one key, on lines that go on.
fn continued(text: &str) -> String {
    text.trim_end().lines().collect::<Vec<_>>().join(" \\\n   ")
}

/// Files, the listener that each is for, and words of the reason where tickgate refuses one.
fn tries(cluster: &Cluster) -> Vec<(u16, String, &'static str)> {
    let Cluster { certificates, users, safe, both, mutual, .. } = cluster;
    let at = |name: &str| certificates.file(name).display().to_string();
    let read = |name: &str| std::fs::read_to_string(certificates.file(name)).unwrap();
    let alice = "username=\"alice\" password=\"alice s3cret\";";
    let bob = "username='bob' password=\"bob's \\\\\"s3cret\\\\\"\";";
    let sasl = |mechanism: &str, login: &str| {
        format!("security.protocol=SASL_PLAINTEXT\nsasl.mechanism={mechanism}\nsasl.jaas.config={login}\n")
    };
    let trust = format!("ssl.truststore.type=PEM\nssl.truststore.location={}\n", at("ca.pem"));
    let inline =
        format!("ssl.truststore.type = PEM\nssl.truststore.certificates={}\n", continued(&read("ca.pem")));
    let tls = "security.protocol=SSL\n";
    let store = format!("ssl.keystore.type=PEM\nssl.keystore.location={}\n", at("client-store.pem"));
    let pair = format!(
        "ssl.keystore.type=PEM\nssl.keystore.key={}\nssl.keystore.certificate.chain={}\n",
        continued(&read("client.key")),
        continued(&read("client.pem"))
    );
    let over_tls = |login: &str| login.replace("SASL_PLAINTEXT", "SASL_SSL");
    vec![
        (*users, sasl("PLAIN", &format!("{PLAIN} required {alice}")), ""),
        (
            *users,
            sasl(
                "PLAIN",
                &format!("{PLAIN} required \\\n  username=\"alice\" \\\n  password=\"alice s3cret\";"),
            ),
            "",
        ),
        (*users, sasl("PLAIN", &format!("{SCRAM} required {alice}")), ""),
        (*users, sasl("SCRAM-SHA-512", &format!("{SCRAM} required \\\r\n\t{bob}")), ""),
        (*users, sasl("SCRAM-SHA-256", &format!("{SCRAM} REQUIRED /* him */ {bob}")), ""),
        (
            *users,
            format!(
                "! a\n# b \\\nsecurity.protocol : SASL_PLAINTEXT \nsasl.mechanism PLAIN\nsasl.jaas.config:{PLAIN} requ\\u0069red {alice}\n"
            ),
            "",
        ),
        (
            *users,
            sasl("PLAIN", &format!("{PLAIN} required username=\"alice\" password=\"wrong\";")),
            "Authentication failed",
        ),
        (
            *users,
            sasl("SCRAM-SHA-512", &format!("{SCRAM} required username=\"bob\" password=\"wrong\";")),
            "uthentication failed",
        ),
        (
            *users,
            sasl("PLAIN", &format!("{PLAIN} required {alice} {PLAIN} required;")),
            "several login modules",
        ),
        (*users, sasl("PLAIN", &format!("{PLAIN} required username=\"alice\"")), "end with `;`"),
        (*users, "security.protocol=SASL_PLAINTEXT\nsasl.mechanism=PLAIN\n".to_owned(), "names no user"),
        (*users, sasl("GSSAPI", &format!("{PLAIN} required {alice}")), "Kerberos"),
        (*safe, format!("{tls}{trust}"), ""),
        (*safe, format!("{tls}{inline}acks=all\n"), ""),
        (*safe, format!("{tls}{trust}ssl.endpoint.identification.algorithm=\nsasl.mechanism=PLAIN\n"), ""),
        (
            *safe,
            format!("{tls}ssl.truststore.type=PEM\nssl.truststore.location={}\n", at("client.pem")),
            "certificate verify failed",
        ),
        (*safe, format!("{tls}ssl.truststore.location={}\n", at("ca.pem")), "ssl.truststore.type=PEM"),
        (*safe, format!("{tls}{trust}ssl.truststore.password=x\n"), "has no password"),
        (
            *both,
            format!("{}{inline}", over_tls(&sasl("SCRAM-SHA-512", &format!("{SCRAM} required {bob}")))),
            "",
        ),
        (*both, format!("{}{trust}", over_tls(&sasl("PLAIN", &format!("{PLAIN} required {alice}")))), ""),
        (*mutual, format!("{tls}{trust}{store}"), ""),
        (*mutual, format!("{tls}{inline}{pair}"), ""),
        (*mutual, format!("{tls}{trust}"), "cannot connect"),
    ]
}

/// What the referee and tickgate say of files, each for a listener.
pub(super) fn both(tries: &[(u16, &str)]) -> Vec<(String, Result<(), String>)> {
    let folder = tempfile::tempdir().unwrap();
    let files: Vec<PathBuf> =
        (0..tries.len()).map(|at| folder.path().join(format!("{at}.properties"))).collect();
    let mut args = vec!["admit".to_owned()];
    for (file, (port, text)) in files.iter().zip(tries) {
        std::fs::write(file, text).unwrap();
        args.extend([format!("127.0.0.1:{port}"), file.display().to_string()]);
    }
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let (said, ours) = std::thread::scope(|scope| {
        let said = scope.spawn(|| referee(&args));
        let ours: Vec<_> = files
            .iter()
            .zip(tries)
            .map(|(file, (port, _))| scope.spawn(move || attempt(*port, file)))
            .collect();
        let ours: Vec<_> = ours.into_iter().map(|thread| thread.join().unwrap()).collect();
        (said.join().unwrap(), ours)
    });
    assert_eq!(said.len(), tries.len());
    said.into_iter().zip(ours).collect()
}

#[test]
fn whoever_kafkas_own_client_lets_in_gets_in_and_others_hear_why() {
    if !is_there() {
        return;
    }
    let cluster = Cluster::start();
    let tries = tries(&cluster);
    let (said, ours): (Vec<_>, Vec<_>) =
        both(&tries.iter().map(|(port, text, _)| (*port, text.as_str())).collect::<Vec<_>>())
            .into_iter()
            .unzip();
    for (((_, text, why), said), ours) in tries.iter().zip(&said).zip(&ours) {
        match ours {
            Ok(()) => assert_eq!((said.as_str(), *why), ("in", ""), "{text}"),
            Err(error) => {
                assert!(said.starts_with("refused "), "the referee gets in, and we do not: {error}\n{text}");
                assert!(!why.is_empty() && error.contains(why), "`{why}` is not in: {error}\n{text}");
                assert!(!error.contains("s3cret"), "{error}");
            }
        }
    }
    assert!(ours.iter().filter(|ours| ours.is_ok()).count() >= 11, "{ours:?}");
}

#[test]
fn a_run_with_a_login_over_several_lines_and_one_with_a_trust_store_in_pem_pass() {
    if !is_there() {
        return;
    }
    let cluster = Cluster::start();
    let place = Place::new();
    let login = "security.protocol=SASL_PLAINTEXT\nsasl.mechanism=SCRAM-SHA-512\nsasl.jaas.config=\
                 org.apache.kafka.common.security.scram.ScramLoginModule required \\\n    username=\"bob\" \\\n    \
                 password=\"bob's \\\\\"s3cret\\\\\"\";\nlinger.ms=5\n";
    let trust = format!(
        "ssl.truststore.location={}\nssl.truststore.type=PEM\n",
        cluster.certificates.file("ca.pem").display()
    );
    let safe = format!("{}{trust}", login.replace("SASL_PLAINTEXT", "SASL_SSL"));
    for (name, text, url) in [
        ("login.properties", login.to_owned(), format!("kafka://127.0.0.1:{}", cluster.users)),
        ("safe.properties", safe, format!("kafka+tls://127.0.0.1:{}", cluster.both)),
    ] {
        let file = place.write(name, text);
        let done = place.gate(&["--set", "bus.kind=kafka", "--broker", &url, "--creds", &file]);
        assert!([0, 1, 3].contains(&done.code), "{done:#?}");
        let record = place.record();
        assert_eq!((record.load.acked, record.groups[0].delivered), (2500, 2500));
        assert!(done.err.contains(&format!("{name}: not used: linger.ms")), "{done:#?}");
        assert!(!format!("{done:?}").contains("s3cret"));
        std::fs::remove_dir_all(place.path().join("reports")).unwrap();
    }
}

#[test]
fn a_quota_that_holds_the_producer_back_is_named_and_is_not_the_buss_fault() {
    if !is_there() {
        return;
    }
    let kafka = started("");
    let url = kafka.url();
    referee(&["quota", &url.replace("kafka://", ""), "producer_byte_rate", "200000"]);
    let place = Place::new();
    let load =
        ["--set", "load.rate=2k/s", "--set", "load.duration=6s", "--set", "objectives.latency.p99=< 500ms"];
    let more = [&load[..], &["--broker", &url]].concat();
    let done = place.gate(&[&["--set", "bus.kind=kafka"][..], &more].concat());
    done.ends(3);
    let record = place.record();
    assert_eq!(record.verdict, Verdict::Inconclusive);
    let marks: Vec<_> = record.marks.iter().filter(|mark| mark.kind == "producer-throttled").collect();
    assert!(!marks.is_empty() && marks[0].detail.contains("throttle_time_ms"), "{:?}", record.marks);
    let reasons: Vec<_> =
        record.objectives.iter().filter_map(|objective| objective.reason.as_deref()).collect();
    assert!(
        reasons.iter().any(|why| why.starts_with("the cluster's quota held the producer back for")),
        "{reasons:?}"
    );
    assert!(done.out.contains("the figures are the quota's, not the bus's"), "{}", done.out);
}
