//! Resolves a request to a broker, once, in the only place that knows every way to name a broker.

use std::path::Path;

use super::asked::{Asked, NamedBy};
use super::attach;
use super::cluster::{self, Site};
use super::driver::Flag;
use super::entrances;
use super::error::SessionError;
use super::faults;
use super::model;
use super::own::Own;
use super::product::{PRODUCTS, Product};
use super::target::{Elsewhere, Environment};
use super::terms::{Terms, terms};
use super::way::Way;
use crate::bus::Model;
use crate::plan::{BusKind, Cluster, Plan};
use crate::report::outside::address;
use crate::run::memory::Where;
use crate::topology::Naming;

/// A broker to run on: the server to start or the address to connect to, and the terms of use.
#[derive(Debug)]
pub struct Choice {
    pub(super) place: Place,
    pub(super) product: &'static Product,
    pub(super) terms: Terms,
    pub(crate) warnings: Vec<String>,
    /// Configuration, read from files, that the run's stream and consumers copy.
    pub(super) model: Option<Model>,
    /// Source of the name of a bus that tickgate did not start.
    pub(super) named_by: Option<String>,
    by_environment: bool,
    /// The servers to start, if tickgate starts them.
    cluster: Cluster,
}

/// Location of the broker.
#[derive(Debug)]
pub(super) enum Place {
    /// In this process.
    Simulated,
    /// On this machine, started by tickgate.
    Own(Own),
    /// A bus that tickgate did not start.
    Elsewhere(Elsewhere),
}

impl Place {
    fn site(&self) -> Site<'_> {
        match self {
            Self::Simulated => Site::Simulated,
            Self::Own(own) if own.in_container() => Site::Container,
            Self::Own(_) => Site::Processes,
            Self::Elsewhere(elsewhere) => Site::Elsewhere(elsewhere.target.label()),
        }
    }

    /// The number of servers that the address of a bus names.
    fn servers(&self) -> usize {
        match self {
            Self::Elsewhere(elsewhere) => elsewhere.target.hosts().len(),
            Self::Simulated | Self::Own(_) => 1,
        }
    }
}

impl Choice {
    /// Resolves a request for the plan's kind of bus, without connecting to or starting anything.
    ///
    /// # Errors
    /// When there is no such broker, when options conflict, or when the load needs a permission that the request lacks.
    pub fn resolve(asked: &Asked, plan: &Plan, environment: Environment<'_>) -> Result<Self, SessionError> {
        Self::among(&PRODUCTS, asked, plan, environment)
    }

    /// Like [`Self::resolve`], with a custom table of products.
    ///
    /// # Errors
    /// As [`Self::resolve`], and when the table has no product for the plan.
    pub fn among(
        products: &'static [Product],
        asked: &Asked,
        plan: &Plan,
        environment: Environment<'_>,
    ) -> Result<Self, SessionError> {
        let product = of_kind(products, plan.bus.kind)?;
        let asked = &asked.settled(product, environment)?;
        let place = place(products, product, asked, environment)?;
        let model = model::of_files(asked)?;
        cluster::check(plan, place.site(), product, model.is_some())?;
        faults::check(plan, place.site(), product, asked, place.servers())?;
        if asked.apart && !matches!(place, Place::Own(_)) {
            return Err(SessionError::asked(
                "--apart is for `--broker local`: only a server that tickgate starts can be given cores",
            ));
        }
        let process = matches!(asked.way_among(products), Way::Process | Way::Program);
        if asked.server_config.is_some() && !process {
            return Err(SessionError::asked(
                "--server-config is for `--broker local` and `local:PATH`: only a server that tickgate starts as a process has it",
            ));
        }
        if let Some(flag) = asked.monitoring().first()
            && !matches!(place, Place::Elsewhere(_))
        {
            return Err(SessionError::Asked(format!(
                "{flag} is for a bus that tickgate did not start: CPU and memory of its own servers are in the record \
                 anyway; leave it out"
            )));
        }
        let elsewhere = match &place {
            Place::Elsewhere(elsewhere) => Some(elsewhere),
            Place::Simulated | Place::Own(_) => None,
        };
        let hosts = elsewhere.map(|elsewhere| elsewhere.target.hosts());
        let mut warnings = elsewhere.map(|elsewhere| elsewhere.warnings.clone()).unwrap_or_default();
        warnings.extend(elsewhere.and_then(|elsewhere| entrances::notice(plan, elsewhere)));
        let named_by = elsewhere.and_then(|_| asked.named_by());
        let by_environment = matches!(asked.named_by, NamedBy::Variables(_));
        let mut terms = terms(asked, plan, hosts.as_deref(), product.own_naming)?;
        if let Some(stream) = plan.bus.attach() {
            warnings.extend(attach::allowed(asked, plan, stream, product, hosts.is_some())?);
            terms.naming = Naming::Profile;
        }
        let cluster = plan.cluster;
        let choice = Self { place, product, terms, warnings, model, named_by, by_environment, cluster };
        choice.check_model(plan)?;
        Ok(choice)
    }

