//! A mail, ready to be sent: rendered from templates and merge values.

use std::sync::Arc;

use dacapo_engine::address;
use dacapo_engine::campaign::format::{Document, Email, Purpose, Sender};
use dacapo_engine::campaign::validate::{LONGEST_SENDER_NAME_BYTES, LONGEST_SUBJECT_BYTES};
use dacapo_engine::template::{Budget, Escape, MergeValues, one_line, placeholders};

use crate::blocking::Blocking;
use crate::rendering::{Renderer, Unrendered, text_of_html};

pub use crate::ports::{Mail, MessageName};

/// The longest word that a header holds as it is, in bytes: between words a header can be folded.
const LONGEST_WORD: usize = 60;

/// Whether ASCII text has to be encoded in a header (RFC 2047): a reader would take a part of it
/// for an encoded word, or a word of it is so long that the header cannot be folded (RFC 5322).
pub fn is_unfit_for_headers(text: &str) -> bool {
    text.contains("=?") || text.split(' ').any(|word| word.len() > LONGEST_WORD)
}

/// At most so many bytes of a line: what is longer is cut between two characters, and `…` is put in
/// the place of the rest.
fn shortened(line: String, most: usize) -> String {
    const REST: char = '…';
    if line.len() <= most {
        return line;
    }
    let ends = line.char_indices().map(|(at, _)| at);
    let end = ends.take_while(|at| at + REST.len_utf8() <= most).last().unwrap_or_default();
    format!("{}{REST}", line[..end].trim_end())
}

/// Who a mail comes from: the name is one line, and no longer than may be.
pub(crate) fn sender_line(sender: &Sender, address: String) -> Sender {
    let name = sender.name.as_deref().map(one_line).filter(|name| !name.is_empty());
    Sender { name: name.map(|name| shortened(name, LONGEST_SENDER_NAME_BYTES)), address }
}

/// Why a mail does not leave that nobody sends.
pub const NO_SENDER: &str = "there is no sender; give the campaign or the account one";

/// Who sends an e-mail: whom it names itself, else the campaign, the account, the operator.
pub fn sender_of<'a>(
    email: &'a Email,
    document: &'a Document,
    account: Option<&'a Sender>,
    operator: Option<&'a Sender>,
) -> Option<&'a Sender> {
    email.sender.as_ref().or(document.sender.as_ref()).or(account).or(operator)
}

/// What is around the text of a mail.
pub(crate) struct Envelope<'a> {
    pub(crate) sender: &'a Sender,
    pub(crate) to: &'a str,
    /// Where one click unsubscribes, if the mail is marketing.
    pub(crate) unsubscribe_url: String,
    pub(crate) message: MessageName,
}

/// The rendered parts: subject and bodies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// The subject, one line of at most [`LONGEST_SUBJECT_BYTES`] bytes.
    pub subject: String,
    /// The plain text, if the e-mail has one.
    pub text: Option<String>,
    /// The HTML, if there is any.
    pub html: Option<String>,
}

impl Rendered {
    /// The plain text that is sent with the mail, for readers that show no HTML: the e-mail's own,
    /// or that of its HTML.
    ///
    /// # Errors
    ///
    /// If making it from the HTML takes more than the budget.
    pub fn text_part(&self, budget: Budget) -> Result<String, Unrendered> {
        match (&self.text, &self.html) {
            (Some(text), _) => Ok(text.clone()),
            (None, Some(html)) => text_of_html(html, budget),
            (None, None) => Ok(String::new()),
        }
    }
}

/// Renders e-mails.
pub(crate) struct MailRenderer {
    pub(crate) blocking: Arc<Blocking>,
}

impl MailRenderer {
    /// Renders an e-mail, on other threads if it takes long. With `text_part`, the plain text is
    /// included.
    ///
    /// # Errors
    ///
    /// The reason, as text: mainly an empty placeholder without a default (R33).
    pub(crate) async fn rendered(
        &self,
        email: &Email,
        values: &MergeValues,
        text_part: bool,
    ) -> Result<(Rendered, String), String> {
        let made = match complete(email, values, text_part, Budget::Small) {
            Err(Unrendered { over_budget: true, .. }) => {
                let (email, values) = (email.clone(), values.clone());
                self.blocking
                    .run(move || complete(&email, &values, text_part, Budget::Full))
                    .await
                    .unwrap_or_else(|_| Err(Unrendered::broken_off()))
            }
            done => done,
        };
        made.map_err(|unrendered| unrendered.reason)
    }

