//! Templates: whether they are written right and read only what there is (R33). A template that
//! passes can be compiled, and names nothing that does not exist.

use crate::campaign::checks::{At, Fields, Findings, Template, is_template};
use crate::campaign::format::Document;
use crate::campaign::nearest;
use crate::campaign::node::Path;
use crate::ids::ObjectType;
use crate::template;

/// What templates read besides fields.
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

/// What a key of the contact's fields stands behind; in a campaign about objects, `fields` is the
/// object's.
const OF_CONTACT: &str = "contact.";
const OF_SUBJECT: &str = "fields.";

/// What templates read of an object besides its fields, behind the type.
const OF_OBJECT: [&str; 2] = ["key", "tags"];

/// What the templates of a campaign may read.
pub(super) struct Placeholders<'a> {
    /// The contact's fields.
    pub(super) fields: &'a Fields<'a>,
    /// The type and the fields of the objects that the campaign is about.
    pub(super) own: Option<(&'a ObjectType, &'a Fields<'a>)>,
}

impl Placeholders<'_> {
    fn is_known(&self, placeholder: &str) -> bool {
        let of = |before: &str, fields: &Fields<'_>| {
            placeholder.strip_prefix(before).is_some_and(|key| fields.kind(key).is_some())
        };
        FIXED.contains(&placeholder)
            || of(OF_CONTACT, self.fields)
            || match self.own {
                None => of(OF_SUBJECT, self.fields),
                Some((kind, own)) => {
                    let of_object = |key| placeholder == format!("{kind}.{key}");
                    of(OF_SUBJECT, own)
                        || of(&format!("{kind}."), own)
                        || OF_OBJECT.iter().any(of_object)
                }
            }
    }

    /// Those that somebody may have meant. Who wrote `fields.` is shown such names, anybody else
    /// the contact's and the object's.
    fn known(&self, meant: &str) -> Vec<String> {
        let mut known: Vec<String> = Vec::new();
        let mut add = |before: &str, fields: &Fields<'_>| {
            known.extend(fields.names().map(|key| format!("{before}{key}")));
        };
        match (self.own, meant.starts_with(OF_SUBJECT)) {
            (None, false) => add(OF_CONTACT, self.fields),
            (None, true) => add(OF_SUBJECT, self.fields),
            (Some((_, own)), true) => add(OF_SUBJECT, own),
            (Some((kind, own)), false) => {
                add(&format!("{kind}."), own);
                add(OF_CONTACT, self.fields);
                known.extend(OF_OBJECT.iter().map(|key| format!("{kind}.{key}")));
            }
        }
        known.extend(FIXED.iter().map(|name| (*name).to_owned()));
        known
    }
}

/// Every text of the document that is a template.
pub(super) fn all(document: &Document) -> Vec<Template<'_>> {
    let mut found = Vec::new();
    for (key, email) in &document.emails {
        let path = Path::root().key("emails").key(key);
        found.push(Template::full(path.key("subject"), &email.subject));
        for (key, text) in [("text", &email.text), ("html", &email.html)] {
            found.extend(text.as_ref().map(|source| Template::full(path.key(key), source)));
        }
    }
    for (id, element) in &document.elements {
        let path = Path::root().key("elements").key(id.as_str());
        found.extend(element.of_type().templates(&path));
    }
    found
}

pub(super) fn check(document: &Document, known: &Placeholders<'_>, findings: &mut Findings<'_>) {
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
                for placeholder in read.iter().filter(|each| !known.is_known(each)) {
                    if findings.is_full() {
                        return;
                    }
                    unknown(placeholder, source, &path, known, findings);
                }
            }
        }
    }
}

fn unknown(
    placeholder: &str,
    source: &str,
    path: &Path,
    known: &Placeholders<'_>,
    findings: &mut Findings<'_>,
) {
    let known = known.known(placeholder);
    let remedy = nearest::remedy(placeholder, known.iter().map(String::as_str));
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
