//! The keys of all stored items. No other code writes keys; those of connections are in `received`,
//! those of test mails in `test_mails`.
//!
//! | item | PK | SK |
//! |---|---|---|
//! | contact | `A#a#C#c` | `CONTACT` |
//! | tombstone of an erased contact | `A#a#C#c` | `ERASED` |
//! | enrollment | `A#a#C#c` | `E#p` |
//! | object of the contact | `A#a#C#c` | `O#type.name` |
//! | enrollment of an object | `A#a#C#c` | `EO#type.name#p` |
//! | tombstone of a deleted object | `A#a#C#c` | `ERASED#type.name` |
//! | key of an object | `A#a#O#type#key` | `OBJECT` |
//! | message | `A#a#C#c` | `M#p#run#step` |
//! | webhook call | `A#a#C#c` | `W#p#run#step` |
//! | history of a decision | `A#a#C#c` | `H#instant#p#rev` |
//! | history of a webhook call | `A#a#C#c` | `H#instant#p#call.run.step` |
//! | history of a change without effect | `A#a#C#c` | `H#instant#~#rev` |
//! | undecided change | `A#a#C#c` | `Q#p#rev` |
//! | e-mail address | `A#a#@#address` | `ADDRESS` |
//! | refusal of an address without contact | `A#a#NO#shard` | the address, keyed and hashed |
//! | campaign | `A#a#P#p` | `DRAFT`, `V#0001` … |
//! | catalog | `A#a` | `CATALOG` |
//! | statistics | `A#a#P#p#S#shard` | `D#day`, of no day `S` |
//! | tag member | `A#a#T#tag#shard` | `c` |
//! | tags of the account | `A#a#TAGS` | the tag's hash |
//! | job | `A#a#J#job` | `JOB`, `LANE#shard`, `PAGE#pass#shard#campaign#page` |
//! | idempotency | `A#a#I#key` | `KEY` |
//! | captured mail | `A#a#OUT` | `instant#c#p#run#step` |
//! | test mail | `A#a#TEST` | `MAIL#id` |
//! | test mails of a day | `A#a#TEST` | `DAY` |
//! | dead letter | `A#a#ASIDE` | its id |
//! | API key | `K#sha256` | `KEY` |
//! | connection | `A#a#IN` | `IN#connection` |
//! | URL of a connection | `IN#sha256` | `URL` |
//! | received call | `A#a#IN#connection` | `CALL#id` |
//! | body of a received call | `A#a#IN#connection` | `BODY#id` |
//! | received calls of a day | `A#a#IN#connection` | `DAY#day` |
//! | received call of a contact | `A#a#C#c` | `IN#connection#id` |
//! | what was told of a booking without object | `A#a#C#c` | `TOLD#key` |
//! | received call that names an address | `A#a#IN@#`, address keyed and hashed | `connection#id` |
//!
//! Text from users is folded and hashed before it enters a key. Numbers are padded, so that keys
//! are sorted like them. The index lists contacts, objects, jobs and dead letters of an account,
//! and members of a campaign, and the received calls of a connection.
//!
//! Everything about an object is in the partition of the person whose it is. Where `p` stands in a
//! sort key above, it is `p@type.name` for an object: one query lists what is about a person and
//! about the objects. No campaign's id contains `@`.

mod reading;
mod received;
mod test_mails;

use chrono::NaiveDate;
use dacapo_engine::address::{folded, kept_before};
use dacapo_engine::hash::hexadecimal;
use dacapo_engine::ids::{AccountId, CampaignId, ContactId, ObjectType, Tag};
use dacapo_engine::time::Instant;
use sha2::{Digest, Sha256};

use crate::table::Key;

pub use reading::{
    contact_in, day_of_statistics, fed, is_fed, is_trace, kind, revision_of_history, subject_in,
};
pub use received::{connection_url, received_in};

/// The number of partitions over which lists and counters are spread.
pub const SHARDS: u32 = 8;

/// The sort key of a contact, by which the feed recognises contacts.
pub const CONTACT: &str = "CONTACT";

/// The prefix of the sort key of an object, by which the feed recognises objects.
pub const OBJECT: &str = "O#";

