//! The names that senders use: one reader of names, for posts and for the headings of a file.
//!
//! | written | is |
//! |---|---|
//! | `email`, `first_name` … | a member of a contact, first of all |
//! | the key of a custom field | that field |
//! | `Email`, `First Name`, `E-Mail`, `Vorname` | the member: letters and digits count, not their case |
//! | `form_fields[email]` | the name in the brackets |
//! | `id`, `created_at` … | read only: passed over where unknown names are |
//!
//! An exact name outranks one that only resembles it.

use std::collections::BTreeMap;

use dacapo_engine::campaign::format::FieldDefinition;
use dacapo_engine::campaign::nearest::remedy;
use dacapo_engine::field::BUILT_IN;
use dacapo_engine::ids::FieldKey;
use dacapo_engine::text::{UnwelcomeCharacter, composed, is_unseen, letters};

/// The members of a contact that can be written, the built-in fields first. Messages list them in
/// this order.
pub(in crate::api) const MEMBERS: [&str; 14] = [
    "email",
    "first_name",
    "last_name",
    "phone",
    "time_zone",
    "locale",
    "name",
    "tags",
    "remove_tags",
    "fields",
    "consent",
    "resubscribe",
    "suppressed",
    "clear",
];

/// Members that are in answers, and never written.
pub(in crate::api) const READ_ONLY: [&str; 5] =
    ["id", "contact_id", "rev", "created_at", "updated_at"];

/// Other names of members in forms, booking tools and spreadsheets, without case and punctuation.
const ALSO: &[(&str, &[&str])] = &[
    (
        "email",
        &[
            "mail",
            "emailaddress",
            "mailaddress",
            "emailadresse",
            "mailadresse",
            "youremail",
            "inviteeemail",
            "emailaddresse",
        ],
    ),
    ("first_name", &["fname", "givenname", "forename", "vorname", "rufname", "inviteefirstname"]),
    (
        "last_name",
        &[
            "lname",
            "surname",
            "familyname",
            "nachname",
            "familienname",
            "zuname",
            "inviteelastname",
        ],
    ),
    (
        "name",
        &[
            "fullname",
            "yourname",
            "inviteename",
            "vollständigername",
            "vorundnachname",
            "vornamenachname",
            "vornameundnachname",
        ],
    ),
    (
        "phone",
        &[
            "phonenumber",
            "telephone",
            "telephonenumber",
            "telefon",
            "telefonnummer",
            "tel",
            "rufnummer",
        ],
    ),
    ("time_zone", &["tz", "zeitzone", "inviteetimezone"]),
    ("locale", &["language", "lang", "sprache"]),
    ("tags", &["schlagwörter", "schlagworte"]),
];

/// What a name means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::api) enum Meaning<'a> {
    /// A member of a contact.
    Member(&'static str),
    /// A custom field.
    Field(&'a FieldKey),
    /// A member that is never written.
    ReadOnly,
    /// Nothing known.
    Unknown,
}

/// How well a name matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::api) enum Sureness {
    /// It resembles the name.
    Resembles,
    /// It is the name.
    Exact,
}

/// What a name means, and how well it matches.
pub(in crate::api) fn meaning<'a>(
    written: &str,
    fields: &'a BTreeMap<FieldKey, FieldDefinition>,
) -> (Meaning<'a>, Sureness) {
    let written = written.trim();
    // A custom field may have a key that became a member later.
    let field = fields.get_key_value(written).map(|(key, _)| key);
    let built_in = BUILT_IN.iter().any(|(name, _)| *name == written);
    if let Some(key) = field.filter(|_| !built_in) {
        return (Meaning::Field(key), Sureness::Exact);
    }
    if let Some(member) = MEMBERS.into_iter().find(|member| *member == written) {
        return (Meaning::Member(member), Sureness::Exact);
    }
    if READ_ONLY.contains(&written) {
        return (Meaning::ReadOnly, Sureness::Exact);
    }
    (resembling(unwrapped(written), fields), Sureness::Resembles)
}

fn resembling<'a>(written: &str, fields: &'a BTreeMap<FieldKey, FieldDefinition>) -> Meaning<'a> {
    let wanted = letters(written);
    if wanted.is_empty() {
        return Meaning::Unknown;
    }
    if let Some(member) = MEMBERS.into_iter().find(|member| letters(member) == wanted) {
        return Meaning::Member(member);
    }
    let mut alike = fields.iter().filter(|(key, field)| {
        let label = field.label.as_deref().map(letters);
        letters(key.as_str()) == wanted || label.is_some_and(|label| label == wanted)
    });
    if let Some((key, _)) = alike.next() {
        // If it could be two, it is neither.
        return if alike.next().is_none() { Meaning::Field(key) } else { Meaning::Unknown };
    }
    if READ_ONLY.iter().any(|member| letters(member) == wanted) {
        return Meaning::ReadOnly;
    }
    let also = ALSO.iter().find(|(_, names)| names.contains(&wanted.as_str()));
    also.map_or(Meaning::Unknown, |(member, _)| Meaning::Member(member))
}

