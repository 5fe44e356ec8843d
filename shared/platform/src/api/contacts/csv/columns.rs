//! The columns of a file: what the headings of its first row mean. Names are read by the same
//! reader as in posts.

use std::collections::BTreeMap;

use dacapo_engine::campaign::format::FieldDefinition;
use dacapo_engine::field::FieldType;
use dacapo_engine::ids::FieldKey;

use crate::api::call::problem::{Fault, Problem};
use crate::api::contacts::csv::guard::unguarded;
use crate::api::contacts::csv::rows::Row;
use crate::api::contacts::names::{self, Meaning, Sureness, meaning};
use crate::api::contacts::reading::UnknownFields;

/// Fields that have to be created before the rows are written.
type NewFields = BTreeMap<FieldKey, FieldType>;

/// The names of the columns, empty for one that is skipped, and fields that have to be created.
///
/// # Errors
///
/// 422 with every heading that is wrong.
pub(in crate::api) fn columns_of(
    first: &Row,
    fields: &BTreeMap<FieldKey, FieldDefinition>,
    unknown: UnknownFields,
) -> Result<(Vec<String>, NewFields), Problem> {
    let cells =
        first.cells.as_ref().map_err(|why| Problem::malformed(format!("{why} (line 1)")))?;
    let mut faults = Vec::new();
    let mut new = NewFields::new();
    let headings: Vec<_> = cells
        .iter()
        .map(|cell| {
            let cell = unguarded(cell.trim());
            let name = cell.strip_prefix("fields.").unwrap_or(cell);
            let (means, sureness) = meaning(name, fields);
            let column = match means {
                Meaning::Member("fields") | Meaning::Unknown => None,
                Meaning::Member(member) => Some(member),
                Meaning::Field(key) => Some(key.as_str()),
                // Columns of an export that an import ignores.
                Meaning::ReadOnly => Some(""),
            };
            (name, column, sureness)
        })
        .collect();
    let named = |wanted: &str| {
        headings.iter().any(|(_, column, sure)| *column == Some(wanted) && *sure == Sureness::Exact)
    };
    let mut columns: Vec<String> = Vec::new();
    for (name, column, sureness) in &headings {
        // A column with the exact name outranks one that resembles it.
        let known = column
            .filter(|column| *sureness == Sureness::Exact || column.is_empty() || !named(column));
        let column = match known {
            _ if name.is_empty() => String::new(),
            Some(known) => known.to_owned(),
            None => match (unknown, FieldKey::new(*name)) {
                (UnknownFields::Ignore, _) => String::new(),
                (UnknownFields::Create, Ok(key)) => {
                    new.insert(key, FieldType::Text);
                    (*name).to_owned()
                }
                (UnknownFields::Create, Err(why)) => {
                    faults.push(Fault::new(*name, "field_key", why));
                    String::new()
                }
                (UnknownFields::Refuse, _) => {
                    faults.push(Fault::new(*name, "unknown_field", names::unknown(name, fields)));
                    String::new()
                }
            },
        };
        if !column.is_empty() && columns.contains(&column) {
            let message = format!("two columns mean `{column}`; rename or remove one");
            faults.push(Fault::new(&column, "twice", message));
        }
        columns.push(column);
    }
    if !columns.iter().any(|column| column == "email") {
        let message = "a column `email` is needed: the first row names the columns";
        faults.push(Fault::new("email", "required", message));
    }
    if faults.is_empty() { Ok((columns, new)) } else { Err(Problem::invalid(faults)) }
}
