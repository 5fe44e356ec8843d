//! Contacts from CSV: a row is one change of a contact (R1).
//!
//! | a cell | is |
//! |---|---|
//! | of the first row | a name, as `csv::columns` reads it |
//! | empty | what the contact has stays; `clear` names fields that are to be cleared |
//! | in `consent` | never takes an unsubscription back, unless `resubscribe` says `true` |
//! | in `tags` | read by `tag_lists`; tags that the contact has are not assigned again |
//!
//! What holds for every file is in `importing`.

use std::collections::BTreeMap;

use axum::extract::{Request, State};
use axum::response::Response;
use dacapo_engine::address::folded;
use dacapo_engine::campaign::format::FieldDefinition;
use dacapo_engine::compact::CollectCompactly as _;
use dacapo_engine::contact::{Author, Contact};
use dacapo_engine::field::{FieldType, quoted};
use dacapo_engine::ids::{FieldKey, InvalidId};
use serde_json::{Map, Value};

use crate::api::Api;
use crate::api::call::auth::Holder;
use crate::api::call::extract::Query;
use crate::api::call::problem::{Fault, Problem};
use crate::api::call::surface::{Surface, calls};
use crate::api::contacts::csv::columns::{Heading, Headings, columns_of};
use crate::api::contacts::csv::importing::{
    HowToRead, RowFuture, RowOutcome, RowReport, RowWriter, imported,
};
use crate::api::contacts::csv::report::Imported;
use crate::api::contacts::csv::rows::Row;
use crate::api::contacts::hooks::create_fields;
use crate::api::contacts::names::{self, Meaning, meaning};
use crate::api::contacts::reading::{How, Read, Reader, UnknownFields};
use crate::api::contacts::resubscribing::Resubscribing;
use crate::api::contacts::skipping;
use crate::api::contacts::sorting::Manner;
use crate::catalog::Loaded;
use crate::contact_json::suppression_of;
use crate::contacts::{WriteError, Written};
use crate::error::{Error, Retryability};
use crate::platform::Platform;
use crate::table::Write;

pub(in crate::api) fn routes<S: Surface>(on: S) -> S {
    calls!(on, import)
}

/// Imports contacts from CSV. The first row names the columns: `email`, any other member of a
/// contact, keys of fields.
#[utoipa::path(post, path = "/v1/contacts/import", tag = "Contacts", params(HowToRead),
    request_body(content = String, content_type = "text/csv"),
    responses((status = 200, body = Imported), (status = 422, body = Problem)))]
async fn import(
    State(api): State<Api>,
    holder: Holder,
    Query(how): Query<HowToRead>,
    request: Request,
) -> Result<Response, Problem> {
    let writer = ContactRows { platform: &api.platform, by: holder.author(), how };
    imported(&api.platform, &holder, "import", &writer, request).await
}

/// Rows that are contacts.
struct ContactRows<'a> {
    platform: &'a Platform,
    by: Author,
    how: HowToRead,
}

impl RowWriter for ContactRows<'_> {
    fn columns<'a>(&'a self, first: &'a Row) -> RowFuture<'a, Vec<String>> {
        Box::pin(async move {
            let loaded = self.platform.catalog.current().await?;
            let headings = ContactHeadings(&loaded.catalog.fields);
            let (columns, new) = columns_of(first, &headings, self.how.unknown_fields)?;
            if !new.is_empty() {
                let new: BTreeMap<_, _> =
                    new.into_iter().map(|key| (key, FieldType::Text)).collect_compactly();
                create_fields(&self.platform.catalog, &new).await?;
            }
            Ok(columns)
        })
    }

    fn needed(&self) -> Option<&'static str> {
        Some("email")
    }

    fn about(&self, sent: &Map<String, Value>) -> Vec<String> {
        vec![address_of(sent)]
    }

    fn write<'a>(
        &'a self,
        loaded: &'a Loaded,
        sent: Map<String, Value>,
    ) -> RowFuture<'a, RowOutcome> {
        Box::pin(self.write_row(loaded, sent))
    }
}

fn address_of(sent: &Map<String, Value>) -> String {
    sent.get("email").and_then(Value::as_str).map(folded).unwrap_or_default()
}

