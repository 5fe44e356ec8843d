//! The same event for many contacts: read together, decided each for itself, committed side by
//! side.

use dacapo_engine::decide::Event;
use dacapo_engine::ids::{CampaignId, ContactId, Tag};
use futures_util::StreamExt as _;

use super::{DecisionRequest, Decisions, Reply, Standing};
use crate::Instant;
use crate::error::Error;

/// How many contacts are decided at once.
const CONTACTS_AT_ONCE: usize = 64;

/// A request about many contacts.
pub(crate) struct ManyRequest<'a> {
    /// The campaign.
    pub(crate) campaign: &'a CampaignId,
    /// The event.
    pub(crate) event: &'a Event,
    /// A contact that was enrolled later is skipped.
    pub(crate) as_of: Option<Instant>,
    /// A contact without this tag is skipped.
    pub(crate) tag: Option<&'a Tag>,
    /// A contact that stands otherwise is skipped.
    pub(crate) standing: Option<Standing>,
}

impl Decisions {
    /// Decides an event for each of these contacts. The replies are in the order of the contacts.
    ///
    /// # Errors
    ///
    /// What the table answers when they are read; an error of one contact is in its reply.
    pub(crate) async fn apply_event_to_many(
        &self,
        asked: &ManyRequest<'_>,
        contacts: &[ContactId],
    ) -> Result<Vec<Reply>, Error> {
        let request = DecisionRequest {
            as_of: asked.as_of,
            tag: asked.tag,
            standing: asked.standing,
            ..DecisionRequest::of(asked.campaign, asked.event)
        };
        let snapshots = self.load_many(contacts, asked.campaign).await?;
        let replies = contacts.iter().zip(snapshots).map(|(id, read)| async move {
            match read {
                Ok(read) => self.decide_until_committed(id, request, read).await,
                Err(error) => Reply { before: None, outcome: Err(error) },
            }
        });
        let replies: Vec<_> = replies.collect();
        Ok(futures_util::stream::iter(replies).buffered(CONTACTS_AT_ONCE).collect().await)
    }
}
