//! One contact, or one of its objects, in one campaign, by hand: started, reset, stopped, released.
//! What a user does so is in the history, is done once for an `Idempotency-Key`, and does not count
//! for the bound on runs a day (R40).

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use dacapo_engine::campaign::nearest::remedy;
use dacapo_engine::decide::{Event, Ignored, NotStarted};
use dacapo_engine::history::Command;
use dacapo_engine::ids::{CampaignId, ContactId};

use crate::api::Api;
use crate::api::call::auth::Holder;
use crate::api::call::extract::{Path, Query};
use crate::api::call::idempotency::{Answer, Once};
use crate::api::call::problem::Problem;
use crate::api::call::surface::{Surface, calls};
use crate::api::contacts::calls::contact_named;
use crate::api::contacts::history_and_enrollments::{EnrollmentShape, WhichObject};
use crate::api::contacts::object_names::{ObjectNames, subject_of};
use crate::catalog::Head;
use crate::enrollments::EventOutcome;
use crate::platform::Platform;

pub(in crate::api) fn routes<S: Surface>(on: S) -> S {
    calls!(on, start, reset, stop, release)
}

/// Enters the campaign at its first start, as if its condition held (R52): within the restart
/// delay, and while the campaign is paused, that is parked.
#[utoipa::path(
    post, path = "/v1/contacts/{id}/enrollments/{campaign}/start", tag = "Contacts",
    params(
        ("id" = String, Path, description = "The id, or `email:ann@example.com`"),
        ("campaign" = String, Path, description = "The campaign"), WhichObject,
    ),
    responses(
        (status = 200, body = EnrollmentShape), (status = 404, body = Problem),
        (status = 409, body = Problem), (status = 422, body = Problem),
    ),
)]
async fn start(on: ByHand) -> Result<Answer, Problem> {
    on.command(Command::Start).await
}

/// Resets the contact in the campaign (R16): a new run, `ready`; nothing starts by itself.
#[utoipa::path(
    post, path = "/v1/contacts/{id}/enrollments/{campaign}/reset", tag = "Contacts",
    params(
        ("id" = String, Path, description = "The id, or `email:ann@example.com`"),
        ("campaign" = String, Path, description = "The campaign"), WhichObject,
    ),
    responses(
        (status = 200, body = EnrollmentShape), (status = 404, body = Problem),
        (status = 409, body = Problem), (status = 422, body = Problem),
    ),
)]
async fn reset(on: ByHand) -> Result<Answer, Problem> {
    on.command(Command::Reset).await
}

/// Stops the contact in the campaign (R16): all its paths end, and no entry fires until it is
/// reset.
#[utoipa::path(
    post, path = "/v1/contacts/{id}/enrollments/{campaign}/stop", tag = "Contacts",
    params(
        ("id" = String, Path, description = "The id, or `email:ann@example.com`"),
        ("campaign" = String, Path, description = "The campaign"), WhichObject,
    ),
    responses(
        (status = 200, body = EnrollmentShape), (status = 404, body = Problem),
        (status = 409, body = Problem), (status = 422, body = Problem),
    ),
)]
async fn stop(on: ByHand) -> Result<Answer, Problem> {
    on.command(Command::Stop).await
}

/// Lifts `held` (R40): the contact is `ready` again.
#[utoipa::path(
    post, path = "/v1/contacts/{id}/enrollments/{campaign}/release", tag = "Contacts",
    params(
        ("id" = String, Path, description = "The id, or `email:ann@example.com`"),
        ("campaign" = String, Path, description = "The campaign"), WhichObject,
    ),
    responses(
        (status = 200, body = EnrollmentShape), (status = 404, body = Problem),
        (status = 409, body = Problem), (status = 422, body = Problem),
    ),
)]
async fn release(on: ByHand) -> Result<Answer, Problem> {
    let campaign = on.campaign()?;
    let subject = on.subject(&campaign).await?;
    if on.platform.decisions.enrollment(&subject, &campaign).await?.is_none() {
        return Err(on.never_in());
    }
    let by = on.holder.author();
    let call = on.once.identity(&on.platform.store).await?;
    let outcome = on.platform.quarantine.release(&subject, &campaign, by, call).await?;
    on.answer(&subject, campaign, outcome).await
}

