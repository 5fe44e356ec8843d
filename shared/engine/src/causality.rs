//! Who or what leads to what: authors of changes, the chains that changes and tokens belong to
//! (R42), and what campaigns ask of each other.
//!
//! Chains and depths follow from revisions and from what they are caused by, so they are the same
//! however often something is decided again.

use serde::{Deserialize, Serialize};

use crate::hash::stable;
use crate::ids::{CampaignId, ConnectionId, ContactId, ElementId};

/// Who or what made a change.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Author {
    /// An API key, by its name.
    #[serde(rename = "k")]
    ApiKey(String),
    /// A tool, through its connection.
    #[serde(rename = "n")]
    Connection(ConnectionId),
    /// An element of a campaign.
    #[serde(rename = "e")]
    Element(CampaignId, ElementId),
    /// The contact, by the unsubscribe link.
    #[serde(rename = "u")]
    Contact,
    /// The mail service: a bounce or a complaint.
    #[serde(rename = "m")]
    MailService,
}

/// A causal chain (R42): a number made from where it began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Chain(pub u64);

impl Chain {
    /// The chain that a change from outside begins.
    pub fn of_write(rev: u64) -> Self {
        Self(rev)
    }

    /// The chain that a change of an object from outside begins. It is none of the person's, nor,
    /// but for a chance of one in 2^52, of another object.
    pub fn of_object(object: &ContactId, rev: u64) -> Self {
        const OF_OBJECTS: u64 = 1 << 52;
        Self(stable(&[object.as_str(), &rev.to_string()]) % OF_OBJECTS + OF_OBJECTS)
    }
}

/// Where a change or a token is in the chain of causes that led to it.
///
/// Stored as a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(u64, u8)", into = "(u64, u8)")]
pub struct Causality {
    /// The chain.
    pub chain: Chain,
    /// How many writes of campaigns lie between its beginning and here.
    pub depth: u8,
}

impl Causality {
    /// The place of a write, or of what another campaign is asked for, that a token at this place
    /// makes (R42).
    #[must_use]
    pub fn deeper(self) -> Self {
        Self { depth: self.depth.saturating_add(1), ..self }
    }
}

impl From<(u64, u8)> for Causality {
    fn from((chain, depth): (u64, u8)) -> Self {
        Self { chain: Chain(chain), depth }
    }
}

impl From<Causality> for (u64, u8) {
    fn from(causality: Causality) -> Self {
        (causality.chain.0, causality.depth)
    }
}

/// What one campaign asks of another one, or a person by hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// The contact enters by a start (R52).
    #[serde(rename = "s")]
    Start,
    /// The next run begins (R11).
    #[serde(rename = "r")]
    Reset,
    /// The contact may not enter any more (R16).
    #[serde(rename = "x")]
    Stop,
    /// *Stop campaign* with *reset contacts* (R16): the same as a reset, but for the words in the
    /// history.
    #[serde(rename = "y")]
    StopAndReset,
}

/// Something that a path asked of another campaign. The author of the change that carries it is the
/// one who asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AskedCommand {
    /// The campaign.
    #[serde(rename = "p")]
    pub campaign: CampaignId,
    /// The command.
    #[serde(rename = "w")]
    pub command: Command,
    /// The object that is in the asking campaign, if the subject there is an object (R71).
    #[serde(rename = "ob", default, skip_serializing_if = "Option::is_none")]
    pub object: Option<ContactId>,
    /// The asking enrollment's `rev` after the decision that asked.
    #[serde(rename = "r")]
    pub rev: u64,
    /// Which of that decision's effects it is.
    #[serde(rename = "i")]
    pub index: u32,
    /// Its place in the chain.
    #[serde(rename = "c")]
    pub causality: Causality,
}
