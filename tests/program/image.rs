//! The container image: made of this build, it runs without root, without a writable root file system and without privileges.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use tickgate::record::Record;

use crate::support::{machine, outside, program};

const HOW: &str = "start Docker, or as root on Debian: export DOCKER_HOST=$(scripts/docker.sh start $$)";
/// The user of the image.
const USER: u32 = 65_532;

/// An image of this build and its containers; removed on drop.
struct Image {
    name: String,
    network: Option<String>,
}

impl Image {
    fn build() -> Self {
        let name = format!("tickgate-test/program:{}", std::process::id());
        let made = Command::new(outside::root().join("scripts/image.sh"))
            .args(["build", program::path(), &name])
            .env("DOCKER_BUILDKIT", "0")
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        Self { name, network: None }
    }

    /// Runs it as the documentation says, with more flags of docker.
    fn run(&self, flags: &[&str], args: &[&str]) -> Output {
        let safe = ["run", "--rm", "--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"];
        let network = self.network.as_deref().unwrap_or("none");
        let all = [&safe[..], &["--network", network], flags, &[&self.name], args].concat();
        Command::new("docker").args(all).output().unwrap()
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        let docker = |args: &[&str]| Command::new("docker").args(args).output();
        if let Some(network) = &self.network {
            let _ = docker(&["rm", "--force", "--volumes", network]);
            let _ = docker(&["network", "rm", network]);
        }
        let _ = docker(&["rmi", "--force", &self.name]);
    }
}

fn docker(args: &[&str]) -> String {
    let done = Command::new("docker").args(args).output().unwrap();
    assert!(done.status.success(), "{args:?}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap().trim().to_owned()
}

/// A folder for reports that belongs to the user of the image, or else to that of the test; and the flag that runs as its owner.
fn reports(folder: &Path) -> (String, String) {
    let reports = folder.join("reports");
    std::fs::create_dir(&reports).unwrap();
    let _ = std::os::unix::fs::chown(&reports, Some(USER), Some(USER));
    let meta = reports.metadata().unwrap();
    (format!("{}:/work/reports", reports.display()), format!("{}:{}", meta.uid(), meta.gid()))
}

fn record(folder: &Path) -> Record {
    let runs: Vec<_> =
        std::fs::read_dir(folder.join("reports")).unwrap().map(|run| run.unwrap().path()).collect();
    let run = runs.iter().find(|run| !run.is_symlink()).unwrap();
    assert!(run.join("report.html").exists());
    serde_json::from_slice(&std::fs::read(run.join("record.json")).unwrap()).unwrap()
}

fn engine() -> bool {
    outside::brought("docker", "scripts/docker.sh check", HOW)
}

#[test]
fn the_image_runs_without_root_and_writes_its_reports() {
    if !engine() {
        return;
    }
    let _machine = machine::beside_others();
    let mut image = Image::build();
    let config =
        docker(&["image", "inspect", "--format", "{{.Config.User}} {{.Config.Entrypoint}}", &image.name]);
    assert_eq!(config, format!("{USER}:{USER} [/usr/bin/tickgate]"));
    for (args, words) in [(["--version"], "tickgate 0."), (["--help"], "Exit codes")] {
        let done = image.run(&[], &args);
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        assert!(String::from_utf8(done.stdout).unwrap().contains(words));
    }

    let shorter = ["run", "ci-gate", "--set", "load.warmup=1s", "--set", "load.duration=2s"];
    let folder = tempfile::tempdir().unwrap();
    let (volume, user) = reports(folder.path());
    let flags = ["--volume", &volume, "--user", &user];
    let done = image.run(&flags, &[&shorter[..], &["--broker", "sim"]].concat());
    let code = done.status.code().unwrap();
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!([0, 3].contains(&code), "exit code {code}: {said}");
    assert!(record(folder.path()).load.acked > 3_000);

    // A broker by its name, on a network of the engine: names are resolved, and TLS would find its roots.
    let nats = Command::new(outside::root().join("scripts/docker.sh")).arg("image").output().unwrap();
    let nats = String::from_utf8(nats.stdout).unwrap().trim().to_owned();
    let name = format!("tickgate-image-{}", std::process::id());
    image.network = Some(name.clone());
    docker(&["network", "create", &name]);
    let start = Instant::now();
    let server = ["run", "--detach", "--network", &name, "--name", &name, &nats, "-js", "-sd", "/store"];
    docker(&server);
    let ready = || Command::new("docker").args(["logs", &name]).output().unwrap().stderr;
    while !String::from_utf8_lossy(&ready()).contains("Server is ready") {
        assert!(start.elapsed() < Duration::from_mins(1), "{}", String::from_utf8_lossy(&ready()));
        std::thread::sleep(Duration::from_millis(50));
    }
    let folder = tempfile::tempdir().unwrap();
    let (volume, user) = reports(folder.path());
    let flags = ["--volume", &volume, "--user", &user];
    let url = format!("nats://{name}:4222");
    let done = image.run(&flags, &[&shorter[..], &["--broker", &url]].concat());
    let code = done.status.code().unwrap();
    assert!([0, 1, 3].contains(&code), "exit code {code}: {}", String::from_utf8_lossy(&done.stderr));
    let record = record(folder.path());
    assert!(record.load.acked > 3_000 && record.load.intended == record.load.acked, "{:?}", record.load);
}

/// The last stage of the Dockerfile is what `scripts/image.sh` builds, and the first builds as the project does.
#[test]
fn the_dockerfile_ends_with_the_stage_that_the_script_builds() {
    let read = |path: &str| std::fs::read_to_string(outside::root().join(path)).unwrap();
    let file = read("Dockerfile");
    let (build, last) = file.split_once("\nFROM scratch\n").unwrap();
    assert!(
        last.contains("COPY --from=build /image/ /\n") && last.contains(&format!("USER {USER}:{USER}\n"))
    );
    let cargo: toml::Table = toml::from_str(&read("Cargo.toml")).unwrap();
    let rust = cargo["package"]["rust-version"].as_str().unwrap();
    assert!(build.contains(&format!("FROM rust:{rust}-bookworm AS build")));
    assert!(build.contains("scripts/image.sh tree target/release/tickgate /image"));
}
