//! Publishing with foresight: what publishing would do. Nothing is written.
//!
//! Everything that is read is bounded: [`MOST_PLAYED`] of those in flight, and of each the
//! [`HISTORY_READ`] newest pieces of its history, for no longer than [`PLAYED_FOR`]. The answer
//! says how many were looked at.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::TimeDelta;
use dacapo_authoring::difference::Difference;
use dacapo_authoring::foresight::{Compared, Recorded, SubjectInFlight, Unplayed, again, ahead};
use dacapo_authoring::simulate::Surroundings;
use dacapo_engine::campaign::Campaign;
use dacapo_engine::campaign::format::Document;
use dacapo_engine::campaign::graph::Graph;
use dacapo_engine::compact::CollectCompactly as _;
use dacapo_engine::contact::Contact;
use dacapo_engine::enrollment::Status;
use dacapo_engine::ids::{CampaignId, ContactId, ElementId};
use futures_util::StreamExt as _;

use super::calls::Finding;
use super::foreseen::{
    Foreseen, HowToPublish, InFlight, InFlightShape, PlayedShape, WaitingShape, Who, waiting,
};
use crate::Instant;
use crate::api::call::problem::Problem;
use crate::api::contacts::object_names::ObjectNames;
use crate::api::contacts::remembered::{Piece, remembered};
use crate::campaigns::{OnlyIf, Proposed, Statistics};
use crate::catalog::Loaded;
use crate::enrollments::StoredEnrollment;
use crate::error::Error;
use crate::platform::Platform;

/// How many of those in flight are played.
const MOST_PLAYED: usize = 200;

/// How long they are played: a call is answered within 30 seconds.
const PLAYED_FOR: TimeDelta = TimeDelta::seconds(10);

/// How many pieces of the history of each are read, of all campaigns: what one decision did is one.
const HISTORY_READ: usize = 300;

/// How many are read at once.
const READS_AT_ONCE: usize = 16;

/// What is read from.
pub(super) struct Foresight<'a>(pub(super) &'a Platform);

/// Somebody in flight, as it was read.
struct Subject {
    stored: StoredEnrollment,
    subject: Contact,
    person: Option<Contact>,
    campaign: Arc<Campaign>,
    statuses: BTreeMap<CampaignId, Status>,
    /// Newest first.
    history: Vec<Piece>,
    is_all: bool,
}

/// What is around everybody who is played.
struct Around {
    surroundings: Surroundings,
    /// The revision of the catalog.
    catalog: u64,
    /// What would be published.
    document: Document,
}

/// Plays somebody on, and their recorded run once more.
fn played(
    subject: Subject,
    around: &Around,
    now: Instant,
) -> (Result<Compared, Unplayed>, Result<Compared, Unplayed>) {
    let known = SubjectInFlight {
        surroundings: &around.surroundings,
        campaign: &subject.campaign,
        catalog: around.catalog,
        subject: &subject.subject,
        person: subject.person.as_ref(),
        enrollment: &subject.stored.enrollment,
        statuses: &subject.statuses,
        now,
    };
    let (mut records, mut traces) = (Vec::new(), Vec::new());
    for piece in subject.history.into_iter().rev() {
        match piece {
            Piece::Decided(of, record) => records.push((of, record)),
            Piece::Nothing(trace) => traces.push(trace),
        }
    }
    let recorded = Recorded { records: &records, traces: &traces, is_all: subject.is_all };
    (ahead(&known, &around.document), again(&known, &recorded, &around.document))
}

