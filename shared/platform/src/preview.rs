//! A mail as it would leave for somebody, to be looked at before anybody gets it.
//!
//! It is rendered by what renders all mail ([`crate::mail`]). Nothing is read or written here: the
//! document, the contact and the account are given.

use std::collections::BTreeSet;

use dacapo_authoring::lint::GMAIL_SHOWS;
use dacapo_engine::account::Account;
use dacapo_engine::campaign::format::{Document, Element, Email, Purpose, Sender};
use dacapo_engine::campaign::reader::{KeyPath, LocatedDocument};
use dacapo_engine::compact::CollectCompactly as _;
use dacapo_engine::contact::{Consent, Contact};
use dacapo_engine::merge::merge_values;
use dacapo_engine::problem::{Problem, Severity};
use dacapo_engine::template::{Budget, MergeValues, one_line, placeholders};
use serde::Serialize;

use crate::mail::{Rendered, read_by, reply_to, sender_line};
use crate::text_of_html;

/// How many keys of e-mails a message lists.
const MOST_LISTED: usize = 30;

/// How many characters mail programs show beside the subject, about.
const LONGEST_PREHEADER: usize = 100;

/// How much HTML is read for them, in bytes.
const BEGINNING: usize = 12 * 1024;

/// Whom and what a mail is shown for.
#[derive(Clone, Copy)]
pub struct Shown<'a> {
    /// The account.
    pub account: &'a Account,
    /// The campaign, and where everything is in its text.
    pub source: &'a LocatedDocument,
    /// The key of the e-mail.
    pub key: &'a str,
    /// The e-mail.
    pub email: &'a Email,
    /// The contact, or the object that the campaign is about.
    pub subject: &'a Contact,
    /// The contact of that object.
    pub person: Option<&'a Contact>,
    /// Where the mail unsubscribes.
    pub unsubscribe_url: &'a str,
}

/// A mail as it would leave.
#[derive(Debug, Clone, Serialize)]
pub struct Preview {
    /// Whom it comes from; `None` if nobody is named.
    pub from: Option<Sender>,
    /// Where answers go, if somewhere else.
    pub reply_to: Option<String>,
    /// The address of the contact.
    pub to: Option<String>,
    /// What it is for.
    pub purpose: Purpose,
    /// Why it would not leave.
    pub fails: Option<String>,
    /// The subject; like the bodies `None` if it cannot be rendered.
    pub subject: Option<String>,
    /// What mail programs show beside the subject: the beginning of what the mail says.
    pub preheader: Option<String>,
    /// The plain text: the e-mail's own, or that of its HTML.
    pub text: Option<String>,
    /// The HTML, if there is any.
    pub html: Option<String>,
    /// The length of the HTML in kB of 1,024 bytes.
    pub html_kb: Option<f64>,
    /// The zone in which dates are shown.
    pub time_zone: String,
    /// The language in which they are written.
    pub language: String,
    /// What is worth a look: of the validator, the lints, and of this very mail.
    pub odd: Vec<Problem>,
}

/// The e-mail of a key.
///
/// # Errors
///
/// That there is none, and which there are.
pub fn email_of<'a>(document: &'a Document, key: &str) -> Result<&'a Email, String> {
    document.emails.get(key).ok_or_else(|| {
        let mut keys: Vec<String> =
            document.emails.keys().take(MOST_LISTED).map(|key| format!("`{key}`")).collect();
        if document.emails.len() > MOST_LISTED {
            keys.push("…".to_owned());
        }
        let there = match keys.is_empty() {
            true => "it has none".to_owned(),
            false => format!("there are {}", keys.join(", ")),
        };
        format!("the campaign `{}` has no e-mail `{key}`; {there}", document.id)
    })
}

