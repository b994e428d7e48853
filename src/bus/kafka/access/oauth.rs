//! The login by a token that an endpoint issues for a client's credentials: OAUTHBEARER with the grant
//! `client_credentials`, by the settings of Kafka's own client and of librdkafka.

use super::jaas::Login;
use super::{Pem, stores};
use crate::bus::secret::Secret;
use crate::bus::{BusError, environment};

/// Name of the mechanism.
pub(super) const MECHANISM: &str = "OAUTHBEARER";
/// Java's class that requests tokens, by its names in Kafka 3 and 4.
const HANDLERS: [&str; 2] = [
    "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginCallbackHandler",
    "org.apache.kafka.common.security.oauthbearer.secured.OAuthBearerLoginCallbackHandler",
];
/// Java's classes that use the grant `client_credentials` for an endpoint over HTTP.
const RETRIEVERS: [&str; 2] = [
    "org.apache.kafka.common.security.oauthbearer.DefaultJwtRetriever",
    "org.apache.kafka.common.security.oauthbearer.ClientCredentialsJwtRetriever",
];
/// Java's classes that check a token before it is sent; the broker checks it in any case.
const VALIDATORS: [&str; 2] = [
    "org.apache.kafka.common.security.oauthbearer.DefaultJwtValidator",
    "org.apache.kafka.common.security.oauthbearer.ClientJwtValidator",
];
/// Keys of other grants and of unsecured tokens.
const OTHER_GRANTS: [&str; 4] = [
    "sasl.oauthbearer.config",
    "sasl.oauthbearer.assertion.",
    "sasl.oauthbearer.metadata.",
    "sasl.oauthbearer.jwt.bearer.",
];

/// The endpoint that issues tokens, and the client's credentials for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OAuth {
    /// URL of the endpoint, `https://…` or `http://…`.
    pub endpoint: String,
    /// ID of the client.
    pub client_id: String,
    /// Secret of the client.
    pub client_secret: Secret,
    /// Requested scope.
    pub scope: Option<String>,
    /// SASL extensions that are sent to the brokers with the token.
    pub extensions: Vec<(String, String)>,
    /// Whether ID and secret are percent-encoded in the request's header.
    pub encoded: bool,
    /// The token's claim that holds the name of the user.
    pub subject: String,
    /// Certificates of the authorities to trust for the endpoint.
    pub trust: Trust,
}

/// Authorities to trust for the endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    /// The system's, and those that the file names for the brokers.
    System(Option<Pem>),
    /// These alone.
    Only(Pem),
}

/// Returns whether a key that names a class names one whose work is done here.
pub(super) fn is_done_here(key: &str, value: &str) -> bool {
    key == "sasl.login.callback.handler.class" && HANDLERS.contains(&value)
}

/// Returns a setting of a properties file by its key.
type Setting<'a> = &'a dyn Fn(&str) -> Option<&'a str>;

/// Reads the settings of a file whose mechanism is OAUTHBEARER.
///
/// # Errors
/// When something is missing, contradicts itself, or is another grant.
pub(super) fn read<'a>(
    name: &'a str,
    keys: impl Iterator<Item = &'a str>,
    get: Setting<'a>,
    login: Option<&Login>,
) -> Result<OAuth, BusError> {
    let reader = Reader { name, get, login };
    reader.is_this_grant(keys)?;
    let (id, secret) = reader.client()?;
    let endpoint = reader.need(
        get("sasl.oauthbearer.token.endpoint.url").map(str::to_owned),
        "the endpoint of the tokens",
        "`sasl.oauthbearer.token.endpoint.url`",
    )?;
    let scope = reader.one_of(&["sasl.oauthbearer.scope"], "scope")?;
    Ok(OAuth {
        client_id: id,
        client_secret: Secret::new(secret),
        scope,
        extensions: reader.extensions()?,
        encoded: get("sasl.oauthbearer.header.urlencode")
            .is_some_and(|value| value.eq_ignore_ascii_case("true")),
        subject: get("sasl.oauthbearer.sub.claim.name").unwrap_or("sub").to_owned(),
        trust: reader.trust()?,
        endpoint,
    })
}

struct Reader<'a, 'l> {
    name: &'a str,
    get: Setting<'a>,
    login: Option<&'l Login>,
}