/// The prefix of the sort key of a contact's enrollment, by which the feed recognises enrollments.
pub const ENROLLMENT: &str = "E#";

/// The prefix of the sort key of an object's enrollment. It is behind `BEHIND_ENROLLMENTS`.
pub const OBJECT_ENROLLMENT: &str = "EO#";

/// It stands between a campaign and an object in a sort key.
const OF_OBJECT: char = '@';

/// The sort key after the last enrollment's: from [`CONTACT`] to it there is nothing but a contact
/// and its enrollments.
pub(crate) const BEHIND_ENROLLMENTS: &str = "E$";

/// The sort key of a contact's tombstone.
const ERASED: &str = "ERASED";

/// The prefix of the sort keys of the tombstones of a contact's objects.
pub(crate) const ERASED_OBJECTS: &str = "ERASED#";

/// It replaces the campaign in the key of a change without effect.
const NO_CAMPAIGN: &str = "~";

/// `type.name` of an object's id; `None` for a contact's.
fn object_part(subject: &ContactId) -> Option<&str> {
    subject.as_str().split_once('.').map(|(_, object)| object)
}

/// A campaign in a sort key: by itself for a contact, with the object for an object.
fn of_subject(subject: &ContactId, campaign: &str) -> String {
    match object_part(subject) {
        Some(object) => format!("{campaign}{OF_OBJECT}{object}"),
        None => campaign.to_owned(),
    }
}

/// Hexadecimal SHA-256.
pub fn sha256(text: &str) -> String {
    hexadecimal(&Sha256::digest(text.as_bytes()))
}

/// The shard of a contact.
pub fn shard(contact: &ContactId) -> u32 {
    let hash = dacapo_engine::hash::stable(&[contact.as_str()]);
    u32::try_from(hash % u64::from(SHARDS)).unwrap_or(0)
}

/// The longest id of a dead letter, in bytes.
const LONGEST_ID_BYTES: usize = 128;

/// The id of a dead letter, which can stand in a path as it is.
pub fn dead_letter_id(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.:".contains(c) { c } else { ':' };
    if name.len() <= LONGEST_ID_BYTES {
        return name.chars().map(plain).collect();
    }
    let by = name.split('/').next().unwrap_or_default();
    format!(
        "{}:{}",
        by.chars().take(LONGEST_ID_BYTES / 4).map(plain).collect::<String>(),
        sha256(name)
    )
}

/// The keys of one account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keys {
    account: AccountId,
}

impl Keys {
    /// The keys of this account.
    pub fn of(account: AccountId) -> Self {
        Self { account }
    }

    /// The account.
    pub fn account(&self) -> &AccountId {
        &self.account
    }

    /// The partition of everything about a contact and its objects; an object is in its person's.
    pub fn contact_partition(&self, subject: &ContactId) -> String {
        let person =
            subject.as_str().split_once('.').map_or(subject.as_str(), |(person, _)| person);
        format!("A#{}#C#{person}", self.account)
    }

    /// A contact, or an object.
    pub fn contact(&self, subject: &ContactId) -> Key {
        let sk = object_part(subject).map(|object| format!("{OBJECT}{object}"));
        Key::new(self.contact_partition(subject), sk.unwrap_or_else(|| CONTACT.to_owned()))
    }

    /// The prefix of the sort keys of a contact's objects of a type.
    pub fn objects_of(kind: &ObjectType) -> String {
        format!("{OBJECT}{kind}.")
    }

    /// The tombstone of an erased contact, or of a deleted object.
    pub fn tombstone(&self, subject: &ContactId) -> Key {
        let sk = object_part(subject).map(|object| format!("{ERASED}#{object}"));
        Key::new(self.contact_partition(subject), sk.unwrap_or_else(|| ERASED.to_owned()))
    }

    /// The key of an object as it is given from outside, which is unique in account and type.
    pub fn object(&self, kind: &ObjectType, key: &str) -> Key {
        Key::new(format!("A#{}#O#{kind}#{}", self.account, sha256(key)), "OBJECT")
    }

