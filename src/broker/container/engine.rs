//! The container engine: each thing that is asked of it, with a deadline, and from a thread that may wait.
//!
//! `bollard` comes with `testcontainers`, whose own way to start a container is not used: it speaks the newest version of
//! the protocol only, which engines before Docker 29 refuse. Here the version is the one that the engine offers.

use std::fmt;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use testcontainers::bollard;

use bollard::errors::Error;
use bollard::models::{ContainerStatsResponse, ImageInspect};
use bollard::query_parameters::{
    CreateImageOptionsBuilder, RemoveContainerOptionsBuilder, StatsOptionsBuilder,
};
use bollard::{API_DEFAULT_VERSION, ClientVersion, Docker};
use tokio::runtime::Runtime;

use super::super::BrokerError;
use crate::host::docker;
use crate::host::resources::ProcessUse;

/// The longest that the engine may take for one thing; to create a container on a busy disk is the slowest.
const PATIENCE: Duration = Duration::from_mins(1);
/// The longest that it may take for figures, while a run goes on.
const FIGURES_WITHIN: Duration = Duration::from_millis(500);
/// Time between two looks at whether somebody wants us to end.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The engine of this machine; copies share the connection.
#[derive(Clone)]
pub(super) struct Engine {
    pub(super) docker: Docker,
    /// What it says of itself.
    pub(super) version: String,
    runtime: Arc<Runtime>,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("version", &self.version).finish_non_exhaustive()
    }
}

impl Engine {
    /// Finds the engine, see [`docker::docker()`].
    pub(super) fn reach() -> Result<Self, BrokerError> {
        let found = match docker::docker() {
            docker::Docker::Answers(engine) => engine,
            docker::Docker::Silent(problem) => return Err(BrokerError::NoEngine { problem }),
        };
        let newest = (API_DEFAULT_VERSION.major_version, API_DEFAULT_VERSION.minor_version);
        let (major_version, minor_version) = found.api.min(newest);
        let socket = found.socket.display().to_string();
        let api = ClientVersion { major_version, minor_version };
        let docker = Docker::connect_with_unix(&socket, PATIENCE.as_secs(), &api)
            .map_err(|error| BrokerError::NoEngine { problem: error.to_string() })?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("containers")
            .enable_all()
            .build()
            .map_err(BrokerError::io("start a thread for containers"))?;
        Ok(Self { docker, version: found.version, runtime: Arc::new(runtime) })
    }