/// A call by hand: who asks, and about which contact in which campaign.
struct ByHand {
    platform: Platform,
    holder: Holder,
    once: Once,
    /// The contact.
    contact: ContactId,
    /// Its object, as it was named.
    object: Option<String>,
    /// The campaign as it was named.
    named: String,
}

impl FromRequestParts<Api> for ByHand {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        let holder = Holder::from_request_parts(parts, api).await?;
        let Ok(once) = Once::from_request_parts(parts, api).await;
        let Path((id, named)) = Path::<(String, String)>::from_request_parts(parts, api).await?;
        let Query(which) = Query::<WhichObject>::from_request_parts(parts, api).await?;
        let platform = api.platform.clone();
        let contact = contact_named(&platform.contacts, &id).await?.id;
        Ok(Self { platform, holder, once, contact, object: which.object, named })
    }
}

impl ByHand {
    async fn command(self, command: Command) -> Result<Answer, Problem> {
        let campaign = self.campaign()?;
        if command == Command::Start {
            let loaded = self.platform.catalog.current().await?;
            let is_there = loaded.catalog.campaigns.get(&campaign).is_some_and(Head::is_there);
            if !is_there {
                let known = loaded.catalog.campaigns.iter().filter(|(_, head)| head.is_there());
                let remedy = remedy(&self.named, known.map(|(id, _)| id.as_str()));
                let detail = format!("there is no campaign `{}`; {remedy}", self.named);
                return Err(Problem::not_found(detail));
            }
        }
        let subject = self.subject(&campaign).await?;
        let call = self.once.identity(&self.platform.store).await?;
        let event = Event::ByHand { command, by: self.holder.author(), call };
        let outcome = self.platform.decisions.apply_event(&subject, &campaign, &event).await?;
        self.answer(&subject, campaign, outcome).await
    }

    /// The contact, or the one of its objects that is meant.
    async fn subject(&self, campaign: &CampaignId) -> Result<ContactId, Problem> {
        let Platform { catalog, objects, .. } = &self.platform;
        let loaded = catalog.current().await?;
        let object = self.object.as_deref();
        subject_of(&loaded.catalog, objects, &self.contact, (object, false), campaign).await
    }

    fn campaign(&self) -> Result<CampaignId, Problem> {
        CampaignId::new(self.named.as_str()).map_err(|_| self.never_in())
    }

    fn never_in(&self) -> Problem {
        Problem::not_found(format!("the contact has never been in a campaign `{}`", self.named))
    }

    /// The enrollment as it is then; or why nothing was done.
    async fn answer(
        &self,
        subject: &ContactId,
        campaign: CampaignId,
        outcome: EventOutcome,
    ) -> Result<Answer, Problem> {
        let why = match outcome {
            EventOutcome::Ignored(Ignored::NeverEnrolled) => return Err(self.never_in()),
            EventOutcome::Ignored(Ignored::NotPublished) => {
                "the campaign is not published; publish it first".to_owned()
            }
            EventOutcome::Ignored(Ignored::Quarantined) => {
                "a change of the contact waits in quarantine; release the contact first".to_owned()
            }
            EventOutcome::Ignored(Ignored::NotHeld) => {
                "the contact is not held in this campaign".to_owned()
            }
            EventOutcome::Undecidable(why) => format!("it cannot be decided: {why}"),
            EventOutcome::Ignored(Ignored::NotStarted(why)) => {
                let remedy = match why {
                    NotStarted::Stopped | NotStarted::Used => "; reset the contact first",
                    NotStarted::Held => "; release the contact first",
                    NotStarted::NoStart => "",
                };
                format!("not started: {}{remedy}", why.words())
            }
            EventOutcome::Committed(_) | EventOutcome::Deliver(_) | EventOutcome::Ignored(_) => {
                let Platform { catalog, decisions, objects, .. } = &self.platform;
                let stored = decisions.enrollment(subject, &campaign).await?;
                let stored = stored.ok_or_else(|| self.never_in())?;
                let loaded = catalog.current().await?;
                let names = ObjectNames::of(&loaded.catalog, objects, &self.contact).await?;
                let object = names.name(subject);
                return Answer::ok(&EnrollmentShape::of(
                    &loaded.catalog,
                    campaign,
                    object,
                    &stored.enrollment,
                ));
            }
        };
        Err(Problem::conflict(why))
    }
}
