//! What a decision asks the outside world to do: timers, messages, webhook calls, commands.
//!
//! Effects are stored until they are performed, so the short names are part of the stored format.

use serde::{Deserialize, Serialize};

use crate::campaign::channel::Channel;
use crate::campaign::format::Purpose;
use crate::contact::Causality;
use crate::history::Command;
use crate::ids::{CampaignId, ElementId};
use crate::statistics::Outcome;
use crate::time::Instant;

/// What a decision asks the outside world to do. It may be performed twice: what identifies it
/// makes a repeat recognisable. That is the run, with the step or the instant; of a command and a
/// change of a status it is the decision, with the place among its effects
/// ([`Source`](super::Source)).
///
/// What the enrollment does is decided before. Performing looks up what lies outside of the
/// decision: when a webhook was reached (in the decision's lines) and whether that was before a
/// restore, which subject a command or a status is about in the other campaign, and which campaigns
/// ask for the status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Effect {
    /// Send [`Event::TimerDue`](super::Event::TimerDue) at the instant.
    #[serde(rename = "t")]
    Schedule {
        /// The run.
        #[serde(rename = "n")]
        run: u32,
        /// The step.
        #[serde(rename = "s")]
        step: u32,
        /// The instant.
        #[serde(rename = "d", with = "chrono::serde::ts_milliseconds")]
        due: Instant,
    },
    /// The timer is no longer needed.
    #[serde(rename = "x")]
    Cancel {
        /// The run.
        #[serde(rename = "n")]
        run: u32,
        /// The step.
        #[serde(rename = "s")]
        step: u32,
        /// The instant for which it was set.
        #[serde(rename = "d", with = "chrono::serde::ts_milliseconds")]
        due: Instant,
    },
    /// Send [`Event::RecheckDue`](super::Event::RecheckDue) at the instant.
    #[serde(rename = "k")]
    Recheck {
        /// The run.
        #[serde(rename = "n")]
        run: u32,
        /// The instant.
        #[serde(rename = "d", with = "chrono::serde::ts_milliseconds")]
        due: Instant,
    },
    /// Queue a message: [`Event::DeliveryDue`](super::Event::DeliveryDue).
    #[serde(rename = "m")]
    Deliver {
        /// The run.
        #[serde(rename = "n")]
        run: u32,
        /// The step.
        #[serde(rename = "s")]
        step: u32,
        /// The channel.
        #[serde(rename = "c", default, skip_serializing_if = "Channel::is_email")]
        channel: Channel,
        /// Which queue.
        #[serde(rename = "p")]
        purpose: Purpose,
    },
    /// Record a message that was settled without having been queued or sent.
    #[serde(rename = "r")]
    RecordMessage {
        /// The run.
        #[serde(rename = "n")]
        run: u32,
        /// The step.
        #[serde(rename = "s")]
        step: u32,
        /// The element.
        #[serde(rename = "e")]
        element: ElementId,
        /// The channel.
        #[serde(rename = "c", default, skip_serializing_if = "Channel::is_email")]
        channel: Channel,
        /// The key under which stands what it says; for e-mail a key of `emails`.
        #[serde(rename = "m")]
        content_key: String,
        /// How it was settled.
        #[serde(rename = "o")]
        outcome: Outcome,
        /// The reason.
        #[serde(rename = "y")]
        reason: String,
    },
    /// Call a webhook.
    #[serde(rename = "h")]
    Call {
        /// The run.
        #[serde(rename = "n")]
        run: u32,
        /// The step.
        #[serde(rename = "s")]
        step: u32,
        /// The version that the element belongs to.
        #[serde(rename = "v")]
        version: u32,
        /// The element.
        #[serde(rename = "e")]
        element: ElementId,
    },
    /// Send a command to another campaign: [`Event::Commanded`](super::Event::Commanded).
    #[serde(rename = "o")]
    Command {
        /// The campaign.
        #[serde(rename = "p")]
        campaign: CampaignId,
        /// The command.
        #[serde(rename = "w")]
        command: Command,
        /// The asking token's place in its chain.
        #[serde(rename = "c")]
        causality: Causality,
    },
    /// Inform the campaigns that read it: [`Event::StatusChanged`](super::Event::StatusChanged).
    #[serde(rename = "u")]
    StatusChanged {
        /// The place of what changed it in its chain.
        #[serde(rename = "c")]
        causality: Causality,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Effects that were stored before channels were named are e-mail.
    #[test]
    fn r30_what_is_stored_of_an_email_names_no_channel() {
        let stored = r#"{"m":{"n":1,"s":2,"p":"transactional"}}"#;
        let (channel, purpose) = (Channel::Email, Purpose::Transactional);
        let effect = Effect::Deliver { run: 1, step: 2, channel, purpose };
        assert_eq!(serde_json::to_string(&effect).unwrap(), stored);
        assert_eq!(serde_json::from_str::<Effect>(stored).unwrap(), effect);

        let stored = r#"{"r":{"n":1,"s":2,"e":"mail","m":"offer","o":"suppressed","y":"why"}}"#;
        let effect = Effect::RecordMessage {
            run: 1,
            step: 2,
            element: ElementId::new("mail").unwrap(),
            channel,
            content_key: "offer".to_owned(),
            outcome: Outcome::Suppressed,
            reason: "why".to_owned(),
        };
        assert_eq!(serde_json::to_string(&effect).unwrap(), stored);
        assert_eq!(serde_json::from_str::<Effect>(stored).unwrap(), effect);
    }
}
