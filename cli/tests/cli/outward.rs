//! What leaves the process: mail by SMTP, and webhooks, to real sockets.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::json;

use crate::support::Serve;

/// How long a test waits for something to come.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// A server on a free port that gives every connection to `talk`, and passes on its results.
pub(crate) fn listens<T: Send + 'static>(talk: fn(TcpStream) -> Option<T>) -> (u16, Receiver<T>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    (port, listens_on(listener, talk))
}

/// The same with an existing listener.
pub(crate) fn listens_on<T: Send + 'static>(
    listener: TcpListener,
    talk: fn(TcpStream) -> Option<T>,
) -> Receiver<T> {
    let (heard, hears) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let heard = heard.clone();
            std::thread::spawn(move || talk(stream).map(|said| heard.send(said)));
        }
    });
    hears
}

/// As much SMTP as is needed to receive one mail.
pub(crate) fn takes_mail(mut stream: TcpStream) -> Option<String> {
    let mut lines = BufReader::new(stream.try_clone().ok()?);
    stream.write_all(b"220 test\r\n").ok()?;
    loop {
        let mut line = String::new();
        lines.read_line(&mut line).ok().filter(|read| *read > 0)?;
        let answer: &[u8] = match line.split_whitespace().next()? {
            "EHLO" => b"250-test\r\n250 8BITMIME\r\n",
            "DATA" => b"354 go on\r\n",
            _ => b"250 ok\r\n",
        };
        stream.write_all(answer).ok()?;
        if line.starts_with("DATA") {
            break;
        }
    }
    let mut mail = String::new();
    while !mail.ends_with("\r\n.\r\n") {
        lines.read_line(&mut mail).ok().filter(|read| *read > 0)?;
    }
    stream.write_all(b"250 taken\r\n").ok()?;
    Some(mail)
}

/// As much HTTP as is needed to read one request.
pub(crate) fn takes_a_call(mut stream: TcpStream) -> Option<String> {
    let mut lines = BufReader::new(stream.try_clone().ok()?);
    let mut request = String::new();
    let mut length = 0;
    loop {
        let mut line = String::new();
        lines.read_line(&mut line).ok().filter(|read| *read > 0)?;
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        if line == "\r\n" {
            break;
        }
        request.push_str(&line);
    }
    let mut body = vec![0; length];
    lines.read_exact(&mut body).ok()?;
    request.push_str(&String::from_utf8(body).ok()?);
    stream.write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n").ok()?;
    Some(request)
}

#[test]
fn r32_mail_leaves_by_smtp_once_with_one_click_unsubscribe() {
    let (port, mails) = listens(takes_mail);
    let smtp = format!("smtp://127.0.0.1:{port}");
    let serve = Serve::start(None, &["--clock", "2026-12-01T08:00:00Z", "--smtp", &smtp]);
    serve.publish("appointment-loop");
    serve.post(
        "/v1/hooks/contact",
        &json!({ "email": "ann@example.com", "first_name": "Ann", "tags": "Lead" }),
    );
    let mail = mails.recv_timeout(DEADLINE).unwrap();
    assert!(mail.contains("To: ann@example.com"), "{mail}");
    assert!(mail.contains("Subject: Let's meet, Ann"), "{mail}");
    assert!(mail.contains("List-Unsubscribe: <http://127.0.0.1:"), "{mail}");
    assert!(mail.contains("List-Unsubscribe-Post: List-Unsubscribe=One-Click"), "{mail}");
    serve.post("/dev/idle", &json!({}));
    let messages = serve.get("/v1/contacts/email:ann@example.com/messages");
    assert_eq!(messages["items"][0]["status"], "sent");
    assert!(mails.try_recv().is_err(), "r30: one mail");
    let (status, _) = serve.try_call("GET", "/dev/messages", &[], "").unwrap();
    assert_eq!(status, 404, "nothing is captured");
}

#[test]
fn a_webhook_is_called_with_what_it_says_and_a_key_of_its_own() {
    let (port, calls) = listens(takes_a_call);
    let serve = Serve::standing(None, "2026-12-01T08:00:00Z");
    let document = format!(
        "
id: calls
name: Calls
sender: {{ address: a@example.com }}
elements:
  go: {{ type: start, when: {{ tag: Go }}, next: call }}
  call:
    type: webhook
    url: http://127.0.0.1:{port}/crm
    headers: {{ X-Source: dacapo }}
    body: {{ who: '{{{{ contact.email }}}}', run: '{{{{ campaign.run }}}}' }}
"
    );
    serve.publish_text("calls", &document);
    serve.post("/v1/hooks/contact", &json!({ "email": "ann@example.com", "tags": "Go" }));
    let call = calls.recv_timeout(DEADLINE).unwrap();
    assert!(call.starts_with("POST /crm HTTP/1.1"), "{call}");
    assert!(call.to_lowercase().contains("x-source: dacapo"), "{call}");
    assert!(call.to_lowercase().contains("idempotency-key:"), "{call}");
    assert!(call.ends_with(r#"{"run":"1","who":"ann@example.com"}"#), "{call}");
    serve.post("/dev/idle", &json!({}));
    assert!(calls.try_recv().is_err(), "it is called once");
}

#[test]
fn no_webhook_of_a_campaign_moves_the_clock_or_reads_captured_mail() {
    let serve = Serve::standing(None, "2026-12-01T08:00:00Z");
    let document = format!(
        "
id: calls
name: Calls
sender: {{ address: a@example.com }}
elements:
  go: {{ type: start, when: {{ tag: Go }}, next: call }}
  call:
    type: webhook
    url: {}/dev/clock
    body: {{ advance: 1 day }}
",
        serve.url()
    );
    serve.publish_text("calls", &document);
    serve.post("/v1/hooks/contact", &json!({ "email": "ann@example.com", "tags": "Go" }));
    serve.post("/dev/idle", &json!({}));
    assert_eq!(serve.get("/dev/clock")["now"], "2026-12-01T08:00:00Z");
    let history = serve.get("/v1/contacts/email:ann@example.com/history").to_string();
    assert!(history.contains("it answered 403"), "{history}");
}
