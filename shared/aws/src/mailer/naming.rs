//! How a mail is identified: the tags that lead back to its record, a mailbox with a name, and a
//! subject as SES takes it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dacapo_engine::campaign::format::Sender;
use dacapo_engine::ids::{CampaignId, ContactId};
use dacapo_platform::mail::{MessageName, is_unfit_for_headers};

/// The names of the tags.
pub(super) const TAGS: [&str; 4] = ["contact", "campaign", "run", "step"];

/// How many bytes of a name one encoded word holds.
const A_WORD: usize = 42;

/// The values of the tags.
pub(super) fn tag_values(message: &MessageName) -> [String; 4] {
    let MessageName { contact, campaign, run, step } = message;
    [escaped(contact.as_str()), escaped(campaign.as_str()), run.to_string(), step.to_string()]
}

/// The message that the tags belong to.
pub fn message_of<'a>(tag: impl Fn(&str) -> Option<&'a str>) -> Option<MessageName> {
    let [contact, campaign, run, step] = TAGS.map(tag);
    Some(MessageName {
        contact: ContactId::new(unescaped(contact?)?).ok()?,
        campaign: CampaignId::new(unescaped(campaign?)?).ok()?,
        run: run?.parse().ok()?,
        step: step?.parse().ok()?,
    })
}

/// Ids may hold a dot, values of tags may not.
fn escaped(id: &str) -> String {
    id.replace('_', "__").replace('.', "_d")
}

fn unescaped(value: &str) -> Option<String> {
    let mut id = String::new();
    let mut characters = value.chars();
    while let Some(character) = characters.next() {
        id.push(match character {
            '_' => match characters.next()? {
                '_' => '_',
                'd' => '.',
                _ => return None,
            },
            other => other,
        });
    }
    Some(id)
}

/// `Name <address>`, with the name as headers need it.
pub(super) fn mailbox(sender: &Sender) -> String {
    let Sender { name, address } = sender;
    let Some(name) = name.as_deref().map(dacapo_engine::template::one_line) else {
        return address.clone();
    };
    if name.is_empty() {
        return address.clone();
    }
    if is_unfit_for_headers(&name) {
        return format!("{} <{address}>", encoded(&name));
    }
    if name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b" !#$%&'*+-/=?^_`{|}~".contains(&byte))
    {
        return format!("{name} <{address}>");
    }
    if name.is_ascii() {
        let quoted = name.replace('\\', "\\\\").replace('"', "\\\"");
        return format!("\"{quoted}\" <{address}>");
    }
    format!("{} <{address}>", encoded(&name))
}

/// A subject as encoded words, if it has to be: *The subject line can only contain 7-bit ASCII
/// characters. However, you can specify non-ASCII characters in the subject line by using
/// encoded-word syntax*
/// (<https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_Message.html>). A subject has so
/// few bytes that all its words fit into one line of 998 bytes (RFC 5322).
pub(super) fn encoded_subject(subject: &str) -> Option<String> {
    (!subject.is_ascii() || is_unfit_for_headers(subject)).then(|| encoded(subject))
}

/// As encoded words (RFC 2047).
fn encoded(name: &str) -> String {
    let mut words: Vec<String> = vec![String::new()];
    for character in name.chars() {
        match words.last_mut() {
            Some(word) if word.len() + character.len_utf8() <= A_WORD => word.push(character),
            Some(_) | None => words.push(character.to_string()),
        }
    }
    let words: Vec<String> =
        words.iter().map(|word| format!("=?UTF-8?B?{}?=", STANDARD.encode(word))).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(contact: &str, campaign: &str) -> MessageName {
        MessageName {
            contact: ContactId::new(contact).unwrap(),
            campaign: CampaignId::new(campaign).unwrap(),
            run: 2,
            step: 7,
        }
    }

    #[test]
    fn tags_lead_back_to_the_message() {
        for campaign in ["appointment-loop", "a.b_c", "_d", "..", "x_.d__"] {
            let message = named("c0123", campaign);
            let values = tag_values(&message);
            for value in &values {
                let allowed = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
                assert!(value.chars().all(allowed), "{value}");
            }
            let tag = |name: &str| {
                let nth = TAGS.iter().position(|tag| *tag == name)?;
                values.get(nth).map(String::as_str)
            };
            assert_eq!(message_of(tag), Some(message));
        }
    }

    #[test]
    fn tags_of_somebody_else_lead_nowhere() {
        assert_eq!(message_of(|_| None), None);
        assert_eq!(message_of(|_| Some("a_b")), None);
        assert_eq!(message_of(|_| Some("seven")), None);
    }

    #[test]
    fn a_name_is_written_as_headers_want_it() {
        let sender = |name: &str| {
            let name = Some(name.to_owned());
            mailbox(&Sender { name, address: "a@example.com".to_owned() })
        };
        assert_eq!(sender("Ann Other"), "Ann Other <a@example.com>");
        assert_eq!(sender("Other, Ann"), "\"Other, Ann\" <a@example.com>");
        assert_eq!(sender("A \"B\" C"), "\"A \\\"B\\\" C\" <a@example.com>");
        assert_eq!(sender("Jörg"), "=?UTF-8?B?SsO2cmc=?= <a@example.com>");
        assert_eq!(sender("=?utf-8?q?A?="), "=?UTF-8?B?PT91dGYtOD9xP0E/PQ==?= <a@example.com>");
        assert_eq!(sender("Ann\r\nBcc: x"), "\"Ann Bcc: x\" <a@example.com>");
        let long = sender(&"ü".repeat(60));
        assert!(long.split(' ').all(|word| word.len() <= 75), "{long}");
        assert_eq!(sender(""), "a@example.com");
    }
}
