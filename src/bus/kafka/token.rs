//! Tokens for OAUTHBEARER: one endpoint issues them, and all clients of a run share the newest.
//!
//! A separate thread requests the next token when three quarters of the current one's time are over, so that no thread that
//! carries events waits for the endpoint. Each client takes the newest token on its own thread ([`Tokens::give`]).

use std::ffi::{CStr, CString, c_char};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_nats::rustls::pki_types::CertificateDer;
use async_nats::rustls::pki_types::pem::PemObject as _;
use async_nats::rustls::{ClientConfig, RootCertStore};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rdkafka::ClientContext;
use rdkafka::bindings;
use rdkafka::client::Client;
use rdkafka::types::RDKafkaRespErr;
use serde_json::Value;

use super::access::{self, OAuth, Pem, Trust};
use super::post::{self, Answer, Endpoint};
use crate::bus::marks::Notes;
use crate::bus::secret::Secret;
use crate::bus::{BusError, environment};
use crate::host::clock::Clock;
use crate::num;

/// Time between two attempts to renew a token.
const AGAIN: Duration = Duration::from_secs(3);
/// Shortest time between two tokens, whatever their lifetime.
const SHORTEST: Duration = Duration::from_secs(1);
/// Longest texts of an endpoint in a message, characters.
const SHOWN: usize = 200;

/// A token with what a client needs to know about it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Token {
    text: Secret,
    /// Name of the user, from the token.
    principal: String,
    /// End of its validity, milliseconds since 1970.
    expires_ms: i64,
}

/// The newest token; clones share it.
#[derive(Clone)]
pub(super) struct Tokens(Arc<Shared>);

struct Shared {
    newest: Mutex<Token>,
    /// Number of the newest token, from 1.
    number: AtomicU64,
    extensions: Vec<CString>,
    /// Ends the thread that renews the token when it is dropped.
    _alive: Sender<()>,
}

impl Tokens {
    /// Requests the first token, and starts to renew it.
    ///
    /// # Errors
    /// When the endpoint issues none.
    pub(super) fn start(oauth: &OAuth, notes: Notes) -> Result<Self, BusError> {
        let issuer = Issuer::new(oauth)?;
        let token = issuer.request().map_err(|problem| issuer.failed(&problem))?;
        let text = |text: &String| CString::new(text.as_str()).ok();
        let extensions = oauth.extensions.iter().flat_map(|(key, value)| [text(key), text(value)]).flatten();
        let (alive, ended) = channel::<()>();
        let tokens = Self(Arc::new(Shared {
            newest: Mutex::new(token),
            number: AtomicU64::new(1),
            extensions: extensions.collect(),
            _alive: alive,
        }));
        let weak = Arc::downgrade(&tokens.0);
        let renew = move || {
            let mut wait = weak.upgrade().map_or(AGAIN, |shared| shared.wait(now_ms()));
            while ended.recv_timeout(wait) == Err(RecvTimeoutError::Timeout) {
                let answer = issuer.request();
                let Some(shared) = weak.upgrade() else { return };
                wait = match answer {
                    Ok(token) => {
                        *shared.newest() = token;
                        shared.number.fetch_add(1, Ordering::Release);
                        shared.wait(now_ms())
                    }
                    Err(problem) => {
                        let (endpoint, problem) = (issuer.endpoint.authority(), issuer.scrub(&problem));
                        notes.mark("token-not-renewed", &format!("no token from {endpoint}: {problem}"));
                        AGAIN
                    }
                };
            }
        };
        std::thread::Builder::new().name("tokens".to_owned()).spawn(renew).map_err(|error| {
            environment(
                &format!("cannot start a thread: {error}"),
                "raise the limit of threads (`ulimit -u`)",
            )
        })?;
        Ok(tokens)
    }

