//! Emulators of AWS: each listens on a free port and stops with the process that started it.
//!
//! They are installed by `make emulators`. Each process starts its own. So nothing has to run
//! already, and parallel tests are isolated.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use dacapo_aws::clients::{Clients, Connection, Credentials};
use tokio::net::TcpStream;

/// How long the start may take, on a busy machine.
const STARTING: Duration = Duration::from_secs(90);

/// The host that only this machine can call.
const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// How often another port is tried, if another process took the free one.
const TRIES: usize = 3;

/// A running emulator.
#[derive(Debug)]
pub struct Emulator {
    process: Child,
    address: SocketAddr,
    log: PathBuf,
}

impl Emulator {
    /// AWS's own DynamoDB Local, in memory.
    pub async fn dynamodb_local() -> Self {
        let folder = installed("dynamodb-local");
        Self::start("dynamodb-local", HERE, |port| {
            let mut java = Command::new("java");
            java.current_dir(&folder)
                .args(["-Xmx512m", "-Djava.library.path=./DynamoDBLocal_lib"])
                .args(["-jar", "DynamoDBLocal.jar", "-inMemory", "-sharedDb", "-disableTelemetry"])
                .args(["-port", &port.to_string()]);
            java
        })
        .await
    }

    /// MiniStack, reachable from this machine only.
    pub async fn ministack() -> Self {
        Self::ministack_at(HERE, &HERE.to_string()).await
    }

    /// MiniStack at this address; its own URLs have this name.
    pub async fn ministack_at(host: IpAddr, name: &str) -> Self {
        let program = installed("ministack").join("bin/ministack");
        Self::start("ministack", host, |port| {
            let mut ministack = Command::new(&program);
            ministack
                .env("GATEWAY_PORT", port.to_string())
                .env("BIND_HOST", host.to_string())
                .env("MINISTACK_HOST", name);
            ministack
        })
        .await
    }

    async fn start(name: &str, host: IpAddr, command: impl Fn(u16) -> Command) -> Self {
        let mut said = String::new();
        for _ in 0..TRIES {
            let [address] = free_addresses_at(host);
            let log = std::env::temp_dir().join(format!("dacapo-{name}-{}.log", address.port()));
            let out = std::fs::File::create(&log).expect("a log");
            let process = command(address.port())
                .stdin(Stdio::null())
                .stdout(out.try_clone().expect("a log"))
                .stderr(out)
                .spawn()
                .unwrap_or_else(|error| panic!("{name} does not start: {error}"));
            let mut emulator = Self { process, address, log };
            if emulator.answers().await {
                return emulator;
            }
            said = std::fs::read_to_string(&emulator.log).unwrap_or_default();
        }
        panic!("{name} does not come up:\n{said}");
    }

    /// Waits until it accepts connections; it may end before.
    async fn answers(&mut self) -> bool {
        let up = async {
            while !answers(self.address).await {
                if self.process.try_wait().is_ok_and(|ended| ended.is_some()) {
                    return false;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            true
        };
        tokio::time::timeout(STARTING, up).await.unwrap_or(false)
    }

    /// The port at which it listens.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.address.port()
    }

    /// Clients that reach it.
    #[must_use]
    pub fn clients(&self) -> Clients {
        Clients::new(&Connection {
            region: "us-east-1".to_owned(),
            endpoint: Some(format!("http://{}", self.address)),
            credentials: Credentials {
                access_key_id: "test".to_owned(),
                secret_access_key: "test".to_owned(),
                session_token: None,
            },
        })
    }
}

/// Whether a process accepts connections there. If none does, a connection may use its target as
/// its own source port, and then reaches itself.
pub async fn answers(address: SocketAddr) -> bool {
    let called = TcpStream::connect(address).await.and_then(|stream| stream.local_addr());
    called.is_ok_and(|from| from != address)
}

impl Drop for Emulator {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_file(&self.log);
    }
}

fn installed(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("the repository");
    let folder = root.join(".tools").join(name);
    assert!(folder.is_dir(), "{} is missing: run `make emulators`", folder.display());
    folder
}

/// Addresses of this machine at which nothing listens, all different.
pub fn free_addresses<const N: usize>() -> [SocketAddr; N] {
    free_addresses_at(HERE)
}

/// The same, for one of its hosts.
fn free_addresses_at<const N: usize>(host: IpAddr) -> [SocketAddr; N] {
    let free = [(); N].map(|()| TcpListener::bind((host, 0)).expect("a free port"));
    free.map(|listener| listener.local_addr().expect("an address"))
}
