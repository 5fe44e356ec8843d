//! D405 and D406: HTML that mail programs cut off or cannot read out.

use super::content::senders;
use super::expected::{message, sent};
use super::facts::{AllFacts, Facts};
use super::story::Story;
use super::{At, LintFindings, LintPage};
use crate::finding::Proof;

/// What Gmail shows of a message before it cuts it off, in bytes.
pub const GMAIL_SHOWS: usize = 102 * 1024;

pub(super) static HTML_IS_CLIPPED_PAGE: LintPage = LintPage {
    code: "D405",
    what: "An HTML body of more than 102 kB.",
    why: "Gmail shows the first 102 kB of a message and a link to the rest. What stands at the end \
          is not seen: the link to unsubscribe, and often what the mail is about.",
    example: r#"
id: news
sender: { address: hello@studio-nord.example }
elements:
  lead: { type: start, when: { tag: Lead }, next: news }
  news: { type: email, email: news }
emails:
  news: { subject: News, html: "<p>…</p>" } # 102 kB more
"#,
    mended: r#"
id: news
sender: { address: hello@studio-nord.example }
elements:
  lead: { type: start, when: { tag: Lead }, next: news }
  news: { type: email, email: news }
emails:
  news: { subject: News, html: "<p>Read on at <a href='https://studio-nord.example'>our site</a>.</p>" }
"#,
    limits: "The template is measured: what loops and values add is not known. Images and style \
             sheets on a server do not count.",
};

pub(super) fn html_is_clipped(facts: &Facts<'_>, _: &AllFacts<'_>, found: &mut LintFindings<'_>) {
    for (key, email) in &facts.document.emails {
        let Some(html) = email.html.as_ref().filter(|html| html.len() > GMAIL_SHOWS) else {
            continue;
        };
        let kilobytes = html.len() / 1024;
        let message = format!(
            "the HTML of `{key}` has {kilobytes} kB: Gmail cuts it off after 102 kB, with the link \
             to unsubscribe"
        );
        let remedy = "shorten it, or move images and style sheets to a server";
        let shows = format!("`{key}` leaves with {kilobytes} kB of HTML.");
        found.add(At::Part(key, "html"), message, remedy).proof = arrives(facts, key, &shows);
    }
}

/// The message is sent as it is.
fn arrives(facts: &Facts<'_>, key: &str, shows: &str) -> Option<Proof> {
    let at = *senders(facts, key).first()?;
    let mut story = Story::new(facts);
    story.to(at)?;
    Some(story.shows(shows, sent(message(facts.id(at)))))
}

pub(super) static IMAGE_WITHOUT_ALT_PAGE: LintPage = LintPage {
    code: "D406",
    what: "An image in an HTML body without `alt`.",
    why: "Many mail programs show no images until one asks, and screen readers read `alt`: without \
          it there is nothing, or the name of a file.",
    example: r#"
id: news
sender: { address: hello@studio-nord.example }
elements:
  lead: { type: start, when: { tag: Lead }, next: news }
  news: { type: email, email: news }
emails:
  news: { subject: News, html: "<img src='https://studio-nord.example/sale.png'>" }
"#,
    mended: r#"
id: news
sender: { address: hello@studio-nord.example }
elements:
  lead: { type: start, when: { tag: Lead }, next: news }
  news: { type: email, email: news }
emails:
  news: { subject: News, html: "<img alt='Half the price until Friday' src='https://studio-nord.example/sale.png'>" }
"#,
    limits: "An empty `alt` is right for an image that says nothing, and is not found.",
};

pub(super) fn image_without_alt(facts: &Facts<'_>, _: &AllFacts<'_>, found: &mut LintFindings<'_>) {
    for (key, email) in &facts.document.emails {
        let Some(html) = &email.html else { continue };
        for at in images_without_alt(html) {
            let message = format!("an image in `{key}` has no `alt`");
            let remedy =
                "write what it shows: `<img alt=\"…\" …>`, or `alt=\"\"` if that is nothing";
            let shows = format!("`{key}` leaves with an image without words.");
            found.add(At::Byte(key, "html", html, at), message, remedy).proof =
                arrives(facts, key, &shows);
        }
    }
}

/// Where the images begin that have no `alt`. Comments hold no images.
fn images_without_alt(html: &str) -> Vec<usize> {
    let lower = html.to_ascii_lowercase();
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(at) = lower[from..].find('<').map(|at| at + from) {
        let rest = &lower[at..];
        if rest.starts_with("<!--") {
            from = rest.find("-->").map_or(lower.len(), |end| at + end + 3);
            continue;
        }
        let end = tag_end(rest);
        let is_image = rest.starts_with("<img")
            && rest[4..].starts_with(|c: char| c.is_whitespace() || c == '/' || c == '>');
        // What a template does in between is not known.
        if is_image && !has_alt(&rest[4..end]) && !rest[..end].contains("{%") {
            found.push(at);
        }
        from = at + end.max(1);
    }
    found
}

/// Where a tag ends: a `>` in quotes belongs to it.
fn tag_end(tag: &str) -> usize {
    let mut quote = None;
    for (at, c) in tag.char_indices() {
        match (quote, c) {
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            (None, '>') => return at,
            _ => {}
        }
    }
    tag.len()
}

fn has_alt(attributes: &str) -> bool {
    attributes.match_indices("alt").any(|(at, _)| {
        let before = attributes[..at].chars().next_back();
        let after = attributes[at + 3..].trim_start();
        before.is_some_and(|c| c.is_whitespace() || matches!(c, '"' | '\'' | '/'))
            && (after.is_empty()
                || after.starts_with(['=', '/'])
                || attributes[at + 3..].starts_with(' '))
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{silent, trips};
    use super::images_without_alt;

    #[test]
    fn d405_is_about_what_is_cut_off() {
        let campaign =
            |bytes: usize| super::HTML_IS_CLIPPED_PAGE.example.replace('…', &"x".repeat(bytes));
        trips("D405", &campaign(103 * 1024), &["news"]);
        silent("D405", &campaign(101 * 1024));
    }

    #[test]
    fn d406_reads_tags_as_mail_programs_do() {
        for (html, expected) in [
            ("<img src=a>", 1),
            ("<IMG SRC='a' ALT='b'>", 0),
            ("<img src='a>b' alt=''>", 0),
            ("<img data-alt='x' src=a/>", 1),
            ("<!-- <img src=a> --><image><imgx>", 0),
            ("<p>alt</p><img src=a><img alt src=a>", 1),
            ("<img {% if x %}alt='y'{% endif %}>", 0),
        ] {
            assert_eq!(images_without_alt(html).len(), expected, "{html}");
        }
    }
}
