//! Drawn properties files of Kafka's clients: their text, read by Java and by tickgate, and whole files on a broker.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;

use tickgate::bus::kafka::{jaas, properties};

use super::properties::{Cluster, PLAIN, SCRAM, both, referee};
use crate::support::draw::Draw;
use crate::support::kafka::is_there;
use crate::support::spelling;

/// Texts that are drawn, and files on a broker; `make campaign` draws others.
const TEXTS: u64 = 1000;
const FILES: u64 = 20;
const SEED: u64 = 1;

fn seed() -> u64 {
    std::env::var("TICKGATE_CAMPAIGN_SEED").ok().map_or(SEED, |text| text.parse().unwrap())
}

/// Characters of users and passwords: what means something to one of the two grammars.
const LETTERS: [char; 24] = [
    'a',
    'Z',
    '0',
    ' ',
    '"',
    '\'',
    '\\',
    '=',
    ':',
    ';',
    '#',
    '!',
    '/',
    '*',
    '@',
    '%',
    '$',
    '{',
    ',',
    '\t',
    '\n',
    '\u{e4}',
    '\u{20ac}',
    '\u{1f600}',
];

fn word(draw: &mut Draw, most: usize) -> String {
    (0..=draw.below(most)).map(|_| draw.of(&LETTERS)).collect()
}

/// A certificate's text on one line, as a value that goes on has it.
fn pem(draw: &mut Draw) -> String {
    let lines = (0..=draw.below(4)).map(|_| "MIIBszCCAVmgAwIBAgIUdGlja2dhdGU+/w==").collect::<Vec<_>>();
    format!(
        "-----BEGIN CERTIFICATE----- {} -----END CERTIFICATE-----",
        lines.join(draw.of(&[" ", "\n", " \n"]))
    )
}

/// The pairs of a file, and the options of the login in it.
type Drawn = (Vec<(String, String)>, Vec<(String, String)>);

fn client(draw: &mut Draw) -> Drawn {
    let mut options = vec![("username".to_owned(), word(draw, 8)), ("password".to_owned(), word(draw, 16))];
    if draw.one_in(3) {
        options.push(("serviceName".to_owned(), "kafka".to_owned()));
    }
    draw.shuffle(&mut options);
    let module = draw.of(&[PLAIN, SCRAM]);
    let mut pairs = vec![("sasl.jaas.config".to_owned(), spelling::login(draw, module, &options))];
    for (key, value) in [
        ("security.protocol", "SASL_SSL"),
        ("sasl.mechanism", "SCRAM-SHA-512"),
        ("ssl.truststore.type", "PEM"),
        ("ssl.truststore.location", "C:\\kafka\\trust store.pem"),
        ("ssl.endpoint.identification.algorithm", ""),
        ("client.id", " gate "),
    ] {
        if draw.one_in(2) {
            pairs.push((key.to_owned(), value.to_owned()));
        }
    }
    if draw.one_in(2) {
        pairs.push(("ssl.truststore.certificates".to_owned(), pem(draw)));
    }
    if draw.one_in(3) {
        pairs.push((word(draw, 6), word(draw, 12)));
    }
    draw.shuffle(&mut pairs);
    (pairs, options)
}

fn hex(text: &str) -> String {
    text.bytes().fold(String::new(), |out, byte| format!("{out}{byte:02x}"))
}

/// Pairs as the referee prints them.
fn shown<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let all: BTreeMap<String, String> = pairs.map(|(key, value)| (hex(key), hex(value))).collect();
    all.iter().flat_map(|(key, value)| [" ", key.as_str(), "=", value.as_str()].map(str::to_owned)).collect()
}

/// What tickgate reads of a file, as the referee prints it.
fn ours(text: &str) -> String {
    let entries = properties::parse(text.as_bytes()).unwrap();
    let pairs = shown(entries.iter().map(|entry| (entry.key.as_str(), entry.value.as_str())));
    let login = entries.iter().rfind(|entry| entry.key == "sasl.jaas.config").unwrap();
    let login = jaas::parse(&login.value).map_or_else(
        |_| "refused".to_owned(),
        |login| {
            let options = login.options.iter().map(|(key, value)| (key.as_str(), value.as_str()));
            format!("read {}{}", hex(&login.module), shown(options))
        },
    );
    format!("read{pairs} | {login}")
}