    /// Gives a client the newest token, unless it is the one with the number `has`, which is then updated.
    ///
    /// # Errors
    /// When the client does not accept it.
    pub(super) fn give<C: ClientContext>(&self, client: &Client<C>, has: &AtomicU64) -> Result<(), String> {
        let number = self.0.number.load(Ordering::Acquire);
        if has.load(Ordering::Relaxed) == number {
            return Ok(());
        }
        has.store(number, Ordering::Relaxed);
        let token = self.0.newest().clone();
        let wrong = |_| "the token has a zero byte".to_owned();
        let text = CString::new(token.text.expose()).map_err(wrong)?;
        let principal = CString::new(token.principal).map_err(wrong)?;
        let mut extensions: Vec<*const c_char> = self.0.extensions.iter().map(|text| text.as_ptr()).collect();
        let mut problem: [c_char; 512] = [0; 512];
        #[expect(unsafe_code, reason = "rdkafka has no call for it that also takes extensions")]
        // SAFETY: the client is alive, librdkafka copies all texts, and `problem` ends with a zero byte.
        let (code, problem) = unsafe {
            let code = bindings::rd_kafka_oauthbearer_set_token(
                client.native_ptr(),
                text.as_ptr(),
                token.expires_ms,
                principal.as_ptr(),
                extensions.as_mut_ptr(),
                extensions.len(),
                problem.as_mut_ptr(),
                problem.len(),
            );
            (code, CStr::from_ptr(problem.as_ptr()).to_string_lossy().into_owned())
        };
        if code == RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR { Ok(()) } else { Err(problem) }
    }
}

impl Shared {
    fn newest(&self) -> std::sync::MutexGuard<'_, Token> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the time until the token is renewed.
    fn wait(&self, now_ms: i64) -> Duration {
        let left = self.newest().expires_ms.saturating_sub(now_ms);
        Duration::from_millis(u64::try_from(left.saturating_mul(3) / 4).unwrap_or(0)).max(SHORTEST)
    }
}

fn now_ms() -> i64 {
    i64::try_from(Clock::start().unix_ns_at_epoch() / 1_000_000).unwrap_or(i64::MAX)
}

/// The endpoint with everything that a request takes.
struct Issuer {
    endpoint: Endpoint,
    authorization: Secret,
    form: String,
    tls: Option<Arc<ClientConfig>>,
    subject: String,
    client_id: String,
    secret: Secret,
}

impl Issuer {
    fn new(oauth: &OAuth) -> Result<Self, BusError> {
        let endpoint = endpoint(oauth)?;
        let part = |text: &str| if oauth.encoded { post::encoded(text) } else { text.to_owned() };
        let pair = format!("{}:{}", part(&oauth.client_id), part(oauth.client_secret.expose()));
        let scope = oauth.scope.as_ref().map(|scope| format!("&scope={}", post::encoded(scope)));
        let tls = if endpoint.tls { Some(Arc::new(trusting(&oauth.trust)?)) } else { None };
        Ok(Self {
            authorization: Secret::new(format!("Basic {}", STANDARD.encode(pair))),
            form: format!("grant_type=client_credentials{}", scope.unwrap_or_default()),
            tls,
            subject: oauth.subject.clone(),
            client_id: oauth.client_id.clone(),
            secret: oauth.client_secret.clone(),
            endpoint,
        })
    }

    fn request(&self) -> Result<Token, String> {
        let asked = now_ms();
        let answer = post::post(&self.endpoint, self.authorization.expose(), &self.form, self.tls.clone())?;
        read(&answer, &self.subject, &self.client_id, asked)
    }

    fn failed(&self, problem: &str) -> BusError {
        let problem = self.scrub(problem);
        let hint = if problem.contains("status 401") || problem.contains("invalid_client") {
            "check `clientId` and `clientSecret`, and that the client may use the grant client_credentials"
        } else if problem.contains("certificate") {
            "give the CA that signed the endpoint's certificate (`ssl.truststore.…`), and the host name that is in it"
        } else {
            "check `sasl.oauthbearer.token.endpoint.url`, and what the endpoint says"
        };
        let endpoint = self.endpoint.authority();
        environment(&format!("no token from {endpoint}: {problem}"), hint)
    }

    /// Removes the secret from a text of the endpoint, which might quote it.
    fn scrub(&self, text: &str) -> String {
        let basic = self.authorization.expose().trim_start_matches("Basic ");
        let secret = self.secret.expose();
        [secret, &post::encoded(secret), basic]
            .iter()
            .fold(text.to_owned(), |text, secret| text.replace(*secret, "***"))
    }
}

