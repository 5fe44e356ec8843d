//! A mail server that follows a script, and falls silent, hangs up or refuses where the script says
//! so: what becomes of the mail at every step, and how long that takes.

use std::sync::atomic::{AtomicUsize, Ordering};

use chrono::TimeDelta;
use dacapo_engine::campaign::format::Sender;
use dacapo_engine::ids::{CampaignId, ContactId};
use dacapo_platform::mail::MessageName;
use dacapo_platform::ports::Clock as _;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::clock::ClockKind;
use crate::stopping::Stop;
use crate::store::SqliteStore;

const SHORT: Duration = Duration::from_millis(150);

/// The steps of a session as the server sees them.
const STEPS: [&str; 7] = ["connect", "EHLO", "AUTH", "MAIL", "RCPT", "DATA", "."];

/// What the server does at one step. At all others it works.
#[derive(Debug, Clone, Copy)]
enum At {
    /// Nothing, for ever.
    Silent(&'static str),
    HangsUp(&'static str),
    Says(&'static str, &'static str),
    Nothing,
}

impl At {
    /// Its answer at a step; `None`: it hangs up.
    async fn answer(self, step: &str, usual: &'static str) -> Option<&'static str> {
        match self {
            Self::Silent(at) if at == step => std::future::pending().await,
            Self::HangsUp(at) if at == step => None,
            Self::Says(at, words) if at == step => Some(words),
            Self::Silent(_) | Self::HangsUp(_) | Self::Says(..) | Self::Nothing => Some(usual),
        }
    }
}

/// A server on a port of its own, and how many mails it has taken.
struct Scripted {
    url: String,
    taken: Arc<AtomicUsize>,
    sessions: Arc<AtomicUsize>,
}

impl Scripted {
    async fn with(at: At) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let url = format!("smtp://user:secret@127.0.0.1:{port}?tls=none");
        let (taken, sessions) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let (took, began) = (Arc::clone(&taken), Arc::clone(&sessions));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                began.fetch_add(1, Ordering::SeqCst);
                let took = Arc::clone(&took);
                tokio::spawn(async move { Self::session(stream, at, &took).await });
            }
        });
        Self { url, taken, sessions }
    }

    async fn session(stream: TcpStream, at: At, took: &AtomicUsize) -> Option<()> {
        let mut stream = BufReader::new(stream);
        let greeting = at.answer("connect", "220 test").await?;
        stream.write_all(format!("{greeting}\r\n").as_bytes()).await.ok()?;
        let mut content = false;
        loop {
            let mut line = String::new();
            stream.read_line(&mut line).await.ok().filter(|read| *read > 0)?;
            if content && line != ".\r\n" {
                continue;
            }
            let step = line.split_whitespace().next().unwrap_or_default().to_owned();
            let usual = match step.as_str() {
                "EHLO" => "250-test\r\n250 AUTH PLAIN",
                "AUTH" => "235 known",
                "DATA" => "354 go on",
                _ => "250 ok",
            };
            let words = at.answer(&step, usual).await?;
            if content && words.starts_with("250") {
                took.fetch_add(1, Ordering::SeqCst);
            }
            content = words.starts_with("354");
            stream.write_all(format!("{words}\r\n").as_bytes()).await.ok()?;
        }
    }
}

async fn smtp(url: &str, stop: &Stop) -> Smtp {
    let store = SqliteStore::open(None, |_| false).unwrap();
    let manual = ClockKind::Manual(dacapo_platform::Instant::UNIX_EPOCH);
    let clock = EmbeddedClock::start(store, manual).await.unwrap();
    let mut smtp = Smtp::to(url, clock, stop.listener()).unwrap();
    smtp.bounds = Bounds {
        resolve: SHORT,
        connect: SHORT,
        greeting: SHORT,
        auth: SHORT,
        command: SHORT,
        before_content: SHORT * 6,
        content: SHORT,
    };
    smtp
}

fn mail() -> Mail {
    Mail {
        from: Sender { name: None, address: "a@example.com".to_owned() },
        to: "ann@example.com".to_owned(),
        reply_to: None,
        subject: "Hello".to_owned(),
        text: "Hello Ann".to_owned(),
        html: None,
        unsubscribe_url: None,
        message: MessageName {
            contact: ContactId::new("c0123456789abcdef").unwrap(),
            campaign: CampaignId::new("hello").unwrap(),
            run: 1,
            step: 1,
        },
    }
}

