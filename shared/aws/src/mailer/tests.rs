//! What is sent to SES, and what each of its answers means for the mail.

use dacapo_engine::campaign::format::Sender;
use dacapo_engine::ids::{CampaignId, ContactId};
use dacapo_platform::mail::MessageName;
use serde_json::{Value, json};

use super::*;
use crate::testing::{Answer, Server, clients, nobody};

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

async fn sent(answer: Answer) -> (Result<String, MailError>, Server) {
    let server = Server::answering([answer]).await;
    let mailer = SesMailer::new(clients(&server.url).ses(), Some("set".to_owned()));
    (mailer.send(&mail()).await, server)
}

#[tokio::test]
async fn a_mail_is_one_request_with_tags_and_one_click_unsubscribing() {
    let (sent, server) = sent(Answer::json(200, r#"{"MessageId":"m-1"}"#)).await;
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
            "Subject": utf8("Grüße"),
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

#[tokio::test]
async fn what_may_pass_is_not_now() {
    for (status, kind) in [
        (429, "TooManyRequestsException"),
        (400, "LimitExceededException"),
        (400, "ThrottlingException"),
        (500, "InternalServiceErrorException"),
        (503, "ServiceUnavailable"),
    ] {
        let (sent, server) = sent(Answer::error(status, kind, "for now")).await;
        assert!(matches!(sent, Err(MailError::NotNow(_))), "{kind}: {sent:?}");
        assert_eq!(server.asked().len(), 1, "{kind}: a mail is asked for once");
    }
}

#[tokio::test]
async fn who_may_not_send_at_all_fails_no_mail() {
    for (status, kind) in [
        (400, "SendingPausedException"),
        (400, "AccountSuspendedException"),
        (400, "MailFromDomainNotVerifiedException"),
        (404, "NotFoundException"),
        (403, "AccessDeniedException"),
        (401, "UnrecognizedClientException"),
    ] {
        let (sent, _) = sent(Answer::error(status, kind, "not from here")).await;
        assert!(matches!(sent, Err(MailError::Stopped(_))), "{kind}: {sent:?}");
    }
}

#[tokio::test]
async fn what_is_wrong_with_the_mail_is_refused() {
    for kind in ["MessageRejected", "BadRequestException", "SomethingNewException"] {
        let (sent, _) = sent(Answer::error(400, kind, "no")).await;
        assert!(matches!(sent, Err(MailError::Refused(_))), "{kind}: {sent:?}");
    }
}

#[tokio::test]
async fn an_answer_that_is_lost_leaves_the_outcome_unknown_and_nothing_is_sent_twice() {
    for answer in [Answer::HangsUp, Answer::error(504, "X", "timed out"), Answer::json(200, "{")] {
        let (sent, server) = sent(answer.clone()).await;
        assert!(matches!(sent, Err(MailError::Unknown(_))), "{answer:?}: {sent:?}");
        assert_eq!(server.asked().len(), 1, "{answer:?}");
    }
}

#[tokio::test]
async fn what_never_reached_ses_is_not_now() {
    let mailer = SesMailer::new(clients(&nobody().await).ses(), None);
    let sent = mailer.send(&mail()).await;
    assert!(matches!(sent, Err(MailError::NotNow(_))), "{sent:?}");
    let mailer = SesMailer::new(clients("http://nobody.invalid").ses(), None);
    let sent = mailer.send(&mail()).await;
    assert!(matches!(sent, Err(MailError::NotNow(_))), "{sent:?}");
}
