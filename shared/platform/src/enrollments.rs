//! Enrollments: stored, decided, committed.
//!
//! A decision is one conditional write of one item, which has the next state and all effects. After
//! a lost race it is made again on the state as it is then. What a campaign writes to the subject,
//! or to the contact of an object, is in the same transaction.

mod committing;
mod deferred_recording;
mod loading;
mod many;
mod stored;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;

use committing::Commit;
use dacapo_engine::campaign::Campaign;
use dacapo_engine::compact::CollectCompactly as _;
use dacapo_engine::contact::Contact;
use dacapo_engine::decide::{Decision, Delivery, Event, Ignored, Situation, decide};
use dacapo_engine::enrollment::{Enrollment, Status};
use dacapo_engine::ids::{CampaignId, ContactId, Tag};

use crate::Instant;
use crate::catalog::{CatalogStore, Loaded};
use crate::contacts::Contacts;
use crate::error::{Error, panic_words};
use crate::metrics::Metric;
use crate::store::{Store, TRIES};
pub(crate) use committing::instant_of;
pub(crate) use deferred_recording::{instant_of_deferred, resets_statistics};
use loading::Snapshot;
pub(crate) use many::ManyRequest;
pub use stored::{Deferred, SelfWrite, StoredEnrollment};
pub(crate) use stored::{State, read_state, read_stored};

/// The outcome of an event.
#[derive(Debug, Clone, PartialEq)]
pub enum EventOutcome {
    /// The next state was committed.
    Committed(Box<Next>),
    /// The message may leave.
    Deliver(Delivery),
    /// Nothing was to be done.
    Ignored(Ignored),
    /// It could not be decided, because of a defect in Dacapo.
    Undecidable(String),
}

/// What was committed.
#[derive(Debug, Clone, PartialEq)]
pub struct Next {
    /// The next state.
    pub enrollment: Enrollment,
    /// The tags that the campaign removed from the contact with it.
    pub withdrawn: Vec<Tag>,
}

/// The image of a contact in the change feed.
#[derive(Debug, Clone, Copy)]
pub struct Image<'a> {
    /// The `rev` before the write.
    pub before: u64,
    /// The contact after it.
    pub contact: &'a Contact,
}

/// The outcome of one try.
enum Attempt {
    Outcome(EventOutcome),
    Again,
    /// The request skips this contact.
    Outside,
}

/// A decision that is not committed yet.
enum Evaluation {
    Decided(Box<(Decision, DecisionContext)>),
    /// There was no decision.
    NoDecision(EventOutcome),
}

/// The state on which it was decided.
struct DecisionContext {
    campaign: Arc<Campaign>,
    /// The person, if the subject is an object.
    person: Option<Contact>,
    catalog: Arc<Loaded>,
    /// Since when the catalog may be out of date.
    as_of: Instant,
}

/// A request for a decision: an event in a campaign.
#[derive(Clone, Copy)]
struct DecisionRequest<'a> {
    campaign: &'a CampaignId,
    event: &'a Event,
    /// The image of the change feed that brought the event, if one did: the decision is made on the
    /// contact in this image.
    image: Option<Image<'a>>,
    /// A contact that was enrolled later is skipped.
    as_of: Option<Instant>,
    /// A contact without this tag is skipped.
    tag: Option<&'a Tag>,
    /// A contact that stands otherwise is skipped.
    standing: Option<Standing>,
}

/// How a contact has to stand in a campaign for a job. Who has been through the job stands as the
/// job left it, and is still one of those that were meant.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Standing {
    /// The status.
    pub(crate) status: Status,
    /// The job's sequence number.
    pub(crate) job: u64,
}

impl Standing {
    fn is_met(self, enrollment: &Enrollment) -> bool {
        enrollment.status == self.status || enrollment.job >= self.job
    }
}

impl<'a> DecisionRequest<'a> {
    /// An event for one contact as it is now.
    fn of(campaign: &'a CampaignId, event: &'a Event) -> Self {
        Self { campaign, event, image: None, as_of: None, tag: None, standing: None }
    }

    fn concerns(&self, contact: &Contact, state: Option<&State>) -> bool {
        let stands =
            |standing: Standing| state.is_some_and(|state| standing.is_met(&state.enrollment));
        self.tag.is_none_or(|tag| contact.tags.contains_key(tag))
            && self.standing.is_none_or(stands)
    }
}

/// The reply to a request about one contact.
pub(crate) struct Reply {
    /// The enrollment as it was.
    pub(crate) before: Option<Enrollment>,
    /// The outcome of the event; `None` if the contact was skipped.
    pub(crate) outcome: Result<Option<EventOutcome>, Error>,
}