    /// Describes the destination of the events, and the source of its name.
    #[must_use]
    pub fn target(&self) -> String {
        let by = self.named_by.as_ref().map(|by| format!(", named by {by}")).unwrap_or_default();
        format!("{}{by}", self.bus())
    }

    /// Describes the destination of the events, however it was named.
    #[must_use]
    pub fn bus(&self) -> String {
        let product = self.product.title();
        match &self.place {
            Place::Simulated => "the simulated bus".to_owned(),
            Place::Own(own) => {
                let servers = self.cluster.in_words();
                format!("{servers} of tickgate's own ({product}, {})", own.in_words())
            }
            Place::Elsewhere(elsewhere) => elsewhere.target.label().to_owned(),
        }
    }

    /// Returns whether the environment, and not a flag, named the bus.
    #[must_use]
    pub const fn is_by_environment(&self) -> bool {
        self.by_environment
    }

    /// Returns one wildcard for all subjects or topics of a run.
    #[must_use]
    pub fn subjects(&self, plan: &Plan, run: &str) -> String {
        format!("{}.{}", self.terms.naming.prefix(&plan.topology, run), self.product.everything)
    }

    /// Checks as much of a model as possible without a connection.
    fn check_model(&self, plan: &Plan) -> Result<(), SessionError> {
        let like = plan.bus.like();
        let Some(of) = like.or(self.model.as_ref().map(Model::of)) else { return Ok(()) };
        let key = format!("`bus.{}.like`", self.product.name());
        let log = self.product.log();
        if plan.bus.attach().is_some() {
            let files = if self.takes_files() { ", --stream-config and --consumer-config" } else { "" };
            return Err(SessionError::Asked(format!(
                "`bus.{}.attach` takes the {log} as it is: leave out {key}{files}",
                self.product.name()
            )));
        }
        if like.is_some() && self.model.is_some() {
            return Err(SessionError::Asked(format!(
                "{key} and --stream-config or --consumer-config exclude each other; leave one out"
            )));
        }
        match (&self.place, &self.model) {
            (Place::Simulated, _) => Err(SessionError::Asked(format!(
                "the simulated bus has no {log} like {of}; leave it out, or take another --broker"
            ))),
            (Place::Own(_), None) => {
                let how = if self.takes_files() {
                    "--broker or --context, or give its configuration in a file with --stream-config"
                } else {
                    "--broker"
                };
                Err(SessionError::Asked(format!(
                    "{key} names {of}, and a server that tickgate starts has no {log}s; name the bus that has it with {how}"
                )))
            }
            (_, Some(model)) => model::applied(model, plan).map(|_| ()),
            (Place::Elsewhere(_), None) => Ok(()),
        }
    }

    fn takes_files(&self) -> bool {
        self.product.flags.contains(&Flag::Model)
    }

    /// Returns the model of a run, and the plan with the model applied.
    pub(super) fn modelled(&self, plan: &Plan) -> Result<(Plan, Option<Model>), SessionError> {
        let model = match (&self.model, plan.bus.like().or(plan.bus.attach()), &self.place) {
            (None, Some(stream), Place::Elsewhere(elsewhere)) => {
                Some(elsewhere.target.model(stream)?.attached(plan.bus.attach().is_some()))
            }
            (model, _, _) => model.clone(),
        };
        let Some(model) = model else { return Ok((plan.clone(), None)) };
        let mut plan = model::applied(&model, plan)?.plan;
        if matches!(self.place, Place::Own(_)) {
            // Servers that tickgate starts keep no more copies than there are servers.
            plan.bus.replicas = plan.bus.replicas.min(plan.cluster.nodes);
        }
        Ok((plan, Some(model)))
    }

