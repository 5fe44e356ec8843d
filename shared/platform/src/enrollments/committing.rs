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
use crate::contacts::Contacts;
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

/// What a campaign writes to: the subject, or the person whose object it is.
struct Target<'a> {
    /// Mostly the one on which it was decided is the latest; otherwise another change has come
    /// since.
    contact: Cow<'a, Contact>,
    is_latest: bool,
    writes: &'a [ContactWrite],
}

impl Target<'_> {
    /// Reads the latest state; `false` if it is gone.
    async fn read_latest(&mut self, contacts: &Contacts) -> Result<bool, Error> {
        let Some(latest) = contacts.get(&self.contact.id).await? else { return Ok(false) };
        (self.contact, self.is_latest) = (Cow::Owned(latest), true);
        Ok(true)
    }
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
        let lines = records.clone();
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
        let asked = [(Some(judged), &writes), (context.person.as_ref(), &person_writes)];
        let mut targets: Vec<Target<'_>> = asked
            .into_iter()
            .filter(|(_, writes)| !writes.is_empty())
            .filter_map(|(contact, writes)| {
                Some(Target { contact: Cow::Borrowed(contact?), is_latest: false, writes })
            })
            .collect();
        'again: loop {
            let (mut written, mut withdrawn) = (Vec::new(), Vec::new());
            stored.self_write = None;
            for target in &mut targets {
                match self.written(target) {
                    Some(contact) => written.push((target, contact)),
                    None if target.is_latest => {}
                    // Nothing is to be done: only the latest state can say that.
                    None if target.read_latest(&self.contacts).await? => continue 'again,
                    None => return Ok(Commit::Erased),
                }
            }
            let subject = written.first().filter(|(_, contact)| contact.id == *id);
            if let Some((target, contact)) = subject {
                let is_taken = |tag: &&Tag| !contact.tags.contains_key(*tag);
                withdrawn = target.contact.tags.keys().filter(is_taken).cloned().collect();
                stored.self_write = self.self_write(&target.contact, contact, context, &stored);
            }
            let checks_subject_exists = before.is_none() && subject.is_none();
            let mut together = vec![self.enrollment_write(id, &campaign.id, before, &stored)?];
            if checks_subject_exists {
                // An erased contact is not enrolled again.
                together.push(Write::check(self.store.keys.contact(id), Condition::Present));
            }
            let before_targets = together.len();
            for (target, contact) in &written {
                let condition = Condition::Rev(target.contact.rev);
                together.push(Write::put(self.contacts.item(contact)?, condition));
            }
            match self.store.write(together).await {
                Ok(()) => {}
                Err(TableError::Conflict { which: 0, current })
                    if is_own(current.as_deref(), &stored.w) => {}
                Err(TableError::Conflict { which: 1, current: None }) if checks_subject_exists => {
                    return Ok(Commit::Erased);
                }
                Err(TableError::Conflict { which, .. }) => {
                    let place = which.checked_sub(before_targets);
                    match place.and_then(|place| written.get_mut(place)) {
                        Some((target, _)) if !target.is_latest => {
                            if !target.read_latest(&self.contacts).await? {
                                return Ok(Commit::Erased);
                            }
                        }
                        Some(_) | None => return Ok(Commit::Lost),
                    }
                    continue;
                }
                Err(TableError::Contended) => return Ok(Commit::Lost),
                Err(error) => return Err(error.into()),
            }
            metrics::committed(writes.iter().chain(&person_writes), &lines);
            return Ok(Commit::Made(Box::new(Next { enrollment: stored.enrollment, withdrawn })));
        }
    }

    /// The target with what the campaign writes to it; `None` if that changes nothing.
    fn written(&self, target: &Target<'_>) -> Option<Contact> {
        let mut contact = target.contact.clone().into_owned();
        let changes = ContactWrite::apply_all(target.writes, &mut contact, self.store.now());
        contact.note_known_catalog(target.contact.rev, self.catalog.known_revision());
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

    /// Notes which changes have been seen, once the contact has dropped some that were not noted; a
    /// lost race is no error.
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