/// The name inside what a form puts around it: `form_fields[email]`, `fields[email][value]`.
fn unwrapped(written: &str) -> &str {
    let inner = written
        .strip_prefix("form_fields[")
        .or_else(|| written.strip_prefix("form_fields."))
        .or_else(|| written.strip_prefix("fields[").filter(|rest| rest.ends_with("][value]")));
    let Some(inner) = inner else { return written.strip_suffix("[]").unwrap_or(written) };
    inner.split([']', '[']).next().unwrap_or(inner)
}

/// Why a name means nothing here: what it could have been, the built-in names first, and what can
/// be done.
pub(in crate::api) fn unknown(
    written: &str,
    fields: &BTreeMap<FieldKey, FieldDefinition>,
) -> String {
    let known = MEMBERS.into_iter().filter(|member| *member != "suppressed");
    let known = known.chain(fields.keys().map(FieldKey::as_str));
    let remedy = remedy(written, known);
    let end = if remedy.ends_with('?') { "" } else { "." };
    format!(
        "there is no field `{written}`; {remedy}{end} PUT /v1/fields/{{key}} makes one; \
         ?unknown_fields=ignore or create does without it"
    )
}

/// The longest name of an event, in bytes.
const LONGEST_EVENT: usize = 128;

/// The name of a custom event as it is kept (R7), or why it cannot be one.
pub(in crate::api) fn event_name(sent: &str) -> Result<String, String> {
    let name = composed(sent.trim());
    if let Some(c) = name.chars().find(|c| is_unseen(*c)) {
        return Err(UnwelcomeCharacter(c).to_string());
    }
    if name.is_empty() || name.len() > LONGEST_EVENT {
        return Err(format!("a name has 1 to {LONGEST_EVENT} bytes"));
    }
    Ok(name.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use dacapo_engine::field::FieldType;

    fn fields() -> BTreeMap<FieldKey, FieldDefinition> {
        let field = |label: Option<&str>| FieldDefinition {
            kind: FieldType::Text,
            label: label.map(str::to_owned),
        };
        [
            ("appointment_at", None),
            ("kurs", Some("Kurs-Titel")),
            ("sprache", None),
            ("a-b", None),
            ("a_b", None),
        ]
        .into_iter()
        .map(|(key, label)| (FieldKey::new(key).unwrap(), field(label)))
        .collect()
    }

    #[test]
    fn one_reader_of_names_knows_what_senders_call_things() {
        let fields = fields();
        for (written, member) in [
            ("email", "email"),
            ("Email", "email"),
            ("E-Mail", "email"),
            ("E-Mail-Adresse", "email"),
            ("form_fields[email]", "email"),
            ("fields[email][value]", "email"),
            ("First Name", "first_name"),
            ("firstname", "first_name"),
            ("FirstName", "first_name"),
            ("Vorname", "first_name"),
            ("Vorname:", "first_name"),
            ("Nachname", "last_name"),
            ("Telefon", "phone"),
            ("Phone Number", "phone"),
            ("timezone", "time_zone"),
            ("Zeitzone", "time_zone"),
            ("Name", "name"),
            ("Tags", "tags"),
            ("tags[]", "tags"),
            ("Language", "locale"),
            (" remove-tags ", "remove_tags"),
        ] {
            assert_eq!(meaning(written, &fields).0, Meaning::Member(member), "{written}");
        }
        for (written, key) in [
            ("appointment_at", "appointment_at"),
            ("Appointment At", "appointment_at"),
            ("KURS TITEL", "kurs"),
            ("sprache", "sprache"),
            ("Sprache", "sprache"),
        ] {
            let key = FieldKey::new(key).unwrap();
            assert_eq!(meaning(written, &fields).0, Meaning::Field(&key), "{written}");
        }
        for written in ["id", "created_at", "Updated At", "contact_id", "ContactID"] {
            assert_eq!(meaning(written, &fields).0, Meaning::ReadOnly, "{written}");
        }
        for written in ["", "shoe", "A B", "tag", "form[name]", "fields[email][type]", "E"] {
            assert_eq!(meaning(written, &fields).0, Meaning::Unknown, "{written}");
        }
        let told = unknown("frist_name", &fields);
        assert!(told.contains("`first_name`"), "{told}");
    }
}