impl ContactRows<'_> {
    async fn write_row(
        &self,
        loaded: &Loaded,
        mut sent: Map<String, Value>,
    ) -> Result<RowOutcome, Problem> {
        let suppressed = match sent.remove("suppressed") {
            Some(word) => match word.as_str().and_then(suppression_of) {
                Some(suppression) => Some(suppression),
                None => {
                    let words = "write bounced, complained or manual, or nothing";
                    let message = format!("{} is no suppression; {words}", quoted(&word));
                    let fault = Fault::new("suppressed", "suppressed", message);
                    return Ok(RowOutcome::Refused(vec![fault]));
                }
            },
            None => None,
        };
        let resubscribing = match Resubscribing::taken(&mut sent) {
            Ok(resubscribing) => resubscribing,
            Err(problem) => return Ok(RowOutcome::Refused(problem.into_faults())),
        };
        let address = address_of(&sent);
        let before: Option<Contact> = match self.platform.contacts.id_of(&address).await? {
            Some(id) => self.platform.contacts.get(&id).await?,
            None => None,
        };
        let how = How {
            manner: Manner::Hook,
            unknown_fields: UnknownFields::Refuse,
            invalid: self.how.invalid,
        };
        let (mut patch, told) = match Reader::new(loaded, before.as_ref(), how).read(&sent) {
            Ok(Read { patch, skipped, doubtful, .. }) => {
                (patch, RowReport { skipped, doubtful, ..RowReport::default() })
            }
            Err(problem) => return Ok(RowOutcome::Refused(problem.into_faults())),
        };
        // Writing the same row again is idempotent.
        patch.add.retain(|tag| before.as_ref().is_none_or(|before| !before.tags.contains_key(tag)));
        patch.suppressed = suppressed.map(Some);
        if let Err(problem) = resubscribing.put_into(&mut patch) {
            return Ok(RowOutcome::Refused(problem.into_faults()));
        }
        let together = |written: &Written| -> Result<Vec<Write>, Error> {
            Ok(skipping::line(&self.platform.store, written, &self.by, &told.skipped)?
                .into_iter()
                .collect())
        };
        let came = self.platform.contacts.upsert(&address, &patch, &self.by, &together).await;
        match came {
            Ok(written) if written.created => Ok(RowOutcome::Created(told)),
            Ok(written) if written.change.is_some() => Ok(RowOutcome::Changed(told)),
            Ok(_) => Ok(RowOutcome::Unchanged(told)),
            Err(error) => unwritten(error).map(|fault| RowOutcome::Refused(vec![fault])),
        }
    }
}

/// What is wrong with a row that could not be written.
///
/// # Errors
///
/// What is not the fault of the row.
pub(in crate::api) fn unwritten(error: WriteError) -> Result<Fault, Problem> {
    match error {
        full @ WriteError::TooManyTags => Ok(Fault::new("tags", "too_many", full)),
        full @ WriteError::TooLarge { .. } => Ok(Fault::new("", "too_large", full)),
        WriteError::Failed(error) if error.retryability() == Retryability::Permanent => {
            Ok(Fault::new("", "too_large", error))
        }
        error => Err(error.into()),
    }
}

/// The headings of a file of contacts: names as they are posted.
struct ContactHeadings<'a>(&'a BTreeMap<FieldKey, FieldDefinition>);

impl Headings for ContactHeadings<'_> {
    type New = FieldKey;

    const NEEDED: &'static [(&'static str, &'static str)] =
        &[("email", "a column `email` is needed: the first row names the columns")];

    fn read(&self, cell: &str) -> Heading {
        let name = cell.strip_prefix("fields.").unwrap_or(cell);
        let (means, sureness) = meaning(name, self.0);
        let column = match means {
            Meaning::Member("fields") | Meaning::Unknown => None,
            Meaning::Member(member) => Some(member.to_owned()),
            Meaning::Field(key) => Some(key.to_string()),
            // Columns of an export that an import ignores.
            Meaning::ReadOnly => Some(String::new()),
        };
        Heading { name: name.to_owned(), column, sureness }
    }

    fn create(&self, name: &str) -> Result<(String, FieldKey), InvalidId> {
        FieldKey::new(name).map(|key| (name.to_owned(), key))
    }

    fn unknown(&self, name: &str) -> String {
        names::unknown(name, self.0)
    }
}