#[test]
fn files_of_any_spelling_are_read_as_java_and_kafkas_client_read_them() {
    if !is_there() {
        return;
    }
    let drawn: Vec<_> = (seed()..seed() + TEXTS)
        .map(|seed| {
            let mut draw = Draw::new(seed);
            let (pairs, options) = client(&mut draw);
            (seed, spelling::file(&mut draw, &pairs), pairs, options)
        })
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cases");
    std::fs::write(&file, drawn.iter().map(|(_, text, ..)| hex(text) + "\n").collect::<String>()).unwrap();
    let java = referee(&["client", &file.display().to_string()]);
    assert_eq!(java.len(), drawn.len());
    for ((seed, text, pairs, options), java) in drawn.iter().zip(&java) {
        let said = ours(text);
        assert_eq!(&said, java, "seed {seed}: tickgate, then Java\n{text:?}");
        let meant = shown(pairs.iter().map(|(key, value)| (key.as_str(), value.as_str())));
        let login = shown(options.iter().map(|(key, value)| (key.as_str(), value.as_str())));
        assert!(said.starts_with(&format!("read{meant} |")), "seed {seed}: {meant}\n{text:?}\n{said}");
        assert!(said.ends_with(&login), "seed {seed}: {login}\n{text:?}\n{said}");
    }
}

/// A drawn file for a listener, and words of which a refusal has one.
struct Try {
    port: u16,
    text: String,
    reasons: Vec<&'static str>,
}

/// What a file says beside its login, some of it wrong.
struct Maker<'a> {
    cluster: &'a Cluster,
    draw: Draw,
    pairs: Vec<(String, String)>,
    reasons: Vec<&'static str>,
}

impl Maker<'_> {
    fn set(&mut self, key: &str, value: impl Into<String>) {
        self.pairs.push((key.to_owned(), value.into()));
    }

    fn path(&self, name: &str) -> String {
        self.cluster.certificates.file(name).display().to_string()
    }

    fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.cluster.certificates.file(name)).unwrap().trim_end().to_owned()
    }

    /// True once in eight draws: then something is wrong, and a refusal names it by one of these.
    fn wrong(&mut self, reasons: &[&'static str]) -> bool {
        let wrong = self.draw.one_in(8);
        if wrong {
            self.reasons.extend(reasons);
        }
        wrong
    }

    fn login(&mut self) {
        let scram = self.draw.one_in(2);
        let (user, right) = if scram { ("bob", "bob's \"s3cret\"") } else { ("alice", "alice s3cret") };
        let right = if self.wrong(&["uthentication failed"]) { "wrong-s3cret" } else { right };
        let mechanism = match (scram, self.draw.one_in(2)) {
            _ if self.wrong(&["Kerberos"]) => "GSSAPI",
            (true, true) => "SCRAM-SHA-256",
            (true, false) => "SCRAM-SHA-512",
            (false, _) => "PLAIN",
        };
        self.set("sasl.mechanism", mechanism);
        let module = if scram || self.draw.one_in(6) { SCRAM } else { PLAIN };
        let mut options =
            vec![("username".to_owned(), user.to_owned()), ("password".to_owned(), right.to_owned())];
        self.draw.shuffle(&mut options);
        let mut text = spelling::login(&mut self.draw, module, &options);
        if self.wrong(&["end with `;`", "no value"]) {
            text.truncate(text.rfind(['"', '\'']).unwrap() + 1);
        }
        self.set("sasl.jaas.config", text);
    }

    fn trust(&mut self) {
        let name = if self.wrong(&["certificate verify failed"]) { "client.pem" } else { "ca.pem" };
        if self.draw.one_in(2) {
            if !self.wrong(&["ssl.truststore.type=PEM"]) {
                self.set("ssl.truststore.type", "PEM");
            }
            let path = self.path(name);
            self.set("ssl.truststore.location", path);
            if self.wrong(&["has no password"]) {
                self.set("ssl.truststore.password", "s3cret");
            }
        } else {
            self.set("ssl.truststore.type", "PEM");
            let text = self.text(name);
            let text = text.replace('\n', self.draw.of(&["\n", " ", "\r\n", " \n"]));
            self.set("ssl.truststore.certificates", text);
        }
    }

    fn key(&mut self) {
        if self.wrong(&["cannot connect"]) {
            return;
        }
        self.set("ssl.keystore.type", "PEM");
        if self.draw.one_in(2) {
            let path = self.path("client-store.pem");
            self.set("ssl.keystore.location", path);
        } else {
            let (key, chain) = (self.text("client.key"), self.text("client.pem"));
            self.set("ssl.keystore.key", key);
            self.set("ssl.keystore.certificate.chain", chain);
        }
    }

    fn finish(mut self, port: u16) -> Try {
        for (key, value) in [
            ("ssl.endpoint.identification.algorithm", "https"),
            ("ssl.protocol", "TLSv1.3"),
            ("ssl.enabled.protocols", "TLSv1.2,TLSv1.3"),
            ("acks", "all"),
            ("client.id", "gate"),
        ] {
            if self.draw.one_in(4) {
                self.set(key, value);
            }
        }
        self.draw.shuffle(&mut self.pairs);
        let text = spelling::file(&mut self.draw, &self.pairs);
        Try { port, text, reasons: self.reasons }
    }
}

