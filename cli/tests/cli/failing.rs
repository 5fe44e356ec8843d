//! Failures outside: silent mail servers and webhooks, half requests, full disks, too many
//! connections, wrong keys. The process goes on, says what is wrong, and stops in time.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use dacapo_tests::host::{Answer, Call, Remote};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::outward::{DEADLINE, listens, listens_on, takes_a_call, takes_mail};
use crate::support::KEY;

const BEGINS: &str = "2026-12-01T08:00:00Z";

/// How long stopping takes at most, unless it is told otherwise, and a little for a slow machine.
const TIME_TO_STOP: Duration = Duration::from_secs(12);

/// A `dacapo serve` whose standard error is read, started by a shell that may set limits first.
struct Process {
    child: Child,
    remote: Remote,
    directory: TempDir,
}

impl Process {
    fn start(limits: &str, arguments: &[&str]) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), limits, arguments)
    }

    fn start_in(directory: TempDir, limits: &str, arguments: &[&str]) -> Self {
        let log = directory.path().join("log");
        let log = std::fs::File::options().create(true).append(true).open(log).unwrap();
        let mut child = Command::new("sh")
            .args(["-c", &format!("{limits} exec \"$0\" \"$@\""), env!("CARGO_BIN_EXE_dacapo")])
            .args(["serve", "--port", "0", "--api-key", KEY, "--data-dir"])
            .arg(directory.path().join("data"))
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut out = std::io::BufReader::new(child.stdout.take().unwrap());
        std::io::BufRead::read_line(&mut out, &mut line).unwrap();
        let said = || std::fs::read_to_string(directory.path().join("log")).unwrap();
        let ready: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{}", said()));
        let url = ready["url"].as_str().unwrap().replace("0.0.0.0", "127.0.0.1");
        Self { child, remote: Remote::at(&url, KEY), directory }
    }

    fn place(&self) -> &str {
        self.remote.url().strip_prefix("http://").unwrap()
    }

    fn connection(&self) -> TcpStream {
        let stream = TcpStream::connect(self.place()).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("log")).unwrap()
    }

    fn call(&self, method: &str, path: &str, body: &Value) -> Answer {
        let text = if body.is_null() { String::new() } else { body.to_string() };
        self.remote.call_with(&Call::post(path, &text).method(method).by(KEY), &[]).unwrap()
    }

    fn done(&self, method: &str, path: &str, body: &Value) -> Value {
        let answer = self.call(method, path, body);
        assert!((200..300).contains(&answer.status), "{path}: {}", answer.body);
        answer.body
    }

    fn publish(&self, id: &str, document: &str) {
        let path = format!("/v1/campaigns/{id}");
        let put = Call::post(&path, document).method("PUT").by(KEY).of("application/yaml");
        assert!(self.remote.call_with(&put, &[]).unwrap().status < 300);
        self.done("POST", &format!("{path}/publish"), &json!({}));
    }

    fn message(&self, contact: &str) -> Value {
        let path = format!("/v1/contacts/email:{contact}/messages");
        self.done("GET", &path, &Value::Null)["items"][0].clone()
    }

    /// The answer to a request written by hand.
    fn raw(&self, request: &str) -> String {
        let mut stream = self.connection();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        answer
    }

    /// SIGTERM: how long it took, and whether it ended well. The directory is for the next start.
    fn stop(mut self) -> (Duration, bool, TempDir) {
        let told = Instant::now();
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        let ended = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status.success();
            }
            assert!(told.elapsed() < TIME_TO_STOP, "it does not stop: {}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        };
        let directory = std::mem::replace(&mut self.directory, tempfile::tempdir().unwrap());
        (told.elapsed(), ended, directory)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A server that accepts connections and never answers.
fn silent() -> (u16, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    (listener.local_addr().unwrap().port(), listener)
}

fn one_mail(purpose: &str) -> String {
    format!(
        "
id: hello
name: Hello
sender: {{ address: a@example.com }}
elements:
  go: {{ type: start, when: {{ tag: Go }}, next: hello }}
  hello: {{ type: email, email: hello }}
emails:
  hello: {{ purpose: {purpose}, subject: Hello, text: Hello }}
"
    )
}

fn one_call(id: &str, port: u16) -> String {
    format!(
        "
id: {id}
name: Calls
sender: {{ address: a@example.com }}
elements:
  go: {{ type: start, when: {{ tag: {id} }}, next: call }}
  call: {{ type: webhook, url: 'http://127.0.0.1:{port}/{id}' }}
"
    )
}

fn post(process: &Process, contact: &str, tag: &str) {
    process.done("POST", "/v1/hooks/contact", &json!({ "email": contact, "tags": tag }));
}

/// Waits for a condition.
fn until(what: &str, so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !so() {
        assert!(begun.elapsed() < DEADLINE, "{what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn it_stops_in_time_whatever_is_half_open_and_what_was_not_finished_goes_on() {
    let ((mail, _mail), (hook, waits)) = (silent(), silent());
    let smtp = format!("smtp://127.0.0.1:{mail}");
    let process = Process::start("", &["--clock", BEGINS, "--smtp", &smtp]);
    process.publish("hello", &one_mail("transactional"));
    process.publish("calls", &one_call("calls", hook));
    let mut half_a_header = process.connection();
    half_a_header.write_all(b"GET /healthz HTTP/1.1\r\nHost: loc").unwrap();
    let mut half_a_body = process.connection();
    half_a_body
        .write_all(b"POST /v1/hooks/contact HTTP/1.1\r\nHost: localhost\r\nX-Api-Key: ")
        .and_then(|()| half_a_body.write_all(KEY.as_bytes()))
        .and_then(|()| half_a_body.write_all(b"\r\nContent-Length: 1000\r\n\r\n{"))
        .unwrap();
    post(&process, "ann@example.com", "Go");
    post(&process, "ben@example.com", "calls");
    let state = |status: &str| process.message("ann@example.com")["status"] == status;
    until("the mail server is spoken to", || state("claimed"));
    let (took, well, directory) = process.stop();
    assert!(well, "it took {took:?}");

    let (port, mails) = listens(takes_mail);
    drop(waits);
    let calls = listens_on(TcpListener::bind(("127.0.0.1", hook)).unwrap(), takes_a_call);
    let smtp = format!("smtp://127.0.0.1:{port}");
    let process = Process::start_in(directory, "", &["--clock", BEGINS, "--smtp", &smtp]);
    process.done("POST", "/dev/clock", &json!({ "advance": "5 minutes" }));
    let mail = mails.recv_timeout(DEADLINE).unwrap();
    assert!(mail.contains("To: ann@example.com"), "{mail}");
    assert_eq!(process.message("ann@example.com")["status"], "sent");
    let call = calls.recv_timeout(DEADLINE).unwrap();
    assert!(call.starts_with("POST /calls"), "{call}");
}

#[test]
fn a_disk_that_takes_nothing_is_told_and_does_not_keep_it_from_stopping() {
    // No file can grow beyond a megabyte, which is an error and does not end the process.
    let process = Process::start("trap '' XFSZ; ulimit -f 2048;", &["--clock", BEGINS]);
    let mut refused = None;
    for n in 0..4_000 {
        let body = json!({ "email": format!("c{n}@example.com"), "first_name": "Ann" });
        let answer = process.call("POST", "/v1/hooks/contact", &body);
        if answer.status >= 500 {
            refused = Some(answer);
            break;
        }
    }
    let refused = refused.expect("the disk takes so much?");
    assert_eq!(refused.status, 503);
    let detail = refused.body["detail"].as_str().unwrap();
    assert!(detail.contains("disk") && detail.contains("try again"), "{detail}");
    let said = detail.split(';').next().unwrap();
    assert!(process.log().contains(said), "the log says something else than {said:?}");
    assert!(process.stop().1);
}

#[test]
fn a_mail_server_that_is_down_fails_no_mail_and_is_told_where_people_look() {
    let (port, listener) = silent();
    drop(listener);
    let smtp = format!("smtp://127.0.0.1:{port}");
    let process = Process::start("", &["--clock", BEGINS, "--smtp", &smtp]);
    process.publish("hello", &one_mail("transactional"));
    for n in 0..40 {
        post(&process, &format!("c{n}@example.com"), "Go");
    }
    process.done("POST", "/dev/idle", &json!({}));
    let troubles = &process.done("GET", "/v1/account", &Value::Null)["troubles"];
    assert_eq!(troubles[0]["code"], "mail_stopped", "{troubles}");
    let statistics = process.done("GET", "/v1/campaigns/hello/statistics", &Value::Null);
    assert_eq!(statistics["messages"]["failed"], 0, "{statistics}");
    // Hours later, when twelve tries would be over for all of them, none has failed.
    process.done("POST", "/dev/clock", &json!({ "advance": "6 hours" }));
    let statistics = process.done("GET", "/v1/campaigns/hello/statistics", &Value::Null);
    assert_eq!(statistics["messages"]["failed"], 0, "{statistics}");
    let lines = process.log().matches("mail was not sent").count();
    assert!((1..=361).contains(&lines), "{lines} lines in six hours");
    assert_eq!(process.log().matches("mail is stopped").count(), 1);
}

#[test]
fn wrong_credentials_stop_mail_instead_of_failing_it() {
    fn refuses(mut stream: TcpStream) -> Option<()> {
        let mut lines = std::io::BufReader::new(stream.try_clone().ok()?);
        stream.write_all(b"220 test\r\n").ok()?;
        loop {
            let mut line = String::new();
            std::io::BufRead::read_line(&mut lines, &mut line).ok().filter(|read| *read > 0)?;
            match line.split_whitespace().next()? {
                "EHLO" => stream.write_all(b"250-test\r\n250 AUTH PLAIN\r\n").ok()?,
                "AUTH" => {
                    stream.write_all(b"535 5.7.8 wrong\r\n").ok()?;
                    return Some(());
                }
                _ => stream.write_all(b"503 what\r\n").ok()?,
            }
        }
    }
    let (port, asked) = listens(refuses);
    let smtp = format!("smtp://user:wrong@127.0.0.1:{port}?tls=none");
    let process = Process::start("", &["--clock", BEGINS, "--smtp", &smtp]);
    process.publish("hello", &one_mail("transactional"));
    for n in 0..40 {
        post(&process, &format!("c{n}@example.com"), "Go");
    }
    process.done("POST", "/dev/idle", &json!({}));
    let troubles = &process.done("GET", "/v1/account", &Value::Null)["troubles"];
    assert!(troubles[0]["detail"].as_str().unwrap().contains("password"), "{troubles}");
    let statistics = process.done("GET", "/v1/campaigns/hello/statistics", &Value::Null);
    assert_eq!(statistics["messages"]["failed"], 0, "{statistics}");
    let asked = asked.try_iter().count();
    assert!(asked <= 10, "the server was asked {asked} times: it will lock us out");
    assert!(process.log().contains("mail is stopped"), "{}", process.log());
}

#[test]
fn a_silent_webhook_holds_up_no_other_host() {
    let (slow, _slow) = silent();
    let (quick, calls) = listens(takes_a_call);
    let process = Process::start("", &["--clock", "real"]);
    process.publish("slow", &one_call("slow", slow));
    process.publish("quick", &one_call("quick", quick));
    for n in 0..80 {
        post(&process, &format!("c{n}@example.com"), "slow");
    }
    post(&process, "ann@example.com", "quick");
    // Sixteen at a time, the slow ones before it would take fifty seconds.
    let call = calls.recv_timeout(DEADLINE).unwrap();
    assert!(call.starts_with("POST /quick"), "{call}");
}

#[test]
fn one_connection_too_many_is_told_so_and_nobody_else_is_concerned() {
    let process = Process::start("", &["--max-connections", "2"]);
    let get = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let (one, two) = (process.connection(), process.connection());
    until("the third is turned away", || {
        let answer = process.raw(get);
        answer.starts_with("HTTP/1.1 503")
            && answer.to_lowercase().contains("retry-after: 1")
            && answer.contains("urn:dacapo:problem:not_now")
    });
    drop((one, two));
    until("there is room again", || process.raw(get).starts_with("HTTP/1.1 200"));
    assert!(process.log().contains("max-connections"), "{}", process.log());
}

#[test]
fn a_body_that_says_it_is_too_large_is_not_waited_for() {
    let process = Process::start("", &[]);
    let post = format!(
        "POST /v1/hooks/contact HTTP/1.1\r\nHost: localhost\r\nX-Api-Key: {KEY}\r\n\
         Content-Type: application/json\r\nContent-Length: 9999999999\r\nConnection: close\r\n\r\n{{"
    );
    let answer = process.raw(&post);
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
}

#[test]
fn the_limit_of_open_files_is_told_and_passes() {
    let process = Process::start("ulimit -n 64;", &[]);
    let many: Vec<_> = (0..90).filter_map(|_| TcpStream::connect(process.place()).ok()).collect();
    until("a line in the log", || process.log().contains("ulimit -n"));
    drop(many);
    let get = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    until("it goes on", || process.raw(get).starts_with("HTTP/1.1 200"));
}

#[test]
fn dev_answers_no_page_of_a_browser_and_nobody_from_elsewhere_without_the_key() {
    let asked = |process: &Process, headers: &str| {
        let get = format!("GET /dev/clock HTTP/1.1\r\n{headers}Connection: close\r\n\r\n");
        let answer = process.raw(&get);
        answer.split(' ').nth(1).unwrap_or_default().to_owned()
    };
    let process = Process::start("", &["--clock", BEGINS]);
    let own = format!("Host: {}\r\n", process.place());
    let port = process.place().rsplit(':').next().unwrap();
    let key = format!("X-Api-Key: {KEY}\r\n");
    assert_eq!(asked(&process, &own), "200");
    assert_eq!(asked(&process, &format!("Host: localhost:{port}\r\n")), "200");
    assert_eq!(asked(&process, &format!("Host: [::1]:{port}\r\n")), "200");
    assert_eq!(asked(&process, "Host: rebound.example\r\n"), "403");
    assert_eq!(asked(&process, "Host: 127.0.0.1.evil.example\r\n"), "403");
    assert_eq!(asked(&process, &format!("Host: rebound.example\r\n{key}")), "200");
    assert_eq!(asked(&process, &format!("{own}Origin: https://evil.example\r\n")), "403");
    assert_eq!(asked(&process, &format!("{own}Origin: null\r\n")), "403");
    assert_eq!(asked(&process, &format!("{own}Origin: http://localhost:1\r\n")), "403");
    assert_eq!(asked(&process, &format!("{own}Origin: http://{}\r\n", process.place())), "200");

    let process = Process::start("", &["--clock", BEGINS, "--host", "0.0.0.0"]);
    assert!(process.log().contains("--public-url"), "{}", process.log());
    let own = format!("Host: {}\r\n", process.place());
    assert_eq!(asked(&process, &own), "401");
    assert_eq!(asked(&process, &format!("{own}X-Api-Key: wrong\r\n")), "401");
    assert_eq!(asked(&process, &format!("{own}{key}")), "200");
}

#[test]
fn the_clock_goes_no_further_than_the_calendar() {
    let process = Process::start("", &["--clock", BEGINS]);
    for to in ["+262142-12-31T23:59:59Z", "+10000-01-01T00:00:00Z"] {
        let answer = process.call("POST", "/dev/clock", &json!({ "to": to }));
        assert_eq!(answer.status, 422, "{to}: {}", answer.body);
    }
    let answer = process.call("POST", "/dev/clock", &json!({ "advance": "3000000 days" }));
    assert_eq!(answer.status, 422, "{}", answer.body);
    assert_eq!(process.done("GET", "/dev/clock", &Value::Null)["now"], BEGINS);
}

/// A start that is refused: its message.
fn refused(arguments: &[&str], directory: Option<&Path>) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dacapo"));
    command.args(["serve", "--port", "0", "--api-key", KEY]).args(arguments);
    if let Some(directory) = directory {
        command.arg("--data-dir").arg(directory);
    }
    let output = command.output().unwrap();
    assert!(!output.status.success());
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn what_cannot_be_right_is_refused_at_the_start() {
    let smtp = "smtp://127.0.0.1:9";
    let said = refused(&["--host", "0.0.0.0", "--smtp", smtp], None);
    assert!(said.contains("http://0.0.0.0:") && said.contains("--public-url"), "{said}");
    let said = refused(&["--public-url", "mail.example"], None);
    assert!(said.contains("https://mail.example"), "{said}");
    let said = refused(&["--clock", "+262142-01-01T00:00:00Z"], None);
    assert!(said.contains("1970 and 9999"), "{said}");
    let said = refused(&["--smtp", "smtp://user:secret@mail.example?tls=perhaps"], None);
    assert!(!said.contains("secret"), "{said}");
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("dacapo.db"), "").unwrap();
    let said = refused(&[], Some(directory.path()));
    assert!(said.contains("0 bytes") && said.contains("dacapo.db"), "{said}");
}

#[test]
fn wrong_keys_are_answered_slowly_and_a_right_one_at_once() {
    let process = Process::start("", &[]);
    assert!(process.log().contains("the admin key is short"), "{}", process.log());
    let with = |key: &str| {
        let begun = Instant::now();
        let answer = process.raw(&format!(
            "GET /v1/account HTTP/1.1\r\nHost: localhost\r\nX-Api-Key: {key}\r\nConnection: close\r\n\r\n"
        ));
        (answer.split(' ').nth(1).unwrap_or_default().to_owned(), begun.elapsed())
    };
    for n in 0..13 {
        assert_eq!(with(&format!("wrong-{n}")).0, "401");
    }
    let (status, took) = with("wrong-again");
    assert_eq!(status, "401");
    assert!(took >= Duration::from_secs(2), "the fourteenth took {took:?}");
    let (status, took) = with(KEY);
    assert_eq!(status, "200");
    assert!(took < Duration::from_secs(1), "the right one took {took:?}");
    assert!(process.log().contains("wrong API keys"), "{}", process.log());
}
