//! A booking from booked to reminded: as an object of the contact, posted to the hook or to the URL
//! of a connection, and as two fields of the contact.
//!
//! The contacts are there before. Both forms run the same elements: confirmed, and reminded an hour
//! before.

use std::sync::Arc;

use chrono::DateTime;
use serde_json::{Value, json};

use super::harness::{BEGINS, Harness};
use super::report::Report;
use super::scenario::CONTACTS;
use crate::kit::MeteredTable;

const HOUR: i64 = 3_600_000;

/// How a booking is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Booking {
    /// As an object of its contact.
    Object,
    /// The same, posted by the tool to the URL of a connection.
    Connection,
    /// As fields of the contact.
    Fields,
}

impl Booking {
    fn document(self) -> String {
        let fields = "{ starts_at: { type: datetime }, status: { type: text } }";
        let declared = match self {
            Self::Object | Self::Connection => {
                format!("per: appointment\nobjects:\n  appointment: {{ fields: {fields} }}")
            }
            Self::Fields => format!("fields: {fields}"),
        };
        format!(
            "id: bookings\nname: Bookings\n{declared}\n\
             sender: {{ name: Studio Nord, address: hello@studio-nord.example }}\n\
             elements:\n\
             \x20 booked: {{ type: start, when: {{ field: status, equals: booked }}, next: confirm }}\n\
             \x20 confirm: {{ type: email, email: confirmed, next: hour_before }}\n\
             \x20 hour_before: {{ type: date_timer, field: starts_at, offset: -1 hour, next: remind }}\n\
             \x20 remind: {{ type: email, email: soon, next: over }}\n\
             \x20 over: {{ type: date_timer, field: starts_at, offset: 1 day }}\n\
             emails:\n\
             \x20 confirmed: {{ purpose: transactional, subject: Booked, text: \"{{{{ fields.starts_at }}}}\" }}\n\
             \x20 soon: {{ purpose: transactional, subject: Soon, text: \"{{{{ fields.starts_at }}}}\" }}\n"
        )
    }

    /// Where bookings are posted to.
    async fn path(self, harness: &Harness) -> Result<String, String> {
        match self {
            Self::Object => Ok("/v1/hooks/object/appointment".to_owned()),
            Self::Fields => Ok("/v1/hooks/contact".to_owned()),
            Self::Connection => {
                let map = json!({ "email": "email", "key": "object.key",
                    "status": "object.status", "starts_at": "object.starts_at" });
                let form = json!({ "kind": "form", "object": "appointment", "map": map });
                let put = ("PUT", "/v1/connections/tool");
                let made = harness.call(None, put, form.to_string()).await?;
                let url =
                    made["url"].as_str().and_then(|url| url.find("/v1/in/").map(|at| &url[at..]));
                url.map(str::to_owned).ok_or_else(|| format!("no URL in {made}"))
            }
        }
    }

    fn post(self, n: usize, starts_at: &str) -> Value {
        let email = address(n);
        match self {
            Self::Object | Self::Connection => {
                json!({ "email": email, "key": format!("booking-{n}"),
                "status": "booked", "starts_at": starts_at })
            }
            Self::Fields => json!({ "email": email, "status": "booked", "starts_at": starts_at }),
        }
    }
}

/// Books for contacts that are there, until all are reminded. Returns what a booking consumes.
///
/// # Errors
///
/// If a result is wrong: two mails each.
pub async fn measure_booking(
    table: Arc<MeteredTable>,
    batch: usize,
    booking: Booking,
) -> Result<Report, String> {
    let mut harness = Harness::new(table, batch);
    harness.call(None, ("PUT", "/v1/campaigns/bookings"), booking.document()).await?;
    let publish = ("POST", "/v1/campaigns/bookings/publish");
    harness.call(None, publish, "{}".to_owned()).await?;
    for n in 0..CONTACTS {
        let ann =
            json!({ "email": address(n), "name": "Ann Lindqvist", "time_zone": "Europe/Berlin" });
        harness.call(None, ("POST", "/v1/hooks/contact"), ann.to_string()).await?;
    }
    let path = booking.path(&harness).await?;
    harness.settle("before").await?;
    harness.forget();
    harness.report = Report::default();
    let starts_at = DateTime::from_timestamp_millis(BEGINS + 6 * HOUR).ok_or("an instant")?;
    for n in 0..CONTACTS {
        let post = booking.post(n, &starts_at.to_rfc3339()).to_string();
        harness.call(None, ("POST", &path), post).await?;
        harness.note("booked", "webhook");
    }
    harness.settle("booked").await?;
    harness.until(5 * HOUR + 1, "an hour before").await?;
    let sent = harness.mails();
    if sent != 2 * CONTACTS {
        return Err(format!("{sent} mails were sent, {} were due", 2 * CONTACTS));
    }
    Ok(std::mem::take(&mut harness.report))
}

fn address(n: usize) -> String {
    format!("ann.lindqvist.{n}@example.com")
}