    /// That an object's key, kept at `place`, was freed of an object that is gone.
    pub(crate) fn freed(&self, place: &Key, of: &ContactId) -> Key {
        Key::new(place.pk.clone(), format!("FREED#{}", sha256(of.as_str())))
    }

    /// An enrollment.
    pub fn enrollment(&self, subject: &ContactId, campaign: &CampaignId) -> Key {
        let sk = format!("{}{campaign}", Self::enrollments_of(subject));
        Key::new(self.contact_partition(subject), sk)
    }

    /// The prefix of the sort keys of a subject's enrollments.
    pub fn enrollments_of(subject: &ContactId) -> String {
        match object_part(subject) {
            Some(object) => format!("{OBJECT_ENROLLMENT}{object}#"),
            None => ENROLLMENT.to_owned(),
        }
    }

    /// The prefix of the sort keys of enrollments of a person's objects of a type.
    pub fn enrollments_of_objects(kind: &ObjectType) -> String {
        format!("{OBJECT_ENROLLMENT}{kind}.")
    }

    /// A message.
    pub fn message(&self, subject: &ContactId, campaign: &CampaignId, run: u32, step: u32) -> Key {
        let campaign = of_subject(subject, campaign.as_str());
        let sk = format!("{}#{campaign}#{run:06}#{step:06}", Self::MESSAGES);
        Key::new(self.contact_partition(subject), sk)
    }

    /// The prefix of the sort keys of a subject's messages of a campaign.
    pub fn messages_of(subject: &ContactId, campaign: &CampaignId) -> String {
        format!("{}#{}#", Self::MESSAGES, of_subject(subject, campaign.as_str()))
    }

    /// The prefix of the sort keys of messages.
    pub const MESSAGES: &str = "M";

    /// The sort key after the last message's.
    pub(crate) const BEHIND_MESSAGES: &str = "M$";

    /// A webhook call.
    pub fn call(&self, contact: &ContactId, campaign: &CampaignId, run: u32, step: u32) -> Key {
        let campaign = of_subject(contact, campaign.as_str());
        let sk = format!("{}{campaign}#{run:06}#{step:06}", Self::CALLS);
        Key::new(self.contact_partition(contact), sk)
    }

    /// The prefix of the sort keys of webhook calls.
    pub const CALLS: &str = "W#";

    /// The history of a webhook call: it belongs to no decision.
    pub fn history_of_webhook(
        &self,
        contact: &ContactId,
        at: Instant,
        campaign: &CampaignId,
        run: u32,
        step: u32,
    ) -> Key {
        let (at, campaign) = (at.timestamp_millis(), of_subject(contact, campaign.as_str()));
        let sk = format!("{}{at:015}#{campaign}#call.{run}.{step}", Self::HISTORY);
        Key::new(self.contact_partition(contact), sk)
    }

    /// The history of a decision. What does not fit into one transaction has parts.
    pub fn history(
        &self,
        contact: &ContactId,
        at: Instant,
        campaign: &CampaignId,
        rev: u64,
        part: u32,
    ) -> Key {
        let part = if part == 0 { String::new() } else { format!(".{part}") };
        let (at, campaign) = (at.timestamp_millis(), of_subject(contact, campaign.as_str()));
        let sk = format!("{}{at:015}#{campaign}#{rev:010}{part}", Self::HISTORY);
        Key::new(self.contact_partition(contact), sk)
    }

    /// The history of a change without effect, by the contact's `rev` after it; or of a post that
    /// changed nothing, by what identifies it otherwise. No campaign is called `~`.
    pub fn trace(&self, contact: &ContactId, at: Instant, rev: u64, post: Option<u64>) -> Key {
        let (at, none) = (at.timestamp_millis(), of_subject(contact, NO_CAMPAIGN));
        let post = post.map_or_else(String::new, |post| format!(".{post:016x}"));
        let sk = format!("{}{at:015}#{none}#{rev:010}{post}", Self::HISTORY);
        Key::new(self.contact_partition(contact), sk)
    }

    /// The prefix of the sort keys of history.
    pub const HISTORY: &str = "H#";

