//! Finds the container engine of this machine with one HTTP request, without a client library.

use std::env;
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

/// Timeout for the engine's answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Availability of a container engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Docker {
    /// The engine answers.
    Answers(Engine),
    /// The engine does not answer, and the reason.
    Silent(String),
}

/// A container engine that answers on a socket of this machine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Engine {
    /// Its socket.
    pub socket: PathBuf,
    /// Its version, such as `28.2.2`.
    pub version: String,
    /// The newest API version that it supports: (1, 41).
    pub api: (usize, usize),
}

/// The fields used of `/version`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Version {
    version: String,
    api_version: String,
}

/// Asks the engine for its version, at the socket of `DOCKER_HOST`, else at the usual ones.
#[must_use]
pub fn docker() -> Docker {
    let host = env::var("DOCKER_HOST").unwrap_or_default();
    let sockets = match host.strip_prefix("unix://") {
        Some(path) => vec![PathBuf::from(path)],
        None if host.is_empty() => usual_sockets(),
        None => {
            let host = host.rsplit('@').next().unwrap_or_default();
            return Docker::Silent(format!(
                "DOCKER_HOST ({host}) is not a socket of this machine, and ports on the loopback of another machine are \
                 not reachable from here"
            ));
        }
    };
    let socket = sockets.iter().find(|path| path.exists()).or(sockets.first()).cloned().unwrap_or_default();
    match ask(&socket) {
        Ok(engine) => Docker::Answers(engine),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Docker::Silent(format!(
            "{}: permission denied (root or membership of the group `docker` is needed)",
            socket.display()
        )),
        Err(error) => Docker::Silent(format!("{}: {error}", socket.display())),
    }
}

/// The sockets of the system's engine, of a rootless engine, and of Docker Desktop.
fn usual_sockets() -> Vec<PathBuf> {
    let below =
        |variable: &str, path: &str| env::var_os(variable).map(|folder| Path::new(&folder).join(path));
    let system = Some(PathBuf::from("/var/run/docker.sock"));
    let others = [below("XDG_RUNTIME_DIR", "docker.sock"), below("HOME", ".docker/run/docker.sock")];
    [system].into_iter().chain(others).flatten().collect()
}

/// Requests `/version`, without an API version in the path, since the answer has the supported ones.
fn ask(socket: &Path) -> io::Result<Engine> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET /version HTTP/1.0\r\nHost: docker\r\n\r\n")?;
    let mut answer = String::new();
    stream.take(64 << 10).read_to_string(&mut answer)?;
    read(&answer)
        .map(|(version, api)| Engine { socket: socket.to_owned(), version, api })
        .ok_or_else(|| io::Error::other("the answer is not that of a Docker engine"))
}

fn read(answer: &str) -> Option<(String, (usize, usize))> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let version: Version =
        (head.split(' ').nth(1) == Some("200")).then(|| serde_json::from_str(body).ok()).flatten()?;
    let (major, minor) = version.api_version.split_once('.')?;
    Some((version.version, (major.parse().ok()?, minor.parse().ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_that_nobody_serves_is_silent() {
        assert!(ask(Path::new("/nonexistent/docker.sock")).is_err());
    }

    #[test]
    fn the_answer_tells_product_and_protocol() {
        let answer = "HTTP/1.0 200 OK\r\nA: b\r\n\r\n{\"Platform\":{},\"Version\":\"20.10.24\",\"ApiVersion\":\"1.41\"}\n";
        assert_eq!(read(answer), Some(("20.10.24".into(), (1, 41))));
        for bad in [
            "",
            "HTTP/1.0 200 OK\r\n\r\n",
            "HTTP/1.0 404 No\r\n\r\n{}",
            "HTTP/1.0 200 OK\r\n\r\n{\"Version\":1}",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
