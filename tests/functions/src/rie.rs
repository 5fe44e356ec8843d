//! The emulator behind `sam local`, around a real bootstrap: started on free ports, stopped with
//! the process that started it.
//!
//! It is part of the SAM CLI, which `make functions` installs.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use dacapo_aws_tests::emulator::{answers, free_addresses};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// How long the start may take, on a busy machine.
const STARTING: Duration = Duration::from_secs(30);

/// How long an event may take.
const ANSWERING: Duration = Duration::from_secs(60);

/// A function under the emulator.
pub struct Rie {
    process: Child,
    address: SocketAddr,
    log: PathBuf,
    bootstrap: PathBuf,
}

impl Rie {
    /// A function of this name, with these settings and no others.
    pub async fn start(name: &str, settings: &[(&str, &str)]) -> Self {
        let bootstrap = bootstrap(name);
        let [address, api] = free_addresses();
        let log = std::env::temp_dir().join(format!("dacapo-rie-{}.log", address.port()));
        let out = std::fs::File::create(&log).expect("a log");
        let process = Command::new(emulator())
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .envs(settings.iter().copied())
            .args(["--log-level", "info"])
            .args(["--runtime-interface-emulator-address", &address.to_string()])
            .args(["--runtime-api-address", &api.to_string()])
            .arg(&bootstrap)
            .stdin(Stdio::null())
            .stdout(out.try_clone().expect("a log"))
            .stderr(out)
            .spawn()
            .expect("the emulator starts");
        let rie = Self { process, address, log, bootstrap };
        let up = async {
            while !answers(address).await {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let up = tokio::time::timeout(STARTING, up).await;
        assert!(up.is_ok(), "the emulator does not come up:\n{}", rie.log());
        rie
    }

    /// Sends an event. Returns the function's answer.
    pub async fn invoke(&self, event: &str) -> Value {
        let answer = self.answer(event).await;
        serde_json::from_str(&answer)
            .unwrap_or_else(|_| panic!("no JSON: {answer:?}\n{}", self.log()))
    }

    /// Sends an event. Returns what came back, possibly nothing: a function that cannot start does
    /// not answer.
    pub async fn answer(&self, event: &str) -> String {
        let answer = tokio::time::timeout(ANSWERING, self.post(event)).await;
        answer.unwrap_or_else(|_| panic!("no answer:\n{}", self.log()))
    }

    async fn post(&self, event: &str) -> String {
        let mut stream = TcpStream::connect(self.address).await.expect("the emulator");
        let length = event.len();
        // HTTP/1.0, so that the answer comes in one piece and then ends.
        let head = format!(
            "POST /2015-03-31/functions/function/invocations HTTP/1.0\r\ncontent-length: {length}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.expect("the emulator reads");
        stream.write_all(event.as_bytes()).await.expect("the emulator reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("the emulator answers");
        answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default()
    }

    /// Whether the function asked for its first event before the emulator listened there, and
    /// ended. The emulator starts both at once, so on a busy machine either may be first; Lambda
    /// listens before it starts a function.
    pub fn was_too_early(&self) -> bool {
        let log = self.log();
        log.contains("Init failed") && log.contains("(Connect")
    }

    /// What the emulator and the function have written.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// How long the start took, in milliseconds: until the function asked for its first event. The
    /// emulator prints it on a separate line; the figure with the event is a different one.
    pub fn init(&self) -> Option<f64> {
        let log = self.log();
        let (_, rest) = log.split_once("INIT REPORT(durationMs: ")?;
        rest.split(')').next()?.parse().ok()
    }

    /// The most memory that the function has had, in bytes.
    pub fn memory(&self) -> Option<u64> {
        let processes = std::fs::read_dir("/proc").ok()?.flatten();
        let ours = processes.filter(|process| {
            std::fs::read_link(process.path().join("exe")).is_ok_and(|exe| exe == self.bootstrap)
                && self.is_parent(&process.path())
        });
        let status = ours.map(|process| std::fs::read_to_string(process.path().join("status")));
        let peak = status.flatten().find_map(|status| {
            let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
            line.split_whitespace().next()?.parse::<u64>().ok()
        });
        peak.map(|kilobytes| kilobytes * 1024)
    }

    /// Several tests run the same bootstrap: ours is the one below our emulator.
    fn is_parent(&self, process: &Path) -> bool {
        let stat = std::fs::read_to_string(process.join("stat")).unwrap_or_default();
        let after_name = stat.rsplit(')').next().unwrap_or_default();
        after_name.split_whitespace().nth(1) == Some(&self.process.id().to_string())
    }
}

impl Drop for Rie {
    fn drop(&mut self) {
        // When asked to end, it ends the function too.
        let asked = Command::new("kill").arg(self.process.id().to_string()).status();
        if !asked.is_ok_and(|status| status.success()) {
            let _ = self.process.kill();
        }
        let _ = self.process.wait();
        let _ = std::fs::remove_file(&self.log);
    }
}

/// The bootstrap of a function, as `make functions` builds it.
pub fn bootstrap(name: &str) -> PathBuf {
    let bootstrap = root().join("target/lambda").join(name).join("bootstrap");
    assert!(bootstrap.is_file(), "{} is missing: run `make functions`", bootstrap.display());
    bootstrap.canonicalize().expect("a path")
}

/// The size of the archive that is uploaded, in bytes.
pub fn zipped(name: &str) -> usize {
    let archive = bootstrap(name).with_file_name("bootstrap.zip");
    let about = std::fs::metadata(&archive);
    let about =
        about.unwrap_or_else(|_| panic!("{} is missing: run `make functions`", archive.display()));
    usize::try_from(about.len()).expect("a size")
}

fn emulator() -> PathBuf {
    let library = root().join(".tools/e2e/lib");
    let machine = if std::env::consts::ARCH == "aarch64" { "arm64" } else { "x86_64" };
    let within = format!("site-packages/samcli/local/rapid/aws-lambda-rie-{machine}");
    let pythons = std::fs::read_dir(&library).into_iter().flatten().flatten();
    let found = pythons.map(|python| python.path().join(&within)).find(|path| path.is_file());
    found.unwrap_or_else(|| panic!("no emulator in {}: run `make functions`", library.display()))
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
