//! How elements are connected.

use super::format::{
    Branch, ChangeTags, DateTimer, Element, EventElement, Goal, Reset, SendEmail, SetField, Split,
    Start, StartCampaign, StopCampaign, Wait, Webhook,
};
use crate::condition::Condition;
use crate::ids::ElementId;

impl Element {
    /// Its edges in the order of their keys, each with the key that holds it: `next`, `then`, `else`,
    /// `missed`, `branches[0].next`.
    pub fn edges(&self) -> Vec<(String, &ElementId)> {
        match self {
            Self::Start(Start { next, .. })
            | Self::Event(EventElement { next, .. })
            | Self::Goal(Goal { next, .. })
            | Self::Email(SendEmail { next, .. })
            | Self::Wait(Wait { next, .. })
            | Self::Tag(ChangeTags { next, .. })
            | Self::SetField(SetField { next, .. })
            | Self::Reset(Reset { next, .. })
            | Self::StopCampaign(StopCampaign { next, .. })
            | Self::StartCampaign(StartCampaign { next, .. })
            | Self::Webhook(Webhook { next, .. }) => edge("next", next.as_ref()).collect(),
            Self::DateTimer(DateTimer { next, missed, .. }) => {
                edge("next", next.as_ref()).chain(edge("missed", missed.as_ref())).collect()
            }
            Self::Condition(Branch { then, otherwise, .. }) => {
                edge("then", then.as_ref()).chain(edge("else", otherwise.as_ref())).collect()
            }
            Self::Split(Split { branches }) => branches
                .iter()
                .enumerate()
                .filter_map(|(i, branch)| {
                    Some((format!("branches[{i}].next"), branch.next.as_ref()?))
                })
                .collect(),
            Self::Restart(_) | Self::End(_) => Vec::new(),
        }
    }

    /// The word that `type` has for it.
    pub fn type_word(&self) -> &'static str {
        match self {
            Self::Start(_) => "start",
            Self::Event(_) => "event",
            Self::Goal(_) => "goal",
            Self::Email(_) => "email",
            Self::Wait(_) => "wait",
            Self::DateTimer(_) => "date_timer",
            Self::Condition(_) => "condition",
            Self::Split(_) => "split",
            Self::Tag(_) => "tag",
            Self::SetField(_) => "set_field",
            Self::Reset(_) => "reset",
            Self::Restart(_) => "restart",
            Self::StopCampaign(_) => "stop_campaign",
            Self::StartCampaign(_) => "start_campaign",
            Self::Webhook(_) => "webhook",
            Self::End(_) => "end",
        }
    }

    /// The condition that it holds, if its type has one.
    pub fn condition(&self) -> Option<&Condition> {
        match self {
            Self::Start(Start { when, .. })
            | Self::Goal(Goal { when, .. })
            | Self::Condition(Branch { when, .. }) => Some(when),
            Self::Event(_)
            | Self::Email(_)
            | Self::Wait(_)
            | Self::DateTimer(_)
            | Self::Split(_)
            | Self::Tag(_)
            | Self::SetField(_)
            | Self::Reset(_)
            | Self::Restart(_)
            | Self::StopCampaign(_)
            | Self::StartCampaign(_)
            | Self::Webhook(_)
            | Self::End(_) => None,
        }
    }
}

fn edge<'a>(key: &str, to: Option<&'a ElementId>) -> impl Iterator<Item = (String, &'a ElementId)> {
    let key = key.to_owned();
    to.map(|to| (key, to)).into_iter()
}