    /// Returns whether this is the simulated bus.
    #[must_use]
    pub const fn is_simulated(&self) -> bool {
        matches!(self.place, Place::Simulated)
    }

    /// Returns the machine whose memory the broker uses.
    pub(crate) const fn whereabouts(&self) -> Where {
        match &self.place {
            Place::Simulated => Where::Within,
            Place::Own(_) => Where::Beside,
            Place::Elsewhere(_) => Where::Elsewhere,
        }
    }

    /// Returns the requested directory for the store of a server that tickgate starts.
    pub(super) fn store(&self) -> Option<&Path> {
        match &self.place {
            Place::Own(own) => own.store.as_deref(),
            Place::Simulated | Place::Elsewhere(_) => None,
        }
    }
}

/// Returns the location of the requested broker.
fn place(
    products: &'static [Product],
    product: &'static Product,
    asked: &Asked,
    environment: Environment<'_>,
) -> Result<Place, SessionError> {
    let way = asked.way_among(products);
    if matches!(way, Way::Simulated) {
        return Ok(Place::Simulated);
    }
    product.driver()?;
    asked.fits(product, products)?;
    let by_environment = matches!(asked.named_by, NamedBy::Variables(_));
    match way {
        Way::Context | Way::Address(_) => Ok(Place::Elsewhere(asked.there(product, environment)?)),
        // A product's variable always holds an address of that product, or an invalid value.
        _ if by_environment => Ok(Place::Elsewhere(asked.there(product, environment)?)),
        Way::Process | Way::Program => Ok(Place::Own(Own::process(asked))),
        Way::Container(image) => Ok(Place::Own(Own::container(asked, image, product)?)),
        Way::Simulated | Way::Unknown => Err(unknown(&asked.label(), product)),
    }
}