/// What becomes of a mail, in a word, and the text of it.
async fn sent(at: At) -> (&'static str, String, Smtp, Scripted) {
    let server = Scripted::with(at).await;
    let smtp = smtp(&server.url, &Stop::new()).await;
    let mail = mail();
    let within = tokio::time::timeout(Duration::from_secs(5), smtp.send(&mail));
    let (word, said) = match within.await.expect("it takes no longer than its bounds") {
        Ok(said) => ("sent", said),
        Err(SendError::NotNow(said)) => ("not now", said),
        Err(SendError::PutOff(PutOff::Stopped, said)) => ("stopped", said),
        Err(SendError::PutOff(PutOff::Rate | PutOff::Quota, said)) => ("held", said),
        Err(SendError::Refused(said)) => ("refused", said),
        Err(SendError::Unknown(said)) => ("unknown", said),
    };
    (word, said, smtp, server)
}

#[tokio::test]
async fn a_server_that_is_silent_or_gone_holds_up_nobody_and_loses_no_mail() {
    for step in STEPS {
        let expected = match step {
            "RCPT" | "DATA" => "not now",
            "." => "unknown",
            _ => "stopped",
        };
        for at in [At::Silent(step), At::HangsUp(step)] {
            let (word, said, ..) = sent(at).await;
            let expected = match at {
                At::HangsUp("MAIL") => "stopped",
                _ => expected,
            };
            assert_eq!(word, expected, "{at:?}: {said}");
        }
    }
}

/// The words of SES for the sender, and for the recipient where its account is in the sandbox.
const UNVERIFIED_SENDER: &str = "554 Message rejected: Email address is not verified. The following identities failed the check \
    in region EU-CENTRAL-1: a@example.com";
const UNVERIFIED_RECIPIENT: &str = "554 Message rejected: Email address is not verified. The following identities failed the \
    check in region EU-CENTRAL-1: ann@example.com";

#[tokio::test]
async fn what_is_said_decides_what_becomes_of_the_mail() {
    for (at, expected) in [
        (At::Says("connect", "554 no service"), "stopped"),
        (At::Says("connect", "421 too busy"), "stopped"),
        (At::Says("connect", "SSH-2.0-server"), "stopped"),
        (At::Says("EHLO", "502 what"), "stopped"),
        (At::Says("EHLO", "250 test"), "stopped"),
        (At::Says("AUTH", "535 5.7.8 no"), "stopped"),
        (At::Says("AUTH", "454 later"), "stopped"),
        (At::Says("MAIL", "530 5.7.0 who are you"), "stopped"),
        (At::Says("MAIL", "421 closing"), "stopped"),
        (At::Says("MAIL", "451 later"), "not now"),
        (At::Says("MAIL", "454 Throttling failure: Maximum sending rate exceeded."), "held"),
        (At::Says(".", "454 Throttling failure: Daily message quota exceeded."), "held"),
        (At::Says("MAIL", "553 not from there"), "refused"),
        (At::Says("RCPT", "450 greylisted"), "not now"),
        (At::Says("RCPT", "421 not for that domain now"), "not now"),
        (At::Says("RCPT", "550 nobody"), "refused"),
        (At::Says("DATA", "451 later"), "not now"),
        (At::Says("DATA", "554 no"), "refused"),
        (At::Says(".", "452 full"), "not now"),
        (At::Says(".", "554 spam"), "refused"),
        (At::Says(".", UNVERIFIED_SENDER), "stopped"),
        (At::Says(".", UNVERIFIED_RECIPIENT), "refused"),
        (At::Says(".", "hello"), "unknown"),
        (At::Nothing, "sent"),
    ] {
        let (word, said, _, server) = sent(at).await;
        assert_eq!(word, expected, "{at:?}: {said}");
        assert_eq!(server.taken.load(Ordering::SeqCst), usize::from(word == "sent"), "{at:?}");
    }
}

#[tokio::test]
async fn wrong_credentials_stop_mail_and_say_so() {
    let refused = At::Says("AUTH", "535 5.7.8 no such user: ann@example.com");
    let (word, said, smtp, _) = sent(refused).await;
    assert_eq!(word, "stopped");
    assert!(said.contains("refuses the user name or the password"), "{said}");
    let trouble = smtp.trouble().unwrap();
    assert_eq!(trouble.code, "mail_stopped");
    assert!(trouble.detail.contains("535"), "{trouble:?}");
    assert!(!trouble.detail.contains('@'), "an address in what everybody reads: {trouble:?}");
}