fn drawn(cluster: &Cluster, seed: u64) -> Try {
    let mut maker = Maker { cluster, draw: Draw::new(seed), pairs: Vec::new(), reasons: Vec::new() };
    let (port, protocol) = maker.draw.of(&[
        (cluster.users, "SASL_PLAINTEXT"),
        (cluster.safe, "SSL"),
        (cluster.both, "SASL_SSL"),
        (cluster.both, "SASL_SSL"),
        (cluster.mutual, "SSL"),
    ]);
    let protocol = if maker.draw.one_in(4) { protocol.to_lowercase() } else { protocol.to_owned() };
    if maker.wrong(&["`security.protocol` is"]) {
        maker.set("security.protocol", "TLS");
    } else {
        maker.set("security.protocol", protocol);
    }
    if port == cluster.users || port == cluster.both {
        maker.login();
    }
    if port != cluster.users {
        maker.trust();
    }
    if port == cluster.mutual {
        maker.key();
    }
    maker.finish(port)
}

#[test]
fn whoever_kafkas_own_client_lets_in_by_a_drawn_file_gets_in_and_others_hear_why() {
    if !is_there() {
        return;
    }
    let cluster = Cluster::start();
    let tries: Vec<_> = (seed()..seed() + FILES).map(|seed| (seed, drawn(&cluster, seed))).collect();
    let asked: Vec<_> = tries.iter().map(|(_, this)| (this.port, this.text.as_str())).collect();
    let (mut wrong, mut passed) = (Vec::new(), 0);
    for ((seed, this), (said, ours)) in tries.iter().zip(both(&asked)) {
        let problem = match &ours {
            Ok(()) if said == "in" => {
                passed += 1;
                continue;
            }
            Ok(()) => "we get in, and the referee does not".to_owned(),
            Err(_) if said == "in" => "the referee gets in, and we do not".to_owned(),
            Err(error) if error.contains("s3cret") => "a secret is said".to_owned(),
            Err(error) if this.reasons.iter().any(|reason| error.contains(reason)) => continue,
            Err(_) => format!("the reason is not said: none of {:?}", this.reasons),
        };
        wrong.push(format!("seed {seed}: {problem}\nreferee: {said}\nours: {ours:?}\n{}\n", this.text));
    }
    println!("{FILES} files from seed {}: {passed} got in, {} were refused", seed(), tries.len() - passed);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(passed > 4 && passed < tries.len(), "a campaign has both kinds: {passed}");
}
