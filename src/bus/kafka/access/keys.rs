//! How each key of a `client.properties` is handled.

/// How a key is handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is used.
    Used,
    /// Ignoring it would weaken security or log in another user: the file is refused, with this reason.
    Refused(&'static str),
    /// It is used by the login with a token, else listed in a warning.
    OfToken,
    /// It is listed in a warning.
    Named,
}

/// The part of the connection that a key applies to. The key matters only if the protocol has this part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Tls,
    Sasl,
    Other,
}

/// Returns the part that a key applies to.
pub(super) fn part(key: &str) -> Part {
    match key {
        "enable.ssl.certificate.verification" => Part::Tls,
        _ if key.starts_with("ssl.") => Part::Tls,
        _ if key.starts_with("sasl.") => Part::Sasl,
        _ => Part::Other,
    }
}

const CLASS: &str = "tickgate runs no Java class";
const PROVIDER: &str = "tickgate's TLS is OpenSSL's, without providers or engines";

/// Returns how a key with a value is handled.
pub(super) fn fate(key: &str) -> Fate {
    match key {
        "security.protocol"
        | "bootstrap.servers"
        | "metadata.broker.list"
        | "client.dns.lookup"
        | "sasl.mechanism"
        | "sasl.mechanisms"
        | "sasl.jaas.config"
        | "sasl.username"
        | "sasl.password"
        | "ssl.truststore.type"
        | "ssl.truststore.location"
        | "ssl.truststore.certificates"
        | "ssl.truststore.password"
        | "ssl.keystore.type"
        | "ssl.keystore.location"
        | "ssl.keystore.password"
        | "ssl.keystore.key"
        | "ssl.keystore.certificate.chain"
        | "ssl.key.password"
        | "ssl.endpoint.identification.algorithm"
        | "ssl.protocol"
        | "ssl.enabled.protocols"
        | "ssl.cipher.suites"
        | "ssl.trustmanager.algorithm"
        | "ssl.keymanager.algorithm"
        | "ssl.ca.location"
        | "ssl.ca.pem"
        | "ssl.certificate.location"
        | "ssl.certificate.pem"
        | "ssl.key.location"
        | "ssl.key.pem"
        | "ssl.crl.location"
        | "ssl.curves.list"
        | "ssl.sigalgs.list"
        | "enable.ssl.certificate.verification" => Fate::Used,
        "sasl.oauthbearer.token.endpoint.url"
        | "sasl.oauthbearer.client.credentials.client.id"
        | "sasl.oauthbearer.client.credentials.client.secret"
        | "sasl.oauthbearer.client.id"
        | "sasl.oauthbearer.client.secret"
        | "sasl.oauthbearer.scope"
        | "sasl.oauthbearer.extensions"
        | "sasl.oauthbearer.method"
        | "sasl.oauthbearer.grant.type"
        | "sasl.oauthbearer.header.urlencode"
        | "sasl.oauthbearer.sub.claim.name"
        | "sasl.oauthbearer.jwt.retriever.class"
        | "sasl.oauthbearer.jwt.validator.class"
        | "enable.sasl.oauthbearer.unsecure.jwt"
        | "https.ca.location" => Fate::OfToken,
        "sasl.login.class"
        | "sasl.login.callback.handler.class"
        | "sasl.client.callback.handler.class"
        | "ssl.engine.factory.class" => Fate::Refused(CLASS),
        "ssl.provider"
        | "ssl.providers"
        | "security.providers"
        | "ssl.engine.id"
        | "ssl.engine.location"
        | "ssl.secure.random.implementation" => Fate::Refused(PROVIDER),
        "config.providers" => {
            Fate::Refused("its references are resolved by Java classes; write the values into the file")
        }
        _ => Fate::Named,
    }
}
