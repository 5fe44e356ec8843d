//! Reconciling: timers and queues are made anew from what the table says.

use std::sync::Arc;

use axum::extract::State;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::api::call::auth::Holder;
use crate::api::call::extract::Json;
use crate::api::call::idempotency::{Answer, Once};
use crate::api::call::problem::{Fault, Problem};
use crate::api::call::surface::{Surface, calls};
use crate::api::jobs::calls::{Taken, taken};
use crate::api::jobs::selecting::past;
use crate::contact_json::instant_text;
use crate::jobs::{JobKind, Jobs, Requested, Selection};
use crate::store::Store;

pub(in crate::api) fn routes<S: Surface>(on: S) -> S {
    calls!(on, reconcile)
}

/// From which instants timers and queues are made anew. Without any, nothing was lost but those.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Reconcile {
    /// The instant to which the table was restored: what was written in the day before it is handed
    /// on once more.
    #[schema(format = DateTime)]
    #[serde(default)]
    restored_to: Option<String>,
    /// Messages that were due up to this instant are recorded as `unknown` and not sent: they may
    /// have been, after the instant to which the table was restored. What follows them goes on as
    /// of then.
    #[schema(format = DateTime)]
    #[serde(default)]
    sent_until: Option<String>,
}

/// Makes timers and queues anew from what the table says: after a restore, or in a new stack over a
/// kept table. What is there already stays, and what was sent is not sent again; asked for twice,
/// it changes nothing.
#[utoipa::path(post, path = "/v1/mass-actions/reconcile", tag = "Mass actions",
    request_body = Reconcile,
    responses((status = 202, body = Taken), (status = 422, body = Problem)))]
async fn reconcile(
    State(store): State<Arc<Store>>,
    State(jobs): State<Arc<Jobs>>,
    holder: Holder,
    once: Once,
    Json(sent): Json<Reconcile>,
) -> Result<Answer, Problem> {
    let now = store.now();
    let mut faults = Vec::new();
    let restored_to = past("restored_to", sent.restored_to.as_deref(), now, &mut faults);
    let sent_until = past("sent_until", sent.sent_until.as_deref(), now, &mut faults);
    if let (Some(to), Some(until)) = (restored_to, sent_until)
        && until < to
    {
        let message = format!(
            "{} is before restored_to: of what was sent until then the table knows; leave it out, \
             or name when sending stopped",
            instant_text(until)
        );
        faults.push(Fault::new("sent_until", "order", message));
    }
    if !faults.is_empty() {
        return Err(Problem::invalid(faults));
    }
    let counted = jobs.count_contacts().await?;
    let requested = Requested {
        kind: JobKind::Reconcile { restored_to, sent_until },
        selection: Selection::Everybody,
        named: Vec::new(),
        campaigns: Vec::new(),
        all: true,
        by: holder.name().to_owned(),
        estimate: counted.count,
        estimate_is_a_minimum: counted.is_a_minimum,
    };
    taken(&jobs, &once, requested, false).await
}