impl Foresight<'_> {
    /// What publishing the draft, or the text in the request, would do.
    pub(super) async fn foresee(
        &self,
        id: &CampaignId,
        how: &HowToPublish,
        only_if: &OnlyIf,
    ) -> Result<Foreseen, Problem> {
        let proposed = self.0.campaigns.proposed(id, how.source.as_deref(), only_if).await?;
        let statistics = self.0.campaigns.statistics(id).await?;
        let difference = match &proposed.published {
            Some(published) => Difference::between(&published.document, &proposed.document),
            None => Difference::default(),
        };
        let in_flight = InFlightShape {
            mode: how.in_flight,
            contacts: statistics.active,
            looked_at: 0,
            elsewhere: 0,
            ahead: PlayedShape::default(),
            again: PlayedShape::default(),
        };
        let mut foreseen = Foreseen::new(proposed.version, &difference, in_flight);
        if let Some(published) = &proposed.published {
            foreseen.published = Some(published.version);
            foreseen.waiting = waiting_now(&statistics, published, &proposed);
            self.play(id, &proposed, &mut foreseen.in_flight).await?;
        }
        foreseen.problems = proposed.findings.into_iter().map(Finding::from).collect();
        foreseen.text = foreseen.told(&difference);
        Ok(foreseen)
    }

    /// Plays some of those in flight.
    async fn play(
        &self,
        id: &CampaignId,
        proposed: &Proposed,
        told: &mut InFlightShape,
    ) -> Result<(), Problem> {
        let until = self.0.store.now() + PLAYED_FOR;
        let loaded = self.0.catalog.current().await?;
        let Some(campaign) = loaded.campaigns.get(id) else { return Ok(()) };
        let surroundings = Surroundings {
            account: loaded.account.clone(),
            fields: proposed.catalog.fields.clone(),
            objects: proposed.catalog.objects.clone(),
        };
        let around =
            Around { surroundings, catalog: loaded.rev, document: proposed.document.clone() };
        let around = Arc::new(around);
        let asking = asking(campaign, proposed);
        let ids = self.0.jobs.in_flight(id, MOST_PLAYED).await?;
        let reading = ids.iter().map(|subject| self.read(subject, campaign, &asking));
        let reading: Vec<_> = reading.collect();
        let mut reading = futures_util::stream::iter(reading).buffered(READS_AT_ONCE);
        while let Some(read) = reading.next().await {
            let Some(subject) = read? else { continue };
            let (subject_id, run) = (subject.subject.id.clone(), subject.stored.enrollment.run);
            let (now, around) = (self.0.store.now(), Arc::clone(&around));
            let played = self.0.blocking.run(move || played(subject, &around, now)).await?;
            let (ahead, again) = played;
            let names = self.names(&loaded, &subject_id).await?;
            let who = || Who {
                contact_id: subject_id.person().to_string(),
                object: names.name(&subject_id),
                run,
            };
            told.looked_at += 1;
            told.ahead.add(&ahead, who);
            told.again.add(&again, who);
            if self.0.store.now() >= until {
                break;
            }
        }
        if told.mode == InFlight::Migrate {
            told.elsewhere = told.ahead.elsewhere;
        }
        Ok(())
    }

    /// The names of objects, where the subject is one.
    async fn names(&self, loaded: &Loaded, subject: &ContactId) -> Result<ObjectNames, Error> {
        if !subject.is_object() {
            return Ok(ObjectNames::default());
        }
        ObjectNames::of(&loaded.catalog, &self.0.objects, &subject.person()).await
    }

    /// What is known of a subject; `None` if it is not in flight any more. The enrollment is read
    /// first: the contact shows at least the changes that it has seen.
    async fn read(
        &self,
        subject: &ContactId,
        campaign: &Arc<Campaign>,
        asking: &Campaign,
    ) -> Result<Option<Subject>, Error> {
        let stored = self.0.decisions.enrollment(subject, &campaign.id).await?;
        let Some(stored) = stored.filter(|stored| !stored.enrollment.tokens.is_empty()) else {
            return Ok(None);
        };
        let person = match subject.is_object() {
            true => self.0.contacts.get(&subject.person()).await?,
            false => None,
        };
        let Some(contact) = self.0.contacts.get(subject).await? else { return Ok(None) };
        let (history, is_all) =
            remembered(&self.0.store, subject, &campaign.id, Some(&stored), HISTORY_READ).await?;
        Ok(Some(Subject {
            campaign: self.0.decisions.with_version(campaign, Some(&stored.enrollment)).await?,
            statuses: self.0.decisions.statuses(asking, subject).await?,
            subject: contact,
            person,
            stored,
            history,
            is_all,
        }))
    }
}

/// The campaign with the new version, for what its conditions ask for.
fn asking(campaign: &Campaign, proposed: &Proposed) -> Campaign {
    let fields = proposed.catalog.field_types();
    let document = proposed.document.clone();
    let graph = Graph::new(proposed.version, document, &fields, &proposed.catalog.objects);
    let mut asking = campaign.clone();
    asking.versions.insert(proposed.version, Arc::new(graph));
    asking
}

/// How many wait where.
fn waiting_now(
    statistics: &Statistics,
    published: &Graph,
    proposed: &Proposed,
) -> Vec<WaitingShape> {
    let at = statistics.elements.iter().map(|(id, it)| (id.to_string(), it.at)).collect_compactly();
    let order = published.elements().map(|(_, id, _)| id.to_string());
    let kept = |id: &str| {
        let Ok(id) = ElementId::new(id) else { return false };
        let kind = std::mem::discriminant;
        let mut new = proposed.document.elements.iter().filter(|(known, _)| *known == id);
        let before = published.element(&id).map(|(_, element)| kind(element));
        new.next().is_some_and(|(_, new)| before.is_none_or(|before| before == kind(new)))
    };
    waiting(at, order, kept)
}
