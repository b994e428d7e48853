//! Monitors the nodes of a NATS bus that tickgate did not start: through the endpoints that the user named, or with
//! credentials of the system account.

use super::asked::Asked;
use super::door::keep_out;
use super::error::SessionError;
use super::target::{Environment, Going, Target, exposure};
use crate::broker::{BrokerError, Endpoint, Nodes, observe_system, watch, watch_system};
use crate::bus::leftover::Cleaner;
use crate::bus::nats::{self, Api, Auth, Found, System};
use crate::bus::secret::Secret;
use crate::bus::{BusError, Model};
use crate::host::clock::Clock;
use crate::lint::live::Server;
use crate::record::Record;

/// What to do when an endpoint does not answer.
const HINT: &str = "check the address: `http_port` in the server's configuration opens it, 8222 by custom, and clients use \
                    another port; or leave out --monitor, and CPU and memory of the broker are unknown";

/// Variable with the password of `--monitor-user`.
pub(super) const PASSWORD: &str = "NATS_MONITOR_PASSWORD";

/// Where the figures of the servers come from.
#[derive(Debug)]
pub(super) enum Source {
    /// Their monitoring endpoints.
    Endpoints(Vec<Endpoint>),
    /// The system account.
    System(Box<SystemAccount>),
}

/// Access to the system account.
#[derive(Debug)]
pub(super) struct SystemAccount {
    target: nats::Target,
    /// The flag that names it.
    flag: &'static str,
    /// Whether its addresses differ from those of the bus.
    elsewhere: bool,
}

/// Returns the requested source of figures, if any, and warnings for the user.
pub(super) fn source(
    asked: &Asked,
    bus: &nats::Target,
    environment: Environment<'_>,
) -> Result<(Option<Source>, Vec<String>), SessionError> {
    let password = environment(PASSWORD).filter(|text| !text.is_empty() && !asked.by_file());
    if password.is_some() && asked.monitor_user.is_none() {
        return Err(SessionError::Asked(format!(
            "${PASSWORD} is set, and nothing names its user; give --monitor-user"
        )));
    }
    let flag = match asked.monitoring()[..] {
        [] => return Ok((None, Vec::new())),
        ["--monitor"] => return Ok((Some(Source::Endpoints(endpoints(asked)?)), Vec::new())),
        [flag] => flag,
        [one, other, ..] => {
            return Err(SessionError::Asked(format!(
                "{one} and {other} exclude each other; leave one of them out"
            )));
        }
    };
    let (target, mut warnings) = system(asked, bus, password, environment)?;
    target.secrets().for_each(keep_out);
    let plain = target.urls.iter().map(String::as_str).filter(|url| !url.starts_with("tls://"));
    let open = target.secret().is_some() && !target.requires_tls();
    warnings.extend(exposure(false, plain.filter(|_| open)));
    let elsewhere = target.urls != bus.urls;
    Ok((Some(Source::System(Box::new(SystemAccount { target, flag, elsewhere }))), warnings))
}

/// Returns the target of the system account: the bus's own servers with other credentials, or a context.
fn system(
    asked: &Asked,
    bus: &nats::Target,
    password: Option<String>,
    environment: Environment<'_>,
) -> Result<(nats::Target, Vec<String>), SessionError> {
    if let Some(name) = &asked.monitor_context {
        let nats::ContextFile { target, warnings } = Found::named(name, environment)?.read(environment)?;
        return Ok((target, warnings));
    }
    let auth = match (&asked.monitor_creds, &asked.monitor_user) {
        (Some(creds), _) => Auth::Creds(creds.clone()),
        (None, user) => {
            let Some(password) = password else {
                return Err(SessionError::Asked(format!("--monitor-user has no password; set ${PASSWORD}")));
            };
            Auth::User { user: user.clone().unwrap_or_default(), password: Secret::new(password) }
        }
    };
    // Inboxes and the API are those of another account.
    Ok((nats::Target { auth, inbox_prefix: None, api: Api::Default, ..bus.clone() }, Vec::new()))
}

impl SystemAccount {
    /// Asks all servers that the account reports for what a lint looks at.
    pub(super) fn observe(&self) -> Result<Vec<Server>, BusError> {
        let observed = System::connect(&self.target).and_then(|system| observe_system(&system));
        observed.map_err(|error| self.explain(error))
    }

    fn watch(&self, bus: &nats::Target, clock: Clock) -> Result<Nodes, BusError> {
        // An error here is the bus's own, and is not of this flag.
        let of = self.elsewhere.then(|| System::server_at(bus)).transpose()?;
        let watched = System::connect(&self.target).and_then(|system| {
            let of = of.unwrap_or_else(|| system.server_id());
            watch_system(system, &of, clock)
        });
        watched.map_err(|error| self.explain(error))
    }

