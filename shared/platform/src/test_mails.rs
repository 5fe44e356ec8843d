//! Test mails: an e-mail of a campaign, sent to somebody who wants to see it before contacts get
//! it.
//!
//! A test mail goes the way of all mail, through a queue and at its pace. Its record has the form
//! of the ledger's, but is kept elsewhere and has no run: no statistics, history, ledger or guard
//! knows of it. Once it has left, its record says no more than that, and expires after a week.
//!
//! So that nobody is mailed by it who did not ask for it, there are bounds (`docs/decisions/0059`):
//! an account sends so many a day, and an address gets none that it has refused.

use std::sync::Arc;

use chrono::{NaiveDate, TimeDelta};
use dacapo_engine::campaign::channel::Channel;
use dacapo_engine::campaign::format::{Email, Purpose, Sender};
use dacapo_engine::decide::Delivery;
use dacapo_engine::ids::{CampaignId, ContactId, ElementId};
use dacapo_engine::template::MergeValues;
use dacapo_engine::time::{beginning_of_day, day_of};
use serde::{Deserialize, Serialize};

use crate::Instant;
use crate::catalog::CatalogStore;
use crate::contacts::Contacts;
use crate::error::Error;
use crate::messages::{MessageLedger, MessageRecord, MessageStatus, TestContent};
use crate::orders::Orders;
use crate::ports::{Order, QueueMessage};
use crate::refusals::Refusal;
use crate::store::{Store, TRIES, item, read};
use crate::table::{Condition, Write};

/// What the subject of a test mail begins with.
pub const MARK: &str = "[Test]";

/// How many test mails an account sends on a calendar day.
pub const MOST_A_DAY: u32 = 50;

/// What stands in a record where a message has its element.
const NO_ELEMENT: &str = "test";

/// A test mail to be sent.
pub(crate) struct TestMail<'a> {
    /// The address that it goes to.
    pub(crate) to: &'a str,
    pub(crate) campaign: &'a CampaignId,
    /// The key of the e-mail.
    pub(crate) key: &'a str,
    pub(crate) email: &'a Email,
    /// Whom it comes from.
    pub(crate) sender: &'a Sender,
    /// What its templates read.
    pub(crate) values: MergeValues,
    /// The contact that it shows, if that is no invented one.
    pub(crate) contact: Option<ContactId>,
}

/// Why a test mail is not sent.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotSent {
    /// The address has refused it.
    #[error("{0}; send it to another address")]
    Refused(&'static str),
    /// As many were sent today as may be.
    #[error("an account sends at most {MOST_A_DAY} test mails a day")]
    TooMany {
        /// When the next one may be sent.
        again: Instant,
    },
    /// The account is being erased.
    #[error("the account is being erased; no mail is sent")]
    Erasing,
    /// The platform.
    #[error(transparent)]
    Failed(#[from] Error),
}

/// How many were sent on a day.
#[derive(Debug, Serialize, Deserialize)]
struct OfDay {
    day: NaiveDate,
    sent: u32,
}

/// Sends test mails.
pub(crate) struct TestMails {
    pub(crate) store: Arc<Store>,
    pub(crate) catalog: Arc<CatalogStore>,
    pub(crate) contacts: Arc<Contacts>,
    pub(crate) messages: Arc<MessageLedger>,
    pub(crate) orders: Arc<Orders>,
}

impl TestMails {
    /// Has a test mail sent, by its id; the same id again counts and sends it no second time.
    /// Answers how many more may be sent today.
    pub(crate) async fn order(&self, id: &str, mail: TestMail<'_>) -> Result<u32, NotSent> {
        let left = self.recorded(id, mail).await?;
        let message = QueueMessage::TestMail(id.to_owned());
        let order = Order::Send { queue: message.queue(), at: self.store.now(), message };
        self.orders.give(vec![order]).await?;
        Ok(left)
    }

    /// Writes the record, and counts it in the same transaction.
    async fn recorded(&self, id: &str, mail: TestMail<'_>) -> Result<u32, NotSent> {
        let loaded = self.catalog.current().await?;
        if loaded.catalog.erased_by.is_some() {
            return Err(NotSent::Erasing);
        }
        let key = self.store.keys.test_mail(id);
        let counter = self.store.keys.test_mails_of_day();
        let purpose = mail.email.purpose;
        let (to, campaign) = (mail.to.to_owned(), mail.campaign.clone());
        let mut record = None;
        for _ in 0..TRIES {
            let now = self.store.now();
            let day = day_of(now, loaded.account.zone);
            let stored = self.store.get(&counter).await.map_err(Error::from)?;
            let rev = stored.as_ref().and_then(|stored| stored.rev);
            let of_day: Option<OfDay> = stored.as_ref().map(read).transpose()?;
            let sent = of_day.filter(|of_day| of_day.day == day).map_or(0, |of_day| of_day.sent);
            if self.messages.get(&key).await?.is_some() {
                return Ok(MOST_A_DAY.saturating_sub(sent));
            }
            if let Some(why) = self.contacts.refusal_of_mail(&to, purpose).await? {
                return Err(NotSent::Refused(why));
            }
            if sent >= MOST_A_DAY {
                let next = day.succ_opt().unwrap_or(day);
                return Err(NotSent::TooMany {
                    again: beginning_of_day(next, loaded.account.zone),
                });
            }
            let record = match &mut record {
                Some(record) => record,
                none => none.insert(self.messages.follows(None, record_of(&mail, &campaign, now))),
            };
            let counted = item(counter.clone(), &OfDay { day, sent: sent + 1 })?
                .rev(rev.unwrap_or_default() + 1)
                .expires(now + TimeDelta::days(2));
            let writes = vec![
                Write::next(counted),
                Write::put(self.messages.item(key.clone(), record)?, Condition::Absent),
            ];
            if self.store.write_if_first(writes).await? {
                return Ok(MOST_A_DAY - sent - 1);
            }
        }
        Err(Error::Contended(TRIES).into())
    }
}

impl Contacts {
    /// Why an address gets no mail for this purpose, in words: what its contact has refused, or
    /// what was left behind if it has none.
    pub(crate) async fn refusal_of_mail(
        &self,
        address: &str,
        purpose: Purpose,
    ) -> Result<Option<&'static str>, Error> {
        let contact = match self.id_of(address).await? {
            Some(id) => self.get(&id).await?,
            None => None,
        };
        let refusal = match contact {
            Some(contact) => Refusal::of(&contact),
            None => {
                let secret = &self.catalog.loaded_eventual().await?.catalog.secret;
                self.refusals.get(address, secret).await?
            }
        };
        Ok(refusal.and_then(|refusal| refusal.of_mail(purpose)))
    }
}

fn record_of(mail: &TestMail<'_>, campaign: &CampaignId, at: Instant) -> MessageRecord {
    let element = ElementId::new(NO_ELEMENT);
    let delivery = Delivery {
        run: 0,
        step: 0,
        version: 0,
        element: element.unwrap_or_else(|_| unreachable!("it is an id")),
        channel: Channel::Email,
        content_key: mail.key.to_owned(),
    };
    let subject = format!("{MARK} {}", mail.email.subject);
    let content = TestContent {
        email: Email { subject, ..mail.email.clone() },
        sender: mail.sender.clone(),
        contact: mail.contact.clone(),
    };
    MessageRecord {
        to: Some(mail.to.to_owned()),
        values: Some(mail.values.clone()),
        test: Some(Box::new(content)),
        ..MessageRecord::of(campaign, &delivery, MessageStatus::Released, at)
    }
}
