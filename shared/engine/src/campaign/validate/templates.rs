//! Templates: whether they are written right and read only what there is (R33).

use crate::campaign::checks::{At, Fields, Findings, Template, is_template};
use crate::campaign::format::Document;
use crate::campaign::nearest;
use crate::campaign::node::Path;
use crate::template;

/// What templates read besides fields of the contact.
const FIXED: [&str; 9] = [
    "contact.id",
    "contact.consent",
    "contact.tags",
    "tags",
    "campaign.id",
    "campaign.name",
    "campaign.run",
    "unsubscribe_url",
    "links.unsubscribe",
];

/// What a field's key stands behind.
const OF_FIELDS: [&str; 2] = ["contact.", "fields."];

/// Every text of the document that is a template.
pub(super) fn all(document: &Document) -> Vec<Template<'_>> {
    let mut found = Vec::new();
    for (key, email) in &document.emails {
        let path = Path::root().key("emails").key(key);
        found.push(Template::full(path.key("subject"), &email.subject));
        for (key, text) in
            [("text", &email.text), ("html", &email.html), ("reply_to", &email.reply_to)]
        {
            found.extend(text.as_ref().map(|source| Template::full(path.key(key), source)));
        }
    }
    for (id, element) in &document.elements {
        let path = Path::root().key("elements").key(id.as_str());
        found.extend(element.of_type().templates(&path));
    }
    found
}

pub(super) fn check(document: &Document, fields: &Fields<'_>, findings: &mut Findings<'_>) {
    for Template { path, source, budget } in all(document) {
        if findings.is_full() {
            return;
        }
        if !is_template(source) {
            continue;
        }
        if source.len() > budget.source() {
            let most = budget.source() / 1024;
            let message = format!("this template is longer than {most} KiB");
            findings.error("template_syntax", &At::Value(&path), message, "shorten it");
            continue;
        }
        match template::placeholders(source) {
            Err(why) => {
                let from_one = |n: usize| u32::try_from(n).unwrap_or(u32::MAX).max(1);
                let at = At::Text(&path, from_one(why.line), from_one(why.column.unwrap_or(1)));
                let message = format!("{} (line {} of the template)", why.message, why.line);
                findings.error("template_syntax", &at, message, "mend the template");
            }
            Ok(read) => {
                for placeholder in read.iter().filter(|each| !is_known(each, fields)) {
                    if findings.is_full() {
                        return;
                    }
                    unknown(placeholder, source, &path, fields, findings);
                }
            }
        }
    }
}

fn is_known(placeholder: &str, fields: &Fields<'_>) -> bool {
    FIXED.contains(&placeholder)
        || OF_FIELDS
            .iter()
            .filter_map(|before| placeholder.strip_prefix(before))
            .any(|key| fields.kind(key).is_some())
}

fn unknown(
    placeholder: &str,
    source: &str,
    path: &Path,
    fields: &Fields<'_>,
    findings: &mut Findings<'_>,
) {
    // Somebody who wrote `fields.` is shown such names, anybody else the contact's.
    let before = if placeholder.starts_with(OF_FIELDS[1]) { OF_FIELDS[1] } else { OF_FIELDS[0] };
    let of_contact: Vec<String> = fields.names().map(|key| format!("{before}{key}")).collect();
    let known = of_contact.iter().map(String::as_str).chain(FIXED);
    let remedy = nearest::remedy(placeholder, known);
    let (line, column) = first_place_of(placeholder, source);
    findings.error(
        "unknown_placeholder",
        &At::Text(path, line, column),
        format!("there is nothing to put in for `{placeholder}`"),
        remedy,
    );
}

/// The line and column, from 1, where the name first stands by itself.
fn first_place_of(name: &str, source: &str) -> (u32, u32) {
    let is_of_name = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
    let stands_alone = |at: &usize| {
        !source[..*at].ends_with(is_of_name) && !source[at + name.len()..].starts_with(is_of_name)
    };
    let at = source.match_indices(name).map(|(at, _)| at).find(stands_alone).unwrap_or(0);
    let before = &source[..at];
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().map_or(0, |line| line.chars().count()) + 1;
    (u32::try_from(line).unwrap_or(u32::MAX), u32::try_from(column).unwrap_or(u32::MAX))
}