/// The problems that are about an e-mail: those that keep it from being rendered for anybody, and
/// those that are worth a look.
pub fn problems_of(
    document: &Document,
    key: &str,
    problems: Vec<Problem>,
) -> (Vec<Problem>, Vec<Problem>) {
    let own = KeyPath::root().key("emails").key(key).to_string();
    let sends = |element: &Element| matches!(element, Element::Email(sent) if sent.email == key);
    let elements = document.elements.iter().filter(|(_, element)| sends(element));
    let senders: Vec<String> = elements
        .map(|(id, _)| KeyPath::root().key("elements").key(id.as_str()).to_string())
        .collect();
    let is_in = |place: &str, path: &str| {
        path.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    let (mut wrong, mut odd) = (Vec::new(), Vec::new());
    for problem in problems {
        let of_mail = is_in(&own, &problem.path);
        match problem.severity {
            Severity::Error if of_mail => wrong.push(problem),
            Severity::Warning
                if of_mail || senders.iter().any(|place| is_in(place, &problem.path)) =>
            {
                odd.push(problem);
            }
            Severity::Error | Severity::Warning => {}
        }
    }
    (wrong, odd)
}

impl Shown<'_> {
    /// What the templates of the e-mail read, in the first run.
    pub fn values(&self) -> MergeValues {
        let Self { account, source, subject, person, unsubscribe_url, .. } = *self;
        let url = Some(unsubscribe_url);
        let all = merge_values(account, &source.document, subject, person, 1, url);
        let read: BTreeSet<String> = read_by(self.email).collect_compactly();
        let values =
            all.values.into_iter().filter(|(path, _)| read.contains(path)).collect_compactly();
        MergeValues { values, ..all }
    }

    /// The mail with what came of its rendering, the sender, and what is odd about the e-mail
    /// whoever gets it.
    pub fn preview(
        &self,
        rendered: Result<(Rendered, String), String>,
        sender: Option<&Sender>,
        mut odd: Vec<Problem>,
    ) -> Preview {
        let recipient = self.person.unwrap_or(self.subject);
        let values = self.values();
        odd.extend(self.empty(&values));
        odd.extend(self.not_wanted(recipient));
        let (rendered, fails) = match rendered {
            Ok((rendered, text)) => (Some((rendered, text)), None),
            Err(reason) => (None, Some(reason)),
        };
        let (subject, text, html) = match rendered {
            Some((Rendered { subject, html, .. }, text)) => (Some(subject), Some(text), html),
            None => (None, None, None),
        };
        let is_known = odd.iter().any(|problem| problem.code == "D405");
        odd.extend(html.as_deref().filter(|_| !is_known).and_then(|html| self.clipped(html)));
        Preview {
            from: sender.map(|sender| sender_line(sender, sender.address.clone())),
            reply_to: reply_to(self.email),
            to: recipient.address().map(str::to_owned),
            purpose: self.email.purpose,
            fails,
            preheader: preheader(html.as_deref(), text.as_deref()),
            html_kb: html.as_ref().map(|html| (kilobytes(html) * 10.0).round() / 10.0),
            subject,
            text,
            html,
            time_zone: values.zone.name().to_owned(),
            language: values.language.tag().to_owned(),
            odd,
        }
    }

    /// Placeholders that have nothing to show.
    fn empty(&self, values: &MergeValues) -> Vec<Problem> {
        let Email { subject, text, html, .. } = self.email;
        let parts = [("subject", Some(subject)), ("text", text.as_ref()), ("html", html.as_ref())];
        let mut told = BTreeSet::new();
        let mut empty = Vec::new();
        for (part, source) in parts {
            let read = source.and_then(|source| placeholders(source).ok()).unwrap_or_default();
            for placeholder in read.into_iter().filter(|placeholder| values.is_empty(placeholder)) {
                // A root, such as `contact` in `contact[name]`, has no value of its own.
                if placeholder.contains('.') && told.insert(placeholder.clone()) {
                    let message = format!("`{placeholder}` is empty for this contact");
                    let remedy = "look whether the mail reads well without it";
                    empty.push(self.odd("empty_placeholder", part, message, remedy));
                }
            }
        }
        empty
    }

    /// Why the contact would not get it, whatever it says (R32).
    fn not_wanted(&self, recipient: &Contact) -> Option<Problem> {
        let message = if recipient.suppressed.is_some() {
            "this contact gets no mail: it is suppressed".to_owned()
        } else if self.email.purpose == Purpose::Marketing
            && recipient.consent != Consent::Subscribed
        {
            "this contact gets no marketing mail: it has not subscribed".to_owned()
        } else {
            return None;
        };
        let remedy = "nothing, if that is right; a confirmation or a reminder is `transactional`";
        Some(self.odd("not_wanted", "purpose", message, remedy))
    }

    fn clipped(&self, html: &str) -> Option<Problem> {
        let message =
            format!("the HTML has {:.0} kB: Gmail cuts it off after 102 kB", kilobytes(html));
        let remedy = "shorten it, or move images and style sheets to a server";
        (html.len() > GMAIL_SHOWS).then(|| self.odd("html_is_clipped", "html", message, remedy))
    }

    fn odd(&self, code: &'static str, part: &str, message: String, remedy: &str) -> Problem {
        let path = KeyPath::root().key("emails").key(self.key).key(part);
        let place = self.source.places.of_value(&path);
        Problem {
            severity: Severity::Warning,
            code,
            path: path.to_string(),
            line: Some(place.line),
            column: Some(place.column),
            message,
            remedy: remedy.to_owned(),
        }
    }
}

fn kilobytes(html: &str) -> f64 {
    html.len() as f64 / 1024.0
}

/// The beginning of what a mail says, on one line: mail programs take it from the HTML.
fn preheader(html: Option<&str>, text: Option<&str>) -> Option<String> {
    let said = match html {
        Some(html) => {
            let beginning = &html[..html.floor_char_boundary(BEGINNING)];
            text_of_html(beginning, Budget::Small).ok()?
        }
        None => text?.to_owned(),
    };
    let line = one_line(&said);
    let shown: String = line.chars().take(LONGEST_PREHEADER).collect();
    (!shown.is_empty()).then_some(shown)
}
