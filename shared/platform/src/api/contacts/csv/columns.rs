//! The columns of a file: what the headings of its first row mean. Names are read by the same
//! reader as in posts.

use dacapo_engine::ids::InvalidId;

use crate::api::call::problem::{Fault, Problem};
use crate::api::contacts::csv::guard::unguarded;
use crate::api::contacts::csv::rows::Row;
use crate::api::contacts::names::Sureness;
use crate::api::contacts::reading::UnknownFields;

/// What a heading means.
pub(in crate::api) struct Heading {
    /// The name, as it is told.
    pub(in crate::api) name: String,
    /// The column: empty for one that is passed over, `None` if the name means nothing.
    pub(in crate::api) column: Option<String>,
    /// How well the name matches.
    pub(in crate::api) sureness: Sureness,
}

/// What headings mean in a kind of file.
pub(in crate::api) trait Headings {
    /// A field that has to be created before the rows are written.
    type New;

    /// Columns that have to be there, each with what is said where it is not.
    const NEEDED: &'static [(&'static str, &'static str)];

    /// What a heading means.
    fn read(&self, cell: &str) -> Heading;

    /// The column of a field that is to be created, and the field.
    ///
    /// # Errors
    ///
    /// Why no field can be called so.
    fn create(&self, name: &str) -> Result<(String, Self::New), InvalidId>;

    /// Why a name means nothing, and what to do about it.
    fn unknown(&self, name: &str) -> String;
}

/// The names of the columns, empty for one that is skipped, and fields that have to be created.
///
/// # Errors
///
/// 422 with every heading that is wrong.
pub(in crate::api) fn columns_of<H: Headings>(
    first: &Row,
    file: &H,
    unknown: UnknownFields,
) -> Result<(Vec<String>, Vec<H::New>), Problem> {
    let cells =
        first.cells.as_ref().map_err(|why| Problem::malformed(format!("{why} (line 1)")))?;
    let mut faults = Vec::new();
    let mut new = Vec::new();
    let headings: Vec<_> = cells.iter().map(|cell| file.read(unguarded(cell.trim()))).collect();
    let named = |wanted: &str| {
        headings.iter().any(|heading| {
            heading.column.as_deref() == Some(wanted) && heading.sureness == Sureness::Exact
        })
    };
    let mut columns: Vec<String> = Vec::new();
    for Heading { name, column, sureness } in &headings {
        // A column with the exact name outranks one that resembles it.
        let known = column
            .as_deref()
            .filter(|column| *sureness == Sureness::Exact || column.is_empty() || !named(column));
        let column = match known {
            _ if name.is_empty() => String::new(),
            Some(known) => known.to_owned(),
            None => match (unknown, file.create(name)) {
                (UnknownFields::Ignore, _) => String::new(),
                (UnknownFields::Create, Ok((column, field))) => {
                    new.push(field);
                    column
                }
                (UnknownFields::Create, Err(why)) => {
                    faults.push(Fault::new(name, "field_key", why));
                    String::new()
                }
                (UnknownFields::Refuse, _) => {
                    faults.push(Fault::new(name, "unknown_field", file.unknown(name)));
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
    for (needed, message) in H::NEEDED {
        if !columns.iter().any(|column| column == needed) {
            faults.push(Fault::new(*needed, "required", message));
        }
    }
    if faults.is_empty() { Ok((columns, new)) } else { Err(Problem::invalid(faults)) }
}
