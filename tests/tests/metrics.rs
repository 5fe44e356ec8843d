//! The metrics of a committed decision say all that it did, to the contact and to its object.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use dacapo_engine::ids::CampaignId;
use dacapo_platform::metrics::TARGET;
use dacapo_tests::kit::{ADMIN, ManualPump};
use serde_json::json;
use tracing::field::{Field, Visit};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

/// Each booking tags its contact.
const BOOKINGS: &str = r"
id: bookings
per: booking
objects: { booking: { fields: { status: { type: text } } } }
elements:
  booked: { type: start, when: { field: status, equals: booked }, next: note }
  note: { type: tag, add: [Noted], of: contact }
";

/// The emitted metrics, each with its value.
#[derive(Clone, Default)]
struct Emitted(Arc<Mutex<Vec<(String, i64)>>>);

#[derive(Default)]
struct OneMetric {
    name: String,
    value: i64,
}

impl Visit for OneMetric {
    fn record_i64(&mut self, _: &Field, value: i64) {
        self.value = value;
    }

    fn record_str(&mut self, _: &Field, value: &str) {
        value.clone_into(&mut self.name);
    }

    fn record_debug(&mut self, _: &Field, _: &dyn Debug) {}
}

impl<S: tracing::Subscriber> Layer<S> for Emitted {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() == TARGET {
            let mut one = OneMetric::default();
            event.record(&mut one);
            self.0.lock().unwrap().push((one.name, one.value));
        }
    }
}

/// The bound of R42 counts what an object's campaign writes to the contact, so the metric by which
/// an operator sees a long chain counts it, too.
#[tokio::test]
async fn r42_the_depth_of_what_an_object_writes_to_its_contact_is_measured() {
    let emitted = Emitted::default();
    let subscriber = tracing_subscriber::registry().with(emitted.clone());
    let _measuring = tracing::subscriber::set_default(subscriber);
    let (id, store) = (CampaignId::new("bookings").unwrap(), ManualPump::store());
    let table = Arc::clone(&store) as _;
    let mut pump = ManualPump::publishing(store, table, &id, BOOKINGS).await;
    let body =
        json!({ "contact": { "email": "ann@example.com" }, "fields": { "status": "booked" } });
    let (status, answer) = pump.call(ADMIN, "PUT", "/v1/objects/booking/one", &body).await;
    assert_eq!(status, 200, "{answer:#}");
    pump.feed_goes_on().await;
    let emitted = emitted.0.lock().unwrap();
    let depths: Vec<_> = emitted.iter().filter(|(name, _)| name == "causal_depth").collect();
    assert_eq!(depths, [&("causal_depth".to_owned(), 1)], "{emitted:?}");
}
