//! What is sent to SES, and what each of its answers means for the mail.

use dacapo_engine::campaign::format::Sender;
use dacapo_engine::ids::{CampaignId, ContactId};
use dacapo_platform::mail::MessageName;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::*;
use crate::testing::{PreparedAnswer, Server, Then, clients, unused_address};

fn mail() -> Mail {
    Mail {
        from: Sender { name: Some("Jörg".to_owned()), address: "jo@example.com".to_owned() },
        to: "ann@example.com".to_owned(),
        reply_to: Some("answers@example.com".to_owned()),
        subject: "Grüße".to_owned(),
        text: "Hello".to_owned(),
        html: Some("<p>Hello</p>".to_owned()),
        unsubscribe_url: Some("https://dacapo.example/u/token".to_owned()),
        message: MessageName {
            contact: ContactId::new("c1").unwrap(),
            campaign: CampaignId::new("a.b").unwrap(),
            run: 2,
            step: 7,
        },
    }
}

async fn sent(answer: PreparedAnswer) -> (Result<String, SendError>, Server) {
    let server = Server::answering([answer]).await;
    let mailer = SesMailer::new(clients(&server.url).ses(), Some("set".to_owned()), 10);
    (mailer.send(&mail()).await, server)
}

#[tokio::test]
async fn a_mail_is_one_request_with_tags_and_one_click_unsubscribing() {
    let (sent, server) = sent(PreparedAnswer::json(200, r#"{"MessageId":"m-1"}"#)).await;
    assert_eq!(sent, Ok("m-1".to_owned()));
    let [asked] = &server.asked()[..] else { panic!("{:?}", server.asked()) };
    assert!(asked.head.starts_with("POST /v2/email/outbound-emails HTTP/1.1"), "{}", asked.head);
    let body: Value = serde_json::from_str(&asked.body).unwrap();
    let utf8 = |text: &str| json!({ "Data": text, "Charset": "UTF-8" });
    let expected = json!({
        "FromEmailAddress": "=?UTF-8?B?SsO2cmc=?= <jo@example.com>",
        "Destination": { "ToAddresses": ["ann@example.com"] },
        "ReplyToAddresses": ["answers@example.com"],
        "ConfigurationSetName": "set",
        "Content": { "Simple": {
            "Subject": { "Data": "=?UTF-8?B?R3LDvMOfZQ==?=" },
            "Body": { "Text": utf8("Hello"), "Html": utf8("<p>Hello</p>") },
            "Headers": [
                { "Name": "List-Unsubscribe", "Value": "<https://dacapo.example/u/token>" },
                { "Name": "List-Unsubscribe-Post", "Value": "List-Unsubscribe=One-Click" },
            ],
        } },
        "EmailTags": [
            { "Name": "contact", "Value": "c1" },
            { "Name": "campaign", "Value": "a_db" },
            { "Name": "run", "Value": "2" },
            { "Name": "step", "Value": "7" },
        ],
    });
    assert_eq!(body, expected);
}

/// What SES is handed as the subject of a mail.
async fn handed(subject: &str) -> Value {
    let server = Server::answering([PreparedAnswer::json(200, r#"{"MessageId":"m-1"}"#)]).await;
    let mailer = SesMailer::new(clients(&server.url).ses(), None, 10);
    let mail = Mail { subject: subject.to_owned(), ..mail() };
    mailer.send(&mail).await.unwrap();
    let body: Value = serde_json::from_str(&server.asked()[0].body).unwrap();
    body["Content"]["Simple"]["Subject"].clone()
}

#[tokio::test]
async fn a_subject_is_handed_over_as_ascii_that_fits_into_a_header_and_says_what_it_is() {
    use base64::Engine as _;
    assert_eq!(handed("Hello Ann").await, json!({ "Data": "Hello Ann", "Charset": "UTF-8" }));
    for subject in [
        "Hello =?utf-8?q?Eve?=".to_owned(),
        format!("Hello {}", "a".repeat(494)),
        "ü".repeat(250),
        "😀".repeat(125),
    ] {
        let subject = subject.as_str();
        let content = handed(subject).await;
        assert_eq!(content["Charset"], Value::Null);
        let header = content["Data"].as_str().unwrap();
        assert!(header.is_ascii() && header.len() < 998 - "Subject: ".len(), "{header}");
        let decoded = header.split(' ').map(|word| {
            assert!(word.len() <= 75, "{word}");
            let word = word.strip_prefix("=?UTF-8?B?").and_then(|word| word.strip_suffix("?="));
            let bytes = base64::engine::general_purpose::STANDARD.decode(word.unwrap()).unwrap();
            String::from_utf8(bytes).unwrap()
        });
        assert_eq!(decoded.collect::<String>(), subject);
    }
}

#[tokio::test]
async fn what_may_pass_is_not_now() {
    for (status, kind) in [(500, "InternalServiceErrorException"), (408, "RequestTimeoutException")]
    {
        let (sent, server) = sent(PreparedAnswer::error(status, kind, "for now")).await;
        assert!(matches!(sent, Err(SendError::NotNow(_))), "{kind}: {sent:?}");
        assert_eq!(server.asked().len(), 1, "a mail is asked for once");
    }
}

#[tokio::test]
async fn a_rate_or_a_quota_that_is_used_up_and_a_service_that_takes_none_fail_no_mail() {
    const RATE: &str = "Maximum sending rate exceeded.";
    const QUOTA: &str = "Daily message quota exceeded.";
    for (status, kind, said, hold) in [
        (429, "TooManyRequestsException", RATE, PutOff::Rate),
        (400, "ThrottlingException", RATE, PutOff::Rate),
        (400, "Throttling", RATE, PutOff::Rate),
        (400, "ThrottlingException", "Rate exceeded", PutOff::Rate),
        (429, "TooManyRequestsException", QUOTA, PutOff::Quota),
        (400, "ThrottlingException", QUOTA, PutOff::Quota),
        (400, "LimitExceededException", "for now", PutOff::Quota),
        (400, "SendingPausedException", "not from here", PutOff::Stopped),
        (400, "AccountSuspendedException", "not from here", PutOff::Stopped),
        (400, "MailFromDomainNotVerifiedException", "not from here", PutOff::Stopped),
        (404, "NotFoundException", "not from here", PutOff::Stopped),
        (403, "AccessDeniedException", "not from here", PutOff::Stopped),
        (401, "UnrecognizedClientException", "not from here", PutOff::Stopped),
        (400, "AccessDeniedException", "not from here", PutOff::Stopped),
        (400, "RequestExpired", "not from here", PutOff::Stopped),
        (503, "ServiceUnavailable", "not now", PutOff::Stopped),
    ] {
        let (sent, server) = sent(PreparedAnswer::error(status, kind, said)).await;
        let Err(SendError::PutOff(held, _)) = &sent else { panic!("{kind}: {sent:?}") };
        assert_eq!(*held, hold, "{kind}: {said}");
        assert_eq!(server.asked().len(), 1, "{kind}: a mail is asked for once");
    }
}

#[tokio::test]
async fn what_is_wrong_with_the_mail_is_refused() {
    for kind in ["MessageRejected", "BadRequestException", "SomethingNewException"] {
        let (sent, _) = sent(PreparedAnswer::error(400, kind, "no")).await;
        assert!(matches!(sent, Err(SendError::Refused(_))), "{kind}: {sent:?}");
    }
}

/// The answer of SES: the sender's identity is not verified, or, in the sandbox, the recipient's.
#[tokio::test]
async fn a_sender_that_is_not_verified_holds_mail_and_a_recipient_in_the_sandbox_is_told() {
    let answered = async |identities: &str| {
        let said = format!(
            "Email address is not verified. The following identities failed the check in region EU-CENTRAL-1: {identities}"
        );
        sent(PreparedAnswer::error(400, "MessageRejected", &said)).await.0
    };
    for sender in [
        "jo@example.com",
        "JO@EXAMPLE.COM",
        "=?UTF-8?B?SsO2cmc=?= <jo@example.com>, jo@example.com",
        "ann@example.com, jo@example.com",
        "arn:aws:ses:eu-central-1:123456789012:identity/example.com",
    ] {
        let sent = answered(sender).await;
        let Err(SendError::PutOff(PutOff::Stopped, why)) = &sent else {
            panic!("{sender}: {sent:?}")
        };
        assert!(why.contains("verify") && why.contains("jo@example.com"), "{why}");
    }
    for recipient in ["ann@example.com", "Ann@Example.com"] {
        let sent = answered(recipient).await;
        let Err(SendError::Refused(why)) = &sent else { panic!("{recipient}: {sent:?}") };
        assert!(why.contains("sandbox") && why.contains("production access"), "{why}");
    }
}

#[tokio::test]
async fn an_answer_that_is_lost_leaves_the_outcome_unknown_and_nothing_is_sent_twice() {
    // What stands between may answer too, after SES has taken the mail: without a name of SES.
    for answer in [
        PreparedAnswer::HangsUp,
        PreparedAnswer::error(504, "X", "timed out"),
        PreparedAnswer::json(200, "{"),
        PreparedAnswer::json(500, "{}"),
        PreparedAnswer::json(503, "{}"),
        PreparedAnswer::json(408, "{}"),
        PreparedAnswer::error(500, "InternalFailure", "an unknown error"),
        PreparedAnswer::error(400, "RequestAbortedException", "aborted before a reply was sent"),
    ] {
        let (sent, server) = sent(answer.clone()).await;
        assert!(matches!(sent, Err(SendError::Unknown(_))), "{answer:?}: {sent:?}");
        assert_eq!(server.asked().len(), 1, "{answer:?}");
    }
}

/// "Lambda purges idle connections over time. Attempting to reuse an idle connection when invoking
/// a function will result in a connection error" (*Best practices for working with AWS Lambda
/// functions*).
#[tokio::test]
async fn a_mail_leaves_once_whatever_became_of_the_connection_of_the_one_before() {
    for then in [Then::IsDeaf, Then::Resets, Then::Closes] {
        let taken = PreparedAnswer::json(200, r#"{"MessageId":"m-1"}"#);
        let server =
            Server::answering_then([PreparedAnswer::json(200, ACCOUNT), taken], then).await;
        let mailer = SesMailer::new(clients(&server.url).ses(), None, 10);
        let slot = mailer.send_slot(Purpose::Transactional, Duration::ZERO).await;
        assert_eq!(
            (slot, mailer.pace.puts_off(Purpose::Marketing, uptime())),
            (Ok(Duration::ZERO), None)
        );
        for _ in 0..3 {
            let sent = tokio::time::timeout(ASKING, mailer.send(&mail())).await;
            assert_eq!(sent, Ok(Ok("m-1".to_owned())), "{then:?}");
        }
        assert_eq!(server.asked().len(), 1 + 3, "{then:?}: once each");
    }
}

#[tokio::test]
async fn ses_whose_tls_is_silent_fails_no_mail_and_leaves_none_unknown() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://localhost:{}", silent.local_addr().unwrap().port());
    let mailer = SesMailer::new(clients(&url).ses(), None, 10);
    let sent = mailer.send(&mail()).await;
    let Err(SendError::PutOff(PutOff::Stopped, why)) = &sent else { panic!("{sent:?}") };
    assert!(why.contains("no connection within 5 seconds"), "{why}");
}

#[tokio::test]
async fn ses_that_is_not_reached_fails_no_mail() {
    let mailer = SesMailer::new(clients(&unused_address().await).ses(), None, 10);
    let sent = mailer.send(&mail()).await;
    assert!(matches!(sent, Err(SendError::PutOff(PutOff::Stopped, _))), "{sent:?}");
    let mailer = SesMailer::new(clients("http://nobody.invalid").ses(), None, 10);
    let sent = mailer.send(&mail()).await;
    assert!(matches!(sent, Err(SendError::PutOff(PutOff::Stopped, _))), "{sent:?}");
    let unmade = outcome(&SdkError::construction_failure("no credentials"), &mail());
    assert!(matches!(unmade, SendError::PutOff(PutOff::Stopped, _)), "{unmade:?}");
}

const ACCOUNT: &str = r#"{
    "EnforcementStatus": "HEALTHY", "ProductionAccessEnabled": true, "SendingEnabled": true,
    "SendQuota": { "Max24HourSend": 100.0, "MaxSendRate": 5.0, "SentLast24Hours": 80.0 }
}"#;

async fn mailer_answered(account: PreparedAnswer) -> (SesMailer, Server) {
    let server =
        Server::answering([account, PreparedAnswer::json(200, r#"{"MessageId":"m-1"}"#)]).await;
    (SesMailer::new(clients(&server.url).ses(), None, 1), server)
}

#[tokio::test]
async fn what_the_account_may_send_is_asked_once_and_kept_to() {
    let (mailer, server) = mailer_answered(PreparedAnswer::json(200, ACCOUNT)).await;
    let slots = futures_util::future::join_all(
        (0..6).map(|_| mailer.send_slot(Purpose::Marketing, Duration::from_millis(800))),
    );
    let slots = slots.await;
    // Four a second: this many within the time, the first at once or a little later; the others
    // have no slot.
    let had = slots.iter().filter(|slot| slot.is_ok()).count();
    assert!((2..=4).contains(&had) && slots[had..].iter().all(Result::is_err), "{slots:?}");
    let [asked] = &server.asked()[..] else { panic!("{:?}", server.asked()) };
    assert!(asked.head.starts_with("GET /v2/email/account HTTP/1.1"), "{}", asked.head);
    // Nine tenths of a hundred.
    for _ in 0..10 {
        assert_eq!(mailer.puts_off(Purpose::Marketing), None);
        mailer.send(&mail()).await.unwrap();
    }
    let held = mailer.puts_off(Purpose::Marketing).map(|(hold, _)| hold);
    assert_eq!((held, mailer.puts_off(Purpose::Transactional)), (Some(PutOff::Quota), None));
}

/// SES answers this once a second for the whole account, and refuses all other calls.
#[tokio::test]
async fn who_was_not_answered_asks_again_in_seconds_and_mail_that_waits_leaves_at_the_rate() {
    for refused in [
        PreparedAnswer::error(429, "TooManyRequestsException", "Rate exceeded"),
        PreparedAnswer::error(400, "ThrottlingException", "Rate exceeded"),
        PreparedAnswer::error(503, "ServiceUnavailable", "not now"),
        PreparedAnswer::HangsUp,
    ] {
        let fast = ACCOUNT.replace(r#""MaxSendRate": 5.0"#, r#""MaxSendRate": 280.0"#);
        let server = Server::answering([refused.clone(), PreparedAnswer::json(200, &fast)]).await;
        let mailer = SesMailer::new(clients(&server.url).ses(), None, 30);
        let began = uptime();
        // At the guessed rate the last one has its slot after 27 seconds, at that of the account
        // after one.
        let slots = (0..10).map(|_| mailer.send_slot(Purpose::Marketing, Duration::from_secs(20)));
        let slots = futures_util::future::join_all(slots).await;
        assert!(slots.iter().all(Result::is_ok), "{refused:?}: {slots:?}");
        let took = uptime() - began;
        assert!(took < Duration::from_secs(10), "{refused:?}: {took:?}");
        assert_eq!(server.asked().len(), 2, "{refused:?}: one asks for all");
    }
}

#[tokio::test]
async fn who_may_not_ask_is_not_answered_and_leaves_ses_alone() {
    for refused in [
        PreparedAnswer::error(
            403,
            "AccessDeniedException",
            "not authorized to perform ses:GetAccount",
        ),
        PreparedAnswer::json(200, "{}"),
    ] {
        let (mailer, server) = mailer_answered(refused).await;
        let slot = mailer.send_slot(Purpose::Transactional, Duration::ZERO).await;
        assert_eq!(slot, Ok(Duration::ZERO));
        let again = mailer.pace.guesses_for(uptime()).unwrap();
        assert!(again > Duration::from_secs(50), "{again:?}");
        assert_eq!(server.asked().len(), 1);
    }
}

#[tokio::test]
async fn an_account_that_may_not_send_holds_all_mail() {
    let paused = ACCOUNT.replace(r#""SendingEnabled": true"#, r#""SendingEnabled": false"#);
    for account in [paused, ACCOUNT.replace("HEALTHY", "SHUTDOWN")] {
        let (mailer, _) = mailer_answered(PreparedAnswer::json(200, &account)).await;
        assert_eq!(
            mailer.send_slot(Purpose::Transactional, Duration::ZERO).await,
            Ok(Duration::ZERO)
        );
        let held = mailer.puts_off(Purpose::Transactional).map(|(hold, _)| hold);
        assert_eq!(held, Some(PutOff::Stopped), "{account}");
    }
}

#[tokio::test]
async fn mail_leaves_at_the_usual_rate_where_ses_does_not_say_what_the_account_may() {
    for answer in [
        PreparedAnswer::error(
            403,
            "AccessDeniedException",
            "not authorized to perform ses:GetAccount",
        ),
        PreparedAnswer::HangsUp,
        PreparedAnswer::json(200, "{}"),
    ] {
        let (mailer, _) = mailer_answered(answer).await;
        for _ in 0..10 {
            let slot = mailer.send_slot(Purpose::Transactional, Duration::ZERO).await;
            assert_eq!(slot, Ok(Duration::ZERO));
        }
        assert_eq!(mailer.puts_off(Purpose::Marketing), None);
    }
}
