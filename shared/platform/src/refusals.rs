//! What an address has refused that belongs to no contact any more: it unsubscribed, bounced or
//! complained before the contact was erased or took another address. If the address is posted
//! again, the new contact has the same refusal.
//!
//! Only the refusal is stored, under a hash of the address that is keyed with the account's secret:
//! one can look up an address, but read none. As soon as a contact has the address, the contact has
//! the refusal, and it is deleted here. So only a change of the contact that names it explicitly
//! lifts it.

use std::sync::Arc;

use dacapo_engine::address::folded;
use dacapo_engine::campaign::format::Purpose;
use dacapo_engine::contact::{Consent, Contact, Patch, Suppression};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::catalog::CatalogStore;
use crate::error::Error;
use crate::store::{Store, item, read};
use crate::table::{Body, Condition, Key, Write};
use crate::unsubscribe::derived;

/// What an address has refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Refusal {
    /// Marketing mail: its owner unsubscribed.
    #[serde(rename = "u", default, skip_serializing_if = "std::ops::Not::not")]
    unsubscribed: bool,
    /// All mail, and why.
    #[serde(rename = "s", default, skip_serializing_if = "Option::is_none")]
    suppressed: Option<Suppression>,
}

impl Refusal {
    /// What the contact refuses; `None` if it accepts mail.
    pub(crate) fn of(contact: &Contact) -> Option<Self> {
        Self::some(contact.consent == Consent::Unsubscribed, contact.suppressed)
    }

    /// What a contact refuses whose stored item cannot be read as a whole. Whoever may have
    /// unsubscribed counts as one who has.
    pub(crate) fn of_unreadable(body: &Body) -> Option<Self> {
        let body: Value = body.read().unwrap_or_default();
        let consent = Consent::deserialize(&body["c"]["consent"]);
        let suppressed = Suppression::deserialize(&body["c"]["suppressed"]).ok();
        let accepts = matches!(consent, Ok(Consent::Subscribed | Consent::None));
        Self::some(!accepts, suppressed)
    }

    /// What the old address of a contact that has taken another one refuses: the consent is the
    /// person's, as it is now; the suppression is that of the old address.
    pub(crate) fn left_behind(before: &Contact, after: &Contact) -> Option<Self> {
        Self::some(after.consent == Consent::Unsubscribed, before.suppressed)
    }

    /// Why an address gets no mail for this purpose, in words.
    pub(crate) fn of_mail(self, purpose: Purpose) -> Option<&'static str> {
        match (self.suppressed, purpose) {
            (Some(Suppression::Bounced), _) => Some("mail to this address has bounced"),
            (Some(Suppression::Complained), _) => {
                Some("whoever has this address has called mail from here spam")
            }
            (Some(Suppression::Manual), _) => Some("mail to this address was suppressed by hand"),
            (None, Purpose::Marketing) if self.unsubscribed => {
                Some("whoever has this address has unsubscribed from marketing mail")
            }
            (None, Purpose::Marketing | Purpose::Transactional) => None,
        }
    }

    fn some(unsubscribed: bool, suppressed: Option<Suppression>) -> Option<Self> {
        (unsubscribed || suppressed.is_some()).then_some(Self { unsubscribed, suppressed })
    }

    /// Gives the refusal to a contact that is about to be created.
    pub(crate) fn begins(self, contact: &mut Contact) {
        if self.unsubscribed {
            contact.consent = Consent::Unsubscribed;
        }
        contact.suppressed = self.suppressed;
    }

    /// The patch by which a contact takes the address, and with it the refusal; values that the
    /// patch sets explicitly win.
    pub(crate) fn joins(self, before: &Contact, patch: &Patch) -> Patch {
        let mut joined = patch.clone();
        let lifted = joined.resubscribe && joined.consent == Some(Consent::Subscribed);
        if self.unsubscribed && !lifted {
            joined.consent = Some(Consent::Unsubscribed);
        }
        if joined.suppressed.is_none() && before.suppressed.is_none() {
            joined.suppressed = self.suppressed.map(Some);
        }
        joined
    }
}

/// The refusals of addresses without a contact.
pub(crate) struct Refusals {
    pub(crate) store: Arc<Store>,
    pub(crate) catalog: Arc<CatalogStore>,
}

impl Refusals {
    /// The refusal of an address that belongs to no contact.
    pub(crate) async fn get(&self, address: &str, secret: &str) -> Result<Option<Refusal>, Error> {
        // Without a secret no refusal was ever stored.
        if secret.is_empty() {
            return Ok(None);
        }
        let stored = self.store.get(&self.key(address, secret)).await?;
        stored.map(|item| read(&item)).transpose()
    }

    /// The write that stores the refusal of an address.
    pub(crate) async fn remember(&self, address: &str, refusal: Refusal) -> Result<Write, Error> {
        let key = self.key(address, &self.catalog.secret().await?);
        Ok(Write::put(item(key, &refusal)?, Condition::Always))
    }

    /// The write that deletes it again, because a contact has it now.
    pub(crate) fn forget(&self, address: &str, secret: &str) -> Write {
        Write::delete(self.key(address, secret), Condition::Always)
    }

    /// Stores the report of the mail service that an address without a contact takes no mail.
    /// `false` if a contact has the address by now, or a refusal was stored meanwhile.
    pub(crate) async fn remember_suppressed(
        &self,
        address: &str,
        why: Suppression,
    ) -> Result<bool, Error> {
        let catalog = self.catalog.current().await?;
        if catalog.catalog.erased_by.is_some() {
            return Ok(true);
        }
        let before = self.get(address, &catalog.catalog.secret).await?;
        let said = before.and_then(|before| before.suppressed);
        let suppressed = match said {
            None | Some(Suppression::Bounced) => why,
            Some(stronger @ (Suppression::Complained | Suppression::Manual)) => stronger,
        };
        let unsubscribed = before.is_some_and(|before| before.unsubscribed);
        let refusal = Refusal { unsubscribed, suppressed: Some(suppressed) };
        if before == Some(refusal) {
            return Ok(true);
        }
        let key = self.key(address, &self.catalog.secret().await?);
        // A stored refusal only becomes stronger; if there is none, another writer may store one.
        let condition = if before.is_some() { Condition::Present } else { Condition::Absent };
        let writes = vec![
            Write::put(item(key, &refusal)?, condition),
            Write::check(self.store.keys.address(&folded(address)), Condition::Absent),
        ];
        self.store.write_if_first(writes).await
    }

    fn key(&self, address: &str, secret: &str) -> Key {
        self.store.keys.refusal(derived(secret, &["refusal", &folded(address)]))
    }
}