/// Enrollments as they are stored, and the decisions that change them.
#[derive(Clone)]
pub struct Decisions {
    pub(crate) store: Arc<Store>,
    pub(crate) catalog: Arc<CatalogStore>,
    pub(crate) contacts: Arc<Contacts>,
}

impl Decisions {
    /// An enrollment, by a strong read.
    ///
    /// # Errors
    ///
    /// What the table answers.
    pub async fn enrollment(
        &self,
        contact: &ContactId,
        campaign: &CampaignId,
    ) -> Result<Option<StoredEnrollment>, Error> {
        let stored = self.store.get(&self.store.keys.enrollment(contact, campaign)).await?;
        stored.map(|item| read_stored(&item)).transpose()
    }

    /// All enrollments of a contact.
    ///
    /// # Errors
    ///
    /// What the table answers.
    pub async fn enrollments(
        &self,
        contact: &ContactId,
    ) -> Result<BTreeMap<CampaignId, Enrollment>, Error> {
        let states = self.states(contact).await?.into_iter();
        Ok(states.map(|(campaign, state)| (campaign, state.enrollment)).collect_compactly())
    }

    /// Decides an event for a contact's enrollment in a campaign and commits the decision.
    ///
    /// # Errors
    ///
    /// [`Error::Behind`] if older changes have to come from the feed first; what the table answers.
    pub async fn apply_event(
        &self,
        contact: &ContactId,
        campaign: &CampaignId,
        event: &Event,
    ) -> Result<EventOutcome, Error> {
        self.apply_event_to_image(contact, campaign, event, None, None).await
    }

    /// The same, for the change feed: it is decided on the image. `known` is the enrollment, or
    /// that there is none, if the caller has just read it strongly.
    pub(crate) async fn apply_event_to_image(
        &self,
        id: &ContactId,
        campaign: &CampaignId,
        event: &Event,
        image: Option<Image<'_>>,
        known: Option<Option<State>>,
    ) -> Result<EventOutcome, Error> {
        let request = DecisionRequest { image, ..DecisionRequest::of(campaign, event) };
        let read = known.map(|state| Snapshot { contact: None, state });
        let outcome = self.decide_until_committed(id, request, read).await.outcome?;
        // Only a request with `as_of`, `tag` or `standing` skips a contact.
        Ok(outcome.unwrap_or(EventOutcome::Ignored(Ignored::NothingConcerned)))
    }

    /// Decides on the present state, and again if another writer committed first. `read` is what
    /// has been read already, strongly.
    async fn decide_until_committed(
        &self,
        id: &ContactId,
        request: DecisionRequest<'_>,
        mut read: Option<Snapshot>,
    ) -> Reply {
        let mut before = None;
        for _ in 0..TRIES {
            let snapshot = match read.take() {
                Some(snapshot) => snapshot,
                None => match self.load(id, request).await {
                    Ok(snapshot) => snapshot,
                    Err(error) => return Reply { before, outcome: Err(error) },
                },
            };
            let Snapshot { contact, state } = snapshot;
            let contact = request.image.map(|image| image.contact).or(contact.as_ref());
            let attempt = match contact {
                None => Ok(Attempt::Outcome(EventOutcome::Ignored(Ignored::NeverEnrolled))),
                Some(contact) if !request.concerns(contact, state.as_ref()) => Ok(Attempt::Outside),
                Some(contact) => self.decide_and_commit(request, state.as_ref(), contact).await,
            };
            before = state.map(|state| state.enrollment);
            let outcome = match attempt {
                Ok(Attempt::Outcome(outcome)) => Ok(Some(outcome)),
                Ok(Attempt::Outside) => Ok(None),
                Ok(Attempt::Again) => continue,
                Err(error) => Err(error),
            };
            return Reply { before, outcome };
        }
        Reply { before, outcome: Err(Error::Contended(TRIES)) }
    }

    /// Tries once to decide a change of the feed on an enrollment that was not necessarily read
    /// strongly. `None` if another writer committed first.
    pub(crate) async fn apply_change_once(
        &self,
        campaign: &CampaignId,
        image: Image<'_>,
        eventual: Option<&State>,
    ) -> Result<Option<EventOutcome>, Error> {
        let request = DecisionRequest {
            image: Some(image),
            ..DecisionRequest::of(campaign, &Event::Changed)
        };
        Ok(match self.decide_and_commit(request, eventual, image.contact).await? {
            Attempt::Outcome(outcome) => Some(outcome),
            Attempt::Again | Attempt::Outside => None,
        })
    }

