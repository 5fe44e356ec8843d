//! A test mail leaves: claimed in its record and sent once, as a message is (R30), at the pace of
//! transactional mail. Nothing follows from it in any campaign.

use dacapo_engine::campaign::format::Purpose;
use dacapo_engine::statistics::Outcome;

use super::Done;
use super::delivery::{Attempt, MessageDelivery, NOT_HEARD_OF};
use crate::channels::MessageChannel as _;
use crate::error::Error;
use crate::messages::{MessageRecord, MessageStatus};
use crate::ports::SendError;
use crate::rate_limited_log::without_addresses;
use crate::table::Key;

impl MessageDelivery {
    /// Sends a test mail, unless its record says that it is over, or that another worker has
    /// claimed it. One that has expired or was erased is over, too.
    ///
    /// # Errors
    ///
    /// What the table answers.
    pub(crate) async fn deliver_test(&self, id: &str) -> Result<Done, Error> {
        let (key, now) = (self.store.keys.test_mail(id), self.store.now());
        let Some(before) = self.messages.get(&key).await? else { return Ok(Done::Yes) };
        match (before.status, before.lease) {
            (MessageStatus::Settled(_), _) => return Ok(Done::Yes),
            (MessageStatus::Claimed | MessageStatus::Released, Some(until)) if now < until => {
                return Ok(Done::NotBefore(until));
            }
            (MessageStatus::Claimed, _) => {
                let reason = Some(NOT_HEARD_OF.to_owned());
                self.settle(&key, &before, Outcome::Unknown, reason).await?;
                return Ok(Done::Yes);
            }
            (MessageStatus::Released, _) => {}
        }
        Ok(match self.attempt_test(id, &key, &before).await? {
            Attempt::Settled(Outcome::Sent, _) => Done::Yes,
            Attempt::Settled(outcome, reason) => {
                let (outcome, reason) = (outcome.word(), reason.unwrap_or_default());
                let reason = without_addresses(&reason);
                tracing::warn!(test = id, campaign = %before.campaign, outcome, reason, "a test mail did not leave");
                Done::Yes
            }
            Attempt::NotBefore(at) => Done::NotBefore(at),
            Attempt::Lost => Done::Soon,
        })
    }

    async fn attempt_test(
        &self,
        id: &str,
        key: &Key,
        before: &MessageRecord,
    ) -> Result<Attempt, Error> {
        let mut record = MessageRecord {
            status: MessageStatus::Claimed,
            attempt: before.attempt + 1,
            reason: None,
            lease: None,
            at: self.store.now(),
            ..before.clone()
        };
        if let Some((put_off, reason)) =
            self.channels.email.service().puts_off(Purpose::Transactional)
        {
            self.warn_of(&SendError::PutOff(put_off, reason.clone()));
            return self.put_off_untried(key, Some(before), record, put_off, reason).await;
        }
        // If the address has refused mail since the test was asked for, nothing is sent, as with
        // messages.
        let to = before.to.as_deref().unwrap_or_default();
        let purpose = before.test.as_ref().map_or(Purpose::Marketing, |test| test.email.purpose);
        if let Some(why) = self.contacts.refusal_of_mail(to, purpose).await? {
            record.status = MessageStatus::Settled(Outcome::Suppressed);
            record.reason = Some(why.to_owned());
            let record = record.without_test();
            return self.first_to_settle(key, Some(before), record, Vec::new()).await;
        }
        match self.channels.email.prepare_test(id, before).await {
            Ok(mail) => self.leave(key, Some(before), record, &*mail).await,
            Err(reason) => {
                record.status = MessageStatus::Settled(Outcome::Failed);
                record.reason = Some(reason);
                let record = record.without_test();
                self.first_to_settle(key, Some(before), record, Vec::new()).await
            }
        }
    }
}