    /// Names the flag in an error.
    fn explain(&self, error: BusError) -> BusError {
        match error {
            BusError::Environment { problem, hint } => BusError::Environment {
                problem: format!("{}: {problem}", self.flag),
                hint: format!(
                    "{hint}; or leave out {}, and CPU and memory of the broker are unknown",
                    self.flag
                ),
            },
            other => other,
        }
    }
}

/// Parses the named endpoints and removes duplicates.
pub(super) fn endpoints(asked: &Asked) -> Result<Vec<Endpoint>, SessionError> {
    let mut all: Vec<Endpoint> = Vec::new();
    for text in &asked.monitor {
        let endpoint: Endpoint =
            text.parse().map_err(|problem| SessionError::Asked(format!("--monitor: {problem}")))?;
        if all.contains(&endpoint) {
            return Err(SessionError::Asked(format!("--monitor names {endpoint} twice")));
        }
        all.push(endpoint);
    }
    Ok(all)
}

/// A NATS target whose servers are monitored.
#[derive(Debug)]
pub(super) struct Monitored {
    pub(super) target: nats::Target,
    pub(super) source: Source,
}

impl Target for Monitored {
    fn label(&self) -> &str {
        self.target.label()
    }

    fn hosts(&self) -> Vec<String> {
        self.target.hosts()
    }

    fn run(&self, going: Going<'_, '_>) -> Result<Record, SessionError> {
        self.target.run(going)
    }

    fn model(&self, stream: &str) -> Result<Model, BusError> {
        Target::model(&self.target, stream)
    }

    fn cleaner(&self) -> Result<Box<dyn Cleaner>, BusError> {
        self.target.cleaner()
    }

    fn nodes(&self, clock: Clock) -> Result<Nodes, SessionError> {
        match &self.source {
            Source::Endpoints(endpoints) => watch(endpoints, clock).map_err(|error| match error {
                BrokerError::SameNode { .. } => SessionError::asked(format!("--monitor: {error}")),
                error => BusError::Environment { problem: error.to_string(), hint: HINT.into() }.into(),
            }),
            Source::System(system) => system.watch(&self.target, clock).map_err(SessionError::from),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_read_and_none_twice() {
        let named = |urls: &[&str]| {
            let monitor = urls.iter().map(|&url| url.to_owned()).collect();
            endpoints(&Asked { monitor, ..Asked::default() }).map_err(|error| error.to_string())
        };
        assert_eq!(named(&[]).unwrap().len(), 0);
        assert_eq!(named(&["http://a:8222", "b"]).unwrap().len(), 2);
        assert!(named(&["http://a", "a:8222"]).unwrap_err().contains("http://a:8222 twice"));
        assert!(named(&["https://a"]).unwrap_err().starts_with("--monitor: `https` is not supported"));
    }

    fn found(asked: &Asked, password: &str) -> Result<Option<Source>, String> {
        let bus = nats::Target::parse("nats://me:pw@bus.example:4222").unwrap();
        let bus = nats::Target { inbox_prefix: Some("mine".into()), ..bus };
        let variable = |name: &str| (name == PASSWORD).then(|| password.to_owned());
        source(asked, &bus, &variable).map(|(source, _)| source).map_err(|error| error.to_string())
    }

    #[test]
    fn the_system_account_is_reached_on_the_buss_own_servers() {
        let user = Asked { monitor_user: Some("sys".into()), ..Asked::default() };
        let Ok(Some(Source::System(system))) = found(&user, "s3cret") else { panic!("no source") };
        assert!(!system.elsewhere && system.target.inbox_prefix.is_none());
        assert_eq!(system.target.urls, ["nats://bus.example:4222"]);
        assert!(matches!(&system.target.auth, Auth::User { user, .. } if user == "sys"));
        assert!(!format!("{system:?}").contains("s3cret"));
        let creds = Asked { monitor_creds: Some("sys.creds".into()), ..Asked::default() };
        let Ok(Some(Source::System(system))) = found(&creds, "") else { panic!("no source") };
        assert_eq!((system.flag, &system.target.auth), ("--monitor-creds", &Auth::Creds("sys.creds".into())));
        assert!(found(&Asked::default(), "").unwrap().is_none());
    }

    #[test]
    fn one_way_to_the_figures_is_named_with_all_that_it_takes() {
        let user = Asked { monitor_user: Some("sys".into()), ..Asked::default() };
        assert!(found(&user, "").unwrap_err().contains("set $NATS_MONITOR_PASSWORD"));
        assert!(found(&Asked::default(), "x").unwrap_err().contains("give --monitor-user"));
        let both = Asked { monitor: vec!["http://a".into()], ..user };
        assert!(found(&both, "x").unwrap_err().contains("--monitor and --monitor-user exclude each other"));
        let none = Asked { monitor_context: Some("nowhere.example".into()), ..Asked::default() };
        assert!(found(&none, "").is_err());
    }
}
