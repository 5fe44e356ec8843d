//! Hosts that are nobody's: a campaign that is published with those of an example has not been made
//! one's own yet.
//!
//! It is no lint, since examples and templates are to be without findings. It is told when a
//! campaign is published, before mail leaves.

use dacapo_engine::campaign::format::Document;
use dacapo_engine::problem::{Problem, Severity};

/// Domains that nobody can have (RFC 2606).
const RESERVED: [&str; 7] =
    ["example", "example.com", "example.net", "example.org", "test", "invalid", "localhost"];

/// How many of them the warning names.
const MOST_NAMED: usize = 5;

/// The warning that mail comes from such a host, or leads there.
pub(super) fn warning(document: &Document) -> Option<Problem> {
    let mut there: Vec<(String, &str)> = Vec::new();
    there.extend(document.sender.iter().map(|it| ("sender".to_owned(), of_address(&it.address))));
    for (key, email) in &document.emails {
        let at = |member: &str| format!("emails.{key}.{member}");
        there.extend(email.sender.iter().map(|it| (at("sender"), of_address(&it.address))));
        there.extend(email.reply_to.iter().map(|it| (at("reply_to"), of_address(it))));
        for (member, text) in [("text", &email.text), ("html", &email.html)] {
            there.extend(text.iter().flat_map(|text| linked(text)).map(|host| (at(member), host)));
        }
    }
    there.retain(|(_, host)| is_reserved(host));
    let path = there.first()?.0.clone();
    let mut hosts: Vec<String> = Vec::new();
    for (_, host) in there {
        let quoted = format!("`{host}`");
        if !hosts.contains(&quoted) {
            hosts.push(quoted);
        }
    }
    hosts.truncate(MOST_NAMED);
    Some(Problem {
        severity: Severity::Warning,
        code: "example_host",
        path,
        line: None,
        column: None,
        message: format!(
            "mail comes from, or leads to, what only examples have: {}",
            hosts.join(", ")
        ),
        remedy: "write your own address and links, and publish again".to_owned(),
    })
}

fn of_address(address: &str) -> &str {
    address.rsplit_once('@').map_or("", |(_, host)| host)
}

/// The hosts of the links in a text.
fn linked(text: &str) -> impl Iterator<Item = &str> {
    text.split("://").skip(1).map(|rest| {
        let is_host = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-');
        rest.split(|c| !is_host(c)).next().unwrap_or_default()
    })
}

fn is_reserved(host: &str) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    RESERVED.iter().any(|reserved| {
        host.strip_suffix(reserved).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    })
}

#[cfg(test)]
mod tests {
    use dacapo_engine::campaign::reader::read;

    use super::*;

    fn warned(sender: &str, text: &str) -> Option<(String, String)> {
        let document = format!(
            "id: a\nsender: {{ address: {sender} }}\nelements:\n  s: {{ type: start, when: {{ tag: A }}, next: m }}\n  \
             m: {{ type: email, email: m }}\nemails: {{ m: {{ subject: S, text: \"{text}\" }} }}\n"
        );
        let document = read(&document).expect("a campaign").document;
        warning(&document).map(|problem| (problem.path, problem.message))
    }

    #[test]
    fn what_only_examples_have_is_told_once_with_all_hosts() {
        let (path, message) = warned(
            "hello@studio-nord.example",
            "https://Calendly.example/a https://calendly.example/b http://www.example.com:80",
        )
        .expect("a warning");
        assert_eq!(path, "sender");
        for host in ["`studio-nord.example`", "`calendly.example`", "`www.example.com`"] {
            assert!(message.contains(host), "{message}");
        }
        let (path, _) = warned("hello@studio.de", "(https://a.example)").expect("a warning");
        assert_eq!(path, "emails.m.text");
        let own = "https://example.de https://myexample.com https://{{ contact.email }} https://a.de/x.example";
        assert_eq!(warned("hello@studio.de", own), None);
    }
}
