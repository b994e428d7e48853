//! The container engine: every request has a deadline and runs on a thread that may block.
//!
//! Requests go through `bollard`, the client that `testcontainers` is built on, and not through `testcontainers`: that
//! supports only the newest protocol version, which engines before Docker 29 refuse. This module uses a version that
//! the engine offers.

use std::fmt;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;

use bollard::errors::Error;
use bollard::models::ImageInspect;
use bollard::query_parameters::CreateImageOptionsBuilder;
use bollard::{API_DEFAULT_VERSION, ClientVersion, Docker};
use tokio::runtime::Runtime;

use super::super::BrokerError;
use crate::host::docker;

/// Maximum time of one request; creating a container on a busy disk is the slowest.
const PATIENCE: Duration = Duration::from_mins(1);
/// Time between two checks for an interrupt.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The engine of this machine; clones share the connection.
#[derive(Clone)]
pub(super) struct Engine {
    pub(super) docker: Docker,
    /// Version that the engine reports.
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

    /// Waits for a request to the engine.
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

    /// Runs a task in the background.
    pub(super) fn spawn(
        &self,
        what: impl Future<Output = ()> + Send + 'static,
    ) -> tokio::task::JoinHandle<()> {
        self.runtime.spawn(what)
    }

    /// Waits for a background task, for at most one second.
    pub(super) fn join(&self, task: tokio::task::JoinHandle<()>) {
        let _ = self.runtime.block_on(async { tokio::time::timeout(Duration::from_secs(1), task).await });
    }

    /// Finds an image on this machine, or pulls it.
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
}

async fn until(reached: &dyn Fn() -> bool) {
    while !reached() {
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Returns the engine's message without the text that the library adds.
fn said(error: &Error) -> String {
    match error {
        Error::DockerResponseServerError { message, .. } => message.trim().to_owned(),
        Error::DockerStreamError { error } => error.trim().to_owned(),
        Error::IOError { err } if err.kind() == io::ErrorKind::NotFound => "the engine is gone".into(),
        other => other.to_string(),
    }
}
