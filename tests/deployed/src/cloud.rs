//! The cloud on this machine: MiniStack as a process of its own, on a free port. It ends with the
//! process that started it.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::clock::StandingClock;
use crate::until::{Patience, until};

/// A running cloud. Dropping it ends it.
pub struct Cloud {
    child: Child,
    /// Its address.
    pub url: String,
    /// Its clock, if that is a manual one.
    clock: Option<StandingClock>,
    directory: TempDir,
}

impl Cloud {
    /// Starts one, and waits until it answers.
    ///
    /// # Panics
    ///
    /// If it doesn't within a minute.
    #[must_use]
    pub fn start() -> Self {
        Self::with(None)
    }

    /// Starts one whose clock stops as soon as it is set, and waits until it answers.
    ///
    /// # Panics
    ///
    /// If it doesn't within a minute.
    #[must_use]
    pub fn standing() -> Self {
        Self::with(Some(free_port()))
    }

    fn with(clock: Option<u16>) -> Self {
        let directory = tempfile::tempdir().expect("a directory for the cloud");
        let port = free_port();
        let url = format!("http://127.0.0.1:{port}");
        let log = std::fs::File::create(directory.path().join("log")).expect("a log");
        let mut command = Command::new(python());
        command
            // No files are left in the repository.
            .arg("-B")
            .arg(repository().join("infra/tools/e2e/cloud.py"))
            .env("GATEWAY_PORT", port.to_string())
            .env("BIND_HOST", "127.0.0.1")
            .env("MINISTACK_HOST", "localhost")
            .env("IOT_MTLS_ENABLED", "0")
            .env("SFTP_ENABLED", "0")
            // The functions receive all addresses, and their code is separate from that of other
            // clouds.
            .env("AWS_ENDPOINT_URL", &url)
            // Every function has its role's credentials, and may do what its policies allow.
            .env("AUTH", "true")
            .envs(ROOT)
            .env("TMPDIR", directory.path())
            .stdin(Stdio::piped())
            .stdout(log.try_clone().expect("a log"))
            .stderr(log);
        if let Some(port) = clock {
            command
                .env("STANDING_CLOCK", directory.path().join("clock"))
                .env("CLOCK_LIBRARY", repository().join(".tools/clock.so"))
                .env("CLOCK_PORT", port.to_string());
        }
        let child = command.spawn().expect("the cloud starts: `make e2e` installs it");
        let mut cloud = Self { child, url, clock: clock.map(StandingClock::at), directory };
        cloud.wait();
        cloud
    }

    /// Its clock.
    ///
    /// # Panics
    ///
    /// If it was not started with a manual one.
    #[must_use]
    pub fn clock(&self) -> &StandingClock {
        self.clock.as_ref().expect("the cloud was started with a clock that stands")
    }

    /// Its log.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }

    fn wait(&mut self) {
        let health = format!("{}/_ministack/health", self.url);
        until("the cloud to answer", Patience::seconds(60), || {
            if let Ok(Some(status)) = self.child.try_wait() {
                panic!("the cloud has ended with {status}:\n{}", self.log());
            }
            get(&health).map(drop)
        });
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        // It ends when its standard input is closed, and ends its functions.
        drop(self.child.stdin.take());
        for _ in 0..100 {
            if let Ok(Some(_)) = self.child.try_wait() {
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A GET of an address of the cloud itself.
pub(crate) fn get(url: &str) -> Result<Value, String> {
    let mut response = ureq::get(url).call().map_err(|error| error.to_string())?;
    let text = response.body_mut().read_to_string().map_err(|error| error.to_string())?;
    serde_json::from_str(&text).map_err(|error| error.to_string())
}

/// The root of the repository.
pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A command with the credentials of an administrator of a cloud.
pub(crate) fn as_root(program: PathBuf, cloud: &str) -> Command {
    let mut command = Command::new(program);
    command.current_dir(repository()).envs(ROOT).env("AWS_ENDPOINT_URL", cloud);
    command
}

/// The Python that the cloud was installed for.
pub(crate) fn python() -> PathBuf {
    repository().join(".tools/ministack/bin/python")
}

/// The credentials of an administrator of a cloud.
const ROOT: [(&str, &str); 3] = [
    ("AWS_ACCESS_KEY_ID", "test"),
    ("AWS_SECRET_ACCESS_KEY", "test"),
    ("AWS_DEFAULT_REGION", "us-east-1"),
];

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").port()
}