/// Returns the endpoint of a login by tokens.
///
/// # Errors
/// When its URL cannot be used.
pub(super) fn endpoint(oauth: &OAuth) -> Result<Endpoint, BusError> {
    Endpoint::parse(&oauth.endpoint).map_err(|problem| {
        environment(
            &format!("`sasl.oauthbearer.token.endpoint.url` cannot be used: {problem}"),
            "write it as https://HOST/PATH",
        )
    })
}

/// Returns TLS settings that trust these authorities.
///
/// # Errors
/// When there is no usable certificate in a file.
pub(super) fn trusting(trust: &Trust) -> Result<ClientConfig, BusError> {
    let mut roots = RootCertStore::empty();
    let given = match trust {
        Trust::Only(pem) => Some(pem),
        Trust::System(pem) => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            pem.as_ref()
        }
    };
    if let Some(pem) = given {
        let (text, name) = match pem {
            Pem::Text(text) => (text.expose().to_owned(), "the properties file".to_owned()),
            Pem::At(path) => {
                let text = std::fs::read_to_string(path).map_err(|error| {
                    environment(
                        &format!("cannot read {}: {error}", path.display()),
                        "check the path and its rights",
                    )
                })?;
                (text, path.display().to_string())
            }
        };
        let wrong = |problem: &str| {
            environment(
                &format!("{name} holds no certificate for the endpoint of the tokens: {problem}"),
                "give the block from -----BEGIN to -----END",
            )
        };
        let text = access::certificates(&text).ok_or_else(|| wrong("none in PEM"))?;
        for certificate in CertificateDer::pem_slice_iter(text.as_bytes()) {
            let certificate = certificate.map_err(|error| wrong(&error.to_string()))?;
            roots.add(certificate).map_err(|error| wrong(&error.to_string()))?;
        }
    }
    Ok(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth())
}

/// Reads the token in an answer to a request at the time `asked`.
fn read(answer: &Answer, subject: &str, client_id: &str, asked_ms: i64) -> Result<Token, String> {
    let body: Option<Value> = serde_json::from_slice(&answer.body).ok();
    if answer.status != 200 {
        let said = body.as_ref().map(|body| {
            let words = ["error", "error_description"].iter().filter_map(|key| body.get(key)?.as_str());
            words.collect::<Vec<_>>().join(": ")
        });
        let said = said.filter(|said| !said.is_empty()).map(|said| format!(" ({})", plain(&said)));
        return Err(format!("status {}{}", answer.status, said.unwrap_or_default()));
    }
    let body = body.filter(Value::is_object).ok_or("the answer is not a JSON object")?;
    // Kafka's own client takes the ID token where there is no access token.
    let text = ["access_token", "id_token"].iter().find_map(|key| body.get(key)?.as_str());
    let text =
        text.map(str::trim).filter(|text| !text.is_empty()).ok_or("the answer has no `access_token`")?;
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("the token has characters that no token may have".to_owned());
    }
    let claims = claims(text);
    let of_claim = |name: &str| claims.as_ref().and_then(|claims| claims.get(name));
    let own = of_claim("exp").and_then(Value::as_f64).map(|seconds| seconds * 1e3);
    let lasts = body.get("expires_in").and_then(|lasts| {
        lasts.as_f64().or_else(|| lasts.as_str()?.parse().ok()).map(|seconds| milliseconds(seconds * 1e3))
    });
    let expires_ms = own
        .map(milliseconds)
        .or_else(|| lasts.map(|lasts| asked_ms.saturating_add(lasts)))
        .ok_or("neither the token (`exp`) nor the answer (`expires_in`) says how long the token is valid")?;
    if expires_ms <= asked_ms {
        return Err("the token has expired already; compare the clocks".to_owned());
    }
    let principal = of_claim(subject).and_then(Value::as_str).unwrap_or(client_id);
    Ok(Token { text: Secret::new(text), principal: principal.to_owned(), expires_ms })
}

fn milliseconds(value: f64) -> i64 {
    i64::try_from(num::u64_of(value)).unwrap_or(i64::MAX)
}

