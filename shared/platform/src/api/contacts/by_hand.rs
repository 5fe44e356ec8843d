//! One contact, or one of its objects, in one campaign, by hand: started, reset, stopped. What a person does so is in the
//! history, and does not count for the bound on runs a day (R40).

use std::sync::Arc;

use axum::extract::State;
use dacapo_engine::campaign::nearest::remedy;
use dacapo_engine::decide::{Event, Ignored, NotStarted};
use dacapo_engine::history::Order;
use dacapo_engine::ids::CampaignId;

use crate::api::call::auth::Holder;
use crate::api::call::extract::{Path, Query};
use crate::api::call::idempotency::{Answer, Once};
use crate::api::call::problem::Problem;
use crate::api::call::surface::{Surface, calls};
use crate::api::contacts::calls::contact_named;
use crate::api::contacts::journeys::{EnrollmentShape, WhichObject};
use crate::api::contacts::object_names::{ObjectNames, subject_of};
use crate::catalog::CatalogStore;
use crate::contacts::Contacts;
use crate::enrollments::{Decisions, EventOutcome};
use crate::objects::Objects;

pub(in crate::api) fn routes<S: Surface>(on: S) -> S {
    calls!(on, start, reset, stop)
}

/// Enters the campaign at its first start, as if its condition held (R52): within the restart
/// delay, and while the campaign is paused, that is parked.
#[utoipa::path(post, path = "/v1/contacts/{id}/enrollments/{campaign}/start", tag = "Contacts",
    params(("id" = String, Path, description = "The id, or `email:ann@example.com`"),
        ("campaign" = String, Path, description = "The campaign"), WhichObject),
    responses((status = 200, body = EnrollmentShape), (status = 404, body = Problem), (status = 409, body = Problem),
        (status = 422, body = Problem)))]
async fn start(
    State(catalog): State<Arc<CatalogStore>>,
    State(contacts): State<Arc<Contacts>>,
    (State(decisions), State(objects)): (State<Arc<Decisions>>, State<Arc<Objects>>),
    holder: Holder,
    once: Once,
    Path(named): Path<(String, String)>,
    Query(which): Query<WhichObject>,
) -> Result<Answer, Problem> {
    let parts = (&*catalog, &*contacts, &*decisions, &*objects);
    by_hand(parts, &holder, &once, named, which.object.as_deref(), Order::Start).await
}

/// Resets the contact in the campaign (R16): a new run, `ready`; nothing starts by itself.
#[utoipa::path(post, path = "/v1/contacts/{id}/enrollments/{campaign}/reset", tag = "Contacts",
    params(("id" = String, Path, description = "The id, or `email:ann@example.com`"),
        ("campaign" = String, Path, description = "The campaign"), WhichObject),
    responses((status = 200, body = EnrollmentShape), (status = 404, body = Problem), (status = 409, body = Problem),
        (status = 422, body = Problem)))]
async fn reset(
    State(catalog): State<Arc<CatalogStore>>,
    State(contacts): State<Arc<Contacts>>,
    (State(decisions), State(objects)): (State<Arc<Decisions>>, State<Arc<Objects>>),
    holder: Holder,
    once: Once,
    Path(named): Path<(String, String)>,
    Query(which): Query<WhichObject>,
) -> Result<Answer, Problem> {
    let parts = (&*catalog, &*contacts, &*decisions, &*objects);
    by_hand(parts, &holder, &once, named, which.object.as_deref(), Order::Reset).await
}

/// Stops the contact in the campaign (R16): all its paths end, and no entry fires until it is
/// reset.
#[utoipa::path(post, path = "/v1/contacts/{id}/enrollments/{campaign}/stop", tag = "Contacts",
    params(("id" = String, Path, description = "The id, or `email:ann@example.com`"),
        ("campaign" = String, Path, description = "The campaign"), WhichObject),
    responses((status = 200, body = EnrollmentShape), (status = 404, body = Problem), (status = 409, body = Problem),
        (status = 422, body = Problem)))]