#[tokio::test]
async fn mail_is_tried_more_and_more_seldom_and_goes_on_when_the_server_works() {
    let (_, _, smtp, _) = sent(At::Says("connect", "421 busy")).await;
    let (server_state, now) = (smtp.server_state(), smtp.server_state.clock.now());
    assert_eq!(server_state.stopped_until(), Some(now + TimeDelta::seconds(5)));
    // Mails that were being sent when it stopped make no difference.
    server_state.stops("421 busy");
    assert_eq!(server_state.stopped_until(), Some(now + TimeDelta::seconds(5)));
    let mut until = now + TimeDelta::seconds(5);
    for _ in 0..20 {
        server_state.clock.set(until).await.unwrap();
        server_state.stops("421 busy");
        until = server_state.stopped_until().unwrap();
    }
    assert_eq!(until - server_state.clock.now(), TimeDelta::minutes(5));
    server_state.works();
    assert_eq!((server_state.stopped_until(), smtp.trouble()), (None, None));
}

#[tokio::test]
async fn a_refusal_of_one_mail_stops_no_other() {
    for said in [At::Says("RCPT", "550 nobody"), At::Says(".", UNVERIFIED_SENDER)] {
        let (_, _, smtp, _) = sent(said).await;
        assert_eq!(smtp.trouble(), None, "{said:?}");
    }
}

#[tokio::test]
async fn without_starttls_no_password_is_said() {
    let server = Scripted::with(At::Nothing).await;
    let url = server.url.replace("?tls=none", "");
    let smtp = smtp(&url, &Stop::new()).await;
    let Err(SendError::PutOff(PutOff::Stopped, said)) = smtp.send(&mail()).await else {
        panic!("it went")
    };
    assert!(said.contains("STARTTLS") && said.contains("?tls=none"), "{said}");
    assert_eq!(server.taken.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn one_session_serves_many_mails() {
    let (word, _, smtp, server) = sent(At::Nothing).await;
    assert_eq!(word, "sent");
    for _ in 0..3 {
        smtp.send(&mail()).await.unwrap();
    }
    assert_eq!(server.taken.load(Ordering::SeqCst), 4);
    assert_eq!(server.sessions.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn who_stops_waits_for_no_silent_server_and_the_mail_stays() {
    let server = Scripted::with(At::Silent("connect")).await;
    let stop = Stop::new();
    let mut smtp = smtp(&server.url, &stop).await;
    smtp.bounds = Bounds::USUAL;
    let mail = mail();
    let (sent, ()) = tokio::join!(smtp.send(&mail), async {
        tokio::time::sleep(SHORT).await;
        stop.end();
    });
    assert!(matches!(sent, Err(SendError::PutOff(PutOff::Stopped, _))), "{sent:?}");
    assert_eq!(smtp.trouble(), None, "the server was not at fault");
}

#[test]
fn a_send_takes_less_time_than_a_claim_holds() {
    let Bounds { before_content, content, .. } = Bounds::USUAL;
    assert!(before_content + content < Duration::from_secs(120));
}

/// The lines of the header of a mail with this subject, as they leave.
fn header_lines(subject: &str) -> Vec<String> {
    let mail = Mail { subject: subject.to_owned(), ..mail() };
    let text = String::from_utf8(message(&mail).unwrap().formatted()).unwrap();
    let (header, _) = text.split_once("\r\n\r\n").unwrap();
    header.split("\r\n").map(str::to_owned).collect()
}

#[test]
fn a_subject_leaves_in_short_lines_and_shows_what_it_is() {
    use base64::Engine as _;
    assert!(header_lines("Hello Ann").contains(&"Subject: Hello Ann".to_owned()));
    for subject in [
        "Hello =?utf-8?q?Eve?=".to_owned(),
        "a".repeat(500),
        format!("Hello {}", "a".repeat(494)),
        "ü".repeat(250),
        "ab ".repeat(166).trim_end().to_owned(),
    ] {
        let lines = header_lines(&subject);
        assert!(lines.iter().all(|line| line.is_ascii() && line.len() <= 78), "{lines:#?}");
        let begins = lines.iter().position(|line| line.starts_with("Subject:")).unwrap();
        let folded = lines[begins + 1..].iter().take_while(|line| line.starts_with(' '));
        let whole: Vec<&str> =
            std::iter::once(&lines[begins]).chain(folded).map(String::as_str).collect();
        let whole = whole.concat();
        let words = whole.strip_prefix("Subject: ").unwrap().split(' ').map(|word| {
            let coded = word.strip_prefix("=?utf-8?b?").and_then(|word| word.strip_suffix("?="));
            let Some(coded) = coded else { return format!("{word} ") };
            let bytes = base64::engine::general_purpose::STANDARD.decode(coded).unwrap();
            String::from_utf8(bytes).unwrap()
        });
        assert_eq!(words.collect::<String>().trim_end(), subject);
    }
}
