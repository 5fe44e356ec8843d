//! The fields that a campaign declares. In a campaign without errors each has the type that the
//! account knows it by, if it does, and no name that means something else.

use super::AccountView;
use crate::campaign::checks::{At, Findings};
use crate::campaign::format::Document;
use crate::campaign::node::Path;
use crate::field::{built_in, taken};

/// Checks the declarations.
pub(super) fn check(document: &Document, account: &AccountView<'_>, findings: &mut Findings<'_>) {
    for (key, field) in &document.fields {
        let path = Path::root().key("fields").key(key.as_str());
        let word = field.kind.word();
        let taken = taken(key.as_str()).filter(|_| !account.fields.contains_key(key));
        if built_in(key.as_str()).is_some() {
            findings.error(
                "built_in_field",
                &At::Key(&path),
                format!("every contact has a field `{key}`"),
                "remove the declaration; the field can be used without one",
            );
        } else if let Some(name) = taken {
            findings.error(
                "reserved_field",
                &At::Key(&path),
                format!("`{key}` means `{name}` wherever contacts are read or written"),
                "choose another key",
            );
        } else if let Some(existing) = account.fields.get(key)
            && existing.kind != field.kind
        {
            let existing = existing.kind.word();
            findings.error(
                "field_type_differs",
                &At::Value(&path.key("type")),
                format!("`{key}` is a {word} here but a {existing} in the account"),
                format!("write `type: {existing}`, or choose another key"),
            );
        }
    }
}
