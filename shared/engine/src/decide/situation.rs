//! What a decision is made from: the account, the campaign, the subject with its person and the
//! enrollment as they were read, the statuses in other campaigns, up to where changes have been
//! applied (the baseline), and the instant. The caller of `decide` gathers it; nothing else is
//! read.

use crate::account::Account;
use crate::campaign::Campaign;
use crate::contact::Contact;
use crate::enrollment::{Enrollment, Status};
use crate::ids::CampaignId;
use crate::time::Instant;

/// Everything that a decision depends on.
#[derive(Clone, Copy)]
pub struct Situation<'a> {
    /// The account.
    pub account: &'a Account,
    /// The campaign, with the versions it needs.
    pub campaign: &'a Campaign,
    /// The subject as it was read: a contact, or an object of one (R71).
    pub contact: &'a Contact,
    /// The person as it was read, if the subject is an object (R72).
    pub person: Option<&'a Contact>,
    /// The contact's `rev` up to which changes have been applied, or are known not to matter: the
    /// enrollment's `seen`, or for the change feed the `rev` before the image.
    pub baseline: u64,
    /// The enrollment, if there is one.
    pub enrollment: Option<&'a Enrollment>,
    /// The contact's status in other campaigns.
    pub statuses: &'a (dyn Fn(&CampaignId) -> Option<Status> + Sync),
    /// Whether the contact is an image of the change feed: it may have been changed since. So the
    /// campaign's milestones after its last change are deferred to a decision on the latest
    /// contact.
    pub is_image: bool,
    /// The instant of deciding.
    pub now: Instant,
}
