//! Dates of a booking that were lost: with a date that cannot be read, or in a zone that is
//! unknown, what is ahead would be there, and its contact would not hear of it in time. So nothing
//! is written of it.

use dacapo_engine::field::FieldType;
use dacapo_engine::ids::ObjectType;
use dacapo_engine::time::{SlashDates, Zone, read_datetime};
use serde_json::{Map, Value};

use crate::api::call::problem::Fault;
use crate::catalog::Loaded;
use crate::connections::{BEGIN, OBJECT, is_over};

/// A zone in which no hour is named as in UTC.
const FAR_EAST: Zone = Zone::Pacific__Kiritimati;

/// What was left out of a contact and of its object, and takes away a date on which reminders hang.
pub(super) fn lost_dates(
    (of_contact, of_object): (&[Fault], &[Fault]),
    (kind, fields): (&ObjectType, &Map<String, Value>),
    loaded: &Loaded,
) -> Vec<Fault> {
    if is_over(fields) {
        return Vec::new();
    }
    let is_date = |key: &str| key == BEGIN || loaded.catalog.followed_of(kind, key).is_some();
    let unreadable = of_object
        .iter()
        .filter(|fault| is_date(fault.path.strip_prefix(OBJECT).unwrap_or(&fault.path)));
    let zone = of_contact.iter().find(|fault| fault.code == "time_zone").filter(|_| {
        let mut dates = fields.iter().filter(|(key, _)| is_date(key));
        dates.any(|(key, value)| depends_on_the_zone((kind, key), value, loaded))
    });
    let lost = unreadable.chain(zone).cloned().map(|mut fault| {
        fault.message.push_str(
            "; nothing was written, since reminders hang on the date: set `date_order`, or have \
             the date sent so, with its offset or a zone that is known, and replay this call",
        );
        fault
    });
    lost.collect()
}

/// Whether a value of a field is another instant in another zone.
fn depends_on_the_zone((kind, key): (&ObjectType, &str), value: &Value, loaded: &Loaded) -> bool {
    let field = loaded.catalog.objects.get(kind).and_then(|kind| kind.fields.get(key));
    let slashes = loaded.catalog.settings.date_order.map_or(SlashDates::Refused, SlashDates::In);
    let read = |text, zone| read_datetime(text, zone, slashes);
    let differs = |text| read(text, Zone::UTC) != read(text, FAR_EAST);
    field.is_some_and(|field| field.kind == FieldType::Datetime)
        && value.as_str().is_some_and(differs)
}
