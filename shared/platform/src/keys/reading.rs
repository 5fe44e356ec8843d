//! Keys are read: what an item is, whom it is about, and whether the change feed carries it.

use chrono::NaiveDate;
use dacapo_engine::ids::{CampaignId, ContactId};

use super::{CONTACT, ENROLLMENT, ERASED, Keys, NO_CAMPAIGN, OBJECT, OBJECT_ENROLLMENT, OF_OBJECT};
use crate::table::Key;

/// Whether an item of the history is about a change without effect.
pub fn is_trace(key: &Key) -> bool {
    let mut parts = key.sk.strip_prefix(Keys::HISTORY).unwrap_or_default().split('#');
    let campaign = parts.nth(1).unwrap_or_default();
    campaign.split(OF_OBJECT).next() == Some(NO_CAMPAIGN)
}

/// Whether the change feed carries the item: contacts, objects and enrollments, and nothing else.
pub fn is_fed(key: &Key) -> bool {
    key.sk == CONTACT
        || [ENROLLMENT, OBJECT, OBJECT_ENROLLMENT].iter().any(|prefix| key.sk.starts_with(prefix))
}

/// The kind of item that a key belongs to, in words.
pub fn kind(key: &Key) -> &'static str {
    let in_contact = key.pk.contains("#C#");
    match key.sk.as_str() {
        CONTACT => "contact",
        "ADDRESS" => "address",
        "CATALOG" => "catalog",
        "DRAFT" => "draft",
        ERASED => "tombstone",
        "OBJECT" => "object key",
        sk if sk.starts_with("FREED#") => "object key",
        "JOB" => "job",
        sk if key.pk.contains("#J#") && sk.contains('#') => "job",
        sk if sk == "S" || sk.starts_with(Keys::DAYS) => "statistics",
        "KEY" if key.pk.starts_with("K#") => "API key",
        "KEY" => "idempotency",
        "URL" => "URL of a connection",
        sk if key.pk.ends_with("#IN") && sk.starts_with(Keys::RECEIVED) => "connection",
        _ if key.pk.contains("#IN#") || key.pk.contains("#IN@#") => "received call",
        sk if in_contact && sk.starts_with(Keys::RECEIVED) => "received call",
        sk if in_contact && sk.starts_with(Keys::BOOKINGS) => "booking",
        sk if in_contact && sk.starts_with(ENROLLMENT) => "enrollment",
        sk if in_contact && sk.starts_with(OBJECT_ENROLLMENT) => "enrollment",
        sk if in_contact && sk.starts_with(OBJECT) => "object",
        sk if in_contact && sk.starts_with(ERASED) => "tombstone",
        sk if in_contact && sk.starts_with(Keys::MESSAGES) => "message",
        sk if in_contact && sk.starts_with(Keys::CALLS) => "call",
        sk if in_contact && sk.starts_with(Keys::HISTORY) => "history",
        sk if in_contact && sk.starts_with('Q') => "undecided",
        sk if sk.starts_with("V#") => "version",
        _ if key.pk.contains("#NO#") => "refusal",
        _ if key.pk.ends_with("#TAGS") => "tag",
        _ if key.pk.contains("#T#") => "tag member",
        _ if key.pk.ends_with("#OUT") => "captured mail",
        _ if key.pk.ends_with("#TEST") => "test mail",
        _ if key.pk.ends_with("#ASIDE") => "dead letter",
        _ => "other",
    }
}

/// The enrollment's revision in a key of the history; none for its later parts, and for history of
/// no enrollment.
pub fn revision_of_history(key: &Key) -> Option<u64> {
    if is_trace(key) {
        return None;
    }
    key.sk.rsplit_once('#')?.1.parse().ok()
}

/// The day in a key of the statistics; none for what is counted on no day.
pub fn day_of_statistics(key: &Key) -> Option<NaiveDate> {
    key.sk.strip_prefix(Keys::DAYS)?.parse().ok()
}

/// The contact whose partition a key belongs to: the person, if it is about an object.
pub fn contact_in(key: &Key) -> Option<ContactId> {
    let (_, contact) = key.pk.rsplit_once("#C#")?;
    ContactId::new(contact).ok()
}

/// The subject that a key in a contact's partition is about: the contact, or one of its objects.
pub fn subject_in(key: &Key) -> Option<ContactId> {
    let person = contact_in(key)?;
    let sk = key.sk.as_str();
    let object = match sk.split_once('#') {
        Some(("O" | "ERASED", object)) => Some(object),
        Some(("EO", rest)) => Some(rest.split_once('#')?.0),
        Some(_) => {
            // The campaign is the only part that may hold the sign.
            let campaign = sk.split('#').find(|part| part.contains(OF_OBJECT));
            campaign.and_then(|campaign| campaign.split_once(OF_OBJECT)).map(|(_, object)| object)
        }
        None => None,
    };
    match object {
        Some(object) => ContactId::new(format!("{person}.{object}")).ok(),
        None => Some(person),
    }
}

/// The subject and, for an enrollment, the campaign that a key of the feed belongs to. `None` for
/// what the feed does not carry.
pub fn fed(key: &Key) -> Option<(ContactId, Option<CampaignId>)> {
    if !is_fed(key) {
        return None;
    }
    let subject = subject_in(key)?;
    let campaign = match (key.sk.strip_prefix(ENROLLMENT), &*key.sk) {
        (Some(campaign), _) => Some(campaign),
        (None, sk) => sk
            .strip_prefix(OBJECT_ENROLLMENT)
            .map(|rest| rest.split_once('#').map_or("", |(_, campaign)| campaign)),
    };
    match campaign {
        Some(campaign) => Some((subject, Some(CampaignId::new(campaign).ok()?))),
        None => Some((subject, None)),
    }
}
