//! The SAM CLI as a process: with a time limit, with its output kept, and ended with the process
//! that started it.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use dacapo_aws_tests::emulator::{answers, free_addresses};
use serde_json::Value;

use super::root;

/// How long one event may take, container included. At the first event SAM adds the emulator to the
/// image.
const INVOKING: Duration = Duration::from_secs(120);

/// How long a server may take until it listens.
const STARTING: Duration = Duration::from_secs(60);

/// How long its end may take, with its containers.
const ENDING: Duration = Duration::from_secs(30);

/// A function's answer, and the output meanwhile.
#[derive(Debug)]
pub struct Answered {
    /// The answer.
    pub answer: Value,
    /// The output of SAM and the function.
    pub log: String,
}

/// Runs `sam local invoke …` to its end.
///
/// # Errors
///
/// Why there is no answer, with the command and its output.
pub fn invoke(command: &str, folder: &Path) -> Result<Answered, String> {
    let mut sam = Sam::start(command, folder)?;
    let ended = sam.ended(INVOKING);
    let (answer, log) = (sam.answered(), sam.log());
    let failed = |why: &str| format!("{command}\n{why}\n{answer}{log}");
    match ended {
        Some(status) if status.success() => {
            let last = answer.lines().last().unwrap_or_default();
            let answer = serde_json::from_str(last).map_err(|_| failed("answers no JSON"))?;
            Ok(Answered { answer, log })
        }
        Some(status) => Err(failed(&format!("ends with {status}"))),
        None => Err(failed(&format!("has not ended within {INVOKING:?}"))),
    }
}

/// A running `sam local`.
pub struct Sam {
    child: Child,
    answers: PathBuf,
    log: PathBuf,
}

impl Sam {
    /// Starts it at the root of the repository. Its output goes to files in this folder.
    fn start(command: &str, folder: &Path) -> Result<Self, String> {
        let (answers, log) = (folder.join("answers"), folder.join("log"));
        let file = |path: &Path| File::create(path).map_err(|error| format!("{path:?}: {error}"));
        let mut words = command.split(' ');
        let child = Command::new(words.next().unwrap_or_default())
            .args(words)
            .current_dir(root())
            .stdin(Stdio::null())
            .stdout(file(&answers)?)
            .stderr(file(&log)?)
            .spawn()
            .map_err(|error| format!("{command}: {error}: `make sam-local` installs it"))?;
        Ok(Self { child, answers, log })
    }

    /// Starts a server on a free port, and waits until it listens. Returns its address.
    ///
    /// # Errors
    ///
    /// Why it does not, with the command and its output.
    pub async fn serve(command: &str, folder: &Path) -> Result<(Self, SocketAddr), String> {
        let [free] = free_addresses();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free.port()));
        let command = format!("{command} --port {}", address.port());
        let mut sam = Self::start(&command, folder)?;
        let begun = Instant::now();
        while !answers(address).await {
            let ended = sam.child.try_wait().ok().flatten();
            if ended.is_some() || begun.elapsed() > STARTING {
                let how =
                    ended.map_or_else(|| "does not listen".to_owned(), |status| status.to_string());
                return Err(format!(
                    "{command}\n{how} after {:.1?}\n{}",
                    begun.elapsed(),
                    sam.log()
                ));
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok((sam, address))
    }

    /// Its standard output.
    fn answered(&self) -> String {
        std::fs::read_to_string(&self.answers).unwrap_or_default()
    }

    /// The other output, of it and its functions.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// Waits for its end.
    fn ended(&mut self, within: Duration) -> Option<ExitStatus> {
        let begun = Instant::now();
        loop {
            let ended = self.child.try_wait().ok().flatten();
            if ended.is_some() || begun.elapsed() > within {
                return ended;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Ends it, with its containers. Returns its output.
    pub fn end(mut self) -> String {
        self.stop();
        self.log()
    }

    fn stop(&mut self) {
        if self.child.try_wait().is_ok_and(|ended| ended.is_some()) {
            return;
        }
        // When asked to end, it removes its containers.
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        if self.ended(ENDING).is_none() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

impl Drop for Sam {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Lines of a function that ended without being asked to.
pub fn complaints(log: &str) -> Vec<&str> {
    let line = |line: &&str| line.starts_with("Error:") || line.contains("panicked at");
    log.lines().filter(line).collect()
}
