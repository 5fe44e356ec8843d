//! The same event for many contacts: read together, decided each for itself, committed side by
//! side.

use dacapo_engine::decide::{Event, Ignored};
use dacapo_engine::enrollment::Enrollment;
use dacapo_engine::ids::{CampaignId, ContactId, Tag};
use futures_util::StreamExt as _;

use super::{Attempt, DecisionRequest, Decisions, EventOutcome, State, read_state};
use crate::Instant;
use crate::contacts::read_contact;
use crate::error::Error;
use crate::store::TRIES;
use crate::table::{Consistency, Item};

/// How many contacts are decided at once.
const AT_ONCE: usize = 64;

/// What is asked of many contacts.
pub(crate) struct Asked<'a> {
    /// In which campaign.
    pub(crate) campaign: &'a CampaignId,
    /// What happens.
    pub(crate) event: &'a Event,
    /// Who was enrolled later is left alone.
    pub(crate) as_of: Option<Instant>,
    /// Who has not this tag is left alone.
    pub(crate) tag: Option<&'a Tag>,
}

/// What came of it for one of them.
pub(crate) struct Reply {
    /// The enrollment as it was.
    pub(crate) before: Option<Enrollment>,
    /// What came of the event; nothing if the contact was left alone.
    pub(crate) outcome: Result<Option<EventOutcome>, Error>,
}

impl Decisions {
    /// Decides an event for each of these contacts, whose replies come in their order.
    ///
    /// # Errors
    ///
    /// What the table answers when they are read; what is wrong with one of them is in its reply.
    pub(crate) async fn apply_event_to_many(
        &self,
        asked: &Asked<'_>,
        contacts: &[ContactId],
    ) -> Result<Vec<Reply>, Error> {
        let keys = contacts.iter().map(|contact| self.store.keys.contact(contact));
        let enrolled =
            contacts.iter().map(|contact| self.store.keys.enrollment(contact, asked.campaign));
        let keys: Vec<_> = keys.chain(enrolled).collect();
        let mut stored = self.store.table.get_many(&keys, Consistency::Strong).await?;
        let enrollments = stored.split_off(contacts.len());
        let each = contacts.iter().zip(stored.into_iter().zip(enrollments));
        let replies: Vec<_> = each.map(|(id, read)| self.reply(asked, id, read)).collect();
        Ok(futures_util::stream::iter(replies).buffered(AT_ONCE).collect().await)
    }

    async fn reply(
        &self,
        asked: &Asked<'_>,
        id: &ContactId,
        stored: (Option<Item>, Option<Item>),
    ) -> Reply {
        let mut before = None;
        let outcome = self.ask(asked, id, stored, &mut before).await;
        Reply { before: before.map(|state| state.enrollment), outcome }
    }

    async fn ask(
        &self,
        asked: &Asked<'_>,
        id: &ContactId,
        mut stored: (Option<Item>, Option<Item>),
        before: &mut Option<State>,
    ) -> Result<Option<EventOutcome>, Error> {
        for _ in 0..TRIES {
            let (contact, state) = stored;
            let Some(contact) = contact.as_ref().map(read_contact).transpose()? else {
                return Ok(Some(EventOutcome::Ignored(Ignored::NeverEnrolled)));
            };
            if !asked.tag.is_none_or(|tag| contact.tags.contains_key(tag)) {
                return Ok(None);
            }
            let state = state.as_ref().map(read_state).transpose()?;
            if state.as_ref().is_some_and(|state| contact.rev < state.knows()) {
                // Both were written in between.
                stored = self.read_again(asked, id).await?;
                continue;
            }
            *before = state;
            let request = DecisionRequest {
                campaign: asked.campaign,
                event: asked.event,
                image: None,
                as_of: asked.as_of,
            };
            match self.decide_and_commit(request, before.as_ref(), &contact).await? {
                Attempt::Outcome(outcome) => return Ok(Some(outcome)),
                Attempt::Outside => return Ok(None),
                Attempt::Again => stored = self.read_again(asked, id).await?,
            }
        }
        Err(Error::Contended(TRIES))
    }

    /// Somebody was faster.
    async fn read_again(
        &self,
        asked: &Asked<'_>,
        id: &ContactId,
    ) -> Result<(Option<Item>, Option<Item>), Error> {
        let contact = self.store.get(&self.store.keys.contact(id)).await?;
        Ok((contact, self.store.get(&self.store.keys.enrollment(id, asked.campaign)).await?))
    }
}
