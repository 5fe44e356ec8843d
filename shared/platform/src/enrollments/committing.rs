//! A decision is committed: one write, on condition that no other writer committed first, together
//! with what the campaign writes to the subject, and for an object to its person.

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};

use dacapo_engine::campaign::Campaign;
use dacapo_engine::contact::Contact;
use dacapo_engine::decide::{Advance, ContactWrite, Decision, Effect, Event, Situation, decide};
use dacapo_engine::enrollment::Enrollment;
use dacapo_engine::history::Record;
use dacapo_engine::ids::{CampaignId, ContactId, Tag};
use dacapo_engine::time::day_of;

use super::{DecisionContext, Decisions, Next, SelfWrite, State, StoredEnrollment};
use crate::error::Error;
use crate::store::{TRIES, is_own, item};
use crate::table::{Condition, Item, TableError, Write};
use crate::{Instant, metrics};

/// The outcome of a commit.
pub(super) enum Commit {
    Made(Box<Next>),
    /// Another writer committed first.
    Lost,
    /// The contact is gone.
    Erased,
}

impl Decisions {
    /// One write, on condition that no other writer committed first.
    pub(super) async fn commit(
        &self,
        judged: &Contact,
        context: &DecisionContext,
        before: Option<&State>,
        advance: Advance,
    ) -> Result<Commit, Error> {
        let (id, campaign) = (&judged.id, &context.campaign);
        let Advance { enrollment, writes, person_writes, effects, records, delta, .. } = advance;
        let at = instant_of(&records, &enrollment);
        let told = records.clone();
        let changes_status = effects.iter().any(|it| matches!(it, Effect::StatusChanged { .. }));
        let is_status_unread =
            changes_status && context.catalog.asking_for(&campaign.id).next().is_none();
        let stored = StoredEnrollment {
            effects,
            records,
            day: (!delta.of_a_day().is_empty()).then(|| day_of(at, context.catalog.account.zone)),
            delta,
            status_unread_as_of: is_status_unread.then_some(context.as_of),
            w: self.store.new_write_id(),
            ..StoredEnrollment::of(enrollment)
        };
        let deferred = before.and_then(|before| before.deferred.clone());
        let before = before.map(|before| &before.enrollment);
        let mut stored = stored.with_deferred(deferred).deferring(before);
        // Mostly the contact on which it was decided is the latest; otherwise another change has
        // come since.
        let mut latest = Cow::Borrowed(judged);
        let mut is_latest = false;
        // So with the person of an object.
        let mut person = context.person.as_ref().map(Cow::Borrowed);
        let mut is_latest_person = false;
        loop {
            let mut writes_contact = None;
            let mut withdrawn = Vec::new();
            stored.self_write = None;
            if !writes.is_empty() {
                match self.written(&latest, &writes) {
                    Some(written) => {
                        let is_taken = |tag: &&Tag| !written.tags.contains_key(*tag);
                        withdrawn = latest.tags.keys().filter(is_taken).cloned().collect();
                        stored.self_write = self.self_write(&latest, &written, context, &stored);
                        let condition = Condition::Rev(latest.rev);
                        writes_contact = Some(Write::put(self.contacts.item(&written)?, condition));
                    }
                    None if is_latest => {}
                    // Nothing is to be done: only the latest state can say that.
                    None => {
                        let Some(now) = self.contacts.get(id).await? else {
                            return Ok(Commit::Erased);
                        };
                        (latest, is_latest) = (Cow::Owned(now), true);
                        continue;
                    }
                }
            }
            let mut together = vec![self.enrollment_write(id, &campaign.id, before, &stored)?];
            let is_two = writes_contact.is_some();
            together.extend(writes_contact);
            let checks = before.is_none() && !is_two;
            let mut writes_person = None;
            if !person_writes.is_empty()
                && let Some(before) = &person
            {
                match self.written(before, &person_writes) {
                    Some(written) => {
                        let condition = Condition::Rev(before.rev);
                        writes_person = Some(Write::put(self.contacts.item(&written)?, condition));
                    }
                    None if is_latest_person => {}
                    None => {
                        let Some(now) = self.contacts.get(&id.person()).await? else {
                            return Ok(Commit::Erased);
                        };
                        (person, is_latest_person) = (Some(Cow::Owned(now)), true);
                        continue;
                    }
                }
            }
            if checks {
                // An erased contact is not enrolled again.
                together.push(Write::check(self.store.keys.contact(id), Condition::Present));
            }
            let place_of_person = writes_person.as_ref().map(|_| together.len());
            together.extend(writes_person);
            match self.store.write(together).await {
                Ok(()) => {}
                Err(TableError::Conflict { which: 0, current })
                    if is_own(current.as_deref(), &stored.w) => {}
                Err(TableError::Conflict { which: 1, current: None }) if checks => {
                    return Ok(Commit::Erased);
                }
                Err(TableError::Conflict { which: 1, .. }) if is_two && !is_latest => {
                    let Some(now) = self.contacts.get(id).await? else { return Ok(Commit::Erased) };
                    (latest, is_latest) = (Cow::Owned(now), true);
                    continue;
                }
                Err(TableError::Conflict { which, .. })
                    if Some(which) == place_of_person && !is_latest_person =>
                {
                    let Some(now) = self.contacts.get(&id.person()).await? else {
                        return Ok(Commit::Erased);
                    };
                    (person, is_latest_person) = (Some(Cow::Owned(now)), true);
                    continue;
                }
                Err(TableError::Conflict { .. } | TableError::Contended) => {
                    return Ok(Commit::Lost);
                }
                Err(error) => return Err(error.into()),
            }
            metrics::committed(&writes, &told);
            return Ok(Commit::Made(Box::new(Next { enrollment: stored.enrollment, withdrawn })));
        }
    }

