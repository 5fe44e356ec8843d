//! E-mails: which are used, what they are made of, and whom they come from. In a campaign without
//! errors each e-mail has a text or an HTML body, and a sender.

use std::collections::BTreeSet;

use super::AccountView;
use crate::campaign::checks::is_template;
use crate::campaign::checks::{At, Findings};
use crate::campaign::format::{Document, Element, SendEmail, Sender};
use crate::campaign::nearest;
use crate::campaign::node::Path;

/// The longest address, in bytes (RFC 5321).
const LONGEST_ADDRESS_BYTES: usize = 254;

/// The longest name of a sender, in bytes.
pub const LONGEST_SENDER_NAME_BYTES: usize = 200;

/// The longest subject that is sent, in bytes; a longer one is cut.
pub const LONGEST_SUBJECT_BYTES: usize = 500;

pub(super) fn check(document: &Document, account: &AccountView<'_>, findings: &mut Findings<'_>) {
    used(document, findings);
    if let Some(of_all) = &document.sender {
        sender(of_all, &Path::root().key("sender"), findings);
    }
    let mut without_sender = None;
    for (key, email) in &document.emails {
        let path = Path::root().key("emails").key(key);
        if email.text.is_none() && email.html.is_none() {
            findings.error(
                "empty_email",
                &At::Key(&path),
                format!("the e-mail `{key}` has neither `text` nor `html`"),
                "write at least one of them",
            );
        }
        if !is_template(&email.subject) && email.subject.len() > LONGEST_SUBJECT_BYTES {
            findings.warning(
                "subject_is_cut",
                &At::Value(&path.key("subject")),
                format!(
                    "a subject is sent with at most {LONGEST_SUBJECT_BYTES} bytes, and this one \
                     has {}: its end is left out",
                    email.subject.len()
                ),
                "write a shorter subject",
            );
        }
        match &email.sender {
            Some(own) => sender(own, &path.key("sender"), findings),
            None => without_sender = without_sender.or(Some(key)),
        }
        if let Some(reply_to) = &email.reply_to {
            address(reply_to, &path.key("reply_to"), findings);
        }
    }
    if let Some(key) = without_sender
        && document.sender.is_none()
        && !account.sender
    {
        findings.error(
            "no_sender",
            &At::Key(&Path::root().key("sender")),
            format!("nobody is named as the sender of `{key}`, neither here nor in the account"),
            "add `sender: { name: …, address: … }`",
        );
    }
}

fn used(document: &Document, findings: &mut Findings<'_>) {
    let mut used = BTreeSet::new();
    for (id, element) in &document.elements {
        let Element::Email(SendEmail { email, .. }) = element else {
            continue;
        };
        used.insert(email.as_str());
        if !document.emails.contains_key(email) && !findings.is_full() {
            findings.error(
                "unknown_email",
                &At::Value(&Path::root().key("elements").key(id.as_str()).key("email")),
                format!("there is no e-mail `{email}` under `emails`"),
                nearest::remedy(email, document.emails.keys().map(String::as_str)),
            );
        }
    }
    for key in document.emails.keys().filter(|key| !used.contains(key.as_str())) {
        findings.warning(
            "unused_email",
            &At::Key(&Path::root().key("emails").key(key)),
            format!("no element sends the e-mail `{key}`"),
            "remove it, or send it from an element of type `email`",
        );
    }
}

fn sender(sender: &Sender, path: &Path, findings: &mut Findings<'_>) {
    address(&sender.address, &path.key("address"), findings);
    if sender.name.as_ref().is_some_and(|name| name.chars().any(char::is_control)) {
        findings.error(
            "invalid_value",
            &At::Value(&path.key("name")),
            "a sender's name is a single line",
            "remove the line breaks",
        );
    }
    if let Some(name) = sender.name.as_ref().filter(|name| name.len() > LONGEST_SENDER_NAME_BYTES) {
        findings.error(
            "invalid_value",
            &At::Value(&path.key("name")),
            format!(
                "a sender's name has at most {LONGEST_SENDER_NAME_BYTES} bytes, this one {}",
                name.len()
            ),
            "write a shorter name",
        );
    }
}

/// Only what certainly is no address: whether mail arrives, the mail service knows.
fn address(written: &str, path: &Path, findings: &mut Findings<'_>) {
    let is_odd = |c: char| c.is_whitespace() || c.is_control() || "<>,;:\"()[]\\".contains(c);
    let looks_right = match written.split_once('@') {
        Some((name, host)) => {
            !name.is_empty()
                && !host.is_empty()
                && !host.contains('@')
                && !host.starts_with('.')
                && !host.ends_with('.')
                && !host.contains("..")
                && !written.contains(is_odd)
                && written.len() <= LONGEST_ADDRESS_BYTES
        }
        None => false,
    };
    if !looks_right {
        findings.error(
            "bad_address",
            &At::Value(path),
            "this is not an e-mail address",
            "write it like hello@studio-nord.example",
        );
    } else if let Some((local, _)) = written.split_once('@').filter(|(local, _)| !local.is_ascii())
    {
        findings.error(
            "bad_address",
            &At::Value(path),
            format!("before the @ a sender has ASCII only, or mail services refuse it: `{local}`"),
            "write that part without accents; the domain may keep them",
        );
    }
}
