//! An operator, an account and a user, as `nsc` would make them: JWTs signed with nkeys.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use nkeys::KeyPair;
use serde_json::{Value, json};

/// A server's configuration in operator mode, and the `.creds` texts of its one user and of one of the system account.
pub struct OperatorMode {
    pub config: String,
    pub creds: String,
    pub system_creds: String,
}

impl OperatorMode {
    /// An account with `JetStream` and no limits.
    pub fn new() -> Self {
        Self::until(None)
    }

    /// The same, with a user whose JWT ends at a time, in seconds since 1970.
    pub fn until(expires: Option<u64>) -> Self {
        let (operator, account, user) =
            (KeyPair::new_operator(), KeyPair::new_account(), KeyPair::new_user());
        let system = KeyPair::new_account();
        let claims = |kind: &str| json!({"type": kind, "version": 2});
        let operator_jwt = sign(&operator, &operator.public_key(), "operator", &claims("operator"), None);
        let limits = json!({
            "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": true, "conn": -1, "leaf": -1,
            "mem_storage": -1, "disk_storage": -1, "streams": -1, "consumer": -1
        });
        let mut account_claims = claims("account");
        account_claims["limits"] = limits;
        let account_jwt = sign(&operator, &account.public_key(), "trading", &account_claims, None);
        let mut system_claims = claims("account");
        system_claims["limits"] = json!({
            "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": true, "conn": -1, "leaf": -1
        });
        let system_jwt = sign(&operator, &system.public_key(), "SYS", &system_claims, None);
        let mut user_claims = claims("user");
        for unlimited in ["subs", "data", "payload"] {
            user_claims[unlimited] = json!(-1);
        }
        let user_jwt = sign(&account, &user.public_key(), "harness", &user_claims, expires);
        let watcher = KeyPair::new_user();
        let watcher_jwt = sign(&system, &watcher.public_key(), "watcher", &user_claims, None);
        Self {
            config: format!(
                "operator: {operator_jwt}\nsystem_account: {}\nresolver: MEMORY\nresolver_preload: {{\n {}: {account_jwt}\n {}: {system_jwt}\n}}",
                system.public_key(),
                account.public_key(),
                system.public_key(),
            ),
            creds: creds(&user_jwt, &user.seed().expect("a seed")),
            system_creds: creds(&watcher_jwt, &watcher.seed().expect("a seed")),
        }
    }
}

fn sign(issuer: &KeyPair, subject: &str, name: &str, nats: &Value, expires: Option<u64>) -> String {
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let header = json!({"typ": "JWT", "alg": "ed25519-nkey"});
    let mut claims = json!({
        "jti": format!("ID-{name}"), "iat": 1_700_000_000, "iss": issuer.public_key(), "name": name, "sub": subject, "nats": nats,
    });
    if let Some(expires) = expires {
        claims["exp"] = expires.into();
    }
    let signed = format!("{}.{}", encode(&header), encode(&claims));
    let signature = issuer.sign(signed.as_bytes()).expect("a signature");
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// The text of a `.creds` file.
pub fn creds(jwt: &str, seed: &str) -> String {
    format!(
        "-----BEGIN NATS USER JWT-----\n{jwt}\n------END NATS USER JWT------\n\n\
         -----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
    )
}