    /// The contact with what a campaign writes to it; `None` if that changes nothing.
    fn written(&self, latest: &Contact, writes: &[ContactWrite]) -> Option<Contact> {
        let mut contact = latest.clone();
        let changes = ContactWrite::apply_all(writes, &mut contact, self.store.now());
        contact.made_knowing(latest.rev, self.catalog.known_revision());
        changes.then_some(contact)
    }

    /// Looks at what the campaign has just written as the feed will, if nothing has come in
    /// between. A change that concerns no campaign is noted, with the revision of the catalog as of
    /// which that is so; the enrollment has not seen it yet.
    fn self_write(
        &self,
        judged: &Contact,
        written: &Contact,
        DecisionContext { campaign, person, catalog, .. }: &DecisionContext,
        stored: &StoredEnrollment,
    ) -> Option<SelfWrite> {
        let enrollment = &stored.enrollment;
        let asks = campaign.versions.values().any(|graph| graph.asks_for_statuses());
        if asks || judged.rev != enrollment.seen {
            return None;
        }
        let situation = Situation {
            account: &catalog.account,
            campaign,
            contact: written,
            person: person.as_ref(),
            baseline: enrollment.seen,
            enrollment: Some(enrollment),
            statuses: &|_| None,
            is_image: true,
            now: self.store.now(),
        };
        let decided = catch_unwind(AssertUnwindSafe(|| decide(&situation, &Event::Changed)));
        match decided {
            Ok(Decision::Seen(_)) => Some(SelfWrite { rev: written.rev, catalog: catalog.rev }),
            // In every other case the feed will bring the change.
            Ok(Decision::Advance(_) | Decision::Deliver(_) | Decision::Ignore(_)) | Err(_) => None,
        }
    }

    /// Notes which changes have been seen, before the contact drops them; a lost race is no error.
    pub(super) async fn commit_seen(
        &self,
        id: &ContactId,
        campaign: &Campaign,
        before: Option<&State>,
        next: Enrollment,
    ) -> Result<(), Error> {
        // No effect is to be performed: the stamp matches no image.
        let w = self.store.new_write_id();
        let deferred = before.and_then(|before| before.deferred.clone());
        let before = before.map(|before| &before.enrollment);
        let stored = StoredEnrollment { stamp: 0, w, deferred, ..StoredEnrollment::of(next) };
        let write = self.enrollment_write(id, &campaign.id, before, &stored)?;
        self.store.write_if_first(vec![write]).await.map(|_| ())
    }

    /// The write of an enrollment, on condition that no other writer committed first.
    pub(crate) fn enrollment_write(
        &self,
        id: &ContactId,
        campaign: &CampaignId,
        before: Option<&Enrollment>,
        next: &StoredEnrollment,
    ) -> Result<Write, Error> {
        let condition = before.map_or(Condition::Absent, |before| Condition::Rev(before.rev));
        let stored: Item = item(self.store.keys.enrollment(id, campaign), next)?
            .rev(next.enrollment.rev)
            .index(self.store.keys.member_listed(campaign, id));
        Ok(Write::put(stored, condition))
    }

    /// Writes an enrollment's next state; `None` leaves it as it is.
    pub(crate) async fn rewrite(
        &self,
        id: &ContactId,
        campaign: &CampaignId,
        next: impl Fn(Option<&StoredEnrollment>) -> Option<StoredEnrollment>,
    ) -> Result<(), Error> {
        for _ in 0..TRIES {
            let before = self.enrollment(id, campaign).await?;
            let Some(mut stored) = next(before.as_ref()) else { return Ok(()) };
            stored.w = self.store.new_write_id();
            let state = before.as_ref().map(|before| &before.enrollment);
            let write = self.enrollment_write(id, campaign, state, &stored)?;
            let check = Write::check(self.store.keys.contact(id), Condition::Present);
            match self.store.write(vec![write, check]).await {
                // An erased contact has no enrollments.
                Ok(()) | Err(TableError::Conflict { which: 1, .. }) => return Ok(()),
                Err(TableError::Conflict { .. } | TableError::Contended) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::Contended(TRIES))
    }
}

/// The instant under which a decision is in the history: always the same for one decision.
pub(crate) fn instant_of(records: &[Record], enrollment: &Enrollment) -> Instant {
    let first = records.first().map(|record| record.at);
    first.or(enrollment.created).unwrap_or(Instant::UNIX_EPOCH)
}