    /// The whole mail, as a mail service takes it.
    ///
    /// # Errors
    ///
    /// As [`Self::rendered`].
    pub(crate) async fn mail(
        &self,
        email: &Email,
        values: &MergeValues,
        envelope: Envelope<'_>,
    ) -> Result<Mail, String> {
        let (rendered, text) = self.rendered(email, values, true).await?;
        let Envelope { sender, to, unsubscribe_url, message } = envelope;
        Ok(Mail {
            from: sender_line(sender, address::for_sending(&sender.address).into_owned()),
            to: address::for_sending(to).into_owned(),
            reply_to: reply_to(email),
            subject: rendered.subject,
            text,
            html: rendered.html,
            unsubscribe_url: (email.purpose == Purpose::Marketing).then_some(unsubscribe_url),
            message,
        })
    }
}

/// Where answers to an e-mail go.
pub(crate) fn reply_to(email: &Email) -> Option<String> {
    email.reply_to.as_deref().map(|to| address::for_sending(to).into_owned())
}

/// An e-mail rendered within a budget; with `text_part`, and the plain text that is sent with it.
///
/// # Errors
///
/// As [`rendered`].
pub fn complete(
    email: &Email,
    values: &MergeValues,
    text_part: bool,
    budget: Budget,
) -> Result<(Rendered, String), Unrendered> {
    let rendered = rendered(email, values, budget)?;
    let text = if text_part { rendered.text_part(budget)? } else { String::new() };
    Ok((rendered, text))
}

/// Renders an e-mail within a budget.
///
/// # Errors
///
/// The reason, as text: mainly an empty placeholder without a default (R33).
pub fn rendered(
    email: &Email,
    values: &MergeValues,
    budget: Budget,
) -> Result<Rendered, Unrendered> {
    let mut renderer = Renderer::new(values, budget);
    let subject = one_line(&renderer.render(&email.subject, Escape::Text)?);
    let subject = shortened(subject, LONGEST_SUBJECT_BYTES);
    if subject.is_empty() {
        return Err(Unrendered::because("the subject is empty"));
    }
    let mut each = |source: &Option<String>, escape| {
        source.as_deref().map(|source| renderer.render(source, escape)).transpose()
    };
    let mut html = each(&email.html, Escape::Html)?;
    let mut text = each(&email.text, Escape::Text)?;
    let link = values.values.get("unsubscribe_url");
    if email.purpose == Purpose::Marketing
        && !reads_unsubscribe(email)
        && let Some(dacapo_engine::template::MergeValue::Text(url)) = link
    {
        let words = unsubscribe_words(values.language.tag());
        text = text.map(|text| format!("{}\n\n-- \n{words}: {url}\n", text.trim_end()));
        html = html.map(|html| with_footer(&html, words, url));
    }
    Ok(Rendered { subject, text, html })
}

/// Whether the author has placed the unsubscribe link.
fn reads_unsubscribe(email: &Email) -> bool {
    [email.text.as_deref(), email.html.as_deref()].into_iter().flatten().any(|source| {
        placeholders(source).is_ok_and(|paths| {
            paths.contains("unsubscribe_url") || paths.contains("links.unsubscribe")
        })
    })
}

fn unsubscribe_words(language: &str) -> &'static str {
    match language.split('-').next() {
        Some("de") => "Abmelden",
        Some("fr") => "Se désabonner",
        Some("es") => "Darse de baja",
        Some("it") => "Annulla l'iscrizione",
        Some("nl") => "Afmelden",
        Some(_) | None => "Unsubscribe",
    }
}

fn with_footer(html: &str, words: &str, url: &str) -> String {
    let footer = format!("<p><a href=\"{url}\">{words}</a></p>");
    match html.rfind("</body>") {
        Some(end) => format!("{}{footer}{}", &html[..end], &html[end..]),
        None => format!("{html}\n{footer}"),
    }
}