async fn stop(
    State(catalog): State<Arc<CatalogStore>>,
    State(contacts): State<Arc<Contacts>>,
    (State(decisions), State(objects)): (State<Arc<Decisions>>, State<Arc<Objects>>),
    holder: Holder,
    once: Once,
    Path(named): Path<(String, String)>,
    Query(which): Query<WhichObject>,
) -> Result<Answer, Problem> {
    let parts = (&*catalog, &*contacts, &*decisions, &*objects);
    by_hand(parts, &holder, &once, named, which.object.as_deref(), Order::Stop).await
}

async fn by_hand(
    (catalog, contacts, decisions, objects): (&CatalogStore, &Contacts, &Decisions, &Objects),
    holder: &Holder,
    once: &Once,
    (id, campaign): (String, String),
    object: Option<&str>,
    order: Order,
) -> Result<Answer, Problem> {
    let contact = contact_named(contacts, &id).await?;
    let named = campaign.clone();
    let never_in =
        || Problem::not_found(format!("the contact has never been in a campaign `{named}`"));
    let campaign = CampaignId::new(campaign).map_err(|_| never_in())?;
    if order == Order::Start {
        let loaded = catalog.current().await?;
        let head = loaded.catalog.campaigns.get(&campaign).filter(|head| head.is_there());
        let head = head.ok_or_else(|| {
            let known = loaded.catalog.campaigns.iter().filter(|(_, head)| head.is_there());
            let remedy = remedy(&named, known.map(|(id, _)| id.as_str()));
            Problem::not_found(format!("there is no campaign `{named}`; {remedy}"))
        })?;
        if head.standing().is_none() {
            return Err(Problem::conflict("the campaign is not published; publish it first"));
        }
        let newest =
            loaded.campaigns.get(&campaign).and_then(|all| all.versions.get(&head.version));
        if newest.is_some_and(|newest| newest.starts().next().is_none()) {
            return Err(Problem::conflict("the campaign has no start to enter at"));
        }
    }
    let loaded = catalog.current().await?;
    let subject = subject_of(&loaded.catalog, objects, &contact.id, object, &campaign).await?;
    let event = Event::ByHand { order, by: holder.author(), call: once.identity() };
    let outcome = decisions.apply_event(&subject, &campaign, &event).await?;
    match outcome {
        EventOutcome::Ignored(Ignored::NeverEnrolled) => return Err(never_in()),
        EventOutcome::Ignored(Ignored::NotPublished) => {
            return Err(Problem::conflict("the campaign is not published; publish it first"));
        }
        EventOutcome::Ignored(Ignored::Paused) => {
            return Err(Problem::conflict("the campaign is paused; resume it first"));
        }
        EventOutcome::Ignored(Ignored::Quarantined) => {
            let why = "a change of the contact waits in quarantine; release the contact first";
            return Err(Problem::conflict(why));
        }
        EventOutcome::Undecidable(why) => {
            return Err(Problem::conflict(format!("it cannot be decided: {why}")));
        }
        EventOutcome::Ignored(Ignored::NotStarted(why)) => {
            let remedy = match why {
                NotStarted::Stopped | NotStarted::Used => "; reset the contact first",
                NotStarted::Held => "; release the contact first",
                NotStarted::NoStart => "",
            };
            return Err(Problem::conflict(format!("not started: {}{remedy}", why.words())));
        }
        EventOutcome::Committed(_) | EventOutcome::Deliver(_) | EventOutcome::Ignored(_) => {}
    }
    let stored = decisions.enrollment(&subject, &campaign).await?.ok_or_else(never_in)?;
    let loaded = catalog.current().await?;
    let object = ObjectNames::of(&loaded.catalog, objects, &contact.id).await?.name(&subject);
    Answer::ok(&EnrollmentShape::of(&loaded.catalog, campaign, object, &stored.enrollment))
}
