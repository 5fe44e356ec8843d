//! The mail that SES accepted, as the cloud shows it.

use crate::cloud::get;
use crate::stack::Stack;
use crate::until::{Patience, until};

/// A mail that SES accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// The recipient.
    pub to: Vec<String>,
    /// Its subject.
    pub subject: String,
    /// Its text.
    pub text: String,
    /// When SES accepted it, in seconds since 1970.
    pub at: i64,
}

/// All mail, in the order in which SES accepted it.
///
/// # Panics
///
/// If the cloud doesn't say.
#[must_use]
pub fn sent(stack: &Stack) -> Vec<Mail> {
    let all = get(&format!("{}/_ministack/ses/messages", stack.cloud())).expect("the mail");
    let accounts = all["messages"].as_object().expect("mail by account");
    let mails = accounts.values().filter_map(|mails| mails.as_array()).flatten();
    mails
        .map(|mail| {
            let text = |name: &str| mail[name].as_str().unwrap_or_default().to_owned();
            let to = mail["To"].as_array().into_iter().flatten();
            let at = mail["Timestamp"].as_f64().unwrap_or_default() as i64;
            Mail {
                to: to.filter_map(|one| one.as_str().map(address_of)).collect(),
                subject: text("Subject"),
                text: text("BodyText"),
                at,
            }
        })
        .collect()
}

/// The mail to an address, in the order in which SES accepted it.
///
/// # Panics
///
/// If the cloud doesn't say.
#[must_use]
pub fn sent_to(stack: &Stack, address: &str) -> Vec<Mail> {
    let to_it = |mail: &Mail| mail.to.iter().any(|to| to.eq_ignore_ascii_case(address));
    sent(stack).into_iter().filter(to_it).collect()
}

/// Waits until SES has accepted as many mails to an address as there are subjects, and compares
/// them. Returns the last.
///
/// # Panics
///
/// If it takes too long, or if the subjects differ.
pub fn awaited(stack: &Stack, address: &str, patience: Patience, subjects: &[&str]) -> Mail {
    let what = format!("{} mails to {address}, the last {:?}", subjects.len(), subjects.last());
    let mails = until(&what, patience, || {
        let mails = sent_to(stack, address);
        if mails.len() >= subjects.len() { Ok(mails) } else { Err(format!("{mails:?}")) }
    });
    let found: Vec<&str> = mails.iter().map(|mail| mail.subject.as_str()).collect();
    assert_eq!(found, subjects, "mail to {address}");
    mails.last().expect("a mail").clone()
}

/// The address of a mailbox: that of `Ann <ann@example.com>` is `ann@example.com`.
fn address_of(mailbox: &str) -> String {
    let bare = mailbox.rsplit_once('<').map_or(mailbox, |(_, rest)| rest.trim_end_matches('>'));
    bare.to_owned()
}