    /// A change that could not be decided.
    pub fn undecided(&self, contact: &ContactId, campaign: &CampaignId, rev: u64) -> Key {
        Key::new(
            self.contact_partition(contact),
            format!("{}{rev:012}", Self::undecided_of(contact, campaign)),
        )
    }

    /// The prefix of the sort keys of a subject's undecided changes in a campaign.
    pub fn undecided_of(subject: &ContactId, campaign: &CampaignId) -> String {
        format!("Q#{}#", of_subject(subject, campaign.as_str()))
    }

    /// The address, which belongs to one contact at most.
    pub fn address(&self, address: &str) -> Key {
        Key::new(format!("A#{}#@#{}", self.account, sha256(&folded(address))), "ADDRESS")
    }

    /// A partition of the refusals of addresses without a contact.
    pub fn refusals(&self, shard: u32) -> String {
        format!("A#{}#NO#{shard}", self.account)
    }

    /// The refusal of an address without a contact: by its keyed hash.
    pub fn refusal(&self, hash: [u8; 32]) -> Key {
        let shard = u32::from(hash[0]) % SHARDS;
        Key::new(self.refusals(shard), hexadecimal(&hash))
    }

    /// All keys under which an address may be stored: the present one first, then those from before
    /// addresses had one form, by the form in which it was written.
    pub fn addresses(&self, address: &str) -> impl Iterator<Item = Key> {
        let form = folded(address);
        let earlier = kept_before(&form);
        let at =
            |form: String| Key::new(format!("A#{}#@#{}", self.account, sha256(&form)), "ADDRESS");
        std::iter::once(form).chain(earlier).map(at)
    }

    /// The partition of all contacts in the index.
    pub fn contacts_listed(&self, shard: u32) -> String {
        format!("A#{}#C#{shard}", self.account)
    }

    /// The partition of all objects of a type in the index.
    pub fn objects_listed(&self, kind: &ObjectType, shard: u32) -> String {
        format!("A#{}#O#{kind}#{shard}", self.account)
    }

    /// The place of a contact, or of an object, in the index.
    pub fn contact_listed(&self, subject: &ContactId) -> Key {
        let partition = match subject.object() {
            Some((kind, _)) => self.objects_listed(&kind, shard(subject)),
            None => self.contacts_listed(shard(subject)),
        };
        Key::new(partition, subject.as_str())
    }

    /// The partition of the members of a campaign in the index.
    pub fn members_listed(&self, campaign: &CampaignId, shard: u32) -> String {
        format!("A#{}#P#{campaign}#M#{shard}", self.account)
    }

    /// The place of a member of a campaign in the index.
    pub fn member_listed(&self, campaign: &CampaignId, contact: &ContactId) -> Key {
        Key::new(self.members_listed(campaign, shard(contact)), contact.as_str())
    }

    fn campaign_partition(&self, campaign: &CampaignId) -> String {
        format!("A#{}#P#{campaign}", self.account)
    }

    /// The partitions of a campaign's items that are about no contact: documents and statistics.
    pub fn of_campaign(&self, campaign: &CampaignId) -> Vec<String> {
        let statistics = (0..SHARDS).map(|shard| self.statistics(campaign, shard).pk);
        std::iter::once(self.campaign_partition(campaign)).chain(statistics).collect()
    }

    /// A draft.
    pub fn draft(&self, campaign: &CampaignId) -> Key {
        Key::new(self.campaign_partition(campaign), "DRAFT")
    }

    /// A published version.
    pub fn version(&self, campaign: &CampaignId, version: u32) -> Key {
        Key::new(self.campaign_partition(campaign), format!("V#{version:04}"))
    }

    /// The account's settings, fields, and the heads of its campaigns.
    pub fn catalog(&self) -> Key {
        Key::new(format!("A#{}", self.account), "CATALOG")
    }

    /// A shard of a campaign's statistics: what is counted on no day.
    pub fn statistics(&self, campaign: &CampaignId, shard: u32) -> Key {
        Key::new(format!("A#{}#P#{campaign}#S#{shard}", self.account), "S")
    }