    /// Whether a message may leave now, and to which contact; nothing is committed. On any other
    /// outcome the caller reads the ledger and then asks again.
    pub(crate) async fn may_leave(
        &self,
        id: &ContactId,
        campaign: &CampaignId,
        event: &Event,
    ) -> Result<Option<(Delivery, Contact)>, Error> {
        let request = DecisionRequest::of(campaign, event);
        let Snapshot { contact: Some(contact), state } = self.load(id, request).await? else {
            return Ok(None);
        };
        let enrollment = state.as_ref().map(|state| &state.enrollment);
        match self.evaluate(request, enrollment, &contact).await? {
            Evaluation::Decided(decided) => Ok(match decided.0 {
                Decision::Deliver(delivery) => Some((delivery, contact)),
                Decision::Advance(_) | Decision::Seen(_) | Decision::Ignore(_) => None,
            }),
            Evaluation::NoDecision(_) => Ok(None),
        }
    }

    /// Decides; nothing is committed.
    async fn evaluate(
        &self,
        request: DecisionRequest<'_>,
        enrollment: Option<&Enrollment>,
        contact: &Contact,
    ) -> Result<Evaluation, Error> {
        let DecisionRequest { event, image, .. } = request;
        let id = &contact.id;
        let baseline = match (image.map(|image| image.before), enrollment) {
            (Some(before), Some(enrollment)) => before.max(enrollment.seen).min(contact.rev),
            (Some(before), None) => before,
            (None, Some(enrollment)) => enrollment.seen,
            // Changes that the contact still carries may not have been seen yet; those that it has
            // dropped cannot be seen any more.
            (None, None) => contact.recent.first().map_or(contact.rev, |first| first.rev - 1),
        };
        if let Some(enrollment) = enrollment
            && image.is_some()
            && enrollment.seen >= contact.rev
        {
            return Ok(Evaluation::NoDecision(EventOutcome::Ignored(Ignored::AlreadyApplied)));
        }
        let (context, others) = match self.load_around(id, request, enrollment, contact).await? {
            Ok(loaded) => loaded,
            Err(outcome) => return Ok(Evaluation::NoDecision(outcome)),
        };
        let statuses = |other: &CampaignId| others.get(other).copied();
        let situation = Situation {
            account: &context.catalog.account,
            campaign: &context.campaign,
            contact,
            person: context.person.as_ref(),
            baseline,
            enrollment,
            statuses: &statuses,
            is_image: image.is_some(),
            now: self.store.now(),
        };
        // A defect in Dacapo must not end the process: the event is kept, and the defect is
        // reported.
        match catch_unwind(AssertUnwindSafe(|| decide(&situation, event))) {
            Ok(decision) => Ok(Evaluation::Decided(Box::new((decision, context)))),
            Err(panic) => {
                Ok(Evaluation::NoDecision(EventOutcome::Undecidable(panic_words(panic.as_ref()))))
            }
        }
    }