impl<'a> Reader<'a, '_> {
    fn wrong(&self, problem: &str, hint: &str) -> BusError {
        environment(&format!("{}: {problem}", self.name), hint)
    }

    fn option(&self, name: &str) -> Option<&str> {
        self.login.and_then(|login| login.option(name)).filter(|value| !value.is_empty())
    }

    /// Checks that the file asks for client credentials at an endpoint, and for nothing else.
    fn is_this_grant(&self, mut keys: impl Iterator<Item = &'a str>) -> Result<(), BusError> {
        const SUPPORTED: &str = "tickgate logs in by client credentials (`clientId`, `clientSecret`) at \
                                 `sasl.oauthbearer.token.endpoint.url`; use a client of that kind";
        let other = |key: &&str| OTHER_GRANTS.iter().any(|begin| key.starts_with(begin));
        if let Some(key) = keys.find(other) {
            return Err(
                self.wrong(&format!("`{key}` is for another grant, which is not supported"), SUPPORTED)
            );
        }
        for (key, supported) in [
            ("sasl.oauthbearer.jwt.retriever.class", &RETRIEVERS[..]),
            ("sasl.oauthbearer.jwt.validator.class", &VALIDATORS[..]),
            ("sasl.oauthbearer.grant.type", &["client_credentials"][..]),
            ("sasl.oauthbearer.method", &["oidc"][..]),
            ("enable.sasl.oauthbearer.unsecure.jwt", &["false"][..]),
        ] {
            if let Some(value) = (self.get)(key)
                && !supported.contains(&value)
            {
                return Err(self.wrong(&format!("`{key}` is `{value}`, which is not supported"), SUPPORTED));
            }
        }
        let unsecured =
            |login: &&Login| login.options.iter().any(|(key, _)| key.starts_with("unsecuredLogin"));
        if self.login.is_some_and(|login| unsecured(&login)) {
            return Err(self
                .wrong("`unsecuredLogin…` asks for an unsecured token, which is not supported", SUPPORTED));
        }
        let of_java = (self.get)("sasl.login.callback.handler.class").is_some();
        if !of_java && (self.get)("sasl.oauthbearer.method").is_none() {
            return Err(self.wrong(
                "it does not say how a token is fetched: by Kafka's default it would be an unsecured one",
                &format!("add `sasl.login.callback.handler.class={}`", HANDLERS[0]),
            ));
        }
        Ok(())
    }

    /// Returns the only value among alternative keys and an option of the login module.
    fn one_of(&self, keys: &[&'static str], option: &str) -> Result<Option<String>, BusError> {
        let by_key = keys.iter().filter_map(|&key| Some((key, (self.get)(key)?)));
        let by_option = self.option(option).map(|value| (option, value));
        let mut given = by_key.chain(by_option);
        let Some((first, value)) = given.next() else { return Ok(None) };
        match given.find(|(_, other)| *other != value) {
            Some((other, _)) => {
                Err(self.wrong(&format!("`{first}` and `{other}` say different things"), "give one of them"))
            }
            None => Ok(Some(value.to_owned())),
        }
    }

    fn need(&self, value: Option<String>, what: &str, key: &str) -> Result<String, BusError> {
        value.ok_or_else(|| {
            self.wrong(&format!("it asks for OAUTHBEARER without {what}"), &format!("add {key}"))
        })
    }

    /// Returns the client's ID and secret.
    fn client(&self) -> Result<(String, String), BusError> {
        let id = self.one_of(
            &["sasl.oauthbearer.client.credentials.client.id", "sasl.oauthbearer.client.id"],
            "clientId",
        )?;
        let secret = self.one_of(
            &["sasl.oauthbearer.client.credentials.client.secret", "sasl.oauthbearer.client.secret"],
            "clientSecret",
        )?;
        let id = self.need(
            id,
            "the client's ID",
            "`sasl.oauthbearer.client.credentials.client.id`, or `clientId` in `sasl.jaas.config`",
        )?;
        let secret = self.need(
            secret,
            "the client's secret",
            "`sasl.oauthbearer.client.credentials.client.secret`, or `clientSecret` in `sasl.jaas.config`",
        )?;
        Ok((id, secret))
    }

    /// Returns the SASL extensions: options of the login module, or librdkafka's list.
    fn extensions(&self) -> Result<Vec<(String, String)>, BusError> {
        let options = self.login.map(|login| login.options.as_slice()).unwrap_or_default();
        let mut all: Vec<(String, String)> = options
            .iter()
            .filter_map(|(key, value)| Some((key.strip_prefix("extension_")?.to_owned(), value.clone())))
            .collect();
        for pair in (self.get)("sasl.oauthbearer.extensions").into_iter().flat_map(|all| all.split(',')) {
            let (key, value) = pair.split_once('=').ok_or_else(|| {
                self.wrong("`sasl.oauthbearer.extensions` is not a list of KEY=VALUE", "write it as a=1,b=2")
            })?;
            all.push((key.trim().to_owned(), value.trim().to_owned()));
        }
        // As RFC 7628 has it; `auth` is the token's own place.
        let bad = |(key, value): &&(String, String)| {
            key.is_empty()
                || key == "auth"
                || !key.bytes().all(|byte| byte.is_ascii_alphabetic())
                || !value.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\t' | b'\r' | b'\n'))
        };
        if let Some((key, _)) = all.iter().find(bad) {
            return Err(self.wrong(
                &format!("the SASL extension `{key}` is not valid"),
                "its name has letters only, and its value printable characters",
            ));
        }
        Ok(all)
    }

    /// Returns the authorities for the endpoint: those of the login module or of librdkafka's key alone, else the
    /// system's with those for the brokers.
    fn trust(&self) -> Result<Trust, BusError> {
        if let Some(path) = (self.get)("https.ca.location") {
            return Ok(Trust::Only(Pem::At(path.into())));
        }
        let options = self.login.map(|login| login.options.as_slice()).unwrap_or_default();
        let supported = |key: &str| key.starts_with("ssl.truststore.") || key == "ssl.protocol";
        if let Some((key, _)) = options.iter().find(|(key, _)| key.starts_with("ssl.") && !supported(key)) {
            return Err(self.wrong(
                &format!("`{key}` in `sasl.jaas.config` is not supported for the endpoint of the tokens"),
                "leave it out if the endpoint answers without it",
            ));
        }
        let name = format!("{}, `sasl.jaas.config`", self.name);
        let own = stores::read(&name, &|key| self.option(key))?.ca;
        if let Some(own) = own {
            return Ok(Trust::Only(own));
        }
        // The caller has read the file's own stores before, and names their mistakes.
        Ok(Trust::System(stores::read(self.name, self.get).ok().and_then(|files| files.ca)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Access;
    use super::*;

    fn access(text: &str) -> Result<Access, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("client.properties");
        std::fs::write(&path, text).unwrap();
        Access::from_properties(&path).map_err(|error| error.to_string())
    }

    const HEAD: &str = "security.protocol=SASL_SSL\nsasl.mechanism=OAUTHBEARER\n";
    const URL: &str = "sasl.oauthbearer.token.endpoint.url=https://login.example/token\n";

    fn handler() -> String {
        format!("sasl.login.callback.handler.class={}\n", HANDLERS[0])
    }

    fn jaas(options: &str) -> String {
        format!(
            "sasl.jaas.config=org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required {options};\n"
        )
    }

    #[test]
    fn each_way_to_write_client_credentials_is_read() {
        let old =
            jaas("clientId=\"me\" clientSecret=\"s3cret\" scope=\"a b\" extension_logicalCluster='lkc-1'");
        let new = "sasl.oauthbearer.client.credentials.client.id=me\n\
                   sasl.oauthbearer.client.credentials.client.secret=s3cret\nsasl.oauthbearer.scope=a b\n";
        let rdkafka = "sasl.oauthbearer.method=oidc\nsasl.oauthbearer.client.id=me\nsasl.oauthbearer.client.secret=s3cret\n\
                       sasl.oauthbearer.scope=a b\nsasl.oauthbearer.extensions=logicalCluster=lkc-1\n";
        for text in [
            format!("{HEAD}{URL}{}{old}", handler()),
            format!("{HEAD}{URL}{}{new}{}", handler(), jaas("extension_logicalCluster=\"lkc-1\"")),
            format!("{HEAD}{URL}{rdkafka}"),
        ] {
            let access = access(&text).unwrap();
            let oauth = access.oauth.clone().unwrap();
            assert_eq!((oauth.client_id.as_str(), oauth.client_secret.expose()), ("me", "s3cret"), "{text}");
            assert_eq!((oauth.scope.as_deref(), oauth.subject.as_str()), (Some("a b"), "sub"));
            assert_eq!(oauth.extensions, [("logicalCluster".to_owned(), "lkc-1".to_owned())]);
            assert_eq!(
                (oauth.endpoint.as_str(), &oauth.trust),
                ("https://login.example/token", &Trust::System(None))
            );
            assert!(access.warnings.is_empty(), "{:?}", access.warnings);
            assert_eq!(access.secrets().map(Secret::expose).collect::<Vec<_>>(), ["s3cret"]);
            assert!(!format!("{access:?}").contains("s3cret"));
        }
    }

    #[test]
    fn whatever_asks_for_another_login_is_refused_by_its_name() {
        let credentials = jaas("clientId=\"me\" clientSecret=\"s3cret\"");
        let plain = "sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required username=\"u\" \
                     password=\"s3cret\";\n";
        for (rest, part) in [
            (format!("{URL}{credentials}"), "by Kafka's default it would be an unsecured one"),
            (format!("{}{credentials}", handler()), "`sasl.oauthbearer.token.endpoint.url`"),
            (format!("{URL}{}{}", handler(), jaas("clientId=\"me\"")), "without the client's secret"),
            (format!("{URL}{}{}", handler(), jaas("clientSecret=\"s3cret\"")), "without the client's ID"),
            (format!("{URL}{}", handler()), "without the client's ID"),
            (
                format!("{URL}{}{}", handler(), jaas("unsecuredLoginStringClaim_sub=\"me\"")),
                "unsecured token",
            ),
            (
                format!("{URL}{}{credentials}sasl.oauthbearer.client.credentials.client.id=you\n", handler()),
                "`sasl.oauthbearer.client.credentials.client.id` and `clientId` say different things",
            ),
            (
                format!("{URL}{}{credentials}sasl.oauthbearer.assertion.algorithm=RS256\n", handler()),
                "`sasl.oauthbearer.assertion.algorithm` is for another grant",
            ),
            (
                format!("{URL}{}{credentials}sasl.oauthbearer.jwt.retriever.class=a.B\n", handler()),
                "`sasl.oauthbearer.jwt.retriever.class` is `a.B`",
            ),
            (
                format!("{URL}{credentials}sasl.login.callback.handler.class=com.vendor.Handler\n"),
                "`sasl.login.callback.handler.class` is not supported",
            ),
            (
                format!(
                    "{URL}{}{}",
                    handler(),
                    jaas("clientId=\"me\" clientSecret=\"s3cret\" extension_a1=\"x\"")
                ),
                "extension `a1`",
            ),
            (
                format!(
                    "{URL}{}{}",
                    handler(),
                    jaas("clientId=\"me\" clientSecret=\"s3cret\" ssl.keystore.type=\"PEM\"")
                ),
                "`ssl.keystore.type` in `sasl.jaas.config` is not supported",
            ),
            (format!("{URL}{}{plain}", handler()), "PlainLoginModule` is not for OAUTHBEARER"),
            (
                format!(
                    "{URL}{}{credentials}ssl.truststore.type=PEM\nssl.truststore.password=x\n",
                    handler()
                ),
                "has no password",
            ),
        ] {
            let error = access(&format!("{HEAD}{rest}")).unwrap_err();
            assert!(error.contains(part) && !error.contains("s3cret"), "`{part}` is not in: {error}");
        }
        let error =
            access(&format!("security.protocol=SASL_SSL\nsasl.mechanism=PLAIN\n{credentials}")).unwrap_err();
        assert!(error.contains("OAuthBearerLoginModule` is not for PLAIN"), "{error}");
    }

    #[test]
    fn settings_without_effect_are_named() {
        let credentials = jaas("clientId=\"me\" clientSecret=\"s3cret\" other=\"x\"");
        let rest = "sasl.login.refresh.window.factor=0.8\nsasl.oauthbearer.expected.audience=kafka\n";
        let warnings =
            access(&format!("{HEAD}{URL}{}{credentials}{rest}", handler())).unwrap().warnings.join("; ");
        for key in ["sasl.login.refresh.window.factor", "sasl.oauthbearer.expected.audience", "other"] {
            assert!(warnings.contains(key), "{key}: {warnings}");
        }
        let plain = "security.protocol=SASL_SSL\nsasl.mechanism=PLAIN\nsasl.username=u\nsasl.password=p\n";
        let warnings = access(&format!("{plain}{URL}")).unwrap().warnings.join("; ");
        assert!(warnings.contains("not used: sasl.oauthbearer.token.endpoint.url"), "{warnings}");
    }
}
