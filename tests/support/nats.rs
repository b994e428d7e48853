//! A real `nats-server` for one test: free port, store on disk, gone with the value.

use std::fmt::Write as _;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use async_nats::jetstream::{self, stream};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

use super::ports::free_port;

/// Runs an action on a server with a separate client, with the user and password of the address.
pub fn client<T>(url: &str, work: impl AsyncFnOnce(async_nats::Client) -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let who = url.strip_prefix("nats://").and_then(|rest| rest.split_once('@')?.0.split_once(':'));
    let options = who.map_or_else(async_nats::ConnectOptions::new, |(user, password)| {
        async_nats::ConnectOptions::with_user_and_password(user.to_owned(), password.to_owned())
    });
    runtime.block_on(async { work(options.connect(url).await.expect("connects")).await })
}

/// The same by way of `JetStream`.
pub fn jetstream<T>(url: &str, work: impl AsyncFnOnce(jetstream::Context) -> T) -> T {
    client(url, async |client| work(jetstream::new(client)).await)
}

/// A running server.
pub struct NatsServer {
    folder: tempfile::TempDir,
    extra: String,
    /// More lines of the block `jetstream`, beside the store, if there are any.
    jetstream: Option<String>,
    port: u16,
    child: Option<Child>,
}

impl NatsServer {
    /// With `JetStream` and nothing else.
    pub fn start() -> Self {
        Self::with("")
    }

    /// With `JetStream` and more lines of configuration.
    pub fn with(extra: &str) -> Self {
        Self::launch(extra, Some(""))
    }

    /// With these lines in the block `limits` of `JetStream`.
    pub fn limited(limits: &str) -> Self {
        Self::launch("", Some(&format!(", limits {{ {limits} }}")))
    }

    /// With one user, `gate` with the password `pw`, in an account with these lines; the user has these permissions.
    pub fn locked_down(account: &str, permissions: &str) -> Self {
        Self::with(&locked_down(account, permissions))
    }

    /// Its address with that user.
    pub fn gate_url(&self) -> String {
        format!("nats://gate:pw@127.0.0.1:{}", self.port)
    }

    /// Takes other permissions for that user, as an administrator changes them while the server runs.
    pub fn reload(&mut self, account: &str, permissions: &str) {
        self.extra = locked_down(account, permissions);
        std::fs::write(self.folder.path().join("nats.conf"), self.config()).expect("a configuration");
        kill_process(self.pid(), Signal::HUP).expect("a signal");
    }

    /// With these lines of configuration only.
    pub fn bare(extra: &str) -> Self {
        Self::launch(extra, None)
    }

    /// With these lines of configuration, and these in the block `jetstream`.
    pub fn of(extra: &str, jetstream: &str) -> Self {
        Self::launch(extra, Some(jetstream))
    }

    fn launch(extra: &str, jetstream: Option<&str>) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let jetstream = jetstream.map(str::to_owned);
        let mut server = Self { folder, extra: extra.to_owned(), jetstream, port: free_port(), child: None };
        server.run();
        server
    }

    /// Its folder, for files that its configuration names.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// `nats://127.0.0.1:port`.
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    fn run(&mut self) {
        let config = self.config();
        let file = self.folder.path().join("nats.conf");
        std::fs::write(&file, config).expect("a configuration");
        let log = std::fs::File::create(self.folder.path().join("nats.log")).expect("a log");
        let mut child = Command::new(super::nats_server())
            .arg("-c")
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("nats-server starts");
        self.wait(&mut child);
        self.child = Some(child);
    }

    fn config(&self) -> String {
        let port = self.port;
        let folder = self.folder.path().display().to_string();
        let mut config =
            format!("listen: \"127.0.0.1:{port}\"\nports_file_dir: \"{folder}\"\n{}\n", self.extra);
        if let Some(more) = &self.jetstream {
            writeln!(
                config,
                "jetstream {{ store_dir: \"{folder}/store\", max_file: 1GB, max_mem: 256MB {more} }}"
            )
            .expect("text");
        }
        config
    }

    /// Waits until it listens.
    fn wait(&self, child: &mut Child) {
        let ports = self.folder.path().join(format!("nats-server_{}.ports", child.id()));
        let patience = Instant::now();
        while patience.elapsed() < Duration::from_mins(2) {
            if ports.is_file() && TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                return;
            }
            if child.try_wait().expect("a child").is_some() {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = child.kill();
        let _ = child.wait();
        panic!("nats-server does not start:\n{}", self.log());
    }

    /// Its output.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("nats.log")).unwrap_or_default()
    }

    /// Its process.
    pub fn pid(&self) -> Pid {
        let child = self.child.as_ref().expect("a running server");
        i32::try_from(child.id()).ok().and_then(Pid::from_raw).expect("a process id")
    }

    /// Stops it by SIGSTOP, and waits until it is stopped.
    pub fn pause(&self) {
        kill_process(self.pid(), Signal::STOP).expect("a signal");
        waitpid(Some(self.pid()), WaitOptions::UNTRACED).expect("a child");
    }

    /// Lets it go on.
    pub fn resume(&self) {
        kill_process(self.pid(), Signal::CONT).expect("a signal");
    }

    /// Names of its streams and how many messages they hold, by its own account.
    pub fn streams(&self) -> Vec<(String, u64)> {
        use futures_util::TryStreamExt as _;
        jetstream(&self.url(), async |jetstream| {
            let infos = jetstream.streams().try_collect::<Vec<_>>().await;
            let infos = infos.expect("streams").into_iter();
            infos.map(|info| (info.config.name, info.state.messages)).collect()
        })
    }

    /// Creates a stream, as another user would.
    pub fn make_stream(&self, name: &str, subject: &str) {
        jetstream(&self.url(), async |jetstream| {
            let config = stream::Config {
                name: name.to_owned(),
                subjects: vec![subject.to_owned()],
                ..Default::default()
            };
            jetstream.create_stream(config).await.expect("a stream");
        });
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// On the same port and store.
    pub fn restart(&mut self) {
        self.kill();
        self.run();
    }
}

impl Drop for NatsServer {
    fn drop(&mut self) {
        self.kill();
    }
}

fn locked_down(account: &str, permissions: &str) -> String {
    let user = format!("user: gate, password: pw, permissions: {{ {permissions} }}");
    format!("accounts {{ A {{ jetstream: {{ {account} }}, users: [ {{ {user} }} ] }} }}")
}
