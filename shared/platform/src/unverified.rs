//! Which identity SES has not verified, according to its error text.
//!
//! It promises that a mail is refused only if it is certainly its recipient. A sender that is not
//! verified is no fault of the mail: all other mail would fail, too.

use dacapo_engine::address::for_sending;

use crate::ports::{PutOff, SendError};

/// Which identity SES has not verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unverified {
    /// The sender; also if it is uncertain which identity it is.
    Sender,
    /// The recipient, and certainly no other identity.
    Recipient,
}

/// What it means for a mail if SES has not verified an identity; `None` if the error is another
/// one. `from` and `to` are the addresses of the mail.
pub fn unverified(said: &str, from: &str, to: &str) -> Option<SendError> {
    Some(match named_by(said, from, to)? {
        Unverified::Sender => SendError::PutOff(
            PutOff::Stopped,
            format!(
                "SES does not know the sender {from}; verify the address or its domain in SES, in \
                 the Region that is named: {said}"
            ),
        ),
        Unverified::Recipient => SendError::Refused(format!(
            "SES is in the sandbox, where it sends to verified addresses only; request production \
             access for the account, or verify the recipient: {said}"
        )),
    })
}

/// The API of SES (400, `MessageRejected`) and SMTP (554) use the same words:
///
/// > Email address is not verified. The following identities failed the check in region
/// > EU-CENTRAL-1: …
///
/// After the colon there are addresses, domains or ARNs, as far as there is room; an ellipsis
/// replaces the rest (*Amazon SES email sending errors*,
/// <https://docs.aws.amazon.com/ses/latest/dg/troubleshoot-error-messages.html>; *Why am I getting
/// a 554 or 400 "Message rejected" error*,
/// <https://repost.aws/knowledge-center/ses-554-400-message-rejected-error>). Recipients have to be
/// verified only in the sandbox (*Request production access*,
/// <https://docs.aws.amazon.com/ses/latest/dg/request-production-access.html>).
fn named_by(said: &str, from: &str, to: &str) -> Option<Unverified> {
    const NOT_VERIFIED: &str = "is not verified";
    // Lowercasing ASCII does not change the length.
    let at = said.to_ascii_lowercase().find(NOT_VERIFIED)?;
    let named = said[at + NOT_VERIFIED.len()..].trim_end();
    let names = |address: &str| identities(named).any(|identity| is_of(identity, address));
    let complete = !named.ends_with('…') && !named.ends_with("...");
    Some(if names(to) && !names(from) && complete {
        Unverified::Recipient
    } else {
        Unverified::Sender
    })
}

/// The words that may be identities, without punctuation around them; of ARNs the last part.
fn identities(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|c: char| c.is_whitespace() || ",;<>()[]\"'`".contains(c));
    words.map(|word| {
        let word = word.trim_matches(['.', '…', ':']);
        word.split_once(":identity/").map_or(word, |(_, identity)| identity)
    })
}

/// Whether it is an identity of the address: the address itself, its domain, or a parent domain;
/// each with its domain in ASCII or not.
fn is_of(identity: &str, address: &str) -> bool {
    let as_address =
        if identity.contains('@') { identity.to_owned() } else { format!("@{identity}") };
    let (identity, address) = (for_sending(&as_address), for_sending(address));
    let (identity, address) = (identity.strip_prefix('@').unwrap_or(&identity), address.as_ref());
    let domain = address.rsplit_once('@').map_or("", |(_, domain)| domain);
    let mut domains = std::iter::successors(Some(domain), |domain| Some(domain.split_once('.')?.1));
    !identity.is_empty()
        && (identity.eq_ignore_ascii_case(address)
            || domains.any(|domain| identity.eq_ignore_ascii_case(domain)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FROM: &str = "jo@mail.example.com";
    const TO: &str = "ann@example.org";

    #[test]
    fn a_domain_with_other_letters_is_the_same_in_both_forms() {
        for (from, said) in [
            ("jo@xn--mller-kva.example", "müller.example"),
            ("jo@xn--mller-kva.example", "jo@xn--mller-kva.example"),
            ("jo@müller.example", "xn--mller-kva.example"),
        ] {
            let said = format!("Email address is not verified: {said}, {TO}");
            assert_eq!(named_by(&said, from, TO), Some(Unverified::Sender), "{said}");
            assert!(is_of("müller.example", "jo@xn--mller-kva.example"));
        }
    }

    fn failed(identities: &str) -> Option<Unverified> {
        let said = format!(
            "Email address is not verified. The following identities failed the check in region EU-CENTRAL-1: {identities}"
        );
        named_by(&said, FROM, TO)
    }

    #[test]
    fn a_sender_is_told_from_a_recipient_however_it_is_written() {
        for sender in [
            "jo@mail.example.com",
            "JO@Mail.Example.COM",
            "Jo <jo@mail.example.com>, jo@mail.example.com",
            "\"Other, Jo\" <jo@mail.example.com>",
            "mail.example.com",
            "Example.com",
            "arn:aws:ses:eu-central-1:123456789012:identity/mail.example.com",
            "arn:aws:ses:eu-central-1:123456789012:identity/Jo@mail.example.com.",
            "ann@example.org, jo@mail.example.com",
            "jo@mail.example.com, ann@example.org",
            "jo@mail.example.com...",
        ] {
            assert_eq!(failed(sender), Some(Unverified::Sender), "{sender}");
        }
        for recipient in [
            "ann@example.org",
            "ANN@EXAMPLE.ORG",
            "<ann@example.org>",
            "example.org",
            "arn:aws:ses:eu-central-1:123456789012:identity/ann@example.org",
            "ann@example.org, other@example.org",
        ] {
            assert_eq!(failed(recipient), Some(Unverified::Recipient), "{recipient}");
        }
    }

    #[test]
    fn nobody_is_failed_for_what_the_words_leave_open() {
        for open in ["ann@example.org, ...", "ann@example.org…", "somebody@example.net", ""] {
            assert_eq!(failed(open), Some(Unverified::Sender), "{open:?}");
        }
    }

    #[test]
    fn an_address_is_no_part_of_another() {
        let told = |named: &str, from: &str, to: &str| {
            named_by(&format!("Email address is not verified: {named}"), from, to)
        };
        let (from, to) = ("jo@example.com", "banjo@example.com");
        assert_eq!(told(to, from, to), Some(Unverified::Recipient));
        assert_eq!(told("banjo@example.com.au", from, to), Some(Unverified::Sender));
        assert_eq!(told(from, from, from), Some(Unverified::Sender), "who writes to themselves");
    }

    #[test]
    fn whoever_says_something_else_is_not_meant() {
        for said in ["Address is on the suppression list", "MessageRejected: it holds a virus"] {
            assert_eq!(named_by(said, FROM, TO), None, "{said}");
        }
    }

    #[test]
    fn what_is_to_be_done_is_said() {
        let said = "Email address is not verified. The following identities failed the check in region EU-CENTRAL-1: ";
        let Some(SendError::PutOff(PutOff::Stopped, why)) =
            unverified(&format!("{said}{FROM}"), FROM, TO)
        else {
            panic!("a sender")
        };
        assert!(why.contains(FROM) && why.contains("verify") && why.contains("EU-CENTRAL-1"));
        let Some(SendError::Refused(why)) = unverified(&format!("{said}{TO}"), FROM, TO) else {
            panic!("a recipient")
        };
        assert!(why.contains("sandbox") && why.contains("production access") && why.contains(said));
    }
}