    /// The contacts that have a tag, by shard.
    pub fn tagged(&self, tag: &Tag, shard: u32) -> String {
        format!("A#{}#T#{}#{shard}", self.account, sha256(tag.folded()))
    }

    /// The list of the tag from before folding followed Unicode, if it is another one.
    pub fn tagged_before(&self, tag: &Tag, shard: u32) -> Option<String> {
        let folded = tag.folded_before()?;
        Some(format!("A#{}#T#{}#{shard}", self.account, sha256(&folded)))
    }

    /// A contact that has a tag, in that older list.
    pub fn tag_member_before(&self, tag: &Tag, contact: &ContactId) -> Option<Key> {
        Some(Key::new(self.tagged_before(tag, shard(contact))?, contact.as_str()))
    }

    /// A contact that has a tag.
    pub fn tag_member(&self, tag: &Tag, contact: &ContactId) -> Key {
        Key::new(self.tagged(tag, shard(contact)), contact.as_str())
    }

    /// The tags of the account.
    pub fn tags(&self) -> String {
        format!("A#{}#TAGS", self.account)
    }

    /// A tag of the account.
    pub fn tag(&self, tag: &Tag) -> Key {
        Key::new(self.tags(), sha256(tag.folded()))
    }

    /// A day in a shard of a campaign's statistics.
    pub fn statistics_of(&self, campaign: &CampaignId, shard: u32, day: NaiveDate) -> Key {
        let whole = self.statistics(campaign, shard);
        Key::new(whole.pk, format!("{}{day}", Self::DAYS))
    }

    /// The prefix of the sort keys of days.
    pub const DAYS: &str = "D#";

    /// The jobs of the account in the index, in the order in which they were begun.
    pub fn jobs_listed(&self) -> String {
        format!("A#{}#J", self.account)
    }

    /// The place of a job in the index.
    pub fn job_listed(&self, job: u64) -> Key {
        Key::new(self.jobs_listed(), format!("{job:012}"))
    }

    fn job_partition(&self, job: u64) -> String {
        format!("A#{}#J#{job}", self.account)
    }

    /// A job.
    pub fn job(&self, job: u64) -> Key {
        Key::new(self.job_partition(job), "JOB")
    }

    /// A shard of a job.
    pub fn shard(&self, job: u64, shard: u32) -> Key {
        Key::new(self.job_partition(job), format!("LANE#{shard:02}"))
    }

    /// A page of a shard.
    pub fn page(&self, job: u64, pass: u8, shard: u32, campaign: u32, page: u32) -> Key {
        let sk = format!("PAGE#{pass}#{shard:02}#{campaign:04}#{page:06}");
        Key::new(self.job_partition(job), sk)
    }

    /// An idempotency key.
    pub fn idempotency(&self, key: &str) -> Key {
        Key::new(format!("A#{}#I#{}", self.account, sha256(key)), "KEY")
    }

    /// The captured mail.
    pub fn captured(&self) -> String {
        format!("A#{}#OUT", self.account)
    }

    /// A captured mail: it points to its message.
    pub fn captured_mail(&self, at: Instant, message: &Key) -> Key {
        Key::new(
            self.captured(),
            format!("{:015}#{}#{}", at.timestamp_millis(), message.pk, message.sk),
        )
    }

    /// A dead letter, by the name of its work or by its id.
    pub fn dead_letter(&self, name: &str) -> Key {
        Key::new(self.dead_letters_listed(), dead_letter_id(name))
    }

    /// The partition of all dead letters; in the index, the list of them.
    pub fn dead_letters_listed(&self) -> String {
        format!("A#{}#ASIDE", self.account)
    }

    /// The place of a dead letter in the index: the oldest first.
    pub fn dead_letter_listed(&self, at: Instant, id: &str) -> Key {
        Key::new(self.dead_letters_listed(), format!("{:015}#{id}", at.timestamp_millis()))
    }

    /// The account's API keys, in the index.
    pub fn api_keys_listed(&self) -> String {
        format!("A#{}#K", self.account)
    }
}

/// An API key, found by its hash.
pub fn api_key(hash: &str) -> Key {
    Key::new(format!("K#{hash}"), "KEY")
}

#[cfg(test)]
mod tests;