/// Returns the claims of a token that is a JWT.
fn claims(token: &str) -> Option<Value> {
    let body = token.split('.').nth(1)?.trim_end_matches('=');
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(body).ok()?).ok()
}

/// Returns a text of the endpoint on one line of limited length.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(SHOWN).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jwt(claims: &str) -> String {
        format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims))
    }

    fn answer(status: u16, body: &str) -> Result<Token, String> {
        read(&Answer { status, body: body.as_bytes().to_vec() }, "sub", "me", 1_000_000)
    }

    #[test]
    fn the_time_and_the_user_of_a_token_are_its_own_or_the_answers() {
        let token = answer(200, &format!(r#"{{"access_token":"{}"}}"#, jwt(r#"{"sub":"svc","exp":2000.5}"#)))
            .unwrap();
        assert_eq!((token.principal.as_str(), token.expires_ms), ("svc", 2_000_500));
        let token =
            answer(200, r#"{"access_token":" opaque ","expires_in":"60","token_type":"Bearer"}"#).unwrap();
        assert_eq!((token.principal.as_str(), token.expires_ms), ("me", 1_060_000));
        assert_eq!(token.text.expose(), "opaque");
        let token =
            answer(200, &format!(r#"{{"id_token":"{}","expires_in":60}}"#, jwt(r#"{"exp":3000}"#))).unwrap();
        assert_eq!((token.principal.as_str(), token.expires_ms), ("me", 3_000_000));
    }

    #[test]
    fn an_answer_without_a_token_says_why() {
        for (status, body, says) in [
            (
                401,
                r#"{"error":"invalid_client","error_description":"no such\nclient"}"#,
                "status 401 (invalid_client: no such client)",
            ),
            (401, "<html>", "status 401"),
            (302, "", "status 302"),
            (200, "<html>", "the answer is not a JSON object"),
            (200, "[1]", "the answer is not a JSON object"),
            (200, "{}", "the answer has no `access_token`"),
            (200, r#"{"access_token":7}"#, "the answer has no `access_token`"),
            (200, r#"{"access_token":"a\u0001b"}"#, "the token has characters that no token may have"),
        ] {
            assert_eq!(answer(status, body).unwrap_err(), says);
        }
        assert!(answer(200, r#"{"access_token":"x"}"#).unwrap_err().contains("how long"));
        let old = format!(r#"{{"access_token":"{}"}}"#, jwt(r#"{"exp":999}"#));
        assert!(answer(200, &old).unwrap_err().contains("expired"));
    }

    #[test]
    fn a_token_is_renewed_when_three_quarters_of_its_time_are_over() {
        let shared = Shared {
            newest: Mutex::new(Token { text: Secret::new("x"), principal: "me".into(), expires_ms: 100_000 }),
            number: AtomicU64::new(1),
            extensions: Vec::new(),
            _alive: channel().0,
        };
        assert_eq!(shared.wait(20_000), Duration::from_mins(1));
        assert_eq!((shared.wait(99_999), shared.wait(200_000)), (SHORTEST, SHORTEST));
    }

    fn oauth(secret: &str) -> OAuth {
        OAuth {
            endpoint: "http://127.0.0.1:1/token".into(),
            client_id: "me".into(),
            client_secret: Secret::new(secret),
            scope: Some("a b".into()),
            extensions: Vec::new(),
            encoded: true,
            subject: "sub".into(),
            trust: Trust::System(None),
        }
    }

    #[test]
    fn no_error_shows_the_secret() {
        let issuer = Issuer::new(&oauth("s3 cret")).unwrap();
        assert_eq!(issuer.form, "grant_type=client_credentials&scope=a+b");
        assert_eq!(issuer.authorization.expose(), "Basic bWU6czMrY3JldA==");
        for quoted in ["s3 cret", "s3+cret", "bWU6czMrY3JldA=="] {
            let error = issuer.failed(&format!("status 401 (invalid_client: {quoted})")).to_string();
            assert!(error.contains("no token from 127.0.0.1:1: status 401 (invalid_client: ***)"), "{error}");
        }
        let refused = issuer.request().unwrap_err();
        assert!(refused.contains("refused"), "{refused}");
    }
}