    async fn decide_and_commit(
        &self,
        request: DecisionRequest<'_>,
        before: Option<&State>,
        contact: &Contact,
    ) -> Result<Attempt, Error> {
        let DecisionRequest { image, as_of, .. } = request;
        let enrollment = before.map(|before| &before.enrollment);
        let (decision, context) = match self.evaluate(request, enrollment, contact).await? {
            Evaluation::Decided(decided) => *decided,
            Evaluation::NoDecision(outcome) => {
                // It may have been committed by another worker that then stopped.
                if let Some(enrollment) = enrollment
                    && !enrollment.parked_entries.is_empty()
                {
                    let DecisionRequest { campaign, .. } = request;
                    self.follow_milestones(&contact.id, campaign, enrollment.milestones).await?;
                }
                return Ok(Attempt::Outcome(outcome));
            }
        };
        let (id, campaign) = (&contact.id, &context.campaign);
        match decision {
            Decision::Advance(advance) if is_later(&advance.enrollment, as_of) => {
                Ok(Attempt::Outside)
            }
            Decision::Advance(advance) => {
                let again = advance.ask_again;
                let ignored = advance.ignored;
                match self.commit(contact, &context, before, *advance).await? {
                    Commit::Lost => {
                        Metric::Conflicts.emit(1);
                        Ok(Attempt::Again)
                    }
                    Commit::Erased => {
                        Ok(Attempt::Outcome(EventOutcome::Ignored(Ignored::NeverEnrolled)))
                    }
                    Commit::Made(_) if again => Ok(Attempt::Again),
                    Commit::Made(committed) => {
                        let next = &committed.enrollment;
                        let timeline = &campaign.timeline;
                        let paused = timeline.standing().is_some_and(|standing| standing.paused);
                        // The pause may be over by now, and the job that went through the members
                        // may have passed this contact.
                        if next.is_behind(timeline.count()) || (paused && next.waits_for_resume()) {
                            self.follow_milestones(id, &campaign.id, next.milestones).await?;
                        }
                        Ok(Attempt::Outcome(match ignored {
                            Some(ignored) => EventOutcome::Ignored(ignored),
                            None => EventOutcome::Committed(committed),
                        }))
                    }
                }
            }
            Decision::Seen(next) => {
                if image.is_some_and(|image| has_dropped_unseen_changes(image.contact, enrollment))
                {
                    self.commit_seen(id, campaign, before, *next).await?;
                }
                Ok(Attempt::Outcome(EventOutcome::Ignored(Ignored::NothingConcerned)))
            }
            Decision::Deliver(delivery) => Ok(Attempt::Outcome(EventOutcome::Deliver(delivery))),
            Decision::Ignore(Ignored::Behind) => Err(Error::Behind),
            Decision::Ignore(Ignored::NoVersion) => {
                Ok(Attempt::Outcome(EventOutcome::Undecidable("the version is missing".to_owned())))
            }
            Decision::Ignore(ignored) => Ok(Attempt::Outcome(EventOutcome::Ignored(ignored))),
        }
    }

    /// If there are milestones after those that an enrollment knows, it is decided once more, on
    /// the contact as it is now: a contact that was enrolled while a job of a resume went through
    /// the members was not among them.
    fn follow_milestones<'a>(
        &'a self,
        id: &'a ContactId,
        campaign: &'a CampaignId,
        milestones: u32,
    ) -> Pin<Box<dyn Future<Output = Result<(), Error>> + Send + 'a>> {
        Box::pin(async move {
            let fresh = Self { catalog: Arc::new(self.catalog.unpinned()), ..self.clone() };
            let loaded = fresh.catalog.current().await?;
            let now = loaded.campaigns.get(campaign).map_or(0, |now| now.timeline.count());
            if now <= milestones {
                return Ok(());
            }
            match fresh.apply_event(id, campaign, &Event::Changed).await {
                // Newer changes are on their way in the feed, and the last of them will lead here
                // again.
                Ok(_) | Err(Error::Behind) => Ok(()),
                Err(error) => Err(error),
            }
        })
    }

    /// The campaign with the version that the enrollment's tokens are on.
    pub(crate) async fn with_version(
        &self,
        campaign: &Arc<Campaign>,
        enrollment: Option<&Enrollment>,
    ) -> Result<Arc<Campaign>, Error> {
        match enrollment {
            Some(enrollment) if !campaign.versions.contains_key(&enrollment.version) => {
                let mut with = Campaign::clone(campaign);
                let graph = self.catalog.version(&campaign.id, enrollment.version).await?;
                with.versions.insert(enrollment.version, graph);
                Ok(Arc::new(with))
            }
            Some(_) | None => Ok(Arc::clone(campaign)),
        }
    }

    /// The subject's statuses in other campaigns, if anything in the campaign asks for them: for
    /// an object, its own in campaigns about its type, and the person's in those about contacts.
    pub(crate) async fn statuses(
        &self,
        campaign: &Campaign,
        subject: &ContactId,
    ) -> Result<BTreeMap<CampaignId, Status>, Error> {
        if !campaign.versions.values().any(|graph| graph.asks_for_statuses()) {
            return Ok(BTreeMap::new());
        }
        let mut enrollments = self.enrollments(subject).await?;
        if subject.is_object() {
            enrollments.extend(self.enrollments(&subject.person()).await?);
        }
        Ok(enrollments.into_iter().map(|(id, it)| (id, it.status)).collect_compactly())
    }
}

/// Whether the contact was enrolled later than the request is about.
fn is_later(enrollment: &Enrollment, as_of: Option<Instant>) -> bool {
    as_of.is_some_and(|as_of| enrollment.created.is_some_and(|created| created > as_of))
}

/// Whether the contact has dropped changes that the enrollment has not noted as seen.
pub(crate) fn has_dropped_unseen_changes(
    contact: &Contact,
    enrollment: Option<&Enrollment>,
) -> bool {
    enrollment.is_some_and(|enrollment| contact.changes_after(enrollment.seen).is_none())
}
