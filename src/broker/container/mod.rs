//! A broker in a container that tickgate starts: ports on the host's loopback, a network and a volume that are removed
//! with it, and nothing left behind.

mod config;
mod engine;
mod facts;
mod kafka;
mod nats;
mod owned;
mod reaper;
mod recipe;
mod server;

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;

use bollard::models::{ContainerCreateBody, HostConfig, HostConfigLogConfig, Mount, MountType, PortBinding};
use bollard::query_parameters::{
    AttachContainerOptionsBuilder, CreateContainerOptionsBuilder, StopContainerOptionsBuilder,
    UploadToContainerOptionsBuilder,
};

pub use config::ContainerConfig;
pub use reaper::reap;
pub use recipe::Image;

use super::BrokerError;
use super::kafka::answers;
use super::nats::Monitor;
use super::process::child::check_store;
use super::process::guard::{self, Reaper};
use super::process::log::last_lines;
use super::process::ports::{Ports, random};
use crate::host::cgroup::ControlGroup;
use crate::host::resources::Meter;
use crate::num;
use engine::Engine;
use recipe::{Ready, Recipe};

/// Maximum time from start to ready; a Java broker takes a while on a busy machine.
const READY_WITHIN: Duration = Duration::from_secs(90);
/// Maximum time for an orderly shutdown.
const END_WITHIN: Duration = Duration::from_secs(10);
/// Time between two checks of a container that is changing its state.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// Time between two readiness checks: each one makes the engine wake a process.
const ASK_EVERY: Duration = Duration::from_millis(100);
/// Maximum time for Kafka to log its version, which it does shortly after it accepts clients.
const NAMED_WITHIN: Duration = Duration::from_secs(5);
/// Attempts to find free ports, since another process may take them first.
const PORT_ATTEMPTS: u32 = 5;

/// A running broker in a container; dropping it removes the container, its network and its volume.
#[derive(Debug)]
pub struct Container {
    config: ContainerConfig,
    engine: Engine,
    name: String,
    ports: Ports,
    recipe: Recipe,
    facts: Vec<(String, String)>,
    /// ID of the container's network, if the engine has created one.
    network: Option<String>,
    group: Option<ControlGroup>,
    warnings: Vec<String>,
    /// How the last start of the container ended, once it has ended.
    ended: Arc<Mutex<Option<String>>>,
    log: Option<tokio::task::JoinHandle<()>>,
    log_from: u64,
    /// Dropped last, so that the reaper ends after the container is removed.
    reaper: Option<Reaper>,
}

impl Container {
    /// Starts a container, pulling its image if needed, and returns when the broker accepts clients.
    ///
    /// # Errors
    /// When there is no engine or image, when the broker ends or is not ready in time (with the last lines of its log),
    /// or when `interrupted` returns true.
    pub fn start(config: ContainerConfig, interrupted: &dyn Fn() -> bool) -> Result<Self, BrokerError> {
        let engine = Engine::reach()?;
        let image = engine.image(&config.image.reference, interrupted)?;
        let mut warnings = Vec::new();
        warnings.extend(store_warning(&engine, &config)?);
        let name = format!("tickgate-{:016x}", random());
        let mut command = guard::command(&config.reaper);
        command.args(["reap-container", &name]);
        let reaper = Reaper::run(command);
        if let Err(error) = &reaper {
            warnings.push(format!("no reaper ({error}): the container {name} stays if tickgate is killed"));
        }
        let ports = Ports::free(config.port).map_err(BrokerError::io("find a free port"))?;
        let mut container = Self {
            recipe: Recipe::of(&config, &name, ports)?,
            facts: facts::facts(&config, &engine, &image),
            network: None,
            group: None,
            ended: Arc::default(),
            log: None,
            log_from: 0,
            reaper: reaper.ok(),
            config,
            engine,
            name,
            ports,
            warnings,
        };
        let mut attempt = 1;
        loop {
            match container.create().and_then(|()| container.launch(interrupted)) {
                Err(BrokerError::Engine { problem, .. })
                    if is_taken(&problem) && container.config.port.is_none() && attempt < PORT_ATTEMPTS =>
                {
                    attempt += 1;
                    container.engine.remove(&container.name)?;
                    container.ports = Ports::free(None).map_err(BrokerError::io("find a free port"))?;
                    container.recipe = Recipe::of(&container.config, &container.name, container.ports)?;
                }
                done => {
                    done?;
                    container.note_surroundings();
                    return Ok(container);
                }
            }
        }
    }