/// Returns the product for a kind of bus.
fn of_kind(products: &'static [Product], kind: BusKind) -> Result<&'static Product, SessionError> {
    let found = products.iter().find(|product| product.kind == kind);
    found.ok_or_else(|| SessionError::Asked(format!("there is no product `{}` here", kind.name())))
}

fn unknown(at: &str, product: &Product) -> SessionError {
    SessionError::Asked(format!(
        "`--broker {}` is not a broker for `bus.kind = \"{}\"`; expected `local`, `local:PATH`, `container:IMAGE`, `sim`, {}",
        address(at),
        product.name(),
        product.addresses
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::selftest::swarm::base;
    use crate::session::ContextName;

    fn at(at: &str) -> Asked {
        Asked { at: Some(at.to_owned()), ..Asked::default() }
    }

    fn resolved(asked: &Asked, kind: BusKind) -> Result<Choice, String> {
        let mut plan = base(1);
        plan.bus.kind = kind;
        Choice::resolve(asked, &plan, &|_| None).map_err(|error| error.to_string())
    }

    #[test]
    fn each_way_to_a_broker_is_told_by_its_beginning() {
        for (text, way) in [
            ("sim", "Simulated"),
            ("local", "Process"),
            ("container", "Container(\"\")"),
            ("container:nats:2.15.1", "Container(\"nats:2.15.1\")"),
            ("containers", "Unknown"),
            ("Local", "Unknown"),
            ("amqp://h", "Unknown"),
        ] {
            assert_eq!(format!("{:?}", at(text).way()), way, "{text}");
        }
        for (text, name) in [
            ("nats://h:1", "nats"),
            ("tls://h:1", "nats"),
            ("kafka://h:1", "kafka"),
            ("kafka+tls://h:1", "kafka"),
        ] {
            let asked = at(text);
            assert!(matches!(asked.way(), Way::Address(product) if product.name() == name), "{text}");
        }
        let context = Asked { context: Some(ContextName::Named("x".into())), at: None, ..Asked::default() };
        assert!(matches!(context.way(), Way::Context));
        assert_eq!(
            (context.label(), at("nats://u:pw@h").label()),
            ("context x".into(), "nats://***@h".into())
        );
    }

    #[test]
    fn a_choice_has_the_terms_of_its_place() {
        let sim = resolved(&at("sim"), BusKind::Nats).unwrap();
        assert!(sim.is_simulated() && sim.whereabouts() == Where::Within);
        let store = Asked { store: Some("/s".into()), ..Asked::default() };
        let local = resolved(&store, BusKind::Nats).unwrap();
        assert_eq!((local.whereabouts(), local.store()), (Where::Beside, Some(Path::new("/s"))));
        assert_eq!(local.terms.naming, crate::topology::Naming::Profile);
        let elsewhere = resolved(&at("nats://u:secret1@127.0.0.1:1"), BusKind::Nats).unwrap();
        assert_eq!(elsewhere.whereabouts(), Where::Elsewhere);
        assert_eq!(elsewhere.terms.naming, crate::topology::Naming::Private);
        assert!(elsewhere.warnings[0].contains("on the command line"), "{:?}", elsewhere.warnings);
        assert!(!format!("{elsewhere:?}").contains("secret1"));
    }

    /// Resolves a request with these variables set.
    fn among(set: &[(&str, &str)], asked: &Asked, kind: BusKind) -> Result<Choice, SessionError> {
        let mut plan = base(1);
        plan.bus.kind = kind;
        let variable = |name: &str| {
            let found = set.iter().find(|(other, _)| *other == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        Choice::resolve(asked, &plan, &variable)
    }

    #[test]
    fn flags_come_before_the_environment_and_that_before_a_server_of_our_own() {
        let url =
            [("NATS_URL", "nats://staging.example:4222"), ("NATS_USER", "u"), ("NATS_PASSWORD", "hunter2")];
        let target = |set: &[(&str, &str)], asked: &Asked| {
            let choice = among(set, asked, BusKind::Nats).unwrap();
            (choice.target(), choice.is_by_environment())
        };
        let nothing = Asked::default();
        let own = "a server of tickgate's own (NATS, started on this machine for this run)".to_owned();
        assert_eq!(target(&[], &nothing), (own.clone(), false));
        assert_eq!(target(&[("NATS_URL", "")], &nothing), (own.clone(), false));
        let staging = "nats://staging.example:4222, named by $NATS_URL".to_owned();
        assert_eq!(target(&url, &nothing), (staging, true));
        assert_eq!(target(&url, &at("local")), (own, false));
        assert_eq!(target(&url, &at("sim")), ("the simulated bus".to_owned(), false));
        assert_eq!(target(&url, &at("nats://h:1")), ("nats://h:1, named by --broker".to_owned(), false));
        let bare = target(&[("NATS_URL", "a:1,b")], &nothing).0;
        assert_eq!(bare, "nats://a:1,nats://b:4222, named by $NATS_URL");
        let secret = target(&[("NATS_URL", "nats://u:hun/ter3@h")], &nothing).0;
        assert_eq!(secret, "nats://h:4222, named by $NATS_URL");
        // A variable cannot ask tickgate to start a server.
        assert_eq!(target(&[("NATS_URL", "local")], &nothing).0, "nats://local:4222, named by $NATS_URL");
    }

    #[test]
    fn a_context_of_the_environment_is_used_at_the_address_of_the_environment() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("nats/context")).unwrap();
        let write =
            |name: &str, text: &str| std::fs::write(folder.path().join("nats").join(name), text).unwrap();
        write("context/app.json", r#"{"url":"nats://app:4222","user":"u","password":"hunter2","more":1}"#);
        write("context.txt", "app");
        let config = folder.path().display().to_string();
        let of = |more: &[(&str, &str)], context: Option<ContextName>| {
            let set = [&[("XDG_CONFIG_HOME", config.as_str())], more].concat();
            among(&set, &Asked { context, ..Asked::default() }, BusKind::Nats).unwrap()
        };
        let by_variable = of(&[("NATS_CONTEXT", "app")], None);
        assert_eq!(by_variable.target(), "nats://app:4222 (context app), named by $NATS_CONTEXT");
        assert!(by_variable.is_by_environment());
        assert!(by_variable.warnings.iter().any(|warning| warning.contains("`more`")));
        let both = of(&[("NATS_CONTEXT", "app"), ("NATS_URL", "nats://other")], None);
        assert_eq!(both.target(), "nats://other:4222, named by $NATS_URL and $NATS_CONTEXT");
        assert!(format!("{both:?}").contains("user: \"u\""), "its credentials are the context's");
        let selected = of(&[("NATS_URL", "nats://other")], Some(ContextName::Selected));
        assert_eq!(selected.target(), "nats://app:4222 (context app), named by --context");
        assert!(!selected.is_by_environment());
    }

    #[test]
    fn a_way_in_without_an_address_is_not_left_aside() {
        let refused = |set: &[(&str, &str)], asked: &Asked, kind| match among(set, asked, kind) {
            Err(SessionError::Asked(text)) => text,
            other => panic!("{other:?}"),
        };
        let nothing = Asked::default();
        let kafka = if cfg!(feature = "kafka") { &PRODUCTS[..] } else { &PRODUCTS[..1] };
        for product in kafka {
            for name in product.variables.entry {
                let text = refused(&[(name, "hunter2")], &nothing, product.kind);
                assert!(text.starts_with(&format!("${name} is for a bus")), "{text}");
                assert!(text.contains(&format!("${}", product.variables.address)), "{text}");
                assert!(text.contains("--broker local") && !text.contains("hunter2"), "{text}");
                assert!(among(&[(name, "x")], &at("local"), product.kind).is_ok(), "it was asked for");
            }
        }
        let creds = Asked { creds: Some("a.creds".into()), ..Asked::default() };
        let text = refused(&[("NATS_USER", "u")], &creds, BusKind::Nats);
        assert!(text.starts_with("--creds, $NATS_USER are for a bus"), "{text}");
        assert!(among(&[("KAFKA_USER", "u")], &nothing, BusKind::Nats).is_ok(), "it is of another product");
    }

    #[test]
    fn what_the_environment_says_is_used_or_refused_by_its_name() {
        let refused = |set: &[(&str, &str)], asked: &Asked| match among(set, asked, BusKind::Nats) {
            Err(SessionError::Asked(text)) => {
                assert!(!text.contains("hunter2"), "{text}");
                text
            }
            other => panic!("{other:?}"),
        };
        let nothing = Asked::default();
        let at_url = |more: &[(&'static str, &'static str)]| [&[("NATS_URL", "nats://h")], more].concat();
        for (set, parts) in [
            (vec![("NATS_URL", "ws://u:hunter2@h")], ["$NATS_URL: ", "WebSocket"]),
            (vec![("NATS_URL", "kafka://h:1")], ["a Kafka URL", "bus.kind=kafka"]),
            (at_url(&[("NATS_SOCKS_PROXY", "socks5://h")]), ["$NATS_SOCKS_PROXY", "proxy"]),
            (at_url(&[("NATS_PASSWORD", "hunter2")]), ["$NATS_PASSWORD", "NATS_USER"]),
            (at_url(&[("NATS_TOKEN", "env://hunter2")]), ["$NATS_TOKEN", "reference"]),
            (at_url(&[("NATS_SEED", "hunter2")]), ["$NATS_SEED", "NATS_JWT"]),
            (at_url(&[("NATS_CREDS", "c"), ("NATS_TOKEN", "hunter2")]), ["$NATS_CREDS", "$NATS_TOKEN"]),
        ] {
            let text = refused(&set, &nothing);
            assert!(parts.iter().all(|part| text.contains(part)), "{text}");
        }
        let two = Asked { creds: Some("c".into()), user: Some("u".into()), ..at("nats://h") };
        assert!(refused(&[], &two).contains("--creds and --user"));
        let flag = Asked { creds: Some("c".into()), ..at("nats://h") };
        let set = [("NATS_CREDS", "c"), ("NATS_TOKEN", "hunter2")];
        assert!(among(&set, &flag, BusKind::Nats).is_ok(), "the flag comes first");
        let prefix = Asked { js_api_prefix: Some("JS.>".into()), ..at("nats://h") };
        assert!(refused(&[], &prefix).contains("`JS.>`"));
        let prefix = Asked { js_api_prefix: Some("JS.hub.API".into()), ..at("nats://h") };
        let warnings = among(&[], &prefix, BusKind::Nats).unwrap().warnings;
        assert!(warnings[0].contains("JS.hub.API") && warnings[0].contains("--allow-prefix"), "{warnings:?}");
    }

    #[cfg(feature = "kafka")]
    #[test]
    fn kafkas_variable_is_read_as_its_tools_write_it() {
        for (value, target) in [
            ("h:9092", "kafka://h:9092"),
            ("a:1,b:2", "kafka://a:1,b:2"),
            ("kafka+tls://h:1", "kafka+tls://h:1"),
            ("SASL_SSL://a:1,SASL_SSL://b:2", "kafka+tls://a:1,b:2"),
            ("PLAINTEXT://h:1", "kafka://h:1"),
        ] {
            let set = [("KAFKA_BOOTSTRAP_SERVERS", value), ("NATS_URL", "nats://h")];
            let choice = among(&set, &Asked::default(), BusKind::Kafka).unwrap();
            assert_eq!(choice.target(), format!("{target}, named by $KAFKA_BOOTSTRAP_SERVERS"));
        }
        let both =
            |name: &str| ["NATS_URL", "KAFKA_BOOTSTRAP_SERVERS"].contains(&name).then(|| "h:1".to_owned());
        let error = Asked::default().of_any_product(&both).unwrap_err().to_string();
        assert!(error.contains("$NATS_URL and $KAFKA_BOOTSTRAP_SERVERS"), "{error}");
        let one = |name: &str| (name == "KAFKA_BOOTSTRAP_SERVERS").then(|| "h:1".to_owned());
        assert_eq!(Asked::default().of_any_product(&one).unwrap().label(), "kafka://h:1");
        assert_eq!(Asked::default().of_any_product(&|_| None).unwrap(), Asked::default());
    }

    #[test]
    fn what_does_not_fit_together_is_refused() {
        let refused = |asked: &Asked, kind| resolved(asked, kind).unwrap_err();
        let unknown = refused(&at("redis://u:secret2@h"), BusKind::Nats);
        assert!(
            unknown.contains("`--broker redis://***@h` is not a broker for `bus.kind = \"nats\"`"),
            "{unknown}"
        );
        if cfg!(feature = "kafka") {
            let url = refused(&at("nats://h"), BusKind::Kafka);
            assert!(url.contains("a NATS URL is for NATS") && url.contains("bus.kind=nats"), "{url}");
            let flag = refused(&Asked { tls_first: true, ..at("local") }, BusKind::Kafka);
            assert!(flag.starts_with("--tls-first is for NATS"), "{flag}");
        } else {
            let absent = refused(&at("local"), BusKind::Kafka);
            assert!(
                absent.contains("built without Kafka") && absent.contains("`bus.kind = \"nats\"`"),
                "{absent}"
            );
        }
        let url = refused(&at("kafka://h:1"), BusKind::Nats);
        assert!(url.contains("a Kafka URL is for Kafka") && url.contains("bus.kind=kafka"), "{url}");
        let monitor = vec!["http://h:8222".to_owned()];
        for own in ["sim", "local"] {
            let own = refused(&Asked { monitor: monitor.clone(), ..at(own) }, BusKind::Nats);
            assert!(own.starts_with("--monitor is for a bus that tickgate did not start"), "{own}");
        }
        let https = Asked { monitor: vec!["https://h".to_owned()], ..at("nats://h") };
        assert!(refused(&https, BusKind::Nats).contains("`https` is not supported"));
        if cfg!(feature = "kafka") {
            let kafka = refused(&Asked { monitor, ..at("kafka://h") }, BusKind::Kafka);
            assert!(kafka.starts_with("--monitor is for NATS"), "{kafka}");
        }
        let image = refused(&at("container:apache/kafka"), BusKind::Nats);
        let store = refused(&Asked { store: Some("/s".into()), ..at("container") }, BusKind::Nats);
        if cfg!(feature = "containers") {
            assert!(image.contains("holds kafka") && image.contains("container:nats:"), "{image}");
            assert!(store.contains("--store is for `--broker local`"), "{store}");
        } else {
            assert!(image.contains("built without containers") && store == image, "{image}");
        }
    }
}