    /// Waits for something that the engine is to do.
    pub(super) fn wait<T>(
        &self,
        doing: &str,
        what: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, BrokerError> {
        let problem = |problem: String| BrokerError::Engine { doing: doing.to_owned(), problem };
        match self.runtime.block_on(async { tokio::time::timeout(PATIENCE, what).await }) {
            Ok(done) => done.map_err(|error| problem(said(&error))),
            Err(_) => Err(problem(format!("the engine has not done it within {} s", PATIENCE.as_secs()))),
        }
    }

    /// Goes on with something beside us.
    pub(super) fn spawn(
        &self,
        what: impl Future<Output = ()> + Send + 'static,
    ) -> tokio::task::JoinHandle<()> {
        self.runtime.spawn(what)
    }

    /// Waits for something that goes on beside us, for a second at the most.
    pub(super) fn join(&self, task: tokio::task::JoinHandle<()>) {
        let _ = self.runtime.block_on(async { tokio::time::timeout(Duration::from_secs(1), task).await });
    }

    /// An image of this machine, else pulled.
    pub(super) fn image(
        &self,
        reference: &str,
        interrupted: &dyn Fn() -> bool,
    ) -> Result<ImageInspect, BrokerError> {
        let problem = |problem| BrokerError::Image { image: reference.to_owned(), problem };
        let found = self.runtime.block_on(async {
            match self.docker.inspect_image(reference).await {
                Err(Error::DockerResponseServerError { status_code: 404, .. }) => {}
                found => return Some(found),
            }
            tokio::select! {
                pulled = self.pull(reference) => Some(pulled),
                () = until(interrupted) => None,
            }
        });
        found.ok_or(BrokerError::Interrupted)?.map_err(|error| problem(said(&error)))
    }

    async fn pull(&self, reference: &str) -> Result<ImageInspect, Error> {
        let options = CreateImageOptionsBuilder::new().from_image(reference).build();
        let mut steps = self.docker.create_image(Some(options), None, None);
        while let Some(step) = steps.next().await {
            step?;
        }
        self.docker.inspect_image(reference).await
    }

    /// Removes a container with its volume, running or not; says whether there was one.
    pub(super) fn remove(&self, name: &str) -> Result<bool, BrokerError> {
        let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
        self.wait("remove the container", async {
            match self.docker.remove_container(name, Some(options)).await {
                Ok(()) => Ok(true),
                // It is gone, or somebody else is about to remove it.
                Err(Error::DockerResponseServerError { status_code: 404 | 409, .. }) => Ok(false),
                Err(error) => Err(error),
            }
        })
    }

    /// What a container has used so far, by its control group; `None` where the engine does not say so in time.
    pub(super) fn usage(&self, name: &str) -> Option<ProcessUse> {
        let options = StatsOptionsBuilder::new().stream(false).one_shot(true).build();
        let mut stats = Box::pin(self.docker.stats(name, Some(options)));
        let read = async { tokio::time::timeout(FIGURES_WITHIN, stats.next()).await };
        usage(&self.runtime.block_on(read).ok()??.ok()?)
    }
}

async fn until(reached: &dyn Fn() -> bool) {
    while !reached() {
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// What the engine said, without the library's words around it.
fn said(error: &Error) -> String {
    match error {
        Error::DockerResponseServerError { message, .. } => message.trim().to_owned(),
        Error::DockerStreamError { error } => error.trim().to_owned(),
        Error::IOError { err } if err.kind() == io::ErrorKind::NotFound => "the engine is gone".into(),
        other => other.to_string(),
    }
}

/// CPU time of all its processes; and of its memory what its processes have of their own, and the files that they
/// have mapped: what is called resident of a process. The page cache of its store is none of it, though the
/// control group counts that too.
fn usage(stats: &ContainerStatsResponse) -> Option<ProcessUse> {
    let cpu = stats.cpu_stats.as_ref()?.cpu_usage.as_ref()?;
    let total_ns = cpu.total_usage?;
    let system_ns = cpu.usage_in_kernelmode.unwrap_or(0).min(total_ns);
    let memory = stats.memory_stats.as_ref()?;
    let details = memory.stats.as_ref()?;
    let of = |names: [&str; 2]| names.iter().find_map(|name| details.get(*name)).copied();
    // The names of control groups of version 2, then those of version 1.
    let rss_bytes = of(["anon", "total_rss"])? + of(["file_mapped", "total_mapped_file"]).unwrap_or(0);
    // An ended container has none.
    (total_ns > 0).then_some(ProcessUse {
        user_ns: total_ns - system_ns,
        system_ns,
        rss_bytes,
        peak_rss_bytes: rss_bytes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_of_control_groups_are_read() {
        let read = |memory: &str| {
            let text = format!(
                r#"{{"cpu_stats":{{"cpu_usage":{{"total_usage":5000,"usage_in_kernelmode":2000}}}},"memory_stats":{{"usage":900000,"stats":{memory}}}}}"#
            );
            usage(&serde_json::from_str(&text).unwrap())
        };
        let used = read(r#"{"anon":300,"file_mapped":20,"file":800000,"inactive_file":7}"#).unwrap();
        assert_eq!((used.user_ns, used.system_ns, used.rss_bytes), (3000, 2000, 320));
        let used = read(r#"{"total_rss":400,"total_mapped_file":30,"rss":1,"cache":800000}"#).unwrap();
        assert_eq!(used.rss_bytes, 430);
        assert_eq!(read("{}"), None, "an ended container has no figures");
    }
}