    /// Returns the URL for clients: `nats://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}://127.0.0.1:{}", self.config.image.kind().name(), self.ports.client)
    }

    /// Returns the monitoring endpoint of NATS.
    #[must_use]
    pub fn monitor(&self) -> Monitor {
        Monitor::at(self.ports.monitor_address())
    }

    /// Returns the name of the container, which is also the name of the server in it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the facts that affect measured figures: image, digest, engine, limits.
    #[must_use]
    pub fn facts(&self) -> &[(String, String)] {
        &self.facts
    }

    /// Returns the version from the broker's log, if the protocol does not report it.
    #[must_use]
    pub fn version(&self) -> Option<String> {
        let version = self.config.image.contents.version?;
        let log = std::fs::read(&self.config.log).ok()?;
        let said = log.get(num::index(self.log_from)..)?;
        version(&String::from_utf8_lossy(said))
    }

    /// Returns warnings for the user.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Reads the resource use of all processes in the container from its control group; `None` if the control group is
    /// not visible because the engine runs on a separate machine. The engine's processes are not included, such as the
    /// proxy that forwards a port.
    ///
    /// The engine reports these figures too, but only once a second, and each request waits for the next update.
    #[must_use]
    pub fn meter(&self) -> Option<Meter> {
        let group = self.group.clone()?;
        Some(Box::new(move || group.usage()))
    }

    /// Checks that the broker still runs (a paused one does).
    ///
    /// # Errors
    /// When it has ended: with its exit code and the last lines of its log.
    pub fn alive(&self) -> Result<(), BrokerError> {
        match self.end_seen() {
            None => Ok(()),
            Some(how) => Err(self.failed(&format!("ended ({how}) while it was needed"))),
        }
    }

    /// Freezes all processes in the container: connections stay open, and nothing answers.
    ///
    /// # Errors
    /// When the container has ended.
    pub fn pause(&mut self) -> Result<(), BrokerError> {
        self.engine.wait("pause the container", self.engine.docker.pause_container(&self.name))
    }

    /// Resumes the container after a pause.
    ///
    /// # Errors
    /// When it was not paused.
    pub fn resume(&mut self) -> Result<(), BrokerError> {
        self.engine.wait("resume the container", self.engine.docker.unpause_container(&self.name))
    }

    /// Kills the broker (SIGKILL), as a crash would; data written so far stays in its volume.
    ///
    /// # Errors
    /// When the engine refuses.
    pub fn kill(&mut self) -> Result<(), BrokerError> {
        if self.end_seen().is_some() {
            return Ok(());
        }
        // Engines refuse to kill a frozen container.
        let _ = self.resume();
        let killed =
            self.engine.wait("kill the container", self.engine.docker.kill_container(&self.name, None));
        self.until_ended(killed)
    }

    /// Stops the broker in an orderly way (SIGTERM), or kills it after 10 s. Its volume stays.
    ///
    /// # Errors
    /// When the engine refuses.
    pub fn stop(&mut self) -> Result<(), BrokerError> {
        if self.end_seen().is_some() {
            return Ok(());
        }
        let _ = self.resume();
        let patience = i32::try_from(END_WITHIN.as_secs()).unwrap_or(i32::MAX);
        let options = StopContainerOptionsBuilder::new().t(patience).build();
        let stopping = self.engine.docker.stop_container(&self.name, Some(options));
        let stopped = self.engine.wait("stop the container", stopping);
        self.until_ended(stopped)
    }

    /// Restarts the broker with the same volume and the same ports, stopping it first if it runs.
    ///
    /// # Errors
    /// When it is not ready again in time.
    pub fn restart(&mut self) -> Result<(), BrokerError> {
        self.stop()?;
        self.launch(&|| false)
    }

    fn note_surroundings(&mut self) {
        let network = if self.network.is_some() { "bridge of its own" } else { "the engine's bridge" };
        self.facts.push(("container.network".into(), format!("{network}, ports mapped to 127.0.0.1")));
        let how = if let Some(group) = &self.group {
            format!("control group (version {})", group.version())
        } else {
            let hidden =
                "the container's processes cannot be seen from here: no CPU and memory of the broker";
            self.warnings.push(hidden.into());
            "not seen from here".into()
        };
        self.facts.push(("container.accounting".into(), how));
    }

    fn create(&mut self) -> Result<(), BrokerError> {
        match self.engine.make_network(&self.name) {
            Ok(id) => self.network = Some(id),
            Err(error) => self.warnings.push(format!(
                "no network of its own ({error}): the broker is on the engine's bridge, where other containers reach it"
            )),
        }
        let options = CreateContainerOptionsBuilder::new().name(&self.name).build();
        let creating = self.engine.docker.create_container(Some(options), self.body());
        let created = self.engine.wait("create the container", creating)?;
        // The container now exists; until here, its creation might still have been in progress.
        if self.reaper.as_mut().is_some_and(|reaper| reaper.tell("settled").is_err()) {
            self.warnings.push(format!("the reaper has died: the container {} may stay behind", self.name));
            self.reaper = None;
        }
        for warning in created.warnings {
            self.warnings.push(format!("the container engine says: {warning}"));
        }
        if self.recipe.files.is_empty() {
            return Ok(());
        }
        let options = UploadToContainerOptionsBuilder::new().path("/").build();
        let archive = bollard::body_full(recipe::tar(&self.recipe.files).into());
        let upload = self.engine.docker.upload_to_container(&self.name, Some(options), archive);
        self.engine.wait("put the broker's configuration into the container", upload)
    }

    /// Returns the request that creates the container.
    fn body(&self) -> ContainerCreateBody {
        let recipe = &self.recipe;
        // Without the address, the broker would be reachable from other machines.
        let here = |port: u16| {
            Some(vec![PortBinding { host_ip: Some("127.0.0.1".into()), host_port: Some(port.to_string()) }])
        };
        let ports = recipe.ports.iter().map(|&(inside, port)| (format!("{inside}/tcp"), here(port)));
        let volume =
            Mount { target: Some(recipe.store.into()), typ: Some(MountType::VOLUME), ..Mount::default() };
        let host = HostConfig {
            port_bindings: Some(ports.collect()),
            mounts: Some(vec![volume]),
            memory: self.config.memory_bytes.map(|bytes| i64::try_from(bytes).unwrap_or(i64::MAX)),
            nano_cpus: self
                .config
                .cores
                .map(|cores| i64::try_from(num::u64_of(cores * 1e9)).unwrap_or(i64::MAX)),
            // The attached connection writes the output to the broker's log.
            network_mode: self.network.clone(),
            log_config: Some(HostConfigLogConfig { typ: Some("none".into()), config: None }),
            ..HostConfig::default()
        };
        ContainerCreateBody {
            image: Some(self.config.image.reference.clone()),
            cmd: (!recipe.command.is_empty()).then(|| recipe.command.clone()),
            env: Some(recipe.environment.clone()),
            exposed_ports: Some(recipe.ports.iter().map(|(inside, _)| format!("{inside}/tcp")).collect()),
            labels: Some(owned::labels(&self.name)),
            host_config: Some(host),
            ..ContainerCreateBody::default()
        }
    }

    fn launch(&mut self, interrupted: &dyn Fn() -> bool) -> Result<(), BrokerError> {
        self.attach()?;
        self.engine.wait("start the container", self.engine.docker.start_container(&self.name, None))?;
        self.ended = Arc::default();
        let (docker, name, ended) = (self.engine.docker.clone(), self.name.clone(), Arc::clone(&self.ended));
        self.engine.spawn(async move {
            let _ = docker.wait_container(&name, None).next().await;
            let how = how_it_ended(&docker, &name).await;
            *ended.lock().unwrap_or_else(PoisonError::into_inner) = Some(how);
        });
        let inspecting = self.engine.docker.inspect_container(&self.name, None);
        let state = self.engine.wait("look at the container", inspecting)?.state.unwrap_or_default();
        let pid = state.pid.and_then(|pid| u32::try_from(pid).ok()).filter(|pid| *pid > 0);
        self.group = pid.and_then(ControlGroup::of);
        self.until_ready(interrupted)
    }

    /// Writes the container's output to the log; called before the start, so that nothing is missed.
    fn attach(&mut self) -> Result<(), BrokerError> {
        let path = &self.config.log;
        let log = OpenOptions::new().create(true).append(true).open(path);
        let mut log = log.map_err(BrokerError::io(format!("open the log {}", path.display())))?;
        self.log_from = log.metadata().map_or(0, |file| file.len());
        let options = AttachContainerOptionsBuilder::new().stream(true).stdout(true).stderr(true).build();
        let attaching = self.engine.docker.attach_container(&self.name, Some(options));
        let mut said = self.engine.wait("attach to the container", attaching)?.output;
        self.log = Some(self.engine.spawn(async move {
            while let Some(Ok(part)) = said.next().await {
                let _ = log.write_all(&part.into_bytes());
            }
        }));
        Ok(())
    }

    fn until_ready(&self, interrupted: &dyn Fn() -> bool) -> Result<(), BrokerError> {
        let deadline = Instant::now() + READY_WITHIN;
        while Instant::now() < deadline {
            if interrupted() {
                return Err(BrokerError::Interrupted);
            }
            if let Some(how) = self.end_seen() {
                return Err(self.failed(&format!("ended ({how}) before it was ready")));
            }
            let ready = match &self.recipe.ready {
                Ready::Monitor(monitor) => monitor.healthy().is_ok(),
                Ready::Answers(address) => answers(*address, true),
            };
            if ready {
                self.until_named();
                return Ok(());
            }
            std::thread::sleep(ASK_EVERY);
        }
        Err(self.failed(&format!("was not ready within {} s", READY_WITHIN.as_secs())))
    }

    /// Waits for the version in the log, which may come after the broker accepts clients. It is not an error if an
    /// image does not log a version.
    fn until_named(&self) {
        let deadline = Instant::now() + NAMED_WITHIN;
        let named = || self.config.image.contents.version.is_none() || self.version().is_some();
        while !named() && self.end_seen().is_none() && Instant::now() < deadline {
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Waits until the container has ended. A refusal by the engine counts only if the container still runs: it may
    /// have ended by itself meanwhile.
    fn until_ended(&mut self, done: Result<(), BrokerError>) -> Result<(), BrokerError> {
        let deadline = Instant::now() + if done.is_ok() { END_WITHIN } else { Duration::ZERO };
        while self.end_seen().is_none() {
            if Instant::now() >= deadline {
                let late = "it runs on, though the engine says it has ended it".into();
                return done
                    .and(Err(BrokerError::Engine { doing: "end the container".into(), problem: late }));
            }
            std::thread::sleep(LOOK_EVERY);
        }
        if let Some(log) = self.log.take() {
            self.engine.join(log);
        }
        Ok(())
    }

    fn end_seen(&self) -> Option<String> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn failed(&self, problem: &str) -> BrokerError {
        BrokerError::Container {
            image: self.config.image.reference.clone(),
            problem: problem.to_owned(),
            log: last_lines(&self.config.log, self.log_from),
        }
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        // The reaper retries if the removal fails.
        let _ = self.engine.remove(&self.name);
        if let Some(log) = self.log.take() {
            self.engine.join(log);
        }
    }
}

async fn how_it_ended(docker: &bollard::Docker, name: &str) -> String {
    match docker.inspect_container(name, None).await.map(|container| container.state.unwrap_or_default()) {
        Ok(state) if state.running == Some(true) => "the engine does not watch it any more".into(),
        Ok(state) => {
            let code = state.exit_code.unwrap_or(-1);
            let memory = if state.oom_killed == Some(true) { ", killed at its memory limit" } else { "" };
            format!("exit code {code}{memory}")
        }
        Err(error) => format!("the engine has lost it: {error}"),
    }
}

/// Warns about the store. The engine's volumes may not be visible: it may run on a separate machine.
fn store_warning(engine: &Engine, config: &ContainerConfig) -> Result<Option<String>, BrokerError> {
    let info = engine.wait("ask the container engine about itself", engine.docker.info())?;
    match info.docker_root_dir.map(PathBuf::from).filter(|root| root.exists()) {
        Some(root) => check_store(&root, config.storage, config.sync),
        None => Ok(None),
    }
}

/// Returns whether the error says that another process has the port.
fn is_taken(problem: &str) -> bool {
    ["port is already allocated", "address already in use"].iter().any(|words| problem.contains(words))
}