/// The placeholders that an e-mail reads: what a message's record keeps.
pub fn read_by(email: &Email) -> impl Iterator<Item = String> + '_ {
    [Some(email.subject.as_str()), email.text.as_deref(), email.html.as_deref()]
        .into_iter()
        .flatten()
        .filter_map(|source| placeholders(source).ok())
        .flatten()
        .chain(["unsubscribe_url".to_owned()])
}

#[cfg(test)]
mod tests {
    use super::*;
    use dacapo_engine::language::Language;
    use dacapo_engine::template::MergeValue;
    use dacapo_engine::time::Zone;
    use serde_json::json;

    const LINK: &str = "https://dacapo.example/u/token";

    fn said(email: &serde_json::Value) -> Rendered {
        let email: Email = serde_json::from_value(email.clone()).unwrap();
        let values = [("contact.first_name", "Ann & Co"), ("unsubscribe_url", LINK)];
        let values =
            values.map(|(path, text)| (path.to_owned(), MergeValue::Text(text.to_owned())));
        let (zone, language) = (Zone::Europe__Berlin, Language::of("de"));
        let values = MergeValues { zone, language, values: values.into() };
        rendered(&email, &values, Budget::Small).unwrap()
    }

    #[test]
    fn a_subject_that_is_too_long_is_cut_between_two_characters_and_says_so() {
        assert_eq!(shortened("Hello".to_owned(), 5), "Hello");
        assert_eq!(shortened("Hello you".to_owned(), 8), "Hello…");
        assert_eq!(shortened("üüüü".to_owned(), 7), "üü…");
        for name in ["a".repeat(3_000), "😀".repeat(800), "ab ".repeat(900)] {
            let email = json!({ "subject": format!("Hello {name}"), "text": "x", "purpose": "transactional" });
            let subject = said(&email).subject;
            assert!((490..=LONGEST_SUBJECT_BYTES).contains(&subject.len()), "{}", subject.len());
            assert!(subject.starts_with("Hello ") && subject.ends_with('…'), "{subject}");
        }
    }

    #[test]
    fn a_text_that_looks_encoded_or_cannot_be_folded_is_unfit_for_headers() {
        for fit in ["Hello Ann", "1 = 2?", "https://studio-nord.example/a/b"] {
            assert!(!is_unfit_for_headers(fit), "{fit}");
        }
        for unfit in ["Hello =?utf-8?q?Ann?=".to_owned(), format!("Hello {}", "a".repeat(61))] {
            assert!(is_unfit_for_headers(&unfit), "{unfit}");
        }
    }

    #[test]
    fn an_email_of_html_alone_leaves_with_a_text_made_from_it() {
        let html = "<p>Dear <b>{{ contact.first_name }}</b></p><p><a href='https://a.example/b'>Book</a></p>";
        let mail = said(&json!({ "subject": "Hello", "html": html }));
        assert_eq!(mail.text, None);
        let text = mail.text_part(Budget::Small).unwrap();
        for part in ["Dear **Ann & Co**", "[Book][1]", "https://a.example/b", "[Abmelden][2]", LINK]
        {
            assert!(text.contains(part), "{part} in {text}");
        }
    }

    #[test]
    fn r32_marketing_mail_has_the_unsubscribe_link_in_each_of_its_bodies() {
        let mail =
            said(&json!({ "subject": "Hello", "text": "Dear you", "html": "<p>Dear you</p>" }));
        assert_eq!(
            mail.text_part(Budget::Small).unwrap(),
            format!("Dear you\n\n-- \nAbmelden: {LINK}\n")
        );
        let footer = format!("<p>Dear you</p>\n<p><a href=\"{LINK}\">Abmelden</a></p>");
        assert_eq!(mail.html.as_deref(), Some(footer.as_str()));
        let confirmation =
            json!({ "subject": "Hello", "text": "Dear you", "purpose": "transactional" });
        assert_eq!(said(&confirmation).text_part(Budget::Small).unwrap(), "Dear you");
    }
}
